/*
 * One step of a task: everything that happens between two stays in the guest.
 *
 * task_trap() only notes why the task left the guest; task_step() then works until the task can run
 * in the guest again, blocks, yields or dies. Whoever owns the task may call it: a vCPU thread, or
 * a test.
 */
#include "../core/async.h"
#include "away.h"
#include "process.h"
#include "rewrite.h"
#include "syscalls.h"
#include "writeback.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* So often the same fault may come back although it was resolved, before we call it a fault of its
 * own. */
#define FAULT_LOOP_MAX 1000

static bool is_restart(long r)
{
	return r == -ERESTARTSYS || r == -ERESTARTNOINTR || r == -ERESTARTNOHAND ||
	       r == -ERESTART_RESTARTBLOCK;
}

enum step { STEP_ON, STEP_AGAIN, STEP_GONE, STEP_OUT };

/* The task would block: STEP_GONE if it did and belongs to nobody now. */
static enum step block(struct task *t)
{
	task_count_faults(t);
	rseq_leave(t);
	return sched_block(&t->st) ? STEP_GONE : STEP_AGAIN;
}

void task_yield(struct task *t)
{
	rseq_leave(t);
	sched_yield_task(&t->st);
}

static void force_fault(struct task *t, int sig, int code, uint64_t addr)
{
	struct siginfo_k info = {.si_signo = sig, .si_code = code};

	info.u.fault.addr = addr;
	signal_force(t, sig, &info);
}

/* ---- traps ---- */

/* t->call's number and arguments are known. */
static void begin_call(struct task *t)
{
	t->call.rerun = false;
	t->trap_nr = t->call.nr;
	t->in_call = true;
	t->fault_loop.count = 0;
}

void task_trap(struct task *t, const struct trap *from)
{
	struct trap copy = *from, *trap = &copy;

	t->rseq.open = trap->kind != TRAP_SYSCALL;
	if (t->rseq.open)
		rewrite_trap(t, trap);
	switch (trap->kind) {
	case TRAP_KICK:
		return;
	case TRAP_SYSCALL:
		/* A program that writes to its channel can go on while its call does: to its own
		 * harm. */
		if (t->in_call)
			return;
		arch_syscall_fetch(&t->cpu.regs, &t->call.nr, t->call.args);
		begin_call(t);
		rewrite_note(t);
		return;
	default:
		t->trap = *trap;
		t->trap_pending = true;
	}
}

/*
 * The same instruction touches the same address and each time we say it is mapped, and nobody has
 * taken anything away meanwhile: no program can get on, and a vCPU would spin here for ever.
 */
static bool fault_loops(struct task *t, uint64_t addr, uint64_t pc, uint64_t sp)
{
	uint64_t gen = mm_tlb_gen(task_mm(t));

	if (t->fault_loop.pc != pc || t->fault_loop.addr != addr || t->fault_loop.sp != sp ||
	    t->fault_loop.gen != gen) {
		t->fault_loop.gen = gen;
		t->fault_loop.pc = pc;
		t->fault_loop.addr = addr;
		t->fault_loop.sp = sp;
		t->fault_loop.count = 0;
	}
	return ++t->fault_loop.count > FAULT_LOOP_MAX;
}

static void out_of_memory(struct task *t)
{
	char line[96];
	int n = snprintf(line, sizeof(line), "vmbox: out of memory: killed process %u (%.15s)\n",
			 t->p->pid, t->comm);

	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0) {
		/* nobody to tell */
	}
	process_kill(t->p, SIGKILL);
}

/* False: the page has to be read first, and the task is queued for it. */
static bool page_fault(struct task *t)
{
	uint64_t addr = t->trap.addr;
	int r = fault_resolve(t);

	switch (r) {
	case -EBLOCKED:
		return false;
	case -EINTR: /* it must die */
		break;
	case 0:
		if (fault_loops(t, addr, arch_pc(&t->cpu.regs), arch_sp(&t->cpu.regs)))
			force_fault(t, SIGSEGV, SI_KERNEL, 0);
		break;
	case -ENOMEM:
		out_of_memory(t);
		break;
	case -EACCES:
		force_fault(t, SIGSEGV, SEGV_ACCERR, addr);
		break;
	case -ENXIO:
		force_fault(t, SIGBUS, BUS_ADRERR, addr);
		break;
	default:
		force_fault(t, SIGSEGV, SEGV_MAPERR, addr);
	}
	return true;
}

static void exception(struct task *t)
{
	struct siginfo_k info;
	int sig;

	memset(&info, 0, sizeof(info));
	sig = arch_trap_signal(t, &info);
	if (!sig)
		return;
	info.si_signo = sig;
	signal_force(t, sig, &info);
}

static enum step handle_trap(struct task *t)
{
	if (t->trap.kind == TRAP_PAGE_FAULT && !page_fault(t))
		return block(t);
	t->trap_pending = false;
	switch (t->trap.kind) {
	case TRAP_PAGE_FAULT:
		break;
	case TRAP_EXCEPTION:
		exception(t);
		break;
	case TRAP_BUS:
		force_fault(t, SIGBUS, BUS_ADRERR, t->trap.addr);
		break;
	case TRAP_CRASH:
		/* The registers may be beyond repair: no handler. */
		process_kill(t->p, SIGSEGV);
		break;
	case TRAP_BAD_IO:
	default:
		force_fault(t, SIGSEGV, SI_KERNEL, 0);
	}
	return STEP_ON;
}

/* ---- the step ---- */

/* A worker has t's call, which did not end yet: -EBLOCKED; -EINTR: it never will. */
static long wait_away(struct task *t)
{
	if (!signal_pending(t) || !signal_dooms(t))
		return -EBLOCKED;
	if (call_take_back(&t->call))
		return -EINTR;
	task_stuck(t);
	return -EBLOCKED;
}

static long run_handler(struct task *t)
{
	long r;

	if (t->call.away) {
		sched_prepare_on(&t->st);
		if (call_is_away(&t->call))
			return wait_away(t);
	}
	sched_prepare(&t->st);
	t->call.interrupted = signal_still_pending(t);
	t->call.killed = t->call.interrupted && t->call.job && signal_doomed(t);
	r = syscall_dispatch(t, &t->call);
	/* What it has done to files is told before anybody sees that it is done. */
	async_flush();
	return r;
}

static enum step run_call(struct task *t)
{
	bool keep_regs;
	long r;

	if (t->call_waits) {
		/* task_call has run the handler. */
		t->call_waits = false;
		return block(t);
	}
	r = run_handler(t);
	if (r == -EBLOCKED)
		return block(t);
	call_finish(t, &t->call);
	async_flush();
	t->in_call = false;
	keep_regs = t->keep_regs;
	t->keep_regs = false;
	if (keep_regs || t->dead) {
		/* Back to where a signal came, wherever that was. */
		t->rseq.open = true;
		return STEP_ON;
	}
	if (is_restart(r)) {
		t->restart = true;
		t->result = r;
	} else {
		arch_syscall_result(&t->cpu.regs, r);
	}
	if (t->yield) {
		t->yield = false;
		task_count_faults(t);
		task_yield(t);
		return STEP_GONE;
	}
	return STEP_ON;
}

static enum step stay_stopped(struct task *t)
{
	sched_prepare(&t->st);
	if (signal_still_stopped(t))
		return block(t);
	return STEP_ON;
}

/* in_guest: it may end there if that does not take long. */
static enum step deliver(struct task *t, bool in_guest)
{
	switch (signal_deliver(t, t->restart, t->result)) {
	case SIGNAL_DEAD:
		if (in_guest && !exit_is_small(t))
			return STEP_OUT;
		task_count_faults(t);
		task_die(t);
		async_flush();
		return STEP_GONE;
	case SIGNAL_STOPPED:
		t->stop_wait = true;
		return STEP_AGAIN;
	default:
		return STEP_ON;
	}
}

static enum step step_loop(struct task *t, bool in_guest)
{
	enum step s = STEP_AGAIN;

	mm_take_faults(); /* whosever they were */
	while (s == STEP_AGAIN) {
		s = STEP_ON;
		/* Without the lock: only its owner lets a task join a stop; leaving it comes with a
		 * wake. */
		if (t->stop_wait) {
			s = stay_stopped(t);
			if (s != STEP_ON)
				continue;
			t->stop_wait = false;
		}
		if (t->in_call) {
			/* Its process may end. */
			if (in_guest && t->call.away && signal_pending(t))
				return STEP_OUT;
			if (in_guest &&
			    syscall_place(t, t->call.nr, t->call.args) == SYSCALL_OUTSIDE)
				return STEP_OUT;
			s = run_call(t);
			if (s != STEP_ON)
				continue;
		}
		if (t->trap_pending) {
			s = handle_trap(t);
			if (s != STEP_ON)
				continue;
		}
		if (t->writebacks) {
			sched_prepare(&t->st);
			if (!writeback_wait(t)) {
				s = block(t);
				continue;
			}
		}
		if (signal_pending(t) || t->restart || t->saved_mask_valid) {
			s = deliver(t, in_guest);
			if (s != STEP_ON)
				continue;
		}
		if (atomic_load_explicit(&t->rseq.due, memory_order_relaxed) && !rseq_resume(t)) {
			s = STEP_AGAIN;
			continue;
		}
		if (!arch_regs_ok(&t->cpu.regs)) {
			force_fault(t, SIGSEGV, SI_KERNEL, 0);
			s = STEP_AGAIN;
		}
	}
	return s;
}

enum task_next task_step(struct task *t)
{
	enum step s;

	task_current = t;
	s = step_loop(t, false);
	if (s == STEP_ON)
		task_count_faults(t);
	task_current = NULL;
	return s == STEP_ON ? TASK_RUN : TASK_GONE;
}

enum task_next task_step_in_guest(struct task *t)
{
	enum step s;

	task_current = t;
	s = step_loop(t, true);
	if (s == STEP_ON || s == STEP_OUT)
		task_count_faults(t);
	task_current = NULL;
	if (s == STEP_OUT)
		return TASK_MUST_LEAVE;
	return s == STEP_ON ? TASK_RUN : TASK_GONE;
}

/* ---- calls on behalf of a task that is in the guest ---- */

/* Something has to be done before the task may go on in the guest, or go into a call. */
static bool has_work(struct task *t)
{
	return signal_pending(t) || t->restart || t->saved_mask_valid || t->stop_wait ||
	       t->trap_pending || t->writebacks;
}

enum task_answer task_call(struct task *t, unsigned nr, const uint64_t args[6], uint64_t pc,
			   long *result)
{
	long r;

	if (t->in_call || rewrite_due(t, pc))
		return TASK_DECLINED;
	if (has_work(t))
		return TASK_WHOLE;
	switch (syscall_place(t, nr, args)) {
	case SYSCALL_OUTSIDE:
		return TASK_DECLINED;
	case SYSCALL_WHOLE:
		return TASK_WHOLE;
	case SYSCALL_LONG:
		return TASK_LONG;
	case SYSCALL_ANYWHERE:
		break;
	}
	t->call.nr = nr;
	memcpy(t->call.args, args, sizeof(t->call.args));
	begin_call(t);
	task_current = t;
	mm_take_faults();
	r = run_handler(t);
	task_count_faults(t);
	if (r == -EBLOCKED) {
		t->call_waits = true;
		task_current = NULL;
		return TASK_WAITS;
	}
	call_finish(t, &t->call);
	async_flush();
	t->in_call = false;
	if (is_restart(r)) {
		t->restart = true;
		t->result = r;
	}
	task_current = NULL;
	*result = r;
	/* It has killed itself, and need not do as it is told. */
	if (signal_doomed(t))
		sched_interrupt(&t->st);
	return has_work(t) ? TASK_LEAVES : TASK_ANSWERED;
}

bool task_fault(struct task *t, const struct trap *trap, uint64_t pc, uint64_t sp)
{
	bool resolved;

	/* It is at home in a detour only as long as that is there: task_trap sees to it. */
	if (t->in_call || has_work(t) || (trap->access & FAULT_EXEC && mm_has_detours(task_mm(t))))
		return false;
	task_current = t;
	mm_take_faults();
	resolved = mm_fault(task_mm(t), trap->addr, trap->access | FAULT_NOWAIT) == 0;
	task_count_faults(t);
	task_current = NULL;
	return resolved && !fault_loops(t, trap->addr, pc, sp);
}
