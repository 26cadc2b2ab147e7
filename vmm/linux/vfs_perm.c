/*
 * Who may do what: the guest's file-system ids against mode bits. CAP_DAC_OVERRIDE and CAP_FOWNER,
 * which uid 0 has, override; the host decides for itself what it lets the VMM open.
 */
#include "notify.h"

#include <linux/capability.h>
#include <string.h>

void task_cred(struct task *t, struct cred *c)
{
	process_cred(t->p, c);
}

bool cred_in_group(const struct cred *c, uint32_t gid)
{
	if (c->fsgid == gid)
		return true;
	for (unsigned i = 0; i < c->ngroups && i < NGROUPS; i++)
		if (c->groups[i] == gid)
			return true;
	return false;
}

static void inode_owner(struct inode *i, uint32_t *mode, uint32_t *uid, uint32_t *gid)
{
	pthread_mutex_lock(&i->lock);
	*mode = i->mode;
	*uid = i->uid;
	*gid = i->gid;
	pthread_mutex_unlock(&i->lock);
}

int inode_permission(struct inode *i, const struct cred *c, unsigned mask)
{
	uint32_t mode, uid, gid;

	inode_owner(i, &mode, &uid, &gid);
	if ((mask & MAY_WRITE) && (i->sb->flags & SB_RDONLY) &&
	    (S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode)))
		return -EROFS;
	if (cred_capable(c, CAP_DAC_OVERRIDE)) {
		if ((mask & MAY_EXEC) && !S_ISDIR(mode) && !(mode & 0111))
			return -EACCES;
		return 0;
	}
	if (c->fsuid == uid)
		mode >>= 6;
	else if (cred_in_group(c, gid))
		mode >>= 3;
	return (mask & ~mode & 7) ? -EACCES : 0;
}

bool inode_owner_or_root(struct inode *i, const struct cred *c)
{
	uint32_t mode, uid, gid;

	inode_owner(i, &mode, &uid, &gid);
	return c->fsuid == uid || cred_capable(c, CAP_FOWNER);
}

/* setattr_should_drop_suidgid(): set-group-id without group execution is not for programs; it stays
 * with members of the group. */
uint32_t inode_setid_to_drop(struct inode *i, const struct cred *c)
{
	uint32_t mode, uid, gid, drop = 0;

	if (!S_ISREG(i->mode) || !(i->mode & (S_ISUID | S_ISGID)) || cred_capable(c, CAP_FSETID))
		return 0;
	inode_owner(i, &mode, &uid, &gid);
	if (mode & S_ISUID)
		drop |= S_ISUID;
	if ((mode & S_ISGID) && ((mode & S_IXGRP) || !cred_in_group(c, gid)))
		drop |= S_ISGID;
	return drop;
}

int vfs_drop_setid(struct task *t, struct dentry *d)
{
	struct vfs_setattr s = {.valid = ATTR_MODE};
	struct inode *i = d->inode;
	struct cred cred;
	uint32_t drop;
	int err;

	if (!(i->mode & (S_ISUID | S_ISGID)) || !S_ISREG(i->mode) || !i->ops->setattr)
		return 0;
	task_cred(t, &cred);
	drop = inode_setid_to_drop(i, &cred);
	if (!drop)
		return 0;
	s.mode = i->mode & 07777 & ~drop;
	err = i->ops->setattr(d, &s);
	if (!err)
		notify(d, IN_ATTRIB);
	return err;
}

int may_delete(struct inode *dir, struct inode *victim, const struct cred *c)
{
	uint32_t mode, uid, gid;
	int err = inode_permission(dir, c, MAY_WRITE | MAY_EXEC);

	if (err)
		return err;
	inode_owner(dir, &mode, &uid, &gid);
	if ((mode & S_ISVTX) && c->fsuid != uid && !inode_owner_or_root(victim, c))
		return -EPERM;
	return 0;
}

int inode_getattr(struct inode *i, struct vfs_attr *a)
{
	memset(a, 0, sizeof(*a));
	a->dev = i->sb->dev;
	a->ino = i->ino;
	a->rdev = i->rdev;
	a->blksize = i->sb->ops->blksize ? i->sb->ops->blksize : PAGE_SIZE;
	pthread_mutex_lock(&i->lock);
	a->mode = i->mode;
	a->nlink = i->nlink;
	a->uid = i->uid;
	a->gid = i->gid;
	a->size = (uint64_t)i->size;
	a->atime = i->atime;
	a->mtime = i->mtime;
	a->ctime = i->ctime;
	a->btime = i->btime;
	pthread_mutex_unlock(&i->lock);
	return i->ops->getattr ? i->ops->getattr(i, a) : 0;
}
