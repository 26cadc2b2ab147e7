/*
 * The kernel's beginning and end.
 */
#include "away.h"
#include "ipc.h"
#include "mqueue.h"
#include "posix_timer.h"
#include "process.h"
#include "robust_unlock.h"
#include "socket.h"
#include "stats.h"
#include "sys.h"
#include "syscalls.h"
#include "trace.h"
#include "vfs.h"
#include "writeback.h"
#include "../core/workpool.h"

#include <stdlib.h>
#include <unistd.h>

/* A task with stack, tables and what the VMM keeps of it. */
#define TASK_MEM    (32UL << 10)
#define THREADS_MIN 64

/* What every program finds mapped: the vDSO and, below it, the clock page. */
static int vdso_init(struct kernel *k)
{
	const struct kernel_config *cfg = &k->cfg;
	ssize_t n;

	if (!cfg->vdso || !cfg->clock)
		return 0;
	k->clock_obj = memobj_get(cfg->clock);
	k->vdso_obj = memobj_create(k->gm, NULL, NULL);
	if (!k->vdso_obj)
		return -ENOMEM;
	n = memobj_write(k->vdso_obj, 0, cfg->vdso, cfg->vdso_size);
	if (n < 0)
		return (int)n;
	return (size_t)n == cfg->vdso_size ? robust_unlock_init(k) : -ENOMEM;
}

int kernel_create(struct gmem *gm, struct sched *sched, struct reactor *reactor,
		  const struct kernel_config *cfg, const struct machine_ops *ops, void *machine,
		  struct kernel **out)
{
	struct kernel *k = calloc(1, sizeof(*k));
	int r = -ENOMEM;

	if (!k)
		return -ENOMEM;
	k->gm = gm;
	k->sched = sched;
	k->reactor = reactor;
	k->timers = reactor_timers(reactor);
	k->cfg = *cfg;
	k->ops = ops;
	k->machine = machine;
	k->boot_time = core_now();
	TAILQ_INIT(&k->processes);
	TAILQ_INIT(&k->ended_early);
	pthread_mutex_init(&k->wall_lock, NULL);
	LIST_INIT(&k->walls);
	pthread_mutex_init(&k->tree_lock, NULL);
	syscall_table_init();
	vma_file_init();
	k->registry = registry_create(REGISTRY_PID_MAX);
	if (!k->registry)
		goto fail;
	k->futex = futex_table_create(FUTEX_BUCKETS);
	if (!k->futex)
		goto fail;
	k->pool = workpool_create(WORKPOOL_THREADS);
	if (!k->pool)
		goto fail;
	k->unix_names = unix_names_create();
	k->ipc = ipc_create();
	k->mqueues = mqueues_create();
	if (!k->unix_names || !k->ipc || !k->mqueues)
		goto fail;
	if (cfg->stats && !(k->stats = stats_create()))
		goto fail;
	if (cfg->strace && !(k->trace = trace_create(STDERR_FILENO)))
		goto fail;
	r = vdso_init(k);
	if (r == 0)
		r = vfs_create(k);
	if (r < 0)
		goto fail;
	*out = k;
	return 0;
fail:
	kernel_destroy(k);
	return r;
}

unsigned kernel_threads_max(const struct kernel *k)
{
	uint64_t n = k->cfg.mem_limit / TASK_MEM;

	if (n < THREADS_MIN)
		n = THREADS_MIN;
	return n < REGISTRY_PID_MAX ? (unsigned)n : REGISTRY_PID_MAX;
}

/*
 * Ends everybody. No thread runs any task: they are plain data. But ending a call or closing a file
 * may still wake others, which the scheduler then links to each other: so tasks are freed only when
 * nothing is left that could wake one.
 */
static void processes_destroy(struct kernel *k)
{
	struct process *p;
	struct task *t;

	TAILQ_FOREACH (p, &k->processes, all) {
		timer_cancel(&p->itimer);
		cpu_timers_exit(p);
		posix_timers_exit(p);
		TAILQ_FOREACH (t, &p->tasks, thread)
			call_finish(t, &t->call);
	}
	TAILQ_FOREACH (p, &k->processes, all) {
		TAILQ_FOREACH (t, &p->tasks, thread)
			task_drop_parts(t);
		process_drop_parts(p);
	}
	TAILQ_FOREACH (p, &k->processes, all) {
		while ((t = TAILQ_FIRST(&p->tasks))) {
			TAILQ_REMOVE(&p->tasks, t, thread);
			p->ntasks--;
			task_free(t);
		}
	}
	while ((p = TAILQ_FIRST(&k->processes))) {
		TAILQ_REMOVE(&k->processes, p, all);
		process_put(p);
	}
}

/* A worker runs a task's handler. */
static bool anybody_away(struct kernel *k)
{
	struct process *p;
	struct task *t;

	TAILQ_FOREACH (p, &k->processes, all)
		TAILQ_FOREACH (t, &p->tasks, thread)
			if (call_is_away(&t->call))
				return true;
	return false;
}

/* Those that were waited for are in no other list, and have tasks. */
static void take_ended_early(struct kernel *k)
{
	struct process *p;

	while ((p = TAILQ_FIRST(&k->ended_early))) {
		TAILQ_REMOVE(&k->ended_early, p, early);
		if (p->life == LIFE_DEAD)
			TAILQ_INSERT_TAIL(&k->processes, process_get(p), all);
	}
}

bool kernel_stop(struct kernel *k, int64_t ns)
{
	/* Such jobs end processes. */
	if (!kernel_write_back(k, ns))
		return false;
	atomic_store(&k->stopping, true);
	take_ended_early(k);
	/* Such a task can only be given up when the worker has let go of it. */
	if (k->pool && anybody_away(k) && !workpool_stop(k->pool, ns))
		return false;
	processes_destroy(k);
	/* Jobs have files: the last of them end here. */
	return !k->pool || workpool_stop(k->pool, ns);
}

void kernel_destroy(struct kernel *k)
{
	if (!k)
		return;
	kernel_stop(k, TIME_NEVER);
	workpool_destroy(k->pool);
	/* What a vCPU ran last it still holds, and with it files. */
	for (unsigned cpu = 0; cpu < k->cfg.cpus; cpu++)
		mm_activate(k->gm, cpu, NULL);
	if (k->vfs)
		vfs_destroy(k);
	unix_names_destroy(k->unix_names);
	ipc_destroy(k->ipc);
	mqueues_destroy(k->mqueues);
	if (k->vdso_obj)
		memobj_put(k->vdso_obj);
	if (k->clock_obj)
		memobj_put(k->clock_obj);
	if (k->trace)
		trace_destroy(k->trace);
	if (k->stats)
		stats_destroy(k->stats);
	registry_destroy(k->registry);
	futex_table_destroy(k->futex);
	pthread_mutex_destroy(&k->tree_lock);
	pthread_mutex_destroy(&k->wall_lock);
	free(k);
}
