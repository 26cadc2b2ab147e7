/*
 * The scheduler: M tasks on N vCPUs.
 *
 * A task is plain data. It is NEW, then RUNNABLE (on a run queue), RUNNING (owned by
 * the thread that took it with sched_next), BLOCKED (owned by nobody), or DEAD.
 * sched->lock protects the queues and every sched_task's state. It is the last lock of
 * the order tree: nothing is taken under it, and the kick callback is called
 * without it.
 *
 * Each vCPU has a FIFO run queue. A woken task goes to the vCPU it ran on last
 * if that one is idle, else to an idle one, else to its last one's queue; an idle vCPU
 * steals from the longest other queue. A running task is kicked at the end of its
 * slice, and only when another task waits for that vCPU: the vCPU's slice timer is armed
 * only then. A vCPU thread without a task parks on its vCPU's condition variable.
 *
 * Another thread may stand in for a vCPU's, if the two agree on who it is at a time: it takes tasks
 * by sched_poll. What it wakes on the way (sched_near) and can take turns with the vCPU's task
 * waits in that vCPU's queue for a moment, because a task that wakes another often blocks next, and
 * to start another vCPU takes longer; sched_spread gives it to an idle vCPU when the moment is
 * over, and the end of a slice does. Whoever stands in may be late, and what is in the guest
 * without a task need not leave by itself: that, too, is kicked at the end of a slice.
 */
#ifndef VMBOX_CORE_SCHED_H
#define VMBOX_CORE_SCHED_H

#include "core.h"
#include "timer.h"
#include "waitq.h"

#define SCHED_INLINE_WAITERS 4
#define SCHED_SLICE_NS       (4 * 1000 * 1000)

struct sched;

enum sched_state { SCHED_NEW, SCHED_RUNNABLE, SCHED_RUNNING, SCHED_BLOCKED, SCHED_DEAD };

struct sched_task {
	/* immutable after init: */
	struct sched *sched;
	/* immutable once it is started; compared only: tasks that can take turns on a vCPU cheaply
	 * have the same; NULL: with none */
	const void *group;
	/* protected by sched->lock: */
	enum sched_state state;
	_Atomic int cpu;    /* runs there, ran last or is queued; or -1; read by anybody */
	_Atomic bool woken; /* a wake came since the handler began; set under the lock */
	bool movable;       /* on its queue's list of tasks that another vCPU may take */
	uint64_t cpu_mask;  /* allowed vCPUs */
	TAILQ_ENTRY(sched_task) run, move;
	int64_t run_started;       /* core_now() */
	_Atomic int64_t run_total; /* ns it has run; without the slice that is under way */
	_Atomic uint64_t nvcsw,
		nivcsw; /* it gave up its vCPU: to wait; because another was to run */
	/* the running thread only: */
	LIST_HEAD(, waiter) waiters;
	struct waiter pool[SCHED_INLINE_WAITERS];
	unsigned pool_used; /* bitmap */
	int64_t deadline;   /* what sched_deadline set; TIME_NEVER: none */
	struct timer deadline_timer;
	_Atomic bool timed_out; /* set by the timer; cleared by sched_deadline */
	/* protects waiter->wq of the task's waiters: */
	pthread_mutex_t wait_lock;
};

struct sched_stats {
	uint64_t switches; /* sched_next gave another task than the vCPU had before */
	uint64_t wakes, steals, preemptions;
};

/*
 * kick(arg, cpu): make vCPU `cpu` leave the guest soon; called from any thread, with no
 * lock held. timers is borrowed and outlives the scheduler. cpus: 1..64.
 * NULL if out of memory.
 */
struct sched *sched_create(unsigned cpus, struct timers *timers,
			   void (*kick)(void *arg, unsigned cpu), void *arg);
/* No thread may be in sched_next. */
void sched_destroy(struct sched *s);

void sched_task_init(struct sched_task *t, struct sched *s);
/* The task must be NEW or DEAD, and nobody may wake it any more; frees waiters, cancels the
 * deadline. */
void sched_task_fini(struct sched_task *t);

/* NEW -> RUNNABLE. From any thread. */
void sched_start(struct sched_task *t);

/*
 * The next task for vCPU `cpu`, now RUNNING and owned by the caller. Waits for
 * one if there is none and `wait`; NULL if there is none, or the scheduler stops.
 */
struct sched_task *sched_next(struct sched *s, unsigned cpu, bool wait);

/*
 * sched_next without waiting, by who stands in for the vCPU's thread. With NULL the vCPU counts as
 * idle, and sched_queued tells when to ask again, until its thread calls sched_next.
 */
struct sched_task *sched_poll(struct sched *s, unsigned cpu);
/* A task waits in the vCPU's queue. Takes no lock. */
bool sched_queued(const struct sched *s, unsigned cpu);
/*
 * RUNNING -> RUNNABLE at the head of its vCPU's queue: whoever stands in cannot go on with it, but
 * the vCPU's thread can. The caller no longer owns it.
 */
void sched_put_back(struct sched_task *t);
/* The calling thread works for this vCPU from now on: what it wakes may wait there, if it is of the
 * group of the vCPU's task, or anyone; -1: for none. */
void sched_near(int cpu, bool anyone);
/* What the calling thread wakes until this is called with 0 may wait there for so much longer. */
void sched_near_more(int64_t ns);
/* What has waited since before `before` (core_now()) by sched_near's means goes to an idle vCPU, if
 * there is one. */
void sched_spread(struct sched *s, unsigned cpu, int64_t before);

/*
 * The owner is about to run the task's handler: removes its waiters and clears `woken`.
 * Every wake from here on makes sched_block fail. The handler must then run, if only to find
 * itself interrupted: an exclusive wake that it had is now its to use or to hand on.
 */
void sched_prepare(struct sched_task *t);
/* The same for one that only waits on: no handler runs, and its waiters stay. */
void sched_prepare_on(struct sched_task *t);

/*
 * RUNNING -> BLOCKED, true: the caller no longer owns the task and may not touch it. False: a wake
 * came since sched_prepare; the caller still owns it and runs the handler again.
 */
bool sched_block(struct sched_task *t);

/*
 * RUNNING -> RUNNABLE at the tail of its vCPU's queue, or on an idle vCPU if others wait
 * in that queue or its affinity now forbids it. The caller no longer owns it.
 */
void sched_yield_task(struct sched_task *t);

/*
 * RUNNING -> DEAD: removes waiters (passing on a wake that was not used), cancels the
 * deadline. The caller still owns the memory.
 */
void sched_exit(struct sched_task *t);

/* BLOCKED -> RUNNABLE; RUNNING: notes the wake; otherwise nothing. From any thread. */
void sched_wake(struct sched_task *t);

/* sched_wake, and if it runs in the guest, a kick of its vCPU: for signals. From any thread. */
void sched_interrupt(struct sched_task *t);

/* If it runs: a kick of its vCPU, which it leaves, or does not enter, before it is looked at again.
 * From any thread. */
void sched_kick(struct sched_task *t);

/*
 * The running task should leave the vCPU: another one waits for it and the slice is over, or
 * its affinity forbids this vCPU, or the scheduler stops. Takes no lock.
 */
bool sched_need_resched(struct sched *s, unsigned cpu);

/*
 * Wakes the task at `deadline` (absolute core_now() ns, TIME_NEVER: none) with
 * timed_out set. Replaces an earlier deadline; sched_deadline(t, TIME_NEVER) cancels.
 * The owner only. After it returns an old deadline can no longer fire, and timed_out is
 * false, unless the deadline is the one that is set already: then nothing changes, so
 * that a handler may set it on every run.
 */
void sched_deadline(struct sched_task *t, int64_t deadline);

/*
 * Allowed vCPUs; bits beyond the number of vCPUs are ignored. A queued task moves, a running one
 * is kicked, if it must leave its vCPU. 0; -EINVAL: none left. From any thread, no lock held.
 */
int sched_set_affinity(struct sched_task *t, uint64_t mask);
uint64_t sched_get_affinity(struct sched_task *t);

/* ns it has run, the slice that is under way included. From any thread. */
int64_t sched_run_time(struct sched_task *t);

/* It waits for something now. From any thread; by the time that it is known it may be different. */
bool sched_is_blocked(struct sched_task *t);

/*
 * Makes every sched_next return NULL and every sched_need_resched true, now and later, and kicks
 * the vCPUs that run a task.
 */
void sched_stop(struct sched *s);

void sched_get_stats(struct sched *s, struct sched_stats *out);
unsigned sched_cpus(const struct sched *s);
/* Tasks that run or are runnable now. */
unsigned sched_load(struct sched *s);
/* vCPUs that have a task now. */
unsigned sched_running(struct sched *s);

#endif
