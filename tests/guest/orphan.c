// Orphans go to the init of their tree (in vmbox PID 1 is this program; natively it makes
// itself a subreaper), which waits for them like for its own; a dead parent's SIGCHLD goes to
// the new one.
#include "check.h"
#include <sys/prctl.h>

int main(void)
{
	int go[2], report[2], status;
	pid_t middle, orphans[3], pid, seen;
	pid_t self = getpid();

	if (self != 1)
		CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	make_pipe(go);
	make_pipe(report);
	middle = fork_ok();
	if (middle == 0) {
		for (int i = 0; i < 3; i++) {
			pid = fork_ok();
			if (pid == 0) {
				wait_byte(go[0]);
				CHECK_EQ(getppid(), self);
				_exit(10 + i);
			}
			CHECK_EQ(write(report[1], &pid, sizeof(pid)), sizeof(pid));
		}
		_exit(1);
	}
	for (int i = 0; i < 3; i++)
		CHECK_EQ(read(report[0], &orphans[i], sizeof(pid)), sizeof(pid));
	say("middle: %s\n", status_text(reap(middle)));
	CHECK_EQ(waitpid(-1, &status, WNOHANG), 0);
	for (int i = 0; i < 3; i++)
		send_byte(go[1]);
	for (int i = 2; i >= 0; i--) {
		status = reap(orphans[i]);
		say("orphan %d: %s\n", i, status_text(status));
	}

	/* A zombie whose parent dies without waiting comes to us as a zombie. */
	middle = fork_ok();
	if (middle == 0) {
		pid = fork_ok();
		if (pid == 0)
			_exit(33);
		CHECK_EQ(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
		_exit(34);
	}
	reap(middle);
	seen = waitpid(-1, &status, 0);
	CHECK(seen > 0 && seen != middle);
	say("zombie: %s\n", status_text(status));
	CHECK_ERR(waitpid(-1, NULL, 0), ECHILD);
	return 0;
}
