/*
 * Making processes and threads: clone, clone3, fork, vfork.
 *
 * A child is a transaction: PID and memory, address space, descriptors, file-system context,
 * actions, registers; then, with tree_lock held, it becomes visible and starts. Any failure before
 * that gives everything back.
 *
 * A thread is one, too: an id, a task with registers of its own, and descriptors and file-system
 * context if it does not share its process's; then, with tree_lock and siglock held, it is in the
 * process's list.
 *
 * What is refused: CLONE_INTO_CGROUP (EINVAL), set_tid (EPERM), and new namespaces (EPERM for
 * ordinary users, EINVAL for root: as a kernel without namespaces).
 */
#include "process.h"
#include "pidfd.h"
#include "sys_fs.h"
#include "syscalls.h"
#include "thread_end.h"

#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

/* Not in every libc's <sched.h>. */
#define CLONE_PIDFD_K         0x00001000ULL
#define CLONE_DETACHED_K      0x00400000ULL
#define CLONE_CLEAR_SIGHAND_K 0x100000000ULL
#define CLONE_INTO_CGROUP_K   0x200000000ULL
#define CLONE_NEWTIME_K       0x00000080ULL

#define CLONE_NAMESPACES                                                                           \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)
#define CLONE_LEGACY_FLAGS 0xffffffffULL

#define CLONE_ARGS_SIZE_VER0 64
#define CLONE_ARGS_SIZE_VER2 88

/* ---- checks, in Linux's order (kernel_clone, copy_process) ---- */

static int check_flags(struct task *t, const struct clone_args_k *a)
{
	uint64_t f = a->flags;

	if (f & CLONE_PIDFD_K && f & CLONE_PARENT_SETTID && a->pidfd == a->parent_tid)
		return -EINVAL;
	if ((f & (CLONE_NEWNS | CLONE_FS)) == (CLONE_NEWNS | CLONE_FS))
		return -EINVAL;
	if ((f & (CLONE_NEWUSER | CLONE_FS)) == (CLONE_NEWUSER | CLONE_FS))
		return -EINVAL;
	if (f & CLONE_THREAD && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if (f & CLONE_SIGHAND && !(f & CLONE_VM))
		return -EINVAL;
	/* PID 1 has no parent to share. */
	if (f & CLONE_PARENT && !t->p->parent)
		return -EINVAL;
	if (f & CLONE_THREAD && f & (CLONE_NEWUSER | CLONE_NEWPID))
		return -EINVAL;
	if (f & CLONE_PIDFD_K && f & CLONE_DETACHED_K)
		return -EINVAL;
	if (f & CLONE_NAMESPACES)
		return task_euid(t) ? -EPERM : -EINVAL;
	return 0;
}

/* RLIMIT_NPROC counts the user's tasks; root's are not limited. Nobody gets more than the machine
 * bears. */
static int check_nproc(struct task *t)
{
	struct kernel *k = t->k;
	struct cred me;
	uint64_t limit, n = 0;
	struct process *q;

	process_cred(t->p, &me);
	pthread_mutex_lock(&t->p->lock);
	limit = t->p->rlim[RLIMIT_NPROC].rlim_cur;
	pthread_mutex_unlock(&t->p->lock);
	if (k->cfg.mem_limit && atomic_load(&k->ntasks) >= kernel_threads_max(k))
		return -EAGAIN;
	if (atomic_load(&k->ntasks) < limit || me.uid == 0 || cred_capable(&me, CAP_SYS_RESOURCE))
		return 0;
	pthread_mutex_lock(&k->tree_lock);
	TAILQ_FOREACH (q, &k->processes, all)
		if (process_uid(q) == me.uid)
			n += q->ntasks ? q->ntasks : 1;
	pthread_mutex_unlock(&k->tree_lock);
	return n < limit ? 0 : -EAGAIN;
}

/* ---- the parts ---- */

static int copy_mm(struct task *t, struct process *child, uint64_t flags)
{
	struct process *p = t->p;
	bool alone;

	if (!(flags & CLONE_VM)) {
		pthread_mutex_lock(&p->siglock);
		alone = p->ntasks == 1 && !p->mm_shared;
		pthread_mutex_unlock(&p->siglock);
		return alone ? mm_fork(p->mm, arch_sp(&t->cpu.regs), &child->mm)
			     : mm_fork_threads(p->mm, &child->mm);
	}
	child->mm = mm_get(p->mm);
	child->mm_shared = true;
	pthread_mutex_lock(&p->siglock);
	p->mm_shared = true;
	pthread_mutex_unlock(&p->siglock);
	return 0;
}

static int copy_parts(struct task *t, struct process *child, uint64_t flags)
{
	struct process *p = t->p;
	int r = copy_mm(t, child, flags);

	if (r < 0)
		return r;
	child->files =
		flags & CLONE_FILES ? fdtable_get(task_files(t)) : fdtable_clone(task_files(t));
	child->fs = flags & CLONE_FS ? fs_context_get(task_fs(t)) : fs_context_clone(task_fs(t));
	child->sighand =
		flags & CLONE_SIGHAND ? sighand_get(p->sighand) : sighand_clone(p->sighand);
	if (!child->files || !child->fs || !child->sighand)
		return -ENOMEM;
	if (flags & CLONE_CLEAR_SIGHAND_K)
		sighand_reset(child->sighand);
	child->sigtramp = p->sigtramp;
	atomic_store(&child->membarrier, atomic_load(&p->membarrier));
	return 0;
}

/* What a thread does not share with its process. */
static int copy_thread_parts(struct task *t, struct task *n, uint64_t flags)
{
	if (!(flags & CLONE_FILES))
		n->own_files = fdtable_clone(task_files(t));
	else if (t->own_files)
		n->own_files = fdtable_get(t->own_files);
	if (!(flags & CLONE_FS))
		n->own_fs = fs_context_clone(task_fs(t));
	else if (t->own_fs)
		n->own_fs = fs_context_get(t->own_fs);
	if ((!(flags & CLONE_FILES) && !n->own_files) || (!(flags & CLONE_FS) && !n->own_fs))
		return -ENOMEM;
	return 0;
}

static void copy_task(struct task *t, struct task *n, const struct clone_args_k *a)
{
	struct kernel *k = t->k;

	task_fpu_sync(t);
	memcpy(n->cpu.fpu, t->cpu.fpu, k->cfg.fpu_size);
	n->cpu.regs = t->cpu.regs;
	arch_fork_regs(&n->cpu, a->stack, (a->flags & CLONE_SETTLS) != 0, a->tls);
	n->cpu.regs_modified = true;
	sched_set_affinity(&n->st, sched_get_affinity(&t->st));
	n->blocked = t->saved_mask_valid ? t->saved_mask : t->blocked;
	if (!(a->flags & CLONE_VM) || a->flags & CLONE_VFORK)
		n->altstack = t->altstack;
	rseq_fork(t, n, (a->flags & CLONE_VM) != 0);
	if (a->flags & CLONE_CHILD_CLEARTID)
		n->clear_child_tid = a->child_tid;
	pthread_mutex_lock(&t->p->lock);
	memcpy(n->comm, t->comm, sizeof(n->comm));
	n->prio = t->prio;
	pthread_mutex_unlock(&t->p->lock);
	if (n->prio.reset_on_fork && n->prio.nice < 0)
		n->prio.nice = 0;
	n->prio.reset_on_fork = false;
}

/* As Linux, what cannot be stored is not stored. */
static void store_tids(struct task *t, struct task *n, const struct clone_args_k *a)
{
	uint32_t tid = n->tid;

	if (a->flags & CLONE_CHILD_SETTID)
		copy_to_guest(n->p->mm, gva(a->child_tid), &tid, sizeof(tid));
	if (a->flags & CLONE_PARENT_SETTID)
		copy_to_guest(t->p->mm, gva(a->parent_tid), &tid, sizeof(tid));
}

/*
 * Makes the child visible and runnable. -ERESTARTNOINTR: meanwhile a signal came for the whole
 * group, which the child, not yet in it, would miss; or we are to die.
 */
static int publish(struct task *t, struct process *child, struct task *first,
		   const struct clone_args_k *a, unsigned group_signals)
{
	struct kernel *k = t->k;
	struct process *p = t->p;
	bool dying;

	pthread_mutex_lock(&k->tree_lock);
	pthread_mutex_lock(&p->siglock);
	dying = signal_doomed_locked(t);
	pthread_mutex_unlock(&p->siglock);
	if (dying || p->group_signals != group_signals) {
		pthread_mutex_unlock(&k->tree_lock);
		return -ERESTARTNOINTR;
	}
	process_link_locked(child, first, p, (a->flags & CLONE_PARENT) != 0);
	child->exit_signal = a->flags & CLONE_PARENT ? p->exit_signal : a->exit_signal;
	pthread_mutex_unlock(&k->tree_lock);
	return 0;
}

/* CLONE_PIDFD: a descriptor that is told already, and open only when nothing can fail any more. */
struct clone_pidfd {
	int fd; /* reserved; -1: none */
	struct file *f;
};

/* One of the child, or of its thread `end`, which the child does not get. 0, or a negative errno.
 */
static int make_pidfd(struct task *t, struct process *child, struct thread_end *end,
		      const struct clone_args_k *a, struct clone_pidfd *out)
{
	int err = pidfd_file(child, end, 0, &out->f);

	if (err) {
		out->f = NULL;
		return err;
	}
	out->fd = fdtable_reserve(task_files(t), nofile_limit(t), true);
	if (out->fd < 0)
		return out->fd;
	return copy_to_guest(t->p->mm, gva(a->pidfd), &out->fd, sizeof(out->fd)) ? -EFAULT : 0;
}

static void end_pidfd(struct task *t, const struct clone_pidfd *p, bool made)
{
	if (made && p->f) {
		fdtable_fill(task_files(t), p->fd, p->f);
		return;
	}
	if (p->fd >= 0)
		fdtable_unreserve(task_files(t), p->fd);
	file_close(p->f);
}

static long clone_make(struct task *t, const struct clone_args_k *a, struct process **child)
{
	struct kernel *k = t->k;
	unsigned group_signals;
	struct clone_pidfd pidfd = {.fd = -1};
	struct task *first;
	long pid;
	int r;

	pthread_mutex_lock(&k->tree_lock);
	group_signals = t->p->group_signals;
	pthread_mutex_unlock(&k->tree_lock);
	if (signal_still_pending(t))
		return -ERESTARTNOINTR;
	r = process_create(k, t->p, child, &first);
	if (r < 0)
		return r;
	pid = (*child)->pid;
	r = copy_parts(t, *child, a->flags);
	if (r == 0) {
		copy_task(t, first, a);
		if (a->flags & CLONE_PIDFD_K)
			r = make_pidfd(t, *child, NULL, a, &pidfd);
	}
	if (r >= 0) {
		process_get(*child); /* the caller's */
		r = publish(t, *child, first, a, group_signals);
		if (r < 0)
			process_put(*child);
	}
	end_pidfd(t, &pidfd, r >= 0);
	if (r < 0) {
		process_abort(*child, first);
		return r;
	}
	/* It is in the tree, but does not run before this; guest memory is not touched under
	 * tree_lock. */
	store_tids(t, first, a);
	sched_start(&first->st);
	return pid;
}

/* Into the process, unless that is about to end or to become another program's. */
static int publish_thread(struct task *t, struct task *n)
{
	struct kernel *k = t->k;
	struct process *p = t->p;
	bool dying;

	pthread_mutex_lock(&k->tree_lock);
	pthread_mutex_lock(&p->siglock);
	dying = signal_doomed_locked(t);
	if (!dying)
		task_link_locked(n);
	pthread_mutex_unlock(&p->siglock);
	pthread_mutex_unlock(&k->tree_lock);
	return dying ? -ERESTARTNOINTR : 0;
}

/* What others may hold of a new thread: its pidfd, and t's wait for it. */
static int thread_watch(struct task *t, struct task *n, const struct clone_args_k *a,
			struct clone_pidfd *pidfd)
{
	if (!(a->flags & (CLONE_PIDFD_K | CLONE_VFORK)))
		return 0;
	n->end = thread_end_create(n->tid);
	if (!n->end)
		return -ENOMEM;
	return a->flags & CLONE_PIDFD_K ? make_pidfd(t, t->p, n->end, a, pidfd) : 0;
}

static long thread_make(struct task *t, const struct clone_args_k *a)
{
	struct kernel *k = t->k;
	struct clone_pidfd pidfd = {.fd = -1};
	struct task *n;
	long tid;
	int r;

	if (signal_still_pending(t))
		return -ERESTARTNOINTR;
	tid = registry_reserve_id(k->registry);
	if (tid < 0)
		return tid;
	n = task_create(t->p, (uint32_t)tid);
	r = n ? copy_thread_parts(t, n, a->flags) : -ENOMEM;
	if (r == 0) {
		copy_task(t, n, a);
		r = thread_watch(t, n, a, &pidfd);
	}
	if (r == 0) {
		if (a->flags & CLONE_VFORK)
			t->vfork_thread = thread_end_get(n->end);
		r = publish_thread(t, n);
	}
	end_pidfd(t, &pidfd, r >= 0);
	if (r < 0) {
		thread_end_put(t->vfork_thread);
		t->vfork_thread = NULL;
		if (n)
			task_free(n);
		registry_release_id(k->registry, (uint32_t)tid);
		return r;
	}
	store_tids(t, n, a);
	sched_start(&n->st);
	return tid;
}

/* Second and later runs of a CLONE_VFORK: c->progress is the child's id. */
static long vfork_wait(struct task *t, struct call *c)
{
	struct thread_end *end = t->vfork_thread;
	struct process *child = t->vfork_child;
	bool dying, done;

	if (waitq_add(end ? &end->wq : &child->vfork_wait, &t->st, false) < 0)
		return -EBLOCKED; /* cannot be: its first waiter */
	pthread_mutex_lock(&t->p->siglock);
	dying = signal_doomed_locked(t);
	pthread_mutex_unlock(&t->p->siglock);
	done = end ? atomic_load(&end->done) : atomic_load(&child->vfork_done);
	/* Only death ends this wait early. */
	if (!done && !dying)
		return -EBLOCKED;
	t->vfork_child = NULL;
	t->vfork_thread = NULL;
	waitq_remove_all(&t->st);
	process_put(child);
	thread_end_put(end);
	return (long)c->progress;
}

static bool in_vfork(const struct task *t)
{
	return t->vfork_child || t->vfork_thread;
}

long do_clone(struct task *t, struct call *c, const struct clone_args_k *a)
{
	struct process *child;
	long pid;
	int r;

	if (in_vfork(t))
		return vfork_wait(t, c);
	r = check_flags(t, a);
	if (r == 0)
		r = check_nproc(t);
	if (r < 0)
		return r;
	if (a->flags & CLONE_THREAD) {
		pid = thread_make(t, a);
		if (pid < 0 || !t->vfork_thread)
			return pid;
		c->progress = (uint64_t)pid;
		return vfork_wait(t, c);
	}
	pid = clone_make(t, a, &child);
	if (pid < 0)
		return pid;
	if (!(a->flags & CLONE_VFORK)) {
		process_put(child);
		return pid;
	}
	t->vfork_child = child;
	c->progress = (uint64_t)pid;
	return vfork_wait(t, c);
}

/* ---- entries ---- */

long sys_fork(struct task *t, struct call *c)
{
	struct clone_args_k a = {.exit_signal = SIGCHLD};

	return do_clone(t, c, &a);
}

long sys_vfork(struct task *t, struct call *c)
{
	struct clone_args_k a = {.flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD};

	return do_clone(t, c, &a);
}

long sys_clone(struct task *t, struct call *c)
{
	struct clone_args_k a = {
		.flags = (uint32_t)c->args[0] & ~(uint64_t)CSIGNAL,
		.exit_signal = (int)(c->args[0] & CSIGNAL),
		.stack = c->args[1],
		.parent_tid = c->args[2],
		.pidfd = c->args[2],
	};

	arch_clone_args(c->args, &a.tls, &a.child_tid);
	return do_clone(t, c, &a);
}

/* struct clone_args of clone3(2). */
struct clone_args_abi {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup;
};
_Static_assert(sizeof(struct clone_args_abi) == CLONE_ARGS_SIZE_VER2, "clone_args is 88 bytes");

/* copy_struct_from_user: what we do not know must be zero. */
static int clone3_copy(struct task *t, uint64_t addr, uint64_t size, struct clone_args_abi *abi)
{
	uint8_t rest[64];
	size_t n;

	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	memset(abi, 0, sizeof(*abi));
	for (uint64_t off = sizeof(*abi); off < size; off += n) {
		n = size - off < sizeof(rest) ? size - off : sizeof(rest);
		if (copy_from_guest(t->p->mm, rest, gva(addr + off), n) < 0)
			return -EFAULT;
		for (size_t i = 0; i < n; i++)
			if (rest[i])
				return -E2BIG;
	}
	return copy_from_guest(t->p->mm, abi, gva(addr), size < sizeof(*abi) ? size : sizeof(*abi));
}

static bool clone3_valid(const struct clone_args_abi *abi)
{
	uint64_t f = abi->flags;

	if (f & ~(CLONE_LEGACY_FLAGS | CLONE_CLEAR_SIGHAND_K | CLONE_INTO_CGROUP_K))
		return false;
	if (f & (CLONE_DETACHED_K | (CSIGNAL & ~CLONE_NEWTIME_K)))
		return false;
	if (f & CLONE_SIGHAND && f & CLONE_CLEAR_SIGHAND_K)
		return false;
	if (f & (CLONE_THREAD | CLONE_PARENT) && abi->exit_signal)
		return false;
	if (!abi->stack)
		return !abi->stack_size;
	return abi->stack_size && abi->stack < ABI_USER_END &&
	       abi->stack_size <= ABI_USER_END - abi->stack;
}

long sys_clone3(struct task *t, struct call *c)
{
	struct clone_args_k a = {0};
	struct clone_args_abi abi;
	int r;

	if (in_vfork(t))
		return vfork_wait(t, c);
	r = clone3_copy(t, c->args[0], c->args[1], &abi);
	if (r < 0)
		return r;
	if (abi.set_tid_size > 32 || !abi.set_tid != !abi.set_tid_size)
		return -EINVAL;
	if (abi.exit_signal & ~(uint64_t)CSIGNAL || abi.exit_signal > NSIG_GUEST)
		return -EINVAL;
	if (!clone3_valid(&abi) || abi.flags & CLONE_INTO_CGROUP_K)
		return -EINVAL;
	/* Choosing PIDs takes CAP_CHECKPOINT_RESTORE, which nobody has here. */
	if (abi.set_tid_size)
		return -EPERM;
	if (abi.flags & CLONE_NEWTIME_K)
		return task_euid(t) ? -EPERM : -EINVAL;
	a.flags = abi.flags;
	a.exit_signal = (int)abi.exit_signal;
	a.child_tid = abi.child_tid;
	a.parent_tid = abi.parent_tid;
	a.pidfd = abi.pidfd;
	a.stack = abi.stack ? abi.stack + abi.stack_size : 0;
	a.stack_size = abi.stack_size;
	a.tls = abi.tls;
	return do_clone(t, c, &a);
}
