/*
 * Random operations on a family of address spaces against a model that is a
 * byte per page. After every operation what the programs see, through a processor that believes
 * stale entries, must be what the model says; at the end nothing may be left.
 */
#include "paging_fake.h"

#define LIMIT  (16UL << 20)
#define BASE   (0x40000000UL - PAGES(WINDOW / 2)) /* across two tables */
#define WINDOW 48                                 /* pages that the game is about */
#define FAMILY 4
#define OBJECT 24 /* pages of the shared object */

struct page {
	bool mapped, shared;
	unsigned prot;
	uint8_t value;  /* if not shared */
	unsigned index; /* if shared: the object's page */
};

static struct fake_machine m;
static struct memobj *object;
static uint8_t object_value[OBJECT];
static unsigned object_pages;

static struct member {
	struct mm *mm;
	struct page page[WINDOW];
} family[FAMILY];

static uint64_t seed;
static unsigned brood; /* percent of the steps that only replace a parent's last child */

static unsigned rnd(unsigned n)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (unsigned)(seed >> 33) % n;
}

static uint64_t address(unsigned page)
{
	return BASE + PAGES(page);
}

static int expect(const struct page *p, unsigned access)
{
	if (!p->mapped)
		return -EFAULT;
	if (access & FAULT_WRITE ? !(p->prot & VMA_WRITE) : !p->prot)
		return -EACCES;
	if (p->shared && p->index >= object_pages)
		return -ENXIO;
	return p->shared ? object_value[p->index] : p->value;
}

static void check_page(struct member *f, unsigned i)
{
	int got = fake_load(&m, f->mm, address(i) + 5), want = expect(&f->page[i], 0);
	uint8_t c = 0;

	if (got != want)
		fail_msg("page %u of mm %lu: %d, not %d", i, (unsigned long)mm_id(f->mm), got,
			 want);
	assert_int_equal(copy_from_guest(f->mm, &c, gva(address(i) + 5), 1),
			 want < 0 ? -EFAULT : 0);
	if (want >= 0)
		assert_int_equal(c, want);
}

static void check_all(void)
{
	for (unsigned k = 0; k < FAMILY; k++) {
		for (unsigned i = 0; family[k].mm && i < WINDOW; i++)
			check_page(&family[k], i);
	}
}

static void do_store(struct member *f, unsigned i)
{
	uint8_t v = (uint8_t)rnd(256);
	int want = expect(&f->page[i], FAULT_WRITE), got;

	if (rnd(2))
		got = fake_store(&m, f->mm, address(i) + 5, v);
	else
		got = copy_to_guest(f->mm, gva(address(i) + 5), &v, 1);
	if (want < 0) {
		assert_true(got == want || got == -EFAULT);
		return;
	}
	assert_int_equal(got, 0);
	if (f->page[i].shared)
		object_value[f->page[i].index] = v;
	else
		f->page[i].value = v;
}

static void do_map(struct member *f, unsigned at, unsigned n)
{
	bool shared = !rnd(3);
	unsigned prot = rnd(4) ? RW : rnd(2) ? VMA_READ : 0, off = rnd(OBJECT - 4);

	assert_int_equal(fake_map(f->mm, address(at), n, prot | (shared ? VMA_SHARED : 0),
				  shared ? object : NULL, off),
			 0);
	if (rnd(2))
		mm_map_eager(f->mm, address(at), PAGES(n), n, true);
	for (unsigned i = at; i < at + n; i++)
		f->page[i] = (struct page){
			.mapped = true, .shared = shared, .prot = prot, .index = off + i - at};
}

static void do_protect(struct member *f, unsigned at, unsigned n)
{
	unsigned prot = rnd(2) ? RW : rnd(2) ? VMA_READ : rnd(2) ? VMA_EXEC : 0, i;
	int want = 0, got = mm_mprotect(f->mm, address(at), PAGES(n), prot);

	for (i = at; i < at + n && !want; i++) {
		if (f->page[i].mapped)
			f->page[i].prot = prot;
		else
			want = -ENOMEM;
	}
	assert_int_equal(got, want);
}

static void do_dontneed(struct member *f, unsigned at, unsigned n)
{
	int want = 0;

	for (unsigned i = at; i < at + n; i++) {
		if (!f->page[i].mapped)
			want = -ENOMEM;
		if (!f->page[i].shared)
			f->page[i].value = 0;
	}
	assert_int_equal(mm_dontneed(f->mm, address(at), PAGES(n)), want);
}

/* One mapping, as Linux sees it: the pages continue each other. */
static bool same_vma(const struct page *a, const struct page *b)
{
	return b->mapped && a->shared == b->shared && a->prot == b->prot &&
	       (!a->shared || a->index + 1 == b->index);
}

static void do_remap(struct member *f, unsigned at, unsigned n)
{
	struct page moved[WINDOW] = {{0}};
	unsigned len = 1 + rnd(8), to = rnd(WINDOW - len), i;
	bool one = f->page[at].mapped;
	uint64_t out;
	int r;

	for (i = at; i + 1 < at + n; i++)
		one = one && same_vma(&f->page[i], &f->page[i + 1]);
	if (!one || (to < at + n && at < to + len))
		return;
	r = mm_mremap(f->mm, address(at), PAGES(n), PAGES(len), true, true, false, address(to),
		      &out);
	assert_int_equal(r, 0);
	assert_int_equal(out, address(to));
	for (i = 0; i < len; i++) {
		moved[i] = f->page[at + (i < n ? i : n - 1)];
		if (i >= n) {
			moved[i].value = 0;
			moved[i].index += i - n + 1;
		}
	}
	memset(&f->page[at], 0, n * sizeof(f->page[0]));
	memcpy(&f->page[to], moved, len * sizeof(moved[0]));
}

static void do_fork(struct member *f)
{
	struct member *child = brood ? &family[(f - family + 1) % FAMILY] : &family[rnd(FAMILY)];

	if (child == f)
		return;
	mm_put(child->mm);
	assert_int_equal(mm_fork(f->mm, address(rnd(WINDOW)), &child->mm), 0);
	memcpy(child->page, f->page, sizeof(f->page));
}

static void do_truncate(void)
{
	unsigned n = rnd(OBJECT + 1);

	assert_int_equal(memobj_set_size(object, PAGES(n)), 0);
	for (unsigned i = n; i < OBJECT; i++)
		object_value[i] = 0;
	object_pages = n;
}

static void step(void)
{
	struct member *f = &family[rnd(FAMILY)];
	unsigned at = rnd(WINDOW - 8), n = 1 + rnd(8);

	if (!f->mm)
		return;
	if (rnd(100) < brood) {
		do_fork(f);
		return;
	}
	switch (rnd(16)) {
	case 0:
	case 1:
		do_map(f, at, n);
		break;
	case 2:
		assert_int_equal(mm_munmap(f->mm, address(at), PAGES(n)), 0);
		memset(&f->page[at], 0, n * sizeof(f->page[0]));
		break;
	case 3:
	case 4:
		do_protect(f, at, n);
		break;
	case 5:
		do_dontneed(f, at, n);
		break;
	case 6:
		do_remap(f, at, n);
		break;
	case 7:
		do_fork(f);
		break;
	case 8:
		do_truncate();
		break;
	default:
		for (unsigned i = 0; i < n; i++)
			do_store(f, rnd(4) ? at + i : rnd(WINDOW));
		break;
	}
}

static void play(bool shadow, uint64_t start, unsigned steps, unsigned eager)
{
	fake_init(&m, LIMIT, shadow);
	m.gm->quarantine_max = 16;
	m.gm->fork_eager = eager;
	seed = start;
	memset(family, 0, sizeof(family));
	memset(object_value, 0, sizeof(object_value));
	object = memobj_create(m.gm, NULL, NULL);
	object_pages = 0;
	assert_int_equal(mm_create(m.gm, &family[0].mm), 0);
	do_truncate();
	for (unsigned i = 0; i < steps; i++) {
		step();
		for (unsigned k = 0; k < FAMILY; k++) {
			if (family[k].mm)
				check_page(&family[k], rnd(WINDOW));
		}
		if (i % 32 == 0)
			check_all();
	}
	for (unsigned k = 0; k < FAMILY; k++)
		mm_put(family[k].mm);
	memobj_put(object);
	fake_exit(&m);
}

static void test_shadow(void **state)
{
	for (uint64_t s = 1; s <= 12; s++)
		play(true, s, 1500, (unsigned)s % 3 * 20);
}

static void test_hardware(void **state)
{
	for (uint64_t s = 100; s < 106; s++)
		play(false, s, 1500, (unsigned)s % 3 * 20);
}

/* Children that get the tables of those before them. */
static void test_spares(void **state)
{
	brood = 15;
	for (uint64_t s = 200; s < 212; s++)
		play(s % 4, s, 1500, s % 3 ? 256 : 20);
	brood = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shadow),
		cmocka_unit_test(test_hardware),
		cmocka_unit_test(test_spares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
