/* The program counter in a signal's context. */
#ifndef VMBOX_PAGING_ARM64_UCONTEXT_ARCH_H
#define VMBOX_PAGING_ARM64_UCONTEXT_ARCH_H

#include <stdint.h>
#include <ucontext.h>

static inline uintptr_t ucontext_pc(const ucontext_t *uc)
{
	return (uintptr_t)uc->uc_mcontext.pc;
}

static inline void ucontext_set_pc(ucontext_t *uc, uintptr_t pc)
{
	uc->uc_mcontext.pc = pc;
}

#endif
