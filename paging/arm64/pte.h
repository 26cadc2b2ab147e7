/*
 * arm64 stage 1 descriptors, 4 KiB granule (Arm ARM, D8.3).
 *
 * Attribute index 0 is normal write-back memory: whoever sets MAIR_EL1 sees to
 * it. The access flag is set from the start, so that the processor never writes here. A
 * descriptor that is not valid but not zero keeps its frame for a mapping without permissions.
 */
#ifndef VMBOX_PAGING_ARM64_PTE_H
#define VMBOX_PAGING_ARM64_PTE_H

#include "../pgtable.h"

#define PGTABLE_USER_ENTRIES 512  /* TTBR0 has a root of its own */
#define PGTABLE_KERN_ENTRY   (-1) /* the kernel half is TTBR1's */

#define ARM_VALID (1UL << 0)
#define ARM_PAGE  (1UL << 1) /* level 3: a page; above: a table */
#define ARM_EL0   (1UL << 6)
#define ARM_RO    (1UL << 7)
#define ARM_INNER (3UL << 8)
#define ARM_AF    (1UL << 10)
#define ARM_NG    (1UL << 11)
#define ARM_PXN   (1UL << 53)
#define ARM_UXN   (1UL << 54)
#define ARM_FRAME 0x0000fffffffff000UL

static inline uint64_t pte_make(pfn_t pfn, unsigned flags)
{
	uint64_t e = (uint64_t)pfn << PAGE_SHIFT;

	if (!(flags & PTE_PRESENT))
		return e;
	e |= ARM_VALID | ARM_PAGE | ARM_INNER | ARM_AF;
	if (!(flags & PTE_WRITE))
		e |= ARM_RO;
	if (flags & PTE_USER)
		e |= ARM_EL0 | ARM_NG | ARM_PXN | (flags & PTE_EXEC ? 0 : ARM_UXN);
	else
		e |= ARM_UXN | (flags & PTE_EXEC ? 0 : ARM_PXN);
	return e;
}

static inline pfn_t pte_pfn(uint64_t e)
{
	return (pfn_t)((e & ARM_FRAME) >> PAGE_SHIFT);
}

static inline unsigned pte_flags(uint64_t e)
{
	uint64_t xn = e & ARM_EL0 ? ARM_UXN : ARM_PXN;

	if (!(e & ARM_VALID))
		return 0;
	return PTE_PRESENT | (e & ARM_RO ? 0 : PTE_WRITE) | (e & ARM_EL0 ? PTE_USER : 0) |
	       (e & xn ? 0 : PTE_EXEC);
}

/* A descriptor of an upper level; the leaf alone decides the permissions. */
static inline uint64_t pte_table(pfn_t pfn)
{
	return (uint64_t)pfn << PAGE_SHIFT | ARM_VALID | ARM_PAGE;
}

/* The large entry (a block descriptor) that maps what 512 leaf entries like e map, the first of
 * them being e. */
static inline uint64_t pte_large(uint64_t e)
{
	return e & ARM_VALID ? e & ~ARM_PAGE : e;
}

static inline bool pte_is_table(uint64_t e)
{
	return (e & (ARM_VALID | ARM_PAGE)) == (ARM_VALID | ARM_PAGE);
}

#endif
