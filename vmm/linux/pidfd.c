/*
 * pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2).
 *
 * Of threads there are none: PIDFD_THREAD and PIDFD_SIGNAL_* are EINVAL. pidfd_getfd asks for what
 * ptrace would: the same user, and a process that is dumpable.
 */
#include "pidfd.h"

#include "process.h"
#include "sys_fs.h"

#include <poll.h>
#include <signal.h>
#include <string.h>

static struct process *proc_of(const struct file *f)
{
	return vfs_file(f)->priv;
}

static void pidfd_release(struct file *f)
{
	process_put(proc_of(f));
	vfs_file_free(f);
}

static unsigned pidfd_poll(struct file *f, struct sched_task *task)
{
	struct process *p = proc_of(f);
	enum life life;

	if (task && waitq_add(&p->exit_wait, task, false))
		return POLLERR;
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
	wq[0] = &proc_of(f)->exit_wait;
	return 1;
}

static const struct vfs_file_ops pidfd_ops = {
	.core = {.release = pidfd_release},
	.poll = pidfd_poll,
	.poll_queues = pidfd_poll_queues,
};

int pidfd_file(struct process *p, unsigned flags, struct file **out)
{
	int err = anon_file(p->k, "[pidfd]", &pidfd_ops, O_RDWR | flags, p, out);

	if (!err)
		process_get(p);
	return err;
}

struct process *pidfd_process(const struct file *f)
{
	return f && f->ops == &pidfd_ops.core ? proc_of(f) : NULL;
}

long sys_pidfd_open(struct task *t, struct call *c)
{
	int pid = (int)c->args[0];
	unsigned flags = (unsigned)c->args[1];
	struct process *p;
	struct file *f;
	bool thread;
	int err;

	if (flags & ~(unsigned)O_NONBLOCK || pid <= 0)
		return -EINVAL;
	p = process_find(t->k, (uint32_t)pid);
	if (!p) {
		pthread_mutex_lock(&t->k->tree_lock);
		thread = task_find_locked(t->k, (uint32_t)pid);
		pthread_mutex_unlock(&t->k->tree_lock);
		return thread ? -EINVAL : -ESRCH;
	}
	err = pidfd_file(p, flags, &f);
	process_put(p);
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

long sys_pidfd_send_signal(struct task *t, struct call *c)
{
	int sig = (int)c->args[1], r;
	struct siginfo_k info;
	struct process *p;

	if (c->args[3])
		return -EINVAL;
	p = pidfd_process(call_io_file(t, c, 0, (int)c->args[0]));
	if (!p)
		return -EBADF;
	r = signal_info(t, p, c, &info);
	if (r)
		return r;
	pthread_mutex_lock(&t->k->tree_lock);
	if (p->life == LIFE_DEAD || p->life == LIFE_NEW)
		r = -ESRCH;
	else if (sig < 0 || sig > NSIG_GUEST)
		r = -EINVAL;
	else
		r = signal_check_permission_locked(t->p, p, sig);
	if (!r && sig)
		r = signal_send_process(p, sig, &info);
	pthread_mutex_unlock(&t->k->tree_lock);
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
static bool may_take(struct task *t, struct process *p)
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
	if (!may_take(t, p))
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
