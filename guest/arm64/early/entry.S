/* Where the early code begins and ends: it is entered with nothing in the registers. */
#define __ASSEMBLER__ 1
#include "../../abi.h"

	.section .text.entry, "ax"
	.globl early_entry
early_entry:
	ldr	x0, =ABI_EARLY_STACK_TOP
	mov	sp, x0
	mov	x29, #0
	bl	early_main
	svc	#0
	udf	#0		/* nobody goes on from there */
	.ltorg

	.section .note.GNU-stack, "", %progbits
