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

/* In the XSAVE image's legacy part. */
#define FX_FCW	 0
#define FX_FSW	 2
#define FX_MXCSR 24

/* Exceptions that are pending and not masked -> si_code. The first four letters of both registers are the same. */
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

int arch_trap_signal(struct task *t, struct siginfo_k *info)
{
	info->si_code = SI_KERNEL;
	switch (t->trap.vector) {
	case VEC_DE:
		return at_pc(t, info, SIGFPE, FPE_INTDIV);
	case VEC_DB:
		/* A single step leaves TF set in the interrupted flags; int1 does not. */
		return at_pc(t, info, SIGTRAP, t->cpu.regs.rflags & RFLAGS_TF ? TRAP_TRACE : TRAP_BRKPT);
	case VEC_BP:
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
