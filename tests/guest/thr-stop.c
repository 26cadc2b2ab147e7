// cflags: -pthread
// Stop and continue of a process with threads: all stand still, all go on; a stopped one dies of
// SIGKILL.
#include "check.h"
#include <pthread.h>
#include <sched.h>

#define THREADS 4

static volatile unsigned long *count;

static void *counter(void *arg)
{
	volatile unsigned long *n = &count[(uintptr_t)arg * 8];

	for (;;) {
		++*n;
		if ((uintptr_t)arg & 1)
			sched_yield();
	}
	return NULL;
}

static void *sleeper(void *arg)
{
	(void)arg;
	for (;;)
		sleep_ms(1);
	return NULL;
}

static void run(void *arg)
{
	pthread_t t;

	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t, NULL, counter, (void *)i), 0);
	CHECK_EQ(pthread_create(&t, NULL, sleeper, NULL), 0);
	send_byte(*(int *)arg);
	for (;;)
		pause();
}

static void snapshot(unsigned long *out)
{
	for (int i = 0; i < THREADS; i++)
		out[i] = count[i * 8];
}

int main(void)
{
	unsigned long before[THREADS], after[THREADS];
	int fd[2], status;
	pid_t pid;

	count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(count != MAP_FAILED);
	make_pipe(fd);
	pid = spawn(run, &fd[1]);
	wait_byte(fd[0]);
	for (int round = 0; round < 10; round++) {
		CHECK_EQ(kill(pid, SIGSTOP), 0);
		CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
		CHECK(WIFSTOPPED(status));
		CHECK_EQ(WSTOPSIG(status), SIGSTOP);
		snapshot(before);
		sleep_ms(5);
		snapshot(after);
		CHECK_EQ(memcmp(before, after, sizeof(before)), 0);
		CHECK_EQ(kill(pid, SIGCONT), 0);
		CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
		CHECK(WIFCONTINUED(status));
		for (int i = 0; i < THREADS; i++)
			while (count[i * 8] == before[i])
				sched_yield();
	}
	say("stopped and continued\n");
	CHECK_EQ(kill(pid, SIGSTOP), 0);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	say("%s\n", status_text(reap(pid)));
	return 0;
}
