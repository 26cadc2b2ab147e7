/* Giving memory back to the host: what the guest has freed, what only makes things fast. */
#include "gmem_internal.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/mman.h>

#define IDLE_TABLES 16   /* quarantined, and worth that KVM forgets everything */
#define IDLE_STEP   2048 /* frames given back by one gmem_idle */
#define IDLE_BLOCKS 16   /* the same of blocks */

static int compare_pfn(const void *a, const void *b)
{
	pfn_t x = *(const pfn_t *)a, y = *(const pfn_t *)b;

	return x < y ? -1 : x > y;
}

/* Cuts up to `cap` frames off the stale list, but none of the `keep` that were freed last: their
 * host pages are in caches. */
static size_t cut_older(struct gmem *gm, size_t keep, pfn_t *out, size_t cap)
{
	pfn_t last, rest;
	size_t n;

	pthread_mutex_lock(&gm->lock);
	n = gm->dirty.n > keep ? gm->dirty.n - keep : 0;
	if (n > cap)
		n = cap;
	if (!n) {
		pthread_mutex_unlock(&gm->lock);
		return 0;
	}
	last = rest = gm->dirty.head;
	for (size_t i = 0; i < keep; i++) {
		last = rest;
		rest = gm->frames[rest].next;
	}
	for (size_t i = 0; i < n; i++, rest = gm->frames[rest].next)
		out[i] = rest;
	gm->dirty.n -= n;
	if (keep)
		gm->frames[last].next = rest;
	else
		gm->dirty.head = rest;
	if (gm->dirty.n == keep)
		gm->dirty.tail = last;
	gmem_hint_locked(gm);
	pthread_mutex_unlock(&gm->lock);
	return n;
}

/* Punches holes where the frames of v were; they are free and zero then. */
static void punch(struct gmem *gm, pfn_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare_pfn);
	for (size_t i = 0, run; i < n; i += run) {
		struct frame_list list = {0};
		int r;

		for (run = 1; i + run < n && v[i + run] == v[i] + run;)
			run++;
		r = fallocate(gm->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)v[i] << PAGE_SHIFT, (off_t)(run << PAGE_SHIFT));
		for (size_t j = 0; j < run; j++)
			frame_list_push(gm, &list, v[i + run - 1 - j]);
		pthread_mutex_lock(&gm->lock);
		frame_list_splice(gm, r < 0 ? &gm->dirty : &gm->clean, &list);
		gmem_hint_locked(gm);
		pthread_mutex_unlock(&gm->lock);
	}
}

#define TRIM_BLOCKS (GMEM_TRIM_PAGES / BLOCK_FRAMES)

/* Likewise of free blocks. */
static uint64_t trim_blocks(struct gmem *gm, uint64_t keep, uint64_t cap)
{
	uint64_t n;

	if (pthread_mutex_trylock(&gm->trim_lock))
		return 0;
	n = block_trim(gm, keep, cap);
	pthread_mutex_unlock(&gm->trim_lock);
	return n;
}

/* Gives back up to `cap` stale frames beyond `keep`; returns how many. */
static size_t trim(struct gmem *gm, size_t keep, size_t cap)
{
	size_t n;
	pfn_t *v;

	if (pthread_mutex_trylock(&gm->trim_lock))
		return 0;
	v = malloc(cap * sizeof(*v));
	n = v ? cut_older(gm, keep, v, cap) : 0;
	if (n)
		punch(gm, v, n);
	free(v);
	pthread_mutex_unlock(&gm->trim_lock);
	return n;
}

bool gmem_has_work(struct gmem *gm, unsigned factor)
{
	return atomic_load_explicit(&gm->quarantine_hint, memory_order_relaxed) >
		       factor * gm->quarantine_max ||
	       atomic_load_explicit(&gm->dirty_hint, memory_order_relaxed) >
		       factor * GMEM_TRIM_PAGES ||
	       atomic_load_explicit(&gm->block_hint, memory_order_relaxed) > factor * TRIM_BLOCKS;
}

void gmem_do_work(struct gmem *gm)
{
	uint64_t dirty = atomic_load_explicit(&gm->dirty_hint, memory_order_relaxed);

	if (atomic_load_explicit(&gm->quarantine_hint, memory_order_relaxed) > gm->quarantine_max)
		gmem_quarantine_recycle(gm, gm->quarantine_max + 1);
	if (dirty > GMEM_TRIM_PAGES)
		trim(gm, dirty / 2, dirty - dirty / 2);
	if (atomic_load_explicit(&gm->block_hint, memory_order_relaxed) > TRIM_BLOCKS)
		trim_blocks(gm, TRIM_BLOCKS / 2, UINT64_MAX);
}

bool gmem_idle(struct gmem *gm)
{
	spare_reclaim(gm);
	block_break_parts(gm);
	atomic_store_explicit(&gm->block_ahead, 0, memory_order_relaxed);
	if (atomic_load_explicit(&gm->quarantine_hint, memory_order_relaxed) > IDLE_TABLES)
		gmem_quarantine_recycle(gm, IDLE_TABLES + 1);
	if (trim(gm, GMEM_KEEP, IDLE_STEP) == IDLE_STEP ||
	    trim_blocks(gm, 0, IDLE_BLOCKS) == IDLE_BLOCKS)
		return true;
	/* Its pages stay; but they need not be mapped twice, nor need the tables that map them. */
	madvise(gm->vmm, gm->span, MADV_DONTNEED);
	return false;
}
