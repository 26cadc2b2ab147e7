/*
 * x86_64, where system calls enter at ring 3: page faults that are resolved while the vCPU waits in
 * the guest.
 *
 *   vCPU                                       poller
 *   #PF: ring 0 notes the address (stub.S)
 *   iret: to ring 3's stub; STATE = FAULT
 *                                              is an address noted? takes it, and the frame
 *                                              resolves it; errands, maybe: the stub waits on
 *                                              the frame, and where to; STATE = IDLE
 *   loads it, goes on
 *
 * The state is anybody's word, the note is not: no program can write it, nor the trap stack. A
 * program that goes to the stub by itself finds that nothing is noted, and gets no answer. What is
 * noted is of who runs, for it runs.
 *
 * Whoever finds the vCPU in the stub knows the rest of the program's registers from the trap stack,
 * as long as the note is there, or from v->arch.fault: errands use the same stack.
 */
#include "x86.h"

#include <string.h>

extern const uint8_t stub_fault[], stub_fault_end[], stub_channel[], stub_fault_asks[],
	stub_fault_asks_end[];

static uint64_t at(const uint8_t *label)
{
	return ABI_SYSCALL_USER_GVA + (uint64_t)(label - stub_channel);
}

void fault_make(struct vcpu *v, uint8_t *code)
{
	const uint64_t iret[] = {at(stub_fault_asks), ABI_SEL_USER_CS, X86_RFLAGS_FIXED, 0,
				 ABI_SEL_USER_DS};

	memcpy(code, stub_fault, (size_t)(stub_fault_end - stub_fault));
	memcpy(v->arch.errand->fault_iret, iret, sizeof(iret));
	fault_reset(v);
}

void fault_reset(struct vcpu *v)
{
	v->arch.fault.state = X86_FAULT_NONE;
	if (v->arch.errand)
		atomic_store_explicit(&v->arch.errand->fault, ABI_FAULT_NONE, memory_order_relaxed);
}

void vcpu_arch_ask_faults(struct vcpu *v, bool on)
{
	if (v->arch.errand)
		errand_aim_fault(v, on && errands(v));
}

/* One of ring 0's own is a mistake of ours. */
static bool is_ours(const struct vcpu *v)
{
	return (x86_frame_word(v, X86_FRAME_CS) & 3) != 3;
}

/* As the trap stack has it. */
static void read_fault(struct vcpu *v, uint64_t address)
{
	struct x86_fault *f = &v->arch.fault;

	f->address = address;
	f->error = x86_frame_word(v, X86_FRAME_ERROR);
	f->rip = x86_frame_word(v, X86_FRAME_RIP);
	f->rflags = x86_frame_word(v, X86_FRAME_RFLAGS);
	f->rsp = x86_frame_word(v, X86_FRAME_RSP);
	f->rcx = v->arch.errand->rcx;
	f->state = X86_FAULT_TAKEN;
}

bool vcpu_arch_take_fault(struct vcpu *v, struct trap *t, uint64_t *pc, uint64_t *sp)
{
	struct abi_errand *e = v->arch.errand;
	uint64_t address = e ? atomic_load(&e->fault) : ABI_FAULT_NONE;

	if (address == ABI_FAULT_NONE || is_ours(v))
		return false;
	read_fault(v, address);
	atomic_store(&e->fault, ABI_FAULT_NONE);
	*t = (struct trap){.gen = v->tlb_gen};
	x86_page_fault(t, address, v->arch.fault.error);
	*pc = v->arch.fault.rip;
	*sp = v->arch.fault.rsp;
	return true;
}

bool vcpu_arch_resolve_fault(struct vcpu *v)
{
	struct x86_fault *f = &v->arch.fault;
	struct uregs *frame = &v->channel->page->frame;

	/* It would trap behind the popf. */
	if (f->rflags & X86_RFLAGS_TF)
		return false;
	frame->rcx = f->rcx;
	frame->rsp = f->rsp;
	frame->rip = f->rip;
	frame->rflags = (f->rflags & X86_RFLAGS_USER) | X86_RFLAGS_FIXED;
	f->state = X86_FAULT_RESOLVED;
	return true;
}

bool fault_at_ring0(const struct vcpu *v, struct uregs *u)
{
	if (u->rip < ABI_ERRAND_GVA ||
	    u->rip >= ABI_ERRAND_GVA + (uint64_t)(stub_fault_end - stub_fault))
		return false;
	if (u->rip != ABI_ERRAND_GVA)
		u->rcx = v->arch.errand->rcx;
	return true;
}

bool fault_left(struct vcpu *v, struct cpu *c, struct trap *t, enum vm_exit *why)
{
	struct x86_fault *f = &v->arch.fault;
	struct uregs *u = &c->regs;

	if (!v->arch.errand || u->rip < at(stub_fault_asks) || u->rip >= at(stub_fault_asks_end))
		return false;
	if (atomic_load(&v->arch.errand->fault) != ABI_FAULT_NONE) {
		if (is_ours(v)) {
			*why = x86_as_crash(v, t);
			return true;
		}
		read_fault(v, v->run->s.regs.sregs.cr2);
	}
	/* Or the program has come here by itself. */
	if (f->state == X86_FAULT_NONE)
		return false;
	u->rcx = f->rcx;
	u->rsp = f->rsp;
	u->rip = f->rip;
	u->rflags = f->rflags;
	v->arch.fpu_pending = NULL;
	v->arch.at = X86_AT_KERNEL;
	if (f->state == X86_FAULT_RESOLVED) {
		t->kind = TRAP_KICK;
		*why = VM_EXIT_KICK;
	} else {
		x86_page_fault(t, f->address, f->error);
		*why = VM_EXIT_PAGE_FAULT;
	}
	return true;
}
