/*
 * arm64: the kernel half of the guest, and a vCPU's system registers.
 *
 * The MMU is on from the first instruction. Shared pages: the stub, the doorbell (which is no
 * page of memory). Per vCPU: a frame page (guest/arm64/abi_arch.h). The interrupt controller is
 * left out: the VMM raises a vCPU's interrupt line itself (run.c).
 */
#include "arm64.h"
#include "../../devices/counter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

extern const uint8_t stub_start[], stub_end[], stub_resume[];

#define SCTLR_EL1   ARM64_SYS_REG(3, 0, 1, 0, 0)
#define CPACR_EL1   ARM64_SYS_REG(3, 0, 1, 0, 2)
#define TTBR0_EL1   ARM64_SYS_REG(3, 0, 2, 0, 0)
#define TTBR1_EL1   ARM64_SYS_REG(3, 0, 2, 0, 1)
#define TCR_EL1     ARM64_SYS_REG(3, 0, 2, 0, 2)
#define MAIR_EL1    ARM64_SYS_REG(3, 0, 10, 2, 0)
#define VBAR_EL1    ARM64_SYS_REG(3, 0, 12, 0, 0)
#define CNTKCTL_EL1 ARM64_SYS_REG(3, 0, 14, 1, 0)
#define MDSCR_EL1   ARM64_SYS_REG(2, 0, 0, 2, 2)
#define TPIDR_EL0   ARM64_SYS_REG(3, 3, 13, 0, 2)
#define TPIDRRO_EL0 ARM64_SYS_REG(3, 3, 13, 0, 3)
#define ID_MMFR0    ARM64_SYS_REG(3, 0, 0, 7, 0)
#define ID_MMFR1    ARM64_SYS_REG(3, 0, 0, 7, 1)

/*
 * SCTLR_EL1: M C I; stack alignment checks SA SA0; for EL0: cache maintenance UCI, CTR_EL0 UCT,
 * DC ZVA DZE, WFE nTWE, but not WFI, which would stop the vCPU; SED, ITD, and the bits that old
 * processors have as 1: EOS TSCXT EIS nTLSMD LSMAOE.
 */
#define SCTLR                                                                                      \
	(1ULL << 0 | 1ULL << 2 | 1ULL << 3 | 1ULL << 4 | 1ULL << 7 | 1ULL << 8 | 1ULL << 11 |      \
	 1ULL << 12 | 1ULL << 14 | 1ULL << 15 | 1ULL << 18 | 1ULL << 20 | 1ULL << 22 |             \
	 1ULL << 26 | 1ULL << 28 | 1ULL << 29)
#define SCTLR_SPAN (1ULL << 23) /* 0: an exception sets PSTATE.PAN, where there is one */

/*
 * TCR_EL1: 48-bit halves of 4 KiB pages, walked as write-back inner-shareable memory; the top byte
 * of EL0's addresses is ignored, as Linux has it.
 */
#define TCR                                                                                        \
	(16ULL | 1ULL << 8 | 1ULL << 10 | 3ULL << 12 | 16ULL << 16 | 1ULL << 24 | 1ULL << 26 |     \
	 3ULL << 28 | 2ULL << 30 | 1ULL << 37)
#define TCR_IPS       32
#define TCR_AS        (1ULL << 36) /* 16-bit ASIDs */
#define IPS_48BIT     5
#define MAIR          0xffULL      /* index 0: write-back */
#define CPACR         (3ULL << 20) /* FP and SIMD; no SVE, no SME */
#define MDSCR         (1ULL << 12) /* EL0 has no debug communication channel */
#define CTL_EL0VCT    (1ULL << 1)  /* CNTKCTL_EL1: EL0 reads CNTVCT, and no timer */
#define CTL_EVENTS    (1ULL << 2)  /* an event stream, for WFE */
#define CTL_EVENT_BIT 4
#define EVENTS_HZ     10000

#define IPA_BITS_DEFAULT 40
#define FPU_SIZE         ABI_FRAME_FPU_SIZE
#define OFFSET_ROUNDS    64

unsigned long vm_arch_type(int kvm_fd)
{
	int bits = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);

	/* 0 stands for 40 bits. */
	return bits > 0 && bits < IPA_BITS_DEFAULT ? KVM_VM_TYPE_ARM_IPA_SIZE((unsigned long)bits)
						   : 0;
}

static int map_page(struct vm *vm, uint64_t va, unsigned prot, pfn_t *out)
{
	pfn_t pfn = frame_alloc(vm->gm, true);
	int r;

	if (!pfn)
		return -ENOMEM;
	r = gmem_map_kernel(vm->gm, va, pfn, prot, false);
	if (r < 0) {
		frame_put(vm->gm, pfn);
		return r;
	}
	*out = pfn;
	return 0;
}

/* There is nothing to ask. */
int vm_arch_ask(struct vm *vm)
{
	(void)vm;
	return 0;
}

/*
 * The ID registers are a vCPU's, and the program that is loaded while the others are made gets its
 * AT_HWCAP from them.
 */
int vm_arch_learn(struct vm *vm, char *err, size_t size)
{
	int r = vcpu_create(vm, 0, &vm->vcpus[0]);

	if (r == 0) {
		vm->nvcpus = 1;
		r = vcpu_open(vm->vcpus[0]);
	}
	if (r < 0)
		snprintf(err, size, "vCPU 0: %s", strerror(-r));
	return r;
}

int vm_arch_init(struct vm *vm, char *err, size_t size)
{
	struct vm_arch *a = &vm->arch;
	void *stub;
	int r;

	vm->fpu_size = FPU_SIZE;
	vm->fpu_init = aligned_alloc(16, FPU_SIZE);
	a->empty_pfn = frame_alloc(vm->gm, true);
	r = vm->fpu_init && a->empty_pfn ? 0 : -ENOMEM;
	if (r == 0)
		r = map_page(vm, ABI_VECTORS_GVA, VMA_READ | VMA_EXEC, &a->stub_pfn);
	/* The attribute is that of memory, but there is none: only the address matters to KVM. */
	if (r == 0)
		r = gmem_map_kernel(vm->gm, ABI_DOORBELL_GVA, ABI_DOORBELL >> PAGE_SHIFT,
				    VMA_READ | VMA_WRITE, false);
	if (r < 0) {
		snprintf(err, size, "guest memory: %s", strerror(-r));
		return r;
	}
	memset(vm->fpu_init, 0, FPU_SIZE);
	stub = frame_hva(vm->gm, a->stub_pfn);
	memcpy(stub, stub_start, (size_t)(stub_end - stub_start));
	gmem_sync_code(stub, PAGE_SIZE);
	return 0;
}

uint64_t vm_arch_call_entry(const struct vm *vm)
{
	(void)vm;
	return 0;
}

void vm_arch_destroy(struct vm *vm)
{
	asid_space_destroy(vm->arch.asids);
	vm->arch.asids = NULL;
}

int vm_limit_asids(struct vm *vm, unsigned bits)
{
	struct asid_space *s;

	if (bits > vm->arch.asid_bits)
		return -EINVAL;
	s = asid_space_create(bits, vm->nvcpus);
	if (!s)
		return -EINVAL;
	asid_space_destroy(vm->arch.asids);
	vm->arch.asids = s;
	for (unsigned i = 0; i < vm->nvcpus; i++)
		vm->vcpus[i]->arch.mm_id = 0;
	return 0;
}

uint64_t vm_asid_rollovers(struct vm *vm)
{
	return asid_rollovers(vm->arch.asids);
}

/* ---- registers ---- */

int arm64_get_reg(struct vcpu *v, uint64_t id, uint64_t *value)
{
	struct kvm_one_reg r = {.id = id, .addr = (uint64_t)(uintptr_t)value};

	return vcpu_ioctl(v, VCPU_IOCTL_OTHER, KVM_GET_ONE_REG, &r);
}

int arm64_set_reg(struct vcpu *v, uint64_t id, uint64_t value)
{
	struct kvm_one_reg r = {.id = id, .addr = (uint64_t)(uintptr_t)&value};

	return vcpu_ioctl(v, VCPU_IOCTL_OTHER, KVM_SET_ONE_REG, &r);
}

static uint64_t sctlr(struct vcpu *v)
{
	return SCTLR | (ARM64_ID_FIELD(arm64_id_reg(v, ID_MMFR1), 20) ? 0 : SCTLR_SPAN);
}

static uint64_t tcr(struct vcpu *v)
{
	uint64_t mmfr0 = arm64_id_reg(v, ID_MMFR0);
	unsigned range = ARM64_ID_FIELD(mmfr0, 0);

	if (range > IPS_48BIT)
		range = IPS_48BIT;
	return TCR | (uint64_t)range << TCR_IPS | (ARM64_ID_FIELD(mmfr0, 4) == 2 ? TCR_AS : 0);
}

/* The bit of the counter whose edges are the event stream, about EVENTS_HZ of them. */
static uint64_t cntkctl(void)
{
	unsigned bit = 0;

	while (bit < 15 && (uint64_t)counter_khz() * 1000 / EVENTS_HZ >> (bit + 1))
		bit++;
	return CTL_EL0VCT | CTL_EVENTS | (uint64_t)bit << CTL_EVENT_BIT;
}

int vcpu_arch_reset(struct vcpu *v)
{
	const uint64_t base = ABI_CPU_GVA + (uint64_t)v->index * ABI_CPU_STRIDE;
	const struct {
		uint64_t id, value;
	} regs[] = {
		{MAIR_EL1, MAIR},
		{TCR_EL1, tcr(v)},
		{TTBR0_EL1, pfn_gpa(v->vm->arch.empty_pfn).v},
		{TTBR1_EL1, gmem_kernel_root(v->vm->gm).v},
		{VBAR_EL1, ABI_VECTORS_GVA},
		{CPACR_EL1, CPACR},
		{CNTKCTL_EL1, cntkctl()},
		{MDSCR_EL1, MDSCR},
		{TPIDR_EL0, 0},
		{TPIDRRO_EL0, 0},
		{SCTLR_EL1, sctlr(v)},
		{ARM64_REG_CORE(sp_el1), base},
		{ARM64_REG_CORE(regs.pstate), ARM64_EL1H_MASKED},
		{ARM64_REG_CORE(regs.pc), ABI_VECTORS_GVA + (uint64_t)(stub_resume - stub_start)},
	};

	v->arch.mm_id = 0;
	for (size_t i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
		int r = arm64_set_reg(v, regs[i].id, regs[i].value);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the counter ---- */

/*
 * KVM gives the guest's counter an offset, the same for all vCPUs; up to Linux 6.3 anew with each
 * vCPU that is made. Reading it between two readings of the host's bounds the offset from both
 * sides. The larger bound is taken: then what a system call computes is not before what the program
 * has seen, and the way back into the guest takes longer than the error.
 */
static int measure_offset(struct vcpu *v)
{
	int64_t low = INT64_MIN, high = INT64_MAX;

	for (unsigned i = 0; i < OFFSET_ROUNDS; i++) {
		uint64_t before = counter_read(), now, after;
		int r = arm64_get_reg(v, KVM_REG_ARM_TIMER_CNT, &now);

		if (r < 0)
			return r;
		after = counter_read();
		if ((int64_t)(now - before) < high)
			high = (int64_t)(now - before);
		if ((int64_t)(now - after) > low)
			low = (int64_t)(now - after);
	}
	v->vm->counter_khz = counter_khz();
	v->vm->counter_offset = (uint64_t)high;
	v->vm->counter_trusted = low <= high;
	return 0;
}

static bool icache_aliases(void)
{
	uint64_t ctr;

	__asm__("mrs %0, ctr_el0" : "=r"(ctr));
	return (ctr >> 14 & 3) != 3 && !(ctr >> 29 & 1); /* not PIPT, and DIC is 0 */
}

static int init_vm(struct vcpu *v)
{
	struct vm_arch *a = &v->vm->arch;

	a->asid_bits = ARM64_ID_FIELD(arm64_id_reg(v, ID_MMFR0), 4) == 2 ? 16 : 8;
	a->icache_aliases = icache_aliases();
	arm64_read_features(v);
	a->asids = asid_space_create(a->asid_bits, VM_MAX_CPUS);
	return a->asids ? 0 : -ENOMEM;
}

int vcpu_arch_prepare(struct vcpu *v)
{
	pfn_t pfn;
	int r = map_page(v->vm, ABI_CPU_GVA + (uint64_t)v->index * ABI_CPU_STRIDE,
			 VMA_READ | VMA_WRITE, &pfn);

	if (r == 0)
		v->arch.frame = frame_hva(v->vm->gm, pfn);
	return r;
}

int vcpu_arch_init(struct vcpu *v)
{
	struct kvm_vcpu_init init;
	int r;

	if (ioctl(v->vm->fd, KVM_ARM_PREFERRED_TARGET, &init) < 0)
		return -errno;
	memset(init.features, 0, sizeof(init.features));
	r = vcpu_ioctl(v, VCPU_IOCTL_OTHER, KVM_ARM_VCPU_INIT, &init);
	if (r == 0)
		r = vcpu_arch_reset(v);
	if (r == 0 && v->index == 0)
		r = init_vm(v);
	if (r == 0)
		arm64_show_features(v);
	return r;
}

int vm_arch_settle(struct vm *vm, struct vcpu *v)
{
	(void)vm;
	v->arch.frame->roots = 0; /* the probe's are not counted */
	return v->index == 0 ? measure_offset(v) : 0;
}
