/*
 * Listing the directories of /proc and /sys.
 */
#include "fs_proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void emit_table(const struct proc_entry *c, const struct proc_inode *i, struct dir_emit *e,
		       int64_t *pos)
{
	uint64_t base = proc_ino_base(i->pid, i->tid);

	for (int64_t at = 2; c->name; c++, at++) {
		if (at < *pos || !proc_entry_shown(c, i->tid))
			continue;
		if (!dir_emit(e, c->name, strlen(c->name), proc_ino_for(c, base, -1) + 1, at + 1,
			      (c->mode & S_IFMT) >> 12))
			return;
		*pos = at + 1;
	}
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The PIDs of the tree from `from` on, in order: how many; *out is malloc'd. */
static size_t pids_from(struct kernel *k, uint32_t from, uint32_t **out)
{
	size_t n = 0, cap = 0;
	struct process *p;

	pthread_mutex_lock(&k->tree_lock);
	TAILQ_FOREACH (p, &k->processes, all)
		cap += p->pid >= from;
	*out = malloc((cap ? cap : 1) * sizeof(**out));
	if (*out)
		TAILQ_FOREACH (p, &k->processes, all)
			if (p->pid >= from)
				(*out)[n++] = p->pid;
	pthread_mutex_unlock(&k->tree_lock);
	if (n)
		qsort(*out, n, sizeof(**out), by_number);
	return n;
}

/* Positions 1000 + PID. */
static void emit_pids(struct kernel *k, struct dir_emit *e, int64_t *pos)
{
	uint32_t *pids;
	size_t n = pids_from(k, *pos > 1000 ? (uint32_t)(*pos - 1000) : 1, &pids);

	for (size_t i = 0; i < n; i++) {
		int64_t next = 1000 + (int64_t)pids[i] + 1;
		char name[16];
		int len = snprintf(name, sizeof(name), "%u", pids[i]);

		if (!dir_emit(e, name, (size_t)len, ((uint64_t)pids[i] << 32) + 1, next,
			      S_IFDIR >> 12))
			break;
		*pos = next;
	}
	free(pids);
}

/* The smallest id >= from of a thread of ctx's process, or 0. */
static uint32_t next_tid(const struct proc_ctx *ctx, uint32_t from)
{
	const struct task *t;
	uint32_t best = 0;

	pthread_mutex_lock(&ctx->k->tree_lock);
	TAILQ_FOREACH (t, &ctx->p->tasks, thread)
		if (t->tid >= from && (!best || t->tid < best))
			best = t->tid;
	pthread_mutex_unlock(&ctx->k->tree_lock);
	return best;
}

/* Positions 2 + id. */
static void emit_tasks(const struct proc_ctx *ctx, struct dir_emit *e, int64_t *pos)
{
	uint32_t tid = (uint32_t)*pos - 2;

	while ((tid = next_tid(ctx, tid))) {
		char name[16];
		int n = snprintf(name, sizeof(name), "%u", tid);

		if (!dir_emit(e, name, (size_t)n, proc_ino_base(0, tid) + 1, (int64_t)tid + 3,
			      S_IFDIR >> 12))
			return;
		*pos = (int64_t)++tid + 2;
	}
}

/* Positions 1000 + number. */
static void emit_cpus(struct kernel *k, struct dir_emit *e, int64_t *pos)
{
	for (unsigned i = *pos > 1000 ? (unsigned)(*pos - 1000) : 0; i < k->cfg.cpus; i++) {
		char name[16];
		int len = snprintf(name, sizeof(name), "cpu%u", i);

		if (!dir_emit(e, name, (size_t)len, 1000 + i, 1001 + (int64_t)i, S_IFDIR >> 12))
			return;
		*pos = 1001 + (int64_t)i;
	}
}

static int emit_fds(const struct proc_ctx *ctx, struct dir_emit *e, int64_t *pos, unsigned type)
{
	struct fdtable *files;

	if (!proc_may_look(ctx))
		return -EACCES;
	files = proc_files_get(ctx->p);
	if (!files)
		return 0;
	for (int fd = fdtable_next(files, (int)(*pos - 2)); fd >= 0;
	     fd = fdtable_next(files, fd + 1)) {
		char name[16];
		int n = snprintf(name, sizeof(name), "%d", fd);

		if (!dir_emit(e, name, (size_t)n,
			      proc_ino_for(NULL, proc_ino_base(ctx->p->pid, ctx->tid), fd),
			      (int64_t)fd + 3, type >> 12))
			break;
		*pos = (int64_t)fd + 3;
	}
	fdtable_put(files);
	return 0;
}

int proc_iterate(struct vfs_file *f, struct dir_emit *e, int64_t *pos)
{
	struct inode *i = file_inode(&f->f);
	const struct proc_entry *pe = proc_inode_of(i)->e;
	struct proc_ctx ctx;
	int err;

	if (*pos == 0 && dir_emit(e, ".", 1, i->ino, 1, S_IFDIR >> 12))
		*pos = 1;
	if (*pos == 1 && dir_emit(e, "..", 2, f->path.d->parent->inode->ino, 2, S_IFDIR >> 12))
		*pos = 2;
	if (*pos < 2 || *pos > INT32_MAX)
		return 0;
	err = proc_ctx_get(i, NULL, &ctx);
	if (err)
		return e->used ? 0 : -ENOENT;
	if (pe->fds)
		err = emit_fds(&ctx, e, pos, pe->infos ? S_IFREG : S_IFLNK);
	else if (pe->tasks)
		emit_tasks(&ctx, e, pos);
	else
		emit_table(pe->children, proc_inode_of(i), e, pos);
	if (pe->cpus && !e->full)
		emit_cpus(ctx.k, e, pos);
	if (pe == &proc_root && !e->full)
		emit_pids(ctx.k, e, pos);
	proc_ctx_put(&ctx);
	return err;
}

int proc_dir_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	struct proc_ctx ctx;
	int err = proc_ctx_get(i, t, &ctx);

	if (err)
		return -ENOENT;
	if (proc_inode_of(i)->e->fds && !proc_may_look(&ctx))
		err = -EACCES;
	proc_ctx_put(&ctx);
	return err;
}
