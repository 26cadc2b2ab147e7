// Reads: VMIN and VTIME, O_NONBLOCK, signals; poll and epoll at both ends; packet mode.
#include "pty.h"
#include <sys/epoll.h>

static int m, s;

static long long since(long long start)
{
	return (now_ns(CLOCK_MONOTONIC) - start) / 1000000;
}

/* Types a text after ms milliseconds, in a child. */
static pid_t later(int ms, const char *text)
{
	pid_t pid = fork_ok();

	if (pid == 0) {
		sleep_ms(ms);
		type_keys(m, text);
		_exit(0);
	}
	return pid;
}

static void min_time(void)
{
	char buf[64];
	long long start;
	pid_t pid;

	fresh_pair(&m, &s);
	/* 0, 0: what is there */
	set_raw(s, 0, 0);
	CHECK_EQ(read(s, buf, sizeof(buf)), 0);
	type_keys(m, "abc");
	CHECK(has_events(s, POLLIN, 60000));
	show_bytes("0 0", buf, read(s, buf, sizeof(buf)));
	CHECK_EQ(fcntl(s, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	CHECK_EQ(read(s, buf, sizeof(buf)), 0);
	/* 0, TIME: the first byte or the time */
	set_raw(s, 0, 2);
	CHECK_ERR(read(s, buf, sizeof(buf)), EAGAIN);
	CHECK_EQ(fcntl(s, F_SETFL, O_RDWR), 0);
	start = now_ns(CLOCK_MONOTONIC);
	CHECK_EQ(read(s, buf, sizeof(buf)), 0);
	CHECK(since(start) >= 150 && since(start) < 5000);
	set_raw(s, 0, 100);
	pid = later(20, "x");
	show_bytes("0 TIME", buf, read(s, buf, sizeof(buf)));
	reap_ok(pid);
	/* MIN, 0: so many bytes */
	set_raw(s, 4, 0);
	type_keys(m, "ab");
	pid = later(20, "cd");
	show_bytes("MIN 0", buf, read(s, buf, sizeof(buf)));
	reap_ok(pid);
	type_keys(m, "abc");
	await_typed(s);
	CHECK(!has_events(s, POLLIN, 0));
	show_bytes("less than MIN asked for", buf, read(s, buf, 2));
	type_keys(m, "def");
	show_bytes("MIN 0", buf, read(s, buf, sizeof(buf)));
	type_keys(m, "ab");
	await_typed(s);
	CHECK_EQ(fcntl(s, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	show_bytes("MIN nonblocking", buf, read(s, buf, sizeof(buf)));
	CHECK_ERR(read(s, buf, sizeof(buf)), EAGAIN);
	CHECK_EQ(fcntl(s, F_SETFL, O_RDWR), 0);
	/* MIN, TIME: the time begins with the first byte */
	set_raw(s, 4, 2);
	pid = later(50, "ab");
	start = now_ns(CLOCK_MONOTONIC);
	show_bytes("MIN TIME", buf, read(s, buf, sizeof(buf)));
	CHECK(since(start) >= 180 && since(start) < 5000);
	reap_ok(pid);
	type_keys(m, "abcdef");
	CHECK(has_events(s, POLLIN, 60000));
	await_typed(s);
	show_bytes("MIN TIME, all there", buf, read(s, buf, sizeof(buf)));
}

static void on_signal(int sig)
{
	(void)sig;
}

static void interrupted(void)
{
	struct sigaction sa = {.sa_handler = on_signal};
	char buf[16];
	pid_t pid;

	fresh_pair(&m, &s);
	sigaction(SIGUSR1, &sa, NULL);
	pid = fork_ok();
	if (pid == 0) {
		CHECK_ERR(read(s, buf, sizeof(buf)), EINTR);
		_exit(0);
	}
	await_asleep(pid);
	CHECK_EQ(kill(pid, SIGUSR1), 0);
	reap_ok(pid);
	pid = fork_ok();
	if (pid == 0) {
		CHECK_ERR(read(m, buf, sizeof(buf)), EINTR);
		_exit(0);
	}
	await_asleep(pid);
	CHECK_EQ(kill(pid, SIGUSR1), 0);
	reap_ok(pid);
	/* What has come counts. */
	set_raw(s, 5, 0);
	type_keys(m, "ab");
	await_typed(s);
	pid = fork_ok();
	if (pid == 0) {
		CHECK_EQ(read(s, buf, sizeof(buf)), 2);
		_exit(0);
	}
	await_asleep(pid);
	CHECK_EQ(kill(pid, SIGUSR1), 0);
	reap_ok(pid);
	signal(SIGUSR1, SIG_DFL);
}

static void show_poll(const char *what, int fd)
{
	struct pollfd p = {.fd = fd,
			   .events = POLLIN | POLLOUT | POLLPRI | POLLRDNORM | POLLWRNORM};

	CHECK(poll(&p, 1, 0) >= 0);
	say("%s:%s%s%s%s%s%s%s\n", what, p.revents & POLLIN ? " IN" : "",
	    p.revents & POLLOUT ? " OUT" : "", p.revents & POLLPRI ? " PRI" : "",
	    p.revents & POLLERR ? " ERR" : "", p.revents & POLLHUP ? " HUP" : "",
	    p.revents & POLLRDNORM ? " RDNORM" : "", p.revents & POLLWRNORM ? " WRNORM" : "");
}

static void polls(void)
{
	char buf[64];

	if (m > 0) {
		close(s);
		close(m);
	}
	m = open_master();
	show_poll("no slave yet", m);
	unlock_slave(m);
	s = open(pts_path(m), O_RDWR | O_NOCTTY);
	show_poll("master", m);
	show_poll("slave", s);
	set_local(s, ECHO, 0);
	type_keys(m, "ab");
	await_typed(s);
	show_poll("slave, half a line", s);
	type_keys(m, "\n");
	CHECK(has_events(s, POLLIN, 60000));
	show_poll("slave, a line", s);
	CHECK_EQ(write(s, "x", 1), 1);
	CHECK(has_events(m, POLLIN, 60000));
	show_poll("master, output", m);
	close(s);
	show_poll("master, slave closed", m);
	CHECK_EQ(read(m, buf, sizeof(buf)), 1);
	show_poll("master, read", m);
	CHECK_ERR(read(m, buf, sizeof(buf)), EIO);
	CHECK_EQ(write(m, "late\n", 5), 5);
	s = open(pts_path(m), O_RDWR | O_NOCTTY);
	show_poll("master, opened again", m);
	show_bytes("was kept", buf, read(s, buf, sizeof(buf)));
	show_bytes("and this", buf, read(s, buf, sizeof(buf)));
	close(m);
	show_poll("slave, master closed", s);
	CHECK_EQ(read(s, buf, sizeof(buf)), 0);
	CHECK_ERR(write(s, "x", 1), EIO);
	m = 0;
	close(s);
}

static void epolls(void)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET}, got;
	int ep = epoll_create1(0);
	char buf[64];

	fresh_pair(&m, &s);
	set_local(s, ECHO, 0);
	ev.data.fd = s;
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev), 0);
	ev.data.fd = m;
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, m, &ev), 0);
	CHECK_EQ(epoll_wait(ep, &got, 1, 0), 0);
	type_keys(m, "a line\n");
	CHECK_EQ(epoll_wait(ep, &got, 1, 60000), 1);
	CHECK(got.data.fd == s && got.events == EPOLLIN);
	CHECK_EQ(epoll_wait(ep, &got, 1, 0), 0);
	CHECK_EQ(read(s, buf, sizeof(buf)), 7);
	CHECK_EQ(write(s, "y", 1), 1);
	CHECK_EQ(epoll_wait(ep, &got, 1, 60000), 1);
	CHECK(got.data.fd == m && got.events == EPOLLIN);
	CHECK_EQ(read(m, buf, sizeof(buf)), 1);
	close(s);
	CHECK_EQ(epoll_wait(ep, &got, 1, 60000), 1);
	CHECK(got.data.fd == m && got.events & EPOLLHUP);
	close(ep);
	close(m);
	m = 0;
}

static void packet(void)
{
	struct termios a;
	char buf[64];
	int on = 1, n;

	fresh_pair(&m, &s);
	CHECK_EQ(ioctl(m, TIOCGPKT, &n), 0);
	CHECK_EQ(n, 0);
	CHECK_EQ(ioctl(m, TIOCPKT, &on), 0);
	CHECK_EQ(ioctl(m, TIOCGPKT, &n), 0);
	CHECK_EQ(n, 1);
	CHECK_ERR(ioctl(m, TIOCPKT, (void *)8), EFAULT);
	CHECK_EQ(write(s, "data", 4), 4);
	CHECK(has_events(m, POLLIN, 60000));
	show_bytes("data", buf, read(m, buf, sizeof(buf)));
	CHECK_EQ(tcflush(s, TCIFLUSH), 0);
	show_poll("flush read", m);
	show_bytes("flush read", buf, read(m, buf, sizeof(buf)));
	CHECK_EQ(tcflush(s, TCOFLUSH), 0);
	show_bytes("flush write", buf, read(m, buf, sizeof(buf)));
	CHECK_EQ(tcflow(s, TCOOFF), 0);
	show_bytes("stop", buf, read(m, buf, sizeof(buf)));
	CHECK_EQ(tcflow(s, TCOON), 0);
	show_bytes("start", buf, read(m, buf, sizeof(buf)));
	get_attr(s, &a);
	a.c_iflag &= ~(tcflag_t)IXON;
	set_attr(s, &a);
	show_bytes("nostop", buf, read(m, buf, sizeof(buf)));
	a.c_iflag |= IXON;
	set_attr(s, &a);
	show_bytes("dostop", buf, read(m, buf, sizeof(buf)));
	a.c_lflag |= EXTPROC;
	set_attr(s, &a);
	show_bytes("ioctl", buf, read(m, buf, sizeof(buf)));
	a.c_lflag &= ~(tcflag_t)EXTPROC;
	set_attr(s, &a);
	show_bytes("ioctl", buf, read(m, buf, sizeof(buf)));
	CHECK_EQ(fcntl(m, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	CHECK_ERR(read(m, buf, sizeof(buf)), EAGAIN);
	CHECK_EQ(write(s, "abc", 3), 3);
	CHECK(has_events(m, POLLIN, 60000));
	show_bytes("one byte", buf, read(m, buf, 1));
	show_bytes("two", buf, read(m, buf, 2));
	on = 0;
	CHECK_EQ(ioctl(m, TIOCPKT, &on), 0);
	show_bytes("off", buf, read(m, buf, sizeof(buf)));
}

int main(void)
{
	leave_session();
	min_time();
	interrupted();
	polls();
	epolls();
	packet();
	say("ok\n");
	return 0;
}
