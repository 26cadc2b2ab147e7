/*
 * arm64: loading a task's registers and reading why it left.
 *
 * All that a program owns travels in the frame page: the stub stores it there before it rings, and
 * loads it from there when it goes on (guest/arm64/stub.S). So the VMM needs no ioctl but KVM_RUN,
 * and the vCPU always stands behind the doorbell's store when we look.
 *
 * A kick must bring it there from wherever it is:
 *
 *   KVM_RUN fails with EINTR    the vCPU is in the program, or in the stub on its way in or out
 *   raise the interrupt line    (KVM_IRQ_LINE to the vCPU itself: no interrupt controller)
 *   KVM_RUN again               in the program: the interrupt's vector stores all, rings
 *                               in the stub, where interrupts are masked: it rings anyhow, or
 *                               enters the program and is interrupted at once
 *   lower the line
 *
 * So what has begun is brought to its end: nothing is done twice and nothing is lost.
 */
#include "arm64.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#define BIT(n) (1ULL << (n))

#define ISS_WNR (1U << 6)
#define ISS_CM  (1U << 8) /* a cache maintenance instruction: counts as a read */

/* Fault status codes, ISS[5:0]. */
#define FSC(esr)          ((unsigned)(esr)&0x3f)
#define FSC_IS(esr, kind) ((FSC(esr) & 0x3c) == (kind))
#define FSC_SIZE          0x00
#define FSC_TRANSLATION   0x04
#define FSC_ACCESS_FLAG   0x08
#define FSC_PERMISSION    0x0c
#define FSC_TLB_CONFLICT  0x30

#define TLBI_PAGE_MASK ((1ULL << 44) - 1)
#define ASID_SHIFT     48

int vcpu_arch_get_fpu(struct vcpu *v, void *image)
{
	memcpy(image, v->arch.frame->vregs, ABI_FRAME_FPU_SIZE);
	return 0;
}

int vcpu_arch_set_fpu(struct vcpu *v, const void *image)
{
	memcpy(v->arch.frame->vregs, image, ABI_FRAME_FPU_SIZE);
	v->arch.command |= BIT(ABI_DO_FPU);
	return 0;
}

/* The frame is where it is read from, too. */
bool vcpu_arch_fpu_unsure(const struct vcpu *v)
{
	(void)v;
	return false;
}

static void irq_line(struct vcpu *v, bool level)
{
	struct kvm_irq_level l = {.irq = KVM_ARM_IRQ_TYPE_CPU << KVM_ARM_IRQ_TYPE_SHIFT |
					 v->index << KVM_ARM_IRQ_VCPU_SHIFT | KVM_ARM_IRQ_CPU_IRQ,
				  .level = level};

	if (v->arch.irq == level)
		return;
	ioctl(v->vm->fd, KVM_IRQ_LINE, &l);
	v->arch.irq = level;
}

bool vcpu_arch_again(struct vcpu *v, int err)
{
	/* Memory that the host cannot provide: get the program's registers first. Twice: not the
	 * program's. */
	if (err == EFAULT && !v->arch.bus)
		v->arch.bus = true;
	else if (err != EINTR && err != EAGAIN)
		return false;
	irq_line(v, true);
	return true;
}

/* Tables and translations that the next entry has to see. */
static uint64_t load_mm(struct vcpu *v)
{
	struct vcpu_arch *a = &v->arch;
	struct abi_frame *f = a->frame;
	struct asid_space *s = v->vm->arch.asids;
	uint64_t command = 0;
	bool all = false;

	if (a->mm_id != mm_id(v->mm)) {
		a->asid = asid_activate(s, v->index, v->mm, &all);
		a->mm_id = mm_id(v->mm);
		f->ttbr0 = mm_root(v->mm).v | (uint64_t)a->asid << ASID_SHIFT;
		command |= BIT(ABI_DO_ROOT) | (all ? BIT(ABI_DO_FLUSH_ALL) : 0);
	}
	a->forgetting = 0;
	if (asid_is_stale(s, a->asid, v->tlb_gen)) {
		a->forgetting = v->tlb_gen;
		f->flush_asid = (uint64_t)a->asid << ASID_SHIFT;
		command |= BIT(ABI_DO_FLUSH_ASID);
	}
	return command;
}

bool vcpu_arch_load(struct vcpu *v, struct cpu *c, bool all, bool flush, struct trap *t)
{
	struct vcpu_arch *a = &v->arch;
	struct abi_frame *f = a->frame;
	uint64_t code_gen;

	/* What is stale is known by ASID; and a frame is loaded whole. */
	(void)all;
	(void)flush;
	(void)t;
	f->regs = c->regs;
	f->regs.pstate &= ARM64_PSTATE_USER;
	a->command |= load_mm(v);
	if (v->vm->arch.icache_aliases) {
		code_gen = gmem_code_gen(v->vm->gm);
		if (a->code_gen != code_gen)
			a->command |= BIT(ABI_DO_ICACHE);
		a->code_gen = code_gen;
	}
	f->command = a->command;
	a->command = 0;
	return true;
}

/* ---- why it left ---- */

/* The vCPU is somewhere in the stub or beyond: start it anew. */
static enum vm_exit as_crash(struct vcpu *v, struct trap *t)
{
	vcpu_arch_reset(v);
	t->kind = TRAP_CRASH;
	return VM_EXIT_CRASH;
}

static enum vm_exit as_kick(struct trap *t)
{
	t->kind = TRAP_KICK;
	return VM_EXIT_KICK;
}

/* The top byte is a tag; bit 55 tells which half it is. */
static uint64_t untag(uint64_t addr)
{
	return (uint64_t)((int64_t)(addr << 8) >> 8);
}

static enum vm_exit as_abort(struct vcpu *v, uint64_t esr, uint64_t far, struct trap *t)
{
	bool exec = ARM64_EC(esr) == ARM64_EC_IABT;

	t->addr = untag(far);
	if (FSC(esr) == FSC_TLB_CONFLICT) {
		v->arch.command |= BIT(ABI_DO_FLUSH_ALL);
		return as_kick(t);
	}
	if (!FSC_IS(esr, FSC_TRANSLATION) && !FSC_IS(esr, FSC_PERMISSION) &&
	    !FSC_IS(esr, FSC_ACCESS_FLAG) && !FSC_IS(esr, FSC_SIZE)) {
		t->kind = TRAP_EXCEPTION;
		return VM_EXIT_EXCEPTION;
	}
	t->kind = TRAP_PAGE_FAULT;
	t->present = FSC_IS(esr, FSC_PERMISSION);
	t->access = exec ? FAULT_EXEC : esr & ISS_WNR && !(esr & ISS_CM) ? FAULT_WRITE : 0;
	/* A translation that permits too little may be cached, though the table permits more now.
	 */
	if (t->present) {
		v->arch.frame->flush_page = t->addr >> PAGE_SHIFT & TLBI_PAGE_MASK;
		v->arch.command |= BIT(ABI_DO_FLUSH_PAGE);
	}
	return VM_EXIT_PAGE_FAULT;
}

/* Programs read ID registers: the stub answers, where that traps. */
static bool read_id(struct vcpu *v, struct cpu *c)
{
	uint32_t insn;

	return v->mm && copy_from_guest(v->mm, &insn, gva(c->regs.pc), sizeof(insn)) == 0 &&
	       arm64_emulate_mrs(v, c, insn);
}

static enum vm_exit as_exception(struct vcpu *v, struct cpu *c, struct trap *t)
{
	uint64_t esr = v->arch.frame->esr;

	t->vector = ARM64_EC(esr);
	t->error = esr;
	switch (t->vector) {
	case ARM64_EC_SVC:
		t->kind = TRAP_SYSCALL;
		return VM_EXIT_SYSCALL;
	case ARM64_EC_IABT:
	case ARM64_EC_DABT:
		return as_abort(v, esr, v->arch.frame->far, t);
	case ARM64_EC_UNDEF:
		if (!read_id(v, c))
			break;
		c->regs.pc += ARM64_INSN_LEN;
		return as_kick(t);
	case ARM64_EC_WFX:
		/* Waiting for an interrupt may end at any time: it does. */
		c->regs.pc += ARM64_INSN_LEN;
		return as_kick(t);
	}
	t->kind = TRAP_EXCEPTION;
	return VM_EXIT_EXCEPTION;
}

static bool rang(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_MMIO && run->mmio.phys_addr == ABI_DOORBELL &&
	       run->mmio.is_write && run->mmio.len == sizeof(uint32_t);
}

enum vm_exit vcpu_arch_exit(struct vcpu *v, struct cpu *c, int err, struct trap *t)
{
	struct vcpu_arch *a = &v->arch;
	bool bus = a->bus;
	uint32_t kind;

	irq_line(v, false);
	a->bus = false;
	if (err || !rang(v->run))
		return as_crash(v, t);
	memcpy(&kind, v->run->mmio.data, sizeof(kind));
	if (kind == ABI_RING_CRASH)
		return as_crash(v, t);
	if (a->forgetting)
		asid_forgotten(v->vm->arch.asids, a->asid, a->forgetting);
	v->root_writes = a->frame->roots;
	c->regs = a->frame->regs;
	switch (kind) {
	case ABI_RING_SYNC:
		return as_exception(v, c, t);
	case ABI_RING_IRQ:
		if (!bus)
			return as_kick(t);
		/* fall through */
	case ABI_RING_SERROR:
		t->kind = TRAP_BUS;
		return VM_EXIT_BUS;
	}
	return as_crash(v, t);
}
