/*
 * System-call numbers to handlers.
 */
#include "syscalls.h"
#include "away.h"
#include "stats.h"
#include "task.h"
#include "trace.h"

#include <sched.h>
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

#define FORK_SMALL_PAGES 2048

/* A new process marks half its parent's memory. Where page tables are shadowed no vCPU should be in
 * it then, and the poller has no time for a large one. */
static enum syscall_place fork_place(struct task *t)
{
	struct mm *mm = task_mm(t);

	return mm_is_shadowed(mm) || mm_resident_pages(mm) > FORK_SMALL_PAGES ? SYSCALL_OUTSIDE
									      : SYSCALL_LONG;
}

/* In the same memory. A first look: what clone3 finds there later may differ, and only takes
 * longer.
 */
static bool clones_in_vm(struct task *t, int row, const uint64_t args[6])
{
	uint64_t flags = args[0];

	if (row == ROW_clone3 &&
	    copy_from_guest(task_mm(t), &flags, gva(args[0]), sizeof(flags)) < 0)
		return false;
	return flags & CLONE_VM;
}

enum syscall_place syscall_place(struct task *t, unsigned nr, const uint64_t args[6])
{
	int row = row_for(t->k, nr);

	switch (row) {
	case ROW_clone:
	case ROW_clone3:
		return clones_in_vm(t, row, args) ? SYSCALL_WHOLE : fork_place(t);
	case ROW_fork:
		return fork_place(t);
	case ROW_exit:
	case ROW_exit_group:
		if (!exit_is_small(t))
			return SYSCALL_OUTSIDE;
		return process_has_threads(t->p) ? SYSCALL_WHOLE : SYSCALL_LONG;
	case ROW_execve:
	case ROW_execveat:
		return process_has_threads(t->p) || !exit_is_small(t) ? SYSCALL_OUTSIDE
								      : SYSCALL_LONG;
	case ROW_arch_prctl:
	case ROW_pause:
	case ROW_rt_sigreturn:
	case ROW_rt_sigsuspend:
	case ROW_sched_yield:
	case ROW_sigaltstack:
	case ROW_vfork:
		return SYSCALL_WHOLE;
	case ROW_membarrier: /* it would kick its own vCPU */
		return SYSCALL_OUTSIDE;
	default:
		return SYSCALL_ANYWHERE;
	}
}

/*
 * Handlers that ask host_may_wait(), and before they have done anything, or after
 * host_call_keeps(). What reads files has jobs of its own (fs_hostio.h), and leaves only where
 * somebody holds the file while he waits; so have fsync and its kin.
 */
bool syscall_may_leave(int row)
{
	switch (row) {
	case ROW_access:
	case ROW_bind:
	case ROW_chdir:
	case ROW_chmod:
	case ROW_chown:
	case ROW_chroot:
	case ROW_connect:
	case ROW_copy_file_range:
	case ROW_creat:
	case ROW_execve:
	case ROW_execveat:
	case ROW_faccessat:
	case ROW_faccessat2:
	case ROW_fallocate:
	case ROW_fchmod:
	case ROW_fchmodat:
	case ROW_fchmodat2:
	case ROW_fchown:
	case ROW_fchownat:
	case ROW_fgetxattr:
	case ROW_flistxattr:
	case ROW_fremovexattr:
	case ROW_fsetxattr:
	case ROW_fstat:
	case ROW_fstatfs:
	case ROW_ftruncate:
	case ROW_futimesat:
	case ROW_getdents:
	case ROW_getdents64:
	case ROW_getxattr:
	case ROW_inotify_add_watch:
	case ROW_ioctl:
	case ROW_lchown:
	case ROW_lgetxattr:
	case ROW_link:
	case ROW_linkat:
	case ROW_listxattr:
	case ROW_llistxattr:
	case ROW_lremovexattr:
	case ROW_lseek:
	case ROW_lsetxattr:
	case ROW_lstat:
	case ROW_mkdir:
	case ROW_mkdirat:
	case ROW_mknod:
	case ROW_mknodat:
	case ROW_mmap:
	case ROW_msync:
	case ROW_newfstatat:
	case ROW_open:
	case ROW_openat:
	case ROW_openat2:
	case ROW_pread64:
	case ROW_preadv:
	case ROW_preadv2:
	case ROW_pwrite64:
	case ROW_pwritev:
	case ROW_pwritev2:
	case ROW_read:
	case ROW_readlink:
	case ROW_readlinkat:
	case ROW_readv:
	case ROW_removexattr:
	case ROW_rename:
	case ROW_renameat:
	case ROW_renameat2:
	case ROW_rmdir:
	case ROW_sendfile:
	case ROW_sendmmsg:
	case ROW_sendmsg:
	case ROW_sendto:
	case ROW_setxattr:
	case ROW_splice:
	case ROW_stat:
	case ROW_statfs:
	case ROW_statx:
	case ROW_symlink:
	case ROW_symlinkat:
	case ROW_truncate:
	case ROW_unlink:
	case ROW_unlinkat:
	case ROW_utime:
	case ROW_utimensat:
	case ROW_utimes:
	case ROW_write:
	case ROW_writev:
		return true;
	default:
		return false;
	}
}

static long run(struct task *t, struct call *c)
{
	if (c->row < 0 || !table[c->row].fn)
		return -ENOSYS;
	return away_run(t, c, table[c->row].fn);
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
	/* What is back from a worker has begun before. */
	bool first = !c->rerun && !c->away;
	int64_t before = 0;
	long r;

	if (first) {
		c->row = row_for(k, c->nr);
		c->deadline = TIME_NEVER;
		if (k->trace)
			trace_call_begin(t, c);
	}
	if (c->rerun)
		call_refresh_deadline(t, c);
	if (k->stats) {
		before = core_now();
		if (first)
			c->started = before;
	}
	r = run(t, c);
	if (k->stats)
		stats_count_run(k->stats, c->row, core_now() - before, r);
	if (r == -EBLOCKED) {
		/* A worker that has it begins anew. */
		if (!c->away)
			c->rerun = true;
		return r;
	}
	if (k->trace)
		trace_call_end(t, c, r);
	return r;
}
