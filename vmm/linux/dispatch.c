/*
 * System-call numbers to handlers.
 */
#include "syscalls.h"
#include "stats.h"
#include "task.h"
#include "trace.h"

#include <stdlib.h>
#include <string.h>

static const struct syscall_desc table[SYSCALL_ROWS] = {
#define SYSCALL(name, x86_64, arm64, args, trace) {#name, sys_##name, args, trace},
#define NOSYS(name, x86_64, arm64)                {#name, NULL, 0, ""},
#include "syscalls.def"
#undef SYSCALL
#undef NOSYS
};

#define NUMBERS 512
static short row_of[NUMBERS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void build(void)
{
	for (size_t nr = 0; nr < NUMBERS; nr++)
		row_of[nr] = -1;
	for (short row = 0; row < SYSCALL_ROWS; row++)
		if (arch_syscall_nr[row] >= 0 && arch_syscall_nr[row] < NUMBERS)
			row_of[arch_syscall_nr[row]] = row;
}

void syscall_table_init(void)
{
	pthread_once(&once, build);
}

int syscall_row(unsigned nr)
{
	syscall_table_init();
	return nr < NUMBERS ? row_of[nr] : -1;
}

const struct syscall_desc *syscall_desc(int row)
{
	return &table[row];
}

/* The row of a call, those included that have no number of their own yet. */
static int row_for(const struct kernel *k, unsigned nr)
{
	unsigned list2 = k->cfg.robust_list2_nr;

	if (list2 && nr == list2)
		return ROW_set_robust_list2;
	if (list2 && nr == list2 + 1)
		return ROW_get_robust_list2;
	return syscall_row(nr);
}

/*
 * Handlers that read or write the task's registers, end it, or do nothing but give up its vCPU:
 * they need the task to have left the guest.
 */
static bool needs_vcpu(int row)
{
	switch (row) {
	case ROW_arch_prctl:
	case ROW_clone:
	case ROW_clone3:
	case ROW_execve:
	case ROW_execveat:
	case ROW_exit:
	case ROW_exit_group:
	case ROW_fork:
	case ROW_membarrier: /* it would kick its own vCPU */
	case ROW_pause:
	case ROW_rt_sigreturn:
	case ROW_rt_sigsuspend:
	case ROW_sched_yield:
	case ROW_sigaltstack:
	case ROW_vfork:
		return true;
	default:
		return false;
	}
}

bool syscall_anywhere(const struct kernel *k, unsigned nr)
{
	return !needs_vcpu(row_for(k, nr));
}

static long run(struct task *t, struct call *c)
{
	if (c->row < 0 || !table[c->row].fn)
		return -ENOSYS;
	return table[c->row].fn(t, c);
}

/*
 * Goes on with a sleep that a signal interrupted, after it was handled without a handler (stop and
 * continue).
 */
long sys_restart_syscall(struct task *t, struct call *c)
{
	struct call *r = t->restart_call;

	if (!c->rerun) {
		if (!r)
			return -EINTR;
		t->restart_call = NULL;
		memcpy(c->args, r->args, sizeof(c->args));
		c->deadline = r->deadline;
		c->has_wall = r->has_wall;
		c->wall_ns = r->wall_ns;
		c->restart_row = r->row;
		c->restarted = true;
		free(r);
	}
	return table[c->restart_row].fn(t, c);
}

long syscall_dispatch(struct task *t, struct call *c)
{
	struct kernel *k = t->k;
	int64_t before = 0;
	long r;

	if (!c->rerun) {
		c->row = row_for(k, c->nr);
		c->deadline = TIME_NEVER;
		if (k->trace)
			trace_call_begin(t, c);
	}
	if (c->rerun)
		call_refresh_deadline(t, c);
	if (k->stats) {
		before = core_now();
		if (!c->rerun)
			c->started = before;
	}
	r = run(t, c);
	if (k->stats)
		stats_count_run(k->stats, c->row, core_now() - before, r);
	if (r == -EBLOCKED) {
		c->rerun = true;
		return r;
	}
	if (k->trace)
		trace_call_end(t, c, r);
	return r;
}
