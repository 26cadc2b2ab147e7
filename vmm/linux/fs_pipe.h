/*
 * What pipes with and without a name share: fs_pipe.c, fs_fifo.c.
 *
 * Owns nothing; a file's priv is its struct pipe.
 */
#ifndef VMBOX_LINUX_FS_PIPE_H
#define VMBOX_LINUX_FS_PIPE_H

#include "vfs_inode.h"

#include "../core/pipe.h"

#include <fcntl.h>

ssize_t pipe_file_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
		       struct call *c);
ssize_t pipe_file_write(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			struct call *c);
unsigned pipe_file_poll(struct file *f, struct sched_task *task);
unsigned pipe_file_queues(struct file *f, unsigned events, struct waitq *wq[POLL_QUEUES]);
void pipe_file_async(struct file *f, struct async_place *at);
long pipe_file_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg);

extern const struct vfs_file_ops fifo_file_ops;

#endif
