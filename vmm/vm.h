/*
 * The virtual machine: /dev/kvm, the VM, its memory slots and its vCPUs.
 *
 * vm->slot_lock protects the number of slots and is held while they change; it is taken below every
 * lock of the personality and of paging, and nothing is taken under it.
 */
#ifndef VMBOX_VM_H
#define VMBOX_VM_H

#include "../paging/mm.h"
#include "linux/cpu.h"
#include "vm_arch.h"

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define VM_MAX_CPUS 64
/* In the hole that guest memory leaves (paging/gmem_internal.h), away from devices. */
#define VM_RECYCLE_GPA 0xc8000000UL

struct vcpu;

/* What this KVM is, found by running a few instructions and looking. */
struct vm_traits {
	bool syscall_raises_cpl; /* SYSCALL enters LSTAR at ring 0: hardware semantics */
	/* Entries that the host restricts stay in use. True until the probe has told, which is
	 * what is safe for both. */
	_Atomic bool shadow_paging;
	bool has_xsave, has_fsgsbase; /* the guest may enable them */
	/* Ring 3 has XSAVE, RDFSBASE and its like even where the guest does not enable them. */
	bool native_xsave, native_fsgsbase;
};

/* ioctls on vCPU descriptors, by kind: the dear ones. */
enum vcpu_ioctl {
	VCPU_IOCTL_RUN,
	VCPU_IOCTL_GET_XSAVE,
	VCPU_IOCTL_SET_XSAVE,
	VCPU_IOCTL_OTHER,
	VCPU_IOCTL_COUNT
};
/* Why KVM_RUN came back. */
enum vm_exit {
	VM_EXIT_SYSCALL,
	VM_EXIT_PAGE_FAULT,
	VM_EXIT_EXCEPTION,
	VM_EXIT_KICK,
	VM_EXIT_BAD_IO,
	VM_EXIT_MMIO,
	VM_EXIT_BUS,
	VM_EXIT_CRASH,
	VM_EXIT_COUNT
};

/* What most likely helps after vm_create's error, in words; NULL: nothing in particular. */
const char *vm_remedy(int error);

struct vm {
	/* immutable after vm_create: */
	int kvm_fd, fd;
	size_t run_size; /* bytes of a vCPU's kvm_run mapping */
	size_t fpu_size; /* bytes of an XSAVE image */
	size_t sigframe_fpu_size;
	uint8_t *fpu_init; /* a fresh task's FP image */
	struct gmem *gm;
	uint64_t xcr0, hwcap;
	unsigned slots_max;        /* memory slots that may be added */
	unsigned phys_bits;        /* of a guest-physical address; 0: unknown */
	struct abi_range channels; /* guest-physical, a page a vCPU; size 0: there are none */

	/* immutable after vm_add_vcpus: */
	struct vm_traits traits;
	unsigned nvcpus;
	struct vcpu *vcpus[VM_MAX_CPUS];
	uint32_t counter_khz;    /* the guest counter's rate, 0: unknown */
	uint64_t counter_offset; /* guest counter = host counter + this */
	bool counter_trusted; /* the offset is known to a few cycles and the rate is the host's */

	pthread_mutex_t slot_lock;
	/* protected by slot_lock: */
	unsigned nslots;

	struct vm_arch arch;
};

/*
 * Opens /dev/kvm, makes the VM with mem_limit bytes of guest memory at most, and its kernel half:
 * address spaces can be made and filled. 0; or a negative errno with a one-line reason in err
 * (size bytes).
 */
int vm_create(struct vm *vm, uint64_t mem_limit, char *err, size_t size);
/*
 * Makes its vCPUs, and probes it; those but the first are not open where VM_ARCH_OPENS_LATE. Other
 * threads may use vm->gm meanwhile, and what vm_arch_learn has filled; the counter and the traits
 * are known afterwards. Fails as vm_create.
 */
int vm_add_vcpus(struct vm *vm, unsigned ncpus, char *err, size_t size);
/* Accepts a half-made vm. */
void vm_destroy(struct vm *vm);

/* Frames for n channels, in a row: vm->channels. Early, so that they are the same in each run. 0;
 * -ENOMEM. */
int vm_reserve_channels(struct vm *vm, unsigned n);
/* Gives them back; harmless without them. */
void vm_drop_channels(struct vm *vm);

/* Returns when every vCPU that was in the guest with mm (NULL: with any) has left once since. Takes
 * no lock. */
void vm_barrier(struct vm *vm, struct mm *mm);

/* Sums over all vCPUs. */
struct vm_stats {
	uint64_t exits[VM_EXIT_COUNT], ioctls[VCPU_IOCTL_COUNT];
	uint64_t mm_switches; /* a vCPU changed its address space */
	uint64_t root_writes; /* and, seen from below: the root register got another root */
	uint64_t asid_rollovers;
};
void vm_get_stats(struct vm *vm, struct vm_stats *out);
extern const char *const vm_exit_names[VM_EXIT_COUNT];
extern const char *const vcpu_ioctl_names[VCPU_IOCTL_COUNT];

/* KVM has the capability, with all of these bits in its answer: 0; or -ENODEV and err. */
int vm_need_cap(struct vm *vm, int cap, int bits, const char *name, char *err, size_t size);

/* ---- architecture: vmm/ARCH/ ---- */

/* KVM_CREATE_VM's argument. */
unsigned long vm_arch_type(int kvm_fd);
/* Asks /dev/kvm (kvm_fd) what it offers: takes as long as to make a VM, so that happens meanwhile,
 * in another thread. 0 or a negative errno; what was asked waits in vm->arch for vm_arch_learn. */
int vm_arch_ask(struct vm *vm);
/* Before the first mm: builds the kernel half. */
int vm_arch_init(struct vm *vm, char *err, size_t size);
/* What the vCPUs and programs will be told of the processor, from what vm_arch_ask has found; or,
 * where only a vCPU knows it, from the first, which is made and opened then. */
int vm_arch_learn(struct vm *vm, char *err, size_t size);
/* Accepts a half-made vm. */
void vm_arch_destroy(struct vm *vm);
/* After vCPU 0 exists: fills vm->traits by behaviour and settles the trap path for all vCPUs. */
int vm_arch_probe(struct vm *vm, char *err, size_t size);
/* After the probe, for each vCPU. */
int vm_arch_settle(struct vm *vm, struct vcpu *v);
/* The guest address of an entry for system calls that ring 3 may jump to (after the probe); 0:
 * there is none. */
uint64_t vm_arch_call_entry(const struct vm *vm);
/*
 * After the probe, before anything runs: gives each vCPU a channel, of those that are reserved, and
 * the stub that uses it. 0; -ENOTSUP: not on this KVM; -ENOMEM, -EIO.
 */
int vm_make_channels(struct vm *vm);
/* How a system call leaves the guest, in words: for the doctor. */
const char *vm_arch_trap_path(const struct vm *vm);
/* Uses 2^bits address-space identifiers at most: for tests. No vCPU runs. -EINVAL: the processor
 * has fewer (x86_64: none are used), or they are too few for the vCPUs. */
int vm_limit_asids(struct vm *vm, unsigned bits);
uint64_t vm_asid_rollovers(struct vm *vm);
/* AT_HWCAP, AT_HWCAP2 and AT_PLATFORM. */
uint64_t vm_arch_hwcap(struct vm *vm, uint64_t *hwcap2, const char **platform);
/* Writes the lines of /proc/cpuinfo behind the number of the vCPU `cpu` of `cpus`. */
void vm_arch_cpu_info(struct vm *vm, unsigned cpu, unsigned cpus, FILE *f);

#endif
