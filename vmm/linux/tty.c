/*
 * Terminals and sessions: who has which, and who is stopped for using it from the background. The
 * order of checks is drivers/tty/tty_jobctrl.c's.
 */
#include "process.h"
#include "tty.h"
#include "vfs_inode.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>

void tty_init(struct tty *tty, const struct tty_driver *drv, struct kernel *k, unsigned major,
	      unsigned minor)
{
	tty->drv = drv;
	tty->k = k;
	tty->nr = (minor & 0xff) | major << 8 | (minor & ~0xffU) << 12;
	atomic_init(&tty->refs, 1);
}

struct tty *tty_get(struct tty *tty)
{
	atomic_fetch_add_explicit(&tty->refs, 1, memory_order_relaxed);
	return tty;
}

void tty_put(struct tty *tty)
{
	if (tty && atomic_fetch_sub_explicit(&tty->refs, 1, memory_order_acq_rel) == 1)
		tty->drv->free(tty);
}

/* ---- signals ---- */

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

void tty_signal(struct tty *tty, int sig)
{
	struct kernel *k = tty->k;
	uint32_t fg;

	pthread_mutex_lock(&k->tree_lock);
	fg = atomic_load(&tty->pgrp);
	if (fg)
		group_signal_locked(k, fg, sig);
	pthread_mutex_unlock(&k->tree_lock);
}

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

int tty_check(struct tty *tty, struct task *t, int sig)
{
	struct kernel *k = t->k;
	struct process *p = t->p;
	uint32_t fg;
	int r = 0;

	pthread_mutex_lock(&k->tree_lock);
	fg = atomic_load(&tty->pgrp);
	if (p->ctty == tty && fg && p->pgid != fg) {
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

/* ---- whose terminal ---- */

struct tty *tty_of_process(struct process *p)
{
	struct tty *tty;

	pthread_mutex_lock(&p->k->tree_lock);
	tty = p->ctty ? tty_get(p->ctty) : NULL;
	pthread_mutex_unlock(&p->k->tree_lock);
	return tty;
}

bool tty_controls(struct tty *tty, struct process *p)
{
	bool r;

	pthread_mutex_lock(&p->k->tree_lock);
	r = p->ctty == tty;
	pthread_mutex_unlock(&p->k->tree_lock);
	return r;
}

static void set_locked(struct process *p, struct tty *tty)
{
	struct tty *old = p->ctty;

	p->ctty = tty ? tty_get(tty) : NULL;
	tty_put(old);
}

void tty_forget_locked(struct process *p)
{
	set_locked(p, NULL);
	p->old_fg = 0;
}

void tty_inherit_locked(struct process *p, struct process *creator)
{
	if (creator)
		set_locked(p, creator->ctty);
	else if (p->k->vfs && p->k->vfs->host_tty)
		set_locked(p, p->k->vfs->host_tty);
}

static void take_locked(struct tty *tty, struct process *p)
{
	atomic_store(&tty->sid, p->sid);
	atomic_store(&tty->pgrp, p->pgid);
	set_locked(p, tty);
	p->old_fg = 0;
}

/* Nobody's controlling terminal now. */
static void clear_locked(struct tty *tty)
{
	struct process *q;

	tty_get(tty);
	TAILQ_FOREACH (q, &tty->k->processes, all)
		if (q->ctty == tty)
			set_locked(q, NULL);
	atomic_store(&tty->sid, 0);
	atomic_store(&tty->pgrp, 0);
	tty_put(tty);
}

static bool leads_session(const struct process *p)
{
	return p->sid == p->pid;
}

int tty_open(struct tty *tty, struct vfs_file *f, struct task *t, bool may_take)
{
	unsigned flags = f->f.flags;
	struct process *p = t->p;
	int err;

	if (atomic_load(&tty->exclusive))
		return -EBUSY;
	err = tty->drv->open(tty, f, t);
	/* Who may only write to it must not become its owner. */
	if (err || !may_take || flags & O_NOCTTY || (flags & O_ACCMODE) == O_WRONLY)
		return err;
	pthread_mutex_lock(&p->k->tree_lock);
	if (leads_session(p) && !p->ctty && !atomic_load(&tty->sid))
		take_locked(tty, p);
	pthread_mutex_unlock(&p->k->tree_lock);
	return 0;
}

void tty_give_first(struct tty *tty)
{
	struct kernel *k = tty->k;

	pthread_mutex_lock(&k->tree_lock);
	atomic_store(&tty->sid, PROCESS_ID_INIT);
	atomic_store(&tty->pgrp, PROCESS_ID_INIT);
	if (k->init)
		set_locked(k->init, tty);
	pthread_mutex_unlock(&k->tree_lock);
}

void tty_numbers_locked(const struct process *p, uint32_t *nr, int32_t *pgrp)
{
	*nr = p->ctty ? p->ctty->nr : 0;
	*pgrp = p->ctty ? (int32_t)atomic_load(&p->ctty->pgrp) : -1;
}

/* ---- the end of a terminal, or of its session ---- */

void tty_hangup(struct tty *tty)
{
	struct siginfo_k hup = {.si_signo = SIGHUP, .si_code = SI_KERNEL},
			 cont = {.si_signo = SIGCONT, .si_code = SI_KERNEL};
	struct kernel *k = tty->k;
	struct process *q;

	pthread_mutex_lock(&k->tree_lock);
	TAILQ_FOREACH (q, &k->processes, all) {
		if (q->ctty != tty || !leads_session(q) || q->life != LIFE_RUNNING)
			continue;
		/* What is in the foreground is hung up when the leader ends. */
		q->old_fg = atomic_load(&tty->pgrp);
		signal_send_process(q, SIGHUP, &hup);
		signal_send_process(q, SIGCONT, &cont);
	}
	clear_locked(tty);
	pthread_mutex_unlock(&k->tree_lock);
}

/* The leader gives it up for all. */
static void drop_locked(struct tty *tty, bool cont)
{
	uint32_t fg = atomic_load(&tty->pgrp);

	if (fg) {
		group_signal_locked(tty->k, fg, SIGHUP);
		if (cont)
			group_signal_locked(tty->k, fg, SIGCONT);
	}
	clear_locked(tty);
}

void tty_leader_exit_locked(struct process *p)
{
	if (!leads_session(p))
		return;
	if (p->ctty) {
		drop_locked(p->ctty, p->ctty->is_host);
	} else if (p->old_fg) {
		group_signal_locked(p->k, p->old_fg, SIGHUP);
		group_signal_locked(p->k, p->old_fg, SIGCONT);
	}
}

/* ---- ioctls ---- */

static long put_id(struct task *t, uint64_t arg, uint32_t id)
{
	return copy_to_guest(task_mm(t), gva(arg), &id, sizeof(id));
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

static long set_pgrp(struct tty *tty, struct task *t, uint64_t arg)
{
	struct kernel *k = t->k;
	struct process *p = t->p;
	uint32_t sid;
	int32_t pgrp;
	long r = tty_check(tty, t, SIGTTOU);

	if (r < 0)
		return r == -EIO ? -ENOTTY : r;
	if (copy_from_guest(task_mm(t), &pgrp, gva(arg), sizeof(pgrp)) < 0)
		return -EFAULT;
	if (pgrp < 0)
		return -EINVAL;
	pthread_mutex_lock(&k->tree_lock);
	sid = session_of_locked(k, (uint32_t)pgrp);
	if (p->ctty != tty || atomic_load(&tty->sid) != p->sid) {
		r = -ENOTTY;
	} else if (!sid) {
		r = -ESRCH;
	} else if (sid != p->sid) {
		r = -EPERM;
	} else {
		atomic_store(&tty->pgrp, (uint32_t)pgrp);
		atomic_store(&tty->taken, true);
	}
	pthread_mutex_unlock(&k->tree_lock);
	return r;
}

static long take(struct tty *tty, struct task *t)
{
	struct kernel *k = t->k;
	struct process *p = t->p;
	uint32_t sid;
	long r = 0;

	pthread_mutex_lock(&k->tree_lock);
	sid = atomic_load(&tty->sid);
	/* Nobody may steal another session's: that takes CAP_SYS_ADMIN, which the guest has not. */
	if (!leads_session(p) || (sid != p->sid && (sid || p->ctty)))
		r = -EPERM;
	else if (!sid)
		take_locked(tty, p);
	pthread_mutex_unlock(&k->tree_lock);
	return r;
}

static long give_up(struct tty *tty, struct task *t)
{
	struct kernel *k = t->k;
	struct process *p = t->p;
	long r = 0;

	pthread_mutex_lock(&k->tree_lock);
	if (p->ctty != tty)
		r = -ENOTTY;
	else if (leads_session(p))
		drop_locked(tty, true);
	else
		tty_forget_locked(p);
	pthread_mutex_unlock(&k->tree_lock);
	return r;
}

long tty_job_ioctl(struct tty *tty, bool master, struct task *t, unsigned cmd, uint64_t arg,
		   bool *mine)
{
	*mine = true;
	switch (cmd) {
	case TIOCGPGRP:
		if (!master && !tty_controls(tty, t->p))
			return -ENOTTY;
		return put_id(t, arg, atomic_load(&tty->pgrp));
	case TIOCGSID:
		if ((!master && !tty_controls(tty, t->p)) || !atomic_load(&tty->sid))
			return -ENOTTY;
		return put_id(t, arg, atomic_load(&tty->sid));
	case TIOCSPGRP:
		return set_pgrp(tty, t, arg);
	case TIOCSCTTY:
		return take(tty, t);
	case TIOCNOTTY:
		/* A master is nobody's. */
		return master ? -ENOTTY : give_up(tty, t);
	default:
		*mine = false;
		return -ENOTTY;
	}
}

/* ---- the host's terminal ---- */

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
	struct tty *tty = k->vfs->host_tty;
	bool own = false;
	uint32_t fg;

	pthread_mutex_lock(&k->tree_lock);
	fg = tty ? atomic_load(&tty->pgrp) : 0;
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
	return k->vfs->host_tty && atomic_load(&k->vfs->host_tty->taken);
}
