/*
 * Does this KVM do what vmbox needs? A few instructions in a scratch address space, and a look at
 * what came of them.
 */
#include "arm64.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ldr x8, [x1]; mrs x9, cntvct_el0; svc #0. The load shows which frame the guest sees. */
static const uint32_t probe_code[] = {0xf9400028, 0xd53be049, 0xd4000001};

#define PROBE_CODE 0x100000
#define PROBE_DATA 0x200000
#define MARK_A     0xa11ce
#define MARK_B     0xb0b

/* Runs the probe code; what it loaded. */
static int run_once(struct vcpu *v, struct cpu *c, struct mm *mm, uint64_t *value, char *err,
		    size_t size)
{
	struct trap t = {0};
	enum vm_exit why;
	int r;

	c->regs = (struct uregs){.pc = PROBE_CODE, .sp = PROBE_DATA, .x[1] = PROBE_DATA};
	v->mm = mm;
	v->tlb_gen = mm_tlb_gen(mm);
	vcpu_arch_load(v, c, true, false, &t);
	r = vcpu_ioctl(v, VCPU_IOCTL_RUN, KVM_RUN, NULL);
	if (r < 0) {
		snprintf(err, size, "/dev/kvm: cannot run a guest: %s", strerror(-r));
		return r;
	}
	why = vcpu_arch_exit(v, c, 0, &t);
	if (why != VM_EXIT_SYSCALL || c->regs.pc != PROBE_CODE + sizeof(probe_code)) {
		snprintf(err, size,
			 "/dev/kvm: cannot run a guest: exit reason %u (%s, ESR %#llx, address "
			 "%#llx) instead of the doorbell",
			 v->run->exit_reason, vm_exit_names[why],
			 (unsigned long long)v->arch.frame->esr,
			 (unsigned long long)v->arch.frame->far);
		return -ENODEV;
	}
	*value = c->regs.x[8];
	return 0;
}

static int map_probe(struct mm *mm)
{
	struct mm_map map = {
		.len = PAGE_SIZE, .flags = VMA_READ | VMA_WRITE | VMA_EXEC, .fixed = true};
	uint64_t value = MARK_A, at;
	int r;

	map.addr = PROBE_CODE;
	r = mm_mmap(mm, &map, &at);
	map.addr = PROBE_DATA;
	if (r == 0)
		r = mm_mmap(mm, &map, &at);
	/* The page is mapped by the copy, and code by the first fetch. */
	if (r == 0)
		r = copy_to_guest(mm, gva(PROBE_DATA), &value, sizeof(value));
	if (r == 0)
		r = copy_to_guest(mm, gva(PROBE_CODE), probe_code, sizeof(probe_code));
	if (r == 0)
		r = mm_fault(mm, PROBE_CODE, FAULT_EXEC);
	return r;
}

static int probe(struct vm *vm, struct mm *mm, struct cpu *c, char *err, size_t size)
{
	struct vcpu *v = vm->vcpus[0];
	uint64_t value = 0;
	struct mm *fork = NULL;
	int r = map_probe(mm);

	if (r < 0) {
		snprintf(err, size, "guest memory: %s", strerror(-r));
		return r;
	}
	r = run_once(v, c, mm, &value, err, size);
	if (r == 0 && value != MARK_A)
		r = -ENODEV;
	/* Another address space, the same addresses, another word. */
	if (r == 0)
		r = mm_fork(mm, 0, &fork);
	if (r == 0) {
		value = MARK_B;
		r = copy_to_guest(fork, gva(PROBE_DATA), &value, sizeof(value));
	}
	if (r == 0)
		r = run_once(v, c, fork, &value, err, size);
	if (r == 0 && value != MARK_B)
		r = -ENODEV;
	if (r == -ENODEV && !err[0])
		snprintf(err, size, "/dev/kvm: the guest read %#llx", (unsigned long long)value);
	else if (r < 0 && !err[0])
		snprintf(err, size, "guest memory: %s", strerror(-r));
	mm_put(fork);
	return r;
}

int vm_arch_probe(struct vm *vm, char *err, size_t size)
{
	struct cpu c = {.regs_modified = true};
	struct mm *mm;
	int r;

	vm->traits.syscall_raises_cpl = true;
	vm->traits.shadow_paging = false;
	err[0] = '\0';
	r = mm_create(vm->gm, &mm);
	if (r < 0) {
		snprintf(err, size, "guest memory: %s", strerror(-r));
		return r;
	}
	r = probe(vm, mm, &c, err, size);
	vm->vcpus[0]->mm = NULL;
	mm_put(mm);
	return r;
}

/* The stub is EL1's: what it could share with a poller is the frame page. */
int vm_make_channels(struct vm *vm)
{
	(void)vm;
	return -ENOTSUP;
}

/* Without channels nobody asks for these. */
bool vcpu_arch_take_frame(struct vcpu *v, struct cpu *c)
{
	(void)v;
	(void)c;
	return false;
}

bool vcpu_arch_fits_frame(const struct cpu *c)
{
	(void)c;
	return false;
}

bool vcpu_arch_changes_mm(const struct vcpu *v)
{
	(void)v;
	return false;
}

int vcpu_arch_change_root(struct vcpu *v, gpa_t root)
{
	(void)v;
	(void)root;
	return -EAGAIN;
}

bool vcpu_arch_forget(struct vcpu *v, const gpa_t *entries, unsigned n)
{
	(void)v;
	(void)entries;
	(void)n;
	return false;
}

bool vcpu_arch_forget_all(struct vcpu *v)
{
	(void)v;
	return false;
}

void vcpu_arch_ask_faults(struct vcpu *v, bool on)
{
	(void)v;
	(void)on;
}

bool vcpu_arch_take_fault(struct vcpu *v, struct trap *t, uint64_t *pc, uint64_t *sp)
{
	(void)v;
	(void)t;
	(void)pc;
	(void)sp;
	return false;
}

bool vcpu_arch_resolve_fault(struct vcpu *v)
{
	(void)v;
	return false;
}

void vcpu_arch_put_frame(struct vcpu *v, const struct cpu *c, bool root)
{
	(void)v;
	(void)c;
	(void)root;
}

const char *vm_arch_trap_path(const struct vm *vm)
{
	(void)vm;
	return "SVC to EL1, a store to the doorbell";
}

const void *vcpu_scratch_code(size_t *size)
{
	static const uint32_t loop[] = {0xd4000001, 0x17ffffff}; /* 1: svc #0; b 1b */

	*size = sizeof(loop);
	return loop;
}

void vcpu_scratch_regs(struct cpu *c, uint64_t pc)
{
	c->regs = (struct uregs){.pc = pc};
	c->regs_modified = true;
}
