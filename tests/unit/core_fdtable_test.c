/* Descriptors against section 3.1 of the multi-process RFC, and the numbers that Linux gives. */
#include "core_test.h"

/* A file that counts what happens to it. */
struct counted {
	struct file f;
	_Atomic int dups, closes;
	bool released;
	struct fdtable *from_close; /* used by on_close, to show that no lock is held */
};

static void counted_dup(struct file *f)
{
	container_of(f, struct counted, f)->dups++;
}

static void counted_close(struct file *f)
{
	struct counted *c = container_of(f, struct counted, f);

	c->closes++;
	if (c->from_close)
		assert_int_equal(fdtable_get_cloexec(c->from_close, 1000), -EBADF);
}

static void counted_release(struct file *f)
{
	struct counted *c = container_of(f, struct counted, f);

	/* "ops->release follows the last on_close" */
	assert_int_equal(c->closes, c->dups + 1);
	assert_false(c->released);
	c->released = true;
	file_fini(f);
}

static const struct file_ops counted_ops = {
	.on_dup = counted_dup,
	.on_close = counted_close,
	.release = counted_release,
};

static void counted_init(struct counted *c)
{
	*c = (struct counted){0};
	file_init(&c->f, &counted_ops, 0);
}

static int install(struct fdtable *t, struct file *f)
{
	return fdtable_install(t, f, 0, 1024, false);
}

/* n references to c at the lowest free numbers; the last one is the caller's own. */
static void fill(struct fdtable *t, struct counted *c, int n)
{
	for (int i = 0; i < n; i++)
		assert_true(install(t, i < n - 1 ? file_dup(&c->f) : &c->f) >= 0);
}

/* ---- open file descriptions ---- */

static void every_reference_fires_its_hooks(void **state)
{
	struct counted c;

	counted_init(&c);
	assert_ptr_equal(file_dup(&c.f), &c.f);
	assert_int_equal(c.dups, 1);
	file_close(&c.f);
	assert_int_equal(c.closes, 1);
	assert_false(c.released);
	file_close(&c.f);
	assert_true(c.released);
	file_close(NULL);
}

static void released(struct file *f)
{
	file_fini(f);
	f->pos = -1;
}

static void hooks_are_optional(void **state)
{
	static const struct file_ops ops = {.release = released};
	struct file f;

	file_init(&f, &ops, 0);
	file_close(file_dup(&f));
	assert_int_equal(f.pos, 0);
	file_close(&f);
	assert_int_equal(f.pos, -1);
}

/* "creates a new slot sharing the same Arc<DescriptorEntry>": one position, one set of flags. */
static void duplicates_share_position_and_flags(void **state)
{
	struct fdtable *t = fdtable_create(64);
	struct file *a, *b;
	struct counted c;

	counted_init(&c);
	install(t, &c.f);
	assert_int_equal(fdtable_dup2(t, 0, 5, 64, false), 5);
	a = fdtable_lookup(t, 0);
	b = fdtable_lookup(t, 5);
	assert_ptr_equal(a, b);
	file_close(a);
	file_close(b);
	fdtable_put(t);
	assert_true(c.released);
}

/* ---- numbers ---- */

static void the_lowest_free_number_is_given(void **state)
{
	struct fdtable *t = fdtable_create(1024);
	struct counted c;

	counted_init(&c);
	fill(t, &c, 200);
	assert_int_equal(fdtable_close(t, 130), 0);
	assert_int_equal(fdtable_close(t, 7), 0);
	assert_int_equal(install(t, file_dup(&c.f)), 7);
	assert_int_equal(install(t, file_dup(&c.f)), 130);
	assert_int_equal(install(t, file_dup(&c.f)), 200);
	fdtable_put(t);
	assert_true(c.released);
}

/* fcntl(2), F_DUPFD: "the lowest-numbered available file descriptor greater than or equal to arg".
 */
static void a_minimum_is_respected(void **state)
{
	struct fdtable *t = fdtable_create(1024);
	struct counted c;

	counted_init(&c);
	assert_int_equal(fdtable_install(t, file_dup(&c.f), 500, 1024, false), 500);
	assert_int_equal(fdtable_install(t, file_dup(&c.f), 500, 1024, false), 501);
	assert_int_equal(fdtable_install(t, file_dup(&c.f), 3, 1024, false), 3);
	assert_int_equal(install(t, &c.f), 0);
	fdtable_put(t);
	assert_true(c.released);
}

static void the_limits_hold_and_the_caller_keeps_its_reference(void **state)
{
	struct fdtable *t = fdtable_create(70);
	struct counted c;

	counted_init(&c);
	assert_int_equal(fdtable_install(t, &c.f, -1, 10, false), -EINVAL);
	assert_int_equal(fdtable_install(t, &c.f, 10, 10, false), -EINVAL);
	assert_int_equal(fdtable_install(t, &c.f, 0, 0, false), -EMFILE);
	assert_true(fdtable_full(t, 0));
	assert_false(fdtable_full(t, 1));
	assert_int_equal(fdtable_install(t, file_dup(&c.f), 9, 10, false), 9);
	assert_int_equal(fdtable_install(t, &c.f, 9, 10, false), -EMFILE);
	assert_int_equal(fdtable_install(t, file_dup(&c.f), 69, 1024, false), 69);
	assert_int_equal(fdtable_install(t, &c.f, 69, 1024, false),
			 -EMFILE); /* the table's own end */
	assert_int_equal(fdtable_dup2(t, 9, 70, 1024, false), -EBADF);
	file_close(&c.f);
	assert_false(c.released);
	fdtable_put(t);
	assert_true(c.released);
}

/* A number that has been told before it is open: nobody can close it, and so nobody get it again.
 */
static void a_reserved_number_is_neither_open_nor_free(void **state)
{
	struct fdtable *t = fdtable_create(1024), *n;
	struct file *replaced;
	struct counted c, d;
	unsigned at = 0;
	int fd, other;

	counted_init(&c);
	counted_init(&d);
	fd = fdtable_reserve(t, 1024, true);
	assert_int_equal(fd, 0);
	assert_null(fdtable_lookup(t, fd));
	assert_int_equal(fdtable_close(t, fd), -EBADF);
	assert_null(fdtable_take(t, fd));
	assert_int_equal(fdtable_get_cloexec(t, fd), -EBADF);
	assert_int_equal(fdtable_next(t, 0), -1);
	other = install(t, &d.f);
	assert_int_equal(other, 1);
	assert_int_equal(fdtable_next(t, 0), 1);
	assert_int_equal(fdtable_dup2_take(t, other, fd, 1024, false, &replaced), -EBUSY);
	assert_int_equal(fdtable_dup2_take(t, fd, 5, 1024, false, &replaced), -EBADF);
	assert_null(fdtable_take_next(t, &at, 0, false));
	/* It belongs to whoever reserved it: a copy of the table does not have it. */
	n = fdtable_clone(t);
	assert_int_equal(fdtable_reserve(n, 1024, false), 0);
	fdtable_put(n);
	fdtable_close_exec(t);
	fdtable_close_range(t, 0, 0, false);
	fdtable_fill(t, fd, &c.f);
	assert_int_equal(fdtable_get_cloexec(t, fd), 1);
	assert_int_equal(fdtable_close(t, fd), 0);
	assert_true(c.released);
	fdtable_put(t);
}

static void a_number_that_is_not_needed_after_all(void **state)
{
	struct fdtable *t = fdtable_create(1024);
	struct counted c;
	unsigned at = 0;

	counted_init(&c);
	assert_int_equal(fdtable_reserve(t, 2, false), 0);
	assert_int_equal(fdtable_reserve(t, 2, false), 1);
	assert_int_equal(fdtable_reserve(t, 2, false), -EMFILE);
	fdtable_unreserve(t, 0);
	assert_int_equal(install(t, &c.f), 0);
	/* Those that are open are found behind one that is not. */
	assert_int_equal(fdtable_dup2(t, 0, 70, 1024, false), 70);
	assert_int_equal(fdtable_close(t, 0), 0);
	assert_ptr_equal(fdtable_take_next(t, &at, UINT32_MAX, false), &c.f);
	assert_int_equal(at, 71);
	file_close(&c.f);
	fdtable_put(t);
}

static void numbers_that_are_not_open_are_ebadf(void **state)
{
	static const int bad[] = {-1, 0, 63, 64, 100000, INT32_MAX, INT32_MIN};
	struct fdtable *t = fdtable_create(1024);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_null(fdtable_lookup(t, bad[i]));
		assert_int_equal(fdtable_close(t, bad[i]), -EBADF);
		assert_int_equal(fdtable_get_cloexec(t, bad[i]), -EBADF);
		assert_int_equal(fdtable_set_cloexec(t, bad[i], true), -EBADF);
		assert_int_equal(fdtable_dup2(t, bad[i], 1, 1024, false), -EBADF);
		assert_int_equal(fdtable_dup2(t, bad[i], bad[i], 1024, false), -EBADF);
	}
	fdtable_put(t);
}

/* ---- dup2 ---- */

static void dup2_closes_what_was_there(void **state)
{
	struct fdtable *t = fdtable_create(1024);
	struct counted a, b;

	counted_init(&a);
	counted_init(&b);
	install(t, &a.f);
	install(t, &b.f);
	b.from_close = t;
	assert_int_equal(fdtable_dup2(t, 0, 1, 1024, true), 1);
	assert_true(b.released);
	assert_int_equal(a.dups, 1);
	assert_int_equal(fdtable_get_cloexec(t, 0), 0);
	assert_int_equal(fdtable_get_cloexec(t, 1), 1);
	fdtable_put(t);
	assert_true(a.released);
}

/* dup2(2): "If newfd has the same value as oldfd, then dup2() does nothing, and returns newfd." */
static void dup2_onto_itself_does_nothing(void **state)
{
	struct fdtable *t = fdtable_create(1024);
	struct counted c;

	counted_init(&c);
	fdtable_install(t, &c.f, 0, 1024, true);
	assert_int_equal(fdtable_dup2(t, 0, 0, 1024, false), 0);
	assert_int_equal(c.dups + c.closes, 0);
	assert_int_equal(fdtable_get_cloexec(t, 0), 1);
	fdtable_put(t);
}

static void dup2_out_of_range_is_ebadf(void **state)
{
	struct fdtable *t = fdtable_create(1024);
	struct counted c;

	counted_init(&c);
	install(t, &c.f);
	assert_int_equal(fdtable_dup2(t, 0, -1, 1024, false), -EBADF);
	assert_int_equal(fdtable_dup2(t, 0, 10, 10, false), -EBADF);
	assert_int_equal(fdtable_dup2(t, 0, INT32_MAX, UINT32_MAX, false), -EBADF);
	assert_int_equal(fdtable_dup2(t, 0, 1000, 1024, false), 1000);
	assert_int_equal(install(t, file_dup(&c.f)), 1);
	fdtable_put(t);
}

/* ---- many ---- */

/* "These fire on any duplication/close regardless of the reason (dup, inheritance, ...)". */
static void a_clone_shares_every_description(void **state)
{
	struct fdtable *t = fdtable_create(4096), *child;
	struct counted c;

	counted_init(&c);
	fill(t, &c, 300);
	fdtable_close(t, 299);
	fdtable_close(t, 3);
	fdtable_set_cloexec(t, 5, true);
	child = fdtable_clone(t);
	assert_int_equal(c.dups, 299 + 298);
	assert_int_equal(fdtable_get_cloexec(child, 5), 1);
	assert_int_equal(install(child, file_dup(&c.f)), 3);
	assert_int_equal(install(child, file_dup(&c.f)), 299);
	assert_int_equal(fdtable_close(child, 10), 0);
	assert_int_equal(fdtable_get_cloexec(t, 10), 0); /* the other table is another table */
	fdtable_put(t);
	assert_false(c.released);
	fdtable_put(child);
	assert_true(c.released);
}

static void a_shared_table_closes_at_its_last_reference(void **state)
{
	struct fdtable *t = fdtable_create(1024);
	struct counted c;

	counted_init(&c);
	install(t, &c.f);
	assert_int_equal(fdtable_refs(t), 1);
	assert_ptr_equal(fdtable_get(t), t);
	assert_int_equal(fdtable_refs(t), 2);
	fdtable_put(t);
	assert_false(c.released);
	fdtable_put(t);
	assert_true(c.released);
	fdtable_put(NULL);
}

static void exec_closes_what_is_marked(void **state)
{
	struct fdtable *t = fdtable_create(1024);
	struct counted c;

	counted_init(&c);
	fill(t, &c, 150);
	for (int fd = 0; fd < 150; fd += 2)
		fdtable_set_cloexec(t, fd, true);
	fdtable_close_exec(t);
	assert_int_equal(c.closes, 75);
	for (int fd = 0; fd < 150; fd++)
		assert_int_equal(fdtable_get_cloexec(t, fd), fd & 1 ? 0 : -EBADF);
	/* A number that comes back is not marked. */
	assert_int_equal(install(t, file_dup(&c.f)), 0);
	assert_int_equal(fdtable_get_cloexec(t, 0), 0);
	fdtable_put(t);
}

static void close_range_is_inclusive(void **state)
{
	struct fdtable *t = fdtable_create(1024);
	struct counted c;

	counted_init(&c);
	fill(t, &c, 100);
	fdtable_close_range(t, 10, 19, false);
	assert_int_equal(c.closes, 10);
	assert_int_equal(fdtable_next(t, 10), 20);
	fdtable_close_range(t, 20, 9, false);
	assert_int_equal(c.closes, 10);
	fdtable_close_range(t, 90, UINT32_MAX, true);
	assert_int_equal(fdtable_get_cloexec(t, 89), 0);
	assert_int_equal(fdtable_get_cloexec(t, 90), 1);
	assert_int_equal(fdtable_get_cloexec(t, 99), 1);
	fdtable_close_range(t, 0, UINT32_MAX, false);
	assert_true(c.released);
	assert_int_equal(fdtable_next(t, 0), -1);
	fdtable_put(t);
}

static void next_walks_the_open_ones(void **state)
{
	struct fdtable *t = fdtable_create(1024);
	struct counted c;

	counted_init(&c);
	assert_int_equal(fdtable_install(t, file_dup(&c.f), 3, 1024, false), 3);
	assert_int_equal(fdtable_install(t, &c.f, 700, 1024, false), 700);
	assert_int_equal(fdtable_next(t, -5), 3);
	assert_int_equal(fdtable_next(t, 4), 700);
	assert_int_equal(fdtable_next(t, 701), -1);
	assert_int_equal(fdtable_next(t, INT32_MAX), -1);
	fdtable_put(t);
}

static void a_million_descriptors(void **state)
{
	enum { N = 1 << 20 };
	struct fdtable *t = fdtable_create(N);
	struct counted c;

	counted_init(&c);
	for (int i = 0; i < N; i++)
		assert_int_equal(fdtable_install(t, file_dup(&c.f), 0, N, false), i);
	assert_int_equal(fdtable_install(t, &c.f, 0, N, false), -EMFILE);
	fdtable_put(t);
	assert_false(c.released);
	file_close(&c.f);
	assert_true(c.released);
}

/* ---- pipes across tables: section 3.2 ---- */

/*
 * "Without this, a reader in one process could block forever waiting for data from a writer that
 * was only held open by a now-exited sibling process."
 */
static void a_writer_held_only_by_a_sibling_that_exits(void **state)
{
	struct fdtable *parent = fdtable_create(64), *sibling;
	struct sched_task t;
	struct world w;
	struct pipe *p;
	int fd[2];
	char c;

	world_open(&w, 1);
	p = pipe_open(parent, fd);
	sibling = fdtable_clone(parent);
	fdtable_close(parent, fd[1]);
	block_reader(&w, &t, p);
	fdtable_close(sibling, fd[0]);
	assert_null(world_next(&w, 0));
	fdtable_put(sibling); /* it exits */
	assert_ptr_equal(world_next(&w, 0), &t);
	sched_prepare(&t);
	assert_int_equal(read_some(p, &c, 1, &t), 0);
	world_end(&t);
	fdtable_put(parent);
	world_close(&w);
}

/* "on_dup() and on_close()": descriptors of one process count one by one, too. */
static void a_duplicate_keeps_the_writer(void **state)
{
	struct fdtable *t = fdtable_create(64);
	struct pipe *p;
	int fd[2];
	char c;

	p = pipe_open(t, fd);
	assert_int_equal(fdtable_dup2(t, fd[1], 10, 64, true), 10);
	fdtable_close(t, fd[1]);
	assert_int_equal(read_some(p, &c, 1, NULL), -EAGAIN);
	fdtable_close_exec(t);
	assert_int_equal(read_some(p, &c, 1, NULL), 0);
	fdtable_put(t);
}

/*
 * A read in flight holds its own reference: another thread's close of the descriptor neither ends
 * it nor frees the pipe under it (close(2)).
 */
static void a_close_during_a_blocked_read(void **state)
{
	struct fdtable *t = fdtable_create(64);
	struct sched_task task;
	struct world w;
	struct file *in_flight;
	struct pipe *p;
	int fd[2];
	char c = 0;

	world_open(&w, 1);
	p = pipe_open(t, fd);
	in_flight = fdtable_lookup(t, fd[0]);
	block_reader(&w, &task, p);
	assert_int_equal(fdtable_close(t, fd[0]), 0);
	assert_null(fdtable_lookup(t, fd[0]));
	assert_null(world_next(&w, 0));
	/* It still is a reader: the write succeeds and wakes it. */
	assert_int_equal(write_some(p, "x", 1, NULL), 1);
	assert_ptr_equal(world_next(&w, 0), &task);
	sched_prepare(&task);
	assert_int_equal(read_some(p, &c, 1, &task), 1);
	assert_int_equal(c, 'x');
	file_close(in_flight);
	assert_int_equal(write_some(p, "x", 1, NULL), -EPIPE);
	world_end(&task);
	fdtable_put(t);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reference_fires_its_hooks),
		cmocka_unit_test(hooks_are_optional),
		cmocka_unit_test(duplicates_share_position_and_flags),
		cmocka_unit_test(the_lowest_free_number_is_given),
		cmocka_unit_test(a_minimum_is_respected),
		cmocka_unit_test(the_limits_hold_and_the_caller_keeps_its_reference),
		cmocka_unit_test(a_reserved_number_is_neither_open_nor_free),
		cmocka_unit_test(a_number_that_is_not_needed_after_all),
		cmocka_unit_test(numbers_that_are_not_open_are_ebadf),
		cmocka_unit_test(dup2_closes_what_was_there),
		cmocka_unit_test(dup2_onto_itself_does_nothing),
		cmocka_unit_test(dup2_out_of_range_is_ebadf),
		cmocka_unit_test(a_clone_shares_every_description),
		cmocka_unit_test(a_shared_table_closes_at_its_last_reference),
		cmocka_unit_test(exec_closes_what_is_marked),
		cmocka_unit_test(close_range_is_inclusive),
		cmocka_unit_test(next_walks_the_open_ones),
		cmocka_unit_test(a_million_descriptors),
		cmocka_unit_test(a_writer_held_only_by_a_sibling_that_exits),
		cmocka_unit_test(a_duplicate_keeps_the_writer),
		cmocka_unit_test(a_close_during_a_blocked_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
