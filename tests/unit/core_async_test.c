/* Signals of events: who is told, when, and how often; targets that go meanwhile. */
#include "core_test.h"

#include "../../vmm/core/async.h"
#include "../../vmm/core/sock.h"

#include <stdio.h>

struct listener {
	struct async_target target; /* first */
	struct async_entry entry;
	char log[256];
	bool freed;
	_Atomic unsigned sent;
};

static void log_event(struct async_target *to, const struct async_event *e)
{
	struct listener *l = container_of(to, struct listener, target);
	size_t n = strlen(l->log);

	snprintf(l->log + n, sizeof(l->log) - n, "%s%d*%u ", e->urgent ? "!" : "", (int)e->band,
		 e->count);
	l->sent++;
}

static void mark_freed(struct async_target *to)
{
	container_of(to, struct listener, target)->freed = true;
}

static void listener_init(struct listener *l)
{
	*l = (struct listener){.target = {.refs = 1, .send = log_event, .free = mark_freed}};
}

static void nothing_is_sent_before_the_flush(void **state)
{
	struct async_list list;
	struct listener l;

	(void)state;
	listener_init(&l);
	async_list_init(&list);
	async_tell(&list, ASYNC_IN);
	async_flush();
	assert_false(async_wanted(&list));
	async_add(&list, &l.entry, &l.target);
	assert_true(async_wanted(&list));
	async_tell(&list, ASYNC_IN);
	async_tell(&list, ASYNC_IN);
	async_tell(&list, ASYNC_OUT);
	async_tell(&list, ASYNC_IN);
	assert_string_equal(l.log, "");
	async_flush();
	/* in their order */
	assert_string_equal(l.log, "1*2 2*1 1*1 ");
	async_flush();
	assert_string_equal(l.log, "1*2 2*1 1*1 ");
	async_remove(&l.entry);
	async_remove(&l.entry);
	assert_false(async_wanted(&list));
	async_tell(&list, ASYNC_IN);
	async_flush();
	assert_string_equal(l.log, "1*2 2*1 1*1 ");
	async_list_fini(&list);
}

static void urgent_bytes_are_told_first(void **state)
{
	struct async_list list;
	struct listener l;

	(void)state;
	listener_init(&l);
	async_list_init(&list);
	async_urge(&list);
	async_set_urgent(&list, &l.target);
	assert_false(async_wanted(&list));
	async_urge(&list);
	async_add(&list, &l.entry, &l.target);
	async_urge(&list);
	async_flush();
	assert_string_equal(l.log, "!5*2 5*1 ");
	async_remove(&l.entry);
	async_set_urgent(&list, NULL);
	async_urge(&list);
	async_flush();
	assert_string_equal(l.log, "!5*2 5*1 ");
	async_list_fini(&list);
}

/* The file is closed between the event and the signal. */
static void a_target_lives_until_its_events_are_sent(void **state)
{
	struct async_list list;
	struct listener l;

	(void)state;
	listener_init(&l);
	async_list_init(&list);
	async_add(&list, &l.entry, &l.target);
	async_tell(&list, ASYNC_HUP);
	async_remove(&l.entry);
	async_target_put(&l.target);
	async_list_fini(&list);
	assert_false(l.freed);
	async_flush();
	assert_string_equal(l.log, "6*1 ");
	assert_true(l.freed);
}

static void many_are_told_and_a_flood_is_cut(void **state)
{
	enum { MANY = 1000 };
	struct listener *l = calloc(MANY, sizeof(*l));
	struct async_list list;
	unsigned sent = 0;

	(void)state;
	async_list_init(&list);
	for (int i = 0; i < MANY; i++) {
		listener_init(&l[i]);
		async_add(&list, &l[i].entry, &l[i].target);
	}
	async_tell(&list, ASYNC_IN);
	async_flush();
	for (int i = 0; i < MANY; i++)
		assert_string_equal(l[i].log, "1*1 ");
	for (int i = 0; i < 100; i++)
		async_tell(&list, ASYNC_IN);
	async_flush();
	for (int i = 0; i < MANY; i++) {
		sent += l[i].sent - 1;
		assert_int_equal(l[i].target.refs, 1);
		async_remove(&l[i].entry);
	}
	assert_int_equal(sent, ASYNC_MAX);
	async_list_fini(&list);
	free(l);
}

/* ---- pipes and sockets tell ---- */

static void a_pipe_tells_the_other_end(void **state)
{
	struct pipe *p = pipe_create();
	struct listener r, w;
	struct xfer_buf x;
	char c;

	(void)state;
	listener_init(&r);
	listener_init(&w);
	async_add(pipe_async(p, false), &r.entry, &r.target);
	async_add(pipe_async(p, true), &w.entry, &w.target);
	xfer_buf_init_write(&x, "ab", 2);
	assert_int_equal(pipe_write(p, &x.x, 2, NULL), 2);
	xfer_buf_init_read(&x, &c, 1);
	assert_int_equal(pipe_read(p, &x.x, NULL), 1);
	async_flush();
	assert_string_equal(r.log, "1*1 ");
	assert_string_equal(w.log, "2*1 ");
	pipe_reader_put(p);
	async_flush();
	assert_string_equal(r.log, "1*1 ");
	assert_string_equal(w.log, "2*1 2*1 ");
	async_remove(&r.entry);
	async_remove(&w.entry);
	pipe_writer_put(p);
}

/* A reader that waits for bytes is told by them; a poller, or nobody, by a signal. */
static void a_blocked_reader_of_a_stream_hides_the_event(void **state)
{
	static const struct sock_cred me = {1, 2, 3};
	struct sock *s[2] = {sock_create(SOCK_KIND_STREAM), sock_create(SOCK_KIND_STREAM)};
	struct sock_recv r = {.x = NULL};
	struct sock_send m = {.x = NULL};
	struct sched_task t;
	struct listener l;
	struct xfer_buf x, y;
	struct world w;
	char c;

	(void)state;
	world_open(&w, 1);
	world_run(&w, &t);
	listener_init(&l);
	sock_pair(s[0], s[1], &me);
	async_add(sock_async(s[1]), &l.entry, &l.target);
	xfer_buf_init_read(&x, &c, 1);
	r.x = &x.x;
	assert_int_equal(sock_recv(s[1], &r, &t), -EBLOCKED);
	assert_true(sched_block(&t));
	xfer_buf_init_write(&y, "a", 1);
	m.x = &y.x;
	assert_int_equal(sock_send(s[0], &m, NULL), 1);
	async_flush();
	assert_string_equal(l.log, "");
	assert_ptr_equal(world_next(&w, 0), &t);
	sched_prepare(&t);
	assert_int_equal(sock_recv(s[1], &r, &t), 1);
	xfer_buf_init_write(&y, "b", 1);
	assert_int_equal(sock_send(s[0], &m, NULL), 1);
	async_flush();
	assert_string_equal(l.log, "1*1 ");
	world_end(&t);
	async_remove(&l.entry);
	sock_release(s[0]);
	sock_release(s[1]);
	async_flush();
	world_close(&w);
}

/* ---- all at once ---- */

static struct async_list shared;
static _Atomic bool over;
static _Atomic unsigned live;

static void count_event(struct async_target *to, const struct async_event *e)
{
	assert_true(e->count > 0);
	container_of(to, struct listener, target)->sent += e->count;
}

static void free_listener(struct async_target *to)
{
	live--;
	free(container_of(to, struct listener, target));
}

static void *come_and_go(void *arg)
{
	for (int i = 0; i < 3000; i++) {
		struct listener *l = calloc(1, sizeof(*l));

		l->target = (struct async_target){
			.refs = 1, .send = count_event, .free = free_listener};
		live++;
		async_add(&shared, &l->entry, &l->target);
		if (i & 1)
			async_set_urgent(&shared, &l->target);
		async_tell(&shared, ASYNC_IN);
		async_flush();
		assert_true(l->sent > 0);
		async_set_urgent(&shared, NULL);
		async_remove(&l->entry);
		async_target_put(&l->target);
	}
	over = true;
	return arg;
}

static void *tell_always(void *arg)
{
	while (!over) {
		async_tell(&shared, ASYNC_OUT);
		async_flush();
	}
	return arg;
}

static void threads_tell_who_comes_and_goes(void **state)
{
	/* One alone sets `urgent`: a list has one target for that. */
	static void *(*const jobs[])(void *) = {come_and_go, tell_always, tell_always};
	pthread_t thread[ARRAY_SIZE(jobs)];

	(void)state;
	async_list_init(&shared);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
		pthread_create(&thread[i], NULL, jobs[i], NULL);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(live, 0);
	async_list_fini(&shared);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_sent_before_the_flush),
		cmocka_unit_test(urgent_bytes_are_told_first),
		cmocka_unit_test(a_target_lives_until_its_events_are_sent),
		cmocka_unit_test(many_are_told_and_a_flood_is_cut),
		cmocka_unit_test(a_pipe_tells_the_other_end),
		cmocka_unit_test(a_blocked_reader_of_a_stream_hides_the_event),
		cmocka_unit_test(threads_tell_who_comes_and_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
