// process_mrelease: for a process that dies and still has its memory; for all others an error.
#include "check.h"
#include <sched.h>

#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif

static long mrelease(int fd, unsigned flags)
{
	return syscall(SYS_process_mrelease, fd, flags);
}

static int open_pid(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	CHECK(fd >= 0);
	return fd;
}

static void wait_for_ever(void *arg)
{
	(void)arg;
	for (;;)
		pause();
}

static int share(void *arg)
{
	wait_for_ever(arg);
	return 0;
}

/* 0 unless it was faster and is gone. */
static void check_dying(int fd)
{
	long r = mrelease(fd, 0);

	CHECK(r == 0 || errno == ESRCH);
}

int main(void)
{
	static unsigned char stack[65536] __attribute__((aligned(16)));
	siginfo_t info;
	int fds[2], fd;
	pid_t pid;

	make_pipe(fds);
	CHECK_ERR(mrelease(-1, 1), EINVAL);
	CHECK_ERR(mrelease(-1, 0), EBADF);
	CHECK_ERR(mrelease(999, 0), EBADF);
	CHECK_ERR(mrelease(fds[0], 0), EBADF);
	CHECK_ERR(mrelease(open_pid(getpid()), 0), EINVAL);

	pid = spawn(wait_for_ever, NULL);
	fd = open_pid(pid);
	CHECK_ERR(mrelease(fd, 1), EINVAL);
	CHECK_ERR(mrelease(fd, 0), EINVAL);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	check_dying(fd);
	CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	CHECK_ERR(mrelease(fd, 0), ESRCH);
	CHECK_EQ(reap(pid), SIGKILL);
	CHECK_ERR(mrelease(fd, 0), ESRCH);

	/* Its memory is ours, who live. */
	pid = clone(share, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
	CHECK(pid > 0);
	fd = open_pid(pid);
	CHECK_ERR(mrelease(fd, 0), EINVAL);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK(mrelease(fd, 0) == -1 && (errno == EINVAL || errno == ESRCH));
	CHECK_EQ(reap(pid), SIGKILL);
	say("ok\n");
	return 0;
}
