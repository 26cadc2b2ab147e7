/*
 * ITIMER_VIRTUAL and ITIMER_PROF: timers of a process's CPU time.
 *
 * All CPU time here is user time, so the two differ only in their signal. While one is set, a host
 * timer looks at the process when its time could be up at the earliest, and again if it is not: it
 * may have slept. It looks no more often than Linux's tick, so a short period is late, and an idle
 * process costs little.
 */
#include "cpu_timer.h"
#include "process.h"

#include <signal.h>

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

/* When to look next. siglock held. */
static void rearm_locked(struct process *p, int64_t cpu)
{
	int64_t left = TIME_NEVER;

	for (int i = 0; i < CPU_ITIMERS; i++)
		if (p->cpu_itimer[i].target != TIME_NEVER && p->cpu_itimer[i].target - cpu < left)
			left = p->cpu_itimer[i].target - cpu;
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

void cpu_timers_init(struct process *p)
{
	timer_init(&p->cpu_timer, p->k->timers, on_look);
	for (int i = 0; i < CPU_ITIMERS; i++)
		p->cpu_itimer[i] = (struct cpu_itimer){.target = TIME_NEVER};
}

void cpu_timers_exit(struct process *p)
{
	pthread_mutex_lock(&p->siglock);
	for (int i = 0; i < CPU_ITIMERS; i++)
		p->cpu_itimer[i].target = TIME_NEVER;
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
