/*
 * x86_64: loading a task's registers and reading why it left.
 *
 * After a system call with hardware semantics the vCPU stands in the stub at ring 0: if only the
 * result changed, general registers are enough and the stub's sysretq goes back. In every
 * other case the VMM loads ring-3 segments itself. Registers travel in kvm_run
 * (KVM_CAP_SYNC_REGS): no ioctl but KVM_RUN.
 */
#include "x86.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#define STUB_OUT_LEN 2
#define STUB_SYSRET  (ABI_SYSCALL_GVA + STUB_OUT_LEN)
#define VECTOR_BP    3
#define VECTOR_PF    14
#define VECTOR_GP    13

uint64_t x86_frame_word(const struct vcpu *v, int word)
{
	uint64_t value;

	memcpy(&value, v->arch.trap_stack + word * 8, sizeof(value));
	return value;
}

int vcpu_arch_get_fpu(struct vcpu *v, void *image)
{
	unsigned long request = KVM_GET_XSAVE;

	if (stub_get_fpu(v, image))
		return 0;
	if (v->vm->fpu_size > sizeof(struct kvm_xsave))
		request = KVM_GET_XSAVE2;
	return vcpu_ioctl(v, VCPU_IOCTL_GET_XSAVE, request, image);
}

int x86_set_fpu(struct vcpu *v, const void *image)
{
	return vcpu_ioctl(v, VCPU_IOCTL_SET_XSAVE, KVM_SET_XSAVE, (void *)(uintptr_t)image);
}

int vcpu_arch_set_fpu(struct vcpu *v, const void *image)
{
	return stub_set_fpu(v, image) ? 0 : x86_set_fpu(v, image);
}

bool vcpu_arch_fpu_unsure(const struct vcpu *v)
{
	/* What ring 3's stub has left in the page is the program's word. */
	return v->arch.fpu_pending ||
	       (v->vm->arch.stub_fpu_size && !v->vm->traits.syscall_raises_cpl);
}

static bool at_ring0(const struct vcpu *v)
{
	return (v->run->s.regs.sregs.cs.selector & 3) == 0;
}

/*
 * KVM has an exception of the program to deliver: else it would take an interrupt. Which one, KVM
 * tells, unless it is an int3's, because processors execute that again. Where they do not, it
 * would be delivered to who is next: it is taken back, and ours to deliver.
 */
bool vcpu_arch_again(struct vcpu *v, int err)
{
	struct kvm_vcpu_events ev;

	if (err != EINTR || (!at_ring0(v) && v->run->ready_for_interrupt_injection) ||
	    vcpu_ioctl(v, VCPU_IOCTL_OTHER, KVM_GET_VCPU_EVENTS, &ev) < 0)
		return false;
	if (ev.exception.injected || ev.exception.pending) {
		/* At their own stub it leaves. */
		vcpu_arch_ask_faults(v, false);
		return true;
	}
	if (!v->vm->traits.syscall_raises_cpl)
		v->arch.breakpoint = vcpu_ioctl(v, VCPU_IOCTL_OTHER, KVM_SET_VCPU_EVENTS, &ev) == 0;
	return false;
}

static void regs_to_kvm(struct kvm_regs *r, const struct uregs *u)
{
	*r = (struct kvm_regs){
		.rax = u->rax,
		.rbx = u->rbx,
		.rcx = u->rcx,
		.rdx = u->rdx,
		.rsi = u->rsi,
		.rdi = u->rdi,
		.rsp = u->rsp,
		.rbp = u->rbp,
		.r8 = u->r8,
		.r9 = u->r9,
		.r10 = u->r10,
		.r11 = u->r11,
		.r12 = u->r12,
		.r13 = u->r13,
		.r14 = u->r14,
		.r15 = u->r15,
		.rip = u->rip,
		.rflags = (u->rflags & X86_RFLAGS_USER) | X86_RFLAGS_FIXED,
	};
}

static void regs_from_kvm(struct uregs *u, const struct kvm_regs *r, const struct kvm_sregs *s)
{
	*u = (struct uregs){
		.rax = r->rax,
		.rbx = r->rbx,
		.rcx = r->rcx,
		.rdx = r->rdx,
		.rsi = r->rsi,
		.rdi = r->rdi,
		.rsp = r->rsp,
		.rbp = r->rbp,
		.r8 = r->r8,
		.r9 = r->r9,
		.r10 = r->r10,
		.r11 = r->r11,
		.r12 = r->r12,
		.r13 = r->r13,
		.r14 = r->r14,
		.r15 = r->r15,
		.rip = r->rip,
		.rflags = r->rflags,
		.fs_base = s->fs.base,
		.gs_base = s->gs.base,
	};
}

/* A RIP that KVM must not see: hardware refuses to enter with it. What the jump there would have
 * done. */
static bool refuse_rip(const struct uregs *u, struct trap *t)
{
	uint64_t top = u->rip >> 47;

	if (u->rip < ABI_USER_END)
		return false;
	if (top == 0 || top == 0x1ffff)
		*t = (struct trap){.kind = TRAP_PAGE_FAULT,
				   .addr = u->rip,
				   .access = FAULT_EXEC,
				   .vector = VECTOR_PF,
				   .error = X86_PF_EXEC | 4};
	else
		*t = (struct trap){.kind = TRAP_EXCEPTION, .vector = VECTOR_GP};
	return true;
}

bool vcpu_arch_load(struct vcpu *v, struct cpu *c, bool all, bool flush, struct trap *t)
{
	struct kvm_sync_regs *sync = &v->run->s.regs;
	struct vcpu_arch *a = &v->arch;
	const struct uregs *u = &c->regs;

	if (refuse_rip(u, t))
		return false;
	regs_to_kvm(&sync->regs, u);
	fault_reset(v);
	a->errand_lost = false;
	a->breakpoint = false;
	if (stub_enter(v, u, &sync->regs) < 0) {
		*t = (struct trap){.kind = TRAP_CRASH};
		return false;
	}
	v->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	if (!all && a->at == X86_AT_USER)
		return true;
	/* sysretq with TF would trap one instruction early, before the program's own next. */
	if (!all && a->at == X86_AT_STUB && !(u->rflags & X86_RFLAGS_TF)) {
		sync->regs.rip = STUB_SYSRET;
		sync->regs.rcx = u->rip;
		sync->regs.r11 = sync->regs.rflags;
		sync->regs.rflags = 2;
		return true;
	}
	/*
	 * The same root again does not make KVM flush; another value of CR3 does. PWT means nothing
	 * for tables in write-back memory, so that bit makes the difference.
	 */
	if (flush)
		a->cr3_toggle = !(sync->sregs.cr3 & X86_CR3_PWT);
	if (page_down(a->sregs.cr3) != v->root.v)
		v->root_writes++;
	a->sregs.cr3 = v->root.v | (a->cr3_toggle ? X86_CR3_PWT : 0);
	a->sregs.fs.base = u->fs_base;
	a->sregs.gs.base = u->gs_base;
	sync->sregs = a->sregs;
	v->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
	return true;
}

/*
 * The stub's doorbell, or the instruction before it: a system call. rcx is the program's word for
 * where to go on; where ring 3 may jump to the stub it can be anything.
 */
enum vm_exit x86_as_syscall(struct vcpu *v, struct cpu *c, struct trap *t)
{
	struct uregs *u = &c->regs;

	/* By a jump, not by SYSCALL. */
	if (u->rip >= ABI_SYSCALL_ENTRY_GVA && u->rip <= ABI_SYSCALL_ENTRY_GVA + STUB_OUT_LEN &&
	    !at_ring0(v))
		u->r11 = u->rflags;
	v->arch.at = v->vm->traits.syscall_raises_cpl ? X86_AT_STUB : X86_AT_USER;
	if (u->rcx > ABI_USER_END) {
		v->arch.at = X86_AT_KERNEL;
		t->kind = TRAP_BAD_IO;
		return VM_EXIT_BAD_IO;
	}
	u->rip = u->rcx;
	u->rflags = u->r11;
	t->kind = TRAP_SYSCALL;
	return VM_EXIT_SYSCALL;
}

enum vm_exit x86_as_crash(struct vcpu *v, struct trap *t)
{
	v->arch.fpu_pending = NULL;
	v->arch.at = X86_AT_KERNEL;
	t->kind = TRAP_CRASH;
	return VM_EXIT_CRASH;
}

void x86_page_fault(struct trap *t, uint64_t address, uint64_t error)
{
	t->kind = TRAP_PAGE_FAULT;
	t->vector = VECTOR_PF;
	t->error = error;
	t->addr = address;
	t->present = error & X86_PF_PRESENT;
	t->access =
		(error & X86_PF_WRITE ? FAULT_WRITE : 0) | (error & X86_PF_EXEC ? FAULT_EXEC : 0);
}

/* Another exception of the program. */
static enum vm_exit as_trap(struct vcpu *v, uint64_t vector, uint64_t error, struct trap *t)
{
	v->arch.at = X86_AT_KERNEL;
	t->vector = (unsigned)vector;
	t->error = error;
	t->kind = TRAP_EXCEPTION;
	return VM_EXIT_EXCEPTION;
}

static enum vm_exit as_exception(struct vcpu *v, struct cpu *c, uint64_t vector, uint64_t error,
				 struct trap *t)
{
	struct uregs *u = &c->regs;
	enum vm_exit why;

	v->arch.at = X86_AT_KERNEL;
	if ((x86_frame_word(v, X86_FRAME_CS) & 3) != 3) /* an exception of the stub itself */
		return x86_as_crash(v, t);
	u->rip = x86_frame_word(v, X86_FRAME_RIP);
	u->rflags = x86_frame_word(v, X86_FRAME_RFLAGS);
	u->rsp = x86_frame_word(v, X86_FRAME_RSP);
	if (fault_left(v, c, t, &why))
		return why;
	if (stub_frame_left(v, c, true, false) || stub_fpu_left(v, c, true)) {
		t->kind = TRAP_KICK;
		return VM_EXIT_EXCEPTION;
	}
	if (stub_leave(v, c, t, &why)) {
		v->arch.at = X86_AT_KERNEL;
		return why;
	}
	if (vector == VECTOR_PF) {
		x86_page_fault(t, v->run->s.regs.sregs.cr2, error);
		return VM_EXIT_PAGE_FAULT;
	}
	return as_trap(v, vector, error, t);
}

static bool vector_has_error(uint64_t vec)
{
	return vec == 8 || (vec >= 10 && vec <= 14) || vec == 17 || vec == 21 || vec == 29 ||
	       vec == 30;
}

static bool in_page(uint64_t rip, uint64_t page)
{
	return page_down(rip) == page;
}

/*
 * A kick found it anywhere: in the program, before or behind the system call's
 * doorbell, or between the CPU's push of an exception frame and its doorbell. What has begun
 * is brought to its end: nothing is done twice and nothing is lost.
 */
static enum vm_exit as_kick(struct vcpu *v, struct cpu *c, struct trap *t)
{
	uint64_t rip = c->regs.rip, vec, error = 0;
	enum vm_exit why;

	if (!at_ring0(v)) {
		if (fault_left(v, c, t, &why))
			return why;
		if (stub_leave(v, c, t, &why))
			return why == VM_EXIT_SYSCALL ? VM_EXIT_KICK : why;
		if ((rip == ABI_SYSCALL_USER_GVA || rip == ABI_SYSCALL_ENTRY_GVA) &&
		    !v->vm->traits.syscall_raises_cpl)
			return x86_as_syscall(v, c, t);
		if (v->arch.breakpoint)
			return as_trap(v, VECTOR_BP, 0, t);
		v->arch.at = X86_AT_USER;
		t->kind = TRAP_KICK;
		return VM_EXIT_KICK;
	}
	if (stub_call_leave(v, c, t, &why))
		return why == VM_EXIT_SYSCALL ? VM_EXIT_KICK : why;
	if (rip == ABI_SYSCALL_GVA)
		return x86_as_syscall(v, c, t);
	if (rip == STUB_SYSRET) {
		c->regs.rip = c->regs.rcx;
		c->regs.rflags = c->regs.r11;
		v->arch.at = X86_AT_KERNEL;
		t->kind = TRAP_KICK;
		return VM_EXIT_KICK;
	}
	if (fault_at_ring0(v, &c->regs))
		return as_exception(v, c, VECTOR_PF, x86_frame_word(v, X86_FRAME_ERROR), t);
	if (errand_at(rip))
		return as_exception(v, c, ABI_ERRAND_VECTOR, 0, t);
	if (!in_page(rip, ABI_VECTORS_GVA) && !in_page(rip, ABI_ERRAND_VECTORS_GVA))
		return x86_as_crash(v, t);
	vec = (rip & ~PAGE_MASK) / ABI_VECTOR_STRIDE;
	if (vector_has_error(vec))
		error = x86_frame_word(v, X86_FRAME_ERROR);
	return as_exception(v, c, vec, error, t);
}

/*
 * An exit that KVM finishes at the next entry, with that entry's registers: it must not be the next
 * task's. immediate_exit is left set: vcpu_run clears it.
 */
static void complete_io(struct vcpu *v)
{
	__atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	v->run->kvm_dirty_regs = 0;
	vcpu_ioctl(v, VCPU_IOCTL_RUN, KVM_RUN, NULL);
}

static enum vm_exit as_io(struct vcpu *v, struct cpu *c, struct trap *t)
{
	const struct kvm_run *run = v->run;
	uint64_t top = ABI_CPU_GVA + (uint64_t)v->index * ABI_CPU_STRIDE + ABI_CPU_STACK_TOP;
	bool out = run->io.direction == KVM_EXIT_IO_OUT && run->io.size == 1 && run->io.count == 1;
	enum vm_exit why;

	if (out && run->io.port == ABI_PORT_EXCEPTION && at_ring0(v)) {
		if (c->regs.rsp != top + X86_FRAME_VECTOR * 8)
			return x86_as_crash(v, t);
		return as_exception(v, c, x86_frame_word(v, X86_FRAME_VECTOR),
				    x86_frame_word(v, X86_FRAME_ERROR), t);
	}
	if (out && run->io.port == ABI_PORT_SYSCALL && !at_ring0(v) && fault_left(v, c, t, &why))
		return why;
	if (out && run->io.port == ABI_PORT_SYSCALL &&
	    (at_ring0(v) ? stub_call_leave(v, c, t, &why) : stub_leave(v, c, t, &why)))
		return why;
	if (out && run->io.port == ABI_PORT_SYSCALL &&
	    in_page(c->regs.rip, at_ring0(v) ? ABI_SYSCALL_GVA : ABI_SYSCALL_USER_GVA))
		return x86_as_syscall(v, c, t);
	if (at_ring0(v))
		return x86_as_crash(v, t);
	complete_io(v);
	v->arch.at = X86_AT_KERNEL;
	t->kind = TRAP_BAD_IO;
	return VM_EXIT_BAD_IO;
}

/* Nothing but that the stub, in vain, or somebody else wanted the vCPU to leave. */
static bool left_calmly(const struct kvm_run *run, int err)
{
	return err == EINTR || err == EAGAIN ||
	       (!err && (run->exit_reason == KVM_EXIT_INTR ||
			 (run->exit_reason == KVM_EXIT_IO && run->io.port == ABI_PORT_SYSCALL)));
}

enum vm_exit vcpu_arch_exit(struct vcpu *v, struct cpu *c, int err, struct trap *t)
{
	regs_from_kvm(&c->regs, &v->run->s.regs.regs, &v->run->s.regs.sregs);
	if (v->channel && v->vm->traits.syscall_raises_cpl) {
		if (stub_call_frame_left(v, c, at_ring0(v)) && left_calmly(v->run, err)) {
			v->arch.at = X86_AT_KERNEL;
			t->kind = TRAP_KICK;
			return VM_EXIT_KICK;
		}
	} else {
		bool ring0 = at_ring0(v);

		if (stub_frame_left(v, c, false, ring0) && left_calmly(v->run, err)) {
			v->arch.at = ring0 ? X86_AT_KERNEL : X86_AT_USER;
			t->kind = TRAP_KICK;
			return VM_EXIT_KICK;
		}
		if (!ring0)
			stub_fpu_left(v, c, false);
	}
	if (err == EINTR || err == EAGAIN)
		return as_kick(v, c, t);
	v->arch.at = X86_AT_KERNEL;
	if (err == EFAULT) {
		t->kind = TRAP_BUS;
		return VM_EXIT_BUS;
	}
	if (err)
		return x86_as_crash(v, t);
	switch (v->run->exit_reason) {
	case KVM_EXIT_IO:
		return as_io(v, c, t);
	case KVM_EXIT_INTR:
		return as_kick(v, c, t);
	case KVM_EXIT_MMIO:
		complete_io(v);
		t->kind = TRAP_BUS;
		return VM_EXIT_MMIO;
	case KVM_EXIT_SHUTDOWN:
		vcpu_arch_reset(v);
		return x86_as_crash(v, t);
	default:
		return x86_as_crash(v, t);
	}
}
