/*
 * What pseudo-terminals can be asked and told. ioctl_tty(2).
 *
 * Most ioctls mean the slave, whichever end they are made on; the queues are those of the end.
 */
#include "pty.h"
#include "sys_fs.h"

#include <signal.h>
#include <string.h>
#include <termios.h>

#define TIOCGPKT_K   0x80045438U
#define TIOCGPTLCK_K 0x80045439U

static struct pty *pty_of_tty(struct tty *tty)
{
	return container_of(tty, struct pty, tty);
}

/* ---- the driver's ---- */

int pty_get_attr(struct tty *tty, struct file *f, struct tty_attr *a)
{
	struct pty *p = pty_of_tty(tty);

	pthread_mutex_lock(&p->lock);
	*a = p->n.attr;
	pthread_mutex_unlock(&p->lock);
	return 0;
}

/* The terminal handles ^S and ^Q itself. */
static bool local_flow(const struct tty_attr *a)
{
	return (a->iflag & IXON) && a->cc[VSTOP] == 19 && a->cc[VSTART] == 17;
}

static void packet_attr_locked(struct pty *p, const struct tty_attr *new)
{
	const struct tty_attr *old = &p->n.attr;

	if (!p->packet)
		return;
	if (local_flow(old) != local_flow(new)) {
		p->status &= (uint8_t) ~(TIOCPKT_DOSTOP | TIOCPKT_NOSTOP);
		p->status |= local_flow(new) ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP;
	}
	if ((old->lflag | new->lflag) & EXTPROC)
		p->status |= TIOCPKT_IOCTL;
}

int pty_set_attr(struct tty *tty, struct file *f, const struct tty_attr *a, bool speeds, bool flush)
{
	struct pty *p = pty_of_tty(tty);
	struct tty_attr new = *a;
	bool told;

	pty_lock(p);
	if (flush) {
		p->in.tail = p->in.head;
		n_tty_flush_input(&p->n);
	}
	if (!speeds) {
		new.ispeed = p->n.attr.ispeed;
		new.ospeed = p->n.attr.ospeed;
	}
	tty_attr_speeds(&new);
	new.cflag = (new.cflag & ~(uint32_t)(CSIZE | PARENB)) | CS8 | CREAD;
	packet_attr_locked(p, &new);
	told = p->packet && p->status;
	n_tty_set_attr(&p->n, &new);
	pty_pump_locked(p);
	pty_unlock(p);
	/* Readers may find what they wait for under other rules. */
	waitq_wake_all(&p->slave_read);
	waitq_wake_all(&p->slave_write);
	if (told)
		waitq_wake_all(&p->master_read);
	return 0;
}

int pty_get_size(struct tty *tty, struct file *f, struct winsize *ws)
{
	struct pty *p = pty_of_tty(tty);

	pthread_mutex_lock(&p->lock);
	*ws = p->size;
	pthread_mutex_unlock(&p->lock);
	return 0;
}

int pty_set_size(struct tty *tty, struct file *f, const struct winsize *ws)
{
	struct pty *p = pty_of_tty(tty);
	bool changed;

	pthread_mutex_lock(&p->lock);
	changed = memcmp(&p->size, ws, sizeof(*ws)) != 0;
	p->size = *ws;
	pthread_mutex_unlock(&p->lock);
	if (changed)
		tty_signal(tty, SIGWINCH);
	return 0;
}

static void flush_towards_slave_locked(struct pty *p)
{
	p->in.tail = p->in.head;
}

int pty_flush(struct tty *tty, struct file *f, int queue)
{
	struct pty *p = pty_of_tty(tty);
	bool master = pty_of_master(f), in = queue == TCIFLUSH || queue == TCIOFLUSH,
	     out = queue == TCOFLUSH || queue == TCIOFLUSH;

	if (!in && !out)
		return -EINVAL;
	pty_lock(p);
	if (in && master)
		p->out.tail = p->out.head;
	if (in && !master) {
		flush_towards_slave_locked(p);
		n_tty_flush_input(&p->n);
	}
	if (out && master)
		flush_towards_slave_locked(p);
	if (out && !master)
		n_tty_flush_output(&p->n);
	pty_unlock(p);
	return 0;
}

static int master_flow(struct pty *p, int action)
{
	if (action < TCOOFF || action > TCION)
		return -EINVAL;
	pty_lock(p);
	if (action == TCOOFF || action == TCOON)
		p->master_stopped = action == TCOOFF;
	pty_unlock(p);
	if (action == TCOON)
		waitq_wake_all(&p->master_write);
	return 0;
}

int pty_flow(struct tty *tty, struct file *f, int action)
{
	struct pty *p = pty_of_tty(tty);
	uint8_t c;
	int r = 0;

	if (pty_of_master(f))
		return master_flow(p, action);
	pty_lock(p);
	switch (action) {
	case TCOOFF:
		n_tty_stop(&p->n, true);
		break;
	case TCOON:
		n_tty_start(&p->n, true);
		break;
	case TCIOFF:
	case TCION:
		/* The other end is asked, even where the output is stopped. */
		c = p->n.attr.cc[action == TCIOFF ? VSTOP : VSTART];
		if (c)
			ring_write(&p->out, &c, 1);
		break;
	default:
		r = -EINVAL;
	}
	pty_unlock(p);
	return r;
}

int pty_count(struct tty *tty, struct file *f, unsigned cmd)
{
	struct pty *p = pty_of_tty(tty);
	unsigned n = 0;

	pthread_mutex_lock(&p->lock);
	if (cmd == FIONREAD)
		n = pty_of_master(f) ? ring_used(&p->out) : n_tty_pending(&p->n);
	pthread_mutex_unlock(&p->lock);
	return (int)n;
}

int pty_type(struct tty *tty, struct file *f, uint8_t c)
{
	struct pty *p = pty_of_tty(tty);

	pty_lock(p);
	/* On the master it would be typed at the wrong end: what the slave has said. */
	if (pty_of_master(f))
		ring_write(&p->out, &c, 1);
	else
		n_tty_input(&p->n, &c, 1);
	pty_unlock(p);
	return 0;
}

/* ---- the master's own ---- */

static long put_int(struct task *t, uint64_t arg, int n)
{
	return copy_to_guest(task_mm(t), gva(arg), &n, sizeof(n));
}

static long get_int(struct task *t, uint64_t arg, int *n)
{
	return copy_from_guest(task_mm(t), n, gva(arg), sizeof(*n));
}

static long set_lock(struct pty *p, struct task *t, uint64_t arg)
{
	int on;

	if (get_int(t, arg, &on))
		return -EFAULT;
	pthread_mutex_lock(&p->lock);
	p->locked = on;
	pthread_mutex_unlock(&p->lock);
	return 0;
}

static long set_packet(struct pty *p, struct task *t, uint64_t arg)
{
	int on;

	if (get_int(t, arg, &on))
		return -EFAULT;
	pty_lock(p);
	if (on && !p->packet) {
		p->status = 0;
		p->n.events = 0;
	}
	p->packet = on;
	pty_unlock(p);
	return 0;
}

static long open_peer(struct pty *p, struct task *t, uint64_t arg)
{
	unsigned flags = (unsigned)arg;
	struct file *f;
	int err = pts_open_peer(p, t, flags, &f);
	long fd;

	if (err)
		return err;
	fd = install_file(t, f, flags & O_CLOEXEC);
	return fd == -EINVAL ? -EMFILE : fd;
}

static long get_flag(struct pty *p, struct task *t, uint64_t arg, const bool *flag)
{
	bool on;

	pthread_mutex_lock(&p->lock);
	on = *flag;
	pthread_mutex_unlock(&p->lock);
	return put_int(t, arg, on);
}

long pty_master_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct pty *p = pty_of_master(f);
	int sig = (int)arg;

	switch (cmd) {
	case TIOCGPTN:
		return put_int(t, arg, (int)p->index);
	case TIOCSPTLCK:
		return set_lock(p, t, arg);
	case TIOCGPTLCK_K:
		return get_flag(p, t, arg, &p->locked);
	case TIOCPKT:
		return set_packet(p, t, arg);
	case TIOCGPKT_K:
		return get_flag(p, t, arg, &p->packet);
	case TIOCGPTPEER:
		return open_peer(p, t, arg);
	case TIOCSIG:
		if (sig != SIGINT && sig != SIGQUIT && sig != SIGTSTP)
			return -EINVAL;
		tty_signal(&p->tty, sig);
		return 0;
	default:
		return tty_ioctl(&p->tty, f, true, t, cmd, arg);
	}
}

long pty_slave_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct pty *p = vfs_file(f)->priv;
	bool gone;

	pthread_mutex_lock(&p->lock);
	gone = p->hung_up;
	pthread_mutex_unlock(&p->lock);
	if (gone)
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	return tty_ioctl(&p->tty, f, false, t, cmd, arg);
}
