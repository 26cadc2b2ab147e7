/* x86_64: an unfinished unlock of the vDSO (guest/x86_64/vdso/robust.S). */
#include "../robust_unlock.h"

#define RFLAGS_ZF 0x40ULL

bool arch_robust_released(const struct uregs *r, unsigned kind, uint64_t *slot)
{
	*slot = r->rdx;
	return kind == ABI_ROBUST_X86 && r->rflags & RFLAGS_ZF;
}

bool arch_robust_choice(const struct kernel_config *cfg, uint32_t *insn)
{
	(void)cfg;
	(void)insn;
	return false;
}
