/*
 * Local sockets' inside: see sock.h.
 *
 * sock_links protects peers, listening and closing, files in flight and `inflight`.
 * s->recv_lock is held by who receives from a stream, also while the bytes go to the guest, for
 * which no other lock is held: recv_lock > sock_links > s->lock.
 */
#ifndef VMBOX_CORE_SOCK_PRIV_H
#define VMBOX_CORE_SOCK_PRIV_H

#include "file.h"
#include "sched.h"
#include "sock.h"

#define SOCK_OVERHEAD 512   /* what a message costs besides its bytes, as Linux's truesize */
#define SOCK_CHUNK    32768 /* the most that one message of a stream holds */
#define SOCK_LEAN     4096  /* over the budget: the same */

#define SHUT_READ  1u
#define SHUT_WRITE 2u
#define SHUT_BOTH  3u

struct sock_msg {
	TAILQ_ENTRY(sock_msg) link;
	_Atomic unsigned refs; /* the queue's, and of those that copy it out with no lock */
	struct sock *from;     /* a reference; charged with `charge` */
	size_t charge;
	size_t len, off; /* off: read already; all of it: where an urgent byte was */
	bool peeked;     /* an empty one that a peek at an offset has seen */
	struct sock_cred cred;
	bool have_cred;
	bool urgent;                /* a stream's urgent byte */
	struct sock_rights *rights; /* or NULL */
	uint8_t data[];
};

TAILQ_HEAD(sock_msgs, sock_msg);
TAILQ_HEAD(sock_list, sock);

enum sock_state { SOCK_CLOSED, SOCK_LISTENS, SOCK_CONNECTED };

struct sock {
	/* immutable: */
	enum sock_kind kind;
	_Atomic unsigned refs;
	_Atomic unsigned pass;   /* SOCK_PASS_* */
	_Atomic bool oob_inline; /* urgent bytes are read like any others */
	_Atomic int peek_off;    /* where the next peek begins; negative: always at the front */

	pthread_mutex_t recv_lock; /* a stream's readers, one after the other */
	pthread_mutex_t lock;
	/* protected by lock: */
	enum sock_state
		state; /* changed with sock_links held, too: either lock protects a reader */
	unsigned shut;
	int err;
	bool dead;
	struct sock_msgs queue;
	unsigned nmsgs;
	size_t bytes; /* unread */
	struct sock_msg
		*oob; /* in queue: an urgent byte that was neither read nor passed, or NULL */
	size_t sent;  /* charge of its messages that are not received */
	size_t sndbuf;
	unsigned backlog;
	unsigned npending; /* of `pending` */
	uint8_t name[SOCK_NAME_MAX];
	unsigned name_len;
	struct sock_cred own, other; /* who made or listens; who is at the other end */
	bool have_other;
	struct sock_groups *own_groups, *other_groups; /* the same people's */
	struct sock
		*peer; /* a reference; changed with sock_links held, too. A connection's stays */

	/* protected by sock_links: */
	struct file *file;        /* borrowed; NULL: not accepted */
	struct sock_list pending; /* a listener's: references */
	TAILQ_ENTRY(sock) in_pending;
	struct sock_list senders; /* datagram socks whose peer this is: no references */
	TAILQ_ENTRY(sock) in_senders;
	bool is_sender;
	unsigned inflight; /* of file's references: in messages that are queued */
	TAILQ_ENTRY(sock) in_flight;
	unsigned inner; /* the collector's */
	bool suspect;

	/* have their own locks: */
	struct waitq readable, writable;
	struct waitq room; /* who waits to send to it, or to connect */
	struct async_list async;
	_Atomic bool nospace; /* since a sender found no room: who is told when there is */
};

extern pthread_mutex_t sock_links;

static inline size_t sock_msg_unread(const struct sock_msg *m)
{
	return m->len - m->off;
}

/* Whoever asked for it hears that s can be read, or has ended. Before the wake. */
void sock_tell_reader(struct sock *s, enum async_band band);

/* ---- sock_msg.c ---- */

/* Takes a queue's messages, which are then in flight no more. links and s->lock held. */
void sock_drop_queue_locked(struct sock *s, struct sock_msgs *out);
/* Frees them, and whatever closing their files brings along, without recursion. No lock held. */
void sock_msgs_free(struct sock_msgs *list);
/* The bytes of m stay readable until sock_msg_put. s->lock held. */
struct sock_msg *sock_msg_get(struct sock_msg *m);
void sock_msg_put(struct sock_msg *m); /* NULL allowed */
/* s can hold no more messages of strangers. */
bool sock_full_locked(const struct sock *s);
bool sock_writable_locked(const struct sock *s);
/* Counts bytes against the budget (negative: gives back). */
void sock_budget_add(long bytes);
bool sock_budget_over(void);

/* ---- sock_gc.c ---- */

/* The message's files are in flight from now on / no more. links held. 0 or -ETOOMANYREFS. */
int sock_rights_fly_locked(struct sock_rights *r);
void sock_rights_land_locked(struct sock_rights *r);
/* Something has happened that can make garbage. */
void sock_collect_soon(void);
/* Messages of unreachable sockets: *out. True: some. Looks only if there were enough reasons to. */
bool sock_collect(struct sock_msgs *out);

#endif
