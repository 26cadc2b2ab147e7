/*
 * x86_64, where system calls enter at ring 3: errands. The stub there cannot load another root, but
 * the supervisor can, and an int3 to it and back is a fraction of an exit. What it runs
 * (guest/x86_64/stub.S) is the VMM's, and reads what the VMM has written; so all that a program can
 * do is to go on the errand by itself, from anywhere and with any registers, or not to go.
 *
 *   poller                                     vCPU
 *   data: root; done = 0; IDT -> errand
 *   EXIT = ERRAND, STATE = IDLE
 *                                              the stub: int3
 *                                              CR3 = root; STATE = BACK; done = 1
 *                                              iret: to the stub, which waits
 *   done? the channel is another mm's now: wipes it; a frame, STATE = IDLE
 *
 * Until done the channel can be written by the old address space, on this vCPU, and nothing there
 * is believed. From then on nothing of the old one runs here. What says that it is done is only
 * this errand: the code closes the gate before it says so, and after one that was given up there is
 * none until the vCPU has left.
 */
#include "x86.h"
#include "../core/core.h"

#include <errno.h>
#include <string.h>

extern const uint8_t stub_errand[], stub_errand_forget[], stub_errand_forget_all[], stub_fault[],
	stub_errand_end[];

#define PATIENCE     100000 /* ns */
#define LOOKS        64     /* at done, between two at the clock */
#define UNPROVEN_MAX 4      /* errands that failed, and none that did not: there are none here */

_Static_assert(ABI_ERRAND_GVA >> 16 == ABI_VECTORS_GVA >> 16, "one word is all that differs");

void errand_aim(struct vcpu *v, unsigned vector, const uint8_t *code)
{
	uint64_t handler = code ? ABI_ERRAND_GVA + (uint64_t)(code - stub_errand)
				: ABI_VECTORS_GVA + vector * ABI_VECTOR_STRIDE;

	__atomic_store_n(v->arch.gates + (size_t)vector * 8, (uint16_t)handler, __ATOMIC_SEQ_CST);
}

int errand_make(struct vcpu *v)
{
	struct vm *vm = v->vm;
	pfn_t idt = frame_alloc(vm->gm, true), data = frame_alloc(vm->gm, true);
	int r = idt && data ? 0 : -ENOMEM;

	if (r == 0)
		r = gmem_map_cpu(vm->gm, v->index, ABI_ERRAND_IDT_GVA, idt, VMA_READ | VMA_WRITE,
				 false);
	if (r == 0)
		r = gmem_map_cpu(vm->gm, v->index, ABI_ERRAND_DATA_GVA, data, VMA_READ | VMA_WRITE,
				 false);
	for (unsigned i = 0; i < ABI_ERRAND_TABLES && r == 0; i++)
		r = gmem_map_cpu(vm->gm, v->index, ABI_ERRAND_TABLES_GVA + i * PAGE_SIZE, data,
				 VMA_READ | VMA_WRITE, false);
	if (r < 0)
		return r; /* gmem_destroy frees them */
	memcpy(frame_hva(vm->gm, idt), frame_hva(vm->gm, vm->arch.idt_pfn), PAGE_SIZE);
	v->arch.gates = (uint16_t *)frame_hva(vm->gm, idt);
	v->arch.errand = frame_hva(vm->gm, data);
	fault_make(v);
	v->arch.idt = v->arch.sregs.idt.base = ABI_ERRAND_IDT_GVA;
	return 0;
}

void errand_install(struct vm *vm)
{
	uint8_t *page = frame_hva(vm->gm, vm->arch.errand_pfn);

	memset(page, 0xf4, PAGE_SIZE);
	memcpy(page, stub_errand, (size_t)(stub_errand_end - stub_errand));
}

bool errand_at(uint64_t rip)
{
	return rip >= ABI_ERRAND_GVA && rip < ABI_ERRAND_GVA + (uint64_t)(stub_fault - stub_errand);
}

/* It is done. False: it takes too long, or the vCPU has left. */
static bool wait_done(struct vcpu *v)
{
	int64_t end = core_now() + PATIENCE;

	for (unsigned i = 1;; i++) {
		if (atomic_load_explicit(&v->arch.errand->done, memory_order_acquire))
			return true;
		if (i % LOOKS == 0 && (core_now() > end || !atomic_load(&v->running_mm)))
			return atomic_load_explicit(&v->arch.errand->done, memory_order_acquire);
		cpu_relax();
	}
}

bool errands(const struct vcpu *v)
{
	return v->arch.errand && v->arch.errands_failed < UNPROVEN_MAX;
}

/* One that was given up may still be on its way, and would say that the next is done, until v has
 * left. */
static bool may_go(const struct vcpu *v)
{
	return errands(v) && v->arch.errand_lost != atomic_load(&v->run_count) + 1;
}

static bool run(struct vcpu *v, const uint8_t *code)
{
	uint64_t run_count = atomic_load(&v->run_count);
	bool done;

	atomic_store_explicit(&v->arch.errand->done, 0, memory_order_relaxed);
	errand_aim(v, ABI_ERRAND_VECTOR, code);
	channel_send(v->channel, ABI_CHANNEL_ERRAND);
	done = wait_done(v);
	errand_aim(v, ABI_ERRAND_VECTOR, NULL);
	if (done) {
		v->arch.errands_proven = true;
	} else {
		v->arch.errand_lost = run_count + 1;
		v->arch.errands_failed += !v->arch.errands_proven;
	}
	/* It may have left already, and been sent back for the exception (vcpu_arch_again). */
	if (atomic_load(&v->kicked))
		vcpu_kick(v);
	return done;
}

bool errand_root(struct vcpu *v, gpa_t root, uint64_t back)
{
	const uint64_t iret[] = {back, ABI_SEL_USER_CS, X86_RFLAGS_FIXED, 0, ABI_SEL_USER_DS};

	if (!may_go(v))
		return false;
	v->arch.errand->root = root.v;
	memcpy(v->arch.errand->iret, iret, sizeof(iret));
	return run(v, stub_errand);
}

/* Where v sees the table at frame; 0: it sees as many others. KVM looks the address up whenever it
 * interprets. */
static uint64_t table_address(struct vcpu *v, pfn_t table, pfn_t seen[ABI_ERRAND_TABLES])
{
	for (unsigned i = 0; i < ABI_ERRAND_TABLES; i++) {
		if (!seen[i]) {
			seen[i] = table;
			gmem_remap_cpu(v->vm->gm, v->index, ABI_ERRAND_TABLES_GVA + i * PAGE_SIZE,
				       table);
		}
		if (seen[i] == table)
			return ABI_ERRAND_TABLES_GVA + i * PAGE_SIZE;
	}
	return 0;
}

bool errand_forget(struct vcpu *v, const gpa_t *entries, unsigned n)
{
	size_t each = (size_t)(stub_errand_forget_all - stub_errand_forget) / ABI_ERRAND_LIST_MAX;
	pfn_t seen[ABI_ERRAND_TABLES] = {0};
	uint64_t *list;

	if (!may_go(v) || n > ABI_ERRAND_LIST_MAX)
		return false;
	list = v->arch.errand->list + ABI_ERRAND_LIST_MAX - n;
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = table_address(v, entries[i].v >> PAGE_SHIFT, seen);

		if (!at)
			return false;
		list[i] = at | (entries[i].v & ~PAGE_MASK);
	}
	return run(v, stub_errand_forget_all - n * each);
}
