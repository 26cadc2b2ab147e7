/*
 * arm64 part of the guest ABI: address layout, user registers, the frame page and the doorbell.
 */
#ifndef VMBOX_GUEST_ARM64_ABI_ARCH_H
#define VMBOX_GUEST_ARM64_ABI_ARCH_H

/* User addresses: TTBR0's 48-bit half. */
#define ABI_USER_MIN 0x0000000000010000
#define ABI_USER_END 0x0001000000000000

/* The doorbell, as the device tree names it: this page of guest-physical addresses, outside memory.
 */
#define ABI_DOORBELL      0xc0000000
#define ABI_DOORBELL_SIZE 0x1000
#define ABI_DOORBELL_IO   0
/* TTBR1's half, the same for all address spaces and EL1's alone. */
#define ABI_VECTORS_GVA  0xffffffff80001000 /* one page: the vectors and the stub behind them */
#define ABI_DOORBELL_GVA 0xffffffff80002000
#define ABI_CPU_GVA      0xffffffff80100000 /* per vCPU: one frame page */
#define ABI_CPU_STRIDE   0x1000

/* What the stub stores there, 32 bits: how it was entered. */
#define ABI_RING_SYNC   1 /* an exception of EL0's: frame.esr tells */
#define ABI_RING_IRQ    2 /* an interrupt, which only the VMM raises: a kick */
#define ABI_RING_SERROR 3 /* an asynchronous abort */
#define ABI_RING_CRASH  4 /* an exception of the stub's own, or of a state that never runs */

/* frame.command: what the stub does before it enters EL0, in this order; it clears the word. */
#define ABI_DO_ROOT       0 /* bits: load frame.ttbr0 */
#define ABI_DO_FLUSH_ALL  1 /* forget every translation */
#define ABI_DO_FLUSH_ASID 2 /* forget those of frame.flush_asid */
#define ABI_DO_FLUSH_PAGE 3 /* forget those of frame.flush_page, in every address space */
#define ABI_DO_ICACHE     4 /* forget all instructions */
#define ABI_DO_FPU        5 /* load frame.vregs, fpsr, fpcr */

/* Offsets in struct abi_frame, for the stub. */
#define ABI_FRAME_X          0
#define ABI_FRAME_SP         248
#define ABI_FRAME_PC         256
#define ABI_FRAME_PSTATE     264
#define ABI_FRAME_TPIDR      272
#define ABI_FRAME_ESR        288
#define ABI_FRAME_FAR        296
#define ABI_FRAME_COMMAND    304
#define ABI_FRAME_TTBR0      312
#define ABI_FRAME_FLUSH_ASID 320
#define ABI_FRAME_FLUSH_PAGE 328
#define ABI_FRAME_ROOTS      336
#define ABI_FRAME_ID_VALID   344
#define ABI_FRAME_VREGS      512
#define ABI_FRAME_FPSR       1024
#define ABI_FRAME_FPCR       1028
#define ABI_FRAME_FPU_SIZE   528
#define ABI_FRAME_IDS        1536

/* The ID registers S3_0_C0_Cm_n are number m * 8 + n, m below 8. */
#define ABI_ID_REGS 64
/* An ESR_EL1 says that EL0 reads one of them: class, Op0, Op1, CRn and direction of the access. */
#define ABI_ESR_ID_MASK 0xfc31fc01
#define ABI_ESR_ID      0x60300001
#define ABI_ESR_ID_CRM  1 /* and where it says which, and into which register */
#define ABI_ESR_ID_OP2  17
#define ABI_ESR_ID_RT   5

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

/* What a user program sees of the CPU, without its FP/SIMD state. */
struct uregs {
	uint64_t x[31];
	uint64_t sp, pc, pstate;
	uint64_t tpidr;
};

/*
 * A vCPU's page: at each exit the program's registers lie here, and the stub enters EL0 with what
 * the VMM leaves here. SP_EL1 points to it.
 */
struct abi_frame {
	struct uregs regs;
	uint64_t unused;
	uint64_t esr, far; /* of a synchronous exception */
	uint64_t command;  /* 1 << ABI_DO_* */
	uint64_t ttbr0;
	uint64_t flush_asid; /* as TLBI ASIDE1IS takes it: bits 63:48 */
	uint64_t flush_page; /* as TLBI VAAE1IS takes it: the address's bits 55:12 */
	uint64_t roots;      /* counts writes of TTBR0 */
	uint64_t id_valid;   /* bit n: EL0 may read ID register n, and reads ids[n] */
	uint64_t unused2[20];
	uint8_t vregs[512]; /* as struct user_fpsimd_state */
	uint32_t fpsr, fpcr;
	uint64_t unused3[63];
	uint64_t ids[ABI_ID_REGS];
};

_Static_assert(offsetof(struct abi_frame, regs.sp) == ABI_FRAME_SP, "sp");
_Static_assert(offsetof(struct abi_frame, regs.pc) == ABI_FRAME_PC, "pc");
_Static_assert(offsetof(struct abi_frame, regs.pstate) == ABI_FRAME_PSTATE, "pstate");
_Static_assert(offsetof(struct abi_frame, regs.tpidr) == ABI_FRAME_TPIDR, "tpidr");
_Static_assert(offsetof(struct abi_frame, esr) == ABI_FRAME_ESR, "esr");
_Static_assert(offsetof(struct abi_frame, far) == ABI_FRAME_FAR, "far");
_Static_assert(offsetof(struct abi_frame, command) == ABI_FRAME_COMMAND, "command");
_Static_assert(offsetof(struct abi_frame, ttbr0) == ABI_FRAME_TTBR0, "ttbr0");
_Static_assert(offsetof(struct abi_frame, flush_asid) == ABI_FRAME_FLUSH_ASID, "flush_asid");
_Static_assert(offsetof(struct abi_frame, flush_page) == ABI_FRAME_FLUSH_PAGE, "flush_page");
_Static_assert(offsetof(struct abi_frame, roots) == ABI_FRAME_ROOTS, "roots");
_Static_assert(offsetof(struct abi_frame, id_valid) == ABI_FRAME_ID_VALID, "id_valid");
_Static_assert(offsetof(struct abi_frame, ids) == ABI_FRAME_IDS, "ids");
_Static_assert(offsetof(struct abi_frame, vregs) == ABI_FRAME_VREGS, "vregs");
_Static_assert(offsetof(struct abi_frame, fpsr) == ABI_FRAME_FPSR, "fpsr");
_Static_assert(offsetof(struct abi_frame, fpcr) == ABI_FRAME_FPCR, "fpcr");
#endif

#endif
