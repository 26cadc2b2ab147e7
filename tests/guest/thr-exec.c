// cflags: -pthread
// execve in a process with threads: from the first one or another, while the rest compute, sleep
// in the kernel or execve, too. The program that runs next has one task, with the process's id.
#include "check.h"
#include <pthread.h>
#include <sched.h>

static int pipe_fd[2], cloexec_fd;
static volatile int ready;
static char exe[4096];

static void *spinner(void *arg)
{
	(void)arg;
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	for (;;)
		;
	return NULL;
}

static void *sleeper(void *arg)
{
	char c;

	(void)arg;
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	for (;;)
		CHECK(read(pipe_fd[0], &c, 1) < 0);
	return NULL;
}

static void *sig_waiter(void *arg)
{
	sigset_t set;
	int sig;

	(void)arg;
	sigfillset(&set);
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	for (;;)
		sigwait(&set, &sig);
	return NULL;
}

static void *vforker(void *arg)
{
	(void)arg;
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		pid_t pid = vfork();

		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return NULL;
}

static void start(void *(*fn)(void *), void *arg)
{
	pthread_t t;
	int before = ready;

	CHECK_EQ(pthread_create(&t, NULL, fn, arg), 0);
	while (ready == before)
		sched_yield();
}

static void do_exec(void)
{
	char pid[16], *argv[] = {exe, pid, NULL}, *envp[] = {NULL};

	snprintf(pid, sizeof(pid), "%d", getpid());
	execve(exe, argv, envp);
	_exit(CHECK_STATUS);
}

static void *exec_in_thread(void *arg)
{
	(void)arg;
	do_exec();
	return NULL;
}

static void company(void)
{
	start(spinner, NULL);
	start(sleeper, NULL);
	start(sig_waiter, NULL);
	start(vforker, NULL);
}

static void from_first(void *arg)
{
	(void)arg;
	company();
	do_exec();
}

static void from_other(void *arg)
{
	pthread_t t;

	(void)arg;
	company();
	CHECK_EQ(pthread_create(&t, NULL, exec_in_thread, NULL), 0);
	for (;;)
		pause();
}

static void first_computes(void *arg)
{
	pthread_t t;

	(void)arg;
	CHECK_EQ(pthread_create(&t, NULL, exec_in_thread, NULL), 0);
	for (;;)
		;
}

static void first_has_ended(void *arg)
{
	pthread_t t;

	(void)arg;
	CHECK_EQ(pthread_create(&t, NULL, exec_in_thread, NULL), 0);
	syscall(SYS_exit, 1);
}

static void several(void *arg)
{
	pthread_t t;

	(void)arg;
	for (int i = 0; i < 6; i++) {
		int r = pthread_create(&t, NULL, exec_in_thread, NULL);

		/* Linux may refuse one while another thread is in execve already. */
		CHECK(r == 0 || r == EAGAIN);
	}
	do_exec();
}

static void *failing(void *arg)
{
	char *argv[] = {exe, NULL};

	(void)arg;
	CHECK_ERR(execve("/no/such/program", argv, NULL), ENOENT);
	CHECK_ERR(execve("/tmp", argv, NULL), EACCES);
	return NULL;
}

/* A failed execve hurts nobody. */
static void fails(void *arg)
{
	pthread_t t;

	(void)arg;
	company();
	CHECK_EQ(pthread_create(&t, NULL, failing, NULL), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	do_exec();
}

/* What execve made: one task, the old id, its descriptors. */
static int next_program(const char *pid)
{
	sigset_t set;

	CHECK_EQ(getpid(), atoi(pid));
	CHECK_EQ(syscall(SYS_gettid), getpid());
	CHECK_EQ(sigprocmask(SIG_SETMASK, NULL, &set), 0);
	CHECK_EQ(write(1, "", 0), 0);
	return 42;
}

static void show(const char *what, void (*fn)(void *))
{
	for (int i = 0; i < 10; i++) {
		int status = run_child(fn, NULL);

		if (status != 42 << 8) {
			say("%s: %s\n", what, status_text(status));
			return;
		}
	}
	say("%s: ok\n", what);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return next_program(argv[1]);
	/* /proc/self is the first task's, which may have ended */
	CHECK(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	make_pipe(pipe_fd);
	cloexec_fd = fcntl(pipe_fd[1], F_DUPFD_CLOEXEC, 50);
	show("from the first", from_first);
	show("from another", from_other);
	show("the first computes", first_computes);
	show("the first has ended", first_has_ended);
	show("several at once", several);
	show("after a failed one", fails);
	return 0;
}
