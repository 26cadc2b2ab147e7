/* The guest's clock: see guest_clock.h. */
#include "guest_clock.h"
#include "../devices/counter.h"
#include "../paging/memobj.h"

#include <errno.h>
#include <time.h>

static void on_timer(struct timer *t)
{
	struct guest_clock *g = container_of(t, struct guest_clock, timer);

	timer_arm(t, core_now() + clock_update(g->clock));
}

int guest_clock_make_page(struct guest_clock *g, struct gmem *gm)
{
	int e;

	clock_look(&g->first_look);
	g->page = memobj_create(gm, NULL, NULL);
	if (!g->page)
		return -ENOMEM;
	e = memobj_set_size(g->page, PAGE_SIZE);
	if (e == 0)
		e = memobj_get_page(g->page, 0, &g->pfn);
	return e;
}

int guest_clock_start(struct guest_clock *g, struct vm *vm, struct timers *timers)
{
	struct clock *c =
		clock_create(frame_hva(vm->gm, g->pfn), vm->counter_khz, vm->counter_offset,
			     vm->counter_trusted && counter_trusted(), &g->first_look);

	if (!c)
		return -ENOMEM;
	atomic_store(&g->clock, c);
	timer_init(&g->timer, timers, on_timer);
	return timer_arm(&g->timer, core_now() + CLOCK_FIRST_UPDATE_NS);
}

void guest_clock_was_set(struct guest_clock *g)
{
	clock_update(g->clock);
}

int64_t guest_clock_ns(struct guest_clock *g, int clock)
{
	struct clock *c = atomic_load(&g->clock);
	struct timespec ts;

	if (!c) { /* the first process is being made; the clock will not be behind the host's */
		clock_gettime(clock, &ts);
		return ts.tv_sec * 1000000000LL + ts.tv_nsec;
	}
	switch (clock) {
	case CLOCK_REALTIME:
		return clock_read_real(c);
	case CLOCK_BOOTTIME:
		return clock_read_boot(c);
	default:
		return clock_read_mono(c);
	}
}

void guest_clock_stop(struct guest_clock *g)
{
	timer_cancel(&g->timer);
}

void guest_clock_destroy(struct guest_clock *g, struct gmem *gm)
{
	clock_destroy(g->clock);
	if (g->pfn)
		frame_put(gm, g->pfn);
	if (g->page)
		memobj_put(g->page);
}
