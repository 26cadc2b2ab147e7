// signalfd: what a read takes and how it looks, several at once, a changed mask, the reader's own
// signals, poll and epoll, SIGCHLD.
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

static void child(void *arg)
{
	struct signalfd_siginfo s;
	int fd = *(int *)arg;

	/* Not the parent's, though the descriptor is. */
	CHECK_ERR(read(fd, &s, sizeof(s)), EAGAIN);
	kill(getpid(), SIGUSR2);
	CHECK_EQ(read(fd, &s, sizeof(s)), sizeof(s));
	CHECK_EQ(s.ssi_signo, SIGUSR2);
	_exit(7);
}

static void kill_parent(void *arg)
{
	(void)arg;
	kill(getppid(), SIGUSR1);
}

int main(void)
{
	struct signalfd_siginfo s[3];
	struct epoll_event ev = {.events = EPOLLIN}, out;
	union sigval value = {.sival_int = 42};
	struct pollfd p = {.events = POLLIN};
	int fd, ep, status;
	sigset_t set, got;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGRTMIN);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	sigdelset(&set, SIGUSR1);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	CHECK(fd >= 0);
	p.fd = fd;
	CHECK_ERR(read(fd, s, sizeof(s)), EAGAIN);
	CHECK_ERR(read(fd, s, sizeof(s[0]) - 1), EINVAL);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_EQ(poll(&p, 1, 0), 0);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(signalfd(fd, &set, 0), fd);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(sigqueue(getpid(), SIGRTMIN, value), 0);
	CHECK_EQ(sigqueue(getpid(), SIGRTMIN, value), 0);
	CHECK_EQ(read(fd, s, sizeof(s)), sizeof(s));
	CHECK_EQ(s[0].ssi_signo, SIGUSR1);
	CHECK_EQ(s[0].ssi_code, SI_USER);
	CHECK_EQ(s[0].ssi_pid, getpid());
	CHECK_EQ(s[0].ssi_uid, getuid());
	CHECK_EQ(s[1].ssi_signo, SIGRTMIN);
	CHECK_EQ(s[1].ssi_code, SI_QUEUE);
	CHECK_EQ(s[1].ssi_int, 42);
	CHECK_EQ(s[2].ssi_signo, SIGRTMIN);
	CHECK_EQ(sigpending(&got), 0);
	CHECK(!sigismember(&got, SIGUSR1));

	ep = epoll_create1(0);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
	CHECK_EQ(epoll_wait(ep, &out, 1, 0), 0);
	pid = spawn(kill_parent, NULL);
	CHECK_EQ(epoll_wait(ep, &out, 1, -1), 1);
	CHECK_EQ(read(fd, s, sizeof(s[0])), sizeof(s[0]));
	CHECK_EQ(s[0].ssi_signo, SIGUSR1);
	CHECK_EQ(s[0].ssi_pid, pid);
	reap_ok(pid);
	CHECK_EQ(read(fd, s, sizeof(s[0])), sizeof(s[0]));
	CHECK_EQ(s[0].ssi_signo, SIGCHLD);
	CHECK_EQ(epoll_wait(ep, &out, 1, 0), 0);

	/* A blocking read. */
	CHECK_EQ(fcntl(fd, F_SETFL, 0), 0);
	pid = spawn(kill_parent, NULL);
	CHECK_EQ(read(fd, s, sizeof(s[0])), sizeof(s[0]));
	CHECK_EQ(s[0].ssi_signo, SIGUSR1);
	reap_ok(pid);
	CHECK_EQ(read(fd, s, sizeof(s[0])), sizeof(s[0]));
	CHECK_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);

	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	pid = spawn(child, &fd);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	say("%s\n", status_text(status));
	CHECK_EQ(read(fd, s, sizeof(s)), 2 * sizeof(s[0]));
	CHECK_EQ(s[0].ssi_signo, SIGUSR1);
	CHECK_EQ(s[1].ssi_signo, SIGCHLD);
	CHECK_EQ(s[1].ssi_code, CLD_EXITED);
	CHECK_EQ(s[1].ssi_status, 7);
	CHECK_EQ(s[1].ssi_pid, pid);

	CHECK_ERR(signalfd(0, &set, 0), EINVAL);
	CHECK_ERR(signalfd(99, &set, 0), EBADF);
	CHECK_ERR(signalfd(-1, &set, 1), EINVAL);
	CHECK_ERR(syscall(SYS_signalfd4, -1, &set, 4L, 0), EINVAL);
	CHECK_ERR(syscall(SYS_signalfd4, -1, 8L, 8L, 0), EFAULT);
	say("ok\n");
	return 0;
}
