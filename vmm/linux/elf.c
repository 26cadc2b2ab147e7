/*
 * ELF headers. Nothing here trusts the file: every sum is checked before it is made.
 */
#include "elf.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* All of it, or -ENOEXEC if the file ends first. */
static int read_all(elf_read_fn *read, void *arg, void *buf, size_t len, uint64_t pos)
{
	ssize_t n;

	if (pos > INT64_MAX - len)
		return -ENOEXEC;
	n = read(arg, buf, len, pos);
	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -ENOEXEC;
}

static int check_header(const Elf64_Ehdr *eh, unsigned machine)
{
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB)
		return -ENOEXEC;
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return -ENOEXEC;
	if (eh->e_machine != machine || eh->e_phentsize != sizeof(Elf64_Phdr))
		return -ENOEXEC;
	if (eh->e_phnum == 0 || eh->e_phnum * sizeof(Elf64_Phdr) > ELF_PHDRS_MAX)
		return -ENOEXEC;
	return 0;
}

static int read_interp(struct elf_image *img, const Elf64_Phdr *ph, elf_read_fn *read, void *arg)
{
	int r;

	if (ph->p_filesz < 2 || ph->p_filesz > PATH_MAX)
		return -ENOEXEC;
	img->interp = malloc(ph->p_filesz);
	if (!img->interp)
		return -ENOMEM;
	r = read_all(read, arg, img->interp, ph->p_filesz, ph->p_offset);
	if (r < 0)
		return r == -ENOEXEC ? -EIO : r;
	return img->interp[ph->p_filesz - 1] == '\0' ? 0 : -ENOEXEC;
}

/* The span of the segments, saturated: elf_check_segments refuses what does not fit. */
static void measure(struct elf_image *img)
{
	uint64_t low = UINT64_MAX, high = 0;

	img->align = PAGE_SIZE;
	for (unsigned i = 0; i < img->eh.e_phnum; i++) {
		const Elf64_Phdr *ph = &img->ph[i];
		uint64_t end;

		if (ph->p_type != PT_LOAD || ph->p_memsz == 0)
			continue;
		if (ph->p_align > img->align && (ph->p_align & (ph->p_align - 1)) == 0)
			img->align = ph->p_align;
		if (__builtin_add_overflow(ph->p_vaddr, ph->p_memsz, &end) || end > INT64_MAX)
			end = INT64_MAX;
		if (page_down(ph->p_vaddr) < low)
			low = page_down(ph->p_vaddr);
		if (page_up(end) > high)
			high = page_up(end);
	}
	if (low <= high) {
		img->low = low;
		img->high = high;
	}
}

static int parse(struct elf_image *img, elf_read_fn *read, void *arg, unsigned machine)
{
	size_t size;
	int r;

	r = read_all(read, arg, &img->eh, sizeof(img->eh), 0);
	if (r < 0)
		return r;
	r = check_header(&img->eh, machine);
	if (r < 0)
		return r;
	size = img->eh.e_phnum * sizeof(Elf64_Phdr);
	img->ph = malloc(size);
	if (!img->ph)
		return -ENOMEM;
	r = read_all(read, arg, img->ph, size, img->eh.e_phoff);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < img->eh.e_phnum; i++) {
		const Elf64_Phdr *ph = &img->ph[i];

		if (ph->p_type == PT_INTERP && !img->interp) {
			r = read_interp(img, ph, read, arg);
			if (r < 0)
				return r;
		}
		if (ph->p_type == PT_GNU_STACK)
			img->exec_stack = (ph->p_flags & PF_X) != 0;
	}
	measure(img);
	return 0;
}

int elf_parse(struct elf_image *img, elf_read_fn *read, void *arg, unsigned machine)
{
	int r;

	memset(img, 0, sizeof(*img));
	r = parse(img, read, arg, machine);
	if (r < 0)
		elf_free(img);
	return r;
}

void elf_free(struct elf_image *img)
{
	free(img->ph);
	free(img->interp);
	memset(img, 0, sizeof(*img));
}

static int check_segment(const Elf64_Phdr *ph, uint64_t file_size, uint64_t span)
{
	if (ph->p_filesz > ph->p_memsz)
		return -EINVAL;
	if (ph->p_memsz > span || ph->p_vaddr > span - ph->p_memsz)
		return -EINVAL;
	if (ph->p_filesz == 0)
		return 0;
	if (((ph->p_vaddr ^ ph->p_offset) & (PAGE_SIZE - 1)) != 0)
		return -EINVAL;
	if (ph->p_offset > INT64_MAX - ph->p_filesz)
		return -EINVAL;
	if (ph->p_offset + ph->p_filesz > file_size)
		return -ENOEXEC;
	return 0;
}

int elf_check_segments(const struct elf_image *img, uint64_t file_size, uint64_t user_min,
		       uint64_t user_end)
{
	bool any = false;

	for (unsigned i = 0; i < img->eh.e_phnum; i++) {
		const Elf64_Phdr *ph = &img->ph[i];
		int r;

		if (ph->p_type != PT_LOAD)
			continue;
		any = true;
		r = check_segment(ph, file_size, user_end);
		if (r < 0)
			return r;
		if (img->eh.e_type == ET_EXEC && ph->p_memsz && page_down(ph->p_vaddr) < user_min)
			return -EINVAL;
	}
	if (!any || img->low >= img->high)
		return -ENOEXEC;
	if (img->align > user_end - user_min ||
	    img->high - img->low > user_end - user_min - img->align)
		return -ENOMEM;
	return 0;
}

uint64_t elf_phdr_addr(const struct elf_image *img)
{
	for (unsigned i = 0; i < img->eh.e_phnum; i++) {
		const Elf64_Phdr *ph = &img->ph[i];

		if (ph->p_type == PT_LOAD && ph->p_offset <= img->eh.e_phoff &&
		    img->eh.e_phoff - ph->p_offset < ph->p_filesz)
			return ph->p_vaddr + (img->eh.e_phoff - ph->p_offset);
	}
	return 0;
}
