/* Wait queues: who is woken, in what order, and that no wake is lost. */
#include "core_test.h"

#include <sched.h>

struct scene {
	struct world w;
	struct waitq wq;
	struct sched_task t[4];
};

static int set_up(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	world_open(&s->w, 1);
	waitq_init(&s->wq);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;

	waitq_destroy(&s->wq);
	world_close(&s->w);
	free(s);
	return 0;
}

static void sleep_on(struct scene *s, int i, bool exclusive)
{
	world_run(&s->w, &s->t[i]);
	assert_int_equal(waitq_add(&s->wq, &s->t[i], exclusive), 0);
	assert_true(sched_block(&s->t[i]));
}

/* The tasks that are runnable now, in order, as digits; they end. */
static int end_runnable(struct scene *s)
{
	struct sched_task *t;
	int digits = 0;

	while ((t = world_next(&s->w, 0))) {
		digits = digits * 10 + (int)(t - s->t) + 1;
		sched_prepare(t);
		world_end(t);
	}
	return digits;
}

static void wake_all_wakes_in_order(void **state)
{
	struct scene *s = *state;

	for (int i = 0; i < 3; i++)
		sleep_on(s, i, false);
	assert_false(waitq_empty(&s->wq));
	assert_int_equal(waitq_wake_all(&s->wq), 3);
	assert_true(waitq_empty(&s->wq));
	assert_int_equal(end_runnable(s), 123);
}

static void a_wake_of_one_wakes_all_shared_and_one_exclusive(void **state)
{
	struct scene *s = *state;

	sleep_on(s, 0, true);
	sleep_on(s, 1, false);
	sleep_on(s, 2, true);
	sleep_on(s, 3, false);
	assert_int_equal(waitq_wake(&s->wq, 1), 3);
	assert_int_equal(end_runnable(s), 241);
	assert_int_equal(waitq_wake(&s->wq, 1), 1);
	assert_int_equal(end_runnable(s), 3);
}

static void a_wake_of_none_wakes_the_shared(void **state)
{
	struct scene *s = *state;

	sleep_on(s, 0, true);
	sleep_on(s, 1, false);
	assert_int_equal(waitq_wake(&s->wq, 0), 1);
	assert_int_equal(waitq_wake_all(&s->wq), 1);
	assert_int_equal(end_runnable(s), 21);
}

/* "A wake that finds the task still running sets its `woken`, and sched_block() then refuses". */
static void a_wake_before_the_block_is_not_lost(void **state)
{
	struct scene *s = *state;

	world_run(&s->w, &s->t[0]);
	waitq_add(&s->wq, &s->t[0], false);
	waitq_wake_all(&s->wq);
	assert_false(sched_block(&s->t[0]));
	sched_prepare(&s->t[0]);
	waitq_add(&s->wq, &s->t[0], false);
	assert_true(sched_block(&s->t[0]));
	waitq_wake_all(&s->wq);
	assert_int_equal(end_runnable(s), 1);
}

static void a_task_may_wait_on_many_queues(void **state)
{
	struct scene *s = *state;
	struct waitq many[20];

	world_run(&s->w, &s->t[0]);
	for (int i = 0; i < 20; i++) {
		waitq_init(&many[i]);
		assert_int_equal(waitq_add(&many[i], &s->t[0], i & 1), 0);
	}
	assert_true(sched_block(&s->t[0]));
	waitq_wake(&many[17], 1);
	assert_int_equal(end_runnable(s), 1);
	for (int i = 0; i < 20; i++) {
		assert_true(waitq_empty(&many[i]));
		waitq_destroy(&many[i]);
	}
}

/* ---- the baton ---- */

static void hand_wakes_no_second_while_the_first_has_not_run(void **state)
{
	struct scene *s = *state;

	sleep_on(s, 0, true);
	sleep_on(s, 1, true);
	assert_int_equal(waitq_hand(&s->wq), 1);
	assert_int_equal(waitq_hand(&s->wq), 0);
	assert_int_equal(end_runnable(s), 1);
	assert_int_equal(waitq_hand(&s->wq), 1);
	assert_int_equal(end_runnable(s), 2);
}

/* "a task that ends before that passes the baton on by itself" */
static void a_task_that_ends_passes_its_wake_on(void **state)
{
	struct scene *s = *state;

	sleep_on(s, 0, true);
	sleep_on(s, 1, true);
	waitq_wake(&s->wq, 1);
	assert_ptr_equal(world_next(&s->w, 0), &s->t[0]);
	world_end(&s->t[0]); /* killed: its handler never ran */
	assert_int_equal(end_runnable(s), 2);
}

/* Woken after it had queued, but its call ends otherwise (with what it has already, say). */
static void a_call_that_ends_passes_its_wake_on(void **state)
{
	struct scene *s = *state;

	world_run(&s->w, &s->t[0]);
	waitq_add(&s->wq, &s->t[0], true);
	sleep_on(s, 1, true);
	waitq_wake(&s->wq, 1);
	waitq_remove_all(&s->t[0]);
	assert_int_equal(end_runnable(s), 2);
	world_end(&s->t[0]);
}

static void a_task_that_ends_unwoken_passes_nothing_on(void **state)
{
	struct scene *s = *state;

	sleep_on(s, 0, true);
	sleep_on(s, 1, true);
	sched_wake(&s->t[0]); /* by a signal, not by the queue */
	assert_ptr_equal(world_next(&s->w, 0), &s->t[0]);
	world_end(&s->t[0]);
	assert_null(world_next(&s->w, 0));
	waitq_wake_all(&s->wq);
	assert_int_equal(end_runnable(s), 2);
}

static void a_task_whose_handler_runs_passes_nothing_on(void **state)
{
	struct scene *s = *state;

	sleep_on(s, 0, true);
	sleep_on(s, 1, true);
	waitq_wake(&s->wq, 1);
	assert_ptr_equal(world_next(&s->w, 0), &s->t[0]);
	sched_prepare(&s->t[0]); /* it will look for itself */
	assert_null(world_next(&s->w, 0));
	world_end(&s->t[0]);
	waitq_wake_all(&s->wq);
	assert_int_equal(end_runnable(s), 2);
}

/* ---- the end of a queue ---- */

/* A call may end and drop its object while its task is queued there until its next sched_prepare.
 */
static void a_queue_may_end_before_its_waiters_leave(void **state)
{
	struct scene *s = *state;
	struct waitq *wq = malloc(sizeof(*wq));

	waitq_init(wq);
	world_run(&s->w, &s->t[0]);
	waitq_add(wq, &s->t[0], false);
	waitq_add(wq, &s->t[0], true);
	waitq_add(wq, &s->t[0], true);
	waitq_wake(wq, 1);
	waitq_destroy(wq);
	memset(wq, 0xff, sizeof(*wq));
	free(wq);
	sched_prepare(&s->t[0]);
	world_end(&s->t[0]);
}

struct race {
	struct scene *s;
	struct waitq *_Atomic wq;
	_Atomic bool stop;
};

static void *destroy_queues(void *arg)
{
	struct race *r = arg;

	while (!r->stop) {
		struct waitq *wq = atomic_exchange(&r->wq, NULL);

		if (wq) {
			waitq_wake(wq, 1);
			waitq_destroy(wq);
			memset(wq, 0xff, sizeof(*wq));
			free(wq);
		}
	}
	return NULL;
}

static void leaving_races_with_the_end_of_the_queue(void **state)
{
	struct race r = {.s = *state};
	struct sched_task *t = &r.s->t[0];
	pthread_t thread;

	world_run(&r.s->w, t);
	pthread_create(&thread, NULL, destroy_queues, &r);
	for (int i = 0; i < 2000; i++) {
		struct waitq *wq = malloc(sizeof(*wq));

		waitq_init(wq);
		waitq_add(wq, t, true);
		waitq_add(wq, t, false);
		r.wq = wq;
		for (int spin = i % 100; spin; spin--)
			core_now();
		sched_prepare(t);
		while (r.wq)
			sched_yield();
	}
	r.stop = true;
	pthread_join(thread, NULL);
	world_end(t);
}

/* ---- watches ---- */

struct counter {
	struct waitq_watch w;
	int told;
	bool takes;
	struct waitq *next; /* woken in turn */
};

static bool count(struct waitq_watch *w)
{
	struct counter *c = container_of(w, struct counter, w);

	c->told++;
	if (c->next)
		waitq_hand(c->next);
	return c->takes;
}

static void a_watch_is_told_of_every_wake(void **state)
{
	struct scene *s = *state;
	struct counter c = {0};

	waitq_watch_add(&s->wq, &c.w, count, false);
	sleep_on(s, 0, true);
	assert_int_equal(waitq_wake_all(&s->wq), 1);
	assert_int_equal(waitq_hand(&s->wq), 0);
	assert_int_equal(c.told, 2);
	/* "nothing new has happened, so watches are not told" */
	waitq_hand_on(&s->wq);
	assert_int_equal(c.told, 2);
	waitq_watch_remove(&c.w);
	waitq_watch_remove(&c.w);
	waitq_wake_all(&s->wq);
	assert_int_equal(c.told, 2);
	assert_int_equal(end_runnable(s), 1);
}

static void a_wake_stops_at_the_first_exclusive_watch_that_takes_it(void **state)
{
	struct scene *s = *state;
	struct counter c[4] = {{.takes = true}, {.takes = false}, {.takes = true}, {.takes = true}};

	waitq_watch_add(&s->wq, &c[0].w, count, false);
	for (int i = 1; i < 4; i++)
		waitq_watch_add(&s->wq, &c[i].w, count, true);
	waitq_wake_all(&s->wq);
	assert_int_equal(c[0].told, 1);
	assert_int_equal(c[1].told, 1);
	assert_int_equal(c[2].told, 1);
	assert_int_equal(c[3].told, 0);
	for (int i = 0; i < 4; i++)
		waitq_watch_remove(&c[i].w);
}

static void watches_lead_from_queue_to_queue(void **state)
{
	struct scene *s = *state;
	struct counter c[2] = {0};
	struct waitq mid, first;

	waitq_init(&mid);
	waitq_init(&first);
	c[0].next = &mid;
	c[1].next = &s->wq;
	waitq_watch_add(&first, &c[0].w, count, false);
	waitq_watch_add(&mid, &c[1].w, count, false);
	sleep_on(s, 0, true);
	waitq_wake_all(&first);
	assert_int_equal(end_runnable(s), 1);
	/* A queue that goes tells its watches, and lets them go. */
	waitq_destroy(&first);
	assert_int_equal(c[0].told, 2);
	assert_null(c[0].w.wq);
	waitq_watch_remove(&c[0].w);
	waitq_watch_remove(&c[1].w);
	waitq_destroy(&mid);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(wake_all_wakes_in_order),
		T(a_wake_of_one_wakes_all_shared_and_one_exclusive),
		T(a_wake_of_none_wakes_the_shared),
		T(a_wake_before_the_block_is_not_lost),
		T(a_task_may_wait_on_many_queues),
		T(hand_wakes_no_second_while_the_first_has_not_run),
		T(a_task_that_ends_passes_its_wake_on),
		T(a_call_that_ends_passes_its_wake_on),
		T(a_task_that_ends_unwoken_passes_nothing_on),
		T(a_task_whose_handler_runs_passes_nothing_on),
		T(a_queue_may_end_before_its_waiters_leave),
		T(leaving_races_with_the_end_of_the_queue),
		T(a_watch_is_told_of_every_wake),
		T(a_wake_stops_at_the_first_exclusive_watch_that_takes_it),
		T(watches_lead_from_queue_to_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
