/*
 * Clocks and sleeping: clock_gettime(2), clock_nanosleep(2) and their elders.
 *
 * The guest's monotonic clock is the host's. The vDSO answers most readings from the clock page;
 * what comes here agrees with it (machine_ops.clock_ns).
 */
#include "sys.h"
#include "syscalls.h"

#include <stdlib.h>
#include <string.h>

#define NSEC    1000000000LL
#define USER_HZ 100
#define TICK_NS ((int64_t)ABI_TICK_NS) /* CLOCK_*_COARSE of a kernel with HZ=250 */

#ifndef CLOCK_TAI
#define CLOCK_TAI 11
#endif
#define TIMER_ABSTIME_K  1
#define CPUCLOCK_SCHED_K 2

int64_t kernel_clock(struct kernel *k, int clock)
{
	struct timespec ts;

	if (k->ops && k->ops->clock_ns)
		return k->ops->clock_ns(k->machine, clock);
	clock_gettime(clock, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

int timespec_from_guest(struct mm *mm, gva_t a, int64_t *ns)
{
	struct timespec_k ts;

	if (copy_from_guest(mm, &ts, a, sizeof(ts)) < 0)
		return -EFAULT;
	if (ts.sec < 0 || (uint64_t)ts.nsec >= NSEC)
		return -EINVAL;
	*ns = ts.sec > TIME_NEVER / NSEC - 1 ? TIME_NEVER : ts.sec * NSEC + ts.nsec;
	return 0;
}

int timespec_to_guest(struct mm *mm, gva_t a, int64_t ns)
{
	struct timespec_k ts = {ns / NSEC, ns % NSEC};

	return copy_to_guest(mm, a, &ts, sizeof(ts));
}

/* ---- CPU time ---- */

int64_t process_cpu_time(struct process *p)
{
	int64_t ns;

	pthread_mutex_lock(&p->siglock);
	ns = cpu_time_locked(p);
	pthread_mutex_unlock(&p->siglock);
	return ns;
}

static bool read_cpu_clock(const struct cpu_clock *cc, int64_t *ns)
{
	bool found = true;

	pthread_mutex_lock(&cc->p->siglock);
	if (cc->tid)
		found = cpu_time_of_locked(cc->p, cc->tid, ns);
	else
		*ns = cpu_time_locked(cc->p);
	pthread_mutex_unlock(&cc->p->siglock);
	return found;
}

/* A negative id: 2 bits of kind, one for a thread, the inverted pid above. */
int cpu_clock_find(struct task *t, int id, struct cpu_clock *cc)
{
	int pid = ~(id >> 3);
	bool thread = id < 0 ? (id & 4) != 0 : id == CLOCK_THREAD_CPUTIME_ID;
	int64_t ns;

	if (id >= 0 && id != CLOCK_PROCESS_CPUTIME_ID && id != CLOCK_THREAD_CPUTIME_ID)
		return -EINVAL;
	if (id >= 0)
		pid = 0;
	else if ((id & 3) == 3) /* a descriptor's clock, or none */
		return -EINVAL;
	*cc = (struct cpu_clock){.tid = thread ? (pid ? (uint32_t)pid : t->tid) : 0};
	if (thread || !pid || pid == (int)t->tid)
		cc->p = process_get(t->p);
	else
		cc->p = process_find(t->k, (uint32_t)pid);
	if (!cc->p)
		return -EINVAL;
	/* Of threads only those of one's own process are seen. */
	if (!thread || read_cpu_clock(cc, &ns))
		return 0;
	process_put(cc->p);
	return -EINVAL;
}

static int read_cpu_clock_id(struct task *t, int id, int64_t *ns)
{
	struct cpu_clock cc;
	int r = cpu_clock_find(t, id, &cc);

	if (r < 0)
		return r;
	if (!read_cpu_clock(&cc, ns))
		r = -EINVAL;
	process_put(cc.p);
	return r;
}

static int64_t to_tick(int64_t ns)
{
	return ns - ns % TICK_NS;
}

/* 0 and *ns, or -EINVAL: no such clock. */
static int read_clock(struct task *t, int id, int64_t *ns)
{
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_TAI: /* no leap-second table: the offset is 0, as on most machines */
		*ns = kernel_clock(t->k, CLOCK_REALTIME);
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
		*ns = kernel_clock(t->k, CLOCK_MONOTONIC);
		return 0;
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*ns = kernel_clock(t->k, CLOCK_BOOTTIME);
		return 0;
	case CLOCK_REALTIME_ALARM:
		*ns = kernel_clock(t->k, CLOCK_REALTIME);
		return 0;
	case CLOCK_REALTIME_COARSE:
		*ns = to_tick(kernel_clock(t->k, CLOCK_REALTIME));
		return 0;
	case CLOCK_MONOTONIC_COARSE:
		*ns = to_tick(kernel_clock(t->k, CLOCK_MONOTONIC));
		return 0;
	}
	return read_cpu_clock_id(t, id, ns);
}

long sys_clock_gettime(struct task *t, struct call *c)
{
	int64_t ns;
	int r = read_clock(t, (int)c->args[0], &ns);

	return r < 0 ? r : timespec_to_guest(task_mm(t), gva(c->args[1]), ns);
}

long sys_clock_getres(struct task *t, struct call *c)
{
	int id = (int)c->args[0];
	int64_t ns;
	int r = read_clock(t, id, &ns);

	if (r < 0 || !c->args[1])
		return r;
	/* CPUCLOCK_PROF and CPUCLOCK_VIRT, the low bits of a CPU clock's id, count ticks. */
	if (id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE ||
	    (id < 0 && (id & 3) != CPUCLOCK_SCHED_K))
		ns = TICK_NS;
	else
		ns = 1;
	return timespec_to_guest(task_mm(t), gva(c->args[1]), ns);
}

long sys_clock_settime(struct task *t, struct call *c)
{
	int id = (int)c->args[0], r;
	struct timespec_k ts;
	struct cpu_clock cc;

	if (id != CLOCK_REALTIME && (id >= 0 || (id & 7) == 3))
		return -EINVAL;
	if (copy_from_guest(task_mm(t), &ts, gva(c->args[1]), sizeof(ts)))
		return -EFAULT;
	if (id < 0) {
		r = cpu_clock_find(t, id, &cc);
		if (r < 0)
			return r;
		process_put(cc.p);
	} else if (ts.sec < 0 || (uint64_t)ts.nsec >= NSEC) {
		return -EINVAL;
	}
	/* The clock is the host's: nobody here may set it. */
	return -EPERM;
}

long sys_settimeofday(struct task *t, struct call *c)
{
	struct timeval_k tv;
	int32_t tz[2];

	if (c->args[0]) {
		if (copy_from_guest(task_mm(t), &tv, gva(c->args[0]), sizeof(tv)))
			return -EFAULT;
		if (tv.usec < 0 || tv.usec >= 1000000)
			return -EINVAL;
	}
	if (c->args[1] && copy_from_guest(task_mm(t), tz, gva(c->args[1]), sizeof(tz)))
		return -EFAULT;
	return -EPERM;
}

long sys_gettimeofday(struct task *t, struct call *c)
{
	int64_t ns = kernel_clock(t->k, CLOCK_REALTIME);
	struct timeval_k tv = {ns / NSEC, ns % NSEC / 1000};
	int32_t tz[2] = {0, 0};

	if (c->args[0] && copy_to_guest(task_mm(t), gva(c->args[0]), &tv, sizeof(tv)) < 0)
		return -EFAULT;
	if (c->args[1] && copy_to_guest(task_mm(t), gva(c->args[1]), tz, sizeof(tz)) < 0)
		return -EFAULT;
	return 0;
}

long sys_time(struct task *t, struct call *c)
{
	int64_t sec = kernel_clock(t->k, CLOCK_REALTIME) / NSEC;

	if (c->args[0] && copy_to_guest(task_mm(t), gva(c->args[0]), &sec, sizeof(sec)) < 0)
		return -EFAULT;
	return sec;
}

static int64_t to_clock_t(int64_t ns)
{
	return ns / (NSEC / USER_HZ);
}

long sys_times(struct task *t, struct call *c)
{
	struct rusage_times times;
	int64_t out[4];

	process_get_times(t->p, &times);
	out[0] = to_clock_t(times.utime);
	out[1] = to_clock_t(times.stime);
	out[2] = to_clock_t(times.cutime);
	out[3] = to_clock_t(times.cstime);
	if (c->args[0] && copy_to_guest(task_mm(t), gva(c->args[0]), out, sizeof(out)) < 0)
		return -EFAULT;
	return to_clock_t(kernel_clock(t->k, CLOCK_BOOTTIME));
}

/* ---- sleeping ---- */

/* The wait itself, in the first run and the later ones; the deadline is set. */
static long sleep_run(struct task *t, struct call *c, bool absolute, uint64_t rem)
{
	int64_t left = c->deadline - core_now();

	if (left <= 0)
		return 0;
	if (!call_waiter(t, c, false)) {
		if (absolute)
			return -ERESTARTNOHAND;
		if (rem && timespec_to_guest(task_mm(t), gva(rem), left) < 0)
			return -EFAULT;
		return call_restart_block(t, c);
	}
	return -EBLOCKED;
}

long sys_nanosleep(struct task *t, struct call *c)
{
	int64_t ns = 0;
	int r = 0;

	if (!c->rerun) {
		/* A restarted one sleeps on to the same end, whatever is there now. */
		if (!c->restarted)
			r = timespec_from_guest(task_mm(t), gva(c->args[0]), &ns);
		if (r < 0)
			return r;
		call_set_deadline(t, c, time_add(core_now(), ns));
	}
	return sleep_run(t, c, false, c->args[1]);
}

/* The host's monotonic time at which a clock will show `ns`. */
static int64_t clock_to_deadline(struct task *t, int id, int64_t ns)
{
	int64_t now = 0;

	read_clock(t, id, &now);
	return time_add(core_now(), ns > now ? ns - now : 0);
}

/* The state of a sleep until CPU time is used: by other threads, or another process. */
struct cpu_sleep {
	struct cpu_clock clock;
	int64_t until; /* of that clock */
};

static void cpu_sleep_free(void *state)
{
	process_put(((struct cpu_sleep *)state)->clock.p);
}

static long cpu_sleep_begin(struct task *t, struct call *c, int id, bool absolute, int64_t ns)
{
	struct cpu_clock cc;
	struct cpu_sleep *s;
	int64_t now;

	if (cpu_clock_find(t, id, &cc) < 0)
		return -EINVAL;
	/* One's own would never end. */
	if (cc.tid == t->tid || !read_cpu_clock(&cc, &now)) {
		process_put(cc.p);
		return -EINVAL;
	}
	s = call_state(c, sizeof(*s));
	if (!s) {
		process_put(cc.p);
		return -ENOMEM;
	}
	s->clock = cc;
	s->until = c->restarted ? c->deadline : absolute ? ns : time_add(now, ns);
	c->state_free = cpu_sleep_free;
	return 0;
}

static long cpu_sleep_run(struct task *t, struct call *c, bool absolute, uint64_t rem)
{
	struct cpu_sleep *s = c->state;
	int64_t now, left;

	if (!read_cpu_clock(&s->clock, &now))
		return 0;
	left = s->until - now;
	if (left <= 0)
		return 0;
	if (c->interrupted) {
		if (absolute)
			return -ERESTARTNOHAND;
		if (rem && timespec_to_guest(task_mm(t), gva(rem), left) < 0)
			return -EFAULT;
		/* restart_syscall goes on to the same time of that clock. */
		c->deadline = s->until;
		return call_restart_block(t, c);
	}
	pthread_mutex_lock(&s->clock.p->siglock);
	left = cpu_time_look_locked(s->clock.p, left, s->clock.tid);
	pthread_mutex_unlock(&s->clock.p->siglock);
	c->deadline = left;
	sched_deadline(&t->st, left);
	return -EBLOCKED;
}

/* 0; -EOPNOTSUPP: nobody can sleep by it; -EINVAL: no such clock. */
static int check_sleep_clock(int id)
{
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
	case CLOCK_PROCESS_CPUTIME_ID:
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_REALTIME_ALARM: /* there is no clock that wakes the machine */
	case CLOCK_BOOTTIME_ALARM:
		return -EOPNOTSUPP;
	}
	if (id >= 0)
		return -EINVAL;
	/* A descriptor's clock. */
	return (id & 7) == 3 ? -EOPNOTSUPP : 0;
}

long sys_clock_nanosleep(struct task *t, struct call *c)
{
	int id = (int)c->args[0];
	bool absolute = (c->args[1] & TIMER_ABSTIME_K) != 0;
	bool cpu = id < 0 || id == CLOCK_PROCESS_CPUTIME_ID;
	int64_t ns = 0;
	int r;

	if (!c->rerun) {
		r = check_sleep_clock(id);
		if (r == 0 && !c->restarted)
			r = timespec_from_guest(task_mm(t), gva(c->args[2]), &ns);
		if (r == 0 && cpu)
			r = (int)cpu_sleep_begin(t, c, id, absolute, ns);
		if (r < 0)
			return r;
		if (cpu)
			return cpu_sleep_run(t, c, absolute, c->args[3]);
		if (!absolute)
			call_set_deadline(t, c, time_add(core_now(), ns));
		else if (id == CLOCK_REALTIME || id == CLOCK_TAI)
			call_set_wall_deadline(t, c, ns);
		else
			call_set_deadline(t, c, clock_to_deadline(t, id, ns));
	}
	return cpu ? cpu_sleep_run(t, c, absolute, c->args[3])
		   : sleep_run(t, c, absolute, c->args[3]);
}
