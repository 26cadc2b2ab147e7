/*
 * vmbox doctor: what this machine's KVM is and can do, found by trying, and
 * for each thing that is missing what to do about it.
 */
#include "run.h"
#include "landlock.h"
#include "vcpu.h"
#include "../devices/counter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS       400
#define SCRATCH_MEM  (16ULL << 20)
#define SCRATCH_CODE 0x100000

static void row(const char *what, const char *value)
{
	printf("%-26s %s\n", what, value);
}

static void remedy(const char *text)
{
	printf("%-26s -> %s\n", "", text);
}

static const char nested_remedy[] =
	"without it: vmbox nested IMAGE runs a program in a machine emulated by QEMU, slowly "
	"(package qemu-system-x86, or qemu-system-arm for --arch arm64)";

/* Why KVM cannot be used, in words that help. */
static void explain(const char *what, int e)
{
	const char *help = vm_remedy(e);

	row("KVM", what);
	if (help)
		remedy(help);
	if (e == -ENOENT) {
		remedy("enable virtualization in the firmware");
		remedy("in a container: docker run --device /dev/kvm");
		remedy("in a cloud machine: choose a type with nested virtualization");
	}
	if (e != -EACCES && e != -EPERM)
		remedy("see the kernel's log (dmesg | grep -i kvm)");
	remedy(nested_remedy);
	row("verdict", "cannot run programs here");
}

static int compare_ns(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Median and minimum ns of a system call's way out of the guest and back. */
static int measure_exit(struct vm *vm, int64_t *median, int64_t *min)
{
	struct mm_map map = {.addr = SCRATCH_CODE,
			     .len = PAGE_SIZE,
			     .fixed = true,
			     .flags = VMA_READ | VMA_WRITE | VMA_EXEC};
	struct cpu c = {.regs_modified = true};
	int64_t ns[ROUNDS], start;
	struct mm *mm = NULL;
	struct trap t = {0};
	size_t code_size;
	const void *code = vcpu_scratch_code(&code_size);
	uint64_t at;
	int r;

	c.fpu = aligned_alloc(64, vm->fpu_size);
	if (!c.fpu)
		return -ENOMEM;
	memcpy(c.fpu, vm->fpu_init, vm->fpu_size);
	vcpu_scratch_regs(&c, SCRATCH_CODE);
	r = mm_create(vm->gm, &mm);
	if (r == 0)
		r = mm_mmap(mm, &map, &at);
	if (r == 0)
		r = copy_to_guest(mm, gva(SCRATCH_CODE), code, code_size);
	for (unsigned i = 0; r == 0 && i < ROUNDS; i++) {
		start = core_now();
		vcpu_run(vm->vcpus[0], &c, mm, &t);
		ns[i] = core_now() - start;
		if (t.kind != TRAP_SYSCALL)
			r = -EIO;
	}
	if (r == 0) {
		qsort(ns, ROUNDS, sizeof(ns[0]), compare_ns);
		*median = ns[ROUNDS / 2];
		*min = ns[0];
	}
	vcpu_fpu_forget(vm, &c);
	vm->vcpus[0]->loaded = NULL;
	vm->vcpus[0]->mm = NULL;
	mm_activate(vm->gm, 0, NULL);
	mm_put(mm);
	free(c.fpu);
	return r;
}

static void print_traits(struct vm *vm)
{
	char text[128];
	int64_t median, min;

	row("trap path", vm_arch_trap_path(vm));
	row("paging", vm->traits.shadow_paging ? "shadow page tables" : "nested paging");
	snprintf(text, sizeof(text), "%u kHz, %s", vm->counter_khz,
		 vm->counter_trusted && counter_trusted()
			 ? "trusted: clock_gettime needs no exit"
			 : "not trusted: clock_gettime is a system call");
	row("counter", text);
	snprintf(text, sizeof(text), "%zu bytes", vm->fpu_size);
	row("FP state", text);
	snprintf(text, sizeof(text), "%d recommended, %d at most",
		 ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS),
		 ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS));
	row("vCPUs", text);
	snprintf(text, sizeof(text), "%d (vmbox uses one for each 64 MiB)",
		 ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS));
	row("memory slots", text);
	if (measure_exit(vm, &median, &min) == 0) {
		snprintf(text, sizeof(text), "%.1f us (median of %d; fastest %.1f)",
			 (double)median / 1000, ROUNDS, (double)min / 1000);
		row("exit and back", text);
	}
}

/* How well vmbox can confine itself: see jail.h. */
static void print_landlock(void)
{
	int abi = landlock_abi();
	char text[64];

	if (abi >= LANDLOCK_ABI_MIN) {
		snprintf(text, sizeof(text), "ABI %d: vmbox opens only what it was given", abi);
		row("Landlock", text);
		return;
	}
	row("Landlock", abi == -EOPNOTSUPP ? "not enabled"
			: abi < 0          ? "not in this kernel"
					   : "too old");
	remedy(abi == -EOPNOTSUPP ? "it works without; boot with lsm=landlock,... to confine which "
				    "files vmbox may open"
				  : "it works without; Linux 5.19 or later with "
				    "CONFIG_SECURITY_LANDLOCK confines which files vmbox may open");
}

int cmd_doctor(int argc, char **argv)
{
	bool quiet = argc == 2 && (strcmp(argv[1], "--quiet") == 0 || strcmp(argv[1], "-q") == 0);
	static struct vm vm;
	char err[256];
	int e;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		puts("Usage: vmbox doctor [--quiet]\n\n"
		     "Says what this machine's KVM is and can do. Exit status: 0 if programs can "
		     "be run,\n"
		     "125 if not. --quiet: the status only.");
		return 0;
	}
	if (argc > 1 && !quiet) {
		vmbox_error("doctor: %s: no such option", argv[1]);
		return EXIT_VMBOX;
	}
	vcpu_init_signal();
	e = vm_create(&vm, SCRATCH_MEM, err, sizeof(err));
	if (e == 0) {
		e = vm_add_vcpus(&vm, 1, err, sizeof(err));
		if (e < 0)
			vm_destroy(&vm);
	}
	if (e < 0) {
		if (!quiet)
			explain(err, e);
		return EXIT_VMBOX;
	}
	if (!quiet) {
		row("/dev/kvm", "usable");
		print_traits(&vm);
		print_landlock();
		row("verdict", "ready: vmbox run ./program");
	}
	vm_destroy(&vm);
	return 0;
}
