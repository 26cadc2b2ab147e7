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
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
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

static long long mutex(long count)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	long long start = now();

	for (long i = 0; i < count; i++) {
		pthread_mutex_lock(&m);
		pthread_mutex_unlock(&m);
	}
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

static long long futex_threads(long count)
{
	struct turns t = {.count = count};
	pthread_t other;
	long long start;

	must(pthread_create(&other, NULL, second_side, &t) == 0, "pthread_create");
	start = now();
	take_turns(&t, 0);
	must(pthread_join(other, NULL) == 0, "pthread_join");
	return now() - start;
}

static long long futex_processes(long count)
{
	struct turns *t =
		mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long long start, time;
	pid_t pid;

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

static void *nothing(void *arg)
{
	return arg;
}

static long long thread_join(long count)
{
	long long start = now();

	for (long i = 0; i < count; i++) {
		pthread_t t;

		must(pthread_create(&t, NULL, nothing, NULL) == 0, "pthread_create");
		must(pthread_join(t, NULL) == 0, "pthread_join");
	}
	return now() - start;
}

static void on_signal(int sig)
{
	(void)sig;
}

static long long signal_self(long count)
{
	struct sigaction sa = {.sa_handler = on_signal};
	pid_t self = getpid();
	long long start;

	must(sigaction(SIGUSR1, &sa, NULL) == 0, "sigaction");
	start = now();
	for (long i = 0; i < count; i++)
		kill(self, SIGUSR1);
	return now() - start;
}

static long long ring_2(long count)
{
	return ring(count, 2);
}

static long long ring_100(long count)
{
	return ring(count, 100);
}

static long long ring_2000(long count)
{
	return ring(count, 2000);
}

static const struct {
	const char *name;
	long long (*run)(long count);
} ops[] = {
	{"getppid", getppid_op},
	{"pingpong", pingpong},
	{"fork-wait", fork_wait},
	{"fork-exec", fork_exec},
	{"fault", fault},
	{"ring-2", ring_2},
	{"ring-100", ring_100},
	{"ring-2000", ring_2000},
	{"mutex", mutex},
	{"futex-threads", futex_threads},
	{"futex-processes", futex_processes},
	{"thread-join", thread_join},
	{"signal", signal_self},
};

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

	if (strcmp(name, "exit") == 0)
		return 0;
	if (count <= 0) {
		fprintf(stderr, "usage: op NAME COUNT\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(name, ops[i].name) == 0) {
			printf("%lld\n", ops[i].run(count));
			return 0;
		}
	}
	if (strcmp(name, "wall") == 0 && argc > 3) {
		printf("%lld\n", wall(count, argv + 3));
		return 0;
	}
	fprintf(stderr, "op: no operation '%s'\n", name);
	return 2;
}
