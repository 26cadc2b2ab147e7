/*
 * x86_64 page-table entries (Intel SDM vol. 3A, 4.5).
 *
 * Accessed and dirty are set from the start: a processor, or a KVM that walks the
 * tables in software, then never writes to them, and KVM may prefetch neighbours.
 * An entry that is not present but not zero keeps its frame for a mapping without permissions.
 */
#ifndef VMBOX_PAGING_X86_64_PTE_H
#define VMBOX_PAGING_X86_64_PTE_H

#include "../pgtable.h"

#define PGTABLE_USER_ENTRIES 256              /* of the root: the user's half */
#define PGTABLE_KERN_ENTRY   ABI_KERN_PML4_IX /* of the root: shared by all address spaces */

#define X86_P     0x001UL
#define X86_W     0x002UL
#define X86_U     0x004UL
#define X86_A     0x020UL
#define X86_D     0x040UL
#define X86_PS    0x080UL /* above the leaf tables: no table, but what is mapped */
#define X86_NX    (1UL << 63)
#define X86_FRAME 0x000ffffffffff000UL

static inline uint64_t pte_make(pfn_t pfn, unsigned flags)
{
	uint64_t e = (uint64_t)pfn << PAGE_SHIFT;

	if (!(flags & PTE_PRESENT))
		return e;
	e |= X86_P | X86_A;
	if (flags & PTE_WRITE)
		e |= X86_W | X86_D;
	if (flags & PTE_USER)
		e |= X86_U;
	if (!(flags & PTE_EXEC))
		e |= X86_NX;
	return e;
}

static inline pfn_t pte_pfn(uint64_t e)
{
	return (pfn_t)((e & X86_FRAME) >> PAGE_SHIFT);
}

static inline unsigned pte_flags(uint64_t e)
{
	if (!(e & X86_P))
		return 0;
	return PTE_PRESENT | (e & X86_W ? PTE_WRITE : 0) | (e & X86_U ? PTE_USER : 0) |
	       (e & X86_NX ? 0 : PTE_EXEC);
}

/* An entry of an upper level; the leaf alone decides the permissions. */
static inline uint64_t pte_table(pfn_t pfn)
{
	return (uint64_t)pfn << PAGE_SHIFT | X86_P | X86_W | X86_U | X86_A;
}

/* The large entry that maps what 512 leaf entries like e map, the first of them being e. */
static inline uint64_t pte_large(uint64_t e)
{
	return e & X86_P ? e | X86_PS : e;
}

static inline bool pte_is_table(uint64_t e)
{
	return (e & (X86_P | X86_PS)) == X86_P;
}

#endif
