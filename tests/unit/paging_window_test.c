/* Windows: address spaces dealt to several guest-physical addresses of the same memory. */
#include "paging_fake.h"

#define LIMIT (256UL << 20)
#define BASE  0x10000000UL
#define MANY  1300 /* fill two windows and begin a third */

static uint64_t window_of(struct mm *mm, uint64_t va)
{
	uint64_t e;

	mm_lock(mm);
	e = atomic_load(pgtable_find(mm, va));
	mm_unlock(mm);
	return (e & GMEM_WINDOW_MASK) >> GMEM_WINDOW_SHIFT;
}

static void make(struct gmem *gm, struct mm *mm[], unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(mm_create(gm, &mm[i]), 0);
}

static void end(struct mm *mm[], unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		mm_put(mm[i]);
}

static void test_dealt(void **state)
{
	static struct mm *mm[MANY];
	struct fake_machine m;

	(void)state;
	fake_init(&m, LIMIT, true);
	m.phys_bits = 48;
	make(m.gm, mm, MANY);
	assert_int_equal(m.gm->windows, 3);
	assert_int_equal(m.slot_end[1], m.slot_end[0]);
	assert_int_equal(m.slot_end[2], m.slot_end[0]);
	for (unsigned i = 0; i < MANY; i += 431) {
		assert_int_equal(fake_map(mm[i], BASE, 2, RW, NULL, 0), 0);
		assert_int_equal(fake_store(&m, mm[i], BASE, (uint8_t)i), 0);
		assert_int_equal(window_of(mm[i], BASE), i / 600);
	}
	for (unsigned i = 0; i < MANY; i += 431)
		assert_int_equal(fake_load(&m, mm[i], BASE), (uint8_t)i);

	/* Who ends makes room in his window. */
	mm_put(mm[0]);
	make(m.gm, mm, 1);
	assert_int_equal(mm[0]->window, 0);
	end(mm, MANY);
	assert_int_equal(m.gm->window_mms[0] + m.gm->window_mms[1] + m.gm->window_mms[2], 0);
	fake_exit(&m);
}

/* A child sees its parent's pages through its own window, and a spare's tables keep theirs. */
static void test_fork(void **state)
{
	static struct mm *mm[600];
	struct fake_machine m;
	struct mm *child;

	(void)state;
	fake_init(&m, LIMIT, true);
	m.phys_bits = 48;
	make(m.gm, mm, 600);
	assert_int_equal(fake_map(mm[7], BASE, 4, RW, NULL, 0), 0);
	assert_int_equal(fake_store(&m, mm[7], BASE, 1), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fake_store(&m, mm[7], BASE + PAGE_SIZE, 2), 0);
		assert_int_equal(mm_fork(mm[7], 0, &child), 0);
		assert_int_equal(child->window, 1);
		assert_int_equal(window_of(child, BASE), 1);
		assert_int_equal(window_of(mm[7], BASE), 0);
		assert_int_equal(fake_load(&m, child, BASE), 1);
		assert_int_equal(fake_store(&m, child, BASE, 3), 0);
		assert_int_equal(fake_load(&m, child, BASE + PAGE_SIZE), 2);
		assert_int_equal(fake_load(&m, mm[7], BASE), 1);
		mm_put(child);
		/* With room in the first window again: the tables that wait are the second's. */
		if (i == 0)
			mm_put(mm[8]);
	}
	make(m.gm, mm + 8, 1);
	end(mm, 600);
	assert_int_equal(m.gm->window_mms[0] + m.gm->window_mms[1], 0);
	fake_exit(&m);
}

/* Restricting drops the page wherever it is seen. */
static void test_restrict(void **state)
{
	static struct mm *mm[601];
	struct fake_machine m;

	(void)state;
	fake_init(&m, LIMIT, true);
	m.phys_bits = 48;
	make(m.gm, mm, 601);
	assert_int_equal(fake_map(mm[600], BASE, 2, RW, NULL, 0), 0);
	assert_int_equal(fake_store(&m, mm[600], BASE, 5), 0);
	assert_int_equal(window_of(mm[600], BASE), 1);
	assert_int_equal(mm_mprotect(mm[600], BASE, PAGE_SIZE, VMA_READ), 0);
	assert_int_equal(window_of(mm[600], BASE), 1);
	assert_int_equal(fake_store(&m, mm[600], BASE, 6), -EACCES);
	assert_int_equal(fake_load(&m, mm[600], BASE), 5);
	assert_int_equal(mm_munmap(mm[600], BASE, PAGES(2)), 0);
	assert_int_equal(fake_load(&m, mm[600], BASE), -EFAULT);
	end(mm, 601);
	fake_exit(&m);
}

/* More memory comes to all windows, also after it could not be had in one of them. */
static void test_growth(void **state)
{
	static struct mm *mm[601];
	struct fake_machine m;
	pfn_t *pfn;
	unsigned n = 0;

	(void)state;
	fake_init(&m, LIMIT, true);
	m.phys_bits = 48;
	make(m.gm, mm, 601);
	assert_int_equal(m.slots, 2);
	pfn = calloc(LIMIT >> PAGE_SHIFT, sizeof(*pfn));
	m.slots_max = 3; /* the first window grows, the second cannot */
	while ((pfn[n] = frame_alloc(m.gm, false)))
		n++;
	assert_int_equal(m.slot_end[0], 2 * GMEM_SLOT_SIZE);
	assert_int_equal(m.slot_end[1], GMEM_SLOT_SIZE);
	assert_true(n < GMEM_SLOT_SIZE >> PAGE_SHIFT);
	m.slots_max = 0;
	while ((pfn[n] = frame_alloc(m.gm, false)))
		n++;
	assert_int_equal(m.slot_end[0], LIMIT);
	assert_int_equal(m.slot_end[1], LIMIT);
	while (n)
		frame_put(m.gm, pfn[--n]);
	free(pfn);
	end(mm, 601);
	fake_exit(&m);
}

/* Where there can be no window, or no slot for it, all share the first. */
static void test_none(void **state)
{
	static const struct {
		bool shadow;
		unsigned phys_bits, slots_max, slots_said, windows;
	} cases[] = {
		{false, 48, 0, 0, 1},
		{true, 0, 0, 0, 1},
		{true, 44, 0, 0, 1},
		{true, 45, 0, 0, 2},
		{true, 48, 1, 0, 1},
		{true, 52, 2, 0, 2},
		/* All memory, and a slot that the hole cuts, must fit in each. */
		{true, 48, 0, 12, 2},
		{true, 48, 0, 11, 1},
	};
	static struct mm *mm[MANY];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake_machine m;

		fake_init(&m, LIMIT, cases[i].shadow);
		m.phys_bits = cases[i].phys_bits;
		m.slots_max = cases[i].slots_max;
		m.slots_said = cases[i].slots_said;
		make(m.gm, mm, MANY);
		assert_int_equal(m.gm->windows, cases[i].windows);
		/* Evenly, where all are full. */
		if (cases[i].windows == 2)
			assert_int_equal(m.gm->window_mms[0], MANY / 2);
		end(mm, MANY);
		fake_exit(&m);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dealt),    cmocka_unit_test(test_fork),
		cmocka_unit_test(test_restrict), cmocka_unit_test(test_growth),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
