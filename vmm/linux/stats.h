/*
 * --stats: what the personality counts.
 *
 * Exists only when asked for (kernel->stats is NULL otherwise). All counters are relaxed atomics;
 * no lock.
 */
#ifndef VMBOX_LINUX_STATS_H
#define VMBOX_LINUX_STATS_H

#include "syscalls.h"

#include <stdio.h>

struct kernel;

struct stats {
	struct stats_row {
		_Atomic uint64_t calls; /* ended; a run that blocked is not a call */
		_Atomic uint64_t errors;
		_Atomic uint64_t ns;      /* in the handler, all its runs */
		_Atomic uint64_t blocked; /* runs that ended in -EBLOCKED */
	} rows[SYSCALL_ROWS + 1];         /* the last: numbers that no call has */
	_Atomic uint64_t processes;       /* created, ever */
	_Atomic uint64_t mm_switches;     /* a vCPU changed its address space */
	_Atomic uint64_t rewritten;       /* system-call sites */
};

/* NULL: no memory. */
struct stats *stats_create(void);
void stats_destroy(struct stats *s);

/* One run of a handler: row -1 for an unknown number, ns spent, its result or -EBLOCKED. */
void stats_count_run(struct stats *s, int row, int64_t ns, long result);
/* s may be NULL in these. */
static inline void stats_count_process(struct stats *s)
{
	if (s)
		atomic_fetch_add_explicit(&s->processes, 1, memory_order_relaxed);
}
static inline void stats_count_rewritten(struct stats *s)
{
	if (s)
		atomic_fetch_add_explicit(&s->rewritten, 1, memory_order_relaxed);
}
static inline void stats_count_mm_switch(struct stats *s)
{
	if (s)
		atomic_fetch_add_explicit(&s->mm_switches, 1, memory_order_relaxed);
}

/*
 * The members "syscalls", "faults", "switches", "processes", "rewritten_sites" of a JSON object,
 * without its braces and without a comma before or after them; names are call names, times ns.
 * k->stats is not NULL.
 */
void stats_print_json(struct kernel *k, FILE *f);
/* The same for people: calls by time spent, then the totals. */
void stats_print_text(struct kernel *k, FILE *f);

#endif
