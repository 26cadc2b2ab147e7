// timer_create and its family: expiry once and again, what is left, absolute times, the value and
// the code in siginfo, SIGEV_NONE, and what is refused.
#include "check.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static volatile sig_atomic_t hits;
static siginfo_t last;

static void handler(int sig, siginfo_t *info, void *ctx)
{
	(void)sig;
	(void)ctx;
	last = *info;
	hits++;
}

/* The kernel's own calls: the C library keeps numbers of its own. */
static int tcreate(clockid_t clock, struct sigevent *ev, int *id)
{
	return (int)syscall(SYS_timer_create, clock, ev, id);
}

static int tset(int id, int flags, long long value, long long interval, struct itimerspec *old)
{
	struct itimerspec it = {{interval / 1000000000, interval % 1000000000},
				{value / 1000000000, value % 1000000000}};

	return (int)syscall(SYS_timer_settime, id, flags, &it, old);
}

static struct itimerspec tget(int id)
{
	struct itimerspec it;

	CHECK_EQ(syscall(SYS_timer_gettime, id, &it), 0);
	return it;
}

static void wait_hits(int n)
{
	sigset_t block, none;

	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	sigaddset(&block, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &block, NULL);
	while (hits < n)
		sigsuspend(&none);
	sigprocmask(SIG_UNBLOCK, &block, NULL);
}

static void clocks(void)
{
	static const clockid_t ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI};
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
	int id;

	ev.sigev_value.sival_ptr = (void *)0x1234567890abUL;
	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct timespec now;
		long long start = now_ns(CLOCK_MONOTONIC);

		hits = 0;
		CHECK_EQ(tcreate(ids[i], &ev, &id), 0);
		CHECK_EQ(tset(id, 0, 3000000, 0, NULL), 0);
		wait_hits(1);
		CHECK(now_ns(CLOCK_MONOTONIC) - start >= 3000000);
		CHECK_EQ(last.si_signo, SIGRTMIN);
		CHECK_EQ(last.si_code, SI_TIMER);
		CHECK_EQ(last.si_timerid, id);
		CHECK_EQ(last.si_overrun, 0);
		CHECK(last.si_value.sival_ptr == ev.sigev_value.sival_ptr);
		CHECK(tget(id).it_value.tv_sec == 0 && tget(id).it_value.tv_nsec == 0);
		clock_gettime(ids[i], &now);
		CHECK_EQ(tset(id, TIMER_ABSTIME, now.tv_sec * 1000000000LL + now.tv_nsec + 2000000,
			      0, NULL),
			 0);
		wait_hits(2);
		/* in the past: at once */
		CHECK_EQ(tset(id, TIMER_ABSTIME, 1, 0, NULL), 0);
		wait_hits(3);
		CHECK_EQ(syscall(SYS_timer_delete, id), 0);
		CHECK_ERR(syscall(SYS_timer_delete, id), EINVAL);
	}
	say("clocks ok\n");
}

static void periods(void)
{
	struct itimerspec old;
	int id;

	hits = 0;
	CHECK_EQ(tcreate(CLOCK_MONOTONIC, NULL, &id), 0);
	CHECK_EQ(tset(id, 0, 2000000, 2000000, NULL), 0);
	wait_hits(5);
	CHECK_EQ(last.si_signo, SIGALRM);
	CHECK_EQ(last.si_value.sival_int, id);
	/* while computing, too */
	hits = 0;
	while (hits < 3)
		;
	CHECK_EQ(tset(id, 0, 0, 5000000, &old), 0);
	CHECK_EQ(old.it_interval.tv_nsec, 2000000);
	CHECK(old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 2000000);
	old = tget(id);
	CHECK(!old.it_value.tv_nsec && !old.it_interval.tv_nsec);
	hits = 0;
	sleep_ms(10);
	CHECK_EQ(hits, 0);
	CHECK_EQ(tset(id, 0, 100LL * 1000000000, 7, NULL), 0);
	old = tget(id);
	CHECK(old.it_value.tv_sec >= 90 && old.it_value.tv_sec < 100 &&
	      old.it_interval.tv_nsec == 7);
	CHECK_EQ(syscall(SYS_timer_delete, id), 0);
	say("periods ok\n");
}

static void silent(void)
{
	struct sigevent ev = {.sigev_notify = SIGEV_NONE};
	struct itimerspec it;
	int id;

	CHECK_EQ(tcreate(CLOCK_MONOTONIC, &ev, &id), 0);
	CHECK_EQ(tset(id, 0, 1000000, 0, NULL), 0);
	sleep_ms(3);
	it = tget(id);
	CHECK(!it.it_value.tv_sec && !it.it_value.tv_nsec);
	CHECK_EQ(tset(id, 0, 1000000, 50000000, NULL), 0);
	sleep_ms(3);
	it = tget(id);
	CHECK(it.it_value.tv_nsec > 0 && it.it_value.tv_nsec <= 50000000);
	CHECK_EQ(syscall(SYS_timer_delete, id), 0);
	say("silent ok\n");
}

static void refused(void)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 65};
	struct itimerspec it = {{0, 0}, {0, 1000000000}};
	int id;

	CHECK_ERR(tcreate(99, NULL, &id), EINVAL);
	CHECK_ERR(tcreate(CLOCK_MONOTONIC_RAW, NULL, &id), EOPNOTSUPP);
	CHECK_ERR(tcreate(CLOCK_MONOTONIC_COARSE, NULL, &id), EOPNOTSUPP);
	CHECK_ERR(tcreate(CLOCK_MONOTONIC, &ev, &id), EINVAL);
	ev.sigev_signo = 0;
	CHECK_ERR(tcreate(CLOCK_MONOTONIC, &ev, &id), EINVAL);
	ev.sigev_signo = SIGUSR1;
	ev.sigev_notify = 77;
	CHECK_ERR(tcreate(CLOCK_MONOTONIC, &ev, &id), EINVAL);
	ev.sigev_notify = SIGEV_THREAD_ID;
	ev.sigev_notify_thread_id = 1 << 30;
	CHECK_ERR(tcreate(CLOCK_MONOTONIC, &ev, &id), EINVAL);
	CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, 8, &id), EFAULT);
	CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, 8), EFAULT);
	CHECK_EQ(tcreate(CLOCK_MONOTONIC, NULL, &id), 0);
	CHECK_ERR(syscall(SYS_timer_settime, id, 0, NULL, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_timer_settime, id, 0, 8, NULL), EFAULT);
	CHECK_ERR(syscall(SYS_timer_settime, id, 0, &it, NULL), EINVAL);
	it.it_value.tv_nsec = -1;
	CHECK_ERR(syscall(SYS_timer_settime, id, 0, &it, NULL), EINVAL);
	it.it_value.tv_nsec = 0;
	it.it_value.tv_sec = -1;
	CHECK_ERR(syscall(SYS_timer_settime, id, 0, &it, NULL), EINVAL);
	it.it_value.tv_sec = INT64_MAX;
	it.it_interval.tv_sec = INT64_MAX;
	CHECK_EQ(syscall(SYS_timer_settime, id, 0, &it, NULL), 0);
	CHECK_EQ(syscall(SYS_timer_settime, id, TIMER_ABSTIME, &it, NULL), 0);
	CHECK_ERR(syscall(SYS_timer_gettime, id, 8), EFAULT);
	CHECK_ERR(syscall(SYS_timer_gettime, id + 1000, &it), EINVAL);
	CHECK_ERR(syscall(SYS_timer_settime, id + 1000, 0, &it, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_timer_getoverrun, id + 1000), EINVAL);
	CHECK_EQ(syscall(SYS_timer_getoverrun, id), 0);
	CHECK_EQ(syscall(SYS_timer_delete, id), 0);
	say("refused ok\n");
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
	CHECK_EQ(sigaction(SIGRTMIN, &sa, NULL), 0);
	clocks();
	periods();
	silent();
	refused();
	return 0;
}
