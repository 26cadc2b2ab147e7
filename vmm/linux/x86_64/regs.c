/*
 * x86_64: registers at system calls, fork and exec.
 */
#include "../task.h"

#include <string.h>

#define SYSCALL_INSN_LEN 2

#define RFLAGS_FIXED 0x002ULL /* always set */
#define RFLAGS_IF    0x200ULL

void arch_syscall_fetch(const struct uregs *r, unsigned *nr, uint64_t args[6])
{
	*nr = (unsigned)r->rax;
	args[0] = r->rdi;
	args[1] = r->rsi;
	args[2] = r->rdx;
	args[3] = r->r10;
	args[4] = r->r8;
	args[5] = r->r9;
}

void arch_syscall_result(struct uregs *r, int64_t result)
{
	r->rax = (uint64_t)result;
}

void arch_syscall_restart(struct uregs *r, unsigned nr)
{
	r->rax = nr;
	r->rip -= SYSCALL_INSN_LEN;
}

void arch_start_thread(struct cpu *c, uint64_t entry, uint64_t sp)
{
	memset(&c->regs, 0, sizeof(c->regs));
	c->regs.rip = entry;
	c->regs.rsp = sp;
	c->regs.rflags = RFLAGS_FIXED | RFLAGS_IF;
	c->regs_modified = true;
}

void arch_fork_regs(struct cpu *child, uint64_t stack, bool set_tls, uint64_t tls)
{
	child->regs.rax = 0;
	if (stack)
		child->regs.rsp = stack;
	if (set_tls)
		child->regs.fs_base = tls;
	child->regs_modified = true;
}

void arch_clone_args(const uint64_t args[6], uint64_t *tls, uint64_t *child_tid)
{
	*child_tid = args[3];
	*tls = args[4];
}

uint64_t arch_sp(const struct uregs *r)
{
	return r->rsp;
}

uint64_t arch_pc(const struct uregs *r)
{
	return r->rip;
}

bool arch_regs_ok(const struct uregs *r)
{
	return (uint64_t)((int64_t)(r->rip << 16) >> 16) == r->rip;
}
