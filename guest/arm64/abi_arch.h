/*
 * arm64 part of the guest ABI: address layout, user registers.
 */
#ifndef VMBOX_GUEST_ARM64_ABI_ARCH_H
#define VMBOX_GUEST_ARM64_ABI_ARCH_H

/* User addresses: TTBR0's 48-bit half. */
#define ABI_USER_MIN 0x0000000000010000
#define ABI_USER_END 0x0001000000000000

/* The doorbell, as the device tree names it: this page of guest-physical addresses, outside memory.
 */
#define ABI_DOORBELL      0xc0000000
#define ABI_DOORBELL_SIZE 0x1000
#define ABI_DOORBELL_IO   0

#ifndef __ASSEMBLER__
#include <stdint.h>

/* What a user program sees of the CPU, without its FP/SIMD state. */
struct uregs {
	uint64_t x[31];
	uint64_t sp, pc, pstate;
	uint64_t tpidr;
};
#endif

#endif
