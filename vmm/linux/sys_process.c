/*
 * System calls on identities, groups, sessions, and the end.
 */
#include "process.h"
#include "syscalls.h"
#include "tty.h"

long sys_getpid(struct task *t, struct call *c)
{
	(void)c;
	return t->p->pid;
}

long sys_gettid(struct task *t, struct call *c)
{
	(void)c;
	return t->tid;
}

long sys_getppid(struct task *t, struct call *c)
{
	long pid;

	(void)c;
	pthread_mutex_lock(&t->k->tree_lock);
	pid = t->p->parent ? t->p->parent->pid : 0;
	pthread_mutex_unlock(&t->k->tree_lock);
	return pid;
}

long sys_set_tid_address(struct task *t, struct call *c)
{
	t->clear_child_tid = c->args[0];
	return t->tid;
}

long sys_exit(struct task *t, struct call *c)
{
	t->exit_status = (int)(c->args[0] & 0xff) << 8;
	t->dead = true;
	return 0;
}

long sys_exit_group(struct task *t, struct call *c)
{
	process_kill(t->p, (int)(c->args[0] & 0xff) << 8);
	t->dead = true;
	return 0;
}

long sys_sched_yield(struct task *t, struct call *c)
{
	(void)c;
	t->yield = true;
	return 0;
}

/* ---- groups and sessions ---- */

/* A thread's id names its process. */
static struct process *find_locked(struct task *t, int pid)
{
	struct process *q;
	struct task *o;

	if (pid == 0 || (uint32_t)pid == t->p->pid)
		return t->p;
	TAILQ_FOREACH (q, &t->k->processes, all)
		if (q->pid == (uint32_t)pid)
			return q;
	o = task_find_locked(t->k, (uint32_t)pid);
	return o ? o->p : NULL;
}

long sys_getpgid(struct task *t, struct call *c)
{
	struct process *q;
	long r = -ESRCH;

	pthread_mutex_lock(&t->k->tree_lock);
	q = find_locked(t, (int)c->args[0]);
	if (q)
		r = q->pgid;
	pthread_mutex_unlock(&t->k->tree_lock);
	return r;
}

long sys_getpgrp(struct task *t, struct call *c)
{
	long r;

	(void)c;
	pthread_mutex_lock(&t->k->tree_lock);
	r = t->p->pgid;
	pthread_mutex_unlock(&t->k->tree_lock);
	return r;
}

long sys_getsid(struct task *t, struct call *c)
{
	struct process *q;
	long r = -ESRCH;

	pthread_mutex_lock(&t->k->tree_lock);
	q = find_locked(t, (int)c->args[0]);
	if (q)
		r = q->sid;
	pthread_mutex_unlock(&t->k->tree_lock);
	return r;
}

static bool group_in_session_locked(struct kernel *k, uint32_t pgid, uint32_t sid)
{
	struct process *q;

	TAILQ_FOREACH (q, &k->processes, all)
		if (q->pgid == pgid && q->sid == sid)
			return true;
	return false;
}

/* setpgid(2)'s rules, in Linux's order. */
static int setpgid_locked(struct task *t, int pid, int pgid)
{
	struct process *p = t->p, *q = find_locked(t, pid);

	if (!q)
		return -ESRCH;
	if (q->pid != (uint32_t)pid)
		return -EINVAL;
	if (q->parent == p) {
		if (q->sid != p->sid)
			return -EPERM;
		if (q->execed)
			return -EACCES;
	} else if (q != p) {
		return -ESRCH;
	}
	if (q->sid == q->pid)
		return -EPERM;
	if ((uint32_t)pgid != q->pid && !group_in_session_locked(t->k, (uint32_t)pgid, p->sid))
		return -EPERM;
	if (q->pgid != (uint32_t)pgid)
		process_set_group_locked(q, (uint32_t)pgid);
	return 0;
}

long sys_setpgid(struct task *t, struct call *c)
{
	int pid = (int)c->args[0], pgid = (int)c->args[1];
	int r;

	if (!pid)
		pid = (int)t->p->pid;
	if (!pgid)
		pgid = pid;
	if (pgid < 0)
		return -EINVAL;
	pthread_mutex_lock(&t->k->tree_lock);
	r = setpgid_locked(t, pid, pgid);
	pthread_mutex_unlock(&t->k->tree_lock);
	return r;
}

long sys_setsid(struct task *t, struct call *c)
{
	struct process *p = t->p, *q;
	long r = p->pid;

	(void)c;
	pthread_mutex_lock(&t->k->tree_lock);
	TAILQ_FOREACH (q, &t->k->processes, all)
		if (q->pgid == p->pid)
			r = -EPERM;
	if (r > 0) {
		process_set_session_locked(p, p->pid);
		process_set_group_locked(p, p->pid);
		tty_forget_locked(p);
	}
	pthread_mutex_unlock(&t->k->tree_lock);
	return r;
}
