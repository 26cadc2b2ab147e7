/*
 * The ioctls that all terminals have: arguments, permissions and the order of errors. ioctl_tty(2).
 *
 * Nothing waits for output to drain: what has been written is with the other end at once.
 */
#include "vfs_inode.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#define TCGETS2_K    0x802c542aU
#define TCSETS2_K    0x402c542bU
#define TCSETSW2_K   0x402c542cU
#define TCSETSF2_K   0x402c542dU
#define TCGETA_K     0x5405U
#define TCSETA_K     0x5406U
#define TCSETAW_K    0x5407U
#define TCSETAF_K    0x5408U
#define TIOCGDEV_K   0x80045432U
#define TIOCGEXCL_K  0x80045440U
#define CBAUD_K      0010017U
#define BOTHER_K     0010000U
#define IBSHIFT_K    16
#define N_TTY_NUMBER 0

/* struct termio of System V: the flags' low halves. */
struct termio_k {
	uint16_t iflag, oflag, cflag, lflag;
	uint8_t line, cc[8];
};

static long get_arg(struct task *t, uint64_t arg, void *buf, size_t len)
{
	return copy_from_guest(task_mm(t), buf, gva(arg), len);
}

static long put_arg(struct task *t, uint64_t arg, const void *buf, size_t len)
{
	return copy_to_guest(task_mm(t), gva(arg), buf, len);
}

static long put_int(struct task *t, uint64_t arg, int n)
{
	return n < 0 ? n : put_arg(t, arg, &n, sizeof(n));
}

/* ---- attributes ---- */

static uint32_t speed_of(uint32_t cbaud, uint32_t other)
{
	static const uint32_t low[] = {0,   50,   75,   110,  134,  150,  200,   300,
				       600, 1200, 1800, 2400, 4800, 9600, 19200, 38400},
			      high[] = {0,       57600,   115200,  230400,  460800,  500000,
					576000,  921600,  1000000, 1152000, 1500000, 2000000,
					2500000, 3000000, 3500000, 4000000};

	if (cbaud == BOTHER_K)
		return other;
	return cbaud & BOTHER_K ? high[cbaud & 15] : low[cbaud & 15];
}

void tty_attr_speeds(struct tty_attr *a)
{
	uint32_t in = a->cflag >> IBSHIFT_K & CBAUD_K;

	a->ospeed = speed_of(a->cflag & CBAUD_K, a->ospeed);
	/* B0 for the input: as the output. */
	a->ispeed = in ? speed_of(in, a->ispeed) : a->ospeed;
}

static long get_attr(struct tty *tty, struct file *f, struct task *t, uint64_t arg, size_t size)
{
	struct tty_attr a = {0};
	int r = tty->drv->get_attr(tty, f, &a);

	return r ? r : put_arg(t, arg, &a, size);
}

static long set_attr(struct tty *tty, struct file *f, struct task *t, uint64_t arg, size_t size,
		     bool flush)
{
	struct tty_attr a;
	long r = tty_check(tty, t, SIGTTOU);

	if (r == 0)
		r = get_arg(t, arg, &a, size);
	return r ? r : tty->drv->set_attr(tty, f, &a, size == sizeof(a), flush);
}

static long get_termio(struct tty *tty, struct file *f, struct task *t, uint64_t arg)
{
	struct tty_attr a = {0};
	struct termio_k o;
	int r = tty->drv->get_attr(tty, f, &a);

	if (r)
		return r;
	memset(&o, 0, sizeof(o));
	o.iflag = (uint16_t)a.iflag;
	o.oflag = (uint16_t)a.oflag;
	o.cflag = (uint16_t)a.cflag;
	o.lflag = (uint16_t)a.lflag;
	o.line = a.line;
	memcpy(o.cc, a.cc, sizeof(o.cc));
	return put_arg(t, arg, &o, sizeof(o));
}

static long set_termio(struct tty *tty, struct file *f, struct task *t, uint64_t arg, bool flush)
{
	struct tty_attr a = {0};
	struct termio_k o;
	long r = tty_check(tty, t, SIGTTOU);

	if (!r)
		r = tty->drv->get_attr(tty, f, &a);
	if (!r)
		r = get_arg(t, arg, &o, sizeof(o));
	if (r)
		return r;
	a.iflag = (a.iflag & 0xffff0000) | o.iflag;
	a.oflag = (a.oflag & 0xffff0000) | o.oflag;
	a.cflag = (a.cflag & 0xffff0000) | o.cflag;
	a.lflag = (a.lflag & 0xffff0000) | o.lflag;
	a.line = o.line;
	memcpy(a.cc, o.cc, sizeof(o.cc));
	return tty->drv->set_attr(tty, f, &a, false, flush);
}

/* False: none of these. */
static bool attr_ioctl(struct tty *tty, struct file *f, struct task *t, unsigned cmd, uint64_t arg,
		       long *r)
{
	switch (cmd) {
	case TCGETS:
		*r = get_attr(tty, f, t, arg, TTY_ATTR1_SIZE);
		return true;
	case TCGETS2_K:
		*r = get_attr(tty, f, t, arg, sizeof(struct tty_attr));
		return true;
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		*r = set_attr(tty, f, t, arg, TTY_ATTR1_SIZE, cmd == TCSETSF);
		return true;
	case TCSETS2_K:
	case TCSETSW2_K:
	case TCSETSF2_K:
		*r = set_attr(tty, f, t, arg, sizeof(struct tty_attr), cmd == TCSETSF2_K);
		return true;
	case TCGETA_K:
		*r = get_termio(tty, f, t, arg);
		return true;
	case TCSETA_K:
	case TCSETAW_K:
	case TCSETAF_K:
		*r = set_termio(tty, f, t, arg, cmd == TCSETAF_K);
		return true;
	default:
		return false;
	}
}

/* ---- the rest ---- */

static long window(struct tty *tty, struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct winsize ws = {0};
	long r;

	if (cmd == TIOCGWINSZ) {
		r = tty->drv->get_size(tty, f, &ws);
		return r ? r : put_arg(t, arg, &ws, sizeof(ws));
	}
	r = get_arg(t, arg, &ws, sizeof(ws));
	return r ? r : tty->drv->set_size(tty, f, &ws);
}

/* As CONFIG_LEGACY_TIOCSTI has it, for who may not administer: into one's own terminal only. */
static long type_byte(struct tty *tty, struct file *f, struct task *t, uint64_t arg)
{
	uint8_t c;
	long r;

	if (!tty_controls(tty, t->p))
		return -EPERM;
	r = get_arg(t, arg, &c, sizeof(c));
	return r ? r : tty->drv->type(tty, f, c);
}

/* N_TTY, the only one. */
static long discipline(struct task *t, unsigned cmd, uint64_t arg)
{
	int n;

	if (cmd == TIOCGETD)
		return put_int(t, arg, N_TTY_NUMBER);
	if (get_arg(t, arg, &n, sizeof(n)))
		return -EFAULT;
	return n == N_TTY_NUMBER ? 0 : -EINVAL;
}

static long carrier(struct tty *tty, struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct tty_attr a = {0};
	int on, r = tty->drv->get_attr(tty, f, &a);

	if (r)
		return r;
	if (cmd == TIOCGSOFTCAR)
		return put_int(t, arg, (a.cflag & CLOCAL) != 0);
	if (get_arg(t, arg, &on, sizeof(on)))
		return -EFAULT;
	a.cflag = on ? a.cflag | CLOCAL : a.cflag & ~(uint32_t)CLOCAL;
	return tty->drv->set_attr(tty, f, &a, true, false);
}

/* What a job in the background may not do. */
static long change(struct tty *tty, struct file *f, bool master, struct task *t, unsigned cmd,
		   uint64_t arg)
{
	long r = master ? 0 : tty_check(tty, t, SIGTTOU);

	if (r)
		return r;
	switch (cmd) {
	case TCFLSH:
		return tty->drv->flush(tty, f, (int)arg);
	case TCXONC:
		return tty->drv->flow(tty, f, (int)arg);
	case TIOCSETD:
		return discipline(t, cmd, arg);
	default:
		return 0; /* there is no break to send */
	}
}

long tty_ioctl(struct tty *tty, struct file *f, bool master, struct task *t, unsigned cmd,
	       uint64_t arg)
{
	bool mine;
	long r;

	if (attr_ioctl(tty, f, t, cmd, arg, &r))
		return r;
	r = tty_job_ioctl(tty, master, t, cmd, arg, &mine);
	if (mine)
		return r;
	switch (cmd) {
	case TIOCGWINSZ:
	case TIOCSWINSZ:
		return window(tty, f, t, cmd, arg);
	case FIONREAD:
	case TIOCOUTQ:
		return put_int(t, arg, tty->drv->count(tty, f, cmd));
	case TCFLSH:
	case TCXONC:
	case TCSBRK:
	case TCSBRKP:
	case TIOCSBRK:
	case TIOCCBRK:
	case TIOCSETD:
		return change(tty, f, master, t, cmd, arg);
	case TIOCGETD:
		return discipline(t, cmd, arg);
	case TIOCSTI:
		return type_byte(tty, f, t, arg);
	case TIOCGSOFTCAR:
	case TIOCSSOFTCAR:
		return carrier(tty, f, t, cmd, arg);
	case TIOCGDEV_K:
		return put_int(t, arg, (int)tty->nr);
	case TIOCEXCL:
	case TIOCNXCL:
		atomic_store(&tty->exclusive, cmd == TIOCEXCL);
		return 0;
	case TIOCGEXCL_K:
		return put_int(t, arg, atomic_load(&tty->exclusive));
	case TIOCGPTPEER: /* of a master only */
		return -EIO;
	case TIOCCONS:
	case TIOCVHANGUP:
		return -EPERM;
	default:
		return tty->drv->ioctl ? tty->drv->ioctl(tty, f, t, cmd, arg) : -ENOTTY;
	}
}
