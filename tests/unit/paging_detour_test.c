/* Detours in text: made, found again, and gone before anything else happens to the text. */
#include "paging_fake.h"

#include "../../paging/detour.h"

#define LIMIT  (32UL << 20)
#define TEXT   0x10000000UL
#define PAGES_ 8
#define AT     (TEXT + 0x100)
#define OTHER  (TEXT + PAGES(2) + 0x200)
#define REACH  0x70000000UL

static struct fake_machine m;
static struct mm *mm;
static struct memobj *file;

static int setup(void **state)
{
	uint8_t byte;

	(void)state;
	fake_init(&m, LIMIT, true);
	assert_int_equal(mm_create(m.gm, &mm), 0);
	file = memobj_create(m.gm, NULL, NULL);
	assert_non_null(file);
	for (unsigned i = 0; i < PAGES(PAGES_); i++) {
		byte = (uint8_t)i;
		assert_int_equal(memobj_write(file, i, &byte, 1), 1);
	}
	assert_int_equal(fake_map(mm, TEXT, PAGES_, VMA_READ | VMA_EXEC, file, 0), 0);
	for (unsigned i = 0; i < PAGES_; i++)
		assert_true(fake_load(&m, mm, TEXT + PAGES(i)) >= 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mm_put(mm);
	memobj_put(file);
	fake_exit(&m);
	return 0;
}

/* The text becomes 'J' and the low byte of the page number of the detour; the detour is a copy and
 * 'D'. */
static void write_test(const struct detour *d, uint64_t where, uint8_t *code, uint8_t *text)
{
	assert_true(where >= d->lo && where <= d->hi);
	memset(code, 'D', d->size);
	memcpy(code, d->old, d->copied);
	memset(text, 'J', d->len);
}

static struct detour detour(uint64_t at, unsigned len, unsigned copied)
{
	struct detour d = {.at = at,
			   .len = len,
			   .copied = copied,
			   .size = copied + 21,
			   .lo = at > REACH ? at - REACH : ABI_USER_MIN,
			   .hi = at + REACH,
			   .write = write_test};

	for (unsigned i = 0; i < copied; i++)
		d.old[i] = (uint8_t)(at + i);
	return d;
}

static int make(struct mm *in, uint64_t at)
{
	struct detour d = detour(at, 5, 9);

	return mm_detour(in, &d);
}

static bool changed(struct mm *in, uint64_t at)
{
	int n = 0;

	for (unsigned i = 0; i < 5; i++) {
		int b = fake_load(&m, in, at + i);

		assert_true(b == 'J' || b == (uint8_t)(at + i));
		n += b == 'J' && (uint8_t)(at + i) != 'J';
	}
	return n > 0;
}

/* The nth page of detours. */
static uint64_t area(struct mm *in, unsigned nth)
{
	struct vma v;

	for (uint64_t at = 0; mm_find_vma(in, at, &v); at = v.end)
		if (!strcmp(v.name, "[vmbox]") && !nth--)
			return v.start;
	return 0;
}

static bool origin(struct mm *in, uint64_t pc, uint64_t gen, uint64_t want, bool left)
{
	struct detour_origin o;

	if (!mm_detour_origin(in, pc, gen, &o))
		return false;
	assert_int_equal(o.pc, want);
	assert_int_equal(o.left, left);
	return true;
}

static void test_made(void **state)
{
	struct detour_origin o;
	struct vma v;
	uint64_t a, used;
	uint8_t byte;

	(void)state;
	assert_false(mm_has_detours(mm));
	assert_false(mm_detour_origin(mm, AT, 1, &o));
	assert_int_equal(mm_detour_undo(mm, AT), 0);
	assert_int_equal(make(mm, AT), 0);
	assert_true(mm_has_detours(mm));
	assert_true(changed(mm, AT));
	/* The object's page is as it was, and so are the bytes around. */
	assert_int_equal(memobj_read(file, AT - TEXT, &byte, 1), 1);
	assert_int_equal(byte, AT & 0xff);
	assert_int_equal(fake_load(&m, mm, AT - 1), (AT - 1) & 0xff);
	assert_int_equal(fake_load(&m, mm, AT + 5), (AT + 5) & 0xff);
	a = area(mm, 0);
	assert_true(a != 0);
	assert_true(mm_find_vma(mm, a, &v));
	assert_int_equal(v.flags & VMA_PROT, VMA_READ | VMA_EXEC);
	for (unsigned i = 0; i < 9; i++) {
		assert_int_equal(fake_load(&m, mm, a + i), (AT + i) & 0xff);
		assert_true(origin(mm, a + i, mm_tlb_gen(mm), AT + i, false));
	}
	assert_int_equal(fake_load(&m, mm, a + 9), 'D');
	assert_true(origin(mm, a + 29, mm_tlb_gen(mm), AT + 9, false));
	assert_false(mm_detour_origin(mm, a + 30, mm_tlb_gen(mm), &o));
	assert_false(mm_detour_origin(mm, AT, mm_tlb_gen(mm), &o));
	/* Another one goes to the same page. */
	used = mm_mapped_bytes(mm);
	assert_int_equal(make(mm, OTHER), 0);
	assert_int_equal(mm_mapped_bytes(mm), used);
	assert_true(origin(mm, a + 30, mm_tlb_gen(mm), OTHER, false));
	assert_int_equal(mm_detour_undo(mm, AT), 0);
	assert_false(changed(mm, AT));
	assert_true(changed(mm, OTHER));
	/* Who is in the detour is still led back. */
	assert_true(origin(mm, a + 3, mm_tlb_gen(mm), AT + 3, false));
}

static void test_refused(void **state)
{
	struct detour d = detour(AT, 5, 9);

	(void)state;
	d.old[8]++;
	assert_int_equal(mm_detour(mm, &d), -ESTALE);
	d = detour(TEXT + PAGES(1) - 4, 5, 9);
	assert_int_equal(mm_detour(mm, &d), -EPERM);
	d = detour(TEXT + PAGES(PAGES_ + 1), 5, 9);
	assert_int_equal(mm_detour(mm, &d), -ESTALE);
	d = detour(AT, 5, 9);
	d.copied = DETOUR_COPIED + 1;
	assert_int_equal(mm_detour(mm, &d), -ENOSPC);
	d = detour(AT, 5, 9);
	d.size = DETOUR_CODE + 1;
	assert_int_equal(mm_detour(mm, &d), -ENOSPC);
	d = detour(AT, 5, 9);
	d.hi = ABI_USER_END;
	assert_int_equal(mm_detour(mm, &d), -ENOSPC);
	/* No room there. */
	d = detour(AT, 5, 9);
	d.lo = TEXT + PAGES(3);
	d.hi = TEXT + PAGES(3) + 255;
	assert_int_equal(mm_detour(mm, &d), -ENOSPC);
	assert_int_equal(make(mm, AT), 0);
	assert_int_equal(make(mm, AT), -ESTALE);
	d = detour(AT + 4, 5, 9);
	d.old[0] = 'J';
	assert_int_equal(mm_detour(mm, &d), -EEXIST);
	/* Not mapped yet, not executable, writable, once writable, shared. */
	assert_int_equal(fake_map(mm, TEXT, 1, VMA_READ | VMA_EXEC, file, 0), 0);
	assert_int_equal(make(mm, AT), -ESTALE);
	assert_int_equal(fake_map(mm, TEXT, 1, VMA_READ, file, 0), 0);
	assert_true(fake_load(&m, mm, AT) >= 0);
	assert_int_equal(make(mm, AT), -EPERM);
	assert_int_equal(fake_map(mm, TEXT, 1, RW | VMA_EXEC, file, 0), 0);
	assert_true(fake_load(&m, mm, AT) >= 0);
	assert_int_equal(make(mm, AT), -EPERM);
	assert_int_equal(mm_mprotect(mm, TEXT, PAGES(1), VMA_READ | VMA_EXEC), 0);
	assert_int_equal(make(mm, AT), -EPERM);
	assert_int_equal(fake_map(mm, TEXT, 1, VMA_READ | VMA_EXEC | VMA_SHARED, file, 0), 0);
	assert_true(fake_load(&m, mm, AT) >= 0);
	assert_int_equal(make(mm, AT), -EPERM);
}

/* The jump's distance is partly given: 256 bytes, near the end of a page. */
static void test_narrow(void **state)
{
	struct detour d = detour(AT, 2, 2), e = detour(OTHER, 2, 2), f = detour(AT + 64, 2, 2);

	(void)state;
	d.lo = 0x20000f80;
	d.hi = d.lo + 255;
	e.lo = 0x20000f80;
	e.hi = e.lo + 255;
	f.lo = 0x20001fff;
	f.hi = 0x20001fff;
	assert_int_equal(mm_detour(mm, &d), 0);
	assert_int_equal(area(mm, 0), 0x20000000);
	assert_int_equal(mm_detour(mm, &e), 0);
	assert_true(origin(mm, 0x20000f80, mm_tlb_gen(mm), AT, false));
	assert_true(origin(mm, 0x20000f80 + d.size, mm_tlb_gen(mm), OTHER, false));
	assert_int_equal(mm_detour(mm, &f), -ENOSPC);
}

/* Each thing that happens to text, and the detours in it are gone. */
static void test_text_changes(void **state)
{
	uint64_t at, a;

	(void)state;
	assert_int_equal(make(mm, AT), 0);
	assert_int_equal(make(mm, OTHER), 0);
	a = area(mm, 0);
	assert_int_equal(mm_mprotect(mm, TEXT, PAGES(1), VMA_READ), 0);
	assert_false(changed(mm, AT));
	assert_true(changed(mm, OTHER));
	assert_int_equal(mm_mprotect(mm, TEXT, PAGES(1), VMA_READ | VMA_EXEC), 0);
	/* Merged again, and never written. */
	assert_int_equal(make(mm, AT), 0);
	/* Moved: right at the new place. */
	assert_int_equal(mm_mremap(mm, page_down(OTHER), PAGES(1), PAGES(1), true, true, false,
				   TEXT + PAGES(20), &at),
			 0);
	assert_int_equal(fake_load(&m, mm, at + 0x200), 0);
	assert_true(origin(mm, a + 30, mm_tlb_gen(mm), OTHER, false));
	/* Dropped, advised. */
	assert_int_equal(make(mm, TEXT + PAGES(3)), 0);
	assert_int_equal(mm_dontneed(mm, TEXT + PAGES(3), PAGES(1)), 0);
	assert_false(changed(mm, TEXT + PAGES(3)));
	assert_int_equal(make(mm, TEXT + PAGES(3)), 0);
	assert_int_equal(mm_advise(mm, TEXT + PAGES(3), PAGES(1), VMA_DONTFORK, 0), 0);
	assert_false(changed(mm, TEXT + PAGES(3)));
	assert_int_equal(make(mm, TEXT + PAGES(3)), -EPERM);
	/* Truncated and grown. */
	assert_int_equal(make(mm, TEXT + PAGES(7)), 0);
	assert_int_equal(memobj_set_size(file, PAGES(7)), 0);
	assert_int_equal(memobj_set_size(file, PAGES(8)), 0);
	assert_int_equal(fake_load(&m, mm, TEXT + PAGES(7)), 0);
	assert_int_equal(mm_detour_undo(mm, TEXT + PAGES(7)), 0);
	assert_int_equal(fake_load(&m, mm, TEXT + PAGES(7)), 0);
	/* Written: never again, nor what it is one mapping with then. */
	assert_int_equal(mm_mprotect(mm, TEXT, PAGES(1), VMA_PROT), 0);
	assert_false(changed(mm, AT));
	assert_int_equal(fake_store(&m, mm, AT + 1, 0x55), 0);
	assert_int_equal(mm_mprotect(mm, TEXT, PAGES(1), VMA_READ | VMA_EXEC), 0);
	assert_int_equal(fake_load(&m, mm, AT + 1), 0x55);
	assert_int_equal(make(mm, AT + 64), -EPERM);
	assert_int_equal(make(mm, TEXT + PAGES(1)), -EPERM);
}

static void check_left(uint64_t a, uint64_t before)
{
	struct detour_origin o;

	assert_false(changed(mm, AT));
	assert_false(changed(mm, OTHER));
	assert_true(origin(mm, a + 3, before, AT + 3, true));
	assert_false(mm_detour_origin(mm, a + 3, mm_tlb_gen(mm), &o));
}

static void test_area_goes(void **state)
{
	uint64_t a, before, brk;

	(void)state;
	for (int how = 0; how < 6; how++) {
		struct mm_map map = {.len = PAGES(1), .flags = RW};

		assert_int_equal(make(mm, AT), 0);
		assert_int_equal(make(mm, OTHER), 0);
		a = area(mm, 0);
		before = mm_tlb_gen(mm);
		map.addr = a;
		switch (how) {
		case 0:
			assert_int_equal(mm_munmap(mm, a, PAGES(1)), 0);
			break;
		case 1:
			assert_int_equal(fake_map(mm, a, 1, RW, NULL, 0), 0);
			break;
		case 2:
			map.fixed = map.noreplace = true;
			assert_int_equal(mm_mmap(mm, &map, &brk), 0);
			assert_int_equal(brk, a);
			break;
		case 3:
			assert_int_equal(mm_mmap(mm, &map, &brk), 0);
			assert_int_equal(brk, a);
			break;
		case 4:
			assert_int_equal(mm_dontneed(mm, a, PAGES(1)), 0);
			assert_int_equal(fake_load(&m, mm, a), 0);
			break;
		default:
			mm_set_brk(mm, a - PAGES(1));
			assert_int_equal(mm_brk(mm, a + 10, UINT64_MAX), a + 10);
			assert_int_equal(fake_store(&m, mm, a, 1), 0);
		}
		check_left(a, before);
		if (how == 0)
			assert_int_equal(fake_load(&m, mm, a), -EFAULT);
		/* Its place is not used again. */
		mm_munmap(mm, a, PAGES(1));
		assert_int_equal(make(mm, AT), -ENOSPC);
		mm_put(mm);
		memobj_put(file);
		fake_exit(&m);
		setup(NULL);
	}
}

static void test_stack_grows(void **state)
{
	uint64_t a, before;

	(void)state;
	assert_int_equal(make(mm, AT), 0);
	assert_int_equal(make(mm, OTHER), 0);
	a = area(mm, 0);
	before = mm_tlb_gen(mm);
	assert_int_equal(fake_map(mm, a + PAGES(4), 1, RW | VMA_GROWSDOWN, NULL, 0), 0);
	assert_int_equal(fake_store(&m, mm, a + PAGES(1), 1), 0);
	check_left(a, before);
}

static void test_fork(void **state)
{
	struct mm *child, *grandchild;
	uint64_t a, before;

	(void)state;
	assert_int_equal(make(mm, AT), 0);
	a = area(mm, 0);
	assert_int_equal(mm_fork(mm, 0, &child), 0);
	assert_true(changed(child, AT));
	assert_true(origin(child, a + 3, mm_tlb_gen(child), AT + 3, false));
	/* Each goes its own way. */
	assert_int_equal(make(child, OTHER), 0);
	assert_false(changed(mm, OTHER));
	assert_int_equal(make(mm, TEXT + PAGES(5)), 0);
	assert_false(changed(child, TEXT + PAGES(5)));
	assert_true(origin(child, a + 33, mm_tlb_gen(child), OTHER + 3, false));
	assert_true(origin(mm, a + 33, mm_tlb_gen(mm), TEXT + PAGES(5) + 3, false));
	assert_int_equal(mm_mprotect(mm, TEXT, PAGES(1), VMA_READ), 0);
	assert_false(changed(mm, AT));
	assert_true(changed(child, AT));
	/* What the parent has left means nothing in a child. */
	before = mm_tlb_gen(child);
	assert_int_equal(mm_munmap(child, a, PAGES(1)), 0);
	assert_false(changed(child, AT));
	assert_true(origin(child, a + 3, before, AT + 3, true));
	assert_int_equal(mm_fork(child, 0, &grandchild), 0);
	assert_false(origin(grandchild, a + 3, 1, AT + 3, true));
	mm_put(grandchild);
	mm_put(child);
	assert_true(changed(mm, TEXT + PAGES(5)));
}

static void test_many(void **state)
{
	unsigned n = 0;
	int r;

	(void)state;
	for (uint64_t at = TEXT; (r = make(mm, at)) == 0; at += 32)
		n++;
	assert_int_equal(r, -ENOSPC);
	assert_true(n >= 100);
	assert_int_equal(mm_mprotect(mm, TEXT, PAGES(PAGES_), VMA_READ), 0);
	for (uint64_t at = TEXT; at < TEXT + 32 * n; at += 32)
		assert_false(changed(mm, at));
}

/* Without memory nothing changes; and what is the mm's alone needs none to be as it was. */
static void test_no_memory(void **state)
{
	pfn_t *taken = calloc(LIMIT >> PAGE_SHIFT, sizeof(*taken));
	unsigned n = 0;

	(void)state;
	assert_non_null(taken);
	assert_int_equal(make(mm, AT), 0);
	while ((taken[n] = frame_alloc(m.gm, false)))
		n++;
	assert_int_equal(make(mm, OTHER), -ENOMEM);
	assert_false(changed(mm, OTHER));
	assert_int_equal(mm_mprotect(mm, TEXT, PAGES(1), VMA_READ), 0);
	assert_false(changed(mm, AT));
	while (n)
		frame_put(m.gm, taken[--n]);
	free(taken);
}

/* ---- threads ---- */

static _Atomic bool stop;

static void *run_makes(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	while (!atomic_load(&stop)) {
		uint64_t at = TEXT + PAGES(rand_r(&seed) % 4) + 64 * (uint64_t)(rand_r(&seed) % 8);

		make(mm, at);
		if (seed & 4)
			mm_detour_undo(mm, at);
	}
	return NULL;
}

static void *run_origins(void *arg)
{
	struct detour_origin o;
	unsigned found = 0;

	(void)arg;
	while (!atomic_load(&stop)) {
		if (mm_has_detours(mm))
			found += mm_detour_origin(mm, area(mm, 0) + 3, mm_tlb_gen(mm), &o);
		mm_fault(mm, TEXT + PAGES(found % 8), FAULT_EXEC);
	}
	return NULL;
}

static void *run_changes(void *arg)
{
	struct mm *child;

	(void)arg;
	for (int i = 0; i < 200; i++) {
		uint64_t page = TEXT + PAGES(i % 4);

		mm_mprotect(mm, page, PAGES(1), VMA_READ);
		mm_mprotect(mm, page, PAGES(1), VMA_READ | VMA_EXEC);
		mm_dontneed(mm, page, PAGES(1));
		if (i % 8 == 0 && mm_fork_threads(mm, &child) == 0)
			mm_put(child);
		if (i % 64 == 63)
			mm_munmap(mm, area(mm, 0), PAGES(1));
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t t[4];

	(void)state;
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&t[0], NULL, run_makes, (void *)1), 0);
	assert_int_equal(pthread_create(&t[1], NULL, run_makes, (void *)2), 0);
	assert_int_equal(pthread_create(&t[2], NULL, run_origins, NULL), 0);
	assert_int_equal(pthread_create(&t[3], NULL, run_changes, NULL), 0);
	pthread_join(t[3], NULL);
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(mm_mprotect(mm, TEXT, PAGES(PAGES_), VMA_READ), 0);
	for (uint64_t at = TEXT; at < TEXT + PAGES(4); at += 64)
		assert_false(changed(mm, at));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_made, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_narrow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_text_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_area_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stack_grows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fork, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
