/* Channels: whatever the moment of a kick, a request is run once, by one side. */
#include "core_test.h"

#include "../../vmm/channel.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

/* What the handlers were asked; changed by whoever holds the channel. */
struct fake {
	unsigned runs;
	void *task;
	struct channel_request last;
	enum channel_outcome outcome;
	int64_t result;
	sem_t *begun, *finish; /* the handler posts one and waits for the other */
};
static struct fake fake;

static enum channel_outcome serve(void *task, const struct channel_request *r, int64_t *result)
{
	fake.runs++;
	fake.task = task;
	fake.last = *r;
	if (fake.begun) {
		sem_post(fake.begun);
		sem_wait(fake.finish);
	}
	*result = fake.result;
	return fake.outcome;
}

static struct channel *setup(enum channel_outcome outcome, int64_t result)
{
	struct channel *ch = calloc(1, sizeof(*ch));

	fake = (struct fake){.outcome = outcome, .result = result};
	assert_non_null(ch);
	channel_init(ch, aligned_alloc(PAGE_SIZE, PAGE_SIZE));
	assert_non_null(ch->page);
	channel_scrub(ch);
	return ch;
}

static void finish(struct channel *ch)
{
	free(ch->page);
	free(ch);
}

/* What the stub does until it waits. */
static void post(struct channel *ch, unsigned nr)
{
	struct abi_channel *p = ch->page;

	__atomic_store_n(&p->nr, nr, __ATOMIC_RELAXED);
	for (uint64_t i = 0; i < 6; i++)
		__atomic_store_n(&p->args[i], nr * 10 + i, __ATOMIC_RELAXED);
	atomic_store_explicit(&p->state, ABI_CHANNEL_REQUEST, memory_order_release);
}

static int task_a, task_b;

static void test_answer(void **state)
{
	struct channel *ch = setup(CHANNEL_ANSWERED, -7);
	int64_t result = 0;

	channel_open(ch, &task_a, 5, 6);
	assert_int_equal(atomic_load(&ch->page->spin), 5);
	assert_int_equal(atomic_load(&ch->page->spin_claimed), 6);
	assert_false(channel_asks(ch));
	assert_false(channel_serve(ch, serve));
	post(ch, 42);
	assert_true(channel_serve(ch, serve));
	assert_int_equal(fake.last.nr, 42);
	assert_int_equal(fake.last.args[5], 425);
	assert_ptr_equal(fake.task, &task_a);
	assert_int_equal(atomic_load(&ch->page->state), ABI_CHANNEL_IDLE);
	assert_int_equal(atomic_load(&ch->page->exit), 0);
	assert_int_equal(atomic_load(&ch->page->result), -7);
	assert_false(channel_serve(ch, serve));
	/* A kick before the stub has seen it: the result is there all the same. */
	channel_shut(ch);
	assert_int_equal(channel_settle(ch, &result), CHANNEL_DONE);
	assert_int_equal(result, -7);
	assert_int_equal(fake.runs, 1);
	finish(ch);
}

static void test_must_leave(void **state)
{
	static const enum channel_outcome all[] = {CHANNEL_DECLINED, CHANNEL_DONE, CHANNEL_STARTED};

	for (size_t i = 0; i < 3; i++) {
		struct channel *ch = setup(all[i], 11);
		int64_t result = 0;

		channel_open(ch, &task_a, 1, 1);
		post(ch, 1);
		assert_true(channel_serve(ch, serve));
		assert_int_equal(atomic_load(&ch->page->state), ABI_CHANNEL_IDLE);
		assert_int_equal(atomic_load(&ch->page->exit), 1);
		channel_shut(ch);
		assert_int_equal(channel_settle(ch, &result),
				 all[i] == CHANNEL_DECLINED ? CHANNEL_NONE : all[i]);
		if (all[i] == CHANNEL_DONE)
			assert_int_equal(result, 11);
		finish(ch);
	}
}

/* Kicked while the request waits: it is the vCPU thread's, and the poller comes too late. */
static void test_rollback(void **state)
{
	struct channel *ch = setup(CHANNEL_ANSWERED, 0);
	int64_t result;

	channel_open(ch, &task_a, 1, 1);
	post(ch, 1);
	assert_true(channel_asks(ch)); /* the poller looks */
	channel_shut(ch);
	assert_false(channel_serve(ch, serve));
	assert_int_equal(channel_settle(ch, &result), CHANNEL_NONE);
	/* And later still: nobody asks any more, though what the poller saw was a request. */
	channel_open(ch, &task_b, 1, 1);
	assert_false(channel_serve(ch, serve));
	assert_int_equal(fake.runs, 0);
	/* The channel is not stuck. */
	post(ch, 2);
	assert_true(channel_serve(ch, serve));
	assert_ptr_equal(fake.task, &task_b);
	channel_shut(ch);
	finish(ch);
}

static void *serve_thread(void *arg)
{
	assert_true(channel_serve(arg, serve));
	return NULL;
}

static _Atomic bool shut_returned;

static void *shut_thread(void *arg)
{
	channel_shut(arg);
	atomic_store(&shut_returned, true);
	return NULL;
}

/* Kicked while the handler runs: the vCPU thread waits for it, and commits. */
static void test_commit(void **state)
{
	for (int patient = 0; patient < 2; patient++) {
		struct channel *ch = setup(CHANNEL_ANSWERED, 99);
		pthread_t server, shutter;
		sem_t begun, go;
		int64_t result;

		sem_init(&begun, 0, 0);
		sem_init(&go, 0, 0);
		fake.begun = &begun;
		fake.finish = &go;
		atomic_store(&shut_returned, false);
		channel_open(ch, &task_a, 1, 1);
		post(ch, 1);
		assert_int_equal(pthread_create(&server, NULL, serve_thread, ch), 0);
		sem_wait(&begun);
		assert_int_equal(atomic_load(&ch->page->claimed), 1);
		assert_true(channel_asks(ch)); /* still: a second poller is turned away */
		assert_false(channel_serve(ch, serve));
		assert_int_equal(pthread_create(&shutter, NULL, shut_thread, ch), 0);
		/* Once with the vCPU thread asleep. */
		while (patient && atomic_load(&ch->hold) != CHANNEL_CLAIMED_WAITED)
			sched_yield();
		assert_false(atomic_load(&shut_returned));
		sem_post(&go);
		pthread_join(server, NULL);
		pthread_join(shutter, NULL);
		assert_int_equal(atomic_load(&ch->hold), CHANNEL_SHUT);
		assert_int_equal(channel_settle(ch, &result), CHANNEL_DONE);
		assert_int_equal(result, 99);
		assert_int_equal(fake.runs, 1);
		sem_destroy(&begun);
		sem_destroy(&go);
		finish(ch);
	}
}

/* Nobody's channel, and one whose page says whatever it likes. */
static void test_hostile(void **state)
{
	struct channel *ch = setup(CHANNEL_STARTED, 0);
	int64_t result;

	channel_open(ch, NULL, 9, 9);
	assert_int_equal(atomic_load(&ch->page->spin), 0);
	post(ch, 1);
	assert_false(channel_serve(ch, serve));
	channel_shut(ch);
	/* A made-up answer is none. */
	channel_open(ch, &task_a, 1, 1);
	atomic_store(&ch->page->exit, 1);
	atomic_store(&ch->page->result, 5);
	channel_shut(ch);
	assert_int_equal(channel_settle(ch, &result), CHANNEL_NONE);
	/* Rubbish in the state is no request; the next task finds a clean page. */
	memset((void *)ch->page, 0xff, PAGE_SIZE);
	channel_open(ch, &task_a, 1, 1);
	memset((void *)ch->page, 0xff, PAGE_SIZE);
	assert_false(channel_asks(ch));
	channel_shut(ch);
	channel_scrub(ch);
	for (size_t i = 0; i < PAGE_SIZE; i++)
		assert_int_equal(((unsigned char *)ch->page)[i], 0);
	assert_int_equal(fake.runs, 0);
	finish(ch);
}

/* ---- a vCPU thread and a poller at full speed ---- */

#define REQUESTS 20000

static _Atomic bool stop;

static enum channel_outcome count_run(void *task, const struct channel_request *r, int64_t *result)
{
	unsigned *runs = task;

	*result = (int64_t)r->args[0];
	if (r->nr % 7 == 0)
		return CHANNEL_DECLINED;
	runs[r->nr]++;
	return r->nr % 5 ? CHANNEL_ANSWERED : CHANNEL_DONE;
}

static void *poll_thread(void *arg)
{
	while (!atomic_load(&stop))
		if (channel_asks(arg))
			channel_serve(arg, count_run);
		else
			sched_yield();
	return NULL;
}

/* Waits as the stub does, but is kicked after `patience` looks. True: answered in the guest. */
static bool wait_answer(struct channel *ch, unsigned patience)
{
	while (patience--)
		if (atomic_load(&ch->page->state) == ABI_CHANNEL_IDLE)
			return !atomic_load(&ch->page->exit);
	return false;
}

static void test_full_speed(void **state)
{
	struct channel *ch = setup(CHANNEL_ANSWERED, 0);
	unsigned *runs = calloc(REQUESTS, sizeof(*runs)), answered = 0, seed = 1;
	pthread_t poller;

	assert_non_null(runs);
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&poller, NULL, poll_thread, ch), 0);
	channel_open(ch, runs, 1, 1);
	for (unsigned nr = 0; nr < REQUESTS; nr++) {
		int64_t result = -1;

		post(ch, nr);
		seed = seed * 1103515245 + 12345;
		if (wait_answer(ch, seed >> 16 & (nr % 3 ? 63 : 8191))) {
			assert_int_equal(atomic_load(&ch->page->result), nr * 10);
			answered++;
			continue;
		}
		channel_shut(ch);
		if (channel_settle(ch, &result) == CHANNEL_DONE)
			assert_int_equal(result, nr * 10);
		else
			runs[nr]++;
		channel_open(ch, runs, 1, 1);
	}
	channel_shut(ch);
	atomic_store(&stop, true);
	pthread_join(poller, NULL);
	for (unsigned nr = 0; nr < REQUESTS; nr++)
		assert_int_equal(runs[nr], 1);
	assert_int_equal(ch->answered >= answered, 1);
	free(runs);
	finish(ch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),   cmocka_unit_test(test_must_leave),
		cmocka_unit_test(test_rollback), cmocka_unit_test(test_commit),
		cmocka_unit_test(test_hostile),  cmocka_unit_test(test_full_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
