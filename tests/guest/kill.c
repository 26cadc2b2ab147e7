// kill to a process, a group, its own group and nobody; tkill and tgkill; a zombie can be
// signalled; who was hit is told by how the children end.
#include "check.h"

#define N 4

static volatile int hits;

static void count(int sig)
{
	(void)sig;
	hits++;
}

static pid_t waiter(pid_t group, int ready)
{
	pid_t pid = fork_ok();

	if (pid == 0) {
		if (group >= 0)
			CHECK_EQ(setpgid(0, group), 0);
		signal(SIGUSR1, SIG_DFL);
		send_byte(ready);
		for (;;)
			pause();
	}
	return pid;
}

int main(void)
{
	int ready[2];
	pid_t pid[N], group;

	make_pipe(ready);
	/* a group */
	group = 0;
	for (int i = 0; i < N; i++) {
		pid[i] = waiter(group, ready[1]);
		wait_byte(ready[0]);
		if (i == 0)
			group = pid[0];
	}
	CHECK_EQ(kill(-group, SIGUSR2), 0);
	for (int i = 0; i < N; i++)
		say("group member %d: %s\n", i, status_text(reap(pid[i])));
	CHECK_ERR(kill(-group, 0), ESRCH);
	CHECK_ERR(kill(-(1 << 29), SIGTERM), ESRCH);

	/* 0: one's own group, oneself included, and no other */
	signal(SIGUSR1, count);
	pid[0] = waiter(-1, ready[1]);
	pid[1] = waiter(0, ready[1]);
	wait_byte(ready[0]);
	wait_byte(ready[0]);
	CHECK_EQ(kill(0, SIGUSR1), 0);
	CHECK_EQ(hits, 1);
	say("same group: %s\n", status_text(reap(pid[0])));
	CHECK_EQ(waitpid(pid[1], NULL, WNOHANG), 0);
	CHECK_EQ(syscall(SYS_tkill, pid[1], SIGALRM), 0);
	say("other group: %s\n", status_text(reap(pid[1])));

	/* tgkill and its checks */
	CHECK_EQ(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1), 0);
	CHECK_EQ(hits, 2);
	CHECK_ERR(syscall(SYS_tgkill, getpid(), 1 << 29, SIGUSR1), ESRCH);
	CHECK_ERR(syscall(SYS_tgkill, 0, getpid(), SIGUSR1), EINVAL);
	CHECK_ERR(syscall(SYS_tgkill, getpid(), -1, SIGUSR1), EINVAL);
	CHECK_ERR(syscall(SYS_tkill, 0, SIGUSR1), EINVAL);

	/* a zombie takes any signal and is none the worse */
	pid[0] = fork_ok();
	if (pid[0] == 0)
		_exit(12);
	CHECK_EQ(waitid(P_PID, (id_t)pid[0], &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
	CHECK_EQ(kill(pid[0], SIGKILL), 0);
	say("zombie: %s\n", status_text(reap(pid[0])));
	CHECK_ERR(kill(pid[0], 0), ESRCH);
	/* everybody: somebody is there besides init and the caller */
	pid[0] = waiter(-1, ready[1]);
	wait_byte(ready[0]);
	CHECK_EQ(kill(-1, 0), 0);
	CHECK_EQ(kill(pid[0], SIGKILL), 0);
	CHECK_EQ(reap(pid[0]), SIGKILL);
	return 0;
}
