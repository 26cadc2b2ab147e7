/*
 * What the vDSO needs of x86_64: the counter, a pause, system calls. No state.
 */
#ifndef VMBOX_GUEST_X86_64_VDSO_ARCH_H
#define VMBOX_GUEST_X86_64_VDSO_ARCH_H

#include <asm/unistd.h>
#include <stdint.h>

/* The TSC, read after all earlier loads (the sequence number among them). */
static inline uint64_t vdso_counter(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

static inline void vdso_relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline long vdso_syscall3(long nr, uint64_t a, uint64_t b, uint64_t c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long vdso_syscall2(long nr, uint64_t a, uint64_t b)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return ret;
}

#endif
