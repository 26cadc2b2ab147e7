/*
 * Exitless system calls: a thread that answers the vCPUs' channels, and when it pays.
 *
 * While the poller polls, a stub asks it; while it sleeps, stubs leave the guest as ever, and the
 * vCPU threads wake it when calls come fast (exitless_note_call). In EXITLESS_AUTO it polls only
 * while a processor is to spare: fewer vCPUs have a task than there are processors, and it is not
 * itself kept waiting for one, or saves more nevertheless. Every session that was not worth it
 * makes the pause before the next longer; while the host's other processes need all processors
 * there is one trial now and then.
 *
 * Where a result is not enough, the vCPU goes on with other registers (stand_in.h), if they are of
 * the same process. A task that is its process's only one leaves the guest to block: the next is
 * another process, for which it must leave, or there is none, and to wait inside takes a processor
 * from who wakes it.
 *
 * No lock: struct exitless's shared words are atomic.
 */
#ifndef VMBOX_EXITLESS_H
#define VMBOX_EXITLESS_H

#include "channel.h"
#include "host_load.h"
#include "vm.h"
#include "core/sched.h"

#include <sched.h>

enum exitless_mode { EXITLESS_AUTO, EXITLESS_ON, EXITLESS_OFF };

enum exitless_state { EXITLESS_SLEEPS, EXITLESS_WOKEN, EXITLESS_POLLS };

/* A vCPU that has no task any more, or one that has to leave, and is in the guest nevertheless. */
struct exitless_lease {
	int64_t since; /* core_now(); 0: it is not */
	uint64_t run;  /* its run_count then */
};

struct exitless {
	/* immutable after exitless_init: */
	enum exitless_mode mode;
	struct vm *vm;
	struct sched *sched;
	const struct host_load *load;
	const struct channel_ops *ops;
	cpu_set_t allowed;
	unsigned processors; /* of these */

	/* spins; the poller's, before it polls: */
	uint32_t patience, patience_more, patience_frame;
	/* whoever makes the state WOKEN, or the only thread that is left: */
	pthread_t thread;
	bool started;

	_Atomic bool stop;
	_Atomic uint32_t state;     /* of the poller: enum exitless_state; a futex */
	_Atomic int waker;          /* the processor of who woke the poller last; -1: nobody has */
	_Atomic int64_t not_before; /* core_now(): it is not worth waking earlier */
	_Atomic int64_t no_trial_before; /* core_now(): until then only if nobody else runs */

	/* poller only: */
	int avoided;                    /* the processor that it keeps away from; -1: none */
	int64_t pause_idle, pause_busy; /* ns */
	bool shaken;                    /* disturbed, and not for long enough undisturbed since */
	uint64_t sessions, disturbed;
	struct exitless_lease lease[VM_MAX_CPUS];
};

/* Before the vCPU threads run. Where the vm has channels (vm_make_channels) they are answered from
 * the first burst of calls on; the poller's thread begins then. */
void exitless_init(struct exitless *e, struct vm *vm, struct sched *sched,
		   const struct host_load *load, enum exitless_mode mode,
		   const struct channel_ops *ops);
/* Accepts one that is zero. The vCPU threads have ended. */
void exitless_stop(struct exitless *e);

/* How often a stub may look for its answers in the next run; request 0: it must not ask. */
void exitless_spins(const struct exitless *e, struct channel_spins *spins);
/* Before the calling thread, v's, works for a task: while somebody polls, and can tell when it has
 * waited long enough, who is woken may wait for v. */
void exitless_near(const struct exitless *e, const struct vcpu *v);
/* The poller: it was not kept from its processor lately, so that what takes longer will not be
 * interrupted half-way, with the vCPU waiting for it. */
bool exitless_calm(const struct exitless *e);
/* v's task has gone and there is no other: it may wait in the guest for one, there are processors
 * enough. */
bool exitless_may_wait(const struct exitless *e, const struct vcpu *v);
/* The poller: v is in the guest without a task from now on, and must have left in a while; or has
 * one again. */
void exitless_lend(struct exitless *e, const struct vcpu *v, bool lend);
/* v's thread: a system call left the guest; asked: it had been asked for in the channel in vain. */
void exitless_note_call(struct exitless *e, struct vcpu *v, bool asked);

#endif
