/*
 * ELF images: reading and checking their headers (elf.c), mapping them (elf_map.c).
 *
 * Follows Linux 6.12's fs/binfmt_elf.c: what it refuses before the old program is gone is refused
 * by elf_parse() with the same errno; what it discovers only while it maps is found by
 * elf_check_segments().
 */
#ifndef VMBOX_LINUX_ELF_H
#define VMBOX_LINUX_ELF_H

#include "../core/core.h"
#include "../../paging/mm.h"

#include <elf.h>

#define ELF_PHDRS_MAX 65536 /* bytes of program headers, as Linux */

/* Reads up to len bytes of the image at pos: bytes or a negative errno. */
typedef ssize_t elf_read_fn(void *arg, void *buf, size_t len, uint64_t pos);

struct elf_image {
	Elf64_Ehdr eh;
	Elf64_Phdr *ph;     /* eh.e_phnum of them; owned */
	char *interp;       /* PT_INTERP's path, or NULL; owned */
	bool exec_stack;    /* PT_GNU_STACK asks for it */
	uint64_t low, high; /* page-aligned span of the loadable segments; equal: none */
	uint64_t align;     /* the largest p_align of them, at least a page, a power of two */
};

/*
 * Reads and checks the headers. machine: the wanted e_machine. 0, and *img must be given to
 * elf_free(); -ENOEXEC: not an ELF that this machine runs (magic, class, type, machine, header
 * sizes, truncated headers, bad PT_INTERP); -EIO: a truncated PT_INTERP; -ENOMEM, or what read
 * returned.
 */
int elf_parse(struct elf_image *img, elf_read_fn *read, void *arg, unsigned machine);
void elf_free(struct elf_image *img);

/*
 * Checks the loadable segments against the file's size and [user_min, user_end): 0; -EINVAL:
 * p_filesz > p_memsz, an address that wraps or lies outside, an offset that is not congruent to the
 * address, or that wraps; -ENOEXEC: contents past the end of the file; nothing to load. -ENOMEM:
 * more memory than the address space has.
 */
int elf_check_segments(const struct elf_image *img, uint64_t file_size, uint64_t user_min,
		       uint64_t user_end);

/* Where the file's program headers are in memory, unbiased; 0: in no segment. */
uint64_t elf_phdr_addr(const struct elf_image *img);

/* One image to map into a new address space. */
struct elf_map {
	struct mm *mm;
	const struct elf_image *img;
	struct memobj *obj; /* the file's pages, borrowed */
	void *file;         /* what the VMAs name */
	uint64_t bias;      /* added to every p_vaddr */
	bool may_wait;      /* for a disk, to bring pages in */
};
/*
 * Maps every segment, zeroes and maps the bss, and brings the first pages in. *end: the end of the
 * bss, page aligned. 0, -ENOMEM, -EFAULT (I/O error), -EEXIST (outside what is free).
 */
int elf_map_segments(const struct elf_map *m, uint64_t *end);

#endif
