/*
 * The scheduler: see sched.h.
 *
 * One lock for all queues: a critical section is a few list operations, whatever the
 * number of tasks. What a critical section finds must be done outside (wake a
 * parked thread, kick, arm a slice timer) is noted in a struct todo.
 */
#include "sched.h"

#include <limits.h>
#include <stdlib.h>

#define SCHED_MAX_CPUS 64

TAILQ_HEAD(run_list, sched_task);

struct sched_cpu {
	struct sched *sched;
	pthread_cond_t parked; /* the vCPU's thread, when it has nothing to run */
	struct timer slice;

	/* protected by sched->lock: */
	struct run_list queue;   /* every task queued here */
	struct run_list movable; /* those that some other vCPU may run, too */
	unsigned nmovable;
	struct sched_task *current;
	const struct sched_task *last; /* compared only */
	uint64_t run;                  /* counts the tasks it has taken */
	bool stood_in; /* somebody has looked for tasks for it since its thread has */
	bool slice_armed;
	uint64_t slice_run; /* the run that the slice timer was armed for */
	/* Since when its first task waits though another vCPU is idle; TIME_NEVER: none does. Read
	 * without the lock, too. */
	_Atomic int64_t lazy_since;

	/* written under the lock, read by sched_need_resched without it: */
	_Atomic unsigned nqueued;
	_Atomic bool slice_over; /* of the current run */
	_Atomic bool evict;      /* the current task may not run here any more */
};

struct sched {
	/* immutable after init: */
	unsigned cpus;
	uint64_t all;
	struct timers *timers;
	void (*kick)(void *arg, unsigned cpu);
	void *arg;

	pthread_mutex_t lock;
	/* protected by lock: */
	uint64_t idle;   /* parked vCPUs that nobody has given a task yet */
	uint64_t polled; /* of these: somebody looks for tasks for them all the time */
	unsigned load;
	struct sched_stats stats;
	_Atomic bool stopped;
	struct sched_cpu cpu[];
};

/* What to do once the lock is released. -1: nothing. */
struct todo {
	int unpark, arm, kick;
	int64_t arm_at;
};
#define TODO_NOTHING ((struct todo){.unpark = -1, .arm = -1, .kick = -1})

static void sched_unlock(struct sched *s, const struct todo *todo)
{
	pthread_mutex_unlock(&s->lock);
	if (todo->unpark >= 0)
		pthread_cond_signal(&s->cpu[todo->unpark].parked);
	if (todo->arm >= 0)
		timer_arm(&s->cpu[todo->arm].slice, todo->arm_at);
	if (todo->kick >= 0)
		s->kick(s->arg, (unsigned)todo->kick);
}

/* ---- slices ---- */

/* What c does must end: somebody waits for it, or it may be in the guest without a task. */
static bool slice_ends_locked(const struct sched_cpu *c)
{
	return c->current ? c->nqueued : c->stood_in;
}

/*
 * See that the slice ends. Also when it is over already: the kick for that may have found the queue
 * empty again (a steal), and came to nothing.
 */
static void slice_want_locked(struct sched_cpu *c, struct todo *todo)
{
	if (!slice_ends_locked(c) || c->slice_armed)
		return;
	c->slice_armed = true;
	c->slice_run = c->run;
	todo->arm = (int)(c - c->sched->cpu);
	todo->arm_at = (c->current ? c->current->run_started : core_now()) + SCHED_SLICE_NS;
}

bool sched_need_resched(struct sched *s, unsigned cpu)
{
	struct sched_cpu *c = &s->cpu[cpu];

	return (c->slice_over && c->nqueued) || c->evict || s->stopped;
}

/* ---- queues ---- */

static void queue_insert_locked(struct sched *s, struct sched_task *t, unsigned cpu, bool first)
{
	struct sched_cpu *c = &s->cpu[cpu];

	t->state = SCHED_RUNNABLE;
	t->cpu = (int)cpu;
	t->movable = t->cpu_mask & ~(1ULL << cpu);
	c->nqueued++;
	c->nmovable += t->movable;
	if (first) {
		TAILQ_INSERT_HEAD(&c->queue, t, run);
		if (t->movable)
			TAILQ_INSERT_HEAD(&c->movable, t, move);
	} else {
		TAILQ_INSERT_TAIL(&c->queue, t, run);
		if (t->movable)
			TAILQ_INSERT_TAIL(&c->movable, t, move);
	}
}

static void queue_remove_locked(struct sched *s, struct sched_task *t)
{
	struct sched_cpu *c = &s->cpu[t->cpu];

	TAILQ_REMOVE(&c->queue, t, run);
	c->nqueued--;
	if (t->movable) {
		TAILQ_REMOVE(&c->movable, t, move);
		c->nmovable--;
	}
}

static unsigned cpu_shortest_locked(const struct sched *s, uint64_t mask)
{
	unsigned best = 0, best_load = UINT_MAX;

	for (; mask; mask &= mask - 1) {
		unsigned cpu = (unsigned)__builtin_ctzll(mask);
		unsigned load = s->cpu[cpu].nqueued + (s->cpu[cpu].current != NULL);

		if (load < best_load) {
			best = cpu;
			best_load = load;
		}
	}
	return best;
}

static _Thread_local int near_cpu = -1;
static _Thread_local bool near_anyone;
static _Thread_local int64_t near_more;

void sched_near_more(int64_t ns)
{
	near_more = ns;
}

void sched_near(int cpu, bool anyone)
{
	near_cpu = cpu;
	near_anyone = anyone;
}

/* t has been woken by who may block next, or is just ending, and they can take turns. */
static bool stays_near_locked(const struct sched *s, const struct sched_task *t)
{
	const struct sched_cpu *c = near_cpu < 0 ? NULL : &s->cpu[near_cpu];

	return c && t->cpu_mask & 1ULL << near_cpu && !c->nqueued &&
	       (near_anyone || (t->group && c->current && c->current->group == t->group));
}

/* Where a task that becomes runnable goes. */
static unsigned cpu_choose_locked(const struct sched *s, const struct sched_task *t)
{
	uint64_t last = t->cpu < 0 ? 0 : 1ULL << t->cpu;
	uint64_t idle = s->idle & t->cpu_mask;

	if (idle & s->polled)
		idle &= s->polled;
	else if (stays_near_locked(s, t))
		return (unsigned)near_cpu;
	if (idle)
		return (unsigned)__builtin_ctzll(idle & last ? last : idle);
	if (t->cpu_mask & last)
		return (unsigned)t->cpu;
	return cpu_shortest_locked(s, t->cpu_mask);
}

static void idle_end_locked(struct sched *s, unsigned cpu)
{
	s->idle &= ~(1ULL << cpu);
	s->polled &= ~(1ULL << cpu);
}

static void place_locked(struct sched *s, struct sched_task *t, unsigned cpu, struct todo *todo)
{
	uint64_t bit = 1ULL << cpu;

	queue_insert_locked(s, t, cpu, false);
	if (s->idle & bit) {
		idle_end_locked(s, cpu);
		todo->unpark = (int)cpu;
	} else if ((int)cpu == near_cpu && s->cpu[cpu].nqueued == 1) {
		s->cpu[cpu].lazy_since = core_now() + near_more;
	}
	slice_want_locked(&s->cpu[cpu], todo);
}

/* A parked vCPU comes for the first task of c's that it may run. One that is polled for has stolen
 * that already. */
static void spread_locked(struct sched_cpu *c, struct todo *todo)
{
	struct sched *s = c->sched;
	struct sched_task *t = TAILQ_FIRST(&c->movable);
	uint64_t parked = t ? s->idle & ~s->polled & t->cpu_mask : 0;

	c->lazy_since = TIME_NEVER;
	if (!parked)
		return;
	todo->unpark = __builtin_ctzll(parked);
	idle_end_locked(s, (unsigned)todo->unpark);
}

/*
 * The timer is never cancelled: a switch is cheaper if it leaves a stale timer behind, which at
 * most once per slice finds out here that it was armed for an earlier run.
 */
static void slice_fire(struct timer *t)
{
	struct sched_cpu *c = container_of(t, struct sched_cpu, slice);
	struct sched *s = c->sched;
	struct todo todo = TODO_NOTHING;

	pthread_mutex_lock(&s->lock);
	c->slice_armed = false;
	if (c->slice_run != c->run) {
		slice_want_locked(c, &todo);
	} else if (slice_ends_locked(c)) {
		c->slice_over = true;
		s->stats.preemptions++;
		todo.kick = (int)(c - s->cpu);
		if (c->current)
			spread_locked(c, &todo);
	}
	sched_unlock(s, &todo);
}

/* The first task of the longest other queue that may run on `cpu`. */
static struct sched_task *steal_locked(struct sched *s, unsigned cpu)
{
	struct sched_task *best = NULL, *t;
	unsigned best_length = 0;

	for (unsigned i = 0; i < s->cpus; i++) {
		struct sched_cpu *c = &s->cpu[i];

		if (i == cpu || c->nmovable <= best_length)
			continue;
		/* The first one will do, but for masks of some, not all, vCPUs. */
		TAILQ_FOREACH (t, &c->movable, move) {
			if (t->cpu_mask & 1ULL << cpu)
				break;
		}
		if (t) {
			best = t;
			best_length = c->nmovable;
		}
	}
	if (best)
		s->stats.steals++;
	return best;
}

/* ---- the life of the scheduler ---- */

struct sched *sched_create(unsigned cpus, struct timers *timers,
			   void (*kick)(void *arg, unsigned cpu), void *arg)
{
	struct sched *s;

	if (!cpus || cpus > SCHED_MAX_CPUS)
		return NULL;
	s = calloc(1, sizeof(*s) + cpus * sizeof(s->cpu[0]));
	if (!s)
		return NULL;
	s->cpus = cpus;
	s->all = cpus == 64 ? ~0ULL : (1ULL << cpus) - 1;
	s->timers = timers;
	s->kick = kick;
	s->arg = arg;
	pthread_mutex_init(&s->lock, NULL);
	for (unsigned i = 0; i < cpus; i++) {
		struct sched_cpu *c = &s->cpu[i];

		c->sched = s;
		pthread_cond_init(&c->parked, NULL);
		timer_init(&c->slice, timers, slice_fire);
		atomic_init(&c->lazy_since, TIME_NEVER);
		TAILQ_INIT(&c->queue);
		TAILQ_INIT(&c->movable);
	}
	return s;
}

void sched_destroy(struct sched *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->cpus; i++) {
		timer_cancel(&s->cpu[i].slice);
		pthread_cond_destroy(&s->cpu[i].parked);
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void sched_stop(struct sched *s)
{
	uint64_t running = 0;

	pthread_mutex_lock(&s->lock);
	s->stopped = true;
	for (unsigned i = 0; i < s->cpus; i++) {
		if (s->cpu[i].current)
			running |= 1ULL << i;
		pthread_cond_broadcast(&s->cpu[i].parked);
	}
	pthread_mutex_unlock(&s->lock);
	for (; running; running &= running - 1)
		s->kick(s->arg, (unsigned)__builtin_ctzll(running));
}

void sched_get_stats(struct sched *s, struct sched_stats *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->stats;
	pthread_mutex_unlock(&s->lock);
}

unsigned sched_cpus(const struct sched *s)
{
	return s->cpus;
}

unsigned sched_running(struct sched *s)
{
	unsigned n = 0;

	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->cpus; i++)
		n += s->cpu[i].current != NULL;
	pthread_mutex_unlock(&s->lock);
	return n;
}

unsigned sched_load(struct sched *s)
{
	unsigned load;

	pthread_mutex_lock(&s->lock);
	load = s->load;
	pthread_mutex_unlock(&s->lock);
	return load;
}

/* ---- the life of a task ---- */

static void deadline_fire(struct timer *timer)
{
	struct sched_task *t = container_of(timer, struct sched_task, deadline_timer);

	t->timed_out = true;
	sched_wake(t);
}

void sched_task_init(struct sched_task *t, struct sched *s)
{
	*t = (struct sched_task){
		.sched = s,
		.state = SCHED_NEW,
		.cpu = -1,
		.cpu_mask = s->all,
		.deadline = TIME_NEVER,
	};
	LIST_INIT(&t->waiters);
	timer_init(&t->deadline_timer, s->timers, deadline_fire);
	pthread_mutex_init(&t->wait_lock, NULL);
}

void sched_task_fini(struct sched_task *t)
{
	waitq_remove_all(t);
	sched_deadline(t, TIME_NEVER);
	pthread_mutex_destroy(&t->wait_lock);
}

void sched_start(struct sched_task *t)
{
	struct sched *s = t->sched;
	struct todo todo = TODO_NOTHING;

	pthread_mutex_lock(&s->lock);
	if (t->state == SCHED_NEW) {
		s->load++;
		place_locked(s, t, cpu_choose_locked(s, t), &todo);
	}
	sched_unlock(s, &todo);
}

/* Waits for a task if it may, and takes it off its queue. */
static struct sched_task *sched_pick_locked(struct sched *s, unsigned cpu, bool wait)
{
	struct sched_cpu *c = &s->cpu[cpu];
	struct sched_task *t;

	while (!s->stopped) {
		t = TAILQ_FIRST(&c->queue);
		if (!t)
			t = steal_locked(s, cpu);
		if (t) {
			queue_remove_locked(s, t);
			return t;
		}
		if (!wait)
			break;
		/* Set again each time round: who gave us a task has cleared it, and another may
		 * have stolen it. */
		s->idle |= 1ULL << cpu;
		pthread_cond_wait(&c->parked, &s->lock);
		idle_end_locked(s, cpu);
	}
	return NULL;
}

static void take_locked(struct sched *s, unsigned cpu, struct sched_task *t, struct todo *todo)
{
	struct sched_cpu *c = &s->cpu[cpu];

	t->state = SCHED_RUNNING;
	t->cpu = (int)cpu;
	t->run_started = core_now();
	if (c->last != t)
		s->stats.switches++;
	c->last = t;
	c->current = t;
	c->run++;
	c->slice_over = false;
	c->evict = false;
	c->lazy_since = TIME_NEVER;
	slice_want_locked(c, todo);
}

struct sched_task *sched_next(struct sched *s, unsigned cpu, bool wait)
{
	struct todo todo = TODO_NOTHING;
	struct sched_task *t;

	pthread_mutex_lock(&s->lock);
	/* It may have been idle while somebody stood in for it. */
	idle_end_locked(s, cpu);
	s->cpu[cpu].stood_in = false;
	t = sched_pick_locked(s, cpu, wait);
	if (t)
		take_locked(s, cpu, t, &todo);
	sched_unlock(s, &todo);
	return t;
}

/* ---- somebody stands in for a vCPU's thread ---- */

struct sched_task *sched_poll(struct sched *s, unsigned cpu)
{
	struct todo todo = TODO_NOTHING;
	struct sched_task *t;

	pthread_mutex_lock(&s->lock);
	idle_end_locked(s, cpu);
	s->cpu[cpu].stood_in = true;
	t = sched_pick_locked(s, cpu, false);
	if (t) {
		take_locked(s, cpu, t, &todo);
	} else {
		s->idle |= 1ULL << cpu;
		s->polled |= 1ULL << cpu;
		slice_want_locked(&s->cpu[cpu], &todo);
	}
	sched_unlock(s, &todo);
	return t;
}

bool sched_queued(const struct sched *s, unsigned cpu)
{
	return atomic_load_explicit(&s->cpu[cpu].nqueued, memory_order_relaxed) != 0;
}

void sched_spread(struct sched *s, unsigned cpu, int64_t before)
{
	struct sched_cpu *c = &s->cpu[cpu];
	struct todo todo = TODO_NOTHING;

	if (atomic_load_explicit(&c->lazy_since, memory_order_relaxed) > before)
		return;
	pthread_mutex_lock(&s->lock);
	spread_locked(c, &todo);
	sched_unlock(s, &todo);
}

/* RUNNING -> something else. */
static void sched_leave_locked(struct sched *s, struct sched_task *t)
{
	struct sched_cpu *c = &s->cpu[t->cpu];

	t->run_total += core_now() - t->run_started;
	if (c->current == t)
		c->current = NULL;
}

void sched_prepare(struct sched_task *t)
{
	waitq_collect_all(t);
	t->woken = false;
}

void sched_prepare_on(struct sched_task *t)
{
	t->woken = false;
}

bool sched_block(struct sched_task *t)
{
	struct sched *s = t->sched;
	bool blocked;

	pthread_mutex_lock(&s->lock);
	blocked = !t->woken;
	if (blocked) {
		sched_leave_locked(s, t);
		t->nvcsw++;
		t->state = SCHED_BLOCKED;
		s->load--;
	}
	pthread_mutex_unlock(&s->lock);
	return blocked;
}

void sched_yield_task(struct sched_task *t)
{
	struct sched *s = t->sched;
	struct todo todo = TODO_NOTHING;
	unsigned cpu;

	pthread_mutex_lock(&s->lock);
	cpu = (unsigned)t->cpu;
	sched_leave_locked(s, t);
	/* If its own queue is empty it goes on at once: nothing is gained by moving. */
	if (s->cpu[cpu].nqueued || !(t->cpu_mask & 1ULL << cpu)) {
		t->nivcsw++;
		cpu = cpu_choose_locked(s, t);
	}
	place_locked(s, t, cpu, &todo);
	sched_unlock(s, &todo);
}

void sched_put_back(struct sched_task *t)
{
	struct sched *s = t->sched;
	struct todo todo = TODO_NOTHING;
	unsigned cpu;

	pthread_mutex_lock(&s->lock);
	cpu = (unsigned)t->cpu;
	sched_leave_locked(s, t);
	if (t->cpu_mask & 1ULL << cpu) {
		queue_insert_locked(s, t, cpu, true);
		slice_want_locked(&s->cpu[cpu], &todo);
	} else {
		place_locked(s, t, cpu_choose_locked(s, t), &todo);
	}
	sched_unlock(s, &todo);
}

void sched_exit(struct sched_task *t)
{
	struct sched *s = t->sched;
	struct sched_cpu *c;

	waitq_remove_all(t);
	sched_deadline(t, TIME_NEVER);
	pthread_mutex_lock(&s->lock);
	c = &s->cpu[t->cpu];
	sched_leave_locked(s, t);
	/* A new task may get the same address: that is a switch. */
	if (c->last == t)
		c->last = NULL;
	t->state = SCHED_DEAD;
	s->load--;
	pthread_mutex_unlock(&s->lock);
}

/* ---- waking ---- */

static void sched_wake_locked(struct sched *s, struct sched_task *t, struct todo *todo)
{
	if (t->state != SCHED_BLOCKED && t->state != SCHED_RUNNING && t->state != SCHED_RUNNABLE)
		return;
	t->woken = true;
	if (t->state != SCHED_BLOCKED)
		return;
	s->stats.wakes++;
	s->load++;
	place_locked(s, t, cpu_choose_locked(s, t), todo);
}

void sched_wake(struct sched_task *t)
{
	struct sched *s = t->sched;
	struct todo todo = TODO_NOTHING;

	pthread_mutex_lock(&s->lock);
	sched_wake_locked(s, t, &todo);
	sched_unlock(s, &todo);
}

void sched_interrupt(struct sched_task *t)
{
	struct sched *s = t->sched;
	struct todo todo = TODO_NOTHING;

	pthread_mutex_lock(&s->lock);
	if (t->state == SCHED_RUNNING)
		todo.kick = t->cpu;
	sched_wake_locked(s, t, &todo);
	sched_unlock(s, &todo);
}

void sched_kick(struct sched_task *t)
{
	struct sched *s = t->sched;
	struct todo todo = TODO_NOTHING;

	pthread_mutex_lock(&s->lock);
	if (t->state == SCHED_RUNNING)
		todo.kick = t->cpu;
	sched_unlock(s, &todo);
}

void sched_deadline(struct sched_task *t, int64_t deadline)
{
	if (deadline == t->deadline)
		return;
	/* First the old one, else it could still set timed_out below us. */
	if (t->deadline != TIME_NEVER)
		timer_cancel(&t->deadline_timer);
	t->timed_out = false;
	t->deadline = deadline;
	if (deadline != TIME_NEVER)
		timer_arm(&t->deadline_timer, deadline);
}

int sched_set_affinity(struct sched_task *t, uint64_t mask)
{
	struct sched *s = t->sched;
	struct todo todo = TODO_NOTHING;
	struct sched_cpu *c;

	mask &= s->all;
	if (!mask)
		return -EINVAL;
	pthread_mutex_lock(&s->lock);
	if (t->state == SCHED_RUNNABLE) {
		/* Out and in again: it may be forbidden where it is, or an idle vCPU may be allowed
		 * now. */
		queue_remove_locked(s, t);
		t->cpu_mask = mask;
		place_locked(s, t, cpu_choose_locked(s, t), &todo);
	} else {
		t->cpu_mask = mask;
		if (t->state == SCHED_RUNNING) {
			c = &s->cpu[t->cpu];
			c->evict = !(mask & 1ULL << t->cpu);
			if (c->evict)
				todo.kick = t->cpu;
		}
	}
	sched_unlock(s, &todo);
	return 0;
}

int64_t sched_run_time(struct sched_task *t)
{
	int64_t ns;

	pthread_mutex_lock(&t->sched->lock);
	ns = atomic_load_explicit(&t->run_total, memory_order_relaxed);
	if (t->state == SCHED_RUNNING && t->run_started)
		ns += core_now() - t->run_started;
	pthread_mutex_unlock(&t->sched->lock);
	return ns;
}

bool sched_is_blocked(struct sched_task *t)
{
	bool blocked;

	pthread_mutex_lock(&t->sched->lock);
	blocked = t->state == SCHED_BLOCKED;
	pthread_mutex_unlock(&t->sched->lock);
	return blocked;
}

uint64_t sched_get_affinity(struct sched_task *t)
{
	uint64_t mask;

	pthread_mutex_lock(&t->sched->lock);
	mask = t->cpu_mask;
	pthread_mutex_unlock(&t->sched->lock);
	return mask;
}
