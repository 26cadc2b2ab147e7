/* arm64: system calls always trap. */
#include "../rewrite.h"

bool arch_rewrite_plan(const struct uregs *r, const uint8_t *code, const uint64_t *entry,
		       struct detour *d)
{
	(void)r;
	(void)code;
	(void)entry;
	(void)d;
	return false;
}

void arch_set_pc(struct uregs *r, uint64_t pc)
{
	r->pc = pc;
}

bool arch_stepping(const struct uregs *r)
{
	(void)r;
	return false;
}
