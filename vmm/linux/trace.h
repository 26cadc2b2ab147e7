/*
 * --strace: one line a call, in strace's format.
 *
 * k->trace exists only when asked for. Every line is one write(2) to the trace's descriptor, so
 * lines of different vCPUs are never torn. In-arguments are formatted from a copy made when the
 * call begins; out-arguments when it ends. trace->lock protects only the set of pids seen.
 */
#ifndef VMBOX_LINUX_TRACE_H
#define VMBOX_LINUX_TRACE_H

#include "signal.h"

struct call;
struct trace;
struct trace_line;

/* Writes to fd, borrowed. NULL: no memory. */
struct trace *trace_create(int fd);
void trace_destroy(struct trace *tr);

/* The first run of a call begins / the call has ended with r. k->trace is not NULL. Owner only. */
void trace_call_begin(struct task *t, struct call *c);
void trace_call_end(struct task *t, struct call *c, long r);
/* call_finish: forgets an unprinted line. */
void trace_call_drop(struct call *c);

/* PID 1 begins: as if it had called execve. No-op without --strace. */
void trace_start(struct task *t, const char *path, char *const argv[], char *const envp[]);

/* A signal is delivered to t (a handler runs, or it stops, continues or kills). No-op without
 * --strace. */
void trace_signal(struct task *t, int sig, const struct siginfo_k *info);
/*
 * t ends with this wait status: prints the call it was in, if any, with "= ?", then "+++ exited
 * with N +++" or
 * "+++ killed by SIGX +++". No-op without --strace.
 */
void trace_exit(struct task *t, int wait_status);

#endif
