/*
 * A machine for the paging tests: memslots, flushes, and a processor whose MMU
 * behaves like a KVM with shadow page tables, or like hardware.
 *
 * The shadow: one page of translations per guest table frame and level, filled from the guest's
 * tables at a miss and then believed whatever the host stores there. A leaf is dropped only when
 * its data page has left KVM's alias (seen in /proc/self/pagemap at a flush), everything by
 * slots_recycle. So a restricting change that bypasses its function, or a table frame that is used
 * again too soon, shows as it would in a real guest.
 *
 * Hardware: translations of pages and of large entries, believed until they are flushed or the
 * processor goes to another address space. What they say must always be what the tables say, or
 * more permissive entries replace; and at a flush a place that has changed must lead nowhere yet
 * (break before make).
 */
#ifndef VMBOX_TESTS_PAGING_FAKE_H
#define VMBOX_TESTS_PAGING_FAKE_H

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../paging/access.h"
#include "../../paging/mm_internal.h"
#include "pte.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FAKE_HASH 256

struct fake_shadow {
	pfn_t table;
	int level;
	uint64_t leaf[PGTABLE_ENTRIES];             /* level 0 */
	struct fake_shadow *child[PGTABLE_ENTRIES]; /* above */
	struct fake_shadow *next;
};

#define FAKE_TLB 61

struct fake_translation {
	uint64_t va, size; /* size 0: none */
	uint64_t e;        /* as the entry of a page at va */
};

struct fake_machine {
	struct gmem *gm;
	bool shadow;
	bool recycle_does_nothing; /* bypasses the quarantine */
	int slot_error, recycle_error;
	unsigned phys_bits;                  /* 0: as for a machine with one window */
	unsigned slots, slots_max, recycles; /* slots_max 0: any number */
	unsigned slots_said;                 /* how many there may be; 0: any number */
	uint64_t slot_end[GMEM_WINDOWS];     /* without the window's own address */
	_Atomic unsigned flushes;
	struct mm *_Atomic flushed;
	int pagemap;
	struct fake_shadow *hash[FAKE_HASH];
	/* whose translations these are: */
	pfn_t tlb_root;
	uint64_t tlb_mm;
	struct fake_translation tlb[FAKE_TLB];
};

static inline int fake_slot_add(void *machine, unsigned slot, gpa_t start, size_t size, void *hva)
{
	struct fake_machine *m = machine;

	uint64_t *end = &m->slot_end[start.v >> GMEM_WINDOW_SHIFT];
	uint64_t at = start.v & ~GMEM_WINDOW_MASK;

	if (m->slot_error)
		return m->slot_error;
	if (m->slots_max && m->slots >= m->slots_max)
		return -ENOSPC;
	assert_int_equal(slot, m->slots);
	assert_true(at >= *end);
	assert_true(size <= GMEM_SLOT_SIZE && size && !(size & (PAGE_SIZE - 1)));
	assert_ptr_equal(hva, frame_kvm_hva(m->gm, (pfn_t)(at >> PAGE_SHIFT)));
	m->slots++;
	*end = at + size;
	return 0;
}

static inline void fake_forget(struct fake_machine *m)
{
	for (unsigned i = 0; i < FAKE_HASH; i++) {
		while (m->hash[i]) {
			struct fake_shadow *s = m->hash[i];

			m->hash[i] = s->next;
			free(s);
		}
	}
}

static inline int fake_slots_recycle(void *machine)
{
	struct fake_machine *m = machine;

	if (m->recycle_error)
		return m->recycle_error;
	m->recycles++;
	if (!m->recycle_does_nothing)
		fake_forget(m);
	return 0;
}

/* The page is still in KVM's alias. */
static inline bool fake_in_alias(struct fake_machine *m, pfn_t pfn)
{
	uintptr_t at = (uintptr_t)frame_kvm_hva(m->gm, pfn);
	uint64_t e = 0;

	if (m->pagemap < 0 ||
	    pread(m->pagemap, &e, sizeof(e), (off_t)(at >> PAGE_SHIFT << 3)) != sizeof(e))
		return false;
	return e >> 63;
}

/* KVM is told at once when a page leaves its alias; the fake looks when it is asked to flush, which
 * is always after. */
static inline void fake_drop_invalidated(struct fake_machine *m)
{
	for (unsigned h = 0; h < FAKE_HASH; h++) {
		for (struct fake_shadow *s = m->hash[h]; s; s = s->next) {
			for (unsigned i = 0; !s->level && i < PGTABLE_ENTRIES; i++) {
				if (s->leaf[i] && !fake_in_alias(m, pte_pfn(s->leaf[i])))
					s->leaf[i] = 0;
			}
		}
	}
}

/* What the tables say of va: the entry of its page as if it were a small one; 0: nothing. */
static inline uint64_t fake_walk(struct fake_machine *m, pfn_t root, uint64_t va, uint64_t *size)
{
	pfn_t table = root;

	*size = PAGE_SIZE;
	for (int level = PGTABLE_LEVELS - 1;; level--) {
		uint64_t e = pte_load((pte_t *)frame_hva(m->gm, table) + pgtable_index(va, level));

		if (!level || !(pte_flags(e) & PTE_PRESENT))
			return pte_flags(e) & PTE_PRESENT ? e : 0;
		if (!pte_is_table(e)) {
			assert_int_equal(level, 1);
			assert_int_equal(pte_pfn(e) % PGTABLE_ENTRIES, 0);
			*size = PGTABLE_SPAN;
			return pte_make(pte_pfn(e) + pgtable_index(va, 0), pte_flags(e));
		}
		table = pte_pfn(e);
	}
}

/*
 * A place that has changed leads nowhere until all have forgotten what was there; and there may be
 * processors that go on, and at once find again what still is.
 */
static inline void fake_flush_tlb(struct fake_machine *m)
{
	for (unsigned i = 0; i < FAKE_TLB; i++) {
		struct fake_translation *t = &m->tlb[i];
		uint64_t size, e = t->size ? fake_walk(m, m->tlb_root, t->va, &size) : 0;

		if (e && (size != t->size || pte_pfn(e) != pte_pfn(t->e)))
			fail_msg("%#lx is made before it is broken", (unsigned long)t->va);
		t->size = e ? t->size : 0;
		t->e = e;
	}
}

static inline void fake_flush(void *machine, struct mm *mm)
{
	struct fake_machine *m = machine;

	if (m->shadow)
		fake_drop_invalidated(m);
	else if (mm_id(mm) == m->tlb_mm)
		fake_flush_tlb(m);

	atomic_fetch_add(&m->flushes, 1);
	m->flushed = mm;
}

static inline bool fake_shadow_mode(void *machine)
{
	return ((struct fake_machine *)machine)->shadow;
}

static inline unsigned fake_phys_bits(void *machine)
{
	return ((struct fake_machine *)machine)->phys_bits;
}

static inline unsigned fake_slots_max(void *machine)
{
	struct fake_machine *m = machine;

	return m->slots_said ? m->slots_said : UINT_MAX;
}

static const struct machine_mem_ops fake_ops = {
	.slot_add = fake_slot_add,
	.slots_recycle = fake_slots_recycle,
	.flush = fake_flush,
	.shadow = fake_shadow_mode,
	.phys_bits = fake_phys_bits,
	.slots_max = fake_slots_max,
};

static inline void fake_init(struct fake_machine *m, uint64_t limit, bool shadow)
{
	*m = (struct fake_machine){.shadow = shadow};
	m->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	m->gm = gmem_create(limit, &fake_ops, m);
	assert_non_null(m->gm);
}

/* Ends the test's machine; nothing may be left allocated. */
static inline void fake_exit(struct fake_machine *m)
{
	struct gmem_stats st;

	gmem_get_stats(m->gm, &st);
	assert_int_equal(st.frames_used, 0);
	assert_int_equal(st.frames_table, 0);
	gmem_destroy(m->gm);
	fake_forget(m);
	if (m->pagemap >= 0)
		close(m->pagemap);
}

static inline uint64_t fake_used(struct fake_machine *m)
{
	struct gmem_stats st;

	gmem_get_stats(m->gm, &st);
	return st.frames_used;
}

static inline uint64_t fake_invalidations(struct fake_machine *m)
{
	struct gmem_stats st;

	gmem_get_stats(m->gm, &st);
	return st.invalidations;
}

/* ---- the shadowing processor ---- */

static inline struct fake_shadow *fake_shadow_of(struct fake_machine *m, pfn_t table, int level)
{
	struct fake_shadow **head = &m->hash[(table * 4 + (unsigned)level) % FAKE_HASH], *s;

	for (s = *head; s; s = s->next) {
		if (s->table == table && s->level == level)
			return s;
	}
	s = calloc(1, sizeof(*s));
	assert_non_null(s);
	s->table = table;
	s->level = level;
	s->next = *head;
	*head = s;
	return s;
}

/* What a leaf names must be in a memslot, at the address that it names. */
static inline void fake_check_slot(struct fake_machine *m, pfn_t table, uint64_t va)
{
	uint64_t e = atomic_load((pte_t *)frame_hva(m->gm, table) + pgtable_index(va, 0));

	if (pte_flags(e) & PTE_PRESENT)
		assert_true((uint64_t)pte_pfn(e) << PAGE_SHIFT <
			    m->slot_end[(e & GMEM_WINDOW_MASK) >> GMEM_WINDOW_SHIFT]);
}

/* KVM takes the page into its alias by a write fault, which maps no neighbours. */
static inline void fake_take(struct fake_machine *m, pfn_t pfn)
{
	atomic_fetch_or((_Atomic unsigned char *)frame_kvm_hva(m->gm, pfn), 0);
}

static inline uint64_t fake_guest_entry(struct fake_machine *m, pfn_t table, uint64_t va, int level)
{
	return pte_load((pte_t *)frame_hva(m->gm, table) + pgtable_index(va, level));
}

static inline unsigned fake_need(unsigned access)
{
	return PTE_PRESENT | PTE_USER | (access & FAULT_WRITE ? PTE_WRITE : 0) |
	       (access & FAULT_EXEC ? PTE_EXEC : 0);
}

static inline pfn_t fake_touch_hardware(struct fake_machine *m, pfn_t root, uint64_t va,
					unsigned need)
{
	struct fake_translation *t = &m->tlb[(va >> PAGE_SHIFT) % FAKE_TLB];
	uint64_t size, e = fake_walk(m, root, va, &size);

	for (unsigned i = 0; i < FAKE_TLB; i++) {
		struct fake_translation *old = &m->tlb[i];
		unsigned flags = pte_flags(old->e);

		if (va - old->va >= old->size)
			continue;
		/* It may permit less than the table does now, nothing else. */
		assert_int_equal(size, old->size);
		assert_int_equal(pte_pfn(e) - pgtable_index(va - old->va, 0), pte_pfn(old->e));
		assert_int_equal(flags & ~pte_flags(e), 0);
		if ((flags & need) == need)
			return pte_pfn(e);
		old->size = 0; /* a page fault forgets it */
	}
	if ((pte_flags(e) & need) != need)
		return 0;
	*t = (struct fake_translation){va & ~(size - 1), size, e};
	if (size > PAGE_SIZE)
		t->e = pte_make(pte_pfn(e) - pgtable_index(va, 0), pte_flags(e));
	assert_true((uint64_t)pte_pfn(e) << PAGE_SHIFT < m->slot_end[0]);
	return pte_pfn(e);
}

/* The processor goes to mm. */
static inline void fake_run(struct fake_machine *m, struct mm *mm)
{
	pfn_t root = (pfn_t)(mm_root(mm).v >> PAGE_SHIFT);

	if (m->tlb_mm != mm_id(mm) || m->tlb_root != root)
		memset(m->tlb, 0, sizeof(m->tlb));
	m->tlb_mm = mm_id(mm);
	m->tlb_root = root;
}

/* A ring-3 touch: the frame that it reaches, or 0: a page fault. */
static inline pfn_t fake_touch(struct fake_machine *m, gpa_t root, uint64_t va, unsigned access)
{
	pfn_t table = (pfn_t)(root.v >> PAGE_SHIFT);
	struct fake_shadow *s = fake_shadow_of(m, table, PGTABLE_LEVELS - 1);
	unsigned need = fake_need(access);

	for (int level = PGTABLE_LEVELS - 1; level > 0; level--) {
		unsigned i = pgtable_index(va, level);
		uint64_t e = table ? fake_guest_entry(m, table, va, level) : 0;

		if (s->child[i] && m->shadow) {
			s = s->child[i]; /* believed; its own table is walked at a miss below */
		} else {
			if (!(pte_flags(e) & PTE_PRESENT))
				return 0;
			s->child[i] = fake_shadow_of(m, pte_pfn(e), level - 1);
			s = s->child[i];
		}
		table = pte_flags(e) & PTE_PRESENT ? pte_pfn(e) : 0;
	}
	uint64_t *leaf = &s->leaf[pgtable_index(va, 0)];

	if (m->shadow && *leaf && (pte_flags(*leaf) & need) == need)
		return pte_pfn(*leaf);
	if (table)
		fake_check_slot(m, table, va);
	*leaf = table ? fake_guest_entry(m, table, va, 0) : 0;
	if ((pte_flags(*leaf) & need) != need) {
		*leaf = 0;
		return 0;
	}
	fake_take(m, pte_pfn(*leaf));
	return pte_pfn(*leaf);
}

/* A touch as a program makes it: faults handled. 0 and *p, or mm_fault's error. */
static inline int fake_access(struct fake_machine *m, struct mm *mm, uint64_t va, unsigned access,
			      uint8_t **p)
{
	for (int i = 0; i < 3; i++) {
		pfn_t pfn;
		int r;

		fake_run(m, mm);
		pfn = m->shadow ? fake_touch(m, mm_root(mm), va, access)
				: fake_touch_hardware(m, m->tlb_root, va, fake_need(access));

		if (pfn) {
			*p = (uint8_t *)frame_kvm_hva(m->gm, pfn) + (va & (PAGE_SIZE - 1));
			return 0;
		}
		r = mm_fault(mm, va, access);
		if (r < 0)
			return r;
	}
	fail_msg("%#lx faults for ever", (unsigned long)va);
	return -EFAULT;
}

static inline int fake_store(struct fake_machine *m, struct mm *mm, uint64_t va, uint8_t v)
{
	uint8_t *p;
	int r = fake_access(m, mm, va, FAULT_WRITE, &p);

	if (!r)
		*p = v;
	return r;
}

/* The byte at va or mm_fault's error. */
static inline int fake_load(struct fake_machine *m, struct mm *mm, uint64_t va)
{
	uint8_t *p;
	int r = fake_access(m, mm, va, 0, &p);

	return r < 0 ? r : *p;
}

/* ---- short forms ---- */

#define RW       (VMA_READ | VMA_WRITE)
#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE)

static inline int fake_map(struct mm *mm, uint64_t addr, uint64_t pages, unsigned flags,
			   struct memobj *o, uint64_t pgoff)
{
	struct mm_map map = {.addr = addr,
			     .len = PAGES(pages),
			     .flags = flags,
			     .fixed = true,
			     .obj = o,
			     .pgoff = pgoff};
	uint64_t out = 0;
	int r = mm_mmap(mm, &map, &out);

	if (!r)
		assert_int_equal(out, addr);
	return r;
}

#endif
