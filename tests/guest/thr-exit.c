// cflags: -pthread
// How a process with threads ends: the first task before or after the others, exit_group from
// any of them, a fatal signal to one, with others computing or blocked.
#include "check.h"
#include <pthread.h>
#include <sched.h>

static volatile int ready, spin = 1;
static int pipe_fd[2];

static void *spinner(void *arg)
{
	(void)arg;
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	while (spin)
		;
	return NULL;
}

static void *sleeper(void *arg)
{
	char c;

	(void)arg;
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	CHECK(read(pipe_fd[0], &c, 1) < 0);
	return NULL;
}

static void *yielder(void *arg)
{
	(void)arg;
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	for (;;)
		sched_yield();
	return NULL;
}

static void start(void *(*fn)(void *), void *arg, int wait_for)
{
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, fn, arg), 0);
	while (ready < wait_for)
		sched_yield();
}

static void company(void)
{
	start(spinner, NULL, 1);
	start(sleeper, NULL, 2);
	start(yielder, NULL, 3);
}

static void raw_exit(int status)
{
	syscall(SYS_exit, status);
}

/* ---- the cases; each in a process of its own ---- */

static void main_returns(void *arg)
{
	(void)arg;
	company();
	exit(3);
}

static void *exit_in_thread(void *arg)
{
	_exit((int)(intptr_t)arg);
}

static void thread_exits_all(void *arg)
{
	(void)arg;
	company();
	start(exit_in_thread, (void *)4, 3);
	for (;;)
		pause();
}

static void *after_main(void *arg)
{
	/* the first task is gone, but the process is there under its id */
	(void)arg;
	sleep_ms(30);
	CHECK_EQ(kill(getpid(), 0), 0);
	CHECK(syscall(SYS_gettid) != getpid());
	CHECK_EQ(syscall(SYS_tgkill, getpid(), getpid(), 0), 0);
	say("the first task has ended, the process goes on\n");
	_exit(5);
}

static void leader_first(void *arg)
{
	(void)arg;
	start(after_main, NULL, 0);
	raw_exit(77);
}

static pid_t leader_word;

static void *last(void *arg)
{
	while (__atomic_load_n(&leader_word, __ATOMIC_SEQ_CST))
		sched_yield();
	raw_exit((int)(intptr_t)arg);
	return NULL;
}

static void leader_first_status(void *arg)
{
	/* nobody calls exit_group */
	(void)arg;
	leader_word = (pid_t)syscall(SYS_set_tid_address, &leader_word);
	start(last, (void *)9, 0);
	raw_exit(8);
}

static void *quiet_end(void *arg)
{
	(void)arg;
	raw_exit(1);
	return NULL;
}

static void leader_last_status(void *arg)
{
	pthread_t t[10];

	(void)arg;
	for (int i = 0; i < 10; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, quiet_end, NULL), 0);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	raw_exit(6);
}

static void *crash(void *arg)
{
	(void)arg;
	*(volatile int *)8 = 1;
	return NULL;
}

static void thread_crashes(void *arg)
{
	(void)arg;
	company();
	start(crash, NULL, 3);
	for (;;)
		pause();
}

static void *abort_thread(void *arg)
{
	(void)arg;
	abort();
}

static void thread_aborts(void *arg)
{
	(void)arg;
	company();
	start(abort_thread, NULL, 3);
	for (;;)
		pause();
}

static void *kill_self(void *arg)
{
	CHECK_EQ(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), (int)(intptr_t)arg), 0);
	for (;;)
		pause();
}

static void killed_by_thread_signal(void *arg)
{
	company();
	start(kill_self, arg, 3);
	for (;;)
		pause();
}

static void wait_to_be_killed(void *arg)
{
	int *fd = arg;

	company();
	send_byte(fd[1]);
	for (;;)
		pause();
}

static void *exits_at_once(void *arg)
{
	while (!ready)
		;
	_exit((int)(intptr_t)arg);
}

static void all_exit_at_once(void *arg)
{
	pthread_t t;

	(void)arg;
	for (int i = 0; i < 8; i++)
		CHECK_EQ(pthread_create(&t, NULL, exits_at_once, (void *)10), 0);
	ready = 1;
	_exit(10);
}

static void show(const char *what, void (*fn)(void *), void *arg)
{
	int status = run_child(fn, arg);

	say("%s: %s\n", what, status_text(status));
}

int main(void)
{
	int fd[2];
	pid_t pid;

	make_pipe(pipe_fd);
	show("main returns", main_returns, NULL);
	show("exit_group in a thread", thread_exits_all, NULL);
	show("the first task first", leader_first, NULL);
	show("the first task first, then exit", leader_first_status, NULL);
	show("the first task last", leader_last_status, NULL);
	show("SIGSEGV in a thread", thread_crashes, NULL);
	show("abort in a thread", thread_aborts, NULL);
	show("SIGTERM to a thread", killed_by_thread_signal, (void *)SIGTERM);
	show("SIGKILL to a thread", killed_by_thread_signal, (void *)SIGKILL);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(run_child(all_exit_at_once, NULL), 10 << 8);
	say("all at once: exit 10\n");
	make_pipe(fd);
	pid = spawn(wait_to_be_killed, fd);
	wait_byte(fd[0]);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	say("SIGKILL: %s\n", status_text(reap(pid)));
	pid = spawn(wait_to_be_killed, fd);
	wait_byte(fd[0]);
	CHECK_EQ(kill(pid, SIGTERM), 0);
	say("SIGTERM: %s\n", status_text(reap(pid)));
	return 0;
}
