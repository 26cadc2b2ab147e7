/* Aligned blocks of frames: those that the host maps by one large page, and what comes back of
 * them. */
#include "pgtable.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <time.h>

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
	if (b->there) {
		TAILQ_INSERT_HEAD(&gm->free_blocks, b, link);
		gm->ready_blocks++;
	} else {
		TAILQ_INSERT_TAIL(&gm->free_blocks, b, link);
	}
}

static void free_remove(struct gmem *gm, struct block *b)
{
	TAILQ_REMOVE(&gm->free_blocks, b, link);
	gm->ready_blocks -= b->there;
}

static void park(struct gmem *gm, struct block *b, pfn_t pfn)
{
	if (!b->parked.n)
		TAILQ_INSERT_TAIL(&gm->part_blocks, b, link);
	frame_list_push(gm, &b->parked, pfn);
	if (b->parked.n < BLOCK_FRAMES)
		return;
	TAILQ_REMOVE(&gm->part_blocks, b, link);
	b->there = true;
	b->zero = false;
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

void block_break_parts(struct gmem *gm)
{
	struct block *b;

	pthread_mutex_lock(&gm->lock);
	while ((b = TAILQ_FIRST(&gm->part_blocks))) {
		TAILQ_REMOVE(&gm->part_blocks, b, link);
		b->whole = false;
		gm->whole_blocks--;
		frame_list_splice(gm, &gm->dirty, &b->parked);
	}
	gmem_hint_locked(gm);
	pthread_mutex_unlock(&gm->lock);
}

uint64_t block_trim(struct gmem *gm, uint64_t keep, uint64_t cap)
{
	uint64_t n = 0;

	for (; n < cap; n++) {
		struct block *b = NULL;
		int r;

		pthread_mutex_lock(&gm->lock);
		if (gm->ready_blocks > keep) {
			b = TAILQ_FIRST(&gm->free_blocks);
			free_remove(gm, b);
		}
		pthread_mutex_unlock(&gm->lock);
		if (!b)
			break;
		r = fallocate(gm->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)block_base(gm, b) << PAGE_SHIFT, (off_t)BLOCK_BYTES);
		pthread_mutex_lock(&gm->lock);
		b->there = r < 0;
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
		pfn_t next;

		frame_skip_hole_locked(gm);
		next = (gm->fresh + BLOCK_FRAMES - 1) & ~(pfn_t)(BLOCK_FRAMES - 1);
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

/* The host has a page for it. It is nobody's then, on no list. NULL: there is none. */
static struct block *take_ready_locked(struct gmem *gm)
{
	struct block *b = TAILQ_FIRST(&gm->free_blocks);

	if (!b || !b->there)
		return NULL;
	free_remove(gm, b);
	return b;
}

/* It has none yet. */
static struct block *take_empty_locked(struct gmem *gm)
{
	struct block *b = TAILQ_LAST(&gm->free_blocks, block_list);

	if (b && !b->there) {
		free_remove(gm, b);
		return b;
	}
	b = take_fresh(gm);
	if (!b)
		return NULL;
	b->whole = true;
	b->there = false;
	gm->whole_blocks++;
	for (unsigned i = BLOCK_FRAMES; i-- > 0;)
		frame_list_push(gm, &b->parked, block_base(gm, b) + i);
	return b;
}

static struct block *take(struct gmem *gm, bool ready_only)
{
	struct block *b;

	pthread_mutex_lock(&gm->lock);
	b = take_ready_locked(gm);
	if (!b && !ready_only)
		b = take_empty_locked(gm);
	gmem_hint_locked(gm);
	pthread_mutex_unlock(&gm->lock);
	return b;
}

/* What it needs to be a zeroed large page. 0; -ENOMEM: the host has none. */
static int make_ready(struct gmem *gm, struct block *b)
{
	pfn_t base = block_base(gm, b);

	/* There must be a page to begin with. */
	if (!b->there && gmem_zero(frame_hva(gm, base), PAGE_SIZE) < 0)
		return -ENOMEM;
	/* One entry of the guest's can map what the host maps by many. */
	if (!b->there)
		return alias_collapse(gm, base) || gmem_large(gm) ? 0 : -ENOMEM;
	return b->zero || !gmem_zero(frame_hva(gm, base), BLOCK_BYTES) ? 0 : -ENOMEM;
}

/* The host has no large page for it: ordinary memory. */
static void give_up(struct gmem *gm, struct block *b)
{
	pthread_mutex_lock(&gm->lock);
	b->whole = false;
	gm->whole_blocks--;
	frame_list_splice(gm, &gm->dirty, &b->parked);
	gmem_hint_locked(gm);
	pthread_mutex_unlock(&gm->lock);
}

static pfn_t use(struct gmem *gm, struct block *b)
{
	pfn_t base = block_base(gm, b);

	pthread_mutex_lock(&gm->lock);
	b->parked = (struct frame_list){0};
	gm->used += BLOCK_FRAMES;
	gmem_hint_locked(gm);
	pthread_mutex_unlock(&gm->lock);
	for (unsigned i = 0; i < BLOCK_FRAMES; i++)
		atomic_store_explicit(&gm->frames[base + i].refs, 1, memory_order_relaxed);
	return base;
}

/* ---- ahead ---- */

void block_expect(struct gmem *gm)
{
	unsigned n = atomic_load_explicit(&gm->block_ahead, memory_order_relaxed);

	if (!atomic_load(&gm->keeper_runs) ||
	    (atomic_load_explicit(&gm->no_collapse, memory_order_relaxed) && !gmem_large(gm)) ||
	    atomic_load_explicit(&gm->block_hint, memory_order_relaxed) > n / 2)
		return;
	n = !n ? 1 : n < BLOCK_AHEAD ? 2 * n : n;
	atomic_store_explicit(&gm->block_ahead, n, memory_order_relaxed);
	atomic_store(&gm->block_want, n);
	keeper_wake(gm);
}

void block_stock(struct gmem *gm)
{
	while (atomic_load(&gm->block_want)) {
		struct block *b = NULL;

		atomic_fetch_sub(&gm->block_want, 1);
		/* Who finds no memory meanwhile waits for it at this lock. */
		pthread_mutex_lock(&gm->trim_lock);
		pthread_mutex_lock(&gm->lock);
		if (gm->ready_blocks < BLOCK_AHEAD &&
		    gm->total - gm->used - gm->quarantine.n > 9 * BLOCK_FRAMES)
			b = take_empty_locked(gm);
		pthread_mutex_unlock(&gm->lock);
		if (b && make_ready(gm, b) < 0) {
			give_up(gm, b);
			b = NULL;
		}
		if (b) {
			pthread_mutex_lock(&gm->lock);
			b->there = b->zero = true;
			free_insert(gm, b);
			gmem_hint_locked(gm);
			pthread_mutex_unlock(&gm->lock);
		}
		pthread_mutex_unlock(&gm->trim_lock);
		pthread_mutex_lock(&gm->keeper_lock);
		gm->blocks_made++;
		gm->blocks_late = !b; /* nor need the next one wait */
		pthread_cond_broadcast(&gm->block_cond);
		pthread_mutex_unlock(&gm->keeper_lock);
		if (!b)
			atomic_store(&gm->block_want, 0);
	}
}

/* The keeper has done something about it. False: it takes too long. */
static bool await_keeper(struct gmem *gm)
{
	struct timespec until;
	unsigned before;
	bool done;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += BLOCK_PATIENCE;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&gm->keeper_lock);
	before = gm->blocks_made;
	while (!gm->blocks_late && gm->blocks_made == before && !atomic_load(&gm->block_hint))
		gm->blocks_late = pthread_cond_timedwait(&gm->block_cond, &gm->keeper_lock,
							 &until) == ETIMEDOUT;
	done = !gm->blocks_late;
	pthread_mutex_unlock(&gm->keeper_lock);
	return done;
}

/* Its first frame, or 0: it is ordinary memory now. */
static pfn_t finish(struct gmem *gm, struct block *b)
{
	if (make_ready(gm, b) == 0)
		return use(gm, b);
	give_up(gm, b);
	return 0;
}

pfn_t block_alloc(struct gmem *gm, bool wait)
{
	bool ahead = !wait && atomic_load(&gm->keeper_runs);
	struct block *b;
	pfn_t base;

	if (atomic_load_explicit(&gm->no_collapse, memory_order_relaxed) && !gmem_large(gm))
		return 0;
	/* Who finds no memory meanwhile waits for it at this lock. */
	if (wait)
		pthread_mutex_lock(&gm->trim_lock);
	b = take(gm, ahead);
	if (ahead)
		block_expect(gm);
	if (!b && ahead && await_keeper(gm))
		b = take(gm, true);
	base = b ? finish(gm, b) : 0;
	if (wait)
		pthread_mutex_unlock(&gm->trim_lock);
	return base;
}
