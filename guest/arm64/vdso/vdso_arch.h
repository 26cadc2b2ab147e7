/*
 * What the vDSO needs of arm64: the counter, a pause, system calls. No state.
 */
#ifndef VMBOX_GUEST_ARM64_VDSO_ARCH_H
#define VMBOX_GUEST_ARM64_VDSO_ARCH_H

#include <asm/unistd.h>
#include <stdint.h>

/* The virtual counter, read after all earlier loads (the sequence number among them). */
static inline uint64_t vdso_counter(void)
{
	uint64_t v;

	__asm__ volatile("isb; mrs %0, cntvct_el0; isb" : "=r"(v) : : "memory");
	return v;
}

static inline void vdso_relax(void)
{
	__asm__ volatile("yield" : : : "memory");
}

static inline long vdso_syscall2(long nr, uint64_t a, uint64_t b)
{
	register long x8 __asm__("x8") = nr;
	register uint64_t x0 __asm__("x0") = a;
	register uint64_t x1 __asm__("x1") = b;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1) : "memory");
	return (long)x0;
}

#endif
