// The line discipline's output: OPOST and its kind, the column, flow control, flushes, full queues.
#include "pty.h"

static int m, s;

static void fresh(tcflag_t off, tcflag_t on)
{
	struct termios a;

	fresh_pair(&m, &s);
	get_attr(s, &a);
	a.c_oflag = (a.c_oflag & ~off) | on;
	set_attr(s, &a);
}

static void out(const char *what, const char *text)
{
	char buf[1024];

	CHECK_EQ(write(s, text, strlen(text)), (ssize_t)strlen(text));
	show_bytes(what, buf, read_master(m, buf, sizeof(buf), 0));
}

static void processing(void)
{
	fresh(0, 0);
	out("sane", "a\nb\rc\td\be\001\n");
	fresh(OPOST, 0);
	out("no opost", "a\nb\rc\td\n");
	fresh(ONLCR, 0);
	out("no onlcr", "a\nb\rc\n");
	fresh(ONLCR, OCRNL);
	out("ocrnl", "a\rb\n");
	fresh(0, OCRNL);
	out("ocrnl onlcr", "a\rb\n");
	fresh(ONLCR, ONOCR);
	out("onocr", "\ra\r\rb\n\r");
	fresh(ONLCR, ONOCR | ONLRET);
	out("onlret", "a\n\rb\r");
	fresh(0, XTABS);
	out("xtabs", "\ta\tabcdefg\tabcdefgh\tx\b\b\t\n\t");
	fresh(0, OLCUC);
	out("olcuc", "aBc1\n");
	fresh(0, XTABS);
	out("utf8 as bytes", "\303\244\tx\n");
}

static void xtabs_utf8(void)
{
	struct termios a;

	fresh(0, XTABS);
	get_attr(s, &a);
	a.c_iflag |= IUTF8;
	set_attr(s, &a);
	out("utf8", "\303\244\342\202\254\tx\n");
}

/* Keys and TCXONC stop the output; what is echoed meanwhile comes later. */
static void flow(void)
{
	char buf[64];
	pid_t pid;

	fresh(0, 0);
	CHECK_EQ(fcntl(s, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	type_keys(m, "\023");
	await_typed(s);
	CHECK_ERR(write(s, "no", 2), EAGAIN);
	CHECK(!has_events(s, POLLOUT, 0));
	type_keys(m, "echo\021");
	show_bytes("after ^Q", buf, read_master(m, buf, sizeof(buf), 4));
	CHECK(has_events(s, POLLOUT, 60000));
	out("goes on", "yes\n");
	CHECK_EQ(tcflow(s, TCOOFF), 0);
	CHECK_ERR(write(s, "no", 2), EAGAIN);
	type_keys(m, "\021");
	await_typed(s);
	CHECK_ERR(write(s, "no", 2), EAGAIN);
	CHECK_EQ(tcflow(s, TCOON), 0);
	out("tcoon", "yes\n");
	CHECK_EQ(tcflow(s, TCIOFF), 0);
	CHECK_EQ(tcflow(s, TCION), 0);
	show_bytes("tcioff, tcion", buf, read_master(m, buf, sizeof(buf), 0));
	CHECK_ERR(ioctl(s, TCXONC, 4), EINVAL);
	CHECK_ERR(ioctl(s, TCXONC, -1), EINVAL);
	/* A blocked writer goes on. */
	CHECK_EQ(fcntl(s, F_SETFL, O_RDWR), 0);
	type_keys(m, "\023");
	await_typed(s);
	pid = fork_ok();
	if (pid == 0) {
		CHECK_EQ(write(s, "from a child\n", 13), 13);
		_exit(0);
	}
	await_asleep(pid);
	type_keys(m, "\021");
	show_bytes("child", buf, read_until(m, buf, sizeof(buf), "\n"));
	reap_ok(pid);
}

/* IXON going off, and any key with IXANY. */
static void restart(void)
{
	struct termios a;
	char buf[64];

	fresh(0, 0);
	CHECK_EQ(fcntl(s, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	type_keys(m, "\023");
	await_typed(s);
	CHECK_ERR(write(s, "no", 2), EAGAIN);
	get_attr(s, &a);
	a.c_iflag &= ~(tcflag_t)IXON;
	set_attr(s, &a);
	out("ixon off", "yes\n");
	a.c_iflag |= IXON | IXANY;
	set_attr(s, &a);
	type_keys(m, "\023");
	await_typed(s);
	CHECK_ERR(write(s, "no", 2), EAGAIN);
	type_keys(m, "x");
	show_bytes("ixany", buf, read_master(m, buf, sizeof(buf), 1));
	out("goes on", "yes\n");
}

/* More than the queues hold: all of it arrives, in order, with and without processing. */
static void much(tcflag_t off)
{
	static char buf[65536];
	size_t got = 0, lines = 0;
	pid_t pid;

	fresh(off, 0);
	pid = fork_ok();
	if (pid == 0) {
		for (int i = 0; i < 4000; i++) {
			char line[64];
			int n = snprintf(line, sizeof(line), "line %d of many lines\n", i);

			CHECK_EQ(write(s, line, (size_t)n), n);
		}
		_exit(0);
	}
	close(s);
	for (;;) {
		ssize_t n = read(m, buf, sizeof(buf));

		if (n <= 0)
			break;
		got += (size_t)n;
		for (ssize_t i = 0; i < n; i++)
			lines += buf[i] == '\n';
	}
	CHECK_EQ(errno, EIO);
	reap_ok(pid);
	say("%zu bytes, %zu lines\n", got, lines);
	s = open("/dev/null", O_RDONLY);
}

/* O_NONBLOCK: a full queue, and one that has room again. */
static void full(void)
{
	static char buf[4096];
	size_t total = 0, got = 0;
	ssize_t n;

	fresh(OPOST, 0);
	CHECK_EQ(fcntl(s, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	while ((n = write(s, buf, sizeof(buf))) > 0)
		total += (size_t)n;
	CHECK_EQ(errno, EAGAIN);
	CHECK(total >= 4096 && total < 100000);
	while (got < total) {
		n = read(m, buf, sizeof(buf));
		CHECK(n > 0);
		got += (size_t)n;
	}
	CHECK(has_events(s, POLLOUT, 60000));
	CHECK_EQ(write(s, buf, 10), 10);
	/* The other way: raw input that nobody reads. */
	set_raw(s, 1, 0);
	CHECK_EQ(fcntl(m, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	total = 0;
	for (int tries = 0; tries < 50;) {
		n = write(m, buf, sizeof(buf));
		if (n < 0) {
			CHECK_EQ(errno, EAGAIN);
			tries++;
			sleep_ms(1);
			continue;
		}
		total += (size_t)n;
	}
	CHECK(total >= 4095 && total < 100000);
	got = 0;
	while (got < total) {
		CHECK(has_events(s, POLLIN, 60000));
		n = read(s, buf, sizeof(buf));
		CHECK(n > 0);
		got += (size_t)n;
	}
	CHECK(has_events(m, POLLOUT, 60000));
}

static void flushes(void)
{
	char buf[64];
	int n;

	fresh(0, 0);
	set_local(s, ECHO, 0);
	type_keys(m, "typed\n");
	CHECK(has_events(s, POLLIN, 60000));
	CHECK_EQ(tcflush(s, TCOFLUSH), 0);
	CHECK(has_events(s, POLLIN, 0));
	CHECK_EQ(tcflush(s, TCIFLUSH), 0);
	CHECK(!has_events(s, POLLIN, 0));
	CHECK_EQ(ioctl(s, FIONREAD, &n), 0);
	CHECK_EQ(n, 0);
	type_keys(m, "typed\n");
	CHECK(has_events(s, POLLIN, 60000));
	CHECK_EQ(tcflush(s, TCIOFLUSH), 0);
	CHECK(!has_events(s, POLLIN, 0));
	CHECK_EQ(write(s, "said", 4), 4);
	CHECK(has_events(m, POLLIN, 60000));
	CHECK_EQ(tcflush(m, TCIFLUSH), 0);
	CHECK(!has_events(m, POLLIN, 0));
	CHECK_ERR(ioctl(s, TCFLSH, 3), EINVAL);
	CHECK_ERR(ioctl(m, TCFLSH, 3), EINVAL);
	/* Nothing waits. */
	CHECK_EQ(write(s, "said", 4), 4);
	CHECK_EQ(tcdrain(s), 0);
	CHECK_EQ(tcsendbreak(s, 0), 0);
	CHECK_EQ(ioctl(s, TIOCOUTQ, &n), 0);
	CHECK_EQ(n, 0);
	CHECK(has_events(m, POLLIN, 60000));
	CHECK_EQ(ioctl(m, FIONREAD, &n), 0);
	CHECK_EQ(n, 4);
	CHECK_EQ(read(m, buf, sizeof(buf)), 4);
}

int main(void)
{
	leave_session();
	processing();
	xtabs_utf8();
	flow();
	restart();
	much(0);
	much(OPOST);
	full();
	flushes();
	say("ok\n");
	return 0;
}
