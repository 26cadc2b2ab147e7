/*
 * Sending and delivering signals.
 *
 * A sender, with siglock held, queues the signal and picks a task that wants it: sets its `notify`
 * and interrupts it. The task's owner looks at `notify` whenever it is about to run it in the guest
 * or to block it, and takes signals in signal_deliver().
 *
 *   sender                              owner
 *   queue; t->notify = true             sched_prepare: woken = false
 *   sched_interrupt: woken = true,      signal_pending? -> the handler runs interrupted
 *     or a kick if it runs              sched_block: refused if woken
 *
 * so that a signal is seen before the block, or refuses it, or wakes the blocked task.
 */
#include "process.h"
#include "robust_unlock.h"
#include "trace.h"

#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define HANDLER_DFL 0
#define HANDLER_IGN 1
/* sigaltstack: not in every libc's headers. */
#define SS_AUTODISARM_K (1u << 31)

_Thread_local struct task *task_current;

/* ---- actions ---- */

struct sighand *sighand_create(void)
{
	struct sighand *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	atomic_init(&h->refs, 1);
	pthread_mutex_init(&h->lock, NULL);
	return h;
}

struct sighand *sighand_get(struct sighand *h)
{
	atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
	return h;
}

void sighand_put(struct sighand *h)
{
	if (!h || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_destroy(&h->lock);
	free(h);
}

struct sighand *sighand_clone(struct sighand *h)
{
	struct sighand *n = sighand_create();

	if (!n)
		return NULL;
	pthread_mutex_lock(&h->lock);
	memcpy(n->action, h->action, sizeof(n->action));
	pthread_mutex_unlock(&h->lock);
	return n;
}

void sighand_reset(struct sighand *h)
{
	pthread_mutex_lock(&h->lock);
	for (int i = 0; i < NSIG_GUEST; i++) {
		bool ignored = h->action[i].handler == HANDLER_IGN;

		memset(&h->action[i], 0, sizeof(h->action[i]));
		if (ignored)
			h->action[i].handler = HANDLER_IGN;
	}
	pthread_mutex_unlock(&h->lock);
}

struct sigaction_k signal_action(struct process *p, int sig)
{
	struct sigaction_k act;

	pthread_mutex_lock(&p->sighand->lock);
	act = p->sighand->action[sig - 1];
	pthread_mutex_unlock(&p->sighand->lock);
	return act;
}

static bool action_ignores(const struct sigaction_k *act, int sig)
{
	return act->handler == HANDLER_IGN ||
	       (act->handler == HANDLER_DFL && SIGMASK(sig) & SIGMASK_IGNORE);
}

/* ---- sending ---- */

void signal_recalc_locked(struct task *t)
{
	struct process *p = t->p;
	uint64_t pending = (t->pending.mask | p->pending.mask) & ~t->blocked;

	atomic_store(&t->notify, pending || signal_doomed_locked(t) || p->cld_notify ||
					 (p->stopping && !t->stopped));
}

bool signal_doomed_locked(const struct task *t)
{
	const struct process *p = t->p;

	return p->group_exit || (p->exec_task && p->exec_task != t);
}

bool signal_doomed(struct task *t)
{
	bool doomed;

	pthread_mutex_lock(&t->p->siglock);
	doomed = signal_doomed_locked(t);
	pthread_mutex_unlock(&t->p->siglock);
	return doomed;
}

void signal_notify_locked(struct task *t)
{
	atomic_store(&t->notify, true);
	/* Who is in its own handler needs no kick. */
	if (t == task_current)
		sched_wake(&t->st);
	else
		sched_interrupt(&t->st);
}

void signal_kill_locked(struct process *p, int wait_status)
{
	struct task *t;

	if (p->group_exit || !p->ntasks)
		return;
	p->group_exit = true;
	p->group_exit_status = wait_status;
	TAILQ_FOREACH (t, &p->tasks, thread)
		signal_notify_locked(t);
}

/* SIGCONT: even if it is blocked or ignored, a stopped process goes on. */
static void stop_end_locked(struct process *p)
{
	struct task *t;

	p->stop_dequeued = false;
	if (!p->stopping)
		return;
	if (p->stopped) {
		p->cont_pending = true;
		p->cld_notify = CLD_CONTINUED;
	}
	p->stopping = p->stopped = false;
	p->nstopped = 0;
	TAILQ_FOREACH (t, &p->tasks, thread) {
		t->stopped = false;
		signal_notify_locked(t);
	}
}

/* Stop signals and SIGCONT cancel each other when they are sent, not when they are taken. */
static void send_side_effects_locked(struct process *p, int sig)
{
	uint64_t cancelled = 0;
	struct task *t;

	if (sig == SIGCONT)
		cancelled = SIGMASK_STOP;
	else if (SIGMASK(sig) & SIGMASK_STOP)
		cancelled = SIGMASK(SIGCONT);
	else
		return;
	sigqueue_remove(&p->pending, cancelled);
	TAILQ_FOREACH (t, &p->tasks, thread)
		sigqueue_remove(&t->pending, cancelled);
	if (sig == SIGCONT)
		stop_end_locked(p);
}

/* A blocked signal may get a handler before it is unblocked, so it is kept. */
static bool send_ignored_locked(struct process *p, const struct task *t, int sig)
{
	struct sigaction_k act;

	if (!t)
		t = TAILQ_FIRST(&p->tasks);
	if (t->blocked & SIGMASK(sig))
		return false;
	act = signal_action(p, sig);
	return action_ignores(&act, sig);
}

static bool task_wants_locked(const struct task *t, int sig)
{
	return !t->dead && !signal_doomed_locked(t) &&
	       (!(t->blocked & SIGMASK(sig)) || t->sigwait & SIGMASK(sig));
}

static void send_wake_locked(struct process *p, struct task *t, int sig)
{
	if (!t) {
		TAILQ_FOREACH (t, &p->tasks, thread)
			if (task_wants_locked(t, sig))
				break;
	}
	if (!t || !task_wants_locked(t, sig))
		return;
	if (t->blocked & SIGMASK(sig))
		sched_wake(&t->st); /* only rt_sigtimedwait is interested */
	else
		signal_notify_locked(t);
}

int signal_send_locked(struct process *p, struct task *t, int sig, const struct siginfo_k *info)
{
	int r;

	if (p->group_exit || !p->ntasks || !p->sighand)
		return 0;
	if (sig == SIGKILL) {
		signal_kill_locked(p, SIGKILL);
		return 0;
	}
	send_side_effects_locked(p, sig);
	if (send_ignored_locked(p, t, sig))
		return 0;
	r = sigqueue_add(p->k, p, t ? &t->pending : &p->pending, sig, info);
	if (r == 0) {
		send_wake_locked(p, t, sig);
		waitq_wake_all(&p->signal_wait);
	}
	return r;
}

bool signal_send_entry_locked(struct process *p, struct task *t, struct sigqueue_entry *e,
			      const struct siginfo_k *info)
{
	int sig = info->si_signo;

	if (p->group_exit || !p->ntasks || !p->sighand)
		return true;
	if (sig == SIGKILL) {
		signal_kill_locked(p, SIGKILL);
		return true;
	}
	send_side_effects_locked(p, sig);
	if (send_ignored_locked(p, t, sig))
		return false;
	sigqueue_add_entry(t ? &t->pending : &p->pending, e, info);
	send_wake_locked(p, t, sig);
	waitq_wake_all(&p->signal_wait);
	return true;
}

int signal_send_process(struct process *p, int sig, const struct siginfo_k *info)
{
	int r;

	pthread_mutex_lock(&p->siglock);
	r = signal_send_locked(p, NULL, sig, info);
	pthread_mutex_unlock(&p->siglock);
	return r;
}

int signal_send_task(struct task *t, int sig, const struct siginfo_k *info)
{
	int r;

	pthread_mutex_lock(&t->p->siglock);
	r = signal_send_locked(t->p, t, sig, info);
	pthread_mutex_unlock(&t->p->siglock);
	return r;
}

void signal_force(struct task *t, int sig, const struct siginfo_k *info)
{
	struct process *p = t->p;
	struct sigaction_k *act;

	pthread_mutex_lock(&p->siglock);
	pthread_mutex_lock(&p->sighand->lock);
	act = &p->sighand->action[sig - 1];
	if (act->handler == HANDLER_IGN || t->blocked & SIGMASK(sig))
		act->handler = HANDLER_DFL;
	pthread_mutex_unlock(&p->sighand->lock);
	t->blocked &= ~SIGMASK(sig);
	signal_send_locked(p, t, sig, info);
	signal_recalc_locked(t);
	pthread_mutex_unlock(&p->siglock);
}

void signal_force_segv(struct task *t, int sig)
{
	struct siginfo_k info = {.si_signo = SIGSEGV, .si_code = SI_KERNEL};

	if (sig == SIGSEGV)
		process_kill(t->p, SIGSEGV);
	else
		signal_force(t, SIGSEGV, &info);
}

/* ---- the owner's side ---- */

void signal_retarget_locked(struct task *t, uint64_t mask)
{
	struct process *p = t->p;
	struct task *o;

	mask &= p->pending.mask;
	TAILQ_FOREACH (o, &p->tasks, thread) {
		if (!mask)
			break;
		if (o == t || o->dead || !(mask & ~o->blocked))
			continue;
		signal_notify_locked(o);
		mask &= o->blocked;
	}
}

/* fs/signal.c's sig_fatal(), but for those that dump core. */
#define SIGMASK_CORE                                                                               \
	(SIGMASK(SIGQUIT) | SIGMASK(SIGILL) | SIGMASK(SIGTRAP) | SIGMASK(SIGABRT) |                \
	 SIGMASK(SIGFPE) | SIGMASK(SIGSEGV) | SIGMASK(SIGBUS) | SIGMASK(SIGSYS) |                  \
	 SIGMASK(SIGXCPU) | SIGMASK(SIGXFSZ))

bool signal_dooms(struct task *t)
{
	struct process *p = t->p;
	uint64_t fatal;
	bool doomed;

	pthread_mutex_lock(&p->siglock);
	doomed = signal_doomed_locked(t);
	fatal = (t->pending.mask | p->pending.mask) & ~t->blocked &
		~(SIGMASK_IGNORE | SIGMASK_STOP | SIGMASK_CORE);
	for (int sig = 1; sig <= NSIG_GUEST && !doomed; sig++) {
		if (!(fatal & SIGMASK(sig)) || signal_action(p, sig).handler != HANDLER_DFL)
			continue;
		signal_kill_locked(p, sig);
		doomed = true;
	}
	pthread_mutex_unlock(&p->siglock);
	return doomed;
}

bool signal_pending(struct task *t)
{
	return t->dead || atomic_load(&t->notify);
}

bool signal_still_pending(struct task *t)
{
	if (t->dead || !atomic_load(&t->notify))
		return t->dead;
	pthread_mutex_lock(&t->p->siglock);
	signal_recalc_locked(t);
	pthread_mutex_unlock(&t->p->siglock);
	return atomic_load(&t->notify);
}

void signal_set_mask(struct task *t, uint64_t mask)
{
	struct process *p = t->p;
	uint64_t blocked;

	mask &= ~SIGMASK_KERNEL_ONLY;
	pthread_mutex_lock(&p->siglock);
	blocked = mask & ~t->blocked & p->pending.mask;
	t->blocked = mask;
	signal_recalc_locked(t);
	/* What this task was to take and now blocks, another one may take. */
	signal_retarget_locked(t, blocked);
	pthread_mutex_unlock(&p->siglock);
}

int signal_take(struct task *t, uint64_t these, struct siginfo_k *info)
{
	struct process *p = t->p;
	int sig;

	pthread_mutex_lock(&p->siglock);
	sig = sigqueue_take(&t->pending, these, info);
	if (!sig)
		sig = sigqueue_take(&p->pending, these, info);
	signal_recalc_locked(t);
	pthread_mutex_unlock(&p->siglock);
	return sig;
}

void signal_set_wait(struct task *t, uint64_t these)
{
	pthread_mutex_lock(&t->p->siglock);
	t->sigwait = these;
	pthread_mutex_unlock(&t->p->siglock);
}

bool signal_still_stopped(struct task *t)
{
	struct process *p = t->p;
	bool stopped;

	pthread_mutex_lock(&p->siglock);
	stopped = t->stopped && p->stopping && !signal_doomed_locked(t);
	if (!stopped && t->stopped) {
		/* Killed: it leaves the stop, and nobody is told that it continues. */
		t->stopped = false;
		p->nstopped--;
	}
	signal_recalc_locked(t);
	pthread_mutex_unlock(&p->siglock);
	return stopped;
}

bool signal_stop_complete_locked(struct process *p)
{
	if (!p->stopping || p->stopped || p->nstopped < p->ntasks)
		return false;
	p->stopped = true;
	p->stop_reported = false;
	p->cont_pending = false;
	return true;
}

/* Drops siglock. */
static void stop_join(struct task *t)
{
	struct process *p = t->p;
	bool complete;

	t->stopped = true;
	p->nstopped++;
	complete = signal_stop_complete_locked(p);
	signal_recalc_locked(t);
	pthread_mutex_unlock(&p->siglock);
	if (complete)
		process_notify_stop(p, CLD_STOPPED);
}

/*
 * The default action of a stop signal. siglock is not held, and SIGCONT may come in between:
 * stop_dequeued tells.
 */
static void stop_begin(struct task *t, int sig)
{
	struct process *p = t->p;
	struct task *o;
	bool orphaned = false;

	if (sig != SIGSTOP) {
		pthread_mutex_lock(&p->k->tree_lock);
		orphaned = group_orphaned_locked(p->k, p->pgid, p->sid, NULL);
		pthread_mutex_unlock(&p->k->tree_lock);
	}
	pthread_mutex_lock(&p->siglock);
	if (!orphaned && p->stop_dequeued && !p->group_exit && !p->exec_task) {
		p->stopping = true;
		p->stop_signal = sig;
		p->stop_dequeued = false;
		TAILQ_FOREACH (o, &p->tasks, thread)
			if (o != t)
				signal_notify_locked(o);
	}
	pthread_mutex_unlock(&p->siglock);
}

/* A system call ended with -ERESTART*: act is the handler that runs first, or NULL. */
static void restart_resolve(struct task *t, const struct sigaction_k *act)
{
	struct uregs *r = &t->cpu.regs;
	long result = t->result;

	t->restart = false;
	if (act) {
		if (result == -ERESTARTNOHAND || result == -ERESTART_RESTARTBLOCK ||
		    (result == -ERESTARTSYS && !(act->flags & SA_RESTART))) {
			arch_syscall_result(r, -EINTR);
			free(t->restart_call);
			t->restart_call = NULL;
			return;
		}
	}
	arch_syscall_restart(r,
			     result == -ERESTART_RESTARTBLOCK ? SYS_restart_syscall : t->trap_nr);
}

/* Builds the handler's frame; if that cannot be done, SIGSEGV. */
static void handler_run(struct task *t, int sig, const struct siginfo_k *info,
			const struct sigaction_k *act)
{
	uint64_t saved = t->saved_mask_valid ? t->saved_mask : t->blocked;

	if (t->restart)
		restart_resolve(t, act);
	rseq_signal(t);
	if (arch_signal_frame(t, sig, info, act, saved) < 0) {
		signal_force_segv(t, sig);
		return;
	}
	t->saved_mask_valid = false;
	if ((unsigned)t->altstack.flags & SS_AUTODISARM_K)
		t->altstack = (struct stack_t_guest){.flags = SS_DISABLE};
	signal_set_mask(t, t->blocked | act->mask | (act->flags & SA_NODEFER ? 0 : SIGMASK(sig)));
}

/* Takes the next signal for t and its action. 0: none; then t->notify is right. siglock held. */
static int take_locked(struct task *t, struct siginfo_k *info, struct sigaction_k *act)
{
	struct process *p = t->p;
	struct sighand *h = p->sighand;
	int sig = sigqueue_take(&t->pending, ~t->blocked, info);

	if (!sig)
		sig = sigqueue_take(&p->pending, ~t->blocked, info);
	if (!sig) {
		signal_recalc_locked(t);
		return 0;
	}
	if (SIGMASK(sig) & SIGMASK_STOP)
		p->stop_dequeued = true;
	pthread_mutex_lock(&h->lock);
	*act = h->action[sig - 1];
	if (act->handler > HANDLER_IGN && act->flags & SA_RESETHAND)
		h->action[sig - 1].handler = HANDLER_DFL;
	pthread_mutex_unlock(&h->lock);
	return sig;
}

/* One signal. */
static void deliver_one(struct task *t, int sig, const struct siginfo_k *info,
			const struct sigaction_k *act)
{
	if (act->handler == HANDLER_IGN)
		return;
	trace_signal(t, sig, info);
	if (act->handler != HANDLER_DFL) {
		handler_run(t, sig, info, act);
		return;
	}
	if (SIGMASK(sig) & SIGMASK_IGNORE)
		return;
	if (SIGMASK(sig) & SIGMASK_STOP)
		stop_begin(t, sig);
	else
		process_kill(t->p, sig);
}

/* What comes before signals: death, a notification that is due, a stop. Drops siglock if it returns
 * true. */
static bool deliver_group_locked(struct task *t, enum signal_next *next)
{
	struct process *p = t->p;
	int why = p->cld_notify;

	if (signal_doomed_locked(t) || t->dead) {
		pthread_mutex_unlock(&p->siglock);
		*next = SIGNAL_DEAD;
		return true;
	}
	if (why) {
		p->cld_notify = 0;
		pthread_mutex_unlock(&p->siglock);
		process_notify_stop(p, why);
		*next = SIGNAL_RUN;
		return true;
	}
	if (p->stopping) {
		stop_join(t);
		*next = SIGNAL_STOPPED;
		return true;
	}
	return false;
}

enum signal_next signal_deliver(struct task *t, bool in_call, long result)
{
	struct process *p = t->p;
	struct sigaction_k act;
	struct siginfo_k info;
	enum signal_next next;
	int sig;

	robust_unlock_signal(t);
	if (in_call) {
		t->restart = true;
		t->result = result;
	}
	for (;;) {
		pthread_mutex_lock(&p->siglock);
		if (deliver_group_locked(t, &next)) {
			if (next != SIGNAL_RUN)
				return next;
			continue;
		}
		sig = take_locked(t, &info, &act);
		pthread_mutex_unlock(&p->siglock);
		if (sig) {
			deliver_one(t, sig, &info, &act);
			continue;
		}
		if (t->restart)
			restart_resolve(t, NULL);
		if (!t->saved_mask_valid)
			return SIGNAL_RUN;
		/* The old mask may let more in. */
		t->saved_mask_valid = false;
		signal_set_mask(t, t->saved_mask);
	}
}

int signal_check_permission_locked(struct process *by, struct process *p, int sig)
{
	struct cred c, o;

	if (by == p)
		return 0;
	process_cred(by, &c);
	process_cred(p, &o);
	if (cred_capable(&c, CAP_KILL))
		return 0;
	if (c.euid == o.suid || c.euid == o.uid || c.uid == o.suid || c.uid == o.uid)
		return 0;
	if (sig == SIGCONT && by->sid == p->sid)
		return 0;
	return -EPERM;
}

void kernel_signal_init(struct kernel *k, int sig)
{
	struct siginfo_k info = {.si_signo = sig, .si_code = SI_USER};

	pthread_mutex_lock(&k->tree_lock);
	if (k->init)
		signal_send_process(k->init, sig, &info);
	pthread_mutex_unlock(&k->tree_lock);
}
