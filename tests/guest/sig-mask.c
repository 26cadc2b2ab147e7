// variants: static musl
// sigprocmask, sigpending, sigsuspend, sigwait and their kin: order of delivery, one pending
// instance of a plain signal, queued real-time ones, KILL and STOP cannot be blocked.
#include "check.h"

static int order[64], values[64];
static volatile int hits;

static void note(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	if (hits < 64) {
		order[hits] = sig;
		values[hits] = si->si_code == SI_QUEUE ? si->si_value.sival_int : 0;
	}
	hits++;
}

static void show(const char *what)
{
	say("%s:", what);
	for (int i = 0; i < hits; i++)
		say(" %d/%d", order[i], values[i]);
	say("\n");
	hits = 0;
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	const int sigs[] = {SIGUSR1, SIGUSR2, SIGTERM, 36, 37, 40};
	struct timespec zero = {0, 0}, some = {0, 10000000};
	sigset_t all, set, old;
	siginfo_t si;
	pid_t pid;

	sigfillset(&all);
	sigfillset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		CHECK_EQ(sigaction(sigs[i], &sa, NULL), 0);

	CHECK_EQ(sigprocmask(SIG_SETMASK, &all, &old), 0);
	CHECK(!sigismember(&old, SIGUSR1));
	sigprocmask(SIG_SETMASK, NULL, &old);
	say("KILL blocked %d, STOP blocked %d\n", sigismember(&old, SIGKILL),
	    sigismember(&old, SIGSTOP));
	for (int i = 0; i < 3; i++) {
		kill(getpid(), SIGUSR2);
		kill(getpid(), SIGUSR1);
		sigqueue(getpid(), 40, (union sigval){.sival_int = 100 + i});
		sigqueue(getpid(), 37, (union sigval){.sival_int = 10 + i});
	}
	CHECK_EQ(hits, 0);
	sigpending(&set);
	say("pending USR1 %d USR2 %d TERM %d 37 %d 40 %d\n", sigismember(&set, SIGUSR1),
	    sigismember(&set, SIGUSR2), sigismember(&set, SIGTERM), sigismember(&set, 37),
	    sigismember(&set, 40));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	show("only USR1");
	sigprocmask(SIG_BLOCK, &all, NULL);

	/* sigwaitinfo takes them one by one, lowest number first, without handlers. */
	sigemptyset(&set);
	sigaddset(&set, 40);
	sigaddset(&set, 37);
	CHECK_EQ(sigwaitinfo(&set, &si), 37);
	say("waited %d code %d value %d\n", si.si_signo, si.si_code, si.si_value.sival_int);
	CHECK_EQ(hits, 0);
	sigemptyset(&old);
	sigprocmask(SIG_SETMASK, &old, NULL);
	/* Real-time signals of one number keep their order; each handler blocks all others. */
	show("the rest");

	/* an ignored one is dropped also while blocked */
	sigprocmask(SIG_SETMASK, &all, NULL);
	kill(getpid(), SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	sigpending(&set);
	say("pending after ignoring %d\n", sigismember(&set, SIGUSR1));
	sigaction(SIGUSR1, &sa, NULL);

	/* sigsuspend lets in, and puts the mask back */
	kill(getpid(), SIGUSR1);
	sigfillset(&set);
	sigdelset(&set, SIGUSR1);
	CHECK_ERR(sigsuspend(&set), EINTR);
	show("suspend");
	kill(getpid(), SIGTERM);
	CHECK_EQ(hits, 0);

	/* sigtimedwait */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	CHECK_ERR(sigtimedwait(&set, NULL, &zero), EAGAIN);
	CHECK_ERR(sigtimedwait(&set, NULL, &some), EAGAIN);
	pid = fork_ok();
	if (pid == 0) {
		sigset_t none;

		/* Pending signals are not inherited; the mask is. */
		sigpending(&none);
		CHECK(!sigismember(&none, SIGTERM));
		sigprocmask(SIG_BLOCK, NULL, &none);
		CHECK(sigismember(&none, SIGTERM));
		kill(getppid(), SIGUSR2);
		_exit(0);
	}
	CHECK_EQ(sigwaitinfo(&set, &si), SIGUSR2);
	CHECK_EQ(si.si_pid, pid);
	reap_ok(pid);
	CHECK_ERR(sigprocmask(77, &set, NULL), EINVAL);
	CHECK_EQ(sigprocmask(77, NULL, &old), 0);
	CHECK_ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 4), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 8, NULL, 8), EFAULT);
	say("ok\n");
	return 0;
}
