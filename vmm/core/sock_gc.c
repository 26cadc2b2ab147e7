/*
 * Files in flight, and those that nobody can receive any more.
 *
 * A socket whose every reference is in some queue can be reached only by receiving it; if all those
 * queues are of such sockets, too, nobody can. As Linux's collector does: suspect each such socket,
 * count how many of its references lie in suspects' queues, clear those that have others, and what
 * they reach. links is held all the time, and a message with files is queued and taken only with it
 * held, so no suspect can be received meanwhile.
 */
#include "sock_priv.h"

#include <stdlib.h>

/* Protected by sock_links. */
static struct sock_list flying = TAILQ_HEAD_INITIALIZER(flying);
static _Atomic size_t nfiles, nflying;
/* To look costs time for each socket in flight: it must have been earned by that many events. */
static _Atomic size_t credit;
#define CREDIT 64

size_t sock_inflight(void)
{
	return nfiles;
}

int sock_rights_fly_locked(struct sock_rights *r)
{
	if (nfiles + r->n > SOCK_INFLIGHT_MAX)
		return -ETOOMANYREFS;
	nfiles += r->n;
	for (unsigned i = 0; i < r->n; i++) {
		struct sock *s = r->r[i].sock;

		if (s && !s->inflight++) {
			TAILQ_INSERT_TAIL(&flying, s, in_flight);
			nflying++;
		}
	}
	return 0;
}

void sock_rights_land_locked(struct sock_rights *r)
{
	nfiles -= r->n;
	for (unsigned i = 0; i < r->n; i++) {
		struct sock *s = r->r[i].sock;

		if (s && !--s->inflight) {
			TAILQ_REMOVE(&flying, s, in_flight);
			nflying--;
		}
	}
}

void sock_collect_soon(void)
{
	credit += CREDIT;
}

/* Calls f for each suspect in the queue of one sock. */
static void scan_queue(struct sock *s, void (*f)(struct sock *found, struct sock_list *work),
		       struct sock_list *work)
{
	struct sock_msg *m;

	/* The lock is for messages without files, which come and go. */
	pthread_mutex_lock(&s->lock);
	TAILQ_FOREACH (m, &s->queue, link)
		for (unsigned i = 0; m->rights && i < m->rights->n; i++)
			if (m->rights->r[i].sock && m->rights->r[i].sock->suspect)
				f(m->rights->r[i].sock, work);
	pthread_mutex_unlock(&s->lock);
}

/* A listener is the way to its connections' queues. */
static void scan(struct sock *s, void (*f)(struct sock *found, struct sock_list *work),
		 struct sock_list *work)
{
	struct sock *e;

	scan_queue(s, f, work);
	TAILQ_FOREACH (e, &s->pending, in_pending)
		scan_queue(e, f, work);
}

static void count_inner(struct sock *s, struct sock_list *work)
{
	(void)work;
	s->inner++;
}

/* It can be reached: so can what is in its queue. Moved from the suspects to the end of the work.
 */
static void clear(struct sock *s, struct sock_list *work)
{
	s->suspect = false;
	TAILQ_REMOVE(&flying, s, in_flight);
	TAILQ_INSERT_TAIL(work, s, in_flight);
}

static void take_messages(struct sock *s, struct sock_msgs *out)
{
	struct sock *e;

	pthread_mutex_lock(&s->lock);
	sock_drop_queue_locked(s, out);
	pthread_mutex_unlock(&s->lock);
	TAILQ_FOREACH (e, &s->pending, in_pending) {
		pthread_mutex_lock(&e->lock);
		sock_drop_queue_locked(e, out);
		pthread_mutex_unlock(&e->lock);
	}
}

bool sock_collect(struct sock_msgs *out)
{
	struct sock_list reached = TAILQ_HEAD_INITIALIZER(reached), garbage;
	struct sock *s, *next;
	bool any = false;

	if (!nflying || credit < nflying)
		return false;
	credit = 0;
	pthread_mutex_lock(&sock_links);
	TAILQ_FOREACH (s, &flying, in_flight) {
		s->inner = 0;
		/* More references may go, but none can come to what nobody holds. */
		s->suspect = s->file && s->file->refs == s->inflight;
	}
	TAILQ_FOREACH (s, &flying, in_flight)
		if (s->suspect)
			scan(s, count_inner, NULL);
	for (s = TAILQ_FIRST(&flying); s; s = next) {
		next = TAILQ_NEXT(s, in_flight);
		if (s->suspect && s->inner < s->inflight)
			clear(s, &reached);
	}
	TAILQ_FOREACH (s, &reached, in_flight)
		scan(s, clear, &reached);
	TAILQ_CONCAT(&flying, &reached, in_flight);
	/* What is left of the suspects is garbage. To drop one's messages unlinks others. */
	TAILQ_INIT(&garbage);
	for (s = TAILQ_FIRST(&flying); s; s = next) {
		next = TAILQ_NEXT(s, in_flight);
		if (!s->suspect)
			continue;
		TAILQ_REMOVE(&flying, s, in_flight);
		TAILQ_INSERT_TAIL(&garbage, s, in_flight);
		/* One more, so that it stays on this list until all are done. */
		s->inflight++;
		any = true;
	}
	TAILQ_FOREACH (s, &garbage, in_flight)
		take_messages(s, out);
	while ((s = TAILQ_FIRST(&garbage))) {
		TAILQ_REMOVE(&garbage, s, in_flight);
		s->suspect = false;
		if (--s->inflight)
			TAILQ_INSERT_TAIL(&flying, s, in_flight);
		else
			nflying--;
	}
	pthread_mutex_unlock(&sock_links);
	return any;
}
