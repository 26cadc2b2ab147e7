// cflags: -pthread
// env: GLIBC_TUNABLES=glibc.pthread.rseq=0
// kernel: 6.3 (MEMBARRIER_CMD_GET_REGISTRATIONS)
// membarrier's commands for restartable sequences: a thread that is inside of a section, and would
// stay there for ever, is outside when the call has returned.
#include "rseq.h"
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>

#define ROUNDS                200
#define SECONDS               5
#define LAST                  (-1)
#define CMD_GET_REGISTRATIONS (1 << 9)

static volatile int inside, outside, next = 1;

static long membarrier(int cmd, unsigned flags, int cpu)
{
	return syscall(SYS_membarrier, cmd, flags, cpu);
}

static void *spinner(void *arg)
{
	static struct area own;
	const struct section s = spin_section();

	(void)arg;
	CHECK_EQ(rseq(&own, 32, 0, RSEQ_SIG), 0);
	for (int round = 1;; round++) {
		while (next != round && next != LAST)
			sched_yield();
		if (next == LAST)
			return NULL;
		CHECK_EQ(rseq_spin(&own.cs, &s, &inside, round), 1);
		outside = round;
	}
}

static void errors(void)
{
	const int cmd = MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ;
	const int want = cmd | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ;

	CHECK_EQ(membarrier(MEMBARRIER_CMD_QUERY, 0, 0) & want, want);
	CHECK_ERR(membarrier(cmd, 0, 0), EPERM);
	CHECK_ERR(membarrier(cmd, MEMBARRIER_CMD_FLAG_CPU, 0), EPERM);
	CHECK_ERR(membarrier(cmd, 2, 0), EINVAL);
	CHECK_ERR(membarrier(cmd, 3, 0), EINVAL);
	CHECK_ERR(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 1, 0), EINVAL);
	CHECK_ERR(membarrier(MEMBARRIER_CMD_GLOBAL, 1, 0), EINVAL);
	CHECK_EQ(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0), 0);
	CHECK_ERR(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), EPERM);
	say("registered %lx\n", membarrier(CMD_GET_REGISTRATIONS, 0, 0));
	CHECK_EQ(membarrier(cmd, 0, 0), 0);
	CHECK_EQ(membarrier(cmd, 0, -1), 0);
	CHECK_EQ(membarrier(cmd, MEMBARRIER_CMD_FLAG_CPU, 0), 0);
	CHECK_EQ(membarrier(cmd, MEMBARRIER_CMD_FLAG_CPU, -1), 0);
	CHECK_EQ(membarrier(cmd, MEMBARRIER_CMD_FLAG_CPU, 1 << 20), 0);
}

int main(void)
{
	long long end = now_ns(CLOCK_MONOTONIC) + SECONDS * 1000000000LL;
	pthread_t t;

	errors();
	CHECK_EQ(pthread_create(&t, NULL, spinner, NULL), 0);
	for (int round = 1; round <= ROUNDS && now_ns(CLOCK_MONOTONIC) < end; round++) {
		next = round;
		while (inside != round)
			sched_yield();
		CHECK_EQ(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0), 0);
		/* It needs a CPU for that. */
		while (outside != round)
			sched_yield();
	}
	next = LAST;
	CHECK_EQ(pthread_join(t, NULL), 0);
	say("ok\n");
	return 0;
}
