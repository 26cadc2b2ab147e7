/*
 * What the futex tests share: the calls, shared words, and how one process knows that another
 * sleeps on a word: a futex call that counts waiters without waking anybody.
 */
#ifndef TESTS_GUEST_FUTEX_H
#define TESTS_GUEST_FUTEX_H

#include "check.h"
#include <stdatomic.h>

enum {
	F_WAIT = 0,
	F_WAKE = 1,
	F_FD = 2,
	F_REQUEUE = 3,
	F_CMP_REQUEUE = 4,
	F_WAKE_OP = 5,
	F_LOCK_PI = 6,
	F_UNLOCK_PI = 7,
	F_TRYLOCK_PI = 8,
	F_WAIT_BITSET = 9,
	F_WAKE_BITSET = 10,
	F_WAIT_REQUEUE_PI = 11,
	F_CMP_REQUEUE_PI = 12,
	F_LOCK_PI2 = 13,
	F_PRIVATE = 128,
	F_REALTIME = 256,
};

#define W_WAITERS   0x80000000U
#define W_DIED      0x40000000U
#define W_TID       0x3fffffffU
#define KERNEL_HALF ((void *)0xffff800000000000UL)

typedef _Atomic uint32_t word_t;

/* val2 or the timeout is `timeout`. */
HELPER long futex(const void *uaddr, unsigned op, uint32_t val, const void *timeout,
		  const void *uaddr2, uint32_t val3)
{
	return syscall(SYS_futex, uaddr, op, val, timeout, uaddr2, val3);
}

/* A count where a timeout would be. */
#define COUNT(n) ((void *)(uintptr_t)(n))

HELPER void *shared_pages(size_t n)
{
	void *p = mmap(NULL, n * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

HELPER uint32_t my_tid(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

/* How many sleep on the word: a requeue of all from the word to itself. */
HELPER long waiters(const void *uaddr, unsigned private)
{
	long n = futex(uaddr, F_REQUEUE | private, 0, COUNT(INT32_MAX), uaddr, 0);

	CHECK(n >= 0);
	return n;
}

/* Until n sleep there. Nothing tells us when: looks, and lets others run. */
HELPER void await_waiters(const void *uaddr, long n)
{
	while (waiters(uaddr, 0) < n)
		sleep_ms(1);
}

HELPER struct timespec in_ms(clockid_t clock, int ms)
{
	long long ns = now_ns(clock) + ms * 1000000LL;

	return (struct timespec){ns / 1000000000, ns % 1000000000};
}

#endif
