#include "clock.h"
#include "counter.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define NSEC_PER_SEC   1000000000LL
#define INTERVAL_NS    NSEC_PER_SEC
#define CHECK_NS       100000 /* clock_create looks this long whether khz can be true */
#define SAMPLE_TRIES   8
#define OFFSET_TRIES   4
#define OFFSET_SLACK   1000 /* ns by which an offset is not worth a step */
#define AGREEING_TRUST 2    /* intervals that must agree before a doubtful counter is used */

struct clock {
	/* immutable after creation: */
	struct clock_host host;
	struct abi_clock_page *page;
	uint64_t offset;
	bool trusted;

	/* the updating thread only: */
	struct clock_sample last;
	uint64_t rate;    /* measured, in units of 2^-shift ns a count */
	uint64_t nominal; /* what rate should be near; 0: not known yet */
	unsigned nominal_shift;
	unsigned agreeing; /* intervals in a row whose rate was near nominal */

	pthread_mutex_t lock;
	/* protected by lock: */
	struct abi_clock_page cur; /* what the page holds */
	int64_t floor;             /* not usable: monotonic time has been shown up to here */
};

static uint64_t host_counter(void *arg)
{
	(void)arg;
	return counter_read();
}

static int64_t host_now(void *arg, clockid_t id)
{
	struct timespec ts;

	(void)arg;
	clock_gettime(id, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static int64_t now(struct clock *c, clockid_t id)
{
	return c->host.now(c->host.arg, id);
}

static uint64_t read_counter(struct clock *c)
{
	return c->host.counter(c->host.arg);
}

/* The tightest of some tries: the others were interrupted, or missed a cache. */
static struct clock_sample take_on(const struct clock_host *h)
{
	struct clock_sample best = {.width = UINT64_MAX};
	int i;

	for (i = 0; i < SAMPLE_TRIES; i++) {
		uint64_t before = h->counter(h->arg);
		int64_t mono = h->now(h->arg, CLOCK_MONOTONIC);
		uint64_t width = h->counter(h->arg) - before;

		if (width < best.width)
			best = (struct clock_sample){before + width / 2, mono, width};
	}
	return best;
}

static struct clock_sample sample_take(struct clock *c)
{
	return take_on(&c->host);
}

/*
 * How far `id` is ahead of CLOCK_MONOTONIC. Each try gives bounds; all of them hold unless somebody
 * set the clock meanwhile. The offset that was published stays if it is within them, because
 * a clock that nobody set must not go back by nanoseconds.
 */
static int64_t offset_take(struct clock *c, clockid_t id, int64_t published)
{
	int64_t lo = INT64_MIN, hi = INT64_MAX;
	int i;

	for (i = 0; i < OFFSET_TRIES; i++) {
		int64_t before = now(c, CLOCK_MONOTONIC);
		int64_t t = now(c, id);
		int64_t after = now(c, CLOCK_MONOTONIC);

		if (t - before < lo || t - after > hi) {
			lo = INT64_MIN;
			hi = INT64_MAX;
		}
		lo = t - after > lo ? t - after : lo;
		hi = t - before < hi ? t - before : hi;
	}
	if (published >= lo - OFFSET_SLACK && published <= hi + OFFSET_SLACK)
		return published;
	return lo + (hi - lo) / 2;
}

/* Monotonic time at a guest count: the same sum as the vDSO's. */
static int64_t page_mono(const struct abi_clock_page *p, uint64_t counter)
{
	uint64_t delta = counter - p->counter;

	if ((int64_t)delta < 0)
		delta = 0;
	return (int64_t)(p->mono_ns + (uint64_t)(((unsigned __int128)delta * p->mult) >> p->shift));
}

/*
 * From here to publish_end, who reads the page waits. A count that is read now is later than
 * every count that was judged by the old relation, so old and new may differ in slope
 * without anyone seeing time go back.
 */
static void publish_begin(struct clock *c)
{
	uint32_t seq = atomic_load_explicit(&c->cur.seq, memory_order_relaxed) + 1;

	/* The number comes from c->cur: nothing that is in the page is believed. */
	atomic_store_explicit(&c->cur.seq, seq, memory_order_relaxed);
	atomic_store_explicit(&c->page->seq, seq, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

static void publish_end(struct clock *c)
{
	struct abi_clock_page *p = c->page;
	uint32_t seq = atomic_load_explicit(&c->cur.seq, memory_order_relaxed) + 1;

	__atomic_store_n(&p->usable, c->cur.usable, __ATOMIC_RELAXED);
	__atomic_store_n(&p->counter, c->cur.counter, __ATOMIC_RELAXED);
	__atomic_store_n(&p->mono_ns, c->cur.mono_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&p->realtime_offset_ns, c->cur.realtime_offset_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&p->boottime_offset_ns, c->cur.boottime_offset_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&p->mult, c->cur.mult, __ATOMIC_RELAXED);
	__atomic_store_n(&p->shift, c->cur.shift, __ATOMIC_RELAXED);
	atomic_store_explicit(&c->cur.seq, seq, memory_order_relaxed);
	atomic_store_explicit(&p->seq, seq, memory_order_release);
}

/* Chooses the scale: a rate just below 2^31 leaves room to bend it, and loses least. */
static void nominal_set(struct clock *c, uint64_t khz)
{
	unsigned shift = 40;

	c->nominal = 0;
	c->agreeing = 0;
	if (khz == 0 || khz > UINT32_MAX)
		return;
	while ((1000000ULL << shift) / khz >= 1ULL << 31)
		shift--;
	c->nominal_shift = shift;
	c->nominal = (1000000ULL << shift) / khz;
	c->rate = c->nominal;
}

/*
 * Compares the counter with the host's time since c->last, and moves that up to s. False: too
 * little passed for what the samples are worth; nothing changed. permille: how far from nominal is
 * still agreement.
 */
static bool rate_measure(struct clock *c, const struct clock_sample *s, unsigned permille)
{
	uint64_t counts = s->counter - c->last.counter;
	int64_t ns = s->mono - c->last.mono;
	unsigned __int128 rate;
	uint64_t off;

	if ((int64_t)counts <= 0 || ns <= 0) {
		/* It went back, or stands. */
		c->last = *s;
		nominal_set(c, 0);
		return true;
	}
	if (s->width + c->last.width > (unsigned __int128)counts * permille / 4000)
		return false;
	c->last = *s;
	if (c->nominal) {
		rate = ((unsigned __int128)ns << c->nominal_shift) / counts;
		off = rate > c->nominal ? (uint64_t)(rate - c->nominal)
					: (uint64_t)(c->nominal - rate);
		if (off <= c->nominal / 1000 * permille) {
			c->rate = (uint64_t)rate;
			if (c->agreeing < AGREEING_TRUST)
				c->agreeing++;
			return true;
		}
	}
	rate = (unsigned __int128)counts * 1000000 / (uint64_t)ns;
	nominal_set(c, rate > UINT32_MAX ? 0 : (uint64_t)rate);
	return true;
}

/* The counter is not to be used any more. Between publish_begin and publish_end, as the next two.
 */
static void relation_drop(struct clock *c)
{
	if (!c->cur.usable)
		return;
	c->floor = page_mono(&c->cur, read_counter(c) + c->offset);
	c->cur.usable = 0;
}

/* The counter is to be used from now on. */
static void relation_start(struct clock *c)
{
	/* In this order: what readers of the host's clock saw until now is not later than mono. */
	uint64_t counter = read_counter(c) + c->offset;
	int64_t mono = now(c, CLOCK_MONOTONIC);

	c->cur.usable = 1;
	c->cur.counter = counter;
	c->cur.mono_ns = (uint64_t)(mono > c->floor ? mono : c->floor);
	c->cur.mult = (uint32_t)c->rate;
	c->cur.shift = c->nominal_shift;
}

/*
 * Goes on from the time that is published now, at the measured rate, bent so that the error is
 * gone after INTERVAL_NS; at most by an eighth, so that a clock that is far ahead still runs.
 */
static void relation_bend(struct clock *c)
{
	uint64_t counter = read_counter(c);
	int64_t mono = page_mono(&c->cur, counter + c->offset);
	uint64_t since = counter - c->last.counter;
	int64_t rate = (int64_t)c->rate;
	int64_t error;
	__int128 bend;

	if ((int64_t)since < 0)
		since = 0;
	error = c->last.mono + (int64_t)(((unsigned __int128)since * c->rate) >> c->nominal_shift) -
		mono;
	if (error > CLOCK_STEP_NS) {
		mono += error;
		error = 0;
	}
	bend = (__int128)rate * error / INTERVAL_NS;
	if (bend > rate / 8)
		bend = rate / 8;
	if (bend < -rate / 8)
		bend = -rate / 8;
	/* The page's base does not go back, even if the counter of this CPU is behind. */
	if ((int64_t)(counter + c->offset - c->cur.counter) > 0)
		c->cur.counter = counter + c->offset;
	c->cur.mono_ns = (uint64_t)mono;
	c->cur.mult = (uint32_t)(rate + (int64_t)bend);
	c->cur.shift = c->nominal_shift;
}

int64_t clock_update(struct clock *c)
{
	struct clock_sample s = sample_take(c);
	bool measured = rate_measure(c, &s, 2);
	int64_t real = offset_take(c, CLOCK_REALTIME, (int64_t)c->cur.realtime_offset_ns);
	int64_t boot = offset_take(c, CLOCK_BOOTTIME, (int64_t)c->cur.boottime_offset_ns);
	bool usable;

	pthread_mutex_lock(&c->lock);
	publish_begin(c);
	if (measured) {
		if (!c->trusted || c->agreeing == 0)
			relation_drop(c);
		else if (c->cur.usable)
			relation_bend(c);
		else if (c->agreeing >= AGREEING_TRUST)
			relation_start(c);
	}
	c->cur.realtime_offset_ns = (uint64_t)real;
	c->cur.boottime_offset_ns = (uint64_t)boot;
	publish_end(c);
	usable = c->cur.usable;
	pthread_mutex_unlock(&c->lock);
	return usable || !c->trusted ? INTERVAL_NS : CLOCK_FIRST_UPDATE_NS;
}

/* Whether khz can be true: looks for CHECK_NS. */
static bool khz_plausible(struct clock *c)
{
	int64_t end = c->last.mono + CHECK_NS;
	struct clock_sample s;

	while (now(c, CLOCK_MONOTONIC) < end)
		;
	s = sample_take(c);
	return rate_measure(c, &s, 50) && c->agreeing > 0;
}

struct clock *clock_create_on(const struct clock_host *host, void *page, uint32_t khz,
			      uint64_t offset, bool trusted, const struct clock_sample *earlier)
{
	struct clock *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	c->host = *host;
	c->page = page;
	c->offset = offset;
	c->trusted = trusted;
	c->floor = INT64_MIN;
	c->last = earlier ? *earlier : sample_take(c);
	nominal_set(c, khz);
	c->cur.realtime_offset_ns = (uint64_t)offset_take(c, CLOCK_REALTIME, 0);
	c->cur.boottime_offset_ns = (uint64_t)offset_take(c, CLOCK_BOOTTIME, 0);
	publish_begin(c);
	if (trusted && c->nominal && khz_plausible(c)) {
		/* The short look told right from wrong; khz tells the rate better. */
		nominal_set(c, khz);
		relation_start(c);
	}
	publish_end(c);
	return c;
}

static const struct clock_host this_machine = {host_counter, host_now, NULL};

void clock_look(struct clock_sample *out)
{
	*out = take_on(&this_machine);
}

struct clock *clock_create(void *page, uint32_t khz, uint64_t offset, bool trusted,
			   const struct clock_sample *earlier)
{
	return clock_create_on(&this_machine, page, khz, offset, trusted, earlier);
}

void clock_destroy(struct clock *c)
{
	if (!c)
		return;
	publish_begin(c);
	c->cur.usable = 0;
	publish_end(c);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* CLOCK_MONOTONIC, with c->lock held. */
static int64_t mono_locked(struct clock *c)
{
	int64_t t;

	if (c->cur.usable)
		return page_mono(&c->cur, read_counter(c) + c->offset);
	t = now(c, CLOCK_MONOTONIC);
	return t > c->floor ? t : c->floor;
}

int64_t clock_read_mono(struct clock *c)
{
	int64_t t;

	pthread_mutex_lock(&c->lock);
	t = mono_locked(c);
	pthread_mutex_unlock(&c->lock);
	return t;
}

int64_t clock_read_real(struct clock *c)
{
	int64_t t;

	pthread_mutex_lock(&c->lock);
	t = mono_locked(c) + (int64_t)c->cur.realtime_offset_ns;
	pthread_mutex_unlock(&c->lock);
	return t;
}

int64_t clock_read_boot(struct clock *c)
{
	int64_t t;

	pthread_mutex_lock(&c->lock);
	t = mono_locked(c) + (int64_t)c->cur.boottime_offset_ns;
	pthread_mutex_unlock(&c->lock);
	return t;
}

bool clock_usable(struct clock *c)
{
	bool usable;

	pthread_mutex_lock(&c->lock);
	usable = c->cur.usable;
	pthread_mutex_unlock(&c->lock);
	return usable;
}
