// Overruns: expirations while the signal waits are counted in si_overrun and by timer_getoverrun;
// an ignored signal keeps the timer running; two timers of one standard signal are both told.
#include "check.h"

static int make(int sig, int value)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = sig};
	int id;

	ev.sigev_value.sival_int = value;
	CHECK_EQ(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id), 0);
	return id;
}

static void set(int id, long value_ns, long interval_ns)
{
	struct itimerspec it = {{0, interval_ns}, {0, value_ns}};

	CHECK_EQ(syscall(SYS_timer_settime, id, 0, &it, NULL), 0);
}

int main(void)
{
	struct timespec soon = {60, 0}, zero = {0, 0};
	int a, b, seen = 0;
	siginfo_t info;
	sigset_t set1;

	sigemptyset(&set1);
	sigaddset(&set1, SIGUSR1);
	sigaddset(&set1, SIGRTMIN + 1);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set1, NULL), 0);

	a = make(SIGRTMIN + 1, 7);
	set(a, 1000000, 1000000);
	sleep_ms(20);
	CHECK_EQ(sigtimedwait(&set1, &info, &soon), SIGRTMIN + 1);
	CHECK_EQ(info.si_code, SI_TIMER);
	CHECK_EQ(info.si_value.sival_int, 7);
	CHECK(info.si_overrun >= 15 && info.si_overrun < 5000);
	CHECK_EQ(syscall(SYS_timer_getoverrun, a), info.si_overrun);
	set(a, 0, 0);
	CHECK_EQ(syscall(SYS_timer_getoverrun, a), 0);
	while (sigtimedwait(&set1, &info, &zero) > 0)
		;
	CHECK_EQ(errno, EAGAIN);

	/* Once: no overrun, however late it is taken. */
	set(a, 1000000, 0);
	sleep_ms(5);
	CHECK_EQ(sigtimedwait(&set1, &info, &soon), SIGRTMIN + 1);
	CHECK_EQ(info.si_overrun, 0);
	CHECK_EQ(syscall(SYS_timer_delete, a), 0);

	a = make(SIGUSR1, 1);
	b = make(SIGUSR1, 2);
	set(a, 1000000, 0);
	set(b, 1000000, 0);
	while (seen != 3) {
		CHECK_EQ(sigtimedwait(&set1, &info, &soon), SIGUSR1);
		CHECK_EQ(info.si_code, SI_TIMER);
		seen |= info.si_value.sival_int;
	}
	CHECK_EQ(syscall(SYS_timer_delete, b), 0);

	/* Ignored (not blocked), then not: it still runs. */
	CHECK_EQ(sigprocmask(SIG_UNBLOCK, &set1, NULL), 0);
	signal(SIGUSR1, SIG_IGN);
	set(a, 1000000, 1000000);
	sleep_ms(5);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set1, NULL), 0);
	signal(SIGUSR1, SIG_DFL);
	CHECK_EQ(sigtimedwait(&set1, &info, &soon), SIGUSR1);
	set(a, 0, 0);
	CHECK_EQ(syscall(SYS_timer_delete, a), 0);
	say("ok\n");
	return 0;
}
