/* Where the early code begins and ends: it is entered with nothing in the registers. */
#define __ASSEMBLER__ 1
#include "../../abi.h"

	.section .text.entry, "ax"
	.globl early_entry
early_entry:
	mov	$ABI_EARLY_STACK_TOP, %esp
	xor	%ebp, %ebp
	call	early_main
	syscall
	ud2			/* nobody goes on from there */

	.section .note.GNU-stack, "", @progbits
