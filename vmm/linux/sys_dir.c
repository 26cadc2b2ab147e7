/*
 * Directories and names: getdents, the working directory, mkdir, mknod, unlink, link, links' text.
 * getdents(2), getcwd(2), chdir(2), mkdir(2), unlink(2), link(2), symlink(2), readlink(2),
 * mknod(2).
 */
#include "notify.h"
#include "sys_fs.h"

#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

static long getdents_call(struct task *t, struct call *c, bool old)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);

	if (!f)
		return -EBADF;
	if (!vfs_ops(f)->getdents)
		return -ENOTDIR;
	if (vfs_file(f)->path.d->flags & D_DELETED)
		return -ENOENT;
	return vfs_ops(f)->getdents(f, t, c, gva(c->args[1]), (unsigned)c->args[2], old);
}

long sys_getdents(struct task *t, struct call *c)
{
	return getdents_call(t, c, true);
}

long sys_getdents64(struct task *t, struct call *c)
{
	return getdents_call(t, c, false);
}

long sys_getcwd(struct task *t, struct call *c)
{
	struct fs_context *fs = task_fs(t);
	struct vfs *v = t->k->vfs;
	struct path cwd, root;
	char buf[VFS_PATH_MAX], *s = NULL;
	size_t len;
	long r;

	pthread_mutex_lock(&fs->lock);
	cwd = fs->cwd;
	root = fs->root;
	path_get(&cwd);
	path_get(&root);
	pthread_mutex_unlock(&fs->lock);
	vfs_lock(v);
	r = cwd.d->flags & D_DELETED ? -ENOENT : 0;
	if (!r)
		s = path_name(v, &cwd, &root, buf, sizeof(buf));
	path_put_locked(&cwd);
	path_put_locked(&root);
	vfs_unlock(v);
	if (r)
		return r;
	if (!s)
		return -ENAMETOOLONG;
	len = strlen(s) + 1;
	if (len > c->args[1])
		return -ERANGE;
	return copy_to_guest(task_mm(t), gva(c->args[0]), s, len) ? -EFAULT : (long)len;
}

/* Takes over the reference. */
static long set_dir(struct task *t, struct path *p, bool root)
{
	struct fs_context *fs = task_fs(t);
	struct cred cred;
	struct path old;
	int err;

	task_cred(t, &cred);
	err = inode_permission(p->d->inode, &cred, MAY_EXEC);
	if (!err && root && !cred_capable(&cred, CAP_SYS_CHROOT))
		err = -EPERM;
	if (err) {
		path_put(p);
		return err;
	}
	pthread_mutex_lock(&fs->lock);
	old = root ? fs->root : fs->cwd;
	if (root)
		fs->root = *p;
	else
		fs->cwd = *p;
	pthread_mutex_unlock(&fs->lock);
	path_put(&old);
	return 0;
}

static long change_dir(struct task *t, const char *path, bool root)
{
	struct path p;
	int err = vfs_path_at(t, AT_FDCWD, path, WALK_FOLLOW | WALK_DIR, &p);

	return err ? err : set_dir(t, &p, root);
}

int vfs_chdir(struct task *t, const char *path)
{
	return (int)change_dir(t, path, false);
}

static long chdir_call(struct task *t, uint64_t upath, bool root)
{
	char path[VFS_PATH_MAX];
	int err = get_path(t, upath, path, false);

	return err ? err : change_dir(t, path, root);
}

long sys_chdir(struct task *t, struct call *c)
{
	return chdir_call(t, c->args[0], false);
}

long sys_chroot(struct task *t, struct call *c)
{
	return chdir_call(t, c->args[0], true);
}

long sys_fchdir(struct task *t, struct call *c)
{
	struct file *f = call_file(t, c, 0, (int)c->args[0]);
	struct path p;

	if (!f)
		return -EBADF;
	if (!vfs_file(f)->is_dir)
		return -ENOTDIR;
	p = vfs_file(f)->path;
	path_get(&p);
	return set_dir(t, &p, false);
}

/* ---- making names ---- */

/* A walk to a name that must not exist yet. dir: a trailing slash is allowed. */
static int walk_new(struct walker *w, struct task *t, int dirfd, const char *path, unsigned flags,
		    bool dir)
{
	struct path p;
	int err = walk_begin(w, t, dirfd, path, flags);

	if (err)
		return err;
	if (w->type != WALK_LAST_NAME)
		return -EEXIST;
	err = walk_hold_names(w);
	if (err)
		return err;
	if (w->slash && dir)
		w->slash = false;
	else if (w->slash) {
		w->slash = false;
		err = walk_last(w, false, &p);
		if (!err)
			path_put_locked(&p);
		return err ? err : -EEXIST;
	}
	err = walk_last(w, false, &p);
	if (!err) {
		path_put_locked(&p);
		return -EEXIST;
	}
	/* What /proc has not got is missing even to who wants to make it. */
	return err == -ENOENT && !(w->at.d->sb->flags & SB_NOCACHE) ? 0 : err;
}

static long make(struct task *t, int dirfd, uint64_t upath, uint32_t mode, const char *target)
{
	char path[VFS_PATH_MAX];
	struct walker w;
	struct dentry *d;
	int err = get_path(t, upath, path, false);

	if (err)
		return err;
	err = walk_new(&w, t, dirfd, path, 0, S_ISDIR(mode));
	if (!err)
		err = vfs_create_at(&w, mode, target, &d);
	if (!err)
		dentry_put_locked(d);
	walk_end(&w);
	return err;
}

long sys_mkdir(struct task *t, struct call *c)
{
	return make(t, AT_FDCWD, c->args[0], S_IFDIR | ((uint32_t)c->args[1] & 01777), NULL);
}

long sys_mkdirat(struct task *t, struct call *c)
{
	return make(t, (int)c->args[0], c->args[1], S_IFDIR | ((uint32_t)c->args[2] & 01777), NULL);
}

/* What Linux calls a mode for mknod, and no device. */
static long mknod_call(struct task *t, int dirfd, uint64_t upath, uint32_t mode)
{
	switch (mode & S_IFMT) {
	case 0:
		mode |= S_IFREG;
		break;
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	return make(t, dirfd, upath, mode & (S_IFMT | 07777), NULL);
}

long sys_mknod(struct task *t, struct call *c)
{
	return mknod_call(t, AT_FDCWD, c->args[0], (uint32_t)c->args[1]);
}

long sys_mknodat(struct task *t, struct call *c)
{
	return mknod_call(t, (int)c->args[0], c->args[1], (uint32_t)c->args[2]);
}

static long symlink_call(struct task *t, uint64_t utarget, int dirfd, uint64_t upath)
{
	char target[VFS_PATH_MAX];
	int err = get_path(t, utarget, target, false);

	return err ? err : make(t, dirfd, upath, S_IFLNK | 0777, target);
}

long sys_symlink(struct task *t, struct call *c)
{
	return symlink_call(t, c->args[0], AT_FDCWD, c->args[1]);
}

long sys_symlinkat(struct task *t, struct call *c)
{
	return symlink_call(t, c->args[0], (int)c->args[1], c->args[2]);
}

static int may_link(struct inode *i, struct walker *w)
{
	uint32_t nlink;
	bool linkable;

	if (i->sb->flags & SB_RDONLY)
		return -EROFS;
	if (w->at.d->flags & D_DELETED)
		return -ENOENT;
	if (S_ISDIR(i->mode) || !w->at.d->inode->ops->link)
		return -EPERM;
	pthread_mutex_lock(&i->lock);
	nlink = i->nlink;
	linkable = i->linkable;
	pthread_mutex_unlock(&i->lock);
	if (nlink >= VFS_LINK_MAX)
		return -EMLINK;
	if (!nlink && !linkable)
		return -ENOENT;
	return inode_permission(w->at.d->inode, &w->cred, MAY_WRITE | MAY_EXEC);
}

static long link_call(struct task *t, int olddir, uint64_t uold, int newdir, uint64_t unew,
		      unsigned at_flags)
{
	char old[VFS_PATH_MAX], new[VFS_PATH_MAX];
	unsigned flags = at_flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0;
	struct walker w;
	struct dentry *d;
	struct path p;
	int err, bad_new;

	if (at_flags & ~(unsigned)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if ((at_flags & AT_EMPTY_PATH))
		flags |= WALK_EMPTY;
	err = get_path(t, uold, old, at_flags & AT_EMPTY_PATH);
	bad_new = get_path(t, unew, new, false);
	if (!err)
		err = vfs_path_at(t, olddir, old, flags, &p);
	if (err)
		return err;
	if (bad_new) { /* said only once the old name is found, as Linux does */
		path_put(&p);
		return bad_new;
	}
	err = walk_new(&w, t, newdir, new, 0, false);
	/* In Linux's order. */
	if (!err && w.at.mnt != p.mnt)
		err = w.at.d->sb->flags & SB_RDONLY ? -EROFS : -EXDEV;
	if (!err)
		err = may_link(p.d->inode, &w);
	if (!err)
		err = w.at.d->inode->ops->link(w.at.d, w.last, w.last_len, p.d->inode, &d);
	if (!err) {
		notify_inode(d->inode, IN_ATTRIB);
		notify_name(w.at.d, d->name, d->inode, IN_CREATE, 0);
		dentry_put_locked(d);
	}
	walk_end(&w);
	path_put(&p);
	return err;
}

long sys_link(struct task *t, struct call *c)
{
	return link_call(t, AT_FDCWD, c->args[0], AT_FDCWD, c->args[1], 0);
}

long sys_linkat(struct task *t, struct call *c)
{
	return link_call(t, (int)c->args[0], c->args[1], (int)c->args[2], c->args[3],
			 (unsigned)c->args[4]);
}

/* ---- removing names ---- */

/* In Linux's order. */
static void told_removed(struct dentry *dir, struct dentry *d)
{
	if (!S_ISDIR(d->inode->mode))
		notify_inode(d->inode, IN_ATTRIB);
	/* Nobody but we has it. */
	if (atomic_load(&d->refs) == 1)
		notify_gone(d);
	notify_name(dir, d->name, d->inode, IN_DELETE, 0);
}

static int remove_locked(struct walker *w, bool dir)
{
	struct path p;
	bool isdir;
	int err;

	if (w->at.d->sb->flags & SB_RDONLY)
		return -EROFS;
	err = walk_hold_names(w);
	if (!err)
		err = walk_last_itself(w, &p);
	if (err)
		return err;
	isdir = S_ISDIR(p.d->inode->mode);
	if (!dir && w->slash)
		err = isdir ? -EISDIR : -ENOTDIR;
	if (!err)
		err = may_delete(w->at.d->inode, p.d->inode, &w->cred);
	if (!err && dir != isdir)
		err = isdir ? -EISDIR : -ENOTDIR;
	/* walk_last goes into mounts. */
	if (!err && (p.mnt != w->at.mnt || (p.d->flags & D_MOUNTED)))
		err = -EBUSY;
	if (!err)
		err = w->at.d->inode->ops->unlink ? w->at.d->inode->ops->unlink(p.d) : -EPERM;
	if (!err)
		told_removed(w->at.d, p.d);
	path_put_locked(&p);
	return err;
}

static long remove_call(struct task *t, int dirfd, uint64_t upath, bool dir)
{
	static const int dir_errors[] = {0, -EINVAL, -ENOTEMPTY, -EBUSY};
	char path[VFS_PATH_MAX];
	struct walker w;
	int err = get_path(t, upath, path, false);

	if (err)
		return err;
	err = walk_begin(&w, t, dirfd, path, 0);
	if (!err && w.type != WALK_LAST_NAME)
		err = dir ? dir_errors[w.type] : -EISDIR;
	if (!err)
		err = remove_locked(&w, dir);
	walk_end(&w);
	return err;
}

long sys_unlink(struct task *t, struct call *c)
{
	return remove_call(t, AT_FDCWD, c->args[0], false);
}

long sys_rmdir(struct task *t, struct call *c)
{
	return remove_call(t, AT_FDCWD, c->args[0], true);
}

long sys_unlinkat(struct task *t, struct call *c)
{
	unsigned flags = (unsigned)c->args[2];

	if (flags & ~(unsigned)AT_REMOVEDIR)
		return -EINVAL;
	return remove_call(t, (int)c->args[0], c->args[1], flags & AT_REMOVEDIR);
}

/* ---- links' text ---- */

static long readlink_call(struct task *t, int dirfd, uint64_t upath, uint64_t ubuf, int size)
{
	char path[VFS_PATH_MAX], text[VFS_PATH_MAX];
	struct inode *i;
	struct path p;
	ssize_t n;
	int err;

	if (size <= 0)
		return -EINVAL;
	err = get_path(t, upath, path, true);
	if (!err)
		err = vfs_path_at(t, dirfd, path, dirfd == AT_FDCWD ? 0 : WALK_EMPTY, &p);
	if (err)
		return err;
	i = p.d->inode;
	if (S_ISLNK(i->mode) && i->ops->readlink)
		n = i->ops->readlink(i, p.d, t, text, sizeof(text));
	else
		n = *path ? -EINVAL : -ENOENT;
	path_put(&p);
	if (n < 0)
		return n;
	if (n > size)
		n = size;
	return copy_to_guest(task_mm(t), gva(ubuf), text, (size_t)n) ? -EFAULT : n;
}

long sys_readlink(struct task *t, struct call *c)
{
	return readlink_call(t, AT_FDCWD, c->args[0], c->args[1], (int)c->args[2]);
}

long sys_readlinkat(struct task *t, struct call *c)
{
	return readlink_call(t, (int)c->args[0], c->args[1], c->args[2], (int)c->args[3]);
}
