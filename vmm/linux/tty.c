/*
 * Controlling terminal, foreground group, and who is stopped for using it from the background.
 */
#include "process.h"
#include "tty.h"
#include "vfs_inode.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

static struct tty *tty_of(struct kernel *k)
{
	return &k->vfs->tty;
}

bool tty_controls(struct process *p)
{
	uint32_t sid = atomic_load(&tty_of(p->k)->sid);

	return sid && p->sid == sid && !p->attr.no_ctty;
}

static void group_signal_locked(struct kernel *k, uint32_t pgid, int sig)
{
	struct siginfo_k info = {.si_signo = sig, .si_code = SI_KERNEL};
	struct process *q;

	TAILQ_FOREACH (q, &k->processes, all) {
		if (q->pgid != pgid || q->life != LIFE_RUNNING)
			continue;
		q->group_signals++;
		signal_send_process(q, sig, &info);
	}
}

/* ---- job control ---- */

static bool ignores(struct task *t, int sig)
{
	struct process *p = t->p;
	bool r;

	pthread_mutex_lock(&p->siglock);
	r = t->blocked & SIGMASK(sig) ||
	    (p->sighand && signal_action(p, sig).handler == (uint64_t)(uintptr_t)SIG_IGN);
	pthread_mutex_unlock(&p->siglock);
	return r;
}

static bool in_background_locked(struct process *p)
{
	uint32_t fg = atomic_load(&tty_of(p->k)->pgrp);

	return tty_controls(p) && fg && p->pgid != fg;
}

int tty_check(struct task *t, int sig)
{
	struct kernel *k = t->k;
	struct process *p = t->p;
	int r = 0;

	pthread_mutex_lock(&k->tree_lock);
	if (in_background_locked(p)) {
		if (ignores(t, sig)) {
			r = sig == SIGTTIN ? -EIO : 0;
		} else if (group_orphaned_locked(k, p->pgid, p->sid, NULL)) {
			r = -EIO;
		} else {
			group_signal_locked(k, p->pgid, sig);
			r = -ERESTARTSYS;
		}
	}
	pthread_mutex_unlock(&k->tree_lock);
	return r;
}

int tty_check_io(struct stdio *s, bool write)
{
	struct termios a;

	if (!s->tty || !task_current)
		return 0;
	if (!write)
		return tty_check(task_current, SIGTTIN);
	if (tcgetattr(s->io_fd, &a) < 0 || !(a.c_lflag & TOSTOP))
		return 0;
	return tty_check(task_current, SIGTTOU);
}

/* ---- sessions ---- */

static void set_session_locked(struct process *p)
{
	struct tty *tty = tty_of(p->k);

	atomic_store(&tty->sid, p->sid);
	atomic_store(&tty->pgrp, p->pgid);
	pthread_mutex_lock(&p->lock);
	p->attr.no_ctty = false;
	pthread_mutex_unlock(&p->lock);
}

/* Nobody's controlling terminal now; what ran in its foreground is told. */
static void drop_session_locked(struct kernel *k)
{
	struct tty *tty = tty_of(k);
	uint32_t fg = atomic_load(&tty->pgrp);

	if (fg) {
		group_signal_locked(k, fg, SIGHUP);
		group_signal_locked(k, fg, SIGCONT);
	}
	atomic_store(&tty->sid, 0);
	atomic_store(&tty->pgrp, 0);
}

void tty_leader_exit_locked(struct process *p)
{
	if (p->k->vfs && p->pid == atomic_load(&tty_of(p->k)->sid) && p->sid == p->pid)
		drop_session_locked(p->k);
}

/* ---- ioctls ---- */

static long put_id(struct task *t, uint64_t arg, uint32_t id)
{
	return copy_to_guest(task_mm(t), gva(arg), &id, sizeof(id));
}

long tty_get_pgrp(struct task *t, uint64_t arg)
{
	return tty_controls(t->p) ? put_id(t, arg, atomic_load(&tty_of(t->k)->pgrp)) : -ENOTTY;
}

long tty_get_sid(struct task *t, uint64_t arg)
{
	return tty_controls(t->p) ? put_id(t, arg, atomic_load(&tty_of(t->k)->sid)) : -ENOTTY;
}

/* The session of a group, or of the process of that number if it leads none; 0: there is neither.
 */
static uint32_t session_of_locked(struct kernel *k, uint32_t pgid)
{
	struct process *q, *leader = NULL;

	TAILQ_FOREACH (q, &k->processes, all) {
		if (q->pgid == pgid)
			return q->sid;
		if (q->pid == pgid)
			leader = q;
	}
	return leader ? leader->sid : 0;
}

long tty_set_pgrp(struct task *t, uint64_t arg)
{
	struct kernel *k = t->k;
	struct tty *tty = tty_of(k);
	uint32_t sid;
	int32_t pgrp;
	long r = tty_check(t, SIGTTOU);

	if (r < 0)
		return r;
	if (!tty_controls(t->p))
		return -ENOTTY;
	if (copy_from_guest(task_mm(t), &pgrp, gva(arg), sizeof(pgrp)) < 0)
		return -EFAULT;
	if (pgrp < 0)
		return -EINVAL;
	pthread_mutex_lock(&k->tree_lock);
	sid = session_of_locked(k, (uint32_t)pgrp);
	if (!sid) {
		r = -ESRCH;
	} else if (sid != t->p->sid) {
		r = -EPERM;
	} else {
		atomic_store(&tty->pgrp, (uint32_t)pgrp);
		atomic_store(&tty->taken, true);
	}
	pthread_mutex_unlock(&k->tree_lock);
	return r;
}

long tty_take(struct task *t)
{
	struct kernel *k = t->k;
	struct process *p = t->p;
	uint32_t sid;
	long r = 0;

	pthread_mutex_lock(&k->tree_lock);
	sid = atomic_load(&tty_of(k)->sid);
	/* Nobody may steal another session's: that takes CAP_SYS_ADMIN, which the guest has not. */
	if (p->sid != p->pid || (sid && sid != p->sid))
		r = -EPERM;
	else if (!sid)
		set_session_locked(p);
	pthread_mutex_unlock(&k->tree_lock);
	return r;
}

long tty_give_up(struct task *t)
{
	struct kernel *k = t->k;
	struct process *p = t->p;
	long r = 0;

	pthread_mutex_lock(&k->tree_lock);
	if (!tty_controls(p)) {
		r = -ENOTTY;
	} else if (p->sid == p->pid) {
		drop_session_locked(k);
	} else {
		pthread_mutex_lock(&p->lock);
		p->attr.no_ctty = true;
		pthread_mutex_unlock(&p->lock);
	}
	pthread_mutex_unlock(&k->tree_lock);
	return r;
}

/* ---- from the host ---- */

static bool leaves_default_locked(struct process *p, int sig)
{
	bool r;

	pthread_mutex_lock(&p->siglock);
	r = p->sighand && signal_action(p, sig).handler == (uint64_t)(uintptr_t)SIG_DFL;
	pthread_mutex_unlock(&p->siglock);
	return r;
}

bool kernel_signal_terminal(struct kernel *k, int sig)
{
	uint32_t fg = atomic_load(&tty_of(k)->pgrp);
	bool own = false;

	pthread_mutex_lock(&k->tree_lock);
	if (k->init) {
		if (!fg)
			fg = k->init->pgid;
		own = fg == k->init->pgid && leaves_default_locked(k->init, sig);
		/* A hangup concerns the session's leader, too. */
		if (sig == SIGHUP && fg != k->init->pgid)
			group_signal_locked(k, k->init->pgid, sig);
		group_signal_locked(k, fg, sig);
	}
	pthread_mutex_unlock(&k->tree_lock);
	return own;
}

bool kernel_has_job_control(struct kernel *k)
{
	return atomic_load(&tty_of(k)->taken);
}
