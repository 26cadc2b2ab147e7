/* Running the guest's early code. */
#include "early.h"
#include "vcpu.h"
#include "../devices/fdt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const uint8_t early_image_start[], early_image_end[];

/* The code's address space, with the code and the tree in it. */
static int early_map(struct mm *mm, const void *tree, size_t size, struct memobj *console)
{
	const struct mm_map text = {.addr = ABI_EARLY_TEXT,
				    .len = ABI_EARLY_TEXT_SIZE,
				    .flags = VMA_READ | VMA_EXEC,
				    .fixed = true};
	const struct mm_map data = {.addr = ABI_EARLY_TREE,
				    .len = ABI_EARLY_DATA_SIZE,
				    .flags = VMA_READ | VMA_WRITE,
				    .fixed = true};
	const struct mm_map page = {.addr = ABI_EARLY_CONSOLE,
				    .len = PAGE_SIZE,
				    .flags = VMA_READ | VMA_WRITE | VMA_SHARED,
				    .fixed = true,
				    .populate = true,
				    .obj = console};
	const struct abi_early answer = {.tree_size = (uint32_t)size};
	const uint64_t stack = ABI_EARLY_STACK_TOP - 2 * PAGE_SIZE;
	uint64_t at;
	int r;

	r = mm_mmap(mm, &text, &at);
	if (r == 0)
		r = mm_mmap(mm, &data, &at);
	if (r == 0 && console)
		r = mm_mmap(mm, &page, &at);
	if (r == 0)
		r = guest_poke(mm, gva(ABI_EARLY_TEXT), early_image_start,
			       (size_t)(early_image_end - early_image_start));
	if (r == 0)
		r = copy_to_guest(mm, gva(ABI_EARLY_TREE), tree, size);
	if (r == 0)
		r = copy_to_guest(mm, gva(ABI_EARLY_ANSWER), &answer, sizeof(answer));
	if (r == 0)
		r = mm_populate(mm, stack, 2 * PAGE_SIZE, true);
	return r;
}

/* From the entry to the system call at its end. */
static int early_enter(struct vm *vm, struct mm *mm, char *err, size_t err_size)
{
	struct vcpu *v = vm->vcpus[0];
	struct cpu c = {.fpu = aligned_alloc(64, vm->fpu_size)};
	struct trap t;

	if (!c.fpu) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	memcpy(c.fpu, vm->fpu_init, vm->fpu_size);
	vcpu_scratch_regs(&c, ABI_EARLY_TEXT);
	do {
		vcpu_run(v, &c, mm, &t);
	} while (t.kind == TRAP_KICK);
	vcpu_fpu_forget(vm, &c);
	v->loaded = NULL;
	v->mm = NULL;
	mm_activate(vm->gm, 0, NULL);
	free(c.fpu);
	if (t.kind == TRAP_SYSCALL)
		return 0;
	snprintf(err, err_size,
		 "the guest's early code met an exception (trap %d, vector %u, address %#llx)",
		 t.kind, t.vector, (unsigned long long)t.addr);
	return -EIO;
}

static bool same_range(struct abi_range a, struct abi_range b)
{
	return a.start == b.start && a.size == b.size;
}

/* What differs between what the guest has understood and what was meant, or NULL. */
static const char *early_differs(const struct abi_machine *got, const struct abi_machine *want)
{
	if (got->ncpus != want->ncpus)
		return "CPUs";
	if (got->nmemory != want->nmemory)
		return "memory";
	for (uint32_t i = 0; i < want->nmemory; i++)
		if (!same_range(got->memory[i], want->memory[i]))
			return "memory";
	if (!same_range(got->doorbell, want->doorbell) || got->doorbell_io != want->doorbell_io)
		return "the doorbell";
	if (!same_range(got->clock, want->clock) || got->clock_hz != want->clock_hz)
		return "the clock";
	if (!same_range(got->console, want->console))
		return "the console";
	if (!same_range(got->channels, want->channels))
		return "the channels";
	return NULL;
}

static int early_check(struct mm *mm, const struct abi_machine *want, char *err, size_t err_size)
{
	struct abi_early answer;
	const char *what;

	if (copy_from_guest(mm, &answer, gva(ABI_EARLY_ANSWER), sizeof(answer)) < 0 ||
	    !answer.done) {
		snprintf(err, err_size, "the guest's early code gave no answer");
		return -EIO;
	}
	if (answer.error) {
		snprintf(err, err_size, "%s (at offset %u)", fdt_refusal(answer.error),
			 answer.error_at);
		return -EINVAL;
	}
	what = early_differs(&answer.machine, want);
	if (!what)
		return 0;
	snprintf(err, err_size, "it says something else of this machine: %s", what);
	return -EINVAL;
}

/* The text is the guest's: copied, and shown without what a terminal would obey. */
static void console_print(struct memobj *console, FILE *out)
{
	struct abi_console c = {0};
	bool fresh = true;
	uint32_t used;

	if (memobj_read(console, 0, &c, sizeof(c)) != (ssize_t)sizeof(c))
		return;
	used = atomic_load_explicit(&c.used, memory_order_relaxed);
	if (used > sizeof(c.text))
		used = sizeof(c.text);
	for (uint32_t i = 0; i < used; i++) {
		unsigned char ch = (unsigned char)c.text[i];

		if (fresh)
			fputs("vmbox: guest: ", out);
		fputc(ch == '\n' || (ch >= ' ' && ch < 0x7f) ? ch : '?', out);
		fresh = ch == '\n';
	}
	if (!fresh)
		fputc('\n', out);
}

/* What this machine is. */
static int early_describe(struct vm *vm, const struct early_config *cfg, pfn_t console,
			  struct abi_machine *m)
{
	int r = fdt_machine_init(m);

	m->ncpus = vm->nvcpus;
	m->nmemory = gmem_ranges(vm->gm, m->memory);
	m->clock = (struct abi_range){pfn_gpa(cfg->clock).v, PAGE_SIZE};
	m->channels = cfg->channels;
	m->clock_hz = (uint64_t)vm->counter_khz * 1000;
	if (console)
		m->console = (struct abi_range){pfn_gpa(console).v, PAGE_SIZE};
	return r;
}

/* The tree of a file, at most size bytes of it and one more: the rest is refused anyway. */
static int early_read_file(const char *name, uint8_t *tree, size_t size)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && have < size) {
		n = read(fd, tree + have, size - have);
		if (n > 0)
			have += (size_t)n;
	}
	n = n < 0 ? -errno : (ssize_t)have;
	close(fd);
	return (int)n;
}

static int early_run(struct vm *vm, const uint8_t *tree, size_t size,
		     const struct abi_machine *want, struct memobj *console, char *err,
		     size_t err_size)
{
	struct mm *mm;
	int r = mm_create(vm->gm, &mm);

	if (r == 0) {
		r = early_map(mm, tree, size, console);
		if (r < 0)
			mm_put(mm);
	}
	if (r < 0) {
		snprintf(err, err_size, "guest memory: %s", strerror(-r));
		return r;
	}
	r = early_enter(vm, mm, err, err_size);
	if (r == 0)
		r = early_check(mm, want, err, err_size);
	mm_put(mm);
	return r;
}

/* Builds the tree, or reads the one that was asked for; its size. */
static int early_tree(const struct early_config *cfg, const struct abi_machine *m, uint8_t *tree,
		      size_t max, char *err, size_t err_size)
{
	int n;

	if (cfg->tree_file) {
		n = early_read_file(cfg->tree_file, tree, max);
		if (n < 0)
			snprintf(err, err_size, "%s: %s", cfg->tree_file, strerror(-n));
	} else {
		n = fdt_build(m, tree, ABI_TREE_MAX);
		if (n < 0)
			snprintf(err, err_size, "cannot be built: %s", strerror(-n));
	}
	if (n > (int)ABI_TREE_MAX) {
		snprintf(err, err_size, "%s", fdt_refusal(TREE_OVERSIZE));
		n = -EINVAL;
	}
	if (n >= 0 && cfg->dump &&
	    (fwrite(tree, 1, (size_t)n, cfg->dump) != (size_t)n || fflush(cfg->dump) != 0)) {
		n = -errno;
		snprintf(err, err_size, "cannot be written: %s", strerror(-n));
	}
	return n;
}

int early_boot(struct vm *vm, const struct early_config *cfg, char *err, size_t err_size)
{
	struct memobj *console = NULL;
	pfn_t console_pfn = 0;
	struct abi_machine m;
	uint8_t *tree;
	int r = 0;

	tree = malloc(ABI_TREE_MAX + 1);
	if (cfg->console && tree) {
		console = memobj_create(vm->gm, NULL, NULL);
		r = console ? memobj_set_size(console, PAGE_SIZE) : -ENOMEM;
		if (r == 0)
			r = memobj_get_page(console, 0, &console_pfn);
	}
	if (!tree)
		r = -ENOMEM;
	if (r == 0)
		r = early_describe(vm, cfg, console_pfn, &m);
	if (r < 0)
		snprintf(err, err_size, "cannot be built: %s", strerror(-r));
	if (r == 0)
		r = early_tree(cfg, &m, tree, ABI_TREE_MAX + 1, err, err_size);
	if (r >= 0)
		r = early_run(vm, tree, (size_t)r, &m, console, err, err_size);
	if (console_pfn) {
		console_print(console, cfg->console);
		frame_put(vm->gm, console_pfn);
	}
	if (console)
		memobj_put(console);
	free(tree);
	return r;
}
