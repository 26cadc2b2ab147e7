/*
 * Tasks and processes.
 *
 * A process (thread group) owns an address space, a descriptor table, a file-system context,
 * signal actions and credentials; a task is one thread of it. Tasks are scheduled
 * (sched_task); exactly one thread owns a running task, and only the owner
 * touches the fields marked "owner". A blocked task is plain data.
 *
 * Lock order (top first): kernel->tree_lock > process->siglock > objects (fdtable, file, pipe) >
 * mm->lock > memobj > gmem; object > waitq > sched. process->lock (credentials, limits, names) may
 * be taken below tree_lock and siglock; nothing is taken below it but fs->lock.
 */
#ifndef VMBOX_LINUX_TASK_H
#define VMBOX_LINUX_TASK_H

#include "kernel.h"
#include "call.h"
#include "cpu.h"
#include "cpu_timer.h"
#include "rseq.h"
#include "signal.h"
#include "../core/file.h"
#include "../core/futex.h"

#include <sys/resource.h>

#define TASK_COMM_LEN 16
#define NGROUPS       64
#define ROBUST_LISTS2 8 /* of one task: set_robust_list2 */

/* CLONE_FS: cwd, root, umask. */
struct fs_context;
struct posix_timer;
struct rewrite;
struct sem_undo;
struct thread_end;
struct tty;
struct writeback;

struct cred {
	uint32_t uid, euid, suid, fsuid;
	uint32_t gid, egid, sgid, fsgid;
	unsigned ngroups;
	uint32_t groups[NGROUPS];
	/* bit n is capability n: effective, permitted, inheritable, bounding, ambient */
	uint64_t cap_eff, cap_perm, cap_inh, cap_bset, cap_amb;
	unsigned securebits; /* SECBIT_* */
};

/* cap: CAP_*. What a permission check asks, of credentials that the caller may read. */
static inline bool cred_capable(const struct cred *c, unsigned cap)
{
	return c->cap_eff >> cap & 1;
}

/* PR_SET_MDWE */
#define MDWE_REFUSE     1
#define MDWE_NO_INHERIT 2

#define AUXV_MAX 32 /* entries of an auxiliary vector, AT_NULL included */

/* What a task has of setpriority, sched_setscheduler and ioprio_set; its children get a copy. */
struct task_prio {
	int nice;           /* -20..19 */
	int io;             /* ioprio_set(2)'s */
	int policy;         /* SCHED_OTHER, SCHED_BATCH or SCHED_IDLE */
	bool reset_on_fork; /* sched(7): children have no negative nice value */
};

/* What fork copies and exec keeps: prctl, personality. */
struct process_attr {
	uint32_t personality;
	uint64_t timerslack; /* ns */
	bool no_new_privs;
	uint8_t mdwe;    /* PR_SET_MDWE's bits */
	int8_t mce_kill; /* PR_MCE_KILL's, or -1: none was asked for */
};

enum life { LIFE_NEW, LIFE_RUNNING, LIFE_EXITING, LIFE_ZOMBIE, LIFE_DEAD };

struct process {
	/* immutable after creation: */
	struct kernel *k;
	uint32_t pid;
	_Atomic unsigned refs; /* the tree's, each task's, look-ups' */
	int exit_signal;       /* to the parent; 0: none */
	int64_t start_time;

	/* protected by k->tree_lock: */
	TAILQ_ENTRY(process) all;
	TAILQ_ENTRY(process) sibling;
	TAILQ_ENTRY(process) early; /* in the kernel's list, if it ended early */
	TAILQ_HEAD(process_list, process) children;
	struct process *parent; /* NULL: init, or its parent is outside */
	uint32_t pgid, sid;
	struct tty *ctty; /* the controlling terminal, a reference; NULL: none */
	uint32_t old_fg;  /* a session's leader whose terminal has hung up: its foreground group */
	enum life life;
	int wait_status; /* valid when LIFE_ZOMBIE: wait(2)'s encoding */
	TAILQ_HEAD(, task)
	tasks; /* changed with siglock held, too: either lock protects a reader */
	unsigned ntasks;
	bool execed;            /* setpgid: EACCES after exec */
	unsigned group_signals; /* counts signals sent to its whole group: fork must not miss one */
	int pdeath_signal;    /* sent to this process when its parent dies; 0: none, and 0 in a new
				 child */
	bool child_subreaper; /* orphans below it become its children */
	bool under_subreaper; /* an ancestor is one, or was: look for it */
	struct rusage_times {
		int64_t utime, stime, cutime, cstime; /* ns; utime: ended tasks', changed with
							 siglock held, too */
		/* c...: children that were waited for, and theirs */
		uint64_t minflt, majflt, cminflt, cmajflt, nvcsw, nivcsw, cnvcsw, cnivcsw;
		uint64_t maxrss_kb, cmaxrss_kb;      /* of programs before the one that runs */
		uint64_t rchar, wchar, syscr, syscw; /* /proc/PID/io; children included */
	} times;
	struct waitq child_wait; /* parents wait here for their children */
	struct waitq exit_wait;  /* pidfds: this process has ended, or was waited for */

	/* read by all its tasks without a lock: changed only by exec with one task left, or at
	 * exit:
	 */
	struct mm *mm;
	struct fdtable *files;
	struct fs_context *fs;
	struct sighand *sighand;
	uint64_t sigtramp; /* arm64: guest address of the vDSO's __kernel_rt_sigreturn; exec sets
			      it, 0: none */
	bool mm_shared;    /* CLONE_VM made another process of it: somebody sees clear_child_tid */

	/* protected by lock: (and the pointers above become NULL, at exit, under it) */
	pthread_mutex_t lock;
	struct cred cred;
	struct rlimit64 rlim[RLIM_NLIMITS];
	struct path *exe;                                /* /proc/self/exe; owned */
	uint64_t arg_start, arg_end, env_start, env_end; /* guest addresses for /proc */
	uint64_t stack_start;                            /* the stack pointer at the start; too */
	uint64_t auxv[2 * AUXV_MAX];                     /* what exec gave the program */
	bool dumpable;
	struct process_attr attr;    /* a child gets a copy */
	struct task_prio ended_prio; /* of the task that ended last */
	enum {
		FUTEX_HASH_DEFAULT,
		FUTEX_HASH_CUSTOM,
		FUTEX_HASH_GLOBAL
	} futex_hash; /* PR_FUTEX_HASH */
	unsigned futex_slots;
	/* writeback.h: jobs for it; it has no task left, and ends when there are none: how */
	unsigned writebacks;
	unsigned flushes; /* of these, writeback_flush()'s */
	bool end_waits;
	int end_status;
	void (*end)(struct process *p, int status);
	uint64_t end_seen; /* pages_written, when the timer was armed */
	struct timer end_timer;
	_Atomic uint64_t pages_written; /* by these jobs; without the lock */

	/* protected by siglock: process-wide pending signals and group state */
	pthread_mutex_t siglock;
	struct sigqueue_set pending;
	struct waitq
		signal_wait; /* signalfds: a signal has become pending for it or a task of it */
	unsigned nexiting;   /* of tasks: their end has begun */
	unsigned nstuck;     /* of tasks: task_stuck() */
	bool ended_early;    /* before its tasks, which are stuck; with k->tree_lock held, too */
	bool group_exit;     /* every task dies at its next step */
	int group_exit_status;
	struct task *exec_task; /* waits in execve until it is the only one: all others die */
	/* job control: a stop begins (stopping), every task joins it (nstopped), it is complete
	 * (stopped) */
	bool stopping, stopped;
	unsigned nstopped;
	int stop_signal;
	bool stop_dequeued;               /* a stop signal was taken and no SIGCONT came since */
	bool stop_reported, cont_pending; /* wait4's WUNTRACED, WCONTINUED */
	int cld_notify; /* CLD_*: the parent has to be told by the next task that runs */
	/* ITIMER_REAL: absolute ns (TIME_NEVER: off), and the period or 0 */
	struct timer itimer;
	int64_t itimer_deadline, itimer_interval;
	struct timer cpu_timer; /* for the next two: cpu_timer.h */
	struct cpu_itimer cpu_itimer[CPU_ITIMERS];
	struct cpu_limit cpu_limit;
	LIST_HEAD(, posix_timer) timers; /* timer_create(2) */
	int timer_next;                  /* the next one's number */

	LIST_HEAD(, sem_undo) sem_undos;   /* protected by k->ipc->lock */
	_Atomic(struct rewrite *) rewrite; /* rewrite.h's counters; NULL: none yet */
	_Atomic unsigned membarrier;       /* membarrier(2)'s registered commands; exec clears it */

	/* vfork: the parent's task sleeps here until the child execs or exits */
	struct waitq vfork_wait;
	_Atomic bool vfork_done;
};

struct task {
	struct sched_task st; /* first: the scheduler gives it back */
	/* immutable after creation: */
	struct process *p; /* a reference */
	struct kernel *k;
	int64_t start_time;

	/* Changed (execve makes its caller the first task) with k->tree_lock and p->siglock held,
	 * read by others with either: */
	uint32_t tid;

	/* owner: */
	/* Not shared with the process: made without CLONE_FILES, CLONE_FS, or unshared. NULL: the
	 * process's. References. */
	struct fdtable *own_files;
	struct fs_context *own_fs;
	struct cpu cpu;
	struct call call;
	bool in_call;              /* call is unfinished */
	bool call_waits;           /* its handler has just said that it blocks: task_call */
	struct call *restart_call; /* for restart_syscall: nanosleep and friends; NULL: none */
	uint64_t clear_child_tid;  /* gva, 0: none */
	/* Read by others under tree_lock: robust.h. */
	_Atomic uint64_t robust_list; /* gva, 0: none */
	_Atomic uint64_t robust_lists2[ROBUST_LISTS2];
	struct rseq_task rseq;
	struct futex_owner futex; /* of PI locks: the futex table's */
	struct stack_t_guest {
		uint64_t sp, size;
		int flags;
	} altstack;
	bool saved_mask_valid; /* sigsuspend, ppoll: restore saved_mask after delivery */
	uint64_t saved_mask;
	_Atomic bool dead; /* others look at it to choose who gets a signal */
	int exit_status;   /* wait status when dead by itself */
	/* CLONE_VFORK in progress, of a process or of a thread; references */
	struct process *vfork_child;
	struct thread_end *vfork_thread;
	struct trap trap;             /* the last one: signal frames show it */
	unsigned trap_nr;             /* the number of the last system call: restarts need it */
	bool trap_pending;            /* a fault or exception that task_step has to handle */
	struct job *fault_job;        /* reads the page that it touched; a reference */
	struct writeback *writebacks; /* jobs whose end it waits for, a reference each */
	bool yield;     /* sched_yield(2): to the tail of the run queue after this call */
	bool keep_regs; /* rt_sigreturn: the registers are not this call's to change */
	bool stop_wait; /* joined a group stop: blocked until that ends */
	bool restart;   /* the ended call's result is -ERESTART*, to be resolved with delivery */
	long result;
	struct {
		uint64_t pc, addr, sp, gen;
		unsigned count;
	} fault_loop; /* the same fault again and again, resolved each time */

	/* Set with siglock held; read by the owner without: something may have to be delivered. */
	_Atomic bool notify;

	/* The owner writes, others read: usage.c. */
	struct task_usage {
		_Atomic uint64_t minflt, majflt, rchar, wchar, syscr, syscw;
	} usage;

	/* protected by p->siglock: */
	uint64_t blocked; /* signal mask; bit n-1 is signal n */
	struct sigqueue_set pending;
	uint64_t sigwait; /* rt_sigtimedwait waits for these, blocked or not */
	bool stopped;     /* has joined the group stop */
	bool stuck;       /* must die, and cannot before a worker lets go of its call */

	/* protected by p->lock: */
	char comm[TASK_COMM_LEN];
	struct task_prio prio;

	/* changed with k->tree_lock and p->siglock held, read with either: */
	TAILQ_ENTRY(task) thread;

	/* protected by k->tree_lock: */
	struct thread_end *end; /* who watches its end; NULL: nobody */
};

/* The owner's view of its own process's parts. */
static inline struct mm *task_mm(struct task *t)
{
	return t->p->mm;
}
static inline struct fdtable *task_files(struct task *t)
{
	return t->own_files ? t->own_files : t->p->files;
}
static inline struct fs_context *task_fs(struct task *t)
{
	return t->own_fs ? t->own_fs : t->p->fs;
}

/*
 * One step of a task that its caller owns: starts or goes on with a system call, delivers signals,
 * stops, dies. After TASK_RUN the caller runs it in the guest and hands the trap to task_trap().
 * After the others the caller no longer owns the task.
 */
enum task_next { TASK_RUN, TASK_GONE, TASK_MUST_LEAVE };
enum task_next task_step(struct task *t);
/* The same while the vCPU is still in the guest with the task's address space. TASK_MUST_LEAVE:
 * what comes next must not be done there; the caller owns it, to be stepped elsewhere. */
enum task_next task_step_in_guest(struct task *t);

/*
 * Makes a system call of a task that runs in the guest and waits there for the answer: its owner, a
 * vCPU thread, leaves it to the caller, any thread, until this returns. pc: where it goes on.
 * TASK_DECLINED: not begun; the task must leave the guest with it. ANSWERED: *result; the task goes
 * on. LEAVES: *result is its result, but it must leave the guest for task_step. WAITS: it must
 * leave, and task_step goes on with the call. WHOLE: not begun, but nothing prevents
 * task_step_in_guest once its registers are known; LONG: nor then, but it will take a while.
 */
enum task_answer { TASK_DECLINED, TASK_ANSWERED, TASK_LEAVES, TASK_WAITS, TASK_WHOLE, TASK_LONG };
enum task_answer task_call(struct task *t, unsigned nr, const uint64_t args[6], uint64_t pc,
			   long *result);

/*
 * Resolves a page fault of a task that waits in the guest with it, at pc and with its stack at sp;
 * whose task it is meanwhile as for task_call. False: nothing was done that matters, and the task
 * leaves the guest with the fault.
 */
bool task_fault(struct task *t, const struct trap *trap, uint64_t pc, uint64_t sp);

/* The owner lets others run: sched_yield_task. It no longer owns t. */
void task_yield(struct task *t);

/* The task left the guest. Only notes and translates: work is done by task_step(). */
void task_trap(struct task *t, const struct trap *trap);

/* ---- life cycle: process.c ---- */

struct process *process_get(struct process *p);
void process_put(struct process *p);
/* A reference to the live or zombie process, or NULL. Takes the registry's lock only. */
struct process *process_find(struct kernel *k, uint32_t pid);
/*
 * Allocates a process (parent NULL: init) with a PID, and its first task, NEW, of the same id;
 * inherits credentials, limits, groups from parent. mm, files, fs, sighand are NULL: the caller
 * binds them, then task_start()s it or process_abort()s it. 0, -EAGAIN, -ENOMEM.
 */
int process_create(struct kernel *k, struct process *parent, struct process **out,
		   struct task **first);
/* p's credentials and its real uid as they are now: its own tasks may be changing them. Take
 * p->lock. */
void process_cred(struct process *p, struct cred *c);
/* More than one task, at this moment. */
bool process_has_threads(struct process *p);
uint32_t process_uid(struct process *p);
/* PR_SET_CHILD_SUBREAPER. tree_lock held. */
void process_set_subreaper_locked(struct process *p, bool on);
/* Rolls back process_create and whatever was bound. */
void process_abort(struct process *p, struct task *first);
/* The task of that id, in whatever process, or NULL. tree_lock held. */
struct task *task_find_locked(struct kernel *k, uint32_t tid);
/* Links the process into the tree and makes the task runnable. */
void process_start(struct process *p, struct task *first);

/*
 * The calling task ends with a wait status. The last task of a process makes it a zombie
 * (descriptors closed, memory freed, children reparented, parent told). Called from task_step only:
 * the handler sets t->dead.
 */
void task_die(struct task *t);
/*
 * The end of t, as far as can be known, may happen while its vCPU is in the guest, which keeps the
 * address space for a moment: others of its process remain, or it has little memory, and nobody can
 * tell. No lock.
 */
bool exit_is_small(struct task *t);
/* exit_group: every task of the process ends with this wait status; the first caller's wins. Takes
 * siglock. */
void process_kill(struct process *p, int wait_status);
/* The process has left its vfork parent's address space (exec did, or it ended): the parent goes
 * on. */
void process_vfork_release(struct process *p);

/* ---- what was used: usage.c. getrusage(2) ---- */

/* Its own times, tasks that run now included, and those of the children it has waited for;
 * process_get_times with the memory of now. Takes tree_lock. */
void process_get_times(struct process *p, struct rusage_times *out);
void process_times_locked(struct process *p, struct rusage_times *out);
/* Adds what t alone has used. From any thread, while t is there. */
void task_add_times(struct task *t, struct rusage_times *to);
/* The page faults that the calling thread has resolved since the last time are t's. Owner only. */
void task_count_faults(struct task *t);
/* The same for one that had to wait for a disk. */
void task_count_major_fault(struct task *t);
/* A read or write of t's that ended with r. Owner only. */
void task_count_io(struct task *t, bool write, long r);
/* mm, which p gives up, has been that large: ru_maxrss. mm may be NULL. Takes tree_lock. */
void process_count_memory(struct process *p, struct mm *mm);
/* The child was waited for. tree_lock held. */
void process_add_child_times_locked(struct process *p, const struct process *child);

/* ---- capabilities of credentials: sys_cred.c ---- */

/* Those of init: all that an ordinary container's root has if its effective uid is 0, else none. */
void cred_init_caps(struct cred *c);
/* What execve makes of credentials: uid 0 gets the bounding set, unless SECBIT_NOROOT, and others
 * keep the ambient one. With no_new_privs nothing is gained. The saved ids become the effective. */
void cred_exec(struct cred *c, bool no_new_privs);
/* c looks at files with its real ids: access(2). */
void cred_real_ids(struct cred *c);
/* prctl(2)'s PR_CAPBSET_*, PR_CAP_AMBIENT, PR_*_SECUREBITS, PR_*_KEEPCAPS, whose arguments a[]
 * are. Their results; -EINVAL, -EPERM. */
long cred_prctl(struct task *t, const uint64_t *a);

/* ---- cpu.c: the owner only ---- */

/* t->cpu.fpu[] becomes current; a vCPU may go on holding the same. */
void task_fpu_sync(struct task *t);
/* No vCPU holds t's FP state any more: before fpu[] is written or freed. What it had and fpu[] had
 * not is lost. */
void task_fpu_forget(struct task *t);

/* ---- fork.c, exec.c ---- */

/* What clone, fork and vfork share. Flags: CLONE_*. */
struct clone_args_k {
	uint64_t flags;
	int exit_signal;
	uint64_t child_tid, parent_tid, pidfd, stack, stack_size, tls;
};
long do_clone(struct task *t, struct call *c, const struct clone_args_k *a);

/*
 * Replaces t's process's program, ends its other tasks and makes t the first. argv and envp are
 * kernel copies. 0; or a negative errno with the task unchanged; past the point of no return a
 * failure kills the task (SIGKILL or SIGSEGV as Linux does). *what as in kernel_start_init, may be
 * NULL.
 */
struct exec_args {
	char **strv; /* argc argument strings, then envc environment strings; owned by the caller */
	char *text;  /* what exec_args_free() frees with strv: the strings, or NULL if they are
			borrowed */
	unsigned argc, envc;
	size_t bytes; /* all strings with their NULs */
};
long do_execve(struct task *t, int dirfd, const char *path, const struct exec_args *a,
	       unsigned at_flags, const char **what);
/* Both may return -EBLOCKED: other tasks of the process have to end first. What is ready by then is
 * kept in t->call; this goes on with it. */
long do_execve_again(struct task *t);

/* ---- architecture: vmm/linux/ARCH/ ---- */

void arch_syscall_fetch(const struct uregs *r, unsigned *nr, uint64_t args[6]);
void arch_syscall_result(struct uregs *r, int64_t result);
/* Points the task back at its system-call instruction with the same arguments: -ERESTART*. nr: the
 * number to call (restart_syscall or the same). */
void arch_syscall_restart(struct uregs *r, unsigned nr);
/* A fresh program's registers. */
void arch_start_thread(struct cpu *c, uint64_t entry, uint64_t sp);
/* A child's registers: result 0, its stack and TLS if given (0: inherit). */
void arch_fork_regs(struct cpu *child, uint64_t stack, bool set_tls, uint64_t tls);
uint64_t arch_sp(const struct uregs *r);
uint64_t arch_pc(const struct uregs *r);
/* The exception in t->trap -> signal; fills info. Page faults are translated by the caller. Returns
 * the signal; 0: spurious, run on. */
int arch_trap_signal(struct task *t, struct siginfo_k *info);
/* The machine can enter user mode with these registers: the program counter is canonical. */
bool arch_regs_ok(const struct uregs *r);
/* clone(2)'s argument order differs: where tls and child_tid are. */
void arch_clone_args(const uint64_t args[6], uint64_t *tls, uint64_t *child_tid);

/* What an address space is told of RLIMIT_DATA: with 0 (Valgrind sets it) the hard limit counts. */
uint64_t rlimit_data(const struct rlimit64 *l);

#endif
