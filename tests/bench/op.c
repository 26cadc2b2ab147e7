/*
 * One operation, many times, timed from inside so that start-up does not count:
 *
 *	op NAME COUNT		prints the nanoseconds of COUNT operations
 *	op wall COUNT PROGRAM ARGS...	the same for whole runs of a program, from outside
 *
 * tests/bench/bench runs it natively and in vmbox, in turns.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "op: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void must(int ok, const char *what)
{
	if (!ok)
		die(what);
}

static long long getppid_op(long count)
{
	long long start = now();

	for (long i = 0; i < count; i++)
		syscall(SYS_getppid);
	return now() - start;
}

/* A byte there and back: two pipe transfers and two switches. */
static long long pingpong(long count)
{
	int to[2], from[2];
	long long start, time;
	char c = 0;
	pid_t pid;

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

static long long fork_wait(long count)
{
	long long start = now();

	for (long i = 0; i < count; i++) {
		pid_t pid = fork();

		must(pid >= 0, "fork");
		if (pid == 0)
			_exit(0);
		must(waitpid(pid, NULL, 0) == pid, "wait");
	}
	return now() - start;
}

static long long fork_exec(long count)
{
	char *argv[] = {(char[]){"op"}, (char[]){"exit"}, NULL}, *envp[] = {NULL};
	long long start = now();

	for (long i = 0; i < count; i++) {
		pid_t pid = fork();
		int status;

		must(pid >= 0, "fork");
		if (pid == 0) {
			execve("/proc/self/exe", argv, envp);
			_exit(1);
		}
		must(waitpid(pid, &status, 0) == pid && status == 0, "exec");
	}
	return now() - start;
}

static long long fault(long count)
{
	volatile char *p = mmap(NULL, (size_t)count * 4096, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long long start;

	must(p != MAP_FAILED, "mmap");
	/* Small pages on both sides: one fault a page is what is measured. */
	madvise((void *)(size_t)p, (size_t)count * 4096, MADV_NOHUGEPAGE);
	start = now();
	for (long i = 0; i < count; i++)
		p[i * 4096] = 1;
	return now() - start;
}

/* A token goes round a ring of processes, each blocked on its pipe: every hop is a switch. The
 * ring is built backwards, so that nobody holds more than the two ends that he uses. */
static long long ring(long count, int size)
{
	long rounds = (count + size - 1) / size;
	int home[2], out;
	long long start, time;
	char c = 0;

	must(pipe(home) == 0, "pipe");
	out = home[1];
	for (int i = 1; i < size; i++) {
		int link[2];
		pid_t pid;

		must(pipe(link) == 0, "pipe");
		pid = fork();
		must(pid >= 0, "fork");
		if (pid == 0) {
			close(link[1]);
			close(home[0]);
			while (read(link[0], &c, 1) == 1)
				must(write(out, &c, 1) == 1, "write");
			_exit(0);
		}
		close(link[0]);
		close(out);
		out = link[1];
	}
	must(write(out, &c, 1) == 1 && read(home[0], &c, 1) == 1, "first round");
	start = now();
	for (long i = 0; i < rounds; i++) {
		must(write(out, &c, 1) == 1, "write");
		must(read(home[0], &c, 1) == 1, "read");
	}
	time = now() - start;
	close(out);
	while (wait(NULL) > 0)
		;
	return (long long)((double)time * (double)count / (double)(rounds * size));
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
			execv(argv[0], argv);
			die(argv[0]);
		}
		must(waitpid(pid, &status, 0) == pid && status == 0, "the program");
	}
	return now() - start;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	long count = argc > 2 ? atol(argv[2]) : 0;
	long long ns;

	if (strcmp(name, "exit") == 0)
		return 0;
	if (count <= 0) {
		fprintf(stderr, "usage: op NAME COUNT\n");
		return 2;
	}
	if (strcmp(name, "getppid") == 0)
		ns = getppid_op(count);
	else if (strcmp(name, "pingpong") == 0)
		ns = pingpong(count);
	else if (strcmp(name, "fork-wait") == 0)
		ns = fork_wait(count);
	else if (strcmp(name, "fork-exec") == 0)
		ns = fork_exec(count);
	else if (strcmp(name, "fault") == 0)
		ns = fault(count);
	else if (strcmp(name, "ring-2") == 0)
		ns = ring(count, 2);
	else if (strcmp(name, "ring-100") == 0)
		ns = ring(count, 100);
	else if (strcmp(name, "ring-2000") == 0)
		ns = ring(count, 2000);
	else if (strcmp(name, "wall") == 0 && argc > 3)
		ns = wall(count, argv + 3);
	else {
		fprintf(stderr, "op: no operation '%s'\n", name);
		return 2;
	}
	printf("%lld\n", ns);
	return 0;
}
