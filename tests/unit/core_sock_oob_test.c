/* Urgent bytes: the mark while others send, receive and close. */
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
static const struct sock_cred me = {1, 2, 3};
static struct sock_file *p[2];

static void open_pair(void)
{
	for (int i = 0; i < 2; i++) {
		p[i] = calloc(1, sizeof(*p[i]));
		p[i]->s = sock_create(SOCK_KIND_STREAM);
		file_init(&p[i]->f, &end_ops, 0);
		sock_attach(p[i]->s, &p[i]->f);
	}
	sock_pair(p[0]->s, p[1]->s, &me);
}

static void close_pair(void)
{
	file_close(&p[0]->f);
	file_close(&p[1]->f);
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

static ssize_t put(const char *data, bool oob, struct sock_file *file, struct sched_task *t)
{
	struct xfer_buf x;
	struct sock_send m = {.x = &x.x, .oob = oob};
	ssize_t r;

	if (file) {
		m.rights = calloc(1, sizeof(*m.rights) + sizeof(m.rights->r[0]));
		m.rights->n = 1;
		m.rights->r[0] = (struct sock_right){file_dup(&file->f), file->s};
	}
	xfer_buf_init_write(&x, data, strlen(data));
	r = sock_send(p[0]->s, &m, t);
	sock_send_fini(&m);
	return r;
}

static ssize_t get(char *buf, size_t n, bool oob, bool all, struct sched_task *t)
{
	struct xfer_buf x;
	struct sock_recv r = {.x = &x.x, .oob = oob, .all = all};
	ssize_t got;

	memset(buf, 0, n);
	xfer_buf_init_read(&x, buf, n);
	got = sock_recv(p[1]->s, &r, t);
	sock_recv_fini(&r);
	return got;
}

/* ---- what happens while bytes go to the guest, for which no lock but recv_lock is held ---- */

static void (*meanwhile)(void);
static char copied[16];
static size_t ncopied;

static ssize_t busy_copy(struct xfer *x, void *buf, size_t n)
{
	memcpy(copied + ncopied, buf, n);
	ncopied += n;
	x->left -= n;
	if (meanwhile)
		meanwhile();
	meanwhile = NULL;
	return (ssize_t)n;
}

static ssize_t get_busily(bool oob, bool peek, void (*what)(void))
{
	struct xfer x = {.copy = busy_copy, .left = sizeof(copied)};
	struct sock_recv r = {.x = &x, .oob = oob, .peek = peek};
	ssize_t got;

	meanwhile = what;
	memset(copied, 0, sizeof(copied));
	ncopied = 0;
	got = sock_recv(p[1]->s, &r, NULL);
	sock_recv_fini(&r);
	return got;
}

static void send_another(void)
{
	assert_int_equal(put("cd!", true, NULL, NULL), 3);
}

static void another_urgent_byte_comes_while_one_is_taken(void **state)
{
	char buf[16];

	(void)state;
	open_pair();
	assert_int_equal(put("ab?", true, NULL, NULL), 3);
	assert_int_equal(get_busily(true, false, send_another), 1);
	assert_string_equal(copied, "?");
	/* the mark is at the newer one now */
	assert_int_equal(sock_poll(p[1]->s, NULL) & POLLPRI, POLLPRI);
	assert_false(sock_at_mark(p[1]->s));
	assert_int_equal(sock_bytes(p[1]->s), 5);
	assert_int_equal(get(buf, 16, false, false, NULL), 4);
	assert_string_equal(buf, "abcd");
	assert_true(sock_at_mark(p[1]->s));
	assert_int_equal(get(buf, 1, true, false, NULL), 1);
	assert_int_equal(buf[0], '!');
	assert_int_equal(get(buf, 1, false, false, NULL), -EAGAIN);
	assert_int_equal(sock_bytes(p[1]->s), 0);
	close_pair();
}

static void a_reader_stops_before_what_became_urgent_meanwhile(void **state)
{
	char buf[16];

	(void)state;
	open_pair();
	assert_int_equal(put("ab", false, NULL, NULL), 2);
	assert_int_equal(get_busily(false, false, send_another), 4);
	assert_string_equal(copied, "abcd");
	assert_true(sock_at_mark(p[1]->s));
	assert_int_equal(get(buf, 8, true, false, NULL), 1);
	close_pair();

	open_pair();
	assert_int_equal(put("ab", false, NULL, NULL), 2);
	assert_int_equal(get_busily(false, true, send_another), 4);
	assert_string_equal(copied, "abcd");
	assert_false(sock_at_mark(p[1]->s));
	close_pair();
}

static void end_sender(void)
{
	file_close(&p[0]->f);
}

static void the_sender_ends_while_its_urgent_byte_is_taken(void **state)
{
	char c;

	(void)state;
	open_pair();
	assert_int_equal(put("?", true, NULL, NULL), 1);
	assert_int_equal(get_busily(true, false, end_sender), 1);
	assert_int_equal(get(&c, 1, false, false, NULL), 0);
	file_close(&p[1]->f);
}

static void a_reader_that_waits_for_all_goes_at_the_mark(void **state)
{
	struct sched_task t;
	struct xfer_buf x;
	char buf[8] = "";
	struct sock_recv r = {.x = &x.x, .all = true};
	struct world w;

	(void)state;
	world_open(&w, 1);
	open_pair();
	world_run(&w, &t);
	xfer_buf_init_read(&x, buf, sizeof(buf));
	assert_int_equal(put("a", false, NULL, NULL), 1);
	assert_int_equal(sock_recv(p[1]->s, &r, &t), -EBLOCKED);
	assert_true(sched_block(&t));
	assert_int_equal(put("b!", true, NULL, NULL), 2);
	assert_ptr_equal(world_next(&w, 0), &t);
	sched_prepare(&t);
	assert_int_equal(sock_recv(p[1]->s, &r, &t), 2);
	assert_string_equal(buf, "ab");
	sock_recv_fini(&r);
	world_end(&t);
	close_pair();
	world_close(&w);
}

/* Linux keeps the files, too, until the byte is passed. */
static void files_with_an_urgent_byte_are_closed_when_it_is_passed(void **state)
{
	struct sock_file *file;
	char buf[8];

	(void)state;
	for (int take = 0; take < 2; take++) {
		open_pair();
		file = calloc(1, sizeof(*file));
		file->s = sock_create(SOCK_KIND_DGRAM);
		file_init(&file->f, &end_ops, 0);
		sock_attach(file->s, &file->f);
		assert_int_equal(put("!", true, file, NULL), 1);
		file_close(&file->f);
		assert_int_equal(sock_inflight(), 1);
		if (take)
			assert_int_equal(get(buf, 1, true, false, NULL), 1);
		assert_int_equal(sock_inflight(), 1);
		assert_int_equal(get(buf, 8, false, false, NULL), -EAGAIN);
		assert_int_equal(sock_inflight(), 0);
		assert_int_equal(sock_count(), 2);
		close_pair();
	}
}

static void two_marks_in_a_row_are_one(void **state)
{
	char c;

	(void)state;
	open_pair();
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(put("!", true, NULL, NULL), 1);
		assert_int_equal(get(&c, 1, true, false, NULL), 1);
		assert_int_equal(p[1]->s->nmsgs, 1);
	}
	close_pair();
}

/* ---- all at once ---- */

static _Atomic bool over;

static void *shout(void *arg)
{
	for (int i = 0; i < 5000; i++)
		put(i % 3 ? "abc" : "de!", !(i % 3), NULL, NULL);
	over = true;
	return arg;
}

static void *take_urgent(void *arg)
{
	char c;

	while (!over)
		get(&c, 1, true, false, NULL);
	return arg;
}

static void *read_all(void *arg)
{
	char buf[16];
	ssize_t n = 0;

	while (!over || n > 0) {
		sock_at_mark(p[1]->s);
		sock_set_oob_inline(p[1]->s, n & 1);
		n = get(buf, 7, false, false, NULL);
	}
	return arg;
}

static void threads_share_a_stream(void **state)
{
	static void *(*const jobs[])(void *) = {shout, take_urgent, read_all, read_all};
	pthread_t thread[ARRAY_SIZE(jobs)];
	char buf[16];

	(void)state;
	open_pair();
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
		pthread_create(&thread[i], NULL, jobs[i], NULL);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
		pthread_join(thread[i], NULL);
	while (get(buf, 16, false, false, NULL) > 0)
		;
	assert_int_equal(sock_bytes(p[1]->s), 0);
	assert_int_equal(p[1]->s->nmsgs, 0);
	assert_null(p[1]->s->oob);
	close_pair();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(another_urgent_byte_comes_while_one_is_taken,
					  nothing_left),
		cmocka_unit_test_teardown(a_reader_stops_before_what_became_urgent_meanwhile,
					  nothing_left),
		cmocka_unit_test_teardown(the_sender_ends_while_its_urgent_byte_is_taken,
					  nothing_left),
		cmocka_unit_test_teardown(a_reader_that_waits_for_all_goes_at_the_mark,
					  nothing_left),
		cmocka_unit_test_teardown(files_with_an_urgent_byte_are_closed_when_it_is_passed,
					  nothing_left),
		cmocka_unit_test_teardown(two_marks_in_a_row_are_one, nothing_left),
		cmocka_unit_test_teardown(threads_share_a_stream, nothing_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
