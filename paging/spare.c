/* The tables of dead children, kept for their parents' next forks: see mm_internal.h. */
#include "mm_internal.h"

#define SPARES_MAX      16 /* in one gmem, the most recent ones */
#define SPARE_MORE      32 /* pages that the child had more than at its fork */
#define SPARE_TABLES    16 /* tables, likewise */
#define SPARE_CONTENDED 32 /* pages that the parent copies for it between two forks */

static void destroy(struct gmem *gm, pfn_t root)
{
	if (root)
		pgtable_destroy_root(gm, root);
}

/* Takes mm's spare off the list: its root, or 0. gm->spares_lock held. */
static pfn_t unlink_locked(struct mm *mm)
{
	pfn_t root = mm->spare.root;

	if (!root)
		return 0;
	TAILQ_REMOVE(&mm->gm->spares, mm, spare.link);
	mm->gm->nspares--;
	mm->spare.root = 0;
	return root;
}

void spare_expect(struct mm *child, struct mm *parent)
{
	mm_hold(parent);
	child->forked_from = parent;
	child->forked_resident = child->resident;
	child->forked_tables = child->tables;
}

void spare_offer(struct mm *child)
{
	struct mm *parent = child->forked_from;
	struct gmem *gm = child->gm;
	pfn_t old = 0;

	if (!parent)
		return;
	child->forked_from = NULL;
	if (child->resident <= child->forked_resident + SPARE_MORE &&
	    child->tables <= child->forked_tables + SPARE_TABLES) {
		pthread_mutex_lock(&gm->spares_lock);
		if (!parent->spare.closed) {
			old = unlink_locked(parent);
			if (!old && gm->nspares == SPARES_MAX)
				old = unlink_locked(TAILQ_FIRST(&gm->spares));
			parent->spare.root = child->root;
			parent->spare.resident = child->resident;
			parent->spare.tables = child->tables;
			TAILQ_INSERT_TAIL(&gm->spares, parent, spare.link);
			gm->nspares++;
			child->root = 0;
		}
		pthread_mutex_unlock(&gm->spares_lock);
	}
	destroy(gm, old);
	mm_release(parent);
}

pfn_t spare_take(struct mm *parent, uint64_t *resident, uint64_t *tables)
{
	pfn_t root;

	parent->spare.contended = 0;
	pthread_mutex_lock(&parent->gm->spares_lock);
	root = unlink_locked(parent);
	*resident = root ? parent->spare.resident : 0;
	*tables = root ? parent->spare.tables : 0;
	pthread_mutex_unlock(&parent->gm->spares_lock);
	return root;
}

static bool drop(struct mm *mm, bool close)
{
	pfn_t root;

	pthread_mutex_lock(&mm->gm->spares_lock);
	mm->spare.closed |= close;
	root = unlink_locked(mm);
	pthread_mutex_unlock(&mm->gm->spares_lock);
	destroy(mm->gm, root);
	return root != 0;
}

bool spare_contend(struct mm *mm)
{
	return ++mm->spare.contended > SPARE_CONTENDED && drop(mm, false);
}

void spare_close(struct mm *mm)
{
	drop(mm, true);
}

bool spare_reclaim(struct gmem *gm)
{
	bool any = false;
	pfn_t root;

	do {
		struct mm *mm;

		pthread_mutex_lock(&gm->spares_lock);
		mm = TAILQ_FIRST(&gm->spares);
		root = mm ? unlink_locked(mm) : 0;
		pthread_mutex_unlock(&gm->spares_lock);
		destroy(gm, root);
		any |= root != 0;
	} while (root);
	return any;
}
