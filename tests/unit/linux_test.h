/*
 * What the tests of vmm/linux share: a kernel whose tasks have memory but no code. The test owns
 * the tasks like a vCPU thread would: it puts a system call into one, steps it, and says who runs
 * next, so that every race happens in the order that the test writes down.
 */
#ifndef VMBOX_TESTS_LINUX_TEST_H
#define VMBOX_TESTS_LINUX_TEST_H

#include "paging_fake.h"

#include "../../vmm/linux/process.h"
#include "../../vmm/linux/syscalls.h"
#include "../../vmm/linux/vfs.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define TEST_STACK     0x20000000UL
#define TEST_STACK_TOP (TEST_STACK + PAGES(16))
#define TEST_DATA      0x10000000UL
#define TEST_CODE      0x00400000UL
#define TEST_FPU_SIZE  1024

struct linux_world {
	struct fake_machine m;
	struct reactor *reactor;
	struct sched *sched;
	struct kernel *k;
	struct task *init; /* owned by the test after world_open, as if it ran on vCPU 0 */
	bool halted;
	uint8_t fpu_init[TEST_FPU_SIZE];
};

static struct linux_world w;

static inline void world_kick(void *arg, unsigned cpu)
{
	(void)arg;
	(void)cpu;
}

static inline void world_halt(void *arg)
{
	((struct linux_world *)arg)->halted = true;
}

/* The task that vCPU `cpu` would run now, or NULL. */
static inline struct task *world_next(unsigned cpu)
{
	struct sched_task *st = sched_next(w.sched, cpu, false);

	return st ? container_of(st, struct task, st) : NULL;
}

static inline struct mm *world_mm(void)
{
	struct mm *mm;

	assert_int_equal(mm_create(w.m.gm, &mm), 0);
	assert_int_equal(fake_map(mm, TEST_STACK, 16, RW, NULL, 0), 0);
	assert_int_equal(fake_map(mm, TEST_DATA, 16, RW, NULL, 0), 0);
	return mm;
}

static inline void world_open_cpus(unsigned cpus)
{
	struct kernel_config cfg = {
		.cpus = cpus,
		.uid = 1000,
		.gid = 1000,
		.fpu_size = TEST_FPU_SIZE,
		.fpu_init = w.fpu_init,
		.sigframe_fpu_size = 832,
		.hostname = "test",
	};
	struct process *p;

	w = (struct linux_world){0};
	fake_init(&w.m, 64UL << 20, false);
	w.reactor = reactor_create();
	assert_non_null(w.reactor);
	w.sched = sched_create(cpus, reactor_timers(w.reactor), world_kick, &w);
	assert_non_null(w.sched);
	assert_int_equal(kernel_create(w.m.gm, w.sched, w.reactor, &cfg, NULL, NULL, &w.k), 0);
	w.k->on_halt = world_halt;
	w.k->halt_arg = &w;
	assert_int_equal(process_create(w.k, NULL, &p, &w.init), 0);
	p->mm = world_mm();
	p->files = fdtable_create(64);
	p->fs = fs_context_create(w.k);
	p->sighand = sighand_create();
	assert_non_null(p->files);
	assert_non_null(p->fs);
	assert_non_null(p->sighand);
	arch_start_thread(&w.init->cpu, TEST_CODE, TEST_STACK_TOP - 256);
	process_start(p, w.init);
	assert_ptr_equal(world_next(0), w.init);
}

static inline void world_close(void)
{
	sched_stop(w.sched);
	kernel_destroy(w.k);
	sched_destroy(w.sched);
	reactor_destroy(w.reactor);
	fake_exit(&w.m);
}

/* Puts a call into t, as if it had just trapped. */
static inline void call_begin(struct task *t, long nr, const uint64_t a[6])
{
	t->call.nr = t->trap_nr = (unsigned)nr;
	memcpy(t->call.args, a, sizeof(t->call.args));
	t->in_call = true;
}

/* The result register is the first of both architectures' struct uregs. */
static inline long call_result(const struct task *t)
{
	int64_t r;

	memcpy(&r, &t->cpu.regs, sizeof(r));
	return r;
}

/* Runs a call that neither blocks nor ends the task. */
#define CALL(t, nr, ...) call_run(t, nr, (const uint64_t[6]){__VA_ARGS__})
static inline long call_run(struct task *t, long nr, const uint64_t a[6])
{
	call_begin(t, nr, a);
	assert_int_equal(task_step(t), TASK_RUN);
	return call_result(t);
}

/* Runs a call that blocks, yields or ends the task. */
#define CALL_GONE(t, nr, ...) call_gone(t, nr, (const uint64_t[6]){__VA_ARGS__})
static inline void call_gone(struct task *t, long nr, const uint64_t a[6])
{
	call_begin(t, nr, a);
	assert_int_equal(task_step(t), TASK_GONE);
}

/* t, which had blocked, is the next on vCPU `cpu`; goes on with it to the call's end. */
static inline long call_wakes(struct task *t, unsigned cpu)
{
	assert_ptr_equal(world_next(cpu), t);
	assert_int_equal(task_step(t), TASK_RUN);
	return call_result(t);
}

/* A child of t, owned by the test as if it ran on vCPU `cpu`. */
static inline struct task *fork_task(struct task *t, unsigned cpu)
{
	long pid = CALL(t, SYS_clone, SIGCHLD);
	struct task *child;

	assert_true(pid > 0);
	child = world_next(cpu);
	assert_non_null(child);
	assert_int_equal(child->p->pid, pid);
	assert_int_equal(task_step(child), TASK_RUN);
	assert_int_equal(call_result(child), 0);
	return child;
}

static inline void exit_task(struct task *t, int code)
{
	CALL_GONE(t, SYS_exit_group, (uint64_t)code);
}

static inline uint32_t guest_word(struct task *t, uint64_t a)
{
	uint32_t v = 0;

	assert_int_equal(copy_from_guest(t->p->mm, &v, gva(a), sizeof(v)), 0);
	return v;
}

static inline void guest_put(struct task *t, uint64_t a, const void *p, size_t n)
{
	assert_int_equal(copy_to_guest(t->p->mm, gva(a), p, n), 0);
}

#define HANDLER  0x00401000UL
#define RESTORER 0x00402000UL

static inline void set_action(struct task *t, int sig, uint64_t handler, uint64_t flags,
			      uint64_t mask)
{
	struct sigaction_k act = {.handler = handler,
				  .flags = flags | 0x04000000,
				  .restorer = RESTORER,
				  .mask = mask};

	guest_put(t, TEST_DATA + 0x800, &act, sizeof(act));
	assert_int_equal(CALL(t, SYS_rt_sigaction, (uint64_t)sig, TEST_DATA + 0x800, 0, 8), 0);
}

static inline void set_mask(struct task *t, int how, uint64_t mask)
{
	guest_put(t, TEST_DATA + 0x900, &mask, sizeof(mask));
	assert_int_equal(CALL(t, SYS_rt_sigprocmask, (uint64_t)how, TEST_DATA + 0x900, 0, 8), 0);
}

#endif
