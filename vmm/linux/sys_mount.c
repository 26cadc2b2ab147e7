/*
 * What only a privileged process may do and none here is: mounts, swap, reboot, handles, modules,
 * ports, the clock.
 *
 * The guest's tree is made before it starts. These answer as Linux answers whoever lacks the
 * capability: EPERM, before anything is looked at.
 */
#include "pidfd.h"
#include "sys_fs.h"

#include <linux/fs.h>
#include <sched.h>

/* Every kind of namespace; the last is CLONE_NEWTIME. */
#define CLONE_NEW_ANY                                                                              \
	(unsigned)(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |   \
		   CLONE_NEWPID | CLONE_NEWNET | 0x80)

#define AT_HANDLE_FID_K           0x200U
#define AT_HANDLE_MNT_ID_UNIQUE_K 1U

#define DENIED(name)                                                                               \
	long sys_##name(struct task *t, struct call *c)                                            \
	{                                                                                          \
		return -EPERM;                                                                     \
	}

DENIED(mount)
DENIED(umount2)
DENIED(pivot_root)
DENIED(open_tree)
DENIED(move_mount)
DENIED(fsopen)
DENIED(fsconfig)
DENIED(fsmount)
DENIED(fspick)
DENIED(mount_setattr)
DENIED(swapon)
DENIED(swapoff)
DENIED(reboot)
DENIED(acct)
DENIED(vhangup)
DENIED(quotactl)
DENIED(quotactl_fd)
DENIED(fanotify_init)
DENIED(open_by_handle_at)
DENIED(syslog)
DENIED(iopl)
DENIED(ioperm)
DENIED(init_module)
DENIED(finit_module)
DENIED(delete_module)
DENIED(kexec_load)
DENIED(kexec_file_load)

/* There is one of each namespace, and no file stands for it; a process's may be asked for. */
long sys_setns(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);
	unsigned flags = (unsigned)c->args[1];

	if (!f)
		return -EBADF;
	return pidfd_is_process(f) && flags && !(flags & ~CLONE_NEW_ANY) ? -EPERM : -EINVAL;
}

/* Without a group of fanotify there is no descriptor of one. */
long sys_fanotify_mark(struct task *t, struct call *c)
{
	return call_file(t, c, 0, (int)c->args[0]) ? -EINVAL : -EBADF;
}

/* No file system here can find a file by a number. */
long sys_name_to_handle_at(struct task *t, struct call *c)
{
	unsigned flags = (unsigned)c->args[4];
	char path[VFS_PATH_MAX];
	struct path p;
	long err;

	if (flags &
	    ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | AT_HANDLE_FID_K | AT_HANDLE_MNT_ID_UNIQUE_K))
		return -EINVAL;
	err = get_path(t, c->args[1], path, flags & AT_EMPTY_PATH);
	if (!err)
		err = vfs_path_at(t, (int)c->args[0], path,
				  (flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0U) |
					  (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0U),
				  &p);
	if (err)
		return err;
	path_put(&p);
	return -EOPNOTSUPP;
}
