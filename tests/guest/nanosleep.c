// nanosleep and clock_nanosleep: never short, relative and absolute, the rest after a signal,
// bad times; sleepers of different length all wake.
#include "check.h"

static void handler(int sig)
{
	(void)sig;
}

static void nap(void *arg)
{
	int *a = arg;
	long long start = now_ns(CLOCK_MONOTONIC);

	sleep_ms(a[1] * 10);
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= a[1] * 10000000LL);
	send_byte(a[0]);
}

int main(void)
{
	const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
	struct timespec ts, left;
	long long start;
	int fd[2], status;
	pid_t pid, self = getpid(), nappers[5];

	for (size_t i = 0; i < 3; i++) {
		ts = (struct timespec){0, 7000000};
		start = now_ns(clocks[i]);
		CHECK_EQ(clock_nanosleep(clocks[i], 0, &ts, NULL), 0);
		CHECK(now_ns(clocks[i]) - start >= 7000000);
		CHECK_EQ(clock_gettime(clocks[i], &ts), 0);
		ts.tv_nsec += 10000000;
		if (ts.tv_nsec >= 1000000000) {
			ts.tv_nsec -= 1000000000;
			ts.tv_sec++;
		}
		CHECK_EQ(clock_nanosleep(clocks[i], TIMER_ABSTIME, &ts, NULL), 0);
		CHECK(now_ns(clocks[i]) >= ts.tv_sec * 1000000000LL + ts.tv_nsec);
		/* past: at once */
		ts.tv_sec -= 5;
		CHECK_EQ(clock_nanosleep(clocks[i], TIMER_ABSTIME, &ts, NULL), 0);
	}
	ts = (struct timespec){0, 0};
	CHECK_EQ(nanosleep(&ts, NULL), 0);
	ts.tv_nsec = 1000000000;
	CHECK_ERR(nanosleep(&ts, NULL), EINVAL);
	ts.tv_nsec = -1;
	CHECK_ERR(nanosleep(&ts, NULL), EINVAL);
	ts = (struct timespec){-1, 0};
	CHECK_ERR(nanosleep(&ts, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_nanosleep, 8, NULL), EFAULT);
	ts = (struct timespec){0, 1};
	CHECK_EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL), EINVAL);
	CHECK_EQ(clock_nanosleep(77, 0, &ts, NULL), EINVAL);

	/* interrupted: the rest is told; absolute: it is not */
	signal(SIGUSR1, handler);
	pid = fork_ok();
	if (pid == 0) {
		/* Until it is killed. */
		while (kill(self, SIGUSR1) == 0)
			sleep_ms(20);
		_exit(0);
	}
	ts = (struct timespec){100, 0};
	left = (struct timespec){0, 0};
	CHECK_ERR(nanosleep(&ts, &left), EINTR);
	/* the timer's slack may make it a little more than was asked for */
	CHECK(left.tv_sec >= 95 && left.tv_sec <= 100 && left.tv_nsec < 1000000000);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += 100;
	left = (struct timespec){5, 5};
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, &left), EINTR);
	CHECK(left.tv_sec == 5 && left.tv_nsec == 5);
	kill(pid, SIGKILL);
	reap(pid);
	/* stopped and continued: sleeps on to its end */
	pid = fork_ok();
	if (pid == 0) {
		start = now_ns(CLOCK_MONOTONIC);
		ts = (struct timespec){0, 60000000};
		CHECK_EQ(nanosleep(&ts, NULL), 0);
		CHECK(now_ns(CLOCK_MONOTONIC) - start >= 60000000);
		_exit(0);
	}
	await_asleep_or_ended(pid);
	kill(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	if (WIFSTOPPED(status)) {
		kill(pid, SIGCONT);
		reap_ok(pid);
	} else {
		CHECK_EQ(status, 0);
	}

	make_pipe(fd);
	for (int i = 5; i >= 1; i--)
		nappers[i - 1] = spawn(nap, (int[]){fd[1], i});
	for (int i = 0; i < 5; i++)
		wait_byte(fd[0]);
	for (int i = 0; i < 5; i++)
		reap_ok(nappers[i]);
	say("all woke\n");
	return 0;
}
