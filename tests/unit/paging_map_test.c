/* mmap, munmap, mprotect, mremap, brk and the advice calls. */
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

static unsigned count_vmas(void)
{
	unsigned n = 0;
	struct vma v;

	for (uint64_t at = 0; mm_find_vma(mm, at, &v); at = v.end)
		n++;
	return n;
}

static uint64_t place(uint64_t addr, uint64_t pages, unsigned flags, int expect)
{
	struct mm_map map = {.addr = addr, .len = PAGES(pages), .flags = flags};
	uint64_t out = 0;

	assert_int_equal(mm_mmap(mm, &map, &out), expect);
	return out;
}

static void test_mmap_errors(void **state)
{
	struct memobj *o = memobj_create(m.gm, NULL, NULL);
	struct mm_map ok = {.addr = BASE, .len = PAGES(4), .flags = RW, .fixed = true}, t;
	uint64_t out;

	t = ok, t.len = 0;
	assert_int_equal(mm_mmap(mm, &t, &out), -EINVAL);
	t = ok, t.len = 100;
	assert_int_equal(mm_mmap(mm, &t, &out), -EINVAL);
	t = ok, t.addr = BASE + 1;
	assert_int_equal(mm_mmap(mm, &t, &out), -EINVAL);
	t = ok, t.addr = 0;
	assert_int_equal(mm_mmap(mm, &t, &out), -EINVAL);
	t = ok, t.addr = ABI_USER_END;
	assert_int_equal(mm_mmap(mm, &t, &out), -EINVAL);
	t = ok, t.addr = ABI_USER_END - PAGE_SIZE;
	assert_int_equal(mm_mmap(mm, &t, &out), -EINVAL);
	t = ok, t.len = UINT64_MAX & PAGE_MASK;
	assert_int_equal(mm_mmap(mm, &t, &out), -EINVAL);
	t = ok, t.addr = UINT64_MAX & PAGE_MASK;
	assert_int_equal(mm_mmap(mm, &t, &out), -EINVAL);
	t = ok, t.fixed = false, t.len = 1UL << 63;
	assert_int_equal(mm_mmap(mm, &t, &out), -ENOMEM);
	t = ok, t.flags = RW | VMA_SHARED;
	assert_int_equal(mm_mmap(mm, &t, &out), -EINVAL);
	t = ok, t.obj = o, t.pgoff = UINT64_MAX;
	assert_int_equal(mm_mmap(mm, &t, &out), -EINVAL);
	t = ok, t.obj = o, t.pgoff = MM_PGOFF_MAX - 3;
	assert_int_equal(mm_mmap(mm, &t, &out), -EINVAL);
	/* More private memory than could ever be had, and the same on the guest's own risk. */
	t = ok, t.fixed = false, t.len = LIMIT * 16 + PAGE_SIZE;
	assert_int_equal(mm_mmap(mm, &t, &out), -ENOMEM);
	t.flags |= VMA_NORESERVE;
	t.len = 16UL << 40;
	assert_int_equal(mm_mmap(mm, &t, &out), 0);
	assert_int_equal(mm_mapped_bytes(mm), 16UL << 40);
	assert_int_equal(mm_munmap(mm, out, t.len), 0);
	assert_int_equal(mm_mmap(mm, &ok, &out), 0);
	t = ok, t.noreplace = true;
	assert_int_equal(mm_mmap(mm, &t, &out), -EEXIST);
	t.addr += PAGES(4);
	assert_int_equal(mm_mmap(mm, &t, &out), 0);
	mm_set_limit_as(mm, PAGES(8));
	assert_int_equal(mm_mmap(mm, &ok, &out), 0); /* replaces: no more than before */
	t.addr += PAGES(4);
	assert_int_equal(mm_mmap(mm, &t, &out), -ENOMEM);
	memobj_put(o);
}

static void test_placing(void **state)
{
	uint64_t a, b, c;

	m.shadow = false;
	mm_set_mmap_base(mm, 0x700000000000);
	a = place(0, 4, RW, 0);
	assert_int_equal(a, 0x700000000000 - PAGES(4));
	b = place(0, 2, VMA_READ, 0);
	assert_int_equal(b, a - PAGES(2));
	c = place(0, 1, RW, 0);
	assert_int_equal(c, b - PAGES(1));
	/* A hole is filled by what fits, and only by that. */
	assert_int_equal(mm_munmap(mm, b, PAGES(2)), 0);
	assert_int_equal(place(0, 3, VMA_READ, 0), c - PAGES(3));
	assert_int_equal(place(0, 1, VMA_READ, 0), b + PAGES(1));
	assert_int_equal(place(0, 1, VMA_EXEC, 0), b);
	/* A hint is taken if it is free. */
	assert_int_equal(place(BASE, 2, RW, 0), BASE);
	assert_int_equal(place(BASE, 2, RW, 0), c - PAGES(5));
	assert_int_equal(place(UINT64_MAX & PAGE_MASK, 1, VMA_READ | VMA_EXEC, 0), c - PAGES(6));
	/* Below 2 GiB. */
	struct mm_map low = {.len = PAGES(4), .flags = RW, .low32 = true};

	assert_int_equal(mm_mmap(mm, &low, &a), 0);
	assert_int_equal(a, 1UL << 30);
	low.len = (1UL << 30) - PAGES(4);
	low.flags |= VMA_NORESERVE;
	assert_int_equal(mm_mmap(mm, &low, &a), 0);
	low.len = PAGES(1);
	assert_int_equal(mm_mmap(mm, &low, &a), 0);
	assert_true(a < 1UL << 30);
	low.len = 1UL << 31;
	assert_int_equal(mm_mmap(mm, &low, &a), -ENOMEM);
}

/* Small ones begin with eight entries that KVM brings at once, where it shadows. */
static void test_placing_in_groups(void **state)
{
	const uint64_t base = 0x700000000000 - PAGES(3);
	uint64_t a, b, c;

	mm_set_mmap_base(mm, base);
	a = place(0, 4, RW, 0);
	assert_int_equal(a, base - PAGES(5));
	b = place(0, 2, RW, 0);
	assert_int_equal(b, a - PAGES(8));
	c = place(0, 8, RW, 0);
	assert_int_equal(c, b - PAGES(8));
	/* One page, and many, go to where there is room. */
	assert_int_equal(place(0, 1, VMA_READ, 0), a + PAGES(4));
	assert_int_equal(place(0, 9, VMA_READ, 0), c - PAGES(9));
	assert_int_equal(place(0, 6, VMA_READ, 0), c - PAGES(16));
	/* What is free again is found again. */
	assert_int_equal(mm_munmap(mm, a, PAGES(4)), 0);
	assert_int_equal(place(0, 3, VMA_EXEC, 0), a);
	assert_int_equal(mm_munmap(mm, a, PAGES(3)), 0);
	assert_int_equal(place(0, 5, VMA_EXEC, 0), c - PAGES(24));
	/* Many small ones lie together, and are one. */
	for (unsigned i = 0; i < 600; i++)
		place(0, 2, i & 1 ? RW : VMA_READ, 0);
	a = place(0, 3, RW, 0);
	assert_int_equal(place(0, 3, RW, 0), a - PAGES(3));
}

static void test_base_full(void **state)
{
	/* Nothing below the base: what is above serves. */
	mm_set_mmap_base(mm, ABI_USER_MIN + PAGES(4));
	assert_int_equal(place(0, 4, RW, 0), ABI_USER_MIN);
	assert_int_equal(place(0, 4, VMA_READ, 0), ABI_USER_MIN + PAGES(4));
	place(0, (ABI_USER_END - ABI_USER_MIN) / PAGE_SIZE - 8, VMA_NORESERVE, 0);
	place(0, 1, RW, -ENOMEM);
	assert_int_equal(mm_munmap(mm, ABI_USER_MIN, ABI_USER_END - ABI_USER_MIN), 0);
	assert_int_equal(mm_mapped_bytes(mm), 0);
}

static void test_merging(void **state)
{
	struct memobj *o = memobj_create(m.gm, NULL, NULL);
	struct vma v;

	assert_int_equal(fake_map(mm, BASE, 2, RW, NULL, 0), 0);
	assert_int_equal(fake_map(mm, BASE + PAGES(4), 2, RW, NULL, 0), 0);
	assert_int_equal(count_vmas(), 2);
	assert_int_equal(fake_map(mm, BASE + PAGES(2), 2, RW, NULL, 0), 0);
	assert_int_equal(count_vmas(), 1);
	assert_int_equal(mm_mprotect(mm, BASE + PAGES(2), PAGES(1), VMA_READ), 0);
	assert_int_equal(count_vmas(), 3);
	assert_int_equal(mm_mprotect(mm, BASE + PAGES(2), PAGES(1), RW), 0);
	assert_int_equal(count_vmas(), 1);
	assert_true(mm_find_vma(mm, BASE, &v));
	assert_int_equal(v.end, BASE + PAGES(6));
	assert_false(mm_find_vma(mm, BASE + PAGES(6), &v));
	/* Objects merge where the offsets go on. */
	assert_int_equal(fake_map(mm, BASE + PAGES(6), 2, RW, o, 7), 0);
	assert_int_equal(fake_map(mm, BASE + PAGES(8), 2, RW, o, 9), 0);
	assert_int_equal(count_vmas(), 2);
	assert_int_equal(fake_map(mm, BASE + PAGES(10), 2, RW, o, 12), 0);
	assert_int_equal(count_vmas(), 3);
	assert_int_equal(mm_munmap(mm, BASE + PAGES(7), PAGES(2)), 0);
	assert_true(mm_find_vma(mm, BASE + PAGES(7), &v));
	assert_int_equal(v.start, BASE + PAGES(9));
	assert_int_equal(v.pgoff, 10);
	assert_int_equal(mm_mapped_bytes(mm), PAGES(6 + 1 + 1 + 2));
	memobj_put(o);
}

static void test_munmap(void **state)
{
	assert_int_equal(mm_munmap(mm, BASE, 0), -EINVAL);
	assert_int_equal(mm_munmap(mm, BASE + 1, PAGES(1)), -EINVAL);
	assert_int_equal(mm_munmap(mm, BASE, UINT64_MAX & PAGE_MASK), -EINVAL);
	assert_int_equal(mm_munmap(mm, BASE, PAGES(100)), 0); /* nothing there is no error */
	assert_int_equal(fake_map(mm, BASE, 8, RW, NULL, 0), 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(i), (uint8_t)(i + 1)), 0);
	assert_int_equal(mm_resident_pages(mm), 8);
	assert_int_equal(mm_munmap(mm, BASE + PAGES(2), PAGES(3)), 0);
	assert_int_equal(mm_resident_pages(mm), 5);
	for (int i = 0; i < 8; i++)
		assert_int_equal(fake_load(&m, mm, BASE + PAGES(i)),
				 i >= 2 && i < 5 ? -EFAULT : i + 1);
	assert_int_equal(fake_map(mm, BASE + PAGES(2), 3, RW, NULL, 0), 0);
	for (int i = 2; i < 5; i++)
		assert_int_equal(fake_load(&m, mm, BASE + PAGES(i)), 0);
}

/* Every restricting change goes through the one function: one call for frames side by side. */
static void test_restricting(void **state)
{
	uint64_t gen = mm_tlb_gen(mm), inv = fake_invalidations(&m);
	unsigned flushes;

	assert_int_equal(fake_map(mm, BASE, 16, RW, NULL, 0), 0);
	assert_int_equal(mm_populate(mm, BASE, PAGES(16), true), 0);
	assert_int_equal(mm_resident_pages(mm), 16);
	assert_int_equal(mm_tlb_gen(mm), gen);
	assert_int_equal(fake_invalidations(&m), inv);
	flushes = m.flushes;
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(16), VMA_READ), 0);
	assert_int_equal(fake_invalidations(&m), inv + 1);
	assert_true(mm_tlb_gen(mm) > gen);
	assert_int_equal(m.flushes, flushes + 1);
	assert_ptr_equal(m.flushed, mm);
	gen = mm_tlb_gen(mm);
	/* Permissive: nothing to do. */
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(16), RW), 0);
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(16), RW | VMA_EXEC), 0);
	assert_int_equal(fake_invalidations(&m), inv + 1);
	assert_int_equal(mm_tlb_gen(mm), gen);
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(16), RW), 0);
	assert_int_equal(fake_invalidations(&m), inv + 2);
	assert_int_equal(mm_dontneed(mm, BASE, PAGES(16)), 0);
	assert_int_equal(fake_invalidations(&m), inv + 3);
	assert_int_equal(mm_resident_pages(mm), 0);
	/* Nothing mapped: nothing to invalidate. */
	gen = mm_tlb_gen(mm);
	assert_int_equal(mm_munmap(mm, BASE, PAGES(16)), 0);
	assert_int_equal(fake_invalidations(&m), inv + 3);
	assert_int_equal(mm_tlb_gen(mm), gen);
	/* Hardware semantics: the flush alone. */
	m.shadow = false;
	assert_int_equal(fake_map(mm, BASE, 1, RW, NULL, 0), 0);
	assert_int_equal(fake_store(&m, mm, BASE, 1), 0);
	flushes = m.flushes;
	assert_int_equal(mm_munmap(mm, BASE, PAGES(1)), 0);
	assert_int_equal(fake_invalidations(&m), inv + 3);
	assert_int_equal(m.flushes, flushes + 1);
	assert_true(mm_tlb_gen(mm) > gen);
}

/* A small mapping that is filled at once leaves at once, whatever frames lie about. */
static void test_small_mapping(void **state)
{
	uint64_t inv = fake_invalidations(&m);

	assert_int_equal(fake_map(mm, BASE + PAGES(64), 64, RW, NULL, 0), 0);
	assert_int_equal(mm_populate(mm, BASE + PAGES(64), PAGES(64), true), 0);
	for (int i = 0; i < 64; i += 2)
		assert_int_equal(mm_munmap(mm, BASE + PAGES(64 + i), PAGES(1)), 0);
	assert_int_equal(fake_invalidations(&m), inv + 32);
	for (int n = 2; n <= FRAME_RUN_MAX; n++) {
		for (int round = 0; round < 2; round++) {
			assert_int_equal(fake_map(mm, BASE, (unsigned)n, RW, NULL, 0), 0);
			mm_map_eager(mm, BASE, PAGES(n), (unsigned)n, false);
			for (int i = 0; i < n; i++) {
				assert_int_equal(fake_load(&m, mm, BASE + PAGES(i)), 0);
				assert_int_equal(
					fake_store(&m, mm, BASE + PAGES(i), (uint8_t)(i + 1)), 0);
			}
			assert_int_equal(fake_invalidations(&m), inv + 32);
			assert_int_equal(mm_munmap(mm, BASE, PAGES(n)), 0);
			assert_int_equal(fake_invalidations(&m), ++inv + 32);
			for (int i = 0; i < n; i++)
				assert_int_equal(fake_load(&m, mm, BASE + PAGES(i)), -EFAULT);
		}
	}
}

/* The fake sees stale entries: without the invalidation a plain store by the host is not noticed.
 */
static void test_fake_is_stale(void **state)
{
	pte_t *p;

	assert_int_equal(fake_map(mm, BASE, 1, RW, NULL, 0), 0);
	assert_int_equal(fake_store(&m, mm, BASE, 42), 0);
	p = pgtable_find(mm, BASE);
	uint64_t e = pte_load(p);

	atomic_store(p, 0);
	assert_int_equal(fake_load(&m, mm, BASE), 42);
	atomic_store(p, e);
	assert_int_equal(mm_munmap(mm, BASE, PAGES(1)), 0);
	assert_int_equal(fake_load(&m, mm, BASE), -EFAULT);
}

static void test_mprotect(void **state)
{
	uint8_t *p;

	assert_int_equal(mm_mprotect(mm, BASE + 1, PAGES(1), VMA_READ), -EINVAL);
	assert_int_equal(mm_mprotect(mm, BASE, 0, VMA_READ), 0);
	assert_int_equal(mm_mprotect(mm, BASE, UINT64_MAX & PAGE_MASK, VMA_READ), -ENOMEM);
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(1), VMA_READ), -ENOMEM);
	assert_int_equal(fake_map(mm, BASE, 4, RW, NULL, 0), 0);
	assert_int_equal(fake_map(mm, BASE + PAGES(5), 1, RW, NULL, 0), 0);
	assert_int_equal(fake_store(&m, mm, BASE, 1), 0);
	/* A hole: what precedes it is changed. */
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(6), VMA_READ), -ENOMEM);
	assert_int_equal(fake_store(&m, mm, BASE, 2), -EACCES);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(3), 2), -EACCES);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(5), 2), 0);
	/* No access at all keeps the contents. */
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(4), 0), 0);
	assert_int_equal(fake_load(&m, mm, BASE), -EACCES);
	assert_int_equal(mm_resident_pages(mm), 2);
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(4), RW), 0);
	assert_int_equal(fake_load(&m, mm, BASE), 1);
	assert_int_equal(fake_access(&m, mm, BASE, FAULT_EXEC, &p), -EACCES);
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(1), VMA_EXEC), 0);
	assert_int_equal(fake_access(&m, mm, BASE, FAULT_EXEC, &p), 0);
	assert_int_equal(fake_load(&m, mm, BASE), 1); /* PROT_EXEC alone can be read */
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(1), 0), 0);
	assert_int_equal(fake_access(&m, mm, BASE, FAULT_EXEC, &p), -EACCES);
	assert_int_equal(mm_munmap(mm, BASE, PAGES(4)), 0);
	assert_int_equal(mm_resident_pages(mm), 1);
}

static int remap(uint64_t old, uint64_t old_pages, uint64_t pages, bool maymove, uint64_t *out)
{
	return mm_mremap(mm, old, PAGES(old_pages), PAGES(pages), maymove, false, false, 0, out);
}

static void test_mremap(void **state)
{
	uint64_t out = 0;

	assert_int_equal(fake_map(mm, BASE, 4, RW, NULL, 0), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(i), (uint8_t)(i + 1)), 0);
	/* Errors. */
	assert_int_equal(mm_mremap(mm, BASE + 1, PAGES(1), PAGES(1), true, false, false, 0, &out),
			 -EINVAL);
	assert_int_equal(remap(BASE, 4, 0, true, &out), -EINVAL);
	assert_int_equal(remap(BASE + PAGES(10), 1, 2, true, &out), -EFAULT);
	assert_int_equal(remap(BASE, 5, 6, true, &out), -EFAULT);
	assert_int_equal(
		mm_mremap(mm, BASE, UINT64_MAX & PAGE_MASK, PAGES(1), true, false, false, 0, &out),
		-EFAULT);
	assert_int_equal(mm_mremap(mm, UINT64_MAX & PAGE_MASK, PAGES(1), PAGES(1), true, false,
				   false, 0, &out),
			 -EFAULT);
	assert_int_equal(mm_mremap(mm, BASE, PAGES(4), 1UL << 62, true, false, false, 0, &out),
			 -ENOMEM);
	assert_int_equal(remap(BASE, 0, 4, true, &out), -EINVAL); /* private */
	assert_int_equal(
		mm_mremap(mm, BASE, PAGES(4), PAGES(4), true, true, false, BASE + PAGES(2), &out),
		-EINVAL);
	assert_int_equal(mm_mremap(mm, BASE, PAGES(4), PAGES(4), true, true, false, 0, &out),
			 -EINVAL);
	assert_int_equal(
		mm_mremap(mm, BASE, PAGES(4), PAGES(4), false, true, false, BASE * 2, &out),
		-EINVAL);
	assert_int_equal(mm_mremap(mm, BASE, PAGES(4), PAGES(5), true, false, true, 0, &out),
			 -EINVAL);
	/* In place, up and down. */
	assert_int_equal(remap(BASE, 4, 6, false, &out), 0);
	assert_int_equal(out, BASE);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(5)), 0);
	assert_int_equal(remap(BASE, 6, 4, false, &out), 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(4)), -EFAULT);
	/* In the way: moves or fails. */
	assert_int_equal(fake_map(mm, BASE + PAGES(4), 1, VMA_READ, NULL, 0), 0);
	assert_int_equal(remap(BASE, 4, 6, false, &out), -ENOMEM);
	assert_int_equal(remap(BASE, 4, 6, true, &out), 0);
	assert_int_not_equal(out, BASE);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(fake_load(&m, mm, BASE + PAGES(i)), -EFAULT);
		assert_int_equal(fake_load(&m, mm, out + PAGES(i)), i + 1);
	}
	/* To a place of its own, replacing; and without unmapping. */
	uint64_t at = 0x20000000, from = out;

	assert_int_equal(fake_map(mm, at, 6, RW, NULL, 0), 0);
	assert_int_equal(fake_store(&m, mm, at, 99), 0);
	assert_int_equal(mm_mremap(mm, from, PAGES(6), PAGES(3), true, true, false, at, &out), 0);
	assert_int_equal(out, at);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fake_load(&m, mm, at + PAGES(i)), i + 1);
	assert_int_equal(fake_load(&m, mm, from), -EFAULT);
	assert_int_equal(mm_mremap(mm, at, PAGES(3), PAGES(3), true, true, true, at * 2, &out), 0);
	assert_int_equal(fake_load(&m, mm, at), 0);
	assert_int_equal(fake_load(&m, mm, at * 2 + PAGES(2)), 3);
}

static void test_mremap_objects(void **state)
{
	struct memobj *o = memobj_create(m.gm, NULL, NULL);
	uint64_t out = 0;

	assert_int_equal(memobj_set_size(o, PAGES(16)), 0);
	assert_int_equal(fake_map(mm, BASE, 4, RW | VMA_SHARED, o, 2), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(i), (uint8_t)(i + 1)), 0);
	assert_int_equal(remap(BASE + PAGES(1), 0, 2, true, &out), 0); /* another view */
	assert_int_equal(fake_load(&m, mm, out), 2);
	assert_int_equal(fake_store(&m, mm, out + PAGES(1), 77), 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(2)), 77);
	/* From the middle of a mapping, many pages. */
	assert_int_equal(mm_mremap(mm, BASE + PAGES(1), PAGES(2), PAGES(2), true, true, false,
				   BASE * 3, &out),
			 0);
	assert_int_equal(fake_load(&m, mm, BASE * 3), 2);
	assert_int_equal(fake_load(&m, mm, BASE), 1);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(1)), -EFAULT);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(3)), 4);
	memobj_put(o);
}

static void test_mremap_many(void **state)
{
	unsigned n = 1200;
	uint64_t out = 0;

	assert_int_equal(fake_map(mm, BASE, n, RW, NULL, 0), 0);
	for (unsigned i = 0; i < n; i += 1 + i % 3)
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(i), (uint8_t)(i % 255 + 1)), 0);
	assert_int_equal(mm_mremap(mm, BASE, PAGES(n), PAGES(n), true, true, false,
				   BASE * 2 + PAGES(77), &out),
			 0);
	for (unsigned i = 0; i < n; i += 1 + i % 3)
		assert_int_equal(fake_load(&m, mm, out + PAGES(i)), i % 255 + 1);
	assert_int_equal(count_vmas(), 1);
}

static void test_brk(void **state)
{
	struct vma v;

	mm_set_brk(mm, BASE + 100);
	assert_int_equal(mm_brk(mm, 0, UINT64_MAX), BASE + 100);
	assert_int_equal(mm_brk(mm, BASE + 50, UINT64_MAX), BASE + 100);
	assert_int_equal(mm_brk(mm, BASE + PAGES(3), UINT64_MAX), BASE + PAGES(3));
	assert_true(mm_find_vma(mm, BASE, &v));
	assert_string_equal(v.name, "[heap]");
	assert_int_equal(v.start, BASE + PAGES(1));
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(3) - 1, 1), 0);
	assert_int_equal(mm_brk(mm, BASE + PAGES(5) + 1, UINT64_MAX), BASE + PAGES(5) + 1);
	assert_int_equal(count_vmas(), 1);
	assert_int_equal(mm_brk(mm, BASE + PAGES(2), UINT64_MAX), BASE + PAGES(2));
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(2)), -EFAULT);
	assert_int_equal(mm_brk(mm, BASE + PAGES(3), UINT64_MAX), BASE + PAGES(3));
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(3) - 1), 0);
	/* Limits and what is in the way. */
	assert_int_equal(mm_brk(mm, BASE + PAGES(4), PAGES(2)), BASE + PAGES(3));
	assert_int_equal(mm_brk(mm, UINT64_MAX, UINT64_MAX), BASE + PAGES(3));
	assert_int_equal(mm_brk(mm, ABI_USER_END + 1, UINT64_MAX), BASE + PAGES(3));
	assert_int_equal(mm_brk(mm, ABI_USER_END - PAGE_SIZE, UINT64_MAX), BASE + PAGES(3));
	assert_int_equal(fake_map(mm, BASE + PAGES(4), 1, VMA_READ, NULL, 0), 0);
	assert_int_equal(mm_brk(mm, BASE + PAGES(5), UINT64_MAX), BASE + PAGES(3));
	assert_int_equal(mm_brk(mm, BASE + PAGES(4), UINT64_MAX), BASE + PAGES(4));
	mm_set_limit_as(mm, 0);
	assert_int_equal(mm_brk(mm, BASE + PAGES(3), UINT64_MAX), BASE + PAGES(3));
	assert_int_equal(mm_brk(mm, BASE + PAGES(4), UINT64_MAX), BASE + PAGES(3));
}

static void test_advice(void **state)
{
	unsigned char vec[6];

	assert_int_equal(fake_map(mm, BASE, 4, RW, NULL, 0), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(i), 9), 0);
	assert_int_equal(mm_dontneed(mm, BASE + PAGES(1), PAGES(2)), 0);
	assert_int_equal(mm_mincore(mm, BASE, PAGES(4), vec), 4);
	assert_memory_equal(vec, "\1\0\0\1", 4);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(1)), 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(3)), 9);
	assert_int_equal(mm_mincore(mm, BASE, PAGES(5), vec), 4);
	/* A hole: the rest is done. */
	assert_int_equal(fake_map(mm, BASE + PAGES(5), 1, RW, NULL, 0), 0);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(5), 9), 0);
	assert_int_equal(mm_dontneed(mm, BASE + PAGES(3), PAGES(3)), -ENOMEM);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(5)), 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(3)), 0);
	assert_int_equal(mm_advise(mm, BASE, PAGES(6), VMA_DONTFORK, 0), -ENOMEM);
	assert_int_equal(count_vmas(), 2);
	assert_int_equal(mm_advise(mm, BASE, PAGES(2), 0, VMA_DONTFORK), 0);
	assert_int_equal(count_vmas(), 3);
	assert_int_equal(mm_populate(mm, BASE + PAGES(3), PAGES(3), true), -ENOMEM);
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(4), VMA_READ), 0);
	assert_int_equal(mm_populate(mm, BASE, PAGES(4), false), 0);
	assert_int_equal(mm_populate(mm, BASE, PAGES(4), true), -EFAULT);
	for (int i = 0; i < 2; i++) {
		uint64_t addr = i ? BASE : BASE + 1, len = i ? UINT64_MAX & PAGE_MASK : PAGES(1);
		int want = i ? -ENOMEM : -EINVAL;

		assert_int_equal(mm_dontneed(mm, addr, len), want);
		assert_int_equal(mm_populate(mm, addr, len, false), want);
		assert_int_equal(mm_mincore(mm, addr, len, vec), want);
		assert_int_equal(mm_advise(mm, addr, len, 0, 0), want);
	}
}

static void sum_vma(const struct vma *v, const struct vma_pages *pages, void *arg)
{
	uint64_t *sum = arg;

	sum[0]++;
	sum[1] += pages->resident;
	sum[2] += v->end - v->start;
}

static void test_many_vmas(void **state)
{
	uint64_t sum[3] = {0}, out;
	unsigned n = 0;
	struct mm_map map = {.len = PAGES(1), .flags = VMA_READ, .fixed = true};
	int r;

	for (;; n++) {
		map.addr = BASE + PAGES(2 * n);
		r = mm_mmap(mm, &map, &out);
		if (r)
			break;
	}
	assert_int_equal(r, -ENOMEM);
	assert_int_equal(n, 65530);
	assert_int_equal(mm_populate(mm, BASE, PAGES(1), false), 0);
	mm_for_each_vma(mm, sum_vma, sum);
	assert_int_equal(sum[0], n);
	assert_int_equal(sum[1], 1);
	assert_int_equal(sum[2], PAGES(n));
	/* A cut in the middle would make one more. */
	map.addr = BASE;
	map.len = PAGES(2 * n);
	assert_int_equal(mm_mmap(mm, &map, &out),
			 -ENOMEM); /* as on Linux: counted before the replacing */
	assert_int_equal(mm_munmap(mm, BASE, PAGES(2)), 0);
	assert_int_equal(mm_mmap(mm, &map, &out), 0);
	assert_int_equal(count_vmas(), 1);
	assert_int_equal(mm_munmap(mm, BASE + PAGES(1), PAGES(1)), 0);
	assert_int_equal(count_vmas(), 2);
}

/* Touching one page in each of many 2 MiB regions and unmapping it does not eat memory for tables.
 */
static void test_tables_are_freed(void **state)
{
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t at = BASE + i * 2 * PGTABLE_SPAN;

		assert_int_equal(fake_map(mm, at, 1, RW, NULL, 0), 0);
		assert_int_equal(fake_store(&m, mm, at, 1), 0);
		assert_int_equal(mm_munmap(mm, at, PAGES(1)), 0);
	}
	assert_true(fake_used(&m) < 100);
	assert_true(m.recycles > 0);
	/* A large one frees its tables at once. */
	assert_int_equal(fake_map(mm, BASE, 4096, RW, NULL, 0), 0);
	for (unsigned i = 0; i < 4096; i += 512)
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(i), 1), 0);
	assert_int_equal(mm_munmap(mm, BASE, PAGES(4096)), 0);
	assert_int_equal(fake_used(&m), 1); /* the root */
	assert_int_equal(mm->tables, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_mmap_errors),
		T(test_placing),
		T(test_placing_in_groups),
		T(test_base_full),
		T(test_merging),
		T(test_munmap),
		T(test_restricting),
		T(test_small_mapping),
		T(test_fake_is_stale),
		T(test_mprotect),
		T(test_mremap),
		T(test_mremap_objects),
		T(test_mremap_many),
		T(test_brk),
		T(test_advice),
		T(test_many_vmas),
		T(test_tables_are_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
