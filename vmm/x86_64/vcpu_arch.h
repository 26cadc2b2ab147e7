/*
 * x86_64: what a vCPU keeps beyond struct vcpu. vCPU thread only.
 */
#ifndef VMBOX_X86_64_VCPU_ARCH_H
#define VMBOX_X86_64_VCPU_ARCH_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

struct vcpu_arch {
	struct kvm_sregs sregs;       /* ring 3, as loaded last */
	uint64_t lstar, syscall_mask; /* the flags that SYSCALL clears */
	uint8_t *tss_iomap;
	uint8_t *trap_stack; /* the VMM's address of the top of the trap stack's page */
	/* Where the last exit left it. */
	enum { X86_AT_USER, X86_AT_STUB, X86_AT_KERNEL } at;
	bool cr3_toggle; /* the bit that makes KVM see another CR3 for the same root */
};

#endif
