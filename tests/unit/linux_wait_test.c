/* fork, exit and wait: the tree, statuses, job control, and the races between child and parent. */
#include "linux_test.h"

#define STATUS TEST_DATA
#define INFO   (TEST_DATA + 0x100)

static int one_cpu(void **state)
{
	world_open_cpus(1);
	return 0;
}

static int two_cpus(void **state)
{
	world_open_cpus(2);
	return 0;
}

static int tear_down(void **state)
{
	world_close();
	return 0;
}

static long wait_nohang(struct task *t)
{
	return CALL(t, SYS_wait4, (uint64_t)-1, STATUS, WNOHANG);
}

static void signal_to(uint32_t pid, int sig)
{
	struct siginfo_k info = {.si_signo = sig};
	struct process *p = process_find(w.k, pid);

	assert_non_null(p);
	assert_int_equal(signal_send_process(p, sig, &info), 0);
	process_put(p);
}

/* ---- fork and wait ---- */

static void a_blocked_wait_ends_with_the_child(void **state)
{
	struct task *child;
	long pid = CALL(w.init, SYS_clone, SIGCHLD);

	CALL_GONE(w.init, SYS_wait4, (uint64_t)-1, STATUS, 0);
	child = world_next(0);
	assert_int_equal(child->tid, pid);
	exit_task(child, 3);
	assert_int_equal(call_wakes(w.init, 0), pid);
	assert_int_equal(guest_word(w.init, STATUS), 3 << 8);
	assert_int_equal(wait_nohang(w.init), -ECHILD);
	assert_int_equal(registry_process_count(w.k->registry), 1);
}

/* The child ends after the parent has looked and before it blocks. */
static void an_exit_between_look_and_block_is_seen(void **state)
{
	struct task *child = fork_task(w.init, 1);
	uint32_t pid = child->tid;

	call_begin(w.init, SYS_wait4, (const uint64_t[6]){(uint64_t)-1, STATUS});
	sched_prepare(&w.init->st);
	assert_int_equal(syscall_dispatch(w.init, &w.init->call), -EBLOCKED);
	exit_task(child, 1);
	assert_false(sched_block(&w.init->st));
	assert_int_equal(task_step(w.init), TASK_RUN);
	assert_int_equal(call_result(w.init), pid);
}

static void children_have_their_own_memory_and_share_files(void **state)
{
	uint32_t v = 1;
	struct task *child;

	guest_put(w.init, TEST_DATA, &v, sizeof(v));
	child = fork_task(w.init, 1);
	v = 2;
	guest_put(child, TEST_DATA, &v, sizeof(v));
	assert_int_equal(guest_word(w.init, TEST_DATA), 1);
	assert_int_equal(CALL(child, SYS_getppid), 1);
	assert_int_equal(CALL(child, SYS_getpgid, 0), 1);
	assert_ptr_not_equal(child->p->files, w.init->p->files);
	exit_task(child, 0);
}

static void tids_are_stored_where_clone_says(void **state)
{
	const uint64_t ptid = TEST_DATA + 8, ctid = TEST_DATA + 16;
	long pid;
	struct task *child;
#if defined(__aarch64__)
	pid = CALL(w.init, SYS_clone, SIGCHLD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, 0, ptid,
		   0, ctid);
#else
	pid = CALL(w.init, SYS_clone, SIGCHLD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, 0, ptid,
		   ctid, 0);
#endif
	child = world_next(1);
	assert_int_equal(guest_word(w.init, ptid), pid);
	assert_int_equal(guest_word(w.init, ctid), 0);
	assert_int_equal(guest_word(child, ctid), pid);
	exit_task(child, 0);
}

static void nonsense_flags_are_refused(void **state)
{
	static const uint64_t bad[] = {CLONE_THREAD,
				       CLONE_THREAD | CLONE_VM,
				       CLONE_SIGHAND,
				       CLONE_NEWNS | CLONE_FS,
				       CLONE_PARENT /* PID 1 has none */,
				       0x401000 /* CLONE_PIDFD | CLONE_DETACHED */};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(CALL(w.init, SYS_clone, bad[i] | SIGCHLD), -EINVAL);
	assert_int_equal(CALL(w.init, SYS_clone, CLONE_NEWPID | SIGCHLD), -EPERM);
	assert_null(world_next(0));
}

static void clone3_checks_its_structure(void **state)
{
	uint64_t a[12] = {0};

	a[4] = SIGCHLD;
	guest_put(w.init, TEST_DATA, a, sizeof(a));
	assert_int_equal(CALL(w.init, SYS_clone3, TEST_DATA, 63), -EINVAL);
	assert_int_equal(CALL(w.init, SYS_clone3, TEST_DATA, 5000), -E2BIG);
	assert_int_equal(CALL(w.init, SYS_clone3, 0x1000, 88), -EFAULT);
	a[11] = 1; /* beyond what we know */
	guest_put(w.init, TEST_DATA, a, sizeof(a));
	assert_int_equal(CALL(w.init, SYS_clone3, TEST_DATA, 96), -E2BIG);
	a[11] = 0;
	a[4] = 65;
	guest_put(w.init, TEST_DATA, a, sizeof(a));
	assert_int_equal(CALL(w.init, SYS_clone3, TEST_DATA, 88), -EINVAL);
	a[4] = SIGCHLD;
	a[5] = TEST_STACK; /* a stack without a size */
	guest_put(w.init, TEST_DATA, a, sizeof(a));
	assert_int_equal(CALL(w.init, SYS_clone3, TEST_DATA, 88), -EINVAL);
	a[6] = PAGES(4);
	guest_put(w.init, TEST_DATA, a, sizeof(a));
	assert_int_equal(CALL(w.init, SYS_clone3, TEST_DATA, 88), 2);
	struct task *child = world_next(0);

	assert_int_equal(arch_sp(&child->cpu.regs), TEST_STACK + PAGES(4));
	exit_task(child, 0);
}

static void too_many_processes_are_eagain_and_leave_nothing(void **state)
{
	uint64_t used = fake_used(&w.m);

	w.init->p->rlim[RLIMIT_NPROC].rlim_cur = 1;
	assert_int_equal(CALL(w.init, SYS_clone, SIGCHLD), -EAGAIN);
	assert_int_equal(registry_process_count(w.k->registry), 1);
	assert_int_equal(fake_used(&w.m), used);
}

/* Memory ends somewhere in the middle of a fork: all of it is taken back. */
static void a_fork_without_memory_leaves_nothing(void **state)
{
	unsigned n = 0;
	long pid;
	uint64_t used;

	/* Private dirty pages: each child needs table frames and some copies. */
	assert_int_equal(fake_map(w.init->p->mm, 0x30000000, 2048, RW, NULL, 0), 0);
	assert_int_equal(mm_populate(w.init->p->mm, 0x30000000, PAGES(2048), true), 0);
	while ((pid = CALL(w.init, SYS_clone, SIGCHLD)) > 0) {
		struct task *child = world_next(0);

		/* It writes everything, so that memory ends soon. */
		mm_populate(child->p->mm, 0x30000000, PAGES(2048), true);
		assert_true(n++ < 1000);
	}
	assert_int_equal(pid, -ENOMEM);
	used = fake_used(&w.m);
	size_t count = registry_process_count(w.k->registry);

	assert_int_equal(CALL(w.init, SYS_clone, SIGCHLD), -ENOMEM);
	assert_int_equal(registry_process_count(w.k->registry), count);
	assert_int_equal(fake_used(&w.m), used);
}

static void a_signal_for_the_group_restarts_fork(void **state)
{
	set_mask(w.init, SIG_SETMASK, 0);
	set_action(w.init, SIGUSR1, HANDLER, 0, 0);
	call_begin(w.init, SYS_clone, (const uint64_t[6]){SIGCHLD});
	kernel_signal_init(w.k, SIGUSR1);
	uint64_t pc = arch_pc(&w.init->cpu.regs);

	assert_int_equal(task_step(w.init), TASK_RUN);
	assert_int_equal(arch_pc(&w.init->cpu.regs), HANDLER);
	assert_true(pc != HANDLER);
	assert_int_equal(registry_process_count(w.k->registry), 1);
}

/* ---- vfork ---- */

static void vfork_waits_for_the_childs_end(void **state)
{
	struct task *child;

	CALL_GONE(w.init, SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD);
	child = world_next(0);
	assert_ptr_equal(child->p->mm, w.init->p->mm);
	assert_null(world_next(0));
	/* Signals do not end the wait, not even those that would kill it otherwise. */
	kernel_signal_init(w.k, SIGTERM);
	assert_ptr_equal(world_next(1), w.init);
	assert_int_equal(task_step(w.init), TASK_GONE);
	assert_false(w.halted);
	exit_task(child, 0);
	assert_ptr_equal(world_next(0), w.init);
	assert_int_equal(task_step(w.init), TASK_GONE);
	assert_int_equal(w.k->init_status, SIGTERM);
}

static void vfork_ends_with_exec_or_death(void **state)
{
	struct task *child;

	CALL_GONE(w.init, SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD);
	child = world_next(0);
	process_vfork_release(child->p);
	assert_int_equal(call_wakes(w.init, 1), 2);
	exit_task(child, 0);

	CALL_GONE(w.init, SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD);
	child = world_next(0);
	kernel_signal_init(w.k, SIGKILL);
	assert_ptr_equal(world_next(1), w.init);
	assert_int_equal(task_step(w.init), TASK_GONE);
	assert_true(w.halted);
	assert_int_equal(w.k->init_status, SIGKILL);
	assert_int_equal(task_step(child), TASK_GONE);
}

/* ---- what wait reports ---- */

static void wait_takes_only_whom_it_names(void **state)
{
	struct task *a = fork_task(w.init, 1), *b;
	uint32_t pa = a->tid, pb;

	assert_int_equal(wait_nohang(w.init), 0);
	exit_task(a, 1);
	b = fork_task(w.init, 1);
	pb = b->tid;
	assert_int_equal(CALL(w.init, SYS_setpgid, pb, pb), 0);
	exit_task(b, 2);
	assert_int_equal(CALL(w.init, SYS_wait4, 12345, STATUS, WNOHANG), -ECHILD);
	assert_int_equal(CALL(w.init, SYS_wait4, (uint64_t)-1, STATUS, 0x100), -EINVAL);
	assert_int_equal(CALL(w.init, SYS_wait4, 0x80000000, STATUS, 0), -ESRCH);
	assert_int_equal(CALL(w.init, SYS_wait4, (uint64_t)-1, STATUS, WNOHANG | __WCLONE),
			 -ECHILD);
	assert_int_equal(CALL(w.init, SYS_wait4, (uint64_t) - (int64_t)pb, STATUS, 0), pb);
	assert_int_equal(guest_word(w.init, STATUS), 2 << 8);
	assert_int_equal(CALL(w.init, SYS_wait4, 0, STATUS, 0), pa);
	assert_int_equal(wait_nohang(w.init), -ECHILD);
}

static void waitid_fills_siginfo_and_can_leave_the_zombie(void **state)
{
	struct task *a = fork_task(w.init, 1);
	uint32_t pid = a->tid;

	assert_int_equal(CALL(w.init, SYS_waitid, P_PID, pid, INFO, WEXITED | WNOHANG), 0);
	assert_int_equal(guest_word(w.init, INFO + 16), 0);
	CALL_GONE(a, SYS_kill, pid, SIGTERM);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			CALL(w.init, SYS_waitid, P_ALL, 0, INFO, WEXITED | (i ? 0 : WNOWAIT)), 0);
	assert_int_equal(guest_word(w.init, INFO), SIGCHLD);
	assert_int_equal(guest_word(w.init, INFO + 8), CLD_KILLED);
	assert_int_equal(guest_word(w.init, INFO + 16), pid);
	assert_int_equal(guest_word(w.init, INFO + 20), 1000);
	assert_int_equal(guest_word(w.init, INFO + 24), SIGTERM);
	assert_int_equal(CALL(w.init, SYS_waitid, P_ALL, 0, INFO, WEXITED), -ECHILD);
	assert_int_equal(CALL(w.init, SYS_waitid, P_ALL, 0, INFO, WNOHANG), -EINVAL);
	assert_int_equal(CALL(w.init, SYS_waitid, 77, 0, INFO, WEXITED), -EINVAL);
	assert_int_equal(CALL(w.init, SYS_waitid, 3, 5, INFO, WEXITED), -EBADF);
}

static void a_bad_status_pointer_still_reaps(void **state)
{
	exit_task(fork_task(w.init, 1), 0);
	assert_int_equal(CALL(w.init, SYS_wait4, (uint64_t)-1, 8, 0), -EFAULT);
	assert_int_equal(wait_nohang(w.init), -ECHILD);
}

static void ignored_children_leave_no_zombie(void **state)
{
	struct task *a;

	set_action(w.init, SIGCHLD, 1, 0, 0);
	a = fork_task(w.init, 1);
	CALL_GONE(w.init, SYS_wait4, (uint64_t)-1, STATUS, 0);
	exit_task(a, 0);
	assert_int_equal(call_wakes(w.init, 0), -ECHILD);
	assert_int_equal(registry_process_count(w.k->registry), 1);

	set_action(w.init, SIGCHLD, HANDLER, SA_NOCLDWAIT, 0);
	a = fork_task(w.init, 1);
	exit_task(a, 0);
	assert_int_equal(task_step(w.init), TASK_RUN);
	assert_int_equal(arch_pc(&w.init->cpu.regs), HANDLER); /* told, but nothing to wait for */
	assert_int_equal(wait_nohang(w.init), -ECHILD);
}

static void stops_and_continues_are_reported_once(void **state)
{
	struct task *a = fork_task(w.init, 1);
	uint32_t pid = a->tid;

	assert_int_equal(CALL(w.init, SYS_kill, pid, SIGSTOP), 0);
	assert_int_equal(task_step(a), TASK_GONE);
	assert_int_equal(wait_nohang(w.init), 0);
	assert_int_equal(CALL(w.init, SYS_wait4, pid, STATUS, WUNTRACED), pid);
	assert_int_equal(guest_word(w.init, STATUS), SIGSTOP << 8 | 0x7f);
	assert_int_equal(CALL(w.init, SYS_wait4, pid, STATUS, WUNTRACED | WNOHANG), 0);
	CALL_GONE(w.init, SYS_wait4, pid, STATUS, WCONTINUED);
	signal_to(pid, SIGCONT);
	assert_ptr_equal(world_next(1), a);
	assert_int_equal(task_step(a), TASK_RUN);
	assert_int_equal(call_wakes(w.init, 0), pid);
	assert_int_equal(guest_word(w.init, STATUS), 0xffff);
	assert_int_equal(CALL(w.init, SYS_wait4, pid, STATUS, WCONTINUED | WNOHANG), 0);
	exit_task(a, 0);
}

/* An ordinary signal does not end a stop; it waits for SIGCONT. */
static void a_stopped_process_keeps_its_signals(void **state)
{
	struct task *a = fork_task(w.init, 1);
	uint32_t pid = a->tid;

	CALL(w.init, SYS_kill, pid, SIGSTOP);
	assert_int_equal(task_step(a), TASK_GONE);
	CALL(w.init, SYS_kill, pid, SIGTERM);
	assert_ptr_equal(world_next(1), a);
	assert_int_equal(task_step(a), TASK_GONE);
	assert_int_equal(wait_nohang(w.init), 0);
	signal_to(pid, SIGCONT);
	assert_ptr_equal(world_next(1), a);
	assert_int_equal(task_step(a), TASK_GONE);
	assert_int_equal(wait_nohang(w.init), pid);
	assert_int_equal(guest_word(w.init, STATUS), SIGTERM);
}

static void a_stopped_process_can_be_killed(void **state)
{
	struct task *a = fork_task(w.init, 1);
	uint32_t pid = a->tid;

	CALL(w.init, SYS_kill, pid, SIGSTOP);
	assert_int_equal(task_step(a), TASK_GONE);
	CALL(w.init, SYS_kill, pid, SIGKILL);
	assert_ptr_equal(world_next(1), a);
	assert_int_equal(task_step(a), TASK_GONE);
	assert_int_equal(wait_nohang(w.init), pid);
	assert_int_equal(guest_word(w.init, STATUS), SIGKILL);
}

/* SIGCONT after a stop signal was taken but before the stop began: the stop is off. */
static void a_stop_and_its_end_cancel_each_other(void **state)
{
	struct task *a = fork_task(w.init, 1);
	uint32_t pid = a->tid;

	CALL(w.init, SYS_kill, pid, SIGSTOP);
	CALL(w.init, SYS_kill, pid, SIGCONT);
	assert_int_equal(task_step(a), TASK_RUN);
	assert_int_equal(CALL(w.init, SYS_wait4, pid, STATUS, WUNTRACED | WCONTINUED | WNOHANG), 0);
	exit_task(a, 0);
}

/* ---- the tree ---- */

static void orphans_go_to_init_or_a_subreaper(void **state)
{
	struct task *a = fork_task(w.init, 1), *b = fork_task(a, 1), *c = fork_task(b, 1), *d, *e;

	exit_task(b, 0);
	assert_int_equal(CALL(c, SYS_getppid), 1);
	d = fork_task(a, 1);
	e = fork_task(d, 1);
	pthread_mutex_lock(&w.k->tree_lock);
	process_set_subreaper_locked(a->p, true);
	pthread_mutex_unlock(&w.k->tree_lock);
	assert_true(d->p->under_subreaper && e->p->under_subreaper && !a->p->under_subreaper);
	assert_false(c->p->under_subreaper);
	exit_task(d, 0);
	assert_int_equal(CALL(e, SYS_getppid), a->tid);
	exit_task(e, 0);
	b = fork_task(a, 1);
	d = fork_task(b, 1);
	assert_true(d->p->under_subreaper);
	exit_task(b, 0);
	assert_int_equal(CALL(d, SYS_getppid), a->tid);
	exit_task(d, 0);
	/* a's zombies come to init. */
	exit_task(a, 0);
	exit_task(c, 0);
	for (int n = 0; n < 7; n++)
		assert_true(wait_nohang(w.init) > 0);
	assert_int_equal(wait_nohang(w.init), -ECHILD);
	assert_int_equal(registry_process_count(w.k->registry), 1);
}

static void an_orphaned_stopped_group_gets_hup_and_cont(void **state)
{
	struct task *shell = fork_task(w.init, 1), *job;

	assert_true(CALL(shell, SYS_setsid) > 0);
	job = fork_task(shell, 1);
	assert_int_equal(CALL(shell, SYS_setpgid, job->tid, 0), 0);
	assert_int_equal(CALL(shell, SYS_kill, job->tid, SIGTSTP), 0);
	assert_int_equal(task_step(job), TASK_GONE);
	exit_task(shell, 0);
	assert_ptr_equal(world_next(1), job);
	assert_int_equal(task_step(job), TASK_GONE); /* SIGHUP's default */
	assert_true(wait_nohang(w.init) > 0);
	assert_true(wait_nohang(w.init) > 0);
	assert_int_equal(guest_word(w.init, STATUS), SIGHUP);
}

static void stop_signals_do_nothing_in_an_orphaned_group(void **state)
{
	struct task *a = fork_task(w.init, 1);

	assert_true(CALL(a, SYS_setsid) > 0);
	assert_int_equal(CALL(w.init, SYS_kill, a->tid, SIGTTIN), 0);
	assert_int_equal(task_step(a), TASK_RUN);
	exit_task(a, 0);
}

static void groups_and_sessions_follow_the_rules(void **state)
{
	struct task *a = fork_task(w.init, 1), *b = fork_task(w.init, 1);

	assert_int_equal(CALL(w.init, SYS_setsid), -EPERM);
	assert_int_equal(CALL(w.init, SYS_setpgid, 0, 0), -EPERM); /* a session leader */
	assert_int_equal(CALL(w.init, SYS_setpgid, a->tid, (uint64_t)-1), -EINVAL);
	assert_int_equal(CALL(w.init, SYS_setpgid, 999, 0), -ESRCH);
	assert_int_equal(CALL(a, SYS_setpgid, b->tid, 0), -ESRCH);
	assert_int_equal(CALL(w.init, SYS_setpgid, a->tid, b->tid), -EPERM); /* no such group */
	assert_int_equal(CALL(w.init, SYS_setpgid, b->tid, 0), 0);
	assert_int_equal(CALL(w.init, SYS_setpgid, a->tid, b->tid), 0);
	assert_int_equal(CALL(a, SYS_getpgid, 0), b->tid);
	a->p->execed = true;
	assert_int_equal(CALL(w.init, SYS_setpgid, a->tid, 0), -EACCES);
	assert_int_equal(CALL(a, SYS_setsid), a->tid);
	assert_int_equal(CALL(w.init, SYS_setpgid, a->tid, 0), -EPERM); /* another session */
	assert_int_equal(CALL(b, SYS_setsid), -EPERM);                  /* leads a group */
	exit_task(a, 0);
	exit_task(b, 0);
}

static void when_init_ends_everybody_ends(void **state)
{
	struct task *a = fork_task(w.init, 1);

	call_begin(a, SYS_wait4, (const uint64_t[6]){0});
	exit_task(w.init, 7);
	assert_true(w.halted);
	assert_int_equal(w.k->init_status, 7 << 8);
	assert_int_equal(task_step(a), TASK_GONE);
	assert_true(w.k->halted);
}

#define ONE(f) cmocka_unit_test_setup_teardown(f, one_cpu, tear_down)
#define TWO(f) cmocka_unit_test_setup_teardown(f, two_cpus, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(a_blocked_wait_ends_with_the_child),
		TWO(an_exit_between_look_and_block_is_seen),
		TWO(children_have_their_own_memory_and_share_files),
		TWO(tids_are_stored_where_clone_says),
		ONE(nonsense_flags_are_refused),
		ONE(clone3_checks_its_structure),
		ONE(too_many_processes_are_eagain_and_leave_nothing),
		ONE(a_fork_without_memory_leaves_nothing),
		ONE(a_signal_for_the_group_restarts_fork),
		TWO(vfork_waits_for_the_childs_end),
		TWO(vfork_ends_with_exec_or_death),
		TWO(wait_takes_only_whom_it_names),
		TWO(waitid_fills_siginfo_and_can_leave_the_zombie),
		TWO(a_bad_status_pointer_still_reaps),
		TWO(ignored_children_leave_no_zombie),
		TWO(stops_and_continues_are_reported_once),
		TWO(a_stopped_process_keeps_its_signals),
		TWO(a_stopped_process_can_be_killed),
		TWO(a_stop_and_its_end_cancel_each_other),
		TWO(orphans_go_to_init_or_a_subreaper),
		TWO(an_orphaned_stopped_group_gets_hup_and_cont),
		TWO(stop_signals_do_nothing_in_an_orphaned_group),
		TWO(groups_and_sessions_follow_the_rules),
		TWO(when_init_ends_everybody_ends),
	};

	return cmocka_run_group_tests_name("linux_wait", tests, NULL, NULL);
}
