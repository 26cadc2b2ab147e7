/*
 * Pipes: a byte queue with reader and writer counts.
 *
 * pipe->lock protects the ring; a transfer's copy runs under it (it may take
 * an mm's lock, which is below). The counts are of descriptor references: the
 * ends' on_dup and on_close keep them. They are atomic (a count goes up under fdtable->lock, which
 * must not wait for a copy); their fall to zero passes through pipe->lock. Last writer gone: end of
 * file. Last reader gone: EPIPE. The pipe is freed when both are gone.
 *
 * Blocked readers and writers wait exclusively: one is woken at a time, and hands on what it
 * leaves.
 *
 * All pipes together have a soft budget of buffer pages. Over it a pipe takes as much as keeps
 * PIPE_ATOMIC whole and everybody moving: any write while it holds less than PIPE_ATOMIC bytes,
 * none while it holds more. Then there is something to read in it, and its reader, or the end of
 * the shortage, wakes the writer.
 */
#ifndef VMBOX_CORE_PIPE_H
#define VMBOX_CORE_PIPE_H

#include "async.h"
#include "core.h"
#include "waitq.h"

#define PIPE_ATOMIC       4096 /* PIPE_BUF: writes up to here are never torn */
#define PIPE_DEFAULT_SIZE 65536
#define PIPE_MAX_SIZE     1048576 /* fs.pipe-max-size */
#define PIPE_BUDGET_PAGES 16384   /* of 4096 bytes; fs.pipe-user-pages-soft */

struct pipe;

/* One reader and one writer reference. NULL: no memory. Pages come as bytes are written. */
struct pipe *pipe_create(void);

/*
 * Keeps the memory, and says nothing about readers and writers: who has one may still poll a pipe
 * whose ends are gone.
 */
void pipe_get(struct pipe *p);
void pipe_put(struct pipe *p);

/* The caller has a reference of that kind. */
void pipe_reader_get(struct pipe *p);
void pipe_reader_put(struct pipe *p);
void pipe_writer_get(struct pipe *p);
void pipe_writer_put(struct pipe *p);

/*
 * Moves up to x->left bytes out of the pipe (pipe(7), read(2)). Bytes; 0: end of file, or x->left
 * was 0; -EAGAIN: empty and task is NULL; -EFAULT; -EBLOCKED: empty, and the task is queued. task
 * NULL: do not block (O_NONBLOCK, or interrupted).
 */
ssize_t pipe_read(struct pipe *p, struct xfer *x, struct sched_task *task);

/*
 * Moves bytes in (pipe(7), write(2)). At most PIPE_ATOMIC bytes: all or none (total = x->left at
 * the call's first run). Bytes moved in this run, fewer than x->left was only if task is NULL or
 * the source cannot be read; 0: x->left was 0; -EPIPE: no reader; -EAGAIN: no room and task is
 * NULL; -EFAULT; -ENOMEM; -EBLOCKED: what is left needs room and the task is queued. A run may both
 * move bytes and block: it then returns -EBLOCKED, and x->left tells the progress, which the caller
 * keeps. Errors mean that nothing was moved in this run: a caller with progress of earlier runs
 * returns that (and still raises SIGPIPE at -EPIPE).
 */
ssize_t pipe_write(struct pipe *p, struct xfer *x, size_t total, struct sched_task *task);

/*
 * POLLIN|POLLHUP for the reader, POLLOUT|POLLERR for the writer (room for PIPE_ATOMIC bytes). task,
 * if not NULL, is queued first; if there is no memory for that, it is woken instead, and so looks
 * again.
 */
unsigned pipe_poll(struct pipe *p, bool writer, struct sched_task *task);

/*
 * The queues that are woken when pipe_poll's answer for that end changes, which live as long as the
 * pipe; how many. A watch on them polls (without a task) after it was added, and after it was told.
 */
unsigned pipe_queues(struct pipe *p, bool writer, struct waitq *wq[2]);

/* Who is told of an end's events; lives as long as the pipe. */
struct async_list *pipe_async(struct pipe *p, bool writer);

/* Copies up to len bytes from the front, which stay: tee(2). How many. */
size_t pipe_peek(struct pipe *p, void *buf, size_t len);
/* Puts bytes that a reader took back to the front; its size gives way if writers have filled it. */
void pipe_unread(struct pipe *p, const void *buf, size_t len);

/* Bytes in it: FIONREAD. */
size_t pipe_bytes(struct pipe *p);
size_t pipe_size(struct pipe *p);
/*
 * F_SETPIPE_SZ: rounds up to a power of two of pages, at least one. The size; -EBUSY: more bytes
 * are in it; -EPERM: over PIPE_MAX_SIZE; -EINVAL: over 2 GiB; -ENOMEM.
 */
ssize_t pipe_set_size(struct pipe *p, size_t size);

/* The budget of all pipes of this VMM, in pages of 4096 bytes. From any thread; no writer need
 * notice a change at once. */
void pipe_set_budget(size_t pages);
/* Buffer pages that all pipes hold now. */
size_t pipe_budget_used(void);

#endif
