/* What an address space takes: of each mapping, and of all together. */
#include "mm_internal.h"
#include "pte.h"

/* Of the n pages from va on, whose entries are at p: how many are the private mapping's object's
 * own. */
static uint64_t count_object(struct mm *mm, const struct vma *v, uint64_t va, const pte_t *p,
			     unsigned n)
{
	pfn_t pfn[MM_FAULT_AROUND];
	uint64_t found = 0;

	for (unsigned done = 0, some; done < n; done += some) {
		some = n - done < MM_FAULT_AROUND ? n - done : MM_FAULT_AROUND;
		memobj_peek_range(v->obj, vma_pgoff(v, va + done * PAGE_SIZE), some, pfn);
		for (unsigned i = 0; i < some; i++) {
			uint64_t e = pte_load(p + done + i);

			if (!pfn[i])
				continue;
			found += e && pte_pfn(e) == pfn[i];
			frame_put(mm->gm, pfn[i]);
		}
	}
	return found;
}

static void count_resident(struct mm *mm, const struct vma *v, struct vma_pages *out)
{
	uint64_t va = v->start;
	bool large;
	pte_t *p;

	*out = (struct vma_pages){0};
	while ((p = pgtable_next_any(mm, &va, v->end, &large))) {
		uint64_t next = (va & ~(PGTABLE_SPAN - 1)) + PGTABLE_SPAN;
		unsigned n, here = 0;

		if (next > v->end)
			next = v->end;
		n = (unsigned)((next - va) >> PAGE_SHIFT);
		if (large)
			here = n;
		for (unsigned i = 0; i < n && !large; i++)
			here += pte_load(p + i) != 0;
		out->resident += here;
		if (here && v->obj)
			out->object += v->flags & VMA_SHARED ? here : count_object(mm, v, va, p, n);
		va = next;
	}
}

void mm_for_each_vma(struct mm *mm,
		     void (*f)(const struct vma *v, const struct vma_pages *pages, void *arg),
		     void *arg)
{
	struct vma_node *n;

	mm_lock(mm);
	RB_FOREACH (n, vma_tree, &mm->vmas) {
		struct vma_pages pages;

		count_resident(mm, &n->v, &pages);
		f(&n->v, &pages, arg);
	}
	mm_unlock(mm);
}

void mm_get_usage(struct mm *mm, struct mm_usage *out)
{
	mm_lock(mm);
	out->mapped = mm->mapped;
	out->locked = mm->locked;
	out->data = mm->data;
	out->resident = mm->resident;
	out->tables = mm->tables + 1;
	out->peak_mapped = mm->mapped > mm->peak_mapped ? mm->mapped : mm->peak_mapped;
	out->peak_resident = mm->resident > mm->peak_resident ? mm->resident : mm->peak_resident;
	out->brk_start = mm->brk_start;
	mm_unlock(mm);
}
