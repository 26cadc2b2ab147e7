/*
 * A vCPU's channel: how another thread answers its system calls while it waits in the guest.
 *
 * The page (struct abi_channel, guest/abi.h) says only that there is a request. Whose it is and who
 * handles it is in ch->hold, which the guest cannot reach:
 *
 *   vCPU thread                          poller
 *   task, outcome set; SHUT -> OPEN
 *   KVM_RUN: the stub writes REQUEST
 *                                        sees REQUEST; OPEN -> CLAIMED, else leaves it
 *                                        still REQUEST? runs task's handler
 *                                        outcome, then the page's answer; CLAIMED -> OPEN
 *   OPEN -> SHUT; while it is CLAIMED it waits
 *
 * What a result alone cannot answer the stub asks on for: it saves all registers in the page, and
 * waits. The poller then does what the vCPU's thread would do outside: it lets the task block, die
 * or take its signals, and goes on with the task that is next, by a frame in the page:
 *
 *                                        outcome STARTED, DONE or WHOLE; CLAIMED -> OPEN
 *   the stub saves; SAVED
 *                                        OPEN -> CLAIMED; steps the task, takes the next
 *                                        FRAME, TAKEN or GONE; CLAIMED -> OPEN
 *   the stub loads the frame
 *
 * From FRAME, TAKEN and GONE on what the vCPU's registers were is in the old task, and nothing is
 * lost if the vCPU leaves before it has loaded others. A vCPU without a task (GONE) waits for the
 * stub's patience; who holds the channel last sees that it does not stay in the guest for longer.
 *
 * A page fault is a request, too (state FAULT), where ring 3's stub is told of one by the
 * supervisor: it goes on behind the faulting instruction's beginning, or leaves. What the last
 * frame was is settled then.
 *
 * So exactly one of them runs a request: once SHUT nobody claims it any more, and one that was
 * claimed has its outcome. A kick at any time leads to channel_shut(), as every exit does, and the
 * outcome says whether the call is finished, goes on, or is still to be made. Handlers never block,
 * so the wait is short; it is made outside of KVM_RUN and of every lock, because a handler may wait
 * until this vCPU has left the guest.
 *
 * Hold SHUT: the vCPU thread owns all fields. OPEN: nobody, CLAIMED: the poller does.
 * tests/model/channel.pml checks this.
 */
#ifndef VMBOX_CHANNEL_H
#define VMBOX_CHANNEL_H

#include "../guest/abi.h"

struct vcpu;

enum channel_hold { CHANNEL_SHUT, CHANNEL_OPEN, CHANNEL_CLAIMED, CHANNEL_CLAIMED_WAITED };

/* What became of the last request since channel_open, page faults apart. */
enum channel_outcome {
	CHANNEL_NONE,     /* there was none */
	CHANNEL_DECLINED, /* not begun: the vCPU thread makes the call */
	CHANNEL_ANSWERED, /* finished; the program goes on in the guest with the result */
	CHANNEL_DONE,     /* finished, but the task has to leave the guest: signals */
	CHANNEL_STARTED,  /* begun: the task waits; the vCPU thread goes on with it */
	CHANNEL_WHOLE,    /* not begun: for this call all registers are needed */
	/* Of those four, where the stub can hand over its registers, becomes: */
	CHANNEL_FRAME, /* task, maybe another one, goes on in the guest with a frame */
	CHANNEL_TAKEN, /* it must leave the guest: with task, which is whole, or NULL */
	CHANNEL_GONE,  /* task is NULL: the vCPU waits in the guest for the next */
};

struct channel {
	/* immutable after init: */
	struct abi_channel *page; /* hostile */
	struct vcpu *vcpu;
	bool has_frames; /* the stub can save and load all registers */

	_Atomic uint32_t hold; /* enum channel_hold; a futex */
	_Atomic uint32_t spin; /* as in the page */
	/* whoever holds it: */
	void *task; /* opaque; NULL: there is none, or its requests are not answered */
	enum channel_outcome outcome;
	int64_t result;        /* ANSWERED, DONE */
	uint32_t spin_claimed; /* as in the page */
	uint32_t frame_spin;   /* so often the stub looks for a frame */
	bool save_asked; /* the stub has been told to save all registers, and not done so yet */
	uint64_t faults, answered, left, declined, frames, parked, errands;
};

struct channel_request {
	unsigned nr;
	uint64_t args[6], pc;
};

struct channel_ops {
	/* Makes the call for task: NONE to WHOLE. *result: of ANSWERED and DONE. */
	enum channel_outcome (*call)(void *task, const struct channel_request *request,
				     int64_t *result);
	/* STARTED: the vCPU should wait for other registers, and not leave with the task. */
	bool (*stays)(struct vcpu *v, void *task);
	/*
	 * The vCPU's registers are in the page: does as its thread would. before: DONE (with
	 * result), STARTED, WHOLE, of *task; or GONE, of nobody. Returns FRAME (and has left one),
	 * TAKEN, GONE, or before: nothing was done, and the vCPU must leave. *task: who has it now.
	 */
	enum channel_outcome (*stand_in)(struct vcpu *v, enum channel_outcome before,
					 int64_t result, void **task);
	/* A page fault of task (NULL: of whoever is still there) may wait in the guest. NONE: there
	 * is none; FRAME: it is resolved, and goes on with the frame; TAKEN: it must leave with it.
	 */
	enum channel_outcome (*fault)(struct vcpu *v, void *task);
};

/* page: zeroed, outlives ch. frames: the stub can save and load all registers. */
void channel_init(struct channel *ch, struct abi_channel *page, struct vcpu *v, bool frames);

/* ---- vCPU thread ---- */

/* Another process is going to see the page. Shut; or claimed, and the stub waits
 * (ABI_CHANNEL_BACK).
 */
void channel_scrub(struct channel *ch);
/* Before KVM_RUN: task's requests may be answered. How often the stub looks: spin, until its
 * request is taken (0, or task NULL: it does not ask), claimed, until it is answered; frame, for
 * registers to go on with. */
struct channel_spins {
	uint32_t request, claimed, frame;
};
void channel_open(struct channel *ch, void *task, const struct channel_spins *spins);
/* After KVM_RUN: when it returns nobody else touches the task. Waits for a handler. */
void channel_shut(struct channel *ch);
/*
 * Shut, and the vCPU stands where its stub waits for an answer: what there is. CHANNEL_NONE: the
 * request is not begun, and is the caller's now. Of the rest the caller sees DONE (*result;
 * ANSWERED is the same to it) and STARTED.
 */
enum channel_outcome channel_settle(struct channel *ch, int64_t *result);

/* ---- poller ---- */

static inline bool channel_asks(struct channel *ch)
{
	return atomic_load_explicit(&ch->page->state, memory_order_acquire) == ABI_CHANNEL_REQUEST;
}
static inline uint32_t channel_state(struct channel *ch)
{
	return atomic_load_explicit(&ch->page->state, memory_order_acquire);
}
/* Answers a request if there is one, or goes on with the vCPU if its registers are here. False:
 * there was nothing to do, or it was the vCPU thread's already. */
bool channel_serve(struct channel *ch, const struct channel_ops *ops);
/* Who waits without a task waits no longer. */
void channel_dismiss(struct channel *ch);
/* The stub waits as long as for a call that is being made, if it asks meanwhile. */
void channel_say_busy(struct channel *ch, bool busy);
/* While the stub waits for an answer: what it shall do meanwhile (ABI_CHANNEL_ERRAND). */
void channel_send(struct channel *ch, uint32_t errand);
/* The stub looks so often for an answer from now on (0: does not ask), until the next channel_open.
 */
void channel_set_spin(struct channel *ch, uint32_t spin);

#endif
