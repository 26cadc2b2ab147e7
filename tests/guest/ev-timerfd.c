// timerfd: one shot, periodic counts, absolute times of three clocks, gettime, disarming, bad
// arguments, epoll on it.
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

static struct itimerspec spec(long value_ms, long interval_ms)
{
	return (struct itimerspec){
		.it_value = {value_ms / 1000, value_ms % 1000 * 1000000},
		.it_interval = {interval_ms / 1000, interval_ms % 1000 * 1000000},
	};
}

static void absolute(int clock)
{
	struct itimerspec s = {0};
	int fd = timerfd_create(clock, 0);
	struct timespec now;
	uint64_t n = 0;

	CHECK(fd >= 0);
	CHECK_EQ(clock_gettime(clock, &now), 0);
	s.it_value = now;
	s.it_value.tv_nsec += 20000000;
	if (s.it_value.tv_nsec >= 1000000000) {
		s.it_value.tv_sec++;
		s.it_value.tv_nsec -= 1000000000;
	}
	CHECK_EQ(timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, NULL), 0);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(n, 1);
	CHECK_EQ(clock_gettime(clock, &now), 0);
	CHECK(now.tv_sec > s.it_value.tv_sec ||
	      (now.tv_sec == s.it_value.tv_sec && now.tv_nsec >= s.it_value.tv_nsec));
	/* A time that is over fires at once. */
	s.it_value.tv_sec = 1;
	CHECK_EQ(timerfd_settime(fd, TFD_TIMER_ABSTIME | 2, &s, NULL), 0);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(n, 1);
	close(fd);
}

int main(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), ep;
	struct epoll_event ev = {.events = EPOLLIN}, out;
	struct itimerspec s = spec(100000, 0), old;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t n = 0;

	CHECK(fd >= 0);
	CHECK_ERR(read(fd, &n, 8), EAGAIN);
	CHECK_EQ(timerfd_settime(fd, 0, &s, &old), 0);
	CHECK_EQ(old.it_value.tv_sec + old.it_value.tv_nsec + old.it_interval.tv_nsec, 0);
	CHECK_EQ(timerfd_gettime(fd, &old), 0);
	CHECK(old.it_value.tv_sec > 0 && old.it_value.tv_sec <= 100);
	CHECK_EQ(poll(&p, 1, 0), 0);
	s = spec(20, 0);
	CHECK_EQ(timerfd_settime(fd, 0, &s, NULL), 0);
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(p.revents, POLLIN);
	CHECK_ERR(read(fd, &n, 4), EINVAL);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(n, 1);
	CHECK_ERR(read(fd, &n, 8), EAGAIN);
	CHECK_EQ(timerfd_gettime(fd, &old), 0);
	CHECK_EQ(old.it_value.tv_nsec, 0);

	/* Periods that nobody read are counted. */
	s = spec(5, 5);
	CHECK_EQ(timerfd_settime(fd, 0, &s, NULL), 0);
	usleep(40000);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK(n >= 5);
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK(n >= 1);
	/* Setting it anew forgets what was not read; zero disarms it. */
	usleep(10000);
	s = spec(0, 0);
	CHECK_EQ(timerfd_settime(fd, 0, &s, &old), 0);
	CHECK_EQ(old.it_interval.tv_nsec, 5000000);
	CHECK_ERR(read(fd, &n, 8), EAGAIN);
	CHECK_EQ(poll(&p, 1, 20), 0);

	ep = epoll_create1(0);
	ev.events = EPOLLIN | EPOLLET;
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
	s = spec(10, 0);
	CHECK_EQ(timerfd_settime(fd, 0, &s, NULL), 0);
	CHECK_EQ(epoll_wait(ep, &out, 1, -1), 1);
	CHECK_EQ(epoll_wait(ep, &out, 1, 0), 0);
	CHECK_EQ(timerfd_settime(fd, 0, &s, NULL), 0);
	CHECK_EQ(epoll_wait(ep, &out, 1, -1), 1);

	absolute(CLOCK_MONOTONIC);
	absolute(CLOCK_REALTIME);
	absolute(CLOCK_BOOTTIME);

	CHECK_ERR(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
	CHECK_ERR(timerfd_create(CLOCK_MONOTONIC, 4), EINVAL);
	s.it_value.tv_nsec = 1000000000;
	CHECK_ERR(timerfd_settime(fd, 0, &s, NULL), EINVAL);
	s.it_value.tv_nsec = 0;
	CHECK_ERR(timerfd_settime(fd, 4, &s, NULL), EINVAL);
	CHECK_ERR(timerfd_settime(0, 0, &s, NULL), EINVAL);
	CHECK_ERR(timerfd_settime(99, 0, &s, NULL), EBADF);
	CHECK_ERR(syscall(SYS_timerfd_settime, fd, 0, 8L, 0L), EFAULT);
	CHECK_ERR(write(fd, &n, 8), EINVAL);
	say("ok\n");
	return 0;
}
