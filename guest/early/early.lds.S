/*
 * The early code's layout: one read-only, executable piece that begins with the entry, linked for
 * the address where the VMM puts it. It has no data: what it writes is in the answer, the console
 * and on the stack.
 */
#define __ASSEMBLER__ 1
#include "../abi.h"

ENTRY(early_entry)
SECTIONS
{
	. = ABI_EARLY_TEXT;
	.text		: { *(.text.entry) *(.text .text.*) *(.rodata .rodata.*) }
	ASSERT(. <= ABI_EARLY_TEXT + ABI_EARLY_TEXT_SIZE, "the early code is too large")

	.data		: { *(.data .data.* .got .got.plt .bss .bss.* COMMON) }
	ASSERT(SIZEOF(.data) == 0, "the early code has writable data")
	.rela		: { *(.rela .rela.*) }
	ASSERT(SIZEOF(.rela) == 0, "the early code has relocations")

	/DISCARD/	: { *(.comment .note.* .eh_frame .eh_frame_hdr .gnu.* .ARM.*) }
}
