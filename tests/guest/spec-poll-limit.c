// native: no
// vmbox-options: --mem 64M
// expect-status: 0
// expect-stdout: refused, then as before
// poll(2): "ENOMEM Unable to allocate memory for kernel data structures." What blocked calls keep
// is the VMM's memory, of which the guest gets no more than a share of its own.
#include "check.h"

#include <poll.h>
#include <sys/resource.h>

#define ENTRIES 65536 /* in all, for so small a guest */

int main(void)
{
	struct rlimit rl;
	struct pollfd *p;
	int fd[2], status;
	unsigned n, children = 0;
	pid_t pid;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &rl), 0);
	n = rl.rlim_cur < ENTRIES / 2 ? (unsigned)rl.rlim_cur : ENTRIES / 2;
	CHECK(n > 0);
	make_pipe(fd);
	p = calloc(n, sizeof(*p));
	CHECK(p);
	for (unsigned i = 0; i < n; i++)
		p[i] = (struct pollfd){.fd = fd[0], .events = POLLIN};
	for (; children <= ENTRIES / n; children++) {
		pid = fork_ok();
		if (pid == 0) {
			CHECK_ERR(poll(p, n, -1), ENOMEM);
			_exit(0);
		}
	}
	/* They do not all fit: one comes back. */
	pid = waitpid(-1, &status, 0);
	CHECK(pid > 0);
	CHECK_EQ(status, 0);
	CHECK_EQ(kill(-1, SIGKILL), 0);
	while (waitpid(-1, NULL, 0) > 0)
		;
	CHECK_EQ(poll(p, n, 0), 0);
	say("refused, then as before\n");
	return 0;
}
