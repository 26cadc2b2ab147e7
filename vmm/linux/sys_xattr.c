/*
 * Extended attributes: no file system here has any. xattr(7): lists are empty, the rest is ENOTSUP,
 * once the file is found.
 */
#include "sys_fs.h"

static long by_path(struct task *t, struct call *c, unsigned flags, long result)
{
	char path[VFS_PATH_MAX];
	struct path p;
	long err = get_path(t, c->args[0], path, false);

	if (!err)
		err = vfs_path_at(t, AT_FDCWD, path, flags, &p);
	if (err)
		return err;
	path_put(&p);
	return result;
}

static long by_fd(struct task *t, struct call *c, long result)
{
	return call_io_file(t, c, 0, (int)c->args[0]) ? result : -EBADF;
}

long sys_setxattr(struct task *t, struct call *c)
{
	return by_path(t, c, WALK_FOLLOW, -EOPNOTSUPP);
}

long sys_lsetxattr(struct task *t, struct call *c)
{
	return by_path(t, c, 0, -EOPNOTSUPP);
}

long sys_fsetxattr(struct task *t, struct call *c)
{
	return by_fd(t, c, -EOPNOTSUPP);
}

long sys_getxattr(struct task *t, struct call *c)
{
	return by_path(t, c, WALK_FOLLOW, -EOPNOTSUPP);
}

long sys_lgetxattr(struct task *t, struct call *c)
{
	return by_path(t, c, 0, -EOPNOTSUPP);
}

long sys_fgetxattr(struct task *t, struct call *c)
{
	return by_fd(t, c, -EOPNOTSUPP);
}

long sys_listxattr(struct task *t, struct call *c)
{
	return by_path(t, c, WALK_FOLLOW, 0);
}

long sys_llistxattr(struct task *t, struct call *c)
{
	return by_path(t, c, 0, 0);
}

long sys_flistxattr(struct task *t, struct call *c)
{
	return by_fd(t, c, 0);
}

long sys_removexattr(struct task *t, struct call *c)
{
	return by_path(t, c, WALK_FOLLOW, -EOPNOTSUPP);
}

long sys_lremovexattr(struct task *t, struct call *c)
{
	return by_path(t, c, 0, -EOPNOTSUPP);
}

long sys_fremovexattr(struct task *t, struct call *c)
{
	return by_fd(t, c, -EOPNOTSUPP);
}
