/* arm64: an unfinished unlock of the vDSO (guest/arm64/vdso/robust.S). */
#include "../robust_unlock.h"

#define HWCAP_ATOMICS_K (1UL << 8)
#define INSN_NOP        0xd503201fU

/* Never by the Z flag: in the section's first instruction of the LSE form it is not set yet. */
bool arch_robust_released(const struct uregs *r, unsigned kind, uint64_t *slot)
{
	*slot = r->x[2];
	switch (kind) {
	case ABI_ROBUST_LLSC:
		return (uint32_t)r->x[3] == 0;
	case ABI_ROBUST_LSE:
		return (uint32_t)r->x[3] == (uint32_t)r->x[1];
	}
	return false;
}

bool arch_robust_choice(const struct kernel_config *cfg, uint32_t *insn)
{
	*insn = INSN_NOP;
	return cfg->hwcap & HWCAP_ATOMICS_K;
}
