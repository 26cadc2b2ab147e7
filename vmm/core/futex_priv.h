/*
 * What the files of the futex manager share: see futex.h. Nothing else includes this.
 *
 * _locked: the bucket's lock is held.
 */
#ifndef VMBOX_CORE_FUTEX_PRIV_H
#define VMBOX_CORE_FUTEX_PRIV_H

#include "futex.h"

#define FUTEX_OWNER_HASH 1024

/* The word changed between our load and our exchange: start again. Never leaves the manager. */
#define ERETRY 601

struct futex_bucket {
	pthread_mutex_t lock;
	TAILQ_HEAD(futex_waiter_list, futex_waiter)
	list; /* protected by lock; made at the first lock */
};

/* A PI lock that has waiters. Below its bucket's lock; freed with its last waiter. */
struct futex_pi {
	/* immutable: */
	struct futex_bucket *bucket;
	/* protected by the bucket's lock: */
	unsigned waiters;
	/* changed with the bucket's lock and pi_lock held, read with either: */
	struct futex_owner *owner;
	/* protected by pi_lock: */
	LIST_ENTRY(futex_pi) held; /* of its owner */
};

struct futex_table {
	/* immutable after init: */
	unsigned mask;
	struct futex_bucket *bucket;
	/* Who waits until some owner has finished its exit. */
	struct waitq exits;
	/* Owners, and who holds what. Nothing is taken under it. */
	pthread_mutex_t pi_lock;
	LIST_HEAD(, futex_owner) owners[FUTEX_OWNER_HASH]; /* protected by pi_lock; by tid */
};

/* ---- futex.c ---- */

struct futex_bucket *futex_bucket_of(struct futex_table *ft, const struct futex_key *key);
struct futex_bucket *futex_lock(struct futex_table *ft, const struct futex_key *key);
void futex_unlock(struct futex_bucket *b);
/* Two buckets, which may be one. */
void futex_lock_two(struct futex_bucket *a, struct futex_bucket *b);
void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b);

/* The first waiter on key at or after w (NULL: none). */
struct futex_waiter *futex_match_locked(struct futex_waiter *w, const struct futex_key *key);
struct futex_waiter *futex_first_locked(struct futex_bucket *b, const struct futex_key *key);
void futex_queue_locked(struct futex_bucket *b, struct futex_waiter *w);
/* From one list to the end of another; both locked. */
void futex_move_locked(struct futex_bucket *from, struct futex_bucket *to, struct futex_waiter *w,
		       const struct futex_key *key);
/* Off its list, woken with a result. w may be gone afterwards. */
void futex_finish_locked(struct futex_bucket *b, struct futex_waiter *w, int result);

static inline int word_load(const struct futex_word *w, uint32_t *v)
{
	return w->ops->load(w->mem, w->addr, v);
}

static inline int word_cmpxchg(const struct futex_word *w, uint32_t expected, uint32_t desired,
			       uint32_t *found)
{
	return w->ops->cmpxchg(w->mem, w->addr, expected, desired, found);
}

static inline bool futex_waits_for_pi(const struct futex_waiter *w)
{
	return w->pi || w->requeue_pi;
}

/* ---- futex_pi.c ---- */

/* w, queued for a PI lock, is about to leave its list. */
void futex_pi_forget_locked(struct futex_table *ft, struct futex_waiter *w);

/*
 * Tries to take the lock for self. 1: taken, the word says so (with WAITERS if set_waiters). 0:
 * *out is the lock's state, with no new waiter; if that was none it was made from *spare. -EAGAIN:
 * the word changed, try again; -EBUSY: its owner is just ending; others as futex_pi_lock.
 */
int futex_pi_try_locked(struct futex_table *ft, struct futex_bucket *b, const struct futex_key *key,
			const struct futex_word *word, struct futex_owner *self, bool set_waiters,
			struct futex_pi **spare, struct futex_pi **out);
/* A state for a lock that `owner`, who cannot end meanwhile, holds; from *spare. */
struct futex_pi *futex_pi_new_locked(struct futex_table *ft, struct futex_bucket *b,
				     struct futex_owner *owner, struct futex_pi **spare);
/* Makes w, not or otherwise queued, a waiter for pi; the caller puts it on the list. 0, or
 * -EDEADLK. */
int futex_pi_block_locked(struct futex_table *ft, struct futex_waiter *w, struct futex_pi *pi);
/* Frees a state that got no waiter. */
void futex_pi_drop_locked(struct futex_table *ft, struct futex_pi *pi);

#endif
