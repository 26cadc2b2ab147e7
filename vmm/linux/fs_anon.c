/*
 * Files on no name: what eventfd, epoll_create and their kind return.
 */
#include "sys_fs.h"

#include <stdio.h>
#include <stdlib.h>

static void anon_free(struct inode *i)
{
	inode_fini(i);
	free(i);
}

static int anon_setattr(struct dentry *d, const struct vfs_setattr *s)
{
	/* A message queue's: to Linux it is a file, whose size nobody looks at. */
	return s->valid & ATTR_SIZE && S_ISREG(d->inode->mode) ? 0 : -EOPNOTSUPP;
}

static const struct inode_ops anon_inode_ops = {.free = anon_free, .setattr = anon_setattr};

int anon_file(struct kernel *k, const char *name, const struct vfs_file_ops *ops, unsigned flags,
	      void *priv, struct file **out)
{
	return anon_file_kind(k, ANON_INODES, name, ops, flags, priv, out);
}

int anon_file_kind(struct kernel *k, enum anon_kind kind, const char *name,
		   const struct vfs_file_ops *ops, unsigned flags, void *priv, struct file **out)
{
	struct inode *i = calloc(1, sizeof(*i));
	struct vfs_file *f = NULL;
	char text[40];
	int err;

	if (!i)
		return -ENOMEM;
	snprintf(text, sizeof(text), "anon_inode:%s", name);
	/* No type at all: so does Linux. */
	inode_init(i, k->vfs->anon[kind], &anon_inode_ops, 0600, 0);
	err = vfs_open_anon(k, i, text, ops, flags, &f);
	if (err)
		return err;
	f->stream = true;
	f->no_splice_in = f->no_splice_out = true;
	f->priv = priv;
	*out = &f->f;
	return 0;
}

int64_t anon_lseek(struct file *f, int64_t off, int whence)
{
	(void)off;
	(void)whence;
	return f->pos;
}

int install_pair(struct task *t, struct file *const f[2], bool cloexec, uint64_t ufds)
{
	struct fdtable *files = task_files(t);
	int fd[2] = {-1, -1}, err;

	/* The numbers are told first: what has been told can be closed by another thread, and must
	 * not be closed once more here. */
	fd[0] = err = fdtable_reserve(files, nofile_limit(t), cloexec);
	if (err >= 0)
		fd[1] = err = fdtable_reserve(files, nofile_limit(t), cloexec);
	if (err >= 0)
		err = copy_to_guest(task_mm(t), gva(ufds), fd, sizeof(fd)) ? -EFAULT : 0;
	for (int i = 0; i < 2; i++) {
		if (!err)
			fdtable_fill(files, fd[i], f[i]);
		else if (fd[i] >= 0)
			fdtable_unreserve(files, fd[i]);
		if (err)
			file_close(f[i]);
	}
	return err;
}

long install_file(struct task *t, struct file *f, bool cloexec)
{
	int fd = fdtable_install(task_files(t), f, 0, nofile_limit(t), cloexec);

	if (fd < 0)
		file_close(f);
	return fd;
}
