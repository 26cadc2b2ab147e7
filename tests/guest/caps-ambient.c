// Ambient capabilities, securebits, PR_SET_KEEPCAPS and the bounding set: what each call and each
// execve makes of the sets, as prctl, capget and /proc/self/status tell them alike.
#include "err.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>

#define BIT(cap) (1ULL << (cap))
#define SOME     (BIT(CAP_CHOWN) | BIT(CAP_KILL) | BIT(CAP_SETPCAP))
#define UID      1000

static struct __user_cap_data_struct now[2];

static void cap_call(long nr)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};

	CHECK_EQ(syscall(nr, &h, now), 0);
}

static unsigned long long in_status(const char *name)
{
	static char text[8192];
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n;
	char *p;

	CHECK(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	CHECK(n > 0);
	text[n] = 0;
	close(fd);
	p = strstr(text, name);
	CHECK(p != NULL);
	return strtoull(p + strlen(name), NULL, 16);
}

/* Those of SOME in each set, which all who tell them agree on. */
static void show(const char *what)
{
	unsigned long long perm = in_status("CapPrm:"), eff = in_status("CapEff:");
	unsigned long long inh = in_status("CapInh:"), amb = in_status("CapAmb:");
	unsigned long long bnd = in_status("CapBnd:");

	cap_call(SYS_capget);
	CHECK_EQ(now[0].permitted | (unsigned long long)now[1].permitted << 32, perm);
	CHECK_EQ(now[0].effective | (unsigned long long)now[1].effective << 32, eff);
	CHECK_EQ(now[0].inheritable | (unsigned long long)now[1].inheritable << 32, inh);
	for (int i = 0; i < 40; i++) {
		CHECK_EQ(prctl(PR_CAPBSET_READ, i, 0, 0, 0), bnd >> i & 1);
		CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0), amb >> i & 1);
	}
	say("%s: perm %llx eff %llx inh %llx amb %llx bnd %llx bits %x keep %d\n", what,
	    perm & SOME, eff & SOME, inh & SOME, amb & SOME, bnd & SOME,
	    prctl(PR_GET_SECUREBITS, 0, 0, 0, 0), prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
}

static int raise_ambient(int cap)
{
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
}

static void again(const char *what)
{
	char *args[] = {(char[]){"caps"}, (char *)(uintptr_t)what, NULL};

	execv("/proc/self/exe", args);
	CHECK(0);
}

static void to_user(void)
{
	CHECK_EQ(setresgid(UID, UID, UID), 0);
	CHECK_EQ(setresuid(UID, UID, UID), 0);
}

static void inherit(unsigned cap)
{
	cap_call(SYS_capget);
	now[0].inheritable |= 1U << cap;
	cap_call(SYS_capset);
}

static void anybody(void)
{
	show("anybody");
	TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0));
	TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 99, 0, 0));
	TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 1, 0));
	TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, 0, 0, 0));
	TRY(raise_ambient(CAP_CHOWN));
	TRY(prctl(PR_CAP_AMBIENT, 0, 0, 0, 0));
	TRY(prctl(PR_CAP_AMBIENT, 9, 0, 0, 0));
	TRY(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0));
	TRY(prctl(PR_SET_KEEPCAPS, 2, 0, 0, 0));
	TRY(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
	TRY(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
	TRY(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
	again("anybody after execve");
}

/* What is permitted and inheritable may become ambient, and goes with either. */
static void raised(void)
{
	TRY(raise_ambient(CAP_CHOWN));
	inherit(CAP_CHOWN);
	inherit(CAP_KILL);
	TRY(raise_ambient(CAP_CHOWN));
	TRY(raise_ambient(CAP_KILL));
	show("raised");
	TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_KILL, 0, 0));
	show("lowered");
	TRY(raise_ambient(CAP_KILL));
	cap_call(SYS_capget);
	now[0].inheritable &= ~(unsigned)BIT(CAP_KILL);
	cap_call(SYS_capset);
	show("not inheritable any more");
	to_user();
	show("the user's");
	again("after execve");
}

static void kept(void)
{
	CHECK_EQ(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), 0);
	to_user();
	show("kept");
	cap_call(SYS_capget);
	now[0].effective = now[0].permitted;
	now[0].inheritable = (unsigned)BIT(CAP_KILL);
	cap_call(SYS_capset);
	TRY(raise_ambient(CAP_KILL));
	show("kept and raised");
	again("an ambient one after execve");
}

/* What execve makes of an ambient set here differs between versions of Linux. */
static void mixed(void)
{
	inherit(CAP_KILL);
	CHECK_EQ(raise_ambient(CAP_KILL), 0);
	CHECK_EQ(setresuid(0, UID, UID), 0);
	show("real root");
}

static void no_root(void)
{
	TRY(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT, 0, 0, 0));
	inherit(CAP_KILL);
	CHECK_EQ(raise_ambient(CAP_KILL), 0);
	again("no root after execve");
}

static void no_fixup(void)
{
	TRY(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0));
	to_user();
	show("no fix-up");
	again("no fix-up after execve");
}

static void locks(void)
{
	TRY(prctl(PR_SET_SECUREBITS, 1UL << 20, 0, 0, 0));
	TRY(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_KEEP_CAPS_LOCKED, 0, 0, 0));
	TRY(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
	TRY(prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0));
	TRY(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS, 0, 0, 0));
	TRY(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED, 0, 0, 0));
	TRY(prctl(PR_SET_SECUREBITS,
		  SECBIT_KEEP_CAPS | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE, 0, 0,
		  0));
	inherit(CAP_KILL);
	TRY(raise_ambient(CAP_KILL));
	again("locks after execve");
}

static void bounded(void)
{
	TRY(prctl(PR_CAPBSET_DROP, CAP_KILL, 0, 0, 0));
	TRY(prctl(PR_CAPBSET_DROP, 99, 0, 0, 0));
	show("bounded");
	again("bounded after execve");
}

static void nothing_new(void)
{
	cap_call(SYS_capget);
	now[0].permitted &= ~(unsigned)BIT(CAP_KILL);
	now[0].effective &= ~(unsigned)BIT(CAP_KILL);
	cap_call(SYS_capset);
	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	again("no new privileges after execve");
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

static void user_first(void)
{
	if (getuid() == 0) {
		CHECK_EQ(setgroups(0, NULL), 0);
		to_user();
	}
	anybody();
}

int main(int argc, char **argv)
{
	uid_t r, e, s;

	if (argc > 1) {
		show(argv[1]);
		CHECK_EQ(getresuid(&r, &e, &s), 0);
		CHECK_EQ(e, s);
		return 0;
	}
	if (getuid() == 0) {
		in_child(raised);
		in_child(kept);
		in_child(mixed);
		in_child(no_root);
		in_child(no_fixup);
		in_child(locks);
		in_child(bounded);
		in_child(nothing_new);
	}
	/* Who started us may have limited us: that is not what is tested. */
	in_child(user_first);
	return 0;
}
