/*
 * Processes and tasks: making, finding, linking, freeing them.
 *
 * A process is made in steps that can each be taken back: process_create() reserves the PID
 * and memory, the caller binds the parts, process_link_locked() makes it visible. Before that
 * nobody else can reach it; process_abort() undoes everything.
 *
 * References: one of the tree (from link to release), one of each task, and those of look-ups.
 */
#include "ipc.h"
#include "process.h"
#include "rewrite.h"
#include "thread_end.h"
#include "stats.h"
#include "tty.h"
#include "vfs.h"
#include "writeback.h"
#include "../core/workpool.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define FPU_ALIGN 64

/* ---- tasks ---- */

struct task *task_create(struct process *p, uint32_t tid)
{
	struct kernel *k = p->k;
	size_t fpu_size = (k->cfg.fpu_size + FPU_ALIGN - 1) & ~(size_t)(FPU_ALIGN - 1);
	struct task *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->cpu.fpu = aligned_alloc(FPU_ALIGN, fpu_size ? fpu_size : FPU_ALIGN);
	if (!t->cpu.fpu) {
		free(t);
		return NULL;
	}
	memset(t->cpu.fpu, 0, fpu_size ? fpu_size : FPU_ALIGN);
	if (k->cfg.fpu_init)
		memcpy(t->cpu.fpu, k->cfg.fpu_init, k->cfg.fpu_size);
	t->cpu.regs_modified = true;
	sched_task_init(&t->st, k->sched);
	t->st.group = p;
	t->p = process_get(p);
	t->k = k;
	t->tid = tid;
	t->start_time = core_now();
	t->call.row = -1;
	t->call.deadline = TIME_NEVER;
	sigqueue_init(&t->pending);
	futex_owner_init(k->futex, &t->futex, tid);
	return t;
}

void task_drop_parts(struct task *t)
{
	waitq_remove_all(&t->st);
	job_cancel(t->fault_job);
	t->fault_job = NULL;
	writeback_forget(t);
	if (t->own_files)
		fdtable_put(t->own_files);
	if (t->own_fs)
		fs_context_put(t->own_fs);
	t->own_files = NULL;
	t->own_fs = NULL;
}

void task_free(struct task *t)
{
	call_finish(t, &t->call);
	task_drop_parts(t);
	futex_owner_fini(t->k->futex, &t->futex);
	free(t->restart_call);
	process_put(t->vfork_child);
	thread_end_put(t->vfork_thread);
	thread_end_put(t->end);
	sigqueue_flush(&t->pending);
	task_fpu_forget(t);
	sched_task_fini(&t->st);
	process_put(t->p);
	free(t->cpu.fpu);
	free(t);
}

void task_link_locked(struct task *t)
{
	struct process *p = t->p;

	TAILQ_INSERT_TAIL(&p->tasks, t, thread);
	p->ntasks++;
	/* It may have to join a stop, or be the one that takes a signal. */
	signal_recalc_locked(t);
	atomic_fetch_add(&p->k->ntasks, 1);
}

struct task *task_find_locked(struct kernel *k, uint32_t tid)
{
	struct process *p;
	struct task *t;

	TAILQ_FOREACH (p, &k->processes, all)
		TAILQ_FOREACH (t, &p->tasks, thread)
			if (t->tid == tid)
				return t;
	return NULL;
}

/* ---- processes ---- */

struct process *process_get(struct process *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void process_put(struct process *p)
{
	if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return;
	sigqueue_flush(&p->pending);
	tty_put(p->ctty);
	if (p->exe)
		exe_free(p->exe);
	waitq_destroy(&p->child_wait);
	waitq_destroy(&p->exit_wait);
	waitq_destroy(&p->signal_wait);
	waitq_destroy(&p->vfork_wait);
	pthread_mutex_destroy(&p->lock);
	pthread_mutex_destroy(&p->siglock);
	rewrite_free(p);
	free(p);
}

struct find {
	struct process *p;
};

static void find_owner(const struct process_context *ctx, void *arg)
{
	struct find *f = arg;

	/* The tree's reference is dropped only after the registry has forgotten the process. */
	if (ctx->owner)
		f->p = process_get(ctx->owner);
}

struct process *process_find(struct kernel *k, uint32_t pid)
{
	struct find f = {NULL};

	registry_with_context(k->registry, pid, find_owner, &f);
	return f.p;
}

/* The first process has the invoker's limits, but never dumps core. */
static void limits_from_host(struct process *p)
{
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit r;

		if (getrlimit((__rlimit_resource_t)i, &r) < 0)
			r.rlim_cur = r.rlim_max = RLIM_INFINITY;
		if (i == RLIMIT_CORE)
			r.rlim_cur = 0;
		p->rlim[i].rlim_cur = r.rlim_cur;
		p->rlim[i].rlim_max = r.rlim_max;
	}
}

static void process_init_first(struct process *p)
{
	const struct kernel_config *cfg = &p->k->cfg;
	struct cred *c = &p->cred;

	c->uid = c->euid = c->suid = c->fsuid = cfg->uid;
	c->gid = c->egid = c->sgid = c->fsgid = cfg->gid;
	c->ngroups = cfg->ngroups < NGROUPS ? cfg->ngroups : NGROUPS;
	if (c->ngroups)
		memcpy(c->groups, cfg->groups, c->ngroups * sizeof(c->groups[0]));
	cred_init_caps(c);
	limits_from_host(p);
	p->dumpable = true;
	p->attr.timerslack = 50000;
	p->attr.mce_kill = -1;
	p->exit_signal = SIGCHLD;
}

bool process_has_threads(struct process *p)
{
	unsigned n;

	pthread_mutex_lock(&p->siglock);
	n = p->ntasks;
	pthread_mutex_unlock(&p->siglock);
	return n > 1;
}

void process_cred(struct process *p, struct cred *c)
{
	pthread_mutex_lock(&p->lock);
	*c = p->cred;
	pthread_mutex_unlock(&p->lock);
}

uint32_t process_uid(struct process *p)
{
	uint32_t uid;

	pthread_mutex_lock(&p->lock);
	uid = p->cred.uid;
	pthread_mutex_unlock(&p->lock);
	return uid;
}

/* 0, or -ENOMEM. */
static int process_inherit(struct process *p, struct process *from)
{
	int r = 0;

	pthread_mutex_lock(&from->lock);
	p->cred = from->cred;
	memcpy(p->rlim, from->rlim, sizeof(p->rlim));
	if (from->exe) {
		p->exe = exe_dup(from->exe);
		if (!p->exe)
			r = -ENOMEM;
	}
	p->stack_start = from->stack_start;
	p->arg_start = from->arg_start;
	p->arg_end = from->arg_end;
	p->env_start = from->env_start;
	p->env_end = from->env_end;
	memcpy(p->auxv, from->auxv, sizeof(p->auxv));
	p->dumpable = from->dumpable;
	p->attr = from->attr;
	if (from->attr.mdwe & MDWE_NO_INHERIT)
		p->attr.mdwe = 0;
	pthread_mutex_unlock(&from->lock);
	return r;
}

/* Shorter periods than this do not keep the reactor busy for a signal that nobody takes. */
#define ITIMER_UNTAKEN_NS 4000000

static void itimer_fire(struct timer *timer)
{
	struct process *p = container_of(timer, struct process, itimer);
	struct siginfo_k info = {.si_signo = SIGALRM, .si_code = SI_KERNEL};
	int64_t now = core_now();
	bool untaken;

	pthread_mutex_lock(&p->siglock);
	if (p->itimer_deadline != TIME_NEVER && p->itimer_deadline <= now) {
		untaken = p->pending.mask & SIGMASK(SIGALRM);
		signal_send_locked(p, NULL, SIGALRM, &info);
		untaken |= !(p->pending.mask & SIGMASK(SIGALRM)); /* ignored */
		if (p->itimer_interval) {
			/* Periods that have passed already count as one. */
			int64_t late = now - p->itimer_deadline;

			if (untaken && p->itimer_interval < ITIMER_UNTAKEN_NS)
				late += ITIMER_UNTAKEN_NS;

			p->itimer_deadline += (late / p->itimer_interval + 1) * p->itimer_interval;
		} else {
			p->itimer_deadline = TIME_NEVER;
		}
	}
	if (p->itimer_deadline != TIME_NEVER)
		timer_arm(&p->itimer, p->itimer_deadline);
	pthread_mutex_unlock(&p->siglock);
}

int process_create(struct kernel *k, struct process *parent, struct process **out,
		   struct task **first)
{
	struct process *p = calloc(1, sizeof(*p));
	int pid, r = 0;

	if (!p)
		return -ENOMEM;
	p->k = k;
	atomic_init(&p->refs, 1);
	TAILQ_INIT(&p->children);
	TAILQ_INIT(&p->tasks);
	LIST_INIT(&p->timers);
	waitq_init(&p->child_wait);
	waitq_init(&p->exit_wait);
	waitq_init(&p->signal_wait);
	waitq_init(&p->vfork_wait);
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_init(&p->siglock, NULL);
	sigqueue_init(&p->pending);
	timer_init(&p->itimer, k->timers, itimer_fire);
	p->itimer_deadline = TIME_NEVER;
	cpu_timers_init(p);
	p->start_time = core_now();
	if (parent)
		r = process_inherit(p, parent);
	else
		process_init_first(p);
	if (r < 0) {
		process_put(p);
		return r;
	}
	pid = registry_create_process(k->registry, parent ? parent->pid : 0);
	if (pid < 0) {
		process_put(p);
		return pid == -ENOMEM ? -ENOMEM : -EAGAIN;
	}
	p->pid = (uint32_t)pid;
	*first = task_create(p, p->pid);
	if (!*first) {
		registry_abort_process(k->registry, p->pid);
		process_put(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

void process_drop_parts(struct process *p)
{
	struct mm *mm;
	struct fdtable *files;
	struct fs_context *fs;
	struct sighand *sighand;

	vfs_process_exit(p);
	ipc_process_exit(p);
	pthread_mutex_lock(&p->lock);
	mm = p->mm;
	files = p->files;
	fs = p->fs;
	p->mm = NULL;
	p->files = NULL;
	p->fs = NULL;
	pthread_mutex_unlock(&p->lock);
	/* Senders read the actions with siglock held. */
	pthread_mutex_lock(&p->siglock);
	sighand = p->sighand;
	p->sighand = NULL;
	pthread_mutex_unlock(&p->siglock);
	if (files)
		fdtable_put(files);
	if (fs)
		fs_context_put(fs);
	if (mm)
		mm_put(mm);
	if (sighand)
		sighand_put(sighand);
}

void process_abort(struct process *p, struct task *first)
{
	process_drop_parts(p);
	task_free(first);
	registry_abort_process(p->k->registry, p->pid);
	process_put(p);
}

static void set_id(struct kernel *k, uint32_t *field, uint32_t id)
{
	uint32_t old = *field;

	*field = id;
	if (id)
		registry_pin_id(k->registry, id);
	if (old)
		registry_unpin_id(k->registry, old);
}

void process_set_group_locked(struct process *p, uint32_t pgid)
{
	set_id(p->k, &p->pgid, pgid);
}

void process_set_session_locked(struct process *p, uint32_t sid)
{
	set_id(p->k, &p->sid, sid);
}

void process_link_locked(struct process *p, struct task *first, struct process *creator,
			 bool sibling)
{
	struct kernel *k = p->k;
	struct process *parent = creator && sibling ? creator->parent : creator;
	struct rlimit64 cpu;

	process_set_group_locked(p, creator ? creator->pgid : p->pid);
	process_set_session_locked(p, creator ? creator->sid : p->pid);
	tty_inherit_locked(p, creator);
	if (parent != creator)
		registry_reparent(k->registry, p->pid, parent ? parent->pid : 0);
	p->parent = parent;
	p->under_subreaper = parent && (parent->child_subreaper || parent->under_subreaper);
	if (parent)
		TAILQ_INSERT_TAIL(&parent->children, p, sibling);
	else if (!creator)
		k->init = p;
	TAILQ_INSERT_TAIL(&k->processes, p, all);
	p->life = LIFE_RUNNING;
	registry_set_owner(k->registry, p->pid, p);
	pthread_mutex_lock(&p->siglock);
	task_link_locked(first);
	pthread_mutex_unlock(&p->siglock);
	pthread_mutex_lock(&p->lock);
	cpu = p->rlim[RLIMIT_CPU];
	pthread_mutex_unlock(&p->lock);
	cpu_limit_set(p, cpu.rlim_cur, cpu.rlim_max);
	stats_count_process(k->stats);
}

/* The next process after p below root, parents first; NULL: that was the last. tree_lock held. */
static struct process *next_below_locked(const struct process *root, struct process *p)
{
	struct process *next = TAILQ_FIRST(&p->children);

	for (; !next && p != root; p = p->parent)
		next = TAILQ_NEXT(p, sibling);
	return next;
}

void process_set_subreaper_locked(struct process *p, bool on)
{
	struct process *q;

	p->child_subreaper = on;
	/* Once set it stays: who looks in vain only loses time. */
	if (on)
		for (q = next_below_locked(p, p); q; q = next_below_locked(p, q))
			q->under_subreaper = true;
}

void process_start(struct process *p, struct task *first)
{
	struct kernel *k = p->k;
	struct sched_task *st = &first->st;

	pthread_mutex_lock(&k->tree_lock);
	process_link_locked(p, first, NULL, false);
	pthread_mutex_unlock(&k->tree_lock);
	sched_start(st);
}

void process_release_locked(struct process *p)
{
	struct kernel *k = p->k;

	p->life = LIFE_DEAD;
	waitq_wake_all(&p->exit_wait);
	TAILQ_REMOVE(&k->processes, p, all);
	if (p->parent)
		TAILQ_REMOVE(&p->parent->children, p, sibling);
	p->parent = NULL;
	if (k->init == p)
		k->init = NULL;
	registry_remove_process(k->registry, p->pid);
	process_set_group_locked(p, 0);
	process_set_session_locked(p, 0);
	tty_forget_locked(p);
	/* The zombie counted as one task. */
	atomic_fetch_sub(&k->ntasks, 1);
	process_put(p);
}

void process_vfork_release(struct process *p)
{
	atomic_store(&p->vfork_done, true);
	waitq_wake_all(&p->vfork_wait);
}
