/*
 * The in-memory file system.
 *
 * Names are pinned dentries; file data are the pages of a memobj, made at the first write or
 * mapping, so they can be mapped and come out of the guest's own memory. What the VMM itself spends
 * (inodes, names, link texts) is charged to the file system and bounded by a share of the guest's
 * memory: ENOSPC.
 */
#include "vfs_inode.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RAMFS_MAGIC      0x01021994 /* tmpfs */
#define RAMFS_MAX_INODES (1UL << 20)

struct ramfs {
	struct super sb;
	struct gmem *gm;
	uint64_t max_bytes;
	_Atomic uint64_t inodes, bytes; /* bytes: of the VMM's own memory */
};

struct ramfs_inode {
	struct inode i;
	uint64_t charge;
	struct memobj
		*obj; /* protected by i.lock; a reference; NULL: no data yet. Once set it stays. */
	char *target;
};

static struct ramfs_inode *ri(struct inode *i)
{
	return container_of(i, struct ramfs_inode, i);
}

static struct ramfs *fs_of(const struct super *sb)
{
	return (struct ramfs *)(uintptr_t)sb;
}

static int charge(struct ramfs *fs, uint64_t bytes)
{
	if (atomic_fetch_add(&fs->bytes, bytes) + bytes <= fs->max_bytes)
		return 0;
	atomic_fetch_sub(&fs->bytes, bytes);
	return -ENOSPC;
}

static const struct inode_ops ramfs_ops;

static int new_inode(struct ramfs *fs, const struct inode_new *n, struct inode **out)
{
	struct ramfs_inode *r;
	uint64_t bytes = sizeof(*r) + 64 + (n->target ? strlen(n->target) + 1 : 0);
	int err;

	if (atomic_fetch_add(&fs->inodes, 1) >= RAMFS_MAX_INODES)
		err = -ENOSPC;
	else
		err = charge(fs, bytes);
	if (err) {
		atomic_fetch_sub(&fs->inodes, 1);
		return err;
	}
	r = calloc(1, sizeof(*r));
	if (r && n->target)
		r->target = strdup(n->target);
	if (!r || (n->target && !r->target)) {
		free(r);
		atomic_fetch_sub(&fs->inodes, 1);
		atomic_fetch_sub(&fs->bytes, bytes);
		return -ENOMEM;
	}
	inode_init(&r->i, &fs->sb, &ramfs_ops, n->mode, 0);
	r->charge = bytes;
	r->i.uid = n->uid;
	r->i.gid = n->gid;
	if (S_ISDIR(n->mode))
		r->i.nlink = 2;
	if (n->target)
		r->i.size = (int64_t)strlen(n->target);
	*out = &r->i;
	return 0;
}

static void ramfs_free(struct inode *i)
{
	struct ramfs *fs = fs_of(i->sb);
	struct ramfs_inode *r = ri(i);

	if (r->obj)
		memobj_put(r->obj);
	atomic_fetch_sub(&fs->inodes, 1);
	atomic_fetch_sub(&fs->bytes, r->charge);
	free(r->target);
	inode_fini(i);
	free(r);
}

/* ---- data ---- */

/* i->lock held. */
static struct memobj *data(struct inode *i)
{
	struct ramfs_inode *r = ri(i);

	if (!r->obj)
		r->obj = memobj_create(fs_of(i->sb)->gm, NULL, NULL);
	return r->obj;
}

static int64_t data_size(struct inode *i)
{
	return ri(i)->obj ? (int64_t)memobj_size(ri(i)->obj) : 0;
}

static int ramfs_getattr(struct inode *i, struct vfs_attr *a)
{
	if (!S_ISREG(i->mode))
		return 0;
	pthread_mutex_lock(&i->lock);
	a->size = (uint64_t)data_size(i);
	a->blocks = ri(i)->obj ? memobj_resident(ri(i)->obj) * (PAGE_SIZE / 512) : 0;
	pthread_mutex_unlock(&i->lock);
	return 0;
}

/* i->lock held. */
static int resize(struct inode *i, int64_t size)
{
	struct memobj *o;
	int err;

	if (size > VFS_FILE_SIZE_MAX)
		return -EFBIG;
	if (!size && !ri(i)->obj)
		return 0;
	o = data(i);
	if (!o)
		return -ENOSPC;
	err = memobj_set_size(o, (uint64_t)size);
	return err == -ENOMEM ? -ENOSPC : err;
}

static int ramfs_setattr(struct inode *i, const struct vfs_setattr *s)
{
	struct timespec now;
	int err = 0;

	inode_now(&now);
	pthread_mutex_lock(&i->lock);
	if (s->valid & ATTR_SIZE) {
		err = resize(i, s->size);
		if (!err)
			i->mtime = now;
	}
	if (!err) {
		if (s->valid & ATTR_MODE)
			i->mode = (i->mode & S_IFMT) | (s->mode & 07777);
		if (s->valid & ATTR_UID)
			i->uid = s->uid;
		if (s->valid & ATTR_GID)
			i->gid = s->gid;
		if (s->valid & ATTR_ATIME)
			i->atime = s->atime;
		if (s->valid & ATTR_MTIME)
			i->mtime = s->mtime;
		i->ctime = now;
	}
	pthread_mutex_unlock(&i->lock);
	return err;
}

/* One page's part of a read: from the page if there is one, else zeros. Bytes moved or a negative
 * errno. */
static ssize_t read_page(struct gmem *gm, struct memobj *o, uint64_t pos, size_t n, struct xfer *x)
{
	static uint8_t zeros[PAGE_SIZE]; /* never written: only read transfers use it */
	size_t off = pos & (PAGE_SIZE - 1);
	ssize_t got;
	pfn_t pfn;

	/* Only what is there: reading a hole must not fill memory. */
	if (memobj_peek_page(o, pos >> PAGE_SHIFT, &pfn))
		return x->copy(x, zeros + off, n);
	got = x->copy(x, (uint8_t *)frame_hva(gm, pfn) + off, n);
	frame_put(gm, pfn);
	return got;
}

static ssize_t ramfs_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			  struct call *c)
{
	struct inode *i = file_inode(f);
	struct gmem *gm = fs_of(i->sb)->gm;
	ssize_t total = 0;
	int64_t size;

	pthread_mutex_lock(&i->lock);
	size = data_size(i);
	while (x->left && *pos < size) {
		size_t n = PAGE_SIZE - ((uint64_t)*pos & (PAGE_SIZE - 1));
		ssize_t got;

		if (n > x->left)
			n = x->left;
		if ((int64_t)n > size - *pos)
			n = (size_t)(size - *pos);
		got = read_page(gm, ri(i)->obj, (uint64_t)*pos, n, x);
		if (got < 0) {
			if (!total)
				total = got;
			break;
		}
		*pos += got;
		total += got;
		if ((size_t)got < n)
			break;
	}
	if (!(f->flags & O_NOATIME))
		inode_now(&i->atime);
	pthread_mutex_unlock(&i->lock);
	return total;
}

static ssize_t ramfs_write(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			   struct call *c)
{
	struct inode *i = file_inode(f);
	uint8_t buf[4 * PAGE_SIZE];
	ssize_t total = 0, err = 0;
	struct memobj *o;

	if (!x->left)
		return 0;
	pthread_mutex_lock(&i->lock);
	o = data(i);
	if (!o)
		err = -ENOSPC;
	if (f->flags & O_APPEND)
		*pos = data_size(i);
	while (!err && x->left) {
		size_t n = sizeof(buf) - ((uint64_t)*pos & (PAGE_SIZE - 1));
		ssize_t got, put;

		if (n > x->left)
			n = x->left;
		if (*pos >= VFS_FILE_SIZE_MAX) {
			err = -EFBIG;
			break;
		}
		if ((int64_t)n > VFS_FILE_SIZE_MAX - *pos)
			n = (size_t)(VFS_FILE_SIZE_MAX - *pos);
		/* Copied first, so that the size only covers bytes that arrived. */
		got = x->copy(x, buf, n);
		if (got <= 0) {
			err = got;
			break;
		}
		put = memobj_write(o, (uint64_t)*pos, buf, (size_t)got);
		if (put < got)
			xfer_back(x, (size_t)(put < 0 ? got : got - put));
		if (put < 0) {
			err = put == -ENOMEM ? -ENOSPC : put;
			break;
		}
		*pos += put;
		total += put;
		if (put < got)
			err = -ENOSPC;
		else if ((size_t)got < n)
			break;
	}
	if (total) {
		inode_now(&i->mtime);
		i->ctime = i->mtime;
		/* Another's write takes set-id bits away. */
		i->mode &= ~(uint32_t)S_ISUID;
		if (i->mode & 010)
			i->mode &= ~(uint32_t)S_ISGID;
	}
	pthread_mutex_unlock(&i->lock);
	return total ? total : err;
}

/* SEEK_DATA and SEEK_HOLE by resident pages. i->lock held. */
static int64_t seek_data(struct inode *i, int64_t off, bool want_data, int64_t size)
{
	struct memobj *o = ri(i)->obj;
	uint64_t ix = (uint64_t)off >> PAGE_SHIFT, next;
	int64_t at;

	for (;; ix++) {
		next = ix;
		if (memobj_next_resident(o, &next))
			next = UINT64_MAX >> PAGE_SHIFT;
		if (want_data || next != ix)
			break;
	}
	ix = want_data ? next : ix;
	if (ix > (uint64_t)(size - 1) >> PAGE_SHIFT)
		return want_data ? -ENXIO : size;
	at = (int64_t)(ix << PAGE_SHIFT);
	return at > off ? at : off;
}

static int64_t ramfs_lseek(struct file *f, int64_t off, int whence)
{
	struct inode *i = file_inode(f);
	int64_t r, size;

	pthread_mutex_lock(&i->lock);
	size = data_size(i);
	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		if (off < 0 || off >= size)
			r = -ENXIO;
		else
			r = seek_data(i, off, whence == SEEK_DATA, size);
		if (r >= 0)
			f->pos = r;
	} else {
		r = lseek_size(f, off, whence, size);
	}
	pthread_mutex_unlock(&i->lock);
	return r;
}

static struct memobj *ramfs_mmap(struct file *f, int *err)
{
	struct inode *i = file_inode(f);
	struct memobj *o;

	pthread_mutex_lock(&i->lock);
	o = data(i);
	if (o)
		memobj_get(o);
	pthread_mutex_unlock(&i->lock);
	*err = o ? 0 : -ENOMEM;
	return o;
}

static int ramfs_fsync(struct file *f)
{
	return 0;
}

static const struct vfs_file_ops ramfs_file_ops = {
	.core = {.release = vfs_file_free},
	.read = ramfs_read,
	.write = ramfs_write,
	.lseek = ramfs_lseek,
	.mmap = ramfs_mmap,
	.fsync = ramfs_fsync,
};

static int ramfs_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	if (!S_ISREG(i->mode))
		return -ENXIO;
	f->f.ops = &ramfs_file_ops.core;
	return 0;
}

static int punch(struct inode *i, int64_t off, int64_t len)
{
	static const uint8_t zeros[PAGE_SIZE];
	struct memobj *o = ri(i)->obj;
	int64_t size = data_size(i), end = len > size - off ? size : off + len;
	uint64_t ix = (uint64_t)off >> PAGE_SHIFT;

	/* Only resident pages are touched: a hole stays one, and its size costs nothing. */
	for (; !memobj_next_resident(o, &ix) && (int64_t)(ix << PAGE_SHIFT) < end; ix++) {
		int64_t from = (int64_t)(ix << PAGE_SHIFT), to = from + (int64_t)PAGE_SIZE;
		ssize_t put;

		from = from > off ? from : off;
		to = to < end ? to : end;
		put = memobj_write(o, (uint64_t)from, zeros, (size_t)(to - from));
		if (put < 0)
			return (int)put;
	}
	return 0;
}

static int ramfs_fallocate(struct inode *i, int mode, int64_t off, int64_t len)
{
	int err = 0;

	pthread_mutex_lock(&i->lock);
	if (off + len > VFS_FILE_SIZE_MAX)
		err = -EFBIG;
	else if (mode & FALLOC_FL_PUNCH_HOLE)
		err = off < data_size(i) ? punch(i, off, len) : 0;
	else if (!(mode & FALLOC_FL_KEEP_SIZE) && off + len > data_size(i))
		/* Pages come when they are written: a reservation would be memory taken for
		 * nothing. */
		err = resize(i, off + len);
	if (!err) {
		inode_now(&i->mtime);
		i->ctime = i->mtime;
	}
	pthread_mutex_unlock(&i->lock);
	return err;
}

static ssize_t ramfs_readlink(struct inode *i, struct dentry *d, struct task *t, char *buf,
			      size_t size)
{
	size_t n = strlen(ri(i)->target);

	n = n < size ? n : size;
	memcpy(buf, ri(i)->target, n);
	return (ssize_t)n;
}

/* ---- names ---- */

static void add_nlink(struct inode *i, int n)
{
	pthread_mutex_lock(&i->lock);
	i->nlink = (uint32_t)((int)i->nlink + n);
	inode_now(&i->ctime);
	pthread_mutex_unlock(&i->lock);
}

static void touch_dir(struct inode *dir, int nlink)
{
	pthread_mutex_lock(&dir->lock);
	dir->nlink = (uint32_t)((int)dir->nlink + nlink);
	inode_now(&dir->mtime);
	dir->ctime = dir->mtime;
	pthread_mutex_unlock(&dir->lock);
}

/* Takes over the reference on i. */
static int add_name(struct dentry *dir, const char *name, size_t len, struct inode *i,
		    struct dentry **out)
{
	struct ramfs *fs = fs_of(dir->sb);
	struct dentry *d;
	int err = charge(fs, sizeof(*d) + len + 32);

	if (err) {
		inode_put_locked(i);
		return err;
	}
	d = dentry_alloc(dir, name, len, i);
	if (!d) {
		atomic_fetch_sub(&fs->bytes, sizeof(*d) + len + 32);
		return -ENOMEM;
	}
	dentry_link(d, true);
	touch_dir(dir->inode, S_ISDIR(i->mode) ? 1 : 0);
	if (out)
		*out = d;
	else
		dentry_put_locked(d);
	return 0;
}

static void drop_name(struct dentry *d)
{
	atomic_fetch_sub(&fs_of(d->sb)->bytes, sizeof(*d) + d->len + 32);
	dentry_unlink(d, true);
}

static int ramfs_create_entry(struct dentry *dir, const char *name, size_t len,
			      const struct inode_new *n, struct dentry **out)
{
	struct inode *i;
	int err = new_inode(fs_of(dir->sb), n, &i);

	return err ? err : add_name(dir, name, len, i, out);
}

static int ramfs_tmpfile(struct dentry *dir, const struct inode_new *n, struct inode **out)
{
	int err = new_inode(fs_of(dir->sb), n, out);

	if (!err)
		(*out)->nlink = 0;
	return err;
}

static int ramfs_link(struct dentry *dir, const char *name, size_t len, struct inode *i,
		      struct dentry **out)
{
	int err;

	add_nlink(i, 1);
	err = add_name(dir, name, len, inode_get(i), out);
	if (err)
		add_nlink(i, -1);
	return err;
}

static int ramfs_unlink(struct dentry *d)
{
	struct inode *i = d->inode, *dir = d->parent->inode;
	bool isdir = S_ISDIR(i->mode);

	if (isdir && !TAILQ_EMPTY(&d->children))
		return -ENOTEMPTY;
	add_nlink(i, isdir ? -2 : -1);
	touch_dir(dir, isdir ? -1 : 0);
	drop_name(d);
	return 0;
}

static int ramfs_rename(struct dentry *old, struct dentry *newdir, const char *newname, size_t len,
			struct dentry *target, bool exchange)
{
	struct dentry *olddir = old->parent;
	struct ramfs *fs = fs_of(old->sb);
	size_t oldlen = old->len;
	char *name = malloc(len + 1), *name2 = exchange ? strdup(old->name) : NULL;
	int dirs = S_ISDIR(old->inode->mode) ? 1 : 0,
	    tdirs = target && S_ISDIR(target->inode->mode) ? 1 : 0, err = 0;

	if (!name || (exchange && !name2)) {
		free(name);
		free(name2);
		return -ENOMEM;
	}
	memcpy(name, newname, len);
	name[len] = 0;
	dentry_get(olddir);
	if (!exchange) {
		err = charge(fs, len); /* an over-estimate for a moment */
		if (!err && target) {
			err = ramfs_unlink(target);
			if (err)
				atomic_fetch_sub(&fs->bytes, len);
		}
	}
	if (err) {
		free(name);
		free(name2);
		dentry_put_locked(olddir);
		return err;
	}
	if (!exchange)
		atomic_fetch_sub(&fs->bytes, oldlen);
	touch_dir(olddir->inode, exchange ? tdirs - dirs : -dirs);
	touch_dir(newdir->inode, exchange ? dirs - tdirs : dirs);
	dentry_move(old, newdir, name, len);
	if (exchange)
		dentry_move(target, olddir, name2, oldlen);
	add_nlink(old->inode, 0);
	if (exchange)
		add_nlink(target->inode, 0);
	dentry_put_locked(olddir);
	return 0;
}

static const struct inode_ops ramfs_ops = {
	.free = ramfs_free,
	.getattr = ramfs_getattr,
	.setattr = ramfs_setattr,
	.create = ramfs_create_entry,
	.link = ramfs_link,
	.unlink = ramfs_unlink,
	.rename = ramfs_rename,
	.tmpfile = ramfs_tmpfile,
	.readlink = ramfs_readlink,
	.open = ramfs_open,
	.iterate = dcache_iterate,
	.fallocate = ramfs_fallocate,
};

static void ramfs_statfs(struct super *sb, uint64_t *blocks, uint64_t *bfree, uint64_t *files,
			 uint64_t *ffree)
{
	struct ramfs *fs = fs_of(sb);
	struct gmem_stats s;

	gmem_get_stats(fs->gm, &s);
	*blocks = s.frames_total;
	*bfree = s.frames_total - s.frames_used;
	*files = RAMFS_MAX_INODES;
	*ffree = RAMFS_MAX_INODES - atomic_load(&fs->inodes);
}

static void ramfs_destroy(struct super *sb)
{
	free(fs_of(sb));
}

static const struct super_ops tmpfs_super = {"tmpfs", RAMFS_MAGIC, ramfs_statfs, ramfs_destroy};
static const struct super_ops rootfs_super = {"rootfs", RAMFS_MAGIC, ramfs_statfs, ramfs_destroy};
static const struct super_ops devtmpfs_super = {"devtmpfs", RAMFS_MAGIC, ramfs_statfs,
						ramfs_destroy};
static const struct super_ops sysfs_super = {"sysfs", 0x62656572, ramfs_statfs, ramfs_destroy};

int ramfs_create(struct vfs *v, const char *type, uint32_t mode, struct super **out,
		 struct dentry **root)
{
	static const struct super_ops *const types[] = {&tmpfs_super, &rootfs_super,
							&devtmpfs_super, &sysfs_super};
	struct ramfs *fs = calloc(1, sizeof(*fs));
	const struct super_ops *ops = types[0];
	struct inode_new n = {.mode = S_IFDIR | mode};
	struct inode *i;
	int err;

	if (!fs)
		return -ENOMEM;
	for (size_t k = 0; k < ARRAY_SIZE(types); k++)
		if (!strcmp(types[k]->type, type))
			ops = types[k];
	fs->gm = v->k->gm;
	fs->max_bytes = v->k->cfg.mem_limit / 8;
	if (fs->max_bytes < 4 << 20)
		fs->max_bytes = 4 << 20;
	super_init(&fs->sb, v, ops, ops == &sysfs_super ? SB_RDONLY : 0, ops->type);
	err = new_inode(fs, &n, &i);
	if (err)
		return err; /* the super goes with the vfs */
	*root = dentry_alloc(NULL, "", 0, i);
	*out = &fs->sb;
	return *root ? 0 : -ENOMEM;
}

int ramfs_make(struct dentry *dir, const char *name, uint32_t mode, const char *target,
	       struct dentry **out)
{
	struct inode_new n = {.mode = mode, .target = target};
	struct dentry *d = dentry_find(dir, name, strlen(name));

	if (d) {
		dentry_put_locked(d);
		return -EEXIST;
	}
	return ramfs_create_entry(dir, name, strlen(name), &n, out);
}

int ramfs_place(struct dentry *dir, const char *name, struct inode *i, struct dentry **out)
{
	struct dentry *d = dentry_find(dir, name, strlen(name));

	if (d) {
		dentry_put_locked(d);
		inode_put_locked(i);
		return -EEXIST;
	}
	return add_name(dir, name, strlen(name), i, out);
}
