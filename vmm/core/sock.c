/* Local sockets: life, connections, polling. See sock.h; messages are in sock_msg.c. */
#include "sock_priv.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

pthread_mutex_t sock_links = PTHREAD_MUTEX_INITIALIZER;
static _Atomic size_t nsocks;

size_t sock_count(void)
{
	return nsocks;
}

/* ---- life ---- */

struct sock *sock_create(enum sock_kind kind)
{
	struct sock *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->kind = kind;
	s->refs = 1;
	s->sndbuf = SOCK_SNDBUF;
	s->backlog = SOCK_DGRAM_BACKLOG;
	s->peek_off = -1;
	pthread_mutex_init(&s->recv_lock, NULL);
	pthread_mutex_init(&s->lock, NULL);
	TAILQ_INIT(&s->queue);
	TAILQ_INIT(&s->pending);
	TAILQ_INIT(&s->senders);
	waitq_init(&s->readable);
	waitq_init(&s->writable);
	waitq_init(&s->room);
	async_list_init(&s->async);
	nsocks++;
	return s;
}

struct sock *sock_get(struct sock *s)
{
	s->refs++;
	return s;
}

void sock_put(struct sock *s)
{
	if (!s || --s->refs)
		return;
	waitq_destroy(&s->readable);
	waitq_destroy(&s->writable);
	waitq_destroy(&s->room);
	async_list_fini(&s->async);
	sock_groups_put(s->own_groups);
	sock_groups_put(s->other_groups);
	pthread_mutex_destroy(&s->recv_lock);
	pthread_mutex_destroy(&s->lock);
	free(s);
	nsocks--;
}

void sock_attach(struct sock *s, struct file *f)
{
	pthread_mutex_lock(&sock_links);
	s->file = f;
	pthread_mutex_unlock(&sock_links);
}

static void wake_all(struct sock *s)
{
	waitq_wake_all(&s->readable);
	waitq_wake_all(&s->writable);
}

/* s is what datagrams of its peer go to no more. links held. The peer's reference, to be put. */
static struct sock *unlink_sender(struct sock *s)
{
	struct sock *peer = s->peer;

	if (s->is_sender)
		TAILQ_REMOVE(&peer->senders, s, in_senders);
	s->is_sender = false;
	pthread_mutex_lock(&s->lock);
	s->peer = NULL;
	pthread_mutex_unlock(&s->lock);
	return peer;
}

/* The other end of a connection learns that this one is gone. links held. */
static void tell_peer(struct sock *peer, bool reset)
{
	pthread_mutex_lock(&peer->lock);
	peer->shut = SHUT_BOTH;
	if (reset)
		peer->err = ECONNRESET;
	pthread_mutex_unlock(&peer->lock);
	sock_tell_reader(peer, ASYNC_HUP);
	wake_all(peer);
}

/* Something is lost if s ends. s->lock held. */
static bool unread_locked(const struct sock *s)
{
	struct sock_msg *m = TAILQ_FIRST(&s->queue);

	/* What is left of an urgent byte is nothing. */
	if (m && !sock_msg_unread(m))
		m = TAILQ_NEXT(m, link);
	return m;
}

/* Ends one sock; its peer reference goes to *put. links held. */
static void end_locked(struct sock *s, struct sock_msgs *msgs, struct sock **put)
{
	struct sock *sender;
	bool unread;

	pthread_mutex_lock(&s->lock);
	s->dead = true;
	s->shut = SHUT_BOTH;
	unread = unread_locked(s);
	sock_drop_queue_locked(s, msgs);
	pthread_mutex_unlock(&s->lock);
	if (s->kind != SOCK_KIND_DGRAM && s->peer)
		tell_peer(s->peer, unread || !s->file);
	while ((sender = TAILQ_FIRST(&s->senders))) {
		TAILQ_REMOVE(&s->senders, sender, in_senders);
		sender->is_sender = false;
		waitq_wake_all(&sender->writable);
	}
	*put = unlink_sender(s);
	s->file = NULL;
	wake_all(s);
	waitq_wake_all(&s->room);
}

void sock_release(struct sock *s)
{
	struct sock_msgs msgs = TAILQ_HEAD_INITIALIZER(msgs);
	struct sock_list done = TAILQ_HEAD_INITIALIZER(done);
	struct sock *e, *put, *peer;

	sock_collect_soon();
	pthread_mutex_lock(&sock_links);
	end_locked(s, &msgs, &put);
	while ((e = TAILQ_FIRST(&s->pending))) {
		TAILQ_REMOVE(&s->pending, e, in_pending);
		end_locked(e, &msgs, &peer);
		TAILQ_INSERT_TAIL(&done, e, in_pending);
		sock_put(peer);
		sock_budget_add(-(long)sizeof(*e));
	}
	pthread_mutex_unlock(&sock_links);
	while ((e = TAILQ_FIRST(&done))) {
		TAILQ_REMOVE(&done, e, in_pending);
		sock_put(e);
	}
	sock_msgs_free(&msgs);
	sock_put(put);
	sock_put(s);
}

unsigned sock_refs(const struct sock *s)
{
	return atomic_load(&s->refs);
}

enum sock_kind sock_kind(const struct sock *s)
{
	return s->kind;
}

int sock_set_name(struct sock *s, const void *name, unsigned len)
{
	int err = 0;

	pthread_mutex_lock(&s->lock);
	if (s->name_len || len > sizeof(s->name)) {
		err = -EINVAL;
	} else {
		memcpy(s->name, name, len);
		s->name_len = len;
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}

int sock_name(struct sock *s, bool peer, void *buf)
{
	struct sock *of = s;
	int len;

	if (peer) {
		pthread_mutex_lock(&s->lock);
		of = s->peer ? sock_get(s->peer) : NULL;
		pthread_mutex_unlock(&s->lock);
		if (!of)
			return -ENOTCONN;
	}
	pthread_mutex_lock(&of->lock);
	len = (int)of->name_len;
	memcpy(buf, of->name, of->name_len);
	pthread_mutex_unlock(&of->lock);
	if (peer)
		sock_put(of);
	return len;
}

/* ---- connections ---- */

static struct sock_groups *groups_get(struct sock_groups *g)
{
	if (g)
		g->refs++;
	return g;
}

void sock_groups_put(struct sock_groups *g)
{
	if (g && !--g->refs)
		free(g);
}

struct sock_groups *sock_groups_create(const uint32_t *ids, unsigned n)
{
	struct sock_groups *g = malloc(sizeof(*g) + n * sizeof(g->ids[0]));

	if (!g)
		return NULL;
	g->refs = 1;
	g->n = n;
	memcpy(g->ids, ids, n * sizeof(g->ids[0]));
	return g;
}

void sock_set_groups(struct sock *s, struct sock_groups *g)
{
	struct sock_groups *old;

	pthread_mutex_lock(&s->lock);
	old = s->own_groups;
	s->own_groups = g;
	pthread_mutex_unlock(&s->lock);
	sock_groups_put(old);
}

struct sock_groups *sock_peer_groups(struct sock *s)
{
	struct sock_groups *g;

	pthread_mutex_lock(&s->lock);
	g = groups_get(s->have_other ? s->other_groups : s->own_groups);
	pthread_mutex_unlock(&s->lock);
	return g;
}

static struct sock_groups *own_groups(struct sock *s)
{
	struct sock_groups *g;

	pthread_mutex_lock(&s->lock);
	g = groups_get(s->own_groups);
	pthread_mutex_unlock(&s->lock);
	return g;
}

/* groups: who's, with a reference that is taken over; NULL if who is. */
static void set_peer(struct sock *s, struct sock *peer, const struct sock_cred *who,
		     struct sock_groups *groups)
{
	pthread_mutex_lock(&s->lock);
	s->peer = sock_get(peer);
	s->state = SOCK_CONNECTED;
	if (who) {
		s->other = *who;
		s->have_other = true;
		sock_groups_put(s->other_groups);
		s->other_groups = groups;
	}
	pthread_mutex_unlock(&s->lock);
}

static void link_sender(struct sock *s, struct sock *to)
{
	TAILQ_INSERT_TAIL(&to->senders, s, in_senders);
	s->is_sender = true;
}

void sock_pair(struct sock *a, struct sock *b, const struct sock_cred *by)
{
	pthread_mutex_lock(&sock_links);
	set_peer(a, b, by, own_groups(b));
	set_peer(b, a, by, own_groups(a));
	if (a->kind == SOCK_KIND_DGRAM) {
		link_sender(a, b);
		link_sender(b, a);
	}
	pthread_mutex_unlock(&sock_links);
}

int sock_listen(struct sock *s, unsigned backlog, const struct sock_cred *by)
{
	int err = 0;

	pthread_mutex_lock(&sock_links);
	pthread_mutex_lock(&s->lock);
	if (s->state == SOCK_CONNECTED) {
		err = -EINVAL;
	} else {
		s->state = SOCK_LISTENS;
		s->backlog = backlog;
		s->own = *by;
	}
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_unlock(&sock_links);
	if (!err) {
		waitq_wake_all(&s->room);
		/* It cannot be written to any more. */
		wake_all(s);
	}
	return err;
}

/* May a connection be queued on `to` now? 0, or why not; on -EBLOCKED the task is queued. */
static int connect_room_locked(struct sock *to, struct sched_task *task)
{
	int err;

	if (to->dead || to->state != SOCK_LISTENS || to->shut & SHUT_READ)
		return -ECONNREFUSED;
	if (to->npending <= to->backlog)
		return 0;
	if (!task)
		return -EAGAIN;
	err = waitq_add(&to->room, task, true);
	return err ? err : -EBLOCKED;
}

/* e is the end that accept will find. links held. */
static int connect_locked(struct sock *s, struct sock *to, struct sock *e,
			  const struct sock_cred *by, struct sched_task *task)
{
	int err;

	pthread_mutex_lock(&to->lock);
	err = connect_room_locked(to, task);
	if (!err && s->state != SOCK_CLOSED)
		err = s->state == SOCK_CONNECTED ? -EISCONN : -EINVAL;
	if (!err) {
		memcpy(e->name, to->name, to->name_len);
		e->name_len = to->name_len;
		e->pass = (unsigned)to->pass;
		e->own_groups = groups_get(to->own_groups);
		sock_get(e);
		TAILQ_INSERT_TAIL(&to->pending, e, in_pending);
		to->npending++;
	}
	pthread_mutex_unlock(&to->lock);
	if (err)
		return err;
	set_peer(e, s, by, own_groups(s));
	set_peer(s, e, &to->own, own_groups(e));
	sock_budget_add((long)sizeof(*e));
	return 0;
}

int sock_connect(struct sock *s, struct sock *to, const struct sock_cred *by,
		 struct sched_task *task)
{
	struct sock *e = sock_budget_over() ? NULL : sock_create(s->kind);
	int err;

	if (!e)
		return -ENOMEM;
	pthread_mutex_lock(&sock_links);
	err = connect_locked(s, to, e, by, task);
	pthread_mutex_unlock(&sock_links);
	sock_put(e);
	if (!err) {
		sock_tell_reader(to, ASYNC_IN);
		waitq_hand(&to->readable);
		wake_all(s);
	}
	return err;
}

int sock_accept(struct sock *s, struct sched_task *task, struct sock **out)
{
	struct sock *e = NULL;
	bool room, more;
	int err = 0;

	pthread_mutex_lock(&sock_links);
	pthread_mutex_lock(&s->lock);
	if (s->state != SOCK_LISTENS) {
		err = -EINVAL;
	} else if ((e = TAILQ_FIRST(&s->pending))) {
		TAILQ_REMOVE(&s->pending, e, in_pending);
		s->npending--;
	} else if (s->shut & SHUT_READ && task) {
		err = -EINVAL;
	} else {
		err = task ? waitq_add(&s->readable, task, true) : -EAGAIN;
		err = err ? err : -EBLOCKED;
	}
	room = s->npending <= s->backlog;
	more = s->npending;
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_unlock(&sock_links);
	if (!e)
		return err;
	sock_budget_add(-(long)sizeof(*e));
	if (room)
		waitq_hand(&s->room);
	if (more)
		waitq_hand_on(&s->readable);
	*out = e;
	return 0;
}

/* s no longer hears from old, nor sends to it: what is queued is void, and old learns of a loss.
 * links held. */
static void disconnect_dgram_locked(struct sock *s, struct sock *old, struct sock_msgs *msgs)
{
	bool told = false, lost;

	pthread_mutex_lock(&s->lock);
	lost = s->nmsgs;
	sock_drop_queue_locked(s, msgs);
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_lock(&old->lock);
	if (lost && !old->dead && old->peer == s) {
		old->err = ECONNRESET;
		told = true;
	}
	pthread_mutex_unlock(&old->lock);
	if (told) {
		wake_all(old);
		async_tell(&old->async, ASYNC_ERR);
	}
}

int sock_connect_dgram(struct sock *s, struct sock *to)
{
	struct sock_msgs msgs = TAILQ_HEAD_INITIALIZER(msgs);
	struct sock *old = NULL;
	int err = 0;

	pthread_mutex_lock(&sock_links);
	if (to && to->dead)
		err = -ECONNREFUSED;
	else if (to && to->peer && to->peer != s)
		err = -EPERM;
	if (!err) {
		old = s->peer ? unlink_sender(s) : NULL;
		if (old && old != to)
			disconnect_dgram_locked(s, old, &msgs);
		if (to) {
			set_peer(s, to, NULL, NULL);
			link_sender(s, to);
		} else {
			pthread_mutex_lock(&s->lock);
			s->state = SOCK_CLOSED;
			pthread_mutex_unlock(&s->lock);
		}
	}
	pthread_mutex_unlock(&sock_links);
	sock_msgs_free(&msgs);
	if (!err) {
		waitq_wake_all(&s->room);
		waitq_wake_all(&s->writable);
	}
	sock_put(old);
	return err;
}

void sock_shutdown(struct sock *s, bool rd, bool wr)
{
	struct sock *peer = NULL;

	pthread_mutex_lock(&sock_links);
	pthread_mutex_lock(&s->lock);
	s->shut |= (rd ? SHUT_READ : 0) | (wr ? SHUT_WRITE : 0);
	pthread_mutex_unlock(&s->lock);
	if (s->kind != SOCK_KIND_DGRAM && s->peer) {
		peer = sock_get(s->peer);
		pthread_mutex_lock(&peer->lock);
		peer->shut |= (rd ? SHUT_WRITE : 0) | (wr ? SHUT_READ : 0);
		pthread_mutex_unlock(&peer->lock);
	}
	pthread_mutex_unlock(&sock_links);
	wake_all(s);
	waitq_wake_all(&s->room);
	if (peer && wr)
		sock_tell_reader(peer, rd ? ASYNC_HUP : ASYNC_IN);
	if (peer)
		wake_all(peer);
	sock_put(peer);
}

bool sock_listening(struct sock *s)
{
	bool yes;

	pthread_mutex_lock(&s->lock);
	yes = s->state == SOCK_LISTENS;
	pthread_mutex_unlock(&s->lock);
	return yes;
}

bool sock_connected(struct sock *s)
{
	bool yes;

	pthread_mutex_lock(&s->lock);
	yes = s->state == SOCK_CONNECTED;
	pthread_mutex_unlock(&s->lock);
	return yes;
}

bool sock_has_peer(struct sock *s)
{
	bool yes;

	pthread_mutex_lock(&s->lock);
	yes = s->peer;
	pthread_mutex_unlock(&s->lock);
	return yes;
}

bool sock_peer_cred(struct sock *s, struct sock_cred *out)
{
	bool yes;

	pthread_mutex_lock(&s->lock);
	yes = s->have_other || s->state == SOCK_LISTENS;
	*out = s->have_other ? s->other : s->own;
	pthread_mutex_unlock(&s->lock);
	return yes;
}

/* ---- polling ---- */

struct async_list *sock_async(struct sock *s)
{
	return &s->async;
}

void sock_tell_reader(struct sock *s, enum async_band band)
{
	if (!async_wanted(&s->async))
		return;
	/* A reader of the stream that waits for it is told by that alone: SOCKWQ_ASYNC_WAITDATA. */
	if (s->kind != SOCK_KIND_STREAM || !waitq_has_exclusive(&s->readable))
		async_tell(&s->async, band);
}

unsigned sock_queues(struct sock *s, struct waitq *wq[2])
{
	wq[0] = &s->readable;
	wq[1] = &s->writable;
	return 2;
}

/* A datagram peer that listens to others, too, may be full. */
static bool peer_has_room(struct sock *s)
{
	struct sock *peer;
	bool room;

	if (s->kind != SOCK_KIND_DGRAM)
		return true;
	pthread_mutex_lock(&s->lock);
	peer = s->peer ? sock_get(s->peer) : NULL;
	pthread_mutex_unlock(&s->lock);
	if (!peer)
		return true;
	pthread_mutex_lock(&peer->lock);
	room = peer->dead || peer->peer == s || !sock_full_locked(peer);
	pthread_mutex_unlock(&peer->lock);
	sock_put(peer);
	return room;
}

unsigned sock_poll(struct sock *s, struct sched_task *task)
{
	unsigned events = 0;

	if (task && (waitq_add(&s->readable, task, false) || waitq_add(&s->writable, task, false)))
		sched_wake(task);
	pthread_mutex_lock(&s->lock);
	if (s->err)
		events |= POLLERR;
	if (s->shut == SHUT_BOTH)
		events |= POLLHUP;
	if (s->shut & SHUT_READ)
		events |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (s->nmsgs || s->npending)
		events |= POLLIN | POLLRDNORM;
	if (s->oob)
		events |= POLLPRI;
	if (s->kind != SOCK_KIND_DGRAM && s->state == SOCK_CLOSED)
		events |= POLLHUP;
	if (sock_writable_locked(s))
		events |= POLLOUT | POLLWRNORM | POLLWRBAND;
	pthread_mutex_unlock(&s->lock);
	if (events & POLLOUT && !peer_has_room(s))
		events &= ~(unsigned)(POLLOUT | POLLWRNORM | POLLWRBAND);
	if (!(events & POLLOUT) && s->kind != SOCK_KIND_STREAM && async_wanted(&s->async))
		s->nospace = true;
	return events;
}
