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
#include "vfs_inode.h"

#include <stdlib.h>
#include <time.h>

#define POLL_NS 1000000

struct writeback {
	struct job job;
	struct kernel *k;
	struct inode *i;   /* a reference, if there is no f */
	struct file *f;    /* to be freed; NULL: none */
	struct process *p; /* a reference; NULL: nobody's */
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
static void process_written(struct process *p)
{
	bool end;

	pthread_mutex_lock(&p->lock);
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

static void work(struct job *j)
{
	struct writeback *w = container_of(j, struct writeback, job);

	at_work = w;
	w->i->ops->write_back(w->i);
	at_work = NULL;
	if (w->f)
		vfs_file_free(w->f);
	else
		inode_put(w->i);
	if (w->p)
		process_written(w->p);
	atomic_fetch_sub(&w->k->writebacks, 1);
}

static void release(struct job *j)
{
	free(container_of(j, struct writeback, job));
}

static const struct job_ops ops = {.run = work, .release = release};

/* A job for i, counted; of t's, if t is there: then t has its reference, else the caller. */
static struct writeback *make(struct kernel *k, struct inode *i, struct file *f, struct task *t)
{
	struct writeback *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	job_init(&w->job, &ops);
	w->k = k;
	w->i = i;
	w->f = f;
	if (!atomic_fetch_add(&k->writebacks, 1))
		atomic_store(&k->writeback_moved, core_now());
	if (t) {
		w->p = process_get(t->p);
		pthread_mutex_lock(&t->p->lock);
		t->p->writebacks++;
		pthread_mutex_unlock(&t->p->lock);
	}
	return w;
}

/* It was not submitted. */
static void unmake(struct writeback *w)
{
	if (w->p)
		process_written(w->p);
	atomic_fetch_sub(&w->k->writebacks, 1);
	job_put(&w->job);
}

static bool start(struct kernel *k, struct inode *i, struct file *f, struct task *t)
{
	struct host_pace *pace = inode_pace(i);
	struct writeback *w = k->pool && pace ? make(k, i, f, t) : NULL;

	if (!w)
		return false;
	if (workpool_submit(k->pool, &pace->lanes[HOST_WRITE], &w->job)) {
		unmake(w);
		return false;
	}
	if (t) {
		w->next = t->writebacks;
		t->writebacks = w;
	} else {
		job_put(&w->job);
	}
	return true;
}

bool writeback_release(struct file *f)
{
	struct inode *i = file_inode(f);
	struct kernel *k = i->sb->v->k;

	/* A worker may wait, and at the end there is none. */
	return !host_call_is_away() && !atomic_load(&k->stopping) && i->ops->has_changes(i) &&
	       start(k, i, f, task_current);
}

bool writeback_inode(struct kernel *k, struct inode *i)
{
	/* Also where nothing is left: it comes after who writes the last of it now. */
	if (start(k, inode_get(i), NULL, NULL))
		return true;
	inode_put(i);
	return false;
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

static void end_fire(struct timer *timer)
{
	struct process *p = container_of(timer, struct process, end_timer);
	uint64_t pages = atomic_load(&p->pages_written);
	bool end;

	pthread_mutex_lock(&p->lock);
	end = p->end_waits && pages == p->end_seen;
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

	if (!atomic_load(&k->maps_written))
		return true;
	/* Supers are added before the first task and stay. */
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
