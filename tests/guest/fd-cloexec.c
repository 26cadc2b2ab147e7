// Close-on-exec over execve, close_range with its flags, descriptors shared by fork only in
// their descriptions.
#include "check.h"

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

static void show(const char *what)
{
	say("%s:", what);
	for (int fd = 0; fd < 40; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags >= 0)
			say(" %d%s", fd, flags & FD_CLOEXEC ? "c" : "");
	}
	say("\n");
}

static void again(const char *how)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	CHECK(n > 0);
	self[n] = 0;
	execl(self, "x", how, (char *)NULL);
	CHECK(0);
}

int main(int argc, char **argv)
{
	int null, fd[2];
	pid_t pid;
	char c;

	if (argc > 1) {
		show(argv[1]);
		return 0;
	}
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(null, 3);
	for (int i = 10; i < 20; i++)
		CHECK_EQ(dup3(null, i, i % 2 ? O_CLOEXEC : 0), i);
	show("before");
	pid = fork_ok();
	if (pid == 0)
		again("after exec");
	reap_ok(pid);
	pid = fork_ok();
	if (pid == 0) {
		CHECK_EQ(syscall(SYS_close_range, 12, 14, 0), 0);
		show("closed 12-14");
		CHECK_EQ(syscall(SYS_close_range, 16, ~0U, CLOSE_RANGE_CLOEXEC), 0);
		show("cloexec 16-");
		CHECK_EQ(syscall(SYS_close_range, 18, 18, CLOSE_RANGE_UNSHARE), 0);
		CHECK_ERR(syscall(SYS_close_range, 5, 4, 0), EINVAL);
		CHECK_ERR(syscall(SYS_close_range, 5, 6, 0x80), EINVAL);
		CHECK_EQ(syscall(SYS_close_range, 100, 200, 0), 0);
		again("then exec");
	}
	reap_ok(pid);
	show("still");
	/* exec drops the child's writing end: the reader sees EOF though the child lives. */
	CHECK_EQ(pipe2(fd, O_CLOEXEC), 0);
	pid = fork_ok();
	if (pid == 0)
		again("pipe gone");
	close(fd[1]);
	CHECK_EQ(read(fd[0], &c, 1), 0);
	reap_ok(pid);
	CHECK_EQ(syscall(SYS_close_range, 3, ~0U, 0), 0);
	show("end");
	return 0;
}
