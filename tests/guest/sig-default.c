// Every signal's default action, seen by the parent: death, nothing, or a stop; sent by kill
// while the child runs and while it is blocked.
#include "check.h"

static void blocked(void *arg)
{
	send_byte(*(int *)arg);
	for (;;)
		pause();
}

static void running(void *arg)
{
	send_byte(*(int *)arg);
	for (volatile long i = 0;; i++)
		;
}

static void try(int sig, void (*fn)(void *), const char *how)
{
	int ready[2], status;
	pid_t pid;

	make_pipe(ready);
	pid = spawn(fn, &ready[1]);
	wait_byte(ready[0]);
	/* A group of its own: in an orphaned group the terminal's stop signals do nothing. */
	if (sig != SIGTTIN || fn != running)
		CHECK_EQ(setpgid(pid, pid), 0);
	CHECK_EQ(kill(pid, sig), 0);
	/* What did nothing is told from what killed or stopped by a KILL after it. */
	if (sig == SIGCHLD || sig == SIGCONT || sig == SIGURG || sig == SIGWINCH ||
	    getpgid(pid) == getpgrp())
		CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	say("%s %d: %s\n", how, sig, status_text(status));
	if (WIFSTOPPED(status)) {
		kill(pid, SIGKILL);
		CHECK_EQ(reap(pid), SIGKILL);
	}
	close(ready[0]);
	close(ready[1]);
}

int main(void)
{
	for (int sig = 1; sig <= 64; sig++)
		if (sig != 32 && sig != 33)
			try(sig, blocked, "blocked");
	for (int sig = 1; sig <= 31; sig++)
		try(sig, running, "running");
	CHECK_ERR(kill(getpid(), 65), EINVAL);
	CHECK_ERR(kill(getpid(), -1), EINVAL);
	CHECK_ERR(kill(1 << 29, SIGTERM), ESRCH);
	CHECK_EQ(kill(getpid(), 0), 0);
	return 0;
}
