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

enum channel_hold { CHANNEL_SHUT, CHANNEL_OPEN, CHANNEL_CLAIMED, CHANNEL_CLAIMED_WAITED };

/* What became of the last request since channel_open. */
enum channel_outcome {
	CHANNEL_NONE,     /* there was none */
	CHANNEL_DECLINED, /* not begun: the vCPU thread makes the call */
	CHANNEL_ANSWERED, /* finished; the program goes on in the guest with the result */
	CHANNEL_DONE,     /* finished, but the task has to leave the guest: signals */
	CHANNEL_STARTED,  /* begun: the task waits; the vCPU thread goes on with it */
};

struct channel {
	/* immutable after init: */
	struct abi_channel *page; /* hostile */

	_Atomic uint32_t hold; /* enum channel_hold; a futex */
	/* whoever holds it: */
	void *task; /* opaque; NULL: requests are not answered */
	enum channel_outcome outcome;
	int64_t result; /* ANSWERED, DONE */
	uint64_t answered, left, declined;
};

struct channel_request {
	unsigned nr;
	uint64_t args[6], pc;
};

/* Makes the call for task. *result: of ANSWERED and DONE. */
typedef enum channel_outcome channel_serve_fn(void *task, const struct channel_request *request,
					      int64_t *result);

/* page: zeroed, outlives ch. */
void channel_init(struct channel *ch, struct abi_channel *page);

/* ---- vCPU thread ---- */

/* Another process is going to see the page. Shut. */
void channel_scrub(struct channel *ch);
/* Before KVM_RUN: task's requests may be answered. spin, spin_claimed: for the stub; spin 0 or task
 * NULL: it does not ask. */
void channel_open(struct channel *ch, void *task, uint32_t spin, uint32_t spin_claimed);
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
/* Answers a request if there is one. False: there was none, or it was the vCPU thread's already. */
bool channel_serve(struct channel *ch, channel_serve_fn *serve);
/* The stub looks so often for an answer from now on (0: does not ask), until the next channel_open.
 */
void channel_set_spin(struct channel *ch, uint32_t spin);

#endif
