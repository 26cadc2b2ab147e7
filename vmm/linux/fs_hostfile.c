/*
 * The data of the host's regular files, read-only: read(2) goes to the host's page cache, mappings
 * to ours.
 *
 * A memobj is made when a file is first mapped; there is one per inode, filled page by page from
 * the same descriptor. The filler runs under memobj->lock, so it uses only the hostfd, which the
 * memobj keeps alive.
 */
#include "vfs_inode.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HOST_CHUNK 32768

bool host_fs_forbidden(int fd)
{
	/* Kernel interfaces: what they hold belongs to the host's processes, and opening or reading
	 * may act or wait. */
	static const unsigned long bad[] = {
		PROC_SUPER_MAGIC,
		SYSFS_MAGIC,
		DEVPTS_SUPER_MAGIC,
		CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC,
		DEBUGFS_MAGIC,
		TRACEFS_MAGIC,
		SECURITYFS_MAGIC,
		SELINUX_MAGIC,
		SMACK_MAGIC,
		BPF_FS_MAGIC,
		EFIVARFS_MAGIC,
		PSTOREFS_MAGIC,
		NSFS_MAGIC,
		BINFMTFS_MAGIC,
		AUTOFS_SUPER_MAGIC,
		BINDERFS_SUPER_MAGIC,
		0x19800202 /* mqueue */,
		0x62656570 /* configfs */,
		0x65735543 /* fusectl */,
	};
	struct statfs s;

	if (fstatfs(fd, &s))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if ((unsigned long)s.f_type == bad[i])
			return true;
	return false;
}

int hostfd_reserve(struct vfs *v)
{
	if (atomic_fetch_add(&v->nhostfds, 1) < v->max_hostfds)
		return 0;
	atomic_fetch_sub(&v->nhostfds, 1);
	return -ENFILE;
}

int hostfd_reserve_shrink(struct vfs *v)
{
	if (!hostfd_reserve(v))
		return 0;
	vfs_lock(v);
	dentry_shrink(v, 0);
	vfs_unlock(v);
	return hostfd_reserve(v);
}

void hostfd_release(struct vfs *v)
{
	atomic_fetch_sub(&v->nhostfds, 1);
}

static void hostfd_put(void *owner)
{
	struct hostfd *hf = owner;

	if (atomic_fetch_sub(&hf->refs, 1) > 1)
		return;
	close(hf->fd);
	hostfd_release(hf->v);
	free(hf);
}

int hostdata_init(struct hostdata *hd, struct vfs *v, int fd)
{
	hd->hf = calloc(1, sizeof(*hd->hf));
	if (!hd->hf) {
		close(fd);
		hostfd_release(v);
		return -ENOMEM;
	}
	atomic_init(&hd->hf->refs, 1);
	hd->hf->v = v;
	hd->hf->fd = fd;
	return 0;
}

void hostdata_fini(struct hostdata *hd)
{
	if (hd->obj)
		memobj_put(hd->obj);
	if (hd->hf)
		hostfd_put(hd->hf);
}

/* Reads len bytes unless the file ends first. */
static int fill_run(int fd, struct iovec *iov, unsigned n, uint64_t pos)
{
	while (n) {
		ssize_t got = preadv(fd, iov, (int)n, (off_t)pos);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -EIO;
		if (!got)
			return 0;
		pos += (uint64_t)got;
		while (n && (size_t)got >= iov->iov_len) {
			got -= (ssize_t)iov->iov_len;
			iov++;
			n--;
		}
		if (n) {
			iov->iov_base = (uint8_t *)iov->iov_base + got;
			iov->iov_len -= (size_t)got;
		}
	}
	return 0;
}

static int hostdata_fill(void *owner, uint64_t pgoff, unsigned n, void *const pages[])
{
	struct hostfd *hf = owner;
	struct iovec iov[MEMOBJ_READAHEAD];

	while (n) {
		unsigned run = n < ARRAY_SIZE(iov) ? n : ARRAY_SIZE(iov);
		int err;

		for (unsigned i = 0; i < run; i++)
			iov[i] = (struct iovec){pages[i], PAGE_SIZE};
		err = fill_run(hf->fd, iov, run, pgoff << PAGE_SHIFT);
		if (err)
			return err;
		pgoff += run;
		pages += run;
		n -= run;
	}
	return 0;
}

static const struct memobj_ops hostdata_memobj_ops = {.fill = hostdata_fill, .release = hostfd_put};

void attr_from_stat(struct vfs_attr *a, const struct stat *st)
{
	a->dev = st->st_dev;
	a->ino = st->st_ino;
	a->rdev = st->st_rdev;
	a->mode = st->st_mode;
	a->nlink = (uint32_t)st->st_nlink;
	a->uid = st->st_uid;
	a->gid = st->st_gid;
	a->size = (uint64_t)st->st_size;
	a->blocks = (uint64_t)st->st_blocks;
	a->blksize = (uint32_t)st->st_blksize;
	a->atime = st->st_atim;
	a->mtime = st->st_mtim;
	a->ctime = st->st_ctim;
	a->btime = (struct timespec){0, -1};
}

/* ---- open files ---- */

static int host_fd(struct inode *i)
{
	struct hostdata *hd = hostdata_of(i);
	int fd;

	/* Once open it stays open as long as the inode, which the file keeps. */
	pthread_mutex_lock(&i->lock);
	fd = hd->hf ? hd->hf->fd : -1;
	pthread_mutex_unlock(&i->lock);
	return fd;
}

static ssize_t hostfile_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			     struct call *c)
{
	int fd = host_fd(file_inode(f));
	uint8_t buf[HOST_CHUNK];
	ssize_t total = 0;

	while (x->left) {
		size_t n = x->left < sizeof(buf) ? x->left : sizeof(buf);
		ssize_t got = pread(fd, buf, n, *pos), put;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 && !total ? -errno : total;
		put = x->copy(x, buf, (size_t)got);
		if (put < 0)
			return total ? total : put;
		*pos += put;
		total += put;
		if (put < got || (size_t)got < n)
			break;
	}
	return total;
}

static int64_t hostfile_lseek(struct file *f, int64_t off, int whence)
{
	struct inode *i = file_inode(f);
	int fd = host_fd(i);
	struct stat st;

	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		/* The host's offset is nobody's: reads carry their own. */
		int64_t r = lseek(fd, off, whence);

		if (r < 0)
			return -errno;
		f->pos = r;
		return r;
	}
	if (fstat(fd, &st))
		return -errno;
	return lseek_size(f, off, whence, st.st_size);
}

static struct memobj *hostfile_mmap(struct file *f, int *err)
{
	struct inode *i = file_inode(f);
	struct hostdata *hd = hostdata_of(i);
	struct memobj *o;
	struct stat st;

	*err = -ENOMEM;
	pthread_mutex_lock(&i->lock);
	if (!hd->obj) {
		hd->obj = memobj_create(i->sb->v->k->gm, &hostdata_memobj_ops, hd->hf);
		if (hd->obj)
			atomic_fetch_add(&hd->hf->refs, 1);
	}
	o = hd->obj;
	/* The host may have changed the file since it was last mapped. */
	if (o && !fstat(hd->hf->fd, &st) && (uint64_t)st.st_size != memobj_size(o) &&
	    memobj_set_size(o, (uint64_t)st.st_size))
		o = NULL;
	if (o)
		memobj_get(o);
	pthread_mutex_unlock(&i->lock);
	if (o)
		*err = 0;
	return o;
}

static int hostfile_fsync(struct file *f)
{
	return 0;
}

const struct vfs_file_ops hostfile_ops = {
	.core = {.release = vfs_file_free},
	.read = hostfile_read,
	.lseek = hostfile_lseek,
	.mmap = hostfile_mmap,
	.fsync = hostfile_fsync,
};
