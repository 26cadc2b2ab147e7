/* Large entries: a whole span by one entry, and its being cut up. See pgtable.h. */
#include "mm_internal.h"
#include "pte.h"

#include <errno.h>

#define SPLIT_MAX 32 /* entries cut up by one flush */

/* A large entry, or nothing, is found at this level, where tables are, too. */
#define LEVEL_LARGE 1

static uint64_t large_entry(const struct mm *mm, pfn_t base, unsigned flags)
{
	return pgtable_through_window(mm, pte_large(pte_make(base, flags)));
}

/* What the large entry e is cut up into. */
static pfn_t *table_of(struct mm *mm, uint64_t e)
{
	return &mm->gm->blocks[pte_pfn(e) >> BLOCK_SHIFT].table;
}

bool gmem_large(struct gmem *gm)
{
	return !gmem_shadow(gm);
}

pte_t *pgtable_large(struct mm *mm, uint64_t va)
{
	pte_t *p = mm->large ? pgtable_find_at(mm, va, LEVEL_LARGE) : NULL;
	uint64_t e = p ? pte_load(p) : 0;

	return e && !pte_is_table(e) ? p : NULL;
}

bool pgtable_span_empty(struct mm *mm, uint64_t va)
{
	const pte_t *p = pgtable_find_at(mm, va & ~(PGTABLE_SPAN - 1), 0);

	if (!p)
		return !pgtable_large(mm, va);
	for (unsigned i = 0; i < PGTABLE_ENTRIES; i++)
		if (pte_load(&p[i]))
			return false;
	return true;
}

/* ---- coming ---- */

/* *p, which is 0 for every vCPU, becomes large. table: to be cut up into. */
static void link_large(struct mm *mm, pte_t *p, pfn_t base, unsigned flags, pfn_t table)
{
	uint64_t e = large_entry(mm, base, flags);

	*table_of(mm, e) = table;
	mm->large++;
	if (flags & PTE_EXEC)
		pgtable_sync_code(mm->gm, e, PGTABLE_SPAN);
	atomic_store_explicit(p, e, memory_order_release);
}

/* The table that *p leads to, which no vCPU uses any more. */
static pfn_t unlink_table(struct mm *mm, pte_t *p)
{
	pfn_t table = pte_pfn(atomic_exchange(p, 0));

	mm->tables--;
	pgtable_flush(mm);
	return table;
}

int pgtable_set_large(struct mm *mm, uint64_t va, pfn_t base, unsigned flags)
{
	pte_t *p = pgtable_make_at(mm, va, LEVEL_LARGE);
	pfn_t table;

	if (!p)
		return -ENOMEM;
	table = pte_load(p) ? unlink_table(mm, p) : table_alloc(mm->gm);
	if (!table)
		return -ENOMEM;
	mm->resident += PGTABLE_ENTRIES;
	link_large(mm, p, base, flags, table);
	return 0;
}

void pgtable_merge(struct mm *mm, uint64_t va, unsigned flags)
{
	pte_t *p = pgtable_find_at(mm, va, LEVEL_LARGE);
	pfn_t table = unlink_table(mm, p);

	link_large(mm, p, pte_pfn(pte_load(frame_hva(mm->gm, table))), flags, table);
}

/* ---- cutting up ---- */

struct split {
	pte_t *p;
	uint64_t e; /* what *p was */
};

static void finish_splits(struct mm *mm, const struct split *s, unsigned n)
{
	if (n)
		pgtable_flush(mm);
	for (; n > 0; n--, s++) {
		pfn_t table = *table_of(mm, s->e);
		pte_t *t = frame_hva(mm->gm, table);

		for (unsigned i = 0; i < PGTABLE_ENTRIES; i++) {
			uint64_t e = pte_make(pte_pfn(s->e) + i, pte_flags(s->e));

			atomic_store_explicit(&t[i], pgtable_through_window(mm, e),
					      memory_order_relaxed);
		}
		mm->tables++;
		pgtable_link(s->p, table);
	}
}

void pgtable_split(struct mm *mm, uint64_t lo, uint64_t hi)
{
	struct split s[SPLIT_MAX];
	uint64_t va = lo;
	unsigned n = 0;
	bool large;
	pte_t *p;

	while (mm->large && (p = pgtable_next_any(mm, &va, hi, &large))) {
		if (large) {
			s[n++] = (struct split){p, atomic_exchange(p, 0) & ~GMEM_WINDOW_MASK};
			mm->large--;
		}
		if (n == SPLIT_MAX) {
			finish_splits(mm, s, n);
			n = 0;
		}
		va = (va & ~(PGTABLE_SPAN - 1)) + PGTABLE_SPAN;
	}
	finish_splits(mm, s, n);
}

/* ---- restricting changes ---- */

void pgtable_drop_large(struct pgtable_batch *b, pte_t *p)
{
	uint64_t old = atomic_exchange(p, 0) & ~GMEM_WINDOW_MASK;
	struct mm *mm = b->mm;

	mm->large--;
	if (mm->resident > mm->peak_resident)
		mm->peak_resident = mm->resident;
	mm->resident -= PGTABLE_ENTRIES;
	frame_list_push(mm->gm, &b->tables, *table_of(mm, old));
	b->e[b->n++] =
		(struct pgtable_batch_entry){.pfn = pte_pfn(old), .put = true, .large = true};
	b->flush |= (pte_flags(old) & PTE_PRESENT) != 0;
	if (b->n == PGTABLE_BATCH)
		pgtable_batch_flush(b);
}

void pgtable_protect_large(struct pgtable_batch *b, pte_t *p, unsigned flags)
{
	uint64_t old = pte_load(p), e = large_entry(b->mm, pte_pfn(old), flags);

	if (flags & PTE_EXEC && !(pte_flags(old) & PTE_EXEC))
		pgtable_sync_code(b->mm->gm, e, PGTABLE_SPAN);
	atomic_store_explicit(p, e, memory_order_release);
	b->flush |= (pte_flags(old) & ~flags) != 0;
}
