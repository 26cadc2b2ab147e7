/*
 * What waits for a time of CLOCK_REALTIME, and how it learns that somebody has set that clock.
 *
 * Deadlines are core_now()'s; one that was given in CLOCK_REALTIME is converted when it is set, and
 * again when the clock has been set: the VMM sees that on the host and calls
 * kernel_clock_was_set(). CLOCK_TAI has no offset here, so it is CLOCK_REALTIME.
 *
 * kernel->wall_lock protects the list of watches. It is held while `moved` is called, so it is
 * above what those take: a process's siglock, a timerfd's lock, timers->lock, sched->lock.
 */
#ifndef VMBOX_LINUX_WALL_H
#define VMBOX_LINUX_WALL_H

#include "kernel.h"

struct wall_watch {
	LIST_ENTRY(wall_watch) link;
	/* The clock has been set. wall_lock held. */
	void (*moved)(struct wall_watch *w);
	bool on;
};

/* Until wall_watch_remove; the owner only. No lock that `moved` takes may be held. */
void wall_watch_add(struct kernel *k, struct wall_watch *w, void (*moved)(struct wall_watch *w));
/* When it returns `moved` does not run and will not. Fine if it was never added (zeroed). */
void wall_watch_remove(struct kernel *k, struct wall_watch *w);

/* CLOCK_REALTIME - core_now(), ns. */
int64_t wall_offset(struct kernel *k);
/* core_now() when CLOCK_REALTIME will show ns; now, if it is over. */
int64_t wall_deadline(struct kernel *k, int64_t ns);

#endif
