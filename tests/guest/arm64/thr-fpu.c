// cflags: -pthread
// timeout: 60
// Each thread's vector registers, FPCR and FPSR are its own, while threads change CPUs, are
// preempted, take signals and fork.
#include "vregs.h"
#include <pthread.h>
#include <sched.h>

#define THREADS 6
#define ROUNDS  200

static volatile int stop;

static inline void spin(int n)
{
	while (n--)
		__asm__ volatile("yield" ::: "memory");
}

static inline __attribute__((always_inline)) void disturb(int how, unsigned cpus)
{
	uint64_t mask;

	switch (how % 4) {
	case 0:
		raw_call(SYS_sched_yield, 0, 0, 0);
		break;
	case 1:
		spin(2000);
		break;
	case 2:
		mask = 1ULL << (unsigned)how / 4 % cpus;
		raw_call(SYS_sched_setaffinity, 0, sizeof(mask), (long)&mask);
		break;
	default:
		raw_call(SYS_tkill, raw_call(SYS_gettid, 0, 0, 0), SIGUSR1, 0);
	}
}

static void handler(int sig)
{
	struct vregs r;

	(void)sig;
	vregs_fill(&r, 0x555555);
	vregs_load(&r);
}

static void *thread(void *arg)
{
	unsigned cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	struct vregs in, now;

	for (int round = 0; round < ROUNDS; round++) {
		vregs_fill(&in, (uintptr_t)arg << 48 | (unsigned)round << 16 | (uintptr_t)arg);
		vregs_load(&in);
		disturb(round + (int)(intptr_t)arg, cpus);
		vregs_store(&now);
		vregs_check(&in, &now);
	}
	return NULL;
}

static void *forker(void *arg)
{
	struct vregs in, now;

	(void)arg;
	vregs_fill(&in, 0x777777);
	while (!stop) {
		long pid;

		vregs_load(&in);
		pid = raw_call(SYS_clone, SIGCHLD, 0, 0);
		vregs_store(&now);
		vregs_check(&in, &now);
		if (pid == 0)
			_exit(0);
		reap_ok((pid_t)pid);
		usleep(1000);
	}
	return NULL;
}

int main(void)
{
	struct sigaction sa = {.sa_handler = handler};
	pthread_t t[THREADS], f;

	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	CHECK_EQ(pthread_create(&f, NULL, forker, NULL), 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, thread, (void *)(i + 1)), 0);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	stop = 1;
	CHECK_EQ(pthread_join(f, NULL), 0);
	say("ok\n");
	return 0;
}
