/*
 * A system call in progress: what its handler keeps between runs.
 *
 * A handler returns its result (>= 0 or a negative errno or -ERESTART*), or -EBLOCKED after it has
 * queued the task; then the same handler runs again when the task is woken. Rules:
 *  - What it reads from the guest (args in registers, memory, descriptor look-ups) it reads on its
 * first run
 *    (!c->rerun) and keeps in c->state, c->file[] and c->args.
 *  - Deadlines are absolute and made on the first run.
 *  - With c->interrupted it finishes now: the partial count, the wake it already consumed, or
 * -ERESTART*.
 *  - It never sleeps, and touches no vCPU. Any host thread may run it.
 *
 * The owner of the task owns its call.
 */
#ifndef VMBOX_LINUX_CALL_H
#define VMBOX_LINUX_CALL_H

#include "wall.h"

struct task;
struct file;
struct trace_line;
struct job;

/* Linux's internal results: seen by the signal code, never by a guest. */
#define ERESTARTSYS           512
#define ERESTARTNOINTR        513
#define ERESTARTNOHAND        514
#define ERESTART_RESTARTBLOCK 516

struct call {
	unsigned nr; /* the architecture's number; index of syscalls.def's row in `row` */
	int row;     /* -1: unknown */
	uint64_t args[6];
	bool rerun;           /* the handler has run and returned -EBLOCKED */
	bool interrupted;     /* a signal is deliverable or the task must die */
	bool killed;          /* the task must die; known while there is a job */
	bool keeps;           /* host_call_keeps(): a later run goes on from `state` */
	int64_t deadline;     /* TIME_NEVER: none */
	struct file *file[2]; /* references kept until the call ends */
	void *state;          /* see call_state */
	void (*state_free)(void *state);
	/* The same for a file's operation, which is not the handler: malloc'd; op_free frees it. */
	void *op_state;
	void (*op_free)(void *state);
	struct job *away;  /* a worker runs the handler: see away.h */
	struct job *job;   /* slow work that it waits for; a reference, given up at the end */
	uint64_t progress; /* bytes done so far */
	uint64_t word;     /* what a file's operation read from the guest and keeps over runs */
	bool have_word;
	int64_t started;          /* for strace -T and stats, core_now() */
	struct trace_line *trace; /* --strace: what is known of the line; freed by call_finish */
	/* The deadline is a time of CLOCK_REALTIME: which, and wall_moves when it was converted. */
	bool has_wall;
	int64_t wall_ns;
	unsigned wall_moves;
	struct wall_watch wall;
	bool restarted;  /* restart_syscall runs this call again: the deadline stays */
	int restart_row; /* of which row, if restarted */
};

typedef long syscall_fn(struct task *t, struct call *c);

/* The call's private memory: size zeroed bytes at the first use, the same afterwards; freed when it
 * ends, after state_free. NULL: no memory. */
void *call_state(struct call *c, size_t size);

/*
 * The open file of descriptor fd, looked up once and kept in c->file[slot]: NULL and EBADF to be
 * returned if there is none. Borrowed.
 */
struct file *call_file(struct task *t, struct call *c, unsigned slot, int fd);

/*
 * For waiters: the sched_task to queue, or NULL if the call must not block now (interrupted).
 * nonblock: the caller's O_NONBLOCK.
 */
struct sched_task *call_waiter(struct task *t, struct call *c, bool nonblock);

/* Sets the deadline on the first run (abs core_now() ns); later runs keep it. */
void call_set_deadline(struct task *t, struct call *c, int64_t deadline);
/* The same, absolute CLOCK_REALTIME ns: it follows the clock if that is set. */
void call_set_wall_deadline(struct task *t, struct call *c, int64_t ns);
/* Before a later run: converts such a deadline again if the clock has been set since. */
void call_refresh_deadline(struct task *t, struct call *c);
/* The deadline has passed. */
bool call_timed_out(struct task *t, struct call *c);

/*
 * An interrupted sleep goes on by restart_syscall(2) with the same arguments and deadline: saves
 * them in t->restart_call. Returns -ERESTART_RESTARTBLOCK, or -EINTR without memory.
 */
long call_restart_block(struct task *t, struct call *c);

/* The operation is over: its state goes. */
void call_drop_op(struct call *c);

/* Releases files and state, cancels the deadline, leaves the wait queues; the call is then blank.
 */
void call_finish(struct task *t, struct call *c);

#endif
