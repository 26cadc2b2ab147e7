/*
 * Descriptors: close, dup, fcntl, ioctl, pipe. close(2), dup(2), fcntl(2), ioctl(2), pipe(2),
 * close_range(2).
 */
#include "memfd.h"
#include "sys_fs.h"
#include "writeback.h"
#include "../core/workpool.h"

#include <string.h>
#include <sys/ioctl.h>

#define CLOSE_RANGE_UNSHARE_K 2U
#define CLOSE_RANGE_CLOEXEC_K 4U
#define SETFL_MASK            ((unsigned)(O_APPEND | O_NONBLOCK | O_NOATIME))
#define FIGETBSZ_K            2
#define F_DUPFD_QUERY_K       1027

/* The descriptor has gone, whatever comes of this; and so has it for who is killed meanwhile. */
static long flush_wait(struct task *t, struct call *c)
{
	long r = -EINTR;

	if (!job_wait(c->job, &t->st)) {
		if (!c->killed)
			return -EBLOCKED;
	} else {
		r = writeback_flushed(c->job);
	}
	/* Not to be cancelled with the call. */
	waitq_remove_all(&t->st);
	job_put(c->job);
	c->job = NULL;
	return r;
}

long sys_close(struct task *t, struct call *c)
{
	struct file *f;

	if (!c->rerun) {
		f = fdtable_take(task_files(t), (int)c->args[0]);
		if (!f)
			return -EBADF;
		c->job = descriptor_closed(t->p, f);
	}
	return c->job ? flush_wait(t, c) : 0;
}

/* No other thread uses the process's parts, and only t could make one. */
static bool alone(struct task *t)
{
	bool yes;

	pthread_mutex_lock(&t->p->siglock);
	yes = t->p->ntasks <= 1;
	pthread_mutex_unlock(&t->p->siglock);
	return yes;
}

static int unshare_files(struct task *t)
{
	struct fdtable *old = task_files(t), *new;
	bool single = alone(t);

	if (fdtable_refs(old) == 1 && (t->own_files || single))
		return 0;
	new = fdtable_clone(old);
	if (!new)
		return -ENOMEM;
	if (single && !t->own_files) {
		pthread_mutex_lock(&t->p->lock);
		t->p->files = new;
		pthread_mutex_unlock(&t->p->lock);
		fdtable_put(old);
		return 0;
	}
	if (t->own_files)
		fdtable_put(t->own_files);
	t->own_files = new;
	return 0;
}

long sys_close_range(struct task *t, struct call *c)
{
	unsigned first = (unsigned)c->args[0], last = (unsigned)c->args[1],
		 flags = (unsigned)c->args[2];
	struct file *f;
	int err;

	if (flags & ~(CLOSE_RANGE_UNSHARE_K | CLOSE_RANGE_CLOEXEC_K) || first > last)
		return -EINVAL;
	if (flags & CLOSE_RANGE_UNSHARE_K) {
		err = unshare_files(t);
		if (err)
			return err;
	}
	if (flags & CLOSE_RANGE_CLOEXEC_K)
		fdtable_close_range(task_files(t), first, last, true);
	else
		while ((f = fdtable_take_next(task_files(t), &first, last, false)))
			descriptor_gone(t->p, f);
	return 0;
}

static long dup_min(struct task *t, struct file *f, int min, bool cloexec)
{
	int fd;

	file_dup(f);
	fd = fdtable_install(task_files(t), f, min, nofile_limit(t), cloexec);
	if (fd < 0)
		file_close(f);
	return fd;
}

long sys_dup(struct task *t, struct call *c)
{
	struct file *f = call_file(t, c, 0, (int)c->args[0]);
	long fd;

	if (!f)
		return -EBADF;
	fd = dup_min(t, f, 0, false);
	return fd == -EINVAL ? -EMFILE : fd;
}

static long dup_to(struct task *t, int oldfd, int newfd, bool cloexec)
{
	struct file *replaced;
	int fd =
		fdtable_dup2_take(task_files(t), oldfd, newfd, nofile_limit(t), cloexec, &replaced);

	descriptor_gone(t->p, replaced);
	return fd;
}

long sys_dup2(struct task *t, struct call *c)
{
	return dup_to(t, (int)c->args[0], (int)c->args[1], false);
}

long sys_dup3(struct task *t, struct call *c)
{
	if ((unsigned)c->args[2] & ~(unsigned)O_CLOEXEC || (int)c->args[0] == (int)c->args[1])
		return -EINVAL;
	return dup_to(t, (int)c->args[0], (int)c->args[1], (unsigned)c->args[2] & O_CLOEXEC);
}

static long do_pipe(struct task *t, uint64_t ufds, unsigned flags)
{
	struct file *f[2];
	int err;

	/* Packets (O_DIRECT) are not there. */
	if (flags & ~(unsigned)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	err = pipe_files(t, flags & O_NONBLOCK, f);
	return err ? err : install_pair(t, f, flags & O_CLOEXEC, ufds);
}

long sys_pipe(struct task *t, struct call *c)
{
	return do_pipe(t, c->args[0], 0);
}

long sys_pipe2(struct task *t, struct call *c)
{
	return do_pipe(t, c->args[0], (unsigned)c->args[1]);
}

/* Not under f->lock, which a write holds that may wait long. */
static void change_flags(struct file *f, unsigned mask, unsigned flags)
{
	unsigned old = f->flags;

	while (!atomic_compare_exchange_weak(&f->flags, &old, (old & ~mask) | (flags & mask)))
		;
}

static long set_flags(struct task *t, struct file *f, int fd, unsigned arg)
{
	unsigned old = f->flags;
	struct cred cred;
	int err;

	if ((arg & ~old & O_NOATIME)) {
		task_cred(t, &cred);
		if (!inode_owner_or_root(file_inode(f), &cred))
			return -EPERM;
	}
	if (vfs_ops(f)->async) {
		err = file_owner_async(t, f, fd, arg & O_ASYNC);
		if (err)
			return err;
	}
	change_flags(f, SETFL_MASK, arg);
	return 0;
}

/* F_DUPFD_QUERY: is descriptor fd the same open file? */
static long same_file(struct task *t, const struct file *f, int fd)
{
	struct file *other = fdtable_lookup(task_files(t), fd);
	bool same = other == f;

	if (!other)
		return -EBADF;
	file_close(other);
	return same;
}

static long fcntl_any(struct task *t, struct call *c, struct file *f, int fd, uint64_t arg,
		      bool *done)
{
	int r;

	*done = true;
	switch ((int)c->args[1]) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		if (arg >= nofile_limit(t))
			return -EINVAL;
		return dup_min(t, f, (int)arg, (int)c->args[1] == F_DUPFD_CLOEXEC);
	case F_GETFD:
		r = fdtable_get_cloexec(task_files(t), fd);
		return r > 0 ? FD_CLOEXEC : r;
	case F_SETFD:
		return fdtable_set_cloexec(task_files(t), fd, arg & FD_CLOEXEC);
	case F_GETFL:
		return (long)f->flags;
	case F_DUPFD_QUERY_K:
		return same_file(t, f, (int)arg);
	default:
		*done = false;
		return 0;
	}
}

long sys_fcntl(struct task *t, struct call *c)
{
	int fd = (int)c->args[0], cmd = (int)c->args[1];
	struct file *f = call_file(t, c, 0, fd);
	uint64_t arg = c->args[2];
	bool done;
	long r;

	if (!f)
		return -EBADF;
	r = fcntl_any(t, c, f, fd, arg, &done);
	if (done)
		return r;
	if (vfs_file(f)->opath)
		return -EBADF;
	switch (cmd) {
	case F_SETFL:
		return set_flags(t, f, fd, (unsigned)arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return fcntl_lock(t, c, f, cmd, arg);
	case F_GETOWN:
	case F_SETOWN:
	case F_GETOWN_EX:
	case F_SETOWN_EX:
	case F_GETSIG:
	case F_SETSIG:
		return file_owner_fcntl(t, f, cmd, arg);
	case F_GETPIPE_SZ:
		return pipe_file_size(f, 0);
	case F_SETPIPE_SZ:
		return pipe_file_size(f, arg ? (unsigned)arg : 1);
	case F_ADD_SEALS:
		return fcntl_add_seals(f, (unsigned)arg);
	case F_GET_SEALS:
		return fcntl_get_seals(f);
	case F_GETLEASE:
		return F_UNLCK;
	case F_NOTIFY:
		return S_ISDIR(file_inode(f)->mode) ? -EINVAL : -ENOTDIR;
	default:
		return -EINVAL;
	}
}

static long fio_nonblock(struct task *t, struct file *f, uint64_t arg)
{
	int on;

	if (copy_from_guest(task_mm(t), &on, gva(arg), sizeof(on)))
		return -EFAULT;
	change_flags(f, O_NONBLOCK, on ? O_NONBLOCK : 0);
	return 0;
}

static long fio_async(struct task *t, struct file *f, int fd, uint64_t arg)
{
	int on;

	if (copy_from_guest(task_mm(t), &on, gva(arg), sizeof(on)))
		return -EFAULT;
	if (vfs_ops(f)->async)
		return file_owner_async(t, f, fd, on);
	return !on == !(f->flags & O_ASYNC) ? 0 : -ENOTTY;
}

/* What every regular file has. */
static long ioctl_regular(struct task *t, struct file *f, unsigned cmd, uint64_t arg)
{
	struct vfs_attr a;
	int n = PAGE_SIZE, err;

	if (cmd == FIONREAD) {
		err = host_may_wait(inode_pace(file_inode(f)), HOST_LOOK);
		if (!err)
			err = inode_getattr(file_inode(f), &a);
		if (err)
			return err;
		n = (int)((int64_t)a.size - f->pos);
	} else if (cmd != FIGETBSZ_K) {
		return -ENOTTY;
	}
	return copy_to_guest(task_mm(t), gva(arg), &n, sizeof(n));
}

long sys_ioctl(struct task *t, struct call *c)
{
	int fd = (int)c->args[0];
	unsigned cmd = (unsigned)c->args[1];
	struct file *f = call_io_file(t, c, 0, fd);
	uint64_t arg = c->args[2];

	if (!f)
		return -EBADF;
	switch (cmd) {
	case FIOCLEX:
	case FIONCLEX:
		return fdtable_set_cloexec(task_files(t), fd, cmd == FIOCLEX);
	case FIONBIO:
		return fio_nonblock(t, f, arg);
	case FIOASYNC:
		return fio_async(t, f, fd, arg);
	default:
		break;
	}
	if (vfs_ops(f)->ioctl)
		return vfs_ops(f)->ioctl(f, t, cmd, arg);
	if (S_ISREG(file_inode(f)->mode))
		return ioctl_regular(t, f, cmd, arg);
	return -ENOTTY;
}
