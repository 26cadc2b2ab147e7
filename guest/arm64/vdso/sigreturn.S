/*
 * Where a signal handler returns to: arm64 programs bring no restorer of their own. Unwinders
 * know the frame by these two instructions; the nop is what the call before the return address
 * would be.
 */
#include "../../vdso/robust.h"

#include <asm/unistd.h>

	.text
	.balign 16
	nop
	.globl __kernel_rt_sigreturn
	.type __kernel_rt_sigreturn, %function
__kernel_rt_sigreturn:
	mov	x8, #__NR_rt_sigreturn
	svc	#0
	vdso_note ABI_NOTE_SIGRETURN, __kernel_rt_sigreturn, __kernel_rt_sigreturn, 0
	.size __kernel_rt_sigreturn, . - __kernel_rt_sigreturn

	.section .note.GNU-stack, "", %progbits
