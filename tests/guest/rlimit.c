// getrlimit, setrlimit, prlimit64: every resource can be read, soft limits move below hard
// ones, hard ones only go down, children inherit, and what is refused.
#include "check.h"
#include <sys/resource.h>

int main(void)
{
	struct rlimit l, old, set;
	pid_t pid;

	for (int r = 0; r < RLIM_NLIMITS; r++) {
		CHECK_EQ(getrlimit(r, &l), 0);
		CHECK(l.rlim_cur <= l.rlim_max);
	}
	CHECK_ERR(getrlimit(RLIM_NLIMITS, &l), EINVAL);
	CHECK_ERR(getrlimit(-1, &l), EINVAL);

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &l), 0);
	CHECK(l.rlim_max >= 256);
	set = (struct rlimit){100, 256};
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &set), 0);
	set = (struct rlimit){200, 100};
	CHECK_ERR(setrlimit(RLIMIT_NOFILE, &set), EINVAL);
	set = (struct rlimit){256, 256};
	CHECK_EQ(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &set, &old), 0);
	CHECK(old.rlim_cur == 100 && old.rlim_max == 256);
	CHECK_EQ(syscall(SYS_prlimit64, getpid(), RLIMIT_NOFILE, NULL, &old), 0);
	CHECK(old.rlim_cur == 256);
	CHECK_ERR(syscall(SYS_prlimit64, 1 << 29, RLIMIT_NOFILE, NULL, &old), ESRCH);
	CHECK_ERR(syscall(SYS_prlimit64, 0, 99, NULL, &old), EINVAL);
	CHECK_ERR(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 8, NULL), EFAULT);
	pid = fork_ok();
	if (pid == 0) {
		CHECK_EQ(getrlimit(RLIMIT_NOFILE, &l), 0);
		CHECK(l.rlim_cur == 256 && l.rlim_max == 256);
		set = (struct rlimit){10, 10};
		CHECK_EQ(setrlimit(RLIMIT_NOFILE, &set), 0);
		_exit(0);
	}
	CHECK_EQ(reap(pid), 0);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &l), 0);
	CHECK_EQ(l.rlim_cur, 256);
	/* A child's can be set from outside. */
	pid = fork_ok();
	if (pid == 0)
		for (;;)
			pause();
	set = (struct rlimit){11, 12};
	CHECK_EQ(syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, &set, NULL), 0);
	CHECK_EQ(syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, NULL, &old), 0);
	CHECK(old.rlim_cur == 11 && old.rlim_max == 12);
	kill(pid, SIGKILL);
	reap(pid);

	/* address space: mappings fail beyond it */
	getrlimit(RLIMIT_AS, &old);
	set = old;
	set.rlim_cur = 64 << 20;
	CHECK_EQ(setrlimit(RLIMIT_AS, &set), 0);
	CHECK_ERR(mmap(NULL, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	CHECK_EQ(setrlimit(RLIMIT_AS, &old), 0);
	say("ok\n");
	return 0;
}
