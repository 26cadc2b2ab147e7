/*
 * arm64: what a vCPU keeps beyond struct vcpu. vCPU thread only, except the frame's FP state
 * (vcpu->fpu_lock).
 */
#ifndef VMBOX_ARM64_VCPU_ARCH_H
#define VMBOX_ARM64_VCPU_ARCH_H

#include "../../guest/abi.h"

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

struct vcpu_arch {
	struct abi_frame *frame;
	uint64_t command;    /* 1 << ABI_DO_*: for the next entry */
	uint64_t mm_id;      /* whose tables TTBR0 has; 0: nobody's */
	unsigned asid;       /* of that mm */
	uint64_t forgetting; /* the entry forgets what is older than this generation; 0: nothing */
	uint64_t code_gen;   /* gmem_code_gen() when all instructions were last forgotten */
	bool irq;            /* the interrupt line is raised */
	bool bus;            /* the program touched memory that the host cannot provide */
};

#endif
