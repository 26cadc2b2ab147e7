/* The vDSO's image as data of the program: whole pages, so that they can be mapped. */
	.section .rodata.vdso, "a"
	.balign 4096
	.globl vdso_image_start
vdso_image_start:
	.incbin VDSO_SO
	.balign 4096
	.globl vdso_image_end
vdso_image_end:

	.section .note.GNU-stack, "", %progbits
