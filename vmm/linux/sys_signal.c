/*
 * System calls on signals: actions, masks, waiting, the alternate stack.
 */
#include "process.h"
#include "syscalls.h"

#include <signal.h>
#include <string.h>

#define SA_RESTORER_K       0x04000000ULL
#define SA_EXPOSE_TAGBITS_K 0x00000800ULL
/* Linux clears the flags that it does not know, so that programs can find out. */
#define SA_KNOWN                                                                                   \
	((uint64_t)(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART |           \
		    SA_NODEFER) |                                                                  \
	 0x80000000ULL | SA_RESTORER_K | SA_EXPOSE_TAGBITS_K)

#define SS_ONSTACK_K    1
#define SS_DISABLE_K    2
#define SS_AUTODISARM_K (1u << 31)

#define SIGSET_SIZE 8

/* ---- actions ---- */

/* What is ignored from now on must not be pending either. */
static void drop_ignored(struct process *p, int sig, const struct sigaction_k *act)
{
	struct task *o;

	if (act->handler > 1 || (act->handler == 0 && !(SIGMASK(sig) & SIGMASK_IGNORE)))
		return;
	sigqueue_remove(&p->pending, SIGMASK(sig));
	TAILQ_FOREACH (o, &p->tasks, thread)
		sigqueue_remove(&o->pending, SIGMASK(sig));
}

long sys_rt_sigaction(struct task *t, struct call *c)
{
	int sig = (int)c->args[0];
	struct sigaction_k act, old;
	struct process *p = t->p;
	bool set = c->args[1] != 0;

	if (c->args[3] != SIGSET_SIZE)
		return -EINVAL;
	if (set && copy_from_guest(p->mm, &act, gva(c->args[1]), sizeof(act)) < 0)
		return -EFAULT;
	if (sig < 1 || sig > NSIG_GUEST || (set && SIGMASK(sig) & SIGMASK_KERNEL_ONLY))
		return -EINVAL;
	pthread_mutex_lock(&p->siglock);
	pthread_mutex_lock(&p->sighand->lock);
	old = p->sighand->action[sig - 1];
	if (set) {
		act.flags &= SA_KNOWN;
		act.mask &= ~SIGMASK_KERNEL_ONLY;
		p->sighand->action[sig - 1] = act;
	}
	pthread_mutex_unlock(&p->sighand->lock);
	if (set) {
		drop_ignored(p, sig, &act);
		signal_recalc_locked(t);
	}
	pthread_mutex_unlock(&p->siglock);
	if (c->args[2] && copy_to_guest(p->mm, gva(c->args[2]), &old, sizeof(old)) < 0)
		return -EFAULT;
	return 0;
}

/* ---- masks ---- */

long sys_rt_sigprocmask(struct task *t, struct call *c)
{
	uint64_t old = t->blocked, set;

	if (c->args[3] != SIGSET_SIZE)
		return -EINVAL;
	if (c->args[1]) {
		if (copy_from_guest(t->p->mm, &set, gva(c->args[1]), sizeof(set)) < 0)
			return -EFAULT;
		switch ((int)c->args[0]) {
		case SIG_BLOCK:
			set |= old;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		signal_set_mask(t, set);
	}
	if (c->args[2] && copy_to_guest(t->p->mm, gva(c->args[2]), &old, sizeof(old)) < 0)
		return -EFAULT;
	return 0;
}

long sys_rt_sigpending(struct task *t, struct call *c)
{
	uint64_t set;

	if (c->args[1] > SIGSET_SIZE)
		return -EINVAL;
	pthread_mutex_lock(&t->p->siglock);
	set = (t->pending.mask | t->p->pending.mask) & t->blocked;
	pthread_mutex_unlock(&t->p->siglock);
	return copy_to_guest(t->p->mm, gva(c->args[0]), &set, c->args[1]);
}

/* ---- waiting ---- */

long sys_pause(struct task *t, struct call *c)
{
	(void)c;
	return signal_pending(t) ? -ERESTARTNOHAND : -EBLOCKED;
}

long sys_rt_sigsuspend(struct task *t, struct call *c)
{
	uint64_t set;

	if (!c->rerun) {
		if (c->args[1] != SIGSET_SIZE)
			return -EINVAL;
		if (copy_from_guest(t->p->mm, &set, gva(c->args[0]), sizeof(set)) < 0)
			return -EFAULT;
		t->saved_mask = t->blocked;
		t->saved_mask_valid = true;
		signal_set_mask(t, set);
	}
	return signal_pending(t) ? -ERESTARTNOHAND : -EBLOCKED;
}

static int sigtimedwait_begin(struct task *t, struct call *c)
{
	struct {
		int64_t sec, nsec;
	} ts;
	uint64_t set;

	if (c->args[3] != SIGSET_SIZE)
		return -EINVAL;
	if (copy_from_guest(t->p->mm, &set, gva(c->args[0]), sizeof(set)) < 0)
		return -EFAULT;
	c->progress = set & ~SIGMASK_KERNEL_ONLY;
	if (!c->args[2])
		return 0;
	if (copy_from_guest(t->p->mm, &ts, gva(c->args[2]), sizeof(ts)) < 0)
		return -EFAULT;
	if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= 1000000000)
		return -EINVAL;
	if (ts.sec < INT64_MAX / 1000000000 / 2)
		call_set_deadline(t, c, time_add(core_now(), ts.sec * 1000000000 + ts.nsec));
	return 0;
}

/* c->progress: the signals waited for. */
long sys_rt_sigtimedwait(struct task *t, struct call *c)
{
	struct siginfo_k info;
	int r;

	if (!c->rerun) {
		r = sigtimedwait_begin(t, c);
		if (r < 0)
			return r;
		signal_set_wait(t, c->progress);
	}
	r = signal_take(t, c->progress, &info);
	if (!r && !c->interrupted && !call_timed_out(t, c))
		return -EBLOCKED;
	signal_set_wait(t, 0);
	if (!r)
		return call_timed_out(t, c) ? -EAGAIN : -EINTR;
	if (c->args[1] && copy_to_guest(t->p->mm, gva(c->args[1]), &info, sizeof(info)) < 0)
		return -EFAULT;
	return r;
}

/* ---- frames ---- */

long sys_rt_sigreturn(struct task *t, struct call *c)
{
	struct siginfo_k info = {.si_signo = SIGSEGV, .si_code = SI_KERNEL};

	(void)c;
	/* Whatever happens, the registers are not those of a call that may be restarted. */
	t->keep_regs = true;
	if (arch_signal_return(t) < 0) {
		signal_force(t, SIGSEGV, &info);
		return 0;
	}
	return 0;
}

bool altstack_contains(const struct task *t, uint64_t sp)
{
	return sp > t->altstack.sp && sp - t->altstack.sp <= t->altstack.size;
}

/* With SS_AUTODISARM the stack is never "in use": it is taken away while a handler runs on it. */
static bool altstack_in_use(const struct task *t, uint64_t sp)
{
	return !((unsigned)t->altstack.flags & SS_AUTODISARM_K) && altstack_contains(t, sp);
}

int altstack_state(const struct task *t, uint64_t sp)
{
	if (!t->altstack.size)
		return SS_DISABLE_K;
	return altstack_in_use(t, sp) ? SS_ONSTACK_K : 0;
}

int altstack_set(struct task *t, uint64_t sp, int flags, uint64_t size, uint64_t cur_sp)
{
	unsigned mode = (unsigned)flags & ~SS_AUTODISARM_K;

	if (altstack_in_use(t, cur_sp))
		return -EPERM;
	if (mode != SS_DISABLE_K && mode != SS_ONSTACK_K && mode != 0)
		return -EINVAL;
	if (t->altstack.sp == sp && t->altstack.size == size && t->altstack.flags == flags)
		return 0;
	if (mode == SS_DISABLE_K)
		sp = size = 0;
	else if (size < arch_minsigstksz)
		return -ENOMEM;
	t->altstack.sp = sp;
	t->altstack.size = size;
	t->altstack.flags = flags;
	return 0;
}

/* stack_t of 64-bit machines. */
struct stack_abi {
	uint64_t sp;
	int32_t flags, pad;
	uint64_t size;
};

long sys_sigaltstack(struct task *t, struct call *c)
{
	uint64_t cur_sp = arch_sp(&t->cpu.regs);
	struct stack_abi new, old;
	int r;

	if (c->args[0] && copy_from_guest(t->p->mm, &new, gva(c->args[0]), sizeof(new)) < 0)
		return -EFAULT;
	memset(&old, 0, sizeof(old));
	old.sp = t->altstack.sp;
	old.size = t->altstack.size;
	old.flags = (int32_t)((unsigned)altstack_state(t, cur_sp) |
			      ((unsigned)t->altstack.flags & SS_AUTODISARM_K));
	if (c->args[0]) {
		r = altstack_set(t, new.sp, new.flags, new.size, cur_sp);
		if (r < 0)
			return r;
	}
	if (c->args[1] && copy_to_guest(t->p->mm, gva(c->args[1]), &old, sizeof(old)) < 0)
		return -EFAULT;
	return 0;
}
