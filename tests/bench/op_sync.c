/* What passes between processes and threads: pipes, futexes, mutexes, rings of processes. */
#define _GNU_SOURCE
#include "op.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A byte there and back: two pipe transfers and two switches. */
static long long pingpong(long count, const char *arg)
{
	int to[2], from[2];
	long long start, time;
	char c = 0;
	pid_t pid;

	(void)arg;
	must(pipe(to) == 0 && pipe(from) == 0, "pipe");
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		close(to[1]);
		while (read(to[0], &c, 1) == 1)
			must(write(from[1], &c, 1) == 1, "write");
		_exit(0);
	}
	must(write(to[1], &c, 1) == 1 && read(from[0], &c, 1) == 1, "first round");
	start = now();
	for (long i = 0; i < count; i++) {
		must(write(to[1], &c, 1) == 1, "write");
		must(read(from[0], &c, 1) == 1, "read");
	}
	time = now() - start;
	close(to[1]);
	must(waitpid(pid, NULL, 0) == pid, "wait");
	return time;
}

#define BLOCK 65536

/* Blocks of 64 KiB from one process to another, until the last has been read. */
static long long pipe_64k(long count, const char *arg)
{
	static char block[BLOCK];
	long long start, total = (long long)count * BLOCK;
	int link[2];
	pid_t pid;

	(void)arg;
	must(pipe(link) == 0, "pipe");
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		close(link[1]);
		while (total > 0) {
			ssize_t n = read(link[0], block, BLOCK);

			must(n > 0, "read");
			total -= n;
		}
		_exit(0);
	}
	start = now();
	for (long i = 0; i < count; i++)
		must(write(link[1], block, BLOCK) == BLOCK, "write");
	must(waitpid(pid, NULL, 0) == pid, "wait");
	return now() - start;
}

/* One process of a ring: passes the token on until there is no more. It was there once at least. */
static _Noreturn void ring_pass(int from, int to)
{
	bool had = false;
	ssize_t n;
	char c;

	while ((n = read(from, &c, 1)) == 1) {
		must(write(to, &c, 1) == 1, "write");
		had = true;
	}
	must(n == 0, "read");
	_exit(had ? 0 : 2);
}

/* The token is lost: says how each process of the ring ended, where one differs from the last. */
static _Noreturn void ring_broken(const char *what, ssize_t n, int out, const pid_t *pids, int size)
{
	int status, last = -1;

	fprintf(stderr, "op: ring: %s: %s\n", what, n < 0 ? strerror(errno) : "end of file");
	close(out);
	alarm(10); /* one that does not end is told apart by that */
	for (int i = size - 1; i > 0; i--) {
		must(waitpid(pids[i], &status, 0) == pids[i], "wait");
		if (status != last)
			fprintf(stderr, "op: ring: process %d ended with status %#x\n", i,
				(unsigned)status);
		last = status;
	}
	_exit(1);
}

/* A token goes round a ring of processes, each blocked on its pipe: every hop is a switch. The
 * ring is built backwards, so that nobody holds more than the two ends that he uses. */
static long long ring(long count, const char *arg)
{
	int size = arg ? atoi(arg) : 2;
	long rounds = (count + size - 1) / size;
	pid_t *pids = calloc((size_t)size + 1, sizeof(*pids));
	int home[2], out;
	long long start, time;
	char c = 0;
	ssize_t n;

	must(pids && pipe(home) == 0, "pipe");
	out = home[1];
	for (int i = 1; i < size; i++) {
		int link[2];

		must(pipe(link) == 0, "pipe");
		pids[i] = fork();
		must(pids[i] >= 0, "fork");
		if (pids[i] == 0) {
			close(link[1]);
			close(home[0]);
			ring_pass(link[0], out);
		}
		close(link[0]);
		close(out);
		out = link[1];
	}
	signal(SIGPIPE, SIG_IGN); /* write's result says it, too */
	n = write(out, &c, 1) == 1 ? read(home[0], &c, 1) : -1;
	if (n != 1)
		ring_broken("first round", n, out, pids, size);
	start = now();
	for (long i = 0; i < rounds; i++) {
		n = write(out, &c, 1) == 1 ? read(home[0], &c, 1) : -1;
		if (n != 1)
			ring_broken("later round", n, out, pids, size);
	}
	time = now() - start;
	close(out);
	while (wait(NULL) > 0)
		;
	free(pids);
	return (long long)((double)time * (double)count / (double)(rounds * size));
}

static long long mutex(long count, const char *arg)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	long long start = now();

	(void)arg;
	for (long i = 0; i < count; i++) {
		pthread_mutex_lock(&m);
		pthread_mutex_unlock(&m);
	}
	return now() - start;
}

#define CONTENDERS 4

struct contest {
	pthread_mutex_t m;
	long count; /* of each thread */
	long sum;   /* protected by m */
};

static void *contender(void *arg)
{
	struct contest *c = arg;

	for (long i = 0; i < c->count; i++) {
		pthread_mutex_lock(&c->m);
		c->sum++;
		pthread_mutex_unlock(&c->m);
		/* As long again outside, so that all get at it. */
		for (int j = 0; j < 20; j++)
			atomic_signal_fence(memory_order_seq_cst);
	}
	return NULL;
}

static long long mutex_4(long count, const char *arg)
{
	struct contest c = {.m = PTHREAD_MUTEX_INITIALIZER, .count = count / CONTENDERS};
	pthread_t t[CONTENDERS];
	long long start = now();

	(void)arg;
	for (int i = 0; i < CONTENDERS; i++)
		must(pthread_create(&t[i], NULL, contender, &c) == 0, "pthread_create");
	for (int i = 0; i < CONTENDERS; i++)
		must(pthread_join(t[i], NULL) == 0, "pthread_join");
	return now() - start;
}

/* Two sides take turns on one word: each waits until it is its own number, and hands it on. */
struct turns {
	_Atomic unsigned turn;
	long count;
	int shared; /* between processes */
};

static void take_turns(struct turns *t, unsigned me)
{
	int private = t->shared ? 0 : FUTEX_PRIVATE_FLAG;

	for (long i = 0; i < t->count; i++) {
		while (t->turn != me)
			syscall(SYS_futex, &t->turn, FUTEX_WAIT | private, !me, NULL, NULL, 0);
		t->turn = !me;
		syscall(SYS_futex, &t->turn, FUTEX_WAKE | private, 1, NULL, NULL, 0);
	}
}

static void *second_side(void *arg)
{
	take_turns(arg, 1);
	return NULL;
}

static long long futex_threads(long count, const char *arg)
{
	struct turns t = {.count = count};
	pthread_t other;
	long long start;

	(void)arg;
	must(pthread_create(&other, NULL, second_side, &t) == 0, "pthread_create");
	start = now();
	take_turns(&t, 0);
	must(pthread_join(other, NULL) == 0, "pthread_join");
	return now() - start;
}

static long long futex_processes(long count, const char *arg)
{
	struct turns *t =
		mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long long start, time;
	pid_t pid;

	(void)arg;
	must(t != MAP_FAILED, "mmap");
	t->count = count;
	t->shared = 1;
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		take_turns(t, 1);
		_exit(0);
	}
	start = now();
	take_turns(t, 0);
	time = now() - start;
	must(waitpid(pid, NULL, 0) == pid, "wait");
	return time;
}

const struct op ops_sync[] = {
	{"pipe-pingpong", pingpong},
	{"pipe-64k", pipe_64k},
	{"ring", ring},
	{"mutex", mutex},
	{"mutex-4", mutex_4},
	{"futex-threads", futex_threads},
	{"futex-processes", futex_processes},
	{0},
};
