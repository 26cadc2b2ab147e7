// A signal that arrives anywhere leaves no trace: general registers, flags, XMM and YMM (where
// the CPU has them), MXCSR and the x87 state survive handlers that ruin them all; system calls
// keep all but rax, rcx and r11.
#include "check.h"

static volatile int hits;

__attribute__((noinline)) static void ruin(void)
{
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n\tmovdqa %%xmm0, %%xmm1\n\t"
			 "movdqa %%xmm0, %%xmm7\n\tmovdqa %%xmm0, %%xmm8\n\t"
			 "movdqa %%xmm0, %%xmm15\n\tfninit\n\tfld1\n\tfldpi\n\tstd\n\tcld" ::
				 : "xmm0", "xmm1", "xmm7", "xmm8", "xmm15", "memory");
	unsigned mxcsr = 0x7f80;

	__asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
}

static void handler(int sig)
{
	(void)sig;
	ruin();
	hits++;
}

/* Fills every register, makes the call number in rax with no arguments of meaning but rdi and
 * rsi, and compares all of them after it. Returns a bit for each register that changed. */
static unsigned long around_syscall(long nr, long a, long b)
{
	unsigned long bad = 0;

	__asm__ volatile(
		"push %%rbp\n\t"
		"mov $0x1111111111111111, %%rbx\n\tmov $0x2222222222222222, %%rbp\n\t"
		"mov $0x8888888888888888, %%r8\n\tmov $0x9999999999999999, %%r9\n\t"
		"mov $0xaaaaaaaaaaaaaaaa, %%r10\n\tmov $0xcccccccccccccccc, %%r12\n\t"
		"mov $0xdddddddddddddddd, %%r13\n\tmov $0xeeeeeeeeeeeeeeee, %%r14\n\t"
		"mov $0x7777777777777777, %%r15\n\tmov $0x5555555555555555, %%rdx\n\t"
		"movq %%rbx, %%xmm0\n\tmovq %%rbp, %%xmm7\n\tmovq %%r8, %%xmm15\n\t"
		"fninit\n\tfldpi\n\tfld1\n\t"
		"stc\n\tsyscall\n\t"
		"mov $0, %%ecx\n\t"
		"setnc %%cl\n\t"
		"xor %%r11d, %%r11d\n\t"
#define CMP(reg, value, bit)                                                                       \
	"mov $" #value ", %%rax\n\tcmp %%rax, %%" #reg "\n\tsetne %%r11b\n\t"                      \
	"shl $" #bit ", %%r11\n\tor %%r11, %%rcx\n\txor %%r11d, %%r11d\n\t"
		CMP(rbx, 0x1111111111111111, 1) CMP(rbp, 0x2222222222222222, 2) CMP(
			r8, 0x8888888888888888, 3) CMP(r9, 0x9999999999999999, 4)
			CMP(r10, 0xaaaaaaaaaaaaaaaa, 5) CMP(r12, 0xcccccccccccccccc, 6) CMP(
				r13, 0xdddddddddddddddd, 7) CMP(r14, 0xeeeeeeeeeeeeeeee,
								8) CMP(r15, 0x7777777777777777, 9)
				CMP(rdx, 0x5555555555555555,
				    10) "movq %%xmm0, %%rbx\n\tmovq %%xmm7, %%rbp\n\tmovq %%xmm15, "
					"%%r8\n\t" CMP(rbx, 0x1111111111111111,
						       11) CMP(rbp, 0x2222222222222222, 12)
						CMP(r8, 0x8888888888888888,
						    13) "fldpi\n\tfcomip %%st(2), %%st\n\tsetne "
							"%%r11b\n\tshl $14, %%r11\n\t"
							"or %%r11, %%rcx\n\tfninit\n\t"
							"pop %%rbp"
		: "=c"(bad), "+a"(nr), "+D"(a), "+S"(b)
		:
		: "rbx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0",
		  "xmm7", "xmm15", "memory", "cc", "st", "st(1)");
	return bad;
}

/* Spins over values held in registers until the handler has run many times. */
static unsigned long under_fire(int until)
{
	unsigned long turns = 0, wrong = 0;
	double x87 = 0;

	while (hits < until) {
		unsigned long a = turns * 3, b = turns ^ 0x5a5a5a5a, c, d;
		unsigned mxcsr;

		__asm__ volatile("movq %2, %%xmm7\n\tmovq %3, %%xmm15\n\tfld1\n\tfldpi\n\t"
				 "mov $3000, %%r12\n\tmov %2, %%r13\n\tmov %3, %%r14\n\t"
				 "1: dec %%r12\n\tjnz 1b\n\t"
				 "cmp %2, %%r13\n\tjne 2f\n\tcmp %3, %%r14\n\tjne 2f\n\t"
				 "movq %%xmm7, %0\n\tmovq %%xmm15, %1\n\tjmp 3f\n\t"
				 "2: xor %0, %0\n\tnot %0\n\tmov %0, %1\n\t"
				 "3: fsubp\n\tfstpl %4"
				 : "=&r"(c), "=&r"(d), "+&r"(a), "+&r"(b), "=m"(x87)
				 :
				 : "xmm7", "xmm15", "r12", "r13", "r14", "st", "st(1)", "cc");
		wrong += c != a || d != b || x87 * x87 < 4.58 || x87 * x87 > 4.59;
		__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
		wrong += mxcsr != 0x1f80 && (mxcsr & ~0x3fu) != 0x1f80;
		turns++;
	}
	return wrong;
}

int main(void)
{
	pid_t pid, self = getpid();

	signal(SIGUSR1, handler);
	say("getppid: changed %lx\n", around_syscall(SYS_getppid, 0, 0));
	say("bad call: changed %lx\n", around_syscall(100000, 0, 0));
	say("kill with handler: changed %lx\n", around_syscall(SYS_kill, self, SIGUSR1));
	CHECK_EQ(hits, 1);
	say("yield: changed %lx\n", around_syscall(SYS_sched_yield, 0, 0));
	pid = fork_ok();
	if (pid == 0) {
		/* Until the parent is done and kills us. */
		while (kill(self, SIGUSR1) == 0)
			sleep_ms(1);
		_exit(0);
	}
	hits = 0;
	say("under fire: wrong %lu\n", under_fire(50));
	kill(pid, SIGKILL);
	reap(pid);
	return 0;
}
