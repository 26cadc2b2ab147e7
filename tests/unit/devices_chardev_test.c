// The character devices do what null(4), full(4) and random(4) say.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../devices/chardev.h"

#include <errno.h>
#include <string.h>

struct search {
	const char *name;
	const struct chardev *found;
	unsigned calls;
};

static int match(void *arg, const struct chardev *d)
{
	struct search *s = arg;

	s->calls++;
	if (strcmp(d->name, s->name) == 0)
		s->found = d;
	return 0;
}

static const struct chardev *find(const char *name)
{
	struct search s = {.name = name};

	assert_int_equal(chardev_register_all(match, &s), 0);
	assert_non_null(s.found);
	return s.found;
}

static void null(void **state)
{
	const struct chardev *d = find("null");
	char buf[4] = "abc";

	(void)state;
	assert_true(d->major == 1 && d->minor == 3 && d->mode == 0666);
	assert_int_equal(d->read(buf, sizeof(buf)), 0);
	assert_string_equal(buf, "abc");
	assert_int_equal(d->write(buf, 3), 3);
}

static void zero(void **state)
{
	const struct chardev *d = find("zero");
	char buf[5] = "abcd";

	(void)state;
	assert_int_equal(d->read(buf, 3), 3);
	assert_memory_equal(buf, "\0\0\0d", 5);
	assert_int_equal(d->write(buf, 5), 5);
	assert_int_equal(d->read(buf, 0), 0);
}

static void full(void **state)
{
	const struct chardev *d = find("full");
	char buf[2] = "a";

	(void)state;
	assert_int_equal(d->write(buf, 1), -ENOSPC);
	assert_int_equal(d->read(buf, 1), 1);
	assert_int_equal(buf[0], 0);
}

static void random_bytes(void **state)
{
	const char *const names[] = {"random", "urandom"};
	static uint8_t a[100000], b[100000];

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct chardev *d = find(names[i]);

		memset(a, 0, sizeof(a));
		assert_int_equal(d->read(a, sizeof(a)), sizeof(a));
		assert_int_equal(d->read(b, sizeof(b)), sizeof(b));
		assert_memory_not_equal(a, b, 64);
		/* To the last byte. */
		assert_memory_not_equal(a + sizeof(a) - 64, b + sizeof(b) - 64, 64);
		assert_int_equal(d->write(a, 10), 10);
	}
}

static int refuse_second(void *arg, const struct chardev *d)
{
	unsigned *n = arg;

	(void)d;
	return ++*n == 2 ? -EEXIST : 0;
}

static void stops_at_failure(void **state)
{
	unsigned n = 0;

	(void)state;
	assert_int_equal(chardev_register_all(refuse_second, &n), -EEXIST);
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(null),
		cmocka_unit_test(zero),
		cmocka_unit_test(full),
		cmocka_unit_test(random_bytes),
		cmocka_unit_test(stops_at_failure),
	};

	return cmocka_run_group_tests_name("devices/chardev", tests, NULL, NULL);
}
