/*
 * Fault-recovering access, x86_64. See paging/access.h.
 *
 * None of these touches the stack, so a fixup may return from anywhere in them.
 * `rep` leaves in rcx what is still to do when it faults.
 */
	.macro function name
	.globl \name
	.hidden \name
	.type \name, @function
	.balign 16
\name:
	.endm

	.macro fixup start, end, to
	.pushsection .rodata.gmem_fixups, "a", @progbits
	.long \start - .
	.long \end - .
	.long \to - .
	.popsection
	.endm

	.section .rodata.gmem_fixups, "a", @progbits
	.balign 4
	.globl gmem_fixups
	.hidden gmem_fixups
gmem_fixups:

	.text

/* size_t gmem_raw_copy(void *dst, const void *src, size_t len) */
function gmem_raw_copy
	mov	%rdx, %rcx
.Lcopy_start:
	rep movsb
.Lcopy_end:
.Lleft:
	mov	%rcx, %rax
	ret
	.size gmem_raw_copy, . - gmem_raw_copy
	fixup .Lcopy_start, .Lcopy_end, .Lleft

/* size_t gmem_raw_zero(void *dst, size_t len) */
function gmem_raw_zero
	mov	%rsi, %rcx
	xor	%eax, %eax
.Lzero_start:
	rep stosb
.Lzero_end:
	mov	%rcx, %rax
	ret
	.size gmem_raw_zero, . - gmem_raw_zero
	fixup .Lzero_start, .Lzero_end, .Lleft

/* int gmem_raw_load32(const void *p, uint32_t *out) */
function gmem_raw_load32
.Lword_start:
	mov	(%rdi), %ecx
	mov	%ecx, (%rsi)
	xor	%eax, %eax
	ret
	.size gmem_raw_load32, . - gmem_raw_load32

/* int gmem_raw_store32(void *p, uint32_t v): sequentially consistent, hence xchg */
function gmem_raw_store32
	xchg	%esi, (%rdi)
	xor	%eax, %eax
	ret
	.size gmem_raw_store32, . - gmem_raw_store32

/* int gmem_raw_cmpxchg32(void *p, uint32_t expected, uint32_t desired, uint32_t *out) */
function gmem_raw_cmpxchg32
	mov	%esi, %eax
	lock cmpxchg %edx, (%rdi)
	mov	%eax, (%rcx)
	xor	%eax, %eax
	ret
	.size gmem_raw_cmpxchg32, . - gmem_raw_cmpxchg32

/* int gmem_raw_xchg32(void *p, uint32_t v, uint32_t *out) */
function gmem_raw_xchg32
	xchg	%esi, (%rdi)
	mov	%esi, (%rdx)
	xor	%eax, %eax
	ret
.Lword_end:
	.size gmem_raw_xchg32, . - gmem_raw_xchg32
.Lfault:
	mov	$-14, %eax
	ret
	fixup .Lword_start, .Lword_end, .Lfault

/* int gmem_raw_sync_code(const void *p, size_t len): caches and fetches agree by themselves */
function gmem_raw_sync_code
	xor	%eax, %eax
	ret
	.size gmem_raw_sync_code, . - gmem_raw_sync_code

	.section .rodata.gmem_fixups, "a", @progbits
	.globl gmem_fixups_end
	.hidden gmem_fixups_end
gmem_fixups_end:

	.section .note.GNU-stack, "", @progbits
