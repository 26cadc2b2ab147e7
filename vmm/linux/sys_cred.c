/*
 * Credentials: credentials(7), capabilities(7).
 *
 * A guest's ids are the guest's own affair: uid 0 inside may change them at will, and has towards
 * the guest's objects what a container's root has; none of it reaches the host, where vmbox stays
 * its invoker. They are the process's: a look at them and the change that it allows are one step
 * under process->lock, for other threads may be at it, too.
 */
#include "sys.h"
#include "syscalls.h"

#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <string.h>

#define KEEP UINT32_MAX /* -1: leave this one */

/* What root has in an ordinary container: no administration of the machine. */
#define ROOT_CAPS                                                                                  \
	(1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FOWNER | 1ULL << CAP_FSETID |  \
	 1ULL << CAP_KILL | 1ULL << CAP_SETGID | 1ULL << CAP_SETUID | 1ULL << CAP_SETPCAP |        \
	 1ULL << CAP_SYS_CHROOT | 1ULL << CAP_MKNOD | 1ULL << CAP_SETFCAP | 1ULL << CAP_IPC_LOCK | \
	 1ULL << CAP_SYS_NICE | 1ULL << CAP_SYS_RESOURCE)
/* Those of ROOT_CAPS that go with the file-system uid. */
#define FS_CAPS                                                                                    \
	(1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FOWNER | 1ULL << CAP_FSETID |  \
	 1ULL << CAP_MKNOD)
/* CAP_CHECKPOINT_RESTORE: the last of 6.12. Older headers do not know it. */
#define CAP_LAST 40

bool task_capable(struct task *t, unsigned cap)
{
	struct cred c;

	process_cred(t->p, &c);
	return cred_capable(&c, cap);
}

uint32_t task_euid(struct task *t)
{
	struct cred c;

	process_cred(t->p, &c);
	return c.euid;
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
		struct cred cr;                                                                    \
                                                                                                   \
		(void)c;                                                                           \
		process_cred(t->p, &cr);                                                           \
		return (long)cr.field;                                                             \
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

/*
 * Credentials that were looked at, changed and are now to be the process's, in one step with the
 * look: p->lock is held since change_begin().
 */
struct change {
	struct process *p;
	struct cred *cr;
	bool user;
	struct ids i, old;
};

static void change_begin(struct change *ch, struct task *t, bool user)
{
	ch->p = t->p;
	ch->cr = &t->p->cred;
	ch->user = user;
	pthread_mutex_lock(&ch->p->lock);
	ch->i = ch->old = user ? user_ids(ch->cr) : group_ids(ch->cr);
}

static bool change_privileged(const struct change *ch)
{
	return cred_capable(ch->cr, ch->user ? CAP_SETUID : CAP_SETGID);
}

/* cap_emulate_setxuid() and its kin. */
static void change_caps(struct change *ch)
{
	const struct ids *o = &ch->old, *n = &ch->i;
	struct cred *cr = ch->cr;

	if (cr->securebits & SECBIT_NO_SETUID_FIXUP)
		return;
	if ((!o->r || !o->e || !o->s) && n->r && n->e && n->s) {
		if (!(cr->securebits & SECBIT_KEEP_CAPS))
			cr->cap_perm = cr->cap_eff = 0;
		cr->cap_amb = 0;
	}
	if (!o->e && n->e)
		cr->cap_eff = 0;
	if (o->e && !n->e)
		cr->cap_eff = cr->cap_perm;
}

static long change_end(struct change *ch, long r)
{
	struct cred *cr = ch->cr;
	const struct ids *i = &ch->i;

	if (r == 0 && ch->user) {
		cr->uid = i->r;
		cr->euid = i->e;
		cr->suid = i->s;
		cr->fsuid = i->fs;
		change_caps(ch);
	} else if (r == 0) {
		cr->gid = i->r;
		cr->egid = i->e;
		cr->sgid = i->s;
		cr->fsgid = i->fs;
	}
	pthread_mutex_unlock(&ch->p->lock);
	return r;
}

static long set_id(struct task *t, uint32_t id, bool user)
{
	struct change ch;
	struct ids *i = &ch.i;
	long r = 0;

	if (id == KEEP)
		return -EINVAL;
	change_begin(&ch, t, user);
	if (change_privileged(&ch))
		i->r = i->s = id;
	else if (id != i->r && id != i->s)
		r = -EPERM;
	i->e = i->fs = id;
	return change_end(&ch, r);
}

static long set_re(struct task *t, uint32_t r, uint32_t e, bool user)
{
	struct change ch;
	struct ids *i = &ch.i;

	change_begin(&ch, t, user);
	if (!change_privileged(&ch) &&
	    ((r != KEEP && r != i->r && r != i->e) || !among(e, i->r, i->e, i->s)))
		return change_end(&ch, -EPERM);
	if (r != KEEP)
		i->r = r;
	if (e != KEEP)
		i->e = e;
	if (r != KEEP || (e != KEEP && e != ch.old.r))
		i->s = i->e;
	i->fs = i->e;
	return change_end(&ch, 0);
}

static long set_res(struct task *t, uint32_t r, uint32_t e, uint32_t s, bool user)
{
	struct change ch;
	struct ids *i = &ch.i;

	change_begin(&ch, t, user);
	if (!change_privileged(&ch) && (!among(r, i->r, i->e, i->s) ||
					!among(e, i->r, i->e, i->s) || !among(s, i->r, i->e, i->s)))
		return change_end(&ch, -EPERM);
	if (r != KEEP)
		i->r = r;
	if (e != KEEP)
		i->e = e;
	if (s != KEEP)
		i->s = s;
	i->fs = i->e;
	return change_end(&ch, 0);
}

/* Returns the old one whether it was changed or not: setfsuid(2). */
static long set_fs(struct task *t, uint32_t id, bool user)
{
	struct cred *cr = &t->p->cred;
	struct change ch;

	change_begin(&ch, t, user);
	if (id != KEEP &&
	    (change_privileged(&ch) || among(id, ch.i.r, ch.i.e, ch.i.s) || id == ch.i.fs)) {
		if (user) {
			bool fixup = !(cr->securebits & SECBIT_NO_SETUID_FIXUP);

			cr->fsuid = id;
			if (fixup && !ch.old.fs && id)
				cr->cap_eff &= ~FS_CAPS;
			if (fixup && ch.old.fs && !id)
				cr->cap_eff |= cr->cap_perm & FS_CAPS;
		} else {
			cr->fsgid = id;
		}
	}
	pthread_mutex_unlock(&ch.p->lock);
	return (long)ch.old.fs;
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
	struct cred cr;

	process_cred(t->p, &cr);
	return get_res(t, c, user_ids(&cr));
}

long sys_getresgid(struct task *t, struct call *c)
{
	struct cred cr;

	process_cred(t->p, &cr);
	return get_res(t, c, group_ids(&cr));
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
	int size = (int)c->args[0];
	struct cred cr;

	if (size < 0)
		return -EINVAL;
	process_cred(t->p, &cr);
	if (size == 0)
		return cr.ngroups;
	if ((unsigned)size < cr.ngroups)
		return -EINVAL;
	if (copy_to_guest(task_mm(t), gva(c->args[1]), cr.groups,
			  cr.ngroups * sizeof(cr.groups[0])) < 0)
		return -EFAULT;
	return cr.ngroups;
}

long sys_setgroups(struct task *t, struct call *c)
{
	unsigned n = (unsigned)c->args[0];
	uint32_t groups[NGROUPS];

	if (!task_capable(t, CAP_SETGID))
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

/* ---- capabilities ---- */

void cred_init_caps(struct cred *c)
{
	c->cap_bset = ROOT_CAPS;
	c->cap_inh = c->cap_amb = 0;
	c->securebits = 0;
	c->cap_perm = c->cap_eff = c->euid == 0 ? ROOT_CAPS : 0;
}

/* cap_bprm_creds_from_file() for files without capabilities or set-id bits. */
void cred_exec(struct cred *c, bool no_new_privs)
{
	bool root = !(c->securebits & SECBIT_NOROOT) && (c->uid == 0 || c->euid == 0);
	bool all = root && c->euid == 0;
	uint64_t had = c->cap_perm;

	c->cap_perm = root ? c->cap_bset | c->cap_inh : 0;
	if (c->euid != c->uid || c->egid != c->gid)
		c->cap_amb = 0;
	if (no_new_privs && (c->cap_perm & ~had || c->euid != c->uid || c->egid != c->gid)) {
		c->euid = c->uid;
		c->egid = c->gid;
		c->cap_perm &= had;
	}
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
	c->cap_perm |= c->cap_amb;
	c->cap_eff = all ? c->cap_perm : c->cap_amb;
	c->securebits &= ~(unsigned)SECBIT_KEEP_CAPS;
}

void cred_real_ids(struct cred *c)
{
	c->fsuid = c->uid;
	c->fsgid = c->gid;
	if (!(c->securebits & SECBIT_NO_SETUID_FIXUP))
		c->cap_eff = c->uid == 0 ? c->cap_perm : 0;
}

static long bounding(struct cred *cr, uint64_t cap, bool drop)
{
	if (drop && !cred_capable(cr, CAP_SETPCAP))
		return -EPERM;
	if (cap > CAP_LAST)
		return -EINVAL;
	if (!drop)
		return cr->cap_bset >> cap & 1;
	cr->cap_bset &= ~(1ULL << cap);
	return 0;
}

static long ambient(struct cred *cr, const uint64_t *a)
{
	uint64_t bit;

	if (a[1] == PR_CAP_AMBIENT_CLEAR_ALL) {
		if (a[2] || a[3] || a[4])
			return -EINVAL;
		cr->cap_amb = 0;
		return 0;
	}
	if (a[2] > CAP_LAST || a[3] || a[4])
		return -EINVAL;
	bit = 1ULL << a[2];
	switch (a[1]) {
	case PR_CAP_AMBIENT_IS_SET:
		return (cr->cap_amb & bit) != 0;
	case PR_CAP_AMBIENT_RAISE:
		if (!(cr->cap_perm & cr->cap_inh & bit) ||
		    cr->securebits & SECBIT_NO_CAP_AMBIENT_RAISE)
			return -EPERM;
		cr->cap_amb |= bit;
		return 0;
	case PR_CAP_AMBIENT_LOWER:
		cr->cap_amb &= ~bit;
		return 0;
	}
	return -EINVAL;
}

static long set_securebits(struct cred *cr, uint64_t bits)
{
	uint64_t locks = cr->securebits & SECURE_ALL_LOCKS;

	/* What is locked stays, the locks included. */
	if (locks >> 1 & (cr->securebits ^ bits) || locks & ~bits ||
	    bits & ~(uint64_t)(SECURE_ALL_LOCKS | SECURE_ALL_BITS) ||
	    !cred_capable(cr, CAP_SETPCAP))
		return -EPERM;
	cr->securebits = (unsigned)bits;
	return 0;
}

static long set_keepcaps(struct cred *cr, uint64_t on)
{
	if (on > 1)
		return -EINVAL;
	if (cr->securebits & SECBIT_KEEP_CAPS_LOCKED)
		return -EPERM;
	cr->securebits &= ~(unsigned)SECBIT_KEEP_CAPS;
	if (on)
		cr->securebits |= SECBIT_KEEP_CAPS;
	return 0;
}

long cred_prctl(struct task *t, const uint64_t *a)
{
	struct cred *cr = &t->p->cred;
	long r = -EINVAL;

	pthread_mutex_lock(&t->p->lock);
	switch ((int)a[0]) {
	case PR_CAPBSET_READ:
	case PR_CAPBSET_DROP:
		r = bounding(cr, a[1], (int)a[0] == PR_CAPBSET_DROP);
		break;
	case PR_CAP_AMBIENT:
		r = ambient(cr, a);
		break;
	case PR_SET_SECUREBITS:
		r = set_securebits(cr, a[1]);
		break;
	case PR_GET_SECUREBITS:
		r = cr->securebits;
		break;
	case PR_SET_KEEPCAPS:
		r = set_keepcaps(cr, a[1]);
		break;
	case PR_GET_KEEPCAPS:
		r = (cr->securebits & SECBIT_KEEP_CAPS) != 0;
		break;
	}
	pthread_mutex_unlock(&t->p->lock);
	return r;
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
	struct cred cr;
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
	process_cred(p, &cr);
	process_put(p);
	memset(data, 0, sizeof(data));
	for (int i = 0; i < n; i++) {
		data[i].effective = (uint32_t)(cr.cap_eff >> (32 * i));
		data[i].permitted = (uint32_t)(cr.cap_perm >> (32 * i));
		data[i].inheritable = (uint32_t)(cr.cap_inh >> (32 * i));
	}
	if (!c->args[1])
		return 0;
	return copy_to_guest(task_mm(t), gva(c->args[1]), data, (size_t)n * sizeof(data[0]));
}

/* cap_capset(): what is given up stays given up. */
static int change_sets(struct cred *cr, uint64_t eff, uint64_t perm, uint64_t inh)
{
	if (!cred_capable(cr, CAP_SETPCAP) && inh & ~(cr->cap_inh | cr->cap_perm))
		return -EPERM;
	if (inh & ~(cr->cap_inh | cr->cap_bset))
		return -EPERM;
	if (perm & ~cr->cap_perm || eff & ~perm)
		return -EPERM;
	cr->cap_eff = eff;
	cr->cap_perm = perm;
	cr->cap_inh = inh;
	cr->cap_amb &= perm & inh;
	return 0;
}

long sys_capset(struct task *t, struct call *c)
{
	struct __user_cap_data_struct data[2];
	struct __user_cap_header_struct h;
	uint64_t eff = 0, perm = 0, inh = 0, known = (1ULL << (CAP_LAST + 1)) - 1;
	int n = cap_header(t, c->args[0], &h), r;

	if (n < 0)
		return n;
	if (h.pid != 0 && h.pid != (int)t->tid)
		return -EPERM;
	if (copy_from_guest(task_mm(t), data, gva(c->args[1]), (size_t)n * sizeof(data[0])) < 0)
		return -EFAULT;
	for (int i = 0; i < n; i++) {
		eff |= (uint64_t)data[i].effective << (32 * i);
		perm |= (uint64_t)data[i].permitted << (32 * i);
		inh |= (uint64_t)data[i].inheritable << (32 * i);
	}
	pthread_mutex_lock(&t->p->lock);
	r = change_sets(&t->p->cred, eff & known, perm & known, inh & known);
	pthread_mutex_unlock(&t->p->lock);
	return r;
}
