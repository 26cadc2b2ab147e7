// cflags: -pthread
// variants: static musl
// timeout: 60
// 100 rounds each of mutexes, condition variables, read-write locks, barriers, semaphores, once,
// and cancellation.
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#define ROUNDS  100
#define THREADS 4

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_once_t once;
static sem_t sem[2];
static int counter, turn, serial, waiting, cleaned;

static void all(void *(*fn)(void *))
{
	pthread_t t[THREADS];

	for (intptr_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, fn, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
}

static void *use_mutex(void *arg)
{
	for (int i = 0; i < ROUNDS * 10; i++) {
		int v;

		CHECK_EQ(pthread_mutex_lock(&mutex), 0);
		v = counter;
		if (i % 50 == 0)
			sched_yield();
		counter = v + 1;
		CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
	}
	return arg;
}

static void mutex_kind(const char *what, int type, int protocol, int robust)
{
	pthread_mutexattr_t a;

	CHECK_EQ(pthread_mutexattr_init(&a), 0);
	CHECK_EQ(pthread_mutexattr_settype(&a, type), 0);
	if (protocol >= 0 && pthread_mutexattr_setprotocol(&a, protocol))
		return;
	CHECK_EQ(pthread_mutexattr_setrobust(&a, robust), 0);
	CHECK_EQ(pthread_mutex_init(&mutex, &a), 0);
	counter = 0;
	all(use_mutex);
	CHECK_EQ(counter, THREADS * ROUNDS * 10);
	if (type == PTHREAD_MUTEX_RECURSIVE) {
		CHECK_EQ(pthread_mutex_lock(&mutex), 0);
		CHECK_EQ(pthread_mutex_lock(&mutex), 0);
		CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
		CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
	}
	if (type == PTHREAD_MUTEX_ERRORCHECK) {
		CHECK_EQ(pthread_mutex_lock(&mutex), 0);
		CHECK_EQ(pthread_mutex_lock(&mutex), EDEADLK);
		CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
		CHECK_EQ(pthread_mutex_unlock(&mutex), EPERM);
	}
	CHECK_EQ(pthread_mutex_destroy(&mutex), 0);
	say("%s mutex ok\n", what);
}

/* In turns: each waits until it is its own. */
static void *use_cond(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(pthread_mutex_lock(&mutex), 0);
		while (turn != (int)(intptr_t)arg)
			CHECK_EQ(pthread_cond_wait(&cond, &mutex), 0);
		turn = (turn + 1) % THREADS;
		CHECK_EQ(pthread_cond_broadcast(&cond), 0);
		CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
	}
	return arg;
}

static void timed_cond(void)
{
	struct timespec ts;

	CHECK_EQ(clock_gettime(CLOCK_REALTIME, &ts), 0);
	ts.tv_nsec += 5000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_nsec -= 1000000000;
		ts.tv_sec++;
	}
	CHECK_EQ(pthread_mutex_lock(&mutex), 0);
	CHECK_EQ(pthread_cond_timedwait(&cond, &mutex, &ts), ETIMEDOUT);
	CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

static void *use_rwlock(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		if ((i + (int)(intptr_t)arg) % 4 == 0) {
			int v;

			CHECK_EQ(pthread_rwlock_wrlock(&rwlock), 0);
			v = counter;
			sched_yield();
			counter = v + 1;
		} else {
			int v;

			CHECK_EQ(pthread_rwlock_rdlock(&rwlock), 0);
			v = *(volatile int *)&counter;
			sched_yield();
			CHECK_EQ(*(volatile int *)&counter, v);
		}
		CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
	}
	return arg;
}

static void *use_barrier(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		int r = pthread_barrier_wait(&barrier);

		CHECK(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
		if (r)
			serial++;
		r = pthread_barrier_wait(&barrier);
		CHECK_EQ(serial, i + 1);
		pthread_barrier_wait(&barrier);
	}
	return arg;
}

static void *ping(void *arg)
{
	int me = (int)(intptr_t)arg;

	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(sem_wait(&sem[me]), 0);
		CHECK_EQ(counter++ % 2, me);
		CHECK_EQ(sem_post(&sem[!me]), 0);
	}
	return arg;
}

static void use_sem(void)
{
	pthread_t t[2];

	counter = 0;
	CHECK_EQ(sem_init(&sem[0], 0, 1), 0);
	CHECK_EQ(sem_init(&sem[1], 0, 0), 0);
	for (intptr_t i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, ping, (void *)i), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	CHECK_EQ(counter, 2 * ROUNDS);
}

static void once_only(void)
{
	counter++;
	sched_yield();
}

static void *use_once(void *arg)
{
	CHECK_EQ(pthread_once(&once, once_only), 0);
	CHECK_EQ(counter, 1);
	return arg;
}

static void clean_up(void *arg)
{
	(void)arg;
	cleaned++;
	CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

static void *wait_for_ever(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(&mutex), 0);
	pthread_cleanup_push(clean_up, NULL);
	waiting = 1;
	for (;;)
		pthread_cond_wait(&cond, &mutex);
	pthread_cleanup_pop(1);
	return arg;
}

static void *sleep_for_ever(void *arg)
{
	waiting = 1;
	for (;;)
		pause();
	return arg;
}

static void *compute_for_ever(void *arg)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	*(volatile int *)&waiting = 1;
	for (;;)
		;
	return arg;
}

static void cancel(void *(*fn)(void *))
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_t t;
		void *ret;

		waiting = 0;
		CHECK_EQ(pthread_create(&t, NULL, fn, NULL), 0);
		while (!*(volatile int *)&waiting)
			sched_yield();
		CHECK_EQ(pthread_cancel(t), 0);
		CHECK_EQ(pthread_join(t, &ret), 0);
		CHECK(ret == PTHREAD_CANCELED);
	}
}

int main(void)
{
	mutex_kind("normal", PTHREAD_MUTEX_NORMAL, -1, PTHREAD_MUTEX_STALLED);
	mutex_kind("recursive", PTHREAD_MUTEX_RECURSIVE, -1, PTHREAD_MUTEX_STALLED);
	mutex_kind("errorcheck", PTHREAD_MUTEX_ERRORCHECK, -1, PTHREAD_MUTEX_STALLED);
	mutex_kind("robust", PTHREAD_MUTEX_NORMAL, -1, PTHREAD_MUTEX_ROBUST);
	mutex_kind("PI", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED);
	CHECK_EQ(pthread_mutex_init(&mutex, NULL), 0);
	all(use_cond);
	timed_cond();
	say("cond ok\n");
	counter = 0;
	all(use_rwlock);
	CHECK_EQ(counter, THREADS * ROUNDS / 4);
	say("rwlock ok\n");
	CHECK_EQ(pthread_barrier_init(&barrier, NULL, THREADS), 0);
	all(use_barrier);
	say("barrier ok\n");
	use_sem();
	say("semaphore ok\n");
	for (int i = 0; i < ROUNDS; i++) {
		static const pthread_once_t fresh = PTHREAD_ONCE_INIT;

		once = fresh;
		counter = 0;
		all(use_once);
	}
	say("once ok\n");
	cancel(wait_for_ever);
	CHECK_EQ(cleaned, ROUNDS);
	cancel(sleep_for_ever);
	cancel(compute_for_ever);
	say("cancellation ok\n");
	return 0;
}
