/*
 * x86_64: the kernel half of the guest and a vCPU's control registers.
 *
 * Shared pages: exception stubs, system-call stub, IDT. Per vCPU: a block
 * with GDT, TSS and its I/O bitmap, the trap stack and the fault stack (guest/x86_64/abi_arch.h).
 */
#include "x86.h"

#include <asm/hwcap2.h>
#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

extern const uint8_t stub_vectors[], stub_vectors_end[], stub_syscall[], stub_syscall_end[];

#define MSR_STAR          0xc0000081
#define MSR_LSTAR         0xc0000082
#define MSR_SYSCALL_MASK  0xc0000084
#define RFLAGS_CLEARED    0x47700 /* at SYSCALL: TF IF DF IOPL NT AC */
#define CPUID_ENTRIES_MAX 512

static int map_page(struct vm *vm, uint64_t va, unsigned prot, bool user, pfn_t *out)
{
	pfn_t pfn = frame_alloc(vm->gm, true);
	int r;

	if (!pfn)
		return -ENOMEM;
	r = gmem_map_kernel(vm->gm, va, pfn, prot, user);
	if (r < 0) {
		frame_put(vm->gm, pfn);
		return r;
	}
	*out = pfn;
	return 0;
}

static void write_idt(struct vm *vm)
{
	uint64_t *idt = frame_hva(vm->gm, vm->arch.idt_pfn);

	for (unsigned vec = 0; vec < X86_VECTORS; vec++) {
		uint64_t h = ABI_VECTORS_GVA + vec * ABI_VECTOR_STRIDE;
		uint64_t dpl = vec == 3 || vec == 4 ? 3 : 0; /* int3 and int $4 are for everyone */
		uint64_t ist = vec == 2 || vec == 8 || vec == 18 ? 1 : 0;

		idt[vec * 2] = (h & 0xffff) | (uint64_t)ABI_SEL_KERN_CS << 16 | ist << 32 |
			       (0x8eULL | dpl << 5) << 40 | (h >> 16 & 0xffff) << 48;
		idt[vec * 2 + 1] = h >> 32;
	}
}

static const struct kvm_cpuid_entry2 *cpuid_find(const struct kvm_cpuid2 *c, uint32_t fn,
						 uint32_t index)
{
	for (unsigned i = 0; i < c->nent; i++)
		if (c->entries[i].function == fn && c->entries[i].index == index)
			return &c->entries[i];
	return NULL;
}

int vm_arch_ask(struct vm *vm)
{
	size_t size = sizeof(*vm->arch.cpuid) + CPUID_ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2);

	vm->arch.cpuid = calloc(1, size);
	if (!vm->arch.cpuid)
		return -ENOMEM;
	vm->arch.cpuid->nent = CPUID_ENTRIES_MAX;
	if (ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, vm->arch.cpuid) < 0)
		return -errno;
	return 0;
}

/*
 * The FP image of a new task, as KVM_GET_XSAVE gives it for a new vCPU (Intel's manual 1, 13.6: all
 * components in their initial state): but that needs a vCPU, and images are wanted before there is
 * one. The words for software, at 464, matter to nobody but vcpu.c, which compares images: if KVM
 * has something else there, a task's first entry costs one ioctl more.
 */
static uint8_t *make_fpu_init(size_t size)
{
	_Alignas(16) uint8_t now[512];
	uint8_t *image = aligned_alloc(64, size);
	const uint16_t fcw = 0x37f;
	const uint32_t mxcsr = 0x1f80;
	uint32_t a, b, c, d;
	uint64_t features;

	if (!image)
		return NULL;
	memset(image, 0, size);
	memset(now, 0, sizeof(now));
	__builtin_ia32_fxsave64(now);
	memcpy(image, &fcw, sizeof(fcw));
	memcpy(image + 24, &mxcsr, sizeof(mxcsr));
	memcpy(image + 28, now + 28, 4); /* which bits of MXCSR there are */
	if (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_OSXSAVE)) {
		__asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
		features = a | (uint64_t)d << 32;
		memcpy(image + 464, &features, sizeof(features));
	}
	return image;
}

unsigned long vm_arch_type(int kvm_fd)
{
	(void)kvm_fd;
	return 0;
}

int vm_arch_init(struct vm *vm, char *err, size_t size)
{
	int r;

	r = map_page(vm, ABI_VECTORS_GVA, VMA_READ | VMA_EXEC, false, &vm->arch.vectors_pfn);
	if (r == 0)
		r = map_page(vm, ABI_SYSCALL_GVA, VMA_READ | VMA_EXEC, false,
			     &vm->arch.syscall_pfn);
	if (r == 0)
		r = map_page(vm, ABI_SYSCALL_USER_GVA, VMA_READ | VMA_EXEC, true,
			     &vm->arch.syscall_user_pfn);
	if (r == 0)
		r = map_page(vm, ABI_IDT_GVA, VMA_READ, false, &vm->arch.idt_pfn);
	if (r < 0) {
		snprintf(err, size, "guest memory: %s", strerror(-r));
		return r;
	}
	memset(frame_hva(vm->gm, vm->arch.vectors_pfn), 0xf4,
	       PAGE_SIZE); /* hlt: a stray jump traps */
	memcpy(frame_hva(vm->gm, vm->arch.vectors_pfn), stub_vectors,
	       (size_t)(stub_vectors_end - stub_vectors));
	memset(frame_hva(vm->gm, vm->arch.syscall_pfn), 0xf4, PAGE_SIZE);
	memcpy(frame_hva(vm->gm, vm->arch.syscall_pfn), stub_syscall,
	       (size_t)(stub_syscall_end - stub_syscall));
	memcpy(frame_hva(vm->gm, vm->arch.syscall_user_pfn),
	       frame_hva(vm->gm, vm->arch.syscall_pfn), PAGE_SIZE);
	write_idt(vm);
	return 0;
}

int vm_arch_learn(struct vm *vm, char *err, size_t size)
{
	const struct kvm_cpuid_entry2 *e;
	int r;

	r = vm_need_cap(vm, KVM_CAP_SYNC_REGS, KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS,
			"KVM_CAP_SYNC_REGS", err, size);
	if (r == 0)
		r = vm_need_cap(vm, KVM_CAP_XSAVE, 1, "KVM_CAP_XSAVE", err, size);
	if (r < 0)
		return r;
	r = ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
	vm->fpu_size = r > (int)sizeof(struct kvm_xsave) ? (size_t)r : sizeof(struct kvm_xsave);

	/*
	 * XCR0: what the guest may enable. Where CPUID has no XSAVE (KVM-PVM) ring 3 still runs
	 * with the host's, which CPUID leaf 0xD shows.
	 */
	e = cpuid_find(vm->arch.cpuid, 0xd, 0);
	vm->xcr0 = e ? e->eax | (uint64_t)e->edx << 32 : 3;
	e = cpuid_find(vm->arch.cpuid, 1, 0);
	if (e && (e->ecx & bit_XSAVE))
		vm->traits.has_xsave = true;
	if (e)
		vm->hwcap = e->edx;
	e = cpuid_find(vm->arch.cpuid, 7, 0);
	vm->traits.has_fsgsbase = e && (e->ebx & bit_FSGSBASE);
	e = cpuid_find(vm->arch.cpuid, 0xd, 0);
	vm->sigframe_fpu_size = e && e->ebx >= 576 ? e->ebx : 0;
	e = cpuid_find(vm->arch.cpuid, 0x80000008, 0);
	vm->phys_bits = e ? e->eax & 0xff : 0;

	vm->fpu_init = make_fpu_init(vm->fpu_size);
	if (vm->fpu_init)
		return 0;
	snprintf(err, size, "%s", strerror(ENOMEM));
	return -ENOMEM;
}

uint64_t vm_arch_call_entry(const struct vm *vm)
{
	return vm->traits.syscall_raises_cpl ? 0 : ABI_SYSCALL_ENTRY_GVA;
}

void vm_arch_destroy(struct vm *vm)
{
	free(vm->arch.cpuid);
	vm->arch.cpuid = NULL;
}

/* PCIDs are not used: a switch flushes. */
int vm_limit_asids(struct vm *vm, unsigned bits)
{
	(void)vm;
	(void)bits;
	return -EINVAL;
}

uint64_t vm_asid_rollovers(struct vm *vm)
{
	(void)vm;
	return 0;
}

uint64_t vm_arch_hwcap(struct vm *vm, uint64_t *hwcap2, const char **platform)
{
	*hwcap2 = vm->traits.has_fsgsbase ? HWCAP2_FSGSBASE : 0;
	*platform = "x86_64";
	return vm->hwcap;
}

static void write_descriptors(uint8_t *block, uint64_t base)
{
	uint64_t *gdt = (uint64_t *)(void *)(block + ABI_CPU_GDT);
	uint8_t *tss = block + ABI_CPU_TSS;
	uint64_t tss_base = base + ABI_CPU_TSS, rsp0 = base + ABI_CPU_STACK_TOP,
		 ist = base + ABI_CPU_IST_TOP;
	uint16_t iomap = X86_TSS_IOMAP;

	/* Accessed bits are set, so that the CPU never writes here. */
	gdt[ABI_SEL_KERN_CS / 8] = 0x00af9b000000ffffULL;
	gdt[ABI_SEL_KERN_SS / 8] = 0x00cf93000000ffffULL;
	gdt[ABI_SEL_USER_DS / 8] = 0x00cff3000000ffffULL;
	gdt[ABI_SEL_USER_CS / 8] = 0x00affb000000ffffULL;
	gdt[ABI_SEL_TSS / 8] = (X86_TSS_LIMIT & 0xffff) | (tss_base & 0xffffff) << 16 |
			       0x8bULL << 40 | (tss_base >> 24 & 0xff) << 56;
	gdt[ABI_SEL_TSS / 8 + 1] = tss_base >> 32;
	memcpy(tss + 0x04, &rsp0, 8);
	memcpy(tss + 0x24, &ist, 8);
	memcpy(tss + 0x66, &iomap, 2);
	memset(tss + X86_TSS_IOMAP, 0xff, 8192 + 1);
	/* Until the probe has told: ring 3 may ring the system-call doorbell. */
	tss[X86_TSS_IOMAP + ABI_PORT_SYSCALL / 8] &= (uint8_t) ~(1u << (ABI_PORT_SYSCALL % 8));
}

/* GDT and TSS span three pages that must be written as one: build them aside, then copy. */
static int map_cpu_block(struct vcpu *v)
{
	struct vm *vm = v->vm;
	uint64_t base = ABI_CPU_GVA + (uint64_t)v->index * ABI_CPU_STRIDE;
	uint8_t *block = calloc(3, PAGE_SIZE);
	pfn_t pfn;
	int r = 0;

	if (!block)
		return -ENOMEM;
	write_descriptors(block, base);
	for (unsigned i = 0; i < 3 && r == 0; i++) {
		r = map_page(vm, base + i * PAGE_SIZE, VMA_READ, false, &pfn);
		if (r == 0) {
			uint8_t *p = frame_hva(vm->gm, pfn);

			memcpy(p, block + i * PAGE_SIZE, PAGE_SIZE);
			if (i == 0)
				v->arch.tss_iomap = p + ABI_CPU_TSS + X86_TSS_IOMAP;
		}
	}
	free(block);
	if (r == 0)
		r = map_page(vm, base + ABI_CPU_STACK_TOP - PAGE_SIZE, VMA_READ | VMA_WRITE, false,
			     &pfn);
	if (r == 0)
		v->arch.trap_stack = (uint8_t *)frame_hva(vm->gm, pfn) + PAGE_SIZE;
	if (r == 0)
		r = map_page(vm, base + ABI_CPU_IST_TOP - PAGE_SIZE, VMA_READ | VMA_WRITE, false,
			     &pfn);
	return r;
}

int x86_set_msrs(struct vcpu *v)
{
	const struct kvm_msr_entry e[] = {
		{.index = MSR_STAR,
		 .data = (uint64_t)(ABI_SEL_USER_DS - 8) << 48 | (uint64_t)ABI_SEL_KERN_CS << 32},
		{.index = MSR_LSTAR, .data = v->arch.lstar},
		{.index = MSR_SYSCALL_MASK, .data = v->arch.syscall_mask},
	};
	struct kvm_msrs *m;
	int r;

	if (v->fd < 0) /* vcpu_arch_init will */
		return 0;
	m = calloc(1, sizeof(*m) + sizeof(e));
	if (!m)
		return -ENOMEM;
	m->nmsrs = 3;
	memcpy(m->entries, e, sizeof(e));
	atomic_fetch_add(&v->ioctls[VCPU_IOCTL_OTHER], 1);
	r = ioctl(v->fd, KVM_SET_MSRS, m);
	free(m);
	return r == 3 ? 0 : -EIO;
}

static void make_sregs(struct vcpu *v, struct kvm_sregs *s)
{
	uint64_t base = ABI_CPU_GVA + (uint64_t)v->index * ABI_CPU_STRIDE;
	struct kvm_segment cs = {.limit = 0xffffffff,
				 .selector = ABI_SEL_USER_CS,
				 .type = 11,
				 .present = 1,
				 .dpl = 3,
				 .s = 1,
				 .l = 1,
				 .g = 1};
	struct kvm_segment ds = {.limit = 0xffffffff,
				 .selector = ABI_SEL_USER_DS,
				 .type = 3,
				 .present = 1,
				 .dpl = 3,
				 .db = 1,
				 .s = 1,
				 .g = 1};

	s->cs = cs;
	s->ss = s->ds = s->es = s->fs = s->gs = ds;
	/* Linux's user programs find null selectors there, except in SS. */
	s->ds.selector = s->es.selector = s->fs.selector = s->gs.selector = 0;
	s->gdt.base = base + ABI_CPU_GDT;
	s->gdt.limit = ABI_SEL_TSS + 16 - 1;
	s->idt.base = v->arch.idt;
	s->idt.limit = X86_VECTORS * 16 - 1;
	s->tr = (struct kvm_segment){.base = base + ABI_CPU_TSS,
				     .limit = X86_TSS_LIMIT,
				     .selector = ABI_SEL_TSS,
				     .type = 11,
				     .present = 1};
	s->ldt = (struct kvm_segment){.unusable = 1};
	s->cr0 = X86_CR0;
	s->cr4 = X86_CR4 | (v->vm->traits.has_xsave ? X86_CR4_OSXSAVE : 0) |
		 (v->vm->traits.has_fsgsbase ? X86_CR4_FSGSBASE : 0);
	s->efer = X86_EFER;
}

/* Several vCPUs may be opened at a time: the list is copied, for a part of it says which one it is.
 */
static int set_cpuid(struct vcpu *v)
{
	const struct kvm_cpuid2 *all = v->vm->arch.cpuid;
	size_t size = sizeof(*all) + all->nent * sizeof(all->entries[0]);
	struct kvm_cpuid2 *own = malloc(size);
	int r;

	if (!own)
		return -ENOMEM;
	memcpy(own, all, size);
	for (unsigned i = 0; i < own->nent; i++) {
		struct kvm_cpuid_entry2 *e = &own->entries[i];

		if (e->function == 1)
			e->ebx = (e->ebx & 0x00ffffff) | (uint32_t)v->index << 24;
		if (e->function == 0xb || e->function == 0x1f)
			e->edx = v->index;
	}
	r = vcpu_ioctl(v, VCPU_IOCTL_OTHER, KVM_SET_CPUID2, own);
	free(own);
	return r;
}

int vcpu_arch_reset(struct vcpu *v)
{
	struct kvm_sregs s;
	int r;

	r = vcpu_ioctl(v, VCPU_IOCTL_OTHER, KVM_GET_SREGS, &s);
	if (r < 0)
		return r;
	make_sregs(v, &s);
	s.cr3 = v->arch.sregs.cr3;
	if (v->vm->traits.has_xsave) {
		struct kvm_xcrs x = {.nr_xcrs = 1, .xcrs[0] = {.xcr = 0, .value = v->vm->xcr0}};

		r = vcpu_ioctl(v, VCPU_IOCTL_OTHER, KVM_SET_XCRS, &x);
		if (r < 0)
			return r;
	}
	v->arch.sregs = s;
	return x86_set_msrs(v);
}

/* Makes the guest's TSC the host's. Where KVM cannot (KVM-PVM has no offset at all), the probe
 * finds out what it is. */
static void clear_tsc_offset(struct vcpu *v)
{
	uint64_t zero = 0;
	struct kvm_device_attr attr = {.group = KVM_VCPU_TSC_CTRL,
				       .attr = KVM_VCPU_TSC_OFFSET,
				       .addr = (uint64_t)(uintptr_t)&zero};

	vcpu_ioctl(v, VCPU_IOCTL_OTHER, KVM_SET_DEVICE_ATTR, &attr);
}

int vcpu_arch_prepare(struct vcpu *v)
{
	v->arch.idt = ABI_IDT_GVA;
	v->arch.lstar = ABI_SYSCALL_USER_GVA;
	v->arch.syscall_mask = RFLAGS_CLEARED;
	return map_cpu_block(v);
}

int vcpu_arch_init(struct vcpu *v)
{
	int r, khz;

	r = set_cpuid(v);
	if (r == 0)
		r = vcpu_arch_reset(v);
	if (r < 0)
		return r;
	clear_tsc_offset(v);
	v->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	if (v->index)
		return 0;
	khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);
	v->vm->counter_khz = khz > 0 ? (uint32_t)khz : 0;
	return 0;
}

int vm_arch_settle(struct vm *vm, struct vcpu *v)
{
	if (!vm->traits.syscall_raises_cpl)
		return 0;
	/* Ring 3 needs no port where SYSCALL brings ring 0. */
	v->arch.tss_iomap[ABI_PORT_SYSCALL / 8] |= (uint8_t)(1u << (ABI_PORT_SYSCALL % 8));
	v->arch.lstar = ABI_SYSCALL_GVA;
	return x86_set_msrs(v);
}
