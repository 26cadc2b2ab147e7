// variants: static static-pie
// The vDSO is a real ELF library named linux-vdso.so.1 with the clock functions under their
// kernel versions; what they return agrees with the system calls and never goes back.
#include "check.h"
#include <elf.h>
#include <sys/auxv.h>
#include <sys/time.h>

static const char *base, *strings;
static const Elf64_Sym *symbols;
static size_t symbol_count;

static void load(void)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Phdr *ph;
	const Elf64_Dyn *dyn = NULL;
	size_t soname = 0;
	bool loaded = false;

	CHECK(eh != NULL);
	base = (const char *)eh;
	ph = (const Elf64_Phdr *)(base + eh->e_phoff);
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && !loaded) {
			base -= ph[i].p_vaddr;
			loaded = true;
		}
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const Elf64_Dyn *)((const char *)eh + ph[i].p_offset);
	}
	CHECK(loaded && dyn != NULL);
	for (; dyn->d_tag != DT_NULL; dyn++) {
		switch (dyn->d_tag) {
		case DT_STRTAB:
			strings = base + dyn->d_un.d_ptr;
			break;
		case DT_SYMTAB:
			symbols = (const Elf64_Sym *)(base + dyn->d_un.d_ptr);
			break;
		case DT_SONAME:
			soname = dyn->d_un.d_val;
			break;
		case DT_HASH:
			symbol_count = ((const uint32_t *)(base + dyn->d_un.d_ptr))[1];
			break;
		}
	}
	CHECK(strings && symbols);
	if (symbol_count == 0) /* GNU hash alone: the string table follows the symbols */
		symbol_count = (size_t)(strings - (const char *)symbols) / sizeof(*symbols);
	say("soname %s\n", strings + soname);
}

static void *lookup(const char *name)
{
	for (size_t i = 0; i < symbol_count; i++)
		if (symbols[i].st_shndx != SHN_UNDEF &&
		    strcmp(strings + symbols[i].st_name, name) == 0)
			return (void *)(uintptr_t)(base + symbols[i].st_value);
	return NULL;
}

#if defined(__x86_64__)
#define VDSO(name) "__vdso_" name
#else
#define VDSO(name) "__kernel_" name
#endif

int main(void)
{
	int (*gettime)(clockid_t, struct timespec *);
	int (*gettod)(struct timeval *, void *);
	const clockid_t clocks[] = {CLOCK_REALTIME,         CLOCK_MONOTONIC, CLOCK_REALTIME_COARSE,
				    CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME,  CLOCK_TAI,
				    CLOCK_MONOTONIC_RAW};

	load();
	*(void **)&gettime = lookup(VDSO("clock_gettime"));
	*(void **)&gettod = lookup(VDSO("gettimeofday"));
	CHECK(gettime && gettod);
	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		struct timespec a, b, c;
		int coarse =
			clocks[i] == CLOCK_REALTIME_COARSE || clocks[i] == CLOCK_MONOTONIC_COARSE;

		for (int n = 0; n < 200; n++) {
			long long ab, bc;

			CHECK_EQ(gettime(clocks[i], &a), 0);
			CHECK_EQ(syscall(SYS_clock_gettime, clocks[i], &b), 0);
			CHECK_EQ(gettime(clocks[i], &c), 0);
			CHECK(a.tv_nsec >= 0 && a.tv_nsec < 1000000000);
			ab = (b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec;
			bc = (c.tv_sec - b.tv_sec) * 1000000000LL + c.tv_nsec - b.tv_nsec;
			/* Never back; a coarse clock may stand, and by one tick at most. */
			CHECK(coarse || (ab >= 0 && bc >= 0));
			CHECK(ab > -11000000 && bc > -11000000);
			CHECK(ab < 5000000000LL && bc < 5000000000LL);
		}
		say("clock %d ok\n", clocks[i]);
	}

	/* A clock that the vDSO does not know falls back to the system call. */
	struct timespec cpu;
	struct timeval tv;
	struct timezone tz = {77, 77};
	time_t t = time(NULL);

	CHECK_EQ(gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu), 0);
	say("bad clock: %d\n", gettime(9999, &cpu));
	CHECK_EQ(gettod(&tv, &tz), 0);
	CHECK_EQ(tz.tz_dsttime, 0);
	CHECK(tv.tv_sec - t <= 5 && tv.tv_sec >= t && tv.tv_usec >= 0 && tv.tv_usec < 1000000);
#if defined(__x86_64__)
	time_t (*vtime)(time_t *);
	long (*vgetcpu)(unsigned *, unsigned *, void *);
	unsigned cpu_number = 1u << 30, node = 1u << 30;
	time_t t2 = 0;

	*(void **)&vtime = lookup("__vdso_time");
	*(void **)&vgetcpu = lookup("__vdso_getcpu");
	CHECK(vtime && vgetcpu);
	CHECK(vtime(&t2) == t2 && t2 >= t && t2 <= t + 5);
	CHECK_EQ(vgetcpu(&cpu_number, &node, NULL), 0);
	CHECK(cpu_number < 4096 && node < 1024);
	CHECK_EQ(vgetcpu(NULL, NULL, NULL), 0);
	cpu_number = 1u << 30;
	CHECK_EQ(syscall(SYS_getcpu, &cpu_number, &node, NULL), 0);
	CHECK(cpu_number < 4096 && node < 1024);
#endif
	/* It works in a child, too. */
	pid_t pid = fork_ok();

	if (pid == 0) {
		CHECK_EQ(gettime(CLOCK_MONOTONIC, &cpu), 0);
		_exit(0);
	}
	reap_ok(pid);
	/* Its pages cannot be written. */
	pid = fork_ok();
	if (pid == 0) {
		*(volatile char *)(uintptr_t)base = 0;
		_exit(0);
	}
	say("writing it: %s\n", status_text(reap(pid)));
	return 0;
}
