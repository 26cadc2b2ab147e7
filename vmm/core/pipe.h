/*
 * Pipes: a byte queue with reader and writer counts.
 *
 * pipe->lock protects the ring and both counts; a transfer's copy runs under it (it may take
 * an mm's lock, which is below). The counts are of descriptor references: the
 * ends' on_dup and on_close keep them. Last writer gone: end of file. Last
 * reader gone: EPIPE. The pipe is freed when both are gone.
 */
#ifndef VMBOX_CORE_PIPE_H
#define VMBOX_CORE_PIPE_H

#include "core.h"
#include "waitq.h"

#define PIPE_ATOMIC	  4096 /* PIPE_BUF: writes up to here are never torn */
#define PIPE_DEFAULT_SIZE 65536
#define PIPE_MAX_SIZE	  1048576 /* fs.pipe-max-size */

struct pipe;

/* One reader and one writer reference. NULL: no memory. Pages come as bytes are written. */
struct pipe *pipe_create(void);

void pipe_reader_get(struct pipe *p);
void pipe_reader_put(struct pipe *p);
void pipe_writer_get(struct pipe *p);
void pipe_writer_put(struct pipe *p);

/*
 * Moves up to x->left bytes out of the pipe. Bytes; 0: end of file, or x->left was 0; -EAGAIN: empty
 * and task is NULL; -EFAULT; -EBLOCKED: empty, and the task is queued. task NULL: do not block (O_NONBLOCK, or
 * interrupted).
 */
ssize_t pipe_read(struct pipe *p, struct xfer *x, struct sched_task *task);

/*
 * Moves bytes in. At most PIPE_ATOMIC bytes: all or none (total = x->left at the call's first run). Bytes moved in
 * this run; -EPIPE: no reader; -EAGAIN: no room and task is NULL; -EFAULT; -ENOMEM; -EBLOCKED: what
 * is left needs room and the task is queued. A run may both move bytes and block: it then returns -EBLOCKED, and x->left
 * tells the progress, which the caller keeps.
 */
ssize_t pipe_write(struct pipe *p, struct xfer *x, size_t total, struct sched_task *task);

/* POLLIN|POLLHUP for the reader, POLLOUT|POLLERR for the writer. task, if not NULL, is queued first. */
unsigned pipe_poll(struct pipe *p, bool writer, struct sched_task *task);

/* Bytes in it: FIONREAD. */
size_t pipe_bytes(struct pipe *p);
size_t pipe_size(struct pipe *p);
/* F_SETPIPE_SZ: rounds up to a power of two of pages. The size; -EBUSY: more bytes are in it; -EPERM: over PIPE_MAX_SIZE; -EINVAL: 0 or over 2 GiB; -ENOMEM. */
ssize_t pipe_set_size(struct pipe *p, size_t size);

#endif
