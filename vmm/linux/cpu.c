/* FP state that a vCPU may hold: asking the machine for it. */
#include "task.h"

void task_fpu_sync(struct task *t)
{
	const struct kernel *k = t->k;

	if (k->ops && k->ops->fpu_save)
		k->ops->fpu_save(k->machine, &t->cpu);
}

void task_fpu_forget(struct task *t)
{
	const struct kernel *k = t->k;

	if (k->ops && k->ops->fpu_forget)
		k->ops->fpu_forget(k->machine, &t->cpu);
}
