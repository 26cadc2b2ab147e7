/*
 * Files of the host on a slow disk: the task blocks and others run; what was read arrives; a task
 * that is killed meanwhile goes at once. The disk is a fake preadv2 that has nothing at hand until
 * somebody waits for it, and makes whoever waits stop at a gate.
 */
#include "linux_vfs.h"

#include "../../vmm/core/workpool.h"
#include "../../vmm/linux/fs_hostio.h"
#include "../../vmm/linux/process.h"

#include <ftw.h>
#include <sched.h>

#define SIZE   (300 * 1024)
#define A_FILE 0x40000000UL

struct slow {
	struct vfs_test t;
	char dir[64];
};

/* ---- the disk ---- */

static _Atomic bool gate_open, at_gate, no_flag;
static _Atomic unsigned waits, asks;
static _Atomic uint64_t warm_to; /* what lies below is at hand */

static ssize_t slow_preadv2(int fd, const struct iovec *iov, int n, off_t pos, int flags)
{
	size_t len = 0;
	ssize_t r;

	for (int i = 0; i < n; i++)
		len += iov[i].iov_len;
	if (flags & RWF_NOWAIT) {
		asks++;
		if (no_flag) {
			errno = EOPNOTSUPP;
			return -1;
		}
		if ((uint64_t)pos >= warm_to && pos < SIZE) {
			errno = EAGAIN;
			return -1;
		}
		/* What is at hand with something cold behind it is a short read. */
		if (pos < SIZE && (uint64_t)pos + len > warm_to && warm_to < SIZE)
			return pread(fd, iov[0].iov_base,
				     iov[0].iov_len < warm_to - (uint64_t)pos
					     ? iov[0].iov_len
					     : warm_to - (uint64_t)pos,
				     pos);
		return preadv(fd, iov, n, pos);
	}
	waits++;
	at_gate = true;
	while (!gate_open)
		sched_yield();
	r = preadv(fd, iov, n, pos);
	if (r > 0 && (uint64_t)pos + (uint64_t)r > warm_to)
		warm_to = (uint64_t)pos + (uint64_t)r;
	return r;
}

static unsigned char byte_at(size_t i)
{
	return (unsigned char)(i * 7 + i / 4096);
}

static int rm(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int set_up(void **state)
{
	struct slow *s = calloc(1, sizeof(*s));
	char path[96];
	FILE *f;

	assert_non_null(s);
	strcpy(s->dir, "/tmp/vmbox-slow-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(path, sizeof(path), "%s/file", s->dir);
	f = fopen(path, "w");
	assert_non_null(f);
	for (size_t i = 0; i < SIZE; i++)
		fputc(byte_at(i), f);
	fclose(f);
	vt_init(&s->t, s->dir);
	s->t.f.k.pool = workpool_create(2);
	gate_open = at_gate = no_flag = false;
	waits = asks = 0;
	warm_to = 0;
	host_preadv2 = slow_preadv2;
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct slow *s = *state;

	gate_open = true;
	call_finish(&s->t.f.t, &s->t.f.t.call);
	task_drop_parts(&s->t.f.t);
	workpool_destroy(s->t.f.k.pool);
	s->t.f.k.pool = NULL;
	(void)mm_munmap(s->t.f.p.mm, A_FILE, page_up(SIZE) + 8 * 4096);
	vt_exit(&s->t);
	host_preadv2 = preadv2;
	nftw(s->dir, rm, 8, FTW_DEPTH | FTW_PHYS);
	free(s);
	return 0;
}

static void until(_Atomic bool *flag)
{
	while (!*flag)
		sched_yield();
}

/* The task, blocked by the test, after somebody woke it; again in the test's hands. */
static void until_woken(struct slow *s)
{
	struct fake_kernel *f = &s->t.f;

	while (!sched_next(f->k.sched, 0, false))
		sched_yield();
	f->t.call.rerun = true;
}

static void block_task(struct slow *s)
{
	assert_true(sched_block(&s->t.f.t.st));
}

/* Goes on with the call: its result. */
static long again(struct slow *s)
{
	return fake_run_call(&s->t.f, &s->t.f.t.call);
}

/* To its end, however often it blocks. */
static long to_the_end(struct slow *s, long r)
{
	while (r == -EBLOCKED) {
		if (sched_block(&s->t.f.t.st))
			until_woken(s);
		s->t.f.t.call.rerun = true;
		r = again(s);
	}
	return r;
}

/* Opens with no worker's help. */
static long open_here(struct slow *s, const char *path, unsigned flags, unsigned mode)
{
	struct workpool *pool = s->t.f.k.pool;
	long fd;

	s->t.f.k.pool = NULL;
	fd = vt_open(&s->t, path, flags, mode);
	s->t.f.k.pool = pool;
	return fd;
}

static void check_bytes(struct slow *s, size_t from, size_t len)
{
	unsigned char *got = malloc(len);

	assert_non_null(got);
	assert_int_equal(copy_from_guest(s->t.f.p.mm, got, gva(A_BUF), len), 0);
	for (size_t i = 0; i < len; i++)
		if (got[i] != byte_at(from + i))
			fail_msg("byte %zu is wrong", from + i);
	free(got);
}

/* ---- read(2) ---- */

static void what_is_at_hand_is_read_inline(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);

	warm_to = SIZE;
	assert_int_equal(vt_call(&s->t, read, (uint64_t)fd, A_BUF, 10000), 10000);
	check_bytes(s, 0, 10000);
	assert_int_equal(waits, 0);
	assert_int_equal(workpool_threads(s->t.f.k.pool), 0);
	vt_close(&s->t, fd);
}

static void a_cold_read_blocks_the_task_alone(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);
	struct sched_task other;

	assert_int_equal(vt_call(&s->t, read, (uint64_t)fd, A_BUF, 10000), -EBLOCKED);
	block_task(s);
	until(&at_gate);
	/* The vCPU is free for others as long as the disk takes. */
	sched_task_init(&other, s->t.f.k.sched);
	sched_start(&other);
	for (int i = 0; i < 5; i++) {
		assert_ptr_equal(sched_next(s->t.f.k.sched, 0, false), &other);
		sched_yield_task(&other);
	}
	assert_ptr_equal(sched_next(s->t.f.k.sched, 0, false), &other);
	sched_exit(&other);
	sched_task_fini(&other);
	assert_null(sched_next(s->t.f.k.sched, 0, false));
	gate_open = true;
	until_woken(s);
	assert_int_equal(again(s), 10000);
	check_bytes(s, 0, 10000);
	assert_int_equal(waits, 1);
	assert_int_equal(vt_call(&s->t, lseek, (uint64_t)fd, 0, SEEK_CUR), 10000);
	vt_close(&s->t, fd);
}

static void a_long_cold_read_comes_whole(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);

	gate_open = true;
	assert_int_equal(vt_call(&s->t, lseek, (uint64_t)fd, 1000, SEEK_SET), 1000);
	assert_int_equal(to_the_end(s, vt_call(&s->t, read, (uint64_t)fd, A_BUF, BUF_MAX)),
			 BUF_MAX);
	check_bytes(s, 1000, BUF_MAX);
	vt_close(&s->t, fd);
}

/* However many wait: all their buffers together are bounded, but for a page each. */
static void buffers_of_waiting_reads_are_bounded(void **state)
{
	struct slow *s = *state;
	struct vfs *v = s->t.f.k.vfs;
	long fd = open_here(s, "/file", O_RDONLY, 0);

	assert_true(v->max_cold > 0 && v->max_cold <= s->t.f.k.cfg.mem_limit / 16);
	v->max_cold = 20000;
	assert_int_equal(vt_call(&s->t, pread64, (uint64_t)fd, A_BUF, 16384, 0), -EBLOCKED);
	assert_int_equal(atomic_load(&v->cold_bytes), 16384);
	gate_open = true;
	assert_int_equal(to_the_end(s, -EBLOCKED), 16384);
	assert_int_equal(atomic_load(&v->cold_bytes), 0);
	assert_int_equal(waits, 1);
	/* Beyond that a page at a time, and still the whole. */
	v->max_cold = 10000;
	gate_open = false;
	assert_int_equal(vt_call(&s->t, pread64, (uint64_t)fd, A_BUF, 16384, 20480), -EBLOCKED);
	assert_int_equal(atomic_load(&v->cold_bytes), 0);
	gate_open = true;
	assert_int_equal(to_the_end(s, -EBLOCKED), 16384);
	check_bytes(s, 20480, 16384);
	assert_int_equal(waits, 4); /* the last 8192 were within the bound */
	vt_close(&s->t, fd);
}

static void the_end_of_a_cold_file(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);

	gate_open = true;
	assert_int_equal(
		to_the_end(s, vt_call(&s->t, pread64, (uint64_t)fd, A_BUF, 8192, SIZE - 100)), 100);
	check_bytes(s, SIZE - 100, 100);
	assert_int_equal(to_the_end(s, vt_call(&s->t, pread64, (uint64_t)fd, A_BUF, 8192, SIZE)),
			 0);
	vt_close(&s->t, fd);
}

static void half_at_hand_half_cold(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);

	gate_open = true;
	warm_to = 40000;
	assert_int_equal(to_the_end(s, vt_call(&s->t, read, (uint64_t)fd, A_BUF, 80000)), 80000);
	check_bytes(s, 0, 80000);
	vt_close(&s->t, fd);
}

/* RWF_NOWAIT is the guest's own wish. */
static void the_guest_may_refuse_to_wait(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);
	struct iovec iov = {(void *)A_BUF, 4096};

	fake_put(&s->t.f, A_SMALL, &iov, sizeof(iov));
	assert_int_equal(vt_call(&s->t, preadv2, (uint64_t)fd, A_SMALL, 1, 0, 0, RWF_NOWAIT),
			 -EAGAIN);
	assert_int_equal(waits, 0);
	vt_close(&s->t, fd);
}

/* Nobody else's read makes ours jump. */
static void the_position_moves_while_it_waits(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);
	struct file *f = fdtable_lookup(s->t.f.p.files, (int)fd);

	warm_to = 4096;
	assert_int_equal(vt_call(&s->t, read, (uint64_t)fd, A_BUF, 8192), -EBLOCKED);
	block_task(s);
	f->pos = 100000;
	gate_open = true;
	until_woken(s);
	assert_int_equal(again(s), 4096); /* in one piece */
	check_bytes(s, 0, 4096);
	assert_int_equal(f->pos, 100000);
	file_close(f);
	vt_close(&s->t, fd);
}

static void a_file_system_that_cannot_say(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);
	unsigned before;

	gate_open = true;
	no_flag = true;
	assert_int_equal(to_the_end(s, vt_call(&s->t, read, (uint64_t)fd, A_BUF, 5000)), 5000);
	check_bytes(s, 0, 5000);
	before = asks;
	assert_int_equal(to_the_end(s, vt_call(&s->t, read, (uint64_t)fd, A_BUF, 5000)), 5000);
	check_bytes(s, 5000, 5000);
	assert_int_equal(asks, before); /* is asked once */
	vt_close(&s->t, fd);
}

static void without_a_worker_it_waits_itself(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);

	workpool_destroy(s->t.f.k.pool);
	s->t.f.k.pool = NULL;
	gate_open = true;
	assert_int_equal(vt_call(&s->t, read, (uint64_t)fd, A_BUF, 10000), 10000);
	check_bytes(s, 0, 10000);
	vt_close(&s->t, fd);
}

/* ---- signals ---- */

static void a_signal_does_not_end_it(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);

	assert_int_equal(vt_call(&s->t, read, (uint64_t)fd, A_BUF, 10000), -EBLOCKED);
	block_task(s);
	sched_interrupt(&s->t.f.t.st);
	until_woken(s);
	s->t.f.t.call.interrupted = true;
	assert_int_equal(again(s), -EBLOCKED);
	block_task(s);
	gate_open = true;
	until_woken(s);
	assert_int_equal(again(s), 10000);
	check_bytes(s, 0, 10000);
	vt_close(&s->t, fd);
}

/* The job keeps the host's descriptor and its buffer: the guest's file may go before it ends. */
static void killed_while_the_disk_turns(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);

	assert_int_equal(vt_call(&s->t, read, (uint64_t)fd, A_BUF, 10000), -EBLOCKED);
	block_task(s);
	until(&at_gate);
	sched_interrupt(&s->t.f.t.st);
	until_woken(s);
	s->t.f.t.call.interrupted = s->t.f.t.call.killed = true;
	assert_int_equal(again(s), -EINTR);
	assert_null(s->t.f.t.call.job);
	vt_close(&s->t, fd);
	gate_open = true;
}

static void killed_when_it_is_done_anyway(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);

	assert_int_equal(vt_call(&s->t, read, (uint64_t)fd, A_BUF, 10000), -EBLOCKED);
	gate_open = true;
	while (!job_done(s->t.f.t.call.job))
		sched_yield();
	if (sched_block(&s->t.f.t.st))
		until_woken(s);
	s->t.f.t.call.rerun = s->t.f.t.call.interrupted = s->t.f.t.call.killed = true;
	assert_int_equal(again(s), 10000);
	vt_close(&s->t, fd);
}

/* ---- mapped files ---- */

/* With no worker's help. */
static void map_here(struct slow *s, long fd, size_t len, uint64_t prot)
{
	struct workpool *pool = s->t.f.k.pool;

	s->t.f.k.pool = NULL;
	assert_int_equal(
		vt_call(&s->t, mmap, A_FILE, len, prot, MAP_PRIVATE | MAP_FIXED, (uint64_t)fd, 0),
		A_FILE);
	s->t.f.k.pool = pool;
}

static void map_file(struct slow *s, long fd)
{
	map_here(s, fd, SIZE, PROT_READ | PROT_WRITE);
}

static int touch(struct slow *s, uint64_t addr, unsigned access)
{
	s->t.f.t.trap = (struct trap){.kind = TRAP_PAGE_FAULT, .addr = addr, .access = access};
	return fault_resolve(&s->t.f.t);
}

static void check_page(struct slow *s, uint64_t page)
{
	unsigned char c;

	assert_int_equal(copy_from_guest(s->t.f.p.mm, &c, gva(A_FILE + page * 4096 + 5), 1), 0);
	assert_int_equal(c, byte_at(page * 4096 + 5));
}

static void a_touch_of_a_cold_page_blocks(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);

	map_file(s, fd);
	assert_int_equal(waits, 0); /* to map is not to read */
	assert_int_equal(touch(s, A_FILE + 4096, 0), -EBLOCKED);
	block_task(s);
	until(&at_gate);
	/* No lock is held: the address space can be used, and the object. */
	assert_int_equal(fake_map(s->t.f.p.mm, 0x50000000UL, 1, RW, NULL, 0), 0);
	assert_int_equal(mm_fault(s->t.f.p.mm, A_FILE + 8 * 4096, FAULT_NOWAIT), -EAGAIN);
	gate_open = true;
	until_woken(s);
	assert_int_equal(touch(s, A_FILE + 4096, 0), 0);
	assert_null(s->t.f.t.fault_job);
	check_page(s, 1);
	vt_close(&s->t, fd);
}

static void a_write_to_a_cold_page(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);
	int r;

	map_file(s, fd);
	gate_open = true;
	while ((r = touch(s, A_FILE + 40 * 4096 + 5, FAULT_WRITE)) == -EBLOCKED)
		if (sched_block(&s->t.f.t.st))
			until_woken(s);
	assert_int_equal(r, 0);
	check_page(s, 40);
	vt_close(&s->t, fd);
}

static void killed_in_a_fault(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);

	map_file(s, fd);
	assert_int_equal(touch(s, A_FILE, 0), -EBLOCKED);
	block_task(s);
	until(&at_gate);
	s->t.f.p.group_exit = true;
	sched_interrupt(&s->t.f.t.st);
	until_woken(s);
	assert_int_equal(touch(s, A_FILE, 0), -EINTR);
	assert_null(s->t.f.t.fault_job);
	s->t.f.p.group_exit = false;
	vt_close(&s->t, fd);
	gate_open = true;
}

static void unmapped_while_the_page_is_read(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);

	map_file(s, fd);
	assert_int_equal(touch(s, A_FILE, 0), -EBLOCKED);
	block_task(s);
	until(&at_gate);
	assert_int_equal(mm_munmap(s->t.f.p.mm, A_FILE, page_up(SIZE)), 0);
	gate_open = true;
	until_woken(s);
	assert_int_equal(touch(s, A_FILE, 0), -EFAULT);
	vt_close(&s->t, fd);
}

static void a_touch_past_the_end(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);

	map_here(s, fd, SIZE + 8 * 4096, PROT_READ);
	assert_int_equal(touch(s, A_FILE + page_up(SIZE), 0), -ENXIO);
	vt_close(&s->t, fd);
}

/* ---- fsync ---- */

static struct vfs_file_ops slow_ops;
static int sync_result;

static int slow_fsync(struct file *f)
{
	at_gate = true;
	while (!gate_open)
		sched_yield();
	return sync_result;
}

/* The open file of fd gets a slow disk. */
static void make_slow(struct slow *s, long fd)
{
	struct file *f = fdtable_lookup(s->t.f.p.files, (int)fd);

	slow_ops = *vfs_ops(f);
	slow_ops.fsync = slow_fsync;
	slow_ops.slow_fsync = true;
	f->ops = &slow_ops.core;
	file_close(f);
}

static void fsync_blocks_the_task_alone(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);

	make_slow(s, fd);
	sync_result = -EIO;
	assert_int_equal(vt_call(&s->t, fsync, (uint64_t)fd), -EBLOCKED);
	block_task(s);
	until(&at_gate);
	assert_null(sched_next(s->t.f.k.sched, 0, false));
	gate_open = true;
	until_woken(s);
	assert_int_equal(again(s), -EIO);
	vt_close(&s->t, fd);
}

/* The job has a reference to the file, which ends with it. */
static void killed_in_fsync(void **state)
{
	struct slow *s = *state;
	long fd = open_here(s, "/file", O_RDONLY, 0);

	make_slow(s, fd);
	assert_int_equal(vt_call(&s->t, fsync, (uint64_t)fd), -EBLOCKED);
	block_task(s);
	until(&at_gate);
	sched_interrupt(&s->t.f.t.st);
	until_woken(s);
	s->t.f.t.call.interrupted = s->t.f.t.call.killed = true;
	assert_int_equal(again(s), -EINTR);
	vt_close(&s->t, fd);
	assert_true(atomic_load(&s->t.f.k.vfs->nfiles) == 1);
	gate_open = true;
}

static void sync_of_nothing_needs_no_worker(void **state)
{
	struct slow *s = *state;

	assert_int_equal(vt_call(&s->t, sync, 0), 0);
	assert_int_equal(workpool_threads(s->t.f.k.pool), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_at_hand_is_read_inline),  T(a_cold_read_blocks_the_task_alone),
		T(a_long_cold_read_comes_whole),    T(buffers_of_waiting_reads_are_bounded),
		T(the_end_of_a_cold_file),          T(half_at_hand_half_cold),
		T(the_guest_may_refuse_to_wait),    T(the_position_moves_while_it_waits),
		T(a_file_system_that_cannot_say),   T(without_a_worker_it_waits_itself),
		T(a_signal_does_not_end_it),        T(killed_while_the_disk_turns),
		T(killed_when_it_is_done_anyway),   T(a_touch_of_a_cold_page_blocks),
		T(a_write_to_a_cold_page),          T(killed_in_a_fault),
		T(unmapped_while_the_page_is_read), T(a_touch_past_the_end),
		T(fsync_blocks_the_task_alone),     T(killed_in_fsync),
		T(sync_of_nothing_needs_no_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
