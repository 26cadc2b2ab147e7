// waitid: idtype, WNOWAIT, WNOHANG, WEXITED / WSTOPPED / WCONTINUED, and the siginfo it fills.
#include "check.h"

static void show(const char *what, int ret, siginfo_t *si, pid_t pid)
{
	if (ret < 0) {
		say("%s: errno %d\n", what, errno);
		return;
	}
	CHECK(si->si_pid == 0 || si->si_pid == pid);
	CHECK(si->si_pid == 0 || si->si_uid == getuid());
	say("%s: signo %d code %d status %d pid %s\n", what, si->si_signo, si->si_code,
	    si->si_status, si->si_pid ? "ours" : "0");
}

static int get(idtype_t type, pid_t id, siginfo_t *si, int options)
{
	memset(si, 0, sizeof(*si));
	return waitid(type, (id_t)id, si, options);
}

int main(void)
{
	siginfo_t si;
	int go[2];
	pid_t pid;

	make_pipe(go);
	show("no child", get(P_ALL, 0, &si, WEXITED), &si, 0);
	pid = fork_ok();
	if (pid == 0) {
		wait_byte(go[0]);
		_exit(300);
	}
	show("running", get(P_PID, pid, &si, WEXITED | WNOHANG), &si, pid);
	show("no kind", get(P_PID, pid, &si, WNOHANG), &si, pid);
	show("bad option", get(P_PID, pid, &si, WEXITED | 0x100), &si, pid);
	show("bad type", get((idtype_t)77, pid, &si, WEXITED), &si, pid);
	show("pid 0", get(P_PID, 0, &si, WEXITED), &si, pid);
	show("pid -1", get(P_PID, -1, &si, WEXITED), &si, pid);
	show("other group", get(P_PGID, pid, &si, WEXITED | WNOHANG), &si, pid);
	show("own group", get(P_PGID, 0, &si, WEXITED | WNOHANG), &si, pid);
	send_byte(go[1]);
	show("left there", get(P_PID, pid, &si, WEXITED | WNOWAIT), &si, pid);
	show("left there", get(P_ALL, 0, &si, WEXITED | WNOWAIT), &si, pid);
	show("not stopped", get(P_PID, pid, &si, WSTOPPED | WNOHANG), &si, pid);
	show("exited", get(P_PGID, getpgrp(), &si, WEXITED), &si, pid);
	show("gone", get(P_PID, pid, &si, WEXITED), &si, pid);

	pid = fork_ok();
	if (pid == 0)
		for (;;)
			pause();
	kill(pid, SIGSTOP);
	show("stopped, left", get(P_PID, pid, &si, WSTOPPED | WNOWAIT), &si, pid);
	show("stopped", get(P_PID, pid, &si, WSTOPPED), &si, pid);
	show("once only", get(P_PID, pid, &si, WSTOPPED | WNOHANG), &si, pid);
	kill(pid, SIGCONT);
	show("continued", get(P_PID, pid, &si, WCONTINUED), &si, pid);
	kill(pid, SIGTERM);
	show("killed", get(P_PID, pid, &si, WEXITED | WSTOPPED | WCONTINUED), &si, pid);

	/* Without an info pointer it waits all the same. */
	pid = fork_ok();
	if (pid == 0)
		_exit(0);
	CHECK_EQ(syscall(SYS_waitid, P_PID, pid, NULL, WEXITED, NULL), 0);
	pid = fork_ok();
	if (pid == 0)
		_exit(0);
	CHECK_ERR(syscall(SYS_waitid, P_PID, pid, 8, WEXITED, NULL), EFAULT);
	CHECK_ERR(waitpid(-1, NULL, 0), ECHILD);
	return 0;
}
