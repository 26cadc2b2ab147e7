/*
 * inotify: who is told what happens to files. inotify(7).
 *
 * Marks hang on inodes, which they keep; vfs->notify_lock protects all of them and the queues of
 * all instances. It is taken under vfs->lock, and a queue's waiters are woken under it. What the
 * host does to its files is not told. As long as nobody watches anything, telling costs one load.
 */
#ifndef VMBOX_LINUX_NOTIFY_H
#define VMBOX_LINUX_NOTIFY_H

#include "vfs_inode.h"

#include <sys/inotify.h>

/* [no lock] IN_* happened to d's inode: its marks are told, and by name those of its directory. */
void notify(struct dentry *d, uint32_t mask);
/* [V] The same. */
void notify_locked(struct dentry *d, uint32_t mask);
/* [V] IN_CREATE, IN_DELETE or IN_MOVED_* of a name in dir; i is what it names. */
void notify_name(struct dentry *dir, const char *name, struct inode *i, uint32_t mask,
		 uint32_t cookie);
/* [V] i itself: IN_ATTRIB, IN_MOVE_SELF. */
void notify_inode(struct inode *i, uint32_t mask);
/* [V] d, which has been deleted, is about to be or just as well gone: IN_DELETE_SELF if it was the
 * last name, and the marks end. */
void notify_gone(struct dentry *d);
/* Ties an IN_MOVED_FROM to its IN_MOVED_TO. */
uint32_t notify_cookie(struct vfs *v);

static inline bool notify_wanted(const struct vfs *v)
{
	return atomic_load_explicit(&v->nmarks, memory_order_relaxed);
}

/* [no lock] What a call did to an open file; mask 0: nothing. */
static inline void notify_file(struct file *f, uint32_t mask)
{
	struct vfs_file *vf = vfs_file(f);

	if (notify_wanted(vf->k->vfs) && mask)
		notify(vf->path.d, mask);
}

#endif
