/*
 * Wait queues: who waits for an object to change, and how it is told.
 *
 * A waitq is embedded in the object it belongs to. waitq->lock protects the
 * list and every queued waiter's fields. A waiter belongs to one sched_task
 * and is queued on at most one waitq. Lock order: object lock > waitq->lock >
 * sched lock. Wake after the object's own lock is released.
 *
 * No wake is lost: a task queues its waiter, then looks at the condition (or
 * does both under the object's lock); a waker changes the condition, then
 * wakes. A wake that finds the task still running sets its `woken`, and
 * sched_block() then refuses to block it.
 */
#ifndef VMBOX_CORE_WAITQ_H
#define VMBOX_CORE_WAITQ_H

#include "core.h"

struct sched_task;

struct waiter {
	struct waitq *wq; /* NULL: not queued. Changed under wq->lock; read by the owner. */
	struct sched_task *task;
	TAILQ_ENTRY(waiter) link;
	LIST_ENTRY(waiter) own; /* in task->waiters; the owner's */
	uint64_t key; /* what the owner waits for; wakers by key compare it */
	bool exclusive; /* a wake of one stops behind this one */
};

struct waitq {
	pthread_mutex_t lock;
	TAILQ_HEAD(, waiter) list;
};

void waitq_init(struct waitq *wq);
/* No waiter may be queued. */
void waitq_destroy(struct waitq *wq);

/*
 * Queues task (once more) on wq; FIFO. The waiter comes from the task's own
 * pool. exclusive: see waitq_wake. 0, or -ENOMEM.
 * Caller: the thread that runs the task's handler.
 */
int waitq_add(struct waitq *wq, struct sched_task *task, bool exclusive);

/*
 * Wakes every non-exclusive waiter and up to n exclusive ones, in order
 * (n < 0: all). Woken waiters leave the queue. Returns how many were woken.
 */
int waitq_wake(struct waitq *wq, int n);
static inline int waitq_wake_all(struct waitq *wq)
{
	return waitq_wake(wq, -1);
}

bool waitq_empty(struct waitq *wq);

/* Takes all of the task's waiters off their queues and frees them. Same caller as waitq_add. */
void waitq_remove_all(struct sched_task *task);

#endif
