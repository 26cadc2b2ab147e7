// kernel: 6.7 (futex_wait, futex_wake and futex_requeue are new there)
// futex_waitv, futex_wait, futex_wake, futex_requeue: the calls with sizes in their flags; and
// PR_FUTEX_HASH where the kernel has it.
#include "futex.h"

#include <sys/prctl.h>

#define NR_WAITV   449
#define NR_WAKE    454
#define NR_WAIT    455
#define NR_REQUEUE 456

#define U32     2
#define NUMA    4
#define PRIVATE 128

struct entry {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};

static long waitv(const struct entry *e, unsigned n, unsigned flags, const struct timespec *ts,
		  int clock)
{
	return syscall(NR_WAITV, e, n, flags, ts, clock);
}

static long wait2(const void *w, unsigned long val, unsigned long mask, unsigned flags,
		  const struct timespec *ts, int clock)
{
	return syscall(NR_WAIT, w, val, mask, flags, ts, clock);
}

static long wake2(const void *w, unsigned long mask, int nr, unsigned flags)
{
	return syscall(NR_WAKE, w, mask, nr, flags);
}

static struct entry entry_of(const void *w, uint64_t val)
{
	return (struct entry){val, (uintptr_t)w, U32, 0};
}

static void vector(word_t *w)
{
	struct entry e[128];
	struct timespec ts;
	pid_t pid;

	for (int i = 0; i < 128; i++)
		e[i] = entry_of(w + i, 0);
	for (int i = 0; i < 128; i += 127) {
		pid = fork_ok();
		if (!pid) {
			CHECK_EQ(waitv(e, 128, 0, NULL, 0), i);
			_exit(0);
		}
		await_waiters(w + 127, 1);
		CHECK_EQ(futex(w + i, F_WAKE, 1, NULL, NULL, 0), 1);
		reap_ok(pid);
		CHECK_EQ(waiters(w + 64, 0), 0);
	}
	e[5].val = 1;
	CHECK_ERR(waitv(e, 128, 0, NULL, 0), EAGAIN);
	CHECK_EQ(waiters(w, 0), 0);
	ts = in_ms(CLOCK_MONOTONIC, 20);
	CHECK_ERR(waitv(e, 5, 0, &ts, CLOCK_MONOTONIC), ETIMEDOUT);
	ts = in_ms(CLOCK_REALTIME, 20);
	CHECK_ERR(waitv(e, 5, 0, &ts, CLOCK_REALTIME), ETIMEDOUT);
	say("waitv: ok\n");
}

static void vector_errors(word_t *w)
{
	struct entry e[129] = {entry_of(w, 1), entry_of(w, 1)};
	struct timespec ts = {0, 1000000000}, ok = {0, 0};

	CHECK_ERR(waitv(e, 1, 1, NULL, 0), EINVAL);
	CHECK_ERR(waitv(e, 0, 0, NULL, 0), EINVAL);
	CHECK_ERR(waitv(e, 129, 0, NULL, 0), EINVAL);
	CHECK_ERR(waitv(NULL, 1, 0, NULL, 0), EINVAL);
	CHECK_ERR(waitv((void *)8, 1, 0, NULL, 0), EFAULT);
	CHECK_ERR(waitv((void *)8, 1, 0, &ok, 7), EINVAL);
	CHECK_ERR(waitv((void *)8, 1, 0, &ts, CLOCK_MONOTONIC), EINVAL);
	CHECK_ERR(waitv((void *)8, 1, 0, (void *)1, CLOCK_MONOTONIC), EFAULT);
	/* Without a timeout the clock is not looked at. */
	CHECK_ERR(waitv(e, 1, 0, NULL, 7), EAGAIN);
	e[1].reserved = 1;
	CHECK_ERR(waitv(e, 2, 0, NULL, 0), EINVAL);
	/* Linux looks at the value's upper half since 6.7. */
	e[1] = entry_of(w, 1ULL << 32);
	CHECK_ERR(waitv(e, 2, 0, NULL, 0), EINVAL);
	for (unsigned flags = 0; flags < 4; flags++) {
		e[1] = entry_of(w, 0);
		e[1].flags = flags;
		if (flags != U32)
			CHECK_ERR(waitv(e, 2, 0, NULL, 0), EINVAL);
	}
	e[1] = entry_of(w, 0);
	e[1].flags |= 0x40;
	CHECK_ERR(waitv(e, 2, 0, NULL, 0), EINVAL);
	/* Addresses of all come before the values. */
	e[1] = entry_of((char *)w + 2, 0);
	CHECK_ERR(waitv(e, 2, 0, NULL, 0), EINVAL);
	e[1] = entry_of(KERNEL_HALF, 0);
	CHECK_ERR(waitv(e, 2, 0, NULL, 0), EFAULT);
	say("waitv errors: ok\n");
}

static void single(word_t *w)
{
	struct timespec ts;
	pid_t pid = fork_ok();

	if (!pid) {
		CHECK_EQ(wait2(w, 0, 6, U32, NULL, 0), 0);
		_exit(0);
	}
	await_waiters(w, 1);
	CHECK_EQ(wake2(w, 1, 1, U32), 0);
	CHECK_EQ(wake2(w, 2, 0, U32), 0);
	CHECK_EQ(wake2(w, 2, 1, U32), 1);
	reap_ok(pid);
	ts = in_ms(CLOCK_MONOTONIC, 20);
	CHECK_ERR(wait2(w, 0, ~0U, U32, &ts, CLOCK_MONOTONIC), ETIMEDOUT);
	CHECK_ERR(wait2(w, 1, ~0U, U32, &ts, CLOCK_MONOTONIC), EAGAIN);
	CHECK_ERR(wait2(w, 0, 0, U32, NULL, 0), EINVAL);
	CHECK_ERR(wait2(w, 1UL << 32, 1, U32, NULL, 0), EINVAL);
	CHECK_ERR(wait2(w, 0, 1UL << 32, U32, NULL, 0), EINVAL);
	CHECK_ERR(wait2(w, 0, 1, 0, NULL, 0), EINVAL);
	CHECK_ERR(wait2(w, 0, 1, U32 | 0x40, NULL, 0), EINVAL);
	CHECK_ERR(wait2(w, 0, 1, U32, &ts, CLOCK_BOOTTIME), EINVAL);
	CHECK_ERR(wait2((char *)w + 1, 0, 1, U32, NULL, 0), EINVAL);
	CHECK_ERR(wait2((void *)4096, 0, 1, U32, NULL, 0), EFAULT);
	CHECK_ERR(wake2(w, 0, 1, U32), EINVAL);
	CHECK_ERR(wake2(w, 1, 1, 3), EINVAL);
	CHECK_ERR(wake2((char *)w + 1, 1, 0, U32), EINVAL);
	CHECK_ERR(wake2((void *)4096, 1, 0, U32), EFAULT);
	CHECK_EQ(wake2((void *)4096, 1, 0, U32 | PRIVATE), 0);
	say("futex_wait, futex_wake: ok\n");
}

static void requeue(word_t *w)
{
	struct entry e[2] = {entry_of(w, 0), entry_of(w + 1, 0)};
	pid_t pid[3];

	for (int i = 0; i < 3; i++) {
		pid[i] = fork_ok();
		if (!pid[i]) {
			CHECK_EQ(wait2(w, 0, ~0U, U32, NULL, 0), 0);
			_exit(0);
		}
		await_waiters(w, i + 1);
	}
	CHECK_EQ(syscall(NR_REQUEUE, e, 0, 1, 1), 2);
	CHECK_EQ(waiters(w, 0), 1);
	CHECK_EQ(waiters(w + 1, 0), 1);
	CHECK_ERR(syscall(NR_REQUEUE, e, 1, 1, 1), EINVAL);
	CHECK_ERR(syscall(NR_REQUEUE, NULL, 0, 1, 1), EINVAL);
	CHECK_ERR(syscall(NR_REQUEUE, 8, 0, 1, 1), EFAULT);
	CHECK_ERR(syscall(NR_REQUEUE, e, 0, -1, 1), EINVAL);
	CHECK_ERR(syscall(NR_REQUEUE, e, 0, 1, -1), EINVAL);
	e[0].val = 1;
	CHECK_ERR(syscall(NR_REQUEUE, e, 0, 1, 1), EAGAIN);
	CHECK_EQ(wake2(w, 1, 9, U32), 1);
	CHECK_EQ(wake2(w + 1, 1, 9, U32), 1);
	for (int i = 0; i < 3; i++)
		reap_ok(pid[i]);
	say("futex_requeue: ok\n");
}

/* A kernel older than 6.16 has no private hash: nothing to compare. */
static void hash(void)
{
	if (prctl(78, 2, 0, 0) < 0) {
		CHECK_EQ(errno, EINVAL);
		say("futex hash: ok\n");
		return;
	}
	CHECK_EQ(prctl(78, 2, 0, 0), 0);
	CHECK_ERR(prctl(78, 1, 16, 1), EINVAL);
	CHECK_ERR(prctl(78, 1, 1, 0), EINVAL);
	CHECK_ERR(prctl(78, 1, 17, 0), EINVAL);
	CHECK_ERR(prctl(78, 3, 0, 0), EINVAL);
	CHECK_EQ(prctl(78, 1, 64, 0), 0);
	CHECK_EQ(prctl(78, 2, 0, 0), 64);
	CHECK_EQ(prctl(78, 1, 0, 0), 0);
	CHECK_EQ(prctl(78, 2, 0, 0), 0);
	CHECK_ERR(prctl(78, 1, 64, 0), EBUSY);
	say("futex hash: ok\n");
}

int main(void)
{
	word_t *w = shared_pages(1);

	vector(w);
	vector_errors(w);
	single(w);
	requeue(w);
	hash();
	return 0;
}
