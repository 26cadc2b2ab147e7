/* What waits for a time of CLOCK_REALTIME: see wall.h. */
#include "wall.h"

#include "sys.h"

void wall_watch_add(struct kernel *k, struct wall_watch *w, void (*moved)(struct wall_watch *w))
{
	w->moved = moved;
	w->on = true;
	pthread_mutex_lock(&k->wall_lock);
	LIST_INSERT_HEAD(&k->walls, w, link);
	pthread_mutex_unlock(&k->wall_lock);
}

void wall_watch_remove(struct kernel *k, struct wall_watch *w)
{
	if (!w->on)
		return;
	pthread_mutex_lock(&k->wall_lock);
	LIST_REMOVE(w, link);
	pthread_mutex_unlock(&k->wall_lock);
	w->on = false;
}

int64_t wall_offset(struct kernel *k)
{
	return kernel_clock(k, CLOCK_REALTIME) - core_now();
}

int64_t wall_deadline(struct kernel *k, int64_t ns)
{
	int64_t now = kernel_clock(k, CLOCK_REALTIME);

	return time_add(core_now(), ns > now ? ns - now : 0);
}

void kernel_clock_was_set(struct kernel *k)
{
	struct wall_watch *w;

	/*
	 *	waits				the clock is set
	 *	is on the list			(the clock shows the new time)
	 *	reads wall_moves, the clock	counts wall_moves
	 *	runs again: reads wall_moves	moves what is on the list: wakes
	 */
	atomic_fetch_add(&k->wall_moves, 1);
	pthread_mutex_lock(&k->wall_lock);
	LIST_FOREACH (w, &k->walls, link)
		w->moved(w);
	pthread_mutex_unlock(&k->wall_lock);
}
