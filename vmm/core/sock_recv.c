/* Local sockets: receiving. See sock.h. */
#include "sock_priv.h"

#include <stdlib.h>
#include <string.h>

static bool same_sender(const struct sock_recv *r, const struct sock_msg *m)
{
	return r->have_cred == m->have_cred &&
	       (!m->have_cred || !memcmp(&r->cred, &m->cred, sizeof(r->cred)));
}

static void see_message(struct sock_recv *r, struct sock_msg *m)
{
	r->got = true;
	r->have_cred = m->have_cred;
	r->cred = m->cred;
}

/* The sender's name, for which its lock is needed: no other is held. */
static void name_of(struct sock_recv *r, struct sock *from)
{
	if (from) {
		r->name_len = (unsigned)sock_name(from, false, r->name);
		sock_put(from);
	}
}

static struct sock_rights *rights_dup(const struct sock_rights *rights)
{
	size_t size = sizeof(*rights) + rights->n * sizeof(rights->r[0]);
	struct sock_rights *d = malloc(size);

	if (!d)
		return NULL;
	memcpy(d, rights, size);
	for (unsigned i = 0; i < d->n; i++)
		file_dup(d->r[i].file);
	return d;
}

/* links held if m has files. */
static void take_rights_locked(struct sock_recv *r, struct sock_msg *m)
{
	if (!m->rights || r->rights)
		return;
	if (r->peek) {
		r->rights = rights_dup(m->rights);
		return;
	}
	sock_rights_land_locked(m->rights);
	r->rights = m->rights;
	m->rights = NULL;
}

static void remove_locked(struct sock *s, struct sock_msg *m, struct sock_msgs *out)
{
	TAILQ_REMOVE(&s->queue, m, link);
	s->nmsgs--;
	TAILQ_INSERT_TAIL(out, m, link);
}

/* Nothing is queued: why, or -EBLOCKED. 0: the end. */
static ssize_t wait_locked(struct sock *s, struct sched_task *task)
{
	int err;

	if (s->err) {
		err = -s->err;
		s->err = 0;
		return err;
	}
	if (s->shut & SHUT_READ && (task || s->kind != SOCK_KIND_DGRAM))
		return 0;
	err = task ? waitq_add(&s->readable, task, true) : -EAGAIN;
	return err ? err : -EBLOCKED;
}

/*
 * The message that r is for: the first, or the one that a peek's offset, which is *skip at last,
 * lies in.
 */
static struct sock_msg *message_at_locked(const struct sock *s, const struct sock_recv *r,
					  size_t *skip)
{
	int off = r->peek ? s->peek_off : -1;
	struct sock_msg *m = TAILQ_FIRST(&s->queue);

	*skip = off > 0 ? (size_t)off : 0;
	while (off >= 0 && m && *skip >= m->len && (*skip || m->peeked)) {
		*skip -= m->len;
		m = TAILQ_NEXT(m, link);
	}
	return m;
}

/* The same, with links taken if it has files (*links). */
static struct sock_msg *first_locked(struct sock *s, const struct sock_recv *r, bool *links,
				     size_t *skip)
{
	struct sock_msg *m = message_at_locked(s, r, skip);

	if (!m || !m->rights || *links)
		return m;
	/* Another reader may take it meanwhile: look again. */
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_lock(&sock_links);
	pthread_mutex_lock(&s->lock);
	*links = true;
	return message_at_locked(s, r, skip);
}

/*
 * Bytes of m to the guest. recv_lock and s->lock held; the latter not meanwhile: nobody else takes
 * anything from the queue, and it does not end while somebody is here to read it. False: nothing
 * could be stored.
 */
static bool stream_copy_locked(struct sock *s, struct sock_recv *r, struct sock_msg *m, size_t skip,
			       size_t want, size_t *done)
{
	ssize_t n;

	sock_msg_get(m);
	pthread_mutex_unlock(&s->lock);
	n = r->x->copy(r->x, m->data + m->off + skip, want);
	/* Files come with their message's first byte. */
	if (n > 0 && m->rights) {
		pthread_mutex_lock(&sock_links);
		pthread_mutex_lock(&s->lock);
		take_rights_locked(r, m);
		pthread_mutex_unlock(&sock_links);
	} else {
		pthread_mutex_lock(&s->lock);
	}
	sock_msg_put(m);
	*done = n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* n bytes at the front have been read; or, n negative, -n more peeked at. */
static void move_peek_off(struct sock *s, long n)
{
	long off = s->peek_off;

	if (off >= 0)
		s->peek_off = (int)(off < n ? 0 : off - n > INT32_MAX ? INT32_MAX : off - n);
}

/* Moves bytes of m, after the first `skip`. False: stop here. */
static bool stream_take_locked(struct sock *s, struct sock_recv *r, struct sock_msg *m, size_t skip,
			       struct sock_msgs *gone, ssize_t *result)
{
	size_t want = sock_msg_unread(m) - skip, n;
	bool files = m->rights;

	if (want > r->x->left)
		want = r->x->left;
	if (!stream_copy_locked(s, r, m, skip, want, &n)) {
		*result = -EFAULT;
		return false;
	}
	r->done += n;
	move_peek_off(s, r->peek ? -(long)n : (long)n);
	if (r->peek)
		return !files && n == want && r->x->left;
	m->off += n;
	s->bytes -= n;
	if (m->off < m->len)
		return false;
	remove_locked(s, m, gone);
	return !files && r->x->left;
}

/* m will not be read, nor its files. recv_lock and s->lock held; the latter perhaps not meanwhile.
 */
static void pass_over_locked(struct sock *s, struct sock_msg *m, struct sock_msgs *gone)
{
	if (m->rights) {
		pthread_mutex_unlock(&s->lock);
		pthread_mutex_lock(&sock_links);
		pthread_mutex_lock(&s->lock);
		sock_rights_land_locked(m->rights);
		pthread_mutex_unlock(&sock_links);
	}
	s->bytes -= sock_msg_unread(m);
	remove_locked(s, m, gone);
}

/*
 * The message to read instead of m, as Linux's manage_oob() says it; NULL: stop before the mark, or
 * there is none. recv_lock and s->lock held.
 */
static struct sock_msg *mind_mark_locked(struct sock *s, struct sock_recv *r, struct sock_msg *m,
					 struct sock_msgs *gone)
{
	struct sock_msg *taken = m;

	if (!sock_msg_unread(m)) {
		if (r->done && !s->oob)
			return NULL;
		m = TAILQ_NEXT(taken, link);
		if (!r->peek)
			pass_over_locked(s, taken, gone);
	}
	if (!m || m != s->oob)
		return m;
	if (r->done)
		return NULL;
	if (r->peek)
		return s->oob_inline ? m : TAILQ_NEXT(m, link);
	s->oob = NULL;
	if (s->oob_inline)
		return m;
	pass_over_locked(s, m, gone);
	return TAILQ_FIRST(&s->queue);
}

/* The message to read next, of which *skip bytes were peeked at before; NULL and *result: there is
 * none. after: the last that was peeked at. */
static struct sock_msg *stream_next_locked(struct sock *s, struct sock_recv *r,
					   struct sock_msg *after, size_t *skip, size_t target,
					   struct sched_task *task, struct sock_msgs *gone,
					   ssize_t *result)
{
	struct sock_msg *m = after ? TAILQ_NEXT(after, link) : TAILQ_FIRST(&s->queue);

	if (m) {
		m = mind_mark_locked(s, r, m, gone);
		if (!m && r->done)
			return NULL;
	}
	while (m && *skip >= sock_msg_unread(m)) {
		*skip -= sock_msg_unread(m);
		m = TAILQ_NEXT(m, link);
	}
	if (!m && r->done < target && !after)
		*result = wait_locked(s, task);
	return m;
}

static ssize_t stream_locked(struct sock *s, struct sock_recv *r, struct sched_task *task,
			     struct sock_msgs *gone, struct sock **from)
{
	size_t target = r->all && !r->peek ? r->done + r->x->left : 1;
	size_t skip = r->peek && s->peek_off > 0 ? (size_t)s->peek_off : 0;
	struct sock_msg *m, *seen = NULL;
	ssize_t result = 0;

	if (s->state != SOCK_CONNECTED)
		return -EINVAL;
	/* Who asks for nothing waits for something to come, all the same. */
	if (!r->x->left && !r->done && TAILQ_EMPTY(&s->queue))
		return wait_locked(s, task);
	while (r->x->left) {
		m = stream_next_locked(s, r, seen, &skip, target, task, gone, &result);
		if (!m)
			break;
		if (r->got && r->split && !same_sender(r, m))
			break;
		if (!r->got) {
			see_message(r, m);
			*from = sock_get(m->from);
		}
		if (!stream_take_locked(s, r, m, skip, gone, &result))
			break;
		skip = 0;
		seen = r->peek ? m : NULL;
	}
	return result;
}

/* The urgent byte. Taken, it leaves the mark; of two marks next to each other one is enough. */
static ssize_t urgent_locked(struct sock *s, struct sock_recv *r, struct sock_msgs *gone)
{
	struct sock_msg *m = s->oob, *before;
	ssize_t n;

	if (s->state != SOCK_CONNECTED || s->oob_inline || !m)
		return -EINVAL;
	if (!r->peek)
		s->oob = NULL;
	sock_msg_get(m);
	pthread_mutex_unlock(&s->lock);
	n = r->x->left ? r->x->copy(r->x, m->data, 1) : 1;
	pthread_mutex_lock(&s->lock);
	sock_msg_put(m);
	/* As on Linux, it is taken even if it cannot be stored. */
	if (!r->peek) {
		m->off = m->len;
		s->bytes--;
		before = TAILQ_PREV(m, sock_msgs, link);
		if (before && !sock_msg_unread(before))
			pass_over_locked(s, before, gone);
	}
	if (n < 1)
		return -EFAULT;
	r->done = 1;
	return 1;
}

static ssize_t recv_stream(struct sock *s, struct sock_recv *r, struct sched_task *task)
{
	struct sock_msgs gone = TAILQ_HEAD_INITIALIZER(gone);
	struct sock *from = NULL;
	ssize_t result;
	bool left;

	pthread_mutex_lock(&s->recv_lock);
	pthread_mutex_lock(&s->lock);
	result = r->oob ? urgent_locked(s, r, &gone) : stream_locked(s, r, task, &gone, &from);
	left = s->nmsgs;
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_unlock(&s->recv_lock);
	if (left)
		waitq_hand_on(&s->readable);
	name_of(r, from);
	sock_msgs_free(&gone);
	if (result == -EBLOCKED)
		return result;
	return r->done ? (ssize_t)r->done : result;
}

/* Room has come: for who waits to send, and for who polls to send to its peer. s->lock not held. */
static void tell_senders(struct sock *s)
{
	struct sock *sender;

	waitq_hand(&s->room);
	pthread_mutex_lock(&sock_links);
	TAILQ_FOREACH (sender, &s->senders, in_senders)
		waitq_hand(&sender->writable);
	pthread_mutex_unlock(&sock_links);
}

static void copy_out(struct sock_recv *r, struct sock_msg *m, size_t skip, ssize_t *result)
{
	size_t want = m->len - skip < r->x->left ? m->len - skip : r->x->left;
	ssize_t n = want ? r->x->copy(r->x, m->data + skip, want) : 0;

	if (n < (ssize_t)want)
		*result = -EFAULT;
	else
		r->done = want;
}

static ssize_t recv_message(struct sock *s, struct sock_recv *r, struct sched_task *task)
{
	struct sock_msgs gone = TAILQ_HEAD_INITIALIZER(gone);
	struct sock *from = NULL;
	struct sock_msg *m;
	bool links = false, left, was_full = false;
	ssize_t result = 0;
	size_t skip, len = 0;

	pthread_mutex_lock(&s->lock);
	m = first_locked(s, r, &links, &skip);
	if (s->kind == SOCK_KIND_PACKET && s->state != SOCK_CONNECTED)
		result = -ENOTCONN;
	else if (!m)
		result = wait_locked(s, task);
	if (m && !result) {
		see_message(r, m);
		from = sock_get(m->from);
		r->full = m->len - skip;
		len = m->len;
		was_full = sock_full_locked(s);
		take_rights_locked(r, m);
		sock_msg_get(m);
		m->peeked = m->peeked || r->peek;
		if (!r->peek) {
			s->bytes -= m->len;
			remove_locked(s, m, &gone);
		}
	} else {
		m = NULL;
	}
	left = s->nmsgs;
	was_full = was_full && !sock_full_locked(s);
	pthread_mutex_unlock(&s->lock);
	if (links)
		pthread_mutex_unlock(&sock_links);
	if (left)
		waitq_hand_on(&s->readable);
	/* As on Linux, it is taken even if it cannot be stored. */
	if (m) {
		copy_out(r, m, skip, &result);
		if (!result)
			move_peek_off(s, r->peek ? -(long)r->done : (long)len);
	}
	sock_msg_put(m);
	if (was_full)
		tell_senders(s);
	else if (!TAILQ_EMPTY(&gone) && s->kind == SOCK_KIND_DGRAM)
		waitq_hand_on(&s->room);
	name_of(r, from);
	sock_msgs_free(&gone);
	return result ? result : (ssize_t)r->done;
}

void sock_recv_fini(struct sock_recv *r)
{
	sock_rights_free(r->rights);
	r->rights = NULL;
}

ssize_t sock_recv(struct sock *s, struct sock_recv *r, struct sched_task *task)
{
	return s->kind == SOCK_KIND_STREAM ? recv_stream(s, r, task) : recv_message(s, r, task);
}
