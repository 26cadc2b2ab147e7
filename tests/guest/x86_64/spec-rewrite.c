// native: no
// vmbox-options: --rewrite=on
// expect-stdout: as documented
// vmbox(1): "--rewrite=on: hot sites become jumps where ring 3 may ring the doorbell": there a hot
// site begins with a jump, its SYSCALL is still there, and maps has a line "[vmbox]". Elsewhere
// nothing changes.
#include "rewrite.h"

#define ENTRY 0xffffffff80003100ul

SITE_PAGE(a, "mov $110, %eax");
SITE_PAGE(b, "xor %eax, %eax");

/* Is there an entry to jump to? */
static void try(void *arg)
{
	long r;

	(void)arg;
	__asm__ volatile("lea 1f(%%rip), %%rcx\n\tjmp *%[entry]\n\tsyscall\n1:"
			 : "=a"(r)
			 : "0"(SYS_getppid), [entry] "r"(ENTRY)
			 : "rcx", "r11", "memory", "cc");
	_exit(r == getppid() ? 0 : 1);
}

int main(void)
{
	bool possible = run_child(try, NULL) == 0;
	unsigned char a[8], b[8];
	uintptr_t at[8];

	for (int i = 0; i < HOT; i++) {
		CHECK_EQ(hot_a(0, 0, 0), getppid());
		CHECK_EQ(hot_b(-1, 0, 0), -EBADF);
	}
	read_text((void *)hot_a, a, sizeof(a));
	read_text((void *)hot_b, b, sizeof(b));
	CHECK_EQ(a[0], possible ? 0xe9 : 0xb8);
	CHECK_EQ(b[0], possible ? 0xe9 : 0x31);
	CHECK_EQ(a[5] << 8 | a[6], 0x0f05);
	CHECK_EQ(b[2] << 8 | b[3], 0x0f05);
	CHECK_EQ(own_mappings(at, 8) > 0, possible);
	say("as documented\n");
	return 0;
}
