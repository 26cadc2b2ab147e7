/* task_call: calls that another thread makes for a task that is in the guest. */
#include "linux_test.h"

#define REMOTE(t, nr, result, ...) remote(t, nr, result, (const uint64_t[6]){__VA_ARGS__})

static enum task_answer remote(struct task *t, long nr, long *result, const uint64_t a[6])
{
	return task_call(t, (unsigned)nr, a, TEST_CODE, result);
}

static void make_pipe(struct task *t, uint32_t fd[2])
{
	assert_int_equal(CALL(t, SYS_pipe2, TEST_DATA, 0), 0);
	fd[0] = guest_word(t, TEST_DATA);
	fd[1] = guest_word(t, TEST_DATA + 4);
}

static void test_answered(void **state)
{
	uint32_t fd[2];
	long r = 0;

	world_open_cpus(1);
	assert_int_equal(REMOTE(w.init, SYS_getpid, &r, 0), TASK_ANSWERED);
	assert_int_equal(r, w.init->p->pid);
	assert_int_equal(REMOTE(w.init, 5000, &r, 0), TASK_ANSWERED);
	assert_int_equal(r, -ENOSYS);
	make_pipe(w.init, fd);
	assert_int_equal(REMOTE(w.init, SYS_write, &r, fd[1], TEST_DATA, 3), TASK_ANSWERED);
	assert_int_equal(r, 3);
	assert_int_equal(REMOTE(w.init, SYS_read, &r, fd[0], TEST_DATA, 8), TASK_ANSWERED);
	assert_int_equal(r, 3);
	/* Nothing is left for the next step. */
	assert_int_equal(task_step(w.init), TASK_RUN);
	world_close();
}

/* Those that need the registers are not begun; nor those that the vCPU has to leave for. */
static void test_declined(void **state)
{
	static const long calls[] = {SYS_exit, SYS_exit_group, SYS_membarrier, SYS_execve,
				     SYS_execveat}; /* it is PID 1 */
	static const long whole[] = {SYS_rt_sigreturn, SYS_sigaltstack, SYS_sched_yield,
				     SYS_rt_sigsuspend};
	long r = 77;

	world_open_cpus(1);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		assert_int_equal(REMOTE(w.init, calls[i], &r, 0), TASK_DECLINED);
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		assert_int_equal(REMOTE(w.init, whole[i], &r, 0), TASK_WHOLE);
	/* Page tables are the processor's here: a fork need not leave. */
	assert_int_equal(REMOTE(w.init, SYS_clone, &r, 0), TASK_LONG);
	assert_int_equal(REMOTE(w.init, SYS_clone3, &r, 0), TASK_LONG);
	assert_int_equal(REMOTE(w.init, SYS_clone, &r, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD),
			 TASK_WHOLE);
	assert_int_equal(r, 77);
	assert_false(w.init->in_call);
	world_close();
}

/* A call that blocks goes on by task_step, which does not run the handler again at once. */
static void test_waits(void **state)
{
	struct task *child;
	uint32_t fd[2];
	long r = 0;

	world_open_cpus(2);
	make_pipe(w.init, fd);
	child = fork_task(w.init, 1);
	assert_int_equal(REMOTE(w.init, SYS_read, &r, fd[0], TEST_DATA, 8), TASK_WAITS);
	/* It cannot begin another before that is finished. */
	assert_int_equal(REMOTE(w.init, SYS_getpid, &r, 0), TASK_DECLINED);
	/* Nor does a second trap lose it. */
	task_trap(w.init, &(struct trap){.kind = TRAP_SYSCALL});
	assert_int_equal(w.init->call.nr, SYS_read);
	assert_int_equal(task_step(w.init), TASK_GONE);
	assert_true(sched_is_blocked(&w.init->st));
	assert_int_equal(CALL(child, SYS_write, fd[1], TEST_DATA, 5), 5);
	assert_int_equal(call_wakes(w.init, 0), 5);

	/* Woken between the handler and the step: no wake is lost. */
	assert_int_equal(REMOTE(w.init, SYS_read, &r, fd[0], TEST_DATA, 8), TASK_WAITS);
	assert_int_equal(CALL(child, SYS_write, fd[1], TEST_DATA, 2), 2);
	assert_int_equal(task_step(w.init), TASK_RUN);
	assert_int_equal(call_result(w.init), 2);
	exit_task(child, 0);
	world_close();
}

/* With a signal pending the task leaves the guest: before the call, or with its result. */
static void test_signals(void **state)
{
	struct task *t;
	uint32_t fd[2];
	long r = 0;

	world_open_cpus(1);
	t = w.init;
	set_action(t, SIGUSR1, HANDLER, 0, 0);
	make_pipe(t, fd);
	assert_int_equal(REMOTE(t, SYS_kill, &r, t->p->pid, SIGUSR1), TASK_LEAVES);
	assert_int_equal(r, 0);
	/* The next has to wait for the handler, and that needs the registers. */
	assert_int_equal(REMOTE(t, SYS_getpid, &r, 0), TASK_WHOLE);
	assert_int_equal(task_step_in_guest(t), TASK_RUN);
	assert_int_equal(arch_pc(&t->cpu.regs), HANDLER);

	/* While it waits: interrupted, as any call. */
	assert_int_equal(REMOTE(t, SYS_read, &r, fd[0], TEST_DATA, 8), TASK_WAITS);
	assert_int_equal(
		signal_send_process(t->p, SIGUSR2, &(struct siginfo_k){.si_signo = SIGUSR2}), 0);
	assert_int_equal(task_step(t), TASK_GONE); /* by default it kills */
	world_close();
}

/* A process that has much to free does not end while its vCPU is in the guest. */
static void test_must_leave(void **state)
{
	struct mm_map much = {.len = 16 << 20, .flags = VMA_READ | VMA_WRITE};
	struct process *p;
	struct task *child;
	uint64_t at;
	long r;

	world_open_cpus(2);
	child = fork_task(w.init, 1);
	assert_int_equal(mm_mmap(task_mm(child), &much, &at), 0);
	for (uint64_t i = 0; i < much.len; i += PAGE_SIZE)
		assert_int_equal(copy_to_guest(task_mm(child), gva(at + i), "x", 1), 0);
	assert_int_equal(REMOTE(child, SYS_exit_group, &r, 0), TASK_DECLINED);
	signal_send_process(child->p, SIGKILL, &(struct siginfo_k){.si_signo = SIGKILL});
	assert_int_equal(task_step_in_guest(child), TASK_MUST_LEAVE);
	assert_int_equal(task_step_in_guest(child), TASK_MUST_LEAVE);
	assert_false(child->p->life == LIFE_ZOMBIE);
	assert_int_equal(task_step(child), TASK_GONE);

	/* Any other does. */
	child = fork_task(w.init, 1);
	p = child->p;
	assert_int_equal(REMOTE(child, SYS_exit_group, &r, 0), TASK_LONG);
	assert_int_equal(REMOTE(child, SYS_execve, &r, 0), TASK_LONG);
	call_begin(child, SYS_exit_group, (const uint64_t[6]){0});
	assert_int_equal(task_step_in_guest(child), TASK_GONE);
	assert_int_equal(p->life, LIFE_ZOMBIE);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answered),   cmocka_unit_test(test_declined),
		cmocka_unit_test(test_waits),      cmocka_unit_test(test_signals),
		cmocka_unit_test(test_must_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
