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
 * this errand: each has a number, and a place that is not the last one's, so that who is still in
 * that one, for he has executed an int3 more than he should, comes to its end first. After one that
 * was given up there is none until the vCPU has left.
 */
#include "x86.h"
#include "../core/core.h"

#include <errno.h>
#include <string.h>

#define PIECE(name) extern const uint8_t stub_errand_##name[], stub_errand_##name##_end[]
PIECE(root);
PIECE(forget);
PIECE(done);
PIECE(stub);
PIECE(return );

#define PATIENCE     100000 /* ns */
#define LOOKS        64     /* at done, between two at the clock */
#define UNPROVEN_MAX 4      /* errands that failed, and none that did not: there are none here */

/* Bytes of the pieces behind their values: the rest of the instructions. */
#define ROOT_BEHIND   14 /* mov to CR3, and the state */
#define FORGET_BEHIND 1  /* 0 */

/* In the page of code. */
#define FAULT_AT 0
#define FIRST_AT 0x100
#define PLACE    0x600
#define PLACES   2

_Static_assert(ABI_ERRAND_GVA >> 16 == ABI_ERRAND_VECTORS_GVA >> 16, "one word is the difference");
_Static_assert(FIRST_AT + PLACES * PLACE <= PAGE_SIZE, "a page");

static void aim(struct vcpu *v, unsigned vector, uint64_t handler)
{
	__atomic_store_n(v->arch.gates + (size_t)vector * 8, (uint16_t)handler, __ATOMIC_SEQ_CST);
}

/* Its own stub. */
static void aim_away(struct vcpu *v, unsigned vector)
{
	aim(v, vector, ABI_ERRAND_VECTORS_GVA + vector * ABI_VECTOR_STRIDE);
}

void errand_aim_fault(struct vcpu *v, bool on)
{
	if (on)
		aim(v, ABI_FAULT_VECTOR, ABI_ERRAND_GVA + FAULT_AT);
	else
		aim_away(v, ABI_FAULT_VECTOR);
}

static void map(struct vcpu *v, uint64_t va, pfn_t pfn, unsigned prot, int *r)
{
	if (*r == 0)
		*r = gmem_map_cpu(v->vm->gm, v->index, va, pfn, prot, false);
}

/* The word of a gate that is not there to be changed. */
static void lead_to_alias(struct vcpu *v, unsigned vector)
{
	v->arch.gates[(size_t)vector * 8 + 3] = (uint16_t)(ABI_ERRAND_VECTORS_GVA >> 16);
	aim_away(v, vector);
}

int errand_make(struct vcpu *v)
{
	struct vm *vm = v->vm;
	pfn_t idt = frame_alloc(vm->gm, true), data = frame_alloc(vm->gm, true);
	pfn_t code = frame_alloc(vm->gm, true);
	int r = idt && data && code ? 0 : -ENOMEM;

	map(v, ABI_ERRAND_IDT_GVA, idt, VMA_READ, &r);
	map(v, ABI_ERRAND_DATA_GVA, data, VMA_READ | VMA_WRITE, &r);
	map(v, ABI_ERRAND_GVA, code, VMA_READ | VMA_EXEC, &r);
	map(v, ABI_ERRAND_VECTORS_GVA, vm->arch.vectors_pfn, VMA_READ | VMA_EXEC, &r);
	for (unsigned i = 0; i < ABI_ERRAND_TABLES; i++)
		map(v, ABI_ERRAND_TABLES_GVA + i * PAGE_SIZE, data, VMA_READ | VMA_WRITE, &r);
	if (r < 0)
		return r; /* gmem_destroy frees them */
	v->arch.gates = frame_hva(vm->gm, idt);
	v->arch.errand_code = frame_hva(vm->gm, code);
	v->arch.errand = frame_hva(vm->gm, data);
	memcpy(v->arch.gates, frame_hva(vm->gm, vm->arch.idt_pfn), PAGE_SIZE);
	lead_to_alias(v, ABI_ERRAND_VECTOR);
	lead_to_alias(v, ABI_FAULT_VECTOR);
	memset(v->arch.errand_code, 0xf4, PAGE_SIZE);
	fault_make(v, v->arch.errand_code + FAULT_AT);
	v->arch.idt = v->arch.sregs.idt.base = ABI_ERRAND_IDT_GVA;
	return 0;
}

bool errand_at(uint64_t rip)
{
	return rip >= ABI_ERRAND_GVA + FIRST_AT && page_down(rip) == ABI_ERRAND_GVA;
}

static bool is_done(struct vcpu *v)
{
	return atomic_load_explicit(&v->arch.errand->done, memory_order_acquire) ==
	       v->arch.errand_number;
}

/* It is done. False: it takes too long, or the vCPU has left. */
static bool wait_done(struct vcpu *v)
{
	int64_t end = core_now() + PATIENCE;

	for (unsigned i = 1;; i++) {
		if (is_done(v))
			return true;
		if (i % LOOKS == 0 && (core_now() > end || !atomic_load(&v->running_mm)))
			return is_done(v);
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
	return errands(v) && !v->arch.errand_lost;
}

/* Appends a piece; value goes into its bytes before the last `behind`. */
static void append(uint8_t **end, const uint8_t *piece, const uint8_t *piece_end, const void *value,
		   size_t size, size_t behind)
{
	size_t length = (size_t)(piece_end - piece);

	memcpy(*end, piece, length);
	*end += length;
	memcpy(*end - behind - size, value, size);
}
#define APPEND(end, name, value, behind)                                                           \
	append(end, stub_errand_##name, stub_errand_##name##_end, &(value), sizeof(value), behind)
#define APPEND_BARE(end, name) append(end, stub_errand_##name, stub_errand_##name##_end, NULL, 0, 0)

/* Where the next one's code begins; it has a number. */
static uint8_t *begin(struct vcpu *v)
{
	v->arch.errand_number++;
	return v->arch.errand_code + FIRST_AT + v->arch.errand_number % PLACES * PLACE;
}

static bool run(struct vcpu *v)
{
	bool done;

	aim(v, ABI_ERRAND_VECTOR,
	    ABI_ERRAND_GVA + FIRST_AT + v->arch.errand_number % PLACES * PLACE);
	channel_send(v->channel, ABI_CHANNEL_ERRAND);
	done = wait_done(v);
	aim_away(v, ABI_ERRAND_VECTOR);
	if (done) {
		v->arch.errands_proven = true;
	} else {
		v->arch.errand_lost = true;
		/* A program that does not wait in the stub proves nothing. */
		v->arch.errands_failed +=
			!v->arch.errands_proven && channel_state(v->channel) == ABI_CHANNEL_BACK;
	}
	/* Until it has left there can be no other. And a kick may have come too early: it has left
	 * already, and been sent back for the exception (vcpu_arch_again). */
	if ((!done && atomic_load(&v->running_mm)) || atomic_load(&v->kicked))
		vcpu_kick(v);
	return done;
}

bool errand_root(struct vcpu *v, gpa_t root, uint64_t back)
{
	const uint64_t iret[] = {back, ABI_SEL_USER_CS, X86_RFLAGS_FIXED, 0, ABI_SEL_USER_DS};
	uint8_t *end;

	if (!may_go(v))
		return false;
	memcpy(v->arch.errand->iret, iret, sizeof(iret));
	end = begin(v);
	APPEND(&end, root, root.v, ROOT_BEHIND);
	APPEND(&end, done, v->arch.errand_number, 0);
	APPEND_BARE(&end, stub);
	return run(v);
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
	pfn_t seen[ABI_ERRAND_TABLES] = {0};
	uint32_t address[ABI_ERRAND_LIST_MAX]; /* sign-extended */
	uint8_t *end;

	if (!may_go(v) || n > ABI_ERRAND_LIST_MAX)
		return false;
	for (unsigned i = 0; i < n; i++) {
		uint64_t table = table_address(v, entries[i].v >> PAGE_SHIFT, seen);

		if (!table)
			return false;
		address[i] = (uint32_t)(table | (entries[i].v & ~PAGE_MASK));
	}
	/* From here on it is made: places take turns. */
	end = begin(v);
	for (unsigned i = 0; i < n; i++)
		APPEND(&end, forget, address[i], FORGET_BEHIND);
	APPEND(&end, done, v->arch.errand_number, 0);
	APPEND_BARE(&end, return );
	return run(v);
}
