// variants: static musl
// cflags: -pthread
// Signals at any moment of short system calls: each call is made once, each result is the call's
// own, and each handler's calls, too.
#include "check.h"

#include <pthread.h>
#include <sys/time.h>

#define SIGNALS 300

static volatile int hits;
static pid_t parent, self;

static void on_alarm(int sig)
{
	int err = errno;

	(void)sig;
	if (syscall(SYS_getpid) == self)
		hits++;
	errno = err;
}

static void *write_bytes(void *arg)
{
	const int *fd = arg;
	long n = 0;

	/* Made once: not a byte more or less than were counted. */
	while (hits < SIGNALS) {
		unsigned char byte = (unsigned char)n;

		CHECK_EQ(syscall(SYS_getppid), parent);
		CHECK_EQ(write(fd[1], &byte, 1), 1);
		CHECK_ERR(close(-1), EBADF);
		n++;
	}
	close(fd[1]);
	return (void *)n;
}

int main(void)
{
	const struct itimerval often = {{0, 300}, {0, 300}}, off = {{0, 0}, {0, 0}};
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	unsigned char buf[64];
	pthread_t t;
	long count = 0;
	void *n;
	ssize_t r;
	int fd[2];

	parent = getppid();
	self = getpid();
	make_pipe(fd);
	CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
	CHECK_EQ(pthread_create(&t, NULL, write_bytes, fd), 0);
	CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	while ((r = read(fd[0], buf, sizeof(buf))) != 0) {
		CHECK(r > 0);
		for (ssize_t i = 0; i < r; i++, count++)
			CHECK_EQ(buf[i], (unsigned char)count);
	}
	CHECK_EQ(pthread_join(t, &n), 0);
	CHECK_EQ(setitimer(ITIMER_REAL, &off, NULL), 0);
	CHECK_EQ(count, (long)n);
	say("each once\n");
	return 0;
}
