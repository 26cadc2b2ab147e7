/*
 * x86_64: exceptions to signals, as Linux's arch/x86/kernel/traps.c has them.
 */
#include "../task.h"

#include <signal.h>
#include <string.h>

enum vector {
	VEC_DE = 0,
	VEC_DB = 1,
	VEC_BP = 3,
	VEC_OF = 4,
	VEC_BR = 5,
	VEC_UD = 6,
	VEC_NM = 7,
	VEC_TS = 10,
	VEC_NP = 11,
	VEC_SS = 12,
	VEC_GP = 13,
	VEC_MF = 16,
	VEC_AC = 17,
	VEC_XM = 19,
};

#define RFLAGS_TF 0x100ULL

#define INSN_INT1    0xf1
#define INSN_INT_N   0xcd
#define GP_ERROR_IDT 2

/* In the XSAVE image's legacy part. */
#define FX_FCW   0
#define FX_FSW   2
#define FX_MXCSR 24

/* Exceptions that are pending and not masked -> si_code. The first four letters of both registers
 * are the same. */
static int fpe_code(uint32_t err)
{
	if (err & 0x01)
		return FPE_FLTINV;
	if (err & 0x04)
		return FPE_FLTDIV;
	if (err & 0x08)
		return FPE_FLTOVF;
	if (err & 0x12) /* denormal operand, underflow */
		return FPE_FLTUND;
	if (err & 0x20)
		return FPE_FLTRES;
	return 0;
}

/* 0: spurious. */
static int fp_signal(struct task *t, bool simd, struct siginfo_k *info)
{
	uint16_t fcw, fsw;
	uint32_t mxcsr, err;

	task_fpu_sync(t);
	if (simd) {
		memcpy(&mxcsr, t->cpu.fpu + FX_MXCSR, sizeof(mxcsr));
		err = ~(mxcsr >> 7) & mxcsr;
	} else {
		memcpy(&fcw, t->cpu.fpu + FX_FCW, sizeof(fcw));
		memcpy(&fsw, t->cpu.fpu + FX_FSW, sizeof(fsw));
		err = fsw & ~(uint32_t)fcw;
	}
	info->si_code = fpe_code(err & 0x3f);
	info->u.fault.addr = t->cpu.regs.rip;
	return info->si_code ? SIGFPE : 0;
}

static int at_pc(struct task *t, struct siginfo_k *info, int sig, int code)
{
	info->si_code = code;
	info->u.fault.addr = t->cpu.regs.rip;
	return sig;
}

/* The guest's byte at `at`, or -1. */
static int code_byte(struct task *t, uint64_t at)
{
	uint8_t b;

	return copy_from_guest(t->p->mm, &b, gva(at), 1) == 0 ? b : -1;
}

/*
 * KVM-PVM raises #UD where a gate of the IDT forbids ring 3; the processor raises #GP with the
 * gate's number.
 */
static void fix_int_n(struct task *t)
{
	uint64_t rip = t->cpu.regs.rip;
	int n;

	if (t->trap.vector != VEC_UD || code_byte(t, rip) != INSN_INT_N)
		return;
	n = code_byte(t, rip + 1);
	if (n < 0)
		return;
	t->trap.vector = VEC_GP;
	t->trap.error = (uint64_t)n << 3 | GP_ERROR_IDT;
}

/* DR6 is not known here, but there are no breakpoint registers either: what is not int1 is a step.
 */
static int debug_code(struct task *t)
{
	if (t->cpu.regs.rflags & RFLAGS_TF)
		return TRAP_TRACE;
	/* KVM-PVM reports it before, not after the instruction. */
	if (code_byte(t, t->cpu.regs.rip - 1) == INSN_INT1 ||
	    code_byte(t, t->cpu.regs.rip) == INSN_INT1)
		return TRAP_BRKPT;
	return TRAP_TRACE;
}

int arch_trap_signal(struct task *t, struct siginfo_k *info)
{
	fix_int_n(t);
	info->si_code = SI_KERNEL;
	switch (t->trap.vector) {
	case VEC_DE:
		return at_pc(t, info, SIGFPE, FPE_INTDIV);
	case VEC_DB:
		return at_pc(t, info, SIGTRAP, debug_code(t));
	case VEC_BP:
		/* Under a kick KVM hides which of the two it was (vcpu_arch_again). */
		if (code_byte(t, t->cpu.regs.rip - 2) == INSN_INT_N &&
		    code_byte(t, t->cpu.regs.rip - 1) == VEC_OF)
			return SIGSEGV;
		return SIGTRAP;
	case VEC_UD:
		return at_pc(t, info, SIGILL, ILL_ILLOPN);
	case VEC_NP:
	case VEC_SS:
		return SIGBUS;
	case VEC_AC:
		info->si_code = BUS_ADRALN;
		return SIGBUS;
	case VEC_MF:
		return fp_signal(t, false, info);
	case VEC_XM:
		return fp_signal(t, true, info);
	case VEC_OF:
	case VEC_BR:
	case VEC_NM:
	case VEC_TS:
	case VEC_GP:
	default:
		return SIGSEGV;
	}
}
