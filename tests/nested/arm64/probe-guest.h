/* The arm64 guest of kvm-probe.c: EL1 with the MMU off, at address 0. */

#include <stddef.h>

#define PROBE_MMIO 0x10000000u /* outside the memory */

static const uint32_t guest_code[] = {
	0xd2a20001,                    /* mov x1, #PROBE_MMIO */
	0x52800000 | PROBE_VALUE << 5, /* mov w0, #PROBE_VALUE */
	0xb9000020,                    /* str w0, [x1] */
};

static void guest_prepare(int vm, int vcpu)
{
	struct kvm_vcpu_init init;
	uint64_t pc = 0;
	struct kvm_one_reg reg = {
		.id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
		      KVM_REG_ARM_CORE_REG(regs.pc),
		.addr = (uintptr_t)&pc,
	};

	must(vm, KVM_ARM_PREFERRED_TARGET, &init, "KVM_ARM_PREFERRED_TARGET");
	must(vcpu, KVM_ARM_VCPU_INIT, &init, "KVM_ARM_VCPU_INIT");
	must(vcpu, KVM_SET_ONE_REG, &reg, "KVM_SET_ONE_REG");
}

static bool guest_check(int vcpu, struct kvm_run *run)
{
	(void)vcpu;
	return run->exit_reason == KVM_EXIT_MMIO && run->mmio.phys_addr == PROBE_MMIO &&
	       run->mmio.is_write && run->mmio.len == 4 && run->mmio.data[0] == PROBE_VALUE;
}
