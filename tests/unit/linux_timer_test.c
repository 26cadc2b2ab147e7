/* POSIX timers: the deadline is the test's, so nothing here waits. */
#include "linux_test.h"

#include <time.h>

#define EV   TEST_DATA
#define ID   (TEST_DATA + 0x100)
#define SPEC (TEST_DATA + 0x200)
#define OLD  (TEST_DATA + 0x300)
#define SET  (TEST_DATA + 0x400)
#define INFO (TEST_DATA + 0x500)
#define RT   34
#define SEC  1000000000LL

static int set_up(void **state)
{
	(void)state;
	world_open_cpus(2);
	set_mask(w.init, SIG_BLOCK, SIGMASK(RT) | SIGMASK(SIGUSR1));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_close();
	return 0;
}

static long create(struct task *t, int notify, int sig, uint64_t value)
{
	struct {
		uint64_t value;
		int32_t signo, notify, pad[12];
	} ev = {.value = value, .signo = sig, .notify = notify};
	long r;

	guest_put(t, EV, &ev, sizeof(ev));
	r = CALL(t, SYS_timer_create, CLOCK_MONOTONIC, EV, ID);
	return r < 0 ? r : (long)guest_word(t, ID);
}

static long set_timer(struct task *t, long id, bool absolute, int64_t value, int64_t interval)
{
	int64_t spec[4] = {interval / SEC, interval % SEC, value / SEC, value % SEC};

	guest_put(t, SPEC, spec, sizeof(spec));
	return CALL(t, SYS_timer_settime, (uint64_t)id, absolute, SPEC, OLD);
}

static int64_t time_left(struct task *t, long id)
{
	int64_t spec[4];

	assert_int_equal(CALL(t, SYS_timer_gettime, (uint64_t)id, OLD), 0);
	assert_int_equal(copy_from_guest(t->p->mm, spec, gva(OLD), sizeof(spec)), 0);
	return spec[2] * SEC + spec[3];
}

/* Takes a pending signal: its number, or -EAGAIN. */
static long take(struct task *t, struct siginfo_k *info)
{
	uint64_t set = SIGMASK(RT) | SIGMASK(SIGUSR1);
	int64_t zero[2] = {0, 0};
	long r;

	guest_put(t, SET, &set, sizeof(set));
	guest_put(t, SET + 16, zero, sizeof(zero));
	r = CALL(t, SYS_rt_sigtimedwait, SET, INFO, SET + 16, 8);
	assert_int_equal(copy_from_guest(t->p->mm, info, gva(INFO), sizeof(*info)), 0);
	return r;
}

static void expire(int64_t in)
{
	timers_run(w.k->timers, core_now() + in);
}

static void a_timer_fires_once(void **state)
{
	long id = create(w.init, SIGEV_SIGNAL, RT, 0x1122334455667788);
	struct siginfo_k info;

	(void)state;
	assert_int_equal(set_timer(w.init, id, false, 100 * SEC, 0), 0);
	assert_true(time_left(w.init, id) > 90 * SEC);
	expire(50 * SEC);
	assert_int_equal(take(w.init, &info), -EAGAIN);
	expire(101 * SEC);
	assert_int_equal(time_left(w.init, id), 0);
	assert_int_equal(take(w.init, &info), RT);
	assert_int_equal(info.si_code, SI_TIMER);
	assert_int_equal(info.u.timer.tid, id);
	assert_int_equal(info.u.timer.overrun, 0);
	assert_int_equal(info.u.timer.value, 0x1122334455667788);
	expire(1000 * SEC);
	assert_int_equal(take(w.init, &info), -EAGAIN);
}

static void missed_periods_are_overruns(void **state)
{
	long id = create(w.init, SIGEV_SIGNAL, RT, 0);
	struct siginfo_k info;
	int64_t now = core_now();

	(void)state;
	/* Its first period ended 10.5 periods ago. */
	assert_int_equal(set_timer(w.init, id, true, now - 105 * SEC, 10 * SEC), 0);
	expire(0);
	assert_true(time_left(w.init, id) > 3 * SEC && time_left(w.init, id) <= 5 * SEC);
	assert_int_equal(take(w.init, &info), RT);
	assert_int_equal(info.u.timer.overrun, 10);
	assert_int_equal(CALL(w.init, SYS_timer_getoverrun, (uint64_t)id), 10);
	/* It went on: five seconds from now. */
	expire(0);
	assert_int_equal(take(w.init, &info), -EAGAIN);
	expire(6 * SEC);
	assert_int_equal(take(w.init, &info), RT);
	assert_int_equal(info.u.timer.overrun, 0);
}

static void while_its_signal_waits_a_timer_does_not_run(void **state)
{
	long id = create(w.init, SIGEV_SIGNAL, SIGUSR1, 0);
	struct siginfo_k info;

	(void)state;
	set_timer(w.init, id, false, 1, 1);
	expire(SEC);
	assert_int_equal(timers_run(w.k->timers, core_now()), TIME_NEVER);
	assert_int_equal(take(w.init, &info), SIGUSR1);
	assert_int_not_equal(timers_run(w.k->timers, 0), TIME_NEVER);
}

static void an_ignored_one_runs_at_a_bounded_rate(void **state)
{
	long id = create(w.init, SIGEV_SIGNAL, SIGUSR1, 0);
	int64_t next;

	(void)state;
	set_mask(w.init, SIG_UNBLOCK, SIGMASK(SIGUSR1));
	set_action(w.init, SIGUSR1, 1, 0, 0);
	set_timer(w.init, id, false, 1, 1);
	next = timers_run(w.k->timers, core_now());
	assert_true(next != TIME_NEVER && next > core_now());
}

static void deleting_and_setting_anew(void **state)
{
	long id = create(w.init, SIGEV_SIGNAL, RT, 0);
	struct siginfo_k info;
	unsigned before = atomic_load(&w.k->nsignals);

	(void)state;
	/* Queued, then set anew and due again: one signal with an overrun. */
	set_timer(w.init, id, false, SEC, 0);
	expire(2 * SEC);
	set_timer(w.init, id, false, SEC, 0);
	expire(2 * SEC);
	assert_int_equal(take(w.init, &info), RT);
	assert_int_equal(info.u.timer.overrun, 1);
	assert_int_equal(take(w.init, &info), -EAGAIN);
	/* Switched off while due. */
	set_timer(w.init, id, false, SEC, SEC);
	set_timer(w.init, id, false, 0, SEC);
	expire(5 * SEC);
	assert_int_equal(take(w.init, &info), -EAGAIN);
	/* Deleted while queued: the signal stays, and its entry is freed with it. */
	set_timer(w.init, id, false, SEC, SEC);
	expire(2 * SEC);
	assert_int_equal(CALL(w.init, SYS_timer_delete, (uint64_t)id), 0);
	assert_int_equal(take(w.init, &info), RT);
	assert_int_equal(atomic_load(&w.k->nsignals), before - 1);
	assert_int_equal(CALL(w.init, SYS_timer_gettime, (uint64_t)id, OLD), -EINVAL);
}

static void the_limit_counts_timers(void **state)
{
	long id;

	(void)state;
	w.init->p->rlim[RLIMIT_SIGPENDING].rlim_cur = 2;
	assert_int_equal(create(w.init, SIGEV_SIGNAL, RT, 0), 0);
	assert_int_equal(create(w.init, SIGEV_NONE, 0, 0), 1);
	assert_int_equal(create(w.init, SIGEV_SIGNAL, RT, 0), -EAGAIN);
	assert_int_equal(CALL(w.init, SYS_timer_delete, 0), 0);
	id = create(w.init, SIGEV_SIGNAL, RT, 0);
	assert_true(id >= 2);
	/* A bad pointer for the number makes no timer. */
	w.init->p->rlim[RLIMIT_SIGPENDING].rlim_cur = 3;
	assert_int_equal(CALL(w.init, SYS_timer_create, CLOCK_MONOTONIC, 0, 8), -EFAULT);
	assert_true(create(w.init, SIGEV_SIGNAL, RT, 0) > id);
}

static void a_child_has_none_and_an_exit_frees_them(void **state)
{
	struct task *child;
	long id = create(w.init, SIGEV_SIGNAL, RT, 0);

	(void)state;
	child = fork_task(w.init, 1);
	assert_int_equal(CALL(child, SYS_timer_gettime, (uint64_t)id, OLD), -EINVAL);
	assert_int_equal(create(child, SIGEV_SIGNAL, RT, 0), 0);
	set_timer(child, 0, false, SEC, SEC);
	expire(2 * SEC);
	exit_task(child, 0);
	assert_int_equal(atomic_load(&w.k->nsignals), 1);
	set_timer(w.init, id, false, SEC, SEC);
	expire(2 * SEC);
}

static void numbers_are_checked(void **state)
{
	long id = create(w.init, SIGEV_SIGNAL, RT, 0);

	(void)state;
	assert_int_equal(set_timer(w.init, id, false, INT64_MAX, INT64_MAX), 0);
	assert_int_equal(set_timer(w.init, id, true, INT64_MAX, INT64_MAX), 0);
	assert_true(time_left(w.init, id) > 0);
	assert_int_equal(CALL(w.init, SYS_timer_settime, (uint64_t)id, 0, 0, 0), -EINVAL);
	assert_int_equal(CALL(w.init, SYS_timer_settime, (uint64_t)id, 0, 8, 0), -EFAULT);
	assert_int_equal(CALL(w.init, SYS_timer_settime, (uint64_t)id, 0, UINT64_MAX - 8, 0),
			 -EFAULT);
	assert_int_equal(CALL(w.init, SYS_timer_create, 77, 0, ID), -EINVAL);
	assert_int_equal(CALL(w.init, SYS_timer_create, CLOCK_MONOTONIC_RAW, 0, ID), -EOPNOTSUPP);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_timer_fires_once),
		T(missed_periods_are_overruns),
		T(while_its_signal_waits_a_timer_does_not_run),
		T(an_ignored_one_runs_at_a_bounded_rate),
		T(deleting_and_setting_anew),
		T(the_limit_counts_timers),
		T(a_child_has_none_and_an_exit_frees_them),
		T(numbers_are_checked),
	};

	return cmocka_run_group_tests_name("linux_timer", tests, NULL, NULL);
}
