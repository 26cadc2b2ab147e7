// native: no
// expect-stdout: alive
// Where SYSCALL does not raise the privilege level, the page that it enters is executable for
// programs too, and they may ring its doorbell: whoever jumps into that page, anywhere, or rings
// with any registers, makes at most a system call for himself. Nobody else notices.
#include "check.h"

#define STUB 0xffffffff80003000ul

static void enter(void *to)
{
	/* A system call that does not exist, and a return address in rcx as SYSCALL leaves it. */
	__asm__ volatile("lea 1f(%%rip), %%rcx\n\tmov $5000, %%eax\n\tmov $0x202, %%r11\n\t"
			 "jmp *%0\n1:" ::"r"(to)
			 : "rax", "rcx", "r11", "memory");
}

static void enter_wild(void *to)
{
	__asm__ volatile("mov $-1, %%rax\n\tmov $0x0000800000000000, %%rcx\n\tmov %%rcx, %%rsp\n\t"
			 "mov $-1, %%r11\n\tjmp *%0" ::"r"(to)
			 : "rax", "rcx", "r11", "memory");
}

static void ring(void *arg)
{
	__asm__ volatile("outb %%al, $0x22" : "+a"(arg) : : "rcx", "r11", "memory");
}

static void ring_string(void *arg)
{
	__asm__ volatile("mov $4, %%ecx\n\tmov $0x22, %%edx\n\trep outsb"
			 : "+S"(arg)
			 :
			 : "rcx", "rdx", "memory");
}

static void ring_without_stack(void *arg)
{
	__asm__ volatile("xor %%esp, %%esp\n\tout %%al, $0x22\n\tud2" : : "a"(arg));
}

int main(void)
{
	unsigned char *text = map_pages(4096, PROT_READ);
	int stop[2];
	pid_t busy;

	make_pipe(stop);
	busy = fork_ok();
	if (busy == 0) {
		CHECK_EQ(fcntl(stop[0], F_SETFL, O_NONBLOCK), 0);
		for (long n = 0; read(stop[0], &(char){0}, 1) < 0; n++) {
			pid_t self = getpid();

			CHECK_EQ(syscall(SYS_getpid), self);
			CHECK_ERR(syscall(5001), ENOSYS);
		}
		_exit(0);
	}
	for (unsigned long at = 0; at < 4096; at += at < 128 ? 1 : 61) {
		run_child(enter, (void *)(STUB + at));
		run_child(enter_wild, (void *)(STUB + at));
	}
	for (long nr = -2; nr < 5; nr++)
		run_child(ring, (void *)(nr == 0 ? 100000 : nr));
	run_child(ring, (void *)(long)SYS_fork);
	run_child(ring, (void *)(long)SYS_rt_sigreturn);
	run_child(ring, (void *)(long)SYS_exit);
	run_child(ring_string, text);
	run_child(ring_string, (void *)8);
	run_child(ring_without_stack, (void *)(long)SYS_getppid);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	send_byte(stop[1]);
	reap_ok(busy);
	say("alive\n");
	return 0;
}
