/* PI locks: ownership, hand-over, ends of owners; the races in every order. */
#include "core_futex.h"

/* The lock is at word 0, key private_key(1, 0). */
static int lock(struct actor *a)
{
	return futex_pi_lock(ft, actor_waiter(a, 0, 0), false);
}

static int try(struct actor *a)
{
	return futex_pi_lock(ft, actor_waiter(a, 0, 0), true);
}

static int unlock(struct actor *a)
{
	struct futex_key key = private_key(1, 0);
	struct futex_word word = fake_word(&mem, 0);

	return futex_pi_unlock(ft, &key, &word, &a->self);
}

/* A new task that is blocked for the lock. */
static void block(struct actor *a, uint32_t tid)
{
	actor_begin(a, tid);
	assert_int_equal(lock(a), -EBLOCKED);
	assert_true(sched_block(&a->st));
}

/* A new task that has the lock without having asked us, as programs do. */
static void hold(struct actor *a, uint32_t tid)
{
	actor_begin(a, tid);
	mem.word[0] = tid;
}

static void owner_ends(struct actor *a)
{
	futex_owner_exit_begin(ft, &a->self);
	futex_owner_exit_end(ft, &a->self);
}

static void a_free_lock_is_taken(void **state)
{
	struct actor a;

	actor_begin(&a, 10);
	assert_int_equal(lock(&a), 0);
	assert_int_equal(mem.word[0], 10);
	assert_int_equal(lock(&a), -EDEADLK);
	assert_int_equal(unlock(&a), 0);
	assert_int_equal(mem.word[0], 0);
	assert_int_equal(unlock(&a), -EPERM);
	/* The dead owner's mark stays for the program to see. */
	mem.word[0] = DIED;
	assert_int_equal(try(&a), 0);
	assert_int_equal(mem.word[0], DIED | 10);
	mem.faults = 1;
	assert_int_equal(lock(&a), -EFAULT);
	assert_int_equal(unlock(&a), -EFAULT);
	mem.faults = 0;
	mem.readonly = 1;
	assert_int_equal(unlock(&a), -EFAULT);
	actor_end(&a);
}

static void an_unlock_hands_over_in_order(void **state)
{
	struct actor a, b, c;

	hold(&a, 10);
	block(&b, 11);
	block(&c, 12);
	assert_int_equal(mem.word[0], WAITERS | 10);
	assert_int_equal(unlock(&a), 0);
	/* Owned before it runs: nobody can take it in between. */
	assert_int_equal(mem.word[0], WAITERS | 11);
	assert_int_equal(lock(&a), -EBLOCKED);
	actor_again(&b);
	assert_int_equal(futex_woken(b.w, 1), 0);
	assert_int_equal(b.w[0].result, 0);
	assert_int_equal(unlock(&b), 0);
	assert_int_equal(mem.word[0], WAITERS | 12);
	assert_int_equal(unlock(&c), 0);
	assert_int_equal(mem.word[0], WAITERS | 10);
	assert_int_equal(unlock(&a), 0);
	assert_int_equal(mem.word[0], 0);
	actor_end(&a);
	actor_end(&b);
	actor_end(&c);
}

static void trylock_does_not_wait(void **state)
{
	struct actor a, b;

	hold(&a, 10);
	actor_begin(&b, 11);
	assert_int_equal(try(&b), -EAGAIN);
	assert_int_equal(mem.word[0], WAITERS | 10);
	assert_false(futex_queued(b.w));
	assert_int_equal(unlock(&a), 0);
	assert_int_equal(mem.word[0], 0);
	actor_end(&a);
	actor_end(&b);
}

/* unlock, then timeout, before the re-run: the lock is its own. */
static void a_timeout_after_the_handover_does_not_lose_the_lock(void **state)
{
	struct actor a, b;

	hold(&a, 10);
	actor_begin(&b, 11);
	sched_deadline(&b.st, 100);
	assert_int_equal(lock(&b), -EBLOCKED);
	assert_true(sched_block(&b.st));
	assert_int_equal(unlock(&a), 0);
	timers_run(w.timers, 100);
	actor_again(&b);
	assert_int_equal(futex_leave(ft, b.w, 1), 0);
	assert_int_equal(mem.word[0], WAITERS | 11);
	actor_end(&a);
	actor_end(&b);
}

/* timeout, it leaves, then unlock: nobody to hand over to. */
static void a_timeout_before_the_handover_leaves_the_lock_alone(void **state)
{
	struct actor a, b;

	hold(&a, 10);
	block(&b, 11);
	assert_int_equal(futex_leave(ft, b.w, 1), -1);
	assert_int_equal(unlock(&a), 0);
	assert_int_equal(mem.word[0], 0);
	actor_end(&a);
	actor_end(&b);
}

static void state_and_word_must_agree(void **state)
{
	struct futex_key key = private_key(1, 0);
	struct actor a, b, c;

	hold(&a, 10);
	block(&b, 11);
	actor_begin(&c, 12);
	/* The word names another than the one that b waits for. */
	mem.word[0] = WAITERS | 12;
	assert_int_equal(unlock(&c), -EINVAL);
	mem.word[0] = WAITERS | 99;
	assert_int_equal(lock(&c), -EINVAL);
	mem.word[0] = WAITERS;
	assert_int_equal(lock(&c), -EINVAL);
	/* An ordinary wake or requeue does not touch PI waiters. */
	assert_int_equal(futex_wake(ft, &key, 1, ANY), -EINVAL);
	assert_int_equal(futex_requeue(ft, &key, NULL, 0, &key, 1, 1), -EINVAL);
	mem.word[0] = WAITERS | 10;
	actor_end(&b);
	/* Nor do PI locks take ordinary waiters over. */
	actor_wait(&b, 11, 0);
	assert_int_equal(lock(&c), -EINVAL);
	assert_int_equal(unlock(&a), -EINVAL);
	actor_end(&a);
	actor_end(&b);
	actor_end(&c);
}

static void nobody_owns_it(void **state)
{
	struct actor a;

	actor_begin(&a, 10);
	mem.word[0] = 4711;
	assert_int_equal(lock(&a), -ESRCH);
	assert_int_equal(mem.word[0], WAITERS | 4711);
	actor_end(&a);
}

static void free_the_word(void *arg)
{
	mem.word[0] = 0;
}

/* unlock between our load and our exchange: seen, tried again. */
static void an_unlock_meanwhile_is_seen(void **state)
{
	struct actor a, b;

	hold(&a, 10);
	actor_begin(&b, 11);
	mem.before_cmpxchg = free_the_word;
	assert_int_equal(lock(&b), 0);
	assert_int_equal(mem.word[0], 11);
	actor_end(&a);
	actor_end(&b);
}

static void set_waiters(void *arg)
{
	mem.word[0] |= WAITERS;
}

static void clear_waiters(void *arg)
{
	mem.word[0] &= ~WAITERS;
}

static void change_owner(void *arg)
{
	mem.word[0] = 99;
}

static void a_lock_meanwhile_is_seen_by_unlock(void **state)
{
	struct actor a, b;

	hold(&a, 10);
	mem.before_cmpxchg = set_waiters;
	assert_int_equal(unlock(&a), -EAGAIN);
	assert_int_equal(unlock(&a), 0);
	mem.word[0] = 10;
	block(&b, 11);
	mem.word[0] = 10;
	mem.before_cmpxchg = set_waiters;
	assert_int_equal(unlock(&a), 0);
	assert_int_equal(mem.word[0], WAITERS | 11);
	actor_end(&b);
	mem.word[0] = 10;
	block(&b, 11);
	assert_int_equal(mem.word[0], WAITERS | 10);
	mem.before_cmpxchg = clear_waiters;
	assert_int_equal(unlock(&a), 0);
	assert_int_equal(mem.word[0], WAITERS | 11);
	actor_end(&b);
	mem.word[0] = 10;
	block(&b, 11);
	mem.before_cmpxchg = change_owner;
	assert_int_equal(unlock(&a), -EINVAL);
	actor_end(&a);
	actor_end(&b);
}

/* a holds A and waits for B; b holds B and wants A. */
static void a_circle_is_refused(void **state)
{
	struct actor a, b, c;

	actor_begin(&a, 10);
	actor_begin(&b, 11);
	actor_begin(&c, 12);
	mem.word[0] = 10;
	mem.word[1] = 11;
	mem.word[2] = 12;
	assert_int_equal(futex_pi_lock(ft, actor_waiter(&a, 1, 1), false), -EBLOCKED);
	assert_int_equal(futex_pi_lock(ft, actor_waiter(&b, 2, 2), false), -EBLOCKED);
	assert_int_equal(lock(&c), -EDEADLK);
	assert_false(futex_queued(c.w));
	/* b gives up: no circle any more. */
	assert_int_equal(futex_leave(ft, b.w, ACTOR_WAITERS), -1);
	assert_int_equal(lock(&c), -EBLOCKED);
	actor_end(&a);
	actor_end(&b);
	actor_end(&c);
}

/* ---- the owner ends ---- */

static void a_dead_owner_leaves_its_lock_to_the_first_waiter(void **state)
{
	struct actor a, b, c;

	hold(&a, 10);
	block(&b, 11);
	block(&c, 12);
	owner_ends(&a);
	assert_int_equal(mem.word[0], WAITERS | DIED | 11);
	assert_int_equal(futex_woken(b.w, 1), 0);
	assert_int_equal(futex_woken(c.w, 1), -1);
	assert_int_equal(unlock(&b), 0);
	assert_int_equal(mem.word[0], WAITERS | 12);
	actor_end(&a);
	actor_end(&b);
	actor_end(&c);
}

/* The heir dies before it runs: the next one inherits. */
static void an_heir_that_ends_leaves_it_on(void **state)
{
	struct actor a, b, c;

	hold(&a, 10);
	block(&b, 11);
	block(&c, 12);
	owner_ends(&a);
	actor_again(&b);
	owner_ends(&b);
	assert_int_equal(mem.word[0], WAITERS | DIED | 12);
	actor_again(&c);
	assert_int_equal(futex_woken(c.w, 1), 0);
	actor_end(&a);
	actor_end(&b);
	actor_end(&c);
}

/* Who cannot write the word cannot own the lock: -EFAULT, and the next one gets it. */
static void an_heir_without_the_word_is_passed_over(void **state)
{
	struct fake_mem own = {.word = {WAITERS | 10}};
	struct actor a, b, c;

	hold(&a, 10);
	actor_begin(&b, 11);
	actor_waiter(&b, 0, 0)->word = fake_word(&own, 0);
	assert_int_equal(futex_pi_lock(ft, b.w, false), -EBLOCKED);
	block(&c, 12);
	own.readonly = 1;
	owner_ends(&a);
	assert_int_equal(futex_woken(b.w, 1), 0);
	assert_int_equal(b.w[0].result, -EFAULT);
	assert_int_equal(c.w[0].result, 0);
	assert_int_equal(mem.word[0], WAITERS | DIED | 12);
	actor_end(&a);
	actor_end(&b);
	actor_end(&c);
}

static void an_owner_of_many_locks_leaves_all(void **state)
{
	struct actor a, b[20];

	actor_begin(&a, 10);
	for (unsigned i = 0; i < 20; i++) {
		mem.word[i] = 10;
		actor_begin(&b[i], 11 + i);
		assert_int_equal(futex_pi_lock(ft, actor_waiter(&b[i], 0, i), false), -EBLOCKED);
	}
	owner_ends(&a);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(mem.word[i], WAITERS | DIED | (11 + i));
		actor_end(&b[i]);
	}
	actor_end(&a);
}

/* Between begin and end the robust walk changes words: who comes then waits until that is done. */
static void a_lock_of_an_ending_owner_waits_for_the_end(void **state)
{
	struct actor a, b;

	hold(&a, 10);
	futex_owner_exit_begin(ft, &a.self);
	actor_begin(&b, 11);
	assert_int_equal(lock(&b), -EBLOCKED);
	assert_false(futex_queued(b.w));
	assert_true(sched_block(&b.st));
	mem.word[0] = WAITERS | DIED; /* the walk */
	futex_owner_exit_end(ft, &a.self);
	actor_again(&b);
	assert_false(b.w[0].woken);
	assert_int_equal(futex_pi_lock(ft, b.w, false), 0);
	assert_int_equal(mem.word[0], DIED | 11);
	actor_end(&a);
	actor_end(&b);
}

/* The walk has been at the word, others wait already: attach to them, as Linux. */
static void a_walked_word_with_waiters_is_attached_to(void **state)
{
	struct actor a, b, c;

	hold(&a, 10);
	block(&b, 11);
	futex_owner_exit_begin(ft, &a.self);
	mem.word[0] = WAITERS | DIED;
	block(&c, 12);
	futex_owner_exit_end(ft, &a.self);
	assert_int_equal(mem.word[0], WAITERS | DIED | 11);
	assert_int_equal(unlock(&b), 0);
	assert_int_equal(mem.word[0], WAITERS | 12);
	actor_end(&a);
	actor_end(&b);
	actor_end(&c);
}

static void a_gone_owner_without_robust_list_is_no_task(void **state)
{
	struct actor a, b;

	hold(&a, 10);
	owner_ends(&a);
	actor_begin(&b, 11);
	assert_int_equal(lock(&b), -ESRCH);
	/* execve: it lives on. */
	futex_owner_revive(ft, &a.self);
	assert_int_equal(lock(&b), -EBLOCKED);
	futex_leave(ft, b.w, 1);
	futex_owner_rename(ft, &a.self, 20);
	assert_int_equal(lock(&b), -ESRCH);
	actor_end(&a);
	actor_end(&b);
}

/* ---- WAIT_REQUEUE_PI: a condition variable at word 5, the lock at word 0 ---- */

#define COND 5

static void wait_for_requeue(struct actor *a, uint32_t tid)
{
	actor_begin(a, tid);
	actor_waiter(a, 0, COND)->requeue_pi = true;
	a->w[0].target = private_key(1, 0);
	a->w[0].target_word = fake_word(&mem, 0);
	assert_int_equal(futex_wait(ft, a->w, 1), -EBLOCKED);
	assert_true(sched_block(&a->st));
}

static int pi_requeue(struct actor *by, int nrequeue)
{
	struct futex_key key1 = private_key(1, COND), key2 = private_key(1, 0);
	struct futex_word word1 = fake_word(&mem, COND), word2 = fake_word(&mem, 0);

	return futex_pi_requeue(ft, &key1, &word1, 0, &key2, &word2, nrequeue, &by->st);
}

static void a_requeue_takes_a_free_lock_for_the_first(void **state)
{
	struct actor a, b, c, d;

	actor_begin(&d, 13);
	wait_for_requeue(&a, 10);
	wait_for_requeue(&b, 11);
	wait_for_requeue(&c, 12);
	assert_int_equal(pi_requeue(&d, 1), 2);
	assert_int_equal(mem.word[0], WAITERS | 10);
	actor_again(&a);
	assert_int_equal(futex_woken(a.w, 1), 0);
	assert_true(futex_queued(b.w));
	assert_false(b.w[0].requeue_pi);
	assert_true(c.w[0].requeue_pi);
	assert_int_equal(unlock(&a), 0);
	assert_int_equal(mem.word[0], WAITERS | 11);
	assert_int_equal(futex_woken(b.w, 1), 0);
	/* One more: it has to wait for b. */
	assert_int_equal(pi_requeue(&d, INT32_MAX), 1);
	assert_int_equal(unlock(&b), 0);
	assert_int_equal(futex_woken(c.w, 1), 0);
	assert_int_equal(mem.word[0], WAITERS | 12);
	actor_end(&a);
	actor_end(&b);
	actor_end(&c);
	actor_end(&d);
}

static void a_requeue_of_one_leaves_no_waiters_bit(void **state)
{
	struct actor a, d;

	actor_begin(&d, 13);
	assert_int_equal(pi_requeue(&d, 0), 0);
	wait_for_requeue(&a, 10);
	assert_int_equal(pi_requeue(&d, 0), 1);
	assert_int_equal(mem.word[0], 10);
	actor_end(&a);
	actor_end(&d);
}

static void a_requeue_to_a_held_lock_waits_for_its_owner(void **state)
{
	struct actor a, b, d;

	hold(&d, 13);
	wait_for_requeue(&a, 10);
	wait_for_requeue(&b, 11);
	assert_int_equal(pi_requeue(&d, 9), 2);
	assert_int_equal(mem.word[0], WAITERS | 13);
	assert_int_equal(unlock(&d), 0);
	assert_int_equal(mem.word[0], WAITERS | 10);
	/* The owner that was made by requeueing ends. */
	owner_ends(&a);
	assert_int_equal(mem.word[0], WAITERS | DIED | 11);
	actor_end(&a);
	actor_end(&b);
	actor_end(&d);
}

static void only_what_waits_for_this_target_is_requeued(void **state)
{
	struct futex_key cond = private_key(1, COND);
	struct actor a, b, d;

	hold(&d, 13);
	actor_wait(&a, 10, COND);
	assert_int_equal(pi_requeue(&d, 1), -EINVAL);
	actor_end(&a);
	wait_for_requeue(&a, 10);
	a.w[0].target = private_key(1, 1);
	assert_int_equal(pi_requeue(&d, 1), -EINVAL);
	assert_int_equal(futex_wake(ft, &cond, 1, ANY), -EINVAL);
	mem.word[COND] = 1;
	assert_int_equal(pi_requeue(&d, 1), -EAGAIN);
	mem.word[COND] = 0;
	mem.word[0] = 4711;
	a.w[0].target = private_key(1, 0);
	assert_int_equal(pi_requeue(&d, 1), -ESRCH);
	mem.word[0] = 10;
	assert_int_equal(pi_requeue(&d, 1), -EDEADLK);
	mem.faults = 1;
	assert_int_equal(pi_requeue(&d, 1), -EFAULT);
	mem.faults = 1ULL << COND;
	assert_int_equal(pi_requeue(&d, 1), -EFAULT);
	mem.faults = 0;
	/* The second is of another kind: the first has been moved by then. */
	actor_wait(&b, 11, COND);
	mem.word[0] = 13;
	assert_int_equal(pi_requeue(&d, 9), -EINVAL);
	assert_false(a.w[0].requeue_pi);
	actor_end(&a);
	actor_end(&b);
	actor_end(&d);
}

static void a_requeue_to_an_ending_owner_waits_for_the_end(void **state)
{
	struct actor a, b, d;

	hold(&b, 11);
	wait_for_requeue(&a, 10);
	futex_owner_exit_begin(ft, &b.self);
	actor_begin(&d, 13);
	assert_int_equal(pi_requeue(&d, 1), -EBLOCKED);
	assert_true(sched_block(&d.st));
	mem.word[0] = DIED;
	futex_owner_exit_end(ft, &b.self);
	actor_again(&d);
	assert_int_equal(pi_requeue(&d, 0), 1);
	assert_int_equal(mem.word[0], DIED | 10);
	actor_end(&a);
	actor_end(&b);
	actor_end(&d);
}

/* requeue against timeout: whoever has the bucket first. */
static void a_timeout_after_a_requeue_leaves_the_lock(void **state)
{
	struct actor a, d;

	hold(&d, 13);
	wait_for_requeue(&a, 10);
	assert_int_equal(pi_requeue(&d, 1), 1);
	assert_int_equal(futex_leave(ft, a.w, 1), -1);
	assert_false(a.w[0].requeue_pi);
	assert_int_equal(unlock(&d), 0);
	assert_int_equal(mem.word[0], 0);
	actor_end(&a);
	actor_end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_free_lock_is_taken),
		T(an_unlock_hands_over_in_order),
		T(trylock_does_not_wait),
		T(a_timeout_after_the_handover_does_not_lose_the_lock),
		T(a_timeout_before_the_handover_leaves_the_lock_alone),
		T(state_and_word_must_agree),
		T(nobody_owns_it),
		T(an_unlock_meanwhile_is_seen),
		T(a_lock_meanwhile_is_seen_by_unlock),
		T(a_circle_is_refused),
		T(a_dead_owner_leaves_its_lock_to_the_first_waiter),
		T(an_heir_that_ends_leaves_it_on),
		T(an_heir_without_the_word_is_passed_over),
		T(an_owner_of_many_locks_leaves_all),
		T(a_lock_of_an_ending_owner_waits_for_the_end),
		T(a_walked_word_with_waiters_is_attached_to),
		T(a_gone_owner_without_robust_list_is_no_task),
		T(a_requeue_takes_a_free_lock_for_the_first),
		T(a_requeue_of_one_leaves_no_waiters_bit),
		T(a_requeue_to_a_held_lock_waits_for_its_owner),
		T(only_what_waits_for_this_target_is_requeued),
		T(a_requeue_to_an_ending_owner_waits_for_the_end),
		T(a_timeout_after_a_requeue_leaves_the_lock),
	};

	return cmocka_run_group_tests_name("futex: PI locks", tests, NULL, NULL);
}
