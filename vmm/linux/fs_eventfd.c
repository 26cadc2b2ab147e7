/*
 * eventfd(2): a counter as a file.
 *
 * Readers and writers wait exclusively, each kind on its own queue: one is woken at a time and
 * hands on what it leaves.
 */
#include "sys_fs.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#define COUNT_MAX (UINT64_MAX - 1)

struct eventfd {
	pthread_mutex_t lock;
	/* protected by lock: */
	uint64_t count;
	/* immutable: */
	bool semaphore;
	/* have their own locks: */
	struct waitq readable, writable;
};

static struct eventfd *efd_of(const struct file *f)
{
	return vfs_file(f)->priv;
}

static void efd_free(struct eventfd *e)
{
	waitq_destroy(&e->readable);
	waitq_destroy(&e->writable);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

static void efd_release(struct file *f)
{
	efd_free(efd_of(f));
	vfs_file_free(f);
}

static ssize_t efd_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			struct call *c)
{
	struct eventfd *e = efd_of(f);
	uint64_t v, left;
	int err;

	if (x->left < sizeof(v))
		return -EINVAL;
	pthread_mutex_lock(&e->lock);
	if (!e->count) {
		err = task ? waitq_add(&e->readable, task, true) : -EAGAIN;
		pthread_mutex_unlock(&e->lock);
		return err ? err : -EBLOCKED;
	}
	v = e->semaphore ? 1 : e->count;
	e->count -= v;
	left = e->count;
	pthread_mutex_unlock(&e->lock);
	waitq_hand(&e->writable);
	if (left)
		waitq_hand_on(&e->readable);
	/* As on Linux, the count is taken even if it cannot be stored. */
	return x->copy(x, &v, sizeof(v)) == sizeof(v) ? (ssize_t)sizeof(v) : -EFAULT;
}

/* The value is read once, by the first run. It stays "left" in x: an error moves nothing. */
static ssize_t efd_value(struct xfer *x, struct call *c, uint64_t *v)
{
	ssize_t n;

	if (c && c->have_word) {
		*v = c->word;
		return 0;
	}
	/* Not more either: Linux since 6.8. */
	if (x->left != sizeof(*v))
		return -EINVAL;
	n = x->copy(x, v, sizeof(*v));
	if (n > 0)
		xfer_back(x, (size_t)n);
	if (n != sizeof(*v))
		return -EFAULT;
	if (c) {
		c->word = *v;
		c->have_word = true;
	}
	return *v == UINT64_MAX ? -EINVAL : 0;
}

static ssize_t efd_write(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			 struct call *c)
{
	struct eventfd *e = efd_of(f);
	ssize_t err;
	uint64_t v;
	bool room;

	err = efd_value(x, c, &v);
	if (err)
		return err;
	pthread_mutex_lock(&e->lock);
	if (v > COUNT_MAX - e->count) {
		err = task ? waitq_add(&e->writable, task, true) : -EAGAIN;
		pthread_mutex_unlock(&e->lock);
		return err ? err : -EBLOCKED;
	}
	e->count += v;
	room = e->count < COUNT_MAX;
	pthread_mutex_unlock(&e->lock);
	/* A write of 0 is an event as well: Linux wakes for it. */
	waitq_hand(&e->readable);
	if (room)
		waitq_hand_on(&e->writable);
	return sizeof(v);
}

static unsigned efd_poll(struct file *f, struct sched_task *task)
{
	struct eventfd *e = efd_of(f);
	unsigned events = 0;
	uint64_t count;

	if (task && (waitq_add(&e->readable, task, false) || waitq_add(&e->writable, task, false)))
		return POLLERR;
	pthread_mutex_lock(&e->lock);
	count = e->count;
	pthread_mutex_unlock(&e->lock);
	if (count)
		events |= POLLIN;
	if (count == UINT64_MAX)
		events |= POLLERR;
	if (count < COUNT_MAX)
		events |= POLLOUT;
	return events;
}

static unsigned efd_poll_queues(struct file *f, unsigned events, struct waitq *wq[POLL_QUEUES])
{
	struct eventfd *e = efd_of(f);
	unsigned n = 0;

	if (events & POLLOUT)
		wq[n++] = &e->writable;
	if (events & POLLIN || !n)
		wq[n++] = &e->readable;
	return n;
}

static const struct vfs_file_ops efd_ops = {
	.core = {.release = efd_release},
	.read = efd_read,
	.write = efd_write,
	.poll = efd_poll,
	.poll_queues = efd_poll_queues,
	.lseek = anon_lseek,
};

static long do_eventfd(struct task *t, uint32_t count, unsigned flags)
{
	struct eventfd *e;
	struct file *f;
	int err;

	if (flags & ~(unsigned)(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
		return -EINVAL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	pthread_mutex_init(&e->lock, NULL);
	waitq_init(&e->readable);
	waitq_init(&e->writable);
	e->count = count;
	e->semaphore = flags & EFD_SEMAPHORE;
	err = anon_file(t->k, "[eventfd]", &efd_ops, O_RDWR | (flags & EFD_NONBLOCK), e, &f);
	if (err) {
		efd_free(e);
		return err;
	}
	return install_file(t, f, flags & EFD_CLOEXEC);
}

long sys_eventfd(struct task *t, struct call *c)
{
	return do_eventfd(t, (uint32_t)c->args[0], 0);
}

long sys_eventfd2(struct task *t, struct call *c)
{
	return do_eventfd(t, (uint32_t)c->args[0], (unsigned)c->args[1]);
}
