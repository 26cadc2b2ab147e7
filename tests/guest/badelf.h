/*
 * Broken ELF images, made from a small good one: what the loader must refuse, or what must kill
 * the program and nobody else. Used by tests/guest/tools/mkbad.c (as vmbox's own IMAGE) and by
 * tests/guest/bad-exec.c (as the argument of execve inside).
 */
#ifndef TESTS_GUEST_BADELF_H
#define TESTS_GUEST_BADELF_H

#include <elf.h>
#include <stdint.h>
#include <string.h>

#define BADELF_BASE 0x400000ul
#define BADELF_MAX  16384

#if defined(__x86_64__)
#define BADELF_MACHINE EM_X86_64
/* mov $231, %eax; mov $42, %edi; syscall */
#define BADELF_EXIT42 "\xb8\xe7\x00\x00\x00\xbf\x2a\x00\x00\x00\x0f\x05"
#else
#define BADELF_MACHINE EM_AARCH64
/* mov x8, #94; mov x0, #42; svc #0 */
#define BADELF_EXIT42  "\xc8\x0b\x80\xd2\x40\x05\x80\xd2\x01\x00\x00\xd4"
#endif

static const char *const badelf_names[] = {
	"good",           "empty",         "text",           "magic-only",      "short-header",
	"bad-magic",      "class32",       "big-endian",     "wrong-machine",   "relocatable",
	"core",           "no-phdrs",      "phdrs-beyond",   "phdr-size",       "phdrs-many",
	"phoff-overflow", "no-load",       "segment-beyond", "offset-overflow", "filesz-over-memsz",
	"vaddr-wraps",    "vaddr-kernel",  "memsz-huge",     "memsz-terabyte",  "unaligned",
	"overlapping",    "entry-nowhere", "entry-kernel",   "entry-noncanon",  "interp-missing",
	"interp-empty",   "interp-long",   "interp-no-nul",  "interp-text",     "interp-dir",
	"interp-beyond",  "align-bad",     "vaddr-zero",     "memsz-zero",      "noexec-segment",
};

struct badelf {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[3];
	char interp[64];
	unsigned char code[32];
};

/* Builds the image of that name; returns its length. buf has BADELF_MAX bytes. */
static inline size_t badelf_make(const char *name, unsigned char *buf)
{
	struct badelf e = {0};
	size_t len = 8192;
	Elf64_Phdr *load = &e.ph[0], *second = &e.ph[1];

	memcpy(e.eh.e_ident, ELFMAG, SELFMAG);
	e.eh.e_ident[EI_CLASS] = ELFCLASS64;
	e.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	e.eh.e_ident[EI_VERSION] = EV_CURRENT;
	e.eh.e_type = ET_EXEC;
	e.eh.e_machine = BADELF_MACHINE;
	e.eh.e_version = EV_CURRENT;
	e.eh.e_entry = BADELF_BASE + offsetof(struct badelf, code);
	e.eh.e_phoff = offsetof(struct badelf, ph);
	e.eh.e_ehsize = sizeof(e.eh);
	e.eh.e_phentsize = sizeof(Elf64_Phdr);
	e.eh.e_phnum = 1;
	*load = (Elf64_Phdr){.p_type = PT_LOAD,
			     .p_flags = PF_R | PF_X,
			     .p_vaddr = BADELF_BASE,
			     .p_paddr = BADELF_BASE,
			     .p_filesz = 4096,
			     .p_memsz = 4096,
			     .p_align = 4096};
	*second = (Elf64_Phdr){.p_type = PT_LOAD,
			       .p_flags = PF_R | PF_W,
			       .p_offset = 4096,
			       .p_vaddr = BADELF_BASE + 0x10000,
			       .p_filesz = 4096,
			       .p_memsz = 8192,
			       .p_align = 4096};
	memcpy(e.code, BADELF_EXIT42, sizeof(BADELF_EXIT42) - 1);
#define IS(which) (strcmp(name, which) == 0)
	if (IS("empty"))
		return 0;
	if (IS("text"))
		return (size_t)(stpcpy((char *)buf, "not a program\n") - (char *)buf);
	if (IS("magic-only"))
		len = 4;
	if (IS("short-header"))
		len = 40;
	if (IS("bad-magic"))
		e.eh.e_ident[1] = 'X';
	if (IS("class32"))
		e.eh.e_ident[EI_CLASS] = ELFCLASS32;
	if (IS("big-endian"))
		e.eh.e_ident[EI_DATA] = ELFDATA2MSB;
	if (IS("wrong-machine"))
		e.eh.e_machine = EM_PPC64;
	if (IS("relocatable"))
		e.eh.e_type = ET_REL;
	if (IS("core"))
		e.eh.e_type = ET_CORE;
	if (IS("no-phdrs"))
		e.eh.e_phnum = 0;
	if (IS("phdrs-beyond"))
		e.eh.e_phoff = 8192 - 8;
	if (IS("phdr-size"))
		e.eh.e_phentsize = 20;
	if (IS("phdrs-many"))
		e.eh.e_phnum = 65535;
	if (IS("phoff-overflow"))
		e.eh.e_phoff = ~0ul - 20;
	if (IS("no-load"))
		load->p_type = PT_NOTE;
	if (IS("segment-beyond")) {
		load->p_offset = 1 << 20;
	}
	if (IS("offset-overflow"))
		load->p_offset = ~0ul & ~0xffful;
	if (IS("filesz-over-memsz"))
		load->p_memsz = 100;
	if (IS("vaddr-wraps")) {
		e.eh.e_phnum = 2;
		second->p_vaddr = ~0ul & ~0xffful;
		second->p_memsz = 0x10000;
	}
	if (IS("vaddr-kernel")) {
		e.eh.e_phnum = 2;
		second->p_vaddr = 0xffffffff80000000;
	}
	if (IS("memsz-huge")) {
		e.eh.e_phnum = 2;
		second->p_memsz = 1ul << 63;
	}
	if (IS("memsz-terabyte")) {
		e.eh.e_phnum = 2;
		second->p_memsz = 1ul << 46;
	}
	if (IS("unaligned"))
		load->p_vaddr += 100;
	if (IS("overlapping")) {
		e.eh.e_phnum = 2;
		second->p_vaddr = BADELF_BASE;
		second->p_flags = PF_R;
	}
	if (IS("entry-nowhere"))
		e.eh.e_entry = 0x10;
	if (IS("entry-kernel"))
		e.eh.e_entry = 0xffffffff80001000;
	if (IS("entry-noncanon"))
		e.eh.e_entry = 0x0000900000000000;
	if (strncmp(name, "interp-", 7) == 0) {
		e.eh.e_phnum = 2;
		*second = *load;
		*load = (Elf64_Phdr){.p_type = PT_INTERP,
				     .p_flags = PF_R,
				     .p_offset = offsetof(struct badelf, interp)};
		if (IS("interp-missing"))
			strcpy(e.interp, "/no/such/interpreter");
		if (IS("interp-text"))
			strcpy(e.interp, "/dev/null");
		if (IS("interp-dir"))
			strcpy(e.interp, "/tmp");
		load->p_filesz = strlen(e.interp) + 1;
		if (IS("interp-empty"))
			load->p_filesz = 0;
		if (IS("interp-long"))
			load->p_filesz = 5000;
		if (IS("interp-no-nul")) {
			memset(e.interp, 'x', sizeof(e.interp));
			load->p_filesz = sizeof(e.interp);
		}
		if (IS("interp-beyond")) {
			load->p_offset = 1 << 20;
			load->p_filesz = 20;
		}
	}
	if (IS("align-bad"))
		load->p_align = 12345;
	if (IS("vaddr-zero")) {
		load->p_vaddr = 0;
		e.eh.e_entry = offsetof(struct badelf, code);
	}
	if (IS("memsz-zero")) {
		load->p_filesz = 0;
		load->p_memsz = 0;
	}
	if (IS("noexec-segment"))
		load->p_flags = PF_R;
#undef IS
	memset(buf, 0, 8192);
	memcpy(buf, &e, sizeof(e));
	return len;
}

#endif
