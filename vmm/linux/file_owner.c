/* Owners of open files: see file_owner.h. */
#include "file_owner.h"

#include "../core/async.h"
#include "process.h"
#include "sys_fs.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#define OWNER_TID  0
#define OWNER_PID  1
#define OWNER_PGRP 2

struct f_owner_ex_k {
	int32_t type, pid;
};

struct file_owner {
	struct async_target target; /* first */
	/* immutable: */
	struct kernel *k;
	pthread_mutex_t lock;
	/* protected by lock: */
	int type;           /* OWNER_*: what `who` is the number of */
	uint32_t who;       /* pinned; 0: nobody */
	uint32_t uid, euid; /* of who said so */
	int signum;         /* F_SETSIG; 0: SIGIO, which says nothing */
	int fd;             /* under which O_ASYNC was asked for */
	struct async_entry entries[2];
};

/* ---- finding; tree_lock held ---- */

static struct process *process_locked(struct kernel *k, uint32_t pid)
{
	struct process *p;

	TAILQ_FOREACH (p, &k->processes, all)
		if (p->pid == pid)
			return p;
	return NULL;
}

/* A task, a process, a group or a session has that number. */
static bool number_used_locked(struct kernel *k, uint32_t id)
{
	struct process *p;

	if (task_find_locked(k, id))
		return true;
	TAILQ_FOREACH (p, &k->processes, all)
		if (p->pid == id || p->pgid == id || p->sid == id)
			return true;
	return false;
}

/* One that ended but was not waited for is still there. */
static bool owner_there_locked(struct kernel *k, int type, uint32_t who)
{
	struct process *p;

	if (type != OWNER_PGRP)
		return process_locked(k, who) || (type == OWNER_TID && task_find_locked(k, who));
	TAILQ_FOREACH (p, &k->processes, all)
		if (p->pgid == who)
			return true;
	return false;
}

/* ---- sending ---- */

struct message {
	struct file_owner owner; /* its fields as they were */
	const struct async_event *event;
};

/* send_sigio_to_task(): what F_SETSIG chose, or, if that cannot be queued, SIGIO. */
static int chosen_signal(const struct message *m, struct siginfo_k *info)
{
	static const int16_t bands[] = {
		[ASYNC_IN] = POLLIN | POLLRDNORM,
		[ASYNC_OUT] = POLLOUT | POLLWRNORM | POLLWRBAND,
		[ASYNC_MSG] = POLLIN | POLLRDNORM | POLLMSG,
		[ASYNC_ERR] = POLLERR,
		[ASYNC_PRI] = POLLPRI | POLLRDBAND,
		[ASYNC_HUP] = POLLHUP | POLLERR,
	};
	static const uint64_t with_codes = SIGMASK(SIGILL) | SIGMASK(SIGFPE) | SIGMASK(SIGSEGV) |
					   SIGMASK(SIGBUS) | SIGMASK(SIGTRAP) | SIGMASK(SIGCHLD) |
					   SIGMASK(SIGSYS);
	int sig = m->owner.signum;

	/* si_codes that mean something else with that signal are not used. */
	info->si_code = SIGMASK(sig) & with_codes ? SI_SIGIO : (int)m->event->band;
	info->u.poll.band = bands[m->event->band];
	info->u.poll.fd = m->owner.fd;
	return sig;
}

/* to NULL: to p. tree_lock held. */
static void send_one_locked(const struct message *m, struct process *p, struct task *to)
{
	struct siginfo_k plain = {.si_code = SI_KERNEL}, info = {.si_code = 0};
	int sig = m->event->urgent ? SIGURG : SIGIO, chosen = 0, err = 0;
	struct cred cred;

	if (p->life >= LIFE_ZOMBIE)
		return;
	process_cred(p, &cred);
	if (m->owner.euid != 0 && m->owner.euid != cred.suid && m->owner.euid != cred.uid &&
	    m->owner.uid != cred.suid && m->owner.uid != cred.uid)
		return;
	if (!m->event->urgent && m->owner.signum) {
		chosen = chosen_signal(m, &info);
		for (unsigned i = 0; i < m->event->count && !err; i++)
			err = to ? signal_send_task(to, chosen, &info)
				 : signal_send_process(p, chosen, &info);
	}
	if (chosen && !err)
		return;
	if (to)
		signal_send_task(to, sig, &plain);
	else
		signal_send_process(p, sig, &plain);
}

static void send_locked(const struct message *m)
{
	const struct file_owner *o = &m->owner;
	struct process *p;
	struct task *to;

	if (o->type == OWNER_PGRP) {
		TAILQ_FOREACH (p, &o->k->processes, all)
			if (p->pgid == o->who)
				send_one_locked(m, p, NULL);
		return;
	}
	/* A thread's number names its process, too; but a process goes on without its first thread.
	 */
	to = task_find_locked(o->k, o->who);
	p = to ? to->p : process_locked(o->k, o->who);
	if (o->type == OWNER_PID && p)
		send_one_locked(m, p, NULL);
	else if (to)
		send_one_locked(m, p, to);
}

static void owner_send(struct async_target *target, const struct async_event *e)
{
	struct file_owner *o = container_of(target, struct file_owner, target);
	struct message m = {.event = e};

	pthread_mutex_lock(&o->k->tree_lock);
	pthread_mutex_lock(&o->lock);
	m.owner.k = o->k;
	m.owner.type = o->type;
	m.owner.who = o->who;
	m.owner.uid = o->uid;
	m.owner.euid = o->euid;
	m.owner.signum = o->signum;
	m.owner.fd = o->fd;
	pthread_mutex_unlock(&o->lock);
	/* That a byte is urgent is told by SIGURG, and again by a signal that somebody chose. */
	if (m.owner.who && (e->urgent || e->band != ASYNC_PRI || m.owner.signum))
		send_locked(&m);
	pthread_mutex_unlock(&o->k->tree_lock);
}

/* ---- life ---- */

static void owner_free(struct async_target *target)
{
	struct file_owner *o = container_of(target, struct file_owner, target);

	if (o->who)
		registry_unpin_id(o->k->registry, o->who);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

static void leave_lists_locked(struct file_owner *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(o->entries); i++)
		async_remove(&o->entries[i]);
}

/* The file is about to be released: what it told is sent, what happens to its object from now on is
 * nobody's business. */
static void file_disown(struct file *f)
{
	struct file_owner *o = vfs_file(f)->owner;
	struct async_place at = {.n = 0};

	if (vfs_ops(f)->async)
		vfs_ops(f)->async(f, &at);
	if (at.urgent)
		async_set_urgent(at.urgent, NULL);
	pthread_mutex_lock(&o->lock);
	leave_lists_locked(o);
	pthread_mutex_unlock(&o->lock);
	async_target_put(&o->target);
}

/* f's owner, made if there is none. NULL: no memory. Borrowed from f. */
static struct file_owner *owner_of(struct task *t, struct file *f)
{
	struct file_owner *o = vfs_file(f)->owner, *none = NULL;
	struct async_place at = {.n = 0};

	if (o)
		return o;
	o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->target = (struct async_target){.refs = 1, .send = owner_send, .free = owner_free};
	o->k = t->k;
	pthread_mutex_init(&o->lock, NULL);
	if (!atomic_compare_exchange_strong(&vfs_file(f)->owner, &none, o)) {
		async_target_put(&o->target);
		return none;
	}
	f->disown = file_disown;
	if (vfs_ops(f)->async)
		vfs_ops(f)->async(f, &at);
	if (at.urgent)
		async_set_urgent(at.urgent, &o->target);
	return o;
}

/* ---- asking ---- */

/* keep: only if there is none. tree_lock held, and `who`, unless 0, is in use. */
static void set_locked(struct task *t, struct file_owner *o, int type, uint32_t who, bool keep)
{
	uint32_t old = who;
	struct cred cred;

	task_cred(t, &cred);
	if (who)
		registry_pin_id(o->k->registry, who);
	pthread_mutex_lock(&o->lock);
	if (!keep || !o->who) {
		old = o->who;
		o->type = type;
		o->who = who;
		if (who) {
			o->uid = cred.uid;
			o->euid = cred.euid;
		}
	}
	pthread_mutex_unlock(&o->lock);
	if (old)
		registry_unpin_id(o->k->registry, old);
}

static long set_owner(struct task *t, struct file *f, int type, int id)
{
	struct file_owner *o;
	long err = 0;

	if (id < 0)
		return -ESRCH;
	o = owner_of(t, f);
	if (!o)
		return -ENOMEM;
	pthread_mutex_lock(&t->k->tree_lock);
	if (id && !number_used_locked(t->k, (uint32_t)id))
		err = -ESRCH;
	else
		set_locked(t, o, type, (uint32_t)id, false);
	pthread_mutex_unlock(&t->k->tree_lock);
	return err;
}

static long set_owner_ex(struct task *t, struct file *f, uint64_t arg)
{
	struct f_owner_ex_k ex;

	if (copy_from_guest(task_mm(t), &ex, gva(arg), sizeof(ex)))
		return -EFAULT;
	if (ex.type < OWNER_TID || ex.type > OWNER_PGRP)
		return -EINVAL;
	return set_owner(t, f, ex.type, ex.pid);
}

/* The owner, while it is there. */
static struct f_owner_ex_k get_owner(struct task *t, struct file *f)
{
	struct file_owner *o = vfs_file(f)->owner;
	struct f_owner_ex_k ex = {OWNER_TID, 0};

	if (!o)
		return ex;
	pthread_mutex_lock(&t->k->tree_lock);
	pthread_mutex_lock(&o->lock);
	ex = (struct f_owner_ex_k){o->type, (int32_t)o->who};
	pthread_mutex_unlock(&o->lock);
	if (ex.pid && !owner_there_locked(t->k, ex.type, (uint32_t)ex.pid))
		ex.pid = 0;
	pthread_mutex_unlock(&t->k->tree_lock);
	return ex;
}

static long get_owner_ex(struct task *t, struct file *f, uint64_t arg)
{
	struct f_owner_ex_k ex = get_owner(t, f);

	return copy_to_guest(task_mm(t), gva(arg), &ex, sizeof(ex));
}

static long set_signum(struct task *t, struct file *f, uint64_t sig)
{
	struct file_owner *o;

	if (sig > NSIG_GUEST)
		return -EINVAL;
	o = owner_of(t, f);
	if (!o)
		return -ENOMEM;
	pthread_mutex_lock(&o->lock);
	o->signum = (int)sig;
	pthread_mutex_unlock(&o->lock);
	return 0;
}

static long get_signum(struct file *f)
{
	struct file_owner *o = vfs_file(f)->owner;
	int sig = 0;

	if (o) {
		pthread_mutex_lock(&o->lock);
		sig = o->signum;
		pthread_mutex_unlock(&o->lock);
	}
	return sig;
}

long file_owner_fcntl(struct task *t, struct file *f, int cmd, uint64_t arg)
{
	struct f_owner_ex_k ex;
	int who = (int)arg;

	switch (cmd) {
	case F_GETOWN:
		ex = get_owner(t, f);
		return ex.type == OWNER_PGRP ? -ex.pid : ex.pid;
	case F_SETOWN:
		if (who == INT32_MIN)
			return -EINVAL;
		return set_owner(t, f, who < 0 ? OWNER_PGRP : OWNER_PID, who < 0 ? -who : who);
	case F_GETOWN_EX:
		return get_owner_ex(t, f, arg);
	case F_SETOWN_EX:
		return set_owner_ex(t, f, arg);
	case F_GETSIG:
		return get_signum(f);
	case F_SETSIG:
		return set_signum(t, f, arg);
	}
	return -EINVAL;
}

/* __tty_fasync(): a terminal tells its foreground group, or who asked, unless there is an owner. */
static void set_tty_owner(struct task *t, struct file_owner *o, uint32_t group)
{
	pthread_mutex_lock(&t->k->tree_lock);
	if (group && !number_used_locked(t->k, group))
		group = 0;
	set_locked(t, o, group ? OWNER_PGRP : OWNER_PID, group ? group : t->p->pid, true);
	pthread_mutex_unlock(&t->k->tree_lock);
}

int file_owner_async(struct task *t, struct file *f, int fd, bool on)
{
	struct file_owner *o = vfs_file(f)->owner;
	struct async_place at = {.n = 0};
	bool changed;

	if (!on && !(f->flags & O_ASYNC))
		return 0;
	o = owner_of(t, f);
	if (!o)
		return -ENOMEM;
	vfs_ops(f)->async(f, &at);
	pthread_mutex_lock(&o->lock);
	changed = on == !(f->flags & O_ASYNC);
	if (changed && on) {
		atomic_fetch_or(&f->flags, (unsigned)O_ASYNC);
		o->fd = fd;
		for (unsigned i = 0; i < at.n; i++)
			async_add(at.lists[i], &o->entries[i], &o->target);
	} else if (changed) {
		atomic_fetch_and(&f->flags, ~(unsigned)O_ASYNC);
		leave_lists_locked(o);
	}
	pthread_mutex_unlock(&o->lock);
	if (changed && on && at.tty)
		set_tty_owner(t, o, at.group);
	return 0;
}
