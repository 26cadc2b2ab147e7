/* Timers: a pairing heap of deadlines; see timer.h. */
#include "timer.h"

#include <stdlib.h>

struct timers {
	void (*rearm)(void *arg, int64_t deadline);
	void *arg;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* a callback has ended, or timers_run has */
	/* protected by lock: */
	struct timer *root;
	uint64_t seq;
	int64_t announced;    /* what rearm was last told */
	bool announcing;      /* some thread is in rearm, and looks again when it comes out */
	bool running;         /* some thread is in timers_run */
	pthread_t runner;     /* valid while running */
	struct timer *firing; /* its callback runs; compared only, it may be freed */
};

static bool timer_before(const struct timer *a, const struct timer *b)
{
	return a->deadline != b->deadline ? a->deadline < b->deadline : a->seq < b->seq;
}

/* Joins two roots; either may be NULL. */
static struct timer *heap_join(struct timer *a, struct timer *b)
{
	struct timer *t;

	if (!a || !b)
		return a ? a : b;
	if (timer_before(b, a)) {
		t = a;
		a = b;
		b = t;
	}
	b->prev = a;
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	a->child = b;
	return a;
}

/* One heap from a list of siblings: pairs from the left, then all from the right. */
static struct timer *heap_join_list(struct timer *first)
{
	struct timer *pairs = NULL, *root = NULL, *a, *b;

	while (first) {
		a = first;
		b = a->next;
		first = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = heap_join(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		a = pairs;
		pairs = a->next;
		a->next = NULL;
		root = heap_join(root, a);
	}
	return root;
}

static void heap_insert(struct timers *ts, struct timer *t)
{
	t->child = t->next = t->prev = NULL;
	t->armed = true;
	ts->root = heap_join(ts->root, t);
}

static void heap_remove(struct timers *ts, struct timer *t)
{
	struct timer *orphans = heap_join_list(t->child);

	if (t == ts->root) {
		ts->root = orphans;
	} else {
		if (t->prev->child == t)
			t->prev->child = t->next;
		else
			t->prev->next = t->next;
		if (t->next)
			t->next->prev = t->prev;
		ts->root = heap_join(ts->root, orphans);
	}
	t->child = t->next = t->prev = NULL;
	t->armed = false;
}

static int64_t timers_earliest_locked(const struct timers *ts)
{
	return ts->root ? ts->root->deadline : TIME_NEVER;
}

/*
 * Tells rearm about an earlier deadline. One thread at a time calls it, and looks again
 * afterwards: else two threads could deliver their deadlines in the wrong order and the
 * earlier one would be lost. timers_run does it once, at its end.
 */
static void timers_announce_locked(struct timers *ts)
{
	int64_t deadline;

	if (!ts->rearm || ts->announcing || ts->running)
		return;
	ts->announcing = true;
	while ((deadline = timers_earliest_locked(ts)) < ts->announced) {
		ts->announced = deadline;
		pthread_mutex_unlock(&ts->lock);
		ts->rearm(ts->arg, deadline);
		pthread_mutex_lock(&ts->lock);
	}
	ts->announcing = false;
}

struct timers *timers_create(void (*rearm)(void *arg, int64_t deadline), void *arg)
{
	struct timers *ts = calloc(1, sizeof(*ts));

	if (!ts)
		return NULL;
	ts->rearm = rearm;
	ts->arg = arg;
	ts->announced = TIME_NEVER;
	pthread_mutex_init(&ts->lock, NULL);
	pthread_cond_init(&ts->changed, NULL);
	return ts;
}

void timers_destroy(struct timers *ts)
{
	if (!ts)
		return;
	pthread_cond_destroy(&ts->changed);
	pthread_mutex_destroy(&ts->lock);
	free(ts);
}

void timer_init(struct timer *t, struct timers *ts, void (*fire)(struct timer *t))
{
	*t = (struct timer){.timers = ts, .fire = fire};
}

int timer_arm(struct timer *t, int64_t deadline)
{
	struct timers *ts = t->timers;

	pthread_mutex_lock(&ts->lock);
	if (t->armed)
		heap_remove(ts, t);
	t->deadline = deadline;
	t->seq = ts->seq++;
	heap_insert(ts, t);
	timers_announce_locked(ts);
	pthread_mutex_unlock(&ts->lock);
	return 0;
}

bool timer_is_armed(struct timer *t)
{
	bool armed;

	pthread_mutex_lock(&t->timers->lock);
	armed = t->armed;
	pthread_mutex_unlock(&t->timers->lock);
	return armed;
}

void timer_cancel(struct timer *t)
{
	struct timers *ts = t->timers;

	pthread_mutex_lock(&ts->lock);
	for (;;) {
		if (t->armed)
			heap_remove(ts, t);
		if (ts->firing != t || pthread_equal(ts->runner, pthread_self()))
			break;
		pthread_cond_wait(&ts->changed, &ts->lock);
	}
	pthread_mutex_unlock(&ts->lock);
}

int64_t timers_run(struct timers *ts, int64_t now)
{
	struct timer *t;
	int64_t next;

	pthread_mutex_lock(&ts->lock);
	while (ts->running)
		pthread_cond_wait(&ts->changed, &ts->lock);
	ts->running = true;
	ts->runner = pthread_self();
	/* A deadline of TIME_NEVER is never due, whatever `now` is. */
	while ((t = ts->root) && t->deadline <= now && t->deadline != TIME_NEVER) {
		heap_remove(ts, t);
		ts->firing = t;
		pthread_mutex_unlock(&ts->lock);
		t->fire(t);
		pthread_mutex_lock(&ts->lock);
		ts->firing = NULL;
		pthread_cond_broadcast(&ts->changed);
	}
	ts->running = false;
	pthread_cond_broadcast(&ts->changed);
	/* The deadline that was announced has been served (or was cancelled): announce anew. */
	ts->announced = TIME_NEVER;
	timers_announce_locked(ts);
	next = timers_earliest_locked(ts);
	pthread_mutex_unlock(&ts->lock);
	return next;
}
