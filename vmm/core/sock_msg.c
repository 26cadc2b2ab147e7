/* Local sockets: sending and receiving. See sock.h. */
#include "sock_priv.h"

#include <stdlib.h>
#include <string.h>

static _Atomic size_t budget_used;
static _Atomic size_t budget_limit = SOCK_BUDGET;

void sock_budget_add(long bytes)
{
	budget_used += (size_t)bytes;
}

bool sock_budget_over(void)
{
	return budget_used > budget_limit;
}

size_t sock_budget_used(void)
{
	return budget_used;
}

void sock_set_budget(size_t bytes)
{
	budget_limit = bytes;
}

/* ---- what a sender may have under way ---- */

static bool may_send_locked(const struct sock *s)
{
	return s->sent < (sock_budget_over() ? SOCK_LEAN : s->sndbuf);
}

bool sock_writable_locked(const struct sock *s)
{
	return s->state != SOCK_LISTENS && s->sent * 4 <= s->sndbuf &&
	       (!s->sent || !sock_budget_over());
}

bool sock_full_locked(const struct sock *s)
{
	return s->nmsgs > s->backlog;
}

/* Counts a message of s that is to be made. 0, -EAGAIN, -EPIPE, the pending error, -EBLOCKED. */
static int charge(struct sock *s, size_t bytes, struct sched_task *task)
{
	int err = 0;

	pthread_mutex_lock(&s->lock);
	if (s->err) {
		err = -s->err;
		s->err = 0;
	} else if (s->shut & SHUT_WRITE) {
		err = -EPIPE;
	} else if (may_send_locked(s)) {
		s->sent += bytes;
	} else {
		err = task ? waitq_add(&s->writable, task, true) : -EAGAIN;
		err = err ? err : -EBLOCKED;
		if (async_wanted(&s->async))
			s->nospace = true;
	}
	pthread_mutex_unlock(&s->lock);
	if (!err)
		sock_budget_add((long)bytes);
	return err;
}

/* 0, the pending error, -EPIPE. */
static int sendable(struct sock *s)
{
	int err;

	pthread_mutex_lock(&s->lock);
	err = s->err ? -s->err : s->shut & SHUT_WRITE ? -EPIPE : 0;
	s->err = 0;
	pthread_mutex_unlock(&s->lock);
	return err;
}

static void uncharge(struct sock *s, size_t bytes)
{
	bool wake, edge;

	pthread_mutex_lock(&s->lock);
	edge = !sock_writable_locked(s);
	s->sent -= bytes;
	wake = sock_writable_locked(s) || !s->sent;
	/* What the budget forbade a moment ago it may have allowed since. */
	edge |= !s->sent;
	pthread_mutex_unlock(&s->lock);
	sock_budget_add(-(long)bytes);
	if (wake && edge)
		waitq_hand(&s->writable);
	else if (wake)
		waitq_hand_on(&s->writable);
	if (wake && s->nospace && atomic_exchange(&s->nospace, false))
		async_tell(&s->async, ASYNC_OUT);
}

/* ---- messages ---- */

void sock_rights_free(struct sock_rights *rights)
{
	if (!rights)
		return;
	for (unsigned i = 0; i < rights->n; i++)
		file_close(rights->r[i].file);
	free(rights);
}

struct sock_msg *sock_msg_get(struct sock_msg *m)
{
	atomic_fetch_add(&m->refs, 1);
	return m;
}

void sock_msg_put(struct sock_msg *m)
{
	if (m && atomic_fetch_sub(&m->refs, 1) == 1)
		free(m);
}

static void msg_free(struct sock_msg *m)
{
	uncharge(m->from, m->charge);
	sock_put(m->from);
	sock_rights_free(m->rights);
	m->rights = NULL;
	sock_msg_put(m);
}

/*
 * To close a file of a message may end a socket, and so free the messages that it has: a
 * chain of any length. The outermost call of a thread frees them all, and looks for garbage.
 */
void sock_msgs_free(struct sock_msgs *list)
{
	static _Thread_local struct {
		bool busy;
		struct sock_msgs todo;
	} me;
	struct sock_msg *m;

	if (me.busy) {
		TAILQ_CONCAT(&me.todo, list, link);
		return;
	}
	me.busy = true;
	TAILQ_INIT(&me.todo);
	TAILQ_CONCAT(&me.todo, list, link);
	do {
		while ((m = TAILQ_FIRST(&me.todo))) {
			TAILQ_REMOVE(&me.todo, m, link);
			msg_free(m);
		}
	} while (sock_collect(&me.todo));
	me.busy = false;
}

static void free_one(struct sock_msg *m)
{
	struct sock_msgs list = TAILQ_HEAD_INITIALIZER(list);

	TAILQ_INSERT_TAIL(&list, m, link);
	sock_msgs_free(&list);
}

void sock_drop_queue_locked(struct sock *s, struct sock_msgs *out)
{
	struct sock_msg *m;

	TAILQ_FOREACH (m, &s->queue, link)
		if (m->rights)
			sock_rights_land_locked(m->rights);
	TAILQ_CONCAT(out, &s->queue, link);
	s->nmsgs = 0;
	s->bytes = 0;
	s->oob = NULL;
}

/*
 * A message of len bytes out of x. 0 and *out; as charge(), -ENOMEM, -EFAULT. m->back counts what
 * was copied in vain.
 */
static int msg_make(struct sock *s, struct sock_send *m, size_t len, struct sched_task *task)
{
	size_t cost = len + SOCK_OVERHEAD + (m->rights ? m->rights->n * 64 : 0);
	struct sock_msg *msg;
	ssize_t n = 0;
	int err = charge(s, cost, task);

	if (err)
		return err;
	msg = malloc(sizeof(*msg) + len);
	if (!msg) {
		uncharge(s, cost);
		return -ENOMEM;
	}
	memset(msg, 0, sizeof(*msg));
	atomic_init(&msg->refs, 1);
	msg->from = sock_get(s);
	msg->charge = cost;
	msg->len = len;
	if (len)
		n = m->x->copy(m->x, msg->data, len);
	if (n < (ssize_t)len) {
		m->back = n > 0 ? (size_t)n : 0;
		free_one(msg);
		return -EFAULT;
	}
	msg->rights = m->rights;
	m->rights = NULL;
	msg->cred = m->cred;
	m->msg = msg;
	return 0;
}

/* Puts m->msg into to's queue; datagrams of strangers may have to wait. 0, -EPIPE, -ECONNREFUSED,
 * -EPERM, -EAGAIN, -EBLOCKED. */
static int append_locked(struct sock *s, struct sock *to, struct sock_send *m,
			 struct sched_task *task)
{
	struct sock_msg *msg = m->msg;
	int err;

	if (to->dead)
		return s->kind == SOCK_KIND_DGRAM ? -ECONNREFUSED : -EPIPE;
	if (to->shut & SHUT_READ)
		return -EPIPE;
	if (s->kind == SOCK_KIND_DGRAM) {
		if (to->peer && to->peer != s)
			return -EPERM;
		if (to != s && !to->peer && sock_full_locked(to)) {
			err = task ? waitq_add(&to->room, task, true) : -EAGAIN;
			return err ? err : -EBLOCKED;
		}
	}
	if (!msg)
		return 0;
	if (msg->rights) {
		err = sock_rights_fly_locked(msg->rights);
		if (err)
			return err;
	}
	msg->have_cred = m->show_cred || s->pass || to->pass;
	TAILQ_INSERT_TAIL(&to->queue, msg, link);
	to->nmsgs++;
	to->bytes += msg->len;
	if (msg->urgent)
		to->oob = msg;
	return 0;
}

/* With m->msg NULL only asks whether it could. */
static int deliver(struct sock *s, struct sock *to, struct sock_send *m, struct sched_task *task)
{
	bool rights = m->msg && m->msg->rights, urgent = m->msg && m->msg->urgent;
	int err;

	if (rights)
		pthread_mutex_lock(&sock_links);
	pthread_mutex_lock(&to->lock);
	err = append_locked(s, to, m, task);
	pthread_mutex_unlock(&to->lock);
	if (rights)
		pthread_mutex_unlock(&sock_links);
	if (!err && m->msg) {
		m->msg = NULL;
		if (urgent)
			async_urge(&to->async);
		sock_tell_reader(to, ASYNC_IN);
		waitq_hand(&to->readable);
	}
	return err;
}

/* A message that cannot be delivered: its bytes were not sent, its files go back. */
static void take_back(struct sock_send *m)
{
	struct sock_msg *msg = m->msg;

	m->msg = NULL;
	m->back = msg->len;
	m->rights = msg->rights;
	msg->rights = NULL;
	free_one(msg);
}

void sock_send_fini(struct sock_send *m)
{
	if (m->msg)
		free_one(m->msg);
	m->msg = NULL;
	sock_rights_free(m->rights);
	m->rights = NULL;
}

/* ---- sending ---- */

static ssize_t send_stream(struct sock *s, struct sock *to, struct sock_send *m,
			   struct sched_task *task)
{
	size_t max = sock_budget_over() ? SOCK_LEAN : SOCK_CHUNK, moved = 0;
	int err = 0;

	if (max > sock_sndbuf(s) / 2)
		max = sock_sndbuf(s) / 2 + 1;
	while (m->x->left && !err) {
		size_t n = m->x->left < max ? m->x->left : max;
		bool urgent = m->oob && m->x->left == 1;

		/* The last byte is a message of its own. */
		if (m->oob && !urgent && n == m->x->left)
			n--;
		/* What would be copied in vain need not be. */
		err = deliver(s, to, m, NULL);
		if (!err)
			err = msg_make(s, m, n, task);
		if (err)
			break;
		m->msg->urgent = urgent;
		err = deliver(s, to, m, NULL);
		if (err)
			take_back(m);
		else
			moved += n;
	}
	/* Who waits behind us looks again: we may have left room. */
	if (moved && !err)
		waitq_hand_on(&s->writable);
	if (err == -EBLOCKED)
		return err;
	return moved ? (ssize_t)moved : err;
}

/* The peer of a datagram socket is closed: it is the peer no more. */
static void forget_dead_peer(struct sock *s, struct sock *to)
{
	struct sock *peer;

	pthread_mutex_lock(&s->lock);
	peer = s->peer;
	pthread_mutex_unlock(&s->lock);
	if (peer == to)
		sock_connect_dgram(s, NULL);
}

static ssize_t send_message(struct sock *s, struct sock *to, struct sock_send *m,
			    struct sched_task *task)
{
	size_t len = m->msg ? m->msg->len : m->x->left, max = sock_sndbuf(s);
	int err;

	if (!m->msg) {
		if (max < 32 || len > max - 32)
			return -EMSGSIZE;
		if (sock_budget_over() && len > 4 * SOCK_LEAN)
			return -ENOBUFS;
		err = sendable(s);
		/* Copied before it may have to wait for the receiver: unix_dgram_sendmsg(). */
		if (!err)
			err = msg_make(s, m, len, task);
		if (err)
			goto out;
	}
	err = deliver(s, to, m, task);
	if (err == -EBLOCKED)
		return err;
	if (err)
		take_back(m);
out:
	if (err == -ECONNREFUSED && s->kind == SOCK_KIND_DGRAM)
		forget_dead_peer(s, to);
	return err ? err : (ssize_t)len;
}

ssize_t sock_send(struct sock *s, struct sock_send *m, struct sched_task *task)
{
	struct sock_msgs none = TAILQ_HEAD_INITIALIZER(none);
	struct sock *to = m->to;
	bool shut;
	ssize_t r;

	/* Garbage counts, too, until somebody looks for it. */
	if (m->rights && sock_inflight() > SOCK_INFLIGHT_MAX / 2) {
		sock_collect_soon();
		sock_msgs_free(&none);
	}
	pthread_mutex_lock(&s->lock);
	if (!to)
		to = s->peer;
	if (to)
		sock_get(to);
	shut = s->shut & SHUT_WRITE;
	pthread_mutex_unlock(&s->lock);
	if (!to)
		return -ENOTCONN;
	if (s->kind == SOCK_KIND_STREAM)
		r = shut ? -EPIPE : send_stream(s, to, m, task);
	else
		r = send_message(s, to, m, task);
	sock_put(to);
	return r;
}
