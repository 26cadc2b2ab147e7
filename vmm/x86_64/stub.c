/*
 * x86_64, where system calls enter at ring 3: the stub with a channel
 * (guest/x86_64/stub_channel.S), and what it means that a vCPU left the guest inside it.
 *
 * The stub is a restartable sequence. Whoever looks at a task sees it before or behind the call,
 * never in the stub: until the request is posted the call is made in the ordinary way, from then on
 * the channel says what became of it (channel.h).
 */
#include "x86.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

extern const uint8_t stub_channel[], stub_channel_entry[], stub_channel_stack[],
	stub_channel_saved[], stub_channel_posted[], stub_channel_posted_end[],
	stub_channel_direct_end[];

static uint64_t at(const uint8_t *label)
{
	return ABI_SYSCALL_USER_GVA + (uint64_t)(label - stub_channel);
}

/* The page's words are the program's: what it wrote there is what it gets. */
static void load_saved(struct vcpu *v, struct uregs *u)
{
	const struct abi_channel *p = v->channel->page;

	u->rcx = __atomic_load_n(&p->pc, __ATOMIC_RELAXED);
	u->r11 = __atomic_load_n(&p->flags, __ATOMIC_RELAXED);
}

/* The call has an outcome: goes on behind it. False: it has to be made. */
static bool settle(struct vcpu *v, struct cpu *c, struct trap *t, enum vm_exit *why)
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

	if (!v->channel || rip < ABI_SYSCALL_USER_GVA || rip >= at(stub_channel_direct_end))
		return false;
	if (rip >= at(stub_channel_saved)) {
		load_saved(v, u);
		if (rip >= at(stub_channel_posted) && rip < at(stub_channel_posted_end) &&
		    settle(v, c, t, why))
			return true;
	} else if (rip >= at(stub_channel_entry)) {
		if (rip >= at(stub_channel_stack))
			u->rsp = __atomic_load_n(&v->channel->page->sp, __ATOMIC_RELAXED);
		u->r11 = u->rflags;
	}
	*why = x86_as_syscall(v, c, t);
	return true;
}

/* n frames in a row: the range of the device tree is one. */
static pfn_t alloc_run(struct gmem *gm, unsigned n)
{
	pfn_t first = 0, last = 0, pfn;

	/* Fresh frames come in order; what is freed before the machine runs is little. */
	for (unsigned tries = 0; tries < 64 * n; tries++) {
		pfn = frame_alloc(gm, true);
		if (!pfn)
			return 0;
		if (!first || pfn != last + 1)
			first = pfn;
		last = pfn;
		if (last - first + 1 == n)
			return first;
	}
	return 0;
}

static int make_channel(struct vcpu *v, pfn_t pfn)
{
	struct vm *vm = v->vm;
	int r;

	r = gmem_map_cpu(vm->gm, v->index, ABI_CHANNEL_GVA, pfn, VMA_READ | VMA_WRITE, true);
	if (r < 0)
		return r;
	v->channel = aligned_alloc(64, (sizeof(*v->channel) + 63) / 64 * 64);
	if (!v->channel)
		return -ENOMEM;
	channel_init(v->channel, frame_hva(vm->gm, pfn));
	/* The stub leaves the flags alone; a trap after each of its instructions it could not bear.
	 */
	v->arch.syscall_mask = X86_RFLAGS_TF;
	return x86_set_msrs(v);
}

int vm_make_channels(struct vm *vm, struct abi_range *channels)
{
	uint8_t *page = frame_hva(vm->gm, vm->arch.syscall_user_pfn);
	pfn_t pfn;
	int r = 0;

	if (vm->traits.syscall_raises_cpl)
		return -ENOTSUP;
	pfn = alloc_run(vm->gm, vm->nvcpus);
	if (!pfn)
		return -ENOMEM;
	*channels = (struct abi_range){pfn_gpa(pfn).v, (uint64_t)vm->nvcpus << PAGE_SHIFT};
	memset(page, 0xf4, PAGE_SIZE);
	memcpy(page, stub_channel, (size_t)(stub_channel_direct_end - stub_channel));
	for (unsigned i = 0; r == 0 && i < vm->nvcpus; i++)
		r = make_channel(vm->vcpus[i], pfn + i);
	return r;
}
