/*
 * Pipes as files: pipe(7) over core/pipe, whose reader and writer counts follow the descriptor
 * references.
 *
 * Both ends share an inode, so /proc/self/fd/N of either can be opened again (as a shell's <(...)
 * does). The inode outlives the pipe, which goes with its last reference; the inode counts them to
 * know.
 */
#include "fs_pipe.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

struct pipe_inode {
	struct inode i;
	struct pipe *pipe; /* protected by i.lock; NULL: gone */
	unsigned refs;     /* descriptor references of all ends; protected by i.lock */
};

static const struct vfs_file_ops pipe_file_ops;

static struct pipe_inode *pi(struct inode *i)
{
	return container_of(i, struct pipe_inode, i);
}

static struct pipe *pipe_of(const struct file *f)
{
	return vfs_file(f)->priv;
}

static bool reads(const struct file *f)
{
	return (f->flags & O_ACCMODE) != O_WRONLY;
}

static bool writes(const struct file *f)
{
	return (f->flags & O_ACCMODE) != O_RDONLY;
}

static void ends_get(const struct file *f)
{
	if (reads(f))
		pipe_reader_get(pipe_of(f));
	if (writes(f))
		pipe_writer_get(pipe_of(f));
}

static void pipe_on_dup(struct file *f)
{
	struct pipe_inode *p = pi(file_inode(f));

	pthread_mutex_lock(&p->i.lock);
	p->refs++;
	pthread_mutex_unlock(&p->i.lock);
	ends_get(f);
}

static void pipe_on_close(struct file *f)
{
	struct pipe_inode *p = pi(file_inode(f));

	if (!pipe_of(f)) /* its open failed */
		return;
	pthread_mutex_lock(&p->i.lock);
	if (!--p->refs)
		p->pipe = NULL;
	pthread_mutex_unlock(&p->i.lock);
	if (reads(f))
		pipe_reader_put(pipe_of(f));
	if (writes(f))
		pipe_writer_put(pipe_of(f));
}

ssize_t pipe_file_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
		       struct call *c)
{
	return pipe_read(pipe_of(f), x, task);
}

ssize_t pipe_file_write(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			struct call *c)
{
	return pipe_write(pipe_of(f), x, x->left + (c ? c->progress : 0), task);
}

unsigned pipe_file_poll(struct file *f, struct sched_task *task)
{
	unsigned events = 0;

	if (reads(f))
		events |= pipe_poll(pipe_of(f), false, task);
	if (writes(f))
		events |= pipe_poll(pipe_of(f), true, task);
	if (events & POLLIN)
		events |= POLLRDNORM;
	if (events & POLLOUT)
		events |= POLLWRNORM;
	return events;
}

long pipe_file_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	int n;

	if (cmd != FIONREAD)
		return -ENOTTY;
	n = (int)pipe_bytes(pipe_of(f));
	return copy_to_guest(task_mm(t), gva(arg), &n, sizeof(n));
}

struct pipe *pipe_of_file(const struct file *f)
{
	return f->ops == &pipe_file_ops.core || f->ops == &fifo_file_ops.core ? pipe_of(f) : NULL;
}

long pipe_file_size(struct file *f, uint64_t set)
{
	if (!pipe_of_file(f))
		return -EBADF;
	if (!set)
		return (long)pipe_size(pipe_of(f));
	return pipe_set_size(pipe_of(f), set > UINT32_MAX ? SIZE_MAX : (size_t)set);
}

unsigned pipe_file_queues(struct file *f, unsigned events, struct waitq *wq[POLL_QUEUES])
{
	unsigned n = 0;

	(void)events;
	if (reads(f))
		n += pipe_queues(pipe_of(f), false, wq);
	if (writes(f))
		n += pipe_queues(pipe_of(f), true, wq + n);
	return n;
}

void pipe_file_async(struct file *f, struct async_place *at)
{
	if (reads(f))
		at->lists[at->n++] = pipe_async(pipe_of(f), false);
	if (writes(f))
		at->lists[at->n++] = pipe_async(pipe_of(f), true);
}

/* The pipe stays for pollers without a reference until its last file goes. */
static void pipe_release(struct file *f)
{
	if (pipe_of(f))
		pipe_put(pipe_of(f));
	vfs_file_free(f);
}

static const struct vfs_file_ops pipe_file_ops = {
	.core = {.on_dup = pipe_on_dup, .on_close = pipe_on_close, .release = pipe_release},
	.read = pipe_file_read,
	.write = pipe_file_write,
	.poll = pipe_file_poll,
	.poll_queues = pipe_file_queues,
	.async = pipe_file_async,
	.ioctl = pipe_file_ioctl,
};

static void pipe_attach(struct vfs_file *f, struct pipe *p)
{
	f->f.ops = &pipe_file_ops.core;
	f->stream = true;
	f->priv = p;
	pipe_get(p);
}

/* Another end: /proc/PID/fd/N. */
static int pipe_inode_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	struct pipe_inode *p = pi(i);
	int err = -ENXIO;

	pthread_mutex_lock(&i->lock);
	if (p->pipe) {
		pipe_attach(f, p->pipe);
		p->refs++;
		ends_get(&f->f);
		err = 0;
	}
	pthread_mutex_unlock(&i->lock);
	return err;
}

static void pipe_inode_free(struct inode *i)
{
	inode_fini(i);
	free(pi(i));
}

static const struct inode_ops pipe_inode_ops = {
	.free = pipe_inode_free,
	.setattr = inode_setattr_sizeless,
	.open = pipe_inode_open,
};

int pipe_files(struct task *t, unsigned flags, struct file *out[2])
{
	struct vfs *v = t->k->vfs;
	struct pipe_inode *p = calloc(1, sizeof(*p));
	struct vfs_file *f[2] = {NULL, NULL};
	struct cred cred;
	char name[40];
	int err;

	if (!p)
		return -ENOMEM;
	task_cred(t, &cred);
	inode_init(&p->i, v->anon[ANON_PIPES], &pipe_inode_ops, S_IFIFO | 0600, 0);
	p->i.uid = cred.fsuid;
	p->i.gid = cred.fsgid;
	snprintf(name, sizeof(name), "pipe:[%llu]", (unsigned long long)p->i.ino);
	/* The inode goes with the first file: hold it for the second. */
	inode_get(&p->i);
	err = vfs_open_anon(t->k, &p->i, name, &pipe_file_ops, flags | O_RDONLY, &f[0]);
	if (!err)
		err = vfs_open_path(t->k, &f[0]->path, O_PATH | flags, t, &out[1]);
	if (!err) {
		p->pipe = pipe_create();
		err = p->pipe ? 0 : -ENOMEM;
		f[1] = vfs_file(out[1]);
	}
	if (err) {
		if (f[1])
			vfs_file_free(&f[1]->f);
		if (f[0])
			vfs_file_free(&f[0]->f);
		inode_put(&p->i);
		return err;
	}
	p->refs = 2;
	pipe_attach(f[0], p->pipe);
	pipe_attach(f[1], p->pipe);
	f[1]->opath = false;
	f[1]->f.flags = flags | O_WRONLY;
	inode_put(&p->i);
	out[0] = &f[0]->f;
	return 0;
}
