/*
 * x86_64: signal frames, in Linux's layout (asm/sigcontext.h, asm/ucontext.h,
 * arch/x86/kernel/signal_64.c and fpu/signal.c). From high to low addresses, below the red zone:
 *
 *   FP image (64-byte aligned): XSAVE area, its software bytes filled; then FP_XSTATE_MAGIC2
 *   struct rt_sigframe, so that rsp is 8 below a multiple of 16, as after a call
 *
 * Everything that rt_sigreturn reads is the guest's: copied once, checked, and only then made the
 * task's.
 */
#include "../process.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define RED_ZONE         128
#define FPU_ALIGN        64
#define FX_SIZE          512
#define XSAVE_HDR_SIZE   64
#define XSAVE_MIN        (FX_SIZE + XSAVE_HDR_SIZE)
#define FX_MXCSR         24
#define FX_SW_RESERVED   464
#define XFEATURE_FPSSE   3ULL
#define XFEATURE_AVX     4ULL
#define AVX_END          832
#define MXCSR_VALID      0xffffU
#define FP_XSTATE_MAGIC1 0x46505853U
#define FP_XSTATE_MAGIC2 0x46505845U

#define UC_FP_XSTATE         1
#define UC_SIGCONTEXT_SS     2
#define UC_STRICT_RESTORE_SS 4

#define SA_RESTORER_K 0x04000000ULL

/* What a program may set: AC OF DF TF SF ZF AF PF CF RF. */
#define RFLAGS_USER  0x50dd5ULL
#define RFLAGS_FIXED 0x202ULL /* IF and the bit that is always 1 */
#define RFLAGS_DF    0x400ULL
#define RFLAGS_RF    0x10000ULL
#define RFLAGS_TF    0x100ULL

#define VEC_PF  14
#define PF_PROT 1
#define PF_USER 4

const uint64_t arch_minsigstksz = 2048;

struct sigcontext_abi {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2;
	uint64_t fpstate;
	uint64_t reserved[8];
};

struct ucontext_abi {
	uint64_t flags, link;
	struct {
		uint64_t sp;
		int32_t flags, pad;
		uint64_t size;
	} stack;
	struct sigcontext_abi mc;
	uint64_t sigmask;
};

struct rt_sigframe {
	uint64_t pretcode;
	struct ucontext_abi uc;
	struct siginfo_k info;
};
_Static_assert(sizeof(struct sigcontext_abi) == 256, "sigcontext is 256 bytes");
_Static_assert(sizeof(struct ucontext_abi) == 304, "ucontext is 304 bytes");
_Static_assert(sizeof(struct rt_sigframe) == 440, "rt_sigframe is 440 bytes");

/* struct _fpx_sw_bytes */
struct fpx_sw_bytes {
	uint32_t magic1, extended_size;
	uint64_t xfeatures;
	uint32_t xstate_size, padding[7];
};
_Static_assert(sizeof(struct fpx_sw_bytes) == FX_SIZE - FX_SW_RESERVED,
	       "it fills the software bytes");

struct xsave_header {
	uint64_t xstate_bv, xcomp_bv, reserved[6];
};

/* ---- the FP image ---- */

/* The size of the XSAVE area in a frame; 0: FXSAVE only. */
static size_t xstate_size(const struct kernel *k)
{
	size_t size = k->cfg.sigframe_fpu_size;

	if (size > k->cfg.fpu_size)
		size = k->cfg.fpu_size;
	return size >= XSAVE_MIN ? size : 0;
}

static uint64_t xfeatures(const struct kernel *k)
{
	size_t size = xstate_size(k);

	if (k->cfg.fpu_features)
		return k->cfg.fpu_features;
	return XFEATURE_FPSSE | (size >= AVX_END ? XFEATURE_AVX : 0);
}

static size_t frame_fpu_bytes(const struct kernel *k)
{
	size_t size = xstate_size(k);

	return size ? size + sizeof(uint32_t) : FX_SIZE;
}

static void fpu_reset(struct task *t)
{
	const struct kernel_config *cfg = &t->k->cfg;

	task_fpu_forget(t);
	if (cfg->fpu_init)
		memcpy(t->cpu.fpu, cfg->fpu_init, cfg->fpu_size);
	else
		memset(t->cpu.fpu, 0, cfg->fpu_size);
}

static int frame_put_fpu(struct task *t, uint64_t at)
{
	const struct kernel *k = t->k;
	size_t size = xstate_size(k), base = size ? size : FX_SIZE;
	struct fpx_sw_bytes sw = {0};
	const uint32_t magic2 = FP_XSTATE_MAGIC2;
	struct mm *mm = t->p->mm;

	if (k->cfg.fpu_size < base)
		return clear_guest(mm, gva(at), base);
	if (size) {
		sw.magic1 = FP_XSTATE_MAGIC1;
		sw.extended_size = (uint32_t)(size + sizeof(magic2));
		sw.xfeatures = xfeatures(k);
		sw.xstate_size = (uint32_t)size;
	}
	if (copy_to_guest(mm, gva(at), t->cpu.fpu, FX_SW_RESERVED) < 0 ||
	    copy_to_guest(mm, gva(at + FX_SW_RESERVED), &sw, sizeof(sw)) < 0)
		return -EFAULT;
	if (!size)
		return 0;
	if (copy_to_guest(mm, gva(at + FX_SIZE), t->cpu.fpu + FX_SIZE, size - FX_SIZE) < 0 ||
	    copy_to_guest(mm, gva(at + size), &magic2, sizeof(magic2)) < 0)
		return -EFAULT;
	return 0;
}

/* check_xstate_in_sigframe: the extended state is there and whole; else only the FXSAVE part
 * counts. */
static bool frame_has_xstate(struct task *t, uint64_t at, const struct fpx_sw_bytes *sw)
{
	uint32_t magic2;

	if (sw->magic1 != FP_XSTATE_MAGIC1 || sw->xstate_size < XSAVE_MIN ||
	    sw->xstate_size > xstate_size(t->k) || sw->xstate_size > sw->extended_size)
		return false;
	return copy_from_guest(t->p->mm, &magic2, gva(at + sw->xstate_size), sizeof(magic2)) == 0 &&
	       magic2 == FP_XSTATE_MAGIC2;
}

/* What XRSTOR would refuse is -EFAULT. image: fpu_size bytes, zero. */
static int frame_get_fpu(struct task *t, uint64_t at, uint8_t *image)
{
	const struct kernel *k = t->k;
	struct xsave_header hdr = {0};
	struct fpx_sw_bytes sw;
	uint32_t mxcsr;

	if (at % FPU_ALIGN && xstate_size(k))
		return -EFAULT;
	if (k->cfg.fpu_size < FX_SIZE)
		return 0;
	if (copy_from_guest(t->p->mm, image, gva(at), FX_SIZE) < 0)
		return -EFAULT;
	memcpy(&sw, image + FX_SW_RESERVED, sizeof(sw));
	memset(image + FX_SW_RESERVED, 0, sizeof(sw));
	memcpy(&mxcsr, image + FX_MXCSR, sizeof(mxcsr));
	if (mxcsr & ~MXCSR_VALID)
		return -EFAULT;
	if (!xstate_size(k))
		return 0;
	hdr.xstate_bv = XFEATURE_FPSSE;
	if (frame_has_xstate(t, at, &sw)) {
		if (copy_from_guest(t->p->mm, image + FX_SIZE, gva(at + FX_SIZE),
				    sw.xstate_size - FX_SIZE) < 0)
			return -EFAULT;
		memcpy(&hdr, image + FX_SIZE, sizeof(hdr));
		if (hdr.xstate_bv & ~xfeatures(k) || hdr.xcomp_bv)
			return -EFAULT;
		for (size_t i = 0; i < ARRAY_SIZE(hdr.reserved); i++)
			if (hdr.reserved[i])
				return -EFAULT;
		hdr.xstate_bv &= sw.xfeatures;
	}
	memcpy(image + FX_SIZE, &hdr, sizeof(hdr));
	return 0;
}

/* ---- building ---- */

static void fill_sigcontext(const struct task *t, struct sigcontext_abi *sc, uint64_t mask,
			    uint64_t fpstate)
{
	const struct uregs *r = &t->cpu.regs;

	sc->r8 = r->r8;
	sc->r9 = r->r9;
	sc->r10 = r->r10;
	sc->r11 = r->r11;
	sc->r12 = r->r12;
	sc->r13 = r->r13;
	sc->r14 = r->r14;
	sc->r15 = r->r15;
	sc->rdi = r->rdi;
	sc->rsi = r->rsi;
	sc->rbp = r->rbp;
	sc->rbx = r->rbx;
	sc->rdx = r->rdx;
	sc->rax = r->rax;
	sc->rcx = r->rcx;
	sc->rsp = r->rsp;
	sc->rip = r->rip;
	sc->rflags = r->rflags;
	sc->cs = ABI_SEL_USER_CS;
	sc->ss = ABI_SEL_USER_DS;
	sc->trapno = t->trap.vector;
	sc->err = t->trap.error;
	if (t->trap.vector == VEC_PF) {
		sc->cr2 = t->trap.addr;
		sc->err |= PF_USER;
		/* Nobody can tell what is mapped up there. */
		if (t->trap.addr >= ABI_USER_END)
			sc->err |= PF_PROT;
	}
	sc->oldmask = mask;
	sc->fpstate = fpstate;
}

/*
 * Where the frame goes: *fpu and the result. 0: it would leave the alternate stack.
 */
static uint64_t frame_place(const struct task *t, const struct sigaction_k *act, uint64_t *fpu)
{
	uint64_t sp = t->cpu.regs.rsp - RED_ZONE;
	bool nested = altstack_contains(t, t->cpu.regs.rsp) && t->altstack.size, entering = false;

	if (act->flags & SA_ONSTACK && altstack_state(t, t->cpu.regs.rsp) == 0) {
		sp = t->altstack.sp + t->altstack.size;
		entering = true;
	}
	sp = (sp - frame_fpu_bytes(t->k)) & ~(uint64_t)(FPU_ALIGN - 1);
	*fpu = sp;
	sp = ((sp - sizeof(struct rt_sigframe)) & ~15ULL) - 8;
	if ((nested || entering) && !altstack_contains(t, sp))
		return 0;
	return sp;
}

int arch_signal_frame(struct task *t, int sig, const struct siginfo_k *info,
		      const struct sigaction_k *act, uint64_t mask_to_restore)
{
	struct uregs *r = &t->cpu.regs;
	struct rt_sigframe f = {0};
	uint64_t sp, fpu;

	/* A program counter that is not canonical cannot be entered at all. */
	if (!(act->flags & SA_RESTORER_K) || act->handler >= ABI_USER_END)
		return -EFAULT;
	sp = frame_place(t, act, &fpu);
	if (!sp || sp >= ABI_USER_END)
		return -EFAULT;
	task_fpu_sync(t);
	if (frame_put_fpu(t, fpu) < 0)
		return -EFAULT;
	f.pretcode = act->restorer;
	f.uc.flags =
		UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | (xstate_size(t->k) ? UC_FP_XSTATE : 0);
	f.uc.stack.sp = t->altstack.sp;
	f.uc.stack.size = t->altstack.size;
	f.uc.stack.flags = t->altstack.flags;
	fill_sigcontext(t, &f.uc.mc, mask_to_restore, fpu);
	f.uc.sigmask = mask_to_restore;
	f.info = *info;
	if (copy_to_guest(t->p->mm, gva(sp), &f, sizeof(f)) < 0)
		return -EFAULT;
	r->rdi = (uint64_t)sig;
	r->rax = 0; /* for handlers that are declared without a prototype */
	r->rsi = sp + offsetof(struct rt_sigframe, info);
	r->rdx = sp + offsetof(struct rt_sigframe, uc);
	r->rip = act->handler;
	r->rsp = sp;
	r->rflags &= ~(RFLAGS_DF | RFLAGS_RF | RFLAGS_TF);
	fpu_reset(t);
	t->cpu.regs_modified = true;
	return 0;
}

/* ---- returning ---- */

static void take_sigcontext(struct uregs *r, const struct sigcontext_abi *sc)
{
	r->r8 = sc->r8;
	r->r9 = sc->r9;
	r->r10 = sc->r10;
	r->r11 = sc->r11;
	r->r12 = sc->r12;
	r->r13 = sc->r13;
	r->r14 = sc->r14;
	r->r15 = sc->r15;
	r->rdi = sc->rdi;
	r->rsi = sc->rsi;
	r->rbp = sc->rbp;
	r->rbx = sc->rbx;
	r->rdx = sc->rdx;
	r->rax = sc->rax;
	r->rcx = sc->rcx;
	r->rsp = sc->rsp;
	r->rip = sc->rip;
	r->rflags = (sc->rflags & RFLAGS_USER) | RFLAGS_FIXED;
}

static int restore_fpu(struct task *t, uint64_t at)
{
	size_t size = t->k->cfg.fpu_size;
	uint8_t *image = calloc(1, size ? size : 1);
	int r;

	if (!image)
		return -EFAULT;
	r = frame_get_fpu(t, at, image);
	if (r == 0) {
		task_fpu_forget(t);
		memcpy(t->cpu.fpu, image, size);
	}
	free(image);
	return r;
}

/*
 * A code selector other than the 64-bit user one cannot be entered here; the stack selector is not
 * looked at. A program counter outside user space would be a fault at once: it is one here.
 */
int arch_signal_return(struct task *t)
{
	struct ucontext_abi uc;

	/* The handler's ret has taken pretcode off the stack: rsp points at uc. */
	if (copy_from_guest(t->p->mm, &uc, gva(t->cpu.regs.rsp), sizeof(uc)) < 0)
		return -EFAULT;
	if (uc.mc.cs != ABI_SEL_USER_CS || uc.mc.rip >= ABI_USER_END)
		return -EFAULT;
	if (uc.mc.fpstate) {
		if (restore_fpu(t, uc.mc.fpstate) < 0)
			return -EFAULT;
	} else {
		fpu_reset(t);
	}
	take_sigcontext(&t->cpu.regs, &uc.mc);
	t->cpu.regs_modified = true;
	signal_set_mask(t, uc.sigmask);
	/* As Linux, without telling when it is refused. */
	altstack_set(t, uc.stack.sp, uc.stack.flags, uc.stack.size, t->cpu.regs.rsp);
	return 0;
}
