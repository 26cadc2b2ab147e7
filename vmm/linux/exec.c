/*
 * execve: finding the program, and the point where the old one ends.
 *
 * Everything that can fail is done on the side, in struct exec; exec_commit() only exchanges. So a
 * failed execve leaves the caller as it was. Linux finds some errors only after the old program is
 * gone, and kills it then: e->committed tells which these are, and the caller dies here too, unless
 * it never ran.
 *
 * The host may take long to give the files: then a worker does the first part (away.h).
 *
 * Between the two the process's other tasks end; then the caller is its first task, and whatever it
 * has in common with other processes it gets copies of.
 *
 *   caller                            another task
 *   exec_task = caller                sees itself doomed (signal_doomed_locked) at its next step,
 * or interrupts all others               is woken for it waits task_die(): leaves the list; two
 * were left: wakes exec_task is alone: commits
 */
#include "exec.h"
#include "away.h"
#include "posix_timer.h"
#include "process.h"
#include "robust.h"
#include "vfs.h"
#include "thread_end.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned exec_argc(const struct exec *e)
{
	return e->npre + (e->a->argc - e->skip);
}

const char *exec_arg(const struct exec *e, unsigned i)
{
	return i < e->npre ? e->pre[e->npre - 1 - i] : e->a->strv[e->skip + i - e->npre];
}

int exec_read_start(struct exec *e)
{
	ssize_t n;

	memset(e->buf, 0, sizeof(e->buf));
	n = vfs_pread(e->file, e->buf, sizeof(e->buf), 0);
	return n < 0 ? (int)n : 0;
}

/* The name that the program is given for itself: fs/exec.c, alloc_bprm(). */
static int name_program(struct exec *e, int dirfd, const char *path)
{
	int n;

	if (dirfd == AT_FDCWD || path[0] == '/') {
		n = snprintf(e->filename, sizeof(e->filename), "%s", path);
	} else {
		n = snprintf(e->filename, sizeof(e->filename),
			     path[0] ? "/dev/fd/%d/%s" : "/dev/fd/%d", dirfd, path);
		e->path_inaccessible = fdtable_get_cloexec(task_files(e->t), dirfd) == 1;
	}
	return n < 0 || (size_t)n >= sizeof(e->filename) ? -ENAMETOOLONG : 0;
}

/* fs/exec.c, bprm_stack_limits(): a quarter of the stack's limit, at most 6 MiB, at least 128 KiB.
 */
static int check_sizes(const struct exec *e)
{
	uint64_t limit = EXEC_STK_LIM / 4 * 3, quarter = e->t->p->rlim[RLIMIT_STACK].rlim_cur / 4;
	uint64_t pointers =
		((e->a->argc ? e->a->argc : 1) + (uint64_t)e->a->envc) * sizeof(uint64_t);

	if (limit > quarter)
		limit = quarter;
	if (limit < EXEC_ARG_MAX)
		limit = EXEC_ARG_MAX;
	if (limit <= pointers || e->a->bytes + strlen(e->filename) + 1 > limit - pointers)
		return -E2BIG;
	for (unsigned i = 0; i < e->a->argc + e->a->envc; i++)
		if (strlen(e->a->strv[i]) >= EXEC_MAX_ARG_STRLEN)
			return -E2BIG;
	return 0;
}

/* Follows scripts to a program that can be loaded, and loads it: fs/exec.c, exec_binprm(). */
static int find_and_load(struct exec *e)
{
	snprintf(e->interp, sizeof(e->interp), "%s", e->filename);
	for (int depth = 0;; depth++) {
		int r;

		if (depth > EXEC_MAX_INTERP)
			return -ELOOP;
		r = exec_read_start(e);
		if (r == 0)
			r = exec_script(e);
		if (r < 0)
			return r;
		if (r == 0)
			return exec_load(e);
	}
}

/* What the exchange needs and may fail: own tables instead of shared ones. */
struct commit {
	struct fdtable *files;
	struct sighand *sighand;
};

static int prepare_commit(struct exec *e, struct commit *cm)
{
	struct process *p = e->t->p;

	if (e->t->own_files || fdtable_refs(p->files) > 1) {
		cm->files = fdtable_clone(task_files(e->t));
		if (!cm->files)
			return -ENOMEM;
	}
	if (atomic_load(&p->sighand->refs) > 1) {
		cm->sighand = sighand_clone(p->sighand);
		if (!cm->sighand)
			return -ENOMEM;
	}
	return exe_create(e->file, &e->exe);
}

static void set_comm(struct task *t, const char *filename)
{
	const char *slash = strrchr(filename, '/');

	snprintf(t->comm, sizeof(t->comm), "%.*s", TASK_COMM_LEN - 1, slash ? slash + 1 : filename);
}

/* The process's view of itself: what /proc and its parent see. */
static void commit_identity(struct exec *e)
{
	struct process *p = e->t->p;
	struct path *old = p->exe;

	pthread_mutex_lock(&p->lock);
	p->exe = e->exe;
	e->exe = NULL;
	p->stack_start = e->sp;
	p->arg_start = e->arg_start;
	p->arg_end = e->arg_end;
	p->env_start = e->env_start;
	p->env_end = e->env_end;
	memcpy(p->auxv, e->auxv, sizeof(p->auxv));
	p->dumpable = true;
	cred_exec(&p->cred, p->attr.no_new_privs);
	set_comm(e->t, e->filename);
	pthread_mutex_unlock(&p->lock);
	if (old)
		exe_free(old);

	pthread_mutex_lock(&e->k->tree_lock);
	p->execed = true;
	if (p->exit_signal)
		p->exit_signal = SIGCHLD;
	pthread_mutex_unlock(&e->k->tree_lock);
}

static void commit_tables(struct task *t, struct commit *cm)
{
	struct process *p = t->p;
	struct fdtable *files = p->files;
	struct fs_context *fs = p->fs;
	struct sighand *sighand = p->sighand;
	unsigned fd = 0;
	struct file *f;

	pthread_mutex_lock(&p->lock);
	if (cm->files)
		p->files = cm->files;
	if (t->own_fs)
		p->fs = fs_context_get(t->own_fs);
	pthread_mutex_unlock(&p->lock);
	if (cm->files)
		fdtable_put(files);
	cm->files = NULL;
	if (t->own_fs)
		fs_context_put(fs);
	task_drop_parts(t);
	if (cm->sighand) {
		pthread_mutex_lock(&p->siglock);
		p->sighand = cm->sighand;
		pthread_mutex_unlock(&p->siglock);
		sighand_put(sighand);
		cm->sighand = NULL;
	}
	while ((f = fdtable_take_next(p->files, &fd, UINT32_MAX, true)))
		descriptor_gone(p, f);
	sighand_reset(p->sighand);
}

static void commit_cpu(struct exec *e)
{
	struct cpu *cpu = &e->t->cpu;

	task_fpu_forget(e->t);
	if (cpu->fpu && e->k->cfg.fpu_init)
		memcpy(cpu->fpu, e->k->cfg.fpu_init, e->k->cfg.fpu_size);
	arch_start_thread(cpu, e->entry, e->sp);
	cpu->regs_modified = true;
	/* execve's result is the new program's registers. */
	e->t->keep_regs = true;
}

/* The only task of its process becomes its first: its id is the process's. */
static void take_over(struct task *t)
{
	struct process *p = t->p;
	uint32_t tid = t->tid;
	struct thread_end *end;

	if (tid == p->pid)
		return;
	pthread_mutex_lock(&t->k->tree_lock);
	pthread_mutex_lock(&p->siglock);
	t->tid = p->pid;
	pthread_mutex_unlock(&p->siglock);
	end = thread_end_take_locked(t);
	pthread_mutex_unlock(&t->k->tree_lock);
	/* A thread of the old id is no more. */
	thread_end_signal(end);
	futex_owner_rename(t->k->futex, &t->futex, p->pid);
	registry_release_id(t->k->registry, tid);
}

/* The old program is gone. Nothing fails here. */
static void exec_commit(struct exec *e, struct commit *cm)
{
	struct task *t = e->t;
	struct process *p = t->p;
	struct mm *old = p->mm;

	robust_exec(t);
	rseq_exit(t);
	take_over(t);
	/* The vCPU that runs t finds another mm here and activates it; it holds its own reference
	 * to the old one. */
	pthread_mutex_lock(&p->lock);
	p->mm = e->mm;
	p->sigtramp = e->vdso && e->k->vdso_sigreturn ? e->vdso + e->k->vdso_sigreturn : 0;
	e->mm = NULL;
	pthread_mutex_unlock(&p->lock);

	commit_identity(e);
	commit_tables(t, cm);
	posix_timers_exit(p);
	atomic_store(&p->membarrier, 0);
	memset(&t->altstack, 0, sizeof(t->altstack));
	t->altstack.flags = SS_DISABLE;
	free(t->restart_call);
	t->restart_call = NULL;
	commit_cpu(e);
	atomic_store(&p->vfork_done, true);
	/* Mostly it only waits for the child, next. */
	sched_near_more(e->k->vfork_patience);
	waitq_wake_all(&p->vfork_wait);
	sched_near_more(0);
	process_count_memory(p, old);
	if (old)
		mm_put(old);
}

/* 0: t is alone. -EBLOCKED: it will be woken when it is. -EAGAIN: it must die itself. */
static int end_others(struct task *t)
{
	struct process *p = t->p;
	struct task *o;
	int r = 0;

	pthread_mutex_lock(&p->siglock);
	if (signal_doomed_locked(t)) {
		r = -EAGAIN;
	} else if (p->ntasks <= 1) {
		p->exec_task = NULL;
	} else {
		r = -EBLOCKED;
		if (!p->exec_task) {
			p->exec_task = t;
			TAILQ_FOREACH (o, &p->tasks, thread)
				if (o != t)
					signal_notify_locked(o);
		}
	}
	pthread_mutex_unlock(&p->siglock);
	return r;
}

/* Everything is loaded. May be called again after -EBLOCKED. */
static long exec_finish(struct exec *e)
{
	struct commit cm = {NULL, NULL};
	int r = end_others(e->t);

	if (r < 0) {
		e->committed = true;
		return r;
	}
	r = prepare_commit(e, &cm);
	if (r == 0)
		exec_commit(e, &cm);
	else if (e->committed && e->t->p->mm)
		process_kill(e->t->p, SIGSEGV);
	fdtable_put(cm.files);
	if (cm.sighand)
		sighand_put(cm.sighand);
	return r;
}

static void exec_fini(void *state)
{
	struct exec *e = state;

	for (unsigned i = 0; i < e->npre; i++)
		free(e->pre[i]);
	mm_put(e->mm);
	elf_free(&e->img);
	elf_free(&e->interp_img);
	file_close(e->interp_file);
	file_close(e->file);
	if (e->exe)
		exe_free(e->exe);
}

static void report(const struct exec *e, const char *path, const char **what)
{
	static char name[PATH_MAX + 32];

	if (!what)
		return;
	snprintf(name, sizeof(name), "%s", e->what ? e->what : path);
	*what = name;
}

long do_execve(struct task *t, int dirfd, const char *path, const struct exec_args *a,
	       unsigned at_flags, const char **what)
{
	static char *const no_args[] = {(char *)(uintptr_t) ""};
	struct exec *e = call_state(&t->call, sizeof(*e));
	struct exec_args one;
	char **strv = NULL;
	long r;

	if (!e)
		return -ENOMEM;
	t->call.state_free = exec_fini;
	e->t = t;
	e->k = t->k;
	e->a = a;
	r = vfs_open_exec(t, dirfd, path, at_flags, &e->file);
	if (r == 0)
		r = name_program(e, dirfd, path);
	if (r == 0 && a->argc == 0) {
		/* Since Linux 5.18 a program always has an argv[0]. */
		strv = calloc(1UL + a->envc, sizeof(*strv));
		r = strv ? 0 : -ENOMEM;
	}
	if (r == 0 && strv) {
		strv[0] = no_args[0];
		if (a->envc)
			memcpy(strv + 1, a->strv, a->envc * sizeof(*strv));
		one = (struct exec_args){
			.strv = strv, .argc = 1, .envc = a->envc, .bytes = a->bytes + 1};
		e->a = &one;
	}
	if (r == 0)
		r = check_sizes(e);
	if (r == 0)
		r = find_and_load(e);
	if (r < 0)
		report(e, path, what);
	/* It begins anew on a worker: the old program is there. */
	if (r < 0 && r != -EHOSTWAIT && e->committed && t->p->mm)
		process_kill(t->p, SIGSEGV);
	/* What it borrows ends here. */
	e->a = NULL;
	free(strv);
	/* The exchange itself is the business of who runs the task. */
	if (r == 0 && host_call_is_away())
		return -EBLOCKED;
	return r == 0 ? exec_finish(e) : r;
}

long do_execve_again(struct task *t)
{
	return exec_finish(t->call.state);
}
