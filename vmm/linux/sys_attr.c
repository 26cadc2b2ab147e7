/*
 * Attributes and sizes: chmod, chown, utimes, truncate, fallocate, umask.
 * chmod(2), chown(2), utimensat(2), truncate(2), fallocate(2), umask(2).
 */
#include "notify.h"
#include "sys_fs.h"

#include <linux/capability.h>
#include <linux/falloc.h>
#include <string.h>

/* fsnotify_change() */
static uint32_t change_event(unsigned valid)
{
	const unsigned both = ATTR_ATIME | ATTR_MTIME;
	uint32_t mask = valid & (ATTR_UID | ATTR_GID | ATTR_MODE) ? IN_ATTRIB : 0U;

	if (valid & ATTR_SIZE)
		mask |= IN_MODIFY;
	if ((valid & both) == both)
		mask |= IN_ATTRIB;
	else if (valid & ATTR_ATIME)
		mask |= IN_ACCESS;
	else if (valid & ATTR_MTIME)
		mask |= IN_MODIFY;
	return mask;
}

/* Owner checks, then the file system's setattr. */
static int set_attr(struct dentry *d, const struct vfs_setattr *s)
{
	struct inode *i = d->inode;
	int err;

	if (i->sb->flags & SB_RDONLY)
		return -EROFS;
	err = i->ops->setattr ? i->ops->setattr(d, s) : -EROFS;
	if (!err)
		notify(d, change_event(s->valid));
	return err;
}

static int path_arg(struct task *t, int dirfd, uint64_t upath, unsigned at_flags, struct path *p)
{
	unsigned flags = at_flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW;
	char path[VFS_PATH_MAX];
	int err = get_path(t, upath, path, at_flags & AT_EMPTY_PATH);

	if (err)
		return err;
	if (at_flags & AT_EMPTY_PATH)
		flags |= WALK_EMPTY;
	return vfs_path_at(t, dirfd, path, flags, p);
}

/* ---- mode and owner ---- */

static int do_chmod(struct task *t, struct dentry *d, uint32_t mode)
{
	struct inode *i = d->inode;
	struct vfs_setattr s = {.valid = ATTR_MODE, .mode = mode & 07777};
	struct vfs_attr a;
	struct cred cred;
	int err;

	if (i->sb->flags & SB_RDONLY)
		return -EROFS;
	if (S_ISLNK(i->mode))
		return -EOPNOTSUPP;
	task_cred(t, &cred);
	if (!inode_owner_or_root(i, &cred))
		return -EPERM;
	err = host_may_wait(inode_pace(i), HOST_LOOK);
	if (err)
		return err;
	/* The set-group-id bit is for members of the group. */
	if (!cred_capable(&cred, CAP_FSETID) && !inode_getattr(i, &a) &&
	    !cred_in_group(&cred, a.gid))
		s.mode &= ~(uint32_t)S_ISGID;
	return set_attr(d, &s);
}

static long chmod_call(struct task *t, int dirfd, uint64_t upath, uint32_t mode, unsigned at_flags)
{
	struct path p;
	long err;

	if (at_flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = path_arg(t, dirfd, upath, at_flags, &p);
	if (err)
		return err;
	err = do_chmod(t, p.d, mode);
	path_put(&p);
	return err;
}

long sys_chmod(struct task *t, struct call *c)
{
	return chmod_call(t, AT_FDCWD, c->args[0], (uint32_t)c->args[1], 0);
}

long sys_fchmodat(struct task *t, struct call *c)
{
	return chmod_call(t, (int)c->args[0], c->args[1], (uint32_t)c->args[2], 0);
}

long sys_fchmodat2(struct task *t, struct call *c)
{
	return chmod_call(t, (int)c->args[0], c->args[1], (uint32_t)c->args[2],
			  (unsigned)c->args[3]);
}

long sys_fchmod(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);

	return f ? do_chmod(t, vfs_file(f)->path.d, (uint32_t)c->args[1]) : -EBADF;
}

static int do_chown(struct task *t, struct dentry *d, uint32_t uid, uint32_t gid)
{
	struct inode *i = d->inode;
	struct vfs_setattr s = {.valid = 0};
	struct vfs_attr a;
	struct cred cred;
	int err;

	if (i->sb->flags & SB_RDONLY)
		return -EROFS;
	task_cred(t, &cred);
	err = host_may_wait(inode_pace(i), HOST_LOOK);
	if (!err)
		err = inode_getattr(i, &a);
	if (err)
		return err;
	if (uid != UINT32_MAX) {
		if (!cred_capable(&cred, CAP_CHOWN) && !(cred.fsuid == a.uid && uid == a.uid))
			return -EPERM;
		s.valid |= ATTR_UID;
		s.uid = uid;
	}
	if (gid != UINT32_MAX) {
		if (!cred_capable(&cred, CAP_CHOWN) &&
		    !(cred.fsuid == a.uid && (gid == a.gid || cred_in_group(&cred, gid))))
			return -EPERM;
		s.valid |= ATTR_GID;
		s.gid = gid;
	}
	if (!S_ISDIR(a.mode) && !S_ISLNK(a.mode)) {
		uint32_t drop = a.mode & S_ISUID;

		/* For everybody, also where neither changes. */
		if ((a.mode & S_ISGID) &&
		    ((a.mode & S_IXGRP) ||
		     (!cred_in_group(&cred, a.gid) && !cred_capable(&cred, CAP_FSETID))))
			drop |= S_ISGID;
		if (drop && !inode_owner_or_root(i, &cred))
			return -EPERM;
		if (drop) {
			s.valid |= ATTR_MODE;
			s.mode = a.mode & 07777 & ~drop;
		}
	}
	return set_attr(d, &s);
}

static long chown_call(struct task *t, int dirfd, uint64_t upath, uint64_t uid, uint64_t gid,
		       unsigned at_flags)
{
	struct path p;
	long err;

	if (at_flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = path_arg(t, dirfd, upath, at_flags, &p);
	if (err)
		return err;
	err = do_chown(t, p.d, (uint32_t)uid, (uint32_t)gid);
	path_put(&p);
	return err;
}

long sys_chown(struct task *t, struct call *c)
{
	return chown_call(t, AT_FDCWD, c->args[0], c->args[1], c->args[2], 0);
}

long sys_lchown(struct task *t, struct call *c)
{
	return chown_call(t, AT_FDCWD, c->args[0], c->args[1], c->args[2], AT_SYMLINK_NOFOLLOW);
}

long sys_fchownat(struct task *t, struct call *c)
{
	return chown_call(t, (int)c->args[0], c->args[1], c->args[2], c->args[3],
			  (unsigned)c->args[4]);
}

long sys_fchown(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);

	return f ? do_chown(t, vfs_file(f)->path.d, (uint32_t)c->args[1], (uint32_t)c->args[2])
		 : -EBADF;
}

/* ---- times ---- */

/* times NULL: both now. tv_nsec may be UTIME_NOW or UTIME_OMIT. */
static int do_utimes(struct task *t, struct dentry *d, const struct timespec *times)
{
	struct inode *i = d->inode;
	struct vfs_setattr s = {.valid = 0};
	bool now = !times || (times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW);
	struct timespec ts;
	struct cred cred;

	if (times && times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
		return 0;
	if (i->sb->flags & SB_RDONLY)
		return -EROFS;
	task_cred(t, &cred);
	if (!inode_owner_or_root(i, &cred)) {
		if (!now)
			return -EPERM;
		if (inode_permission(i, &cred, MAY_WRITE))
			return -EACCES;
	}
	inode_now(&ts);
	if (!times || times[0].tv_nsec != UTIME_OMIT) {
		s.valid |= ATTR_ATIME;
		s.atime = !times || times[0].tv_nsec == UTIME_NOW ? ts : times[0];
	}
	if (!times || times[1].tv_nsec != UTIME_OMIT) {
		s.valid |= ATTR_MTIME;
		s.mtime = !times || times[1].tv_nsec == UTIME_NOW ? ts : times[1];
	}
	return set_attr(d, &s);
}

static bool nsec_ok(int64_t ns)
{
	return (ns >= 0 && ns < 1000000000) || ns == UTIME_NOW || ns == UTIME_OMIT;
}

static long utimes_path(struct task *t, int dirfd, uint64_t upath, const struct timespec *times,
			unsigned at_flags)
{
	struct path p;
	long err = path_arg(t, dirfd, upath, at_flags, &p);

	if (err)
		return err;
	err = do_utimes(t, p.d, times);
	path_put(&p);
	return err;
}

long sys_utimensat(struct task *t, struct call *c)
{
	unsigned flags = (unsigned)c->args[3];
	struct timespec_k k[2];
	struct timespec ts[2];
	struct file *f;

	if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (c->args[2]) {
		if (copy_from_guest(task_mm(t), k, gva(c->args[2]), sizeof(k)))
			return -EFAULT;
		/* Nothing to do: then nothing is looked at. */
		if (k[0].nsec == UTIME_OMIT && k[1].nsec == UTIME_OMIT)
			return 0;
		for (int i = 0; i < 2; i++) {
			if (!nsec_ok(k[i].nsec))
				return -EINVAL;
			ts[i] = (struct timespec){k[i].sec, k[i].nsec};
		}
	}
	/* futimens(3): a null path is the descriptor itself. */
	if (!c->args[1] && (int)c->args[0] != AT_FDCWD) {
		if (flags)
			return -EINVAL;
		f = call_io_file(t, c, 0, (int)c->args[0]);
		return f ? do_utimes(t, vfs_file(f)->path.d, c->args[2] ? ts : NULL) : -EBADF;
	}
	return utimes_path(t, (int)c->args[0], c->args[1], c->args[2] ? ts : NULL, flags);
}

static long utimes_call(struct task *t, int dirfd, uint64_t upath, uint64_t utv)
{
	struct timeval_k tv[2];
	struct timespec ts[2];

	if (!utv)
		return utimes_path(t, dirfd, upath, NULL, 0);
	if (copy_from_guest(task_mm(t), tv, gva(utv), sizeof(tv)))
		return -EFAULT;
	for (int i = 0; i < 2; i++) {
		if (tv[i].usec < 0 || tv[i].usec >= 1000000)
			return -EINVAL;
		ts[i] = (struct timespec){tv[i].sec, tv[i].usec * 1000};
	}
	return utimes_path(t, dirfd, upath, ts, 0);
}

long sys_utimes(struct task *t, struct call *c)
{
	return utimes_call(t, AT_FDCWD, c->args[0], c->args[1]);
}

long sys_futimesat(struct task *t, struct call *c)
{
	return utimes_call(t, (int)c->args[0], c->args[1], c->args[2]);
}

long sys_utime(struct task *t, struct call *c)
{
	int64_t sec[2];
	struct timespec ts[2];

	if (!c->args[1])
		return utimes_path(t, AT_FDCWD, c->args[0], NULL, 0);
	if (copy_from_guest(task_mm(t), sec, gva(c->args[1]), sizeof(sec)))
		return -EFAULT;
	ts[0] = (struct timespec){sec[0], 0};
	ts[1] = (struct timespec){sec[1], 0};
	return utimes_path(t, AT_FDCWD, c->args[0], ts, 0);
}

/* ---- sizes ---- */

void add_setid_drop(struct task *t, struct inode *i, struct vfs_setattr *s)
{
	struct cred cred;
	uint32_t drop;

	task_cred(t, &cred);
	drop = inode_setid_to_drop(i, &cred);
	if (drop) {
		s->valid |= ATTR_MODE;
		s->mode = i->mode & 07777 & ~drop;
	}
}

static int do_truncate(struct task *t, struct dentry *d, int64_t size)
{
	struct inode *i = d->inode;
	struct vfs_setattr s = {.valid = ATTR_SIZE, .size = size};
	struct vfs_attr a;
	int64_t ok;
	int err = host_may_wait(inode_pace(i), HOST_LOOK);

	if (!err)
		err = inode_getattr(i, &a);
	if (err)
		return err;
	if (size > (int64_t)a.size) {
		ok = fsize_clip(t, (int64_t)a.size, (size_t)(size - (int64_t)a.size));
		if (ok < size - (int64_t)a.size)
			return -EFBIG;
	}
	add_setid_drop(t, i, &s);
	return set_attr(d, &s);
}

long sys_truncate(struct task *t, struct call *c)
{
	int64_t size = (int64_t)c->args[1];
	struct cred cred;
	struct path p;
	long err;

	if (size < 0)
		return -EINVAL;
	err = path_arg(t, AT_FDCWD, c->args[0], 0, &p);
	if (err)
		return err;
	task_cred(t, &cred);
	if (S_ISDIR(p.d->inode->mode))
		err = -EISDIR;
	else if (!S_ISREG(p.d->inode->mode))
		err = -EINVAL;
	else
		err = inode_permission(p.d->inode, &cred, MAY_WRITE);
	if (!err)
		err = inode_write_get(p.d->inode);
	if (!err) {
		err = do_truncate(t, p.d, size);
		inode_write_put(p.d->inode);
	}
	path_put(&p);
	return err;
}

long sys_ftruncate(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);
	int64_t size = (int64_t)c->args[1];

	if (size < 0)
		return -EINVAL;
	if (!f)
		return -EBADF;
	if (!S_ISREG(file_inode(f)->mode) || !file_writable(f))
		return -EINVAL;
	return do_truncate(t, vfs_file(f)->path.d, size);
}

long sys_fallocate(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);
	int mode = (int)c->args[1];
	int64_t off = (int64_t)c->args[2], len = (int64_t)c->args[3], end;
	struct inode *i;
	int err;

	if (!f)
		return -EBADF;
	if (off < 0 || len <= 0)
		return -EINVAL;
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if (mode == FALLOC_FL_PUNCH_HOLE)
		return -EOPNOTSUPP;
	if (!file_writable(f))
		return -EBADF;
	i = file_inode(f);
	if (S_ISFIFO(i->mode))
		return -ESPIPE;
	if (S_ISDIR(i->mode))
		return -EISDIR;
	if (!S_ISREG(i->mode))
		return -ENODEV;
	if (__builtin_add_overflow(off, len, &end))
		return -EFBIG;
	if (!mode && fsize_clip(t, off, (size_t)len) < len)
		return -EFBIG;
	if (!i->ops->fallocate)
		return -EOPNOTSUPP;
	err = vfs_drop_setid(t, vfs_file(f)->path.d);
	if (!err)
		err = i->ops->fallocate(i, mode, off, len);
	if (!err)
		notify_file(f, IN_MODIFY);
	return err;
}

long sys_umask(struct task *t, struct call *c)
{
	struct fs_context *fs = task_fs(t);
	uint32_t old;

	pthread_mutex_lock(&fs->lock);
	old = fs->umask;
	fs->umask = (uint32_t)c->args[0] & 0777;
	pthread_mutex_unlock(&fs->lock);
	return old;
}
