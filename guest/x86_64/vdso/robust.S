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
 * In assembly, because the VMM looks at a task that was interrupted between the two stores: ZF
 * says whether the lock is free already, rdx is the slot.
 */
#include "../../vdso/robust.h"

	.text

.macro try_unlock width, store, zero, kind
	.balign 16
	.globl __vdso_futex_robust_list\width\()_try_unlock
	.type __vdso_futex_robust_list\width\()_try_unlock, @function
__vdso_futex_robust_list\width\()_try_unlock:
	.cfi_startproc
	mov	%esi, %eax
	xor	%ecx, %ecx
	lock cmpxchg %ecx, (%rdi)
.Lstart\width:
	jnz	.Lend\width
	\store	\zero, (%rdx)
.Lend\width:
	ret
	.cfi_endproc
	.size __vdso_futex_robust_list\width\()_try_unlock, . - __vdso_futex_robust_list\width\()_try_unlock
	robust_note .Lstart\width, .Lend\width, \kind
.endm

	try_unlock 64, movq, %rcx, ABI_ROBUST_X86
	try_unlock 32, movl, %ecx, (ABI_ROBUST_X86 | ABI_ROBUST_SLOT32)

	.section .note.GNU-stack, "", %progbits
