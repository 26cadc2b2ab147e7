/*
 * arm64: signal frames, in Linux's layout (asm/sigcontext.h, arch/arm64/kernel/signal.c): siginfo
 * and ucontext, whose reserved space holds records: FP state, the fault's syndrome, an end mark.
 * Above it a frame record, so that unwinders walk through.
 *
 * cpu.fpu is struct user_fpsimd_state: 32 vectors of 16 bytes, FPSR, FPCR.
 *
 * A handler without SA_RESTORER returns to the vDSO's __kernel_rt_sigreturn: process->sigtramp.
 */
#include "../process.h"

#include <signal.h>
#include <string.h>

#define FPSIMD_RECORD 0x46508001U
#define ESR_RECORD    0x45535201U
#define VREGS_SIZE    512
#define FPU_FPSR      512
#define FPU_FPCR      516
#define FPU_SIZE      520

#define SA_RESTORER_K 0x04000000ULL

#define PSTATE_USER 0xf0000000ULL /* NZCV */
#define PSTATE_MODE 0x1fULL
#define PSTATE_DAIF 0x3c0ULL

#define RESERVED_SIZE 4096

const uint64_t arch_minsigstksz = 5120;

struct record_head {
	uint32_t magic, size;
};

struct fpsimd_record {
	struct record_head head;
	uint32_t fpsr, fpcr;
	uint8_t vregs[VREGS_SIZE];
};

struct esr_record {
	struct record_head head;
	uint64_t esr;
};

struct sigcontext_abi {
	uint64_t fault_address;
	uint64_t regs[31];
	uint64_t sp, pc, pstate;
	uint8_t reserved[RESERVED_SIZE] __attribute__((aligned(16)));
};

struct ucontext_abi {
	uint64_t flags, link;
	struct {
		uint64_t sp;
		int32_t flags, pad;
		uint64_t size;
	} stack;
	uint64_t sigmask;
	uint8_t unused[120];
	struct sigcontext_abi mc;
};

struct rt_sigframe {
	struct siginfo_k info;
	struct ucontext_abi uc;
};
_Static_assert(offsetof(struct ucontext_abi, mc) == 176, "sigcontext follows at 176");
_Static_assert(offsetof(struct sigcontext_abi, reserved) == 288, "records follow at 288");
_Static_assert(sizeof(struct rt_sigframe) == 4688, "rt_sigframe is 4688 bytes");
_Static_assert(sizeof(struct fpsimd_record) == 528, "fpsimd_context is 528 bytes");

/* What of the frame is written: the records, not the whole reserved space. */
struct records {
	struct fpsimd_record fpsimd;
	struct esr_record esr;
	struct record_head end;
};

static void fill_records(const struct task *t, struct records *r)
{
	r->fpsimd.head.magic = FPSIMD_RECORD;
	r->fpsimd.head.size = sizeof(r->fpsimd);
	if (t->k->cfg.fpu_size >= FPU_SIZE) {
		memcpy(r->fpsimd.vregs, t->cpu.fpu, VREGS_SIZE);
		memcpy(&r->fpsimd.fpsr, t->cpu.fpu + FPU_FPSR, sizeof(uint32_t));
		memcpy(&r->fpsimd.fpcr, t->cpu.fpu + FPU_FPCR, sizeof(uint32_t));
	}
	/* No fault yet: what would be this record is the end mark. */
	if (!t->trap.error)
		return;
	r->esr.head.magic = ESR_RECORD;
	r->esr.head.size = sizeof(r->esr);
	r->esr.esr = t->trap.error;
}

/* Linux does not check here whether the frame leaves the alternate stack. */
static uint64_t frame_place(const struct task *t, const struct sigaction_k *act, uint64_t *record)
{
	uint64_t sp = t->cpu.regs.sp;

	if (act->flags & SA_ONSTACK && altstack_state(t, sp) == 0)
		sp = t->altstack.sp + t->altstack.size;
	sp = (sp - 2 * sizeof(uint64_t)) & ~15ULL;
	*record = sp;
	return sp - sizeof(struct rt_sigframe);
}

static int frame_write(struct task *t, uint64_t sp, uint64_t record, const struct siginfo_k *info,
		       uint64_t mask)
{
	const struct uregs *r = &t->cpu.regs;
	const uint64_t fp_lr[2] = {r->x[29], r->x[30]};
	const size_t uc_at = offsetof(struct rt_sigframe, uc);
	const size_t mc_at = uc_at + offsetof(struct ucontext_abi, mc);
	struct {
		uint64_t fault_address, regs[31], sp, pc, pstate;
	} mc = {.sp = r->sp, .pc = r->pc, .pstate = r->pstate};
	struct {
		uint64_t flags, link, ss_sp;
		int32_t ss_flags, pad;
		uint64_t ss_size, sigmask;
	} uc = {.sigmask = mask};
	struct records records = {0};
	struct mm *mm = t->p->mm;

	uc.ss_sp = t->altstack.sp;
	uc.ss_size = t->altstack.size;
	uc.ss_flags = t->altstack.flags;
	mc.fault_address = t->trap.addr;
	memcpy(mc.regs, r->x, sizeof(mc.regs));
	fill_records(t, &records);
	if (copy_to_guest(mm, gva(record), fp_lr, sizeof(fp_lr)) < 0 ||
	    copy_to_guest(mm, gva(sp), info, sizeof(*info)) < 0 ||
	    copy_to_guest(mm, gva(sp + uc_at), &uc, sizeof(uc)) < 0 ||
	    copy_to_guest(mm, gva(sp + mc_at), &mc, sizeof(mc)) < 0 ||
	    copy_to_guest(mm, gva(sp + mc_at + offsetof(struct sigcontext_abi, reserved)), &records,
			  sizeof(records)) < 0)
		return -EFAULT;
	return 0;
}

int arch_signal_frame(struct task *t, int sig, const struct siginfo_k *info,
		      const struct sigaction_k *act, uint64_t mask_to_restore)
{
	uint64_t back = act->flags & SA_RESTORER_K ? act->restorer : t->p->sigtramp;
	struct uregs *r = &t->cpu.regs;
	uint64_t sp, record;

	sp = frame_place(t, act, &record);
	if (!back)
		return -EFAULT;
	task_fpu_sync(t);
	if (frame_write(t, sp, record, info, mask_to_restore) < 0)
		return -EFAULT;
	r->x[0] = (uint64_t)sig;
	r->x[1] = sp + offsetof(struct rt_sigframe, info);
	r->x[2] = sp + offsetof(struct rt_sigframe, uc);
	r->x[29] = record;
	r->x[30] = back;
	r->sp = sp;
	r->pc = act->handler;
	r->pstate &= PSTATE_USER;
	t->cpu.regs_modified = true;
	return 0;
}

/* Finds the FP record. The records are the guest's: sizes are checked, and each step goes on. 0 or
 * -EFAULT. */
static int find_fpsimd(struct task *t, uint64_t at, struct fpsimd_record *out)
{
	struct record_head head;
	size_t off = 0;

	while (off + sizeof(head) <= RESERVED_SIZE) {
		if (copy_from_guest(t->p->mm, &head, gva(at + off), sizeof(head)) < 0)
			return -EFAULT;
		if (!head.magic)
			return -EFAULT; /* the end, and no FP state */
		if (head.size < sizeof(head) || head.size % 16 || head.size > RESERVED_SIZE - off)
			return -EFAULT;
		if (head.magic == FPSIMD_RECORD) {
			if (head.size != sizeof(*out))
				return -EFAULT;
			return copy_from_guest(t->p->mm, out, gva(at + off), sizeof(*out));
		}
		off += head.size;
	}
	return -EFAULT;
}

static void take_fpsimd(struct task *t, const struct fpsimd_record *f)
{
	task_fpu_forget(t);
	if (t->k->cfg.fpu_size < FPU_SIZE)
		return;
	memcpy(t->cpu.fpu, f->vregs, VREGS_SIZE);
	memcpy(t->cpu.fpu + FPU_FPSR, &f->fpsr, sizeof(uint32_t));
	memcpy(t->cpu.fpu + FPU_FPCR, &f->fpcr, sizeof(uint32_t));
}

int arch_signal_return(struct task *t)
{
	struct uregs *r = &t->cpu.regs;
	const uint64_t frame = r->sp;
	const uint64_t uc_at = frame + offsetof(struct rt_sigframe, uc);
	const uint64_t mc_at = uc_at + offsetof(struct ucontext_abi, mc);
	struct {
		uint64_t flags, link, ss_sp;
		int32_t ss_flags, pad;
		uint64_t ss_size, sigmask;
	} uc;
	struct {
		uint64_t fault_address, regs[31], sp, pc, pstate;
	} mc;
	struct fpsimd_record fpsimd;

	if (frame & 15)
		return -EFAULT;
	if (copy_from_guest(t->p->mm, &uc, gva(uc_at), sizeof(uc)) < 0 ||
	    copy_from_guest(t->p->mm, &mc, gva(mc_at), sizeof(mc)) < 0 ||
	    find_fpsimd(t, mc_at + offsetof(struct sigcontext_abi, reserved), &fpsimd) < 0)
		return -EFAULT;
	if (mc.pstate & (PSTATE_MODE | PSTATE_DAIF))
		return -EFAULT;
	take_fpsimd(t, &fpsimd);
	memcpy(r->x, mc.regs, sizeof(mc.regs));
	r->sp = mc.sp;
	r->pc = mc.pc;
	r->pstate = mc.pstate & PSTATE_USER;
	t->cpu.regs_modified = true;
	signal_set_mask(t, uc.sigmask);
	altstack_set(t, uc.ss_sp, uc.ss_flags, uc.ss_size, r->sp);
	return 0;
}
