/* A guest program of two instructions that touches memory and leaves by a system call: for
 * kvm_paging_test. */
#ifndef TESTS_UNIT_TOUCH_H
#define TESTS_UNIT_TOUCH_H

#include "../../../vmm/vcpu.h"

static const uint32_t touch_load[] = {0xf9400002, 0xd4000001};  /* ldr x2, [x0]; svc #0 */
static const uint32_t touch_store[] = {0xf9000001, 0xd4000001}; /* str x1, [x0]; svc #0 */

static inline void touch_begin(struct cpu *c, uint64_t pc, uint64_t addr, uint64_t value)
{
	vcpu_scratch_regs(c, pc);
	c->regs.x[0] = addr;
	c->regs.x[1] = value;
}

static inline uint64_t touch_loaded(const struct cpu *c)
{
	return c->regs.x[2];
}

#endif
