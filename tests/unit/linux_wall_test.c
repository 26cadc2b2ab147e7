/* CLOCK_REALTIME is set while somebody waits for a time of it. The clock is the test's. */
#include "linux_test.h"

#include "../../vmm/linux/futex_user.h"
#include "../../vmm/linux/sys.h"

#include <sys/timerfd.h>
#include <time.h>

#define WORD TEST_DATA
#define TS   (TEST_DATA + 0x100)
#define SPEC (TEST_DATA + 0x200)
#define OLD  (TEST_DATA + 0x300)
#define ID   (TEST_DATA + 0x400)
#define BUF  (TEST_DATA + 0x500)
#define SEC  1000000000LL

static int64_t ahead; /* CLOCK_REALTIME - CLOCK_MONOTONIC */

static int64_t test_clock(void *machine, int clock)
{
	(void)machine;
	return core_now() + (clock == CLOCK_REALTIME ? ahead : 0);
}

static const struct machine_ops test_ops = {.clock_ns = test_clock};

static int set_up(void **state)
{
	(void)state;
	world_open_cpus(1);
	ahead = 1000000 * SEC;
	w.k->ops = &test_ops;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	w.k->ops = NULL;
	world_close();
	return 0;
}

static void step_clock(int64_t by)
{
	ahead += by;
	kernel_clock_was_set(w.k);
}

/* Sets TS to `in` from now on the realtime clock. */
static void put_time(int64_t in)
{
	int64_t ns = core_now() + ahead + in, ts[2] = {ns / SEC, ns % SEC};

	guest_put(w.init, TS, ts, sizeof(ts));
}

static void put_span(int64_t ns)
{
	int64_t ts[2] = {ns / SEC, ns % SEC};

	guest_put(w.init, TS, ts, sizeof(ts));
}

/* init was woken: its call's result; or it blocks again. */
static long woken(void)
{
	assert_ptr_equal(world_next(0), w.init);
	if (task_step(w.init) == TASK_GONE)
		return -EBLOCKED;
	return call_result(w.init);
}

static int64_t deadline_in(void)
{
	return w.init->st.deadline - core_now();
}

#define NEAR(a, b) assert_in_range((a) - (b) + SEC, 0, 2 * SEC)

/* It blocks for 100 s: a step back makes it wait longer, one forward ends it. */
static void follows(long end)
{
	NEAR(deadline_in(), 100 * SEC);
	assert_null(world_next(0));
	step_clock(-1000 * SEC);
	assert_int_equal(woken(), -EBLOCKED);
	NEAR(deadline_in(), 1100 * SEC);
	step_clock(1050 * SEC);
	assert_int_equal(woken(), -EBLOCKED);
	NEAR(deadline_in(), 50 * SEC);
	assert_null(world_next(0));
	step_clock(51 * SEC);
	assert_int_equal(woken(), end);
	/* Nobody is left on the list. */
	step_clock(SEC);
	assert_true(LIST_EMPTY(&w.k->walls));
}

static void stays(void)
{
	NEAR(deadline_in(), 100 * SEC);
	step_clock(1000 * SEC);
	assert_null(world_next(0));
	NEAR(deadline_in(), 100 * SEC);
	signal_send_process(w.init->p, SIGKILL, &(struct siginfo_k){.si_signo = SIGKILL});
	assert_ptr_equal(world_next(0), w.init);
}

static void a_futex_wait_follows(void **state)
{
	(void)state;
	put_time(100 * SEC);
	CALL_GONE(w.init, SYS_futex, WORD, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, TS, 0,
		  FUTEX_BITSET_ANY);
	follows(-ETIMEDOUT);
}

static void a_pi_lock_follows(void **state)
{
	uint32_t owner;
	struct task *t;

	(void)state;
	assert_true(CALL(w.init, SYS_clone, CLONE_VM | SIGCHLD) > 0);
	t = world_next(0);
	assert_int_equal(task_step(t), TASK_RUN);
	owner = t->tid;
	guest_put(w.init, WORD, &owner, sizeof(owner));
	put_time(100 * SEC);
	CALL_GONE(w.init, SYS_futex, WORD, FUTEX_LOCK_PI, 0, TS);
	follows(-ETIMEDOUT);
	CALL_GONE(t, SYS_exit, 0);
}

static void futex_waitv_follows(void **state)
{
	const struct {
		uint64_t val, uaddr;
		uint32_t flags, reserved;
	} v = {0, WORD, 2, 0};

	(void)state;
	guest_put(w.init, BUF, &v, sizeof(v));
	put_time(100 * SEC);
	CALL_GONE(w.init, SYS_futex_waitv, BUF, 1, 0, TS, CLOCK_REALTIME);
	follows(-ETIMEDOUT);
}

static void clock_nanosleep_follows(void **state)
{
	(void)state;
	put_time(100 * SEC);
	CALL_GONE(w.init, SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, TS, 0);
	follows(0);
}

/* The clock is set after the wait began and before it is on its queues. */
/* mq_timedsend(3): "an absolute timeout ... since the Epoch" */
static void a_message_queue_follows(void **state)
{
	struct {
		long flags, maxmsg, msgsize, curmsgs, pad[4];
	} attr = {.maxmsg = 1, .msgsize = 8};
	long q;

	(void)state;
	guest_put(w.init, SPEC, &attr, sizeof(attr));
	guest_put(w.init, BUF, "q", 2);
	q = CALL(w.init, SYS_mq_open, BUF, O_CREAT | O_RDWR, 0600, SPEC);
	assert_true(q >= 0);
	put_time(100 * SEC);
	CALL_GONE(w.init, SYS_mq_timedreceive, (uint64_t)q, BUF, 8, 0, TS);
	follows(-ETIMEDOUT);
	assert_int_equal(CALL(w.init, SYS_mq_timedsend, (uint64_t)q, BUF, 1, 0, 0), 0);
	put_time(100 * SEC);
	CALL_GONE(w.init, SYS_mq_timedsend, (uint64_t)q, BUF, 1, 0, TS);
	follows(-ETIMEDOUT);
}

static void a_step_between_decision_and_block_is_seen(void **state)
{
	const uint64_t a[6] = {CLOCK_REALTIME, TIMER_ABSTIME, TS, 0};

	(void)state;
	put_time(100 * SEC);
	call_begin(w.init, SYS_clock_nanosleep, a);
	sched_prepare(&w.init->st);
	assert_int_equal(syscall_dispatch(w.init, &w.init->call), -EBLOCKED);
	step_clock(200 * SEC);
	assert_false(sched_block(&w.init->st));
	sched_prepare(&w.init->st);
	assert_int_equal(syscall_dispatch(w.init, &w.init->call), 0);
	call_finish(w.init, &w.init->call);
	w.init->in_call = false;
}

static void a_relative_sleep_stays(void **state)
{
	(void)state;
	put_span(100 * SEC);
	CALL_GONE(w.init, SYS_clock_nanosleep, CLOCK_REALTIME, 0, TS, 0);
	stays();
}

static void a_monotonic_wait_stays(void **state)
{
	(void)state;
	put_span(core_now() + 100 * SEC);
	CALL_GONE(w.init, SYS_futex, WORD, FUTEX_WAIT_BITSET, 0, TS, 0, FUTEX_BITSET_ANY);
	stays();
}

/* Stopped and continued: restart_syscall waits for the same time of the clock. */
static void a_restarted_wait_follows(void **state)
{
	(void)state;
	put_time(100 * SEC);
	CALL_GONE(w.init, SYS_futex, WORD, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, TS, 0,
		  FUTEX_BITSET_ANY);
	sched_wake(&w.init->st);
	assert_ptr_equal(world_next(0), w.init);
	sched_prepare(&w.init->st);
	w.init->call.interrupted = true;
	assert_int_equal(syscall_dispatch(w.init, &w.init->call), -ERESTART_RESTARTBLOCK);
	call_finish(w.init, &w.init->call);
	w.init->in_call = false;
	assert_true(LIST_EMPTY(&w.k->walls));
	step_clock(-1000 * SEC);
	put_time(0); /* what is there now does not count */
	CALL_GONE(w.init, SYS_restart_syscall, WORD, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0,
		  TS, 0, FUTEX_BITSET_ANY);
	NEAR(deadline_in(), 1100 * SEC);
	step_clock(1000 * SEC);
	assert_int_equal(woken(), -EBLOCKED);
	follows(-ETIMEDOUT);
}

/* ---- timers ---- */

static void put_spec(int64_t value, int64_t interval)
{
	int64_t spec[4] = {interval / SEC, interval % SEC, value / SEC, value % SEC};

	guest_put(w.init, SPEC, spec, sizeof(spec));
}

static int64_t left_at(uint64_t addr)
{
	int64_t spec[4];

	assert_int_equal(copy_from_guest(w.init->p->mm, spec, gva(addr), sizeof(spec)), 0);
	return spec[2] * SEC + spec[3];
}

static int64_t timer_left(uint64_t id)
{
	assert_int_equal(CALL(w.init, SYS_timer_gettime, id, OLD), 0);
	return left_at(OLD);
}

static bool pending(int sig)
{
	return w.init->p->pending.mask & SIGMASK(sig) || w.init->pending.mask & SIGMASK(sig);
}

static uint64_t make_timer(int clock)
{
	set_mask(w.init, SIG_BLOCK, SIGMASK(SIGALRM));
	assert_int_equal(CALL(w.init, SYS_timer_create, (uint64_t)clock, 0, ID), 0);
	return guest_word(w.init, ID);
}

static void an_absolute_timer_follows(void **state)
{
	uint64_t id = make_timer(CLOCK_REALTIME);

	(void)state;
	put_spec(core_now() + ahead + 100 * SEC, 10 * SEC);
	assert_int_equal(CALL(w.init, SYS_timer_settime, id, TIMER_ABSTIME, SPEC, 0), 0);
	step_clock(-1000 * SEC);
	NEAR(timer_left(id), 1100 * SEC);
	timers_run(w.k->timers, core_now() + 200 * SEC);
	assert_false(pending(SIGALRM));
	step_clock(1050 * SEC);
	NEAR(timer_left(id), 50 * SEC);
	/* 55 s later, with a period of 10 s. */
	step_clock(105 * SEC);
	timers_run(w.k->timers, core_now());
	assert_true(pending(SIGALRM));
	/* While its signal waits. */
	NEAR(timer_left(id), 5 * SEC);
	step_clock(2 * SEC);
	NEAR(timer_left(id), 3 * SEC);
}

static void a_relative_timer_stays(void **state)
{
	uint64_t id = make_timer(CLOCK_REALTIME), mono;

	(void)state;
	put_spec(100 * SEC, 0);
	assert_int_equal(CALL(w.init, SYS_timer_settime, id, 0, SPEC, 0), 0);
	mono = make_timer(CLOCK_MONOTONIC);
	put_spec(core_now() + 100 * SEC, 0);
	assert_int_equal(CALL(w.init, SYS_timer_settime, mono, TIMER_ABSTIME, SPEC, 0), 0);
	step_clock(1000 * SEC);
	NEAR(timer_left(id), 100 * SEC);
	NEAR(timer_left(mono), 100 * SEC);
	assert_int_equal(CALL(w.init, SYS_timer_delete, id), 0);
	assert_int_equal(CALL(w.init, SYS_timer_delete, mono), 0);
	assert_true(LIST_EMPTY(&w.k->walls));
}

static uint64_t make_timerfd(int64_t in, unsigned flags)
{
	long fd = CALL(w.init, SYS_timerfd_create, CLOCK_REALTIME, TFD_NONBLOCK);

	assert_true(fd >= 0);
	put_spec(core_now() + ahead + in, 0);
	assert_int_equal(CALL(w.init, SYS_timerfd_settime, (uint64_t)fd, flags, SPEC, 0), 0);
	return (uint64_t)fd;
}

static int64_t timerfd_left(uint64_t fd)
{
	assert_int_equal(CALL(w.init, SYS_timerfd_gettime, fd, OLD), 0);
	return left_at(OLD);
}

static void a_timerfd_follows(void **state)
{
	uint64_t fd = make_timerfd(100 * SEC, TFD_TIMER_ABSTIME);

	(void)state;
	step_clock(-1000 * SEC);
	NEAR(timerfd_left(fd), 1100 * SEC);
	assert_int_equal(CALL(w.init, SYS_read, fd, BUF, 8), -EAGAIN);
	step_clock(1101 * SEC);
	timers_run(reactor_timers(w.reactor), core_now());
	assert_int_equal(CALL(w.init, SYS_read, fd, BUF, 8), 8);
	assert_int_equal(guest_word(w.init, BUF), 1);
}

/* Linux: timerfd_clock_was_set(), timerfd_canceled(). */
static void a_timerfd_is_cancelled_when_the_clock_is_set(void **state)
{
	uint64_t fd = make_timerfd(100 * SEC, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);

	(void)state;
	assert_int_equal(CALL(w.init, SYS_read, fd, BUF, 8), -EAGAIN);
	step_clock(SEC);
	step_clock(-SEC);
	assert_int_equal(CALL(w.init, SYS_read, fd, BUF, 8), -ECANCELED);
	assert_int_equal(CALL(w.init, SYS_read, fd, BUF, 8), -EAGAIN);
	NEAR(timerfd_left(fd), 100 * SEC);
	/* Who sets it first is told by that call. */
	step_clock(SEC);
	put_spec(core_now() + ahead + 50 * SEC, 0);
	assert_int_equal(CALL(w.init, SYS_timerfd_settime, fd,
			      TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, SPEC, 0),
			 -ECANCELED);
	NEAR(timerfd_left(fd), 50 * SEC);
	assert_int_equal(CALL(w.init, SYS_read, fd, BUF, 8), -EAGAIN);
	/* Without the flag nobody is. */
	assert_int_equal(CALL(w.init, SYS_timerfd_settime, fd, TFD_TIMER_ABSTIME, SPEC, 0), 0);
	step_clock(SEC);
	assert_int_equal(CALL(w.init, SYS_read, fd, BUF, 8), -EAGAIN);
	assert_int_equal(CALL(w.init, SYS_close, fd), 0);
	assert_true(LIST_EMPTY(&w.k->walls));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_futex_wait_follows),
		T(a_pi_lock_follows),
		T(futex_waitv_follows),
		T(clock_nanosleep_follows),
		T(a_message_queue_follows),
		T(a_step_between_decision_and_block_is_seen),
		T(a_relative_sleep_stays),
		T(a_monotonic_wait_stays),
		T(a_restarted_wait_follows),
		T(an_absolute_timer_follows),
		T(a_relative_timer_stays),
		T(a_timerfd_follows),
		T(a_timerfd_is_cancelled_when_the_clock_is_set),
	};

	return cmocka_run_group_tests_name("linux_wall", tests, NULL, NULL);
}
