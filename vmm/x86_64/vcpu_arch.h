/*
 * x86_64: what a vCPU keeps beyond struct vcpu. The vCPU thread's, and while the channel is claimed
 * of who has claimed it (channel.h).
 */
#ifndef VMBOX_X86_64_VCPU_ARCH_H
#define VMBOX_X86_64_VCPU_ARCH_H

#include "../../guest/abi.h"

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

/* A page fault that waits in the guest: fault.c. */
struct x86_fault {
	enum { X86_FAULT_NONE, X86_FAULT_TAKEN, X86_FAULT_RESOLVED } state;
	uint64_t address, error;
	uint64_t rip, rsp, rflags, rcx; /* the program's, which the registers do not have */
};

struct vcpu_arch {
	struct kvm_sregs sregs;       /* ring 3, as loaded last */
	uint64_t lstar, syscall_mask; /* the flags that SYSCALL clears */
	uint8_t *tss_iomap;
	uint8_t *trap_stack; /* the VMM's address of the top of the trap stack's page */
	/* Where the last exit left it. */
	enum { X86_AT_USER, X86_AT_STUB, X86_AT_KERNEL } at;
	bool breakpoint; /* KVM had one to deliver when it was kicked */
	bool cr3_toggle; /* the bit that makes KVM see another CR3 for the same root */
	/* The FP state by way of the channel (stub.c). */
	bool fpu_left;           /* the last exit left it there */
	const void *fpu_pending; /* an image that is not in the registers yet; NULL: none */
	bool fpu_refused;        /* the stub could not load it: KVM shall */
	struct uregs fpu_resume; /* with which registers its task goes on behind that */
	/* What it runs, at ring 0, for ring 3's stub (errand.c). */
	uint64_t idt;              /* the address of its IDT */
	uint16_t *gates;           /* in that, of which the first word leads to the code; and */
	struct abi_errand *errand; /* what it is about. NULL: there are none */
	uint8_t *errand_code;      /* the page of code */
	uint32_t errand_number;    /* the last one's */
	bool errand_lost;          /* one was given up since vcpu_arch_load */
	unsigned errands_failed;
	bool errands_proven;
	struct x86_fault fault;
	struct uregs frame; /* what the last frame in the channel gives: CHANNEL_FRAME */
};

#endif
