/*
 * Guest memory: one memfd mapped twice, its memslots, its frames, and the
 * only primitives by which the VMM touches any of it.
 *
 * The first mapping is KVM's alias (the memslots); the second is the VMM's
 * own. Slots are added as the guest grows. A frame is one page of guest-physical
 * memory with a reference count; frame 0 is never given out. Frames that hold page tables come
 * from the same memory but, once freed, wait in a quarantine (see pgtable.h).
 *
 * gmem->lock protects the free lists and the slot count; it is a leaf (nothing is taken under it
 * but what machine ops need). Reference counts are atomic.
 *
 * Guest memory is untrusted and may vanish (SIGBUS when the host runs out of memory):
 * nothing dereferences a pointer into it directly except page tables code on table frames and
 * zeroing through these functions.
 */
#ifndef VMBOX_PAGING_GMEM_H
#define VMBOX_PAGING_GMEM_H

#include "../guest/abi.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef uint32_t pfn_t; /* guest-physical page number; 0: none */

struct mm;
struct gmem;

#define GMEM_SLOT_SIZE (64UL << 20) /* a memslot; a larger one is dear on shadow-paging KVM */

/* What paging needs of the machine; tests bring a fake. */
struct machine_mem_ops {
	/* Adds memslot number `slot`. Negative errno. Called with gmem->lock held. */
	int (*slot_add)(void *machine, unsigned slot, gpa_t start, size_t size, void *hva);
	/*
	 * Makes KVM forget every shadow page table: when it returns no vCPU uses one of before.
	 * They may be in the guest meanwhile. Negative errno. No lock held but possibly an mm's.
	 */
	int (*slots_recycle)(void *machine);
	/* Returns when no vCPU can use a translation of mm that was removed before the call.
	 * mm->lock held. */
	void (*flush)(void *machine, struct mm *mm);
	/* Returns when every vCPU that was in the guest with mm has left it once. mm->lock held.
	 * NULL: there are none. */
	void (*barrier)(void *machine, struct mm *mm);
	/*
	 * KVM shadows the page tables: a present entry that the host restricts stays in
	 * use until the data page is dropped from KVM's alias. Known after the machine's probe.
	 */
	bool (*shadow)(void *machine);
	/*
	 * Has KVM forget what it holds of entries of mm's leaf tables, which have changed, without
	 * dropping the pages from its alias. n of them, by their guest-physical addresses. True:
	 * no vCPU uses what they said before. False: it cannot now, or not cheaply. mm->lock held.
	 * NULL: never.
	 */
	bool (*forget)(void *machine, struct mm *mm, const gpa_t *entries, unsigned n);
	/* Bits of a guest-physical address. NULL: what the memory needs. */
	unsigned (*phys_bits)(void *machine);
	/* How many memslots there may be. NULL: any number. */
	unsigned (*slots_max)(void *machine);
};

struct gmem_stats {
	uint64_t frames_total; /* the limit */
	uint64_t frames_used;  /* allocated now, table frames included */
	uint64_t frames_table;
	uint64_t frames_quarantined;
	uint64_t recycles;      /* quarantine emptied by slots_recycle */
	uint64_t invalidations; /* MADV_DONTNEED calls made for restricting changes */
};

/*
 * limit: bytes, rounded down to pages; at least 4 MiB. Maps both aliases; adds the first slot at
 * the first allocation. NULL and errno. Installs the process-wide SIGSEGV/SIGBUS handler that
 * recovers gmem_* accesses (idempotent; other faults go to the default action).
 */
struct gmem *gmem_create(uint64_t limit, const struct machine_mem_ops *ops, void *machine);
void gmem_destroy(struct gmem *gm);
void gmem_get_stats(struct gmem *gm, struct gmem_stats *out);
/* Changes whenever a page has become executable. */
uint64_t gmem_code_gen(struct gmem *gm);

/*
 * Nobody will use guest memory for a while: gives back to the host what is free, lets KVM forget
 * the tables of dead processes, and unmaps the VMM's alias (each page of it is mapped again when it
 * is touched). Does a bounded part of it; true: call again. No lock held.
 */
bool gmem_idle(struct gmem *gm);

/*
 * A thread that does what else the thread would that frees memory: has KVM forget the tables of the
 * dead, gives memory back. It blocks all signals but those of the recovering accesses. 0, -EAGAIN.
 */
int gmem_keeper_start(struct gmem *gm);
/* Harmless without it. */
void gmem_keeper_stop(struct gmem *gm);

/* The guest-physical ranges that hold memory, or may once more of it is used; returns how many. */
unsigned gmem_ranges(struct gmem *gm, struct abi_range out[ABI_MEMORY_MAX]);

/* A frame with one reference; its contents are zero if zero, else stale bytes of anyone: the caller
 * overwrites all. 0: no memory. */
pfn_t frame_alloc(struct gmem *gm, bool zero);
void frame_get(struct gmem *gm, pfn_t pfn);
/* At the last reference the frame is free for anyone at once: no translation of it may be live. */
void frame_put(struct gmem *gm, pfn_t pfn);
unsigned frame_refs(struct gmem *gm, pfn_t pfn);

/* The VMM's own address of a frame; valid for its PAGE_SIZE bytes. For frame_* and page-table code
 * and gmem_*. */
void *frame_hva(struct gmem *gm, pfn_t pfn);
/* KVM's alias. */
void *frame_kvm_hva(struct gmem *gm, pfn_t pfn);
/* The pfn's guest-physical address. */
static inline gpa_t pfn_gpa(pfn_t pfn)
{
	return gpa((uint64_t)pfn << PAGE_SHIFT);
}

/*
 * Fault-recovering access to guest memory (or to any host mapping that may
 * vanish). One side is ordinary memory. gmem_copy: bytes moved, short at a fault.
 */
size_t gmem_copy(void *dst, const void *src, size_t len);
/* 0 or -EFAULT. */
int gmem_zero(void *dst, size_t len);
/* Whole pages: what was stored as data will be fetched as instructions, on every processor. 0 or
 * -EFAULT. */
int gmem_sync_code(const void *p, size_t len);
/* 32-bit atomics on an aligned guest word. 0 or -EFAULT; *out is the value that was there. */
int gmem_load32(const void *p, uint32_t *out);
int gmem_store32(void *p, uint32_t v);
int gmem_cmpxchg32(void *p, uint32_t expected, uint32_t desired, uint32_t *out);
int gmem_xchg32(void *p, uint32_t v, uint32_t *out);

#endif
