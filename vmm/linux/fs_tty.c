/*
 * A terminal of the host, as ioctl_tty(2) shows it to the guest.
 *
 * Attributes and the window size are the host's; sessions and the foreground process group are the
 * guest's own (tty.h). Nothing here waits for output to
 * drain, and TIOCSTI, which would type into the terminal, is not passed on.
 */
#include "vfs_inode.h"

#include <signal.h>
#include <sys/ioctl.h>

/* The kernel's struct termios, which differs from the C library's. */
struct termios_k {
	uint32_t iflag, oflag, cflag, lflag;
	uint8_t line, cc[19];
};
_Static_assert(sizeof(struct termios_k) == 36, "struct termios is 36 bytes");

struct termios2_k {
	struct termios_k t;
	uint32_t ispeed, ospeed;
};

#define TTY_TCGETS2  0x802c542a
#define TTY_TCSETS2  0x402c542b
#define TTY_TCSETSW2 0x402c542c
#define TTY_TCSETSF2 0x402c542d

static long get_arg(struct task *t, uint64_t arg, void *buf, size_t len)
{
	return copy_from_guest(task_mm(t), buf, gva(arg), len);
}

static long put_arg(struct task *t, uint64_t arg, const void *buf, size_t len)
{
	return copy_to_guest(task_mm(t), gva(arg), buf, len);
}

static long host(const struct stdio *s, unsigned cmd, void *arg)
{
	return ioctl(s->io_fd, cmd, arg) < 0 ? -errno : 0;
}

static long set_attr(struct stdio *s, struct task *t, uint64_t arg, bool two, bool flush)
{
	struct termios2_k a;
	long r = tty_check(t, SIGTTOU);

	if (r == 0)
		r = get_arg(t, arg, &a, two ? sizeof(a) : sizeof(a.t));
	if (r)
		return r;
	if (flush)
		ioctl(s->io_fd, TCFLSH, 0 /* TCIFLUSH */);
	return host(s, two ? TTY_TCSETS2 : TCSETS, &a);
}

static long get_attr(struct stdio *s, struct task *t, uint64_t arg, bool two)
{
	struct termios2_k a = {0};
	long r = host(s, two ? TTY_TCGETS2 : TCGETS, &a);

	return r ? r : put_arg(t, arg, &a, two ? sizeof(a) : sizeof(a.t));
}

long tty_ioctl(struct stdio *s, struct task *t, unsigned cmd, uint64_t arg)
{
	struct winsize ws = {0};
	int n;
	long r;

	switch (cmd) {
	case TCGETS:
		return get_attr(s, t, arg, false);
	case TTY_TCGETS2:
		return get_attr(s, t, arg, true);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set_attr(s, t, arg, false, cmd == TCSETSF);
	case TTY_TCSETS2:
	case TTY_TCSETSW2:
	case TTY_TCSETSF2:
		return set_attr(s, t, arg, true, cmd == TTY_TCSETSF2);
	case TIOCGWINSZ:
		r = host(s, cmd, &ws);
		return r ? r : put_arg(t, arg, &ws, sizeof(ws));
	case TIOCSWINSZ:
		r = get_arg(t, arg, &ws, sizeof(ws));
		return r ? r : host(s, cmd, &ws);
	case TIOCOUTQ:
		r = host(s, cmd, &n);
		return r ? r : put_arg(t, arg, &n, sizeof(n));
	case TCFLSH:
		r = tty_check(t, SIGTTOU);
		if (r)
			return r;
		if (arg > 2)
			return -EINVAL;
		return ioctl(s->io_fd, TCFLSH, (int)arg) < 0 ? -errno : 0;
	case TCXONC: /* stopping the terminal would stop the VMM's user, too */
	case TCSBRK:
	case TCSBRKP:
		return 0;
	case TIOCGPGRP:
		return tty_get_pgrp(t, arg);
	case TIOCSPGRP:
		return tty_set_pgrp(t, arg);
	case TIOCGSID:
		return tty_get_sid(t, arg);
	case TIOCSCTTY:
		return tty_take(t);
	case TIOCNOTTY:
		return tty_give_up(t);
	default:
		return -ENOTTY;
	}
}
