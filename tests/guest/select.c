// select and pselect: sets in and out, timeouts, bad descriptors, a mask.
#include "check.h"
#include <sys/select.h>

static volatile int signals;

static void handler(int sig)
{
	(void)sig;
	signals++;
}

int main(void)
{
	int fd[2], n;
	fd_set in, out, err;
	struct timeval tv = {0, 20000};
	struct timespec ts = {60, 0};
	sigset_t usr1, none;
	long long start;
	pid_t pid;

	make_pipe(fd);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&err);
	FD_SET(fd[0], &in);
	FD_SET(fd[1], &out);
	n = select(fd[1] + 1, &in, &out, &err, NULL);
	say("empty: %d in %d out %d\n", n, FD_ISSET(fd[0], &in), FD_ISSET(fd[1], &out));

	FD_SET(fd[0], &in);
	start = now_ns(CLOCK_MONOTONIC);
	n = select(fd[0] + 1, &in, NULL, NULL, &tv);
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= 20000000);
	say("timeout: %d in %d left %ld.%06ld\n", n, FD_ISSET(fd[0], &in), (long)tv.tv_sec,
	    (long)tv.tv_usec);

	pid = fork_ok();
	if (pid == 0) {
		sleep_ms(2);
		send_byte(fd[1]);
		_exit(0);
	}
	FD_SET(fd[0], &in);
	n = pselect(fd[0] + 1, &in, NULL, NULL, &ts, NULL);
	say("written: %d in %d, timeout kept %d\n", n, FD_ISSET(fd[0], &in),
	    ts.tv_sec == 60 && ts.tv_nsec == 0);
	reap_ok(pid);
	wait_byte(fd[0]);
	close(fd[1]);
	tv = (struct timeval){100, 0};
	n = select(fd[0] + 1, &in, NULL, NULL, &tv);
	say("EOF: %d in %d, time left %d\n", n, FD_ISSET(fd[0], &in), tv.tv_sec >= 50);

	FD_ZERO(&in);
	FD_SET(fd[1], &in);
	CHECK_ERR(select(fd[1] + 1, &in, NULL, NULL, &tv), EBADF);
	CHECK_ERR(select(-1, NULL, NULL, NULL, &tv), EINVAL);
	tv.tv_sec = -1;
	CHECK_ERR(select(0, NULL, NULL, NULL, &tv), EINVAL);
	tv = (struct timeval){0, 0};
	CHECK_EQ(select(1 << 20, NULL, NULL, NULL, &tv), 0);
	CHECK_ERR(syscall(SYS_pselect6, 8, 8, NULL, NULL, NULL, NULL), EFAULT);

	signal(SIGUSR1, handler);
	sigemptyset(&usr1);
	sigemptyset(&none);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	raise(SIGUSR1);
	CHECK_EQ(signals, 0);
	CHECK_ERR(pselect(0, NULL, NULL, NULL, NULL, &none), EINTR);
	CHECK_EQ(signals, 1);
	say("ok\n");
	return 0;
}
