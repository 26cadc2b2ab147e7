/*
 * Pseudo-terminals as files: the pair, reads, writes and polls at both ends. pty(7).
 *
 * What the master writes goes to the line discipline at once, as long as that has room, so an echo
 * is there and a signal sent before the write returns.
 */
#include "pty.h"
#include "process.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>

#define DECISECOND 100000000LL /* ns: the unit of VTIME */

static struct pty *pty_of(const struct file *f)
{
	return vfs_file(f)->priv;
}

/* ---- the pair ---- */

static void pty_free(struct tty *tty)
{
	struct pty *p = container_of(tty, struct pty, tty);

	waitq_destroy(&p->master_read);
	waitq_destroy(&p->master_write);
	waitq_destroy(&p->slave_read);
	waitq_destroy(&p->slave_write);
	async_list_fini(&p->master_async);
	async_list_fini(&p->slave_async);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

struct pty *pty_create(struct kernel *k)
{
	struct pty *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	/* Its number is set when it has one. */
	tty_init(&p->tty, &pty_driver, k, PTS_MAJOR, 0);
	pthread_mutex_init(&p->lock, NULL);
	p->in = (struct tty_ring){.buf = p->in_buf, .size = sizeof(p->in_buf)};
	p->out = (struct tty_ring){.buf = p->out_buf, .size = sizeof(p->out_buf)};
	n_tty_init(&p->n, &p->out, PTY_OUT_KEEP);
	p->locked = true;
	waitq_init(&p->master_read);
	waitq_init(&p->master_write);
	waitq_init(&p->slave_read);
	waitq_init(&p->slave_write);
	async_list_init(&p->master_async);
	async_list_init(&p->slave_async);
	return p;
}

void pty_lock(struct pty *p)
{
	pthread_mutex_lock(&p->lock);
	p->seen.in_tail = p->in.tail;
	p->seen.out_head = p->out.head;
	p->seen.out_tail = p->out.tail;
	p->seen.head = p->n.head;
	p->seen.canon = p->n.canon;
	p->seen.stopped = p->n.stopped;
}

/* What a master in packet mode is told: TIOCPKT_STOP and its kind have n_tty.h's values. */
static bool note_events_locked(struct pty *p)
{
	static const unsigned opposite = N_TTY_STOP | N_TTY_START;
	unsigned events = p->n.events;

	p->n.events = 0;
	if (!p->packet || !events)
		return false;
	if (events & opposite)
		p->status &= (uint8_t)~opposite;
	p->status |= (uint8_t)events;
	return true;
}

void pty_unlock(struct pty *p)
{
	bool told = note_events_locked(p), master_read, master_write, slave_read, slave_write;
	uint64_t signals = p->n.signals;

	p->n.signals = 0;
	master_read = told || p->out.head != p->seen.out_head;
	master_write = p->in.tail != p->seen.in_tail;
	slave_read =
		n_tty_canonical(&p->n) ? p->n.canon != p->seen.canon : p->n.head != p->seen.head;
	slave_write = p->out.tail != p->seen.out_tail || (p->seen.stopped && !p->n.stopped);
	if (p->out.head != p->seen.out_head)
		async_tell(&p->master_async, ASYNC_IN);
	if (slave_read)
		async_tell(&p->slave_async, ASYNC_IN);
	if (master_write && p->master_short)
		async_tell(&p->master_async, ASYNC_OUT);
	if (slave_write && p->slave_short)
		async_tell(&p->slave_async, ASYNC_OUT);
	p->master_short = p->master_short && !master_write;
	p->slave_short = p->slave_short && !slave_write;
	pthread_mutex_unlock(&p->lock);
	if (master_read)
		waitq_wake_all(&p->master_read);
	if (master_write)
		waitq_wake_all(&p->master_write);
	if (slave_read)
		waitq_wake_all(&p->slave_read);
	if (slave_write)
		waitq_wake_all(&p->slave_write);
	for (int sig = 1; signals; sig++, signals >>= 1)
		if (signals & 1)
			tty_signal(&p->tty, sig);
}

void pty_pump_locked(struct pty *p)
{
	for (;;) {
		uint32_t at = p->in.tail & (p->in.size - 1), len = ring_used(&p->in);
		size_t n;

		if (len > p->in.size - at)
			len = p->in.size - at;
		n = len ? n_tty_input(&p->n, p->in.buf + at, len) : 0;
		if (!n)
			return;
		p->in.tail += (uint32_t)n;
	}
}

/* Queues the task on wq, with the lock held; without a task the answer is err. */
static ssize_t wait_locked(struct waitq *wq, struct sched_task *task, ssize_t err)
{
	int r;

	if (!task)
		return err;
	r = waitq_add(wq, task, false);
	return r ? r : -EBLOCKED;
}

/* Moves n bytes that have been taken out of the terminal to the reader. */
static ssize_t hand_over(struct xfer *x, void *buf, size_t n)
{
	return x->copy(x, buf, n) == (ssize_t)n ? (ssize_t)n : -EFAULT;
}

/* ---- the master ---- */

static bool slave_gone(const struct pty *p)
{
	return p->was_open && !p->slaves;
}

static ssize_t master_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			   struct call *c)
{
	struct pty *p = pty_of(f);
	uint8_t buf[PTY_READ_CHUNK];
	size_t n = 0, len = x->left < sizeof(buf) ? x->left : sizeof(buf);
	ssize_t r = 0;

	if (!len)
		return 0;
	pty_lock(p);
	if (p->packet && p->status) {
		buf[n++] = p->status;
		p->status = 0;
	} else if (ring_used(&p->out)) {
		if (p->packet)
			buf[n++] = TIOCPKT_DATA;
		n += ring_read(&p->out, buf + n, len - n);
		n_tty_drain(&p->n);
	} else if (slave_gone(p)) {
		r = -EIO;
	} else {
		r = wait_locked(&p->master_read, task, -EAGAIN);
	}
	pty_unlock(p);
	return r ? r : hand_over(x, buf, n);
}

static ssize_t master_write(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			    struct call *c)
{
	struct pty *p = pty_of(f);
	ssize_t total = 0, r = 0;

	while (x->left && !r) {
		uint8_t buf[PTY_READ_CHUNK];
		ssize_t got = x->copy(x, buf, x->left < sizeof(buf) ? x->left : sizeof(buf));
		size_t n = 0;

		if (got <= 0)
			return total ? total : got;
		pty_lock(p);
		if (!p->master_stopped)
			n = ring_write(&p->in, buf, (size_t)got);
		pty_pump_locked(p);
		total += (ssize_t)n;
		if (!n) {
			r = wait_locked(&p->master_write, task, total ? total : -EAGAIN);
			p->master_short = async_wanted(&p->master_async);
		}
		xfer_back(x, (size_t)got - n);
		pty_unlock(p);
	}
	return r ? r : total;
}

static unsigned master_poll(struct file *f, struct sched_task *task)
{
	struct pty *p = pty_of(f);
	unsigned events = 0;

	if (task &&
	    (waitq_add(&p->master_read, task, false) || waitq_add(&p->master_write, task, false)))
		return POLLERR;
	pthread_mutex_lock(&p->lock);
	if (ring_used(&p->out))
		events |= POLLIN | POLLRDNORM;
	if (p->packet && p->status)
		events |= POLLPRI | POLLIN | POLLRDNORM;
	if (slave_gone(p))
		events |= POLLHUP;
	if (!p->master_stopped && ring_room(&p->in))
		events |= POLLOUT | POLLWRNORM;
	pthread_mutex_unlock(&p->lock);
	return events;
}

static unsigned master_queues(struct file *f, unsigned events, struct waitq *wq[POLL_QUEUES])
{
	struct pty *p = pty_of(f);

	wq[0] = &p->master_read;
	wq[1] = &p->master_write;
	return events & POLLOUT ? 2 : 1;
}

static void master_async(struct file *f, struct async_place *at)
{
	at->lists[at->n++] = &pty_of(f)->master_async;
	at->tty = true;
}

static void master_release(struct file *f)
{
	struct pty *p = pty_of(f);
	struct vfs *v = vfs_file(f)->k->vfs;
	bool last;

	if (!p) { /* its open failed */
		vfs_file_free(f);
		return;
	}
	pts_remove(p);
	pty_lock(p);
	p->hung_up = true;
	n_tty_flush_input(&p->n);
	p->out.tail = p->out.head;
	p->in.tail = p->in.head;
	last = !p->slaves;
	pty_unlock(p);
	waitq_wake_all(&p->slave_read);
	waitq_wake_all(&p->slave_write);
	tty_hangup(&p->tty);
	if (last)
		pts_free_index(v, p->index);
	vfs_file_free(f);
	tty_put(&p->tty);
}

static const struct vfs_file_ops master_ops = {
	.core = {.release = master_release},
	.read = master_read,
	.write = master_write,
	.poll = master_poll,
	.poll_queues = master_queues,
	.async = master_async,
	.ioctl = pty_master_ioctl,
};

struct pty *pty_of_master(const struct file *f)
{
	return f->ops == &master_ops.core ? pty_of(f) : NULL;
}

void pty_attach_master(struct pty *p, struct vfs_file *f)
{
	f->f.ops = &master_ops.core;
	f->stream = true;
	f->priv = p;
}

/* ---- the slave ---- */

/* The call's deadline is d from now on. */
static void set_deadline(struct call *c, struct sched_task *task, int64_t d)
{
	c->deadline = d;
	sched_deadline(task, d);
}

static bool timed_out(const struct call *c)
{
	return c && c->deadline != TIME_NEVER && core_now() >= c->deadline;
}

/*
 * Nothing (more) is there: what that means with VMIN and VTIME. 0: the call ends. fresh: something
 * has come since it waited last. Lock held.
 */
static ssize_t slave_wait_locked(struct pty *p, struct sched_task *task, struct call *c, bool fresh)
{
	const struct tty_attr *a = &p->n.attr;
	bool raw = !n_tty_canonical(&p->n);
	int64_t time = raw ? a->cc[VTIME] * DECISECOND : 0;
	unsigned min = raw ? a->cc[VMIN] : 1;

	if ((raw && !min && !time) || timed_out(c))
		return 0;
	if (!task || !c)
		return -EAGAIN;
	/* Without VMIN the time runs from the call on, with it from byte to byte. */
	if (time && (min ? fresh : c->deadline == TIME_NEVER))
		set_deadline(c, task, time_add(core_now(), time));
	return wait_locked(&p->slave_read, task, -EAGAIN);
}

static bool slave_enough(const struct pty *p, size_t done)
{
	return n_tty_canonical(&p->n) || done >= p->n.attr.cc[VMIN];
}

static ssize_t slave_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			  struct call *c)
{
	struct pty *p = pty_of(f);
	size_t done = c ? (size_t)c->progress : 0;
	bool again = c && c->rerun, fresh = false;
	ssize_t r = 0;

	if (!again && task_current)
		r = tty_check(&p->tty, task_current, SIGTTIN);
	while (!r && x->left) {
		uint8_t buf[PTY_READ_CHUNK];
		size_t n = 0;
		bool more = false, enough = true;

		pty_lock(p);
		if (p->hung_up) {
			/* Who was waiting is told otherwise than who comes later: as Linux does. */
			r = again ? -EIO : 0;
		} else if (n_tty_readable(&p->n, 1)) {
			n = n_tty_read(&p->n, buf, x->left < sizeof(buf) ? x->left : sizeof(buf));
			enough = slave_enough(p, done + n);
			more = !n_tty_canonical(&p->n) && n == sizeof(buf);
			pty_pump_locked(p);
		} else {
			r = slave_wait_locked(p, task, c, fresh);
		}
		pty_unlock(p);
		if (n && hand_over(x, buf, n) < 0)
			return -EFAULT;
		done += n;
		fresh = n;
		if (enough && !more)
			break;
	}
	return r;
}

static ssize_t slave_write(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			   struct call *c)
{
	struct pty *p = pty_of(f);
	ssize_t total = 0, r = 0;
	bool tostop;

	if (!(c && c->rerun)) {
		pthread_mutex_lock(&p->lock);
		tostop = !p->hung_up && p->n.attr.lflag & TOSTOP;
		pthread_mutex_unlock(&p->lock);
		if (tostop && task_current)
			r = tty_check(&p->tty, task_current, SIGTTOU);
	}
	while (!r && x->left) {
		uint8_t buf[PTY_READ_CHUNK];
		ssize_t got = x->copy(x, buf, x->left < sizeof(buf) ? x->left : sizeof(buf));
		size_t n = 0;

		if (got <= 0)
			return total ? total : got;
		pty_lock(p);
		if (p->hung_up)
			r = -EIO;
		else
			n = n_tty_output(&p->n, buf, (size_t)got);
		total += (ssize_t)n;
		if (!r && !n) {
			r = wait_locked(&p->slave_write, task, total ? total : -EAGAIN);
			p->slave_short = async_wanted(&p->slave_async);
		}
		xfer_back(x, (size_t)got - n);
		pty_unlock(p);
	}
	return r ? r : total;
}

static unsigned slave_poll(struct file *f, struct sched_task *task)
{
	struct pty *p = pty_of(f);
	unsigned events = 0, min;

	if (task &&
	    (waitq_add(&p->slave_read, task, false) || waitq_add(&p->slave_write, task, false)))
		return POLLERR;
	pthread_mutex_lock(&p->lock);
	min = p->n.attr.cc[VTIME] ? 1 : p->n.attr.cc[VMIN];
	if (p->hung_up)
		events = POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;
	if (n_tty_readable(&p->n, min))
		events |= POLLIN | POLLRDNORM;
	/* A byte may become a few. */
	if (!p->n.stopped && ring_room(&p->out) > 8 && !ring_used(&p->n.echo))
		events |= POLLOUT | POLLWRNORM;
	pthread_mutex_unlock(&p->lock);
	return events;
}

static unsigned slave_queues(struct file *f, unsigned events, struct waitq *wq[POLL_QUEUES])
{
	struct pty *p = pty_of(f);

	wq[0] = &p->slave_read;
	wq[1] = &p->slave_write;
	return events & POLLOUT ? 2 : 1;
}

static void slave_async(struct file *f, struct async_place *at)
{
	at->lists[at->n++] = &pty_of(f)->slave_async;
	at->tty = true;
	at->group = pty_of(f)->tty.pgrp;
}

static void slave_release(struct file *f)
{
	struct pty *p = pty_of(f);
	struct vfs *v = vfs_file(f)->k->vfs;
	bool last, over;

	pty_lock(p);
	last = --p->slaves == 0;
	over = last && p->hung_up;
	pty_unlock(p);
	if (last) {
		waitq_wake_all(&p->master_read);
		waitq_wake_all(&p->master_write);
	}
	if (over)
		pts_free_index(v, p->index);
	vfs_file_free(f);
	tty_put(&p->tty);
}

static int tty_fsync(struct file *f)
{
	return -EINVAL;
}

static const struct vfs_file_ops slave_ops = {
	.core = {.release = slave_release},
	.read = slave_read,
	.write = slave_write,
	.poll = slave_poll,
	.poll_queues = slave_queues,
	.async = slave_async,
	.ioctl = pty_slave_ioctl,
	.fsync = tty_fsync,
};

int pty_attach_slave(struct pty *p, struct vfs_file *f)
{
	int err = 0;

	pty_lock(p);
	if (p->hung_up || p->locked) {
		err = -EIO;
	} else {
		p->slaves++;
		p->was_open = true;
	}
	pty_unlock(p);
	if (err)
		return err;
	tty_get(&p->tty);
	f->f.ops = &slave_ops.core;
	f->stream = true;
	f->priv = p;
	return 0;
}

static int pty_open(struct tty *tty, struct vfs_file *f, struct task *t)
{
	return pty_attach_slave(container_of(tty, struct pty, tty), f);
}

const struct tty_driver pty_driver = {
	.free = pty_free,
	.open = pty_open,
	.get_attr = pty_get_attr,
	.set_attr = pty_set_attr,
	.get_size = pty_get_size,
	.set_size = pty_set_size,
	.flush = pty_flush,
	.flow = pty_flow,
	.count = pty_count,
	.type = pty_type,
};
