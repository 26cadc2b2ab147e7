/*
 * pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2), process_mrelease(2).
 *
 * pidfd_getfd asks for what ptrace would: the same user, and a process that is dumpable; and takes
 * from the process's table, whatever thread the pidfd is of.
 *
 * A directory /proc/PID, too, says whom pidfd_send_signal is for.
 */
#include "pidfd.h"

#include "fs_proc.h"
#include "process.h"
#include "sys_fs.h"
#include "thread_end.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define PIDFD_THREAD_K ((unsigned)O_EXCL)
/* pidfd_send_signal(2): whom a signal is for; without one what the pidfd is of. */
#define SIGNAL_THREAD 1U
#define SIGNAL_GROUP  2U /* the process, "thread group" */
#define SIGNAL_PGRP   4U

struct pidfd {
	struct process *p;
	struct thread_end *end; /* NULL: of the process */
};

static struct pidfd *pidfd_of(const struct file *f)
{
	return vfs_file(f)->priv;
}

static void pidfd_free(struct pidfd *pf)
{
	process_put(pf->p);
	thread_end_put(pf->end);
	free(pf);
}

static void pidfd_release(struct file *f)
{
	pidfd_free(pidfd_of(f));
	vfs_file_free(f);
}

static struct waitq *pidfd_queue(const struct pidfd *pf)
{
	return pf->end ? &pf->end->wq : &pf->p->exit_wait;
}

static unsigned pidfd_poll(struct file *f, struct sched_task *task)
{
	struct pidfd *pf = pidfd_of(f);
	struct process *p = pf->p;
	enum life life;

	if (task && waitq_add(pidfd_queue(pf), task, false))
		return POLLERR;
	if (pf->end)
		return atomic_load(&pf->end->done) ? POLLIN | POLLRDNORM | POLLHUP : 0;
	pthread_mutex_lock(&p->k->tree_lock);
	life = p->life;
	pthread_mutex_unlock(&p->k->tree_lock);
	if (life == LIFE_DEAD)
		return POLLIN | POLLRDNORM | POLLHUP;
	return life == LIFE_ZOMBIE ? POLLIN | POLLRDNORM : 0;
}

static unsigned pidfd_poll_queues(struct file *f, unsigned events, struct waitq *wq[POLL_QUEUES])
{
	(void)events;
	wq[0] = pidfd_queue(pidfd_of(f));
	return 1;
}

static const struct vfs_file_ops pidfd_ops = {
	.core = {.release = pidfd_release},
	.poll = pidfd_poll,
	.poll_queues = pidfd_poll_queues,
};

int pidfd_file(struct process *p, struct thread_end *end, unsigned flags, struct file **out)
{
	struct pidfd *pf = calloc(1, sizeof(*pf));
	int err;

	if (!pf)
		return -ENOMEM;
	pf->p = process_get(p);
	pf->end = end ? thread_end_get(end) : NULL;
	flags |= O_RDWR | (end ? PIDFD_THREAD_K : 0);
	err = anon_file_kind(p->k, ANON_PIDS, "[pidfd]", &pidfd_ops, flags, pf, out);
	if (err)
		pidfd_free(pf);
	return err;
}

static struct pidfd *get_pidfd(const struct file *f)
{
	return f && f->ops == &pidfd_ops.core ? pidfd_of(f) : NULL;
}

struct process *pidfd_process(const struct file *f)
{
	struct pidfd *pf = get_pidfd(f);

	return pf ? pf->p : NULL;
}

bool pidfd_is_process(const struct file *f)
{
	struct pidfd *pf = get_pidfd(f);

	return pf && (!pf->end || pf->end->tid == pf->p->pid);
}

/* Of thread tid: its process and its end, with references. 0, -ESRCH, -ENOMEM. */
static int find_thread(struct kernel *k, uint32_t tid, struct process **p, struct thread_end **end)
{
	struct thread_end *spare = thread_end_create(tid);
	struct task *o;

	if (!spare)
		return -ENOMEM;
	pthread_mutex_lock(&k->tree_lock);
	o = task_find_locked(k, tid);
	if (o) {
		*p = process_get(o->p);
		*end = thread_end_of_locked(o, &spare);
	}
	pthread_mutex_unlock(&k->tree_lock);
	thread_end_put(spare);
	return o ? 0 : -ESRCH;
}

static bool is_thread(struct kernel *k, uint32_t tid)
{
	bool yes;

	pthread_mutex_lock(&k->tree_lock);
	yes = task_find_locked(k, tid) != NULL;
	pthread_mutex_unlock(&k->tree_lock);
	return yes;
}

long sys_pidfd_open(struct task *t, struct call *c)
{
	int pid = (int)c->args[0], err = 0;
	unsigned flags = (unsigned)c->args[1];
	struct thread_end *end = NULL;
	struct process *p = NULL;
	struct file *f;

	if (flags & ~((unsigned)O_NONBLOCK | PIDFD_THREAD_K) || pid <= 0)
		return -EINVAL;
	if (flags & PIDFD_THREAD_K)
		err = find_thread(t->k, (uint32_t)pid, &p, &end);
	else if (!(p = process_find(t->k, (uint32_t)pid)))
		err = is_thread(t->k, (uint32_t)pid) ? -ENOENT : -ESRCH;
	if (!err)
		err = pidfd_file(p, end, flags & (unsigned)O_NONBLOCK, &f);
	process_put(p);
	thread_end_put(end);
	return err ? err : install_file(t, f, true);
}

/* As rt_sigqueueinfo(2): nobody but oneself may pretend that the kernel or kill(2) sent it. */
static int signal_info(struct task *t, struct process *p, struct call *c, struct siginfo_k *info)
{
	int sig = (int)c->args[1];

	if (!c->args[2]) {
		memset(info, 0, sizeof(*info));
		info->si_signo = sig;
		info->si_code = SI_USER;
		info->u.rt.pid = (int32_t)t->p->pid;
		info->u.rt.uid = process_uid(t->p);
		return 0;
	}
	if (copy_from_guest(task_mm(t), info, gva(c->args[2]), sizeof(*info)))
		return -EFAULT;
	if (info->si_signo != sig)
		return -EINVAL;
	return (info->si_code >= 0 || info->si_code == SI_TKILL) && p != t->p ? -EPERM : 0;
}

static struct task *thread_locked(const struct pidfd *pf)
{
	struct task *o;

	/* Its id may be another's by now. */
	TAILQ_FOREACH (o, &pf->p->tasks, thread)
		if (o->end == pf->end)
			return o;
	return NULL;
}

/* To what the pidfd is of, or as `scope` says. tree_lock held. */
static int send_locked(struct task *t, struct pidfd *pf, unsigned scope, int sig,
		       struct siginfo_k *info)
{
	struct process *p = pf->p;
	struct task *to = NULL;
	int r;

	if (!scope)
		scope = pf->end ? SIGNAL_THREAD : SIGNAL_GROUP;
	to = pf->end ? thread_locked(pf) : TAILQ_FIRST(&p->tasks);
	if (p->life == LIFE_DEAD || p->life == LIFE_NEW)
		return -ESRCH;
	/* The id of a thread that has ended names nothing any more. */
	if (pf->end ? !to : scope == SIGNAL_THREAD && (!to || to->tid != p->pid))
		return -ESRCH;
	if (sig < 0 || sig > NSIG_GUEST)
		return -EINVAL;
	if (scope == SIGNAL_PGRP)
		return kill_group_locked(t, pf->end ? pf->end->tid : p->pid, sig, info);
	r = signal_check_permission_locked(t->p, p, sig);
	if (r || !sig)
		return r;
	return scope == SIGNAL_THREAD ? signal_send_task(to, sig, info)
				      : signal_send_process(p, sig, info);
}

long sys_pidfd_send_signal(struct task *t, struct call *c)
{
	unsigned scope = (unsigned)c->args[3];
	struct siginfo_k info;
	struct pidfd *pf, of_dir = {0};
	struct file *f;
	int r = 0;

	if (scope & ~(SIGNAL_THREAD | SIGNAL_GROUP | SIGNAL_PGRP) || scope & (scope - 1))
		return -EINVAL;
	f = call_io_file(t, c, 0, (int)c->args[0]);
	pf = get_pidfd(f);
	if (!pf && f) {
		r = proc_dir_process(f, &of_dir.p);
		pf = &of_dir;
	}
	if (!pf || r)
		return pf ? r : -EBADF;
	r = signal_info(t, pf->p, c, &info);
	if (!r) {
		pthread_mutex_lock(&t->k->tree_lock);
		r = send_locked(t, pf, scope, (int)c->args[1], &info);
		pthread_mutex_unlock(&t->k->tree_lock);
	}
	process_put(of_dir.p);
	return r;
}

/* One that clone is still making has parts that only its maker may touch. */
static bool published(struct process *p)
{
	bool yes;

	pthread_mutex_lock(&p->k->tree_lock);
	yes = p->life != LIFE_NEW;
	pthread_mutex_unlock(&p->k->tree_lock);
	return yes;
}

/* PTRACE_MODE_ATTACH_REALCREDS. */
bool process_may_attach(struct task *t, struct process *p)
{
	struct cred mine, theirs;
	bool dumpable;

	if (p == t->p)
		return true;
	task_cred(t, &mine);
	process_cred(p, &theirs);
	pthread_mutex_lock(&p->lock);
	dumpable = p->dumpable;
	pthread_mutex_unlock(&p->lock);
	if (!mine.euid)
		return true;
	return dumpable && mine.uid == theirs.uid && mine.uid == theirs.euid &&
	       mine.uid == theirs.suid && mine.gid == theirs.gid && mine.gid == theirs.egid &&
	       mine.gid == theirs.sgid;
}

long sys_pidfd_getfd(struct task *t, struct call *c)
{
	struct fdtable *files = NULL;
	struct process *p;
	struct file *f;

	if (c->args[2])
		return -EINVAL;
	p = pidfd_process(call_io_file(t, c, 0, (int)c->args[0]));
	if (!p)
		return -EBADF;
	if (!published(p))
		return -ESRCH;
	if (!process_may_attach(t, p))
		return -EPERM;
	pthread_mutex_lock(&p->lock);
	if (p->files)
		files = fdtable_get(p->files);
	pthread_mutex_unlock(&p->lock);
	if (!files)
		return -ESRCH;
	f = fdtable_lookup(files, (int)c->args[1]);
	fdtable_put(files);
	return f ? install_file(t, f, true) : -EBADF;
}

static bool dies(struct process *p)
{
	bool yes;

	pthread_mutex_lock(&p->siglock);
	yes = p->group_exit;
	pthread_mutex_unlock(&p->siglock);
	return yes;
}

static struct mm *mm_of(struct process *p)
{
	struct mm *mm;

	pthread_mutex_lock(&p->lock);
	mm = p->mm;
	pthread_mutex_unlock(&p->lock);
	return mm;
}

/* Nobody who lives has p's memory: 0, -EINVAL; it has none any more: -ESRCH. */
static int check_dying_locked(struct process *p)
{
	const struct mm *mm = mm_of(p);
	struct process *q;

	if (!mm)
		return -ESRCH;
	if (!dies(p))
		return -EINVAL;
	TAILQ_FOREACH (q, &p->k->processes, all)
		if (mm_of(q) == mm && !dies(q))
			return -EINVAL;
	return 0;
}

/*
 * On Linux the caller frees the memory of one that cannot get round to it. Here whoever dies has
 * been woken, and the memory goes with its last task: there is nothing to be done.
 */
long sys_process_mrelease(struct task *t, struct call *c)
{
	struct process *p;
	int r;

	if ((unsigned)c->args[1])
		return -EINVAL;
	p = pidfd_process(call_io_file(t, c, 0, (int)c->args[0]));
	if (!p)
		return -EBADF;
	pthread_mutex_lock(&p->k->tree_lock);
	r = check_dying_locked(p);
	pthread_mutex_unlock(&p->k->tree_lock);
	return r;
}
