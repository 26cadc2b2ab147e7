/*
 * arm64: what EL0 may know of the processor, in the ID registers and in AT_HWCAP.
 *
 * Linux lets programs read the ID registers (its cpu-feature-registers document): the reads trap,
 * and the fields that mean something to a program are shown, the others as their least value. Here
 * the stub answers from a table in the frame page, and AT_HWCAP is computed from the same table, so
 * the two never differ.
 */
#include "arm64.h"

#include <asm/hwcap.h>
#include <string.h>

#define ID(crm, op2) ((crm)*8 + (op2))

#define ID_MIDR  ID(0, 0)
#define ID_MPIDR ID(0, 5)
#define ID_REV   ID(0, 6)
#define ID_PFR0  ID(4, 0)
#define ID_PFR1  ID(4, 1)
#define ID_DFR0  ID(5, 0)
#define ID_ISAR0 ID(6, 0)
#define ID_ISAR1 ID(6, 1)
#define ID_ISAR2 ID(6, 2)
#define ID_MMFR0 ID(7, 0)
#define ID_MMFR1 ID(7, 1)
#define ID_MMFR2 ID(7, 2)

#define MPIDR_ANY (1ULL << 31) /* its one bit that is always 1: threads move */

/* Those with CRm 2 to 7, whatever they are (0 if nothing is known); of CRm 0 three. */
#define ID_VALID (~0xffffULL | 1ULL << ID_MIDR | 1ULL << ID_MPIDR | 1ULL << ID_REV)

/*
 * The fields to show, and what the others are. Hidden because a kernel has work to do for them:
 * SVE, SME, MTE, pointer authentication, BTI, memory copies (MOPS), speculation barriers by
 * context.
 */
static const struct {
	unsigned id;
	uint64_t shown, rest;
} ids[] = {
	{ID_MIDR, ~0ULL, 0},
	{ID_PFR0, 0x000f000000ff0000, 0x11}, /* DIT, SIMD, FP; EL1 and EL0 are of 64 bits */
	{ID_PFR1, 0xf0, 0},                  /* SSBS */
	{ID_DFR0, 0, 6},                     /* Armv8's debug */
	{ID_ISAR0, 0xf0fffffff0fffff0, 0},   /* all but TLB, TME */
	{ID_ISAR1, 0x00fff0ff00fff00f, 0},   /* I8MM DGH BF16 SB FRINT LRCPC FCMA JSCVT DPB */
	{ID_ISAR2, 0x00000000000000ff, 0},   /* RPRES WFxT */
	{ID_MMFR0, 0xf000000000000000, 0x111ff000000}, /* ECV; granules: unknown */
	{ID_MMFR1, 0x0000f00000000000, 0},             /* AFP */
	{ID_MMFR2, 0x0000000f00000000, 0},             /* AT */
};

uint64_t arm64_id_reg(struct vcpu *v, uint64_t id)
{
	uint64_t value = 0;

	arm64_get_reg(v, id, &value);
	return value;
}

void arm64_read_features(struct vcpu *v)
{
	uint64_t *out = v->vm->arch.ids;

	out[ID_MPIDR] = MPIDR_ANY;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		uint64_t reg = ARM64_SYS_REG(3, 0, 0, ids[i].id / 8, ids[i].id % 8);

		out[ids[i].id] = (arm64_id_reg(v, reg) & ids[i].shown) | ids[i].rest;
	}
}

void arm64_show_features(struct vcpu *v)
{
	memcpy(v->arch.frame->ids, v->vm->arch.ids, sizeof(v->arch.frame->ids));
	v->arch.frame->id_valid = ID_VALID;
}

bool arm64_emulate_mrs(struct vcpu *v, struct cpu *c, uint32_t insn)
{
	/* MRS Xt, S3_0_C0_Cm_n: 1101_0101_0011_1000_0000_mmmm_nnnt_tttt */
	unsigned id = insn >> 5 & 0x7f, rt = insn & 31;

	if ((insn & 0xfffff000) != 0xd5380000 || id >= ABI_ID_REGS || !(ID_VALID >> id & 1))
		return false;
	if (rt < 31)
		c->regs.x[rt] = v->vm->arch.ids[id];
	return true;
}

/* ---- AT_HWCAP ---- */

/* What programs may use: a field of at least `min` in an ID register that they see. */
static const struct {
	unsigned id, at, min;
	uint64_t hwcap, hwcap2;
} features[] = {
	{ID_ISAR0, 4, 1, HWCAP_AES, 0},       {ID_ISAR0, 4, 2, HWCAP_PMULL, 0},
	{ID_ISAR0, 8, 1, HWCAP_SHA1, 0},      {ID_ISAR0, 12, 1, HWCAP_SHA2, 0},
	{ID_ISAR0, 12, 2, HWCAP_SHA512, 0},   {ID_ISAR0, 16, 1, HWCAP_CRC32, 0},
	{ID_ISAR0, 20, 2, HWCAP_ATOMICS, 0},  {ID_ISAR0, 28, 1, HWCAP_ASIMDRDM, 0},
	{ID_ISAR0, 32, 1, HWCAP_SHA3, 0},     {ID_ISAR0, 36, 1, HWCAP_SM3, 0},
	{ID_ISAR0, 40, 1, HWCAP_SM4, 0},      {ID_ISAR0, 44, 1, HWCAP_ASIMDDP, 0},
	{ID_ISAR0, 48, 1, HWCAP_ASIMDFHM, 0}, {ID_ISAR0, 52, 1, HWCAP_FLAGM, 0},
	{ID_ISAR0, 52, 2, 0, HWCAP2_FLAGM2},  {ID_ISAR0, 60, 1, 0, HWCAP2_RNG},
	{ID_ISAR1, 0, 1, HWCAP_DCPOP, 0},     {ID_ISAR1, 0, 2, 0, HWCAP2_DCPODP},
	{ID_ISAR1, 12, 1, HWCAP_JSCVT, 0},    {ID_ISAR1, 16, 1, HWCAP_FCMA, 0},
	{ID_ISAR1, 20, 1, HWCAP_LRCPC, 0},    {ID_ISAR1, 20, 2, HWCAP_ILRCPC, 0},
	{ID_ISAR1, 32, 1, 0, HWCAP2_FRINT},   {ID_ISAR1, 36, 1, HWCAP_SB, 0},
	{ID_ISAR1, 44, 1, 0, HWCAP2_BF16},    {ID_ISAR1, 44, 2, 0, HWCAP2_EBF16},
	{ID_ISAR1, 48, 1, 0, HWCAP2_DGH},     {ID_ISAR1, 52, 1, 0, HWCAP2_I8MM},
	{ID_ISAR2, 0, 2, 0, HWCAP2_WFXT},     {ID_ISAR2, 4, 1, 0, HWCAP2_RPRES},
	{ID_PFR0, 48, 1, HWCAP_DIT, 0},       {ID_PFR1, 4, 2, HWCAP_SSBS, 0},
	{ID_MMFR0, 60, 1, 0, HWCAP2_ECV},     {ID_MMFR1, 44, 1, 0, HWCAP2_AFP},
	{ID_MMFR2, 32, 1, HWCAP_USCAT, 0},
};

/* 0xf in these two fields says that there is none. */
static uint64_t fp_hwcap(uint64_t pfr0)
{
	uint64_t hwcap = 0;
	unsigned fp = ARM64_ID_FIELD(pfr0, 16), simd = ARM64_ID_FIELD(pfr0, 20);

	if (fp != 0xf)
		hwcap |= HWCAP_FP | (fp >= 1 ? HWCAP_FPHP : 0);
	if (simd != 0xf)
		hwcap |= HWCAP_ASIMD | (simd >= 1 ? HWCAP_ASIMDHP : 0);
	return hwcap;
}

uint64_t vm_arch_hwcap(struct vm *vm, uint64_t *hwcap2, const char **platform)
{
	const uint64_t *seen = vm->arch.ids;
	uint64_t hwcap = HWCAP_EVTSTRM | HWCAP_CPUID | fp_hwcap(seen[ID_PFR0]);

	*hwcap2 = 0;
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (ARM64_ID_FIELD(seen[features[i].id], features[i].at) < features[i].min)
			continue;
		hwcap |= features[i].hwcap;
		*hwcap2 |= features[i].hwcap2;
	}
	*platform = "aarch64";
	return hwcap;
}
