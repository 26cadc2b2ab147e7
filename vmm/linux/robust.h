/*
 * Robust futexes: lists of the locks that a task holds, walked when it ends, so that those who
 * wait learn that the owner died; and the unlock that cannot be torn from its list (Linux 7.2).
 *
 * t->robust_list and t->robust_lists2 are written by the task's owner and read by others
 * (get_robust_list) with kernel->tree_lock held, which keeps the task alive.
 */
#ifndef VMBOX_LINUX_ROBUST_H
#define VMBOX_LINUX_ROBUST_H

#include "task.h"
#include "../core/futex.h"

/*
 * The task ends: a torn unlock is mended, its robust lists are walked, the locks that others wait
 * for in the kernel are handed on, clear_child_tid is cleared. Owner only, before it leaves its
 * process; no lock held.
 */
void robust_exit(struct task *t);
/* The same before execve gives up the old memory, which p->mm still is; then the task has no lists.
 */
void robust_exec(struct task *t);

/* Stores 0 to the pending slot at `slot` (4 or 8 bytes). 0; -EFAULT: and if the slot was one of t's
 * registered heads', that registration is gone: it could not be walked. */
int robust_clear_pending(struct task *t, uint64_t slot, bool slot32);
/*
 * FUTEX_ROBUST_UNLOCK of a wake: releases the word at uaddr (key), then clears the slot, with
 * nothing in between that the task could die in. The caller wakes. n, bitset: what it will wake;
 * see kernel_config.robust_unlock_keep_waiters. 0, -EFAULT.
 */
int robust_unlock(struct task *t, uint64_t uaddr, const struct futex_key *key, uint64_t slot,
		  bool slot32, int n, uint32_t bitset);

#endif
