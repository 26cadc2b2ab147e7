/*
 * ELF images, good and bad: what the parser refuses and with which errno, what is mapped, and the
 * first stack.
 */
#include "linux_fake.h"

#include "../../vmm/linux/exec.h"

#include <sys/auxv.h>

/* An image in memory: headers, then whatever lies at the offsets. */
struct image {
	uint8_t bytes[6 * 4096];
	size_t size;
};

static Elf64_Ehdr *header(struct image *im)
{
	return (Elf64_Ehdr *)(void *)im->bytes;
}

static Elf64_Phdr *phdr(struct image *im, unsigned i)
{
	return (Elf64_Phdr *)(void *)(im->bytes + sizeof(Elf64_Ehdr)) + i;
}

/* Text at 0x400000, data with a bss at 0x402000, an executable-stack marker. */
static void good_image(struct image *im)
{
	Elf64_Ehdr *eh = header(im);

	memset(im, 0, sizeof(*im));
	im->size = 3 * 4096 + 100;
	for (size_t i = 4096; i < im->size; i++)
		im->bytes[i] = (uint8_t)(i / 4096 * 16 + 1);
	memcpy(eh->e_ident, ELFMAG, SELFMAG);
	eh->e_ident[EI_CLASS] = ELFCLASS64;
	eh->e_ident[EI_DATA] = ELFDATA2LSB;
	eh->e_type = ET_EXEC;
	eh->e_machine = (Elf64_Half)arch_exec.elf_machine;
	eh->e_phentsize = sizeof(Elf64_Phdr);
	eh->e_phoff = sizeof(Elf64_Ehdr);
	eh->e_phnum = 3;
	eh->e_entry = 0x400800;
	*phdr(im, 0) = (Elf64_Phdr){.p_type = PT_LOAD,
				    .p_flags = PF_R | PF_X,
				    .p_vaddr = 0x400000,
				    .p_filesz = 0x2000,
				    .p_memsz = 0x2000,
				    .p_align = 4096};
	*phdr(im, 1) = (Elf64_Phdr){.p_type = PT_LOAD,
				    .p_flags = PF_R | PF_W,
				    .p_vaddr = 0x402010,
				    .p_offset = 0x2010,
				    .p_filesz = 0x1000,
				    .p_memsz = 0x3000,
				    .p_align = 4096};
	*phdr(im, 2) = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W};
}

static ssize_t read_image(void *arg, void *buf, size_t len, uint64_t pos)
{
	struct image *im = arg;

	if (pos >= im->size)
		return 0;
	if (len > im->size - pos)
		len = im->size - pos;
	memcpy(buf, im->bytes + pos, len);
	return (ssize_t)len;
}

static int parse(struct image *im)
{
	struct elf_image img;
	int r = elf_parse(&img, read_image, im, arch_exec.elf_machine);

	if (r == 0)
		r = elf_check_segments(&img, im->size, ABI_USER_MIN, ABI_USER_END);
	elf_free(&img);
	return r;
}

static void test_good(void **state)
{
	struct elf_image img;
	struct image im;

	good_image(&im);
	assert_int_equal(parse(&im), 0);
	assert_int_equal(elf_parse(&img, read_image, &im, arch_exec.elf_machine), 0);
	assert_int_equal(img.low, 0x400000);
	assert_int_equal(img.high, 0x406000);
	assert_int_equal(elf_phdr_addr(&img), 0x400000 + sizeof(Elf64_Ehdr));
	assert_false(img.exec_stack);
	assert_null(img.interp);
	elf_free(&img);
	phdr(&im, 2)->p_flags |= PF_X;
	phdr(&im, 0)->p_align = 1UL << 21;
	assert_int_equal(elf_parse(&img, read_image, &im, arch_exec.elf_machine), 0);
	assert_true(img.exec_stack);
	assert_int_equal(img.align, 1UL << 21);
	elf_free(&img);
}

struct bad {
	const char *name;
	int err;
	void (*spoil)(struct image *im);
};

#define SPOIL(name, stmt)                                                                          \
	static void spoil_##name(struct image *im)                                                 \
	{                                                                                          \
		stmt;                                                                              \
	}
SPOIL(magic, im->bytes[1] = 'X')
SPOIL(class, header(im)->e_ident[EI_CLASS] = ELFCLASS32)
SPOIL(order, header(im)->e_ident[EI_DATA] = ELFDATA2MSB)
SPOIL(type, header(im)->e_type = ET_REL)
SPOIL(core, header(im)->e_type = ET_CORE)
SPOIL(machine, header(im)->e_machine = EM_S390)
SPOIL(empty, im->size = 0)
SPOIL(short_header, im->size = 63)
SPOIL(phentsize, header(im)->e_phentsize = 32)
SPOIL(phnum_0, header(im)->e_phnum = 0)
SPOIL(phnum_max, header(im)->e_phnum = 0xffff)
SPOIL(phoff_end, header(im)->e_phoff = im->size - 10)
SPOIL(phoff_huge, header(im)->e_phoff = UINT64_MAX - 8)
SPOIL(no_load, phdr(im, 0)->p_type = phdr(im, 1)->p_type = PT_NOTE)
SPOIL(only_empty, phdr(im, 0)->p_memsz = phdr(im, 0)->p_filesz = phdr(im, 1)->p_memsz =
			  phdr(im, 1)->p_filesz = 0)
SPOIL(filesz, phdr(im, 1)->p_filesz = 0x4000)
SPOIL(memsz_wraps, phdr(im, 1)->p_memsz = UINT64_MAX)
SPOIL(vaddr_wraps, phdr(im, 1)->p_vaddr = UINT64_MAX - 0xfef)
SPOIL(vaddr_kernel, phdr(im, 1)->p_vaddr = 0xffffffff80002010)
SPOIL(vaddr_noncanonical, phdr(im, 1)->p_vaddr = 0x8000000000002010)
SPOIL(vaddr_null, phdr(im, 0)->p_vaddr = 0)
SPOIL(end, phdr(im, 1)->p_vaddr = ABI_USER_END - 0x1ff0)
SPOIL(misaligned, phdr(im, 1)->p_offset += 8)
SPOIL(truncated, im->size = 0x2800)
SPOIL(offset_huge, phdr(im, 1)->p_offset = 0x7ffffffffffff010)
SPOIL(offset_negative, phdr(im, 1)->p_offset = 0xfffffffffffff010)

static void spoil_interp(struct image *im, uint64_t offset, uint64_t size)
{
	*phdr(im, 2) = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = offset, .p_filesz = size};
}
SPOIL(interp_short, spoil_interp(im, 4096, 1))
SPOIL(interp_long, spoil_interp(im, 4096, 4097))
SPOIL(interp_no_nul, spoil_interp(im, 4096, 20))
SPOIL(interp_past_end, spoil_interp(im, 3 * 4096 + 90, 20))
SPOIL(interp_offset, spoil_interp(im, UINT64_MAX - 5, 20))

#define BAD(name, err)                                                                             \
	{                                                                                          \
#name, err, spoil_##name                                                           \
	}
static const struct bad bads[] = {
	BAD(magic, -ENOEXEC),         BAD(class, -ENOEXEC),
	BAD(order, -ENOEXEC),         BAD(type, -ENOEXEC),
	BAD(core, -ENOEXEC),          BAD(machine, -ENOEXEC),
	BAD(empty, -ENOEXEC),         BAD(short_header, -ENOEXEC),
	BAD(phentsize, -ENOEXEC),     BAD(phnum_0, -ENOEXEC),
	BAD(phnum_max, -ENOEXEC),     BAD(phoff_end, -ENOEXEC),
	BAD(phoff_huge, -ENOEXEC),    BAD(no_load, -ENOEXEC),
	BAD(only_empty, -ENOEXEC),    BAD(filesz, -EINVAL),
	BAD(memsz_wraps, -EINVAL),    BAD(vaddr_wraps, -EINVAL),
	BAD(vaddr_kernel, -EINVAL),   BAD(vaddr_noncanonical, -EINVAL),
	BAD(vaddr_null, -EINVAL),     BAD(end, -EINVAL),
	BAD(misaligned, -EINVAL),     BAD(truncated, -ENOEXEC),
	BAD(offset_huge, -EINVAL),    BAD(offset_negative, -EINVAL),
	BAD(interp_short, -ENOEXEC),  BAD(interp_long, -ENOEXEC),
	BAD(interp_no_nul, -ENOEXEC), BAD(interp_past_end, -EIO),
	BAD(interp_offset, -EIO),
};

static void test_bad(void **state)
{
	struct image im;

	for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
		int r;

		good_image(&im);
		bads[i].spoil(&im);
		r = parse(&im);
		if (r != bads[i].err)
			fail_msg("bad-%s: %d, not %d", bads[i].name, r, bads[i].err);
	}
}

/* Every prefix of a good image, and every byte of its headers changed: an errno, never more. */
static void test_mutations(void **state)
{
	struct image im;

	for (size_t size = 0; size < 400; size++) {
		good_image(&im);
		im.size = size;
		assert_true(parse(&im) < 0);
	}
	for (size_t at = 0; at < sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr); at++) {
		static const uint8_t xors[] = {0x01, 0x80, 0xff};

		for (unsigned x = 0; x < sizeof(xors); x++) {
			good_image(&im);
			im.bytes[at] ^= xors[x];
			assert_true(parse(&im) <= 0);
		}
	}
}

static struct memobj *image_obj(struct fake_machine *m, struct image *im)
{
	struct memobj *o = memobj_create(m->gm, NULL, NULL);

	assert_non_null(o);
	assert_int_equal(memobj_write(o, 0, im->bytes, im->size), (ssize_t)im->size);
	return o;
}

static void test_map(void **state)
{
	struct fake_machine m;
	struct elf_image img;
	struct image im;
	struct elf_map map = {.img = &img, .bias = 0x10000000};
	uint64_t end;
	struct vma v;

	good_image(&im);
	fake_init(&m, 32UL << 20, true);
	assert_int_equal(elf_parse(&img, read_image, &im, arch_exec.elf_machine), 0);
	assert_int_equal(mm_create(m.gm, &map.mm), 0);
	map.obj = image_obj(&m, &im);
	assert_int_equal(elf_map_segments(&map, &end), 0);
	assert_int_equal(end, 0x10406000);
	assert_int_equal(fake_load(&m, map.mm, 0x10401000), 0x11);
	assert_int_equal(fake_load(&m, map.mm, 0x10402010), 0x21);
	/* The file goes on, the segment does not: zeroes. */
	assert_int_equal(fake_load(&m, map.mm, 0x1040300f), 0x31);
	assert_int_equal(fake_load(&m, map.mm, 0x10403010), 0);
	assert_int_equal(fake_load(&m, map.mm, 0x10403063), 0);
	assert_int_equal(fake_load(&m, map.mm, 0x10405fff), 0);
	assert_int_equal(fake_store(&m, map.mm, 0x10404000, 7), 0);
	assert_int_equal(fake_store(&m, map.mm, 0x10401000, 7), -EACCES);
	assert_int_equal(fake_load(&m, map.mm, 0x10406000), -EFAULT);
	assert_true(mm_find_vma(map.mm, 0x10400000, &v));
	assert_int_equal(v.flags & VMA_PROT, VMA_READ | VMA_EXEC);
	/* Private: the file's own page is as it was. */
	assert_int_equal(fake_store(&m, map.mm, 0x10402010, 9), 0);
	assert_int_equal(memobj_read(map.obj, 0x2010, im.bytes, 1), 1);
	assert_int_equal(im.bytes[0], 0x21);
	memobj_put(map.obj);
	mm_put(map.mm);
	elf_free(&img);
	fake_exit(&m);
}

/* A segment of nothing but bss that begins within a page. */
static void test_map_bss_only(void **state)
{
	struct fake_machine m;
	struct elf_image img;
	struct image im;
	struct elf_map map = {.img = &img};
	uint64_t end;

	good_image(&im);
	*phdr(&im, 1) = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = 0x402010, .p_memsz = 16};
	fake_init(&m, 32UL << 20, true);
	assert_int_equal(elf_parse(&img, read_image, &im, arch_exec.elf_machine), 0);
	assert_int_equal(elf_check_segments(&img, im.size, ABI_USER_MIN, ABI_USER_END), 0);
	assert_int_equal(mm_create(m.gm, &map.mm), 0);
	map.obj = image_obj(&m, &im);
	assert_int_equal(elf_map_segments(&map, &end), 0);
	assert_int_equal(end, 0x403000);
	assert_int_equal(fake_store(&m, map.mm, 0x402010, 1), 0);
	memobj_put(map.obj);
	mm_put(map.mm);
	elf_free(&img);
	fake_exit(&m);
}

/* More memory than there is: an errno, and all is given back. */
static void test_map_no_memory(void **state)
{
	struct fake_machine m;
	struct elf_image img;
	struct image im;
	struct elf_map map = {.img = &img};
	uint64_t end, out;
	struct mm_map hog = {.len = 64UL << 20, .flags = RW};

	good_image(&im);
	fake_init(&m, 4UL << 20, true);
	assert_int_equal(elf_parse(&img, read_image, &im, arch_exec.elf_machine), 0);
	assert_int_equal(mm_create(m.gm, &map.mm), 0);
	map.obj = image_obj(&m, &im);
	assert_int_equal(mm_mmap(map.mm, &hog, &out), 0);
	assert_int_equal(mm_populate(map.mm, out, hog.len, true), -ENOMEM);
	assert_true(elf_map_segments(&map, &end) < 0);
	memobj_put(map.obj);
	mm_put(map.mm);
	elf_free(&img);
	fake_exit(&m);
}

static uint64_t word(struct fake_kernel *f, uint64_t at)
{
	uint64_t v;

	assert_int_equal(copy_from_guest(f->p.mm, &v, gva(at), sizeof(v)), 0);
	return v;
}

static void check_string(struct fake_kernel *f, uint64_t at, const char *want)
{
	char buf[64];

	assert_true(strncpy_from_guest(f->p.mm, buf, gva(at), sizeof(buf)) >= 0);
	assert_string_equal(buf, want);
}

static uint64_t find_aux(struct fake_kernel *f, uint64_t at, uint64_t type)
{
	for (; word(f, at) != AT_NULL; at += 16)
		if (word(f, at) == type)
			return word(f, at + 8);
	fail_msg("no auxv entry %lu", (unsigned long)type);
	return 0;
}

static void test_stack(void **state)
{
	char *strv[] = {(char[]){"one"}, (char[]){"two"}, (char[]){"A=1"}};
	const struct exec_args a = {.strv = strv, .argc = 2, .envc = 1, .bytes = 12};
	struct fake_kernel f;
	struct exec *e;
	uint64_t aux;

	fake_kernel_init(&f, false);
	e = calloc(1, sizeof(*e));
	e->t = &f.t;
	e->k = &f.k;
	e->a = &a;
	e->mm = f.p.mm;
	e->stack_top = ABI_USER_END;
	strcpy(e->filename, "/bin/prog");
	e->img.eh.e_entry = 0x1000;
	e->bias = 0x500000;
	e->vdso = 0x700000;
	assert_int_equal(exec_map_stack(e), 0);
	assert_int_equal(exec_build_stack(e), 0);

	assert_int_equal(e->sp & 15, 0);
	assert_int_equal(word(&f, e->sp), 2);
	check_string(&f, word(&f, e->sp + 8), "one");
	check_string(&f, word(&f, e->sp + 16), "two");
	assert_int_equal(word(&f, e->sp + 24), 0);
	check_string(&f, word(&f, e->sp + 32), "A=1");
	assert_int_equal(word(&f, e->sp + 40), 0);
	aux = e->sp + 48;
	assert_int_equal(word(&f, aux), AT_SYSINFO_EHDR);
	assert_int_equal(word(&f, aux + 8), 0x700000);
	assert_int_equal(find_aux(&f, aux, AT_ENTRY), 0x501000);
	assert_int_equal(find_aux(&f, aux, AT_PAGESZ), 4096);
	check_string(&f, find_aux(&f, aux, AT_EXECFN), "/bin/prog");
	check_string(&f, find_aux(&f, aux, AT_PLATFORM), "test");
	assert_true(find_aux(&f, aux, AT_RANDOM) > e->sp);
	/* The strings lie one after the other, below the top. */
	assert_int_equal(e->arg_end - e->arg_start, 8);
	assert_int_equal(e->env_start, e->arg_end);
	assert_int_equal(e->env_end - e->env_start, 4);
	assert_int_equal(e->env_end + sizeof("/bin/prog") + 8, ABI_USER_END);
	assert_int_equal(word(&f, ABI_USER_END - 8), 0);
	free(e);
	fake_kernel_exit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),         cmocka_unit_test(test_bad),
		cmocka_unit_test(test_mutations),    cmocka_unit_test(test_map),
		cmocka_unit_test(test_map_bss_only), cmocka_unit_test(test_map_no_memory),
		cmocka_unit_test(test_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
