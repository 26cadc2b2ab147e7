/*
 * A kernel with one process and one task, without VFS or vCPU: for tests that call handlers
 * themselves.
 */
#ifndef VMBOX_TESTS_LINUX_FAKE_H
#define VMBOX_TESTS_LINUX_FAKE_H

#include "paging_fake.h"

#include "../../vmm/linux/stats.h"
#include "../../vmm/linux/syscalls.h"
#include "../../vmm/linux/task.h"
#include "../../vmm/linux/trace.h"

#define FAKE_BASE                                                                                  \
	0x10000000UL /* a page that the guest may read and write, then one it may only read, then  \
			none */

struct fake_kernel {
	struct fake_machine m;
	struct kernel k;
	struct process p;
	struct task t;
	int trace_fd[2]; /* the read end first; -1: no trace */
	int64_t timer_deadline;
};

static inline void fake_rearm(void *arg, int64_t deadline)
{
	((struct fake_kernel *)arg)->timer_deadline = deadline;
}

static inline void fake_kick(void *arg, unsigned cpu)
{
	(void)arg;
	(void)cpu;
}

/* The task is RUNNING: the test's thread owns it. */
static inline void fake_kernel_init(struct fake_kernel *f, bool trace)
{
	struct sched_task *st;

	memset(f, 0, sizeof(*f));
	f->trace_fd[0] = f->trace_fd[1] = -1;
	fake_init(&f->m, 32UL << 20, true);
	f->k.gm = f->m.gm;
	f->k.timers = timers_create(fake_rearm, f);
	f->k.sched = sched_create(1, f->k.timers, fake_kick, f);
	f->k.registry = registry_create(100);
	f->k.stats = stats_create();
	f->k.boot_time = core_now();
	f->k.cfg.platform = "test";
	TAILQ_INIT(&f->k.processes);
	TAILQ_INIT(&f->k.ended_early);
	pthread_mutex_init(&f->k.tree_lock, NULL);
	if (trace) {
		assert_int_equal(pipe2(f->trace_fd, O_CLOEXEC | O_NONBLOCK), 0);
		f->k.trace = trace_create(f->trace_fd[1]);
	}

	f->p.k = &f->k;
	atomic_init(&f->p.refs, 1);
	TAILQ_INIT(&f->p.children);
	TAILQ_INIT(&f->p.tasks);
	pthread_mutex_init(&f->p.lock, NULL);
	pthread_mutex_init(&f->p.siglock, NULL);
	cpu_timers_init(&f->p);
	waitq_init(&f->p.child_wait);
	waitq_init(&f->p.vfork_wait);
	waitq_init(&f->p.exit_wait);
	waitq_init(&f->p.signal_wait);
	for (int i = 0; i < RLIM_NLIMITS; i++)
		f->p.rlim[i].rlim_cur = f->p.rlim[i].rlim_max = UINT64_MAX;
	f->p.rlim[RLIMIT_STACK].rlim_cur = 8UL << 20;
	f->p.pid = (uint32_t)registry_create_process(f->k.registry, 0);
	registry_set_owner(f->k.registry, f->p.pid, &f->p);
	f->p.life = LIFE_RUNNING;
	cred_init_caps(&f->p.cred);
	f->p.files = fdtable_create(64);
	assert_int_equal(mm_create(f->m.gm, &f->p.mm), 0);
	assert_int_equal(fake_map(f->p.mm, FAKE_BASE, 1, RW, NULL, 0), 0);
	assert_int_equal(fake_map(f->p.mm, FAKE_BASE + PAGE_SIZE, 1, VMA_READ, NULL, 0), 0);

	f->t.p = &f->p;
	f->t.k = &f->k;
	f->t.tid = f->p.pid;
	TAILQ_INSERT_TAIL(&f->p.tasks, &f->t, thread);
	TAILQ_INSERT_TAIL(&f->k.processes, &f->p, all);
	sched_task_init(&f->t.st, f->k.sched);
	sched_start(&f->t.st);
	st = sched_next(f->k.sched, 0, false);
	assert_ptr_equal(st, &f->t.st);
	sched_prepare(&f->t.st);
}

static inline void fake_kernel_exit(struct fake_kernel *f)
{
	cpu_timers_exit(&f->p);
	call_finish(&f->t, &f->t.call);
	free(f->t.restart_call);
	sched_exit(&f->t.st);
	sched_task_fini(&f->t.st);
	fdtable_put(f->p.files);
	mm_put(f->p.mm);
	waitq_destroy(&f->p.child_wait);
	waitq_destroy(&f->p.vfork_wait);
	waitq_destroy(&f->p.exit_wait);
	waitq_destroy(&f->p.signal_wait);
	if (f->k.trace)
		trace_destroy(f->k.trace);
	for (int i = 0; i < 2; i++)
		if (f->trace_fd[i] >= 0)
			close(f->trace_fd[i]);
	stats_destroy(f->k.stats);
	sched_destroy(f->k.sched);
	timers_destroy(f->k.timers);
	registry_destroy(f->k.registry);
	fake_exit(&f->m);
}

/* A new call of the row's number with up to six arguments; not run. */
#define fake_call(f, row, ...) fake_call_args(f, row, (const uint64_t[6]){__VA_ARGS__})
static inline struct call *fake_call_args(struct fake_kernel *f, int row, const uint64_t args[6])
{
	struct call *c = &f->t.call;

	call_finish(&f->t, c);
	c->nr = (unsigned)arch_syscall_nr[row];
	memcpy(c->args, args, sizeof(c->args));
	return c;
}

/* Runs a call that does not block to its end: its result. */
#define fake_run(f, row, ...) fake_run_call(f, fake_call(f, row, __VA_ARGS__))
static inline long fake_run_call(struct fake_kernel *f, struct call *c)
{
	long r;

	sched_prepare(&f->t.st);
	r = syscall_dispatch(&f->t, c);
	if (r != -EBLOCKED)
		call_finish(&f->t, c);
	return r;
}

/* Puts bytes into the guest. */
static inline void fake_put(struct fake_kernel *f, uint64_t at, const void *src, size_t len)
{
	assert_int_equal(copy_to_guest(f->p.mm, gva(at), src, len), 0);
}

#endif
