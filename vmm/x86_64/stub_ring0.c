/*
 * x86_64, where system calls enter at ring 0: the stub with a channel (guest/x86_64/stub_call.S),
 * and what it means that a vCPU left the guest inside it. As stub.c has it for ring 3; but here
 * nobody can jump into the stub, and its page is out of the program's reach.
 */
#include "x86.h"
#include "../core/core.h"

#include <string.h>

extern const uint8_t stub_call[], stub_call_saved[], stub_call_posted[], stub_call_save[],
	stub_call_kept[], stub_call_loaded[], stub_call_end[];

#define BASE     (ABI_SYSCALL_GVA + ABI_SYSCALL_ENTRY)
#define PATIENCE 100000 /* ns, for the stub that waits */
#define LOOKS    16     /* at the state, between two at the clock */

static uint64_t at(const uint8_t *label)
{
	return BASE + (uint64_t)(label - stub_call);
}

bool stub_call_leave(struct vcpu *v, struct cpu *c, struct trap *t, enum vm_exit *why)
{
	struct uregs *u = &c->regs;
	uint64_t rip = u->rip;

	if (!v->channel || rip < BASE || rip >= at(stub_call_end))
		return false;
	if (rip >= at(stub_call_saved))
		stub_load_saved(v, u);
	if (rip >= at(stub_call_kept)) {
		u->rax = v->channel->page->ax;
		u->rdx = v->channel->page->dx;
	}
	if (rip < at(stub_call_posted) || !stub_settle(v, c, t, why))
		*why = x86_as_syscall(v, c, t);
	return true;
}

bool stub_call_frame_left(struct vcpu *v, struct cpu *c, bool ring0)
{
	uint64_t rip = c->regs.rip;
	bool here = ring0 && v->channel->outcome == CHANNEL_FRAME && rip >= at(stub_call_save) &&
		    rip < at(stub_call_end);

	/* Elsewhere: the frame was loaded long ago. */
	if (!here || rip >= at(stub_call_loaded))
		v->arch.fpu_pending = NULL;
	if (!here)
		return false;
	c->regs = v->arch.frame;
	c->regs_modified = true;
	return true;
}

void stub_call_put_frame(struct vcpu *v, const struct uregs *u, bool root)
{
	const uint64_t iret[] = {u->rip, ABI_SEL_USER_CS, v->channel->page->frame.rflags, u->rsp,
				 ABI_SEL_USER_DS};

	memcpy(v->channel->page->iret, iret, sizeof(iret));
	v->channel->page->cr3 = root ? v->root.v : 0;
}

/* One that comes too late is of no consequence: the vCPU forgets once more, and if it takes an
 * answer for this it leaves, when its patience ends, as one that was answered. */
bool stub_call_forget(struct vcpu *v)
{
	int64_t end = core_now() + PATIENCE;

	channel_send(v->channel, ABI_CHANNEL_ERRAND);
	for (unsigned i = 1; channel_state(v->channel) != ABI_CHANNEL_BACK; i++) {
		if (i % LOOKS == 0 && (core_now() > end || !atomic_load(&v->running_mm)))
			return false;
		cpu_relax();
	}
	return true;
}

void stub_call_install(struct vm *vm)
{
	uint8_t *page = frame_hva(vm->gm, vm->arch.syscall_pfn);

	memcpy(page + ABI_SYSCALL_ENTRY, stub_call, (size_t)(stub_call_end - stub_call));
	for (unsigned i = 0; i < vm->nvcpus; i++)
		vm->vcpus[i]->arch.lstar = BASE;
}
