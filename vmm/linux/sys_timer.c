/*
 * timer_create, timer_settime, timer_gettime, timer_getoverrun, timer_delete.
 *
 * Clocks are CLOCK_REALTIME, MONOTONIC, BOOTTIME and TAI; an absolute time is turned into the
 * host's monotonic one when it is set, and one of CLOCK_REALTIME again when that clock is. And the
 * clocks of CPU time of processes and of one's own threads, where all times are CPU time and the
 * host's timer only says when to look. Another process's is sampled before the siglock is taken,
 * so that never two are held. Clocks without timers are EOPNOTSUPP. timer_create(2),
 * timer_settime(2), and kernel/time/posix-timers.c of Linux 6.12 for what these leave open.
 */
#include "posix_timer.h"
#include "wall.h"
#include "cpu_timer.h"
#include "process.h"
#include "sys.h"
#include "syscalls.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#ifndef CLOCK_TAI
#define CLOCK_TAI 11
#endif
#define TIMER_ABSTIME_K 1
/* sigev_notify */
#define NOTIFY_SIGNAL    0
#define NOTIFY_NONE      1
#define NOTIFY_THREAD    2 /* the C library's business; the kernel sends a signal */
#define NOTIFY_THREAD_ID 4
#define SI_TIMER_K       (-2)
/* Ignored signals of shorter periods than this do not keep the reactor busy. */
#define IGNORED_MIN_NS 4000000

struct posix_timer {
	/* immutable after creation: */
	struct process *p; /* borrowed: it outlives its timers */
	int id;
	int clock;
	bool cpu; /* CPU time: of the process, or if cpu_tid of this thread of it */
	uint32_t cpu_tid;
	struct process *foreign; /* another process, whose CPU time it is: a reference; or NULL */
	int notify;
	int signo;
	uint32_t tid; /* NOTIFY_THREAD_ID */
	uint64_t value;

	/* protected by p->siglock: */
	LIST_ENTRY(posix_timer) link;
	struct timer timer;
	int64_t deadline; /* now_locked() ns; TIME_NEVER: off, or fired and waiting for its signal
			     to be taken */
	int64_t next;     /* of a periodic one whose signal is queued: the deadline that fired */
	int64_t interval; /* ns; 0: once */
	bool requeue;     /* goes on when its signal is taken */
	int64_t overrun, overrun_last;
	int64_t sample; /* of foreign's clock, when it was last looked at */
	struct sigqueue_entry *entry;
	bool wall;           /* deadline and next are times of CLOCK_REALTIME, */
	int64_t wall_offset; /* ... of which this was taken */
	/* its owner: creation and timer_free */
	struct wall_watch watch;
};

/* struct sigevent and struct itimerspec of 64-bit machines. */
struct sigevent_abi {
	uint64_t value;
	int32_t signo, notify, tid;
	int32_t pad[11];
};
_Static_assert(sizeof(struct sigevent_abi) == 64, "struct sigevent is 64 bytes");

struct itimerspec_abi {
	struct timespec_k interval, value;
};

/* ---- expiry ---- */

/* The first time after `now` that is a whole number of periods after `from`; counts them. */
static int64_t forward(int64_t from, int64_t interval, int64_t now, int64_t *count)
{
	/* An absolute time may lie as far back as 1970, and no further; and interval is bounded. */
	int64_t n = now >= from ? (now - from) / interval + 1 : 0;

	*count += n;
	return from + n * interval;
}

/* The time of another process's clock; whether it will not go on. No siglock held. */
static bool foreign_sample(struct process *p, int64_t *ns)
{
	bool over;

	pthread_mutex_lock(&p->siglock);
	*ns = cpu_time_locked(p);
	over = TAILQ_EMPTY(&p->tasks);
	pthread_mutex_unlock(&p->siglock);
	return over;
}

/* The same; whether the process is still there. No lock held. */
static bool foreign_time(struct process *p, int64_t *ns)
{
	bool there;

	foreign_sample(p, ns);
	pthread_mutex_lock(&p->k->tree_lock);
	there = p->life != LIFE_DEAD;
	pthread_mutex_unlock(&p->k->tree_lock);
	return there;
}

/* When its CPU time could be up at the earliest: all its threads may run side by side. */
static int64_t foreign_look(const struct posix_timer *pt, int64_t left)
{
	left /= pt->p->k->cfg.cpus;
	return time_add_ever(core_now(), left < CPU_TICK_NS ? CPU_TICK_NS : left);
}

/* The time that deadlines are compared with. siglock held. */
static int64_t now_locked(const struct posix_timer *pt)
{
	int64_t ns;

	if (!pt->cpu)
		return core_now();
	if (pt->foreign)
		return pt->sample;
	if (!pt->cpu_tid)
		return cpu_time_locked(pt->p);
	/* Of a thread that has ended: its time stands still. */
	return cpu_time_of_locked(pt->p, pt->cpu_tid, &ns) ? ns : 0;
}

static void arm(struct posix_timer *pt, int64_t deadline)
{
	pt->deadline = deadline;
	if (deadline == TIME_NEVER || pt->notify == NOTIFY_NONE)
		return;
	if (pt->foreign)
		deadline = foreign_look(pt, deadline - pt->sample);
	else if (pt->cpu)
		deadline = cpu_time_look_locked(pt->p, deadline - now_locked(pt), pt->cpu_tid);
	timer_arm(&pt->timer, deadline);
}

static struct task *target_locked(const struct posix_timer *pt)
{
	struct task *t;

	TAILQ_FOREACH (t, &pt->p->tasks, thread)
		if (t->tid == pt->tid)
			return t;
	return NULL;
}

/* Queues the timer's signal. False: it is ignored, and the timer goes on by itself. */
static bool queue_signal_locked(struct posix_timer *pt)
{
	struct siginfo_k info = {.si_signo = pt->signo, .si_code = SI_TIMER_K};
	struct task *t = NULL;

	if (pt->notify == NOTIFY_THREAD_ID) {
		t = target_locked(pt);
		if (!t)
			return true; /* its thread has ended: nobody is told any more */
	}
	info.u.timer.tid = pt->id;
	info.u.timer.value = pt->value;
	return signal_send_entry_locked(pt->p, t, pt->entry, &info);
}

static void on_deadline(struct timer *timer)
{
	struct posix_timer *pt = container_of(timer, struct posix_timer, timer);
	struct process *p = pt->p;
	int64_t now, deadline, sample = 0;
	bool over = pt->foreign && foreign_sample(pt->foreign, &sample);

	pthread_mutex_lock(&p->siglock);
	pt->sample = sample;
	now = now_locked(pt);
	deadline = pt->deadline;
	/* Set anew, or off, since it was due. */
	if (deadline == TIME_NEVER || timer_is_armed(timer))
		goto out;
	if (now < deadline && pt->cpu) {
		/* Somebody slept. */
		if (!over)
			arm(pt, deadline);
		goto out;
	}
	if (now < deadline)
		now = deadline;
	pt->deadline = TIME_NEVER;
	pt->next = deadline;
	pt->requeue = pt->interval != 0;
	if (!queue_signal_locked(pt) && pt->interval) {
		pt->requeue = false;
		if (pt->interval < IGNORED_MIN_NS)
			now += IGNORED_MIN_NS;
		arm(pt, forward(deadline, pt->interval, now, &pt->overrun));
	}
out:
	pthread_mutex_unlock(&p->siglock);
}

static void wall_moved(struct wall_watch *w)
{
	struct posix_timer *pt = container_of(w, struct posix_timer, watch);
	struct process *p = pt->p;
	int64_t by;

	pthread_mutex_lock(&p->siglock);
	by = pt->wall_offset - wall_offset(p->k);
	if (pt->wall && pt->deadline != TIME_NEVER && pt->deadline < TIME_NEVER - 1) {
		pt->wall_offset -= by;
		arm(pt, pt->deadline + by);
	} else if (pt->wall && pt->requeue) {
		pt->wall_offset -= by;
		pt->next += by;
	}
	pthread_mutex_unlock(&p->siglock);
}

static int overrun_clip(int64_t n)
{
	return n > INT_MAX ? INT_MAX : (int)n;
}

void posix_timer_dequeued(struct posix_timer *pt, struct siginfo_k *info)
{
	int64_t now;

	if (!pt->requeue)
		return;
	now = now_locked(pt);
	pt->requeue = false;
	arm(pt, forward(pt->next, pt->interval, now > pt->next ? now : pt->next, &pt->overrun));
	pt->overrun_last = pt->overrun;
	pt->overrun = -1;
	if (info)
		info->u.timer.overrun = overrun_clip(info->u.timer.overrun + pt->overrun_last);
}

/* ---- creation and deletion ---- */

/* 0, and pt's clock is known; -EINVAL: no such clock; -EOPNOTSUPP: one without timers. */
static int set_clock(struct task *t, struct posix_timer *pt, int clock)
{
	struct cpu_clock cc;
	int r;

	pt->clock = clock;
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
		return 0;
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		return -EOPNOTSUPP;
	}
	/* A descriptor's clock. */
	if (clock < 0 && (clock & 7) == 3)
		return -EOPNOTSUPP;
	r = cpu_clock_find(t, clock, &cc);
	if (r < 0)
		return r;
	if (cc.p == t->p)
		process_put(cc.p);
	else
		pt->foreign = cc.p;
	pt->cpu = true;
	pt->cpu_tid = cc.tid;
	return 0;
}

/* good_sigevent(). tree_lock is not needed: the task list is siglock's, too. */
static int check_event(struct task *t, const struct sigevent_abi *ev)
{
	struct task *o;
	bool found = false;

	switch (ev->notify) {
	case NOTIFY_NONE:
		return 0;
	case NOTIFY_THREAD_ID:
		pthread_mutex_lock(&t->p->siglock);
		TAILQ_FOREACH (o, &t->p->tasks, thread)
			found |= o->tid == (uint32_t)ev->tid;
		pthread_mutex_unlock(&t->p->siglock);
		if (!found)
			return -EINVAL;
		break;
	case NOTIFY_SIGNAL:
	case NOTIFY_THREAD:
		break;
	default:
		return -EINVAL;
	}
	return ev->signo < 1 || ev->signo > NSIG_GUEST ? -EINVAL : 0;
}

static void struct_free(struct posix_timer *pt)
{
	if (pt->foreign)
		process_put(pt->foreign);
	free(pt);
}

/* In no list, and its callback does not run. */
static void timer_free(struct posix_timer *pt)
{
	wall_watch_remove(pt->p->k, &pt->watch);
	timer_cancel(&pt->timer);
	struct_free(pt);
}

static struct posix_timer *find_locked(struct process *p, int id)
{
	struct posix_timer *pt;

	LIST_FOREACH (pt, &p->timers, link)
		if (pt->id == id)
			return pt;
	return NULL;
}

static int next_id(struct process *p)
{
	int id = p->timer_next;

	p->timer_next = id == INT_MAX ? 0 : id + 1;
	return id;
}

/* Puts it into the list. Its number: those of deleted timers come back only after all others. */
static int publish(struct process *p, struct posix_timer *pt, bool id_is_value)
{
	int id;

	pthread_mutex_lock(&p->siglock);
	do
		id = next_id(p);
	while (find_locked(p, id));
	pt->id = id;
	if (id_is_value)
		pt->value = (uint32_t)id;
	LIST_INSERT_HEAD(&p->timers, pt, link);
	pthread_mutex_unlock(&p->siglock);
	return id;
}

/* The new timer's number, or a negative errno. Another thread may delete it at once. */
static int create(struct task *t, int clock, const struct sigevent_abi *ev)
{
	struct posix_timer *pt = calloc(1, sizeof(*pt));
	int r;

	if (!pt)
		return -EAGAIN;
	r = set_clock(t, pt, clock);
	if (r < 0) {
		free(pt);
		return r;
	}
	pt->p = t->p;
	pt->deadline = TIME_NEVER;
	pt->overrun = -1;
	timer_init(&pt->timer, t->k->timers, on_deadline);
	pt->entry = sigqueue_entry_create(t->k, t->p, pt);
	r = pt->entry ? 0 : -EAGAIN;
	if (r == 0 && ev)
		r = check_event(t, ev);
	if (r < 0) {
		if (pt->entry)
			sigqueue_entry_drop(pt->entry);
		struct_free(pt);
		return r;
	}
	pt->notify = ev ? ev->notify : NOTIFY_SIGNAL;
	pt->signo = ev ? ev->signo : SIGALRM;
	if (pt->notify == NOTIFY_THREAD_ID)
		pt->tid = (uint32_t)ev->tid;
	if (ev)
		pt->value = ev->value;
	if (clock == CLOCK_REALTIME || clock == CLOCK_TAI)
		wall_watch_add(t->k, &pt->watch, wall_moved);
	return publish(t->p, pt, !ev);
}

static long delete (struct process *p, int id)
{
	struct posix_timer *pt;

	pthread_mutex_lock(&p->siglock);
	pt = find_locked(p, id);
	if (pt) {
		LIST_REMOVE(pt, link);
		pt->deadline = TIME_NEVER;
		pt->requeue = false;
		sigqueue_entry_drop(pt->entry);
	}
	pthread_mutex_unlock(&p->siglock);
	if (!pt)
		return -EINVAL;
	timer_free(pt);
	return 0;
}

long sys_timer_create(struct task *t, struct call *c)
{
	struct sigevent_abi ev;
	int32_t id;
	int r;

	if (c->args[1] && copy_from_guest(task_mm(t), &ev, gva(c->args[1]), sizeof(ev)) < 0)
		return -EFAULT;
	r = create(t, (int)c->args[0], c->args[1] ? &ev : NULL);
	if (r < 0)
		return r;
	id = r;
	if (copy_to_guest(task_mm(t), gva(c->args[2]), &id, sizeof(id)) < 0) {
		delete (t->p, id);
		return -EFAULT;
	}
	return 0;
}

long sys_timer_delete(struct task *t, struct call *c)
{
	return delete (t->p, (int)c->args[0]);
}

void posix_timers_exit(struct process *p)
{
	struct posix_timer *pt;

	for (;;) {
		pthread_mutex_lock(&p->siglock);
		pt = LIST_FIRST(&p->timers);
		if (pt) {
			LIST_REMOVE(pt, link);
			pt->deadline = TIME_NEVER;
			pt->requeue = false;
			sigqueue_entry_recall(p, pt->entry);
		}
		pthread_mutex_unlock(&p->siglock);
		if (!pt)
			return;
		timer_free(pt);
	}
}

/* ---- setting and reading ---- */

/*
 * The timer with this number, its foreign clock looked at, and siglock taken. NULL and *err:
 * -EINVAL: there is none; -ESRCH: the process that it measures is gone.
 */
static struct posix_timer *find_and_lock(struct process *p, int id, int *err)
{
	struct process *foreign = NULL;
	struct posix_timer *pt;
	int64_t sample = 0;
	bool there = true;

	pthread_mutex_lock(&p->siglock);
	pt = find_locked(p, id);
	if (pt && pt->foreign) {
		foreign = process_get(pt->foreign);
		pthread_mutex_unlock(&p->siglock);
		there = foreign_time(foreign, &sample);
		pthread_mutex_lock(&p->siglock);
		/* It may be deleted by now, or another. */
		pt = find_locked(p, id);
		if (pt && pt->foreign == foreign)
			pt->sample = sample;
	}
	*err = pt ? -ESRCH : -EINVAL;
	if (!pt || !there) {
		pthread_mutex_unlock(&p->siglock);
		pt = NULL;
	}
	if (foreign)
		process_put(foreign);
	return pt;
}

/* What is left and the period; a periodic timer whose signal waits counts what it missed. */
static void get_locked(struct posix_timer *pt, int64_t *value, int64_t *interval)
{
	bool silent = pt->notify == NOTIFY_NONE;
	int64_t now = now_locked(pt), deadline = pt->deadline;

	*interval = pt->interval;
	*value = 0;
	if (pt->requeue) {
		deadline = pt->next = forward(pt->next, pt->interval, now, &pt->overrun);
		/* dequeued() goes on from the period before this one, which is counted */
		pt->next -= pt->interval;
		pt->overrun--;
	} else if (silent && pt->interval && deadline != TIME_NEVER && deadline <= now) {
		deadline = pt->deadline = forward(deadline, pt->interval, now, &pt->overrun);
	}
	if (deadline == TIME_NEVER)
		return;
	/* One that is due is not off yet. */
	*value = deadline > now ? deadline - now : silent ? 0 : 1;
}

static void set_locked(struct posix_timer *pt, bool absolute, int64_t value, int64_t interval)
{
	int64_t now = now_locked(pt), base = now;

	pt->interval = 0;
	pt->requeue = false;
	pt->overrun = -1;
	pt->overrun_last = 0;
	pt->deadline = TIME_NEVER;
	pt->wall = false;
	if (!value)
		return;
	pt->interval = interval;
	if (absolute && pt->cpu) {
		value = value < TIME_NEVER ? value : TIME_NEVER - 1;
	} else if (absolute) {
		int64_t clock =
			kernel_clock(pt->p->k, pt->clock == CLOCK_TAI ? CLOCK_REALTIME : pt->clock);

		/* Relative times of CLOCK_REALTIME are CLOCK_MONOTONIC's, as on Linux. */
		pt->wall = pt->watch.on;
		pt->wall_offset = clock - now;
		/* Before the machine was switched on, but late by as much as it is. */
		base = now - clock;
		value = base < 0 ? base + value : time_add_ever(base, value);
	} else {
		value = time_add_ever(now, value);
	}
	arm(pt, value);
}

static int store(struct task *t, uint64_t addr, int64_t value, int64_t interval)
{
	struct itimerspec_abi abi = {{interval / 1000000000, interval % 1000000000},
				     {value / 1000000000, value % 1000000000}};

	return copy_to_guest(task_mm(t), gva(addr), &abi, sizeof(abi));
}

long sys_timer_settime(struct task *t, struct call *c)
{
	uint64_t new = c->args[2], old = c->args[3];
	int64_t value, interval, old_value, old_interval;
	struct process *p = t->p;
	struct posix_timer *pt;
	int r, r2, err;

	if (!new)
		return -EINVAL;
	r = timespec_from_guest(task_mm(t), gva(new), &interval);
	r2 = timespec_from_guest(task_mm(t), gva(new + sizeof(struct timespec_k)), &value);
	if (r < 0 || r2 < 0)
		return r == -EFAULT || r2 == -EFAULT ? -EFAULT : -EINVAL;
	/* Half the range is 146 years: as good as never, and sums do not overflow. */
	if (interval > INT64_MAX / 4)
		interval = INT64_MAX / 4;
	pt = find_and_lock(p, (int)c->args[0], &err);
	if (!pt)
		return err;
	get_locked(pt, &old_value, &old_interval);
	set_locked(pt, (c->args[1] & TIMER_ABSTIME_K) != 0, value, interval);
	pthread_mutex_unlock(&p->siglock);
	return old ? store(t, old, old_value, old_interval) : 0;
}

long sys_timer_gettime(struct task *t, struct call *c)
{
	struct process *p = t->p;
	struct posix_timer *pt;
	int64_t value = 0, interval = 0;
	int err;

	pt = find_and_lock(p, (int)c->args[0], &err);
	/* Of a process that is gone nothing is left. */
	if (!pt)
		return err == -ESRCH ? store(t, c->args[1], 0, 0) : err;
	get_locked(pt, &value, &interval);
	pthread_mutex_unlock(&p->siglock);
	return store(t, c->args[1], value, interval);
}

long sys_timer_getoverrun(struct task *t, struct call *c)
{
	struct process *p = t->p;
	struct posix_timer *pt;
	long r = -EINVAL;

	pthread_mutex_lock(&p->siglock);
	pt = find_locked(p, (int)c->args[0]);
	if (pt)
		r = overrun_clip(pt->overrun_last);
	pthread_mutex_unlock(&p->siglock);
	return r;
}
