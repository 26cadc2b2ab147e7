// kernel: 6.18 (SO_PASSPIDFD is 6.5's, the rest differs in details)
// variants: static musl
// Options of AF_UNIX sockets: SO_PEEK_OFF, SO_PASSPIDFD with SCM_PIDFD, SO_PEERPIDFD,
// SO_PEERGROUPS, SO_COOKIE, SO_MEMINFO; and the ioctls of netdevice(7) on the one interface that
// every namespace has.
#include "check.h"
#include <grp.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif
#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif
#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif
#define PIDFD 4 /* SCM_PIDFD */

static int s[2];

static void begin(const char *what, int type)
{
	say("%s\n", what);
	CHECK_EQ(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s), 0);
}

static void end(void)
{
	close(s[0]);
	close(s[1]);
}

static void set(int fd, int opt, int v)
{
	CHECK_EQ(setsockopt(fd, SOL_SOCKET, opt, &v, sizeof(v)), 0);
}

static int get(int fd, int opt)
{
	int v = -77;
	socklen_t len = sizeof(v);

	CHECK_EQ(getsockopt(fd, SOL_SOCKET, opt, &v, &len), 0);
	CHECK_EQ(len, sizeof(v));
	return v;
}

/* ---- SO_PEEK_OFF ---- */

static void take(size_t len, int flags)
{
	char buf[32] = "";
	struct iovec iov = {buf, len};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n = recvmsg(s[1], &h, flags);

	if (n < 0)
		say("  %s %zu: %s", flags & MSG_PEEK ? "peek" : "read", len,
		    errno == EAGAIN   ? "EAGAIN"
		    : errno == EFAULT ? "EFAULT"
				      : "another");
	else
		say("  %s %zu: %zd '%s'%s", flags & MSG_PEEK ? "peek" : "read", len, n, buf,
		    h.msg_flags & MSG_TRUNC ? " cut" : "");
	say(", offset %d\n", get(s[1], SO_PEEK_OFF));
}

static void peeks(int type, const char *name)
{
	begin(name, type);
	CHECK_EQ(get(s[1], SO_PEEK_OFF), -1);
	CHECK_EQ(write(s[0], "abc", 3), 3);
	CHECK_EQ(write(s[0], "defg", 4), 4);
	take(2, MSG_PEEK);
	set(s[1], SO_PEEK_OFF, 0);
	take(2, MSG_PEEK);
	take(2, MSG_PEEK);
	take(2, MSG_PEEK | MSG_TRUNC);
	take(9, MSG_PEEK);
	take(9, MSG_PEEK);
	take(2, 0);
	take(9, MSG_PEEK);
	take(9, 0);
	take(9, 0);
	take(9, 0);
	set(s[1], SO_PEEK_OFF, 3);
	CHECK_EQ(write(s[0], "123", 3), 3);
	take(9, MSG_PEEK);
	CHECK_EQ(write(s[0], "456", 3), 3);
	take(9, MSG_PEEK);
	set(s[1], SO_PEEK_OFF, 1);
	take(9, MSG_PEEK);
	take(9, MSG_PEEK);
	set(s[1], SO_PEEK_OFF, 1);
	CHECK_ERR(recv(s[1], (void *)8, 4, MSG_PEEK), EFAULT);
	CHECK_EQ(get(s[1], SO_PEEK_OFF), 1);
	set(s[1], SO_PEEK_OFF, -5);
	take(9, MSG_PEEK);
	end();
}

static void peeks_at_nothing(void)
{
	begin("empty datagrams", SOCK_DGRAM);
	set(s[1], SO_PEEK_OFF, 0);
	CHECK_EQ(send(s[0], "", 0, 0), 0);
	CHECK_EQ(send(s[0], "x", 1, 0), 1);
	take(9, MSG_PEEK);
	take(9, MSG_PEEK);
	take(9, MSG_PEEK);
	take(9, 0);
	take(9, 0);
	end();
}

static void peeks_at_marks(void)
{
	begin("over the mark", SOCK_STREAM);
	set(s[1], SO_PEEK_OFF, 0);
	CHECK_EQ(send(s[0], "ab!", 3, MSG_OOB), 3);
	CHECK_EQ(send(s[0], "cd", 2, 0), 2);
	take(1, MSG_PEEK);
	take(9, MSG_PEEK);
	take(9, MSG_PEEK);
	take(9, MSG_PEEK);
	take(9, 0);
	take(9, MSG_PEEK);
	end();
}

/* ---- pidfds ---- */

/* Which messages come with what is sent; the last descriptor among them. */
static int control(size_t room, int *flags)
{
	union {
		char bytes[256];
		struct cmsghdr align;
	} u;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = room ? u.bytes : NULL,
			   .msg_controllen = room};
	int fd = -1;

	CHECK_EQ(recvmsg(s[1], &h, *flags), 1);
	*flags = h.msg_flags;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		say(" %s", c->cmsg_type == SCM_CREDENTIALS ? "credentials"
			   : c->cmsg_type == PIDFD         ? "pidfd"
							   : "rights");
		CHECK_EQ(c->cmsg_level, SOL_SOCKET);
		if (c->cmsg_type == PIDFD) {
			CHECK_EQ(c->cmsg_len, CMSG_LEN(sizeof(int)));
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		}
	}
	say("%s\n", h.msg_flags & MSG_CTRUNC ? " cut" : "");
	return fd;
}

static int with(const char *what, size_t room)
{
	int flags = 0;

	say("  %s:", what);
	CHECK_EQ(write(s[0], "x", 1), 1);
	return control(room, &flags);
}

static void write_one(void *arg)
{
	CHECK_EQ(write(s[0], "x", 1), 1);
	wait_byte(*(int *)arg);
}

static void pidfds(int type, const char *name)
{
	int go[2], fd, flags;
	siginfo_t i;
	pid_t pid;

	begin(name, type);
	CHECK_EQ(get(s[1], SO_PASSPIDFD), 0);
	CHECK_EQ(with("nothing", 256), -1);
	set(s[1], SO_PASSPIDFD, 5);
	CHECK_EQ(get(s[1], SO_PASSPIDFD), 1);
	CHECK_EQ(get(s[1], SO_PASSCRED), 0);
	fd = with("a pidfd", 256);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), 0);
	close(fd);
	set(s[1], SO_PASSCRED, 1);
	fd = with("both", 256);
	CHECK(fd >= 0);
	close(fd);
	CHECK_EQ(with("no room", 0), -1);
	CHECK_EQ(with("room for one", CMSG_SPACE(sizeof(struct ucred))), -1);
	CHECK_EQ(with("room for nearly both", CMSG_SPACE(sizeof(struct ucred)) + 19), -1);
	fd = with("room for just both", CMSG_SPACE(sizeof(struct ucred)) + 20);
	CHECK(fd >= 0);
	close(fd);
	set(s[1], SO_PASSCRED, 0);
	CHECK_EQ(write(s[0], "x", 1), 1);
	say("  peeked:");
	flags = MSG_PEEK;
	fd = control(256, &flags);
	CHECK(fd >= 0);
	close(fd);
	say("  then read:");
	flags = 0;
	fd = control(256, &flags);
	CHECK(fd >= 0);
	close(fd);

	/* another process's: the descriptor is good for waiting */
	make_pipe(go);
	pid = spawn(write_one, &go[0]);
	poll(&(struct pollfd){.fd = s[1], .events = POLLIN}, 1, -1);
	say("  a child's:");
	flags = 0;
	fd = control(256, &flags);
	CHECK(fd >= 0);
	send_byte(go[1]);
	CHECK_EQ(waitid(3 /* P_PIDFD */, (id_t)fd, &i, WEXITED), 0);
	CHECK_EQ(i.si_pid, pid);
	close(fd);
	close(go[0]);
	close(go[1]);
	set(s[1], SO_PASSPIDFD, 0);
	CHECK_EQ(with("not any more", 256), -1);
	end();
}

/* Nothing is glued together that two sent; and who accepts has the listener's option. */
static void pidfds_of_connections(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX}, b;
	socklen_t len = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 +
			(socklen_t)snprintf(a.sun_path + 1, 50, "options-%d", getpid());
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), e, fd;
	socklen_t n = sizeof(fd);

	say("connections\n");
	CHECK_EQ(bind(l, (struct sockaddr *)&a, len), 0);
	set(l, SO_PASSPIDFD, 1);
	set(c, SO_PASSPIDFD, 1);
	CHECK_ERR(getsockopt(c, SOL_SOCKET, SO_PEERPIDFD, &fd, &n), ENODATA);
	CHECK_EQ(listen(l, 2), 0);
	CHECK_EQ(connect(c, (struct sockaddr *)&a, len), 0);
	e = accept(l, NULL, NULL);
	CHECK(e >= 0);
	CHECK_EQ(get(e, SO_PASSPIDFD), 1);
	/* who asks for identities has a name */
	len = sizeof(b);
	CHECK_EQ(getsockname(c, (struct sockaddr *)&b, &len), 0);
	CHECK_EQ(len, offsetof(struct sockaddr_un, sun_path) + 6);
	fd = get(e, SO_PEERPIDFD);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), 0);
	close(fd);
	CHECK_ERR(setsockopt(e, SOL_SOCKET, SO_PEERPIDFD, &fd, sizeof(fd)), ENOPROTOOPT);
	close(e);
	close(c);
	close(l);
}

/* ---- the rest ---- */

static void groups(void)
{
	gid_t mine[256], theirs[256];
	socklen_t len = sizeof(theirs);
	int n = getgroups(256, mine), fd;

	begin("groups", SOCK_STREAM);
	CHECK(n >= 0);
	CHECK_EQ(getsockopt(s[0], SOL_SOCKET, SO_PEERGROUPS, theirs, &len), 0);
	CHECK_EQ(len, (size_t)n * sizeof(gid_t));
	for (int i = 0; i < n; i++) {
		bool found = false;

		for (int k = 0; k < n; k++)
			found |= mine[i] == theirs[k];
		CHECK(found);
	}
	if (n) {
		len = (socklen_t)n * sizeof(gid_t) - 1;
		CHECK_ERR(getsockopt(s[0], SOL_SOCKET, SO_PEERGROUPS, theirs, &len), ERANGE);
		CHECK_EQ(len, (size_t)n * sizeof(gid_t));
	}
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	len = sizeof(theirs);
	CHECK_ERR(getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, theirs, &len), ENODATA);
	close(fd);
	CHECK_ERR(setsockopt(s[0], SOL_SOCKET, SO_PEERGROUPS, theirs, 4), ENOPROTOOPT);
	/* they are those of when it was made */
	if (!geteuid() && !setgroups(3, (gid_t[]){7, 8, 9})) {
		int t[2];

		CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, t), 0);
		CHECK_EQ(setgroups(1, (gid_t[]){5}), 0);
		len = sizeof(theirs);
		CHECK_EQ(getsockopt(t[1], SOL_SOCKET, SO_PEERGROUPS, theirs, &len), 0);
		CHECK_EQ(len, 12);
		CHECK(theirs[0] == 7 && theirs[1] == 8 && theirs[2] == 9);
		close(t[0]);
		close(t[1]);
	}
	end();
}

static void cookies(void)
{
	uint64_t a = 0, b = 0, again = 0;
	socklen_t len = 16;
	unsigned mem[12];

	begin("cookies, memory", SOCK_DGRAM);
	CHECK_EQ(getsockopt(s[0], SOL_SOCKET, SO_COOKIE, &a, &len), 0);
	CHECK_EQ(len, 8);
	CHECK_EQ(getsockopt(s[1], SOL_SOCKET, SO_COOKIE, &b, &len), 0);
	CHECK_EQ(getsockopt(s[0], SOL_SOCKET, SO_COOKIE, &again, &len), 0);
	CHECK(a && b && a != b && a == again);
	len = 7;
	CHECK_ERR(getsockopt(s[0], SOL_SOCKET, SO_COOKIE, &a, &len), EINVAL);
	CHECK_ERR(setsockopt(s[0], SOL_SOCKET, SO_COOKIE, &a, 8), ENOPROTOOPT);
	CHECK_EQ(write(s[0], "some", 4), 4);
	len = sizeof(mem);
	CHECK_EQ(getsockopt(s[0], SOL_SOCKET, SO_MEMINFO, mem, &len), 0);
	CHECK_EQ(len, 36);
	CHECK_EQ(mem[0], 0);
	CHECK_EQ(mem[1], get(s[0], SO_RCVBUF));
	CHECK(mem[2] >= 4);
	CHECK_EQ(mem[3], get(s[0], SO_SNDBUF));
	CHECK(!mem[4] && !mem[5] && !mem[6] && !mem[7] && !mem[8]);
	len = sizeof(mem);
	CHECK_EQ(getsockopt(s[1], SOL_SOCKET, SO_MEMINFO, mem, &len), 0);
	CHECK_EQ(mem[2], 0);
	len = 8;
	CHECK_EQ(getsockopt(s[1], SOL_SOCKET, SO_MEMINFO, mem, &len), 0);
	CHECK_EQ(len, 8);
	end();
}

static void interfaces(void)
{
	struct ifreq r = {.ifr_name = "lo"};
	struct ifconf c = {.ifc_len = 0};

	begin("interfaces", SOCK_STREAM);
	CHECK_EQ(ioctl(s[0], SIOCGIFINDEX, &r), 0);
	CHECK_EQ(r.ifr_ifindex, 1);
	CHECK_EQ(if_nametoindex("lo"), 1);
	memset(&r, 0, sizeof(r));
	r.ifr_ifindex = 1;
	CHECK_EQ(ioctl(s[0], SIOCGIFNAME, &r), 0);
	CHECK_EQ(strcmp(r.ifr_name, "lo"), 0);
	CHECK_EQ(ioctl(s[0], SIOCGIFFLAGS, &r), 0);
	CHECK(r.ifr_flags & IFF_LOOPBACK);
	CHECK_EQ(ioctl(s[0], SIOCGIFHWADDR, &r), 0);
	CHECK_EQ(r.ifr_hwaddr.sa_family, 772);
	CHECK_EQ(ioctl(s[0], SIOCGIFMTU, &r), 0);
	CHECK(r.ifr_mtu > 0);
	CHECK_EQ(ioctl(s[0], SIOCGIFMETRIC, &r), 0);
	CHECK_EQ(r.ifr_metric, 0);
	CHECK_EQ(ioctl(s[0], SIOCGIFTXQLEN, &r), 0);
	CHECK_EQ(ioctl(s[0], SIOCGIFMAP, &r), 0);
	CHECK_ERR(ioctl(s[0], SIOCGIFSLAVE, &r), EINVAL);
	CHECK_ERR(ioctl(s[0], SIOCGIFADDR, &r), ENOTTY);
	CHECK_ERR(ioctl(s[0], SIOCGIFINDEX, (void *)8), EFAULT);
	CHECK_ERR(ioctl(s[0], SIOCGIFCONF, (void *)8), EFAULT);
	CHECK_EQ(ioctl(s[0], SIOCGIFCONF, &c), 0);
	strcpy(r.ifr_name, "nosuch0");
	CHECK_ERR(ioctl(s[0], SIOCGIFINDEX, &r), ENODEV);
	CHECK_ERR(ioctl(s[0], SIOCGIFSLAVE, &r), ENODEV);
	memset(&r, 'x', sizeof(r));
	CHECK_ERR(ioctl(s[0], SIOCGIFFLAGS, &r), ENODEV);
	r.ifr_ifindex = 1 << 30;
	CHECK_ERR(ioctl(s[0], SIOCGIFNAME, &r), ENODEV);
	end();
}

int main(void)
{
	peeks(SOCK_STREAM, "stream");
	peeks(SOCK_DGRAM, "datagrams");
	peeks(SOCK_SEQPACKET, "packets");
	peeks_at_nothing();
	peeks_at_marks();
	pidfds(SOCK_STREAM, "pidfds on a stream");
	pidfds(SOCK_DGRAM, "pidfds with datagrams");
	pidfds_of_connections();
	groups();
	cookies();
	interfaces();
	return 0;
}
