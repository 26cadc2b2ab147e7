// The clock: what it publishes follows a host whose counter is a little off, and never goes back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../devices/clock.h"
#include "../../devices/counter.h"

#include <stdatomic.h>
#include <string.h>

#define SEC 1000000000LL
#define MS  1000000LL
#define US  1000LL

/* A host whose time passes by `tick` ns each time somebody looks. */
struct fake {
	int64_t t; /* true CLOCK_MONOTONIC, ns */
	int64_t tick;
	double ghz; /* the counter's true rate */
	uint64_t counter_base;
	int64_t counter_t0;
	int64_t real, boot; /* ahead of t */
	int64_t jitter;     /* every other look takes so much longer */
	unsigned looks;
};

static void fake_pass(struct fake *f, int64_t ns)
{
	f->t += ns;
}

static uint64_t fake_counter(void *arg)
{
	struct fake *f = arg;

	fake_pass(f, f->tick + (f->looks++ & 1 ? f->jitter : 0));
	return f->counter_base + (uint64_t)((double)(f->t - f->counter_t0) * f->ghz);
}

static int64_t fake_now(void *arg, clockid_t id)
{
	struct fake *f = arg;

	fake_pass(f, f->tick);
	return f->t + (id == CLOCK_REALTIME ? f->real : id == CLOCK_BOOTTIME ? f->boot : 0);
}

/* The counter's rate changes from now on. */
static void fake_rate(struct fake *f, double ghz)
{
	f->counter_base += (uint64_t)((double)(f->t - f->counter_t0) * f->ghz);
	f->counter_t0 = f->t;
	f->ghz = ghz;
}

struct fixture {
	struct fake f;
	struct abi_clock_page page;
	struct clock *c;
	int64_t last; /* what was read last */
};

static void start(struct fixture *x, uint32_t khz, uint64_t offset)
{
	const struct clock_host host = {fake_counter, fake_now, &x->f};

	x->c = clock_create_on(&host, &x->page, khz, offset, true, NULL);
	assert_non_null(x->c);
}

static void init(struct fixture *x, double ghz)
{
	memset(x, 0, sizeof(*x));
	x->f = (struct fake){.t = 5000 * SEC,
			     .tick = 20,
			     .ghz = ghz,
			     .counter_base = 12345678901ULL,
			     .counter_t0 = 5000 * SEC,
			     .real = 1700000000 * SEC,
			     .boot = 77 * SEC};
}

/* Reads; it must not go back. Returns how far the clock is ahead of the true time. */
static int64_t check(struct fixture *x)
{
	int64_t t = clock_read_mono(x->c);

	assert_true(t >= x->last);
	x->last = t;
	return t - x->f.t;
}

static void run(struct fixture *x, int64_t ns)
{
	int i;

	for (i = 0; i < 100; i++) {
		fake_pass(&x->f, ns / 100);
		check(x);
	}
}

static int64_t update(struct fixture *x)
{
	int64_t next;

	check(x);
	next = clock_update(x->c);
	check(x);
	assert_int_equal(atomic_load(&x->page.seq) & 1, 0);
	return next;
}

static void assert_near(int64_t error, int64_t bound)
{
	if (error < -bound || error > bound)
		fail_msg("off by %lld ns, more than %lld", (long long)error, (long long)bound);
}

static void works_at_once(void **state)
{
	struct fixture x;

	(void)state;
	init(&x, 2.0);
	start(&x, 2000000, 0);
	assert_int_equal(x.page.usable, 1);
	assert_true(clock_usable(x.c));
	assert_near(check(&x), 200);
	run(&x, SEC);
	assert_near(check(&x), US);
	clock_destroy(x.c);
	assert_int_equal(x.page.usable, 0);
}

/* With an earlier look nothing is waited for, and what is wrong is seen all the same. */
static void looked_earlier(void **state)
{
	static const uint32_t khz[] = {2000000, 1000000};
	struct clock_sample earlier;
	struct clock_host host;
	struct fixture x;
	int64_t before;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		init(&x, 2.0);
		host = (struct clock_host){fake_counter, fake_now, &x.f};
		earlier.mono = fake_now(&x.f, CLOCK_MONOTONIC);
		earlier.counter = fake_counter(&x.f);
		earlier.width = 80;
		fake_pass(&x.f, 300 * US);
		before = x.f.t;
		x.c = clock_create_on(&host, &x.page, khz[i], 0, true, &earlier);
		assert_non_null(x.c);
		assert_true(x.f.t - before < 10 * US);
		assert_int_equal(x.page.usable, khz[i] == 2000000);
		assert_near(check(&x), 200);
		clock_destroy(x.c);
	}
}

/* What the page says is what the system calls say. */
static void page_agrees(void **state)
{
	struct fixture x;
	uint64_t offset = (uint64_t)-12345678000LL;
	int i;

	(void)state;
	init(&x, 3.7);
	start(&x, 3700000, offset);
	for (i = 0; i < 10; i++) {
		uint64_t c;
		int64_t t;

		run(&x, SEC);
		update(&x);
		x.f.tick = 0;
		c = fake_counter(&x.f) + offset;
		t = (int64_t)(x.page.mono_ns +
			      (uint64_t)(((unsigned __int128)(c - x.page.counter) * x.page.mult) >>
					 x.page.shift));
		assert_int_equal(t, clock_read_mono(x.c));
		assert_int_equal(t + (int64_t)x.page.realtime_offset_ns, clock_read_real(x.c));
		assert_int_equal(t + (int64_t)x.page.boottime_offset_ns, clock_read_boot(x.c));
		x.f.tick = 20;
	}
	clock_destroy(x.c);
}

static void converges(void **state)
{
	static const double ppm[] = {0, 0.3, -0.3, 40, -40, 480, -480};
	static const double ghz[] = {0.0192, 0.0625, 1.0, 2.0, 2.893202, 5.2};
	unsigned i, j, k;

	(void)state;
	for (j = 0; j < sizeof(ghz) / sizeof(ghz[0]); j++) {
		for (i = 0; i < sizeof(ppm) / sizeof(ppm[0]); i++) {
			struct fixture x;
			int64_t next;

			init(&x, ghz[j] * (1 + ppm[i] / 1e6));
			start(&x, (uint32_t)(ghz[j] * 1e6 + 0.5), 0);
			run(&x, CLOCK_FIRST_UPDATE_NS);
			next = update(&x);
			for (k = 0; k < 3; k++) {
				run(&x, next);
				next = update(&x);
			}
			assert_int_equal(next, SEC);
			run(&x, next);
			/* Half a microsecond, and what the counter's grain allows. */
			assert_near(check(&x), 500 + (int64_t)(4 / ghz[j]));
			clock_destroy(x.c);
		}
	}
}

/* The host's own rate changes by what NTP may do, and the clock follows. */
static void follows_rate(void **state)
{
	struct fixture x;
	int i;

	(void)state;
	init(&x, 2.1);
	start(&x, 2100000, 0);
	for (i = 0; i < 30; i++) {
		if (i % 6 == 0)
			fake_rate(&x.f, 2.1 * (i % 12 ? 1.0004 : 0.9996));
		run(&x, SEC);
		update(&x);
		assert_true(clock_usable(x.c));
		assert_near(check(&x), i % 6 == 0 ? 900 * US : i % 6 == 1 ? 900 * US : 2 * US);
	}
	clock_destroy(x.c);
}

/* Nobody updated it for three days. */
static void long_pause(void **state)
{
	struct fixture x;

	(void)state;
	init(&x, 2.0 * (1 + 3e-7));
	start(&x, 2000000, 0);
	run(&x, 3 * 86400 * SEC);
	assert_near(check(&x), 90 * MS);
	update(&x);
	run(&x, SEC);
	update(&x);
	run(&x, SEC);
	assert_near(check(&x), US);
	clock_destroy(x.c);
}

/* A clock that is far ahead is slowed, not set back; one that is far behind is set. */
static void far_off(void **state)
{
	struct fixture x;
	int i;

	(void)state;
	init(&x, 2.0);
	start(&x, 2000000, 0);
	fake_rate(&x.f, 2.0 * 1.0009);
	run(&x, 200 * SEC); /* gains 180 ms: within the allowed disagreement */
	assert_true(check(&x) > 170 * MS);
	for (i = 0; i < 4; i++) {
		update(&x);
		assert_true(clock_usable(x.c));
		run(&x, SEC);
	}
	assert_near(check(&x), 10 * US);

	fake_rate(&x.f, 2.0 * 0.9991);
	run(&x, 200 * SEC);
	assert_true(check(&x) < -170 * MS);
	update(&x);
	assert_near(check(&x), 10 * US);
	clock_destroy(x.c);
}

static void wrong_khz(void **state)
{
	struct fixture x;
	int i;

	(void)state;
	init(&x, 2.0);
	start(&x, 1000000, 0);
	assert_int_equal(x.page.usable, 0);
	assert_near(check(&x), 100);
	for (i = 0; i < 3; i++) {
		run(&x, 100 * MS);
		update(&x);
	}
	/* It agreed with itself. */
	assert_int_equal(x.page.usable, 1);
	run(&x, SEC);
	assert_near(check(&x), 100 * US);
	clock_destroy(x.c);

	/* Wrong by too little to see at once. */
	init(&x, 2.0);
	start(&x, 2040000, 0);
	assert_int_equal(x.page.usable, 1);
	run(&x, 100 * MS);
	update(&x);
	assert_int_equal(x.page.usable, 0);
	for (i = 0; i < 2; i++) {
		run(&x, 100 * MS);
		update(&x);
	}
	assert_int_equal(x.page.usable, 1);
	run(&x, SEC);
	assert_near(check(&x), 100 * US);
	clock_destroy(x.c);
}

static void unknown_khz(void **state)
{
	struct fixture x;
	int i;

	(void)state;
	init(&x, 0.9);
	start(&x, 0, 99);
	assert_int_equal(x.page.usable, 0);
	for (i = 0; i < 3; i++) {
		assert_near(check(&x), 100);
		run(&x, 100 * MS);
		assert_int_equal(update(&x), i < 2 ? CLOCK_FIRST_UPDATE_NS : SEC);
	}
	assert_int_equal(x.page.usable, 1);
	run(&x, SEC);
	assert_near(check(&x), 20 * US);
	clock_destroy(x.c);
}

/* A counter that changes its pace, stops, or goes back is not used until it behaves. */
static void bad_counter(void **state)
{
	struct fixture x;
	int i;

	(void)state;
	init(&x, 2.0);
	start(&x, 2000000, 0);
	run(&x, SEC);
	update(&x);
	fake_rate(&x.f, 3.0);
	run(&x, SEC);
	assert_true(check(&x) > 400 * MS);
	update(&x);
	assert_int_equal(x.page.usable, 0);
	/* What was shown was too much: time stands until it is true. */
	run(&x, SEC);
	assert_near(check(&x), 100);
	fake_rate(&x.f, 0);
	update(&x);
	run(&x, SEC);
	update(&x);
	assert_int_equal(x.page.usable, 0);
	fake_rate(&x.f, 2.5);
	run(&x, SEC);
	x.f.counter_base -= 100000000000ULL;
	update(&x);
	assert_int_equal(x.page.usable, 0);
	for (i = 0; i < 3; i++) {
		run(&x, SEC);
		update(&x);
	}
	assert_int_equal(x.page.usable, 1);
	assert_near(check(&x), 2 * US);
	clock_destroy(x.c);
}

static void not_trusted(void **state)
{
	const struct clock_host host = {fake_counter, fake_now, NULL};
	struct fixture x;
	struct clock_host h = host;
	int i;

	(void)state;
	init(&x, 2.0);
	h.arg = &x.f;
	x.c = clock_create_on(&h, &x.page, 2000000, 0, false, NULL);
	for (i = 0; i < 5; i++) {
		run(&x, SEC);
		assert_int_equal(update(&x), SEC);
		assert_int_equal(x.page.usable, 0);
		assert_near(check(&x), 100);
	}
	clock_destroy(x.c);
}

/* Samples that were interrupted say nothing: the old relation stays. */
static void noisy_host(void **state)
{
	struct fixture x;
	uint32_t mult;

	(void)state;
	init(&x, 2.0);
	start(&x, 2000000, 0);
	x.f.jitter = 3 * MS;
	mult = x.page.mult;
	run(&x, 100 * MS);
	update(&x);
	assert_int_equal(x.page.mult, mult);
	assert_int_equal(x.page.usable, 1);
	x.f.jitter = 0;
	run(&x, SEC);
	update(&x);
	assert_near(check(&x), 10 * US);
	clock_destroy(x.c);
}

static int64_t real_error(struct fixture *x)
{
	return clock_read_real(x->c) - (x->f.t + x->f.real);
}

/* Somebody sets the host's clock, forward and back: seen after an update; else nothing moves. */
static void realtime_steps(void **state)
{
	struct fixture x;
	uint64_t offset;
	int64_t mono;
	int i;

	(void)state;
	init(&x, 2.0);
	start(&x, 2000000, 0);
	assert_near(real_error(&x), US);
	assert_near(clock_read_boot(x.c) - (x.f.t + x.f.boot), US);
	offset = x.page.realtime_offset_ns;
	for (i = 0; i < 5; i++) {
		x.f.tick = 10 + 30 * i;
		run(&x, SEC);
		update(&x);
		assert_int_equal(x.page.realtime_offset_ns, offset);
	}
	x.f.tick = 20;
	mono = clock_read_mono(x.c);
	x.f.real += 3600 * SEC;
	update(&x);
	assert_near(real_error(&x), US);
	x.f.real -= 7200 * SEC;
	update(&x);
	assert_near(real_error(&x), US);
	assert_near(clock_read_mono(x.c) - mono, 100 * US);
	x.f.boot += 500 * SEC; /* the host slept */
	update(&x);
	assert_near(clock_read_boot(x.c) - (x.f.t + x.f.boot), US);
	clock_destroy(x.c);
}

/* This machine's clock, if its counter is any good. */
static void real_host(void **state)
{
	static struct abi_clock_page page;
	struct timespec ts;
	struct clock *c = clock_create(&page, counter_khz(), 0, counter_trusted(), NULL);
	int64_t last = 0;
	int i;

	(void)state;
	assert_non_null(c);
	for (i = 0; i < 1000; i++) {
		int64_t before, t, after;

		if (i % 100 == 99)
			clock_update(c);
		clock_gettime(CLOCK_MONOTONIC, &ts);
		before = ts.tv_sec * SEC + ts.tv_nsec;
		t = clock_read_mono(c);
		clock_gettime(CLOCK_MONOTONIC, &ts);
		after = ts.tv_sec * SEC + ts.tv_nsec;
		assert_true(t >= last);
		assert_true(t >= before - MS && t <= after + MS);
		last = t;
	}
	clock_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(works_at_once),  cmocka_unit_test(looked_earlier),
		cmocka_unit_test(page_agrees),    cmocka_unit_test(converges),
		cmocka_unit_test(follows_rate),   cmocka_unit_test(long_pause),
		cmocka_unit_test(far_off),        cmocka_unit_test(wrong_khz),
		cmocka_unit_test(unknown_khz),    cmocka_unit_test(bad_counter),
		cmocka_unit_test(not_trusted),    cmocka_unit_test(noisy_host),
		cmocka_unit_test(realtime_steps), cmocka_unit_test(real_host),
	};

	return cmocka_run_group_tests_name("devices/clock", tests, NULL, NULL);
}
