// SIGCHLD: sent for exit, death and stop with the right siginfo; SA_NOCLDSTOP, SA_NOCLDWAIT
// and SIG_IGN (no zombies: wait ends in ECHILD when the last child is gone).
#include "check.h"

static volatile int hits, code, status, signo;
static volatile pid_t who;

static void handler(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	hits++;
	signo = si->si_signo;
	code = si->si_code;
	status = si->si_status;
	who = si->si_pid;
}

static void install(int flags)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};

	CHECK_EQ(sigaction(SIGCHLD, &sa, NULL), 0);
	hits = 0;
}

static void await(const char *what, pid_t pid)
{
	sigset_t none;

	sigemptyset(&none);
	while (hits == 0)
		sigsuspend(&none);
	CHECK_EQ(who, pid);
	say("%s: signo %d code %d status %d\n", what, signo, code, status);
	hits = 0;
}

int main(void)
{
	sigset_t chld;
	pid_t pid;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	install(SA_RESTART);
	pid = fork_ok();
	if (pid == 0)
		_exit(21);
	await("exit", pid);
	CHECK_EQ(reap(pid), 21 << 8);

	pid = fork_ok();
	if (pid == 0)
		for (;;)
			pause();
	kill(pid, SIGSTOP);
	await("stop", pid);
	CHECK_EQ(waitpid(pid, NULL, WUNTRACED), pid);
	kill(pid, SIGCONT);
	await("continue", pid);
	kill(pid, SIGTERM);
	await("death", pid);
	CHECK_EQ(reap(pid), SIGTERM);

	/* SA_NOCLDSTOP: only its end is told. */
	install(SA_NOCLDSTOP);
	pid = fork_ok();
	if (pid == 0)
		for (;;)
			pause();
	kill(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, NULL, WUNTRACED), pid);
	kill(pid, SIGCONT);
	CHECK_EQ(waitpid(pid, NULL, WCONTINUED), pid);
	kill(pid, SIGKILL);
	await("NOCLDSTOP", pid);
	CHECK_EQ(reap(pid), SIGKILL);

	/* SA_NOCLDWAIT: no zombie, but a signal; SIG_IGN: neither. */
	install(SA_NOCLDWAIT);
	pid = fork_ok();
	if (pid == 0)
		_exit(1);
	await("NOCLDWAIT", pid);
	CHECK_ERR(waitpid(pid, NULL, 0), ECHILD);
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 3; i++)
		if (fork_ok() == 0)
			_exit(i);
	CHECK_ERR(waitpid(-1, NULL, 0), ECHILD);

	/* Several ends while it is blocked are one signal and several zombies. */
	install(0);
	for (int i = 0; i < 5; i++) {
		pid = fork_ok();
		if (pid == 0)
			_exit(i);
		CHECK_EQ(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
	}
	sigprocmask(SIG_UNBLOCK, &chld, NULL);
	say("signals %d\n", hits);
	for (int i = 0; i < 5; i++)
		CHECK(waitpid(-1, NULL, WNOHANG) > 0);
	CHECK_ERR(waitpid(-1, NULL, WNOHANG), ECHILD);
	return 0;
}
