// uname, sysinfo, getpagesize and friends.
#include "check.h"
#include <sys/sysinfo.h>
#include <sys/utsname.h>

int main(void)
{
	struct utsname u;
	struct sysinfo si;
	int major = 0, minor = 0;

	memset(&u, 0xff, sizeof(u));
	CHECK_EQ(uname(&u), 0);
	say("%s %s\n", u.sysname, u.machine);
	CHECK(u.nodename[0] != 0);
	CHECK(sscanf(u.release, "%d.%d", &major, &minor) == 2);
	CHECK(major >= 5);
	CHECK(u.version[0] == '#');
	CHECK_ERR(syscall(SYS_uname, 8), EFAULT);
	CHECK_EQ(sysinfo(&si), 0);
	CHECK(si.totalram > 0 && si.freeram <= si.totalram && si.mem_unit > 0);
	CHECK(si.procs >= 1 && si.uptime >= 0);
	CHECK_ERR(syscall(SYS_sysinfo, 8), EFAULT);
	say("ok\n");
	return 0;
}
