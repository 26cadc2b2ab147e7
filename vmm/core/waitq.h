/*
 * Wait queues: who waits for an object to change, and how it is told.
 *
 * A waitq is embedded in the object it belongs to. waitq->lock protects the
 * lists and every queued waiter's fields. A waiter belongs to one sched_task
 * and is queued on at most one waitq. Lock order: object lock > waitq->lock >
 * task->wait_lock > sched lock. Wake after the object's own lock is released.
 *
 * No wake is lost: a task queues its waiter, then looks at the condition (or
 * does both under the object's lock); a waker changes the condition, then
 * wakes. A wake that finds the task still running sets its `woken`, and
 * sched_block() then refuses to block it.
 *
 * An exclusive wake is a baton: who got it must look at the object, and hand
 * the rest on. Until its handler runs again (sched_prepare) the waiter stays on
 * wq->woken; if its call or the task ends before that, the baton goes to the next.
 *
 * Besides tasks, which wait once, there are watches, which stay: a watch's notify is called at
 * every wake of the queue. It runs under wq->lock and may take only locks below that, which include
 * the lock of another waitq: so watches may lead from queue to queue, but never in a circle, and
 * their makers see to that.
 */
#ifndef VMBOX_CORE_WAITQ_H
#define VMBOX_CORE_WAITQ_H

#include "core.h"

struct sched_task;

struct waiter {
	/*
	 * NULL: not queued. Changed under wq->lock and task->wait_lock, so that the owner,
	 * who holds the latter, knows that what it points to still exists.
	 */
	struct waitq *wq;
	struct sched_task *task;
	TAILQ_ENTRY(waiter) link;
	LIST_ENTRY(waiter) own; /* in task->waiters; the owner's */
	uint64_t key;           /* what the owner waits for; wakers by key compare it */
	bool exclusive;         /* a wake of one stops behind this one */
	bool woken;             /* on wq->woken */
};

TAILQ_HEAD(waiter_list, waiter);

/*
 * A lasting interest in a queue. The memory is the owner's, who zeroes it at first and frees it
 * only after waitq_watch_remove().
 */
struct waitq_watch {
	/* immutable while it is queued: */
	/*
	 * Called with wq->lock held at each wake. True: somebody takes care of it, and no other
	 * exclusive watch need be told.
	 */
	bool (*notify)(struct waitq_watch *w);
	bool exclusive; /* a wake stops at the first exclusive watch whose notify says true */
	/*
	 * Protects wq, as task->wait_lock does for waiters: changed with both locks held, so that
	 * the owner knows whether the queue still exists.
	 */
	pthread_mutex_t lock;
	struct waitq *wq; /* NULL: not queued, or the queue is gone */
	TAILQ_ENTRY(waitq_watch) link;
};

TAILQ_HEAD(waitq_watch_list, waitq_watch);

struct waitq {
	pthread_mutex_t lock;
	/* protected by lock: */
	struct waiter_list list; /* not exclusive */
	struct waiter_list exclusive;
	struct waiter_list woken; /* exclusive ones that were woken and have not run yet */
	struct waitq_watch_list watches;
};

void waitq_init(struct waitq *wq);
/*
 * Nobody can reach wq any more but tasks that are still queued (whose call ended
 * before their next sched_prepare), and watches: these are woken or told, and taken off. Their own
 * leaving may race with this.
 */
void waitq_destroy(struct waitq *wq);

/*
 * Queues task (once more) on wq; FIFO. The waiter comes from the task's own
 * pool. exclusive: see waitq_wake. 0, or -ENOMEM (never for the first
 * SCHED_INLINE_WAITERS). Caller: the thread that runs the task's handler.
 */
int waitq_add(struct waitq *wq, struct sched_task *task, bool exclusive);

/*
 * Wakes every non-exclusive waiter and up to n exclusive ones, each kind in order
 * (n < 0: all). Woken waiters leave the queue; watches are told and stay. Returns how many waiters
 * were woken.
 */
int waitq_wake(struct waitq *wq, int n);
static inline int waitq_wake_all(struct waitq *wq)
{
	return waitq_wake(wq, -1);
}

/*
 * Wakes every non-exclusive waiter, and one exclusive one unless an earlier one that was woken
 * has not run yet: that one will look at the object anyway, and hand on what it leaves.
 * Returns how many were woken.
 */
int waitq_hand(struct waitq *wq);

/*
 * waitq_hand for a task that leaves something for the next: nothing new has happened, so watches
 * are not told.
 */
int waitq_hand_on(struct waitq *wq);

/*
 * Queues w, initialised by this, on wq. Look at the object afterwards: what happened before is not
 * told. Caller: holds no lock of a waitq; wq exists until it returns.
 */
void waitq_watch_add(struct waitq *wq, struct waitq_watch *w, bool (*notify)(struct waitq_watch *w),
		     bool exclusive);
/*
 * When it returns notify is not running and will not run. w may never have been added, or its queue
 * may be gone. The caller may hold no lock that notify takes, and no waitq's.
 */
void waitq_watch_remove(struct waitq_watch *w);

/* Nobody waits to be woken. */
bool waitq_empty(struct waitq *wq);
/* Somebody waits exclusively, and was not woken. */
bool waitq_has_exclusive(struct waitq *wq);

/*
 * The call is over: takes all of the task's waiters off their queues and frees them. An
 * exclusive wake that the task had and did not use goes to the next in that queue. Same
 * caller as waitq_add.
 */
void waitq_remove_all(struct sched_task *task);

/*
 * The same for a task whose handler runs next, and uses the wakes that it had (sched_prepare).
 */
void waitq_collect_all(struct sched_task *task);

#endif
