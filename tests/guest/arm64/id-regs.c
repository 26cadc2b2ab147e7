// The processor's ID registers as Linux shows them to programs (its cpu-feature-registers
// document): the reads trap and are answered, HWCAP_CPUID says so, and what they show is what
// AT_HWCAP says. What is not shown cannot be used either.
#include "check.h"
#include <asm/hwcap.h>
#include <setjmp.h>
#include <sys/auxv.h>

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

/* MRS x0, S3_0_C0_C<crm>_<op2> */
#define READ(crm, op2)                                                                             \
	({                                                                                         \
		uint64_t value_;                                                                   \
		__asm__ volatile("mrs %0, S3_0_C0_C" TEXT(crm) "_" TEXT(op2) : "=r"(value_));      \
		value_;                                                                            \
	})
#define FIELD(value, at) ((unsigned)((value) >> (at)&15))

static sigjmp_buf env;
static volatile sig_atomic_t code;

static void handler(int sig, siginfo_t *si, void *ctx)
{
	(void)sig;
	(void)ctx;
	code = si->si_code;
	siglongjmp(env, 1);
}

#define ILLEGAL(name, insn)                                                                        \
	do {                                                                                       \
		code = 0;                                                                          \
		if (sigsetjmp(env, 1) == 0)                                                        \
			__asm__ volatile(insn ::: "x0", "memory");                                 \
		say("%s: %s\n", name, code == ILL_ILLOPC ? "SIGILL" : "no SIGILL");                \
	} while (0)

/* A field of at least `min` goes with a bit of AT_HWCAP or AT_HWCAP2, and only with it. */
static void agree(const char *name, bool field, bool bit)
{
	if (field != bit)
		say("%s: the ID register says %d, AT_HWCAP %d\n", name, field, bit);
}

static void check_hwcap(void)
{
	uint64_t cap = getauxval(AT_HWCAP), cap2 = getauxval(AT_HWCAP2);
	uint64_t pfr0 = READ(4, 0), pfr1 = READ(4, 1), isar0 = READ(6, 0), isar1 = READ(6, 1);

	CHECK(cap & HWCAP_CPUID);
	agree("fp", FIELD(pfr0, 16) != 15, cap & HWCAP_FP);
	agree("asimdhp", FIELD(pfr0, 20) == 1, cap & HWCAP_ASIMDHP);
	agree("dit", FIELD(pfr0, 48) >= 1, cap & HWCAP_DIT);
	agree("sve", FIELD(pfr0, 32) >= 1, cap & HWCAP_SVE);
	agree("bti", FIELD(pfr1, 0) >= 1, cap2 & HWCAP2_BTI);
	agree("ssbs", FIELD(pfr1, 4) >= 2, cap & HWCAP_SSBS);
	agree("mte", FIELD(pfr1, 8) >= 2, cap2 & HWCAP2_MTE);
	agree("sme", FIELD(pfr1, 24) >= 1, cap2 & HWCAP2_SME);
	agree("aes", FIELD(isar0, 4) >= 1, cap & HWCAP_AES);
	agree("pmull", FIELD(isar0, 4) >= 2, cap & HWCAP_PMULL);
	agree("sha512", FIELD(isar0, 12) >= 2, cap & HWCAP_SHA512);
	agree("crc32", FIELD(isar0, 16) >= 1, cap & HWCAP_CRC32);
	agree("atomics", FIELD(isar0, 20) >= 2, cap & HWCAP_ATOMICS);
	agree("flagm2", FIELD(isar0, 52) >= 2, cap2 & HWCAP2_FLAGM2);
	agree("rng", FIELD(isar0, 60) >= 1, cap2 & HWCAP2_RNG);
	agree("dcpop", FIELD(isar1, 0) >= 1, cap & HWCAP_DCPOP);
	agree("paca", FIELD(isar1, 4) || FIELD(isar1, 8), cap & HWCAP_PACA);
	agree("lrcpc", FIELD(isar1, 20) >= 1, cap & HWCAP_LRCPC);
	agree("sb", FIELD(isar1, 36) >= 1, cap & HWCAP_SB);
	agree("i8mm", FIELD(isar1, 52) >= 1, cap2 & HWCAP2_I8MM);
	agree("uscat", FIELD(READ(7, 2), 32) >= 1, cap & HWCAP_USCAT);
	say("as AT_HWCAP says\n");
}

/* What is only known to the kernel reads as its least value, whatever the processor is. */
static void check_hidden(void)
{
	CHECK(READ(0, 0)); /* MIDR_EL1 */
	say("MPIDR %#llx REVIDR %#llx\n", (unsigned long long)READ(0, 5),
	    (unsigned long long)READ(0, 6));
	say("PFR0 %#llx\n", (unsigned long long)(READ(4, 0) & ~0x000f000f00ff0000ULL));
	say("DFR0 %#llx %#llx\n", (unsigned long long)READ(5, 0), (unsigned long long)READ(5, 1));
	say("MMFR0 %#llx\n", (unsigned long long)(READ(7, 0) & ~(15ULL << 60)));
	say("MMFR1 %#llx\n", (unsigned long long)(READ(7, 1) & ~(15ULL << 44)));
	say("MMFR2 %#llx\n", (unsigned long long)(READ(7, 2) & ~(15ULL << 32)));
	say("32-bit %#llx, unknown %#llx %#llx %#llx\n", (unsigned long long)READ(2, 0),
	    (unsigned long long)READ(3, 7), (unsigned long long)READ(4, 7),
	    (unsigned long long)READ(7, 7));
}

/* A read changes its register and nothing else. */
static void check_registers(void)
{
	uint64_t midr = READ(0, 0), x0 = 1, x1 = 2, x2 = 3, x30 = 4, flags, sp0, sp1;
	double d = 1.5;

	__asm__ volatile("mov %[sp0], sp\n\t"
			 "cmp xzr, xzr\n\t"
			 "ldr d31, %[d]\n\t"
			 "mrs xzr, midr_el1\n\t"
			 "mrs x0, midr_el1\n\t"
			 "mrs x1, midr_el1\n\t"
			 "mrs x2, midr_el1\n\t"
			 "mrs x30, midr_el1\n\t"
			 "str d31, %[d]\n\t"
			 "mrs %[flags], nzcv\n\t"
			 "mov %[sp1], sp\n\t"
			 "mov %[x0], x0\n\tmov %[x1], x1\n\tmov %[x2], x2\n\tmov %[x30], x30\n\t"
			 : [sp0] "=&r"(sp0), [sp1] "=&r"(sp1), [flags] "=&r"(flags), [d] "+m"(d),
			   [x0] "=&r"(x0), [x1] "=&r"(x1), [x2] "=&r"(x2), [x30] "=&r"(x30)
			 :
			 : "x0", "x1", "x2", "x30", "v31", "cc", "memory");
	CHECK_EQ(x0, midr);
	CHECK_EQ(x1, midr);
	CHECK_EQ(x2, midr);
	CHECK_EQ(x30, midr);
	CHECK_EQ(flags, 0x60000000); /* equal, no borrow */
	CHECK_EQ(sp0, sp1);
	CHECK(d == 1.5);
	say("one register a read\n");
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	CHECK_EQ(sigaction(SIGILL, &sa, NULL), 0);
	check_hwcap();
	check_hidden();
	check_registers();
	for (unsigned i = 0; i < 20000; i++)
		CHECK(READ(0, 0));
	ILLEGAL("a reserved ID register", "mrs x0, S3_0_C0_C0_1");
	ILLEGAL("a 32-bit ID register", "mrs x0, S3_0_C0_C1_0");
	ILLEGAL("one with CRm 8", "mrs x0, S3_0_C0_C8_0");
	ILLEGAL("writing one", ".inst 0xd5180000");
	ILLEGAL("SCTLR_EL1", "mrs x0, sctlr_el1");
	ILLEGAL("the physical counter's compare value", "mrs x0, cntp_cval_el0");
	if (!(getauxval(AT_HWCAP) & HWCAP_SVE)) {
		code = 0;
		if (sigsetjmp(env, 1) == 0)
			__asm__ volatile(".inst 0x04bf5020" ::: "x0"); /* rdvl x0, #1 */
		CHECK_EQ(code, ILL_ILLOPC);
	}
	if (!(getauxval(AT_HWCAP2) & HWCAP2_SME)) {
		code = 0;
		if (sigsetjmp(env, 1) == 0)
			__asm__ volatile(".inst 0xd503477f"); /* smstart */
		CHECK_EQ(code, ILL_ILLOPC);
	}
	return 0;
}
