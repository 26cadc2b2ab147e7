/* WAIT, waitv, WAKE and WAKE_OP: see futex.h. */
#include "futex_priv.h"

static int wait_one(struct futex_table *ft, struct futex_waiter *w)
{
	struct futex_bucket *b = futex_lock(ft, &w->key);
	uint32_t v;
	int r = word_load(&w->word, &v);

	if (r == 0 && v != w->value)
		r = -EAGAIN;
	if (r == 0)
		futex_queue_locked(b, w);
	futex_unlock(b);
	return r;
}

int futex_wait(struct futex_table *ft, struct futex_waiter *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int woken, r = wait_one(ft, &w[i]);

		if (r == 0)
			continue;
		/* A wake of one that was queued already was counted by its waker. */
		woken = futex_leave(ft, w, i);
		return woken >= 0 ? woken : r;
	}
	return -EBLOCKED;
}

static int wake_locked(struct futex_bucket *b, const struct futex_key *key, int n, uint32_t bitset)
{
	struct futex_waiter *w = futex_first_locked(b, key);
	int woken = 0;

	while (w) {
		struct futex_waiter *next = TAILQ_NEXT(w, link);

		if (futex_waits_for_pi(w))
			return -EINVAL;
		if (w->bitset & bitset) {
			futex_finish_locked(b, w, 0);
			if (++woken >= n)
				break;
		}
		w = futex_match_locked(next, key);
	}
	return woken;
}

int futex_wake(struct futex_table *ft, const struct futex_key *key, int n, uint32_t bitset)
{
	struct futex_bucket *b = futex_lock(ft, key);
	int r = wake_locked(b, key, n, bitset);

	futex_unlock(b);
	return r;
}

int futex_release(struct futex_table *ft, const struct futex_key *key,
		  const struct futex_word *word, int n, uint32_t bitset)
{
	struct futex_bucket *b = futex_lock(ft, key);
	uint32_t v, found, leave = 0;
	int left = n < 1 ? 1 : n, r;

	for (struct futex_waiter *w = futex_first_locked(b, key); w && !leave;
	     w = futex_match_locked(TAILQ_NEXT(w, link), key))
		if (!(w->bitset & bitset) || left-- == 0)
			leave = FUTEX_WORD_WAITERS;
	r = word_load(word, &found);
	do {
		if (r < 0)
			break;
		v = found;
		r = word_cmpxchg(word, v, leave, &found);
	} while (r < 0 || found != v);
	futex_unlock(b);
	return r;
}

/* ---- FUTEX_WAKE_OP ---- */

enum { OP_SET, OP_ADD, OP_OR, OP_ANDN, OP_XOR, OP_COUNT };
enum { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };

static uint32_t op_apply(const struct futex_op *op, uint32_t v)
{
	uint32_t arg = (uint32_t)op->oparg;

	switch (op->op) {
	case OP_SET:
		return arg;
	case OP_ADD:
		return v + arg;
	case OP_OR:
		return v | arg;
	case OP_ANDN:
		return v & ~arg;
	default:
		return v ^ arg;
	}
}

static int op_compare(const struct futex_op *op, uint32_t old)
{
	int v = (int)old, arg = op->cmparg;

	switch (op->cmp) {
	case CMP_EQ:
		return v == arg;
	case CMP_NE:
		return v != arg;
	case CMP_LT:
		return v < arg;
	case CMP_LE:
		return v <= arg;
	case CMP_GT:
		return v > arg;
	case CMP_GE:
		return v >= arg;
	default:
		return -ENOSYS;
	}
}

/* 1 or 0: how the old value compares. As Linux, a bad comparison is found after the store. */
static int op_run(const struct futex_op *op, const struct futex_word *word)
{
	uint32_t v, found;
	int r;

	if (op->op >= OP_COUNT)
		return -ENOSYS;
	r = word_load(word, &found);
	if (r < 0)
		return r;
	do {
		v = found;
		r = word_cmpxchg(word, v, op_apply(op, v), &found);
		if (r < 0)
			return r;
	} while (found != v);
	return op_compare(op, v);
}

int futex_wake_op(struct futex_table *ft, const struct futex_key *key1,
		  const struct futex_key *key2, const struct futex_word *word2, int n1, int n2,
		  const struct futex_op *op)
{
	struct futex_bucket *b1 = futex_bucket_of(ft, key1), *b2 = futex_bucket_of(ft, key2);
	int second, r, woken;

	futex_lock_two(b1, b2);
	second = op_run(op, word2);
	if (second < 0) {
		r = second;
		goto out;
	}
	r = wake_locked(b1, key1, n1, FUTEX_BITSET_ANY);
	if (r < 0 || !second)
		goto out;
	woken = wake_locked(b2, key2, n2, FUTEX_BITSET_ANY);
	r = woken < 0 ? woken : r + woken;
out:
	futex_unlock_two(b1, b2);
	return r;
}
