/* Threads: faults, copies, mapping changes, forks and truncation of one object at once. For the
 * thread sanitizer. */
#include "paging_fake.h"

#define LIMIT  (64UL << 20)
#define BASE   0x10000000UL
#define ROUNDS 300

static struct fake_machine m;
static struct mm *mm;
static struct memobj *object;
static _Atomic bool stop;

static void *run_faults(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	while (!atomic_load(&stop)) {
		uint64_t va = BASE + PAGES(rand_r(&seed) % 64);
		char c = 1;
		int r = mm_fault(mm, va, seed & 1 ? FAULT_WRITE : 0);

		if (r && r != -ENXIO && r != -EFAULT && r != -EACCES)
			return (void *)1;
		copy_to_guest(mm, gva(va + 7), &c, 1);
		copy_from_guest(mm, &c, gva(va + 7), 1);
	}
	return NULL;
}

static void *run_forks(void *arg)
{
	struct mm *child, *again;

	for (int i = 0; i < ROUNDS; i++) {
		char c = 0;

		if (mm_fork(mm, BASE, &child))
			return (void *)1;
		copy_to_guest(child, gva(BASE + 3), &c, 1);
		again = mm_lookup(m.gm, mm_id(child));
		mm_put(child);
		mm_activate(m.gm, 7, again);
		mm_put(again);
	}
	mm_activate(m.gm, 7, NULL);
	return NULL;
}

static void *run_truncation(void *arg)
{
	for (int i = 0; i < ROUNDS * 2; i++) {
		memobj_set_size(object, PAGES(i % 17));
		memobj_write(object, PAGES(i % 32), "abc", 3);
	}
	return NULL;
}

static void *run_maps(void *arg)
{
	for (int i = 0; i < ROUNDS * 2; i++) {
		fake_map(mm, BASE + PAGES(40), 8, RW, NULL, 0);
		mm_mprotect(mm, BASE + PAGES(40), PAGES(4), VMA_READ);
		fake_map(mm, BASE + PAGES(44), 8, RW | VMA_SHARED, object, 0);
		mm_munmap(mm, BASE + PAGES(42), PAGES(5));
	}
	return NULL;
}

static void test_all_at_once(void **state)
{
	void *(*const run[])(void *) = {run_forks, run_truncation, run_maps, run_faults,
					run_faults};
	pthread_t t[5];
	void *r;

	fake_init(&m, LIMIT, false);
	m.gm->fork_eager = 4;
	object = memobj_create(m.gm, NULL, NULL);
	assert_int_equal(memobj_set_size(object, PAGES(16)), 0);
	assert_int_equal(mm_create(m.gm, &mm), 0);
	assert_int_equal(fake_map(mm, BASE, 16, RW, NULL, 0), 0);
	assert_int_equal(fake_map(mm, BASE + PAGES(16), 16, RW | VMA_SHARED, object, 0), 0);
	assert_int_equal(fake_map(mm, BASE + PAGES(32), 8, RW, object, 4), 0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(pthread_create(&t[i], NULL, run[i], (void *)(uintptr_t)(i + 1)),
				 0);
	for (unsigned i = 0; i < 5; i++) {
		pthread_join(t[i], &r);
		assert_null(r);
		if (i == 2)
			atomic_store(&stop, true);
	}
	mm_put(mm);
	memobj_put(object);
	fake_exit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
