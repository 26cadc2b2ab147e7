/* REQUEUE, CMP_REQUEUE and CMP_REQUEUE_PI: see futex.h. */
#include "futex_priv.h"

#include <stdlib.h>

/* Visits the waiters on a key that were queued when it began; those that are moved meanwhile, maybe
 * to the same list's end, are not met again. */
struct walk {
	struct futex_waiter *next, *last;
	const struct futex_key *key;
};

static void walk_begin(struct walk *k, struct futex_bucket *b, const struct futex_key *key)
{
	k->next = futex_first_locked(b, key);
	k->last = TAILQ_LAST(&b->list, futex_waiter_list);
	k->key = key;
}

static struct futex_waiter *walk_next(struct walk *k)
{
	struct futex_waiter *w = k->next;

	if (!w)
		return NULL;
	/* The last one of old may lie behind this one without matching: stop there. */
	k->next = NULL;
	for (struct futex_waiter *n = w; n != k->last;) {
		n = TAILQ_NEXT(n, link);
		if (futex_key_equal(&n->key, k->key)) {
			k->next = n;
			break;
		}
	}
	return w;
}

static int compare_locked(const struct futex_word *word, uint32_t value)
{
	uint32_t v;
	int r = word_load(word, &v);

	if (r < 0)
		return r;
	return v == value ? 0 : -EAGAIN;
}

int futex_requeue(struct futex_table *ft, const struct futex_key *key1,
		  const struct futex_word *word1, uint32_t value, const struct futex_key *key2,
		  int nwake, int nrequeue)
{
	struct futex_bucket *b1 = futex_bucket_of(ft, key1), *b2 = futex_bucket_of(ft, key2);
	int64_t total = (int64_t)nwake + nrequeue;
	struct futex_waiter *w;
	struct walk walk;
	int done = 0, r = 0;

	futex_lock_two(b1, b2);
	if (word1)
		r = compare_locked(word1, value);
	if (r < 0)
		goto out;
	walk_begin(&walk, b1, key1);
	while (done < total && (w = walk_next(&walk))) {
		if (futex_waits_for_pi(w)) {
			r = -EINVAL;
			break;
		}
		if (done++ < nwake)
			futex_finish_locked(b1, w, 0);
		else
			futex_move_locked(b1, b2, w, key2);
	}
out:
	futex_unlock_two(b1, b2);
	return r < 0 ? r : done;
}

/* ---- to a PI lock ---- */

struct pi_requeue {
	struct futex_table *ft;
	struct futex_bucket *b1, *b2;
	const struct futex_key *key1, *key2;
	const struct futex_word *word2;
	int nrequeue;
	struct futex_pi *spare;
};

/* It waits for a requeue to just this lock. */
static bool wants_locked(const struct futex_waiter *w, const struct futex_key *key)
{
	return w->requeue_pi && futex_key_equal(&w->target, key);
}

static int move_all_locked(struct pi_requeue *q, struct futex_pi *pi, int done)
{
	struct futex_waiter *w;
	struct walk walk;
	int r;

	walk_begin(&walk, q->b1, q->key1);
	/* The first may have been woken instead; it counts apart. */
	while (done - 1 < q->nrequeue && (w = walk_next(&walk))) {
		if (!wants_locked(w, q->key2))
			return -EINVAL;
		r = futex_pi_block_locked(q->ft, w, pi);
		if (r < 0)
			return r;
		w->requeue_pi = false;
		w->word = w->target_word;
		futex_move_locked(q->b1, q->b2, w, q->key2);
		done++;
	}
	return done;
}

static int pi_requeue_locked(struct pi_requeue *q, const struct futex_word *word1, uint32_t value)
{
	struct futex_waiter *top;
	struct futex_pi *pi = NULL;
	int r = compare_locked(word1, value), done = 0;
	uint32_t v;

	if (r < 0)
		return r;
	top = futex_first_locked(q->b1, q->key1);
	if (!top)
		return word_load(q->word2, &v);
	if (!wants_locked(top, q->key2))
		return -EINVAL;
	r = futex_pi_try_locked(q->ft, q->b2, q->key2, q->word2, top->self, q->nrequeue > 0,
				&q->spare, &pi);
	if (r < 0)
		return r;
	if (r > 0) {
		/* Once it is woken its owner may end: what the others wait for is made first. */
		if (q->nrequeue > 0)
			pi = futex_pi_new_locked(q->ft, q->b2, top->self, &q->spare);
		futex_finish_locked(q->b1, top, 0);
		done = 1;
	}
	r = pi ? move_all_locked(q, pi, done) : done;
	if (pi)
		futex_pi_drop_locked(q->ft, pi);
	return r;
}

int futex_pi_requeue(struct futex_table *ft, const struct futex_key *key1,
		     const struct futex_word *word1, uint32_t value, const struct futex_key *key2,
		     const struct futex_word *word2, int nrequeue, struct sched_task *task)
{
	struct pi_requeue q = {
		.ft = ft,
		.b1 = futex_bucket_of(ft, key1),
		.b2 = futex_bucket_of(ft, key2),
		.key1 = key1,
		.key2 = key2,
		.word2 = word2,
		.nrequeue = nrequeue,
		.spare = calloc(1, sizeof(struct futex_pi)),
	};
	bool waiting = false;
	int r;

	if (!q.spare)
		return -ENOMEM;
	for (;;) {
		futex_lock_two(q.b1, q.b2);
		r = pi_requeue_locked(&q, word1, value);
		futex_unlock_two(q.b1, q.b2);
		if (r == -EBUSY && !waiting) {
			waiting = waitq_add(&ft->exits, task, false) == 0;
			continue;
		}
		if (r != -ERETRY)
			break;
	}
	free(q.spare);
	return r == -EBUSY ? -EBLOCKED : r;
}
