/* The host's wall clock: see host_clock.h. */
#include "host_clock.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#ifndef TFD_TIMER_CANCEL_ON_SET
#define TFD_TIMER_CANCEL_ON_SET 2
#endif

/* Some 250 years after 1970: this timer is there to be cancelled. */
#define NEVER_SECONDS 8000000000

static void on_event(void *arg, uint32_t events)
{
	struct host_clock *h = arg;
	uint64_t count;

	(void)events;
	if (read(h->fd, &count, sizeof(count)) < 0 && errno == ECANCELED)
		h->was_set(h->arg);
}

int host_clock_watch(struct host_clock *h, struct reactor *r, void (*was_set)(void *arg), void *arg)
{
	struct itimerspec its = {.it_value.tv_sec = NEVER_SECONDS};

	*h = (struct host_clock){.was_set = was_set, .arg = arg};
	h->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (h->fd < 0)
		return -errno;
	if (timerfd_settime(h->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &its, NULL))
		return -errno;
	return watch_create_edge(r, h->fd, EPOLLIN, on_event, h, &h->watch);
}

void host_clock_unwatch(struct host_clock *h)
{
	watch_destroy(h->watch);
	h->watch = NULL;
	if (h->fd > 0)
		close(h->fd);
	h->fd = -1;
}
