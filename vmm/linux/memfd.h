/*
 * Seals of files in memory: memfd_create(2), F_ADD_SEALS.
 *
 * Owns nothing; inode->lock protects inode->seals.
 */
#ifndef VMBOX_LINUX_MEMFD_H
#define VMBOX_LINUX_MEMFD_H

#include "vfs_inode.h"

#define F_SEAL_EXEC_K 0x20 /* F_SEAL_EXEC, which older headers lack */

/* F_ADD_SEALS: 0, -EPERM, -EINVAL: f cannot have any, -EBUSY. */
long fcntl_add_seals(struct file *f, unsigned seals);
/* F_GET_SEALS: the seals, -EINVAL. */
long fcntl_get_seals(struct file *f);
/*
 * A shared mapping of f, writable or not: 0 or -EPERM. *nowrite: it may never become writable.
 */
int seals_allow_map(struct file *f, bool writable, bool *nowrite);

#endif
