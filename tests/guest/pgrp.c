// Process groups and sessions: who may move whom, when, and where a child starts.
#include "check.h"

static void leader(void *arg)
{
	pid_t old = *(pid_t *)arg, pid;

	CHECK_EQ(getpgrp(), old);
	CHECK_EQ(getsid(0), getsid(getppid()));
	CHECK_EQ(setpgid(0, 0), 0);
	CHECK_EQ(getpgrp(), getpid());
	CHECK_EQ(setpgid(0, 0), 0);
	CHECK_ERR(setsid(), EPERM);
	CHECK_EQ(setpgid(0, old), 0);
	CHECK_EQ(getpgrp(), old);
	CHECK_EQ(setsid(), getpid());
	CHECK_EQ(getpgrp(), getpid());
	CHECK_EQ(getsid(0), getpid());
	CHECK_ERR(setsid(), EPERM);
	CHECK_ERR(setpgid(0, 0), EPERM);
	CHECK_ERR(setpgid(0, old), EPERM);
	/* Another session's process may be looked at, not moved. */
	CHECK_EQ(getpgid(getppid()), old);
	CHECK_ERR(setpgid(getppid(), 0), ESRCH);
	pid = fork_ok();
	if (pid == 0) {
		CHECK_EQ(getsid(0), getppid());
		CHECK_EQ(getpgrp(), getppid());
		_exit(0);
	}
	reap_ok(pid);
}

int main(int argc, char **argv)
{
	pid_t pid, group = getpgrp();
	int go[2], ready[2];

	if (argc > 1) {
		send_byte(atoi(argv[1]));
		wait_byte(atoi(argv[2]));
		return 0;
	}
	(void)argv;
	CHECK_EQ(run_child(leader, &group), 0);
	CHECK_EQ(getpgid(0), group);
	CHECK_EQ(getpgid(getpid()), group);
	CHECK_ERR(getpgid(1 << 29), ESRCH);
	CHECK_ERR(getpgid(-1), ESRCH);
	CHECK_ERR(getsid(1 << 29), ESRCH);
	CHECK_ERR(setpgid(1 << 29, 0), ESRCH);
	CHECK_ERR(setpgid(0, -1), EINVAL);
	CHECK_ERR(setpgid(-1, 0), EINVAL);

	/* A child may be moved until it execs. */
	make_pipe(go);
	make_pipe(ready);
	pid = fork_ok();
	if (pid == 0) {
		char a[16], b[16];

		wait_byte(go[0]);
		CHECK_EQ(getpgrp(), getpid());
		snprintf(a, sizeof(a), "%d", ready[1]);
		snprintf(b, sizeof(b), "%d", go[0]);
		execl("/proc/self/exe", "x", a, b, (char *)NULL);
		_exit(1);
	}
	CHECK_ERR(setpgid(pid, 1 << 29), EPERM);
	CHECK_EQ(setpgid(pid, pid), 0);
	CHECK_EQ(getpgid(pid), pid);
	send_byte(go[1]);
	wait_byte(ready[0]);
	CHECK_ERR(setpgid(pid, group), EACCES);
	send_byte(go[1]);
	reap_ok(pid);
	CHECK_ERR(getpgid(pid), ESRCH);

	/* A group lives as long as any member: the leader may be gone. */
	pid = fork_ok();
	if (pid == 0) {
		pid_t member;

		setpgid(0, 0);
		member = fork_ok();
		if (member == 0) {
			wait_byte(go[0]);
			_exit(0);
		}
		CHECK_EQ(write(ready[1], &member, sizeof(member)), sizeof(member));
		_exit(0);
	}
	pid_t member;

	CHECK_EQ(read(ready[0], &member, sizeof(member)), sizeof(member));
	reap_ok(pid);
	CHECK_EQ(getpgid(member), pid);
	CHECK_EQ(kill(-pid, 0), 0);
	CHECK_EQ(kill(-pid, SIGKILL), 0);
	say("ok\n");
	return 0;
}
