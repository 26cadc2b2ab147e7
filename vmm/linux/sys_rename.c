/*
 * rename, renameat, renameat2. rename(2).
 */
#include "notify.h"
#include "sys_fs.h"

#include <stdio.h>

static bool is_ancestor(const struct dentry *a, const struct dentry *d)
{
	for (; d->parent != d; d = d->parent)
		if (d == a)
			return true;
	return d == a;
}

/* Both walks stand; old is found, new may be (new->d NULL: not). */
static int rename_check(struct walker *wo, struct walker *wn, const struct path *old,
			const struct path *new, unsigned flags)
{
	struct inode *oi = old->d->inode, *ni = new->d ? new->d->inode : NULL;
	bool exchange = flags & RENAME_EXCHANGE, odir = S_ISDIR(oi->mode),
	     ndir = ni && S_ISDIR(ni->mode);
	int err;

	if (ni && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (!ni && exchange)
		return -ENOENT;
	if (!odir && (wo->slash || (wn->slash && !exchange)))
		return -ENOTDIR;
	if (is_ancestor(old->d, wn->at.d))
		return -EINVAL;
	if (new->d && is_ancestor(new->d, wo->at.d))
		return exchange ? -EINVAL : -ENOTEMPTY;
	if ((wo->at.d->flags | wn->at.d->flags) & D_DELETED)
		return -ENOENT;
	err = may_delete(wo->at.d->inode, oi, &wo->cred);
	if (!err)
		err = ni ? may_delete(wn->at.d->inode, ni, &wo->cred)
			 : inode_permission(wn->at.d->inode, &wo->cred, MAY_WRITE | MAY_EXEC);
	/* ".." of a directory changes: that takes write permission on it. */
	if (!err && odir && wo->at.d != wn->at.d)
		err = inode_permission(oi, &wo->cred, MAY_WRITE);
	if (!err && ndir && exchange && wo->at.d != wn->at.d)
		err = inode_permission(ni, &wo->cred, MAY_WRITE);
	if (err)
		return err;
	if (ni && !exchange && odir != ndir)
		return odir ? -ENOTDIR : -EISDIR;
	if (old->mnt != wo->at.mnt || (new->d &&new->mnt != wn->at.mnt) ||
	    (old->d->flags & D_MOUNTED) || (new->d && (new->d->flags &D_MOUNTED)))
		return -EBUSY;
	return 0;
}

static void told_moved(struct dentry *from, const char *old, struct dentry *to, const char *new,
		       struct inode *i)
{
	uint32_t cookie = notify_cookie(from->sb->v);

	notify_name(from, old, i, IN_MOVED_FROM, cookie);
	notify_name(to, new, i, IN_MOVED_TO, cookie);
}

/* In Linux's order: fsnotify_move(). */
static void told_renamed(struct walker *wo, struct walker *wn, const struct path *old,
			 const struct path *new, bool exchange)
{
	if (!notify_wanted(wo->v))
		return;
	told_moved(wo->at.d, wo->last, wn->at.d, wn->last, old->d->inode);
	if (new->d && !exchange) {
		notify_inode(new->d->inode, IN_ATTRIB);
		if (atomic_load(&new->d->refs) == 1)
			notify_gone(new->d);
	}
	notify_inode(old->d->inode, IN_MOVE_SELF);
	if (!exchange)
		return;
	told_moved(wn->at.d, wn->last, wo->at.d, wo->last, new->d->inode);
	notify_inode(new->d->inode, IN_MOVE_SELF);
}

static int rename_locked(struct walker *wo, struct walker *wn, unsigned flags)
{
	struct path old = {NULL, NULL}, new = {NULL, NULL};
	int err;

	if (wo->at.mnt != wn->at.mnt)
		return -EXDEV;
	if (wo->type != WALK_LAST_NAME)
		return -EBUSY;
	if (wn->type != WALK_LAST_NAME)
		return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	if (wo->at.d->sb->flags & SB_RDONLY)
		return -EROFS;
	err = walk_hold_names(wo);
	if (!err)
		err = walk_last_itself(wo, &old);
	if (err)
		return err;
	err = walk_last_itself(wn, &new);
	/* What /proc has not got is missing even to who wants to make it. */
	if (err == -ENOENT && !(wn->at.d->sb->flags & SB_NOCACHE))
		err = 0;
	if (!err)
		err = rename_check(wo, wn, &old, &new, flags);
	/* Two names of one file: nothing to do. */
	if (!err && !(new.d &&new.d->inode == old.d->inode)) {
		err = wo->at.d->inode->ops->rename
			      ? wo->at.d->inode->ops->rename(old.d, wn->at.d, wn->last,
							     wn->last_len, new.d,
							     flags & RENAME_EXCHANGE)
			      : -EPERM;
		if (!err)
			told_renamed(wo, wn, &old, &new, flags & RENAME_EXCHANGE);
	}
	if (new.d)
		path_put_locked(&new);
	path_put_locked(&old);
	return err;
}

static long rename_call(struct task *t, int olddir, uint64_t uold, int newdir, uint64_t unew,
			unsigned flags)
{
	char old[VFS_PATH_MAX], new[VFS_PATH_MAX];
	struct walker wo, wn;
	int err;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	err = get_path(t, uold, old, false);
	if (!err)
		err = get_path(t, unew, new, false);
	if (err)
		return err;
	err = walk_begin(&wo, t, olddir, old, 0);
	if (err) {
		walk_end(&wo);
		return err;
	}
	err = walk_begin(&wn, t, newdir, new, WALK_NESTED);
	if (!err)
		err = rename_locked(&wo, &wn, flags);
	walk_end2(&wo, &wn);
	return err;
}

long sys_rename(struct task *t, struct call *c)
{
	return rename_call(t, AT_FDCWD, c->args[0], AT_FDCWD, c->args[1], 0);
}

long sys_renameat(struct task *t, struct call *c)
{
	return rename_call(t, (int)c->args[0], c->args[1], (int)c->args[2], c->args[3], 0);
}

long sys_renameat2(struct task *t, struct call *c)
{
	return rename_call(t, (int)c->args[0], c->args[1], (int)c->args[2], c->args[3],
			   (unsigned)c->args[4]);
}
