/*
 * The end of a thread, for those who watch it: pidfds of threads, and a clone with CLONE_VFORK.
 *
 * A thread_end outlives its task. task->end is the task's reference, changed with tree_lock held;
 * most tasks have none, because nobody asks.
 */
#ifndef VMBOX_LINUX_THREAD_END_H
#define VMBOX_LINUX_THREAD_END_H

#include "../core/waitq.h"

struct task;

struct thread_end {
	_Atomic unsigned refs;
	/* immutable: */
	uint32_t tid;
	/* set once: the task has ended, or in an execve lost its id */
	_Atomic bool done;
	struct waitq wq; /* ... then this is woken */
};

/* With one reference. NULL: no memory. */
struct thread_end *thread_end_create(uint32_t tid);
struct thread_end *thread_end_get(struct thread_end *e);
/* e may be NULL. */
void thread_end_put(struct thread_end *e);
/*
 * t's, with a reference; makes it t's if t has none yet, from *spare (then NULL). tree_lock held,
 * or t not yet in its process's list.
 */
struct thread_end *thread_end_of_locked(struct task *t, struct thread_end **spare);
/* t's, which t no longer has; to be handed to thread_end_signal. tree_lock held. May be NULL. */
struct thread_end *thread_end_take_locked(struct task *t);
/* It is over: wakes, and drops the reference. No lock held. e may be NULL. */
void thread_end_signal(struct thread_end *e);

#endif
