/*
 * For the assembler: a note that tells the VMM of a critical section (guest/abi.h). No state.
 */
#ifndef VMBOX_GUEST_VDSO_ROBUST_H
#define VMBOX_GUEST_VDSO_ROBUST_H

#include "../abi.h"

/* clang-format off */
/* As differences within the image the addresses need no relocation. */
.macro vdso_note type, start, end, kind
	.pushsection .note.vmbox.robust, "a", %note
	.balign 4
	.long 6, 12, \type
	.asciz ABI_NOTE_NAME
	.balign 4
	.long \start - .
	.long \end - .
	.long \kind
	.popsection
.endm

.macro robust_note start, end, kind
	vdso_note ABI_NOTE_ROBUST, \start, \end, \kind
.endm

#endif
