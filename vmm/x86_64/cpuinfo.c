/*
 * x86_64: what /proc/cpuinfo says of a vCPU, from the CPUID that the guest has. Names, order and
 * formats are Linux' (arch/x86/kernel/cpu/proc.c, arch/x86/include/asm/cpufeatures.h).
 */
#include "x86.h"

#include <cpuid.h>
#include <stdio.h>
#include <string.h>

enum { EAX, EBX, ECX, EDX };

#define NO_INDEX 0

/* Bit by bit; a name that Linux does not show is "". */
static const struct {
	uint32_t fn, index;
	unsigned reg;
	const char *names[32];
} words[] = {
	{1, NO_INDEX, EDX, {"fpu",  "vme",   "de",   "pse",     "tsc",  "msr", "pae",  "mce",
			    "cx8",  "apic",  "",     "sep",     "mtrr", "pge", "mca",  "cmov",
			    "pat",  "pse36", "pn",   "clflush", "",     "dts", "acpi", "mmx",
			    "fxsr", "sse",   "sse2", "ss",      "ht",   "tm",  "ia64", "pbe"}},
	{0x80000001,
	 NO_INDEX,
	 EDX,
	 {[11] = "syscall",
	  [19] = "mp",
	  [20] = "nx",
	  [22] = "mmxext",
	  [25] = "fxsr_opt",
	  [26] = "pdpe1gb",
	  [27] = "rdtscp",
	  [29] = "lm",
	  [30] = "3dnowext",
	  [31] = "3dnow"}},
	{0x80000007, NO_INDEX, EDX, {[8] = "constant_tsc nonstop_tsc"}},
	{1, NO_INDEX, ECX, {"pni",    "pclmulqdq", "dtes64", "monitor", "ds_cpl",
			    "vmx",    "smx",       "est",    "tm2",     "ssse3",
			    "cid",    "sdbg",      "fma",    "cx16",    "xtpr",
			    "pdcm",   "",          "pcid",   "dca",     "sse4_1",
			    "sse4_2", "x2apic",    "movbe",  "popcnt",  "tsc_deadline_timer",
			    "aes",    "xsave",     "",       "avx",     "f16c",
			    "rdrand", "hypervisor"}},
	{0x80000001,
	 NO_INDEX,
	 ECX,
	 {"lahf_lm",
	  "cmp_legacy",
	  "svm",
	  "extapic",
	  "cr8_legacy",
	  "abm",
	  "sse4a",
	  "misalignsse",
	  "3dnowprefetch",
	  "osvw",
	  "ibs",
	  "xop",
	  "skinit",
	  "wdt",
	  "",
	  "lwp",
	  "fma4",
	  "tce",
	  "",
	  "nodeid_msr",
	  "",
	  "tbm",
	  "topoext",
	  "perfctr_core",
	  "perfctr_nb",
	  "",
	  "bpext",
	  "ptsc",
	  "perfctr_llc",
	  "mwaitx"}},
	{7, 0, EBX, {"fsgsbase", "tsc_adjust", "",         "bmi1",       "hle",      "avx2",
		     "",         "smep",       "bmi2",     "erms",       "invpcid",  "rtm",
		     "cqm",      "",           "mpx",      "rdt_a",      "avx512f",  "avx512dq",
		     "rdseed",   "adx",        "smap",     "avx512ifma", "",         "clflushopt",
		     "clwb",     "intel_pt",   "avx512pf", "avx512er",   "avx512cd", "sha_ni",
		     "avx512bw", "avx512vl"}},
	{0xd, 1, EAX, {"xsaveopt", "xsavec", "xgetbv1", "xsaves"}},
	{7, 1, EAX, {[4] = "avx_vnni", [5] = "avx512_bf16", [21] = "amx_fp16", [23] = "avx_ifma"}},
	{0x80000008,
	 NO_INDEX,
	 EBX,
	 {[0] = "clzero", [2] = "xsaveerptr", [4] = "rdpru", [9] = "wbnoinvd"}},
	{7,
	 0,
	 ECX,
	 {[1] = "avx512vbmi",
	  [2] = "umip",
	  [3] = "pku",
	  [5] = "waitpkg",
	  [6] = "avx512_vbmi2",
	  [8] = "gfni",
	  [9] = "vaes",
	  [10] = "vpclmulqdq",
	  [11] = "avx512_vnni",
	  [12] = "avx512_bitalg",
	  [14] = "avx512_vpopcntdq",
	  [16] = "la57",
	  [22] = "rdpid",
	  [24] = "bus_lock_detect",
	  [25] = "cldemote",
	  [27] = "movdiri",
	  [28] = "movdir64b"}},
	{7,
	 0,
	 EDX,
	 {[4] = "fsrm",
	  [8] = "avx512_vp2intersect",
	  [10] = "md_clear",
	  [14] = "serialize",
	  [16] = "tsxldtrk",
	  [22] = "amx_bf16",
	  [23] = "avx512_fp16",
	  [24] = "amx_tile",
	  [25] = "amx_int8",
	  [28] = "flush_l1d",
	  [29] = "arch_capabilities"}},
};

/*
 * The registers of a leaf; zeros if there is none. Where ring 3 runs as the host's ring 3 does
 * (KVM-PVM) the instruction shows it the host's.
 */
static void leaf(const struct vm *vm, uint32_t fn, uint32_t index, uint32_t r[4])
{
	const struct kvm_cpuid2 *c = vm->arch.cpuid;

	memset(r, 0, 4 * sizeof(r[0]));
	if (!vm->traits.syscall_raises_cpl) {
		__get_cpuid_count(fn, index, &r[EAX], &r[EBX], &r[ECX], &r[EDX]);
		return;
	}
	for (unsigned i = 0; i < c->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &c->entries[i];

		if (e->function != fn || e->index != index)
			continue;
		r[EAX] = e->eax;
		r[EBX] = e->ebx;
		r[ECX] = e->ecx;
		r[EDX] = e->edx;
	}
}

static void vendor(const struct vm *vm, char text[13])
{
	uint32_t r[4];

	leaf(vm, 0, 0, r);
	memcpy(text, &r[EBX], 4);
	memcpy(text + 4, &r[EDX], 4);
	memcpy(text + 8, &r[ECX], 4);
	text[12] = 0;
}

/* Blanks before and behind it go. */
static const char *model_name(const struct vm *vm, char text[49])
{
	size_t n;

	for (unsigned i = 0; i < 3; i++) {
		uint32_t r[4];

		leaf(vm, 0x80000002 + i, 0, r);
		memcpy(text + 16 * (size_t)i, r, 16);
	}
	text[48] = 0;
	for (n = strlen(text); n && text[n - 1] == ' '; n--)
		text[n - 1] = 0;
	text += strspn(text, " ");
	return *text ? text : "unknown";
}

static void put_flags(const struct vm *vm, FILE *f)
{
	const char *blank = "";

	fprintf(f, "flags\t\t: ");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		uint32_t r[4];

		leaf(vm, words[i].fn, words[i].index, r);
		for (unsigned bit = 0; bit < 32; bit++) {
			const char *name = words[i].names[bit];

			if (!(r[words[i].reg] >> bit & 1) || !name || !*name)
				continue;
			fprintf(f, "%s%s", blank, name);
			blank = " ";
		}
	}
	fprintf(f, "\n");
}

void vm_arch_cpu_info(struct vm *vm, unsigned cpu, unsigned cpus, FILE *f)
{
	uint32_t max[4], one[4], cache[4], address[4], family, model;
	char name[49], from[13];

	leaf(vm, 0, 0, max);
	leaf(vm, 1, 0, one);
	leaf(vm, 0x80000006, 0, cache);
	leaf(vm, 0x80000008, 0, address);
	family = one[EAX] >> 8 & 0xf;
	model = one[EAX] >> 4 & 0xf;
	if (family >= 6)
		model |= one[EAX] >> 12 & 0xf0;
	if (family == 0xf)
		family += one[EAX] >> 20 & 0xff;
	vendor(vm, from);
	fprintf(f, "vendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\n", from,
		family, model, model_name(vm, name));
	fprintf(f, "stepping\t: %u\n", one[EAX] & 0xf);
	if (vm->counter_khz)
		fprintf(f, "cpu MHz\t\t: %llu.%03llu\n", (unsigned long long)vm->counter_khz / 1000,
			(unsigned long long)vm->counter_khz % 1000);
	if (cache[ECX] >> 16)
		fprintf(f, "cache size\t: %u KB\n", cache[ECX] >> 16);
	fprintf(f, "physical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\n", cpus,
		cpu, cpus);
	fprintf(f, "apicid\t\t: %u\ninitial apicid\t: %u\nfpu\t\t: yes\nfpu_exception\t: yes\n",
		cpu, cpu);
	fprintf(f, "cpuid level\t: %u\nwp\t\t: yes\n", max[EAX]);
	put_flags(vm, f);
	fprintf(f, "bugs\t\t:\nbogomips\t: %llu.%02llu\n",
		(unsigned long long)vm->counter_khz / 500,
		(unsigned long long)vm->counter_khz / 5 % 100);
	fprintf(f, "clflush size\t: %u\ncache_alignment\t: %u\n", (one[EBX] >> 8 & 0xff) * 8,
		(one[EBX] >> 8 & 0xff) * 8);
	if (address[EAX])
		fprintf(f, "address sizes\t: %u bits physical, %u bits virtual\n",
			address[EAX] & 0xff, address[EAX] >> 8 & 0xff);
	fprintf(f, "power management:\n");
}
