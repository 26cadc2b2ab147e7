/*
 * --stats.
 */
#include "stats.h"
#include "kernel.h"

#include <inttypes.h>
#include <stdlib.h>

static uint64_t get(_Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static void add(_Atomic uint64_t *v, uint64_t n)
{
	atomic_fetch_add_explicit(v, n, memory_order_relaxed);
}

struct stats *stats_create(void)
{
	return calloc(1, sizeof(struct stats));
}

void stats_destroy(struct stats *s)
{
	free(s);
}

void stats_count_run(struct stats *s, int row, int64_t ns, long result)
{
	struct stats_row *r = &s->rows[row < 0 ? SYSCALL_ROWS : row];

	add(&r->ns, (uint64_t)ns);
	if (result == -EBLOCKED) {
		add(&r->blocked, 1);
		return;
	}
	add(&r->calls, 1);
	if (result < 0 && result >= -4095)
		add(&r->errors, 1);
}

static const char *row_name(int row)
{
	return row == SYSCALL_ROWS ? "unknown" : syscall_desc(row)->name;
}

void stats_print_json(struct kernel *k, FILE *f)
{
	struct stats *s = k->stats;
	struct sched_stats ss;
	struct mm_stats ms;
	const char *comma = "";

	fprintf(f, "\"syscalls\":{");
	for (int i = 0; i <= SYSCALL_ROWS; i++) {
		struct stats_row *r = &s->rows[i];

		if (!get(&r->calls) && !get(&r->blocked))
			continue;
		fprintf(f,
			"%s\"%s\":{\"calls\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"ns\":%" PRIu64
			",\"blocked\":%" PRIu64 "}",
			comma, row_name(i), get(&r->calls), get(&r->errors), get(&r->ns),
			get(&r->blocked));
		comma = ",";
	}
	gmem_get_mm_stats(k->gm, &ms);
	sched_get_stats(k->sched, &ss);
	fprintf(f,
		"},\"faults\":{\"minor\":%" PRIu64 ",\"file\":%" PRIu64 ",\"cow\":%" PRIu64
		",\"denied\":%" PRIu64 "}",
		ms.faults_minor, ms.faults_file, ms.faults_cow, ms.faults_denied);
	fprintf(f,
		",\"switches\":{\"task\":%" PRIu64 ",\"mm\":%" PRIu64 ",\"wakes\":%" PRIu64
		",\"steals\":%" PRIu64 ",\"preemptions\":%" PRIu64 "}",
		ss.switches, get(&s->mm_switches), ss.wakes, ss.steals, ss.preemptions);
	fprintf(f, ",\"processes\":%" PRIu64 ",\"rewritten_sites\":%" PRIu64, get(&s->processes),
		get(&s->rewritten));
}

static struct stats *sorting; /* only stats_print_text, at the end of the run, uses it */

static int by_time(const void *a, const void *b)
{
	uint64_t x = get(&sorting->rows[*(const int *)a].ns);
	uint64_t y = get(&sorting->rows[*(const int *)b].ns);

	return x < y ? 1 : x > y ? -1 : 0;
}

void stats_print_text(struct kernel *k, FILE *f)
{
	struct stats *s = k->stats;
	int order[SYSCALL_ROWS + 1], n = 0;
	struct sched_stats ss;
	struct mm_stats ms;

	for (int i = 0; i <= SYSCALL_ROWS; i++)
		if (get(&s->rows[i].calls) || get(&s->rows[i].blocked))
			order[n++] = i;
	sorting = s;
	qsort(order, (size_t)n, sizeof(order[0]), by_time);
	fprintf(f, "%-24s %10s %8s %8s %12s\n", "system call", "calls", "errors", "blocked",
		"total us");
	for (int i = 0; i < n; i++) {
		struct stats_row *r = &s->rows[order[i]];

		fprintf(f, "%-24s %10" PRIu64 " %8" PRIu64 " %8" PRIu64 " %12.1f\n",
			row_name(order[i]), get(&r->calls), get(&r->errors), get(&r->blocked),
			(double)get(&r->ns) / 1000);
	}
	gmem_get_mm_stats(k->gm, &ms);
	sched_get_stats(k->sched, &ss);
	fprintf(f,
		"faults: %" PRIu64 " minor, %" PRIu64 " file, %" PRIu64 " copy-on-write, %" PRIu64
		" denied\n",
		ms.faults_minor, ms.faults_file, ms.faults_cow, ms.faults_denied);
	fprintf(f,
		"switches: %" PRIu64 " task, %" PRIu64 " address space; wakes: %" PRIu64
		", steals: %" PRIu64 ", preemptions: %" PRIu64 "\n",
		ss.switches, get(&s->mm_switches), ss.wakes, ss.steals, ss.preemptions);
	fprintf(f, "processes: %" PRIu64 ", rewritten system-call sites: %" PRIu64 "\n",
		get(&s->processes), get(&s->rewritten));
}
