/* System calls that move nothing. */
#define _GNU_SOURCE
#include "op.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long getppid_op(long count, const char *arg)
{
	long long start = now();

	(void)arg;
	for (long i = 0; i < count; i++)
		syscall(SYS_getppid);
	return now() - start;
}

static long long read_zero(long count, const char *arg)
{
	int fd = open("/dev/zero", O_RDONLY);
	long long start;
	char c;

	(void)arg;
	must(fd >= 0, "/dev/zero");
	start = now();
	for (long i = 0; i < count; i++)
		must(read(fd, &c, 1) == 1, "read");
	return now() - start;
}

static long long write_null(long count, const char *arg)
{
	int fd = open("/dev/null", O_WRONLY);
	long long start;

	(void)arg;
	must(fd >= 0, "/dev/null");
	start = now();
	for (long i = 0; i < count; i++)
		must(write(fd, "x", 1) == 1, "write");
	return now() - start;
}

/* From the first call on: nothing warms up. */
static long long clock_vdso(long count, const char *arg)
{
	long long start = now();
	struct timespec ts;

	(void)arg;
	for (long i = 0; i < count; i++)
		clock_gettime(CLOCK_MONOTONIC, &ts);
	return now() - start;
}

static long long clock_call(long count, const char *arg)
{
	long long start = now();
	struct timespec ts;

	(void)arg;
	for (long i = 0; i < count; i++)
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return now() - start;
}

/* open, read of 4 KiB, close of a file that is in memory. */
static long long open_read_close(long count, const char *arg)
{
	char name[] = "/tmp/vmbox-bench.XXXXXX", page[4096] = "x";
	int fd = mkstemp(name);
	long long start, time;

	(void)arg;
	must(fd >= 0 && write(fd, page, sizeof(page)) == sizeof(page), name);
	close(fd);
	start = now();
	for (long i = 0; i < count; i++) {
		fd = open(name, O_RDONLY);
		must(fd >= 0 && read(fd, page, sizeof(page)) == sizeof(page), name);
		close(fd);
	}
	time = now() - start;
	unlink(name);
	return time;
}

static void on_signal(int sig)
{
	(void)sig;
}

static long long signal_self(long count, const char *arg)
{
	struct sigaction sa = {.sa_handler = on_signal};
	pid_t self = getpid();
	long long start;

	(void)arg;
	must(sigaction(SIGUSR1, &sa, NULL) == 0, "sigaction");
	start = now();
	for (long i = 0; i < count; i++)
		kill(self, SIGUSR1);
	return now() - start;
}

const struct op ops_calls[] = {
	{"getppid", getppid_op},    {"read-zero", read_zero},
	{"write-null", write_null}, {"clock-vdso", clock_vdso},
	{"clock-call", clock_call}, {"open-read-close", open_read_close},
	{"signal", signal_self},    {0},
};
