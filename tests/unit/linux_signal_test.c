/* Signals: who gets them, frames and their return, restarts, masks, queues, stacks, timers. */
#include "linux_test.h"

#include <sys/time.h>

#define SET  TEST_DATA
#define INFO (TEST_DATA + 0x100)
#define RT   34

static int set_up(void **state)
{
	world_open_cpus(2);
	return 0;
}

static int tear_down(void **state)
{
	world_close();
	return 0;
}

static long kill_self(struct task *t, int sig)
{
	return CALL(t, SYS_kill, t->p->pid, (uint64_t)sig);
}

/* The handler returns: what its restorer does. */
static void handler_return(struct task *t)
{
#if defined(__x86_64__)
	t->cpu.regs.rsp += 8; /* ret took pretcode */
#endif
	call_begin(t, SYS_rt_sigreturn, (const uint64_t[6]){0});
	assert_int_equal(task_step(t), TASK_RUN);
}

static void assert_in_handler(struct task *t, int sig)
{
	assert_int_equal(arch_pc(&t->cpu.regs), HANDLER);
#if defined(__x86_64__)
	assert_int_equal(t->cpu.regs.rdi, sig);
	assert_int_equal(t->cpu.regs.rsp % 16, 8);
#else
	assert_int_equal(t->cpu.regs.x[0], sig);
	assert_int_equal(t->cpu.regs.sp % 16, 0);
#endif
}

/* ---- frames ---- */

static void a_handler_runs_and_the_old_context_returns(void **state)
{
	struct uregs before;

	set_action(w.init, SIGUSR1, HANDLER, SA_SIGINFO, SIGMASK(SIGUSR2));
	memset(&w.init->cpu.fpu[160], 0x5a, 16);
	memset(&w.init->cpu.regs, 0x11, sizeof(uint64_t) * 4);
	assert_int_equal(CALL(w.init, SYS_getpid), 1);
	before = w.init->cpu.regs;
	kernel_signal_init(w.k, SIGUSR1);
	assert_int_equal(task_step(w.init), TASK_RUN);
	assert_in_handler(w.init, SIGUSR1);
	assert_int_equal(w.init->blocked, SIGMASK(SIGUSR1) | SIGMASK(SIGUSR2));
	assert_true(w.init->cpu.regs_modified);
	memset(&w.init->cpu.fpu[160], 0x77, 16);
	handler_return(w.init);
	assert_int_equal(w.init->blocked, 0);
	assert_int_equal(w.init->cpu.fpu[160], 0x5a);
	assert_int_equal(arch_pc(&w.init->cpu.regs), arch_pc(&before));
	assert_int_equal(arch_sp(&w.init->cpu.regs), arch_sp(&before));
	assert_int_equal(call_result(w.init), 1);
}

static void siginfo_tells_the_sender(void **state)
{
	uint64_t info;
	struct siginfo_k si;

	set_action(w.init, SIGUSR1, HANDLER, SA_SIGINFO, 0);
	kill_self(w.init, SIGUSR1);
#if defined(__x86_64__)
	info = w.init->cpu.regs.rsi;
#else
	info = w.init->cpu.regs.x[1];
#endif
	assert_int_equal(copy_from_guest(w.init->p->mm, &si, gva(info), sizeof(si)), 0);
	assert_int_equal(si.si_signo, SIGUSR1);
	assert_int_equal(si.si_code, SI_USER);
	assert_int_equal(si.u.rt.pid, 1);
	assert_int_equal(si.u.rt.uid, 1000);
}

static void handlers_nest_by_mask_and_run_in_order(void **state)
{
	uint64_t sp;

	set_action(w.init, SIGUSR1, HANDLER, 0, 0);
	set_action(w.init, SIGUSR2, HANDLER, 0, 0);
	kill_self(w.init, SIGUSR1);
	sp = arch_sp(&w.init->cpu.regs);
	kill_self(w.init, SIGUSR1); /* blocked in its own handler */
	assert_int_equal(arch_sp(&w.init->cpu.regs), sp);
	kill_self(w.init, SIGUSR2);
	assert_true(arch_sp(&w.init->cpu.regs) < sp);
	assert_in_handler(w.init, SIGUSR2);
	handler_return(w.init);
	assert_int_equal(arch_sp(&w.init->cpu.regs), sp);
	handler_return(w.init); /* and there is the second SIGUSR1 */
	assert_in_handler(w.init, SIGUSR1);
	handler_return(w.init);
	assert_int_equal(arch_pc(&w.init->cpu.regs), TEST_CODE);
}

static void nodefer_and_resethand(void **state)
{
	set_action(w.init, SIGUSR1, HANDLER, SA_NODEFER, 0);
	kill_self(w.init, SIGUSR1);
	assert_int_equal(w.init->blocked, 0);
	set_action(w.init, SIGUSR1, HANDLER, (uint32_t)SA_RESETHAND, 0);
	kill_self(w.init, SIGUSR1);
	assert_int_equal(w.init->p->sighand->action[SIGUSR1 - 1].handler, 0);
}

static void no_stack_for_the_frame_is_sigsegv(void **state)
{
	set_action(w.init, SIGUSR1, HANDLER, 0, 0);
	arch_start_thread(&w.init->cpu, TEST_CODE, 0x1000);
	call_begin(w.init, SYS_kill, (const uint64_t[6]){1, SIGUSR1});
	assert_int_equal(task_step(w.init), TASK_GONE);
	assert_int_equal(w.k->init_status, SIGSEGV);
}

static void a_bad_handler_address_is_sigsegv(void **state)
{
#if defined(__x86_64__)
	set_action(w.init, SIGUSR1, 0x8000000000000000, 0, 0);
	set_action(w.init, SIGSEGV, 0x9000000000000000, SA_NODEFER, 0);
	call_begin(w.init, SYS_kill, (const uint64_t[6]){1, SIGUSR1});
	assert_int_equal(task_step(w.init), TASK_GONE);
	assert_int_equal(w.k->init_status, SIGSEGV);
#endif
}

static uint32_t rnd;
static uint8_t next_byte(void)
{
	rnd = rnd * 1103515245 + 12345;
	return (uint8_t)(rnd >> 16);
}

/*
 * Any byte of a frame changed: the task gets SIGSEGV, or goes on with registers that a program may
 * have and an FP image that the processor takes.
 */
static void smashed_frames_are_harmless(void **state)
{
	set_action(w.init, SIGUSR1, HANDLER, 0, 0);
	set_action(w.init, SIGSEGV, HANDLER, SA_NODEFER | SA_ONSTACK, 0);
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t sp, at;
		uint8_t b = next_byte();

		rnd += i;
		arch_start_thread(&w.init->cpu, TEST_CODE, TEST_STACK_TOP - 256);
		w.init->blocked = 0;
		memset(&w.init->altstack, 0,
		       sizeof(w.init->altstack)); /* the last one's may be anywhere */
		kill_self(w.init, SIGUSR1);
		sp = arch_sp(&w.init->cpu.regs);
		at = sp + ((next_byte() << 8 | next_byte()) % 1400);
		for (unsigned n = i % 9; n < 9; n++)
			guest_put(w.init, at + n, &b, 1);
		handler_return(w.init);
		assert_int_equal(w.init->blocked & SIGMASK_KERNEL_ONLY, 0);
		assert_true(arch_regs_ok(&w.init->cpu.regs));
#if defined(__x86_64__)
		uint64_t hdr[8];
		uint32_t mxcsr;

		memcpy(hdr, w.init->cpu.fpu + 512, sizeof(hdr));
		memcpy(&mxcsr, w.init->cpu.fpu + 24, sizeof(mxcsr));
		assert_int_equal(hdr[0] & ~7ULL, 0);
		for (int h = 1; h < 8; h++)
			assert_int_equal(hdr[h], 0);
		assert_int_equal(mxcsr & ~0xffffU, 0);
		assert_int_equal(w.init->cpu.regs.rflags & ~0x50dd5ULL, 0x202);
#endif
	}
}

/* ---- restarts ---- */

static void blocked_in_wait(struct task *t, uint64_t flags)
{
	set_action(t, SIGUSR1, HANDLER, flags, 0);
	arch_start_thread(&t->cpu, TEST_CODE, TEST_STACK_TOP - 256);
	CALL_GONE(t, SYS_wait4, (uint64_t)-1, 0, 0);
	kernel_signal_init(w.k, SIGUSR1);
	assert_ptr_equal(world_next(0), t);
	assert_int_equal(task_step(t), TASK_RUN);
	assert_in_handler(t, SIGUSR1);
	handler_return(t);
}

static void a_handler_ends_or_restarts_a_call(void **state)
{
	struct task *child = fork_task(w.init, 1);

	blocked_in_wait(w.init, 0);
	assert_int_equal(arch_pc(&w.init->cpu.regs), TEST_CODE);
	assert_int_equal(call_result(w.init), -EINTR);
	blocked_in_wait(w.init, SA_RESTART);
	assert_true(arch_pc(&w.init->cpu.regs) < TEST_CODE);
	exit_task(child, 0);
}

static void a_stop_restarts_a_call(void **state)
{
	struct task *child = fork_task(w.init, 1), *grandchild = fork_task(child, 1);

	arch_start_thread(&child->cpu, TEST_CODE, TEST_STACK_TOP - 256);
	CALL_GONE(child, SYS_wait4, (uint64_t)-1, 0, 0);
	assert_int_equal(CALL(w.init, SYS_kill, child->tid, SIGSTOP), 0);
	assert_ptr_equal(world_next(0), child);
	assert_int_equal(task_step(child), TASK_GONE);
	assert_int_equal(CALL(w.init, SYS_kill, child->tid, SIGCONT), 0);
	assert_ptr_equal(world_next(0), child);
	assert_int_equal(task_step(child), TASK_RUN);
	assert_true(arch_pc(&child->cpu.regs) < TEST_CODE);
	exit_task(grandchild, 0);
	exit_task(child, 0);
}

static void sigsuspend_swaps_masks_until_a_handler_ran(void **state)
{
	uint64_t set = SIGMASK(SIGUSR2);

	set_action(w.init, SIGUSR1, HANDLER, SA_RESTART, 0);
	set_mask(w.init, SIG_SETMASK, SIGMASK(SIGUSR1));
	kill_self(w.init, SIGUSR1);
	guest_put(w.init, SET, &set, sizeof(set));
	CALL(w.init, SYS_rt_sigsuspend, SET, 8);
	assert_in_handler(w.init, SIGUSR1);
	assert_int_equal(w.init->blocked, SIGMASK(SIGUSR1) | SIGMASK(SIGUSR2));
	handler_return(w.init);
	assert_int_equal(call_result(w.init), -EINTR);
	assert_int_equal(w.init->blocked, SIGMASK(SIGUSR1));
}

/* ---- masks and queues ---- */

static void blocked_signals_wait(void **state)
{
	set_action(w.init, SIGUSR1, HANDLER, 0, 0);
	set_mask(w.init, SIG_BLOCK, ~0ULL);
	assert_int_equal(w.init->blocked, ~SIGMASK_KERNEL_ONLY);
	kill_self(w.init, SIGUSR1);
	kill_self(w.init, SIGUSR1);
	assert_int_equal(CALL(w.init, SYS_rt_sigpending, SET, 8), 0);
	assert_int_equal(guest_word(w.init, SET), SIGMASK(SIGUSR1));
	/* Becoming ignored, it is gone; and what is ignored is not even queued. */
	set_action(w.init, SIGUSR1, 1, 0, 0);
	assert_int_equal(w.init->p->pending.mask, 0);
	set_mask(w.init, SIG_SETMASK, 0);
	kill_self(w.init, SIGUSR1);
	assert_int_equal(w.init->p->pending.mask, 0);
	assert_int_equal(atomic_load(&w.k->nsignals), 0);
}

static long queue(struct task *t, int sig, uint64_t value)
{
	struct siginfo_k si = {.si_code = SI_QUEUE};

	si.u.rt.value = value;
	guest_put(t, INFO, &si, sizeof(si));
	return CALL(t, SYS_rt_sigqueueinfo, t->p->pid, (uint64_t)sig, INFO);
}

static uint64_t wait_value(struct task *t, int *sig)
{
	struct siginfo_k si;

	*sig = (int)CALL(t, SYS_rt_sigtimedwait, SET, INFO, 0, 8);
	assert_int_equal(copy_from_guest(t->p->mm, &si, gva(INFO), sizeof(si)), 0);
	return si.u.rt.value;
}

static void real_time_signals_queue_in_order_up_to_the_limit(void **state)
{
	uint64_t all = ~0ULL;
	int sig;

	set_mask(w.init, SIG_BLOCK, ~0ULL);
	w.init->p->rlim[RLIMIT_SIGPENDING].rlim_cur = 3;
	assert_int_equal(queue(w.init, RT + 1, 1), 0);
	assert_int_equal(queue(w.init, RT, 2), 0);
	assert_int_equal(queue(w.init, RT, 3), 0);
	assert_int_equal(queue(w.init, RT, 4), -EAGAIN);
	assert_int_equal(kill_self(w.init, SIGUSR1), 0); /* kill(2) ignores the limit */
	guest_put(w.init, SET, &all, sizeof(all));
	wait_value(w.init, &sig);
	assert_int_equal(sig, SIGUSR1);
	assert_int_equal(wait_value(w.init, &sig), 2);
	assert_int_equal(wait_value(w.init, &sig), 3);
	assert_int_equal(sig, RT);
	assert_int_equal(wait_value(w.init, &sig), 1);
	assert_int_equal(sig, RT + 1);
	assert_int_equal(atomic_load(&w.k->nsignals), 0);
}

static void sigtimedwait_is_woken_or_times_out(void **state)
{
	uint64_t set = SIGMASK(SIGUSR1);
	int64_t ts[2] = {0, 0};

	set_mask(w.init, SIG_BLOCK, SIGMASK(SIGUSR1));
	guest_put(w.init, SET, &set, sizeof(set));
	guest_put(w.init, SET + 16, ts, sizeof(ts));
	assert_int_equal(CALL(w.init, SYS_rt_sigtimedwait, SET, INFO, SET + 16, 8), -EAGAIN);
	ts[1] = 1000000000;
	guest_put(w.init, SET + 16, ts, sizeof(ts));
	assert_int_equal(CALL(w.init, SYS_rt_sigtimedwait, SET, INFO, SET + 16, 8), -EINVAL);
	ts[0] = 100;
	ts[1] = 0;
	guest_put(w.init, SET + 16, ts, sizeof(ts));
	CALL_GONE(w.init, SYS_rt_sigtimedwait, SET, INFO, SET + 16, 8);
	kernel_signal_init(w.k, SIGUSR1);
	assert_int_equal(call_wakes(w.init, 0), SIGUSR1);
	CALL_GONE(w.init, SYS_rt_sigtimedwait, SET, INFO, SET + 16, 8);
	timers_run(w.k->timers, core_now() + 200LL * 1000000000);
	assert_ptr_equal(world_next(0), w.init);
	/* The clock did not move; only the timer did. */
	assert_int_equal(task_step(w.init), TASK_GONE);
	kernel_signal_init(w.k, SIGUSR1);
	assert_int_equal(call_wakes(w.init, 0), SIGUSR1);
	assert_int_equal(w.init->sigwait, 0);
}

/* ---- sending ---- */

static void only_the_same_user_may_send(void **state)
{
	struct task *a = fork_task(w.init, 1);

	a->p->cred.uid = a->p->cred.suid = a->p->cred.euid = 2000;
	assert_int_equal(CALL(w.init, SYS_kill, a->tid, SIGTERM), -EPERM);
	assert_int_equal(CALL(w.init, SYS_kill, a->tid, 0), -EPERM);
	assert_int_equal(CALL(w.init, SYS_kill, a->tid, SIGCONT), 0); /* same session */
	assert_int_equal(CALL(w.init, SYS_tgkill, a->tid, a->tid, SIGTERM), -EPERM);
	w.init->p->cred.euid = 0;
	cred_init_caps(&w.init->p->cred);
	assert_int_equal(CALL(w.init, SYS_kill, a->tid, 0), 0);
	exit_task(a, 0);
}

static void kill_finds_processes_groups_and_all(void **state)
{
	struct task *a = fork_task(w.init, 1), *b = fork_task(w.init, 1);

	assert_int_equal(CALL(w.init, SYS_kill, 4242, SIGTERM), -ESRCH);
	assert_int_equal(CALL(w.init, SYS_kill, 1, 65), -EINVAL);
	assert_int_equal(CALL(w.init, SYS_kill, 0x80000000, SIGTERM), -ESRCH);
	assert_int_equal(CALL(w.init, SYS_kill, (uint64_t)-99, SIGTERM), -ESRCH);
	assert_int_equal(CALL(w.init, SYS_tgkill, 0, 1, SIGTERM), -EINVAL);
	assert_int_equal(CALL(w.init, SYS_tgkill, a->tid, b->tid, SIGTERM), -ESRCH);
	assert_int_equal(CALL(w.init, SYS_setpgid, a->tid, 0), 0);
	assert_int_equal(CALL(w.init, SYS_kill, (uint64_t) - (int64_t)a->tid, SIGTERM), 0);
	assert_int_equal(task_step(a), TASK_GONE);
	assert_int_equal(CALL(w.init, SYS_kill, (uint64_t)-1, SIGTERM), 0);
	assert_int_equal(task_step(b), TASK_GONE);
	assert_false(w.halted);
}

static void defaults_kill_stop_or_do_nothing(void **state)
{
	for (int sig = 1; sig <= NSIG_GUEST; sig++) {
		struct task *a = fork_task(w.init, 1);
		uint32_t pid = a->tid, status;

		CALL(w.init, SYS_setpgid, pid, 0);
		assert_int_equal(CALL(w.init, SYS_kill, pid, (uint64_t)sig), 0);
		if (SIGMASK(sig) & SIGMASK_IGNORE) {
			assert_int_equal(task_step(a), TASK_RUN);
			exit_task(a, 0);
			assert_int_equal(CALL(w.init, SYS_wait4, pid, SET, 0), pid);
			continue;
		}
		assert_int_equal(task_step(a), TASK_GONE);
		assert_int_equal(CALL(w.init, SYS_wait4, pid, SET, WUNTRACED), pid);
		status = guest_word(w.init, SET);
		if (SIGMASK(sig) & SIGMASK_STOP) {
			assert_int_equal(status, sig << 8 | 0x7f);
			CALL(w.init, SYS_kill, pid, SIGKILL);
			assert_int_equal(task_step(world_next(1)), TASK_GONE);
			assert_int_equal(CALL(w.init, SYS_wait4, pid, SET, 0), pid);
		} else {
			assert_int_equal(status, sig);
		}
	}
}

/* ---- traps ---- */

static void fault(struct task *t, uint64_t addr, unsigned access)
{
	struct trap trap = {.kind = TRAP_PAGE_FAULT, .addr = addr, .access = access, .vector = 14};

	task_trap(t, &trap);
}

static void faults_become_signals_with_address_and_code(void **state)
{
	struct siginfo_k si;
	uint64_t info;

	set_action(w.init, SIGSEGV, HANDLER, SA_SIGINFO | SA_NODEFER, 0);
	fault(w.init, 0xdead000, FAULT_WRITE);
	assert_int_equal(task_step(w.init), TASK_RUN);
	assert_in_handler(w.init, SIGSEGV);
#if defined(__x86_64__)
	info = w.init->cpu.regs.rsi;
#else
	info = w.init->cpu.regs.x[1];
#endif
	assert_int_equal(copy_from_guest(w.init->p->mm, &si, gva(info), sizeof(si)), 0);
	assert_int_equal(si.si_code, SEGV_MAPERR);
	assert_int_equal(si.u.fault.addr, 0xdead000);
	/* Blocked or ignored, it kills. */
	set_mask(w.init, SIG_BLOCK, SIGMASK(SIGSEGV));
	fault(w.init, 0xdead000, FAULT_WRITE);
	assert_int_equal(task_step(w.init), TASK_GONE);
	assert_int_equal(w.k->init_status, SIGSEGV);
}

static void a_fault_that_never_ends_is_a_signal(void **state)
{
	int n = 0;
	enum task_next next;

	do {
		fault(w.init, TEST_DATA, FAULT_WRITE);
		next = task_step(w.init);
	} while (next == TASK_RUN && n++ < 5000);
	assert_int_equal(next, TASK_GONE);
	assert_true(n >= 100);
}

static void exceptions_have_linux_signals(void **state)
{
#if defined(__x86_64__)
	static const struct {
		unsigned vector;
		int sig, code;
	} row[] = {
		{0, SIGFPE, FPE_INTDIV},  {1, SIGTRAP, TRAP_TRACE}, {3, SIGTRAP, SI_KERNEL},
		{4, SIGSEGV, SI_KERNEL},  {5, SIGSEGV, SI_KERNEL},  {6, SIGILL, ILL_ILLOPN},
		{11, SIGBUS, SI_KERNEL},  {12, SIGBUS, SI_KERNEL},  {13, SIGSEGV, SI_KERNEL},
		{17, SIGBUS, BUS_ADRALN}, {19, SIGFPE, FPE_FLTDIV},
	};
	uint32_t mxcsr = 0x1f80 & ~0x200U; /* divide by zero is not masked ... */

	mxcsr |= 4; /* ... and has happened */
	memcpy(w.init->cpu.fpu + 24, &mxcsr, sizeof(mxcsr));
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct siginfo_k si = {0};

		w.init->trap = (struct trap){.kind = TRAP_EXCEPTION, .vector = row[i].vector};
		assert_int_equal(arch_trap_signal(w.init, &si), row[i].sig);
		assert_int_equal(si.si_code, row[i].code);
	}

	/* int1, and int n where it comes as #UD */
	static const uint8_t code[] = {0xf1, 0xcd, 32};
	struct siginfo_k si = {0};

	guest_put(w.init, TEST_DATA, code, sizeof(code));
	w.init->cpu.regs.rip = TEST_DATA + 1;
	w.init->trap = (struct trap){.kind = TRAP_EXCEPTION, .vector = 1};
	assert_int_equal(arch_trap_signal(w.init, &si), SIGTRAP);
	assert_int_equal(si.si_code, TRAP_BRKPT);
	w.init->trap.vector = 6;
	assert_int_equal(arch_trap_signal(w.init, &si), SIGSEGV);
	assert_int_equal(si.si_code, SI_KERNEL);
	assert_int_equal(w.init->trap.vector, 13);
#endif
}

static void running_out_of_memory_kills_only_that_process(void **state)
{
	struct task *a = fork_task(w.init, 1);
	uint32_t pid = a->tid;
	uint64_t at = 0x100000000;

	assert_int_equal(fake_map(a->p->mm, at, 32768, RW, NULL, 0), 0);
	for (;; at += PAGE_SIZE) {
		fault(a, at, FAULT_WRITE);
		if (task_step(a) == TASK_GONE)
			break;
	}
	assert_int_equal(CALL(w.init, SYS_wait4, pid, SET, 0), pid);
	assert_int_equal(guest_word(w.init, SET), SIGKILL);
}

/* ---- the alternate stack ---- */

static long altstack(struct task *t, uint64_t sp, uint32_t flags, uint64_t size)
{
	uint64_t ss[3] = {sp, flags, size};

	guest_put(t, SET, ss, sizeof(ss));
	return CALL(t, SYS_sigaltstack, SET, 0);
}

#define ALT (TEST_DATA + PAGES(4))

static void alternate_stacks_follow_the_rules(void **state)
{
	assert_int_equal(altstack(w.init, ALT, 0, 1024), -ENOMEM);
	assert_int_equal(altstack(w.init, ALT, 4, 16384), -EINVAL);
	assert_int_equal(altstack(w.init, ALT, 0, 16384), 0);
	set_action(w.init, SIGUSR1, HANDLER, SA_ONSTACK | SA_NODEFER, 0);
	kill_self(w.init, SIGUSR1);
	assert_in_handler(w.init, SIGUSR1);
	assert_true(altstack_contains(w.init, arch_sp(&w.init->cpu.regs)));
	assert_int_equal(altstack(w.init, ALT, 0, 8192), -EPERM);
#ifdef __x86_64__ /* Linux's arm64 does not look */
	/* The frames that no longer fit are not written below it. */
	for (int i = 0; i < 20; i++) {
		call_begin(w.init, SYS_kill, (const uint64_t[6]){1, SIGUSR1});
		if (task_step(w.init) == TASK_GONE)
			break;
		assert_true(altstack_contains(w.init, arch_sp(&w.init->cpu.regs)));
	}
	assert_int_equal(w.k->init_status, SIGSEGV);
#endif
}

static void autodisarm_takes_the_stack_away_meanwhile(void **state)
{
	assert_int_equal(altstack(w.init, ALT, 1U << 31, 16384), 0);
	set_action(w.init, SIGUSR1, HANDLER, SA_ONSTACK, 0);
	kill_self(w.init, SIGUSR1);
	assert_int_equal(w.init->altstack.size, 0);
	assert_int_equal(altstack(w.init, ALT + 16384, 0, 16384), 0);
	handler_return(w.init);
	assert_int_equal(w.init->altstack.sp, ALT);
	assert_int_equal(w.init->altstack.size, 16384);
}

/* ---- timers ---- */

static void the_interval_timer_sends_sigalrm(void **state)
{
	int64_t it[4] = {0, 0, 1000, 0};

	set_action(w.init, SIGALRM, HANDLER, 0, 0);
	guest_put(w.init, SET, it, sizeof(it));
	assert_int_equal(CALL(w.init, SYS_setitimer, ITIMER_REAL, SET, 0), 0);
	assert_int_equal(CALL(w.init, SYS_getitimer, ITIMER_REAL, SET), 0);
	assert_true(guest_word(w.init, SET + 16) >= 999 - 1);
	assert_int_equal(CALL(w.init, SYS_setitimer, 3, SET, 0), -EINVAL);
	it[3] = 1000000;
	guest_put(w.init, SET, it, sizeof(it));
	assert_int_equal(CALL(w.init, SYS_setitimer, ITIMER_REAL, SET, 0), -EINVAL);
	it[2] = 0;
	it[3] = 1;
	guest_put(w.init, SET, it, sizeof(it));
	assert_int_equal(CALL(w.init, SYS_setitimer, ITIMER_REAL, SET, 0), 0);
	while (core_now() < w.init->p->itimer_deadline && w.init->p->itimer_deadline != TIME_NEVER)
		;
	timers_run(w.k->timers, core_now());
	assert_int_equal(task_step(w.init), TASK_RUN);
	assert_in_handler(w.init, SIGALRM);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_handler_runs_and_the_old_context_returns),
		T(siginfo_tells_the_sender),
		T(handlers_nest_by_mask_and_run_in_order),
		T(nodefer_and_resethand),
		T(no_stack_for_the_frame_is_sigsegv),
		T(a_bad_handler_address_is_sigsegv),
		T(smashed_frames_are_harmless),
		T(a_handler_ends_or_restarts_a_call),
		T(a_stop_restarts_a_call),
		T(sigsuspend_swaps_masks_until_a_handler_ran),
		T(blocked_signals_wait),
		T(real_time_signals_queue_in_order_up_to_the_limit),
		T(sigtimedwait_is_woken_or_times_out),
		T(only_the_same_user_may_send),
		T(kill_finds_processes_groups_and_all),
		T(defaults_kill_stop_or_do_nothing),
		T(faults_become_signals_with_address_and_code),
		T(a_fault_that_never_ends_is_a_signal),
		T(exceptions_have_linux_signals),
		T(running_out_of_memory_kills_only_that_process),
		T(alternate_stacks_follow_the_rules),
		T(autodisarm_takes_the_stack_away_meanwhile),
		T(the_interval_timer_sends_sigalrm),
	};

	return cmocka_run_group_tests_name("linux_signal", tests, NULL, NULL);
}
