/*
 * Writing back what mappings have changed in files of the host that nobody holds any more, and
 * flushing those that somebody who could write to them has closed.
 *
 * The last reference to such a file may go anywhere: in munmap, close, execve, with a message or
 * with a process; also with locks held. So who drops it never waits for the host: a worker writes,
 * and frees the file. The task that dropped it goes back to its program when that is done, unless
 * it must die first; a process is not seen to have ended before its files are written, unless the
 * host has not taken a page for WRITEBACK_EXIT_NS: then the worker is left to it. The guest does
 * not see the difference, because reads look at the pages first.
 *
 * Where closing a file may wait for a server (host_is_remote()) it is the same: a worker flushes
 * what has a descriptor less, the task waits for that, close(2) for the result. As on Linux a
 * process that exits is not seen to have ended before all its descriptors are flushed, however long
 * that takes; one that was killed no longer than above.
 *
 * Jobs are counted in kernel->writebacks. Of a process: process->lock protects writebacks, flushes,
 * end_waits, end_status, end_seen. task->writebacks is its owner's.
 */
#ifndef VMBOX_LINUX_WRITEBACK_H
#define VMBOX_LINUX_WRITEBACK_H

#include <stdbool.h>
#include <stdint.h>

struct file;
struct inode;
struct job;
struct kernel;
struct process;
struct task;

#define WRITEBACK_EXIT_NS 1000000000LL /* so long without a page written a process waits to end */

/*
 * f has no reference left, and its inode has pages to be written: true: a worker has f, and frees
 * it. False: nothing to write, or this thread may do so itself. From ops->release; any lock.
 */
bool writeback_release(struct file *f);
/* The same for an inode, of which the caller keeps its reference; false: nothing has happened. */
bool writeback_inode(struct kernel *k, struct inode *i);
/*
 * A descriptor of f has gone, f not yet: if its file system wants to know, a job, with a reference
 * for the caller, who waits for it and then asks writeback_flushed(), or only puts it. NULL:
 * nothing to wait for. Any lock.
 */
struct job *writeback_flush(struct file *f);
/* The same, and task_current waits for it before it is in its program again. */
void writeback_flush_later(struct file *f);
/* The job is done: 0, or what the host's close(2) said: -EIO, -EDQUOT, -EINTR, ... */
int writeback_flushed(struct job *j);
/* What inode_ops.write_back calls for each page that the host has taken. */
void writeback_moved(void);

/* Nothing is left that t would have to wait for, or it must die. False: t is queued. Owner, after
 * sched_prepare(). */
bool writeback_wait(struct task *t);
/* t waits for none any more. Owner. */
void writeback_forget(struct task *t);

/*
 * p has no task and no parts any more. True: its files are still being written; end(p, status) is
 * called after that, once, by any thread without a lock. False: it is the caller's to call.
 */
bool writeback_delays_end(struct process *p, int status,
			  void (*end)(struct process *p, int status));

/*
 * Has all that mappings have changed written. False: the host has not taken a page for ns; it is
 * still being asked to, so that kernel_stop() may not return. No lock held.
 */
bool kernel_write_back(struct kernel *k, int64_t ns);

#endif
