/* Local sockets: queues, blocking, who is told, files in flight and the garbage among them. */
#include "core_test.h"

#include "../../vmm/core/sock.h"
#include "../../vmm/core/sock_priv.h"

#include <poll.h>

struct sock_file {
	struct file f;
	struct sock *s;
};

static void end_release(struct file *f)
{
	struct sock_file *sf = container_of(f, struct sock_file, f);

	sock_release(sf->s);
	file_fini(f);
	free(sf);
}

static const struct file_ops end_ops = {.release = end_release};

static struct sock_file *open_sock(enum sock_kind kind)
{
	struct sock_file *sf = calloc(1, sizeof(*sf));

	sf->s = sock_create(kind);
	file_init(&sf->f, &end_ops, 0);
	sock_attach(sf->s, &sf->f);
	return sf;
}

static const struct sock_cred me = {1, 2, 3};

static void open_pair(enum sock_kind kind, struct sock_file *out[2])
{
	out[0] = open_sock(kind);
	out[1] = open_sock(kind);
	sock_pair(out[0]->s, out[1]->s, &me);
}

static ssize_t put(struct sock_file *from, const void *data, size_t n, struct sched_task *t)
{
	struct xfer_buf x;
	struct sock_send m = {.x = &x.x};
	ssize_t r;

	xfer_buf_init_write(&x, data, n);
	r = sock_send(from->s, &m, t);
	sock_send_fini(&m);
	return r;
}

/* A byte with n of these sockets. */
static ssize_t put_files(struct sock_file *from, struct sock_file *const *files, unsigned n)
{
	struct xfer_buf x;
	struct sock_send m = {.x = &x.x};
	ssize_t r;

	m.rights = calloc(1, sizeof(*m.rights) + n * sizeof(m.rights->r[0]));
	m.rights->n = n;
	for (unsigned i = 0; i < n; i++)
		m.rights->r[i] = (struct sock_right){file_dup(&files[i]->f), files[i]->s};
	xfer_buf_init_write(&x, "x", 1);
	r = sock_send(from->s, &m, NULL);
	sock_send_fini(&m);
	return r;
}

static ssize_t get(struct sock_file *to, void *buf, size_t n, struct sched_task *t)
{
	struct xfer_buf x;
	struct sock_recv r = {.x = &x.x};
	ssize_t got;

	xfer_buf_init_read(&x, buf, n);
	got = sock_recv(to->s, &r, t);
	sock_recv_fini(&r);
	return got;
}

static int nothing_left(void **state)
{
	(void)state;
	assert_int_equal(sock_inflight(), 0);
	assert_int_equal(sock_count(), 0);
	assert_int_equal(sock_budget_used(), 0);
	sock_set_budget(SOCK_BUDGET);
	return 0;
}

/* ---- copying to a guest ---- */

static struct sock *copied_from;
static unsigned copies;

static bool is_free(pthread_mutex_t *m)
{
	if (pthread_mutex_trylock(m))
		return false;
	pthread_mutex_unlock(m);
	return true;
}

/* Guest memory may take long to come: nobody else may have to wait for it. */
static ssize_t slow_copy(struct xfer *x, void *buf, size_t n)
{
	(void)buf;
	assert_true(is_free(&sock_links));
	assert_true(is_free(&copied_from->lock));
	copies++;
	x->left -= n;
	return (ssize_t)n;
}

static ssize_t get_slowly(struct sock_file *to, size_t n, bool peek)
{
	struct xfer x = {.copy = slow_copy, .left = n};
	struct sock_recv r = {.x = &x, .peek = peek};
	ssize_t got;

	copied_from = to->s;
	got = sock_recv(to->s, &r, NULL);
	sock_recv_fini(&r);
	return got;
}

static void no_lock_is_held_while_bytes_go_to_the_guest(void **state)
{
	static const enum sock_kind kinds[] = {SOCK_KIND_STREAM, SOCK_KIND_DGRAM, SOCK_KIND_PACKET};
	struct sock_file *p[2], *q[2];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		open_pair(kinds[i], p);
		open_pair(SOCK_KIND_STREAM, q);
		copies = 0;
		assert_int_equal(put(p[1], "abc", 3, NULL), 3);
		assert_int_equal(put_files(p[1], q, 2), 1);
		assert_int_equal(get_slowly(p[0], 3, true), 3);
		assert_int_equal(get_slowly(p[0], 3, false), 3);
		assert_int_equal(get_slowly(p[0], 1, true), 1);
		assert_int_equal(get_slowly(p[0], 1, false), 1);
		assert_int_equal(copies, 4);
		for (int k = 0; k < 2; k++) {
			file_close(&p[k]->f);
			file_close(&q[k]->f);
		}
	}
}

/* ---- blocking ---- */

static void a_reader_is_woken_by_bytes_and_by_the_end(void **state)
{
	struct sock_file *p[2];
	struct sched_task t;
	struct world w;
	char c;

	(void)state;
	world_open(&w, 1);
	open_pair(SOCK_KIND_STREAM, p);
	world_run(&w, &t);
	assert_int_equal(get(p[0], &c, 1, &t), -EBLOCKED);
	assert_true(sched_block(&t));
	assert_int_equal(put(p[1], "a", 1, NULL), 1);
	assert_ptr_equal(world_next(&w, 0), &t);
	sched_prepare(&t);
	assert_int_equal(get(p[0], &c, 1, &t), 1);
	assert_int_equal(get(p[0], &c, 1, &t), -EBLOCKED);
	assert_true(sched_block(&t));
	file_close(&p[1]->f);
	assert_ptr_equal(world_next(&w, 0), &t);
	sched_prepare(&t);
	assert_int_equal(get(p[0], &c, 1, &t), 0);
	world_end(&t);
	file_close(&p[0]->f);
	world_close(&w);
}

static void a_writer_waits_for_room_and_keeps_its_progress(void **state)
{
	static char bytes[400000], back[400000];
	struct sock_file *p[2];
	struct sched_task t;
	struct world w;
	struct xfer_buf x;
	struct sock_send m = {.x = &x.x};
	size_t total = 0;
	ssize_t n, r;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + i / 1000);
	world_open(&w, 1);
	open_pair(SOCK_KIND_STREAM, p);
	world_run(&w, &t);
	xfer_buf_init_write(&x, bytes, sizeof(bytes));
	r = sock_send(p[0]->s, &m, &t);
	while (r == -EBLOCKED) {
		assert_true(sched_block(&t));
		while ((n = get(p[1], back + total, 5000, NULL)) > 0)
			total += (size_t)n;
		assert_ptr_equal(world_next(&w, 0), &t);
		sched_prepare(&t);
		r = sock_send(p[0]->s, &m, &t);
	}
	assert_true(r > 0);
	while ((n = get(p[1], back + total, 5000, NULL)) > 0)
		total += (size_t)n;
	assert_int_equal(total, sizeof(bytes));
	assert_memory_equal(bytes, back, total);
	sock_send_fini(&m);
	world_end(&t);
	file_close(&p[0]->f);
	file_close(&p[1]->f);
	world_close(&w);
}

static void the_second_reader_gets_what_the_first_leaves(void **state)
{
	struct sock_file *p[2];
	struct sched_task t[2];
	struct world w;
	char c;

	(void)state;
	world_open(&w, 1);
	open_pair(SOCK_KIND_STREAM, p);
	for (int i = 0; i < 2; i++) {
		world_run(&w, &t[i]);
		assert_int_equal(get(p[0], &c, 1, &t[i]), -EBLOCKED);
		assert_true(sched_block(&t[i]));
	}
	assert_int_equal(put(p[1], "ab", 2, NULL), 2);
	assert_ptr_equal(world_next(&w, 0), &t[0]);
	assert_null(world_next(&w, 0));
	sched_prepare(&t[0]);
	assert_int_equal(get(p[0], &c, 1, &t[0]), 1);
	assert_ptr_equal(world_next(&w, 0), &t[1]);
	sched_prepare(&t[1]);
	assert_int_equal(get(p[0], &c, 1, &t[1]), 1);
	world_end(&t[0]);
	world_end(&t[1]);
	file_close(&p[0]->f);
	file_close(&p[1]->f);
	world_close(&w);
}

static void a_connect_waits_for_the_backlog(void **state)
{
	struct sock_file *l = open_sock(SOCK_KIND_STREAM), *c[3];
	struct sched_task t;
	struct world w;
	struct sock *got;

	(void)state;
	world_open(&w, 1);
	for (int i = 0; i < 3; i++)
		c[i] = open_sock(SOCK_KIND_STREAM);
	assert_int_equal(sock_connect(c[0]->s, l->s, &me, NULL), -ECONNREFUSED);
	assert_int_equal(sock_listen(l->s, 1, &me), 0);
	assert_int_equal(sock_connect(c[0]->s, l->s, &me, NULL), 0);
	assert_int_equal(sock_connect(c[1]->s, l->s, &me, NULL), 0);
	assert_int_equal(sock_connect(c[2]->s, l->s, &me, NULL), -EAGAIN);
	world_run(&w, &t);
	assert_int_equal(sock_connect(c[2]->s, l->s, &me, &t), -EBLOCKED);
	assert_true(sched_block(&t));
	assert_int_equal(sock_accept(l->s, NULL, &got), 0);
	sock_release(got);
	assert_int_equal(sock_poll(c[0]->s, NULL) & POLLHUP, POLLHUP);
	assert_ptr_equal(world_next(&w, 0), &t);
	sched_prepare(&t);
	assert_int_equal(sock_connect(c[2]->s, l->s, &me, &t), 0);
	world_end(&t);
	/* Those in the backlog die with the listener. */
	file_close(&l->f);
	assert_true(sock_poll(c[2]->s, NULL) & POLLERR);
	for (int i = 0; i < 3; i++)
		file_close(&c[i]->f);
	world_close(&w);
}

/* ---- the budget ---- */

static void over_the_budget_one_message_at_a_time_moves(void **state)
{
	static char bytes[100000];
	struct sock_file *p[2], *q[2];
	char c[5000];
	ssize_t n;

	(void)state;
	open_pair(SOCK_KIND_STREAM, p);
	open_pair(SOCK_KIND_STREAM, q);
	sock_set_budget(20000);
	assert_true(put(p[0], bytes, sizeof(bytes), NULL) > 20000);
	n = put(q[0], bytes, sizeof(bytes), NULL);
	assert_true(n > 0 && n <= 4096);
	assert_int_equal(put(q[0], bytes, 1, NULL), -EAGAIN);
	assert_int_equal(sock_poll(q[0]->s, NULL) & POLLOUT, 0);
	assert_int_equal(get(q[1], c, sizeof(c), NULL), n);
	assert_int_equal(put(q[0], bytes, 1, NULL), 1);
	for (int i = 0; i < 2; i++) {
		file_close(&p[i]->f);
		file_close(&q[i]->f);
	}
}

/* ---- garbage ---- */

static void a_socket_in_its_own_queue_is_collected(void **state)
{
	struct sock_file *p[2], *other[2];

	(void)state;
	open_pair(SOCK_KIND_STREAM, p);
	open_pair(SOCK_KIND_DGRAM, other);
	assert_int_equal(put_files(p[0], p, 2), 1);
	assert_int_equal(put_files(p[1], p, 2), 1);
	file_close(&p[0]->f);
	file_close(&p[1]->f);
	assert_int_equal(sock_inflight(), 4);
	file_close(&other[0]->f);
	assert_int_equal(sock_inflight(), 0);
	file_close(&other[1]->f);
}

static void what_can_be_received_is_not(void **state)
{
	struct sock_file *p[2], *q[2], *other;
	struct xfer_buf x;
	struct sock_recv r = {.x = &x.x};
	char c;

	(void)state;
	open_pair(SOCK_KIND_STREAM, p);
	open_pair(SOCK_KIND_STREAM, q);
	assert_int_equal(put_files(p[0], q, 2), 1);
	assert_int_equal(put_files(q[0], &p[0], 1), 1);
	file_close(&q[0]->f);
	file_close(&q[1]->f);
	file_close(&p[0]->f);
	other = open_sock(SOCK_KIND_DGRAM);
	file_close(&other->f);
	assert_int_equal(sock_inflight(), 3);
	/* p[1] is held: through it q, and through q p[0]. */
	xfer_buf_init_read(&x, &c, 1);
	assert_int_equal(sock_recv(p[1]->s, &r, NULL), 1);
	assert_int_equal(r.rights->n, 2);
	assert_int_equal(sock_inflight(), 1);
	sock_recv_fini(&r);
	assert_int_equal(sock_inflight(), 0);
	file_close(&p[1]->f);
}

static void a_listener_in_the_queue_of_its_own_backlog_is_collected(void **state)
{
	struct sock_file *l = open_sock(SOCK_KIND_STREAM), *c = open_sock(SOCK_KIND_STREAM);

	(void)state;
	assert_int_equal(sock_listen(l->s, 1, &me), 0);
	assert_int_equal(sock_connect(c->s, l->s, &me, NULL), 0);
	assert_int_equal(put_files(c, &l, 1), 1);
	file_close(&l->f);
	file_close(&c->f);
	assert_int_equal(sock_inflight(), 0);
}

static void a_long_chain_is_closed_without_recursion(void **state)
{
	struct sock_file *p[2], *prev = open_sock(SOCK_KIND_DGRAM);

	(void)state;
	for (int i = 0; i < 20000; i++) {
		open_pair(SOCK_KIND_STREAM, p);
		assert_int_equal(put_files(p[0], &prev, 1), 1);
		file_close(&prev->f);
		file_close(&p[0]->f);
		prev = p[1];
	}
	file_close(&prev->f);
	assert_int_equal(sock_inflight(), 0);
}

static void too_many_files_in_flight_are_refused(void **state)
{
	struct sock_file *p[2], *many[SOCK_RIGHTS_MAX];
	ssize_t r = 1;

	(void)state;
	open_pair(SOCK_KIND_STREAM, p);
	sock_set_sndbuf(p[0]->s, 1 << 30);
	for (unsigned i = 0; i < SOCK_RIGHTS_MAX; i++)
		many[i] = p[1];
	while (r == 1)
		r = put_files(p[0], many, SOCK_RIGHTS_MAX);
	assert_int_equal(r, -ETOOMANYREFS);
	assert_true(sock_inflight() <= SOCK_INFLIGHT_MAX);
	file_close(&p[1]->f);
	file_close(&p[0]->f);
	assert_int_equal(sock_inflight(), 0);
}

/* ---- all at once: for MODE=tsan and asan ---- */

#define ROUNDS 2000

static void *make_circles(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS / 4; i++) {
		struct sock_file *p[2], *q[2];

		open_pair(SOCK_KIND_STREAM, p);
		open_pair(SOCK_KIND_DGRAM, q);
		put_files(p[0], q, 2);
		put_files(q[0], p, 2);
		for (int k = 0; k < 2; k++) {
			file_close(&p[k]->f);
			file_close(&q[k]->f);
		}
	}
	return NULL;
}

/* Sends a socket round and receives it again, while others look for garbage. */
static void *juggle(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		struct sock_file *p[2], *q[2];
		struct xfer_buf x;
		struct sock_recv r = {.x = &x.x};
		char c;

		open_pair(SOCK_KIND_STREAM, p);
		open_pair(SOCK_KIND_STREAM, q);
		assert_int_equal(put(q[0], "y", 1, NULL), 1);
		assert_int_equal(put_files(p[0], &q[1], 1), 1);
		file_close(&q[1]->f);
		xfer_buf_init_read(&x, &c, 1);
		assert_int_equal(sock_recv(p[1]->s, &r, NULL), 1);
		assert_ptr_equal(r.rights->r[0].file, &q[1]->f);
		assert_int_equal(get(q[1], &c, 1, NULL), 1);
		assert_int_equal(c, 'y');
		sock_recv_fini(&r);
		file_close(&q[0]->f);
		file_close(&p[0]->f);
		file_close(&p[1]->f);
	}
	return NULL;
}

static struct sock_file *server;

static void *connect_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		struct sock_file *c = open_sock(SOCK_KIND_STREAM);

		if (!sock_connect(c->s, server->s, &me, NULL))
			put(c, "hello", 5, NULL);
		sock_poll(c->s, NULL);
		file_close(&c->f);
	}
	return NULL;
}

static void *accept_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		struct sock *s;

		if (!sock_accept(server->s, NULL, &s))
			sock_release(s);
	}
	return NULL;
}

static void *shout(void *arg)
{
	struct sock_file *s = open_sock(SOCK_KIND_DGRAM), *to = arg;

	for (int i = 0; i < ROUNDS; i++) {
		if (i % 16 == 0)
			sock_connect_dgram(s->s, i % 32 ? NULL : to->s);
		put(s, "x", 1, NULL);
		sock_poll(s->s, NULL);
	}
	file_close(&s->f);
	return NULL;
}

static void *listen_to(void *arg)
{
	char c;

	for (int i = 0; i < ROUNDS; i++)
		get(arg, &c, 1, NULL);
	return NULL;
}

static void threads_do_it_all_at_once(void **state)
{
	struct sock_file *to = open_sock(SOCK_KIND_DGRAM);
	static void *(*const jobs[])(void *) = {make_circles, juggle,    juggle, connect_often,
						accept_often, listen_to, shout,  shout};
	pthread_t thread[ARRAY_SIZE(jobs)];
	struct sock_file *other;

	(void)state;
	server = open_sock(SOCK_KIND_STREAM);
	assert_int_equal(sock_listen(server->s, 5, &me), 0);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
		pthread_create(&thread[i], NULL, jobs[i], to);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
		pthread_join(thread[i], NULL);
	file_close(&to->f);
	file_close(&server->f);
	/* Much garbage may be left; to look for it takes as many events as it deserves. */
	for (int i = 0; i < 100 && sock_inflight(); i++) {
		other = open_sock(SOCK_KIND_DGRAM);
		file_close(&other->f);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(no_lock_is_held_while_bytes_go_to_the_guest,
					  nothing_left),
		cmocka_unit_test_teardown(a_reader_is_woken_by_bytes_and_by_the_end, nothing_left),
		cmocka_unit_test_teardown(a_writer_waits_for_room_and_keeps_its_progress,
					  nothing_left),
		cmocka_unit_test_teardown(the_second_reader_gets_what_the_first_leaves,
					  nothing_left),
		cmocka_unit_test_teardown(a_connect_waits_for_the_backlog, nothing_left),
		cmocka_unit_test_teardown(over_the_budget_one_message_at_a_time_moves,
					  nothing_left),
		cmocka_unit_test_teardown(a_socket_in_its_own_queue_is_collected, nothing_left),
		cmocka_unit_test_teardown(what_can_be_received_is_not, nothing_left),
		cmocka_unit_test_teardown(a_listener_in_the_queue_of_its_own_backlog_is_collected,
					  nothing_left),
		cmocka_unit_test_teardown(a_long_chain_is_closed_without_recursion, nothing_left),
		cmocka_unit_test_teardown(too_many_files_in_flight_are_refused, nothing_left),
		cmocka_unit_test_teardown(threads_do_it_all_at_once, nothing_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
