// variants: static static-pie musl
// The auxiliary vector: every entry that a C library may ask for is there and sane.
#include "check.h"
#include <elf.h>
#include <sys/auxv.h>

int main(int argc, char **argv)
{
	const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
	const char *name = (const char *)getauxval(AT_EXECFN);
	const char *platform = (const char *)getauxval(AT_PLATFORM);
	const Elf64_Ehdr *vdso = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Phdr *phdr = (const Elf64_Phdr *)getauxval(AT_PHDR);
	const unsigned char *sp = __builtin_frame_address(0);
	int zeros = 0, loads = 0;

	(void)argc;
	CHECK_EQ(getauxval(AT_PAGESZ), 4096);
	CHECK_EQ(getauxval(AT_UID), getuid());
	CHECK_EQ(getauxval(AT_EUID), geteuid());
	CHECK_EQ(getauxval(AT_GID), getgid());
	CHECK_EQ(getauxval(AT_EGID), getegid());
	CHECK_EQ(getauxval(AT_SECURE), 0);
	CHECK_EQ(getauxval(AT_CLKTCK), 100);
	CHECK_EQ(getauxval(AT_PHENT), sizeof(Elf64_Phdr));
	CHECK(getauxval(AT_ENTRY) != 0);
	CHECK(random != NULL);
	for (int i = 0; i < 16; i++)
		zeros += random[i] == 0;
	CHECK(zeros < 8);
	CHECK(name != NULL && strcmp(name, argv[0]) == 0);
	CHECK(platform != NULL);
	say("platform %s\n", platform);

	/* The program headers are the program's own. */
	CHECK(phdr != NULL);
	for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) {
		if (phdr[i].p_type == PT_PHDR)
			CHECK(phdr[i].p_memsz == getauxval(AT_PHNUM) * sizeof(Elf64_Phdr));
		loads += phdr[i].p_type == PT_LOAD;
	}
	CHECK(loads > 0);

	CHECK(vdso != NULL);
	CHECK(memcmp(vdso->e_ident, ELFMAG, SELFMAG) == 0);
	CHECK_EQ(vdso->e_type, ET_DYN);

	/* The strings that it points to lie above the stack pointer, on the stack. */
	CHECK((const unsigned char *)name > sp && (const unsigned char *)name < sp + (9 << 20));
	CHECK(random > sp && random < sp + (9 << 20));
	say("ok\n");
	return 0;
}
