/*
 * Queues of pending signals.
 *
 * A standard signal is pending once; its siginfo may be missing when memory or the limit
 * forbade it. Real-time signals queue up, first in, first out, lowest number first.
 */
#include "posix_timer.h"
#include "process.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define SIG_RT_FIRST 32

struct sigqueue_entry {
	TAILQ_ENTRY(sigqueue_entry) link;
	_Atomic unsigned *count;   /* the kernel's, of all queued signals */
	struct posix_timer *timer; /* whose this is, queued or not; NULL: freed when it is taken */
	struct sigqueue_set *on;   /* the queue it is in; NULL: none */
	struct siginfo_k info;
};

void sigqueue_init(struct sigqueue_set *s)
{
	s->mask = 0;
	TAILQ_INIT(&s->queue);
}

static void entry_insert(struct sigqueue_set *s, struct sigqueue_entry *e)
{
	TAILQ_INSERT_TAIL(&s->queue, e, link);
	e->on = s;
}

static void entry_free(struct sigqueue_entry *e)
{
	atomic_fetch_sub(e->count, 1);
	free(e);
}

/* Off its queue: freed, or its timer is told. info: as posix_timer_dequeued(). */
static void entry_leave(struct sigqueue_set *s, struct sigqueue_entry *e, struct siginfo_k *info)
{
	TAILQ_REMOVE(&s->queue, e, link);
	e->on = NULL;
	if (e->timer)
		posix_timer_dequeued(e->timer, info);
	else
		entry_free(e);
}

void sigqueue_flush(struct sigqueue_set *s)
{
	sigqueue_remove(s, ~0ULL);
}

void sigqueue_remove(struct sigqueue_set *s, uint64_t mask)
{
	struct sigqueue_entry *e, *next;

	if (!(s->mask & mask))
		return;
	s->mask &= ~mask;
	for (e = TAILQ_FIRST(&s->queue); e; e = next) {
		next = TAILQ_NEXT(e, link);
		if (SIGMASK(e->info.si_signo) & mask)
			entry_leave(s, e, NULL);
	}
}

/* Linux's __send_signal_locked: what the kernel or kill(2) sends as a standard signal ignores the
 * limit. */
static struct sigqueue_entry *entry_new(struct kernel *k, struct process *p, int sig,
					const struct siginfo_k *info)
{
	bool override = sig < SIG_RT_FIRST && info->si_code >= 0;
	struct sigqueue_entry *e;

	if (atomic_fetch_add(&k->nsignals, 1) >= p->rlim[RLIMIT_SIGPENDING].rlim_cur && !override)
		goto fail;
	e = calloc(1, sizeof(*e));
	if (!e)
		goto fail;
	e->count = &k->nsignals;
	e->info = *info;
	e->info.si_signo = sig;
	return e;
fail:
	atomic_fetch_sub(&k->nsignals, 1);
	return NULL;
}

struct sigqueue_entry *sigqueue_entry_create(struct kernel *k, struct process *p,
					     struct posix_timer *timer)
{
	struct siginfo_k info = {.si_code = SI_TIMER};
	struct sigqueue_entry *e = entry_new(k, p, 0, &info);

	if (e)
		e->timer = timer;
	return e;
}

void sigqueue_entry_drop(struct sigqueue_entry *e)
{
	e->timer = NULL;
	if (!e->on)
		entry_free(e);
}

static bool is_queued(const struct sigqueue_set *s, int sig)
{
	const struct sigqueue_entry *e;

	TAILQ_FOREACH (e, &s->queue, link)
		if (e->info.si_signo == sig)
			return true;
	return false;
}

void sigqueue_entry_recall(struct process *p, struct sigqueue_entry *e)
{
	struct sigqueue_set *s = e->on;
	struct task *t;
	int sig = e->info.si_signo;

	e->timer = NULL;
	if (!s) {
		entry_free(e);
		return;
	}
	entry_leave(s, e, NULL);
	if (!is_queued(s, sig))
		s->mask &= ~SIGMASK(sig);
	TAILQ_FOREACH (t, &p->tasks, thread)
		signal_recalc_locked(t);
}

void sigqueue_add_entry(struct sigqueue_set *s, struct sigqueue_entry *e,
			const struct siginfo_k *info)
{
	/* Still there from the time before the timer was set anew. */
	if (e->on) {
		e->info.u.timer.overrun++;
		return;
	}
	e->info = *info;
	entry_insert(s, e);
	s->mask |= SIGMASK(info->si_signo);
}

int sigqueue_add(struct kernel *k, struct process *p, struct sigqueue_set *s, int sig,
		 const struct siginfo_k *info)
{
	struct sigqueue_entry *e;

	if (sig < SIG_RT_FIRST && s->mask & SIGMASK(sig))
		return 0;
	e = entry_new(k, p, sig, info);
	if (e)
		entry_insert(s, e);
	else if (sig >= SIG_RT_FIRST && info->si_code != SI_USER)
		return -EAGAIN;
	s->mask |= SIGMASK(sig);
	return 0;
}

int sigqueue_take(struct sigqueue_set *s, uint64_t mask, struct siginfo_k *info)
{
	uint64_t ready = s->mask & mask;
	struct sigqueue_entry *e, *next;
	bool more = false, found = false;
	int sig;

	if (!ready)
		return 0;
	/* A fault's signal comes before all others: its frame must show the fault. */
	sig = __builtin_ctzll(ready & SIGMASK_SYNC ? ready & SIGMASK_SYNC : ready) + 1;
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = SI_USER;
	for (e = TAILQ_FIRST(&s->queue); e; e = next) {
		next = TAILQ_NEXT(e, link);
		if (e->info.si_signo != sig)
			continue;
		if (found) {
			more = true;
			break;
		}
		found = true;
		*info = e->info;
		entry_leave(s, e, info);
	}
	if (!more)
		s->mask &= ~SIGMASK(sig);
	return sig;
}
