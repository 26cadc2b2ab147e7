/*
 * A directory tree of the host: names and inodes.
 *
 * Every look-up asks the host about one name beneath an O_PATH descriptor of its directory, never
 * following a link, so that no path leaves the tree and what the host changes is seen; links are
 * returned as text and interpreted by the walk. Only regular files and directories are opened, each
 * after its descriptor proved to be the very inode that was looked up. Kernel file systems mounted
 * on the host (procfs and its kind) appear as empty directories.
 */
#include "fs_host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Inodes that exist in memory alone are numbered from here: above those of real file systems. */
#define MADE_INO (1UL << 40)
/* A name that changes while the host is asked about it is asked about again. */
#define LOOKUP_TRIES 4

void host_set_stat(struct inode *i, const struct stat *st)
{
	pthread_mutex_lock(&i->lock);
	if (!atomic_load(&hi(i)->upper)) {
		hi(i)->st = *st;
		i->mode = st->st_mode;
		i->uid = st->st_uid;
		i->gid = st->st_gid;
		i->nlink = (uint32_t)st->st_nlink;
	}
	pthread_mutex_unlock(&i->lock);
}

bool host_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       (a->st_mode & S_IFMT) == (b->st_mode & S_IFMT);
}

bool host_is_inode(struct inode *i, const struct stat *st)
{
	const struct host_inode *h = hi(i);

	return !h->made && h->dev == st->st_dev && h->hostino == st->st_ino &&
	       inode_type(i) == (st->st_mode & S_IFMT);
}

static size_t bucket(dev_t dev, ino_t ino)
{
	return ((uint64_t)ino * 0x9e3779b97f4a7c15 ^ (uint64_t)dev) >> 40 & (HOSTFS_BUCKETS - 1);
}

/* [V] */
static struct inode *find_inode(struct hostfs *fs, const struct stat *st)
{
	struct inode *i;

	LIST_FOREACH (i, &fs->table[bucket(st->st_dev, st->st_ino)], hash)
		if (host_is_inode(i, st))
			return inode_get(i);
	return NULL;
}

void host_insert_inode(struct host_inode *h)
{
	struct hostfs *fs = hostfs_of(h->i.sb);

	LIST_INSERT_HEAD(&fs->table[bucket(h->dev, h->hostino)], &h->i, hash);
	h->hashed = true;
}

struct host_inode *host_inode_alloc(struct super *sb, const struct stat *st)
{
	struct host_inode *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	inode_init(&h->i, sb, hostfs_inode_ops(hostfs_of(sb)->kind), st->st_mode, st->st_ino);
	h->i.rdev = st->st_rdev;
	h->dev = st->st_dev;
	h->pace = host_pace_get(sb, st->st_dev);
	h->hostino = st->st_ino;
	h->fd = h->path_fd = -1;
	RB_INIT(&h->whites);
	host_set_stat(&h->i, st);
	return h;
}

void host_evict(struct inode *i)
{
	struct host_inode *h = hi(i);

	if (h->hashed)
		LIST_REMOVE(i, hash);
	if (h->ldir)
		inode_put_locked(&h->ldir->i);
	h->hashed = false;
	h->ldir = NULL;
}

void host_free(struct inode *i)
{
	struct host_inode *h = hi(i);

	if (h->fd >= 0) {
		close(h->fd);
		hostfd_release(i->sb->v);
	}
	if (h->path_fd >= 0) {
		close(h->path_fd);
		hostfd_release(i->sb->v);
	}
	if (h->charge)
		super_uncharge_inode(i->sb, h->charge);
	overlay_free_whites(h);
	inode_fini(i);
	hostfd_put(h->hf);
	free(h->target);
	free(h->lname);
	free(h);
}

int host_set_place(struct host_inode *h, struct host_inode *dir, const char *name)
{
	char *copy;

	if (S_ISDIR(h->i.mode) || (h->ldir == dir && !strcmp(h->lname, name)))
		return 0;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	inode_get(&dir->i);
	if (h->ldir)
		inode_put_locked(&h->ldir->i);
	free(h->lname);
	h->ldir = dir;
	h->lname = copy;
	return 0;
}

/* An O_PATH descriptor of the directory `name` if it still is the inode that st describes; -ESTALE
 * if not. */
static int open_dir(struct vfs *v, int dirfd, const char *name, const struct stat *st,
		    bool crossing, enum host_kind *kind)
{
	struct stat now;
	int fd, err = hostfd_reserve(v);

	if (err)
		return err;
	fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err = errno == EMFILE                      ? -ENFILE
		      : errno == ELOOP || errno == ENOTDIR ? -ESTALE
							   : -errno;
		hostfd_release(v);
		return err;
	}
	if (fstat(fd, &now) || !host_same_file(&now, st))
		err = -ESTALE;
	else if (crossing && host_fs_forbidden(fd, kind))
		err = -EXDEV;
	if (err) {
		close(fd);
		hostfd_release(v);
		return err;
	}
	return fd;
}

static void close_dir(struct vfs *v, int fd)
{
	if (fd < 0)
		return;
	close(fd);
	hostfd_release(v);
}

int host_get_inode(struct inode *dir, const char *name, const struct stat *st, struct inode **out)
{
	struct hostfs *fs = hostfs_of(dir->sb);
	struct vfs *v = dir->sb->v;
	enum host_kind kind = HOST_UNKNOWN;
	struct host_inode *h;
	int err, fd = -1;

	*out = find_inode(fs, st);
	if (*out) {
		host_set_stat(*out, st);
		err = host_set_place(hi(*out), hi(dir), name);
		if (err)
			inode_put_locked(*out);
		return err;
	}
	if (S_ISDIR(st->st_mode)) {
		vfs_unlock(v);
		fd = open_dir(v, hi(dir)->fd, name, st, hi(dir)->dev != st->st_dev, &kind);
		vfs_lock(v);
		if (fd == -EXDEV)
			fd = -1;
		else if (fd < 0)
			return fd;
		/* Another look-up may have been faster. */
		*out = find_inode(fs, st);
	}
	h = *out ? NULL : host_inode_alloc(dir->sb, st);
	if (!h) {
		close_dir(v, fd);
		return *out ? 0 : -ENOMEM;
	}
	h->fd = fd;
	host_pace_learn(v, h->pace, kind);
	host_insert_inode(h);
	err = host_set_place(h, hi(dir), name);
	if (err)
		inode_put_locked(&h->i);
	*out = &h->i;
	return err;
}

/* [V, let go of] The inode that the host has as `name` in d. */
static int ask_host(struct dentry *d, const char *name, struct inode **i)
{
	struct vfs *v = d->sb->v;
	struct stat st;
	int err = 0;

	vfs_unlock(v);
	if (fstatat(hi(d->inode)->fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT))
		err = -errno;
	vfs_lock(v);
	return err ? err : host_get_inode(d->inode, name, &st, i);
}

static bool may_ask(struct dentry *d, const char *name, size_t len)
{
	return hi(d->inode)->fd >= 0 && !overlay_is_white(hi(d->inode), name, len);
}

/*
 * [V] What the host said meets what the cache has by now. i: an inode, a reference that is taken
 * over; or NULL and err. Names in memory (pinned, deleted) count for more.
 */
static int settle(struct dentry *d, const char *name, size_t len, struct inode *i, int err,
		  struct dentry **out)
{
	struct dentry *now = dentry_find(d, name, len);

	if (!err && !may_ask(d, name, len)) {
		inode_put_locked(i);
		i = NULL;
		err = -ENOENT;
	}
	if (now && ((now->flags & (D_PINNED | D_MOUNTED)) || now->inode == i)) {
		inode_put_locked(i);
		*out = now;
		return 0;
	}
	if (now) {
		dentry_unlink(now, false);
		dentry_put_locked(now);
	}
	if (err)
		return err == -ESTALE ? -ENOENT : err;
	*out = dentry_alloc(d, name, len, i);
	if (!*out)
		return -ENOMEM;
	dentry_link(*out, false);
	return 0;
}

/*
 * The host is asked without vfs->lock, so that one slow answer keeps nobody else from looking names
 * up:
 *
 *	look-up                        a change by a guest (names_lock held)
 *	names_seq noted
 *	-- the host: what is `a`? --   -- the host: a is now b --
 *	                               the cache follows, names_seq goes up
 *	names_seq differs: ask again
 *
 * What is found in the end was so at some time during the call, which is all that a path
 * promises; every later look-up asks anew.
 */
int host_lookup(struct dentry *d, struct dentry *cached, const char *name, size_t len,
		struct task *t, struct dentry **out)
{
	struct vfs *v = d->sb->v;
	char z[VFS_NAME_MAX + 1];
	struct inode *i = NULL;
	int err = -ENOENT;

	memcpy(z, name, len);
	z[len] = 0;
	if (may_ask(d, z, len)) {
		/* Another device's is asked about its root. */
		struct host_pace *p = cached ? hi(cached->inode)->pace : NULL;
		int wait = host_may_wait(hi(d->inode)->pace, HOST_LOOK);

		if (!wait)
			wait = host_may_wait(p, HOST_LOOK);
		if (wait)
			return wait;
	}
	/* The descriptors of what is given up here are closed when the lock is dropped. */
	if (atomic_load(&v->nhostfds) > v->max_hostfds / 4 * 3)
		dentry_shrink(v, 0);
	for (int tries = 0; tries < LOOKUP_TRIES && may_ask(d, z, len); tries++) {
		uint64_t seq = d->sb->names_seq;

		inode_put_locked(i);
		i = NULL;
		err = ask_host(d, z, &i);
		if (err != -ESTALE && seq == d->sb->names_seq)
			break;
	}
	return settle(d, z, len, i, err, out);
}

/* Attributes that are the inode's own, as inode_getattr has filled them in. */
static void upper_attr(struct host_inode *h, struct vfs_attr *a)
{
	bool below;

	a->dev = h->dev;
	if (!S_ISREG(a->mode))
		return;
	pthread_mutex_lock(&h->i.lock);
	below = h->below;
	if (below) {
		a->size = (uint64_t)h->st.st_size;
		a->blocks = (uint64_t)h->st.st_blocks;
	}
	pthread_mutex_unlock(&h->i.lock);
	if (!below)
		memfile_getattr(&h->i, a);
}

struct host_pace *host_pace(struct inode *i)
{
	struct host_inode *h = hi(i);
	bool ours = h->made;

	if (!ours && S_ISREG(i->mode) && atomic_load(&h->upper)) {
		pthread_mutex_lock(&i->lock);
		ours = !h->below;
		pthread_mutex_unlock(&i->lock);
	}
	return ours ? NULL : h->pace;
}

int host_getattr(struct inode *i, struct vfs_attr *a)
{
	struct host_inode *h = hi(i);
	struct stat st;
	int fd;

	pthread_mutex_lock(&i->lock);
	fd = h->fd >= 0 ? h->fd : h->hf ? h->hf->fd : -1;
	if (fd < 0 && h->hf)
		fd = atomic_load(&h->hf->wfd);
	pthread_mutex_unlock(&i->lock);
	/* Fresh where a descriptor is open; else the walk has just asked. */
	if (!atomic_load(&h->upper) && fd >= 0 && !fstat(fd, &st))
		host_set_stat(i, &st);
	if (atomic_load(&h->upper)) {
		upper_attr(h, a);
		return 0;
	}
	pthread_mutex_lock(&i->lock);
	attr_from_stat(a, &h->st);
	pthread_mutex_unlock(&i->lock);
	return 0;
}

ssize_t host_readlink(struct inode *i, struct dentry *d, struct task *t, char *buf, size_t size)
{
	struct host_inode *h = hi(i);
	ssize_t n;
	int fd;

	if (!S_ISLNK(i->mode))
		return -EINVAL;
	if (h->target) {
		n = (ssize_t)strlen(h->target);
		n = n < (ssize_t)size ? n : (ssize_t)size;
		memcpy(buf, h->target, (size_t)n);
		return n;
	}
	fd = host_open_path(h);
	if (fd < 0)
		return fd == -ESTALE ? -ENOENT : fd;
	n = readlinkat(fd, "", buf, size);
	if (n < 0)
		n = -errno;
	close(fd);
	hostfd_release(i->sb->v);
	return n;
}

/* ---- opening ---- */

static int place_of(struct host_inode *h, struct host_inode **dir, char name[VFS_NAME_MAX + 1])
{
	if (!h->ldir)
		return -ESTALE;
	strcpy(name, h->lname);
	*dir = h->ldir;
	inode_get(&h->ldir->i);
	return 0;
}

int host_open_path(struct host_inode *h)
{
	struct vfs *v = h->i.sb->v;
	char name[VFS_NAME_MAX + 1];
	struct host_inode *dir = NULL;
	struct stat st;
	int fd, err = hostfd_reserve_shrink(v);

	if (err)
		return err;
	if (h->path_fd >= 0) {
		fd = fcntl(h->path_fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			hostfd_release(v);
		return fd < 0 ? -ENFILE : fd;
	}
	vfs_lock(v);
	err = place_of(h, &dir, name);
	vfs_unlock(v);
	fd = err ? -1 : openat(dir->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (!err && fd < 0)
		err = errno == EMFILE ? -ENFILE : errno == ENOENT ? -ESTALE : -errno;
	if (!err && (fstat(fd, &st) || !host_is_inode(&h->i, &st))) {
		close(fd);
		err = -ESTALE;
	}
	if (dir)
		inode_put(&dir->i);
	if (err)
		hostfd_release(v);
	return err ? err : fd;
}

int host_reopen(int path_fd, int flags)
{
	char link[40];
	int fd;

	/* Through the descriptor, not the name: what is opened is what was checked. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
	fd = open(link, flags | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0)
		return fd;
	return errno == EMFILE ? -ENFILE : -errno;
}

static int open_regular(struct inode *i, struct vfs_file *f)
{
	switch (hostfs_of(i->sb)->kind) {
	case HOSTFS_OVERLAY:
		return overlay_open(i, f);
	case HOSTFS_WRITE:
		return bind_open(i, f);
	default:
		f->f.ops = &hostfile_ops.core;
		return hostfile_need(hi(i));
	}
}

int host_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	int wait =
		S_ISREG(i->mode) || S_ISDIR(i->mode) ? host_may_wait(host_pace(i), HOST_OPEN) : 0;

	if (wait)
		return wait;
	switch (inode_type(i)) {
	case S_IFREG:
		return open_regular(i, f);
	case S_IFDIR:
		return host_open_dir(i, f);
	case S_IFIFO: /* the guest's own: the host's is never opened */
		return fifo_open(i, f);
	case S_IFCHR:
	case S_IFBLK:
		return -EACCES; /* as on a nodev mount */
	default:
		return -ENXIO;
	}
}

const struct inode_ops hostfs_ops = {
	.evict = host_evict,
	.free = host_free,
	.getattr = host_getattr,
	.lookup = host_lookup,
	.readlink = host_readlink,
	.open = host_open,
	.iterate = host_iterate,
	.pace = host_pace,
	.xattr = &host_xattr_ops,
};

const struct inode_ops *hostfs_inode_ops(enum hostfs_kind kind)
{
	static const struct inode_ops *const ops[] = {
		[HOSTFS_RDONLY] = &hostfs_ops,
		[HOSTFS_OVERLAY] = &overlay_ops,
		[HOSTFS_WRITE] = &bind_ops,
	};

	return ops[kind];
}

/* ---- the file system ---- */

static void host_statfs(struct super *sb, uint64_t *blocks, uint64_t *bfree, uint64_t *files,
			uint64_t *ffree)
{
	struct statfs s;

	if (fstatfs(hostfs_of(sb)->root_fd, &s))
		return;
	*blocks = (uint64_t)s.f_blocks * (uint64_t)s.f_bsize / PAGE_SIZE;
	*bfree = (uint64_t)s.f_bfree * (uint64_t)s.f_bsize / PAGE_SIZE;
	*files = s.f_files;
	*ffree = s.f_ffree;
}

static void overlay_statfs(struct super *sb, uint64_t *blocks, uint64_t *bfree, uint64_t *files,
			   uint64_t *ffree)
{
	struct gmem_stats s;

	gmem_get_stats(sb->v->k->gm, &s);
	*blocks = s.frames_total;
	*bfree = s.frames_total - s.frames_used;
	*files = sb->max_inodes;
	*ffree = sb->max_inodes - atomic_load(&sb->inodes);
}

static void host_shutdown(struct super *sb)
{
	struct hostfs *fs = hostfs_of(sb);
	struct inode *i, *next;

	for (size_t b = 0; b < HOSTFS_BUCKETS; b++)
		for (i = LIST_FIRST(&fs->table[b]); i; i = next) {
			next = LIST_NEXT(i, hash);
			if (!hi(i)->held)
				continue;
			hi(i)->held = false;
			/* Another inode of this bucket may go with it only if it is a directory
			 * that nothing else refers to: begin again. */
			inode_put_locked(i);
			next = LIST_FIRST(&fs->table[b]);
		}
}

static const struct super_ops host_supers[] = {
	[HOSTFS_RDONLY] = {.type = "hostfs",
			   .magic = 0x00c0ffee,
			   .statfs = host_statfs,
			   .shutdown = host_shutdown},
	[HOSTFS_OVERLAY] = {.type = "overlay",
			    .magic = 0x794c7630,
			    .statfs = overlay_statfs,
			    .shutdown = host_shutdown},
	[HOSTFS_WRITE] = {.sync = bind_sync,
			  .write_back = bind_write_back,
			  .type = "hostfs",
			  .magic = 0x00c0ffee,
			  .statfs = host_statfs,
			  .shutdown = host_shutdown},
};

bool super_is_host(const struct super *sb)
{
	return sb->ops >= host_supers && sb->ops < host_supers + ARRAY_SIZE(host_supers);
}

int vfs_each_host_tree(struct kernel *k, int (*f)(void *arg, int fd, bool writable), void *arg)
{
	struct super *sb;
	int e = 0;

	SLIST_FOREACH (sb, &k->vfs->supers, all) {
		if (super_is_host(sb))
			e = f(arg, hostfs_of(sb)->root_fd, hostfs_of(sb)->kind == HOSTFS_WRITE);
		if (e)
			break;
	}
	return e;
}

int hostfs_create(struct vfs *v, int fd, enum hostfs_kind kind, struct super **out,
		  struct dentry **root)
{
	struct hostfs *fs;
	enum host_kind of = HOST_UNKNOWN;
	struct host_inode *h;
	struct stat st;
	int err = 0;

	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISDIR(st.st_mode) && (!S_ISREG(st.st_mode) || kind == HOSTFS_OVERLAY))
		err = -ENOTDIR;
	else if (host_fs_forbidden(fd, &of))
		err = -EACCES;
	fs = err ? NULL : calloc(1, sizeof(*fs));
	if (!fs) {
		close(fd);
		return err ? err : -ENOMEM;
	}
	fs->root_fd = fd;
	fs->kind = kind;
	super_init(&fs->sb, v, &host_supers[kind], kind == HOSTFS_RDONLY ? SB_RDONLY : 0,
		   host_supers[kind].type);
	atomic_store(&fs->sb.next_ino, MADE_INO);
	h = host_inode_alloc(&fs->sb, &st);
	err = h ? hostfd_reserve(v) : -ENOMEM;
	if (err) {
		close(fd);
		free(h);
		return err; /* the super goes with the vfs */
	}
	/* Modes of new files are the guest's business. */
	if (kind == HOSTFS_WRITE)
		umask(0);
	host_pace_learn(v, h->pace, of);
	*(S_ISDIR(st.st_mode) ? &h->fd : &h->path_fd) = fd;
	host_insert_inode(h);
	*out = &fs->sb;
	*root = dentry_alloc(NULL, "", 0, &h->i);
	return *root ? 0 : -ENOMEM;
}

int hostfs_mountpoint(struct dentry *dir, const char *name, uint32_t type, struct dentry **out)
{
	return overlay_make(dir, name, type, out);
}
