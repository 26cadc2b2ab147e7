/* Guest memory: the memfd, its two mappings, memslots, frames. */
#include "gmem_internal.h"
#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define MIN_LIMIT     (4UL << 20)
#define RECLAIM_PAGES 1024 /* taken from caches when no frame is left */
#define RUN_LOOK      32   /* stale frames among which neighbours are looked for */

/* At an address that the host could map by its large pages, too. */
static void *map_alias(int fd, size_t span)
{
	size_t slack = BLOCK_BYTES, before;
	uint8_t *p = mmap(NULL, span + slack, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)p & (BLOCK_BYTES - 1);
	if (before)
		munmap(p, before);
	p += before;
	munmap(p + span, slack - before);
	if (mmap(p, span, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, 0) !=
	    MAP_FAILED)
		return p;
	munmap(p, span);
	return NULL;
}

static void *map_table(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Guest-physical layout: `total` frames with the hole left out. */
static void set_layout(struct gmem *gm, uint64_t limit)
{
	gm->total = limit >> PAGE_SHIFT;
	gm->end = (pfn_t)gm->total;
	if (limit > GMEM_HOLE_START)
		gm->end += (GMEM_HOLE_END - GMEM_HOLE_START) >> PAGE_SHIFT;
	gm->span = (size_t)gm->end << PAGE_SHIFT;
	gm->quarantine_max = gm->total / 16;
	if (gm->quarantine_max > 8192)
		gm->quarantine_max = 8192;
	gm->fork_eager = GMEM_FORK_EAGER;
	gm->fresh = 1; /* frame 0 means "none" */
	gm->windows = 1;
}

struct gmem *gmem_create(uint64_t limit, const struct machine_mem_ops *ops, void *machine)
{
	struct gmem *gm;

	/* A pfn_t and the address space of the VMM bound what can be asked for. */
	if (limit < MIN_LIMIT || limit > (1UL << 43)) {
		errno = EINVAL;
		return NULL;
	}
	gm = calloc(1, sizeof(*gm));
	if (!gm)
		return NULL;
	gm->fd = -1;
	gm->ops = ops;
	gm->machine = machine;
	pthread_mutex_init(&gm->lock, NULL);
	pthread_mutex_init(&gm->recycle_lock, NULL);
	pthread_mutex_init(&gm->trim_lock, NULL);
	pthread_mutex_init(&gm->mms_lock, NULL);
	pthread_mutex_init(&gm->caches_lock, NULL);
	pthread_mutex_init(&gm->spares_lock, NULL);
	TAILQ_INIT(&gm->spares);
	pthread_mutex_init(&gm->keeper_lock, NULL);
	pthread_cond_init(&gm->keeper_cond, NULL);
	pthread_cond_init(&gm->block_cond, NULL);
	TAILQ_INIT(&gm->caches);
	TAILQ_INIT(&gm->free_blocks);
	TAILQ_INIT(&gm->part_blocks);
	set_layout(gm, limit);

	gm->fd = memfd_create("vmbox-guest", MFD_CLOEXEC);
	if (gm->fd < 0 || ftruncate(gm->fd, (off_t)gm->span) < 0)
		goto fail;
	gm->kvm = map_alias(gm->fd, gm->span);
	gm->vmm = map_alias(gm->fd, gm->span);
	gm->frames_bytes = page_up(gm->end * sizeof(*gm->frames));
	gm->frames = map_table(gm->frames_bytes);
	gm->blocks_bytes = page_up((gm->end / BLOCK_FRAMES + 1) * sizeof(*gm->blocks));
	gm->blocks = map_table(gm->blocks_bytes);
	if (!gm->kvm || !gm->vmm || !gm->frames || !gm->blocks)
		goto fail;
	if (gmem_access_init() < 0)
		goto fail;
	return gm;
fail:
	gmem_destroy(gm);
	return NULL;
}

void gmem_destroy(struct gmem *gm)
{
	int saved = errno;

	if (!gm)
		return;
	gmem_keeper_stop(gm);
	if (gm->frames)
		munmap(gm->frames, gm->frames_bytes);
	if (gm->blocks)
		munmap(gm->blocks, gm->blocks_bytes);
	if (gm->vmm)
		munmap(gm->vmm, gm->span);
	if (gm->kvm)
		munmap(gm->kvm, gm->span);
	if (gm->fd >= 0)
		close(gm->fd);
	pthread_cond_destroy(&gm->block_cond);
	pthread_cond_destroy(&gm->keeper_cond);
	pthread_mutex_destroy(&gm->keeper_lock);
	pthread_mutex_destroy(&gm->caches_lock);
	pthread_mutex_destroy(&gm->mms_lock);
	pthread_mutex_destroy(&gm->trim_lock);
	pthread_mutex_destroy(&gm->recycle_lock);
	pthread_mutex_destroy(&gm->lock);
	free(gm);
	errno = saved;
}

void gmem_get_stats(struct gmem *gm, struct gmem_stats *out)
{
	pthread_mutex_lock(&gm->lock);
	*out = (struct gmem_stats){
		.frames_total = gm->total,
		.frames_used = gm->used,
		.frames_table = gm->tables,
		.frames_quarantined = gm->quarantine.n,
		.recycles = gm->recycles,
		.invalidations = atomic_load_explicit(&gm->invalidations, memory_order_relaxed),
	};
	pthread_mutex_unlock(&gm->lock);
}

unsigned gmem_ranges(struct gmem *gm, struct abi_range out[ABI_MEMORY_MAX])
{
	uint64_t size = gm->total << PAGE_SHIFT;

	if (size <= GMEM_HOLE_START) {
		out[0] = (struct abi_range){0, size};
		return 1;
	}
	out[0] = (struct abi_range){0, GMEM_HOLE_START};
	out[1] = (struct abi_range){GMEM_HOLE_END, size - GMEM_HOLE_START};
	return 2;
}

uint64_t gmem_code_gen(struct gmem *gm)
{
	return atomic_load_explicit(&gm->code_gen, memory_order_acquire);
}

/* ---- lists ---- */

void frame_list_push(struct gmem *gm, struct frame_list *list, pfn_t pfn)
{
	gm->frames[pfn].next = list->head;
	list->head = pfn;
	if (!list->n++)
		list->tail = pfn;
}

pfn_t frame_list_pop(struct gmem *gm, struct frame_list *list)
{
	pfn_t pfn = list->head;

	if (!list->n)
		return 0;
	list->head = gm->frames[pfn].next;
	list->n--;
	return pfn;
}

/* Moves all of from in front of to. */
void frame_list_splice(struct gmem *gm, struct frame_list *to, struct frame_list *from)
{
	if (!from->n)
		return;
	gm->frames[from->tail].next = to->head;
	if (!to->n)
		to->tail = from->tail;
	to->head = from->head;
	to->n += from->n;
	*from = (struct frame_list){0};
}

void gmem_hint_locked(struct gmem *gm)
{
	atomic_store_explicit(&gm->dirty_hint, gm->dirty.n, memory_order_relaxed);
	atomic_store_explicit(&gm->quarantine_hint, gm->quarantine.n, memory_order_relaxed);
	atomic_store_explicit(&gm->block_hint, gm->ready_blocks, memory_order_relaxed);
}

/* ---- frames ---- */

uint64_t gmem_slot_size(const struct gmem *gm, uint64_t start)
{
	uint64_t left = gm->span - start;

	return left < GMEM_SLOT_SIZE ? left : GMEM_SLOT_SIZE;
}

/* Adds the memslot that covers gm->fresh, in every window; goes on where it failed before. */
static int add_slot_locked(struct gmem *gm)
{
	uint64_t start = (uint64_t)gm->slot_end << PAGE_SHIFT, size;
	int r;

	if (start == GMEM_HOLE_START)
		start = GMEM_HOLE_END;
	size = gmem_slot_size(gm, start);
	for (; gm->grown < gm->windows; gm->grown++) {
		r = window_slot_add_locked(gm, gm->grown, start, size);
		if (r < 0)
			return r;
	}
	gm->grown = 0;
	gm->slot_end = (pfn_t)((start + size) >> PAGE_SHIFT);
	return 0;
}

void frame_skip_hole_locked(struct gmem *gm)
{
	if (gm->fresh == GMEM_HOLE_START >> PAGE_SHIFT)
		gm->fresh = GMEM_HOLE_END >> PAGE_SHIFT;
}

pfn_t frame_take_fresh_locked(struct gmem *gm)
{
	frame_skip_hole_locked(gm);
	if (gm->fresh >= gm->end)
		return 0;
	if (gm->fresh >= gm->slot_end) {
		gm->no_slot = add_slot_locked(gm) < 0;
		if (gm->no_slot)
			return 0;
	}
	return gm->fresh++;
}

pfn_t frame_take(struct gmem *gm, bool *stale)
{
	pfn_t pfn;

	*stale = false;
	pthread_mutex_lock(&gm->lock);
	/* A stale frame first: the host's page is there and its mappings are warm. */
	pfn = frame_list_pop(gm, &gm->dirty);
	if (pfn) {
		*stale = true;
		gmem_hint_locked(gm);
	} else {
		pfn = frame_list_pop(gm, &gm->clean);
		if (!pfn)
			pfn = frame_take_fresh_locked(gm);
		if (!pfn && block_break_locked(gm)) {
			pfn = frame_list_pop(gm, &gm->dirty);
			*stale = true;
		}
	}
	if (pfn)
		gm->used++;
	pthread_mutex_unlock(&gm->lock);
	if (!pfn)
		return 0;
	atomic_store_explicit(&gm->frames[pfn].refs, 1, memory_order_relaxed);
	return pfn;
}

/* Where among these frames, in ascending order, n lie together: an index, or -1. */
static int find_run(const pfn_t *v, unsigned have, unsigned n)
{
	for (unsigned i = 1, run = 1; i < have; i++) {
		run = v[i] == v[i - 1] + 1 ? run + 1 : 1;
		if (run == n)
			return (int)(i + 1 - n);
	}
	return -1;
}

static void sort_few(pfn_t *v, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		pfn_t pfn = v[i];
		unsigned at = i;

		for (; at > 0 && v[at - 1] > pfn; at--)
			v[at] = v[at - 1];
		v[at] = pfn;
	}
}

/* Of those that came last. */
static pfn_t take_run(struct gmem *gm, struct frame_list *list, unsigned n)
{
	pfn_t v[RUN_LOOK];
	unsigned have = 0;
	int at = -1;

	/* What was freed together comes first, and together. */
	for (unsigned look = n; at < 0 && have < look; look = RUN_LOOK) {
		pfn_t pfn = 0;

		while (have < look && (pfn = frame_list_pop(gm, list)))
			v[have++] = pfn;
		sort_few(v, have);
		at = find_run(v, have, n);
		if (!pfn)
			break;
	}
	for (unsigned i = 0; i < have; i++)
		if (at < 0 || i < (unsigned)at || i >= (unsigned)at + n)
			frame_list_push(gm, list, v[i]);
	return at < 0 ? 0 : v[at];
}

static pfn_t take_fresh_run_locked(struct gmem *gm, unsigned n)
{
	pfn_t first = frame_take_fresh_locked(gm);

	if (!first)
		return 0;
	if (first + n > gm->slot_end) {
		frame_list_push(gm, &gm->clean, first);
		return 0;
	}
	gm->fresh = first + n;
	return first;
}

pfn_t frame_take_run(struct gmem *gm, unsigned n, bool *stale)
{
	pfn_t first;

	pthread_mutex_lock(&gm->lock);
	/* New memory only while not much of the old lies about. */
	first = take_run(gm, &gm->dirty, n);
	*stale = first != 0;
	if (!first && gm->dirty.n <= GMEM_KEEP)
		first = take_run(gm, &gm->clean, n);
	if (!first && gm->dirty.n <= GMEM_KEEP)
		first = take_fresh_run_locked(gm, n);
	if (first)
		gm->used += n;
	gmem_hint_locked(gm);
	pthread_mutex_unlock(&gm->lock);
	for (unsigned i = 0; first && i < n; i++)
		atomic_store_explicit(&gm->frames[first + i].refs, 1, memory_order_relaxed);
	return first;
}

pfn_t frame_alloc_raw(struct gmem *gm, bool zero)
{
	bool stale;
	pfn_t pfn = frame_take(gm, &stale);

	if (pfn && zero && stale && gmem_zero(frame_hva(gm, pfn), PAGE_SIZE) < 0) {
		frame_put(gm, pfn);
		return 0;
	}
	return pfn;
}

bool frames_plenty(struct gmem *gm, uint64_t n)
{
	bool yes;

	pthread_mutex_lock(&gm->lock);
	yes = gm->total - gm->used - gm->quarantine.n > 9 * n;
	pthread_mutex_unlock(&gm->lock);
	return yes;
}

pfn_t frame_alloc(struct gmem *gm, bool zero)
{
	for (int i = 0;; i++) {
		pfn_t pfn = frame_alloc_raw(gm, zero);

		if (pfn || i == GMEM_TRIES || !gmem_make_room(gm))
			return pfn;
	}
}

void frame_get(struct gmem *gm, pfn_t pfn)
{
	atomic_fetch_add_explicit(&gm->frames[pfn].refs, 1, memory_order_relaxed);
}

void frame_put_list(struct gmem *gm, struct frame_list *list, pfn_t pfn)
{
	if (atomic_fetch_sub_explicit(&gm->frames[pfn].refs, 1, memory_order_acq_rel) == 1)
		frame_list_push(gm, list, pfn);
}

void frame_free_list(struct gmem *gm, struct frame_list *list)
{
	if (!list->n)
		return;
	pthread_mutex_lock(&gm->lock);
	gm->used -= list->n;
	block_park_locked(gm, list);
	frame_list_splice(gm, &gm->dirty, list);
	gmem_hint_locked(gm);
	pthread_mutex_unlock(&gm->lock);
}

void frame_put(struct gmem *gm, pfn_t pfn)
{
	struct frame_list list = {0};

	frame_put_list(gm, &list, pfn);
	frame_free_list(gm, &list);
}

unsigned frame_refs(struct gmem *gm, pfn_t pfn)
{
	return atomic_load_explicit(&gm->frames[pfn].refs, memory_order_acquire);
}

void *frame_hva(struct gmem *gm, pfn_t pfn)
{
	return gm->vmm + ((size_t)pfn << PAGE_SHIFT);
}

int frame_write_fresh(struct gmem *gm, const pfn_t pfn[], unsigned n, void *const data[])
{
	for (unsigned i = 0, run; i < n; i += run) {
		struct iovec iov = {data[i], PAGE_SIZE};

		/* Frames and data that both go on: one write. */
		for (run = 1; i + run < n && pfn[i + run] == pfn[i] + run &&
			      (uint8_t *)data[i + run] == (uint8_t *)data[i] + iov.iov_len;
		     run++)
			iov.iov_len += PAGE_SIZE;
		if (pwritev(gm->fd, &iov, 1, (off_t)((uint64_t)pfn[i] << PAGE_SHIFT)) !=
		    (ssize_t)iov.iov_len)
			return -ENOMEM;
	}
	return 0;
}

void *frame_kvm_hva(struct gmem *gm, pfn_t pfn)
{
	return gm->kvm + ((size_t)pfn << PAGE_SHIFT);
}

/* ---- table frames and their quarantine ---- */

pfn_t table_alloc(struct gmem *gm)
{
	pfn_t pfn = frame_alloc_raw(gm, false);

	/* Even a fresh one is written here: if the host has no page for it, we learn it
	 * recoverably. */
	if (pfn && gmem_zero(frame_hva(gm, pfn), PAGE_SIZE) < 0) {
		frame_put(gm, pfn);
		return 0;
	}
	if (pfn) {
		pthread_mutex_lock(&gm->lock);
		gm->tables++;
		pthread_mutex_unlock(&gm->lock);
	}
	return pfn;
}

void table_free_list(struct gmem *gm, struct frame_list *list)
{
	bool shadow = gmem_shadow(gm);

	if (!list->n)
		return;
	pthread_mutex_lock(&gm->lock);
	gm->used -= list->n;
	gm->tables -= list->n;
	frame_list_splice(gm, shadow ? &gm->quarantine : &gm->dirty, list);
	gmem_hint_locked(gm);
	pthread_mutex_unlock(&gm->lock);
}

/* What is freed while this goes on waits for the next time. */
uint64_t gmem_quarantine_recycle(struct gmem *gm, uint64_t at_least)
{
	struct frame_list list;
	uint64_t n;
	int r;

	pthread_mutex_lock(&gm->recycle_lock);
	pthread_mutex_lock(&gm->lock);
	list = gm->quarantine;
	if (list.n < at_least)
		list = (struct frame_list){0}; /* someone else was faster */
	else
		gm->quarantine = (struct frame_list){0};
	n = list.n;
	pthread_mutex_unlock(&gm->lock);
	if (n) {
		r = gm->ops->slots_recycle(gm->machine);
		pthread_mutex_lock(&gm->lock);
		frame_list_splice(gm, r < 0 ? &gm->quarantine : &gm->dirty, &list);
		if (r < 0)
			n = 0;
		else
			gm->recycles++;
		gmem_hint_locked(gm);
		pthread_mutex_unlock(&gm->lock);
	}
	pthread_mutex_unlock(&gm->recycle_lock);
	return n;
}

static bool frame_available(struct gmem *gm)
{
	bool yes;

	pthread_mutex_lock(&gm->lock);
	yes = gm->dirty.n || gm->clean.n || (gm->fresh < gm->end && !gm->no_slot) ||
	      !TAILQ_EMPTY(&gm->free_blocks) || !TAILQ_EMPTY(&gm->part_blocks);
	pthread_mutex_unlock(&gm->lock);
	return yes;
}

bool gmem_make_room(struct gmem *gm)
{
	if (frame_available(gm))
		return true;
	/* Frames on their way from one list to the other come back when the lock is free. */
	pthread_mutex_lock(&gm->trim_lock);
	pthread_mutex_unlock(&gm->trim_lock);
	if (spare_reclaim(gm) && frame_available(gm))
		return true;
	if (gmem_quarantine_recycle(gm, 1) || frame_available(gm))
		return true;
	return memobj_reclaim(gm, RECLAIM_PAGES) > 0;
}
