// cflags: -pthread
// membarrier: a store and a load without a fence on one side, with membarrier on the other: never
// do both sides read the old value. And its errors. Each round waits for the other CPU, which on a
// busy machine takes long: so many rounds, or as many as fit in some seconds.
#include "check.h"
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>

#define ROUNDS  2000
#define SECONDS 5
#define LAST    (-1)

static volatile int x, y, r1, r2;
static volatile int start_round, end_round;

static long membarrier(int cmd, unsigned flags)
{
	return syscall(SYS_membarrier, cmd, flags, 0);
}

static void *fast_side(void *arg)
{
	for (int i = 1;; i++) {
		int round;

		while ((round = start_round) != i && round != LAST)
			if (arg)
				sched_yield();
		if (round == LAST)
			break;
		x = 1;
		__asm__ volatile("" ::: "memory");
		r1 = y;
		__atomic_store_n(&end_round, i, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void dekker(int cmd)
{
	long long end = now_ns(CLOCK_MONOTONIC) + SECONDS * 1000000000LL;
	pthread_t t;

	start_round = end_round = 0;
	CHECK_EQ(pthread_create(&t, NULL, fast_side, (void *)1), 0);
	for (int i = 1; i <= ROUNDS && now_ns(CLOCK_MONOTONIC) < end; i++) {
		x = y = 0;
		__atomic_store_n(&start_round, i, __ATOMIC_SEQ_CST);
		y = 1;
		CHECK_EQ(membarrier(cmd, 0), 0);
		r2 = x;
		while (__atomic_load_n(&end_round, __ATOMIC_ACQUIRE) != i)
			sched_yield();
		CHECK(r1 || r2);
	}
	start_round = LAST;
	CHECK_EQ(pthread_join(t, NULL), 0);
}

int main(void)
{
	long known = membarrier(MEMBARRIER_CMD_QUERY, 0);
	const int want = MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_PRIVATE_EXPEDITED |
			 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;

	CHECK_EQ(known & want, want);
	CHECK_ERR(membarrier(MEMBARRIER_CMD_QUERY, 1), EINVAL);
	CHECK_ERR(membarrier(1 << 30, 0), EINVAL);
	CHECK_ERR(membarrier(-1, 0), EINVAL);
	CHECK_ERR(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), EPERM);
	CHECK_EQ(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0), 0);
	CHECK_EQ(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), 0);
	CHECK_EQ(membarrier(MEMBARRIER_CMD_GLOBAL, 0), 0);
	dekker(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	say("ok\n");
	return 0;
}
