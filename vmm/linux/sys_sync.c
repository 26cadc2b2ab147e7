/*
 * Writing back, and advice about it: fsync, sync, sync_file_range, fadvise, readahead. fsync(2),
 * sync(2), sync_file_range(2), posix_fadvise(2), readahead(2).
 */
#include "sys_fs.h"
#include "../core/workpool.h"

#include <stdlib.h>

/* ---- a disk takes its time: a worker waits for it ---- */

struct sync_job {
	struct job job;
	struct file *f;   /* a reference; NULL: */
	struct super *sb; /* one; NULL: all */
	struct vfs *v;
	int result;
};

static int sync_all(struct vfs *v)
{
	struct super *sb;

	/* Supers are added before the first task and stay. */
	SLIST_FOREACH (sb, &v->supers, all)
		if (sb->ops->sync)
			sb->ops->sync(sb);
	return 0;
}

static int sync_now(struct vfs *v, struct file *f, struct super *sb)
{
	return f ? vfs_ops(f)->fsync(f) : sb ? sb->ops->sync(sb) : sync_all(v);
}

static void sync_run(struct job *j)
{
	struct sync_job *s = container_of(j, struct sync_job, job);

	s->result = sync_now(s->v, s->f, s->sb);
}

static void sync_release(struct job *j)
{
	struct sync_job *s = container_of(j, struct sync_job, job);

	file_close(s->f);
	free(s);
}

static const struct job_ops sync_ops = {.run = sync_run, .release = sync_release};

static struct job_lane *sync_lane(struct sync_job *s)
{
	struct super *sb = s->f ? file_inode(s->f)->sb : s->sb;

	return sb ? &sb->syncs : &s->v->sync_all;
}

static bool sync_start(struct task *t, struct call *c, struct file *f, struct super *sb)
{
	struct sync_job *s = t->k->pool ? calloc(1, sizeof(*s)) : NULL;

	if (!s)
		return false;
	job_init(&s->job, &sync_ops);
	s->f = f ? file_dup(f) : NULL;
	s->sb = sb;
	s->v = t->k->vfs;
	if (workpool_submit(t->k->pool, sync_lane(s), &s->job) < 0) {
		job_put(&s->job);
		return false;
	}
	c->job = &s->job;
	return true;
}

/* As sync_now(), with the task blocked meanwhile; what has begun ends though the task is killed. */
static long sync_wait(struct task *t, struct call *c, struct file *f, struct super *sb)
{
	if (!c->job && !sync_start(t, c, f, sb))
		return sync_now(t->k->vfs, f, sb);
	if (!job_wait(c->job, &t->st))
		return c->killed ? -EINTR : -EBLOCKED;
	return container_of(c->job, struct sync_job, job)->result;
}

/* ---- the calls ---- */

static long fsync_call(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);

	if (!f)
		return -EBADF;
	if (!vfs_ops(f)->fsync)
		return -EINVAL;
	return vfs_ops(f)->slow_fsync ? sync_wait(t, c, f, NULL) : vfs_ops(f)->fsync(f);
}

long sys_fsync(struct task *t, struct call *c)
{
	return fsync_call(t, c);
}

long sys_fdatasync(struct task *t, struct call *c)
{
	return fsync_call(t, c);
}

long sys_sync(struct task *t, struct call *c)
{
	struct super *sb;

	SLIST_FOREACH (sb, &t->k->vfs->supers, all)
		if (sb->ops->sync)
			return sync_wait(t, c, NULL, NULL);
	return 0; /* nothing here outlives the guest */
}

long sys_syncfs(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);
	struct super *sb;

	if (!f)
		return -EBADF;
	sb = vfs_file(f)->path.d->sb;
	return sb->ops->sync ? sync_wait(t, c, NULL, sb) : 0;
}

long sys_sync_file_range(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);
	int64_t off = (int64_t)c->args[1], len = (int64_t)c->args[2], end;
	uint32_t type;

	if ((unsigned)c->args[3] & ~7U || off < 0 || len < 0 ||
	    __builtin_add_overflow(off, len, &end))
		return f ? -EINVAL : -EBADF;
	if (!f)
		return -EBADF;
	type = inode_type(file_inode(f));
	if (type != S_IFREG && type != S_IFDIR && type != S_IFBLK && type != S_IFLNK)
		return -ESPIPE;
	return vfs_ops(f)->fsync && type == S_IFREG ? fsync_call(t, c) : 0;
}

long sys_fadvise64(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);

	if (!f)
		return -EBADF;
	if (S_ISFIFO(file_inode(f)->mode))
		return -ESPIPE;
	/* Advice is heard and not needed: reads go through the host's cache. */
	return (int)c->args[3] < 0 || (int)c->args[3] > 7 || (int64_t)c->args[2] < 0 ? -EINVAL : 0;
}

long sys_readahead(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);

	if (!f || !file_readable(f))
		return -EBADF;
	return S_ISREG(file_inode(f)->mode) ? 0 : -EINVAL;
}
