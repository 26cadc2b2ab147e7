/*
 * membarrier(2): a memory barrier in the threads that run now, for those who have none in their
 * fast paths.
 *
 * A vCPU that is kicked out of the guest passes a full barrier in the host; so does one that leaves
 * or enters for any other reason. GLOBAL and the expedited commands differ only in who is kicked,
 * and in that the latter want to be registered.
 *
 * The one for restartable sequences has tasks that are in one start it again: those that do not run
 * have lost their vCPU, and do so anyway.
 *
 * Registered commands are the process's (p->membarrier): fork copies them, exec forgets them.
 */
#include "syscalls.h"
#include "task.h"

#include <linux/membarrier.h>

#define EXPEDITED                                                                                  \
	(MEMBARRIER_CMD_GLOBAL_EXPEDITED | MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED |              \
	 MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
/* Not in every libc's headers: Linux 6.3. */
#define CMD_GET_REGISTRATIONS (1 << 9)
#define RSEQ                                                                                       \
	(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ)
#define COMMANDS (MEMBARRIER_CMD_GLOBAL | EXPEDITED | RSEQ | CMD_GET_REGISTRATIONS)

static void barrier(struct task *t, struct mm *mm)
{
	const struct kernel *k = t->k;

	atomic_thread_fence(memory_order_seq_cst);
	if (k->ops && k->ops->barrier)
		k->ops->barrier(k->machine, mm);
}

/* Who has registered for sections counts as registered for the plain command as well, which he may
 * not use all the same. */
static unsigned registrations(unsigned commands)
{
	if (commands & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ)
		commands |= MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
	return commands;
}

long sys_membarrier(struct task *t, struct call *c)
{
	int cmd = (int)c->args[0];
	unsigned flags = (unsigned)c->args[1];
	struct process *p = t->p;

	if (flags &&
	    (cmd != MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ || flags != MEMBARRIER_CMD_FLAG_CPU))
		return -EINVAL;
	switch (cmd) {
	case MEMBARRIER_CMD_QUERY:
		return COMMANDS;
	case MEMBARRIER_CMD_GLOBAL:
	case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
		barrier(t, NULL);
		return 0;
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
		if (!(atomic_load(&p->membarrier) & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
			return -EPERM;
		barrier(t, p->mm);
		return 0;
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ:
		if (!(atomic_load(&p->membarrier) & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ))
			return -EPERM;
		/* Of one CPU (FLAG_CPU) or of all: to start again too often does no harm. All
		 * vCPUs, for one that is in the guest with another mm may be given ours there. */
		rseq_restart_all(t);
		barrier(t, NULL);
		return 0;
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ:
	case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
		atomic_fetch_or(&p->membarrier, (unsigned)cmd);
		return 0;
	case CMD_GET_REGISTRATIONS:
		return registrations(atomic_load(&p->membarrier));
	}
	return -EINVAL;
}
