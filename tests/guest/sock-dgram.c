// variants: static
// AF_UNIX datagrams and packets: boundaries, names, connect and its undoing, full receivers,
// truncation, sendmmsg and recvmmsg, the errors of send(2) and recv(2).
#include "check.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

static char prefix[32];

static socklen_t address(struct sockaddr_un *a, const char *name)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   (size_t)snprintf(a->sun_path + 1, 100, "%s-%s", prefix, name));
}

static int named(const char *name)
{
	struct sockaddr_un a;
	socklen_t len = address(&a, name);
	int s = socket(AF_UNIX, SOCK_DGRAM, 0);

	CHECK_EQ(bind(s, (void *)&a, len), 0);
	return s;
}

static unsigned ready(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

	CHECK(poll(&p, 1, 0) >= 0);
	return (unsigned)p.revents;
}

static void boundaries(int type)
{
	char buf[64];
	struct iovec iov[2] = {{buf, 3}, {buf + 3, 1}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	int s[2], n;

	CHECK_EQ(socketpair(AF_UNIX, type, 0, s), 0);
	CHECK_EQ(write(s[0], "one", 3), 3);
	CHECK_EQ(send(s[0], "second", 6, 0), 6);
	CHECK_EQ(send(s[0], "", 0, 0), 0);
	CHECK_EQ(send(s[0], "third", 5, MSG_EOR), 5);
	CHECK_EQ(ioctl(s[1], FIONREAD, &n), 0);
	CHECK_EQ(n, type == SOCK_DGRAM ? 3 : 14);
	CHECK_EQ(recv(s[1], buf, 64, MSG_PEEK), 3);
	CHECK_EQ(recv(s[1], buf, 2, MSG_PEEK | MSG_TRUNC), 3);
	CHECK_EQ(recv(s[1], buf, 64, MSG_WAITALL), 3);
	CHECK_EQ(recvmsg(s[1], &m, 0), 4);
	CHECK_EQ(m.msg_flags, MSG_TRUNC);
	CHECK_EQ(memcmp(buf, "seco", 4), 0);
	CHECK_EQ(recv(s[1], buf, 64, 0), 0);
	CHECK_EQ(recv(s[1], buf, 2, MSG_TRUNC), 5);
	CHECK_ERR(recv(s[1], buf, 2, MSG_DONTWAIT), EAGAIN);
	CHECK_ERR(recv(s[1], buf, 2, MSG_DONTWAIT | MSG_OOB), EOPNOTSUPP);
	CHECK_ERR(send(s[1], buf, 2, MSG_OOB), EOPNOTSUPP);
	/* it is gone though it could not be stored */
	CHECK_EQ(write(s[0], "lost", 4), 4);
	CHECK_ERR(recv(s[1], (void *)8, 4, 0), EFAULT);
	CHECK_ERR(recv(s[1], buf, 4, MSG_DONTWAIT), EAGAIN);
	CHECK_ERR(send(s[0], (void *)8, 4, 0), EFAULT);
	n = 10000;
	CHECK_EQ(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &n, 4), 0);
	CHECK_ERR(send(s[0], buf - 30000, 30000, 0), EMSGSIZE);
	n = 0;
	while (send(s[0], buf, 64, MSG_DONTWAIT) == 64)
		n++;
	CHECK_EQ(errno, EAGAIN);
	CHECK(n > 3);
	CHECK_EQ(ready(s[0]) & POLLOUT, 0);
	while (recv(s[1], buf, 64, MSG_DONTWAIT) == 64)
		n--;
	CHECK_EQ(n, 0);
	CHECK_EQ(ready(s[0]) & POLLOUT, POLLOUT);
	close(s[1]);
	if (type == SOCK_DGRAM) {
		CHECK_ERR(send(s[0], "x", 1, 0), ECONNREFUSED);
		CHECK_ERR(send(s[0], "x", 1, 0), ENOTCONN);
		CHECK_EQ(ready(s[0]), POLLOUT);
	} else {
		CHECK_ERR(send(s[0], "x", 1, 0), EPIPE); /* and no signal */
		CHECK_EQ(recv(s[0], buf, 1, 0), 0);
		CHECK_EQ(recv(s[0], buf, 1, MSG_DONTWAIT), 0);
		CHECK_EQ(ready(s[0]), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	}
	close(s[0]);
	say("boundaries %d\n", type);
}

static void slow_reader(void *arg)
{
	int fd = *(int *)arg, i;
	char c;

	for (i = 0; i < 100; i++)
		CHECK_EQ(recv(fd, &c, 1, 0), 1);
}

static void addresses(void)
{
	struct sockaddr_un a, b, none = {.sun_family = AF_UNSPEC};
	socklen_t alen = address(&a, "a"), len;
	int x = named("a"), y = named("b"), z = socket(AF_UNIX, SOCK_DGRAM, 0), v;
	char buf[8];
	pid_t pid;

	CHECK_ERR(send(z, "x", 1, 0), ENOTCONN);
	CHECK_EQ(sendto(y, "hi", 2, 0, (void *)&a, alen), 2);
	len = sizeof(b);
	CHECK_EQ(recvfrom(x, buf, 8, 0, (void *)&b, &len), 2);
	CHECK_EQ(len, alen);
	CHECK_EQ(b.sun_path[len - 3], 'b');
	CHECK_EQ(sendto(z, "yo", 2, 0, (void *)&a, alen), 2);
	len = sizeof(b);
	CHECK_EQ(recvfrom(x, buf, 8, 0, (void *)&b, &len), 2);
	CHECK_EQ(len, 0);
	len = address(&b, "nobody");
	CHECK_ERR(sendto(z, "yo", 2, 0, (void *)&b, len), ECONNREFUSED);
	CHECK_ERR(sendto(z, "yo", 2, 0, (void *)&b, 2), EINVAL);
	CHECK_ERR(sendto(z, "yo", 2, 0, (void *)8, 20), EFAULT);
	CHECK_ERR(listen(x, 1), EOPNOTSUPP);
	CHECK_ERR(accept(x, NULL, NULL), EOPNOTSUPP);
	/* a full receiver of strangers */
	CHECK_EQ(connect(z, (void *)&a, alen), 0);
	for (v = 0; send(z, "x", 1, MSG_DONTWAIT) == 1; v++)
		;
	CHECK_EQ(errno, EAGAIN);
	CHECK(v >= 11);
	CHECK_EQ(ready(z), 0);
	CHECK_EQ(recv(x, buf, 8, 0), 1);
	CHECK_EQ(ready(z), POLLOUT);
	while (recv(x, buf, 8, MSG_DONTWAIT) == 1)
		;
	pid = spawn(slow_reader, &x);
	for (v = 0; v < 100; v++)
		CHECK_EQ(send(z, "y", 1, 0), 1);
	reap_ok(pid);
	/* who has a peer hears nobody else */
	len = address(&b, "b");
	CHECK_EQ(connect(x, (void *)&b, len), 0);
	CHECK_ERR(send(z, "x", 1, 0), EPERM);
	CHECK_ERR(connect(y, (void *)&none, 1), EINVAL);
	CHECK_EQ(connect(x, (void *)&none, sizeof(none)), 0);
	CHECK_EQ(send(z, "x", 1, 0), 1);
	CHECK_EQ(recv(x, buf, 8, 0), 1);
	/* the peers of each other, and one goes elsewhere */
	CHECK_EQ(connect(x, (void *)&b, len), 0);
	CHECK_EQ(connect(y, (void *)&a, alen), 0);
	CHECK_EQ(send(y, "x", 1, 0), 1);
	CHECK_EQ(connect(x, (void *)&none, sizeof(none)), 0);
	len = sizeof(v);
	CHECK_EQ(getsockopt(y, SOL_SOCKET, SO_ERROR, &v, &len), 0);
	CHECK_EQ(v, ECONNRESET);
	CHECK_EQ(shutdown(x, SHUT_RD), 0);
	CHECK_ERR(send(z, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(recv(x, buf, 1, 0), 0);
	CHECK_ERR(recv(x, buf, 1, MSG_DONTWAIT), EAGAIN);
	CHECK_EQ(shutdown(z, SHUT_WR), 0);
	CHECK_ERR(send(z, "x", 1, 0), EPIPE);
	CHECK_ERR(write(z, "x", 1), EPIPE);
	close(x);
	CHECK_ERR(send(y, "x", 1, 0), ECONNREFUSED);
	close(y);
	close(z);
	say("addresses\n");
}

static void packets(void)
{
	struct sockaddr_un a;
	socklen_t alen = address(&a, "p");
	int l = socket(AF_UNIX, SOCK_SEQPACKET, 0), c = socket(AF_UNIX, SOCK_SEQPACKET, 0), s;
	char buf[8];

	CHECK_ERR(recv(c, buf, 1, 0), ENOTCONN);
	CHECK_ERR(send(c, buf, 1, 0), ENOTCONN);
	CHECK_EQ(bind(l, (void *)&a, alen), 0);
	CHECK_EQ(listen(l, 3), 0);
	CHECK_EQ(connect(c, (void *)&a, alen), 0);
	CHECK_EQ(sendto(c, "abc", 3, 0, (void *)&a, alen), 3);
	CHECK_EQ(send(c, "d", 1, 0), 1);
	s = accept(l, NULL, NULL);
	CHECK(s >= 0);
	CHECK_EQ(read(s, buf, 8), 3);
	CHECK_EQ(read(s, buf, 8), 1);
	CHECK_EQ(send(s, "unread", 6, 0), 6);
	close(c);
	CHECK_ERR(read(s, buf, 8), ECONNRESET);
	CHECK_EQ(read(s, buf, 8), 0);
	close(s);
	close(l);
	say("packets\n");
}

static void many(void)
{
	char text[3][8] = {"a", "bb", "ccc"}, in[4][8];
	struct iovec iov[3], inv[4];
	struct mmsghdr out[3], got[4];
	struct timespec ts = {0, 0};
	int s[2];

	memset(out, 0, sizeof(out));
	memset(got, 0, sizeof(got));
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), 0);
	for (int i = 0; i < 3; i++) {
		iov[i] = (struct iovec){text[i], (size_t)i + 1};
		out[i].msg_hdr.msg_iov = &iov[i];
		out[i].msg_hdr.msg_iovlen = 1;
	}
	for (int i = 0; i < 4; i++) {
		inv[i] = (struct iovec){in[i], 8};
		got[i].msg_hdr.msg_iov = &inv[i];
		got[i].msg_hdr.msg_iovlen = 1;
	}
	CHECK_EQ(sendmmsg(s[0], out, 3, 0), 3);
	CHECK_EQ(out[2].msg_len, 3);
	CHECK_EQ(recvmmsg(s[1], got, 4, MSG_WAITFORONE, NULL), 3);
	CHECK_EQ(got[1].msg_len, 2);
	CHECK_EQ(memcmp(in[2], "ccc", 3), 0);
	CHECK_ERR(recvmmsg(s[1], got, 4, MSG_DONTWAIT, NULL), EAGAIN);
	CHECK_EQ(sendmmsg(s[0], out, 3, 0), 3);
	CHECK_EQ(recvmmsg(s[1], got, 2, 0, NULL), 2);
	CHECK_EQ(recvmmsg(s[1], got, 4, 0, &ts), 1);
	CHECK_EQ(sendmmsg(s[0], out, 0, 0), 0);
	ts.tv_nsec = -1;
	CHECK_ERR(recvmmsg(s[1], got, 4, 0, &ts), EINVAL);
	iov[1].iov_base = (void *)8;
	CHECK_EQ(sendmmsg(s[0], out, 3, 0), 1);
	CHECK_ERR(sendmmsg(s[0], out + 1, 2, 0), EFAULT);
	CHECK_ERR(sendmmsg(99, out, 1, 0), EBADF);
	out[0].msg_hdr.msg_iovlen = 2000;
	CHECK_ERR(sendmmsg(s[0], out, 1, 0), EMSGSIZE);
	CHECK_ERR(sendmsg(s[0], (void *)8, 0), EFAULT);
	CHECK_ERR(recvmsg(s[0], (void *)8, MSG_DONTWAIT), EFAULT);
	close(s[0]);
	close(s[1]);
	say("many\n");
}

/* What waits for its receiver was copied when it was written. */
static void copied_at_once(void)
{
	char *text = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int in = named("copied"), out = socket(AF_UNIX, SOCK_DGRAM, 0), n = 0;
	struct sockaddr_un a;
	socklen_t len = address(&a, "copied");
	char buf[16] = "";
	pid_t pid;

	CHECK(text != MAP_FAILED);
	CHECK_EQ(connect(out, (void *)&a, len), 0);
	while (send(out, "x", 1, MSG_DONTWAIT) == 1)
		n++;
	CHECK_EQ(errno, EAGAIN);
	strcpy(text, "before");
	pid = fork_ok();
	if (!pid) {
		CHECK_EQ(write(out, text, 7), 7);
		_exit(0);
	}
	await_asleep(pid);
	strcpy(text, "after");
	while (n--)
		CHECK_EQ(recv(in, buf, sizeof(buf), 0), 1);
	CHECK_EQ(recv(in, buf, sizeof(buf), 0), 7);
	reap_ok(pid);
	say("%s\n", buf);
	CHECK_EQ(munmap(text, 4096), 0);
	close(in);
	close(out);
}

int main(void)
{
	snprintf(prefix, sizeof(prefix), "vmbox-%d", (int)getpid());
	boundaries(SOCK_DGRAM);
	boundaries(SOCK_SEQPACKET);
	addresses();
	packets();
	many();
	copied_at_once();
	return 0;
}
