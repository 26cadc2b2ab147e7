// native: no
// expect-stdout: its own
// cflags: -mno-avx
// A program can leave the guest through the stub with an FP image in its channel page that is not
// what its FP registers hold, but what another process expects there. That one gets its own
// registers nevertheless. Where there is no such page there is nothing to forge.
#include "check.h"

#define PAGE  ((volatile unsigned char *)0xffffffffc0000000ul)
#define WORDS ((volatile uint64_t *)0xffffffffc0000000ul)
#define STUB  0xffffffff80003000ul
#define MXCSR 0xff80u /* rounds towards zero, and flushes to zero; 0x1f80 is usual */

/* channel page: words, and the byte at which the FP image begins */
enum { PC = 7, FLAGS = 17, AX = 19, DX = 20, IMAGE = 0x400, IMAGE_END = 0x1000 };

static unsigned char image[IMAGE_END - IMAGE] __attribute__((aligned(64)));

static void touch(void *arg)
{
	(void)arg;
	_exit(PAGE[0] & 0);
}

/* The doorbell behind which the FP registers have been left in the page. */
static uintptr_t find_doorbell(void)
{
	const unsigned char *stub = (const unsigned char *)STUB;

	for (size_t at = 0; at < 0xfff; at++)
		if (stub[at] == 0xe6 && stub[at + 1] == 0x22)
			return STUB + at;
	return 0;
}

/* Tells whether the registers are those that the parent had. */
static void look(int result, const uint64_t mark[2])
{
	uint64_t got[2];
	unsigned mxcsr;
	char own;

	__asm__ volatile("movups %%xmm15, %0\n\tstmxcsr %1" : "=m"(got), "=m"(mxcsr));
	own = !memcmp(got, mark, sizeof(got)) && (mxcsr & ~0x3fu) == 0x1f80;
	_exit(write(result, &own, 1) != 1);
}

/* wait4(-1, NULL, 0, NULL) by the doorbell, with `image` in the page and other registers. */
static void wait_with_forged_image(uintptr_t doorbell)
{
	static const uint64_t other[2] = {0x4141414141414141, 0x4242424242424242};
	unsigned mxcsr = MXCSR;

	for (size_t i = 0; i < sizeof(image); i++)
		PAGE[IMAGE + i] = image[i];
	WORDS[FLAGS] = 0x202;
	WORDS[AX] = SYS_wait4;
	WORDS[DX] = 0;
	__asm__ volatile("movups %2, %%xmm15\n\t"
			 "ldmxcsr %3\n\t"
			 "lea 1f(%%rip), %%rcx\n\t"
			 "mov %%rcx, 0x38(%1)\n\t"
			 "xor %%r10d, %%r10d\n\t"
			 "mov %4, %%eax\n\t"
			 "jmp *%0\n1:"
			 :
			 : "r"(doorbell), "r"(WORDS), "m"(other), "m"(mxcsr), "i"(SYS_wait4),
			   "D"(-1L), "S"(0L), "d"(0L)
			 : "rax", "rcx", "r10", "r11", "memory", "cc", "xmm15");
}

static void attack(void *arg)
{
	static const uint64_t mark[2] = {0x1111111111111111, 0x2222222222222222};
	uintptr_t doorbell = find_doorbell();
	int *result = arg;
	long pid;

	CHECK(doorbell);
	__asm__ volatile("movups %1, %%xmm15\n\t"
			 "syscall"
			 : "=a"(pid)
			 : "m"(mark), "a"((long)SYS_fork)
			 : "rcx", "r11", "memory", "xmm15");
	if (pid == 0)
		look(result[1], mark);
	/* What the child has by now. */
	__asm__ volatile("movups %1, %%xmm15\n\t"
			 "xsave64 %0"
			 : "+m"(image)
			 : "m"(mark), "a"(-1), "d"(-1)
			 : "xmm15");
	wait_with_forged_image(doorbell);
}

int main(void)
{
	int status = run_child(touch, NULL), result[2];
	char own;

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) {
		say("its own\n");
		return 0;
	}
	CHECK_EQ(status, 0);
	make_pipe(result);
	for (int round = 0; round < 20; round++) {
		run_child(attack, result);
		CHECK_EQ(read(result[0], &own, 1), 1);
		CHECK(own);
	}
	say("its own\n");
	return 0;
}
