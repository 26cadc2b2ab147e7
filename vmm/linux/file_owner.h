/*
 * Who is told of what happens to an open file, by a signal: fcntl(2)'s O_ASYNC, F_SETOWN, F_SETSIG,
 * and SIGURG for urgent bytes. SIGIO comes from pipes, sockets, terminals, inotify and what vmbox
 * inherited: the files with an `async` operation.
 *
 * A file that somebody asked about has a file_owner, made once; vfs_file->owner points to it.
 * The file has a reference, and so has each event that was noted but not sent yet (core/async.h):
 * it may be sent after the file is gone. owner->lock protects its fields, and whether it is in the
 * lists of its file's object; it lies below tree_lock, and above the lists' locks and the
 * registry's. Signals are sent without it.
 *
 * Whom it names is a number of a task, process or group, which the registry keeps from being given
 * out again meanwhile; whoever bears it when an event is sent gets the signal, if the ids of who
 * set the owner would have allowed that: Linux's sigio_perm().
 */
#ifndef VMBOX_LINUX_FILE_OWNER_H
#define VMBOX_LINUX_FILE_OWNER_H

#include <stdbool.h>
#include <stdint.h>

struct file;
struct file_owner;
struct task;

/*
 * F_GETOWN, F_SETOWN, F_GETOWN_EX, F_SETOWN_EX, F_GETSIG, F_SETSIG of f: their results. -EINVAL:
 * another command, or a bad argument; -ESRCH: no such owner; -EFAULT; -ENOMEM.
 */
long file_owner_fcntl(struct task *t, struct file *f, int cmd, uint64_t arg);
/*
 * Sets O_ASYNC of f, which has an `async` operation: its owner is told of what happens from now on,
 * under the number fd if that is the change. 0; -ENOMEM.
 */
int file_owner_async(struct task *t, struct file *f, int fd, bool on);

#endif
