/*
 * A directory tree of the host, read-only.
 *
 * Every look-up asks the host about one name beneath an O_PATH descriptor of its directory, never
 * following a link, so that no path leaves the tree and what the host changes is seen; links are
 * returned as text and interpreted by the walk. Only regular files and directories are opened, each
 * after its descriptor proved to be the very inode that was looked up. Kernel file systems mounted
 * on the host (procfs and its kind) appear as empty directories. An inode is known by (st_dev,
 * st_ino).
 */
#include "vfs_inode.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HOSTFS_BUCKETS 8192
/* Listing positions of made-up mount points: past what a host's file system uses, but for
 * INT64_MAX, which ext4 does. */
#define SYNTH_POS (INT64_MAX - 64)

struct hostfs {
	struct super sb;
	int root_fd;
	LIST_HEAD(, inode) table[HOSTFS_BUCKETS]; /* protected by vfs->lock */
};

struct host_inode {
	struct inode i;
	int fd; /* a directory's O_PATH descriptor; -1: not a directory, or one that is not entered.
		   Immutable. */
	bool synthetic;
	dev_t dev;      /* immutable */
	struct stat st; /* protected by i.lock */
	struct hostdata data;
};

struct host_dir {
	int fd;           /* -1: nothing to list */
	int64_t host_pos; /* where the descriptor's own offset is */
};

static const struct inode_ops hostfs_ops, hostfile_inode_ops;

static struct host_inode *hi(struct inode *i)
{
	return container_of(i, struct host_inode, i);
}

static struct hostfs *fs_of(struct super *sb)
{
	return (struct hostfs *)(void *)sb;
}

struct hostdata *hostdata_of(struct inode *i)
{
	return &hi(i)->data;
}

static void set_stat(struct inode *i, const struct stat *st)
{
	pthread_mutex_lock(&i->lock);
	hi(i)->st = *st;
	i->mode = st->st_mode;
	i->uid = st->st_uid;
	i->gid = st->st_gid;
	pthread_mutex_unlock(&i->lock);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       (a->st_mode & S_IFMT) == (b->st_mode & S_IFMT);
}

static bool is_inode(struct inode *i, const struct stat *st)
{
	bool same;

	pthread_mutex_lock(&i->lock);
	same = same_file(&hi(i)->st, st);
	pthread_mutex_unlock(&i->lock);
	return same;
}

static size_t bucket(const struct stat *st)
{
	return ((uint64_t)st->st_ino * 0x9e3779b97f4a7c15 ^ (uint64_t)st->st_dev) >> 40 &
	       (HOSTFS_BUCKETS - 1);
}

/* [V] */
static struct inode *find_inode(struct hostfs *fs, const struct stat *st)
{
	struct inode *i;

	LIST_FOREACH (i, &fs->table[bucket(st)], hash)
		if (is_inode(i, st))
			return inode_get(i);
	return NULL;
}

static struct host_inode *alloc_inode(struct super *sb, const struct inode_ops *ops,
				      const struct stat *st)
{
	struct host_inode *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	inode_init(&h->i, sb, ops, st->st_mode, st->st_ino ? st->st_ino : 1);
	h->i.rdev = st->st_rdev;
	h->dev = st->st_dev;
	h->fd = -1;
	set_stat(&h->i, st);
	return h;
}

static void host_evict(struct inode *i)
{
	if (!hi(i)->synthetic)
		LIST_REMOVE(i, hash);
}

static void host_free(struct inode *i)
{
	struct host_inode *h = hi(i);

	if (h->fd >= 0) {
		close(h->fd);
		hostfd_release(i->sb->v);
	}
	hostdata_fini(&h->data);
	inode_fini(i);
	free(h);
}

/* An O_PATH descriptor of the directory `name` if it still is the inode that st describes; -ESTALE
 * if not. */
static int open_dir(struct vfs *v, int dirfd, const char *name, const struct stat *st,
		    bool crossing)
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
	if (fstat(fd, &now) || !same_file(&now, st))
		err = -ESTALE;
	else if (crossing && host_fs_forbidden(fd))
		err = -EXDEV;
	if (err) {
		close(fd);
		hostfd_release(v);
		return err;
	}
	return fd;
}

/* [V] The inode that st, found as `name` in dir, describes. */
static int get_inode(struct inode *dir, const char *name, const struct stat *st, struct inode **out)
{
	struct hostfs *fs = fs_of(dir->sb);
	struct host_inode *h;
	bool crossing;
	int fd = -1;

	*out = find_inode(fs, st);
	if (*out) {
		set_stat(*out, st);
		return 0;
	}
	if (S_ISDIR(st->st_mode)) {
		crossing = hi(dir)->dev != st->st_dev;
		fd = open_dir(dir->sb->v, hi(dir)->fd, name, st, crossing);
		if (fd == -EXDEV)
			fd = -1;
		else if (fd < 0)
			return fd;
	}
	h = alloc_inode(dir->sb, &hostfs_ops, st);
	if (!h) {
		if (fd >= 0) {
			close(fd);
			hostfd_release(dir->sb->v);
		}
		return -ENOMEM;
	}
	h->fd = fd;
	LIST_INSERT_HEAD(&fs->table[bucket(st)], &h->i, hash);
	*out = &h->i;
	return 0;
}

static int host_lookup(struct dentry *d, struct dentry *cached, const char *name, size_t len,
		       struct task *t, struct dentry **out)
{
	struct vfs *v = d->sb->v;
	char z[VFS_NAME_MAX + 1];
	struct inode *i;
	struct stat st;
	int err = -ESTALE;

	if (hi(d->inode)->fd < 0)
		return -ENOENT;
	memcpy(z, name, len);
	z[len] = 0;
	/* The descriptors of what is given up here are closed when the lock is dropped. */
	if (atomic_load(&v->nhostfds) > v->max_hostfds / 4 * 3)
		dentry_shrink(v, 0);
	for (int tries = 0; tries < 4 && err == -ESTALE; tries++) {
		if (fstatat(hi(d->inode)->fd, z, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT)) {
			err = -errno;
			break;
		}
		if (cached && is_inode(cached->inode, &st)) {
			set_stat(cached->inode, &st);
			*out = dentry_get(cached);
			return 0;
		}
		err = get_inode(d->inode, z, &st, &i);
	}
	if (cached && (cached->flags & D_LINKED))
		dentry_unlink(cached, false);
	if (err)
		return err == -ESTALE ? -ENOENT : err;
	*out = dentry_alloc(d, name, len, i);
	if (!*out)
		return -ENOMEM;
	dentry_link(*out, false);
	return 0;
}

static int host_getattr(struct inode *i, struct vfs_attr *a)
{
	struct host_inode *h = hi(i);
	struct stat st;
	int fd;

	pthread_mutex_lock(&i->lock);
	fd = h->fd >= 0 ? h->fd : h->data.hf ? h->data.hf->fd : -1;
	pthread_mutex_unlock(&i->lock);
	/* Fresh where a descriptor is open; else the walk has just asked. */
	if (fd >= 0 && !fstat(fd, &st))
		set_stat(i, &st);
	pthread_mutex_lock(&i->lock);
	st = h->st;
	pthread_mutex_unlock(&i->lock);
	if (h->synthetic)
		return 0;
	attr_from_stat(a, &st);
	return 0;
}

static ssize_t host_readlink(struct inode *i, struct dentry *d, struct task *t, char *buf,
			     size_t size)
{
	ssize_t n;

	if (!S_ISLNK(i->mode) || d->parent == d)
		return -EINVAL;
	/* If it has become another link meanwhile, that one's text is as good. */
	n = readlinkat(hi(d->parent->inode)->fd, d->name, buf, size);
	if (n < 0)
		return errno == EINVAL ? -ENOENT : -errno;
	return n;
}

/* ---- opening ---- */

/* A readable descriptor of i, found as d; -ESTALE if the name leads elsewhere by now. */
static int open_regular(struct inode *i, const struct dentry *d)
{
	char link[40];
	struct stat st;
	int path, fd, err = hostfd_reserve_shrink(i->sb->v);

	if (err)
		return err;
	path = openat(hi(d->parent->inode)->fd, d->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (path < 0) {
		err = errno == EMFILE ? -ENFILE : errno == ENOENT ? -ESTALE : -errno;
		goto fail;
	}
	if (fstat(path, &st) || !S_ISREG(st.st_mode) || !is_inode(i, &st))
		err = -ESTALE;
	else if (host_fs_forbidden(path))
		err = -EACCES;
	if (err) {
		close(path);
		goto fail;
	}
	/* Through the descriptor, not the name: what is opened is what was checked. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path);
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	err = fd < 0 ? -errno : 0;
	close(path);
	if (!err)
		return fd;
fail:
	hostfd_release(i->sb->v);
	return err == -EMFILE ? -ENFILE : err;
}

static int open_data(struct inode *i, struct vfs_file *f)
{
	struct host_inode *h = hi(i);
	struct hostdata hd = {0};
	int err, fd;
	bool have;

	f->f.ops = &hostfile_ops.core;
	pthread_mutex_lock(&i->lock);
	have = h->data.hf;
	pthread_mutex_unlock(&i->lock);
	if (have)
		return 0;
	fd = open_regular(i, f->path.d);
	if (fd < 0)
		return fd;
	err = hostdata_init(&hd, i->sb->v, fd);
	if (err)
		return err;
	pthread_mutex_lock(&i->lock);
	if (!h->data.hf) {
		h->data = hd;
		hd = (struct hostdata){0};
	}
	pthread_mutex_unlock(&i->lock);
	hostdata_fini(&hd);
	return 0;
}

static void host_dir_release(struct file *f)
{
	struct vfs_file *vf = vfs_file(f);
	struct host_dir *hd = vf->priv;

	if (hd) {
		if (hd->fd >= 0) {
			close(hd->fd);
			hostfd_release(vf->k->vfs);
		}
		free(hd);
	}
	vfs_file_free(f);
}

static struct vfs_file_ops
	host_dir_ops; /* dir_file_ops with another release; set before the first use */

static void host_dir_ops_init(void)
{
	host_dir_ops = dir_file_ops;
	host_dir_ops.core.release = host_dir_release;
}

static int open_listing(struct inode *i, struct vfs_file *f)
{
	struct host_dir *hd = calloc(1, sizeof(*hd));
	int err = 0;

	if (!hd)
		return -ENOMEM;
	hd->fd = -1;
	if (hi(i)->fd >= 0) {
		err = hostfd_reserve_shrink(i->sb->v);
		if (!err) {
			hd->fd = openat(hi(i)->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (hd->fd < 0) {
				err = errno == EMFILE ? -ENFILE : -errno;
				hostfd_release(i->sb->v);
			}
		}
	}
	if (err) {
		free(hd);
		return err;
	}
	f->priv = hd;
	f->f.ops = &host_dir_ops.core;
	return 0;
}

static int host_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	switch (inode_type(i)) {
	case S_IFREG:
		return open_data(i, f);
	case S_IFDIR:
		return open_listing(i, f);
	case S_IFCHR:
	case S_IFBLK:
		return -EACCES; /* as on a nodev mount */
	default:
		return -ENXIO;
	}
}

/* Mount points that the host's directory lacks. */
static void emit_synthetic(struct vfs_file *f, struct dir_emit *e, int64_t *pos)
{
	struct dentry *dir = f->path.d, *d;
	int64_t ix = 0, from = *pos == INT64_MAX ? SYNTH_POS : *pos;

	vfs_lock(dir->sb->v);
	TAILQ_FOREACH (d, &dir->children, sibling) {
		if (!(d->flags & D_PINNED))
			continue;
		if (SYNTH_POS + ++ix <= from || ix > 60)
			continue;
		if (!dir_emit(e, d->name, d->len, d->inode->ino, SYNTH_POS + ix, DT_DIR))
			break;
		*pos = SYNTH_POS + ix;
	}
	vfs_unlock(dir->sb->v);
}

static int host_iterate(struct vfs_file *f, struct dir_emit *e, int64_t *pos)
{
	struct host_dir *hd = f->priv;
	char buf[32768] __attribute__((aligned(8)));
	bool end = hd->fd < 0;

	if (hd->fd < 0 && *pos < 2) {
		if (*pos == 0 && dir_emit(e, ".", 1, file_inode(&f->f)->ino, 1, DT_DIR))
			*pos = 1;
		if (*pos == 1 && dir_emit(e, "..", 2, f->path.d->parent->inode->ino, 2, DT_DIR))
			*pos = 2;
	}
	if (*pos >= SYNTH_POS && *pos != INT64_MAX)
		end = true;
	/* One step of the host is one of the guest: asking on would only learn of the end. */
	while (!end && !e->used && !e->full) {
		long n;

		if (hd->host_pos != *pos && lseek(hd->fd, *pos, SEEK_SET) < 0)
			return -errno;
		n = syscall(SYS_getdents64, hd->fd, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		end = !n;
		for (long at = 0; at < n;) {
			const struct dirent64 *de = (const void *)(buf + at);

			hd->host_pos = de->d_off;
			at += de->d_reclen;
			if (!dir_emit(e, de->d_name, strlen(de->d_name), de->d_ino, de->d_off,
				      de->d_type)) {
				hd->host_pos = -1; /* the host is further than the guest */
				break;
			}
			*pos = de->d_off;
		}
	}
	if (end)
		emit_synthetic(f, e, pos);
	return 0;
}

static const struct inode_ops hostfs_ops = {
	.evict = host_evict,
	.free = host_free,
	.getattr = host_getattr,
	.lookup = host_lookup,
	.readlink = host_readlink,
	.open = host_open,
	.iterate = host_iterate,
};

/* ---- the file system ---- */

static void host_statfs(struct super *sb, uint64_t *blocks, uint64_t *bfree, uint64_t *files,
			uint64_t *ffree)
{
	struct statfs s;

	if (fstatfs(fs_of(sb)->root_fd, &s))
		return;
	*blocks = (uint64_t)s.f_blocks * (uint64_t)s.f_bsize / PAGE_SIZE;
	*bfree = (uint64_t)s.f_bfree * (uint64_t)s.f_bsize / PAGE_SIZE;
	*files = s.f_files;
	*ffree = s.f_ffree;
}

static void host_destroy(struct super *sb)
{
	free(fs_of(sb));
}

static const struct super_ops hostfs_super = {"hostfs", 0x00c0ffee, host_statfs, host_destroy};

int hostfs_create(struct vfs *v, int fd, struct super **out, struct dentry **root)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct hostfs *fs;
	struct host_inode *h;
	struct stat st;
	int err = 0;

	pthread_once(&once, host_dir_ops_init);
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISDIR(st.st_mode))
		err = -ENOTDIR;
	else if (host_fs_forbidden(fd))
		err = -EACCES;
	fs = err ? NULL : calloc(1, sizeof(*fs));
	if (!fs) {
		close(fd);
		return err ? err : -ENOMEM;
	}
	fs->root_fd = fd;
	super_init(&fs->sb, v, &hostfs_super, SB_RDONLY, "hostfs");
	h = alloc_inode(&fs->sb, &hostfs_ops, &st);
	if (!h || hostfd_reserve(v)) {
		close(fd);
		free(h);
		return -ENOMEM; /* the super goes with the vfs */
	}
	h->fd = fd;
	LIST_INSERT_HEAD(&fs->table[bucket(&st)], &h->i, hash);
	v->host = fs;
	*out = &fs->sb;
	*root = dentry_alloc(NULL, "", 0, &h->i);
	return *root ? 0 : -ENOMEM;
}

int hostfs_mountpoint(struct dentry *dir, const char *name, struct dentry **out)
{
	struct stat st = {.st_mode = S_IFDIR | 0755, .st_nlink = 2};
	struct host_inode *h = alloc_inode(dir->sb, &hostfs_ops, &st);

	if (!h)
		return -ENOMEM;
	h->synthetic = true;
	*out = dentry_alloc(dir, name, strlen(name), &h->i);
	if (!*out)
		return -ENOMEM;
	dentry_link(*out, true);
	return 0;
}

/* ---- one file of the host inside another file system ---- */

static int placed_getattr(struct inode *i, struct vfs_attr *a)
{
	struct vfs_attr host;
	struct stat st;

	if (fstat(hi(i)->data.hf->fd, &st))
		return -errno;
	attr_from_stat(&host, &st);
	host.dev = i->sb->dev;
	host.ino = i->ino;
	host.nlink = a->nlink;
	host.mode = a->mode;
	*a = host;
	return 0;
}

static int placed_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	/* It is a program's image, and it is run from here. */
	return (f->f.flags & O_ACCMODE) == O_RDONLY ? host_open(i, f, t) : -ETXTBSY;
}

static const struct inode_ops hostfile_inode_ops = {
	.free = host_free,
	.getattr = placed_getattr,
	.open = placed_open,
};

int hostfile_create(struct super *sb, int fd, struct inode **out)
{
	struct host_inode *h;
	struct stat st;
	int err;

	err = hostfd_reserve(sb->v);
	if (err || fstat(fd, &st)) {
		close(fd);
		return err ? err : -EIO;
	}
	h = alloc_inode(sb, &hostfile_inode_ops, &st);
	if (!h) {
		close(fd);
		hostfd_release(sb->v);
		return -ENOMEM;
	}
	h->synthetic = true; /* in no table */
	h->i.ino = atomic_fetch_add(&sb->next_ino, 1);
	err = hostdata_init(&h->data, sb->v, fd);
	if (err) {
		free(h);
		return err;
	}
	*out = &h->i;
	return 0;
}
