/*
 * prctl(2), personality(2), arch_prctl(2).
 */
#include "futex_user.h"
#include "sys.h"
#include "syscalls.h"

#include <linux/capability.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <string.h>

#define TIMERSLACK_DEFAULT 50000 /* ns */
/* CAP_CHECKPOINT_RESTORE: the last of 6.12. Older headers do not know it. */
#define CAP_LAST 40

static long set_pdeathsig(struct task *t, uint64_t sig)
{
	if (sig > NSIG_GUEST)
		return -EINVAL;
	pthread_mutex_lock(&t->k->tree_lock);
	t->p->pdeath_signal = (int)sig;
	pthread_mutex_unlock(&t->k->tree_lock);
	return 0;
}

static long get_int(struct task *t, uint64_t addr, int v)
{
	return copy_to_guest(task_mm(t), gva(addr), &v, sizeof(v));
}

static long set_name(struct task *t, uint64_t addr)
{
	char name[TASK_COMM_LEN] = "";
	ssize_t n = strncpy_from_guest(task_mm(t), name, gva(addr), sizeof(name));

	if (n == -EFAULT)
		return -EFAULT;
	name[TASK_COMM_LEN - 1] = '\0';
	if (n >= 0)
		memset(name + n, 0, sizeof(name) - (size_t)n);
	pthread_mutex_lock(&t->p->lock);
	memcpy(t->comm, name, sizeof(name));
	pthread_mutex_unlock(&t->p->lock);
	return 0;
}

static long set_subreaper(struct task *t, bool on)
{
	pthread_mutex_lock(&t->k->tree_lock);
	process_set_subreaper_locked(t->p, on);
	pthread_mutex_unlock(&t->k->tree_lock);
	return 0;
}

static long get_subreaper(struct task *t, uint64_t addr)
{
	bool on;

	pthread_mutex_lock(&t->k->tree_lock);
	on = t->p->child_subreaper;
	pthread_mutex_unlock(&t->k->tree_lock);
	return get_int(t, addr, on);
}

/* The flags and numbers that belong to the process. */
static long attributes(struct task *t, int op, const uint64_t *a)
{
	struct process *p = t->p;
	struct process_attr *at = &p->attr;
	long r = 0;

	pthread_mutex_lock(&p->lock);
	switch (op) {
	case PR_GET_DUMPABLE:
		r = p->dumpable;
		break;
	case PR_SET_DUMPABLE:
		if (a[1] > 1)
			r = -EINVAL;
		else
			p->dumpable = a[1] == 1;
		break;
	case PR_GET_KEEPCAPS:
		r = at->keepcaps;
		break;
	case PR_SET_KEEPCAPS:
		if (a[1] > 1)
			r = -EINVAL;
		else
			at->keepcaps = a[1] == 1;
		break;
	case PR_SET_TIMERSLACK:
		at->timerslack = (int64_t)a[1] <= 0 ? TIMERSLACK_DEFAULT : a[1];
		break;
	case PR_GET_TIMERSLACK:
		r = (long)at->timerslack;
		break;
	case PR_SET_NO_NEW_PRIVS:
		if (a[1] != 1 || a[2] || a[3] || a[4])
			r = -EINVAL;
		else
			at->no_new_privs = true;
		break;
	case PR_GET_NO_NEW_PRIVS:
		r = a[1] || a[2] || a[3] || a[4] ? -EINVAL : at->no_new_privs;
		break;
	default:
		r = -EINVAL;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* No ambient capabilities: none can be raised. */
static long ambient(const uint64_t *a)
{
	switch (a[1]) {
	case PR_CAP_AMBIENT_CLEAR_ALL:
		return a[2] || a[3] || a[4] ? -EINVAL : 0;
	case PR_CAP_AMBIENT_IS_SET:
	case PR_CAP_AMBIENT_LOWER:
		return a[3] || a[4] || a[2] > CAP_LAST ? -EINVAL : 0;
	case PR_CAP_AMBIENT_RAISE:
		return a[3] || a[4] || a[2] > CAP_LAST ? -EINVAL : -EPERM;
	}
	return -EINVAL;
}

/* As of 6.12: no flags. */
static long thp_disable(struct task *t, const uint64_t *a)
{
	if (a[2] || a[3] || a[4])
		return -EINVAL;
	mm_set_no_spans(task_mm(t), a[1]);
	return 0;
}

static long thp_disabled(struct task *t, const uint64_t *a)
{
	return a[1] || a[2] || a[3] || a[4] ? -EINVAL : mm_no_spans(task_mm(t));
}

long sys_prctl(struct task *t, struct call *c)
{
	const uint64_t *a = c->args;

	switch ((int)a[0]) {
	case PR_SET_PDEATHSIG:
		return set_pdeathsig(t, a[1]);
	case PR_GET_PDEATHSIG:
		return get_int(t, a[1], t->p->pdeath_signal);
	case PR_SET_NAME:
		return set_name(t, a[1]);
	case PR_GET_NAME:
		return copy_to_guest(task_mm(t), gva(a[1]), t->comm, TASK_COMM_LEN);
	case PR_SET_CHILD_SUBREAPER:
		return set_subreaper(t, a[1] != 0);
	case PR_GET_CHILD_SUBREAPER:
		return get_subreaper(t, a[1]);
	case PR_GET_TIMING:
	case PR_GET_SECCOMP:
	case PR_GET_SECUREBITS:
		return 0;
	case PR_SET_TIMING:
		return a[1] == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
	case PR_CAPBSET_READ:
		return cred_bounding(t, a[1], false);
	case PR_CAPBSET_DROP:
		return cred_bounding(t, a[1], true);
	case PR_SET_THP_DISABLE:
		return thp_disable(t, a);
	case PR_GET_THP_DISABLE:
		return thp_disabled(t, a);
	case PR_FUTEX_HASH_K:
		return futex_prctl(t, a);
	case PR_CAP_AMBIENT:
		return ambient(a);
	}
	return attributes(t, (int)a[0], a);
}

#define PERSONALITY_QUERY 0xffffffffU

long sys_personality(struct task *t, struct call *c)
{
	uint32_t set = (uint32_t)c->args[0], old;

	pthread_mutex_lock(&t->p->lock);
	old = t->p->attr.personality;
	if (set != PERSONALITY_QUERY)
		t->p->attr.personality = set;
	pthread_mutex_unlock(&t->p->lock);
	return (long)old;
}

long sys_arch_prctl(struct task *t, struct call *c)
{
	return arch_prctl_call(t, (int)c->args[0], c->args[1]);
}
