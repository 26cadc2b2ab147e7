/* The host's load: what its line says, and that who asks is in it. */
#include "core_test.h"

#include "../../vmm/host_load.h"

#include <unistd.h>

static void the_fourth_field_is_it(void **state)
{
	(void)state;
	assert_int_equal(host_load_parse("0.00 0.77 1.31 1/78 27895\n"), 1);
	assert_int_equal(host_load_parse("120.04 99.10 8.00 131/9812 4194304\n"), 131);
	assert_int_equal(host_load_parse(""), 0);
	assert_int_equal(host_load_parse("0.00 0.00 0.00"), 0);
	assert_int_equal(host_load_parse("0.00 0.00 0.00 -"), 0);
}

static void who_asks_runs(void **state)
{
	struct host_load h;

	(void)state;
	host_load_open(&h);
	assert_true(h.processors >= 1);
	if (!h.fd)
		skip(); /* no /proc, or another's */
	for (int i = 0; i < 3; i++)
		assert_true(host_load_running(&h) >= 1);
	host_load_close(&h);
	assert_int_equal(host_load_running(&h), 0);
	host_load_close(&h);
}

static void what_cannot_be_read_is_not_known(void **state)
{
	struct host_load h = {.processors = 2};
	int end[2];

	(void)state;
	assert_int_equal(host_load_running(&h), 0);
	assert_int_equal(pipe(end), 0);
	h.fd = end[0];
	assert_int_equal(host_load_running(&h), 0);
	close(end[0]);
	close(end[1]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fourth_field_is_it),
		cmocka_unit_test(who_asks_runs),
		cmocka_unit_test(what_cannot_be_read_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
