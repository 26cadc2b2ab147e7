/*
 * send, sendto, sendmsg, sendmmsg and their counterparts: send(2), recv(2), sendmmsg(2),
 * recvmmsg(2).
 *
 * One message is decoded on its first run and kept in the call's state until it has gone; the calls
 * of many messages go on with the next one then.
 */
#include "socket.h"

#include <stdlib.h>
#include <string.h>

/* struct msghdr and mmsghdr of 64-bit machines. */
struct msghdr_k {
	uint64_t name;
	int32_t namelen, pad;
	uint64_t iov, iovlen, control, controllen;
	int32_t flags, pad2;
};
struct mmsghdr_k {
	struct msghdr_k hdr;
	uint32_t len, pad;
};

struct transfer {
	bool begun; /* the message at hand is decoded */
	struct uio u;
	size_t total;
	struct sock_send send;
	struct sock_recv recv;
	struct msghdr_k hdr;
	int flags;
	uint64_t at;   /* guest address of the header; 0: the call had none */
	unsigned done; /* messages that are through: sendmmsg, recvmmsg */
};

/* The message at hand is over. */
static void transfer_reset(struct transfer *x)
{
	uio_fini(&x->u);
	sock_send_fini(&x->send);
	sock_put(x->send.to);
	sock_recv_fini(&x->recv);
	memset(&x->send, 0, sizeof(x->send));
	memset(&x->recv, 0, sizeof(x->recv));
	x->begun = false;
}

static void transfer_free(void *state)
{
	transfer_reset(state);
}

static struct transfer *transfer_state(struct call *c)
{
	struct transfer *x = call_state(c, sizeof(*x));

	if (x && !c->state_free) {
		x->u.segs = NULL;
		c->state_free = transfer_free;
	}
	return x;
}

/* The socket of args[0] and the call's transfer, made on its first run. NULL and *err. */
static struct transfer *call_transfer(struct task *t, struct call *c, struct socket **so, int *err)
{
	struct transfer *x;

	*so = call_socket(t, c, (int)c->args[0], err);
	if (!*so)
		return NULL;
	x = transfer_state(c);
	if (!x)
		*err = -ENOMEM;
	return x;
}

static bool nonblocking(const struct call *c, int flags)
{
	return flags & MSG_DONTWAIT || c->file[0]->flags & O_NONBLOCK;
}

static int get_header(struct task *t, uint64_t addr, struct transfer *x)
{
	if (copy_from_guest(task_mm(t), &x->hdr, gva(addr), sizeof(x->hdr)))
		return -EFAULT;
	x->at = addr;
	if (x->hdr.namelen < 0)
		return -EINVAL;
	if (!x->hdr.name)
		x->hdr.namelen = 0;
	if (x->hdr.namelen > (int)sizeof(struct sockaddr_storage))
		x->hdr.namelen = (int)sizeof(struct sockaddr_storage);
	if (x->hdr.iovlen > UIO_MAXIOV)
		return -EMSGSIZE;
	return 0;
}

/* ---- sending ---- */

/* Whither a datagram goes, if an address was given. */
static int send_address(struct task *t, struct socket *so, struct transfer *x, uint64_t addr,
			int len)
{
	struct sockaddr_un a;
	unsigned alen;
	int err = sockaddr_from_guest(t, addr, (uint64_t)len, &a, &alen);

	if (err)
		return err;
	if (so->type == SOCK_STREAM)
		return sock_connected(so->s) ? -EISCONN : -EOPNOTSUPP;
	/* A packet's way is its connection's, whatever the address. */
	if (so->type == SOCK_SEQPACKET)
		return 0;
	if (alen <= UNIX_PATH || alen > sizeof(a) || a.sun_family != AF_UNIX)
		return -EINVAL;
	return unix_find(t, &a, alen, SOCK_KIND_DGRAM, &x->send.to);
}

static int send_begin(struct task *t, struct socket *so, struct transfer *x, uint64_t addr, int len)
{
	int err = 0;

	x->begun = true;
	x->total = x->u.x.left;
	x->send.x = &x->u.x;
	if (!x->send.show_cred)
		task_sock_cred(t, &x->send.cred);
	x->send.oob = x->flags & MSG_OOB;
	if (x->send.oob && (so->type != SOCK_STREAM || !x->total))
		return -EOPNOTSUPP;
	if (addr && len)
		err = send_address(t, so, x, addr, len);
	if (!err && so->type == SOCK_DGRAM && sock_pass(so->s))
		err = unix_autobind(t, so);
	return err;
}

/* The header at addr and what it points to. */
static int sendmsg_begin(struct task *t, struct socket *so, struct transfer *x, uint64_t addr)
{
	struct scm scm = {.rights = NULL};
	int err = get_header(t, addr, x);

	x->begun = true;
	if (!err)
		err = uio_init_iov(&x->u, task_mm(t), false, gva(x->hdr.iov), x->hdr.iovlen);
	if (err)
		return err;
	if (x->hdr.controllen > INT32_MAX)
		return -ENOBUFS;
	err = scm_from_guest(t, x->hdr.control, x->hdr.control ? x->hdr.controllen : 0, &scm);
	x->send.rights = scm.rights;
	x->send.show_cred = scm.have_cred;
	x->send.cred = scm.cred;
	return err ? err : send_begin(t, so, x, x->hdr.name, x->hdr.namelen);
}

/* One run of the message at hand: bytes, an error or -EBLOCKED. */
static long send_run(struct task *t, struct call *c, struct socket *so, struct transfer *x)
{
	bool nonblock = nonblocking(c, x->flags);
	struct sched_task *task = socket_waiter(t, c, nonblock, so->sndtimeo);
	ssize_t r = sock_send(so->s, &x->send, task);
	size_t done;

	if (x->send.back) {
		xfer_back(&x->u.x, x->send.back);
		x->send.back = 0;
	}
	if (r == -EBLOCKED)
		return r;
	done = x->total - x->u.x.left;
	if (so->type != SOCK_STREAM)
		return r >= 0 ? r : socket_result(c, r, nonblock, so->sndtimeo);
	if (done || r >= 0)
		return (long)done;
	if (r == -EPIPE)
		return socket_pipe(t, x->flags & MSG_NOSIGNAL);
	return socket_result(c, r, nonblock, so->sndtimeo);
}

long sys_sendto(struct task *t, struct call *c)
{
	struct socket *so;
	int err;
	struct transfer *x = call_transfer(t, c, &so, &err);

	if (!x)
		return err;
	if (!c->rerun) {
		err = uio_init(&x->u, task_mm(t), false, c->args[1], c->args[2]);
		x->flags = (int)c->args[3];
		if (!err)
			err = send_begin(t, so, x, c->args[4], (int)c->args[5]);
		if (err)
			return err;
	}
	return send_run(t, c, so, x);
}

long sys_sendmsg(struct task *t, struct call *c)
{
	struct socket *so;
	int err;
	struct transfer *x = call_transfer(t, c, &so, &err);

	if (!x)
		return err;
	if (!c->rerun) {
		x->flags = (int)c->args[2];
		err = sendmsg_begin(t, so, x, c->args[1]);
		if (err)
			return err;
	}
	return send_run(t, c, so, x);
}

/* What many messages return: how many went, or why none did. */
static long many_result(struct transfer *x, long err)
{
	return x->done ? (long)x->done : err;
}

long sys_sendmmsg(struct task *t, struct call *c)
{
	unsigned n = (unsigned)c->args[2] < UIO_MAXIOV ? (unsigned)c->args[2] : UIO_MAXIOV;
	struct socket *so;
	int err;
	struct transfer *x = call_transfer(t, c, &so, &err);

	if (!x)
		return err;
	/* What has gone is not sent again. */
	host_call_keeps(c);
	for (; x->done < n; x->done++) {
		uint64_t at = c->args[1] + x->done * sizeof(struct mmsghdr_k);
		uint32_t len;
		long r = 0;

		if (!x->begun) {
			x->flags = (int)c->args[3];
			r = sendmsg_begin(t, so, x, at);
		}
		if (!r)
			r = send_run(t, c, so, x);
		if (r == -EBLOCKED)
			return r;
		if (r == -EHOSTWAIT) {
			transfer_reset(x);
			return r;
		}
		len = (uint32_t)r;
		if (r >= 0 && copy_to_guest(task_mm(t), gva(at + offsetof(struct mmsghdr_k, len)),
					    &len, sizeof(len)))
			r = -EFAULT;
		transfer_reset(x);
		if (r < 0)
			return many_result(x, r);
	}
	return many_result(x, 0);
}

/* ---- receiving ---- */

static int recv_begin(struct socket *so, struct transfer *x)
{
	x->begun = true;
	x->recv.x = &x->u.x;
	x->recv.peek = x->flags & MSG_PEEK;
	x->recv.all = x->flags & MSG_WAITALL;
	x->recv.split = sock_pass(so->s);
	x->recv.oob = x->flags & MSG_OOB;
	return x->recv.oob && so->type != SOCK_STREAM ? -EOPNOTSUPP : 0;
}

/* Bytes, an error or -EBLOCKED; *trunc: the message was longer. */
static long recv_run(struct task *t, struct call *c, struct socket *so, struct transfer *x,
		     bool *trunc)
{
	bool nonblock = nonblocking(c, x->flags);
	struct sched_task *task = socket_waiter(t, c, nonblock, so->rcvtimeo);
	ssize_t r = sock_recv(so->s, &x->recv, task);

	*trunc = so->type != SOCK_STREAM && x->recv.full > x->recv.done;
	if (r >= 0 && so->type != SOCK_STREAM && x->flags & MSG_TRUNC)
		return (long)x->recv.full;
	return r == -EBLOCKED ? r : socket_result(c, r, nonblock, so->rcvtimeo);
}

long sys_recvfrom(struct task *t, struct call *c)
{
	struct socket *so;
	bool trunc;
	long r;
	int err;
	struct transfer *x = call_transfer(t, c, &so, &err);

	if (!x)
		return err;
	if (!c->rerun) {
		err = uio_init(&x->u, task_mm(t), true, c->args[1], c->args[2]);
		x->flags = (int)c->args[3];
		if (!err)
			err = recv_begin(so, x);
		if (err)
			return err;
	}
	r = recv_run(t, c, so, x, &trunc);
	if (r < 0 || !c->args[4])
		return r;
	err = 0;
	if (x->recv.name_len) {
		err = sockaddr_to_guest(t, c->args[4], c->args[5], x->recv.name, x->recv.name_len);
	} else {
		int zero = 0, len;

		/* No name, no address; a bad length is still an error. */
		if (copy_from_guest(task_mm(t), &len, gva(c->args[5]), sizeof(len)))
			err = -EFAULT;
		else if (len < 0)
			err = -EINVAL;
		else
			err = copy_to_guest(task_mm(t), gva(c->args[5]), &zero, sizeof(zero));
	}
	return err ? err : r;
}

/* The results go into the header at x->at. */
static int put_header(struct task *t, struct socket *so, struct transfer *x, bool trunc)
{
	struct mm *mm = task_mm(t);
	int flags = (x->flags & (MSG_CMSG_CLOEXEC | MSG_OOB)) | (trunc ? MSG_TRUNC : 0);
	int namelen = 0, room = x->hdr.namelen, whole;
	uint64_t len = x->hdr.controllen;
	uint8_t a[sizeof(struct sockaddr_un) + 8] = {AF_UNIX, 0};

	if (x->recv.got || !x->hdr.control)
		scm_to_guest(t, x->hdr.control, &len, &x->recv, sock_pass(so->s),
			     x->flags & MSG_CMSG_CLOEXEC, &flags);
	else
		len = 0;
	if (x->hdr.name && x->recv.name_len) {
		whole = (int)(UNIX_PATH + x->recv.name_len);
		memcpy(a + UNIX_PATH, x->recv.name, x->recv.name_len);
		if (copy_to_guest(mm, gva(x->hdr.name), a, (size_t)(room < whole ? room : whole)))
			return -EFAULT;
		namelen = whole;
	}
	if (x->hdr.name && copy_to_guest(mm, gva(x->at + offsetof(struct msghdr_k, namelen)),
					 &namelen, sizeof(namelen)))
		return -EFAULT;
	if (copy_to_guest(mm, gva(x->at + offsetof(struct msghdr_k, flags)), &flags,
			  sizeof(flags)) ||
	    copy_to_guest(mm, gva(x->at + offsetof(struct msghdr_k, controllen)), &len,
			  sizeof(len)))
		return -EFAULT;
	return 0;
}

static int recvmsg_begin(struct task *t, struct socket *so, struct transfer *x, uint64_t addr)
{
	int err = get_header(t, addr, x);

	x->begun = true;
	if (!err)
		err = uio_init_iov(&x->u, task_mm(t), true, gva(x->hdr.iov), x->hdr.iovlen);
	return err ? err : recv_begin(so, x);
}

static long recvmsg_run(struct task *t, struct call *c, struct socket *so, struct transfer *x)
{
	bool trunc;
	long r = recv_run(t, c, so, x, &trunc);
	int err;

	if (r < 0)
		return r;
	err = put_header(t, so, x, trunc);
	return err ? err : r;
}

long sys_recvmsg(struct task *t, struct call *c)
{
	struct socket *so;
	int err;
	struct transfer *x = call_transfer(t, c, &so, &err);

	if (!x)
		return err;
	if (!c->rerun) {
		x->flags = (int)c->args[2];
		err = recvmsg_begin(t, so, x, c->args[1]);
		if (err)
			return err;
	}
	return recvmsg_run(t, c, so, x);
}

/* The time is looked at only between messages, as on Linux: recvmmsg(2) calls that a bug. */
static long recvmmsg_begin(struct task *t, struct call *c)
{
	int64_t ns;
	int err;

	c->word = INT64_MAX;
	if (!c->args[4])
		return 0;
	err = timespec_from_guest(task_mm(t), gva(c->args[4]), &ns);
	if (err)
		return err;
	c->word = (uint64_t)time_add(core_now(), ns);
	return 0;
}

static void recvmmsg_put_time(struct task *t, struct call *c)
{
	int64_t left = (int64_t)c->word - core_now();

	if (c->args[4])
		timespec_to_guest(task_mm(t), gva(c->args[4]), left > 0 ? left : 0);
}

long sys_recvmmsg(struct task *t, struct call *c)
{
	unsigned n = (unsigned)c->args[2] < UIO_MAXIOV ? (unsigned)c->args[2] : UIO_MAXIOV;
	struct socket *so;
	int err;
	struct transfer *x = call_transfer(t, c, &so, &err);
	long r = 0;

	if (!c->rerun) {
		r = recvmmsg_begin(t, c);
		if (r)
			return r;
	}
	if (!x)
		return err;
	while (x->done < n) {
		uint64_t at = c->args[1] + x->done * sizeof(struct mmsghdr_k);
		uint32_t len;

		r = 0;
		if (!x->begun) {
			x->flags = (int)c->args[3] & ~MSG_WAITFORONE;
			if ((int)c->args[3] & MSG_WAITFORONE && x->done)
				x->flags |= MSG_DONTWAIT;
			r = recvmsg_begin(t, so, x, at);
		}
		if (!r)
			r = recvmsg_run(t, c, so, x);
		if (r == -EBLOCKED)
			return r;
		len = (uint32_t)r;
		if (r >= 0 && copy_to_guest(task_mm(t), gva(at + offsetof(struct mmsghdr_k, len)),
					    &len, sizeof(len)))
			r = -EFAULT;
		transfer_reset(x);
		if (r < 0)
			break;
		x->done++;
		if (core_now() >= (int64_t)c->word)
			break;
	}
	recvmmsg_put_time(t, c);
	return many_result(x, r < 0 ? r : 0);
}
