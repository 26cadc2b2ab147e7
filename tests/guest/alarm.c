// alarm, setitimer and getitimer: SIGALRM comes once or again and again, the rest is told, a fork
// does not inherit it, an exec does, and without a handler it kills.
#include "check.h"
#include <sys/time.h>

static volatile int hits;

static void handler(int sig)
{
	CHECK_EQ(sig, SIGALRM);
	hits++;
}

static void sleeper(void *arg)
{
	(void)arg;
	signal(SIGALRM, SIG_DFL);
	alarm(1);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	struct itimerval it = {{0, 5000}, {0, 5000}}, old;
	long long start = now_ns(CLOCK_MONOTONIC);
	unsigned left;
	pid_t pid;

	(void)argv;
	if (argc > 1) {
		CHECK_EQ(getitimer(ITIMER_REAL, &old), 0);
		say("after exec: %s\n", old.it_value.tv_sec >= 90 ? "kept" : "lost");
		return 0;
	}
	signal(SIGALRM, handler);
	CHECK_EQ(alarm(100), 0);
	left = alarm(0);
	CHECK(left > 90 && left <= 100);
	CHECK_EQ(alarm(0), 0);
	CHECK_EQ(setitimer(ITIMER_REAL, &it, NULL), 0);
	while (hits < 3)
		pause();
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= 15000000);
	/* while computing, too */
	hits = 0;
	while (hits < 3)
		;
	CHECK_EQ(getitimer(ITIMER_REAL, &old), 0);
	CHECK(old.it_interval.tv_usec == 5000 && old.it_value.tv_usec <= 5000);
	it = (struct itimerval){{0, 0}, {0, 0}};
	CHECK_EQ(setitimer(ITIMER_REAL, &it, &old), 0);
	CHECK_EQ(old.it_interval.tv_usec, 5000);
	hits = 0;
	sleep_ms(15);
	CHECK_EQ(hits, 0);
	it.it_value.tv_usec = 2000000;
	CHECK_ERR(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
	CHECK_ERR(getitimer((__itimer_which_t)9, &old), EINVAL);
	CHECK_ERR(syscall(SYS_setitimer, ITIMER_REAL, 8, NULL), EFAULT);

	alarm(100);
	pid = fork_ok();
	if (pid == 0) {
		CHECK_EQ(alarm(0), 0);
		alarm(100);
		execl("/proc/self/exe", "x", "second", (char *)NULL);
		_exit(1);
	}
	reap_ok(pid);
	CHECK(alarm(0) > 90);
	say("unhandled: %s\n", status_text(run_child(sleeper, NULL)));
	return 0;
}
