/*
 * Paging on a real KVM: ring-3 loads and stores in address spaces that paging/ builds.
 *
 * On a KVM that shadows page tables this shows why restricting changes have a function of their own
 * and freed tables a quarantine: with either bypassed the guest sees what it must not. With
 * hardware semantics the same accesses must be right, and there is nothing to bypass. Needs
 * /dev/kvm; skips without, fails without if VMBOX_MUST_WORK=1. So far for processors whose doorbell
 * is a port.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../guest/abi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char why_not[128]; /* empty: the machine runs */

/* Ends the test if there is no machine. */
static void need_machine(void)
{
	const char *must = getenv("VMBOX_MUST_WORK");

	if (!why_not[0])
		return;
	print_message("skip: %s\n", why_not);
	if (must && !strcmp(must, "1"))
		fail_msg("VMBOX_MUST_WORK=1, but %s", why_not);
	skip();
}

#ifdef ABI_PORT_SYSCALL
#include "../../paging/mm_internal.h"
#include "pte.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define LIMIT      (32UL << 20)
#define RW         (VMA_READ | VMA_WRITE)
#define PAGES(n)   ((uint64_t)(n)*PAGE_SIZE)
#define BASE       0x10000000UL
#define CODE       0x600000000000UL /* under a root entry of its own */
#define CODE_LOAD  0x00             /* mov (%rdi), %rax */
#define CODE_STORE 0x40             /* mov %rsi, (%rdi) */

/*
 * Ring 3 may use ports by the privilege level of I/O or by the TSS's bitmap: KVM-PVM knows only the
 * second, QEMU's emulated SVM only the first.
 */
#define RFLAGS 0x3202

#define MAX_SLOTS 4

static struct machine {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	size_t run_size;
	struct kvm_sregs sregs; /* ring 3, ready but for cr3 */
	struct kvm_userspace_memory_region slot[MAX_SLOTS];
	unsigned slots, recycles;
	bool shadow; /* as probed */
	bool bypass; /* say that it does not shadow, though it does */
	struct gmem *gm;
	struct memobj *code;
	pfn_t stack; /* the trap stack */
} vm = {.kvm = -1, .vm = -1, .vcpu = -1};

/* ---- machine ops ---- */

static int set_slot(struct kvm_userspace_memory_region *r)
{
	return ioctl(vm.vm, KVM_SET_USER_MEMORY_REGION, r) < 0 ? -errno : 0;
}

static int slot_add(void *machine, unsigned slot, gpa_t start, size_t size, void *hva)
{
	struct kvm_userspace_memory_region *r = &vm.slot[slot];

	if (slot >= MAX_SLOTS)
		return -ENOSPC;
	*r = (struct kvm_userspace_memory_region){
		.slot = slot,
		.guest_phys_addr = start.v,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};
	vm.slots++;
	return set_slot(r);
}

static int slots_recycle(void *machine)
{
	int e = 0;

	vm.recycles++;
	for (unsigned i = 0; i < vm.slots && !e; i++) {
		struct kvm_userspace_memory_region gone = vm.slot[i];

		gone.memory_size = 0;
		e = set_slot(&gone);
		if (!e)
			e = set_slot(&vm.slot[i]);
	}
	return e;
}

/* One vCPU, run by this thread: it is not in the guest now, and each entry flushes. */
static void flush(void *machine, struct mm *mm)
{
}

static bool shadow(void *machine)
{
	return vm.shadow && !vm.bypass;
}

static const struct machine_mem_ops ops = {
	.slot_add = slot_add, .slots_recycle = slots_recycle, .flush = flush, .shadow = shadow};

/* ---- the kernel half ---- */

static uint8_t *kernel_page(uint64_t va, unsigned prot, pfn_t *pfn)
{
	pfn_t p = frame_alloc(vm.gm, true);

	if (!p || gmem_map_kernel(vm.gm, va, p, prot, false) < 0)
		return NULL;
	if (pfn)
		*pfn = p;
	return frame_hva(vm.gm, p);
}

static bool make_kernel_half(void)
{
	uint64_t *gdt = (uint64_t *)kernel_page(ABI_CPU_GVA, RW, NULL);
	uint8_t *vectors = kernel_page(ABI_VECTORS_GVA, VMA_READ | VMA_EXEC, NULL);
	uint64_t *idt = (uint64_t *)kernel_page(ABI_IDT_GVA, VMA_READ, NULL);
	uint64_t tss = ABI_CPU_GVA + ABI_CPU_TSS, sp0 = ABI_CPU_GVA + ABI_CPU_STACK_TOP;
	uint8_t *t = (uint8_t *)gdt + ABI_CPU_TSS;

	if (!gdt || !vectors || !idt || !kernel_page(sp0 - PAGE_SIZE, RW, &vm.stack))
		return false;
	gdt[ABI_SEL_KERN_CS >> 3] = 0x00af9b000000ffff;
	gdt[ABI_SEL_KERN_SS >> 3] = 0x00cf93000000ffff;
	gdt[ABI_SEL_USER_DS >> 3] = 0x00cff3000000ffff;
	gdt[ABI_SEL_USER_CS >> 3] = 0x00affb000000ffff;
	gdt[ABI_SEL_TSS >> 3] =
		0x0000890000000fff | (tss & 0xffffff) << 16 | (tss >> 24 & 0xff) << 56;
	gdt[(ABI_SEL_TSS >> 3) + 1] = tss >> 32;
	memcpy(t + 4, &sp0, sizeof(sp0));
	t[0x66] = 0x68; /* the I/O bitmap follows, all ports permitted */
	for (unsigned v = 0; v < 32; v++) {
		const uint8_t stub[] = {0x6a, (uint8_t)v, 0xe6, ABI_PORT_EXCEPTION, 0xf4};
		uint64_t h = ABI_VECTORS_GVA + v * ABI_VECTOR_STRIDE;

		memcpy(vectors + v * ABI_VECTOR_STRIDE, stub, sizeof(stub)); /* push; out; hlt */
		idt[2 * v] = (h & 0xffff) | (uint64_t)ABI_SEL_KERN_CS << 16 | 0x8eUL << 40 |
			     (h >> 16 & 0xffff) << 48;
		idt[2 * v + 1] = h >> 32;
	}
	return true;
}

static bool make_code(void)
{
	static const uint8_t load[] = {0x48, 0x8b, 0x07, 0xe6, ABI_PORT_SYSCALL};
	static const uint8_t store[] = {0x48, 0x89, 0x37, 0xe6, ABI_PORT_SYSCALL};

	vm.code = memobj_create(vm.gm, NULL, NULL);
	return vm.code && memobj_write(vm.code, CODE_LOAD, load, sizeof(load)) > 0 &&
	       memobj_write(vm.code, CODE_STORE, store, sizeof(store)) > 0;
}

/* ---- the vCPU ---- */

static bool set_cpuid(void)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + 256 * sizeof(struct kvm_cpuid_entry2));
	bool ok;

	if (!c)
		return false;
	c->nent = 256;
	ok = !ioctl(vm.kvm, KVM_GET_SUPPORTED_CPUID, c) && !ioctl(vm.vcpu, KVM_SET_CPUID2, c);
	free(c);
	return ok;
}

static bool set_star(void)
{
	struct kvm_msrs *star = calloc(1, sizeof(*star) + sizeof(struct kvm_msr_entry));
	bool ok;

	if (!star)
		return false;
	star->nmsrs = 1;
	star->entries[0].index = 0xc0000081;
	star->entries[0].data = (uint64_t)(ABI_SEL_USER_DS - 8) << 48 | (uint64_t)ABI_SEL_KERN_CS
										<< 32;
	ok = ioctl(vm.vcpu, KVM_SET_MSRS, star) == 1;
	free(star);
	return ok;
}

static bool make_sregs(void)
{
	const struct kvm_segment data = {.limit = 0xffffffff,
					 .selector = ABI_SEL_USER_DS,
					 .type = 3,
					 .present = 1,
					 .dpl = 3,
					 .db = 1,
					 .s = 1,
					 .g = 1};
	struct kvm_sregs *s = &vm.sregs;

	if (ioctl(vm.vcpu, KVM_GET_SREGS, s) < 0)
		return false;
	s->cr0 = 0x80050033;                /* PG AM WP NE ET MP PE */
	s->cr4 = 1 << 5 | 1 << 9 | 1 << 10; /* PAE OSFXSR OSXMMEXCPT */
	s->efer = 0xd01;                    /* NXE LMA LME SCE */
	s->ds = s->es = s->fs = s->gs = s->ss = data;
	s->cs = data;
	s->cs.selector = ABI_SEL_USER_CS;
	s->cs.type = 11;
	s->cs.db = 0;
	s->cs.l = 1;
	s->gdt = (struct kvm_dtable){.base = ABI_CPU_GVA, .limit = 127};
	s->idt = (struct kvm_dtable){.base = ABI_IDT_GVA, .limit = 4095};
	s->tr = (struct kvm_segment){.base = ABI_CPU_GVA + ABI_CPU_TSS,
				     .limit = 0xeff,
				     .selector = ABI_SEL_TSS,
				     .type = 11,
				     .present = 1};
	return true;
}

static bool make_vm(void)
{
	int size;

	vm.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm.kvm < 0)
		return false;
	vm.vm = ioctl(vm.kvm, KVM_CREATE_VM, 0);
	if (vm.vm < 0)
		return false;
	vm.gm = gmem_create(LIMIT, &ops, &vm);
	vm.vcpu = ioctl(vm.vm, KVM_CREATE_VCPU, 0);
	size = ioctl(vm.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (!vm.gm || vm.vcpu < 0 || size <= 0)
		return false;
	vm.run_size = (size_t)size;
	vm.run = mmap(NULL, vm.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm.vcpu, 0);
	return vm.run != MAP_FAILED && set_cpuid() && make_sregs() && set_star() &&
	       make_kernel_half() && make_code();
}

/* ---- ring 3 ---- */

#define GUEST_FAULT 1

/*
 * One load or store in ring 3, without handling faults: 0, or GUEST_FAULT, or -EIO with why_not
 * filled: this KVM does something else altogether. The root is loaded anew, so a processor that
 * follows the tables sees them as they are.
 */
static int guest_try(struct mm *mm, uint64_t va, bool store, uint64_t *value)
{
	struct kvm_sregs s = vm.sregs;
	struct kvm_regs r = {.rip = CODE + (store ? CODE_STORE : CODE_LOAD),
			     .rflags = RFLAGS,
			     .rdi = va,
			     .rsi = *value};

	s.cr3 = gmem_kernel_root(vm.gm).v;
	if (ioctl(vm.vcpu, KVM_SET_SREGS, &s) < 0)
		goto odd;
	s.cr3 = mm_root(mm).v;
	if (ioctl(vm.vcpu, KVM_SET_SREGS, &s) < 0 || ioctl(vm.vcpu, KVM_SET_REGS, &r) < 0 ||
	    ioctl(vm.vcpu, KVM_RUN, 0) < 0 || ioctl(vm.vcpu, KVM_GET_REGS, &r) < 0)
		goto odd;
	if (vm.run->exit_reason != KVM_EXIT_IO)
		goto odd;
	if (vm.run->io.port == ABI_PORT_SYSCALL) {
		*value = r.rax;
		return 0;
	}
	uint64_t *frame = (uint64_t *)frame_hva(vm.gm, vm.stack) + (r.rsp & (PAGE_SIZE - 1)) / 8;

	if (vm.run->io.port == ABI_PORT_EXCEPTION && frame[0] == 14)
		return GUEST_FAULT;
	snprintf(why_not, sizeof(why_not), "the guest took exception %u, error %#lx, at %#lx",
		 (unsigned)frame[0], (unsigned long)frame[1], (unsigned long)frame[2]);
	return -EIO;
odd:
	snprintf(why_not, sizeof(why_not), "this KVM does not run the guest: exit %u, errno %d",
		 vm.run->exit_reason, errno);
	return -EIO;
}

/* The same with faults handled: 0 or mm_fault's errno. */
static int guest(struct mm *mm, uint64_t va, bool store, uint64_t *value)
{
	for (int i = 0; i < 4; i++) {
		int r = guest_try(mm, va, store, value);

		if (r != GUEST_FAULT)
			return r;
		r = mm_fault(mm, va, store ? FAULT_WRITE : 0);
		if (r < 0)
			return r;
	}
	fail_msg("%#lx faults for ever", (unsigned long)va);
	return -EFAULT;
}

static void put(struct mm *mm, uint64_t va, uint64_t value)
{
	assert_int_equal(guest(mm, va, true, &value), 0);
}

static uint64_t get(struct mm *mm, uint64_t va)
{
	uint64_t v = 0;

	assert_int_equal(guest(mm, va, false, &v), 0);
	return v;
}

static bool faults(struct mm *mm, uint64_t va, bool store)
{
	uint64_t v = 0xbad;
	int r = guest_try(mm, va, store, &v);

	assert_true(r >= 0);
	return r == GUEST_FAULT;
}

static int map(struct mm *mm, uint64_t va, uint64_t pages, unsigned flags, struct memobj *o)
{
	struct mm_map mmap = {.addr = va,
			      .len = PAGES(pages),
			      .flags = flags,
			      .fixed = true,
			      .obj = o,
			      .populate = o};
	uint64_t out;

	return mm_mmap(mm, &mmap, &out);
}

static struct mm *new_mm(void)
{
	struct mm *mm;

	if (mm_create(vm.gm, &mm) < 0)
		return NULL;
	if (map(mm, CODE, 1, VMA_READ | VMA_EXEC, vm.code) < 0) {
		mm_put(mm);
		return NULL;
	}
	return mm;
}

/* ---- probing ---- */

/* A plain store by the host to a present entry, as nothing in paging/ does it. */
static void plain_store(struct mm *mm, uint64_t va, uint64_t e)
{
	atomic_store(pgtable_find(mm, va), e);
}

/* Does a cleared entry stay in use? */
static bool probe_shadow(void)
{
	struct mm *mm = new_mm();
	uint64_t v = 1, e;
	bool stale;

	if (!mm || map(mm, BASE, 1, RW, NULL) < 0 || guest(mm, BASE, true, &v) < 0) {
		if (!why_not[0])
			snprintf(why_not, sizeof(why_not), "no memory");
		mm_put(mm);
		return false;
	}
	e = pte_load(pgtable_find(mm, BASE));
	plain_store(mm, BASE, 0);
	stale = guest_try(mm, BASE, false, &v) == 0;
	plain_store(mm, BASE, e);
	mm_put(mm);
	return stale;
}

static int open_machine(void **state)
{
	vm.shadow = true; /* until known: what is right everywhere */
	if (!make_vm()) {
		snprintf(why_not, sizeof(why_not), "/dev/kvm: %s", strerror(errno));
		return 0;
	}
	vm.shadow = probe_shadow();
	if (!why_not[0])
		print_message("this KVM %s\n",
			      vm.shadow ? "shadows page tables" : "has hardware semantics");
	return 0;
}

static int close_machine(void **state)
{
	struct gmem_stats st;
	int r = 0;

	if (vm.code)
		memobj_put(vm.code);
	if (vm.gm && !why_not[0]) {
		gmem_get_stats(vm.gm, &st);
		/* The kernel half: four pages, and the tables for them. */
		r = st.frames_used == 8 ? 0 : -1;
	}
	if (vm.vcpu >= 0)
		close(vm.vcpu);
	if (vm.vm >= 0)
		close(vm.vm);
	if (vm.kvm >= 0)
		close(vm.kvm);
	if (vm.run && vm.run != MAP_FAILED)
		munmap(vm.run, vm.run_size);
	gmem_destroy(vm.gm);
	return r;
}

/* ---- restricting changes ---- */

/* Without the function: stale data and forbidden writes, exactly on the KVM that shadows. */
static void test_bypassed_function(void **state)
{
	struct mm *mm;
	uint64_t e;

	need_machine();
	mm = new_mm();
	assert_non_null(mm);
	assert_int_equal(map(mm, BASE, 2, RW, NULL), 0);
	put(mm, BASE, 0xaaaa);
	put(mm, BASE + PAGES(1), 0xbbbb);
	e = pte_load(pgtable_find(mm, BASE));
	plain_store(mm, BASE, pte_load(pgtable_find(mm, BASE + PAGES(1))));
	assert_int_equal(get(mm, BASE), vm.shadow ? 0xaaaa : 0xbbbb);
	plain_store(mm, BASE, pte_make(pte_pfn(e), pte_flags(e) & ~(unsigned)PTE_WRITE));
	assert_int_equal(faults(mm, BASE, true), !vm.shadow);
	plain_store(mm, BASE, 0);
	assert_int_equal(faults(mm, BASE, false), !vm.shadow);
	plain_store(mm, BASE, e);
	mm_put(mm);
}

/* With it: right everywhere. */
static void test_restricting(void **state)
{
	struct mm *mm;
	uint64_t out;

	need_machine();
	mm = new_mm();
	assert_non_null(mm);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(map(mm, BASE, 8, RW, NULL), 0);
		for (int i = 0; i < 8; i++)
			put(mm, BASE + PAGES(i), (uint64_t)i + 1);
		assert_int_equal(mm_munmap(mm, BASE + PAGES(2), PAGES(2)), 0);
		assert_int_equal(mm_mprotect(mm, BASE, PAGES(1), VMA_READ), 0);
		assert_int_equal(mm_mprotect(mm, BASE + PAGES(1), PAGES(1), 0), 0);
		assert_int_equal(mm_dontneed(mm, BASE + PAGES(5), PAGES(1)), 0);
		assert_true(faults(mm, BASE, true));
		assert_int_equal(get(mm, BASE), 1);
		assert_true(faults(mm, BASE + PAGES(1), false));
		assert_true(faults(mm, BASE + PAGES(2), false));
		assert_true(faults(mm, BASE + PAGES(3), true));
		assert_int_equal(get(mm, BASE + PAGES(4)), 5);
		assert_int_equal(get(mm, BASE + PAGES(5)), 0);
		assert_int_equal(mm_mprotect(mm, BASE, PAGES(2), RW), 0);
		assert_int_equal(get(mm, BASE + PAGES(1)), 2);
		put(mm, BASE, 99);
		assert_int_equal(mm_mremap(mm, BASE + PAGES(4), PAGES(4), PAGES(4), true, true,
					   false, BASE * 2, &out),
				 0);
		assert_true(faults(mm, BASE + PAGES(4), false));
		assert_int_equal(get(mm, BASE * 2), 5);
		assert_int_equal(get(mm, BASE * 2 + PAGES(3)), 8);
		/* The same addresses again, by new tables. */
		assert_int_equal(mm_munmap(mm, ABI_USER_MIN, CODE - ABI_USER_MIN), 0);
		assert_true(faults(mm, BASE, false));
		assert_true(faults(mm, BASE * 2, false));
	}
	mm_put(mm);
}

static void test_fork(void **state)
{
	unsigned eager, n = 40;
	struct mm *mm, *child, *again;

	need_machine();
	eager = vm.gm->fork_eager;
	mm = new_mm();
	assert_non_null(mm);
	assert_int_equal(map(mm, BASE, n, RW, NULL), 0);
	for (unsigned round = 0; round < 3; round++) {
		vm.gm->fork_eager = round * 20; /* all shared, half, all copied */
		for (unsigned i = 0; i < n; i++)
			put(mm, BASE + PAGES(i), i);
		assert_int_equal(mm_fork(mm, BASE, &child), 0);
		for (unsigned i = 0; i < n; i++) {
			put(i & 1 ? mm : child, BASE + PAGES(i), 1000 + i);
			assert_int_equal(get(i & 1 ? child : mm, BASE + PAGES(i)), i);
		}
		assert_int_equal(mm_fork(child, 0, &again), 0);
		mm_put(child);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(get(again, BASE + PAGES(i)), i & 1 ? i : 1000 + i);
			put(again, BASE + PAGES(i), 7);
			assert_int_equal(get(mm, BASE + PAGES(i)), i & 1 ? 1000 + i : i);
		}
		mm_put(again);
	}
	vm.gm->fork_eager = eager;
	mm_put(mm);
}

static void test_truncation(void **state)
{
	struct memobj *o;
	struct mm *mm;
	uint64_t v = 0;

	need_machine();
	mm = new_mm();
	o = memobj_create(vm.gm, NULL, NULL);
	assert_non_null(mm);
	assert_non_null(o);
	assert_int_equal(memobj_set_size(o, PAGES(4)), 0);
	assert_int_equal(map(mm, BASE, 4, RW | VMA_SHARED, o), 0);
	for (int i = 0; i < 4; i++)
		put(mm, BASE + PAGES(i), 3);
	assert_int_equal(memobj_set_size(o, PAGES(1)), 0);
	assert_int_equal(guest(mm, BASE + PAGES(1), false, &v), -ENXIO);
	assert_int_equal(memobj_set_size(o, PAGES(4)), 0);
	assert_int_equal(get(mm, BASE + PAGES(1)), 0);
	assert_int_equal(get(mm, BASE), 3);
	mm_put(mm);
	memobj_put(o);
}

/* ---- recycled tables ---- */

/* An address that shares with BASE the tables above `level` and the one of that level, but no lower
 * one. */
static uint64_t beside(int level)
{
	return BASE + (PAGE_SIZE << PGTABLE_SHIFT * level);
}

static pfn_t table_of(struct mm *mm, uint64_t va, int level)
{
	pfn_t t = (pfn_t)(mm_root(mm).v >> PAGE_SHIFT);

	for (int l = PGTABLE_LEVELS - 1; l > level; l--)
		t = pte_pfn(pte_load((pte_t *)frame_hva(vm.gm, t) + pgtable_index(va, l)));
	return t;
}

/* Takes every stale free frame, so that the next allocation is a new one. */
static void take_stale(struct frame_list *list)
{
	while (vm.gm->dirty.n)
		frame_list_push(vm.gm, list, frame_alloc_raw(vm.gm, false));
}

static void remove_from(struct frame_list *list, pfn_t pfn)
{
	struct frame_list rest = {0};
	pfn_t p;

	while ((p = frame_list_pop(vm.gm, list))) {
		if (p != pfn)
			frame_list_push(vm.gm, &rest, p);
	}
	*list = rest;
}

/*
 * An mm that ring 3 has used dies; its table of one level becomes another mm's table
 * of that level. Does the other see a page that only the dead one had?
 */
static bool recycled_table_leaks(int level)
{
	struct mm *old = new_mm(), *young = NULL;
	struct frame_list list = {0};
	pfn_t table;
	bool leak;

	assert_non_null(old);
	take_stale(&list);
	assert_int_equal(map(old, BASE, 1, RW, NULL), 0);
	put(old, BASE, 0x5ec1);
	for (int l = 0; l < PGTABLE_LEVELS; l++) {
		assert_int_equal(map(old, beside(l), 1, RW, NULL), 0);
		put(old, beside(l), 0x5ec2);
	}
	table = table_of(old, BASE, level);
	vm.gm->quarantine_max = 0; /* recycled at once */
	mm_put(old);
	take_stale(&list);
	remove_from(&list, table);
	if (level < PGTABLE_LEVELS - 1) {
		young = new_mm();
		assert_non_null(young);
		/* The tables above come to be by another address. */
		if (level < PGTABLE_LEVELS - 2) {
			uint64_t other = BASE + 2 * (PAGE_SIZE << PGTABLE_SHIFT * (level + 1));

			assert_int_equal(map(young, other, 1, RW, NULL), 0);
			put(young, other, 1);
		}
	}
	frame_put(vm.gm, table);
	if (!young)
		young = new_mm();
	assert_non_null(young);
	if (level < PGTABLE_LEVELS - 1) {
		assert_int_equal(map(young, BASE, 1, RW, NULL), 0);
		assert_int_equal(mm_fault(young, BASE, FAULT_WRITE), 0);
	}
	if (level < PGTABLE_LEVELS - 1)
		assert_int_equal(table_of(young, BASE, level), table);
	else
		assert_int_equal(mm_root(young).v >> PAGE_SHIFT, table);
	/* First what is its own, so that KVM links the table's shadow; then what is not. */
	leak = level < PGTABLE_LEVELS - 1 && get(young, BASE) == 0x5ec1;
	leak |= !faults(young, beside(level), false);
	mm_put(young);
	if (vm.bypass)
		slots_recycle(NULL); /* what was broken on purpose ends here */
	frame_free_list(vm.gm, &list);
	return leak;
}

static void test_recycled_tables(void **state)
{
	uint64_t max;

	unsigned before = vm.recycles;

	need_machine();
	max = vm.gm->quarantine_max;
	for (int round = 0; round < 3; round++) {
		for (int level = 0; level < PGTABLE_LEVELS; level++)
			assert_false(recycled_table_leaks(level));
	}
	assert_true(!vm.shadow || vm.recycles >= before + 12);
	vm.gm->quarantine_max = max;
}

/* The quarantine is there for a reason. */
static void test_bypassed_quarantine(void **state)
{
	uint64_t max;

	need_machine();
	max = vm.gm->quarantine_max;
	if (!vm.shadow)
		return; /* there is none to bypass */
	vm.bypass = true;
	for (int level = 0; level < PGTABLE_LEVELS; level++)
		assert_true(recycled_table_leaks(level));
	vm.bypass = false;
	vm.gm->quarantine_max = max;
}

/* Many short lives in little memory: tables go round and nothing of the dead shows. */
static void test_many_lives(void **state)
{
	uint64_t max;

	need_machine();
	max = vm.gm->quarantine_max;
	vm.gm->quarantine_max = 20;
	for (unsigned i = 0; i < 60; i++) {
		struct mm *mm = new_mm(), *child;
		uint64_t va = BASE + (i % 5) * PGTABLE_SPAN + (uint64_t)(i % 2) * (1UL << 39);

		assert_non_null(mm);
		for (unsigned k = 0; k < 5; k++)
			assert_true(faults(mm, BASE + k * PGTABLE_SPAN + (i + 1) % 2 * (1UL << 39),
					   false));
		assert_int_equal(map(mm, va, 2, RW, NULL), 0);
		assert_int_equal(get(mm, va), 0);
		put(mm, va, i);
		assert_int_equal(mm_fork(mm, va, &child), 0);
		put(child, va, 0xdead);
		assert_int_equal(get(mm, va), i);
		mm_put(i & 4 ? mm : child);
		mm_put(i & 4 ? child : mm);
	}
	vm.gm->quarantine_max = max;
	assert_true(!vm.shadow || vm.recycles > 3);
}

#else /* no doorbell port: no machine here yet */

static int open_machine(void **state)
{
	snprintf(why_not, sizeof(why_not), "no test guest for this architecture");
	return 0;
}

static int close_machine(void **state)
{
	return 0;
}

#define test_bypassed_function   test_none
#define test_restricting         test_none
#define test_fork                test_none
#define test_truncation          test_none
#define test_recycled_tables     test_none
#define test_bypassed_quarantine test_none
#define test_many_lives          test_none

static void test_none(void **state)
{
	need_machine();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bypassed_function),
		cmocka_unit_test(test_restricting),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_recycled_tables),
		cmocka_unit_test(test_bypassed_quarantine),
		cmocka_unit_test(test_many_lives),
	};

	return cmocka_run_group_tests(tests, open_machine, close_machine);
}
