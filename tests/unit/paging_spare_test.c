/* Tables of dead children that their parent's next children get: spare.c and fork.c. */
#include "paging_fake.h"

#define LIMIT (32UL << 20)
#define BASE  0x40000000UL

static struct fake_machine m;
static struct mm *mm;

static int setup(void **state)
{
	(void)state;
	fake_init(&m, LIMIT, true);
	return mm_create(m.gm, &mm);
}

static int teardown(void **state)
{
	(void)state;
	mm_put(mm);
	fake_exit(&m);
	return 0;
}

static struct mm *fork_mm(struct mm *parent)
{
	struct mm *child;

	assert_int_equal(mm_fork(parent, BASE, &child), 0);
	return child;
}

/* `pages` private pages at BASE, page i with the value i + v. */
static void fill(struct mm *in, unsigned pages, unsigned v)
{
	for (unsigned i = 0; i < pages; i++)
		assert_int_equal(fake_store(&m, in, BASE + PAGES(i), (uint8_t)(i + v)), 0);
}

static void expect(struct mm *in, unsigned pages, unsigned v)
{
	for (unsigned i = 0; i < pages; i++)
		assert_int_equal(fake_load(&m, in, BASE + PAGES(i)), (uint8_t)(i + v));
}

/* Round after round the same tables, with the parent's contents; nothing is invalidated. */
static void test_reused(void **state)
{
	struct mm *child;
	uint64_t root, inv, used, id;

	assert_int_equal(fake_map(mm, BASE, 8, RW, NULL, 0), 0);
	fill(mm, 8, 0);
	child = fork_mm(mm);
	root = mm_root(child).v;
	id = mm_id(child);
	used = fake_used(&m);
	mm_put(child);
	inv = fake_invalidations(&m);
	for (unsigned round = 1; round < 50; round++) {
		fill(mm, 8, round);
		child = fork_mm(mm);
		assert_int_equal(mm_root(child).v, root);
		assert_int_not_equal(mm_id(child), id);
		id = mm_id(child);
		assert_int_equal(mm_resident_pages(child), 8);
		expect(child, 8, round);
		fill(child, 8, 100 + round);
		expect(mm, 8, round);
		assert_int_equal(fake_used(&m), used);
		mm_put(child);
	}
	assert_int_equal(fake_invalidations(&m), inv);
	assert_int_equal(m.recycles, 0);
}

/* What the dead child had and the parent has not: gone, for the processor too. */
static void test_leftovers(void **state)
{
	struct mm *child;

	assert_int_equal(fake_map(mm, BASE, 8, RW, NULL, 0), 0);
	fill(mm, 8, 0);
	child = fork_mm(mm);
	assert_int_equal(fake_map(child, BASE + PAGES(8), 8, RW, NULL, 0), 0);
	assert_int_equal(fake_map(child, BASE * 2, 4, RW, NULL, 0), 0);
	assert_int_equal(fake_store(&m, child, BASE + PAGES(9), 66), 0);
	assert_int_equal(fake_store(&m, child, BASE * 2, 67), 0);
	mm_put(child);
	/* There is a mapping now, of other pages. */
	assert_int_equal(fake_map(mm, BASE + PAGES(8), 8, RW, NULL, 0), 0);
	child = fork_mm(mm);
	assert_int_equal(fake_load(&m, child, BASE + PAGES(9)), 0);
	assert_int_equal(fake_load(&m, child, BASE * 2), -EFAULT);
	expect(child, 8, 0);
	mm_put(child);
}

/* The parent changes between two forks. */
static void test_changes(void **state)
{
	struct memobj *o = memobj_create(m.gm, NULL, NULL);
	struct mm *child;

	assert_int_equal(memobj_set_size(o, PAGES(8)), 0);
	assert_int_equal(fake_map(mm, BASE, 16, RW, NULL, 0), 0);
	fill(mm, 16, 0);
	child = fork_mm(mm);
	expect(child, 16, 0);
	fill(child, 16, 50);
	mm_put(child);

	assert_int_equal(mm_mprotect(mm, BASE, PAGES(2), VMA_READ), 0);
	assert_int_equal(mm_mprotect(mm, BASE + PAGES(2), PAGES(2), 0), 0);
	assert_int_equal(mm_munmap(mm, BASE + PAGES(4), PAGES(2)), 0);
	assert_int_equal(fake_map(mm, BASE + PAGES(6), 2, RW | VMA_SHARED, o, 0), 0);
	assert_int_equal(mm_dontneed(mm, BASE + PAGES(8), PAGES(2)), 0);
	assert_int_equal(mm_advise(mm, BASE + PAGES(10), PAGES(2), VMA_DONTFORK, 0), 0);
	assert_int_equal(mm_advise(mm, BASE + PAGES(12), PAGES(2), VMA_WIPEONFORK, 0), 0);
	assert_int_equal(fake_store(&m, mm, BASE + PAGES(6), 77), 0);

	child = fork_mm(mm);
	assert_int_equal(fake_load(&m, child, BASE), 0);
	assert_int_equal(fake_store(&m, child, BASE, 1), -EACCES);
	assert_int_equal(fake_load(&m, child, BASE + PAGES(2)), -EACCES);
	assert_int_equal(fake_load(&m, child, BASE + PAGES(4)), -EFAULT);
	assert_int_equal(fake_load(&m, child, BASE + PAGES(6)), 77);
	assert_int_equal(fake_store(&m, child, BASE + PAGES(7), 78), 0);
	assert_int_equal(fake_load(&m, mm, BASE + PAGES(7)), 78);
	assert_int_equal(fake_load(&m, child, BASE + PAGES(8)), 0);
	assert_int_equal(fake_load(&m, child, BASE + PAGES(10)), -EFAULT);
	assert_int_equal(fake_load(&m, child, BASE + PAGES(12)), 0);
	assert_int_equal(fake_load(&m, child, BASE + PAGES(14)), 14);
	mm_put(child);
	/* Writable again: the child's frame, read-only so far, is filled again and not shared. */
	assert_int_equal(mm_mprotect(mm, BASE, PAGES(2), RW), 0);
	assert_int_equal(fake_store(&m, mm, BASE, 9), 0);
	child = fork_mm(mm);
	assert_int_equal(fake_store(&m, child, BASE, 10), 0);
	assert_int_equal(fake_load(&m, mm, BASE), 9);
	mm_put(child);
	memobj_put(o);
}

/* Not worth keeping, or not worth using: new tables, and nothing is lost. */
static void test_too_different(void **state)
{
	struct mm *child;

	assert_int_equal(fake_map(mm, BASE, 64, RW, NULL, 0), 0);
	fill(mm, 8, 0);
	child = fork_mm(mm);
	fill(child, 64, 1);
	mm_put(child);
	assert_ptr_equal(TAILQ_FIRST(&m.gm->spares), NULL);

	fill(mm, 64, 0);
	child = fork_mm(mm);
	mm_put(child);
	assert_ptr_equal(TAILQ_FIRST(&m.gm->spares), mm);
	assert_int_equal(mm_munmap(mm, BASE, PAGES(50)), 0);
	child = fork_mm(mm);
	assert_int_equal(mm_resident_pages(child), 14);
	assert_int_equal(fake_load(&m, child, BASE + PAGES(49)), -EFAULT);
	assert_int_equal(fake_load(&m, child, BASE + PAGES(50)), 50);
	mm_put(child);
}

/* The parent goes first; grandchildren; more parents than spares are kept for. */
static void test_owners(void **state)
{
	struct mm *child[20], *grandchild;

	assert_int_equal(fake_map(mm, BASE, 4, RW, NULL, 0), 0);
	fill(mm, 4, 0);
	child[0] = fork_mm(mm);
	grandchild = fork_mm(child[0]);
	mm_put(child[0]);
	mm_put(grandchild);
	child[0] = fork_mm(mm);
	expect(child[0], 4, 0);
	mm_put(child[0]);
	for (unsigned i = 0; i < 20; i++) {
		child[i] = fork_mm(mm);
		mm_put(fork_mm(child[i]));
	}
	assert_int_equal(m.gm->nspares, 16);
	assert_true(spare_reclaim(m.gm));
	assert_false(spare_reclaim(m.gm));
	for (unsigned i = 0; i < 20; i++)
		mm_put(child[i]);
}

/* Memory that a spare holds is there for whoever needs it. */
static void test_short_of_memory(void **state)
{
	unsigned pages = (LIMIT >> PAGE_SHIFT) / 2 - 100, mapped;
	struct mm *child;

	m.gm->fork_eager = pages;
	assert_int_equal(fake_map(mm, BASE, pages, RW, NULL, 0), 0);
	assert_int_equal(mm_populate(mm, BASE, PAGES(pages), true), 0);
	child = fork_mm(mm);
	mm_put(child);
	assert_int_equal(m.gm->nspares, 1);
	mapped = pages / 2;
	assert_int_equal(fake_map(mm, BASE * 2, mapped, RW, NULL, 0), 0);
	assert_int_equal(mm_populate(mm, BASE * 2, PAGES(mapped), true), 0);
	assert_int_equal(m.gm->nspares, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_reused),        T(test_leftovers), T(test_changes),
		T(test_too_different), T(test_owners),    T(test_short_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
