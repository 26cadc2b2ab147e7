/*
 * The worker pool.
 *
 * A job ends while its asker goes to sleep:
 *
 *	asker (job_wait)                  worker
 *	state DONE? no                    run()
 *	waiter queued on j->done          state = DONE
 *	state DONE? -> true               wake j->done
 *	-EBLOCKED, sched_block
 *
 * Whichever of the two middle lines comes last sees the other: the asker finds DONE, or the worker
 * finds the waiter; and a wake before sched_block makes that fail.
 *
 * A job is taken back while a worker takes it: both under pool->lock, so it is either QUEUED, and
 * the asker drops the pool's reference, too; or RUNNING, and the worker drops it at the end. The
 * worker's wake comes before that, so j->done is there; the asker has left that queue before it
 * drops its own (call_finish, sched_exit).
 */
#include "workpool.h"

#include "async.h"
#include "sched.h"

#include <signal.h>
#include <stdlib.h>

struct workpool {
	pthread_mutex_t lock;
	pthread_cond_t work, ended;
	unsigned max, max_shared; /* immutable: threads, and of these for lanes that need more */
	/* protected by lock: */
	TAILQ_HEAD(, job_lane) lanes;   /* those that have something queued */
	unsigned start_own, start_more; /* of all lanes */
	unsigned shared;                /* running beyond their lanes' own */
	unsigned idle, nthreads, nended;
	bool stopping;
	pthread_t threads[];
};

/* ---- jobs ---- */

void job_init(struct job *j, const struct job_ops *ops)
{
	j->ops = ops;
	atomic_init(&j->refs, 1);
	atomic_init(&j->state, JOB_NEW);
	j->pool = NULL;
	waitq_init(&j->done);
}

struct job *job_get(struct job *j)
{
	atomic_fetch_add_explicit(&j->refs, 1, memory_order_relaxed);
	return j;
}

void job_put(struct job *j)
{
	if (!j || atomic_fetch_sub_explicit(&j->refs, 1, memory_order_acq_rel) != 1)
		return;
	waitq_destroy(&j->done);
	j->ops->release(j);
}

bool job_done(struct job *j)
{
	return atomic_load_explicit(&j->state, memory_order_acquire) == JOB_DONE;
}

bool job_wait(struct job *j, struct sched_task *t)
{
	if (job_done(j))
		return true;
	if (waitq_add(&j->done, t, false) < 0)
		sched_wake(t);
	return job_done(j);
}

/* What was running or queued in l has changed by that much. pool->lock held. */
static void lane_update(struct workpool *p, struct job_lane *l, int running, int queued)
{
	unsigned before = l->queued, now = l->running, own, room;

	p->shared -= now > l->own ? now - l->own : 0;
	p->start_own -= l->start_own;
	p->start_more -= l->start_more;
	now += (unsigned)running;
	l->running = now;
	l->queued += (unsigned)queued;
	own = now < l->own ? l->own - now : 0;
	room = l->max - now - own;
	l->start_own = l->queued < own ? l->queued : own;
	l->start_more = l->queued - l->start_own < room ? l->queued - l->start_own : room;
	p->start_own += l->start_own;
	p->start_more += l->start_more;
	p->shared += now > l->own ? now - l->own : 0;
	if (l->queued && !before)
		TAILQ_INSERT_TAIL(&p->lanes, l, link);
	else if (before && !l->queued)
		TAILQ_REMOVE(&p->lanes, l, link);
}

void job_lane_init(struct job_lane *l, unsigned own, unsigned max)
{
	l->own = own;
	l->max = max;
	l->running = l->queued = l->start_own = l->start_more = 0;
	TAILQ_INIT(&l->queue);
	TAILQ_INIT(&l->busy);
}

/* What l has begins, or comes from another lane. pool->lock held. */
static void lane_enter(struct job_lane *l, struct job *j)
{
	j->lane = l;
	j->began = core_now();
	TAILQ_INSERT_TAIL(&l->busy, j, link);
}

bool job_lane_hangs(struct workpool *p, struct job_lane *l, int64_t ns)
{
	const struct job *first;
	bool yes;

	if (!atomic_load_explicit(&l->running, memory_order_relaxed))
		return false;
	pthread_mutex_lock(&p->lock);
	first = TAILQ_FIRST(&l->busy);
	yes = first && core_now() - first->began > ns;
	pthread_mutex_unlock(&p->lock);
	return yes;
}

/* Takes j off the queue. True: it was there, and the pool's reference is the caller's. */
static bool take_back(struct workpool *p, struct job *j)
{
	bool queued;

	pthread_mutex_lock(&p->lock);
	queued = atomic_load(&j->state) == JOB_QUEUED;
	if (queued) {
		TAILQ_REMOVE(&j->lane->queue, j, link);
		lane_update(p, j->lane, 0, -1);
		atomic_store(&j->state, JOB_CANCELLED);
	}
	pthread_mutex_unlock(&p->lock);
	return queued;
}

bool job_take_back(struct job *j)
{
	/* What is neither NEW nor QUEUED stays so: then the pool, which may be gone, is not asked.
	 */
	if (atomic_load(&j->state) == JOB_QUEUED && take_back(j->pool, j)) {
		job_put(j);
		return true;
	}
	return atomic_load(&j->state) == JOB_CANCELLED;
}

void job_cancel(struct job *j)
{
	if (!j)
		return;
	job_take_back(j);
	job_put(j);
}

/* ---- workers ---- */

/* More than their own threads lanes may have now. pool->lock held. */
static unsigned shares_left(const struct workpool *p)
{
	return p->shared < p->max_shared ? p->max_shared - p->shared : 0;
}

/* The first lane that may begin a job; it is the last from here on. pool->lock held. */
static struct job_lane *next_lane(struct workpool *p)
{
	struct job_lane *l;

	TAILQ_FOREACH (l, &p->lanes, link) {
		if (!l->start_own && !(l->start_more && shares_left(p)))
			continue;
		TAILQ_REMOVE(&p->lanes, l, link);
		TAILQ_INSERT_TAIL(&p->lanes, l, link);
		return l;
	}
	return NULL;
}

/* The next job, RUNNING; NULL: the pool stops. pool->lock held. */
static struct job *next_job(struct workpool *p)
{
	struct job_lane *l;
	struct job *j;

	p->idle++;
	while (!(l = next_lane(p)) && !p->stopping)
		pthread_cond_wait(&p->work, &p->lock);
	p->idle--;
	if (!l)
		return NULL;
	j = TAILQ_FIRST(&l->queue);
	TAILQ_REMOVE(&l->queue, j, link);
	lane_enter(l, j);
	lane_update(p, l, 1, -1);
	atomic_store(&j->state, JOB_RUNNING);
	return j;
}

/* Jobs that could begin now, were there threads. pool->lock held. */
static unsigned startable(const struct workpool *p)
{
	unsigned left = shares_left(p);

	return p->start_own + (p->start_more < left ? p->start_more : left);
}

static void *worker(void *arg)
{
	struct workpool *p = arg;
	struct job *j;

	pthread_mutex_lock(&p->lock);
	while ((j = next_job(p))) {
		pthread_mutex_unlock(&p->lock);
		j->ops->run(j);
		async_flush();
		pthread_mutex_lock(&p->lock);
		TAILQ_REMOVE(&j->lane->busy, j, link);
		lane_update(p, j->lane, -1, 0);
		atomic_store_explicit(&j->state, JOB_DONE, memory_order_release);
		pthread_mutex_unlock(&p->lock);
		waitq_wake_all(&j->done);
		job_put(j);
		pthread_mutex_lock(&p->lock);
	}
	p->nended++;
	pthread_cond_signal(&p->ended);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* One more thread, if that helps and may be; pool->lock held. */
static void grow(struct workpool *p)
{
	sigset_t all, old;

	/* One that is idle may have been woken for another job, and not be there yet. */
	if (startable(p) <= p->idle || p->nthreads == p->max)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (!pthread_create(&p->threads[p->nthreads], NULL, worker, p))
		p->nthreads++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

bool job_move(struct job *j, struct job_lane *l)
{
	struct workpool *p = j->pool;
	bool moved;

	pthread_mutex_lock(&p->lock);
	moved = l == j->lane || l->running < l->own || (l->running < l->max && shares_left(p));
	if (moved && l != j->lane) {
		TAILQ_REMOVE(&j->lane->busy, j, link);
		lane_update(p, j->lane, -1, 0);
		lane_enter(l, j);
		lane_update(p, l, 1, 0);
		/* Where it was another may begin now. */
		grow(p);
		pthread_cond_signal(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
	return moved;
}

int workpool_submit(struct workpool *p, struct job_lane *l, struct job *j)
{
	int r = 0;

	pthread_mutex_lock(&p->lock);
	j->pool = p;
	j->lane = l;
	TAILQ_INSERT_TAIL(&l->queue, j, link);
	lane_update(p, l, 0, 1);
	grow(p);
	if (p->nthreads) {
		job_get(j);
		atomic_store(&j->state, JOB_QUEUED);
		pthread_cond_signal(&p->work);
	} else {
		TAILQ_REMOVE(&l->queue, j, link);
		lane_update(p, l, 0, -1);
		r = -EAGAIN;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* ---- the pool ---- */

struct workpool *workpool_create(unsigned max)
{
	struct workpool *p = calloc(1, sizeof(*p) + max * sizeof(p->threads[0]));
	pthread_condattr_t mono;

	if (!p)
		return NULL;
	p->max = max;
	p->max_shared = max / 2;
	TAILQ_INIT(&p->lanes);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&p->ended, &mono);
	pthread_condattr_destroy(&mono);
	return p;
}

unsigned workpool_threads(struct workpool *p)
{
	unsigned n;

	pthread_mutex_lock(&p->lock);
	n = p->nthreads;
	pthread_mutex_unlock(&p->lock);
	return n;
}

/* Waits until all threads have ended. pool->lock held. False: it is `end`. */
static bool wait_ended(struct workpool *p, int64_t end)
{
	struct timespec ts = {.tv_sec = end / 1000000000, .tv_nsec = end % 1000000000};
	int r = 0;

	while (p->nended < p->nthreads && !r)
		r = end == TIME_NEVER ? pthread_cond_wait(&p->ended, &p->lock)
				      : pthread_cond_timedwait(&p->ended, &p->lock, &ts);
	return p->nended == p->nthreads;
}

bool workpool_stop(struct workpool *p, int64_t ns)
{
	struct job_list dropped = TAILQ_HEAD_INITIALIZER(dropped);
	struct job_lane *l;
	struct job *j;
	bool ended;

	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	while ((l = TAILQ_FIRST(&p->lanes))) {
		TAILQ_FOREACH (j, &l->queue, link)
			atomic_store(&j->state, JOB_CANCELLED);
		TAILQ_CONCAT(&dropped, &l->queue, link);
		lane_update(p, l, 0, -(int)l->queued);
	}
	pthread_cond_broadcast(&p->work);
	ended = wait_ended(p, time_add(core_now(), ns));
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; ended && i < p->nthreads; i++)
		pthread_join(p->threads[i], NULL);
	if (ended)
		p->nthreads = p->nended = 0;
	while ((j = TAILQ_FIRST(&dropped))) {
		TAILQ_REMOVE(&dropped, j, link);
		job_put(j);
	}
	return ended;
}

void workpool_destroy(struct workpool *p)
{
	if (!p)
		return;
	workpool_stop(p, TIME_NEVER);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->ended);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
