/*
 * maps, smaps and smaps_rollup of /proc/PID. proc_pid_maps(5), proc_pid_smaps(5).
 *
 * What is shared between processes is not counted apart: a mapping's pages are its own.
 */
#include "fs_proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

struct map_list {
	struct map_row {
		struct vma v;
		struct file *f; /* a reference */
		struct vma_pages pages;
		uint64_t large; /* of them, in 2 MiB pages; if asked for */
		bool eligible;  /* for such */
	} * rows;
	size_t n, cap;
	bool failed;
};

/* Under mm->lock: names are looked up later, with no lock. */
static void add_map(const struct vma *v, const struct vma_pages *pages, void *arg)
{
	struct map_list *l = arg;

	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct map_row *rows = realloc(l->rows, cap * sizeof(*rows));

		if (!rows) {
			l->failed = true;
			return;
		}
		l->rows = rows;
		l->cap = cap;
	}
	l->rows[l->n].v = *v;
	l->rows[l->n].pages = *pages;
	l->rows[l->n].f = v->file ? file_dup(v->file) : NULL;
	l->n++;
}

static void put_map(struct proc_buf *b, const struct map_row *r)
{
	char head[160], path[VFS_PATH_MAX] = "";
	struct vfs_attr a = {0};
	const struct vma *v = &r->v;

	if (r->f) {
		inode_getattr(file_inode(r->f), &a);
		if (vfs_file_path(r->f, path, sizeof(path)) < 0)
			path[0] = 0;
	}
	snprintf(head, sizeof(head), "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu ",
		 (unsigned long long)v->start, (unsigned long long)v->end,
		 v->flags & VMA_READ ? 'r' : '-', v->flags & VMA_WRITE ? 'w' : '-',
		 v->flags & VMA_EXEC ? 'x' : '-', v->flags & VMA_SHARED ? 's' : 'p',
		 (unsigned long long)(r->f ? v->pgoff << PAGE_SHIFT : 0), major(a.dev),
		 minor(a.dev), (unsigned long long)a.ino);
	if (r->f || v->name[0])
		proc_printf(b, "%-72s %s\n", head, r->f ? path : v->name);
	else
		proc_printf(b, "%s\n", head);
}

/* What smaps says of a mapping, or of all together, in pages. */
struct sizes {
	uint64_t all, rss, large, locked;
	uint64_t of[3];       /* rss, by vma_kind */
	uint64_t shared_file; /* of of[VMA_OF_FILE]: in shared mappings */
	uint64_t dirty_file;  /* of that: in those that may be written */
};

static void add_sizes(struct sizes *s, const struct map_row *r)
{
	const struct vma *v = &r->v;

	s->all += (v->end - v->start) / PAGE_SIZE;
	s->rss += r->pages.resident;
	s->large += r->large;
	s->locked += v->flags & VMA_LOCKED ? r->pages.resident : 0;
	s->of[VMA_ANON] += r->pages.resident - r->pages.object;
	s->of[proc_vma_kind(v)] += r->pages.object;
	if (v->flags & VMA_SHARED && proc_vma_kind(v) == VMA_OF_FILE)
		s->shared_file += r->pages.object;
	if ((v->flags & (VMA_SHARED | VMA_WRITE)) == (VMA_SHARED | VMA_WRITE) &&
	    proc_vma_kind(v) == VMA_OF_FILE)
		s->dirty_file += r->pages.object;
}

static void put_size(struct proc_buf *b, const char *name, uint64_t pages)
{
	proc_printf(b, "%s:%*s%8llu kB\n", name, (int)(15 - strlen(name)), "",
		    (unsigned long long)pages * (PAGE_SIZE / 1024));
}

static void put_sizes(struct proc_buf *b, const struct sizes *s, bool rollup)
{
	static const char *const zeros[] = {"ShmemPmdMapped",  "FilePmdMapped", "Shared_Hugetlb",
					    "Private_Hugetlb", "Swap",          "SwapPss"};
	uint64_t dirty = s->of[VMA_ANON] + s->of[VMA_SHMEM] + s->dirty_file;

	if (!rollup) {
		put_size(b, "Size", s->all);
		put_size(b, "KernelPageSize", 1);
		put_size(b, "MMUPageSize", 1);
	}
	put_size(b, "Rss", s->rss);
	put_size(b, "Pss", s->rss);
	put_size(b, "Pss_Dirty", dirty);
	if (rollup) {
		put_size(b, "Pss_Anon", s->of[VMA_ANON]);
		put_size(b, "Pss_File", s->of[VMA_OF_FILE]);
		put_size(b, "Pss_Shmem", s->of[VMA_SHMEM]);
	}
	put_size(b, "Shared_Clean", s->shared_file - s->dirty_file);
	put_size(b, "Shared_Dirty", s->of[VMA_SHMEM] + s->dirty_file);
	put_size(b, "Private_Clean", s->of[VMA_OF_FILE] - s->shared_file);
	put_size(b, "Private_Dirty", s->of[VMA_ANON]);
	put_size(b, "Referenced", s->rss);
	put_size(b, "Anonymous", s->of[VMA_ANON]);
	put_size(b, "KSM", 0);
	put_size(b, "LazyFree", 0);
	put_size(b, "AnonHugePages", s->large);
	for (size_t i = 0; i < ARRAY_SIZE(zeros); i++)
		put_size(b, zeros[i], 0);
	put_size(b, "Locked", s->locked);
}

static void put_flags(struct proc_buf *b, const struct vma *v, bool eligible)
{
	proc_printf(b, "THPeligible:    %8d\nVmFlags:%s%s%s%s mr%s me%s%s%s%s%s \n", eligible,
		    v->flags & VMA_READ ? " rd" : "", v->flags & VMA_WRITE ? " wr" : "",
		    v->flags & VMA_EXEC ? " ex" : "", v->flags & VMA_SHARED ? " sh" : "",
		    v->flags & VMA_NOWRITE ? "" : " mw", v->flags & VMA_GROWSDOWN ? " gd" : "",
		    v->flags & VMA_LOCKED ? " lo" : "", v->flags & VMA_ONFAULT ? " lf" : "",
		    v->flags & VMA_SPANS ? " hg" : "", v->flags & VMA_NOSPANS ? " nh" : "");
}

/* 0 and the list, which maps_done() frees; 1: there is no address space; -ENOMEM. */
static int maps_of(struct process *p, struct map_list *l, bool large)
{
	struct mm *mm = proc_mm(p);

	if (!mm)
		return 1;
	mm_for_each_vma(mm, add_map, l);
	for (size_t i = 0; large && i < l->n; i++) {
		struct map_row *r = &l->rows[i];

		r->large = r->v.obj ? 0 : mm_span_pages(mm, r->v.start, r->v.end);
		r->eligible = mm_spans(mm, &r->v);
	}
	mm_put(mm);
	return l->failed ? -ENOMEM : 0;
}

static void maps_done(struct map_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		file_close(l->rows[i].f);
	free(l->rows);
}

int proc_show_maps(struct proc_buf *b, const struct proc_ctx *ctx)
{
	struct map_list l = {0};
	int r = maps_of(ctx->p, &l, false);

	for (size_t i = 0; i < l.n && !r; i++)
		put_map(b, &l.rows[i]);
	maps_done(&l);
	return r < 0 ? r : 0;
}

int proc_show_smaps(struct proc_buf *b, const struct proc_ctx *ctx)
{
	struct map_list l = {0};
	int r = maps_of(ctx->p, &l, true);

	for (size_t i = 0; i < l.n && !r; i++) {
		struct sizes s = {0};

		put_map(b, &l.rows[i]);
		add_sizes(&s, &l.rows[i]);
		put_sizes(b, &s, false);
		put_flags(b, &l.rows[i].v, l.rows[i].eligible);
	}
	maps_done(&l);
	return r < 0 ? r : 0;
}

int proc_show_rollup(struct proc_buf *b, const struct proc_ctx *ctx)
{
	struct map_list l = {0};
	int r = maps_of(ctx->p, &l, true);
	struct sizes s = {0};

	for (size_t i = 0; i < l.n; i++)
		add_sizes(&s, &l.rows[i]);
	if (!r && l.n) {
		proc_printf(
			b,
			"%08llx-%08llx ---p 00000000 00:00 0                          [rollup]\n",
			(unsigned long long)l.rows[0].v.start,
			(unsigned long long)l.rows[l.n - 1].v.end);
		put_sizes(b, &s, true);
	}
	maps_done(&l);
	return r < 0 ? r : 0;
}
