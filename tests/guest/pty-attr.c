// Attributes: what a new terminal has, TCSETS and its kind at both ends, speeds, window size, odd
// ioctls.
#include "pty.h"

/* System V's struct termio. */
struct termio_k {
	unsigned short iflag, oflag, cflag, lflag;
	unsigned char line, cc[8];
};

static void show_attr(const char *what, int fd)
{
	struct termios2_k a;

	memset(&a, 0, sizeof(a));
	CHECK_EQ(ioctl(fd, TCGETS2_K, &a), 0);
	say("%s: %o %o %o %o line %d speeds %u %u keys", what, a.iflag, a.oflag, a.cflag, a.lflag,
	    a.line, a.ispeed, a.ospeed);
	for (size_t i = 0; i < sizeof(a.cc); i++)
		say(" %d", a.cc[i]);
	say("\n");
}

static void attributes(int m, int s)
{
	struct termios2_k b;
	struct termios a;
	struct termio_k o;

	show_attr("new slave", s);
	show_attr("through the master", m);
	get_attr(s, &a);
	CHECK_EQ(cfsetspeed(&a, B9600), 0);
	a.c_cflag = (a.c_cflag & ~(tcflag_t)(CSIZE | CREAD)) | CS7 | PARENB | CLOCAL;
	a.c_lflag &= ~(tcflag_t)ECHO;
	a.c_cc[VINTR] = 'q';
	set_attr(s, &a);
	show_attr("9600", s);
	a.c_lflag |= ECHO;
	CHECK_EQ(tcsetattr(m, TCSADRAIN, &a), 0);
	show_attr("set on the master", s);
	memset(&b, 0, sizeof(b));
	CHECK_EQ(ioctl(s, TCGETS2_K, &b), 0);
	b.cflag = (b.cflag & ~0010017U) | 0010000;
	b.ospeed = 12345;
	b.ispeed = 54321;
	CHECK_EQ(ioctl(s, TCSETS2_K, &b), 0);
	show_attr("any speed", s);
	b.cflag = (b.cflag & ~0010017U) | B115200 | (0010000U << 16);
	CHECK_EQ(ioctl(s, TCSETS2_K, &b), 0);
	show_attr("two speeds", s);
	memset(&o, 0, sizeof(o));
	CHECK_EQ(ioctl(s, 0x5405, &o), 0);
	say("termio %o %o %o %o %d %d\n", o.iflag, o.oflag, o.cflag, o.lflag, o.cc[0], o.cc[7]);
	o.lflag &= (unsigned short)~ICANON;
	o.cc[0] = 7;
	CHECK_EQ(ioctl(s, 0x5406, &o), 0);
	show_attr("after TCSETA", s);
	CHECK_ERR(ioctl(s, 0x5405, (void *)8), EFAULT);
	CHECK_ERR(ioctl(s, 0x5406, (void *)8), EFAULT);
	CHECK_ERR(ioctl(s, TCGETS2_K, (void *)8), EFAULT);
	CHECK_ERR(ioctl(s, TCSETS2_K, (void *)8), EFAULT);
}

/* TCSETSF throws away what was typed, TCSETS does not. */
static void set_and_flush(void)
{
	struct termios a;
	int m, s;

	open_pair(&m, &s);
	set_local(s, ECHO, 0);
	get_attr(s, &a);
	type_keys(m, "typed\n");
	CHECK(has_events(s, POLLIN, 60000));
	CHECK_EQ(tcsetattr(s, TCSADRAIN, &a), 0);
	CHECK(has_events(s, POLLIN, 0));
	CHECK_EQ(tcsetattr(s, TCSAFLUSH, &a), 0);
	CHECK(!has_events(s, POLLIN, 0));
	/* Attributes stay while the master is open. */
	a.c_cc[VKILL] = 'k';
	set_attr(s, &a);
	close(s);
	s = open(pts_path(m), O_RDWR | O_NOCTTY);
	get_attr(s, &a);
	CHECK_EQ(a.c_cc[VKILL], 'k');
	close(s);
	close(m);
}

static void window(int m, int s)
{
	struct winsize ws = {24, 80, 640, 480}, got;

	CHECK_EQ(ioctl(s, TIOCGWINSZ, &got), 0);
	say("size %u %u %u %u\n", got.ws_row, got.ws_col, got.ws_xpixel, got.ws_ypixel);
	CHECK_EQ(ioctl(m, TIOCSWINSZ, &ws), 0);
	CHECK_EQ(ioctl(s, TIOCGWINSZ, &got), 0);
	say("size %u %u %u %u\n", got.ws_row, got.ws_col, got.ws_xpixel, got.ws_ypixel);
	ws.ws_row = 50;
	CHECK_EQ(ioctl(s, TIOCSWINSZ, &ws), 0);
	CHECK_EQ(ioctl(m, TIOCGWINSZ, &got), 0);
	say("size %u %u %u %u\n", got.ws_row, got.ws_col, got.ws_xpixel, got.ws_ypixel);
}

static void odd(int m, int s)
{
	int n = -1, zero = 0, five = 99;
	unsigned dev = 0;

	CHECK_EQ(ioctl(s, TIOCGETD, &n), 0);
	CHECK_EQ(n, 0);
	CHECK_EQ(ioctl(s, TIOCSETD, &zero), 0);
	CHECK_ERR(ioctl(s, TIOCSETD, &five), EINVAL);
	CHECK_ERR(ioctl(s, TIOCSETD, (void *)8), EFAULT);
	CHECK_EQ(ioctl(s, TIOCGSOFTCAR, &n), 0);
	n = 1;
	CHECK_EQ(ioctl(s, TIOCSSOFTCAR, &n), 0);
	n = 0;
	CHECK_EQ(ioctl(s, TIOCGSOFTCAR, &n), 0);
	CHECK_EQ(n, 1);
	CHECK_EQ(ioctl(s, _IOR('T', 0x32, unsigned), &dev), 0);
	CHECK_EQ(dev >> 8 & 0xfff, 136);
	CHECK_EQ(ioctl(s, _IOR('T', 0x40, int), &n), 0);
	CHECK_EQ(n, 0);
	CHECK_EQ(ioctl(s, TIOCEXCL), 0);
	CHECK_EQ(ioctl(s, _IOR('T', 0x40, int), &n), 0);
	CHECK_EQ(n, 1);
	CHECK_EQ(ioctl(s, TIOCNXCL), 0);
	CHECK_ERR(ioctl(s, TIOCMGET, &n), ENOTTY);
	CHECK_ERR(ioctl(s, TIOCGSERIAL, &n), ENOTTY);
	CHECK_EQ(ioctl(s, TCSBRK, 1), 0);
	CHECK_EQ(ioctl(s, TCSBRKP, 1), 0);
	CHECK_EQ(ioctl(s, TIOCSBRK), 0);
	CHECK_EQ(ioctl(s, TIOCCBRK), 0);
	/* Not a terminal of this process's session. */
	CHECK_ERR(ioctl(s, TIOCGPGRP, &n), ENOTTY);
	CHECK_ERR(ioctl(s, TIOCSPGRP, &n), ENOTTY);
	CHECK_ERR(ioctl(s, TIOCGSID, &n), ENOTTY);
	CHECK_ERR(ioctl(s, TIOCNOTTY), ENOTTY);
	CHECK_ERR(ioctl(m, TIOCNOTTY), ENOTTY);
	CHECK_ERR(ioctl(m, TIOCGSID, &n), ENOTTY);
	CHECK_EQ(ioctl(m, TIOCGPGRP, &n), 0);
	CHECK_EQ(n, 0);
	CHECK_ERR(ioctl(m, TIOCSIG, SIGHUP), EINVAL);
	CHECK_EQ(ioctl(m, TIOCSIG, SIGINT), 0);
}

int main(void)
{
	int m, s;

	leave_session();
	open_pair(&m, &s);
	attributes(m, s);
	set_and_flush();
	window(m, s);
	odd(m, s);
	say("ok\n");
	return 0;
}
