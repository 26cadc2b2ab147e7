/* Channels: who runs a request. See channel.h. */
#include "channel.h"
#include "vm_arch.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHUT_SPINS 2000 /* then it sleeps */

void channel_init(struct channel *ch, struct abi_channel *page, struct vcpu *v, bool frames)
{
	*ch = (struct channel){.page = page, .vcpu = v, .has_frames = frames};
	atomic_init(&ch->hold, CHANNEL_SHUT);
}

/* The poller may change ch->spin meanwhile: then it sets this one, too. */
static void set_spins(struct channel *ch)
{
	struct abi_channel *p = ch->page;

	atomic_store(&p->spin, atomic_load(&ch->spin));
	atomic_store_explicit(&p->spin_claimed, ch->spin_claimed, memory_order_relaxed);
}

void channel_scrub(struct channel *ch)
{
	struct abi_channel *p = ch->page;
	size_t state = sizeof(p->state);

	/* Who may be waiting there shall go on doing so. */
	memset((uint8_t *)p + state, 0, PAGE_SIZE - state);
	set_spins(ch);
}

void channel_open(struct channel *ch, void *task, const struct channel_spins *spins)
{
	struct abi_channel *p = ch->page;

	ch->task = task;
	ch->outcome = CHANNEL_NONE;
	ch->frame_spin = ch->has_frames ? spins->frame : 0;
	ch->save_asked = false;
	/* What the task left there when it was kicked is settled. */
	atomic_store_explicit(&p->state, ABI_CHANNEL_IDLE, memory_order_relaxed);
	atomic_store_explicit(&p->claimed, 0, memory_order_relaxed);
	atomic_store(&ch->spin, task ? spins->request : 0);
	ch->spin_claimed = spins->claimed;
	set_spins(ch);
	if (task)
		atomic_store_explicit(&ch->hold, CHANNEL_OPEN, memory_order_release);
}

static bool try_shut(struct channel *ch)
{
	uint32_t hold = CHANNEL_OPEN;

	return atomic_compare_exchange_strong(&ch->hold, &hold, CHANNEL_SHUT) ||
	       hold == CHANNEL_SHUT;
}

void channel_shut(struct channel *ch)
{
	for (unsigned i = 0; !try_shut(ch); i++) {
		uint32_t hold = CHANNEL_CLAIMED;

		if (i < SHUT_SPINS) {
			cpu_relax();
			continue;
		}
		if (atomic_compare_exchange_strong(&ch->hold, &hold, CHANNEL_CLAIMED_WAITED) ||
		    hold == CHANNEL_CLAIMED_WAITED)
			syscall(SYS_futex, &ch->hold, FUTEX_WAIT_PRIVATE, CHANNEL_CLAIMED_WAITED,
				NULL, NULL, 0);
	}
}

enum channel_outcome channel_settle(struct channel *ch, int64_t *result)
{
	if (channel_asks(ch))
		return CHANNEL_NONE;
	switch (ch->outcome) {
	case CHANNEL_ANSWERED:
	case CHANNEL_DONE:
		*result = ch->result;
		return CHANNEL_DONE;
	case CHANNEL_STARTED:
		return CHANNEL_STARTED;
	default:
		return CHANNEL_NONE;
	}
}

/* Its writer is the guest, maybe at this moment. */
static void copy_request(const struct abi_channel *p, struct channel_request *r)
{
	r->pc = __atomic_load_n(&p->pc, __ATOMIC_RELAXED);
	r->nr = __atomic_load_n(&p->nr, __ATOMIC_RELAXED);
	for (int i = 0; i < 6; i++)
		r->args[i] = __atomic_load_n(&p->args[i], __ATOMIC_RELAXED);
}

/* exit: 0, or what the stub does instead of going on. */
static void answer(struct channel *ch, uint32_t exit)
{
	struct abi_channel *p = ch->page;

	atomic_store_explicit(&p->exit, exit, memory_order_relaxed);
	atomic_store_explicit(&p->claimed, 0, memory_order_relaxed);
	atomic_store_explicit(&p->state, ABI_CHANNEL_IDLE, memory_order_release);
}

void channel_send(struct channel *ch, uint32_t errand)
{
	uint32_t spin = ch->frame_spin ? ch->frame_spin : ch->spin_claimed;

	ch->errands++;
	atomic_store_explicit(&ch->page->result, spin, memory_order_relaxed);
	atomic_store_explicit(&ch->page->exit, errand, memory_order_relaxed);
	atomic_store_explicit(&ch->page->state, ABI_CHANNEL_IDLE, memory_order_release);
}

static void release(struct channel *ch)
{
	if (atomic_exchange(&ch->hold, CHANNEL_OPEN) == CHANNEL_CLAIMED_WAITED)
		syscall(SYS_futex, &ch->hold, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool can_go_on(enum channel_outcome outcome)
{
	return outcome == CHANNEL_DONE || outcome == CHANNEL_STARTED || outcome == CHANNEL_WHOLE;
}

/* What the result does not say, registers may. */
static bool wants_registers(struct channel *ch, const struct channel_ops *ops)
{
	return can_go_on(ch->outcome) && ch->frame_spin > 1 &&
	       (ch->outcome != CHANNEL_STARTED || ops->stays(ch->vcpu, ch->task));
}

static void serve_request(struct channel *ch, const struct channel_ops *ops)
{
	struct channel_request r;

	atomic_store_explicit(&ch->page->claimed, 1, memory_order_relaxed);
	copy_request(ch->page, &r);
	ch->outcome = ops->call(ch->task, &r, &ch->result);
	ch->save_asked = wants_registers(ch, ops);
	if (ch->outcome == CHANNEL_ANSWERED) {
		ch->answered++;
		atomic_store_explicit(&ch->page->result, ch->result, memory_order_relaxed);
		answer(ch, 0);
	} else if (ch->save_asked) {
		answer(ch, ch->frame_spin);
	} else {
		if (ch->outcome == CHANNEL_DONE || ch->outcome == CHANNEL_STARTED)
			ch->left++;
		else
			ch->declined++;
		answer(ch, 1);
	}
}

/* False: whoever wrote the state, there is nothing to go on with. */
static bool serve_saved(struct channel *ch, const struct channel_ops *ops, uint32_t state)
{
	enum channel_outcome before = ch->outcome;

	/* A stub that was not asked for it does not save, nor twice. */
	if (state == ABI_CHANNEL_SAVED ? !ch->save_asked : before != CHANNEL_GONE)
		return false;
	ch->save_asked = false;
	ch->outcome = ops->stand_in(ch->vcpu, before, ch->result, &ch->task);
	switch (ch->outcome) {
	case CHANNEL_FRAME:
		ch->frames++;
		answer(ch, 0);
		return true;
	case CHANNEL_GONE:
		ch->parked += before != CHANNEL_GONE;
		atomic_store_explicit(&ch->page->state, ABI_CHANNEL_PARKED, memory_order_release);
		return before != CHANNEL_GONE;
	default:
		/* What may still be in the guest asks for nobody. */
		if (ch->outcome == CHANNEL_TAKEN)
			ch->task = NULL;
		ch->left++;
		answer(ch, 1);
		return true;
	}
}

/* The state is anybody's word. */
static bool serve_fault(struct channel *ch, const struct channel_ops *ops)
{
	enum channel_outcome outcome;

	/* Who meets a fault has loaded the frame that it was given. */
	if (ch->outcome == CHANNEL_FRAME)
		ch->outcome = CHANNEL_NONE;
	atomic_store_explicit(&ch->page->claimed, 1, memory_order_relaxed);
	outcome = ops->fault(ch->vcpu, ch->task);
	if (outcome == CHANNEL_NONE) {
		atomic_store_explicit(&ch->page->claimed, 0, memory_order_relaxed);
		return false;
	}
	ch->faults += outcome == CHANNEL_FRAME;
	answer(ch, outcome == CHANNEL_FRAME ? 0 : 1);
	return true;
}

void channel_say_busy(struct channel *ch, bool busy)
{
	atomic_store_explicit(&ch->page->claimed, busy, memory_order_relaxed);
}

void channel_dismiss(struct channel *ch)
{
	uint32_t hold = CHANNEL_OPEN;

	if (!atomic_compare_exchange_strong(&ch->hold, &hold, CHANNEL_CLAIMED))
		return;
	if (ch->outcome == CHANNEL_GONE)
		answer(ch, 1);
	release(ch);
}

bool channel_serve(struct channel *ch, const struct channel_ops *ops)
{
	uint32_t hold = CHANNEL_OPEN, state;
	bool did = false;

	if (!atomic_compare_exchange_strong(&ch->hold, &hold, CHANNEL_CLAIMED))
		return false;
	/* What was seen before may have been another task's, or been settled. */
	state = channel_state(ch);
	if (state == ABI_CHANNEL_REQUEST) {
		did = ch->task != NULL;
		if (did)
			serve_request(ch, ops);
	} else if (state == ABI_CHANNEL_SAVED || state == ABI_CHANNEL_PARKED) {
		did = serve_saved(ch, ops, state);
	} else if (state == ABI_CHANNEL_FAULT) {
		did = serve_fault(ch, ops);
	}
	release(ch);
	return did;
}

void channel_set_spin(struct channel *ch, uint32_t spin)
{
	atomic_store(&ch->spin, spin);
	atomic_store(&ch->page->spin, spin);
}
