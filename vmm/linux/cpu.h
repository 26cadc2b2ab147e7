/*
 * A task's user-visible CPU state.
 *
 * Whoever owns the task (the thread that runs its handler, or the vCPU loop) owns this. fpu_home is
 * the vCPU whose registers hold the task's FP state, or NULL; fpu[] is as new only after
 * machine_ops.fpu_save. Before fpu[] is written, and before the memory goes,
 * machine_ops.fpu_forget.
 */
#ifndef VMBOX_LINUX_CPU_H
#define VMBOX_LINUX_CPU_H

#include "../../guest/abi.h"

#include <stdatomic.h>
#include <stddef.h>

struct cpu {
	struct uregs regs;
	/*
	 * regs differ from what the last exit left in more than the system call's result and the
	 * program counter: load all. Set by whoever changes them (exec, signal delivery and return,
	 * fork).
	 */
	bool regs_modified;
	uint8_t *fpu; /* the architecture's FP image (x86: XSAVE, uncompacted),
			 kernel_config.fpu_size bytes, 64-byte aligned */
	/* the VMM's: */
	_Atomic(void *) fpu_home; /* opaque vCPU */
	void *ran_on;             /* opaque vCPU: the last one that ran it */
	bool fpu_synced;          /* fpu[] is what fpu_home's registers hold */
};

enum trap_kind {
	TRAP_SYSCALL,
	TRAP_PAGE_FAULT,
	TRAP_EXCEPTION, /* any other CPU exception: vector, error */
	TRAP_KICK,      /* nothing happened: a kick, or a spurious exit */
	TRAP_BAD_IO, /* a user instruction that only a kernel may use and that reached the VMM (in,
			out, ...): SIGSEGV */
	TRAP_BUS,    /* the guest touched memory that the host cannot provide: SIGBUS */
	TRAP_CRASH,  /* the vCPU cannot go on with this task (triple fault, internal error):
			SIGKILL-like death by SIGSEGV */
};

/* Why a task left the guest. */
struct trap {
	enum trap_kind kind;
	uint64_t addr;   /* PAGE_FAULT: gva */
	unsigned access; /* PAGE_FAULT: FAULT_* */
	bool present;    /* PAGE_FAULT: the page was mapped (a protection fault) */
	unsigned vector; /* EXCEPTION, PAGE_FAULT: the architecture's number */
	uint64_t error;  /* the architecture's error code */
	uint64_t gen;    /* mm_tlb_gen() when it entered the guest */
};

#endif
