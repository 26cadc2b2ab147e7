/*
 * arm64: what /proc/cpuinfo says of a vCPU: the features that AT_HWCAP tells, by their names in
 * Linux (arch/arm64/kernel/cpuinfo.c). Which processor it is the guest is not told elsewhere.
 */
#include "../vm.h"

#include <stdio.h>

static const char *const names[] = {
	"fp",      "asimd", "evtstrm", "aes",   "pmull",    "sha1",   "sha2", "crc32",
	"atomics", "fphp",  "asimdhp", "cpuid", "asimdrdm", "jscvt",  "fcma", "lrcpc",
	"dcpop",   "sha3",  "sm3",     "sm4",   "asimddp",  "sha512", "sve",  "asimdfhm",
	"dit",     "uscat", "ilrcpc",  "flagm", "ssbs",     "sb",     "paca", "pacg",
};
static const char *const names2[] = {
	"dcpodp", "sve2",    "sveaes",   "svepmull", "svebitperm", "svesha3", "svesm4", "flagm2",
	"frint",  "svei8mm", "svef32mm", "svef64mm", "svebf16",    "i8mm",    "bf16",   "dgh",
	"rng",    "bti",     "mte",      "ecv",      "afp",        "rpres",
};

static void put_names(FILE *f, uint64_t set, const char *const *name, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (set >> i & 1)
			fprintf(f, " %s", name[i]);
}

void vm_arch_cpu_info(struct vm *vm, unsigned cpu, unsigned cpus, FILE *f)
{
	const char *platform;
	uint64_t hwcap2, hwcap = vm_arch_hwcap(vm, &hwcap2, &platform);

	(void)cpu;
	(void)cpus;
	fprintf(f,
		"BogoMIPS\t: %llu.%02llu\nFeatures\t:", (unsigned long long)vm->counter_khz / 500,
		(unsigned long long)vm->counter_khz / 5 % 100);
	put_names(f, hwcap, names, sizeof(names) / sizeof(names[0]));
	put_names(f, hwcap2, names2, sizeof(names2) / sizeof(names2[0]));
	fprintf(f, "\nCPU architecture: 8\n");
}
