// Timeouts of futex waits on both clocks, relative and absolute; signals: EINTR, SA_RESTART, and a
// relative wait that is stopped and continued keeps its end.
#include "futex.h"

static volatile sig_atomic_t hits;

static void on_signal(int sig)
{
	(void)sig;
	hits++;
}

static void handle(int sig, int flags)
{
	struct sigaction act = {.sa_handler = on_signal, .sa_flags = flags};

	CHECK_EQ(sigaction(sig, &act, NULL), 0);
}

static void times(word_t *w)
{
	struct timespec ts;
	long long before = now_ns(CLOCK_MONOTONIC), end;

	ts = (struct timespec){0, 30000000};
	CHECK_ERR(futex(w, F_WAIT, 0, &ts, NULL, 0), ETIMEDOUT);
	CHECK(now_ns(CLOCK_MONOTONIC) - before >= 30000000);
	for (int realtime = 0; realtime < 2; realtime++) {
		clockid_t clock = realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC;

		ts = in_ms(clock, 30);
		end = ts.tv_sec * 1000000000LL + ts.tv_nsec;
		CHECK_ERR(futex(w, F_WAIT_BITSET | (realtime ? F_REALTIME : 0), 0, &ts, NULL, ~0U),
			  ETIMEDOUT);
		/* Steering of the wall clock aside. */
		CHECK(now_ns(clock) >= end - 1000000);
		CHECK(now_ns(clock) < end + 5000000000LL);
		ts = in_ms(clock, -10);
		CHECK_ERR(futex(w, F_WAIT_BITSET | (realtime ? F_REALTIME : 0), 0, &ts, NULL, ~0U),
			  ETIMEDOUT);
		/* The value is looked at before the time. */
		CHECK_ERR(futex(w, F_WAIT_BITSET | (realtime ? F_REALTIME : 0), 1, &ts, NULL, ~0U),
			  EAGAIN);
	}
	/* As a monotonic time, now in CLOCK_REALTIME is far away; the wake comes first. */
	say("timeouts: ok\n");
}

static void wake_before_timeout(word_t *w)
{
	struct timespec ts = in_ms(CLOCK_REALTIME, 60000);
	pid_t pid = fork_ok();

	if (!pid) {
		CHECK_EQ(futex(w, F_WAIT_BITSET | F_REALTIME, 0, &ts, NULL, 6), 0);
		_exit(0);
	}
	await_waiters(w, 1);
	CHECK_EQ(futex(w, F_WAKE_BITSET, 1, NULL, NULL, 1), 0);
	CHECK_EQ(futex(w, F_WAKE_BITSET, 1, NULL, NULL, 2), 1);
	reap_ok(pid);
	say("woken before the timeout\n");
}

/* A child in a wait gets a signal, then maybe a wake. */
static void signalled(word_t *w, const char *what, int flags, const struct timespec *timeout,
		      bool wakes)
{
	int got[2];
	pid_t pid;

	make_pipe(got);
	pid = fork_ok();
	if (!pid) {
		long r;

		handle(SIGUSR1, flags);
		r = futex(w, F_WAIT, 0, timeout, NULL, 0);
		say("%s: %s, %d signals\n", what,
		    r == 0               ? "woken"
		    : errno == EINTR     ? "EINTR"
		    : errno == ETIMEDOUT ? "ETIMEDOUT"
					 : "?",
		    (int)hits);
		_exit(0);
	}
	await_waiters(w, 1);
	CHECK_EQ(kill(pid, SIGUSR1), 0);
	if (wakes) {
		while (futex(w, F_WAKE, 1, NULL, NULL, 0) == 0)
			sleep_ms(1);
	}
	CHECK_EQ(reap(pid), 0);
	close(got[0]);
	close(got[1]);
}

/* Stop and continue is no signal to a handler: the wait goes on to its own end. */
static void stopped(word_t *w)
{
	struct timespec ts = {0, 150000000};
	long long before;
	int status;
	pid_t pid = fork_ok();

	if (!pid) {
		before = now_ns(CLOCK_MONOTONIC);
		CHECK_ERR(futex(w, F_WAIT, 0, &ts, NULL, 0), ETIMEDOUT);
		before = now_ns(CLOCK_MONOTONIC) - before;
		CHECK(before >= 150000000);
		/* Not 150 ms anew after each stop. */
		CHECK(before < 5000000000LL);
		_exit(0);
	}
	await_asleep_or_ended(pid);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(kill(pid, SIGSTOP), 0);
		CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
		if (!WIFSTOPPED(status))
			break;
		CHECK_EQ(kill(pid, SIGCONT), 0);
	}
	CHECK_EQ(WIFSTOPPED(status) ? reap(pid) : status, 0);
	/* Without a timeout it begins again, and can be woken. */
	pid = fork_ok();
	if (!pid) {
		CHECK_EQ(futex(w, F_WAIT, 0, NULL, NULL, 0), 0);
		_exit(0);
	}
	await_waiters(w, 1);
	CHECK_EQ(kill(pid, SIGSTOP), 0);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK_EQ(kill(pid, SIGCONT), 0);
	while (futex(w, F_WAKE, 1, NULL, NULL, 0) == 0)
		sleep_ms(1);
	reap_ok(pid);
	say("stopped and continued: ok\n");
}

int main(void)
{
	word_t *w = shared_pages(1);
	struct timespec minute = {60, 0};

	times(w);
	wake_before_timeout(w);
	signalled(w, "no SA_RESTART", 0, NULL, false);
	signalled(w, "SA_RESTART", SA_RESTART, NULL, true);
	signalled(w, "timeout", 0, &minute, false);
	/* A wait with a timeout is not restarted after a handler. */
	signalled(w, "timeout, SA_RESTART", SA_RESTART, &minute, false);
	stopped(w);
	return 0;
}
