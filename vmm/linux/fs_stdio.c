/*
 * The host's descriptors 0, 1 and 2 as files of the guest.
 *
 * Their open file descriptions are shared with whoever started the VMM, so O_NONBLOCK is never set
 * on them. A transfer is tried in a way that cannot wait: RWF_NOWAIT (pipes), MSG_DONTWAIT
 * (sockets), a non-blocking description of our own (terminals); where a host has none of these,
 * poll first and move no more than poll promises. Not ready: the task waits on stdio->wq and the
 * reactor watches the descriptor. A regular file's offset is the host's shared one, as the programs
 * before and after us on the same descriptor expect.
 */
#include "process.h"
#include "pty.h"
#include "sys_fs.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#define STDIO_CHUNK 16384

static struct stdio *sd_of(const struct file *f)
{
	return vfs_file(f)->priv;
}

static void stdio_ready(void *arg, uint32_t events)
{
	struct stdio *s = arg;

	(void)events;
	waitq_wake_all(&s->wq);
}

/* The same for lasting interest, and for whoever asked for signals. */
static void stdio_edge(void *arg, uint32_t events)
{
	struct stdio *s = arg;

	if (events & (EPOLLIN | EPOLLHUP))
		async_tell(&s->async, ASYNC_IN);
	if (events & EPOLLOUT)
		async_tell(&s->async, ASYNC_OUT);
	waitq_wake_all(&s->wq);
}

static unsigned host_poll(const struct stdio *s, short events)
{
	struct pollfd p = {.fd = s->io_fd, .events = events};

	return poll(&p, 1, 0) > 0 ? (unsigned)p.revents : 0;
}

/* One read that cannot wait. Bytes or a negative errno; -EAGAIN: nothing there. */
static ssize_t read_now(struct stdio *s, void *buf, size_t len)
{
	struct iovec iov = {buf, len};
	ssize_t n;

	if (s->io_fd != s->fd || S_ISREG(s->type) || S_ISDIR(s->type) || S_ISBLK(s->type)) {
		n = read(s->io_fd, buf, len);
	} else if (S_ISSOCK(s->type)) {
		n = recv(s->fd, buf, len, MSG_DONTWAIT);
	} else {
		n = S_ISFIFO(s->type) ? preadv2(s->fd, &iov, 1, -1, RWF_NOWAIT)
				      : (errno = EOPNOTSUPP, -1);
		if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)) {
			if (!host_poll(s, POLLIN))
				return -EAGAIN;
			n = read(s->fd, buf, len);
		}
	}
	return n < 0 ? -errno : n;
}

static ssize_t write_now(struct stdio *s, const void *buf, size_t len)
{
	struct iovec iov = {(void *)(uintptr_t)buf, len};
	ssize_t n;

	if (s->io_fd != s->fd || S_ISREG(s->type) || S_ISDIR(s->type) || S_ISBLK(s->type)) {
		n = write(s->io_fd, buf, len);
	} else if (S_ISSOCK(s->type)) {
		n = send(s->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else {
		n = S_ISFIFO(s->type) ? pwritev2(s->fd, &iov, 1, -1, RWF_NOWAIT)
				      : (errno = EOPNOTSUPP, -1);
		if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)) {
			if (!(host_poll(s, POLLOUT) & (POLLOUT | POLLERR | POLLHUP)))
				return -EAGAIN;
			/* Writable means room for this much. */
			n = write(s->fd, buf, len < PIPE_BUF ? len : PIPE_BUF);
		}
	}
	return n < 0 ? -errno : n;
}

/* Queues the task, then arms the watch: what becomes ready in between fires at once. */
static int wait_for(struct stdio *s, struct sched_task *task, uint32_t events)
{
	int err = waitq_add(&s->wq, task, false);

	if (err)
		return err;
	watch_want(s->watch, events);
	return -EBLOCKED;
}

/* Who uses the terminal from the background: tty_check's results. */
static int check_io(const struct stdio *s, bool write)
{
	struct termios a;

	if (!s->tty || !task_current)
		return 0;
	if (!write)
		return tty_check(s->k->vfs->host_tty, task_current, SIGTTIN);
	if (tcgetattr(s->io_fd, &a) < 0 || !(a.c_lflag & TOSTOP))
		return 0;
	return tty_check(s->k->vfs->host_tty, task_current, SIGTTOU);
}

static ssize_t stdio_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			  struct call *c)
{
	struct stdio *s = sd_of(f);
	uint8_t buf[STDIO_CHUNK];
	ssize_t total = 0;
	int err = c && c->rerun ? 0 : check_io(s, false);

	if (err)
		return err;
	while (x->left) {
		size_t want = x->left < sizeof(buf) ? x->left : sizeof(buf);
		ssize_t n = read_now(s, buf, want), put;

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN && !total && task && s->watch)
			return wait_for(s, task, EPOLLIN);
		if (n <= 0)
			return total ? total : n;
		put = x->copy(x, buf, (size_t)n);
		if (put < n)
			return total || put > 0 ? total + (put > 0 ? put : 0) : -EFAULT;
		total += put;
		/* A terminal gives a line, a pipe what it has; a regular file all that was asked
		 * for. */
		if (!S_ISREG(s->type) || (size_t)n < want)
			break;
	}
	return total;
}

static ssize_t stdio_write(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			   struct call *c)
{
	struct stdio *s = sd_of(f);
	uint8_t buf[STDIO_CHUNK];
	ssize_t total = 0;
	int err = c && c->rerun ? 0 : check_io(s, true);

	if (err)
		return err;
	while (x->left) {
		ssize_t got = x->copy(x, buf, x->left < sizeof(buf) ? x->left : sizeof(buf)), n;

		if (got <= 0)
			return total ? total : got;
		do
			n = write_now(s, buf, (size_t)got);
		while (n == -EINTR);
		xfer_back(x, (size_t)(n < 0 ? got : got - n));
		if (n > 0)
			total += n;
		if (n == -EAGAIN || (n >= 0 && n < got && s->watch)) {
			if (n > 0)
				continue; /* until the host says it is full */
			if (!task || !s->watch)
				return total ? total : -EAGAIN;
			return wait_for(s, task, EPOLLOUT);
		}
		if (n < 0)
			return total ? total : n;
		if (n < got)
			break;
	}
	return total;
}

static unsigned stdio_poll(struct file *f, struct sched_task *task)
{
	struct stdio *s = sd_of(f);
	short mask = POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLWRNORM | POLLRDHUP;
	unsigned events, want = 0;

	if (!s->watch)
		return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	if (task && waitq_add(&s->wq, task, false))
		return POLLERR;
	events = host_poll(s, mask);
	if (task && (f->flags & O_ACCMODE) != O_WRONLY && !(events & POLLIN))
		want |= EPOLLIN;
	if (task && (f->flags & O_ACCMODE) != O_RDONLY && !(events & POLLOUT))
		want |= EPOLLOUT;
	if (want)
		watch_want(s->watch, want);
	return events;
}

/* The host tells every change from now on: arming it anew for each would lose edges or repeat them.
 */
static int watch_edges(struct stdio *s)
{
	int err = 0;

	pthread_mutex_lock(&s->inode->lock);
	if (!s->edge)
		err = watch_create_edge(s->k->reactor, s->io_fd,
					EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP, stdio_edge, s,
					&s->edge);
	pthread_mutex_unlock(&s->inode->lock);
	return err;
}

static unsigned stdio_poll_queues(struct file *f, unsigned events, struct waitq *wq[POLL_QUEUES])
{
	struct stdio *s = sd_of(f);

	(void)events;
	if (!s->watch)
		return 0;
	wq[0] = &s->wq;
	return watch_edges(s) ? 0 : 1;
}

static void stdio_async(struct file *f, struct async_place *at)
{
	struct stdio *s = sd_of(f);

	if (!s->watch || watch_edges(s))
		return;
	at->lists[at->n++] = &s->async;
	at->tty = s->tty;
	at->group = s->tty ? s->k->vfs->host_tty->pgrp : 0;
}

static int64_t stdio_lseek(struct file *f, int64_t off, int whence)
{
	struct stdio *s = sd_of(f);
	int64_t r = lseek(s->fd, off, whence);

	return r < 0 ? -errno : r;
}

static long stdio_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct stdio *s = sd_of(f);
	int n;

	if (s->tty)
		return tty_ioctl(s->k->vfs->host_tty, f, false, t, cmd, arg);
	if (cmd == FIONREAD) {
		if (ioctl(s->fd, FIONREAD, &n))
			return -errno;
		return copy_to_guest(task_mm(t), gva(arg), &n, sizeof(n));
	}
	return -ENOTTY;
}

static int stdio_fsync(struct file *f)
{
	return fsync(sd_of(f)->fd) ? -errno : 0;
}

static const struct vfs_file_ops stdio_ops = {
	.core = {.release = vfs_file_free},
	.read = stdio_read,
	.write = stdio_write,
	.poll = stdio_poll,
	.poll_queues = stdio_poll_queues,
	.async = stdio_async,
	.lseek = stdio_lseek,
	.ioctl = stdio_ioctl,
	.fsync = stdio_fsync,
	.slow_fsync = true,
};

/* ---- the inode ---- */

struct stdio_inode {
	struct inode i;
	struct stdio *s; /* lives until vfs_destroy */
};

static struct stdio *sd_of_inode(struct inode *i)
{
	return container_of(i, struct stdio_inode, i)->s;
}

static void stdio_attach(struct vfs_file *f, struct stdio *s)
{
	f->f.ops = &stdio_ops.core;
	f->stream = true;
	f->priv = s;
}

/* Opened again by /proc/self/fd/N or /dev/stdin: another file over the same description. */
static int stdio_inode_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	struct stdio *s = sd_of_inode(i);
	int host = fcntl(s->fd, F_GETFL), want = f->f.flags & O_ACCMODE;

	if (host < 0)
		return -EBADF;
	if ((host & O_ACCMODE) != O_RDWR && (host & O_ACCMODE) != want)
		return -EACCES;
	stdio_attach(f, s);
	return 0;
}

static int stdio_getattr(struct inode *i, struct vfs_attr *a)
{
	struct stat st;

	if (fstat(sd_of_inode(i)->fd, &st))
		return -errno;
	attr_from_stat(a, &st);
	return 0;
}

static int stdio_setattr(struct dentry *d, const struct vfs_setattr *s)
{
	int fd = sd_of_inode(d->inode)->fd;

	/* What the descriptor itself allows; the rest belongs to a host file that no name of the
	 * guest leads to. */
	if (s->valid & ATTR_SIZE)
		return ftruncate(fd, s->size) ? -errno : 0;
	return s->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -EPERM : 0;
}

static void stdio_inode_free(struct inode *i)
{
	inode_fini(i);
	free(container_of(i, struct stdio_inode, i));
}

static const struct inode_ops stdio_inode_ops = {
	.free = stdio_inode_free,
	.getattr = stdio_getattr,
	.setattr = stdio_setattr,
	.open = stdio_inode_open,
};

/*
 * A non-blocking description of our own for a terminal: a pty's slave or a console, whose node
 * opens the same device again (a pty's master does not). -1: not possible.
 */
static int reopen_tty(int fd, const struct stat *st)
{
	unsigned maj = major(st->st_rdev);
	char link[40];
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || !((maj >= 136 && maj <= 143) || maj == 4))
		return -1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return open(link, (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static int stdio_create(struct kernel *k, int fd, struct stdio **out)
{
	struct stdio_inode *si = calloc(1, sizeof(*si));
	struct stdio *s = calloc(1, sizeof(*s));
	struct stat st;
	int err = -ENOMEM;

	if (!s || !si)
		goto fail;
	if (fstat(fd, &st)) {
		err = -errno;
		goto fail;
	}
	s->k = k;
	s->fd = s->io_fd = fd;
	s->type = st.st_mode & S_IFMT;
	s->tty = S_ISCHR(st.st_mode) && isatty(fd);
	if (s->tty) {
		s->io_fd = reopen_tty(fd, &st);
		if (s->io_fd < 0)
			s->io_fd = fd;
	}
	if (s->tty) {
		err = host_tty_create(k, &st);
		if (err)
			goto close;
	}
	waitq_init(&s->wq);
	async_list_init(&s->async);
	if (!S_ISREG(s->type) && !S_ISDIR(s->type)) {
		err = watch_create(k->reactor, s->io_fd, stdio_ready, s, &s->watch);
		if (err && err != -EPERM)
			goto close;
	}
	inode_init(&si->i, k->vfs->anon[ANON_INODES], &stdio_inode_ops, st.st_mode, 0);
	si->i.uid = st.st_uid;
	si->i.gid = st.st_gid;
	si->s = s;
	s->inode = &si->i;
	*out = s;
	return 0;
close:
	if (s->io_fd != fd)
		close(s->io_fd);
fail:
	free(s);
	free(si);
	return err;
}

/* A file on a name of its own: what the host calls it. */
static int open_named(struct kernel *k, int host_fd, struct stdio *s, unsigned flags,
		      struct vfs_file **out)
{
	char link[40], name[VFS_PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", host_fd);
	n = readlink(link, name, sizeof(name) - 1);
	name[n > 0 ? n : 0] = 0;
	return vfs_open_anon(k, inode_get(s->inode), n > 0 ? name : "stdio", &stdio_ops, flags,
			     out);
}

int vfs_stdio_open(struct kernel *k, int host_fd, struct file **out)
{
	struct stdio *s = k->vfs->stdio[host_fd];
	int flags = fcntl(host_fd, F_GETFL), err;
	struct vfs_file *f;

	*out = NULL;
	if (flags < 0)
		return -EBADF;
	if (!s) {
		err = stdio_create(k, host_fd, &s);
		if (err)
			return err;
		k->vfs->stdio[host_fd] = s;
	}
	flags &= O_ACCMODE | O_APPEND | O_NONBLOCK | (int)arch_o_largefile;
	err = s->tty ? pts_open_host(k->vfs, (unsigned)flags, &f)
		     : open_named(k, host_fd, s, (unsigned)flags, &f);
	if (err)
		return err;
	stdio_attach(f, s);
	*out = &f->f;
	return 0;
}

int stdio_attach_ctty(struct vfs_file *f)
{
	struct vfs *v = f->k->vfs;
	int want = f->f.flags & O_ACCMODE;

	for (int i = 0; i < 3; i++) {
		struct stdio *s = v->stdio[i];
		int host = s && s->tty ? fcntl(s->fd, F_GETFL) & O_ACCMODE : -1;

		if (host == O_RDWR || host == want) {
			stdio_attach(f, s);
			return 0;
		}
	}
	return -ENXIO;
}

void stdio_destroy(struct vfs *v)
{
	for (int i = 0; i < 3; i++) {
		struct stdio *s = v->stdio[i];

		if (!s)
			continue;
		if (s->watch)
			watch_destroy(s->watch);
		watch_destroy(s->edge);
		waitq_destroy(&s->wq);
		async_list_fini(&s->async);
		if (s->io_fd != s->fd)
			close(s->io_fd);
		inode_put(s->inode);
		free(s);
		v->stdio[i] = NULL;
	}
}
