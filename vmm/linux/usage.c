/*
 * What processes and tasks have used: getrusage(2), wait4(2), /proc/PID/stat, /proc/PID/io.
 *
 * A task counts for itself; what it has counted is added to its process's when it ends, and its
 * process's to the parent's when that has waited for it. All CPU time is user time.
 */
#include "process.h"

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

void task_count_faults(struct task *t)
{
	uint64_t n = mm_take_faults();

	if (n)
		add(&t->usage.minflt, n);
}

void task_count_major_fault(struct task *t)
{
	uint64_t n = mm_take_faults();

	if (n)
		add(&t->usage.majflt, n);
}

void task_count_io(struct task *t, bool write, long r)
{
	add(write ? &t->usage.syscw : &t->usage.syscr, 1);
	if (r > 0)
		add(write ? &t->usage.wchar : &t->usage.rchar, (uint64_t)r);
}

void task_add_times(struct task *t, struct rusage_times *to)
{
	to->utime += sched_run_time(&t->st);
	to->minflt += t->usage.minflt;
	to->majflt += t->usage.majflt;
	to->nvcsw += t->st.nvcsw;
	to->nivcsw += t->st.nivcsw;
	to->rchar += t->usage.rchar;
	to->wchar += t->usage.wchar;
	to->syscr += t->usage.syscr;
	to->syscw += t->usage.syscw;
}

void process_times_locked(struct process *p, struct rusage_times *out)
{
	struct task *t;

	*out = p->times;
	TAILQ_FOREACH (t, &p->tasks, thread)
		task_add_times(t, out);
}

static void see_peak(struct rusage_times *times, uint64_t pages)
{
	uint64_t kb = pages * (PAGE_SIZE / 1024);

	if (kb > times->maxrss_kb)
		times->maxrss_kb = kb;
}

void process_get_times(struct process *p, struct rusage_times *out)
{
	struct mm *mm = NULL;

	pthread_mutex_lock(&p->k->tree_lock);
	process_times_locked(p, out);
	pthread_mutex_unlock(&p->k->tree_lock);
	pthread_mutex_lock(&p->lock);
	if (p->mm)
		mm = mm_get(p->mm);
	pthread_mutex_unlock(&p->lock);
	if (!mm)
		return;
	see_peak(out, mm_resident_peak(mm));
	mm_put(mm);
}

void process_count_memory(struct process *p, struct mm *mm)
{
	uint64_t pages;

	if (!mm)
		return;
	pages = mm_resident_peak(mm);
	pthread_mutex_lock(&p->k->tree_lock);
	see_peak(&p->times, pages);
	pthread_mutex_unlock(&p->k->tree_lock);
}

void process_add_child_times_locked(struct process *p, const struct process *child)
{
	struct rusage_times *to = &p->times;
	const struct rusage_times *from = &child->times;

	to->cutime += from->utime + from->cutime;
	to->cstime += from->stime + from->cstime;
	to->cminflt += from->minflt + from->cminflt;
	to->cmajflt += from->majflt + from->cmajflt;
	to->cnvcsw += from->nvcsw + from->cnvcsw;
	to->cnivcsw += from->nivcsw + from->cnivcsw;
	to->rchar += from->rchar;
	to->wchar += from->wchar;
	to->syscr += from->syscr;
	to->syscw += from->syscw;
	if (from->maxrss_kb > to->cmaxrss_kb)
		to->cmaxrss_kb = from->maxrss_kb;
	if (from->cmaxrss_kb > to->cmaxrss_kb)
		to->cmaxrss_kb = from->cmaxrss_kb;
}
