/*
 * memfd_create(2) and the seals of such files: fcntl(2), F_ADD_SEALS.
 *
 * A memfd is a file of the in-memory file system without a name; inode->seals is checked where its
 * data, its size, its mappings and its mode change.
 */
#include "memfd.h"

#include "sys_fs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#define MFD_EXEC        16U
#endif
#define MFD_KNOWN    (MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC)
#define NAME_MAX_LEN 249 /* MFD_NAME_MAX_LEN */
#define SEALS_KNOWN                                                                                \
	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE |          \
	 F_SEAL_EXEC_K)
#define SEALS_OF_EXEC (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

static long open_memfd(struct task *t, const char *name, unsigned flags)
{
	struct inode_new n = {.mode = S_IFREG | (flags & MFD_NOEXEC_SEAL ? 0666 : 0777)};
	char text[NAME_MAX_LEN + 32];
	struct vfs_file *f = NULL;
	struct cred cred;
	struct inode *i;
	int err;

	task_cred(t, &cred);
	n.uid = cred.fsuid;
	n.gid = cred.fsgid;
	err = ramfs_inode(t->k->vfs->anon[ANON_MEMORY], &n, &i);
	if (err)
		return err;
	i->nlink = 0;
	i->sealable = true;
	i->seals = F_SEAL_SEAL;
	if (flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL))
		i->seals = 0;
	if (flags & MFD_NOEXEC_SEAL)
		i->seals |= F_SEAL_EXEC_K;
	snprintf(text, sizeof(text), "/memfd:%s (deleted)", name);
	err = vfs_open_anon(t->k, i, text, &memfile_ops, O_RDWR | arch_o_largefile, &f);
	return err ? err : install_file(t, &f->f, flags & MFD_CLOEXEC);
}

long sys_memfd_create(struct task *t, struct call *c)
{
	char name[NAME_MAX_LEN + 1];
	unsigned flags = (unsigned)c->args[1];
	ssize_t n;

	/* There is no pool of huge pages. */
	if (flags & MFD_HUGETLB)
		return -ENOSYS;
	if (flags & ~(unsigned)MFD_KNOWN)
		return -EINVAL;
	if ((flags & MFD_EXEC) && (flags & MFD_NOEXEC_SEAL))
		return -EINVAL;
	n = strncpy_from_guest(task_mm(t), name, gva(c->args[0]), sizeof(name));
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	return open_memfd(t, name, flags);
}

/* A mapping that could write makes F_SEAL_WRITE impossible. i->data_lock held. */
static int add_seals_locked(struct inode *i, unsigned seals)
{
	if (i->seals & F_SEAL_SEAL)
		return -EPERM;
	if ((seals & F_SEAL_EXEC_K) && (i->mode & 0111))
		seals |= SEALS_OF_EXEC;
	if ((seals & F_SEAL_WRITE) && !(i->seals & F_SEAL_WRITE) && i->mf.obj &&
	    memobj_writable_maps(i->mf.obj))
		return -EBUSY;
	i->seals |= seals;
	return 0;
}

/* A file with a name there has seals, too: that it can get none. */
static bool on_tmpfs(const struct inode *i)
{
	return S_ISREG(i->mode) && i->sb->ops->magic == TMPFS_MAGIC;
}

long fcntl_add_seals(struct file *f, unsigned seals)
{
	struct inode *i = file_inode(f);
	long r;

	if (!file_writable(f))
		return -EPERM;
	if (seals & ~(unsigned)SEALS_KNOWN)
		return -EINVAL;
	if (!i->sealable)
		return on_tmpfs(i) ? -EPERM : -EINVAL;
	pthread_mutex_lock(&i->data_lock);
	r = add_seals_locked(i, seals);
	pthread_mutex_unlock(&i->data_lock);
	return r;
}

long fcntl_get_seals(struct file *f)
{
	struct inode *i = file_inode(f);
	long r;

	if (!i->sealable)
		return on_tmpfs(i) ? F_SEAL_SEAL : -EINVAL;
	pthread_mutex_lock(&i->data_lock);
	r = i->seals;
	pthread_mutex_unlock(&i->data_lock);
	return r;
}

int seals_allow_map(struct file *f, bool writable, bool *nowrite)
{
	struct inode *i = file_inode(f);
	unsigned seals;

	*nowrite = false;
	if (!i->sealable)
		return 0;
	pthread_mutex_lock(&i->data_lock);
	seals = i->seals;
	pthread_mutex_unlock(&i->data_lock);
	*nowrite = seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
	return *nowrite && writable ? -EPERM : 0;
}
