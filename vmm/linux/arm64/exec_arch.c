/*
 * What execve needs to know of arm64.
 */
#include "../exec.h"
#include "../sys.h"

#include <sys/auxv.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

const struct arch_exec arch_exec = {
	.elf_machine = EM_AARCH64,
	.mmap_random_bits = 24,
	.stack_random_mask = 0x3ffff,
};

/* struct rt_sigframe with the FP/SIMD and ESR records, no SVE: what Linux announces on such a
 * machine. */
#define SIGFRAME_SIZE 4720

unsigned arch_auxv(struct kernel *k, Elf64_auxv_t *out)
{
	(void)k;
	out->a_type = AT_MINSIGSTKSZ;
	out->a_un.a_val = SIGFRAME_SIZE;
	return 1;
}

/* No such call here; nothing reaches this. */
long arch_prctl_call(struct task *t, int code, uint64_t addr)
{
	(void)t;
	(void)code;
	(void)addr;
	return -EINVAL;
}

const char *arch_machine_name(void)
{
	return "aarch64";
}
