// pidfds: open, poll, send a signal, wait by one, CLONE_PIDFD, getfd of one's own, errors.
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

static int pidfd_open_(pid_t pid, unsigned flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

static int pidfd_send(int fd, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
}

static void wait_for_ever(void *arg)
{
	(void)arg;
	for (;;)
		pause();
}

static int clone_pidfd(int *fd)
{
	return (int)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0L, fd, 0L, 0L);
}

int main(void)
{
	pid_t pid = spawn(wait_for_ever, NULL);
	int fd = pidfd_open_(pid, 0), ep, other;
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET}, out;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	siginfo_t si;

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_EQ(pidfd_send(fd, 0), 0);
	ep = epoll_create1(0);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
	CHECK_EQ(epoll_wait(ep, &out, 1, 0), 0);
	CHECK_EQ(waitid((idtype_t)P_PIDFD, (id_t)fd, &si, WEXITED | WNOHANG), 0);
	CHECK_EQ(pidfd_send(fd, SIGTERM), 0);
	CHECK_EQ(epoll_wait(ep, &out, 1, -1), 1);
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(p.revents, POLLIN);
	CHECK_EQ(waitid((idtype_t)P_PIDFD, (id_t)fd, &si, WEXITED), 0);
	CHECK_EQ(si.si_pid, pid);
	CHECK_EQ(si.si_code, CLD_KILLED);
	CHECK_EQ(si.si_status, SIGTERM);
	CHECK_ERR(pidfd_send(fd, 0), ESRCH);
	CHECK_ERR(waitid((idtype_t)P_PIDFD, (id_t)fd, &si, WEXITED), ECHILD);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK(p.revents & POLLIN);
	close(fd);

	fd = -1;
	pid = clone_pidfd(&fd);
	if (pid == 0)
		_exit(fcntl(fd, F_GETFD) == -1 ? 5 : 6);
	CHECK(pid > 0 && fd >= 0);
	CHECK_EQ(waitid((idtype_t)P_PIDFD, (id_t)fd, &si, WEXITED), 0);
	CHECK_EQ(si.si_pid, pid);
	close(fd);

	pid = spawn(wait_for_ever, NULL);
	fd = pidfd_open_(pid, O_NONBLOCK);
	CHECK_ERR(waitid((idtype_t)P_PIDFD, (id_t)fd, &si, WEXITED), EAGAIN);
	CHECK_EQ(pidfd_send(fd, SIGKILL), 0);
	p.fd = fd;
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(waitid((idtype_t)P_PIDFD, (id_t)fd, &si, WEXITED), 0);
	close(fd);

	fd = pidfd_open_(getpid(), 0);
	other = (int)syscall(SYS_pidfd_getfd, fd, 1, 0);
	CHECK(other > fd);
	say("ok\n");
	CHECK_EQ(dprintf(other, "through another\n"), 16);
	CHECK_ERR(syscall(SYS_pidfd_getfd, fd, 99, 0), EBADF);
	CHECK_ERR(syscall(SYS_pidfd_getfd, fd, 1, 1), EINVAL);
	CHECK_ERR(pidfd_open_(0, 0), EINVAL);
	CHECK_ERR(pidfd_open_(-1, 0), EINVAL);
	CHECK_ERR(pidfd_open_(getpid(), 1), EINVAL);
	CHECK_ERR(pidfd_open_(99999999, 0), ESRCH);
	CHECK_ERR(pidfd_send(0, 0), EBADF);
	CHECK_ERR(pidfd_send(fd, 65), EINVAL);
	CHECK_ERR(waitid((idtype_t)P_PIDFD, 0, &si, WEXITED), EBADF);
	return 0;
}
