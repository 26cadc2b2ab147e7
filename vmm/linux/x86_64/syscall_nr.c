/*
 * The call numbers of x86_64, by row.
 */
#include "../syscalls.h"

const short arch_syscall_nr[SYSCALL_ROWS] = {
#define SYSCALL(name, x86_64, arm64, args, trace) x86_64,
#define NOSYS(name, x86_64, arm64)                x86_64,
#include "../syscalls.def"
#undef SYSCALL
#undef NOSYS
};
