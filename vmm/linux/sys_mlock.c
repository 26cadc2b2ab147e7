/*
 * mlock(2), mlock2, munlock, mlockall, munlockall: Linux's checks in Linux's order (mm/mlock.c of
 * 6.12).
 *
 * Guest memory is never swapped out: to lock means that the pages are there, stay, and are counted.
 */
#include "sys.h"
#include "syscalls.h"

#include <linux/capability.h>
#include <sys/mman.h>

#define MLOCK_ONFAULT_K 1
#define MCL_ALL         (MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)

uint64_t task_lock_limit(struct task *t)
{
	return task_capable(t, CAP_IPC_LOCK) ? UINT64_MAX : t->p->rlim[RLIMIT_MEMLOCK].rlim_cur;
}

static long do_mlock(struct task *t, const struct call *c, unsigned how)
{
	uint64_t limit = task_lock_limit(t), start = page_down(c->args[0]);

	if (limit == 0)
		return -EPERM;
	return mm_mlock(task_mm(t), start, page_up(c->args[1] + (c->args[0] - start)), how, limit);
}

long sys_mlock(struct task *t, struct call *c)
{
	return do_mlock(t, c, VMA_LOCKED);
}

long sys_mlock2(struct task *t, struct call *c)
{
	if (c->args[2] & ~(uint64_t)MLOCK_ONFAULT_K)
		return -EINVAL;
	return do_mlock(t, c, VMA_LOCKED | (c->args[2] ? VMA_ONFAULT : 0));
}

long sys_munlock(struct task *t, struct call *c)
{
	uint64_t start = page_down(c->args[0]);

	return mm_mlock(task_mm(t), start, page_up(c->args[1] + (c->args[0] - start)), 0,
			task_lock_limit(t));
}

long sys_mlockall(struct task *t, struct call *c)
{
	int flags = (int)c->args[0];
	uint64_t limit = task_lock_limit(t);
	unsigned how = VMA_LOCKED | (flags & MCL_ONFAULT ? VMA_ONFAULT : 0);

	if (!flags || (flags & ~MCL_ALL) || flags == MCL_ONFAULT)
		return -EINVAL;
	if (limit == 0)
		return -EPERM;
	return mm_mlockall(task_mm(t), flags & MCL_CURRENT, flags & MCL_CURRENT ? how : 0,
			   flags & MCL_FUTURE ? how : 0, limit);
}

long sys_munlockall(struct task *t, struct call *c)
{
	(void)c;
	return mm_mlockall(task_mm(t), true, 0, 0, task_lock_limit(t));
}
