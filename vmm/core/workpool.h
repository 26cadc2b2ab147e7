/*
 * The worker pool: threads for host calls that may sleep a while, or for ever.
 *
 * Jobs come in lanes, one for each thing that may hang by itself (a mount, and of it reading and
 * syncing apart). A lane has a few threads for itself, and takes more while all lanes together have
 * taken no more than half the pool's: so what hangs in one keeps others of its lane waiting only
 * when there are very many, and other lanes not at all, as long as no more of them hang than the
 * other half is enough for. Lanes take turns. There are as many threads as have been needed at
 * once, up to the pool's limit.
 *
 * A job is work that needs nothing of the task that asked for it: it owns its buffers and has
 * references to what it uses, so that the task may die while it runs. It is refcounted: the asker
 * has one reference, the pool another from submission until the job is done or taken back.
 *
 * pool->lock protects the queue, the threads' count and every submitted job's state. It is taken
 * under no other lock but a waitq's owner's, and nothing is taken under it. run and release are
 * called without it, on a worker or on the thread that drops the last reference.
 */
#ifndef VMBOX_CORE_WORKPOOL_H
#define VMBOX_CORE_WORKPOOL_H

#include "core.h"
#include "waitq.h"

#define WORKPOOL_THREADS 128 /* of all lanes */

struct workpool;
struct job;

struct job_ops {
	void (*run)(struct job *j);     /* on a worker; may sleep in the host */
	void (*release)(struct job *j); /* the last reference is gone: frees it */
};

enum job_state { JOB_NEW, JOB_QUEUED, JOB_RUNNING, JOB_DONE, JOB_CANCELLED };

struct job_lane {
	/* immutable: threads that it has for itself, and that may be busy with it */
	unsigned own, max;
	/* protected by pool->lock: */
	_Atomic unsigned running; /* read without the lock, too */
	unsigned queued;
	/* Of those queued so many more may run in its own threads, and in those of all. */
	unsigned start_own, start_more;
	TAILQ_HEAD(job_list, job) queue;
	struct job_list busy;       /* those that run, who began first comes first */
	TAILQ_ENTRY(job_lane) link; /* in the pool's list, if something is queued */
};

struct job {
	/* immutable after init: */
	const struct job_ops *ops;
	_Atomic unsigned refs;
	/* Protected by pool->lock. DONE is stored last, so that who reads it without the lock sees
	 * what run wrote. */
	_Atomic enum job_state state;
	TAILQ_ENTRY(job) link; /* in its lane's queue, or among the busy */
	int64_t began;         /* core_now(): in this lane */
	/* immutable once submitted: */
	struct workpool *pool;
	struct job_lane *lane; /* changed by job_move() alone, with pool->lock held */
	struct waitq done;     /* tasks that wait for the end */
};

/*
 * max: threads at most, > 0. None is started before there is work; then one more whenever a job
 * finds none idle. They block all signals. NULL: no memory.
 */
struct workpool *workpool_create(unsigned max);
/*
 * Takes back what is queued, waits for what runs, for up to ns (TIME_NEVER: to its end). Nobody
 * submits any more, and jobs that somebody still refers to may only be put, looked at, or
 * cancelled. False: a job still runs, and nothing that it uses may be freed: the process can only
 * end.
 */
bool workpool_stop(struct workpool *p, int64_t ns);
/* Stops it, waiting for what runs. p may be NULL. */
void workpool_destroy(struct workpool *p);
/* Threads that were started. */
unsigned workpool_threads(struct workpool *p);

/* A lane lives as long as its jobs. own: > 0 and <= max. */
void job_lane_init(struct job_lane *l, unsigned own, unsigned max);
/* A job of l has been running for longer than ns. Cheap if none runs. */
bool job_lane_hangs(struct workpool *p, struct job_lane *l, int64_t ns);

/* One reference, for the caller. */
void job_init(struct job *j, const struct job_ops *ops);
struct job *job_get(struct job *j);
/* j may be NULL. */
void job_put(struct job *j);

/* Queues a new job; first come, first served in its lane. 0; -EAGAIN: there is no thread and none
 * can be made: nothing has happened. */
int workpool_submit(struct workpool *p, struct job_lane *l, struct job *j);

/* Its run has returned; what it wrote is there to be read. */
bool job_done(struct job *j);

/*
 * True: done. False: t is queued and will be woken at the end, or the queue had no memory for it
 * and it is woken at once. Caller: the thread that runs the task's handler, which then returns
 * -EBLOCKED.
 */
bool job_wait(struct job *j, struct sched_task *t);

/*
 * From its run: what it waits for next is l's business, and it counts there from here on. False:
 * as many as may are busy with that already; nothing has changed.
 */
bool job_move(struct job *j, struct job_lane *l);

/* Nobody runs it now, and nobody will: it was queued, or is CANCELLED already. */
bool job_take_back(struct job *j);

/*
 * The asker has lost interest, and gives up its reference: if the job has not begun it never will;
 * if it runs it is left alone. j may be NULL, or never submitted.
 */
void job_cancel(struct job *j);

#endif
