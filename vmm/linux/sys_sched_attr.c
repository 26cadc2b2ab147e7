/*
 * sched_setattr(2), sched_getattr(2), ioprio_get(2), ioprio_set(2); and NUMA policies for a machine
 * of one node: get_mempolicy(2), set_mempolicy(2), mbind(2). What has no effect is checked all the
 * same.
 */
#include "process.h"
#include "sys.h"
#include "syscalls.h"

#include <linux/capability.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <string.h>

#define SIZE_VER0         48
#define FLAG_RESET_FORK   0x01
#define FLAG_KEEP_POLICY  0x08
#define FLAG_KEEP_PARAMS  0x10
#define FLAGS_ALL         0x7f
#define POLICY_DEADLINE_K 6

struct sched_attr_k {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static long read_attr(struct task *self, struct task *t, void *arg)
{
	struct sched_attr_k *a = arg;

	(void)self;
	pthread_mutex_lock(&t->p->lock);
	a->policy = (uint32_t)t->prio.policy;
	a->nice = t->prio.nice;
	a->flags = t->prio.reset_on_fork ? FLAG_RESET_FORK : 0;
	pthread_mutex_unlock(&t->p->lock);
	return 0;
}

long sys_sched_getattr(struct task *t, struct call *c)
{
	struct sched_attr_k a = {.size = sizeof(a), .util_max = 1024};
	unsigned size = (unsigned)c->args[2];
	long r;

	if (!c->args[1] || (int)c->args[0] < 0 || size > PAGE_SIZE || size < SIZE_VER0 ||
	    c->args[3])
		return -EINVAL;
	r = sched_on_task(t, (int)c->args[0], read_attr, &a);
	if (r)
		return r;
	if (a.size > size)
		a.size = size;
	return copy_to_guest(task_mm(t), gva(c->args[1]), &a, a.size);
}

/* 0, -EFAULT, -E2BIG, -EINVAL. What a newer kernel knows must be zero. */
static int get_attr(struct task *t, uint64_t addr, struct sched_attr_k *a)
{
	uint8_t tail[64];
	uint32_t size;

	memset(a, 0, sizeof(*a));
	if (copy_from_guest(task_mm(t), &size, gva(addr), sizeof(size)))
		return -EFAULT;
	if (!size)
		size = SIZE_VER0;
	if (size < SIZE_VER0 || size > sizeof(*a) + sizeof(tail)) {
		a->size = sizeof(*a);
		copy_to_guest(task_mm(t), gva(addr), &a->size, sizeof(a->size));
		return -E2BIG;
	}
	memset(tail, 0, sizeof(tail));
	if (copy_from_guest(task_mm(t), a, gva(addr), size < sizeof(*a) ? size : sizeof(*a)) ||
	    (size > sizeof(*a) &&
	     copy_from_guest(task_mm(t), tail, gva(addr + sizeof(*a)), size - sizeof(*a))))
		return -EFAULT;
	for (size_t i = 0; i < sizeof(tail); i++)
		if (tail[i])
			return -E2BIG;
	if (a->nice < -20)
		a->nice = -20;
	if (a->nice > 19)
		a->nice = 19;
	return a->flags & ~(uint64_t)FLAGS_ALL || (int32_t)a->policy < 0 ? -EINVAL : 0;
}

/* __checkparam_dl(): at least 1 us of time to run, before the deadline, within the period. */
static bool deadline_valid(const struct sched_attr_k *a)
{
	uint64_t period = a->period ? a->period : a->deadline;

	return a->deadline && a->runtime >= 1024 && !(a->deadline >> 63) && !(a->period >> 63) &&
	       a->runtime <= a->deadline && a->deadline <= period && period >= 100000 &&
	       period <= (1ULL << 22) * 1000;
}

/* t->p->lock held. */
static int set_attr_locked(struct task *t, const struct cred *me, const struct sched_attr_k *a)
{
	int policy = a->flags & FLAG_KEEP_POLICY ? t->prio.policy : (int)a->policy;
	bool root = cred_capable(me, CAP_SYS_NICE), keep = a->flags & FLAG_KEEP_PARAMS;
	int r;

	switch (policy) {
	case SCHED_OTHER:
	case SCHED_BATCH:
	case SCHED_IDLE:
		if (a->priority)
			return -EINVAL;
		break;
	case SCHED_FIFO:
	case SCHED_RR:
		return a->priority >= 1 && a->priority <= 99 ? -EPERM : -EINVAL;
	case POLICY_DEADLINE_K:
		return a->priority || !deadline_valid(a) ? -EINVAL : -EPERM;
	default:
		return -EINVAL;
	}
	if (!root && me->euid != t->p->cred.uid && me->euid != t->p->cred.euid)
		return -EPERM;
	r = sched_may_set_locked(t, me, policy, keep ? t->prio.nice : a->nice,
				 a->flags & FLAG_RESET_FORK);
	if (r)
		return r;
	if (!keep && policy != SCHED_IDLE)
		t->prio.nice = a->nice;
	return 0;
}

static long write_attr(struct task *self, struct task *t, void *arg)
{
	struct cred me;
	long r;

	process_cred(self->p, &me);
	pthread_mutex_lock(&t->p->lock);
	r = set_attr_locked(t, &me, arg);
	pthread_mutex_unlock(&t->p->lock);
	return r;
}

long sys_sched_setattr(struct task *t, struct call *c)
{
	struct sched_attr_k a;
	int r;

	if (!c->args[1] || (int)c->args[0] < 0 || c->args[2])
		return -EINVAL;
	r = get_attr(t, c->args[1], &a);
	return r ? r : sched_on_task(t, (int)c->args[0], write_attr, &a);
}

/* ---- I/O priorities: kept ---- */

#define WHO_PROCESS 1
#define WHO_USER    3

static int check_ioprio(struct task *t, int prio)
{
	/* Above the level (3 bits) there is a hint, which nobody checks. */
	int class = prio >> IOPRIO_CLASS_SHIFT & 7, level = prio & 7;

	switch (class) {
	case IOPRIO_CLASS_RT:
		return task_capable(t, CAP_SYS_NICE) ? 0 : -EPERM;
	case IOPRIO_CLASS_BE:
	case IOPRIO_CLASS_IDLE:
		return 0;
	case IOPRIO_CLASS_NONE:
		return level ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

struct ioprio {
	struct cred me;
	int set;  /* -1: read */
	int best; /* of those read: the lowest */
	long result;
};

static void ioprio_of(void *arg, struct process *p, struct task_prio *prio)
{
	struct ioprio *io = arg;

	if (io->result == -EPERM)
		return;
	if (io->set < 0) {
		if (io->result < 0 || prio->io < io->best)
			io->best = prio->io;
		io->result = 0;
	} else if (p->cred.uid != io->me.euid && p->cred.uid != io->me.uid &&
		   !cred_capable(&io->me, CAP_SYS_NICE)) {
		io->result = -EPERM;
	} else {
		prio->io = io->set;
		io->result = 0;
	}
}

static long for_ioprio(struct task *t, int which, uint32_t who, int set)
{
	struct ioprio io = {.set = set, .result = -ESRCH};

	if (which < WHO_PROCESS || which > WHO_USER)
		return -EINVAL;
	process_cred(t->p, &io.me);
	/* PRIO_* are one less. */
	sched_for_chosen(t, which - 1, who, ioprio_of, &io);
	return set < 0 && !io.result ? io.best : io.result;
}

long sys_ioprio_set(struct task *t, struct call *c)
{
	int prio = (int)c->args[2] & 0xffff, r = check_ioprio(t, (int)c->args[2]);

	return r ? r : for_ioprio(t, (int)c->args[0], (uint32_t)c->args[1], prio);
}

long sys_ioprio_get(struct task *t, struct call *c)
{
	return for_ioprio(t, (int)c->args[0], (uint32_t)c->args[1], -1);
}

/* ---- one memory node ---- */

#define MPOL_DEFAULT_K    0
#define MPOL_PREFERRED_K  1
#define MPOL_LOCAL_K      4
#define MPOL_MAX_K        7
#define MPOL_MODE_FLAGS   0xe000
#define MPOL_F_STATIC_K   0x8000
#define MPOL_F_RELATIVE_K 0x4000
#define MPOL_F_NODE_K     1
#define MPOL_F_ADDR_K     2
#define MPOL_F_ALLOWED_K  4
#define MPOL_MF_ALL       7
#define MAX_NODES         32768

/* The node mask: *nodes has those below 64. Only node 0 exists. 0, -EINVAL, -EFAULT. */
static int get_nodes(struct task *t, uint64_t addr, uint64_t maxnode, uint64_t *nodes)
{
	*nodes = 0;
	if (!addr || maxnode <= 1)
		return 0;
	maxnode--;
	if (maxnode > MAX_NODES)
		return -EINVAL;
	for (uint64_t at = 0; at < maxnode; at += 64) {
		uint64_t word;

		if (copy_from_guest(task_mm(t), &word, gva(addr + at / 8), sizeof(word)))
			return -EFAULT;
		if (maxnode - at < 64)
			word &= (1ULL << (maxnode - at)) - 1;
		if (at ? word : word & ~1ULL)
			return -EINVAL;
		*nodes |= word;
	}
	return 0;
}

static int check_mempolicy(struct task *t, uint64_t mode, uint64_t addr, uint64_t maxnode)
{
	uint64_t nodes;
	int r;

	if ((mode & MPOL_F_STATIC_K) && (mode & MPOL_F_RELATIVE_K))
		return -EINVAL;
	mode &= ~(uint64_t)MPOL_MODE_FLAGS;
	if ((int)mode < 0 || mode >= MPOL_MAX_K)
		return -EINVAL;
	r = get_nodes(t, addr, maxnode, &nodes);
	if (r)
		return r;
	if (mode == MPOL_DEFAULT_K || mode == MPOL_LOCAL_K)
		return nodes ? -EINVAL : 0;
	return nodes || mode == MPOL_PREFERRED_K ? 0 : -EINVAL;
}

long sys_set_mempolicy(struct task *t, struct call *c)
{
	return check_mempolicy(t, (uint32_t)c->args[0], c->args[1], c->args[2]);
}

long sys_mbind(struct task *t, struct call *c)
{
	uint64_t addr = c->args[0], len = page_up(c->args[1]);
	struct vma v;

	if (c->args[5] & ~(uint64_t)MPOL_MF_ALL || addr & ~PAGE_MASK || addr + len < addr)
		return -EINVAL;
	if (c->args[5] & 4) /* MPOL_MF_MOVE_ALL */
		return -EPERM;
	if (len && (!mm_find_vma(task_mm(t), addr, &v) || v.start > addr))
		return -EFAULT;
	return check_mempolicy(t, c->args[2], c->args[3], c->args[4]);
}

long sys_get_mempolicy(struct task *t, struct call *c)
{
	uint64_t flags = c->args[4], maxnode = c->args[2], mask = 0;
	struct vma v;
	int policy = 0;

	if (flags & ~(uint64_t)(MPOL_F_NODE_K | MPOL_F_ADDR_K | MPOL_F_ALLOWED_K) ||
	    (c->args[1] && !maxnode))
		return -EINVAL;
	if (flags & MPOL_F_ALLOWED_K) {
		if (flags & (MPOL_F_NODE_K | MPOL_F_ADDR_K))
			return -EINVAL;
		mask = 1;
	} else if (flags & MPOL_F_ADDR_K) {
		if (!mm_find_vma(task_mm(t), c->args[3], &v) || v.start > c->args[3])
			return -EFAULT;
	} else if (c->args[3] || flags & MPOL_F_NODE_K) {
		return -EINVAL;
	}
	if (c->args[0] && copy_to_guest(task_mm(t), gva(c->args[0]), &policy, sizeof(policy)))
		return -EFAULT;
	if (!c->args[1])
		return 0;
	if (maxnode > MAX_NODES)
		maxnode = MAX_NODES;
	if (clear_guest(task_mm(t), gva(c->args[1]), (maxnode + 63) / 64 * 8))
		return -EFAULT;
	return copy_to_guest(task_mm(t), gva(c->args[1]), &mask, sizeof(mask));
}
