/*
 * The line discipline's way in: editing, keys with a meaning, lines and their readers.
 */
#include "n_tty.h"
#include "signal.h"

#include <signal.h>
#include <string.h>
#include <termios.h>

#define MASK (N_TTY_SIZE - 1)

static uint8_t at(const struct n_tty *n, uint32_t i)
{
	return n->in[i & MASK];
}

static bool ends_line(const struct n_tty *n, uint32_t i)
{
	return n->delim[(i & MASK) / 8] >> (i % 8) & 1;
}

static void set_delim(struct n_tty *n, uint32_t i, bool on)
{
	uint8_t bit = (uint8_t)(1U << (i % 8)), *b = &n->delim[(i & MASK) / 8];

	*b = on ? *b | bit : *b & (uint8_t)~bit;
}

static bool iflag(const struct n_tty *n, uint32_t bit)
{
	return n->attr.iflag & bit;
}

static bool lflag(const struct n_tty *n, uint32_t bit)
{
	return n->attr.lflag & bit;
}

/* c is the key of that index; 0 in the table means that there is none. */
static bool is_key(const struct n_tty *n, unsigned index, uint8_t c)
{
	return c && n->attr.cc[index] == c;
}

bool n_tty_canonical(const struct n_tty *n)
{
	return lflag(n, ICANON) && !lflag(n, EXTPROC);
}

static void put(struct n_tty *n, uint8_t c)
{
	/* The last byte of a line that is too long is replaced, so that its end finds room. */
	if (n->head - n->tail == N_TTY_SIZE)
		n->head--;
	set_delim(n, n->head, false);
	n->in[n->head++ & MASK] = c;
}

/* ---- flow control and flushes ---- */

void n_tty_stop(struct n_tty *n, bool tco)
{
	if (tco)
		n->tco_stopped = true;
	if (n->stopped)
		return;
	n->stopped = true;
	n->events = (n->events & ~(unsigned)N_TTY_START) | N_TTY_STOP;
}

void n_tty_start(struct n_tty *n, bool tco)
{
	if (tco != n->tco_stopped || !n->stopped)
		return;
	n->tco_stopped = n->stopped = false;
	n->events = (n->events & ~(unsigned)N_TTY_STOP) | N_TTY_START;
	n_tty_drain(n);
}

void n_tty_flush_input(struct n_tty *n)
{
	n->tail = n->canon = n->head;
	n->erasing = false;
	memset(n->delim, 0, sizeof(n->delim));
	n->events |= N_TTY_FLUSHREAD;
}

void n_tty_flush_output(struct n_tty *n)
{
	if (ring_used(n->out) > n->out_keep)
		n->out->head = n->out->tail + n->out_keep;
	n->events |= N_TTY_FLUSHWRITE;
}

/* ---- erasing ---- */

static bool in_word(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '_' || (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}

static void finish_erasing(struct n_tty *n)
{
	if (n->erasing)
		n_tty_echo_raw(n, '/');
	n->erasing = false;
}

static void rub_out(struct n_tty *n)
{
	n_tty_echo_raw(n, '\b');
	n_tty_echo_raw(n, ' ');
	n_tty_echo_raw(n, '\b');
}

/* How far a tab had moved the cursor, from what is left of the line before it. */
static unsigned tab_columns(const struct n_tty *n)
{
	unsigned columns = 0;
	uint32_t i = n->head;

	while (i != n->canon) {
		uint8_t c = at(n, --i);

		if (c == '\t')
			return 8 - columns % 8;
		if (n_tty_iscntrl(c))
			columns += lflag(n, ECHOCTL) ? 2 : 0;
		else if (!n_tty_continues(n, c))
			columns++;
	}
	return 8 - (columns + n->canon_column) % 8;
}

/* The character [n->head, end) has been taken off the line. by_erase: by the ERASE key. */
static void echo_erased(struct n_tty *n, uint32_t end, bool by_erase)
{
	uint8_t c = at(n, n->head);

	if (lflag(n, ECHOPRT)) {
		if (!n->erasing)
			n_tty_echo_raw(n, '\\');
		n->erasing = true;
		n_tty_echo(n, c);
		for (uint32_t i = n->head + 1; i != end; i++) {
			unsigned column = n->column;

			n_tty_echo_raw(n, at(n, i));
			n->column = column;
		}
	} else if (by_erase && !lflag(n, ECHOE)) {
		n_tty_echo(n, n->attr.cc[VERASE]);
	} else if (c == '\t') {
		n_tty_echo_untab(n, tab_columns(n));
	} else if (!n_tty_iscntrl(c)) {
		rub_out(n);
	} else if (lflag(n, ECHOCTL)) {
		rub_out(n);
		rub_out(n);
	}
}

/* Where the line's last character begins; the line's end: it is half a character, which stays. */
static uint32_t last_char(const struct n_tty *n)
{
	uint32_t i = n->head;

	do
		i--;
	while (n_tty_continues(n, at(n, i)) && i != n->canon);
	return n_tty_continues(n, at(n, i)) ? n->head : i;
}

/* KILL where the whole line is not to be rubbed out. */
static void kill_line(struct n_tty *n, uint8_t c)
{
	n->head = n->canon;
	if (!lflag(n, ECHO))
		return;
	finish_erasing(n);
	n_tty_echo(n, c);
	if (lflag(n, ECHOK))
		n_tty_echo_raw(n, '\n');
}

static void erase(struct n_tty *n, uint8_t c)
{
	bool one = is_key(n, VERASE, c), word = !one && is_key(n, VWERASE, c), seen = false;

	if (n->head == n->canon)
		return;
	if (!one && !word && (~n->attr.lflag & (ECHO | ECHOK | ECHOKE | ECHOE))) {
		kill_line(n, c);
		return;
	}
	while (n->head != n->canon) {
		uint32_t start = last_char(n), end = n->head;

		if (start == end)
			break;
		if (word) {
			if (in_word(at(n, start)))
				seen = true;
			else if (seen)
				break;
		}
		n->head = start;
		if (lflag(n, ECHO))
			echo_erased(n, end, one);
		if (one)
			break;
	}
	if (n->head == n->canon && lflag(n, ECHO))
		finish_erasing(n);
}

/* ---- typed bytes ---- */

/* An ordinary byte, or one that was quoted. newline: it stands for the end of a line. */
static void insert(struct n_tty *n, uint8_t c, bool newline)
{
	if (lflag(n, ECHO)) {
		finish_erasing(n);
		if (n->canon == n->head)
			n->canon_column = n->column;
		if (newline)
			n_tty_echo_raw(n, c);
		else
			n_tty_echo(n, c);
	}
	if (c == 0xff && iflag(n, PARMRK))
		put(n, c);
	put(n, c);
}

static void end_line(struct n_tty *n, uint8_t c)
{
	put(n, c);
	set_delim(n, n->head - 1, true);
	n->canon = n->head;
}

static void signal_key(struct n_tty *n, int sig, uint8_t c)
{
	n->signals |= SIGMASK(sig);
	if (!lflag(n, NOFLSH)) {
		n->echo.tail = n->echo.head;
		n_tty_flush_output(n);
		n_tty_flush_input(n);
	}
	if (iflag(n, IXON))
		n_tty_start(n, false);
	if (lflag(n, ECHO))
		n_tty_echo(n, c);
}

/* Keys that work in every mode. True: that was one. */
static bool control_key(struct n_tty *n, uint8_t c)
{
	static const struct {
		uint8_t key, sig;
	} keys[] = {{VINTR, SIGINT}, {VQUIT, SIGQUIT}, {VSUSP, SIGTSTP}};

	if (iflag(n, IXON) && is_key(n, VSTART, c)) {
		n_tty_start(n, false);
		return true;
	}
	if (iflag(n, IXON) && is_key(n, VSTOP, c)) {
		n_tty_stop(n, false);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys) && lflag(n, ISIG); i++)
		if (is_key(n, keys[i].key, c)) {
			signal_key(n, keys[i].sig, c);
			return true;
		}
	return false;
}

static void reprint(struct n_tty *n, uint8_t c)
{
	finish_erasing(n);
	n_tty_echo(n, c);
	n_tty_echo_raw(n, '\n');
	for (uint32_t i = n->canon; i != n->head; i++)
		n_tty_echo(n, at(n, i));
}

static void quote_next(struct n_tty *n)
{
	n->lnext = true;
	if (!lflag(n, ECHO))
		return;
	finish_erasing(n);
	if (lflag(n, ECHOCTL)) {
		n_tty_echo_raw(n, '^');
		n_tty_echo_raw(n, '\b');
	}
}

/* Keys that edit or end a line. True: that was one. */
static bool line_key(struct n_tty *n, uint8_t c)
{
	bool more = lflag(n, IEXTEN);

	if (is_key(n, VERASE, c) || is_key(n, VKILL, c) || (more && is_key(n, VWERASE, c))) {
		erase(n, c);
	} else if (more && is_key(n, VLNEXT, c)) {
		quote_next(n);
	} else if (more && lflag(n, ECHO) && is_key(n, VREPRINT, c)) {
		reprint(n, c);
	} else if (c == '\n') {
		if (lflag(n, ECHO | ECHONL))
			n_tty_echo_raw(n, c);
		end_line(n, c);
	} else if (is_key(n, VEOF, c)) {
		end_line(n, 0);
	} else if (is_key(n, VEOL, c) || (more && is_key(n, VEOL2, c))) {
		if (lflag(n, ECHO)) {
			if (n->canon == n->head)
				n->canon_column = n->column;
			n_tty_echo(n, c);
		}
		if (c == 0xff && iflag(n, PARMRK))
			put(n, c);
		end_line(n, c);
	} else {
		return false;
	}
	return true;
}

static void input_byte(struct n_tty *n, uint8_t c)
{
	bool newline;

	if (iflag(n, ISTRIP))
		c &= 0x7f;
	if (iflag(n, IUCLC) && lflag(n, IEXTEN) && c >= 'A' && c <= 'Z')
		c = (uint8_t)(c - 'A' + 'a');
	if (lflag(n, EXTPROC)) {
		put(n, c);
		return;
	}
	if (n->lnext) {
		n->lnext = false;
		insert(n, c, false);
		return;
	}
	if (control_key(n, c))
		return;
	if (iflag(n, IXON) && iflag(n, IXANY))
		n_tty_start(n, false);
	newline = c == '\r' && iflag(n, ICRNL);
	if (c == '\r') {
		if (iflag(n, IGNCR))
			return;
		if (iflag(n, ICRNL))
			c = '\n';
	} else if (c == '\n' && iflag(n, INLCR)) {
		c = '\r';
	}
	if (!lflag(n, ICANON) || !line_key(n, c))
		insert(n, c, newline);
}

/* A byte may be taken now; PARMRK may make two of it. */
static bool has_room(const struct n_tty *n)
{
	uint32_t room = N_TTY_SIZE - (n->head - n->tail);

	if (room > (iflag(n, PARMRK) ? 3U : 1U))
		return true;
	/* A line that nobody can read yet goes on being edited. */
	return lflag(n, ICANON) && n->canon == n->tail;
}

size_t n_tty_input(struct n_tty *n, const uint8_t *buf, size_t len)
{
	size_t done = 0;

	while (done < len && has_room(n))
		input_byte(n, buf[done++]);
	n_tty_drain(n);
	return done;
}

/* ---- reading ---- */

bool n_tty_readable(const struct n_tty *n, unsigned min)
{
	if (n_tty_canonical(n))
		return n->canon != n->tail;
	return n->head - n->tail >= (min ? min : 1);
}

static size_t read_line(struct n_tty *n, uint8_t *buf, size_t len)
{
	size_t done = 0;

	while (done < len && n->tail != n->canon) {
		uint8_t c = at(n, n->tail);
		bool end = ends_line(n, n->tail);

		set_delim(n, n->tail++, false);
		if (!end || c)
			buf[done++] = c;
		if (end)
			return done;
	}
	/* An EOF behind what fills the buffer only ended the line. */
	if (done && n->tail != n->canon && ends_line(n, n->tail) && !at(n, n->tail))
		set_delim(n, n->tail++, false);
	return done;
}

size_t n_tty_read(struct n_tty *n, uint8_t *buf, size_t len)
{
	size_t done = 0;

	if (n_tty_canonical(n))
		return read_line(n, buf, len);
	while (done < len && n->tail != n->head) {
		set_delim(n, n->tail, false);
		buf[done++] = at(n, n->tail++);
	}
	if ((int32_t)(n->canon - n->tail) < 0)
		n->canon = n->tail;
	return done;
}

unsigned n_tty_pending(const struct n_tty *n)
{
	unsigned count = n->canon - n->tail;

	if (!n_tty_canonical(n))
		return n->head - n->tail;
	for (uint32_t i = n->tail; i != n->canon; i++)
		if (ends_line(n, i) && !at(n, i))
			count--;
	return count;
}

/* ---- attributes ---- */

void n_tty_set_attr(struct n_tty *n, const struct tty_attr *a)
{
	uint32_t changed = n->attr.lflag ^ a->lflag, old_iflag = n->attr.iflag;

	n->attr = *a;
	if (changed & (ICANON | EXTPROC)) {
		memset(n->delim, 0, sizeof(n->delim));
		n->canon = n->tail;
		/* What was typed before lines counted is one. */
		if (lflag(n, ICANON) && n->head != n->tail) {
			set_delim(n, n->head - 1, true);
			n->canon = n->head;
		}
		n->erasing = n->lnext = false;
	}
	if ((old_iflag & IXON) && !iflag(n, IXON))
		n_tty_start(n, false);
}

void n_tty_init(struct n_tty *n, struct tty_ring *out, uint32_t out_keep)
{
	static const uint8_t keys[] = {
		[VINTR] = 3,   [VQUIT] = 28, [VERASE] = 127,  [VKILL] = 21,    [VEOF] = 4,
		[VTIME] = 0,   [VMIN] = 1,   [VSWTC] = 0,     [VSTART] = 17,   [VSTOP] = 19,
		[VSUSP] = 26,  [VEOL] = 0,   [VREPRINT] = 18, [VDISCARD] = 15, [VWERASE] = 23,
		[VLNEXT] = 22, [VEOL2] = 0,
	};
	struct tty_attr *a = &n->attr;

	n->out = out;
	n->out_keep = out_keep;
	n->echo = (struct tty_ring){.buf = n->echo_buf, .size = sizeof(n->echo_buf)};
	a->iflag = ICRNL | IXON;
	a->oflag = OPOST | ONLCR;
	a->cflag = B38400 | CS8 | CREAD;
	a->lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
	a->ispeed = a->ospeed = 38400;
	memcpy(a->cc, keys, sizeof(keys));
}
