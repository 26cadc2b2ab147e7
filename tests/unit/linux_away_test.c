/*
 * Calls that a worker runs because the host may keep them waiting: the host's look-up is replaced
 * here, and waits at a gate.
 */
#include "linux_vfs.h"

#include "../../vmm/core/workpool.h"
#include "../../vmm/linux/fs_host.h"

#include <ftw.h>
#include <sys/syscall.h>

static _Atomic bool closed, at_gate;
static _Atomic unsigned asks;

int fstatat(int fd, const char *path, struct stat *st, int flags)
{
	if (flags & AT_NO_AUTOMOUNT) {
		asks++;
		while (closed) {
			at_gate = true;
			sched_yield();
		}
	}
	return (int)syscall(SYS_newfstatat, fd, path, st, flags);
}

struct away_test {
	struct vfs_test t;
	char dir[64];
};

static int rm(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int set_up(void **state)
{
	struct away_test *s = calloc(1, sizeof(*s));
	char path[96];

	assert_non_null(s);
	strcpy(s->dir, "/tmp/vmbox-away-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(path, sizeof(path), "%s/file", s->dir);
	fclose(fopen(path, "w"));
	snprintf(path, sizeof(path), "%s/sub", s->dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/sub/file", s->dir);
	fclose(fopen(path, "w"));
	vt_init(&s->t, s->dir);
	s->t.f.k.pool = workpool_create(2);
	closed = at_gate = false;
	asks = 0;
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct away_test *s = *state;

	closed = false;
	if (s->t.f.k.pool)
		workpool_stop(s->t.f.k.pool, TIME_NEVER);
	call_finish(&s->t.f.t, &s->t.f.t.call);
	workpool_destroy(s->t.f.k.pool);
	s->t.f.k.pool = NULL;
	vt_exit(&s->t);
	nftw(s->dir, rm, 8, FTW_DEPTH | FTW_PHYS);
	free(s);
	return 0;
}

static long stat_of(struct away_test *s, const char *path)
{
	struct stat st;

	return vt_stat(&s->t, path, &st, 0);
}

static void until_woken(struct away_test *s)
{
	while (!sched_next(s->t.f.k.sched, 0, false))
		sched_yield();
}

/* As step.c goes on with a call. */
static long again(struct away_test *s)
{
	struct task *t = &s->t.f.t;

	sched_prepare_on(&t->st);
	if (call_is_away(&t->call))
		return -EBLOCKED;
	return fake_run_call(&s->t.f, &t->call);
}

static long to_the_end(struct away_test *s, long r)
{
	while (r == -EBLOCKED) {
		if (sched_block(&s->t.f.t.st))
			until_woken(s);
		r = again(s);
	}
	return r;
}

/* The host is thought quick, whatever the clock says. */
static void trust(struct away_test *s, bool yes)
{
	struct super *sb = s->t.f.k.vfs->root->sb;
	struct host_pace *p;

	SLIST_FOREACH (p, &sb->paces, link) {
		p->kind = HOST_LOCAL;
		for (unsigned i = 0; i < HOST_OPS; i++)
			p->quick_until[i] = yes ? TIME_NEVER : 0;
	}
}

static void the_first_goes_to_a_worker(void **state)
{
	struct away_test *s = *state;

	assert_int_equal(to_the_end(s, stat_of(s, "/file")), 0);
	assert_int_equal(workpool_threads(s->t.f.k.pool), 1);
	assert_int_equal(asks, 1);
	/* Nothing is left of it. */
	assert_null(s->t.f.t.call.away);
	trust(s, false);
	assert_int_equal(to_the_end(s, stat_of(s, "/none")), -ENOENT);
}

static void who_is_quick_is_asked_inline(void **state)
{
	struct away_test *s = *state;

	/* Anew each time: this thread may be slow, and with it the host. */
	trust(s, true);
	assert_int_equal(stat_of(s, "/file"), 0);
	trust(s, true);
	assert_int_equal(stat_of(s, "/sub/file"), 0);
	trust(s, true);
	assert_int_equal(stat_of(s, "/none"), -ENOENT);
	assert_int_equal(workpool_threads(s->t.f.k.pool), 0);
}

static void it_waits_alone_and_wakes_do_not_hurry_it(void **state)
{
	struct away_test *s = *state;
	long r;

	closed = true;
	r = stat_of(s, "/sub/file");
	assert_int_equal(r, -EBLOCKED);
	while (!at_gate)
		sched_yield();
	assert_true(call_is_away(&s->t.f.t.call));
	assert_true(sched_block(&s->t.f.t.st));
	/* A signal, for instance. */
	sched_wake(&s->t.f.t.st);
	until_woken(s);
	assert_int_equal(again(s), -EBLOCKED);
	closed = false;
	assert_int_equal(to_the_end(s, -EBLOCKED), 0);
	assert_int_equal(asks, 2);
}

static void what_was_slow_is_not_trusted(void **state)
{
	struct away_test *s = *state;
	struct host_pace *p = SLIST_FIRST(&s->t.f.k.vfs->root->sb->paces);
	long r;

	trust(s, true);
	closed = true;
	trust(s, false);
	r = stat_of(s, "/file");
	while (!at_gate)
		sched_yield();
	usleep(HOST_QUICK_NS / 1000 * 2);
	closed = false;
	assert_int_equal(to_the_end(s, r), 0);
	assert_int_equal(p->quick_until[HOST_LOOK], 0);
}

/* The handler blocks on the worker: a FIFO's other end. It goes on where tasks do. */
static void one_that_blocks_there(void **state)
{
	struct away_test *s = *state;
	struct vfs_file *f = NULL;
	struct path p;
	long r, fd;

	trust(s, true);
	assert_int_equal(vt_call(&s->t, mknodat, (uint64_t)AT_FDCWD, vt_str(&s->t, A_PATH, "/fifo"),
				 S_IFIFO | 0600, 0),
			 0);
	trust(s, false);
	r = vt_call(&s->t, openat, (uint64_t)AT_FDCWD, vt_str(&s->t, A_PATH, "/sub/../fifo"),
		    O_RDONLY, 0);
	assert_int_equal(r, -EBLOCKED);
	while (call_is_away(&s->t.f.t.call))
		sched_yield();
	if (sched_block(&s->t.f.t.st))
		until_woken(s);
	assert_int_equal(again(s), -EBLOCKED);
	assert_null(s->t.f.t.call.away);
	assert_int_equal(vfs_path_at(&s->t.f.t, AT_FDCWD, "/fifo", 0, &p), 0);
	assert_int_equal(vfs_open_path(&s->t.f.k, &p, O_RDWR, NULL, (struct file **)&f), 0);
	path_put(&p);
	fd = to_the_end(s, -EBLOCKED);
	assert_true(fd >= 0);
	vt_close(&s->t, fd);
	file_close(&f->f);
}

/* No worker can be had: the thread waits itself. */
static void without_a_worker(void **state)
{
	struct away_test *s = *state;

	workpool_destroy(s->t.f.k.pool);
	s->t.f.k.pool = NULL;
	assert_int_equal(stat_of(s, "/file"), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_first_goes_to_a_worker),
		T(who_is_quick_is_asked_inline),
		T(it_waits_alone_and_wakes_do_not_hurry_it),
		T(what_was_slow_is_not_trusted),
		T(one_that_blocks_there),
		T(without_a_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
