// clone3: versions of its structure, the exit signal, a stack, and what is refused.
#include "check.h"
#include <sched.h>

struct args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
		set_tid_size, cgroup;
};

static long clone3(const void *args, size_t size)
{
	return syscall(SYS_clone3, args, size);
}

int main(void)
{
	struct args a = {.exit_signal = SIGCHLD};
	pid_t parent_word = 0, child_word = 0, pid;
	char bigger[sizeof(a) + 16] = {0};
	int fd[2];
	struct args *wide = (struct args *)(void *)bigger;

	make_pipe(fd);
	pid = (pid_t)clone3(&a, 64); /* the first version's size */
	if (pid == 0)
		_exit(11);
	CHECK(pid > 0);
	say("first version: %s\n", status_text(reap(pid)));

	a.flags = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID;
	a.parent_tid = (uintptr_t)&parent_word;
	a.child_tid = (uintptr_t)&child_word;
	pid = (pid_t)clone3(&a, sizeof(a));
	if (pid == 0) {
		CHECK_EQ(child_word, getpid());
		_exit(12);
	}
	CHECK(pid > 0);
	CHECK_EQ(parent_word, pid);
	CHECK_EQ(child_word, 0);
	say("settid: %s\n", status_text(reap(pid)));

	a = (struct args){.flags = CLONE_VFORK, .exit_signal = SIGCHLD};
	pid = (pid_t)clone3(&a, sizeof(a));
	if (pid == 0) {
		sleep_ms(20);
		send_byte(fd[1]);
		_exit(13);
	}
	CHECK_EQ(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	wait_byte(fd[0]); /* it is there: we stood still meanwhile */
	CHECK_EQ(reap(pid), 13 << 8);
	say("vfork ok\n");

	/* larger than known: fine while the rest is zero */
	wide->exit_signal = SIGCHLD;
	pid = (pid_t)clone3(bigger, sizeof(bigger));
	if (pid == 0)
		_exit(14);
	CHECK(pid > 0);
	say("larger: %s\n", status_text(reap(pid)));
	bigger[sizeof(bigger) - 1] = 1;
	CHECK_ERR(clone3(bigger, sizeof(bigger)), E2BIG);

	a = (struct args){.exit_signal = SIGCHLD};
	CHECK_ERR(clone3(&a, 63), EINVAL);
	CHECK_ERR(clone3(&a, 0), EINVAL);
	CHECK_ERR(clone3(&a, 5000), E2BIG);
	CHECK_ERR(clone3((void *)8, 64), EFAULT);
	a.exit_signal = 0x100;
	CHECK_ERR(clone3(&a, sizeof(a)), EINVAL);
	a.exit_signal = 65;
	CHECK_ERR(clone3(&a, sizeof(a)), EINVAL);
	a = (struct args){.flags = 1ull << 40, .exit_signal = SIGCHLD};
	CHECK_ERR(clone3(&a, sizeof(a)), EINVAL);
	a = (struct args){.flags = SIGCHLD};
	CHECK_ERR(clone3(&a, sizeof(a)), EINVAL);
	a = (struct args){.flags = CLONE_SIGHAND, .exit_signal = SIGCHLD};
	CHECK_ERR(clone3(&a, sizeof(a)), EINVAL);
	a = (struct args){.exit_signal = SIGCHLD, .stack = 4096};
	CHECK_ERR(clone3(&a, sizeof(a)), EINVAL);
	a = (struct args){.exit_signal = SIGCHLD, .stack_size = 4096};
	CHECK_ERR(clone3(&a, sizeof(a)), EINVAL);
	a = (struct args){.exit_signal = SIGCHLD, .flags = CLONE_THREAD};
	CHECK_ERR(clone3(&a, sizeof(a)), EINVAL);
	say("ok\n");
	return 0;
}
