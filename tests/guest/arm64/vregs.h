/*
 * All of the vector state, loaded and stored without the C library, which uses it.
 */
#ifndef TESTS_GUEST_VREGS_H
#define TESTS_GUEST_VREGS_H

#include "check.h"

struct vregs {
	uint64_t v[32][2];
	uint64_t fpsr, fpcr;
};

/* Another rounding mode and other cumulative flags for each seed; no trap is enabled. */
HELPER void vregs_fill(struct vregs *r, uint64_t seed)
{
	for (unsigned i = 0; i < 32; i++) {
		r->v[i][0] = seed * 0x9e3779b97f4a7c15 + i;
		r->v[i][1] = ~r->v[i][0] ^ seed << 32;
	}
	r->fpsr = seed & 0x1f;
	r->fpcr = (seed >> 1 & 3) << 22 | (seed >> 3 & 1) << 24;
}

HELPER __attribute__((always_inline)) void vregs_load(const struct vregs *r)
{
	__asm__ volatile("ldp q0, q1, [%0]\n\tldp q2, q3, [%0, 32]\n\tldp q4, q5, [%0, 64]\n\t"
			 "ldp q6, q7, [%0, 96]\n\tldp q8, q9, [%0, 128]\n\t"
			 "ldp q10, q11, [%0, 160]\n\tldp q12, q13, [%0, 192]\n\t"
			 "ldp q14, q15, [%0, 224]\n\tldp q16, q17, [%0, 256]\n\t"
			 "ldp q18, q19, [%0, 288]\n\tldp q20, q21, [%0, 320]\n\t"
			 "ldp q22, q23, [%0, 352]\n\tldp q24, q25, [%0, 384]\n\t"
			 "ldp q26, q27, [%0, 416]\n\tldp q28, q29, [%0, 448]\n\t"
			 "ldp q30, q31, [%0, 480]\n\tmsr fpsr, %1\n\tmsr fpcr, %2"
			 :
			 : "r"(r->v), "r"(r->fpsr), "r"(r->fpcr)
			 : "memory");
}

/* And FPCR as C code wants it. */
HELPER __attribute__((always_inline)) void vregs_store(struct vregs *r)
{
	__asm__ volatile("stp q0, q1, [%2]\n\tstp q2, q3, [%2, 32]\n\tstp q4, q5, [%2, 64]\n\t"
			 "stp q6, q7, [%2, 96]\n\tstp q8, q9, [%2, 128]\n\t"
			 "stp q10, q11, [%2, 160]\n\tstp q12, q13, [%2, 192]\n\t"
			 "stp q14, q15, [%2, 224]\n\tstp q16, q17, [%2, 256]\n\t"
			 "stp q18, q19, [%2, 288]\n\tstp q20, q21, [%2, 320]\n\t"
			 "stp q22, q23, [%2, 352]\n\tstp q24, q25, [%2, 384]\n\t"
			 "stp q26, q27, [%2, 416]\n\tstp q28, q29, [%2, 448]\n\t"
			 "stp q30, q31, [%2, 480]\n\tmrs %0, fpsr\n\tmrs %1, fpcr\n\t"
			 "msr fpcr, xzr"
			 : "=&r"(r->fpsr), "=&r"(r->fpcr)
			 : "r"(r->v)
			 : "memory");
}

HELPER __attribute__((always_inline)) void vregs_clear(void)
{
	__asm__ volatile("msr fpcr, xzr\n\tmsr fpsr, xzr");
}

HELPER void vregs_check(const struct vregs *want, const struct vregs *got)
{
	for (unsigned i = 0; i < 32; i++) {
		CHECK_EQ(got->v[i][0], want->v[i][0]);
		CHECK_EQ(got->v[i][1], want->v[i][1]);
	}
	CHECK_EQ(got->fpsr, want->fpsr);
	CHECK_EQ(got->fpcr, want->fpcr);
}

/* A system call, and nothing else. */
HELPER __attribute__((always_inline)) long raw_call(long nr, long a, long b, long c)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = 0;
	register long x4 __asm__("x4") = 0;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "memory");
	return x0;
}

#endif
