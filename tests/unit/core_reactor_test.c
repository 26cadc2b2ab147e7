/* The reactor: host descriptors and deadlines, served by its thread. */
#include "core_test.h"

#include "../../vmm/core/reactor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* What callbacks report, and the test waits for. */
struct scene {
	struct reactor *r;
	int fd[2];
	struct watch *watch;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned calls;
	_Atomic uint32_t events;
	uint32_t want_again;
	bool destroy;
};

static int set_up(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->r = reactor_create();
	*state = s;
	return !s->r || pipe2(s->fd, O_CLOEXEC) || reactor_start(s->r) ? -1 : 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;

	watch_destroy(s->watch);
	reactor_stop(s->r);
	reactor_stop(s->r);
	reactor_destroy(s->r);
	for (int i = 0; i < 2; i++) {
		if (s->fd[i] >= 0)
			close(s->fd[i]);
	}
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return 0;
}

static void report(struct scene *s, uint32_t events)
{
	pthread_mutex_lock(&s->lock);
	s->calls++;
	s->events = events;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void wait_for_calls(struct scene *s, unsigned n)
{
	pthread_mutex_lock(&s->lock);
	while (s->calls < n)
		pthread_cond_wait(&s->changed, &s->lock);
	assert_int_equal(s->calls, n);
	pthread_mutex_unlock(&s->lock);
}

static void ready(void *arg, uint32_t events)
{
	struct scene *s = arg;

	if (s->want_again)
		watch_want(s->watch, s->want_again);
	s->want_again = 0;
	if (s->destroy) {
		watch_destroy(s->watch);
		s->watch = NULL;
	}
	report(s, events);
}

/* ---- timers ---- */

struct alarm {
	struct timer t;
	struct scene *s;
	int64_t fired_at;
};

static void ring(struct timer *t)
{
	struct alarm *a = container_of(t, struct alarm, t);

	a->fired_at = core_now();
	report(a->s, 0);
}

static void timers_fire_at_their_time(void **state)
{
	struct scene *s = *state;
	struct alarm late = {.s = s}, early = {.s = s};
	int64_t now = core_now();

	timer_init(&late.t, reactor_timers(s->r), ring);
	timer_init(&early.t, reactor_timers(s->r), ring);
	timer_arm(&late.t, now + 20000000);
	timer_arm(&early.t, now + 5000000);
	wait_for_calls(s, 2);
	assert_true(early.fired_at >= now + 5000000);
	assert_true(late.fired_at >= now + 20000000);
	assert_true(early.fired_at <= late.fired_at);
}

static void a_deadline_in_the_past_fires_at_once(void **state)
{
	struct scene *s = *state;
	struct alarm a = {.s = s};

	timer_init(&a.t, reactor_timers(s->r), ring);
	timer_arm(&a.t, -1);
	wait_for_calls(s, 1);
	timer_arm(&a.t, 0);
	wait_for_calls(s, 2);
	timer_cancel(&a.t);
}

/* ---- watches ---- */

static void a_watch_reports_once_for_each_want(void **state)
{
	struct scene *s = *state;

	assert_int_equal(watch_create(s->r, s->fd[0], ready, s, &s->watch), 0);
	assert_int_equal(write(s->fd[1], "x", 1), 1);
	watch_want(s->watch, EPOLLIN);
	wait_for_calls(s, 1);
	assert_int_equal(s->events, EPOLLIN);
	/* Still readable: nothing is said until somebody asks again. */
	watch_want(s->watch, EPOLLIN);
	wait_for_calls(s, 2);
}

static void a_watch_wakes_when_bytes_come_later(void **state)
{
	struct scene *s = *state;

	assert_int_equal(watch_create(s->r, s->fd[0], ready, s, &s->watch), 0);
	watch_want(s->watch, EPOLLIN);
	assert_int_equal(write(s->fd[1], "x", 1), 1);
	wait_for_calls(s, 1);
}

static void a_callback_may_want_again(void **state)
{
	struct scene *s = *state;

	assert_int_equal(watch_create(s->r, s->fd[0], ready, s, &s->watch), 0);
	s->want_again = EPOLLIN;
	assert_int_equal(write(s->fd[1], "x", 1), 1);
	watch_want(s->watch, EPOLLIN);
	wait_for_calls(s, 2);
}

/* A hang-up is told to whoever wants anything, and to nobody else. */
static void a_hang_up_is_told_when_something_is_wanted(void **state)
{
	struct scene *s = *state;

	assert_int_equal(watch_create(s->r, s->fd[0], ready, s, &s->watch), 0);
	close(s->fd[1]);
	s->fd[1] = -1;
	watch_want(s->watch, EPOLLIN);
	wait_for_calls(s, 1);
	assert_true(s->events & EPOLLHUP);
}

/* Reader and writer may watch one descriptor, each for itself. */
static void a_descriptor_may_have_two_watches(void **state)
{
	struct scene *s = *state;
	struct watch *second;

	assert_int_equal(watch_create(s->r, s->fd[0], ready, s, &s->watch), 0);
	assert_int_equal(watch_create(s->r, s->fd[0], ready, s, &second), 0);
	watch_want(s->watch, EPOLLIN);
	watch_want(second, EPOLLIN);
	assert_int_equal(write(s->fd[1], "x", 1), 1);
	wait_for_calls(s, 2);
	watch_destroy(second);
}

/* Wants add up; the one that was not met yet stays. */
static void one_event_leaves_the_other_wanted(void **state)
{
	struct scene *s = *state;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(watch_create(s->r, pair[0], ready, s, &s->watch), 0);
	watch_want(s->watch, EPOLLIN | EPOLLOUT);
	wait_for_calls(s, 1);
	assert_int_equal(s->events, EPOLLOUT);
	assert_int_equal(write(pair[1], "x", 1), 1);
	wait_for_calls(s, 2);
	assert_int_equal(s->events, EPOLLIN);
	close(pair[0]);
	close(pair[1]);
}

static void what_cannot_be_watched_is_refused(void **state)
{
	struct scene *s = *state;
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(file >= 0);
	assert_int_equal(watch_create(s->r, file, ready, s, &s->watch), -EPERM);
	assert_int_equal(watch_create(s->r, -1, ready, s, &s->watch), -EBADF);
	assert_null(s->watch);
	close(file);
}

static void a_callback_may_destroy_its_watch(void **state)
{
	struct scene *s = *state;

	assert_int_equal(watch_create(s->r, s->fd[0], ready, s, &s->watch), 0);
	s->destroy = true;
	assert_int_equal(write(s->fd[1], "x", 1), 1);
	watch_want(s->watch, EPOLLIN);
	wait_for_calls(s, 1);
}

static void touch(void *arg, uint32_t events)
{
	int *memory = arg;

	++*memory;
}

/* "When it returns, ready is not running and will not run": its memory may go at once. */
static void destroy_waits_for_the_callback(void **state)
{
	struct scene *s = *state;

	assert_int_equal(write(s->fd[1], "x", 1), 1);
	for (int i = 0; i < 500; i++) {
		int *memory = calloc(1, sizeof(*memory));
		struct watch *w;

		assert_int_equal(watch_create(s->r, s->fd[0], touch, memory, &w), 0);
		watch_want(w, EPOLLIN);
		for (int spin = i % 100; spin; spin--)
			core_now();
		watch_destroy(w);
		free(memory);
	}
}

static void check_mask(struct timer *t)
{
	sigset_t set;

	pthread_sigmask(SIG_BLOCK, NULL, &set);
	if (sigismember(&set, SIGUSR1) && sigismember(&set, SIGTERM))
		ring(t);
}

/* A kick or a forwarded signal never lands on the reactor's thread. */
static void the_thread_blocks_signals(void **state)
{
	struct scene *s = *state;
	struct alarm a = {.s = s};

	timer_init(&a.t, reactor_timers(s->r), check_mask);
	timer_arm(&a.t, core_now());
	wait_for_calls(s, 1);
	timer_cancel(&a.t);
}

static void a_reactor_that_never_started_is_destroyed(void **state)
{
	struct reactor *r = reactor_create();
	struct scene *s = *state;
	struct watch *w;

	assert_int_equal(watch_create(r, s->fd[0], ready, s, &w), 0);
	watch_want(w, EPOLLIN);
	watch_destroy(w);
	reactor_destroy(r);
	reactor_destroy(NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(timers_fire_at_their_time),
		T(a_deadline_in_the_past_fires_at_once),
		T(a_watch_reports_once_for_each_want),
		T(a_watch_wakes_when_bytes_come_later),
		T(a_callback_may_want_again),
		T(a_hang_up_is_told_when_something_is_wanted),
		T(a_descriptor_may_have_two_watches),
		T(one_event_leaves_the_other_wanted),
		T(what_cannot_be_watched_is_refused),
		T(a_callback_may_destroy_its_watch),
		T(destroy_waits_for_the_callback),
		T(the_thread_blocks_signals),
		T(a_reactor_that_never_started_is_destroyed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
