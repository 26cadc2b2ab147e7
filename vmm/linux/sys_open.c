/*
 * open, openat, creat, openat2. open(2), openat2(2).
 */
#include "notify.h"
#include "sys_fs.h"

#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>

#define TMPFILE_BIT  (O_TMPFILE & ~O_DIRECTORY)
#define CREATE_TRIES 8
#define STALE_TRIES  3 /* a host file replaced between look-up and open is looked up again */

/* Who a new inode in dir belongs to, and its mode. */
static void new_owner(struct task *t, struct inode *dir, const struct cred *c, uint32_t mode,
		      struct inode_new *n)
{
	struct fs_context *fs = task_fs(t);

	memset(n, 0, sizeof(*n));
	pthread_mutex_lock(&fs->lock);
	n->mode = mode & ~(fs->umask & 0777);
	pthread_mutex_unlock(&fs->lock);
	n->uid = c->fsuid;
	pthread_mutex_lock(&dir->lock);
	n->gid = dir->mode & S_ISGID ? dir->gid : c->fsgid;
	if ((dir->mode & S_ISGID) && S_ISDIR(mode))
		n->mode |= S_ISGID;
	pthread_mutex_unlock(&dir->lock);
}

/* [V, let go of] The names are held; -EEXIST: somebody was faster than that. */
static int hold_missing(struct walker *w)
{
	struct path p;
	int err;

	if (w->names)
		return 0;
	err = walk_hold_names(w);
	if (err)
		return err;
	err = walk_last(w, false, &p);
	if (!err)
		path_put_locked(&p);
	return !err ? -EEXIST : err == -ENOENT ? 0 : err;
}

int vfs_create_at(struct walker *w, uint32_t mode, const char *target, struct dentry **out)
{
	struct inode *dir = w->at.d->inode;
	struct inode_new n;
	int err = hold_missing(w);

	if (err)
		return err;
	if (dir->sb->flags & SB_RDONLY)
		return -EROFS;
	if (w->at.d->flags & D_DELETED)
		return -ENOENT;
	/* What /proc has not got is missing even to who wants to make it. */
	if (dir->sb->flags & SB_NOCACHE)
		return -ENOENT;
	err = inode_permission(dir, &w->cred, MAY_WRITE | MAY_EXEC);
	if (err)
		return err;
	if (!dir->ops->create)
		return -EPERM;
	new_owner(w->t, dir, &w->cred, mode, &n);
	if (target) {
		n.mode = mode;
		n.target = target;
	}
	err = dir->ops->create(w->at.d, w->last, w->last_len, &n, out);
	if (!err) {
		host_call_begun();
		notify_name(w->at.d, (*out)->name, (*out)->inode, IN_CREATE, 0);
	}
	return err;
}

/* The walk's last component, made if need be. */
static int open_last(struct walker *w, unsigned flags, unsigned mode, struct path *p, bool *created)
{
	bool follow = !(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
	int err;

	if ((flags & O_CREAT) && w->slash)
		return -EISDIR;
	/* While we make it another may, and another remove it again. */
	for (int tries = 0; tries < CREATE_TRIES; tries++) {
		err = walk_last(w, follow, p);
		if (!(flags & O_CREAT))
			return err;
		if (err != -ENOENT || !w->missing)
			break;
		if (w->slash)
			return -EISDIR;
		err = vfs_create_at(w, S_IFREG | (mode & 07777), NULL, &p->d);
		p->mnt = w->at.mnt;
		*created = !err;
		if (err != -EEXIST || (flags & O_EXCL))
			return err;
	}
	if (err)
		return err;
	if (flags & O_EXCL)
		err = -EEXIST;
	else if (S_ISDIR(p->d->inode->mode))
		err = -EISDIR;
	if (err)
		path_put_locked(p);
	return err;
}

static unsigned access_mask(unsigned flags)
{
	static const unsigned masks[4] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE,
					  MAY_READ | MAY_WRITE};

	return masks[flags & O_ACCMODE] | (flags & O_TRUNC ? MAY_WRITE : 0U);
}

static int may_open(struct inode *i, const struct cred *c, unsigned flags, bool created)
{
	int err;

	if ((flags & O_DIRECTORY) && !S_ISDIR(i->mode))
		return -ENOTDIR;
	if (S_ISLNK(i->mode))
		return flags & O_PATH ? 0 : -ELOOP;
	if (flags & O_PATH)
		return 0;
	if (S_ISDIR(i->mode) && (access_mask(flags) & MAY_WRITE))
		return -EISDIR;
	if (created)
		return 0;
	err = inode_permission(i, c, access_mask(flags));
	if (!err && (flags & O_NOATIME) && !inode_owner_or_root(i, c))
		err = -EPERM;
	return err;
}

static int open_tmpfile(struct task *t, int dirfd, const char *path, unsigned mode,
			unsigned resolve, struct path *out)
{
	struct vfs *v = t->k->vfs;
	struct inode_new n;
	struct cred cred;
	struct inode *i;
	struct path dir;
	char name[32];
	int err = vfs_path_at(t, dirfd, path, WALK_FOLLOW | WALK_DIR | WALK_RESOLVE(resolve), &dir);

	if (err)
		return err;
	task_cred(t, &cred);
	err = inode_permission(dir.d->inode, &cred, MAY_WRITE | MAY_EXEC);
	if (!err && !dir.d->inode->ops->tmpfile)
		err = -EOPNOTSUPP;
	if (!err) {
		new_owner(t, dir.d->inode, &cred, S_IFREG | (mode & 07777), &n);
		err = dir.d->inode->ops->tmpfile(dir.d, &n, &i);
	}
	if (!err) {
		host_call_begun();
		snprintf(name, sizeof(name), "#%llu", (unsigned long long)i->ino);
		out->mnt = dir.mnt;
		vfs_lock(v);
		out->d = dentry_alloc(dir.d, name, strlen(name), i);
		if (out->d)
			out->d->flags |= D_DELETED;
		else
			err = -ENOMEM;
		vfs_unlock(v);
	}
	path_put(&dir);
	return err;
}

static int check_flags(unsigned *flags)
{
	if (*flags & O_PATH) {
		*flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
		return 0;
	}
	if (*flags & TMPFILE_BIT)
		return (*flags & O_TMPFILE) == O_TMPFILE && !(*flags & O_CREAT) &&
				       (access_mask(*flags) & MAY_WRITE)
			       ? 0
			       : -EINVAL;
	if ((*flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
		return -EINVAL;
	return 0;
}

static int open_once(struct task *t, int dirfd, const char *path, unsigned flags, unsigned mode,
		     unsigned resolve, struct file **out)
{
	unsigned keep = flags & ~(unsigned)(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC);
	bool created = false, tmpfile = flags & TMPFILE_BIT && !(flags & O_PATH);
	struct vfs_setattr trunc = {.valid = ATTR_SIZE};
	struct path p = {NULL, NULL};
	struct walker w;
	struct inode *i;
	int err;

	if (tmpfile) {
		task_cred(t, &w.cred);
		err = open_tmpfile(t, dirfd, path, mode, resolve, &p);
		created = true;
		keep &= ~(unsigned)O_TMPFILE;
	} else {
		err = walk_begin(&w, t, dirfd, path, WALK_RESOLVE(resolve));
		if (!err)
			err = open_last(&w, flags, mode, &p, &created);
		walk_end(&w);
	}
	if (err)
		return err;
	i = p.d->inode;
	if (tmpfile) {
		pthread_mutex_lock(&i->lock);
		i->linkable = !(flags & O_EXCL);
		pthread_mutex_unlock(&i->lock);
	}
	err = may_open(i, &w.cred, tmpfile ? flags & ~(unsigned)O_DIRECTORY : flags, created);
	/* Asked before anybody could see that it is open. */
	if (!err && flags & O_TRUNC && !created && S_ISREG(i->mode))
		err = host_may_wait(inode_pace(i), HOST_CHANGE);
	if (!err)
		err = vfs_open_path(t->k, &p, flags & O_PATH ? keep : keep | arch_o_largefile, t,
				    out);
	if (!err && (flags & O_TRUNC) && !created && S_ISREG(i->mode)) {
		/* They see it now: no way back. */
		host_call_begun();
		err = inode_write_get(i);
		if (!err) {
			add_setid_drop(t, i, &trunc);
			err = i->ops->setattr ? i->ops->setattr(p.d, &trunc) : -EROFS;
			inode_write_put(i);
		}
		if (err)
			file_close(*out);
		else
			notify_file(*out, IN_MODIFY);
	}
	path_put(&p);
	return err;
}

static int open_resolved(struct task *t, int dirfd, const char *path, unsigned flags, unsigned mode,
			 unsigned resolve, struct file **out)
{
	int err = check_flags(&flags);

	for (int tries = 0; !err && tries < STALE_TRIES; tries++) {
		err = open_once(t, dirfd, path, flags, mode, resolve, out);
		if (err != -ESTALE)
			return err;
		err = 0;
	}
	return err ? err : -ESTALE;
}

int do_openat(struct task *t, int dirfd, const char *path, unsigned flags, unsigned mode,
	      struct file **out)
{
	return open_resolved(t, dirfd, path, flags, mode, 0, out);
}

/* Who has no descriptor left neither looks nor makes anything. 0, -EMFILE. */
static int room(struct task *t)
{
	return fdtable_full(task_files(t), nofile_limit(t)) ? -EMFILE : 0;
}

static long install_opened(struct task *t, struct file *f, unsigned flags)
{
	int fd = fdtable_install(task_files(t), f, 0, nofile_limit(t), flags & O_CLOEXEC);

	if (fd < 0)
		file_close(f);
	/* A limit of 0 descriptors is "too many" too. */
	return fd == -EINVAL ? -EMFILE : fd;
}

/* A FIFO's open waits for the other end with the file in the call. */
static long open_end(struct task *t, struct call *c, struct file *f, unsigned flags)
{
	int err;

	if (!c->rerun && !S_ISFIFO(file_inode(f)->mode))
		return install_opened(t, f, flags);
	if (!c->rerun)
		c->file[0] = f;
	err = fifo_wait(f, call_waiter(t, c, false));
	if (err)
		return err == -EAGAIN ? -ERESTARTSYS : err;
	return install_opened(t, file_dup(f), flags);
}

static long open_call(struct task *t, struct call *c, int dirfd, uint64_t upath, unsigned flags,
		      unsigned mode)
{
	char path[VFS_PATH_MAX];
	struct file *f;
	int err;

	if (c->rerun)
		return open_end(t, c, c->file[0], flags);
	err = get_path(t, upath, path, false);
	if (!err)
		err = room(t);
	if (!err)
		err = do_openat(t, dirfd, path, flags, mode, &f);
	return err ? err : open_end(t, c, f, flags);
}

long sys_open(struct task *t, struct call *c)
{
	return open_call(t, c, AT_FDCWD, c->args[0], (unsigned)c->args[1], (unsigned)c->args[2]);
}

long sys_openat(struct task *t, struct call *c)
{
	return open_call(t, c, (int)c->args[0], c->args[1], (unsigned)c->args[2],
			 (unsigned)c->args[3]);
}

long sys_creat(struct task *t, struct call *c)
{
	return open_call(t, c, AT_FDCWD, c->args[0], O_CREAT | O_WRONLY | O_TRUNC,
			 (unsigned)c->args[1]);
}

/* ---- openat2 ---- */

#define OPEN_KNOWN                                                                                 \
	((unsigned)(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK |    \
		    O_DSYNC | O_SYNC | O_ASYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY |            \
		    O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE) |                     \
	 arch_o_largefile)
#define OPATH_KNOWN ((unsigned)(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
#define RESOLVE_KNOWN                                                                              \
	(RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH |         \
	 RESOLVE_IN_ROOT | RESOLVE_CACHED)

/* A structure of a later kernel may be longer, if the rest is 0: copy_struct_from_user(). */
static int get_how(struct task *t, uint64_t addr, uint64_t size, struct open_how *how)
{
	uint8_t rest[256];

	if (size < sizeof(*how))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (copy_from_guest(task_mm(t), how, gva(addr), sizeof(*how)))
		return -EFAULT;
	for (uint64_t at = sizeof(*how); at < size;) {
		size_t n = size - at < sizeof(rest) ? size - at : sizeof(rest);

		if (copy_from_guest(task_mm(t), rest, gva(addr + at), n))
			return -EFAULT;
		for (size_t i = 0; i < n; i++)
			if (rest[i])
				return -E2BIG;
		at += n;
	}
	return 0;
}

/* openat2 refuses what openat ignores. */
static int check_how(const struct open_how *how)
{
	bool makes = how->flags & (O_CREAT | TMPFILE_BIT);

	if (how->flags & ~(uint64_t)OPEN_KNOWN || how->resolve & ~(uint64_t)RESOLVE_KNOWN)
		return -EINVAL;
	if ((how->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) ==
	    (RESOLVE_BENEATH | RESOLVE_IN_ROOT))
		return -EINVAL;
	if (makes ? how->mode & ~07777ULL : how->mode)
		return -EINVAL;
	if ((how->flags & O_PATH) && (how->flags & ~(uint64_t)OPATH_KNOWN))
		return -EINVAL;
	/* What writes is not found in a cache alone. */
	if ((how->resolve & RESOLVE_CACHED) && how->flags & (O_TRUNC | O_CREAT | TMPFILE_BIT))
		return -EAGAIN;
	return 0;
}

long sys_openat2(struct task *t, struct call *c)
{
	char path[VFS_PATH_MAX];
	struct open_how how;
	struct file *f;
	int err;

	/* The structure was read, and its flags kept where nothing is read again. */
	if (c->rerun)
		return open_end(t, c, c->file[0], (unsigned)c->word);
	err = get_how(t, c->args[2], c->args[3], &how);
	if (!err)
		err = check_how(&how);
	if (!err)
		err = get_path(t, c->args[1], path, false);
	if (!err)
		err = room(t);
	if (!err)
		err = open_resolved(t, (int)c->args[0], path, (unsigned)how.flags,
				    (unsigned)how.mode, (unsigned)how.resolve, &f);
	c->word = how.flags;
	return err ? err : open_end(t, c, f, (unsigned)how.flags);
}
