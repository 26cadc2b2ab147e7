/* Local sockets: options, and what else can be asked of one. See sock.h. */
#include "sock_priv.h"

int sock_take_error(struct sock *s)
{
	int err;

	pthread_mutex_lock(&s->lock);
	err = s->err;
	s->err = 0;
	pthread_mutex_unlock(&s->lock);
	return err;
}

long sock_bytes(struct sock *s)
{
	struct sock_msg *m;
	long n;

	pthread_mutex_lock(&s->lock);
	m = TAILQ_FIRST(&s->queue);
	if (s->state == SOCK_LISTENS)
		n = -EINVAL;
	else if (s->kind == SOCK_KIND_DGRAM)
		n = m ? (long)m->len : 0;
	else
		n = (long)s->bytes;
	pthread_mutex_unlock(&s->lock);
	return n;
}

bool sock_at_mark(struct sock *s)
{
	struct sock_msg *m;
	bool yes;

	pthread_mutex_lock(&s->recv_lock);
	pthread_mutex_lock(&s->lock);
	m = TAILQ_FIRST(&s->queue);
	yes = m &&
	      (m == s->oob || (!sock_msg_unread(m) && (!s->oob || TAILQ_NEXT(m, link) == s->oob)));
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_unlock(&s->recv_lock);
	return yes;
}

void sock_set_oob_inline(struct sock *s, bool on)
{
	s->oob_inline = on;
}

void sock_set_peek_off(struct sock *s, int off)
{
	s->peek_off = off;
}

int sock_peek_off(const struct sock *s)
{
	return s->peek_off;
}

size_t sock_unreceived(struct sock *s)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->sent;
	pthread_mutex_unlock(&s->lock);
	return n;
}

void sock_set_sndbuf(struct sock *s, size_t bytes)
{
	pthread_mutex_lock(&s->lock);
	s->sndbuf = bytes;
	pthread_mutex_unlock(&s->lock);
	waitq_wake_all(&s->writable);
}

size_t sock_sndbuf(struct sock *s)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->sndbuf;
	pthread_mutex_unlock(&s->lock);
	return n;
}

void sock_set_pass(struct sock *s, unsigned what, bool on)
{
	if (on)
		atomic_fetch_or(&s->pass, what);
	else
		atomic_fetch_and(&s->pass, ~what);
}

unsigned sock_pass(const struct sock *s)
{
	return s->pass;
}
