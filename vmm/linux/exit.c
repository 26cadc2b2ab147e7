/*
 * The end of tasks and processes.
 *
 * A task ends in task_die(), by its owner. The last one of a process gives up the memory and the
 * descriptors first, then, with tree_lock held and so in one step for everybody else: hands the
 * children on, becomes a zombie, tells the parent, and if that one does not care leaves the tree.
 *
 * PID 1 is an ordinary process with default signal actions (vmbox passes signals on to it, and they
 * kill it by default); but when it ends, everything ends.
 */
#include "posix_timer.h"
#include "ipc.h"
#include "process.h"
#include "robust.h"
#include "thread_end.h"
#include "trace.h"
#include "tty.h"
#include "vfs.h"
#include "writeback.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define USER_HZ 100

/* ---- orphaned process groups: POSIX 3.264, Linux's will_become_orphaned_pgrp ---- */

/* q has a parent who could continue it: one outside the group but in the session. */
static bool links_group(const struct process *q)
{
	const struct process *parent = q->parent;

	return parent && parent->life == LIFE_RUNNING && parent->pgid != q->pgid &&
	       parent->sid == q->sid;
}

bool group_orphaned_locked(struct kernel *k, uint32_t pgid, uint32_t sid,
			   const struct process *ignored)
{
	struct process *q;

	(void)sid;
	TAILQ_FOREACH (q, &k->processes, all) {
		if (q->pgid != pgid || q == ignored || q->life != LIFE_RUNNING)
			continue;
		if (links_group(q))
			return false;
	}
	return true;
}

static bool group_has_stopped_locked(struct kernel *k, uint32_t pgid)
{
	struct process *q;
	bool stopped = false;

	TAILQ_FOREACH (q, &k->processes, all) {
		if (q->pgid != pgid || q->life != LIFE_RUNNING)
			continue;
		pthread_mutex_lock(&q->siglock);
		stopped = q->stopped;
		pthread_mutex_unlock(&q->siglock);
		if (stopped)
			break;
	}
	return stopped;
}

static void group_send_locked(struct kernel *k, uint32_t pgid, int sig)
{
	struct siginfo_k info = {.si_signo = sig, .si_code = SI_KERNEL};
	struct process *q;

	TAILQ_FOREACH (q, &k->processes, all) {
		if (q->pgid != pgid || q->life != LIFE_RUNNING)
			continue;
		pthread_mutex_lock(&q->siglock);
		signal_send_locked(q, NULL, sig, &info);
		pthread_mutex_unlock(&q->siglock);
	}
}

/*
 * q's link to `parent` goes. If that was its group's last link to the session, and someone in it is
 * stopped, nobody could ever continue them: SIGHUP, SIGCONT. ignored: q itself, if it is the one
 * that ends.
 */
static void group_check_orphaned_locked(struct process *q, const struct process *parent,
					const struct process *ignored)
{
	struct kernel *k = q->k;

	if (!parent || parent->pgid == q->pgid || parent->sid != q->sid)
		return;
	if (!group_orphaned_locked(k, q->pgid, q->sid, ignored) ||
	    !group_has_stopped_locked(k, q->pgid))
		return;
	group_send_locked(k, q->pgid, SIGHUP);
	group_send_locked(k, q->pgid, SIGCONT);
}

/* ---- telling the parent ---- */

static void child_info_locked(struct process *p, int why, int status, struct siginfo_k *info)
{
	struct rusage_times times;

	memset(info, 0, sizeof(*info));
	info->si_signo = SIGCHLD;
	info->si_code = why;
	info->u.chld.pid = (int32_t)p->pid;
	info->u.chld.uid = process_uid(p);
	info->u.chld.status = status;
	process_times_locked(p, &times);
	info->u.chld.utime = times.utime / (1000000000 / USER_HZ);
	info->u.chld.stime = times.stime / (1000000000 / USER_HZ);
}

/* Sends the exit signal. True: the parent does not care, p must not stay as a zombie. */
static bool notify_exit_locked(struct process *p)
{
	struct process *parent = p->parent;
	int status = p->wait_status, sig = p->exit_signal;
	struct siginfo_k info;
	struct sigaction_k act;
	bool reap = false;

	if (!parent)
		return true;
	if (WIFEXITED(status))
		child_info_locked(p, CLD_EXITED, WEXITSTATUS(status), &info);
	else
		child_info_locked(p, WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED, WTERMSIG(status),
				  &info);
	info.si_signo = sig;
	pthread_mutex_lock(&parent->siglock);
	if (sig == SIGCHLD && parent->sighand) {
		act = signal_action(parent, SIGCHLD);
		if (act.handler == (uint64_t)(uintptr_t)SIG_IGN || act.flags & SA_NOCLDWAIT)
			reap = true;
		if (act.handler == (uint64_t)(uintptr_t)SIG_IGN)
			sig = 0;
	}
	if (sig)
		signal_send_locked(parent, NULL, sig, &info);
	pthread_mutex_unlock(&parent->siglock);
	return reap;
}

void process_notify_stop(struct process *p, int why)
{
	struct kernel *k = p->k;
	struct process *parent;
	struct siginfo_k info;
	struct sigaction_k act;

	pthread_mutex_lock(&k->tree_lock);
	parent = p->parent;
	if (parent) {
		child_info_locked(p, why, why == CLD_CONTINUED ? SIGCONT : p->stop_signal, &info);
		pthread_mutex_lock(&parent->siglock);
		if (parent->sighand) {
			act = signal_action(parent, SIGCHLD);
			if (act.handler != (uint64_t)(uintptr_t)SIG_IGN &&
			    !(act.flags & SA_NOCLDSTOP))
				signal_send_locked(parent, NULL, SIGCHLD, &info);
		}
		pthread_mutex_unlock(&parent->siglock);
		waitq_wake_all(&parent->child_wait);
	}
	pthread_mutex_unlock(&k->tree_lock);
}

/* ---- the end of a process ---- */

/* Who takes the children of p: the nearest ancestor that asked for them, or PID 1. */
static struct process *reaper_of_locked(struct process *p)
{
	struct process *q;

	/* Mostly there is none, and the tree may be deep. */
	for (q = p->under_subreaper ? p->parent : NULL; q; q = q->parent)
		if (q->child_subreaper && q->life == LIFE_RUNNING)
			return q;
	q = p->k->init;
	return q && q != p && q->life == LIFE_RUNNING ? q : NULL;
}

static void send_pdeath_locked(struct process *child)
{
	struct siginfo_k info = {.si_signo = child->pdeath_signal, .si_code = SI_USER};

	if (!child->pdeath_signal)
		return;
	pthread_mutex_lock(&child->siglock);
	signal_send_locked(child, NULL, child->pdeath_signal, &info);
	pthread_mutex_unlock(&child->siglock);
}

static void reparent_children_locked(struct process *p)
{
	struct process *reaper = TAILQ_EMPTY(&p->children) ? NULL : reaper_of_locked(p);
	struct process *child;

	while ((child = TAILQ_FIRST(&p->children))) {
		TAILQ_REMOVE(&p->children, child, sibling);
		child->parent = reaper;
		registry_reparent(p->k->registry, child->pid, reaper ? reaper->pid : 0);
		if (reaper)
			TAILQ_INSERT_TAIL(&reaper->children, child, sibling);
		child->exit_signal = SIGCHLD;
		if (child->life == LIFE_ZOMBIE) {
			if (notify_exit_locked(child))
				process_release_locked(child);
			continue;
		}
		send_pdeath_locked(child);
		group_check_orphaned_locked(child, p, NULL);
	}
	if (reaper)
		waitq_wake_all(&reaper->child_wait);
}

/* PID 1 has ended: nothing outlives it. */
static void halt_locked(struct process *init)
{
	struct kernel *k = init->k;
	struct process *q;

	TAILQ_FOREACH (q, &k->processes, all) {
		if (q == init)
			continue;
		pthread_mutex_lock(&q->siglock);
		signal_kill_locked(q, SIGKILL);
		pthread_mutex_unlock(&q->siglock);
	}
	k->init_status = init->wait_status;
}

/* What it ran may be written now, though its parent has not asked for it yet. */
static void drop_exe(struct process *p)
{
	struct path *exe;

	pthread_mutex_lock(&p->lock);
	exe = p->exe;
	p->exe = NULL;
	pthread_mutex_unlock(&p->lock);
	exe_free(exe);
}

/* No timer may fire for a process without actions. */
static void process_stop_timers(struct process *p)
{
	pthread_mutex_lock(&p->siglock);
	p->itimer_deadline = TIME_NEVER;
	pthread_mutex_unlock(&p->siglock);
	timer_cancel(&p->itimer);
	cpu_timers_exit(p);
	posix_timers_exit(p);
}

/* It becomes a zombie, and everybody is told. True: it was PID 1. */
static bool process_end(struct process *p, int status)
{
	struct kernel *k = p->k;
	struct process *parent;
	bool halt = false;

	drop_exe(p);
	process_vfork_release(p);
	pthread_mutex_lock(&k->tree_lock);
	p->life = LIFE_EXITING;
	tty_leader_exit_locked(p);
	reparent_children_locked(p);
	group_check_orphaned_locked(p, p->parent, p);
	p->wait_status = status;
	p->life = LIFE_ZOMBIE;
	registry_exit_process(k->registry, p->pid, (uint32_t)status, NULL, NULL, NULL);
	parent = p->parent;
	if (p == k->init) {
		halt = true;
		halt_locked(p);
	} else if (notify_exit_locked(p)) {
		process_release_locked(p);
	}
	waitq_wake_all(&p->exit_wait);
	if (parent)
		waitq_wake_all(&parent->child_wait);
	pthread_mutex_unlock(&k->tree_lock);
	return halt;
}

static void kernel_halt(struct kernel *k)
{
	atomic_store(&k->halted, true);
	if (k->on_halt)
		k->on_halt(k->halt_arg);
}

static void process_end_written(struct process *p, int status)
{
	if (process_end(p, status))
		kernel_halt(p->k);
}

/* The last task of p has gone. Returns true if that was PID 1, and has ended. */
static bool process_exit(struct process *p, int status)
{
	process_stop_timers(p);
	process_count_memory(p, p->mm);
	vfs_process_exit(p);
	ipc_process_exit(p);
	process_drop_parts(p);
	/* May free a file, which the thread that ends it later need not wait for. */
	drop_exe(p);
	return !writeback_delays_end(p, status, process_end_written) && process_end(p, status);
}

/* ---- one whose tasks are stuck ---- */

/* vfork, CLONE_VM: by the time that it is asked a child may have one of its own. */
static bool shares_memory_locked(const struct process *p)
{
	bool shares = false;
	struct process *q;

	if (!p->mm_shared)
		return false;
	TAILQ_FOREACH (q, &p->k->processes, all) {
		pthread_mutex_lock(&q->lock);
		shares |= q != p && q->mm == p->mm;
		pthread_mutex_unlock(&q->lock);
	}
	return shares;
}

/* True: its end is the caller's to make. */
static bool may_end_early(struct process *p)
{
	struct kernel *k = p->k;
	bool yes, shares;

	pthread_mutex_lock(&k->tree_lock);
	shares = shares_memory_locked(p);
	pthread_mutex_lock(&p->siglock);
	yes = p->group_exit && !p->ended_early && p->nstuck && p->nstuck == p->ntasks && !shares;
	if (yes) {
		p->ended_early = true;
		TAILQ_INSERT_TAIL(&k->ended_early, p, early);
		/* Its tasks have the number until they are gone. */
		registry_pin_id(k->registry, p->pid);
	}
	pthread_mutex_unlock(&p->siglock);
	pthread_mutex_unlock(&k->tree_lock);
	return yes;
}

static void close_descriptors(struct process *p)
{
	struct fdtable *files = NULL;
	unsigned fd = 0;
	struct file *f;

	pthread_mutex_lock(&p->lock);
	if (p->files && fdtable_refs(p->files) == 1)
		files = fdtable_get(p->files);
	pthread_mutex_unlock(&p->lock);
	while (files && (f = fdtable_take_next(files, &fd, UINT32_MAX, false)))
		descriptor_gone(p, f);
	fdtable_put(files);
}

static void process_end_early(struct process *p)
{
	if (!may_end_early(p))
		return;
	process_stop_timers(p);
	process_count_memory(p, p->mm);
	ipc_process_exit(p);
	close_descriptors(p);
	if (process_end(p, p->group_exit_status))
		kernel_halt(p->k);
}

/* The last task of such a process has gone: the rest. */
static void process_exit_late(struct process *p)
{
	process_drop_parts(p);
	pthread_mutex_lock(&p->k->tree_lock);
	TAILQ_REMOVE(&p->k->ended_early, p, early);
	registry_unpin_id(p->k->registry, p->pid);
	pthread_mutex_unlock(&p->k->tree_lock);
}

void task_stuck(struct task *t)
{
	struct process *p = t->p;

	pthread_mutex_lock(&p->siglock);
	if (!t->stuck) {
		t->stuck = true;
		p->nstuck++;
	}
	pthread_mutex_unlock(&p->siglock);
	process_end_early(p);
}

/* ---- the end of a task ---- */

#define SMALL_PAGES 2048

bool exit_is_small(struct task *t)
{
	const struct process *p = t->p;
	bool alone, others;

	pthread_mutex_lock(&t->p->siglock);
	others = !p->group_exit && !p->exec_task && p->ntasks > p->nexiting + 1;
	alone = p->ntasks == 1;
	pthread_mutex_unlock(&t->p->siglock);
	return others || (alone && p != p->k->init && !mm_has_shared(task_mm(t)) &&
			  mm_resident_pages(task_mm(t)) <= SMALL_PAGES);
}

void task_die(struct task *t)
{
	struct process *p = t->p;
	struct kernel *k = t->k;
	bool last, early, stuck, halt = false, stop_complete = false;
	struct thread_end *end;
	int status;

	pthread_mutex_lock(&p->siglock);
	t->dead = true;
	/* Of tasks that end one by one the status of the last counts that begins: Linux since 5.17.
	 */
	if (++p->nexiting == p->ntasks && !p->group_exit) {
		p->group_exit = true;
		p->group_exit_status = t->exit_status;
	}
	status = p->group_exit ? p->group_exit_status : t->exit_status;
	pthread_mutex_unlock(&p->siglock);
	trace_exit(t, status);
	robust_exit(t);
	rseq_exit(t);
	task_drop_parts(t);

	process_get(p);
	pthread_mutex_lock(&p->lock);
	p->ended_prio = t->prio;
	pthread_mutex_unlock(&p->lock);
	sched_exit(&t->st);
	pthread_mutex_lock(&k->tree_lock);
	pthread_mutex_lock(&p->siglock);
	TAILQ_REMOVE(&p->tasks, t, thread);
	p->ntasks--;
	p->nexiting--;
	p->nstuck -= t->stuck;
	last = p->ntasks == 0;
	early = p->ended_early;
	stuck = p->nstuck;
	/* Others may have called exit_group since. */
	status = p->group_exit_status;
	/* Here, because timers of the process that lives on may have an entry in it. */
	sigqueue_flush(&t->pending);
	if (t->stopped)
		p->nstopped--;
	if (p->exec_task == t)
		p->exec_task = NULL;
	if (!last) {
		/* What this task would have taken, or kept from being complete, must not wait for
		 * it. */
		signal_retarget_locked(t, ~t->blocked);
		stop_complete = signal_stop_complete_locked(p);
		if (p->exec_task && p->ntasks == 1)
			sched_wake(&p->exec_task->st);
	}
	task_add_times(t, &p->times);
	pthread_mutex_unlock(&p->siglock);
	end = thread_end_take_locked(t);
	pthread_mutex_unlock(&k->tree_lock);
	thread_end_signal(end);
	if (stop_complete)
		process_notify_stop(p, CLD_STOPPED);
	if (t->tid != p->pid)
		registry_release_id(k->registry, t->tid);
	if (last && early) {
		process_exit_late(p);
	} else if (last) {
		halt = process_exit(p, status);
	} else {
		atomic_fetch_sub(&k->ntasks, 1);
		if (stuck)
			process_end_early(p);
	}
	task_free(t);
	process_put(p);
	if (halt)
		kernel_halt(k);
}

void process_kill(struct process *p, int wait_status)
{
	pthread_mutex_lock(&p->siglock);
	signal_kill_locked(p, wait_status);
	pthread_mutex_unlock(&p->siglock);
}
