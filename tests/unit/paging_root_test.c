/* Roots by activator: each sees its own pages of the kernel half, and one user's half. */
#include "paging_fake.h"

#define LIMIT   (64UL << 20)
#define BASE    0x10000000UL
#define FAR     0x600000000000UL /* under another entry of the root */
#define SHARED  0xffffffff80001000UL
#define PRIVATE 0xffffffffc0000000UL
#define CPUS    3

struct setup {
	struct fake_machine m;
	pfn_t shared, own[CPUS];
};

static void setup(struct setup *s, bool shadow)
{
	fake_init(&s->m, LIMIT, shadow);
	s->shared = frame_alloc(s->m.gm, true);
	assert_int_equal(gmem_map_kernel(s->m.gm, SHARED, s->shared, VMA_READ, true), 0);
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		s->own[cpu] = frame_alloc(s->m.gm, true);
		assert_int_equal(gmem_map_cpu(s->m.gm, cpu, PRIVATE, s->own[cpu], RW, true), 0);
		assert_int_equal(gmem_map_cpu(s->m.gm, cpu, PRIVATE, s->own[cpu], RW, true),
				 -EEXIST);
	}
}

static void finish(struct setup *s)
{
	s->m.gm->used = s->m.gm->tables = 0; /* the kernel half lives as long as the machine */
	fake_exit(&s->m);
}

static gpa_t root_on(struct mm *mm, unsigned cpu)
{
	gpa_t root, again;

	assert_int_equal(mm_root_on(mm, cpu, &root), 0);
	assert_int_equal(mm_root_on(mm, cpu, &again), 0);
	assert_int_equal(root.v, again.v);
	return root;
}

static void see_own(struct setup *s, struct mm *mm, unsigned cpu)
{
	gpa_t root = root_on(mm, cpu);

	assert_int_equal(fake_touch(&s->m, root, PRIVATE, FAULT_WRITE), s->own[cpu]);
	assert_int_equal(fake_touch(&s->m, root, PRIVATE, FAULT_EXEC), 0);
	assert_int_equal(fake_touch(&s->m, root, SHARED, 0), s->shared);
}

static void test_own(void **state)
{
	for (int shadow = 0; shadow < 2; shadow++) {
		struct setup s;
		struct mm *a, *b;

		setup(&s, shadow);
		assert_int_equal(mm_create(s.m.gm, &a), 0);
		assert_int_equal(mm_create(s.m.gm, &b), 0);
		/* The first activator has the mm's own root. */
		assert_int_equal(root_on(a, 1).v, mm_root(a).v);
		assert_int_not_equal(root_on(a, 0).v, mm_root(a).v);
		assert_int_equal(root_on(b, 0).v, mm_root(b).v);
		for (unsigned cpu = 0; cpu < CPUS; cpu++) {
			see_own(&s, a, cpu);
			see_own(&s, b, cpu);
		}
		mm_put(a);
		mm_put(b);
		finish(&s);
	}
}

/* What one root maps, at whatever level, all map; what is taken away is gone from all. */
static void test_one_half(void **state)
{
	static const uint64_t at[] = {BASE, FAR};

	for (int shadow = 0; shadow < 2; shadow++) {
		struct setup s;
		struct mm *a;

		setup(&s, shadow);
		assert_int_equal(mm_create(s.m.gm, &a), 0);
		assert_int_equal(fake_map(a, BASE, 4, RW, NULL, 0), 0);
		assert_int_equal(fake_store(&s.m, a, BASE, 1), 0);
		for (unsigned cpu = 0; cpu < CPUS; cpu++)
			see_own(&s, a, cpu);
		for (int round = 0; round < 3; round++) {
			if (round) {
				assert_int_equal(fake_map(a, BASE, 4, RW, NULL, 0), 0);
				assert_int_equal(fake_store(&s.m, a, BASE, 2), 0);
			}
			assert_int_equal(fake_map(a, FAR, 4, RW, NULL, 0), 0);
			assert_int_equal(fake_store(&s.m, a, FAR, 3), 0);
			for (int i = 0; i < 2; i++) {
				pfn_t pfn = fake_touch(&s.m, root_on(a, 0), at[i], FAULT_WRITE);

				assert_int_not_equal(pfn, 0);
				for (unsigned cpu = 1; cpu < CPUS; cpu++)
					assert_int_equal(
						fake_touch(&s.m, root_on(a, cpu), at[i], 0), pfn);
			}
			assert_int_equal(mm_munmap(a, BASE, PAGES(4)), 0);
			assert_int_equal(mm_munmap(a, FAR, PAGES(4)), 0);
			for (unsigned cpu = 0; cpu < CPUS; cpu++)
				for (int i = 0; i < 2; i++)
					assert_int_equal(
						fake_touch(&s.m, root_on(a, cpu), at[i], 0), 0);
		}
		mm_put(a);
		finish(&s);
	}
}

static void test_end(void **state)
{
	struct gmem_stats before, after;
	struct setup s;
	struct mm *a;

	setup(&s, false);
	gmem_get_stats(s.m.gm, &before);
	assert_int_equal(mm_create(s.m.gm, &a), 0);
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		root_on(a, cpu);
	gmem_get_stats(s.m.gm, &after);
	assert_int_equal(after.frames_used, before.frames_used + CPUS);
	mm_put(a);
	gmem_get_stats(s.m.gm, &after);
	assert_int_equal(after.frames_used, before.frames_used);
	finish(&s);
}

/* Where the kernel half is no part of an mm's root. */
static void test_unsupported(void **state)
{
	struct fake_machine f;

	(void)state;
	fake_init(&f, 16UL << 20, false);
	assert_int_equal(gmem_map_cpu(f.gm, 0, 0, 1, VMA_READ, false), -ENOTSUP);
	fake_exit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_one_half),
		cmocka_unit_test(test_end),
	};
	const struct CMUnitTest none[] = {cmocka_unit_test(test_unsupported)};

	return PGTABLE_KERN_ENTRY < 0 ? cmocka_run_group_tests(none, NULL, NULL)
				      : cmocka_run_group_tests(tests, NULL, NULL);
}
