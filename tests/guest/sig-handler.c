// variants: static musl
// Handlers: run once per signal, get siginfo, nest by sa_mask and SA_NODEFER, SA_RESETHAND, run
// before kill() to oneself returns; the interrupted code goes on with its registers.
#include "check.h"

static volatile int count, depth, deepest, last;
static volatile pid_t sender;
static volatile int code, value;

static void simple(int sig)
{
	count++;
	last = sig;
}

static void info(int sig, siginfo_t *si, void *uc)
{
	last = sig;
	sender = si->si_pid;
	code = si->si_code;
	value = si->si_value.sival_int;
	CHECK(uc != NULL);
	CHECK_EQ(si->si_signo, sig);
}

static void nested(int sig)
{
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (depth < 5 && count++ < 4)
		raise(sig);
	depth--;
}

static void install(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = {.sa_handler = fn, .sa_flags = flags}, old;

	CHECK_EQ(sigaction(sig, &sa, NULL), 0);
	CHECK_EQ(sigaction(sig, NULL, &old), 0);
	CHECK(old.sa_handler == fn);
	CHECK_EQ(old.sa_flags & 0x7fffffff & ~0x04000000, flags & 0x7fffffff);
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = info, .sa_flags = SA_SIGINFO};
	union sigval sv = {.sival_int = 1234567};
	pid_t pid;

	install(SIGUSR1, simple, 0);
	for (int i = 1; i <= 100; i++) {
		CHECK_EQ(kill(getpid(), SIGUSR1), 0);
		CHECK_EQ(count, i);
	}
	CHECK_EQ(last, SIGUSR1);

	sigaction(SIGUSR2, &sa, NULL);
	kill(getpid(), SIGUSR2);
	CHECK_EQ(sender, getpid());
	say("kill: code %d\n", code);
	raise(SIGUSR2);
	CHECK_EQ(sender, getpid());
	say("raise: code %d\n", code);
	CHECK_EQ(sigqueue(getpid(), SIGUSR2, sv), 0);
	say("sigqueue: code %d value %d\n", code, value);
	pid = fork_ok();
	if (pid == 0) {
		kill(getppid(), SIGUSR2);
		_exit(0);
	}
	reap_ok(pid);
	CHECK_EQ(sender, pid);

	/* Without SA_NODEFER the signal is blocked in its own handler: deliveries follow, and
	 * do not nest. */
	count = 0;
	install(SIGUSR1, nested, 0);
	raise(SIGUSR1);
	say("deferred: deepest %d count %d\n", deepest, count);
	count = deepest = 0;
	install(SIGUSR1, nested, SA_NODEFER);
	raise(SIGUSR1);
	say("nodefer: deepest %d count %d\n", deepest, count);

	install(SIGUSR1, simple, (int)SA_RESETHAND);
	count = 0;
	raise(SIGUSR1);
	CHECK_EQ(count, 1);
	sigaction(SIGUSR1, NULL, &sa);
	CHECK(sa.sa_handler == SIG_DFL);
	CHECK_ERR(sigaction(SIGKILL, &(struct sigaction){.sa_handler = simple}, NULL), EINVAL);
	CHECK_ERR(sigaction(SIGSTOP, &(struct sigaction){.sa_handler = simple}, NULL), EINVAL);
	CHECK_EQ(sigaction(SIGKILL, NULL, &sa), 0);
	CHECK_ERR(sigaction(65, NULL, &sa), EINVAL);
	CHECK_ERR(sigaction(0, NULL, &sa), EINVAL);
	say("ok\n");
	return 0;
}
