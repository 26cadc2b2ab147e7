// variants: static
// What nobody but an administrator may do, and reading the clock's state, which everybody may.
#include "check.h"
#include <sys/timex.h>

int main(void)
{
	struct timex tx = {.modes = 0};

	CHECK(syscall(SYS_adjtimex, &tx) >= 0);
	CHECK_EQ(tx.tick, 10000);
	CHECK(tx.time.tv_sec > 1000000000);
	tx.modes = 0;
	CHECK(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &tx) >= 0);
	CHECK_ERR(syscall(SYS_clock_adjtime, CLOCK_REALTIME, (void *)8), EFAULT);
	CHECK_ERR(syscall(SYS_clock_adjtime, 99, &tx), EINVAL);
	CHECK_ERR(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &tx), EOPNOTSUPP);
	CHECK_ERR(syscall(SYS_setns, 99, 0), EBADF);
	if (getuid() == 0) {
		/* whatever root may here */
		CHECK_EQ(syscall(SYS_setresgid, 1000, 1000, 1000), 0);
		CHECK_EQ(syscall(SYS_setresuid, 1000, 1000, 1000), 0);
	}
	tx.modes = ADJ_TICK;
	CHECK_ERR(syscall(SYS_adjtimex, &tx), EPERM);
	CHECK_ERR(syscall(SYS_settimeofday, &(struct timeval){1, 0}, NULL), EPERM);
	say("ok\n");
	return 0;
}
