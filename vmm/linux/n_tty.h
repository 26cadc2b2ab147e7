/*
 * The line discipline of terminals, Linux's N_TTY: what becomes of typed bytes on their way to a
 * reader, and of written ones on their way to the screen. termios(3).
 *
 * One per pseudo-terminal, for its slave. Plain data and arithmetic: it knows no files, tasks or
 * signals. Everything here is protected by the lock of who embeds it. What others have to be told
 * (signals of keys, flow control, flushes) is collected in `signals` and `events`, which that one
 * takes and clears.
 */
#ifndef VMBOX_LINUX_N_TTY_H
#define VMBOX_LINUX_N_TTY_H

#include "tty.h"

#define N_TTY_SIZE 4096

/* A ring of bytes. head and tail run on; size is a power of two. */
struct tty_ring {
	uint8_t *buf;
	uint32_t size, head, tail;
};

static inline uint32_t ring_used(const struct tty_ring *r)
{
	return r->head - r->tail;
}

static inline uint32_t ring_room(const struct tty_ring *r)
{
	return r->size - ring_used(r);
}

static inline void ring_put(struct tty_ring *r, uint8_t c)
{
	r->buf[r->head++ & (r->size - 1)] = c;
}

/* As much as there is room for, or as there is: how many bytes. */
size_t ring_write(struct tty_ring *r, const uint8_t *buf, size_t len);
size_t ring_read(struct tty_ring *r, uint8_t *buf, size_t len);

/* events: what a master in packet mode is told. TIOCPKT's bits: ioctl_tty(2). */
#define N_TTY_FLUSHREAD  0x01
#define N_TTY_FLUSHWRITE 0x02
#define N_TTY_STOP       0x04
#define N_TTY_START      0x08

struct n_tty {
	struct tty_attr attr;
	struct tty_ring *out; /* the screen's side; borrowed */
	uint32_t out_keep;    /* so much of it is beyond reach: a flush of output leaves it */
	/* What was typed: [tail, canon) are complete lines, [canon, head) the one being edited, or,
	 * without ICANON, all of [tail, head) may be read. */
	uint32_t head, canon, tail;
	uint8_t in[N_TTY_SIZE];
	uint8_t delim[N_TTY_SIZE / 8]; /* which bytes of it end a line; a 0 that does is an EOF */
	/* Echoes that the screen's side had no room for, or that wait for the output to go on. */
	struct tty_ring echo;
	uint8_t echo_buf[N_TTY_SIZE];
	unsigned column, canon_column; /* of the cursor; where the line being edited began */
	bool lnext;                    /* the next byte is literal */
	bool erasing;                  /* ECHOPRT: between \ and / */
	bool stopped;                  /* by the STOP key or TCOOFF: no output */
	bool tco_stopped;              /* by TCOOFF */
	uint64_t signals;              /* SIGMASK()s for the foreground group */
	unsigned events;               /* N_TTY_* */
};

/* A new terminal's: "sane". n is zeroed. */
void n_tty_init(struct n_tty *n, struct tty_ring *out, uint32_t out_keep);
/* Takes new attributes; what has been typed stays. */
void n_tty_set_attr(struct n_tty *n, const struct tty_attr *a);
/* Bytes arrive from the keyboard's side: how many are taken. The rest waits for room. */
size_t n_tty_input(struct n_tty *n, const uint8_t *buf, size_t len);
/* Bytes are written for the screen: how many are taken, with pending echoes before them. */
size_t n_tty_output(struct n_tty *n, const uint8_t *buf, size_t len);
/* The screen's side may have room again: goes on with the echoes. */
void n_tty_drain(struct n_tty *n);
/* A reader would find something; without ICANON at least min bytes. */
bool n_tty_readable(const struct n_tty *n, unsigned min);
/* Lines are read one at a time. */
bool n_tty_canonical(const struct n_tty *n);
/* Up to len bytes, of one line with ICANON. 0: an end of file. Call if it is readable. */
size_t n_tty_read(struct n_tty *n, uint8_t *buf, size_t len);
/* What FIONREAD says. */
unsigned n_tty_pending(const struct n_tty *n);
/* Typed input, or what has been written and not been seen yet, is thrown away. */
void n_tty_flush_input(struct n_tty *n);
void n_tty_flush_output(struct n_tty *n);
/* Output stops or goes on: by the keys, or (tco) by TCXONC, whose stop the keys do not end. */
void n_tty_stop(struct n_tty *n, bool tco);
void n_tty_start(struct n_tty *n, bool tco);

/* ---- inside: n_tty.c, n_tty_out.c ---- */

/* Of the characters that the C locale knows, and Linux's Latin 1. */
static inline bool n_tty_iscntrl(uint8_t c)
{
	return c < 32 || c == 127;
}
bool n_tty_continues(const struct n_tty *n, uint8_t c); /* inside a character of UTF-8 */
/* Echoes: as it is; or as ^X if it is a control character and ECHOCTL is on. */
void n_tty_echo_raw(struct n_tty *n, uint8_t c);
void n_tty_echo(struct n_tty *n, uint8_t c);
/* The cursor goes back to where a tab began. */
void n_tty_echo_untab(struct n_tty *n, unsigned columns);

#endif
