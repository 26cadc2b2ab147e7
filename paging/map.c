/* mmap, munmap, mprotect, madvise: what is mapped where. */
#include "detour_internal.h"
#include "pte.h"

#include <errno.h>
#include <string.h>

bool mm_range_ok(uint64_t addr, uint64_t len)
{
	if ((addr | len) & (PAGE_SIZE - 1) || !len)
		return false;
	return addr >= ABI_USER_MIN && addr < ABI_USER_END && len <= ABI_USER_END - addr;
}

static bool fits(uint64_t have, uint64_t more, uint64_t limit)
{
	return have <= limit && more <= limit - have;
}

bool mm_may_map(struct mm *mm, unsigned flags, uint64_t len)
{
	return fits(mm->mapped, len, mm->limit_as) && mm_may_be_data(mm, flags, len);
}

bool mm_may_be_data(struct mm *mm, unsigned flags, uint64_t len)
{
	return !vma_is_data(flags) || fits(mm->data, len, mm->limit_data);
}

bool mm_may_lock(struct mm *mm, unsigned flags, uint64_t len)
{
	return !(flags & VMA_LOCKED) || mm_room_to_lock(mm, len, atomic_load(&mm->limit_lock));
}

/* ---- unmapping ---- */

void mm_zap(struct pgtable_batch *b, uint64_t start, uint64_t end)
{
	uint64_t va = start;
	bool large;
	pte_t *p;

	detour_forget(b->mm, start, end);
	while ((p = pgtable_next_large(b->mm, &va, end, &large))) {
		if (large) {
			pgtable_drop_large(b, p);
			va += PGTABLE_SPAN;
			continue;
		}
		do {
			if (pte_load(p))
				pgtable_restrict(b, p, 0, true);
			p++;
			va += PAGE_SIZE;
		} while (va < end && va & (PGTABLE_SPAN - 1));
	}
}

/*
 * Tables that serve nothing any more. A small unmap keeps its table for the
 * next mapping there, unless the mm has many that it does not need.
 */
static void prune(struct pgtable_batch *b, uint64_t start, uint64_t end)
{
	struct mm *mm = b->mm;
	struct vma_node *next = vma_find(mm, end);
	struct vma_node *prev = next ? vma_prev(next) : RB_MAX(vma_tree, &mm->vmas);
	uint64_t lo = prev ? prev->v.end : 0, hi = next ? next->v.start : ABI_USER_END;

	if (end - start >= PGTABLE_SPAN || mm->tables > 32 + 4 * (uint64_t)mm->nvma)
		pgtable_prune(b, lo, hi);
}

int mm_unmap_locked(struct mm *mm, uint64_t start, uint64_t end)
{
	struct vma_node *n = vma_find(mm, start), *next;
	struct pgtable_batch b;

	if (!n || n->v.start >= end)
		return 0;
	if (detour_vacate(mm, start, end) < 0)
		return -ENOMEM;
	if (n->v.start < start) {
		if (vma_split(mm, n, start, &next) < 0)
			return -ENOMEM;
		n = next;
	}
	next = vma_find(mm, end - 1);
	if (next && next->v.start < end && next->v.end > end &&
	    vma_split(mm, next, end, NULL) < 0) {
		vma_merge(mm, n);
		return -ENOMEM;
	}
	pgtable_batch_init(&b, mm);
	mm_zap(&b, start, end);
	for (; n && n->v.start < end; n = next) {
		next = vma_next(n);
		vma_remove(mm, n);
	}
	prune(&b, start, end);
	pgtable_batch_flush(&b);
	return 0;
}

int mm_munmap(struct mm *mm, uint64_t addr, uint64_t len)
{
	int r;

	if (!mm_range_ok(addr, len))
		return -EINVAL;
	mm_lock(mm);
	r = mm_unmap_locked(mm, addr, addr + len);
	mm_unlock(mm);
	return r;
}

void mm_zap_object(struct mm *mm, struct memobj *o, uint64_t pgoff)
{
	struct pgtable_batch b;
	struct vma_node *n;

	mm_lock(mm);
	pgtable_batch_init(&b, mm);
	RB_FOREACH (n, vma_tree, &mm->vmas) {
		uint64_t pages = (n->v.end - n->v.start) >> PAGE_SHIFT, first;

		if (n->v.obj != o || pgoff >= n->v.pgoff + pages)
			continue;
		first = pgoff > n->v.pgoff ? pgoff - n->v.pgoff : 0;
		mm_zap(&b, n->v.start + (first << PAGE_SHIFT), n->v.end);
	}
	pgtable_batch_flush(&b);
	mm_unlock(mm);
}

/* ---- mapping ---- */

/* Bytes of [start, end) that are mapped. */
static uint64_t overlap(struct mm *mm, uint64_t start, uint64_t end)
{
	uint64_t sum = 0;

	for (struct vma_node *n = vma_find(mm, start); n && n->v.start < end; n = vma_next(n)) {
		uint64_t lo = n->v.start > start ? n->v.start : start;
		uint64_t hi = n->v.end < end ? n->v.end : end;

		sum += hi - lo;
	}
	return sum;
}

static int mmap_check(struct mm *mm, const struct mm_map *m)
{
	uint64_t pages = m->len >> PAGE_SHIFT;

	if (!m->len || (m->len | (m->fixed ? m->addr : 0)) & (PAGE_SIZE - 1))
		return -EINVAL;
	if (m->fixed && !mm_range_ok(m->addr, m->len))
		return -EINVAL;
	if (m->flags & VMA_SHARED && !m->obj)
		return -EINVAL;
	if (m->len > ABI_USER_END - ABI_USER_MIN)
		return -ENOMEM;
	if (m->obj && (m->pgoff > MM_PGOFF_MAX || pages > MM_PGOFF_MAX - m->pgoff))
		return -EINVAL;
	if ((m->flags & (VMA_WRITE | VMA_SHARED | VMA_NORESERVE)) == VMA_WRITE &&
	    pages > OVERCOMMIT_PAGES(mm))
		return -ENOMEM;
	return 0;
}

/* Finds the place and makes it free. mm->lock held. */
static int mmap_place(struct mm *mm, const struct mm_map *m, uint64_t *addr)
{
	bool may_lock = mm_may_lock(mm, m->flags | mm->future_lock, m->len);
	uint64_t hint = page_down(m->addr), taken;

	if ((m->fixed || mm_range_ok(hint, m->len)) &&
	    detour_make_room(mm, hint, hint + m->len) < 0)
		return -ENOMEM;
	if (!m->fixed) {
		if (!may_lock)
			return -EAGAIN;
		if (!mm_may_map(mm, m->flags, m->len))
			return -ENOMEM;
		return vma_place(mm, m->len, hint, m->low32, addr);
	}
	taken = overlap(mm, m->addr, m->addr + m->len);
	if (m->noreplace && taken)
		return -EEXIST;
	if (!may_lock)
		return -EAGAIN;
	if (!mm_may_map(mm, m->flags, m->len - taken))
		return -ENOMEM;
	*addr = m->addr;
	return mm_unmap_locked(mm, m->addr, m->addr + m->len);
}

int mm_mmap(struct mm *mm, const struct mm_map *m, uint64_t *out)
{
	struct vma v = {.flags = m->flags, .obj = m->obj, .pgoff = m->pgoff, .file = m->file};
	struct vma_node *n;
	uint64_t addr = 0;
	bool locks = false;
	int r = mmap_check(mm, m);

	if (r < 0)
		return r;
	if (!v.obj)
		v.pgoff = 0;
	if (m->name)
		strncpy(v.name, m->name, sizeof(v.name) - 1);
	v.end = m->len;
	n = vma_new(&v);
	if (!n)
		return -ENOMEM;
	mm_lock(mm);
	r = mm->nvma >= MM_MAX_VMAS ? -ENOMEM : mmap_place(mm, m, &addr);
	if (!r) {
		n->v.start = addr;
		n->v.end = addr + m->len;
		if (!(n->v.flags & VMA_SPECIAL))
			n->v.flags |= mm->future_lock;
		locks = n->v.flags & VMA_LOCKED;
		v = n->v;
		vma_insert(mm, n);
		vma_expect(vma_merge(mm, n), &v);
		*out = addr;
	}
	mm_unlock(mm);
	if (r)
		vma_free(n);
	else if (locks)
		mm_bring_in(mm, addr, addr + m->len, true);
	else if (m->populate)
		mm_populate(mm, addr, m->len, false); /* a failure shows at the touch */
	return r;
}

/* ---- changing what is mapped ---- */

struct vma_node *mm_clip(struct mm *mm, struct vma_node *n, uint64_t start, uint64_t end)
{
	struct vma_node *hi;

	if (n->v.start < start) {
		if (vma_split(mm, n, start, &hi) < 0)
			return NULL;
		n = hi;
	}
	if (n->v.end > end && vma_split(mm, n, end, NULL) < 0) {
		vma_merge(mm, n);
		return NULL;
	}
	return n;
}

/* Brings the entries of n in line with its flags. */
static void protect_pages(struct pgtable_batch *b, struct vma_node *n)
{
	struct mm *mm = b->mm;
	uint64_t va = n->v.start, end = n->v.end;
	bool large;
	pte_t *p;

	while ((p = pgtable_next_large(mm, &va, end, &large))) {
		if (large) {
			pgtable_protect_large(b, p, vma_pte_flags(&n->v, true));
			va += PGTABLE_SPAN;
			continue;
		}
		do {
			uint64_t old = pte_load(p), e;
			bool own;

			if (old) {
				if (n->v.flags & VMA_SHARED)
					own = vma_shared_write(&n->v) || pte_flags(old) & PTE_WRITE;
				else
					own = frame_refs(mm->gm, pte_pfn(old)) == 1;
				e = pte_make(pte_pfn(old), vma_pte_flags(&n->v, own));
				if (pte_flags(old) & ~pte_flags(e))
					pgtable_restrict(b, p, e, false);
				else if (e != old)
					pgtable_set(mm, p, e);
			}
			p++;
			va += PAGE_SIZE;
		} while (va < end && va & (PGTABLE_SPAN - 1));
	}
}

int mm_mprotect(struct mm *mm, uint64_t addr, uint64_t len, unsigned prot)
{
	uint64_t at = addr, end = addr + len;
	struct pgtable_batch b;
	int r = 0;

	if (!len && !(addr & (PAGE_SIZE - 1)))
		return 0;
	if (!mm_range_ok(addr, len))
		return addr & (PAGE_SIZE - 1) ? -EINVAL : -ENOMEM;
	mm_lock(mm);
	pgtable_batch_init(&b, mm);
	while (at < end) {
		struct vma_node *n = vma_find(mm, at);

		if (!n || n->v.start > at) {
			r = -ENOMEM;
			break;
		}
		if (prot & VMA_WRITE && n->v.flags & VMA_NOWRITE) {
			r = -EACCES;
			break;
		}
		if ((n->v.flags & VMA_PROT) != (prot & VMA_PROT)) {
			unsigned flags = n->v.flags | (prot & VMA_WRITE);

			len = (n->v.end < end ? n->v.end : end) - at;
			if (vma_is_data(flags) && !vma_is_data(n->v.flags) &&
			    !mm_may_be_data(mm, flags, len)) {
				r = -ENOMEM;
				break;
			}
			if (detour_leave(mm, at, n->v.end < end ? n->v.end : end) < 0) {
				r = -ENOMEM;
				break;
			}
			n = mm_clip(mm, n, at, end);
			if (!n) {
				r = -ENOMEM;
				break;
			}
			flags = (n->v.flags & ~(unsigned)VMA_PROT) | (prot & VMA_PROT);
			if ((n->v.flags | prot) & VMA_WRITE)
				flags |= VMA_WRITTEN;
			vma_set_flags(mm, n, flags);
			protect_pages(&b, n);
			n = vma_merge(mm, n);
		}
		at = n->v.end;
	}
	pgtable_batch_flush(&b);
	mm_unlock(mm);
	return r;
}

int mm_dontneed(struct mm *mm, uint64_t addr, uint64_t len)
{
	uint64_t at = addr, end = addr + len;
	struct pgtable_batch b;
	int r = 0;

	if (!len && !(addr & (PAGE_SIZE - 1)))
		return 0;
	if (!mm_range_ok(addr, len))
		return addr & (PAGE_SIZE - 1) ? -EINVAL : -ENOMEM;
	mm_lock(mm);
	pgtable_batch_init(&b, mm);
	while (at < end) {
		struct vma_node *n = vma_find(mm, at);
		uint64_t lo, hi;

		if (!n || n->v.start > at)
			r = -ENOMEM;
		if (!n || n->v.start >= end)
			break;
		lo = n->v.start > at ? n->v.start : at;
		hi = n->v.end < end ? n->v.end : end;
		if (detour_vacate(mm, lo, hi) < 0) {
			r = -ENOMEM;
			break;
		}
		mm_zap(&b, lo, hi);
		at = hi;
	}
	pgtable_batch_flush(&b);
	mm_unlock(mm);
	return r;
}

int mm_advise(struct mm *mm, uint64_t addr, uint64_t len, unsigned set, unsigned clear)
{
	const unsigned mask = VMA_DONTFORK | VMA_WIPEONFORK | VMA_SPANS | VMA_NOSPANS;
	uint64_t at = addr, end = addr + len;
	int r = 0;

	if (!len && !(addr & (PAGE_SIZE - 1)))
		return 0;
	if (!mm_range_ok(addr, len))
		return addr & (PAGE_SIZE - 1) ? -EINVAL : -ENOMEM;
	if (set & VMA_SPANS && len >= PGTABLE_SPAN && !mm_no_spans(mm))
		block_expect(mm->gm);
	mm_lock(mm);
	while (at < end) {
		struct vma_node *n = vma_find(mm, at);
		unsigned flags;

		if (!n || n->v.start > at)
			r = -ENOMEM;
		if (!n || n->v.start >= end)
			break;
		flags = (n->v.flags & ~(clear & mask)) | (set & mask);
		if (flags != n->v.flags) {
			if (detour_leave(mm, at, n->v.end < end ? n->v.end : end) < 0) {
				r = -ENOMEM;
				break;
			}
			n = mm_clip(mm, n, at, end);
			if (!n) {
				r = -ENOMEM;
				break;
			}
			n->v.flags = flags;
			n = vma_merge(mm, n);
		}
		at = n->v.end;
	}
	mm_unlock(mm);
	return r;
}

/* ---- residency ---- */

int mm_populate(struct mm *mm, uint64_t addr, uint64_t len, bool write)
{
	if (!len && !(addr & (PAGE_SIZE - 1)))
		return 0;
	if (!mm_range_ok(addr, len))
		return addr & (PAGE_SIZE - 1) ? -EINVAL : -ENOMEM;
	for (uint64_t va = addr; va < addr + len; va += PAGE_SIZE) {
		int r = mm_fault(mm, va, write ? FAULT_WRITE : 0);

		if (r == -EFAULT || r == -ENOMEM)
			return -ENOMEM;
		if (r < 0)
			return -EFAULT;
	}
	return 0;
}

long mm_mincore(struct mm *mm, uint64_t addr, uint64_t len, unsigned char *vec)
{
	long done = 0;

	if (!len && !(addr & (PAGE_SIZE - 1)))
		return 0;
	if (!mm_range_ok(addr, len))
		return addr & (PAGE_SIZE - 1) ? -EINVAL : -ENOMEM;
	mm_lock(mm);
	for (uint64_t va = addr; va < addr + len; va += PAGE_SIZE) {
		struct vma_node *n = vma_find(mm, va);
		bool in = pgtable_get(mm, va) != 0;
		pfn_t pfn;

		if (!n || n->v.start > va)
			break;
		if (!in && n->v.obj && !memobj_peek_page(n->v.obj, vma_pgoff(&n->v, va), &pfn)) {
			frame_put(mm->gm, pfn);
			in = true;
		}
		vec[done++] = in;
	}
	mm_unlock(mm);
	return done ? done : -ENOMEM;
}
