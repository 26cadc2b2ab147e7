/* Address spaces: life, registry, activation, kernel half. */
#include "paging_fake.h"

#define LIMIT (32UL << 20)
#define BASE  0x10000000UL

static void test_create_destroy(void **state)
{
	struct fake_machine m;
	struct mm *a, *b, *c;
	uint64_t start, end, id;

	fake_init(&m, LIMIT, true);
	assert_int_equal(mm_create(m.gm, &a), 0);
	assert_int_equal(mm_create(m.gm, &b), 0);
	assert_int_not_equal(mm_id(a), mm_id(b));
	assert_int_not_equal(mm_root(a).v, mm_root(b).v);
	mm_range(a, &start, &end);
	assert_int_equal(start, ABI_USER_MIN);
	assert_int_equal(end, ABI_USER_END);
	c = mm_lookup(m.gm, mm_id(a));
	assert_ptr_equal(c, a);
	mm_put(c);
	id = mm_id(a);
	mm_put(a);
	assert_null(mm_lookup(m.gm, id));
	assert_null(mm_lookup(m.gm, 0));
	assert_int_equal(mm_create(m.gm, &a), 0);
	assert_true(mm_id(a) > id && mm_id(a) != mm_id(b));
	mm_put(a);
	mm_put(b);
	mm_put(NULL);
	fake_exit(&m);
}

static int with_body(void *arg)
{
	struct fake_machine *m = arg;

	return (int)mm_id(mm_active(m->gm, 3));
}

static void test_activate(void **state)
{
	struct gmem_stats before, after;
	struct fake_machine m;
	struct mm *a, *b, *c;
	uint64_t id;

	fake_init(&m, LIMIT, true);
	assert_int_equal(mm_create(m.gm, &a), 0);
	assert_int_equal(mm_create(m.gm, &b), 0);
	assert_null(mm_active(m.gm, 3));
	mm_activate(m.gm, 3, a);
	mm_activate(m.gm, 5, a);
	mm_activate(m.gm, 3, a);
	assert_ptr_equal(mm_active(m.gm, 3), a);
	assert_int_equal(mm_active_mask(a), 1UL << 3 | 1UL << 5);
	assert_int_equal(mm_with(m.gm, 3, b, with_body, &m), (int)mm_id(b));
	assert_ptr_equal(mm_active(m.gm, 3), a);
	assert_int_equal(mm_active_mask(b), 0);
	mm_activate(m.gm, 5, NULL);
	assert_int_equal(mm_active_mask(a), 1UL << 3);
	assert_int_equal(mm_with(m.gm, 5, a, with_body, &m), (int)mm_id(a));
	assert_null(mm_active(m.gm, 5));
	/* Its memory goes with its last user; to the activator it stays an mm like no other. */
	id = mm_id(a);
	gmem_get_stats(m.gm, &before);
	mm_put(a);
	gmem_get_stats(m.gm, &after);
	assert_true(after.frames_used < before.frames_used);
	assert_null(mm_lookup(m.gm, id));
	assert_int_equal(mm_create(m.gm, &c), 0);
	assert_ptr_not_equal(mm_active(m.gm, 3), c);
	mm_put(c);
	mm_activate(m.gm, 3, b);
	mm_activate(m.gm, 3, NULL);
	mm_put(b);
	fake_exit(&m);
}

static void test_kernel_half(void **state)
{
	const uint64_t va = 0xffffffff80001000;
	struct fake_machine m;
	struct frame_list list = {0};
	struct mm *a;
	pfn_t k, u;

	fake_init(&m, LIMIT, true);
	k = frame_alloc(m.gm, true);
	u = frame_alloc(m.gm, true);
	assert_int_equal(gmem_map_kernel(m.gm, va, k, VMA_READ | VMA_EXEC, false), 0);
	assert_int_equal(gmem_map_kernel(m.gm, va, k, VMA_READ, false), -EEXIST);
	assert_int_equal(gmem_map_kernel(m.gm, va + PAGE_SIZE, u, VMA_READ | VMA_EXEC, true), 0);
	assert_int_equal(mm_create(m.gm, &a), 0);
	gpa_t root = PGTABLE_KERN_ENTRY >= 0 ? mm_root(a) : gmem_kernel_root(m.gm);
	assert_int_equal(fake_touch(&m, root, va, 0), 0); /* the supervisor's */
	assert_int_equal(fake_touch(&m, root, va + PAGE_SIZE, FAULT_EXEC), u);
	assert_int_equal(fake_touch(&m, root, va + PAGE_SIZE, FAULT_WRITE), 0);
	/* The end of one mm leaves it whole for the next. */
	mm_put(a);
	assert_int_equal(mm_create(m.gm, &a), 0);
	root = PGTABLE_KERN_ENTRY >= 0 ? mm_root(a) : gmem_kernel_root(m.gm);
	assert_int_equal(fake_touch(&m, root, va + PAGE_SIZE, 0), u);
	mm_put(a);
	/* Only for this test's count: the kernel half lives as long as the machine. */
	frame_put(m.gm, k);
	frame_put(m.gm, u);
	assert_int_equal(fake_used(&m), 4);
	m.gm->used = m.gm->tables = 0;
	(void)list;
	fake_exit(&m);
}

/* Whatever allocation fails, nothing is left behind. */
static void test_no_memory(void **state)
{
	struct fake_machine m;
	struct frame_list list = {0};
	struct mm *a, *b = NULL;
	uint64_t used;
	pfn_t pfn;

	fake_init(&m, 4UL << 20, false);
	assert_int_equal(mm_create(m.gm, &a), 0);
	assert_int_equal(fake_map(a, BASE, 8, RW, NULL, 0), 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(fake_store(&m, a, BASE + PAGES(i), 1), 0);
	while ((pfn = frame_alloc(m.gm, false)))
		frame_list_push(m.gm, &list, pfn);
	used = fake_used(&m);
	assert_int_equal(mm_create(m.gm, &b), -ENOMEM);
	/* fork with one more free frame each time, until it works. */
	for (int n = 0;; n++) {
		int r = mm_fork(a, 0, &b);

		if (!r) {
			assert_true(n >= 12);
			break;
		}
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(fake_used(&m), used - (uint64_t)n);
		frame_put(m.gm, frame_list_pop(m.gm, &list));
	}
	mm_put(b);
	for (int i = 0; i < 8; i++)
		assert_int_equal(fake_load(&m, a, BASE + PAGES(i)), 1);
	assert_int_equal(copy_to_guest(a, gva(BASE), "x", 1), 0);
	frame_free_list(m.gm, &list);
	mm_put(a);
	fake_exit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_destroy),
		cmocka_unit_test(test_activate),
		cmocka_unit_test(test_kernel_half),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
