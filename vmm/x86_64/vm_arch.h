/*
 * x86_64: what a VM keeps beyond struct vm. Immutable after vm_create.
 */
#ifndef VMBOX_X86_64_VM_ARCH_H
#define VMBOX_X86_64_VM_ARCH_H

#include "../../paging/gmem.h"

#include <linux/kvm.h>

/* A vCPU may be opened when the first already runs: one that nothing runs on costs nothing. */
#define VM_ARCH_OPENS_LATE 1

struct vm_arch {
	struct kvm_cpuid2 *cpuid;
	/* The kernel half: physical pages that the vCPUs share; and one that the probe has used. */
	pfn_t vectors_pfn, syscall_pfn, syscall_user_pfn, idt_pfn, probe_pfn;
	size_t stub_fpu_size; /* FP state travels in the channels, so many bytes; 0: by ioctl */
	uint64_t stub_fpu_features; /* that an image may have: XCR0 */
};

/* In a loop that waits for another thread. */
static inline void cpu_relax(void)
{
	__builtin_ia32_pause();
}

#endif
