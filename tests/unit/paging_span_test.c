/* Large pages: who gets them by a touch, and small ones that become one. */
#include "paging_fake.h"

#define LIMIT (32UL << 20)
#define PER   PGTABLE_ENTRIES
#define BASE  0x10000000UL

static struct fake_machine m;
static struct mm *mm;

static void start(bool shadow)
{
	pfn_t probe;

	fake_init(&m, LIMIT, shadow);
	assert_int_equal(mm_create(m.gm, &mm), 0);
	probe = block_alloc(m.gm, false);
	if (!probe) {
		mm_put(mm);
		fake_exit(&m);
		print_message("skip: the host makes no large page\n");
		skip();
	}
	for (unsigned i = 0; i < BLOCK_FRAMES; i++)
		frame_put(m.gm, probe + i);
}

static void end(void)
{
	mm_put(mm);
	fake_exit(&m);
}

static uint8_t value(unsigned i)
{
	return (uint8_t)(i % 251 + 1);
}

static void test_touch(void **state)
{
	(void)state;
	start(true);
	assert_int_equal(fake_map(mm, BASE - PAGES(3), 2 * PER + 6, RW, NULL, 0), 0);
	assert_int_equal(mm_advise(mm, BASE - PAGES(3), PAGES(2 * PER + 6), VMA_SPANS, 0), 0);
	mm_set_no_spans(mm, true);
	assert_int_equal(fake_store(&m, mm, BASE, 1), 0);
	assert_int_equal(mm_resident_pages(mm), 1);
	assert_int_equal(mm_dontneed(mm, BASE, PAGES(1)), 0);
	mm_set_no_spans(mm, false);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(9), 1), 0);
	assert_int_equal(mm_resident_pages(mm), PER);
	assert_int_equal(mm_span_pages(mm, BASE - PAGES(3), BASE + PAGES(2 * PER + 3)), PER);
	/* Not whole inside the range; not whole any more. */
	assert_int_equal(mm_span_pages(mm, BASE + PAGES(1), BASE + PAGES(2 * PER)), 0);
	assert_int_equal(mm_mprotect(mm, BASE + PAGES(4), PAGES(1), VMA_READ), 0);
	assert_int_equal(mm_span_pages(mm, BASE, BASE + PAGES(PER)), PER);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(4), 1), -EACCES);
	assert_int_equal(mm_munmap(mm, BASE + PAGES(5), PAGES(1)), 0);
	assert_int_equal(mm_span_pages(mm, BASE, BASE + PAGES(PER)), 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(5)), -EFAULT);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(9)), 1);
	end();
}

static void collapse(bool shadow)
{
	struct mm *child;

	start(shadow);
	assert_int_equal(fake_map(mm, BASE, 2 * PER, RW, NULL, 0), 0);
	assert_int_equal(mm_collapse(mm, BASE, PAGES(PER)), -EINVAL); /* nothing is there */
	for (unsigned i = 0; i < PER; i += 3)
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(i) + 9, value(i)), 0);
	assert_int_equal(mm_fork(mm, BASE, &child), 0);
	assert_int_equal(mm_mprotect(mm, BASE + PAGES(6), PAGES(1), 0), 0);
	/* A piece that no mapping covers whole stays. */
	assert_int_equal(mm_collapse(mm, BASE, PAGES(PER)), -EINVAL);
	assert_int_equal(mm_mprotect(mm, BASE + PAGES(6), PAGES(1), RW), 0);
	assert_int_equal(mm_collapse(mm, BASE, PAGES(PER)), 0);
	assert_int_equal(mm_span_pages(mm, BASE, BASE + PAGES(2 * PER)), PER);
	assert_int_equal(mm_collapse(mm, BASE, PAGES(PER)), 0);
	for (unsigned i = 0; i < PER; i++) {
		assert_int_equal(fake_load(&m, mm, BASE + PAGES(i) + 9), i % 3 ? 0 : value(i));
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(i) + 9, 0), 0);
		assert_int_equal(fake_load(&m, child, BASE + PAGES(i) + 9), i % 3 ? 0 : value(i));
	}
	/* Of two, one has nothing. */
	assert_int_equal(mm_collapse(mm, BASE, PAGES(2 * PER)), -EINVAL);
	mm_put(child);
	end();
}

static void test_collapse(void **state)
{
	(void)state;
	collapse(true);
	collapse(false);
}

static void test_refused(void **state)
{
	struct memobj *o;

	(void)state;
	start(true);
	assert_int_equal(fake_map(mm, BASE, PER, RW, NULL, 0), 0);
	assert_int_equal(fake_store(&m, mm, BASE, 1), 0);
	assert_int_equal(mm_collapse(mm, BASE, 0), 0);
	assert_int_equal(mm_collapse(mm, BASE + 1, PAGES(PER)), -EINVAL);
	assert_int_equal(mm_collapse(mm, BASE, PAGES(PER + 1)), -ENOMEM);
	assert_int_equal(mm_span_pages(mm, BASE, BASE + PAGES(PER)), PER);
	assert_int_equal(mm_collapse(mm, BASE + PAGES(1), PAGES(4)), -EINVAL);
	mm_set_no_spans(mm, true);
	assert_int_equal(mm_collapse(mm, BASE, PAGES(PER)), -EINVAL);
	mm_set_no_spans(mm, false);
	assert_int_equal(mm_advise(mm, BASE, PAGES(PER), VMA_NOSPANS, VMA_SPANS), 0);
	assert_int_equal(mm_collapse(mm, BASE, PAGES(PER)), -EINVAL);
	o = memobj_create(m.gm, NULL, NULL);
	assert_int_equal(memobj_set_size(o, PAGES(PER)), 0);
	assert_int_equal(fake_map(mm, BASE, PER, RW | VMA_SHARED, o, 0), 0);
	assert_int_equal(fake_store(&m, mm, BASE, 1), 0);
	assert_int_equal(mm_collapse(mm, BASE, PAGES(PER)), -EINVAL);
	/* No large page is left. */
	assert_int_equal(fake_map(mm, BASE, PER, RW, NULL, 0), 0);
	assert_int_equal(fake_store(&m, mm, BASE, 1), 0);
	atomic_store(&m.gm->no_collapse, true);
	assert_int_equal(mm_collapse(mm, BASE, PAGES(PER)), -ENOMEM);
	assert_int_equal(fake_load(&m, mm, BASE), 1);
	memobj_put(o);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_touch),
		cmocka_unit_test(test_collapse),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
