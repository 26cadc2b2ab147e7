/* fork: a second address space like the first. */
#include "detour_internal.h"
#include "pte.h"

#include <errno.h>
#include <string.h>

/*
 * A copy of a page costs half a microsecond, a fault for it later tens of them on either side:
 * so a small program is copied whole, and of a large one what it will write at once.
 */
#define EAGER_STACK 32 /* around the stack pointer */
#define EAGER_DATA  64 /* of each private file mapping: data, relocations */
#define EAGER_HEAP  64 /* at the end of the heap */
#define EAGER_OTHER 8  /* of any other mapping, from its start */

/* More entries of a spare's that must go: new tables are cheaper. */
#define STALE_MAX 32

struct fork {
	struct mm *parent, *child;
	struct pgtable_batch batch; /* the parent's entries that become read-only */
	uint64_t hot;               /* page */
	bool all;                   /* the budget covers everything */
	unsigned left;
	pte_t *table; /* the child's table that serves table_va */
	uint64_t table_va;
	/* Only where the child's tables have served before: */
	bool reused;
	uint64_t placed;            /* entries that are as they should be, or will be */
	struct pgtable_batch stale; /* those that go */
	unsigned nstale;
	unsigned nlate; /* what comes to stand where an entry goes, after the flush */
	struct {
		pte_t *p;
		uint64_t e;
	} late[STALE_MAX];
};

/* A large entry is its mm's alone. */
static void split_large(struct mm *mm)
{
	struct vma_node *n;

	RB_FOREACH (n, vma_tree, &mm->vmas)
		if (!(n->v.flags & (VMA_DONTFORK | VMA_WIPEONFORK)))
			pgtable_split(mm, n->v.start, n->v.end);
}

/* Private pages that the parent could write now. */
static uint64_t count_writable(struct mm *mm, uint64_t limit)
{
	struct vma_node *n;
	uint64_t sum = 0;

	RB_FOREACH (n, vma_tree, &mm->vmas) {
		uint64_t va = n->v.start;
		pte_t *p;

		if (n->v.flags & (VMA_SHARED | VMA_DONTFORK | VMA_WIPEONFORK))
			continue;
		while (sum <= limit && (p = pgtable_next(mm, &va, n->v.end))) {
			do {
				sum += (pte_flags(pte_load(p++)) & PTE_WRITE) != 0;
				va += PAGE_SIZE;
			} while (va < n->v.end && va & (PGTABLE_SPAN - 1));
		}
	}
	return sum;
}

/* Will both sides write this page soon? */
static bool is_hot(const struct fork *f, const struct vma *v, uint64_t va)
{
	uint64_t page = PAGE_SIZE, from_start = (va - v->start) / page;

	if (va + EAGER_STACK / 2 * page >= f->hot && va < f->hot + EAGER_STACK / 2 * page)
		return true;
	if (v->obj)
		return from_start < EAGER_DATA;
	if (!strcmp(v->name, "[heap]"))
		return (v->end - va) / page <= EAGER_HEAP;
	return !(v->flags & VMA_GROWSDOWN) && from_start < EAGER_OTHER;
}

static bool copy_now(struct fork *f, const struct vma *v, uint64_t va, uint64_t e)
{
	uint64_t stack_end = f->hot + EAGER_STACK / 2 * PAGE_SIZE;

	if (!(pte_flags(e) & PTE_WRITE) || !f->left)
		return false;
	if (f->all)
		return true;
	/* The stack comes last in the address space: its share is kept for it. */
	if (f->left <= EAGER_STACK &&
	    !(va < stack_end && va + EAGER_STACK / 2 * PAGE_SIZE >= f->hot))
		return false;
	return is_hot(f, v, va);
}

static pte_t *child_entry(struct fork *f, uint64_t va)
{
	uint64_t base = va & ~(PGTABLE_SPAN - 1);

	if (!f->table || f->table_va != base) {
		f->table = pgtable_make(f->child, base);
		f->table_va = base;
		if (!f->table)
			return NULL;
	}
	return f->table + ((va - base) >> PAGE_SHIFT);
}

static int copy_frame(struct fork *f, pfn_t to, uint64_t from)
{
	struct gmem *gm = f->child->gm;

	if (gmem_copy(frame_hva(gm, to), frame_hva(gm, pte_pfn(from)), PAGE_SIZE) != PAGE_SIZE)
		return -ENOMEM;
	f->left--;
	return 0;
}

/* An entry of a spare's, of which nothing can be kept. */
static int drop_stale(struct fork *f, pte_t *c)
{
	if (f->nstale == STALE_MAX)
		return -ESTALE;
	f->nstale++;
	pgtable_restrict(&f->stale, c, 0, true);
	return 0;
}

/* e, with its reference to a frame, becomes the child's. late: something else was there. */
static void install(struct fork *f, pte_t *c, uint64_t e, bool late)
{
	if (!late) {
		pgtable_set(f->child, c, e);
		return;
	}
	f->late[f->nlate].p = c;
	f->late[f->nlate++].e = e;
}

static void finish_stale(struct fork *f)
{
	if (!f->reused)
		return;
	pgtable_batch_flush(&f->stale);
	for (unsigned i = 0; i < f->nlate; i++)
		pgtable_set(f->child, f->late[i].p, f->late[i].e);
}

static int copy_eagerly(struct fork *f, pte_t *c, uint64_t e, bool late)
{
	struct gmem *gm = f->child->gm;
	pfn_t pfn = frame_alloc_raw(gm, false);

	if (!pfn)
		return -ENOMEM;
	if (copy_frame(f, pfn, e) < 0) {
		frame_put(gm, pfn);
		return -ENOMEM;
	}
	install(f, c, pte_make(pfn, pte_flags(e)), late);
	return 0;
}

/*
 * A spare's entry whose frame was the dead child's alone: what it wrote the next one will most
 * likely write, too. The frame gets the parent's contents; the entry stays, or gets more
 * permissive. False: it cannot be kept.
 */
static bool refill(struct fork *f, const struct vma *v, pte_t *c, uint64_t have, uint64_t e)
{
	unsigned flags = vma_pte_flags(v, true), had = pte_flags(have);
	pfn_t pfn = pte_pfn(have);

	if (v->flags & VMA_SHARED || flags & PTE_EXEC || had & PTE_EXEC || !f->left)
		return false;
	if (had & ~flags || !(flags & PTE_PRESENT) != !(had & PTE_PRESENT))
		return false;
	if (frame_refs(f->child->gm, pfn) != 1 || copy_frame(f, pfn, e) < 0)
		return false;
	if (flags != had)
		pgtable_set(f->child, c, pte_make(pfn, flags));
	return true;
}

static int copy_entry(struct fork *f, const struct vma *v, uint64_t va, pte_t *p)
{
	uint64_t e = pte_load(p), have;
	pte_t *c = child_entry(f, va);
	bool now;
	int r;

	if (!c)
		return -ENOMEM;
	now = !(v->flags & VMA_SHARED) && copy_now(f, v, va, e);
	have = pte_load(c);
	if (have && (now || have != e)) {
		if (refill(f, v, c, have, e))
			return 0;
		r = drop_stale(f, c);
		if (r < 0)
			return r;
	} else if (have) {
		/* Writable by both if the mapping is shared, else by neither. */
		return 0;
	}
	if (now)
		return copy_eagerly(f, c, e, have);
	if (!(v->flags & VMA_SHARED) && pte_flags(e) & PTE_WRITE) {
		e = pte_make(pte_pfn(e), pte_flags(e) & ~(unsigned)PTE_WRITE);
		pgtable_restrict(&f->batch, p, e, false);
	}
	frame_get(f->child->gm, pte_pfn(e));
	install(f, c, e, have);
	return 0;
}

static int copy_pages(struct fork *f, const struct vma *v)
{
	uint64_t va = v->start;
	pte_t *p;

	while ((p = pgtable_next(f->parent, &va, v->end))) {
		do {
			if (pte_load(p)) {
				int r = copy_entry(f, v, va, p);

				if (r < 0)
					return r;
				f->placed++;
			}
			p++;
			va += PAGE_SIZE;
		} while (va < v->end && va & (PGTABLE_SPAN - 1));
	}
	return 0;
}

/* The parent has nothing there, or nothing for a child. */
static bool is_leftover(struct fork *f, uint64_t va)
{
	const struct vma_node *n = vma_find(f->parent, va);

	return !pgtable_get(f->parent, va) || !n || n->v.start > va ||
	       n->v.flags & (VMA_DONTFORK | VMA_WIPEONFORK);
}

/* Entries of a spare's that no parent's entry has claimed, if there are any. */
static int drop_leftovers(struct fork *f)
{
	uint64_t va = 0;
	pte_t *c;

	if (f->child->resident + f->nlate == f->placed)
		return 0;
	while ((c = pgtable_next(f->child, &va, ABI_USER_END))) {
		do {
			int r = 0;

			if (pte_load(c) && is_leftover(f, va))
				r = drop_stale(f, c);
			if (r < 0)
				return r;
			c++;
			va += PAGE_SIZE;
		} while (va & (PGTABLE_SPAN - 1));
	}
	return 0;
}

static int copy_vmas(struct fork *f)
{
	struct vma_node *n, *copy;
	int r = 0;

	RB_FOREACH (n, vma_tree, &f->parent->vmas) {
		if (n->v.flags & VMA_DONTFORK)
			continue;
		copy = vma_new(&n->v);
		if (!copy)
			return -ENOMEM;
		copy->v.flags &= ~(unsigned)VMA_LOCK_MASK;
		memcpy(copy->stream, n->stream, sizeof(copy->stream));
		copy->oldest_stream = n->oldest_stream;
		n->copies = 0; /* what is written from now on is another question */
		/* On the object's list before its pages: a truncation finds it. */
		vma_insert(f->child, copy);
		if (n->v.flags & VMA_WIPEONFORK)
			continue;
		r = copy_pages(f, &n->v);
		if (r < 0)
			return r;
	}
	return drop_leftovers(f);
}

static void copy_settings(struct mm *to, const struct mm *from)
{
	to->brk_start = from->brk_start;
	to->brk = from->brk;
	to->mmap_base = from->mmap_base;
	to->gap_from = from->gap_from;
	to->gap_largest = from->gap_largest;
	to->limit_as = from->limit_as;
	to->limit_data = from->limit_data;
	to->stack_limit = from->stack_limit;
	mm_set_no_spans(to, mm_no_spans(from));
}

/* With the tables of the last child, if they wait. */
static struct mm *new_child(struct fork *f)
{
	struct mm_tables t;
	struct mm *child;

	f->reused = f->left && spare_take(f->parent, &t);
	child = mm_alloc(f->parent->gm, f->reused ? &t : NULL);
	if (!child) {
		if (f->reused)
			pgtable_destroy_tables(f->parent->gm, &t);
		return NULL;
	}
	if (f->reused)
		pgtable_batch_init(&f->stale, child);
	return child;
}

static int fork_once(struct mm *parent, uint64_t hot, unsigned eager, struct mm **out)
{
	struct fork f = {.parent = parent, .hot = page_down(hot), .left = eager};
	int r;

	mm_lock(parent);
	f.child = new_child(&f);
	if (!f.child) {
		mm_unlock(parent);
		return -ENOMEM;
	}
	mm_lock(f.child); /* younger than its parent: the order */
	copy_settings(f.child, parent);
	pgtable_batch_init(&f.batch, parent);
	split_large(parent);
	f.all = count_writable(parent, f.left) <= f.left;
	r = copy_vmas(&f);
	if (r == 0)
		r = detour_fork(parent, f.child);
	pgtable_batch_flush(&f.batch);
	finish_stale(&f);
	/* Where nothing may be copied at once, there is no use for a spare. */
	if (r == 0 && eager)
		spare_expect(f.child, parent);
	mm_unlock(parent);
	mm_unlock(f.child);
	if (r < 0) {
		mm_put(f.child);
		return r;
	}
	mm_register(f.child);
	*out = f.child;
	return 0;
}

static int fork_retried(struct mm *parent, uint64_t hot, unsigned eager, struct mm **out)
{
	for (int i = 0;; i++) {
		int r = fork_once(parent, hot, eager, out);

		if (r == -ESTALE)
			r = fork_once(parent, hot, eager, out); /* with new tables */
		if (r != -ENOMEM || i == GMEM_TRIES || !gmem_make_room(parent->gm))
			return r;
	}
}

int mm_fork(struct mm *parent, uint64_t hot, struct mm **out)
{
	return fork_retried(parent, hot, parent->gm->fork_eager, out);
}

/*
 * With no page copied, what other threads write meanwhile goes to frames that the child shares,
 * until each meets an entry that is read-only and waits for our lock, or the last flush. So what
 * they wrote before that is seen, and nothing after:
 *
 *	fork, copying eagerly		another thread
 *	copies page 1
 *					writes page 1, then page 2
 *	copies page 2: the child sees the second write and not the first
 */
int mm_fork_threads(struct mm *parent, struct mm **out)
{
	return fork_retried(parent, 0, 0, out);
}
