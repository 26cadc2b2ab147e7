/*
 * Signals that come of events: who asked to be told when a file becomes readable or writable
 * (O_ASYNC), or when an urgent byte comes.
 *
 * An async_list is embedded in the object whose events they are: a pipe's end, a socket, a
 * terminal's side. list->lock protects what is in it and is a leaf: so an object may tell with its
 * own locks held. Nothing is sent then, because to send takes locks that lie above all of these. It
 * is noted in a list of the thread's own instead, with a reference to the target, and sent by
 * async_flush(), which who runs handlers, jobs and watches calls when it holds no lock: a
 * handler's caller before the call's result counts, so that a program that writes to its own pipe
 * has the signal when write(2) returns.
 *
 * What a thread has to send at a time is bounded (ASYNC_MAX): more is dropped. Equal events
 * of one target that follow each other are one entry with a count.
 */
#ifndef VMBOX_CORE_ASYNC_H
#define VMBOX_CORE_ASYNC_H

#include "core.h"

#define ASYNC_MAX 65536 /* entries */

/* The values of siginfo's POLL_IN and its kin. */
enum async_band { ASYNC_IN = 1, ASYNC_OUT, ASYNC_MSG, ASYNC_ERR, ASYNC_PRI, ASYNC_HUP };

struct async_target;

struct async_event {
	struct async_target *to;
	enum async_band band;
	bool urgent;    /* for the target itself, whether or not it is in the list */
	unsigned count; /* so many of it, one after the other */
};

/* Who sends the signal. */
struct async_target {
	_Atomic unsigned refs;
	/* immutable: */
	void (*send)(struct async_target *to, const struct async_event *e); /* no lock held */
	void (*free)(struct async_target *to); /* the last reference is gone; no lock held */
};

/* A target's place in a list. The memory is the target's; zero at first. */
struct async_entry {
	struct async_list *list; /* NULL: in none; whoever adds and removes it knows */
	struct async_target *to; /* no reference: it removes the entry before it goes */
	LIST_ENTRY(async_entry) link;
};

struct async_list {
	pthread_mutex_t lock;
	/* protected by lock: */
	LIST_HEAD(, async_entry) entries;
	struct async_target *urgent; /* whom an urgent byte is told; no reference; NULL: nobody */
	_Atomic bool any;            /* there are entries; read without the lock */
};

void async_list_init(struct async_list *l);
/* It is empty. */
void async_list_fini(struct async_list *l);

/* e is in l from now on, until async_remove. */
void async_add(struct async_list *l, struct async_entry *e, struct async_target *to);
/* Nobody will be told by it any more; e may be in no list. */
void async_remove(struct async_entry *e);
/* NULL: nobody. */
void async_set_urgent(struct async_list *l, struct async_target *to);

/* Somebody wants to be told. Without the lock: who begins at the same time may miss it. */
static inline bool async_wanted(const struct async_list *l)
{
	return atomic_load_explicit(&l->any, memory_order_relaxed);
}

/* Any lock may be held. */
void async_tell_slow(struct async_list *l, enum async_band band);
static inline void async_tell(struct async_list *l, enum async_band band)
{
	if (async_wanted(l))
		async_tell_slow(l, band);
}
/* An urgent byte has come: for `urgent`, then ASYNC_PRI for all that are in l. */
void async_urge(struct async_list *l);

extern _Thread_local bool async_waiting;
void async_flush_slow(void);
/* Sends what this thread has noted. No lock held. */
static inline void async_flush(void)
{
	if (async_waiting)
		async_flush_slow();
}

static inline struct async_target *async_target_get(struct async_target *to)
{
	to->refs++;
	return to;
}

/* NULL allowed. */
static inline void async_target_put(struct async_target *to)
{
	if (to && !--to->refs)
		to->free(to);
}

#endif
