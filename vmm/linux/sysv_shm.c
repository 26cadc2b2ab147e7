/*
 * shmget, shmat, shmdt, shmctl. shmget(2), shmop(2), shmctl(2).
 *
 * An attachment is a shared mapping of the segment's object, with a file of its own whose
 * references are the mappings made of it (fork, a partial munmap): they count as attached. A
 * removed segment lives on in them.
 */
#include "ipc.h"
#include "fs_proc.h"

#include "process.h"

#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>

#define SHM_DEST_K   01000
#define SHM_LOCKED_K 02000

struct shm {
	struct ipc_obj o; /* first */
	struct ipc *ipc;
	struct kernel *k;
	struct memobj *obj;
	uint64_t size;
	/* protected by ipc->lock: */
	int64_t atime, dtime, ctime;
	uint32_t cpid, lpid;
	unsigned placing; /* references of shmat's own, whose end is no detachment */
	uint32_t locker;  /* whose limit bears SHM_LOCK */
	_Atomic unsigned nattach;
};

static struct shm *shm_of(struct ipc_obj *o)
{
	return container_of(o, struct shm, o);
}

static void shm_destroy(struct ipc *ipc, struct ipc_obj *o)
{
	struct shm *s = shm_of(o);

	ipc->shm_pages -= page_up(s->size) >> PAGE_SHIFT;
	memobj_put(s->obj);
	free(s);
}

/* ---- shmget ---- */

struct shm_new {
	struct task *t;
	uint64_t size;
};

static int shm_check(struct ipc_obj *o, void *arg)
{
	return shm_of(o)->size < ((struct shm_new *)arg)->size ? -EINVAL : 0;
}

static int shm_make(struct ipc *ipc, void *arg, struct ipc_obj **out)
{
	struct shm_new *n = arg;
	struct shm *s;

	if (!n->size || n->size > SHMALL_K)
		return -EINVAL;
	/* Pages come as they are touched; more than could ever be there need not be promised. */
	if (page_up(n->size) >> PAGE_SHIFT > 16 * (n->t->k->cfg.mem_limit >> PAGE_SHIFT))
		return -ENOMEM;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->obj = memobj_create(n->t->k->gm, NULL, NULL);
	if (!s->obj) {
		free(s);
		return -ENOMEM;
	}
	memobj_set_size(s->obj, page_up(n->size));
	s->o.destroy = shm_destroy;
	s->ipc = ipc;
	s->k = n->t->k;
	s->size = n->size;
	s->cpid = n->t->p->pid;
	s->ctime = ipc_time(n->t->k);
	ipc->shm_pages += page_up(n->size) >> PAGE_SHIFT;
	*out = &s->o;
	return 0;
}

long sys_shmget(struct task *t, struct call *c)
{
	struct shm_new n = {t, c->args[1]};
	struct ipc_get g = {.key = (int)c->args[0],
			    .flags = (int)c->args[2],
			    .check = shm_check,
			    .make = shm_make,
			    .arg = &n};
	long r;

	if (g.flags & SHM_HUGETLB)
		return -ENOMEM; /* there is no pool */
	pthread_mutex_lock(&t->k->ipc->lock);
	r = ipc_get_locked(t, IPC_SHM, &g);
	pthread_mutex_unlock(&t->k->ipc->lock);
	return r;
}

/* ---- attachments ---- */

static struct shm *shm_of_file(const struct file *f)
{
	return vfs_file(f)->priv;
}

static void attach_dup(struct file *f)
{
	shm_of_file(f)->nattach++;
}

static void detach_locked(struct shm *s)
{
	if (!--s->nattach && s->o.mode & SHM_DEST_K && !s->o.removed)
		ipc_remove_locked(s->ipc, IPC_SHM, &s->o);
}

static void attach_close(struct file *f)
{
	struct shm *s = shm_of_file(f);

	if (!s)
		return;
	pthread_mutex_lock(&s->ipc->lock);
	if (s->placing) {
		s->placing--;
	} else {
		s->dtime = ipc_time(s->k);
		if (task_current)
			s->lpid = task_current->p->pid;
	}
	detach_locked(s);
	pthread_mutex_unlock(&s->ipc->lock);
}

static void shm_put(struct shm *s)
{
	struct ipc *ipc = s->ipc;

	pthread_mutex_lock(&ipc->lock);
	ipc_put_locked(ipc, &s->o);
	pthread_mutex_unlock(&ipc->lock);
}

static void attach_release(struct file *f)
{
	shm_put(shm_of_file(f));
	vfs_file_free(f);
}

static const struct vfs_file_ops attach_ops = {
	.core = {.on_dup = attach_dup, .on_close = attach_close, .release = attach_release},
};

/* A file for one attachment of s, whose reference and count the caller has; taken over on success.
 */
static int attach_file(struct task *t, struct shm *s, struct file **out)
{
	struct inode_new n = {
		.mode = S_IFREG | (s->o.mode & 0777), .uid = s->o.uid, .gid = s->o.gid};
	struct vfs_file *f = NULL;
	struct inode *i;
	char name[40];
	int err = ramfs_inode(t->k->vfs->anon[ANON_MEMORY], &n, &i);

	if (err)
		return err;
	i->mf.obj = memobj_get(s->obj);
	snprintf(name, sizeof(name), "/SYSV%08x (deleted)", (unsigned)s->o.key);
	err = vfs_open_anon(t->k, i, name, &attach_ops, O_RDWR, &f);
	if (err)
		return err;
	f->priv = s;
	*out = &f->f;
	return 0;
}

/* shmat's flags and address. */
static int attach_args(struct call *c, struct mm_map *m)
{
	unsigned flags = (unsigned)c->args[2];

	m->addr = c->args[1];
	m->flags = VMA_SHARED | VMA_READ;
	if (!(flags & SHM_RDONLY))
		m->flags |= VMA_WRITE;
	if (flags & SHM_EXEC)
		m->flags |= VMA_EXEC;
	if (flags & SHM_RDONLY)
		m->flags |= VMA_NOWRITE;
	if (m->addr & ~PAGE_MASK) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		m->addr = page_down(m->addr);
	}
	if (!m->addr && flags & SHM_REMAP)
		return -EINVAL;
	m->fixed = m->addr;
	m->noreplace = m->addr && !(flags & SHM_REMAP);
	return 0;
}

/* The segment, with a reference, if it may be attached so; it counts as attached already, so that
 * the last of the others does not remove it. */
static struct shm *attach_find(struct task *t, int id, unsigned vma_flags, int *err)
{
	unsigned mode =
		0444 | (vma_flags & VMA_WRITE ? 0222 : 0) | (vma_flags & VMA_EXEC ? 0111 : 0);
	struct ipc_obj *o;

	pthread_mutex_lock(&t->k->ipc->lock);
	o = ipc_find_locked(t->k->ipc, IPC_SHM, id, err);
	if (o)
		*err = ipc_allowed(t, o, mode);
	if (!*err) {
		ipc_hold_locked(o);
		shm_of(o)->nattach++;
	}
	pthread_mutex_unlock(&t->k->ipc->lock);
	return *err ? NULL : shm_of(o);
}

long sys_shmat(struct task *t, struct call *c)
{
	struct mm_map m = {.len = 0};
	struct file *f;
	struct shm *s;
	uint64_t lo, hi, at;
	int err = (int)c->args[0] < 0 ? -EINVAL : attach_args(c, &m);

	if (err)
		return err;
	s = attach_find(t, (int)c->args[0], m.flags, &err);
	if (!s)
		return err;
	err = attach_file(t, s, &f);
	if (err) {
		pthread_mutex_lock(&s->ipc->lock);
		detach_locked(s);
		pthread_mutex_unlock(&s->ipc->lock);
		shm_put(s);
		return err;
	}
	m.len = page_up(s->size);
	m.obj = s->obj;
	m.file = f;
	mm_range(task_mm(t), &lo, &hi);
	if (m.fixed && (m.len > hi || m.addr > hi - m.len))
		err = -ENOMEM;
	else if (m.fixed && m.addr < lo)
		err = -EPERM;
	if (!err)
		err = mm_mmap(task_mm(t), &m, &at);
	pthread_mutex_lock(&s->ipc->lock);
	s->placing++;
	if (!err) {
		s->atime = ipc_time(t->k);
		s->lpid = t->p->pid;
	}
	pthread_mutex_unlock(&s->ipc->lock);
	file_close(f);
	return err ? (err == -EEXIST ? -EINVAL : err) : (long)at;
}

/* v is part of the attachment that began at addr. */
static bool attached_at(const struct vma *v, uint64_t addr, const struct file *f)
{
	const struct file *vf = v->file;

	return vf && vf->ops == &attach_ops.core && (!f || vf == f) && v->start >= addr &&
	       v->start - addr == v->pgoff << PAGE_SHIFT;
}

long sys_shmdt(struct task *t, struct call *c)
{
	struct mm *mm = task_mm(t);
	uint64_t addr = c->args[0], size = 0;
	const struct file *f = NULL;
	struct vma v;
	long r = -EINVAL;

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	/* Its first part may be unmapped already; then the next mapping is not far. */
	for (uint64_t at = addr; mm_get_vma(mm, at, &v); at = v.end) {
		bool ours = attached_at(&v, addr, f), past = f && v.start >= addr + size;

		if (ours && !f) {
			f = v.file;
			size = page_up(shm_of_file(f)->size);
		}
		mm_put_vma(&v);
		if (past)
			break;
		if (ours) {
			mm_munmap(mm, v.start, v.end - v.start);
			r = 0;
		}
	}
	return r;
}

/* ---- shmctl ---- */

static void shm_stat(struct shm *s, struct shmid_ds *d)
{
	memset(d, 0, sizeof(*d));
	ipc_perm_fill(&s->o, &d->shm_perm);
	d->shm_segsz = s->size;
	d->shm_atime = s->atime;
	d->shm_dtime = s->dtime;
	d->shm_ctime = s->ctime;
	d->shm_cpid = (pid_t)s->cpid;
	d->shm_lpid = (pid_t)s->lpid;
	d->shm_nattch = s->nattach;
}

static long shm_info(struct task *t, int cmd, uint64_t buf)
{
	struct ipc *ipc = t->k->ipc;
	struct shminfo limits = {.shmmax = SHMALL_K,
				 .shmmin = 1,
				 .shmmni = IPC_MAX,
				 .shmseg = IPC_MAX,
				 .shmall = SHMALL_K};
	struct shm_info info = {.used_ids = 0};
	long r;

	pthread_mutex_lock(&ipc->lock);
	info.used_ids = (int)ipc->table[IPC_SHM].used;
	info.shm_tot = ipc->shm_pages;
	for (unsigned i = 0; i < ipc->table[IPC_SHM].top; i++)
		if (ipc->table[IPC_SHM].slot[i])
			info.shm_rss += memobj_resident(shm_of(ipc->table[IPC_SHM].slot[i])->obj);
	r = ipc_highest_locked(ipc, IPC_SHM);
	pthread_mutex_unlock(&ipc->lock);
	if (cmd == IPC_INFO)
		return copy_to_guest(task_mm(t), gva(buf), &limits, sizeof(limits)) ? -EFAULT : r;
	return copy_to_guest(task_mm(t), gva(buf), &info, sizeof(info)) ? -EFAULT : r;
}

static long shm_stat_call(struct task *t, int id, int cmd, uint64_t buf)
{
	struct ipc *ipc = t->k->ipc;
	struct shmid_ds d;
	struct ipc_obj *o;
	int err = -EINVAL;
	long r = 0;

	pthread_mutex_lock(&ipc->lock);
	o = cmd == IPC_STAT ? ipc_find_locked(ipc, IPC_SHM, id, &err)
			    : ipc_at_locked(ipc, IPC_SHM, id);
	if (o) {
		err = cmd == SHM_STAT_ANY ? 0 : ipc_allowed(t, o, 0444);
		shm_stat(shm_of(o), &d);
		r = cmd == IPC_STAT ? 0 : o->id;
	}
	pthread_mutex_unlock(&ipc->lock);
	if (err)
		return err;
	return copy_to_guest(task_mm(t), gva(buf), &d, sizeof(d)) ? -EFAULT : r;
}

/* Still attached: the last detach does it. */
static void shm_remove_locked(struct ipc *ipc, struct shm *s)
{
	if (!s->nattach) {
		ipc_remove_locked(ipc, IPC_SHM, &s->o);
	} else {
		s->o.mode |= SHM_DEST_K;
		s->o.key = IPC_PRIVATE;
	}
}

/* What that user has locked in segments, in pages. */
static uint64_t locked_pages(struct ipc *ipc, uint32_t uid)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < ipc->table[IPC_SHM].top; i++) {
		struct ipc_obj *o = ipc->table[IPC_SHM].slot[i];

		if (o && o->mode & SHM_LOCKED_K && shm_of(o)->locker == uid)
			sum += page_up(shm_of(o)->size) >> PAGE_SHIFT;
	}
	return sum;
}

/* user_shm_lock(): the limit is one of the user's, over all segments. 0, -ENOMEM. */
static int shm_lock_locked(struct task *t, struct shm *s, bool lock)
{
	uint64_t limit = task_lock_limit(t), pages = page_up(s->size) >> PAGE_SHIFT;
	struct cred cr;

	process_cred(t->p, &cr);
	if (!lock) {
		s->o.mode &= ~SHM_LOCKED_K;
		return 0;
	}
	if (s->o.mode & SHM_LOCKED_K)
		return 0;
	if (limit != UINT64_MAX && pages + locked_pages(s->ipc, cr.uid) > limit >> PAGE_SHIFT)
		return -ENOMEM;
	s->o.mode |= SHM_LOCKED_K;
	s->locker = cr.uid;
	return 0;
}

static long shm_change(struct task *t, int id, int cmd, uint64_t buf)
{
	struct ipc *ipc = t->k->ipc;
	struct shmid_ds d;
	struct ipc_obj *o;
	int err;

	if (cmd == IPC_SET && copy_from_guest(task_mm(t), &d, gva(buf), sizeof(d)))
		return -EFAULT;
	pthread_mutex_lock(&ipc->lock);
	o = ipc_find_locked(ipc, IPC_SHM, id, &err);
	if (o)
		err = ipc_owner(t, o);
	if (!err && cmd == SHM_LOCK && task_lock_limit(t) == 0)
		err = -EPERM;
	if (!err && cmd == IPC_RMID) {
		shm_remove_locked(ipc, shm_of(o));
	} else if (!err && cmd == IPC_SET) {
		ipc_perm_set(o, &d.shm_perm);
		shm_of(o)->ctime = ipc_time(t->k);
	} else if (!err) {
		err = shm_lock_locked(t, shm_of(o), cmd == SHM_LOCK);
	}
	pthread_mutex_unlock(&ipc->lock);
	return err;
}

long sys_shmctl(struct task *t, struct call *c)
{
	int id = (int)c->args[0], cmd = (int)c->args[1];

	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case SHM_INFO:
		return shm_info(t, cmd, c->args[2]);
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		return shm_stat_call(t, id, cmd, c->args[2]);
	case IPC_SET:
	case IPC_RMID:
	case SHM_LOCK:
	case SHM_UNLOCK:
		return shm_change(t, id, cmd, c->args[2]);
	default:
		return -EINVAL;
	}
}

int proc_show_shm(struct proc_buf *b, const struct proc_ctx *ctx)
{
	struct ipc *ipc = ctx->k->ipc;
	struct ipc_table *all = &ipc->table[IPC_SHM];

	proc_printf(b,
		    "       key      shmid perms                  size  cpid  lpid nattch   uid   "
		    "gid  cuid  cgid      atime      dtime      ctime                   rss      "
		    "            swap\n");
	pthread_mutex_lock(&ipc->lock);
	for (unsigned i = 0; i < all->top; i++) {
		struct ipc_obj *o = all->slot[i];
		struct shm *s = o ? shm_of(o) : NULL;

		if (!s)
			continue;
		proc_printf(b, "%10d %10d  %4o %21llu %5u %5u  %5u %5u %5u %5u %5u ", o->key, o->id,
			    o->mode, (unsigned long long)s->size, s->cpid, s->lpid, s->nattach,
			    o->uid, o->gid, o->cuid, o->cgid);
		proc_printf(b, "%10lld %10lld %10lld %21llu %21u\n", (long long)s->atime,
			    (long long)s->dtime, (long long)s->ctime,
			    (unsigned long long)memobj_resident(s->obj) * PAGE_SIZE, 0);
	}
	pthread_mutex_unlock(&ipc->lock);
	return 0;
}
