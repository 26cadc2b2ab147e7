/*
 * arm64 constants and functions that the vCPU code shares. No state.
 */
#ifndef VMBOX_ARM64_ARM64_H
#define VMBOX_ARM64_ARM64_H

#include "../vcpu.h"

#define ARM64_REG_CORE(name)                                                                       \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(name))

/* SPSR: what EL0 may have set. NZCV, TCO, DIT, SSBS, BTYPE; never a mode, a mask or a step. */
#define ARM64_PSTATE_USER 0xf3001c00ULL

#define ARM64_EL1H_MASKED 0x3c5ULL /* EL1, its own stack pointer, all interrupts masked */

/* Exception classes, ESR_EL1[31:26]. */
#define ARM64_EC(esr)  ((unsigned)((esr) >> 26 & 0x3f))
#define ARM64_EC_WFX   0x01
#define ARM64_EC_SVC   0x15
#define ARM64_EC_IABT  0x20
#define ARM64_EC_DABT  0x24
#define ARM64_INSN_LEN 4

int arm64_get_reg(struct vcpu *v, uint64_t id, uint64_t *value);
int arm64_set_reg(struct vcpu *v, uint64_t id, uint64_t value);

/* The vCPU goes on where the stub loads the frame, whatever it did before. */
int vcpu_arch_reset(struct vcpu *v);

#endif
