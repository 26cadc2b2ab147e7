/*
 * x86_64 part of the guest ABI: address layout, doorbell ports, user registers.
 */
#ifndef VMBOX_GUEST_X86_64_ABI_ARCH_H
#define VMBOX_GUEST_X86_64_ABI_ARCH_H

/* User addresses: [ABI_USER_MIN, ABI_USER_END), Linux's 47-bit half less its guard page. */
#define ABI_USER_MIN 0x0000000000010000
#define ABI_USER_END 0x00007ffffffff000

/*
 * The kernel half: one PML4 entry (the last), whose tables all address spaces
 * share. Everything but the system-call page is for the supervisor only.
 */
#define ABI_KERN_BASE    0xffffffff80000000
#define ABI_KERN_PML4_IX 511

/* One page of trap code: the exception stubs, one every ABI_VECTOR_STRIDE bytes. */
#define ABI_VECTORS_GVA   0xffffffff80001000
#define ABI_VECTOR_STRIDE 16
/*
 * One page of system-call code, mapped twice: LSTAR is the supervisor's where SYSCALL raises the
 * privilege level, and the user-executable one where it does not. Ring 3 gains nothing by jumping
 * there.
 */
#define ABI_SYSCALL_GVA      0xffffffff80002000
#define ABI_SYSCALL_USER_GVA 0xffffffff80003000
/*
 * Where SYSCALL keeps the privilege level, ring 3 may also jump here, which needs no trap: rax and
 * the arguments as for SYSCALL, rcx the address to go on at, which must lie right behind a SYSCALL
 * instruction (a restarted call executes that). r11 is lost; on return it holds the flags, and rcx
 * the address, as after SYSCALL. Flags and stack are left alone.
 */
#define ABI_SYSCALL_ENTRY     0x100 /* in the page */
#define ABI_SYSCALL_ENTRY_GVA 0xffffffff80003100
#define ABI_IDT_GVA           0xffffffff80004000
/* The vCPU's channel page (struct abi_channel): the same address on each, another page. The stub
 * names it by a sign-extended displacement. */
#define ABI_CHANNEL_GVA  0xffffffffc0000000
#define ABI_CHANNEL_DISP (-0x40000000)
/*
 * The same for the supervisor's alone: the vCPU's IDT, what errands are about (struct abi_errand),
 * and a page of code for them: what ring 3's stub has the supervisor do for the VMM, by an int3
 * while that gate leads there. Else int3 is the program's breakpoint: then the gate leads to the
 * exception stubs, here, so that one word is the difference.
 */
#define ABI_ERRAND_IDT_GVA     0xffffffffc0001000
#define ABI_ERRAND_DATA_GVA    0xffffffffc0002000
#define ABI_ERRAND_GVA         0xffffffffc0003000
#define ABI_ERRAND_VECTORS_GVA 0xffffffffc0004000
#define ABI_ERRAND_VECTOR      3 /* int3 */
#define ABI_ERRAND_DISP        (-0x3fffe000)
#define ABI_ERRAND_DONE        0x00
#define ABI_ERRAND_IRET        0x08
#define ABI_ERRAND_FAULT       0x38
#define ABI_ERRAND_RCX         0x40
#define ABI_ERRAND_FAULT_IRET  0x48
#define ABI_ERRAND_LIST_MAX    32 /* page-table entries */
/* The tables that an errand is about are mapped here, for the supervisor. */
#define ABI_ERRAND_TABLES_GVA 0xffffffffc0010000
#define ABI_ERRAND_TABLES     4
/* The same page has where page faults enter while somebody polls. */
#define ABI_FAULT_VECTOR 14
#define ABI_FAULT_NONE   (~0UL) /* an address that nobody touches in vain */
/* Per vCPU: ABI_CPU_STRIDE bytes: GDT+TSS (with its I/O bitmap: 3 pages), trap stack (1 page),
 * fault stack (1). */
#define ABI_CPU_GVA       0xffffffff80100000
#define ABI_CPU_STRIDE    0x8000
#define ABI_CPU_GDT       0x0000
#define ABI_CPU_TSS       0x0100
#define ABI_CPU_STACK_TOP 0x5000 /* trap stack is the page below */
#define ABI_CPU_IST_TOP   0x7000 /* #DF, NMI and #MC */

/* Segment selectors: Linux's own, which programs can see. */
#define ABI_SEL_KERN_CS 0x10
#define ABI_SEL_KERN_SS 0x18
#define ABI_SEL_USER_DS 0x2b
#define ABI_SEL_USER_CS 0x33
#define ABI_SEL_TSS     0x40

/* Doorbell: `out %al, $port`. */
#define ABI_PORT_SYSCALL   0x22 /* the only port that ring 3 may be allowed to write */
#define ABI_PORT_EXCEPTION 0x23 /* ring 0 only; the vector and the frame are on the trap stack */
#define ABI_PORT_PROBE     0x24 /* the behaviour probe's */

/* The doorbell as the device tree names it: these ports. */
#define ABI_DOORBELL      ABI_PORT_SYSCALL
#define ABI_DOORBELL_SIZE 3
#define ABI_DOORBELL_IO   1

#ifndef __ASSEMBLER__
#include <stdatomic.h>
#include <stdint.h>

/* What a user program sees of the CPU, without its FP/SIMD state. */
struct uregs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags;
	uint64_t fs_base, gs_base;
};

/* The VMM writes it while the vCPU is on no errand. */
struct abi_errand {
	_Atomic uint32_t done; /* the number of the last one */
	uint32_t unused1;
	uint64_t iret[5]; /* RIP, CS, RFLAGS, RSP, SS behind one that loads a root */
	uint64_t unused2;
	/* A page fault that waits: where (else ABI_FAULT_NONE), and what was in rcx. */
	_Atomic uint64_t fault;
	uint64_t rcx;
	uint64_t fault_iret[5]; /* to where ring 3 asks for it; constant */
};
_Static_assert(__builtin_offsetof(struct abi_errand, done) == ABI_ERRAND_DONE, "done");
_Static_assert(__builtin_offsetof(struct abi_errand, iret) == ABI_ERRAND_IRET, "iret");
_Static_assert(__builtin_offsetof(struct abi_errand, fault) == ABI_ERRAND_FAULT, "fault");
_Static_assert(__builtin_offsetof(struct abi_errand, rcx) == ABI_ERRAND_RCX, "rcx");
_Static_assert(__builtin_offsetof(struct abi_errand, fault_iret) == ABI_ERRAND_FAULT_IRET, "iret");
#endif

#endif
