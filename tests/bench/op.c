/*
 * One operation, many times, timed from inside so that start-up does not count:
 *
 *	op [--pin] NAME COUNT [ARG]	prints the nanoseconds of COUNT operations
 *	op wall COUNT PROGRAM ARGS...	the same for whole runs of a program, from outside
 *	op idle COUNT			COUNT processes that only wait, until standard input ends;
 *					prints "ready" when all do
 *
 * --pin: all of it on one CPU. tests/bench/bench runs this natively and in vmbox, in turns.
 */
#define _GNU_SOURCE
#include "op.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

_Noreturn void die(const char *what)
{
	fprintf(stderr, "op: %s: %s\n", what, strerror(errno));
	_exit(1);
}

void must(int ok, const char *what)
{
	if (!ok)
		die(what);
}

/* The first CPU that we may use. */
static void pin(void)
{
	cpu_set_t may, one;

	CPU_ZERO(&may);
	CPU_ZERO(&one);
	must(sched_getaffinity(0, sizeof(may), &may) == 0, "sched_getaffinity");
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (CPU_ISSET(i, &may)) {
			CPU_SET(i, &one);
			break;
		}
	}
	must(sched_setaffinity(0, sizeof(one), &one) == 0, "sched_setaffinity");
}

static long long wall(long count, char **argv)
{
	long long start = now();

	for (long i = 0; i < count; i++) {
		pid_t pid = fork();
		int status;

		must(pid >= 0, "fork");
		if (pid == 0) {
			int null = open("/dev/null", O_RDWR);

			dup2(null, 0);
			dup2(null, 1);
			execvp(argv[0], argv);
			die(argv[0]);
		}
		must(waitpid(pid, &status, 0) == pid, "wait");
		if (status != 0) {
			fprintf(stderr, "op: %s ended with status %#x\n", argv[0], status);
			_exit(1);
		}
	}
	return now() - start;
}

static int idle(long count)
{
	int end[2];
	char c;

	must(pipe(end) == 0, "pipe");
	for (long i = 0; i < count; i++) {
		pid_t pid = fork();

		must(pid >= 0, "fork");
		if (pid == 0) {
			close(end[1]);
			must(read(end[0], &c, 1) == 0, "read");
			_exit(0);
		}
	}
	puts("ready");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	close(end[1]);
	while (wait(NULL) > 0)
		;
	return 0;
}

static op_fn find(const char *name)
{
	static const struct op *const groups[] = {ops_calls, ops_memory, ops_sync, ops_process};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (const struct op *o = groups[i]; o->name; o++)
			if (strcmp(o->name, name) == 0)
				return o->run;
	return NULL;
}

int main(int argc, char **argv)
{
	const char *name;
	long count;
	op_fn run;

	if (argc > 1 && strcmp(argv[1], "--pin") == 0) {
		pin();
		argc--;
		argv++;
	}
	name = argc > 1 ? argv[1] : "";
	count = argc > 2 ? atol(argv[2]) : 0;
	if (strcmp(name, "exit") == 0)
		return 0;
	if (strcmp(name, "idle") == 0 && argc > 2)
		return idle(count);
	if (count <= 0) {
		fprintf(stderr, "usage: op [--pin] NAME COUNT [ARG]\n");
		return 2;
	}
	if (strcmp(name, "wall") == 0 && argc > 3) {
		printf("%lld\n", wall(count, argv + 3));
		return 0;
	}
	run = find(name);
	if (!run) {
		fprintf(stderr, "op: no operation '%s'\n", name);
		return 2;
	}
	printf("%lld\n", run(count, argv[3]));
	return 0;
}
