/* The reactor: see reactor.h. */
#include "reactor.h"

#include "async.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EVENTS_PER_WAIT 32
/* That many destroyed watches are worth waking the thread to free them. */
#define GRAVEYARD_MAX 64

struct watch {
	struct reactor *reactor;
	void (*ready)(void *arg, uint32_t events);
	void *arg;
	int fd;    /* our own duplicate: epoll takes each descriptor once */
	bool edge; /* stays armed */

	/* protected by reactor->lock: */
	uint32_t want;
	bool dead;
	SLIST_ENTRY(watch) grave;
};

SLIST_HEAD(graveyard, watch);

struct reactor {
	int epoll, timerfd, eventfd;
	struct timers *timers;
	pthread_t thread;
	bool started;
	_Atomic bool stop;

	pthread_mutex_t lock;
	pthread_cond_t idle; /* `busy` has become NULL */
	/* protected by lock: */
	struct watch *busy; /* its ready runs */
	/*
	 * Destroyed watches. An event that epoll_wait has returned may still name one, so
	 * the thread frees them before it waits again.
	 */
	struct graveyard graveyard;
	unsigned buried;
};

/* ---- timers ---- */

static void reactor_rearm(void *arg, int64_t deadline)
{
	struct reactor *r = arg;
	struct itimerspec its = {0};

	if (deadline != TIME_NEVER) {
		/* Zero would disarm. */
		if (deadline < 1)
			deadline = 1;
		its.it_value.tv_sec = deadline / 1000000000;
		its.it_value.tv_nsec = deadline % 1000000000;
	}
	timerfd_settime(r->timerfd, TFD_TIMER_ABSTIME, &its, NULL);
}

struct timers *reactor_timers(struct reactor *r)
{
	return r->timers;
}

/* ---- life ---- */

static int reactor_add(struct reactor *r, int fd, void *ptr, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = ptr};

	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

struct reactor *reactor_create(void)
{
	struct reactor *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return NULL;
	r->epoll = r->timerfd = r->eventfd = -1;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->idle, NULL);
	SLIST_INIT(&r->graveyard);
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll < 0)
		goto fail;
	r->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (r->timerfd < 0)
		goto fail;
	r->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->eventfd < 0)
		goto fail;
	r->timers = timers_create(reactor_rearm, r);
	if (!r->timers)
		goto fail;
	/* The addresses of our own descriptors tell these from watches. */
	if (reactor_add(r, r->timerfd, &r->timerfd, EPOLLIN) ||
	    reactor_add(r, r->eventfd, &r->eventfd, EPOLLIN))
		goto fail;
	return r;
fail:
	err = errno;
	reactor_destroy(r);
	errno = err;
	return NULL;
}

static void reactor_poke(struct reactor *r)
{
	uint64_t one = 1;
	ssize_t n = write(r->eventfd, &one, sizeof(one));

	/* It fails only where the counter is full: then the thread is about to look anyway. */
	(void)n;
}

void reactor_stop(struct reactor *r)
{
	if (!r->started)
		return;
	r->stop = true;
	reactor_poke(r);
	pthread_join(r->thread, NULL);
	r->started = false;
}

static void watch_free(struct watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

static void graveyard_free(struct graveyard *dead)
{
	struct watch *w;

	while ((w = SLIST_FIRST(dead))) {
		SLIST_REMOVE_HEAD(dead, grave);
		watch_free(w);
	}
}

void reactor_destroy(struct reactor *r)
{
	if (!r)
		return;
	reactor_stop(r);
	graveyard_free(&r->graveyard);
	timers_destroy(r->timers);
	if (r->epoll >= 0)
		close(r->epoll);
	if (r->timerfd >= 0)
		close(r->timerfd);
	if (r->eventfd >= 0)
		close(r->eventfd);
	pthread_cond_destroy(&r->idle);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* ---- watches ---- */

/* EPOLLONESHOT leaves the descriptor in the set, mute, until this arms it again. */
static void watch_arm_locked(struct watch *w)
{
	struct epoll_event ev = {.events = w->want | EPOLLONESHOT, .data.ptr = w};

	epoll_ctl(w->reactor->epoll, EPOLL_CTL_MOD, w->fd, &ev);
}

static int watch_make(struct reactor *r, int fd, bool edge, uint32_t events,
		      void (*ready)(void *arg, uint32_t events), void *arg, struct watch **out)
{
	struct watch *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->reactor = r;
	w->ready = ready;
	w->arg = arg;
	w->edge = edge;
	w->want = events;
	w->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	err = w->fd < 0 ? -errno : reactor_add(r, w->fd, w, edge ? events | EPOLLET : EPOLLONESHOT);
	if (err) {
		watch_free(w);
		return err;
	}
	*out = w;
	return 0;
}

int watch_create(struct reactor *r, int fd, void (*ready)(void *arg, uint32_t events), void *arg,
		 struct watch **out)
{
	return watch_make(r, fd, false, 0, ready, arg, out);
}

int watch_create_edge(struct reactor *r, int fd, uint32_t events,
		      void (*ready)(void *arg, uint32_t events), void *arg, struct watch **out)
{
	return watch_make(r, fd, true, events, ready, arg, out);
}

void watch_want(struct watch *w, uint32_t events)
{
	pthread_mutex_lock(&w->reactor->lock);
	w->want |= events;
	watch_arm_locked(w);
	pthread_mutex_unlock(&w->reactor->lock);
}

void watch_destroy(struct watch *w)
{
	struct reactor *r;
	bool poke;

	if (!w)
		return;
	r = w->reactor;
	pthread_mutex_lock(&r->lock);
	w->dead = true;
	epoll_ctl(r->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	while (r->busy == w && !pthread_equal(r->thread, pthread_self()))
		pthread_cond_wait(&r->idle, &r->lock);
	SLIST_INSERT_HEAD(&r->graveyard, w, grave);
	poke = ++r->buried == GRAVEYARD_MAX;
	pthread_mutex_unlock(&r->lock);
	if (poke)
		reactor_poke(r);
}

/* ---- the thread ---- */

static void watch_event(struct reactor *r, struct watch *w, uint32_t events)
{
	uint32_t got;

	pthread_mutex_lock(&r->lock);
	/* Nobody wants a hang-up that epoll reports unasked; and destroyed is destroyed. */
	got = w->dead || !w->want ? 0 : events & (w->want | EPOLLERR | EPOLLHUP);
	/* After an error or a hang-up everything that was wanted can be tried. */
	if (!w->edge) {
		w->want = got & (EPOLLERR | EPOLLHUP) ? 0 : w->want & ~got;
		if (w->want && !w->dead)
			watch_arm_locked(w);
	}
	if (!got) {
		pthread_mutex_unlock(&r->lock);
		return;
	}
	r->busy = w;
	pthread_mutex_unlock(&r->lock);
	w->ready(w->arg, got);
	pthread_mutex_lock(&r->lock);
	r->busy = NULL;
	pthread_cond_broadcast(&r->idle);
	pthread_mutex_unlock(&r->lock);
	async_flush();
}

/* Watches destroyed by now are in no batch of events that is still to be looked at. */
static void reactor_bury(struct reactor *r)
{
	struct graveyard dead;

	pthread_mutex_lock(&r->lock);
	dead = r->graveyard;
	SLIST_INIT(&r->graveyard);
	r->buried = 0;
	pthread_mutex_unlock(&r->lock);
	graveyard_free(&dead);
}

static void reactor_drain(int fd)
{
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));

	/* Empty already: a deadline that was moved since. */
	(void)n;
}

static void *reactor_loop(void *arg)
{
	struct reactor *r = arg;
	struct epoll_event events[EVENTS_PER_WAIT];

	while (!r->stop) {
		int n;

		reactor_bury(r);
		n = epoll_wait(r->epoll, events, EVENTS_PER_WAIT, -1);
		for (int i = 0; i < n; i++) {
			void *ptr = events[i].data.ptr;

			if (ptr == &r->timerfd) {
				reactor_drain(r->timerfd);
				timers_run(r->timers, core_now());
			} else if (ptr == &r->eventfd) {
				reactor_drain(r->eventfd);
			} else {
				watch_event(r, ptr, events[i].events);
			}
		}
	}
	return NULL;
}

int reactor_start(struct reactor *r)
{
	sigset_t all, old;
	int err;

	r->stop = false;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = pthread_create(&r->thread, NULL, reactor_loop, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	r->started = !err;
	return -err;
}
