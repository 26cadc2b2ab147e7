/*
 * Between futex system calls and the manager (core/futex.h): the ABI's numbers, keys of guest
 * addresses, waiters kept in a call.
 *
 * Owns nothing: waiters belong to their call (c->state), whose end takes them off.
 */
#ifndef VMBOX_LINUX_FUTEX_USER_H
#define VMBOX_LINUX_FUTEX_USER_H

#include "task.h"
#include "../core/futex.h"

/* futex(2)'s operations and flags; those of Linux 7.2 are not in every header. */
enum {
	FUTEX_WAIT = 0,
	FUTEX_WAKE = 1,
	FUTEX_REQUEUE = 3,
	FUTEX_CMP_REQUEUE = 4,
	FUTEX_WAKE_OP = 5,
	FUTEX_LOCK_PI = 6,
	FUTEX_UNLOCK_PI = 7,
	FUTEX_TRYLOCK_PI = 8,
	FUTEX_WAIT_BITSET = 9,
	FUTEX_WAKE_BITSET = 10,
	FUTEX_WAIT_REQUEUE_PI = 11,
	FUTEX_CMP_REQUEUE_PI = 12,
	FUTEX_LOCK_PI2 = 13,
};

#define FUTEX_PRIVATE_FLAG   128U
#define FUTEX_CLOCK_REALTIME 256U
#define FUTEX_ROBUST_UNLOCK  512U
#define FUTEX_ROBUST_LIST32  1024U
#define FUTEX_FLAGS                                                                                \
	(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME | FUTEX_ROBUST_UNLOCK | FUTEX_ROBUST_LIST32)

/* The operation of futex(2) has a timeout; for others the argument is a count, or nothing. */
static inline bool futex_has_timeout(unsigned op)
{
	unsigned cmd = op & ~FUTEX_FLAGS;

	return cmd == FUTEX_WAIT || cmd == FUTEX_LOCK_PI || cmd == FUTEX_LOCK_PI2 ||
	       cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_WAIT_REQUEUE_PI;
}

/* futex_wait(2), futex_waitv(2) and their like. */
#define FUTEX2_SIZE_MASK 3U
#define FUTEX2_SIZE_U32  2U
#define FUTEX2_NUMA      4U
#define FUTEX2_MPOL      8U
#define FUTEX2_PRIVATE   128U
#define FUTEX2_VALID     (FUTEX2_SIZE_MASK | FUTEX2_NUMA | FUTEX2_MPOL | FUTEX2_PRIVATE)
#define FUTEX_WAITV_MAX  128U

/* What matters for a key. */
#define FUTEX_USER_SHARED 1U
#define FUTEX_USER_NUMA   2U

/*
 * The key of the word at addr. flags: FUTEX_USER_*; write: the operation stores there, too. 0;
 * -EINVAL: misaligned, or (NUMA) no such node; -EFAULT. A private one's memory is not looked at.
 */
int futex_user_key(struct mm *mm, uint64_t addr, unsigned flags, bool write, struct futex_key *key);

/* The word at addr, for core. mm is borrowed: a waiter leaves its queue before its process leaves
 * its memory. */
struct futex_word futex_user_word(struct mm *mm, uint64_t addr);

/* How long a call waits. */
struct futex_timeout {
	int64_t ns;    /* core_now()'s (TIME_NEVER: for ever), or: */
	bool absolute; /* CLOCK_MONOTONIC's */
	bool realtime; /* CLOCK_REALTIME's */
};
#define FUTEX_TIMEOUT_NONE ((struct futex_timeout){.ns = TIME_NEVER})
/* Sets the call's deadline. */
void futex_timeout_begin(struct task *t, struct call *c, const struct futex_timeout *to);

/* A call's waiters. */
struct futex_call {
	struct futex_table *ft;
	unsigned n;
	struct futex_waiter w[];
};

/* n waiters of t, blank but for the task: 1..FUTEX_WAITV_MAX. NULL: no memory. */
struct futex_call *futex_call_make(struct task *t, struct call *c, unsigned n);

/*
 * The waiters are queued: what becomes of them. The index of a woken one, or the error that it was
 * woken with; -EBLOCKED; -ETIMEDOUT; `interrupted` if a signal ends the wait. A wake wins over
 * both.
 */
long futex_call_end(struct task *t, struct call *c, long interrupted);

/* prctl(PR_FUTEX_HASH): a[1..3]. The slots are remembered, and no more: there is one hash for all.
 */
#define PR_FUTEX_HASH_K 78
long futex_prctl(struct task *t, const uint64_t *a);

#endif
