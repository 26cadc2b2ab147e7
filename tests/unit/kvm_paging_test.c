/*
 * Paging on a real KVM: a program's loads and stores in address spaces that paging/ builds.
 *
 * On a KVM that shadows page tables this shows why restricting changes have a function of their own
 * and freed tables a quarantine: with either bypassed the guest sees what it must not. With
 * hardware semantics the same accesses must be right, and there is nothing to bypass. Needs
 * /dev/kvm; skips without, fails without if VMBOX_MUST_WORK=1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../paging/mm_internal.h"
#include "pte.h"
#include "touch.h"

#include <errno.h>
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

#define LIMIT      (32UL << 20)
#define RW         (VMA_READ | VMA_WRITE)
#define PAGES(n)   ((uint64_t)(n)*PAGE_SIZE)
#define BASE       0x10000000UL
#define CODE       0x600000000000UL /* under a root entry of its own */
#define CODE_LOAD  0x00
#define CODE_STORE 0x40

/* One vCPU, run by this thread. traits.shadow_paging is what vmbox believes: false is a bypass. */
static struct vm vm;
static bool shadows; /* and what is true */
static struct memobj *code;
static struct cpu cpu;
static uint64_t frames; /* in use when all are gone */

static uint64_t recycles(void)
{
	struct gmem_stats st;

	gmem_get_stats(vm.gm, &st);
	return st.recycles;
}

static uint64_t frames_used(void)
{
	struct gmem_stats st;

	gmem_get_stats(vm.gm, &st);
	return st.frames_used;
}

static bool make_code(void)
{
	code = memobj_create(vm.gm, NULL, NULL);
	return code && memobj_write(code, CODE_LOAD, touch_load, sizeof(touch_load)) > 0 &&
	       memobj_write(code, CODE_STORE, touch_store, sizeof(touch_store)) > 0;
}

/* ---- the program ---- */

#define GUEST_FAULT 1

/*
 * One load or store, without handling faults: 0, or GUEST_FAULT, or -EIO with why_not filled: this
 * KVM does something else altogether. The vCPU gets the root anew, so a processor that follows the
 * tables sees them as they are.
 */
static int guest_try(struct mm *mm, uint64_t va, bool store, uint64_t *value)
{
	struct vcpu *v = vm.vcpus[0];
	struct trap t;

	touch_begin(&cpu, CODE + (store ? CODE_STORE : CODE_LOAD), va, *value);
	do {
		vcpu_run(v, &cpu, mm, &t);
	} while (t.kind == TRAP_KICK);
	v->loaded = NULL;
	v->mm = NULL;
	mm_activate(vm.gm, 0, NULL);
	if (t.kind == TRAP_SYSCALL) {
		*value = store ? *value : touch_loaded(&cpu);
		return 0;
	}
	if (t.kind == TRAP_PAGE_FAULT && t.addr == va)
		return GUEST_FAULT;
	snprintf(why_not, sizeof(why_not), "the guest left with trap %u, vector %u, at %#llx",
		 (unsigned)t.kind, (unsigned)t.vector, (unsigned long long)t.addr);
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
	if (map(mm, CODE, 1, VMA_READ | VMA_EXEC, code) < 0) {
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
	atomic_fetch_add(&mm->tlb_gen, 1); /* the processor's own translations are not meant */
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
	char err[128];

	vcpu_init_signal();
	if (vm_create(&vm, LIMIT, err, sizeof(err)) < 0 ||
	    vm_add_vcpus(&vm, 1, err, sizeof(err)) < 0) {
		snprintf(why_not, sizeof(why_not), "%s", err);
		return 0;
	}
	frames = frames_used();
	cpu.fpu = aligned_alloc(64, vm.fpu_size);
	if (!cpu.fpu || !make_code()) {
		snprintf(why_not, sizeof(why_not), "no memory");
		return 0;
	}
	memcpy(cpu.fpu, vm.fpu_init, vm.fpu_size);
	shadows = probe_shadow();
	if (!why_not[0])
		print_message("this KVM %s\n",
			      shadows ? "shadows page tables" : "has hardware semantics");
	return !why_not[0] && shadows != vm.traits.shadow_paging ? -1 : 0;
}

static int close_machine(void **state)
{
	int r = 0;

	if (code)
		memobj_put(code);
	if (vm.gm && !why_not[0])
		r = frames_used() == frames ? 0 : -1;
	if (vm.nvcpus)
		vcpu_fpu_forget(&vm, &cpu);
	vm_destroy(&vm);
	free(cpu.fpu);
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
	assert_int_equal(get(mm, BASE), shadows ? 0xaaaa : 0xbbbb);
	plain_store(mm, BASE, pte_make(pte_pfn(e), pte_flags(e) & ~(unsigned)PTE_WRITE));
	assert_int_equal(faults(mm, BASE, true), !shadows);
	plain_store(mm, BASE, 0);
	assert_int_equal(faults(mm, BASE, false), !shadows);
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

/*
 * An aligned 2 MiB that the host maps by one large page if it can, cut up in every way: whatever
 * KVM made of it, no page of it shows that has gone, and what stays can be used.
 */
static void test_span(void **state)
{
	const uint64_t per = PGTABLE_ENTRIES, at = BASE + PGTABLE_SPAN;
	struct mm *mm, *child;
	uint64_t out;

	(void)state;
	need_machine();
	mm = new_mm();
	assert_non_null(mm);
	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(map(mm, at, per, RW, NULL), 0);
		assert_int_equal(mm_advise(mm, at, PAGES(per), VMA_SPANS, 0), 0);
		for (uint64_t i = 0; i < per; i += 5) {
			assert_int_equal(get(mm, at + PAGES(i)), 0);
			put(mm, at + PAGES(i), i + 1);
		}
		assert_int_equal(mm_resident_pages(mm), per + 1); /* and the code's */
		assert_int_equal(mm_mprotect(mm, at + PAGES(10), PAGES(1), VMA_READ), 0);
		assert_int_equal(mm_munmap(mm, at + PAGES(20), PAGES(1)), 0);
		assert_int_equal(mm_dontneed(mm, at + PAGES(30), PAGES(1)), 0);
		assert_true(faults(mm, at + PAGES(10), true));
		assert_int_equal(get(mm, at + PAGES(10)), 11);
		assert_true(faults(mm, at + PAGES(20), false));
		assert_int_equal(get(mm, at + PAGES(30)), 0);
		assert_int_equal(get(mm, at + PAGES(15)), 16);
		assert_int_equal(get(mm, at + PAGES(25)), 26);
		assert_int_equal(mm_fork(mm, 0, &child), 0);
		put(mm, at + PAGES(40), 7);
		put(child, at + PAGES(45), 8);
		assert_int_equal(get(child, at + PAGES(40)), 41);
		assert_int_equal(get(mm, at + PAGES(45)), 46);
		/* One large page again, of what is left; and the child's stays its own. */
		assert_int_equal(map(mm, at + PAGES(20), 1, RW, NULL), 0);
		assert_int_equal(mm_mprotect(mm, at, PAGES(per), RW), 0);
		assert_int_equal(mm_advise(mm, at, PAGES(per), VMA_SPANS, 0), 0);
		out = (uint64_t)mm_collapse(mm, at, PAGES(per));
		assert_true((int)out == 0 || (int)out == -ENOMEM);
		assert_int_equal(get(mm, at + PAGES(40)), 7);
		put(mm, at + PAGES(50), 9);
		assert_int_equal(get(child, at + PAGES(50)), 51);
		mm_put(child);
		for (uint64_t i = 55; i < per; i += 5)
			assert_int_equal(get(mm, at + PAGES(i)), i + 1);
		assert_int_equal(mm_mremap(mm, at, PAGES(per), PAGES(per), true, true, false,
					   BASE * 2, &out),
				 0);
		assert_true(faults(mm, at + PAGES(60), false));
		assert_int_equal(get(mm, BASE * 2 + PAGES(60)), 61);
		assert_int_equal(mm_munmap(mm, ABI_USER_MIN, CODE - ABI_USER_MIN), 0);
		assert_true(faults(mm, BASE * 2 + PAGES(60), false));
	}
	mm_put(mm);
}

/* A block is mapped by one entry, where KVM permits that. */
static void expect_large(struct mm *mm, uint64_t at)
{
	uint64_t per = mm_span_pages(mm, at, at + PGTABLE_SPAN);

	assert_int_equal(mm->large, per && !shadows);
}

/* The same from one entry to 512 and back, each way that there is. */
static void test_large(void **state)
{
	const uint64_t per = PGTABLE_ENTRIES, at = BASE + 2 * PGTABLE_SPAN;
	struct mm *mm, *child;

	(void)state;
	need_machine();
	mm = new_mm();
	assert_non_null(mm);
	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(map(mm, at, per, RW, NULL), 0);
		assert_int_equal(mm_advise(mm, at, PAGES(per), VMA_SPANS, 0), 0);
		for (uint64_t i = 0; i < per; i += 3)
			put(mm, at + PAGES(i), i + 1);
		expect_large(mm, at);
		/* As it is: all of it changes. */
		assert_int_equal(mm_mprotect(mm, at, PAGES(per), VMA_READ), 0);
		assert_true(faults(mm, at + PAGES(3), true));
		assert_int_equal(get(mm, at + PAGES(6)), 7);
		assert_int_equal(mm_mprotect(mm, at, PAGES(per), 0), 0);
		assert_true(faults(mm, at + PAGES(6), false));
		assert_int_equal(mm_mprotect(mm, at, PAGES(per), RW), 0);
		put(mm, at + PAGES(3), 33);
		assert_int_equal(get(mm, at + PAGES(6)), 7);
		expect_large(mm, at);
		/* For a child it is cut up. */
		assert_int_equal(mm_fork(mm, 0, &child), 0);
		assert_int_equal(mm->large, 0);
		put(mm, at + PAGES(9), 99);
		put(child, at + PAGES(12), 120);
		assert_int_equal(get(child, at + PAGES(9)), 10);
		assert_int_equal(get(mm, at + PAGES(12)), 13);
		mm_put(child);
		spare_reclaim(vm.gm);
		/* Of one piece again: by a copy, and where it lies. */
		for (unsigned twice = 0; twice < 2; twice++) {
			int r = mm_collapse(mm, at, PAGES(per));

			assert_true(r == 0 || r == -ENOMEM);
			expect_large(mm, at);
			for (uint64_t i = 15; i < per; i += 3)
				assert_int_equal(get(mm, at + PAGES(i)), i + 1);
			assert_int_equal(get(mm, at + PAGES(3)), 33);
			assert_int_equal(get(mm, at + PAGES(9)), 99);
			put(mm, at + PAGES(1), 5);
			assert_int_equal(mm_mprotect(mm, at + PAGES(1), PAGES(1), VMA_READ), 0);
			assert_int_equal(mm->large, 0);
			assert_true(faults(mm, at + PAGES(1), true));
			assert_int_equal(get(mm, at + PAGES(3)), 33);
			assert_int_equal(mm_mprotect(mm, at + PAGES(1), PAGES(1), RW), 0);
		}
		assert_true(mm_collapse(mm, at, PAGES(per)) <= 0);
		assert_int_equal(get(mm, at + PAGES(18)), 19);
		/* It goes; small ones come, and go, and it is there again. */
		assert_int_equal(mm_dontneed(mm, at, PAGES(per)), 0);
		assert_int_equal(mm->large, 0);
		assert_int_equal(mm_advise(mm, at, PAGES(per), 0, VMA_SPANS), 0);
		assert_int_equal(get(mm, at + PAGES(18)), 0);
		put(mm, at + PAGES(18), 4);
		assert_int_equal(mm_dontneed(mm, at, PAGES(per)), 0);
		assert_int_equal(mm_advise(mm, at, PAGES(per), VMA_SPANS, 0), 0);
		assert_int_equal(get(mm, at + PAGES(18)), 0);
		put(mm, at + PAGES(20), 6);
		expect_large(mm, at);
		assert_int_equal(mm_munmap(mm, at, PAGES(per)), 0);
		assert_true(faults(mm, at + PAGES(20), false));
		assert_int_equal(mm->large, 0);
	}
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
 * An mm that a program has used dies; its table of one level becomes another mm's table
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
	if (shadows && !vm.traits.shadow_paging)
		vm.gm->ops->slots_recycle(&vm); /* what was broken on purpose ends here */
	frame_free_list(vm.gm, &list);
	return leak;
}

static void test_recycled_tables(void **state)
{
	uint64_t max, before;

	need_machine();
	before = recycles();
	max = vm.gm->quarantine_max;
	for (int round = 0; round < 3; round++) {
		for (int level = 0; level < PGTABLE_LEVELS; level++)
			assert_false(recycled_table_leaks(level));
	}
	assert_true(!shadows || recycles() >= before + 12);
	vm.gm->quarantine_max = max;
}

/* The quarantine is there for a reason. */
static void test_bypassed_quarantine(void **state)
{
	uint64_t max;

	need_machine();
	max = vm.gm->quarantine_max;
	if (!shadows)
		return; /* there is none to bypass */
	vm.traits.shadow_paging = false;
	for (int level = 0; level < PGTABLE_LEVELS; level++)
		assert_true(recycled_table_leaks(level));
	vm.traits.shadow_paging = true;
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
	assert_true(!shadows || recycles() > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bypassed_function),
		cmocka_unit_test(test_restricting),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_span),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_recycled_tables),
		cmocka_unit_test(test_bypassed_quarantine),
		cmocka_unit_test(test_many_lives),
	};

	return cmocka_run_group_tests(tests, open_machine, close_machine);
}
