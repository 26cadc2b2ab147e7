// Timers of another process's CPU clock: they expire by what that one computes, not by time.
#include "check.h"

static timer_t timer;
static clockid_t clock_of;

static void compute(void *arg)
{
	volatile unsigned long n = 0;

	(void)arg;
	for (;;)
		n++;
}

static void set(long ms, long period_ms, int flags)
{
	struct itimerspec its = {{period_ms / 1000, period_ms % 1000 * 1000000},
				 {ms / 1000, ms % 1000 * 1000000}};

	CHECK_EQ(timer_settime(timer, flags, &its, NULL), 0);
}

static void await(const sigset_t *set_of)
{
	siginfo_t si;

	CHECK_EQ(sigwaitinfo(set_of, &si), SIGUSR1);
	CHECK_EQ(si.si_code, SI_TIMER);
	CHECK_EQ(si.si_value.sival_int, 77);
}

int main(void)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec its;
	siginfo_t si;
	sigset_t usr1;
	long long before, at;
	int hold[2];
	pid_t busy, idle;
	timer_t other;

	ev.sigev_value.sival_int = 77;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &usr1, NULL), 0);
	busy = spawn(compute, NULL);
	CHECK_EQ(clock_getcpuclockid(busy, &clock_of), 0);
	CHECK_EQ(timer_create(clock_of, &ev, &timer), 0);
	CHECK_EQ(timer_gettime(timer, &its), 0);
	CHECK_EQ(its.it_value.tv_sec + its.it_value.tv_nsec, 0);

	/* relative */
	before = now_ns(clock_of);
	set(50, 0, 0);
	CHECK_EQ(timer_gettime(timer, &its), 0);
	CHECK(its.it_value.tv_sec == 0 && its.it_value.tv_nsec <= 50000000);
	await(&usr1);
	CHECK(now_ns(clock_of) - before >= 50000000);
	say("relative\n");

	/* absolute, and past */
	at = (now_ns(clock_of) + 40000000) / 1000000;
	set(at, 0, TIMER_ABSTIME);
	await(&usr1);
	CHECK(now_ns(clock_of) >= at * 1000000);
	set(1, 0, TIMER_ABSTIME);
	await(&usr1);
	say("absolute\n");

	/* again and again */
	before = now_ns(clock_of);
	set(20, 20, 0);
	for (int i = 0; i < 3; i++)
		await(&usr1);
	CHECK(now_ns(clock_of) - before >= 60000000);
	set(0, 0, 0);
	while (sigtimedwait(&usr1, NULL, &(struct timespec){0, 0}) == SIGUSR1)
		continue;
	say("periodic\n");

	/* one that only waits uses next to nothing */
	make_pipe(hold);
	idle = fork_ok();
	if (idle == 0) {
		wait_byte(hold[0]);
		_exit(0);
	}
	await_asleep(idle);
	CHECK_EQ(clock_getcpuclockid(idle, &clock_of), 0);
	CHECK_EQ(timer_create(clock_of, &ev, &other), 0);
	its = (struct itimerspec){{0, 0}, {30, 0}};
	CHECK_EQ(timer_settime(other, 0, &its, NULL), 0);
	set(30, 0, 0);
	await(&usr1);
	CHECK_EQ(timer_gettime(other, &its), 0);
	CHECK(its.it_value.tv_sec >= 29);
	send_byte(hold[1]);
	reap_ok(idle);
	say("idle\n");

	/* a process that has ended but is waited for still has its clock; then it is gone */
	set(100000, 100000, 0);
	CHECK_EQ(kill(busy, SIGKILL), 0);
	CHECK_EQ(waitid(P_PID, (id_t)busy, &si, WEXITED | WNOWAIT), 0);
	CHECK_EQ(reap(busy), SIGKILL);
	CHECK_EQ(timer_gettime(timer, &its), 0);
	CHECK_EQ(its.it_value.tv_sec + its.it_value.tv_nsec, 0);
	CHECK_ERR(timer_settime(timer, 0, &its, NULL), ESRCH);
	CHECK_EQ(timer_getoverrun(timer), 0);
	CHECK_EQ(timer_delete(timer), 0);
	CHECK_EQ(timer_delete(other), 0);
	CHECK_ERR(timer_create(clock_of, &ev, &other), EINVAL);
	CHECK_EQ(sigpending(&usr1), 0);
	CHECK_EQ(sigismember(&usr1, SIGUSR1), 0);
	say("gone\n");
	return 0;
}
