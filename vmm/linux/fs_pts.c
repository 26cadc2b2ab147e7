/*
 * /dev/pts: the slaves of pseudo-terminals by number, as a devpts mounted with its defaults; and
 * /dev/ptmx, which makes a pair. pts(4).
 *
 * There is one. Number 0 is the terminal that vmbox runs on, if there is one.
 */
#include "pty.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define DEVPTS_MAGIC 0x1cd1
#define PTY_MIN      64
/* Of the guest's memory all pairs together may take so much of the VMM's. */
#define PTY_SHARE 8

struct pts_inode {
	struct inode i;
	struct tty *tty; /* a reference; NULL: the directory, or ptmx */
};

static struct pts_inode *pts_inode(struct inode *i)
{
	return container_of(i, struct pts_inode, i);
}

/* ---- inodes ---- */

static void pts_inode_free(struct inode *i)
{
	tty_put(pts_inode(i)->tty);
	inode_fini(i);
	free(pts_inode(i));
}

static int pts_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	return t ? tty_open(pts_inode(i)->tty, f, t, true) : -ENXIO;
}

static int ptmx_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	return t ? pts_open_master(f, t) : -ENXIO;
}

static const struct inode_ops slave_inode_ops = {
	.free = pts_inode_free,
	.setattr = inode_setattr_sizeless,
	.open = pts_open,
};
static const struct inode_ops ptmx_inode_ops = {
	.free = pts_inode_free,
	.setattr = inode_setattr_sizeless,
	.open = ptmx_open,
};
static const struct inode_ops dir_inode_ops = {
	.free = pts_inode_free,
	.setattr = inode_setattr_sizeless,
	.iterate = dcache_iterate,
};

static struct inode *make_inode(struct super *sb, const struct inode_ops *ops, uint32_t mode,
				uint64_t ino, struct tty *tty)
{
	struct pts_inode *pi = calloc(1, sizeof(*pi));

	if (!pi)
		return NULL;
	inode_init(&pi->i, sb, ops, mode, ino);
	pi->tty = tty ? tty_get(tty) : NULL;
	return &pi->i;
}

/* ---- the file system ---- */

static struct pts_fs *pts_of(struct vfs *v)
{
	return v->pts;
}

static const struct super_ops devpts_ops = {
	.type = "devpts", .magic = DEVPTS_MAGIC, .blksize = 1024};

static int add_ptmx(struct super *sb, struct dentry *root)
{
	struct inode *i = make_inode(sb, &ptmx_inode_ops, S_IFCHR, 2, NULL);

	if (!i)
		return -ENOMEM;
	i->rdev = makedev(5, 2);
	return memname_add(root, "ptmx", 4, i, NULL);
}

int pts_create(struct vfs *v, struct super **out, struct dentry **root)
{
	struct pts_fs *fs = calloc(1, sizeof(*fs));
	uint64_t max = v->k->cfg.mem_limit / PTY_SHARE / sizeof(struct pty);
	struct inode *i;

	if (!fs)
		return -ENOMEM;
	super_init(&fs->sb, v, &devpts_ops, 0, "devpts");
	fs->max = max < PTY_MIN ? PTY_MIN : max > PTS_MAX ? PTS_MAX : (unsigned)max;
	v->pts = fs;
	i = make_inode(&fs->sb, &dir_inode_ops, S_IFDIR | 0755, 1, NULL);
	if (!i)
		return -ENOMEM; /* the super goes with the vfs */
	i->nlink = 2;
	*root = dentry_alloc(NULL, "", 0, i);
	*out = &fs->sb;
	if (!*root)
		return -ENOMEM;
	fs->root = dentry_get(*root);
	return add_ptmx(&fs->sb, *root);
}

void pts_mounted(struct vfs *v)
{
	struct mount *m;

	TAILQ_FOREACH (m, &v->mounts, all)
		if (m->sb == &pts_of(v)->sb)
			pts_of(v)->mnt = m;
}

void pts_shutdown(struct vfs *v)
{
	struct pts_fs *fs = pts_of(v);

	if (fs) {
		dentry_put_locked(fs->root);
		fs->root = NULL;
	}
	tty_put(v->host_tty);
	v->host_tty = NULL;
}

unsigned pts_count(struct vfs *v)
{
	unsigned n;

	vfs_lock(v);
	n = pts_of(v)->count;
	vfs_unlock(v);
	return n;
}

/* ---- numbers and names; vfs->lock held ---- */

static int take_index(struct pts_fs *fs)
{
	for (unsigned i = 0; i < PTS_MAX; i++)
		if (!(fs->used[i / 64] >> (i % 64) & 1)) {
			if (fs->count >= fs->max)
				return -ENOSPC;
			fs->used[i / 64] |= 1ULL << (i % 64);
			fs->count++;
			return (int)i;
		}
	return -ENOSPC;
}

static void free_index(struct pts_fs *fs, unsigned i)
{
	fs->used[i / 64] &= ~(1ULL << (i % 64));
	fs->count--;
}

static int add_name(struct pts_fs *fs, struct tty *tty, unsigned index, uint32_t mode, uint32_t uid,
		    uint32_t gid, struct dentry **out)
{
	struct inode *i =
		make_inode(&fs->sb, &slave_inode_ops, S_IFCHR | (mode & 07777), index + 3, tty);
	char name[16];
	int len = snprintf(name, sizeof(name), "%u", index);

	if (!i)
		return -ENOMEM;
	i->rdev = makedev(PTS_MAJOR, index);
	i->uid = uid;
	i->gid = gid;
	return memname_add(fs->root, name, (size_t)len, i, out);
}

int pts_open_master(struct vfs_file *f, struct task *t)
{
	struct vfs *v = f->k->vfs;
	struct pts_fs *fs = pts_of(v);
	struct pty *p;
	struct cred cred;
	int index, err;

	task_cred(t, &cred);
	p = pty_create(f->k);
	if (!p)
		return -ENOMEM;
	vfs_lock(v);
	err = index = take_index(fs);
	if (index >= 0) {
		p->index = (unsigned)index;
		p->tty.nr = (p->index & 0xff) | PTS_MAJOR << 8 | (p->index & ~0xffU) << 12;
		err = add_name(fs, &p->tty, p->index, 0600, cred.fsuid, cred.fsgid, &p->name);
		if (err)
			free_index(fs, p->index);
	}
	vfs_unlock(v);
	if (err) {
		tty_put(&p->tty);
		return err;
	}
	pty_attach_master(p, f);
	return 0;
}

void pts_remove(struct pty *p)
{
	struct vfs *v = p->tty.k->vfs;

	vfs_lock(v);
	memname_drop(p->name);
	dentry_put_locked(p->name);
	p->name = NULL;
	vfs_unlock(v);
}

void pts_free_index(struct vfs *v, unsigned index)
{
	vfs_lock(v);
	free_index(pts_of(v), index);
	vfs_unlock(v);
}

int pts_open_peer(struct pty *p, struct task *t, unsigned flags, struct file **out)
{
	struct vfs *v = t->k->vfs;
	struct path path = {.mnt = pts_of(v)->mnt};
	int err;

	vfs_lock(v);
	path.d = dentry_get(p->name); /* the master is open */
	vfs_unlock(v);
	flags &= O_ACCMODE | O_NOCTTY | O_NONBLOCK | O_APPEND;
	err = vfs_open_path(t->k, &path, flags, t, out);
	path_put(&path);
	return err;
}

/* ---- the host's terminal ---- */

int pts_add_host(struct vfs *v, struct tty *tty, const struct stat *st)
{
	struct pts_fs *fs = pts_of(v);
	int err = -EEXIST;

	vfs_lock(v);
	if (!(fs->used[0] & 1)) {
		fs->used[0] |= 1;
		fs->count++;
		err = add_name(fs, tty, 0, st->st_mode, st->st_uid, st->st_gid, NULL);
		if (err)
			free_index(fs, 0);
	}
	vfs_unlock(v);
	return err;
}

int pts_open_host(struct vfs *v, unsigned flags, struct vfs_file **out)
{
	struct path path = {.mnt = pts_of(v)->mnt};
	struct file *f;
	int err;

	vfs_lock(v);
	path.d = dentry_find(pts_of(v)->root, "0", 1);
	vfs_unlock(v);
	if (!path.d)
		return -ENXIO;
	err = vfs_open_path(v->k, &path, O_PATH | flags, NULL, &f);
	path_put(&path);
	if (err)
		return err;
	*out = vfs_file(f);
	(*out)->opath = false;
	f->flags = flags;
	return 0;
}
