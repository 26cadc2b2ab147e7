// Capabilities: what is given up stays given up, counts at once, and goes with the user id. Root
// has them; anybody else has none and may say so.
#include "check.h"
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

#define BIT(cap) (1U << (cap))

static struct __user_cap_data_struct now[2];

static long cap_call(long nr, int pid, struct __user_cap_data_struct *d)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, pid};

	return syscall(nr, &h, d);
}

static void look(void)
{
	CHECK_EQ(cap_call(SYS_capget, 0, now), 0);
}

static int has(unsigned cap)
{
	look();
	return (now[0].effective & BIT(cap)) != 0;
}

static void set_effective(unsigned cap, int on, int want)
{
	look();
	now[0].effective = on ? now[0].effective | BIT(cap) : now[0].effective & ~BIT(cap);
	errno = 0;
	cap_call(SYS_capset, 0, now);
	CHECK_EQ(errno, want);
}

static void set_permitted(unsigned cap, int on, int want)
{
	look();
	now[0].permitted = on ? now[0].permitted | BIT(cap) : now[0].permitted & ~BIT(cap);
	errno = 0;
	cap_call(SYS_capset, 0, now);
	CHECK_EQ(errno, want);
}

static void anybody(void)
{
	struct __user_cap_header_struct old = {0x12345678, 0};

	look();
	CHECK_EQ(cap_call(SYS_capset, 0, now), 0);
	CHECK_EQ(cap_call(SYS_capget, getpid(), now), 0);
	CHECK_ERR(cap_call(SYS_capget, -1, now), EINVAL);
	CHECK_ERR(cap_call(SYS_capset, getppid(), now), EPERM);
	CHECK_ERR(cap_call(SYS_capget, 0, (void *)8), EFAULT);
	CHECK_ERR(cap_call(SYS_capset, 0, (void *)8), EFAULT);
	CHECK_ERR(syscall(SYS_capset, &old, now), EINVAL);
	CHECK_EQ(old.version, _LINUX_CAPABILITY_VERSION_3);
	memset(now, 0, sizeof(now));
	CHECK_EQ(cap_call(SYS_capset, 0, now), 0);
	/* Nothing comes back. */
	set_permitted(CAP_CHOWN, 1, EPERM);
	set_effective(CAP_CHOWN, 1, EPERM);
	CHECK_ERR(prctl(PR_CAPBSET_DROP, CAP_CHOWN), EPERM);
	CHECK_ERR(prctl(PR_CAPBSET_DROP, 63), EPERM);
	CHECK_ERR(prctl(PR_CAPBSET_READ, 63), EINVAL);
	look();
	CHECK(!now[0].effective && !now[0].permitted && !now[0].inheritable);
}

static void root_in_steps(void)
{
	char path[] = "/tmp/guest-test-caps.XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	/* Effective may come back as long as it is permitted. */
	set_effective(CAP_CHOWN, 0, 0);
	CHECK_ERR(fchown(fd, 7, 7), EPERM);
	set_effective(CAP_CHOWN, 1, 0);
	CHECK_EQ(fchown(fd, 7, 7), 0);
	set_effective(CAP_DAC_OVERRIDE, 0, 0);
	CHECK_ERR(open(path, O_WRONLY), EACCES);
	/* access(2) goes by what is permitted to the real user. */
	CHECK_EQ(access(path, W_OK), 0);
	set_effective(CAP_DAC_OVERRIDE, 1, 0);
	CHECK_EQ(close(open(path, O_WRONLY)), 0);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(close(fd), 0);
	set_effective(CAP_KILL, 0, 0);
	set_permitted(CAP_KILL, 0, 0);
	set_permitted(CAP_KILL, 1, EPERM);
	set_effective(CAP_KILL, 1, EPERM);
	say("root: given up in steps\n");
}

static void by_user_id(void)
{
	CHECK_EQ(setresuid(0, 1000, 0), 0);
	CHECK(!has(CAP_CHOWN) && now[0].permitted & BIT(CAP_CHOWN));
	CHECK_EQ(setresuid(0, 0, 0), 0);
	CHECK(has(CAP_CHOWN));
	setfsuid(1000);
	CHECK(!has(CAP_CHOWN) && has(CAP_SETUID));
	setfsuid(0);
	CHECK(has(CAP_CHOWN));
	CHECK_EQ(prctl(PR_SET_KEEPCAPS, 1), 0);
	CHECK_EQ(setresuid(1000, 1000, 1000), 0);
	CHECK(!has(CAP_CHOWN) && now[0].permitted & BIT(CAP_CHOWN));
	set_effective(CAP_SETUID, 1, 0);
	CHECK_EQ(setresuid(0, 0, 0), 0);
	CHECK_EQ(prctl(PR_SET_KEEPCAPS, 0), 0);
	CHECK_EQ(setresuid(1000, 1000, 1000), 0);
	CHECK(!has(CAP_CHOWN) && !now[0].permitted);
	say("root: with the user id\n");
}

static void in_child(void (*f)(void))
{
	pid_t pid = fork_ok();

	if (!pid) {
		f();
		_exit(0);
	}
	reap_ok(pid);
}

int main(void)
{
	in_child(anybody);
	if (getuid() == 0) {
		in_child(root_in_steps);
		in_child(by_user_id);
	}
	return 0;
}
