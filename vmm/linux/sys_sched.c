/*
 * sched(7)'s calls, for one honest class: SCHED_OTHER and its quieter variants. Real-time policies
 * are EPERM, as without CAP_SYS_NICE.
 */
#include "process.h"
#include "sys.h"
#include "syscalls.h"

#include <linux/capability.h>
#include <sched.h>
#include <string.h>

#define POLICY_DEADLINE      6
#define POLICY_EXT           7
#define POLICY_RESET_ON_FORK 0x40000000
#define RT_PRIO_MAX          99

/* Calls f on the task that a tid argument names (0: the caller), other processes' ones with
 * tree_lock held. -ESRCH, -EINVAL (negative), or f's result. */
static long on_task(struct task *t, int tid,
		    long (*f)(struct task *self, struct task *other, void *arg), void *arg)
{
	struct task *other;
	long r = -ESRCH;

	if (tid < 0)
		return -EINVAL;
	if (tid == 0 || tid == (int)t->tid)
		return f(t, t, arg);
	pthread_mutex_lock(&t->k->tree_lock);
	other = task_find_locked(t->k, (uint32_t)tid);
	if (other)
		r = f(t, other, arg);
	pthread_mutex_unlock(&t->k->tree_lock);
	return r;
}

static bool may_schedule(struct task *self, struct task *other)
{
	struct cred mine, theirs;

	if (self->p == other->p)
		return true;
	process_cred(self->p, &mine);
	process_cred(other->p, &theirs);
	return cred_capable(&mine, CAP_SYS_NICE) || mine.euid == theirs.uid ||
	       mine.euid == theirs.euid;
}

/* ---- affinity ---- */

static uint64_t all_cpus(struct kernel *k)
{
	unsigned n = sched_cpus(k->sched);

	return n >= 64 ? UINT64_MAX : (1ULL << n) - 1;
}

static long get_affinity(struct task *self, struct task *t, void *arg)
{
	(void)self;
	*(uint64_t *)arg = sched_get_affinity(&t->st) & all_cpus(t->k);
	return 0;
}

static long set_affinity(struct task *self, struct task *t, void *arg)
{
	if (!may_schedule(self, t))
		return -EPERM;
	return sched_set_affinity(&t->st, *(uint64_t *)arg);
}

long sys_sched_getaffinity(struct task *t, struct call *c)
{
	unsigned len = (unsigned)c->args[1];
	uint64_t mask = 0;
	long r;

	if ((uint64_t)len * 8 < sched_cpus(t->k->sched) || (len & 7))
		return -EINVAL;
	if ((int)c->args[0] < 0)
		return -ESRCH;
	r = on_task(t, (int)c->args[0], get_affinity, &mask);
	if (r < 0)
		return r;
	if (copy_to_guest(task_mm(t), gva(c->args[2]), &mask, sizeof(mask)) < 0)
		return -EFAULT;
	return sizeof(mask);
}

long sys_sched_setaffinity(struct task *t, struct call *c)
{
	unsigned len = (unsigned)c->args[1];
	uint64_t mask = 0;

	if (len > sizeof(mask))
		len = sizeof(mask);
	if (copy_from_guest(task_mm(t), &mask, gva(c->args[2]), len) < 0)
		return -EFAULT;
	mask &= all_cpus(t->k);
	if ((int)c->args[0] < 0)
		return -ESRCH;
	return on_task(t, (int)c->args[0], set_affinity, &mask);
}

long sys_getcpu(struct task *t, struct call *c)
{
	uint32_t v[2] = {t->st.cpu < 0 ? 0 : (uint32_t)t->st.cpu, 0};

	for (int i = 0; i < 2; i++)
		if (c->args[i] &&
		    copy_to_guest(task_mm(t), gva(c->args[i]), &v[i], sizeof(v[i])) < 0)
			return -EFAULT;
	return 0;
}

/* ---- policies ---- */

/* 0; -EINVAL: no such policy or a priority that it has not; -EPERM: real time. */
static int check_policy(int policy, int prio)
{
	switch (policy) {
	case SCHED_OTHER:
	case SCHED_BATCH:
	case SCHED_IDLE:
		return prio == 0 ? 0 : -EINVAL;
	case SCHED_FIFO:
	case SCHED_RR:
		return prio >= 1 && prio <= RT_PRIO_MAX ? -EPERM : -EINVAL;
	}
	return -EINVAL;
}

struct policy {
	int policy; /* -1: keep it, and reset */
	int prio;
	bool reset; /* SCHED_RESET_ON_FORK */
};

static long get_policy(struct task *self, struct task *t, void *arg)
{
	int policy;

	(void)self;
	(void)arg;
	pthread_mutex_lock(&t->p->lock);
	policy = t->p->attr.sched_policy;
	pthread_mutex_unlock(&t->p->lock);
	return policy;
}

static long get_policy_flags(struct task *self, struct task *t, void *arg)
{
	long policy = get_policy(self, t, arg);

	return t->p->attr.reset_on_fork ? policy | POLICY_RESET_ON_FORK : policy;
}

int sched_may_set_locked(struct process *p, const struct cred *me, int policy, int nice, bool reset)
{
	struct process_attr *at = &p->attr;
	int64_t limit = (int64_t)p->rlim[RLIMIT_NICE].rlim_cur;

	if (!cred_capable(me, CAP_SYS_NICE)) {
		/* RLIMIT_NICE: 20 - the lowest nice value that may be asked for. */
		if (nice < at->nice && 20 - nice > limit)
			return -EPERM;
		if (at->sched_policy == SCHED_IDLE && policy != SCHED_IDLE && 20 - at->nice > limit)
			return -EPERM;
		if (at->reset_on_fork && !reset)
			return -EPERM;
	}
	at->sched_policy = policy;
	at->reset_on_fork = reset;
	return 0;
}

static long set_policy(struct task *self, struct task *t, void *arg)
{
	struct policy *want = arg;
	int policy = want->policy < 0 ? (int)get_policy(self, t, NULL) : want->policy;
	struct cred me;
	int r = check_policy(policy, want->prio);

	if (r < 0)
		return r;
	if (!may_schedule(self, t))
		return -EPERM;
	process_cred(self->p, &me);
	pthread_mutex_lock(&t->p->lock);
	r = sched_may_set_locked(t->p, &me, policy, t->p->attr.nice,
				 want->policy < 0 ? t->p->attr.reset_on_fork : want->reset);
	pthread_mutex_unlock(&t->p->lock);
	return r;
}

static long set_scheduler(struct task *t, int tid, int policy, bool reset, uint64_t param)
{
	struct policy want = {.policy = policy, .reset = reset};

	if (!param || tid < 0)
		return -EINVAL;
	if (copy_from_guest(task_mm(t), &want.prio, gva(param), sizeof(want.prio)) < 0)
		return -EFAULT;
	return on_task(t, tid, set_policy, &want);
}

long sys_sched_setscheduler(struct task *t, struct call *c)
{
	int policy = (int)c->args[1];

	if (policy < 0)
		return -EINVAL;
	return set_scheduler(t, (int)c->args[0], policy & ~POLICY_RESET_ON_FORK,
			     policy & POLICY_RESET_ON_FORK, c->args[2]);
}

long sys_sched_setparam(struct task *t, struct call *c)
{
	return set_scheduler(t, (int)c->args[0], -1, false, c->args[1]);
}

long sys_sched_getscheduler(struct task *t, struct call *c)
{
	return on_task(t, (int)c->args[0], get_policy_flags, NULL);
}

long sys_sched_getparam(struct task *t, struct call *c)
{
	int prio = 0;
	long r;

	if (!c->args[1])
		return -EINVAL;
	r = on_task(t, (int)c->args[0], get_policy, NULL);
	return r < 0 ? r : copy_to_guest(task_mm(t), gva(c->args[1]), &prio, sizeof(prio));
}

static long priority_of(int policy, int rt)
{
	switch (policy) {
	case SCHED_FIFO:
	case SCHED_RR:
		return rt;
	case SCHED_OTHER:
	case SCHED_BATCH:
	case SCHED_IDLE:
	case POLICY_DEADLINE:
	case POLICY_EXT:
		return 0;
	}
	return -EINVAL;
}

long sys_sched_get_priority_max(struct task *t, struct call *c)
{
	(void)t;
	return priority_of((int)c->args[0], RT_PRIO_MAX);
}

long sys_sched_get_priority_min(struct task *t, struct call *c)
{
	(void)t;
	return priority_of((int)c->args[0], 1);
}

long sys_sched_rr_get_interval(struct task *t, struct call *c)
{
	long r = on_task(t, (int)c->args[0], get_policy, NULL);

	return r < 0 ? r : timespec_to_guest(task_mm(t), gva(c->args[1]), SCHED_SLICE_NS);
}

/* ---- nice values: kept, shown, inherited; the scheduler treats all alike ---- */

struct nice {
	struct task *t;
	int which;
	uint32_t who;
	struct cred cred; /* t's */
	int value;        /* to set */
	long result;
};

bool process_chosen_locked(struct process *p, int which, uint32_t who)
{
	struct task *t;

	if (p->life == LIFE_DEAD || p->life == LIFE_NEW)
		return false;
	switch (which) {
	case PRIO_PROCESS:
		TAILQ_FOREACH (t, &p->tasks, thread)
			if (t->tid == who)
				return true;
		return p->pid == who;
	case PRIO_PGRP:
		return p->pgid == who;
	}
	return process_uid(p) == who;
}

static void for_chosen(struct nice *n, void (*f)(struct nice *n, struct process *p))
{
	struct process *p, *me = n->t->p;

	process_cred(me, &n->cred);
	pthread_mutex_lock(&n->t->k->tree_lock);
	if (n->who == 0)
		n->who = n->which == PRIO_PROCESS ? me->pid
			 : n->which == PRIO_PGRP  ? me->pgid
						  : n->cred.uid;
	TAILQ_FOREACH (p, &n->t->k->processes, all)
		if (process_chosen_locked(p, n->which, n->who))
			f(n, p);
	pthread_mutex_unlock(&n->t->k->tree_lock);
}

static void get_nice(struct nice *n, struct process *p)
{
	long v;

	pthread_mutex_lock(&p->lock);
	v = 20 - p->attr.nice;
	pthread_mutex_unlock(&p->lock);
	if (v > n->result)
		n->result = v;
}

long sys_getpriority(struct task *t, struct call *c)
{
	struct nice n = {
		.t = t, .which = (int)c->args[0], .who = (uint32_t)c->args[1], .result = -ESRCH};

	if (n.which < PRIO_PROCESS || n.which > PRIO_USER)
		return -EINVAL;
	for_chosen(&n, get_nice);
	return n.result;
}

static void set_nice(struct nice *n, struct process *p)
{
	const struct cred *me = &n->cred;
	int r = 0;

	pthread_mutex_lock(&p->lock);
	if (!cred_capable(me, CAP_SYS_NICE)) {
		/* RLIMIT_NICE: 20 - the lowest nice value that may be asked for. */
		if (p->cred.uid != me->euid && p->cred.euid != me->euid)
			r = -EPERM;
		else if (n->value < p->attr.nice &&
			 20 - n->value > (int64_t)p->rlim[RLIMIT_NICE].rlim_cur)
			r = -EACCES;
	}
	if (r == 0)
		p->attr.nice = n->value;
	pthread_mutex_unlock(&p->lock);
	if (r < 0 || n->result == -ESRCH)
		n->result = r;
}

long sys_setpriority(struct task *t, struct call *c)
{
	struct nice n = {
		.t = t, .which = (int)c->args[0], .who = (uint32_t)c->args[1], .result = -ESRCH};

	if (n.which < PRIO_PROCESS || n.which > PRIO_USER)
		return -EINVAL;
	n.value = (int)c->args[2];
	if (n.value < -20)
		n.value = -20;
	if (n.value > 19)
		n.value = 19;
	for_chosen(&n, set_nice);
	return n.result;
}
