/*
 * What System V's three kinds of IPC have in common: keys, ids, permissions. ipc/util.c of Linux.
 */
#include "ipc.h"

#include "process.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

struct ipc *ipc_create(void)
{
	struct ipc *ipc = calloc(1, sizeof(*ipc));

	if (ipc)
		pthread_mutex_init(&ipc->lock, NULL);
	return ipc;
}

void ipc_destroy(struct ipc *ipc)
{
	if (!ipc)
		return;
	pthread_mutex_lock(&ipc->lock);
	for (int kind = 0; kind < IPC_KINDS; kind++)
		for (unsigned i = 0; i < ipc->table[kind].top; i++)
			if (ipc->table[kind].slot[i])
				ipc_remove_locked(ipc, (enum ipc_kind)kind,
						  ipc->table[kind].slot[i]);
	pthread_mutex_unlock(&ipc->lock);
	pthread_mutex_destroy(&ipc->lock);
	free(ipc);
}

void ipc_process_exit(struct process *p)
{
	struct ipc *ipc = p->k->ipc;

	pthread_mutex_lock(&ipc->lock);
	sem_exit_locked(p);
	pthread_mutex_unlock(&ipc->lock);
}

int64_t ipc_time(struct kernel *k)
{
	return kernel_clock(k, CLOCK_REALTIME) / 1000000000;
}

/* ---- permissions ---- */

int ipc_allowed(struct task *t, const struct ipc_obj *o, unsigned mode)
{
	unsigned wanted = (mode >> 6 | mode >> 3 | mode) & 7, granted = o->mode;
	struct cred cred;

	task_cred(t, &cred);
	if (cred.euid == o->cuid || cred.euid == o->uid)
		granted >>= 6;
	else if (cred_in_group(&cred, o->cgid) || cred_in_group(&cred, o->gid) ||
		 cred.egid == o->cgid || cred.egid == o->gid)
		granted >>= 3;
	return wanted & ~granted && !task_capable(t, CAP_IPC_OWNER) ? -EACCES : 0;
}

int ipc_owner(struct task *t, const struct ipc_obj *o)
{
	struct cred cred;

	task_cred(t, &cred);
	if (cred.euid == o->cuid || cred.euid == o->uid || task_capable(t, CAP_SYS_ADMIN))
		return 0;
	return -EPERM;
}

void ipc_perm_fill(const struct ipc_obj *o, struct ipc_perm *p)
{
	memset(p, 0, sizeof(*p));
	p->__key = o->key;
	p->uid = o->uid;
	p->gid = o->gid;
	p->cuid = o->cuid;
	p->cgid = o->cgid;
	p->mode = o->mode;
	p->__seq = o->seq;
}

void ipc_perm_set(struct ipc_obj *o, const struct ipc_perm *p)
{
	o->uid = p->uid;
	o->gid = p->gid;
	o->mode = (o->mode & ~0777U) | (p->mode & 0777);
}

/* ---- tables ---- */

void ipc_hold_locked(struct ipc_obj *o)
{
	o->refs++;
}

void ipc_put_locked(struct ipc *ipc, struct ipc_obj *o)
{
	if (!--o->refs)
		o->destroy(ipc, o);
}

void ipc_remove_locked(struct ipc *ipc, enum ipc_kind kind, struct ipc_obj *o)
{
	struct ipc_table *tab = &ipc->table[kind];

	tab->slot[o->id % IPC_SEQ] = NULL;
	tab->used--;
	o->removed = true;
	ipc_put_locked(ipc, o);
}

struct ipc_obj *ipc_at_locked(struct ipc *ipc, enum ipc_kind kind, int index)
{
	return index >= 0 && index < IPC_MAX ? ipc->table[kind].slot[index] : NULL;
}

struct ipc_obj *ipc_find_locked(struct ipc *ipc, enum ipc_kind kind, int id, int *err)
{
	struct ipc_obj *o = id < 0 ? NULL : ipc_at_locked(ipc, kind, id % IPC_SEQ);

	*err = 0;
	if (o && o->id == id)
		return o;
	*err = o ? -EIDRM : -EINVAL;
	return NULL;
}

int ipc_highest_locked(const struct ipc *ipc, enum ipc_kind kind)
{
	for (int i = (int)ipc->table[kind].top - 1; i > 0; i--)
		if (ipc->table[kind].slot[i])
			return i;
	return 0;
}

static struct ipc_obj *find_key(struct ipc_table *tab, int key)
{
	if (key == IPC_PRIVATE)
		return NULL;
	for (unsigned i = 0; i < tab->top; i++)
		if (tab->slot[i] && tab->slot[i]->key == key)
			return tab->slot[i];
	return NULL;
}

/* o gets an id and the caller's identity. */
static void insert(struct task *t, struct ipc_table *tab, const struct ipc_get *g,
		   struct ipc_obj *o)
{
	struct cred cred;
	unsigned i = 0;

	task_cred(t, &cred);
	while (tab->slot[i])
		i++;
	if (i >= tab->top)
		tab->top = i + 1;
	/* Another number each time, so that an old id is not taken for a new one. */
	o->seq = tab->seq;
	tab->seq = (uint16_t)((tab->seq + 1) & 0x7fff);
	o->id = o->seq * IPC_SEQ + (int)i;
	o->key = g->key;
	o->uid = o->cuid = cred.euid;
	o->gid = o->cgid = cred.egid;
	o->mode = (unsigned)g->flags & 0777;
	o->refs = 1;
	tab->slot[i] = o;
	tab->used++;
}

long ipc_get_locked(struct task *t, enum ipc_kind kind, const struct ipc_get *g)
{
	struct ipc_table *tab = &t->k->ipc->table[kind];
	struct ipc_obj *o = find_key(tab, g->key);
	int err;

	if (o) {
		if ((g->flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
			return -EEXIST;
		err = g->check(o, g->arg);
		if (!err)
			err = ipc_allowed(t, o, (unsigned)g->flags);
		return err ? err : o->id;
	}
	if (g->key != IPC_PRIVATE && !(g->flags & IPC_CREAT))
		return -ENOENT;
	if (tab->used >= IPC_MAX)
		return -ENOSPC;
	err = g->make(t->k->ipc, g->arg, &o);
	if (err)
		return err;
	insert(t, tab, g, o);
	return o->id;
}
