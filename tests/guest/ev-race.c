// cflags: -pthread
// timeout: 60
// Threads that wait, add, modify, write, nest, dup and close at random on the same descriptors,
// with processes that come and go: nothing hangs, and what is written at the end still arrives.
#include "check.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#define ROUNDS 1500
#define SLOTS  24

static int slot[SLOTS]; /* descriptors, at fixed numbers: any thread may close any */
static int eps[3];
static volatile int stop;

static unsigned next(unsigned *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 16;
}

static void put(int to, int fd)
{
	if (fd >= 0) {
		dup2(fd, to);
		close(fd);
	}
}

static void step(unsigned *seed)
{
	int fd = slot[next(seed) % SLOTS], ep = eps[next(seed) % 3], other;
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd}, out[8];
	struct itimerspec ts = {.it_value = {0, 100000}, .it_interval = {0, 200000}};
	uint64_t v = 1;
	int p[2];

	if (next(seed) & 1)
		ev.events |= EPOLLET;
	if (next(seed) & 1)
		ev.events |= EPOLLOUT;
	switch (next(seed) % 14) {
	case 0:
		put(fd, eventfd((unsigned)next(seed) & 1, EFD_NONBLOCK));
		break;
	case 1:
		other = slot[next(seed) % SLOTS];
		if (pipe2(p, O_NONBLOCK) == 0) {
			put(fd, p[0]);
			put(other, p[1]);
		}
		break;
	case 2:
		other = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
		timerfd_settime(other, 0, &ts, NULL);
		put(fd, other);
		break;
	case 3:
		put(fd, epoll_create1(0));
		break;
	case 4:
		close(fd);
		break;
	case 5:
		dup2(fd, slot[next(seed) % SLOTS]);
		break;
	case 6:
	case 7:
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
		break;
	case 8:
		epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
		break;
	case 9:
		epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
		break;
	case 10:
		if (write(fd, &v, 8) < 0)
			break;
		break;
	case 11:
		if (read(fd, &v, 8) < 0)
			break;
		break;
	case 12:
		epoll_ctl(slot[next(seed) % SLOTS], EPOLL_CTL_ADD, fd, &ev);
		break;
	default:
		epoll_wait(ep, out, 8, (int)(next(seed) & 1));
	}
}

static void *run(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	for (int i = 0; i < ROUNDS; i++)
		step(&seed);
	return NULL;
}

static void *waiter(void *arg)
{
	struct epoll_event out[4];

	while (!stop)
		epoll_wait(*(int *)arg, out, 4, 2);
	return NULL;
}

static void child(void *arg)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getppid(), 0);
	struct epoll_event ev = {.events = EPOLLIN};

	(void)arg;
	epoll_ctl(eps[0], EPOLL_CTL_ADD, pidfd, &ev);
}

int main(void)
{
	pthread_t t[3], w[2];
	int fd, pid;

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < 3; i++) {
		eps[i] = fcntl(epoll_create1(0), F_DUPFD, 100);
		CHECK(eps[i] >= 100);
	}
	for (int i = 0; i < SLOTS; i++)
		slot[i] = 200 + i;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, run, (void *)(uintptr_t)(i + 1)), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&w[i], NULL, waiter, &eps[i]), 0);
	for (int i = 0; i < 10; i++) {
		pid = spawn(child, NULL);
		reap_ok(pid);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(w[i], NULL);
	for (int i = 0; i < SLOTS; i++)
		close(slot[i]);
	fd = eventfd(0, 0);
	for (int i = 0; i < 3; i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 77}, out[64];
		int n, found = 0;

		CHECK_EQ(epoll_ctl(eps[i], EPOLL_CTL_ADD, fd, &ev), 0);
		CHECK_EQ(eventfd_write(fd, 1), 0);
		n = epoll_wait(eps[i], out, 64, 1000);
		for (int k = 0; k < n; k++)
			found |= out[k].data.u64 == 77;
		CHECK(found);
	}
	say("ok\n");
	return 0;
}
