/*
 * Threads that play vCPUs, tasks that play threads: mutexes made of futexes, private ones and PI
 * ones, handed about under timeouts and requeues. Short; meant for MODE=tsan and asan. It ends only
 * if no wake is lost, and counts without atomics what the locks protect.
 */
#include "core_test.h"

#include "../../vmm/core/futex.h"
#include "../../vmm/core/reactor.h"

#define CPUS    3
#define ACTORS  24
#define ROUNDS  300
#define WAITERS FUTEX_WORD_WAITERS

/* The words' memory. */
static _Atomic uint32_t word[4];
static long guarded; /* by the lock under test */

static int load(void *m, uint64_t addr, uint32_t *out)
{
	*out = word[addr];
	return 0;
}

static int cmpxchg(void *m, uint64_t addr, uint32_t expected, uint32_t desired, uint32_t *found)
{
	*found = expected;
	atomic_compare_exchange_strong(&word[addr], found, desired);
	return 0;
}

static const struct futex_mem_ops ops = {load, cmpxchg};

struct actor {
	struct sched_task st; /* first: the scheduler gives it back */
	struct machine *m;
	bool (*step)(struct actor *a); /* true: ended */
	struct futex_owner self;
	struct futex_waiter w;
	unsigned left;
	bool waiting;
	bool contended; /* take the lock as one that others wait for */
};

struct machine {
	struct reactor *reactor;
	struct sched *sched;
	struct futex_table *ft;
	_Atomic unsigned alive;
	struct actor actor[ACTORS];
};

static void kick(void *arg, unsigned cpu)
{
}

static struct machine *running;

static void *cpu_loop(void *arg)
{
	struct machine *m = running;
	unsigned cpu = (unsigned)(uintptr_t)arg;
	struct sched_task *t;

	while ((t = sched_next(m->sched, cpu, true))) {
		struct actor *a = container_of(t, struct actor, st);

		for (;;) {
			sched_prepare(t);
			if (a->step(a)) {
				futex_owner_fini(m->ft, &a->self);
				sched_exit(t);
				if (!--m->alive)
					sched_stop(m->sched);
				break;
			}
			if (!a->waiting) {
				sched_yield_task(t);
				break;
			}
			if (sched_block(t))
				break;
		}
	}
	return NULL;
}

static struct futex_key key_of(uint64_t addr)
{
	return (struct futex_key){FUTEX_KEY_PRIVATE, 1, 0x1000 + 4 * addr};
}

static void waiter_for(struct actor *a, uint64_t addr, uint32_t value)
{
	a->w = (struct futex_waiter){
		.task = &a->st,
		.self = &a->self,
		.value = value,
		.bitset = FUTEX_BITSET_ANY,
		.key = key_of(addr),
		.word = {&ops, NULL, addr},
	};
}

static int wake(struct machine *m, uint64_t addr, int n)
{
	struct futex_key key = key_of(addr);

	return futex_wake(m->ft, &key, n, FUTEX_BITSET_ANY);
}

/* Has the wait that a began ended? Sometimes by a timeout, which then looks at the lock as well. */
static bool wait_over(struct actor *a)
{
	if (futex_woken(&a->w, 1) >= 0) {
		a->waiting = false;
	} else if (a->st.timed_out) {
		futex_leave(a->m->ft, &a->w, 1);
		a->waiting = false;
	}
	if (!a->waiting)
		sched_deadline(&a->st, TIME_NEVER);
	return !a->waiting;
}

/* Drepper's mutex: 0 free, 1 locked, 2 locked and waited for. */
static bool mutex_step(struct actor *a)
{
	uint32_t v = 0;

	if (a->waiting && !wait_over(a))
		return false;
	if (!a->contended && atomic_compare_exchange_strong(&word[0], &v, 1))
		goto locked;
	while (atomic_exchange(&word[0], 2) != 0) {
		waiter_for(a, 0, 2);
		/* The value may have changed meanwhile: again. */
		if (futex_wait(a->m->ft, &a->w, 1) != -EBLOCKED)
			continue;
		a->waiting = a->contended = true;
		if (a->left % 3 == 0)
			sched_deadline(&a->st, core_now() + 20000);
		return false;
	}
locked:
	a->contended = false;
	guarded++;
	if (atomic_exchange(&word[0], 0) == 2)
		wake(a->m, 0, 1);
	return --a->left == 0;
}

static bool pi_step(struct actor *a)
{
	struct futex_key key = key_of(1);
	struct futex_word w = {&ops, NULL, 1};
	uint32_t v = 0, tid = a->self.tid;
	int r;

	if (a->waiting) {
		if (!futex_queued(&a->w) && !a->w.woken)
			a->waiting = false; /* an owner was ending */
		else if (!wait_over(a))
			return false;
		if (a->w.woken)
			goto locked;
	}
	if (!atomic_compare_exchange_strong(&word[1], &v, tid)) {
		waiter_for(a, 1, 0);
		r = futex_pi_lock(a->m->ft, &a->w, false);
		assert_true(r == 0 || r == -EBLOCKED);
		if (r < 0) {
			a->waiting = true;
			if (a->left % 3 == 0)
				sched_deadline(&a->st, core_now() + 20000);
			return false;
		}
	}
locked:
	a->w.woken = false;
	assert_int_equal(word[1] & FUTEX_WORD_TID, tid);
	guarded++;
	/* Some end without an unlock, as the robust walk would leave it. */
	if (--a->left == 0 && tid % 2) {
		futex_owner_exit_begin(a->m->ft, &a->self);
		do
			v = word[1];
		while (!atomic_compare_exchange_strong(&word[1], &v,
						       (v & WAITERS) | FUTEX_WORD_DIED));
		futex_owner_exit_end(a->m->ft, &a->self);
		return true;
	}
	v = tid;
	if (!atomic_compare_exchange_strong(&word[1], &v, 0)) {
		do
			r = futex_pi_unlock(a->m->ft, &key, &w, &a->self);
		while (r == -EAGAIN);
		assert_int_equal(r, 0);
	}
	return a->left == 0;
}

/* Half wait at word 2, the others move them to word 3 and wake them there. */
static bool requeue_step(struct actor *a)
{
	struct futex_key key2 = key_of(2), key3 = key_of(3);
	struct futex_word w2 = {&ops, NULL, 2};

	if (a->waiting) {
		if (!wait_over(a))
			return false;
		return --a->left == 0;
	}
	if (a->self.tid % 2) {
		waiter_for(a, 2, 0);
		a->waiting = true;
		/* Nobody may be left to wake it at the end. */
		sched_deadline(&a->st, core_now() + 200000);
		assert_int_equal(futex_wait(a->m->ft, &a->w, 1), -EBLOCKED);
		return false;
	}
	futex_requeue(a->m->ft, &key2, &w2, 0, &key3, 1, 2);
	wake(a->m, 3, 1);
	return --a->left == 0;
}

static void run(bool (*step)(struct actor *a))
{
	struct machine *m = calloc(1, sizeof(*m));
	pthread_t thread[CPUS];

	assert_non_null(m);
	running = m;
	guarded = 0;
	m->reactor = reactor_create();
	assert_non_null(m->reactor);
	assert_int_equal(reactor_start(m->reactor), 0);
	m->sched = sched_create(CPUS, reactor_timers(m->reactor), kick, m);
	m->ft = futex_table_create(256);
	m->alive = ACTORS;
	for (unsigned i = 0; i < ACTORS; i++) {
		struct actor *a = &m->actor[i];

		*a = (struct actor){.m = m, .step = step, .left = ROUNDS};
		sched_task_init(&a->st, m->sched);
		futex_owner_init(m->ft, &a->self, i + 1);
	}
	for (unsigned i = 0; i < ACTORS; i++)
		sched_start(&m->actor[i].st);
	for (unsigned i = 0; i < CPUS; i++)
		pthread_create(&thread[i], NULL, cpu_loop, (void *)(uintptr_t)i);
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(m->alive, 0);
	for (unsigned i = 0; i < ACTORS; i++)
		sched_task_fini(&m->actor[i].st);
	reactor_stop(m->reactor);
	futex_table_destroy(m->ft);
	sched_destroy(m->sched);
	reactor_destroy(m->reactor);
	free(m);
}

static void a_mutex_excludes_and_loses_no_wake(void **state)
{
	run(mutex_step);
	assert_int_equal(guarded, (long)ACTORS * ROUNDS);
	assert_int_equal(word[0], 0);
}

static void a_pi_mutex_has_one_owner(void **state)
{
	run(pi_step);
	assert_int_equal(guarded, (long)ACTORS * ROUNDS);
	assert_int_equal(word[1] & FUTEX_WORD_TID, 0);
}

static void requeues_lose_nobody(void **state)
{
	run(requeue_step);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mutex_excludes_and_loses_no_wake),
		cmocka_unit_test(a_pi_mutex_has_one_owner),
		cmocka_unit_test(requeues_lose_nobody),
	};

	return cmocka_run_group_tests_name("futex: stress", tests, NULL, NULL);
}
