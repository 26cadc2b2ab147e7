/*
 * arm64: what a VM keeps beyond struct vm. Immutable after vm_create, but for vm_limit_asids().
 */
#ifndef VMBOX_ARM64_VM_ARCH_H
#define VMBOX_ARM64_VM_ARCH_H

#include "../../paging/asid.h"

/* What all vCPUs have in common is settled when the first runs: they are all there then. */
#define VM_ARCH_OPENS_LATE 0

struct vm_arch {
	struct asid_space *asids;
	unsigned asid_bits;  /* that the processor has */
	bool icache_aliases; /* the same code at two addresses may be cached twice (VIPT) */
	pfn_t stub_pfn, empty_pfn;
	uint64_t ids[ABI_ID_REGS]; /* what EL0 reads of the ID registers */
};

/* In a loop that waits for another thread. */
static inline void cpu_relax(void)
{
	__asm__ volatile("yield");
}

#endif
