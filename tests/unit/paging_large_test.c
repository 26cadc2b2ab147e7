/*
 * Large entries: what makes one, what cuts it up, and that nobody can tell but by the count of
 * faults. The processor keeps translations of both sizes until it is flushed (paging_fake.h).
 */
#include "paging_fake.h"

#define LIMIT (96UL << 20)
#define PER   PGTABLE_ENTRIES
#define BASE  0x10000000UL

static struct fake_machine m;
static struct mm *mm;

static void need_blocks(void)
{
	pfn_t probe = block_alloc(m.gm, false);

	if (!probe) {
		fake_exit(&m);
		print_message("skip: the host makes no large page\n");
		skip();
	}
	for (unsigned i = 0; i < BLOCK_FRAMES; i++)
		frame_put(m.gm, probe + i);
}

static void map_spans(struct mm *in, uint64_t at, unsigned spans)
{
	assert_int_equal(fake_map(in, at, spans * PER, RW, NULL, 0), 0);
	assert_int_equal(mm_advise(in, at, PAGES(spans * PER), VMA_SPANS, 0), 0);
}

static void start(void)
{
	fake_init(&m, LIMIT, false);
	need_blocks();
	assert_int_equal(mm_create(m.gm, &mm), 0);
	map_spans(mm, BASE, 4);
}

static void end(void)
{
	mm_put(mm);
	fake_exit(&m);
}

static uint8_t value(unsigned page)
{
	return (uint8_t)(page % 251 + 1);
}

static void fill(unsigned spans)
{
	for (unsigned i = 0; i < spans * PER; i++)
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(i) + 9, value(i)), 0);
	assert_int_equal(mm->large, spans);
}

static void check(struct mm *in, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		assert_int_equal(fake_load(&m, in, BASE + PAGES(i) + 9), value(i));
}

/* ---- coming ---- */

static void test_touch(void **state)
{
	struct mm_stats st;

	(void)state;
	start();
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(PER + 7), 5), 0);
	assert_int_equal(mm->large, 1);
	assert_int_equal(mm->tables, 2);
	assert_int_equal(mm_resident_pages(mm), PER);
	assert_int_equal(mm_span_pages(mm, BASE, BASE + PAGES(4 * PER)), PER);
	for (unsigned i = 0; i < PER; i++)
		assert_int_equal(fake_load(&m, mm, BASE + PAGES(PER + i)), i == 7 ? 5 : 0);
	mm_get_stats(mm, &st);
	assert_int_equal(st.faults_minor, 1);
	/* Who lost a race finds it there. */
	assert_int_equal(mm_fault(mm, BASE + PAGES(PER), FAULT_WRITE), 0);
	assert_int_equal(mm->large, 1);
	end();
}

/* A table that is empty again makes room. */
static void test_emptied(void **state)
{
	(void)state;
	start();
	assert_int_equal(mm_advise(mm, BASE, PAGES(PER), 0, VMA_SPANS), 0);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(3), 5), 0);
	assert_int_equal(mm_dontneed(mm, BASE, PAGES(PER)), 0);
	assert_int_equal(mm->large, 0);
	assert_int_equal(mm->tables, 3);
	assert_int_equal(mm_advise(mm, BASE, PAGES(PER), VMA_SPANS, 0), 0);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(4), 6), 0);
	assert_int_equal(mm->large, 1);
	assert_int_equal(mm->tables, 2);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(3)), 0);
	end();
}

/* Where KVM shadows page tables there is none. */
static void test_shadow(void **state)
{
	(void)state;
	fake_init(&m, LIMIT, true);
	need_blocks();
	assert_int_equal(mm_create(m.gm, &mm), 0);
	map_spans(mm, BASE, 1);
	assert_int_equal(fake_store(&m, mm, BASE, 1), 0);
	assert_int_equal(mm_collapse(mm, BASE, PAGES(PER)), 0);
	assert_int_equal(mm_resident_pages(mm), PER);
	assert_int_equal(mm->large, 0);
	end();
}

static void test_collapse(void **state)
{
	struct mm *child;

	(void)state;
	start();
	/* Of scattered pages. */
	assert_int_equal(mm_advise(mm, BASE, PAGES(PER), 0, VMA_SPANS), 0);
	for (unsigned i = 0; i < PER; i++)
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(i) + 9, value(i)), 0);
	assert_int_equal(mm->large, 0);
	assert_int_equal(mm_collapse(mm, BASE, PAGES(PER)), 0);
	assert_int_equal(mm->large, 1);
	check(mm, 0, PER);
	/* Of one that was cut up, without a copy; not while a child has it, too. */
	assert_int_equal(mm_fork(mm, 0, &child), 0);
	assert_int_equal(mm->large, 0);
	assert_int_equal(mm_collapse(mm, BASE, PAGES(PER)), 0);
	assert_int_equal(mm->large, 0);
	check(child, 0, PER);
	mm_put(child);
	assert_int_equal(spare_reclaim(m.gm), true);
	check(mm, 0, PER);
	assert_int_equal(mm_collapse(mm, BASE, PAGES(PER)), 0);
	assert_int_equal(mm->large, 1);
	assert_int_equal(mm_collapse(mm, BASE, PAGES(PER)), 0);
	check(mm, 0, PER);
	assert_int_equal(fake_store(&m, mm, BASE, 9), 0);
	end();
}

/* ---- going ---- */

static void test_unmap(void **state)
{
	uint64_t used;

	(void)state;
	start();
	used = fake_used(&m);
	fill(4);
	assert_int_equal(mm_munmap(mm, BASE + PAGES(10), PAGES(1)), 0);
	assert_int_equal(mm->large, 3);
	assert_int_equal(mm_resident_pages(mm), 4 * PER - 1);
	assert_int_equal(mm_dontneed(mm, BASE + PAGES(PER + 20), PAGES(PER)), 0);
	assert_int_equal(mm->large, 1);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(10)), -EFAULT);
	check(mm, 0, 10);
	check(mm, 11, PER + 20);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(PER + 20)), 0);
	check(mm, 2 * PER + 20, 4 * PER);
	assert_int_equal(mm_munmap(mm, BASE + PAGES(2 * PER), PAGES(2 * PER)), 0);
	assert_int_equal(mm->large, 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(3 * PER)), -EFAULT);
	assert_int_equal(mm_munmap(mm, BASE, PAGES(2 * PER)), 0);
	assert_int_equal(mm_resident_pages(mm), 0);
	assert_int_equal(mm->tables, 0);
	assert_int_equal(fake_used(&m), used);
	/* The same addresses, by small pages now. */
	assert_int_equal(fake_map(mm, BASE, PER, RW, NULL, 0), 0);
	assert_int_equal(fake_load(&m, mm, BASE), 0);
	end();
}

static void test_protect(void **state)
{
	uint8_t c = 3;

	(void)state;
	start();
	fill(2);
	/* Whole: it stays. */
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(PER), VMA_READ), 0);
	assert_int_equal(mm->large, 2);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(3), 1), -EACCES);
	assert_int_equal(copy_to_guest(mm, gva(BASE + PAGES(3)), &c, 1), -EFAULT);
	assert_int_equal(guest_poke(mm, gva(BASE + PAGES(3) + 9), &c, 1), 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(3) + 9), 3);
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(PER), 0), 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(3)), -EACCES);
	assert_int_equal(copy_from_guest(mm, &c, gva(BASE), 1), -EFAULT);
	assert_int_equal(mm_resident_pages(mm), 2 * PER);
	/* And cut up so: what nobody may touch is not lost. */
	assert_int_equal(mm_mprotect(mm, BASE + PAGES(5), PAGES(1), RW | VMA_EXEC), 0);
	assert_int_equal(mm->large, 1);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(4)), -EACCES);
	check(mm, 5, 6);
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(PER), RW), 0);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(3) + 9, value(3)), 0);
	check(mm, 0, 2 * PER);
	/* Gone while nobody may touch it. */
	assert_int_equal(mm_mprotect(mm, BASE + PAGES(PER), PAGES(PER), 0), 0);
	assert_int_equal(mm_dontneed(mm, BASE + PAGES(PER), PAGES(PER)), 0);
	assert_int_equal(mm_mprotect(mm, BASE + PAGES(PER), PAGES(PER), RW), 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(PER)), 0);
	end();
}

static void test_fork(void **state)
{
	struct mm *child, *again;

	(void)state;
	start();
	fill(3);
	assert_int_equal(mm_advise(mm, BASE, PAGES(PER), VMA_DONTFORK, 0), 0);
	/* Half of it is for the child. */
	assert_int_equal(mm_advise(mm, BASE + PAGES(PER), PAGES(PER / 2), VMA_WIPEONFORK, 0), 0);
	assert_int_equal(mm_fork(mm, 0, &child), 0);
	assert_int_equal(mm->large, 1);
	assert_int_equal(fake_load(&m, child, BASE), -EFAULT);
	assert_int_equal(fake_load(&m, child, BASE + PAGES(PER)), 0);
	check(child, PER + PER / 2, 3 * PER);
	for (unsigned i = 0; i < 3 * PER; i++)
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(i) + 9, 0), 0);
	check(child, PER + PER / 2, 3 * PER);
	mm_put(child);
	/* A child with large entries of its own leaves no tables to the next. */
	assert_int_equal(mm_fork(mm, 0, &child), 0);
	map_spans(child, BASE + PAGES(2 * PER), 1);
	assert_int_equal(fake_store(&m, child, BASE + PAGES(2 * PER), 1), 0);
	assert_int_equal(child->large, 1);
	mm_put(child);
	assert_int_equal(mm_fork(mm, 0, &again), 0);
	assert_int_equal(again->large, 0);
	assert_int_equal(fake_load(&m, again, BASE + PAGES(2 * PER) + 9), 0);
	assert_int_equal(fake_store(&m, again, BASE + PAGES(2 * PER) + 9, 1), 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(2 * PER) + 9), 0);
	mm_put(again);
	end();
}

static void test_move(void **state)
{
	uint64_t out;

	(void)state;
	start();
	fill(2);
	assert_int_equal(mm_mremap(mm, BASE, PAGES(PER), PAGES(PER), true, true, false,
				   BASE * 2 + PAGES(1), &out),
			 0);
	assert_int_equal(mm->large, 1);
	for (unsigned i = 0; i < PER; i++)
		assert_int_equal(fake_load(&m, mm, BASE * 2 + PAGES(i + 1) + 9), value(i));
	assert_int_equal(fake_load(&m, mm, BASE), -EFAULT);
	check(mm, PER, 2 * PER);
	/* Shrunk and grown in its place. */
	assert_int_equal(mm_mremap(mm, BASE + PAGES(PER), PAGES(3 * PER), PAGES(7), false, false,
				   false, 0, &out),
			 0);
	assert_int_equal(mm->large, 0);
	assert_int_equal(
		mm_mremap(mm, BASE + PAGES(PER), PAGES(7), PAGES(9), false, false, false, 0, &out),
		0);
	check(mm, PER, PER + 7);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(PER + 7) + 9), 0);
	end();
}

/* What looks cuts up nothing. */
static void test_look(void **state)
{
	unsigned char vec[2 * PER];
	uint64_t id, offset;
	struct vma v;
	uint32_t w;

	(void)state;
	start();
	fill(1);
	assert_int_equal(mm_mincore(mm, BASE, PAGES(2 * PER), vec), 2 * PER);
	for (unsigned i = 0; i < 2 * PER; i++)
		assert_int_equal(vec[i], i < PER);
	assert_int_equal(mm_futex_key(mm, gva(BASE + PAGES(2)), true, &id, &offset), 0);
	assert_int_equal(guest_cmpxchg32(mm, gva(BASE + PAGES(2)), 0, 7, &w), 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(2)), 7);
	assert_int_equal(mm_mlock(mm, BASE, PAGES(PER), VMA_LOCKED, UINT64_MAX), 0);
	assert_int_equal(mm_mlock(mm, BASE + PAGES(4), PAGES(1), 0, UINT64_MAX), 0);
	assert_true(mm_find_vma(mm, BASE, &v));
	assert_int_equal(v.end, BASE + PAGES(4));
	assert_int_equal(mm_populate(mm, BASE, PAGES(PER), true), 0);
	mm_map_eager(mm, BASE, PAGES(PER), PER, true);
	assert_int_equal(mm_span_pages(mm, BASE, BASE + PAGES(PER)), PER);
	assert_int_equal(mm->large, 1);
	end();
}

static void count_vma(const struct vma *v, const struct vma_pages *pages, void *arg)
{
	uint64_t *sum = arg;

	(void)v;
	sum[0]++;
	sum[1] += pages->resident;
}

/* It may lie in several mappings: each has its part. */
static void test_counted(void **state)
{
	uint64_t sum[2] = {0, 0};

	(void)state;
	start();
	fill(2);
	assert_int_equal(mm_advise(mm, BASE + PAGES(100), PAGES(PER), VMA_DONTFORK, 0), 0);
	mm_for_each_vma(mm, count_vma, sum);
	assert_int_equal(sum[0], 3);
	assert_int_equal(sum[1], 2 * PER);
	assert_int_equal(mm->large, 2);
	end();
}

/* More than one flush serves. */
static void test_many(void **state)
{
	const unsigned n = 40;
	struct mm *child;
	unsigned flushes;

	(void)state;
	fake_init(&m, 4 * LIMIT, false);
	need_blocks();
	assert_int_equal(mm_create(m.gm, &mm), 0);
	map_spans(mm, BASE, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(fake_store(&m, mm, BASE + PAGES(i * PER + i), value(i)), 0);
	assert_int_equal(mm->large, n);
	flushes = atomic_load(&m.flushes);
	mm_lock(mm);
	pgtable_split(mm, 0, ABI_USER_END);
	mm_unlock(mm);
	assert_int_equal(atomic_load(&m.flushes), flushes + 2);
	assert_int_equal(mm->large, 0);
	assert_int_equal(mm->tables, n + 2);
	assert_int_equal(mm_fork(mm, 0, &child), 0);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(fake_load(&m, child, BASE + PAGES(i * PER + i)), value(i));
	mm_put(child);
	end();
}

/* ---- any order ---- */

#define FAMILY 3
#define SPANS  3
#define EDGE   8
#define WINDOW (SPANS * PER + 2 * EDGE)

static struct member {
	struct mm *mm;
	struct page {
		bool mapped;
		uint8_t prot, value;
	} page[WINDOW];
} family[FAMILY];

static uint64_t seed, seen;

static unsigned rnd(unsigned n)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (unsigned)(seed >> 33) % n;
}

static uint64_t address(unsigned page)
{
	return BASE + PGTABLE_SPAN - PAGES(EDGE) + PAGES(page);
}

static void check_page(struct member *f, unsigned i)
{
	const struct page *p = &f->page[i];
	int want = !p->mapped ? -EFAULT : !p->prot ? -EACCES : p->value;
	int got = fake_load(&m, f->mm, address(i) + 5);
	uint8_t c = 0;

	if (got != want)
		fail_msg("page %u of mm %lu: %d, not %d", i, (unsigned long)mm_id(f->mm), got,
			 want);
	assert_int_equal(copy_from_guest(f->mm, &c, gva(address(i) + 5), 1),
			 want < 0 ? -EFAULT : 0);
	assert_int_equal(c, want < 0 ? 0 : want);
}

static void do_store(struct member *f, unsigned i)
{
	uint8_t v = (uint8_t)rnd(256);
	int r = rnd(2) ? fake_store(&m, f->mm, address(i) + 5, v)
		       : copy_to_guest(f->mm, gva(address(i) + 5), &v, 1);

	assert_int_equal(!r, f->page[i].mapped && f->page[i].prot & VMA_WRITE);
	if (!r)
		f->page[i].value = v;
}

/* Part of the window: often whole spans, often few pages. */
static void choose(unsigned *at, unsigned *n)
{
	if (rnd(3)) {
		*at = EDGE + rnd(SPANS) * PER;
		*n = PER;
	} else {
		*n = 1 + rnd(rnd(2) ? 8 : WINDOW - 1);
		*at = rnd(WINDOW - *n + 1);
	}
}

static void do_map(struct member *f, unsigned at, unsigned n)
{
	assert_int_equal(fake_map(f->mm, address(at), n, RW, NULL, 0), 0);
	if (rnd(4))
		assert_int_equal(mm_advise(f->mm, address(at), PAGES(n), VMA_SPANS, 0), 0);
	for (unsigned i = at; i < at + n; i++)
		f->page[i] = (struct page){.mapped = true, .prot = RW};
}

static void do_protect(struct member *f, unsigned at, unsigned n)
{
	unsigned prot = rnd(2) ? RW : rnd(2) ? VMA_READ : 0, i;
	int r = mm_mprotect(f->mm, address(at), PAGES(n), prot);

	for (i = at; i < at + n && f->page[i].mapped; i++)
		f->page[i].prot = (uint8_t)prot;
	assert_int_equal(r, i < at + n ? -ENOMEM : 0);
}

static void do_dontneed(struct member *f, unsigned at, unsigned n)
{
	mm_dontneed(f->mm, address(at), PAGES(n));
	for (unsigned i = at; i < at + n; i++)
		f->page[i].value = 0;
}

static void do_fork(struct member *f)
{
	struct member *child = &family[rnd(FAMILY)];

	if (child == f)
		return;
	mm_put(child->mm);
	m.gm->fork_eager = rnd(2) ? 256 : 0;
	assert_int_equal(mm_fork(f->mm, 0, &child->mm), 0);
	memcpy(child->page, f->page, sizeof(f->page));
}

static void do_move(struct member *f, unsigned at, unsigned n)
{
	unsigned to = rnd(WINDOW - n + 1);
	uint64_t out;

	if (to < at + n && at < to + n)
		return;
	if (mm_mremap(f->mm, address(at), PAGES(n), PAGES(n), true, true, false, address(to), &out))
		return; /* not one mapping */
	memcpy(&f->page[to], &f->page[at], n * sizeof(f->page[0]));
	memset(&f->page[at], 0, n * sizeof(f->page[0]));
}

static void step(void)
{
	struct member *f = &family[rnd(FAMILY)];
	unsigned at, n;

	choose(&at, &n);
	if (!f->mm)
		return;
	switch (rnd(14)) {
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
		do_fork(f);
		break;
	case 7:
	case 8:
		mm_collapse(f->mm, address(at), PAGES(n));
		break;
	case 9:
		/* A failure of the part that fixed mappings unmap first is not modelled. */
		if (rnd(2) && f->page[at].mapped)
			do_move(f, at, 1);
		break;
	default:
		for (unsigned i = 0; i < 8; i++)
			do_store(f, at + rnd(n));
		break;
	}
	seen += f->mm->large;
}

static void play(uint64_t with, unsigned steps)
{
	fake_init(&m, LIMIT, false);
	need_blocks();
	seed = with;
	memset(family, 0, sizeof(family));
	assert_int_equal(mm_create(m.gm, &family[0].mm), 0);
	for (unsigned i = 0; i < steps; i++) {
		step();
		for (unsigned k = 0; k < FAMILY * 8; k++)
			if (family[k % FAMILY].mm)
				check_page(&family[k % FAMILY], rnd(WINDOW));
		for (unsigned k = 0; i % 64 == 0 && k < FAMILY * WINDOW; k++)
			if (family[k % FAMILY].mm)
				check_page(&family[k % FAMILY], k / FAMILY);
	}
	for (unsigned k = 0; k < FAMILY; k++)
		mm_put(family[k].mm);
	fake_exit(&m);
}

static void test_any_order(void **state)
{
	(void)state;
	seen = 0;
	for (uint64_t s = 1; s <= 6; s++)
		play(s, 400);
	assert_true(seen > 200); /* or this was about something else */
}

/* ---- at once: for the thread sanitizer ---- */

#define ROUNDS 100

static _Atomic bool stop;

static void *run_touches(void *arg)
{
	unsigned with = (unsigned)(uintptr_t)arg;

	while (!atomic_load(&stop)) {
		uint64_t va = BASE + PAGES(rand_r(&with) % (4 * PER));
		uint8_t c = 1;
		int r = mm_fault(mm, va, with & 1 ? FAULT_WRITE : 0);

		if (r && r != -EACCES)
			return (void *)1;
		copy_to_guest(mm, gva(va + 7), &c, 1);
		copy_from_guest(mm, &c, gva(va + 7), 1);
	}
	return NULL;
}

static void *run_cuts(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t at = BASE + PAGES(i % 4 * PER);

		mm_dontneed(mm, at + PAGES(i), PAGES(i & 1 ? 1 : PER));
		mm_mprotect(mm, at, PAGES(PER), VMA_READ);
		mm_mprotect(mm, at + PAGES(i), PAGES(1), RW);
		mm_mprotect(mm, BASE, PAGES(4 * PER), RW);
		mm_collapse(mm, at, PAGES(2 * PER));
		if (i % 16 == 15)
			map_spans(mm, at, 1);
	}
	return NULL;
}

static void *run_looks(void *arg)
{
	unsigned char vec[2 * PER];
	uint64_t sum[2];

	(void)arg;
	while (!atomic_load(&stop)) {
		mm_mincore(mm, BASE + PAGES(PER / 2), PAGES(2 * PER), vec);
		mm_span_pages(mm, BASE, BASE + PAGES(4 * PER));
		mm_for_each_vma(mm, count_vma, sum);
	}
	return NULL;
}

static void *run_forks(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct mm *child;
		uint8_t c;

		if (mm_fork_threads(mm, &child))
			return (void *)1;
		copy_from_guest(child, &c, gva(BASE + PAGES(i)), 1);
		mm_put(child);
	}
	return NULL;
}

static void test_at_once(void **state)
{
	void *(*const run[])(void *) = {run_cuts, run_forks, run_touches, run_touches, run_looks};
	pthread_t t[5];
	void *r;

	(void)state;
	start();
	atomic_store(&stop, false);
	for (uintptr_t i = 0; i < 5; i++)
		assert_int_equal(pthread_create(&t[i], NULL, run[i], (void *)i), 0);
	for (unsigned i = 0; i < 5; i++) {
		if (i == 2)
			atomic_store(&stop, true);
		pthread_join(t[i], &r);
		assert_null(r);
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_touch),   cmocka_unit_test(test_emptied),
		cmocka_unit_test(test_shadow),  cmocka_unit_test(test_collapse),
		cmocka_unit_test(test_unmap),   cmocka_unit_test(test_protect),
		cmocka_unit_test(test_fork),    cmocka_unit_test(test_move),
		cmocka_unit_test(test_look),    cmocka_unit_test(test_counted),
		cmocka_unit_test(test_many),    cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
