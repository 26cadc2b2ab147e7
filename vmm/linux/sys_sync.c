/*
 * Writing back, and advice about it: fsync, sync, sync_file_range, fadvise, readahead. fsync(2),
 * sync(2), sync_file_range(2), posix_fadvise(2), readahead(2).
 */
#include "sys_fs.h"

static long fsync_call(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);

	if (!f)
		return -EBADF;
	return vfs_ops(f)->fsync ? vfs_ops(f)->fsync(f) : -EINVAL;
}

long sys_fsync(struct task *t, struct call *c)
{
	return fsync_call(t, c);
}

long sys_fdatasync(struct task *t, struct call *c)
{
	return fsync_call(t, c);
}

long sys_sync(struct task *t, struct call *c)
{
	struct vfs *v = t->k->vfs;
	struct super *sb;

	/* Supers are added before the first task and stay. */
	SLIST_FOREACH (sb, &v->supers, all)
		if (sb->ops->sync)
			sb->ops->sync(sb);
	return 0;
}

long sys_syncfs(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);
	struct super *sb;

	if (!f)
		return -EBADF;
	sb = vfs_file(f)->path.d->sb;
	return sb->ops->sync ? sb->ops->sync(sb) : 0;
}

long sys_sync_file_range(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);
	int64_t off = (int64_t)c->args[1], len = (int64_t)c->args[2], end;
	uint32_t type;

	if ((unsigned)c->args[3] & ~7U || off < 0 || len < 0 ||
	    __builtin_add_overflow(off, len, &end))
		return f ? -EINVAL : -EBADF;
	if (!f)
		return -EBADF;
	type = inode_type(file_inode(f));
	if (type != S_IFREG && type != S_IFDIR && type != S_IFBLK && type != S_IFLNK)
		return -ESPIPE;
	return vfs_ops(f)->fsync ? vfs_ops(f)->fsync(f) : 0;
}

long sys_fadvise64(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);

	if (!f)
		return -EBADF;
	if (vfs_file(f)->stream)
		return -ESPIPE;
	/* Advice is heard and not needed: reads go through the host's cache. */
	return (int)c->args[3] < 0 || (int)c->args[3] > 7 || (int64_t)c->args[2] < 0 ? -EINVAL : 0;
}

long sys_readahead(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);

	if (!f || !file_readable(f))
		return -EBADF;
	return S_ISREG(file_inode(f)->mode) ? 0 : -EINVAL;
}
