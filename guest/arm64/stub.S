/*
 * The code that runs inside the VM on behalf of the VMM: EL1's vectors, and behind them the way
 * out to the VMM and back to EL0. One page of position-independent code, at ABI_VECTORS_GVA.
 *
 * Every exception of EL0 does the same: the registers go to the frame page, to which SP_EL1
 * points, and a store to the doorbell leaves the VM. When KVM_RUN is called again KVM goes on
 * behind the store, and what then lies in the frame page is the program to enter: the same or
 * another one. Nothing here reads or writes memory that EL0 can reach, so PAN may be on.
 */
#define __ASSEMBLER__ 1
#include "../abi.h"

	.section .rodata.stub, "a"
	.arch armv8-a

	/* Of EL0: 64-bit programs only. */
	.macro enter kind
	.balign 0x80
	stp	x0, x1, [sp, #ABI_FRAME_X]
	mov	w0, #\kind
	b	stub_out
	.endm

	/* Of EL1 itself, or of 32-bit EL0: must not happen. The frame may be half written. */
	.macro crash
	.balign 0x80
	mov	w0, #ABI_RING_CRASH
	b	stub_ring
	.endm

	.globl stub_start, stub_end, stub_resume
	.balign 0x800
stub_start:
	.rept 8
	crash
	.endr
	enter	ABI_RING_SYNC
	enter	ABI_RING_IRQ
	enter	ABI_RING_IRQ
	enter	ABI_RING_SERROR
	.rept 4
	crash
	.endr
	.balign 0x80

stub_out:
	stp	x2, x3, [sp, #ABI_FRAME_X + 16]
	stp	x4, x5, [sp, #ABI_FRAME_X + 32]
	stp	x6, x7, [sp, #ABI_FRAME_X + 48]
	stp	x8, x9, [sp, #ABI_FRAME_X + 64]
	stp	x10, x11, [sp, #ABI_FRAME_X + 80]
	stp	x12, x13, [sp, #ABI_FRAME_X + 96]
	stp	x14, x15, [sp, #ABI_FRAME_X + 112]
	stp	x16, x17, [sp, #ABI_FRAME_X + 128]
	stp	x18, x19, [sp, #ABI_FRAME_X + 144]
	stp	x20, x21, [sp, #ABI_FRAME_X + 160]
	stp	x22, x23, [sp, #ABI_FRAME_X + 176]
	stp	x24, x25, [sp, #ABI_FRAME_X + 192]
	stp	x26, x27, [sp, #ABI_FRAME_X + 208]
	stp	x28, x29, [sp, #ABI_FRAME_X + 224]
	mrs	x1, sp_el0
	stp	x30, x1, [sp, #ABI_FRAME_X + 240]
	mrs	x1, elr_el1
	mrs	x2, spsr_el1
	stp	x1, x2, [sp, #ABI_FRAME_PC]
	mrs	x1, tpidr_el0
	str	x1, [sp, #ABI_FRAME_TPIDR]
	mrs	x1, esr_el1
	mrs	x2, far_el1
	stp	x1, x2, [sp, #ABI_FRAME_ESR]
	cmp	w0, #ABI_RING_SYNC
	b.ne	stub_fpu
	ldr	w2, =ABI_ESR_ID_MASK
	and	w2, w1, w2
	ldr	w3, =ABI_ESR_ID
	cmp	w2, w3
	b.eq	stub_id
stub_fpu:
	stp	q0, q1, [sp, #ABI_FRAME_VREGS]
	stp	q2, q3, [sp, #ABI_FRAME_VREGS + 32]
	stp	q4, q5, [sp, #ABI_FRAME_VREGS + 64]
	stp	q6, q7, [sp, #ABI_FRAME_VREGS + 96]
	stp	q8, q9, [sp, #ABI_FRAME_VREGS + 128]
	stp	q10, q11, [sp, #ABI_FRAME_VREGS + 160]
	stp	q12, q13, [sp, #ABI_FRAME_VREGS + 192]
	stp	q14, q15, [sp, #ABI_FRAME_VREGS + 224]
	stp	q16, q17, [sp, #ABI_FRAME_VREGS + 256]
	stp	q18, q19, [sp, #ABI_FRAME_VREGS + 288]
	stp	q20, q21, [sp, #ABI_FRAME_VREGS + 320]
	stp	q22, q23, [sp, #ABI_FRAME_VREGS + 352]
	stp	q24, q25, [sp, #ABI_FRAME_VREGS + 384]
	stp	q26, q27, [sp, #ABI_FRAME_VREGS + 416]
	stp	q28, q29, [sp, #ABI_FRAME_VREGS + 448]
	stp	q30, q31, [sp, #ABI_FRAME_VREGS + 480]
	mrs	x1, fpsr
	mrs	x2, fpcr
	add	x3, sp, #ABI_FRAME_FPSR
	stp	w1, w2, [x3]

stub_ring:
	movz	x1, #(ABI_DOORBELL_GVA & 0xffff)
	movk	x1, #(ABI_DOORBELL_GVA >> 16 & 0xffff), lsl #16
	movk	x1, #(ABI_DOORBELL_GVA >> 32 & 0xffff), lsl #32
	movk	x1, #(ABI_DOORBELL_GVA >> 48 & 0xffff), lsl #48
	str	w0, [x1]

	/* Where a vCPU starts, too. */
stub_resume:
	ldr	x0, [sp, #ABI_FRAME_COMMAND]
	cbz	x0, 6f
	str	xzr, [sp, #ABI_FRAME_COMMAND]
	/* The VMM's changes of the tables come before any walk that follows. */
	dsb	ishst
	tbz	x0, #ABI_DO_ROOT, 1f
	ldr	x1, [sp, #ABI_FRAME_TTBR0]
	msr	ttbr0_el1, x1
	isb
	ldr	x1, [sp, #ABI_FRAME_ROOTS]
	add	x1, x1, #1
	str	x1, [sp, #ABI_FRAME_ROOTS]
1:	tbz	x0, #ABI_DO_FLUSH_ALL, 2f
	tlbi	vmalle1is
2:	tbz	x0, #ABI_DO_FLUSH_ASID, 3f
	ldr	x1, [sp, #ABI_FRAME_FLUSH_ASID]
	tlbi	aside1is, x1
3:	tbz	x0, #ABI_DO_FLUSH_PAGE, 4f
	ldr	x1, [sp, #ABI_FRAME_FLUSH_PAGE]
	tlbi	vaae1is, x1
4:	tbz	x0, #ABI_DO_ICACHE, 5f
	ic	ialluis
5:	dsb	ish
	isb
	tbz	x0, #ABI_DO_FPU, 6f
	ldp	q0, q1, [sp, #ABI_FRAME_VREGS]
	ldp	q2, q3, [sp, #ABI_FRAME_VREGS + 32]
	ldp	q4, q5, [sp, #ABI_FRAME_VREGS + 64]
	ldp	q6, q7, [sp, #ABI_FRAME_VREGS + 96]
	ldp	q8, q9, [sp, #ABI_FRAME_VREGS + 128]
	ldp	q10, q11, [sp, #ABI_FRAME_VREGS + 160]
	ldp	q12, q13, [sp, #ABI_FRAME_VREGS + 192]
	ldp	q14, q15, [sp, #ABI_FRAME_VREGS + 224]
	ldp	q16, q17, [sp, #ABI_FRAME_VREGS + 256]
	ldp	q18, q19, [sp, #ABI_FRAME_VREGS + 288]
	ldp	q20, q21, [sp, #ABI_FRAME_VREGS + 320]
	ldp	q22, q23, [sp, #ABI_FRAME_VREGS + 352]
	ldp	q24, q25, [sp, #ABI_FRAME_VREGS + 384]
	ldp	q26, q27, [sp, #ABI_FRAME_VREGS + 416]
	ldp	q28, q29, [sp, #ABI_FRAME_VREGS + 448]
	ldp	q30, q31, [sp, #ABI_FRAME_VREGS + 480]
	add	x3, sp, #ABI_FRAME_FPSR
	ldp	w1, w2, [x3]
	msr	fpsr, x1
	msr	fpcr, x2
6:
stub_enter:
	ldr	x1, [sp, #ABI_FRAME_TPIDR]
	msr	tpidr_el0, x1
	ldp	x1, x2, [sp, #ABI_FRAME_PC]
	msr	elr_el1, x1
	msr	spsr_el1, x2
	ldp	x30, x1, [sp, #ABI_FRAME_X + 240]
	msr	sp_el0, x1
	ldp	x28, x29, [sp, #ABI_FRAME_X + 224]
	ldp	x26, x27, [sp, #ABI_FRAME_X + 208]
	ldp	x24, x25, [sp, #ABI_FRAME_X + 192]
	ldp	x22, x23, [sp, #ABI_FRAME_X + 176]
	ldp	x20, x21, [sp, #ABI_FRAME_X + 160]
	ldp	x18, x19, [sp, #ABI_FRAME_X + 144]
	ldp	x16, x17, [sp, #ABI_FRAME_X + 128]
	ldp	x14, x15, [sp, #ABI_FRAME_X + 112]
	ldp	x12, x13, [sp, #ABI_FRAME_X + 96]
	ldp	x10, x11, [sp, #ABI_FRAME_X + 80]
	ldp	x8, x9, [sp, #ABI_FRAME_X + 64]
	ldp	x6, x7, [sp, #ABI_FRAME_X + 48]
	ldp	x4, x5, [sp, #ABI_FRAME_X + 32]
	ldp	x2, x3, [sp, #ABI_FRAME_X + 16]
	ldp	x0, x1, [sp, #ABI_FRAME_X]
	eret
	/* No speculation runs on behind it. */
	dsb	nsh
	isb

	/* EL0 reads an ID register, which programs do as they start: no reason to leave the VM. */
stub_id:
	ubfx	x2, x1, #ABI_ESR_ID_CRM, #4
	ubfx	x3, x1, #ABI_ESR_ID_OP2, #3
	add	x2, x3, x2, lsl #3
	cmp	x2, #ABI_ID_REGS
	b.hs	stub_fpu
	ldr	x3, [sp, #ABI_FRAME_ID_VALID]
	lsr	x3, x3, x2
	tbz	x3, #0, stub_fpu
	add	x3, sp, #ABI_FRAME_IDS
	ldr	x3, [x3, x2, lsl #3]
	ubfx	x2, x1, #ABI_ESR_ID_RT, #5
	cmp	x2, #31 /* XZR; in the frame, SP */
	b.eq	1f
	str	x3, [sp, x2, lsl #3]
1:	ldr	x1, [sp, #ABI_FRAME_PC]
	add	x1, x1, #4
	str	x1, [sp, #ABI_FRAME_PC]
	b	stub_enter
	.ltorg
stub_end:

	.section .note.GNU-stack, "", %progbits
