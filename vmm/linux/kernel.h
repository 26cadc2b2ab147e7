/*
 * The Linux personality: the state that all its tasks share, and how the
 * machine below it is reached.
 *
 * A kernel is made once, by the VMM, before any task, and torn down after the last. Its
 * members are immutable after kernel_create unless said otherwise.
 *
 * vmm/linux includes core, paging and guest/abi.h, nothing else: what it needs of KVM comes
 * through struct machine_ops.
 */
#ifndef VMBOX_LINUX_KERNEL_H
#define VMBOX_LINUX_KERNEL_H

#include "../core/core.h"
#include "../core/reactor.h"
#include "../core/registry.h"
#include "../core/sched.h"
#include "../../paging/mm.h"

#include <stdio.h>

struct cpu;
struct process;
struct task;
struct vfs;
struct file;
struct workpool;
struct trace;
struct stats;
struct unix_names;
struct ipc;
struct mqueues;
struct wall_watch;

struct machine_ops {
	/*
	 * Brings c->fpu up to date if a vCPU still holds the task's FP state. The task is not
	 * running in the guest. Any thread.
	 */
	void (*fpu_save)(void *machine, struct cpu *c);
	/*
	 * The guest's CLOCK_MONOTONIC, CLOCK_REALTIME or CLOCK_BOOTTIME in ns, in step with the
	 * clock page. Any thread. NULL: the host's own.
	 */
	int64_t (*clock_ns)(void *machine, int clock);
	/* c->fpu[] is about to be written, or freed: no vCPU may hold or remember it. Any thread.
	 */
	void (*fpu_forget)(void *machine, struct cpu *c);
	/*
	 * Returns when every vCPU that ran mm (NULL: any) in the guest has left it or executed a
	 * full memory barrier since. A vCPU's thread, no lock held. NULL: there are no vCPUs.
	 */
	void (*barrier)(void *machine, struct mm *mm);
	/*
	 * Writes what /proc/cpuinfo says of the vCPU `cpu` of `cpus` behind its number, line by
	 * line. Any thread. NULL: nothing.
	 */
	void (*cpu_info)(void *machine, unsigned cpu, unsigned cpus, FILE *f);
};

/* What `vmbox run` decided; borrowed strings live as long as the kernel. */
struct kernel_config {
	unsigned cpus;
	uint64_t mem_limit;
	uint32_t uid, gid;
	const uint32_t *groups;
	unsigned ngroups;
	const char *root;    /* host directory, or NULL: an empty in-memory root */
	const char *cwd;     /* guest path or NULL */
	bool cwd_must_exist; /* else "/" will do */
	const char *hostname;
	bool strace;
	bool stats;
	size_t fpu_size;          /* bytes of cpu.fpu */
	const void *fpu_init;     /* initial FP state, fpu_size bytes */
	uint64_t hwcap, hwcap2;   /* AT_HWCAP, AT_HWCAP2 */
	const char *platform;     /* AT_PLATFORM */
	size_t sigframe_fpu_size; /* FP bytes in a signal frame; 0: no XSAVE, the legacy 512 */
	uint64_t fpu_features;    /* x86: the guest's XCR0; 0: no XSAVE, or as its size tells */
	const void *vdso;         /* vDSO ELF image; NULL: programs get none */
	size_t vdso_size;
	struct memobj *clock;     /* the clock page: one page; a reference is taken */
	unsigned robust_list2_nr; /* number of set_robust_list2, get_robust_list2's is the next; 0:
				     ENOSYS */
	bool robust_unlock_keep_waiters; /* FUTEX_ROBUST_UNLOCK stores FUTEX_WAITERS, not 0, while
					    waiters remain */
};

/* A critical section of the vDSO's robust unlock, as offsets in its image: robust_unlock.h. */
struct robust_range {
	uint32_t start, end;
	unsigned kind; /* ABI_ROBUST_* */
	bool slot32;
};

struct kernel {
	struct gmem *gm;
	struct sched *sched;
	struct reactor *reactor;
	struct timers *timers;
	struct registry *registry;
	struct futex_table *futex;
	struct workpool *pool; /* host calls that may sleep */
	struct vfs *vfs;
	struct unix_names *unix_names;
	struct ipc *ipc;
	struct mqueues *mqueues;
	struct trace *trace; /* NULL: no --strace */
	struct stats *stats;
	struct kernel_config cfg;
	const struct machine_ops *ops;
	void *machine;
	/* Guest address of an entry for system calls that ring 3 may jump to; 0: none, or it is not
	 * to be used (rewrite.h). Set before the first task runs. */
	uint64_t call_entry;
	/* ns that a vfork's parent waits longer than others for the vCPU of the child that has let
	 * it go */
	int64_t vfork_patience;
	struct memobj *vdso_obj, *clock_obj;
	struct robust_range robust[4]; /* the vDSO's */
	unsigned nrobust;
	uint64_t vdso_sigreturn; /* offset of __kernel_rt_sigreturn; 0: restorers are the programs'
				  */
	int64_t boot_time;       /* core_now() at creation */

	/*
	 * Protects the process tree (parents, children, groups, sessions), every process's life
	 * state, and the list of all tasks. Above process->siglock.
	 */
	pthread_mutex_t tree_lock;
	TAILQ_HEAD(, process) processes; /* protected by tree_lock */
	/* Protected by tree_lock: those that have ended and still have tasks (task_stuck()). */
	TAILQ_HEAD(, process) ended_early;
	struct process *init; /* PID 1; protected by tree_lock */
	char hostname[65],
		domainname[65];    /* protected by tree_lock; "": kernel_config's, and "(none)" */
	pthread_mutex_t wall_lock; /* wall.h */
	LIST_HEAD(, wall_watch) walls;   /* protected by wall_lock */
	_Atomic unsigned wall_moves;     /* how often CLOCK_REALTIME has been set */
	_Atomic unsigned ntasks;         /* tasks and zombies: RLIMIT_NPROC */
	_Atomic unsigned nsignals;       /* queued signals: RLIMIT_SIGPENDING */
	_Atomic unsigned writebacks;     /* jobs of writeback.h */
	_Atomic int64_t writeback_moved; /* core_now() when the host took a page, or the first of
					    them began */
	_Atomic bool maps_written; /* a mapping of a file of the host could be; never again false */
	_Atomic bool stopping;     /* kernel_stop(): nothing goes to workers any more */

	/* PID 1 has ended: its wait status. Set once, then on_halt(halt_arg) is called (any thread,
	 * no lock). */
	_Atomic bool halted;
	int init_status;
	void (*on_halt)(void *arg);
	void *halt_arg;
};

/* 0 and *out; -ENOMEM. gm, sched, reactor are borrowed. */
int kernel_create(struct gmem *gm, struct sched *sched, struct reactor *reactor,
		  const struct kernel_config *cfg, const struct machine_ops *ops, void *machine,
		  struct kernel **out);
/*
 * Ends every task that is left (no vCPU thread runs any more); their files are closed. Nobody wants
 * the results of host calls that still run: they are waited for up to ns. False: one has not
 * returned, so that kernel_destroy() would not either: leave everything as it is, and end the
 * process with _exit().
 */
bool kernel_stop(struct kernel *k, int64_t ns);
/* The same without a limit, if it was not done, and frees all. k may be NULL. */
void kernel_destroy(struct kernel *k);

/*
 * Makes PID 1 from a guest path with argv and envp (NULL-terminated, copied). stdio: the host's
 * descriptors 0, 1, 2. 0; or the negative errno of execve, and *what names the file it is about
 * (the image or its interpreter; borrowed from a static buffer).
 */
int kernel_start_init(struct kernel *k, const char *path, char *const argv[], char *const envp[],
		      const char **what);

/* As many tasks as the guest's memory is thought to bear: Linux's threads-max. Only with a
 * mem_limit. */
unsigned kernel_threads_max(const struct kernel *k);

/* Somebody has set CLOCK_REALTIME, and machine_ops.clock_ns shows it: what waits for a time of it
 * waits anew. Any thread, no lock held. */
void kernel_clock_was_set(struct kernel *k);

/* A host signal for PID 1, as if sent by a foreign process with permission. */
void kernel_signal_init(struct kernel *k, int sig);
/*
 * A signal that the host's terminal sent to the VMM's process group (a key, a new window size, a
 * hangup): for the guest's foreground group. True: that is PID 1's own, and PID 1 leaves the signal
 * at its default, so that to stop is the VMM's business.
 */
bool kernel_signal_terminal(struct kernel *k, int sig);
/* A program of the guest decides which of its groups is in the foreground: a shell runs there. */
bool kernel_has_job_control(struct kernel *k);

#endif
