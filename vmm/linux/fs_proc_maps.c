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
		struct file *f;    /* a reference */
		uint64_t resident; /* pages */
		uint64_t large;    /* of them, in 2 MiB pages; if asked for */
		bool eligible;     /* for such */
	} * rows;
	size_t n, cap;
	bool failed;
};

/* Under mm->lock: names are looked up later, with no lock. */
static void add_map(const struct vma *v, uint64_t resident, void *arg)
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
	l->rows[l->n].resident = resident;
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

/* What smaps says of a mapping, or of all together: `size`, `rss`, `large` and `locked` in KiB. */
static void put_sizes(struct proc_buf *b, uint64_t size, uint64_t rss, uint64_t large,
		      uint64_t locked, bool shared, bool anon, bool rollup)
{
	const char *const zeros[] = {"ShmemPmdMapped",  "FilePmdMapped", "Shared_Hugetlb",
				     "Private_Hugetlb", "Swap",          "SwapPss"};
	struct {
		const char *name;
		uint64_t kb;
	} rows[] = {
		{"Rss", rss},
		{"Pss", rss},
		{"Pss_Dirty", anon ? rss : 0},
		{"Shared_Clean", 0},
		{"Shared_Dirty", shared ? rss : 0},
		{"Private_Clean", !shared && !anon ? rss : 0},
		{"Private_Dirty", !shared && anon ? rss : 0},
		{"Referenced", rss},
		{"Anonymous", anon ? rss : 0},
		{"KSM", 0},
		{"LazyFree", 0},
		{"AnonHugePages", large},
	};

	if (!rollup)
		proc_printf(b, "%-16s%8llu kB\n%-16s%8u kB\n%-16s%8u kB\n",
			    "Size:", (unsigned long long)size, "KernelPageSize:", 4,
			    "MMUPageSize:", 4);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		proc_printf(b, "%s:%*s%8llu kB\n", rows[i].name, (int)(15 - strlen(rows[i].name)),
			    "", (unsigned long long)rows[i].kb);
	for (size_t i = 0; i < ARRAY_SIZE(zeros); i++)
		proc_printf(b, "%s:%*s%8u kB\n", zeros[i], (int)(15 - strlen(zeros[i])), "", 0);
	proc_printf(b, "%-16s%8llu kB\n", "Locked:", (unsigned long long)locked);
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
		const struct vma *v = &l.rows[i].v;

		put_map(b, &l.rows[i]);
		put_sizes(b, (v->end - v->start) / 1024, l.rows[i].resident * (PAGE_SIZE / 1024),
			  l.rows[i].large * (PAGE_SIZE / 1024),
			  v->flags & VMA_LOCKED ? l.rows[i].resident * (PAGE_SIZE / 1024) : 0,
			  v->flags & VMA_SHARED, !v->obj, false);
		put_flags(b, v, l.rows[i].eligible);
	}
	maps_done(&l);
	return r < 0 ? r : 0;
}

int proc_show_rollup(struct proc_buf *b, const struct proc_ctx *ctx)
{
	struct map_list l = {0};
	int r = maps_of(ctx->p, &l, true);
	uint64_t rss = 0, large = 0, locked = 0;

	for (size_t i = 0; i < l.n; i++)
		rss += l.rows[i].resident;
	for (size_t i = 0; i < l.n; i++)
		large += l.rows[i].large;
	for (size_t i = 0; i < l.n; i++)
		locked += l.rows[i].v.flags & VMA_LOCKED ? l.rows[i].resident : 0;
	if (!r && l.n) {
		proc_printf(
			b,
			"%08llx-%08llx ---p 00000000 00:00 0                          [rollup]\n",
			(unsigned long long)l.rows[0].v.start,
			(unsigned long long)l.rows[l.n - 1].v.end);
		put_sizes(b, 0, rss * (PAGE_SIZE / 1024), large * (PAGE_SIZE / 1024),
			  locked * (PAGE_SIZE / 1024), false, true, true);
	}
	maps_done(&l);
	return r < 0 ? r : 0;
}
