// variants: static
// Files and identities as passengers of messages: unix(7)'s SCM_RIGHTS and SCM_CREDENTIALS; and
// sockets that only their own queues hold, whose files must be closed all the same.
#include "check.h"
#include <sys/socket.h>
#include <sys/un.h>

union control {
	struct cmsghdr h;
	char buf[2048];
};

static ssize_t send_fds(int s, const int *fds, int n, const void *data, size_t len)
{
	union control c;
	struct iovec iov = {(void *)(uintptr_t)data, len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	memset(&c, 0, sizeof(c));
	if (n) {
		m.msg_control = c.buf;
		m.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		c.h.cmsg_level = SOL_SOCKET;
		c.h.cmsg_type = SCM_RIGHTS;
		c.h.cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(&c.h), fds, (size_t)n * sizeof(int));
	}
	return sendmsg(s, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* How many came; flags: recvmsg's, then those of the message. room: for so many. */
static int recv_fds(int s, int *fds, int room, char *data, size_t len, int *flags, ssize_t *got)
{
	union control c;
	struct iovec iov = {data, len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *h;
	int n = 0;

	m.msg_control = room ? c.buf : NULL;
	m.msg_controllen = room ? CMSG_LEN((size_t)room * sizeof(int)) : 0;
	*got = recvmsg(s, &m, *flags);
	*flags = m.msg_flags;
	if (*got < 0)
		return -1;
	for (h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		CHECK_EQ(h->cmsg_level, SOL_SOCKET);
		CHECK_EQ(h->cmsg_type, SCM_RIGHTS);
		n = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(h), (size_t)n * sizeof(int));
	}
	return n;
}

static void pass(int type)
{
	int s[2], p[2], fds[300], n, flags;
	char buf[16];
	ssize_t got;

	CHECK_EQ(socketpair(AF_UNIX, type, 0, s), 0);
	make_pipe(p);
	CHECK_EQ(send_fds(s[0], p, 2, "ab", 2), 2);
	close(p[0]);
	close(p[1]);
	flags = MSG_CMSG_CLOEXEC;
	CHECK_EQ(recv_fds(s[1], fds, 2, buf, 16, &flags, &got), 2);
	CHECK_EQ(got, 2);
	CHECK_EQ(flags, MSG_CMSG_CLOEXEC);
	CHECK_EQ(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	CHECK_EQ(write(fds[1], "x", 1), 1);
	CHECK_EQ(read(fds[0], buf, 1), 1);
	/* room for one of two; none; a reader that does not ask */
	CHECK_EQ(send_fds(s[0], fds, 2, "c", 1), 1);
	flags = 0;
	CHECK_EQ(recv_fds(s[1], fds + 2, 1, buf, 16, &flags, &got), 1);
	CHECK_EQ(flags, MSG_CTRUNC);
	CHECK_EQ(fcntl(fds[2], F_GETFD), 0);
	close(fds[2]);
	CHECK_EQ(send_fds(s[0], fds, 2, "c", 1), 1);
	flags = 0;
	CHECK_EQ(recv_fds(s[1], fds + 2, 0, buf, 16, &flags, &got), 0);
	CHECK_EQ(flags, MSG_CTRUNC);
	CHECK_EQ(send_fds(s[0], fds, 2, "c", 1), 1);
	CHECK_EQ(read(s[1], buf, 16), 1);
	/* a look duplicates them */
	CHECK_EQ(send_fds(s[0], fds, 1, "d", 1), 1);
	flags = MSG_PEEK;
	CHECK_EQ(recv_fds(s[1], fds + 2, 2, buf, 16, &flags, &got), 1);
	close(fds[2]);
	flags = 0;
	CHECK_EQ(recv_fds(s[1], fds + 2, 2, buf, 16, &flags, &got), 1);
	close(fds[2]);
	/* errors */
	fds[2] = 99;
	CHECK_ERR(send_fds(s[0], fds, 3, "e", 1), EBADF);
	for (n = 0; n < 254; n++)
		fds[n + 2] = fds[0];
	CHECK_ERR(send_fds(s[0], fds + 2, 254, "e", 1), EINVAL);
	CHECK_EQ(send_fds(s[0], fds + 2, 253, "e", 1), 1);
	flags = 0;
	CHECK_EQ(recv_fds(s[1], fds + 2, 253, buf, 16, &flags, &got), 253);
	for (n = 0; n < 253; n++)
		close(fds[n + 2]);
	/* what nobody received is closed with the socket */
	CHECK_EQ(send_fds(s[0], fds + 1, 1, "f", 1), 1);
	close(fds[1]);
	close(s[1]);
	close(s[0]);
	CHECK_EQ(read(fds[0], buf, 1), 0);
	close(fds[0]);
	say("pass %d\n", type);
}

/* On a stream, a read stops behind the message whose files it got. */
static void stream_order(void)
{
	int s[2], fds[4], flags = 0;
	char buf[16];
	ssize_t got;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(write(s[0], "aa", 2), 2);
	CHECK_EQ(send_fds(s[0], s, 1, "bb", 2), 2);
	CHECK_EQ(send_fds(s[0], s, 1, "cc", 2), 2);
	CHECK_EQ(write(s[0], "dd", 2), 2);
	CHECK_EQ(recv_fds(s[1], fds, 4, buf, 16, &flags, &got), 1);
	CHECK_EQ(got, 4);
	close(fds[0]);
	flags = 0;
	CHECK_EQ(recv_fds(s[1], fds, 4, buf, 1, &flags, &got), 1);
	CHECK_EQ(got, 1);
	close(fds[0]);
	flags = 0;
	CHECK_EQ(recv_fds(s[1], fds, 4, buf, 16, &flags, &got), 0);
	CHECK_EQ(got, 3);
	CHECK_EQ(memcmp(buf, "cdd", 3), 0);
	close(s[0]);
	close(s[1]);
	say("stream\n");
}

/* A socket that closes makes the kernel look for garbage; it may do so a little later. */
static void collect(void)
{
	int s[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	close(s[0]);
	close(s[1]);
}

/* A pipe's end in the queue of what only it itself holds: its reader sees the end. */
static void garbage(void)
{
	int s[2], t[2], p[2], l, c, fds[2];
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char b;

	make_pipe(p);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(send_fds(s[0], s, 2, "x", 1), 1);
	CHECK_EQ(send_fds(s[1], s, 2, "x", 1), 1);
	CHECK_EQ(send_fds(s[0], p + 1, 1, "x", 1), 1);
	close(s[0]);
	close(s[1]);
	close(p[1]);
	collect();
	CHECK_EQ(read(p[0], &b, 1), 0);
	close(p[0]);
	say("itself\n");
	/* two pairs in each other's queues; a third one outside sees that it lives on until it goes
	 */
	make_pipe(p);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, t), 0);
	CHECK_EQ(send_fds(s[0], t, 2, "x", 1), 1);
	CHECK_EQ(send_fds(t[0], s, 2, "x", 1), 1);
	CHECK_EQ(send_fds(t[0], p + 1, 1, "x", 1), 1);
	close(p[1]);
	close(s[0]);
	close(s[1]);
	close(t[0]);
	collect();
	CHECK_EQ(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
	CHECK_ERR(read(p[0], &b, 1), EAGAIN);
	close(t[1]);
	collect();
	CHECK_EQ(fcntl(p[0], F_SETFL, 0), 0);
	CHECK_EQ(read(p[0], &b, 1), 0);
	close(p[0]);
	say("each other\n");
	/* a listener in a connection that waits for it */
	make_pipe(p);
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_EQ(bind(l, (void *)&a, sizeof(sa_family_t)), 0);
	CHECK_EQ(getsockname(l, (void *)&a, &(socklen_t){sizeof(a)}), 0);
	CHECK_EQ(listen(l, 2), 0);
	CHECK_EQ(connect(c, (void *)&a, 8), 0);
	fds[0] = l;
	fds[1] = p[1];
	CHECK_EQ(send_fds(c, fds, 2, "x", 1), 1);
	close(l);
	close(p[1]);
	close(c);
	collect();
	CHECK_EQ(read(p[0], &b, 1), 0);
	close(p[0]);
	say("listener\n");
}

/* A chain of any length is closed link by link. */
static void chain(void)
{
	int p[2], prev, s[2];
	char b;

	make_pipe(p);
	prev = p[1];
	for (int i = 0; i < 3000; i++) {
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
		CHECK_EQ(send_fds(s[0], &prev, 1, "x", 1), 1);
		close(prev);
		close(s[0]);
		prev = s[1];
	}
	close(prev);
	CHECK_EQ(read(p[0], &b, 1), 0);
	close(p[0]);
	say("chain\n");
}

static ssize_t send_cred(int s, pid_t pid, uid_t uid, gid_t gid)
{
	union control c;
	struct ucred u = {pid, uid, gid};
	struct iovec iov = {(void *)(uintptr_t) "x", 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = c.buf,
			   .msg_controllen = CMSG_SPACE(sizeof(u))};

	memset(&c, 0, sizeof(c));
	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_CREDENTIALS;
	c.h.cmsg_len = CMSG_LEN(sizeof(u));
	memcpy(CMSG_DATA(&c.h), &u, sizeof(u));
	return sendmsg(s, &m, 0);
}

static void identity(void)
{
	union control c;
	char b[8];
	struct iovec iov = {b, 8};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	struct ucred u;
	int s[2], on = 1;
	pid_t pid;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(write(s[0], "0", 1), 1);
	CHECK_EQ(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	pid = fork_ok();
	if (!pid) {
		CHECK_EQ(write(s[0], "1", 1), 1);
		_exit(0);
	}
	reap_ok(pid);
	CHECK_EQ(write(s[0], "2", 1), 1);
	for (int i = 0; i < 3; i++) {
		m.msg_control = c.buf;
		m.msg_controllen = sizeof(c);
		/* messages of different senders are not joined */
		CHECK_EQ(recvmsg(s[1], &m, 0), 1);
		CHECK_EQ(b[0], '0' + i);
		CHECK_EQ(c.h.cmsg_type, SCM_CREDENTIALS);
		memcpy(&u, CMSG_DATA(&c.h), sizeof(u));
		CHECK_EQ(u.pid, i == 0 ? 0 : i == 1 ? pid : getpid());
		CHECK_EQ(u.uid, i == 0 ? 65534 : getuid());
	}
	CHECK_EQ(send_cred(s[0], getpid(), getuid(), getgid()), 1);
	CHECK_ERR(send_cred(s[0], getpid(), (uid_t)-1, getgid()), EINVAL);
	if (getuid() == 0) {
		/* the child of root may not say that it is another */
		pid = fork_ok();
		if (!pid) {
			CHECK_EQ(setresgid(1000, 1000, 1000), 0);
			CHECK_EQ(setresuid(1000, 1000, 1000), 0);
			CHECK_ERR(send_cred(s[0], getpid(), 0, 1000), EPERM);
			CHECK_ERR(send_cred(s[0], getpid(), 1000, 0), EPERM);
			CHECK_ERR(send_cred(s[0], 1, 1000, 1000), EPERM);
			CHECK_EQ(send_cred(s[0], getpid(), 1000, 1000), 1);
			_exit(0);
		}
		reap_ok(pid);
	}
	m.msg_control = c.buf;
	m.msg_controllen = sizeof(struct cmsghdr) + 4;
	CHECK_EQ(recvmsg(s[1], &m, 0), 1);
	CHECK_EQ(m.msg_flags, MSG_CTRUNC);
	say("identity\n");
}

static void bad_control(void)
{
	union control c;
	struct iovec iov = {(void *)(uintptr_t) "x", 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf};
	int s[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	memset(&c, 0, sizeof(c));
	m.msg_controllen = 64;
	CHECK_ERR(sendmsg(s[0], &m, 0), EINVAL); /* cmsg_len 0 */
	c.h.cmsg_len = 100;
	CHECK_ERR(sendmsg(s[0], &m, 0), EINVAL);
	c.h.cmsg_len = 64;
	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = 77;
	CHECK_ERR(sendmsg(s[0], &m, 0), EINVAL);
	c.h.cmsg_type = SCM_CREDENTIALS;
	CHECK_ERR(sendmsg(s[0], &m, 0), EINVAL);
	c.h.cmsg_level = 55; /* somebody else's */
	CHECK_EQ(sendmsg(s[0], &m, 0), 1);
	m.msg_controllen = 10;
	CHECK_EQ(sendmsg(s[0], &m, 0), 1);
	m.msg_control = (void *)8;
	m.msg_controllen = 64;
	CHECK_ERR(sendmsg(s[0], &m, 0), EFAULT);
	m.msg_controllen = (size_t)1 << 40;
	CHECK_ERR(sendmsg(s[0], &m, 0), ENOBUFS);
	say("control\n");
}

int main(void)
{
	pass(SOCK_STREAM);
	pass(SOCK_DGRAM);
	pass(SOCK_SEQPACKET);
	stream_order();
	garbage();
	chain();
	identity();
	bad_control();
	return 0;
}
