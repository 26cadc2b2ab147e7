/*
 * What a guest that sleeps need not keep: watches for it and gives memory back.
 *
 * Owns one timer and runs on the reactor's thread, which alone touches the rest. While the
 * guest works it looks a few times a second, else once; only after it has worked for a
 * while is there anything to give back.
 */
#ifndef VMBOX_IDLE_H
#define VMBOX_IDLE_H

#include "vm.h"
#include "core/timer.h"

struct idle {
	struct timer timer;
	struct vm *vm;
	bool traced;      /* by a debugger, at the start */
	uint64_t seen;    /* entries into the guest, at the last look */
	uint64_t trimmed; /* the same when memory was given back last */
	bool done;        /* it has been */
};

/* Before vmbox is confined and the vCPUs run; vm and timers are borrowed until idle_stop(). 0 or
 * -ENOMEM. */
int idle_start(struct idle *i, struct vm *vm, struct timers *timers);
/* Harmless without idle_start(), if *i is zero. */
void idle_stop(struct idle *i);

#endif
