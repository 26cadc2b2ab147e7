/*
 * A tree of the host whose changes go to the host: names and attributes.
 *
 * Every operation names one component beneath an O_PATH descriptor of its directory, or a
 * descriptor that proved to be the inode it is about: no path is walked by the host, so none leaves
 * the tree. The guest's ids decide first (vfs_perm.c), then what the host permits the VMM. New
 * files belong to the guest's ids where the VMM may give them away. Set-id bits of files are not
 * passed on: they would lend the invoker's rights to others on the host.
 */
#include "fs_bind.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Modes that may be made on the host. */
static mode_t host_mode(uint32_t mode)
{
	return mode & (S_ISDIR(mode) ? 03777 : 01777);
}

static void put_name(char z[VFS_NAME_MAX + 1], const char *name, size_t len)
{
	memcpy(z, name, len);
	z[len] = 0;
}

static int host_error(void)
{
	return errno == EMFILE ? -ENFILE : -errno;
}

/* ---- whose new files are ---- */

struct fsids {
	bool changed;
	uid_t uid;
	gid_t gid;
};

/* This thread makes files as uid and gid, if the VMM may. */
static void fsids_enter(struct fsids *ids, uint32_t uid, uint32_t gid)
{
	ids->uid = geteuid();
	ids->gid = getegid();
	ids->changed = ids->uid == 0 && (uid != ids->uid || gid != ids->gid);
	if (!ids->changed)
		return;
	/* The group first: root alone may change it. By system call: the C library's would change
	 * every thread. */
	syscall(SYS_setfsgid, gid);
	syscall(SYS_setfsuid, uid);
}

static void fsids_leave(const struct fsids *ids)
{
	if (!ids->changed)
		return;
	syscall(SYS_setfsuid, ids->uid);
	syscall(SYS_setfsgid, ids->gid);
}

/* ---- making names ---- */

/* [V] h's first open descriptor; taken over. */
static void give_fd(struct host_inode *h, int fd)
{
	struct hostfd *hf = NULL;
	bool have;

	pthread_mutex_lock(&h->i.lock);
	have = h->hf;
	/* Without it is opened when it is needed. */
	if (!have)
		h->hf = hf = hostfd_create(h->i.sb, h->pace, fd, fd);
	pthread_mutex_unlock(&h->i.lock);
	if (have)
		hostfd_unused(h->i.sb, h->pace, fd);
}

/*
 * [V, let go of] A dentry for what the host has as `name` in dir by now. fd: open on it, or -1;
 * taken over.
 */
static int found(struct dentry *dir, const char *name, int fd, struct dentry **out)
{
	struct vfs *v = dir->sb->v;
	struct inode *i = NULL;
	struct dentry *now;
	struct stat st;
	int err = 0;

	vfs_unlock(v);
	if (fd >= 0 ? fstat(fd, &st) : fstatat(hi(dir->inode)->fd, name, &st, AT_SYMLINK_NOFOLLOW))
		err = -errno;
	vfs_lock(v);
	if (!err)
		err = host_get_inode(dir->inode, name, &st, &i);
	if (fd >= 0 && err) {
		hostfd_unused(dir->sb, hi(dir->inode)->pace, fd);
	} else if (fd >= 0) {
		give_fd(hi(i), fd);
	}
	dir->sb->names_seq++;
	if (err)
		return err == -ESTALE ? -ENOENT : err;
	/* A look-up may have seen it already. */
	now = dentry_find(dir, name, strlen(name));
	if (now && now->inode == i) {
		inode_put_locked(i);
		*out = now;
		return 0;
	}
	if (now) {
		dentry_unlink(now, false);
		dentry_put_locked(now);
	}
	*out = dentry_alloc(dir, name, strlen(name), i);
	if (!*out)
		return -ENOMEM;
	dentry_link(*out, false);
	return 0;
}

static int make(int dirfd, const char *name, const struct inode_new *n, int *fd)
{
	switch (n->mode & S_IFMT) {
	case S_IFREG:
		*fd = openat(dirfd, name,
			     O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY,
			     host_mode(n->mode));
		return *fd < 0 ? host_error() : 0;
	case S_IFDIR:
		return mkdirat(dirfd, name, host_mode(n->mode)) ? -errno : 0;
	case S_IFLNK:
		return symlinkat(n->target, dirfd, name) ? -errno : 0;
	case S_IFIFO:
	case S_IFSOCK:
		return mknodat(dirfd, name, (n->mode & S_IFMT) | host_mode(n->mode), 0) ? -errno
											: 0;
	default:
		return -EPERM;
	}
}

static int bind_create(struct dentry *dir, const char *name, size_t len, const struct inode_new *n,
		       struct dentry **out)
{
	int dirfd = hi(dir->inode)->fd, fd = -1, err = 0;
	struct vfs *v = dir->sb->v;
	char z[VFS_NAME_MAX + 1];
	struct fsids ids;

	if (dirfd < 0)
		return -EPERM;
	put_name(z, name, len);
	if (S_ISREG(n->mode))
		err = hostfd_reserve(v);
	if (err)
		return err;
	vfs_unlock(v);
	fsids_enter(&ids, n->uid, n->gid);
	err = make(dirfd, z, n, &fd);
	fsids_leave(&ids);
	vfs_lock(v);
	if (err && S_ISREG(n->mode))
		hostfd_release(v);
	return err ? err : found(dir, z, fd, out);
}

static int bind_tmpfile(struct dentry *dir, const struct inode_new *n, struct inode **out)
{
	struct vfs *v = dir->sb->v;
	struct host_inode *h;
	struct fsids ids;
	struct stat st;
	int fd, err;

	if (hi(dir->inode)->fd < 0)
		return -EPERM;
	err = host_may_wait(hi(dir->inode)->pace, HOST_CHANGE);
	if (!err)
		err = hostfd_reserve(v);
	if (err)
		return err;
	fsids_enter(&ids, n->uid, n->gid);
	fd = openat(hi(dir->inode)->fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, host_mode(n->mode));
	fsids_leave(&ids);
	err = fd < 0 || fstat(fd, &st) ? host_error() : 0;
	vfs_lock(v);
	h = err ? NULL : host_inode_alloc(dir->sb, &st);
	vfs_unlock(v);
	if (!h) {
		if (fd >= 0)
			close(fd);
		hostfd_release(v);
		return err ? err : -ENOMEM;
	}
	h->hf = hostfd_create(dir->sb, h->pace, fd, fd);
	if (!h->hf) {
		host_free(&h->i);
		return -ENOMEM;
	}
	vfs_lock(v);
	host_insert_inode(h);
	vfs_unlock(v);
	*out = &h->i;
	return 0;
}

static void fd_path(char buf[40], int fd)
{
	snprintf(buf, 40, "/proc/self/fd/%d", fd);
}

/* [no lock] */
static int link_host(struct host_inode *h, int dirfd, const char *name)
{
	char path[40];
	bool close_it;
	int fd = host_any_fd(h, &close_it), err;

	if (fd < 0)
		return fd == -ESTALE ? -ENOENT : fd;
	fd_path(path, fd);
	err = linkat(AT_FDCWD, path, dirfd, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
	host_any_fd_done(h, fd, close_it);
	return err;
}

static int bind_link(struct dentry *dir, const char *name, size_t len, struct inode *i,
		     struct dentry **out)
{
	struct vfs *v = dir->sb->v;
	char z[VFS_NAME_MAX + 1];
	int err;

	if (hi(dir->inode)->fd < 0 || hi(i)->made)
		return -EPERM;
	put_name(z, name, len);
	vfs_unlock(v);
	err = link_host(hi(i), hi(dir->inode)->fd, z);
	vfs_lock(v);
	return err ? err : found(dir, z, -1, out);
}

/* ---- removing and moving them ---- */

/* [V] One name of i less. */
static void lost_link(struct inode *i)
{
	pthread_mutex_lock(&i->lock);
	if (S_ISDIR(i->mode))
		hi(i)->st.st_nlink = 0;
	else if (hi(i)->st.st_nlink)
		hi(i)->st.st_nlink--;
	i->nlink = (uint32_t)hi(i)->st.st_nlink;
	pthread_mutex_unlock(&i->lock);
}

/* While names are held only look-ups touch d: they may take it out of the cache. */
static int bind_unlink(struct dentry *d)
{
	int dirfd = hi(d->parent->inode)->fd, err = 0;
	struct vfs *v = d->sb->v;

	if (hi(d->inode)->made) /* a mount point once */
		return -EBUSY;
	vfs_unlock(v);
	if (unlinkat(dirfd, d->name, S_ISDIR(d->inode->mode) ? AT_REMOVEDIR : 0))
		err = -errno;
	vfs_lock(v);
	if (err)
		return err;
	d->sb->names_seq++;
	lost_link(d->inode);
	dentry_unlink(d, true);
	return 0;
}

static int bind_rename(struct dentry *old, struct dentry *newdir, const char *newname, size_t len,
		       struct dentry *target, bool exchange)
{
	struct dentry *olddir = old->parent, *seen;
	struct vfs *v = old->sb->v;
	char z[VFS_NAME_MAX + 1], *name = malloc(len + 1), *name2 = strdup(old->name);
	size_t oldlen = old->len;
	int err = name && name2 ? 0 : -ENOMEM;

	put_name(z, newname, len);
	if (!err && (hi(old->inode)->made || (target && hi(target->inode)->made)))
		err = -EBUSY;
	if (!err) {
		vfs_unlock(v);
		if (renameat2(hi(olddir->inode)->fd, old->name, hi(newdir->inode)->fd, z,
			      exchange ? RENAME_EXCHANGE : 0))
			err = -errno;
		vfs_lock(v);
	}
	if (err) {
		free(name);
		free(name2);
		return err;
	}
	memcpy(name, z, len + 1);
	old->sb->names_seq++;
	dentry_get(olddir);
	/* A look-up may have seen the new name already. */
	seen = dentry_find(newdir, z, len);
	if (seen && seen != target && seen != old)
		dentry_unlink(seen, false);
	dentry_put_locked(seen);
	if (target && !exchange) {
		lost_link(target->inode);
		dentry_unlink(target, true);
	}
	/* Where a place cannot be noted the next look-up does it. */
	host_set_place(hi(old->inode), hi(newdir->inode), name);
	dentry_move(old, newdir, name, len);
	if (exchange) {
		host_set_place(hi(target->inode), hi(olddir->inode), name2);
		dentry_move(target, olddir, name2, oldlen);
	} else {
		free(name2);
	}
	dentry_put_locked(olddir);
	return 0;
}

/* ---- attributes ---- */

static int change(struct inode *i, int fd, const struct vfs_setattr *s)
{
	const struct timespec omit = {0, UTIME_OMIT};
	struct timespec ts[2] = {s->valid & ATTR_ATIME ? s->atime : omit,
				 s->valid & ATTR_MTIME ? s->mtime : omit};
	uid_t uid = s->valid & ATTR_UID ? s->uid : (uid_t)-1;
	gid_t gid = s->valid & ATTR_GID ? s->gid : (gid_t)-1;
	char path[40];

	fd_path(path, fd);
	if ((s->valid & (ATTR_UID | ATTR_GID)) && fchownat(fd, "", uid, gid, AT_EMPTY_PATH))
		return -errno;
	if ((s->valid & ATTR_MODE) && chmod(path, host_mode((i->mode & S_IFMT) | s->mode)))
		return -errno;
	if ((s->valid & (ATTR_ATIME | ATTR_MTIME)) && utimensat(AT_FDCWD, path, ts, 0))
		return -errno;
	return 0;
}

static int bind_setattr(struct dentry *d, const struct vfs_setattr *s)
{
	struct host_inode *h = hi(d->inode);
	bool close_it;
	struct stat st;
	int fd, err = 0;

	if (h->made)
		return -EPERM;
	err = host_may_wait(h->pace, HOST_CHANGE);
	if (!err && (s->valid & ATTR_SIZE))
		err = bind_truncate(h, s->size);
	if (err || !(s->valid & ~(unsigned)ATTR_SIZE))
		return err;
	fd = host_any_fd(h, &close_it);
	if (fd < 0)
		return fd;
	err = change(&h->i, fd, s);
	if (!fstat(fd, &st))
		host_set_stat(&h->i, &st);
	host_any_fd_done(h, fd, close_it);
	return err;
}

const struct inode_ops bind_ops = {
	.evict = host_evict,
	.free = host_free,
	.getattr = host_getattr,
	.setattr = bind_setattr,
	.lookup = host_lookup,
	.pace = host_pace,
	.xattr = &host_xattr_ops,
	.create = bind_create,
	.link = bind_link,
	.unlink = bind_unlink,
	.rename = bind_rename,
	.tmpfile = bind_tmpfile,
	.readlink = host_readlink,
	.open = host_open,
	.iterate = host_iterate,
	.fallocate = bind_fallocate,
	.write_back = bind_write_back_file,
	.has_changes = bind_has_changes,
	.flush = bind_flush,
};
