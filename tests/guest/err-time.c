// clock_*, nanosleep, timer_*, timerfd_*, itimers, gettimeofday, alarm, epoll and eventfd: the
// errors of their man pages.
#include "err.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>

#define NOBODY 99999999

static void clocks(void)
{
	struct timespec ts, bad = {0, 1000000000}, neg = {-1, 0}, now = {0, 0};
	struct timex tx = {0};

	TRY(S(clock_gettime, 99, &ts));
	TRY(S(clock_gettime, CLOCK_MONOTONIC, BAD_POINTER));
	TRY(S(clock_gettime, -2, &ts));
	TRY(S(clock_gettime, (int)(~(unsigned)NOBODY << 3 | 2), &ts));
	TRY(S(clock_getres, 99, &ts));
	TRY(S(clock_getres, CLOCK_MONOTONIC, BAD_POINTER));
	TRY(S(clock_getres, CLOCK_MONOTONIC, NULL));
	TRY(S(clock_settime, 99, &ts));
	TRY(S(clock_settime, CLOCK_MONOTONIC, &now));
	TRY(S(clock_settime, CLOCK_REALTIME, BAD_POINTER));
	TRY(S(clock_settime, CLOCK_REALTIME, &bad));
	TRY(S(clock_nanosleep, 99, 0, &now, NULL));
	TRY(S(clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &now, NULL));
	TRY(S(clock_nanosleep, CLOCK_MONOTONIC, 0, &bad, NULL));
	TRY(S(clock_nanosleep, CLOCK_MONOTONIC, 0, &neg, NULL));
	TRY(S(clock_nanosleep, CLOCK_MONOTONIC, 0, BAD_POINTER, NULL));
	TRY(S(clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &now, NULL));
	TRY(S(nanosleep, &bad, NULL));
	TRY(S(nanosleep, &neg, NULL));
	TRY(S(nanosleep, BAD_POINTER, NULL));
	TRY(S(nanosleep, &now, BAD_POINTER));
	TRY(S(gettimeofday, BAD_POINTER, NULL));
	TRY(S(gettimeofday, NULL, BAD_POINTER));
	TRY(S(settimeofday, &((struct timeval){0, 1000000}), NULL));
	TRY(S(settimeofday, BAD_POINTER, NULL));
	TRY(S(adjtimex, BAD_POINTER));
	TRY(S(clock_adjtime, 99, &tx));
	TRY(S(clock_adjtime, CLOCK_MONOTONIC, &tx));
}

static void timers(void)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM}, odd = ev;
	struct itimerspec its = {{0, 0}, {0, 0}}, bad = {{0, 0}, {0, 1000000000}};
	struct itimerspec neg = {{-1, 0}, {1, 0}};
	int id = 0, none = 999;

	TRY(S(timer_create, 99, NULL, &id));
	TRY(S(timer_create, CLOCK_MONOTONIC, BAD_POINTER, &id));
	TRY(S(timer_create, CLOCK_MONOTONIC, NULL, BAD_POINTER));
	odd.sigev_notify = 99;
	TRY(S(timer_create, CLOCK_MONOTONIC, &odd, &id));
	odd = ev;
	odd.sigev_signo = 65;
	TRY(S(timer_create, CLOCK_MONOTONIC, &odd, &id));
	odd.sigev_signo = 0;
	TRY(S(timer_create, CLOCK_MONOTONIC, &odd, &id));
	TRY(S(timer_create, CLOCK_MONOTONIC, &ev, &id));
	TRY(S(timer_settime, none, 0, &its, NULL));
	TRY(S(timer_settime, -1, 0, &its, NULL));
	TRY(S(timer_settime, id, 0, NULL, NULL));
	TRY(S(timer_settime, id, 0, BAD_POINTER, NULL));
	TRY(S(timer_settime, id, 0, &bad, NULL));
	TRY(S(timer_settime, id, 0, &neg, NULL));
	TRY(S(timer_settime, id, 8, &its, NULL));
	TRY(S(timer_settime, id, 0, &its, BAD_POINTER));
	TRY(S(timer_gettime, none, &its));
	TRY(S(timer_gettime, id, BAD_POINTER));
	TRY(S(timer_getoverrun, none));
	TRY(S(timer_getoverrun, id));
	TRY(S(timer_delete, none));
	TRY(S(timer_delete, id));
	TRY(S(timer_delete, id));
	TRY(S(setitimer, 9, &((struct itimerval){{0, 0}, {0, 0}}), NULL));
	TRY(S(setitimer, ITIMER_REAL, &((struct itimerval){{0, 0}, {0, 1000000}}), NULL));
	TRY(S(setitimer, ITIMER_REAL, &((struct itimerval){{-1, 0}, {0, 0}}), NULL));
	TRY(S(setitimer, ITIMER_REAL, BAD_POINTER, NULL));
	TRY(S(getitimer, 9, NULL));
	TRY(S(getitimer, ITIMER_REAL, BAD_POINTER));
}

static void timerfds(void)
{
	struct itimerspec its = {{0, 0}, {0, 0}}, bad = {{0, 0}, {0, 1000000000}};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), file = open("/dev/null", O_RDWR);
	char buf[8];

	TRY(timerfd_create(99, 0));
	TRY(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	TRY(timerfd_create(CLOCK_MONOTONIC, 1));
	TRY(timerfd_settime(999, 0, &its, NULL));
	TRY(timerfd_settime(file, 0, &its, NULL));
	TRY(timerfd_settime(fd, 99, &its, NULL));
	TRY(timerfd_settime(fd, 0, &bad, NULL));
	TRY(timerfd_settime(fd, 0, BAD_POINTER, NULL));
	TRY(timerfd_gettime(999, &its));
	TRY(timerfd_gettime(file, &its));
	TRY(timerfd_gettime(fd, BAD_POINTER));
	TRY(read(fd, buf, 4));
	TRY(read(fd, buf, 8));
	TRY(write(fd, buf, 8));
	TRY(lseek(fd, 0, SEEK_SET));
	close(fd);
	fd = eventfd(0, EFD_NONBLOCK);
	TRY(eventfd(0, 1));
	TRY(read(fd, buf, 4));
	TRY(read(fd, buf, 8));
	TRY(write(fd, buf, 4));
	TRY(write(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8));
	TRY(write(fd, "\xfe\xff\xff\xff\xff\xff\xff\xff", 8));
	TRY(write(fd, "\1\0\0\0\0\0\0", 8));
	close(fd);
	TRY(S(signalfd4, -1, buf, 4, 0));
	TRY(S(signalfd4, -1, BAD_POINTER, 8, 0));
	TRY(S(signalfd4, -1, buf, 8, 1));
	TRY(S(signalfd4, 999, buf, 8, 0));
	TRY(S(signalfd4, file, buf, 8, 0));
	close(file);
}

static void epolls(void)
{
	struct epoll_event e = {.events = EPOLLIN}, x = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	struct epoll_event odd = {.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT};
	int ep = epoll_create1(0), ep2 = epoll_create1(0), p[2], dir = open("/", O_RDONLY);
	int chain[8];

	make_pipe(p);
	TRY(S(epoll_create1, 1));
#ifdef SYS_epoll_create
	TRY(S(epoll_create, 0));
	TRY(S(epoll_create, -1));
#endif
	TRY(epoll_ctl(999, EPOLL_CTL_ADD, p[0], &e));
	TRY(epoll_ctl(ep, EPOLL_CTL_ADD, 999, &e));
	TRY(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &e));
	TRY(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &e));
	TRY(epoll_ctl(ep, EPOLL_CTL_ADD, dir, &e));
	TRY(epoll_ctl(ep, 9, p[0], &e));
	TRY(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], BAD_POINTER));
	TRY(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e));
	TRY(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	TRY(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
	TRY(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
	TRY(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &x));
	TRY(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	TRY(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &odd));
	TRY(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &x));
	TRY(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e));
	TRY(epoll_ctl(ep, EPOLL_CTL_ADD, ep2, &x));
	/* in a circle */
	TRY(epoll_ctl(ep, EPOLL_CTL_ADD, ep2, &e));
	TRY(epoll_ctl(ep2, EPOLL_CTL_ADD, ep, &e));
	/* five deep are permitted */
	for (int i = 0; i < 8; i++)
		chain[i] = epoll_create1(0);
	for (int i = 0; i < 7; i++) {
		say("%d: ", i);
		TRY(epoll_ctl(chain[i + 1], EPOLL_CTL_ADD, chain[i], &e));
	}
	for (int i = 0; i < 8; i++)
		close(chain[i]);
	TRY(S(epoll_pwait, ep, &e, 0, 0, NULL, 8));
	TRY(S(epoll_pwait, ep, &e, -1, 0, NULL, 8));
	TRY(S(epoll_pwait, ep, &e, INT32_MAX, 0, NULL, 8));
	TRY(S(epoll_pwait, 999, &e, 1, 0, NULL, 8));
	TRY(S(epoll_pwait, p[0], &e, 1, 0, NULL, 8));
	TRY(S(epoll_pwait, ep, &e, 1, 0, BAD_POINTER, 8));
	TRY(S(epoll_pwait, ep, &e, 1, 0, &e, 4));
	send_byte(p[1]);
	TRY(S(epoll_pwait, ep, BAD_POINTER, 1, 0, NULL, 8));
	TRY(S(epoll_pwait2, ep, &e, 1, &((struct timespec){0, -1}), NULL, 8));
	TRY(S(epoll_pwait2, ep, &e, 1, BAD_POINTER, NULL, 8));
	close(ep);
	close(ep2);
}

static void watches(void)
{
	int in = inotify_init1(IN_NONBLOCK), file = open("/dev/null", O_RDWR);
	char buf[16];

	TRY(inotify_init1(1));
	TRY(inotify_add_watch(999, "/", IN_CREATE));
	TRY(inotify_add_watch(file, "/", IN_CREATE));
	TRY(inotify_add_watch(in, "/none", IN_CREATE));
	TRY(inotify_add_watch(in, "/", 0));
	TRY(inotify_add_watch(in, BAD_POINTER, IN_CREATE));
	TRY(inotify_add_watch(in, "/", IN_CREATE | IN_MASK_ADD | IN_MASK_CREATE));
	TRY(inotify_add_watch(in, "/dev/null", IN_CREATE | IN_ONLYDIR));
	TRY(inotify_add_watch(in, "/", IN_CREATE));
	TRY(inotify_add_watch(in, "/", IN_CREATE | IN_MASK_CREATE));
	TRY(inotify_rm_watch(in, 99));
	TRY(inotify_rm_watch(999, 1));
	TRY(inotify_rm_watch(file, 1));
	TRY(read(in, buf, 16));
	TRY(write(in, buf, 16));
	close(in);
	close(file);
}

static void others(void)
{
	struct timespec ts = {1, 0};
	struct timex tx = {.modes = ADJ_OFFSET};

	TRY(S(clock_settime, CLOCK_REALTIME, &ts));
	TRY(S(settimeofday, &((struct timeval){1, 0}), NULL));
	TRY(S(adjtimex, &tx));
	tx.modes = 0;
	TRY(S(adjtimex, &tx) >= 0);
}

int main(void)
{
	clocks();
	timers();
	timerfds();
	epolls();
	watches();
	as_other(others);
	return 0;
}
