/*
 * The reactor: the one thread that waits for the host.
 *
 * It runs an epoll loop over host descriptors that may be waited for (a tty, a pipe
 * from outside, signalfd) and the timers' deadline. A watch belongs to its creator.
 * reactor->lock protects every watch. Callbacks run on the reactor's thread with
 * no lock held. The thread blocks all signals.
 */
#ifndef VMBOX_CORE_REACTOR_H
#define VMBOX_CORE_REACTOR_H

#include "core.h"
#include "timer.h"

struct reactor;
struct watch;

/* Creates the reactor and its timers; the thread starts with reactor_start. NULL and errno on
 * failure. */
struct reactor *reactor_create(void);
struct timers *reactor_timers(struct reactor *r);
/* 0, or pthread_create(3)'s error, negative. */
int reactor_start(struct reactor *r);
/* Stops and joins the thread, if it runs. Not from a callback. */
void reactor_stop(struct reactor *r);
/* Stops it first. Every watch has been destroyed, every timer cancelled. r may be NULL. */
void reactor_destroy(struct reactor *r);

/*
 * Watches what fd refers to (a duplicate of it: a descriptor may have several watches). ready(arg,
 * events) is called once for each watch_want() when one of those EPOLL* events, EPOLLERR or
 * EPOLLHUP holds; it may be called again at once if it wants events that still hold. 0; -EPERM: the
 * fd is always ready (a regular file); -EBADF, -EMFILE, -ENOMEM, -ENOSPC (epoll_ctl(2)).
 */
int watch_create(struct reactor *r, int fd, void (*ready)(void *arg, uint32_t events), void *arg,
		 struct watch **out);
/* Arms one notification for events (EPOLLIN|EPOLLOUT...), added to those already wanted. From any
 * thread. */
void watch_want(struct watch *w, uint32_t events);
/*
 * A watch that stays: ready is called at every change to one of events (EPOLLET), EPOLLERR and
 * EPOLLHUP included, and once at first if one holds already. Not for watch_want. Results as
 * watch_create.
 */
int watch_create_edge(struct reactor *r, int fd, uint32_t events,
		      void (*ready)(void *arg, uint32_t events), void *arg, struct watch **out);
/*
 * When it returns, ready is not running and will not run (except from ready itself). The caller may
 * hold no lock that ready takes. w may be NULL.
 */
void watch_destroy(struct watch *w);

#endif
