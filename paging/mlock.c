/* Locked memory: what is counted against a limit, and is there. */
#include "mm_internal.h"

#include <errno.h>

bool mm_room_to_lock(const struct mm *mm, uint64_t bytes, uint64_t limit)
{
	if (limit == UINT64_MAX)
		return true;
	limit = page_down(limit);
	return mm->locked <= limit && bytes <= limit - mm->locked;
}

bool mm_can_lock(struct mm *mm, uint64_t bytes, uint64_t limit)
{
	bool yes;

	mm_lock(mm);
	yes = mm_room_to_lock(mm, bytes, limit);
	mm_unlock(mm);
	return yes;
}

void mm_set_limit_lock(struct mm *mm, uint64_t bytes)
{
	atomic_store(&mm->limit_lock, bytes);
}

/* Bytes of [start, end) that are locked already. */
static uint64_t locked_in(struct mm *mm, uint64_t start, uint64_t end)
{
	uint64_t sum = 0;

	for (struct vma_node *n = vma_find(mm, start); n && n->v.start < end; n = vma_next(n)) {
		uint64_t lo = n->v.start > start ? n->v.start : start;
		uint64_t hi = n->v.end < end ? n->v.end : end;

		if (n->v.flags & VMA_LOCKED)
			sum += hi - lo;
	}
	return sum;
}

/* n, or what becomes of it, locked as told. NULL: too many VMAs, or no memory. */
static struct vma_node *lock_vma(struct mm *mm, struct vma_node *n, uint64_t start, uint64_t end,
				 unsigned how)
{
	unsigned flags = (n->v.flags & ~(unsigned)VMA_LOCK_MASK) | how;

	if (flags == n->v.flags || n->v.flags & VMA_SPECIAL)
		return n;
	n = mm_clip(mm, n, start, end);
	if (!n)
		return NULL;
	vma_set_flags(mm, n, flags);
	return vma_merge(mm, n);
}

static int lock_range(struct mm *mm, uint64_t start, uint64_t end, unsigned how)
{
	while (start < end) {
		struct vma_node *n = vma_find(mm, start);

		if (!n || n->v.start > start)
			return -ENOMEM;
		n = lock_vma(mm, n, start, end, how);
		if (!n)
			return -ENOMEM;
		start = n->v.end;
	}
	return 0;
}

/* A write where a write would make a page of its own: __mm_populate() of Linux. */
static int bring_in_part(struct mm *mm, const struct vma *v, uint64_t lo, uint64_t hi)
{
	int r;

	if ((v->flags & VMA_LOCK_MASK) != VMA_LOCKED)
		return 0;
	if (!(v->flags & VMA_PROT))
		return -ENOMEM;
	r = mm_populate(mm, lo, hi - lo, (v->flags & (VMA_WRITE | VMA_SHARED)) == VMA_WRITE);
	return r == -EFAULT ? -ENOMEM : r == -ENOMEM ? -EAGAIN : r;
}

int mm_bring_in(struct mm *mm, uint64_t from, uint64_t to, bool pass)
{
	struct vma v;
	int r = 0;

	while (from < to && mm_find_vma(mm, from, &v) && v.start < to) {
		r = bring_in_part(mm, &v, v.start > from ? v.start : from, v.end < to ? v.end : to);
		if (r < 0 && !pass)
			return r;
		from = v.end;
	}
	return 0;
}

int mm_mlock(struct mm *mm, uint64_t addr, uint64_t len, unsigned how, uint64_t limit)
{
	uint64_t end = addr + len;
	int r = -ENOMEM;

	mm_lock(mm);
	mm_set_limit_lock(mm, limit);
	if (!how || mm_room_to_lock(mm, len, limit) ||
	    mm_room_to_lock(mm, len - locked_in(mm, addr, end), limit))
		r = end < addr ? -EINVAL : lock_range(mm, addr, end, how);
	mm_unlock(mm);
	return r < 0 || !how ? r : mm_bring_in(mm, addr, end, false);
}

int mm_mlockall(struct mm *mm, bool current, unsigned how, unsigned future, uint64_t limit)
{
	struct vma_node *n;

	mm_lock(mm);
	if (current && how && mm->mapped > limit) {
		mm_unlock(mm);
		return -ENOMEM;
	}
	mm_set_limit_lock(mm, limit);
	mm->future_lock = future;
	for (n = RB_MIN(vma_tree, &mm->vmas); current && n; n = vma_next(n)) {
		/* Whole mappings: nothing to cut, nothing to fail. */
		n = lock_vma(mm, n, n->v.start, n->v.end, how);
		if (!n)
			break;
	}
	mm_unlock(mm);
	if (how)
		mm_bring_in(mm, 0, ABI_USER_END, true);
	return 0;
}
