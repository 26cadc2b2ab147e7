/*
 * --strace: lines.
 */
#include "trace.h"
#include "syscalls.h"
#include "trace_priv.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESULT_COLUMN 40  /* of the "=" */
#define RESULT_ROOM   512 /* kept for it in a long line */

struct trace {
	int fd;
};

/* A call whose in-arguments are known. */
struct trace_line {
	unsigned nargs;
	bool decoded;  /* word by word; else the text is all */
	size_t end[6]; /* argument i's text ends here and begins at the previous one's end */
	struct text in;
};

struct trace *trace_create(int fd)
{
	struct trace *tr = calloc(1, sizeof(*tr));

	if (tr)
		tr->fd = fd;
	return tr;
}

void trace_destroy(struct trace *tr)
{
	free(tr);
}

void text_add(struct text *x, const char *fmt, ...)
{
	size_t room = sizeof(x->buf) - x->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(x->buf + x->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		x->len += (size_t)n < room ? (size_t)n : room - 1;
}

/* One write: the kernel does not tear it, and other vCPUs' lines go before or after. */
static void emit(struct trace *tr, struct text *x)
{
	if (x->len >= sizeof(x->buf) - 1)
		x->len = sizeof(x->buf) - 2;
	x->buf[x->len++] = '\n';
	while (write(tr->fd, x->buf, x->len) < 0 && errno == EINTR)
		;
}

static void prefix(struct text *x, struct task *t)
{
	x->len = 0;
	if (registry_process_count(t->k->registry) > 1)
		text_add(x, "[pid %5u] ", t->tid);
}

/* ---- arguments ---- */

/* The i-th word of a comma-separated list: NULL: none. */
static const char *nth_word(const char *list, unsigned i, size_t *len)
{
	while (i--) {
		list = strchr(list, ',');
		if (!list)
			return NULL;
		list++;
	}
	*len = strcspn(list, ",");
	return *len ? list : NULL;
}

static void begin_known(struct task *t, struct call *c, struct trace_line *l)
{
	const struct syscall_desc *d = syscall_desc(c->row);

	l->nargs = d->nargs;
	l->decoded = true;
	for (unsigned i = 0; i < d->nargs; i++) {
		size_t len;
		const char *word = nth_word(d->trace, i, &len);

		if (word && trace_word_skipped(c, i, word, len)) {
			l->nargs = i;
			break;
		}
		if (!word)
			text_add(&l->in, "%#lx", c->args[i]);
		else if (!trace_word_is_out(word, len))
			trace_arg(&l->in, t, c, i, word, len, 0);
		l->end[i] = l->in.len;
	}
}

/* A call without a handler, whose arguments nobody decodes. */
static void begin_unknown(struct call *c, struct trace_line *l)
{
	l->nargs = 6;
	for (unsigned i = 0; i < 6; i++) {
		text_add(&l->in, "%#lx", c->args[i]);
		l->end[i] = l->in.len;
	}
}

void trace_call_begin(struct task *t, struct call *c)
{
	struct trace_line *l = malloc(sizeof(*l));

	trace_call_drop(c);
	if (!l)
		return;
	l->in.len = 0;
	l->decoded = false;
	l->in.buf[0] = '\0';
	if (c->row == ROW_clone) {
		trace_clone_args(&l->in, c);
		l->nargs = 1;
		l->end[0] = l->in.len;
	} else if (c->row >= 0 && syscall_desc(c->row)->fn) {
		begin_known(t, c, l);
	} else {
		begin_unknown(c, l);
	}
	c->trace = l;
}

void trace_call_drop(struct call *c)
{
	free(c->trace);
	c->trace = NULL;
}

static void add_args(struct text *x, struct task *t, struct call *c, const struct trace_line *l,
		     long r)
{
	size_t from = 0;

	for (unsigned i = 0; i < l->nargs; i++) {
		const char *word = NULL;
		size_t len = 0;

		if (i)
			text_add(x, ", ");
		text_add(x, "%.*s", (int)(l->end[i] - from), l->in.buf + from);
		if (l->decoded)
			word = nth_word(syscall_desc(c->row)->trace, i, &len);
		if (word && trace_word_is_out(word, len))
			trace_arg(x, t, c, i, word, len, r);
		from = l->end[i];
	}
}

/* ---- results ---- */

static bool is_fcntl(const struct call *c, uint64_t op)
{
	return c->row == ROW_fcntl && c->args[1] == op;
}

static void add_success(struct text *x, struct task *t, struct call *c, long r)
{
	switch (c->row) {
	case ROW_mmap:
	case ROW_mremap:
	case ROW_brk:
		text_add(x, "%#lx", (unsigned long)r);
		return;
	case ROW_umask:
		text_add(x, "%#03lo", (unsigned long)r);
		return;
	case ROW_poll:
	case ROW_ppoll:
		text_add(x, "%ld", r);
		if (r == 0)
			text_add(x, " (Timeout)");
		else
			trace_poll_result(x, t, c);
		return;
	case ROW_select:
	case ROW_pselect6:
		text_add(x, r ? "%ld" : "%ld (Timeout)", r);
		return;
	}
	if (is_fcntl(c, F_GETFL)) {
		text_add(x, "%#lx (flags ", (unsigned long)r);
		text_open_flags(x, (unsigned)r, false);
		text_add(x, ")");
	} else if (is_fcntl(c, F_GETFD) && r == FD_CLOEXEC) {
		text_add(x, "0x1 (flags FD_CLOEXEC)");
	} else {
		text_add(x, "%ld", r);
	}
}

static void add_result(struct text *x, struct task *t, struct call *c, long r)
{
	static const char *const restart[] = {
		[0] = "ERESTARTSYS (To be restarted if SA_RESTART is set)",
		[1] = "ERESTARTNOINTR (To be restarted)",
		[2] = "ERESTARTNOHAND (To be restarted if no handler)",
		[4] = "ERESTART_RESTARTBLOCK (Interrupted by signal)",
	};

	if (c->row == ROW_exit || c->row == ROW_exit_group || (c->row == ROW_rt_sigreturn && r < 0))
		text_add(x, "?");
	else if (-r >= ERESTARTSYS && -r <= ERESTART_RESTARTBLOCK && restart[-r - ERESTARTSYS])
		text_add(x, "? %s", restart[-r - ERESTARTSYS]);
	else if (r < 0 && r >= -4095)
		text_errno(x, (int)-r);
	else
		add_success(x, t, c, r);
}

static void add_call(struct text *x, struct task *t, struct call *c, long r)
{
	prefix(x, t);
	if (c->row < 0)
		text_add(x, "syscall_%#x(", c->nr);
	else
		text_add(x, "%s(", syscall_desc(c->row)->name);
	add_args(x, t, c, c->trace, r);
	/* The result is always seen. */
	if (x->len > sizeof(x->buf) - RESULT_ROOM) {
		x->len = sizeof(x->buf) - RESULT_ROOM;
		text_add(x, "...");
	}
	text_add(x, ")");
	if (x->len < RESULT_COLUMN)
		text_add(x, "%*s", (int)(RESULT_COLUMN - x->len), "");
	else
		text_add(x, " ");
	text_add(x, "= ");
}

void trace_call_end(struct task *t, struct call *c, long r)
{
	struct text x;

	if (!c->trace)
		return;
	add_call(&x, t, c, r);
	add_result(&x, t, c, r);
	emit(t->k->trace, &x);
	trace_call_drop(c);
}

void trace_start(struct task *t, const char *path, char *const argv[], char *const envp[])
{
	unsigned n = 0;
	struct text x;

	if (!t->k->trace)
		return;
	x.len = 0;
	text_add(&x, "execve(");
	text_bytes(&x, path, strlen(path), false);
	text_add(&x, ", [");
	for (unsigned i = 0; argv && argv[i]; i++) {
		size_t len = strlen(argv[i]);

		text_add(&x, i ? ", " : "");
		text_bytes(&x, argv[i], len < TRACE_STR ? len : TRACE_STR, len > TRACE_STR);
	}
	while (envp && envp[n])
		n++;
	text_add(&x, "], [/* %u vars */]) = 0", n);
	emit(t->k->trace, &x);
}

/* ---- events ---- */

void trace_signal(struct task *t, int sig, const struct siginfo_k *info)
{
	struct text x;

	if (!t->k->trace)
		return;
	prefix(&x, t);
	text_add(&x, "--- ");
	text_signal(&x, sig);
	text_add(&x, " ");
	text_siginfo(&x, sig, info);
	text_add(&x, " ---");
	emit(t->k->trace, &x);
}

void trace_exit(struct task *t, int wait_status)
{
	struct text x;

	if (!t->k->trace)
		return;
	if (t->call.trace) {
		/* -EFAULT: as after a failure, nothing is read from the guest. */
		add_call(&x, t, &t->call, -EFAULT);
		text_add(&x, "?");
		emit(t->k->trace, &x);
		trace_call_drop(&t->call);
	}
	prefix(&x, t);
	if (WIFSIGNALED(wait_status)) {
		text_add(&x, "+++ killed by ");
		text_signal(&x, WTERMSIG(wait_status));
		text_add(&x, "%s +++", WCOREDUMP(wait_status) ? " (core dumped)" : "");
	} else {
		text_add(&x, "+++ exited with %d +++", WEXITSTATUS(wait_status));
	}
	emit(t->k->trace, &x);
}
