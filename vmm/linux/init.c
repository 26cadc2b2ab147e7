/*
 * The first process.
 */
#include "exec.h"
#include "trace.h"
#include "vfs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static unsigned count(char *const v[])
{
	unsigned n = 0;

	while (v && v[n])
		n++;
	return n;
}

static int make_args(char *const argv[], char *const envp[], struct exec_args *a)
{
	a->argc = count(argv);
	a->envc = count(envp);
	a->strv = calloc(a->argc + a->envc + 1UL, sizeof(*a->strv));
	if (!a->strv)
		return -ENOMEM;
	for (unsigned i = 0; i < a->argc + a->envc; i++) {
		a->strv[i] = i < a->argc ? argv[i] : envp[i - a->argc];
		a->bytes += strlen(a->strv[i]) + 1;
	}
	return 0;
}

/* Descriptors 0, 1 and 2 are the host's; one that is closed there is closed here. */
static int open_stdio(struct kernel *k, struct process *p)
{
	for (int fd = 0; fd < 3; fd++) {
		struct file *f;
		int r = vfs_stdio_open(k, fd, &f);

		if (r == -EBADF)
			continue;
		if (r == 0) {
			r = fdtable_install(p->files, f, fd, (unsigned)fd + 1, false);
			if (r < 0)
				file_close(f);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int bind_parts(struct kernel *k, struct process *p)
{
	p->sighand = sighand_create();
	p->files = fdtable_create((unsigned)p->rlim[RLIMIT_NOFILE].rlim_max);
	p->fs = fs_context_create(k);
	if (!p->sighand || !p->files || !p->fs)
		return -ENOMEM;
	return open_stdio(k, p);
}

int kernel_start_init(struct kernel *k, const char *path, char *const argv[], char *const envp[],
		      const char **what)
{
	struct exec_args a = {.strv = NULL};
	struct process *p;
	struct task *t;
	long r;

	if (what)
		*what = path;
	r = process_create(k, NULL, &p, &t);
	if (r < 0)
		return (int)r;
	r = bind_parts(k, p);
	if (r == 0 && k->cfg.cwd) {
		r = vfs_chdir(t, k->cfg.cwd);
		if (r < 0 && k->cfg.cwd_must_exist && what)
			*what = k->cfg.cwd;
		if (!k->cfg.cwd_must_exist)
			r = 0;
	}
	if (r == 0)
		r = make_args(argv, envp, &a);
	if (r == 0)
		r = do_execve(t, AT_FDCWD, path, &a, 0, what);
	exec_args_free(&a);
	call_finish(t, &t->call);
	if (r < 0) {
		process_abort(p, t);
		return (int)r;
	}
	/* It has run no call whose result could be lost. */
	t->keep_regs = false;
	p->execed = false;
	trace_start(t, path, argv, envp);
	process_start(p, t);
	return 0;
}
