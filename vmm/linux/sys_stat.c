/*
 * stat, statx, access, statfs. stat(2), statx(2), access(2), statfs(2).
 *
 * Guest and host are of one architecture, and on 64-bit ones the C library's struct stat, statx and
 * statfs are the kernel's.
 */
#include "sys_fs.h"

#include <string.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

static long put_stat(struct task *t, struct inode *i, uint64_t to)
{
	struct vfs_attr a;
	struct stat st;
	int err = host_may_wait(inode_pace(i), HOST_LOOK);

	if (!err)
		err = inode_getattr(i, &a);

	if (err)
		return err;
	memset(&st, 0, sizeof(st));
	st.st_dev = a.dev;
	st.st_ino = a.ino;
	st.st_nlink = a.nlink;
	st.st_mode = a.mode;
	st.st_uid = a.uid;
	st.st_gid = a.gid;
	st.st_rdev = a.rdev;
	st.st_size = (off_t)a.size;
	st.st_blksize = (blksize_t)a.blksize;
	st.st_blocks = (blkcnt_t)a.blocks;
	st.st_atim = a.atime;
	st.st_mtim = a.mtime;
	st.st_ctim = a.ctime;
	return copy_to_guest(task_mm(t), gva(to), &st, sizeof(st));
}

/* at_flags: AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_NO_AUTOMOUNT. */
static int path_for_stat(struct task *t, int dirfd, uint64_t upath, unsigned at_flags,
			 struct path *p)
{
	unsigned flags = at_flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW;
	char path[VFS_PATH_MAX] = "";
	int err = 0;

	/* With AT_EMPTY_PATH a null pointer is an empty string (Linux 6.11). */
	if (upath || !(at_flags & AT_EMPTY_PATH))
		err = get_path(t, upath, path, at_flags & AT_EMPTY_PATH);
	if (err)
		return err;
	if (at_flags & AT_EMPTY_PATH)
		flags |= WALK_EMPTY;
	return vfs_path_at(t, dirfd, path, flags, p);
}

static long stat_call(struct task *t, int dirfd, uint64_t upath, uint64_t to, unsigned at_flags)
{
	struct path p;
	long err;

	if (at_flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT))
		return -EINVAL;
	err = path_for_stat(t, dirfd, upath, at_flags, &p);
	if (err)
		return err;
	err = put_stat(t, p.d->inode, to);
	path_put(&p);
	return err;
}

long sys_stat(struct task *t, struct call *c)
{
	return stat_call(t, AT_FDCWD, c->args[0], c->args[1], 0);
}

long sys_lstat(struct task *t, struct call *c)
{
	return stat_call(t, AT_FDCWD, c->args[0], c->args[1], AT_SYMLINK_NOFOLLOW);
}

long sys_newfstatat(struct task *t, struct call *c)
{
	return stat_call(t, (int)c->args[0], c->args[1], c->args[2], (unsigned)c->args[3]);
}

long sys_fstat(struct task *t, struct call *c)
{
	struct file *f = call_file(t, c, 0, (int)c->args[0]);

	return f ? put_stat(t, file_inode(f), c->args[1]) : -EBADF;
}

static void put_time(struct statx_timestamp *to, const struct timespec *ts)
{
	to->tv_sec = ts->tv_sec;
	to->tv_nsec = (uint32_t)ts->tv_nsec;
}

long sys_statx(struct task *t, struct call *c)
{
	unsigned flags = (unsigned)c->args[2], mask = (unsigned)c->args[3];
	const unsigned sync = AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC;
	struct vfs_attr a;
	struct statx sx;
	struct path p;
	int err;

	if (mask & STATX__RESERVED)
		return -EINVAL;
	if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | sync) ||
	    (flags & sync) == sync)
		return -EINVAL;
	err = path_for_stat(t, (int)c->args[0], c->args[1], flags, &p);
	if (err)
		return err;
	err = host_may_wait(inode_pace(p.d->inode), HOST_LOOK);
	if (!err)
		err = inode_getattr(p.d->inode, &a);
	path_put(&p);
	if (err)
		return err;
	memset(&sx, 0, sizeof(sx));
	sx.stx_mask = STATX_BASIC_STATS;
	sx.stx_blksize = a.blksize;
	sx.stx_nlink = a.nlink;
	sx.stx_uid = a.uid;
	sx.stx_gid = a.gid;
	sx.stx_mode = (uint16_t)a.mode;
	sx.stx_ino = a.ino;
	sx.stx_size = a.size;
	sx.stx_blocks = a.blocks;
	put_time(&sx.stx_atime, &a.atime);
	put_time(&sx.stx_mtime, &a.mtime);
	put_time(&sx.stx_ctime, &a.ctime);
	if (a.btime.tv_nsec >= 0) {
		sx.stx_mask |= STATX_BTIME;
		put_time(&sx.stx_btime, &a.btime);
	}
	sx.stx_rdev_major = major(a.rdev);
	sx.stx_rdev_minor = minor(a.rdev);
	sx.stx_dev_major = major(a.dev);
	sx.stx_dev_minor = minor(a.dev);
	return copy_to_guest(task_mm(t), gva(c->args[4]), &sx, sizeof(sx));
}

static long access_call(struct task *t, int dirfd, uint64_t upath, unsigned mode, unsigned at_flags)
{
	unsigned flags = at_flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW;
	char path[VFS_PATH_MAX];
	struct cred cred;
	struct path p;
	int err;

	if (mode & ~7U || at_flags & ~(unsigned)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = get_path(t, upath, path, at_flags & AT_EMPTY_PATH);
	if (err)
		return err;
	if (!(at_flags & AT_EACCESS))
		flags |= WALK_REAL_IDS;
	if (at_flags & AT_EMPTY_PATH)
		flags |= WALK_EMPTY;
	err = vfs_path_at(t, dirfd, path, flags, &p);
	if (err)
		return err;
	task_cred(t, &cred);
	if (!(at_flags & AT_EACCESS))
		cred_real_ids(&cred);
	err = mode ? inode_permission(p.d->inode, &cred, mode) : 0;
	path_put(&p);
	return err;
}

long sys_access(struct task *t, struct call *c)
{
	return access_call(t, AT_FDCWD, c->args[0], (unsigned)c->args[1], 0);
}

long sys_faccessat(struct task *t, struct call *c)
{
	return access_call(t, (int)c->args[0], c->args[1], (unsigned)c->args[2], 0);
}

long sys_faccessat2(struct task *t, struct call *c)
{
	return access_call(t, (int)c->args[0], c->args[1], (unsigned)c->args[2],
			   (unsigned)c->args[3]);
}

static long put_statfs(struct task *t, struct super *sb, uint64_t to)
{
	uint64_t blocks = 0, bfree = 0, files = 0, ffree = 0;
	struct statfs s;

	memset(&s, 0, sizeof(s));
	if (sb->ops->statfs)
		sb->ops->statfs(sb, &blocks, &bfree, &files, &ffree);
	s.f_type = (__fsword_t)sb->ops->magic;
	s.f_bsize = s.f_frsize = PAGE_SIZE;
	s.f_blocks = blocks;
	s.f_bfree = s.f_bavail = bfree;
	s.f_files = files;
	s.f_ffree = ffree;
	memcpy(&s.f_fsid, &sb->dev, sizeof(s.f_fsid));
	s.f_namelen = VFS_NAME_MAX;
	s.f_flags = 0x20 /* ST_VALID */ | (sb->flags & SB_RDONLY ? 1 : 0);
	return copy_to_guest(task_mm(t), gva(to), &s, sizeof(s));
}

long sys_statfs(struct task *t, struct call *c)
{
	char path[VFS_PATH_MAX];
	struct path p;
	long err = get_path(t, c->args[0], path, false);

	if (!err)
		err = vfs_path_at(t, AT_FDCWD, path, WALK_FOLLOW, &p);
	if (err)
		return err;
	err = host_may_wait(inode_pace(p.d->inode), HOST_LOOK);
	if (!err)
		err = put_statfs(t, p.d->sb, c->args[1]);
	path_put(&p);
	return err;
}

long sys_fstatfs(struct task *t, struct call *c)
{
	struct file *f = call_file(t, c, 0, (int)c->args[0]);

	long err;

	if (!f)
		return -EBADF;
	err = host_may_wait(inode_pace(file_inode(f)), HOST_LOOK);
	return err ? err : put_statfs(t, vfs_file(f)->path.d->sb, c->args[1]);
}
