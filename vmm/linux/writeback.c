/*
 * Workers that write back: see writeback.h.
 *
 *	last task of p                    worker               reactor
 *	parts dropped: jobs
 *	end_waits = true, timer armed
 *	                                  written, file freed  nothing moved: end_waits = false,
 *	                                  --p->writebacks: 0,  end
 *	                                  end_waits? = false,
 *	                                  timer cancelled, end
 *
 * Whoever clears end_waits, under p->lock, ends p.
 */
#include "writeback.h"

#include "away.h"
#include "process.h"
#include "fs_host.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#define POLL_NS     1000000
#define FLUSHES_MAX 65536 /* that hang, of all processes: beyond nobody is told any more */

struct writeback {
	struct job job;
	struct kernel *k;
	struct inode *i;   /* a reference, if there is no f */
	struct file *f;    /* to be freed; NULL: none */
	struct process *p; /* a reference; NULL: nobody's */
	bool flush;        /* a descriptor has gone */
	bool ran;
	int result;
	struct writeback *next;
};

/* What this worker is at. */
static _Thread_local struct writeback *at_work;

void writeback_moved(void)
{
	struct writeback *w = at_work;

	if (!w)
		return;
	atomic_store(&w->k->writeback_moved, core_now());
	if (w->p)
		atomic_fetch_add(&w->p->pages_written, 1);
}

/* p's references: one for who ends it, and one of the job. */
static void process_written(struct process *p, bool flush)
{
	bool end;

	pthread_mutex_lock(&p->lock);
	p->flushes -= flush;
	end = --p->writebacks == 0 && p->end_waits;
	if (end)
		p->end_waits = false;
	pthread_mutex_unlock(&p->lock);
	if (end) {
		timer_cancel(&p->end_timer);
		p->end(p, p->end_status);
		process_put(p);
	}
	process_put(p);
}

/* What was to be done is, or never will be. */
static void finish(struct writeback *w)
{
	if (w->f)
		vfs_file_free(w->f);
	else
		inode_put(w->i);
	if (w->p)
		process_written(w->p, w->flush);
	atomic_fetch_sub(&w->k->writebacks, 1);
}

static void work(struct job *j)
{
	struct writeback *w = container_of(j, struct writeback, job);

	w->ran = true;
	at_work = w;
	if (w->flush) {
		w->result = w->i->ops->flush(w->i);
		writeback_moved();
	} else {
		w->i->ops->write_back(w->i);
	}
	at_work = NULL;
	finish(w);
}

static void release(struct job *j)
{
	struct writeback *w = container_of(j, struct writeback, job);

	/* The pool has stopped. */
	if (!w->ran)
		finish(w);
	free(w);
}

static const struct job_ops ops = {.run = work, .release = release};

/* A job for i, counted; of t's process, if t is there. */
static struct writeback *make(struct kernel *k, struct inode *i, struct file *f, bool flush,
			      struct task *t)
{
	struct writeback *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	job_init(&w->job, &ops);
	w->k = k;
	w->i = i;
	w->f = f;
	w->flush = flush;
	if (!atomic_fetch_add(&k->writebacks, 1))
		atomic_store(&k->writeback_moved, core_now());
	if (t) {
		w->p = process_get(t->p);
		pthread_mutex_lock(&t->p->lock);
		t->p->writebacks++;
		t->p->flushes += flush;
		pthread_mutex_unlock(&t->p->lock);
	}
	return w;
}

/* It was not submitted; i and f are the caller's. */
static void unmake(struct writeback *w)
{
	if (w->p)
		process_written(w->p, w->flush);
	atomic_fetch_sub(&w->k->writebacks, 1);
	w->ran = true;
	job_put(&w->job);
}

/* The caller has the job's reference. NULL: nothing has happened. */
static struct writeback *start(struct kernel *k, struct inode *i, struct file *f, bool flush,
			       struct task *t)
{
	struct host_pace *pace = inode_pace(i);
	struct writeback *w = k->pool && pace ? make(k, i, f, flush, t) : NULL;

	if (w && workpool_submit(k->pool, &pace->lanes[flush ? HOST_CLOSE : HOST_WRITE], &w->job)) {
		unmake(w);
		w = NULL;
	}
	return w;
}

/* t waits for it, and has the reference; without t nobody does. w may be NULL. */
static bool wait_later(struct writeback *w, struct task *t)
{
	if (w && t) {
		w->next = t->writebacks;
		t->writebacks = w;
	} else if (w) {
		job_put(&w->job);
	}
	return w;
}

bool writeback_release(struct file *f)
{
	struct inode *i = file_inode(f);
	struct kernel *k = i->sb->v->k;

	/* A worker may wait, and at the end there is none. */
	return !host_call_is_away() && !atomic_load(&k->stopping) && i->ops->has_changes(i) &&
	       wait_later(start(k, i, f, false, task_current), task_current);
}

bool writeback_inode(struct kernel *k, struct inode *i)
{
	/* Also where nothing is left: it comes after who writes the last of it now. */
	if (wait_later(start(k, inode_get(i), NULL, false, NULL), NULL))
		return true;
	inode_put(i);
	return false;
}

static struct writeback *flush(struct file *f)
{
	struct inode *i = file_inode(f);
	struct kernel *k = vfs_file(f)->k;
	struct writeback *w;

	if (vfs_file(f)->opath || (f->flags & O_ACCMODE) == O_RDONLY || !i->ops->flush ||
	    !host_is_remote(inode_pace(i)) || atomic_load(&k->stopping) ||
	    atomic_load(&k->writebacks) >= FLUSHES_MAX)
		return NULL;
	w = start(k, inode_get(i), NULL, true, task_current);
	if (!w)
		inode_put(i);
	return w;
}

struct job *writeback_flush(struct file *f)
{
	struct writeback *w = flush(f);

	return w ? &w->job : NULL;
}

void writeback_flush_later(struct file *f)
{
	wait_later(flush(f), task_current);
}

int writeback_flushed(struct job *j)
{
	return container_of(j, struct writeback, job)->result;
}

/* ---- tasks ---- */

static void forget_first(struct task *t)
{
	struct writeback *w = t->writebacks;

	t->writebacks = w->next;
	/* Not cancelled: it is written. */
	job_put(&w->job);
}

void writeback_forget(struct task *t)
{
	while (t->writebacks)
		forget_first(t);
}

bool writeback_wait(struct task *t)
{
	while (t->writebacks) {
		if (!job_wait(&t->writebacks->job, &t->st) &&
		    !(signal_pending(t) && signal_dooms(t)))
			return false;
		waitq_remove_all(&t->st);
		forget_first(t);
	}
	return true;
}

/* ---- processes ---- */

/* Who was killed is not waited for as long as one that exits; nor is PID 1, for which vmbox itself
 * waits. p->lock held. */
static bool must_not_hang(const struct process *p)
{
	return !p->flushes || p == p->k->init || WIFSIGNALED(p->end_status);
}

static void end_fire(struct timer *timer)
{
	struct process *p = container_of(timer, struct process, end_timer);
	uint64_t pages = atomic_load(&p->pages_written);
	bool end;

	pthread_mutex_lock(&p->lock);
	end = p->end_waits && pages == p->end_seen && must_not_hang(p);
	if (end)
		p->end_waits = false;
	else if (p->end_waits)
		timer_arm(timer, core_now() + WRITEBACK_EXIT_NS);
	p->end_seen = pages;
	pthread_mutex_unlock(&p->lock);
	if (end) {
		p->end(p, p->end_status);
		process_put(p);
	}
}

bool writeback_delays_end(struct process *p, int status, void (*end)(struct process *p, int status))
{
	bool waits;

	pthread_mutex_lock(&p->lock);
	waits = p->writebacks;
	if (waits) {
		process_get(p);
		p->end_waits = true;
		p->end = end;
		p->end_status = status;
		p->end_seen = atomic_load(&p->pages_written);
		timer_init(&p->end_timer, p->k->timers, end_fire);
		timer_arm(&p->end_timer, core_now() + WRITEBACK_EXIT_NS);
	}
	pthread_mutex_unlock(&p->lock);
	return waits;
}

/* ---- the end of all ---- */

bool kernel_write_back(struct kernel *k, int64_t ns)
{
	const struct timespec pause = {0, POLL_NS};
	struct super *sb;

	/* Supers are added before the first task and stay. */
	if (atomic_load(&k->maps_written))
		SLIST_FOREACH (sb, &k->vfs->supers, all)
			if (sb->ops->write_back)
				sb->ops->write_back(sb);
	while (atomic_load(&k->writebacks)) {
		if (core_now() - atomic_load(&k->writeback_moved) > ns)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}
