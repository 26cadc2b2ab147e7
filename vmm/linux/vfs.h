/*
 * The virtual file system: what the rest of the personality uses of it.
 *
 * Its inside (inodes, dentries, mounts, the host-backed and in-memory file systems, /proc, /dev) is
 * in vfs_*.h and fs_*.c. Paths are resolved component by component against the task's fs_context; a
 * host-backed file system opens only regular files and directories beneath the directory it was
 * given.
 *
 * Lock order inside: vfs lock(s) and inode->lock > memobj->lock; file->lock above the
 * inode's. See task.h for the whole tree.
 */
#ifndef VMBOX_LINUX_VFS_H
#define VMBOX_LINUX_VFS_H

#include "kernel.h"
#include "call.h"
#include "uio.h"
#include "../core/file.h"

struct async_list;
struct cred;
struct process;
struct dentry;
struct fs_context;
struct path;

/* The most queues that one file's poll depends on. */
#define POLL_QUEUES 3

/* Where a file's events are told (core/async.h), and to whom unless somebody said it: F_SETOWN. */
struct async_place {
	struct async_list *lists[2];
	unsigned n;
	struct async_list *urgent; /* a socket's; NULL: there are no urgent bytes */
	bool tty;       /* `group` is told, or without one who asks for O_ASYNC; else nobody */
	uint32_t group; /* 0: none */
};

/*
 * Operations of an open file. Every member but `core` may be NULL: the caller
 * then answers as Linux does (EINVAL for read and write of what cannot be read, ESPIPE for lseek,
 * ENOTTY for ioctl, ENODEV for mmap, always ready for poll).
 */
struct vfs_file_ops {
	struct file_ops core; /* first member */
	/*
	 * Moves up to x->left bytes. pos: where, and advanced (a copy of file->pos or the pread
	 * offset); NULL for streams. task: queue it and return -EBLOCKED where the file is not
	 * ready; NULL: -EAGAIN. c (may be NULL) keeps progress over runs.
	 */
	ssize_t (*read)(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			struct call *c);
	ssize_t (*write)(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			 struct call *c);
	/* POLL* that hold now; queues task (may be NULL) first. */
	unsigned (*poll)(struct file *f, struct sched_task *task);
	/*
	 * For lasting interest (epoll): the queues that are woken when poll's answer changes in one
	 * of `events` (POLLIN, POLLOUT, ...; errors and hang-ups always count). The caller holds a
	 * reference to f. How many; 0: poll never changes. NULL: so, too.
	 */
	unsigned (*poll_queues)(struct file *f, unsigned events, struct waitq *wq[POLL_QUEUES]);
	/* Linux's fasync: where O_ASYNC is asked for. *at is zero; the lists live until release.
	 * NULL: it has no meaning here. */
	void (*async)(struct file *f, struct async_place *at);
	int64_t (*lseek)(struct file *f, int64_t off, int whence);
	long (*ioctl)(struct file *f, struct task *t, unsigned cmd, uint64_t arg);
	/* The object behind the file for mapping, with a reference; NULL and *err. */
	struct memobj *(*mmap)(struct file *f, int *err);
	long (*getdents)(struct file *f, struct task *t, struct call *c, gva_t buf, size_t size,
			 bool old);
	int (*fsync)(struct file *f);
	bool slow_fsync; /* it may wait for a disk: call it from a worker; any thread may */
};

static inline const struct vfs_file_ops *vfs_ops(const struct file *f)
{
	return (const struct vfs_file_ops *)(const void *)f->ops;
}

/* k->vfs, from k->cfg (root, and the image when there is no root). 0, or a negative errno (root not
 * a directory ...). */
int vfs_create(struct kernel *k);
void vfs_destroy(struct kernel *k);

/* What --bind and --tmpfs ask for. */
struct vfs_mount {
	enum { VFS_MOUNT_BIND, VFS_MOUNT_BIND_RW, VFS_MOUNT_TMPFS } kind;
	const char *source; /* host path of a directory or regular file; not of a tmpfs */
	const char *target; /* absolute guest path; made in memory if it is missing */
	uint64_t size;      /* of a tmpfs: bytes at most; 0: no limit of its own */
};
/*
 * Mounts it, over what was mounted there. Before the first task runs. 0; the errno of opening the
 * source; -EINVAL (target not absolute), -EACCES (a kernel file system of the host), -ENOTDIR and
 * -EISDIR (one is a directory, the other is not), -EROFS (no room for a mount point), -ELOOP, ...
 */
int vfs_mount(struct kernel *k, const struct vfs_mount *m);

/*
 * The host's trees that may be asked for files from now on: --root and each --bind. Calls f for
 * each with its descriptor (O_PATH, borrowed) and whether the guest's changes go to it, until it
 * does not return 0; what it returned last. Before the first task runs.
 */
int vfs_each_host_tree(struct kernel *k, int (*f)(void *arg, int fd, bool writable), void *arg);

/*
 * Without --root: puts the host's regular file `host_path` (opened now, read-only, O_CLOEXEC) at
 * `guest_path` in the in-memory root, read-only, with its host mode; makes the directories above.
 * Negative errno: ENOENT, EACCES, EISDIR, ENOTDIR, ...
 */
int vfs_place_file(struct kernel *k, const char *host_path, const char *guest_path);

/*
 * Adds a character device to /dev. read and write move bytes from or to host memory, never block,
 * may be called from any thread at once, and return the bytes moved (0: end of file) or a negative
 * errno; NULL: EINVAL. 0, -ENOMEM, -EEXIST.
 */
int vfs_add_chardev(struct kernel *k, const char *name, unsigned major, unsigned minor,
		    uint32_t mode, ssize_t (*read)(void *buf, size_t len),
		    ssize_t (*write)(const void *buf, size_t len));

/* A descriptor of p has left its table: the record locks that p holds on that inode go with it,
 * whatever other descriptors there are; then f is closed. f may be NULL. */
void descriptor_gone(struct process *p, struct file *f);
/* The same for close(2), which wants to know what the file system says: a job to wait for, as
 * writeback_flush(); NULL: nothing. */
struct job *descriptor_closed(struct process *p, struct file *f);
/* Before p's descriptor table is put at exit: drops p's record locks (fcntl F_SETLK), and has
 * files flushed that are nobody else's. Owner of p's last task; no lock held. */
void vfs_process_exit(struct process *p);

/* A file for the host's descriptor 0, 1 or 2 (borrowed; reactor-watched; never made non-blocking;
 * polled before a read or write). A closed one: NULL and -EBADF. */
int vfs_stdio_open(struct kernel *k, int host_fd, struct file **out);

/* CLONE_FS state: root and working directory "/", umask 022. NULL: no memory. */
struct fs_context *fs_context_create(struct kernel *k);
struct fs_context *fs_context_get(struct fs_context *fs);
struct fs_context *fs_context_clone(struct fs_context *fs);
void fs_context_put(struct fs_context *fs);
/* chdir(2) with t's rights: 0, -ENOENT, -ENOTDIR, -EACCES, -ELOOP, -ENAMETOOLONG. Owner only. */
int vfs_chdir(struct task *t, const char *path);
unsigned fs_context_refs(const struct fs_context *fs);

/*
 * Opens a regular file to execute it: execute permission is checked. -ETXTBSY: it is open to write.
 * dirfd and at_flags (AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW) as execveat(2). 0 and *out (one
 * reference); -ENOENT, -ENOTDIR, -ELOOP, -EACCES, -ENAMETOOLONG, -EBADF, -EISDIR->EACCES ...
 */
int vfs_open_exec(struct task *t, int dirfd, const char *path, unsigned at_flags,
		  struct file **out);
/* Reads into host memory at pos, whatever the file's position. Bytes, or a negative errno. */
ssize_t vfs_pread(struct file *f, void *buf, size_t len, uint64_t pos);
/* The page cache of a regular file, with a reference. NULL: not mappable, or *err: -ENOMEM, ... */
struct memobj *vfs_file_memobj(struct file *f, int *err);
/* The absolute guest path of an open file, as /proc/self/fd shows it. Length or -ENAMETOOLONG. */
ssize_t vfs_file_path(struct file *f, char *buf, size_t size);
/* st_mode & 07777 bits, owner: for set-id bits (which vmbox ignores, as with no_new_privs) and
 * checks. */
void vfs_file_owner(struct file *f, uint32_t *mode, uint32_t *uid, uint32_t *gid);

/*
 * p->exe: keeps the path that /proc/PID/exe names, and the file from being opened to write. 0;
 * -ETXTBSY (somebody has), -ENOMEM.
 */
int exe_create(struct file *f, struct path **out);
/* One more of the same. NULL: no memory. */
struct path *exe_dup(const struct path *p);
void exe_free(struct path *p); /* may be NULL; no lock held */

#endif
