/* The early code as data of the program. */
	.section .rodata.early, "a"
	.balign 16
	.globl early_image_start
early_image_start:
	.incbin EARLY_BIN
	.globl early_image_end
early_image_end:

	.section .note.GNU-stack, "", %progbits
