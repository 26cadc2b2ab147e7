/*
 * The worker pool. The jobs stop at gates that the test opens, so that each race happens in the
 * order written here: done before or after the task sleeps, killed while the job waits or runs,
 * shut down with jobs running.
 */
#include "core_test.h"

#include "../../vmm/core/workpool.h"

#include <sched.h>

static struct world w;
static struct workpool *pool;
static struct job_lane lane, other_lane;

/* A host call that sleeps: it says that it has begun, and ends when it is told to. */
struct slow {
	struct job job;
	_Atomic bool begun, may_end;
	_Atomic int *released;
	int result;
};

static void slow_run(struct job *j)
{
	struct slow *s = container_of(j, struct slow, job);

	s->begun = true;
	while (!s->may_end)
		sched_yield();
	s->result = 42;
}

static void slow_release(struct job *j)
{
	struct slow *s = container_of(j, struct slow, job);

	++*s->released;
	free(s);
}

static const struct job_ops slow_ops = {.run = slow_run, .release = slow_release};

static _Atomic int released;

static struct slow *slow_new(bool may_end)
{
	struct slow *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	job_init(&s->job, &slow_ops);
	s->released = &released;
	s->may_end = may_end;
	return s;
}

static struct slow *slow_submit(bool may_end)
{
	struct slow *s = slow_new(may_end);

	assert_int_equal(workpool_submit(pool, &lane, &s->job), 0);
	return s;
}

static void until(_Atomic bool *flag)
{
	while (!*flag)
		sched_yield();
}

static void until_done(struct slow *s)
{
	while (!job_done(&s->job))
		sched_yield();
}

static void until_released(int n)
{
	while (released < n)
		sched_yield();
}

static int set_up(void **state)
{
	world_open(&w, 1);
	released = 0;
	job_lane_init(&lane, 8, 8);
	job_lane_init(&other_lane, 1, 1);
	pool = workpool_create(2);
	assert_non_null(pool);
	return 0;
}

static int tear_down(void **state)
{
	workpool_destroy(pool);
	world_close(&w);
	return 0;
}

/* The next one on vCPU 0, which a worker may be about to wake. */
static struct sched_task *wait_next(void)
{
	struct sched_task *t;

	while (!(t = world_next(&w, 0)))
		sched_yield();
	return t;
}

/* ---- life ---- */

static void no_thread_before_there_is_work(void **state)
{
	assert_int_equal(workpool_threads(pool), 0);
}

static void a_job_runs_and_its_result_is_seen(void **state)
{
	struct slow *s = slow_submit(true);

	until_done(s);
	assert_int_equal(s->result, 42);
	assert_int_equal(workpool_threads(pool), 1);
	job_put(&s->job);
	until_released(1);
}

static void an_idle_thread_is_used_again(void **state)
{
	for (int i = 0; i < 50; i++) {
		struct slow *s = slow_submit(true);

		until_done(s);
		job_put(&s->job);
	}
	until_released(50);
	assert_true(workpool_threads(pool) <= 2);
}

static void threads_are_bounded_and_the_rest_queues(void **state)
{
	struct slow *s[5];

	for (int i = 0; i < 5; i++)
		s[i] = slow_submit(false);
	until(&s[0]->begun);
	until(&s[1]->begun);
	assert_int_equal(workpool_threads(pool), 2);
	for (int i = 2; i < 5; i++)
		assert_false(s[i]->begun);
	s[0]->may_end = true;
	until(&s[2]->begun); /* first come, first served */
	assert_false(s[3]->begun);
	for (int i = 1; i < 5; i++)
		s[i]->may_end = true;
	for (int i = 0; i < 5; i++) {
		until_done(s[i]);
		job_put(&s[i]->job);
	}
	until_released(5);
}

static void a_job_that_nobody_submitted_is_dropped(void **state)
{
	struct slow *s = slow_new(true);

	job_cancel(&s->job);
	assert_int_equal(released, 1);
	job_cancel(NULL);
	job_put(NULL);
}

/* ---- waiting ---- */

static void a_task_sleeps_until_the_job_is_done(void **state)
{
	struct slow *s = slow_submit(false);
	struct sched_task t;

	world_run(&w, &t);
	assert_false(job_wait(&s->job, &t));
	assert_true(sched_block(&t));
	assert_null(world_next(&w, 0));
	s->may_end = true;
	assert_ptr_equal(wait_next(), &t);
	sched_prepare(&t);
	assert_true(job_wait(&s->job, &t));
	assert_int_equal(s->result, 42);
	job_put(&s->job);
	world_end(&t);
	until_released(1);
}

static void others_run_while_a_task_waits(void **state)
{
	struct slow *s = slow_submit(false);
	struct sched_task t, other;

	world_run(&w, &t);
	assert_false(job_wait(&s->job, &t));
	assert_true(sched_block(&t));
	world_run(&w, &other);
	for (int i = 0; i < 3; i++) {
		sched_yield_task(&other);
		assert_ptr_equal(world_next(&w, 0), &other);
	}
	world_end(&other);
	s->may_end = true;
	assert_ptr_equal(wait_next(), &t);
	job_put(&s->job);
	world_end(&t);
	until_released(1);
}

static void done_between_the_look_and_the_sleep(void **state)
{
	struct slow *s = slow_submit(false);
	struct sched_task t;

	world_run(&w, &t);
	assert_false(job_wait(&s->job, &t));
	s->may_end = true;
	until_done(s);
	/* The worker may still be on its way to the wake; at once or later it comes. */
	if (sched_block(&t))
		assert_ptr_equal(wait_next(), &t);
	sched_prepare(&t);
	assert_true(job_wait(&s->job, &t));
	job_put(&s->job);
	world_end(&t);
	until_released(1);
}

static void done_before_the_first_look(void **state)
{
	struct slow *s = slow_submit(true);
	struct sched_task t;

	until_done(s);
	world_run(&w, &t);
	assert_true(job_wait(&s->job, &t));
	job_put(&s->job);
	world_end(&t);
	until_released(1);
}

/* A signal that does not kill: the handler looks and waits on. */
static void a_signal_wakes_and_the_task_waits_on(void **state)
{
	struct slow *s = slow_submit(false);
	struct sched_task t;

	world_run(&w, &t);
	assert_false(job_wait(&s->job, &t));
	assert_true(sched_block(&t));
	sched_interrupt(&t);
	assert_ptr_equal(world_next(&w, 0), &t);
	sched_prepare(&t);
	assert_false(job_wait(&s->job, &t));
	assert_true(sched_block(&t));
	s->may_end = true;
	assert_ptr_equal(wait_next(), &t);
	job_put(&s->job);
	world_end(&t);
	until_released(1);
}

static void signal_and_end_at_once(void **state)
{
	struct slow *s = slow_submit(false);
	struct sched_task t;

	world_run(&w, &t);
	assert_false(job_wait(&s->job, &t));
	assert_true(sched_block(&t));
	s->may_end = true;
	sched_interrupt(&t);
	assert_ptr_equal(wait_next(), &t);
	sched_prepare(&t);
	until_done(s);
	assert_true(job_wait(&s->job, &t));
	sched_prepare(&t);
	job_put(&s->job);
	world_end(&t);
	until_released(1);
}

/* ---- killed ---- */

static void a_queued_job_of_a_killed_task_never_runs(void **state)
{
	struct slow *busy[2] = {slow_submit(false), slow_submit(false)}, *s;
	struct sched_task t;

	until(&busy[0]->begun);
	until(&busy[1]->begun);
	s = slow_submit(false);
	world_run(&w, &t);
	assert_false(job_wait(&s->job, &t));
	assert_true(sched_block(&t));
	sched_interrupt(&t);
	assert_ptr_equal(world_next(&w, 0), &t);
	sched_exit(&t);
	job_cancel(&s->job);
	assert_int_equal(released, 1); /* before any worker was free */
	sched_task_fini(&t);
	for (int i = 0; i < 2; i++) {
		busy[i]->may_end = true;
		job_cancel(&busy[i]->job);
	}
	until_released(3);
}

/* The buffers are the job's: they outlive the task. */
static void a_running_job_of_a_killed_task_ends_alone(void **state)
{
	struct slow *s = slow_submit(false);
	struct sched_task t;

	until(&s->begun);
	world_run(&w, &t);
	assert_false(job_wait(&s->job, &t));
	assert_true(sched_block(&t));
	sched_interrupt(&t);
	assert_ptr_equal(world_next(&w, 0), &t);
	sched_exit(&t);
	job_cancel(&s->job);
	sched_task_fini(&t);
	assert_int_equal(released, 0);
	memset(&t, 0xa5, sizeof(t)); /* nobody looks at it any more */
	s->may_end = true;
	until_released(1);
}

static void a_job_that_ends_while_its_task_dies(void **state)
{
	for (int i = 0; i < 200; i++) {
		struct slow *s = slow_submit(false);
		struct sched_task t;

		until(&s->begun);
		world_run(&w, &t);
		assert_false(job_wait(&s->job, &t));
		s->may_end = true; /* its wake may meet the removal of the waiter */
		sched_exit(&t);
		job_cancel(&s->job);
		sched_task_fini(&t);
		until_released(i + 1);
	}
}

/* ---- lanes ---- */

static struct slow *submit_to(struct job_lane *l, bool may_end)
{
	struct slow *s = slow_new(may_end);

	assert_int_equal(workpool_submit(pool, l, &s->job), 0);
	return s;
}

static void end(struct slow *s)
{
	s->may_end = true;
	until_done(s);
	job_put(&s->job);
}

/* Of what hangs in one lane no other notices anything. */
static void a_lane_that_hangs_is_alone(void **state)
{
	struct slow *hung[4], *s;

	for (int i = 0; i < 4; i++)
		hung[i] = submit_to(&other_lane, false);
	until(&hung[0]->begun);
	for (int i = 0; i < 20; i++) {
		s = submit_to(&lane, true);
		until_done(s);
		job_put(&s->job);
	}
	assert_int_equal(workpool_threads(pool), 2);
	for (int i = 1; i < 4; i++)
		assert_false(hung[i]->begun);
	for (int i = 0; i < 4; i++) {
		until(&hung[i]->begun); /* in their order, one at a time */
		end(hung[i]);
	}
	until_released(24);
}

static void lanes_take_turns(void **state)
{
	struct slow *busy[2] = {submit_to(&lane, false), submit_to(&lane, false)}, *a[3], *b;

	until(&busy[0]->begun);
	until(&busy[1]->begun);
	for (int i = 0; i < 3; i++)
		a[i] = submit_to(&lane, false);
	b = submit_to(&other_lane, false);
	/* The first that was queued, then the other lane's. */
	end(busy[0]);
	until(&a[0]->begun);
	end(busy[1]);
	until(&b->begun);
	assert_false(a[1]->begun);
	end(b);
	for (int i = 0; i < 3; i++)
		end(a[i]);
	until_released(6);
}

/* A lane that a job has left has room for the next; one that is full takes none. */
static void a_job_moves_on(void **state)
{
	struct job_lane first;
	struct slow *s, *next;

	job_lane_init(&first, 1, 1);
	s = submit_to(&first, false);
	until(&s->begun);
	next = submit_to(&first, false);
	assert_true(job_move(&s->job, &other_lane));
	until(&next->begun);
	assert_true(job_move(&next->job, &first));
	assert_false(job_move(&next->job, &other_lane));
	s->may_end = true;
	until_done(s);
	assert_true(job_move(&next->job, &other_lane));
	next->may_end = true;
	until_done(next);
	assert_int_equal(first.running + other_lane.running, 0);
	job_put(&s->job);
	job_put(&next->job);
	until_released(2);
}

/* Half the threads are for lanes that need more than their own. */
static void a_lane_takes_more_while_there_is_some(void **state)
{
	struct slow *s[5], *other;
	struct job_lane wide, third;

	workpool_destroy(pool);
	pool = workpool_create(4);
	job_lane_init(&wide, 1, 8);
	job_lane_init(&third, 1, 8);
	for (int i = 0; i < 5; i++)
		s[i] = submit_to(&wide, false);
	for (int i = 0; i < 3; i++)
		until(&s[i]->begun);
	other = submit_to(&other_lane, false);
	until(&other->begun);
	assert_false(s[3]->begun);
	assert_int_equal(workpool_threads(pool), 4);
	/* Another has its own, but none of those of all. */
	end(other);
	other = submit_to(&third, false);
	until(&other->begun);
	assert_false(job_move(&other->job, &wide));
	assert_false(s[3]->begun);
	end(s[0]);
	until(&s[3]->begun);
	assert_false(s[4]->begun);
	end(s[1]);
	until(&s[4]->begun);
	/* Not even of its own it has two. */
	assert_false(job_move(&s[4]->job, &third));
	end(other);
	assert_true(job_move(&s[4]->job, &third));
	for (int i = 2; i < 5; i++)
		end(s[i]);
	until_released(7);
	assert_int_equal(wide.running + third.running, 0);
}

/* Up to its limit, whatever there is. */
static void a_lane_has_a_limit(void **state)
{
	struct slow *s[3];
	struct job_lane narrow;

	workpool_destroy(pool);
	pool = workpool_create(8);
	job_lane_init(&narrow, 1, 2);
	for (int i = 0; i < 3; i++)
		s[i] = submit_to(&narrow, false);
	until(&s[0]->begun);
	until(&s[1]->begun);
	assert_false(s[2]->begun);
	for (int i = 0; i < 3; i++)
		end(s[i]);
	until_released(3);
}

static void a_lane_tells_that_it_hangs(void **state)
{
	struct slow *s;

	assert_false(job_lane_hangs(pool, &lane, 0));
	s = submit_to(&lane, false);
	until(&s->begun);
	while (!job_lane_hangs(pool, &lane, 0))
		sched_yield();
	assert_false(job_lane_hangs(pool, &lane, INT64_MAX / 2));
	assert_false(job_lane_hangs(pool, &other_lane, 0));
	assert_true(job_move(&s->job, &other_lane));
	assert_false(job_lane_hangs(pool, &lane, 0));
	end(s);
	until_released(1);
	assert_false(job_lane_hangs(pool, &other_lane, 0));
}

static void a_job_of_a_full_lane_is_taken_back(void **state)
{
	struct slow *hung = submit_to(&other_lane, false), *s;

	until(&hung->begun);
	s = submit_to(&other_lane, false);
	job_cancel(&s->job);
	assert_int_equal(released, 1);
	end(hung);
	until_released(2);
}

/* ---- shutting down ---- */

static void stop_does_not_wait_for_ever(void **state)
{
	struct slow *hung = submit_to(&other_lane, false), *queued;

	until(&hung->begun);
	queued = submit_to(&other_lane, false);
	assert_false(workpool_stop(pool, 1000000));
	assert_false(queued->begun);
	job_put(&queued->job);
	assert_int_equal(released, 1);
	/* And once more, when it has come back. */
	end(hung);
	assert_true(workpool_stop(pool, TIME_NEVER));
	assert_int_equal(released, 2);
}

static void *open_later(void *arg)
{
	struct slow *s = arg;

	until(&s->begun);
	for (int i = 0; i < 100; i++)
		sched_yield();
	s->may_end = true;
	return NULL;
}

static void destroy_waits_for_what_runs_and_drops_the_rest(void **state)
{
	struct slow *run = slow_submit(false), *run2 = slow_submit(false), *queued, *kept;
	pthread_t other;

	until(&run->begun);
	until(&run2->begun);
	queued = slow_submit(false);
	kept = slow_submit(false);
	job_put(&queued->job); /* the pool's reference alone */
	run2->may_end = true;
	until_done(run2);
	assert_int_equal(pthread_create(&other, NULL, open_later, run), 0);
	/* `queued` may have been taken by now: it must be let go, too. */
	queued->may_end = true;
	kept->may_end = true;
	workpool_destroy(pool);
	pool = NULL;
	pthread_join(other, NULL);
	assert_int_equal(run->result, 42);
	job_put(&run->job);
	job_put(&run2->job);
	job_cancel(&kept->job); /* long after the pool */
	assert_int_equal(released, 4);
}

static void destroy_with_a_task_still_queued(void **state)
{
	struct slow *s = slow_submit(false);
	struct sched_task t;

	until(&s->begun);
	world_run(&w, &t);
	assert_false(job_wait(&s->job, &t));
	assert_true(sched_block(&t));
	s->may_end = true;
	workpool_destroy(pool);
	pool = NULL;
	assert_ptr_equal(world_next(&w, 0), &t);
	sched_exit(&t);
	job_cancel(&s->job);
	sched_task_fini(&t);
	assert_int_equal(released, 1);
}

static void destroy_of_nothing(void **state)
{
	workpool_destroy(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(no_thread_before_there_is_work),
		T(a_job_runs_and_its_result_is_seen),
		T(an_idle_thread_is_used_again),
		T(threads_are_bounded_and_the_rest_queues),
		T(a_job_that_nobody_submitted_is_dropped),
		T(a_task_sleeps_until_the_job_is_done),
		T(others_run_while_a_task_waits),
		T(done_between_the_look_and_the_sleep),
		T(done_before_the_first_look),
		T(a_signal_wakes_and_the_task_waits_on),
		T(signal_and_end_at_once),
		T(a_queued_job_of_a_killed_task_never_runs),
		T(a_running_job_of_a_killed_task_ends_alone),
		T(a_job_that_ends_while_its_task_dies),
		T(a_lane_that_hangs_is_alone),
		T(lanes_take_turns),
		T(a_job_moves_on),
		T(a_lane_takes_more_while_there_is_some),
		T(a_lane_has_a_limit),
		T(a_lane_tells_that_it_hangs),
		T(a_job_of_a_full_lane_is_taken_back),
		T(stop_does_not_wait_for_ever),
		T(destroy_waits_for_what_runs_and_drops_the_rest),
		T(destroy_with_a_task_still_queued),
		T(destroy_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
