/* docs/futex.md's table of operations against what futex(2) does here: it cannot grow old. */
#include "linux_test.h"

#include "../../vmm/linux/futex_user.h"

#include <stdio.h>

#define WORD TEST_DATA

static const struct {
	const char *name;
	unsigned nr;
} ops[] = {
#define OP(name)                                                                                   \
	{                                                                                          \
#name, name                                                                        \
	}
	OP(FUTEX_WAIT),
	OP(FUTEX_WAKE),
	OP(FUTEX_REQUEUE),
	OP(FUTEX_CMP_REQUEUE),
	OP(FUTEX_WAKE_OP),
	OP(FUTEX_LOCK_PI),
	OP(FUTEX_UNLOCK_PI),
	OP(FUTEX_TRYLOCK_PI),
	OP(FUTEX_WAIT_BITSET),
	OP(FUTEX_WAKE_BITSET),
	OP(FUTEX_WAIT_REQUEUE_PI),
	OP(FUTEX_CMP_REQUEUE_PI),
	OP(FUTEX_LOCK_PI2),
};

/* A timeout that is over: no operation blocks. Whether it was looked at shows with one that is bad.
 */
static long run_op(unsigned op, int64_t nsec)
{
	const int64_t ts[2] = {0, nsec};

	guest_put(w.init, WORD + 0x100, ts, sizeof(ts));
	guest_put(w.init, WORD, &(uint32_t){0}, 4);
	return CALL(w.init, SYS_futex, WORD, op, 0, WORD + 0x100, WORD + 8, 1);
}

static void the_table_is_true(void **state)
{
	FILE *f = fopen("docs/futex.md", "r");
	char line[512], name[64], clock[32], timeout[64];
	unsigned nr, rows = 0;

	if (!f)
		skip(); /* not run from the tree's top */
	while (fgets(line, sizeof(line), f)) {
		bool known = false, times;

		timeout[0] = '\0';
		if (sscanf(line, "| FUTEX_%50[A-Z0-9_] | %u | %30[A-Za-z] | %60[^|]", name, &nr,
			   clock, timeout) < 3)
			continue;
		rows++;
		for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
			if (strcmp(ops[i].name + strlen("FUTEX_"), name) != 0)
				continue;
			assert_int_equal(ops[i].nr, nr);
			known = true;
		}
		times = strstr(timeout, "absolute") || strstr(timeout, "relative");
		assert_int_equal(run_op(nr, 0) == -ENOSYS, !known);
		assert_int_equal(run_op(nr | FUTEX_CLOCK_REALTIME, 0) == -ENOSYS,
				 strcmp(clock, "yes") != 0);
		assert_int_equal(futex_has_timeout(nr), times);
		if (times)
			assert_int_equal(run_op(nr, 1000000000), -EINVAL);
	}
	fclose(f);
	/* FUTEX_FD is in the table, too. */
	assert_int_equal(rows, ARRAY_SIZE(ops) + 1);
	for (nr = 14; nr < 128; nr++)
		assert_int_equal(run_op(nr, 0), -ENOSYS);
}

static int set_up(void **state)
{
	world_open_cpus(1);
	return 0;
}

static int tear_down(void **state)
{
	world_close();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_table_is_true, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("docs/futex.md", tests, NULL, NULL);
}
