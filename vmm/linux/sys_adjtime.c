/*
 * adjtimex(2), clock_adjtime(2): the host's clock may be looked at, and is said to be what it is,
 * not synchronised as far as anybody here knows.
 */
#include "sys.h"
#include "syscalls.h"

#include <string.h>
#include <sys/timex.h>

static long do_adjtime(struct task *t, uint64_t addr, int clock)
{
	struct timex tx;
	int64_t now;

	if (copy_from_guest(task_mm(t), &tx, gva(addr), sizeof(tx)))
		return -EFAULT;
	/* ADJ_OFFSET_SS_READ reads, too, whatever its bits say. */
	if (tx.modes && tx.modes != ADJ_OFFSET_SS_READ)
		return -EPERM;
	memset(&tx, 0, sizeof(tx));
	now = kernel_clock(t->k, clock);
	tx.maxerror = tx.esterror = 16000000;
	tx.status = STA_UNSYNC;
	tx.constant = 2;
	tx.precision = 1;
	tx.tolerance = 32768000;
	tx.tick = 10000;
	tx.time.tv_sec = now / 1000000000;
	tx.time.tv_usec = now % 1000000000 / 1000;
	return copy_to_guest(task_mm(t), gva(addr), &tx, sizeof(tx)) ? -EFAULT : TIME_ERROR;
}

long sys_adjtimex(struct task *t, struct call *c)
{
	return do_adjtime(t, c->args[0], CLOCK_REALTIME);
}

long sys_clock_adjtime(struct task *t, struct call *c)
{
	int clock = (int)c->args[0];

	if (clock == CLOCK_REALTIME)
		return do_adjtime(t, c->args[1], clock);
	/* The others of the known clocks cannot be adjusted; 10 was SGI's, 3 a descriptor's. */
	if (clock > CLOCK_TAI || clock == 10 || (clock < 0 && (clock & 7) == 3))
		return -EINVAL;
	return -EOPNOTSUPP;
}
