/* The line discipline, byte for byte; and whatever bytes and attributes, it keeps its bounds. */
#include "core_test.h"

#include "../../vmm/linux/n_tty.h"
#include "../../vmm/linux/signal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>

#define OUT_SIZE 1024
#define KEEP     255

static struct n_tty n;
static uint8_t out_buf[OUT_SIZE];
static struct tty_ring out;

static int set_up(void **state)
{
	(void)state;
	memset(&n, 0, sizeof(n));
	out = (struct tty_ring){.buf = out_buf, .size = sizeof(out_buf)};
	n_tty_init(&n, &out, KEEP);
	return 0;
}

static void flags(uint32_t iflag, uint32_t oflag, uint32_t lflag)
{
	struct tty_attr a = n.attr;

	a.iflag ^= iflag;
	a.oflag ^= oflag;
	a.lflag ^= lflag;
	n_tty_set_attr(&n, &a);
}

static void type(const char *s)
{
	assert_int_equal(n_tty_input(&n, (const uint8_t *)s, strlen(s)), strlen(s));
}

#define screen(text)  check_screen(text, sizeof(text) - 1)
#define readers(text) check_read(text, sizeof(text) - 1)

static void check_screen(const char *text, size_t len)
{
	uint8_t buf[OUT_SIZE];

	assert_int_equal(ring_read(&out, buf, sizeof(buf)), len);
	assert_memory_equal(buf, text, len);
	n_tty_drain(&n);
}

static void check_read(const char *text, size_t len)
{
	uint8_t buf[N_TTY_SIZE];

	assert_true(n_tty_readable(&n, 1));
	assert_int_equal(n_tty_read(&n, buf, sizeof(buf)), len);
	assert_memory_equal(buf, text, len);
}

static void a_line_is_read_when_it_ends(void **state)
{
	(void)state;
	type("hel");
	assert_false(n_tty_readable(&n, 1));
	assert_int_equal(n_tty_pending(&n), 0);
	type("lo\r");
	assert_int_equal(n_tty_pending(&n), 6);
	readers("hello\n");
	screen("hello\r\n");
	assert_false(n_tty_readable(&n, 1));
}

static void the_line_is_edited(void **state)
{
	(void)state;
	type("abc\177d\n");
	readers("abd\n");
	screen("abc\b \bd\r\n");
	type("one two\027\025x\n");
	readers("x\n");
	screen("one two\b \b\b \b\b \b\b \b\b \b\b \b\b \bx\r\n");
	type("\026\177\001\177\177y\n");
	readers("y\n");
	screen("^\b^?^A\b \b\b \b\b \b\b \by\r\n");
}

static void an_end_of_file_is_a_read_of_nothing(void **state)
{
	uint8_t buf[8];

	(void)state;
	type("\004ab\004\004");
	readers("");
	assert_int_equal(n_tty_pending(&n), 2);
	assert_int_equal(n_tty_read(&n, buf, 2), 2);
	/* The first ended that line; the second is one. */
	readers("");
	assert_false(n_tty_readable(&n, 1));
}

static void keys_are_signals(void **state)
{
	(void)state;
	type("typed");
	type("\003");
	assert_int_equal(n.signals, SIGMASK(SIGINT));
	assert_int_equal(n.events, N_TTY_FLUSHREAD | N_TTY_FLUSHWRITE);
	screen("typed^C"); /* it had been seen */
	assert_int_equal(n.head - n.tail, 0);
	n.signals = 0;
	flags(0, 0, NOFLSH);
	type("a\034\032\n");
	assert_int_equal(n.signals, SIGMASK(SIGQUIT) | SIGMASK(SIGTSTP));
	readers("a\n");
}

/* What the other end has not taken yet goes, but for what is out of reach. */
static void a_signal_flushes_output(void **state)
{
	uint8_t text[OUT_SIZE] = {0};

	(void)state;
	assert_int_equal(n_tty_output(&n, text, 600), 600);
	type("\003");
	assert_int_equal(ring_used(&out), KEEP + 2);
}

static void output_stops_and_goes_on(void **state)
{
	(void)state;
	type("\023a");
	assert_true(n.stopped);
	assert_int_equal(n_tty_output(&n, (const uint8_t *)"x", 1), 0);
	screen("");
	type("\021");
	screen("a");
	assert_int_equal(n.events, N_TTY_START);
	n_tty_stop(&n, true);
	type("\021");
	assert_true(n.stopped);
	n_tty_start(&n, true);
	assert_false(n.stopped);
}

static void output_waits_for_room(void **state)
{
	uint8_t text[OUT_SIZE];

	(void)state;
	memset(text, '\n', sizeof(text));
	assert_int_equal(n_tty_output(&n, text, sizeof(text)), OUT_SIZE / 2);
	assert_int_equal(n_tty_output(&n, text, 1), 0);
	type("e");
	assert_int_equal(ring_used(&n.echo), 1);
	out.tail += 2;
	/* The echo was first; two bytes more than one. */
	assert_int_equal(n_tty_output(&n, text, 1), 0);
	out.tail++;
	assert_int_equal(n_tty_output(&n, text, 1), 1);
	assert_int_equal(ring_room(&out), 0);
}

static void a_full_line_can_still_end(void **state)
{
	static uint8_t big[2 * N_TTY_SIZE], buf[2 * N_TTY_SIZE];

	(void)state;
	flags(0, 0, ECHO);
	memset(big, 'x', sizeof(big));
	assert_int_equal(n_tty_input(&n, big, sizeof(big)), sizeof(big));
	type("\n");
	assert_int_equal(n_tty_read(&n, buf, sizeof(buf)), N_TTY_SIZE);
	assert_int_equal(buf[N_TTY_SIZE - 1], '\n');
	/* With a line that can be read the rest waits. */
	type("a\n");
	assert_int_equal(n_tty_input(&n, big, sizeof(big)), N_TTY_SIZE - 3);
	assert_int_equal(n_tty_read(&n, buf, sizeof(buf)), 2);
}

static void raw_input_is_bounded(void **state)
{
	static uint8_t big[2 * N_TTY_SIZE];

	(void)state;
	flags(0, 0, ICANON | ECHO);
	assert_int_equal(n_tty_input(&n, big, sizeof(big)), N_TTY_SIZE - 1);
	assert_int_equal(n_tty_input(&n, big, 1), 0);
	assert_true(n_tty_readable(&n, 255));
	assert_int_equal(n_tty_read(&n, big, 10), 10);
	assert_int_equal(n_tty_input(&n, big, 100), 10);
}

static void what_was_typed_survives_a_change_of_mode(void **state)
{
	(void)state;
	type("part");
	flags(0, 0, ICANON);
	assert_true(n_tty_readable(&n, 4));
	assert_false(n_tty_readable(&n, 5));
	flags(0, 0, ICANON);
	readers("part");
	assert_false(n_tty_readable(&n, 1));
}

/* Any bytes under any attributes, in any order. */
static void nothing_leaves_its_bounds(void **state)
{
	static uint8_t buf[N_TTY_SIZE * 2];

	(void)state;
	srand(7);
	for (int i = 0; i < 20000; i++) {
		size_t len = (size_t)rand() % (rand() % 50 ? 64 : sizeof(buf));
		struct tty_attr a = n.attr;

		for (size_t k = 0; k < len; k++)
			buf[k] = (uint8_t)(rand() % 4 ? rand() % 40 : rand());
		switch (rand() % 6) {
		case 0:
			a.iflag = (uint32_t)rand();
			a.oflag = (uint32_t)rand();
			a.lflag = (uint32_t)rand();
			if (rand() % 2)
				a.cc[rand() % 19] = (uint8_t)rand();
			n_tty_set_attr(&n, &a);
			break;
		case 1:
			assert_true(n_tty_output(&n, buf, len) <= len);
			break;
		case 2:
			if (n_tty_readable(&n, 1))
				assert_true(n_tty_read(&n, buf, len ? len : 1) <= (len ? len : 1));
			break;
		case 3:
			ring_read(&out, buf, len);
			n_tty_drain(&n);
			break;
		case 4:
			if (rand() % 8 == 0)
				n_tty_flush_input(&n);
			if (rand() % 8 == 0)
				n_tty_flush_output(&n);
			if (rand() % 2)
				n_tty_stop(&n, rand() % 2);
			else
				n_tty_start(&n, rand() % 2);
			break;
		default:
			assert_true(n_tty_input(&n, buf, len) <= len);
		}
		assert_true(n.head - n.tail <= N_TTY_SIZE);
		assert_true(n.canon - n.tail <= n.head - n.tail);
		assert_true(ring_used(&out) <= OUT_SIZE);
		assert_true(ring_used(&n.echo) <= N_TTY_SIZE);
		assert_true(n_tty_pending(&n) <= N_TTY_SIZE);
	}
}

#define T(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_line_is_read_when_it_ends),
		T(the_line_is_edited),
		T(an_end_of_file_is_a_read_of_nothing),
		T(keys_are_signals),
		T(a_signal_flushes_output),
		T(output_stops_and_goes_on),
		T(output_waits_for_room),
		T(a_full_line_can_still_end),
		T(raw_input_is_bounded),
		T(what_was_typed_survives_a_change_of_mode),
		T(nothing_leaves_its_bounds),
	};

	return cmocka_run_group_tests_name("linux_n_tty", tests, NULL, NULL);
}
