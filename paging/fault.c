/* Page faults: demand zero, object pages, copy on write, stack growth, and the neighbours. */
#include "detour_internal.h"
#include "pte.h"

#include <errno.h>

/* One touch, being handled. mm->lock held throughout. */
struct fault {
	struct mm *mm;
	struct vma_node *n;
	uint64_t va; /* page aligned */
	pte_t *pte;
	unsigned access;
	struct vma_stream *stream; /* NULL: ahead() was not asked */
};

/* Those that this host thread has resolved since somebody asked. */
static _Thread_local uint64_t faults_here;

static void count(_Atomic uint64_t *a, _Atomic uint64_t *b)
{
	atomic_fetch_add_explicit(a, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(b, 1, memory_order_relaxed);
	faults_here++;
}

uint64_t mm_take_faults(void)
{
	uint64_t n = faults_here;

	faults_here = 0;
	return n;
}

/* ---- which VMA ---- */

/* Linux's expand_stack: the limit, the address-space limit, and a distance to what lies below. */
static bool grow_stack(struct mm *mm, struct vma_node *n, uint64_t addr)
{
	uint64_t start = page_down(addr), low;
	struct vma_node *prev;

	if (start < ABI_USER_MIN || n->v.end - start > mm->stack_limit)
		return false;
	low = start - ABI_USER_MIN > MM_STACK_GAP ? start - MM_STACK_GAP : ABI_USER_MIN;
	if (detour_make_room(mm, low, n->v.start) < 0)
		return false;
	prev = vma_prev(n);
	if (prev && prev->v.end > start)
		return false;
	if (prev && prev->v.flags & VMA_PROT && !(prev->v.flags & VMA_GROWSDOWN) &&
	    start - prev->v.end < MM_STACK_GAP)
		return false;
	if (!mm_may_map(mm, n->v.flags, n->v.start - start) ||
	    !mm_may_lock(mm, n->v.flags, n->v.start - start))
		return false;
	vma_resize(mm, n, start, n->v.end);
	return true;
}

static struct vma_node *fault_vma(struct mm *mm, uint64_t addr)
{
	struct vma_node *n;

	if (addr >= ABI_USER_END)
		return NULL;
	n = vma_find(mm, addr);
	if (!n || n->v.start <= addr)
		return n;
	if (!(n->v.flags & VMA_GROWSDOWN) || !grow_stack(mm, n, addr))
		return NULL;
	return n;
}

static bool permitted(const struct vma *v, unsigned access)
{
	if (access & FAULT_EXEC)
		return v->flags & VMA_EXEC;
	if (access & FAULT_FORCE)
		return !(v->flags & VMA_SHARED) || v->flags & VMA_WRITE;
	if (access & FAULT_WRITE)
		return v->flags & VMA_WRITE;
	return v->flags & VMA_PROT; /* the tables cannot express less than reading */
}

/* ---- how far ahead ---- */

/* Pages to map for this touch: one, or when the touches come in order some times as many as last
 * time, up to max. went_on() says how many it became. */
static unsigned ahead(struct fault *f, unsigned max)
{
	unsigned pages;

	f->stream = vma_stream(f->n, f->va);
	pages = f->stream->ahead;
	if (pages > max)
		pages = max;
	f->stream->ahead = pages * MM_FAULT_FASTER;
	return pages;
}

static void went_on(struct fault *f, int64_t pages)
{
	struct vma_stream *s = f->stream ? f->stream : vma_stream(f->n, f->va);

	s->next = f->va + (uint64_t)pages * PAGE_SIZE;
}

/* The entry i pages on, in the same table and VMA; NULL if there is none. */
static pte_t *neighbour(const struct fault *f, int64_t i)
{
	uint64_t va = f->va + (uint64_t)i * PAGE_SIZE;

	if (va < f->n->v.start || va >= f->n->v.end || va / PGTABLE_SPAN != f->va / PGTABLE_SPAN)
		return NULL;
	return f->pte + i;
}

/* ---- the kinds ---- */

/* All of an aligned 2 MiB by small entries: of a block, or 0: of any frames. */
static void map_small_span(struct fault *f, uint64_t base, pfn_t block)
{
	unsigned flags = vma_pte_flags(&f->n->v, true), n;
	pte_t *table = pgtable_make(f->mm, base);
	struct gmem *gm = f->mm->gm;
	pfn_t pfn[PGTABLE_ENTRIES];

	for (n = 0; table && n < PGTABLE_ENTRIES; n++) {
		pfn[n] = block ? block + n : frame_alloc_raw(gm, true);
		if (!pfn[n])
			break;
		pgtable_set(f->mm, &table[n], pte_make(pfn[n], flags));
	}
	if (!block)
		alias_map(gm, pfn, n);
	for (; block && n < PGTABLE_ENTRIES; n++)
		frame_put(gm, block + n);
}

/*
 * All of an aligned 2 MiB at once: one exit instead of eight, memory that the host zeroes and maps
 * at once if it can, and, with hardware semantics, one entry. False: it is not asked for, not
 * empty, or not there.
 */
static bool fault_span(struct fault *f)
{
	uint64_t base = f->va & ~(PGTABLE_SPAN - 1);
	struct gmem *gm = f->mm->gm;
	pfn_t block;

	if (f->n->v.obj || f->access & FAULT_ALONE || !mm_spans(f->mm, &f->n->v) ||
	    base < f->n->v.start || f->n->v.end - base < PGTABLE_SPAN)
		return false;
	if (!pgtable_span_empty(f->mm, base) || !frames_plenty(gm, PGTABLE_ENTRIES))
		return false;
	block = block_alloc(gm, false);
	if (!block || !gmem_large(gm) ||
	    pgtable_set_large(f->mm, base, block, vma_pte_flags(&f->n->v, true)) < 0)
		map_small_span(f, base, block);
	if (!pgtable_get(f->mm, f->va))
		return false;
	vma_stream(f->n, f->va)->next = base + PGTABLE_SPAN;
	count(&f->mm->faults_minor, &gm->faults_minor);
	return true;
}

static int fault_zero(struct fault *f)
{
	struct mm *mm = f->mm;
	unsigned flags = vma_pte_flags(&f->n->v, true);
	bool down = f->n->v.flags & VMA_GROWSDOWN;
	pfn_t pfn[MM_FAULT_AHEAD];
	int64_t i, pages;

	pfn[0] = frame_alloc_raw(mm->gm, true);
	if (!pfn[0])
		return -ENOMEM;
	pgtable_set(mm, f->pte, pte_make(pfn[0], flags));
	count(&mm->faults_minor, &mm->gm->faults_minor);
	pages = f->access & FAULT_ALONE ? 1 : ahead(f, MM_FAULT_AHEAD);
	for (i = 1; i < pages; i++) {
		pte_t *p = neighbour(f, down ? -i : i);

		if (!p || pte_load(p))
			break;
		pfn[i] = frame_alloc_raw(mm->gm, true);
		if (!pfn[i])
			break;
		pgtable_set(mm, p, pte_make(pfn[i], flags));
	}
	if (i > 1)
		alias_map(mm->gm, pfn, (unsigned)i);
	went_on(f, down ? -i : i);
	return 0;
}

/* A private copy of frame `from`, or 0. */
static pfn_t copy_frame(struct gmem *gm, pfn_t from)
{
	pfn_t to = frame_alloc_raw(gm, false);

	if (to && gmem_copy(frame_hva(gm, to), frame_hva(gm, from), PAGE_SIZE) != PAGE_SIZE) {
		frame_put(gm, to);
		return 0;
	}
	return to;
}

/* Maps the object's resident pages around the touch, with as much as they may have. */
static void map_around(struct fault *f)
{
	struct mm *mm = f->mm;
	unsigned flags = vma_pte_flags(&f->n->v, vma_shared_write(&f->n->v));
	uint64_t block = MM_FAULT_AROUND * PAGE_SIZE;
	uint64_t lo = f->va & ~(block - 1), hi = lo + block;
	pfn_t pfn[MM_FAULT_AROUND];
	unsigned n;

	if (lo < f->n->v.start)
		lo = f->n->v.start;
	if (hi > f->n->v.end)
		hi = f->n->v.end;
	n = (unsigned)((hi - lo) >> PAGE_SHIFT);
	memobj_peek_range(f->n->v.obj, vma_pgoff(&f->n->v, lo), n, pfn);
	for (unsigned i = 0; i < n; i++) {
		pte_t *p = f->pte + ((int64_t)(lo - f->va) >> PAGE_SHIFT) + i;

		if (!pfn[i])
			continue;
		if (pte_load(p))
			frame_put(mm->gm, pfn[i]);
		else
			pgtable_set(mm, p, pte_make(pfn[i], flags));
	}
}

static int fault_object(struct fault *f)
{
	struct mm *mm = f->mm;
	const struct vma *v = &f->n->v;
	bool shared = v->flags & VMA_SHARED, write = vma_shared_write(v);
	pfn_t pfn, copy;
	int r = memobj_page(v->obj, vma_pgoff(v, f->va), !(f->access & FAULT_NOWAIT), &pfn);

	if (r < 0)
		return r == -ENOMEM || r == -EAGAIN ? r : -ENXIO;
	if (shared && !write && f->access & FAULT_WRITE) {
		if (memobj_mark_dirty(v->obj, vma_pgoff(v, f->va)) < 0) {
			frame_put(mm->gm, pfn);
			return -ENOMEM;
		}
		write = true;
	}
	if (!shared && f->access & FAULT_WRITE) {
		copy = copy_frame(mm->gm, pfn);
		frame_put(mm->gm, pfn);
		if (!copy)
			return -ENOMEM;
		pgtable_set(mm, f->pte, pte_make(copy, vma_pte_flags(v, true)));
		count(&mm->faults_cow, &mm->gm->faults_cow);
		/* The neighbours of data that is written are written, too: mapped now they would
		 * only have to be taken away again. */
		return 0;
	}
	pgtable_set(mm, f->pte, pte_make(pfn, vma_pte_flags(v, write)));
	count(&mm->faults_file, &mm->gm->faults_file);
	map_around(f);
	return 0;
}

/* The page is this mm's alone, or writes go to the object. */
static bool may_write(const struct fault *f, uint64_t e)
{
	return f->n->v.flags & VMA_SHARED || frame_refs(f->mm->gm, pte_pfn(e)) == 1;
}

/*
 * The pages from *from to *to, counted from f->va, that are copied with it. Of a file's private
 * data, which a program writes here and there, an aligned block (true), twice as large each time;
 * else those that follow, when such writes come in order.
 */
static bool copy_range(struct fault *f, int64_t *from, int64_t *to)
{
	struct vma_node *n = f->n;
	int64_t block = 1L << n->copies;

	if (!n->v.obj || n->v.flags & VMA_SHARED || !(n->v.flags & VMA_WRITE)) {
		*from = 0;
		*to = ahead(f, MM_COPY_AHEAD);
		return false;
	}
	if (block < MM_COPY_AHEAD)
		n->copies++;
	*from = -(int64_t)(f->va / PAGE_SIZE & ((uint64_t)block - 1));
	*to = *from + block;
	return true;
}

/*
 * Copies a shared private page, and some near it. The old entries are gone for every vCPU before
 * the new ones appear: no two threads ever see different pages, and arm64 demands break before
 * make.
 */
static int fault_copy(struct fault *f)
{
	struct mm *mm = f->mm;
	unsigned flags = vma_pte_flags(&f->n->v, true), n = 1;
	pte_t *at[MM_COPY_AHEAD] = {f->pte};
	pfn_t copy[MM_COPY_AHEAD];
	struct pgtable_batch b;
	int64_t from, to;
	bool block = copy_range(f, &from, &to);

	copy[0] = copy_frame(mm->gm, pte_pfn(pte_load(f->pte)));
	if (!copy[0])
		return -ENOMEM;
	pgtable_batch_init(&b, mm);
	pgtable_restrict(&b, f->pte, 0, true);
	for (int64_t i = from; i < to; i++) {
		pte_t *p = neighbour(f, i);
		uint64_t e = p ? pte_load(p) : 0;

		if (!i)
			continue;
		if (!(pte_flags(e) & PTE_PRESENT) || pte_flags(e) & PTE_WRITE || may_write(f, e)) {
			if (block)
				continue;
			break;
		}
		copy[n] = copy_frame(mm->gm, pte_pfn(e));
		if (!copy[n])
			break;
		pgtable_restrict(&b, p, 0, true);
		at[n++] = p;
	}
	pgtable_batch_flush(&b);
	for (unsigned i = 0; i < n; i++)
		pgtable_set(mm, at[i], pte_make(copy[i], flags));
	if (n > 1)
		alias_map(mm->gm, copy, n);
	went_on(f, n);
	count(&mm->faults_cow, &mm->gm->faults_cow);
	return 0;
}

/*
 * A private page that was shared and is the mm's alone by now has become writable: so do those
 * after it, where such writes come in order.
 */
static void write_ahead(struct fault *f)
{
	unsigned flags = vma_pte_flags(&f->n->v, true), i;
	unsigned pages = ahead(f, MM_FAULT_AHEAD);

	for (i = 1; i < pages; i++) {
		pte_t *p = neighbour(f, i);
		uint64_t e = p ? pte_load(p) : 0;

		if (!(pte_flags(e) & PTE_PRESENT) || pte_flags(e) & PTE_WRITE || !may_write(f, e))
			break;
		pgtable_set(f->mm, p, pte_make(pte_pfn(e), flags));
	}
	went_on(f, i);
}

/* The entry names a frame. */
static int fault_present(struct fault *f, uint64_t e)
{
	struct mm *mm = f->mm;
	bool own = may_write(f, e);
	uint64_t now;

	if (f->access & FAULT_WRITE && !own && spare_contend(mm))
		own = may_write(f, e);
	if (f->access & FAULT_WRITE && !own)
		return fault_copy(f);
	if (f->n->v.flags & VMA_SHARED && !vma_shared_write(&f->n->v)) {
		own = f->access & FAULT_WRITE || pte_flags(e) & PTE_WRITE;
		if (own && memobj_mark_dirty(f->n->v.obj, vma_pgoff(&f->n->v, f->va)) < 0)
			return -ENOMEM;
	}
	/* Permissive, or a touch that lost a race and finds all as it should be. */
	now = pte_make(pte_pfn(e), vma_pte_flags(&f->n->v, own));
	if (now != e) {
		pgtable_set(mm, f->pte, now);
		if (f->access & FAULT_WRITE && !(f->n->v.flags & VMA_SHARED))
			write_ahead(f);
	}
	count(&mm->faults_minor, &mm->gm->faults_minor);
	return 0;
}

int mm_fault_locked(struct mm *mm, uint64_t addr, unsigned access)
{
	struct fault f = {.mm = mm, .va = page_down(addr), .access = access};
	uint64_t e;

	f.n = fault_vma(mm, addr);
	if (!f.n)
		return -EFAULT;
	if (!permitted(&f.n->v, access)) {
		count(&mm->faults_denied, &mm->gm->faults_denied);
		return -EACCES;
	}
	/* A large entry permits what the mapping does: a touch that lost a race. */
	if (pgtable_large(mm, f.va)) {
		count(&mm->faults_minor, &mm->gm->faults_minor);
		return 0;
	}
	if (fault_span(&f))
		return 0;
	f.pte = pgtable_make(mm, f.va);
	if (!f.pte)
		return -ENOMEM;
	e = pte_load(f.pte);
	if (e)
		return fault_present(&f, e);
	return f.n->v.obj ? fault_object(&f) : fault_zero(&f);
}

int mm_fault(struct mm *mm, uint64_t addr, unsigned access)
{
	for (int i = 0;; i++) {
		int r;

		mm_lock(mm);
		r = mm_fault_locked(mm, addr, access);
		mm_unlock(mm);
		if (r != -ENOMEM || i == GMEM_TRIES || !gmem_make_room(mm->gm))
			return r;
	}
}

/*
 * Fresh pages at va and behind it, of frames that lie together, for a small mapping: they will
 * leave together. Returns how many; 0: as a touch of each.
 */
static unsigned map_fresh_run(struct mm *mm, struct vma_node *n, uint64_t va, uint64_t end)
{
	unsigned flags = vma_pte_flags(&n->v, true), want = 0;
	struct gmem *gm = mm->gm;
	bool stale;
	pfn_t first;
	pte_t *p;

	if (n->v.obj || !(n->v.flags & VMA_WRITE))
		return 0;
	if (end > n->v.end)
		end = n->v.end;
	p = pgtable_make(mm, va);
	if (!p)
		return 0;
	while (want < FRAME_RUN_MAX && va + want * PAGE_SIZE < end &&
	       pgtable_index(va, 0) + want < PGTABLE_ENTRIES && !pte_load(p + want))
		want++;
	first = want > 1 ? frame_take_run(gm, want, &stale) : 0;
	if (!first)
		return 0;
	if (stale && gmem_zero(frame_hva(gm, first), want * PAGE_SIZE) < 0) {
		for (unsigned i = 0; i < want; i++)
			frame_put(gm, first + i);
		return 0;
	}
	for (unsigned i = 0; i < want; i++) {
		pgtable_set(mm, p + i, pte_make(first + i, flags));
		count(&mm->faults_minor, &gm->faults_minor);
	}
	vma_stream(n, va)->next = va + want * PAGE_SIZE;
	return want;
}

void mm_map_eager(struct mm *mm, uint64_t addr, uint64_t len, unsigned pages, bool may_wait)
{
	uint64_t end = len >> PAGE_SHIFT > pages ? addr + (uint64_t)pages * PAGE_SIZE : addr + len;
	struct vma_node *n;

	mm_lock(mm);
	for (uint64_t va = addr; va < end; va += PAGE_SIZE) {
		unsigned flags, run, access = FAULT_ALONE | (may_wait ? 0 : FAULT_NOWAIT);
		int r;

		if (pgtable_get(mm, va))
			continue;
		n = vma_find(mm, va);
		flags = n && n->v.start <= va ? n->v.flags : 0;
		if (!(flags & VMA_PROT) || (flags & VMA_SHARED && flags & VMA_WRITE))
			break;
		run = len <= FRAME_RUN_MAX * PAGE_SIZE ? map_fresh_run(mm, n, va, end) : 0;
		if (run) {
			va += (run - 1) * PAGE_SIZE;
			continue;
		}
		if (flags & VMA_WRITE)
			access |= FAULT_WRITE;
		r = mm_fault_locked(mm, va, access);
		/* A page that a disk has: what is read with it most likely, too. */
		if (r == -EAGAIN)
			va |= (MEMOBJ_READAHEAD - 1) * PAGE_SIZE;
		else if (r < 0)
			break;
	}
	mm_unlock(mm);
}
