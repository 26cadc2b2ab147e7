/*
 * Calls that workers run: see away.h.
 */
#include "away.h"

#include "call.h"
#include "process.h"
#include "syscalls.h"
#include "vfs_inode.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define ASKED_MAX 8 /* devices and kinds that one call's time is told of */

struct asked {
	struct host_pace *p;
	enum host_op op;
};

/* The call that this thread runs, as far as it concerns the host. */
struct host_call {
	struct workpool *pool;
	bool stays; /* may wait here */
	bool away;  /* on a worker */
	bool begun; /* and may not leave it any more */
	/* On a worker: its job, why it was sent, and that it has come to that. */
	struct job *job;
	struct asked why;
	bool at_why;
	unsigned n;
	int64_t start; /* 0: the host was not asked yet */
	struct asked asked[ASKED_MAX];
	struct asked wait_for; /* why it has to go to a worker */
};

/* NULL: a thread, or a call, that may always wait. */
static _Thread_local struct host_call *host_call;

/* ---- paces ---- */

struct host_pace *host_pace_get(struct super *sb, dev_t dev)
{
	struct host_pace *p;

	SLIST_FOREACH (p, &sb->paces, link)
		if (p->dev == dev)
			return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->dev = dev;
	for (unsigned i = 0; i < ARRAY_SIZE(p->lanes); i++)
		job_lane_init(&p->lanes[i], HOST_LANE_THREADS, HOST_LANE_MAX);
	SLIST_INSERT_HEAD(&sb->paces, p, link);
	return p;
}

void host_paces_free(struct super *sb)
{
	struct host_pace *p;

	while ((p = SLIST_FIRST(&sb->paces))) {
		SLIST_REMOVE_HEAD(&sb->paces, link);
		free(p);
	}
}

void host_pace_learn(struct vfs *v, struct host_pace *p, enum host_kind kind)
{
	if (!p || atomic_load_explicit(&p->kind, memory_order_relaxed) != HOST_UNKNOWN)
		return;
	if (kind == HOST_REMOTE)
		atomic_store(&v->remote, true);
	atomic_store(&p->kind, (int)kind);
}

bool host_is_remote(const struct host_pace *p)
{
	return p && atomic_load_explicit(&p->kind, memory_order_relaxed) == HOST_REMOTE;
}

static bool was_asked(const struct host_call *h, const struct host_pace *p, enum host_op op)
{
	for (unsigned i = 0; i < h->n; i++)
		if (h->asked[i].p == p && h->asked[i].op == op)
			return true;
	return false;
}

static int must_leave(struct host_call *h, struct host_pace *p, enum host_op op)
{
	h->wait_for = (struct asked){p, op};
	return -EHOSTWAIT;
}

/*
 * A worker that has come to what it was sent for goes on to something else: it is to be counted
 * there, so that it does not keep others from the first when it hangs at the second. Before that it
 * asks again what has just been answered on the way.
 */
static bool may_go_on(struct host_call *h, struct host_pace *p, enum host_op op)
{
	return !h->at_why || job_move(h->job, &p->lanes[op]) || h->begun;
}

int host_may_wait(struct host_pace *p, enum host_op op)
{
	struct host_call *h = host_call;

	if (!h || !p)
		return 0;
	h->at_why |= h->away && p == h->why.p && op == h->why.op;
	if (was_asked(h, p, op))
		return 0;
	if (!may_go_on(h, p, op))
		return must_leave(h, p, op);
	if (!h->start)
		h->start = core_now();
	if (!h->stays &&
	    (host_is_remote(p) ||
	     h->start >= atomic_load_explicit(&p->quick_until[op], memory_order_relaxed) ||
	     job_lane_hangs(h->pool, &p->lanes[op], HOST_QUICK_NS)))
		return must_leave(h, p, op);
	if (h->n < ASKED_MAX)
		h->asked[h->n++] = (struct asked){p, op};
	return 0;
}

int host_must_wait(struct host_pace *p)
{
	struct host_call *h = host_call;

	return h && p && !h->stays ? must_leave(h, p, HOST_OPS) : 0;
}

int host_lock(pthread_mutex_t *m, struct host_pace *p)
{
	int64_t end;
	struct timespec ts;

	if (!pthread_mutex_trylock(m))
		return 0;
	if (host_call && p && !host_call->stays) {
		end = core_now() + HOST_QUICK_NS;
		ts.tv_sec = end / 1000000000;
		ts.tv_nsec = end % 1000000000;
		if (pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &ts))
			return must_leave(host_call, p, HOST_OPS);
		return 0;
	}
	pthread_mutex_lock(m);
	return 0;
}

void host_call_begun(void)
{
	if (host_call)
		host_call->stays = host_call->begun = true;
}

void host_call_keeps(struct call *c)
{
	c->keeps = true;
}

bool host_call_is_away(void)
{
	return host_call && host_call->away;
}

bool host_call_doomed(struct task *t)
{
	return host_call_is_away() && signal_doomed(t);
}

bool host_call_over(void)
{
	return host_call_is_away() && signal_doomed(task_current);
}

/* The call is over, as far as this thread is concerned. */
static void tell_paces(const struct host_call *h)
{
	int64_t now, until;

	if (!h->n)
		return;
	now = core_now();
	until = now + HOST_TRUST_NS;
	if (now - h->start > HOST_QUICK_NS)
		until = 0;
	for (unsigned i = 0; i < h->n; i++) {
		_Atomic int64_t *quick = &h->asked[i].p->quick_until[h->asked[i].op];
		int64_t was = atomic_load_explicit(quick, memory_order_relaxed);

		/* Not at each call: others read it. */
		if (until < was || until - was > HOST_TRUST_NS / 4)
			atomic_store_explicit(quick, until, memory_order_relaxed);
	}
}

void host_call_part(void)
{
	struct host_call *h = host_call;

	if (!h)
		return;
	tell_paces(h);
	h->n = 0;
	h->start = 0;
}

/* ---- on a worker ---- */

struct away {
	struct job job;
	struct task *t;
	struct call *c;
	long (*fn)(struct task *t, struct call *c);
	struct asked why; /* -EHOSTWAIT: for the next one */
	uint64_t args[6];
	long result;
};

/* Handlers touch guest memory, which is recovered from by signals. */
static void take_faults(void)
{
	static _Thread_local bool done;
	sigset_t set;

	if (done)
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	sigaddset(&set, SIGBUS);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	done = true;
}

static void away_work(struct job *j)
{
	struct away *a = container_of(j, struct away, job);
	struct host_call h = {.stays = true, .away = true, .job = j};

	take_faults();
	host_call = &h;
	task_current = a->t;
	if (a->why.op != HOST_OPS)
		(void)host_may_wait(a->why.p, a->why.op);
	h.why = a->why;
	a->result = a->fn(a->t, a->c);
	task_current = NULL;
	host_call = NULL;
	a->why = h.wait_for;
	tell_paces(&h);
}

static void away_release(struct job *j)
{
	free(container_of(j, struct away, job));
}

static const struct job_ops away_ops = {.run = away_work, .release = away_release};

/* ---- sending it there ---- */

bool call_is_away(struct call *c)
{
	return c->away && !job_done(c->away);
}

bool call_take_back(struct call *c)
{
	return job_take_back(c->away);
}

void away_drop(struct call *c)
{
	job_cancel(c->away);
	c->away = NULL;
}

/* As before its first run. */
static void call_rewind(struct task *t, struct call *c, const uint64_t args[6])
{
	waitq_remove_all(&t->st);
	call_drop_op(c);
	for (size_t i = 0; i < ARRAY_SIZE(c->file); i++) {
		file_close(c->file[i]);
		c->file[i] = NULL;
	}
	if (c->state) {
		if (c->state_free)
			c->state_free(c->state);
		free(c->state);
		c->state = NULL;
		c->state_free = NULL;
	}
	c->progress = 0;
	memcpy(c->args, args, sizeof(c->args));
}

/* False: no worker has it, and none will. */
static bool send(struct task *t, struct call *c, long (*fn)(struct task *, struct call *),
		 const struct asked *why, const uint64_t args[6])
{
	struct away *a = calloc(1, sizeof(*a));
	bool interrupted = c->interrupted, killed = c->killed;

	if (!a)
		return false;
	job_init(&a->job, &away_ops);
	a->t = t;
	a->c = c;
	a->fn = fn;
	a->why = *why;
	memcpy(a->args, args, sizeof(a->args));
	c->interrupted = c->killed = false;
	c->away = &a->job;
	/* Queued before the worker begins: from then on the waiters are its. */
	if (!waitq_add(&a->job.done, &t->st, false) &&
	    !workpool_submit(t->k->pool, &why->p->lanes[why->op], &a->job))
		return true;
	waitq_remove_all(&t->st);
	c->interrupted = interrupted;
	c->killed = killed;
	c->away = NULL;
	job_put(&a->job);
	return false;
}

/* The handler has to leave, as *why says: for a worker, or that one for another. args: the call's,
 * as they were at first. */
static long leave(struct task *t, struct call *c, long (*fn)(struct task *, struct call *),
		  const struct asked *why, const uint64_t args[6])
{
	if (c->rerun || c->keeps) {
		waitq_remove_all(&t->st);
		c->rerun = true;
	} else {
		call_rewind(t, c, args);
	}
	if (!send(t, c, fn, why, args))
		return fn(t, c);
	/* What the handler was told of, the step looks after now. */
	if (signal_pending(t))
		sched_wake(&t->st);
	return -EBLOCKED;
}

/* The worker is done with it: the handler's result; -EBLOCKED: it goes on here. */
static long come_back(struct task *t, struct call *c, long (*fn)(struct task *, struct call *))
{
	struct away *a = container_of(c->away, struct away, job);
	struct asked why = a->why;
	uint64_t args[6];
	long r = a->result;

	memcpy(args, a->args, sizeof(args));
	/* Ours of the job, before that goes; and the worker's: a later run queues anew. */
	if (r == -EBLOCKED || r == -EHOSTWAIT)
		waitq_remove_all(&t->st);
	job_put(c->away);
	c->away = NULL;
	return r == -EHOSTWAIT ? leave(t, c, fn, &why, args) : r;
}

long away_run(struct task *t, struct call *c, long (*fn)(struct task *, struct call *))
{
	struct host_call h = {.pool = t->k->pool};
	uint64_t args[6];
	long r;

	if (c->away) {
		if (!job_done(c->away))
			return -EBLOCKED;
		r = come_back(t, c, fn);
		if (r != -EBLOCKED || c->away)
			return r;
		/* Here it must not wait for the host, either. */
		c->rerun = true;
		c->interrupted = signal_still_pending(t);
	}
	if (!t->k->pool || !syscall_may_leave(c->row))
		return fn(t, c);
	memcpy(args, c->args, sizeof(args));
	host_call = &h;
	r = fn(t, c);
	host_call = NULL;
	if (r != -EHOSTWAIT) {
		tell_paces(&h);
		return r;
	}
	return leave(t, c, fn, &h.wait_for, args);
}
