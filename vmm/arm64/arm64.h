/*
 * arm64 constants and functions that the vCPU code shares. No state. All functions: the vCPU's own
 * thread, or before it runs.
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
#define ARM64_EC_UNDEF 0x00
#define ARM64_EC_WFX   0x01
#define ARM64_EC_SVC   0x15
#define ARM64_EC_IABT  0x20
#define ARM64_EC_DABT  0x24
#define ARM64_INSN_LEN 4

int arm64_get_reg(struct vcpu *v, uint64_t id, uint64_t *value);
int arm64_set_reg(struct vcpu *v, uint64_t id, uint64_t value);

/* A field of an ID register. */
#define ARM64_ID_FIELD(v, at) ((unsigned)((v) >> (at)&0xf))

/* An ID register; what this kernel does not know is 0: nothing of it is there. */
uint64_t arm64_id_reg(struct vcpu *v, uint64_t id);

/* features.c: decides what EL0 may know of the processor, from a vCPU's ID registers; once a VM. */
void arm64_read_features(struct vcpu *v);

/* Leaves it in the vCPU's frame page, where the stub finds it. */
void arm64_show_features(struct vcpu *v);

/*
 * insn: an instruction that was undefined. If it reads an ID register (EL0 traps elsewhere only
 * from Armv8.4 on, FEAT_IDST), does what the stub does for such a trap, but for the PC.
 */
bool arm64_emulate_mrs(struct vcpu *v, struct cpu *c, uint32_t insn);

/* The vCPU goes on where the stub loads the frame, whatever it did before. */
int vcpu_arch_reset(struct vcpu *v);

#endif
