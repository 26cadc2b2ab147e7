/*
 * x86_64, where system calls enter at ring 3: the stub with a channel
 * (guest/x86_64/stub_channel.S), and what it means that a vCPU left the guest inside it.
 *
 * The stub is a restartable sequence. Whoever looks at a task sees it before or behind the call,
 * never in the stub: until the request is posted the call is made in the ordinary way, from then on
 * the channel says what became of it (channel.h).
 */
#include "x86.h"

#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

extern const uint8_t stub_fpu_end[], stub_channel[], stub_channel_entry[], stub_channel_stack[],
	stub_channel_saved[], stub_channel_posted[], stub_channel_posted_end[],
	stub_channel_direct_end[], stub_asked[], stub_asked_xsave[], stub_asked_out[],
	stub_direct[], stub_direct_xsave[], stub_direct_out[], stub_fpu[], stub_fpu_loaded[],
	stub_fault_asks_end[], stub_saved[], stub_saved_ax[], stub_saved_back[], stub_saved_out[],
	stub_frame_loaded[], stub_saved_end[];

#define OUT_LEN 2

static uint64_t at(const uint8_t *label)
{
	return ABI_SYSCALL_USER_GVA + (uint64_t)(label - stub_channel);
}

void stub_load_saved(struct vcpu *v, struct uregs *u)
{
	const struct abi_channel *p = v->channel->page;

	u->rcx = __atomic_load_n(&p->pc, __ATOMIC_RELAXED);
	u->r11 = __atomic_load_n(&p->flags, __ATOMIC_RELAXED);
}

/* On its way out through a `leave` of the stub. */
static void load_leaving(struct vcpu *v, struct uregs *u, const uint8_t *from, const uint8_t *out)
{
	const struct abi_channel *p = v->channel->page;

	if (u->rip < at(from) || u->rip > at(out) + OUT_LEN)
		return;
	u->rax = __atomic_load_n(&p->ax, __ATOMIC_RELAXED);
	u->rdx = __atomic_load_n(&p->dx, __ATOMIC_RELAXED);
	v->arch.fpu_left = u->rip >= at(out) && v->vm->arch.stub_fpu_size;
}

bool stub_settle(struct vcpu *v, struct cpu *c, struct trap *t, enum vm_exit *why)
{
	struct uregs *u = &c->regs;
	int64_t result;

	switch (channel_settle(v->channel, &result)) {
	case CHANNEL_DONE:
		u->rax = (uint64_t)result;
		break;
	case CHANNEL_STARTED:
		break;
	default:
		return false;
	}
	*why = x86_as_syscall(v, c, t);
	/* Nothing that the task does not know already. */
	if (t->kind == TRAP_SYSCALL)
		t->kind = TRAP_KICK;
	return true;
}

bool stub_leave(struct vcpu *v, struct cpu *c, struct trap *t, enum vm_exit *why)
{
	struct uregs *u = &c->regs;
	uint64_t rip = u->rip;

	if (!v->channel || v->vm->traits.syscall_raises_cpl || rip < ABI_SYSCALL_USER_GVA ||
	    rip > at(stub_saved_out) + OUT_LEN)
		return false;
	if (rip >= at(stub_channel_saved)) {
		stub_load_saved(v, u);
		load_leaving(v, u, stub_asked, stub_asked_out);
		load_leaving(v, u, stub_direct, stub_direct_out);
		load_leaving(v, u, stub_saved_ax, stub_saved_out);
		if (rip >= at(stub_channel_posted) &&
		    (rip < at(stub_channel_posted_end) || rip >= at(stub_saved)) &&
		    stub_settle(v, c, t, why))
			return true;
	} else if (rip >= at(stub_channel_entry)) {
		if (rip >= at(stub_channel_stack))
			u->rsp = __atomic_load_n(&v->channel->page->sp, __ATOMIC_RELAXED);
		u->r11 = u->rflags;
	}
	*why = x86_as_syscall(v, c, t);
	return true;
}

/* ---- FP state ---- */

#define FPU_MXCSR      24
#define FPU_MXCSR_MASK 28
#define FPU_SW         464 /* software's, up to the header */
#define FPU_HEADER     512 /* XSTATE_BV, then what must be 0 */
#define FPU_HEADER_END 576

/* The program may have written anything there: makes it an image that can be loaded. */
static void clean_image(const struct vm *vm, uint8_t *image)
{
	uint32_t mxcsr, mask;
	uint64_t bv;

	memcpy(&mask, vm->fpu_init + FPU_MXCSR_MASK, sizeof(mask));
	memcpy(&mxcsr, image + FPU_MXCSR, sizeof(mxcsr));
	mxcsr &= mask ? mask : 0xffbf;
	memcpy(image + FPU_MXCSR, &mxcsr, sizeof(mxcsr));
	memcpy(&bv, image + FPU_HEADER, sizeof(bv));
	bv &= vm->arch.stub_fpu_features;
	memset(image + FPU_SW, 0, FPU_HEADER_END - FPU_SW);
	memcpy(image + FPU_HEADER, &bv, sizeof(bv));
}

bool stub_get_fpu(struct vcpu *v, void *image)
{
	if (v->arch.fpu_pending == image)
		return true;
	if (!v->arch.fpu_left)
		return false;
	memcpy(image, v->channel->page->fpu, v->vm->arch.stub_fpu_size);
	clean_image(v->vm, image);
	return true;
}

bool stub_set_fpu(struct vcpu *v, const void *image)
{
	v->arch.fpu_pending = NULL;
	if (!v->channel || !v->vm->arch.stub_fpu_size)
		return false;
	v->arch.fpu_pending = image;
	return true;
}

int stub_enter(struct vcpu *v, const struct uregs *u, struct kvm_regs *r)
{
	const void *image = v->arch.fpu_pending;
	struct abi_channel *p;

	v->arch.fpu_left = false;
	if (!image)
		return 0;
	/* It would trap behind the stub's first instruction, or the stub has failed before; or it
	 * is not for ring 3 to enter. */
	if (u->rflags & X86_RFLAGS_TF || v->arch.fpu_refused || v->vm->traits.syscall_raises_cpl) {
		v->arch.fpu_pending = NULL;
		v->arch.fpu_refused = false;
		return x86_set_fpu(v, image);
	}
	p = v->channel->page;
	memcpy(p->fpu, image, v->vm->arch.stub_fpu_size);
	p->ax = u->rax;
	p->dx = u->rdx;
	p->pc = u->rip;
	v->arch.fpu_resume = *u;
	r->rax = r->rdx = UINT32_MAX;
	r->rip = at(stub_fpu);
	return 0;
}

bool stub_fpu_left(struct vcpu *v, struct cpu *c, bool exception)
{
	uint64_t rip = c->regs.rip;

	if (!v->arch.fpu_pending || v->vm->traits.syscall_raises_cpl)
		return false;
	if (rip < at(stub_fpu) || rip >= at(stub_fpu_end)) {
		v->arch.fpu_pending = NULL;
		return false;
	}
	c->regs = v->arch.fpu_resume;
	if (rip >= at(stub_fpu_loaded))
		v->arch.fpu_pending = NULL;
	else
		v->arch.fpu_refused = exception;
	return true;
}

/* ---- all registers ---- */

/* wrfsbase takes no other. */
static bool is_canonical(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

bool vcpu_arch_take_frame(struct vcpu *v, struct cpu *c)
{
	const struct abi_channel *p = v->channel->page;
	struct uregs u;

	/* The program can have written there by itself, but it cannot now: it is in the stub, or
	 * else it is not interested in its registers. */
	memcpy(&u, &p->frame, sizeof(u));
	u.rax = __atomic_load_n(&p->ax, __ATOMIC_RELAXED);
	u.rdx = __atomic_load_n(&p->dx, __ATOMIC_RELAXED);
	stub_load_saved(v, &u);
	if (u.rcx > ABI_USER_END || !is_canonical(u.fs_base) || !is_canonical(u.gs_base))
		return false;
	u.rip = u.rcx;
	u.rflags = u.r11;
	c->regs = u;
	memcpy(c->fpu, p->fpu, v->vm->arch.stub_fpu_size);
	clean_image(v->vm, c->fpu);
	v->arch.fpu_pending = NULL;
	return true;
}

bool vcpu_arch_fits_frame(const struct cpu *c)
{
	/* It would trap behind the popf. */
	return !(c->regs.rflags & X86_RFLAGS_TF) && c->regs.rip < ABI_USER_END &&
	       is_canonical(c->regs.fs_base) && is_canonical(c->regs.gs_base);
}

bool vcpu_arch_changes_mm(const struct vcpu *v)
{
	return v->vm->traits.syscall_raises_cpl || errands(v);
}

int vcpu_arch_change_root(struct vcpu *v, gpa_t root)
{
	if (v->vm->traits.syscall_raises_cpl)
		return 0;
	if (!errand_root(v, root, at(stub_saved_back)))
		return -EAGAIN;
	v->arch.sregs.cr3 = root.v;
	return 1;
}

bool vcpu_arch_forget(struct vcpu *v, const gpa_t *entries, unsigned n)
{
	return errand_forget(v, entries, n);
}

bool vcpu_arch_forget_all(struct vcpu *v)
{
	return v->vm->traits.syscall_raises_cpl && stub_call_forget(v);
}

void vcpu_arch_put_frame(struct vcpu *v, const struct cpu *c, bool root)
{
	struct abi_channel *p = v->channel->page;

	fault_reset(v);
	v->arch.frame = c->regs;
	/* The program may find the way to stub_fpu by itself: what it comes back with is its own.
	 */
	v->arch.fpu_resume = c->regs;
	p->frame = c->regs;
	p->frame.rflags = (c->regs.rflags & X86_RFLAGS_USER) | X86_RFLAGS_FIXED;
	p->frame_fpu = v->arch.fpu_pending != NULL;
	if (v->arch.fpu_pending) {
		memcpy(p->fpu, v->arch.fpu_pending, v->vm->arch.stub_fpu_size);
		clean_image(v->vm, p->fpu);
	}
	v->arch.fpu_left = false;
	if (v->vm->traits.syscall_raises_cpl)
		stub_call_put_frame(v, &c->regs, root);
}

bool stub_frame_left(struct vcpu *v, struct cpu *c, bool exception, bool ring0)
{
	uint64_t rip = c->regs.rip;
	bool here = ring0 ? errand_at(rip) : rip >= at(stub_saved) && rip < at(stub_saved_end);

	if (!v->channel || v->vm->traits.syscall_raises_cpl ||
	    v->channel->outcome != CHANNEL_FRAME || !here)
		return false;
	c->regs = v->arch.frame;
	c->regs_modified = true;
	if (!ring0 && rip >= at(stub_frame_loaded))
		v->arch.fpu_pending = NULL;
	else
		v->arch.fpu_refused = exception && v->arch.fpu_pending;
	return true;
}

/* Bytes that the stub's XSAVE writes, if it has one and the channel has room for them; else 0. */
static size_t stub_fpu_size(struct vm *vm)
{
	size_t size = vm->sigframe_fpu_size; /* of all that the guest may enable, and has enabled */
	unsigned a, b, c, d;

	if (vm->traits.syscall_raises_cpl) {
		vm->arch.stub_fpu_features = vm->xcr0;
		return vm->traits.has_xsave && size <= ABI_CHANNEL_FPU_SIZE && size <= vm->fpu_size
			       ? size
			       : 0;
	}
	if (!vm->traits.native_xsave || !__get_cpuid_count(0xd, 0, &a, &b, &c, &d) ||
	    b > ABI_CHANNEL_FPU_SIZE || b > vm->fpu_size)
		return 0;
	vm->arch.stub_fpu_features = a | (uint64_t)d << 32;
	return b;
}

/* ---- set-up ---- */

static int make_channel(struct vcpu *v, pfn_t pfn)
{
	struct vm *vm = v->vm;
	bool ring0 = vm->traits.syscall_raises_cpl;
	int r;

	r = gmem_map_cpu(vm->gm, v->index, ABI_CHANNEL_GVA, pfn, VMA_READ | VMA_WRITE, !ring0);
	if (r < 0)
		return r;
	v->channel = aligned_alloc(64, (sizeof(*v->channel) + 63) / 64 * 64);
	if (!v->channel)
		return -ENOMEM;
	channel_init(v->channel, frame_hva(vm->gm, pfn), v,
		     vm->arch.stub_fpu_size &&
			     (ring0 ? vm->traits.has_fsgsbase : vm->traits.native_fsgsbase));
	/* Ring 3's stub leaves the flags alone; a trap after each of its instructions it could not
	 * bear. */
	if (!ring0) {
		v->arch.syscall_mask = X86_RFLAGS_TF;
		r = errand_make(v);
	}
	return r < 0 ? r : x86_set_msrs(v);
}

/* Ring 3's. */
static void install(struct vm *vm)
{
	/* As long as XSAVE64 with a displacement. */
	static const uint8_t nop9[] = {0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0};
	uint8_t *page = frame_hva(vm->gm, vm->arch.syscall_user_pfn);

	memset(page, 0xf4, PAGE_SIZE);
	memcpy(page, stub_channel, (size_t)(stub_fault_asks_end - stub_channel));
	if (!vm->arch.stub_fpu_size) {
		memcpy(page + (stub_asked_xsave - stub_channel), nop9, sizeof(nop9));
		memcpy(page + (stub_direct_xsave - stub_channel), nop9, sizeof(nop9));
	}
}

int vm_make_channels(struct vm *vm)
{
	int r = 0;

	vm->arch.stub_fpu_size = stub_fpu_size(vm);
	if (vm->traits.syscall_raises_cpl) {
		stub_call_install(vm);
	} else {
		install(vm);
	}
	for (unsigned i = 0; r == 0 && i < vm->nvcpus; i++)
		r = make_channel(vm->vcpus[i], (pfn_t)(vm->channels.start >> PAGE_SHIFT) + i);
	return r;
}
