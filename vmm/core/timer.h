/*
 * Timers: a set of deadlines served by one thread, the reactor.
 *
 * timers->lock protects the heap and each armed timer. Callbacks run on the
 * reactor's thread (or in timers_run's caller) with no lock held. The heap
 * is threaded through the timers themselves (a pairing heap): arming never
 * allocates, so it never fails.
 */
#ifndef VMBOX_CORE_TIMER_H
#define VMBOX_CORE_TIMER_H

#include "core.h"

struct timers;

struct timer {
	/* immutable after init: */
	struct timers *timers;
	void (*fire)(struct timer *t);
	/* protected by timers->lock: */
	int64_t deadline;
	uint64_t seq; /* equal deadlines fire in the order of arming */
	bool armed;
	struct timer *child, *next, *prev; /* prev: left sibling, or parent of the leftmost */
};

/*
 * rearm(arg, deadline): the earliest deadline is now this one; called without
 * the lock, and not for a deadline that moved later: timers_run is then called
 * once in vain. May be NULL (tests); must not call back into the timers.
 * NULL: out of memory.
 */
struct timers *timers_create(void (*rearm)(void *arg, int64_t deadline), void *arg);
/* No timer may be armed any more. ts may be NULL. */
void timers_destroy(struct timers *ts);

void timer_init(struct timer *t, struct timers *ts, void (*fire)(struct timer *t));

/*
 * Arms or moves the timer; absolute core_now() ns; TIME_NEVER: never fires.
 * Always 0: see above. From any thread, callbacks included.
 */
int timer_arm(struct timer *t, int64_t deadline);

/* It has a deadline that has not come. For a callback that holds the lock under which its timer is
 * armed: true if somebody armed it anew meanwhile. */
bool timer_is_armed(struct timer *t);

/*
 * Disarms. When it returns the callback is not running and will not run, except when it is
 * called from the callback itself. The caller may hold no lock that the callback takes.
 */
void timer_cancel(struct timer *t);

/*
 * Runs what is due at `now`, in order of deadlines, those included that callbacks arm for
 * `now` or earlier; returns the next deadline or TIME_NEVER. One thread at a time: a second
 * caller waits. Tests call it with a time of their own. Not from a callback. A callback may
 * free its timer.
 */
int64_t timers_run(struct timers *ts, int64_t now);

#endif
