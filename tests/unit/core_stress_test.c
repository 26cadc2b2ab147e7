/*
 * Threads that play vCPUs: tasks are small state machines whose "system calls" run on whichever
 * thread has them. Short; meant for MODE=tsan and asan. They end only if no wake is lost.
 */
#include "core_test.h"

#include "../../vmm/core/reactor.h"
#include "../../vmm/core/registry.h"

#include <sched.h>

#define CPUS 3

struct machine;

struct actor {
	struct sched_task st; /* first: the scheduler gives it back */
	struct machine *m;
	bool (*step)(struct actor *a); /* the handler: true: ended; false: it has blocked itself */
	struct pipe *in, *out;
	unsigned left, done;
	int64_t deadline;
	struct fdtable *files;
};

struct machine {
	struct reactor *reactor;
	struct sched *sched;
	_Atomic unsigned alive;
	_Atomic bool resched[CPUS];
	pthread_t thread[CPUS];
	struct cpu_arg {
		struct machine *m;
		unsigned cpu;
	} arg[CPUS];
};

static void kick(void *arg, unsigned cpu)
{
	struct machine *m = arg;

	m->resched[cpu] = true;
}

/* As a vCPU does: step until the task blocks, ends or has had its slice. */
static void *cpu_loop(void *arg)
{
	struct cpu_arg *c = arg;
	struct machine *m = c->m;
	struct sched_task *t;

	while ((t = sched_next(m->sched, c->cpu, true))) {
		struct actor *a = container_of(t, struct actor, st);

		for (;;) {
			sched_prepare(t);
			if (a->step(a)) {
				sched_exit(t);
				if (!--m->alive)
					sched_stop(m->sched);
				break;
			}
			if (sched_block(t))
				break;
			if (sched_need_resched(m->sched, c->cpu)) {
				sched_yield_task(t);
				break;
			}
		}
	}
	return NULL;
}

static void machine_open(struct machine *m)
{
	*m = (struct machine){0};
	m->reactor = reactor_create();
	assert_non_null(m->reactor);
	assert_int_equal(reactor_start(m->reactor), 0);
	m->sched = sched_create(CPUS, reactor_timers(m->reactor), kick, m);
}

static void actor_init(struct actor *a, struct machine *m, bool (*step)(struct actor *a))
{
	*a = (struct actor){.m = m, .step = step};
	sched_task_init(&a->st, m->sched);
	m->alive++;
}

static void machine_run(struct machine *m)
{
	for (unsigned i = 0; i < CPUS; i++) {
		m->arg[i] = (struct cpu_arg){m, i};
		pthread_create(&m->thread[i], NULL, cpu_loop, &m->arg[i]);
	}
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(m->thread[i], NULL);
	assert_int_equal(m->alive, 0);
}

static void machine_close(struct machine *m)
{
	sched_destroy(m->sched);
	reactor_destroy(m->reactor);
}

/* ---- pipes ---- */

/* Reads a byte, writes a byte. */
static bool relay(struct actor *a)
{
	char c = 0;
	ssize_t n;

	for (; a->left; a->left--) {
		n = read_some(a->in, &c, 1, &a->st);
		if (n == -EBLOCKED)
			return false;
		assert_int_equal(n, 1);
		assert_int_equal(write_some(a->out, &c, 1, NULL), 1);
	}
	return true;
}

static void tokens_go_round_a_ring(void **state)
{
	enum { N = 50, ROUNDS = 40 };
	struct machine m;
	struct actor a[N];
	struct pipe *p[N];

	machine_open(&m);
	for (int i = 0; i < N; i++)
		p[i] = pipe_create();
	for (int i = 0; i < N; i++) {
		actor_init(&a[i], &m, relay);
		a[i].in = p[i];
		a[i].out = p[(i + 1) % N];
		a[i].left = ROUNDS;
		sched_start(&a[i].st);
	}
	write_some(p[0], "t", 1, NULL);
	write_some(p[N / 2], "t", 1, NULL);
	machine_run(&m);
	for (int i = 0; i < N; i++) {
		sched_task_fini(&a[i].st);
		pipe_reader_put(p[i]);
		pipe_writer_put(p[i]);
	}
	machine_close(&m);
}

/* Messages of a size that is written atomically: each carries its writer's letter in every byte. */
#define MESSAGE 1000

static bool write_messages(struct actor *a)
{
	char buf[MESSAGE];

	memset(buf, 'a' + (int)(a->done & 15), sizeof(buf));
	for (; a->left; a->left--) {
		ssize_t n = write_some(a->out, buf, sizeof(buf), &a->st);

		if (n == -EBLOCKED)
			return false;
		assert_int_equal(n, sizeof(buf));
	}
	pipe_writer_put(a->out);
	return true;
}

static bool read_messages(struct actor *a)
{
	char buf[MESSAGE];

	for (;;) {
		ssize_t n = read_some(a->in, buf, sizeof(buf), &a->st);

		if (n == -EBLOCKED)
			return false;
		if (!n)
			break;
		assert_int_equal(n, sizeof(buf));
		for (size_t i = 1; i < sizeof(buf); i++)
			assert_int_equal(buf[i], buf[0]);
		a->done++;
	}
	pipe_reader_put(a->in);
	return true;
}

static void many_writers_many_readers(size_t budget)
{
	enum { W = 8, R = 5, MESSAGES = 60 };
	struct machine m;
	struct actor w[W], r[R];
	struct pipe *p = pipe_create();
	unsigned total = 0;

	pipe_set_budget(budget);
	machine_open(&m);
	for (unsigned i = 0; i < W; i++) {
		actor_init(&w[i], &m, write_messages);
		pipe_writer_get(p);
		w[i].out = p;
		w[i].left = MESSAGES;
		w[i].done = i;
		sched_start(&w[i].st);
	}
	for (int i = 0; i < R; i++) {
		actor_init(&r[i], &m, read_messages);
		pipe_reader_get(p);
		r[i].in = p;
		sched_start(&r[i].st);
	}
	pipe_reader_put(p);
	pipe_writer_put(p);
	machine_run(&m);
	for (int i = 0; i < W; i++)
		sched_task_fini(&w[i].st);
	for (int i = 0; i < R; i++) {
		sched_task_fini(&r[i].st);
		total += r[i].done;
	}
	assert_int_equal(total, W * MESSAGES);
	machine_close(&m);
	assert_int_equal(pipe_budget_used(), 0);
	pipe_set_budget(PIPE_BUDGET_PAGES);
}

static void messages_are_not_torn_and_none_is_lost(void **state)
{
	many_writers_many_readers(PIPE_BUDGET_PAGES);
}

static void nor_without_memory_to_spare(void **state)
{
	many_writers_many_readers(0);
}

/* ---- the last writer goes while a reader looks ---- */

static void *put_writers(void *arg)
{
	struct pipe *_Atomic *slot = arg;
	struct pipe *p;

	for (int i = 0; i < 300; i++) {
		while (!(p = atomic_exchange(slot, NULL)))
			sched_yield();
		pipe_writer_put(p);
	}
	return NULL;
}

static void end_of_file_races_a_read(void **state)
{
	struct pipe *_Atomic slot = NULL;
	struct sched_task t;
	struct world w;
	pthread_t thread;
	char c;

	world_open(&w, 1);
	world_run(&w, &t);
	pthread_create(&thread, NULL, put_writers, &slot);
	for (int i = 0; i < 300; i++) {
		struct pipe *p = pipe_create();

		slot = p;
		for (int spin = i % 50; spin; spin--)
			atomic_load(&slot);
		/* Blocked or not: the end must be seen, or a wake must come. */
		while (read_some(p, &c, 1, &t) == -EBLOCKED) {
			if (sched_block(&t)) {
				while (!world_next(&w, 0))
					sched_yield();
			}
			sched_prepare(&t);
		}
		pipe_reader_put(p);
	}
	pthread_join(thread, NULL);
	world_end(&t);
	world_close(&w);
}

/* ---- wakes against timeouts ---- */

static struct waitq bell;
static _Atomic unsigned rung, heard;

/* Sleeps on the bell with a short deadline, again and again. */
static bool sleeper(struct actor *a)
{
	if (a->st.timed_out)
		heard++;
	while (a->left--) {
		waitq_add(&bell, &a->st, a->left & 1);
		sched_deadline(&a->st, core_now() + a->left % 5 * 20000);
		return false;
	}
	sched_deadline(&a->st, TIME_NEVER);
	return true;
}

static bool ringer(struct actor *a)
{
	while (a->left--) {
		rung += (unsigned)waitq_wake(&bell, 2);
		sched_wake(&a->st);
		return false;
	}
	return true;
}

static void wakes_race_timeouts(void **state)
{
	enum { N = 40 };
	struct machine m;
	struct actor a[N], r;

	waitq_init(&bell);
	machine_open(&m);
	for (int i = 0; i < N; i++) {
		actor_init(&a[i], &m, sleeper);
		a[i].left = 50;
		sched_start(&a[i].st);
	}
	actor_init(&r, &m, ringer);
	r.left = 500;
	sched_start(&r.st);
	machine_run(&m);
	for (int i = 0; i < N; i++)
		sched_task_fini(&a[i].st);
	sched_task_fini(&r.st);
	waitq_destroy(&bell);
	machine_close(&m);
}

/* ---- interrupts and affinity from outside ---- */

static bool spin(struct actor *a)
{
	while (a->left--) {
		if (a->left % 3)
			sched_deadline(&a->st, core_now() + 1000);
		else
			sched_wake(&a->st);
		return false;
	}
	return true;
}

static void *meddle(void *arg)
{
	struct actor *a = arg;

	for (int i = 0; i < 500; i++) {
		sched_interrupt(&a[i % 10].st);
		sched_set_affinity(&a[i % 7].st, (uint64_t)i % 7 + 1);
	}
	return NULL;
}

static void interrupts_and_affinity_from_a_foreign_thread(void **state)
{
	enum { N = 10 };
	struct machine m;
	struct actor a[N];
	pthread_t thread;

	machine_open(&m);
	for (int i = 0; i < N; i++) {
		actor_init(&a[i], &m, spin);
		a[i].left = 200;
		sched_start(&a[i].st);
	}
	pthread_create(&thread, NULL, meddle, a);
	machine_run(&m);
	pthread_join(thread, NULL);
	for (int i = 0; i < N; i++)
		sched_task_fini(&a[i].st);
	machine_close(&m);
}

/* ---- tables and processes ---- */

static void *fork_and_exit(void *arg)
{
	struct fdtable *t = arg;

	for (int i = 0; i < 200; i++) {
		struct fdtable *child = fdtable_clone(t);
		struct file *f = fdtable_lookup(child, i & 1);

		fdtable_dup2(child, 0, 20 + i % 50, 1024, i & 1);
		fdtable_dup2(t, 1, 20 + i % 50, 1024, true);
		fdtable_close_exec(child);
		fdtable_put(child);
		file_close(f);
		fdtable_close(t, 20 + i % 50);
	}
	return NULL;
}

static void tables_are_cloned_and_closed_at_once(void **state)
{
	struct fdtable *t = fdtable_create(1024);
	pthread_t thread[2];
	struct pipe *p;
	int fd[2];
	char c;

	p = pipe_open(t, fd);
	for (int i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, fork_and_exit, t);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	/* Every reference has been given back: one close ends each side. */
	assert_int_equal(read_some(p, &c, 1, NULL), -EAGAIN);
	fdtable_close(t, fd[1]);
	assert_int_equal(read_some(p, &c, 1, NULL), 0);
	fdtable_put(t);
}

static void *breed(void *arg)
{
	struct registry *r = arg;

	for (int i = 0; i < 300; i++) {
		int id = registry_create_process(r, 1), child;
		struct exit_observer *o;

		if (id < 0)
			continue;
		child = registry_create_process(r, (uint32_t)id);
		o = registry_observe(r, (uint32_t)id);
		registry_exit_process(r, (uint32_t)id, 1, NULL, NULL, NULL);
		assert_true(o->exited);
		registry_remove_process(r, (uint32_t)id);
		exit_observer_put(o);
		if (child > 0)
			assert_int_equal(registry_abort_process(r, (uint32_t)child), 0);
	}
	return NULL;
}

static void processes_come_and_go_on_all_threads(void **state)
{
	struct registry *r = registry_create(12);
	pthread_t thread[3];

	assert_int_equal(registry_create_process(r, 0), 1);
	for (int i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, breed, r);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(registry_process_count(r), 1);
	assert_int_equal(registry_get_children(r, 1, NULL, 0), 0);
	registry_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_go_round_a_ring),
		cmocka_unit_test(messages_are_not_torn_and_none_is_lost),
		cmocka_unit_test(nor_without_memory_to_spare),
		cmocka_unit_test(end_of_file_races_a_read),
		cmocka_unit_test(wakes_race_timeouts),
		cmocka_unit_test(interrupts_and_affinity_from_a_foreign_thread),
		cmocka_unit_test(tables_are_cloned_and_closed_at_once),
		cmocka_unit_test(processes_come_and_go_on_all_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
