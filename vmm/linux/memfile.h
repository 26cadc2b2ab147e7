/*
 * The data of regular files that the VMM keeps in the guest's memory: files of ramfs, memfds, and
 * files of the host that an overlay has made its own.
 *
 * The pages are those of a memobj, made at the first write or mapping, so that they can be mapped
 * and come out of the guest's own memory. With a `lower` file (fs_host.h) pages that nobody touched
 * are still the host's: they are read when they are needed. inode->data_lock protects a memfile; a
 * long transfer lets go of it now and then, so one write is whole to other calls up to
 * MEMFILE_HOLD.
 */
#ifndef VMBOX_LINUX_MEMFILE_H
#define VMBOX_LINUX_MEMFILE_H

#include "vfs.h"

struct inode;
struct vfs_attr;
struct hostfd;
struct host_pace;

#define MEMFILE_HOLD (1UL << 20) /* bytes moved at a time under inode->data_lock */

struct memfile {
	/* Written under inode->data_lock, read with or without it: once set they stay. */
	struct memobj *_Atomic obj;   /* a reference; NULL: no data yet */
	struct hostfd *_Atomic lower; /* gives the pages that are missing; the memobj keeps it */
	/* protected by inode->data_lock: */
	uint64_t counted; /* of its pages, in the super's count */
};

/* ---- i->data_lock held ---- */

/* The object, made if there is none; NULL: no memory. Borrowed. */
struct memobj *memfile_obj(struct inode *i);
/* -EFBIG, -ENOSPC. */
int memfile_resize(struct inode *i, int64_t size);
/* As inode_ops' fallocate, with the times. */
int memfile_fallocate(struct inode *i, int mode, int64_t off, int64_t len);

/* ---- no lock held, or data_lock ---- */

int64_t memfile_size(struct inode *i);
/* size and blocks */
void memfile_getattr(struct inode *i, struct vfs_attr *a);

/* Whom it may keep waiting that somebody uses i's data: who gives the pages that are not here yet.
 * NULL: nobody. */
struct host_pace *memfile_pace(struct inode *i);

/* ---- no lock held ---- */

/* For the inode's end. */
void memfile_fini(struct inode *i);

/* ---- no lock held: as vfs_file_ops, and all of them; -EHOSTWAIT (away.h) with nothing moved ----
 */

ssize_t memfile_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
		     struct call *c);
ssize_t memfile_write(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
		      struct call *c);
int64_t memfile_lseek(struct file *f, int64_t off, int whence);
struct memobj *memfile_mmap(struct file *f, int *err);
int memfile_fsync(struct file *f);
extern const struct vfs_file_ops memfile_ops;

#endif
