/*
 * The vDSO's unlock of robust futexes: where its critical sections are, what the registers tell
 * there, and what becomes of a task that is found in one. Registers are made up; the functions
 * themselves run here, too.
 */
#include "linux_test.h"

#include "../../vmm/linux/robust_unlock.h"

#include <elf.h>
#include <sys/mman.h>

extern const uint8_t vdso_image_start[], vdso_image_end[];

#define VDSO   0x30000000UL
#define MOVED  0x31000000UL
#define SHARED 0x32000000UL
#define LOCK   SHARED
#define HEAD   (SHARED + 0x100)
#define SLOT   (HEAD + 16)
#define NOMEM  0x50000000UL
#define DECOY  0xabcdU

static uint64_t pages;
static struct memobj *shared;

static int set_up(void **state)
{
	static const uint8_t zeros[PAGE_SIZE];
	struct kernel_config *cfg;

	world_open_cpus(2);
	cfg = &w.k->cfg;
	cfg->vdso = vdso_image_start;
	cfg->vdso_size = (size_t)(vdso_image_end - vdso_image_start);
	pages = cfg->vdso_size / PAGE_SIZE;
	w.k->vdso_obj = memobj_create(w.m.gm, NULL, NULL);
	shared = memobj_create(w.m.gm, NULL, NULL);
	assert_true(w.k->vdso_obj && shared);
	assert_int_equal(memobj_write(w.k->vdso_obj, 0, cfg->vdso, cfg->vdso_size), cfg->vdso_size);
	assert_int_equal(memobj_write(shared, 0, zeros, PAGE_SIZE), PAGE_SIZE);
	assert_int_equal(robust_unlock_init(w.k), 0);
	assert_int_equal(fake_map(w.init->p->mm, VDSO, pages, VMA_READ | VMA_EXEC | VMA_SPECIAL,
				  w.k->vdso_obj, 0),
			 0);
	assert_int_equal(fake_map(w.init->p->mm, SHARED, 1, RW | VMA_SHARED, shared, 0), 0);
	return 0;
}

static int tear_down(void **state)
{
	memobj_put(shared);
	world_close();
	return 0;
}

/* ---- registers ---- */

static struct uregs regs_in(const struct robust_range *g, bool released, uint64_t slot)
{
	struct uregs r;

	memset(&r, 0xa5, sizeof(r));
#if defined(__x86_64__)
	r.rflags = 0x202 | (released ? 0x40 : 0);
	r.rdx = slot;
#else
	r.x[1] = 77 | 5ULL << 32; /* nobody promises the upper half */
	if (g->kind == ABI_ROBUST_LLSC)
		r.x[3] = released ? 0 : 1;
	else
		r.x[3] = released ? 77 : 78;
	/* Z says the opposite: it is not to be looked at. */
	r.pstate = released ? 0 : 1ULL << 30;
	r.x[2] = slot;
#endif
	return r;
}

static void set_pc(struct task *t, uint64_t pc)
{
#if defined(__x86_64__)
	t->cpu.regs.rip = pc;
#else
	t->cpu.regs.pc = pc;
#endif
}

/* t is in range g of the vDSO at `base`, `step` bytes after its start. */
static void put_in(struct task *t, const struct robust_range *g, uint64_t base, uint64_t step,
		   bool released)
{
	uint64_t sp = arch_sp(&t->cpu.regs);

	t->cpu.regs = regs_in(g, released, SLOT);
#if defined(__x86_64__)
	t->cpu.regs.rsp = sp;
#else
	t->cpu.regs.sp = sp;
#endif
	set_pc(t, base + g->start + step);
}

static void the_registers_tell(void **state)
{
	struct robust_range g = {0};
	uint64_t slot;
#if defined(__x86_64__)
	static const unsigned kinds[] = {ABI_ROBUST_X86};
#else
	static const unsigned kinds[] = {ABI_ROBUST_LLSC, ABI_ROBUST_LSE};
#endif

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct uregs yes, no;

		g.kind = kinds[i];
		yes = regs_in(&g, true, 0x1234567890);
		no = regs_in(&g, false, 0x1234567890);
		assert_true(arch_robust_released(&yes, g.kind, &slot));
		assert_int_equal(slot, 0x1234567890);
		assert_false(arch_robust_released(&no, g.kind, &slot));
		assert_false(arch_robust_released(&yes, 0x77, &slot));
	}
}

/* ---- the image ---- */

static void sections_are_found(void **state)
{
	unsigned wide = 0;

#if defined(__x86_64__)
	assert_int_equal(w.k->nrobust, 2);
#else
	assert_int_equal(w.k->nrobust, 4);
#endif
	for (unsigned i = 0; i < w.k->nrobust; i++) {
		const struct robust_range *g = &w.k->robust[i];
		const uint8_t *code = vdso_image_start + g->start;

#if defined(__x86_64__)
		/* lock cmpxchg %ecx, (%rdi); jnz; a store; ret */
		assert_memory_equal(code - 4, "\xf0\x0f\xb1\x0f", 4);
		assert_int_equal(code[0], 0x75);
		assert_int_equal(vdso_image_start[g->end], 0xc3);
		assert_int_equal(g->end - g->start, g->slot32 ? 4 : 5);
#else
		uint32_t insn;

		memcpy(&insn, code - 4, sizeof(insn));
		assert_int_equal(insn, g->kind == ABI_ROBUST_LSE ? 0x88a3fc1f : 0x8803fc1f);
		assert_int_equal(g->end - g->start, g->kind == ABI_ROBUST_LSE ? 12 : 8);
		memcpy(&insn, vdso_image_start + g->end - 4, sizeof(insn));
		assert_int_equal(insn, g->slot32 ? 0xb900005f : 0xf900005f);
#endif
		wide += !g->slot32;
	}
	assert_int_equal(wide, w.k->nrobust / 2);
}

typedef uint32_t (*try_unlock_t)(uint32_t *lock, uint32_t tid, void *pop);

/* The image as guests get it, made executable here. */
static uint8_t *map_image(void)
{
	size_t size = w.k->cfg.vdso_size;
	uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(memobj_read(w.k->vdso_obj, 0, p, size), size);
	assert_int_equal(mprotect(p, size, PROT_READ | PROT_EXEC), 0);
	return p;
}

static try_unlock_t find(const uint8_t *base, const char *name)
{
	const Elf64_Ehdr *eh = (const void *)base;
	const Elf64_Phdr *ph = (const void *)(base + eh->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	const Elf64_Sym *sym = NULL;
	const char *strings = NULL;
	const uint32_t *hash = NULL;
	try_unlock_t fn;

	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const void *)(base + ph[i].p_vaddr);
	for (; dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_SYMTAB)
			sym = (const void *)(base + dyn->d_un.d_ptr);
		else if (dyn->d_tag == DT_STRTAB)
			strings = (const void *)(base + dyn->d_un.d_ptr);
		else if (dyn->d_tag == DT_HASH)
			hash = (const void *)(base + dyn->d_un.d_ptr);
	}
	for (uint32_t i = 1; i < hash[1]; i++) {
		const void *at = base + sym[i].st_value;

		if (strcmp(strings + sym[i].st_name, name))
			continue;
		memcpy(&fn, &at, sizeof(fn));
		return fn;
	}
	return NULL;
}

static void run_functions(void)
{
	uint8_t *base = map_image();
	try_unlock_t f64 = find(base, "__vdso_futex_robust_list64_try_unlock");
	try_unlock_t f32 = find(base, "__vdso_futex_robust_list32_try_unlock");
	uint32_t lock = 77, pop32[2] = {1, 2};
	uint64_t pop64[2] = {~0ULL, ~0ULL};

	assert_true(f64 && f32);
	assert_int_equal(f64(&lock, 78, pop64), 77);
	assert_int_equal(f32(&lock, 0, pop32), 77);
	assert_true(lock == 77 && pop64[0] == ~0ULL && pop32[0] == 1);
	assert_int_equal(f64(&lock, 77, pop64), 77);
	assert_true(lock == 0 && pop64[0] == 0 && pop64[1] == ~0ULL);
	lock = 77 | 0x80000000;
	assert_int_equal(f32(&lock, 77, pop32), 77 | 0x80000000);
	assert_true(lock == (77 | 0x80000000) && pop32[0] == 1);
	lock = 77;
	assert_int_equal(f32(&lock, 77, pop32), 77);
	assert_true(lock == 0 && pop32[0] == 0 && pop32[1] == 2);
	munmap(base, w.k->cfg.vdso_size);
}

/* With the instructions that each kind of processor gets. */
static void the_functions_unlock(void **state)
{
	uint32_t insn;
	uint8_t *base;

	run_functions();
	w.k->cfg.hwcap = ~0ULL;
	w.k->nrobust = 0;
	assert_int_equal(robust_unlock_init(w.k), 0);
	base = map_image();
	assert_int_equal(memcmp(vdso_image_start, base, w.k->cfg.vdso_size) != 0,
			 arch_robust_choice(&w.k->cfg, &insn));
	munmap(base, w.k->cfg.vdso_size);
	run_functions();
}

static void a_bad_image_is_refused(void **state)
{
	uint8_t image[1024] = {0};
	Elf64_Ehdr eh = {.e_phoff = 64, .e_phnum = 1};
	Elf64_Phdr ph = {.p_type = PT_NOTE, .p_offset = 128, .p_filesz = 32};
	struct {
		Elf64_Nhdr nh;
		char name[8];
		struct abi_robust_note d;
	} note = {{6, sizeof(note.d), ABI_NOTE_ROBUST}, ABI_NOTE_NAME, {600, 600, ABI_ROBUST_X86}};

#define TRY(want)                                                                                  \
	do {                                                                                       \
		memcpy(image, &eh, sizeof(eh));                                                    \
		memcpy(image + 64, &ph, sizeof(ph));                                               \
		memcpy(image + 128, &note, sizeof(note));                                          \
		w.k->nrobust = 0;                                                                  \
		assert_int_equal(robust_unlock_init(w.k), want);                                   \
	} while (0)

	w.k->cfg.vdso = image;
	w.k->cfg.vdso_size = sizeof(image);
	TRY(0);
	assert_int_equal(w.k->nrobust, 1);
	assert_int_equal(w.k->robust[0].start, 128 + 20 + 600);
	assert_int_equal(w.k->robust[0].end, 128 + 24 + 600);
	note.d.end = note.d.start - 4; /* empty */
	TRY(-EINVAL);
	note.d.end = 900; /* past the image */
	TRY(-EINVAL);
	note.d.end = 600;
	note.nh.n_descsz = 4096;
	TRY(-EINVAL);
	note.nh.n_descsz = 8; /* none of ours; what follows is no note either */
	ph.p_filesz = 28;
	TRY(0);
	assert_int_equal(w.k->nrobust, 0);
	ph.p_filesz = 2048;
	TRY(-EINVAL);
	ph.p_filesz = ~0ULL;
	TRY(-EINVAL);
	eh.e_phoff = 1020;
	TRY(-EINVAL);
	w.k->cfg.vdso_size = 10;
	assert_int_equal(robust_unlock_init(w.k), -EINVAL);
}

/* ---- the fix-up ---- */

static uint64_t slot_value(struct task *t)
{
	uint64_t v;

	assert_int_equal(copy_from_guest(t->p->mm, &v, gva(SLOT), sizeof(v)), 0);
	return v;
}

static void set_slot(struct task *t)
{
	guest_put(t, SLOT, &(uint64_t){~0ULL}, 8);
}

/* Does the fix-up clear g's slot, `step` bytes after its start? The pc stays in any case. */
static bool cleared(struct task *t, const struct robust_range *g, uint64_t base, uint64_t step,
		    bool released)
{
	uint64_t v;

	set_slot(t);
	put_in(t, g, base, step, released);
	assert_int_equal(robust_unlock_fixup(t), 0);
	assert_int_equal(arch_pc(&t->cpu.regs), base + g->start + step);
	v = slot_value(t);
	if (v != ~0ULL)
		assert_int_equal(v, g->slot32 ? 0xffffffff00000000 : 0);
	return v != ~0ULL;
}

static void the_slot_is_cleared_in_the_range_alone(void **state)
{
	for (unsigned i = 0; i < w.k->nrobust; i++) {
		const struct robust_range *g = &w.k->robust[i];
		uint64_t len = g->end - g->start;

		assert_false(cleared(w.init, g, VDSO, (uint64_t)-1, true));
		for (uint64_t step = 0; step < len; step++) {
			assert_true(cleared(w.init, g, VDSO, step, true));
			assert_false(cleared(w.init, g, VDSO, step, false));
		}
		assert_false(cleared(w.init, g, VDSO, len, true));
		/* The same offset elsewhere. */
		assert_false(cleared(w.init, g, TEST_DATA, 0, true));
		assert_false(cleared(w.init, g, NOMEM, 0, true));
		assert_false(cleared(w.init, g, ABI_USER_END, 0, true));
	}
}

/* "ranges follow a move of the vDSO, are kept over fork" */
static void the_range_is_where_the_vdso_is(void **state)
{
	const struct robust_range *g = &w.k->robust[0];
	struct mm *mm = w.init->p->mm;
	struct task *child;
	uint64_t at;

	child = fork_task(w.init, 1);
	assert_true(cleared(child, g, VDSO, 0, true));
	exit_task(child, 0);

	assert_int_equal(
		mm_mremap(mm, VDSO, PAGES(pages), PAGES(pages), true, true, false, MOVED, &at), 0);
	assert_true(cleared(w.init, g, MOVED, 0, true));
	assert_false(cleared(w.init, g, VDSO, 0, true));
	/* The same bytes, but the program's own. */
	assert_int_equal(fake_map(mm, VDSO, pages, RW | VMA_EXEC, NULL, 0), 0);
	guest_put(w.init, VDSO, vdso_image_start, PAGES(pages));
	assert_false(cleared(w.init, g, VDSO, 0, true));
	/* Split: the second half knows where in the image it is. */
	if (pages > 1) {
		assert_int_equal(mm_munmap(mm, MOVED, PAGE_SIZE), 0);
		assert_int_equal(cleared(w.init, g, MOVED, 0, true), g->start >= PAGE_SIZE);
	}
}

static void a_handler_finds_the_slot_clear(void **state)
{
	const struct robust_range *g = &w.k->robust[0];

	set_action(w.init, SIGUSR1, HANDLER, SA_SIGINFO, 0);
	set_slot(w.init);
	put_in(w.init, g, VDSO, 0, true);
	kernel_signal_init(w.k, SIGUSR1);
	assert_int_equal(task_step(w.init), TASK_RUN);
	assert_int_equal(arch_pc(&w.init->cpu.regs), HANDLER);
	assert_int_equal((uint32_t)slot_value(w.init), 0);
}

/* The lock's memory is another's by now, and looks like a lock of the task that dies. */
static void death_leaves_other_memory_alone(void **state)
{
	for (unsigned i = 0; i < w.k->nrobust; i++) {
		const struct robust_range *g = &w.k->robust[i];
		uint64_t head[3] = {HEAD, 0, LOCK};
		struct task *child = fork_task(w.init, 1);
		uint32_t decoy = child->tid;

		assert_int_equal(CALL(child, SYS_set_robust_list, HEAD, 24), 0);
		guest_put(child, HEAD, head, sizeof(head));
		guest_put(child, LOCK, &decoy, sizeof(decoy));
		put_in(child, g, VDSO, 0, true);
		process_kill(child->p, SIGKILL);
		assert_int_equal(task_step(child), TASK_GONE);
		assert_int_equal(guest_word(w.init, LOCK), decoy);
		assert_int_equal(guest_word(w.init, SLOT), 0);

		/* And if it was not released, it is marked. */
		child = fork_task(w.init, 1);
		decoy = child->tid;
		assert_int_equal(CALL(child, SYS_set_robust_list, HEAD, 24), 0);
		guest_put(child, HEAD, head, sizeof(head));
		guest_put(child, LOCK, &decoy, sizeof(decoy));
		put_in(child, g, VDSO, 0, false);
		process_kill(child->p, SIGKILL);
		assert_int_equal(task_step(child), TASK_GONE);
		assert_int_equal(guest_word(w.init, LOCK), FUTEX_WORD_DIED);
	}
}

/* "the fix-up fails on the same slot: drop the head, deliver SIGSEGV" */
static void a_slot_that_cannot_be_cleared(void **state)
{
	const struct robust_range *g = &w.k->robust[0];
	struct task *t = w.init;

	while (g->slot32)
		g++;
	set_action(t, SIGSEGV, HANDLER, SA_SIGINFO, 0);
	assert_int_equal(CALL(t, SYS_set_robust_list, HEAD, 24), 0);
	assert_int_equal(mm_mprotect(t->p->mm, SHARED, PAGE_SIZE, VMA_READ), 0);
	put_in(t, g, VDSO, 0, true);
	assert_int_equal(robust_unlock_fixup(t), -EFAULT);
	assert_int_equal(t->robust_list, 0);
	assert_int_equal(CALL(t, SYS_set_robust_list, HEAD + 8, 24), 0);
	put_in(t, g, VDSO, 0, true);
	robust_unlock_signal(t);
	/* Another's slot: the head stays. */
	assert_int_equal(t->robust_list, HEAD + 8);
	assert_int_equal(task_step(t), TASK_RUN);
	assert_int_equal(arch_pc(&t->cpu.regs), HANDLER);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_registers_tell),
		T(sections_are_found),
		T(the_functions_unlock),
		T(a_bad_image_is_refused),
		T(the_slot_is_cleared_in_the_range_alone),
		T(the_range_is_where_the_vdso_is),
		T(a_handler_finds_the_slot_clear),
		T(death_leaves_other_memory_alone),
		T(a_slot_that_cannot_be_cleared),
	};

	return cmocka_run_group_tests_name("linux_robust_unlock", tests, NULL, NULL);
}
