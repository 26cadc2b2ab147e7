/*
 * Page tables in guest memory: four levels, written by the host.
 *
 * Internal to paging/. The caller holds mm->lock, which protects the mm's tables. The
 * entry format is the architecture's (paging/ARCH/pte.h: pte_make, pte_pfn,
 * pte_flags, pte_table; same names in both). An entry is 0, present, or
 * "held": not present, but naming the frame of a page without permissions.
 * Each entry that is not 0 owns a reference to its frame.
 *
 * On a KVM that shadows page tables a present entry that the host restricts
 * stays in use. So: pgtable_set() may only make an entry present or more
 * permissive; anything else goes through a pgtable_batch, which collects
 * restricting changes, then in pgtable_batch_flush() drops the data pages from KVM's
 * alias (MADV_DONTNEED, adjacent frames in one call; their contents stay), raises
 * mm->tlb_gen, flushes the vCPUs that run the mm, and only then releases the frames.
 *
 * Freed table frames go to the quarantine: a recycled one could show a new process the old
 * one's memory. They leave it all together, when it is full or memory is short, by
 * slots_recycle. With hardware semantics (!shadow) they
 * are free after the flush.
 *
 * Large entries (large.c): one level above the leaf tables an entry may map PGTABLE_SPAN by itself.
 * Its frames are a block (block.c), and this mm's alone: a fork cuts it up. Who deals with single
 * entries does not meet it: pgtable_find(), pgtable_make() and pgtable_next() cut up what they come
 * by. That cannot fail, for the table that it takes was allocated with the large entry. Leaf
 * entries and a large one replace each other by break before make: the entry above is 0, and every
 * vCPU has been flushed, before it becomes the other. Translations of both sizes at a time are an
 * abort on arm64, and undefined on x86_64.
 *
 * There are none where KVM shadows page tables (gmem_large()). Where such a KVM cannot map as much
 * by one entry of its own it fills a shadow table "direct" from the large entry's address, and goes
 * on using that when the entry has become another: it then names other frames than it believes,
 * which some kernels do not survive. Only slots_recycle unlinks it, and that costs more than many
 * large entries save.
 *
 * A table that is freed while its mm lives leaves the shadow of the table behind, linked where the
 * new table's will be looked for; that is harmless: its leaves are gone, KVM fills it from
 * the new table, and what is in it is found by data page again.
 */
#ifndef VMBOX_PAGING_PGTABLE_H
#define VMBOX_PAGING_PGTABLE_H

#include "gmem_internal.h"

/* Software view of a leaf entry; the architecture's pte.h converts. Accessed and dirty are always
 * set. */
#define PTE_PRESENT 0x01
#define PTE_WRITE   0x02
#define PTE_EXEC    0x04
#define PTE_USER    0x08

#define PGTABLE_SHIFT   9
#define PGTABLE_ENTRIES (1u << PGTABLE_SHIFT)
#define PGTABLE_LEVELS  4
#define PGTABLE_SPAN    (PAGE_SIZE << PGTABLE_SHIFT) /* what one leaf table maps */

struct mm_tables;

typedef _Atomic uint64_t pte_t; /* an entry where it lies */

/* Without the window that its frame is seen through. */
static inline uint64_t pte_load(const pte_t *p)
{
	return atomic_load_explicit(p, memory_order_relaxed) & ~GMEM_WINDOW_MASK;
}

static inline unsigned pgtable_index(uint64_t va, int level)
{
	return va >> (PAGE_SHIFT + PGTABLE_SHIFT * level) & (PGTABLE_ENTRIES - 1);
}

/* ---- tables of a bare root, for the kernel half ---- */

/* The leaf entry of va under root; tables are made as needed. NULL: no frame. */
pte_t *pgtable_walk_make(struct gmem *gm, pfn_t root, uint64_t va, unsigned *made);

/* ---- an mm's tables ---- */

/* A root whose kernel half is the shared one. 0: no frame. */
pfn_t pgtable_root_new(struct gmem *gm);
/*
 * Activators may have pages of their own in the kernel half; then the mm has a root for each of
 * them. Whoever changes the user's entry `index` of mm->root calls this.
 */
void pgtable_sync_roots(struct mm *mm, unsigned index);
/* The activator that a root is for; -1: nobody has run on it, or all may. */
int pgtable_root_home(struct gmem *gm, pfn_t root);
/* All roots but mm->root, which are not used again, go to tables. */
void pgtable_free_roots(struct mm *mm, struct frame_list *tables);
/*
 * What the leaf entry of va is, or would be if what maps it were cut up; 0: nothing. Changes
 * nothing.
 */
uint64_t pgtable_get(struct mm *mm, uint64_t va);
/* The leaf entry of va; NULL if it has no table. */
pte_t *pgtable_find(struct mm *mm, uint64_t va);
/* The same, making tables: NULL: no frame (-ENOMEM). */
pte_t *pgtable_make(struct mm *mm, uint64_t va);
/*
 * Finds the next leaf table at or above *va and below end: sets *va to the first address in it (not
 * below the old *va) and returns its entry; the entries that follow up to the table's end are
 * adjacent. NULL: there is none.
 */
pte_t *pgtable_next(struct mm *mm, uint64_t *va, uint64_t end);
/*
 * The same, but a large entry of which no part lies below *va or behind end is returned as it is,
 * *large; others are cut up.
 */
pte_t *pgtable_next_large(struct mm *mm, uint64_t *va, uint64_t end, bool *large);
/* The same, and none is cut up: to look at. */
pte_t *pgtable_next_any(struct mm *mm, uint64_t *va, uint64_t end, bool *large);
/* Permissive change; takes over the caller's frame reference if the entry was 0. What becomes
 * executable is made visible as code first. */
void pgtable_set(struct mm *mm, pte_t *p, uint64_t e);
/*
 * Frees all tables and drops all frame references: for an mm whose root is never
 * loaded again. No invalidation.
 */
void pgtable_destroy(struct mm *mm);
void pgtable_destroy_tables(struct gmem *gm, const struct mm_tables *t);

/* ---- large entries ---- */

/* There may be some. */
bool gmem_large(struct gmem *gm);
/* The one that maps va, or NULL. */
pte_t *pgtable_large(struct mm *mm, uint64_t va);
/* Nothing is mapped in the span of va. */
bool pgtable_span_empty(struct mm *mm, uint64_t va);
/*
 * Maps the empty span of va by a large entry that names the block at base, whose references it
 * takes over. 0; -ENOMEM: no frame for a table, of those above it or the one to cut it up into.
 */
int pgtable_set_large(struct mm *mm, uint64_t va, pfn_t base, unsigned flags);
/*
 * The leaf entries of the span of va name a block, frame by frame, which nobody else refers to: a
 * large entry takes their place.
 */
void pgtable_merge(struct mm *mm, uint64_t va, unsigned flags);
/* Cuts up the large entries that map any of [lo, hi): the leaf entries permit the same. */
void pgtable_split(struct mm *mm, uint64_t lo, uint64_t hi);

#define PGTABLE_BATCH 256

struct pgtable_batch {
	struct mm *mm;
	unsigned n;               /* of e */
	bool flush;               /* something that was usable is not any more */
	struct frame_list tables; /* to free after the flush */
	struct pgtable_batch_entry {
		pfn_t pfn;
		gpa_t entry; /* where it lies */
		bool drop;   /* drop it from KVM's alias */
		bool put;    /* drop a reference after the flush */
		bool large;  /* of each frame of its block */
	} e[PGTABLE_BATCH];
};

void pgtable_batch_init(struct pgtable_batch *b, struct mm *mm);
/*
 * A restricting change of *p to e; put: the entry's frame reference goes (else it stays
 * with the entry, or has become the caller's). Flushes by itself when the batch is full.
 */
void pgtable_restrict(struct pgtable_batch *b, pte_t *p, uint64_t e, bool put);
/* The large entry *p goes, and what it maps. */
void pgtable_drop_large(struct pgtable_batch *b, pte_t *p);
/* The large entry *p permits as much as flags say from now on. */
void pgtable_protect_large(struct pgtable_batch *b, pte_t *p, unsigned flags);
/* Frees, after the flush, the tables that serve only addresses in [lo, hi): all their entries must
 * be 0. */
void pgtable_prune(struct pgtable_batch *b, uint64_t lo, uint64_t hi);
void pgtable_batch_flush(struct pgtable_batch *b);

/* ---- pgtable.c's, for large.c ---- */

/* The entry of va at that level; NULL: no table leads there. */
pte_t *pgtable_find_at(struct mm *mm, uint64_t va, int level);
/* The same, making tables. NULL: no frame. */
pte_t *pgtable_make_at(struct mm *mm, uint64_t va, int level);
/* A table's contents become reachable. */
void pgtable_link(pte_t *p, pfn_t table);
/* Returns when no vCPU uses an entry of the mm that was removed before. */
void pgtable_flush(struct mm *mm);
/* The frames behind e, a leaf or a large entry, will be fetched as instructions. */
void pgtable_sync_code(struct gmem *gm, uint64_t e, size_t len);
/* e as mm's tables have it. */
uint64_t pgtable_through_window(const struct mm *mm, uint64_t e);

#endif
