/* What the tests of pseudo-terminals share. */
#ifndef TESTS_GUEST_PTY_H
#define TESTS_GUEST_PTY_H

#include "check.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif
#ifndef TIOCGPTLCK
#define TIOCGPTLCK _IOR('T', 0x39, int)
#endif
#ifndef TIOCGPKT
#define TIOCGPKT _IOR('T', 0x38, int)
#endif

/* The kernel's struct termios2. */
struct termios2_k {
	unsigned iflag, oflag, cflag, lflag;
	unsigned char line, cc[19];
	unsigned ispeed, ospeed;
};
#define TCGETS2_K 0x802c542aUL
#define TCSETS2_K 0x402c542bUL

/* Nobody else's terminals are here: this is a guest's. */
static __attribute__((unused)) bool alone;

/*
 * The test goes on in a child: process 1 of a guest leads a session, and would get a terminal by
 * opening it, and the orphans.
 */
HELPER void leave_session(void)
{
	pid_t pid;

	alone = getpid() == 1;
	pid = fork_ok();

	if (pid != 0)
		_exit(WEXITSTATUS(reap(pid)));
}

HELPER int open_master(void)
{
	int m = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);

	CHECK(m >= 0);
	return m;
}

HELPER void unlock_slave(int m)
{
	int off = 0;

	CHECK_EQ(ioctl(m, TIOCSPTLCK, &off), 0);
}

HELPER int pts_number(int m)
{
	int n = -1;

	CHECK_EQ(ioctl(m, TIOCGPTN, &n), 0);
	return n;
}

HELPER const char *pts_path(int m)
{
	static char path[32];

	snprintf(path, sizeof(path), "/dev/pts/%d", pts_number(m));
	return path;
}

/* A pair. */
HELPER void open_pair(int *m, int *s)
{
	*m = open_master();
	unlock_slave(*m);
	*s = open(pts_path(*m), O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(*s >= 0);
}

HELPER void get_attr(int fd, struct termios *a)
{
	CHECK_EQ(tcgetattr(fd, a), 0);
}

HELPER void set_attr(int fd, const struct termios *a)
{
	CHECK_EQ(tcsetattr(fd, TCSANOW, a), 0);
}

/* A pair in place of the one that the variables hold, if m is not 0. */
HELPER void fresh_pair(int *m, int *s)
{
	if (*m > 0) {
		close(*s);
		close(*m);
	}
	open_pair(m, s);
}

/* Turns local flags off, and on. */
HELPER void set_local(int fd, tcflag_t off, tcflag_t on)
{
	struct termios a;

	get_attr(fd, &a);
	a.c_lflag = (a.c_lflag & ~off) | on;
	set_attr(fd, &a);
}

HELPER void set_raw(int fd, int min, int time)
{
	struct termios a;

	get_attr(fd, &a);
	cfmakeraw(&a);
	a.c_cc[VMIN] = (cc_t)min;
	a.c_cc[VTIME] = (cc_t)time;
	set_attr(fd, &a);
}

/* Prints bytes so that one sees them. */
HELPER void show_bytes(const char *what, const char *buf, ssize_t n)
{
	char text[4096];
	size_t at = 0;

	for (ssize_t i = 0; i < n && at + 8 < sizeof(text); i++) {
		unsigned char c = (unsigned char)buf[i];

		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       c >= 32 && c < 127 && c != '\\' ? "%c" : "\\%03o", c);
	}
	text[at] = 0;
	say("%s: %zd \"%s\"\n", what, n, text);
}

HELPER bool has_events(int fd, short events, int ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, ms) > 0 && (p.revents & events);
}

/*
 * Until the line discipline has dealt with what was typed. Linux does that in a worker, later than
 * the writer: a poll of the slave that finds nothing to read waits for the worker to have done all
 * (n_tty_poll), and one that finds something may find it busy: then FIONREAD, which needs the
 * terminal's settings for itself, waits until it is through with what it has in hand.
 */
HELPER void await_typed(int s)
{
	int n;

	(void)has_events(s, POLLIN, 0);
	CHECK_EQ(ioctl(s, FIONREAD, &n), 0);
}

HELPER void type_keys(int m, const char *s)
{
	CHECK_EQ(write(m, s, strlen(s)), strlen(s));
}

/*
 * Reads from the master until `want` bytes have come, or, with want 0, all that has been written to
 * the slave, echoes included once they are there (await_typed): a poll that finds nothing has
 * waited for the worker that brings it.
 */
HELPER ssize_t read_master(int m, char *buf, size_t size, size_t want)
{
	size_t n = 0;

	while (n < size && (!want || n < want)) {
		ssize_t got;

		if (!has_events(m, POLLIN, want ? 60000 : 50))
			break;
		got = read(m, buf + n, size - n);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

/* Reads until the text ends in `end`. */
HELPER ssize_t read_until(int fd, char *buf, size_t size, const char *end)
{
	size_t n = 0, len = strlen(end);

	while (n < size - 1) {
		ssize_t got;

		if (!has_events(fd, POLLIN, 60000))
			break;
		got = read(fd, buf + n, size - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
		if (n >= len && memcmp(buf + n - len, end, len) == 0)
			break;
	}
	buf[n] = 0;
	return (ssize_t)n;
}

#endif
