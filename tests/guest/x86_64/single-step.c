// RFLAGS.TF: a trap after every instruction, with the address of the next one; through system
// calls and faults; the flag is cleared in the handler and back after it.
#include "check.h"
#include <ucontext.h>

static volatile int traps, code;
static volatile unsigned long first, last;

static void handler(int sig, siginfo_t *si, void *uc)
{
	unsigned long rip = (unsigned long)((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP];

	(void)sig;
	if (traps++ == 0)
		first = rip;
	last = rip;
	code = si->si_code;
	CHECK_EQ((unsigned long)si->si_addr, rip);
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	unsigned long start, end;
	long ret;

	sigaction(SIGTRAP, &sa, NULL);
	__asm__ volatile(
		"pushfq\n\torl $0x100, (%%rsp)\n\tlea 1f(%%rip), %0\n\tlea 2f(%%rip), %1\n\t"
		"popfq\n\t"
		"1: nop\n\tnop\n\tnop\n\tnop\n\t"
		"pushfq\n\tandl $~0x100, (%%rsp)\n\tpopfq\n2:"
		: "=&r"(start), "=&r"(end)
		:
		: "memory", "cc");
	say("traps %d code %d first +%ld last %ld before the end\n", traps, code,
	    (long)(first - start), (long)(end - last));
	traps = 0;
	__asm__ volatile("pushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\t"
			 "nop\n\tsyscall\n\tnop\n\t"
			 "pushfq\n\tandl $~0x100, (%%rsp)\n\tpopfq"
			 : "=a"(ret)
			 : "0"((long)SYS_getppid)
			 : "memory", "cc", "rcx", "r11");
	CHECK_EQ(ret, getppid());
	say("around a system call: traps %d\n", traps);
	return 0;
}
