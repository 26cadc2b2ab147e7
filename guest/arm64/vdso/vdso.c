/*
 * The arm64 vDSO: the functions that libraries look up by name instead of making a system
 * call. Names and version as in Linux's arch/arm64/kernel/vdso/vdso.lds.S; see vdso(7).
 */
#include "vdso_arch.h"
#include "../../vdso/clock.h"

int __kernel_clock_gettime(int id, struct timespec *ts);
int __kernel_gettimeofday(struct timeval *tv, struct timezone *tz);
int __kernel_clock_getres(int id, struct timespec *res);

int __kernel_clock_gettime(int id, struct timespec *ts)
{
	return vdso_clock_gettime(id, ts);
}

int __kernel_gettimeofday(struct timeval *tv, struct timezone *tz)
{
	return vdso_gettimeofday(tv, tz);
}

int __kernel_clock_getres(int id, struct timespec *res)
{
	return vdso_clock_getres(id, res);
}
