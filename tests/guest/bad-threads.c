// cflags: -pthread
// native: no
// vmbox-options: --mem 128M
// timeout: 60
// expect-stdout: EAGAIN, and everything works again
// A bomb of threads: at some number it is EAGAIN, for processes, too, and nothing else happens.
// When they have ended as many can be made again. (In vmbox alone: an invoker may have no limit.)
#include "check.h"
#include <pthread.h>
#include <semaphore.h>

#define MAX 40000

static pthread_t thread[MAX];
static sem_t leave;

static void *wait_to_leave(void *arg)
{
	while (sem_wait(&leave))
		;
	return arg;
}

static int flood(void)
{
	pthread_attr_t attr;
	int n, err = 0;
	pid_t pid;

	CHECK_EQ(pthread_attr_init(&attr), 0);
	CHECK_EQ(pthread_attr_setstacksize(&attr, (size_t)sysconf(_SC_THREAD_STACK_MIN)), 0);
	for (n = 0; n < MAX && !err; n++)
		err = pthread_create(&thread[n], &attr, wait_to_leave, NULL);
	CHECK_EQ(err, EAGAIN);
	n--;
	pid = fork();
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		CHECK(errno == EAGAIN || errno == ENOMEM);
	else
		reap_ok(pid);
	for (int i = 0; i < n; i++)
		CHECK_EQ(sem_post(&leave), 0);
	for (int i = 0; i < n; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	return n;
}

int main(void)
{
	int first, second;

	CHECK_EQ(sem_init(&leave, 0, 0), 0);
	first = flood();
	CHECK(first > 500);
	second = flood();
	CHECK(second > first * 9 / 10);
	say("EAGAIN, and everything works again\n");
	return 0;
}
