// nested: no
// iretq and far returns into ring 0 from ring 3: a general protection fault, whatever lies on the
// stack. (QEMU's emulation of these brings the whole emulated machine down, natively too.)
#include "check.h"

static void iret(void *selectors)
{
	unsigned long cs = (unsigned long)selectors & 0xffff, ss = (unsigned long)selectors >> 16;

	__asm__ volatile("mov %%rsp, %%rax\n\tpush %1\n\tpush %%rax\n\tpushfq\n\tpush %0\n\t"
			 "lea 1f(%%rip), %%rax\n\tpush %%rax\n\tiretq\n1:"
			 :
			 : "r"(cs), "r"(ss)
			 : "rax", "memory");
}

static void far_return(void *selector)
{
	__asm__ volatile("push %0\n\tlea 1f(%%rip), %%rax\n\tpush %%rax\n\tlretq\n1:"
			 :
			 : "r"(selector)
			 : "rax", "memory");
}

static void iret_garbage(void *stack)
{
	__asm__ volatile("mov %0, %%rsp\n\tiretq" : : "r"(stack) : "memory");
}

int main(void)
{
	unsigned char *page = map_pages(8192, PROT_READ | PROT_WRITE);

	CHECK_EQ(munmap(page + 4096, 4096), 0);
	memset(page, 0xff, 4096);
	say("kernel cs: %s\n", status_text(run_child(iret, (void *)0x180010)));
	say("kernel cs, user ss: %s\n", status_text(run_child(iret, (void *)0x2b0010)));
	say("user cs, kernel ss: %s\n", status_text(run_child(iret, (void *)0x180033)));
	say("the task's segment: %s\n", status_text(run_child(iret, (void *)0x2b0040)));
	say("null: %s\n", status_text(run_child(iret, NULL)));
	say("the user's own: %s\n", status_text(run_child(iret, (void *)0x2b0033)));
	say("far return, kernel: %s\n", status_text(run_child(far_return, (void *)0x10)));
	say("far return, data: %s\n", status_text(run_child(far_return, (void *)0x2b)));
	say("far return, own: %s\n", status_text(run_child(far_return, (void *)0x33)));
	say("garbage: %s\n", status_text(run_child(iret_garbage, page)));
	say("beyond the page: %s\n", status_text(run_child(iret_garbage, page + 4080)));
	say("no stack: %s\n", status_text(run_child(iret_garbage, NULL)));
	return 0;
}
