/* The VM: opening KVM, memory slots, recycling shadow page tables, shootdown. */
#include "vm.h"
#include "vcpu.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

const char *const vm_exit_names[VM_EXIT_COUNT] = {
	[VM_EXIT_SYSCALL] = "syscall",
	[VM_EXIT_PAGE_FAULT] = "page_fault",
	[VM_EXIT_EXCEPTION] = "exception",
	[VM_EXIT_KICK] = "kick",
	[VM_EXIT_BAD_IO] = "bad_io",
	[VM_EXIT_MMIO] = "mmio",
	[VM_EXIT_BUS] = "bus",
	[VM_EXIT_CRASH] = "crash",
};

const char *const vcpu_ioctl_names[VCPU_IOCTL_COUNT] = {
	[VCPU_IOCTL_RUN] = "run",
	[VCPU_IOCTL_GET_XSAVE] = "get_xsave",
	[VCPU_IOCTL_SET_XSAVE] = "set_xsave",
	[VCPU_IOCTL_OTHER] = "other",
};

/* size 0: no more. */
static int set_slot(struct vm *vm, unsigned slot, gpa_t start, size_t size, const void *hva)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.guest_phys_addr = start.v,
		.memory_size = size,
		.userspace_addr = (uint64_t)(uintptr_t)hva,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r) < 0 ? -errno : 0;
}

static int slot_add(void *machine, unsigned slot, gpa_t start, size_t size, void *hva)
{
	struct vm *vm = machine;
	int r = -ENOMEM;

	pthread_mutex_lock(&vm->slot_lock);
	if (slot < vm->slots_max && slot == vm->nslots) {
		r = set_slot(vm, slot, start, size, hva);
		vm->nslots += r == 0;
	}
	pthread_mutex_unlock(&vm->slot_lock);
	return r;
}

/* Backs the slot that is there to be deleted. */
static const _Alignas(PAGE_SIZE) uint8_t nothing[PAGE_SIZE];

/*
 * Deleting a memslot makes KVM forget every shadow page table of the VM, not only that slot's
 * (KVM_X86_QUIRK_SLOT_ZAP_ALL, on unless disabled; older kernels always). So one is added and
 * deleted at once, where the guest has no memory and no entry leads. vCPUs go on meanwhile: KVM has
 * each leave the guest and begin with new tables before the ioctl returns.
 */
static int slots_recycle(void *machine)
{
	struct vm *vm = machine;
	int r;

	pthread_mutex_lock(&vm->slot_lock);
	r = set_slot(vm, vm->slots_max, gpa(VM_RECYCLE_GPA), PAGE_SIZE, nothing);
	if (r == 0)
		r = set_slot(vm, vm->slots_max, gpa(VM_RECYCLE_GPA), 0, nothing);
	pthread_mutex_unlock(&vm->slot_lock);
	return r;
}

/* In the guest, with mm or perhaps with mm still: it was given another there. */
static bool runs(struct vcpu *v, const struct mm *mm)
{
	const struct mm *running = atomic_load(&v->running_mm);

	return running && (!mm || running == mm || atomic_load(&v->held_mm) == mm);
}

/*
 * Those that enter later, or had left already, have synchronized with us: run_count and running_mm
 * are written with full barriers around the guest's time.
 */
static void barrier_on(struct vcpu *v, struct mm *mm)
{
	uint64_t count = atomic_load(&v->run_count);

	if (!runs(v, mm))
		return;
	vcpu_kick(v);
	while (runs(v, mm) && atomic_load(&v->run_count) == count) {
		/* Also for an emulator that runs all processors in turns. */
		cpu_relax();
		sched_yield();
	}
}

void vm_barrier(struct vm *vm, struct mm *mm)
{
	for (unsigned i = 0; i < vm->nvcpus; i++)
		barrier_on(vm->vcpus[i], mm);
}

/* The vCPU whose call this is waits for us, in its stub: it need not leave. */
static bool forgets_inside(struct vcpu *v, struct mm *mm)
{
	uint64_t gen = mm_tlb_gen(mm);

	if (v != vcpu_served || !vcpu_arch_forget_all(v))
		return false;
	if (v->mm == mm)
		v->tlb_gen = gen;
	return true;
}

/*
 * With shadow paging, dropping the data page from KVM's alias has flushed every
 * vCPU already. With hardware semantics each vCPU that is inside with this mm must leave
 * once, or flush where it is; vcpu_run() does so before it enters again, because the generation
 * changed.
 */
static void mm_flush(void *machine, struct mm *mm)
{
	struct vm *vm = machine;

	if (vm->traits.shadow_paging)
		return;
	for (unsigned i = 0; i < vm->nvcpus; i++) {
		struct vcpu *v = vm->vcpus[i];

		if (runs(v, mm) && !forgets_inside(v, mm))
			barrier_on(v, mm);
	}
}

static bool mm_forget(void *machine, struct mm *mm, const gpa_t *entries, unsigned n)
{
	struct vcpu *v = vcpu_served;

	return v && v->vm == machine && v->mm == mm && vcpu_arch_forget(v, entries, n);
}

static void mem_barrier(void *machine, struct mm *mm)
{
	vm_barrier(machine, mm);
}

static bool vm_is_shadow(void *machine)
{
	return ((struct vm *)machine)->traits.shadow_paging;
}

static unsigned vm_phys_bits(void *machine)
{
	return ((struct vm *)machine)->phys_bits;
}

static unsigned vm_slots_max(void *machine)
{
	return ((struct vm *)machine)->slots_max;
}

static const struct machine_mem_ops mem_ops = {
	.slot_add = slot_add,
	.slots_recycle = slots_recycle,
	.flush = mm_flush,
	.forget = mm_forget,
	.barrier = mem_barrier,
	.shadow = vm_is_shadow,
	.phys_bits = vm_phys_bits,
	.slots_max = vm_slots_max,
};

int vm_need_cap(struct vm *vm, int cap, int bits, const char *name, char *err, size_t size)
{
	int have = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, cap);

	if (have > 0 && (have & bits) == bits)
		return 0;
	snprintf(err, size, "/dev/kvm: too old: it has no %s", name);
	return -ENODEV;
}

const char *vm_remedy(int e)
{
	switch (e) {
	case -ENOENT:
		return "load the module (modprobe kvm-amd or kvm-intel), or pass the device to the "
		       "container";
	case -EACCES:
	case -EPERM:
		return "join the group that owns it (usermod -aG kvm $USER, then log in again)";
	case -ENODEV:
	case -ENOTTY:
		return "Linux 4.18 or newer is needed, with its own KVM module";
	default:
		return NULL;
	}
}

static int open_kvm(struct vm *vm, char *err, size_t size)
{
	int version, r;

	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0) {
		int e = errno;

		snprintf(err, size, "/dev/kvm: %s", strerror(e));
		return -e;
	}
	version = ioctl(vm->kvm_fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION) {
		snprintf(err, size, "/dev/kvm: API version %d, not %d", version, KVM_API_VERSION);
		return -ENODEV;
	}
	r = vm_need_cap(vm, KVM_CAP_USER_MEMORY, 1, "KVM_CAP_USER_MEMORY", err, size);
	if (r == 0)
		r = vm_need_cap(vm, KVM_CAP_IMMEDIATE_EXIT, 1, "KVM_CAP_IMMEDIATE_EXIT", err, size);
	return r;
}

/*
 * KVM's own budget of shadow pages is small and grows with the memslots; when it is exceeded, every
 * switch among many processes rebuilds tables. Best effort: without shadow paging it means nothing.
 */
static void raise_mmu_pages(struct vm *vm, uint64_t mem_limit)
{
	unsigned long pages = mem_limit >> PAGE_SHIFT;

	if (pages < 65536)
		pages = 65536;
	ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, pages);
}

static int create_vm_and_memory(struct vm *vm, uint64_t mem_limit, char *err, size_t size)
{
	int r;

	vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, vm_arch_type(vm->kvm_fd));
	if (vm->fd < 0) {
		r = -errno;
		snprintf(err, size, "/dev/kvm: cannot create a VM: %s", strerror(-r));
		return r;
	}
	r = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (r < 0) {
		r = -errno;
		snprintf(err, size, "/dev/kvm: KVM_GET_VCPU_MMAP_SIZE: %s", strerror(-r));
		return r;
	}
	vm->run_size = (size_t)r;
	r = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
	/* One is for slots_recycle(). Who does not say how many has 32. */
	vm->slots_max = (r > 1 ? (unsigned)r : 32) - 1;
	raise_mmu_pages(vm, mem_limit);
	vm->gm = gmem_create(mem_limit, &mem_ops, vm);
	if (!vm->gm) {
		r = -errno;
		snprintf(err, size, "guest memory: %s", strerror(-r));
		return r;
	}
	return 0;
}

/* vm_arch_ask() in a thread of its own. */
struct question {
	struct vm *vm;
	int result;
};

static void *ask_thread(void *arg)
{
	struct question *q = arg;

	q->result = vm_arch_ask(q->vm);
	return NULL;
}

/* What KVM offers takes as long to ask as a VM and its first slot to make. */
static int create_and_ask(struct vm *vm, uint64_t mem_limit, char *err, size_t size)
{
	struct question q = {.vm = vm};
	pthread_t thread;
	bool in_thread = pthread_create(&thread, NULL, ask_thread, &q) == 0;
	int made = create_vm_and_memory(vm, mem_limit, err, size);

	if (made == 0)
		made = vm_arch_init(vm, err, size);
	if (in_thread)
		pthread_join(thread, NULL);
	else
		ask_thread(&q);
	if (made == 0 && q.result < 0)
		snprintf(err, size, "/dev/kvm: what it supports: %s", strerror(-q.result));
	return made < 0 ? made : q.result;
}

int vm_create(struct vm *vm, uint64_t mem_limit, char *err, size_t size)
{
	int r;

	memset(vm, 0, sizeof(*vm));
	vm->kvm_fd = vm->fd = -1;
	vm->traits.shadow_paging = true;
	pthread_mutex_init(&vm->slot_lock, NULL);

	r = open_kvm(vm, err, size);
	if (r == 0)
		r = create_and_ask(vm, mem_limit, err, size);
	if (r == 0)
		r = vm_arch_learn(vm, err, size);
	if (r < 0)
		vm_destroy(vm);
	return r;
}

int vm_add_vcpus(struct vm *vm, unsigned ncpus, char *err, size_t size)
{
	int r = 0;

	for (unsigned i = vm->nvcpus; i < ncpus; i++) {
		r = vcpu_create(vm, i, &vm->vcpus[i]);
		if (r == 0) {
			vm->nvcpus = i + 1;
			if (i == 0 || !VM_ARCH_OPENS_LATE)
				r = vcpu_open(vm->vcpus[i]);
		}
		if (r < 0) {
			snprintf(err, size, "vCPU %u: %s", i, strerror(-r));
			return r;
		}
	}
	r = vm_arch_probe(vm, err, size);
	for (unsigned i = 0; r == 0 && i < ncpus; i++) {
		vm->vcpus[i]->root_writes = 0;
		r = vm_arch_settle(vm, vm->vcpus[i]);
		if (r < 0)
			snprintf(err, size, "vCPU %u: %s", i, strerror(-r));
	}
	return r;
}

void vm_destroy(struct vm *vm)
{
	for (unsigned i = 0; i < vm->nvcpus; i++) {
		if (vm->gm)
			mm_activate(vm->gm, i, NULL);
		vcpu_destroy(vm->vcpus[i]);
	}
	vm->nvcpus = 0;
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->gm)
		gmem_destroy(vm->gm);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
	vm_arch_destroy(vm);
	free(vm->fpu_init);
	pthread_mutex_destroy(&vm->slot_lock);
	memset(vm, 0, sizeof(*vm));
	vm->kvm_fd = vm->fd = -1;
}

/* n frames in a row: the range of the device tree is one. */
static pfn_t alloc_run(struct gmem *gm, unsigned n)
{
	pfn_t first = 0, last = 0, pfn;

	/* Fresh frames come in order; what is freed before the machine runs is little. */
	for (unsigned tries = 0; tries < 64 * n; tries++) {
		pfn = frame_alloc(gm, true);
		if (!pfn)
			return 0;
		if (!first || pfn != last + 1)
			first = pfn;
		last = pfn;
		if (last - first + 1 == n)
			return first;
	}
	return 0;
}

int vm_reserve_channels(struct vm *vm, unsigned n)
{
	pfn_t pfn = alloc_run(vm->gm, n);

	if (!pfn)
		return -ENOMEM;
	vm->channels = (struct abi_range){pfn_gpa(pfn).v, (uint64_t)n << PAGE_SHIFT};
	return 0;
}

void vm_drop_channels(struct vm *vm)
{
	for (uint64_t at = 0; at < vm->channels.size; at += PAGE_SIZE)
		frame_put(vm->gm, (pfn_t)((vm->channels.start + at) >> PAGE_SHIFT));
	vm->channels = (struct abi_range){0};
}

void vm_get_stats(struct vm *vm, struct vm_stats *out)
{
	*out = (struct vm_stats){.asid_rollovers = vm_asid_rollovers(vm)};
	for (unsigned i = 0; i < vm->nvcpus; i++) {
		struct vcpu *v = vm->vcpus[i];

		for (unsigned e = 0; e < VM_EXIT_COUNT; e++)
			out->exits[e] += v->exits[e];
		for (unsigned e = 0; e < VCPU_IOCTL_COUNT; e++)
			out->ioctls[e] += atomic_load(&v->ioctls[e]);
		out->mm_switches += v->mm_switches;
		out->root_writes += v->root_writes;
	}
}
