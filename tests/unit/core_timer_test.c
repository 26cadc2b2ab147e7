/* Timers, run by hand with times of the test's own. */
#include "core_test.h"

struct noted {
	struct timer t;
	int id;
	int64_t again;        /* TIME_NEVER: does not arm itself anew */
	struct timer *victim; /* cancelled by the callback */
};

static int fired[64];
static unsigned nfired;

static void note(struct timer *t)
{
	struct noted *n = container_of(t, struct noted, t);

	fired[nfired++ % 64] = n->id;
	if (n->again != TIME_NEVER) {
		int64_t at = n->again;

		n->again = TIME_NEVER;
		timer_arm(t, at);
	}
	if (n->victim)
		timer_cancel(n->victim);
}

static void noted_init(struct noted *n, struct timers *ts, int id)
{
	*n = (struct noted){.id = id, .again = TIME_NEVER};
	timer_init(&n->t, ts, note);
}

static int set_up(void **state)
{
	nfired = 0;
	*state = timers_create(NULL, NULL);
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	timers_destroy(*state);
	return 0;
}

static void times_do_not_overflow(void **state)
{
	assert_int_equal(time_add(5, 7), 12);
	assert_int_equal(time_add(5, -7), 5);
	assert_int_equal(time_add(5, TIME_NEVER), TIME_NEVER);
	assert_int_equal(time_add(5, TIME_NEVER - 6), TIME_NEVER - 1);
	assert_int_equal(time_add(5, TIME_NEVER - 4), TIME_NEVER);
	assert_int_equal(time_add(TIME_NEVER, 1), TIME_NEVER);
	assert_int_equal(time_add_ever(5, TIME_NEVER), TIME_NEVER - 1);
	assert_int_equal(time_add_ever(5, TIME_NEVER - 5), TIME_NEVER - 1);
}

static void due_timers_fire_in_order(void **state)
{
	struct timers *ts = *state;
	static const int64_t at[] = {50, 10, 40, 20, 30, 20};
	struct noted n[6];

	for (int i = 0; i < 6; i++) {
		noted_init(&n[i], ts, i);
		assert_int_equal(timer_arm(&n[i].t, at[i]), 0);
	}
	assert_int_equal(timers_run(ts, 9), 10);
	assert_int_equal(nfired, 0);
	assert_int_equal(timers_run(ts, 40), 50);
	/* 20 twice: in the order of arming. */
	assert_int_equal(nfired, 5);
	assert_memory_equal(fired, ((int[]){1, 3, 5, 4, 2}), 5 * sizeof(int));
	assert_int_equal(timers_run(ts, 50), TIME_NEVER);
	assert_int_equal(nfired, 6);
}

static void a_timer_fires_once(void **state)
{
	struct noted n;

	noted_init(&n, *state, 1);
	timer_arm(&n.t, 10);
	timers_run(*state, 10);
	timers_run(*state, 20);
	assert_int_equal(nfired, 1);
}

static void arming_again_moves_it(void **state)
{
	struct noted n;

	noted_init(&n, *state, 1);
	timer_arm(&n.t, 10);
	timer_arm(&n.t, 100);
	assert_int_equal(timers_run(*state, 50), 100);
	assert_int_equal(nfired, 0);
	timer_arm(&n.t, 60);
	assert_int_equal(timers_run(*state, 60), TIME_NEVER);
	assert_int_equal(nfired, 1);
}

static void a_cancelled_timer_does_not_fire(void **state)
{
	struct noted n[3];

	for (int i = 0; i < 3; i++) {
		noted_init(&n[i], *state, i);
		timer_arm(&n[i].t, 10);
	}
	timer_cancel(&n[1].t);
	timer_cancel(&n[1].t);
	timers_run(*state, 10);
	assert_int_equal(nfired, 2);
	assert_int_equal(fired[0], 0);
	assert_int_equal(fired[1], 2);
}

static void a_callback_may_arm_itself_again(void **state)
{
	struct noted n;

	noted_init(&n, *state, 1);
	n.again = 30;
	timer_arm(&n.t, 10);
	assert_int_equal(timers_run(*state, 10), 30);
	assert_int_equal(nfired, 1);
	assert_int_equal(timers_run(*state, 30), TIME_NEVER);
	assert_int_equal(nfired, 2);
}

/* What a callback arms for a time that has come is due in the same run. */
static void a_callback_may_arm_for_now(void **state)
{
	struct noted n;

	noted_init(&n, *state, 1);
	n.again = 5;
	timer_arm(&n.t, 10);
	assert_int_equal(timers_run(*state, 10), TIME_NEVER);
	assert_int_equal(nfired, 2);
}

static void a_callback_may_cancel_others_and_itself(void **state)
{
	struct noted a, b;

	noted_init(&a, *state, 1);
	noted_init(&b, *state, 2);
	a.victim = &b.t;
	timer_arm(&a.t, 10);
	timer_arm(&b.t, 10);
	timers_run(*state, 10);
	assert_int_equal(nfired, 1);
	a.victim = &a.t;
	timer_arm(&a.t, 20);
	timers_run(*state, 20);
	assert_int_equal(nfired, 2);
}

static void never_is_never(void **state)
{
	struct noted n;

	noted_init(&n, *state, 1);
	timer_arm(&n.t, TIME_NEVER);
	assert_int_equal(timers_run(*state, INT64_MAX), TIME_NEVER);
	assert_int_equal(nfired, 0);
	timer_cancel(&n.t);
}

static int64_t told[8];
static unsigned ntold;

static void tell(void *arg, int64_t deadline)
{
	told[ntold++ % 8] = deadline;
}

/* Only an earlier deadline is worth a system call; after a run the next one is announced anew. */
static void rearm_is_told_of_earlier_deadlines_only(void **state)
{
	struct timers *ts = timers_create(tell, NULL);
	struct noted n[3];

	ntold = 0;
	for (int i = 0; i < 3; i++)
		noted_init(&n[i], ts, i);
	timer_arm(&n[0].t, 100);
	timer_arm(&n[1].t, 200);
	timer_arm(&n[2].t, 50);
	timer_cancel(&n[2].t);
	assert_int_equal(ntold, 2);
	assert_int_equal(told[0], 100);
	assert_int_equal(told[1], 50);
	assert_int_equal(timers_run(ts, 50), 100);
	assert_int_equal(ntold, 3);
	assert_int_equal(told[2], 100);
	assert_int_equal(timers_run(ts, 300), TIME_NEVER);
	assert_int_equal(ntold, 3);
	timers_destroy(ts);
}

/* Random arming, moving and cancelling against a plain array. */
static void many_timers_agree_with_a_model(void **state)
{
	enum { N = 500 };
	struct noted *n = calloc(N, sizeof(*n));
	int64_t model[N], now = 0;
	unsigned expect = 0;

	srand(7);
	for (int i = 0; i < N; i++) {
		noted_init(&n[i], *state, i);
		model[i] = TIME_NEVER;
	}
	for (int round = 0; round < 20000; round++) {
		int i = rand() % N;

		switch (rand() % 8) {
		default:
			model[i] = now + rand() % 1000;
			timer_arm(&n[i].t, model[i]);
			break;
		case 6:
			model[i] = TIME_NEVER;
			timer_cancel(&n[i].t);
			break;
		case 7:
			now += rand() % 200;
			for (i = 0; i < N; i++) {
				if (model[i] <= now) {
					expect++;
					model[i] = TIME_NEVER;
				}
			}
			timers_run(*state, now);
			assert_int_equal(nfired, expect);
			break;
		}
	}
	timers_run(*state, now + 1000);
	free(n);
}

/* ---- threads ---- */

struct race {
	struct timers *ts;
	_Atomic bool stop;
};

static void *run_timers(void *arg)
{
	struct race *r = arg;

	while (!r->stop)
		timers_run(r->ts, core_now());
	return NULL;
}

static void free_flag(struct timer *t)
{
	struct noted *n = container_of(t, struct noted, t);

	n->id++;
}

/* "When it returns the callback is not running": the memory may go at once. */
static void cancel_waits_for_the_callback(void **state)
{
	struct race r = {.ts = *state};
	pthread_t thread;

	pthread_create(&thread, NULL, run_timers, &r);
	for (int i = 0; i < 2000; i++) {
		struct noted *n = calloc(1, sizeof(*n));

		timer_init(&n->t, *state, free_flag);
		timer_arm(&n->t, core_now() + i % 64 * 100);
		for (int spin = i % 128; spin; spin--)
			core_now();
		timer_cancel(&n->t);
		assert_in_range(n->id, 0, 1);
		free(n);
	}
	r.stop = true;
	pthread_join(thread, NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(times_do_not_overflow),
		T(due_timers_fire_in_order),
		T(a_timer_fires_once),
		T(arming_again_moves_it),
		T(a_cancelled_timer_does_not_fire),
		T(a_callback_may_arm_itself_again),
		T(a_callback_may_arm_for_now),
		T(a_callback_may_cancel_others_and_itself),
		T(never_is_never),
		T(rearm_is_told_of_earlier_deadlines_only),
		T(many_timers_agree_with_a_model),
		T(cancel_waits_for_the_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
