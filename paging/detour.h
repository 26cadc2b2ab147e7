/*
 * Detours: an instruction of a program's text becomes a jump to a copy of it that goes on
 * differently.
 *
 * paging knows nothing of instructions: its caller says which bytes change, where the detour may
 * lie, and writes both. A detour lies in a page of ours among the program's mappings (private,
 * read and execute, named "[vmbox]"); the text that changes is a private copy of its page, as after
 * a debugger's write. Text is changed only where it cannot be written: private, executable, and
 * never writable since it was mapped (nor what its mapping was joined with). Before anything but a
 * read happens to such text or to the detours that it needs (mprotect, mremap, a mapping over them,
 * madvise), the text is as it was. A child of fork has its parent's detours.
 *
 * mm->lock protects everything here. A detour's place is not used again as long as the mm lives, so
 * a program counter inside one can always be led back: mm_detour_origin().
 */
#ifndef VMBOX_PAGING_DETOUR_H
#define VMBOX_PAGING_DETOUR_H

#include "mm.h"

#define DETOUR_COPIED 24 /* bytes of instructions that one replaces, at most */
#define DETOUR_CODE   48 /* bytes of one */
#define DETOUR_TEXT   8  /* bytes of text that one changes */

struct detour {
	uint64_t at;  /* the program's instructions, which lie in one page */
	unsigned len; /* how many bytes of them change */
	/*
	 * The detour begins with a copy of this many bytes of them; what follows it stands for the
	 * program counter at + copied. copied >= len.
	 */
	unsigned copied;
	uint8_t old[DETOUR_COPIED]; /* what they must be */
	unsigned size;              /* bytes of the detour */
	uint64_t lo, hi;            /* its first byte's address, [lo, hi] */
	/* Writes the detour as it will lie at `where`, and the bytes of text that lead there. */
	void (*write)(const struct detour *d, uint64_t where, uint8_t *code, uint8_t *text);
	const void *arg; /* write's */
};

/*
 * Makes the detour. 0; -EPERM: text that must not be changed; -ESTALE: it is not what was expected,
 * or not mapped; -ENOSPC: no place for the detour, or too many; -EEXIST: changed already; -ENOMEM.
 */
int mm_detour(struct mm *mm, const struct detour *d);

/* The mm has had detours: pc, found in the guest, may be in one. */
bool mm_has_detours(const struct mm *mm);

struct detour_origin {
	uint64_t at; /* the detour's */
	uint64_t pc; /* what the program counter stands for in the program's text */
	bool left;   /* it is no detour any more */
};
/*
 * pc is in a detour, for a vCPU that entered the guest with the mm's generation gen: *out. False:
 * it is the program's own.
 */
bool mm_detour_origin(struct mm *mm, uint64_t pc, uint64_t gen, struct detour_origin *out);
/* The text at `at` becomes as it was; nothing if it is. 0 or -ENOMEM. */
int mm_detour_undo(struct mm *mm, uint64_t at);

#endif
