/* Owners of open files: see file_owner.h. */
#include "file_owner.h"
#include "process.h"
#include "sys_fs.h"

#define OWNER_TID  0
#define OWNER_PID  1
#define OWNER_PGRP 2

struct f_owner_ex_k {
	int32_t type, pid;
};

/* A task, a process, a group or a session has that number. */
static bool number_used(struct kernel *k, uint32_t id)
{
	struct process *p;
	bool used;

	pthread_mutex_lock(&k->tree_lock);
	used = task_find_locked(k, id);
	TAILQ_FOREACH (p, &k->processes, all)
		used = used || p->pid == id || p->pgid == id || p->sid == id;
	pthread_mutex_unlock(&k->tree_lock);
	return used;
}

static long set_owner(struct task *t, struct file *f, int type, int id)
{
	struct file_owner *o = &vfs_file(f)->owner;

	if (id && (id < 0 || !number_used(t->k, (uint32_t)id)))
		return -ESRCH;
	o->type = type;
	o->who = id;
	return 0;
}

static long set_owner_ex(struct task *t, struct file *f, uint64_t arg)
{
	struct f_owner_ex_k ex;

	if (copy_from_guest(task_mm(t), &ex, gva(arg), sizeof(ex)))
		return -EFAULT;
	if (ex.type < OWNER_TID || ex.type > OWNER_PGRP)
		return -EINVAL;
	return set_owner(t, f, ex.type, ex.pid);
}

/* The owner, while it is there. */
static struct f_owner_ex_k get_owner(struct task *t, struct file *f)
{
	const struct file_owner *o = &vfs_file(f)->owner;
	struct f_owner_ex_k ex = {o->type, o->who};

	if (ex.pid && !number_used(t->k, (uint32_t)ex.pid))
		ex.pid = 0;
	return ex;
}

static long get_owner_ex(struct task *t, struct file *f, uint64_t arg)
{
	struct f_owner_ex_k ex = get_owner(t, f);

	return copy_to_guest(task_mm(t), gva(arg), &ex, sizeof(ex));
}

long file_owner_fcntl(struct task *t, struct file *f, int cmd, uint64_t arg)
{
	struct file_owner *o = &vfs_file(f)->owner;
	struct f_owner_ex_k ex;
	int who = (int)arg;

	switch (cmd) {
	case F_GETOWN:
		ex = get_owner(t, f);
		return ex.type == OWNER_PGRP ? -ex.pid : ex.pid;
	case F_SETOWN:
		if (who == INT32_MIN)
			return -EINVAL;
		return set_owner(t, f, who < 0 ? OWNER_PGRP : OWNER_PID, who < 0 ? -who : who);
	case F_GETOWN_EX:
		return get_owner_ex(t, f, arg);
	case F_SETOWN_EX:
		return set_owner_ex(t, f, arg);
	case F_GETSIG:
		return o->signum;
	case F_SETSIG:
		if (arg > NSIG_GUEST)
			return -EINVAL;
		o->signum = (int)arg;
		return 0;
	}
	return -EINVAL;
}
