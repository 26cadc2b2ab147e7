/* Detours in a program's text: detour.h. */
#include "detour_internal.h"
#include "pte.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SITES_MAX 256
#define AREAS_MAX 16
#define FILL      0xcc /* a stray jump traps */
/* Where detours lie: out of the way of what grows. */
#define CLEAR      (1UL << 20)
#define BELOW_BASE (3UL << 29) /* mappings this far below mmap_base lie among the libraries */
#define STACK_ROOM (128UL << 20)
#define STACK_MUCH (1UL << 30)

struct site {
	uint64_t at, where; /* text, and its detour */
	uint8_t old[DETOUR_TEXT];
	uint8_t len, copied, size;
	bool live; /* the text is changed */
};

/* A page of detours. */
struct area {
	uint64_t va;
	unsigned used;
	uint64_t left; /* it is none any more for who enters the guest with this tlb_gen or a later
			  one; 0: it is one */
};

struct detours {
	struct site site[SITES_MAX];
	struct area area[AREAS_MAX];
	unsigned nsite, narea, live;
};

static struct detours *detours_of(const struct mm *mm)
{
	return atomic_load_explicit(&mm->detours, memory_order_acquire);
}

bool mm_has_detours(const struct mm *mm)
{
	return detours_of(mm) != NULL;
}

static struct detours *detours_make(struct mm *mm)
{
	struct detours *d = detours_of(mm);

	if (!d) {
		d = calloc(1, sizeof(*d));
		atomic_store_explicit(&mm->detours, d, memory_order_release);
	}
	return d;
}

void detour_free(struct mm *mm)
{
	free(detours_of(mm));
	atomic_store_explicit(&mm->detours, NULL, memory_order_relaxed);
}

int detour_fork(struct mm *parent, struct mm *child)
{
	const struct detours *d = detours_of(parent);

	if (!d || !d->narea)
		return 0;
	if (!detours_make(child))
		return -ENOMEM;
	*detours_of(child) = *d;
	/* What the parent has left the child never was in. */
	for (unsigned i = 0; i < d->narea; i++)
		if (d->area[i].left)
			detours_of(child)->area[i].left = 1;
	return 0;
}

/* ---- changing a page of text ---- */

/*
 * Takes the page of va away from every vCPU, lets edit() change it (or a copy, if it is not the
 * mm's alone), and gives it back: no instruction is ever seen half changed. A thread that meets the
 * gap waits in its page fault for mm->lock. 0; -ENOMEM; -ESTALE: no such page.
 */
static int change_page(struct mm *mm, uint64_t va, void (*edit)(uint8_t *page, void *arg),
		       void *arg)
{
	pte_t *p = pgtable_find(mm, va);
	uint64_t e = p ? pte_load(p) : 0;
	struct pgtable_batch b;
	pfn_t pfn = pte_pfn(e);
	bool own;

	if (!(pte_flags(e) & PTE_PRESENT))
		return -ESTALE;
	own = frame_refs(mm->gm, pfn) == 1;
	if (!own) {
		pfn = frame_alloc_raw(mm->gm, false);
		if (!pfn)
			return -ENOMEM;
		if (gmem_copy(frame_hva(mm->gm, pfn), frame_hva(mm->gm, pte_pfn(e)), PAGE_SIZE) !=
		    PAGE_SIZE) {
			frame_put(mm->gm, pfn);
			return -ESTALE;
		}
	}
	pgtable_batch_init(&b, mm);
	pgtable_restrict(&b, p, 0, !own);
	pgtable_batch_flush(&b);
	edit(frame_hva(mm->gm, pfn), arg);
	pgtable_set(mm, p, pte_make(pfn, pte_flags(e)));
	return 0;
}

struct edit {
	const struct detours *d;
	uint64_t lo, hi;   /* sites whose detour is in [lo, hi), */
	uint64_t from, to; /* or whose text is in [from, to), */
	uint64_t page;     /* of this page */
};

static bool selected(const struct edit *e, const struct site *s)
{
	return s->live &&
	       ((s->where >= e->lo && s->where < e->hi) || (s->at >= e->from && s->at < e->to));
}

static void put_back(uint8_t *page, void *arg)
{
	const struct edit *e = arg;

	for (unsigned i = 0; i < e->d->nsite; i++) {
		const struct site *s = &e->d->site[i];

		/* Memory that vanishes is met by whoever runs there. */
		if (selected(e, s) && page_down(s->at) == e->page)
			(void)gmem_copy(page + s->at % PAGE_SIZE, s->old, s->len);
	}
}

/* Puts back the text of all sites that e selects. 0 or -ENOMEM. */
static int restore(struct mm *mm, struct edit *e)
{
	struct detours *d = detours_of(mm);

	e->d = d;
	for (unsigned i = 0; i < d->nsite && d->live; i++) {
		if (!selected(e, &d->site[i]))
			continue;
		e->page = page_down(d->site[i].at);
		if (change_page(mm, e->page, put_back, e) == -ENOMEM)
			return -ENOMEM;
		for (unsigned j = i; j < d->nsite; j++) {
			if (selected(e, &d->site[j]) && page_down(d->site[j].at) == e->page) {
				d->site[j].live = false;
				d->live--;
			}
		}
	}
	return 0;
}

/* ---- leaving ---- */

/*
 * The page is no place of detours any more. Threads that are in it leave the guest; each finds its
 * way back by mm_detour_origin(), for it had entered before the generation changed.
 */
static int leave_area(struct mm *mm, struct area *a)
{
	struct edit e = {.lo = a->va, .hi = a->va + PAGE_SIZE};
	struct pgtable_batch b;

	if (restore(mm, &e) < 0)
		return -ENOMEM;
	pgtable_batch_init(&b, mm);
	mm_zap(&b, a->va, a->va + PAGE_SIZE);
	pgtable_batch_flush(&b);
	a->left = atomic_fetch_add(&mm->tlb_gen, 1) + 1;
	if (mm->gm->ops->barrier)
		mm->gm->ops->barrier(mm->gm->machine, mm);
	return 0;
}

int detour_vacate(struct mm *mm, uint64_t start, uint64_t end)
{
	struct detours *d = detours_of(mm);

	if (!d)
		return 0;
	for (unsigned i = 0; i < d->narea; i++) {
		struct area *a = &d->area[i];

		if (!a->left && a->va < end && a->va + PAGE_SIZE > start && leave_area(mm, a) < 0)
			return -ENOMEM;
	}
	return 0;
}

int detour_leave(struct mm *mm, uint64_t start, uint64_t end)
{
	const struct detours *d = detours_of(mm);
	struct edit e = {.from = start, .to = end};
	int r = detour_vacate(mm, start, end);

	return r == 0 && d && d->live ? restore(mm, &e) : r;
}

void detour_forget(struct mm *mm, uint64_t start, uint64_t end)
{
	struct detours *d = detours_of(mm);

	if (!d || !d->live)
		return;
	for (unsigned i = 0; i < d->nsite; i++) {
		struct site *s = &d->site[i];

		if (s->live && s->at >= start && s->at < end) {
			s->live = false;
			d->live--;
		}
	}
}

int detour_make_room(struct mm *mm, uint64_t start, uint64_t end)
{
	struct detours *d = detours_of(mm);

	if (!d)
		return 0;
	for (unsigned i = 0; i < d->narea; i++) {
		uint64_t va = d->area[i].va;

		/* What has been left belongs to the program. */
		if (d->area[i].left || va >= end || va + PAGE_SIZE <= start)
			continue;
		if (mm_unmap_locked(mm, va, va + PAGE_SIZE) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- where detours lie ---- */

/* An address for d in the page at va, whose first `used` bytes are taken; 0: none. */
static uint64_t place_in(const struct detour *d, uint64_t va, unsigned used)
{
	uint64_t where = va + used > d->lo ? va + used : d->lo;

	return where <= d->hi && where + d->size <= va + PAGE_SIZE ? where : 0;
}

/* The stack will hardly grow down to here. */
static bool far_from_stack(struct mm *mm, uint64_t va)
{
	const struct vma_node *n = vma_find(mm, va);
	uint64_t room = mm->stack_limit < STACK_MUCH ? mm->stack_limit : STACK_MUCH;

	return !n || !(n->v.flags & VMA_GROWSDOWN) || n->v.end - va > room + STACK_ROOM;
}

static uint64_t clamp_lo(uint64_t a)
{
	return a > ABI_USER_MIN ? a : ABI_USER_MIN;
}

/* A free page that serves d; 0: none. n: the mapping that d->at is in. */
static uint64_t free_page(struct mm *mm, const struct detour *d, const struct vma_node *n)
{
	uint64_t lo = page_down(d->lo), hi = page_down(d->hi) + PAGE_SIZE, va = 0, end, largest = 0;
	uint64_t base = mm->mmap_base;

	if (d->lo - lo + d->size > PAGE_SIZE)
		lo += PAGE_SIZE;
	if (hi - lo <= 64 * PAGE_SIZE) {
		va = vma_gap_above(mm, PAGE_SIZE, lo, hi);
		return va && far_from_stack(mm, va) ? va : 0;
	}
	lo = clamp_lo(lo);
	/* Above where mappings are placed top-down; else below the program, where its heap is not.
	 */
	if (n->v.start < base && n->v.start + BELOW_BASE > base && base + CLEAR < hi)
		va = vma_gap_above(mm, PAGE_SIZE, base + CLEAR, hi);
	if (va && far_from_stack(mm, va))
		return va;
	if (lo + CLEAR < n->v.start) {
		end = vma_gap_below(mm, PAGE_SIZE, lo, n->v.start - CLEAR, &largest);
		if (end)
			return end - PAGE_SIZE;
	}
	va = vma_gap_above(mm, PAGE_SIZE, n->v.end, hi);
	return va && far_from_stack(mm, va) ? va : 0;
}

/* A new page of detours at va. */
static int map_area(struct mm *mm, uint64_t va)
{
	struct vma v = {.start = va,
			.end = va + PAGE_SIZE,
			.flags = VMA_READ | VMA_EXEC | VMA_SPECIAL,
			.name = "[vmbox]"};
	struct vma_node *n;
	pte_t *p;
	pfn_t pfn;

	if (mm->nvma >= MM_MAX_VMAS || !mm_may_map(mm, 0, PAGE_SIZE))
		return -ENOSPC;
	p = pgtable_make(mm, va);
	n = p ? vma_new(&v) : NULL;
	pfn = n ? frame_alloc_raw(mm->gm, false) : 0;
	if (!pfn) {
		if (n)
			vma_free(n);
		return -ENOMEM;
	}
	memset(frame_hva(mm->gm, pfn), FILL, PAGE_SIZE);
	vma_insert(mm, n);
	pgtable_set(mm, p, pte_make(pfn, vma_pte_flags(&v, false)));
	return 0;
}

/* A place for d: 0 and the area's index and *where; -ENOSPC, -ENOMEM. */
static int find_place(struct mm *mm, struct detours *ds, const struct detour *d,
		      const struct vma_node *n, struct area **out, uint64_t *where)
{
	uint64_t va;
	int r;

	for (unsigned i = 0; i < ds->narea; i++) {
		struct area *a = &ds->area[i];

		*where = a->left ? 0 : place_in(d, a->va, a->used);
		if (*where) {
			*out = a;
			return 0;
		}
	}
	if (ds->narea == AREAS_MAX)
		return -ENOSPC;
	va = free_page(mm, d, n);
	for (unsigned i = 0; i < ds->narea; i++)
		if (ds->area[i].va == va)
			return -ENOSPC;
	*where = va ? place_in(d, va, 0) : 0;
	if (!*where)
		return -ENOSPC;
	r = map_area(mm, va);
	if (r < 0)
		return r;
	*out = &ds->area[ds->narea++];
	**out = (struct area){.va = va};
	return 0;
}

/* ---- making one ---- */

struct making {
	uint64_t at;
	const uint8_t *bytes;
	unsigned n;
};

static void put_bytes(uint8_t *page, void *arg)
{
	const struct making *m = arg;

	(void)gmem_copy(page + m->at % PAGE_SIZE, m->bytes, m->n);
}

/* The text may be changed, and is what d says. */
static int check_text(struct mm *mm, const struct detour *d, const struct vma_node *n)
{
	const unsigned no =
		VMA_WRITE | VMA_SHARED | VMA_SPECIAL | VMA_DONTFORK | VMA_WIPEONFORK | VMA_WRITTEN;
	uint8_t now[DETOUR_COPIED];
	pte_t *p;

	if (!n || n->v.start > d->at)
		return -ESTALE;
	if (n->v.flags & no || !(n->v.flags & VMA_EXEC))
		return -EPERM;
	if (d->at % PAGE_SIZE + d->copied > PAGE_SIZE)
		return -EPERM;
	p = pgtable_find(mm, d->at);
	if (!p || !(pte_flags(pte_load(p)) & PTE_PRESENT))
		return -ESTALE;
	if (gmem_copy(now, (uint8_t *)frame_hva(mm->gm, pte_pfn(pte_load(p))) + d->at % PAGE_SIZE,
		      d->copied) != d->copied ||
	    memcmp(now, d->old, d->copied) != 0)
		return -ESTALE;
	return 0;
}

/* Writes the detour's code. Nobody is led there yet; others may run in the same page. */
static int write_code(struct mm *mm, uint64_t where, const uint8_t *code, unsigned n)
{
	pte_t *p = pgtable_find(mm, where);
	struct making m = {where, code, n};
	uint64_t e = p ? pte_load(p) : 0;

	if (!(pte_flags(e) & PTE_PRESENT))
		return -ESTALE;
	if (frame_refs(mm->gm, pte_pfn(e)) > 1)
		return change_page(mm, page_down(where), put_bytes, &m);
	put_bytes(frame_hva(mm->gm, pte_pfn(e)), &m);
	return 0;
}

static int detour_locked(struct mm *mm, const struct detour *d)
{
	struct vma_node *n = vma_find(mm, d->at);
	uint8_t code[DETOUR_CODE], text[DETOUR_TEXT];
	struct making m = {d->at, text, d->len};
	struct detours *ds = detours_of(mm);
	struct area *a;
	struct site *s;
	uint64_t where;
	int r = check_text(mm, d, n);

	if (r < 0)
		return r;
	ds = detours_make(mm);
	if (!ds)
		return -ENOMEM;
	if (ds->nsite == SITES_MAX)
		return -ENOSPC;
	for (unsigned i = 0; i < ds->nsite; i++)
		if (ds->site[i].live && d->at < ds->site[i].at + ds->site[i].len &&
		    ds->site[i].at < d->at + d->len)
			return -EEXIST;
	r = find_place(mm, ds, d, n, &a, &where);
	if (r < 0)
		return r;
	d->write(d, where, code, text);
	r = write_code(mm, where, code, d->size);
	if (r == 0)
		r = change_page(mm, page_down(d->at), put_bytes, &m);
	if (r < 0)
		return r;
	a->used = (unsigned)(where + d->size - a->va);
	s = &ds->site[ds->nsite++];
	*s = (struct site){.at = d->at,
			   .where = where,
			   .len = (uint8_t)d->len,
			   .copied = (uint8_t)d->copied,
			   .size = (uint8_t)d->size,
			   .live = true};
	memcpy(s->old, d->old, d->len);
	ds->live++;
	return 0;
}

int mm_detour(struct mm *mm, const struct detour *d)
{
	int r;

	if (d->len > DETOUR_TEXT || d->copied < d->len || d->copied > DETOUR_COPIED ||
	    d->size > DETOUR_CODE || d->size < d->copied || d->lo < ABI_USER_MIN || d->hi < d->lo ||
	    d->hi >= ABI_USER_END - DETOUR_CODE)
		return -ENOSPC;
	mm_lock(mm);
	r = detour_locked(mm, d);
	mm_unlock(mm);
	return r;
}

/* ---- the way back ---- */

/* The page of detours that pc is in, or NULL. */
static const struct area *area_of(const struct detours *d, uint64_t pc, uint64_t gen)
{
	for (unsigned i = 0; i < d->narea; i++) {
		const struct area *a = &d->area[i];

		if (pc - a->va < PAGE_SIZE && (!a->left || gen < a->left))
			return a;
	}
	return NULL;
}

bool mm_detour_origin(struct mm *mm, uint64_t pc, uint64_t gen, struct detour_origin *out)
{
	const struct detours *d;
	const struct area *a;
	bool found = false;

	mm_lock(mm);
	d = detours_of(mm);
	a = d ? area_of(d, pc, gen) : NULL;
	for (unsigned i = 0; a && i < d->nsite && !found; i++) {
		const struct site *s = &d->site[i];
		uint64_t offset = pc - s->where;

		if (offset >= s->size)
			continue;
		*out = (struct detour_origin){
			.at = s->at,
			.pc = s->at + (offset < s->copied ? offset : s->copied),
			.left = a->left != 0,
		};
		found = true;
	}
	mm_unlock(mm);
	return found;
}

int mm_detour_undo(struct mm *mm, uint64_t at)
{
	struct edit e = {.from = at, .to = at + 1};
	int r = 0;

	mm_lock(mm);
	if (detours_of(mm))
		r = restore(mm, &e);
	mm_unlock(mm);
	return r;
}
