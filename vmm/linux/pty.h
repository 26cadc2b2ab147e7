/*
 * Pseudo-terminals: pairs of a master (/dev/ptmx) and a slave (/dev/pts/N) with a line discipline
 * between them, and the file system of the slaves. pty(7), pts(4).
 *
 * pty->lock protects a pair; it lies below tree_lock and above the wait queues'. vfs->lock protects
 * which numbers are taken and the names in /dev/pts. The last file of the master hangs up: the name
 * goes at once, the number when the last file of the slave is gone, too, the rest with the last
 * reference (files, inodes, processes whose controlling terminal it is).
 */
#ifndef VMBOX_LINUX_PTY_H
#define VMBOX_LINUX_PTY_H

#include "../core/async.h"
#include "n_tty.h"
#include "vfs_inode.h"

#include <sys/ioctl.h>

#define PTS_MAJOR      136 /* and the seven after it on Linux, which then has more than 256 each */
#define PTS_MAX        4096
#define PTY_OUT_SIZE   16384 /* towards the master */
#define PTY_OUT_KEEP   4095  /* of it: what Linux's master has taken out of reach of a flush */
#define PTY_IN_SIZE    8192  /* towards the slave, before the line discipline */
#define PTY_READ_CHUNK 4096

struct pty {
	struct tty tty; /* the slave's; first */
	/* immutable after pty_create: */
	unsigned index;
	pthread_mutex_t lock;
	/* protected by lock: */
	struct n_tty n;
	struct tty_ring in, out;
	struct winsize size;
	bool locked;         /* TIOCSPTLCK */
	bool hung_up;        /* the master is gone */
	bool was_open;       /* the slave, once */
	bool packet;         /* TIOCPKT */
	bool master_stopped; /* TCXONC on the master */
	bool master_short,
		slave_short; /* a write found too little room: who is told when there is */
	uint8_t status;      /* TIOCPKT_*, for the next read in packet mode */
	unsigned slaves;     /* files of the slave */
	struct {
		uint32_t in_tail, out_head, out_tail, head, canon;
		bool stopped;
	} seen; /* at pty_lock, to know who is to be woken */
	/* have their own locks: who waits at which end */
	struct waitq master_read, master_write, slave_read, slave_write;
	struct async_list master_async, slave_async;
	/* protected by vfs->lock: */
	struct dentry *name; /* in /dev/pts, a reference; NULL: gone */
	uint8_t in_buf[PTY_IN_SIZE], out_buf[PTY_OUT_SIZE];
};

/* The file system at /dev/pts: vfs->pts. */
struct pts_fs {
	struct super sb; /* first */
	/* immutable after pts_create: */
	unsigned max; /* pairs */
	/* protected by vfs->lock: */
	struct mount *mnt;
	struct dentry *root;
	uint64_t used[PTS_MAX / 64];
	unsigned count;
};

/* ---- pty.c ---- */

/* A pair with one reference, its slave locked, not in /dev/pts yet. NULL: no memory. */
struct pty *pty_create(struct kernel *k);
void pty_lock(struct pty *p);
/* Unlocks, wakes who waits for what has changed since pty_lock, and sends the signals of keys. */
void pty_unlock(struct pty *p);
/* f becomes the master's, and takes over a reference; or another file of the slave's, if it may be
 * opened: -EIO. */
void pty_attach_master(struct pty *p, struct vfs_file *f);
int pty_attach_slave(struct pty *p, struct vfs_file *f);
/* NULL: it is not a master's. */
struct pty *pty_of_master(const struct file *f);
/* The slave's driver. */
extern const struct tty_driver pty_driver;

/* ---- pty_ioctl.c ---- */

long pty_master_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg);
long pty_slave_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg);
int pty_get_attr(struct tty *tty, struct file *f, struct tty_attr *a);
int pty_set_attr(struct tty *tty, struct file *f, const struct tty_attr *a, bool speeds,
		 bool flush);
int pty_get_size(struct tty *tty, struct file *f, struct winsize *ws);
int pty_set_size(struct tty *tty, struct file *f, const struct winsize *ws);
int pty_flush(struct tty *tty, struct file *f, int queue);
int pty_flow(struct tty *tty, struct file *f, int action);
int pty_count(struct tty *tty, struct file *f, unsigned cmd);
int pty_type(struct tty *tty, struct file *f, uint8_t c);
/* Typed bytes go on to the line discipline, as far as it has room. lock held. */
void pty_pump_locked(struct pty *p);

/* ---- fs_pts.c ---- */

/* [V] A new one; its root directory in *root with a reference. */
int pts_create(struct vfs *v, struct super **out, struct dentry **root);
/* [V] It has been mounted. */
void pts_mounted(struct vfs *v);
/* Opens the master of a new pair on f. -ENOSPC: too many; -ENOMEM. */
int pts_open_master(struct vfs_file *f, struct task *t);
/* [no lock] The name goes, its number does not. */
void pts_remove(struct pty *p);
/* [no lock] The pair's last file is gone. */
void pts_free_index(struct vfs *v, unsigned index);
/* The slave opened by t with flags O_*: a file; -EIO, .... */
int pts_open_peer(struct pty *p, struct task *t, unsigned flags, struct file **out);
/* Number 0 is the host's terminal, with the host's owner and mode. */
int pts_add_host(struct vfs *v, struct tty *tty, const struct stat *st);
/* A file on the name of the host's terminal without the driver's open: the caller makes it one. */
int pts_open_host(struct vfs *v, unsigned flags, struct vfs_file **out);
/* [V] What the file system has, at the end. */
void pts_shutdown(struct vfs *v);
unsigned pts_count(struct vfs *v);

/* fs_tty.c: the host's terminal, from the attributes of its node; there may be one already.
 * -ENOMEM.
 */
int host_tty_create(struct kernel *k, const struct stat *st);

#endif
