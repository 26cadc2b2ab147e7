// vmbox-options: --rewrite=on
// A jump straight to the SYSCALL of a hot site makes whatever call rax says; so does one into the
// instructions before it. A step through the site (RFLAGS.TF) sees the program's instructions and
// nothing else.
#include "rewrite.h"

SITE_PAGE(plain, "mov $110, %eax"); /* getppid */
SITE_PAGE(mid, "mov $110, %eax\nhot_mid_mov:\n\tmov %rdi, %rbx\n\tmov $7, %edx");
SITE_PAGE(zero, "xor %eax, %eax"); /* read */
extern const unsigned char hot_mid_mov[];

static long call_at(const void *at, unsigned long rax, unsigned long rdi)
{
	long r;

	__asm__ volatile("call *%[at]"
			 : "=a"(r)
			 : [at] "r"(at), "0"(rax), "D"(rdi), "S"(0), "d"(0)
			 : "rbx", "rcx", "r11", "memory", "cc");
	return r;
}

static void make_hot(void)
{
	for (int i = 0; i < HOT; i++) {
		CHECK_EQ(call_at((void *)hot_plain, 0, 0), getppid());
		CHECK_EQ(call_at((void *)hot_mid, 0, 0), getppid());
		CHECK_EQ(call_at((void *)hot_zero, 0, -1UL), -EBADF);
	}
}

static void jump(void)
{
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(call_at(hot_plain_call, SYS_getpid, 0), getpid());
		CHECK_EQ(call_at(hot_plain_call, SYS_dup, -1UL), -EBADF);
		CHECK_EQ(call_at(hot_mid_call, SYS_getpid, 0), getpid());
		CHECK_EQ(call_at(hot_mid_mov, SYS_getpid, 0), getpid());
		CHECK_EQ(call_at(hot_zero_call, SYS_getpid, 0), getpid());
		CHECK_EQ(call_at((void *)hot_plain, 0, 0), getppid());
		CHECK_EQ(call_at((void *)hot_zero, 1, -1UL), -EBADF);
	}
}

/* ---- steps ---- */

#define STEPS 64

static uintptr_t step[STEPS];
static unsigned long step_rax[STEPS];
static int steps;

static void on_trap(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)si;
	if (steps < STEPS) {
		step_rax[steps] = (unsigned long)uc->uc_mcontext.gregs[REG_RAX];
		step[steps++] = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	}
}

static long stepped_call(void *at)
{
	long r;

	steps = 0;
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\t"
			 "call *%[at]\n\t"
			 "pushfq\n\tandl $~0x100, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp"
			 : "=a"(r)
			 : [at] "r"(at), "0"(0), "D"(-1UL), "S"(0), "d"(0)
			 : "rbx", "rcx", "r11", "memory", "cc");
	return r;
}

/* The steps from `at` to end, as offsets, and rax at each. */
static void step_through(void *at, const unsigned char *end, const char *name)
{
	char text[512] = "";
	long r = stepped_call(at);

	for (int i = 0; i < steps; i++) {
		uintptr_t offset = step[i] - (uintptr_t)at;

		if (step[i] >= (uintptr_t)at && step[i] <= (uintptr_t)end)
			sprintf(text + strlen(text), step_rax[i] < 1000 ? " %lu:%lu" : " %lu",
				offset, step_rax[i]);
	}
	say("%s:%s %s\n", name, text, r == getppid() ? "ppid" : r == -EBADF ? "EBADF" : "?");
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

	CHECK_EQ(sigaction(SIGTRAP, &sa, NULL), 0);
	make_hot();
	jump();
	for (int i = 0; i < 2; i++) {
		step_through((void *)hot_plain, hot_plain_end, "plain");
		step_through((void *)hot_mid, hot_mid_end, "mid");
		step_through((void *)hot_zero, hot_zero_end, "zero");
		make_hot();
		jump();
	}
	return 0;
}
