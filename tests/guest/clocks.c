// Every clock: readable, has a resolution, moves forward; CPU clocks count this process's work
// and not its sleep; unknown ones are refused; times() and getrusage agree with them.
#include "check.h"
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>

static void burn(int ms)
{
	long long end = now_ns(CLOCK_PROCESS_CPUTIME_ID) + ms * 1000000LL;

	while (now_ns(CLOCK_PROCESS_CPUTIME_ID) < end)
		;
}

int main(void)
{
	const clockid_t clocks[] = {
		CLOCK_REALTIME,          CLOCK_MONOTONIC,     CLOCK_PROCESS_CPUTIME_ID,
		CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
		CLOCK_MONOTONIC_COARSE,  CLOCK_BOOTTIME,      CLOCK_TAI};
	struct timespec ts;
	struct rusage usage;
	struct timeval tv;
	struct tms tms;
	long long before, cpu;
	clock_t ticks;
	time_t now;
	pid_t pid;

	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		CHECK_EQ(clock_getres(clocks[i], &ts), 0);
		CHECK(ts.tv_sec == 0 && ts.tv_nsec > 0 && ts.tv_nsec <= 10000000);
		CHECK_EQ(syscall(SYS_clock_gettime, clocks[i], &ts), 0);
		CHECK(ts.tv_sec >= 0 && ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
		CHECK(now_ns(clocks[i]) + 20000000 >= ts.tv_sec * 1000000000LL + ts.tv_nsec);
	}
	CHECK_ERR(clock_gettime(77, &ts), EINVAL);
	CHECK_ERR(clock_getres(77, &ts), EINVAL);
	CHECK_EQ(syscall(SYS_clock_getres, CLOCK_MONOTONIC, NULL), 0);
	CHECK_ERR(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, 8), EFAULT);

	/* wall clocks agree with each other */
	before = now_ns(CLOCK_REALTIME);
	CHECK_EQ(gettimeofday(&tv, NULL), 0);
	CHECK(tv.tv_sec * 1000000LL + tv.tv_usec >= before / 1000);
	before = now_ns(CLOCK_REALTIME);
	CHECK(tv.tv_sec * 1000000LL + tv.tv_usec <= before / 1000);
	now = time(NULL);
	CHECK(now >= before / 1000000000 - 1); /* as of the last tick */
	CHECK(now <= now_ns(CLOCK_REALTIME) / 1000000000);
	CHECK(now_ns(CLOCK_REALTIME) > 1600000000LL * 1000000000);

	/* sleeping costs no CPU time, working does */
	before = now_ns(CLOCK_MONOTONIC);
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	sleep_ms(50);
	CHECK(now_ns(CLOCK_MONOTONIC) - before >= 50000000);
	CHECK(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu < 40000000);
	burn(200);
	CHECK(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu >= 200000000);
	CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
	CHECK(usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec +
		      usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec >=
	      20000);
	CHECK(usage.ru_maxrss > 0);
	ticks = times(&tms);
	CHECK(ticks != (clock_t)-1 && tms.tms_utime + tms.tms_stime >= 2);

	/* children's time is added when they are waited for */
	CHECK_EQ(getrusage(RUSAGE_CHILDREN, &usage), 0);
	CHECK(usage.ru_utime.tv_sec == 0 && usage.ru_utime.tv_usec == 0);
	pid = fork_ok();
	if (pid == 0) {
		CHECK(now_ns(CLOCK_PROCESS_CPUTIME_ID) < 150000000); /* not the parent's 200 ms */
		burn(30);
		_exit(0);
	}
	reap_ok(pid);
	CHECK_EQ(getrusage(RUSAGE_CHILDREN, &usage), 0);
	CHECK(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec + usage.ru_utime.tv_sec * 1000000 >=
	      20000);
	times(&tms);
	CHECK(tms.tms_cutime + tms.tms_cstime >= 2);
	CHECK_ERR(getrusage(77, &usage), EINVAL);
	say("ok\n");
	return 0;
}
