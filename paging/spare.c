/* The tables of dead children, kept for their parents' next forks: see mm_internal.h. */
#include "mm_internal.h"

#define SPARES_MAX      16 /* in one gmem, the most recent ones */
#define SPARE_MORE      32 /* pages that the child had more than at its fork */
#define SPARE_TABLES    16 /* tables, likewise */
#define SPARE_CONTENDED 32 /* pages that the parent copies for it between two forks */

static void destroy(struct gmem *gm, const struct mm_tables *t)
{
	if (t->root)
		pgtable_destroy_tables(gm, t);
}

/* Takes mm's spare off the list; root 0: it has none. gm->spares_lock held. */
static struct mm_tables unlink_locked(struct mm *mm)
{
	struct mm_tables t = mm->spare.t;

	if (t.root) {
		TAILQ_REMOVE(&mm->gm->spares, mm, spare.link);
		mm->gm->nspares--;
		mm->spare.t.root = 0;
	}
	return t;
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
	struct mm_tables old = {0};

	if (!parent)
		return;
	child->forked_from = NULL;
	/* What deals with a spare's entries deals with small ones. */
	if (!child->large && !child->pruned &&
	    child->resident <= child->forked_resident + SPARE_MORE &&
	    child->tables <= child->forked_tables + SPARE_TABLES) {
		pthread_mutex_lock(&gm->spares_lock);
		if (!parent->spare.closed) {
			old = unlink_locked(parent);
			if (!old.root && gm->nspares == SPARES_MAX)
				old = unlink_locked(TAILQ_FIRST(&gm->spares));
			parent->spare.t = (struct mm_tables){child->root, child->window,
							     child->resident, child->tables};
			TAILQ_INSERT_TAIL(&gm->spares, parent, spare.link);
			gm->nspares++;
			child->root = 0;
		}
		pthread_mutex_unlock(&gm->spares_lock);
	}
	destroy(gm, &old);
	mm_release(parent);
}

bool spare_take(struct mm *parent, struct mm_tables *out)
{
	parent->spare.contended = 0;
	pthread_mutex_lock(&parent->gm->spares_lock);
	*out = unlink_locked(parent);
	pthread_mutex_unlock(&parent->gm->spares_lock);
	return out->root != 0;
}

static bool drop(struct mm *mm, bool close)
{
	struct mm_tables t;

	pthread_mutex_lock(&mm->gm->spares_lock);
	mm->spare.closed |= close;
	t = unlink_locked(mm);
	pthread_mutex_unlock(&mm->gm->spares_lock);
	destroy(mm->gm, &t);
	return t.root != 0;
}

bool spare_contend(struct mm *mm)
{
	return ++mm->spare.contended > SPARE_CONTENDED && drop(mm, false);
}

bool spare_drop(struct mm *mm)
{
	return drop(mm, false);
}

void spare_close(struct mm *mm)
{
	drop(mm, true);
}

bool spare_reclaim(struct gmem *gm)
{
	struct mm_tables t;
	bool any = false;

	do {
		struct mm *mm;

		pthread_mutex_lock(&gm->spares_lock);
		mm = TAILQ_FIRST(&gm->spares);
		t = mm ? unlink_locked(mm) : (struct mm_tables){0};
		pthread_mutex_unlock(&gm->spares_lock);
		destroy(gm, &t);
		any |= t.root != 0;
	} while (t.root);
	return any;
}
