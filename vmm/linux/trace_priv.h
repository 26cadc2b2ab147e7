/*
 * --strace's inside: a bounded text buffer, the formatters of values (trace_args.c) and of names
 * (trace_names.c).
 *
 * No state. A text that is full stays so; nothing is written past its end.
 */
#ifndef VMBOX_LINUX_TRACE_PRIV_H
#define VMBOX_LINUX_TRACE_PRIV_H

#include "task.h"

#define TRACE_TEXT 3072
#define TRACE_STR  32 /* bytes of a string or buffer that are shown, as strace */

struct text {
	size_t len;
	char buf[TRACE_TEXT];
};

void text_add(struct text *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct trace_name {
	uint64_t value;
	const char *name;
};
/* The name of value, or the number in hex. */
void text_name(struct text *x, const struct trace_name *names, size_t n, uint64_t value);
/* Names of bits joined by |, the rest in hex; zero is `none`. */
void text_flags(struct text *x, const struct trace_name *names, size_t n, uint64_t value,
		const char *none);

void text_signal(struct text *x, int sig);
void text_sigset(struct text *x, uint64_t set);
void text_errno(struct text *x, int err);
void text_wait_status(struct text *x, int status);
/* {si_signo=..., ...} */
void text_siginfo(struct text *x, int sig, const struct siginfo_k *info);
/* len bytes in quotes, escaped as strace does; cut: ... follows. */
void text_bytes(struct text *x, const void *bytes, size_t len, bool cut);
/* no_mode: only the flags, not O_RDONLY and so on. */
void text_open_flags(struct text *x, unsigned flags, bool no_mode);

/* Argument i and those after it mean nothing in this call, and are not shown. */
bool trace_word_skipped(const struct call *c, unsigned i, const char *word, size_t len);
/*
 * The word of one argument, from syscalls.def's trace string; a number that names nothing prints as
 * hex. True: it is formatted when the call ends (its contents are a result).
 */
bool trace_word_is_out(const char *word, size_t len);
/* Formats argument i: in-words when the call begins, out-words with its result r when it ends. */
void trace_arg(struct text *x, struct task *t, const struct call *c, unsigned i, const char *word,
	       size_t len, long r);
/* poll's results after the "=": " ([{fd=...}])". */
void trace_poll_result(struct text *x, struct task *t, const struct call *c);
void trace_clone_args(struct text *x, const struct call *c);

/* ---- trace_names.c: tables for words that name a value, or a set of bits ---- */
/* False: no such word. */
bool trace_named_word(struct text *x, const char *word, size_t len, uint64_t value);

#endif
