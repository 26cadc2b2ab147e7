/*
 * Named pipes: fifo(7) over core/pipe.
 *
 * The pipe hangs on the inode, of whatever file system, as long as somebody has it open; the host's
 * own FIFOs are never opened. i->lock protects the fifo. Who opens one end waits until the other
 * has been opened since, be it closed again by then: opens are counted.
 */
#include "fs_pipe.h"

#include <poll.h>
#include <stdlib.h>

struct fifo {
	struct pipe *pipe;
	unsigned ends; /* descriptor references */
	uint32_t reads_opened, writes_opened;
	struct waitq wq; /* openers */
};

static bool reads(const struct file *f)
{
	return (f->flags & O_ACCMODE) != O_WRONLY;
}

static bool writes(const struct file *f)
{
	return (f->flags & O_ACCMODE) != O_RDONLY;
}

/* i->lock held. */
static int get_fifo(struct inode *i)
{
	struct fifo *fi = i->fifo ? NULL : calloc(1, sizeof(*fi));

	if (i->fifo)
		return 0;
	if (fi)
		fi->pipe = pipe_create();
	if (!fi || !fi->pipe) {
		free(fi);
		return -ENOMEM;
	}
	/* Ours until it has an end: nobody reads or writes yet. */
	pipe_get(fi->pipe);
	pipe_reader_put(fi->pipe);
	pipe_writer_put(fi->pipe);
	waitq_init(&fi->wq);
	i->fifo = fi;
	return 0;
}

/* i->lock held: nobody has it open. */
static void drop_fifo(struct inode *i)
{
	struct fifo *fi = i->fifo;

	i->fifo = NULL;
	waitq_destroy(&fi->wq);
	pipe_put(fi->pipe);
	free(fi);
}

static void fifo_on_dup(struct file *f)
{
	struct inode *i = file_inode(f);

	pthread_mutex_lock(&i->lock);
	i->fifo->ends++;
	pthread_mutex_unlock(&i->lock);
	if (reads(f))
		pipe_reader_get(vfs_file(f)->priv);
	if (writes(f))
		pipe_writer_get(vfs_file(f)->priv);
}

static void fifo_on_close(struct file *f)
{
	struct inode *i = file_inode(f);
	struct pipe *p = vfs_file(f)->priv;

	if (reads(f))
		pipe_reader_put(p);
	if (writes(f))
		pipe_writer_put(p);
	pthread_mutex_lock(&i->lock);
	if (!--i->fifo->ends)
		drop_fifo(i);
	pthread_mutex_unlock(&i->lock);
}

static void fifo_release(struct file *f)
{
	pipe_put(vfs_file(f)->priv);
	vfs_file_free(f);
}

/* A reader is not told of the end before the first writer has come. */
static unsigned fifo_poll(struct file *f, struct sched_task *task)
{
	struct inode *i = file_inode(f);
	unsigned events = pipe_file_poll(f, task);
	bool same;

	if (!(events & POLLHUP))
		return events;
	pthread_mutex_lock(&i->lock);
	/* An epoll may still poll what is being closed. */
	same = i->fifo && i->fifo->writes_opened == (uint32_t)(vfs_file(f)->priv2 >> 32);
	pthread_mutex_unlock(&i->lock);
	return same ? events & ~(unsigned)POLLHUP : events;
}

const struct vfs_file_ops fifo_file_ops = {
	.core = {.on_dup = fifo_on_dup, .on_close = fifo_on_close, .release = fifo_release},
	.read = pipe_file_read,
	.write = pipe_file_write,
	.poll = fifo_poll,
	.poll_queues = pipe_file_queues,
	.async = pipe_file_async,
	.ioctl = pipe_file_ioctl,
};

#define WAITS 1U /* in priv2: for the other end; above it what was counted at the open */

int fifo_open(struct inode *i, struct vfs_file *f)
{
	struct fifo *fi;
	int err;

	pthread_mutex_lock(&i->lock);
	err = get_fifo(i);
	fi = i->fifo;
	if (!err && (f->f.flags & O_ACCMODE) == O_WRONLY && (f->f.flags & O_NONBLOCK) &&
	    (pipe_poll(fi->pipe, true, NULL) & POLLERR)) {
		err = -ENXIO;
		if (!fi->ends)
			drop_fifo(i);
	}
	if (err) {
		pthread_mutex_unlock(&i->lock);
		return err;
	}
	f->priv = fi->pipe;
	f->stream = true;
	pipe_get(fi->pipe);
	fi->ends++;
	f->priv2 = (uint64_t)fi->writes_opened << 32;
	if (!writes(&f->f)) {
		pipe_reader_get(fi->pipe);
		fi->reads_opened++;
		if (!(f->f.flags & O_NONBLOCK) && (pipe_poll(fi->pipe, false, NULL) & POLLHUP))
			f->priv2 |= WAITS;
	} else if (!reads(&f->f)) {
		pipe_writer_get(fi->pipe);
		fi->writes_opened++;
		if (pipe_poll(fi->pipe, true, NULL) & POLLERR)
			f->priv2 = (uint64_t)fi->reads_opened << 32 | WAITS;
	} else {
		pipe_reader_get(fi->pipe);
		pipe_writer_get(fi->pipe);
		fi->reads_opened++;
		fi->writes_opened++;
	}
	f->f.ops = &fifo_file_ops.core;
	waitq_wake_all(&fi->wq);
	pthread_mutex_unlock(&i->lock);
	return 0;
}

int fifo_wait(struct file *f, struct sched_task *task)
{
	struct vfs_file *vf = vfs_file(f);
	struct inode *i = file_inode(f);
	int err = 0;

	if (f->ops != &fifo_file_ops.core || !(vf->priv2 & WAITS))
		return 0;
	pthread_mutex_lock(&i->lock);
	if ((uint32_t)(vf->priv2 >> 32) ==
	    (writes(f) ? i->fifo->reads_opened : i->fifo->writes_opened)) {
		err = task ? waitq_add(&i->fifo->wq, task, false) : -EAGAIN;
		if (!err)
			err = -EBLOCKED;
	}
	if (!err)
		vf->priv2 &= ~(uint64_t)WAITS;
	pthread_mutex_unlock(&i->lock);
	return err;
}
