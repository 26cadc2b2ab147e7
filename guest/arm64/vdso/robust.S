/*
 * Linux 7.2's unlock of a robust futex without waiters:
 *
 *	uint32_t __vdso_futex_robust_list64_try_unlock(uint32_t *lock, uint32_t tid, uint64_t *pop)
 *	uint32_t __vdso_futex_robust_list32_try_unlock(uint32_t *lock, uint32_t tid, uint32_t *pop)
 *
 * Exchanges *lock from tid to 0 and then clears *pop, the list head's pending slot. Returns the
 * old word: if that is not tid, nothing was written, and the caller makes the system call
 * (FUTEX_ROBUST_UNLOCK).
 *
 * In assembly, because the VMM looks at a task that was interrupted between the two stores: w3
 * says whether the lock is free already, x2 is the slot. The condition flags do not: with LSE they
 * are not set yet at the section's start, and the store-exclusive does not touch them.
 *
 * Each function has two forms. The first instruction branches to the one that every processor
 * has; where there are LSE atomics the VMM makes it a nop.
 */
#include "../../vdso/robust.h"

	.text
	.arch armv8-a+lse

.macro try_unlock width, zero, slot
	.balign 16
	.globl __vdso_futex_robust_list\width\()_try_unlock
	.type __vdso_futex_robust_list\width\()_try_unlock, %function
__vdso_futex_robust_list\width\()_try_unlock:
	.cfi_startproc
.Lchoice\width:
	b	.Lretry\width
	mov	w3, w1
	casl	w3, wzr, [x0]
.Llse_start\width:
	cmp	w3, w1
	b.ne	.Llse_end\width
	str	\zero, [x2]
.Llse_end\width:
	mov	w0, w3
	ret

.Lretry\width:
	ldxr	w4, [x0]
	cmp	w4, w1
	b.ne	.Lend\width
	stlxr	w3, wzr, [x0]
.Lstart\width:
	cbnz	w3, .Lretry\width
	str	\zero, [x2]
.Lend\width:
	mov	w0, w4
	ret
	.cfi_endproc
	.size __vdso_futex_robust_list\width\()_try_unlock, . - __vdso_futex_robust_list\width\()_try_unlock
	robust_note .Lchoice\width, .Lchoice\width, ABI_ROBUST_CHOICE
	robust_note .Llse_start\width, .Llse_end\width, (ABI_ROBUST_LSE | \slot)
	robust_note .Lstart\width, .Lend\width, (ABI_ROBUST_LLSC | \slot)
.endm

	try_unlock 64, xzr, 0
	try_unlock 32, wzr, ABI_ROBUST_SLOT32

	.section .note.GNU-stack, "", %progbits
