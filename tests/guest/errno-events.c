// epoll, eventfd, timerfd, signalfd, pidfd and AF_UNIX sockets: the errors of their man pages.
// kernel: 6.9 (pidfd_getfd of a process that has ended)
#include "err.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>

static char buf[256];

static void epolls(void)
{
	struct epoll_event ev = {.events = EPOLLIN}, got[2];
	struct timespec bad = {0, 1000000000}, neg = {-1, 0}, now = {0, 0};
	int ep = epoll_create1(0), other = epoll_create1(0), p[2], path = open("/", O_PATH);
	int chain[8], dir = open("/", O_RDONLY);

	make_pipe(p);
	TRY_FD(epoll_create1(EPOLL_CLOEXEC | 1));
	TRY_FD(S(epoll_create1, -1));
	TRY(S(epoll_ctl, ep, 99, p[0], &ev));
	TRY(S(epoll_ctl, 999, EPOLL_CTL_ADD, p[0], &ev));
	TRY(S(epoll_ctl, ep, EPOLL_CTL_ADD, 999, &ev));
	TRY(S(epoll_ctl, ep, EPOLL_CTL_ADD, path, &ev));
	TRY(S(epoll_ctl, ep, EPOLL_CTL_ADD, dir, &ev));
	TRY(S(epoll_ctl, p[0], EPOLL_CTL_ADD, p[1], &ev));
	TRY(S(epoll_ctl, ep, EPOLL_CTL_ADD, ep, &ev));
	TRY(S(epoll_ctl, ep, EPOLL_CTL_ADD, p[0], BAD_POINTER));
	TRY(S(epoll_ctl, ep, EPOLL_CTL_DEL, p[0], BAD_POINTER));
	TRY(S(epoll_ctl, ep, EPOLL_CTL_MOD, p[0], &ev));
	TRY(S(epoll_ctl, ep, EPOLL_CTL_ADD, p[0], &ev));
	TRY(S(epoll_ctl, ep, EPOLL_CTL_ADD, p[0], &ev));
	ev.events = EPOLLIN | EPOLLEXCLUSIVE;
	TRY(S(epoll_ctl, ep, EPOLL_CTL_MOD, p[0], &ev));
	TRY(S(epoll_ctl, ep, EPOLL_CTL_ADD, other, &ev));
	TRY(S(epoll_ctl, ep, EPOLL_CTL_ADD, p[1], &ev));
	ev.events = EPOLLIN;
	TRY(S(epoll_ctl, ep, EPOLL_CTL_MOD, p[1], &ev));
	ev.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
	TRY(S(epoll_ctl, other, EPOLL_CTL_ADD, p[1], &ev));
	ev.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLRDHUP;
	TRY(S(epoll_ctl, other, EPOLL_CTL_ADD, p[1], &ev));
	ev.events = EPOLLIN;
	TRY(S(epoll_ctl, ep, EPOLL_CTL_ADD, other, &ev));
	TRY(S(epoll_ctl, other, EPOLL_CTL_ADD, ep, &ev));
	/* a chain of five, and its ends joined */
	for (int i = 0; i < 8; i++) {
		chain[i] = epoll_create1(0);
		if (i)
			TRY(S(epoll_ctl, chain[i], EPOLL_CTL_ADD, chain[i - 1], &ev));
	}
	TRY(S(epoll_ctl, chain[0], EPOLL_CTL_ADD, chain[3], &ev));
	TRY(S(epoll_pwait, ep, got, 0, 0, NULL, 8));
	TRY(S(epoll_pwait, ep, got, -1, 0, NULL, 8));
	TRY(S(epoll_pwait, ep, got, 0x7fffffff, 0, NULL, 8));
	TRY(S(epoll_pwait, 999, got, 1, 0, NULL, 8));
	TRY(S(epoll_pwait, p[0], got, 1, 0, NULL, 8));
	TRY(S(epoll_pwait, ep, got, 1, 0, BAD_POINTER, 8));
	TRY(S(epoll_pwait, ep, got, 1, 0, buf, 4));
	TRY(S(epoll_pwait2, ep, got, 1, &bad, NULL, 8));
	TRY(S(epoll_pwait2, ep, got, 1, &neg, NULL, 8));
	TRY(S(epoll_pwait2, ep, got, 1, BAD_POINTER, NULL, 8));
	TRY(S(epoll_pwait2, ep, got, 1, &now, NULL, 8));
	CHECK_EQ(write(p[1], "x", 1), 1);
	TRY(S(epoll_pwait, ep, BAD_POINTER, 1, 0, NULL, 8));
	TRY(S(epoll_pwait, ep, got, 1, 0, NULL, 8));
}

static void descriptors(void)
{
	struct itimerspec its = {{0, 0}, {0, 1000000000}}, ok = {{0, 0}, {0, 0}};
	int ev = eventfd(1, EFD_NONBLOCK), tf = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK), sf;
	uint64_t most = UINT64_MAX - 1, all = UINT64_MAX, one = 1;
	sigset_t mask;

	TRY_FD(S(eventfd2, 0, 1));
	TRY(write(ev, &one, 7));
	TRY(write(ev, &all, 8));
	TRY(write(ev, &most, 8));
	TRY(write(ev, BAD_POINTER, 8));
	TRY(read(ev, buf, 7));
	TRY(S(read, ev, BAD_POINTER, 8));
	TRY(read(ev, buf, 8));
	TRY_FD(timerfd_create(99, 0));
	TRY_FD(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	TRY_FD(timerfd_create(CLOCK_MONOTONIC, 1));
	TRY(S(timerfd_settime, tf, 0, &its, NULL));
	its.it_value.tv_nsec = -1;
	TRY(S(timerfd_settime, tf, 0, &its, NULL));
	its.it_value = (struct timespec){-1, 0};
	TRY(S(timerfd_settime, tf, 0, &its, NULL));
	its.it_value = (struct timespec){1000, 0};
	its.it_interval.tv_nsec = 1000000000;
	TRY(S(timerfd_settime, tf, 0, &its, NULL));
	TRY(S(timerfd_settime, tf, 8, &ok, NULL));
	TRY(S(timerfd_settime, tf, TFD_TIMER_CANCEL_ON_SET, &ok, NULL));
	TRY(S(timerfd_settime, tf, 0, BAD_POINTER, NULL));
	TRY(S(timerfd_settime, tf, 0, NULL, NULL));
	TRY(S(timerfd_settime, tf, 0, &ok, BAD_POINTER));
	TRY(S(timerfd_settime, 999, 0, &ok, NULL));
	TRY(S(timerfd_settime, ev, 0, &ok, NULL));
	TRY(S(timerfd_gettime, tf, BAD_POINTER));
	TRY(S(timerfd_gettime, 999, &ok));
	TRY(read(tf, buf, 7));
	TRY(read(tf, buf, 8));
	sigemptyset(&mask);
	TRY_FD(S(signalfd4, -1, &mask, 8, 1));
	TRY_FD(S(signalfd4, -1, &mask, 4, 0));
	TRY_FD(S(signalfd4, -1, BAD_POINTER, 8, 0));
	TRY_FD(S(signalfd4, 999, &mask, 8, 0));
	TRY_FD(S(signalfd4, ev, &mask, 8, 0));
	sigaddset(&mask, SIGKILL); /* is left out */
	sf = (int)S(signalfd4, -1, &mask, 8, SFD_NONBLOCK);
	TRY(read(sf, buf, 127));
	TRY(read(sf, buf, 128));
	TRY(write(sf, buf, 128));
}

static void pidfds(void)
{
	siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
	int pf = (int)S(pidfd_open, getpid(), 0), p[2], dead;
	pid_t pid = fork_ok();

	if (pid == 0)
		_exit(0);
	make_pipe(p);
	dead = (int)S(pidfd_open, pid, 0);
	TRY_FD(S(pidfd_open, 0, 0));
	TRY_FD(S(pidfd_open, -1, 0));
	TRY_FD(S(pidfd_open, 99999999, 0));
	TRY_FD(S(pidfd_open, getpid(), 1));
	TRY_FD(S(pidfd_open, getpid(), O_NONBLOCK));
	TRY(S(pidfd_send_signal, 999, 0, NULL, 0));
	TRY(S(pidfd_send_signal, p[0], 0, NULL, 0));
	TRY(S(pidfd_send_signal, pf, 65, NULL, 0));
	TRY(S(pidfd_send_signal, pf, -1, NULL, 0));
	TRY(S(pidfd_send_signal, pf, 0, NULL, 0x100));
	TRY(S(pidfd_send_signal, pf, 0, BAD_POINTER, 0));
	TRY(S(pidfd_send_signal, pf, SIGUSR2, &info, 0));
	TRY(S(pidfd_getfd, 999, 0, 0));
	TRY(S(pidfd_getfd, p[0], 0, 0));
	TRY(S(pidfd_getfd, pf, 999, 0));
	TRY(S(pidfd_getfd, pf, 0, 1));
	TRY_FD(S(pidfd_getfd, pf, p[0], 0));
	TRY(S(waitid, P_PIDFD, 999, &info, WEXITED, NULL));
	TRY(S(waitid, P_PIDFD, p[0], &info, WEXITED, NULL));
	TRY(S(waitid, P_PIDFD, -1, &info, WEXITED, NULL));
	TRY(S(waitid, P_PIDFD, pf, &info, WEXITED, NULL));
	TRY(S(waitid, P_PIDFD, dead, &info, 0, NULL));
	TRY(S(waitid, P_PIDFD, dead, &info, WEXITED, NULL));
	TRY(S(waitid, P_PIDFD, dead, &info, WEXITED, NULL));
	TRY(S(pidfd_send_signal, dead, 0, NULL, 0));
	TRY(S(pidfd_getfd, dead, 0, 0));
}

static struct sockaddr_un addr(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	memcpy(a.sun_path, path, strlen(path));
	return a;
}

static void names(void)
{
	struct sockaddr_un there = addr("sock"), none = addr("none"), plain = addr("f");
	struct sockaddr_un deep = addr("none/x"), under = addr("f/x"), odd = addr("x");
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), l, c, d;
	socklen_t len = sizeof(buf), neg = -1;

	odd.sun_family = AF_INET;
	TRY_FD(socket(AF_UNIX, 99, 0));
	TRY_FD(socket(AF_UNIX, SOCK_STREAM, 99));
	TRY_FD(socket(AF_UNIX, SOCK_RAW, 0));
	TRY_FD(socket(AF_UNIX, SOCK_RDM, 0));
	TRY_FD(socket(99, SOCK_STREAM, 0));
	TRY_FD(socket(-1, SOCK_STREAM, 0));
	TRY_FD(socket(AF_UNIX, SOCK_STREAM | 0x10000, 0));
	TRY(socketpair(AF_UNIX, SOCK_STREAM, 99, (int *)buf));
	TRY(socketpair(AF_UNIX, 99, 0, (int *)buf));
	TRY(S(socketpair, AF_UNIX, SOCK_STREAM, 0, BAD_POINTER));
	TRY(S(bind, 999, &there, sizeof(there)));
	TRY(S(bind, 0, &there, sizeof(there)));
	TRY(S(bind, s, BAD_POINTER, sizeof(there)));
	TRY(S(bind, s, &there, 1));
	TRY(S(bind, s, &there, -1));
	TRY(S(bind, s, &there, 111));
	TRY(S(bind, s, &odd, sizeof(odd)));
	TRY(S(bind, s, &deep, sizeof(deep)));
	TRY(S(bind, s, &under, sizeof(under)));
	TRY(S(bind, s, &plain, sizeof(plain)));
	TRY(S(bind, s, &there, sizeof(there)));
	TRY(S(bind, s, &none, sizeof(none)));
	TRY(S(accept4, s, NULL, NULL, 0));
	TRY(S(connect, s, &there, sizeof(there)));
	l = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	TRY(S(connect, l, &none, sizeof(none)));
	TRY(S(connect, l, &plain, sizeof(plain)));
	TRY(S(connect, l, &there, sizeof(there)));
	TRY(S(connect, l, &odd, sizeof(odd)));
	TRY(S(connect, l, &there, 2));
	TRY(S(connect, l, &there, 1));
	TRY(S(connect, 999, &there, sizeof(there)));
	TRY(S(listen, l, 1));
	TRY(S(listen, s, 0));
	TRY(S(connect, l, &there, sizeof(there)));
	TRY(S(connect, l, &there, sizeof(there)));
	TRY(S(listen, l, 1));
	c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	TRY(S(connect, c, &there, sizeof(there)));
	TRY(S(connect, c, &there, sizeof(there)));
	d = socket(AF_UNIX, SOCK_DGRAM, 0);
	TRY(S(connect, d, &there, sizeof(there)));
	TRY(S(listen, d, 1));
	TRY(S(accept4, d, NULL, NULL, 0));
	TRY(S(sendto, d, "x", 1, 0, NULL, 0));
	TRY(S(sendto, d, "x", 1, 0, &there, sizeof(there)));
	TRY(S(sendto, d, "x", 1, 0, &none, sizeof(none)));
	TRY(S(sendto, d, "x", 1, 0, &odd, sizeof(odd)));
	TRY(S(getpeername, d, buf, &len));
	TRY(S(getpeername, l, buf, &neg));
	TRY(S(getpeername, l, buf, BAD_POINTER));
	TRY(S(getsockname, l, BAD_POINTER, &len));
	TRY(S(accept4, s, NULL, NULL, 1));
	TRY(S(accept4, s, BAD_POINTER, &len, 0));
	TRY(S(shutdown, d, 0));
	TRY(S(shutdown, 999, 0));
	TRY(S(sendto, s, "x", 1, MSG_NOSIGNAL, NULL, 0));
	TRY(S(recvfrom, s, buf, 1, 0, NULL, NULL));
	TRY(S(getsockopt, l, SOL_SOCKET, SO_TYPE, buf, BAD_POINTER));
	TRY(S(getsockopt, l, SOL_SOCKET, SO_TYPE, BAD_POINTER, &len));
	TRY(S(getsockopt, l, SOL_SOCKET, SO_TYPE, buf, &neg));
	TRY(S(getsockopt, l, 77, 1, buf, &len));
	TRY(S(setsockopt, l, SOL_SOCKET, SO_TYPE, buf, 4));
	TRY(S(setsockopt, l, SOL_SOCKET, SO_RCVBUF, buf, 3));
	TRY(S(setsockopt, l, SOL_SOCKET, SO_RCVBUF, BAD_POINTER, 4));
	TRY(S(setsockopt, l, SOL_SOCKET, SO_RCVTIMEO, ((struct timeval[]){{0, 1000000}}), 16));
	TRY(S(setsockopt, l, SOL_SOCKET, SO_RCVTIMEO, buf, 8));
	TRY(S(setsockopt, l, SOL_SOCKET, SO_PEEK_OFF, buf, 3));
	TRY(S(setsockopt, l, SOL_SOCKET, 9999, buf, 4));
	close(s);
	close(l);
	close(c);
	close(d);
}

static void messages(void)
{
	struct iovec iov = {buf, 4}, many[2] = {{buf, SIZE_MAX / 2}, {buf, SIZE_MAX / 2}};
	struct iovec bad = {BAD_POINTER, 4};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1}, w;
	int d[2], s[2], q[2];
	char *big = (char *)map_pages(1 << 20, PROT_READ | PROT_WRITE);

	signal(SIGPIPE, SIG_IGN);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, d), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, q), 0);
	TRY(S(sendto, d[0], big, 1 << 20, 0, NULL, 0));
	TRY(S(sendto, q[0], big, 1 << 20, 0, NULL, 0));
	TRY(S(sendto, s[0], BAD_POINTER, 4, 0, NULL, 0));
	TRY(S(sendto, d[0], BAD_POINTER, 4, 0, NULL, 0));
	TRY(S(sendto, d[0], "", 0, 0, NULL, 0));
	TRY(S(recvfrom, d[1], buf, 4, 0, NULL, NULL));
	TRY(S(recvfrom, d[1], buf, 4, 0, NULL, NULL));
	TRY(S(recvfrom, s[1], buf, 4, 0, NULL, NULL));
	TRY(S(recvfrom, s[1], buf, 0, 0, NULL, NULL));
	TRY(S(sendmsg, s[0], BAD_POINTER, 0));
	TRY(S(recvmsg, s[0], BAD_POINTER, 0));
	w = m;
	w.msg_iovlen = 1025;
	TRY(S(sendmsg, s[0], &w, 0));
	TRY(S(recvmsg, s[0], &w, 0));
	w = m;
	w.msg_iov = BAD_POINTER;
	TRY(S(sendmsg, s[0], &w, 0));
	w = m;
	w.msg_iov = many;
	w.msg_iovlen = 2;
	TRY(S(recvmsg, s[1], &w, 0));
	w = m;
	w.msg_iov = &bad;
	TRY(S(sendmsg, s[0], &w, 0));
	CHECK_EQ(write(s[0], "xxxx", 4), 4);
	TRY(S(recvmsg, s[1], &w, 0));
	TRY(S(recvmsg, s[1], &m, MSG_PEEK));
	w = m;
	w.msg_control = BAD_POINTER;
	w.msg_controllen = 32;
	TRY(S(sendmsg, s[0], &w, 0));
	w.msg_controllen = 1UL << 40;
	TRY(S(sendmsg, s[0], &w, 0));
	w = m;
	w.msg_name = buf;
	w.msg_namelen = -1;
	TRY(S(sendmsg, s[0], &w, 0));
	TRY(S(recvmsg, s[1], &w, 0));
	TRY(S(sendmmsg, s[0], BAD_POINTER, 1, 0));
	TRY(S(recvmmsg, s[1], BAD_POINTER, 1, 0, NULL));
	TRY(S(recvmmsg, s[1], NULL, 0, 0, &((struct timespec){0, -1})));
	TRY(S(recvmmsg, 999, NULL, 0, 0, NULL));
	TRY(shutdown(s[0], SHUT_WR));
	TRY(S(sendto, s[0], "x", 1, MSG_NOSIGNAL, NULL, 0));
	close(s[1]);
	close(d[1]);
	close(q[1]);
	TRY(S(recvfrom, s[0], buf, 1, 0, NULL, NULL));
	TRY(S(sendto, d[0], "x", 1, 0, NULL, 0));
	TRY(S(sendto, d[0], "x", 1, 0, NULL, 0));
	TRY(S(recvfrom, d[0], buf, 1, 0, NULL, NULL));
	TRY(S(sendto, q[0], "x", 1, MSG_NOSIGNAL, NULL, 0));
	TRY(S(recvfrom, q[0], buf, 1, 0, NULL, NULL));
}

/* No descriptor is left: each call that makes one says so. */
static void full(void)
{
	struct rlimit lim;
	sigset_t none;
	int p[2];

	sigemptyset(&none);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = 3;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &lim), 0);
	TRY(epoll_create1(0));
	TRY(eventfd(0, 0));
	TRY(timerfd_create(CLOCK_MONOTONIC, 0));
	TRY(S(signalfd4, -1, &none, 8, 0));
	TRY(S(pidfd_open, getpid(), 0));
	TRY(S(inotify_init1, 0));
	TRY(S(memfd_create, "m", 0));
	TRY(socket(AF_UNIX, SOCK_STREAM, 0));
	TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	TRY(pipe(p));
	TRY(dup(0));
	TRY(open("/", O_RDONLY));
	TRY(open("/", O_PATH));
	TRY(open("/", O_RDWR | O_TMPFILE, 0600));
}

int main(void)
{
	const char *base = temp_dir();

	CHECK_EQ(chdir(base), 0);
	write_file("f", "x", 1, 0644);
	epolls();
	descriptors();
	names();
	CHECK_EQ(unlink("f"), 0);
	CHECK_EQ(unlink("sock"), 0);
	messages();
	signal(SIGUSR1, SIG_IGN);
	pidfds();
	CHECK_EQ(run_child((void (*)(void *))(void *)full, NULL), 0);
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(rmdir(base), 0);
	return 0;
}
