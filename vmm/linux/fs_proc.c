/*
 * The file systems of /proc and /sys: directories, links and text files made from tables.
 *
 * Nothing is cached (SB_NOCACHE): each look-up makes its dentry anew, because processes come and
 * go, and runs without vfs->lock, because it takes tree_lock.
 */
#include "fs_proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROC_INO_FD 4096

static const struct inode_ops proc_dir_ops, proc_file_inode_ops, proc_link_ops, proc_magic_ops;
const struct proc_entry proc_root = {.mode = S_IFDIR | 0555, .children = proc_root_entries};
static const struct proc_entry proc_pid_dir = {.mode = S_IFDIR | 0555,
					       .children = proc_pid_entries};
static const struct proc_entry proc_task_dir = {.mode = S_IFDIR | 0555,
						.children = proc_pid_entries};

/* ---- inodes ---- */

static struct kernel *kernel_of(struct inode *i)
{
	return i->sb->v->k;
}

static void proc_free(struct inode *i)
{
	inode_fini(i);
	free(proc_inode_of(i));
}

/* [no lock] *ctx with a reference to the process. -ESRCH: it is gone. */
int proc_ctx_get(struct inode *i, struct task *reader, struct proc_ctx *ctx)
{
	bool there;

	*ctx = (struct proc_ctx){.k = kernel_of(i), .reader = reader, .tid = proc_inode_of(i)->tid};
	ctx->cpu = (unsigned)proc_inode_of(i)->fd;
	ctx->fd = proc_inode_of(i)->fd;
	if (!proc_inode_of(i)->pid)
		return 0;
	ctx->p = process_find(ctx->k, proc_inode_of(i)->pid);
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

int proc_dir_process(struct file *f, struct process **out)
{
	struct vfs_file *vf = vfs_file(f);
	struct inode *i = vf && vf->path.d ? vf->path.d->inode : NULL;

	if (!i || i->ops != &proc_dir_ops || proc_inode_of(i)->e != &proc_pid_dir)
		return -EBADF;
	*out = process_find(kernel_of(i), proc_inode_of(i)->pid);
	return *out ? 0 : -ESRCH;
}

void proc_ctx_put(struct proc_ctx *ctx)
{
	if (ctx->p)
		process_put(ctx->p);
}

/* PTRACE_MODE_READ, as far as ids go. */
bool proc_may_look(const struct proc_ctx *ctx)
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
uint64_t proc_ino_base(uint32_t pid, uint32_t tid)
{
	return tid ? ((uint64_t)tid << 32) + (1UL << 31) : (uint64_t)pid << 32;
}

uint64_t proc_ino_for(const struct proc_entry *e, uint64_t base, int fd)
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
	inode_init(&p->i, dir->sb, ops_for(e), mode,
		   proc_ino_for(e, proc_ino_base(pid, ctx->tid), fd));
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

struct fdtable *proc_files_get(struct process *p)
{
	struct fdtable *f;

	pthread_mutex_lock(&p->lock);
	f = p->files ? fdtable_get(p->files) : NULL;
	pthread_mutex_unlock(&p->lock);
	return f;
}

static struct file *file_of(struct process *p, int fd)
{
	struct fdtable *files = proc_files_get(p);
	struct file *f = files ? fdtable_lookup(files, fd) : NULL;

	if (files)
		fdtable_put(files);
	return f;
}

static const struct proc_entry proc_fdinfo = {
	.name = "fdinfo", .mode = S_IFREG | 0400, .show = proc_show_fdinfo, .owner_only = true};

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
	if (proc_inode_of(d->inode)->e->infos)
		return make(d, name, len, &proc_fdinfo, ctx, (int)fd, proc_fdinfo.mode, out);
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
bool proc_entry_shown(const struct proc_entry *c, uint32_t tid)
{
	return !(c->tasks && tid);
}

static int proc_lookup(struct dentry *d, struct dentry *cached, const char *name, size_t len,
		       struct task *t, struct dentry **out)
{
	const struct proc_entry *e = proc_inode_of(d->inode)->e, *c;
	struct proc_ctx ctx;
	int64_t pid;
	int err = proc_ctx_get(d->inode, t, &ctx);

	if (err)
		return -ENOENT;
	err = -ENOENT;
	if (e->fds) {
		err = proc_may_look(&ctx) ? lookup_fd(d, name, len, &ctx, out) : -EACCES;
	} else if (e->tasks) {
		err = lookup_task(d, name, len, &ctx, out);
	} else {
		for (c = e->children; c->name; c++)
			if (strlen(c->name) == len && !memcmp(c->name, name, len))
				break;
		if (c->name && proc_entry_shown(c, ctx.tid))
			err = make(d, name, len, c, &ctx, proc_inode_of(d->inode)->fd, c->mode,
				   out);
		else if (e->cpus)
			err = lookup_cpu(d, name, len, &ctx, out);
	}
	if (err == -ENOENT && e == &proc_root) {
		pid = number(name, len);
		ctx.p = pid > 0 ? process_find(ctx.k, (uint32_t)pid) : NULL;
		if (ctx.p)
			err = make(d, name, len, &proc_pid_dir, &ctx, -1, proc_pid_dir.mode, out);
	}
	proc_ctx_put(&ctx);
	return err;
}

/* ---- links ---- */

static int proc_follow(struct inode *i, struct task *t, struct path *out)
{
	struct proc_inode *p = proc_inode_of(i);
	struct proc_ctx ctx;
	struct file *f;
	int err = proc_ctx_get(i, t, &ctx);

	if (err)
		return -ENOENT;
	if (!proc_may_look(&ctx)) {
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
	proc_ctx_put(&ctx);
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
	int n = proc_inode_of(i)->e->text(tmp, sizeof(tmp), &ctx);

	if (n < 0)
		return n;
	n = n < (int)size ? n : (int)size;
	memcpy(buf, tmp, (size_t)n);
	return n;
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
	.type = "proc", .magic = 0x9fa0, .blksize = 1024, .destroy = proc_destroy};
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
	super_init(sb, v, ops, flags | SB_NOSYNC, ops->type);
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
