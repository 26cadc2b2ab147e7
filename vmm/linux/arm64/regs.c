/*
 * arm64: registers at system calls, fork and exec.
 */
#include "../task.h"

#include <string.h>

#define SVC_INSN_LEN 4

void arch_syscall_fetch(const struct uregs *r, unsigned *nr, uint64_t args[6])
{
	*nr = (unsigned)r->x[8];
	memcpy(args, r->x, 6 * sizeof(args[0]));
}

void arch_syscall_result(struct uregs *r, int64_t result)
{
	r->x[0] = (uint64_t)result;
}

/* x0 still is the first argument: the result of a call to be restarted is never stored. */
void arch_syscall_restart(struct uregs *r, unsigned nr)
{
	r->x[8] = nr;
	r->pc -= SVC_INSN_LEN;
}

void arch_start_thread(struct cpu *c, uint64_t entry, uint64_t sp)
{
	memset(&c->regs, 0, sizeof(c->regs));
	c->regs.pc = entry;
	c->regs.sp = sp;
	c->regs_modified = true;
}

void arch_fork_regs(struct cpu *child, uint64_t stack, bool set_tls, uint64_t tls)
{
	child->regs.x[0] = 0;
	if (stack)
		child->regs.sp = stack;
	if (set_tls)
		child->regs.tpidr = tls;
	child->regs_modified = true;
}

/* CONFIG_CLONE_BACKWARDS: tls comes before child_tid. */
void arch_clone_args(const uint64_t args[6], uint64_t *tls, uint64_t *child_tid)
{
	*tls = args[3];
	*child_tid = args[4];
}

uint64_t arch_sp(const struct uregs *r)
{
	return r->sp;
}

uint64_t arch_pc(const struct uregs *r)
{
	return r->pc;
}

/* Any program counter can be entered: a bad one is a fault of the guest's own. */
bool arch_regs_ok(const struct uregs *r)
{
	(void)r;
	return true;
}
