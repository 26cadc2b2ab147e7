// The kernel must not touch the program's stack in a system call: a stack pointer of 0, of
// garbage, and the red zone below it survive; a signal that cannot be pushed kills; TF set in a
// system call traps after it.
#include "check.h"

static long with_rsp(unsigned long rsp, long nr)
{
	long ret;

	__asm__ volatile("mov %%rsp, %%rbx\n\tmov %2, %%rsp\n\tsyscall\n\tmov %%rsp, %%r12\n\t"
			 "mov %%rbx, %%rsp\n\tcmp %2, %%r12\n\tje 1f\n\tmov $-1, %%rax\n1:"
			 : "=a"(ret)
			 : "0"(nr), "r"(rsp)
			 : "rcx", "r11", "rbx", "r12", "memory");
	return ret;
}

static int red_zone(long nr)
{
	int changed;

	__asm__ volatile("mov $16, %%ecx\n1: movq $0x5a, -8(%%rsp,%%rcx,8)\n\tloop 1b\n\t"
			 "lea -128(%%rsp), %%r8\n\t"
			 "mov $16, %%ecx\n2: mov $0x77, %%edx\n\tmov %%rdx, -8(%%r8,%%rcx,8)\n\t"
			 "loop 2b\n\t"
			 "syscall\n\t"
			 "xor %0, %0\n\tmov $16, %%ecx\n\tlea -128(%%rsp), %%r8\n"
			 "3: cmpq $0x77, -8(%%r8,%%rcx,8)\n\tsetne %%dl\n\tmovzbl %%dl, %%edx\n\t"
			 "add %%edx, %0\n\tloop 3b"
			 : "=&r"(changed), "+a"(nr)
			 :
			 : "rcx", "rdx", "r8", "r11", "memory", "cc");
	return changed;
}

static __attribute__((noinline)) int try_red_zone(long nr)
{
	volatile char room[512];

	/* The sequence above writes 128 bytes above the stack pointer too. */
	room[0] = room[511] = 0;
	__asm__ volatile("sub $256, %%rsp" ::: "memory");
	int changed = red_zone(nr);

	__asm__ volatile("add $256, %%rsp" ::: "memory");
	return changed;
}

static void handler(int sig)
{
	(void)sig;
}

static void signal_without_stack(void *arg)
{
	signal(SIGUSR1, handler);
	__asm__ volatile("mov %0, %%rsp\n\tmov %%r8d, %%edi\n\tsyscall\n\thlt" ::"r"(arg),
			 "a"((long)SYS_kill), "S"((long)SIGUSR1), "d"(0), "D"((long)getpid()),
			 "r"((long)0)
			 : "memory");
}

static void fault_without_stack(void *arg)
{
	signal(SIGSEGV, handler);
	__asm__ volatile("mov %0, %%rsp\n\tpush %%rax\n\thlt" ::"r"(arg) : "memory");
}

static void sigreturn_garbage(void *arg)
{
	memset(arg, 0xff, 4096);
	__asm__ volatile("mov %0, %%rsp\n\tsyscall\n\thlt" ::"r"((char *)arg + 1024),
			 "a"((long)SYS_rt_sigreturn)
			 : "memory");
}

static void sigreturn_zeros(void *arg)
{
	memset(arg, 0, 4096);
	sigreturn_garbage(arg);
}

static void sigreturn_nowhere(void *arg)
{
	__asm__ volatile("mov %0, %%rsp\n\tsyscall\n\thlt" ::"r"(arg), "a"((long)SYS_rt_sigreturn)
			 : "memory");
}

int main(void)
{
	const unsigned long stacks[] = {
		0, 8, 0x0000800000000000, 0x8000000000000000, 0xffffffff80003000, ~0ul};
	unsigned char *page = map_pages(4096, PROT_READ | PROT_WRITE);
	pid_t parent = getppid();

	for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
		CHECK_EQ(with_rsp(stacks[i], SYS_getppid), parent);
		CHECK_EQ(with_rsp(stacks[i], SYS_sched_yield), 0);
		CHECK_EQ(with_rsp(stacks[i], 5000), -ENOSYS);
	}
	say("stack pointers ok\n");
	say("red zone: changed %d %d %d\n", try_red_zone(SYS_getppid),
	    try_red_zone(SYS_sched_yield), try_red_zone(5000));
	for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
		void *at = (void *)stacks[i];

		say("stack %zx: signal in call %s", i,
		    status_text(run_child(signal_without_stack, at)));
		say(", fault %s", status_text(run_child(fault_without_stack, at)));
		say(", sigreturn %s\n", status_text(run_child(sigreturn_nowhere, at)));
	}
	say("sigreturn of garbage: %s\n", status_text(run_child(sigreturn_garbage, page)));
	say("sigreturn of zeros: %s\n", status_text(run_child(sigreturn_zeros, page)));
	return 0;
}
