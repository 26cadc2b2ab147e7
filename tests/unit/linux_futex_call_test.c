/* The futex calls: a wake against a timeout, a signal, a death; restarts; what is read only once.
 */
#include "linux_test.h"

#include "../../vmm/linux/futex_user.h"
#include "../../vmm/linux/sys.h"

#define WORD  TEST_DATA
#define WORD2 (TEST_DATA + 0x40)
#define TS    (TEST_DATA + 0x100)

static int one_cpu(void **state)
{
	world_open_cpus(1);
	return 0;
}

static int tear_down(void **state)
{
	world_close();
	return 0;
}

/* A process with init's memory, blocked at its start: nothing has run yet. The caller makes it go
 * on. */
static struct task *sharer(void)
{
	long pid = CALL(w.init, SYS_clone, CLONE_VM | SIGCHLD);
	struct task *t;

	assert_true(pid > 0);
	t = world_next(0);
	assert_non_null(t);
	assert_int_equal(task_step(t), TASK_RUN);
	return t;
}

/* One run of t's call, as task_step would do it. */
static long first_run(struct task *t, const uint64_t a[6])
{
	call_begin(t, SYS_futex, a);
	sched_prepare(&t->st);
	t->call.interrupted = false;
	return syscall_dispatch(t, &t->call);
}

static long next_run(struct task *t, bool interrupted)
{
	sched_prepare(&t->st);
	t->call.interrupted = interrupted;
	return syscall_dispatch(t, &t->call);
}

static void end(struct task *t)
{
	call_finish(t, &t->call);
	t->in_call = false;
}

#define FIRST(t, ...) first_run(t, (const uint64_t[6]){__VA_ARGS__})

static void put_ts(int64_t sec, int64_t nsec)
{
	const int64_t ts[2] = {sec, nsec};

	guest_put(w.init, TS, ts, sizeof(ts));
}

static void put_word(uint64_t addr, uint32_t v)
{
	guest_put(w.init, addr, &v, sizeof(v));
}

static long wake(uint64_t addr, int n)
{
	return CALL(w.init, SYS_futex, addr, FUTEX_WAKE, (uint64_t)n);
}

static void a_blocked_wait_is_woken(void **state)
{
	struct task *t = sharer();

	CALL_GONE(t, SYS_futex, WORD, FUTEX_WAIT, 0);
	assert_int_equal(CALL(w.init, SYS_futex, WORD, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1), 0);
	assert_int_equal(wake(WORD, 1), 1);
	assert_int_equal(call_wakes(t, 0), 0);
	exit_task(t, 0);
}

/* "A wake that was counted is never lost to a timeout or a signal." */
static void a_counted_wake_beats_the_signal(void **state)
{
	struct task *t = sharer();

	assert_int_equal(FIRST(t, WORD, FUTEX_WAIT, 0), -EBLOCKED);
	assert_int_equal(wake(WORD, 1), 1);
	assert_int_equal(next_run(t, true), 0);
	end(t);
	exit_task(t, 0);
}

static void a_counted_wake_beats_the_timeout(void **state)
{
	struct task *t = sharer();

	put_ts(100, 0);
	assert_int_equal(FIRST(t, WORD, FUTEX_WAIT, 0, TS), -EBLOCKED);
	assert_int_equal(wake(WORD, 1), 1);
	t->call.deadline = 1;
	assert_int_equal(next_run(t, true), 0);
	end(t);
	/* The timeout first: the wake finds nobody. */
	assert_int_equal(FIRST(t, WORD, FUTEX_WAIT, 0, TS), -EBLOCKED);
	t->call.deadline = 1;
	assert_int_equal(next_run(t, true), -ETIMEDOUT);
	assert_int_equal(wake(WORD, 1), 0);
	end(t);
	exit_task(t, 0);
}

static void a_signal_restarts_a_wait_without_timeout(void **state)
{
	struct task *t = sharer();

	assert_int_equal(FIRST(t, WORD, FUTEX_WAIT, 0), -EBLOCKED);
	assert_int_equal(next_run(t, true), -ERESTARTSYS);
	assert_int_equal(wake(WORD, 1), 0);
	end(t);
	exit_task(t, 0);
}

/* With one it goes on by restart_syscall: same end, the timespec is not read again; the word is. */
static void a_signal_leaves_a_timeout_its_end(void **state)
{
	struct task *t = sharer();
	int64_t deadline;

	put_ts(100, 0);
	assert_int_equal(FIRST(t, WORD, FUTEX_WAIT, 0, TS), -EBLOCKED);
	deadline = t->call.deadline;
	assert_true(deadline > core_now() + 99000000000LL);
	put_ts(-1, 0);
	assert_int_equal(next_run(t, false), -EBLOCKED);
	assert_int_equal(next_run(t, true), -ERESTART_RESTARTBLOCK);
	end(t);
	for (int i = 0; i < 2; i++) {
		call_begin(t, SYS_restart_syscall, (const uint64_t[6]){0});
		assert_int_equal(next_run(t, false), -EBLOCKED);
		assert_int_equal(t->call.deadline, deadline);
		assert_int_equal(next_run(t, true), -ERESTART_RESTARTBLOCK);
		end(t);
	}
	put_word(WORD, 1);
	call_begin(t, SYS_restart_syscall, (const uint64_t[6]){0});
	assert_int_equal(next_run(t, false), -EAGAIN);
	end(t);
	exit_task(t, 0);
}

static void a_killed_waiter_is_not_counted(void **state)
{
	struct task *t = sharer();

	CALL_GONE(t, SYS_futex, WORD, FUTEX_WAIT, 0);
	process_kill(t->p, SIGKILL);
	assert_ptr_equal(world_next(0), t);
	assert_int_equal(task_step(t), TASK_GONE);
	assert_int_equal(wake(WORD, 1), 0);
}

static void absolute_times_are_converted(void **state)
{
	struct task *t = sharer();
	int64_t now;

	put_ts(kernel_clock(w.k, CLOCK_REALTIME) / 1000000000 + 10, 0);
	assert_int_equal(FIRST(t, WORD, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, TS, 0, 1),
			 -EBLOCKED);
	now = core_now();
	assert_in_range(t->call.deadline, now + 8000000000LL, now + 10000000000LL);
	end(t);
	assert_int_equal(wake(WORD, 1), 0);
	/* Beyond everything: never. */
	put_ts(INT64_MAX, 0);
	assert_int_equal(FIRST(t, WORD, FUTEX_WAIT_BITSET, 0, TS, 0, 1), -EBLOCKED);
	assert_true(t->call.deadline > INT64_MAX / 2);
	end(t);
	assert_int_equal(FIRST(t, WORD, FUTEX_WAIT, 0, TS), -EBLOCKED);
	assert_int_equal(t->call.deadline, TIME_NEVER);
	end(t);
	exit_task(t, 0);
}

/* ---- PI ---- */

static void a_killed_heir_hands_the_lock_on(void **state)
{
	struct task *a = sharer(), *b = sharer();
	uint32_t a_tid = a->tid, b_tid = b->tid;

	put_word(WORD, w.init->tid);
	CALL_GONE(a, SYS_futex, WORD, FUTEX_LOCK_PI);
	CALL_GONE(b, SYS_futex, WORD, FUTEX_LOCK_PI);
	assert_int_equal(guest_word(w.init, WORD), FUTEX_WORD_WAITERS | w.init->tid);
	assert_int_equal(CALL(w.init, SYS_futex, WORD, FUTEX_UNLOCK_PI), 0);
	assert_int_equal(guest_word(w.init, WORD), FUTEX_WORD_WAITERS | a_tid);
	process_kill(a->p, SIGKILL);
	assert_ptr_equal(world_next(0), a);
	assert_int_equal(task_step(a), TASK_GONE);
	assert_int_equal(guest_word(w.init, WORD), FUTEX_WORD_WAITERS | FUTEX_WORD_DIED | b_tid);
	assert_int_equal(call_wakes(b, 0), 0);
	exit_task(b, 0);
	assert_int_equal(CALL(w.init, SYS_futex, WORD, FUTEX_LOCK_PI), -ESRCH);
}

static void lock_pi_begins_again_after_a_signal(void **state)
{
	struct task *t = sharer();

	put_word(WORD, w.init->tid);
	assert_int_equal(FIRST(t, WORD, FUTEX_LOCK_PI), -EBLOCKED);
	assert_int_equal(next_run(t, false), -EBLOCKED);
	assert_int_equal(next_run(t, true), -ERESTARTNOINTR);
	end(t);
	/* Handed over, then the signal: it has the lock. */
	assert_int_equal(FIRST(t, WORD, FUTEX_LOCK_PI), -EBLOCKED);
	assert_int_equal(CALL(w.init, SYS_futex, WORD, FUTEX_UNLOCK_PI), 0);
	assert_int_equal(next_run(t, true), 0);
	assert_int_equal(guest_word(t, WORD) & FUTEX_WORD_TID, t->tid);
	end(t);
	exit_task(t, 0);
}

static void wait_requeue_pi_before_and_after_the_move(void **state)
{
	struct task *t = sharer();

	put_word(WORD2, w.init->tid);
	assert_int_equal(FIRST(t, WORD, FUTEX_WAIT_REQUEUE_PI, 0, 0, WORD2), -EBLOCKED);
	assert_int_equal(next_run(t, true), -ERESTARTNOINTR);
	end(t);
	assert_int_equal(FIRST(t, WORD, FUTEX_WAIT_REQUEUE_PI, 0, 0, WORD2), -EBLOCKED);
	assert_int_equal(CALL(w.init, SYS_futex, WORD, FUTEX_CMP_REQUEUE_PI, 1, 0, WORD2, 0), 1);
	assert_int_equal(next_run(t, false), -EBLOCKED);
	assert_int_equal(next_run(t, true), -EAGAIN);
	end(t);
	assert_int_equal(CALL(w.init, SYS_futex, WORD2, FUTEX_UNLOCK_PI), 0);
	assert_int_equal(guest_word(w.init, WORD2), 0);
	exit_task(t, 0);
}

/* Nothing that waits is left behind when everything ends. */
static void the_kernel_ends_with_waiters(void **state)
{
	struct task *a = sharer(), *b = sharer();

	put_word(WORD, w.init->tid);
	CALL_GONE(a, SYS_futex, WORD, FUTEX_LOCK_PI);
	CALL_GONE(b, SYS_futex, WORD2, FUTEX_WAIT, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, one_cpu, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_blocked_wait_is_woken),
		T(a_counted_wake_beats_the_signal),
		T(a_counted_wake_beats_the_timeout),
		T(a_signal_restarts_a_wait_without_timeout),
		T(a_signal_leaves_a_timeout_its_end),
		T(a_killed_waiter_is_not_counted),
		T(absolute_times_are_converted),
		T(a_killed_heir_hands_the_lock_on),
		T(lock_pi_begins_again_after_a_signal),
		T(wait_requeue_pi_before_and_after_the_move),
		T(the_kernel_ends_with_waiters),
	};

	return cmocka_run_group_tests_name("futex calls", tests, NULL, NULL);
}
