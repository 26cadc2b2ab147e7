/*
 * Advisory locks: flock(2), record locks of processes and of open file descriptions (fcntl(2)).
 *
 * An inode's locks hang on it; v->locks_lock (a leaf but for waitq locks) protects all of them, the
 * waiters and their number. A blocked locker sleeps on one queue that every release wakes: locks
 * are rare and the list of who waits short. A record lock belongs to a process (its PID stands for
 * it: it drops its locks before the PID is free), the others to a file.
 */
#include "sys_fs.h"
#include "writeback.h"

#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LOCKS_MAX 65536 /* in all: ENOLCK */
#define LOCK_EOF  INT64_MAX

enum lock_kind { LOCK_FLOCK, LOCK_RECORD, LOCK_OFD };

struct file_lock {
	LIST_ENTRY(file_lock) link;
	enum lock_kind kind;
	uint64_t owner;
	int32_t pid;        /* F_GETLK's answer */
	short type;         /* F_RDLCK, F_WRLCK, F_UNLCK */
	int64_t start, end; /* inclusive */
};

/* Who waits for whom, for EDEADLK. In the call's state. */
struct lock_wait {
	LIST_ENTRY(lock_wait) link;
	struct vfs *v;
	bool queued;
	uint64_t owner, blocker;
	struct file_lock want;
};

/* The kernel's struct flock on 64-bit machines. */
struct flock_k {
	int16_t type, whence;
	int64_t start, len;
	int32_t pid;
};

static bool same_family(const struct file_lock *a, const struct file_lock *b)
{
	return (a->kind == LOCK_FLOCK) == (b->kind == LOCK_FLOCK);
}

static bool same_owner(const struct file_lock *a, const struct file_lock *b)
{
	return a->kind == b->kind && a->owner == b->owner;
}

static struct file_lock *conflict(struct inode *i, const struct file_lock *want)
{
	struct file_lock *l;

	LIST_FOREACH (l, &i->locks, link)
		if (same_family(l, want) && !same_owner(l, want) && l->start <= want->end &&
		    want->start <= l->end && (l->type == F_WRLCK || want->type == F_WRLCK))
			return l;
	return NULL;
}

static void lock_free(struct vfs *v, struct file_lock *l)
{
	LIST_REMOVE(l, link);
	v->nlocks--;
	if (l->kind == LOCK_RECORD)
		atomic_fetch_sub(&v->nrecord_locks, 1);
	free(l);
}

static void lock_add(struct vfs *v, struct inode *i, struct file_lock *l)
{
	LIST_INSERT_HEAD(&i->locks, l, link);
	v->nlocks++;
	if (l->kind == LOCK_RECORD)
		atomic_fetch_add(&v->nrecord_locks, 1);
}

/*
 * Gives want's owner want's range with want's type, and nothing else there. spare: two locks, used
 * or freed. No conflict is left.
 */
static void apply(struct vfs *v, struct inode *i, const struct file_lock *want,
		  struct file_lock *spare[2])
{
	struct file_lock *l, *next, set = *want;

	for (l = LIST_FIRST(&i->locks); l; l = next) {
		next = LIST_NEXT(l, link);
		if (!same_owner(l, want))
			continue;
		if (l->type == want->type && want->type != F_UNLCK) {
			/* Neighbours of one type become one. */
			if ((l->end != LOCK_EOF && l->end + 1 < set.start) ||
			    (set.end != LOCK_EOF && set.end + 1 < l->start))
				continue;
			set.start = l->start < set.start ? l->start : set.start;
			set.end = l->end > set.end ? l->end : set.end;
			lock_free(v, l);
			continue;
		}
		if (l->end < set.start || set.end < l->start)
			continue;
		if (l->start < set.start && l->end > set.end && spare[1]) {
			*spare[1] = *l;
			spare[1]->start = set.end + 1;
			lock_add(v, i, spare[1]);
			spare[1] = NULL;
			l->end = set.start - 1;
		} else if (l->start < set.start) {
			l->end = set.start - 1;
		} else if (l->end > set.end) {
			l->start = set.end + 1;
		} else {
			lock_free(v, l);
		}
	}
	if (set.type != F_UNLCK) {
		*spare[0] = set;
		lock_add(v, i, spare[0]);
		spare[0] = NULL;
	}
}

/* Would waiting for `blocker` close a circle? */
static bool deadlock(struct vfs *v, uint64_t owner, uint64_t blocker)
{
	for (int depth = 0; depth < 64; depth++) {
		struct lock_wait *w;

		if (blocker == owner)
			return true;
		LIST_FOREACH (w, &v->lock_waits, link)
			if (w->owner == blocker)
				break;
		if (!w)
			return false;
		blocker = w->blocker;
	}
	return false;
}

static void unqueue(struct lock_wait *w)
{
	if (w->queued) {
		LIST_REMOVE(w, link);
		w->queued = false;
	}
}

static void lock_wait_free(void *state)
{
	struct lock_wait *w = state;

	pthread_mutex_lock(&w->v->locks_lock);
	unqueue(w);
	pthread_mutex_unlock(&w->v->locks_lock);
}

/* Takes, changes or drops a lock. 0, -EAGAIN, -EBLOCKED, -EDEADLK, -ENOLCK, -ERESTARTSYS. */
static long set_lock(struct task *t, struct call *c, struct inode *i, struct lock_wait *w,
		     bool wait)
{
	struct file_lock *want = &w->want,
			 *spare[2] = {malloc(sizeof(*want)), malloc(sizeof(*want))}, *l;
	struct sched_task *task = wait ? call_waiter(t, c, false) : NULL;
	struct vfs *v = t->k->vfs;
	long r = 0;

	if (!spare[0] || !spare[1])
		r = -ENOLCK;
	/* Queued first: a release after our look wakes us. */
	if (!r && task)
		r = waitq_add(&v->locks_wq, task, false);
	pthread_mutex_lock(&v->locks_lock);
	unqueue(w);
	l = r || want->type == F_UNLCK ? NULL : conflict(i, want);
	if (l) {
		if (task && want->kind == LOCK_RECORD && l->kind == LOCK_RECORD &&
		    deadlock(v, want->owner, l->owner)) {
			r = -EDEADLK;
		} else if (task) {
			w->owner = want->owner;
			w->blocker = l->owner;
			LIST_INSERT_HEAD(&v->lock_waits, w, link);
			w->queued = true;
			r = -EBLOCKED;
		} else {
			r = wait ? -ERESTARTSYS : -EAGAIN;
		}
	} else if (!r && want->type != F_UNLCK && v->nlocks >= LOCKS_MAX) {
		r = -ENOLCK;
	} else if (!r) {
		apply(v, i, want, spare);
	}
	pthread_mutex_unlock(&v->locks_lock);
	if (!r)
		waitq_wake_all(&v->locks_wq);
	free(spare[0]);
	free(spare[1]);
	return r;
}

static void drop_owner(struct vfs *v, struct inode *i, enum lock_kind kind, uint64_t owner)
{
	struct file_lock *l, *next;
	bool any = false;

	pthread_mutex_lock(&v->locks_lock);
	for (l = LIST_FIRST(&i->locks); l; l = next) {
		next = LIST_NEXT(l, link);
		if (l->kind == kind && l->owner == owner) {
			lock_free(v, l);
			any = true;
		}
	}
	pthread_mutex_unlock(&v->locks_lock);
	if (any)
		waitq_wake_all(&v->locks_wq);
}

static uint64_t file_owner(const struct file *f)
{
	return (uint64_t)(uintptr_t)f;
}

void flock_release(struct file *f)
{
	struct vfs_file *vf = vfs_file(f);
	struct inode *i = vf->path.d->inode;

	/* Only this file's own locks matter here, and nobody can add one any more. */
	drop_owner(vf->k->vfs, i, LOCK_FLOCK, file_owner(f));
	drop_owner(vf->k->vfs, i, LOCK_OFD, file_owner(f));
}

static void record_locks_release(struct process *p, struct file *f)
{
	drop_owner(vfs_file(f)->k->vfs, file_inode(f), LOCK_RECORD, p->pid);
}

/*
 * The descriptor goes first, then the locks:
 *
 *	closes			locks
 *	take the descriptor	apply the lock
 *	drop the locks		the descriptor is gone: drop it, EBADF
 *
 * One of the two sees what the other has done.
 */
void descriptor_gone(struct process *p, struct file *f)
{
	struct vfs *v = p->k->vfs;

	if (f && atomic_load(&v->nrecord_locks))
		record_locks_release(p, f);
	if (f && atomic_load_explicit(&v->remote, memory_order_relaxed))
		writeback_flush_later(f);
	file_close(f);
}

struct job *descriptor_closed(struct process *p, struct file *f)
{
	struct job *flush = NULL;

	if (f && atomic_load_explicit(&p->k->vfs->remote, memory_order_relaxed))
		flush = writeback_flush(f);
	if (!flush) {
		descriptor_gone(p, f);
		return NULL;
	}
	if (atomic_load(&p->k->vfs->nrecord_locks))
		record_locks_release(p, f);
	file_close(f);
	return flush;
}

/* Nobody else has this table. */
static void descriptors_gone(struct process *p)
{
	unsigned fd = 0;
	struct file *f;

	while ((f = fdtable_take_next(p->files, &fd, UINT32_MAX, false)))
		descriptor_gone(p, f);
}

void vfs_process_exit(struct process *p)
{
	struct vfs *v = p->k->vfs;
	struct file *f;

	if (!v || !p->files)
		return;
	if (atomic_load(&v->remote) && fdtable_refs(p->files) == 1) {
		descriptors_gone(p);
		return;
	}
	if (!atomic_load(&v->nrecord_locks))
		return;
	for (int fd = fdtable_next(p->files, 0); fd >= 0; fd = fdtable_next(p->files, fd + 1)) {
		f = fdtable_lookup(p->files, fd);
		if (f)
			record_locks_release(p, f);
		file_close(f);
	}
}

void inode_locks_free(struct inode *i)
{
	struct file_lock *l;

	if (LIST_EMPTY(&i->locks))
		return;
	pthread_mutex_lock(&i->sb->v->locks_lock);
	while ((l = LIST_FIRST(&i->locks)))
		lock_free(i->sb->v, l);
	pthread_mutex_unlock(&i->sb->v->locks_lock);
}

/* ---- calls ---- */

static struct lock_wait *wait_state(struct task *t, struct call *c)
{
	struct lock_wait *w = call_state(c, sizeof(*w));

	if (w) {
		w->v = t->k->vfs;
		c->state_free = lock_wait_free;
	}
	return w;
}

long sys_flock(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);
	unsigned op = (unsigned)c->args[1];
	struct lock_wait *w;

	if (!f)
		return -EBADF;
	w = wait_state(t, c);
	if (!w)
		return -ENOLCK;
	if (!c->rerun) {
		switch (op & ~(unsigned)LOCK_NB) {
		case LOCK_SH:
			w->want.type = F_RDLCK;
			break;
		case LOCK_EX:
			w->want.type = F_WRLCK;
			break;
		case LOCK_UN:
			w->want.type = F_UNLCK;
			break;
		default:
			return -EINVAL;
		}
		w->want.kind = LOCK_FLOCK;
		w->want.owner = file_owner(f);
		w->want.end = LOCK_EOF;
	}
	return set_lock(t, c, file_inode(f), w, !(op & LOCK_NB));
}

static long range_from(struct file *f, const struct flock_k *k, struct file_lock *l)
{
	int64_t base = 0;
	struct vfs_attr a;
	int err;

	switch (k->whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = f->pos;
		break;
	case SEEK_END:
		err = inode_getattr(file_inode(f), &a);
		if (err)
			return err;
		base = (int64_t)a.size;
		break;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, k->start, &l->start))
		return -EOVERFLOW;
	if (l->start < 0)
		return -EINVAL;
	if (k->len > 0) {
		if (__builtin_add_overflow(l->start, k->len - 1, &l->end))
			return -EOVERFLOW;
	} else if (k->len < 0) {
		l->end = l->start - 1;
		if (__builtin_add_overflow(l->start, k->len, &l->start) || l->start < 0)
			return -EINVAL;
	} else {
		l->end = LOCK_EOF;
	}
	return 0;
}

static long get_lock(struct task *t, struct file *f, struct file_lock *want, struct flock_k *k,
		     uint64_t arg)
{
	struct vfs *v = t->k->vfs;
	struct file_lock *l;

	pthread_mutex_lock(&v->locks_lock);
	l = conflict(file_inode(f), want);
	if (l) {
		k->type = l->type;
		k->whence = SEEK_SET;
		k->start = l->start;
		k->len = l->end == LOCK_EOF ? 0 : l->end - l->start + 1;
		k->pid = l->kind == LOCK_RECORD ? l->pid : -1;
	} else {
		k->type = F_UNLCK;
	}
	pthread_mutex_unlock(&v->locks_lock);
	return copy_to_guest(task_mm(t), gva(arg), k, sizeof(*k));
}

/* Another thread may have closed the descriptor since the call began. */
static bool still_open(struct task *t, int fd, struct file *f)
{
	struct file *now = fdtable_lookup(task_files(t), fd);

	file_close(now);
	return now == f;
}

long fcntl_lock(struct task *t, struct call *c, struct file *f, int cmd, uint64_t arg)
{
	bool ofd = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
	bool get = cmd == F_GETLK || cmd == F_OFD_GETLK;
	struct lock_wait *w = wait_state(t, c);
	struct flock_k k = {0};
	long r;

	if (!w)
		return -ENOLCK;
	if (!c->rerun) {
		if (copy_from_guest(task_mm(t), &k, gva(arg), sizeof(k)))
			return -EFAULT;
		if (k.type != F_RDLCK && k.type != F_WRLCK && (k.type != F_UNLCK || (get && !ofd)))
			return -EINVAL;
		if (ofd && k.pid)
			return -EINVAL;
		r = range_from(f, &k, &w->want);
		if (r)
			return r;
		w->want.kind = ofd ? LOCK_OFD : LOCK_RECORD;
		w->want.owner = ofd ? file_owner(f) : t->p->pid;
		w->want.pid = (int32_t)t->p->pid;
		w->want.type = k.type;
	}
	if (get)
		return get_lock(t, f, &w->want, &k, arg);
	if ((w->want.type == F_RDLCK && !file_readable(f)) ||
	    (w->want.type == F_WRLCK && !file_writable(f)))
		return -EBADF;
	r = set_lock(t, c, file_inode(f), w, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
	if (r || ofd || w->want.type == F_UNLCK || still_open(t, (int)c->args[0], f))
		return r;
	w->want.type = F_UNLCK;
	set_lock(t, c, file_inode(f), w, false);
	return -EBADF;
}
