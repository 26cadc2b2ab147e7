/*
 * The mechanism of epoll: see epoll.h.
 *
 *   a wake                              epoll_collect
 *   the file becomes ready              take the item off the ready list
 *   (waitq->lock) item onto the list    poll the file
 *   wake epoll->wq                      level: ready, so back onto the list
 *
 * Whatever happens after the item was taken off puts it on again, so nothing is lost; at worst an
 * item is polled in vain.
 */
#include "epoll.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define EPOLL_PRIVATE ((uint32_t)(EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE))
#define EPOLL_EXCLUSIVE_OK                                                                         \
	((uint32_t)(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET |             \
		    EPOLLEXCLUSIVE))
#define HASH_MIN 16

struct item_watch {
	struct waitq_watch w;
	struct epoll_item *it;
};

struct epoll_item {
	struct epoll *ep;
	struct file *f; /* no reference */
	int fd;
	/* protected by ep->mtx: */
	struct item_watch watch[POLL_QUEUES];
	uint64_t data;
	LIST_ENTRY(epoll_item) hash;
	/* protected by ep->lock (and changed with ep->mtx held, too): */
	uint32_t events;
	/* protected by ep->lock: */
	bool ready;
	TAILQ_ENTRY(epoll_item) ready_link;
	/* protected by files_lock: */
	LIST_ENTRY(epoll_item) of_file;
	LIST_ENTRY(epoll_item) child; /* f is an epoll */
};

LIST_HEAD(item_list, epoll_item);

struct epoll {
	struct vfs *v;
	struct file *f;        /* the file that this is the inside of */
	_Atomic unsigned refs; /* the file's, and those of epoll_forget under way */

	pthread_mutex_t mtx;
	/* protected by mtx: */
	struct item_list *hash;
	unsigned nitems, nbuckets; /* nbuckets: a power of two */

	pthread_mutex_t lock;
	/* protected by lock: */
	TAILQ_HEAD(, epoll_item) ready;
	unsigned nready;

	struct waitq wq; /* has its own lock */

	/* protected by files_lock: */
	struct item_list children; /* items whose files are epolls */
	uint64_t seen;             /* the check that came here last, and what it found */
	int depth;
};

static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t checks; /* protected by files_lock */

static const struct vfs_file_ops epoll_ops;

struct epoll *epoll_of(const struct file *f)
{
	return f->ops == &epoll_ops.core ? vfs_file(f)->priv : NULL;
}

struct waitq *epoll_queue(struct epoll *ep)
{
	return &ep->wq;
}

/* ---- the ready list ---- */

static void ready_insert_locked(struct epoll *ep, struct epoll_item *it, bool first)
{
	if (it->ready)
		return;
	it->ready = true;
	ep->nready++;
	if (first)
		TAILQ_INSERT_HEAD(&ep->ready, it, ready_link);
	else
		TAILQ_INSERT_TAIL(&ep->ready, it, ready_link);
}

static void ready_remove_locked(struct epoll *ep, struct epoll_item *it)
{
	if (!it->ready)
		return;
	it->ready = false;
	ep->nready--;
	TAILQ_REMOVE(&ep->ready, it, ready_link);
}

static void ready_insert(struct epoll_item *it, bool first)
{
	pthread_mutex_lock(&it->ep->lock);
	ready_insert_locked(it->ep, it, first);
	pthread_mutex_unlock(&it->ep->lock);
}

static struct epoll_item *ready_take(struct epoll *ep)
{
	struct epoll_item *it;

	pthread_mutex_lock(&ep->lock);
	it = TAILQ_FIRST(&ep->ready);
	if (it)
		ready_remove_locked(ep, it);
	pthread_mutex_unlock(&ep->lock);
	return it;
}

static unsigned ready_count(struct epoll *ep)
{
	unsigned n;

	pthread_mutex_lock(&ep->lock);
	n = ep->nready;
	pthread_mutex_unlock(&ep->lock);
	return n;
}

static void set_events(struct epoll_item *it, uint32_t events)
{
	pthread_mutex_lock(&it->ep->lock);
	it->events = events;
	pthread_mutex_unlock(&it->ep->lock);
}

/* The item becomes ready: tells one who waits. True: there was one. */
static bool item_ready(struct epoll_item *it)
{
	struct epoll *ep = it->ep;
	bool added;

	pthread_mutex_lock(&ep->lock);
	/* After a one-shot's event only private bits are left, until EPOLL_CTL_MOD. */
	added = !it->ready && it->events & ~EPOLL_PRIVATE;
	if (added)
		ready_insert_locked(ep, it, false);
	pthread_mutex_unlock(&ep->lock);
	return added && waitq_hand(&ep->wq) > 0;
}

/* A queue of the file was woken; its lock is held. */
static bool item_notify(struct waitq_watch *w)
{
	return item_ready(container_of(w, struct item_watch, w)->it);
}

/* ---- items; ep->mtx held ---- */

static unsigned item_poll(struct epoll_item *it)
{
	/* Its last close is under way, and waits for mtx to remove the item. */
	if (!atomic_load(&it->f->refs))
		return 0;
	return vfs_ops(it->f)->poll(it->f, NULL) & it->events;
}

static int item_subscribe(struct epoll_item *it)
{
	struct waitq *wq[POLL_QUEUES];
	unsigned n = vfs_ops(it->f)->poll_queues(it->f, it->events, wq);

	for (unsigned i = 0; i < n; i++) {
		it->watch[i].it = it;
		waitq_watch_add(wq[i], &it->watch[i].w, item_notify, it->events & EPOLLEXCLUSIVE);
	}
	return n ? 0 : -EPERM;
}

static void item_unsubscribe(struct epoll_item *it)
{
	for (unsigned i = 0; i < POLL_QUEUES; i++)
		waitq_watch_remove(&it->watch[i].w);
}

static struct item_list *bucket(struct epoll *ep, const struct file *f, int fd)
{
	uint64_t h = ((uint64_t)(uintptr_t)f >> 4) * 0x9e3779b97f4a7c15ULL + (uint64_t)fd;

	return &ep->hash[(h ^ h >> 32) & (ep->nbuckets - 1)];
}

static struct epoll_item *item_find(struct epoll *ep, const struct file *f, int fd)
{
	struct epoll_item *it;

	LIST_FOREACH (it, bucket(ep, f, fd), hash)
		if (it->f == f && it->fd == fd)
			return it;
	return NULL;
}

/* Without memory the chains grow instead. */
static void hash_grow(struct epoll *ep)
{
	struct item_list *old = ep->hash, *new;
	unsigned n = ep->nbuckets;

	if (ep->nitems < 2 * n)
		return;
	new = calloc(4 * (size_t)n, sizeof(*new));
	if (!new)
		return;
	ep->hash = new;
	ep->nbuckets = 4 * n;
	for (unsigned i = 0; i < n; i++) {
		struct epoll_item *it;

		while ((it = LIST_FIRST(&old[i]))) {
			LIST_REMOVE(it, hash);
			LIST_INSERT_HEAD(bucket(ep, it->f, it->fd), it, hash);
		}
	}
	free(old);
}

static void item_remove(struct epoll_item *it)
{
	struct epoll *ep = it->ep;

	item_unsubscribe(it);
	pthread_mutex_lock(&ep->lock);
	ready_remove_locked(ep, it);
	pthread_mutex_unlock(&ep->lock);
	pthread_mutex_lock(&files_lock);
	LIST_REMOVE(it, of_file);
	if (epoll_of(it->f))
		LIST_REMOVE(it, child);
	pthread_mutex_unlock(&files_lock);
	LIST_REMOVE(it, hash);
	ep->nitems--;
	atomic_fetch_sub(&ep->v->nwatches, 1);
	free(it);
}

/* ---- who watches whom; files_lock held ---- */

/* Steps of the longest chain of epolls below ep, or a great number if it leads to `top`. */
static int depth_below(struct epoll *ep, const struct epoll *top)
{
	struct epoll_item *it;

	if (ep == top)
		return EPOLL_NESTS + 1;
	if (ep->seen == checks)
		return ep->depth;
	ep->seen = checks;
	ep->depth = 0;
	LIST_FOREACH (it, &ep->children, child) {
		int d = 1 + depth_below(epoll_of(it->f), top);

		if (d > ep->depth)
			ep->depth = d;
	}
	return ep->depth;
}

static int depth_above(struct epoll *ep)
{
	struct epoll_item *it;

	if (ep->seen == checks)
		return ep->depth;
	ep->seen = checks;
	ep->depth = 0;
	LIST_FOREACH (it, &vfs_file(ep->f)->watchers, of_file) {
		int d = 1 + depth_above(it->ep);

		if (d > ep->depth)
			ep->depth = d;
	}
	return ep->depth;
}

static int check_nesting(struct epoll *ep, struct epoll *target)
{
	int below, above;

	checks++;
	below = depth_below(target, ep);
	checks++;
	above = depth_above(ep);
	return above + 1 + below > EPOLL_NESTS ? -ELOOP : 0;
}

/* ---- the end of a file or an epoll ---- */

static void epoll_put(struct epoll *ep)
{
	if (--ep->refs)
		return;
	waitq_destroy(&ep->wq);
	pthread_mutex_destroy(&ep->mtx);
	pthread_mutex_destroy(&ep->lock);
	free(ep->hash);
	free(ep);
}

/* An epoll that watches f, with a reference. */
static struct epoll *watcher_of(struct file *f)
{
	struct epoll_item *it;
	struct epoll *ep = NULL;

	pthread_mutex_lock(&files_lock);
	it = LIST_FIRST(&vfs_file(f)->watchers);
	if (it) {
		ep = it->ep;
		ep->refs++;
	}
	pthread_mutex_unlock(&files_lock);
	return ep;
}

static struct epoll_item *item_of(struct file *f, const struct epoll *ep)
{
	struct epoll_item *it;

	pthread_mutex_lock(&files_lock);
	LIST_FOREACH (it, &vfs_file(f)->watchers, of_file)
		if (it->ep == ep)
			break;
	pthread_mutex_unlock(&files_lock);
	return it;
}

/* f's last descriptor is closed: file->forget. */
static void epoll_forget(struct file *f)
{
	struct epoll_item *it;
	struct epoll *ep;

	while ((ep = watcher_of(f))) {
		pthread_mutex_lock(&ep->mtx);
		while ((it = item_of(f, ep)))
			item_remove(it);
		pthread_mutex_unlock(&ep->mtx);
		epoll_put(ep);
	}
}

static void epoll_release(struct file *f)
{
	struct epoll *ep = vfs_file(f)->priv;

	pthread_mutex_lock(&ep->mtx);
	for (unsigned i = 0; i < ep->nbuckets; i++) {
		struct epoll_item *it;

		while ((it = LIST_FIRST(&ep->hash[i])))
			item_remove(it);
	}
	pthread_mutex_unlock(&ep->mtx);
	epoll_put(ep);
	vfs_file_free(f);
}

/* ---- an epoll as a file ---- */

static unsigned epoll_poll(struct file *f, struct sched_task *task)
{
	struct epoll *ep = vfs_file(f)->priv;
	unsigned events = 0, left;
	struct epoll_item *it;

	if (task && waitq_add(&ep->wq, task, false))
		return POLLERR;
	pthread_mutex_lock(&ep->mtx);
	for (left = ready_count(ep); left && !events && (it = ready_take(ep)); left--) {
		if (item_poll(it)) {
			ready_insert(it, true);
			events = POLLIN | POLLRDNORM;
		}
	}
	pthread_mutex_unlock(&ep->mtx);
	return events;
}

static unsigned epoll_poll_queues(struct file *f, unsigned events, struct waitq *wq[POLL_QUEUES])
{
	struct epoll *ep = vfs_file(f)->priv;

	(void)events;
	wq[0] = &ep->wq;
	return 1;
}

/* None is known, but Linux' has a handler: that one says EINVAL. */
static long epoll_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	return -EINVAL;
}

static const struct vfs_file_ops epoll_ops = {
	.core = {.release = epoll_release},
	.ioctl = epoll_ioctl,
	.poll = epoll_poll,
	.poll_queues = epoll_poll_queues,
	.lseek = anon_lseek,
};

int epoll_file(struct kernel *k, struct file **out)
{
	struct epoll *ep = calloc(1, sizeof(*ep));
	int err;

	if (!ep)
		return -ENOMEM;
	ep->v = k->vfs;
	ep->refs = 1;
	ep->nbuckets = HASH_MIN;
	ep->hash = calloc(ep->nbuckets, sizeof(*ep->hash));
	pthread_mutex_init(&ep->mtx, NULL);
	pthread_mutex_init(&ep->lock, NULL);
	TAILQ_INIT(&ep->ready);
	waitq_init(&ep->wq);
	err = ep->hash ? anon_file(k, "[eventpoll]", &epoll_ops, O_RDWR, ep, out) : -ENOMEM;
	if (err)
		epoll_put(ep);
	else
		ep->f = *out;
	return err;
}

/* ---- control ---- */

static bool exclusive_ok(const struct file *f, uint32_t events)
{
	return !(events & EPOLLEXCLUSIVE) || (!(events & ~EPOLL_EXCLUSIVE_OK) && !epoll_of(f));
}

/* EPOLLERR and EPOLLHUP are always of interest; EPOLLWAKEUP takes a right that nobody has. */
static uint32_t wanted(const struct epoll_event_k *ev)
{
	return (ev->events & ~(uint32_t)EPOLLWAKEUP) | EPOLLERR | EPOLLHUP;
}

static int item_link(struct epoll_item *it)
{
	struct epoll *target = epoll_of(it->f);
	int err = 0;

	pthread_mutex_lock(&files_lock);
	if (target)
		err = check_nesting(it->ep, target);
	if (!err) {
		LIST_INSERT_HEAD(&vfs_file(it->f)->watchers, it, of_file);
		if (target)
			LIST_INSERT_HEAD(&it->ep->children, it, child);
		/* The caller has a reference: the last close comes later. */
		it->f->forget = epoll_forget;
	}
	pthread_mutex_unlock(&files_lock);
	return err;
}

static int item_add(struct epoll *ep, struct file *f, int fd, const struct epoll_event_k *ev)
{
	struct epoll_item *it;
	int err;

	if (item_find(ep, f, fd))
		return -EEXIST;
	if (atomic_fetch_add(&ep->v->nwatches, 1) >= ep->v->max_watches) {
		atomic_fetch_sub(&ep->v->nwatches, 1);
		return -ENOSPC;
	}
	it = calloc(1, sizeof(*it));
	err = it ? 0 : -ENOMEM;
	if (it) {
		it->ep = ep;
		it->f = f;
		it->fd = fd;
		it->events = wanted(ev);
		it->data = ev->data;
		err = item_link(it);
	}
	if (err) {
		atomic_fetch_sub(&ep->v->nwatches, 1);
		free(it);
		return err;
	}
	LIST_INSERT_HEAD(bucket(ep, f, fd), it, hash);
	ep->nitems++;
	hash_grow(ep);
	err = item_subscribe(it);
	if (err)
		item_remove(it);
	else if (item_poll(it))
		item_ready(it);
	return err;
}

int epoll_add(struct file *epf, struct file *f, int fd, const struct epoll_event_k *ev)
{
	struct epoll *ep = epoll_of(epf);
	int err;

	if (!exclusive_ok(f, ev->events))
		return -EINVAL;
	pthread_mutex_lock(&ep->mtx);
	err = item_add(ep, f, fd, ev);
	pthread_mutex_unlock(&ep->mtx);
	return err;
}

int epoll_mod(struct file *epf, struct file *f, int fd, const struct epoll_event_k *ev)
{
	struct epoll *ep = epoll_of(epf);
	struct epoll_item *it;
	int err = -ENOENT;

	if (ev->events & EPOLLEXCLUSIVE)
		return -EINVAL;
	pthread_mutex_lock(&ep->mtx);
	it = item_find(ep, f, fd);
	if (it && it->events & EPOLLEXCLUSIVE) {
		err = -EINVAL;
	} else if (it) {
		item_unsubscribe(it);
		set_events(it, wanted(ev));
		it->data = ev->data;
		err = item_subscribe(it);
		if (item_poll(it))
			item_ready(it);
	}
	pthread_mutex_unlock(&ep->mtx);
	return err;
}

int epoll_del(struct file *epf, struct file *f, int fd)
{
	struct epoll *ep = epoll_of(epf);
	struct epoll_item *it;

	pthread_mutex_lock(&ep->mtx);
	it = item_find(ep, f, fd);
	if (it)
		item_remove(it);
	pthread_mutex_unlock(&ep->mtx);
	return it ? 0 : -ENOENT;
}

/* ---- collecting ---- */

/* The item's event was given. */
static void item_given(struct epoll_item *it)
{
	if (it->events & EPOLLONESHOT)
		set_events(it, it->events & EPOLL_PRIVATE);
	else if (!(it->events & EPOLLET))
		ready_insert(it, false);
}

int epoll_collect(struct epoll *ep, int max,
		  int (*put)(void *arg, int i, const struct epoll_event_k *ev), void *arg)
{
	struct epoll_item *it;
	int n = 0, err = 0;
	unsigned left;

	pthread_mutex_lock(&ep->mtx);
	for (left = ready_count(ep); left && n < max && (it = ready_take(ep)); left--) {
		struct epoll_event_k ev = {.events = item_poll(it), .data = it->data};

		if (!ev.events)
			continue;
		err = put(arg, n, &ev);
		if (err) {
			ready_insert(it, true);
			break;
		}
		n++;
		item_given(it);
	}
	left = ready_count(ep);
	pthread_mutex_unlock(&ep->mtx);
	if (left)
		waitq_hand_on(&ep->wq);
	return n ? n : err;
}
