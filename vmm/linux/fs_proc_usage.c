/*
 * What /proc/PID says of a process's memory as a whole: statm, a part of status and of stat.
 * proc_pid_statm(5), proc_pid_status(5).
 */
#include "fs_proc.h"

#include <string.h>

enum vma_kind proc_vma_kind(const struct vma *v)
{
	const char *type;

	if (!v->obj || (v->flags & VMA_SPECIAL))
		return v->obj ? VMA_OF_FILE : VMA_ANON;
	if (!v->file)
		return VMA_SHMEM;
	type = file_inode(v->file)->sb->ops->type;
	return strcmp(type, "tmpfs") && strcmp(type, "devtmpfs") && strcmp(type, "rootfs")
		       ? VMA_OF_FILE
		       : VMA_SHMEM;
}

struct sum {
	uint64_t pages[3]; /* by vma_kind */
	uint64_t stack, exec, text;
	const struct inode *exe; /* only compared */
};

/* Under mm->lock. Its stack is what may grow down, its code what may be executed and not written.
 */
static void add_vma(const struct vma *v, const struct vma_pages *pages, void *arg)
{
	uint64_t size = v->end - v->start;
	struct sum *s = arg;

	s->pages[proc_vma_kind(v)] += pages->object;
	s->pages[VMA_ANON] += pages->resident - pages->object;
	if (v->flags & VMA_GROWSDOWN)
		s->stack += size;
	else if ((v->flags & (VMA_EXEC | VMA_WRITE)) == VMA_EXEC)
		s->exec += size;
	else
		return;
	if (v->flags & VMA_EXEC && v->file && file_inode(v->file) == s->exe)
		s->text += size;
}

/* False: there is no address space. */
static bool sum_up(const struct proc_ctx *ctx, struct sum *s, struct mm_usage *u)
{
	struct mm *mm = proc_mm(ctx->p);

	*s = (struct sum){.exe = NULL};
	*u = (struct mm_usage){0};
	if (!mm)
		return false;
	pthread_mutex_lock(&ctx->p->lock);
	s->exe = ctx->p->exe ? ctx->p->exe->d->inode : NULL;
	pthread_mutex_unlock(&ctx->p->lock);
	mm_for_each_vma(mm, add_vma, s);
	mm_get_usage(mm, u);
	mm_put(mm);
	return true;
}

int proc_show_statm(struct proc_buf *b, const struct proc_ctx *ctx)
{
	struct mm_usage u;
	uint64_t shared;
	struct sum s;

	(void)sum_up(ctx, &s, &u);
	shared = s.pages[VMA_OF_FILE] + s.pages[VMA_SHMEM];
	proc_printf(b, "%llu %llu %llu %llu 0 %llu 0\n", (unsigned long long)(u.mapped / PAGE_SIZE),
		    (unsigned long long)(shared + s.pages[VMA_ANON]), (unsigned long long)shared,
		    (unsigned long long)(s.text / PAGE_SIZE),
		    (unsigned long long)((u.data + s.stack) / PAGE_SIZE));
	return 0;
}

static void put_kb(struct proc_buf *b, const char *name, uint64_t kb)
{
	proc_printf(b, "%s:\t%8llu kB\n", name, (unsigned long long)kb);
}

void proc_put_memory(struct proc_buf *b, const struct proc_ctx *ctx)
{
	const uint64_t page = PAGE_SIZE / 1024;
	uint64_t rss, peak;
	struct mm_usage u;
	struct sum s;

	if (!sum_up(ctx, &s, &u))
		return;
	rss = s.pages[VMA_ANON] + s.pages[VMA_OF_FILE] + s.pages[VMA_SHMEM];
	peak = u.peak_resident > rss ? u.peak_resident : rss;
	put_kb(b, "VmPeak", u.peak_mapped / 1024);
	put_kb(b, "VmSize", u.mapped / 1024);
	put_kb(b, "VmLck", u.locked / 1024);
	put_kb(b, "VmPin", 0);
	put_kb(b, "VmHWM", peak * page);
	put_kb(b, "VmRSS", rss * page);
	put_kb(b, "RssAnon", s.pages[VMA_ANON] * page);
	put_kb(b, "RssFile", s.pages[VMA_OF_FILE] * page);
	put_kb(b, "RssShmem", s.pages[VMA_SHMEM] * page);
	put_kb(b, "VmData", u.data / 1024);
	put_kb(b, "VmStk", s.stack / 1024);
	put_kb(b, "VmExe", s.text / 1024);
	put_kb(b, "VmLib", (s.exec - s.text) / 1024);
	put_kb(b, "VmPTE", u.tables * page);
	put_kb(b, "VmSwap", 0);
	put_kb(b, "HugetlbPages", 0);
}
