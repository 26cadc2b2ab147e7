/* The poller in the place of a vCPU's thread: see stand_in.h. */
#include "stand_in.h"
#include "exitless.h"
#include "vcpu.h"
#include "linux/task.h"

#define TURNS 8 /* tasks that it steps and that do not run after all; others wait for it, too */

static enum channel_outcome call(void *task, const struct channel_request *q, int64_t *result)
{
	static const enum channel_outcome outcome[] = {
		[TASK_DECLINED] = CHANNEL_DECLINED, [TASK_ANSWERED] = CHANNEL_ANSWERED,
		[TASK_LEAVES] = CHANNEL_DONE,       [TASK_WAITS] = CHANNEL_STARTED,
		[TASK_WHOLE] = CHANNEL_WHOLE,       [TASK_LONG] = CHANNEL_WHOLE,
	};
	long r = 0;
	enum task_answer a = task_call(task, q->nr, q->args, q->pc, &r);

	if (a == TASK_LONG && !exitless_calm(vcpu_served->exitless))
		a = TASK_DECLINED;

	*result = r;
	return outcome[a];
}

/*
 * A task that is its process's only one is followed by another process or by nobody. If the vCPU
 * had to leave for another, whoever wakes that one needs a processor, beside the poller's and the
 * one that would wait in the guest.
 */
static bool stays(struct vcpu *v, void *task)
{
	struct task *t = task;

	return vcpu_arch_changes_mm(v) || process_has_threads(t->p);
}

/* The task of v has left the guest in all but fact. False: it cannot. */
static bool take_out(struct vcpu *v, struct task *t, enum channel_outcome before, int64_t result)
{
	struct trap trap = {.kind = TRAP_SYSCALL, .gen = v->tlb_gen};

	if (!vcpu_take_frame(v, &t->cpu))
		return false;
	if (before == CHANNEL_DONE)
		arch_syscall_result(&t->cpu.regs, result);
	else if (before == CHANNEL_WHOLE)
		task_trap(t, &trap);
	return true;
}

/* What v goes on with: t (NULL: nobody), or the next that is runnable. */
static enum channel_outcome go_on(struct vcpu *v, struct task *t)
{
	struct sched *s = v->exitless->sched;
	struct sched_task *st;

	for (int i = 0; i < TURNS; i++) {
		v->task = t;
		if (!t) {
			st = sched_poll(s, v->index);
			if (!st)
				return exitless_may_wait(v->exitless, v) ? CHANNEL_GONE
									 : CHANNEL_TAKEN;
			t = container_of(st, struct task, st);
			/* Another root may not be to be had without leaving. Nor shall another
			 * process wait until this one's program does what it is told. */
			if (task_mm(t) != v->mm && !vcpu_arch_changes_mm(v)) {
				sched_put_back(st);
				return CHANNEL_TAKEN;
			}
			v->task = t;
		}
		switch (task_step_in_guest(t)) {
		case TASK_GONE:
			t = NULL;
			continue;
		case TASK_MUST_LEAVE:
			return CHANNEL_TAKEN;
		case TASK_RUN:
			break;
		}
		if (!sched_need_resched(s, v->index))
			return vcpu_put_frame(v, &t->cpu, task_mm(t)) ? CHANNEL_FRAME
								      : CHANNEL_TAKEN;
		task_yield(t);
		t = NULL;
	}
	v->task = NULL;
	return CHANNEL_TAKEN;
}

static enum channel_outcome stand_in(struct vcpu *v, enum channel_outcome before, int64_t result,
				     void **task)
{
	enum channel_outcome outcome;

	if (*task && !take_out(v, *task, before, result))
		return before;
	/* From here on no task need keep it. */
	vcpu_hold_mm(v);
	outcome = go_on(v, *task);
	if (outcome == CHANNEL_FRAME)
		vcpu_release_mm(v);
	else
		vcpu_put_nobody(v);
	exitless_lend(v->exitless, v, outcome != CHANNEL_FRAME);
	*task = v->task;
	return outcome;
}

static enum channel_outcome fault(struct vcpu *v, void *task)
{
	struct task *t = task;
	struct trap trap;
	uint64_t pc, sp;

	if (!vcpu_arch_take_fault(v, &trap, &pc, &sp))
		return CHANNEL_NONE;
	/* A kick may have found it when KVM had the fault to deliver (vcpu_arch_again). And it may
	 * be who was in the guest before, and does not wait as it should. */
	if (atomic_load(&v->kicked) || !t || pc >= ABI_USER_END || task_mm(t) != v->mm ||
	    !task_fault(t, &trap, pc, sp))
		return CHANNEL_TAKEN;
	return vcpu_arch_resolve_fault(v) ? CHANNEL_FRAME : CHANNEL_TAKEN;
}

const struct channel_ops stand_in_ops = {
	.call = call, .stays = stays, .stand_in = stand_in, .fault = fault};
