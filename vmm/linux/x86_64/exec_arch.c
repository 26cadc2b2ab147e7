/*
 * What execve and arch_prctl need to know of x86_64.
 */
#include "../exec.h"
#include "../sys.h"

#include <asm/prctl.h>
#include <sys/auxv.h>

const struct arch_exec arch_exec = {
	.elf_machine = EM_X86_64,
	.mmap_random_bits = 28,
	.stack_random_mask = 0x3fffff,
};

#define LEGACY_FP_SIZE 512
/* struct rt_sigframe (return address, ucontext, siginfo), the FP image's trailing magic and its
 * alignment. */
#define SIGFRAME_FIXED (8 + 304 + 128 + 4 + 63 + 16)

unsigned arch_auxv(struct kernel *k, Elf64_auxv_t *out)
{
	size_t fpu = k->cfg.sigframe_fpu_size ? k->cfg.sigframe_fpu_size : LEGACY_FP_SIZE;

	out->a_type = AT_MINSIGSTKSZ;
	out->a_un.a_val = (SIGFRAME_FIXED + fpu + 15) & ~15UL;
	return 1;
}

static long set_base(struct task *t, uint64_t *base, uint64_t addr)
{
	if (addr >= ABI_USER_END)
		return -EPERM;
	*base = addr;
	t->cpu.regs_modified = true;
	return 0;
}

/* arch_prctl(2). The other codes of 6.12 (XSTATE permissions, shadow stacks,
 * tagging) are not there: EINVAL, as on a machine without them. */
long arch_prctl_call(struct task *t, int code, uint64_t addr)
{
	struct uregs *r = &t->cpu.regs;

	switch (code) {
	case ARCH_SET_FS:
		return set_base(t, &r->fs_base, addr);
	case ARCH_SET_GS:
		return set_base(t, &r->gs_base, addr);
	case ARCH_GET_FS:
		return copy_to_guest(task_mm(t), gva(addr), &r->fs_base, sizeof(r->fs_base));
	case ARCH_GET_GS:
		return copy_to_guest(task_mm(t), gva(addr), &r->gs_base, sizeof(r->gs_base));
	case ARCH_GET_CPUID:
		return 1; /* CPUID does not fault, */
	case ARCH_SET_CPUID:
		return -ENODEV; /* nor can it be made to */
	}
	return -EINVAL;
}

const char *arch_machine_name(void)
{
	return "x86_64";
}
