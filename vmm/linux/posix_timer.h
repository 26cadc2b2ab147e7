/*
 * POSIX timers: timer_create(2) and its family.
 *
 * A process's timers are on p->timers, protected by its siglock like everything in them. A timer
 * owns one queue entry from its creation on (which counts against RLIMIT_SIGPENDING), so an
 * expiration never fails for want of memory; while the entry is queued, further expirations are
 * overruns. A periodic timer runs on when its signal is taken (or was ignored), not before: however
 * short the period, the guest pays for it.
 *
 *   armed --deadline--> queued --signal taken--> armed at the next period in the future
 *                                                (those that were missed: overruns)
 */
#ifndef VMBOX_LINUX_POSIX_TIMER_H
#define VMBOX_LINUX_POSIX_TIMER_H

#include "signal.h"

struct posix_timer;

/* siglock held: the timer's entry left its queue. info: the signal is taken, and si_overrun is
 * filled in; NULL: it was discarded. */
void posix_timer_dequeued(struct posix_timer *pt, struct siginfo_k *info);

/* Deletes all timers of p and takes back their queued signals: exec and exit, with one task left or
 * none. No lock held. */
void posix_timers_exit(struct process *p);

#endif
