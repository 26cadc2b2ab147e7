/*
 * System calls that send signals, and the timers that do.
 */
#include "process.h"
#include "syscalls.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

static void info_kill(struct task *t, int sig, int code, struct siginfo_k *info)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = code;
	info->u.rt.pid = (int32_t)t->p->pid;
	info->u.rt.uid = process_uid(t->p);
}

/* tree_lock held. sig 0 only checks. Linux's order: permission comes with the check of the number.
 */
static int send_checked_locked(struct task *t, struct process *p, struct task *to, int sig,
			       const struct siginfo_k *info)
{
	int r;

	if (sig < 0 || sig > NSIG_GUEST)
		return -EINVAL;
	r = signal_check_permission_locked(t->p, p, sig);
	if (r < 0 || !sig)
		return r;
	return to ? signal_send_task(to, sig, info) : signal_send_process(p, sig, info);
}

static struct process *find_locked(struct kernel *k, int pid)
{
	struct process *q;

	TAILQ_FOREACH (q, &k->processes, all)
		if (q->pid == (uint32_t)pid)
			return q;
	return NULL;
}

static int send_one(struct task *t, int pid, int sig, const struct siginfo_k *info)
{
	struct process *p = process_find(t->k, (uint32_t)pid);
	struct task *o;
	int r = -ESRCH;

	pthread_mutex_lock(&t->k->tree_lock);
	if (p && p->life != LIFE_DEAD) {
		r = send_checked_locked(t, p, NULL, sig, info);
	} else if (!p) {
		/* A thread's id names its process, too. */
		o = task_find_locked(t->k, (uint32_t)pid);
		if (o)
			r = send_checked_locked(t, o->p, NULL, sig, info);
	}
	pthread_mutex_unlock(&t->k->tree_lock);
	process_put(p);
	return r;
}

int kill_group_locked(struct task *t, uint32_t pgid, int sig, const struct siginfo_k *info)
{
	struct process *q;
	bool success = false;
	int r = -ESRCH;

	TAILQ_FOREACH (q, &t->k->processes, all) {
		if (q->pgid != pgid)
			continue;
		q->group_signals++;
		r = send_checked_locked(t, q, NULL, sig, info);
		success |= !r;
	}
	return success ? 0 : r;
}

static int send_group(struct task *t, uint32_t pgid, int sig, const struct siginfo_k *info)
{
	int r;

	pthread_mutex_lock(&t->k->tree_lock);
	r = kill_group_locked(t, pgid ? pgid : t->p->pgid, sig, info);
	pthread_mutex_unlock(&t->k->tree_lock);
	return r;
}

/* Everybody but PID 1 and the sender. */
static int send_all(struct task *t, int sig, const struct siginfo_k *info)
{
	struct process *q;
	int r = 0, one;
	bool any = false;

	pthread_mutex_lock(&t->k->tree_lock);
	TAILQ_FOREACH (q, &t->k->processes, all) {
		if (q->pid == PROCESS_ID_INIT || q == t->p)
			continue;
		any = true;
		q->group_signals++;
		one = send_checked_locked(t, q, NULL, sig, info);
		if (one != -EPERM)
			r = one;
	}
	pthread_mutex_unlock(&t->k->tree_lock);
	return any ? r : -ESRCH;
}

long sys_kill(struct task *t, struct call *c)
{
	int pid = (int)c->args[0], sig = (int)c->args[1];
	struct siginfo_k info;

	info_kill(t, sig, SI_USER, &info);
	if (pid > 0)
		return send_one(t, pid, sig, &info);
	if (pid == INT_MIN)
		return -ESRCH;
	if (pid == -1)
		return send_all(t, sig, &info);
	return send_group(t, (uint32_t)-pid, sig, &info);
}

static struct task *find_task_locked(struct process *p, int tid)
{
	struct task *o;

	TAILQ_FOREACH (o, &p->tasks, thread)
		if (o->tid == (uint32_t)tid)
			return o;
	return NULL;
}

/* tgid 0: whatever process tid belongs to. */
static int send_thread(struct task *t, int tgid, int tid, int sig, const struct siginfo_k *info)
{
	struct kernel *k = t->k;
	struct task *to = NULL;
	struct process *q;
	int r = -ESRCH;

	pthread_mutex_lock(&k->tree_lock);
	q = find_locked(k, tgid ? tgid : tid);
	if (q) {
		to = find_task_locked(q, tid);
	} else if (!tgid) {
		TAILQ_FOREACH (q, &k->processes, all)
			if ((to = find_task_locked(q, tid)))
				break;
	}
	if (to)
		r = send_checked_locked(t, to->p, to, sig, info);
	else if (q &&
		 q->pid == (uint32_t)tid) /* it has ended: it can be sent to, and nothing happens */
		r = sig < 0 || sig > NSIG_GUEST ? -EINVAL
						: signal_check_permission_locked(t->p, q, sig);
	pthread_mutex_unlock(&k->tree_lock);
	return r;
}

long sys_tkill(struct task *t, struct call *c)
{
	int tid = (int)c->args[0], sig = (int)c->args[1];
	struct siginfo_k info;

	if (tid <= 0)
		return -EINVAL;
	info_kill(t, sig, SI_TKILL, &info);
	return send_thread(t, 0, tid, sig, &info);
}

long sys_tgkill(struct task *t, struct call *c)
{
	int tgid = (int)c->args[0], tid = (int)c->args[1], sig = (int)c->args[2];
	struct siginfo_k info;

	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	info_kill(t, sig, SI_TKILL, &info);
	return send_thread(t, tgid, tid, sig, &info);
}

/* Nobody but oneself may pretend that the kernel or kill(2) sent it. */
static int copy_info(struct task *t, uint64_t addr, int pid, int sig, struct siginfo_k *info)
{
	if (copy_from_guest(t->p->mm, info, gva(addr), sizeof(*info)) < 0)
		return -EFAULT;
	info->si_signo = sig;
	if ((info->si_code >= 0 || info->si_code == SI_TKILL) && (uint32_t)pid != t->p->pid)
		return -EPERM;
	return 0;
}

long sys_rt_sigqueueinfo(struct task *t, struct call *c)
{
	int pid = (int)c->args[0], sig = (int)c->args[1];
	struct siginfo_k info;
	int r = copy_info(t, c->args[2], pid, sig, &info);

	if (r < 0)
		return r;
	return pid > 0 ? send_one(t, pid, sig, &info) : -ESRCH;
}

long sys_rt_tgsigqueueinfo(struct task *t, struct call *c)
{
	int tgid = (int)c->args[0], tid = (int)c->args[1], sig = (int)c->args[2];
	struct siginfo_k info;
	int r = copy_info(t, c->args[3], tgid, sig, &info);

	if (r < 0 && r == -EFAULT)
		return r;
	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	if (r < 0)
		return r;
	return send_thread(t, tgid, tid, sig, &info);
}

/* ---- interval timers ---- */

struct itimer_abi {
	int64_t interval_sec, interval_usec, value_sec, value_usec;
};

static bool timeval_ok(int64_t sec, int64_t usec)
{
	return sec >= 0 && usec >= 0 && usec < 1000000;
}

/* ns; what does not fit is as good as never. */
static int64_t timeval_ns(int64_t sec, int64_t usec)
{
	if (sec >= INT64_MAX / 2000000000)
		return INT64_MAX / 2;
	return sec * 1000000000 + usec * 1000;
}

/* The time left (0: off) and the period; sets new ones if set. */
static void itimer_exchange(struct process *p, bool set, int64_t value, int64_t interval,
			    int64_t *old_value, int64_t *old_interval)
{
	int64_t now = core_now();

	pthread_mutex_lock(&p->siglock);
	*old_value = 0;
	*old_interval = p->itimer_interval;
	if (p->itimer_deadline != TIME_NEVER)
		*old_value = p->itimer_deadline > now ? p->itimer_deadline - now : 1000;
	if (set) {
		p->itimer_interval = interval;
		p->itimer_deadline = value ? time_add_ever(now, value) : TIME_NEVER;
		/* An old deadline that fires finds out that it is not due. */
		if (value)
			timer_arm(&p->itimer, p->itimer_deadline);
	}
	pthread_mutex_unlock(&p->siglock);
}

static void itimer_pack(int64_t value, int64_t interval, struct itimer_abi *abi)
{
	abi->interval_sec = interval / 1000000000;
	abi->interval_usec = interval % 1000000000 / 1000;
	abi->value_sec = value / 1000000000;
	abi->value_usec = value % 1000000000 / 1000;
}

/* -EINVAL: no such timer. */
static int exchange(struct process *p, int which, bool set, int64_t value, int64_t interval,
		    int64_t *old_value, int64_t *old_interval)
{
	switch (which) {
	case ITIMER_REAL:
		itimer_exchange(p, set, value, interval, old_value, old_interval);
		return 0;
	case ITIMER_VIRTUAL:
	case ITIMER_PROF:
		cpu_itimer_exchange(p, which - ITIMER_VIRTUAL, set, value, interval, old_value,
				    old_interval);
		return 0;
	default:
		return -EINVAL;
	}
}

long sys_getitimer(struct task *t, struct call *c)
{
	struct itimer_abi abi;
	int64_t value, interval;
	int r = exchange(t->p, (int)c->args[0], false, 0, 0, &value, &interval);

	if (r < 0)
		return r;
	itimer_pack(value, interval, &abi);
	return copy_to_guest(t->p->mm, gva(c->args[1]), &abi, sizeof(abi));
}

long sys_setitimer(struct task *t, struct call *c)
{
	struct itimer_abi abi = {0};
	int64_t value, interval;
	int r;

	if (c->args[1] && copy_from_guest(t->p->mm, &abi, gva(c->args[1]), sizeof(abi)) < 0)
		return -EFAULT;
	if (!timeval_ok(abi.value_sec, abi.value_usec) ||
	    !timeval_ok(abi.interval_sec, abi.interval_usec))
		return -EINVAL;
	r = exchange(t->p, (int)c->args[0], true, timeval_ns(abi.value_sec, abi.value_usec),
		     timeval_ns(abi.interval_sec, abi.interval_usec), &value, &interval);
	if (r < 0 || !c->args[2])
		return r;
	itimer_pack(value, interval, &abi);
	return copy_to_guest(t->p->mm, gva(c->args[2]), &abi, sizeof(abi));
}

/* The seconds that were left, rounded to the nearest, but never 0 while it runs. */
long sys_alarm(struct task *t, struct call *c)
{
	int64_t value, interval, sec;

	itimer_exchange(t->p, true, timeval_ns((uint32_t)c->args[0], 0), 0, &value, &interval);
	sec = value / 1000000000;
	if (value % 1000000000 >= 500000000 || (!sec && value))
		sec++;
	return sec;
}
