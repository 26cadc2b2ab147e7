/*
 * What the files of system calls share: small decoders and the clocks.
 *
 * Owns nothing.
 */
#ifndef VMBOX_LINUX_SYS_H
#define VMBOX_LINUX_SYS_H

#include "task.h"

#include <time.h>

/* The kernel's struct timespec and timeval on 64-bit machines. */
struct timespec_k {
	int64_t sec, nsec;
};
struct timeval_k {
	int64_t sec, usec;
};

/* The guest's clock in ns: CLOCK_MONOTONIC, CLOCK_REALTIME or CLOCK_BOOTTIME. Any thread. */
int64_t kernel_clock(struct kernel *k, int clock);

/* A timespec at a: *ns, saturated at TIME_NEVER. 0, -EFAULT, -EINVAL (negative, or nsec out of
 * range). */
int timespec_from_guest(struct mm *mm, gva_t a, int64_t *ns);
int timespec_to_guest(struct mm *mm, gva_t a, int64_t ns);

/* CPU time of a process so far, ns, with its ended threads. Takes siglock. */
int64_t process_cpu_time(struct process *p);
/* The CPU clock that a clock id names: of a process, or of a thread of the caller's own. */
struct cpu_clock {
	struct process *p; /* a reference */
	uint32_t tid;      /* 0: the process's */
};
/* 0 and *cc, or -EINVAL: no CPU clock, or of nobody. clock_getcpuclockid(3). */
int cpu_clock_find(struct task *t, int id, struct cpu_clock *cc);

/*
 * The process that a pid argument names, with a reference; 0: the caller's. NULL: -ESRCH.
 */
struct process *process_by_arg(struct task *t, int pid);

/* capable(CAP_*): towards the guest's objects, bounded by what the VMM itself may. Takes p->lock.
 */
bool task_capable(struct task *t, unsigned cap);
/* Bytes that the caller may lock: RLIMIT_MEMLOCK; UINT64_MAX: any. */
uint64_t task_lock_limit(struct task *t);
/* The caller's effective uid. Takes p->lock. */
uint32_t task_euid(struct task *t);

/*
 * madvise(2) on an address space, the caller's or another's: 0 or its errno. The range may be any.
 */
long advise_range(struct mm *mm, uint64_t addr, uint64_t size, int advice);

/* prctl(2)'s PR_SET_MDWE: what must not become executable is -EACCES. have: the VMA_* of what is
 * there, or `want` for a new mapping. */
int mdwe_check(struct task *t, unsigned have, unsigned want);

/* uname(2): what this personality calls itself; /proc agrees. */
#define KERNEL_RELEASE "6.12.0"
#define KERNEL_VERSION "#1 SMP PREEMPT_DYNAMIC vmbox"
/* The names as set now; buf of 65 bytes. Takes tree_lock. */
void kernel_hostname(struct kernel *k, char *buf);
void kernel_domainname(struct kernel *k, char *buf);

/*
 * From now on a VMA's opaque file is a struct file, and the VMA holds a reference. Idempotent;
 * before the first mm.
 */
void vma_file_init(void);

/* ---- vmm/linux/ARCH/exec_arch.c ---- */
long arch_prctl_call(struct task *t, int code, uint64_t addr);
const char *arch_machine_name(void);

#endif
