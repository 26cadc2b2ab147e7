/*
 * A new address space for an ELF program: where everything lies, and what is mapped there.
 */
#include "exec.h"
#include "away.h"
#include "vfs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <unistd.h>

#define BRK_RANDOM  (1UL << 30)
#define GAP_MIN     (128UL << 20)
#define STACK_GUARD (256 * PAGE_SIZE)

/* What is random in one program's layout. All zero with ADDR_NO_RANDOMIZE. */
struct layout_random {
	uint64_t stack, mmap, exec, brk;
};

static void random_layout(struct exec *e, struct layout_random *rnd)
{
	uint64_t pages = (1UL << arch_exec.mmap_random_bits) - 1;

	memset(rnd, 0, sizeof(*rnd));
	if (e->t->p->attr.personality & ADDR_NO_RANDOMIZE)
		return;
	if (getrandom(rnd, sizeof(*rnd), 0) != (ssize_t)sizeof(*rnd))
		return;
	rnd->stack = (rnd->stack & arch_exec.stack_random_mask) << PAGE_SHIFT;
	rnd->mmap = (rnd->mmap & pages) << PAGE_SHIFT;
	rnd->exec = (rnd->exec & pages) << PAGE_SHIFT;
	rnd->brk = page_down(rnd->brk % BRK_RANDOM);
}

static ssize_t read_file(void *arg, void *buf, size_t len, uint64_t pos)
{
	return vfs_pread(arg, buf, len, pos);
}

/* The file's errors that Linux reports as "this is no program". */
static int open_interp(struct exec *e)
{
	int r;

	e->what = e->img.interp;
	r = vfs_open_exec(e->t, AT_FDCWD, e->img.interp, 0, &e->interp_file);
	if (r < 0)
		return r;
	r = elf_parse(&e->interp_img, read_file, e->interp_file, arch_exec.elf_machine);
	return r == -ENOEXEC ? -ELIBBAD : r;
}

/* A free range for an image that may lie anywhere: its bias. */
static int place_anywhere(struct exec *e, const struct elf_image *img, uint64_t *bias)
{
	struct mm_map map = {.len = img->high - img->low + (img->align - PAGE_SIZE)};
	uint64_t at;
	int r = mm_mmap(e->mm, &map, &at);

	if (r < 0)
		return r;
	r = mm_munmap(e->mm, at, map.len);
	*bias = ((at + img->align - PAGE_SIZE) & ~(img->align - 1)) - img->low;
	return r;
}

/* Nothing of ours may lie where a fixed image wants to be. */
static int claim_fixed(struct exec *e, const struct elf_image *img, uint64_t bias)
{
	struct mm_map map = {
		.addr = img->low + bias,
		.len = img->high - img->low,
		.fixed = true,
		.noreplace = true,
	};
	uint64_t at;
	int r = mm_mmap(e->mm, &map, &at);

	return r < 0 ? r : mm_munmap(e->mm, map.addr, map.len);
}

static int load_image(struct exec *e, struct file *f, const struct elf_image *img, uint64_t bias,
		      uint64_t *end)
{
	struct elf_map m = {.mm = e->mm, .img = img, .bias = bias, .file = f};
	uint64_t user_min, user_end;
	int r;

	mm_range(e->mm, &user_min, &user_end);
	/* The first program has nobody beside it whom it could keep waiting. */
	m.may_wait = !e->t->p->mm;
	m.obj = vfs_file_memobj(f, &r);
	if (!m.obj)
		return r == -EHOSTWAIT ? r : -ENOEXEC;
	/*
	 * Linux maps what a truncated file lacks, and the program gets SIGBUS there. So do we; but
	 * a first program is refused, where there is somebody to tell.
	 */
	r = elf_check_segments(img, e->t->p->mm ? UINT64_MAX : memobj_size(m.obj), user_min,
			       user_end);
	if (r == 0 && bias == 0)
		r = claim_fixed(e, img, 0);
	if (r == 0)
		r = elf_map_segments(&m, end);
	memobj_put(m.obj);
	return r;
}

/* The checks that must come before an address is chosen by the image's size. */
static int check_span(struct exec *e, const struct elf_image *img)
{
	uint64_t user_min, user_end;

	mm_range(e->mm, &user_min, &user_end);
	/* File size: checked by load_image. */
	return elf_check_segments(img, UINT64_MAX, user_min, user_end);
}

static int load_program(struct exec *e, const struct layout_random *rnd)
{
	uint64_t user_min, user_end, dyn_base, end, phdr;
	int r = check_span(e, &e->img);

	if (r < 0)
		return r;
	mm_range(e->mm, &user_min, &user_end);
	dyn_base = page_down(user_end / 3 * 2);
	if (e->img.eh.e_type == ET_DYN && e->img.interp)
		e->bias = ((dyn_base + rnd->exec) & ~(e->img.align - 1)) - e->img.low;
	else if (e->img.eh.e_type == ET_DYN)
		r = place_anywhere(e, &e->img, &e->bias);
	if (r == 0)
		r = load_image(e, e->file, &e->img, e->bias, &end);
	if (r < 0)
		return r;
	/* A static PIE lies among the mappings; its heap must not grow into them. */
	if (e->img.eh.e_type == ET_DYN && !e->img.interp)
		end = dyn_base;
	mm_set_brk(e->mm, end + rnd->brk);
	phdr = elf_phdr_addr(&e->img);
	e->phdr = phdr ? phdr + e->bias : 0;
	e->entry = e->img.eh.e_entry + e->bias;
	return 0;
}

static int load_interp(struct exec *e)
{
	uint64_t bias = 0, end, user_min, user_end;
	int r = check_span(e, &e->interp_img);

	if (r == 0 && e->interp_img.eh.e_type == ET_DYN)
		r = place_anywhere(e, &e->interp_img, &bias);
	if (r == 0)
		r = load_image(e, e->interp_file, &e->interp_img, bias, &end);
	if (r < 0)
		return r;
	e->interp_base = e->interp_img.low + bias;
	e->entry = e->interp_img.eh.e_entry + bias;
	mm_range(e->mm, &user_min, &user_end);
	return e->entry < user_end ? 0 : -EINVAL;
}

static int map_special(struct exec *e, uint64_t addr, struct memobj *obj, uint64_t len,
		       unsigned prot, const char *name)
{
	struct mm_map map = {
		.addr = addr,
		.len = len,
		.flags = prot | VMA_SPECIAL,
		.fixed = true,
		.obj = obj,
		.name = name,
	};
	uint64_t at;
	int r = mm_mmap(e->mm, &map, &at);

	if (r == 0)
		(void)mm_populate(e->mm, addr, len, false);
	return r;
}

/*
 * Somewhere above the stack, in the same leaf table (vdso_addr() of Linux 6.12): elsewhere a small
 * program would need two tables more for it. A hint: it may not fit.
 */
static uint64_t vdso_hint(const struct exec *e, uint64_t len)
{
	const uint64_t span = PAGE_SIZE * (PAGE_SIZE / sizeof(uint64_t));
	uint64_t start = e->stack_top, end = ((start + span - 1) & ~(span - 1)) - len;
	uint32_t random;

	if (end <= start || getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return start;
	return start + random % (((end - start) >> PAGE_SHIFT) + 1) * PAGE_SIZE;
}

/* The vDSO, with the clock page right below it. */
static int map_vdso(struct exec *e)
{
	struct kernel *k = e->k;
	struct mm_map map = {.len = PAGE_SIZE};
	uint64_t at, len;
	int r;

	if (!k->vdso_obj || !k->clock_obj)
		return 0;
	len = page_up(memobj_size(k->vdso_obj));
	map.len += len;
	map.addr = vdso_hint(e, map.len);
	r = mm_mmap(e->mm, &map, &at);
	if (r == 0)
		r = map_special(e, at, k->clock_obj, PAGE_SIZE, VMA_READ, "[vvar]");
	if (r == 0)
		r = map_special(e, at + PAGE_SIZE, k->vdso_obj, len, VMA_READ | VMA_EXEC, "[vdso]");
	if (r == 0)
		e->vdso = at + PAGE_SIZE;
	return r;
}

static void lay_out(struct exec *e, const struct layout_random *rnd)
{
	const struct rlimit64 *rlim = e->t->p->rlim;
	uint64_t stack = rlim[RLIMIT_STACK].rlim_cur;
	uint64_t user_min, user_end, gap, gap_max;

	mm_range(e->mm, &user_min, &user_end);
	e->stack_top = user_end - rnd->stack;
	gap_max = user_end / 6 * 5;
	gap = stack < gap_max ? stack : gap_max;
	gap += (arch_exec.stack_random_mask << PAGE_SHIFT) + STACK_GUARD;
	if (gap < GAP_MIN)
		gap = GAP_MIN;
	if (gap > gap_max)
		gap = gap_max;
	mm_set_mmap_base(e->mm, page_down(user_end - gap - rnd->mmap));
	mm_set_stack_limit(e->mm, stack);
	mm_set_limit_as(e->mm, rlim[RLIMIT_AS].rlim_cur);
	mm_set_limit_data(e->mm, rlimit_data(&rlim[RLIMIT_DATA]));
	if (e->t->p->mm)
		mm_set_no_spans(e->mm, mm_no_spans(e->t->p->mm));
}

int exec_load(struct exec *e)
{
	struct layout_random rnd;
	int r;

	r = elf_parse(&e->img, read_file, e->file, arch_exec.elf_machine);
	if (r == 0 && e->img.interp)
		r = open_interp(e);
	if (r == 0)
		r = mm_create(e->k->gm, &e->mm);
	if (r < 0)
		return r;
	e->what = NULL;
	e->committed = true;
	random_layout(e, &rnd);
	lay_out(e, &rnd);
	r = exec_map_stack(e);
	if (r == 0)
		r = load_program(e, &rnd);
	if (r == 0 && e->img.interp) {
		e->what = e->img.interp;
		r = load_interp(e);
	}
	if (r == 0)
		r = map_vdso(e);
	if (r == 0)
		r = exec_build_stack(e);
	return r;
}
