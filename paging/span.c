/* Large pages of anonymous memory: who may have them, and small ones that become one. */
#include "mm_internal.h"
#include "pte.h"

#include <errno.h>

void mm_set_no_spans(struct mm *mm, bool on)
{
	atomic_store_explicit(&mm->no_spans, on, memory_order_relaxed);
}

bool mm_no_spans(const struct mm *mm)
{
	return atomic_load_explicit(&mm->no_spans, memory_order_relaxed);
}

static uint64_t span_up(uint64_t va)
{
	return (va + PGTABLE_SPAN - 1) & ~(PGTABLE_SPAN - 1);
}

static uint64_t span_down(uint64_t va)
{
	return va & ~(PGTABLE_SPAN - 1);
}

/* v could have large pages, asked for or not. */
static bool eligible(const struct mm *mm, const struct vma *v)
{
	return !v->obj && !(v->flags & (VMA_NOSPANS | VMA_SPECIAL)) && !mm_no_spans(mm) &&
	       span_up(v->start) < span_down(v->end);
}

bool mm_spans(const struct mm *mm, const struct vma *v)
{
	return v->flags & VMA_SPANS && eligible(mm, v);
}

/* The leaf table's entries are a block, frame by frame. mm->lock held. */
static bool is_whole(struct mm *mm, const pte_t *table)
{
	pfn_t base = pte_pfn(pte_load(&table[0]));

	if (!base || base & (BLOCK_FRAMES - 1))
		return false;
	for (unsigned i = 1; i < PGTABLE_ENTRIES; i++)
		if (pte_pfn(pte_load(&table[i])) != base + i)
			return false;
	return block_is_whole(mm->gm, base);
}

uint64_t mm_span_pages(struct mm *mm, uint64_t start, uint64_t end)
{
	uint64_t va = span_up(start), n = 0;
	const pte_t *p;
	bool large;

	mm_lock(mm);
	end = span_down(end);
	while ((p = pgtable_next_any(mm, &va, end, &large))) {
		n += large || is_whole(mm, p) ? PGTABLE_ENTRIES : 0;
		va += PGTABLE_SPAN;
	}
	mm_unlock(mm);
	return n;
}

/* ---- collapsing ---- */

static int copy_frames(struct gmem *gm, pfn_t block, const uint64_t *old)
{
	for (unsigned i = 0; i < PGTABLE_ENTRIES; i++)
		if (old[i] && gmem_copy(frame_hva(gm, block + i), frame_hva(gm, pte_pfn(old[i])),
					PAGE_SIZE) != PAGE_SIZE)
			return -ENOMEM;
	return 0;
}

/* The frames of a block that mm's entries name are not mm's alone. */
static bool is_shared(struct mm *mm, pfn_t base)
{
	for (unsigned i = 0; i < BLOCK_FRAMES; i++)
		if (frame_refs(mm->gm, base + i) != 1)
			return true;
	return false;
}

/* Of small entries that name a block a large one, unless others refer to its frames. */
static void merge_span(struct mm *mm, const pte_t *table, uint64_t va, unsigned flags)
{
	pfn_t base = pte_pfn(pte_load(&table[0]));

	/* A dead child's tables shall not stand in the way. */
	if (!gmem_large(mm->gm) ||
	    (is_shared(mm, base) && !(spare_drop(mm) && !is_shared(mm, base))))
		return;
	pgtable_merge(mm, va, flags);
}

/* A block whose frames have the contents takes their place. table: its entries are 0. */
static void map_block(struct mm *mm, pte_t *table, uint64_t va, pfn_t block, unsigned flags)
{
	/* There is a table already, so that it cannot fail. */
	if (gmem_large(mm->gm) && !pgtable_set_large(mm, va, block, flags))
		return;
	for (unsigned i = 0; i < PGTABLE_ENTRIES; i++)
		pgtable_set(mm, &table[i], pte_make(block + i, flags));
}

/*
 * All of the old entries are gone for every vCPU before what they named is copied: nothing that is
 * stored meanwhile is lost, and arm64 demands break before make.
 */
static int collapse_span(struct mm *mm, const struct vma *v, uint64_t va)
{
	unsigned flags = vma_pte_flags(v, true), i, have = 0;
	uint64_t old[PGTABLE_ENTRIES];
	struct frame_list freed = {0};
	struct gmem *gm = mm->gm;
	struct pgtable_batch b;
	pte_t *table;
	pfn_t block;
	int r;

	if (pgtable_large(mm, va))
		return 0;
	table = pgtable_find(mm, va);
	for (i = 0; table && i < PGTABLE_ENTRIES; i++) {
		old[i] = pte_load(&table[i]);
		have += old[i] != 0;
	}
	if (!have)
		return -EINVAL;
	if (have == PGTABLE_ENTRIES && is_whole(mm, table)) {
		merge_span(mm, table, va, flags);
		return 0;
	}
	block = block_alloc(gm, true);
	if (!block)
		return -ENOMEM;
	pgtable_batch_init(&b, mm);
	for (i = 0; i < PGTABLE_ENTRIES; i++)
		pgtable_restrict(&b, &table[i], 0, false);
	pgtable_batch_flush(&b);
	r = copy_frames(gm, block, old);
	for (i = 0; i < PGTABLE_ENTRIES; i++) {
		pfn_t gone = r ? block + i : pte_pfn(old[i]);

		if (r && old[i])
			pgtable_set(mm, &table[i], old[i]);
		if (gone)
			frame_put_list(gm, &freed, gone);
	}
	if (!r)
		map_block(mm, table, va, block, flags);
	frame_free_list(gm, &freed);
	return r;
}

/* One mapping's part of the range: madvise_collapse() of Linux. */
static int collapse_part(struct mm *mm, const struct vma *v, uint64_t start, uint64_t end)
{
	int r = 0;

	if (!eligible(mm, v))
		return -EINVAL;
	start = span_up(start);
	end = span_down(end);
	if (start > end)
		return -EINVAL;
	for (uint64_t va = start; va < end; va += PGTABLE_SPAN) {
		int err = collapse_span(mm, v, va);

		if (err < 0)
			r = err;
		if (err == -ENOMEM)
			break;
	}
	return r;
}

int mm_collapse(struct mm *mm, uint64_t addr, uint64_t len)
{
	uint64_t at = addr, end = addr + len;
	int hole = 0, r = 0;

	if (!len && !(addr & (PAGE_SIZE - 1)))
		return 0;
	if (!mm_range_ok(addr, len))
		return addr & (PAGE_SIZE - 1) ? -EINVAL : -ENOMEM;
	mm_lock(mm);
	while (at < end && !r) {
		struct vma_node *n = vma_find(mm, at);

		if (!n || n->v.start > at)
			hole = -ENOMEM;
		if (!n || n->v.start >= end)
			break;
		at = n->v.start > at ? n->v.start : at;
		r = collapse_part(mm, &n->v, at, n->v.end < end ? n->v.end : end);
		at = n->v.end;
	}
	mm_unlock(mm);
	return r ? r : hole;
}
