// variants: static musl
// poll and ppoll on pipes and files: events, HUP and ERR, timeouts, bad descriptors, a wake by
// another process, a signal mask, and what a signal does.
#include "check.h"
#include <poll.h>
#include <sys/resource.h>

static volatile int signals;

static void handler(int sig)
{
	(void)sig;
	signals++;
}

static void show(const char *what, int got, struct pollfd *p, int n)
{
	say("%s: %d", what, got);
	for (int i = 0; i < n; i++)
		say(" %x", p[i].revents);
	say("\n");
}

static int poll_ms(struct pollfd *p, int n, int ms)
{
	for (int i = 0; i < n; i++)
		p[i].revents = 0x7fff;
	return poll(p, n, ms);
}

int main(void)
{
	int fd[2], other[2];
	struct pollfd p[4];
	struct timespec ts = {0, 20000000};
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
	sigset_t usr1, none;
	long long start;
	pid_t pid, self = getpid();
	char buf[65536];

	make_pipe(fd);
	make_pipe(other);
	p[0] = (struct pollfd){fd[0], POLLIN | POLLRDNORM, 0};
	p[1] = (struct pollfd){fd[1], POLLOUT | POLLWRNORM, 0};
	p[2] = (struct pollfd){-5, POLLIN, 0};
	p[3] = (struct pollfd){77, POLLIN, 0};
	show("empty", poll_ms(p, 4, -1), p, 4);
	show("empty reader", poll_ms(p, 1, 0), p, 1);
	CHECK_EQ(write(fd[1], buf, sizeof(buf)), sizeof(buf));
	show("full", poll_ms(p, 2, -1), p, 2);
	show("full writer", poll_ms(p + 1, 1, 0), p + 1, 1);
	CHECK_EQ(read(fd[0], buf, 100), 100);
	show("not a page free", poll_ms(p + 1, 1, 0), p + 1, 1);
	CHECK_EQ(read(fd[0], buf, sizeof(buf)), 65436);

	start = now_ns(CLOCK_MONOTONIC);
	show("timeout", poll_ms(p, 1, 20), p, 1);
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= 20000000);
	start = now_ns(CLOCK_MONOTONIC);
	CHECK_EQ(ppoll(NULL, 0, &ts, NULL), 0);
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= 20000000);

	/* woken by a child's write, then by its exit */
	pid = fork_ok();
	if (pid == 0) {
		wait_byte(other[0]);
		send_byte(fd[1]);
		wait_byte(other[0]);
		_exit(0);
	}
	close(fd[1]);
	send_byte(other[1]);
	show("written", poll_ms(p, 1, -1), p, 1);
	wait_byte(fd[0]);
	send_byte(other[1]);
	show("hung up", poll_ms(p, 1, -1), p, 1);
	reap_ok(pid);
	close(fd[0]);
	make_pipe(fd);
	close(fd[0]);
	p[1].fd = fd[1];
	show("no reader", poll_ms(p + 1, 1, 0), p + 1, 1);
	p[0] = (struct pollfd){open("/dev/null", O_RDWR), POLLIN | POLLOUT, 0};
	show("/dev/null", poll_ms(p, 1, -1), p, 1);

	/* A blocked signal that ppoll lets in ends it; SA_RESTART does not restart poll. */
	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&usr1);
	sigemptyset(&none);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	kill(getpid(), SIGUSR1);
	CHECK_EQ(poll(NULL, 0, 5), 0);
	CHECK_EQ(signals, 0);
	CHECK_ERR(ppoll(NULL, 0, NULL, &none), EINTR);
	CHECK_EQ(signals, 1);
	sigprocmask(SIG_BLOCK, NULL, &none);
	CHECK(sigismember(&none, SIGUSR1));
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	pid = fork_ok();
	if (pid == 0) {
		while (kill(self, SIGUSR1) == 0)
			sleep_ms(2);
		_exit(0);
	}
	CHECK_ERR(poll(NULL, 0, -1), EINTR);
	kill(pid, SIGKILL);
	reap(pid);

	ts.tv_nsec = 1000000000;
	CHECK_ERR(ppoll(NULL, 0, &ts, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_ppoll, 8, 1, NULL, NULL, 8), EFAULT);
	CHECK_ERR(syscall(SYS_ppoll, p, 1u << 31, NULL, NULL, 8), EINVAL);
	say("ok\n");
	return 0;
}
