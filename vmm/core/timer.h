/*
 * Timers: a set of deadlines served by one thread, the reactor.
 *
 * timers->lock protects the heap and each armed timer. Callbacks run on the
 * reactor's thread (or in timers_run's caller) with no lock held.
 */
#ifndef VMBOX_CORE_TIMER_H
#define VMBOX_CORE_TIMER_H

#include "core.h"

struct timers;

struct timer {
	/* protected by timers->lock: */
	struct timers *timers;
	int64_t deadline;
	size_t heap_index; /* SIZE_MAX: not armed */
	/* immutable after init: */
	void (*fire)(struct timer *t);
};

/* rearm(arg, deadline): the earliest deadline is now this one (TIME_NEVER: none); called without the lock. */
struct timers *timers_create(void (*rearm)(void *arg, int64_t deadline), void *arg);
void timers_destroy(struct timers *ts);

void timer_init(struct timer *t, struct timers *ts, void (*fire)(struct timer *t));

/* Arms or moves the timer; absolute core_now() ns. 0, or -ENOMEM (a timer once armed never fails again). */
int timer_arm(struct timer *t, int64_t deadline);

/*
 * Disarms. When it returns the callback is not running and will not run, except when it is
 * called from the callback itself. The caller may hold no lock that the callback takes.
 */
void timer_cancel(struct timer *t);

/* Runs what is due at `now`; returns the next deadline or TIME_NEVER. Tests call it with a time of their own. */
int64_t timers_run(struct timers *ts, int64_t now);

#endif
