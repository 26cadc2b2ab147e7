// kernel: 6.12 (6.1 counts urgent bytes in another way)
// variants: static musl
// AF_UNIX streams: socketpair, listen and connect by path and abstract name, blocking, shutdown,
// poll, the flags, the errors that unix(7), connect(2), accept(2), send(2) and recv(2) name.
#include "check.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static socklen_t address(struct sockaddr_un *a, const char *path)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	if (*path == '@') {
		memcpy(a->sun_path + 1, path + 1, strlen(path + 1));
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	}
	strcpy(a->sun_path, path);
	return sizeof(*a);
}

static unsigned ready(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

	CHECK(poll(&p, 1, 0) >= 0);
	return (unsigned)p.revents;
}

static void pairs(void)
{
	char buf[64], big[70000];
	struct pollfd p;
	int s[2], n, total = 0;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s), 0);
	CHECK_EQ(fcntl(s[0], F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(s[0], F_GETFL), O_RDWR | O_NONBLOCK);
	CHECK_ERR(read(s[0], buf, 1), EAGAIN);
	CHECK_EQ(read(s[0], buf, 0), 0);
	CHECK_EQ(ready(s[0]), POLLOUT);
	CHECK_EQ(write(s[0], "hello", 5), 5);
	CHECK_EQ(write(s[0], " world", 6), 6);
	CHECK_EQ(ready(s[1]), POLLIN | POLLOUT);
	CHECK_EQ(ioctl(s[1], FIONREAD, &n), 0);
	CHECK_EQ(n, 11);
	CHECK_EQ(recv(s[1], buf, 8, MSG_PEEK), 8);
	CHECK_EQ(recv(s[1], buf, 64, MSG_PEEK | MSG_WAITALL), 11);
	CHECK_EQ(recv(s[1], buf, 64, 0), 11);
	CHECK_EQ(memcmp(buf, "hello world", 11), 0);
	CHECK_ERR(recv(s[1], buf, 64, 0), EAGAIN);
	CHECK_ERR(lseek(s[0], 0, SEEK_SET), ESPIPE);
	CHECK_ERR(pread(s[0], buf, 1, 0), ESPIPE);
	CHECK_ERR(read(s[1], (void *)8, 5), EAGAIN);
	CHECK_EQ(write(s[0], "xyz", 3), 3);
	CHECK_ERR(read(s[1], (void *)8, 5), EFAULT);
	CHECK_EQ(read(s[1], buf, 5), 3);
	CHECK_ERR(write(s[0], (void *)8, 5), EFAULT);
	CHECK_ERR(send(s[0], "a", 1, MSG_OOB | MSG_DONTWAIT) == 1 ? (errno = EOPNOTSUPP, -1) : -1,
		  EOPNOTSUPP);
	recv(s[1], buf, 1, MSG_OOB);
	memset(big, 'a', sizeof(big));
	while ((n = (int)write(s[0], big, sizeof(big))) > 0)
		total += n;
	CHECK_EQ(errno, EAGAIN);
	CHECK(total > 60000);
	CHECK_EQ(ready(s[0]) & POLLOUT, 0);
	while ((n = (int)read(s[1], big, sizeof(big))) > 0)
		total -= n;
	CHECK(total == 0 || total == -1); /* a byte sent as urgent stays in the stream */
	CHECK_EQ(ready(s[0]), POLLOUT);
	CHECK_EQ(close(s[1]), 0);
	CHECK_EQ(ready(s[0]), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	CHECK_EQ(read(s[0], buf, 1), 0);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERR(write(s[0], "x", 1), EPIPE);
	signal(SIGPIPE, SIG_DFL);
	CHECK_ERR(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	p = (struct pollfd){.fd = s[0]};
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(p.revents, POLLHUP);
	close(s[0]);
	/* Unread data at close: the other side is told. */
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(write(s[0], "x", 1), 1);
	close(s[1]);
	CHECK_ERR(read(s[0], buf, 1), ECONNRESET);
	CHECK_EQ(read(s[0], buf, 1), 0);
	close(s[0]);
	say("pairs\n");
}

static void shutdowns(void)
{
	char buf[8];
	int s[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_ERR(shutdown(s[0], 3), EINVAL);
	CHECK_ERR(shutdown(0, 0), ENOTSOCK);
	CHECK_ERR(shutdown(99, 0), EBADF);
	CHECK_EQ(write(s[0], "ab", 2), 2);
	CHECK_EQ(shutdown(s[0], SHUT_WR), 0);
	CHECK_EQ(ready(s[0]), POLLOUT);
	CHECK_EQ(ready(s[1]), POLLIN | POLLOUT | POLLRDHUP);
	CHECK_ERR(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(read(s[1], buf, 8), 2);
	CHECK_EQ(read(s[1], buf, 8), 0);
	CHECK_EQ(write(s[1], "c", 1), 1);
	CHECK_EQ(read(s[0], buf, 8), 1);
	CHECK_EQ(shutdown(s[0], SHUT_RD), 0);
	CHECK_ERR(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(ready(s[1]), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	close(s[0]);
	close(s[1]);
	say("shutdowns\n");
}

static void reader(void *arg)
{
	int fd = *(int *)arg;
	char buf[16];

	CHECK_EQ(recv(fd, buf, 6, MSG_WAITALL), 6);
	CHECK_EQ(memcmp(buf, "abcdef", 6), 0);
	CHECK_EQ(recv(fd, buf, 6, MSG_WAITALL), 2);
}

static void sink(void *arg)
{
	int fd = *(int *)arg;
	static char buf[30000];
	long total = 0, n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		total += n;
	CHECK_EQ(total, 3000000);
}

static void blocking(void)
{
	static char big[3000000];
	struct timeval tv = {0, 20000};
	long long t0;
	char c;
	int s[2];
	pid_t pid;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	pid = spawn(reader, &s[1]);
	CHECK_EQ(write(s[0], "abc", 3), 3);
	sleep_ms(5);
	CHECK_EQ(write(s[0], "defgh", 5), 5);
	sleep_ms(5);
	CHECK_EQ(shutdown(s[0], SHUT_WR), 0);
	reap_ok(pid);
	close(s[0]);
	close(s[1]);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	pid = fork_ok();
	if (!pid) {
		close(s[0]);
		sink(&s[1]);
		_exit(0);
	}
	close(s[1]);
	CHECK_EQ(write(s[0], big, sizeof(big)), sizeof(big));
	CHECK_EQ(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	t0 = now_ns(CLOCK_MONOTONIC);
	CHECK_ERR(read(s[0], &c, 1), EAGAIN);
	CHECK_ERR(recv(s[0], &c, 1, 0), EAGAIN);
	CHECK(now_ns(CLOCK_MONOTONIC) - t0 >= 39000000);
	close(s[0]);
	reap_ok(pid);
	say("blocking\n");
}

static void alarmed(int sig)
{
	(void)sig;
}

static void interrupted(void)
{
	struct sigaction sa = {.sa_handler = alarmed};
	struct timeval tv = {5, 0};
	char c;
	int s[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
	/* Again and again: one may come before the call has begun. */
	ualarm(30000, 30000);
	CHECK_ERR(read(s[0], &c, 1), EINTR);
	/* A timeout makes even SA_RESTART's calls end: signal(7). */
	sa.sa_flags = SA_RESTART;
	CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
	CHECK_EQ(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	CHECK_ERR(recv(s[0], &c, 1, 0), EINTR);
	ualarm(0, 0);
	close(s[0]);
	close(s[1]);
	say("interrupted\n");
}

static void serve(void *arg)
{
	int l = *(int *)arg, fd = accept(l, NULL, NULL);
	char buf[8];

	CHECK(fd >= 0);
	CHECK_EQ(read(fd, buf, 8), 4);
	CHECK_EQ(write(fd, "pong", 4), 4);
}

static void names(const char *name, bool path)
{
	struct sockaddr_un a, b;
	socklen_t len = address(&a, name), blen;
	struct ucred cred;
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), one = 0, x;
	char buf[8];
	pid_t pid;

	CHECK_EQ(ready(c), POLLOUT | POLLHUP);
	CHECK_ERR(listen(l, 5), EINVAL);
	CHECK_ERR(connect(c, (void *)&a, len), path ? ENOENT : ECONNREFUSED);
	CHECK_EQ(bind(l, (void *)&a, len), 0);
	CHECK_ERR(bind(l, (void *)&a, len), path ? EADDRINUSE : EINVAL);
	CHECK_ERR(bind(c, (void *)&a, len), EADDRINUSE);
	CHECK_ERR(connect(c, (void *)&a, len), ECONNREFUSED);
	CHECK_ERR(accept(l, NULL, NULL), EINVAL);
	x = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK_ERR(connect(x, (void *)&a, len), path ? EPROTOTYPE : ECONNREFUSED);
	close(x);
	CHECK_EQ(listen(l, 1), 0);
	blen = sizeof(one);
	CHECK_EQ(getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &one, &blen), 0);
	CHECK_EQ(one, 1);
	CHECK_EQ(ready(l), 0);
	pid = spawn(serve, &l);
	CHECK_EQ(connect(c, (void *)&a, len), 0);
	CHECK_ERR(connect(c, (void *)&a, len), EISCONN);
	CHECK_EQ(write(c, "ping", 4), 4);
	CHECK_EQ(read(c, buf, 8), 4);
	reap_ok(pid);
	blen = sizeof(b);
	CHECK_EQ(getpeername(c, (void *)&b, &blen), 0);
	CHECK_EQ(blen, path ? offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1 : len);
	CHECK_EQ(memcmp(a.sun_path, b.sun_path, blen - 2), 0);
	blen = sizeof(b);
	CHECK_EQ(getsockname(c, (void *)&b, &blen), 0);
	CHECK_EQ(blen, sizeof(sa_family_t));
	blen = sizeof(cred);
	CHECK_EQ(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &cred, &blen), 0);
	CHECK_EQ(cred.pid, getpid());
	CHECK_EQ(cred.uid, geteuid());
	CHECK_EQ(read(c, buf, 8), 0);
	close(c);
	/* The backlog: one waits, and one more. */
	for (int i = 0; i < 2; i++) {
		c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		CHECK_EQ(connect(c, (void *)&a, len), 0);
	}
	CHECK_EQ(ready(l), POLLIN);
	c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK_ERR(connect(c, (void *)&a, len), EAGAIN);
	x = accept4(l, (void *)&b, (blen = sizeof(b), &blen), SOCK_NONBLOCK | SOCK_CLOEXEC);
	CHECK(x >= 0);
	CHECK_EQ(blen, sizeof(sa_family_t));
	CHECK_EQ(fcntl(x, F_GETFD), FD_CLOEXEC);
	CHECK(fcntl(x, F_GETFL) & O_NONBLOCK);
	CHECK_EQ(connect(c, (void *)&a, len), 0);
	CHECK_ERR(syscall(SYS_accept4, l, NULL, NULL, 1), EINVAL);
	close(l);
	CHECK_EQ(ready(c) & (POLLHUP | POLLERR), POLLHUP | POLLERR);
	CHECK_ERR(read(c, buf, 1), ECONNRESET);
	CHECK_EQ(read(c, buf, 1), 0);
	x = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_ERR(connect(x, (void *)&a, len), ECONNREFUSED);
	close(x);
	say("names\n");
}

static void errors(const char *dir)
{
	struct sockaddr_un a;
	struct stat st;
	socklen_t len = address(&a, temp_path(dir, "file"));
	int s = socket(AF_UNIX, SOCK_STREAM, 0), p[2];
	char c;

	CHECK_ERR(socket(AF_UNIX, 77, 0), EINVAL);
	CHECK_ERR(socket(AF_UNIX, 0, 0), ESOCKTNOSUPPORT);
	CHECK_ERR(socket(AF_UNIX, SOCK_STREAM, 5), EPROTONOSUPPORT);
	CHECK_ERR(socket(12345, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERR(socket(AF_UNIX, SOCK_STREAM | 0x100, 0), EINVAL);
	CHECK_ERR(socketpair(AF_UNIX, SOCK_STREAM, 0, (void *)8), EFAULT);
	CHECK_ERR(read(s, &c, 1), EINVAL);
	CHECK_ERR(send(s, "x", 1, MSG_NOSIGNAL), ENOTCONN);
	CHECK_ERR(getpeername(s, (void *)&a, &(socklen_t){2}), ENOTCONN);
	CHECK_ERR(bind(s, (void *)&a, 1), EINVAL);
	CHECK_ERR(bind(s, (void *)&a, 200), EINVAL);
	CHECK_ERR(bind(s, (void *)8, 20), EFAULT);
	CHECK_ERR(bind(99, (void *)&a, len), EBADF);
	CHECK_ERR(bind(1, (void *)&a, len), ENOTSOCK);
	write_file(temp_path(dir, "file"), "x", 1, 0600);
	CHECK_ERR(bind(s, (void *)&a, len), EADDRINUSE);
	CHECK_ERR(connect(s, (void *)&a, len), ECONNREFUSED);
	len = address(&a, temp_path(dir, "none/x"));
	CHECK_ERR(bind(s, (void *)&a, len), ENOENT);
	len = address(&a, temp_path(dir, "file/x"));
	CHECK_ERR(bind(s, (void *)&a, len), ENOTDIR);
	a.sun_family = AF_INET;
	CHECK_ERR(bind(s, (void *)&a, len), EINVAL);
	CHECK_ERR(connect(s, (void *)&a, len), EINVAL);
	CHECK_ERR(accept(s, NULL, NULL), EINVAL);
	CHECK_ERR(setsockopt(s, SOL_SOCKET, SO_TYPE, &(int){1}, 4), ENOPROTOOPT);
	CHECK_ERR(setsockopt(s, SOL_SOCKET, SO_RCVBUF, &(int){1}, 2), EINVAL);
	CHECK_ERR(setsockopt(s, SOL_SOCKET, SO_RCVBUF, (void *)8, 4), EFAULT);
	CHECK_ERR(setsockopt(s, 6, 1, &(int){1}, 4), EOPNOTSUPP);
	CHECK_ERR(getsockopt(s, SOL_SOCKET, 9999, &(int){1}, &(socklen_t){4}), ENOPROTOOPT);
	CHECK_ERR(getsockopt(s, SOL_SOCKET, SO_TYPE, &(int){1}, (void *)8), EFAULT);
	/* autobind */
	len = 2;
	a.sun_family = AF_UNIX;
	CHECK_EQ(bind(s, (void *)&a, 2), 0);
	len = sizeof(a);
	CHECK_EQ(getsockname(s, (void *)&a, &len), 0);
	CHECK_EQ(len, 8);
	CHECK_EQ(a.sun_path[0], 0);
	close(s);
	/* what bind leaves */
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	len = address(&a, temp_path(dir, "s"));
	CHECK_EQ(bind(s, (void *)&a, len), 0);
	CHECK_EQ(stat(a.sun_path, &st), 0);
	CHECK(S_ISSOCK(st.st_mode));
	CHECK_ERR(open(a.sun_path, O_RDWR), ENXIO);
	CHECK_EQ(fstat(s, &st), 0);
	CHECK_EQ(st.st_mode, S_IFSOCK | 0777);
	close(s);
	CHECK_EQ(unlink(a.sun_path), 0);
	CHECK_EQ(pipe(p), 0);
	CHECK_ERR(send(p[1], "x", 1, 0), ENOTSOCK);
	CHECK_ERR(recv(p[1], &c, 1, 0), ENOTSOCK);
	CHECK_ERR(listen(p[1], 1), ENOTSOCK);
	CHECK_ERR(connect(p[1], (void *)&a, len), ENOTSOCK);
	CHECK_ERR(getsockname(p[1], (void *)&a, &len), ENOTSOCK);
	CHECK_ERR(getsockopt(p[1], SOL_SOCKET, SO_TYPE, &c, &len), ENOTSOCK);
	say("errors\n");
}

static void options(void)
{
	int s = socket(AF_UNIX, SOCK_STREAM, 0), v = 0;
	struct timeval tv = {3, 500000};
	struct linger lg = {1, 7};
	struct ucred cred;
	socklen_t len = sizeof(v);

	CHECK_EQ(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &len), 0);
	CHECK_EQ(v, SOCK_STREAM);
	CHECK_EQ(getsockopt(s, SOL_SOCKET, SO_DOMAIN, &v, &len), 0);
	CHECK_EQ(v, AF_UNIX);
	CHECK_EQ(getsockopt(s, SOL_SOCKET, SO_ERROR, &v, &len), 0);
	CHECK_EQ(v, 0);
	CHECK_EQ(setsockopt(s, SOL_SOCKET, SO_SNDBUF, &(int){20000}, 4), 0);
	CHECK_EQ(getsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, &len), 0);
	CHECK_EQ(v, 40000);
	CHECK_EQ(setsockopt(s, SOL_SOCKET, SO_SNDBUF, &(int){1}, 4), 0);
	CHECK_EQ(getsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, &len), 0);
	CHECK_EQ(v, 4608);
	CHECK_EQ(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &(int){1}, 4), 0);
	CHECK_EQ(getsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, &len), 0);
	CHECK_EQ(v, 1);
	CHECK_EQ(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	memset(&tv, 0, sizeof(tv));
	len = sizeof(tv);
	CHECK_EQ(getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, &len), 0);
	CHECK_EQ(tv.tv_sec, 3);
	CHECK_EQ(tv.tv_usec, 500000);
	tv.tv_usec = 1000000;
	CHECK_ERR(setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), EDOM);
	CHECK_EQ(setsockopt(s, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg)), 0);
	memset(&lg, 0, sizeof(lg));
	len = sizeof(lg);
	CHECK_EQ(getsockopt(s, SOL_SOCKET, SO_LINGER, &lg, &len), 0);
	CHECK_EQ(lg.l_linger, 7);
	len = sizeof(cred);
	CHECK_EQ(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &cred, &len), 0);
	CHECK_EQ(cred.pid, 0);
	CHECK_EQ(cred.uid, (uid_t)-1);
	close(s);
	say("options\n");
}

int main(void)
{
	const char *dir = temp_dir();
	char abstract[64];

	pairs();
	shutdowns();
	blocking();
	interrupted();
	names(temp_path(dir, "sock"), true);
	snprintf(abstract, sizeof(abstract), "@vmbox-test-%d", (int)getpid());
	names(abstract, false);
	errors(dir);
	options();
	unlink(temp_path(dir, "sock"));
	unlink(temp_path(dir, "file"));
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
