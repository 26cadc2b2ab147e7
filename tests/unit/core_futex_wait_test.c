/* Futexes: waits, wakes, requeues; the races in every order. */
#include "core_futex.h"

/* ---- wait and wake ---- */

static void a_wait_for_another_value_ends_at_once(void **state)
{
	struct actor a;

	actor_begin(&a, 1);
	actor_waiter(&a, 0, 0)->value = 7;
	assert_int_equal(futex_wait(ft, a.w, 1), -EAGAIN);
	assert_int_equal(wake(0, 1), 0);
	mem.faults = 1;
	assert_int_equal(futex_wait(ft, a.w, 1), -EFAULT);
	assert_false(futex_queued(a.w));
	actor_end(&a);
}

static void a_wake_wakes_as_many_as_it_says_in_order(void **state)
{
	struct actor a[5];

	for (unsigned i = 0; i < 5; i++)
		actor_wait(&a[i], i + 1, 0);
	assert_int_equal(wake(0, 2), 2);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(futex_woken(a[i].w, 1), i < 2 ? 0 : -1);
	actor_again(&a[0]);
	actor_again(&a[1]);
	assert_null(world_next(&w, 0));
	/* "val <= 0 still wakes one" */
	assert_int_equal(wake(0, 0), 1);
	assert_int_equal(wake(0, -5), 1);
	assert_int_equal(wake(0, 100), 1);
	assert_int_equal(wake(0, 100), 0);
	for (unsigned i = 2; i < 5; i++)
		actor_again(&a[i]);
	for (unsigned i = 0; i < 5; i++)
		actor_end(&a[i]);
}

static void bitsets_select(void **state)
{
	struct futex_key key = private_key(1, 0);
	struct actor a[3];

	for (unsigned i = 0; i < 3; i++) {
		actor_begin(&a[i], i + 1);
		actor_waiter(&a[i], 0, 0)->bitset = 1U << i;
		assert_int_equal(futex_wait(ft, a[i].w, 1), -EBLOCKED);
		assert_true(sched_block(&a[i].st));
	}
	assert_int_equal(futex_wake(ft, &key, 9, 8), 0);
	assert_int_equal(futex_wake(ft, &key, 9, 4), 1);
	assert_int_equal(futex_woken(a[2].w, 1), 0);
	assert_int_equal(futex_wake(ft, &key, 9, 3), 2);
	for (unsigned i = 0; i < 3; i++)
		actor_end(&a[i]);
}

/* Kinds keep keys with the same numbers apart: LiteBox's rule is the RFC's "never the bare
 * address". */
static void keys_are_equal_only_in_kind_space_and_offset(void **state)
{
	static const struct futex_key other[] = {
		{FUTEX_KEY_PRIVATE, 2, 5},
		{FUTEX_KEY_PRIVATE, 1, 6},
		{FUTEX_KEY_SPACE, 1, 5},
		{FUTEX_KEY_OBJECT, 1, 5},
	};
	struct actor a;

	actor_wait(&a, 1, 5);
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		assert_int_equal(futex_wake(ft, &other[i], 1, ANY), 0);
	assert_int_equal(wake(5, 1), 1);
	actor_end(&a);
}

/* "10,000 waiters on distinct words, one wake costs the same as with one waiter": no list is long.
 */
static void waiters_spread_over_the_buckets(void **state)
{
	enum { N = 10000 };
	struct futex_waiter *x = calloc(N, sizeof(*x));
	struct futex_bucket *b;
	struct actor a;
	unsigned worst = 0;

	assert_non_null(x);
	actor_begin(&a, 1);
	for (unsigned i = 0; i < N; i++) {
		x[i] = *actor_waiter(&a, 0, 0);
		x[i].key = private_key(1, 0x10000 + (i % 3 == 0 ? 4096UL : 64UL) * i);
	}
	assert_int_equal(futex_wait(ft, x, N), -EBLOCKED);
	for (unsigned i = 0; i < 100; i++) {
		unsigned same = 0;

		b = atomic_load(&x[i * 97].bucket);
		for (unsigned j = 0; j < N; j++)
			same += atomic_load(&x[j].bucket) == b;
		worst = same > worst ? same : worst;
	}
	assert_true(worst <= 12);
	assert_int_equal(futex_wake(ft, &x[5000].key, 1, ANY), 1);
	assert_int_equal(futex_leave(ft, x, N), 5000);
	free(x);
	actor_end(&a);
}

static void a_table_wants_a_power_of_two(void **state)
{
	assert_null(futex_table_create(255));
	assert_null(futex_table_create(128));
	assert_null(futex_table_create(384));
	futex_table_destroy(NULL);
}

/* ---- races of a wait's end ---- */

/* The wake comes after the waiter was queued and before its task blocks. */
static void a_wake_before_the_block_refuses_it(void **state)
{
	struct actor a;

	actor_begin(&a, 1);
	assert_int_equal(futex_wait(ft, actor_waiter(&a, 0, 0), 1), -EBLOCKED);
	assert_int_equal(wake(0, 1), 1);
	assert_false(sched_block(&a.st));
	assert_int_equal(futex_woken(a.w, 1), 0);
	actor_end(&a);
}

/* wake, then timeout: the re-run finds both; the wake was counted and wins. */
static void a_timeout_after_the_wake_does_not_take_it_back(void **state)
{
	struct actor a;

	actor_begin(&a, 1);
	sched_deadline(&a.st, 100);
	assert_int_equal(futex_wait(ft, actor_waiter(&a, 0, 0), 1), -EBLOCKED);
	assert_true(sched_block(&a.st));
	assert_int_equal(wake(0, 1), 1);
	timers_run(w.timers, 100);
	actor_again(&a);
	assert_true(a.st.timed_out);
	assert_int_equal(futex_leave(ft, a.w, 1), 0);
	actor_end(&a);
}

/* timeout, then wake before the re-run: the same. */
static void a_wake_after_the_timeout_still_counts(void **state)
{
	struct actor a;

	actor_begin(&a, 1);
	sched_deadline(&a.st, 100);
	assert_int_equal(futex_wait(ft, actor_waiter(&a, 0, 0), 1), -EBLOCKED);
	assert_true(sched_block(&a.st));
	timers_run(w.timers, 100);
	actor_again(&a);
	assert_int_equal(futex_woken(a.w, 1), -1);
	assert_int_equal(wake(0, 1), 1);
	assert_int_equal(futex_leave(ft, a.w, 1), 0);
	actor_end(&a);
}

/* timeout, the waiter leaves, then a wake: nobody is there to be counted. */
static void a_wake_after_leaving_finds_nobody(void **state)
{
	struct actor a, b;

	actor_begin(&a, 1);
	sched_deadline(&a.st, 100);
	assert_int_equal(futex_wait(ft, actor_waiter(&a, 0, 0), 1), -EBLOCKED);
	assert_true(sched_block(&a.st));
	actor_wait(&b, 2, 0);
	timers_run(w.timers, 100);
	actor_again(&a);
	assert_int_equal(futex_leave(ft, a.w, 1), -1);
	assert_int_equal(wake(0, 1), 1);
	assert_int_equal(futex_woken(b.w, 1), 0);
	actor_end(&a);
	actor_end(&b);
}

/* A signal is a wake of the task alone: same order of looks. */
static void a_signal_after_the_wake_does_not_take_it_back(void **state)
{
	struct actor a;

	actor_wait(&a, 1, 0);
	sched_interrupt(&a.st);
	assert_int_equal(wake(0, 1), 1);
	actor_again(&a);
	assert_int_equal(futex_leave(ft, a.w, 1), 0);
	actor_end(&a);
}

/* ---- several words ---- */

static void waitv_tells_which_was_woken(void **state)
{
	struct actor a;

	actor_begin(&a, 1);
	for (unsigned i = 0; i < 3; i++)
		actor_waiter(&a, i, i);
	assert_int_equal(futex_wait(ft, a.w, 3), -EBLOCKED);
	assert_true(sched_block(&a.st));
	assert_int_equal(wake(2, 1), 1);
	assert_int_equal(wake(1, 1), 1);
	actor_again(&a);
	assert_int_equal(futex_leave(ft, a.w, 3), 1);
	assert_int_equal(wake(0, 1), 0);
	actor_end(&a);
}

static void waitv_leaves_all_if_one_differs(void **state)
{
	struct actor a;

	actor_begin(&a, 1);
	for (unsigned i = 0; i < 3; i++)
		actor_waiter(&a, i, i);
	a.w[2].value = 9;
	assert_int_equal(futex_wait(ft, a.w, 3), -EAGAIN);
	assert_int_equal(wake(0, 1), 0);
	assert_int_equal(wake(1, 1), 0);
	actor_end(&a);
}

static int load_and_wake_first(void *m, uint64_t addr, uint32_t *out)
{
	assert_int_equal(wake(0, 1), 1);
	return fake_load(m, addr, out);
}

/* The first is woken while the second, which differs, is looked at: the wake counts. */
static void waitv_keeps_a_wake_that_came_while_it_queued(void **state)
{
	static const struct futex_mem_ops ops = {load_and_wake_first, fake_cmpxchg};
	struct actor a;

	actor_begin(&a, 1);
	actor_waiter(&a, 0, 0);
	/* In another bucket: its lock is held when the load is called. */
	actor_waiter(&a, 1, 40)->value = 9;
	a.w[1].word.ops = &ops;
	assert_int_equal(futex_wait(ft, a.w, 2), 0);
	actor_end(&a);
}

/* ---- requeue ---- */

static int requeue(uint64_t from, uint64_t to, int nwake, int nrequeue)
{
	struct futex_key key1 = private_key(1, from), key2 = private_key(1, to);

	return futex_requeue(ft, &key1, NULL, 0, &key2, nwake, nrequeue);
}

static void requeue_wakes_some_and_moves_some(void **state)
{
	struct actor a[5];

	for (unsigned i = 0; i < 5; i++)
		actor_wait(&a[i], i + 1, 0);
	assert_int_equal(requeue(0, 1, 1, 2), 3);
	assert_int_equal(futex_woken(a[0].w, 1), 0);
	assert_int_equal(wake(1, 9), 2);
	assert_int_equal(futex_woken(a[1].w, 1), 0);
	assert_int_equal(futex_woken(a[2].w, 1), 0);
	assert_int_equal(requeue(0, 1, 0, 0), 0);
	assert_int_equal(requeue(0, 0, 0, 9), 2);
	assert_int_equal(wake(0, 9), 2);
	for (unsigned i = 0; i < 5; i++)
		actor_end(&a[i]);
}

static void cmp_requeue_compares_under_the_lock(void **state)
{
	struct futex_key key1 = private_key(1, 0), key2 = private_key(1, 1);
	struct futex_word word = fake_word(&mem, 0);
	struct actor a;

	actor_wait(&a, 1, 0);
	mem.word[0] = 5;
	assert_int_equal(futex_requeue(ft, &key1, &word, 4, &key2, 1, 1), -EAGAIN);
	mem.faults = 1;
	assert_int_equal(futex_requeue(ft, &key1, &word, 5, &key2, 1, 1), -EFAULT);
	mem.faults = 0;
	assert_int_equal(futex_woken(a.w, 1), -1);
	assert_int_equal(futex_requeue(ft, &key1, &word, 5, &key2, 0, 1), 1);
	assert_int_equal(wake(0, 1), 0);
	assert_int_equal(wake(1, 1), 1);
	actor_end(&a);
}

/* A timeout of a waiter that was moved: it leaves the list that it is on now. */
static void a_timeout_after_a_requeue_leaves_the_new_list(void **state)
{
	struct actor a;

	actor_begin(&a, 1);
	sched_deadline(&a.st, 100);
	assert_int_equal(futex_wait(ft, actor_waiter(&a, 0, 0), 1), -EBLOCKED);
	assert_true(sched_block(&a.st));
	assert_int_equal(requeue(0, 1, 0, 1), 1);
	timers_run(w.timers, 100);
	actor_again(&a);
	assert_int_equal(futex_leave(ft, a.w, 1), -1);
	assert_int_equal(wake(0, 1), 0);
	assert_int_equal(wake(1, 1), 0);
	actor_end(&a);
}

static void requeue_of_everything_counts_beyond_int(void **state)
{
	struct actor a;

	actor_wait(&a, 1, 0);
	assert_int_equal(requeue(0, 1, INT32_MAX, INT32_MAX), 1);
	assert_int_equal(futex_woken(a.w, 1), 0);
	actor_end(&a);
}

/* ---- FUTEX_WAKE_OP ---- */

static int wake_op(unsigned op, int oparg, unsigned cmp, int cmparg)
{
	struct futex_key key1 = private_key(1, 0), key2 = private_key(1, 1);
	struct futex_word word2 = fake_word(&mem, 1);
	struct futex_op o = {op, cmp, oparg, cmparg};

	return futex_wake_op(ft, &key1, &key2, &word2, 1, 1, &o);
}

static void wake_op_computes(void **state)
{
	static const struct {
		unsigned op;
		int arg;
		uint32_t before, after;
	} ops[] = {
		{0, -3, 5, (uint32_t)-3}, {1, -1, 5, 4}, {2, 6, 9, 15}, {3, 6, 15, 9}, {4, 5, 6, 3},
	};
	static const struct {
		unsigned cmp;
		int below, equal, above;
	} cmps[] = {{0, 0, 1, 0}, {1, 1, 0, 1}, {2, 1, 0, 0},
		    {3, 1, 1, 0}, {4, 0, 0, 1}, {5, 0, 1, 1}};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		mem.word[1] = ops[i].before;
		assert_int_equal(wake_op(ops[i].op, ops[i].arg, 0, 0), 0);
		assert_int_equal(mem.word[1], ops[i].after);
	}
	for (size_t i = 0; i < ARRAY_SIZE(cmps); i++) {
		for (int v = -1; v <= 1; v++) {
			struct actor a, b;
			int want = v < 0 ? cmps[i].below : v == 0 ? cmps[i].equal : cmps[i].above;

			mem.word[1] = (uint32_t)v;
			actor_wait(&a, 1, 0);
			actor_wait(&b, 2, 1);
			assert_int_equal(wake_op(1, 0, cmps[i].cmp, 0), 1 + want);
			assert_int_equal(futex_woken(b.w, 1), want - 1);
			actor_end(&a);
			actor_end(&b);
		}
	}
}

static void wake_op_fails_as_linux_does(void **state)
{
	mem.word[1] = 1;
	assert_int_equal(wake_op(5, 0, 0, 0), -ENOSYS);
	assert_int_equal(mem.word[1], 1);
	/* The comparison is looked at after the operation. */
	assert_int_equal(wake_op(0, 7, 6, 0), -ENOSYS);
	assert_int_equal(mem.word[1], 7);
	mem.readonly = 2;
	assert_int_equal(wake_op(0, 7, 0, 0), -EFAULT);
}

static void change_word_1(void *arg)
{
	mem.word[1] = 100;
}

static void wake_op_is_atomic(void **state)
{
	mem.before_cmpxchg = change_word_1;
	assert_int_equal(wake_op(1, 1, 0, 0), 0);
	assert_int_equal(mem.word[1], 101);
}

/* ---- the release of a robust lock that keeps FUTEX_WAITERS ---- */

static void a_release_says_whether_waiters_stay(void **state)
{
	struct futex_key key = private_key(1, 0);
	struct futex_word word = fake_word(&mem, 0);
	struct actor a, b;

	actor_wait(&a, 1, 0);
	actor_wait(&b, 2, 0);
	mem.word[0] = WAITERS | 7;
	assert_int_equal(futex_release(ft, &key, &word, 1, ANY), 0);
	assert_int_equal(mem.word[0], WAITERS);
	assert_int_equal(futex_release(ft, &key, &word, 2, ANY), 0);
	assert_int_equal(mem.word[0], 0);
	assert_int_equal(wake(0, 1), 1);
	assert_int_equal(futex_release(ft, &key, &word, 1, ANY), 0);
	assert_int_equal(mem.word[0], 0);
	mem.readonly = 1;
	assert_int_equal(futex_release(ft, &key, &word, 1, ANY), -EFAULT);
	actor_end(&a);
	actor_end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_wait_for_another_value_ends_at_once),
		T(a_wake_wakes_as_many_as_it_says_in_order),
		T(bitsets_select),
		T(keys_are_equal_only_in_kind_space_and_offset),
		T(waiters_spread_over_the_buckets),
		T(a_table_wants_a_power_of_two),
		T(a_wake_before_the_block_refuses_it),
		T(a_timeout_after_the_wake_does_not_take_it_back),
		T(a_wake_after_the_timeout_still_counts),
		T(a_wake_after_leaving_finds_nobody),
		T(a_signal_after_the_wake_does_not_take_it_back),
		T(waitv_tells_which_was_woken),
		T(waitv_leaves_all_if_one_differs),
		T(waitv_keeps_a_wake_that_came_while_it_queued),
		T(requeue_wakes_some_and_moves_some),
		T(cmp_requeue_compares_under_the_lock),
		T(a_timeout_after_a_requeue_leaves_the_new_list),
		T(requeue_of_everything_counts_beyond_int),
		T(wake_op_computes),
		T(wake_op_fails_as_linux_does),
		T(wake_op_is_atomic),
		T(a_release_says_whether_waiters_stay),
	};

	return cmocka_run_group_tests_name("futex: wait, wake, requeue", tests, NULL, NULL);
}
