/*
 * The data of the host's regular files: read(2) goes to the host's page cache, mappings to ours.
 *
 * A memobj is made when a file is first mapped; there is one per inode, filled page by page from
 * the same descriptor. The filler runs under memobj->lock, so it uses only the hostfd, which the
 * memobj keeps alive.
 */
#include "fs_hostio.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HOST_CHUNK 32768

/* Kernel interfaces: what they hold belongs to the host's processes, and opening or reading may act
 * or wait. */
static bool type_forbidden(unsigned long type)
{
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
		0x6e667364 /* nfsd */,
		0x67596969 /* rpc_pipefs */,
		0x07655821 /* resctrl */,
		0xabba1974 /* xenfs */,
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (type == bad[i])
			return true;
	return false;
}

/* A disk's or memory's: closing a file there tells nobody (no flush operation). An overlay passes
 * that on, but what it writes lies in one of the others. */
static bool type_local(unsigned long type)
{
	static const unsigned long local[] = {
		EXT4_SUPER_MAGIC,
		XFS_SUPER_MAGIC,
		BTRFS_SUPER_MAGIC,
		F2FS_SUPER_MAGIC,
		TMPFS_MAGIC,
		RAMFS_MAGIC,
		HUGETLBFS_MAGIC,
		OVERLAYFS_SUPER_MAGIC,
		SQUASHFS_MAGIC,
		EROFS_SUPER_MAGIC_V1,
		CRAMFS_MAGIC,
		ISOFS_SUPER_MAGIC,
		UDF_SUPER_MAGIC,
		MSDOS_SUPER_MAGIC,
		EXFAT_SUPER_MAGIC,
		REISERFS_SUPER_MAGIC,
		NILFS_SUPER_MAGIC,
		0x2fc12fc1 /* zfs */,
		0xca451a4e /* bcachefs */,
		0x7366746e /* ntfs3 */,
		0x3153464a /* jfs */,
		0x482b /* hfsplus */,
	};

	for (size_t i = 0; i < ARRAY_SIZE(local); i++)
		if (type == local[i])
			return true;
	return false;
}

bool host_fs_forbidden(int fd, enum host_kind *kind)
{
	struct statfs s;

	if (fstatfs(fd, &s))
		return true;
	if (kind)
		*kind = type_local((unsigned long)s.f_type) ? HOST_LOCAL : HOST_REMOTE;
	return type_forbidden((unsigned long)s.f_type);
}

bool host_file_forbidden(struct host_inode *h, int path_fd)
{
	enum host_kind kind = HOST_UNKNOWN;
	bool yes = host_fs_forbidden(path_fd, &kind);

	host_pace_learn(h->i.sb->v, h->pace, kind);
	return yes;
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

/* ---- descriptors and the page cache ---- */

static void close_counted(struct vfs *v, int fd)
{
	if (fd < 0)
		return;
	close(fd);
	hostfd_release(v);
}

struct hostfd *hostfd_create(struct super *sb, struct host_pace *pace, int fd, int wfd)
{
	struct hostfd *hf = calloc(1, sizeof(*hf));
	struct vfs *v = sb->v;

	if (!hf) {
		close_counted(v, fd);
		if (wfd != fd)
			close_counted(v, wfd);
		return NULL;
	}
	atomic_init(&hf->refs, 1);
	atomic_init(&hf->limit, UINT64_MAX);
	hf->sb = sb;
	hf->pace = pace;
	hf->fd = fd;
	atomic_init(&hf->wfd, wfd);
	return hf;
}

struct hostfd *hostfd_get(struct hostfd *hf)
{
	atomic_fetch_add(&hf->refs, 1);
	return hf;
}

static void hostfd_close(struct hostfd *hf)
{
	int fd = atomic_load(&hf->fd), wfd = atomic_load(&hf->wfd);

	close_counted(hf->sb->v, fd);
	if (wfd != fd)
		close_counted(hf->sb->v, wfd);
}

static void close_run(struct job *j)
{
	hostfd_close(container_of(j, struct hostfd, close));
}

static void close_release(struct job *j)
{
	free(container_of(j, struct hostfd, close));
}

static const struct job_ops close_ops = {.run = close_run, .release = close_release};

/* A worker closes hf. Whoever had written to it has been told of the result (writeback_flush()). */
static bool close_late(struct hostfd *hf)
{
	struct kernel *k = hf->sb->v->k;
	bool sent;

	if (!host_is_remote(hf->pace) || !k->pool)
		return false;
	job_init(&hf->close, &close_ops);
	/* At the end it is closed with vmbox itself. */
	sent = atomic_load(&k->stopping) ||
	       !workpool_submit(k->pool, &hf->pace->lanes[HOST_CLOSE], &hf->close);
	if (sent)
		job_put(&hf->close);
	return sent;
}

void hostfd_put(struct hostfd *hf)
{
	if (!hf || atomic_fetch_sub(&hf->refs, 1) > 1 || close_late(hf))
		return;
	hostfd_close(hf);
	free(hf);
}

void hostfd_unused(struct super *sb, struct host_pace *pace, int fd)
{
	hostfd_put(hostfd_create(sb, pace, fd, fd));
}

void hostfd_limit(struct hostfd *hf, uint64_t size)
{
	if (size < atomic_load(&hf->limit))
		atomic_store(&hf->limit, size);
}

static void hostfd_release_owner(void *owner)
{
	hostfd_put(owner);
}

static const struct memobj_ops hostfd_memobj_ops = {
	.fill = hostfd_fill,
	.warm = hostfd_warm,
	.release = hostfd_release_owner,
};

struct memobj *hostfile_obj(struct host_inode *h)
{
	struct inode *i = &h->i;

	struct memobj *o = i->mf.obj;

	if (!o) {
		o = memobj_create(i->sb->v->k->gm, &hostfd_memobj_ops, h->hf);
		if (o)
			hostfd_get(h->hf);
		i->mf.obj = o;
	}
	return o;
}

/* A readable descriptor of h, reserved; one that the host only lets us write to is -EACCES. */
static int open_readable(struct host_inode *h)
{
	int path = host_open_path(h), fd;
	struct vfs *v = h->i.sb->v;

	if (path < 0)
		return path;
	fd = host_file_forbidden(h, path) ? -EACCES : host_reopen(path, O_RDONLY);
	close(path);
	if (fd < 0)
		hostfd_release(v);
	return fd;
}

int hostfile_need(struct host_inode *h)
{
	struct inode *i = &h->i;
	struct hostfd *hf;
	bool have;
	int fd;

	pthread_mutex_lock(&i->lock);
	have = h->hf && atomic_load(&h->hf->fd) >= 0;
	pthread_mutex_unlock(&i->lock);
	if (have)
		return 0;
	fd = open_readable(h);
	if (fd < 0)
		return fd;
	hf = hostfd_create(i->sb, h->pace, fd, -1);
	if (!hf)
		return -ENOMEM;
	pthread_mutex_lock(&i->lock);
	if (!h->hf) {
		h->hf = hf;
		hf = NULL;
	} else if (atomic_load(&h->hf->fd) < 0) {
		/* Was opened to be written only. */
		atomic_store(&h->hf->fd, fd);
		atomic_store(&hf->fd, -1);
	}
	pthread_mutex_unlock(&i->lock);
	hostfd_put(hf);
	return 0;
}

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

static struct hostfd *host_file(struct inode *i)
{
	struct hostfd *hf;

	/* Once open it stays open as long as the inode, which the file keeps. */
	pthread_mutex_lock(&i->lock);
	hf = hi(i)->hf;
	pthread_mutex_unlock(&i->lock);
	return hf;
}

ssize_t hostfile_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
		      struct call *c)
{
	struct hostfd *hf = host_file(file_inode(f));
	uint8_t buf[HOST_CHUNK];
	ssize_t total = 0;

	while (x->left && !(total && host_call_over())) {
		size_t n = x->left < sizeof(buf) ? x->left : sizeof(buf);
		ssize_t got = hf ? hostfd_read(hf, buf, n, *pos, task, c) : -EBADF, put;

		/* For the VMM itself, as a part of a call. */
		if (got == -EAGAIN && !c) {
			got = host_must_wait(host_pace(file_inode(f)));
			if (!got)
				got = hostfd_wait(hf, buf, n, *pos);
		}
		if (got == -EHOSTWAIT) {
			xfer_back(x, (size_t)total);
			*pos -= total;
			return got;
		}
		/* Blocked: what has been read so far x remembers. */
		if (got == -EBLOCKED)
			return got;
		if (got <= 0)
			return got < 0 && !total ? got : total;
		put = x->copy(x, buf, (size_t)got);
		if (put < 0)
			return total ? total : put;
		*pos += put;
		total += put;
		if (put < got)
			break;
	}
	return total;
}

int64_t hostfile_lseek(struct file *f, int64_t off, int whence)
{
	struct inode *i = file_inode(f);
	struct hostfd *hf = host_file(i);
	int fd = hf ? hf->fd : -1;
	struct stat st;
	int wait;

	if (whence == SEEK_SET || whence == SEEK_CUR)
		return lseek_size(f, off, whence, 0);
	wait = host_may_wait(host_pace(i), HOST_LOOK);
	if (wait)
		return wait;
	if (hf && fd < 0) /* the host lets us only write */
		fd = atomic_load(&hf->wfd);
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

struct memobj *hostfile_mmap(struct file *f, int *err)
{
	struct inode *i = file_inode(f);
	struct host_inode *h = hi(i);
	struct memobj *o;
	struct stat st;

	*err = host_may_wait(host_pace(i), HOST_LOOK);
	if (!*err)
		*err = host_lock(&i->data_lock, host_pace(i));
	if (*err)
		return NULL;
	*err = -ENOMEM;
	o = hostfile_obj(h);
	/* The host may have changed the file since it was last mapped. */
	if (o && !fstat(h->hf->fd, &st) && (uint64_t)st.st_size != memobj_size(o) &&
	    memobj_set_size(o, (uint64_t)st.st_size))
		o = NULL;
	if (o)
		memobj_get(o);
	pthread_mutex_unlock(&i->data_lock);
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

/* ---- one file of the host inside another file system ---- */

static int placed_getattr(struct inode *i, struct vfs_attr *a)
{
	struct vfs_attr host;
	struct stat st;

	if (fstat(hi(i)->hf->fd, &st))
		return -errno;
	attr_from_stat(&host, &st);
	host.dev = i->sb->dev;
	host.ino = i->ino;
	host.nlink = a->nlink;
	host.mode = a->mode;
	*a = host;
	return 0;
}

static int placed_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	/* It is a program's image, and it is run from here. */
	if ((f->f.flags & O_ACCMODE) != O_RDONLY)
		return -ETXTBSY;
	f->f.ops = &hostfile_ops.core;
	return 0;
}

static const struct inode_ops placed_inode_ops = {
	.free = host_free,
	.getattr = placed_getattr,
	.open = placed_open,
};

int hostfile_create(struct super *sb, int fd, struct inode **out)
{
	struct host_inode *h;
	struct stat st;
	int err;

	err = hostfd_reserve(sb->v);
	if (err || fstat(fd, &st)) {
		close(fd);
		return err ? err : -EIO;
	}
	h = calloc(1, sizeof(*h));
	if (!h) {
		close_counted(sb->v, fd);
		return -ENOMEM;
	}
	inode_init(&h->i, sb, &placed_inode_ops, st.st_mode, 0);
	h->fd = h->path_fd = -1;
	host_set_stat(&h->i, &st);
	h->i.nlink = 1;
	h->hf = hostfd_create(sb, NULL, fd, -1);
	if (!h->hf) {
		host_free(&h->i);
		return -ENOMEM;
	}
	*out = &h->i;
	return 0;
}
