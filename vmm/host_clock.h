/*
 * The host's wall clock: who sets it is noticed at once, by a timerfd that the host cancels then
 * (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).
 */
#ifndef VMBOX_HOST_CLOCK_H
#define VMBOX_HOST_CLOCK_H

#include "core/reactor.h"

struct host_clock {
	int fd; /* -1: not watched */
	struct watch *watch;
	void (*was_set)(void *arg);
	void *arg;
};

/* was_set(arg) is called on the reactor's thread, with no lock held. 0, or a negative errno of
 * timerfd_create(2) or watch_create(): h may be given to host_clock_unwatch() all the same. */
int host_clock_watch(struct host_clock *h, struct reactor *r, void (*was_set)(void *arg),
		     void *arg);
/* When it returns was_set does not run and will not. Fine for a zeroed one. */
void host_clock_unwatch(struct host_clock *h);

#endif
