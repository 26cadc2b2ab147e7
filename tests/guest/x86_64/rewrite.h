/*
 * What the tests of rewritten system-call sites share: sites in pages of their own, and a way to
 * make one hot.
 */
#ifndef TESTS_GUEST_X86_64_REWRITE_H
#define TESTS_GUEST_X86_64_REWRITE_H

#include "check.h"
#include <ucontext.h>

#define HOT 100 /* by then a site has been rewritten, if it ever is */

/* A page of the text: hot_NAME makes the call NR; hot_NAME_call is its SYSCALL, hot_NAME_end is
 * behind it. */
#define SITE_PAGE(name, insns)                                                                     \
	__asm__(".pushsection .text\n\t.p2align 12\n"                                              \
		"hot_" #name ":\n\t" insns "\n"                                                    \
		"hot_" #name "_call:\n\tsyscall\n"                                                 \
		"hot_" #name "_end:\n\tmov %rax, %rax\n\tret\n\t"                                  \
		".p2align 12\n\t.popsection");                                                     \
	long hot_##name(long a, long b, long c);                                                   \
	extern const unsigned char hot_##name##_call[], hot_##name##_end[]

/* The bytes of a function in memory, as they are now. */
HELPER void read_text(const void *at, unsigned char *out, size_t n)
{
	const volatile unsigned char *p = at;

	for (size_t i = 0; i < n; i++)
		out[i] = p[i];
}

/* How many mappings of vmbox's own there are, and the first ones' addresses. */
HELPER int own_mappings(uintptr_t at[], int max)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	int n = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, "[vmbox]"))
			continue;
		CHECK(strstr(line, " r-xp "));
		if (n < max)
			at[n] = strtoul(line, NULL, 16);
		n++;
	}
	fclose(f);
	return n;
}

#endif
