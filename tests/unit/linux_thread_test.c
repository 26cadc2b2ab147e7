/*
 * Threads: how they come and go, execve and exit among them, and who gets a signal. Each order is
 * written down: the test owns every task that runs.
 */
#include "linux_test.h"

#include "../../vmm/linux/exec.h"

#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
#define PTID   (TEST_DATA + 0x10)
#define CTID   (TEST_DATA + 0x20)
#define STATUS (TEST_DATA + 0x30)
#define ARGV   (TEST_DATA + 0x40)
#define PATH   (TEST_DATA + 0x60)
#define IMAGE  (TEST_DATA + 0x1000)
#define BUF    (TEST_DATA + 0x3000)

static int one_cpu(void **state)
{
	world_open_cpus(1);
	return 0;
}

static int three_cpus(void **state)
{
	world_open_cpus(3);
	return 0;
}

static int tear_down(void **state)
{
	world_close();
	return 0;
}

static long clone_flags(struct task *t, uint64_t flags)
{
#if defined(__aarch64__)
	return CALL(t, SYS_clone, flags, TEST_STACK + PAGES(8), PTID, 0, CTID);
#else
	return CALL(t, SYS_clone, flags, TEST_STACK + PAGES(8), PTID, CTID, 0);
#endif
}

/* A thread of t's process, owned by the test as if it ran on vCPU `cpu`. */
static struct task *thread_task(struct task *t, unsigned cpu, uint64_t more)
{
	long tid = clone_flags(t, THREAD | more);
	struct task *n;

	assert_true(tid > 0);
	n = world_next(cpu);
	assert_non_null(n);
	assert_int_equal(n->tid, tid);
	assert_int_equal(task_step(n), TASK_RUN);
	assert_int_equal(call_result(n), 0);
	return n;
}

/* A process of its own, for what would end PID 1. */
static struct task *child_process(unsigned cpu)
{
	return fork_task(w.init, cpu);
}

static void thread_exit(struct task *t, int code)
{
	CALL_GONE(t, SYS_exit, (uint64_t)code);
}

static int wait_status(void)
{
	assert_true(CALL(w.init, SYS_wait4, (uint64_t)-1, STATUS, WNOHANG) > 0);
	return (int)guest_word(w.init, STATUS);
}

/* ---- making them ---- */

static void a_thread_shares_its_process(void **state)
{
	struct task *n = thread_task(w.init, 1, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID);

	assert_ptr_equal(n->p, w.init->p);
	assert_int_not_equal(n->tid, w.init->tid);
	assert_int_equal(guest_word(n, PTID), n->tid);
	assert_int_equal(guest_word(n, CTID), n->tid);
	assert_int_equal(CALL(n, SYS_getpid), 1);
	assert_int_equal(CALL(n, SYS_gettid), n->tid);
	assert_int_equal(arch_sp(&n->cpu.regs), TEST_STACK + PAGES(8));
	assert_ptr_equal(task_files(n), task_files(w.init));
	assert_ptr_equal(task_fs(n), task_fs(w.init));
	assert_int_equal(CALL(w.init, SYS_wait4, (uint64_t)-1, 0, WNOHANG | __WALL), -ECHILD);
	thread_exit(n, 0);
	assert_int_equal(w.init->p->ntasks, 1);
}

static void what_is_not_shared_is_copied(void **state)
{
	long tid = clone_flags(w.init, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD);
	struct task *n = world_next(1), *other;

	assert_true(tid > 0);
	assert_int_equal(task_step(n), TASK_RUN);
	assert_ptr_not_equal(task_files(n), task_files(w.init));
	assert_ptr_not_equal(task_fs(n), task_fs(w.init));
	/* its own threads share them with it */
	other = thread_task(n, 2, 0);
	assert_ptr_equal(task_files(other), task_files(n));
	assert_ptr_equal(task_fs(other), task_fs(n));
	thread_exit(n, 0);
	thread_exit(other, 0);
}

static void the_word_is_cleared_and_who_waits_is_woken(void **state)
{
	struct task *n = thread_task(w.init, 1, CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID);

	CALL_GONE(w.init, SYS_futex, CTID, 0 /* FUTEX_WAIT */, n->tid, 0, 0, 0);
	thread_exit(n, 0);
	assert_int_equal(call_wakes(w.init, 0), 0);
	assert_int_equal(guest_word(w.init, CTID), 0);
}

static void too_many_are_eagain_and_leave_nothing(void **state)
{
	uint64_t used = fake_used(&w.m);

	w.init->p->rlim[RLIMIT_NPROC].rlim_cur = 1;
	assert_int_equal(clone_flags(w.init, THREAD), -EAGAIN);
	w.init->p->rlim[RLIMIT_NPROC].rlim_cur = 100;
	w.k->cfg.mem_limit = 1; /* as few as possible: 64 */
	for (int i = 1; i < 64; i++)
		assert_true(clone_flags(w.init, THREAD) > 0);
	assert_int_equal(clone_flags(w.init, THREAD), -EAGAIN);
	assert_int_equal(w.init->p->ntasks, 64);
	for (int i = 1; i < 64; i++) {
		struct task *n = world_next(0);

		assert_int_equal(task_step(n), TASK_RUN);
		thread_exit(n, 0);
	}
	assert_int_equal(w.init->p->ntasks, 1);
	assert_int_equal(fake_used(&w.m), used);
}

/* ---- the end ---- */

static void the_last_ones_status_counts(void **state)
{
	struct task *a = child_process(1), *b = thread_task(a, 2, 0);
	uint32_t pid = a->tid;

	thread_exit(a, 3);
	assert_int_equal(CALL(w.init, SYS_wait4, pid, STATUS, WNOHANG), 0);
	assert_int_equal(CALL(w.init, SYS_kill, pid, 0), 0);
	assert_int_equal(CALL(b, SYS_getpid), pid);
	assert_int_equal(CALL(w.init, SYS_tgkill, pid, pid, SIGKILL), 0); /* it has ended */
	thread_exit(b, 4);
	assert_int_equal(wait_status(), 4 << 8);
}

static void exit_group_ends_all(void **state)
{
	struct task *a = child_process(1), *b = thread_task(a, 2, 0);

	exit_task(b, 5);
	assert_int_equal(CALL(w.init, SYS_wait4, (uint64_t)-1, STATUS, WNOHANG), 0);
	/* a was in the guest: a kick, and its next step is its last */
	assert_int_equal(task_step(a), TASK_GONE);
	assert_int_equal(wait_status(), 5 << 8);
}

static void the_first_exit_group_wins(void **state)
{
	struct task *a = child_process(1), *b = thread_task(a, 2, 0);

	call_begin(b, SYS_exit, (const uint64_t[6]){1});
	exit_task(a, 6);
	assert_int_equal(task_step(b), TASK_GONE);
	assert_int_equal(wait_status(), 6 << 8);
}

static void a_thread_that_waits_is_woken_to_die(void **state)
{
	struct task *a = child_process(1), *b = thread_task(a, 2, 0);

	CALL_GONE(b, SYS_ppoll);
	exit_task(a, 7);
	assert_ptr_equal(world_next(2), b);
	assert_int_equal(task_step(b), TASK_GONE);
	assert_int_equal(wait_status(), 7 << 8);
}

static void nobody_is_made_after_the_end(void **state)
{
	struct task *a = child_process(1), *b = thread_task(a, 2, 0);

	exit_task(b, 8);
	call_begin(a, SYS_clone, (const uint64_t[6]){THREAD, TEST_STACK + PAGES(8)});
	assert_int_equal(task_step(a), TASK_GONE);
	assert_null(world_next(1));
	assert_int_equal(wait_status(), 8 << 8);
}

/* ---- execve ---- */

static void place_program(struct task *t)
{
	static uint8_t image[4096];
	static const char path[] = "/tmp/program";
	Elf64_Ehdr *eh = (Elf64_Ehdr *)(void *)image;
	Elf64_Phdr *ph = (Elf64_Phdr *)(void *)(image + sizeof(*eh));
	uint64_t argv[2] = {PATH, 0};
	long fd;

	memset(image, 0, sizeof(image));
	memcpy(eh->e_ident, ELFMAG, SELFMAG);
	eh->e_ident[EI_CLASS] = ELFCLASS64;
	eh->e_ident[EI_DATA] = ELFDATA2LSB;
	eh->e_type = ET_EXEC;
	eh->e_machine = (Elf64_Half)arch_exec.elf_machine;
	eh->e_phentsize = sizeof(*ph);
	eh->e_phoff = sizeof(*eh);
	eh->e_phnum = 1;
	eh->e_entry = 0x400800;
	*ph = (Elf64_Phdr){.p_type = PT_LOAD,
			   .p_flags = PF_R | PF_X,
			   .p_vaddr = 0x400000,
			   .p_filesz = 4096,
			   .p_memsz = 4096,
			   .p_align = 4096};
	guest_put(t, IMAGE, image, sizeof(image));
	guest_put(t, PATH, path, sizeof(path));
	guest_put(t, ARGV, argv, sizeof(argv));
	fd = CALL(t, SYS_openat, (uint64_t)AT_FDCWD, PATH, O_CREAT | O_WRONLY, 0755);
	assert_true(fd >= 0);
	assert_int_equal(CALL(t, SYS_write, (uint64_t)fd, IMAGE, sizeof(image)), sizeof(image));
	assert_int_equal(CALL(t, SYS_close, (uint64_t)fd), 0);
}

#define EXEC_ARGS PATH, ARGV, 0

static void assert_new_program(struct task *t, uint32_t pid)
{
	assert_int_equal(arch_pc(&t->cpu.regs), 0x400800);
	assert_int_equal(t->tid, pid);
	assert_int_equal(t->p->pid, pid);
	assert_int_equal(t->p->ntasks, 1);
	assert_null(t->p->exec_task);
	assert_null(t->own_files);
}

static void execve_waits_for_the_others(void **state)
{
	struct task *a, *b;
	uint32_t pid;

	place_program(w.init);
	a = child_process(1);
	pid = a->tid;
	b = thread_task(a, 2, 0);
	CALL_GONE(a, SYS_execve, EXEC_ARGS);
	assert_null(world_next(1));
	/* b computes; it is kicked, and ends */
	assert_int_equal(task_step(b), TASK_GONE);
	assert_ptr_equal(world_next(1), a);
	assert_int_equal(task_step(a), TASK_RUN);
	assert_new_program(a, pid);
	exit_task(a, 0);
}

static void execve_of_another_thread_takes_the_process(void **state)
{
	struct task *a, *b;
	uint32_t pid, tid;

	place_program(w.init);
	a = child_process(1);
	pid = a->tid;
	b = thread_task(a, 2, 0);
	tid = b->tid;
	CALL_GONE(a, SYS_ppoll);
	CALL_GONE(b, SYS_execve, EXEC_ARGS);
	assert_ptr_equal(world_next(1), a); /* woken to die */
	assert_int_equal(task_step(a), TASK_GONE);
	assert_ptr_equal(world_next(2), b);
	assert_int_equal(task_step(b), TASK_RUN);
	assert_new_program(b, pid);
	assert_int_equal(CALL(w.init, SYS_tkill, tid, 0), -ESRCH);
	assert_int_equal(CALL(w.init, SYS_tkill, pid, 0), 0);
	exit_task(b, 9);
	assert_int_equal(wait_status(), 9 << 8);
}

static void execve_after_the_first_task_has_ended(void **state)
{
	struct task *a, *b;
	uint32_t pid;

	place_program(w.init);
	a = child_process(1);
	pid = a->tid;
	b = thread_task(a, 2, 0);
	thread_exit(a, 0);
	call_begin(b, SYS_execve, (const uint64_t[6]){EXEC_ARGS});
	assert_int_equal(task_step(b), TASK_RUN);
	assert_new_program(b, pid);
	exit_task(b, 0);
}

/* The other one leaves between our look and our block. */
static void the_last_exit_before_the_block_is_seen(void **state)
{
	struct task *a, *b;
	uint32_t pid;

	place_program(w.init);
	a = child_process(1);
	pid = a->tid;
	b = thread_task(a, 2, 0);
	call_begin(a, SYS_execve, (const uint64_t[6]){EXEC_ARGS});
	sched_prepare(&a->st);
	assert_int_equal(syscall_dispatch(a, &a->call), -EBLOCKED);
	assert_int_equal(task_step(b), TASK_GONE);
	assert_false(sched_block(&a->st));
	assert_int_equal(task_step(a), TASK_RUN);
	assert_new_program(a, pid);
	exit_task(a, 0);
}

static void of_two_in_execve_one_dies(void **state)
{
	struct task *a, *b;
	uint32_t pid;

	place_program(w.init);
	a = child_process(1);
	pid = a->tid;
	b = thread_task(a, 2, 0);
	CALL_GONE(a, SYS_execve, EXEC_ARGS);
	CALL_GONE(b, SYS_execve, EXEC_ARGS);
	assert_ptr_equal(world_next(1), a);
	assert_int_equal(task_step(a), TASK_RUN);
	assert_new_program(a, pid);
	exit_task(a, 0);
}

static void death_ends_a_waiting_execve(void **state)
{
	struct task *a, *b;

	place_program(w.init);
	a = child_process(1);
	b = thread_task(a, 2, 0);
	CALL_GONE(a, SYS_execve, EXEC_ARGS);
	assert_int_equal(CALL(w.init, SYS_kill, a->p->pid, SIGKILL), 0);
	assert_ptr_equal(world_next(1), a);
	assert_int_equal(task_step(a), TASK_GONE);
	assert_int_equal(task_step(b), TASK_GONE);
	assert_int_equal(wait_status(), SIGKILL);
}

static void a_failed_execve_hurts_nobody(void **state)
{
	struct task *a = child_process(1), *b = thread_task(a, 2, 0);
	static const char path[] = "/no/such";

	guest_put(a, PATH, path, sizeof(path));
	assert_int_equal(CALL(a, SYS_execve, PATH, 0, 0), -ENOENT);
	assert_int_equal(a->p->ntasks, 2);
	assert_int_equal(CALL(b, SYS_getpid), a->p->pid);
	exit_task(a, 0);
	assert_int_equal(task_step(b), TASK_GONE);
}

/* ---- signals ---- */

static void the_process_finds_who_does_not_block(void **state)
{
	struct task *a = w.init, *b = thread_task(a, 1, 0);

	set_action(a, SIGUSR1, HANDLER, 0, 0);
	set_mask(a, SIG_BLOCK, SIGMASK(SIGUSR1));
	CALL_GONE(b, SYS_ppoll);
	assert_int_equal(CALL(a, SYS_kill, 1, SIGUSR1), 0);
	assert_int_equal(arch_pc(&a->cpu.regs) == HANDLER, false);
	assert_ptr_equal(world_next(1), b);
	assert_int_equal(task_step(b), TASK_RUN);
	assert_int_equal(arch_pc(&b->cpu.regs), HANDLER);
	thread_exit(b, 0);
}

static void who_blocks_it_hands_it_on(void **state)
{
	struct task *a = w.init, *b = thread_task(a, 1, 0);
	uint64_t mask = SIGMASK(SIGUSR1);

	set_action(a, SIGUSR1, HANDLER, 0, 0);
	/* a, the first, is to take it, but blocks it before it looks */
	kernel_signal_init(w.k, SIGUSR1);
	signal_set_mask(a, mask);
	assert_int_equal(task_step(a), TASK_RUN);
	assert_int_equal(arch_pc(&a->cpu.regs) == HANDLER, false);
	assert_int_equal(task_step(b), TASK_RUN);
	assert_int_equal(arch_pc(&b->cpu.regs), HANDLER);
	thread_exit(b, 0);
}

static void who_dies_hands_it_on(void **state)
{
	struct task *a = child_process(1), *b, *c;

	set_action(a, SIGUSR1, HANDLER, 0, 0);
	b = thread_task(a, 2, 0);
	set_mask(b, SIG_BLOCK, SIGMASK(SIGUSR1));
	c = thread_task(a, 0, 0);
	CALL_GONE(c, SYS_ppoll);
	call_begin(a, SYS_exit, (const uint64_t[6]){0});
	assert_int_equal(
		signal_send_process(a->p, SIGUSR1, &(struct siginfo_k){.si_signo = SIGUSR1}), 0);
	assert_int_equal(task_step(a), TASK_GONE);
	/* not b, which blocks it */
	assert_ptr_equal(world_next(0), c);
	assert_int_equal(task_step(c), TASK_RUN);
	assert_int_equal(arch_pc(&c->cpu.regs), HANDLER);
	exit_task(c, 0);
	assert_int_equal(task_step(b), TASK_GONE);
}

static void what_another_took_does_not_interrupt(void **state)
{
	struct task *a = w.init, *b = thread_task(a, 1, 0);

	set_action(a, SIGUSR1, HANDLER, 0, 0);
	kernel_signal_init(w.k, SIGUSR1);
	/* b has been told, too, but a was first */
	pthread_mutex_lock(&b->p->siglock);
	signal_notify_locked(b);
	pthread_mutex_unlock(&b->p->siglock);
	assert_int_equal(task_step(a), TASK_RUN);
	assert_int_equal(arch_pc(&a->cpu.regs), HANDLER);
	call_begin(b, SYS_ppoll, (const uint64_t[6]){0});
	assert_int_equal(task_step(b), TASK_GONE);
	assert_null(world_next(1));
}

static void a_stop_is_complete_when_all_have_joined(void **state)
{
	struct task *a = child_process(1), *b = thread_task(a, 2, 0);
	uint32_t pid = a->tid;

	assert_int_equal(CALL(w.init, SYS_kill, pid, SIGSTOP), 0);
	assert_int_equal(task_step(a), TASK_GONE);
	assert_int_equal(CALL(w.init, SYS_wait4, pid, STATUS, WNOHANG | WUNTRACED), 0);
	assert_int_equal(task_step(b), TASK_GONE);
	assert_int_equal(CALL(w.init, SYS_wait4, pid, STATUS, WNOHANG | WUNTRACED), pid);
	assert_int_equal(CALL(w.init, SYS_kill, pid, SIGCONT), 0);
	assert_ptr_equal(world_next(1), a);
	assert_ptr_equal(world_next(2), b);
	assert_int_equal(task_step(a), TASK_RUN);
	assert_int_equal(task_step(b), TASK_RUN);
	exit_task(a, 0);
	assert_int_equal(task_step(b), TASK_GONE);
}

static void who_ends_completes_a_stop(void **state)
{
	struct task *a = child_process(1), *b = thread_task(a, 2, 0);
	uint32_t pid = a->tid;

	call_begin(b, SYS_exit, (const uint64_t[6]){0});
	assert_int_equal(CALL(w.init, SYS_kill, pid, SIGSTOP), 0);
	assert_int_equal(task_step(a), TASK_GONE);
	assert_int_equal(task_step(b), TASK_GONE); /* ends instead of stopping */
	assert_int_equal(CALL(w.init, SYS_wait4, pid, STATUS, WNOHANG | WUNTRACED), pid);
	assert_int_equal(CALL(w.init, SYS_kill, pid, SIGKILL), 0);
	assert_ptr_equal(world_next(1), a);
	assert_int_equal(task_step(a), TASK_GONE);
	assert_int_equal(wait_status(), SIGKILL);
}

static void a_thread_of_a_stopping_process_stops(void **state)
{
	struct task *a = child_process(1), *b = thread_task(a, 2, 0), *c;
	uint32_t pid = a->tid;

	/* a has made a thread, which has not run yet, when the stop begins */
	call_begin(a, SYS_clone, (const uint64_t[6]){THREAD, TEST_STACK + PAGES(8)});
	sched_prepare(&a->st);
	assert_true(syscall_dispatch(a, &a->call) > 0);
	call_finish(a, &a->call);
	a->in_call = false;
	assert_int_equal(CALL(w.init, SYS_kill, pid, SIGSTOP), 0);
	assert_int_equal(task_step(a), TASK_GONE);
	assert_int_equal(task_step(b), TASK_GONE);
	assert_int_equal(CALL(w.init, SYS_wait4, pid, STATUS, WNOHANG | WUNTRACED), 0);
	c = world_next(1);
	assert_non_null(c);
	assert_int_equal(task_step(c), TASK_GONE);
	assert_int_equal(CALL(w.init, SYS_wait4, pid, STATUS, WNOHANG | WUNTRACED), pid);
}

static void a_child_of_any_thread_is_the_processes(void **state)
{
	struct task *b = thread_task(w.init, 1, 0), *child = fork_task(b, 2);
	uint32_t pid = child->tid;

	assert_int_equal(child->p->ntasks, 1);
	assert_ptr_equal(child->p->parent, w.init->p);
	thread_exit(b, 0);
	exit_task(child, 2);
	assert_int_equal(CALL(w.init, SYS_wait4, pid, STATUS, WNOHANG), pid);
}

#define ONE(f)   cmocka_unit_test_setup_teardown(f, one_cpu, tear_down)
#define THREE(f) cmocka_unit_test_setup_teardown(f, three_cpus, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		THREE(a_thread_shares_its_process),
		THREE(what_is_not_shared_is_copied),
		THREE(the_word_is_cleared_and_who_waits_is_woken),
		ONE(too_many_are_eagain_and_leave_nothing),
		THREE(the_last_ones_status_counts),
		THREE(exit_group_ends_all),
		THREE(the_first_exit_group_wins),
		THREE(a_thread_that_waits_is_woken_to_die),
		THREE(nobody_is_made_after_the_end),
		THREE(execve_waits_for_the_others),
		THREE(execve_of_another_thread_takes_the_process),
		THREE(execve_after_the_first_task_has_ended),
		THREE(the_last_exit_before_the_block_is_seen),
		THREE(of_two_in_execve_one_dies),
		THREE(death_ends_a_waiting_execve),
		THREE(a_failed_execve_hurts_nobody),
		THREE(the_process_finds_who_does_not_block),
		THREE(who_blocks_it_hands_it_on),
		THREE(who_dies_hands_it_on),
		THREE(what_another_took_does_not_interrupt),
		THREE(a_stop_is_complete_when_all_have_joined),
		THREE(who_ends_completes_a_stop),
		THREE(a_thread_of_a_stopping_process_stops),
		THREE(a_child_of_any_thread_is_the_processes),
	};

	return cmocka_run_group_tests_name("linux_thread", tests, NULL, NULL);
}
