/*
 * What this KVM is, by behaviour: a few instructions in a scratch address
 * space, and a look at what came of them.
 */
#include "x86.h"

#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/*
 * mov (%rbx), %r8; rdtsc; syscall. The load shows which frame the guest sees, the counter how it
 * stands to the host's, the SYSCALL where it arrives.
 */
static const uint8_t probe_code[] = {0x4c, 0x8b, 0x03, 0x0f, 0x31, 0x0f, 0x05, 0xf4};

/* mov $-1, %eax; mov $-1, %edx; xsave64 (%rbx); syscall */
static const uint8_t xsave_code[] = {0xb8, 0xff, 0xff, 0xff, 0xff, 0xba, 0xff, 0xff, 0xff,
				     0xff, 0x48, 0x0f, 0xae, 0x23, 0x0f, 0x05, 0xf4};

/* wrfsbase %rbx; wrgsbase %rbx; rdfsbase %r8; rdgsbase %r9; syscall */
static const uint8_t fsgsbase_code[] = {0xf3, 0x48, 0x0f, 0xae, 0xd3, 0xf3, 0x48, 0x0f,
					0xae, 0xdb, 0xf3, 0x49, 0x0f, 0xae, 0xc0, 0xf3,
					0x49, 0x0f, 0xae, 0xc9, 0x0f, 0x05, 0xf4};

#define PROBE_CODE 0x100000
#define PROBE_DATA 0x200000
#define MARK_A     0xa11ce
#define MARK_B     0xb0b

/* The leaf entry of a mapped 4 KiB page. */
static uint64_t *leaf_entry(struct gmem *gm, const struct mm *mm, uint64_t va)
{
	uint64_t pa = mm_root(mm).v;

	for (int shift = 39; shift > 12; shift -= 9) {
		uint64_t *table = frame_hva(gm, (pfn_t)(pa >> PAGE_SHIFT));

		pa = table[va >> shift & 511] & 0x000ffffffffff000;
	}
	return (uint64_t *)frame_hva(gm, (pfn_t)(pa >> PAGE_SHIFT)) + (va >> 12 & 511);
}

/* Runs the probe code; what it loaded, and the ring at the doorbell. */
static int run_once(struct vcpu *v, struct cpu *c, struct mm *mm, bool flush, uint64_t *value,
		    bool *ring0, char *err, size_t size)
{
	const struct kvm_run *run = v->run;
	uint64_t before, tsc;
	struct trap t;
	int r;

	c->regs = (struct uregs){
		.rip = PROBE_CODE, .rbx = PROBE_DATA, .rsp = PROBE_DATA, .rflags = 2};
	v->mm = mm;
	v->root = mm_root(mm);
	vcpu_arch_load(v, c, true, flush, &t);
	before = __builtin_ia32_rdtsc();
	r = vcpu_ioctl(v, VCPU_IOCTL_RUN, KVM_RUN, NULL);
	if (r < 0) {
		snprintf(err, size, "/dev/kvm: cannot run a guest: %s", strerror(-r));
		return r;
	}
	if (run->exit_reason != KVM_EXIT_IO || run->io.port != ABI_PORT_SYSCALL) {
		snprintf(err, size,
			 "/dev/kvm: cannot run a guest: exit reason %u (port %#x) instead of the "
			 "doorbell",
			 run->exit_reason, run->exit_reason == KVM_EXIT_IO ? run->io.port : 0);
		return -ENODEV;
	}
	*value = run->s.regs.regs.r8;
	/* With the offset at 0 the guest's reading lies between two of the host's. */
	tsc = (run->s.regs.regs.rax & 0xffffffff) | run->s.regs.regs.rdx << 32;
	v->vm->counter_trusted = tsc >= before && tsc <= __builtin_ia32_rdtsc();
	*ring0 = (run->s.regs.sregs.cs.selector & 3) == 0;
	return 0;
}

/* The code gets to its system call. */
static bool gets_through(struct vcpu *v, struct cpu *c, struct mm *mm, const uint8_t *code,
			 size_t size)
{
	const struct kvm_run *run = v->run;
	struct trap t;

	if (copy_to_guest(mm, gva(PROBE_CODE), code, size) < 0)
		return false;
	c->regs = (struct uregs){
		.rip = PROBE_CODE, .rbx = PROBE_DATA, .rsp = PROBE_DATA, .rflags = 2};
	vcpu_arch_load(v, c, true, false, &t);
	return vcpu_ioctl(v, VCPU_IOCTL_RUN, KVM_RUN, NULL) == 0 &&
	       run->exit_reason == KVM_EXIT_IO && run->io.port == ABI_PORT_SYSCALL;
}

/* Ring 3 can save its FP state by itself; a processor's XSAVE needs less than a page. */
static bool has_native_xsave(struct vcpu *v, struct cpu *c, struct mm *mm)
{
	unsigned a, b, x, d;

	return __get_cpuid(1, &a, &b, &x, &d) && x & bit_OSXSAVE &&
	       __get_cpuid_count(0xd, 0, &a, &b, &x, &d) && b <= PAGE_SIZE &&
	       gets_through(v, c, mm, xsave_code, sizeof(xsave_code));
}

/* Ring 3 can change its segment bases by itself, and we see it. */
static bool has_native_fsgsbase(struct vcpu *v, struct cpu *c, struct mm *mm)
{
	const struct kvm_sync_regs *s = &v->run->s.regs;
	unsigned a, b, x, d;

	return __get_cpuid_count(7, 0, &a, &b, &x, &d) && b & bit_FSGSBASE &&
	       gets_through(v, c, mm, fsgsbase_code, sizeof(fsgsbase_code)) &&
	       s->regs.r8 == PROBE_DATA && s->regs.r9 == PROBE_DATA &&
	       s->sregs.fs.base == PROBE_DATA && s->sregs.gs.base == PROBE_DATA;
}

static int probe(struct vm *vm, struct mm *mm, struct cpu *c, char *err, size_t size)
{
	struct mm_map map = {
		.len = PAGE_SIZE, .flags = VMA_READ | VMA_WRITE | VMA_EXEC, .fixed = true};
	uint64_t value = MARK_A, *entry, was, at;
	struct vcpu *v = vm->vcpus[0];
	pfn_t other;
	int r;

	map.addr = PROBE_CODE;
	r = mm_mmap(mm, &map, &at);
	map.addr = PROBE_DATA;
	if (r == 0)
		r = mm_mmap(mm, &map, &at);
	if (r == 0)
		r = copy_to_guest(mm, gva(PROBE_CODE), probe_code, sizeof(probe_code));
	if (r == 0)
		r = copy_to_guest(mm, gva(PROBE_DATA), &value, sizeof(value));
	other = r == 0 ? frame_alloc(vm->gm, true) : 0;
	if (!other) {
		snprintf(err, size, "guest memory: %s", strerror(r < 0 ? -r : ENOMEM));
		return r < 0 ? r : -ENOMEM;
	}
	*(uint64_t *)frame_hva(vm->gm, other) = MARK_B;

	r = run_once(v, c, mm, false, &value, &vm->traits.syscall_raises_cpl, err, size);
	if (r == 0 && value != MARK_A) {
		snprintf(err, size, "/dev/kvm: the guest read %#llx instead of %#x",
			 (unsigned long long)value, MARK_A);
		r = -ENODEV;
	}
	if (r == 0) {
		/* The one place that changes a present entry behind the back of paging, to see what
		 * happens. */
		entry = leaf_entry(vm->gm, mm, PROBE_DATA);
		was = *entry;
		*entry = (was & ~0x000ffffffffff000ULL) | pfn_gpa(other).v;
		r = run_once(v, c, mm, true, &value, &vm->traits.syscall_raises_cpl, err, size);
		*entry = was;
		vm->traits.shadow_paging = value != MARK_B;
		if (r == 0 && !vm->traits.syscall_raises_cpl)
			vm->traits.native_xsave = has_native_xsave(v, c, mm);
		if (vm->traits.native_xsave)
			vm->traits.native_fsgsbase = has_native_fsgsbase(v, c, mm);
	}
	/* Its translation may be cached: let nobody else have the frame before all is forgotten. */
	vm->arch.probe_pfn = other;
	return r;
}

int vm_arch_probe(struct vm *vm, char *err, size_t size)
{
	struct cpu c = {.regs_modified = true};
	struct mm *mm;
	int r;

	/* Until known: assume what is safe for both. */
	vm->traits.shadow_paging = true;
	r = mm_create(vm->gm, &mm);
	if (r < 0) {
		snprintf(err, size, "guest memory: %s", strerror(-r));
		return r;
	}
	r = probe(vm, mm, &c, err, size);
	vm->vcpus[0]->mm = NULL;
	vm->vcpus[0]->arch.at = X86_AT_KERNEL;
	mm_put(mm);
	return r;
}

const char *vm_arch_trap_path(const struct vm *vm)
{
	return vm->traits.syscall_raises_cpl
		       ? "hardware semantics (SYSCALL raises privilege)"
		       : "ring-3 doorbell (SYSCALL keeps its privilege: KVM-PVM)";
}

const void *vcpu_scratch_code(size_t *size)
{
	static const uint8_t loop[] = {0x0f, 0x05, 0xeb, 0xfc}; /* 1: syscall; jmp 1b */

	*size = sizeof(loop);
	return loop;
}

void vcpu_scratch_regs(struct cpu *c, uint64_t pc)
{
	c->regs = (struct uregs){.rip = pc, .rflags = X86_RFLAGS_FIXED};
	c->regs_modified = true;
}
