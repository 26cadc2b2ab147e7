/*
 * arm64: exceptions to signals, as Linux's arch/arm64/kernel/traps.c and mm/fault.c have them.
 * trap.vector is ESR_EL1's exception class, trap.error the whole register.
 */
#include "../task.h"

#include <signal.h>

enum exception_class {
	EC_UNKNOWN = 0x00,
	EC_ILL = 0x0e,
	EC_IABT_LOW = 0x20,
	EC_PC_ALIGN = 0x22,
	EC_DABT_LOW = 0x24,
	EC_SP_ALIGN = 0x26,
	EC_FP = 0x2c,
	EC_BREAK_LOW = 0x30,
	EC_STEP_LOW = 0x32,
	EC_WATCH_LOW = 0x34,
	EC_BRK = 0x3c,
};

/* FP exception syndrome: TFV says that the lower bits are valid. */
#define ESR_FP_TFV (1U << 23)

static int fpe_code(uint64_t esr)
{
	if (!(esr & ESR_FP_TFV))
		return 0;
	if (esr & 0x01)
		return FPE_FLTINV;
	if (esr & 0x02)
		return FPE_FLTDIV;
	if (esr & 0x04)
		return FPE_FLTOVF;
	if (esr & 0x08)
		return FPE_FLTUND;
	if (esr & 0x10)
		return FPE_FLTRES;
	return 0;
}

/* Fault status code of an abort that is no page fault. */
#define FSC_MASK      0x3f
#define FSC_ALIGNMENT 0x21

int arch_trap_signal(struct task *t, struct siginfo_k *info)
{
	info->u.fault.addr = t->cpu.regs.pc;
	switch (t->trap.vector) {
	case EC_IABT_LOW:
	case EC_DABT_LOW:
		/* External aborts, and exclusives where memory cannot do them. */
		info->si_code =
			(t->trap.error & FSC_MASK) == FSC_ALIGNMENT ? BUS_ADRALN : BUS_OBJERR;
		info->u.fault.addr = t->trap.addr;
		return SIGBUS;
	case EC_PC_ALIGN:
		info->si_code = BUS_ADRALN;
		return SIGBUS;
	case EC_SP_ALIGN:
		info->si_code = BUS_ADRALN;
		info->u.fault.addr = t->cpu.regs.sp;
		return SIGBUS;
	case EC_FP:
		info->si_code = fpe_code(t->trap.error);
		if (!info->si_code)
			info->si_code = FPE_FLTUNK;
		return SIGFPE;
	case EC_BREAK_LOW:
	case EC_WATCH_LOW:
		info->si_code = TRAP_HWBKPT;
		return SIGTRAP;
	case EC_STEP_LOW:
		info->si_code = TRAP_TRACE;
		return SIGTRAP;
	case EC_BRK:
		info->si_code = TRAP_BRKPT;
		return SIGTRAP;
	case EC_UNKNOWN:
	case EC_ILL:
	default:
		info->si_code = ILL_ILLOPC;
		return SIGILL;
	}
}
