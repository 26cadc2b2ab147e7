/*
 * The functions of the robust unlock, looked up in the vDSO as a C library looks up the others: by
 * name and version.
 */
#ifndef TESTS_GUEST_VDSO_ROBUST_H
#define TESTS_GUEST_VDSO_ROBUST_H

#include "check.h"
#include <elf.h>
#include <sys/auxv.h>

/* The version that all of the vDSO's symbols have: vdso(7). */
#ifdef __aarch64__
#define VDSO_VERSION "LINUX_2.6.39"
#else
#define VDSO_VERSION "LINUX_2.6"
#endif

typedef uint32_t (*try_unlock_t)(void *lock, uint32_t tid, void *pop);

struct vdso {
	char *base;
	size_t size; /* whole pages */
	const char *strings, *soname;
	const Elf64_Sym *symbols;
	const Elf64_Half *versym;
	const Elf64_Verdef *verdef;
	size_t symbol_count;
};

HELPER void vdso_dynamic(struct vdso *v, const Elf64_Dyn *dyn)
{
	uint64_t soname = 0;

	for (; dyn->d_tag != DT_NULL; dyn++) {
		void *at = v->base + dyn->d_un.d_ptr;

		switch (dyn->d_tag) {
		case DT_STRTAB:
			v->strings = at;
			break;
		case DT_SYMTAB:
			v->symbols = at;
			break;
		case DT_VERSYM:
			v->versym = at;
			break;
		case DT_VERDEF:
			v->verdef = at;
			break;
		case DT_HASH:
			v->symbol_count = ((uint32_t *)at)[1];
			break;
		case DT_SONAME:
			soname = dyn->d_un.d_val;
			break;
		}
	}
	v->soname = v->strings + soname;
}

/* The vDSO at `base`; getauxval(AT_SYSINFO_EHDR) tells where it was at first. */
HELPER void vdso_open(struct vdso *v, char *base)
{
	const Elf64_Phdr *ph;

	CHECK(base);
	memset(v, 0, sizeof(*v));
	v->base = base;
	ph = (const void *)(v->base + ((const Elf64_Ehdr *)v->base)->e_phoff);
	for (int i = 0; i < ((const Elf64_Ehdr *)v->base)->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			v->size = (ph[i].p_memsz + 4095) & ~4095UL;
		if (ph[i].p_type == PT_DYNAMIC)
			vdso_dynamic(v, (const void *)(v->base + ph[i].p_vaddr));
	}
	CHECK(v->size && v->symbols && v->versym && v->verdef && v->symbol_count);
}

HELPER const char *vdso_version(const struct vdso *v, size_t symbol)
{
	const Elf64_Verdef *d = v->verdef;

	while (d->vd_ndx != (v->versym[symbol] & 0x7fff) && d->vd_next)
		d = (const void *)((const char *)d + d->vd_next);
	return v->strings + ((const Elf64_Verdaux *)((const char *)d + d->vd_aux))->vda_name;
}

/* An address, or NULL. */
HELPER char *vdso_symbol(const struct vdso *v, const char *name, const char *version)
{
	for (size_t i = 1; i < v->symbol_count; i++)
		if (v->symbols[i].st_shndx != SHN_UNDEF &&
		    strcmp(v->strings + v->symbols[i].st_name, name) == 0 &&
		    strcmp(vdso_version(v, i), version) == 0)
			return v->base + v->symbols[i].st_value;
	return NULL;
}

#endif
