// Identity of an ordinary user: all ids equal, may be set to themselves, to nothing else. Root
// becomes one first, for good.
#include "check.h"
#include <grp.h>

int main(void)
{
	uid_t r, e, s;
	gid_t groups[128];
	int n;

	if (getuid() == 0) {
		CHECK_EQ(setgroups(0, NULL), 0);
		CHECK_EQ(setresgid(65534, 65534, 65534), 0);
		CHECK_EQ(setuid(65534), 0);
		CHECK_EQ(getuid(), 65534);
	}
	CHECK_EQ(getresuid(&r, &e, &s), 0);
	CHECK(r == getuid() && e == r && s == r && geteuid() == r);
	CHECK_EQ(getresgid(&r, &e, &s), 0);
	CHECK(r == getgid() && e == r && s == r && getegid() == r);
	CHECK_EQ(setuid(getuid()), 0);
	CHECK_EQ(setgid(getgid()), 0);
	CHECK_EQ(setreuid(getuid(), getuid()), 0);
	CHECK_EQ(setresuid(getuid(), (uid_t)-1, getuid()), 0);
	CHECK_EQ(setresgid((gid_t)-1, (gid_t)-1, (gid_t)-1), 0);
	CHECK_ERR(setuid(getuid() + 1), EPERM);
	CHECK_ERR(setgid(getgid() + 1), EPERM);
	CHECK_ERR(setresuid(0, 0, 0), EPERM);
	CHECK_ERR(setresgid(0, 0, 0), EPERM);
	CHECK_ERR(setreuid(0, (uid_t)-1), EPERM);
	n = getgroups(0, NULL);
	CHECK(n >= 0 && n <= 128);
	CHECK_EQ(getgroups(128, groups), n);
	if (n > 0)
		CHECK_ERR(getgroups(n - 1 ? n - 1 : -1, groups), EINVAL);
	CHECK_ERR(setgroups(0, groups), EPERM);
	say("ok\n");
	return 0;
}
