// cflags: -pthread
// timeout: 60
// nested-args: 1000
// 4,000 threads alive at once: each runs, waits, and is woken; then as many come and go again. With
// an argument: so many.
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#define THREADS 4000

static sem_t arrived, leave;
static _Atomic unsigned sum;
static pthread_t thread[THREADS];
static int threads = THREADS;

static void *wait_for_all(void *arg)
{
	sum += (unsigned)(uintptr_t)arg;
	CHECK_EQ(sem_post(&arrived), 0);
	while (sem_wait(&leave))
		CHECK_EQ(errno, EINTR);
	return arg;
}

static void round_of(pthread_attr_t *attr)
{
	void *ret;

	sum = 0;
	for (uintptr_t i = 0; i < (uintptr_t)threads; i++)
		CHECK_EQ(pthread_create(&thread[i], attr, wait_for_all, (void *)i), 0);
	for (int i = 0; i < threads; i++)
		CHECK_EQ(sem_wait(&arrived), 0);
	CHECK_EQ(sum, (unsigned)(threads * (threads - 1) / 2));
	for (int i = 0; i < threads; i++)
		CHECK_EQ(sem_post(&leave), 0);
	for (uintptr_t i = 0; i < (uintptr_t)threads; i++) {
		CHECK_EQ(pthread_join(thread[i], &ret), 0);
		CHECK_EQ((uintptr_t)ret, i);
	}
}

int main(int argc, char **argv)
{
	pthread_attr_t attr;

	if (argc > 1)
		threads = atoi(argv[1]);
	CHECK(threads > 0 && threads <= THREADS);
	CHECK_EQ(sem_init(&arrived, 0, 0), 0);
	CHECK_EQ(sem_init(&leave, 0, 0), 0);
	CHECK_EQ(pthread_attr_init(&attr), 0);
	CHECK_EQ(pthread_attr_setstacksize(&attr, 128 << 10), 0);
	round_of(&attr);
	say("%d at once\n", threads);
	round_of(&attr);
	say("again\n");
	return 0;
}
