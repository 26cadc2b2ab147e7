/*
 * What the files of a written-through tree share: names and attributes (fs_bind.c), data
 * (fs_bindfile.c).
 *
 * Owns nothing; locks as fs_host.h says.
 */
#ifndef VMBOX_LINUX_FS_BIND_H
#define VMBOX_LINUX_FS_BIND_H

#include "fs_host.h"

/* [no lock] Sets the size of h's file on the host and in its page cache. */
int bind_truncate(struct host_inode *h, int64_t size);
/* As inode_ops' fallocate. */
int bind_fallocate(struct inode *i, int mode, int64_t off, int64_t len);

/* As inode_ops' write_back and has_changes. */
int bind_write_back_file(struct inode *i);
bool bind_has_changes(struct inode *i);
int bind_flush(struct inode *i);

#endif
