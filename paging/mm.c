/* Address spaces: their life, the registry, who runs them, the kernel half. */
#include "detour_internal.h"
#include "pte.h"

#include <errno.h>
#include <stdlib.h>

#define DEFAULT_MMAP_BASE (ABI_USER_END - (256UL << 20)) /* until exec sets it */
#define DEFAULT_STACK     (8UL << 20)

static _Atomic uint64_t next_id = 1; /* over all gmems: an id is never reused */

void mm_set_file_ops(const struct vma_file_ops *ops)
{
	mm_file_ops = *ops;
}

void mm_lock(struct mm *mm)
{
	pthread_mutex_lock(&mm->lock);
}

void mm_unlock(struct mm *mm)
{
	struct vma_node *n = mm->dead;
	struct gmem *gm = mm->gm;

	mm->dead = NULL;
	pthread_mutex_unlock(&mm->lock);
	while (n) {
		struct vma_node *next = n->dead;

		vma_free(n);
		n = next;
	}
	gmem_maintain(gm);
}

static bool init_tables(struct mm *mm, const struct mm_tables *t)
{
	if (t) {
		mm->root = t->root;
		mm->window = t->window;
		mm->home = pgtable_root_home(mm->gm, t->root);
		mm->resident = t->resident;
		mm->tables = t->tables;
		return true;
	}
	mm->root = pgtable_root_new(mm->gm);
	if (!mm->root)
		return false;
	mm->window = window_take(mm->gm);
	mm->home = -1;
	return true;
}

struct mm *mm_alloc(struct gmem *gm, const struct mm_tables *t)
{
	struct mm *mm = calloc(1, sizeof(*mm));

	if (!mm)
		return NULL;
	mm->gm = gm;
	if (!init_tables(mm, t)) {
		free(mm);
		return NULL;
	}
	mm->id = atomic_fetch_add(&next_id, 1);
	atomic_init(&mm->refs, 1);
	atomic_init(&mm->holds, 1);
	atomic_init(&mm->tlb_gen, 1);
	pthread_mutex_init(&mm->lock, NULL);
	RB_INIT(&mm->vmas);
	mm->mmap_base = mm->gap_from = DEFAULT_MMAP_BASE;
	mm->limit_as = mm->limit_data = UINT64_MAX;
	atomic_init(&mm->limit_lock, UINT64_MAX);
	mm->stack_limit = DEFAULT_STACK;
	return mm;
}

void mm_register(struct mm *mm)
{
	struct mm **head = &mm->gm->mms[mm->id % GMEM_MM_HASH];

	pthread_mutex_lock(&mm->gm->mms_lock);
	mm->hash_next = *head;
	*head = mm;
	pthread_mutex_unlock(&mm->gm->mms_lock);
}

static void unregister(struct mm *mm)
{
	struct mm **p = &mm->gm->mms[mm->id % GMEM_MM_HASH];

	pthread_mutex_lock(&mm->gm->mms_lock);
	while (*p && *p != mm)
		p = &(*p)->hash_next;
	if (*p)
		*p = mm->hash_next;
	pthread_mutex_unlock(&mm->gm->mms_lock);
}

int mm_create(struct gmem *gm, struct mm **out)
{
	for (int i = 0;; i++) {
		struct mm *mm = mm_alloc(gm, NULL);

		if (mm) {
			mm_register(mm);
			*out = mm;
			return 0;
		}
		if (i == GMEM_TRIES || !gmem_make_room(gm))
			return -ENOMEM;
	}
}

struct mm *mm_get(struct mm *mm)
{
	atomic_fetch_add_explicit(&mm->refs, 1, memory_order_relaxed);
	return mm;
}

bool mm_tryget(struct mm *mm)
{
	unsigned refs = atomic_load_explicit(&mm->refs, memory_order_relaxed);

	while (refs) {
		if (atomic_compare_exchange_weak(&mm->refs, &refs, refs + 1))
			return true;
	}
	return false;
}

void mm_hold(struct mm *mm)
{
	atomic_fetch_add_explicit(&mm->holds, 1, memory_order_relaxed);
}

void mm_release(struct mm *mm)
{
	if (atomic_fetch_sub_explicit(&mm->holds, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_destroy(&mm->lock);
	detour_free(mm);
	free(mm);
}

void mm_put(struct mm *mm)
{
	struct vma_node *n, *next;

	if (!mm || atomic_fetch_sub_explicit(&mm->refs, 1, memory_order_acq_rel) != 1)
		return;
	unregister(mm);
	/* A vCPU whose last task was of this mm may be waiting for another one inside. */
	if (atomic_load(&mm->active) && mm->gm->ops->barrier)
		mm->gm->ops->barrier(mm->gm->machine, mm);
	/* Truncation may still see its mappings, but gets no reference. */
	mm_lock(mm);
	for (n = RB_MIN(vma_tree, &mm->vmas); n; n = next) {
		next = vma_next(n);
		vma_remove(mm, n);
	}
	mm_unlock(mm);
	spare_close(mm);
	/* No vCPU runs on this root now. If it is not kept none will again: nothing to invalidate.
	 */
	spare_offer(mm);
	pgtable_destroy(mm);
	gmem_maintain(mm->gm);
	mm_release(mm);
}

uint64_t mm_id(const struct mm *mm)
{
	return mm->id;
}

struct mm_cids *mm_cids(struct mm *mm)
{
	return &mm->cids;
}

struct mm *mm_lookup(struct gmem *gm, uint64_t id)
{
	struct mm *mm;

	pthread_mutex_lock(&gm->mms_lock);
	for (mm = gm->mms[id % GMEM_MM_HASH]; mm; mm = mm->hash_next) {
		if (mm->id == id)
			break;
	}
	if (mm && !mm_tryget(mm))
		mm = NULL;
	pthread_mutex_unlock(&gm->mms_lock);
	return mm;
}

gpa_t mm_root(const struct mm *mm)
{
	return pfn_gpa(mm->root);
}

void mm_range(const struct mm *mm, uint64_t *start, uint64_t *end)
{
	(void)mm;
	*start = ABI_USER_MIN;
	*end = ABI_USER_END;
}

/* ---- activation ---- */

void mm_activate(struct gmem *gm, unsigned cpu, struct mm *mm)
{
	struct mm *old = atomic_load_explicit(&gm->active[cpu], memory_order_relaxed);

	if (old == mm)
		return;
	if (mm) {
		mm_hold(mm);
		/* Before the caller reads tlb_gen: either it sees a change, or the changer sees the
		 * bit. */
		atomic_fetch_or(&mm->active, 1UL << cpu);
	}
	atomic_store_explicit(&gm->active[cpu], mm, memory_order_relaxed);
	if (old) {
		atomic_fetch_and(&old->active, ~(1UL << cpu));
		mm_release(old);
	}
}

int mm_with(struct gmem *gm, unsigned cpu, struct mm *mm, int (*f)(void *arg), void *arg)
{
	struct mm *old = mm_active(gm, cpu);
	int r;

	if (old)
		mm_hold(old);
	mm_activate(gm, cpu, mm);
	r = f(arg);
	mm_activate(gm, cpu, old);
	if (old)
		mm_release(old);
	return r;
}

struct mm *mm_active(struct gmem *gm, unsigned cpu)
{
	return atomic_load_explicit(&gm->active[cpu], memory_order_relaxed);
}

uint64_t mm_active_mask(const struct mm *mm)
{
	return atomic_load(&mm->active);
}

bool mm_is_shadowed(const struct mm *mm)
{
	return gmem_shadow(mm->gm);
}

uint64_t mm_tlb_gen(const struct mm *mm)
{
	return atomic_load(&mm->tlb_gen);
}

/* ---- the kernel half ---- */

int gmem_map_under(struct gmem *gm, pfn_t root, uint64_t va, pfn_t pfn, unsigned prot, bool user)
{
	unsigned flags = PTE_PRESENT | (prot & VMA_WRITE ? PTE_WRITE : 0) |
			 (prot & VMA_EXEC ? PTE_EXEC : 0) | (user ? PTE_USER : 0);
	unsigned made = 0;
	/* Tables that a failure leaves behind stay linked and are used by the next call. */
	pte_t *p = pgtable_walk_make(gm, root, va, &made);

	if (!p)
		return -ENOMEM;
	if (pte_load(p))
		return -EEXIST;
	atomic_store_explicit(p, pte_make(pfn, flags), memory_order_release);
	return 0;
}

int gmem_map_kernel(struct gmem *gm, uint64_t va, pfn_t pfn, unsigned prot, bool user)
{
	if (!gm->kern_root)
		gm->kern_root = table_alloc(gm);
	if (!gm->kern_root)
		return -ENOMEM;
	return gmem_map_under(gm, gm->kern_root, va, pfn, prot, user);
}

gpa_t gmem_kernel_root(struct gmem *gm)
{
	return pfn_gpa(gm->kern_root);
}

/* ---- counters and settings ---- */

void mm_set_mmap_base(struct mm *mm, uint64_t base)
{
	mm_lock(mm);
	base = page_down(base);
	if (base > ABI_USER_MIN && base <= ABI_USER_END) {
		mm->mmap_base = mm->gap_from = base;
		mm->gap_largest = 0;
	}
	mm_unlock(mm);
}

bool mm_has_shared(const struct mm *mm)
{
	return atomic_load_explicit(&mm->has_shared, memory_order_relaxed);
}

uint64_t mm_mapped_bytes(struct mm *mm)
{
	uint64_t n;

	mm_lock(mm);
	n = mm->mapped;
	mm_unlock(mm);
	return n;
}

uint64_t mm_resident_pages(struct mm *mm)
{
	uint64_t n;

	mm_lock(mm);
	n = mm->resident;
	mm_unlock(mm);
	return n;
}

uint64_t mm_resident_peak(struct mm *mm)
{
	uint64_t n;

	mm_lock(mm);
	n = mm->resident > mm->peak_resident ? mm->resident : mm->peak_resident;
	mm_unlock(mm);
	return n;
}

void mm_set_limit_as(struct mm *mm, uint64_t bytes)
{
	mm_lock(mm);
	mm->limit_as = bytes;
	mm_unlock(mm);
}

void mm_set_limit_data(struct mm *mm, uint64_t bytes)
{
	mm_lock(mm);
	mm->limit_data = page_down(bytes);
	mm_unlock(mm);
}

void mm_set_stack_limit(struct mm *mm, uint64_t bytes)
{
	mm_lock(mm);
	mm->stack_limit = bytes;
	mm_unlock(mm);
}

bool mm_find_vma(struct mm *mm, uint64_t addr, struct vma *out)
{
	struct vma_node *n;

	mm_lock(mm);
	n = vma_find(mm, addr);
	if (n)
		*out = n->v;
	mm_unlock(mm);
	return n != NULL;
}

bool mm_get_vma(struct mm *mm, uint64_t addr, struct vma *out)
{
	struct vma_node *n;

	mm_lock(mm);
	n = vma_find(mm, addr);
	if (n)
		*out = n->v;
	if (n && out->obj)
		memobj_get(out->obj);
	if (n && out->file && mm_file_ops.get)
		mm_file_ops.get(out->file);
	mm_unlock(mm);
	return n != NULL;
}

void mm_put_vma(struct vma *v)
{
	if (v->obj)
		memobj_put(v->obj);
	if (v->file && mm_file_ops.put)
		mm_file_ops.put(v->file);
}

void mm_get_stats(struct mm *mm, struct mm_stats *out)
{
	out->faults_minor = atomic_load_explicit(&mm->faults_minor, memory_order_relaxed);
	out->faults_file = atomic_load_explicit(&mm->faults_file, memory_order_relaxed);
	out->faults_cow = atomic_load_explicit(&mm->faults_cow, memory_order_relaxed);
	out->faults_denied = atomic_load_explicit(&mm->faults_denied, memory_order_relaxed);
}

void gmem_get_mm_stats(struct gmem *gm, struct mm_stats *out)
{
	out->faults_minor = atomic_load_explicit(&gm->faults_minor, memory_order_relaxed);
	out->faults_file = atomic_load_explicit(&gm->faults_file, memory_order_relaxed);
	out->faults_cow = atomic_load_explicit(&gm->faults_cow, memory_order_relaxed);
	out->faults_denied = atomic_load_explicit(&gm->faults_denied, memory_order_relaxed);
}
