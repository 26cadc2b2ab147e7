/*
 * inotify_init1, inotify_add_watch, inotify_rm_watch, and the telling.
 */
#include "notify.h"

#include "sys_fs.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define QUEUE_MAX     16384  /* fs.inotify.max_queued_events */
#define EVENTS_MAX    262144 /* of all queues: some 80 MB with the longest names */
#define INSTANCES_MAX 128    /* fs.inotify.max_user_instances */
#ifndef IN_MASK_CREATE
#define IN_MASK_CREATE 0x10000000
#endif
#define MASK_KNOWN                                                                                 \
	(IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR | IN_DONT_FOLLOW |   \
	 IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR | IN_ONESHOT)
#define MASK_KEPT (IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK)

struct event {
	TAILQ_ENTRY(event) link;
	int wd;
	uint32_t mask, cookie;
	unsigned len; /* of name, without the NUL; 0: none */
	char name[];
};

/* All protected by vfs->notify_lock. */
struct inotify {
	struct vfs *v; /* immutable */
	TAILQ_HEAD(event_list, event) events;
	unsigned nevents;
	bool overflown; /* its event is in the queue */
	TAILQ_HEAD(, mark) marks;
	int last_wd;
	struct waitq wq;
	struct async_list async;
};

struct mark {
	struct inotify *owner;
	struct inode *i; /* a reference */
	int wd;
	uint32_t mask;
	TAILQ_ENTRY(mark) of_owner;
	LIST_ENTRY(mark) of_inode;
};

/* ---- queues: notify_lock held ---- */

static size_t event_size(const struct event *e)
{
	size_t name = e->len ? (e->len + 16) & ~15U : 0;

	return sizeof(struct inotify_event) + name;
}

static bool same_event(const struct event *e, int wd, uint32_t mask, const char *name, unsigned len)
{
	return e && e->wd == wd && e->mask == mask && !(mask & IN_IGNORED) && e->len == len &&
	       !memcmp(e->name, name, len);
}

static void push(struct inotify *in, int wd, uint32_t mask, uint32_t cookie, const char *name,
		 unsigned len)
{
	struct event *e;

	if (!len)
		name = "";
	if (same_event(in->nevents ? TAILQ_LAST(&in->events, event_list) : NULL, wd, mask, name,
		       len))
		return;
	if (in->nevents >= QUEUE_MAX || in->v->nevents >= EVENTS_MAX) {
		if (in->overflown)
			return;
		in->overflown = true;
		wd = -1;
		mask = IN_Q_OVERFLOW;
		cookie = len = 0;
	}
	e = malloc(sizeof(*e) + len);
	if (!e)
		return;
	*e = (struct event){.wd = wd, .mask = mask, .cookie = cookie, .len = len};
	memcpy(e->name, name, len);
	TAILQ_INSERT_TAIL(&in->events, e, link);
	in->nevents++;
	in->v->nevents++;
	async_tell(&in->async, ASYNC_IN);
	waitq_hand(&in->wq);
}

/* The mark ends: its inode's reference is the caller's. */
static struct inode *mark_end(struct mark *m, bool told)
{
	struct inode *i = m->i;

	if (told)
		push(m->owner, m->wd, IN_IGNORED, 0, NULL, 0);
	TAILQ_REMOVE(&m->owner->marks, m, of_owner);
	LIST_REMOVE(m, of_inode);
	atomic_fetch_sub(&i->sb->v->nmarks, 1);
	free(m);
	return i;
}

/* ---- telling: vfs->lock and notify_lock held ---- */

static void tell(struct inode *i, uint32_t mask, uint32_t cookie, const char *name, unsigned len,
		 bool deleted)
{
	uint32_t event = mask & ~(uint32_t)IN_ISDIR;
	struct mark *m, *next;

	/* What happens to a thing itself is not said to be about a directory. */
	if (event & (IN_DELETE_SELF | IN_MOVE_SELF))
		mask &= ~(uint32_t)IN_ISDIR;
	for (m = LIST_FIRST(&i->marks); m; m = next) {
		next = LIST_NEXT(m, of_inode);
		if (!(m->mask & event) || (deleted && (m->mask & IN_EXCL_UNLINK)))
			continue;
		push(m->owner, m->wd, mask, cookie, name, len);
		if (m->mask & IN_ONESHOT)
			inode_put_locked(mark_end(m, true));
	}
}

static uint32_t with_isdir(const struct inode *i, uint32_t mask)
{
	return S_ISDIR(i->mode) ? mask | IN_ISDIR : mask;
}

void notify_locked(struct dentry *d, uint32_t mask)
{
	struct vfs *v = d->sb->v;

	if (!notify_wanted(v))
		return;
	mask = with_isdir(d->inode, mask);
	pthread_mutex_lock(&v->notify_lock);
	if (d->parent != d)
		tell(d->parent->inode, mask, 0, d->name, d->len, d->flags & D_DELETED);
	tell(d->inode, mask, 0, NULL, 0, false);
	pthread_mutex_unlock(&v->notify_lock);
}

void notify(struct dentry *d, uint32_t mask)
{
	struct vfs *v = d->sb->v;

	if (!notify_wanted(v))
		return;
	vfs_lock(v);
	notify_locked(d, mask);
	vfs_unlock(v);
}

void notify_name(struct dentry *dir, const char *name, struct inode *i, uint32_t mask,
		 uint32_t cookie)
{
	struct vfs *v = dir->sb->v;

	if (!notify_wanted(v))
		return;
	pthread_mutex_lock(&v->notify_lock);
	tell(dir->inode, with_isdir(i, mask), cookie, name, (unsigned)strlen(name), false);
	pthread_mutex_unlock(&v->notify_lock);
}

void notify_inode(struct inode *i, uint32_t mask)
{
	struct vfs *v = i->sb->v;

	if (!notify_wanted(v))
		return;
	pthread_mutex_lock(&v->notify_lock);
	tell(i, with_isdir(i, mask), 0, NULL, 0, false);
	pthread_mutex_unlock(&v->notify_lock);
}

void notify_gone(struct dentry *d)
{
	struct inode *i = d->inode;
	struct vfs *v = d->sb->v;
	struct mark *m;

	if (!notify_wanted(v) || i->nlink)
		return;
	pthread_mutex_lock(&v->notify_lock);
	tell(i, IN_DELETE_SELF, 0, NULL, 0, false);
	while ((m = LIST_FIRST(&i->marks)))
		inode_put_locked(mark_end(m, true));
	pthread_mutex_unlock(&v->notify_lock);
}

uint32_t notify_cookie(struct vfs *v)
{
	return atomic_fetch_add(&v->notify_cookie, 1) + 1;
}

/* ---- the file ---- */

static struct inotify *in_of(const struct file *f)
{
	return vfs_file(f)->priv;
}

static void in_free(struct inotify *in)
{
	struct vfs *v = in->v;
	struct event *e;
	struct mark *m;

	vfs_lock(v);
	pthread_mutex_lock(&v->notify_lock);
	while ((m = TAILQ_FIRST(&in->marks)))
		inode_put_locked(mark_end(m, false));
	v->nevents -= in->nevents;
	pthread_mutex_unlock(&v->notify_lock);
	vfs_unlock(v);
	while ((e = TAILQ_FIRST(&in->events))) {
		TAILQ_REMOVE(&in->events, e, link);
		free(e);
	}
	atomic_fetch_sub(&v->ninotify, 1);
	waitq_destroy(&in->wq);
	async_list_fini(&in->async);
	free(in);
}

static void in_release(struct file *f)
{
	in_free(in_of(f));
	vfs_file_free(f);
}

/* The first event, taken out if it fits in `room`: NULL and *err -EINVAL (too little room) or
 * -EAGAIN (none). */
static struct event *take(struct inotify *in, size_t room, int *err)
{
	struct event *e = TAILQ_FIRST(&in->events);

	*err = e ? -EINVAL : -EAGAIN;
	if (!e || event_size(e) > room)
		return NULL;
	TAILQ_REMOVE(&in->events, e, link);
	in->nevents--;
	in->v->nevents--;
	if (e->mask & IN_Q_OVERFLOW)
		in->overflown = false;
	return e;
}

static ssize_t put_event(struct xfer *x, const struct event *e)
{
	union {
		struct inotify_event e;
		char bytes[sizeof(struct inotify_event) + VFS_NAME_MAX + 17];
	} out;
	size_t size = event_size(e);

	memset(&out, 0, size);
	out.e.wd = e->wd;
	out.e.mask = e->mask;
	out.e.cookie = e->cookie;
	out.e.len = (uint32_t)(size - sizeof(out.e));
	memcpy(out.bytes + sizeof(out.e), e->name, e->len);
	return x->copy(x, &out, size) == (ssize_t)size ? (ssize_t)size : -EFAULT;
}

static ssize_t in_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
		       struct call *c)
{
	struct inotify *in = in_of(f);
	ssize_t total = 0, n;
	struct event *e;
	int err;

	for (;;) {
		pthread_mutex_lock(&in->v->notify_lock);
		e = take(in, x->left, &err);
		if (!e && err == -EAGAIN && !total && task && !waitq_add(&in->wq, task, true))
			err = -EBLOCKED;
		pthread_mutex_unlock(&in->v->notify_lock);
		if (!e)
			return total ? total : err;
		n = put_event(x, e);
		free(e);
		if (n < 0)
			return total ? total : n;
		total += n;
	}
}

static unsigned in_poll(struct file *f, struct sched_task *task)
{
	struct inotify *in = in_of(f);
	unsigned n;

	if (task && waitq_add(&in->wq, task, false))
		return POLLERR;
	pthread_mutex_lock(&in->v->notify_lock);
	n = in->nevents;
	pthread_mutex_unlock(&in->v->notify_lock);
	return n ? POLLIN | POLLRDNORM : 0;
}

static unsigned in_poll_queues(struct file *f, unsigned events, struct waitq *wq[POLL_QUEUES])
{
	wq[0] = &in_of(f)->wq;
	return 1;
}

static long in_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct inotify *in = in_of(f);
	struct event *e;
	int n = 0;

	if (cmd != FIONREAD)
		return -ENOTTY;
	pthread_mutex_lock(&in->v->notify_lock);
	TAILQ_FOREACH (e, &in->events, link)
		n += (int)event_size(e);
	pthread_mutex_unlock(&in->v->notify_lock);
	return copy_to_guest(task_mm(t), gva(arg), &n, sizeof(n));
}

static void in_async(struct file *f, struct async_place *at)
{
	at->lists[at->n++] = &in_of(f)->async;
}

static const struct vfs_file_ops in_ops = {
	.core = {.release = in_release},
	.read = in_read,
	.poll = in_poll,
	.poll_queues = in_poll_queues,
	.async = in_async,
	.ioctl = in_ioctl,
	.lseek = anon_lseek,
};

/* ---- calls ---- */

static long do_init(struct task *t, unsigned flags)
{
	struct vfs *v = t->k->vfs;
	struct inotify *in;
	struct file *f;
	int err;

	if (flags & ~(unsigned)(IN_CLOEXEC | IN_NONBLOCK))
		return -EINVAL;
	if (atomic_fetch_add(&v->ninotify, 1) >= INSTANCES_MAX) {
		atomic_fetch_sub(&v->ninotify, 1);
		return -EMFILE;
	}
	in = calloc(1, sizeof(*in));
	if (!in) {
		atomic_fetch_sub(&v->ninotify, 1);
		return -ENOMEM;
	}
	in->v = v;
	TAILQ_INIT(&in->events);
	TAILQ_INIT(&in->marks);
	waitq_init(&in->wq);
	async_list_init(&in->async);
	err = anon_file(t->k, "inotify", &in_ops, O_RDONLY | (flags & IN_NONBLOCK), in, &f);
	if (err) {
		in_free(in);
		return err;
	}
	return install_file(t, f, flags & IN_CLOEXEC);
}

long sys_inotify_init(struct task *t, struct call *c)
{
	return do_init(t, 0);
}

long sys_inotify_init1(struct task *t, struct call *c)
{
	return do_init(t, (unsigned)c->args[0]);
}

/* notify_lock held. A new mark takes over the reference on i. */
static int new_mark(struct inotify *in, struct inode *i, uint32_t mask)
{
	struct vfs *v = in->v;
	struct mark *m;

	if (atomic_load(&v->nmarks) >= v->max_watches)
		return -ENOSPC;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	if (in->last_wd == INT32_MAX) {
		free(m);
		return -ENOSPC;
	}
	m->owner = in;
	m->i = i;
	m->wd = ++in->last_wd;
	m->mask = mask & MASK_KEPT;
	TAILQ_INSERT_TAIL(&in->marks, m, of_owner);
	LIST_INSERT_HEAD(&i->marks, m, of_inode);
	atomic_fetch_add(&v->nmarks, 1);
	return m->wd;
}

/* notify_lock held. *used: the reference on i has been taken over. */
static int add_mark(struct inotify *in, struct inode *i, uint32_t mask, bool *used)
{
	struct mark *m;
	int wd;

	LIST_FOREACH (m, &i->marks, of_inode) {
		if (m->owner != in)
			continue;
		if (mask & IN_MASK_CREATE)
			return -EEXIST;
		m->mask = (mask & IN_MASK_ADD ? m->mask : 0) | (mask & MASK_KEPT);
		return m->wd;
	}
	wd = new_mark(in, i, mask);
	*used = wd >= 0;
	return wd;
}

static long add_watch(struct task *t, struct inotify *in, const char *path, uint32_t mask)
{
	unsigned flags =
		(mask & IN_DONT_FOLLOW ? 0U : WALK_FOLLOW) | (mask & IN_ONLYDIR ? WALK_DIR : 0U);
	bool used = false;
	struct cred cred;
	struct inode *i;
	struct path p;
	int r = vfs_path_at(t, AT_FDCWD, path, flags, &p);

	if (r)
		return r;
	task_cred(t, &cred);
	r = inode_permission(p.d->inode, &cred, MAY_READ);
	if (!r) {
		i = inode_get(p.d->inode);
		pthread_mutex_lock(&in->v->notify_lock);
		r = add_mark(in, i, mask, &used);
		pthread_mutex_unlock(&in->v->notify_lock);
		if (!used)
			inode_put(i);
	}
	path_put(&p);
	return r;
}

static struct inotify *inotify_arg(struct task *t, struct call *c, long *err)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);

	*err = f ? -EINVAL : -EBADF;
	return f && f->ops == &in_ops.core ? in_of(f) : NULL;
}

long sys_inotify_add_watch(struct task *t, struct call *c)
{
	uint32_t mask = (uint32_t)c->args[2];
	char path[VFS_PATH_MAX];
	struct inotify *in;
	long err;

	if (mask & ~(uint32_t)MASK_KNOWN || !(mask & MASK_KNOWN))
		return -EINVAL;
	in = inotify_arg(t, c, &err);
	if (err == -EBADF)
		return err;
	if ((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE))
		return -EINVAL;
	if (!in)
		return err;
	err = get_path(t, c->args[1], path, false);
	return err ? err : add_watch(t, in, path, mask);
}

long sys_inotify_rm_watch(struct task *t, struct call *c)
{
	int wd = (int)c->args[1];
	struct inode *i = NULL;
	struct inotify *in;
	struct mark *m;
	long err;

	in = inotify_arg(t, c, &err);
	if (!in)
		return err;
	pthread_mutex_lock(&in->v->notify_lock);
	TAILQ_FOREACH (m, &in->marks, of_owner)
		if (m->wd == wd)
			break;
	if (m)
		i = mark_end(m, true);
	pthread_mutex_unlock(&in->v->notify_lock);
	if (!i)
		return -EINVAL;
	inode_put(i);
	return 0;
}
