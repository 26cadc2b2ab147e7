// kernel: 6.18 (what is told, and how often, differs)
// variants: static musl
// Signals that files send: O_ASYNC, FIOASYNC, F_SETOWN, F_SETOWN_EX, F_SETSIG, SIGURG. fcntl(2),
// ioctl(2), socket(7), pipe(7), inotify(7).
#include "pty.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#define RT (SIGRTMIN + 3)

#ifndef SI_SIGIO
#define SI_SIGIO (-5)
#endif

static sigset_t all;

static void block_signals(void)
{
	sigemptyset(&all);
	sigaddset(&all, SIGIO);
	sigaddset(&all, SIGURG);
	sigaddset(&all, SIGCHLD);
	sigaddset(&all, RT);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &all, NULL), 0);
}

static void show(const siginfo_t *i)
{
	static const char *const codes[] = {"", "in", "out", "msg", "err", "pri", "hup"};

	say(" %s", i->si_signo == SIGIO    ? "SIGIO"
		   : i->si_signo == SIGURG ? "SIGURG"
		   : i->si_signo == RT     ? "RT"
					   : "SIGCHLD");
	if (i->si_code == SI_KERNEL)
		say("(pid %d)", i->si_pid);
	else if (i->si_code == SI_SIGIO)
		say("(sigio, band %lx, fd %d)", i->si_band, i->si_fd);
	else if (i->si_code > 0 && i->si_code <= 6)
		say("(%s, band %lx, fd %d)", codes[i->si_code], i->si_band, i->si_fd);
	else
		say("(code %d)", i->si_code);
}

/* What has come of it. */
static void told(const char *what)
{
	struct timespec none = {0, 0};
	siginfo_t i;

	say("  %s:", what);
	while (sigtimedwait(&all, &i, &none) > 0)
		show(&i);
	say("\n");
}

static void forget(void)
{
	struct timespec none = {0, 0};

	while (sigtimedwait(&all, NULL, &none) > 0)
		;
}

/* Waits for one, for files whose kernel tells later. */
static void told_once(const char *what)
{
	struct timespec long_time = {20, 0};
	siginfo_t i;

	say("  %s:", what);
	CHECK(sigtimedwait(&all, &i, &long_time) > 0);
	show(&i);
	say("\n");
	forget();
}

static void async(int fd, int sig)
{
	CHECK_EQ(fcntl(fd, F_SETOWN, getpid()), 0);
	CHECK_EQ(fcntl(fd, F_SETSIG, sig), 0);
	CHECK_EQ(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC), 0);
}

static void nonblock(int fd)
{
	CHECK_EQ(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

/* ---- which files know what it means ---- */

static void kind(const char *name, int fd)
{
	int on = 1, off = 0, r, e;

	CHECK(fd >= 0);
	r = ioctl(fd, FIOASYNC, &on);
	e = errno;
	say("  %s: FIOASYNC %s%s", name, r ? e == ENOTTY ? "ENOTTY" : "another" : "0",
	    fcntl(fd, F_GETFL) & O_ASYNC ? " on" : "");
	CHECK_EQ(ioctl(fd, FIOASYNC, &off), 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ASYNC, 0);
	CHECK_EQ(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC), 0);
	say(", F_SETFL%s", fcntl(fd, F_GETFL) & O_ASYNC ? " on" : "");
	r = ioctl(fd, FIOASYNC, &off);
	say(", off again %s%s\n", r ? errno == ENOTTY ? "ENOTTY" : "another" : "0",
	    fcntl(fd, F_GETFL) & O_ASYNC ? " on" : "");
	close(fd);
}

static int pipe_end(int end)
{
	int p[2];

	make_pipe(p);
	close(p[!end]);
	return p[end];
}

static void kinds(void)
{
	sigset_t none;
	int fd;

	sigemptyset(&none);
	say("kinds\n");
	kind("a pipe's reader", pipe_end(0));
	kind("a pipe's writer", pipe_end(1));
	kind("stream", socket(AF_UNIX, SOCK_STREAM, 0));
	kind("dgram", socket(AF_UNIX, SOCK_DGRAM, 0));
	kind("eventfd", eventfd(0, 0));
	kind("timerfd", timerfd_create(CLOCK_MONOTONIC, 0));
	kind("signalfd", signalfd(-1, &none, 0));
	kind("epoll", epoll_create1(0));
	kind("inotify", inotify_init1(0));
	kind("memfd", memfd_create("m", 0));
	kind("directory", open("/", O_RDONLY | O_DIRECTORY));
	kind("null", open("/dev/null", O_RDWR));
	kind("zero", open("/dev/zero", O_RDWR));
	kind("master", posix_openpt(O_RDWR | O_NOCTTY));
	fd = open("/", O_PATH);
	CHECK_ERR(fcntl(fd, F_SETOWN, getpid()), EBADF);
	CHECK_ERR(ioctl(fd, FIOASYNC, &fd), EBADF);
	close(fd);
	fd = pipe_end(0);
	CHECK_ERR(ioctl(fd, FIOASYNC, (void *)8), EFAULT);
	close(fd);
}

/* ---- pipes ---- */

static void pipes(int sig)
{
	char buf[4096] = "";
	int p[2];

	say("pipe, signal %s\n", sig ? sig == RT ? "RT" : sig == SIGIO ? "SIGIO" : "SIGCHLD" : "0");
	make_pipe(p);
	nonblock(p[0]);
	nonblock(p[1]);
	async(p[0], sig);
	async(p[1], sig);
	CHECK_EQ(write(p[1], "ab", 2), 2);
	told("write");
	CHECK_EQ(write(p[1], "cd", 2), 2);
	told("write again");
	CHECK_EQ(write(p[1], "", 0), 0);
	told("write nothing");
	CHECK_EQ(read(p[0], buf, 0), 0);
	told("read nothing");
	CHECK_EQ(read(p[0], buf, 1), 1);
	told("read one");
	CHECK_EQ(read(p[0], buf, 8), 3);
	told("read the rest");
	CHECK_ERR(read(p[0], buf, 8), EAGAIN);
	told("read in vain");
	while (write(p[1], buf, sizeof(buf)) > 0)
		;
	forget();
	CHECK_ERR(write(p[1], buf, sizeof(buf)), EAGAIN);
	told("write in vain");
	close(p[1]);
	told("the writer closes");
	close(p[0]);
	make_pipe(p);
	async(p[1], sig);
	close(p[0]);
	told("the reader closes");
	close(p[1]);
}

static void *drain(void *arg)
{
	char buf[4096];
	size_t n = 0;

	while (n < 200000) {
		ssize_t r = read(*(int *)arg, buf, sizeof(buf));

		CHECK(r > 0);
		n += (size_t)r;
	}
	return NULL;
}

/* The two sides wait for each other, and all is told. */
static void busy_pipe(void)
{
	static char big[200000];
	struct timespec long_time = {20, 0};
	pthread_t reader;
	int p[2];

	say("a writer that waits\n");
	make_pipe(p);
	async(p[0], SIGIO);
	CHECK_EQ(pthread_create(&reader, NULL, drain, &p[0]), 0);
	CHECK_EQ(write(p[1], big, sizeof(big)), sizeof(big));
	CHECK_EQ(pthread_join(reader, NULL), 0);
	CHECK_EQ(sigtimedwait(&all, NULL, &long_time), SIGIO);
	forget();
	close(p[0]);
	close(p[1]);
}

/* ---- sockets ---- */

static void streams(void)
{
	char buf[4096] = "";
	int s[2];

	say("stream\n");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	async(s[0], RT);
	async(s[1], RT);
	CHECK_EQ(write(s[0], "ab", 2), 2);
	told("write");
	CHECK_EQ(write(s[0], "cd", 2), 2);
	told("write again");
	CHECK_EQ(read(s[1], buf, 1), 1);
	told("read one");
	CHECK_EQ(read(s[1], buf, 8), 3);
	told("read the rest");
	CHECK_ERR(read(s[1], buf, 8), EAGAIN);
	told("read in vain");
	while (write(s[0], buf, sizeof(buf)) > 0)
		;
	forget();
	while (read(s[1], buf, sizeof(buf)) > 0)
		;
	told("room");
	CHECK_EQ(shutdown(s[0], SHUT_WR), 0);
	told("shut for writing");
	CHECK_EQ(shutdown(s[0], SHUT_RD), 0);
	told("shut for reading");
	CHECK_EQ(shutdown(s[0], SHUT_RDWR), 0);
	told("shut for both");
	close(s[0]);
	told("closed");
	close(s[1]);
	told("both closed");
}

static void urgent(void)
{
	int s[2], off = 0;

	say("urgent\n");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	CHECK_EQ(send(s[0], "!", 1, MSG_OOB), 1);
	told("no owner");
	CHECK_EQ(fcntl(s[1], F_SETOWN, getpid()), 0);
	CHECK_EQ(send(s[0], "!", 1, MSG_OOB), 1);
	told("an owner");
	CHECK_EQ(fcntl(s[1], F_SETSIG, RT), 0);
	CHECK_EQ(send(s[0], "!", 1, MSG_OOB), 1);
	told("with F_SETSIG");
	async(s[1], 0);
	CHECK_EQ(send(s[0], "!", 1, MSG_OOB), 1);
	told("O_ASYNC");
	async(s[1], RT);
	CHECK_EQ(send(s[0], "ab!", 3, MSG_OOB), 3);
	told("both");
	CHECK_EQ(ioctl(s[1], FIOSETOWN, &off), 0);
	CHECK_EQ(ioctl(s[1], SIOCGPGRP, &off), 0);
	CHECK_EQ(off, 0);
	CHECK_EQ(send(s[0], "!", 1, MSG_OOB), 1);
	told("no owner any more");
	off = -getpgrp();
	CHECK_EQ(ioctl(s[1], SIOCSPGRP, &off), 0);
	off = 0;
	CHECK_EQ(ioctl(s[1], FIOGETOWN, &off), 0);
	CHECK_EQ(off, -getpgrp());
	CHECK_ERR(ioctl(s[1], FIOSETOWN, (void *)8), EFAULT);
	CHECK_ERR(ioctl(s[1], FIOGETOWN, (void *)8), EFAULT);
	off = 99999999;
	CHECK_ERR(ioctl(s[1], FIOSETOWN, &off), ESRCH);
	off = pipe_end(0);
	CHECK_ERR(ioctl(off, FIOGETOWN, &s[0]), ENOTTY);
	close(off);
	close(s[0]);
	forget();
	close(s[1]);
}

static void connections(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	socklen_t len = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 +
			(socklen_t)snprintf(a.sun_path + 1, 50, "sigio-%d", getpid());
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), e;

	say("connections\n");
	CHECK_EQ(bind(l, (struct sockaddr *)&a, len), 0);
	async(c, RT);
	async(l, RT);
	CHECK_EQ(listen(l, 2), 0);
	told("listen");
	CHECK_EQ(connect(c, (struct sockaddr *)&a, len), 0);
	told("connect");
	e = accept(l, NULL, NULL);
	CHECK(e >= 0);
	told("accept");
	CHECK_EQ(fcntl(e, F_GETFL) & O_ASYNC, 0);
	CHECK_EQ(fcntl(e, F_GETOWN), 0);
	CHECK_EQ(write(e, "x", 1), 1);
	told("write");
	close(e);
	told("close");
	close(c);
	close(l);
}

static void datagrams(void)
{
	struct sockaddr_un none = {.sun_family = AF_UNSPEC};
	char buf[4096] = "";
	int s[2];

	say("datagrams\n");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, s), 0);
	async(s[0], RT);
	async(s[1], RT);
	CHECK_EQ(write(s[0], "ab", 2), 2);
	told("write");
	CHECK_EQ(write(s[0], "", 0), 0);
	told("write nothing");
	CHECK_EQ(read(s[1], buf, 2), 2);
	CHECK_EQ(read(s[1], buf, 2), 0);
	told("read");
	CHECK_EQ(write(s[0], "ab", 2), 2);
	forget();
	CHECK_EQ(connect(s[1], (struct sockaddr *)&none, sizeof(none)), 0);
	told("disconnect with something unread");
	close(s[1]);
	told("close");
	close(s[0]);

	say("packets\n");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, s), 0);
	async(s[0], RT);
	async(s[1], RT);
	CHECK_EQ(write(s[0], "ab", 2), 2);
	told("write");
	close(s[1]);
	told("close");
	close(s[0]);
}

/* ---- inotify, terminals ---- */

static void watches(void)
{
	int in = inotify_init1(IN_NONBLOCK), fd;
	char dir[64];

	say("inotify\n");
	snprintf(dir, sizeof(dir), "/tmp/sigio-%d", getpid());
	CHECK_EQ(mkdir(dir, 0700), 0);
	CHECK(inotify_add_watch(in, dir, IN_CREATE | IN_DELETE_SELF) > 0);
	async(in, RT);
	strcat(dir, "/file");
	fd = open(dir, O_CREAT | O_WRONLY, 0600);
	CHECK(fd >= 0);
	told("a new file");
	close(fd);
	CHECK_EQ(unlink(dir), 0);
	told("no event");
	*strrchr(dir, '/') = 0;
	CHECK_EQ(rmdir(dir), 0);
	told("the end");
	close(in);
}

static void terminals(void)
{
	int m, fd;

	say("terminals\n");
	open_pair(&m, &fd);
	CHECK_EQ(fcntl(fd, F_SETSIG, RT), 0);
	CHECK_EQ(fcntl(fd, F_SETFL, O_RDWR | O_ASYNC), 0);
	CHECK_EQ(fcntl(fd, F_GETOWN), getpid());
	CHECK_EQ(write(m, "line\n", 5), 5);
	told_once("a line");
	CHECK_EQ(fcntl(fd, F_SETFL, O_RDWR), 0);
	CHECK_EQ(fcntl(m, F_SETSIG, RT), 0);
	CHECK_EQ(fcntl(m, F_SETFL, O_RDWR | O_ASYNC), 0);
	CHECK_EQ(fcntl(m, F_GETOWN), getpid());
	CHECK_EQ(write(fd, "out", 3), 3);
	told_once("output");
	close(m);
	close(fd);
	forget();
}

/* ---- owners ---- */

static int ready_pipe[2], shared;

static void ready(void)
{
	CHECK_EQ(write(ready_pipe[1], "r", 1), 1);
}

static void until_ready(int n)
{
	char c;

	while (n--)
		CHECK_EQ(read(ready_pipe[0], &c, 1), 1);
}

static void wait_one(void *arg)
{
	siginfo_t i;

	ready();
	CHECK_EQ(sigwaitinfo(&all, &i), *(int *)arg);
	CHECK_EQ(i.si_code, *(int *)arg == RT ? POLL_IN : SI_KERNEL);
}

static void *thread_waits(void *arg)
{
	*(pid_t *)arg = (pid_t)syscall(SYS_gettid);
	ready();
	/* for this thread alone */
	CHECK_EQ(sigwaitinfo(&all, NULL), SIGIO);
	return NULL;
}

static void tell_shared(void)
{
	CHECK_EQ(write(shared, "x", 1), 1);
}

static void owners(void)
{
	struct f_owner_ex ex;
	int p[2], sig = SIGIO, rt = RT;
	pthread_t thread;
	pid_t pid, two[2], tid;

	say("owners\n");
	make_pipe(p);
	make_pipe(ready_pipe);
	shared = p[1];
	CHECK_EQ(fcntl(p[0], F_SETFL, O_ASYNC), 0);
	tell_shared();
	told("nobody");

	pid = spawn(wait_one, &sig);
	until_ready(1);
	CHECK_EQ(fcntl(p[0], F_SETOWN, pid), 0);
	tell_shared();
	reap_ok(pid);
	CHECK_EQ(fcntl(p[0], F_GETOWN), 0);
	forget();
	tell_shared();
	told("one that has gone");

	CHECK_EQ(pthread_create(&thread, NULL, thread_waits, &tid), 0);
	until_ready(1);
	ex = (struct f_owner_ex){F_OWNER_TID, tid};
	CHECK_EQ(fcntl(p[0], F_SETOWN_EX, &ex), 0);
	CHECK_EQ(fcntl(p[0], F_GETOWN), tid);
	tell_shared();
	CHECK_EQ(pthread_join(thread, NULL), 0);
	while (!syscall(SYS_tgkill, getpid(), tid, 0))
		sched_yield();
	told("a thread");
	tell_shared();
	told("a thread that has ended");

	CHECK_EQ(fcntl(p[0], F_SETSIG, RT), 0);
	two[0] = spawn(wait_one, &rt);
	CHECK_EQ(setpgid(two[0], two[0]), 0);
	two[1] = spawn(wait_one, &rt);
	CHECK_EQ(setpgid(two[1], two[0]), 0);
	until_ready(2);
	CHECK_EQ(fcntl(p[0], F_SETOWN, -two[0]), 0);
	CHECK_EQ(fcntl(p[0], F_GETOWN), -two[0]);
	tell_shared();
	reap_ok(two[0]);
	reap_ok(two[1]);
	CHECK_EQ(fcntl(p[0], F_GETOWN), 0);
	forget();
	tell_shared();
	told("a group that has gone");
	close(p[0]);
	close(p[1]);
	close(ready_pipe[0]);
	close(ready_pipe[1]);
}

static void names_its_parent(void *arg)
{
	CHECK_EQ(setgid(65534), 0);
	CHECK_EQ(setuid(65534), 0);
	CHECK_EQ(fcntl(*(int *)arg, F_SETOWN, getppid()), 0);
}

/* Who may not signal a process has nobody else do it. */
static void permission(void)
{
	int p[2];

	say("permission\n");
	if (geteuid())
		return;
	make_pipe(p);
	CHECK_EQ(fcntl(p[0], F_SETFL, O_ASYNC), 0);
	reap_ok(spawn(names_its_parent, &p[0]));
	CHECK_EQ(fcntl(p[0], F_GETOWN), getpid());
	forget();
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(sigtimedwait(&all, NULL, &(struct timespec){0, 0}), -1);
	CHECK_EQ(fcntl(p[0], F_SETOWN, getpid()), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(sigtimedwait(&all, NULL, &(struct timespec){0, 0}), SIGIO);
	close(p[0]);
	close(p[1]);
}

/* ---- lives ---- */

static void send_fd(int over, int fd)
{
	char control[CMSG_SPACE(4)] = {0}, byte = 'f';
	struct iovec iov = {&byte, 1};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	c->cmsg_len = CMSG_LEN(4);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(c), &fd, 4);
	CHECK_EQ(sendmsg(over, &h, 0), 1);
}

static void lives(void)
{
	int p[2], s[2], other;

	say("lives\n");
	make_pipe(p);
	CHECK_EQ(fcntl(p[0], F_DUPFD, 100), 100);
	async(100, RT);
	CHECK_EQ(write(p[1], "x", 1), 1);
	told("asked for by a copy");
	close(100);
	CHECK_EQ(write(p[1], "x", 1), 1);
	told("the copy is closed");
	CHECK_EQ(fcntl(p[0], F_GETFL) & O_ASYNC, O_ASYNC);
	CHECK_EQ(fcntl(p[0], F_DUPFD, 101), 101);
	CHECK_EQ(fcntl(101, F_SETFL, O_ASYNC), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	told("asked for again");
	CHECK_EQ(fcntl(101, F_SETFL, 0), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	told("not any more");
	CHECK_EQ(fcntl(101, F_SETFL, O_ASYNC), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	told("and again");
	close(101);

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	other = p[0];
	send_fd(s[0], other);
	close(other);
	CHECK_EQ(write(p[1], "x", 1), 1);
	told("under way in a socket");
	close(s[0]);
	close(s[1]);
	CHECK_EQ(signal(SIGPIPE, SIG_IGN) == SIG_ERR, 0);
	CHECK_ERR(write(p[1], "x", 1), EPIPE);
	told("closed in a socket");
	close(p[1]);
}

static void a_full_queue(void)
{
	struct rlimit old, none = {0, 0};
	int p[2];

	say("a full queue\n");
	make_pipe(p);
	async(p[0], RT);
	CHECK_EQ(getrlimit(RLIMIT_SIGPENDING, &old), 0);
	none.rlim_max = old.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &none), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	told("no room for a real-time signal");
	CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &old), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(write(p[1], "x", 1), 1);
	told("room for three");
	close(p[0]);
	close(p[1]);
}

static volatile sig_atomic_t handled;

static void count(int sig)
{
	(void)sig;
	handled++;
}

/* The signal is there when the call returns. */
static void at_once(void)
{
	sigset_t one;
	int p[2];

	sigemptyset(&one);
	sigaddset(&one, SIGIO);
	signal(SIGIO, count);
	make_pipe(p);
	async(p[0], 0);
	CHECK_EQ(sigprocmask(SIG_UNBLOCK, &one, NULL), 0);
	for (int i = 1; i <= 100; i++) {
		CHECK_EQ(write(p[1], "x", 1), 1);
		CHECK_EQ(handled, i);
	}
	CHECK_EQ(sigprocmask(SIG_BLOCK, &one, NULL), 0);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	leave_session();
	/* what groups are sent is for nobody else */
	CHECK_EQ(setpgid(0, 0), 0);
	block_signals();
	kinds();
	pipes(0);
	pipes(RT);
	pipes(SIGIO);
	pipes(SIGCHLD);
	busy_pipe();
	streams();
	urgent();
	connections();
	datagrams();
	watches();
	terminals();
	owners();
	permission();
	lives();
	a_full_queue();
	at_once();
	return 0;
}
