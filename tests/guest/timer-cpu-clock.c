// cflags: -pthread
// Timers on clocks of CPU time: of the process, of a thread, by id and by number; they run while
// that computes. clock_nanosleep on another's. And what clocks have no timers.
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <time.h>

static volatile sig_atomic_t fired;
static volatile int stop;
static volatile pid_t worker_tid;

static void handler(int sig)
{
	(void)sig;
	fired++;
}

static long create(clockid_t clock, int *id)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};

	return syscall(SYS_timer_create, clock, &ev, id);
}

static void set(int id, int flags, int64_t ns, int64_t interval)
{
	struct itimerspec its = {{interval / 1000000000, interval % 1000000000},
				 {ns / 1000000000, ns % 1000000000}};

	CHECK_EQ(syscall(SYS_timer_settime, id, flags, &its, NULL), 0);
}

static int64_t left(int id)
{
	struct itimerspec its;

	CHECK_EQ(syscall(SYS_timer_gettime, id, &its), 0);
	return its.it_value.tv_sec * 1000000000LL + its.it_value.tv_nsec;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	CHECK_EQ(syscall(SYS_clock_gettime, clock, &ts), 0);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void compute(int64_t ns)
{
	int64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ns;

	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end)
		for (volatile int i = 0; i < 10000; i++)
			;
}

static void *work(void *arg)
{
	worker_tid = (pid_t)syscall(SYS_gettid);
	while (!stop)
		compute(1000000);
	return arg;
}

static clockid_t clock_id(pid_t pid, int thread)
{
	return (clockid_t)((~(unsigned)pid << 3) | 2U | (thread ? 4U : 0U));
}

static void own(const char *what, clockid_t clock)
{
	int64_t before = clock_ns(clock);
	int id;

	fired = 0;
	CHECK_EQ(create(clock, &id), 0);
	CHECK_EQ(left(id), 0);
	set(id, 0, 30000000, 0);
	/* Asleep no time passes. */
	sleep_ms(100);
	CHECK_EQ(fired, 0);
	CHECK(left(id) > 10000000);
	while (!fired)
		compute(1000000);
	CHECK(clock_ns(clock) - before >= 30000000);
	CHECK_EQ(left(id), 0);
	/* Absolute, in the past: at once. */
	fired = 0;
	set(id, TIMER_ABSTIME, 1, 0);
	while (!fired)
		compute(1000000);
	/* Again and again. */
	fired = 0;
	set(id, 0, 10000000, 10000000);
	while (fired < 4)
		compute(1000000);
	set(id, 0, 0, 0);
	CHECK_EQ(syscall(SYS_timer_delete, id), 0);
	say("%s ok\n", what);
}

static void of_a_thread(void)
{
	struct timespec ts = {0, 30000000}, past = {0, 1};
	int64_t before, mine;
	pthread_t t;
	int id;

	CHECK_EQ(pthread_create(&t, NULL, work, NULL), 0);
	while (!worker_tid)
		sched_yield();
	fired = 0;
	CHECK_EQ(create(clock_id(worker_tid, 1), &id), 0);
	set(id, 0, 50000000, 0);
	mine = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	while (!fired)
		sleep_ms(5);
	CHECK(clock_ns(clock_id(worker_tid, 1)) >= 50000000);
	/* That was not this thread's time, which it slept away. */
	CHECK(clock_ns(CLOCK_THREAD_CPUTIME_ID) - mine < clock_ns(clock_id(worker_tid, 1)));
	before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	CHECK_EQ(syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, &ts, NULL), 0);
	CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before >= 30000000);
	before = clock_ns(clock_id(worker_tid, 1));
	CHECK_EQ(syscall(SYS_clock_nanosleep, clock_id(worker_tid, 1), 0, &ts, NULL), 0);
	CHECK(clock_ns(clock_id(worker_tid, 1)) - before >= 30000000);
	CHECK_EQ(syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &past, NULL),
		 0);
	stop = 1;
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK_EQ(syscall(SYS_timer_delete, id), 0);
	say("a thread's ok\n");
}

static void errors(void)
{
	struct timespec ts = {0, 1}, bad = {0, -1};
	int id;

	CHECK_ERR(create(clock_id(999999, 0), &id), EINVAL);
	CHECK_ERR(create(clock_id(999999, 1), &id), EINVAL);
	CHECK_ERR(create(clock_id(getppid() ? getppid() : 999999, 1), &id), EINVAL);
	CHECK_ERR(create((clockid_t)((~3U << 3) | 3), &id), EOPNOTSUPP);
	CHECK_ERR(create((clockid_t)((~0U << 3) | 7), &id), EINVAL);
	CHECK_ERR(create(CLOCK_MONOTONIC_RAW, &id), EOPNOTSUPP);
	CHECK_ERR(create(99, &id), EINVAL);
	CHECK_ERR(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL), EOPNOTSUPP);
	CHECK_ERR(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, NULL, NULL), EOPNOTSUPP);
	CHECK_ERR(syscall(SYS_clock_nanosleep, clock_id(0, 1), 0, &ts, NULL), EINVAL);
	CHECK_ERR(
		syscall(SYS_clock_nanosleep, clock_id((pid_t)syscall(SYS_gettid), 1), 0, &ts, NULL),
		EINVAL);
	CHECK_ERR(syscall(SYS_clock_nanosleep, clock_id(999999, 0), 0, &ts, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, &bad, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, NULL, NULL), EFAULT);
	say("errors ok\n");
}

int main(void)
{
	signal(SIGUSR1, handler);
	own("the process's", CLOCK_PROCESS_CPUTIME_ID);
	own("the thread's", CLOCK_THREAD_CPUTIME_ID);
	own("the process's, by id", clock_id(getpid(), 0));
	own("the thread's, by id 0", clock_id(0, 1));
	of_a_thread();
	errors();
	return 0;
}
