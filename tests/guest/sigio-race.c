// variants: static musl
// Owners of files that change, come and go while other threads and processes make the files tell:
// nothing is lost that must not be, and nobody is told by what is closed. fcntl(2).
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define ROUNDS 400

static int p[2], s[2], nothing[2];
static volatile sig_atomic_t told;

static void count(int sig)
{
	(void)sig;
	told = 1;
}

static void *make_events(void *arg)
{
	char buf[8] = "events";

	/* A bounded number: who is told all the time gets to nothing else. */
	for (int i = 0; i < 5 * ROUNDS; i++) {
		(void)!write(p[1], buf, 3);
		(void)!send(s[0], buf, 3, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_OOB);
		(void)!read(p[0], buf, sizeof(buf));
		(void)!recv(s[1], buf, sizeof(buf), MSG_DONTWAIT);
		(void)!recv(s[1], buf, 1, MSG_OOB);
		sched_yield();
	}
	return arg;
}

static void *change_owners(void *arg)
{
	int files[] = {p[0], p[1], s[0], s[1]};
	struct f_owner_ex ex;

	for (int i = 0; i < ROUNDS; i++) {
		int fd = files[i & 3], copy = dup(fd), on = i >> 2 & 1;

		CHECK(copy >= 0);
		switch (i / 3 % 5) {
		case 0:
			CHECK_EQ(fcntl(fd, F_SETOWN, getpid()), 0);
			break;
		case 1:
			CHECK_EQ(fcntl(fd, F_SETOWN, -getpgrp()), 0);
			break;
		case 2:
			ex = (struct f_owner_ex){F_OWNER_TID, (pid_t)syscall(SYS_gettid)};
			CHECK_EQ(fcntl(fd, F_SETOWN_EX, &ex), 0);
			break;
		case 3:
			CHECK_EQ(fcntl(fd, F_SETOWN, 0), 0);
			break;
		default:
			CHECK_EQ(fcntl(fd, F_SETSIG, i & 16 ? SIGURG : 0), 0);
		}
		CHECK_EQ(ioctl(copy, FIOASYNC, &on), 0);
		CHECK(fcntl(copy, F_GETOWN) >= -getpgrp());
		close(copy);
	}
	return arg;
}

/* Files with owners are made, told and closed; one end by another process. */
static void *come_and_go(void *arg)
{
	for (int i = 0; i < ROUNDS / 2; i++) {
		int q[2];

		CHECK_EQ(socketpair(AF_UNIX, i & 1 ? SOCK_STREAM : SOCK_DGRAM, 0, q), 0);
		CHECK_EQ(fcntl(q[0], F_SETOWN, getpid()), 0);
		CHECK_EQ(fcntl(q[0], F_SETFL, O_ASYNC), 0);
		CHECK_EQ(write(q[1], "x", 1), 1);
		close(q[i >> 1 & 1]);
		close(q[!(i >> 1 & 1)]);
	}
	return arg;
}

/* Owners that end while they are told. */
static void *short_lived(void *arg)
{
	sigset_t io, old;

	sigemptyset(&io);
	sigaddset(&io, SIGIO);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &io, NULL), 0);
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork_ok();

		if (!pid) {
			signal(SIGIO, SIG_DFL);
			CHECK_EQ(sigprocmask(SIG_UNBLOCK, &io, &old), 0);
			for (;;)
				pause();
		}
		CHECK_EQ(fcntl(nothing[0], F_SETOWN, pid), 0);
		CHECK_EQ(write(nothing[1], "x", 1), 1);
		/* it was told, and that ended it */
		CHECK_EQ(reap(pid), SIGIO);
		CHECK_EQ(fcntl(nothing[0], F_GETOWN), 0);
	}
	return arg;
}

int main(void)
{
	static void *(*const jobs[])(void *) = {change_owners, change_owners, come_and_go,
						short_lived};
	pthread_t events[2], thread[4];

	CHECK(setpgid(0, 0) == 0 || getpid() == getpgrp());
	signal(SIGIO, count);
	signal(SIGURG, count);
	make_pipe(p);
	make_pipe(nothing);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(fcntl(p[i], F_SETFL, O_NONBLOCK), 0);
	CHECK_EQ(fcntl(nothing[0], F_SETFL, O_ASYNC), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&events[i], NULL, make_events, NULL), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, jobs[i], NULL), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(events[i], NULL), 0);

	/* Now nobody disturbs. */
	CHECK_EQ(fcntl(p[0], F_SETFL, 0), 0);
	CHECK_EQ(fcntl(p[1], F_SETFL, 0), 0);
	CHECK_EQ(fcntl(p[0], F_SETSIG, 0), 0);
	CHECK_EQ(fcntl(p[0], F_SETOWN, getpid()), 0);
	told = 0;
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(told, 0);
	CHECK_EQ(fcntl(p[0], F_SETFL, O_ASYNC), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(told, 1);
	say("done\n");
	return 0;
}
