/* Pipes: bytes, ends, blocking, atomic writes. */
#include "core_pipe.h"

/* ---- bytes ---- */

static void bytes_come_out_in_order(void **state)
{
	struct scene *s = *state;
	char buf[32];

	assert_int_equal(write_some(s->p, letters, 10, NULL), 10);
	assert_int_equal(write_some(s->p, letters + 10, 16, NULL), 16);
	assert_int_equal(pipe_bytes(s->p), 26);
	assert_int_equal(read_some(s->p, buf, 3, NULL), 3);
	assert_int_equal(read_some(s->p, buf + 3, sizeof(buf) - 3, NULL), 23);
	assert_memory_equal(buf, letters, 26);
	assert_int_equal(pipe_bytes(s->p), 0);
}

/* Every offset of reader and writer in the ring, pages made and dropped, against the expected
 * stream. */
static void a_stream_survives_every_offset(void **state)
{
	static const size_t sizes[] = {4096, 8192, 65536};
	struct scene *s = *state;

	fill_big();
	for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
		size_t in = 0, out = 0;
		unsigned seed = 1;

		assert_int_equal(pipe_set_size(s->p, sizes[k]), sizes[k]);
		while (out < sizeof(big)) {
			size_t n;
			ssize_t got;

			seed = seed * 1103515245 + 12345;
			n = seed >> 8 & 0x3fff;
			if (n > sizeof(big) - in)
				n = sizeof(big) - in;
			got = write_some(s->p, big + in, n, NULL);
			assert_true(got >= 0 || got == -EAGAIN);
			in += got > 0 ? (size_t)got : 0;
			seed = seed * 1103515245 + 12345;
			got = read_some(s->p, back + out, seed >> 8 & 0x3fff, NULL);
			assert_true(got >= 0 || got == -EAGAIN);
			out += got > 0 ? (size_t)got : 0;
			assert_int_equal(pipe_bytes(s->p), in - out);
			assert_true(pipe_budget_used() <= sizes[k] / 4096 + 1);
		}
		assert_memory_equal(big, back, sizeof(big));
	}
}

static void zero_bytes_are_zero_bytes(void **state)
{
	struct scene *s = *state;

	assert_int_equal(read_some(s->p, NULL, 0, NULL), 0);
	assert_int_equal(write_some(s->p, NULL, 0, NULL), 0);
	pipe_reader_put(s->p);
	assert_int_equal(write_some(s->p, NULL, 0, NULL), 0); /* no EPIPE, as on Linux */
	pipe_writer_put(s->p);
	s->p = NULL;
}

static void a_pipe_holds_64_kib(void **state)
{
	struct scene *s = *state;

	assert_int_equal(pipe_size(s->p), PIPE_DEFAULT_SIZE);
	assert_int_equal(fill_pipe(s->p), PIPE_DEFAULT_SIZE);
}

/* ---- ends ---- */

static void no_writer_is_end_of_file_after_the_last_byte(void **state)
{
	struct scene *s = *state;
	char c;

	write_some(s->p, "x", 1, NULL);
	pipe_writer_put(s->p);
	assert_int_equal(read_some(s->p, &c, 1, NULL), 1);
	assert_int_equal(read_some(s->p, &c, 1, NULL), 0);
	pipe_reader_put(s->p);
	s->p = NULL;
}

static void no_reader_is_epipe(void **state)
{
	struct scene *s = *state;

	pipe_reader_get(s->p);
	pipe_reader_put(s->p);
	assert_int_equal(write_some(s->p, "x", 1, NULL), 1);
	pipe_reader_put(s->p);
	assert_int_equal(write_some(s->p, "x", 1, NULL), -EPIPE);
	pipe_writer_put(s->p);
	s->p = NULL;
}

/* "Last writer gone: EOF and waiters woken": all of them. */
static void the_last_writer_wakes_every_reader(void **state)
{
	struct scene *s = *state;
	char c;

	for (int i = 0; i < 3; i++)
		block_reader(&s->w, &s->t[i], s->p);
	pipe_writer_get(s->p);
	pipe_writer_put(s->p);
	take_none(s);
	pipe_writer_put(s->p);
	for (int i = 0; i < 3; i++) {
		take(s, i);
		assert_int_equal(read_some(s->p, &c, 1, &s->t[i]), 0);
		world_end(&s->t[i]);
	}
	pipe_reader_put(s->p);
	s->p = NULL;
}

static void the_last_reader_wakes_every_writer(void **state)
{
	struct scene *s = *state;
	struct xfer_buf x[2];

	fill_pipe(s->p);
	for (int i = 0; i < 2; i++)
		block_writer(s, i, &x[i], 10);
	pipe_reader_put(s->p);
	for (int i = 0; i < 2; i++) {
		take(s, i);
		assert_int_equal(pipe_write(s->p, &x[i].x, 10, &s->t[i]), -EPIPE);
		world_end(&s->t[i]);
	}
	pipe_writer_put(s->p);
	s->p = NULL;
}

/* ---- blocking ---- */

static void an_empty_pipe_blocks_its_reader(void **state)
{
	struct scene *s = *state;
	char c = 0;

	assert_int_equal(read_some(s->p, &c, 1, NULL), -EAGAIN);
	block_reader(&s->w, &s->t[0], s->p);
	write_some(s->p, "y", 1, NULL);
	take(s, 0);
	assert_int_equal(read_some(s->p, &c, 1, &s->t[0]), 1);
	assert_int_equal(c, 'y');
	world_end(&s->t[0]);
}

/* The bytes come between the look and the block. */
static void a_write_before_the_block_is_not_missed(void **state)
{
	struct scene *s = *state;
	char c;

	world_run(&s->w, &s->t[0]);
	assert_int_equal(read_some(s->p, &c, 1, &s->t[0]), -EBLOCKED);
	write_some(s->p, "y", 1, NULL);
	assert_false(sched_block(&s->t[0]));
	sched_prepare(&s->t[0]);
	assert_int_equal(read_some(s->p, &c, 1, &s->t[0]), 1);
	world_end(&s->t[0]);
}

/* A large write moves what fits, keeps its progress in x->left, and goes on where it was. */
static void a_large_write_goes_on_in_pieces(void **state)
{
	struct scene *s = *state;
	struct xfer_buf x;
	size_t out = 0;
	ssize_t n;

	fill_big();
	assert_int_equal(block_writer(s, 0, &x, 200000), PIPE_DEFAULT_SIZE);
	do {
		n = read_some(s->p, back + out, 50000, NULL);
		out += n > 0 ? (size_t)n : 0;
		if (!world_next(&s->w, 0))
			continue;
		sched_prepare(&s->t[0]);
		n = pipe_write(s->p, &x.x, 200000, &s->t[0]);
		if (n == -EBLOCKED)
			assert_true(sched_block(&s->t[0]));
	} while (n == -EBLOCKED || n == -EAGAIN || n == 50000);
	assert_true(n > 0); /* what the last run moved */
	assert_int_equal(x.x.left, 0);
	while (out < 200000)
		out += (size_t)read_some(s->p, back + out, 50000, NULL);
	assert_memory_equal(big, back, 200000);
	world_end(&s->t[0]);
}

/* A signal comes: the handler runs again without a task, and the caller returns what x->left says.
 */
static void a_partial_write_is_interrupted(void **state)
{
	struct scene *s = *state;
	struct xfer_buf x;

	assert_int_equal(block_writer(s, 0, &x, 100000), PIPE_DEFAULT_SIZE);
	sched_interrupt(&s->t[0]);
	take(s, 0);
	assert_int_equal(pipe_write(s->p, &x.x, 100000, NULL), -EAGAIN);
	assert_int_equal(100000 - x.x.left, PIPE_DEFAULT_SIZE);
	world_end(&s->t[0]);
	/* And it has left the queue. */
	read_some(s->p, back, PIPE_DEFAULT_SIZE, NULL);
	take_none(s);
}

static void a_large_write_that_may_not_block_is_partial(void **state)
{
	struct scene *s = *state;

	assert_int_equal(write_some(s->p, big, 100000, NULL), PIPE_DEFAULT_SIZE);
	assert_int_equal(write_some(s->p, big, 100000, NULL), -EAGAIN);
	assert_int_equal(read_some(s->p, back, 100, NULL), 100);
	assert_int_equal(write_some(s->p, big, 100000, NULL), 100);
}

/* ---- PIPE_BUF ---- */

/* pipe(7): "O_NONBLOCK enabled, n <= PIPE_BUF: ... If there is not room, fails with EAGAIN". */
static void a_small_write_is_all_or_nothing(void **state)
{
	struct scene *s = *state;

	fill_pipe(s->p);
	read_some(s->p, back, 100, NULL);
	assert_int_equal(write_some(s->p, big, 101, NULL), -EAGAIN);
	assert_int_equal(pipe_bytes(s->p), PIPE_DEFAULT_SIZE - 100);
	assert_int_equal(write_some(s->p, big, 100, NULL), 100);
}

/* "O_NONBLOCK disabled, n <= PIPE_BUF: All n bytes are written atomically; write may block". */
static void a_small_write_waits_for_room_for_all_of_it(void **state)
{
	struct scene *s = *state;
	struct xfer_buf x;

	fill_pipe(s->p);
	assert_int_equal(block_writer(s, 0, &x, PIPE_ATOMIC), 0);
	read_some(s->p, back, PIPE_ATOMIC - 1, NULL);
	take_none(s);
	read_some(s->p, back, 1, NULL);
	take(s, 0);
	assert_int_equal(pipe_write(s->p, &x.x, PIPE_ATOMIC, &s->t[0]), PIPE_ATOMIC);
	world_end(&s->t[0]);
}

static ssize_t write_bad(struct pipe *p, size_t good, size_t n, struct sched_task *t)
{
	struct bad_source b = {.x = {.copy = bad_copy, .left = n}, .good = good};

	return pipe_write(p, &b.x, n, t);
}

static void a_small_write_from_bad_memory_leaves_nothing(void **state)
{
	struct scene *s = *state;
	char buf[8];

	assert_int_equal(write_bad(s->p, 0, 10, NULL), -EFAULT);
	assert_int_equal(write_bad(s->p, 9, 10, NULL), -EFAULT);
	assert_int_equal(pipe_bytes(s->p), 0);
	write_some(s->p, big, 4000, NULL);
	assert_int_equal(write_bad(s->p, 96, 200, NULL), -EFAULT); /* at the page's end */
	assert_int_equal(write_bad(s->p, 150, 200, NULL), -EFAULT);
	assert_int_equal(pipe_bytes(s->p), 4000);
	read_some(s->p, back, 4000, NULL);
	assert_int_equal(write_some(s->p, "ok", 2, NULL), 2);
	assert_int_equal(read_some(s->p, buf, 8, NULL), 2);
	assert_memory_equal(buf, "ok", 2);
}

static void a_large_write_from_bad_memory_counts_what_came(void **state)
{
	struct scene *s = *state;

	world_run(&s->w, &s->t[0]);
	assert_int_equal(write_bad(s->p, 0, 10000, &s->t[0]), -EFAULT);
	assert_int_equal(write_bad(s->p, 4096, 10000, &s->t[0]), 4096);
	assert_int_equal(write_bad(s->p, 5000, 10000, &s->t[0]), 5000);
	assert_int_equal(pipe_bytes(s->p), 9096);
	world_end(&s->t[0]);
}

static void a_read_into_bad_memory_keeps_the_rest(void **state)
{
	struct scene *s = *state;
	struct bad_source b = {.x = {.copy = bad_copy, .left = 100}};

	write_some(s->p, big, 100, NULL);
	assert_int_equal(pipe_read(s->p, &b.x, NULL), -EFAULT);
	assert_int_equal(pipe_bytes(s->p), 100);
	b.good = 60;
	assert_int_equal(pipe_read(s->p, &b.x, NULL), 60);
	assert_int_equal(pipe_bytes(s->p), 40);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(bytes_come_out_in_order),
		T(a_stream_survives_every_offset),
		T(zero_bytes_are_zero_bytes),
		T(a_pipe_holds_64_kib),
		T(no_writer_is_end_of_file_after_the_last_byte),
		T(no_reader_is_epipe),
		T(the_last_writer_wakes_every_reader),
		T(the_last_reader_wakes_every_writer),
		T(an_empty_pipe_blocks_its_reader),
		T(a_write_before_the_block_is_not_missed),
		T(a_large_write_goes_on_in_pieces),
		T(a_partial_write_is_interrupted),
		T(a_large_write_that_may_not_block_is_partial),
		T(a_small_write_is_all_or_nothing),
		T(a_small_write_waits_for_room_for_all_of_it),
		T(a_small_write_from_bad_memory_leaves_nothing),
		T(a_large_write_from_bad_memory_counts_what_came),
		T(a_read_into_bad_memory_keeps_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
