/*
 * mq_open, mq_unlink, mq_timedsend, mq_timedreceive, mq_notify, mq_getsetattr. ipc/mqueue.c of
 * Linux.
 */
#include "mqueue.h"

#include "process.h"
#include "sys_fs.h"

#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUES_HARD   4096
#define MSG_HARD      65536
#define SIZE_HARD     (16 << 20)
#define PRIO_MAX_K    32768
#define BYTES_MAX     (64UL << 20) /* of all messages, those that wait to be sent, too */
#define MSG_OVERHEAD  96           /* of one; as Linux counts it against RLIMIT_MSGQUEUE */
#define NOTIFY_SIGNAL 0
#define NOTIFY_NONE   1
#define SI_MESGQ_K    (-3)
#define FILENT_SIZE   80 /* of the file that reads as a queue's state */

struct mq_attr_k {
	int64_t flags, maxmsg, msgsize, curmsgs, reserved[4];
};

struct mq_msg {
	TAILQ_ENTRY(mq_msg) link;
	unsigned prio;
	size_t len;
	uint8_t data[];
};

struct mq {
	LIST_ENTRY(mq) link;
	struct mqueues *all;
	unsigned refs; /* its name's, each file's */
	bool linked;
	char name[VFS_NAME_MAX + 1];
	uint32_t uid, gid, mode;
	int64_t maxmsg, msgsize, n;
	uint64_t charge;
	TAILQ_HEAD(mq_msgs, mq_msg) list; /* the highest priority first, then the oldest */
	unsigned nreceivers;              /* blocked */
	struct process *owner;            /* to be notified; a reference, or NULL */
	int notify, signo;
	uint64_t value;
	struct waitq readable, writable;
};

struct mqueues {
	pthread_mutex_t lock;
	/* protected by lock: */
	LIST_HEAD(, mq) list;
	unsigned n;
	uint64_t charged; /* RLIMIT_MSGQUEUE */
	uint64_t bytes;   /* of messages, with MSG_OVERHEAD each */
};

struct mqueues *mqueues_create(void)
{
	struct mqueues *m = calloc(1, sizeof(*m));

	if (m)
		pthread_mutex_init(&m->lock, NULL);
	return m;
}

/* Room for one of len bytes. NULL: no memory, or BYTES_MAX is reached. lock held. */
static struct mq_msg *msg_new_locked(struct mqueues *all, size_t len)
{
	struct mq_msg *m = NULL;

	if (len + MSG_OVERHEAD <= BYTES_MAX && all->bytes <= BYTES_MAX - len - MSG_OVERHEAD)
		m = malloc(sizeof(*m) + len);
	if (m) {
		m->len = len;
		all->bytes += len + MSG_OVERHEAD;
	}
	return m;
}

/* m may be NULL. lock held. */
static void msg_free_locked(struct mqueues *all, struct mq_msg *m)
{
	if (m)
		all->bytes -= m->len + MSG_OVERHEAD;
	free(m);
}

/* lock held. */
static void mq_put_locked(struct mq *q)
{
	struct mq_msg *m;

	if (--q->refs)
		return;
	while ((m = TAILQ_FIRST(&q->list))) {
		TAILQ_REMOVE(&q->list, m, link);
		msg_free_locked(q->all, m);
	}
	q->all->charged -= q->charge;
	q->all->n--;
	waitq_destroy(&q->readable);
	waitq_destroy(&q->writable);
	free(q);
}

static void unlink_locked(struct mq *q)
{
	LIST_REMOVE(q, link);
	q->linked = false;
	mq_put_locked(q);
}

void mqueues_destroy(struct mqueues *m)
{
	struct mq *q;

	if (!m)
		return;
	pthread_mutex_lock(&m->lock);
	while ((q = LIST_FIRST(&m->list)))
		unlink_locked(q);
	pthread_mutex_unlock(&m->lock);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* ---- the file ---- */

static struct mq *mq_of(const struct file *f)
{
	return vfs_file(f)->priv;
}

static void mq_release(struct file *f)
{
	struct mq *q = mq_of(f);
	struct mqueues *all = q->all;
	struct process *owner = NULL;

	pthread_mutex_lock(&all->lock);
	/* The last file: nobody is left who could be notified. */
	if (q->refs == 1u + q->linked) {
		owner = q->owner;
		q->owner = NULL;
	}
	mq_put_locked(q);
	pthread_mutex_unlock(&all->lock);
	if (owner)
		process_put(owner);
	vfs_file_free(f);
}

static unsigned mq_poll(struct file *f, struct sched_task *task)
{
	struct mq *q = mq_of(f);
	unsigned events = 0;

	if (task && (waitq_add(&q->readable, task, false) || waitq_add(&q->writable, task, false)))
		return POLLERR;
	pthread_mutex_lock(&q->all->lock);
	if (q->n)
		events |= POLLIN | POLLRDNORM;
	if (q->n < q->maxmsg)
		events |= POLLOUT | POLLWRNORM;
	pthread_mutex_unlock(&q->all->lock);
	return events;
}

static unsigned mq_poll_queues(struct file *f, unsigned events, struct waitq *wq[POLL_QUEUES])
{
	(void)events;
	wq[0] = &mq_of(f)->readable;
	wq[1] = &mq_of(f)->writable;
	return 2;
}

/* mq_overview(7), "Mounting the message queue file system": what a read of the queue's file gives.
 */
static ssize_t mq_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
		       struct call *c)
{
	struct mq *q = mq_of(f);
	struct mq_msg *m;
	char text[FILENT_SIZE];
	uint64_t bytes = 0;
	ssize_t r;
	int n, pid;

	pthread_mutex_lock(&q->all->lock);
	TAILQ_FOREACH (m, &q->list, link)
		bytes += m->len;
	pid = q->owner ? (int)q->owner->pid : 0;
	n = snprintf(text, sizeof(text), "QSIZE:%-10lu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n",
		     (unsigned long)bytes, q->owner ? q->notify : 0,
		     q->owner && q->notify == NOTIFY_SIGNAL ? q->signo : 0, pid);
	pthread_mutex_unlock(&q->all->lock);
	if (*pos >= n)
		return 0;
	n -= (int)*pos;
	r = x->copy(x, text + *pos, x->left < (size_t)n ? x->left : (size_t)n);
	if (r > 0)
		*pos += r;
	return r;
}

static int64_t mq_lseek(struct file *f, int64_t off, int whence)
{
	return lseek_size(f, off, whence, FILENT_SIZE);
}

static const struct vfs_file_ops mq_ops = {
	.core = {.release = mq_release},
	.read = mq_read,
	.lseek = mq_lseek,
	.poll = mq_poll,
	.poll_queues = mq_poll_queues,
};

static struct mq *call_mq(struct task *t, struct call *c, bool read, bool write)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);

	if (!f || f->ops != &mq_ops.core || (read && !file_readable(f)) ||
	    (write && !file_writable(f)))
		return NULL;
	return mq_of(f);
}

/* ---- names ---- */

static int get_name(struct task *t, uint64_t addr, char *name)
{
	ssize_t n = strncpy_from_guest(task_mm(t), name, gva(addr), VFS_NAME_MAX + 1);

	if (n < 0)
		return (int)n;
	if (!n)
		return -ENOENT;
	return strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..") ? -EACCES : 0;
}

static struct mq *find_locked(struct mqueues *m, const char *name)
{
	struct mq *q;

	LIST_FOREACH (q, &m->list, link)
		if (!strcmp(q->name, name))
			return q;
	return NULL;
}

static int check_attr(struct task *t, const struct mq_attr_k *a)
{
	bool big = task_capable(t, CAP_SYS_RESOURCE);

	if (a->maxmsg <= 0 || a->msgsize <= 0 || a->maxmsg > (big ? MSG_HARD : MQ_MSG_MAX) ||
	    a->msgsize > (big ? SIZE_HARD : MQ_SIZE_MAX))
		return -EINVAL;
	return 0;
}

/* 0 and *out with one reference, its name's. */
static int make_locked(struct task *t, const char *name, const struct mq_attr_k *a, uint32_t mode,
		       struct mq **out)
{
	struct mqueues *m = t->k->mqueues;
	uint64_t charge = (uint64_t)a->maxmsg * (uint64_t)(a->msgsize + MSG_OVERHEAD);
	struct cred cred;
	struct mq *q;
	int err = check_attr(t, a);

	if (err)
		return err;
	if (m->n >= (task_capable(t, CAP_SYS_RESOURCE) ? QUEUES_HARD : MQ_QUEUES_MAX))
		return -ENOSPC;
	if (m->charged + charge > task_rlimit(t, RLIMIT_MSGQUEUE))
		return -EMFILE;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	task_cred(t, &cred);
	q->all = m;
	q->refs = 1;
	q->linked = true;
	strcpy(q->name, name);
	q->uid = cred.fsuid;
	q->gid = cred.fsgid;
	q->mode = mode;
	q->maxmsg = a->maxmsg;
	q->msgsize = a->msgsize;
	q->charge = charge;
	TAILQ_INIT(&q->list);
	waitq_init(&q->readable);
	waitq_init(&q->writable);
	LIST_INSERT_HEAD(&m->list, q, link);
	m->n++;
	m->charged += charge;
	*out = q;
	return 0;
}

static int permitted(struct task *t, const struct mq *q, unsigned flags)
{
	unsigned wanted = (flags & O_ACCMODE) == O_RDONLY   ? 4
			  : (flags & O_ACCMODE) == O_WRONLY ? 2
							    : 6;
	unsigned granted = q->mode;
	struct cred cred;

	task_cred(t, &cred);
	if (cred.fsuid == q->uid)
		granted >>= 6;
	else if (cred_in_group(&cred, q->gid))
		granted >>= 3;
	return wanted & ~granted && !task_capable(t, CAP_DAC_OVERRIDE) ? -EACCES : 0;
}

/* The queue with a reference for the file. */
static int open_locked(struct task *t, const char *name, unsigned flags, uint32_t mode,
		       const struct mq_attr_k *a, struct mq **out)
{
	struct mq *q = find_locked(t->k->mqueues, name);
	int err = 0;

	if (!q)
		err = flags & O_CREAT ? make_locked(t, name, a, mode, &q) : -ENOENT;
	else if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		err = -EEXIST;
	else if ((flags & O_ACCMODE) == O_ACCMODE)
		err = -EINVAL;
	else
		err = permitted(t, q, flags);
	if (err)
		return err;
	q->refs++;
	*out = q;
	return 0;
}

long sys_mq_open(struct task *t, struct call *c)
{
	struct mq_attr_k a = {.maxmsg = MQ_MSG_MAX, .msgsize = MQ_SIZE_MAX};
	unsigned flags = (unsigned)c->args[1];
	struct fs_context *fs = task_fs(t);
	struct mqueues *m = t->k->mqueues;
	char name[VFS_NAME_MAX + 1];
	struct mq *q = NULL;
	struct file *f;
	uint32_t mode;
	int err;

	if (c->args[3] && copy_from_guest(task_mm(t), &a, gva(c->args[3]), sizeof(a)))
		return -EFAULT;
	err = get_name(t, c->args[0], name);
	if (err)
		return err;
	if (fdtable_full(task_files(t), nofile_limit(t)))
		return -EMFILE; /* with nothing made */
	pthread_mutex_lock(&fs->lock);
	mode = (uint32_t)c->args[2] & 0777 & ~fs->umask;
	pthread_mutex_unlock(&fs->lock);
	pthread_mutex_lock(&m->lock);
	err = open_locked(t, name, flags, mode, &a, &q);
	pthread_mutex_unlock(&m->lock);
	if (err)
		return err;
	err = anon_file_kind(t->k, ANON_QUEUES, "[mqueue]", &mq_ops,
			     flags & (O_ACCMODE | O_NONBLOCK), q, &f);
	if (err) {
		pthread_mutex_lock(&m->lock);
		mq_put_locked(q);
		pthread_mutex_unlock(&m->lock);
		return err;
	}
	file_inode(f)->mode = S_IFREG | mode;
	file_inode(f)->size = FILENT_SIZE;
	vfs_file(f)->stream = false;
	return install_file(t, f, true);
}

long sys_mq_unlink(struct task *t, struct call *c)
{
	struct mqueues *m = t->k->mqueues;
	char name[VFS_NAME_MAX + 1];
	struct process *owner = NULL;
	struct cred cred;
	struct mq *q;
	int err = get_name(t, c->args[0], name);

	if (err)
		return err;
	task_cred(t, &cred);
	pthread_mutex_lock(&m->lock);
	q = find_locked(m, name);
	if (!q)
		err = -ENOENT;
	else if (q->uid != cred.fsuid && !task_capable(t, CAP_FOWNER))
		err = -EPERM;
	if (!err && q->refs == 1) {
		owner = q->owner;
		q->owner = NULL;
	}
	if (!err)
		unlink_locked(q);
	pthread_mutex_unlock(&m->lock);
	if (owner)
		process_put(owner);
	return err;
}

/* ---- messages ---- */

struct mq_call {
	struct file *f; /* a reference: the call's own goes first */
	bool receiving; /* counted in nreceivers */
	struct mq_msg *m;
};

static void mq_call_free(void *state)
{
	struct mq_call *s = state;
	struct mq *q = mq_of(s->f);

	pthread_mutex_lock(&q->all->lock);
	msg_free_locked(q->all, s->m);
	if (s->receiving)
		q->nreceivers--;
	pthread_mutex_unlock(&q->all->lock);
	file_close(s->f);
}

static struct mq_call *mq_call_begin(struct call *c)
{
	struct mq_call *s = call_state(c, sizeof(*s));

	if (s) {
		s->f = file_dup(c->file[0]);
		c->state_free = mq_call_free;
	}
	return s;
}

/* An absolute time of CLOCK_REALTIME, or none. 0, -EFAULT, -EINVAL. */
static int get_timeout(struct task *t, struct call *c, uint64_t addr)
{
	int64_t ns;
	int err;

	if (!addr)
		return 0;
	err = timespec_from_guest(task_mm(t), gva(addr), &ns);
	if (err)
		return err;
	call_set_wall_deadline(t, c, ns);
	return 0;
}

/* Nothing can be done now: waits on wq. lock held. */
static long mq_wait(struct task *t, struct call *c, struct waitq *wq)
{
	int err;

	if (c->file[0]->flags & O_NONBLOCK)
		return -EAGAIN;
	if (call_timed_out(t, c))
		return -ETIMEDOUT;
	if (c->interrupted)
		return -ERESTARTSYS;
	err = waitq_add(wq, &t->st, true);
	return err ? err : -EBLOCKED;
}

/* The first message of an empty queue that nobody waits for: who is to be told, once. lock held. */
static struct process *notify_locked(struct task *t, struct mq *q, struct siginfo_k *info)
{
	struct process *owner = q->owner;
	struct cred cred;

	if (!owner || q->n != 1 || q->nreceivers)
		return NULL;
	q->owner = NULL;
	memset(info, 0, sizeof(*info));
	if (q->notify == NOTIFY_SIGNAL) {
		task_cred(t, &cred);
		info->si_signo = q->signo;
		info->si_code = SI_MESGQ_K;
		info->u.rt.pid = (int32_t)t->p->pid;
		info->u.rt.uid = cred.uid;
		info->u.rt.value = q->value;
	}
	return owner;
}

static void notify_send(struct task *t, struct process *owner, const struct siginfo_k *info)
{
	if (!owner)
		return;
	if (info->si_signo) {
		pthread_mutex_lock(&t->k->tree_lock);
		if (owner->life == LIFE_RUNNING)
			signal_send_process(owner, info->si_signo, info);
		pthread_mutex_unlock(&t->k->tree_lock);
	}
	process_put(owner);
}

static void insert_locked(struct mq *q, struct mq_msg *m)
{
	struct mq_msg *at;

	TAILQ_FOREACH_REVERSE(at, &q->list, mq_msgs, link)
	if (at->prio >= m->prio)
		break;
	if (at)
		TAILQ_INSERT_AFTER(&q->list, at, m, link);
	else
		TAILQ_INSERT_HEAD(&q->list, m, link);
	q->n++;
}

static int send_begin(struct task *t, struct call *c, struct mq *q, struct mq_call **out)
{
	uint64_t len = c->args[2];
	struct mq_call *s;
	int err;

	if ((unsigned)c->args[3] >= PRIO_MAX_K)
		return -EINVAL;
	err = get_timeout(t, c, c->args[4]);
	if (err)
		return err;
	if (!q)
		return -EBADF;
	if (len > (uint64_t)q->msgsize)
		return -EMSGSIZE;
	s = mq_call_begin(c);
	if (!s)
		return -ENOMEM;
	pthread_mutex_lock(&q->all->lock);
	s->m = msg_new_locked(q->all, len);
	pthread_mutex_unlock(&q->all->lock);
	if (!s->m)
		return -ENOMEM;
	s->m->prio = (unsigned)c->args[3];
	*out = s;
	return copy_from_guest(task_mm(t), s->m->data, gva(c->args[1]), len);
}

long sys_mq_timedsend(struct task *t, struct call *c)
{
	struct mq *q = call_mq(t, c, false, true);
	struct process *owner = NULL;
	struct mq_call *s = c->state;
	struct siginfo_k info;
	bool more;
	long r = 0;

	if (!c->rerun) {
		r = send_begin(t, c, q, &s);
		if (r)
			return r;
	}
	pthread_mutex_lock(&q->all->lock);
	if (q->n >= q->maxmsg) {
		r = mq_wait(t, c, &q->writable);
	} else {
		insert_locked(q, s->m);
		s->m = NULL;
		owner = notify_locked(t, q, &info);
	}
	more = q->n < q->maxmsg;
	pthread_mutex_unlock(&q->all->lock);
	if (r)
		return r;
	waitq_hand(&q->readable);
	if (more)
		waitq_hand_on(&q->writable);
	notify_send(t, owner, &info);
	return 0;
}

static int recv_begin(struct task *t, struct call *c, struct mq *q, struct mq_call **out)
{
	struct mq_call *s;
	int err = get_timeout(t, c, c->args[4]);

	if (err)
		return err;
	if (!q)
		return -EBADF;
	if (c->args[2] < (uint64_t)q->msgsize)
		return -EMSGSIZE;
	s = mq_call_begin(c);
	if (!s)
		return -ENOMEM;
	*out = s;
	return 0;
}

/* Takes the first message to s->m, or waits. */
static long recv_locked(struct task *t, struct call *c, struct mq *q, struct mq_call *s)
{
	long r;

	if (!q->n) {
		r = mq_wait(t, c, &q->readable);
		if (r == -EBLOCKED && !s->receiving) {
			s->receiving = true;
			q->nreceivers++;
		}
		return r;
	}
	s->m = TAILQ_FIRST(&q->list);
	TAILQ_REMOVE(&q->list, s->m, link);
	q->n--;
	return 0;
}

long sys_mq_timedreceive(struct task *t, struct call *c)
{
	struct mq *q = call_mq(t, c, true, false);
	struct mq_call *s = c->state;
	bool more;
	long r;

	if (!c->rerun) {
		r = recv_begin(t, c, q, &s);
		if (r)
			return r;
	}
	pthread_mutex_lock(&q->all->lock);
	r = recv_locked(t, c, q, s);
	more = q->n;
	pthread_mutex_unlock(&q->all->lock);
	if (r)
		return r;
	waitq_hand(&q->writable);
	if (more)
		waitq_hand_on(&q->readable);
	if ((c->args[3] &&
	     copy_to_guest(task_mm(t), gva(c->args[3]), &s->m->prio, sizeof(s->m->prio))) ||
	    copy_to_guest(task_mm(t), gva(c->args[1]), s->m->data, s->m->len))
		return -EFAULT;
	return (long)s->m->len;
}

/* ---- the rest ---- */

/* The kernel's struct sigevent begins so. */
struct sigevent_k {
	uint64_t value;
	int32_t signo, notify;
	uint8_t rest[48];
};

long sys_mq_notify(struct task *t, struct call *c)
{
	struct sigevent_k e = {.notify = -1};
	struct process *drop = NULL;
	struct mq *q;
	int err = 0;

	if (c->args[1]) {
		if (copy_from_guest(task_mm(t), &e, gva(c->args[1]), sizeof(e)))
			return -EFAULT;
		/* SIGEV_THREAD needs a netlink socket. */
		if (e.notify != NOTIFY_SIGNAL && e.notify != NOTIFY_NONE)
			return -EINVAL;
		if (e.notify == NOTIFY_SIGNAL && (e.signo < 0 || e.signo > NSIG_GUEST))
			return -EINVAL;
	}
	q = call_mq(t, c, false, false);
	if (!q)
		return -EBADF;
	pthread_mutex_lock(&t->k->tree_lock);
	pthread_mutex_lock(&q->all->lock);
	if (q->owner && q->owner->life != LIFE_RUNNING) {
		drop = q->owner;
		q->owner = NULL;
	}
	if (!c->args[1]) {
		if (q->owner == t->p) {
			drop = q->owner;
			q->owner = NULL;
		}
	} else if (q->owner) {
		err = -EBUSY;
	} else {
		q->owner = process_get(t->p);
		q->notify = e.notify;
		q->signo = e.signo;
		q->value = e.value;
	}
	pthread_mutex_unlock(&q->all->lock);
	pthread_mutex_unlock(&t->k->tree_lock);
	if (drop)
		process_put(drop);
	return err;
}

long sys_mq_getsetattr(struct task *t, struct call *c)
{
	struct mq_attr_k a = {.flags = 0}, new = {.flags = 0};
	struct mq *q;
	struct file *f;

	if (c->args[1]) {
		if (copy_from_guest(task_mm(t), &new, gva(c->args[1]), sizeof(new)))
			return -EFAULT;
		if (new.flags & ~(int64_t)O_NONBLOCK)
			return -EINVAL;
	}
	q = call_mq(t, c, false, false);
	if (!q)
		return -EBADF;
	f = c->file[0];
	pthread_mutex_lock(&q->all->lock);
	a.maxmsg = q->maxmsg;
	a.msgsize = q->msgsize;
	a.curmsgs = q->n;
	pthread_mutex_unlock(&q->all->lock);
	pthread_mutex_lock(&f->lock);
	a.flags = f->flags & O_NONBLOCK;
	if (c->args[1])
		f->flags = (f->flags & ~(unsigned)O_NONBLOCK) | (unsigned)new.flags;
	pthread_mutex_unlock(&f->lock);
	if (c->args[2] && copy_to_guest(task_mm(t), gva(c->args[2]), &a, sizeof(a)))
		return -EFAULT;
	return 0;
}
