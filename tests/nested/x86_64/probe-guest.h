/* The x86_64 guest of kvm-probe.c: real mode, at address 0. */

static const uint8_t guest_code[] = {
	0xb0, PROBE_VALUE, /* mov $PROBE_VALUE, %al */
	0xe6, 0x10,        /* out %al, $0x10 */
	0xf4,              /* hlt */
};

static void guest_prepare(int vm, int vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = {.rflags = 2};

	(void)vm;
	must(vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	must(vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	must(vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

/* The out must arrive with its value, and the halt after it. */
static bool guest_check(int vcpu, struct kvm_run *run)
{
	const uint8_t *data = (const uint8_t *)run + run->io.data_offset;

	if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT ||
	    run->io.port != 0x10 || run->io.size != 1 || *data != PROBE_VALUE)
		return false;
	must(vcpu, KVM_RUN, NULL, "KVM_RUN after the out");
	return run->exit_reason == KVM_EXIT_HLT;
}
