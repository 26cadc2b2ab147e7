/* Aligned blocks of frames: those that the host maps by one large page, and what comes back of
 * them. */
#include "gmem_internal.h"

#include <fcntl.h>
#include <linux/falloc.h>

static struct block *block_of(struct gmem *gm, pfn_t pfn)
{
	return &gm->blocks[pfn >> BLOCK_SHIFT];
}

static pfn_t block_base(struct gmem *gm, const struct block *b)
{
	return (pfn_t)((b - gm->blocks) << BLOCK_SHIFT);
}

/* ---- free ones ---- */

static void free_insert(struct gmem *gm, struct block *b)
{
	if (b->stale) {
		TAILQ_INSERT_HEAD(&gm->free_blocks, b, link);
		gm->stale_blocks++;
	} else {
		TAILQ_INSERT_TAIL(&gm->free_blocks, b, link);
	}
}

static void free_remove(struct gmem *gm, struct block *b)
{
	TAILQ_REMOVE(&gm->free_blocks, b, link);
	gm->stale_blocks -= b->stale;
}

static void park(struct gmem *gm, struct block *b, pfn_t pfn)
{
	if (!b->parked.n)
		TAILQ_INSERT_TAIL(&gm->part_blocks, b, link);
	frame_list_push(gm, &b->parked, pfn);
	if (b->parked.n < BLOCK_FRAMES)
		return;
	TAILQ_REMOVE(&gm->part_blocks, b, link);
	b->stale = true;
	free_insert(gm, b);
}

void block_park_locked(struct gmem *gm, struct frame_list *list)
{
	struct frame_list rest = {0};
	pfn_t pfn;

	if (!gm->whole_blocks)
		return;
	while ((pfn = frame_list_pop(gm, list))) {
		struct block *b = block_of(gm, pfn);

		if (b->whole)
			park(gm, b, pfn);
		else
			frame_list_push(gm, &rest, pfn);
	}
	*list = rest;
}

bool block_is_whole(struct gmem *gm, pfn_t base)
{
	const struct block *b = block_of(gm, base);
	bool yes;

	if (base & (BLOCK_FRAMES - 1))
		return false;
	pthread_mutex_lock(&gm->lock);
	yes = b->whole && !b->parked.n;
	pthread_mutex_unlock(&gm->lock);
	return yes;
}

bool block_break_locked(struct gmem *gm)
{
	struct block *b = TAILQ_LAST(&gm->free_blocks, block_list);

	if (b) {
		free_remove(gm, b);
	} else {
		b = TAILQ_FIRST(&gm->part_blocks);
		if (!b)
			return false;
		TAILQ_REMOVE(&gm->part_blocks, b, link);
	}
	b->whole = false;
	gm->whole_blocks--;
	frame_list_splice(gm, &gm->dirty, &b->parked);
	gmem_hint_locked(gm);
	return true;
}

uint64_t block_trim(struct gmem *gm, uint64_t keep, uint64_t cap)
{
	uint64_t n = 0;

	for (; n < cap; n++) {
		struct block *b = NULL;
		int r;

		pthread_mutex_lock(&gm->lock);
		if (gm->stale_blocks > keep) {
			b = TAILQ_FIRST(&gm->free_blocks);
			free_remove(gm, b);
		}
		pthread_mutex_unlock(&gm->lock);
		if (!b)
			break;
		r = fallocate(gm->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)block_base(gm, b) << PAGE_SHIFT, (off_t)BLOCK_BYTES);
		pthread_mutex_lock(&gm->lock);
		b->stale = r < 0;
		free_insert(gm, b);
		gmem_hint_locked(gm);
		pthread_mutex_unlock(&gm->lock);
		if (r < 0)
			break;
	}
	return n;
}

/* ---- taking one ---- */

/* Frames that were never used; what lies before the next boundary becomes ordinary memory. */
static struct block *take_fresh(struct gmem *gm)
{
	pfn_t pfn = 0;

	for (;;) {
		pfn_t next = (gm->fresh + BLOCK_FRAMES - 1) & ~(pfn_t)(BLOCK_FRAMES - 1);

		if (next > gm->end || gm->end - next < BLOCK_FRAMES)
			return NULL;
		pfn = frame_take_fresh_locked(gm);
		if (!pfn)
			return NULL;
		if (!(pfn & (BLOCK_FRAMES - 1)))
			break;
		frame_list_push(gm, &gm->clean, pfn);
	}
	/* A memslot ends at a block's boundary, or with the memory. */
	gm->fresh = pfn + BLOCK_FRAMES;
	return block_of(gm, pfn);
}

/* A block that is nobody's, whose parked frames are off their list. */
static struct block *take(struct gmem *gm, bool *stale)
{
	struct block *b;

	pthread_mutex_lock(&gm->lock);
	b = TAILQ_FIRST(&gm->free_blocks);
	if (b) {
		*stale = b->stale;
		free_remove(gm, b);
	} else {
		*stale = false;
		b = take_fresh(gm);
		if (b) {
			b->whole = true;
			gm->whole_blocks++;
		}
	}
	if (b) {
		b->stale = false;
		b->parked = (struct frame_list){0};
		gm->used += BLOCK_FRAMES;
		gmem_hint_locked(gm);
	}
	pthread_mutex_unlock(&gm->lock);
	return b;
}

/* The host has no large page for it: ordinary memory, of which `zero` frames at the end are zero.
 */
static void give_up(struct gmem *gm, struct block *b, unsigned zero)
{
	pfn_t base = block_base(gm, b);

	pthread_mutex_lock(&gm->lock);
	b->whole = false;
	gm->whole_blocks--;
	gm->used -= BLOCK_FRAMES;
	for (unsigned i = BLOCK_FRAMES; i-- > 0; zero -= zero > 0)
		frame_list_push(gm, zero ? &gm->clean : &gm->dirty, base + i);
	gmem_hint_locked(gm);
	pthread_mutex_unlock(&gm->lock);
}

pfn_t block_alloc(struct gmem *gm)
{
	bool stale;
	struct block *b;
	pfn_t base;

	if (atomic_load_explicit(&gm->no_collapse, memory_order_relaxed))
		return 0;
	b = take(gm, &stale);
	if (!b)
		return 0;
	base = block_base(gm, b);
	/* There must be a page to begin with. */
	if (gmem_zero(frame_hva(gm, base), stale ? BLOCK_BYTES : PAGE_SIZE) < 0 ||
	    (!stale && !alias_collapse(gm, base))) {
		give_up(gm, b, stale ? 0 : BLOCK_FRAMES - 1);
		return 0;
	}
	for (unsigned i = 0; i < BLOCK_FRAMES; i++)
		atomic_store_explicit(&gm->frames[base + i].refs, 1, memory_order_relaxed);
	return base;
}
