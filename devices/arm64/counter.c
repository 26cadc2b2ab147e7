/* The counter of arm64: the generic timer's virtual count. */
#include "../counter.h"

uint64_t counter_read(void)
{
	uint64_t v;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(v) : : "memory");
	return v;
}

uint32_t counter_khz(void)
{
	uint64_t hz;

	__asm__("mrs %0, cntfrq_el0" : "=r"(hz));
	return (uint32_t)(hz / 1000);
}

/* Arm ARM, "The system counter": one fixed rate, one time for all PEs. */
bool counter_trusted(void)
{
	return true;
}
