/* Wait queues: see waitq.h. */
#include "waitq.h"

#include "sched.h"

#include <sched.h>
#include <stdlib.h>

_Static_assert(SCHED_INLINE_WAITERS < 32, "pool_used is a 32-bit map");

void waitq_init(struct waitq *wq)
{
	pthread_mutex_init(&wq->lock, NULL);
	TAILQ_INIT(&wq->list);
	TAILQ_INIT(&wq->exclusive);
	TAILQ_INIT(&wq->woken);
	TAILQ_INIT(&wq->watches);
}

/* ---- waiters: a few in the task, more from the heap ---- */

static struct waiter *waiter_alloc(struct sched_task *task)
{
	unsigned free_slots = ~task->pool_used & ((1u << SCHED_INLINE_WAITERS) - 1);
	unsigned slot;

	if (!free_slots)
		return calloc(1, sizeof(struct waiter));
	slot = (unsigned)__builtin_ctz(free_slots);
	task->pool_used |= 1u << slot;
	task->pool[slot] = (struct waiter){0};
	return &task->pool[slot];
}

static void waiter_free(struct sched_task *task, struct waiter *w)
{
	if (w >= task->pool && w < task->pool + SCHED_INLINE_WAITERS)
		task->pool_used &= ~(1u << (w - task->pool));
	else
		free(w);
}

static struct waiter_list *waiter_list_of(struct waitq *wq, const struct waiter *w)
{
	if (w->woken)
		return &wq->woken;
	return w->exclusive ? &wq->exclusive : &wq->list;
}

int waitq_add(struct waitq *wq, struct sched_task *task, bool exclusive)
{
	struct waiter *w = waiter_alloc(task);

	if (!w)
		return -ENOMEM;
	w->task = task;
	w->exclusive = exclusive;
	LIST_INSERT_HEAD(&task->waiters, w, own);
	pthread_mutex_lock(&wq->lock);
	pthread_mutex_lock(&task->wait_lock);
	w->wq = wq;
	TAILQ_INSERT_TAIL(waiter_list_of(wq, w), w, link);
	pthread_mutex_unlock(&task->wait_lock);
	pthread_mutex_unlock(&wq->lock);
	return 0;
}

/* ---- waking ---- */

/*
 * The task cannot go away meanwhile: to leave, its owner needs wait_lock.
 */
static void waiter_wake_locked(struct waitq *wq, struct waiter *w)
{
	struct sched_task *task = w->task;

	pthread_mutex_lock(&task->wait_lock);
	TAILQ_REMOVE(waiter_list_of(wq, w), w, link);
	if (w->exclusive) {
		w->woken = true;
		TAILQ_INSERT_TAIL(&wq->woken, w, link);
	} else {
		w->wq = NULL;
	}
	sched_wake(task);
	pthread_mutex_unlock(&task->wait_lock);
}

static void watches_tell_locked(struct waitq *wq)
{
	struct waitq_watch *w;
	bool taken = false;

	TAILQ_FOREACH (w, &wq->watches, link)
		if (!w->exclusive)
			w->notify(w);
		else if (!taken)
			taken = w->notify(w);
}

static int waitq_wake_locked(struct waitq *wq, int n)
{
	struct waiter *w;
	int woken = 0, left = n;

	while ((w = TAILQ_FIRST(&wq->list))) {
		waiter_wake_locked(wq, w);
		woken++;
	}
	while ((n < 0 || left-- > 0) && (w = TAILQ_FIRST(&wq->exclusive))) {
		waiter_wake_locked(wq, w);
		woken++;
	}
	return woken;
}

int waitq_wake(struct waitq *wq, int n)
{
	int woken;

	pthread_mutex_lock(&wq->lock);
	watches_tell_locked(wq);
	woken = waitq_wake_locked(wq, n);
	pthread_mutex_unlock(&wq->lock);
	return woken;
}

static int waitq_baton(struct waitq *wq, bool tell)
{
	int woken;

	pthread_mutex_lock(&wq->lock);
	if (tell)
		watches_tell_locked(wq);
	woken = waitq_wake_locked(wq, TAILQ_EMPTY(&wq->woken) ? 1 : 0);
	pthread_mutex_unlock(&wq->lock);
	return woken;
}

int waitq_hand(struct waitq *wq)
{
	return waitq_baton(wq, true);
}

int waitq_hand_on(struct waitq *wq)
{
	return waitq_baton(wq, false);
}

bool waitq_empty(struct waitq *wq)
{
	bool empty;

	pthread_mutex_lock(&wq->lock);
	empty = TAILQ_EMPTY(&wq->list) && TAILQ_EMPTY(&wq->exclusive);
	pthread_mutex_unlock(&wq->lock);
	return empty;
}

bool waitq_has_exclusive(struct waitq *wq)
{
	bool yes;

	pthread_mutex_lock(&wq->lock);
	yes = !TAILQ_EMPTY(&wq->exclusive);
	pthread_mutex_unlock(&wq->lock);
	return yes;
}

/* ---- leaving ---- */

/*
 * The owner takes w off its queue. The lock order is wq->lock, then wait_lock, but
 * only wait_lock tells the owner that the queue still exists (waitq_destroy needs it to
 * detach w): so it takes that one first and only tries the other.
 */
static void waiter_leave(struct waiter *w, bool pass_on)
{
	struct sched_task *task = w->task;
	struct waitq *wq;
	bool baton;

	for (;;) {
		pthread_mutex_lock(&task->wait_lock);
		wq = w->wq;
		if (!wq || !pthread_mutex_trylock(&wq->lock))
			break;
		pthread_mutex_unlock(&task->wait_lock);
		sched_yield();
	}
	if (!wq) {
		pthread_mutex_unlock(&task->wait_lock);
		return;
	}
	TAILQ_REMOVE(waiter_list_of(wq, w), w, link);
	baton = w->woken;
	w->wq = NULL;
	pthread_mutex_unlock(&task->wait_lock);
	if (baton && pass_on && TAILQ_EMPTY(&wq->woken))
		waitq_wake_locked(wq, 1);
	pthread_mutex_unlock(&wq->lock);
}

static void waitq_leave_all(struct sched_task *task, bool pass_on)
{
	struct waiter *w;

	while ((w = LIST_FIRST(&task->waiters))) {
		waiter_leave(w, pass_on);
		LIST_REMOVE(w, own);
		waiter_free(task, w);
	}
}

void waitq_remove_all(struct sched_task *task)
{
	waitq_leave_all(task, true);
}

void waitq_collect_all(struct sched_task *task)
{
	waitq_leave_all(task, false);
}

/* ---- watches ---- */

void waitq_watch_add(struct waitq *wq, struct waitq_watch *w, bool (*notify)(struct waitq_watch *w),
		     bool exclusive)
{
	*w = (struct waitq_watch){.notify = notify, .exclusive = exclusive};
	pthread_mutex_init(&w->lock, NULL);
	pthread_mutex_lock(&wq->lock);
	w->wq = wq;
	TAILQ_INSERT_TAIL(&wq->watches, w, link);
	pthread_mutex_unlock(&wq->lock);
}

void waitq_watch_remove(struct waitq_watch *w)
{
	struct waitq *wq;

	if (!w->notify)
		return;
	/* As waiter_leave: the queue may be destroyed meanwhile, which needs w->lock. */
	for (;;) {
		pthread_mutex_lock(&w->lock);
		wq = w->wq;
		if (!wq || !pthread_mutex_trylock(&wq->lock))
			break;
		pthread_mutex_unlock(&w->lock);
		sched_yield();
	}
	if (wq) {
		TAILQ_REMOVE(&wq->watches, w, link);
		w->wq = NULL;
		pthread_mutex_unlock(&wq->lock);
	}
	pthread_mutex_unlock(&w->lock);
	pthread_mutex_destroy(&w->lock);
	w->notify = NULL;
}

void waitq_destroy(struct waitq *wq)
{
	struct waitq_watch *watch;
	struct waiter *w;

	pthread_mutex_lock(&wq->lock);
	watches_tell_locked(wq);
	while ((watch = TAILQ_FIRST(&wq->watches))) {
		pthread_mutex_lock(&watch->lock);
		TAILQ_REMOVE(&wq->watches, watch, link);
		watch->wq = NULL;
		pthread_mutex_unlock(&watch->lock);
	}
	waitq_wake_locked(wq, -1);
	while ((w = TAILQ_FIRST(&wq->woken))) {
		struct sched_task *task = w->task;

		pthread_mutex_lock(&task->wait_lock);
		TAILQ_REMOVE(&wq->woken, w, link);
		w->woken = false;
		w->wq = NULL;
		pthread_mutex_unlock(&task->wait_lock);
	}
	pthread_mutex_unlock(&wq->lock);
	pthread_mutex_destroy(&wq->lock);
}
