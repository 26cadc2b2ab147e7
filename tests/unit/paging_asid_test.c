/* ASIDs: one number for each address space, generations, and what has to be forgotten when. */
#include "paging_fake.h"
#include "../../paging/asid.h"

#define LIMIT (32UL << 20)

static struct mm *new_mm(struct fake_machine *m)
{
	struct mm *mm;

	assert_int_equal(mm_create(m->gm, &mm), 0);
	return mm;
}

static unsigned activate(struct asid_space *s, unsigned cpu, struct mm *mm, bool forget)
{
	bool all;
	unsigned n = asid_activate(s, cpu, mm, &all);

	assert_int_equal(all, forget);
	assert_int_not_equal(n, 0);
	return n;
}

static void test_sizes(void **state)
{
	struct asid_space *s;

	(void)state;
	assert_null(asid_space_create(17, 1));
	assert_null(asid_space_create(1, 1)); /* 0, and the one that runs: none is left */
	assert_null(asid_space_create(6, 63));
	assert_null(asid_space_create(8, ASID_CPUS + 1));
	s = asid_space_create(2, 2);
	assert_non_null(s);
	asid_space_destroy(s);
	asid_space_destroy(NULL);
}

static void test_keeps_its_number(void **state)
{
	struct asid_space *s = asid_space_create(8, 2);
	struct fake_machine m;
	struct mm *a, *b;
	unsigned na, nb;

	(void)state;
	fake_init(&m, LIMIT, false);
	a = new_mm(&m);
	b = new_mm(&m);
	/* What a processor had before is unknown. */
	na = activate(s, 0, a, true);
	nb = activate(s, 0, b, false);
	assert_int_not_equal(na, nb);
	assert_int_equal(activate(s, 1, a, true), na);
	assert_int_equal(activate(s, 0, a, false), na);
	assert_int_equal(activate(s, 1, b, false), nb);
	assert_int_equal(asid_rollovers(s), 0);
	mm_put(a);
	mm_put(b);
	fake_exit(&m);
	asid_space_destroy(s);
}

/* 4 bits, 2 vCPUs: vCPU 1 runs one mm through all roll-overs, vCPU 0 many. */
static void test_roll_over(void **state)
{
	struct asid_space *s = asid_space_create(4, 2);
	unsigned owner[16] = {0}, stays, n;
	struct fake_machine m;
	struct mm *mm[100];
	bool all;

	(void)state;
	fake_init(&m, LIMIT, false);
	for (unsigned i = 0; i < 100; i++)
		mm[i] = new_mm(&m);
	stays = activate(s, 1, mm[0], true);
	for (unsigned i = 1; i < 100; i++) {
		uint64_t before = asid_rollovers(s);

		n = asid_activate(s, 0, mm[i], &all);
		assert_true(n > 0 && n < 16);
		assert_int_not_equal(n, stays);
		/* A number that was another's comes only after all is forgotten. */
		if (asid_rollovers(s) != before) {
			assert_true(all);
			memset(owner, 0, sizeof(owner));
		}
		assert_int_equal(owner[n], 0);
		owner[n] = i;
	}
	/* 14 a generation: 0 is nobody's and one stays taken; the first has 14, too. */
	assert_int_equal(asid_rollovers(s), 7);
	/* The one that ran all the time has its number still; its vCPU forgets when it leaves. */
	assert_int_equal(asid_activate(s, 0, mm[0], &all), stays);
	assert_int_equal(activate(s, 1, mm[0], true), stays);
	for (unsigned i = 0; i < 100; i++)
		mm_put(mm[i]);
	fake_exit(&m);
	asid_space_destroy(s);
}

/* An mm that nobody ran at the roll-over may lose its number, and gets one that is free. */
static void test_idle_mm(void **state)
{
	struct asid_space *s = asid_space_create(2, 1);
	struct fake_machine m;
	struct mm *a, *b, *c, *d;
	unsigned na, nd;
	bool all;

	(void)state;
	fake_init(&m, LIMIT, false);
	a = new_mm(&m);
	b = new_mm(&m);
	c = new_mm(&m);
	d = new_mm(&m);
	na = activate(s, 0, a, true);
	activate(s, 0, b, false);
	activate(s, 0, c, false);
	nd = activate(s, 0, d, true);
	assert_int_equal(asid_rollovers(s), 1);
	assert_int_equal(nd, na); /* the lowest that c does not have */
	assert_int_not_equal(asid_activate(s, 0, a, &all), nd);
	assert_int_equal(activate(s, 0, d, all && false), nd);
	mm_put(a);
	mm_put(b);
	mm_put(c);
	mm_put(d);
	fake_exit(&m);
	asid_space_destroy(s);
}

static void test_stale(void **state)
{
	struct asid_space *s = asid_space_create(8, 2);
	struct fake_machine m;
	struct mm *mm;
	uint64_t gen;
	unsigned n;

	(void)state;
	fake_init(&m, LIMIT, false);
	mm = new_mm(&m);
	gen = mm_tlb_gen(mm);
	n = activate(s, 0, mm, true);
	assert_false(asid_is_stale(s, n, gen));
	assert_true(asid_is_stale(s, n, gen + 1));
	asid_forgotten(s, n, gen + 1);
	assert_false(asid_is_stale(s, n, gen + 1));
	/* Another vCPU's older news changes nothing. */
	asid_forgotten(s, n, gen);
	assert_false(asid_is_stale(s, n, gen + 1));
	assert_true(asid_is_stale(s, n, gen + 2));
	mm_put(mm);
	fake_exit(&m);
	asid_space_destroy(s);
}

/* ---- several vCPUs at once ---- */

#define CPUS   4
#define SPACES 24
#define TURNS  5000

static struct {
	struct asid_space *s;
	struct mm *mm[SPACES];
	/* What each vCPU is active with: number << 32 | index + 1. 0 while it changes. */
	_Atomic uint64_t active[CPUS];
	_Atomic unsigned wrong;
} race;

static void *vcpu(void *arg)
{
	unsigned cpu = (unsigned)(uintptr_t)arg, seed = cpu + 1;
	bool all;

	for (unsigned i = 0; i < TURNS; i++) {
		unsigned which = (unsigned)rand_r(&seed) % SPACES;
		uint64_t mine;

		atomic_store(&race.active[cpu], 0);
		mine = (uint64_t)asid_activate(race.s, cpu, race.mm[which], &all) << 32 |
		       (which + 1);
		atomic_store(&race.active[cpu], mine);
		/* We are active all the time that we look: one number, one address space. */
		for (unsigned other = 0; other < CPUS; other++) {
			uint64_t theirs = atomic_load(&race.active[other]);

			if (theirs >> 32 == mine >> 32 && theirs != mine)
				atomic_fetch_add(&race.wrong, 1);
		}
	}
	return NULL;
}

static void test_race(void **state)
{
	struct fake_machine m;
	pthread_t t[CPUS];

	(void)state;
	fake_init(&m, LIMIT, false);
	race.s = asid_space_create(3, CPUS);
	for (unsigned i = 0; i < SPACES; i++)
		race.mm[i] = new_mm(&m);
	for (uintptr_t i = 0; i < CPUS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, vcpu, (void *)i), 0);
	for (unsigned i = 0; i < CPUS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	assert_int_equal(race.wrong, 0);
	assert_true(asid_rollovers(race.s) > TURNS / 8);
	for (unsigned i = 0; i < SPACES; i++)
		mm_put(race.mm[i]);
	fake_exit(&m);
	asid_space_destroy(race.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),     cmocka_unit_test(test_keeps_its_number),
		cmocka_unit_test(test_roll_over), cmocka_unit_test(test_idle_mm),
		cmocka_unit_test(test_stale),     cmocka_unit_test(test_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
