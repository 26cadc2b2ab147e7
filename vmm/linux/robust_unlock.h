/*
 * The unlock of robust futexes in the vDSO: what a task has not finished of it when it gets a
 * signal or dies, is finished for it. Linux 7.2's futex_fixup_robust_unlock().
 *
 *	lock cmpxchg	releases the word
 *   start:
 *	jnz	end
 *	mov		clears the list head's pending slot
 *   end:
 *
 * Between start and end the lock may be another's already, or no lock at all any more: its memory
 * freed and used for something else. A handler that does not return, or the walk of the robust
 * list at the task's end, would find the slot and take the word for a lock of this task.
 *
 * The sections' offsets are the vDSO's, the same for all: kernel->robust, immutable. Where an
 * address space has the vDSO its mappings tell, so a range moves with mremap, is kept over fork and
 * dropped by exec. Called by a task's owner, whose registers are those of its last exit; no lock
 * held.
 */
#ifndef VMBOX_LINUX_ROBUST_UNLOCK_H
#define VMBOX_LINUX_ROBUST_UNLOCK_H

#include "task.h"

/*
 * Finds the sections in the vDSO's image (cfg.vdso), and where signal handlers return to, and
 * chooses, in vdso_obj, the instructions that this machine has. 0; -EINVAL: the image is bad;
 * -ENOMEM.
 */
int robust_unlock_init(struct kernel *k);

/*
 * If t was interrupted in a section and has released the lock: clears the slot; the program
 * counter stays. 0; -EFAULT: the slot cannot be written; if it was a registered head's, the head is
 * gone (robust_clear_pending).
 */
int robust_unlock_fixup(struct task *t);

/* The same before signals are delivered: what cannot be written is SIGSEGV. */
void robust_unlock_signal(struct task *t);

/* ---- vmm/linux/ARCH/robust_arch.c ---- */

/* With these registers, in a section of this kind (ABI_ROBUST_*): has the lock been released?
 * Then *slot. */
bool arch_robust_released(const struct uregs *r, unsigned kind, uint64_t *slot);
/* ABI_ROBUST_CHOICE: the instruction to be put there. False: what is there is right. */
bool arch_robust_choice(const struct kernel_config *cfg, uint32_t *insn);

#endif
