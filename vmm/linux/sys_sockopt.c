/*
 * getsockopt and setsockopt: socket(7), unix(7).
 *
 * What only a network gives a meaning to is kept and shown.
 */
#include "socket.h"
#include "pidfd.h"

#include <linux/capability.h>
#include <string.h>

#define BUF_MIN    4608   /* SOCK_MIN_SNDBUF */
#define BUF_MAX    212992 /* net.core.wmem_max */
#define RCVBUF_MIN 2304
#define PASSPIDFD  76
#define PEERPIDFD  77
#define RCVTIMEO_N 66
#define SNDTIMEO_N 67

/* Options that are a bit: its place in socket->bools, or -1. */
static int bool_option(int opt)
{
	static const uint8_t bits[] = {
		SO_DEBUG,     SO_REUSEADDR,   SO_DONTROUTE,   SO_BROADCAST,       SO_KEEPALIVE,
		SO_OOBINLINE, SO_TIMESTAMP,   SO_TIMESTAMPNS, SO_PASSSEC,         SO_NO_CHECK,
		SO_RXQ_OVFL,  SO_WIFI_STATUS, SO_NOFCS,       SO_SELECT_ERR_QUEUE};

	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
		if (bits[i] == opt)
			return (int)i;
	return -1;
}

/* ---- setting ---- */

static int set_timeout(struct task *t, _Atomic int64_t *out, uint64_t addr, int len)
{
	struct timeval_k tv;

	if (len < (int)sizeof(tv))
		return -EINVAL;
	if (copy_from_guest(task_mm(t), &tv, gva(addr), sizeof(tv)))
		return -EFAULT;
	if (tv.usec < 0 || tv.usec >= 1000000)
		return -EDOM;
	/* A negative time is none at all; a very long one is for ever. */
	if (tv.sec < 0)
		*out = 1;
	else
		*out = tv.sec < INT64_MAX / 2000000000 ? tv.sec * 1000000000 + tv.usec * 1000 : 0;
	return 0;
}

static int set_linger(struct task *t, struct socket *so, uint64_t addr, int len)
{
	int v[2];

	if (len < (int)sizeof(v))
		return -EINVAL;
	if (copy_from_guest(task_mm(t), v, gva(addr), sizeof(v)))
		return -EFAULT;
	so->linger[0] = !!v[0];
	so->linger[1] = v[1];
	return 0;
}

static size_t buf_size(int v, int min)
{
	/* Twice what was asked, for bookkeeping: socket(7). Values are unsigned to Linux's min_t.
	 */
	uint32_t n = (uint32_t)v < BUF_MAX ? (uint32_t)v * 2 : BUF_MAX * 2;

	return n < (uint32_t)min ? (size_t)min : n;
}

static int set_int(struct task *t, struct socket *so, int opt, int v)
{
	int bit = bool_option(opt);

	switch (opt) {
	case SO_OOBINLINE:
		sock_set_oob_inline(so->s, v);
		break;
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
		/* CAP_NET_ADMIN, which nobody has. */
		return -EPERM;
	case SO_SNDBUF:
		sock_set_sndbuf(so->s, buf_size(v, BUF_MIN));
		return 0;
	case SO_RCVBUF:
		so->rcvbuf = (int)buf_size(v, RCVBUF_MIN);
		return 0;
	case SO_PASSCRED:
		sock_set_pass(so->s, SOCK_PASS_CRED, v);
		return 0;
	case PASSPIDFD:
		sock_set_pass(so->s, SOCK_PASS_PIDFD, v);
		return 0;
	case SO_PEEK_OFF:
		sock_set_peek_off(so->s, v);
		return 0;
	case SO_RCVLOWAT:
		so->rcvlowat = v < 0 ? INT32_MAX : v ? v : 1;
		return 0;
	case SO_PRIORITY:
		if ((v < 0 || v > 6) && !task_capable(t, CAP_NET_ADMIN))
			return -EPERM;
		so->priority = v;
		return 0;
	case SO_TYPE:
	case SO_PROTOCOL:
	case SO_DOMAIN:
	case SO_ERROR:
		return -ENOPROTOOPT;
	case SO_REUSEPORT:
		return v ? -EOPNOTSUPP : 0;
	case SO_BSDCOMPAT:
		return 0; /* without an effect since Linux 2.4 */
	case SO_DEBUG:
		if (v && !task_capable(t, CAP_NET_ADMIN))
			return -EACCES;
		break;
	default:
		break;
	}
	if (bit < 0)
		return -ENOPROTOOPT;
	if (v)
		atomic_fetch_or(&so->bools, 1u << bit);
	else
		atomic_fetch_and(&so->bools, ~(1u << bit));
	return 0;
}

long sys_setsockopt(struct task *t, struct call *c)
{
	int err, level = (int)c->args[1], opt = (int)c->args[2], len = (int)c->args[4], v;
	struct socket *so = call_socket(t, c, (int)c->args[0], &err);

	if (!so)
		return err;
	if (len < 0)
		return -EINVAL;
	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (len < (int)sizeof(v))
		return -EINVAL;
	if (opt == SO_RCVTIMEO || opt == RCVTIMEO_N)
		return set_timeout(t, &so->rcvtimeo, c->args[3], len);
	if (opt == SO_SNDTIMEO || opt == SNDTIMEO_N)
		return set_timeout(t, &so->sndtimeo, c->args[3], len);
	if (copy_from_guest(task_mm(t), &v, gva(c->args[3]), sizeof(v)))
		return -EFAULT;
	if (opt == SO_LINGER)
		return set_linger(t, so, c->args[3], len);
	return set_int(t, so, opt, v);
}

/* ---- getting ---- */

static int get_int(struct socket *so, int opt, int *v)
{
	int bit = bool_option(opt);

	switch (opt) {
	case SO_TYPE:
		*v = so->type;
		return 0;
	case SO_DOMAIN:
		*v = AF_UNIX;
		return 0;
	case SO_PROTOCOL:
	case SO_INCOMING_CPU:
		*v = 0;
		return 0;
	case SO_ERROR:
		*v = sock_take_error(so->s);
		return 0;
	case SO_ACCEPTCONN:
		*v = sock_listening(so->s);
		return 0;
	case SO_SNDBUF:
		*v = (int)sock_sndbuf(so->s);
		return 0;
	case SO_RCVBUF:
		*v = so->rcvbuf;
		return 0;
	case SO_PASSCRED:
		*v = !!(sock_pass(so->s) & SOCK_PASS_CRED);
		return 0;
	case PASSPIDFD:
		*v = !!(sock_pass(so->s) & SOCK_PASS_PIDFD);
		return 0;
	case SO_PEEK_OFF:
		*v = sock_peek_off(so->s);
		return 0;
	case SO_RCVLOWAT:
		*v = so->rcvlowat;
		return 0;
	case SO_SNDLOWAT:
		*v = 1;
		return 0;
	case SO_PRIORITY:
		*v = so->priority;
		return 0;
	case SO_MARK:
	case SO_BSDCOMPAT:
	case SO_REUSEPORT:
		*v = 0;
		return 0;
	default:
		break;
	}
	if (bit < 0)
		return -ENOPROTOOPT;
	*v = so->bools >> bit & 1;
	return 0;
}

/* A descriptor of the process at the other end: reserved, for *out. */
static int peer_pidfd(struct task *t, struct socket *so, int *fd, struct file **out)
{
	struct sock_cred cred;
	struct process *p;
	struct file *f;
	int err;

	if (!sock_peer_cred(so->s, &cred))
		return -ENODATA;
	p = process_find(t->k, cred.pid);
	if (!p)
		return -ESRCH;
	err = pidfd_file(p, NULL, 0, &f);
	process_put(p);
	if (err)
		return err;
	*fd = fdtable_reserve(task_files(t), nofile_limit(t), true);
	if (*fd < 0) {
		file_close(f);
		return *fd;
	}
	*out = f;
	return 0;
}

/* struct sk_meminfo's array. What is received counts for its sender, as on Linux. */
static int get_meminfo(struct socket *so, void *buf)
{
	uint32_t v[9] = {0};

	v[1] = (uint32_t)so->rcvbuf;
	v[2] = (uint32_t)sock_unreceived(so->s);
	v[3] = (uint32_t)sock_sndbuf(so->s);
	memcpy(buf, v, sizeof(v));
	return sizeof(v);
}

/* The value of an option into buf: its size, or a negative errno. *f: the file that it will be the
 * number of. */
static int get_value(struct task *t, struct socket *so, int opt, int len, void *buf,
		     struct file **f)
{
	struct sock_cred cred = {0, UINT32_MAX, UINT32_MAX};
	struct timeval_k tv;
	int64_t ns;
	int v[2] = {0, 0};

	switch (opt) {
	case SO_LINGER:
		v[0] = so->linger[0];
		v[1] = so->linger[1];
		memcpy(buf, v, sizeof(v));
		return sizeof(v);
	case SO_RCVTIMEO:
	case RCVTIMEO_N:
	case SO_SNDTIMEO:
	case SNDTIMEO_N:
		ns = opt == SO_RCVTIMEO || opt == RCVTIMEO_N ? so->rcvtimeo : so->sndtimeo;
		tv = (struct timeval_k){ns / 1000000000, ns % 1000000000 / 1000};
		memcpy(buf, &tv, sizeof(tv));
		return sizeof(tv);
	case SO_PEERCRED:
		if (!sock_peer_cred(so->s, &cred))
			cred = (struct sock_cred){0, UINT32_MAX, UINT32_MAX};
		memcpy(buf, &cred, sizeof(cred));
		return sizeof(cred);
	case SO_COOKIE:
		if (len < (int)sizeof(so->cookie))
			return -EINVAL;
		memcpy(buf, &so->cookie, sizeof(so->cookie));
		return sizeof(so->cookie);
	case SO_MEMINFO:
		return get_meminfo(so, buf);
	case PEERPIDFD:
		v[1] = peer_pidfd(t, so, v, f);
		memcpy(buf, v, sizeof(v[0]));
		return v[1] ? v[1] : (int)sizeof(v[0]);
	default:
		v[1] = get_int(so, opt, v);
		memcpy(buf, v, sizeof(v[0]));
		return v[1] ? v[1] : (int)sizeof(v[0]);
	}
}

/* SO_PEERGROUPS: all of them, or how much room they take. */
static long peer_groups(struct task *t, struct socket *so, uint64_t addr, uint64_t lenp, int len)
{
	struct mm *mm = task_mm(t);
	struct sock_groups *g;
	struct sock_cred cred;
	long err = 0;
	int size;

	if (!sock_peer_cred(so->s, &cred))
		return -ENODATA;
	g = sock_peer_groups(so->s);
	size = g ? (int)(g->n * sizeof(g->ids[0])) : 0;
	if (copy_to_guest(mm, gva(lenp), &size, sizeof(size)))
		err = -EFAULT;
	else if (len < size)
		err = -ERANGE;
	else if (size && copy_to_guest(mm, gva(addr), g->ids, (size_t)size))
		err = -EFAULT;
	sock_groups_put(g);
	return err;
}

long sys_getsockopt(struct task *t, struct call *c)
{
	int err, level = (int)c->args[1], opt = (int)c->args[2], len, n;
	uint8_t buf[40];
	struct socket *so = call_socket(t, c, (int)c->args[0], &err);
	struct file *f = NULL;

	if (!so)
		return err;
	if (copy_from_guest(task_mm(t), &len, gva(c->args[4]), sizeof(len)))
		return -EFAULT;
	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (len < 0)
		return -EINVAL;
	if (opt == SO_PEERGROUPS)
		return peer_groups(t, so, c->args[3], c->args[4], len);
	n = get_value(t, so, opt, len, buf, &f);
	if (n < 0)
		return n;
	if (len > n)
		len = n;
	err = 0;
	if (copy_to_guest(task_mm(t), gva(c->args[3]), buf, (size_t)len) ||
	    copy_to_guest(task_mm(t), gva(c->args[4]), &len, sizeof(len)))
		err = -EFAULT;
	if (f) {
		memcpy(&n, buf, sizeof(n));
		if (!err)
			fdtable_fill(task_files(t), n, f);
		else
			fdtable_unreserve(task_files(t), n);
		if (err)
			file_close(f);
	}
	return err;
}
