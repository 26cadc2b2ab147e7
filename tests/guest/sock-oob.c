// kernel: 6.18 (before, marks that were read count otherwise)
// variants: static musl
// Urgent bytes on AF_UNIX streams: MSG_OOB, the mark, SIOCATMARK, SO_OOBINLINE, POLLPRI; and what
// other kinds of socket say. recv(2), socket(7), sockatmark(3).
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>

static int s[2];
/* Linux 6.18 goes on counting an urgent byte that was passed over: then its count is not shown. */
static bool passed;

static const char *name_of(int err)
{
	return err == EAGAIN       ? "EAGAIN"
	       : err == EINVAL     ? "EINVAL"
	       : err == EFAULT     ? "EFAULT"
	       : err == EPIPE      ? "EPIPE"
	       : err == EOPNOTSUPP ? "EOPNOTSUPP"
	       : err == ENOTCONN   ? "ENOTCONN"
	       : err == ECONNRESET ? "ECONNRESET"
	       : err == EISCONN    ? "EISCONN"
				   : "another";
}

static void begin(const char *what, int type)
{
	say("%s\n", what);
	CHECK_EQ(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s), 0);
	passed = false;
}

static void end(void)
{
	close(s[0]);
	close(s[1]);
}

static void put(const char *bytes, int flags)
{
	ssize_t n = send(s[0], bytes, strlen(bytes), flags | MSG_NOSIGNAL);

	if (n < 0)
		say("  send '%s'%s: %s\n", bytes, flags & MSG_OOB ? " urgent" : "", name_of(errno));
	else
		say("  send '%s'%s: %zd\n", bytes, flags & MSG_OOB ? " urgent" : "", n);
}

/* Everything that can be asked without changing anything. */
static void look(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLPRI | POLLRDBAND | POLLRDHUP};
	struct timeval none = {0, 0};
	fd_set in, ex;
	int mark = -1, n = -1;

	CHECK(poll(&p, 1, 0) >= 0);
	if (ioctl(fd, SIOCATMARK, &mark))
		CHECK_EQ(errno, EOPNOTSUPP);
	CHECK_EQ(ioctl(fd, FIONREAD, &n), 0);
	if (passed)
		n = -1;
	FD_ZERO(&in);
	FD_ZERO(&ex);
	FD_SET(fd, &in);
	FD_SET(fd, &ex);
	CHECK(select(fd + 1, &in, NULL, &ex, &none) >= 0);
	say("  mark %d, %d bytes, poll%s%s%s%s%s%s, select%s%s\n", mark, n,
	    p.revents & POLLIN ? " in" : "", p.revents & POLLPRI ? " pri" : "",
	    p.revents & POLLRDBAND ? " rdband" : "", p.revents & POLLHUP ? " hup" : "",
	    p.revents & POLLRDHUP ? " rdhup" : "", p.revents & POLLERR ? " err" : "",
	    FD_ISSET(fd, &in) ? " in" : "", FD_ISSET(fd, &ex) ? " ex" : "");
}

static void get(size_t len, int flags)
{
	char buf[64] = "";
	struct iovec iov = {buf, len};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n = recvmsg(s[1], &h, flags);

	say("  recv %zu%s%s%s: ", len, flags & MSG_OOB ? " urgent" : "",
	    flags & MSG_PEEK ? " peek" : "", flags & MSG_WAITALL ? " all" : "");
	if (n < 0)
		say("%s\n", name_of(errno));
	else
		say("%zd '%.*s'%s\n", n, (int)n, buf, h.msg_flags & MSG_OOB ? " as urgent" : "");
}

static void set_inline(int on)
{
	CHECK_EQ(setsockopt(s[1], SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)), 0);
}

static void one_byte(void)
{
	begin("an urgent byte alone", SOCK_STREAM);
	look(s[1]);
	get(1, MSG_OOB);
	put("x", MSG_OOB);
	look(s[1]);
	get(1, MSG_OOB | MSG_PEEK);
	get(8, MSG_OOB);
	look(s[1]);
	get(1, MSG_OOB);
	get(8, 0);
	look(s[1]);
	put("y", 0);
	get(8, 0);
	look(s[1]);
	end();

	begin("passed over", SOCK_STREAM);
	put("x", MSG_OOB);
	get(8, MSG_PEEK);
	get(8, 0);
	passed = true;
	look(s[1]);
	get(1, MSG_OOB);
	end();

	begin("nowhere to store it", SOCK_STREAM);
	put("x", MSG_OOB);
	get(0, MSG_OOB | MSG_PEEK);
	get(0, MSG_OOB);
	get(1, MSG_OOB);
	look(s[1]);
	put("x", MSG_OOB);
	CHECK_ERR(recv(s[1], (void *)8, 1, MSG_OOB), EFAULT);
	look(s[1]);
	end();
}

static void in_the_middle(void)
{
	begin("the mark in the middle", SOCK_STREAM);
	put("hello!", MSG_OOB);
	put("world", 0);
	look(s[1]);
	get(64, MSG_PEEK);
	get(3, 0);
	look(s[1]);
	get(64, MSG_WAITALL);
	look(s[1]);
	get(64, MSG_PEEK);
	get(64, 0);
	passed = true;
	look(s[1]);
	end();

	begin("the same, the byte taken first", SOCK_STREAM);
	put("hello!", MSG_OOB);
	put("world", 0);
	get(1, MSG_OOB);
	look(s[1]);
	get(64, 0);
	look(s[1]);
	get(64, MSG_PEEK);
	get(2, 0);
	look(s[1]);
	get(64, 0);
	end();

	begin("taken at the mark", SOCK_STREAM);
	put("hello!", MSG_OOB);
	put("world", 0);
	get(64, 0);
	get(1, MSG_OOB);
	look(s[1]);
	get(64, 0);
	look(s[1]);
	end();

	begin("inline", SOCK_STREAM);
	set_inline(1);
	put("hello!", MSG_OOB);
	put("world", 0);
	look(s[1]);
	get(1, MSG_OOB);
	get(64, MSG_PEEK);
	get(64, 0);
	look(s[1]);
	get(1, MSG_OOB);
	get(64, MSG_PEEK);
	get(64, 0);
	look(s[1]);
	end();

	begin("inline from now on", SOCK_STREAM);
	put("ab", MSG_OOB);
	put("cd", 0);
	set_inline(1);
	get(1, MSG_OOB);
	get(1, 0);
	look(s[1]);
	set_inline(0);
	get(1, MSG_OOB | MSG_PEEK);
	get(8, 0);
	end();
}

static void several(void)
{
	begin("two urgent bytes", SOCK_STREAM);
	put("a", MSG_OOB);
	put("b", MSG_OOB);
	look(s[1]);
	get(1, MSG_OOB | MSG_PEEK);
	get(8, 0);
	look(s[1]);
	get(8, 0);
	end();

	begin("one after the other", SOCK_STREAM);
	put("a", MSG_OOB);
	get(1, MSG_OOB);
	put("b", MSG_OOB);
	look(s[1]);
	get(1, MSG_OOB);
	look(s[1]);
	put("c", MSG_OOB);
	put("d", 0);
	look(s[1]);
	get(8, 0);
	passed = true;
	look(s[1]);
	end();

	begin("taken, data, urgent", SOCK_STREAM);
	put("12a", MSG_OOB);
	get(1, MSG_OOB);
	put("34b", MSG_OOB);
	put("56", 0);
	look(s[1]);
	get(64, MSG_PEEK);
	get(64, 0);
	look(s[1]);
	get(64, MSG_PEEK);
	get(64, 0);
	passed = true;
	look(s[1]);
	get(64, 0);
	look(s[1]);
	end();

	begin("long before the mark", SOCK_STREAM);
	put("1", 0);
	put("2", 0);
	put("3!", MSG_OOB);
	put("4", 0);
	get(64, MSG_WAITALL);
	look(s[1]);
	get(64, MSG_WAITALL);
	end();
}

static void ends(void)
{
	begin("shut down", SOCK_STREAM);
	put("a!", MSG_OOB);
	CHECK_EQ(shutdown(s[0], SHUT_WR), 0);
	put("b", MSG_OOB);
	look(s[1]);
	get(64, 0);
	get(64, 0);
	get(64, 0);
	get(1, MSG_OOB);
	end();

	begin("closed by the sender", SOCK_STREAM);
	put("a!", MSG_OOB);
	close(s[0]);
	look(s[1]);
	get(1, MSG_OOB);
	get(64, 0);
	look(s[1]);
	get(64, 0);
	close(s[1]);

	begin("closed with a mark", SOCK_STREAM);
	put("!", MSG_OOB);
	get(1, MSG_OOB);
	close(s[1]);
	say("  %s\n", recv(s[0], &(char){0}, 1, 0) == 0 ? "the end" : name_of(errno));
	close(s[0]);

	begin("closed with an urgent byte", SOCK_STREAM);
	put("!", MSG_OOB);
	close(s[1]);
	say("  %s\n", recv(s[0], &(char){0}, 1, 0) == 0 ? "the end" : name_of(errno));
	put("b", MSG_OOB);
	close(s[0]);
}

static void others(void)
{
	static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
	int fd;

	for (int i = 0; i < 2; i++) {
		begin(i ? "packets" : "datagrams", types[i]);
		put("x", MSG_OOB);
		get(1, MSG_OOB);
		look(s[1]);
		put("x", 0);
		look(s[1]);
		CHECK_EQ(send(s[0], "", 0, 0), 0);
		get(8, 0);
		look(s[1]);
		end();
	}
	begin("nothing to send", SOCK_STREAM);
	put("", MSG_OOB);
	CHECK_ERR(send(s[0], (void *)8, 1, MSG_OOB), EFAULT);
	look(s[1]);
	end();
	say("not connected\n");
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(fd >= 0);
	CHECK_ERR(send(fd, "x", 1, MSG_OOB | MSG_NOSIGNAL), ENOTCONN);
	CHECK_ERR(send(fd, "", 0, MSG_OOB | MSG_NOSIGNAL), EOPNOTSUPP);
	CHECK_ERR(recv(fd, &(char){0}, 1, MSG_OOB), EINVAL);
	CHECK_EQ(ioctl(fd, SIOCATMARK, &(int){0}), 0);
	CHECK_ERR(ioctl(fd, SIOCATMARK, (void *)8), EFAULT);
	close(fd);
}

static unsigned edges(int ep)
{
	struct epoll_event e = {0};

	return epoll_wait(ep, &e, 1, 0) == 1 ? e.events : 0;
}

static void by_epoll(void)
{
	struct epoll_event e = {.events = EPOLLPRI | EPOLLET};
	int ep = epoll_create1(0);

	begin("epoll", SOCK_STREAM);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, s[1], &e), 0);
	CHECK_EQ(edges(ep), 0);
	put("a", 0);
	CHECK_EQ(edges(ep), 0);
	put("b", MSG_OOB);
	CHECK_EQ(edges(ep), EPOLLPRI);
	CHECK_EQ(edges(ep), 0);
	put("c", MSG_OOB);
	CHECK_EQ(edges(ep), EPOLLPRI);
	get(8, 0);
	get(8, MSG_OOB);
	CHECK_EQ(edges(ep), 0);
	end();
	close(ep);
}

/* Files that come with an urgent byte come with reads of the stream alone. */
static void files(void)
{
	char control[64] = {0}, byte = 'u';
	struct iovec iov = {&byte, 1};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = CMSG_SPACE(4)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	int p[2];

	for (int take = 0; take < 2; take++) {
		begin(take ? "files, taken" : "files, passed over", SOCK_STREAM);
		make_pipe(p);
		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(4);
		c->cmsg_len = CMSG_LEN(4);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(c), &p[1], 4);
		CHECK_EQ(sendmsg(s[0], &h, MSG_OOB), 1);
		close(p[1]);
		if (take) {
			CHECK_EQ(recvmsg(s[1], &h, MSG_OOB), 1);
			CHECK_EQ(h.msg_controllen, 0);
		}
		put("z", 0);
		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(4);
		CHECK_EQ(recvmsg(s[1], &h, 0), 1);
		CHECK_EQ(h.msg_controllen, 0);
		/* nobody has the writing end */
		CHECK_EQ(read(p[0], &byte, 1), 0);
		close(p[0]);
		end();
	}
}

static void waits_for_more(void *arg)
{
	char buf[8];

	(void)arg;
	/* a reader that waits for all of it stops at the mark */
	CHECK_EQ(recv(s[1], buf, sizeof(buf), MSG_WAITALL), 2);
	CHECK_EQ(memcmp(buf, "ab", 2), 0);
	CHECK_EQ(recv(s[1], buf, 1, MSG_OOB), 1);
	CHECK_EQ(*buf, '!');
}

static void blocked(void)
{
	pid_t pid;

	begin("a blocked reader", SOCK_STREAM);
	CHECK_EQ(fcntl(s[1], F_SETFL, 0), 0);
	put("a", 0);
	pid = spawn(waits_for_more, NULL);
	put("b!", MSG_OOB);
	reap_ok(pid);
	end();
}

static void large(void)
{
	static char big[100000];
	int on = 1;
	ssize_t n, all = 0;

	begin("a large message", SOCK_STREAM);
	memset(big, 'm', sizeof(big));
	big[sizeof(big) - 1] = '!';
	CHECK_EQ(send(s[0], big, sizeof(big), MSG_OOB), sizeof(big));
	memset(big, 0, sizeof(big));
	while ((n = recv(s[1], big, sizeof(big), 0)) > 0) {
		all += n;
		CHECK_EQ(ioctl(s[1], SIOCATMARK, &on), 0);
		if (on)
			break;
	}
	CHECK_EQ(all, sizeof(big) - 1);
	get(1, MSG_OOB);
	end();
}

int main(void)
{
	one_byte();
	in_the_middle();
	several();
	ends();
	others();
	by_epoll();
	files();
	blocked();
	large();
	return 0;
}
