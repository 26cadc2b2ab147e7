/*
 * kcmp(2): whether two processes share something; unshare(2), as far as one may without namespaces.
 */
#include "pidfd.h"
#include "process.h"
#include "sys_fs.h"

#include <linux/capability.h>
#include <linux/kcmp.h>
#include <sched.h>

/* What is compared of a process: a number that says nothing about addresses, but orders them. */
static uint64_t disguise(struct kernel *k, const void *p)
{
	return ((uint64_t)(uintptr_t)p ^ k->vfs->seed) * (k->vfs->seed | 1);
}

/* The object of that kind, or NULL: -EBADF. Its reference, if it has one, is in *file. */
static const void *object(struct process *p, int type, int fd, struct file **file)
{
	const void *o = p;

	pthread_mutex_lock(&p->lock);
	switch (type) {
	case KCMP_FILE:
		*file = p->files ? fdtable_lookup(p->files, fd) : NULL;
		o = *file;
		break;
	case KCMP_VM:
		o = p->mm;
		break;
	case KCMP_FILES:
		o = p->files;
		break;
	case KCMP_FS:
		o = p->fs;
		break;
	case KCMP_SIGHAND:
		o = p->sighand;
		break;
	default: /* KCMP_IO, KCMP_SYSVSEM: a process's own */
		break;
	}
	pthread_mutex_unlock(&p->lock);
	return o;
}

static long compare(struct task *t, struct process *p[2], struct call *c)
{
	struct file *f[2] = {NULL, NULL};
	const void *o[2];
	uint64_t v[2];
	int type = (int)c->args[2];

	for (int i = 0; i < 2; i++) {
		o[i] = object(p[i], type, (int)c->args[3 + i], &f[i]);
		v[i] = disguise(t->k, o[i]);
	}
	file_close(f[0]);
	file_close(f[1]);
	if (!o[0] || !o[1])
		return type == KCMP_FILE ? -EBADF : -ESRCH;
	return v[0] == v[1] ? 0 : v[0] < v[1] ? 1 : 2;
}

long sys_kcmp(struct task *t, struct call *c)
{
	struct process *p[2];
	long r = -ESRCH;
	int type = (int)c->args[2];

	for (int i = 0; i < 2; i++)
		p[i] = (int)c->args[i] > 0 ? process_by_arg(t, (int)c->args[i]) : NULL;
	if (p[0] && p[1]) {
		if (!process_may_attach(t, p[0]) || !process_may_attach(t, p[1]))
			r = -EPERM;
		else if (type < 0 || type > KCMP_SYSVSEM)
			r = type == KCMP_EPOLL_TFD ? -EOPNOTSUPP : -EINVAL;
		else
			r = compare(t, p, c);
	}
	for (int i = 0; i < 2; i++)
		if (p[i])
			process_put(p[i]);
	return r;
}

/* ---- unshare ---- */

#define NAMESPACES                                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET | 0x80)
#define PARTS (CLONE_FILES | CLONE_FS | CLONE_SYSVSEM)
#define ALONE (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)

static int unshare_files(struct task *t, bool threads)
{
	struct fdtable *mine;

	if (!threads && fdtable_refs(task_files(t)) == 1)
		return 0;
	mine = fdtable_clone(task_files(t));
	if (!mine)
		return -ENOMEM;
	fdtable_put(t->own_files);
	t->own_files = mine;
	return 0;
}

static int unshare_fs(struct task *t, bool threads)
{
	struct fs_context *mine;

	if (!threads && fs_context_refs(task_fs(t)) == 1)
		return 0;
	mine = fs_context_clone(task_fs(t));
	if (!mine)
		return -ENOMEM;
	if (t->own_fs)
		fs_context_put(t->own_fs);
	t->own_fs = mine;
	return 0;
}

long sys_unshare(struct task *t, struct call *c)
{
	uint64_t flags = c->args[0];
	bool threads;
	int r = 0;

	pthread_mutex_lock(&t->k->tree_lock);
	threads = t->p->ntasks > 1;
	pthread_mutex_unlock(&t->k->tree_lock);
	if (flags & ~(uint64_t)(NAMESPACES | PARTS | ALONE))
		return -EINVAL;
	if (flags & (ALONE | CLONE_NEWUSER | CLONE_NEWPID) && threads)
		return -EINVAL;
	if (flags & NAMESPACES)
		return -EPERM;
	if (flags & CLONE_FILES && !t->own_files)
		r = unshare_files(t, threads);
	if (!r && flags & CLONE_FS && !t->own_fs)
		r = unshare_fs(t, threads);
	return r;
}
