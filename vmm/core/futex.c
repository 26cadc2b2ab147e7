/* The hash of futexes and the lists in it: see futex.h. */
#include "futex_priv.h"

#include <stdlib.h>
#include <string.h>

static bool bytes_are_zero(const void *p, size_t n)
{
	const unsigned char *c = p;

	while (n && !*c) {
		c++;
		n--;
	}
	return n == 0;
}

struct futex_table *futex_table_create(unsigned buckets)
{
	static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
	struct futex_table *ft;

	if (buckets < 256 || buckets & (buckets - 1))
		return NULL;
	ft = calloc(1, sizeof(*ft));
	if (!ft)
		return NULL;
	ft->mask = buckets - 1;
	ft->bucket = calloc(buckets, sizeof(*ft->bucket));
	if (!ft->bucket) {
		free(ft);
		return NULL;
	}
	/* Most programs use a handful: leave the rest as the untouched zero pages they are. */
	if (!bytes_are_zero(&fresh, sizeof(fresh)))
		for (unsigned i = 0; i < buckets; i++)
			pthread_mutex_init(&ft->bucket[i].lock, NULL);
	waitq_init(&ft->exits);
	pthread_mutex_init(&ft->pi_lock, NULL);
	for (unsigned i = 0; i < FUTEX_OWNER_HASH; i++)
		LIST_INIT(&ft->owners[i]);
	return ft;
}

void futex_table_destroy(struct futex_table *ft)
{
	if (!ft)
		return;
	waitq_destroy(&ft->exits);
	pthread_mutex_destroy(&ft->pi_lock);
	free(ft->bucket);
	free(ft);
}

/* ---- buckets ---- */

static uint64_t mix(uint64_t v)
{
	v ^= v >> 32;
	v *= 0x9e3779b97f4a7c15ULL;
	return v ^ v >> 29;
}

struct futex_bucket *futex_bucket_of(struct futex_table *ft, const struct futex_key *key)
{
	uint64_t h = mix(key->offset >> 2 ^ mix(key->id ^ (uint64_t)key->kind << 62));

	return &ft->bucket[h >> 13 & ft->mask];
}

static void bucket_lock(struct futex_bucket *b)
{
	pthread_mutex_lock(&b->lock);
	if (!b->list.tqh_last)
		TAILQ_INIT(&b->list);
}

struct futex_bucket *futex_lock(struct futex_table *ft, const struct futex_key *key)
{
	struct futex_bucket *b = futex_bucket_of(ft, key);

	bucket_lock(b);
	return b;
}

void futex_unlock(struct futex_bucket *b)
{
	pthread_mutex_unlock(&b->lock);
}

void futex_lock_two(struct futex_bucket *a, struct futex_bucket *b)
{
	bucket_lock(a < b ? a : b);
	if (a != b)
		bucket_lock(a < b ? b : a);
}

void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b)
{
	futex_unlock(a);
	if (a != b)
		futex_unlock(b);
}

/* ---- lists ---- */

struct futex_waiter *futex_match_locked(struct futex_waiter *w, const struct futex_key *key)
{
	while (w && !futex_key_equal(&w->key, key))
		w = TAILQ_NEXT(w, link);
	return w;
}

struct futex_waiter *futex_first_locked(struct futex_bucket *b, const struct futex_key *key)
{
	return futex_match_locked(TAILQ_FIRST(&b->list), key);
}

void futex_queue_locked(struct futex_bucket *b, struct futex_waiter *w)
{
	TAILQ_INSERT_TAIL(&b->list, w, link);
	atomic_store_explicit(&w->bucket, b, memory_order_release);
}

void futex_move_locked(struct futex_bucket *from, struct futex_bucket *to, struct futex_waiter *w,
		       const struct futex_key *key)
{
	TAILQ_REMOVE(&from->list, w, link);
	w->key = *key;
	futex_queue_locked(to, w);
}

void futex_finish_locked(struct futex_bucket *b, struct futex_waiter *w, int result)
{
	TAILQ_REMOVE(&b->list, w, link);
	w->result = result;
	/*
	 *	waker				task
	 *	w->woken = true			sched_prepare: task->woken = false
	 *	sched_wake: task->woken = true	w->woken? no: blocks
	 *	w->bucket = NULL		sched_block: refused if task->woken
	 *
	 * With woken set after the wake the task could miss both. Until bucket is NULL it does not
	 * end its call, so that task and w exist: see futex_woken().
	 */
	w->woken = true;
	sched_wake(w->task);
	atomic_store_explicit(&w->bucket, NULL, memory_order_release);
}

/* ---- leaving ---- */

/* A requeue may move it between our look at w->bucket and the lock. */
static struct futex_bucket *lock_of(struct futex_waiter *w)
{
	struct futex_bucket *b;

	while ((b = atomic_load_explicit(&w->bucket, memory_order_acquire))) {
		bucket_lock(b);
		if (atomic_load_explicit(&w->bucket, memory_order_relaxed) == b)
			return b;
		futex_unlock(b);
	}
	return NULL;
}

int futex_woken(struct futex_waiter *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (!w[i].woken)
			continue;
		/* Its waker may still be at it, under the lock: wait for that, a moment. */
		if (futex_queued(&w[i]))
			lock_of(&w[i]);
		return (int)i;
	}
	return -1;
}

static void leave_one(struct futex_table *ft, struct futex_waiter *w)
{
	struct futex_bucket *b = lock_of(w);

	if (!b)
		return;
	if (w->pi)
		futex_pi_forget_locked(ft, w);
	TAILQ_REMOVE(&b->list, w, link);
	atomic_store_explicit(&w->bucket, NULL, memory_order_relaxed);
	futex_unlock(b);
}

int futex_leave(struct futex_table *ft, struct futex_waiter *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		leave_one(ft, &w[i]);
	return futex_woken(w, n);
}
