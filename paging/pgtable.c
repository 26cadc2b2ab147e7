/* Page tables: walking, and the one way to restrict a live entry. */
#include "pgtable.h"
#include "mm_internal.h"
#include "pte.h"

#include <stdlib.h>

static pte_t *table_at(struct gmem *gm, pfn_t pfn)
{
	return frame_hva(gm, pfn);
}

/* Zeroed contents must be visible before the table is reachable. */
void pgtable_link(pte_t *p, pfn_t pfn)
{
	atomic_store_explicit(p, pte_table(pfn), memory_order_release);
}

/* The entry of that level; no large one is on the way. */
static pte_t *walk_make(struct gmem *gm, pfn_t root, uint64_t va, int to, unsigned *made)
{
	pte_t *t = table_at(gm, root);

	for (int level = PGTABLE_LEVELS - 1; level > to; level--) {
		pte_t *p = &t[pgtable_index(va, level)];

		if (!pte_load(p)) {
			pfn_t pfn = table_alloc(gm);

			if (!pfn)
				return NULL;
			pgtable_link(p, pfn);
			++*made;
		}
		t = table_at(gm, pte_pfn(pte_load(p)));
	}
	return &t[pgtable_index(va, to)];
}

pte_t *pgtable_walk_make(struct gmem *gm, pfn_t root, uint64_t va, unsigned *made)
{
	return walk_make(gm, root, va, 0, made);
}

pfn_t pgtable_root_new(struct gmem *gm)
{
	pfn_t root = table_alloc(gm);

	if (root && gm->kern_root && PGTABLE_KERN_ENTRY >= 0) {
		unsigned i = (unsigned)PGTABLE_KERN_ENTRY;

		atomic_store_explicit(&table_at(gm, root)[i],
				      pte_load(&table_at(gm, gm->kern_root)[i]),
				      memory_order_release);
	}
	return root;
}

pte_t *pgtable_find_at(struct mm *mm, uint64_t va, int to)
{
	pte_t *t = table_at(mm->gm, mm->root);

	for (int level = PGTABLE_LEVELS - 1; level > to; level--) {
		uint64_t e = pte_load(&t[pgtable_index(va, level)]);

		if (!pte_is_table(e))
			return NULL;
		t = table_at(mm->gm, pte_pfn(e));
	}
	return &t[pgtable_index(va, to)];
}

uint64_t pgtable_get(struct mm *mm, uint64_t va)
{
	const pte_t *p = mm->large ? pgtable_large(mm, va) : NULL;
	uint64_t e;

	if (p) {
		e = pte_load(p);
		return pte_make(pte_pfn(e) + pgtable_index(va, 0), pte_flags(e));
	}
	p = pgtable_find_at(mm, va, 0);
	return p ? pte_load(p) : 0;
}

pte_t *pgtable_find(struct mm *mm, uint64_t va)
{
	pgtable_split(mm, va, va + 1);
	return pgtable_find_at(mm, va, 0);
}

pte_t *pgtable_make_at(struct mm *mm, uint64_t va, int to)
{
	unsigned made = 0;
	pte_t *p = walk_make(mm->gm, mm->root, va, to, &made);

	mm->tables += made;
	if (made)
		pgtable_sync_roots(mm, pgtable_index(va, PGTABLE_LEVELS - 1));
	return p;
}

pte_t *pgtable_make(struct mm *mm, uint64_t va)
{
	pgtable_split(mm, va, va + 1);
	return pgtable_make_at(mm, va, 0);
}

/* The start of what the next entry of t that is not 0 maps: behind `at`, or `end` or the table's
 * end. */
static uint64_t skip_empty(pte_t *t, int level, uint64_t at, uint64_t end)
{
	uint64_t span = PAGE_SIZE << (PGTABLE_SHIFT * level);
	unsigned i = pgtable_index(at, level);

	at &= ~(span - 1);
	do {
		at += span; /* user addresses do not wrap */
		i++;
	} while (i < PGTABLE_ENTRIES && at < end && !pte_load(&t[i]));
	return at;
}

pte_t *pgtable_next_any(struct mm *mm, uint64_t *va, uint64_t end, bool *large)
{
	uint64_t at = *va;

	while (at < end) {
		pte_t *t = table_at(mm->gm, mm->root);
		uint64_t e = 0;
		int level;

		for (level = PGTABLE_LEVELS - 1; level > 0; level--) {
			e = pte_load(&t[pgtable_index(at, level)]);
			if (!pte_is_table(e))
				break;
			t = table_at(mm->gm, pte_pfn(e));
		}
		*large = level && e;
		if (!level || *large) {
			*va = at;
			return &t[pgtable_index(at, level)];
		}
		at = skip_empty(t, level, at, end);
	}
	return NULL;
}

pte_t *pgtable_next_large(struct mm *mm, uint64_t *va, uint64_t end, bool *large)
{
	pte_t *p = pgtable_next_any(mm, va, end, large);

	if (!p || !*large || (!(*va & (PGTABLE_SPAN - 1)) && end - *va >= PGTABLE_SPAN))
		return p;
	*large = false;
	return pgtable_find(mm, *va);
}

pte_t *pgtable_next(struct mm *mm, uint64_t *va, uint64_t end)
{
	bool large;
	pte_t *p = pgtable_next_any(mm, va, end, &large);

	return p && large ? pgtable_find(mm, *va) : p;
}

/*
 * Code was written as data. If the page cannot be touched (its file is shorter now), whoever
 * executes it finds out.
 */
void pgtable_sync_code(struct gmem *gm, uint64_t e, size_t len)
{
	gmem_sync_code(frame_hva(gm, pte_pfn(e)), len);
	atomic_fetch_add_explicit(&gm->code_gen, 1, memory_order_release);
}

uint64_t pgtable_through_window(const struct mm *mm, uint64_t e)
{
	return e ? e | window_gpa(mm->window) : 0;
}

void pgtable_set(struct mm *mm, pte_t *p, uint64_t e)
{
	uint64_t old = pte_load(p);

	if (!old)
		mm->resident++;
	if (pte_flags(e) & PTE_EXEC && !(pte_flags(old) & PTE_EXEC))
		pgtable_sync_code(mm->gm, e, PAGE_SIZE);
	atomic_store_explicit(p, pgtable_through_window(mm, e), memory_order_release);
}

/* ---- the end of an mm ---- */

struct destroy {
	struct gmem *gm;
	struct frame_list frames, tables;
};

static void destroy_large(struct destroy *d, uint64_t e)
{
	for (unsigned i = 0; i < BLOCK_FRAMES; i++)
		frame_put_list(d->gm, &d->frames, pte_pfn(e) + i);
	frame_list_push(d->gm, &d->tables, d->gm->blocks[pte_pfn(e) >> BLOCK_SHIFT].table);
}

static void destroy_table(struct destroy *d, pfn_t pfn, int level, unsigned entries)
{
	pte_t *t = table_at(d->gm, pfn);

	for (unsigned i = 0; i < entries; i++) {
		uint64_t e = pte_load(&t[i]);

		if (!e)
			continue;
		if (level > 0 && !pte_is_table(e))
			destroy_large(d, e);
		else if (level > 0)
			destroy_table(d, pte_pfn(e), level - 1, PGTABLE_ENTRIES);
		else
			frame_put_list(d->gm, &d->frames, pte_pfn(e));
	}
	frame_list_push(d->gm, &d->tables, pfn);
}

void pgtable_destroy_tables(struct gmem *gm, const struct mm_tables *t)
{
	struct destroy d = {.gm = gm};

	destroy_table(&d, t->root, PGTABLE_LEVELS - 1, PGTABLE_USER_ENTRIES);
	frame_free_list(gm, &d.frames);
	table_free_list(gm, &d.tables);
	window_put(gm, t->window);
}

void pgtable_destroy(struct mm *mm)
{
	struct frame_list tables = {0};

	pgtable_free_roots(mm, &tables);
	table_free_list(mm->gm, &tables);
	if (!mm->root)
		return;
	pgtable_destroy_tables(mm->gm, &(struct mm_tables){mm->root, mm->window, 0, 0});
	mm->root = 0;
	mm->resident = 0;
	mm->tables = 0;
	mm->large = 0;
}

/* ---- restricting changes ---- */

static gpa_t entry_gpa(const struct gmem *gm, const pte_t *p)
{
	return gpa((uintptr_t)p - (uintptr_t)gm->vmm);
}

void pgtable_batch_init(struct pgtable_batch *b, struct mm *mm)
{
	b->mm = mm;
	b->n = 0;
	b->flush = false;
	b->tables = (struct frame_list){0};
}

void pgtable_restrict(struct pgtable_batch *b, pte_t *p, uint64_t e, bool put)
{
	uint64_t old = atomic_exchange(p, pgtable_through_window(b->mm, e)) & ~GMEM_WINDOW_MASK;
	bool live = pte_flags(old) & PTE_PRESENT;

	if (old && !e) {
		if (b->mm->resident > b->mm->peak_resident)
			b->mm->peak_resident = b->mm->resident;
		b->mm->resident--;
	}
	if (!old || (!live && !put))
		return;
	b->e[b->n++] = (struct pgtable_batch_entry){
		.pfn = pte_pfn(old), .entry = entry_gpa(b->mm->gm, p), .drop = live, .put = put};
	b->flush |= live;
	if (b->n == PGTABLE_BATCH)
		pgtable_batch_flush(b);
}

static int compare_entry(const void *a, const void *b)
{
	const struct pgtable_batch_entry *x = a, *y = b;

	return x->pfn < y->pfn ? -1 : x->pfn > y->pfn;
}

static void drop_frames(struct pgtable_batch *b)
{
	pfn_t first = 0;
	size_t run = 0;

	for (unsigned i = 0; i < b->n; i++) {
		if (!b->e[i].drop || (run && b->e[i].pfn == first + run - 1))
			continue;
		if (run && b->e[i].pfn == first + run) {
			run++;
			continue;
		}
		if (run)
			alias_drop_run(b->mm->gm, first, run);
		first = b->e[i].pfn;
		run = 1;
	}
	if (run)
		alias_drop_run(b->mm->gm, first, run);
}

#define FORGET_MAX 24 /* of more it is cheaper to drop the pages */

/*
 * KVM finds what it made of an entry by the table that it thinks it is in. A table that has taken
 * the place of another may not be that.
 */
static bool forget_entries(struct pgtable_batch *b)
{
	struct gmem *gm = b->mm->gm;
	gpa_t entries[FORGET_MAX];
	unsigned n = 0;

	if (!gm->ops->forget || b->mm->pruned)
		return false;
	for (unsigned i = 0; i < b->n; i++) {
		if (!b->e[i].drop)
			continue;
		if (n == FORGET_MAX)
			return false;
		entries[n++] = b->e[i].entry;
	}
	return gm->ops->forget(gm->machine, b->mm, entries, n);
}

/* Before ops->flush looks who is active: whoever becomes so later compares the generation. */
void pgtable_flush(struct mm *mm)
{
	atomic_fetch_add(&mm->tlb_gen, 1);
	if (mm->gm->ops->flush)
		mm->gm->ops->flush(mm->gm->machine, mm);
}

void pgtable_batch_flush(struct pgtable_batch *b)
{
	struct mm *mm = b->mm;
	struct frame_list frames = {0};

	if (b->flush) {
		if (gmem_shadow(mm->gm) && !forget_entries(b)) {
			qsort(b->e, b->n, sizeof(b->e[0]), compare_entry);
			drop_frames(b);
		}
		pgtable_flush(mm);
	}
	for (unsigned i = 0; i < b->n; i++) {
		for (unsigned j = b->e[i].large ? BLOCK_FRAMES : 1; b->e[i].put && j-- > 0;)
			frame_put_list(mm->gm, &frames, b->e[i].pfn + j);
	}
	frame_free_list(mm->gm, &frames);
	table_free_list(mm->gm, &b->tables);
	pgtable_batch_init(b, mm);
}

static void prune_table(struct pgtable_batch *b, pte_t *t, int level, uint64_t base, uint64_t lo,
			uint64_t hi)
{
	struct mm *mm = b->mm;
	uint64_t span = PAGE_SIZE << (PGTABLE_SHIFT * level);
	unsigned first = lo > base ? (unsigned)((lo - base) / span) : 0;

	for (unsigned i = first; i < PGTABLE_ENTRIES && base + i * span < hi; i++) {
		uint64_t start = base + i * span, e = pte_load(&t[i]);

		if (!e)
			continue;
		if (level > 1)
			prune_table(b, table_at(mm->gm, pte_pfn(e)), level - 1, start, lo, hi);
		if (start >= lo && start + span <= hi) {
			atomic_store(&t[i], 0);
			if (level == PGTABLE_LEVELS - 1)
				pgtable_sync_roots(mm, i);
			frame_list_push(mm->gm, &b->tables, pte_pfn(e));
			b->flush = true;
			mm->tables--;
			mm->pruned = true;
		}
	}
}

void pgtable_prune(struct pgtable_batch *b, uint64_t lo, uint64_t hi)
{
	prune_table(b, table_at(b->mm->gm, b->mm->root), PGTABLE_LEVELS - 1, 0, lo, hi);
}
