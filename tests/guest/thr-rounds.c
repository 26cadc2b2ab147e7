// cflags: -pthread
// variants: static musl
// timeout: 60
// 100 rounds each of what thr-sync.c does not do: mutex, condition variable, barrier and semaphore
// shared between processes; robust mutexes whose owner ends; thread-local storage; threads that end
// in all ways.
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#define ROUNDS  100
#define THREADS 4

struct shared {
	pthread_mutex_t mutex, robust;
	pthread_cond_t cond;
	pthread_barrier_t barrier;
	sem_t sem;
	int counter, turn;
};

static struct shared *s;

static void init_shared(void)
{
	pthread_mutexattr_t m;
	pthread_condattr_t c;
	pthread_barrierattr_t b;

	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(s != MAP_FAILED);
	CHECK_EQ(pthread_mutexattr_init(&m), 0);
	CHECK_EQ(pthread_mutexattr_setpshared(&m, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQ(pthread_mutex_init(&s->mutex, &m), 0);
	CHECK_EQ(pthread_mutexattr_setrobust(&m, PTHREAD_MUTEX_ROBUST), 0);
	CHECK_EQ(pthread_mutex_init(&s->robust, &m), 0);
	CHECK_EQ(pthread_condattr_init(&c), 0);
	CHECK_EQ(pthread_condattr_setpshared(&c, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQ(pthread_cond_init(&s->cond, &c), 0);
	CHECK_EQ(pthread_barrierattr_init(&b), 0);
	CHECK_EQ(pthread_barrierattr_setpshared(&b, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQ(pthread_barrier_init(&s->barrier, &b, THREADS), 0);
	CHECK_EQ(sem_init(&s->sem, 1, 1), 0);
}

static void between_processes(int me)
{
	for (int i = 0; i < ROUNDS; i++) {
		int v, r;

		CHECK_EQ(pthread_mutex_lock(&s->mutex), 0);
		v = s->counter;
		if (i % 10 == 0)
			sched_yield();
		s->counter = v + 1;
		while (s->turn % THREADS != me)
			CHECK_EQ(pthread_cond_wait(&s->cond, &s->mutex), 0);
		s->turn++;
		CHECK_EQ(pthread_cond_broadcast(&s->cond), 0);
		CHECK_EQ(pthread_mutex_unlock(&s->mutex), 0);
		r = pthread_barrier_wait(&s->barrier);
		CHECK(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
		CHECK_EQ(sem_wait(&s->sem), 0);
		s->counter++;
		CHECK_EQ(sem_post(&s->sem), 0);
		pthread_barrier_wait(&s->barrier);
	}
}

static void processes(void)
{
	pid_t pid[THREADS];

	for (int i = 0; i < THREADS; i++) {
		pid[i] = fork_ok();
		if (!pid[i]) {
			between_processes(i);
			_exit(0);
		}
	}
	for (int i = 0; i < THREADS; i++)
		reap_ok(pid[i]);
	CHECK_EQ(s->counter, 2 * THREADS * ROUNDS);
	CHECK_EQ(s->turn, THREADS * ROUNDS);
	say("between processes ok\n");
}

static void *end_with_it(void *arg)
{
	int r = pthread_mutex_lock(&s->robust);

	if (r == EOWNERDEAD)
		CHECK_EQ(pthread_mutex_consistent(&s->robust), 0);
	else
		CHECK_EQ(r, 0);
	return arg;
}

static void robust(void)
{
	pthread_t t[2];
	int r;

	for (int i = 0; i < ROUNDS; i++) {
		for (int n = 0; n < 2; n++)
			CHECK_EQ(pthread_create(&t[n], NULL, end_with_it, NULL), 0);
		for (int n = 0; n < 2; n++)
			CHECK_EQ(pthread_join(t[n], NULL), 0);
		r = pthread_mutex_lock(&s->robust);
		CHECK_EQ(r, EOWNERDEAD);
		CHECK_EQ(pthread_mutex_consistent(&s->robust), 0);
		CHECK_EQ(pthread_mutex_unlock(&s->robust), 0);
	}
	say("robust ok\n");
}

static __thread int tls = 7;
static __thread char tls_zero[3000];
static pthread_key_t key;
static int destroyed;

static void destructor(void *value)
{
	CHECK(value != NULL);
	__atomic_fetch_add(&destroyed, 1, __ATOMIC_RELAXED);
}

static void *use_tls(void *arg)
{
	int me = (int)(intptr_t)arg;

	CHECK_EQ(tls, 7);
	for (size_t i = 0; i < sizeof(tls_zero); i++)
		CHECK_EQ(tls_zero[i], 0);
	tls = me;
	memset(tls_zero, me, sizeof(tls_zero));
	CHECK_EQ(pthread_setspecific(key, arg), 0);
	sched_yield();
	CHECK_EQ(tls, me);
	CHECK_EQ(tls_zero[2999], (char)me);
	CHECK(pthread_getspecific(key) == arg);
	return arg;
}

static void local_storage(void)
{
	pthread_t t[THREADS];

	CHECK_EQ(pthread_key_create(&key, destructor), 0);
	for (int i = 0; i < ROUNDS; i++) {
		for (intptr_t n = 0; n < THREADS; n++)
			CHECK_EQ(pthread_create(&t[n], NULL, use_tls, (void *)(n + 1)), 0);
		for (int n = 0; n < THREADS; n++)
			CHECK_EQ(pthread_join(t[n], NULL), 0);
	}
	CHECK_EQ(destroyed, THREADS * ROUNDS);
	CHECK_EQ(tls, 7);
	say("thread-local storage ok\n");
}

static sem_t done;

static void *returns(void *arg)
{
	return arg;
}

static void *calls_exit(void *arg)
{
	pthread_exit(arg);
}

static void *detaches(void *arg)
{
	CHECK_EQ(pthread_detach(pthread_self()), 0);
	CHECK_EQ(sem_post(&done), 0);
	return arg;
}

static void ends(void)
{
	pthread_t t[2], d;
	void *ret;

	CHECK_EQ(sem_init(&done, 0, 0), 0);
	for (intptr_t i = 1; i <= ROUNDS; i++) {
		CHECK_EQ(pthread_create(&t[0], NULL, returns, (void *)i), 0);
		CHECK_EQ(pthread_create(&t[1], NULL, calls_exit, (void *)-i), 0);
		CHECK_EQ(pthread_create(&d, NULL, detaches, NULL), 0);
		CHECK_EQ(pthread_join(t[0], &ret), 0);
		CHECK((intptr_t)ret == i);
		CHECK_EQ(pthread_join(t[1], &ret), 0);
		CHECK((intptr_t)ret == -i);
		CHECK_EQ(sem_wait(&done), 0);
	}
	say("thread ends ok\n");
}

static void *end_process(void *arg)
{
	_exit((int)(intptr_t)arg);
}

/* One of several threads ends the process, the first one being gone or not. */
static void process_ends(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		pid_t pid = fork_ok();
		pthread_t t;

		if (!pid) {
			pthread_create(&t, NULL, returns, NULL);
			pthread_create(&t, NULL, end_process, (void *)(intptr_t)(i + 1));
			if (i % 2)
				pthread_exit(NULL);
			for (;;)
				pause();
		}
		CHECK_EQ(reap(pid), (i + 1) << 8);
	}
	say("process ends ok\n");
}

int main(void)
{
	init_shared();
	processes();
	robust();
	local_storage();
	ends();
	process_ends();
	return 0;
}
