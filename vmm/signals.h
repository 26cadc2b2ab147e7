/*
 * Signals to vmbox: the guest's first program gets them, or the terminal's foreground job.
 *
 * They are blocked in every thread and read from a signalfd on the reactor's thread, which alone
 * touches the rest. Two SIGINTs within a second end vmbox itself, unless they are a terminal's and
 * a shell in the guest has job control: then the job was meant.
 */
#ifndef VMBOX_SIGNALS_H
#define VMBOX_SIGNALS_H

#include "core/reactor.h"

struct kernel;

struct signals {
	struct kernel *k;
	int fd; /* -1: not started */
	struct watch *watch;
	int64_t last_int; /* core_now() */
};

/* Blocks them in this thread and in those that it makes; *s is made fit for signals_stop(). Before
 * any other thread. */
void signals_block(struct signals *s);
/* From now on k gets them. 0, or a negative errno of signalfd(2) or watch_create(). */
int signals_start(struct signals *s, struct kernel *k, struct reactor *r);
/* When it returns the kernel gets no more. Fine without signals_start(). */
void signals_stop(struct signals *s);

#endif
