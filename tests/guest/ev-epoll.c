// variants: static musl
// epoll: level, edge, one shot, MOD and DEL, HUP and ERR, a dup that survives a close, nesting,
// round robin, a wake from another process, masks and timeouts, bad arguments.
#include "check.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int ep_new(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);

	CHECK(ep >= 0);
	return ep;
}

static int ctl(int ep, int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};

	return epoll_ctl(ep, op, fd, &ev);
}

static void add(int ep, int fd, uint32_t events, uint64_t data)
{
	CHECK_EQ(ctl(ep, EPOLL_CTL_ADD, fd, events, data), 0);
}

/* What is ready now: "data:events" of each. */
static void show(const char *what, int ep)
{
	struct epoll_event ev[8];
	int n = epoll_wait(ep, ev, 8, 0);

	CHECK(n >= 0);
	say("%s:", what);
	for (int i = 0; i < n; i++)
		say(" %d:%x", (int)ev[i].data.u64, ev[i].events);
	say("\n");
}

static void level_and_edge(void)
{
	int ep = ep_new(), fd[2];
	char buf[16];

	make_pipe(fd);
	add(ep, fd[0], EPOLLIN, 1);
	add(ep, fd[1], EPOLLOUT | EPOLLET, 2);
	show("new", ep);
	show("edge was told", ep);
	CHECK_EQ(write(fd[1], "abcd", 4), 4);
	show("level", ep);
	show("level again", ep);
	CHECK_EQ(ctl(ep, EPOLL_CTL_MOD, fd[0], EPOLLIN | EPOLLET, 3), 0);
	show("mod to edge", ep);
	show("no new edge", ep);
	CHECK_EQ(read(fd[0], buf, 2), 2);
	show("part was read", ep);
	CHECK_EQ(write(fd[1], "e", 1), 1);
	show("new edge", ep);
	CHECK_EQ(ctl(ep, EPOLL_CTL_MOD, fd[0], EPOLLIN | EPOLLONESHOT, 4), 0);
	show("one shot", ep);
	CHECK_EQ(write(fd[1], "f", 1), 1);
	show("shot", ep);
	CHECK_EQ(ctl(ep, EPOLL_CTL_MOD, fd[0], EPOLLIN | EPOLLONESHOT, 5), 0);
	show("loaded again", ep);
	CHECK_EQ(ctl(ep, EPOLL_CTL_MOD, fd[0], 0, 6), 0);
	show("nothing wanted", ep);
	CHECK_EQ(ctl(ep, EPOLL_CTL_DEL, fd[1], 0, 0), 0);
	close(fd[1]);
	show("hang-up", ep);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_DEL, fd[0], NULL), 0);
	show("deleted", ep);
	close(fd[0]);
	make_pipe(fd);
	add(ep, fd[1], 0, 7);
	close(fd[0]);
	show("error", ep);
	close(fd[1]);
	show("closed", ep);
	close(ep);
}

static void a_dup_survives(void)
{
	int ep = ep_new(), fd[2], copy;

	make_pipe(fd);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	add(ep, fd[0], EPOLLIN, 1);
	copy = dup(fd[0]);
	add(ep, copy, EPOLLIN, 2);
	close(fd[0]);
	show("one of two closed", ep);
	CHECK_ERR(ctl(ep, EPOLL_CTL_DEL, fd[0], 0, 0), EBADF);
	close(copy);
	show("both closed", ep);
	close(fd[1]);
	close(ep);
}

static void nested(void)
{
	int e[8], v = eventfd(0, EFD_NONBLOCK);
	eventfd_t n;

	for (int i = 0; i < 8; i++)
		e[i] = ep_new();
	add(e[0], v, EPOLLIN, 9);
	for (int i = 1; i < 4; i++)
		add(e[i], e[i - 1], EPOLLIN, (uint64_t)i);
	show("quiet", e[3]);
	CHECK_EQ(eventfd_write(v, 1), 0);
	show("outer", e[3]);
	show("middle", e[1]);
	show("inner", e[0]);
	CHECK_EQ(eventfd_read(v, &n), 0);
	show("outer, read", e[3]);
	CHECK_ERR(ctl(e[0], EPOLL_CTL_ADD, e[3], EPOLLIN, 0), ELOOP);
	CHECK_ERR(ctl(e[0], EPOLL_CTL_ADD, e[1], EPOLLIN, 0), ELOOP);
	CHECK_ERR(ctl(e[0], EPOLL_CTL_ADD, e[0], EPOLLIN, 0), EINVAL);
	CHECK_ERR(ctl(e[4], EPOLL_CTL_ADD, e[3], EPOLLIN | EPOLLEXCLUSIVE, 0), EINVAL);
	CHECK_EQ(eventfd_write(v, 1), 0);
	close(e[2]);
	show("cut", e[3]);
	for (int i = 0; i < 8; i++)
		if (i != 2)
			close(e[i]);
	close(v);
}

static void round_robin(void)
{
	int ep = ep_new(), v[3];
	struct epoll_event ev;

	for (int i = 0; i < 3; i++) {
		v[i] = eventfd(1, 0);
		add(ep, v[i], EPOLLIN, (uint64_t)i);
	}
	say("robin:");
	for (int i = 0; i < 6; i++) {
		CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 1);
		say(" %d", (int)ev.data.u64);
	}
	say("\n");
	close(ep);
}

static void write_later(void *arg)
{
	CHECK_EQ(eventfd_write(*(int *)arg, 1), 0);
}

static volatile int signals;

static void handler(int sig)
{
	(void)sig;
	signals++;
}

static void waiting(void)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
	int ep = ep_new(), v = eventfd(0, 0);
	struct timespec ts = {0, 20000000};
	struct epoll_event ev;
	sigset_t usr1, none;
	pid_t pid;

	add(ep, v, EPOLLIN, 1);
	pid = spawn(write_later, &v);
	CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	reap_ok(pid);
	CHECK_EQ(ctl(ep, EPOLL_CTL_MOD, v, 0, 0), 0);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 20), 0);
	CHECK_EQ(syscall(SYS_epoll_pwait2, ep, &ev, 1, &ts, NULL, 0L), 0);
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &usr1, NULL), 0);
	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 0);
	CHECK_EQ(signals, 0);
	CHECK_ERR(epoll_pwait(ep, &ev, 1, -1, &none), EINTR);
	CHECK_EQ(signals, 1);
	CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &none), 0);
	CHECK(sigismember(&none, SIGUSR1));
	close(ep);
	close(v);
}

static void errors(void)
{
	int ep = ep_new(), v = eventfd(1, 0), file = open("/proc/self/exe", O_RDONLY);
	struct epoll_event ev;

#ifdef SYS_epoll_create
	CHECK_ERR(syscall(SYS_epoll_create, 0), EINVAL);
#endif
	CHECK_ERR(epoll_create1(1), EINVAL);
	CHECK_ERR(ctl(ep, EPOLL_CTL_ADD, 99, EPOLLIN, 0), EBADF);
	CHECK_ERR(ctl(99, EPOLL_CTL_ADD, v, EPOLLIN, 0), EBADF);
	CHECK_ERR(ctl(v, EPOLL_CTL_ADD, ep, EPOLLIN, 0), EINVAL);
	CHECK_ERR(ctl(ep, 9, v, EPOLLIN, 0), EINVAL);
	CHECK_ERR(ctl(ep, EPOLL_CTL_ADD, file, EPOLLIN, 0), EPERM);
	CHECK_ERR(ctl(ep, EPOLL_CTL_MOD, v, EPOLLIN, 0), ENOENT);
	CHECK_ERR(ctl(ep, EPOLL_CTL_DEL, v, EPOLLIN, 0), ENOENT);
	add(ep, v, EPOLLIN | EPOLLEXCLUSIVE | EPOLLWAKEUP, 0);
	CHECK_ERR(ctl(ep, EPOLL_CTL_ADD, v, EPOLLIN, 0), EEXIST);
	CHECK_ERR(ctl(ep, EPOLL_CTL_MOD, v, EPOLLIN, 0), EINVAL);
	CHECK_ERR(syscall(SYS_epoll_ctl, ep, EPOLL_CTL_MOD, v, 8L), EFAULT);
	CHECK_ERR(epoll_wait(ep, &ev, 0, 0), EINVAL);
	CHECK_ERR(epoll_wait(ep, &ev, -1, 0), EINVAL);
	CHECK_ERR(epoll_wait(v, &ev, 1, 0), EINVAL);
	CHECK_ERR(epoll_wait(99, &ev, 1, 0), EBADF);
	CHECK_ERR(epoll_wait(ep, (void *)8, 1, 0), EFAULT);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 1);
	CHECK_ERR(read(ep, &ev, 1), EINVAL);
	close(ep);
	close(v);
	close(file);
}

int main(void)
{
	level_and_edge();
	a_dup_survives();
	nested();
	round_robin();
	waiting();
	errors();
	say("ok\n");
	return 0;
}
