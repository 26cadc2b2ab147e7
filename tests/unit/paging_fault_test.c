/* Faults, fork, and guest memory access by address. */
#include "paging_fake.h"

#define LIMIT (32UL << 20)
#define BASE  0x10000000UL

static struct fake_machine m;
static struct mm *mm;

static int setup(void **state)
{
	fake_init(&m, LIMIT, true);
	return mm_create(m.gm, &mm);
}

static int teardown(void **state)
{
	mm_put(mm);
	fake_exit(&m);
	return 0;
}

static struct mm_stats stats(struct mm *of)
{
	struct mm_stats st;

	mm_get_stats(of, &st);
	return st;
}

/* ---- faults ---- */

static void test_fault_errors(void **state)
{
	assert_int_equal(mm_fault(mm, BASE, 0), -EFAULT);
	assert_int_equal(mm_fault(mm, 0, FAULT_WRITE), -EFAULT);
	assert_int_equal(mm_fault(mm, UINT64_MAX, 0), -EFAULT);
	assert_int_equal(mm_fault(mm, ABI_USER_END, 0), -EFAULT);
	assert_int_equal(mm_fault(mm, 1UL << 63, FAULT_EXEC), -EFAULT);
	assert_int_equal(fake_map(mm, BASE, 1, VMA_READ, NULL, 0), 0);
	assert_int_equal(fake_map(mm, BASE + PAGES(1), 1, 0, NULL, 0), 0);
	assert_int_equal(mm_fault(mm, BASE, FAULT_WRITE), -EACCES);
	assert_int_equal(mm_fault(mm, BASE, FAULT_EXEC), -EACCES);
	assert_int_equal(mm_fault(mm, BASE + PAGES(1), 0), -EACCES);
	assert_int_equal(stats(mm).faults_denied, 3);
	assert_int_equal(mm_fault(mm, BASE, 0), 0);
	assert_int_equal(mm_fault(mm, BASE, 0), 0); /* a touch that lost a race */
}

/* Sequential touches map ever more ahead; scattered ones do not. */
static void test_fault_ahead(void **state)
{
	unsigned faults = 0;

	assert_int_equal(fake_map(mm, BASE, 64, RW, NULL, 0), 0);
	for (int i = 0; i < 64; i++) {
		uint64_t before = stats(mm).faults_minor;

		assert_int_equal(fake_store(&m, mm, BASE + PAGES(i), 1), 0);
		faults += stats(mm).faults_minor > before;
	}
	assert_int_equal(faults, 3); /* 4 16 44 */
	assert_int_equal(mm_resident_pages(mm), 64);
	assert_int_equal(mm_munmap(mm, BASE, PAGES(64)), 0);
	assert_int_equal(fake_map(mm, BASE, 64, RW, NULL, 0), 0);
	for (int i = 60; i >= 0; i -= 4)
		assert_int_equal(fake_load(&m, mm, BASE + PAGES(i)), 0);
	assert_int_equal(mm_resident_pages(mm), 16);
}

/* Touches elsewhere do not end a sequence, nor does it that the mapping joins others. */
static void test_fault_streams(void **state)
{
	uint64_t before;

	for (int i = 3; i >= 0; i--) {
		assert_int_equal(fake_map(mm, BASE + PAGES(64 * i), 64, RW, NULL, 0), 0);
		before = stats(mm).faults_minor;
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(64 * i), 1), 0);
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(64 * i + 63), 1), 0);
		for (int page = 0; page < 64; page++)
			assert_int_equal(fake_store(&m, mm, BASE + PAGES(64 * i + page), 1), 0);
		assert_int_equal(stats(mm).faults_minor - before, 4); /* 4 1 16 43 */
	}
	assert_int_equal(mm_resident_pages(mm), 256);
	assert_int_equal(mm_munmap(mm, BASE, PAGES(256)), 0);
	/* As many as are known; a fifth makes the oldest start again. */
	assert_int_equal(fake_map(mm, BASE, 2048, RW, NULL, 0), 0);
	before = stats(mm).faults_minor;
	for (int page = 0; page < 21; page++)
		for (int i = 1; i <= MM_STREAMS; i++)
			assert_int_equal(fake_store(&m, mm, BASE + PAGES(128 * i + page), 1), 0);
	assert_int_equal(stats(mm).faults_minor - before, MM_STREAMS * 3); /* 1 4 16 */
	assert_int_equal(mm_resident_pages(mm), MM_STREAMS * 21);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(1024), 1), 0);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(128 + 21), 1), 0);
	assert_int_equal(mm_resident_pages(mm), MM_STREAMS * 21 + 2);
}

/* Who asked for it gets all of an aligned 2 MiB by one touch, if it is empty and inside. */
static void test_span(void **state)
{
	uint64_t per = PGTABLE_ENTRIES;

	assert_int_equal(fake_map(mm, BASE - PAGES(10), 2 * per + 20, RW, NULL, 0), 0);
	assert_int_equal(mm_advise(mm, BASE - PAGES(10), PAGES(2 * per + 20), VMA_SPANS, 0), 0);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(100), 1), 0);
	assert_int_equal(mm_resident_pages(mm), per);
	for (uint64_t i = 0; i < per; i++)
		assert_int_equal(fake_load(&m, mm, BASE + PAGES(i)), i == 100);
	assert_int_equal(stats(mm).faults_minor, 1);
	/* Not all inside; not empty any more; not wanted any more. */
	assert_int_equal(fake_store(&m, mm, BASE - PAGES(5), 1), 0);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(2 * per + 5), 1), 0);
	assert_int_equal(mm_resident_pages(mm), per + 2);
	assert_int_equal(mm_dontneed(mm, BASE, PAGES(per - 1)), 0);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(7), 1), 0);
	assert_int_equal(mm_resident_pages(mm), 4);
	assert_int_equal(mm_advise(mm, BASE + PAGES(per), PAGES(per), 0, VMA_SPANS), 0);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(per + 7), 1), 0);
	assert_int_equal(mm_resident_pages(mm), 5);
}

static void test_stack(void **state)
{
	uint64_t top = BASE + PAGES(4096), end = top - PAGES(4);
	struct vma v;

	assert_int_equal(fake_map(mm, end, 4, RW | VMA_GROWSDOWN, NULL, 0), 0);
	mm_set_stack_limit(mm, PAGES(1000));
	assert_int_equal(fake_store(&m, mm, end - 1, 1), 0);
	assert_true(mm_find_vma(mm, end - 1, &v));
	assert_int_equal(v.start, end - PAGES(1));
	assert_int_equal(fake_store(&m, mm, top - PAGES(1000), 1), 0);
	assert_int_equal(fake_store(&m, mm, top - PAGES(1000) - 1, 1), -EFAULT);
	assert_int_equal(fake_map(mm, BASE, 1, RW, NULL, 0), 0);
	mm_set_stack_limit(mm, UINT64_MAX);
	/* A mapping keeps 256 pages of distance. */
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(257), 1), 0);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(257) - 1, 1), -EFAULT);
	/* Placing does, too. */
	mm_set_mmap_base(mm, BASE + PAGES(257));
	struct mm_map map = {.len = PAGES(1), .flags = RW};
	uint64_t out;

	assert_int_equal(mm_mmap(mm, &map, &out), 0);
	assert_true(out < BASE);
	assert_false(vma_range_free(mm, BASE + PAGES(2), BASE + PAGES(3)));
	/* The address-space limit. */
	assert_int_equal(mm_munmap(mm, BASE, PAGES(1)), 0);
	mm_set_limit_as(mm, mm_mapped_bytes(mm));
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(256), 1), -EFAULT);
}

/* ---- fork ---- */

static void test_fork_isolates(void **state)
{
	struct mm *child, *grandchild;
	int n = 400; /* more than is copied at once */

	assert_int_equal(fake_map(mm, BASE, (uint64_t)n, RW, NULL, 0), 0);
	for (int i = 0; i < n; i++)
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(i), (uint8_t)i), 0);
	assert_int_equal(mm_fork(mm, BASE + PAGES(100), &child), 0);
	assert_int_equal(mm_resident_pages(child), mm_resident_pages(mm));
	assert_ptr_equal(mm_lookup(m.gm, mm_id(child)), child);
	mm_put(child);
	for (int i = 0; i < n; i++) {
		assert_int_equal(fake_load(&m, child, BASE + PAGES(i)), (uint8_t)i);
		assert_int_equal(fake_store(&m, i & 1 ? mm : child, BASE + PAGES(i), 0xee), 0);
	}
	assert_int_equal(mm_fork(child, 0, &grandchild), 0);
	for (int i = 0; i < n; i++) {
		assert_int_equal(fake_load(&m, mm, BASE + PAGES(i)), i & 1 ? 0xee : (uint8_t)i);
		assert_int_equal(fake_load(&m, child, BASE + PAGES(i)), i & 1 ? (uint8_t)i : 0xee);
	}
	mm_put(child);
	for (int i = 0; i < n; i++) {
		assert_int_equal(fake_load(&m, grandchild, BASE + PAGES(i)),
				 i & 1 ? (uint8_t)i : 0xee);
		assert_int_equal(fake_store(&m, grandchild, BASE + PAGES(i), 5), 0);
		assert_int_equal(fake_load(&m, mm, BASE + PAGES(i)), i & 1 ? 0xee : (uint8_t)i);
	}
	assert_true(stats(mm).faults_cow > 0);
	mm_put(grandchild);
	struct mm_stats all;

	gmem_get_mm_stats(m.gm, &all);
	assert_true(all.faults_cow > stats(mm).faults_cow);
}

/* A small program: no fault in the child, nor in the parent, and nothing invalidated. */
static void test_fork_small(void **state)
{
	struct memobj *o = memobj_create(m.gm, NULL, NULL);
	struct mm_stats before;
	struct mm *child;
	uint64_t inv;

	assert_int_equal(memobj_set_size(o, PAGES(8)), 0);
	assert_int_equal(fake_map(mm, BASE, 20, RW, NULL, 0), 0);
	assert_int_equal(fake_map(mm, BASE * 2, 8, VMA_READ | VMA_EXEC, o, 0), 0);
	assert_int_equal(fake_map(mm, BASE * 3, 8, RW | VMA_SHARED, o, 0), 0);
	assert_int_equal(mm_populate(mm, BASE, PAGES(20), true), 0);
	assert_int_equal(mm_populate(mm, BASE * 2, PAGES(8), false), 0);
	assert_int_equal(mm_populate(mm, BASE * 3, PAGES(8), true), 0);
	inv = fake_invalidations(&m);
	assert_int_equal(mm_fork(mm, BASE, &child), 0);
	assert_int_equal(fake_invalidations(&m), inv);
	before = stats(mm);
	for (int i = 0; i < 20; i++) {
		assert_int_not_equal(fake_touch(&m, mm_root(child), BASE + PAGES(i), FAULT_WRITE),
				     0);
		assert_int_not_equal(fake_touch(&m, mm_root(mm), BASE + PAGES(i), FAULT_WRITE), 0);
	}
	for (int i = 0; i < 8; i++) {
		assert_int_not_equal(
			fake_touch(&m, mm_root(child), BASE * 2 + PAGES(i), FAULT_EXEC), 0);
		assert_int_equal(fake_touch(&m, mm_root(child), BASE * 3 + PAGES(i), FAULT_WRITE),
				 fake_touch(&m, mm_root(mm), BASE * 3 + PAGES(i), FAULT_WRITE));
	}
	assert_int_equal(stats(mm).faults_cow, before.faults_cow);
	mm_put(child);
	memobj_put(o);
}

/*
 * The last owner of a page that was shared just writes: no copy, no invalidation. What the dead
 * child's tables still name, if they are kept, costs a few.
 */
static void test_cow_last_owner(void **state)
{
	struct mm *child;
	uint64_t inv, used;

	assert_int_equal(fake_map(mm, BASE, 600, RW, NULL, 0), 0);
	assert_int_equal(mm_populate(mm, BASE, PAGES(600), true), 0);
	assert_int_equal(mm_fork(mm, 0, &child), 0);
	mm_put(child);
	inv = fake_invalidations(&m);
	used = fake_used(&m);
	for (int i = 0; i < 600; i++)
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(i), 1), 0);
	assert_in_range(stats(mm).faults_cow, 0, 32);
	assert_in_range(fake_invalidations(&m) - inv, 0, 32);
	assert_true(fake_used(&m) < used);
}

static void test_fork_advice(void **state)
{
	struct mm *child;
	struct vma v;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(fake_map(mm, BASE * (uint64_t)(i + 1), 2, RW, NULL, 0), 0);
		assert_int_equal(fake_store(&m, mm, BASE * (uint64_t)(i + 1), 7), 0);
	}
	assert_int_equal(mm_advise(mm, BASE * 2, PAGES(2), VMA_DONTFORK, 0), 0);
	assert_int_equal(mm_advise(mm, BASE * 3, PAGES(2), VMA_WIPEONFORK, 0), 0);
	mm_set_brk(mm, BASE * 4);
	mm_set_stack_limit(mm, 12345);
	assert_int_equal(mm_fork(mm, UINT64_MAX, &child), 0);
	assert_int_equal(fake_load(&m, child, BASE), 7);
	assert_int_equal(fake_load(&m, child, BASE * 2), -EFAULT);
	assert_int_equal(fake_load(&m, child, BASE * 3), 0);
	assert_true(mm_find_vma(child, BASE * 3, &v));
	assert_int_equal(mm_mapped_bytes(child), PAGES(4));
	assert_int_equal(mm_brk(child, BASE * 4 + 5, UINT64_MAX), BASE * 4 + 5);
	mm_put(child);
}

static void test_fork_noaccess(void **state)
{
	struct mm *child;

	assert_int_equal(fake_map(mm, BASE, 2, RW, NULL, 0), 0);
	assert_int_equal(fake_store(&m, mm, BASE, 7), 0);
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(2), 0), 0);
	assert_int_equal(mm_fork(mm, 0, &child), 0);
	assert_int_equal(fake_load(&m, child, BASE), -EACCES);
	assert_int_equal(mm_mprotect(child, BASE, PAGES(2), RW), 0);
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(2), RW), 0);
	assert_int_equal(fake_store(&m, child, BASE, 8), 0);
	assert_int_equal(fake_load(&m, mm, BASE), 7);
	mm_put(child);
}

/* mprotect to writable does not undo copy on write. */
static void test_cow_mprotect(void **state)
{
	struct mm *child;

	assert_int_equal(fake_map(mm, BASE, 600, RW, NULL, 0), 0);
	assert_int_equal(mm_populate(mm, BASE, PAGES(600), true), 0);
	assert_int_equal(mm_fork(mm, 0, &child), 0);
	assert_int_equal(mm_mprotect(child, BASE, PAGES(600), VMA_READ), 0);
	assert_int_equal(mm_mprotect(child, BASE, PAGES(600), RW), 0);
	for (int i = 0; i < 600; i++) {
		assert_int_equal(fake_store(&m, child, BASE + PAGES(i), 9), 0);
		assert_int_equal(fake_load(&m, mm, BASE + PAGES(i)), 0);
	}
	mm_put(child);
}

/*
 * Dead address spaces' tables come back as others', at every level: nothing of the
 * old one shows. With the quarantine bypassed it does, which proves the fake.
 */
static bool recycled_tables_leak(bool bypass)
{
	bool leak = false;

	m.recycle_does_nothing = bypass;
	m.gm->quarantine_max = bypass ? 0 : 8;
	for (int i = 0; i < 40 && !leak; i++) {
		struct mm *a;
		int v;

		assert_int_equal(mm_create(m.gm, &a), 0);
		assert_int_equal(fake_map(a, BASE + ((uint64_t)i % 3 << 39), 1, RW, NULL, 0), 0);
		for (uint64_t at = BASE; at < 3UL << 39; at += 1UL << 39) {
			pfn_t pfn = fake_touch(&m, mm_root(a), at, 0);

			leak |= pfn != 0; /* nothing is mapped yet */
		}
		v = fake_load(&m, a, BASE + ((uint64_t)i % 3 << 39));
		leak |= v != 0;
		if (!leak)
			assert_int_equal(fake_store(&m, a, BASE + ((uint64_t)i % 3 << 39), 0x77),
					 0);
		mm_put(a);
	}
	return leak;
}

static void test_quarantine_needed(void **state)
{
	assert_false(recycled_tables_leak(false));
	assert_true(m.recycles > 1);
	assert_true(recycled_tables_leak(true));
}

/* ---- objects ---- */

static int fill_pattern(void *owner, uint64_t pgoff, unsigned n, void *const pages[], bool may_wait)
{
	int *error = owner;

	if (*error)
		return *error;
	for (unsigned i = 0; i < n; i++)
		memset(pages[i], (int)(pgoff + i + 1), PAGE_SIZE);
	return 0;
}

static const struct memobj_ops pattern_ops = {.fill = fill_pattern};

static void test_private_file(void **state)
{
	int error = 0;
	struct memobj *o = memobj_create(m.gm, &pattern_ops, &error);
	struct mm *child;
	uint64_t used;

	assert_int_equal(memobj_set_size(o, PAGES(40) + 1), 0);
	assert_int_equal(fake_map(mm, BASE, 50, RW, o, 0), 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(17)), 18);
	assert_int_equal(stats(mm).faults_file, 1);
	assert_int_equal(mm_resident_pages(mm), 16); /* with the block around it */
	used = fake_used(&m);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(31)), 32);
	assert_int_equal(fake_used(&m), used);
	/* A write copies; the object stays as it was. */
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(17), 99), 0);
	assert_int_equal(fake_used(&m), used + 1);
	assert_int_equal(mm_fork(mm, 0, &child), 0);
	assert_int_equal(fake_load(&m, child, BASE + PAGES(17)), 99);
	assert_int_equal(fake_store(&m, child, BASE + PAGES(18), 98), 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(18)), 19);
	mm_put(child);
	/* A first touch that writes. */
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(3), 97), 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(4)), 5);
	assert_int_equal(mm_dontneed(mm, BASE, PAGES(50)), 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(3)), 4);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(17)), 18);
	/* The end, and an error of the reader's. */
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(40)), 41);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(41)), -ENXIO);
	assert_int_equal(mm_dontneed(mm, BASE, PAGES(50)), 0);
	spare_reclaim(m.gm);
	assert_true(memobj_shrink(o) > 30);
	error = -EIO;
	assert_int_equal(fake_load(&m, mm, BASE), -ENXIO);
	memobj_put(o);
}

/* Writes to a file's private data copy blocks that grow; what was written before stays. */
static void test_private_blocks(void **state)
{
	int error = 0;
	struct memobj *o = memobj_create(m.gm, &pattern_ops, &error);
	uint64_t copied;

	assert_int_equal(memobj_set_size(o, PAGES(64)), 0);
	assert_int_equal(fake_map(mm, BASE, 64, RW, o, 0), 0);
	assert_int_equal(mm_populate(mm, BASE, PAGES(64), false), 0);
	copied = stats(mm).faults_cow;
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(17), 0xa1), 0);
	/* Two: 44 and 45; four: 48 to 51; eight: 24 to 31; sixteen: what is left of 16 to 31. */
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(45), 0xa2), 0);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(44), 0xa3), 0);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(50), 0xa4), 0);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(24), 0xa5), 0);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(16), 0xa6), 0);
	assert_int_equal(stats(mm).faults_cow - copied, 5);
	for (int i = 16; i < 32; i++)
		if (i != 16 && i != 17 && i != 24)
			assert_int_equal(fake_store(&m, mm, BASE + PAGES(i), (uint8_t)i), 0);
	assert_int_equal(stats(mm).faults_cow - copied, 5);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(17)), 0xa1);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(49)), 50);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(24)), 0xa5);
	assert_int_equal(mm_munmap(mm, BASE, PAGES(64)), 0);
	/* The file has none of it. */
	assert_int_equal(fake_map(mm, BASE, 64, VMA_READ, o, 0), 0);
	for (int i = 0; i < 64; i++)
		assert_int_equal(fake_load(&m, mm, BASE + PAGES(i)), i + 1);
	assert_int_equal(mm_munmap(mm, BASE, PAGES(64)), 0);
	memobj_put(o);
}

static void test_truncation(void **state)
{
	struct memobj *o = memobj_create(m.gm, NULL, NULL);
	struct mm *child;
	uint8_t c;

	assert_int_equal(memobj_set_size(o, PAGES(8)), 0);
	assert_int_equal(fake_map(mm, BASE, 8, RW | VMA_SHARED, o, 0), 0);
	assert_int_equal(fake_map(mm, BASE * 2, 8, RW, o, 0), 0);
	assert_int_equal(fake_map(mm, BASE * 3, 4, RW | VMA_SHARED, o, 4), 0);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(i) + 200, 5), 0);
		assert_int_equal(fake_store(&m, mm, BASE * 2 + PAGES(i), 6), 0);
	}
	assert_int_equal(mm_fork(mm, 0, &child), 0);
	assert_int_equal(memobj_set_size(o, PAGES(5) + 100), 0);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(fake_load(&m, mm, BASE + PAGES(i) + 200), i < 5    ? 5
									   : i == 5 ? 0
										    : -ENXIO);
		assert_int_equal(fake_load(&m, child, BASE + PAGES(i) + 200), i < 5    ? 5
									      : i == 5 ? 0
										       : -ENXIO);
		assert_int_equal(fake_load(&m, child, BASE * 2 + PAGES(i)), i < 6 ? 6 : -ENXIO);
	}
	assert_int_equal(fake_load(&m, child, BASE * 3 + PAGES(2)), -ENXIO);
	assert_int_equal(copy_from_guest(mm, &c, gva(BASE + PAGES(6)), 1), -EFAULT);
	/* It grows again: zero, not what was there. */
	assert_int_equal(memobj_set_size(o, PAGES(8)), 0);
	for (int i = 5; i < 8; i++)
		assert_int_equal(fake_load(&m, mm, BASE + PAGES(i) + 200), 0);
	mm_put(child);
	memobj_put(o);
}

static unsigned file_refs;

static void file_get(void *file)
{
	assert_ptr_equal(file, &file_refs);
	file_refs++;
}

static void file_put(void *file)
{
	assert_ptr_equal(file, &file_refs);
	file_refs--;
}

static void test_file_refs(void **state)
{
	struct memobj *o = memobj_create(m.gm, NULL, NULL);
	struct mm_map map = {.len = PAGES(8), .flags = VMA_READ, .obj = o, .file = &file_refs};
	struct mm *child;
	uint64_t at;

	mm_set_file_ops(&(struct vma_file_ops){.get = file_get, .put = file_put});
	assert_int_equal(mm_mmap(mm, &map, &at), 0);
	assert_int_equal(file_refs, 1);
	assert_int_equal(mm_mprotect(mm, at + PAGES(2), PAGES(2), RW), 0);
	assert_int_equal(file_refs, 3);
	assert_int_equal(mm_fork(mm, 0, &child), 0);
	assert_int_equal(file_refs, 6);
	assert_int_equal(mm_mprotect(mm, at + PAGES(2), PAGES(2), VMA_READ), 0);
	assert_int_equal(file_refs, 4);
	mm_put(child);
	assert_int_equal(mm_munmap(mm, at + PAGES(1), PAGES(3)), 0);
	assert_int_equal(file_refs, 2);
	assert_int_equal(mm_munmap(mm, at, PAGES(8)), 0);
	assert_int_equal(file_refs, 0);
	map.fixed = map.noreplace = true;
	map.addr = BASE;
	assert_int_equal(mm_mmap(mm, &map, &at), 0);
	assert_int_equal(mm_mmap(mm, &map, &at), -EEXIST);
	assert_int_equal(file_refs, 1);
	assert_int_equal(mm_munmap(mm, at, PAGES(8)), 0);
	assert_int_equal(file_refs, 0);
	mm_set_file_ops(&(struct vma_file_ops){0});
	memobj_put(o);
}

/* ---- access by address ---- */

static void test_copy(void **state)
{
	char buf[3 * PAGE_SIZE], back[3 * PAGE_SIZE];

	assert_int_equal(fake_map(mm, BASE, 3, RW, NULL, 0), 0);
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7);
	assert_int_equal(copy_to_guest(mm, gva(BASE + 100), buf, 2 * PAGE_SIZE), 0);
	assert_int_equal(copy_from_guest(mm, back, gva(BASE + 100), 2 * PAGE_SIZE), 0);
	assert_memory_equal(buf, back, 2 * PAGE_SIZE);
	assert_int_equal(copy_to_guest(mm, gva(BASE + 100), buf, 3 * PAGE_SIZE), -EFAULT);
	assert_int_equal(copy_to_guest_partial(mm, gva(BASE + 100), buf, 3 * PAGE_SIZE),
			 3 * PAGE_SIZE - 100);
	assert_int_equal(copy_from_guest_partial(mm, back, gva(BASE + 100), 1UL << 63),
			 3 * PAGE_SIZE - 100);
	assert_int_equal(copy_from_guest_partial(mm, back, gva(BASE - 1), 10), -EFAULT);
	assert_int_equal(copy_from_guest(mm, back, gva(UINT64_MAX - 3), 100), -EFAULT);
	assert_int_equal(copy_to_guest(mm, gva(0), buf, 1), -EFAULT);
	assert_int_equal(copy_from_guest(mm, back, gva(0xffffffff80001000), 8), -EFAULT);
	assert_int_equal(copy_from_guest(mm, back, gva(UINT64_MAX), 0), 0);
	assert_int_equal(copy_to_guest_partial(mm, gva(UINT64_MAX), buf, 0), 0);
	assert_int_equal(clear_guest(mm, gva(BASE + 200), PAGE_SIZE), 0);
	assert_int_equal(copy_from_guest(mm, back, gva(BASE), sizeof(back)), 0);
	assert_int_equal(back[199], buf[99]);
	for (unsigned i = 200; i < 200 + PAGE_SIZE; i++)
		assert_int_equal(back[i], 0);
	assert_int_equal(back[200 + PAGE_SIZE], buf[100 + PAGE_SIZE]);
	assert_int_equal(clear_guest(mm, gva(BASE + PAGES(2)), PAGE_SIZE + 1), -EFAULT);
	/* What ring 3 may not do is not done for it. */
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(1), VMA_READ), 0);
	assert_int_equal(copy_to_guest(mm, gva(BASE), buf, 1), -EFAULT);
	assert_int_equal(copy_from_guest(mm, back, gva(BASE), 1), 0);
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(1), 0), 0);
	assert_int_equal(copy_from_guest(mm, back, gva(BASE), 1), -EFAULT);
}

static void test_copy_breaks_cow(void **state)
{
	struct mm *child;
	char c = 1;

	assert_int_equal(fake_map(mm, BASE, 600, RW, NULL, 0), 0);
	assert_int_equal(mm_populate(mm, BASE, PAGES(600), true), 0);
	assert_int_equal(mm_fork(mm, 0, &child), 0);
	for (int i = 0; i < 600; i++)
		assert_int_equal(copy_to_guest(child, gva(BASE + PAGES(i)), &c, 1), 0);
	for (int i = 0; i < 600; i++)
		assert_int_equal(fake_load(&m, mm, BASE + PAGES(i)), 0);
	mm_put(child);
}

static void test_strings(void **state)
{
	char buf[64];

	assert_int_equal(fake_map(mm, BASE, 2, RW, NULL, 0), 0);
	assert_int_equal(copy_to_guest(mm, gva(BASE + PAGE_SIZE - 3), "hello", 6), 0);
	assert_int_equal(strncpy_from_guest(mm, buf, gva(BASE + PAGE_SIZE - 3), sizeof(buf)), 5);
	assert_string_equal(buf, "hello");
	assert_int_equal(strncpy_from_guest(mm, buf, gva(BASE + PAGE_SIZE - 3), 6), 5);
	assert_int_equal(strncpy_from_guest(mm, buf, gva(BASE + PAGE_SIZE - 3), 5), -ENAMETOOLONG);
	assert_int_equal(strncpy_from_guest(mm, buf, gva(BASE + PAGE_SIZE - 3), 0), -ENAMETOOLONG);
	/* Ends just before nothing; does not end. */
	assert_int_equal(copy_to_guest(mm, gva(BASE + PAGES(2) - 4), "abc", 4), 0);
	assert_int_equal(strncpy_from_guest(mm, buf, gva(BASE + PAGES(2) - 4), sizeof(buf)), 3);
	assert_int_equal(copy_to_guest(mm, gva(BASE + PAGES(2) - 4), "abcd", 4), 0);
	assert_int_equal(strncpy_from_guest(mm, buf, gva(BASE + PAGES(2) - 4), sizeof(buf)),
			 -EFAULT);
	assert_int_equal(strncpy_from_guest(mm, buf, gva(UINT64_MAX), sizeof(buf)), -EFAULT);
}

static void test_words(void **state)
{
	uint32_t out = 0;

	assert_int_equal(fake_map(mm, BASE, 1, RW, NULL, 0), 0);
	assert_int_equal(guest_store32(mm, gva(BASE + 4), 9), 0);
	assert_int_equal(guest_load32(mm, gva(BASE + 4), &out), 0);
	assert_int_equal(out, 9);
	assert_int_equal(guest_cmpxchg32(mm, gva(BASE + 4), 8, 1, &out), 0);
	assert_int_equal(out, 9);
	assert_int_equal(guest_cmpxchg32(mm, gva(BASE + 4), 9, 1, &out), 0);
	assert_int_equal(guest_load32(mm, gva(BASE + 4), &out), 0);
	assert_int_equal(out, 1);
	assert_int_equal(guest_load32(mm, gva(BASE + 2), &out), -EINVAL);
	assert_int_equal(guest_load32(mm, gva(BASE + PAGES(1)), &out), -EFAULT);
	assert_int_equal(guest_store32(mm, gva(UINT64_MAX - 3), 1), -EFAULT);
	assert_int_equal(guest_cmpxchg32(mm, gva(0), 0, 1, &out), -EFAULT);
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(1), VMA_READ), 0);
	assert_int_equal(guest_store32(mm, gva(BASE), 1), -EFAULT);
}

static void test_poke(void **state)
{
	int error = 0;
	struct memobj *o = memobj_create(m.gm, &pattern_ops, &error);

	assert_int_equal(memobj_set_size(o, PAGES(4)), 0);
	assert_int_equal(fake_map(mm, BASE, 4, VMA_READ | VMA_EXEC, o, 0), 0);
	assert_int_equal(fake_map(mm, BASE * 2, 4, VMA_READ | VMA_SHARED, o, 0), 0);
	assert_int_equal(fake_map(mm, BASE * 3, 4, 0, NULL, 0), 0);
	assert_int_equal(guest_poke(mm, gva(BASE + PAGES(1) - 1), "xy", 2), 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(1) - 1), 'x');
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(1)), 'y');
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(1) + 1), 2);
	assert_int_equal(fake_store(&m, mm, BASE, 1), -EACCES);
	assert_int_equal(fake_load(&m, mm, BASE * 2), 1); /* the object is as it was */
	assert_int_equal(guest_poke(mm, gva(BASE * 2), "x", 1), -EFAULT);
	assert_int_equal(guest_poke(mm, gva(BASE * 3), "x", 1), 0);
	assert_int_equal(fake_load(&m, mm, BASE * 3), -EACCES);
	assert_int_equal(mm_mprotect(mm, BASE * 3, PAGES(1), VMA_READ), 0);
	assert_int_equal(fake_load(&m, mm, BASE * 3), 'x');
	assert_int_equal(guest_poke(mm, gva(BASE * 4), "x", 1), -EFAULT);
	memobj_put(o);
}

static void test_futex_keys(void **state)
{
	struct memobj *o = memobj_create(m.gm, NULL, NULL);
	uint64_t id, off;

	assert_int_equal(memobj_set_size(o, PAGES(8)), 0);
	assert_int_equal(fake_map(mm, BASE, 1, RW, NULL, 0), 0);
	assert_int_equal(fake_map(mm, BASE * 2, 4, RW | VMA_SHARED, o, 3), 0);
	assert_int_equal(fake_map(mm, BASE * 3, 4, RW, o, 0), 0);
	assert_int_equal(mm_futex_key(mm, gva(BASE + 8), true, &id, &off), 0);
	assert_int_equal(id, 0);
	assert_int_equal(mm_futex_key(mm, gva(BASE * 2 + PAGES(1) + 4), false, &id, &off), 0);
	assert_int_equal(id, memobj_id(o));
	assert_int_equal(off, PAGES(4) + 4);
	assert_int_equal(mm_futex_key(mm, gva(BASE * 3), true, &id, &off), 0);
	assert_int_equal(id, 0);
	assert_int_equal(mm_futex_key(mm, gva(BASE * 4), false, &id, &off), -EFAULT);
	assert_int_equal(mm_futex_key(mm, gva(UINT64_MAX), false, &id, &off), -EFAULT);
	memobj_put(o);
}

/* Memory short in the middle of a copy: what is there is used, the rest is an error. */
static void test_copy_exhaustion(void **state)
{
	struct frame_list list = {0};
	char *big = calloc(1, PAGES(64));
	uint64_t have;
	ssize_t n;
	pfn_t pfn;

	assert_int_equal(fake_map(mm, BASE, 64, RW, NULL, 0), 0);
	assert_int_equal(fake_store(&m, mm, BASE, 1), 0);
	have = mm_resident_pages(mm);
	while ((pfn = frame_alloc(m.gm, false)))
		frame_list_push(m.gm, &list, pfn);
	for (int i = 0; i < 10; i++)
		frame_put(m.gm, frame_list_pop(m.gm, &list));
	n = copy_to_guest_partial(mm, gva(BASE), big, PAGES(64));
	assert_int_equal(n, PAGES(have + 10));
	assert_int_equal(mm_fault(mm, BASE + PAGES(40), 0), -ENOMEM);
	frame_free_list(m.gm, &list);
	free(big);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_fault_errors),
		T(test_fault_ahead),
		T(test_fault_streams),
		T(test_span),
		T(test_stack),
		T(test_fork_isolates),
		T(test_fork_small),
		T(test_cow_last_owner),
		T(test_fork_advice),
		T(test_fork_noaccess),
		T(test_cow_mprotect),
		T(test_quarantine_needed),
		T(test_private_file),
		T(test_private_blocks),
		T(test_truncation),
		T(test_file_refs),
		T(test_copy),
		T(test_copy_breaks_cow),
		T(test_strings),
		T(test_words),
		T(test_poke),
		T(test_futex_keys),
		T(test_copy_exhaustion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
