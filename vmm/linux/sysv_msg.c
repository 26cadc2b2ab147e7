/*
 * msgget, msgsnd, msgrcv, msgctl. msgget(2), msgop(2), msgctl(2).
 */
#include "ipc.h"
#include "fs_proc.h"

#include "process.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>

#define MSG_TOTAL (64UL << 20) /* bytes in all queues */
#define MSG_COST  64           /* of a message besides its text */
#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

struct msg {
	TAILQ_ENTRY(msg) link;
	int64_t type;
	size_t len;
	uint8_t text[];
};

struct msg_queue {
	struct ipc_obj o; /* first */
	int64_t stime, rtime, ctime;
	uint64_t bytes, qbytes, n;
	uint32_t lspid, lrpid;
	TAILQ_HEAD(, msg) list;
	struct waitq readable, writable;
};

static struct msg_queue *queue_of(struct ipc_obj *o)
{
	return container_of(o, struct msg_queue, o);
}

static void take(struct ipc *ipc, struct msg_queue *q, struct msg *m)
{
	TAILQ_REMOVE(&q->list, m, link);
	q->bytes -= m->len;
	q->n--;
	ipc->msg_bytes -= m->len + MSG_COST;
	ipc->nmsgs--;
}

static void queue_destroy(struct ipc *ipc, struct ipc_obj *o)
{
	struct msg_queue *q = queue_of(o);
	struct msg *m;

	while ((m = TAILQ_FIRST(&q->list))) {
		take(ipc, q, m);
		free(m);
	}
	waitq_destroy(&q->readable);
	waitq_destroy(&q->writable);
	free(q);
}

static int queue_check(struct ipc_obj *o, void *arg)
{
	(void)o;
	(void)arg;
	return 0;
}

static int queue_make(struct ipc *ipc, void *arg, struct ipc_obj **out)
{
	struct msg_queue *q = calloc(1, sizeof(*q));

	(void)ipc;
	if (!q)
		return -ENOMEM;
	q->o.destroy = queue_destroy;
	q->qbytes = MSGMNB_K;
	q->ctime = ipc_time(((struct task *)arg)->k);
	TAILQ_INIT(&q->list);
	waitq_init(&q->readable);
	waitq_init(&q->writable);
	*out = &q->o;
	return 0;
}

long sys_msgget(struct task *t, struct call *c)
{
	struct ipc_get g = {.key = (int)c->args[0],
			    .flags = (int)c->args[1],
			    .check = queue_check,
			    .make = queue_make,
			    .arg = t};
	long r;

	pthread_mutex_lock(&t->k->ipc->lock);
	r = ipc_get_locked(t, IPC_MSG, &g);
	pthread_mutex_unlock(&t->k->ipc->lock);
	return r;
}

/* What a call keeps while it waits. */
struct msg_call {
	struct ipc *ipc;
	struct msg_queue *q; /* a reference */
	struct msg *m;       /* to be sent, or received */
};

static void msg_call_free(void *state)
{
	struct msg_call *s = state;

	free(s->m);
	if (!s->q)
		return;
	pthread_mutex_lock(&s->ipc->lock);
	ipc_put_locked(s->ipc, &s->q->o);
	pthread_mutex_unlock(&s->ipc->lock);
}

/* The queue, for as long as the call lasts. 0, -EINVAL, -EIDRM, -ENOMEM. */
static int msg_begin(struct task *t, struct call *c, struct msg_call **out)
{
	struct msg_call *s = call_state(c, sizeof(*s));
	struct ipc_obj *o;
	int err;

	if (!s)
		return -ENOMEM;
	c->state_free = msg_call_free;
	s->ipc = t->k->ipc;
	pthread_mutex_lock(&s->ipc->lock);
	o = ipc_find_locked(s->ipc, IPC_MSG, (int)c->args[0], &err);
	if (o) {
		ipc_hold_locked(o);
		s->q = queue_of(o);
	}
	pthread_mutex_unlock(&s->ipc->lock);
	*out = s;
	return err;
}

/* Waits on wq. ipc->lock held. */
static long msg_wait(struct task *t, struct call *c, struct waitq *wq)
{
	int err;

	if (c->interrupted)
		return -ERESTARTNOHAND;
	err = waitq_add(wq, &t->st, false);
	return err ? err : -EBLOCKED;
}

/* ---- sending ---- */

static int send_begin(struct task *t, struct call *c, struct msg_call **out)
{
	int64_t size = (int64_t)c->args[2], type;
	struct msg_call *s;
	struct msg *m;
	int err;

	if (copy_from_guest(task_mm(t), &type, gva(c->args[1]), sizeof(type)))
		return -EFAULT;
	if (size < 0 || size > MSGMAX_K || (int)c->args[0] < 0 || type < 1)
		return -EINVAL;
	m = malloc(sizeof(*m) + (size_t)size);
	if (!m)
		return -ENOMEM;
	m->type = type;
	m->len = (size_t)size;
	err = copy_from_guest(task_mm(t), m->text, gva(c->args[1] + sizeof(type)), m->len);
	if (!err)
		err = msg_begin(t, c, &s);
	if (err) {
		free(m);
		return err;
	}
	s->m = m;
	*out = s;
	return 0;
}

static long send_locked(struct task *t, struct call *c, struct msg_call *s)
{
	struct msg_queue *q = s->q;

	if (q->o.removed)
		return -EIDRM;
	if (ipc_allowed(t, &q->o, 0222))
		return -EACCES;
	if (q->bytes + s->m->len > q->qbytes || q->n + 1 > q->qbytes)
		return (int)c->args[3] & IPC_NOWAIT ? -EAGAIN : msg_wait(t, c, &q->writable);
	if (s->ipc->msg_bytes > MSG_TOTAL)
		return -ENOMEM;
	TAILQ_INSERT_TAIL(&q->list, s->m, link);
	q->bytes += s->m->len;
	q->n++;
	s->ipc->msg_bytes += s->m->len + MSG_COST;
	s->ipc->nmsgs++;
	q->lspid = t->p->pid;
	q->stime = ipc_time(t->k);
	s->m = NULL;
	waitq_wake_all(&q->readable);
	return 0;
}

long sys_msgsnd(struct task *t, struct call *c)
{
	struct msg_call *s = c->state;
	long r;

	if (!c->rerun) {
		r = send_begin(t, c, &s);
		if (r)
			return r;
	}
	pthread_mutex_lock(&s->ipc->lock);
	r = send_locked(t, c, s);
	pthread_mutex_unlock(&s->ipc->lock);
	return r;
}

/* ---- receiving ---- */

/* The message that type and flags ask for, or NULL. */
static struct msg *find(struct msg_queue *q, int64_t type, int flags)
{
	struct msg *m, *best = NULL;
	int64_t below = type == INT64_MIN ? INT64_MAX : -type;

	TAILQ_FOREACH (m, &q->list, link) {
		if (!type || (type > 0 && (m->type == type) == !(flags & MSG_EXCEPT)))
			return m;
		if (type < 0 && m->type <= below && (!best || m->type < best->type))
			best = m;
	}
	return best;
}

/* MSG_COPY: the type is the message's place in the queue; it stays there. */
static long copy_locked(struct task *t, struct call *c, struct msg_call *s)
{
	int64_t at = (int64_t)c->args[3];
	struct msg *m;

	if (s->q->o.removed)
		return -EIDRM;
	if (ipc_allowed(t, &s->q->o, 0444))
		return -EACCES;
	if (at < 0)
		return -ENOMSG;
	TAILQ_FOREACH (m, &s->q->list, link)
		if (at-- == 0)
			break;
	if (!m)
		return -ENOMSG;
	if (m->len > c->args[2] && !((int)c->args[4] & MSG_NOERROR))
		return -E2BIG;
	s->m = malloc(sizeof(*m) + m->len);
	if (!s->m)
		return -ENOMEM;
	s->m->type = m->type;
	s->m->len = m->len;
	memcpy(s->m->text, m->text, m->len);
	return 0;
}

static long recv_locked(struct task *t, struct call *c, struct msg_call *s)
{
	struct msg_queue *q = s->q;
	int flags = (int)c->args[4];
	struct msg *m;

	if (q->o.removed)
		return -EIDRM;
	if (ipc_allowed(t, &q->o, 0444))
		return -EACCES;
	m = find(q, (int64_t)c->args[3], flags);
	if (!m)
		return flags & IPC_NOWAIT ? -ENOMSG : msg_wait(t, c, &q->readable);
	if (m->len > c->args[2] && !(flags & MSG_NOERROR))
		return -E2BIG;
	take(s->ipc, q, m);
	q->lrpid = t->p->pid;
	q->rtime = ipc_time(t->k);
	s->m = m;
	waitq_wake_all(&q->writable);
	return 0;
}

long sys_msgrcv(struct task *t, struct call *c)
{
	struct msg_call *s = c->state;
	int flags = (int)c->args[4];
	bool copies = flags & MSG_COPY;
	size_t n;
	long r;

	if (!c->rerun) {
		if ((int)c->args[0] < 0 || (int64_t)c->args[2] < 0)
			return -EINVAL;
		if (copies && (flags & MSG_EXCEPT || !(flags & IPC_NOWAIT)))
			return -EINVAL;
		r = msg_begin(t, c, &s);
		if (r)
			return r;
	}
	pthread_mutex_lock(&s->ipc->lock);
	r = copies ? copy_locked(t, c, s) : recv_locked(t, c, s);
	pthread_mutex_unlock(&s->ipc->lock);
	if (r)
		return r;
	n = s->m->len < c->args[2] ? s->m->len : c->args[2];
	/* As on Linux, it is taken even if it cannot be stored. */
	if (copy_to_guest(task_mm(t), gva(c->args[1]), &s->m->type, sizeof(s->m->type)) ||
	    copy_to_guest(task_mm(t), gva(c->args[1] + sizeof(s->m->type)), s->m->text, n))
		return -EFAULT;
	return (long)n;
}

/* ---- msgctl ---- */

static long msg_info(struct task *t, int cmd, uint64_t buf)
{
	struct ipc *ipc = t->k->ipc;
	struct msginfo i = {.msgmap = MSGMNB_K,
			    .msgpool = (int)(MSG_TOTAL >> 10),
			    .msgmax = MSGMAX_K,
			    .msgmnb = MSGMNB_K,
			    .msgmni = IPC_MAX,
			    .msgssz = 16,
			    .msgtql = MSGMNB_K,
			    .msgseg = 0xffff};
	long r;

	pthread_mutex_lock(&ipc->lock);
	if (cmd == MSG_INFO) {
		i.msgpool = (int)ipc->table[IPC_MSG].used;
		i.msgmap = (int)ipc->nmsgs;
		i.msgtql = (int)(ipc->msg_bytes - ipc->nmsgs * MSG_COST);
	}
	r = ipc_highest_locked(ipc, IPC_MSG);
	pthread_mutex_unlock(&ipc->lock);
	return copy_to_guest(task_mm(t), gva(buf), &i, sizeof(i)) ? -EFAULT : r;
}

static void msg_stat_fill(const struct msg_queue *q, struct msqid_ds *d)
{
	memset(d, 0, sizeof(*d));
	ipc_perm_fill(&q->o, &d->msg_perm);
	d->msg_stime = q->stime;
	d->msg_rtime = q->rtime;
	d->msg_ctime = q->ctime;
	d->__msg_cbytes = q->bytes;
	d->msg_qnum = q->n;
	d->msg_qbytes = q->qbytes;
	d->msg_lspid = (pid_t)q->lspid;
	d->msg_lrpid = (pid_t)q->lrpid;
}

static long msg_stat(struct task *t, int id, int cmd, uint64_t buf)
{
	struct ipc *ipc = t->k->ipc;
	struct msqid_ds d;
	struct ipc_obj *o;
	int err = -EINVAL;
	long r = 0;

	pthread_mutex_lock(&ipc->lock);
	o = cmd == IPC_STAT ? ipc_find_locked(ipc, IPC_MSG, id, &err)
			    : ipc_at_locked(ipc, IPC_MSG, id);
	if (o) {
		err = cmd == MSG_STAT_ANY ? 0 : ipc_allowed(t, o, 0444);
		msg_stat_fill(queue_of(o), &d);
		r = cmd == IPC_STAT ? 0 : o->id;
	}
	pthread_mutex_unlock(&ipc->lock);
	if (err)
		return err;
	return copy_to_guest(task_mm(t), gva(buf), &d, sizeof(d)) ? -EFAULT : r;
}

static long msg_change(struct task *t, int id, int cmd, uint64_t buf)
{
	struct ipc *ipc = t->k->ipc;
	struct msqid_ds d;
	struct ipc_obj *o;
	int err;

	if (cmd == IPC_SET && copy_from_guest(task_mm(t), &d, gva(buf), sizeof(d)))
		return -EFAULT;
	pthread_mutex_lock(&ipc->lock);
	o = ipc_find_locked(ipc, IPC_MSG, id, &err);
	if (o)
		err = ipc_owner(t, o);
	if (!err && cmd == IPC_SET && d.msg_qbytes > MSGMNB_K && !task_capable(t, CAP_SYS_RESOURCE))
		err = -EPERM;
	if (!err) {
		waitq_wake_all(&queue_of(o)->readable);
		waitq_wake_all(&queue_of(o)->writable);
	}
	if (!err && cmd == IPC_RMID) {
		ipc_remove_locked(ipc, IPC_MSG, o);
	} else if (!err) {
		ipc_perm_set(o, &d.msg_perm);
		queue_of(o)->qbytes = d.msg_qbytes;
		queue_of(o)->ctime = ipc_time(t->k);
	}
	pthread_mutex_unlock(&ipc->lock);
	return err;
}

long sys_msgctl(struct task *t, struct call *c)
{
	int id = (int)c->args[0], cmd = (int)c->args[1];

	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case MSG_INFO:
		return msg_info(t, cmd, c->args[2]);
	case IPC_STAT:
	case MSG_STAT:
	case MSG_STAT_ANY:
		return msg_stat(t, id, cmd, c->args[2]);
	case IPC_SET:
	case IPC_RMID:
		return msg_change(t, id, cmd, c->args[2]);
	default:
		return -EINVAL;
	}
}

int proc_show_msg(struct proc_buf *b, const struct proc_ctx *ctx)
{
	struct ipc *ipc = ctx->k->ipc;
	struct ipc_table *all = &ipc->table[IPC_MSG];

	proc_printf(b,
		    "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  "
		    "cuid  cgid      stime      rtime      ctime\n");
	pthread_mutex_lock(&ipc->lock);
	for (unsigned i = 0; i < all->top; i++) {
		struct ipc_obj *o = all->slot[i];
		struct msg_queue *q = o ? queue_of(o) : NULL;

		if (!q)
			continue;
		proc_printf(b, "%10d %10d  %4o  %10llu  %10llu %5u %5u %5u %5u %5u %5u ", o->key,
			    o->id, o->mode, (unsigned long long)q->bytes, (unsigned long long)q->n,
			    q->lspid, q->lrpid, o->uid, o->gid, o->cuid, o->cgid);
		proc_printf(b, "%10lld %10lld %10lld\n", (long long)q->stime, (long long)q->rtime,
			    (long long)q->ctime);
	}
	pthread_mutex_unlock(&ipc->lock);
	return 0;
}
