// native: no
// expect-status: 0
// expect-stdout: all ended by 15
// kill(2): pid -1 sends to every process except init (PID 1) and, on Linux, the caller. Natively
// it would end the session of whoever runs the tests.
#include "check.h"

int main(void)
{
	int ready[2];
	pid_t pid[5];

	CHECK_EQ(getpid(), 1);
	CHECK_EQ(getppid(), 0);
	make_pipe(ready);
	for (int i = 0; i < 5; i++) {
		pid[i] = fork_ok();
		if (pid[i] == 0) {
			send_byte(ready[1]);
			for (;;)
				pause();
		}
	}
	for (int i = 0; i < 5; i++)
		wait_byte(ready[0]);
	CHECK_EQ(kill(-1, SIGTERM), 0);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(reap(pid[i]), SIGTERM);
	CHECK_ERR(kill(-1, SIGTERM), ESRCH);
	say("all ended by 15\n");
	return 0;
}
