/* Processes and threads that begin and end. */
#define _GNU_SOURCE
#include "op.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static long long fork_wait(long count, const char *arg)
{
	long long start = now();

	(void)arg;
	for (long i = 0; i < count; i++) {
		pid_t pid = fork();

		must(pid >= 0, "fork");
		if (pid == 0)
			_exit(0);
		must(waitpid(pid, NULL, 0) == pid, "wait");
	}
	return now() - start;
}

#define BIG (100UL << 20)

/* The same with 100 MiB that have been touched, in small pages. */
static long long fork_wait_100m(long count, const char *arg)
{
	char *p = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED, "mmap");
	madvise(p, BIG, MADV_NOHUGEPAGE);
	memset(p, 1, BIG);
	return fork_wait(count, arg);
}

/* The child's half: executes program, which ends at once; ourselves if there is none. */
static _Noreturn void exec_child(const char *program)
{
	char *argv[] = {(char[]){"op"}, (char[]){"exit"}, NULL}, *envp[] = {NULL};

	execve(program ? program : "/proc/self/exe", argv, envp);
	_exit(1);
}

static void exec_wait(pid_t pid)
{
	int status;

	must(pid > 0, "fork");
	must(waitpid(pid, &status, 0) == pid && status == 0, "exec");
}

static long long fork_exec(long count, const char *arg)
{
	long long start = now();

	for (long i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid == 0)
			exec_child(arg);
		exec_wait(pid);
	}
	return now() - start;
}

static const char *vfork_program;

static void vfork_once(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		exec_child(vfork_program);
	exec_wait(pid);
}

static long long vfork_exec(long count, const char *arg)
{
	long long start = now();

	vfork_program = arg;
	for (long i = 0; i < count; i++)
		vfork_once();
	return now() - start;
}

static void *nothing(void *arg)
{
	return arg;
}

static long long thread_join(long count, const char *arg)
{
	long long start = now();

	(void)arg;
	for (long i = 0; i < count; i++) {
		pthread_t t;

		must(pthread_create(&t, NULL, nothing, NULL) == 0, "pthread_create");
		must(pthread_join(t, NULL) == 0, "pthread_join");
	}
	return now() - start;
}

const struct op ops_process[] = {
	{"fork-wait", fork_wait},   {"fork-wait-100m", fork_wait_100m}, {"fork-exec", fork_exec},
	{"vfork-exec", vfork_exec}, {"thread-join", thread_join},       {0},
};
