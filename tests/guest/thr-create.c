// cflags: -pthread
// variants: static musl dynamic
// Threads: 1,000 made and joined one after the other, results, detached ones, ids, TLS, names.
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#define ROUNDS 1000

static __thread int tls = 7;
static __thread char tls_big[5000];
static pthread_key_t key;
static _Atomic int destroyed, detached;

static void *answer(void *arg)
{
	return (void *)((uintptr_t)arg * 2);
}

static void destroy(void *p)
{
	destroyed += (int)(intptr_t)p;
}

static void *ids(void *arg)
{
	pid_t *out = arg;

	out[0] = getpid();
	out[1] = (pid_t)syscall(SYS_gettid);
	out[2] = getppid();
	return NULL;
}

static void *use_tls(void *arg)
{
	CHECK_EQ(tls, 7);
	CHECK_EQ(tls_big[4999], 0);
	tls = (int)(intptr_t)arg;
	memset(tls_big, tls, sizeof(tls_big));
	CHECK_EQ(pthread_setspecific(key, (void *)1), 0);
	sched_yield();
	CHECK_EQ(tls, (int)(intptr_t)arg);
	CHECK_EQ(tls_big[2500], (char)(intptr_t)arg);
	return NULL;
}

static void *detach(void *arg)
{
	(void)arg;
	detached++;
	return NULL;
}

static void *name(void *arg)
{
	char buf[16];

	(void)arg;
	CHECK_EQ(prctl(PR_GET_NAME, buf), 0);
	CHECK_EQ(strcmp(buf, "first"), 0); /* the creator's */
	CHECK_EQ(prctl(PR_SET_NAME, "second"), 0);
	CHECK_EQ(prctl(PR_GET_NAME, buf), 0);
	CHECK_EQ(strcmp(buf, "second"), 0);
	return NULL;
}

int main(void)
{
	pthread_t t[8];
	pthread_attr_t attr;
	pid_t id[3];
	char buf[16];
	void *ret;

	for (uintptr_t i = 0; i < ROUNDS; i++) {
		CHECK_EQ(pthread_create(&t[0], NULL, answer, (void *)i), 0);
		CHECK_EQ(pthread_join(t[0], &ret), 0);
		CHECK_EQ((uintptr_t)ret, i * 2);
	}
	say("%d made and joined\n", ROUNDS);

	CHECK_EQ(pthread_create(&t[0], NULL, ids, id), 0);
	CHECK_EQ(pthread_join(t[0], NULL), 0);
	CHECK_EQ(id[0], getpid());
	CHECK(id[1] != id[0] && id[1] > 0);
	CHECK_EQ(id[2], getppid());
	CHECK_EQ(syscall(SYS_gettid), getpid());
	say("ids ok\n");

	CHECK_EQ(pthread_key_create(&key, destroy), 0);
	for (int round = 0; round < 20; round++) {
		for (intptr_t i = 0; i < 8; i++)
			CHECK_EQ(pthread_create(&t[i], NULL, use_tls, (void *)(i + 1)), 0);
		for (int i = 0; i < 8; i++)
			CHECK_EQ(pthread_join(t[i], NULL), 0);
	}
	CHECK_EQ(tls, 7);
	CHECK_EQ(destroyed, 160);
	say("tls ok\n");

	CHECK_EQ(pthread_attr_init(&attr), 0);
	CHECK_EQ(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED), 0);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(pthread_create(&t[0], &attr, detach, NULL), 0);
	while (detached < 100)
		sched_yield();
	say("detached ok\n");

	CHECK_EQ(prctl(PR_SET_NAME, "first"), 0);
	CHECK_EQ(pthread_create(&t[0], NULL, name, NULL), 0);
	CHECK_EQ(pthread_join(t[0], NULL), 0);
	CHECK_EQ(prctl(PR_GET_NAME, buf), 0);
	CHECK_EQ(strcmp(buf, "first"), 0);
	say("names ok\n");
	return 0;
}
