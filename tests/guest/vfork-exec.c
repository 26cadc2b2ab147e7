// variants: static musl
// vfork: the parent stands still until the child execs or exits, and shares its memory until
// then; a failed exec reports through that memory. A C library's vfork may be a fork (musl's was
// for arm64): whether it is one must agree with the native run.
#include "check.h"

static volatile int shared;
static int shares; /* does the C library's vfork share memory? */

static int try(const char *path, char *const argv[], char *const envp[])
{
	pid_t pid;

	shared = 0;
	pid = vfork();
	if (pid == 0) {
		shared = 1;
		execve(path, argv, envp);
		shared = errno;
		_exit(127);
	}
	CHECK(pid > 0);
	CHECK_EQ(shared != 0, shares);
	return reap(pid);
}

int main(int argc, char **argv)
{
	char self[512];
	char *args[] = {(char[]){"x"}, (char[]){"child"}, NULL}, *env[] = {NULL};
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	pid_t pid;

	if (argc > 1) {
		say("child runs\n");
		return 5;
	}
	(void)argv;
	CHECK(n > 0);
	self[n] = 0;
	pid = vfork();
	if (pid == 0) {
		shared = 1;
		_exit(0);
	}
	shares = shared;
	say("%s, memory shared: %d\n", status_text(reap(pid)), shares);
	for (int i = 0; i < 3; i++)
		say("%s\n", status_text(try(self, args, env)));
	say("%s\n", status_text(try("/no/such", args, env)));
	CHECK_EQ(shared, shares ? ENOENT : 0);
	pid = vfork();
	if (pid == 0) {
		shared = 99;
		_exit(3);
	}
	CHECK_EQ(shared, shares ? 99 : 0);
	say("%s\n", status_text(reap(pid)));
	/* Killed before it execs: the parent goes on all the same. */
	pid = vfork();
	if (pid == 0) {
		kill(getpid(), SIGKILL);
		_exit(0);
	}
	say("%s\n", status_text(reap(pid)));
	return 0;
}
