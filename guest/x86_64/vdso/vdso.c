/*
 * The x86_64 vDSO: the functions that libraries look up by name instead of making a system
 * call. Names and version as in Linux's arch/x86/entry/vdso/vdso.lds.S; see vdso(7).
 */
#include "vdso_arch.h"
#include "../../vdso/clock.h"

int __vdso_clock_gettime(int id, struct timespec *ts);
int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz);
int __vdso_clock_getres(int id, struct timespec *res);
__kernel_old_time_t __vdso_time(__kernel_old_time_t *t);
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

int __vdso_clock_gettime(int id, struct timespec *ts)
{
	return vdso_clock_gettime(id, ts);
}

int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz)
{
	return vdso_gettimeofday(tv, tz);
}

int __vdso_clock_getres(int id, struct timespec *res)
{
	return vdso_clock_getres(id, res);
}

__kernel_old_time_t __vdso_time(__kernel_old_time_t *t)
{
	uint64_t ns;
	__kernel_old_time_t now;

	if (!vdso_clock_read(CLOCK_REALTIME, &ns))
		return vdso_syscall2(__NR_time, (uint64_t)t, 0);
	now = (__kernel_old_time_t)(ns / NSEC_PER_SEC);
	if (t)
		*t = now;
	return now;
}

/*
 * Linux keeps the CPU's number where RDPID and LSL read it. Software KVM shows the host's value
 * there, not the guest's: only the VMM knows which vCPU this is.
 */
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
	(void)unused;
	return vdso_syscall3(__NR_getcpu, (uint64_t)cpu, (uint64_t)node, 0);
}

int clock_gettime(int id, struct timespec *ts) __attribute__((weak, alias("__vdso_clock_gettime")));
int gettimeofday(struct timeval *tv, struct timezone *tz)
	__attribute__((weak, alias("__vdso_gettimeofday")));
int clock_getres(int id, struct timespec *res) __attribute__((weak, alias("__vdso_clock_getres")));
__kernel_old_time_t time(__kernel_old_time_t *t) __attribute__((weak, alias("__vdso_time")));
long getcpu(unsigned *cpu, unsigned *node, void *unused)
	__attribute__((weak, alias("__vdso_getcpu")));
