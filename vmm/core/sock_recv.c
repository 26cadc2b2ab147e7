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

/* The first message, with links taken if it has files (*links). */
static struct sock_msg *first_locked(struct sock *s, bool *links)
{
	struct sock_msg *m = TAILQ_FIRST(&s->queue);

	if (!m || !m->rights || *links)
		return m;
	/* Another reader may take it meanwhile: look again. */
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_lock(&sock_links);
	pthread_mutex_lock(&s->lock);
	*links = true;
	return TAILQ_FIRST(&s->queue);
}

/*
 * Bytes of m to the guest. recv_lock and s->lock held; the latter not meanwhile: nobody else takes
 * anything from the queue, and it does not end while somebody is here to read it. False: nothing
 * could be stored.
 */
static bool stream_copy_locked(struct sock *s, struct sock_recv *r, struct sock_msg *m, size_t want,
			       size_t *done)
{
	ssize_t n;

	sock_msg_get(m);
	pthread_mutex_unlock(&s->lock);
	n = r->x->copy(r->x, m->data + m->off, want);
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

/* Moves bytes of m. False: stop here. */
static bool stream_take_locked(struct sock *s, struct sock_recv *r, struct sock_msg *m,
			       struct sock_msgs *gone, ssize_t *result)
{
	size_t want = m->len - m->off < r->x->left ? m->len - m->off : r->x->left, n;
	bool files = m->rights;

	if (!stream_copy_locked(s, r, m, want, &n)) {
		*result = -EFAULT;
		return false;
	}
	r->done += n;
	if (r->peek)
		return !files && n == want && r->x->left;
	m->off += n;
	s->bytes -= n;
	if (m->off < m->len)
		return false;
	remove_locked(s, m, gone);
	return !files && r->x->left;
}

static ssize_t stream_locked(struct sock *s, struct sock_recv *r, struct sched_task *task,
			     struct sock_msgs *gone, struct sock **from)
{
	size_t target = r->all && !r->peek ? r->done + r->x->left : 1;
	struct sock_msg *m, *seen = NULL;
	ssize_t result = 0;

	if (s->state != SOCK_CONNECTED)
		return -EINVAL;
	/* Who asks for nothing waits for something to come, all the same. */
	if (!r->x->left && !r->done && TAILQ_EMPTY(&s->queue))
		return wait_locked(s, task);
	while (r->x->left) {
		m = seen ? TAILQ_NEXT(seen, link) : TAILQ_FIRST(&s->queue);
		if (!m) {
			if (r->done < target && !seen)
				result = wait_locked(s, task);
			break;
		}
		if (r->got && r->split && !same_sender(r, m))
			break;
		if (!r->got) {
			see_message(r, m);
			*from = sock_get(m->from);
		}
		if (!stream_take_locked(s, r, m, gone, &result))
			break;
		seen = r->peek ? m : NULL;
	}
	return result;
}

static ssize_t recv_stream(struct sock *s, struct sock_recv *r, struct sched_task *task)
{
	struct sock_msgs gone = TAILQ_HEAD_INITIALIZER(gone);
	struct sock *from = NULL;
	ssize_t result;
	bool left;

	pthread_mutex_lock(&s->recv_lock);
	pthread_mutex_lock(&s->lock);
	result = stream_locked(s, r, task, &gone, &from);
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

static void copy_out(struct sock_recv *r, struct sock_msg *m, ssize_t *result)
{
	size_t want = m->len < r->x->left ? m->len : r->x->left;
	ssize_t n = want ? r->x->copy(r->x, m->data, want) : 0;

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

	pthread_mutex_lock(&s->lock);
	m = first_locked(s, &links);
	if (s->kind == SOCK_KIND_PACKET && s->state != SOCK_CONNECTED)
		result = -ENOTCONN;
	else if (!m)
		result = wait_locked(s, task);
	if (m && !result) {
		see_message(r, m);
		from = sock_get(m->from);
		r->full = m->len;
		was_full = sock_full_locked(s);
		take_rights_locked(r, m);
		sock_msg_get(m);
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
	if (m)
		copy_out(r, m, &result);
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
