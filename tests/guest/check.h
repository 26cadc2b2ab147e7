/*
 * What every guest test shares.
 *
 * A guest test is an ordinary Linux program. It runs natively first and then in vmbox; its
 * stdout and its exit status must agree. So it prints nothing that differs between two good
 * runs (no pids, addresses or times) and CHECKs those itself. A failed CHECK says where on
 * stderr and ends the process that made it with status CHECK_STATUS.
 *
 * say() writes at once: stdio buffers would be written twice after a fork.
 */
#ifndef TESTS_GUEST_CHECK_H
#define TESTS_GUEST_CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK_STATUS 99
#define HELPER       static inline __attribute__((unused))

#define say(...) ((void)dprintf(1, __VA_ARGS__))

HELPER __attribute__((noreturn)) void check_fail(const char *file, int line, const char *what)
{
	int err = errno;

	dprintf(2, "%s:%d: CHECK failed: %s (errno %d: %s)\n", file, line, what, err,
		strerror(err));
	_exit(CHECK_STATUS);
}

HELPER __attribute__((noreturn)) void check_fail_eq(const char *file, int line, const char *what,
						    long long got, long long want)
{
	int err = errno;

	dprintf(2, "%s:%d: CHECK failed: %s: got %lld (0x%llx), want %lld (0x%llx), errno %d\n",
		file, line, what, got, (unsigned long long)got, want, (unsigned long long)want,
		err);
	_exit(CHECK_STATUS);
}

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			check_fail(__FILE__, __LINE__, #cond);                                     \
	} while (0)

#define CHECK_EQ(got, want)                                                                        \
	do {                                                                                       \
		long long check_got = (long long)(got), check_want = (long long)(want);            \
		if (check_got != check_want)                                                       \
			check_fail_eq(__FILE__, __LINE__, #got " == " #want, check_got,            \
				      check_want);                                                 \
	} while (0)

/* The call must fail with this errno. */
#define CHECK_ERR(expr, err)                                                                       \
	do {                                                                                       \
		long long check_ret;                                                               \
		errno = 0;                                                                         \
		check_ret = (long long)(expr);                                                     \
		if (check_ret != -1)                                                               \
			check_fail_eq(__FILE__, __LINE__, #expr " fails", check_ret, -1);          \
		if (errno != (err))                                                                \
			check_fail_eq(__FILE__, __LINE__, "errno of " #expr, errno, (err));        \
	} while (0)

/* A pipe, a fork, memory: things that simply must work. */
HELPER void make_pipe(int fd[2])
{
	CHECK_EQ(pipe(fd), 0);
}

HELPER pid_t fork_ok(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	return pid;
}

/* Waits for one child; returns the raw status without the core-dump bit, which the host's
 * limits decide. */
HELPER int reap(pid_t pid)
{
	int status = 0;
	pid_t got;

	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	CHECK_EQ(got, pid);
	return status & ~0x80;
}

HELPER void reap_ok(pid_t pid)
{
	CHECK_EQ(reap(pid), 0);
}

/* Runs fn(arg) in a child that ends with status 0 if fn returns. */
HELPER pid_t spawn(void (*fn)(void *), void *arg)
{
	pid_t pid = fork_ok();

	if (pid == 0) {
		fn(arg);
		_exit(0);
	}
	return pid;
}

HELPER int run_child(void (*fn)(void *), void *arg)
{
	return reap(spawn(fn, arg));
}

/* "exit 3" or "signal 11", in a static buffer. */
HELPER const char *status_text(int status)
{
	static char text[32];

	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "signal %d", WTERMSIG(status));
	else if (WIFSTOPPED(status))
		snprintf(text, sizeof(text), "stopped %d", WSTOPSIG(status));
	else
		snprintf(text, sizeof(text), "exit %d", WEXITSTATUS(status));
	return text;
}

/* One byte over a pipe: how tests order two processes, never by sleeping. */
HELPER void send_byte(int fd)
{
	CHECK_EQ(write(fd, "x", 1), 1);
}

HELPER void wait_byte(int fd)
{
	char c;
	ssize_t n;

	do
		n = read(fd, &c, 1);
	while (n < 0 && errno == EINTR);
	CHECK_EQ(n, 1);
}

HELPER long long now_ns(clockid_t clock)
{
	struct timespec ts;

	CHECK_EQ(clock_gettime(clock, &ts), 0);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

HELPER void sleep_ms(int ms)
{
	struct timespec ts = {ms / 1000, (ms % 1000) * 1000000L};

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

HELPER char state_in(const char *path)
{
	char line[256] = "", *p;
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0);
	CHECK(read(fd, line, sizeof(line) - 1) > 0);
	close(fd);
	p = strrchr(line, ')');
	CHECK(p != NULL);
	return p[2];
}

/* The letter of a process's state in /proc: 'S' asleep, 'T' stopped, 'Z' ended, ... */
HELPER char state_of(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return state_in(path);
}

/* Until a process whose first sleep is the one that is meant has got there. */
HELPER void await_asleep(pid_t pid)
{
	while (state_of(pid) != 'S')
		sleep_ms(1);
}

/* The same for one that may have ended: its sleep is a short one. */
HELPER void await_asleep_or_ended(pid_t pid)
{
	char state;

	while ((state = state_of(pid)) != 'S' && state != 'Z')
		sleep_ms(1);
}

/* The same for a thread of this process, by its id. */
HELPER void await_thread_asleep(pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	while (state_in(path) != 'S')
		sleep_ms(1);
}

HELPER unsigned char *map_pages(size_t len, int prot)
{
	void *p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* An empty directory of this test's own, under /tmp or what GUEST_TEST_DIR says, and its removal
 * (flat: files only). */
HELPER const char *temp_dir(void)
{
	const char *above = getenv("GUEST_TEST_DIR");
	static char dir[128];

	snprintf(dir, sizeof(dir), "%s/guest-test.XXXXXX", above ? above : "/tmp");
	CHECK(mkdtemp(dir) != NULL);
	return dir;
}

HELPER const char *temp_path(const char *dir, const char *name)
{
	static char path[8][256];
	static unsigned next;
	char *p = path[next++ % 8];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

HELPER void write_file(const char *path, const void *data, size_t len, mode_t mode)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, data, len), len);
	CHECK_EQ(fchmod(fd, mode), 0);
	CHECK_EQ(close(fd), 0);
}

#endif
