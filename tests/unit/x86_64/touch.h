/* A guest program of two instructions that touches memory and leaves by a system call: for
 * kvm_paging_test. */
#ifndef TESTS_UNIT_TOUCH_H
#define TESTS_UNIT_TOUCH_H

#include "../../../vmm/vcpu.h"

static const uint8_t touch_load[] = {0x48, 0x8b, 0x07, 0x0f, 0x05};  /* mov (%rdi), %rax; syscall */
static const uint8_t touch_store[] = {0x48, 0x89, 0x37, 0x0f, 0x05}; /* mov %rsi, (%rdi); syscall */

static inline void touch_begin(struct cpu *c, uint64_t pc, uint64_t addr, uint64_t value)
{
	vcpu_scratch_regs(c, pc);
	c->regs.rdi = addr;
	c->regs.rsi = value;
}

static inline uint64_t touch_loaded(const struct cpu *c)
{
	return c->regs.rax;
}

#endif
