/*
 * The ABI between the code that runs inside the VM and the VMM.
 *
 * Both sides compile this header, and it is the only one that every module
 * may include. It owns no state. A change of anything that both sides use
 * raises ABI_VERSION, which the stub image carries and the VMM checks.
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
/* abi_robust_note.kind: how the registers tell whether the lock was released. */
#define ABI_ROBUST_KIND   0xff
#define ABI_ROBUST_X86    1     /* ZF: the compare-exchange succeeded; the slot is rdx */
#define ABI_ROBUST_LLSC   2     /* w3 == 0: the store-exclusive succeeded; the slot is x2 */
#define ABI_ROBUST_LSE    3     /* w3, the old word, equals w1, the TID; the slot is x2 */
#define ABI_ROBUST_CHOICE 4     /* no section: `start` is a branch; a nop there chooses LSE */
#define ABI_ROBUST_SLOT32 0x100 /* the pending slot has 4 bytes, else 8 */

#ifndef __ASSEMBLER__
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

/* The descriptor of an ABI_NOTE_ROBUST. start and end: each relative to its own address. */
struct abi_robust_note {
	int32_t start, end;
	uint32_t kind;
};
#endif /* !__ASSEMBLER__ */

#endif
