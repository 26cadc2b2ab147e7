/*
 * The vDSO's reader of the clock page (struct abi_clock_page in guest/abi.h).
 *
 * It owns nothing and writes nothing: the page belongs to the VMM (devices/clock.h) and lies,
 * read-only, right below the vDSO's image. Every function is inline, because the image must
 * not need a relocation. The architecture's vdso_arch.h brings the counter and the system call.
 */
#ifndef VMBOX_GUEST_VDSO_CLOCK_H
#define VMBOX_GUEST_VDSO_CLOCK_H

#include "../abi.h"

#include <linux/time.h>
#include <stdatomic.h>
#include <stddef.h>

#define NSEC_PER_SEC  1000000000UL
#define NSEC_PER_USEC 1000UL

/*
 * The VMM's thread may lose its CPU between the two halves of an update. After about this
 * many looks the system call, which can wait properly, is cheaper than another one.
 */
#define VDSO_SPINS 1000

/* Where it is, the linker script says. Hidden: found relative to the program counter. */
extern struct abi_clock_page vdso_clock_page __attribute__((visibility("hidden")));

/*
 * *ns of the clock: CLOCK_MONOTONIC, CLOCK_REALTIME, their coarse kin, CLOCK_MONOTONIC_RAW or
 * CLOCK_BOOTTIME. False: any other clock, or the page cannot be used now; the caller makes
 * the system call.
 */
static inline bool vdso_clock_read(int id, uint64_t *ns)
{
	struct abi_clock_page *p = &vdso_clock_page;
	unsigned tries;

	for (tries = 0; tries < VDSO_SPINS; tries++) {
		uint32_t seq = atomic_load_explicit(&p->seq, memory_order_acquire);
		uint64_t delta, offset;
		bool coarse = false;

		if (seq & 1) {
			vdso_relax();
			continue;
		}
		if (!p->usable)
			return false;
		switch (id) {
		case CLOCK_MONOTONIC:
		case CLOCK_MONOTONIC_RAW:
			offset = 0;
			break;
		case CLOCK_REALTIME:
			offset = p->realtime_offset_ns;
			break;
		case CLOCK_BOOTTIME:
			offset = p->boottime_offset_ns;
			break;
		case CLOCK_MONOTONIC_COARSE:
			offset = 0;
			coarse = true;
			break;
		case CLOCK_REALTIME_COARSE:
			offset = p->realtime_offset_ns;
			coarse = true;
			break;
		default:
			return false;
		}
		delta = vdso_counter() - p->counter;
		/* Another core's counter may be a little behind the one that the page was made
		 * with. */
		if ((int64_t)delta < 0)
			delta = 0;
		/* 128 bits: days may pass without an update, while vmbox is stopped. */
		*ns = p->mono_ns + offset +
		      (uint64_t)(((unsigned __int128)delta * p->mult) >> (p->shift & 63));
		if (coarse)
			*ns -= *ns % ABI_TICK_NS;
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&p->seq, memory_order_relaxed) == seq)
			return true;
	}
	return false;
}

/* clock_gettime(2) */
static inline int vdso_clock_gettime(int id, struct timespec *ts)
{
	uint64_t ns;

	if (!vdso_clock_read(id, &ns))
		return (int)vdso_syscall2(__NR_clock_gettime, (uint64_t)(int64_t)id, (uint64_t)ts);
	ts->tv_sec = (int64_t)(ns / NSEC_PER_SEC);
	ts->tv_nsec = (int64_t)(ns % NSEC_PER_SEC);
	return 0;
}

/* gettimeofday(2): the time zone is UTC's, as on every Linux that nobody called settimeofday on. */
static inline int vdso_gettimeofday(struct timeval *tv, struct timezone *tz)
{
	uint64_t ns;

	if (tv) {
		if (!vdso_clock_read(CLOCK_REALTIME, &ns))
			return (int)vdso_syscall2(__NR_gettimeofday, (uint64_t)tv, (uint64_t)tz);
		tv->tv_sec = (int64_t)(ns / NSEC_PER_SEC);
		tv->tv_usec = (int64_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC);
	}
	if (tz) {
		tz->tz_minuteswest = 0;
		tz->tz_dsttime = 0;
	}
	return 0;
}

/* clock_getres(2): what is computed above has the unit of a nanosecond; the rest is the VMM's. */
static inline int vdso_clock_getres(int id, struct timespec *res)
{
	if (id != CLOCK_MONOTONIC && id != CLOCK_REALTIME && id != CLOCK_MONOTONIC_RAW &&
	    id != CLOCK_BOOTTIME)
		return (int)vdso_syscall2(__NR_clock_getres, (uint64_t)(int64_t)id, (uint64_t)res);
	if (res) {
		res->tv_sec = 0;
		res->tv_nsec = 1;
	}
	return 0;
}

#endif
