/* The scheduler, driven by hand: states, wakes, deadlines, slices, affinity, stealing. */
#include "core_test.h"

static struct world w;
static struct sched_task t[8];

static int one_cpu(void **state)
{
	world_open(&w, 1);
	return 0;
}

static int two_cpus(void **state)
{
	world_open(&w, 2);
	return 0;
}

static int tear_down(void **state)
{
	world_close(&w);
	return 0;
}

static void start(int i)
{
	sched_task_init(&t[i], w.sched);
	sched_start(&t[i]);
}

/* Started so that it is queued on `cpu`. */
static void start_on(int i, unsigned cpu)
{
	sched_task_init(&t[i], w.sched);
	assert_int_equal(sched_set_affinity(&t[i], 1ULL << cpu), 0);
	sched_start(&t[i]);
	assert_int_equal(sched_set_affinity(&t[i], ~0ULL), 0);
}

static void take(unsigned cpu, int i)
{
	assert_ptr_equal(world_next(&w, cpu), &t[i]);
	assert_int_equal(t[i].state, SCHED_RUNNING);
	assert_int_equal(t[i].cpu, (int)cpu);
}

static void take_none(unsigned cpu)
{
	assert_null(world_next(&w, cpu));
}

static void end(int i)
{
	world_end(&t[i]);
}

/* ---- states ---- */

static void tasks_run_first_come_first_served(void **state)
{
	for (int i = 0; i < 3; i++)
		start(i);
	assert_int_equal(sched_load(w.sched), 3);
	for (int i = 0; i < 3; i++) {
		take(0, i);
		end(i);
	}
	take_none(0);
	assert_int_equal(sched_load(w.sched), 0);
}

/* ---- somebody stands in for a vCPU's thread ---- */

static void block(int i)
{
	sched_prepare(&t[i]);
	assert_true(sched_block(&t[i]));
}

static void what_a_task_wakes_waits_for_its_vcpu(void **state)
{
	int64_t before = core_now();

	start_on(0, 0);
	start_on(1, 1);
	start_on(2, 1);
	take(0, 0);
	take(1, 1);
	block(1);
	take(1, 2);
	block(2);
	take_none(1);
	sched_near(0, false);
	/* Not somebody with whom it cannot take turns cheaply. */
	t[0].group = t[2].group = &w;
	sched_wake(&t[1]);
	assert_false(sched_queued(w.sched, 0));
	take(1, 1);
	block(1);
	/* Unless anyone can. */
	sched_near(0, true);
	sched_wake(&t[1]);
	assert_true(sched_queued(w.sched, 0));
	assert_false(sched_queued(w.sched, 1));
	take(1, 1);
	block(1);
	sched_near(0, false);
	t[1].group = &w;
	sched_wake(&t[1]);
	assert_true(sched_queued(w.sched, 0));
	assert_false(sched_queued(w.sched, 1));
	/* A second one would wait for two. */
	sched_wake(&t[2]);
	assert_true(sched_queued(w.sched, 1));
	sched_near(-1, false);
	/* Before its time and after it; here nobody is parked, to get it. */
	sched_spread(w.sched, 0, before);
	sched_spread(w.sched, 0, core_now());
	take(1, 2);
	block(0);
	assert_ptr_equal(sched_poll(w.sched, 0), &t[1]);
	assert_false(sched_queued(w.sched, 0));
	sched_wake(&t[0]);
	end(1);
	take(0, 0);
	end(0);
	end(2);
}

static void a_polled_vcpu_is_idle(void **state)
{
	start_on(0, 0);
	start_on(1, 1);
	take(0, 0);
	take(1, 1);
	block(1);
	assert_null(sched_poll(w.sched, 1));
	/* It last ran elsewhere, but there somebody runs. */
	block(0);
	sched_wake(&t[0]);
	assert_true(sched_queued(w.sched, 1));
	assert_ptr_equal(sched_poll(w.sched, 1), &t[0]);
	assert_null(world_next(&w, 0));
	/* Its thread has it again. */
	block(0);
	assert_null(sched_poll(w.sched, 1));
	take_none(1);
	sched_wake(&t[1]);
	assert_true(sched_queued(w.sched, 1));
	sched_wake(&t[0]);
	take(1, 1);
	assert_ptr_equal(sched_poll(w.sched, 1), &t[0]);
	end(0);
	end(1);
}

/* Somebody stands in for the vCPU, comes to nothing, and may be late from then on. */
static void what_may_run_without_a_task_is_kicked(void **state)
{
	start_on(0, 0);
	take(0, 0);
	block(0);
	assert_null(sched_poll(w.sched, 0));
	timers_run(w.timers, core_now() + 2 * SCHED_SLICE_NS);
	assert_int_equal(w.kicks, 1);
	assert_int_equal(w.kicked_cpu, 0);
	/* Its thread has come, and gone to sleep. */
	take_none(0);
	timers_run(w.timers, core_now() + 4 * SCHED_SLICE_NS);
	assert_int_equal(w.kicks, 1);
	/* It waits for who stands in. */
	assert_null(sched_poll(w.sched, 0));
	sched_wake(&t[0]);
	timers_run(w.timers, core_now() + 6 * SCHED_SLICE_NS);
	assert_int_equal(w.kicks, 2);
	assert_int_equal(sched_running(w.sched), 0);
	take(0, 0);
	assert_int_equal(sched_running(w.sched), 1);
	end(0);
}

static void who_cannot_be_gone_on_with_is_the_next(void **state)
{
	start_on(0, 0);
	start_on(1, 0);
	assert_ptr_equal(sched_poll(w.sched, 0), &t[0]);
	sched_wake(&t[0]);
	sched_put_back(&t[0]);
	assert_int_equal(sched_running(w.sched), 0);
	timers_run(w.timers, core_now() + 2 * SCHED_SLICE_NS);
	assert_int_equal(w.kicks, 1);
	take(0, 0);
	assert_true(t[0].woken);
	end(0);
	take(0, 1);
	/* Its affinity has changed meanwhile. */
	assert_int_equal(sched_set_affinity(&t[1], 1), 0);
	sched_yield_task(&t[1]);
	assert_ptr_equal(sched_poll(w.sched, 0), &t[1]);
	assert_int_equal(sched_set_affinity(&t[1], 2), 0);
	sched_put_back(&t[1]);
	take_none(0);
	take(1, 1);
	end(1);
}

static void a_new_task_cannot_be_woken(void **state)
{
	sched_task_init(&t[0], w.sched);
	sched_wake(&t[0]);
	sched_interrupt(&t[0]);
	take_none(0);
	sched_task_fini(&t[0]);
}

static void a_dead_task_cannot_be_woken(void **state)
{
	start(0);
	take(0, 0);
	sched_exit(&t[0]);
	sched_interrupt(&t[0]);
	take_none(0);
	assert_int_equal(w.kicks, 0);
	sched_task_fini(&t[0]);
}

static void a_blocked_task_runs_when_it_is_woken(void **state)
{
	start(0);
	take(0, 0);
	sched_prepare(&t[0]);
	assert_true(sched_block(&t[0]));
	assert_int_equal(sched_load(w.sched), 0);
	take_none(0);
	sched_wake(&t[0]);
	sched_wake(&t[0]); /* it is queued once */
	take(0, 0);
	take_none(0);
	end(0);
}

static void a_yield_goes_to_the_tail(void **state)
{
	start(0);
	start(1);
	take(0, 0);
	sched_yield_task(&t[0]);
	take(0, 1);
	sched_yield_task(&t[1]);
	take(0, 0);
	end(0);
	take(0, 1);
	end(1);
}

static void only_another_task_is_a_switch(void **state)
{
	struct sched_stats s;

	start(0);
	take(0, 0);
	for (int i = 0; i < 5; i++) {
		sched_yield_task(&t[0]);
		take(0, 0);
	}
	sched_get_stats(w.sched, &s);
	assert_int_equal(s.switches, 1);
	end(0);
	start(0); /* the same memory, another task */
	take(0, 0);
	sched_get_stats(w.sched, &s);
	assert_int_equal(s.switches, 2);
	end(0);
}

static void stop_ends_every_wait_and_every_run(void **state)
{
	start(0);
	start(1);
	take(0, 0);
	assert_false(sched_need_resched(w.sched, 0));
	sched_stop(w.sched);
	assert_int_equal(w.kicked_cpu, 0);
	assert_true(sched_need_resched(w.sched, 0));
	assert_null(sched_next(w.sched, 0, true));
	end(0);
	/* t[1] stays in a queue that nobody will look at again. */
}

static void time_that_a_task_ran_is_counted(void **state)
{
	int64_t before;

	start(0);
	take(0, 0);
	before = core_now();
	while (core_now() < before + 1000000)
		;
	assert_int_equal(t[0].run_total, 0);
	sched_yield_task(&t[0]);
	assert_true(t[0].run_total >= 1000000);
	take(0, 0);
	end(0);
}

/* ---- wakes and blocks ---- */

static void a_wake_after_prepare_makes_block_fail(void **state)
{
	start(0);
	take(0, 0);
	sched_prepare(&t[0]);
	sched_wake(&t[0]);
	assert_false(sched_block(&t[0]));
	assert_int_equal(t[0].state, SCHED_RUNNING);
	sched_prepare(&t[0]);
	assert_true(sched_block(&t[0]));
	sched_wake(&t[0]);
	take(0, 0);
	end(0);
}

static void a_wake_before_prepare_is_old_news(void **state)
{
	start(0);
	take(0, 0);
	sched_wake(&t[0]);
	sched_prepare(&t[0]);
	assert_true(sched_block(&t[0]));
	sched_wake(&t[0]);
	take(0, 0);
	end(0);
}

static void an_interrupt_kicks_only_what_runs(void **state)
{
	start(0);
	sched_interrupt(&t[0]);
	assert_int_equal(w.kicks, 0);
	take(0, 0);
	sched_prepare(&t[0]);
	sched_wake(&t[0]);
	assert_int_equal(w.kicks, 0); /* a plain wake lets it run on */
	sched_interrupt(&t[0]);
	assert_int_equal(w.kicks, 1);
	assert_int_equal(w.kicked_cpu, 0);
	assert_false(sched_block(&t[0]));
	sched_prepare(&t[0]);
	assert_true(sched_block(&t[0]));
	sched_interrupt(&t[0]);
	assert_int_equal(w.kicks, 1);
	take(0, 0);
	end(0);
}

/* ---- deadlines ---- */

static void a_deadline_wakes_with_timed_out_set(void **state)
{
	start(0);
	take(0, 0);
	sched_prepare(&t[0]);
	sched_deadline(&t[0], 1000);
	assert_true(sched_block(&t[0]));
	assert_int_equal(timers_run(w.timers, 999), 1000);
	take_none(0);
	timers_run(w.timers, 1000);
	take(0, 0);
	assert_true(t[0].timed_out);
	sched_deadline(&t[0], TIME_NEVER);
	assert_false(t[0].timed_out);
	end(0);
}

static void a_replaced_deadline_does_not_fire(void **state)
{
	start(0);
	take(0, 0);
	sched_prepare(&t[0]);
	sched_deadline(&t[0], 1000);
	sched_deadline(&t[0], 2000);
	assert_true(sched_block(&t[0]));
	assert_int_equal(timers_run(w.timers, 1500), 2000);
	take_none(0);
	timers_run(w.timers, 2000);
	take(0, 0);
	end(0);
}

static void an_ended_task_leaves_no_deadline(void **state)
{
	start(0);
	take(0, 0);
	sched_deadline(&t[0], 1000);
	end(0);
	assert_int_equal(timers_run(w.timers, 5000), TIME_NEVER);
}

/* A handler may set its absolute deadline on every run: that it has passed is not forgotten. */
static void the_same_deadline_again_changes_nothing(void **state)
{
	start(0);
	take(0, 0);
	sched_prepare(&t[0]);
	sched_deadline(&t[0], 1000);
	assert_true(sched_block(&t[0]));
	timers_run(w.timers, 1000);
	take(0, 0);
	sched_deadline(&t[0], 1000);
	assert_true(t[0].timed_out);
	assert_int_equal(timers_run(w.timers, 1000), TIME_NEVER);
	end(0);
}

/*
 * The wake comes first, the deadline before the task has run: it runs once, and finds both. The
 * wake wins, because the handler looks at its condition before it looks at timed_out.
 */
static void a_wake_then_a_timeout_is_one_run(void **state)
{
	struct waitq wq;

	waitq_init(&wq);
	start(0);
	take(0, 0);
	sched_prepare(&t[0]);
	waitq_add(&wq, &t[0], true);
	sched_deadline(&t[0], 1000);
	assert_true(sched_block(&t[0]));
	assert_int_equal(waitq_wake(&wq, 1), 1); /* counted: it must not be lost */
	timers_run(w.timers, 1000);
	take(0, 0);
	take_none(0);
	assert_true(t[0].timed_out);
	assert_true(t[0].pool[0].woken);
	end(0);
	waitq_destroy(&wq);
}

/* The deadline comes first; a wake before the task has run still finds it queued, and counts it. */
static void a_timeout_then_a_wake_is_one_run(void **state)
{
	struct waitq wq;

	waitq_init(&wq);
	start(0);
	take(0, 0);
	sched_prepare(&t[0]);
	waitq_add(&wq, &t[0], true);
	sched_deadline(&t[0], 1000);
	assert_true(sched_block(&t[0]));
	timers_run(w.timers, 1000);
	assert_int_equal(waitq_wake(&wq, 1), 1);
	take(0, 0);
	take_none(0);
	/* Once its handler runs it is queued no more, and a wake goes to somebody else. */
	sched_prepare(&t[0]);
	assert_int_equal(waitq_wake(&wq, 1), 0);
	end(0);
	waitq_destroy(&wq);
}

/* The deadline fires between the handler and the block. */
static void a_timeout_before_the_block_is_not_lost(void **state)
{
	start(0);
	take(0, 0);
	sched_prepare(&t[0]);
	sched_deadline(&t[0], 1000);
	timers_run(w.timers, 1000);
	assert_false(sched_block(&t[0]));
	assert_true(t[0].timed_out);
	end(0);
}

/* ---- slices ---- */

static int64_t slice_end(int i)
{
	return t[i].run_started + SCHED_SLICE_NS;
}

static void a_task_alone_is_never_preempted(void **state)
{
	start(0);
	take(0, 0);
	assert_int_equal(timers_run(w.timers, slice_end(0) * 2), TIME_NEVER);
	assert_false(sched_need_resched(w.sched, 0));
	assert_int_equal(w.kicks, 0);
	end(0);
}

static void a_slice_ends_when_another_task_waits(void **state)
{
	start(0);
	start(1);
	take(0, 0);
	assert_int_equal(timers_run(w.timers, slice_end(0) - 1), slice_end(0));
	assert_false(sched_need_resched(w.sched, 0));
	timers_run(w.timers, slice_end(0));
	assert_true(sched_need_resched(w.sched, 0));
	assert_int_equal(w.kicks, 1);
	sched_yield_task(&t[0]);
	take(0, 1);
	assert_false(sched_need_resched(w.sched, 0));
	end(1);
	take(0, 0);
	end(0);
}

/* The slice counts from when the task began, not from when the other one came. */
static void a_late_comer_arms_the_slice(void **state)
{
	start(0);
	take(0, 0);
	assert_int_equal(timers_run(w.timers, 0), TIME_NEVER);
	start(1);
	assert_int_equal(timers_run(w.timers, 0), slice_end(0));
	timers_run(w.timers, slice_end(0));
	assert_int_equal(w.kicks, 1);
	end(0);
	take(0, 1);
	end(1);
}

/* A timer that was armed for an earlier run starts the slice of this one instead. */
static void a_stale_slice_timer_kicks_nobody(void **state)
{
	int64_t old;

	start(0);
	start(1);
	start(2);
	take(0, 0);
	old = slice_end(0);
	sched_yield_task(&t[0]);
	take(0, 1);
	if (slice_end(1) == old) /* a clock too coarse to tell */
		t[1].run_started++;
	assert_int_equal(timers_run(w.timers, old), slice_end(1));
	assert_false(sched_need_resched(w.sched, 0));
	assert_int_equal(w.kicks, 0);
	timers_run(w.timers, slice_end(1));
	assert_int_equal(w.kicks, 1);
	end(1);
	take(0, 2);
	end(2);
	take(0, 0);
	end(0);
}

/* The slice ended for a task that was then stolen; when the next one comes, the kick comes again.
 */
static void a_kick_for_a_stolen_task_is_repeated_for_the_next(void **state)
{
	start_on(0, 0);
	take(0, 0);
	start_on(1, 0);
	timers_run(w.timers, slice_end(0));
	assert_int_equal(w.kicks, 1);
	take(1, 1); /* stolen */
	assert_false(sched_need_resched(w.sched, 0));
	start_on(2, 0);
	assert_int_equal(timers_run(w.timers, slice_end(0)), TIME_NEVER);
	assert_int_equal(w.kicks, 2);
	assert_true(sched_need_resched(w.sched, 0));
	end(0);
	end(1);
	take(0, 2);
	end(2);
}

/* ---- where tasks go ---- */

static void new_tasks_spread(void **state)
{
	start(0);
	start(1);
	assert_int_equal(t[0].cpu, 0);
	assert_int_equal(t[1].cpu, 1);
	take(1, 1);
	take(0, 0);
	end(0);
	end(1);
}

static void a_woken_task_goes_back_to_its_vcpu(void **state)
{
	start_on(0, 1);
	take(1, 0);
	sched_prepare(&t[0]);
	assert_true(sched_block(&t[0]));
	sched_wake(&t[0]);
	assert_int_equal(t[0].cpu, 1);
	take(1, 0);
	end(0);
}

static void a_vcpu_without_work_steals_from_the_longest_queue(void **state)
{
	struct sched_stats s;
	struct world w3;

	world_open(&w3, 3);
	for (int i = 0; i < 5; i++) {
		sched_task_init(&t[i], w3.sched);
		sched_set_affinity(&t[i], i < 2 ? 1 : 2);
		sched_start(&t[i]);
		sched_set_affinity(&t[i], ~0ULL);
	}
	/* vCPU 0 has two, vCPU 1 has three: t[2], t[3], t[4]. */
	assert_ptr_equal(world_next(&w3, 2), &t[2]);
	sched_get_stats(w3.sched, &s);
	assert_int_equal(s.steals, 1);
	world_end(&t[2]);
	for (int i = 0; i < 4; i++)
		world_end(world_next(&w3, 2));
	assert_null(world_next(&w3, 0));
	world_close(&w3);
}

static void a_steal_respects_affinity(void **state)
{
	start(0);
	assert_int_equal(sched_set_affinity(&t[0], 1), 0);
	start_on(1, 0);
	take(1, 1); /* past t[0], which may run on vCPU 0 only */
	take_none(1);
	take(0, 0);
	end(0);
	end(1);
}

/* Movable, but not to every vCPU: the thief passes it over for a shorter queue's task. */
static void a_steal_respects_a_mask_of_some_vcpus(void **state)
{
	struct world w3;

	world_open(&w3, 3);
	for (int i = 0; i < 3; i++) {
		sched_task_init(&t[i], w3.sched);
		sched_set_affinity(&t[i], i < 2 ? 1 : 2);
		sched_start(&t[i]);
		sched_set_affinity(&t[i], i < 2 ? 3 : 7);
	}
	assert_ptr_equal(world_next(&w3, 2), &t[2]);
	assert_null(world_next(&w3, 2));
	assert_ptr_equal(world_next(&w3, 1), &t[0]);
	assert_ptr_equal(world_next(&w3, 0), &t[1]);
	for (int i = 0; i < 3; i++)
		end(i);
	world_close(&w3);
}

/* ---- affinity ---- */

static void affinity_needs_a_vcpu_that_exists(void **state)
{
	start(0);
	assert_int_equal(sched_set_affinity(&t[0], 0), -EINVAL);
	assert_int_equal(sched_set_affinity(&t[0], ~3ULL), -EINVAL);
	assert_int_equal(sched_set_affinity(&t[0], ~0ULL), 0);
	assert_int_equal(t[0].cpu_mask, 3);
	take(0, 0);
	end(0);
}

static void a_queued_task_moves_with_its_affinity(void **state)
{
	start(0);
	assert_int_equal(sched_set_affinity(&t[0], 2), 0);
	take_none(0);
	take(1, 0);
	end(0);
}

static void a_running_task_is_evicted_by_its_affinity(void **state)
{
	start(0);
	take(0, 0);
	assert_int_equal(sched_set_affinity(&t[0], 2), 0);
	assert_int_equal(w.kicked_cpu, 0);
	assert_true(sched_need_resched(w.sched, 0));
	sched_yield_task(&t[0]);
	take_none(0);
	take(1, 0);
	assert_false(sched_need_resched(w.sched, 1));
	end(0);
}

static void a_blocked_task_wakes_where_it_may_run(void **state)
{
	start(0);
	take(0, 0);
	sched_prepare(&t[0]);
	assert_true(sched_block(&t[0]));
	assert_int_equal(sched_set_affinity(&t[0], 2), 0);
	sched_wake(&t[0]);
	take_none(0);
	take(1, 0);
	end(0);
}

/* ---- any thread ---- */

struct foreign_run {
	struct sched_task *task;
	struct waitq *wq;
	bool blocked;
};

static void *run_handler(void *arg)
{
	struct foreign_run *run = arg;

	sched_prepare(run->task);
	waitq_add(run->wq, run->task, true);
	sched_deadline(run->task, 1000);
	run->blocked = sched_block(run->task);
	return NULL;
}

/* "any host thread can run any task's system call" (one that has no vCPU). */
static void a_handler_runs_from_a_foreign_thread(void **state)
{
	struct waitq wq;
	struct foreign_run run = {.task = &t[0], .wq = &wq};
	pthread_t thread;

	waitq_init(&wq);
	start(0);
	take(0, 0);
	pthread_create(&thread, NULL, run_handler, &run);
	pthread_join(thread, NULL);
	assert_true(run.blocked);
	assert_int_equal(waitq_wake(&wq, 1), 1);
	take(0, 0);
	end(0);
	waitq_destroy(&wq);
}

/* ---- many ---- */

static void ten_thousand_tasks(void **state)
{
	enum { N = 10000 };
	struct sched_task *many = calloc(N, sizeof(*many));
	struct waitq wq;

	waitq_init(&wq);
	for (int i = 0; i < N; i++) {
		sched_task_init(&many[i], w.sched);
		sched_start(&many[i]);
	}
	assert_int_equal(sched_load(w.sched), N);
	for (int i = 0; i < N; i++) {
		struct sched_task *task = world_next(&w, (unsigned)i & 1);

		sched_prepare(task);
		waitq_add(&wq, task, i & 2);
		sched_deadline(task, 1000 + i);
		assert_true(sched_block(task));
	}
	take_none(0);
	timers_run(w.timers, 1000 + N / 2 - 1);
	assert_int_equal(sched_load(w.sched), N / 2);
	assert_int_equal(waitq_wake_all(&wq), N);
	for (int i = 0; i < N; i++)
		world_end(world_next(&w, 0)); /* half of them are stolen */
	take_none(0);
	assert_int_equal(sched_load(w.sched), 0);
	waitq_destroy(&wq);
	free(many);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, one_cpu, tear_down)
#define TWO(name) cmocka_unit_test_setup_teardown(name, two_cpus, tear_down)
	const struct CMUnitTest tests[] = {
		ONE(tasks_run_first_come_first_served),
		ONE(a_new_task_cannot_be_woken),
		TWO(what_a_task_wakes_waits_for_its_vcpu),
		TWO(a_polled_vcpu_is_idle),
		ONE(what_may_run_without_a_task_is_kicked),
		TWO(who_cannot_be_gone_on_with_is_the_next),
		ONE(a_dead_task_cannot_be_woken),
		ONE(a_blocked_task_runs_when_it_is_woken),
		ONE(a_yield_goes_to_the_tail),
		ONE(only_another_task_is_a_switch),
		ONE(stop_ends_every_wait_and_every_run),
		ONE(time_that_a_task_ran_is_counted),
		ONE(a_wake_after_prepare_makes_block_fail),
		ONE(a_wake_before_prepare_is_old_news),
		ONE(an_interrupt_kicks_only_what_runs),
		ONE(a_deadline_wakes_with_timed_out_set),
		ONE(a_replaced_deadline_does_not_fire),
		ONE(an_ended_task_leaves_no_deadline),
		ONE(the_same_deadline_again_changes_nothing),
		ONE(a_wake_then_a_timeout_is_one_run),
		ONE(a_timeout_then_a_wake_is_one_run),
		ONE(a_timeout_before_the_block_is_not_lost),
		ONE(a_task_alone_is_never_preempted),
		ONE(a_slice_ends_when_another_task_waits),
		ONE(a_late_comer_arms_the_slice),
		ONE(a_stale_slice_timer_kicks_nobody),
		TWO(a_kick_for_a_stolen_task_is_repeated_for_the_next),
		TWO(new_tasks_spread),
		TWO(a_woken_task_goes_back_to_its_vcpu),
		ONE(a_vcpu_without_work_steals_from_the_longest_queue),
		TWO(a_steal_respects_affinity),
		ONE(a_steal_respects_a_mask_of_some_vcpus),
		TWO(affinity_needs_a_vcpu_that_exists),
		TWO(a_queued_task_moves_with_its_affinity),
		TWO(a_running_task_is_evicted_by_its_affinity),
		TWO(a_blocked_task_wakes_where_it_may_run),
		ONE(a_handler_runs_from_a_foreign_thread),
		TWO(ten_thousand_tasks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
