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

long sched_on_task(struct task *t, int tid,
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
	r = sched_on_task(t, (int)c->args[0], get_affinity, &mask);
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
	return sched_on_task(t, (int)c->args[0], set_affinity, &mask);
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
	policy = t->prio.policy;
	pthread_mutex_unlock(&t->p->lock);
	return policy;
}

static long get_policy_flags(struct task *self, struct task *t, void *arg)
{
	long policy = get_policy(self, t, arg);

	return t->prio.reset_on_fork ? policy | POLICY_RESET_ON_FORK : policy;
}

int sched_may_set_locked(struct task *t, const struct cred *me, int policy, int nice, bool reset)
{
	struct task_prio *at = &t->prio;
	int64_t limit = (int64_t)t->p->rlim[RLIMIT_NICE].rlim_cur;

	if (!cred_capable(me, CAP_SYS_NICE)) {
		/* RLIMIT_NICE: 20 - the lowest nice value that may be asked for. */
		if (nice < at->nice && 20 - nice > limit)
			return -EPERM;
		if (at->policy == SCHED_IDLE && policy != SCHED_IDLE && 20 - at->nice > limit)
			return -EPERM;
		if (at->reset_on_fork && !reset)
			return -EPERM;
	}
	at->policy = policy;
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
	r = sched_may_set_locked(t, &me, policy, t->prio.nice,
				 want->policy < 0 ? t->prio.reset_on_fork : want->reset);
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
	return sched_on_task(t, tid, set_policy, &want);
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
	return sched_on_task(t, (int)c->args[0], get_policy_flags, NULL);
}

long sys_sched_getparam(struct task *t, struct call *c)
{
	int prio = 0;
	long r;

	if (!c->args[1])
		return -EINVAL;
	r = sched_on_task(t, (int)c->args[0], get_policy, NULL);
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
	long r = sched_on_task(t, (int)c->args[0], get_policy, NULL);

	return r < 0 ? r : timespec_to_guest(task_mm(t), gva(c->args[1]), SCHED_SLICE_NS);
}

/* ---- nice values: kept, shown, inherited; the scheduler treats all alike ---- */

static struct task_prio *prio_of_locked(struct process *p, uint32_t tid)
{
	struct task *t;

	TAILQ_FOREACH (t, &p->tasks, thread)
		if (t->tid == tid)
			return &t->prio;
	return p->pid == tid ? &p->ended_prio : NULL;
}

void sched_for_chosen(struct task *t, int which, uint32_t who,
		      void (*f)(void *arg, struct process *p, struct task_prio *prio), void *arg)
{
	uint32_t uid = process_uid(t->p);
	struct task_prio *one;
	struct process *p;
	struct task *o;

	pthread_mutex_lock(&t->k->tree_lock);
	if (!who)
		who = which == PRIO_PROCESS ? t->tid : which == PRIO_PGRP ? t->p->pgid : uid;
	TAILQ_FOREACH (p, &t->k->processes, all) {
		if (p->life == LIFE_DEAD || p->life == LIFE_NEW)
			continue;
		pthread_mutex_lock(&p->lock);
		one = which == PRIO_PROCESS ? prio_of_locked(p, who) : NULL;
		if (one) {
			f(arg, p, one);
		} else if (which == PRIO_PGRP ? p->pgid == who
					      : which == PRIO_USER && p->cred.uid == who) {
			TAILQ_FOREACH (o, &p->tasks, thread)
				f(arg, p, &o->prio);
			if (TAILQ_EMPTY(&p->tasks))
				f(arg, p, &p->ended_prio);
		}
		pthread_mutex_unlock(&p->lock);
	}
	pthread_mutex_unlock(&t->k->tree_lock);
}

struct nice {
	struct cred cred; /* the caller's */
	int value;        /* to set */
	long result;
};

static void get_nice(void *arg, struct process *p, struct task_prio *prio)
{
	struct nice *n = arg;

	(void)p;
	if (20 - prio->nice > n->result)
		n->result = 20 - prio->nice;
}

long sys_getpriority(struct task *t, struct call *c)
{
	struct nice n = {.result = -ESRCH};
	int which = (int)c->args[0];

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	sched_for_chosen(t, which, (uint32_t)c->args[1], get_nice, &n);
	return n.result;
}

static void set_nice(void *arg, struct process *p, struct task_prio *prio)
{
	struct nice *n = arg;
	const struct cred *me = &n->cred;
	int r = 0;

	if (!cred_capable(me, CAP_SYS_NICE)) {
		/* RLIMIT_NICE: 20 - the lowest nice value that may be asked for. */
		if (p->cred.uid != me->euid && p->cred.euid != me->euid)
			r = -EPERM;
		else if (n->value < prio->nice &&
			 20 - n->value > (int64_t)p->rlim[RLIMIT_NICE].rlim_cur)
			r = -EACCES;
	}
	if (r == 0)
		prio->nice = n->value;
	if (r < 0 || n->result == -ESRCH)
		n->result = r;
}

long sys_setpriority(struct task *t, struct call *c)
{
	struct nice n = {.value = (int)c->args[2], .result = -ESRCH};
	int which = (int)c->args[0];

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	if (n.value < -20)
		n.value = -20;
	if (n.value > 19)
		n.value = 19;
	process_cred(t->p, &n.cred);
	sched_for_chosen(t, which, (uint32_t)c->args[1], set_nice, &n);
	return n.result;
}
