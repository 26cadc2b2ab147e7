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
	/* stand_in's: */
	unsigned stands;
	enum channel_outcome before, then;
	int64_t before_result;
	bool leaves; /* when it blocks */
	void *had, *next;
	unsigned faults;
	enum channel_outcome fault; /* what becomes of one */
};
static struct fake fake;

static void wait_in_handler(void)
{
	if (fake.begun) {
		sem_post(fake.begun);
		sem_wait(fake.finish);
	}
}

static enum channel_outcome serve(void *task, const struct channel_request *r, int64_t *result)
{
	fake.runs++;
	fake.task = task;
	fake.last = *r;
	wait_in_handler();
	*result = fake.result;
	return fake.outcome;
}

static enum channel_outcome stand_in(struct vcpu *v, enum channel_outcome before, int64_t result,
				     void **task)
{
	assert_null(v);
	fake.stands++;
	fake.before = before;
	fake.before_result = result;
	fake.had = *task;
	wait_in_handler();
	*task = fake.next;
	return fake.then;
}

static bool stays(struct vcpu *v, void *task)
{
	(void)v;
	assert_non_null(task);
	return !fake.leaves;
}

static enum channel_outcome fault(struct vcpu *v, void *task)
{
	assert_null(v);
	fake.faults++;
	fake.task = task;
	wait_in_handler();
	return fake.fault;
}

static const struct channel_ops serve_ops = {
	.call = serve, .stays = stays, .stand_in = stand_in, .fault = fault};

/* Without frames. */
static void open_ask(struct channel *ch, void *task, uint32_t spin, uint32_t claimed)
{
	channel_open(ch, task, &(struct channel_spins){spin, claimed, 0});
}

static void open_frames(struct channel *ch, void *task)
{
	channel_open(ch, task, &(struct channel_spins){5, 6, 7});
}

static struct channel *setup(enum channel_outcome outcome, int64_t result)
{
	struct channel *ch = calloc(1, sizeof(*ch));

	fake = (struct fake){.outcome = outcome, .result = result};
	assert_non_null(ch);
	channel_init(ch, aligned_alloc(PAGE_SIZE, PAGE_SIZE), NULL, true);
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

	open_ask(ch, &task_a, 5, 6);
	assert_int_equal(atomic_load(&ch->page->spin), 5);
	assert_int_equal(atomic_load(&ch->page->spin_claimed), 6);
	assert_false(channel_asks(ch));
	assert_false(channel_serve(ch, &serve_ops));
	post(ch, 42);
	assert_true(channel_serve(ch, &serve_ops));
	assert_int_equal(fake.last.nr, 42);
	assert_int_equal(fake.last.args[5], 425);
	assert_ptr_equal(fake.task, &task_a);
	assert_int_equal(atomic_load(&ch->page->state), ABI_CHANNEL_IDLE);
	assert_int_equal(atomic_load(&ch->page->exit), 0);
	assert_int_equal(atomic_load(&ch->page->result), -7);
	assert_false(channel_serve(ch, &serve_ops));
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

		open_ask(ch, &task_a, 1, 1);
		post(ch, 1);
		assert_true(channel_serve(ch, &serve_ops));
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

	open_ask(ch, &task_a, 1, 1);
	post(ch, 1);
	assert_true(channel_asks(ch)); /* the poller looks */
	channel_shut(ch);
	assert_false(channel_serve(ch, &serve_ops));
	assert_int_equal(channel_settle(ch, &result), CHANNEL_NONE);
	/* And later still: nobody asks any more, though what the poller saw was a request. */
	open_ask(ch, &task_b, 1, 1);
	assert_false(channel_serve(ch, &serve_ops));
	assert_int_equal(fake.runs, 0);
	/* The channel is not stuck. */
	post(ch, 2);
	assert_true(channel_serve(ch, &serve_ops));
	assert_ptr_equal(fake.task, &task_b);
	channel_shut(ch);
	finish(ch);
}

static void *serve_thread(void *arg)
{
	assert_true(channel_serve(arg, &serve_ops));
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
		open_ask(ch, &task_a, 1, 1);
		post(ch, 1);
		assert_int_equal(pthread_create(&server, NULL, serve_thread, ch), 0);
		sem_wait(&begun);
		assert_int_equal(atomic_load(&ch->page->claimed), 1);
		assert_true(channel_asks(ch)); /* still: a second poller is turned away */
		assert_false(channel_serve(ch, &serve_ops));
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

/* Nothing of any program's is left; and somebody who waits goes on waiting. */
static void assert_clean(struct channel *ch, uint32_t spin, uint32_t spin_claimed)
{
	const uint8_t *page = (const uint8_t *)ch->page;

	assert_int_equal(atomic_load(&ch->page->spin), spin);
	assert_int_equal(atomic_load(&ch->page->spin_claimed), spin_claimed);
	for (size_t i = sizeof(ch->page->state); i < PAGE_SIZE; i++)
		if (i < ABI_CHANNEL_SPIN || i >= ABI_CHANNEL_SPIN_CLAIMED + 4)
			assert_int_equal(page[i], 0);
}

/* Nobody's channel, and one whose page says whatever it likes. */
static void test_hostile(void **state)
{
	struct channel *ch = setup(CHANNEL_STARTED, 0);
	int64_t result;

	open_ask(ch, NULL, 9, 9);
	assert_int_equal(atomic_load(&ch->page->spin), 0);
	post(ch, 1);
	assert_false(channel_serve(ch, &serve_ops));
	channel_shut(ch);
	/* A made-up answer is none. */
	open_ask(ch, &task_a, 1, 1);
	atomic_store(&ch->page->exit, 1);
	atomic_store(&ch->page->result, 5);
	channel_shut(ch);
	assert_int_equal(channel_settle(ch, &result), CHANNEL_NONE);
	/* Rubbish in the state is no request; the next task finds a clean page. */
	memset((void *)ch->page, 0xff, PAGE_SIZE);
	open_ask(ch, &task_a, 1, 1);
	memset((void *)ch->page, 0xff, PAGE_SIZE);
	assert_false(channel_asks(ch));
	channel_shut(ch);
	channel_scrub(ch);
	assert_clean(ch, 1, 1);
	assert_int_equal(fake.runs, 0);
	finish(ch);
}

/* ---- page faults ---- */

static void post_fault(struct channel *ch)
{
	atomic_store_explicit(&ch->page->state, ABI_CHANNEL_FAULT, memory_order_release);
}

/* Its answer is to go on, or to leave; what anybody can write is none. */
static void test_fault(void **state)
{
	static const struct {
		enum channel_outcome outcome;
		bool served;
		uint32_t state, exit;
	} t[] = {{CHANNEL_FRAME, true, ABI_CHANNEL_IDLE, 0},
		 {CHANNEL_TAKEN, true, ABI_CHANNEL_IDLE, 1},
		 {CHANNEL_NONE, false, ABI_CHANNEL_FAULT, 5}};

	for (size_t i = 0; i < 3; i++) {
		struct channel *ch = setup(CHANNEL_ANSWERED, 0);

		open_ask(ch, &task_a, 1, 1);
		fake.fault = t[i].outcome;
		atomic_store(&ch->page->exit, 5);
		post_fault(ch);
		assert_int_equal(channel_serve(ch, &serve_ops), t[i].served);
		assert_int_equal(atomic_load(&ch->page->state), t[i].state);
		assert_int_equal(atomic_load(&ch->page->exit), t[i].exit);
		assert_int_equal(fake.faults, 1);
		assert_ptr_equal(fake.task, &task_a);
		assert_int_equal(ch->faults, i == 0);
		/* Nothing that a kick would find: it is no call. */
		assert_int_equal(ch->outcome, CHANNEL_NONE);
		channel_shut(ch);
		assert_false(channel_serve(ch, &serve_ops));
		finish(ch);
	}
}

/* ---- registers handed over ---- */

static void save(struct channel *ch)
{
	atomic_store_explicit(&ch->page->state, ABI_CHANNEL_SAVED, memory_order_release);
}

static void assert_answer(struct channel *ch, uint32_t state, uint32_t exit)
{
	assert_int_equal(atomic_load(&ch->page->state), state);
	assert_int_equal(atomic_load(&ch->page->exit), exit);
}

/* Whatever a result does not answer: the stub asks on, and another task may come of it. */
static void test_frame(void **state)
{
	static const enum channel_outcome all[] = {CHANNEL_WHOLE, CHANNEL_DONE, CHANNEL_STARTED};

	for (size_t i = 0; i < 3; i++) {
		struct channel *ch = setup(all[i], 33);
		int64_t result;

		open_frames(ch, &task_a);
		post(ch, 1);
		assert_true(channel_serve(ch, &serve_ops));
		assert_answer(ch, ABI_CHANNEL_IDLE, 7);
		assert_false(channel_serve(ch, &serve_ops));
		save(ch);
		fake.then = CHANNEL_FRAME;
		fake.next = &task_b;
		assert_true(channel_serve(ch, &serve_ops));
		assert_answer(ch, ABI_CHANNEL_IDLE, 0);
		assert_int_equal(fake.before, all[i]);
		assert_int_equal(fake.before_result, 33);
		assert_ptr_equal(fake.had, &task_a);
		/* It goes on with the next request of the other. */
		fake.outcome = CHANNEL_ANSWERED;
		post(ch, 2);
		assert_true(channel_serve(ch, &serve_ops));
		assert_ptr_equal(fake.task, &task_b);
		channel_shut(ch);
		assert_int_equal(channel_settle(ch, &result), CHANNEL_DONE);
		assert_int_equal(fake.stands, 1);
		assert_int_equal(fake.runs, 2);
		finish(ch);
	}
}

/* Without a task the vCPU waits inside; nobody runs its requests then. */
static void test_parked(void **state)
{
	struct channel *ch = setup(CHANNEL_STARTED, 0);
	int64_t result;

	open_frames(ch, &task_a);
	post(ch, 1);
	assert_true(channel_serve(ch, &serve_ops));
	save(ch);
	fake.then = CHANNEL_GONE;
	assert_true(channel_serve(ch, &serve_ops));
	assert_int_equal(atomic_load(&ch->page->state), ABI_CHANNEL_PARKED);
	assert_false(channel_serve(ch, &serve_ops));
	assert_int_equal(fake.before, CHANNEL_GONE);
	assert_null(fake.had);
	post(ch, 2);
	assert_false(channel_serve(ch, &serve_ops));
	assert_int_equal(fake.runs, 1);
	atomic_store(&ch->page->state, ABI_CHANNEL_PARKED);
	fake.then = CHANNEL_FRAME;
	fake.next = &task_b;
	assert_true(channel_serve(ch, &serve_ops));
	assert_answer(ch, ABI_CHANNEL_IDLE, 0);
	assert_int_equal(fake.stands, 3);
	/* Kicked before it has loaded the frame, or behind it: no call of task_b is unfinished. */
	channel_shut(ch);
	assert_int_equal(ch->outcome, CHANNEL_FRAME);
	assert_ptr_equal(ch->task, &task_b);
	assert_int_equal(channel_settle(ch, &result), CHANNEL_NONE);
	finish(ch);
}

/* It waits long enough; or goes on an errand for the poller, and then has the answer. */
static void test_dismissed(void **state)
{
	struct channel *ch = setup(CHANNEL_STARTED, 0);

	open_frames(ch, &task_a);
	channel_dismiss(ch);
	post(ch, 1);
	assert_true(channel_serve(ch, &serve_ops));
	save(ch);
	fake.then = CHANNEL_GONE;
	assert_true(channel_serve(ch, &serve_ops));
	channel_dismiss(ch);
	assert_answer(ch, ABI_CHANNEL_IDLE, 1);
	channel_shut(ch);
	channel_dismiss(ch);
	assert_int_equal(atomic_load(&ch->hold), CHANNEL_SHUT);

	open_frames(ch, &task_a);
	post(ch, 1);
	assert_true(channel_serve(ch, &serve_ops));
	save(ch);
	channel_send(ch, ABI_CHANNEL_ERRAND);
	assert_answer(ch, ABI_CHANNEL_IDLE, ABI_CHANNEL_ERRAND);
	atomic_store(&ch->page->state, ABI_CHANNEL_BACK);
	memset((uint8_t *)ch->page + sizeof(ch->page->state), 0xff, PAGE_SIZE - 4);
	channel_scrub(ch);
	assert_clean(ch, 5, 6);
	/* Nobody is asked for anything while it waits so. */
	assert_false(channel_serve(ch, &serve_ops));
	assert_int_equal(atomic_load(&ch->page->state), ABI_CHANNEL_BACK);
	channel_shut(ch);
	finish(ch);
}

/* It cannot go on inside, with or without a task. Or not even be stood in for: then all is as if
 * it had left at once. */
static void test_taken(void **state)
{
	struct channel *ch = setup(CHANNEL_DONE, 44);
	int64_t result = 0;

	open_frames(ch, &task_a);
	post(ch, 1);
	assert_true(channel_serve(ch, &serve_ops));
	save(ch);
	fake.then = CHANNEL_TAKEN;
	fake.next = &task_b;
	assert_true(channel_serve(ch, &serve_ops));
	assert_answer(ch, ABI_CHANNEL_IDLE, 1);
	/* It should leave; what it asks for instead is nobody's call, least of all the next task's.
	 */
	post(ch, 2);
	assert_false(channel_serve(ch, &serve_ops));
	assert_int_equal(fake.runs, 1);
	channel_shut(ch);
	assert_null(ch->task);

	open_frames(ch, &task_a);
	post(ch, 1);
	assert_true(channel_serve(ch, &serve_ops));
	save(ch);
	fake.then = CHANNEL_DONE;
	fake.next = &task_a;
	assert_true(channel_serve(ch, &serve_ops));
	assert_answer(ch, ABI_CHANNEL_IDLE, 1);
	channel_shut(ch);
	assert_int_equal(channel_settle(ch, &result), CHANNEL_DONE);
	assert_int_equal(result, 44);
	finish(ch);
}

/* Kicked while it saves, or before anybody looked: the outcome of the request stands. */
static void test_saved_rollback(void **state)
{
	for (int saved = 0; saved < 2; saved++) {
		struct channel *ch = setup(CHANNEL_STARTED, 0);
		int64_t result;

		open_frames(ch, &task_a);
		post(ch, 1);
		assert_true(channel_serve(ch, &serve_ops));
		if (saved)
			save(ch);
		channel_shut(ch);
		assert_false(channel_serve(ch, &serve_ops));
		assert_int_equal(channel_settle(ch, &result), CHANNEL_STARTED);
		assert_ptr_equal(ch->task, &task_a);
		assert_int_equal(fake.stands, 0);
		finish(ch);
	}
}

/* Registers that nobody has asked for. */
static void test_saved_hostile(void **state)
{
	static const enum channel_outcome after[] = {CHANNEL_ANSWERED, CHANNEL_DECLINED};
	struct channel *ch = setup(CHANNEL_ANSWERED, 0);

	open_frames(ch, &task_a);
	save(ch);
	assert_false(channel_serve(ch, &serve_ops));
	for (size_t i = 0; i < 2; i++) {
		fake.outcome = after[i];
		post(ch, 1);
		assert_true(channel_serve(ch, &serve_ops));
		save(ch);
		assert_false(channel_serve(ch, &serve_ops));
		atomic_store(&ch->page->state, ABI_CHANNEL_PARKED);
		assert_false(channel_serve(ch, &serve_ops));
	}
	/* Twice for one request. */
	fake.outcome = CHANNEL_STARTED;
	post(ch, 1);
	assert_true(channel_serve(ch, &serve_ops));
	save(ch);
	fake.then = CHANNEL_FRAME;
	fake.next = &task_b;
	assert_true(channel_serve(ch, &serve_ops));
	save(ch);
	assert_false(channel_serve(ch, &serve_ops));
	assert_int_equal(fake.stands, 1);
	channel_shut(ch);
	/* A stub that cannot save is not told to. */
	ch->has_frames = false;
	open_frames(ch, &task_a);
	post(ch, 1);
	assert_true(channel_serve(ch, &serve_ops));
	assert_answer(ch, ABI_CHANNEL_IDLE, 1);
	save(ch);
	assert_false(channel_serve(ch, &serve_ops));
	atomic_store(&ch->page->state, ABI_CHANNEL_PARKED);
	assert_false(channel_serve(ch, &serve_ops));
	assert_int_equal(fake.stands, 1);
	finish(ch);
}

/* Kicked while somebody stands in for it: the vCPU's thread waits, and finds another task. */
static void test_stand_in_commit(void **state)
{
	struct channel *ch = setup(CHANNEL_STARTED, 0);
	pthread_t server, shutter;
	sem_t begun, go;

	open_frames(ch, &task_a);
	post(ch, 1);
	assert_true(channel_serve(ch, &serve_ops));
	save(ch);
	sem_init(&begun, 0, 0);
	sem_init(&go, 0, 0);
	fake.begun = &begun;
	fake.finish = &go;
	fake.then = CHANNEL_FRAME;
	fake.next = &task_b;
	atomic_store(&shut_returned, false);
	assert_int_equal(pthread_create(&server, NULL, serve_thread, ch), 0);
	sem_wait(&begun);
	assert_int_equal(pthread_create(&shutter, NULL, shut_thread, ch), 0);
	while (atomic_load(&ch->hold) != CHANNEL_CLAIMED_WAITED)
		sched_yield();
	assert_false(atomic_load(&shut_returned));
	sem_post(&go);
	pthread_join(server, NULL);
	pthread_join(shutter, NULL);
	assert_int_equal(ch->outcome, CHANNEL_FRAME);
	assert_ptr_equal(ch->task, &task_b);
	sem_destroy(&begun);
	sem_destroy(&go);
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

static const struct channel_ops count_ops = {
	.call = count_run, .stays = stays, .stand_in = stand_in};

static void *poll_thread(void *arg)
{
	while (!atomic_load(&stop))
		if (channel_asks(arg))
			channel_serve(arg, &count_ops);
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
	open_ask(ch, runs, 1, 1);
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
		open_ask(ch, runs, 1, 1);
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

/* Two tasks in turn, by frames: each is with one side at a time, and each call is run once. */
struct turn {
	struct turn *other;
	unsigned runs, blocks;
};

static enum channel_outcome turn_call(void *task, const struct channel_request *r, int64_t *result)
{
	struct turn *t = task;

	*result = 0;
	t->runs++;
	return r->nr % 2 ? CHANNEL_STARTED : CHANNEL_WHOLE;
}

static enum channel_outcome turn_stand_in(struct vcpu *v, enum channel_outcome before,
					  int64_t result, void **task)
{
	struct turn *t = *task;

	(void)v;
	(void)result;
	assert_int_not_equal(before, CHANNEL_GONE);
	t->blocks++;
	*task = t->other;
	return t->blocks % 3 ? CHANNEL_FRAME : CHANNEL_TAKEN;
}

static const struct channel_ops turn_ops = {
	.call = turn_call, .stays = stays, .stand_in = turn_stand_in};

static void *turn_thread(void *arg)
{
	while (!atomic_load(&stop))
		if (!channel_serve(arg, &turn_ops))
			sched_yield();
	return NULL;
}

static bool await(struct channel *ch, uint32_t state, unsigned patience)
{
	while (patience--)
		if (atomic_load(&ch->page->state) != state)
			return true;
	return false;
}

/* Asks for a call and waits, as the stub does, until a frame comes. False: it has to leave. */
static bool ask_turn(struct channel *ch, unsigned nr, unsigned patience)
{
	post(ch, nr);
	if (!await(ch, ABI_CHANNEL_REQUEST, patience) || atomic_load(&ch->page->exit) != 7)
		return false;
	save(ch);
	return await(ch, ABI_CHANNEL_SAVED, patience) && !atomic_load(&ch->page->exit);
}

static void test_turns(void **state)
{
	struct channel *ch = setup(CHANNEL_ANSWERED, 0);
	struct turn a = {0}, b = {.other = &a}, *now = &a;
	unsigned seed = 7, left = 0;
	pthread_t poller;

	a.other = &b;
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&poller, NULL, turn_thread, ch), 0);
	open_frames(ch, now);
	for (unsigned nr = 0; nr < REQUESTS; nr++) {
		int64_t result;

		seed = seed * 1103515245 + 12345;
		if (ask_turn(ch, nr, seed >> 16 & (nr % 3 ? 63 : 8191))) {
			now = now->other;
			continue;
		}
		channel_shut(ch);
		left++;
		/* Else it has been stood in for. */
		if (channel_asks(ch) ||
		    (ch->outcome != CHANNEL_FRAME && ch->outcome != CHANNEL_TAKEN)) {
			assert_ptr_equal(ch->task, now);
			if (channel_settle(ch, &result) == CHANNEL_NONE && channel_asks(ch))
				now->runs++;
			now->blocks++;
		}
		now = now->other;
		open_frames(ch, now);
	}
	channel_shut(ch);
	atomic_store(&stop, true);
	pthread_join(poller, NULL);
	assert_int_equal(a.runs + b.runs, REQUESTS);
	assert_int_equal(a.blocks + b.blocks, REQUESTS);
	assert_true(left <= REQUESTS);
	finish(ch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),          cmocka_unit_test(test_must_leave),
		cmocka_unit_test(test_rollback),        cmocka_unit_test(test_commit),
		cmocka_unit_test(test_hostile),         cmocka_unit_test(test_full_speed),
		cmocka_unit_test(test_fault),           cmocka_unit_test(test_frame),
		cmocka_unit_test(test_parked),          cmocka_unit_test(test_dismissed),
		cmocka_unit_test(test_taken),           cmocka_unit_test(test_saved_rollback),
		cmocka_unit_test(test_turns),           cmocka_unit_test(test_saved_hostile),
		cmocka_unit_test(test_stand_in_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
