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
/* The same. */
#define PR_SET_IO_FLUSHER_K    57
#define PR_GET_IO_FLUSHER_K    58
#define PR_SET_USER_DISPATCH_K 59
#define PR_SET_MDWE_K          65
#define PR_GET_MDWE_K          66
#define PR_GET_AUXV_K          0x41555856

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

/* What to do about a broken page of memory; there is none. */
static long mce_kill(struct process *p, const uint64_t *a)
{
	bool set = a[1] == PR_MCE_KILL_SET;

	if (a[3] || a[4] || a[1] > PR_MCE_KILL_SET || (set ? a[2] > PR_MCE_KILL_DEFAULT : a[2]))
		return -EINVAL;
	pthread_mutex_lock(&p->lock);
	p->attr.mce_kill = !set || a[2] == PR_MCE_KILL_DEFAULT ? -1 : (int8_t)a[2];
	pthread_mutex_unlock(&p->lock);
	return 0;
}

static long mce_kill_get(const struct process *p, const uint64_t *a)
{
	if (a[1] || a[2] || a[3] || a[4])
		return -EINVAL;
	return p->attr.mce_kill < 0 ? PR_MCE_KILL_DEFAULT : p->attr.mce_kill;
}

/* Of the three that Linux knows, none can be controlled. */
static long speculation(const uint64_t *a, bool set)
{
	if ((!set && a[2]) || a[3] || a[4])
		return -EINVAL;
	if (a[1] > 2)
		return -ENODEV;
	return set ? -ENXIO : PR_SPEC_NOT_AFFECTED;
}

/* The vector's room is the answer, as on Linux; what does not fit is left out. */
static long get_auxv(struct task *t, const uint64_t *a)
{
	uint64_t v[2 * AUXV_MAX];

	if (a[3] || a[4])
		return -EINVAL;
	pthread_mutex_lock(&t->p->lock);
	memcpy(v, t->p->auxv, sizeof(v));
	pthread_mutex_unlock(&t->p->lock);
	if (copy_to_guest(task_mm(t), gva(a[1]), v, a[2] < sizeof(v) ? a[2] : sizeof(v)))
		return -EFAULT;
	return sizeof(v);
}

static long set_mdwe(struct process *p, const uint64_t *a)
{
	long r = 0;

	if (a[2] || a[3] || a[4] || a[1] & ~(uint64_t)(MDWE_REFUSE | MDWE_NO_INHERIT) ||
	    a[1] == MDWE_NO_INHERIT)
		return -EINVAL;
	pthread_mutex_lock(&p->lock);
	if (p->attr.mdwe && p->attr.mdwe != a[1])
		r = -EPERM;
	else
		p->attr.mdwe = (uint8_t)a[1];
	pthread_mutex_unlock(&p->lock);
	return r;
}

static long get_mdwe(const struct process *p, const uint64_t *a)
{
	return a[1] || a[2] || a[3] || a[4] ? -EINVAL : p->attr.mdwe;
}

int mdwe_check(struct task *t, unsigned have, unsigned want)
{
	if (!(t->p->attr.mdwe & MDWE_REFUSE) || !(want & VMA_EXEC))
		return 0;
	return want & VMA_WRITE || !(have & VMA_EXEC) ? -EACCES : 0;
}

/* What takes CAP_SYS_RESOURCE, which nobody here has for these; and what can only be left as it
 * is. */
static long refused(int op, const uint64_t *a)
{
	switch (op) {
	case PR_SET_MM:
		return a[4] || (a[3] && a[1] < PR_SET_MM_AUXV) ? -EINVAL : -EPERM;
	case PR_SET_IO_FLUSHER_K:
	case PR_GET_IO_FLUSHER_K:
		return -EPERM;
	case PR_SET_USER_DISPATCH_K:
		return a[1] || a[2] || a[3] || a[4] ? -EINVAL : 0;
	case PR_SET_TSC:
		return a[1] == PR_TSC_ENABLE ? 0 : -EINVAL;
	}
	return -EINVAL;
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
		return 0;
	case PR_SET_TIMING:
		return a[1] == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
	case PR_CAPBSET_READ:
	case PR_CAPBSET_DROP:
	case PR_CAP_AMBIENT:
	case PR_SET_SECUREBITS:
	case PR_GET_SECUREBITS:
	case PR_SET_KEEPCAPS:
	case PR_GET_KEEPCAPS:
		return cred_prctl(t, a);
	case PR_SET_THP_DISABLE:
		return thp_disable(t, a);
	case PR_GET_THP_DISABLE:
		return thp_disabled(t, a);
	case PR_FUTEX_HASH_K:
		return futex_prctl(t, a);
	case PR_MCE_KILL:
		return mce_kill(t->p, a);
	case PR_MCE_KILL_GET:
		return mce_kill_get(t->p, a);
	case PR_GET_SPECULATION_CTRL:
	case PR_SET_SPECULATION_CTRL:
		return speculation(a, a[0] == PR_SET_SPECULATION_CTRL);
	case PR_GET_TID_ADDRESS:
		return copy_to_guest(task_mm(t), gva(a[1]), &t->clear_child_tid,
				     sizeof(t->clear_child_tid));
	case PR_GET_AUXV_K:
		return get_auxv(t, a);
	case PR_SET_MDWE_K:
		return set_mdwe(t->p, a);
	case PR_GET_MDWE_K:
		return get_mdwe(t->p, a);
	case PR_GET_TSC:
		return get_int(t, a[1], PR_TSC_ENABLE);
	case PR_TASK_PERF_EVENTS_DISABLE:
	case PR_TASK_PERF_EVENTS_ENABLE:
		return 0; /* there are none */
	case PR_SET_MM:
	case PR_SET_TSC:
	case PR_SET_IO_FLUSHER_K:
	case PR_GET_IO_FLUSHER_K:
	case PR_SET_USER_DISPATCH_K:
		return refused((int)a[0], a);
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
