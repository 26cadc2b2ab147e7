/*
 * The keeper: a thread for the work that freeing memory leaves behind, and for what the host may
 * take long to do (block.c).
 *
 * Whoever finds such work wakes it and goes on; who finds a multiple of it does it itself, so that
 *a keeper that gets no processor cannot fall behind without end.
 *
 *	gmem_maintain			keeper
 *	wanted: false -> true?		sleeps until wanted, under keeper_lock
 *	  lock, signal, unlock		wanted = false; works; looks again
 */
#include "gmem_internal.h"

#include <signal.h>

#define BEHIND 2 /* times the usual threshold */

static void *keeper_thread(void *arg)
{
	struct gmem *gm = arg;

	pthread_mutex_lock(&gm->keeper_lock);
	while (!gm->keeper_stop) {
		if (!atomic_exchange(&gm->keeper_wanted, false)) {
			pthread_cond_wait(&gm->keeper_cond, &gm->keeper_lock);
			continue;
		}
		pthread_mutex_unlock(&gm->keeper_lock);
		gmem_do_work(gm);
		block_stock(gm);
		pthread_mutex_lock(&gm->keeper_lock);
	}
	pthread_mutex_unlock(&gm->keeper_lock);
	return NULL;
}

int gmem_keeper_start(struct gmem *gm)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	gm->keeper_stop = false;
	r = -pthread_create(&gm->keeper, NULL, keeper_thread, gm);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	atomic_store(&gm->keeper_runs, r == 0);
	return r;
}

void gmem_keeper_stop(struct gmem *gm)
{
	if (!atomic_exchange(&gm->keeper_runs, false))
		return;
	pthread_mutex_lock(&gm->keeper_lock);
	gm->keeper_stop = true;
	pthread_cond_signal(&gm->keeper_cond);
	pthread_mutex_unlock(&gm->keeper_lock);
	pthread_join(gm->keeper, NULL);
}

void keeper_wake(struct gmem *gm)
{
	/* Not relaxed: what is wanted has been stored just before. */
	if (atomic_load(&gm->keeper_wanted) || atomic_exchange(&gm->keeper_wanted, true))
		return;
	pthread_mutex_lock(&gm->keeper_lock);
	pthread_cond_signal(&gm->keeper_cond);
	pthread_mutex_unlock(&gm->keeper_lock);
}

void gmem_maintain(struct gmem *gm)
{
	if (!gmem_has_work(gm, 1))
		return;
	if (atomic_load(&gm->keeper_runs) && !gmem_has_work(gm, BEHIND))
		keeper_wake(gm);
	else
		gmem_do_work(gm);
}
