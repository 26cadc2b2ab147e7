// variants: static
// cflags: -pthread
// sched_getattr, sched_setattr, ioprio_get, ioprio_set, kcmp, unshare of descriptors and the
// working directory, and the memory policies of a machine of one node.
#include "check.h"
#include <linux/kcmp.h>
#include <pthread.h>
#include <sched.h>

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max, more[20];
};

static void attrs(void)
{
	struct attr a;
	pid_t pid;

	memset(&a, 0xff, sizeof(a));
	CHECK_EQ(syscall(SYS_sched_getattr, 0, &a, 48, 0), 0);
	CHECK_EQ(a.size, 48);
	CHECK_EQ(a.policy, SCHED_OTHER);
	CHECK_EQ(a.nice, 0);
	CHECK_EQ(a.util_min, UINT32_MAX);
	CHECK_ERR(syscall(SYS_sched_getattr, 0, &a, 47, 0), EINVAL);
	CHECK_ERR(syscall(SYS_sched_getattr, 0, NULL, 48, 0), EINVAL);
	CHECK_ERR(syscall(SYS_sched_getattr, 0, (void *)8, 48, 0), EFAULT);
	CHECK_ERR(syscall(SYS_sched_getattr, 0, &a, 48, 1), EINVAL);
	CHECK_ERR(syscall(SYS_sched_getattr, -1, &a, 48, 0), EINVAL);
	CHECK_ERR(syscall(SYS_sched_getattr, 0x3ffffff, &a, 48, 0), ESRCH);
	memset(&a, 0, sizeof(a));
	pid = fork_ok();
	if (!pid) {
		a.size = 48;
		a.policy = SCHED_BATCH;
		a.nice = 5;
		CHECK_EQ(syscall(SYS_sched_setattr, 0, &a, 0), 0);
		CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
		CHECK_EQ(syscall(SYS_getpriority, 0, 0), 15);
		a.size = 20;
		CHECK_ERR(syscall(SYS_sched_setattr, 0, &a, 0), E2BIG);
		CHECK(a.size >= 48);
		a.size = sizeof(a);
		a.more[10] = 1;
		CHECK_ERR(syscall(SYS_sched_setattr, 0, &a, 0), E2BIG);
		a.more[10] = 0;
		a.size = 48;
		a.policy = 99;
		CHECK_ERR(syscall(SYS_sched_setattr, 0, &a, 0), EINVAL);
		a.policy = SCHED_OTHER;
		a.priority = 3;
		CHECK_ERR(syscall(SYS_sched_setattr, 0, &a, 0), EINVAL);
		CHECK_ERR(syscall(SYS_sched_setattr, 0, &a, 1), EINVAL);
		CHECK_ERR(syscall(SYS_sched_setattr, 0, NULL, 0), EINVAL);
		CHECK_ERR(syscall(SYS_sched_setattr, 0, (void *)8, 0), EFAULT);
		_exit(0);
	}
	reap_ok(pid);
	say("attrs\n");
}

static void ioprio(void)
{
	CHECK_EQ(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 3), 0);
	CHECK_EQ(syscall(SYS_ioprio_get, 1, 0), 2 << 13 | 3);
	CHECK_ERR(syscall(SYS_ioprio_set, 1, 0, 5 << 13), EINVAL);
	CHECK_ERR(syscall(SYS_ioprio_set, 1, 0, 3), EINVAL);
	CHECK_ERR(syscall(SYS_ioprio_set, 9, 0, 2 << 13), EINVAL);
	CHECK_ERR(syscall(SYS_ioprio_get, 9, 0), EINVAL);
	CHECK_ERR(syscall(SYS_ioprio_get, 1, 0x3ffffff), ESRCH);
	say("ioprio\n");
}

static long kcmp(pid_t a, pid_t b, int type, long x, long y)
{
	return syscall(SYS_kcmp, a, b, type, x, y);
}

static void compare(void)
{
	int p[2], d = dup(1), me = getpid();
	long r;
	pid_t pid;

	make_pipe(p);
	CHECK_EQ(kcmp(me, me, KCMP_FILE, 1, d), 0);
	r = kcmp(me, me, KCMP_FILE, p[0], p[1]);
	CHECK(r == 1 || r == 2);
	CHECK_EQ(kcmp(me, me, KCMP_FILE, p[1], p[0]), 3 - r);
	CHECK_ERR(kcmp(me, me, KCMP_FILE, 1, 99), EBADF);
	CHECK_ERR(kcmp(me, me, 77, 0, 0), EINVAL);
	CHECK_ERR(kcmp(me, 0x3ffffff, KCMP_VM, 0, 0), ESRCH);
	pid = fork_ok();
	if (!pid) {
		pause();
		_exit(0);
	}
	CHECK_EQ(kcmp(me, pid, KCMP_FILE, 1, d), 0);
	CHECK(kcmp(me, pid, KCMP_VM, 0, 0) > 0);
	CHECK(kcmp(me, pid, KCMP_FILES, 0, 0) > 0);
	CHECK_EQ(kcmp(pid, pid, KCMP_FS, 0, 0), 0);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	reap(pid);
	say("compare\n");
}

static void *apart(void *arg)
{
	int fd = *(int *)arg;

	CHECK_EQ(unshare(CLONE_FILES | CLONE_FS), 0);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(chdir("/"), 0);
	return NULL;
}

static void unshared(void)
{
	int fd = dup(1);
	char a[4096], b[4096];
	pthread_t t;

	CHECK_EQ(chdir("/tmp"), 0);
	CHECK(getcwd(a, sizeof(a)) != NULL);
	CHECK_EQ(pthread_create(&t, NULL, apart, &fd), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK(fcntl(fd, F_GETFD) >= 0);
	CHECK(getcwd(b, sizeof(b)) != NULL);
	CHECK_EQ(strcmp(a, b), 0);
	CHECK_EQ(unshare(0), 0);
	CHECK_EQ(unshare(CLONE_FILES), 0);
	CHECK_ERR(unshare(0x1), EINVAL);
	say("unshared\n");
}

static void policies(void)
{
	unsigned long mask = 7;
	int policy = 9;
	char *p = (char *)map_pages(4096, PROT_READ | PROT_WRITE);

	CHECK_EQ(syscall(SYS_get_mempolicy, &policy, NULL, 0, NULL, 0), 0);
	CHECK_EQ(policy, 0);
	CHECK_ERR(syscall(SYS_get_mempolicy, &policy, NULL, 0, p, 0), EINVAL);
	CHECK_ERR(syscall(SYS_get_mempolicy, &policy, NULL, 0, NULL, 64), EINVAL);
	CHECK_ERR(syscall(SYS_get_mempolicy, (void *)8, NULL, 0, NULL, 0), EFAULT);
	CHECK_EQ(syscall(SYS_set_mempolicy, 0, NULL, 0), 0);
	CHECK_ERR(syscall(SYS_set_mempolicy, 99, NULL, 0), EINVAL);
	mask = 1;
	CHECK_EQ(syscall(SYS_mbind, p, 4096, 2, &mask, 64, 0), 0);
	CHECK_ERR(syscall(SYS_mbind, p + 1, 4096, 2, &mask, 64, 0), EINVAL);
	CHECK_ERR(syscall(SYS_mbind, p, 4096, 2, (void *)8, 64, 0), EFAULT);
	say("policies\n");
}

int main(void)
{
	attrs();
	ioprio();
	compare();
	unshared();
	policies();
	return 0;
}
