/*
 * PI locks: see futex.h.
 *
 * The word holds the owner's tid; the kernel side exists only while somebody waits: a struct
 *futex_pi, in the owner's list of what it holds, that all waiters of the lock point to. Who
 *unlocks, or ends, writes the first waiter's tid into the word and so makes it the owner before it
 *runs: with FIFO queues there is nothing to win by waking it first.
 *
 *	owner ends			another locks
 *	begin: EXITING			sees the tid: looks it up: EXITING: waits on `exits`
 *	robust walk: word = DIED
 *	end: word = DIED|next waiter	(or there was none: word is DIED, tid 0)
 *	DEAD, wakes `exits`		tries again: attaches to the new owner, or takes it
 */
#include "futex_priv.h"

#include <stdlib.h>

#define CHAIN_MAX 1024 /* locks waited for in a row, as Linux */

/* ---- owners ---- */

static struct futex_owner *owner_find(struct futex_table *ft, uint32_t tid)
{
	struct futex_owner *o;

	LIST_FOREACH (o, &ft->owners[tid % FUTEX_OWNER_HASH], hash)
		if (o->tid == tid)
			return o;
	return NULL;
}

static void owner_insert(struct futex_table *ft, struct futex_owner *o)
{
	o->state = FUTEX_OWNER_ALIVE;
	LIST_INSERT_HEAD(&ft->owners[o->tid % FUTEX_OWNER_HASH], o, hash);
}

static void owner_remove(struct futex_owner *o)
{
	if (o->state != FUTEX_OWNER_DEAD)
		LIST_REMOVE(o, hash);
	o->state = FUTEX_OWNER_DEAD;
}

void futex_owner_init(struct futex_table *ft, struct futex_owner *o, uint32_t tid)
{
	*o = (struct futex_owner){.tid = tid};
	LIST_INIT(&o->held);
	pthread_mutex_lock(&ft->pi_lock);
	owner_insert(ft, o);
	pthread_mutex_unlock(&ft->pi_lock);
}

void futex_owner_rename(struct futex_table *ft, struct futex_owner *o, uint32_t tid)
{
	pthread_mutex_lock(&ft->pi_lock);
	owner_remove(o);
	o->tid = tid;
	owner_insert(ft, o);
	pthread_mutex_unlock(&ft->pi_lock);
}

void futex_owner_revive(struct futex_table *ft, struct futex_owner *o)
{
	pthread_mutex_lock(&ft->pi_lock);
	if (o->state == FUTEX_OWNER_DEAD)
		owner_insert(ft, o);
	pthread_mutex_unlock(&ft->pi_lock);
}

/* ---- states ---- */

static void pi_attach(struct futex_pi *pi, struct futex_owner *o)
{
	pi->owner = o;
	LIST_INSERT_HEAD(&o->held, pi, held);
}

static void pi_detach(struct futex_pi *pi)
{
	LIST_REMOVE(pi, held);
	pi->owner = NULL;
}

static struct futex_pi *pi_make(struct futex_bucket *b, struct futex_owner *o,
				struct futex_pi **spare)
{
	struct futex_pi *pi = *spare;

	*spare = NULL;
	pi->bucket = b;
	pi_attach(pi, o);
	return pi;
}

struct futex_pi *futex_pi_new_locked(struct futex_table *ft, struct futex_bucket *b,
				     struct futex_owner *owner, struct futex_pi **spare)
{
	struct futex_pi *pi;

	pthread_mutex_lock(&ft->pi_lock);
	pi = pi_make(b, owner, spare);
	pthread_mutex_unlock(&ft->pi_lock);
	return pi;
}

void futex_pi_drop_locked(struct futex_table *ft, struct futex_pi *pi)
{
	if (pi->waiters)
		return;
	pthread_mutex_lock(&ft->pi_lock);
	pi_detach(pi);
	pthread_mutex_unlock(&ft->pi_lock);
	free(pi);
}

/* Waiting for pi, self would wait for itself. pi_lock held. */
static bool pi_deadlocks(const struct futex_pi *pi, const struct futex_owner *self)
{
	for (int depth = 0; pi; depth++) {
		if (pi->owner == self || depth == CHAIN_MAX)
			return true;
		pi = pi->owner->blocked_on;
	}
	return false;
}

int futex_pi_block_locked(struct futex_table *ft, struct futex_waiter *w, struct futex_pi *pi)
{
	bool deadlock;

	/* The look and the deed in one: two may be closing the same circle. */
	pthread_mutex_lock(&ft->pi_lock);
	deadlock = pi_deadlocks(pi, w->self);
	if (!deadlock)
		w->self->blocked_on = pi;
	pthread_mutex_unlock(&ft->pi_lock);
	if (deadlock)
		return -EDEADLK;
	w->pi = pi;
	pi->waiters++;
	return 0;
}

void futex_pi_forget_locked(struct futex_table *ft, struct futex_waiter *w)
{
	struct futex_pi *pi = w->pi;

	pthread_mutex_lock(&ft->pi_lock);
	w->self->blocked_on = NULL;
	pthread_mutex_unlock(&ft->pi_lock);
	w->pi = NULL;
	pi->waiters--;
	futex_pi_drop_locked(ft, pi);
}

/* ---- taking ---- */

/* Others wait already: whose lock it is, is known. Linux: attach_to_pi_state(). */
static int attach_to_waiter(const struct futex_waiter *top, uint32_t v, struct futex_pi **out)
{
	struct futex_pi *pi = top->pi;

	if (!pi)
		return -EINVAL;
	/* The robust walk has cleared the tid of an owner that is about to give its locks away. */
	if (!(v & FUTEX_WORD_TID ? pi->owner->tid == (v & FUTEX_WORD_TID) : v & FUTEX_WORD_DIED))
		return -EINVAL;
	*out = pi;
	return 0;
}

/* The word may name nobody because its owner has just ended; then its value has changed. */
static int owner_gone(const struct futex_word *word, uint32_t v)
{
	uint32_t now;
	int r = word_load(word, &now);

	if (r < 0)
		return r;
	return now == v ? -ESRCH : -ERETRY;
}

/* The first waiter: the tid in the word tells the owner. Linux: attach_to_pi_owner(). */
static int attach_to_owner(struct futex_table *ft, struct futex_bucket *b, uint32_t v,
			   const struct futex_word *word, struct futex_pi **spare,
			   struct futex_pi **out)
{
	struct futex_owner *o;
	int r = 0;

	pthread_mutex_lock(&ft->pi_lock);
	o = owner_find(ft, v & FUTEX_WORD_TID);
	if (!o)
		r = -ESRCH;
	else if (o->state == FUTEX_OWNER_EXITING)
		r = -EBUSY;
	else
		*out = pi_make(b, o, spare);
	pthread_mutex_unlock(&ft->pi_lock);
	return r == -ESRCH ? owner_gone(word, v) : r;
}

/* 0; -EFAULT; -ERETRY: it is not `from` any more. */
static int word_change(const struct futex_word *word, uint32_t from, uint32_t to)
{
	uint32_t found;
	int r = word_cmpxchg(word, from, to, &found);

	if (r < 0)
		return r;
	return found == from ? 0 : -ERETRY;
}

int futex_pi_try_locked(struct futex_table *ft, struct futex_bucket *b, const struct futex_key *key,
			const struct futex_word *word, struct futex_owner *self, bool set_waiters,
			struct futex_pi **spare, struct futex_pi **out)
{
	struct futex_waiter *top;
	uint32_t v, taken;
	int r = word_load(word, &v);

	if (r < 0)
		return r;
	if ((v & FUTEX_WORD_TID) == self->tid)
		return -EDEADLK;
	top = futex_first_locked(b, key);
	if (top)
		return attach_to_waiter(top, v, out);
	if (!(v & FUTEX_WORD_TID)) {
		taken = (v & FUTEX_WORD_DIED) | self->tid;
		if (set_waiters)
			taken |= FUTEX_WORD_WAITERS;
		r = word_change(word, v, taken);
		return r < 0 ? r : 1;
	}
	/* From here on its owner has to call us to unlock. */
	r = word_change(word, v, v | FUTEX_WORD_WAITERS);
	if (r < 0)
		return r;
	return attach_to_owner(ft, b, v | FUTEX_WORD_WAITERS, word, spare, out);
}

static int lock_or_queue_locked(struct futex_table *ft, struct futex_bucket *b,
				struct futex_waiter *w, bool try, struct futex_pi **spare)
{
	struct futex_pi *pi = NULL;
	int r = futex_pi_try_locked(ft, b, &w->key, &w->word, w->self, false, spare, &pi);

	if (r)
		return r;
	r = try ? -EAGAIN : futex_pi_block_locked(ft, w, pi);
	if (r == 0) {
		futex_queue_locked(b, w);
		return 0;
	}
	futex_pi_drop_locked(ft, pi);
	return r;
}

int futex_pi_lock(struct futex_table *ft, struct futex_waiter *w, bool try)
{
	struct futex_pi *spare = calloc(1, sizeof(*spare));
	bool waiting = false;
	int r;

	if (!spare)
		return -ENOMEM;
	for (;;) {
		struct futex_bucket *b = futex_lock(ft, &w->key);

		r = lock_or_queue_locked(ft, b, w, try, &spare);
		futex_unlock(b);
		/* Look again once we are queued: it may have ended meanwhile. */
		if (r == -EBUSY && !waiting) {
			waiting = waitq_add(&ft->exits, w->task, false) == 0;
			continue;
		}
		if (r != -ERETRY)
			break;
	}
	free(spare);
	if (r == 1)
		return 0;
	return r == 0 || r == -EBUSY ? -EBLOCKED : r;
}

/* ---- giving ---- */

/* w, the lock's first waiter, owns it now, and the word says so. */
static void give_locked(struct futex_table *ft, struct futex_bucket *b, struct futex_waiter *w)
{
	struct futex_pi *pi = w->pi;

	pthread_mutex_lock(&ft->pi_lock);
	w->self->blocked_on = NULL;
	pi_detach(pi);
	if (--pi->waiters)
		pi_attach(pi, w->self);
	pthread_mutex_unlock(&ft->pi_lock);
	if (!pi->waiters)
		free(pi);
	w->pi = NULL;
	futex_finish_locked(b, w, 0);
}

static int unlock_locked(struct futex_table *ft, struct futex_bucket *b,
			 const struct futex_key *key, const struct futex_word *word,
			 struct futex_owner *self)
{
	struct futex_waiter *top = futex_first_locked(b, key);
	uint32_t v, found;
	int r = word_load(word, &v);

	if (r < 0)
		return r;
	if ((v & FUTEX_WORD_TID) != self->tid)
		return -EPERM;
	if (!top) {
		r = word_change(word, v, 0);
		return r == -ERETRY ? -EAGAIN : r;
	}
	if (!top->pi || top->pi->owner != self)
		return -EINVAL;
	for (;;) {
		r = word_cmpxchg(word, v, FUTEX_WORD_WAITERS | top->self->tid, &found);
		if (r < 0)
			return r;
		if (found == v)
			break;
		/* Bits may come and go beside the tid, WAITERS for one; another tid is a fault. */
		if ((found & FUTEX_WORD_TID) != (v & FUTEX_WORD_TID))
			return -EINVAL;
		v = found;
	}
	give_locked(ft, b, top);
	return 0;
}

int futex_pi_unlock(struct futex_table *ft, const struct futex_key *key,
		    const struct futex_word *word, struct futex_owner *self)
{
	struct futex_bucket *b = futex_lock(ft, key);
	int r = unlock_locked(ft, b, key, word, self);

	futex_unlock(b);
	return r;
}

/* ---- the owner ends ---- */

void futex_owner_exit_begin(struct futex_table *ft, struct futex_owner *o)
{
	pthread_mutex_lock(&ft->pi_lock);
	if (o->state == FUTEX_OWNER_ALIVE)
		o->state = FUTEX_OWNER_EXITING;
	pthread_mutex_unlock(&ft->pi_lock);
}

/* In the waiter's memory: the dying one's may have no such mapping any more. */
static int inherit_word(const struct futex_waiter *w)
{
	uint32_t mine = FUTEX_WORD_WAITERS | FUTEX_WORD_DIED | w->self->tid, v, found;
	int r = word_load(&w->word, &found);

	do {
		if (r < 0)
			return r;
		v = found;
		r = word_cmpxchg(&w->word, v, mine, &found);
	} while (r < 0 || found != v);
	return 0;
}

/* The first waiter on pi. It has one. */
static struct futex_waiter *first_of_locked(struct futex_bucket *b, const struct futex_pi *pi)
{
	struct futex_waiter *w;

	TAILQ_FOREACH (w, &b->list, link)
		if (w->pi == pi)
			break;
	return w;
}

/* To the first waiter that can write the word; those that cannot get -EFAULT. */
static void bequeath_locked(struct futex_table *ft, struct futex_bucket *b, struct futex_pi *pi)
{
	unsigned left = pi->waiters;
	struct futex_waiter *w;

	while (left-- && (w = first_of_locked(b, pi))) {
		if (inherit_word(w) == 0) {
			give_locked(ft, b, w);
			return;
		}
		futex_pi_forget_locked(ft, w);
		futex_finish_locked(b, w, -EFAULT);
	}
}

/* What o holds next, its bucket locked; NULL: nothing, and it is dead to the table. */
static struct futex_pi *next_held(struct futex_table *ft, struct futex_owner *o)
{
	for (;;) {
		struct futex_bucket *b = NULL;
		struct futex_pi *pi;

		pthread_mutex_lock(&ft->pi_lock);
		pi = LIST_FIRST(&o->held);
		if (pi)
			b = pi->bucket;
		else
			owner_remove(o);
		pthread_mutex_unlock(&ft->pi_lock);
		if (!b)
			return NULL;
		pthread_mutex_lock(&b->lock);
		/* Its last waiter may have left before we had the lock: then pi is gone. */
		pthread_mutex_lock(&ft->pi_lock);
		pi = LIST_FIRST(&o->held);
		if (pi && pi->bucket != b)
			pi = NULL;
		pthread_mutex_unlock(&ft->pi_lock);
		if (pi)
			return pi;
		futex_unlock(b);
	}
}

void futex_owner_exit_end(struct futex_table *ft, struct futex_owner *o)
{
	struct futex_pi *pi;

	while ((pi = next_held(ft, o))) {
		struct futex_bucket *b = pi->bucket;

		bequeath_locked(ft, b, pi);
		futex_unlock(b);
	}
	waitq_wake_all(&ft->exits);
}

void futex_owner_fini(struct futex_table *ft, struct futex_owner *o)
{
	/* Its tid can be guessed before it is known: somebody may wait for it even if it never ran.
	 */
	futex_owner_exit_begin(ft, o);
	futex_owner_exit_end(ft, o);
}
