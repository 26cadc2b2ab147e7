// cflags: -pthread
// fork, vfork and posix_spawn in a process whose other threads compute, write and map memory: the
// child has one thread and a sane copy.
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <spawn.h>

#define PAGES 128

static volatile int stop;
static volatile uint64_t *page[PAGES]; /* the first half upwards in memory, the rest downwards */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t low, high; /* protected by lock: always equal */

/* The same number into every page, in order: page[i] is never behind page[i + 1]. */
static void *writer(void *arg)
{
	(void)arg;
	for (uint64_t n = 1; !stop; n++)
		for (int i = 0; i < PAGES; i++)
			*page[i] = n;
	return NULL;
}

static void *locker(void *arg)
{
	(void)arg;
	while (!stop) {
		CHECK_EQ(pthread_mutex_lock(&lock), 0);
		low++;
		sched_yield();
		high++;
		CHECK_EQ(pthread_mutex_unlock(&lock), 0);
		sched_yield(); /* on one CPU nobody else would ever get it */
	}
	return NULL;
}

static void *mapper(void *arg)
{
	(void)arg;
	while (!stop) {
		unsigned char *p = map_pages(16 * 4096, PROT_READ | PROT_WRITE);

		for (int i = 0; i < 16; i++)
			p[i * 4096] = 1;
		CHECK_EQ(munmap(p, 16 * 4096), 0);
	}
	return NULL;
}

static void in_child(void)
{
	uint64_t seen = *page[0];

	CHECK_EQ(syscall(SYS_gettid), getpid());
	CHECK_EQ(low, high);
	/* nobody writes here any more */
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < PAGES; i++)
			CHECK(*page[i] <= *page[i ? i - 1 : 0] + (i == 0));
		sched_yield();
	}
	CHECK_EQ(*page[0], seen);
	for (int i = 0; i < PAGES; i++)
		*page[i] = 0;
	_exit(5);
}

static void *forker(void *arg)
{
	for (int i = 0; i < 20; i++) {
		pid_t pid;

		CHECK_EQ(pthread_mutex_lock(&lock), 0);
		pid = fork_ok();
		if (pid == 0)
			in_child();
		CHECK_EQ(pthread_mutex_unlock(&lock), 0);
		CHECK_EQ(reap(pid), 5 << 8);
	}
	return arg;
}

static void *vforker(void *arg)
{
	for (int i = 0; i < 20; i++) {
		pid_t pid = vfork();

		if (pid == 0)
			_exit(6);
		CHECK_EQ(reap(pid), 6 << 8);
	}
	return arg;
}

static void *spawner(void *arg)
{
	char me[4096] = {0}, *argv[] = {me, (char *)(uintptr_t) "child", NULL};

	CHECK(readlink("/proc/self/exe", me, sizeof(me) - 1) > 0);
	for (int i = 0; i < 5; i++) {
		pid_t pid;

		CHECK_EQ(posix_spawn(&pid, me, NULL, NULL, argv, NULL), 0);
		CHECK_EQ(reap(pid), 7 << 8);
	}
	return arg;
}

int main(int argc, char **argv)
{
	static void *(*const fn[])(void *) = {writer, locker, mapper, forker, vforker, spawner};
	pthread_t t[6];
	unsigned char *block;

	(void)argv;
	if (argc > 1)
		return 7;
	block = map_pages(PAGES / 2 * 4096, PROT_READ | PROT_WRITE);
	for (int i = 0; i < PAGES; i++)
		page[i] = (void *)(i < PAGES / 2 ? block + i * 4096
						 : map_pages(4096, PROT_READ | PROT_WRITE));
	for (int i = 0; i < 6; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, fn[i], NULL), 0);
	for (int i = 3; i < 6; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	stop = 1;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	CHECK_EQ(low, high);
	CHECK_ERR(waitpid(-1, NULL, 0), ECHILD);
	say("ok\n");
	return 0;
}
