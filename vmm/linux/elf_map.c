/*
 * ELF segments into an address space.
 *
 * A page fault from the guest costs an exit, so what a small program will touch anyway is mapped
 * here: the file's pages, shared with every process that runs it, and private copies of the data.
 */
#include "away.h"
#include "elf.h"
#include "vfs.h"

/* Pages brought in for each segment: at most the whole of a small static program. Not those that a
 * disk would have to be waited for. */
#define EAGER_FILE_PAGES 512
#define EAGER_DATA_PAGES 32
#define EAGER_BSS_PAGES  32

static unsigned segment_prot(const Elf64_Phdr *ph)
{
	unsigned prot = 0;

	if (ph->p_flags & PF_R)
		prot |= VMA_READ;
	if (ph->p_flags & PF_W)
		prot |= VMA_WRITE;
	if (ph->p_flags & PF_X)
		prot |= VMA_EXEC;
	return prot;
}

/*
 * The rest of the file's last page: zeroes, as a part of the bss. Linux does so only where the
 * segment can be written.
 */
static int zero_tail(struct mm *mm, uint64_t from)
{
	static const uint8_t zeroes[PAGE_SIZE];
	uint64_t to = page_up(from);

	return from == to ? 0 : guest_poke(mm, gva(from), zeroes, to - from);
}

/* 0; -EHOSTWAIT: the file's last page has to be waited for. */
static int tail_at_hand(const struct elf_map *m, const Elf64_Phdr *ph)
{
	uint64_t last = ph->p_offset + ph->p_filesz - 1, next = last >> PAGE_SHIFT;
	char byte;

	if (!memobj_next_resident(m->obj, &next) && next == last >> PAGE_SHIFT)
		return 0;
	return m->file && vfs_pread(m->file, &byte, 1, last) == -EHOSTWAIT ? -EHOSTWAIT : 0;
}

static int map_file_part(const struct elf_map *m, const Elf64_Phdr *ph, unsigned prot)
{
	uint64_t start = page_down(ph->p_vaddr + m->bias);
	uint64_t end = page_up(ph->p_vaddr + m->bias + ph->p_filesz);
	struct mm_map map = {
		.addr = start,
		.len = end - start,
		.flags = prot,
		.fixed = true,
		.obj = m->obj,
		.pgoff = page_down(ph->p_offset) >> PAGE_SHIFT,
		.file = m->file,
	};
	uint64_t at;
	int r = mm_mmap(m->mm, &map, &at);

	if (r == 0)
		mm_map_eager(m->mm, start, end - start,
			     prot & VMA_WRITE ? EAGER_DATA_PAGES : EAGER_FILE_PAGES, m->may_wait);
	return r;
}

static int map_segment(const struct elf_map *m, const Elf64_Phdr *ph)
{
	unsigned prot = segment_prot(ph);
	uint64_t data_end = ph->p_vaddr + m->bias + ph->p_filesz;
	uint64_t bss = ph->p_filesz ? page_up(data_end) : page_down(data_end);
	uint64_t end = page_up(ph->p_vaddr + m->bias + ph->p_memsz);
	struct mm_map map = {.addr = bss, .fixed = true};
	uint64_t at;
	int r;

	if (ph->p_filesz) {
		r = map_file_part(m, ph, prot);
		if (r < 0)
			return r;
		if (ph->p_memsz > ph->p_filesz && (prot & VMA_WRITE)) {
			r = tail_at_hand(m, ph);
			if (r == 0)
				r = zero_tail(m->mm, data_end);
			if (r < 0)
				return r;
		}
	}
	if (bss >= end)
		return 0;
	/* Linux makes every bss writable, and executable if its segment is. */
	map.len = end - bss;
	map.flags = VMA_READ | VMA_WRITE | (prot & VMA_EXEC);
	r = mm_mmap(m->mm, &map, &at);
	if (r == 0)
		mm_map_eager(m->mm, bss, map.len, EAGER_BSS_PAGES, false);
	return r;
}

int elf_map_segments(const struct elf_map *m, uint64_t *end)
{
	for (unsigned i = 0; i < m->img->eh.e_phnum; i++) {
		const Elf64_Phdr *ph = &m->img->ph[i];
		int r;

		if (ph->p_type != PT_LOAD || ph->p_memsz == 0)
			continue;
		r = map_segment(m, ph);
		if (r < 0)
			return r;
	}
	*end = m->img->high + m->bias;
	return 0;
}
