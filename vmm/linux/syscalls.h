/*
 * The table of system calls, made from syscalls.def: one row per call, the same rows on every
 * architecture.
 *
 * Everything here is constant once syscall_table_init() has run (kernel_create calls it).
 */
#ifndef VMBOX_LINUX_SYSCALLS_H
#define VMBOX_LINUX_SYSCALLS_H

#include "call.h"

struct kernel;
struct task;

/* ROW_read, ROW_write, ...: indices of the table. */
enum syscall_rows {
#define SYSCALL(name, x86_64, arm64, args, trace) ROW_##name,
#define NOSYS(name, x86_64, arm64)                ROW_##name,
#include "syscalls.def"
#undef SYSCALL
#undef NOSYS
	SYSCALL_ROWS
};

/* The handlers; each file of sys_*.c defines some. */
#define SYSCALL(name, x86_64, arm64, args, trace) long sys_##name(struct task *t, struct call *c);
#define NOSYS(name, x86_64, arm64)
#include "syscalls.def"
#undef SYSCALL
#undef NOSYS

struct syscall_desc {
	const char *name;
	syscall_fn *fn; /* NULL: known by name only, ENOSYS */
	unsigned nargs;
	const char *trace; /* one word per argument: see trace_args.c */
};

/* Each row's number on this architecture, -1: none. vmm/linux/ARCH/syscall_nr.c */
extern const short arch_syscall_nr[SYSCALL_ROWS];

/* Builds the map from numbers to rows. Idempotent, any thread. */
void syscall_table_init(void);

/* The row of the architecture's call number, or -1 if no call has it. */
/* A worker may run its handler instead: away.h. */
bool syscall_may_leave(int row);
int syscall_row(unsigned nr);
/* row: 0..SYSCALL_ROWS-1. */
const struct syscall_desc *syscall_desc(int row);

/*
 * Where a call of t may be made. ANYWHERE: while it is in the guest and waits there for the answer
 * (task_call). WHOLE: there, too, but its registers are needed, or must be set. LONG: as WHOLE, and
 * it takes a while. OUTSIDE: it has to leave the guest.
 */
enum syscall_place { SYSCALL_ANYWHERE, SYSCALL_WHOLE, SYSCALL_LONG, SYSCALL_OUTSIDE };
enum syscall_place syscall_place(struct task *t, unsigned nr, const uint64_t args[6]);

/*
 * Runs the call's handler for the first time or again; counts it and prints its trace line when it
 * ends. The owner of t only, after sched_prepare(). Returns the result (>= 0, a negative errno,
 * -ERESTART*), then the caller must call_finish(); or -EBLOCKED: the call goes on when the task is
 * woken. Unknown numbers: -ENOSYS.
 */
long syscall_dispatch(struct task *t, struct call *c);

#endif
