/* The VMA tree: look-up, splitting and merging, and where a new mapping goes. */
#include "mm_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GROUP       (8 * PAGE_SIZE) /* KVM's PTE_PREFETCH_NUM entries */
#define GROUPED_MAX 256             /* mappings */

struct vma_file_ops mm_file_ops;

int vma_compare(const struct vma_node *a, const struct vma_node *b)
{
	return a->v.start < b->v.start ? -1 : a->v.start > b->v.start;
}

RB_GENERATE(vma_tree, vma_node, rb, vma_compare)

/*
 * Who touches the first page of much memory has most likely asked for it to fill it, and else
 * wastes little.
 */
static unsigned first_ahead(const struct vma *v)
{
	uint64_t pages = (v->end - v->start) >> PAGE_SHIFT;

	return !v->obj && !(v->flags & VMA_GROWSDOWN) && pages >= MM_FIRST_OF ? MM_FAULT_FASTER : 1;
}

struct vma_stream *vma_stream(struct vma_node *n, uint64_t va)
{
	struct vma_stream *s;

	for (unsigned i = 0; i < MM_STREAMS; i++)
		if (n->stream[i].next == va)
			return &n->stream[i];
	s = &n->stream[n->oldest_stream];
	n->oldest_stream = (n->oldest_stream + 1) % MM_STREAMS;
	*s = (struct vma_stream){.next = va, .ahead = 1};
	return s;
}

void vma_expect(struct vma_node *as, const struct vma *v)
{
	uint64_t first = v->flags & VMA_GROWSDOWN ? v->end - PAGE_SIZE : v->start;

	vma_stream(as, first)->ahead = first_ahead(v);
}

struct vma_node *vma_new(const struct vma *v)
{
	struct vma_node *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->v = *v;
	if (n->v.obj)
		memobj_get(n->v.obj);
	if (n->v.file && mm_file_ops.get)
		mm_file_ops.get(n->v.file);
	return n;
}

void vma_free(struct vma_node *n)
{
	if (n->v.file && mm_file_ops.put)
		mm_file_ops.put(n->v.file);
	if (n->v.obj)
		memobj_put(n->v.obj);
	free(n);
}

/* `bytes` more, or fewer, of n's kind. */
static void account(struct mm *mm, const struct vma_node *n, uint64_t bytes)
{
	if ((int64_t)bytes < 0 && mm->mapped > mm->peak_mapped)
		mm->peak_mapped = mm->mapped;
	mm->mapped += bytes;
	if (n->v.flags & VMA_LOCKED)
		mm->locked += bytes;
	if (vma_is_data(n->v.flags))
		mm->data += bytes;
}

void vma_set_flags(struct mm *mm, struct vma_node *n, unsigned flags)
{
	account(mm, n, n->v.start - n->v.end);
	n->v.flags = flags;
	account(mm, n, n->v.end - n->v.start);
}

void vma_insert(struct mm *mm, struct vma_node *n)
{
	if ((n->v.flags & (VMA_SHARED | VMA_SPECIAL)) == VMA_SHARED)
		atomic_store_explicit(&mm->has_shared, true, memory_order_relaxed);
	n->mm = mm;
	RB_INSERT(vma_tree, &mm->vmas, n);
	mm->nvma++;
	account(mm, n, n->v.end - n->v.start);
	if (n->v.obj)
		memobj_map_add(n->v.obj, n);
}

/* Something below end became free: if the top-down search starts below it, look again from the top.
 */
static void gap_freed(struct mm *mm, uint64_t end)
{
	if (end <= mm->gap_from)
		return;
	mm->gap_from = mm->mmap_base;
	mm->gap_largest = 0;
}

void vma_remove(struct mm *mm, struct vma_node *n)
{
	if (n->v.obj)
		memobj_map_del(n->v.obj, n);
	RB_REMOVE(vma_tree, &mm->vmas, n);
	mm->nvma--;
	account(mm, n, n->v.start - n->v.end);
	if (mm->last == n)
		mm->last = NULL;
	gap_freed(mm, n->v.end);
	n->dead = mm->dead;
	mm->dead = n;
}

struct vma_node *vma_find(struct mm *mm, uint64_t addr)
{
	struct vma_node *n = mm->last, *best = NULL;

	if (n && n->v.start <= addr && addr < n->v.end)
		return n;
	for (n = RB_ROOT(&mm->vmas); n;) {
		if (addr < n->v.end) {
			best = n;
			if (addr >= n->v.start)
				break;
			n = RB_LEFT(n, rb);
		} else {
			n = RB_RIGHT(n, rb);
		}
	}
	mm->last = best;
	return best;
}

struct vma_node *vma_next(struct vma_node *n)
{
	return RB_NEXT(vma_tree, NULL, n);
}

struct vma_node *vma_prev(struct vma_node *n)
{
	return RB_PREV(vma_tree, NULL, n);
}

uint64_t vma_pgoff(const struct vma *v, uint64_t addr)
{
	return v->pgoff + ((addr - v->start) >> PAGE_SHIFT);
}

bool vma_shared_write(const struct vma *v)
{
	return v->flags & VMA_SHARED && !(v->obj && memobj_tracks(v->obj));
}

unsigned vma_pte_flags(const struct vma *v, bool writable)
{
	if (!(v->flags & VMA_PROT))
		return 0;
	return PTE_PRESENT | PTE_USER | (writable && v->flags & VMA_WRITE ? PTE_WRITE : 0) |
	       (v->flags & VMA_EXEC ? PTE_EXEC : 0);
}

void vma_resize(struct mm *mm, struct vma_node *n, uint64_t start, uint64_t end)
{
	/* Order in the tree does not change: VMAs do not overlap before or after. */
	account(mm, n, (end - start) - (n->v.end - n->v.start));
	if (n->v.obj)
		n->v.pgoff += (uint64_t)((int64_t)(start - n->v.start) >> PAGE_SHIFT);
	if (end < n->v.end || start > n->v.start)
		gap_freed(mm, n->v.end);
	n->v.start = start;
	n->v.end = end;
}

int vma_split(struct mm *mm, struct vma_node *n, uint64_t addr, struct vma_node **out)
{
	struct vma_node *hi;
	struct vma v;

	if (mm->nvma >= MM_MAX_VMAS)
		return -ENOMEM;
	v = n->v;
	v.start = addr;
	if (v.obj)
		v.pgoff = vma_pgoff(&n->v, addr);
	hi = vma_new(&v);
	if (!hi)
		return -ENOMEM;
	memcpy(hi->stream, n->stream, sizeof(hi->stream));
	hi->oldest_stream = n->oldest_stream;
	account(mm, n, addr - n->v.end);
	n->v.end = addr;
	vma_insert(mm, hi);
	if (out)
		*out = hi;
	return 0;
}

static bool joinable(const struct vma *a, const struct vma *b)
{
	if (a->end != b->start || (a->flags ^ b->flags) & ~(unsigned)VMA_WRITTEN ||
	    a->obj != b->obj || a->file != b->file)
		return false;
	if (a->flags & (VMA_GROWSDOWN | VMA_SPECIAL))
		return false;
	if (a->obj && vma_pgoff(a, a->end) != b->pgoff)
		return false;
	return !strcmp(a->name, b->name);
}

/* b's range goes to a. The order matters to nobody: mm->lock is held. */
static void absorb(struct mm *mm, struct vma_node *a, struct vma_node *b)
{
	uint64_t end = b->v.end, gap_from = mm->gap_from, gap_largest = mm->gap_largest;

	for (unsigned i = 0; i < MM_STREAMS; i++)
		if (b->stream[i].next > b->v.start)
			vma_stream(a, b->stream[i].next)->ahead = b->stream[i].ahead;
	vma_remove(mm, b);
	account(mm, a, end - a->v.end);
	a->v.end = end;
	a->v.flags |= b->v.flags;
	mm->gap_from = gap_from;
	mm->gap_largest = gap_largest;
}

struct vma_node *vma_merge(struct mm *mm, struct vma_node *n)
{
	struct vma_node *prev = vma_prev(n), *next = vma_next(n);

	if (next && joinable(&n->v, &next->v))
		absorb(mm, n, next);
	if (prev && joinable(&prev->v, &n->v)) {
		absorb(mm, prev, n);
		n = prev;
	}
	return n;
}

/* ---- placing ---- */

/* Where the address space below n is free up to: a stack keeps its distance. */
static uint64_t start_with_gap(const struct vma_node *n)
{
	if (!(n->v.flags & VMA_GROWSDOWN))
		return n->v.start;
	return n->v.start > MM_STACK_GAP ? n->v.start - MM_STACK_GAP : 0;
}

bool vma_range_free(struct mm *mm, uint64_t start, uint64_t end)
{
	struct vma_node *n = vma_find(mm, start);

	return !n || start_with_gap(n) >= end;
}

uint64_t vma_gap_below(struct mm *mm, uint64_t len, uint64_t lo, uint64_t hi, uint64_t *largest)
{
	struct vma_node *next = vma_find(mm, hi), *prev;
	uint64_t end = hi;

	if (next && start_with_gap(next) < end)
		end = start_with_gap(next);
	prev = next ? vma_prev(next) : RB_MAX(vma_tree, &mm->vmas);
	for (;;) {
		uint64_t floor = prev && prev->v.end > lo ? prev->v.end : lo;

		if (end > floor) {
			if (end - floor >= len)
				return end;
			if (end - floor > *largest)
				*largest = end - floor;
		}
		if (floor == lo)
			return 0;
		if (start_with_gap(prev) < end)
			end = start_with_gap(prev);
		prev = vma_prev(prev);
	}
}

uint64_t vma_gap_above(struct mm *mm, uint64_t len, uint64_t lo, uint64_t hi)
{
	struct vma_node *n = vma_find(mm, lo);
	uint64_t start = lo;

	for (;; n = vma_next(n)) {
		uint64_t end = n && start_with_gap(n) < hi ? start_with_gap(n) : hi;

		if (end > start && end - start >= len)
			return start;
		if (!n || n->v.end >= hi)
			return 0;
		if (n->v.end > start)
			start = n->v.end;
	}
}

static int place_low32(struct mm *mm, uint64_t len, uint64_t *out)
{
	/* Linux looks in the second GiB; the first is better than nothing. */
	*out = vma_gap_above(mm, len, 1UL << 30, 1UL << 31);
	if (!*out)
		*out = vma_gap_above(mm, len, ABI_USER_MIN, 1UL << 31);
	return *out ? 0 : -ENOMEM;
}

/*
 * KVM, where it shadows the tables, brings the entries of an aligned group along with the one that
 * is touched: from the group's first up to one that is not present. So a small mapping that begins
 * with a group costs one fault of KVM's instead of one a page. Not where there are many mappings:
 * what lies apart is not merged.
 */
static bool begins_group(const struct mm *mm, uint64_t len)
{
	return len > PAGE_SIZE && len <= GROUP && mm->nvma < GROUPED_MAX && gmem_shadow(mm->gm);
}

/* len bytes top-down, at a multiple of align; 0: there is no room. */
static uint64_t place_below(struct mm *mm, uint64_t len, uint64_t align)
{
	uint64_t slack = align - PAGE_SIZE, end, at;

	if (len + slack <= mm->gap_largest) {
		mm->gap_from = mm->mmap_base;
		mm->gap_largest = 0;
	}
	end = vma_gap_below(mm, len + slack, ABI_USER_MIN, mm->gap_from, &mm->gap_largest);
	if (!end)
		return 0;
	at = (end - len) & ~(align - 1);
	if (end - (at + len) > mm->gap_largest)
		mm->gap_largest = end - (at + len);
	mm->gap_from = at;
	return at;
}

int vma_place(struct mm *mm, uint64_t len, uint64_t hint, bool low32, uint64_t *out)
{
	if (hint && mm_range_ok(hint, len) && (!low32 || hint + len <= 1UL << 31) &&
	    vma_range_free(mm, hint, hint + len)) {
		*out = hint;
		return 0;
	}
	if (low32)
		return place_low32(mm, len, out);
	*out = begins_group(mm, len) ? place_below(mm, len, GROUP) : 0;
	if (!*out)
		*out = place_below(mm, len, PAGE_SIZE);
	if (*out)
		return 0;
	mm->gap_from = mm->mmap_base;
	mm->gap_largest = 0;
	*out = vma_gap_above(mm, len, ABI_USER_MIN, ABI_USER_END);
	return *out ? 0 : -ENOMEM;
}
