/*
 * semget, semop, semtimedop, semctl. semget(2), semop(2), semctl(2).
 *
 * Who cannot go on waits on the set's queue, and tries all its operations again at each change.
 * Adjustments (SEM_UNDO) hang on the process and on the set; whichever goes first unlinks them.
 */
#include "ipc.h"
#include "fs_proc.h"

#include "process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/sem.h>

#define SEMVMX_K  32767
#define UNDOS_MAX 1048576 /* adjustments of all processes */

struct sem {
	int val;
	uint32_t pid;
};

/* A call that waits. */
struct sem_wait {
	LIST_ENTRY(sem_wait) link;
	struct sem_set *set; /* a reference; NULL: not linked */
	struct ipc *ipc;
	unsigned num; /* the semaphore that it waits for */
	bool zero;
	unsigned nops;
	struct sembuf ops[SEMOPM_K];
};

struct sem_set {
	struct ipc_obj o; /* first */
	unsigned n;
	int64_t otime, ctime;
	LIST_HEAD(, sem_undo) undos;
	LIST_HEAD(, sem_wait) waits;
	struct waitq wq;
	struct sem sem[];
};

struct sem_undo {
	LIST_ENTRY(sem_undo) by_process, by_set;
	struct process *p; /* borrowed */
	struct sem_set *set;
	int16_t adj[]; /* set->n */
};

static struct sem_set *set_of(struct ipc_obj *o)
{
	return container_of(o, struct sem_set, o);
}

static void undo_free(struct ipc *ipc, struct sem_undo *u)
{
	ipc->nundos -= u->set->n;
	LIST_REMOVE(u, by_process);
	LIST_REMOVE(u, by_set);
	free(u);
}

static void set_destroy(struct ipc *ipc, struct ipc_obj *o)
{
	struct sem_set *s = set_of(o);
	struct sem_undo *u;

	while ((u = LIST_FIRST(&s->undos)))
		undo_free(ipc, u);
	ipc->nsems -= s->n;
	waitq_destroy(&s->wq);
	free(s);
}

/* ---- semget ---- */

static int set_check(struct ipc_obj *o, void *arg)
{
	return *(int *)arg > (int)set_of(o)->n ? -EINVAL : 0;
}

static int set_make(struct ipc *ipc, void *arg, struct ipc_obj **out)
{
	unsigned n = *(unsigned *)arg;
	struct sem_set *s;

	if (!n)
		return -EINVAL;
	if (n > SEMMNS_K - ipc->nsems)
		return -ENOSPC;
	s = calloc(1, sizeof(*s) + n * sizeof(s->sem[0]));
	if (!s)
		return -ENOMEM;
	s->o.destroy = set_destroy;
	s->n = n;
	waitq_init(&s->wq);
	ipc->nsems += n;
	*out = &s->o;
	return 0;
}

long sys_semget(struct task *t, struct call *c)
{
	int n = (int)c->args[1], err;
	struct ipc_get g = {.key = (int)c->args[0],
			    .flags = (int)c->args[2],
			    .check = set_check,
			    .make = set_make,
			    .arg = &n};
	struct ipc *ipc = t->k->ipc;
	struct ipc_obj *o;
	long r;

	if (n < 0 || n > SEMMSL_K)
		return -EINVAL;
	pthread_mutex_lock(&ipc->lock);
	r = ipc_get_locked(t, IPC_SEM, &g);
	o = r < 0 ? NULL : ipc_find_locked(ipc, IPC_SEM, (int)r, &err);
	if (o && !set_of(o)->ctime)
		set_of(o)->ctime = ipc_time(t->k);
	pthread_mutex_unlock(&ipc->lock);
	return r;
}

/* ---- undo ---- */

static struct sem_undo *undo_find(struct process *p, struct sem_set *s)
{
	struct sem_undo *u;

	LIST_FOREACH (u, &p->sem_undos, by_process)
		if (u->set == s)
			return u;
	return NULL;
}

static struct sem_undo *undo_get(struct ipc *ipc, struct process *p, struct sem_set *s)
{
	struct sem_undo *u = undo_find(p, s);

	if (u || s->n > UNDOS_MAX - ipc->nundos)
		return u;
	u = calloc(1, sizeof(*u) + s->n * sizeof(u->adj[0]));
	if (!u)
		return NULL;
	u->p = p;
	u->set = s;
	ipc->nundos += s->n;
	LIST_INSERT_HEAD(&p->sem_undos, u, by_process);
	LIST_INSERT_HEAD(&s->undos, u, by_set);
	return u;
}

/* SETVAL, SETALL: nobody's adjustment of that semaphore counts any more. */
static void undo_clear(struct sem_set *s, unsigned num)
{
	struct sem_undo *u;

	LIST_FOREACH (u, &s->undos, by_set)
		u->adj[num] = 0;
}

void sem_exit_locked(struct process *p)
{
	struct sem_undo *u;

	while ((u = LIST_FIRST(&p->sem_undos))) {
		struct sem_set *s = u->set;

		for (unsigned i = 0; i < s->n; i++) {
			if (!u->adj[i])
				continue;
			s->sem[i].val += u->adj[i];
			/* As Linux: not below zero, not above the maximum. */
			if (s->sem[i].val < 0)
				s->sem[i].val = 0;
			if (s->sem[i].val > SEMVMX_K)
				s->sem[i].val = SEMVMX_K;
			s->sem[i].pid = p->pid;
		}
		s->otime = ipc_time(p->k);
		waitq_wake_all(&s->wq);
		undo_free(p->k->ipc, u);
	}
}

/* ---- semop ---- */

static void wait_unlink_locked(struct sem_wait *w)
{
	struct sem_set *s = w->set;

	if (!s)
		return;
	LIST_REMOVE(w, link);
	w->set = NULL;
	ipc_put_locked(w->ipc, &s->o);
}

static void wait_free(void *state)
{
	struct sem_wait *w = state;

	if (!w->ipc)
		return;
	pthread_mutex_lock(&w->ipc->lock);
	wait_unlink_locked(w);
	pthread_mutex_unlock(&w->ipc->lock);
}

/* Takes back the first n operations. */
static void revert(struct sem_set *s, struct sem_undo *u, const struct sembuf *ops, unsigned n)
{
	while (n--) {
		s->sem[ops[n].sem_num].val -= ops[n].sem_op;
		/* What waits for zero has nothing to undo, and u may be NULL. */
		if (ops[n].sem_op && ops[n].sem_flg & SEM_UNDO)
			u->adj[ops[n].sem_num] = (int16_t)(u->adj[ops[n].sem_num] + ops[n].sem_op);
	}
}

/* One operation: 0, -ERANGE, or 1: it has to wait. */
static int apply_one(struct sem_set *s, struct sem_undo *u, const struct sembuf *op)
{
	struct sem *sem = &s->sem[op->sem_num];
	int val = sem->val + op->sem_op, undo;

	if (!op->sem_op)
		return sem->val ? 1 : 0;
	if (val < 0)
		return 1;
	if (val > SEMVMX_K)
		return -ERANGE;
	if (op->sem_flg & SEM_UNDO) {
		undo = u->adj[op->sem_num] - op->sem_op;
		if (undo < -SEMVMX_K - 1 || undo > SEMVMX_K)
			return -ERANGE;
		u->adj[op->sem_num] = (int16_t)undo;
	}
	sem->val = val;
	return 0;
}

/* All operations or none: 0, -ERANGE, or 1 and *which has to wait. */
static int apply(struct sem_set *s, struct sem_undo *u, const struct sem_wait *w, unsigned *which)
{
	for (unsigned i = 0; i < w->nops; i++) {
		int r = apply_one(s, u, &w->ops[i]);

		if (r) {
			revert(s, u, w->ops, i);
			*which = i;
			return r;
		}
	}
	return 0;
}

/* What the operations need of the set: 0, -EFBIG, -EACCES, -ENOMEM. */
static int check_ops(struct task *t, struct sem_set *s, const struct sem_wait *w,
		     struct sem_undo **u)
{
	bool alter = false, undo = false;

	for (unsigned i = 0; i < w->nops; i++) {
		if (w->ops[i].sem_num >= s->n)
			return -EFBIG;
		alter |= w->ops[i].sem_op != 0;
		undo |= w->ops[i].sem_flg & SEM_UNDO && w->ops[i].sem_op;
	}
	if (ipc_allowed(t, &s->o, alter ? 0222 : 0444))
		return -EACCES;
	*u = undo ? undo_get(t->k->ipc, t->p, s) : NULL;
	return undo && !*u ? -ENOMEM : 0;
}

static int sem_run_locked(struct task *t, struct call *c, struct sem_wait *w)
{
	struct sem_undo *u = NULL;
	struct sem_set *s = w->set;
	unsigned which = 0;
	int r;

	if (s->o.removed)
		return -EIDRM;
	r = check_ops(t, s, w, &u);
	if (!r)
		r = apply(s, u, w, &which);
	if (r < 0)
		return r;
	if (!r) {
		for (unsigned i = 0; i < w->nops; i++)
			s->sem[w->ops[i].sem_num].pid = t->p->pid;
		s->otime = ipc_time(t->k);
		return 0;
	}
	if (w->ops[which].sem_flg & IPC_NOWAIT || call_timed_out(t, c))
		return -EAGAIN;
	if (c->interrupted)
		return -EINTR;
	w->num = w->ops[which].sem_num;
	w->zero = !w->ops[which].sem_op;
	r = waitq_add(&s->wq, &t->st, false);
	return r ? r : -EBLOCKED;
}

static int sem_begin(struct task *t, struct call *c, uint64_t timeout, struct sem_wait **out)
{
	unsigned n = (unsigned)c->args[2];
	struct sem_wait *w;
	int64_t ns;
	int err;

	if ((int)c->args[0] < 0 || !n)
		return -EINVAL;
	if (n > SEMOPM_K)
		return -E2BIG;
	w = call_state(c, offsetof(struct sem_wait, ops) + n * sizeof(w->ops[0]));
	if (!w)
		return -ENOMEM;
	if (timeout) {
		err = timespec_from_guest(task_mm(t), gva(timeout), &ns);
		if (err)
			return err;
		call_set_deadline(t, c, time_add(core_now(), ns));
	}
	w->nops = n;
	if (copy_from_guest(task_mm(t), w->ops, gva(c->args[1]), n * sizeof(w->ops[0])))
		return -EFAULT;
	*out = w;
	return 0;
}

static long do_semop(struct task *t, struct call *c, uint64_t timeout)
{
	struct ipc *ipc = t->k->ipc;
	struct sem_wait *w = c->state;
	struct ipc_obj *o;
	int r = 0;

	if (!c->rerun) {
		r = sem_begin(t, c, timeout, &w);
		if (r)
			return r;
	}
	pthread_mutex_lock(&ipc->lock);
	if (!w->set) {
		o = ipc_find_locked(ipc, IPC_SEM, (int)c->args[0], &r);
		if (o) {
			ipc_hold_locked(o);
			w->ipc = ipc;
			w->set = set_of(o);
			LIST_INSERT_HEAD(&w->set->waits, w, link);
			c->state_free = wait_free;
		}
	}
	if (!r)
		r = sem_run_locked(t, c, w);
	if (!r) /* something changed, or might have */
		waitq_wake_all(&w->set->wq);
	if (r != -EBLOCKED)
		wait_unlink_locked(w);
	pthread_mutex_unlock(&ipc->lock);
	return r;
}

long sys_semop(struct task *t, struct call *c)
{
	return do_semop(t, c, 0);
}

long sys_semtimedop(struct task *t, struct call *c)
{
	return do_semop(t, c, c->args[3]);
}

/* ---- semctl ---- */

static long sem_info(struct task *t, int cmd, uint64_t buf)
{
	struct ipc *ipc = t->k->ipc;
	struct seminfo i = {.semmap = SEMMNS_K,
			    .semmni = IPC_MAX,
			    .semmns = SEMMNS_K,
			    .semmnu = SEMMNS_K,
			    .semmsl = SEMMSL_K,
			    .semopm = SEMOPM_K,
			    .semume = SEMOPM_K,
			    .semusz = 20,
			    .semvmx = SEMVMX_K,
			    .semaem = SEMVMX_K};
	long r;

	pthread_mutex_lock(&ipc->lock);
	if (cmd == SEM_INFO) {
		i.semusz = (int)ipc->table[IPC_SEM].used;
		i.semaem = (int)ipc->nsems;
	}
	r = ipc_highest_locked(ipc, IPC_SEM);
	pthread_mutex_unlock(&ipc->lock);
	return copy_to_guest(task_mm(t), gva(buf), &i, sizeof(i)) ? -EFAULT : r;
}

static long sem_stat(struct task *t, int id, int cmd, uint64_t buf)
{
	struct ipc *ipc = t->k->ipc;
	struct semid_ds d;
	struct ipc_obj *o;
	int err = -EINVAL;
	long r = 0;

	memset(&d, 0, sizeof(d));
	pthread_mutex_lock(&ipc->lock);
	o = cmd == IPC_STAT ? ipc_find_locked(ipc, IPC_SEM, id, &err)
			    : ipc_at_locked(ipc, IPC_SEM, id);
	if (o) {
		err = cmd == SEM_STAT_ANY ? 0 : ipc_allowed(t, o, 0444);
		ipc_perm_fill(o, &d.sem_perm);
		d.sem_otime = set_of(o)->otime;
		d.sem_ctime = set_of(o)->ctime;
		d.sem_nsems = set_of(o)->n;
		r = cmd == IPC_STAT ? 0 : o->id;
	}
	pthread_mutex_unlock(&ipc->lock);
	if (err)
		return err;
	return copy_to_guest(task_mm(t), gva(buf), &d, sizeof(d)) ? -EFAULT : r;
}

static long sem_change(struct task *t, int id, int cmd, uint64_t buf)
{
	struct ipc *ipc = t->k->ipc;
	struct semid_ds d;
	struct ipc_obj *o;
	int err;

	if (cmd == IPC_SET && copy_from_guest(task_mm(t), &d, gva(buf), sizeof(d)))
		return -EFAULT;
	pthread_mutex_lock(&ipc->lock);
	o = ipc_find_locked(ipc, IPC_SEM, id, &err);
	if (o)
		err = ipc_owner(t, o);
	if (!err && cmd == IPC_RMID) {
		struct sem_undo *u;

		while ((u = LIST_FIRST(&set_of(o)->undos)))
			undo_free(ipc, u);
		waitq_wake_all(&set_of(o)->wq);
		ipc_remove_locked(ipc, IPC_SEM, o);
	} else if (!err) {
		ipc_perm_set(o, &d.sem_perm);
		set_of(o)->ctime = ipc_time(t->k);
	}
	pthread_mutex_unlock(&ipc->lock);
	return err;
}

static long count_waits(const struct sem_set *s, unsigned num, bool zero)
{
	const struct sem_wait *w;
	long n = 0;

	LIST_FOREACH (w, &s->waits, link)
		n += w->num == num && w->zero == zero;
	return n;
}

/* One semaphore: GETVAL, GETPID, GETNCNT, GETZCNT, SETVAL. */
static long sem_one_locked(struct task *t, struct sem_set *s, unsigned num, int cmd, int val)
{
	struct sem *sem;

	if (num >= s->n)
		return -EINVAL;
	sem = &s->sem[num];
	switch (cmd) {
	case GETVAL:
		return sem->val;
	case GETPID:
		return sem->pid;
	case GETNCNT:
		return count_waits(s, num, false);
	case GETZCNT:
		return count_waits(s, num, true);
	default:
		undo_clear(s, num);
		sem->val = val;
		sem->pid = t->p->pid;
		s->ctime = ipc_time(t->k);
		waitq_wake_all(&s->wq);
		return 0;
	}
}

static long sem_one(struct task *t, struct call *c, int cmd)
{
	struct ipc *ipc = t->k->ipc;
	int err, val = (int)c->args[3];
	struct ipc_obj *o;
	long r;

	if (cmd == SETVAL && (val < 0 || val > SEMVMX_K))
		return -ERANGE;
	pthread_mutex_lock(&ipc->lock);
	o = ipc_find_locked(ipc, IPC_SEM, (int)c->args[0], &err);
	r = err;
	if (o && (unsigned)c->args[1] >= set_of(o)->n)
		r = -EINVAL;
	else if (o)
		r = ipc_allowed(t, o, cmd == SETVAL ? 0222 : 0444);
	if (o && !r)
		r = sem_one_locked(t, set_of(o), (unsigned)c->args[1], cmd, val);
	pthread_mutex_unlock(&ipc->lock);
	return r;
}

/* The set's values, all at once: read to vals or set from it, n at most. */
static long sem_all_locked(struct task *t, struct sem_set *s, int cmd, uint16_t *vals)
{
	for (unsigned i = 0; i < s->n; i++) {
		if (cmd == GETALL) {
			vals[i] = (uint16_t)s->sem[i].val;
			continue;
		}
		s->sem[i].val = vals[i];
		s->sem[i].pid = t->p->pid;
		undo_clear(s, i);
	}
	if (cmd == SETALL) {
		s->ctime = ipc_time(t->k);
		waitq_wake_all(&s->wq);
	}
	return 0;
}

static long sem_all(struct task *t, int id, int cmd, uint64_t addr)
{
	struct ipc *ipc = t->k->ipc;
	uint16_t *vals = calloc(SEMMSL_K, sizeof(*vals));
	struct sem_set *s = NULL;
	struct ipc_obj *o;
	unsigned n = 0;
	int err;

	if (!vals)
		return -ENOMEM;
	pthread_mutex_lock(&ipc->lock);
	o = ipc_find_locked(ipc, IPC_SEM, id, &err);
	if (o)
		err = ipc_allowed(t, o, cmd == SETALL ? 0222 : 0444);
	if (!err) {
		s = set_of(o);
		n = s->n;
		ipc_hold_locked(o);
	}
	pthread_mutex_unlock(&ipc->lock);
	if (!err && cmd == SETALL && copy_from_guest(task_mm(t), vals, gva(addr), n * 2UL))
		err = -EFAULT;
	for (unsigned i = 0; !err && cmd == SETALL && i < n; i++)
		if (vals[i] > SEMVMX_K)
			err = -ERANGE;
	if (s) {
		pthread_mutex_lock(&ipc->lock);
		if (!err)
			err = s->o.removed ? -EIDRM : (int)sem_all_locked(t, s, cmd, vals);
		ipc_put_locked(ipc, &s->o);
		pthread_mutex_unlock(&ipc->lock);
	}
	if (!err && cmd == GETALL && copy_to_guest(task_mm(t), gva(addr), vals, n * 2UL))
		err = -EFAULT;
	free(vals);
	return err;
}

long sys_semctl(struct task *t, struct call *c)
{
	int id = (int)c->args[0], cmd = (int)c->args[2];

	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case SEM_INFO:
		return sem_info(t, cmd, c->args[3]);
	case IPC_STAT:
	case SEM_STAT:
	case SEM_STAT_ANY:
		return sem_stat(t, id, cmd, c->args[3]);
	case IPC_SET:
	case IPC_RMID:
		return sem_change(t, id, cmd, c->args[3]);
	case GETALL:
	case SETALL:
		return sem_all(t, id, cmd, c->args[3]);
	case GETVAL:
	case GETPID:
	case GETNCNT:
	case GETZCNT:
	case SETVAL:
		return sem_one(t, c, cmd);
	default:
		return -EINVAL;
	}
}

int proc_show_sem(struct proc_buf *b, const struct proc_ctx *ctx)
{
	struct ipc *ipc = ctx->k->ipc;
	struct ipc_table *all = &ipc->table[IPC_SEM];

	proc_printf(b,
		    "       key      semid perms      nsems   uid   gid  cuid  cgid      otime    "
		    "  ctime\n");
	pthread_mutex_lock(&ipc->lock);
	for (unsigned i = 0; i < all->top; i++) {
		struct ipc_obj *o = all->slot[i];

		if (o)
			proc_printf(b, "%10d %10d  %4o %10u %5u %5u %5u %5u %10lld %10lld\n",
				    o->key, o->id, o->mode, set_of(o)->n, o->uid, o->gid, o->cuid,
				    o->cgid, (long long)set_of(o)->otime,
				    (long long)set_of(o)->ctime);
	}
	pthread_mutex_unlock(&ipc->lock);
	return 0;
}
