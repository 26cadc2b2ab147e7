/*
 * Futexes: who waits on which word, and how it is woken. Decoding is the personality's.
 *
 * A futex_table is a hash of buckets. A bucket's lock protects its list and every queued waiter's
 * fields; the comparison of a word with the expected value happens under that lock, so that
 * a waker who changed the word and then wakes cannot be missed:
 *
 *	waiter				waker
 *	lock bucket			change the word
 *	read the word: as expected	lock bucket: waits for the waiter, or was first and then
 *	queue				  the waiter reads the new word
 *	unlock				wake what is queued; unlock
 *
 * Words are reached through callbacks: this module knows no guest memory. They are called with
 * bucket locks held, and may take the locks of memory, nothing above. Lock order: bucket (two: the
 * lower address first) > pi_lock; bucket > what the callbacks take; bucket > sched.
 *
 * Waiters live in their call's state. A waker takes a waiter off its list and marks it woken in
 * one step; so a task that is woken, times out and gets a signal at once looks at its waiter first
 * and never loses a wake that somebody has counted.
 *
 * FIFO among the waiters of a key. Two keys are equal only if their kinds are.
 * Follows futex(2) and Linux's kernel/futex, which this is split like.
 */
#ifndef VMBOX_CORE_FUTEX_H
#define VMBOX_CORE_FUTEX_H

#include "core.h"
#include "sched.h"

/* What a lock's word holds: PI and robust futexes. */
#define FUTEX_WORD_WAITERS 0x80000000U
#define FUTEX_WORD_DIED    0x40000000U
#define FUTEX_WORD_TID     0x3fffffffU

#define FUTEX_BITSET_ANY 0xffffffffU
#define FUTEX_BUCKETS    16384

struct futex_table;
struct futex_bucket;
struct futex_pi;

enum futex_kind {
	FUTEX_KEY_PRIVATE, /* {address-space id, address}: the caller promised it is not shared */
	FUTEX_KEY_SPACE,   /* the same, found by looking: memory of one address space */
	FUTEX_KEY_OBJECT,  /* {object id, offset}: shared memory */
};

struct futex_key {
	enum futex_kind kind;
	uint64_t id, offset;
};

static inline bool futex_key_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->offset == b->offset && a->id == b->id && a->kind == b->kind;
}

/* Both 0 or -EFAULT, and atomic. cmpxchg: *found is what was there; it was stored if that equals
 * expected. */
struct futex_mem_ops {
	int (*load)(void *mem, uint64_t addr, uint32_t *out);
	int (*cmpxchg)(void *mem, uint64_t addr, uint32_t expected, uint32_t desired,
		       uint32_t *found);
};

/* A word as one address space sees it. mem must live as long as a waiter with it is queued. */
struct futex_word {
	const struct futex_mem_ops *ops;
	void *mem;
	uint64_t addr;
};

/* A task as the owner of PI locks. */
struct futex_owner {
	/* protected by the table's pi_lock: */
	uint32_t tid;
	enum { FUTEX_OWNER_ALIVE, FUTEX_OWNER_EXITING, FUTEX_OWNER_DEAD } state;
	LIST_HEAD(, futex_pi) held;  /* locks of its that have waiters */
	struct futex_pi *blocked_on; /* the lock it waits for */
	LIST_ENTRY(futex_owner) hash;
};

struct futex_waiter {
	/* set by the caller, constant while queued: */
	struct sched_task *task;
	struct futex_owner *self; /* PI: who shall own the lock */
	uint32_t value;           /* what the word must hold */
	uint32_t bitset;          /* not 0 */
	/* set by the caller; then protected by the bucket's lock (a requeue changes them): */
	struct futex_key key;
	struct futex_word word;
	bool requeue_pi; /* waits to be moved to the PI lock `target`; false once it has been */
	struct futex_key target;
	struct futex_word target_word;
	/* protected by the bucket's lock; zero before the first use: */
	struct futex_pi *pi; /* waits for this PI lock */
	int result;          /* once woken: 0; or -EFAULT: its lock's word cannot be written */
	/* Set before the task is woken: a run that the wake causes, or comes before, sees it. */
	_Atomic bool woken;
	TAILQ_ENTRY(futex_waiter) link;
	/* Where it is queued; NULL: not. Only a holder of that bucket's lock changes it. */
	_Atomic(struct futex_bucket *) bucket;
};

/* buckets: a power of two, at least 256. NULL: no memory. */
struct futex_table *futex_table_create(unsigned buckets);
/* Nobody may be queued. ft may be NULL. */
void futex_table_destroy(struct futex_table *ft);

/* ---- waiting: futex_waitwake.c ---- */

/*
 * Queues n waiters of one task, each if its word holds its value. -EBLOCKED: all are queued; the
 * caller blocks and asks futex_woken() when it runs again. -EAGAIN (another value), -EFAULT: none
 * is queued. >= 0: a later one failed, but the one with this index had been woken meanwhile, and
 * that counts; none is queued.
 */
int futex_wait(struct futex_table *ft, struct futex_waiter *w, unsigned n);
/* The index of the first of n waiters that has been woken, or -1. Its waker is done with it. */
int futex_woken(struct futex_waiter *w, unsigned n);
/*
 * Takes all that are still queued off. The index of the first that had been woken, or -1: after
 * this nobody can count it any more. Waiters that were never queued are left alone.
 */
int futex_leave(struct futex_table *ft, struct futex_waiter *w, unsigned n);

/* ---- waking: futex_waitwake.c, futex_requeue.c ---- */

/*
 * Wakes waiters on key whose bitset meets `bitset`, in order: up to n, one at least (n <= 0 is 1).
 * How many; -EINVAL: a PI waiter is among them (those before it are woken).
 */
int futex_wake(struct futex_table *ft, const struct futex_key *key, int n, uint32_t bitset);

/*
 * Before a futex_wake(key, n, bitset): stores to the word FUTEX_WORD_WAITERS if that will leave
 * waiters on key, else 0. 0 or -EFAULT.
 */
int futex_release(struct futex_table *ft, const struct futex_key *key,
		  const struct futex_word *word, int n, uint32_t bitset);

/* What FUTEX_WAKE_OP does to the second word: decoded. */
struct futex_op {
	unsigned op, cmp; /* FUTEX_OP_*: 0..4, 0..5; others -ENOSYS */
	int oparg, cmparg;
};
/*
 * Atomically *word2 = *word2 op oparg; wakes n1 waiters on key1 and, if the old value compares
 * true, n2 on key2. The sum; -ENOSYS: no such op (nothing done) or comparison (word2 is changed);
 * -EFAULT; -EINVAL: a PI waiter.
 */
int futex_wake_op(struct futex_table *ft, const struct futex_key *key1,
		  const struct futex_key *key2, const struct futex_word *word2, int n1, int n2,
		  const struct futex_op *op);

/*
 * Wakes up to nwake waiters on key1 and moves up to nrequeue of the rest to key2. word1, if
 * not NULL, must hold `value`. Both counts >= 0. Woken + moved; -EFAULT; -EAGAIN: another
 * value; -EINVAL: a PI waiter.
 */
int futex_requeue(struct futex_table *ft, const struct futex_key *key1,
		  const struct futex_word *word1, uint32_t value, const struct futex_key *key2,
		  int nwake, int nrequeue);

/* ---- priority-inheritance locks: futex_pi.c, futex_requeue.c. Ownership is real, priority is not.
 * ---- */

/* Every task that may own a lock: from before its tid is known to others ... */
void futex_owner_init(struct futex_table *ft, struct futex_owner *o, uint32_t tid);
/* (execve by a thread gives it its process's tid) */
void futex_owner_rename(struct futex_table *ft, struct futex_owner *o, uint32_t tid);
/* ... until it ends: from `begin` on who wants one of its locks waits for `end`, between which its
 * robust lists are walked; `end` gives each of its locks to the first waiter, marked
 * FUTEX_WORD_DIED. */
void futex_owner_exit_begin(struct futex_table *ft, struct futex_owner *o);
void futex_owner_exit_end(struct futex_table *ft, struct futex_owner *o);
/* After `end` in an execve: the task goes on. */
void futex_owner_revive(struct futex_table *ft, struct futex_owner *o);
/* It leaves the table; what it holds goes to its waiters. Idempotent. */
void futex_owner_fini(struct futex_table *ft, struct futex_owner *o);

/*
 * Takes the lock w->key for w->self, or queues w. 0: taken. -EBLOCKED: queued, or its owner is just
 * ending: when the task runs again, call it again unless futex_queued() or futex_woken(); woken
 * with result 0 is the lock's owner. try: not queued, -EAGAIN. -EFAULT. -EDEADLK: self owns it, or
 * it owner waits, directly or not, for self. -EINVAL: a waiter that is no PI waiter, or state and
 * word disagree. -ESRCH: its owner is no task. -ENOMEM. w->value and bitset are not used.
 */
int futex_pi_lock(struct futex_table *ft, struct futex_waiter *w, bool try);
/* Gives the lock to its first waiter, or frees it. 0; -EFAULT; -EPERM: self does not own it;
 * -EINVAL: as above; -EAGAIN: the word changed meanwhile. */
int futex_pi_unlock(struct futex_table *ft, const struct futex_key *key,
		    const struct futex_word *word, struct futex_owner *self);
/*
 * Waiters on key1 that wait (futex_wait) with requeue_pi for this target: takes the lock key2 for
 * the first if it is free, moves up to nrequeue of the rest there. word1 must hold `value`. How
 * many were woken or moved; -EBLOCKED: the owner is just ending, task is queued: call again;
 * -EAGAIN: another value; -EINVAL: another kind of waiter, or target; and what futex_pi_lock says
 * of the first.
 */
int futex_pi_requeue(struct futex_table *ft, const struct futex_key *key1,
		     const struct futex_word *word1, uint32_t value, const struct futex_key *key2,
		     const struct futex_word *word2, int nrequeue, struct sched_task *task);

/* It is on a list now. */
static inline bool futex_queued(const struct futex_waiter *w)
{
	return atomic_load_explicit(&w->bucket, memory_order_acquire) != NULL;
}

#endif
