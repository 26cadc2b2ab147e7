/* Restartable sequences: see rseq.h. Linux's kernel/rseq.c. */
#include "rseq.h"
#include "process.h"
#include "rewrite.h"
#include "syscalls.h"

#include <string.h>

#define FLAG_UNREGISTER   1U
#define ORIG_SIZE         32 /* of struct rseq, and its alignment, when it had no size of its own */
#define CPU_UNINITIALIZED UINT32_MAX

/* Of struct rseq: cpu_id_start, cpu_id, rseq_cs, flags, node_id, mm_cid. */
#define OFF_CPU   0
#define OFF_CS    8
#define OFF_FLAGS 16
#define OFF_NODE  20

struct rseq_cs {
	uint32_t version, flags;
	uint64_t start_ip, post_commit_offset, abort_ip;
};

/* ---- concurrency ids ---- */

/* The last one, so that nothing need be written, unless the ids have become fewer. Only as many
 * tasks run as there are vCPUs: one is free. */
static uint32_t cid_choose(const struct task *t, const struct mm_cids *ids, uint64_t taken)
{
	unsigned limit = atomic_load(&ids->users), cpus = sched_cpus(t->k->sched);
	uint32_t last = t->rseq.cid;

	if (limit > cpus)
		limit = cpus;
	if (last < limit && !(taken >> last & 1))
		return last;
	return ~taken ? (uint32_t)__builtin_ctzll(~taken) : 0;
}

static uint32_t cid_take(const struct task *t)
{
	struct mm_cids *ids = mm_cids(t->p->mm);
	uint64_t taken = atomic_load(&ids->taken);
	uint32_t cid;

	do
		cid = cid_choose(t, ids, taken);
	while (!atomic_compare_exchange_weak(&ids->taken, &taken, taken | 1ULL << cid));
	return cid;
}

static void cid_drop(struct task *t)
{
	if (t->rseq.has_cid)
		atomic_fetch_and(&mm_cids(t->p->mm)->taken, ~(1ULL << t->rseq.cid));
	t->rseq.has_cid = false;
}

/* ---- what the program sees ---- */

static bool put_ids(struct task *t, uint32_t start, uint32_t cpu, uint32_t cid)
{
	const uint32_t cpus[2] = {start, cpu}, node_cid[2] = {0, cid};
	uint64_t at = t->rseq.addr;

	return copy_to_guest(task_mm(t), gva(at + OFF_CPU), cpus, sizeof(cpus)) == 0 &&
	       copy_to_guest(task_mm(t), gva(at + OFF_NODE), node_cid, sizeof(node_cid)) == 0;
}

/* What has changed since the last time. */
static bool update_ids(struct task *t)
{
	struct rseq_task *r = &t->rseq;
	uint32_t cpu = t->st.cpu < 0 ? 0 : (uint32_t)t->st.cpu, cid = r->cid;

	if (!r->has_cid)
		cid = cid_take(t);
	r->has_cid = true;
	if (cpu == r->cpu && cid == r->cid)
		return true;
	r->cid = cid;
	/* If this fails it says nothing that is right. */
	r->cpu = CPU_UNINITIALIZED;
	if (!put_ids(t, cpu, cpu, cid))
		return false;
	r->cpu = cpu;
	return true;
}

static bool fetch(struct task *t, void *dst, uint64_t at, size_t len)
{
	return copy_from_guest(task_mm(t), dst, gva(at), len) == 0;
}

/* Linux's rseq_get_rseq_cs(), which checks the signature whether the task is in the section or not.
 */
static bool section_valid(struct task *t, const struct rseq_cs *cs)
{
	uint64_t end = cs->start_ip + cs->post_commit_offset;
	uint32_t sig;

	if (cs->start_ip >= ABI_USER_END || end >= ABI_USER_END || cs->abort_ip >= ABI_USER_END ||
	    cs->version || end < cs->start_ip)
		return false;
	if (cs->abort_ip - cs->start_ip < cs->post_commit_offset)
		return false;
	return fetch(t, &sig, cs->abort_ip - sizeof(sig), sizeof(sig)) && sig == t->rseq.sig;
}

static bool in_section(const struct task *t, const struct rseq_cs *cs)
{
	return arch_pc(&t->cpu.regs) - cs->start_ip < cs->post_commit_offset;
}

/* rseq_ip_fixup(): the section is left, at its abort address if t was inside. */
static bool leave_section(struct task *t)
{
	const uint64_t at = t->rseq.addr, none = 0;
	struct rseq_cs cs;
	uint64_t ptr;
	uint32_t flags;

	if (!fetch(t, &ptr, at + OFF_CS, sizeof(ptr)))
		return false;
	if (!ptr)
		return true;
	if (ptr >= ABI_USER_END || !fetch(t, &cs, ptr, sizeof(cs)) || !section_valid(t, &cs))
		return false;
	if (in_section(t, &cs) &&
	    (cs.flags || !fetch(t, &flags, at + OFF_FLAGS, sizeof(flags)) || flags))
		return false;
	if (copy_to_guest(task_mm(t), gva(at + OFF_CS), &none, sizeof(none)) < 0)
		return false;
	if (in_section(t, &cs)) {
		arch_set_pc(&t->cpu.regs, cs.abort_ip);
		t->cpu.regs_modified = true;
	}
	return true;
}

/* ---- the owner's calls ---- */

void rseq_leave(struct task *t)
{
	if (!t->rseq.addr)
		return;
	cid_drop(t);
	atomic_store(&t->rseq.due, true);
}

bool rseq_resume(struct task *t)
{
	struct rseq_task *r = &t->rseq;
	bool ok;

	/* First: who sets it from now on kicks us. */
	atomic_store(&r->due, false);
	if (!r->addr)
		return true;
	ok = (!r->open || leave_section(t)) && update_ids(t);
	/* Once for each event: the program's handler for SIGSEGV may have something to say. */
	r->open = false;
	if (!ok)
		signal_force_segv(t, 0);
	return ok;
}

void rseq_signal(struct task *t)
{
	if (t->rseq.addr && (t->rseq.open || atomic_load(&t->rseq.due)))
		(void)rseq_resume(t);
}

void rseq_fork(struct task *t, struct task *n, bool vm)
{
	if (vm || !t->rseq.addr)
		return;
	n->rseq.addr = t->rseq.addr;
	n->rseq.len = t->rseq.len;
	n->rseq.sig = t->rseq.sig;
	n->rseq.cpu = t->rseq.cpu;
	n->rseq.cid = t->rseq.cid;
	atomic_store(&n->rseq.due, true);
	atomic_fetch_add(&mm_cids(n->p->mm)->users, 1);
}

void rseq_exit(struct task *t)
{
	if (!t->rseq.addr)
		return;
	cid_drop(t);
	atomic_fetch_sub(&mm_cids(t->p->mm)->users, 1);
	t->rseq.addr = 0;
	t->rseq.open = false;
	atomic_store(&t->rseq.due, false);
}

static void restart_tasks_locked(struct process *p)
{
	struct task *o;

	TAILQ_FOREACH (o, &p->tasks, thread) {
		atomic_store(&o->rseq.due, true);
		sched_kick(&o->st);
	}
}

void rseq_restart_all(struct task *t)
{
	struct kernel *k = t->k;
	struct process *p = t->p, *q;
	bool shared, same;

	pthread_mutex_lock(&k->tree_lock);
	pthread_mutex_lock(&p->siglock);
	shared = p->mm_shared;
	pthread_mutex_unlock(&p->siglock);
	if (!shared)
		restart_tasks_locked(p);
	TAILQ_FOREACH (q, &k->processes, all) {
		if (!shared)
			break;
		pthread_mutex_lock(&q->lock);
		same = q->mm == p->mm;
		pthread_mutex_unlock(&q->lock);
		if (same)
			restart_tasks_locked(q);
	}
	pthread_mutex_unlock(&k->tree_lock);
}

/* ---- rseq(2) ---- */

/* The caller has just been found to be registered, or is asked to be what it is not. */
static int same_registration(const struct task *t, uint64_t addr, uint32_t len, uint32_t sig)
{
	if (t->rseq.addr != addr || t->rseq.len != len)
		return -EINVAL;
	return t->rseq.sig == sig ? 0 : -EPERM;
}

static int unregister(struct task *t, uint64_t addr, uint32_t len, uint32_t sig)
{
	int r = t->rseq.addr ? same_registration(t, addr, len, sig) : -EINVAL;

	if (r < 0)
		return r;
	if (!put_ids(t, 0, CPU_UNINITIALIZED, 0))
		return -EFAULT;
	rseq_exit(t);
	return 0;
}

static bool size_valid(uint64_t addr, uint32_t len)
{
	if (len == ORIG_SIZE)
		return addr % ORIG_SIZE == 0;
	return len > ORIG_SIZE && addr % RSEQ_ALIGN == 0;
}

static int register_new(struct task *t, uint64_t addr, uint32_t len, uint32_t sig)
{
	const uint64_t none = 0;
	uint64_t ptr;

	if (!size_valid(addr, len))
		return -EINVAL;
	if (addr > ABI_USER_END || len > ABI_USER_END - addr)
		return -EFAULT;
	/* C libraries that use a dead thread's again do not clear it. */
	if (!fetch(t, &ptr, addr + OFF_CS, sizeof(ptr)))
		return -EFAULT;
	if (ptr && copy_to_guest(task_mm(t), gva(addr + OFF_CS), &none, sizeof(none)) < 0)
		return -EFAULT;
	t->rseq.addr = addr;
	t->rseq.len = len;
	t->rseq.sig = sig;
	t->rseq.cpu = CPU_UNINITIALIZED;
	t->rseq.cid = 0;
	atomic_fetch_add(&mm_cids(task_mm(t))->users, 1);
	/* At once: the task may be in the guest, and wait for no more than the result. */
	(void)rseq_resume(t);
	return 0;
}

long sys_rseq(struct task *t, struct call *c)
{
	uint64_t addr = c->args[0];
	uint32_t len = (uint32_t)c->args[1], flags = (uint32_t)c->args[2];
	uint32_t sig = (uint32_t)c->args[3];
	int r;

	if (flags == FLAG_UNREGISTER)
		return unregister(t, addr, len, sig);
	if (flags)
		return -EINVAL;
	if (!t->rseq.addr)
		return register_new(t, addr, len, sig);
	r = same_registration(t, addr, len, sig);
	return r < 0 ? r : -EBUSY;
}
