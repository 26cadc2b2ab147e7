/* Pipes: who is woken, poll, sizes, the budget of memory. */
#include "core_pipe.h"

#include <poll.h>

/* ---- wakes ---- */

static void one_write_wakes_one_reader(void **state)
{
	struct scene *s = *state;
	char c;

	for (int i = 0; i < 3; i++)
		block_reader(&s->w, &s->t[i], s->p);
	write_some(s->p, "x", 1, NULL);
	take(s, 0);
	take_none(s);
	assert_int_equal(read_some(s->p, &c, 1, &s->t[0]), 1);
	take_none(s);
	world_end(&s->t[0]);
	pipe_writer_put(s->p);
	for (int i = 1; i < 3; i++) {
		take(s, i);
		world_end(&s->t[i]);
	}
	pipe_reader_put(s->p);
	s->p = NULL;
}

static void a_reader_that_leaves_bytes_wakes_the_next(void **state)
{
	struct scene *s = *state;
	char c;

	for (int i = 0; i < 3; i++)
		block_reader(&s->w, &s->t[i], s->p);
	write_some(s->p, "xyz", 3, NULL);
	for (int i = 0; i < 3; i++) {
		take(s, i);
		take_none(s);
		assert_int_equal(read_some(s->p, &c, 1, &s->t[i]), 1);
		world_end(&s->t[i]);
	}
	take_none(s);
}

/* Woken for the bytes, then interrupted: it takes them all the same. */
static void a_reader_woken_and_interrupted_takes_the_bytes(void **state)
{
	struct scene *s = *state;
	char c;

	block_reader(&s->w, &s->t[0], s->p);
	block_reader(&s->w, &s->t[1], s->p);
	write_some(s->p, "xy", 2, NULL);
	sched_interrupt(&s->t[0]);
	take(s, 0);
	assert_int_equal(read_some(s->p, &c, 1, NULL), 1);
	world_end(&s->t[0]);
	take(s, 1);
	world_end(&s->t[1]);
}

/* Woken, but its memory is gone: the bytes are the next one's. */
static void a_reader_that_cannot_take_the_bytes_hands_on(void **state)
{
	struct scene *s = *state;
	struct bad_source b = {.x = {.copy = bad_copy, .left = 1}};

	block_reader(&s->w, &s->t[0], s->p);
	block_reader(&s->w, &s->t[1], s->p);
	write_some(s->p, "x", 1, NULL);
	take(s, 0);
	assert_int_equal(pipe_read(s->p, &b.x, &s->t[0]), -EFAULT);
	take(s, 1);
	world_end(&s->t[0]);
	world_end(&s->t[1]);
}

/* Woken, then killed before its handler runs: "passes the wake on". */
static void a_reader_killed_after_its_wake_hands_on(void **state)
{
	struct scene *s = *state;

	block_reader(&s->w, &s->t[0], s->p);
	block_reader(&s->w, &s->t[1], s->p);
	write_some(s->p, "x", 1, NULL);
	assert_ptr_equal(world_next(&s->w, 0), &s->t[0]);
	world_end(&s->t[0]);
	take(s, 1);
	world_end(&s->t[1]);
}

static void room_wakes_one_writer_and_it_the_next(void **state)
{
	struct scene *s = *state;
	struct xfer_buf x[2];

	fill_pipe(s->p);
	block_writer(s, 0, &x[0], 10);
	block_writer(s, 1, &x[1], 10);
	read_some(s->p, back, 2 * PIPE_ATOMIC, NULL);
	take(s, 0);
	take_none(s);
	assert_int_equal(pipe_write(s->p, &x[0].x, 10, &s->t[0]), 10);
	take(s, 1);
	assert_int_equal(pipe_write(s->p, &x[1].x, 10, &s->t[1]), 10);
	world_end(&s->t[0]);
	world_end(&s->t[1]);
}

/* ---- poll ---- */

static void poll_shows_what_holds(void **state)
{
	struct scene *s = *state;

	assert_int_equal(pipe_poll(s->p, false, NULL), 0);
	assert_int_equal(pipe_poll(s->p, true, NULL), POLLOUT);
	write_some(s->p, "x", 1, NULL);
	assert_int_equal(pipe_poll(s->p, false, NULL), POLLIN);
	read_some(s->p, back, 1, NULL);
	fill_pipe(s->p);
	/* pipe(7): writable means that PIPE_BUF bytes fit. */
	read_some(s->p, back, PIPE_ATOMIC - 1, NULL);
	assert_int_equal(pipe_poll(s->p, true, NULL), 0);
	read_some(s->p, back, PIPE_ATOMIC, NULL);
	assert_int_equal(pipe_poll(s->p, true, NULL), POLLOUT);
	pipe_reader_get(s->p);
	pipe_writer_put(s->p);
	assert_int_equal(pipe_poll(s->p, false, NULL), POLLIN | POLLHUP);
	read_some(s->p, back, sizeof(back), NULL);
	assert_int_equal(pipe_poll(s->p, false, NULL), POLLHUP);
	pipe_reader_put(s->p);
	pipe_reader_put(s->p);
	s->p = NULL;
}

static void poll_shows_that_the_reader_is_gone(void **state)
{
	struct scene *s = *state;

	pipe_reader_put(s->p);
	assert_int_equal(pipe_poll(s->p, true, NULL), POLLOUT | POLLERR);
	pipe_writer_put(s->p);
	s->p = NULL;
}

/* A poller is told without taking the wake from a reader. */
static void pollers_and_a_reader_are_all_woken(void **state)
{
	struct scene *s = *state;

	for (int i = 0; i < 2; i++) {
		world_run(&s->w, &s->t[i]);
		assert_int_equal(pipe_poll(s->p, false, &s->t[i]), 0);
		assert_true(sched_block(&s->t[i]));
	}
	block_reader(&s->w, &s->t[2], s->p);
	write_some(s->p, "x", 1, NULL);
	for (int i = 0; i < 3; i++) {
		take(s, i);
		world_end(&s->t[i]);
	}
}

/* ---- size ---- */

static void the_size_is_a_power_of_two_of_pages(void **state)
{
	struct scene *s = *state;

	assert_int_equal(pipe_set_size(s->p, 0), 4096);
	assert_int_equal(pipe_set_size(s->p, 4097), 8192);
	assert_int_equal(pipe_set_size(s->p, PIPE_MAX_SIZE), PIPE_MAX_SIZE);
	assert_int_equal(fill_pipe(s->p), PIPE_MAX_SIZE);
	assert_int_equal(pipe_set_size(s->p, PIPE_MAX_SIZE + 1), -EPERM);
	assert_int_equal(pipe_set_size(s->p, (1ULL << 31) + 1), -EINVAL);
	assert_int_equal(pipe_set_size(s->p, SIZE_MAX), -EINVAL);
	assert_int_equal(pipe_set_size(s->p, 65536), -EBUSY);
	assert_int_equal(pipe_size(s->p), PIPE_MAX_SIZE);
}

static void bytes_survive_a_new_size(void **state)
{
	struct scene *s = *state;

	fill_big();
	assert_int_equal(pipe_set_size(s->p, 8192), 8192);
	write_some(s->p, big, 8192, NULL);
	read_some(s->p, back, 5000, NULL);
	write_some(s->p, big + 8192, 4000, NULL); /* round the ring's end, into the first page */
	assert_int_equal(pipe_set_size(s->p, 32768), 32768);
	write_some(s->p, big + 12192, 4000, NULL);
	assert_int_equal(pipe_bytes(s->p), 11192);
	assert_int_equal(pipe_set_size(s->p, 16384), 16384);
	assert_int_equal(read_some(s->p, back + 5000, 20000, NULL), 11192);
	assert_memory_equal(big, back, 16192);
}

static void a_larger_size_wakes_a_writer(void **state)
{
	struct scene *s = *state;
	struct xfer_buf x;

	fill_pipe(s->p);
	block_writer(s, 0, &x, 10);
	pipe_set_size(s->p, 2 * PIPE_DEFAULT_SIZE);
	take(s, 0);
	assert_int_equal(pipe_write(s->p, &x.x, 10, &s->t[0]), 10);
	world_end(&s->t[0]);
}

/* ---- memory ---- */

static void pages_come_and_go_with_the_bytes(void **state)
{
	struct scene *s = *state;

	assert_int_equal(pipe_budget_used(), 0);
	write_some(s->p, "x", 1, NULL);
	assert_int_equal(pipe_budget_used(), 1);
	fill_pipe(s->p);
	assert_int_equal(pipe_budget_used(), PIPE_DEFAULT_SIZE / 4096);
	read_some(s->p, back, sizeof(back), NULL);
	assert_int_equal(pipe_budget_used(), 1); /* one is kept */
	for (int i = 0; i < 10000; i++) {
		write_some(s->p, letters, 26, NULL);
		read_some(s->p, back, 26, NULL);
		assert_int_equal(pipe_budget_used(), 1);
	}
}

static void thousands_of_pipes_stay_small(void **state)
{
	enum { N = 5000 };
	struct pipe **many = calloc(N, sizeof(struct pipe *));

	for (int i = 0; i < N; i++) {
		many[i] = pipe_create();
		assert_non_null(many[i]);
		assert_int_equal(write_some(many[i], "x", 1, NULL), 1);
		assert_int_equal(read_some(many[i], back, 1, NULL), 1);
	}
	assert_true(pipe_budget_used() <= N);
	for (int i = 0; i < N; i++) {
		pipe_reader_put(many[i]);
		pipe_writer_put(many[i]);
	}
	free(many);
}

/* Over the budget small writes still are atomic, and one always fits once the reader has drained.
 */
static void over_the_budget_a_pipe_is_lean(void **state)
{
	struct scene *s = *state;

	pipe_set_budget(0);
	assert_int_equal(write_some(s->p, big, PIPE_ATOMIC - 1, NULL), PIPE_ATOMIC - 1);
	assert_int_equal(write_some(s->p, big, PIPE_ATOMIC, NULL), PIPE_ATOMIC);
	assert_int_equal(write_some(s->p, big, 1, NULL), -EAGAIN);
	assert_int_equal(pipe_poll(s->p, true, NULL), 0);
	read_some(s->p, back, PIPE_ATOMIC - 1, NULL);
	assert_int_equal(write_some(s->p, big, 1, NULL), -EAGAIN); /* it still holds PIPE_ATOMIC */
	read_some(s->p, back, 1, NULL);
	assert_int_equal(pipe_poll(s->p, true, NULL), POLLOUT);
	assert_int_equal(write_some(s->p, big, PIPE_ATOMIC, NULL), PIPE_ATOMIC);
	read_some(s->p, back, sizeof(back), NULL);
	assert_int_equal(pipe_budget_used(), 0); /* nothing is kept */
}

/* A large write over the budget goes on as its reader drains: no deadlock between the two. */
static void over_the_budget_a_large_write_ends(void **state)
{
	struct scene *s = *state;
	struct xfer_buf x;
	size_t out = 0;
	ssize_t n;

	fill_big();
	pipe_set_budget(0);
	write_some(s->p, "!", 1, NULL);
	assert_int_equal(block_writer(s, 0, &x, 100000), 2 * PIPE_ATOMIC - 1);
	read_some(s->p, back, 1, NULL);
	for (;;) {
		n = read_some(s->p, back + out, 1000, NULL);
		if (n < 0)
			break;
		out += (size_t)n;
		if (!world_next(&s->w, 0))
			continue;
		sched_prepare(&s->t[0]);
		if (pipe_write(s->p, &x.x, 100000, &s->t[0]) == -EBLOCKED)
			assert_true(sched_block(&s->t[0]));
		else
			assert_int_equal(x.x.left, 0);
	}
	assert_int_equal(out, 100000);
	assert_memory_equal(big, back, 100000);
	world_end(&s->t[0]);
}

/* What another pipe gives back lets a writer go on whose own reader does not read. */
static void the_end_of_the_shortage_wakes_writers(void **state)
{
	struct scene *s = *state;
	struct pipe *other = pipe_create();
	struct xfer_buf x;

	fill_pipe(other);
	pipe_set_budget(8);
	assert_int_equal(block_writer(s, 0, &x, 20000), 2 * PIPE_ATOMIC);
	take_none(s);
	read_some(other, back, sizeof(back), NULL);
	take(s, 0);
	assert_true(pipe_write(s->p, &x.x, 20000, &s->t[0]) > 0);
	assert_int_equal(x.x.left, 0);
	world_end(&s->t[0]);
	pipe_reader_put(other);
	pipe_writer_put(other);
}

static void a_larger_budget_wakes_writers_and_pollers(void **state)
{
	struct scene *s = *state;
	struct xfer_buf x;

	pipe_set_budget(0);
	write_some(s->p, "!", 1, NULL);
	block_writer(s, 0, &x, 20000);
	world_run(&s->w, &s->t[1]);
	assert_int_equal(pipe_poll(s->p, true, &s->t[1]), 0);
	assert_true(sched_block(&s->t[1]));
	pipe_set_budget(PIPE_BUDGET_PAGES);
	take(s, 0);
	take(s, 1);
	assert_int_equal(pipe_poll(s->p, true, &s->t[1]), POLLOUT);
	world_end(&s->t[0]);
	world_end(&s->t[1]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(one_write_wakes_one_reader),
		T(a_reader_that_leaves_bytes_wakes_the_next),
		T(a_reader_woken_and_interrupted_takes_the_bytes),
		T(a_reader_that_cannot_take_the_bytes_hands_on),
		T(a_reader_killed_after_its_wake_hands_on),
		T(room_wakes_one_writer_and_it_the_next),
		T(poll_shows_what_holds),
		T(poll_shows_that_the_reader_is_gone),
		T(pollers_and_a_reader_are_all_woken),
		T(the_size_is_a_power_of_two_of_pages),
		T(bytes_survive_a_new_size),
		T(a_larger_size_wakes_a_writer),
		T(pages_come_and_go_with_the_bytes),
		T(thousands_of_pipes_stay_small),
		T(over_the_budget_a_pipe_is_lean),
		T(over_the_budget_a_large_write_ends),
		T(the_end_of_the_shortage_wakes_writers),
		T(a_larger_budget_wakes_writers_and_pollers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
