/*
 * Roots of one address space that differ by activator: see pgtable.h.
 *
 * Where a page of the kernel half belongs to one activator alone (gmem_map_cpu), an mm has a root
 * for each activator that has run it. They share every table of the user's half and differ in one
 * entry. Most mms run on one activator all their life, and have one root.
 */
#include "mm_internal.h"
#include "pte.h"

#include <errno.h>
#include <stdlib.h>

#define KERN_ENTRY ((unsigned)PGTABLE_KERN_ENTRY)

static pte_t *root_at(struct gmem *gm, pfn_t pfn)
{
	return frame_hva(gm, pfn);
}

/*
 * The activator's own copy of the table below the root's entry: what all share is below it. Made
 * once, at set-up.
 */
static pfn_t make_kern_root(struct gmem *gm)
{
	pfn_t root = table_alloc(gm), table = table_alloc(gm);
	uint64_t shared = pte_load(&root_at(gm, gm->kern_root)[KERN_ENTRY]);

	if (!root || !table || !shared)
		return 0; /* set-up fails: gmem_destroy frees all */
	for (unsigned i = 0; i < PGTABLE_ENTRIES; i++)
		atomic_store_explicit(&root_at(gm, table)[i],
				      pte_load(&root_at(gm, pte_pfn(shared))[i]),
				      memory_order_relaxed);
	atomic_store_explicit(&root_at(gm, root)[KERN_ENTRY], pte_table(table),
			      memory_order_release);
	return root;
}

int gmem_map_cpu(struct gmem *gm, unsigned cpu, uint64_t va, pfn_t pfn, unsigned prot, bool user)
{
	if (PGTABLE_KERN_ENTRY < 0 || !gm->kern_root)
		return -ENOTSUP;
	if (!gm->cpu_kern[cpu])
		gm->cpu_kern[cpu] = make_kern_root(gm);
	if (!gm->cpu_kern[cpu])
		return -ENOMEM;
	return gmem_map_under(gm, gm->cpu_kern[cpu], va, pfn, prot, user);
}

void gmem_remap_cpu(struct gmem *gm, unsigned cpu, uint64_t va, pfn_t pfn)
{
	unsigned made = 0;
	pte_t *p = pgtable_walk_make(gm, gm->cpu_kern[cpu], va, &made);

	if (p)
		atomic_store_explicit(p, pte_make(pfn, PTE_PRESENT | PTE_WRITE),
				      memory_order_release);
}

static void set_kern(struct mm *mm, pfn_t root, unsigned cpu)
{
	struct gmem *gm = mm->gm;

	atomic_store_explicit(&root_at(gm, root)[KERN_ENTRY],
			      pte_load(&root_at(gm, gm->cpu_kern[cpu])[KERN_ENTRY]),
			      memory_order_release);
}

int pgtable_root_home(struct gmem *gm, pfn_t root)
{
	uint64_t e;

	if (PGTABLE_KERN_ENTRY < 0)
		return -1;
	e = pte_load(&root_at(gm, root)[KERN_ENTRY]);
	for (unsigned cpu = 0; cpu < GMEM_CPUS && gm->cpu_kern[cpu]; cpu++)
		if (e == pte_load(&root_at(gm, gm->cpu_kern[cpu])[KERN_ENTRY]))
			return (int)cpu;
	return -1;
}

/* One more root; 0: no memory. */
static pfn_t add_root_locked(struct mm *mm, unsigned cpu)
{
	const pte_t *from = root_at(mm->gm, mm->root);
	pfn_t root;
	pte_t *to;

	if (!mm->cpu_root)
		mm->cpu_root = calloc(GMEM_CPUS, sizeof(mm->cpu_root[0]));
	if (!mm->cpu_root)
		return 0;
	if (mm->cpu_root[cpu])
		return mm->cpu_root[cpu];
	root = table_alloc(mm->gm);
	if (!root)
		return 0;
	to = root_at(mm->gm, root);
	for (unsigned i = 0; i < PGTABLE_USER_ENTRIES; i++)
		atomic_store_explicit(&to[i], pte_load(&from[i]), memory_order_relaxed);
	set_kern(mm, root, cpu);
	mm->cpu_root[cpu] = root;
	return root;
}

static pfn_t root_on(struct mm *mm, unsigned cpu)
{
	pfn_t root = mm->root;

	if (!mm->gm->cpu_kern[cpu])
		return root;
	mm_lock(mm);
	/* The first one's entry changes before anybody has loaded it. */
	if (mm->home < 0) {
		set_kern(mm, root, cpu);
		mm->home = (int)cpu;
	} else if (mm->home != (int)cpu) {
		root = add_root_locked(mm, cpu);
	}
	mm_unlock(mm);
	return root;
}

int mm_root_on(struct mm *mm, unsigned cpu, gpa_t *out)
{
	for (int i = 0;; i++) {
		pfn_t root = root_on(mm, cpu);

		*out = pfn_gpa(root);
		if (root)
			return 0;
		if (i == GMEM_TRIES || !gmem_make_room(mm->gm))
			return -ENOMEM;
	}
}

void pgtable_sync_roots(struct mm *mm, unsigned index)
{
	uint64_t e = pte_load(&root_at(mm->gm, mm->root)[index]);

	for (unsigned cpu = 0; mm->cpu_root && cpu < GMEM_CPUS; cpu++)
		if (mm->cpu_root[cpu])
			atomic_store_explicit(&root_at(mm->gm, mm->cpu_root[cpu])[index], e,
					      memory_order_release);
}

void pgtable_free_roots(struct mm *mm, struct frame_list *tables)
{
	for (unsigned cpu = 0; mm->cpu_root && cpu < GMEM_CPUS; cpu++)
		if (mm->cpu_root[cpu])
			frame_list_push(mm->gm, tables, mm->cpu_root[cpu]);
	free(mm->cpu_root);
	mm->cpu_root = NULL;
}
