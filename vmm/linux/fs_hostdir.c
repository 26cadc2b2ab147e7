/*
 * Listings of host-backed directories.
 *
 * A directory that is as the host has it is listed by the host, with the host's positions. One that
 * has names in memory, or deleted ones, is listed from a list made when the listing begins (and
 * again when it is rewound): positions are places in it, so what stays in the directory is told
 * exactly once, whatever comes and goes.
 */
#include "fs_host.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DIR_CHUNK 32768

struct dir_entry {
	uint64_t ino;
	unsigned type;
	unsigned len;
	size_t name; /* in names */
};

struct host_dir {
	int fd;           /* -1: the host has nothing to list */
	int64_t host_pos; /* where the descriptor's own offset is */
	bool merged;      /* the list below counts */
	struct dir_entry *list;
	size_t n, max, own; /* own: the first of them are those in memory, sorted by name */
	char *names;
	size_t names_len, names_max;
	uint64_t charged;
};

long host_getdents(int fd, void *buf, size_t size)
{
	return syscall(SYS_getdents64, fd, buf, size);
}

static void drop_list(struct host_dir *hd, struct super *sb)
{
	free(hd->list);
	free(hd->names);
	super_uncharge(sb, hd->charged);
	hd->list = NULL;
	hd->names = NULL;
	hd->n = hd->max = hd->own = hd->names_len = hd->names_max = hd->charged = 0;
}

static void host_dir_release(struct file *f)
{
	struct vfs_file *vf = vfs_file(f);
	struct host_dir *hd = vf->priv;

	if (hd) {
		drop_list(hd, vf->path.d->sb);
		if (hd->fd >= 0) {
			close(hd->fd);
			hostfd_release(vf->k->vfs);
		}
		free(hd);
	}
	vfs_file_free(f);
}

/* dir_file_ops with another release; set before the first use */
static struct vfs_file_ops host_dir_ops;

static void host_dir_ops_init(void)
{
	host_dir_ops = dir_file_ops;
	host_dir_ops.core.release = host_dir_release;
}

int host_open_dir(struct inode *i, struct vfs_file *f)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct host_dir *hd = calloc(1, sizeof(*hd));
	int err = 0;

	pthread_once(&once, host_dir_ops_init);
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

/* ---- as the host has it ---- */

static int list_host(struct host_dir *hd, struct dir_emit *e, int64_t *pos)
{
	char buf[DIR_CHUNK] __attribute__((aligned(8)));

	/* One step of the host is one of the guest: asking on would only learn of the end. */
	while (!e->used && !e->full) {
		long n;

		if (hd->host_pos != *pos && lseek(hd->fd, *pos, SEEK_SET) < 0)
			return -errno;
		n = host_getdents(hd->fd, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		if (!n)
			return 0;
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
	return 0;
}

/* ---- merged ---- */

static int grow(void **p, size_t *max, size_t need, size_t unit, struct host_dir *hd,
		struct super *sb)
{
	size_t to = *max ? *max : 64;
	void *q;

	while (to < need)
		to *= 2;
	if (to == *max)
		return 0;
	if (super_charge(sb, (to - *max) * unit))
		return -ENOMEM;
	hd->charged += (to - *max) * unit;
	q = realloc(*p, to * unit);
	if (!q)
		return -ENOMEM;
	*p = q;
	*max = to;
	return 0;
}

static int add_entry(struct host_dir *hd, struct super *sb, const char *name, size_t len,
		     uint64_t ino, unsigned type)
{
	void *list = hd->list, *names = hd->names;
	int err = grow(&list, &hd->max, hd->n + 1, sizeof(*hd->list), hd, sb);

	hd->list = list;
	if (!err)
		err = grow(&names, &hd->names_max, hd->names_len + len + 1, 1, hd, sb);
	hd->names = names;
	if (err)
		return err;
	hd->list[hd->n++] = (struct dir_entry){ino, type, (unsigned)len, hd->names_len};
	memcpy(hd->names + hd->names_len, name, len);
	hd->names[hd->names_len + len] = 0;
	hd->names_len += len + 1;
	return 0;
}

static int by_name(const void *a, const void *b, void *names)
{
	const struct dir_entry *x = a, *y = b;

	return strcmp((const char *)names + x->name, (const char *)names + y->name);
}

/* One of the names in memory that the list began with. */
static bool is_own(const struct host_dir *hd, const char *name)
{
	size_t lo = 0, hi_ = hd->own;

	while (lo < hi_) {
		size_t mid = (lo + hi_) / 2;
		int c = strcmp(name, hd->names + hd->list[mid].name);

		if (!c)
			return true;
		if (c < 0)
			hi_ = mid;
		else
			lo = mid + 1;
	}
	return false;
}

static int add_host_names(struct host_dir *hd, struct dentry *dir)
{
	char buf[DIR_CHUNK] __attribute__((aligned(8)));
	struct vfs *v = dir->sb->v;
	int err = 0;
	long n;

	if (lseek(hd->fd, 0, SEEK_SET) < 0)
		return -errno;
	while (!err && (n = host_getdents(hd->fd, buf, sizeof(buf))) > 0) {
		vfs_lock(v);
		for (long at = 0; at < n && !err;) {
			const struct dirent64 *de = (const void *)(buf + at);
			size_t len = strlen(de->d_name);

			at += de->d_reclen;
			if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, "..") ||
			    is_own(hd, de->d_name) ||
			    overlay_is_white(hi(dir->inode), de->d_name, len))
				continue;
			err = add_entry(hd, dir->sb, de->d_name, len, de->d_ino, de->d_type);
		}
		vfs_unlock(v);
	}
	return err;
}

/*
 * Makes the list. Which names are in memory is settled first: one that becomes so later is still
 * found on the host.
 */
static int make_list(struct host_dir *hd, struct dentry *dir)
{
	struct vfs *v = dir->sb->v;
	int err = 0;

	drop_list(hd, dir->sb);
	vfs_lock(v);
	for (struct dentry *d = dentry_first(dir); d && !err; d = dentry_next(d))
		if (d->flags & D_PINNED)
			err = add_entry(hd, dir->sb, d->name, d->len, d->inode->ino,
					inode_type(d->inode) >> 12);
	vfs_unlock(v);
	if (err)
		return err;
	hd->own = hd->n;
	if (hd->n)
		qsort_r(hd->list, hd->n, sizeof(*hd->list), by_name, hd->names);
	return hd->fd < 0 ? 0 : add_host_names(hd, dir);
}

static bool needs_list(struct dentry *dir)
{
	bool yes;

	vfs_lock(dir->sb->v);
	yes = hi(dir->inode)->fd < 0 || dir->npinned || !RB_EMPTY(&hi(dir->inode)->whites);
	vfs_unlock(dir->sb->v);
	return yes;
}

static int list_merged(struct vfs_file *f, struct host_dir *hd, struct dir_emit *e, int64_t *pos)
{
	struct dentry *dir = f->path.d;
	uint64_t up;

	/* A rename may move it elsewhere meanwhile. */
	vfs_lock(dir->sb->v);
	up = dir->parent->inode->ino;
	vfs_unlock(dir->sb->v);
	if (*pos == 0 && dir_emit(e, ".", 1, dir->inode->ino, 1, DT_DIR))
		*pos = 1;
	if (*pos == 1 && dir_emit(e, "..", 2, up, 2, DT_DIR))
		*pos = 2;
	while (*pos >= 2 && (uint64_t)*pos - 2 < hd->n) {
		const struct dir_entry *x = &hd->list[*pos - 2];

		if (!dir_emit(e, hd->names + x->name, x->len, x->ino, *pos + 1, x->type))
			break;
		(*pos)++;
	}
	return 0;
}

int host_iterate(struct vfs_file *f, struct dir_emit *e, int64_t *pos)
{
	struct host_dir *hd = f->priv;
	int err = 0;

	/* In memory alone, all linked, all pinned. */
	if (hi(file_inode(&f->f))->made)
		return dcache_iterate(f, e, pos);
	if (hd->fd >= 0)
		err = host_may_wait(hi(file_inode(&f->f))->pace, HOST_LIST);
	if (err)
		return err;
	if (!*pos || (!hd->merged && hi(file_inode(&f->f))->fd < 0)) {
		hd->merged = needs_list(f->path.d);
		if (hd->merged)
			err = make_list(hd, f->path.d);
		else
			drop_list(hd, f->path.d->sb);
	}
	if (err)
		return err;
	return hd->merged ? list_merged(f, hd, e, pos) : list_host(hd, e, pos);
}
