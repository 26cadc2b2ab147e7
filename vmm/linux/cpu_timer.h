/*
 * CPU time, and what it ends: setitimer(2)'s ITIMER_VIRTUAL and ITIMER_PROF, and RLIMIT_CPU.
 *
 * p->cpu_itimer[] and p->cpu_limit are protected by p's siglock. Like the other timers of a process
 * the first outlive an exec and are not inherited by a fork; a limit is.
 */
#ifndef VMBOX_LINUX_CPU_TIMER_H
#define VMBOX_LINUX_CPU_TIMER_H

#include "../core/core.h"

struct process;

#define CPU_ITIMERS 2       /* VIRTUAL, PROF */
#define CPU_TICK_NS 4000000 /* CPU time is looked at no more often: Linux's tick */

struct cpu_itimer {
	int64_t target; /* the process's CPU time, ns; TIME_NEVER: off */
	int64_t interval;
};

/* RLIMIT_CPU in seconds; soft UINT64_MAX: none, whatever the hard one is. */
struct cpu_limit {
	uint64_t soft, hard;
	bool closed; /* the process has ended */
};

/* p->k is set. */
void cpu_timers_init(struct process *p);
/* The process ends, or the kernel does: none fires any more. No lock held. */
void cpu_timers_exit(struct process *p);
/* which: 0 VIRTUAL, 1 PROF. The time left (0: off) and the period, ns; sets new ones if set. value
 * and interval are at most half the range. Takes siglock. */
void cpu_itimer_exchange(struct process *p, int which, bool set, int64_t value, int64_t interval,
			 int64_t *old_value, int64_t *old_interval);

/*
 * RLIMIT_CPU from now on: SIGXCPU at soft and then each second, whereby the limit grows by one, and
 * SIGKILL at hard. Takes siglock.
 */
void cpu_limit_set(struct process *p, uint64_t soft, uint64_t hard);

/* ---- for whoever waits for CPU time; siglock held ---- */

/* What p has used, its ended threads included; tree_lock instead of siglock will do. */
int64_t cpu_time_locked(struct process *p);
/* What its thread tid has used. False: there is none. */
bool cpu_time_of_locked(struct process *p, uint32_t tid, int64_t *ns);
/* When to look again (core_now() ns) if `left` more is wanted of p, or of one thread of it. Never
 * sooner than a tick of Linux's. */
int64_t cpu_time_look_locked(struct process *p, int64_t left, bool thread);

#endif
