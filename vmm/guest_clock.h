/*
 * The guest's clock: its page, which the vDSO reads (devices/clock.h), and who keeps it right.
 *
 * The page is made first, for it belongs into the first program's address space; the clock starts
 * once the counter's frequency is known. A timer updates it on the reactor's thread. No lock: the
 * page is written by one updater at a time as devices/clock.h has it.
 */
#ifndef VMBOX_GUEST_CLOCK_H
#define VMBOX_GUEST_CLOCK_H

#include "vm.h"
#include "../devices/clock.h"
#include "core/timer.h"

struct memobj;

struct guest_clock {
	_Atomic(struct clock *) clock; /* NULL as long as the counter is not known */
	struct timer timer;
	struct clock_sample first_look; /* when the page was made */
	struct memobj *page;            /* one page, which stays */
	pfn_t pfn;                      /* its frame; a reference */
};

/* *g zeroed. 0 or -ENOMEM: guest_clock_destroy() is due all the same. */
int guest_clock_make_page(struct guest_clock *g, struct gmem *gm);
/* The vCPUs are made: from now on it goes. 0 or -ENOMEM. */
int guest_clock_start(struct guest_clock *g, struct vm *vm, struct timers *timers);
/* The host's wall clock was set: the guest sees it now. Any thread, after guest_clock_start(). */
void guest_clock_was_set(struct guest_clock *g);
/* ns of CLOCK_REALTIME, CLOCK_BOOTTIME, else CLOCK_MONOTONIC, as the guest reads them. Any thread,
 * any time. */
int64_t guest_clock_ns(struct guest_clock *g, int clock);
/* After guest_clock_start(). When it returns the timer does not run and will not. */
void guest_clock_stop(struct guest_clock *g);
/* After guest_clock_stop(). Fine for a zeroed one. */
void guest_clock_destroy(struct guest_clock *g, struct gmem *gm);

#endif
