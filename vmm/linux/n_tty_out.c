/*
 * The line discipline's way out: output processing, the cursor's column, echoes.
 *
 * An echo is processed when it is made, and then waits in a ring of its own: what is written later
 * comes after it, so the column is right in either case.
 */
#include "n_tty.h"

#include <string.h>
#include <termios.h>

#define TAB_WIDTH 8

size_t ring_write(struct tty_ring *r, const uint8_t *buf, size_t len)
{
	size_t n = len < ring_room(r) ? len : ring_room(r), at = r->head & (r->size - 1),
	       first = r->size - at < n ? r->size - at : n;

	memcpy(r->buf + at, buf, first);
	memcpy(r->buf, buf + first, n - first);
	r->head += (uint32_t)n;
	return n;
}

size_t ring_read(struct tty_ring *r, uint8_t *buf, size_t len)
{
	size_t n = len < ring_used(r) ? len : ring_used(r), at = r->tail & (r->size - 1),
	       first = r->size - at < n ? r->size - at : n;

	memcpy(buf, r->buf + at, first);
	memcpy(buf + first, r->buf, n - first);
	r->tail += (uint32_t)n;
	return n;
}

bool n_tty_continues(const struct n_tty *n, uint8_t c)
{
	return (n->attr.iflag & IUTF8) && (c & 0xc0) == 0x80;
}

static void put_many(struct tty_ring *r, const char *s, unsigned len)
{
	ring_write(r, (const uint8_t *)s, len);
}

static bool put_newline(struct n_tty *n, struct tty_ring *r)
{
	uint32_t oflag = n->attr.oflag;

	if (oflag & ONLCR) {
		if (ring_room(r) < 2)
			return false;
		put_many(r, "\r\n", 2);
		n->canon_column = n->column = 0;
		return true;
	}
	if (oflag & ONLRET)
		n->column = 0;
	n->canon_column = n->column;
	ring_put(r, '\n');
	return true;
}

static void put_return(struct n_tty *n, struct tty_ring *r)
{
	uint32_t oflag = n->attr.oflag;

	if ((oflag & ONOCR) && !n->column)
		return;
	if (oflag & OCRNL) {
		if (oflag & ONLRET)
			n->canon_column = n->column = 0;
		ring_put(r, '\n');
		return;
	}
	n->canon_column = n->column = 0;
	ring_put(r, '\r');
}

static bool put_tab(struct n_tty *n, struct tty_ring *r)
{
	unsigned spaces = TAB_WIDTH - n->column % TAB_WIDTH;

	if ((n->attr.oflag & TABDLY) == XTABS) {
		if (ring_room(r) < spaces)
			return false;
		put_many(r, "        ", spaces);
	} else {
		ring_put(r, '\t');
	}
	n->column += spaces;
	return true;
}

static uint8_t upper(uint8_t c)
{
	return c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c;
}

/* One byte with OPOST's processing into r. False: no room, and nothing has changed. */
static bool put_processed(struct n_tty *n, struct tty_ring *r, uint8_t c)
{
	if (!ring_room(r))
		return false;
	switch (c) {
	case '\n':
		return put_newline(n, r);
	case '\r':
		put_return(n, r);
		return true;
	case '\t':
		return put_tab(n, r);
	case '\b':
		if (n->column)
			n->column--;
		break;
	default:
		if (n_tty_iscntrl(c))
			break;
		if (n->attr.oflag & OLCUC)
			c = upper(c);
		if (!n_tty_continues(n, c))
			n->column++;
	}
	ring_put(r, c);
	return true;
}

void n_tty_drain(struct n_tty *n)
{
	while (!n->stopped && ring_used(&n->echo) && ring_room(n->out)) {
		uint8_t buf[256];
		size_t want = ring_room(n->out) < sizeof(buf) ? ring_room(n->out) : sizeof(buf);

		ring_write(n->out, buf, ring_read(&n->echo, buf, want));
	}
}

size_t n_tty_output(struct n_tty *n, const uint8_t *buf, size_t len)
{
	size_t done = 0;

	n_tty_drain(n);
	if (n->stopped || ring_used(&n->echo))
		return 0;
	if (!(n->attr.oflag & OPOST))
		return ring_write(n->out, buf, len);
	while (done < len && put_processed(n, n->out, buf[done]))
		done++;
	return done;
}

/* ---- echoes: what finds no room is lost ---- */

void n_tty_echo_raw(struct n_tty *n, uint8_t c)
{
	if (n->attr.oflag & OPOST)
		put_processed(n, &n->echo, c);
	else if (ring_room(&n->echo))
		ring_put(&n->echo, c);
}

void n_tty_echo(struct n_tty *n, uint8_t c)
{
	if (!(n->attr.lflag & ECHOCTL) || !n_tty_iscntrl(c) || c == '\t') {
		n_tty_echo_raw(n, c);
		return;
	}
	if (ring_room(&n->echo) < 2)
		return;
	ring_put(&n->echo, '^');
	ring_put(&n->echo, c ^ 0x40);
	n->column += 2;
}

void n_tty_echo_untab(struct n_tty *n, unsigned columns)
{
	for (; columns && ring_room(&n->echo); columns--) {
		ring_put(&n->echo, '\b');
		if (n->column)
			n->column--;
	}
}
