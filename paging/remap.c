/* mremap and brk: mappings that change their size. */
#include "detour_internal.h"
#include "pte.h"

#include <errno.h>
#include <string.h>

struct remap {
	struct mm *mm;
	uint64_t old, old_len, new_len;
	bool maymove, fixed, dontunmap;
	uint64_t new_addr;
	uint64_t result;
	bool locks; /* it is locked, and grows */
};

/* ---- moving pages ---- */

/* Makes every table that the moved entries will need: after this moving cannot fail. */
static int reserve_tables(struct mm *mm, uint64_t from, uint64_t to, uint64_t len)
{
	uint64_t va = from, end = from + len;
	pte_t *p;

	pgtable_split(mm, from, end);
	while ((p = pgtable_next(mm, &va, end))) {
		do {
			if (pte_load(p) && !pgtable_make(mm, to + (va - from)))
				return -ENOMEM;
			p++;
			va += PAGE_SIZE;
		} while (va < end && va & (PGTABLE_SPAN - 1));
	}
	return 0;
}

#define MOVE_CHUNK (PGTABLE_BATCH / 2)

/*
 * Moves the entries: gone at the old address for every vCPU before they
 * appear at the new one, a chunk at a time.
 */
static void move_entries(struct mm *mm, uint64_t from, uint64_t to, uint64_t len)
{
	struct {
		uint64_t va, e;
	} moved[MOVE_CHUNK];
	uint64_t va = from, end = from + len;
	struct pgtable_batch b;
	unsigned n = 0;
	pte_t *p;

	pgtable_batch_init(&b, mm);
	for (;;) {
		p = n < MOVE_CHUNK ? pgtable_next(mm, &va, end) : NULL;
		if (!p) {
			bool more = n == MOVE_CHUNK;

			pgtable_batch_flush(&b);
			while (n > 0) {
				n--;
				pgtable_set(mm, pgtable_find(mm, moved[n].va), moved[n].e);
			}
			if (!more)
				return;
			continue;
		}
		do {
			uint64_t e = pte_load(p);

			if (e) {
				moved[n].va = to + (va - from);
				moved[n++].e = e;
				pgtable_restrict(&b, p, 0, false);
			}
			p++;
			va += PAGE_SIZE;
		} while (n < MOVE_CHUNK && va < end && va & (PGTABLE_SPAN - 1));
	}
}

/* The VMA at r->old becomes one of new_len at a place that is free. */
static int move_mapping(struct remap *r, struct vma_node *n, uint64_t to)
{
	struct mm *mm = r->mm;
	uint64_t len = r->old_len < r->new_len ? r->old_len : r->new_len;
	struct vma_node *copy;
	struct vma v = n->v;

	if (mm->nvma + 3 >= MM_MAX_VMAS) /* the new one, and two cuts of the old */
		return -ENOMEM;
	v.start = to;
	v.end = to + r->new_len;
	if (v.obj)
		v.pgoff = vma_pgoff(&n->v, r->old);
	copy = vma_new(&v);
	if (!copy)
		return -ENOMEM;
	if (reserve_tables(mm, r->old, to, len) < 0)
		goto fail;
	vma_insert(mm, copy);
	if (r->old_len && !r->dontunmap) {
		struct vma_node *old = n, *hi;

		/* Cut the old range out first: the only step after this that could fail. */
		if (old->v.start < r->old) {
			if (vma_split(mm, old, r->old, &hi) < 0)
				goto fail_inserted;
			old = hi;
		}
		if (old->v.end > r->old + r->old_len &&
		    vma_split(mm, old, r->old + r->old_len, NULL) < 0) {
			vma_merge(mm, old);
			goto fail_inserted;
		}
	}
	if (r->old_len)
		move_entries(mm, r->old, to, len);
	if (r->old_len && !r->dontunmap)
		mm_unmap_locked(mm, r->old, r->old + r->old_len);
	else if (r->dontunmap)
		vma_set_flags(mm, n, n->v.flags & ~(unsigned)VMA_LOCK_MASK);
	vma_merge(mm, copy);
	r->result = to;
	return 0;

fail_inserted:
	vma_remove(mm, copy);
	return -ENOMEM;
fail:
	copy->dead = mm->dead;
	mm->dead = copy;
	return -ENOMEM;
}

/* ---- mremap ---- */

static int remap_check(const struct remap *r)
{
	if (r->old & (PAGE_SIZE - 1) || (r->old_len | r->new_len) & (PAGE_SIZE - 1) || !r->new_len)
		return -EINVAL;
	if (r->fixed && (!r->maymove || !mm_range_ok(r->new_addr, r->new_len)))
		return -EINVAL;
	if (r->dontunmap && (!r->maymove || r->old_len != r->new_len))
		return -EINVAL;
	if (r->fixed && r->new_addr < r->old + r->old_len && r->old < r->new_addr + r->new_len)
		return -EINVAL;
	if (r->new_len > ABI_USER_END - ABI_USER_MIN)
		return -ENOMEM;
	return 0;
}

static int grow_in_place(struct remap *r, struct vma_node *n)
{
	uint64_t end = r->old + r->new_len;

	if (r->old + r->old_len != n->v.end || !mm_range_ok(r->old, r->new_len) ||
	    detour_make_room(r->mm, n->v.end, end) < 0 || !vma_range_free(r->mm, n->v.end, end))
		return -ENOMEM;
	vma_resize(r->mm, n, n->v.start, end);
	vma_merge(r->mm, n);
	r->result = r->old;
	return 0;
}

static int remap_locked(struct remap *r)
{
	struct mm *mm = r->mm;
	struct vma_node *n = vma_find(mm, r->old);
	uint64_t pages, to;
	int err;

	if (!n || n->v.start > r->old)
		return -EFAULT;
	if (!r->old_len && !(n->v.flags & VMA_SHARED))
		return -EINVAL;
	if (n->v.flags & VMA_SPECIAL && r->old_len != r->new_len)
		return -EINVAL;
	if (detour_leave(mm, r->old, r->old + r->old_len) < 0)
		return -ENOMEM;
	if (r->fixed && r->old_len > r->new_len) {
		/* The target goes first, as on Linux; then what is too much. */
		err = mm_unmap_locked(mm, r->new_addr, r->new_addr + r->new_len);
		if (err < 0)
			return err;
	}
	if (r->old_len > r->new_len) {
		err = mm_unmap_locked(mm, r->old + r->new_len, r->old + r->old_len);
		if (err < 0)
			return err;
		r->old_len = r->new_len;
		n = vma_find(mm, r->old);
		if (!r->fixed) {
			r->result = r->old;
			return 0;
		}
	}
	if (r->old_len > n->v.end - r->old)
		return -EFAULT;
	if (r->old_len == r->new_len && !r->fixed && !r->dontunmap) {
		r->result = r->old;
		return 0;
	}
	pages = r->new_len >> PAGE_SHIFT;
	if (n->v.obj && pages > MM_PGOFF_MAX - vma_pgoff(&n->v, r->old))
		return -EINVAL;
	r->locks = n->v.flags & VMA_LOCKED && r->new_len > r->old_len;
	if (r->locks && !mm_may_lock(mm, n->v.flags, r->new_len - r->old_len))
		return -EAGAIN;
	if (!mm_may_map(mm, n->v.flags, r->dontunmap ? r->new_len : r->new_len - r->old_len))
		return -ENOMEM;
	if (!r->fixed && !r->dontunmap && r->old_len && !grow_in_place(r, n))
		return 0;
	if (!r->maymove)
		return -ENOMEM;
	if (r->fixed) {
		to = r->new_addr;
		err = mm_unmap_locked(mm, to, to + r->new_len);
		/* It may have been cut at the target's edge; or, with nothing to move away
		 * (old_len 0), be gone. */
		n = vma_find(mm, r->old);
		if (err == 0 && (!n || n->v.start > r->old))
			err = -EFAULT;
	} else {
		err = vma_place(mm, r->new_len, r->new_addr, false, &to);
	}
	return err < 0 ? err : move_mapping(r, n, to);
}

int mm_mremap(struct mm *mm, uint64_t old, uint64_t old_len, uint64_t new_len, bool maymove,
	      bool fixed, bool dontunmap, uint64_t new_addr, uint64_t *out)
{
	struct remap r = {
		.mm = mm,
		.old = old,
		.old_len = old_len,
		.new_len = new_len,
		.maymove = maymove,
		.fixed = fixed,
		.dontunmap = dontunmap,
		.new_addr = fixed || dontunmap ? new_addr : 0,
	};
	int err;

	/* An end beyond the address space belongs to no mapping. */
	if (old_len > UINT64_MAX - old || (!(old & (PAGE_SIZE - 1)) && old >= ABI_USER_END))
		return old & (PAGE_SIZE - 1) ? -EINVAL : -EFAULT;
	err = remap_check(&r);
	if (err < 0)
		return err;
	/* A second try goes on with what the first did: a shortened old range stays short. */
	for (int i = 0;; i++) {
		mm_lock(mm);
		err = remap_locked(&r);
		mm_unlock(mm);
		if (err != -ENOMEM || i == GMEM_TRIES || !gmem_make_room(mm->gm))
			break;
	}
	if (err)
		return err;
	*out = r.result;
	if (r.locks)
		mm_bring_in(mm, r.result + old_len, r.result + new_len, true);
	return 0;
}

/* ---- the heap ---- */

void mm_set_brk(struct mm *mm, uint64_t start)
{
	mm_lock(mm);
	mm->brk_start = mm->brk = start;
	mm_unlock(mm);
}

/* Extends or makes the heap's VMA: [from, to) is free. */
static int heap_map(struct mm *mm, uint64_t from, uint64_t to)
{
	struct vma v = {.start = from,
			.end = to,
			.flags = VMA_READ | VMA_WRITE | mm->future_lock,
			.name = "[heap]"};
	struct vma_node *n;

	if (mm->nvma >= MM_MAX_VMAS)
		return -ENOMEM;
	n = vma_new(&v);
	if (!n)
		return -ENOMEM;
	vma_insert(mm, n);
	vma_merge(mm, n);
	return 0;
}

static bool brk_locked(struct mm *mm, uint64_t brk, uint64_t rlimit_data)
{
	const unsigned flags = VMA_READ | VMA_WRITE | mm->future_lock;
	uint64_t from = page_up(mm->brk), to;

	if (brk < mm->brk_start || brk > ABI_USER_END || brk - mm->brk_start > rlimit_data)
		return false;
	to = page_up(brk);
	if (to < from)
		return mm_unmap_locked(mm, to, from) == 0;
	if (to == from)
		return true;
	return mm_range_ok(from, to - from) && mm_may_map(mm, flags, to - from) &&
	       mm_may_lock(mm, flags, to - from) &&
	       (to - from) >> PAGE_SHIFT <= OVERCOMMIT_PAGES(mm) &&
	       detour_make_room(mm, from, to) == 0 && vma_range_free(mm, from, to) &&
	       heap_map(mm, from, to) == 0;
}

uint64_t mm_brk(struct mm *mm, uint64_t brk, uint64_t rlimit_data)
{
	uint64_t old;
	bool locks;

	mm_lock(mm);
	old = mm->brk;
	if (brk_locked(mm, brk, rlimit_data))
		mm->brk = brk;
	brk = mm->brk;
	locks = mm->future_lock && brk > old;
	mm_unlock(mm);
	if (locks)
		mm_bring_in(mm, page_up(old), page_up(brk), true);
	return brk;
}
