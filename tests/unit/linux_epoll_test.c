/* epoll and what it waits for, with every race in the order that the test writes down. */
#include "linux_test.h"

#include "../../vmm/linux/epoll.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#define EV      TEST_DATA
#define OUT     (TEST_DATA + 0x100)
#define WORD    (TEST_DATA + 0x400)
#define PAIR    (TEST_DATA + 0x440)
#define SET     (TEST_DATA + 0x480)
#define FOREVER ((uint64_t)-1)

static int set_up(void **state)
{
	world_open_cpus(2);
	return 0;
}

static int tear_down(void **state)
{
	world_close();
	return 0;
}

static uint64_t ep_new(struct task *t)
{
	long fd = CALL(t, SYS_epoll_create1, 0);

	assert_true(fd >= 0);
	return (uint64_t)fd;
}

static uint64_t efd_new(struct task *t, uint64_t count)
{
	long fd = CALL(t, SYS_eventfd2, count, EFD_NONBLOCK);

	assert_true(fd >= 0);
	return (uint64_t)fd;
}

static long ctl(struct task *t, uint64_t ep, int op, uint64_t fd, uint32_t events, uint64_t data)
{
	uint8_t raw[16] = {0};

	memcpy(raw, &events, 4);
	memcpy(raw + arch_epoll_data_offset, &data, 8);
	guest_put(t, EV, raw, arch_epoll_event_size);
	return CALL(t, SYS_epoll_ctl, ep, (uint64_t)op, fd, EV);
}

static void add(struct task *t, uint64_t ep, uint64_t fd, uint32_t events)
{
	assert_int_equal(ctl(t, ep, EPOLL_CTL_ADD, fd, events, fd), 0);
}

static long ready(struct task *t, uint64_t ep)
{
	return CALL(t, SYS_epoll_pwait, ep, OUT, 8, 0, 0, 8);
}

static uint32_t out_data(struct task *t, unsigned i)
{
	return guest_word(t, OUT + i * arch_epoll_event_size + arch_epoll_data_offset);
}

static long efd_write(struct task *t, uint64_t fd, uint64_t v)
{
	guest_put(t, WORD, &v, sizeof(v));
	return CALL(t, SYS_write, fd, WORD, 8);
}

static long efd_read(struct task *t, uint64_t fd)
{
	return CALL(t, SYS_read, fd, WORD, 8) == 8 ? (long)guest_word(t, WORD) : -1;
}

static void pipe_new(struct task *t, uint64_t fd[2])
{
	assert_int_equal(CALL(t, SYS_pipe2, PAIR, O_NONBLOCK), 0);
	fd[0] = guest_word(t, PAIR);
	fd[1] = guest_word(t, PAIR + 4);
}

static void wait_begin(struct task *t, uint64_t ep)
{
	call_begin(t, SYS_epoll_pwait, (const uint64_t[6]){ep, OUT, 8, FOREVER, 0, 8});
}

static void wait_blocks(struct task *t, uint64_t ep)
{
	CALL_GONE(t, SYS_epoll_pwait, ep, OUT, 8, FOREVER, 0, 8);
}

/* ---- waiting ---- */

static void an_event_wakes_the_waiter(void **state)
{
	uint64_t ep = ep_new(w.init), fd = efd_new(w.init, 0);
	struct task *child;

	add(w.init, ep, fd, EPOLLIN);
	child = fork_task(w.init, 1);
	wait_blocks(w.init, ep);
	assert_int_equal(efd_write(child, fd, 1), 8);
	assert_int_equal(call_wakes(w.init, 0), 1);
	assert_int_equal(out_data(w.init, 0), fd);
	exit_task(child, 0);
}

/* The event comes after the waiter has looked and before it blocks. */
static void an_event_between_look_and_block_is_seen(void **state)
{
	uint64_t ep = ep_new(w.init), fd = efd_new(w.init, 0);
	struct task *child;

	add(w.init, ep, fd, EPOLLIN | EPOLLET);
	child = fork_task(w.init, 1);
	wait_begin(w.init, ep);
	sched_prepare(&w.init->st);
	assert_int_equal(syscall_dispatch(w.init, &w.init->call), -EBLOCKED);
	assert_int_equal(efd_write(child, fd, 1), 8);
	assert_false(sched_block(&w.init->st));
	assert_int_equal(task_step(w.init), TASK_RUN);
	assert_int_equal(call_result(w.init), 1);
	exit_task(child, 0);
}

/* One event, two waiters: one is woken. Level-triggered, so it hands on what stays. */
static void one_event_wakes_one_and_is_handed_on(void **state)
{
	uint64_t ep = ep_new(w.init), fd = efd_new(w.init, 0);
	struct task *a = fork_task(w.init, 1), *b;

	add(w.init, ep, fd, EPOLLIN | EPOLLET);
	wait_blocks(a, ep);
	b = fork_task(w.init, 1);
	wait_blocks(b, ep);
	assert_int_equal(efd_write(w.init, fd, 1), 8);
	assert_int_equal(call_wakes(a, 1), 1);
	assert_null(world_next(1));
	assert_int_equal(efd_write(w.init, fd, 1), 8);
	assert_int_equal(call_wakes(b, 1), 1);
	wait_blocks(a, ep);
	wait_blocks(b, ep);
	assert_int_equal(ctl(w.init, ep, EPOLL_CTL_MOD, fd, EPOLLIN, 0), 0);
	assert_int_equal(call_wakes(a, 1), 1);
	assert_int_equal(call_wakes(b, 1), 1);
	exit_task(a, 0);
	exit_task(b, 0);
}

/* A waiter that was woken dies before it runs: the next one gets the event. */
static void a_waiter_that_dies_passes_its_event_on(void **state)
{
	uint64_t ep = ep_new(w.init), fd = efd_new(w.init, 0);
	struct task *a = fork_task(w.init, 1), *b;

	add(w.init, ep, fd, EPOLLIN | EPOLLET);
	wait_blocks(a, ep);
	b = fork_task(w.init, 1);
	wait_blocks(b, ep);
	assert_int_equal(efd_write(w.init, fd, 1), 8);
	assert_int_equal(CALL(w.init, SYS_kill, a->p->pid, SIGKILL), 0);
	assert_ptr_equal(world_next(1), a);
	/* Its handler runs once more and takes the event; or it ends first and hands it on. */
	assert_int_equal(task_step(a), TASK_GONE);
	if (world_next(1) == b)
		assert_int_equal(task_step(b), TASK_RUN);
	assert_int_equal(efd_write(w.init, fd, 1), 8);
}

static void a_bad_buffer_loses_no_event(void **state)
{
	uint64_t ep = ep_new(w.init), fd = efd_new(w.init, 1);

	add(w.init, ep, fd, EPOLLIN | EPOLLET);
	assert_int_equal(CALL(w.init, SYS_epoll_pwait, ep, 8, 8, 0, 0, 8), -EFAULT);
	assert_int_equal(ready(w.init, ep), 1);
	assert_int_equal(ready(w.init, ep), 0);
}

/* ---- edges ---- */

static void only_new_bytes_are_an_edge(void **state)
{
	uint64_t ep = ep_new(w.init), fd[2];

	pipe_new(w.init, fd);
	add(w.init, ep, fd[0], EPOLLIN | EPOLLET);
	assert_int_equal(CALL(w.init, SYS_write, fd[1], TEST_DATA, 10), 10);
	assert_int_equal(ready(w.init, ep), 1);
	assert_int_equal(ready(w.init, ep), 0);
	assert_int_equal(CALL(w.init, SYS_read, fd[0], TEST_DATA, 4), 4);
	assert_int_equal(ready(w.init, ep), 0);
	assert_int_equal(CALL(w.init, SYS_write, fd[1], TEST_DATA, 1), 1);
	assert_int_equal(ready(w.init, ep), 1);
	assert_int_equal(CALL(w.init, SYS_close, fd[1]), 0);
	assert_int_equal(ready(w.init, ep), 1);
	assert_int_equal(guest_word(w.init, OUT), EPOLLIN | EPOLLHUP);
}

static void only_room_after_fullness_is_an_edge(void **state)
{
	uint64_t ep = ep_new(w.init), fd[2];

	pipe_new(w.init, fd);
	add(w.init, ep, fd[1], EPOLLOUT | EPOLLET);
	assert_int_equal(ready(w.init, ep), 1);
	assert_int_equal(CALL(w.init, SYS_write, fd[1], TEST_DATA, 100), 100);
	assert_int_equal(CALL(w.init, SYS_read, fd[0], TEST_DATA, 100), 100);
	assert_int_equal(ready(w.init, ep), 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(CALL(w.init, SYS_write, fd[1], TEST_DATA, 4096), 4096);
	assert_int_equal(CALL(w.init, SYS_read, fd[0], TEST_DATA, 4096), 4096);
	assert_int_equal(ready(w.init, ep), 1);
}

/* A semaphore's read is no event for its readers. */
static void a_read_is_no_edge(void **state)
{
	uint64_t ep = ep_new(w.init);
	long fd = CALL(w.init, SYS_eventfd2, 3, EFD_SEMAPHORE);

	add(w.init, ep, (uint64_t)fd, EPOLLIN | EPOLLET);
	assert_int_equal(ready(w.init, ep), 1);
	assert_int_equal(efd_read(w.init, (uint64_t)fd), 1);
	assert_int_equal(ready(w.init, ep), 0);
	assert_int_equal(efd_write(w.init, (uint64_t)fd, 1), 8);
	assert_int_equal(ready(w.init, ep), 1);
}

static void a_one_shot_is_silent_until_modified(void **state)
{
	uint64_t ep = ep_new(w.init), fd = efd_new(w.init, 1);

	add(w.init, ep, fd, EPOLLIN | EPOLLONESHOT);
	assert_int_equal(ready(w.init, ep), 1);
	assert_int_equal(efd_write(w.init, fd, 1), 8);
	assert_int_equal(ready(w.init, ep), 0);
	assert_int_equal(ctl(w.init, ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT, 1), 0);
	assert_int_equal(ready(w.init, ep), 1);
}

/* ---- who is watched ---- */

static void the_last_close_removes_the_item(void **state)
{
	uint64_t ep = ep_new(w.init), fd = efd_new(w.init, 1);
	long copy = CALL(w.init, SYS_dup, fd);
	struct task *child;

	add(w.init, ep, fd, EPOLLIN);
	assert_int_equal(CALL(w.init, SYS_close, fd), 0);
	assert_int_equal(ready(w.init, ep), 1);
	assert_int_equal(w.k->vfs->nwatches, 1);
	child = fork_task(w.init, 1);
	assert_int_equal(CALL(w.init, SYS_close, (uint64_t)copy), 0);
	assert_int_equal(ready(w.init, ep), 1);
	exit_task(child, 0);
	assert_int_equal(ready(w.init, ep), 0);
	assert_int_equal(w.k->vfs->nwatches, 0);
}

/* What is watched, and then the epoll itself, is closed while somebody waits. */
static void files_may_close_during_a_wait(void **state)
{
	uint64_t ep = ep_new(w.init), fd = efd_new(w.init, 0), p[2];
	struct task *child;

	pipe_new(w.init, p);
	add(w.init, ep, fd, EPOLLIN);
	add(w.init, ep, p[0], EPOLLIN);
	add(w.init, ep, p[1], EPOLLOUT | EPOLLET);
	assert_int_equal(ready(w.init, ep), 1);
	/* A thread: CLONE_VM | FS | FILES | SIGHAND | THREAD. */
	assert_true(CALL(w.init, SYS_clone, 0x10f00, TEST_STACK_TOP - 4096) > 0);
	child = world_next(1);
	assert_non_null(child);
	assert_int_equal(task_step(child), TASK_RUN);
	wait_blocks(w.init, ep);
	assert_int_equal(CALL(child, SYS_close, fd), 0);
	assert_int_equal(CALL(child, SYS_close, p[0]), 0);
	assert_int_equal(call_wakes(w.init, 0), 1);
	assert_int_equal(guest_word(w.init, OUT), EPOLLOUT | EPOLLERR);
	assert_int_equal(CALL(child, SYS_close, p[1]), 0);
	assert_int_equal(w.k->vfs->nwatches, 0);
	wait_blocks(w.init, ep);
	assert_int_equal(CALL(child, SYS_close, ep), 0);
	assert_null(world_next(0));
	exit_task(child, 0);
}

static void epolls_nest_in_no_circle_and_not_too_deep(void **state)
{
	uint64_t e[7], fd = efd_new(w.init, 0);

	for (int i = 0; i < 7; i++)
		e[i] = ep_new(w.init);
	add(w.init, e[0], fd, EPOLLIN);
	/* Built from both sides: 1 watches 0, 3 watches 2, then 2 watches 1. */
	add(w.init, e[1], e[0], EPOLLIN);
	add(w.init, e[3], e[2], EPOLLIN);
	add(w.init, e[2], e[1], EPOLLIN);
	add(w.init, e[4], e[3], EPOLLIN);
	assert_int_equal(ctl(w.init, e[5], EPOLL_CTL_ADD, e[4], EPOLLIN, 0), -ELOOP);
	assert_int_equal(ctl(w.init, e[0], EPOLL_CTL_ADD, e[6], EPOLLIN, 0), -ELOOP);
	assert_int_equal(ctl(w.init, e[0], EPOLL_CTL_ADD, e[4], EPOLLIN, 0), -ELOOP);
	assert_int_equal(ctl(w.init, e[0], EPOLL_CTL_ADD, e[1], EPOLLIN, 0), -ELOOP);
	assert_int_equal(ctl(w.init, e[0], EPOLL_CTL_ADD, e[0], EPOLLIN, 0), -EINVAL);
	assert_int_equal(ready(w.init, e[4]), 0);
	assert_int_equal(efd_write(w.init, fd, 1), 8);
	assert_int_equal(ready(w.init, e[4]), 1);
	assert_int_equal(efd_read(w.init, fd), 1);
	assert_int_equal(ready(w.init, e[4]), 0);
	/* A closed one frees its place. */
	assert_int_equal(CALL(w.init, SYS_close, e[2]), 0);
	add(w.init, e[0], e[6], EPOLLIN);
	assert_int_equal(ctl(w.init, e[6], EPOLL_CTL_ADD, e[1], EPOLLIN, 0), -ELOOP);
}

static void watches_are_limited(void **state)
{
	uint64_t ep = ep_new(w.init);

	w.k->vfs->max_watches = 2;
	add(w.init, ep, efd_new(w.init, 0), EPOLLIN);
	add(w.init, ep, efd_new(w.init, 0), EPOLLIN);
	assert_int_equal(ctl(w.init, ep, EPOLL_CTL_ADD, efd_new(w.init, 0), EPOLLIN, 0), -ENOSPC);
	assert_int_equal(CALL(w.init, SYS_close, ep), 0);
	ep = ep_new(w.init);
	add(w.init, ep, efd_new(w.init, 0), EPOLLIN);
}

/* EPOLLEXCLUSIVE: of the epolls where somebody waits, one is told. */
static void exclusive_epolls_share_a_wake(void **state)
{
	uint64_t fd = efd_new(w.init, 0), ea, eb;
	struct task *a, *b;

	ea = ep_new(w.init);
	eb = ep_new(w.init);
	add(w.init, ea, fd, EPOLLIN | EPOLLEXCLUSIVE);
	add(w.init, eb, fd, EPOLLIN | EPOLLEXCLUSIVE);
	a = fork_task(w.init, 1);
	wait_blocks(a, ea);
	b = fork_task(w.init, 1);
	wait_blocks(b, eb);
	assert_int_equal(efd_write(w.init, fd, 1), 8);
	assert_int_equal(call_wakes(a, 1), 1);
	assert_null(world_next(1));
	assert_int_equal(efd_write(w.init, fd, 1), 8);
	assert_int_equal(call_wakes(b, 1), 1);
	exit_task(a, 0);
	exit_task(b, 0);
}

/* ---- the descriptors ---- */

static void a_blocked_eventfd_write_keeps_its_value(void **state)
{
	long fd = CALL(w.init, SYS_eventfd2, 0, 0);
	struct task *child = fork_task(w.init, 1);
	uint64_t v = UINT64_MAX - 1;

	guest_put(w.init, WORD, &v, sizeof(v));
	assert_int_equal(CALL(w.init, SYS_write, (uint64_t)fd, WORD, 8), 8);
	v = 5;
	guest_put(w.init, WORD, &v, sizeof(v));
	CALL_GONE(w.init, SYS_write, (uint64_t)fd, WORD, 8);
	v = 9;
	guest_put(w.init, WORD, &v, sizeof(v));
	assert_int_equal(CALL(child, SYS_read, (uint64_t)fd, WORD, 8), 8);
	assert_int_equal(call_wakes(w.init, 0), 8);
	assert_int_equal(efd_read(child, (uint64_t)fd), 5);
	exit_task(child, 0);
}

static void a_timerfd_counts_what_nobody_read(void **state)
{
	struct {
		int64_t interval[2], value[2];
	} spec = {{0, 1000000}, {0, 1000000}};
	long fd = CALL(w.init, SYS_timerfd_create, CLOCK_MONOTONIC, 0);
	struct timers *ts = reactor_timers(w.reactor);
	uint64_t ep = ep_new(w.init);
	int64_t until;

	add(w.init, ep, (uint64_t)fd, EPOLLIN | EPOLLET);
	guest_put(w.init, TEST_DATA + 0x500, &spec, sizeof(spec));
	assert_int_equal(CALL(w.init, SYS_timerfd_settime, (uint64_t)fd, 0, TEST_DATA + 0x500, 0),
			 0);
	CALL_GONE(w.init, SYS_read, (uint64_t)fd, WORD, 8);
	assert_null(world_next(0));
	until = core_now() + 5000000;
	while (core_now() < until)
		;
	timers_run(ts, core_now());
	assert_int_equal(call_wakes(w.init, 0), 8);
	assert_true(guest_word(w.init, WORD) >= 5);
	/* It was an edge, but nothing is left of it. */
	assert_int_equal(ready(w.init, ep), 0);
	spec.value[1] = 0;
	guest_put(w.init, TEST_DATA + 0x500, &spec, sizeof(spec));
	assert_int_equal(CALL(w.init, SYS_timerfd_settime, (uint64_t)fd, 0, TEST_DATA + 0x500, 0),
			 0);
	assert_int_equal(timers_run(ts, core_now() + 10000000), TIME_NEVER);
	assert_int_equal(ready(w.init, ep), 0);
}

static long signalfd_new(struct task *t, uint64_t set)
{
	set_mask(t, SIG_BLOCK, set);
	guest_put(t, SET, &set, sizeof(set));
	return CALL(t, SYS_signalfd4, (uint64_t)-1, SET, 8, 0);
}

/* The signal comes after the reader has looked and before it blocks. */
static void a_signal_between_look_and_block_is_read(void **state)
{
	long fd = signalfd_new(w.init, SIGMASK(SIGUSR1));
	struct task *child = fork_task(w.init, 1);

	call_begin(w.init, SYS_read, (const uint64_t[6]){(uint64_t)fd, OUT, 128});
	sched_prepare(&w.init->st);
	task_current = w.init;
	assert_int_equal(syscall_dispatch(w.init, &w.init->call), -EBLOCKED);
	task_current = NULL;
	assert_int_equal(CALL(child, SYS_kill, 1, SIGUSR1), 0);
	assert_false(sched_block(&w.init->st));
	assert_int_equal(task_step(w.init), TASK_RUN);
	assert_int_equal(call_result(w.init), 128);
	assert_int_equal(guest_word(w.init, OUT), SIGUSR1);
	assert_int_equal(guest_word(w.init, OUT + 12), child->p->pid);
	exit_task(child, 0);
}

static void a_signal_wakes_an_epoll_of_a_signalfd(void **state)
{
	uint64_t ep = ep_new(w.init);
	long fd = signalfd_new(w.init, SIGMASK(SIGUSR1));
	struct task *child;

	add(w.init, ep, (uint64_t)fd, EPOLLIN);
	child = fork_task(w.init, 1);
	wait_blocks(w.init, ep);
	assert_int_equal(CALL(child, SYS_kill, 1, SIGUSR1), 0);
	assert_int_equal(call_wakes(w.init, 0), 1);
	exit_task(child, 0);
}

static void a_pidfd_tells_the_end_and_outlives_the_pid(void **state)
{
	uint64_t ep = ep_new(w.init);
	struct task *child = fork_task(w.init, 1);
	long fd = CALL(w.init, SYS_pidfd_open, child->p->pid, 0);

	assert_true(fd >= 0);
	add(w.init, ep, (uint64_t)fd, EPOLLIN | EPOLLET);
	assert_int_equal(ready(w.init, ep), 0);
	wait_blocks(w.init, ep);
	exit_task(child, 4);
	assert_int_equal(call_wakes(w.init, 0), 1);
	assert_int_equal(guest_word(w.init, OUT), EPOLLIN);
	assert_int_equal(CALL(w.init, SYS_waitid, 3, (uint64_t)fd, OUT, WEXITED, 0), 0);
	assert_int_equal(ready(w.init, ep), 1);
	assert_int_equal(guest_word(w.init, OUT), EPOLLIN | EPOLLHUP);
	assert_int_equal(CALL(w.init, SYS_pidfd_send_signal, (uint64_t)fd, 0, 0, 0), -ESRCH);
	assert_int_equal(CALL(w.init, SYS_waitid, 3, (uint64_t)fd, OUT, WEXITED, 0), -ECHILD);
	assert_int_equal(CALL(w.init, SYS_waitid, 3, 0, OUT, WEXITED, 0), -EBADF);
}

static void clone_makes_a_pidfd_for_the_parent_alone(void **state)
{
	uint64_t v = 77;
	long pid;
	struct task *child;
	uint32_t fd;

	guest_put(w.init, WORD, &v, sizeof(v));
	pid = CALL(w.init, SYS_clone, 0x1000 | SIGCHLD, 0, WORD);
	assert_true(pid > 0);
	fd = guest_word(w.init, WORD);
	child = world_next(1);
	assert_int_equal(task_step(child), TASK_RUN);
	assert_int_equal(CALL(child, SYS_fcntl, fd, F_GETFD), -EBADF);
	assert_int_equal(CALL(w.init, SYS_fcntl, fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(CALL(w.init, SYS_pidfd_send_signal, fd, SIGKILL, 0, 0), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(an_event_wakes_the_waiter),
		T(an_event_between_look_and_block_is_seen),
		T(one_event_wakes_one_and_is_handed_on),
		T(a_waiter_that_dies_passes_its_event_on),
		T(a_bad_buffer_loses_no_event),
		T(only_new_bytes_are_an_edge),
		T(only_room_after_fullness_is_an_edge),
		T(a_read_is_no_edge),
		T(a_one_shot_is_silent_until_modified),
		T(the_last_close_removes_the_item),
		T(files_may_close_during_a_wait),
		T(epolls_nest_in_no_circle_and_not_too_deep),
		T(watches_are_limited),
		T(exclusive_epolls_share_a_wake),
		T(a_blocked_eventfd_write_keeps_its_value),
		T(a_timerfd_counts_what_nobody_read),
		T(a_signal_between_look_and_block_is_read),
		T(a_signal_wakes_an_epoll_of_a_signalfd),
		T(a_pidfd_tells_the_end_and_outlives_the_pid),
		T(clone_makes_a_pidfd_for_the_parent_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
