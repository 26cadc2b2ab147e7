/* Restartable sequences: what a task's area says, and when it is led out of a section. */
#include "linux_test.h"

#include "../../vmm/linux/rewrite.h"

#define AREA  (TEST_DATA + 0x400)
#define CS    (TEST_DATA + 0x500)
#define START (TEST_DATA + 0x1000)
#define END   (START + 0x40)
#define ABORT (TEST_DATA + 0x1100)
#define SIG   0x53053053U

#define OTHER_STACK (TEST_STACK + PAGES(8))

static void enter_section(struct task *t, uint32_t sig)
{
	const struct {
		uint32_t version, flags;
		uint64_t start, length, abort;
	} cs = {0, 0, START, END - START, ABORT};
	const uint64_t at = CS;

	guest_put(t, CS, &cs, sizeof(cs));
	guest_put(t, ABORT - 4, &sig, sizeof(sig));
	guest_put(t, AREA + 8, &at, sizeof(at));
	arch_set_pc(&t->cpu.regs, START + 4);
	task_trap(t, &(struct trap){.kind = TRAP_KICK});
	assert_int_equal(task_step(t), TASK_RUN);
}

static void register_at(struct task *t, uint64_t area)
{
	assert_int_equal(CALL(t, SYS_rseq, area, 32, 0, SIG), 0);
}

static void assert_ids(struct task *t, uint64_t area, uint32_t cpu, uint32_t cid)
{
	assert_int_equal(guest_word(t, area), cpu);
	assert_int_equal(guest_word(t, area + 4), cpu);
	assert_int_equal(guest_word(t, area + 20), 0);
	assert_int_equal(guest_word(t, area + 24), cid);
}

/* t loses its vCPU and is the next one on `cpu`. */
static void move(struct task *t, unsigned cpu)
{
	task_yield(t);
	assert_ptr_equal(world_next(cpu), t);
	assert_int_equal(task_step(t), TASK_RUN);
}

static void test_ids(void **state)
{
	struct task *child;

	world_open_cpus(2);
	register_at(w.init, AREA);
	assert_ids(w.init, AREA, 0, 0);
	assert_int_equal(sched_set_affinity(&w.init->st, 2), 0);
	move(w.init, 1);
	assert_ids(w.init, AREA, 1, 0);
	assert_int_equal(sched_set_affinity(&w.init->st, 3), 0);
	/* A child has the same area, in memory of its own. */
	child = fork_task(w.init, 0);
	assert_ids(child, AREA, 0, 0);
	assert_ids(w.init, AREA, 1, 0);
	assert_int_equal(CALL(child, SYS_rseq, AREA, 32, 1, SIG), 0);
	assert_ids(w.init, AREA, 1, 0);
	assert_int_equal(guest_word(child, AREA + 4), UINT32_MAX);
	world_close();
}

/* One that is answered in the guest has been told all the same. */
static void test_answered(void **state)
{
	const uint64_t args[6] = {AREA, 32, 0, SIG};
	long r = 77;

	world_open_cpus(1);
	assert_int_equal(task_call(w.init, SYS_rseq, args, TEST_CODE, &r), TASK_ANSWERED);
	assert_int_equal(r, 0);
	assert_ids(w.init, AREA, 0, 0);
	world_close();
}

static void test_sections(void **state)
{
	world_open_cpus(1);
	register_at(w.init, AREA);
	/* A kick is no reason. */
	enter_section(w.init, SIG);
	assert_int_equal(arch_pc(&w.init->cpu.regs), START + 4);
	assert_int_equal(guest_word(w.init, AREA + 8), CS);
	/* Another task's turn is. */
	move(w.init, 0);
	assert_int_equal(arch_pc(&w.init->cpu.regs), ABORT);
	assert_int_equal(guest_word(w.init, AREA + 8), 0);
	/* So is membarrier, once the task leaves the guest. */
	enter_section(w.init, SIG);
	rseq_restart_all(w.init);
	task_trap(w.init, &(struct trap){.kind = TRAP_KICK});
	assert_int_equal(task_step(w.init), TASK_RUN);
	assert_int_equal(arch_pc(&w.init->cpu.regs), ABORT);
	/* Behind a section there is nothing to abort; it is left, though. */
	enter_section(w.init, SIG);
	arch_set_pc(&w.init->cpu.regs, END);
	move(w.init, 0);
	assert_int_equal(arch_pc(&w.init->cpu.regs), END);
	assert_int_equal(guest_word(w.init, AREA + 8), 0);
	world_close();
}

static void test_signal(void **state)
{
	struct siginfo_k info = {.si_signo = SIGUSR1};

	world_open_cpus(1);
	register_at(w.init, AREA);
	set_action(w.init, SIGUSR1, HANDLER, 0, 0);
	enter_section(w.init, SIG);
	assert_int_equal(signal_send_task(w.init, SIGUSR1, &info), 0);
	assert_int_equal(task_step(w.init), TASK_RUN);
	assert_int_equal(arch_pc(&w.init->cpu.regs), HANDLER);
	assert_int_equal(guest_word(w.init, AREA + 8), 0);
	world_close();
}

/* SIGSEGV. */
static void test_wrong(void **state)
{
	struct task *child;

	world_open_cpus(2);
	register_at(w.init, AREA);
	child = fork_task(w.init, 1);
	enter_section(child, SIG + 1);
	task_yield(child);
	assert_ptr_equal(world_next(1), child);
	assert_int_equal(task_step(child), TASK_GONE);
	child = fork_task(w.init, 1);
	assert_int_equal(mm_munmap(child->p->mm, TEST_DATA, PAGE_SIZE), 0);
	task_yield(child);
	assert_ptr_equal(world_next(1), child);
	/* It is where it was: nothing is written. */
	assert_int_equal(task_step(child), TASK_RUN);
	assert_int_equal(sched_set_affinity(&child->st, 1), 0);
	task_yield(child);
	task_yield(w.init);
	while (world_next(0) != child) {
		assert_int_equal(task_step(w.init), TASK_RUN);
		task_yield(w.init);
	}
	assert_int_equal(task_step(child), TASK_GONE);
	world_close();
}

/* Of tasks that run at the same time each has another id, and they are the smallest. */
static void test_cids(void **state)
{
	struct task *n;
	long tid;

	world_open_cpus(2);
	register_at(w.init, AREA);
	tid = CALL(w.init, SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, OTHER_STACK);
	assert_true(tid > 0);
	n = world_next(1);
	assert_int_equal(n->tid, tid);
	assert_int_equal(task_step(n), TASK_RUN);
	/* The area is its maker's alone. */
	assert_int_equal(CALL(n, SYS_rseq, AREA, 32, 1, SIG), -EINVAL);
	register_at(n, AREA + 64);
	assert_ids(w.init, AREA, 0, 0);
	assert_ids(n, AREA + 64, 1, 1);
	/* It keeps its own, free or not. */
	move(n, 1);
	assert_ids(n, AREA + 64, 1, 1);
	task_yield(w.init);
	move(n, 1);
	assert_ids(n, AREA + 64, 1, 1);
	assert_ptr_equal(world_next(0), w.init);
	assert_int_equal(task_step(w.init), TASK_RUN);
	assert_ids(w.init, AREA, 0, 0);
	/* Who remains is the first. */
	CALL_GONE(w.init, SYS_exit, 0);
	move(n, 1);
	assert_ids(n, AREA + 64, 1, 0);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),      cmocka_unit_test(test_answered),
		cmocka_unit_test(test_sections), cmocka_unit_test(test_signal),
		cmocka_unit_test(test_wrong),    cmocka_unit_test(test_cids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
