/*
 * Calls that may have to wait for the host, and who waits: a vCPU's thread while the host is quick,
 * a worker when it may not be.
 *
 * A handler that is to look up a name, open a file, change something on the host asks
 * host_may_wait() first. While the device in question has lately answered at once, that says yes,
 * and the call is made where the handler runs: a cached look-up costs what it always did. Else it
 * says -EHOSTWAIT, which the handler hands up having done nothing yet; syscall_dispatch() then has
 * a worker run the whole call anew, from its first step, with the task blocked meanwhile. There the
 * answer is always yes. How long the host took is looked at either way: so a device that hangs is
 * found out by workers, and one that is quick again soon has its calls back on the vCPUs. While a
 * worker has waited for longer than what is quick, that kind of question is asked on workers alone;
 * so is all that is asked of a server (HOST_REMOTE), which may answer about one name at once, and
 * about the next never.
 *
 *	vCPU's thread                     worker
 *	handler: -EHOSTWAIT
 *	waiter queued on job->done,
 *	submitted; -EBLOCKED
 *	(a wake: not done, -EBLOCKED)     handler, from the start
 *	                                  it may block: then it queues the task, as ever
 *	                                  DONE, wake
 *	DONE: the result; or, if it
 *	blocked, the handler again
 *
 * A later run (c->rerun) may say -EHOSTWAIT, too, having done nothing in that run that may not be
 * done again; the worker then goes on from what the call has kept.
 *
 * On the worker, too, it may say so once the call has come to what it was sent for and goes on to
 * something else, which as many hang at as may: then it waits for its turn there in the same way,
 * and else counts there from then on. So what hangs at opens keeps nobody from look-ups.
 *
 * Until the job is DONE the call and the task's waiters are the worker's, and the task cannot be
 * freed. One that must die takes back what no worker has begun; else its process can end without
 * it (task_stuck() in process.h). When the guest ends nobody waits for it.
 *
 * A pace's fields are atomic; the list of a super's paces is protected by vfs->lock.
 */
#ifndef VMBOX_LINUX_AWAY_H
#define VMBOX_LINUX_AWAY_H

#include "../core/workpool.h"

#include <pthread.h>
#include <sys/queue.h>
#include <sys/types.h>

struct call;
struct task;
struct kernel;
struct super;
struct vfs;

/* Internal, never seen by a guest: the call has to be run by a worker. */
#define EHOSTWAIT 601

#define HOST_LANE_THREADS 4           /* of one device and kind: workers that wait for it alone */
#define HOST_LANE_MAX     32          /* the same with those that all share */
#define HOST_QUICK_NS     2000000LL   /* a call that took no longer did not wait */
#define HOST_TRUST_NS     100000000LL /* for so long after one the next is thought quick, too */

/* What the host is asked for. One kind's quick answer says nothing of another's. */
enum host_op {
	HOST_LOOK, /* a name, attributes */
	HOST_OPEN,
	HOST_LIST,
	HOST_CHANGE, /* of names, attributes, sizes */
	HOST_WRITE,
	HOST_CLOSE, /* of a file that was written: never asked for where a handler runs */
	HOST_OPS
};

/*
 * LOCAL: a disk, or memory: it answers, or hangs, as a whole, and closing a file asks it nothing.
 * REMOTE: a network's file system, or one that a process serves (FUSE): it may answer about one
 * file and about another never; and closing one that was written is a question, too.
 */
enum host_kind { HOST_UNKNOWN, HOST_LOCAL, HOST_REMOTE };

/* One device of the host. */
struct host_pace {
	/* immutable: */
	dev_t dev;
	SLIST_ENTRY(host_pace) link;
	struct job_lane lanes[HOST_OPS + 1]; /* the last: host_must_wait() */
	/* core_now(): until then calls need not be suspected. */
	_Atomic int64_t quick_until[HOST_OPS];
	_Atomic int kind; /* enum host_kind; set once something of it is entered or opened */
};

/* dev's in sb, made if need be; it lives as long as sb. NULL: no memory. vfs->lock held, or nobody
 * else is there yet. */
struct host_pace *host_pace_get(struct super *sb, dev_t dev);
void host_paces_free(struct super *sb);
/* p, which may be NULL, is of this kind. */
void host_pace_learn(struct vfs *v, struct host_pace *p, enum host_kind kind);
bool host_is_remote(const struct host_pace *p);

/*
 * May this thread wait for p's host now? 0: yes, and also from now on to the end of the call.
 * -EHOSTWAIT: no: leave the handler with that, with nothing done that may not be done again.
 * p may be NULL: yes.
 */
int host_may_wait(struct host_pace *p, enum host_op op);
/* For what waits for a disk even if the host is quick: always a worker's business. */
int host_must_wait(struct host_pace *p);
/*
 * Locks m, which somebody may hold while he waits for p's host: 0; -EHOSTWAIT, unlocked, if that is
 * what he seems to do and this thread may not.
 */
int host_lock(pthread_mutex_t *m, struct host_pace *p);
/* What has been done cannot be done again: from here on the call stays on this thread. */
void host_call_begun(void);
/*
 * For a handler that keeps in c->state, from here on, all that it needs to go on: should it have to
 * leave, the worker runs it as a later run (c->rerun) and does not begin anew.
 */
void host_call_keeps(struct call *c);
/* A part is done that others like it follow: they are asked for anew. */
void host_call_part(void);
/* This thread is a worker with a call: a handler need not spare it. */
bool host_call_is_away(void);
/* The same, and its process may have ended already: nothing more is to be changed for it. */
bool host_call_doomed(struct task *t);
/* The same for whoever's call this thread has. */
bool host_call_over(void);

/* For syscall_dispatch(): runs fn for c, or has it run. As the handler; -EBLOCKED also for a call
 * that is away. */
long away_run(struct task *t, struct call *c, long (*fn)(struct task *t, struct call *c));
/* c is with a worker, and must not be touched. */
bool call_is_away(struct call *c);
/* c is with no worker any more, and its handler will not run: it had not begun. */
bool call_take_back(struct call *c);
/* Ends what call_finish() finds. */
void away_drop(struct call *c);

#endif
