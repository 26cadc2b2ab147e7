/*
 * What the files of file-system calls share.
 *
 * Owns nothing.
 */
#ifndef VMBOX_LINUX_SYS_FS_H
#define VMBOX_LINUX_SYS_FS_H

#include "sys.h"
#include "syscalls.h"
#include "vfs_walk.h"

/* The open file of a call, not one of O_PATH: NULL: -EBADF. Kept in c->file[slot]. */
struct file *call_io_file(struct task *t, struct call *c, unsigned slot, int fd);
/* vmm/linux/ARCH/fs_arch.c */
extern const unsigned arch_o_largefile;
/* The soft limit of a resource. */
uint64_t task_rlimit(struct task *t, int resource);
/* RLIMIT_NOFILE as a count of descriptors. */
unsigned nofile_limit(struct task *t);
/*
 * The signal mask of ppoll, pselect and epoll_pwait (mask: guest address or 0, of `size` bytes) for
 * the call's length; the signal code puts the old one back. First run only. 0, -EINVAL, -EFAULT.
 */
long call_swap_mask(struct task *t, struct call *c, uint64_t mask, uint64_t size);
/* f (the caller's reference goes) becomes the lowest free descriptor: it, -EMFILE, -ENOMEM. */
long install_file(struct task *t, struct file *f, bool cloexec);
/* Two of them (their references go), whose numbers are stored at ufds first: 0, -EMFILE, -ENOMEM,
 * -EFAULT: nothing has happened. */
int install_pair(struct task *t, struct file *const f[2], bool cloexec, uint64_t ufds);
/* i's data are about to change: s takes set-id bits away with that. */
void add_setid_drop(struct task *t, struct inode *i, struct vfs_setattr *s);
/* Opens as openat(2). 0 and *out, or a negative errno. */
int do_openat(struct task *t, int dirfd, const char *path, unsigned flags, unsigned mode,
	      struct file **out);
/* size of a write of `len` at `start` under RLIMIT_FSIZE: what may be written; -EFBIG (and SIGXFSZ)
 * if nothing. */
int64_t fsize_clip(struct task *t, int64_t start, size_t len);

/* sys_rw.c: readv or writev on f (a stream) of the call's arguments 1 and 2; may block. */
long rw_stream_call(struct task *t, struct call *c, bool write, bool nowait);
/* SIGPIPE and its kind, to the task itself. */
void send_own_signal(struct task *t, int sig);

static inline bool file_readable(const struct file *f)
{
	unsigned m = f->flags & O_ACCMODE;

	return m == O_RDONLY || m == O_RDWR;
}

static inline bool file_writable(const struct file *f)
{
	unsigned m = f->flags & O_ACCMODE;

	return m == O_WRONLY || m == O_RDWR;
}

#endif
