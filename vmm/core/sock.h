/*
 * Local sockets: byte streams, datagrams and connected packets between processes of one kernel,
 * with open files and the sender's identity as passengers.
 *
 * The core knows queues, connections and what is in flight; names, system calls and options
 * are the personality's. A sock belongs to one open file (sock_attach), or is a connection that
 * nobody has accepted yet.
 *
 * One lock, `links` (sock_priv.h), protects what two socks have to do with each other: who
 * is whose peer, listening, closing, and messages that carry files on their way in or out of
 * a queue. Under it sock->lock protects one sock's state and queue; two of those are never held
 * together. Data without files takes sock->lock alone; copies run under it, so mm->lock is below.
 *
 * Files in flight can make a circle: a socket in the queue of another, which is in its own.
 * Whatever no descriptor can reach any more is found and closed when a socket closes (sock_gc.c).
 *
 * All queues together have a soft budget of bytes. Over it a sender gets what it needs only if none
 * of its messages waits to be received, so that everybody keeps moving.
 */
#ifndef VMBOX_CORE_SOCK_H
#define VMBOX_CORE_SOCK_H

#include "async.h"
#include "core.h"
#include "waitq.h"

#define SOCK_NAME_MAX      112
#define SOCK_SNDBUF        212992     /* net.core.wmem_default */
#define SOCK_RIGHTS_MAX    253        /* SCM_MAX_FD: files in one message */
#define SOCK_INFLIGHT_MAX  65536      /* files in flight, all together */
#define SOCK_DGRAM_BACKLOG 10         /* net.unix.max_dgram_qlen */
#define SOCK_BUDGET        (64 << 20) /* bytes in all queues */

struct file;
struct sock;
struct sock_msg;

enum sock_kind { SOCK_KIND_STREAM, SOCK_KIND_DGRAM, SOCK_KIND_PACKET };

/* Who sent it. The core only compares. */
struct sock_cred {
	uint32_t pid, uid, gid;
};

/* The other groups of who made a connection. Refcounted, immutable. */
struct sock_groups {
	_Atomic unsigned refs;
	unsigned n;
	uint32_t ids[];
};
/* NULL: no memory. */
struct sock_groups *sock_groups_create(const uint32_t *ids, unsigned n);
void sock_groups_put(struct sock_groups *g); /* NULL allowed */

/* Files on their way: a reference each. */
struct sock_rights {
	unsigned n;
	struct sock_right {
		struct file *file;
		struct sock *sock; /* the one that it is, or NULL: not a socket */
	} r[];
};

/* ---- life ---- */

/* One reference; unnamed, unconnected. NULL: no memory. */
struct sock *sock_create(enum sock_kind kind);
struct sock *sock_get(struct sock *s);
void sock_put(struct sock *s); /* NULL allowed */
/* f is s's open file from now on (borrowed: f's release calls sock_release). */
void sock_attach(struct sock *s, struct file *f);
/*
 * s's file is gone: peers learn it, what is queued is dropped. Drops the file's reference. No lock
 * held: files may be closed.
 */
void sock_release(struct sock *s);

enum sock_kind sock_kind(const struct sock *s);
/* Bytes that name s, at most SOCK_NAME_MAX; once. 0, -EINVAL: it has a name. */
int sock_set_name(struct sock *s, const void *name, unsigned len);
/* Copies s's name (peer: its peer's) to buf[SOCK_NAME_MAX]: its length, 0: none; -ENOTCONN. */
int sock_name(struct sock *s, bool peer, void *buf);

/* ---- connections ---- */

/* Two fresh ones become each other's peer. by: who SO_PEERCRED shows. */
void sock_pair(struct sock *a, struct sock *b, const struct sock_cred *by);
/* 0; -EINVAL: it is connected. A listener may change its backlog. */
int sock_listen(struct sock *s, unsigned backlog, const struct sock_cred *by);
/*
 * Stream and packet: 0; -ECONNREFUSED: `to` does not listen; -EAGAIN: its backlog is full and task
 * is NULL; -EISCONN; -EINVAL: s listens; -ENOMEM; -EBLOCKED.
 */
int sock_connect(struct sock *s, struct sock *to, const struct sock_cred *by,
		 struct sched_task *task);
/* Datagrams: where they go and whence they come; NULL: anywhere. 0, -EPERM: `to` has another peer;
 * -ECONNREFUSED: it is closed. */
int sock_connect_dgram(struct sock *s, struct sock *to);
/* The first connection: *out with the caller's reference. 0, -EAGAIN, -EINVAL: s does not listen;
 * -EBLOCKED. */
int sock_accept(struct sock *s, struct sched_task *task, struct sock **out);
/* shutdown(2). */
void sock_shutdown(struct sock *s, bool rd, bool wr);
bool sock_listening(struct sock *s);
bool sock_connected(struct sock *s);
/* It has a peer, alive or not. */
bool sock_has_peer(struct sock *s);
/* Who was at the other end when the connection was made. False: nobody. */
bool sock_peer_cred(struct sock *s, struct sock_cred *out);
/* The groups of who makes a pair, connects or listens with s: before that. Takes over the
 * reference. */
void sock_set_groups(struct sock *s, struct sock_groups *g);
/* With a reference, those of sock_peer_cred's. NULL: none, or not known. */
struct sock_groups *sock_peer_groups(struct sock *s);

/* ---- messages ---- */

struct sock_send {
	/* the caller's; x->left tells what is not sent yet */
	struct xfer *x;
	struct sock *to; /* datagrams: whither; NULL: the peer */
	struct sock_cred cred;
	bool show_cred;             /* attach cred though neither end asks for it */
	bool oob;                   /* a stream's last byte is urgent; x is not empty */
	struct sock_rights *rights; /* taken over by the first message that goes: then NULL */
	/* the core's, zero at first */
	struct sock_msg *msg; /* made, but not delivered yet */
	size_t back; /* bytes of x that were copied and not delivered: give them back (then 0) */
};
/* When the call is over, whatever its result. Closes what was not sent. */
void sock_send_fini(struct sock_send *m);

/*
 * A stream sends all of x (a run may both send and block: then -EBLOCKED); others one message.
 * Bytes sent in this run; -EPIPE: shut down; -ENOTCONN; -EMSGSIZE; -ECONNREFUSED: a datagram's
 * receiver is gone (if it was the peer, it is no more); -EPERM: it has another peer; -EAGAIN: task
 * is NULL; -EFAULT; -ENOMEM; -ENOBUFS; -ETOOMANYREFS: too many files in flight; s's pending error;
 * -EBLOCKED.
 */
ssize_t sock_send(struct sock *s, struct sock_send *m, struct sched_task *task);

struct sock_recv {
	/* the caller's */
	struct xfer *x;
	bool peek;
	bool all;   /* a stream fills x */
	bool oob;   /* a stream's urgent byte alone */
	bool split; /* a stream does not join messages of different senders' identity */
	/* results, zero at first */
	size_t done; /* bytes, of all runs */
	size_t full; /* length of the whole message, unless a stream */
	bool got;    /* a message was there: what follows is its */
	bool have_cred;
	struct sock_cred cred;
	struct sock_rights *rights; /* the caller's */
	uint8_t name[SOCK_NAME_MAX];
	unsigned name_len;
};
/* Drops r->rights. */
void sock_recv_fini(struct sock_recv *r);
void sock_rights_free(struct sock_rights *rights);

/*
 * Bytes; 0: an empty message (got), or the end (!got); -EAGAIN; -EINVAL, -ENOTCONN: not connected;
 * -EFAULT; s's pending error; -EBLOCKED. With oob: -EINVAL also if there is no urgent byte, or it
 * is to be read like any other; it never blocks.
 *
 * An urgent byte is where the stream's mark is. A read stops before it; one that begins there
 * passes over it, unless it is read like any other. Where one was taken the mark stays until
 * something is read behind it: a message with nothing left in it.
 */
ssize_t sock_recv(struct sock *s, struct sock_recv *r, struct sched_task *task);

/* POLL* that hold; queues task (may be NULL) first. */
unsigned sock_poll(struct sock *s, struct sched_task *task);
/* Who is told of its events: sockets of streams that block readers meanwhile are not. */
struct async_list *sock_async(struct sock *s);
/* The queues that are woken when its answer changes. */
unsigned sock_queues(struct sock *s, struct waitq *wq[2]);

/* ---- options ---- */

/* The pending error, positive, which is then forgotten. */
int sock_take_error(struct sock *s);
/* FIONREAD: bytes that the next calls can read; first: of one message only. -EINVAL: a listener. */
long sock_bytes(struct sock *s);
/* SIOCATMARK: what is read next is behind the mark, or urgent. */
bool sock_at_mark(struct sock *s);
/* SO_OOBINLINE. */
void sock_set_oob_inline(struct sock *s, bool on);
/* SO_PEEK_OFF: negative: none, as at first. */
void sock_set_peek_off(struct sock *s, int off);
int sock_peek_off(const struct sock *s);
/* Bytes sent by s and not yet received, as sndbuf counts them. */
size_t sock_unreceived(struct sock *s);
void sock_set_sndbuf(struct sock *s, size_t bytes);
size_t sock_sndbuf(struct sock *s);
/* Both ends' messages carry the sender's identity: SO_PASSCRED and SO_PASSPIDFD. */
#define SOCK_PASS_CRED  1u
#define SOCK_PASS_PIDFD 2u
void sock_set_pass(struct sock *s, unsigned what, bool on);
unsigned sock_pass(const struct sock *s);

/* References to it: the file's, and those of its peer, its messages and its listener. */
unsigned sock_refs(const struct sock *s);

/* For tests and for the limit: files in flight; sockets that exist; queued bytes. */
size_t sock_inflight(void);
size_t sock_count(void);
size_t sock_budget_used(void);
void sock_set_budget(size_t bytes);

#endif
