/*
 * Page faults that have to wait for a disk: a worker reads the page into the host's cache, with no
 * lock held, while the task is blocked; then the fault finds it there.
 */
#include "process.h"
#include "vfs_inode.h"

#include <stdlib.h>

struct cold_fault {
	struct job job;
	struct vma v; /* with references */
	uint64_t pgoff;
};

static void cold_run(struct job *j)
{
	struct cold_fault *f = container_of(j, struct cold_fault, job);

	memobj_warm(f->v.obj, f->pgoff);
}

static void cold_release(struct job *j)
{
	struct cold_fault *f = container_of(j, struct cold_fault, job);

	mm_put_vma(&f->v);
	free(f);
}

static const struct job_ops cold_ops = {.run = cold_run, .release = cold_release};

static struct job_lane *lane_of(struct task *t, const struct vma *v)
{
	return v->file ? &file_inode(v->file)->sb->reads : &t->k->vfs->root->sb->reads;
}

/* False: no memory, no worker, or the mapping is gone by now. */
static bool start(struct task *t)
{
	uint64_t addr = t->trap.addr;
	struct cold_fault *f = t->k->pool ? calloc(1, sizeof(*f)) : NULL;

	if (!f)
		return false;
	job_init(&f->job, &cold_ops);
	if (mm_get_vma(task_mm(t), addr, &f->v) && f->v.start <= addr && f->v.obj) {
		f->pgoff = f->v.pgoff + ((addr - f->v.start) >> PAGE_SHIFT);
		if (workpool_submit(t->k->pool, lane_of(t, &f->v), &f->job) == 0) {
			t->fault_job = &f->job;
			return true;
		}
	}
	job_put(&f->job);
	return false;
}

int fault_resolve(struct task *t)
{
	unsigned access = t->trap.access;
	int r;

	if (!t->fault_job) {
		r = mm_fault(task_mm(t), t->trap.addr, access | FAULT_NOWAIT);
		if (r != -EAGAIN)
			return r;
		sched_prepare(&t->st);
		if (!start(t))
			return mm_fault(task_mm(t), t->trap.addr, access);
	} else {
		sched_prepare(&t->st);
	}
	/* A signal waits, unless it kills. Its sender says so before it wakes us. */
	if (!job_wait(t->fault_job, &t->st) && !signal_doomed(t))
		return -EBLOCKED;
	waitq_remove_all(&t->st);
	r = job_done(t->fault_job) ? 0 : -EINTR;
	job_cancel(t->fault_job);
	t->fault_job = NULL;
	if (r)
		return r;
	task_count_faults(t);
	/* Should the page have left the cache again, it is waited for: a fault must end. */
	r = mm_fault(task_mm(t), t->trap.addr, access);
	task_count_major_fault(t);
	return r;
}
