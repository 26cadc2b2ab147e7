/*
 * Waiting for children: wait4, waitid.
 *
 * A child changes state with tree_lock held (its end) or siglock (stop, continue), and then wakes
 * its parent's child_wait. A waiter queues itself first and then looks, with tree_lock held: no
 * wake is lost.
 */
#include "process.h"
#include "pidfd.h"
#include "syscalls.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#ifndef __WNOTHREAD
#define __WNOTHREAD 0x20000000
#endif
#define WAIT_WNOWAIT 0x01000000
#define WAIT_P_PIDFD 3

enum wait_type { WAIT_FOR_ANY, WAIT_FOR_PID, WAIT_FOR_GROUP, WAIT_FOR_PROCESS };

struct wait_for {
	enum wait_type type;
	uint32_t id;
	const struct process *process; /* WAIT_FOR_PROCESS: compared only */
	bool nonblock;                 /* -EAGAIN instead of a wait */
	unsigned options;
};

struct wait_result {
	uint32_t pid, uid;
	int status;      /* wait(2)'s encoding */
	int code, value; /* siginfo's: CLD_*, exit code or signal */
	struct rusage ru;
};

static void ns_to_timeval(int64_t ns, struct timeval *tv)
{
	tv->tv_sec = ns / 1000000000;
	tv->tv_usec = ns % 1000000000 / 1000;
}

/* RUSAGE_BOTH: the child's and that of the children it has waited for. */
static void fill_rusage(struct process *child, struct rusage *ru)
{
	struct rusage_times x;

	process_times_locked(child, &x);
	memset(ru, 0, sizeof(*ru));
	ns_to_timeval(x.utime + x.cutime, &ru->ru_utime);
	ns_to_timeval(x.stime + x.cstime, &ru->ru_stime);
	ru->ru_minflt = (long)(x.minflt + x.cminflt);
	ru->ru_majflt = (long)(x.majflt + x.cmajflt);
	ru->ru_nvcsw = (long)(x.nvcsw + x.cnvcsw);
	ru->ru_nivcsw = (long)(x.nivcsw + x.cnivcsw);
	ru->ru_maxrss = (long)(x.maxrss_kb > x.cmaxrss_kb ? x.maxrss_kb : x.cmaxrss_kb);
}

static void fill(struct process *child, struct wait_result *r, int status, int code, int value)
{
	r->pid = child->pid;
	r->uid = process_uid(child);
	r->status = status;
	r->code = code;
	r->value = value;
	fill_rusage(child, &r->ru);
}

static bool wait_zombie_locked(struct process *p, struct process *child, const struct wait_for *w,
			       struct wait_result *r)
{
	int st = child->wait_status;

	if (child->life != LIFE_ZOMBIE || !(w->options & WEXITED))
		return false;
	if (WIFEXITED(st))
		fill(child, r, st, CLD_EXITED, WEXITSTATUS(st));
	else
		fill(child, r, st, WCOREDUMP(st) ? CLD_DUMPED : CLD_KILLED, WTERMSIG(st));
	if (!(w->options & WAIT_WNOWAIT)) {
		process_add_child_times_locked(p, child);
		process_release_locked(child);
	}
	return true;
}

static bool wait_stopped_locked(struct process *child, const struct wait_for *w,
				struct wait_result *r)
{
	bool found;

	if (!(w->options & WSTOPPED))
		return false;
	pthread_mutex_lock(&child->siglock);
	found = child->stopped && !child->stop_reported && !child->group_exit;
	if (found) {
		int sig = child->stop_signal;

		fill(child, r, sig << 8 | 0x7f, CLD_STOPPED, sig);
		child->stop_reported = !(w->options & WAIT_WNOWAIT);
	}
	pthread_mutex_unlock(&child->siglock);
	return found;
}

static bool wait_continued_locked(struct process *child, const struct wait_for *w,
				  struct wait_result *r)
{
	bool found;

	if (!(w->options & WCONTINUED))
		return false;
	pthread_mutex_lock(&child->siglock);
	found = child->cont_pending && !child->group_exit;
	if (found) {
		fill(child, r, 0xffff, CLD_CONTINUED, SIGCONT);
		child->cont_pending = (w->options & WAIT_WNOWAIT) != 0;
	}
	pthread_mutex_unlock(&child->siglock);
	return found;
}

static bool eligible(const struct process *child, const struct wait_for *w)
{
	if (w->type == WAIT_FOR_PID && child->pid != w->id)
		return false;
	if (w->type == WAIT_FOR_GROUP && child->pgid != w->id)
		return false;
	if (w->type == WAIT_FOR_PROCESS && child != w->process)
		return false;
	/* __WCLONE: only children that do not send SIGCHLD; without it only those that do. */
	if (!(w->options & __WALL) && (child->exit_signal != SIGCHLD) != !!(w->options & __WCLONE))
		return false;
	return true;
}

/* 1: *r is filled; 0: such children exist, but none has anything to tell; -ECHILD. */
static int wait_scan_locked(struct process *p, const struct wait_for *w, struct wait_result *r)
{
	struct process *child;
	int ret = -ECHILD;

	TAILQ_FOREACH (child, &p->children, sibling) {
		/* A zombie is nothing that could still stop or continue. */
		if (!eligible(child, w) || (child->life == LIFE_ZOMBIE && !(w->options & WEXITED)))
			continue;
		ret = 0;
		if (wait_zombie_locked(p, child, w, r) || wait_stopped_locked(child, w, r) ||
		    wait_continued_locked(child, w, r))
			return 1;
		if (w->type == WAIT_FOR_PID || w->type == WAIT_FOR_PROCESS)
			break;
	}
	return ret;
}

/* 1: *r is filled; 0: WNOHANG; -ECHILD, -ERESTARTSYS, -EBLOCKED. */
static long do_wait(struct task *t, struct call *c, const struct wait_for *w, struct wait_result *r)
{
	bool wait = !(w->options & WNOHANG) && !w->nonblock;
	struct sched_task *st = wait ? call_waiter(t, c, false) : NULL;
	struct kernel *k = t->k;
	int ret;

	if (st && waitq_add(&t->p->child_wait, st, false) < 0)
		return -ENOMEM;
	pthread_mutex_lock(&k->tree_lock);
	ret = wait_scan_locked(t->p, w, r);
	pthread_mutex_unlock(&k->tree_lock);
	if (ret || w->options & WNOHANG)
		return ret;
	if (w->nonblock)
		return -EAGAIN;
	return st ? -EBLOCKED : -ERESTARTSYS;
}

long sys_wait4(struct task *t, struct call *c)
{
	int pid = (int)c->args[0];
	unsigned options = (unsigned)c->args[2];
	struct wait_for w = {.options = options | WEXITED};
	struct wait_result r;
	long ret;

	if (options &
	    ~(unsigned)(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (pid == INT_MIN)
		return -ESRCH;
	if (pid > 0) {
		w.type = WAIT_FOR_PID;
		w.id = (uint32_t)pid;
	} else if (pid != -1) {
		w.type = WAIT_FOR_GROUP;
		/* "Own group" is the one at the call's beginning. */
		if (pid == 0 && !c->rerun)
			c->progress = t->p->pgid;
		w.id = pid ? (uint32_t)-pid : (uint32_t)c->progress;
	}
	ret = do_wait(t, c, &w, &r);
	if (ret <= 0)
		return ret;
	if (c->args[1] && copy_to_guest(t->p->mm, gva(c->args[1]), &r.status, sizeof(r.status)) < 0)
		return -EFAULT;
	if (c->args[3] && copy_to_guest(t->p->mm, gva(c->args[3]), &r.ru, sizeof(r.ru)) < 0)
		return -EFAULT;
	return r.pid;
}

static long waitid_who(struct task *t, struct call *c, struct wait_for *w)
{
	int type = (int)c->args[0], id = (int)c->args[1];

	switch (type) {
	case P_ALL:
		w->type = WAIT_FOR_ANY;
		return 0;
	case P_PID:
		w->type = WAIT_FOR_PID;
		w->id = (uint32_t)id;
		return id > 0 ? 0 : -EINVAL;
	case P_PGID:
		w->type = WAIT_FOR_GROUP;
		if (id < 0)
			return -EINVAL;
		if (id == 0 && !c->rerun)
			c->progress = t->p->pgid;
		w->id = id ? (uint32_t)id : (uint32_t)c->progress;
		return 0;
	case WAIT_P_PIDFD:
		if (id < 0)
			return -EINVAL;
		w->type = WAIT_FOR_PROCESS;
		w->process = pidfd_process(call_file(t, c, 0, id));
		if (!w->process)
			return -EBADF;
		/* Only whole processes are waited for. */
		if (!pidfd_is_process(c->file[0]))
			return -ECHILD;
		w->nonblock = c->file[0]->flags & O_NONBLOCK;
		return 0;
	default:
		return -EINVAL;
	}
}

/* The six words of siginfo that waitid fills; the word between the two parts stays as it is. */
static int waitid_store(struct task *t, uint64_t infop, const struct wait_result *r, bool found)
{
	int32_t head[3] = {0}, tail[3] = {0};

	if (found) {
		head[0] = SIGCHLD;
		head[2] = r->code;
		tail[0] = (int32_t)r->pid;
		tail[1] = (int32_t)r->uid;
		tail[2] = r->value;
	}
	if (copy_to_guest(t->p->mm, gva(infop), head, sizeof(head)) < 0 ||
	    copy_to_guest(t->p->mm, gva(infop + 16), tail, sizeof(tail)) < 0)
		return -EFAULT;
	return 0;
}

long sys_waitid(struct task *t, struct call *c)
{
	struct wait_for w = {.options = (unsigned)c->args[3]};
	struct wait_result r;
	long ret;

	if (w.options & ~(unsigned)(WNOHANG | WAIT_WNOWAIT | WEXITED | WSTOPPED | WCONTINUED |
				    __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (!(w.options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	ret = waitid_who(t, c, &w);
	if (ret < 0)
		return ret;
	ret = do_wait(t, c, &w, &r);
	if (ret < 0)
		return ret;
	if (ret > 0 && c->args[4] &&
	    copy_to_guest(t->p->mm, gva(c->args[4]), &r.ru, sizeof(r.ru)) < 0)
		return -EFAULT;
	return c->args[2] ? waitid_store(t, c->args[2], &r, ret > 0) : 0;
}
