/*
 * The file systems of /proc and /sys: directories, links and text files made from tables.
 *
 * Nothing is cached (SB_NOCACHE): each look-up makes its dentry anew, because processes come and
 * go, and runs without vfs->lock, because it takes tree_lock.
 */
#include "fs_proc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROC_INO_FD 4096

struct proc_inode {
	struct inode i;
	const struct proc_entry *e; /* NULL: an open descriptor's link */
	uint32_t tid;               /* 0: not about one thread */
	uint32_t pid;               /* 0: not about a process */
	int fd;                     /* or, in /sys, the number of the vCPU */
};

struct proc_file {
	/* protected by inode->lock: */
	bool made;
	char *text; /* NULL: empty */
	size_t len, cap;
};

static const struct inode_ops proc_dir_ops, proc_file_inode_ops, proc_link_ops, proc_magic_ops;
static const struct proc_entry proc_root = {.mode = S_IFDIR | 0555, .children = proc_root_entries};
static const struct proc_entry proc_pid_dir = {.mode = S_IFDIR | 0555,
					       .children = proc_pid_entries};
static const struct proc_entry proc_task_dir = {.mode = S_IFDIR | 0555,
						.children = proc_pid_entries};

/* ---- texts ---- */

static bool grow(struct proc_buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 1024;
	char *s;

	while (cap < b->len + more + 1)
		cap *= 2;
	if (b->failed || cap > PROC_TEXT_MAX) {
		b->failed = true;
		return false;
	}
	if (cap == b->cap)
		return true;
	s = realloc(b->s, cap);
	if (!s) {
		b->failed = true;
		return false;
	}
	b->s = s;
	b->cap = cap;
	return true;
}

void proc_puts(struct proc_buf *b, const void *s, size_t len)
{
	if (!grow(b, len))
		return;
	memcpy(b->s + b->len, s, len);
	b->len += len;
	b->s[b->len] = 0;
}

void proc_printf(struct proc_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !grow(b, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(b->s + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

/* ---- inodes ---- */

static struct proc_inode *pi(struct inode *i)
{
	return container_of(i, struct proc_inode, i);
}

static struct kernel *kernel_of(struct inode *i)
{
	return i->sb->v->k;
}

static void proc_free(struct inode *i)
{
	inode_fini(i);
	free(pi(i));
}

/* [no lock] *ctx with a reference to the process. -ESRCH: it is gone. */
static int ctx_get(struct inode *i, struct task *reader, struct proc_ctx *ctx)
{
	bool there;

	*ctx = (struct proc_ctx){.k = kernel_of(i), .reader = reader, .tid = pi(i)->tid};
	ctx->cpu = (unsigned)pi(i)->fd;
	if (!pi(i)->pid)
		return 0;
	ctx->p = process_find(ctx->k, pi(i)->pid);
	if (!ctx->p)
		return -ESRCH;
	if (!ctx->tid)
		return 0;
	pthread_mutex_lock(&ctx->k->tree_lock);
	there = proc_task_locked(ctx) != NULL;
	pthread_mutex_unlock(&ctx->k->tree_lock);
	if (there)
		return 0;
	process_put(ctx->p);
	ctx->p = NULL;
	return -ESRCH;
}

static void ctx_put(struct proc_ctx *ctx)
{
	if (ctx->p)
		process_put(ctx->p);
}

/* PTRACE_MODE_READ, as far as ids go. */
static bool may_look(const struct proc_ctx *ctx)
{
	struct cred me, it;

	if (!ctx->p || !ctx->reader || ctx->reader->p == ctx->p)
		return true;
	task_cred(ctx->reader, &me);
	process_cred(ctx->p, &it);
	return !me.fsuid || (me.fsuid == it.uid && me.fsuid == it.euid && me.fsuid == it.suid &&
			     me.fsgid == it.gid && me.fsgid == it.egid && me.fsgid == it.sgid);
}

static const struct inode_ops *ops_for(const struct proc_entry *e)
{
	if (!e)
		return &proc_magic_ops;
	if (S_ISDIR(e->mode))
		return &proc_dir_ops;
	if (S_ISLNK(e->mode))
		return e->follow ? &proc_magic_ops : &proc_link_ops;
	return &proc_file_inode_ops;
}

/* Of a process's entries, or of a thread's. */
static uint64_t ino_base(uint32_t pid, uint32_t tid)
{
	return tid ? ((uint64_t)tid << 32) + (1UL << 31) : (uint64_t)pid << 32;
}

static uint64_t ino_for(const struct proc_entry *e, uint64_t base, int fd)
{
	if (!e)
		return base + PROC_INO_FD + (unsigned)fd;
	if (e >= proc_pid_entries && e < proc_pid_entries + 64)
		return base + 2 + (uint64_t)(e - proc_pid_entries);
	return base ? base + 1 : 0;
}

/* [no lock] A dentry of dir for an entry. */
static int make(struct dentry *dir, const char *name, size_t len, const struct proc_entry *e,
		const struct proc_ctx *ctx, int fd, uint32_t mode, struct dentry **out)
{
	struct proc_inode *p = calloc(1, sizeof(*p));
	uint32_t pid = ctx->p ? ctx->p->pid : 0;
	struct vfs *v = dir->sb->v;

	if (!p)
		return -ENOMEM;
	inode_init(&p->i, dir->sb, ops_for(e), mode, ino_for(e, ino_base(pid, ctx->tid), fd));
	p->e = e;
	p->pid = pid;
	p->tid = ctx->tid;
	p->fd = fd;
	if (S_ISDIR(mode))
		p->i.nlink = 2;
	if (ctx->p) {
		pthread_mutex_lock(&ctx->p->lock);
		p->i.uid = ctx->p->cred.euid;
		p->i.gid = ctx->p->cred.egid;
		pthread_mutex_unlock(&ctx->p->lock);
	}
	vfs_lock(v);
	*out = dentry_alloc(dir, name, len, &p->i);
	vfs_unlock(v);
	return *out ? 0 : -ENOMEM;
}

/* A decimal number without leading zeros, or -1. */
static int64_t number(const char *s, size_t len)
{
	int64_t n = 0;

	if (!len || len > 9 || (len > 1 && *s == '0'))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		n = n * 10 + (s[i] - '0');
	}
	return n;
}

static struct fdtable *files_get(struct process *p)
{
	struct fdtable *f;

	pthread_mutex_lock(&p->lock);
	f = p->files ? fdtable_get(p->files) : NULL;
	pthread_mutex_unlock(&p->lock);
	return f;
}

static struct file *file_of(struct process *p, int fd)
{
	struct fdtable *files = files_get(p);
	struct file *f = files ? fdtable_lookup(files, fd) : NULL;

	if (files)
		fdtable_put(files);
	return f;
}

static int lookup_fd(struct dentry *d, const char *name, size_t len, const struct proc_ctx *ctx,
		     struct dentry **out)
{
	int64_t fd = number(name, len);
	struct file *f = fd >= 0 && fd <= INT32_MAX ? file_of(ctx->p, (int)fd) : NULL;
	uint32_t mode = S_IFLNK;

	if (!f)
		return -ENOENT;
	mode |= (file_readable(f) ? 0500U : 0U) | (file_writable(f) ? 0300U : 0U);
	file_close(f);
	return make(d, name, len, NULL, ctx, (int)fd, mode, out);
}

static int lookup_task(struct dentry *d, const char *name, size_t len, struct proc_ctx *ctx,
		       struct dentry **out)
{
	int64_t tid = number(name, len);
	bool there = false;

	if (tid > 0) {
		ctx->tid = (uint32_t)tid;
		pthread_mutex_lock(&ctx->k->tree_lock);
		there = proc_task_locked(ctx) != NULL;
		pthread_mutex_unlock(&ctx->k->tree_lock);
	}
	return there ? make(d, name, len, &proc_task_dir, ctx, -1, proc_task_dir.mode, out)
		     : -ENOENT;
}

static int lookup_cpu(struct dentry *d, const char *name, size_t len, const struct proc_ctx *ctx,
		      struct dentry **out)
{
	int64_t n = len > 3 && !memcmp(name, "cpu", 3) ? number(name + 3, len - 3) : -1;

	if (n < 0 || n >= ctx->k->cfg.cpus)
		return -ENOENT;
	return make(d, name, len, &sys_one_cpu, ctx, (int)n, sys_one_cpu.mode, out);
}

/* A thread's directory has no `task`. */
static bool entry_shown(const struct proc_entry *c, uint32_t tid)
{
	return !(c->tasks && tid);
}

static int proc_lookup(struct dentry *d, struct dentry *cached, const char *name, size_t len,
		       struct task *t, struct dentry **out)
{
	const struct proc_entry *e = pi(d->inode)->e, *c;
	struct proc_ctx ctx;
	int64_t pid;
	int err = ctx_get(d->inode, t, &ctx);

	if (err)
		return -ENOENT;
	err = -ENOENT;
	if (e->fds) {
		err = may_look(&ctx) ? lookup_fd(d, name, len, &ctx, out) : -EACCES;
	} else if (e->tasks) {
		err = lookup_task(d, name, len, &ctx, out);
	} else {
		for (c = e->children; c->name; c++)
			if (strlen(c->name) == len && !memcmp(c->name, name, len))
				break;
		if (c->name && entry_shown(c, ctx.tid))
			err = make(d, name, len, c, &ctx, pi(d->inode)->fd, c->mode, out);
		else if (e->cpus)
			err = lookup_cpu(d, name, len, &ctx, out);
	}
	if (err == -ENOENT && e == &proc_root) {
		pid = number(name, len);
		ctx.p = pid > 0 ? process_find(ctx.k, (uint32_t)pid) : NULL;
		if (ctx.p)
			err = make(d, name, len, &proc_pid_dir, &ctx, -1, proc_pid_dir.mode, out);
	}
	ctx_put(&ctx);
	return err;
}

/* ---- listing ---- */

static void emit_table(const struct proc_entry *c, const struct proc_inode *i, struct dir_emit *e,
		       int64_t *pos)
{
	uint64_t base = ino_base(i->pid, i->tid);

	for (int64_t at = 2; c->name; c++, at++) {
		if (at < *pos || !entry_shown(c, i->tid))
			continue;
		if (!dir_emit(e, c->name, strlen(c->name), ino_for(c, base, -1) + 1, at + 1,
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

		if (!dir_emit(e, name, (size_t)n, ino_base(0, tid) + 1, (int64_t)tid + 3,
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

static int emit_fds(const struct proc_ctx *ctx, struct dir_emit *e, int64_t *pos)
{
	struct fdtable *files;

	if (!may_look(ctx))
		return -EACCES;
	files = files_get(ctx->p);
	if (!files)
		return 0;
	for (int fd = fdtable_next(files, (int)(*pos - 2)); fd >= 0;
	     fd = fdtable_next(files, fd + 1)) {
		char name[16];
		int n = snprintf(name, sizeof(name), "%d", fd);

		if (!dir_emit(e, name, (size_t)n,
			      ino_for(NULL, ino_base(ctx->p->pid, ctx->tid), fd), (int64_t)fd + 3,
			      S_IFLNK >> 12))
			break;
		*pos = (int64_t)fd + 3;
	}
	fdtable_put(files);
	return 0;
}

static int proc_iterate(struct vfs_file *f, struct dir_emit *e, int64_t *pos)
{
	struct inode *i = file_inode(&f->f);
	const struct proc_entry *pe = pi(i)->e;
	struct proc_ctx ctx;
	int err;

	if (*pos == 0 && dir_emit(e, ".", 1, i->ino, 1, S_IFDIR >> 12))
		*pos = 1;
	if (*pos == 1 && dir_emit(e, "..", 2, f->path.d->parent->inode->ino, 2, S_IFDIR >> 12))
		*pos = 2;
	if (*pos < 2 || *pos > INT32_MAX)
		return 0;
	err = ctx_get(i, NULL, &ctx);
	if (err)
		return e->used ? 0 : -ENOENT;
	if (pe->fds)
		err = emit_fds(&ctx, e, pos);
	else if (pe->tasks)
		emit_tasks(&ctx, e, pos);
	else
		emit_table(pe->children, pi(i), e, pos);
	if (pe->cpus && !e->full)
		emit_cpus(ctx.k, e, pos);
	if (pe == &proc_root && !e->full)
		emit_pids(ctx.k, e, pos);
	ctx_put(&ctx);
	return err;
}

static int proc_dir_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	struct proc_ctx ctx;
	int err = ctx_get(i, t, &ctx);

	if (err)
		return -ENOENT;
	if (pi(i)->e->fds && !may_look(&ctx))
		err = -EACCES;
	ctx_put(&ctx);
	return err;
}

/* ---- links ---- */

static int proc_follow(struct inode *i, struct task *t, struct path *out)
{
	struct proc_inode *p = pi(i);
	struct proc_ctx ctx;
	struct file *f;
	int err = ctx_get(i, t, &ctx);

	if (err)
		return -ENOENT;
	if (!may_look(&ctx)) {
		err = -EACCES;
	} else if (p->e) {
		err = p->e->follow(&ctx, out);
	} else {
		f = file_of(ctx.p, p->fd);
		if (f) {
			*out = vfs_file(f)->path;
			path_get(out);
			file_close(f);
		} else {
			err = -ENOENT;
		}
	}
	ctx_put(&ctx);
	return err;
}

/* A magic link's text is its target's name. */
static ssize_t proc_magic_readlink(struct inode *i, struct dentry *d, struct task *t, char *buf,
				   size_t size)
{
	struct vfs *v = i->sb->v;
	struct fs_context *fs = task_fs(t);
	char tmp[VFS_PATH_MAX], *s;
	struct path p, root;
	ssize_t n = -ENAMETOOLONG;
	int err = proc_follow(i, t, &p);

	if (err)
		return err;
	pthread_mutex_lock(&fs->lock);
	root = fs->root;
	path_get(&root);
	pthread_mutex_unlock(&fs->lock);
	vfs_lock(v);
	s = path_name(v, &p, &root, tmp, sizeof(tmp));
	path_put_locked(&root);
	path_put_locked(&p);
	vfs_unlock(v);
	if (s) {
		n = (ssize_t)strlen(s);
		n = n < (ssize_t)size ? n : (ssize_t)size;
		memcpy(buf, s, (size_t)n);
	}
	return n;
}

/* Texts like "self" need no lock but the caller's own process. */
static ssize_t proc_text_readlink(struct inode *i, struct dentry *d, struct task *t, char *buf,
				  size_t size)
{
	struct proc_ctx ctx = {.k = kernel_of(i), .reader = t};
	char tmp[256];
	int n = pi(i)->e->text(tmp, sizeof(tmp), &ctx);

	if (n < 0)
		return n;
	n = n < (int)size ? n : (int)size;
	memcpy(buf, tmp, (size_t)n);
	return n;
}

/* ---- files ---- */

static int make_text(struct file *f, struct proc_file *pf, struct task *reader)
{
	struct inode *i = file_inode(f);
	struct proc_buf b = {0};
	struct proc_ctx ctx;
	int err = ctx_get(i, reader, &ctx);
	struct vfs *v = i->sb->v;
	size_t old_cap;
	char *old;

	if (err)
		return err;
	err = pi(i)->e->show(&b, &ctx);
	ctx_put(&ctx);
	if (!err && b.failed)
		err = -ENOMEM;
	/* Many long texts held open would be the VMM's memory. */
	if (!err && atomic_fetch_add(&v->proc_bytes, b.cap) + b.cap > PROC_ALL_MAX) {
		atomic_fetch_sub(&v->proc_bytes, b.cap);
		err = -ENOMEM;
	}
	if (err) {
		free(b.s);
		return err;
	}
	pthread_mutex_lock(&i->lock);
	old = pf->text;
	old_cap = pf->cap;
	pf->text = b.s;
	pf->len = b.len;
	pf->cap = b.cap;
	pf->made = true;
	pthread_mutex_unlock(&i->lock);
	atomic_fetch_sub(&v->proc_bytes, old_cap);
	free(old);
	return 0;
}

static ssize_t proc_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			 struct call *c)
{
	struct proc_file *pf = vfs_file(f)->priv;
	struct inode *i = file_inode(f);
	ssize_t n = 0;
	int err = 0;
	bool made;

	pthread_mutex_lock(&i->lock);
	made = pf->made;
	pthread_mutex_unlock(&i->lock);
	if (!*pos || !made)
		err = make_text(f, pf, task ? container_of(task, struct task, st) : NULL);
	if (err)
		return err;
	pthread_mutex_lock(&i->lock);
	if (pf->text && *pos < (int64_t)pf->len) {
		size_t left = pf->len - (size_t)*pos;

		n = x->copy(x, pf->text + *pos, x->left < left ? x->left : left);
	}
	pthread_mutex_unlock(&i->lock);
	if (n > 0)
		*pos += n;
	return n;
}

static ssize_t proc_write(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			  struct call *c)
{
	struct inode *i = file_inode(f);
	char text[256];
	struct proc_ctx ctx;
	ssize_t n, total;
	int err;

	if (!pi(i)->e->store)
		return -EACCES;
	if (x->left >= sizeof(text))
		return -EINVAL;
	n = total = x->copy(x, text, x->left);
	if (n < 0)
		return n;
	if (n && text[n - 1] == '\n')
		n--;
	text[n] = 0;
	err = ctx_get(i, NULL, &ctx);
	if (err)
		return err;
	err = pi(i)->e->store(text, &ctx);
	ctx_put(&ctx);
	if (err) {
		xfer_back(x, (size_t)total);
		return err;
	}
	*pos += total;
	return total;
}

static int64_t proc_lseek(struct file *f, int64_t off, int whence)
{
	return whence == SEEK_SET || whence == SEEK_CUR ? lseek_size(f, off, whence, 0) : -EINVAL;
}

static void proc_release(struct file *f)
{
	struct proc_file *pf = vfs_file(f)->priv;

	if (pf) {
		atomic_fetch_sub(&vfs_file(f)->k->vfs->proc_bytes, pf->cap);
		free(pf->text);
		free(pf);
	}
	vfs_file_free(f);
}

static const struct vfs_file_ops proc_ops = {
	.core = {.release = proc_release},
	.read = proc_read,
	.write = proc_write,
	.lseek = proc_lseek,
};

static int proc_file_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	struct proc_file *pf;
	struct proc_ctx ctx;
	int err = ctx_get(i, t, &ctx);

	if (err)
		return -ENOENT;
	if (pi(i)->e->owner_only && !may_look(&ctx))
		err = -EACCES;
	ctx_put(&ctx);
	if (err)
		return err;
	if (file_writable(&f->f) && !pi(i)->e->store)
		return -EACCES;
	pf = calloc(1, sizeof(*pf));
	if (!pf)
		return -ENOMEM;
	f->priv = pf;
	f->f.ops = &proc_ops.core;
	return 0;
}

/* Opened with O_TRUNC, as a shell's > does: there is nothing to cut. */
static int proc_setattr(struct dentry *d, const struct vfs_setattr *s)
{
	return s->valid == ATTR_SIZE ? 0 : -EPERM;
}

static const struct inode_ops proc_dir_ops = {
	.free = proc_free,
	.setattr = proc_setattr,
	.lookup = proc_lookup,
	.open = proc_dir_open,
	.iterate = proc_iterate,
};
static const struct inode_ops proc_file_inode_ops = {
	.free = proc_free,
	.setattr = proc_setattr,
	.open = proc_file_open,
};
static const struct inode_ops proc_link_ops = {.free = proc_free, .readlink = proc_text_readlink};
static const struct inode_ops proc_magic_ops = {
	.free = proc_free,
	.readlink = proc_magic_readlink,
	.follow = proc_follow,
};

static void proc_destroy(struct super *sb)
{
	free(sb);
}

static const struct super_ops proc_super = {
	.type = "proc", .magic = 0x9fa0, .destroy = proc_destroy};
static const struct super_ops sys_super = {
	.type = "sysfs", .magic = 0x62656572, .destroy = proc_destroy};

static int create(struct vfs *v, const struct super_ops *ops, unsigned flags,
		  const struct proc_entry *e, struct super **out, struct dentry **root)
{
	struct super *sb = calloc(1, sizeof(*sb));
	struct proc_inode *p = calloc(1, sizeof(*p));

	if (!sb || !p) {
		free(sb);
		free(p);
		return -ENOMEM;
	}
	super_init(sb, v, ops, flags, ops->type);
	inode_init(&p->i, sb, &proc_dir_ops, e->mode, 0);
	p->e = e;
	p->fd = -1;
	p->i.nlink = 2;
	*out = sb;
	*root = dentry_alloc(NULL, "", 0, &p->i);
	return *root ? 0 : -ENOMEM;
}

int procfs_create(struct vfs *v, struct super **out, struct dentry **root)
{
	return create(v, &proc_super, SB_NOCACHE, &proc_root, out, root);
}

int sysfs_create(struct vfs *v, struct super **out, struct dentry **root)
{
	return create(v, &sys_super, SB_NOCACHE | SB_RDONLY, &sys_root, out, root);
}
