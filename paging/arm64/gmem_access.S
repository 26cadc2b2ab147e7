/*
 * Fault-recovering access, arm64. See paging/access.h.
 *
 * None of these touches the stack. x2 (copy) or x1 (zero) is what is still to
 * do at each instruction that may fault; when eight bytes at once fault, one by one finds how far it goes.
 */
	.macro function name
	.globl \name
	.hidden \name
	.type \name, %function
	.balign 16
\name:
	.endm

	.macro fixup start, end, to
	.pushsection .rodata.gmem_fixups, "a", %progbits
	.long \start - .
	.long \end - .
	.long \to - .
	.popsection
	.endm

	.section .rodata.gmem_fixups, "a", %progbits
	.balign 4
	.globl gmem_fixups
	.hidden gmem_fixups
gmem_fixups:

	.text

/* size_t gmem_raw_copy(void *dst, const void *src, size_t len) */
function gmem_raw_copy
.Lcopy8:
	cmp	x2, #8
	b.lo	.Lcopy1
.Lcopy8_start:
	ldr	x3, [x1]
	str	x3, [x0]
.Lcopy8_end:
	add	x1, x1, #8
	add	x0, x0, #8
	sub	x2, x2, #8
	b	.Lcopy8
.Lcopy1:
	cbz	x2, .Lcopy_done
.Lcopy1_start:
	ldrb	w3, [x1]
	strb	w3, [x0]
.Lcopy1_end:
	add	x1, x1, #1
	add	x0, x0, #1
	sub	x2, x2, #1
	b	.Lcopy1
.Lcopy_done:
	mov	x0, x2
	ret
	.size gmem_raw_copy, . - gmem_raw_copy
	fixup .Lcopy8_start, .Lcopy8_end, .Lcopy1
	fixup .Lcopy1_start, .Lcopy1_end, .Lcopy_done

/* size_t gmem_raw_zero(void *dst, size_t len) */
function gmem_raw_zero
.Lzero8:
	cmp	x1, #8
	b.lo	.Lzero1
.Lzero8_start:
	str	xzr, [x0]
.Lzero8_end:
	add	x0, x0, #8
	sub	x1, x1, #8
	b	.Lzero8
.Lzero1:
	cbz	x1, .Lzero_done
.Lzero1_start:
	strb	wzr, [x0]
.Lzero1_end:
	add	x0, x0, #1
	sub	x1, x1, #1
	b	.Lzero1
.Lzero_done:
	mov	x0, x1
	ret
	.size gmem_raw_zero, . - gmem_raw_zero
	fixup .Lzero8_start, .Lzero8_end, .Lzero1
	fixup .Lzero1_start, .Lzero1_end, .Lzero_done

/* int gmem_raw_load32(const void *p, uint32_t *out) */
function gmem_raw_load32
.Lword_start:
	ldar	w2, [x0]
	str	w2, [x1]
	mov	w0, #0
	ret
	.size gmem_raw_load32, . - gmem_raw_load32

/* int gmem_raw_store32(void *p, uint32_t v) */
function gmem_raw_store32
	stlr	w1, [x0]
	mov	w0, #0
	ret
	.size gmem_raw_store32, . - gmem_raw_store32

/* int gmem_raw_cmpxchg32(void *p, uint32_t expected, uint32_t desired, uint32_t *out) */
function gmem_raw_cmpxchg32
1:	ldaxr	w4, [x0]
	cmp	w4, w1
	b.ne	2f
	stlxr	w5, w2, [x0]
	cbnz	w5, 1b
	dmb	ish
	b	3f
2:	clrex
3:	str	w4, [x3]
	mov	w0, #0
	ret
	.size gmem_raw_cmpxchg32, . - gmem_raw_cmpxchg32

/* int gmem_raw_xchg32(void *p, uint32_t v, uint32_t *out) */
function gmem_raw_xchg32
1:	ldaxr	w4, [x0]
	stlxr	w5, w1, [x0]
	cbnz	w5, 1b
	dmb	ish
	str	w4, [x2]
	mov	w0, #0
	ret
.Lword_end:
	.size gmem_raw_xchg32, . - gmem_raw_xchg32
.Lfault:
	mov	w0, #-14
	ret
	fixup .Lword_start, .Lword_end, .Lfault

/*
 * int gmem_raw_sync_code(const void *p, size_t len): to the point of unification, by CTR_EL0's
 * line sizes; IDC (bit 28) and DIC (bit 29) say what need not be done.
 */
function gmem_raw_sync_code
	mrs	x2, ctr_el0
	add	x1, x1, x0
	mov	x5, #4
	tbnz	x2, #28, 2f
	ubfx	x3, x2, #16, #4
	lsl	x3, x5, x3
	mov	x4, x0
.Lsync_start:
1:	dc	cvau, x4
	add	x4, x4, x3
	cmp	x4, x1
	b.lo	1b
2:	dsb	ish
	tbnz	x2, #29, 4f
	and	x3, x2, #15
	lsl	x3, x5, x3
	mov	x4, x0
3:	ic	ivau, x4
	add	x4, x4, x3
	cmp	x4, x1
	b.lo	3b
.Lsync_end:
	dsb	ish
4:	isb
	mov	w0, #0
	ret
	.size gmem_raw_sync_code, . - gmem_raw_sync_code
	fixup .Lsync_start, .Lsync_end, .Lfault

	.section .rodata.gmem_fixups, "a", %progbits
	.globl gmem_fixups_end
	.hidden gmem_fixups_end
gmem_fixups_end:

	.section .note.GNU-stack, "", %progbits
