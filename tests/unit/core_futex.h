/*
 * What the futex manager's tests share: words that the test can make fault, or change between
 * the manager's load and its exchange; and actors whose waits the test steps by hand.
 */
#ifndef VMBOX_TESTS_CORE_FUTEX_H
#define VMBOX_TESTS_CORE_FUTEX_H

#include "core_test.h"

#include "../../vmm/core/futex.h"

#define WAITERS FUTEX_WORD_WAITERS
#define DIED    FUTEX_WORD_DIED
#define ANY     FUTEX_BITSET_ANY

/* One address space: words 0, 1, 2 ... */
struct fake_mem {
	_Atomic uint32_t word[64];
	uint64_t faults;                /* bit n: word n cannot be read */
	uint64_t readonly;              /* bit n: nor written */
	void (*before_cmpxchg)(void *); /* once */
	void *arg;
};

static inline int fake_load(void *mem, uint64_t addr, uint32_t *out)
{
	struct fake_mem *m = mem;

	if (m->faults >> addr & 1)
		return -EFAULT;
	*out = m->word[addr];
	return 0;
}

static inline int fake_cmpxchg(void *mem, uint64_t addr, uint32_t expected, uint32_t desired,
			       uint32_t *found)
{
	struct fake_mem *m = mem;
	void (*hook)(void *) = m->before_cmpxchg;

	if ((m->faults | m->readonly) >> addr & 1)
		return -EFAULT;
	m->before_cmpxchg = NULL;
	if (hook)
		hook(m->arg);
	*found = expected;
	atomic_compare_exchange_strong(&m->word[addr], found, desired);
	return 0;
}

static const struct futex_mem_ops fake_ops = {fake_load, fake_cmpxchg};

static inline struct futex_word fake_word(struct fake_mem *m, uint64_t addr)
{
	return (struct futex_word){&fake_ops, m, addr};
}

static inline struct futex_key private_key(uint64_t space, uint64_t addr)
{
	return (struct futex_key){FUTEX_KEY_PRIVATE, space, addr};
}

#define ACTOR_WAITERS 4

/* A task with its waiters, in the hands of the test. */
struct actor {
	struct sched_task st;
	struct futex_owner self;
	struct futex_waiter w[ACTOR_WAITERS];
};

static struct world w;
static struct futex_table *ft;
static struct fake_mem mem;

static inline int set_up(void **state)
{
	(void)state;
	world_open(&w, 1);
	ft = futex_table_create(FUTEX_BUCKETS);
	assert_non_null(ft);
	memset(&mem, 0, sizeof(mem));
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	futex_table_destroy(ft);
	world_close(&w);
	return 0;
}

/* It runs its handler for the first time. */
static inline void actor_begin(struct actor *a, uint32_t tid)
{
	memset(a, 0, sizeof(*a));
	world_run(&w, &a->st);
	futex_owner_init(ft, &a->self, tid);
}

/* Whatever it does now, the test has it in its hands. */
static inline void actor_take(struct actor *a)
{
	struct sched_task *t;

	if (a->st.state == SCHED_RUNNING)
		return;
	sched_wake(&a->st);
	while ((t = world_next(&w, 0)) != &a->st)
		sched_yield_task(t);
}

static inline void actor_end(struct actor *a)
{
	actor_take(a);
	futex_leave(ft, a->w, ACTOR_WAITERS);
	futex_owner_fini(ft, &a->self);
	world_end(&a->st);
}

static inline struct futex_waiter *actor_waiter(struct actor *a, unsigned i, uint64_t addr)
{
	struct futex_waiter *x = &a->w[i];

	*x = (struct futex_waiter){
		.task = &a->st,
		.self = &a->self,
		.bitset = ANY,
		.key = private_key(1, addr),
		.word = fake_word(&mem, addr),
		.value = mem.word[addr],
	};
	return x;
}

/* A task that is blocked in a wait for word addr, whatever that holds. */
static inline void actor_wait(struct actor *a, uint32_t tid, uint64_t addr)
{
	actor_begin(a, tid);
	assert_int_equal(futex_wait(ft, actor_waiter(a, 0, addr), 1), -EBLOCKED);
	assert_true(sched_block(&a->st));
}

/* It has been made runnable: its handler runs again. */
static inline void actor_again(struct actor *a)
{
	assert_ptr_equal(world_next(&w, 0), &a->st);
	sched_prepare(&a->st);
}

static inline int wake(uint64_t addr, int n)
{
	struct futex_key key = private_key(1, addr);

	return futex_wake(ft, &key, n, ANY);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
