// cflags: -pthread
// Every futex operation on words that are mapped, unmapped and made read-only meanwhile, or hold
// garbage: an errno that the operation can give, or success; nobody dies, nobody waits for ever.
#include "futex.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif
#define MIXERS 3

static char *area; /* two pages that come and go */
static volatile int stop;

static void *mapper(void *arg)
{
	for (unsigned i = 0; !stop; i++) {
		char *p = area + i % 2 * 4096;

		switch (i / 2 % 4) {
		case 0:
			CHECK(mmap(p, 4096, PROT_READ | PROT_WRITE,
				   (i & 8 ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_FIXED,
				   -1, 0) == p);
			break;
		case 1:
			mprotect(p, 4096, PROT_READ);
			break;
		case 2:
			mprotect(p, 4096, PROT_READ | PROT_WRITE);
			break;
		default:
			CHECK_EQ(munmap(p, 4096), 0);
		}
		if (i % 16 == 0)
			sched_yield();
	}
	return arg;
}

static int may_be(int err)
{
	switch (err) {
	case EFAULT:
	case EAGAIN:
	case EINVAL:
	case ETIMEDOUT:
	case ESRCH:
	case EDEADLK:
	case EPERM:
	case ENOSYS:
	case ENOMEM:
		return 1;
	}
	return 0;
}

static void *mixer(void *arg)
{
	static const int ops[] = {
		FUTEX_WAIT,           FUTEX_WAKE,        FUTEX_REQUEUE,     FUTEX_CMP_REQUEUE,
		FUTEX_WAKE_OP,        FUTEX_LOCK_PI,     FUTEX_LOCK_PI2,    FUTEX_TRYLOCK_PI,
		FUTEX_UNLOCK_PI,      FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET, FUTEX_WAIT_REQUEUE_PI,
		FUTEX_CMP_REQUEUE_PI,
	};
	unsigned seed = (unsigned)(uintptr_t)arg * 7919 + 1;

	while (!stop) {
		unsigned r = seed = seed * 1664525 + 1013904223, nr;
		int op = ops[(r >> 8) % (sizeof(ops) / sizeof(ops[0]))];
		char *a = area + (r >> 16) % 2 * 4096 + 8, *b = area + (r >> 17) % 2 * 4096 + 16;
		/* Relative or long over: no wait is long. */
		struct timespec ts = {0, op == FUTEX_WAIT ? 100000 : 1};
		int timed = op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET || op == FUTEX_LOCK_PI ||
			    op == FUTEX_LOCK_PI2 || op == FUTEX_WAIT_REQUEUE_PI;

		nr = op == FUTEX_CMP_REQUEUE_PI ? 1 : r >> 24 & 1;
		if (r & 64)
			op |= FUTEX_PRIVATE_FLAG;
		if (r & 32)
			a += 2;
		errno = 0;
		if (syscall(SYS_futex, a, op, nr, timed ? (void *)&ts : (void *)1, b, r >> 20) < 0)
			CHECK(may_be(errno));
	}
	return arg;
}

int main(void)
{
	pthread_t t[MIXERS + 1];

	/* Far from where threads' stacks and their like are placed. */
	area = (char *)0x200000000;
	CHECK_EQ(pthread_create(&t[0], NULL, mapper, NULL), 0);
	for (intptr_t i = 1; i <= MIXERS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, mixer, (void *)i), 0);
	sleep_ms(500);
	stop = 1;
	for (int i = 0; i <= MIXERS; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	say("ok\n");
	return 0;
}
