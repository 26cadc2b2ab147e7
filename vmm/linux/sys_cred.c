/*
 * Credentials: credentials(7), capabilities(7).
 *
 * A guest's ids are the guest's own affair: uid 0 inside may change them at will, and has towards
 * the guest's objects what a container's root has; none of it reaches the host, where vmbox stays
 * its invoker. Identities change only by the owner, under process->lock.
 */
#include "sys.h"
#include "syscalls.h"

#include <linux/capability.h>
#include <string.h>

#define KEEP UINT32_MAX /* -1: leave this one */

/* What root has in an ordinary container: no administration of the machine. */
const uint64_t caps_of_root = 1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FOWNER |
			      1ULL << CAP_FSETID | 1ULL << CAP_KILL | 1ULL << CAP_SETGID |
			      1ULL << CAP_SETUID | 1ULL << CAP_SETPCAP | 1ULL << CAP_SYS_CHROOT |
			      1ULL << CAP_MKNOD | 1ULL << CAP_SETFCAP | 1ULL << CAP_IPC_LOCK |
			      1ULL << CAP_SYS_NICE | 1ULL << CAP_SYS_RESOURCE;

bool task_capable(struct task *t)
{
	return t->p->cred.euid == 0;
}

struct process *process_by_arg(struct task *t, int pid)
{
	struct process *p;
	struct task *o;

	if (pid == 0)
		return process_get(t->p);
	p = pid < 0 ? NULL : process_find(t->k, (uint32_t)pid);
	if (p || pid < 0)
		return p;
	/* A thread's id names its process. */
	pthread_mutex_lock(&t->k->tree_lock);
	o = task_find_locked(t->k, (uint32_t)pid);
	p = o ? process_get(o->p) : NULL;
	pthread_mutex_unlock(&t->k->tree_lock);
	return p;
}

#define GETTER(name, field)                                                                        \
	long sys_##name(struct task *t, struct call *c)                                            \
	{                                                                                          \
		(void)c;                                                                           \
		return (long)t->p->cred.field;                                                     \
	}
GETTER(getuid, uid)
GETTER(geteuid, euid)
GETTER(getgid, gid)
GETTER(getegid, egid)

/* One of r, e, s is id, or it is to be kept. */
static bool among(uint32_t id, uint32_t r, uint32_t e, uint32_t s)
{
	return id == KEEP || id == r || id == e || id == s;
}

struct ids {
	uint32_t r, e, s, fs;
};

static struct ids user_ids(const struct cred *cr)
{
	return (struct ids){cr->uid, cr->euid, cr->suid, cr->fsuid};
}

static struct ids group_ids(const struct cred *cr)
{
	return (struct ids){cr->gid, cr->egid, cr->sgid, cr->fsgid};
}

static void commit(struct task *t, bool user, struct ids i)
{
	struct cred *cr = &t->p->cred;

	pthread_mutex_lock(&t->p->lock);
	if (user) {
		cr->uid = i.r;
		cr->euid = i.e;
		cr->suid = i.s;
		cr->fsuid = i.fs;
	} else {
		cr->gid = i.r;
		cr->egid = i.e;
		cr->sgid = i.s;
		cr->fsgid = i.fs;
	}
	pthread_mutex_unlock(&t->p->lock);
}

static long set_id(struct task *t, uint32_t id, bool user)
{
	struct ids i = user ? user_ids(&t->p->cred) : group_ids(&t->p->cred);

	if (id == KEEP)
		return -EINVAL;
	if (task_capable(t))
		i.r = i.s = id;
	else if (id != i.r && id != i.s)
		return -EPERM;
	i.e = i.fs = id;
	commit(t, user, i);
	return 0;
}

static long set_re(struct task *t, uint32_t r, uint32_t e, bool user)
{
	struct ids i = user ? user_ids(&t->p->cred) : group_ids(&t->p->cred), old = i;

	if (!task_capable(t)) {
		if (r != KEEP && r != i.r && r != i.e)
			return -EPERM;
		if (!among(e, i.r, i.e, i.s))
			return -EPERM;
	}
	if (r != KEEP)
		i.r = r;
	if (e != KEEP)
		i.e = e;
	if (r != KEEP || (e != KEEP && e != old.r))
		i.s = i.e;
	i.fs = i.e;
	commit(t, user, i);
	return 0;
}

static long set_res(struct task *t, uint32_t r, uint32_t e, uint32_t s, bool user)
{
	struct ids i = user ? user_ids(&t->p->cred) : group_ids(&t->p->cred);

	if (!task_capable(t) &&
	    (!among(r, i.r, i.e, i.s) || !among(e, i.r, i.e, i.s) || !among(s, i.r, i.e, i.s)))
		return -EPERM;
	if (r != KEEP)
		i.r = r;
	if (e != KEEP)
		i.e = e;
	if (s != KEEP)
		i.s = s;
	i.fs = i.e;
	commit(t, user, i);
	return 0;
}

/* Returns the old one whether it was changed or not: setfsuid(2). */
static long set_fs(struct task *t, uint32_t id, bool user)
{
	struct ids i = user ? user_ids(&t->p->cred) : group_ids(&t->p->cred), old = i;

	if (id == KEEP || (!task_capable(t) && !among(id, i.r, i.e, i.s) && id != i.fs))
		return (long)old.fs;
	i.fs = id;
	commit(t, user, i);
	return (long)old.fs;
}

static long get_res(struct task *t, struct call *c, struct ids i)
{
	struct mm *mm = task_mm(t);

	if (copy_to_guest(mm, gva(c->args[0]), &i.r, 4) < 0 ||
	    copy_to_guest(mm, gva(c->args[1]), &i.e, 4) < 0 ||
	    copy_to_guest(mm, gva(c->args[2]), &i.s, 4) < 0)
		return -EFAULT;
	return 0;
}

#define ARG(n) ((uint32_t)c->args[n])

long sys_setuid(struct task *t, struct call *c)
{
	return set_id(t, ARG(0), true);
}

long sys_setgid(struct task *t, struct call *c)
{
	return set_id(t, ARG(0), false);
}

long sys_setreuid(struct task *t, struct call *c)
{
	return set_re(t, ARG(0), ARG(1), true);
}

long sys_setregid(struct task *t, struct call *c)
{
	return set_re(t, ARG(0), ARG(1), false);
}

long sys_setresuid(struct task *t, struct call *c)
{
	return set_res(t, ARG(0), ARG(1), ARG(2), true);
}

long sys_setresgid(struct task *t, struct call *c)
{
	return set_res(t, ARG(0), ARG(1), ARG(2), false);
}

long sys_getresuid(struct task *t, struct call *c)
{
	return get_res(t, c, user_ids(&t->p->cred));
}

long sys_getresgid(struct task *t, struct call *c)
{
	return get_res(t, c, group_ids(&t->p->cred));
}

long sys_setfsuid(struct task *t, struct call *c)
{
	return set_fs(t, ARG(0), true);
}

long sys_setfsgid(struct task *t, struct call *c)
{
	return set_fs(t, ARG(0), false);
}

long sys_getgroups(struct task *t, struct call *c)
{
	const struct cred *cr = &t->p->cred;
	int size = (int)c->args[0];

	if (size < 0)
		return -EINVAL;
	if (size == 0)
		return cr->ngroups;
	if ((unsigned)size < cr->ngroups)
		return -EINVAL;
	if (copy_to_guest(task_mm(t), gva(c->args[1]), cr->groups,
			  cr->ngroups * sizeof(cr->groups[0])) < 0)
		return -EFAULT;
	return cr->ngroups;
}

long sys_setgroups(struct task *t, struct call *c)
{
	unsigned n = (unsigned)c->args[0];
	uint32_t groups[NGROUPS];

	if (!task_capable(t))
		return -EPERM;
	if (n > NGROUPS)
		return -EINVAL;
	if (copy_from_guest(task_mm(t), groups, gva(c->args[1]), n * sizeof(groups[0])) < 0)
		return -EFAULT;
	pthread_mutex_lock(&t->p->lock);
	memcpy(t->p->cred.groups, groups, n * sizeof(groups[0]));
	t->p->cred.ngroups = n;
	pthread_mutex_unlock(&t->p->lock);
	return 0;
}

/* ---- capabilities: those of the effective uid, never others ---- */

static uint64_t process_caps(struct process *p)
{
	uint64_t caps;

	pthread_mutex_lock(&p->lock);
	caps = p->cred.euid == 0 ? caps_of_root : 0;
	pthread_mutex_unlock(&p->lock);
	return caps;
}

/* Reads the header and tells how many 32-bit sets follow. An unknown version: the kernel's is
 * written back. */
static int cap_header(struct task *t, uint64_t addr, struct __user_cap_header_struct *h)
{
	if (copy_from_guest(task_mm(t), h, gva(addr), sizeof(*h)) < 0)
		return -EFAULT;
	switch (h->version) {
	case _LINUX_CAPABILITY_VERSION_1:
		return _LINUX_CAPABILITY_U32S_1;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3:
		return _LINUX_CAPABILITY_U32S_3;
	}
	h->version = _LINUX_CAPABILITY_VERSION_3;
	if (copy_to_guest(task_mm(t), gva(addr), h, sizeof(*h)) < 0)
		return -EFAULT;
	return -EINVAL;
}

long sys_capget(struct task *t, struct call *c)
{
	struct __user_cap_data_struct data[2];
	struct __user_cap_header_struct h;
	struct process *p;
	uint64_t caps;
	int n = cap_header(t, c->args[0], &h);

	if (n == -EINVAL && !c->args[1])
		return 0;
	if (n < 0)
		return n;
	if (h.pid < 0)
		return -EINVAL;
	p = process_by_arg(t, h.pid);
	if (!p)
		return -ESRCH;
	caps = process_caps(p);
	process_put(p);
	memset(data, 0, sizeof(data));
	for (int i = 0; i < n; i++)
		data[i].effective = data[i].permitted = (uint32_t)(caps >> (32 * i));
	if (!c->args[1])
		return 0;
	return copy_to_guest(task_mm(t), gva(c->args[1]), data, (size_t)n * sizeof(data[0]));
}

/*
 * Capabilities follow the effective uid here and cannot be given up one by one: what changes
 * nothing is granted, what would raise them is EPERM as on Linux, and so is what would lower them.
 */
long sys_capset(struct task *t, struct call *c)
{
	struct __user_cap_data_struct data[2];
	struct __user_cap_header_struct h;
	uint64_t caps = process_caps(t->p), eff = 0, perm = 0;
	int n = cap_header(t, c->args[0], &h);

	if (n < 0)
		return n;
	if (h.pid != 0 && h.pid != (int)t->tid)
		return -EPERM;
	if (copy_from_guest(task_mm(t), data, gva(c->args[1]), (size_t)n * sizeof(data[0])) < 0)
		return -EFAULT;
	for (int i = 0; i < n; i++) {
		eff |= (uint64_t)data[i].effective << (32 * i);
		perm |= (uint64_t)data[i].permitted << (32 * i);
		if (data[i].inheritable)
			return -EPERM;
	}
	return eff == caps && perm == caps ? 0 : -EPERM;
}
