/*
 * Open files: making them, directories, and what the other parts of the personality ask of a file.
 */
#include "notify.h"
#include "sys_fs.h"
#include "vfs_walk.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GETDENTS_MAX 32768 /* bytes of one listing step */

/* ---- ETXTBSY: a file is written, or run ---- */

int inode_write_get(struct inode *i)
{
	int n = atomic_load(&i->writers);

	do {
		if (n < 0)
			return -ETXTBSY;
	} while (!atomic_compare_exchange_weak(&i->writers, &n, n + 1));
	return 0;
}

void inode_write_put(struct inode *i)
{
	atomic_fetch_sub(&i->writers, 1);
}

static int inode_run_get(struct inode *i)
{
	int n = atomic_load(&i->writers);

	do {
		if (n > 0)
			return -ETXTBSY;
	} while (!atomic_compare_exchange_weak(&i->writers, &n, n - 1));
	return 0;
}

static void inode_run_put(struct inode *i)
{
	atomic_fetch_add(&i->writers, 1);
}

void vfs_file_free(struct file *f)
{
	struct vfs_file *vf = vfs_file(f);

	if (vf->opened)
		notify_file(f,
			    (f->flags & O_ACCMODE) == O_RDONLY ? IN_CLOSE_NOWRITE : IN_CLOSE_WRITE);
	flock_release(f);
	if (vf->writer)
		inode_write_put(file_inode(f));
	path_put(&vf->path);
	atomic_fetch_sub(&vf->k->vfs->nfiles, 1);
	file_fini(f);
	free(vf);
}

static struct vfs_file *file_new(struct kernel *k, const struct path *p,
				 const struct vfs_file_ops *ops, unsigned flags, int *err)
{
	struct vfs *v = k->vfs;
	struct vfs_file *f;

	if (atomic_fetch_add(&v->nfiles, 1) >= v->max_files) {
		atomic_fetch_sub(&v->nfiles, 1);
		*err = -ENFILE;
		return NULL;
	}
	f = calloc(1, sizeof(*f));
	if (!f) {
		atomic_fetch_sub(&v->nfiles, 1);
		*err = -ENOMEM;
		return NULL;
	}
	file_init(&f->f, &ops->core, flags);
	f->k = k;
	f->path = *p;
	path_get(p);
	return f;
}

/* ---- directories ---- */

static long dir_getdents(struct file *f, struct task *t, struct call *c, gva_t ubuf, size_t size,
			 bool old)
{
	struct vfs_file *vf = vfs_file(f);
	struct inode *i = file_inode(f);
	struct dir_emit e = {.size = size < GETDENTS_MAX ? size : GETDENTS_MAX, .old = old};
	int64_t pos;
	long r;

	if (!i->ops->iterate)
		return -ENOTDIR;
	e.buf = malloc(e.size ? e.size : 1);
	if (!e.buf)
		return -ENOMEM;
	r = host_lock(&f->lock, memfile_pace(i));
	if (r) {
		free(e.buf);
		return r;
	}
	pos = f->pos;
	r = i->ops->iterate(vf, &e, &pos);
	if (e.used)
		r = copy_to_guest(task_mm(t), ubuf, e.buf, e.used) ? -EFAULT : (long)e.used;
	else if (!r && e.full)
		r = -EINVAL;
	if (r > 0)
		f->pos = pos;
	pthread_mutex_unlock(&f->lock);
	free(e.buf);
	if (r > 0)
		notify_file(f, IN_ACCESS);
	return r;
}

static int64_t dir_lseek(struct file *f, int64_t off, int whence)
{
	if (whence != SEEK_CUR && whence != SEEK_SET)
		return -EINVAL;
	if (__builtin_add_overflow(off, whence == SEEK_CUR ? f->pos : 0, &off) || off < 0)
		return -EINVAL;
	f->pos = off;
	return off;
}

static ssize_t dir_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			struct call *c)
{
	return -EISDIR;
}

static int dir_fsync(struct file *f)
{
	return file_inode(f)->sb->flags & SB_NOSYNC ? -EINVAL : 0;
}

const struct vfs_file_ops dir_file_ops = {
	.core = {.release = vfs_file_free},
	.read = dir_read,
	.lseek = dir_lseek,
	.getdents = dir_getdents,
	.fsync = dir_fsync,
};

static const struct vfs_file_ops opath_ops = {.core = {.release = vfs_file_free}};

/* ---- opening ---- */

int vfs_open_path(struct kernel *k, const struct path *p, unsigned flags, struct task *t,
		  struct file **out)
{
	struct inode *i = p->d->inode;
	struct vfs_file *f;
	int err = 0;

	f = file_new(k, p, &opath_ops, flags, &err);
	if (!f)
		return err;
	f->is_dir = S_ISDIR(i->mode);
	if (flags & O_PATH) {
		f->opath = true;
	} else {
		if (f->is_dir)
			f->f.ops = &dir_file_ops.core;
		if (S_ISREG(i->mode) && file_writable(&f->f)) {
			err = inode_write_get(i);
			f->writer = !err;
		}
		if (err)
			;
		else if (i->ops->open && (!f->is_dir || i->ops->iterate != dcache_iterate))
			err = i->ops->open(i, f, t);
		else if (!f->is_dir)
			err = -ENXIO;
	}
	if (err) {
		vfs_file_free(&f->f);
		return err;
	}
	f->f.flags &= ~(unsigned)O_NOCTTY; /* was for open alone */
	if (!f->opath) {
		f->opened = true;
		notify_file(&f->f, IN_OPEN);
	}
	*out = &f->f;
	return 0;
}

int vfs_open_anon(struct kernel *k, struct inode *i, const char *name,
		  const struct vfs_file_ops *ops, unsigned flags, struct vfs_file **out)
{
	struct vfs *v = k->vfs;
	struct path p = {.mnt = v->anon_mnt};
	struct vfs_file *f;
	int err = 0;

	vfs_lock(v);
	p.d = dentry_alloc(NULL, name, strlen(name), i);
	if (p.d)
		p.d->flags |= D_ANON;
	vfs_unlock(v);
	if (!p.d)
		return -ENOMEM;
	f = file_new(k, &p, ops, flags, &err);
	path_put(&p);
	*out = f;
	return err;
}

int vfs_open_exec(struct task *t, int dirfd, const char *path, unsigned at_flags, struct file **out)
{
	unsigned flags = at_flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW;
	struct cred cred;
	struct path p;
	int err;

	if (at_flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (at_flags & AT_EMPTY_PATH)
		flags |= WALK_EMPTY;
	err = vfs_path_at(t, dirfd, path, flags, &p);
	if (err)
		return err;
	task_cred(t, &cred);
	if (S_ISLNK(p.d->inode->mode))
		err = -ELOOP;
	else if (!S_ISREG(p.d->inode->mode))
		err = -EACCES;
	else
		err = inode_permission(p.d->inode, &cred, MAY_EXEC);
	if (!err && atomic_load(&p.d->inode->writers) > 0)
		err = -ETXTBSY;
	if (!err)
		err = vfs_open_path(t->k, &p, O_RDONLY, t, out);
	path_put(&p);
	return err;
}

/* ---- what others ask ---- */

ssize_t vfs_pread(struct file *f, void *buf, size_t len, uint64_t pos)
{
	const struct vfs_file_ops *ops = vfs_ops(f);
	int64_t at = (int64_t)pos;
	struct xfer_buf x;

	if (!ops->read || vfs_file(f)->stream)
		return -EINVAL;
	if (at < 0)
		return -EINVAL;
	xfer_buf_init_read(&x, buf, len);
	return ops->read(f, &x.x, &at, NULL, NULL);
}

struct memobj *vfs_file_memobj(struct file *f, int *err)
{
	*err = -ENODEV;
	return vfs_ops(f)->mmap ? vfs_ops(f)->mmap(f, err) : NULL;
}

ssize_t vfs_file_path(struct file *f, char *buf, size_t size)
{
	struct vfs_file *vf = vfs_file(f);
	char tmp[VFS_PATH_MAX], *s;
	size_t len;

	vfs_lock(vf->k->vfs);
	s = path_name(vf->k->vfs, &vf->path, NULL, tmp, sizeof(tmp));
	vfs_unlock(vf->k->vfs);
	if (!s)
		return -ENAMETOOLONG;
	len = strlen(s);
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(buf, s, len + 1);
	return (ssize_t)len;
}

void vfs_file_owner(struct file *f, uint32_t *mode, uint32_t *uid, uint32_t *gid)
{
	struct inode *i = file_inode(f);

	pthread_mutex_lock(&i->lock);
	*mode = i->mode & 07777;
	*uid = i->uid;
	*gid = i->gid;
	pthread_mutex_unlock(&i->lock);
}

int exe_create(struct file *f, struct path **out)
{
	struct path *p = malloc(sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	*p = vfs_file(f)->path;
	err = inode_run_get(p->d->inode);
	if (err) {
		free(p);
		return err;
	}
	path_get(p);
	*out = p;
	return 0;
}

struct path *exe_dup(const struct path *p)
{
	struct path *n = malloc(sizeof(*n));

	if (n) {
		*n = *p;
		path_get(n);
		atomic_fetch_sub(&n->d->inode->writers, 1); /* it is below 0 */
	}
	return n;
}

void exe_free(struct path *p)
{
	if (p) {
		inode_run_put(p->d->inode);
		path_put(p);
		free(p);
	}
}

int64_t lseek_size(struct file *f, int64_t off, int whence, int64_t size)
{
	int64_t base = 0;

	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = f->pos;
		break;
	case SEEK_END:
		base = size;
		break;
	case SEEK_DATA:
		if (off < 0 || off >= size)
			return -ENXIO;
		break;
	case SEEK_HOLE:
		if (off < 0 || off >= size)
			return -ENXIO;
		off = size;
		break;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, off, &off) || off < 0 || off > VFS_FILE_SIZE_MAX)
		return -EINVAL;
	f->pos = off;
	return off;
}
