/*
 * socket, socketpair, bind, listen, accept, connect, shutdown and the names. socket(2), unix(7),
 * ...
 */
#include "socket.h"

#include <stdlib.h>
#include <string.h>

#define SOMAXCONN_K 4096 /* net.core.somaxconn */
#define FAMILY_MAX  46
#define TYPE_MAX    11
#define TYPE_MASK   0xf
#define SOCK_FLAGS  (SOCK_CLOEXEC | SOCK_NONBLOCK)

/* ---- addresses ---- */

int sockaddr_from_guest(struct task *t, uint64_t addr, uint64_t len, struct sockaddr_un *out,
			unsigned *outlen)
{
	uint8_t raw[sizeof(struct sockaddr_storage)] = {0};
	int n = (int)len;

	if (n < 0 || n > (int)sizeof(raw))
		return -EINVAL;
	if (n && copy_from_guest(task_mm(t), raw, gva(addr), (size_t)n))
		return -EFAULT;
	memset(out, 0, sizeof(*out));
	memcpy(out, raw, (size_t)n < sizeof(*out) ? (size_t)n : sizeof(*out));
	*outlen = (unsigned)n;
	return 0;
}

/* unix_validate_addr. */
static int check_addr(const struct sockaddr_un *a, unsigned len)
{
	return len <= UNIX_PATH || len > sizeof(*a) || a->sun_family != AF_UNIX ? -EINVAL : 0;
}

int sockaddr_to_guest(struct task *t, uint64_t addr, uint64_t lenp, const void *name, unsigned len)
{
	uint8_t a[sizeof(struct sockaddr_un) + 8] = {AF_UNIX, 0};
	int room, whole = (int)(UNIX_PATH + len);

	memcpy(a + UNIX_PATH, name, len);
	if (copy_from_guest(task_mm(t), &room, gva(lenp), sizeof(room)))
		return -EFAULT;
	if (room > whole)
		room = whole;
	if (room < 0)
		return -EINVAL;
	if (room && copy_to_guest(task_mm(t), gva(addr), a, (size_t)room))
		return -EFAULT;
	return copy_to_guest(task_mm(t), gva(lenp), &whole, sizeof(whole));
}

/* ---- making ---- */

static int decode_type(uint64_t family, uint64_t type_arg, uint64_t protocol, int *type,
		       enum sock_kind *kind)
{
	int ty = (int)type_arg;

	if (ty & ~(TYPE_MASK | SOCK_FLAGS))
		return -EINVAL;
	ty &= TYPE_MASK;
	if ((int)family < 0 || (int)family >= FAMILY_MAX)
		return -EAFNOSUPPORT;
	if (ty >= TYPE_MAX)
		return -EINVAL;
	if ((int)family != AF_UNIX)
		return -EAFNOSUPPORT;
	if ((int)protocol && (int)protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	switch (ty) {
	case SOCK_STREAM:
		*kind = SOCK_KIND_STREAM;
		break;
	case SOCK_RAW:
		ty = SOCK_DGRAM; /* as Linux believes */
		*kind = SOCK_KIND_DGRAM;
		break;
	case SOCK_DGRAM:
		*kind = SOCK_KIND_DGRAM;
		break;
	case SOCK_SEQPACKET:
		*kind = SOCK_KIND_PACKET;
		break;
	default:
		return -ESOCKTNOSUPPORT;
	}
	*type = ty;
	return 0;
}

static int make(struct task *t, enum sock_kind kind, int type, uint64_t flags, struct file **out)
{
	struct sock *s = sock_create(kind);

	return s ? socket_file(t, s, type, (unsigned)flags & O_NONBLOCK, out) : -ENOMEM;
}

long sys_socket(struct task *t, struct call *c)
{
	enum sock_kind kind;
	struct file *f;
	int type, err = decode_type(c->args[0], c->args[1], c->args[2], &type, &kind);

	if (!err)
		err = make(t, kind, type, c->args[1], &f);
	return err ? err : install_file(t, f, c->args[1] & SOCK_CLOEXEC);
}

long sys_socketpair(struct task *t, struct call *c)
{
	struct file *f[2] = {NULL, NULL};
	enum sock_kind kind;
	struct sock_cred cred;
	int type, err;

	err = decode_type(c->args[0], c->args[1], c->args[2], &type, &kind);
	if (!err)
		err = make(t, kind, type, c->args[1], &f[0]);
	if (!err)
		err = make(t, kind, type, c->args[1], &f[1]);
	if (!err)
		err = task_sock_groups(t, socket_of(f[0])->s);
	if (!err)
		err = task_sock_groups(t, socket_of(f[1])->s);
	if (err) {
		file_close(f[0]);
		file_close(f[1]);
		return err;
	}
	task_sock_cred(t, &cred);
	sock_pair(socket_of(f[0])->s, socket_of(f[1])->s, &cred);
	return install_pair(t, f, c->args[1] & SOCK_CLOEXEC, c->args[3]);
}

long sys_bind(struct task *t, struct call *c)
{
	struct sockaddr_un a;
	unsigned len;
	int err;
	struct socket *so = call_socket(t, c, (int)c->args[0], &err);

	if (!so)
		return err;
	err = sockaddr_from_guest(t, c->args[1], c->args[2], &a, &len);
	if (err)
		return err;
	if (len == UNIX_PATH && a.sun_family == AF_UNIX)
		return unix_autobind(t, so);
	err = check_addr(&a, len);
	return err ? err : unix_bind(t, so, &a, len);
}

long sys_listen(struct task *t, struct call *c)
{
	unsigned backlog = (unsigned)c->args[1];
	struct sock_cred cred;
	uint8_t name[SOCK_NAME_MAX];
	int err;
	struct socket *so = call_socket(t, c, (int)c->args[0], &err);

	if (!so)
		return err;
	if (so->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	if (sock_name(so->s, false, name) <= 0)
		return -EINVAL;
	err = task_sock_groups(t, so->s);
	if (err)
		return err;
	task_sock_cred(t, &cred);
	return sock_listen(so->s, backlog < SOMAXCONN_K ? backlog : SOMAXCONN_K, &cred);
}

/* ---- connecting ---- */

struct connect {
	struct sock *to;
	struct sock_cred cred;
};

static void connect_free(void *state)
{
	sock_put(((struct connect *)state)->to);
}

static int connect_begin(struct task *t, struct call *c, struct socket *so, struct connect **out)
{
	struct sockaddr_un a;
	struct connect *s;
	unsigned len;
	int err = sockaddr_from_guest(t, c->args[1], c->args[2], &a, &len);

	if (err)
		return err;
	s = call_state(c, sizeof(*s));
	if (!s)
		return -ENOMEM;
	c->state_free = connect_free;
	*out = s;
	task_sock_cred(t, &s->cred);
	if (so->type == SOCK_DGRAM && len >= sizeof(a.sun_family) && a.sun_family == AF_UNSPEC)
		return 0;
	err = check_addr(&a, len);
	if (!err && sock_pass(so->s))
		err = unix_autobind(t, so);
	if (!err && so->type != SOCK_DGRAM)
		err = task_sock_groups(t, so->s);
	return err ? err : unix_find(t, &a, len, sock_kind(so->s), &s->to);
}

long sys_connect(struct task *t, struct call *c)
{
	bool nonblock;
	int err;
	struct socket *so = call_socket(t, c, (int)c->args[0], &err);
	struct connect *s = c->state;

	if (!so)
		return err;
	if (!c->rerun) {
		err = connect_begin(t, c, so, &s);
		if (err)
			return err;
	}
	if (so->type == SOCK_DGRAM)
		return sock_connect_dgram(so->s, s->to);
	nonblock = c->file[0]->flags & O_NONBLOCK;
	return socket_result(
		c,
		sock_connect(so->s, s->to, &s->cred, socket_waiter(t, c, nonblock, so->sndtimeo)),
		nonblock, so->sndtimeo);
}

/* The accepted connection becomes a descriptor. Its address is told last: then it is too late. */
static long accept_finish(struct task *t, struct call *c, struct socket *so, struct sock *s,
			  unsigned flags)
{
	uint8_t name[SOCK_NAME_MAX];
	struct file *f;
	int len, fd, err = socket_file(t, s, so->type, flags & O_NONBLOCK, &f);

	if (err)
		return err;
	if (c->args[1]) {
		len = sock_name(s, true, name);
		err = len < 0 ? -ECONNABORTED
			      : sockaddr_to_guest(t, c->args[1], c->args[2], name, (unsigned)len);
	}
	if (err) {
		file_close(f);
		return err;
	}
	fd = (int)install_file(t, f, flags & SOCK_CLOEXEC);
	return fd;
}

static long do_accept(struct task *t, struct call *c, unsigned flags)
{
	struct sock *s;
	bool nonblock;
	long r;
	int err;
	struct socket *so = call_socket(t, c, (int)c->args[0], &err);

	if (flags & ~(unsigned)SOCK_FLAGS)
		return so || err == -ENOTSOCK ? -EINVAL : err;
	if (!so)
		return err;
	/* Before it waits, and before a connection is taken that nobody would get. */
	if (fdtable_full(task_files(t), nofile_limit(t)))
		return -EMFILE;
	if (so->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	nonblock = c->file[0]->flags & O_NONBLOCK;
	r = socket_result(c, sock_accept(so->s, socket_waiter(t, c, nonblock, so->rcvtimeo), &s),
			  nonblock, so->rcvtimeo);
	return r ? r : accept_finish(t, c, so, s, flags);
}

long sys_accept(struct task *t, struct call *c)
{
	return do_accept(t, c, 0);
}

long sys_accept4(struct task *t, struct call *c)
{
	return do_accept(t, c, (unsigned)c->args[3]);
}

static long name_call(struct task *t, struct call *c, bool peer)
{
	uint8_t name[SOCK_NAME_MAX];
	int err, len;
	struct socket *so = call_socket(t, c, (int)c->args[0], &err);

	if (!so)
		return err;
	len = sock_name(so->s, peer, name);
	return len < 0 ? len : sockaddr_to_guest(t, c->args[1], c->args[2], name, (unsigned)len);
}

long sys_getsockname(struct task *t, struct call *c)
{
	return name_call(t, c, false);
}

long sys_getpeername(struct task *t, struct call *c)
{
	return name_call(t, c, true);
}

long sys_shutdown(struct task *t, struct call *c)
{
	int err, how = (int)c->args[1];
	struct socket *so = call_socket(t, c, (int)c->args[0], &err);

	if (!so)
		return err;
	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	sock_shutdown(so->s, how != SHUT_WR, how != SHUT_RD);
	return 0;
}
