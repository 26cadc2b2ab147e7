/* Channels: who runs a request. See channel.h. */
#include "channel.h"
#include "vm_arch.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHUT_SPINS 2000 /* then it sleeps */

void channel_init(struct channel *ch, struct abi_channel *page)
{
	*ch = (struct channel){.page = page};
	atomic_init(&ch->hold, CHANNEL_SHUT);
}

void channel_scrub(struct channel *ch)
{
	memset((void *)ch->page, 0, PAGE_SIZE);
}

void channel_open(struct channel *ch, void *task, uint32_t spin, uint32_t spin_claimed)
{
	struct abi_channel *p = ch->page;

	ch->task = task;
	ch->outcome = CHANNEL_NONE;
	/* What the task left there when it was kicked is settled. */
	atomic_store_explicit(&p->state, ABI_CHANNEL_IDLE, memory_order_relaxed);
	atomic_store_explicit(&p->claimed, 0, memory_order_relaxed);
	atomic_store_explicit(&p->spin, task ? spin : 0, memory_order_relaxed);
	atomic_store_explicit(&p->spin_claimed, spin_claimed, memory_order_relaxed);
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

static void answer(struct channel *ch)
{
	struct abi_channel *p = ch->page;

	atomic_store_explicit(&p->result, ch->result, memory_order_relaxed);
	atomic_store_explicit(&p->exit, ch->outcome != CHANNEL_ANSWERED, memory_order_relaxed);
	atomic_store_explicit(&p->claimed, 0, memory_order_relaxed);
	atomic_store_explicit(&p->state, ABI_CHANNEL_IDLE, memory_order_release);
}

static void release(struct channel *ch)
{
	if (atomic_exchange(&ch->hold, CHANNEL_OPEN) == CHANNEL_CLAIMED_WAITED)
		syscall(SYS_futex, &ch->hold, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void count(struct channel *ch)
{
	switch (ch->outcome) {
	case CHANNEL_ANSWERED:
		ch->answered++;
		break;
	case CHANNEL_DECLINED:
		ch->declined++;
		break;
	default:
		ch->left++;
	}
}

bool channel_serve(struct channel *ch, channel_serve_fn *serve)
{
	uint32_t hold = CHANNEL_OPEN;
	struct channel_request r;
	bool asks;

	if (!atomic_compare_exchange_strong(&ch->hold, &hold, CHANNEL_CLAIMED))
		return false;
	/* What was seen before may have been another task's, or been settled. */
	asks = channel_asks(ch);
	if (asks) {
		atomic_store_explicit(&ch->page->claimed, 1, memory_order_relaxed);
		copy_request(ch->page, &r);
		ch->outcome = serve(ch->task, &r, &ch->result);
		count(ch);
		answer(ch);
	}
	release(ch);
	return asks;
}

void channel_set_spin(struct channel *ch, uint32_t spin)
{
	atomic_store_explicit(&ch->page->spin, spin, memory_order_relaxed);
}
