/*
 * Reading the host's regular files without keeping a vCPU from its other guests.
 *
 * What lies in the host's page cache is read inline; what a disk or a network has to be waited for
 * goes to the worker pool, and the task blocks. A hostfd is shared by its inode, its page cache and
 * the jobs that read from it: each has a reference.
 */
#ifndef VMBOX_LINUX_FS_HOSTIO_H
#define VMBOX_LINUX_FS_HOSTIO_H

#include "fs_host.h"

#include <sys/uio.h>

/* preadv2(2); tests put a slow disk in its place. */
extern ssize_t (*host_preadv2)(int fd, const struct iovec *iov, int n, off_t pos, int flags);

/*
 * Bytes read, 0 at the end of the file, or a negative errno. Without may_wait: as many as are
 * there, which may be fewer than the file has; -EAGAIN: none.
 */
ssize_t hostfd_preadv(struct hostfd *hf, const struct iovec *iov, unsigned n, uint64_t pos,
		      bool may_wait);

/*
 * A file operation's read of up to len bytes at pos into buf, without waiting on this thread: if it
 * would wait, a job is made and task queued for its end: -EBLOCKED, and the same read comes again
 * when the task wakes; where much is read like that at a time, in pieces of a page. Results as
 * read(2). Without task or call (the VMM reads): -EAGAIN. Without a pool, or on a worker that has
 * the call (away.h): waits. -EINTR: the task must die.
 */
ssize_t hostfd_read(struct hostfd *hf, void *buf, size_t len, int64_t pos, struct sched_task *task,
		    struct call *c);

/* The same, however long it takes. */
ssize_t hostfd_wait(struct hostfd *hf, void *buf, size_t len, int64_t pos);

/* memobj_ops.fill and warm for an owner that is a hostfd. */
int hostfd_fill(void *owner, uint64_t pgoff, unsigned n, void *const pages[], bool may_wait);
void hostfd_warm(void *owner, uint64_t pgoff, unsigned n);

#endif
