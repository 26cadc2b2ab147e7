/*
 * Sockets of the guest: AF_UNIX over core/sock. unix(7), socket(7).
 *
 * struct socket is what an open file over a sock has besides: its name's place in the name table,
 * timeouts, options that are only kept. socket->lock protects what is marked; unix_names->lock,
 * above sock->lock, the table and the list of all. Others families are EAFNOSUPPORT.
 */
#ifndef VMBOX_LINUX_SOCKET_H
#define VMBOX_LINUX_SOCKET_H

#include "sys_fs.h"
#include "../core/sock.h"

#include <sys/socket.h>
#include <sys/un.h>

#define UNIX_PATH offsetof(struct sockaddr_un, sun_path)

struct unix_names;

/* In the table while its socket lives; a look-up takes a reference to the sock. */
struct unix_name {
	LIST_ENTRY(unix_name) link;
	struct sock *s;      /* NULL: not in the table */
	struct inode *inode; /* a reference; NULL: an abstract name */
	unsigned len;
	uint8_t bytes[SOCK_NAME_MAX]; /* sun_path, and a NUL that may not be there */
};

struct socket {
	struct sock *s; /* the file's reference */
	struct kernel *k;
	int type; /* SOCK_* */
	uint64_t ino;
	uint64_t cookie;        /* SO_COOKIE */
	LIST_ENTRY(socket) all; /* protected by unix_names->lock */
	struct unix_name name;
	_Atomic int64_t rcvtimeo, sndtimeo; /* ns; 0: none */
	_Atomic int rcvbuf;
	_Atomic uint32_t bools; /* options that are kept and shown: sys_sockopt.c */
	_Atomic int linger[2], rcvlowat, priority, mark;
};

/* The socket behind f, or NULL: ENOTSOCK. */
struct socket *socket_of(const struct file *f);
/* The open socket of descriptor fd, kept in c->file[0]. NULL and *err: -EBADF, -ENOTSOCK. */
struct socket *call_socket(struct task *t, struct call *c, int fd, int *err);
/* A file over s (the caller's reference is taken over, also on failure). flags: O_NONBLOCK or 0. */
int socket_file(struct task *t, struct sock *s, int type, unsigned flags, struct file **out);
/* An address in the guest's format: copied once and checked. 0, -EINVAL, -EFAULT. */
int sockaddr_from_guest(struct task *t, uint64_t addr, uint64_t len, struct sockaddr_un *out,
			unsigned *outlen);
/*
 * Stores name (bytes of sun_path, none: unnamed) with Linux's rules: cut to the guest's length,
 * which becomes the whole one. 0, -EINVAL (negative length), -EFAULT.
 */
int sockaddr_to_guest(struct task *t, uint64_t addr, uint64_t lenp, const void *name, unsigned len);
/* The sender's or receiver's identity as messages show it. */
void task_sock_cred(struct task *t, struct sock_cred *out);
/* Before s is made one of a pair, connects or listens: SO_PEERGROUPS. 0 or -ENOMEM. */
int task_sock_groups(struct task *t, struct sock *s);
/* SIGPIPE for the caller, with -EPIPE for its result. */
long socket_pipe(struct task *t, bool nosignal);
/*
 * The task to queue for a call with that timeout, or NULL if it must not block; makes the deadline
 * on the first run.
 */
struct sched_task *socket_waiter(struct task *t, struct call *c, bool nonblock, int64_t timeo);
/* A result of the core: what -EAGAIN means in an interrupted call. */
long socket_result(struct call *c, long r, bool nonblock, int64_t timeo);

/* ---- netdev.c ---- */

/*
 * netdevice(7) on any socket: a network namespace that has nothing but "lo", index 1, which is
 * down and has no address. -ENOTTY: another command; -ENODEV, -EPERM, -EINVAL, -EOPNOTSUPP,
 * -EFAULT.
 */
long netdev_ioctl(struct task *t, unsigned cmd, uint64_t arg);

/* ---- unix_name.c ---- */

struct unix_names *unix_names_create(void);
void unix_names_destroy(struct unix_names *n);
/* bind(2). -EINVAL (has a name), -EADDRINUSE, what creating a file says. */
int unix_bind(struct task *t, struct socket *so, const struct sockaddr_un *a, unsigned len);
/* A free abstract name of five digits, unless it has a name. 0, -ENOSPC, -ENOMEM. */
int unix_autobind(struct task *t, struct socket *so);
/* What has that name, with a reference. -ECONNREFUSED, -EPROTOTYPE, -EACCES, -ENOENT, ... */
int unix_find(struct task *t, const struct sockaddr_un *a, unsigned len, enum sock_kind kind,
	      struct sock **out);
void unix_unbind(struct socket *so);
/* so, complete, is one of those that /proc/net/unix shows; until unix_remove. */
void unix_add(struct socket *so);
void unix_remove(struct socket *so);

/* ---- scm.c: control messages ---- */

struct scm {
	struct sock_rights *rights;
	struct sock_cred cred;
	bool have_cred;
};

/* sendmsg's control buffer. 0, -EINVAL, -EBADF, -EPERM, -ESRCH, -ENOBUFS, -ENOMEM, -EFAULT,
 * -ETOOMANYREFS. */
int scm_from_guest(struct task *t, uint64_t control, uint64_t len, struct scm *out);
/*
 * recvmsg's: writes what r has, installing its files. *len: bytes of room, then used; *flags gets
 * MSG_CTRUNC.
 */
void scm_to_guest(struct task *t, uint64_t control, uint64_t *len, struct sock_recv *r,
		  unsigned pass, bool cloexec, int *flags);

#endif
