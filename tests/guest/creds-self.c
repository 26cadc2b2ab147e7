// Identity calls that hold for any user: ids are consistent, inherited, and may be set to what
// they are.
#include "check.h"
#include <sys/fsuid.h>

int main(void)
{
	uid_t r, e, s;
	gid_t gr, ge, gs;
	pid_t pid;
	int n;

	CHECK_EQ(getresuid(&r, &e, &s), 0);
	CHECK_EQ(getresgid(&gr, &ge, &gs), 0);
	CHECK(r == getuid() && e == geteuid() && s == e);
	CHECK(gr == getgid() && ge == getegid() && gs == ge);
	say("uid %s\n", r == 0 ? "0" : "other");
	CHECK_EQ(setresuid(r, e, s), 0);
	CHECK_EQ(setresgid(gr, ge, gs), 0);
	CHECK_EQ(setuid(r), 0);
	CHECK_EQ(setgid(gr), 0);
	CHECK_EQ(setfsuid((uid_t)-1), (int)e);
	CHECK_EQ(setfsgid((gid_t)-1), (int)ge);
	n = getgroups(0, NULL);
	CHECK(n >= 0);
	CHECK_ERR(getgroups(-1, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_getresuid, 8, 8, 8), EFAULT);
	pid = fork_ok();
	if (pid == 0) {
		CHECK(getuid() == r && getgid() == gr && geteuid() == e && getegid() == ge);
		_exit(0);
	}
	reap_ok(pid);
	return 0;
}
