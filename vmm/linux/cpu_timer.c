/*
 * ITIMER_VIRTUAL and ITIMER_PROF, timers of a process's CPU time; and its limit, RLIMIT_CPU.
 *
 * All CPU time here is user time, so the two differ only in their signal. While one is set, a host
 * timer looks at the process when its time could be up at the earliest, and again if it is not: it
 * may have slept. It looks no more often than Linux's tick, so a short period is late, and an idle
 * process costs little.
 */
#include "cpu_timer.h"
#include "process.h"

#include <signal.h>

#define NSEC 1000000000LL

int64_t cpu_time_locked(struct process *p)
{
	int64_t ns = p->times.utime;
	struct task *t;

	TAILQ_FOREACH (t, &p->tasks, thread)
		ns += sched_run_time(&t->st);
	return ns;
}

bool cpu_time_of_locked(struct process *p, uint32_t tid, int64_t *ns)
{
	struct task *t;

	TAILQ_FOREACH (t, &p->tasks, thread)
		if (t->tid == tid)
			break;
	if (t)
		*ns = sched_run_time(&t->st);
	return t;
}

int64_t cpu_time_look_locked(struct process *p, int64_t left, bool thread)
{
	unsigned width = p->ntasks < p->k->cfg.cpus ? p->ntasks : p->k->cfg.cpus;

	/* Its threads may run side by side. */
	if (!thread && width)
		left /= width;
	if (left < CPU_TICK_NS)
		left = CPU_TICK_NS;
	return time_add_ever(core_now(), left);
}

static int64_t seconds(uint64_t s)
{
	return s > (uint64_t)(TIME_NEVER / NSEC) ? TIME_NEVER : (int64_t)s * NSEC;
}

/* Is the limit reached, soft or hard? getrlimit(2) shows that the soft one has grown, unless it is
 * being set anew. siglock held. */
static void limit_locked(struct process *p, int64_t cpu)
{
	struct cpu_limit *l = &p->cpu_limit;
	struct siginfo_k info = {.si_signo = SIGXCPU, .si_code = SI_KERNEL};

	if (cpu < seconds(l->soft) && (l->soft == UINT64_MAX || cpu < seconds(l->hard)))
		return;
	if (cpu >= seconds(l->hard)) {
		info.si_signo = SIGKILL;
		l->soft = UINT64_MAX;
		signal_send_locked(p, NULL, SIGKILL, &info);
		return;
	}
	pthread_mutex_lock(&p->lock);
	if (p->rlim[RLIMIT_CPU].rlim_cur == l->soft)
		p->rlim[RLIMIT_CPU].rlim_cur++;
	pthread_mutex_unlock(&p->lock);
	l->soft++;
	signal_send_locked(p, NULL, SIGXCPU, &info);
}

/* When to look next. siglock held. */
static void rearm_locked(struct process *p, int64_t cpu)
{
	int64_t left = TIME_NEVER;

	for (int i = 0; i < CPU_ITIMERS; i++)
		if (p->cpu_itimer[i].target != TIME_NEVER && p->cpu_itimer[i].target - cpu < left)
			left = p->cpu_itimer[i].target - cpu;
	if (seconds(p->cpu_limit.soft) != TIME_NEVER && seconds(p->cpu_limit.soft) - cpu < left)
		left = seconds(p->cpu_limit.soft) - cpu;
	if (left != TIME_NEVER)
		timer_arm(&p->cpu_timer, cpu_time_look_locked(p, left, false));
}

static void on_look(struct timer *timer)
{
	static const int sigs[CPU_ITIMERS] = {SIGVTALRM, SIGPROF};
	struct process *p = container_of(timer, struct process, cpu_timer);
	int64_t cpu;

	pthread_mutex_lock(&p->siglock);
	cpu = cpu_time_locked(p);
	limit_locked(p, cpu);
	for (int i = 0; i < CPU_ITIMERS; i++) {
		struct cpu_itimer *it = &p->cpu_itimer[i];
		struct siginfo_k info = {.si_signo = sigs[i], .si_code = SI_KERNEL};

		if (cpu < it->target)
			continue;
		signal_send_locked(p, NULL, sigs[i], &info);
		/* Periods that have passed already count as one. */
		it->target = it->interval ? it->target + ((cpu - it->target) / it->interval + 1) *
								 it->interval
					  : TIME_NEVER;
	}
	rearm_locked(p, cpu);
	pthread_mutex_unlock(&p->siglock);
}

void cpu_limit_set(struct process *p, uint64_t soft, uint64_t hard)
{
	struct cpu_limit *l = &p->cpu_limit;

	pthread_mutex_lock(&p->siglock);
	l->hard = hard;
	if (!l->closed && (soft != UINT64_MAX || l->soft != UINT64_MAX)) {
		l->soft = soft;
		rearm_locked(p, cpu_time_locked(p));
	}
	pthread_mutex_unlock(&p->siglock);
}

void cpu_timers_init(struct process *p)
{
	timer_init(&p->cpu_timer, p->k->timers, on_look);
	p->cpu_limit = (struct cpu_limit){.soft = UINT64_MAX, .hard = UINT64_MAX};
	for (int i = 0; i < CPU_ITIMERS; i++)
		p->cpu_itimer[i] = (struct cpu_itimer){.target = TIME_NEVER};
}

void cpu_timers_exit(struct process *p)
{
	pthread_mutex_lock(&p->siglock);
	for (int i = 0; i < CPU_ITIMERS; i++)
		p->cpu_itimer[i].target = TIME_NEVER;
	p->cpu_limit.soft = UINT64_MAX;
	p->cpu_limit.closed = true;
	pthread_mutex_unlock(&p->siglock);
	timer_cancel(&p->cpu_timer);
}

void cpu_itimer_exchange(struct process *p, int which, bool set, int64_t value, int64_t interval,
			 int64_t *old_value, int64_t *old_interval)
{
	struct cpu_itimer *it = &p->cpu_itimer[which];
	int64_t cpu;

	pthread_mutex_lock(&p->siglock);
	cpu = cpu_time_locked(p);
	*old_value = 0;
	*old_interval = it->interval;
	if (it->target != TIME_NEVER)
		*old_value = it->target > cpu ? it->target - cpu : 1000;
	if (set) {
		it->interval = interval;
		it->target = value ? cpu + value : TIME_NEVER;
		rearm_locked(p, cpu);
	}
	pthread_mutex_unlock(&p->siglock);
}
