/* Windows of guest-physical space: see gmem_internal.h. */
#include "gmem_internal.h"

#define WINDOW_MMS 600 /* in one, before another is opened */

/* All memory must find slots in each. */
static bool slots_suffice(struct gmem *gm, unsigned windows)
{
	size_t each = gm->span / GMEM_SLOT_SIZE + 2; /* the hole may cut one */

	return !gm->ops->slots_max || windows * each <= gm->ops->slots_max(gm->machine);
}

/* How many there may be. Known late: what KVM is has to be probed. */
static unsigned windows_max(struct gmem *gm)
{
	unsigned bits;

	if (!gmem_shadow(gm) || !gm->ops->phys_bits)
		return 1;
	bits = gm->ops->phys_bits(gm->machine);
	if (bits <= GMEM_WINDOW_SHIFT)
		return 1;
	bits -= GMEM_WINDOW_SHIFT;
	return bits >= GMEM_WINDOW_BITS ? GMEM_WINDOWS : 1U << bits;
}

int window_slot_add_locked(struct gmem *gm, unsigned window, uint64_t start, uint64_t size)
{
	uint64_t at = start + window_gpa(window);
	int r = gm->ops->slot_add(gm->machine, gm->slots, gpa(at), size, gm->kvm + start);

	if (r == 0)
		gm->slots++;
	return r;
}

/* All memory that there is so far, once more. Best effort: what was added stays. */
static void open_window_locked(struct gmem *gm)
{
	uint64_t size, end = (uint64_t)gm->slot_end << PAGE_SHIFT;

	gm->windows_closed = true;
	for (uint64_t at = 0; at < end; at += size) {
		if (at == GMEM_HOLE_START)
			at = GMEM_HOLE_END;
		size = gmem_slot_size(gm, at);
		if (window_slot_add_locked(gm, gm->windows, at, size) < 0)
			return;
	}
	gm->windows++;
	gm->windows_closed = false;
}

static unsigned emptiest_locked(const struct gmem *gm)
{
	unsigned best = 0;

	for (unsigned w = 1; w < gm->windows; w++)
		if (gm->window_mms[w] < gm->window_mms[best])
			best = w;
	return best;
}

unsigned window_take(struct gmem *gm)
{
	unsigned w = 0;

	pthread_mutex_lock(&gm->lock);
	while (w < gm->windows && gm->window_mms[w] >= WINDOW_MMS)
		w++;
	/* Not between two halves of a growth that failed. */
	if (w == gm->windows && !gm->windows_closed && !gm->grown && w < windows_max(gm) &&
	    slots_suffice(gm, w + 1))
		open_window_locked(gm);
	if (w == gm->windows)
		w = emptiest_locked(gm);
	gm->window_mms[w]++;
	pthread_mutex_unlock(&gm->lock);
	return w;
}

void window_put(struct gmem *gm, unsigned window)
{
	pthread_mutex_lock(&gm->lock);
	gm->window_mms[window]--;
	pthread_mutex_unlock(&gm->lock);
}
