/*
 * Closing files that a server of the host's answers for: the host's fstatfs says so here, and its
 * close, on a worker, waits at a gate.
 */
#include "linux_vfs.h"

#include "../../vmm/core/workpool.h"
#include "../../vmm/linux/fs_host.h"
#include "../../vmm/linux/process.h"
#include "../../vmm/linux/writeback.h"

#include <ftw.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static _Atomic bool remote, closed, at_gate;
static _Atomic int answer; /* of close */
static _Atomic unsigned flushes;
static char dir[64];

int fstatfs(int fd, struct statfs *s)
{
	int r = (int)syscall(SYS_fstatfs, fd, s);

	s->f_type = remote ? FUSE_SUPER_MAGIC : EXT4_SUPER_MAGIC;
	return r;
}

static bool is_written_file(int fd)
{
	char link[40], path[128];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0 || fd < 0)
		return false;
	path[n] = 0;
	return dir[0] && !strncmp(path, dir, strlen(dir)) && strstr(path, "/file") &&
	       (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
}

int close(int fd)
{
	int err = 0;

	if (is_written_file(fd)) {
		flushes++;
		while (closed) {
			at_gate = true;
			sched_yield();
		}
		err = answer;
	}
	(void)syscall(SYS_close, fd);
	errno = err;
	return err ? -1 : 0;
}

struct close_test {
	struct vfs_test t;
};

static int rm(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int set_up_as(void **state, bool is_remote)
{
	struct close_test *s = calloc(1, sizeof(*s));
	struct vfs_mount m = {.kind = VFS_MOUNT_BIND_RW, .source = dir, .target = "/mnt"};

	assert_non_null(s);
	strcpy(dir, "/tmp/vmbox-close-XXXXXX");
	assert_non_null(mkdtemp(dir));
	remote = is_remote;
	vt_init(&s->t, NULL);
	assert_int_equal(vfs_mount(&s->t.f.k, &m), 0);
	s->t.f.k.pool = workpool_create(4);
	closed = at_gate = false;
	answer = 0;
	alarm(60); /* what waits for the gate here waits for ever */
	*state = s;
	return 0;
}

static int set_up(void **state)
{
	return set_up_as(state, true);
}

static int set_up_local(void **state)
{
	return set_up_as(state, false);
}

static void until_written(struct close_test *s)
{
	while (atomic_load(&s->t.f.k.writebacks))
		sched_yield();
}

static int tear_down(void **state)
{
	struct close_test *s = *state;

	closed = false;
	alarm(0);
	call_finish(&s->t.f.t, &s->t.f.t.call);
	writeback_forget(&s->t.f.t);
	until_written(s);
	s->t.f.k.stopping = true;
	workpool_destroy(s->t.f.k.pool);
	s->t.f.k.pool = NULL;
	vt_exit(&s->t);
	nftw(dir, rm, 8, FTW_DEPTH | FTW_PHYS);
	dir[0] = 0;
	free(s);
	return 0;
}

/* As step.c goes on with a call. */
static long again(struct close_test *s)
{
	struct task *t = &s->t.f.t;

	sched_prepare_on(&t->st);
	if (call_is_away(&t->call))
		return -EBLOCKED;
	return fake_run_call(&s->t.f, &t->call);
}

static void until_woken(struct close_test *s)
{
	while (!sched_next(s->t.f.k.sched, 0, false))
		sched_yield();
}

static long to_the_end(struct close_test *s, long r)
{
	while (r == -EBLOCKED) {
		if (sched_block(&s->t.f.t.st))
			until_woken(s);
		r = again(s);
	}
	return r;
}

static long opened(struct close_test *s, int flags)
{
	return to_the_end(s, vt_call(&s->t, openat, (uint64_t)AT_FDCWD,
				     vt_str(&s->t, A_PATH, "/mnt/file"), (uint64_t)flags, 0600));
}

/* An open file that was made; nothing of making it counts. */
static long made(struct close_test *s)
{
	long fd = opened(s, O_RDWR | O_CREAT);

	assert_true(fd >= 0);
	flushes = 0;
	return fd;
}

static long close_of(struct close_test *s, long fd)
{
	return vt_call(&s->t, close, (uint64_t)fd);
}

static bool is_open(struct close_test *s, long fd)
{
	struct file *f = fdtable_lookup(s->t.f.p.files, (int)fd);

	file_close(f);
	return f;
}

static void until_at_gate(void)
{
	while (!at_gate)
		sched_yield();
}

static void the_answer_is_waited_for(void **state)
{
	struct close_test *s = *state;
	long fd = made(s);

	closed = true;
	assert_int_equal(close_of(s, fd), -EBLOCKED);
	until_at_gate();
	assert_false(is_open(s, fd));
	/* A wake, of a signal for instance, is not the end. */
	assert_true(sched_block(&s->t.f.t.st));
	sched_wake(&s->t.f.t.st);
	until_woken(s);
	assert_int_equal(again(s), -EBLOCKED);
	closed = false;
	assert_int_equal(to_the_end(s, -EBLOCKED), 0);
	assert_int_equal(flushes, 1);
}

static void what_the_host_says(void **state)
{
	struct close_test *s = *state;
	long fd = made(s);

	answer = EDQUOT;
	assert_int_equal(to_the_end(s, close_of(s, fd)), -EDQUOT);
	assert_false(is_open(s, fd));
	assert_int_equal(close_of(s, fd), -EBADF);
}

/* Of who only reads the server wants to know nothing. */
static void one_that_reads(void **state)
{
	struct close_test *s = *state;
	long fd = made(s), reader = opened(s, O_RDONLY);

	assert_true(reader >= 0);
	flushes = 0;
	assert_int_equal(close_of(s, reader), 0);
	assert_int_equal(flushes, 0);
	assert_int_equal(to_the_end(s, close_of(s, fd)), 0);
}

static void every_descriptor_counts(void **state)
{
	struct close_test *s = *state;
	long fd = made(s), copy = vt_call(&s->t, dup, (uint64_t)fd);

	assert_true(copy >= 0);
	assert_int_equal(to_the_end(s, close_of(s, fd)), 0);
	assert_int_equal(flushes, 1);
	assert_int_equal(to_the_end(s, close_of(s, copy)), 0);
	assert_int_equal(flushes, 2);
}

/* The job goes on without the task, and its process counts it. */
static void who_is_killed_waits_no_longer(void **state)
{
	struct close_test *s = *state;
	struct task *t = &s->t.f.t;
	long fd = made(s);

	task_current = t;
	closed = true;
	assert_int_equal(close_of(s, fd), -EBLOCKED);
	task_current = NULL;
	until_at_gate();
	assert_int_equal(s->t.f.p.flushes, 1);
	t->call.interrupted = t->call.killed = true;
	assert_int_equal(fake_run_call(&s->t.f, &t->call), -EINTR);
	assert_null(t->call.job);
	assert_int_equal(s->t.f.p.flushes, 1);
	closed = false;
	until_written(s);
	assert_int_equal(s->t.f.p.flushes, 0);
	assert_int_equal(s->t.f.p.writebacks, 0);
	assert_int_equal(flushes, 1);
}

/* dup3 has no result for it: the task waits before it is in its program again. */
static void what_is_replaced(void **state)
{
	struct close_test *s = *state;
	struct task *t = &s->t.f.t;
	long fd = made(s), other = opened(s, O_RDONLY);

	flushes = 0;
	task_current = t;
	closed = true;
	answer = EIO;
	assert_int_equal(vt_call(&s->t, dup3, (uint64_t)other, (uint64_t)fd, 0), fd);
	task_current = NULL;
	assert_non_null(t->writebacks);
	until_at_gate();
	sched_prepare_on(&t->st);
	assert_false(writeback_wait(t));
	assert_true(sched_block(&t->st));
	closed = false;
	until_woken(s);
	sched_prepare_on(&t->st);
	assert_true(writeback_wait(t));
	assert_null(t->writebacks);
	assert_int_equal(flushes, 1);
}

static _Atomic int ended;

static void note_end(struct process *p, int status)
{
	ended = status + 1;
}

/* The last worker ends the process, which is not seen to end before. */
static void the_end_of_a_process(void **state)
{
	struct close_test *s = *state;
	struct process *p = &s->t.f.p;

	(void)made(s);
	ended = 0;
	closed = true;
	task_current = &s->t.f.t;
	vfs_process_exit(p);
	task_current = NULL;
	until_at_gate();
	assert_int_equal(p->flushes, 1);
	assert_true(writeback_delays_end(p, W_EXITCODE(3, 0), note_end));
	assert_int_equal(ended, 0);
	closed = false;
	while (!ended)
		sched_yield();
	assert_int_equal(ended, W_EXITCODE(3, 0) + 1);
	until_written(s);
	assert_false(writeback_delays_end(p, 0, note_end));
}

/* No worker, and no other call of the host's than there was. */
static void a_disk_is_not_asked(void **state)
{
	struct close_test *s = *state;
	long fd = made(s);
	unsigned before = workpool_threads(s->t.f.k.pool);

	assert_int_equal(close_of(s, fd), 0);
	assert_int_equal(flushes, 0);
	assert_int_equal(workpool_threads(s->t.f.k.pool), before);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_answer_is_waited_for),
		T(what_the_host_says),
		T(one_that_reads),
		T(every_descriptor_counts),
		T(who_is_killed_waits_no_longer),
		T(what_is_replaced),
		T(the_end_of_a_process),
		cmocka_unit_test_setup_teardown(a_disk_is_not_asked, set_up_local, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
