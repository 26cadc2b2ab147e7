/*
 * The in-memory file system: pinned dentries (fs_names.c), data in memfiles.
 */
#include "memfd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define RAMFS_MAGIC 0x01021994 /* tmpfs */

struct ramfs_inode {
	struct inode i;
	uint64_t charge;
	char *target;
};

static const struct inode_ops ramfs_ops;

static struct ramfs_inode *ri(struct inode *i)
{
	return container_of(i, struct ramfs_inode, i);
}

int ramfs_inode(struct super *sb, const struct inode_new *n, struct inode **out)
{
	struct ramfs_inode *r;
	uint64_t bytes = sizeof(*r) + 64 + (n->target ? strlen(n->target) + 1 : 0);
	int err = super_charge_inode(sb, bytes);

	if (err)
		return err;
	r = calloc(1, sizeof(*r));
	if (r && n->target)
		r->target = strdup(n->target);
	if (!r || (n->target && !r->target)) {
		free(r);
		super_uncharge_inode(sb, bytes);
		return -ENOMEM;
	}
	inode_init(&r->i, sb, &ramfs_ops, n->mode, 0);
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
	struct ramfs_inode *r = ri(i);

	super_uncharge_inode(i->sb, r->charge);
	free(r->target);
	inode_fini(i);
	free(r);
}

static int ramfs_getattr(struct inode *i, struct vfs_attr *a)
{
	if (S_ISREG(i->mode))
		memfile_getattr(i, a);
	return 0;
}

static int ramfs_setattr(struct dentry *d, const struct vfs_setattr *s)
{
	struct inode *i = d->inode;
	int err = 0;

	pthread_mutex_lock(&i->data_lock);
	if ((i->seals & F_SEAL_EXEC_K) && (s->valid & ATTR_MODE) && (i->mode ^ s->mode) & 0111)
		err = -EPERM;
	if (!err && s->valid & ATTR_SIZE)
		err = memfile_resize(i, s->size);
	if (!err) {
		pthread_mutex_lock(&i->lock);
		inode_set_attr_locked(i, s);
		pthread_mutex_unlock(&i->lock);
	}
	pthread_mutex_unlock(&i->data_lock);
	return err;
}

static int ramfs_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	if (S_ISFIFO(i->mode))
		return fifo_open(i, f);
	if (!S_ISREG(i->mode))
		return -ENXIO;
	f->f.ops = &memfile_ops.core;
	return 0;
}

static int ramfs_own(struct dentry *d)
{
	return 0;
}

static int ramfs_fallocate(struct inode *i, int mode, int64_t off, int64_t len)
{
	int err;

	pthread_mutex_lock(&i->data_lock);
	err = memfile_fallocate(i, mode, off, len);
	pthread_mutex_unlock(&i->data_lock);
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

static int ramfs_create_entry(struct dentry *dir, const char *name, size_t len,
			      const struct inode_new *n, struct dentry **out)
{
	struct inode *i;
	int err = ramfs_inode(dir->sb, n, &i);

	return err ? err : memname_add(dir, name, len, i, out);
}

static int ramfs_tmpfile(struct dentry *dir, const struct inode_new *n, struct inode **out)
{
	int err = ramfs_inode(dir->sb, n, out);

	if (!err)
		(*out)->nlink = 0;
	return err;
}

static int ramfs_link(struct dentry *dir, const char *name, size_t len, struct inode *i,
		      struct dentry **out)
{
	int err;

	memname_nlink(i, 1);
	err = memname_add(dir, name, len, inode_get(i), out);
	if (err)
		memname_nlink(i, -1);
	return err;
}

static int ramfs_unlink(struct dentry *d)
{
	struct inode *i = d->inode;
	bool isdir = S_ISDIR(i->mode);

	if (isdir && dentry_first(d))
		return -ENOTEMPTY;
	memname_nlink(i, isdir ? -2 : -1);
	memname_drop(d);
	return 0;
}

static const struct inode_ops ramfs_ops = {
	.free = ramfs_free,
	.getattr = ramfs_getattr,
	.setattr = ramfs_setattr,
	.create = ramfs_create_entry,
	.link = ramfs_link,
	.unlink = ramfs_unlink,
	.rename = memname_rename,
	.tmpfile = ramfs_tmpfile,
	.readlink = ramfs_readlink,
	.open = ramfs_open,
	.iterate = dcache_iterate,
	.own = ramfs_own,
	.fallocate = ramfs_fallocate,
};

static void ramfs_statfs(struct super *sb, uint64_t *blocks, uint64_t *bfree, uint64_t *files,
			 uint64_t *ffree)
{
	struct gmem_stats s;

	gmem_get_stats(sb->v->k->gm, &s);
	*blocks = s.frames_total;
	*bfree = s.frames_total - s.frames_used;
	if (sb->max_data) {
		uint64_t used = atomic_load(&sb->data_pages), left;

		*blocks = sb->max_data >> PAGE_SHIFT;
		left = *blocks > used ? *blocks - used : 0;
		*bfree = left < *bfree ? left : *bfree;
	}
	*files = sb->max_inodes;
	*ffree = sb->max_inodes - atomic_load(&sb->inodes);
}

static const struct super_ops tmpfs_super = {
	.type = "tmpfs", .magic = RAMFS_MAGIC, .statfs = ramfs_statfs};
static const struct super_ops rootfs_super = {
	.type = "rootfs", .magic = RAMFS_MAGIC, .statfs = ramfs_statfs};
static const struct super_ops devtmpfs_super = {
	.type = "devtmpfs", .magic = RAMFS_MAGIC, .statfs = ramfs_statfs};

int ramfs_create(struct vfs *v, const char *type, uint32_t mode, struct super **out,
		 struct dentry **root)
{
	static const struct super_ops *const types[] = {&tmpfs_super, &rootfs_super,
							&devtmpfs_super};
	struct super *sb = calloc(1, sizeof(*sb));
	const struct super_ops *ops = types[0];
	struct inode_new n = {.mode = S_IFDIR | mode};
	struct inode *i;
	int err;

	if (!sb)
		return -ENOMEM;
	for (size_t k = 0; k < ARRAY_SIZE(types); k++)
		if (!strcmp(types[k]->type, type))
			ops = types[k];
	super_init(sb, v, ops, 0, ops->type);
	err = ramfs_inode(sb, &n, &i);
	if (err)
		return err; /* the super goes with the vfs */
	*root = dentry_alloc(NULL, "", 0, i);
	*out = sb;
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
	return memname_add(dir, name, strlen(name), i, out);
}
