// prctl and its neighbours: the name, the death signal, no-new-privileges, dumpable, personality,
// locked memory, thread-area calls of the architecture.
#include "check.h"
#include <sys/personality.h>
#include <sys/prctl.h>

int main(void)
{
	char name[17] = {0};
	int value = -1, go[2];
	pid_t pid;
	void *page = map_pages(4096, PROT_READ | PROT_WRITE);

	CHECK_EQ(prctl(PR_SET_NAME, "a name that is too long"), 0);
	CHECK_EQ(prctl(PR_GET_NAME, name), 0);
	say("name '%s'\n", name);
	CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGUSR1), 0);
	CHECK_EQ(prctl(PR_GET_PDEATHSIG, &value), 0);
	CHECK_EQ(value, SIGUSR1);
	CHECK_EQ(prctl(PR_SET_PDEATHSIG, 0), 0);
	CHECK_ERR(prctl(PR_SET_PDEATHSIG, 99), EINVAL);
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
	CHECK_EQ(prctl(PR_SET_DUMPABLE, 0), 0);
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
	CHECK_ERR(prctl(PR_SET_DUMPABLE, 7), EINVAL);
	CHECK_ERR(prctl(99999), EINVAL);

	/* the death signal comes when the parent goes */
	make_pipe(go);
	pid = fork_ok();
	if (pid == 0) {
		int ready[2];

		make_pipe(ready);
		if (fork_ok() == 0) {
			close(go[0]);
			CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGTERM), 0);
			send_byte(ready[1]);
			for (;;)
				pause(); /* the pipe's last writer: EOF tells its death */
		}
		wait_byte(ready[0]);
		_exit(0);
	}
	close(go[1]);
	reap_ok(pid);
	CHECK_EQ(read(go[0], name, 1), 0);
	say("death signal ok\n");

	CHECK_EQ(personality(0xffffffff), PER_LINUX);
	CHECK_EQ(mlock(page, 4096), 0);
	CHECK_EQ(munlock(page, 4096), 0);
	CHECK_ERR(mlock((void *)4096, 4096), ENOMEM);
	CHECK_EQ(munlockall(), 0);
	CHECK_EQ(syscall(SYS_gettid), getpid());
	CHECK_EQ(syscall(SYS_set_tid_address, &value), getpid());
#if defined(__x86_64__)
	unsigned long fs = 0, gs = 0, other;

	CHECK_EQ(syscall(SYS_arch_prctl, 0x1003, &fs), 0);
	CHECK(fs != 0);
	CHECK_EQ(syscall(SYS_arch_prctl, 0x1001, &other), 0);
	CHECK_EQ(syscall(SYS_arch_prctl, 0x1004, &gs), 0);
	CHECK(gs == (unsigned long)&other);
	CHECK_EQ(syscall(SYS_getpid), getpid());
	pid = fork_ok();
	if (pid == 0) {
		unsigned long got = 0;

		/* inherited, and usable */
		other = 0x1234567890abcdef;
		__asm__ volatile("mov %%gs:0, %0" : "=r"(got));
		CHECK(got == other);
		_exit(0);
	}
	reap_ok(pid);
	CHECK_ERR(syscall(SYS_arch_prctl, 0x1001, 1ul << 63), EPERM);
	CHECK_ERR(syscall(SYS_arch_prctl, 0x1002, 0xffff800000000000), EPERM);
	CHECK_ERR(syscall(SYS_arch_prctl, 0x7777, 0), EINVAL);
	CHECK_ERR(syscall(SYS_arch_prctl, 0x1003, 8), EFAULT);
#endif
	say("ok\n");
	return 0;
}
