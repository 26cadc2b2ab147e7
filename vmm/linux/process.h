/*
 * Processes and signals: what their files share among themselves.
 *
 * Nothing else includes this. Names that end in _locked say which lock: tree_lock for
 * those on processes (process_*, wait_*), siglock for those on signals (signal_*).
 */
#ifndef VMBOX_LINUX_PROCESS_H
#define VMBOX_LINUX_PROCESS_H

#include "task.h"

struct posix_timer;

/* ---- process.c ---- */

/* A task NEW to the scheduler, with a reference to p; in no list yet. NULL: no memory. */
struct task *task_create(struct process *p, uint32_t tid);
/* The task is in no list and NEW, DEAD, or the scheduler has stopped. */
void task_free(struct task *t);
/* Into its process's list; then its signals. tree_lock and siglock held. */
void task_link_locked(struct task *t);
/* Gives up descriptors and file-system context of its own. Owner only. */
void task_drop_parts(struct task *t);
/*
 * Makes p, whose creator is `creator` (NULL: init), visible: a child of the creator, or of its
 * parent (sibling). tree_lock held. After it p is found by its PID and gets signals.
 */
void process_link_locked(struct process *p, struct task *first, struct process *creator,
			 bool sibling);
/* Drops memory, descriptors, file-system context and actions. No lock held. */
void process_drop_parts(struct process *p);
/* A zombie, or one that nobody will wait for, leaves the tree: its PID is free. tree_lock held;
 * drops the tree's reference, so p may be gone afterwards. */
void process_release_locked(struct process *p);
void process_set_group_locked(struct process *p, uint32_t pgid);
void process_set_session_locked(struct process *p, uint32_t sid);

/* ---- exit.c ---- */

/*
 * No member of the group other than `ignored` has a parent in another group of the same session:
 * nobody could continue it.
 */
bool group_orphaned_locked(struct kernel *k, uint32_t pgid, uint32_t sid,
			   const struct process *ignored);
/* Tells p's parent that p stopped or continued (why: CLD_*): SIGCHLD, and waiters. Takes tree_lock.
 */
void process_notify_stop(struct process *p, int why);

/*
 * t must die, but a worker has its call and waits for the host (away.h): it stays until that ends.
 * When nobody else is left its process becomes a zombie all the same, its descriptors are closed,
 * and whoever waits for it goes on; memory, and what else the worker may look at, goes with the
 * last task. Not where others share the memory: they would find it changed by who is dead. Owner
 * only; may be called again.
 */
void task_stuck(struct task *t);

/* ---- sigqueue.c ---- */

/* Why a signal is refused: ignored ones are dropped, so only -EAGAIN. All with siglock held. */
int sigqueue_add(struct kernel *k, struct process *p, struct sigqueue_set *s, int sig,
		 const struct siginfo_k *info);
void sigqueue_remove(struct sigqueue_set *s, uint64_t mask);
/* Takes the first pending signal of mask: its number and *info, or 0. */
int sigqueue_take(struct sigqueue_set *s, uint64_t mask, struct siginfo_k *info);
/* The entry of a POSIX timer of p, in no queue. NULL: no memory, or RLIMIT_SIGPENDING. No lock. */
struct sigqueue_entry *sigqueue_entry_create(struct kernel *k, struct process *p,
					     struct posix_timer *timer);
/* Its timer goes: it is freed, or, if it is queued, when its signal is taken. */
void sigqueue_entry_drop(struct sigqueue_entry *e);
/* The same, but a queued signal is taken back. */
void sigqueue_entry_recall(struct process *p, struct sigqueue_entry *e);
/* Queues it, once: if it is in a queue, its overrun count grows. */
void sigqueue_add_entry(struct sigqueue_set *s, struct sigqueue_entry *e,
			const struct siginfo_k *info);

/* ---- signal.c ---- */

/* The task that this thread is in task_step() with, or NULL: it looks for signals by itself. */
extern _Thread_local struct task *task_current;

#define SIGMASK_KERNEL_ONLY (SIGMASK(SIGKILL) | SIGMASK(SIGSTOP))
#define SIGMASK_STOP        (SIGMASK(SIGSTOP) | SIGMASK(SIGTSTP) | SIGMASK(SIGTTIN) | SIGMASK(SIGTTOU))
#define SIGMASK_IGNORE      (SIGMASK(SIGCHLD) | SIGMASK(SIGCONT) | SIGMASK(SIGURG) | SIGMASK(SIGWINCH))
#define SIGMASK_SYNC                                                                               \
	(SIGMASK(SIGSEGV) | SIGMASK(SIGBUS) | SIGMASK(SIGILL) | SIGMASK(SIGTRAP) |                 \
	 SIGMASK(SIGFPE) | SIGMASK(SIGSYS))

/* siglock held. t NULL: to the process. */
int signal_send_locked(struct process *p, struct task *t, int sig, const struct siginfo_k *info);
/* The same with an entry that exists: a POSIX timer's. False: the signal is ignored. */
bool signal_send_entry_locked(struct process *p, struct task *t, struct sigqueue_entry *e,
			      const struct siginfo_k *info);
void signal_kill_locked(struct process *p, int wait_status);
/* t has to look at its signals: it is woken or kicked. siglock held. */
void signal_notify_locked(struct task *t);
/* t must die: its process does, or another of its tasks is in execve. siglock held. */
bool signal_doomed_locked(const struct task *t);
/* The same, taking siglock. */
bool signal_doomed(struct task *t);
/*
 * signal_doomed(), for a task that waits for what only the end of its process ends (Linux's state
 * D, killable): a pending signal whose default action would kill it does so now.
 */
bool signal_dooms(struct task *t);
/* t, which is no longer in the list or now blocks `mask`, was to take signals of that set: others
 * are told. siglock held. */
void signal_retarget_locked(struct task *t, uint64_t mask);
/* Sets t->notify to what it should be. siglock held. */
void signal_recalc_locked(struct task *t);
/* A stop has begun and every task has joined it: marks it complete, once. Then the caller tells the
 * parent. */
bool signal_stop_complete_locked(struct process *p);
/* signal_pending(), but not if another task has taken meanwhile what t was woken for. */
bool signal_still_pending(struct task *t);
/* The action that p has for sig: a copy. siglock held, p->sighand not NULL. */
struct sigaction_k signal_action(struct process *p, int sig);
/* For rt_sigtimedwait: takes one of `these`, pending for t or its process. */
int signal_take(struct task *t, uint64_t these, struct siginfo_k *info);
/* t waits for these whatever its mask is; 0: no more. */
void signal_set_wait(struct task *t, uint64_t these);
/*
 * A stopped task, owned: true if the stop goes on, and it may be blocked. Call after
 * sched_prepare().
 */
bool signal_still_stopped(struct task *t);
/* The signal could not be delivered for want of a stack: SIGSEGV, which kills if that was it. */
void signal_force_segv(struct task *t, int sig);

/* May `by` send sig to p? 0 or -EPERM. tree_lock held. */
int signal_check_permission_locked(struct process *by, struct process *p, int sig);

/* ---- sys_sched.c ---- */

/*
 * Calls f on each task that getpriority(2)'s which (PRIO_*) and who choose, 0 the caller's, with
 * tree_lock and p->lock held: its process and priorities. Of a process that has ended, or whose
 * first task has, those of its last.
 */
void sched_for_chosen(struct task *t, int which, uint32_t who,
		      void (*f)(void *arg, struct process *p, struct task_prio *prio), void *arg);

/* Calls f on the task that a tid argument names (0: the caller), other processes' ones with
 * tree_lock held. -ESRCH, -EINVAL (negative), or f's result. */
long sched_on_task(struct task *t, int tid,
		   long (*f)(struct task *self, struct task *other, void *arg), void *arg);

/* Sets t's policy and whether children keep its nice value, if `me` may, who may also have asked
 * for that nice value: 0 or -EPERM. t->p->lock held. */
int sched_may_set_locked(struct task *t, const struct cred *me, int policy, int nice, bool reset);

/* ---- sys_kill.c ---- */

/* sig to every member of the group that t may send it to. 0: at least one got it; -ESRCH, -EPERM,
 * -EINVAL. tree_lock held. */
int kill_group_locked(struct task *t, uint32_t pgid, int sig, const struct siginfo_k *info);

/* ---- fault.c ---- */

/*
 * The page fault in t->trap: as mm_fault; -EBLOCKED: the page is being read from a disk, and t is
 * queued for the end of that; the same call when it wakes; -EINTR: meanwhile it must die. Calls
 * sched_prepare(). Owner only.
 */
int fault_resolve(struct task *t);

/* ---- sys_signal.c, for the architecture's sigframe.c ---- */

/* SS_* state of the alternate stack seen from stack pointer sp: SS_DISABLE, SS_ONSTACK or 0. */
int altstack_state(const struct task *t, uint64_t sp);
/* sp lies on the alternate stack, whatever SS_AUTODISARM says. */
bool altstack_contains(const struct task *t, uint64_t sp);
/* sigaltstack(2)'s rules. 0; -EPERM: in use; -EINVAL: flags; -ENOMEM: too small. */
int altstack_set(struct task *t, uint64_t sp, int flags, uint64_t size, uint64_t cur_sp);
/* The architecture's MINSIGSTKSZ. */
extern const uint64_t arch_minsigstksz;

#endif
