// Jumps to where no code of the program is: kernel half, non-canonical, NULL, the stack, the end
// of the user half, a page's end; a system call at the very end of the address space that
// returns into nothing; returns with a garbage stack.
#include "check.h"

static void jump(void *to)
{
	__asm__ volatile("xor %%eax, %%eax\n\tjmp *%0" ::"r"(to) : "rax");
}

static void call(void *to)
{
	__asm__ volatile("call *%0" ::"r"(to) : "memory");
}

static void jump_via_return(void *to)
{
	__asm__ volatile("push %0\n\tret" ::"r"(to) : "memory");
}

static void show(const char *what, unsigned long to)
{
	say("%s: %s", what, status_text(run_child(jump, (void *)to)));
	say(", %s", status_text(run_child(call, (void *)to)));
	say(", %s\n", status_text(run_child(jump_via_return, (void *)to)));
}

/* `syscall` as the last instruction of a page with nothing behind it. */
static void last_instruction(void *page)
{
	unsigned char *code = page;

	code[4094] = 0x0f;
	code[4095] = 0x05;
	CHECK_EQ(mprotect(code, 4096, PROT_READ | PROT_EXEC), 0);
	__asm__ volatile("mov %1, %%eax\n\tjmp *%0" ::"r"(code + 4094), "i"(SYS_getppid)
			 : "rax", "rcx", "r11");
}

/* The same where the next address is not canonical: the highest page the host allows. */
static void top_instruction(void *arg)
{
	unsigned char *top = mmap((void *)0x7fffffffe000, 4096, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	(void)arg;
	if (top == MAP_FAILED)
		raise(SIGSEGV);
	last_instruction(top);
}

int main(void)
{
	unsigned char *p = map_pages(2 * 4096, PROT_READ | PROT_WRITE);

	CHECK_EQ(munmap(p + 4096, 4096), 0);
	show("NULL", 0);
	show("16", 16);
	show("no-exec", (unsigned long)p);
	show("unmapped", (unsigned long)p + 4096);
	show("user end", 0x7ffffffff000);
	show("non-canonical", 0x0000800000000000);
	show("non-canonical high", 0x8000000000000000);
	show("kernel half", 0xffff800000000000);
	show("vectors", 0xffffffff80001000);
	show("vector 14", 0xffffffff800010e0);
	show("syscall page, supervisor's", 0xffffffff80002000);
	show("idt", 0xffffffff80004000);
	show("gdt", 0xffffffff80100000);
	show("last", ~0ul);
	say("syscall at a page's end: %s\n", status_text(run_child(last_instruction, p)));
	say("syscall at the top: %s\n", status_text(run_child(top_instruction, NULL)));
	return 0;
}
