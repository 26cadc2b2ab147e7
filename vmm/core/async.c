/* Signals that come of events: see async.h. */
#include "async.h"

#include <stdlib.h>
#include <string.h>

#define FEW 4

_Thread_local bool async_waiting;

/* What this thread has to send. */
static _Thread_local struct {
	struct async_event *events; /* `few` or from the heap */
	unsigned n, max;
	struct async_event few[FEW];
} mine;

void async_list_init(struct async_list *l)
{
	pthread_mutex_init(&l->lock, NULL);
	LIST_INIT(&l->entries);
	l->urgent = NULL;
	l->any = false;
}

void async_list_fini(struct async_list *l)
{
	pthread_mutex_destroy(&l->lock);
}

void async_add(struct async_list *l, struct async_entry *e, struct async_target *to)
{
	pthread_mutex_lock(&l->lock);
	e->list = l;
	e->to = to;
	LIST_INSERT_HEAD(&l->entries, e, link);
	l->any = true;
	pthread_mutex_unlock(&l->lock);
}

void async_remove(struct async_entry *e)
{
	struct async_list *l = e->list;

	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	LIST_REMOVE(e, link);
	l->any = !LIST_EMPTY(&l->entries);
	pthread_mutex_unlock(&l->lock);
	e->list = NULL;
}

void async_set_urgent(struct async_list *l, struct async_target *to)
{
	pthread_mutex_lock(&l->lock);
	l->urgent = to;
	pthread_mutex_unlock(&l->lock);
}

/* ---- noting ---- */

static bool grow(void)
{
	unsigned max = mine.max ? mine.max * 4 : FEW;
	struct async_event *events;

	if (mine.n < mine.max)
		return true;
	if (max > ASYNC_MAX)
		return false;
	if (max == FEW) {
		mine.events = mine.few;
	} else {
		events = malloc(max * sizeof(*events));
		if (!events)
			return false;
		memcpy(events, mine.events, mine.n * sizeof(*events));
		if (mine.events != mine.few)
			free(mine.events);
		mine.events = events;
	}
	mine.max = max;
	return true;
}

/* The list's lock is held: `to` is there. */
static void note(struct async_target *to, enum async_band band, bool urgent)
{
	struct async_event *last = mine.n ? &mine.events[mine.n - 1] : NULL;

	if (last && last->to == to && last->band == band && last->urgent == urgent) {
		last->count++;
		return;
	}
	if (!grow())
		return;
	async_target_get(to);
	mine.events[mine.n++] = (struct async_event){to, band, urgent, 1};
	async_waiting = true;
}

void async_tell_slow(struct async_list *l, enum async_band band)
{
	struct async_entry *e;

	pthread_mutex_lock(&l->lock);
	LIST_FOREACH (e, &l->entries, link)
		note(e->to, band, false);
	pthread_mutex_unlock(&l->lock);
}

void async_urge(struct async_list *l)
{
	struct async_entry *e;

	pthread_mutex_lock(&l->lock);
	if (l->urgent)
		note(l->urgent, ASYNC_PRI, true);
	LIST_FOREACH (e, &l->entries, link)
		note(e->to, ASYNC_PRI, false);
	pthread_mutex_unlock(&l->lock);
}

/* ---- sending ---- */

void async_flush_slow(void)
{
	/* The last reference to a target may close nothing that tells; but look until all is sent.
	 */
	for (unsigned i = 0; i < mine.n; i++) {
		struct async_event e = mine.events[i];

		e.to->send(e.to, &e);
		async_target_put(e.to);
	}
	if (mine.events != mine.few)
		free(mine.events);
	mine.events = NULL;
	mine.n = mine.max = 0;
	async_waiting = false;
}
