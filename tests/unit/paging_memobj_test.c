/* Memory objects: pages, size, bytes, and the sparse array under them. */
#include "paging_fake.h"
#include "../../paging/radix.h"

#define LIMIT (32UL << 20)

static struct fake_machine m;

struct owner {
	unsigned calls, pages, releases;
	uint64_t last_pgoff;
	unsigned last_n;
	int error;
	uint64_t size; /* of its data */
};

static int fill(void *arg, uint64_t pgoff, unsigned n, void *const pages[], bool may_wait)
{
	struct owner *o = arg;

	o->calls++;
	o->pages += n;
	o->last_pgoff = pgoff;
	o->last_n = n;
	if (o->error)
		return o->error;
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(*(uint8_t *)pages[i], 0);
		if (PAGES(pgoff + i) < o->size)
			memset(pages[i], (int)(pgoff + i + 1), PAGE_SIZE);
	}
	return 0;
}

static void release(void *arg)
{
	((struct owner *)arg)->releases++;
}

static const struct memobj_ops ops = {.fill = fill, .release = release};

static int setup(void **state)
{
	fake_init(&m, LIMIT, true);
	return 0;
}

static int teardown(void **state)
{
	fake_exit(&m);
	return 0;
}

static void test_pages(void **state)
{
	struct owner own = {.size = PAGES(100)};
	struct memobj *o = memobj_create(m.gm, &ops, &own),
		      *other = memobj_create(m.gm, NULL, NULL);
	pfn_t a, b;

	assert_int_not_equal(memobj_id(o), memobj_id(other));
	assert_int_equal(memobj_get_page(o, 0, &a), -ENXIO);
	assert_int_equal(memobj_set_size(o, PAGES(99) + 1), 0);
	assert_int_equal(memobj_size(o), PAGES(99) + 1);
	assert_int_equal(memobj_peek_page(o, 20, &a), -ENOENT);
	assert_int_equal(memobj_get_page(o, 20, &a), 0);
	assert_int_equal(own.last_pgoff, 16);
	assert_int_equal(own.last_n, 16);
	assert_int_equal(memobj_peek_page(o, 20, &b), 0);
	assert_int_equal(a, b);
	assert_int_equal(frame_refs(m.gm, a), 3);
	frame_put(m.gm, b);
	assert_int_equal(*(uint8_t *)frame_hva(m.gm, a), 21);
	assert_int_equal(memobj_resident(o), 16);
	/* At the end less is read. */
	assert_int_equal(memobj_get_page(o, 99, &b), 0);
	assert_int_equal(own.last_pgoff, 96);
	assert_int_equal(own.last_n, 4);
	frame_put(m.gm, b);
	assert_int_equal(memobj_get_page(o, 100, &b), -ENXIO);
	assert_int_equal(memobj_get_page(o, UINT64_MAX, &b), -ENXIO);
	/* What is referred to stays. */
	assert_int_equal(memobj_shrink(o), 19);
	assert_int_equal(memobj_resident(o), 1);
	assert_int_equal(memobj_get_page(o, 21, &b), 0);
	assert_int_equal(own.last_pgoff, 21);
	assert_int_equal(own.last_n, 11);
	frame_put(m.gm, b);
	assert_int_equal(memobj_shrink(other), 0);
	memobj_put(memobj_get(o));
	assert_int_equal(own.releases, 0);
	memobj_put(o);
	assert_int_equal(own.releases, 1);
	assert_int_equal(frame_refs(m.gm, a), 1);
	frame_put(m.gm, a);
	memobj_put(other);
}

static void test_errors(void **state)
{
	struct owner own = {.size = PAGES(100), .error = -EIO};
	struct memobj *o = memobj_create(m.gm, &ops, &own);
	char buf[10];
	pfn_t a;

	assert_int_equal(memobj_set_size(o, PAGES(100)), 0);
	assert_int_equal(memobj_get_page(o, 5, &a), -EIO);
	assert_int_equal(own.calls, 2); /* with its neighbours, then alone */
	assert_int_equal(own.last_n, 1);
	assert_int_equal(memobj_read(o, 0, buf, 10), -EIO);
	assert_int_equal(memobj_write(o, 5, buf, 5), -EIO);
	assert_int_equal(memobj_resident(o), 0);
	assert_int_equal(fake_used(&m), 0);
	own.error = 0;
	/* A whole page is written without reading it. */
	own.calls = 0;
	char *page = calloc(1, PAGE_SIZE);

	assert_int_equal(memobj_write(o, PAGES(3), page, PAGE_SIZE), PAGE_SIZE);
	assert_int_equal(own.calls, 0);
	assert_int_equal(memobj_write(o, PAGES(200), page, 5), 5);
	assert_int_equal(own.calls, 0);
	assert_int_equal(memobj_write(o, PAGES(4), page, 5), 5);
	assert_int_equal(own.calls, 1);
	assert_int_equal(memobj_read(o, PAGES(4) + 4, buf, 2), 2);
	assert_int_equal(buf[0], 0);
	assert_int_equal(buf[1], 5);
	free(page);
	memobj_put(o);
}

static void test_bytes(void **state)
{
	struct memobj *o = memobj_create(m.gm, NULL, NULL);
	char *a = malloc(PAGES(5)), *b = malloc(PAGES(5));

	for (unsigned i = 0; i < PAGES(5); i++)
		a[i] = (char)(i * 13 + i / 256);
	assert_int_equal(memobj_read(o, 0, b, 10), 0);
	assert_int_equal(memobj_write(o, 1000, a, PAGES(3)), PAGES(3));
	assert_int_equal(memobj_size(o), 1000 + PAGES(3));
	assert_int_equal(memobj_read(o, 0, b, PAGES(5)), 1000 + PAGES(3));
	assert_memory_equal(b + 1000, a, PAGES(3));
	for (int i = 0; i < 1000; i++)
		assert_int_equal(b[i], 0);
	assert_int_equal(memobj_read(o, 1000 + PAGES(3), b, 1), 0);
	assert_int_equal(memobj_read(o, UINT64_MAX, b, 1), 0);
	assert_int_equal(memobj_write(o, 0, a, 0), 0);
	assert_int_equal(memobj_write(o, 1UL << 63, a, 1), -EFBIG);
	/* A hole is zero and takes no memory. */
	assert_int_equal(memobj_write(o, 1UL << 40, "x", 1), 1);
	size_t resident = memobj_resident(o);

	assert_int_equal(memobj_read(o, 1UL << 30, b, PAGES(2)), PAGES(2));
	assert_int_equal(b[77], 0);
	assert_int_equal(memobj_resident(o), resident);
	/* Shorter and longer again: zero. */
	assert_int_equal(memobj_set_size(o, 1500), 0);
	assert_int_equal(memobj_resident(o), 1);
	assert_int_equal(memobj_write(o, 2000, "y", 1), 1);
	assert_int_equal(memobj_read(o, 0, b, 3000), 2001);
	assert_memory_equal(b + 1000, a, 500);
	for (int i = 1500; i < 2000; i++)
		assert_int_equal(b[i], 0);
	assert_int_equal(b[2000], 'y');
	free(a);
	free(b);
	memobj_put(o);
}

static void test_no_memory(void **state)
{
	struct owner own = {.size = PAGES(100)};
	struct memobj *o = memobj_create(m.gm, &ops, &own);
	struct frame_list list = {0};
	char *a = calloc(1, PAGES(5));
	pfn_t pfn;

	assert_int_equal(memobj_set_size(o, PAGES(100)), 0);
	while ((pfn = frame_alloc(m.gm, false)))
		frame_list_push(m.gm, &list, pfn);
	assert_int_equal(memobj_get_page(o, 3, &pfn), -ENOMEM);
	assert_int_equal(memobj_write(o, 0, a, 3), -ENOMEM);
	assert_int_equal(memobj_read(o, 0, a, 3), -ENOMEM);
	frame_put(m.gm, frame_list_pop(m.gm, &list));
	assert_int_equal(memobj_get_page(o, 3, &pfn), 0); /* alone */
	frame_put(m.gm, pfn);
	assert_int_equal(memobj_resident(o), 1);
	frame_put(m.gm, frame_list_pop(m.gm, &list));
	frame_put(m.gm, frame_list_pop(m.gm, &list));
	assert_int_equal(memobj_write(o, PAGES(200), a, PAGES(5)), PAGES(2));
	frame_free_list(m.gm, &list);
	free(a);
	memobj_put(o);
}

static void test_radix(void **state)
{
	static const uint64_t at[] = {0,         1, 63, 64, 4095, 4096, 1UL << 30, (1UL << 52) - 1,
				      UINT64_MAX};
	const unsigned n = sizeof(at) / sizeof(at[0]);
	struct radix r = {0};
	uint64_t i = 0;

	assert_int_equal(radix_next(&r, &i), 0);
	assert_int_equal(radix_get(&r, 0), 0);
	assert_int_equal(radix_del(&r, 5), 0);
	for (unsigned k = 0; k < n; k++)
		assert_int_equal(radix_set(&r, at[k], k + 1), 0);
	assert_int_equal(r.count, n);
	for (unsigned k = 0; k < n; k++) {
		assert_int_equal(radix_get(&r, at[k]), k + 1);
		i = k ? at[k - 1] + 1 : 0;
		assert_int_equal(radix_next(&r, &i), k + 1);
		assert_int_equal(i, at[k]);
	}
	assert_int_equal(radix_get(&r, 2), 0);
	for (unsigned k = n; k-- > 0;) {
		assert_int_equal(radix_del(&r, at[k]), k + 1);
		assert_int_equal(radix_get(&r, at[k]), 0);
	}
	assert_int_equal(r.count, 0);
	assert_null(r.root);
	assert_int_equal(radix_set(&r, 1UL << 40, 9), 0);
	radix_clear(&r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_pages),
		T(test_errors),
		T(test_bytes),
		T(test_no_memory),
		cmocka_unit_test(test_radix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
