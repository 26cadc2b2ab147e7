// A signal that arrives anywhere leaves no trace: general registers, flags, vector registers, FPCR
// and FPSR survive handlers that ruin them all; system calls keep all but x0.
#include "vregs.h"

static volatile int hits;

static void handler(int sig)
{
	struct vregs r;

	(void)sig;
	vregs_fill(&r, 0x1234567);
	vregs_load(&r);
	vregs_clear();
	__asm__ volatile("subs xzr, xzr, xzr" ::: "cc");
	hits++;
}

struct general {
	uint64_t x[31]; /* x0..x30 but x18, x29 */
	uint64_t flags;
};

/*
 * Fills every general register but sp with in->x (x8 is the call's number), sets the flags, makes
 * the call and stores all in out.
 */
__attribute__((noinline)) static void around_syscall(const struct general *in, struct general *out)
{
	register const struct general *x0 __asm__("x0") = in;
	register struct general *x1 __asm__("x1") = out;

	__asm__ volatile(
		"stp x29, x30, [sp, #-48]!\n\tstp x18, %1, [sp, #16]\n\tmov x9, %0\n\t"
		"ldr x10, [x9, 248]\n\tmsr nzcv, x10\n\t"
		"ldp x0, x1, [x9]\n\tldp x2, x3, [x9, 16]\n\tldp x4, x5, [x9, 32]\n\t"
		"ldp x6, x7, [x9, 48]\n\tldp x10, x11, [x9, 80]\n\tldp x12, x13, [x9, 96]\n\t"
		"ldp x14, x15, [x9, 112]\n\tldp x16, x17, [x9, 128]\n\t"
		"ldp x18, x19, [x9, 144]\n\tldp x20, x21, [x9, 160]\n\t"
		"ldp x22, x23, [x9, 176]\n\tldp x24, x25, [x9, 192]\n\t"
		"ldp x26, x27, [x9, 208]\n\tldp x28, x29, [x9, 224]\n\tldr x30, [x9, 240]\n\t"
		"ldp x8, x9, [x9, 64]\n\t"
		"svc #0\n\t"
		"str x9, [sp, 32]\n\tldr x9, [sp, 24]\n\t"
		"stp x0, x1, [x9]\n\tstp x2, x3, [x9, 16]\n\tstp x4, x5, [x9, 32]\n\t"
		"stp x6, x7, [x9, 48]\n\tstr x8, [x9, 64]\n\tstp x10, x11, [x9, 80]\n\t"
		"stp x12, x13, [x9, 96]\n\tstp x14, x15, [x9, 112]\n\t"
		"stp x16, x17, [x9, 128]\n\tstp x18, x19, [x9, 144]\n\t"
		"stp x20, x21, [x9, 160]\n\tstp x22, x23, [x9, 176]\n\t"
		"stp x24, x25, [x9, 192]\n\tstp x26, x27, [x9, 208]\n\t"
		"stp x28, x29, [x9, 224]\n\tstr x30, [x9, 240]\n\t"
		"ldr x10, [sp, 32]\n\tstr x10, [x9, 72]\n\tmrs x10, nzcv\n\tstr x10, [x9, 248]\n\t"
		"ldr x18, [sp, 16]\n\tldp x29, x30, [sp], #48"
		: "+r"(x0), "+r"(x1)
		:
		: "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
		  "x15", "x16", "x17", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26",
		  "x27", "x28", "x30", "memory", "cc");
}

/* A bit for each register that the call has changed. */
static unsigned long changed(long nr, uint64_t a, uint64_t b, unsigned flags)
{
	struct general in, out;
	unsigned long bad = 0;

	for (unsigned i = 0; i < 31; i++)
		in.x[i] = 0x1111111111111111 * (i % 15 + 1) + i;
	in.x[0] = a;
	in.x[1] = b;
	in.x[8] = (uint64_t)nr;
	in.flags = (uint64_t)flags << 28;
	around_syscall(&in, &out);
	for (unsigned i = 1; i < 31; i++)
		bad |= (unsigned long)(in.x[i] != out.x[i]) << i;
	return bad | (unsigned long)(in.flags != out.flags) << 31;
}

/* Spins over values held in registers until the handler has run many times. */
static unsigned long under_fire(int until)
{
	struct vregs set, got;
	unsigned long turns = 0, wrong = 0;

	while (hits < until) {
		unsigned long a = turns * 3, b = turns ^ 0x5a5a5a5a, c = a, d = b, flags;

		vregs_fill(&set, turns);
		vregs_load(&set);
		__asm__ volatile("mov x9, #3000\n\tmov x10, %0\n\tmov x11, %1\n\tmsr nzcv, %4\n"
				 "1: sub x9, x9, #1\n\tcbnz x9, 1b\n\t"
				 "mov %0, x10\n\tmov %1, x11\n\tmrs %2, nzcv"
				 : "+&r"(c), "+&r"(d), "=&r"(flags)
				 : "r"(a), "r"((turns & 0xf) << 28)
				 : "x9", "x10", "x11", "cc", "memory");
		vregs_store(&got);
		vregs_check(&set, &got);
		wrong += a != c || b != d || flags != (turns & 0xf) << 28;
		turns++;
	}
	return wrong;
}

int main(void)
{
	pid_t pid, self = getpid();

	signal(SIGUSR1, handler);
	say("getppid: changed %lx\n", changed(SYS_getppid, 0, 0, 5));
	say("bad call: changed %lx\n", changed(100000, 0, 0, 10));
	say("kill with handler: changed %lx\n", changed(SYS_kill, (uint64_t)self, SIGUSR1, 15));
	CHECK_EQ(hits, 1);
	say("yield: changed %lx\n", changed(SYS_sched_yield, 0, 0, 6));
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
