// native: no
// vmbox-options: --mem 64M
// timeout: 60
// expect-stdout: out of memory was told, and everything works again
// Forks until there is no memory: each child dirties memory of its own. The end is an errno from
// fork (EAGAIN or ENOMEM), or children killed for want of memory; when they are gone the
// parent is as before, and memory too. Twice, so that a leak would show.
#include "check.h"

#define PAGE    4096
#define PRIVATE 256

static unsigned char *mem;

static int flood(void)
{
	static pid_t pid[10000];
	int n, go[2], ready[2], errors = 0;

	make_pipe(go);
	make_pipe(ready);
	for (n = 0; n < 10000; n++) {
		char c;

		pid[n] = fork();
		if (pid[n] < 0) {
			CHECK(errno == EAGAIN || errno == ENOMEM);
			errors++;
			break;
		}
		if (pid[n] == 0) {
			close(go[1]);
			close(ready[0]);
			for (int i = 0; i < PRIVATE; i++)
				mem[i * PAGE] = (unsigned char)n;
			(void)!write(ready[1], "r", 1);
			close(ready[1]);
			CHECK_EQ(read(go[0], &c, 1), 0);
			for (int i = 0; i < PRIVATE; i++)
				CHECK_EQ(mem[i * PAGE], (unsigned char)n);
			_exit(0);
		}
		/* Either it is ready, or it is dead. */
		CHECK_EQ(fcntl(ready[0], F_SETFL, O_NONBLOCK), 0);
		while (read(ready[0], &c, 1) != 1) {
			siginfo_t si = {0};

			CHECK_EQ(waitid(P_PID, (id_t)pid[n], &si, WEXITED | WNOWAIT | WNOHANG), 0);
			if (si.si_pid) {
				CHECK(si.si_code == CLD_KILLED && si.si_status == SIGKILL);
				errors++;
				break;
			}
			sleep_ms(1);
		}
		if (errors)
			break;
	}
	CHECK(errors > 0);
	close(go[1]);
	close(go[0]);
	close(ready[0]);
	close(ready[1]);
	for (int i = 0; i <= n; i++)
		if (i < 10000 && pid[i] > 0) {
			int status = reap(pid[i]);

			CHECK(status == 0 || status == SIGKILL);
		}
	CHECK_ERR(wait(NULL), ECHILD);
	return n;
}

int main(void)
{
	int first, second;

	mem = map_pages(PRIVATE * PAGE, PROT_READ | PROT_WRITE);
	memset(mem, 200, PRIVATE * PAGE);
	first = flood();
	for (int i = 0; i < PRIVATE; i++)
		CHECK_EQ(mem[i * PAGE], 200);
	second = flood();
	CHECK(first >= 10 && first < 64);
	CHECK(second >= first - first / 4);
	say("out of memory was told, and everything works again\n");
	return 0;
}
