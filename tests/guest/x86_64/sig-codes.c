// The processor's exceptions as signals: number and si_code of each, and where the address is told.
#include "check.h"
#include <setjmp.h>

static sigjmp_buf env;
static volatile sig_atomic_t got, code, addr_is_pc;
static volatile uintptr_t addr;

static void handler(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	got = sig;
	code = si->si_code;
	addr = (uintptr_t)si->si_addr;
	addr_is_pc = addr == (uintptr_t)uc->uc_mcontext.gregs[16]; /* rip */
	uc->uc_mcontext.gregs[17] &= ~0x100;                       /* no more single steps */
	siglongjmp(env, 1);
}

#define TRY(name, stmt)                                                                            \
	do {                                                                                       \
		got = 0;                                                                           \
		if (sigsetjmp(env, 1) == 0) {                                                      \
			stmt;                                                                      \
			say("%s: nothing\n", name);                                                \
		} else {                                                                           \
			say("%s: signal %d code %d, address %s\n", name, (int)got, (int)code,      \
			    addr_is_pc ? "pc"                                                      \
			    : addr     ? "other"                                                   \
				       : "0");                                                         \
		}                                                                                  \
	} while (0)

int main(void)
{
	static const int sigs[] = {SIGFPE, SIGILL, SIGTRAP, SIGSEGV, SIGBUS};
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	uint32_t mxcsr = 0x1f80 & ~0x200u; /* divide by zero is not masked */

	for (unsigned i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		CHECK_EQ(sigaction(sigs[i], &sa, NULL), 0);
	TRY("divide by zero",
	    __asm__ volatile("xor %%ecx, %%ecx; mov $1, %%eax; cltd; idiv %%ecx" ::
				     : "eax", "ecx", "edx"));
	TRY("divide overflow",
	    __asm__ volatile("mov $0x80000000, %%eax; cltd; mov $-1, %%ecx; idiv %%ecx" ::
				     : "eax", "ecx", "edx"));
	TRY("SSE divide by zero",
	    __asm__ volatile("ldmxcsr %0; pxor %%xmm0, %%xmm0; mov $1, %%eax; cvtsi2sd %%eax, "
			     "%%xmm1; divsd %%xmm0, %%xmm1" ::"m"(mxcsr)
			     : "eax", "xmm0", "xmm1"));
	mxcsr = 0x1f80;
	__asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
	TRY("ud2", __asm__ volatile("ud2"));
	TRY("int3", __asm__ volatile("int3"));
	TRY("hlt", __asm__ volatile("hlt"));
	TRY("cli", __asm__ volatile("cli"));
	TRY("bad address",
	    __asm__ volatile("movabs $0x8000000000000000, %%rax; mov (%%rax), %%rax" ::
				     : "rax"));
	TRY("single step", __asm__ volatile("pushf; orq $0x100, (%%rsp); popf; nop; nop" ::
						    : "memory", "cc"));
	return 0;
}
