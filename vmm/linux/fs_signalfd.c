/*
 * signalfd(2): pending signals as a file.
 *
 * A read takes signals of whoever reads, its thread's and its process's, not of whoever made the
 * descriptor. Senders wake process->signal_wait. Lasting interest (epoll) follows the process that
 * registered it, as on Linux.
 */
#include "process.h"
#include "sys_fs.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

struct signalfd {
	_Atomic uint64_t mask; /* what it takes; signalfd(fd, ...) changes it */
};

static struct signalfd *sfd_of(const struct file *f)
{
	return vfs_file(f)->priv;
}

static void sfd_release(struct file *f)
{
	free(sfd_of(f));
	vfs_file_free(f);
}

static void sfd_fill(const struct siginfo_k *i, struct signalfd_siginfo *s)
{
	bool fault = i->si_code > 0 && SIGMASK(i->si_signo) & SIGMASK_SYNC;

	memset(s, 0, sizeof(*s));
	s->ssi_signo = (uint32_t)i->si_signo;
	s->ssi_errno = i->si_errno;
	s->ssi_code = i->si_code;
	if (fault) {
		s->ssi_addr = i->u.fault.addr;
	} else if (i->si_code == SI_TIMER) {
		s->ssi_tid = (uint32_t)i->u.timer.tid;
		s->ssi_overrun = (uint32_t)i->u.timer.overrun;
		s->ssi_ptr = i->u.timer.value;
		s->ssi_int = (int32_t)i->u.timer.value;
	} else if (i->si_signo == SIGCHLD && i->si_code > 0) {
		s->ssi_pid = (uint32_t)i->u.chld.pid;
		s->ssi_uid = i->u.chld.uid;
		s->ssi_status = i->u.chld.status;
		s->ssi_utime = (uint64_t)i->u.chld.utime;
		s->ssi_stime = (uint64_t)i->u.chld.stime;
	} else {
		s->ssi_pid = (uint32_t)i->u.rt.pid;
		s->ssi_uid = i->u.rt.uid;
		s->ssi_ptr = i->u.rt.value;
		s->ssi_int = (int32_t)i->u.rt.value;
	}
}

static ssize_t sfd_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			struct call *c)
{
	struct task *t = task_current;
	uint64_t mask = atomic_load(&sfd_of(f)->mask);
	struct signalfd_siginfo s;
	struct siginfo_k info;
	ssize_t total = 0;
	int err;

	if (x->left < sizeof(s))
		return -EINVAL;
	if (!t)
		return -EAGAIN;
	if (task) {
		err = waitq_add(&t->p->signal_wait, task, false);
		if (err)
			return err;
	}
	while (x->left >= sizeof(s) && signal_take(t, mask, &info)) {
		sfd_fill(&info, &s);
		if (x->copy(x, &s, sizeof(s)) != sizeof(s))
			return total ? total : -EFAULT;
		total += (ssize_t)sizeof(s);
	}
	if (total)
		return total;
	return task ? -EBLOCKED : -EAGAIN;
}

static unsigned sfd_poll(struct file *f, struct sched_task *task)
{
	struct task *t = task_current;
	struct process *p;
	uint64_t pending;

	if (!t)
		return 0;
	p = t->p;
	if (task && waitq_add(&p->signal_wait, task, false))
		return POLLERR;
	pthread_mutex_lock(&p->siglock);
	pending = t->pending.mask | p->pending.mask;
	pthread_mutex_unlock(&p->siglock);
	return pending & atomic_load(&sfd_of(f)->mask) ? POLLIN : 0;
}

static unsigned sfd_poll_queues(struct file *f, unsigned events, struct waitq *wq[POLL_QUEUES])
{
	(void)events;
	if (!task_current)
		return 0;
	wq[0] = &task_current->p->signal_wait;
	return 1;
}

static const struct vfs_file_ops sfd_ops = {
	.core = {.release = sfd_release},
	.read = sfd_read,
	.poll = sfd_poll,
	.poll_queues = sfd_poll_queues,
	.lseek = anon_lseek,
};

static long sfd_make(struct task *t, uint64_t mask, unsigned flags)
{
	struct signalfd *s = calloc(1, sizeof(*s));
	struct file *f;
	int err;

	if (!s)
		return -ENOMEM;
	atomic_init(&s->mask, mask);
	err = anon_file(t->k, "[signalfd]", &sfd_ops, O_RDWR | (flags & SFD_NONBLOCK), s, &f);
	if (err) {
		free(s);
		return err;
	}
	return install_file(t, f, flags & SFD_CLOEXEC);
}

static long do_signalfd(struct task *t, struct call *c, unsigned flags)
{
	int fd = (int)c->args[0];
	struct file *f;
	uint64_t mask;

	if (c->args[2] != sizeof(mask))
		return -EINVAL;
	if (copy_from_guest(task_mm(t), &mask, gva(c->args[1]), sizeof(mask)))
		return -EFAULT;
	if (flags & ~(unsigned)(SFD_CLOEXEC | SFD_NONBLOCK))
		return -EINVAL;
	mask &= ~SIGMASK_KERNEL_ONLY;
	if (fd == -1)
		return sfd_make(t, mask, flags);
	f = call_io_file(t, c, 0, fd);
	if (!f)
		return -EBADF;
	if (f->ops != &sfd_ops.core)
		return -EINVAL;
	atomic_store(&sfd_of(f)->mask, mask);
	waitq_wake_all(&t->p->signal_wait);
	return fd;
}

long sys_signalfd(struct task *t, struct call *c)
{
	return do_signalfd(t, c, 0);
}

long sys_signalfd4(struct task *t, struct call *c)
{
	return do_signalfd(t, c, (unsigned)c->args[3]);
}
