/*
 * The call numbers of arm64, by row.
 */
#include "../syscalls.h"

const short arch_syscall_nr[SYSCALL_ROWS] = {
#define SYSCALL(name, x86_64, arm64, args, trace) arm64,
#define NOSYS(name, x86_64, arm64)                arm64,
#include "../syscalls.def"
#undef SYSCALL
#undef NOSYS
};
