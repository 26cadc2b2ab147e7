/*
 * The ABI between the code that runs inside the VM and the VMM.
 *
 * Both sides compile this header, and it is the only one that every module
 * may include. It owns no state. A change of anything that both sides use
 * raises ABI_VERSION, which the device tree carries and the guest's early code checks.
 */
#ifndef VMBOX_GUEST_ABI_H
#define VMBOX_GUEST_ABI_H

#define ABI_VERSION 1

#if defined(__x86_64__)
#include "x86_64/abi_arch.h"
#elif defined(__aarch64__)
#include "arm64/abi_arch.h"
#else
#error "vmbox: unsupported architecture"
#endif

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096UL
#define PAGE_MASK  (~(PAGE_SIZE - 1))

/*
 * The vDSO's notes of this name and type tell the VMM where the critical sections of its robust
 * unlock functions lie. A section begins just after the instruction that released the lock, or
 * tried to, and ends just after the one that cleared the pending slot.
 */
#define ABI_NOTE_NAME   "vmbox"
#define ABI_NOTE_ROBUST 1
/* A note of the same layout: at `start` signal handlers without a restorer return. */
#define ABI_NOTE_SIGRETURN 2
/* abi_robust_note.kind: how the registers tell whether the lock was released. */
#define ABI_ROBUST_KIND   0xff
#define ABI_ROBUST_X86    1     /* ZF: the compare-exchange succeeded; the slot is rdx */
#define ABI_ROBUST_LLSC   2     /* w3 == 0: the store-exclusive succeeded; the slot is x2 */
#define ABI_ROBUST_LSE    3     /* w3, the old word, equals w1, the TID; the slot is x2 */
#define ABI_ROBUST_CHOICE 4     /* no section: `start` is a branch; a nop there chooses LSE */
#define ABI_ROBUST_SLOT32 0x100 /* the pending slot has 4 bytes, else 8 */

/* The early code's address space: one table's worth. The console's page is there if the tree names
 * one. */
#define ABI_EARLY_TEXT      0x100000
#define ABI_EARLY_TEXT_SIZE 0x4000
#define ABI_EARLY_TREE      0x104000
#define ABI_EARLY_ANSWER    0x108000 /* struct abi_early */
#define ABI_EARLY_STACK_TOP 0x10b000 /* two pages */
#define ABI_EARLY_DATA_SIZE 0x7000   /* the tree, the answer, the stack */
#define ABI_EARLY_CONSOLE   0x10c000

/*
 * A vCPU's channel: one page by which the stub asks the VMM for a system call without leaving the
 * guest. Where the stub has no more privilege than the program, that can write it, too, so nothing
 * in it is to be trusted; but only the process that runs on the vCPU sees it, and it is wiped
 * before another does. Offsets for the stub:
 */
#define ABI_CHANNEL_STATE        0x00
#define ABI_CHANNEL_NR           0x04
#define ABI_CHANNEL_ARGS         0x08
#define ABI_CHANNEL_PC           0x38
#define ABI_CHANNEL_EXIT         ABI_CHANNEL_NR
#define ABI_CHANNEL_RESULT       ABI_CHANNEL_ARGS
#define ABI_CHANNEL_SPIN         0x80
#define ABI_CHANNEL_SPIN_CLAIMED 0x84
#define ABI_CHANNEL_FLAGS        0x88
#define ABI_CHANNEL_SP           0x90
#define ABI_CHANNEL_AX           0x98
#define ABI_CHANNEL_DX           0xa0
#define ABI_CHANNEL_FRAME        0x100
#define ABI_CHANNEL_FRAME_FPU    0x220
#define ABI_CHANNEL_CLAIMED      0x240
#define ABI_CHANNEL_IRET         0x280
#define ABI_CHANNEL_CR3          0x2a8
#define ABI_CHANNEL_STACK_TOP    0x3f0
#define ABI_CHANNEL_FPU          0x400
#define ABI_CHANNEL_FPU_SIZE     0xc00
/* The state. */
#define ABI_CHANNEL_IDLE    0 /* nothing asked, or answered */
#define ABI_CHANNEL_REQUEST 1
#define ABI_CHANNEL_SAVED   2 /* all registers are in the page; the VMM may go on with the task */
#define ABI_CHANNEL_PARKED  3 /* it did, and there is none to go on with yet */
#define ABI_CHANNEL_BACK    4 /* the vCPU was on an errand, and waits for what follows */
#define ABI_CHANNEL_FAULT   5 /* a page fault waits for an answer; the supervisor knows which */
/* exit: 0: go on, with the result, or a frame if all registers were saved; 1: leave the guest; 2:
 * an errand, and then look so often for what follows as the result says; more: save all registers,
 * and look so often. */
#define ABI_CHANNEL_ERRAND 2

#ifndef __ASSEMBLER__
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A guest-virtual address: the host can neither dereference it nor mix it with a gpa_t. */
typedef struct {
	uint64_t v;
} gva_t;

/* A guest-physical address. */
typedef struct {
	uint64_t v;
} gpa_t;

static inline gva_t gva(uint64_t v)
{
	return (gva_t){v};
}

static inline gpa_t gpa(uint64_t v)
{
	return (gpa_t){v};
}

static inline uint64_t page_down(uint64_t v)
{
	return v & PAGE_MASK;
}

/* Wraps to 0 for the last page of the address space: check the length first. */
static inline uint64_t page_up(uint64_t v)
{
	return (v + PAGE_SIZE - 1) & PAGE_MASK;
}

/*
 * The clock page: written by the VMM, mapped read-only into every process
 * below the vDSO (at the vDSO's base - PAGE_SIZE). Readers follow the sequence lock: an odd
 * seq, or one that changed, means read again.
 *
 * With c = the architecture's counter (TSC, CNTVCT):
 *   monotonic ns = mono_ns + (((c - counter) * mult) >> shift)
 *   realtime  ns = monotonic ns + realtime_offset_ns
 *   boottime  ns = monotonic ns + boottime_offset_ns
 * A counter that reads below `counter` counts as equal to it.
 * CLOCK_MONOTONIC_RAW is the monotonic clock; the coarse clocks are rounded down to ABI_TICK_NS.
 * usable == 0: the counter cannot be trusted here; make the system call.
 */
#define ABI_TICK_NS 4000000
struct abi_clock_page {
	_Atomic uint32_t seq;
	uint32_t usable;
	uint64_t counter;
	uint64_t mono_ns;
	uint64_t realtime_offset_ns;
	uint64_t boottime_offset_ns;
	uint32_t mult;
	uint32_t shift;
};

/*
 * The machine, as its device tree describes it: what the VMM builds the tree from, and what the
 * early code (guest/early/) has understood of it.
 */
struct abi_range {
	uint64_t start, size; /* size 0: there is none */
};

#define ABI_MEMORY_MAX 2
#define ABI_RNG_SEED   64 /* bytes */

struct abi_machine {
	/* The tree's property vmbox,abi-version. */
	uint32_t abi_version;
	uint32_t ncpus;
	uint32_t nmemory;
	uint32_t doorbell_io;                    /* doorbell is a range of I/O ports */
	struct abi_range memory[ABI_MEMORY_MAX]; /* guest-physical, as all below */
	struct abi_range doorbell;
	struct abi_range clock;    /* the clock page */
	struct abi_range console;  /* struct abi_console */
	struct abi_range channels; /* one page a vCPU */
	uint64_t clock_hz;         /* the counter's frequency; 0: not known */
	uint64_t kaslr_seed;
	uint8_t rng_seed[ABI_RNG_SEED];
};

/* Why a tree was refused. */
enum abi_tree_error {
	TREE_OK,
	TREE_TRUNCATED, /* it says that it is longer than it is */
	TREE_OVERSIZE,  /* more than ABI_TREE_MAX bytes, or more of something than there is room for
			 */
	TREE_HEADER,    /* not a tree, of a version that cannot be read, or its blocks collide */
	TREE_STRUCTURE, /* tokens and names do not make a tree */
	TREE_DEPTH,     /* nodes in nodes in nodes */
	TREE_PROPERTY,  /* a property has not the form that its binding asks for */
	TREE_MISSING,   /* something that the machine cannot be without */
	TREE_DUPLICATE, /* something is there twice */
	TREE_OVERLAP,   /* two ranges share an address */
	TREE_OUTSIDE,   /* a page that is not in memory */
	TREE_FOREIGN,   /* another machine's, or for another version of this header */
	TREE_REFERENCE, /* stdout-path leads nowhere */
	TREE_ERRORS
};

/*
 * The early code runs once a VM, on vCPU 0 in ring 3 (EL0) in an address space of its own, before
 * the first task. It finds the tree at ABI_EARLY_TREE, answers in the struct abi_early and makes a
 * system call, whose registers mean nothing.
 */
#define ABI_TREE_MAX 0x4000UL
struct abi_early {
	uint32_t tree_size; /* in: bytes that are there */
	uint32_t error;     /* out: enum abi_tree_error */
	uint32_t error_at;  /* out: where in the tree */
	uint32_t done;      /* out: 1 */
	struct abi_machine machine;
};

/* The debug console: one page that the guest fills. What does not fit is lost. */
struct abi_console {
	_Atomic uint32_t used;
	char text[PAGE_SIZE - sizeof(uint32_t)];
};

/*
 * Five parts, each in cache lines of its own (pairs of 64 bytes are fetched together): what
 * travels both ways with each call, what the stub alone uses each time, registers, what it looks
 * at when it has lost patience; FP state.
 *
 * A REQUEST is answered with a result (exit is 0), or with nothing: leave the guest (1), or save
 * all registers in the frame and the FP image first, and wait until that is answered (exit
 * looks). The answer to that, too, is to leave (1) or a frame (0) to go on with, whosoever it is. A
 * FAULT is answered by that to leave, or by the few registers of a frame that the stub has used.
 */
struct abi_channel {
	_Atomic uint32_t state; /* IDLE and PARKED by the VMM, the others by the stub */
	union {
		uint32_t nr;           /* with a request */
		_Atomic uint32_t exit; /* with the answer */
	};
	union {
		uint64_t args[6];
		_Atomic int64_t result;
	};
	uint64_t pc; /* where the program goes on */
	uint8_t unused1[0x40];

	/* The VMM's: */
	_Atomic uint32_t spin;         /* so often to look for an answer; 0: do not ask */
	_Atomic uint32_t spin_claimed; /* so often again if the call is being made */
	/* The stub's: the program's, which it uses itself for a moment. */
	uint64_t flags, sp, ax, dx;
	uint8_t unused2[0x58];

	union {
		struct uregs frame; /* the stub's: without what pc, flags, ax and dx say */
		uint8_t unused4[0x120];
	};
	uint32_t frame_fpu; /* with a frame; not 0: its FP image is to be loaded, too */
	uint8_t unused5[0x1c];

	_Atomic uint32_t claimed; /* the VMM's; not 0: the call is being made */
	uint8_t unused3[0x3c];

	/* With a frame, for a privileged stub: what its last instruction takes (RIP, CS, RFLAGS,
	 * RSP, SS), and the address space to go on in (0: the same). And its stack, in case of
	 * need. */
	uint64_t iret[5], cr3;
	uint8_t stack[0x140], unused6[0x10];

	/* An FP image: of who leaves by the doorbell, or of who is about to go on. */
	uint8_t fpu[ABI_CHANNEL_FPU_SIZE];
};
#define ABI_CHANNEL_AT(field, at)                                                                  \
	_Static_assert(__builtin_offsetof(struct abi_channel, field) == (at), #field)
ABI_CHANNEL_AT(state, ABI_CHANNEL_STATE);
ABI_CHANNEL_AT(nr, ABI_CHANNEL_NR);
ABI_CHANNEL_AT(args, ABI_CHANNEL_ARGS);
ABI_CHANNEL_AT(pc, ABI_CHANNEL_PC);
ABI_CHANNEL_AT(spin, ABI_CHANNEL_SPIN);
ABI_CHANNEL_AT(spin_claimed, ABI_CHANNEL_SPIN_CLAIMED);
ABI_CHANNEL_AT(frame, ABI_CHANNEL_FRAME);
ABI_CHANNEL_AT(frame_fpu, ABI_CHANNEL_FRAME_FPU);
ABI_CHANNEL_AT(claimed, ABI_CHANNEL_CLAIMED);
ABI_CHANNEL_AT(iret, ABI_CHANNEL_IRET);
ABI_CHANNEL_AT(cr3, ABI_CHANNEL_CR3);
ABI_CHANNEL_AT(unused6, ABI_CHANNEL_STACK_TOP);
ABI_CHANNEL_AT(exit, ABI_CHANNEL_EXIT);
ABI_CHANNEL_AT(result, ABI_CHANNEL_RESULT);
ABI_CHANNEL_AT(flags, ABI_CHANNEL_FLAGS);
ABI_CHANNEL_AT(sp, ABI_CHANNEL_SP);
ABI_CHANNEL_AT(ax, ABI_CHANNEL_AX);
ABI_CHANNEL_AT(dx, ABI_CHANNEL_DX);
ABI_CHANNEL_AT(fpu, ABI_CHANNEL_FPU);

/* The descriptor of an ABI_NOTE_ROBUST. start and end: each relative to its own address. */
struct abi_robust_note {
	int32_t start, end;
	uint32_t kind;
};
#endif /* !__ASSEMBLER__ */

#endif
