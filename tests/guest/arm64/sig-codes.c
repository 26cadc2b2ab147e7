// The processor's exceptions as signals: number and si_code of each, and where the address is told.
#include "check.h"
#include <setjmp.h>
#include <ucontext.h>

static sigjmp_buf env;
static volatile sig_atomic_t got, code;
static volatile uintptr_t addr, pc;

static void handler(int sig, siginfo_t *si, void *ctx)
{
	got = sig;
	code = si->si_code;
	addr = (uintptr_t)si->si_addr;
	pc = ((ucontext_t *)ctx)->uc_mcontext.pc;
	siglongjmp(env, 1);
}

static const char *address(uintptr_t want)
{
	return addr == pc ? "pc" : addr == want ? "as told" : addr ? "other" : "0";
}

#define TRY(name, want, stmt)                                                                      \
	do {                                                                                       \
		got = 0;                                                                           \
		if (sigsetjmp(env, 1) == 0) {                                                      \
			stmt;                                                                      \
			say("%s: nothing\n", name);                                                \
		} else {                                                                           \
			say("%s: signal %d code %d, address %s\n", name, (int)got, (int)code,      \
			    address(want));                                                        \
		}                                                                                  \
	} while (0)

static void jump(uintptr_t to)
{
	((void (*)(void))to)();
}

int main(void)
{
	static const int sigs[] = {SIGFPE, SIGILL, SIGTRAP, SIGSEGV, SIGBUS};
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	char *page = (char *)map_pages(4096, PROT_READ);
	const uintptr_t tag = 0x5aUL << 56;

	for (unsigned i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		CHECK_EQ(sigaction(sigs[i], &sa, NULL), 0);
	TRY("udf", 0, __asm__ volatile("udf #0"));
	TRY("brk", 0, __asm__ volatile("brk #7"));
	TRY("hvc", 0, __asm__ volatile(".inst 0xd4000002"));
	TRY("smc", 0, __asm__ volatile(".inst 0xd4000003"));
	TRY("hlt", 0, __asm__ volatile("hlt #0"));
	TRY("kernel register", 0, __asm__ volatile("msr ttbr0_el1, xzr"));
	TRY("interrupt mask", 0, __asm__ volatile("msr daifset, #2"));
	TRY("tlbi", 0, __asm__ volatile("tlbi vmalle1"));
	TRY("eret", 0, __asm__ volatile("eret"));
	TRY("null", 16, *(volatile int *)16 = 1);
	TRY("read-only", (uintptr_t)page, *(volatile char *)page = 1);
	TRY("tagged", (uintptr_t)page, *(volatile char *)((uintptr_t)page | tag) = 1);
	TRY("kernel half", 0xffffffff80100000, *(volatile int *)0xffffffff80100000 = 1);
	TRY("beyond", 0x0001000000000000, *(volatile int *)0x0001000000000000 = 1);
	TRY("jump to data", (uintptr_t)page, jump((uintptr_t)page));
	TRY("jump to the kernel half", 0xffffffff80001400, jump(0xffffffff80001400));
	TRY("odd jump", (uintptr_t)page + 2, jump((uintptr_t)page + 2));
	TRY("misaligned exclusive", (uintptr_t)page + 1,
	    __asm__ volatile("ldxr x0, [%0]" ::"r"(page + 1)
			     : "x0", "memory"));
	TRY("misaligned stack", 0,
	    __asm__ volatile("mov x9, sp\n\tsub x10, x9, #8\n\tmov sp, x10\n\tldr x10, [sp]\n\t"
			     "mov sp, x9" ::
				     : "x9", "x10", "memory"));
	TRY("division by zero", 0, __asm__ volatile("udiv x0, x0, xzr" ::: "x0"));
	return 0;
}
