/*
 * execve's parts: opening and scripts (exec.c, exec_script.c), the new address space (exec_load.c),
 * the new program's first stack (stack.c).
 *
 * A struct exec lives as long as one execve; its caller owns it, no lock. The new address space is
 * built completely beside the old one, which is let go only when nothing can fail any more.
 */
#ifndef VMBOX_LINUX_EXEC_H
#define VMBOX_LINUX_EXEC_H

#include "elf.h"
#include "task.h"

#include <limits.h>

#define EXEC_BUF            256    /* of the file's start: a #! line is not longer */
#define EXEC_MAX_INTERP     5      /* scripts whose interpreters are scripts */
#define EXEC_MAX_ARG_STRLEN 131072 /* with its NUL */
#define EXEC_ARG_MAX        131072 /* the least that the limit for all can be */
#define EXEC_STK_LIM        (8UL << 20)

struct exec {
	struct task *t;
	struct kernel *k;
	const struct exec_args *a;
	struct file *file;            /* what is to be loaded: at last an ELF image */
	struct path *exe;             /* owned: its path */
	char filename[PATH_MAX + 32]; /* AT_EXECFN: what the caller named */
	char interp[PATH_MAX +
		    32];        /* the path of e->file: filename, then each script's interpreter */
	bool path_inaccessible; /* a close-on-exec descriptor: its name is gone when a script's
				   interpreter runs */
	char buf[EXEC_BUF];     /* the file's start, zero-padded */

	/* The argument list: pre[npre-1] .. pre[0], then a->strv[skip] on. Owned strings. */
	char *pre[3 * (EXEC_MAX_INTERP + 1)];
	unsigned npre, skip;

	struct elf_image img, interp_img;
	struct file *interp_file;
	struct mm *mm; /* the new one */
	uint64_t bias, interp_base, entry, phdr, vdso, stack_top, sp;
	uint64_t stack_gap, stack_used; /* bytes */
	uint64_t arg_start, arg_end, env_start, env_end;
	uint64_t auxv[2 * AUXV_MAX];
	bool committed;   /* Linux has killed the old program by now: an error is SIGSEGV */
	const char *what; /* what an error is about, if not the image */
};

/* argc of the final list; never 0 once exec_start has run. */
unsigned exec_argc(const struct exec *e);
const char *exec_arg(const struct exec *e, unsigned i);

/* Reads e->file's start into e->buf. 0 or a negative errno. */
int exec_read_start(struct exec *e);

/*
 * If e->buf starts with "#!": replaces the first argument by the interpreter, its argument and the
 * script's path, and opens the interpreter as e->file. 1: done, look again; 0: no script; -ENOEXEC:
 * bad line; -ENOENT (path gone, or no interpreter), -ENOMEM, what vfs_open_exec says.
 */
int exec_script(struct exec *e);

/* Loads e->file (an ELF image) and its interpreter into e->mm, with stack and vDSO. 0 or a negative
 * errno; e->committed then tells whether Linux would have killed the caller. */
int exec_load(struct exec *e);

/* Maps the stack below e->stack_top, large enough for the arguments. 0, -ENOMEM, -EEXIST. */
int exec_map_stack(struct exec *e);
/* Writes strings, auxv, envp, argv: sets e->sp and the ranges. 0, -ENOMEM, -EFAULT. */
int exec_build_stack(struct exec *e);

/* ---- sys_exec.c ---- */
void exec_args_free(struct exec_args *a);

/* ---- vmm/linux/ARCH/exec_arch.c ---- */
struct arch_exec {
	unsigned elf_machine;
	unsigned mmap_random_bits;  /* pages */
	uint64_t stack_random_mask; /* pages */
};
extern const struct arch_exec arch_exec;
/* The architecture's own auxiliary entries, before the others: how many of at most 4. */
unsigned arch_auxv(struct kernel *k, Elf64_auxv_t *out);

#endif
