/*
 * pidfds: descriptors that refer to a process.
 *
 * A pidfd holds a reference to the process, which outlives its PID. It is readable once the process
 * has ended, and hung up once that has been waited for: process->exit_wait tells. One of a thread
 * (PIDFD_THREAD) is readable and hung up when that has ended: thread_end.h.
 */
#ifndef VMBOX_LINUX_PIDFD_H
#define VMBOX_LINUX_PIDFD_H

#include "kernel.h"

struct thread_end;
struct task;

/*
 * A new pidfd of p, or of its thread `end` if that is not NULL; flags: O_NONBLOCK or 0. Takes
 * references of its own. 0 and *out; -ENFILE, -ENOMEM. No lock held.
 */
int pidfd_file(struct process *p, struct thread_end *end, unsigned flags, struct file **out);
/* The process of f, borrowed from f; NULL: f is NULL or no pidfd. */
struct process *pidfd_process(const struct file *f);
/* PTRACE_MODE_ATTACH_REALCREDS of ptrace(2). No lock held. */
bool process_may_attach(struct task *t, struct process *p);
/* A pidfd of a process, or of the first thread of one: it can be waited for. */
bool pidfd_is_process(const struct file *f);

#endif
