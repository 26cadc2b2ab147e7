/*
 * Names that live in memory: pinned dentries, and what the VMM spends on them.
 *
 * Inodes, names and link texts are the VMM's memory, not the guest's: each super that keeps any has
 * a budget, a share of the guest's memory.
 */
#include "vfs_inode.h"

#include <stdlib.h>
#include <string.h>

#define NAME_OVERHEAD 32

int super_charge(struct super *sb, uint64_t bytes)
{
	if (atomic_fetch_add(&sb->bytes, bytes) + bytes <= sb->max_bytes)
		return 0;
	atomic_fetch_sub(&sb->bytes, bytes);
	return -ENOSPC;
}

void super_uncharge(struct super *sb, uint64_t bytes)
{
	atomic_fetch_sub(&sb->bytes, bytes);
}

int super_charge_inode(struct super *sb, uint64_t bytes)
{
	int err = -ENOSPC;

	if (atomic_fetch_add(&sb->inodes, 1) < sb->max_inodes)
		err = super_charge(sb, bytes);
	if (err)
		atomic_fetch_sub(&sb->inodes, 1);
	return err;
}

void super_uncharge_inode(struct super *sb, uint64_t bytes)
{
	atomic_fetch_sub(&sb->inodes, 1);
	super_uncharge(sb, bytes);
}

void memname_nlink(struct inode *i, int n)
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

static uint64_t name_cost(size_t len)
{
	return sizeof(struct dentry) + len + NAME_OVERHEAD;
}

int memname_add(struct dentry *dir, const char *name, size_t len, struct inode *i,
		struct dentry **out)
{
	struct dentry *d;
	int err = super_charge(dir->sb, name_cost(len));

	if (err) {
		inode_put_locked(i);
		return err;
	}
	d = dentry_alloc(dir, name, len, i);
	if (!d) {
		super_uncharge(dir->sb, name_cost(len));
		return -ENOMEM;
	}
	d->flags |= D_CHARGED;
	dentry_link(d, true);
	touch_dir(dir->inode, S_ISDIR(i->mode) ? 1 : 0);
	if (out)
		*out = d;
	else
		dentry_put_locked(d);
	return 0;
}

void memname_drop(struct dentry *d)
{
	touch_dir(d->parent->inode, S_ISDIR(d->inode->mode) ? -1 : 0);
	if (d->flags & D_CHARGED)
		super_uncharge(d->sb, name_cost(d->len));
	d->flags &= ~D_CHARGED;
	dentry_unlink(d, true);
}

int memname_rename(struct dentry *old, struct dentry *newdir, const char *newname, size_t len,
		   struct dentry *target, bool exchange)
{
	struct dentry *olddir = old->parent;
	struct super *sb = old->sb;
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
		err = super_charge(sb, name_cost(len)); /* an over-estimate for a moment */
		if (!err && target) {
			err = target->parent->inode->ops->unlink(target);
			if (err)
				super_uncharge(sb, name_cost(len));
		}
	}
	if (err) {
		free(name);
		free(name2);
		dentry_put_locked(olddir);
		return err;
	}
	if (!exchange) {
		if (old->flags & D_CHARGED)
			super_uncharge(sb, name_cost(oldlen));
		old->flags |= D_CHARGED;
	}
	touch_dir(olddir->inode, exchange ? tdirs - dirs : -dirs);
	touch_dir(newdir->inode, exchange ? dirs - tdirs : dirs);
	dentry_move(old, newdir, name, len);
	if (exchange)
		dentry_move(target, olddir, name2, oldlen);
	memname_nlink(old->inode, 0);
	if (exchange)
		memname_nlink(target->inode, 0);
	dentry_put_locked(olddir);
	return 0;
}

void inode_set_attr_locked(struct inode *i, const struct vfs_setattr *s)
{
	if (s->valid & ATTR_MODE)
		i->mode = (i->mode & S_IFMT) | (s->mode & 07777);
	if (s->valid & ATTR_UID)
		i->uid = s->uid;
	if (s->valid & ATTR_GID)
		i->gid = s->gid;
	if (s->valid & ATTR_ATIME)
		i->atime = s->atime;
	if (s->valid & ATTR_SIZE)
		inode_now(&i->mtime);
	if (s->valid & ATTR_MTIME)
		i->mtime = s->mtime;
	inode_now(&i->ctime);
}

int inode_setattr_sizeless(struct dentry *d, const struct vfs_setattr *s)
{
	struct inode *i = d->inode;

	if (s->valid & ATTR_SIZE)
		return -EINVAL;
	pthread_mutex_lock(&i->lock);
	inode_set_attr_locked(i, s);
	pthread_mutex_unlock(&i->lock);
	return 0;
}
