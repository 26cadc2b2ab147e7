// A page fault changes no register, no flag and nothing below the stack pointer, wherever that
// points to.
#include "check.h"

#define PAGE  4096
#define PAGES 256

struct regs {
	uint64_t r[15]; /* rbx rcx rdx rsi rdi rbp r8 .. r15, rsp */
	uint64_t flags;
};

static struct regs in, out;

/*
 * Loads all of `in`, stores a byte to where rax says, and fills `out`. The stack pointer leads to
 * nowhere meanwhile; the flags are set last.
 */
void touch(char *at);
__asm__(".text\n"
	"touch:\n"
	"	push %rbx\n"
	"	push %rbp\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	mov %rsp, touch_stack(%rip)\n"
	"	mov %rdi, %rax\n"
	"	pushq in+120(%rip)\n"
	"	mov in(%rip), %rbx\n"
	"	mov in+8(%rip), %rcx\n"
	"	mov in+16(%rip), %rdx\n"
	"	mov in+24(%rip), %rsi\n"
	"	mov in+32(%rip), %rdi\n"
	"	mov in+40(%rip), %rbp\n"
	"	mov in+48(%rip), %r8\n"
	"	mov in+56(%rip), %r9\n"
	"	mov in+64(%rip), %r10\n"
	"	mov in+72(%rip), %r11\n"
	"	mov in+80(%rip), %r12\n"
	"	mov in+88(%rip), %r13\n"
	"	mov in+96(%rip), %r14\n"
	"	mov in+104(%rip), %r15\n"
	"	popfq\n"
	"	mov in+112(%rip), %rsp\n"
	"	movb $1, (%rax)\n"
	"	mov %rsp, out+112(%rip)\n"
	"	mov touch_stack(%rip), %rsp\n"
	"	pushfq\n"
	"	popq out+120(%rip)\n"
	"	cld\n"
	"	mov %rbx, out(%rip)\n"
	"	mov %rcx, out+8(%rip)\n"
	"	mov %rdx, out+16(%rip)\n"
	"	mov %rsi, out+24(%rip)\n"
	"	mov %rdi, out+32(%rip)\n"
	"	mov %rbp, out+40(%rip)\n"
	"	mov %r8, out+48(%rip)\n"
	"	mov %r9, out+56(%rip)\n"
	"	mov %r10, out+64(%rip)\n"
	"	mov %r11, out+72(%rip)\n"
	"	mov %r12, out+80(%rip)\n"
	"	mov %r13, out+88(%rip)\n"
	"	mov %r14, out+96(%rip)\n"
	"	mov %r15, out+104(%rip)\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbp\n"
	"	pop %rbx\n"
	"	ret\n"
	".bss\n"
	"touch_stack:\n"
	"	.zero 8\n"
	".text\n");

static void touch_all(const char *what, bool write_first)
{
	/* In no order, so that each is a fault of its own. */
	char *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	static const uint64_t flags[] = {0x202, 0x203, 0x246, 0xa97, 0x602, 0xed7};

	CHECK(p != MAP_FAILED);
	if (write_first) {
		memset(p, 1, PAGES * PAGE);
		if (fork_ok() == 0)
			_exit(0);
		CHECK(wait(NULL) > 0);
	}
	for (unsigned i = 0; i < PAGES; i++) {
		for (unsigned r = 0; r < 15; r++)
			in.r[r] = (uint64_t)(i + 1) << 32 | r * 0x01010101u;
		in.flags = flags[i % 6];
		touch(p + (size_t)(i * 37 % PAGES) * PAGE + i % 3000);
		CHECK(memcmp(in.r, out.r, sizeof(in.r)) == 0);
		CHECK_EQ(out.flags & 0xcd5, in.flags & 0xcd5);
		/* So that somebody looks at what this vCPU asks. */
		syscall(SYS_getppid);
	}
	CHECK_EQ(munmap(p, PAGES * PAGE), 0);
	say("%s ok\n", what);
}

int main(void)
{
	touch_all("new pages", false);
	touch_all("copies", true);
	return 0;
}
