/* The counter of x86_64: the TSC. */
#include "../counter.h"

#include <cpuid.h>
#include <stdio.h>
#include <string.h>

#define CLOCKSOURCES "/sys/devices/system/clocksource/clocksource0/available_clocksource"

uint64_t counter_read(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

uint32_t counter_khz(void)
{
	return 0;
}

/* CPUID 0x80000007: the rate does not change with the CPU's power state. */
static bool tsc_invariant(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1U << 8);
}

/* Linux takes a TSC that its watchdog found wrong off this list. */
bool counter_trusted(void)
{
	char line[256];
	char *name, *save;
	bool found = false;
	FILE *f = fopen(CLOCKSOURCES, "re");

	if (!f)
		return tsc_invariant();
	if (fgets(line, sizeof(line), f))
		for (name = strtok_r(line, " \n", &save); name; name = strtok_r(NULL, " \n", &save))
			found |= strcmp(name, "tsc") == 0;
	fclose(f);
	return found;
}
