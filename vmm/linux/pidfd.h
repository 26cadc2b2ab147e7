/*
 * pidfds: descriptors that refer to a process.
 *
 * A pidfd holds a reference to the process, which outlives its PID. It is readable once the process
 * has ended, and hung up once that has been waited for: process->exit_wait tells.
 */
#ifndef VMBOX_LINUX_PIDFD_H
#define VMBOX_LINUX_PIDFD_H

#include "kernel.h"

/*
 * A new pidfd of p; flags: O_NONBLOCK or 0. Takes a reference to p. 0 and *out; -ENFILE, -ENOMEM.
 * No lock held.
 */
int pidfd_file(struct process *p, unsigned flags, struct file **out);
/* The process of f, borrowed from f; NULL: f is NULL or no pidfd. */
struct process *pidfd_process(const struct file *f);

#endif
