// vmbox-options: --rewrite=on
// A system call at a site that becomes hot: every register and all flags are as SYSCALL leaves
// them, each time; rcx is the return address and r11 the flags. In every form of site that may be
// rewritten, and in some that only look alike.
#include "rewrite.h"

enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, R8, R9, R10, R11, R12, R13, R14, R15, FLAGS, REGS };

static unsigned long in[REGS], out[REGS];
static unsigned long saved_sp, sp_after, behind;

/*
 * Loads all registers from in[], runs the instructions and a SYSCALL with an 8-byte argument on
 * the stack, and stores all registers in out[].
 */
#define ATTEMPT(name, insns)                                                                       \
	static __attribute__((noinline)) void name(void)                                           \
	{                                                                                          \
		__asm__ volatile(                                                                  \
			"push %%rbx\n\tpush %%rbp\n\tpush %%r12\n\tpush %%r13\n\tpush "            \
			"%%r14\n\tpush %%r15\n\t"                                                  \
			"mov %%rsp, %[sp]\n\t"                                                     \
			"lea 1f(%%rip), %%rax\n\tmov %%rax, %[behind]\n\t"                         \
			"push $77\n\tpush $77\n\tpush 15*8+%[in]\n\t"                              \
			"mov 0*8+%[in], %%rax\n\tmov 1*8+%[in], %%rbx\n\t"                         \
			"mov 2*8+%[in], %%rcx\n\tmov 3*8+%[in], %%rdx\n\t"                         \
			"mov 4*8+%[in], %%rsi\n\tmov 5*8+%[in], %%rdi\n\t"                         \
			"mov 6*8+%[in], %%rbp\n\tmov 7*8+%[in], %%r8\n\t"                          \
			"mov 8*8+%[in], %%r9\n\tmov 9*8+%[in], %%r10\n\t"                          \
			"mov 10*8+%[in], %%r11\n\tmov 11*8+%[in], %%r12\n\t"                       \
			"mov 12*8+%[in], %%r13\n\tmov 13*8+%[in], %%r14\n\t"                       \
			"mov 14*8+%[in], %%r15\n\tpopfq\n\t" insns "\n\tsyscall\n1:\n\t"           \
			"mov %%rax, 0*8+%[out]\n\tmov %%rbx, 1*8+%[out]\n\t"                       \
			"mov %%rcx, 2*8+%[out]\n\tmov %%rdx, 3*8+%[out]\n\t"                       \
			"mov %%rsi, 4*8+%[out]\n\tmov %%rdi, 5*8+%[out]\n\t"                       \
			"mov %%rbp, 6*8+%[out]\n\tmov %%r8, 7*8+%[out]\n\t"                        \
			"mov %%r9, 8*8+%[out]\n\tmov %%r10, 9*8+%[out]\n\t"                        \
			"mov %%r11, 10*8+%[out]\n\tmov %%r12, 11*8+%[out]\n\t"                     \
			"mov %%r13, 12*8+%[out]\n\tmov %%r14, 13*8+%[out]\n\t"                     \
			"mov %%r15, 14*8+%[out]\n\tpushfq\n\tpop 15*8+%[out]\n\t"                  \
			"mov %%rsp, %[after]\n\tmov %[sp], %%rsp\n\tcld\n\t"                       \
			"pop %%r15\n\tpop %%r14\n\tpop %%r13\n\tpop %%r12\n\tpop %%rbp\n\tpop "    \
			"%%rbx"                                                                    \
			: [out] "=m"(out), [sp] "=m"(saved_sp), [after] "=m"(sp_after),            \
			  [behind] "=m"(behind)                                                    \
			: [in] "m"(in)                                                             \
			: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory",   \
			  "cc");                                                                   \
	}

/* getppid is 110, lseek 8, read 0, write 1, dup 32 */
ATTEMPT(form_mov, "mov $110, %%eax")
ATTEMPT(form_mov_xor_sil, "mov $110, %%eax\n\txor $0x81, %%sil")
ATTEMPT(form_mov_moves, "mov $110, %%eax\n\tmov %%rbp, %%rdi\n\tmov %%r9, %%r8\n\tmov $5, "
			"%%edx\n\txor %%r10d, %%r10d")
ATTEMPT(form_mov_stack, "mov $110, %%eax\n\tmov 8(%%rsp), %%edi\n\tmov 8(%%rsp), %%r8")
ATTEMPT(form_arg6, "mov 8(%%rsp), %%r9")
ATTEMPT(form_xor, "xor %%eax, %%eax")
ATTEMPT(form_reg, "mov %%ebx, %%eax")
ATTEMPT(form_reg_high, "mov %%r13d, %%eax")
ATTEMPT(form_reg_wide, "mov %%rbp, %%rax")
/* These look alike. */
ATTEMPT(like_mov_r8, "mov $110, %%r8d")
ATTEMPT(like_imm64, "movabs $0xb800000000, %%rbx\n\tmov $110, %%rax")
ATTEMPT(like_store, "movl $110, -0x48(%%rsp)")
ATTEMPT(like_xor_r8, "xor %%r8d, %%r8d")
ATTEMPT(like_between, "mov $110, %%eax\n\tmov %%eax, %%edx")
ATTEMPT(like_pushed, "mov $110, %%eax\n\tpushfq\n\tpopfq")
ATTEMPT(like_rip, "mov $110, %%eax\n\tlea 1f(%%rip), %%rdi")

/* Values that depend on what was there. */
#define XOR_81 1
#define AS_R9  2
#define BEHIND 3

struct effect {
	int reg;
	unsigned long value;
};

static const unsigned long flag_sets[] = {0x202, 0x202 | 0x8d5, 0x202 | 0x400, 0x202 | 0x801,
					  0x202 | 0x0d4};

#define ARITHMETIC 0x8d5UL

/*
 * Runs it HOT times. nr: what rax holds before; want: the result (a getppid if it is 0). effects:
 * registers that the instructions change. flags: those that they change.
 */
static void attempt(void (*run)(void), unsigned long nr, long want, const struct effect *effects,
		    unsigned long flags)
{
	if (!want)
		want = getppid();
	for (unsigned long i = 0; i < HOT; i++) {
		for (int n = 0; n < REGS; n++)
			in[n] = 0x1000100010001000UL * (unsigned)(n + 1) + i;
		in[RAX] = in[RBX] = in[R13] = in[RBP] = nr;
		in[RDI] = (unsigned long)-1;
		in[FLAGS] = flag_sets[i % 5];
		run();
		CHECK_EQ(out[RAX], want);
		CHECK_EQ(out[RCX], behind);
		CHECK_EQ(out[R11], out[FLAGS]);
		CHECK_EQ(out[FLAGS] & ~flags, in[FLAGS] & ~flags);
		CHECK_EQ(sp_after, saved_sp - 16);
		for (int n = 0; n < FLAGS; n++) {
			unsigned long expected = in[n];

			if (n == RAX || n == RCX || n == R11)
				continue;
			for (const struct effect *e = effects; e && e->reg; e++)
				if (e->reg == n)
					expected = e->value == XOR_81   ? in[n] ^ 0x81
						   : e->value == AS_R9  ? in[R9]
						   : e->value == BEHIND ? behind
									: e->value;
			CHECK_EQ(out[n], expected);
		}
	}
}

#define EFFECTS(...) ((const struct effect[]){__VA_ARGS__, {0, 0}})

int main(void)
{
	attempt(form_mov, 5, 0, NULL, 0);
	attempt(form_mov_xor_sil, 5, 0, EFFECTS({RSI, XOR_81}), ARITHMETIC);
	attempt(form_mov_moves, 5, 0, EFFECTS({RDI, 5}, {RDX, 5}, {R10, 0}, {R8, AS_R9}),
		ARITHMETIC);
	attempt(form_mov_stack, 5, 0, EFFECTS({RDI, 77}, {R8, 77}), 0);
	attempt(form_arg6, 110, 0, EFFECTS({R9, 77}), 0);
	attempt(form_xor, 110, -EBADF, NULL, ARITHMETIC);
	attempt(form_reg, 110, 0, NULL, 0);
	attempt(form_reg_high, 110, 0, NULL, 0);
	attempt(form_reg_wide, 110, 0, NULL, 0);
	attempt(form_reg_wide, 32, -EBADF, NULL, 0);
	attempt(like_mov_r8, 110, 0, EFFECTS({R8, 110}), 0);
	attempt(like_imm64, 5, 0, EFFECTS({RBX, 0xb800000000}), 0);
	attempt(like_store, 110, 0, NULL, 0);
	attempt(like_xor_r8, 0, -EBADF, EFFECTS({R8, 0}), ARITHMETIC);
	attempt(like_between, 5, 0, EFFECTS({RDX, 110}), 0);
	attempt(like_pushed, 5, 0, NULL, 0);
	attempt(like_rip, 5, 0, EFFECTS({RDI, BEHIND}), 0);
	say("registers and flags as SYSCALL leaves them\n");
	return 0;
}
