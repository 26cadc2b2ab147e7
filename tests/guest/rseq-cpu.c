// cflags: -pthread
// variants: static dynamic
// kernel: 6.3 (mm_cid)
// cpu_id is the CPU that the task runs on, also after a fork and in threads, wherever it may run;
// sched_getcpu, which asks the C library's own area, and getcpu say the same.
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/rseq.h>

#define ROUNDS 200

static cpu_set_t all;

static volatile uint32_t *area(void)
{
#if defined(__x86_64__)
	char *tp;

	__asm__("mov %%fs:0, %0" : "=r"(tp));
#else
	char *tp = __builtin_thread_pointer();
#endif
	return (volatile uint32_t *)(void *)(tp + __rseq_offset);
}

static void check_on(unsigned cpu)
{
	volatile uint32_t *a = area();
	unsigned now = ~0U, node = ~0U;

	CHECK_EQ(a[1], cpu);
	CHECK_EQ(a[0], cpu);
	CHECK_EQ(sched_getcpu(), cpu);
	CHECK_EQ(syscall(SYS_getcpu, &now, &node, NULL), 0);
	CHECK_EQ(now, cpu);
	CHECK_EQ(a[5], node);
	CHECK(a[6] < CPU_SETSIZE);
}

/* From one CPU to the next, all around. */
static void tour(int rounds)
{
	cpu_set_t one;

	while (rounds--) {
		for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
			if (!CPU_ISSET(cpu, &all))
				continue;
			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
			check_on(cpu);
			/* Also after it has slept there. */
			CHECK_EQ(usleep(1), 0);
			check_on(cpu);
		}
	}
	CHECK_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
}

static void child(void *arg)
{
	(void)arg;
	CHECK(sched_getcpu() >= 0 && CPU_ISSET(sched_getcpu(), &all));
	tour(3);
}

static void *thread(void *arg)
{
	tour(*(int *)arg);
	return NULL;
}

int main(void)
{
	pthread_t t[3];
	int rounds = ROUNDS;

	CHECK_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	say("size %u, flags %u\n", __rseq_size, __rseq_flags);
	CHECK(area()[1] < CPU_SETSIZE);
	tour(20);
	for (int i = 0; i < 20; i++)
		reap_ok(spawn(child, NULL));
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, thread, &rounds), 0);
	tour(ROUNDS);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	say("ok\n");
	return 0;
}
