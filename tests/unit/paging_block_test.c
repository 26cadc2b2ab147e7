/* Aligned blocks that the host maps by one large page: taken whole, given back in pieces. */
#include "paging_fake.h"

#include <sys/stat.h>

#define LIMIT (16UL << 20)

static struct fake_machine m;

/* Ends the test where the host has no large pages for shared memory. */
static void skip_without_blocks(void)
{
	fake_exit(&m);
	print_message("skip: the host makes no large page\n");
	skip();
}

static pfn_t block(void)
{
	pfn_t base = block_alloc(m.gm, false);

	if (!base)
		skip_without_blocks();
	assert_int_equal(base % BLOCK_FRAMES, 0);
	return base;
}

static void put(pfn_t base, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		frame_put(m.gm, base + i);
}

static void check_zero(pfn_t base)
{
	const uint8_t *p = frame_hva(m.gm, base);

	for (unsigned i = 0; i < BLOCK_FRAMES; i++) {
		assert_int_equal(frame_refs(m.gm, base + i), 1);
		assert_memory_equal(p, (const uint8_t[32]){0}, 32);
		p += PAGE_SIZE;
	}
}

static void test_whole(void **state)
{
	pfn_t a, b, single, before;

	fake_init(&m, LIMIT, true);
	single = frame_alloc(m.gm, true);
	a = block_alloc(m.gm, false);
	if (!a) {
		frame_put(m.gm, single);
		skip_without_blocks();
	}
	check_zero(a);
	assert_int_equal(fake_used(&m), BLOCK_FRAMES + 1);
	memset(frame_hva(m.gm, a), 0x5a, BLOCK_BYTES);
	assert_int_equal(*(uint8_t *)frame_kvm_hva(m.gm, a + 7), 0x5a);
	/* What lay before it is not lost; what comes back of it waits for the rest. */
	put(a, 0, BLOCK_FRAMES - 1);
	before = frame_alloc(m.gm, true);
	assert_true(before < a);
	b = block_alloc(m.gm, false);
	assert_true(b && b != a);
	put(b, 0, BLOCK_FRAMES);
	put(a, BLOCK_FRAMES - 1, BLOCK_FRAMES);
	b = block_alloc(m.gm, false);
	assert_int_equal(b, a);
	check_zero(b);
	put(b, 0, BLOCK_FRAMES);
	frame_put(m.gm, single);
	frame_put(m.gm, before);
	fake_exit(&m);
}

/* When nothing else is left, all of it is ordinary memory. */
static void test_short_of_memory(void **state)
{
	uint64_t total = LIMIT / PAGE_SIZE - 1, n = 0;
	struct frame_list all = {0};
	pfn_t a, b, pfn;

	fake_init(&m, LIMIT, true);
	a = block();
	b = block();
	memset(frame_hva(m.gm, a), 0x5a, BLOCK_BYTES);
	put(a, 0, BLOCK_FRAMES);
	put(b, 10, 20);
	while ((pfn = frame_alloc(m.gm, true))) {
		assert_memory_equal(frame_hva(m.gm, pfn), (const uint8_t[32]){0}, 32);
		assert_true(pfn < b || pfn >= b + BLOCK_FRAMES || (pfn >= b + 10 && pfn < b + 20));
		frame_list_push(m.gm, &all, pfn);
		n++;
	}
	assert_int_equal(n, total - BLOCK_FRAMES + 10);
	assert_int_equal(block_alloc(m.gm, false), 0);
	while ((pfn = frame_list_pop(m.gm, &all)))
		frame_put(m.gm, pfn);
	put(b, 0, 10);
	put(b, 20, BLOCK_FRAMES);
	fake_exit(&m);
}

static void test_given_back(void **state)
{
	struct stat st;
	pfn_t a;

	fake_init(&m, LIMIT, true);
	a = block();
	memset(frame_hva(m.gm, a), 0x5a, BLOCK_BYTES);
	put(a, 0, BLOCK_FRAMES);
	while (gmem_idle(m.gm))
		;
	assert_int_equal(fstat(m.gm->fd, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(block_alloc(m.gm, false), a);
	check_zero(a);
	put(a, 0, BLOCK_FRAMES);
	fake_exit(&m);
}

/* With a keeper nobody waits long; what it made ahead is given back, too. */
static void test_keeper(void **state)
{
	struct stat st;
	pfn_t a, b = 0;

	fake_init(&m, 4 * LIMIT, true);
	a = block();
	assert_int_equal(gmem_keeper_start(m.gm), 0);
	block_expect(m.gm);
	for (int i = 0; i < 20000 && !b; i++)
		b = block_alloc(m.gm, false);
	if (b) {
		assert_int_equal(b % BLOCK_FRAMES, 0);
		check_zero(b);
		put(b, 0, BLOCK_FRAMES);
	}
	put(a, 0, BLOCK_FRAMES);
	gmem_keeper_stop(m.gm);
	while (gmem_idle(m.gm))
		;
	assert_int_equal(fstat(m.gm->fd, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	fake_exit(&m);
}

/* A host that cannot: small pages, and none is lost. */
static void test_host_cannot(void **state)
{
	uint64_t n = 0;

	fake_init(&m, LIMIT, true);
	atomic_store(&m.gm->no_collapse, true);
	assert_int_equal(block_alloc(m.gm, false), 0);
	while (frame_alloc(m.gm, true))
		n++;
	assert_int_equal(n, LIMIT / PAGE_SIZE - 1);
	gmem_destroy(m.gm);
	close(m.pagemap);
}

/* Memory that goes on behind the hole, but not for a whole block: none is made of what is not
 * there.
 */
static void test_hole(void **state)
{
	pfn_t pfn[16], n = 0;

	fake_init(&m, GMEM_HOLE_START + 8 * PAGE_SIZE, true);
	m.gm->fresh = m.gm->slot_end = GMEM_HOLE_START >> PAGE_SHIFT;
	assert_int_equal(block_alloc(m.gm, true), 0);
	assert_int_equal(m.gm->whole_blocks, 0);
	assert_int_equal(m.gm->dirty.n, 0);
	assert_true(m.gm->fresh < m.gm->end);
	while (n < 16 && (pfn[n] = frame_alloc(m.gm, true)))
		assert_true(pfn[n++] < m.gm->end);
	assert_int_equal(n, 8);
	while (n)
		frame_put(m.gm, pfn[--n]);
	fake_exit(&m);
}

/* A guest that sleeps gives back also what is free of blocks that are used in part. */
static void test_parts(void **state)
{
	pfn_t a;

	fake_init(&m, LIMIT, true);
	a = block();
	put(a, 1, BLOCK_FRAMES);
	assert_int_equal(m.gm->dirty.n, 0);
	block_break_parts(m.gm);
	assert_int_equal(m.gm->dirty.n, BLOCK_FRAMES - 1);
	assert_int_equal(m.gm->whole_blocks, 0);
	assert_false(block_is_whole(m.gm, a));
	put(a, 0, 1);
	assert_int_equal(m.gm->dirty.n, BLOCK_FRAMES);
	fake_exit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),       cmocka_unit_test(test_short_of_memory),
		cmocka_unit_test(test_given_back),  cmocka_unit_test(test_keeper),
		cmocka_unit_test(test_host_cannot), cmocka_unit_test(test_hole),
		cmocka_unit_test(test_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
