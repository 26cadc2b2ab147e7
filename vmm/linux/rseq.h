/*
 * Restartable sequences: rseq(2), as Linux 6.18 has them.
 *
 * A task may register a struct rseq in its memory. The kernel keeps there on which CPU the task
 * runs, and a number that no other task of the same memory has that runs at the moment (mm_cid).
 * If the struct names a critical section, and the task loses its CPU or gets a signal inside of
 * it, it goes on at the section's abort address.
 *
 *	the task's owner                         membarrier(2), another thread
 *	rseq_leave: gives up mm_cid, due         due = true; a kick, if the task runs
 *	... blocked, queued, moved ...           waits until all vCPUs have left the guest
 *	rseq_resume, before it enters the guest
 *
 * So what a task costs that goes on where it was is one look at `due`. A move between vCPUs
 * without an exit (stand_in.c) passes task_step_in_guest(), and that rseq_resume(). A task that was
 * taken out at a system call is in no section: `open` tells, and spares the look at its memory.
 *
 * All of struct rseq_task is the owner's but `due`. mm_cids() has what the tasks of an address
 * space share.
 */
#ifndef VMBOX_LINUX_RSEQ_H
#define VMBOX_LINUX_RSEQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct task;

/* offsetof(struct rseq, end) and its alignment: AT_RSEQ_FEATURE_SIZE, AT_RSEQ_ALIGN. */
#define RSEQ_FEATURE_SIZE 28
#define RSEQ_ALIGN        32

struct rseq_task {
	uint64_t addr; /* gva; 0: not registered */
	uint32_t len, sig;
	_Atomic bool due;  /* rseq_resume has something to look at */
	bool open;         /* it left the guest where a section may be open: not by a system call */
	bool has_cid;      /* cid is this task's, and not only the last that it had */
	uint32_t cpu, cid; /* what its memory says */
};

/* The owner is about to let go of t, or to lose its vCPU: before it is blocked or queued. */
void rseq_leave(struct task *t);
/*
 * t is about to enter the guest, and its `due` is set: restarts a section that it was in, and
 * writes what has changed. False: its memory is not to be written, or what it says of sections is
 * wrong; t has got SIGSEGV.
 */
bool rseq_resume(struct task *t);
/* A handler's frame is about to be built: the same. */
void rseq_signal(struct task *t);

/* clone(2): n, made of t, has its memory. vm: the same memory as t, and no registration. */
void rseq_fork(struct task *t, struct task *n, bool vm);
/* t gives up its memory, which p->mm still is: its end, execve. */
void rseq_exit(struct task *t);
/* MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, but for the barrier: tasks with t's memory that are in a
 * section will not go on with it once they have left the guest. No lock held. */
void rseq_restart_all(struct task *t);

#endif
