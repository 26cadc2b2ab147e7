/*
 * Sockets as files: read, write, poll, ioctl.
 */
#include "socket.h"

#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static const struct vfs_file_ops socket_ops;
static _Atomic uint64_t cookies;

struct socket *socket_of(const struct file *f)
{
	return f->ops == &socket_ops.core ? vfs_file(f)->priv : NULL;
}

struct socket *call_socket(struct task *t, struct call *c, int fd, int *err)
{
	struct file *f = call_io_file(t, c, 0, fd);
	struct socket *so = f ? socket_of(f) : NULL;

	*err = !f ? -EBADF : !so ? -ENOTSOCK : 0;
	return so;
}

static void socket_release(struct file *f)
{
	struct socket *so = socket_of(f);

	if (so->s) {
		unix_remove(so);
		unix_unbind(so);
		sock_release(so->s);
	}
	free(so);
	vfs_file_free(f);
}

void task_sock_cred(struct task *t, struct sock_cred *out)
{
	struct cred cred;

	task_cred(t, &cred);
	out->pid = t->p->pid;
	out->uid = cred.euid;
	out->gid = cred.egid;
}

int task_sock_groups(struct task *t, struct sock *s)
{
	struct sock_groups *g;
	struct cred cred;

	task_cred(t, &cred);
	g = sock_groups_create(cred.groups, cred.ngroups);
	if (!g)
		return -ENOMEM;
	sock_set_groups(s, g);
	return 0;
}

long socket_pipe(struct task *t, bool nosignal)
{
	struct siginfo_k info = {.si_signo = SIGPIPE};

	info.u.rt.pid = (int32_t)t->p->pid;
	if (!nosignal)
		signal_send_task(t, SIGPIPE, &info);
	return -EPIPE;
}

struct sched_task *socket_waiter(struct task *t, struct call *c, bool nonblock, int64_t timeo)
{
	if (timeo && !nonblock) {
		call_set_deadline(t, c, time_add(core_now(), timeo));
		nonblock = call_timed_out(t, c);
	}
	return call_waiter(t, c, nonblock);
}

long socket_result(struct call *c, long r, bool nonblock, int64_t timeo)
{
	if (r == -EAGAIN && c->interrupted && !nonblock &&
	    (c->deadline == TIME_NEVER || core_now() < c->deadline))
		return timeo ? -EINTR : -ERESTARTSYS;
	return r;
}

static struct task *task_of(struct call *c)
{
	return container_of(c, struct task, call);
}

static ssize_t socket_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			   struct call *c)
{
	struct socket *so = socket_of(f);
	struct sock_recv r = {.x = x, .split = sock_pass(so->s)};
	int64_t timeo = so->rcvtimeo;
	ssize_t n;

	(void)pos;
	if (!x->left)
		return 0;
	if (task && c && timeo)
		task = socket_waiter(task_of(c), c, false, timeo);
	n = sock_recv(so->s, &r, task);
	sock_recv_fini(&r);
	if (n == -EAGAIN && c && c->interrupted && timeo && !(f->flags & O_NONBLOCK))
		n = -EINTR;
	return n;
}

static void kept_send_free(void *state)
{
	sock_send_fini(state);
	free(state);
}

/* A message that has to wait for its receiver: it was copied, and is not copied again. */
static bool keep_send(struct call *c, const struct sock_send *m)
{
	struct sock_send *k = malloc(sizeof(*k));

	if (!k)
		return false;
	*k = *m;
	c->op_state = k;
	c->op_free = kept_send_free;
	return true;
}

static ssize_t socket_write(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			    struct call *c)
{
	struct socket *so = socket_of(f);
	struct sock_send first = {.x = x}, *m = c && c->op_state ? c->op_state : &first;
	size_t left = x->left;
	int64_t timeo = so->sndtimeo;
	ssize_t n;

	(void)pos;
	if (c)
		task_sock_cred(task_of(c), &first.cred);
	if (task && c && timeo)
		task = socket_waiter(task_of(c), c, false, timeo);
	n = sock_send(so->s, m, task);
	if (n == -EBLOCKED && m->msg && c && (m != &first || keep_send(c, m)))
		return n;
	if (m->msg) /* no memory to keep it: it will be made anew */
		m->back = left - x->left;
	if (m->back)
		xfer_back(x, m->back);
	m->back = 0;
	if (m == &first)
		sock_send_fini(m);
	else
		call_drop_op(c);
	if (n == -EAGAIN && c && c->interrupted && timeo && !(f->flags & O_NONBLOCK))
		n = -EINTR;
	/* What went before is the result; SIGPIPE is for those who sent nothing. */
	return n == -EPIPE && c && c->progress ? 0 : n;
}

static unsigned socket_poll(struct file *f, struct sched_task *task)
{
	return sock_poll(socket_of(f)->s, task);
}

static unsigned socket_poll_queues(struct file *f, unsigned events, struct waitq *wq[POLL_QUEUES])
{
	(void)events;
	return sock_queues(socket_of(f)->s, wq);
}

static void socket_async(struct file *f, struct async_place *at)
{
	at->lists[at->n++] = at->urgent = sock_async(socket_of(f)->s);
}

static long socket_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct socket *so = socket_of(f);
	long n;
	int v;

	switch (cmd) {
	case FIOSETOWN:
	case SIOCSPGRP:
		if (copy_from_guest(task_mm(t), &v, gva(arg), sizeof(v)))
			return -EFAULT;
		return file_owner_fcntl(t, f, F_SETOWN, (uint64_t)(int64_t)v);
	case FIOGETOWN:
	case SIOCGPGRP:
		v = (int)file_owner_fcntl(t, f, F_GETOWN, 0);
		return copy_to_guest(task_mm(t), gva(arg), &v, sizeof(v));
	case FIONREAD:
		n = sock_bytes(so->s);
		break;
	case SIOCOUTQ:
		n = (long)sock_unreceived(so->s);
		break;
	case SIOCATMARK:
		n = so->type == SOCK_STREAM ? sock_at_mark(so->s) : -EOPNOTSUPP;
		break;
	default:
		return netdev_ioctl(t, cmd, arg);
	}
	if (n < 0)
		return n;
	v = (int)n;
	return copy_to_guest(task_mm(t), gva(arg), &v, sizeof(v));
}

static const struct vfs_file_ops socket_ops = {
	.core = {.release = socket_release},
	.read = socket_read,
	.write = socket_write,
	.poll = socket_poll,
	.poll_queues = socket_poll_queues,
	.async = socket_async,
	.ioctl = socket_ioctl,
};

/* ---- the inode: for fstat, and /proc/PID/fd's "socket:[7]" ---- */

static void socket_inode_free(struct inode *i)
{
	inode_fini(i);
	free(i);
}

static const struct inode_ops socket_inode_ops = {
	.free = socket_inode_free,
	.setattr = inode_setattr_sizeless,
};

int socket_file(struct task *t, struct sock *s, int type, unsigned flags, struct file **out)
{
	struct socket *so = calloc(1, sizeof(*so));
	struct inode *i = calloc(1, sizeof(*i));
	struct vfs_file *f = NULL;
	struct cred cred;
	char name[40];
	int err = -ENOMEM;

	if (!so || !i)
		goto fail;
	task_cred(t, &cred);
	inode_init(i, t->k->vfs->anon[ANON_SOCKETS], &socket_inode_ops, S_IFSOCK | 0777, 0);
	i->uid = cred.fsuid;
	i->gid = cred.fsgid;
	snprintf(name, sizeof(name), "socket:[%llu]", (unsigned long long)i->ino);
	err = vfs_open_anon(t->k, i, name, &socket_ops, flags | O_RDWR, &f);
	i = NULL;
	if (err)
		goto fail;
	so->s = s;
	so->k = t->k;
	so->type = type;
	so->rcvbuf = SOCK_SNDBUF;
	so->rcvlowat = 1;
	so->cookie = ++cookies;
	f->stream = true;
	f->quiet = type != SOCK_STREAM;
	f->priv = so;
	sock_attach(s, &f->f);
	so->ino = f->path.d->inode->ino;
	unix_add(so);
	*out = &f->f;
	return 0;
fail:
	free(i);
	free(so);
	sock_release(s);
	return err;
}
