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
#include "sched.h"

#include <signal.h>
#include <stdlib.h>

TAILQ_HEAD(job_list, job);

struct workpool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	unsigned max; /* immutable */
	/* protected by lock: */
	struct job_list queue;
	unsigned queued, idle, nthreads;
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

/* Takes j off the queue. True: it was there, and the pool's reference is the caller's. */
static bool take_back(struct workpool *p, struct job *j)
{
	bool queued;

	pthread_mutex_lock(&p->lock);
	queued = atomic_load(&j->state) == JOB_QUEUED;
	if (queued) {
		TAILQ_REMOVE(&p->queue, j, link);
		p->queued--;
		atomic_store(&j->state, JOB_CANCELLED);
	}
	pthread_mutex_unlock(&p->lock);
	return queued;
}

void job_cancel(struct job *j)
{
	if (!j)
		return;
	/* What is neither NEW nor QUEUED stays so: then the pool, which may be gone, is not asked.
	 */
	if (atomic_load(&j->state) == JOB_QUEUED && take_back(j->pool, j))
		job_put(j);
	job_put(j);
}

/* ---- workers ---- */

/* The next job, RUNNING; NULL: the pool stops. */
static struct job *next_job(struct workpool *p)
{
	struct job *j;

	pthread_mutex_lock(&p->lock);
	p->idle++;
	while (!(j = TAILQ_FIRST(&p->queue)) && !p->stopping)
		pthread_cond_wait(&p->work, &p->lock);
	p->idle--;
	if (j) {
		TAILQ_REMOVE(&p->queue, j, link);
		p->queued--;
		atomic_store(&j->state, JOB_RUNNING);
	}
	pthread_mutex_unlock(&p->lock);
	return j;
}

static void *worker(void *arg)
{
	struct workpool *p = arg;
	struct job *j;

	while ((j = next_job(p))) {
		j->ops->run(j);
		pthread_mutex_lock(&p->lock);
		atomic_store_explicit(&j->state, JOB_DONE, memory_order_release);
		pthread_mutex_unlock(&p->lock);
		waitq_wake_all(&j->done);
		job_put(j);
	}
	return NULL;
}

/* One more thread, if that helps and may be; pool->lock held. */
static void grow(struct workpool *p)
{
	sigset_t all, old;

	if (p->queued < p->idle || p->nthreads == p->max)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (!pthread_create(&p->threads[p->nthreads], NULL, worker, p))
		p->nthreads++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

int workpool_submit(struct workpool *p, struct job *j)
{
	int r = 0;

	pthread_mutex_lock(&p->lock);
	grow(p);
	if (p->nthreads) {
		j->pool = p;
		job_get(j);
		atomic_store(&j->state, JOB_QUEUED);
		TAILQ_INSERT_TAIL(&p->queue, j, link);
		p->queued++;
		pthread_cond_signal(&p->work);
	} else {
		r = -EAGAIN;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* ---- the pool ---- */

struct workpool *workpool_create(unsigned max)
{
	struct workpool *p = calloc(1, sizeof(*p) + max * sizeof(p->threads[0]));

	if (!p)
		return NULL;
	p->max = max;
	TAILQ_INIT(&p->queue);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
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

void workpool_destroy(struct workpool *p)
{
	struct job_list dropped = TAILQ_HEAD_INITIALIZER(dropped);
	struct job *j;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	TAILQ_CONCAT(&dropped, &p->queue, link);
	p->queued = 0;
	TAILQ_FOREACH (j, &dropped, link)
		atomic_store(&j->state, JOB_CANCELLED);
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->nthreads; i++)
		pthread_join(p->threads[i], NULL);
	while ((j = TAILQ_FIRST(&dropped))) {
		TAILQ_REMOVE(&dropped, j, link);
		job_put(j);
	}
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
