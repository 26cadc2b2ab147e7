// The line discipline's input: editing, echoes, line ends, mappings; byte for byte as Linux has it.
#include "pty.h"

static int m, s;

/* Types keys and shows what is echoed and what can be read then. */
static void keys(const char *what, const char *text, size_t len)
{
	char buf[1024], label[64];
	int n = -1;

	CHECK_EQ(write(m, text, len), (ssize_t)len);
	await_typed(s);
	snprintf(label, sizeof(label), "%s: echo", what);
	show_bytes(label, buf, read_master(m, buf, sizeof(buf), 0));
	CHECK_EQ(ioctl(s, FIONREAD, &n), 0);
	say("  FIONREAD %d\n", n);
	while (has_events(s, POLLIN, 0)) {
		ssize_t got = read(s, buf, sizeof(buf));

		show_bytes("  read", buf, got);
	}
}
#define KEYS(what, text) keys(what, text, sizeof(text) - 1)

static void fresh(tcflag_t iflag_off, tcflag_t iflag_on, tcflag_t lflag_off, tcflag_t lflag_on)
{
	struct termios a;

	fresh_pair(&m, &s);
	get_attr(s, &a);
	a.c_iflag = (a.c_iflag & ~iflag_off) | iflag_on;
	a.c_lflag = (a.c_lflag & ~lflag_off) | lflag_on;
	set_attr(s, &a);
	CHECK_EQ(fcntl(s, F_SETFL, O_NONBLOCK | O_RDWR), 0);
}

static void set_key(int index, int c)
{
	struct termios a;

	get_attr(s, &a);
	a.c_cc[index] = (cc_t)c;
	set_attr(s, &a);
}

static void editing(void)
{
	fresh(0, 0, 0, 0);
	KEYS("line", "hello\n");
	KEYS("two", "one\rtwo\n");
	KEYS("erase", "abc\177\177x\n");
	KEYS("erase nothing", "\177\177\n");
	KEYS("erase control", "a\001b\177\177c\n");
	KEYS("erase tab", "ab\tc\177\177d\n");
	KEYS("erase tabs", "\t\t\177\177e\n");
	KEYS("erase tab after control", "\001\t\177f\n");
	KEYS("kill", "some words\025rest\n");
	KEYS("werase", "some  words_1, here \027\027x\n");
	KEYS("lnext", "a\026\003\026\026\026\177\026\n!\n");
	KEYS("reprint", "ab\001c\022d\n");
	KEYS("eof", "abc\004");
	KEYS("eof alone", "\004");
	KEYS("two eofs", "x\004\004y\n");
	KEYS("controls", "\001\033[A\007\n");
	KEYS("discard", "a\017b\n");
	KEYS("zero", "a\0b\n");
	KEYS("high", "\200\377\n");
	KEYS("partial", "no end");
	KEYS("end of it", "\n");
	/* echoes after output that moved the cursor */
	CHECK_EQ(write(s, "prompt> ", 8), 8);
	KEYS("tab behind a prompt", "a\tb\177\177c\n");
}

static void echo_flags(void)
{
	fresh(0, 0, ECHO, 0);
	KEYS("no echo", "abc\177\025de\n");
	fresh(0, 0, ECHO, ECHONL);
	KEYS("echonl", "abc\n");
	fresh(0, 0, ECHOE, 0);
	KEYS("no echoe", "abc\177\177\025de\n");
	fresh(0, 0, ECHOK | ECHOKE, 0);
	KEYS("no echok, no echoke", "abc\025de\n");
	fresh(0, 0, ECHOKE, 0);
	KEYS("no echoke", "abc\025de\n");
	fresh(0, 0, ECHOCTL, 0);
	KEYS("no echoctl", "a\001b\177\177c\t\177\n");
	fresh(0, 0, 0, ECHOPRT);
	KEYS("echoprt", "abcd\177\177x\177\177\177\025\n");
	fresh(0, 0, IEXTEN, 0);
	KEYS("no iexten", "a b\027\026\022c\n");
}

static void mappings(void)
{
	fresh(ICRNL, 0, 0, 0);
	KEYS("no icrnl", "a\rb\n");
	fresh(ICRNL, INLCR, 0, 0);
	KEYS("inlcr", "a\nb\r\004");
	fresh(0, IGNCR, 0, 0);
	KEYS("igncr", "a\r\nb\n");
	fresh(0, ISTRIP, 0, 0);
	KEYS("istrip", "\341\342\212");
	fresh(0, IUCLC, 0, 0);
	KEYS("iuclc", "ABC\n");
	fresh(0, PARMRK, 0, 0);
	KEYS("parmrk", "a\377b\n");
	fresh(0, 0, 0, 0);
	KEYS("no iutf8", "\303\244\342\202\254\177\177x\n");
	fresh(0, IUTF8, 0, 0);
	KEYS("iutf8", "\303\244\342\202\254\177\177x\n");
	KEYS("iutf8 werase", "a \303\244b\027c\n");
	KEYS("iutf8 kill", "a\303\244b\025c\n");
	KEYS("iutf8 stray", "\244\177a\n");
	fresh(0, IUTF8, 0, ECHOPRT);
	KEYS("iutf8 echoprt", "a\303\244\177\177\n");
}

static void own_keys(void)
{
	fresh(0, 0, 0, 0);
	set_key(VEOL, ';');
	set_key(VEOL2, ':');
	KEYS("eol", "a;b:c\n");
	set_key(VERASE, '#');
	set_key(VKILL, '@');
	KEYS("old keys", "ab#c@d\177\n");
	set_key(VEOF, 'q');
	KEYS("eof q", "abq");
	set_key(VEOF, 0);
	KEYS("no eof", "a\004\n");
	set_key(VERASE, 0);
	KEYS("no erase", "a#\n");
}

static void raw(void)
{
	fresh(0, 0, ICANON, 0);
	KEYS("raw with echo", "a\177\025\n\r\004\001b");
	fresh(ICRNL, INLCR, ICANON, 0);
	KEYS("raw with inlcr", "a\nb\r");
	fresh(0, 0, ICANON | ECHO | ISIG, 0);
	KEYS("raw", "a\003\032\034\n\r");
	fresh(IXON, 0, ICANON | ECHO, 0);
	KEYS("no ixon", "\021\023x");
	fresh(ICRNL | IXON, 0, ICANON | ECHO | ISIG | IEXTEN, 0);
	KEYS("all off", "\0\001\003\021\023\026\032\r\n\177\377");
	fresh(0, 0, 0, EXTPROC);
	KEYS("extproc", "ab\003\177c");
}

/* What was typed in one mode is read in the other. */
static void mode_change(void)
{
	char buf[64];

	fresh(0, 0, ECHO, 0);
	type_keys(m, "part");
	CHECK_ERR(read(s, buf, sizeof(buf)), EAGAIN);
	await_typed(s);
	set_local(s, ICANON, 0);
	show_bytes("to raw", buf, read(s, buf, sizeof(buf)));
	type_keys(m, "word");
	CHECK(has_events(s, POLLIN, 60000));
	await_typed(s);
	set_local(s, 0, ICANON);
	show_bytes("to lines", buf, read(s, buf, 2));
	show_bytes("to lines", buf, read(s, buf, sizeof(buf)));
	CHECK_ERR(read(s, buf, sizeof(buf)), EAGAIN);
	type_keys(m, "more\nline");
	CHECK(has_events(s, POLLIN, 60000));
	show_bytes("lines", buf, read(s, buf, sizeof(buf)));
	CHECK_ERR(read(s, buf, sizeof(buf)), EAGAIN);
}

/* Short reads, and an EOF right behind what fills the buffer. */
static void short_reads(void)
{
	char buf[64];

	fresh(0, 0, ECHO, 0);
	type_keys(m, "abcdef\n");
	CHECK(has_events(s, POLLIN, 60000));
	show_bytes("short", buf, read(s, buf, 4));
	show_bytes("rest", buf, read(s, buf, 4));
	type_keys(m, "abc\004");
	CHECK(has_events(s, POLLIN, 60000));
	show_bytes("exact", buf, read(s, buf, 3));
	CHECK_ERR(read(s, buf, 3), EAGAIN);
	type_keys(m, "abc\004\004");
	CHECK(has_events(s, POLLIN, 60000));
	await_typed(s);
	show_bytes("exact", buf, read(s, buf, 3));
	show_bytes("eof", buf, read(s, buf, 3));
	CHECK_ERR(read(s, buf, 3), EAGAIN);
}

/* A line that is too long ends all the same, and ^U works on it. */
static void long_lines(void)
{
	static char big[6000], got[8192];
	ssize_t n;

	fresh(0, 0, ECHO, 0);
	memset(big, 'x', sizeof(big));
	CHECK_EQ(write(m, big, 5000), 5000);
	CHECK_ERR(read(s, got, sizeof(got)), EAGAIN);
	type_keys(m, "\n");
	CHECK(has_events(s, POLLIN, 60000));
	n = read(s, got, sizeof(got));
	say("long line %zd, ends in newline %d\n", n, got[n - 1] == '\n');
	CHECK_EQ(write(m, big, 5000), 5000);
	type_keys(m, "\025short\n");
	CHECK(has_events(s, POLLIN, 60000));
	show_bytes("after kill", got, read(s, got, sizeof(got)));
}

int main(void)
{
	leave_session();
	editing();
	echo_flags();
	mappings();
	own_keys();
	raw();
	mode_change();
	short_reads();
	long_lines();
	return 0;
}
