/*
 * The reactor: the one thread that waits for the host.
 *
 * It runs an epoll loop over host descriptors that may be waited for (a tty, a pipe
 * from outside, signalfd) and the timers' deadline. A watch belongs to its creator.
 * reactor->lock protects the list of watches. Callbacks run on the reactor's thread with
 * no lock held.
 */
#ifndef VMBOX_CORE_REACTOR_H
#define VMBOX_CORE_REACTOR_H

#include "core.h"
#include "timer.h"

struct reactor;
struct watch;

/* Creates the reactor and its timers; the thread starts with reactor_start. NULL and errno on failure. */
struct reactor *reactor_create(void);
struct timers *reactor_timers(struct reactor *r);
int reactor_start(struct reactor *r);
/* Stops and joins the thread. */
void reactor_stop(struct reactor *r);
void reactor_destroy(struct reactor *r);

/*
 * Watches fd (borrowed; must outlive the watch). ready(arg, events) is called
 * once for each watch_want() when one of those EPOLL* events holds. -EPERM: the fd
 * is always ready (a regular file); -ENOMEM, -ENOSPC.
 */
int watch_create(struct reactor *r, int fd, void (*ready)(void *arg, uint32_t events), void *arg,
		 struct watch **out);
/* Arms one notification for events (EPOLLIN|EPOLLOUT...), added to those already wanted. From any thread. */
void watch_want(struct watch *w, uint32_t events);
/* When it returns, ready is not running and will not run (except from ready itself). */
void watch_destroy(struct watch *w);

#endif
