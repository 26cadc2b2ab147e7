/*
 * The data of a written-through tree's files.
 *
 * read(2) and write(2) go to the host's file. Mappings have pages of their own, which a write also
 * changes where they are there; the pages that shared mappings change (memobj_track) are written to
 * the host by msync, fsync and when a description of the file is closed (writeback.h), and from the
 * first such mapping on reads look at the pages first. So all of the guest sees one content at all
 * times.
 */
#include "fs_bind.h"
#include "writeback.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define BIND_CHUNK 32768

/* ---- descriptors ---- */

/* A writable descriptor of h, readable too if the host permits it (*readable). Reserved. */
static int open_writable(struct host_inode *h, bool *readable)
{
	int path = host_open_path(h), fd;

	if (path < 0)
		return path;
	fd = host_file_forbidden(h, path) ? -EACCES : host_reopen(path, O_RDWR);
	*readable = fd >= 0;
	if (fd == -EACCES)
		fd = host_reopen(path, O_WRONLY);
	close(path);
	if (fd < 0)
		hostfd_release(h->i.sb->v);
	return fd;
}

/* [no lock] h->hf->wfd is there. -ESTALE, -EACCES, -EROFS, -ETXTBSY, -ENFILE, ... */
static int need_writable(struct host_inode *h)
{
	struct hostfd *hf = NULL;
	bool have, readable, used = false;
	int fd;

	pthread_mutex_lock(&h->i.lock);
	have = h->hf && atomic_load(&h->hf->wfd) >= 0;
	pthread_mutex_unlock(&h->i.lock);
	if (have)
		return 0;
	fd = open_writable(h, &readable);
	if (fd < 0)
		return fd;
	pthread_mutex_lock(&h->i.lock);
	if (h->hf && atomic_load(&h->hf->wfd) < 0) {
		atomic_store(&h->hf->wfd, fd);
		used = true;
	} else if (!h->hf) {
		hf = hostfd_create(h->i.sb, h->pace, readable ? fd : -1, fd);
		h->hf = hf;
		used = true; /* also by its failure */
	}
	have = h->hf;
	pthread_mutex_unlock(&h->i.lock);
	if (!used)
		hostfd_unused(h->i.sb, h->pace, fd);
	return have ? 0 : -ENOMEM;
}

/* ---- reading ---- */

/* i->data_lock held: our pages' idea of the size is the host's. */
static int refresh_size(struct host_inode *h)
{
	struct stat st;

	if (fstat(h->hf->fd >= 0 ? h->hf->fd : atomic_load(&h->hf->wfd), &st))
		return -errno;
	if ((uint64_t)st.st_size == memobj_size(h->i.mf.obj))
		return 0;
	return memobj_set_size(h->i.mf.obj, (uint64_t)st.st_size);
}

static ssize_t bind_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			 struct call *c)
{
	struct host_inode *h = hi(file_inode(f));
	int err;

	if (!atomic_load(&h->mapped_rw))
		return hostfile_read(f, x, pos, task, c);
	err = host_may_wait(h->pace, HOST_LOOK);
	if (!err)
		err = host_lock(&h->i.data_lock, h->pace);
	if (err)
		return err;
	err = refresh_size(h);
	pthread_mutex_unlock(&h->i.data_lock);
	return err ? err : memfile_read(f, x, pos, task, c);
}

static struct memobj *bind_mmap(struct file *f, int *err)
{
	struct host_inode *h = hi(file_inode(f));
	struct memobj *o = hostfile_mmap(f, err);

	if (!o || (f->flags & O_ACCMODE) != O_RDWR)
		return o;
	memobj_track(o);
	*err = host_lock(&h->i.data_lock, h->pace);
	if (*err) {
		memobj_put(o);
		return NULL;
	}
	h->i.mf.lower = h->hf;
	atomic_store(&h->mapped_rw, true);
	atomic_store(&h->i.sb->v->k->maps_written, true);
	pthread_mutex_unlock(&h->i.data_lock);
	return o;
}

/* ---- writing ---- */

/* What was written to the host also goes to the pages that are there. i->data_lock held. */
static void update_pages(struct inode *i, uint64_t pos, const uint8_t *buf, size_t len)
{
	struct gmem *gm = i->sb->v->k->gm;
	struct memobj *o = i->mf.obj;
	pfn_t pfn;

	if (!o)
		return;
	if (pos + len > memobj_size(o) && memobj_set_size(o, pos + len))
		return;
	while (len) {
		size_t off = pos & (PAGE_SIZE - 1), n = PAGE_SIZE - off;

		n = n < len ? n : len;
		if (!memobj_peek_page(o, pos >> PAGE_SHIFT, &pfn)) {
			gmem_copy((uint8_t *)frame_hva(gm, pfn) + off, buf, n);
			frame_put(gm, pfn);
		}
		pos += n;
		buf += n;
		len -= n;
	}
}

static ssize_t write_host(int fd, const void *buf, size_t len, int64_t pos, bool append)
{
	struct iovec iov = {(void *)(uintptr_t)buf, len};
	ssize_t n;

	do
		n = append ? pwritev2(fd, &iov, 1, 0, RWF_APPEND) : pwrite(fd, buf, len, pos);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Up to MEMFILE_HOLD bytes. i->data_lock held. What ended it: 0: the lock's time. */
static ssize_t write_part(struct host_inode *h, struct xfer *x, int64_t *pos, bool append,
			  ssize_t *total)
{
	int fd = atomic_load(&h->hf->wfd);
	uint8_t buf[BIND_CHUNK];
	size_t done = 0;
	struct stat st;

	while (x->left && done < MEMFILE_HOLD && !(*total && host_call_over())) {
		ssize_t got = x->copy(x, buf, x->left < sizeof(buf) ? x->left : sizeof(buf)), put;

		if (got <= 0)
			return got < 0 ? got : -EFAULT;
		put = write_host(fd, buf, (size_t)got, *pos, append);
		if (put < got)
			xfer_back(x, (size_t)(put < 0 ? got : got - put));
		if (put < 0)
			return put;
		if (append && !fstat(fd, &st))
			*pos = st.st_size - put;
		update_pages(&h->i, (uint64_t)*pos, buf, (size_t)put);
		*pos += put;
		*total += put;
		done += (size_t)put;
		if (put < got)
			return -ENOSPC;
	}
	return 0;
}

static ssize_t bind_write(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			  struct call *c)
{
	struct host_inode *h = hi(file_inode(f));
	ssize_t total = 0, err;

	/* Who waits for the disk does so from the start: there is no way back once bytes are
	 * written. */
	err = f->flags & O_DSYNC ? host_must_wait(h->pace) : host_may_wait(h->pace, HOST_WRITE);
	/* For a process that has ended meanwhile no more is begun. */
	while (!err && x->left && !(total && host_call_over())) {
		/* What is written stays: no way back, and no short count either. */
		if (total)
			pthread_mutex_lock(&h->i.data_lock);
		else
			err = host_lock(&h->i.data_lock, h->pace);
		if (err)
			break;
		err = write_part(h, x, pos, f->flags & O_APPEND && !x->at_pos, &total);
		pthread_mutex_unlock(&h->i.data_lock);
	}
	if (total && (f->flags & O_DSYNC))
		fdatasync(atomic_load(&h->hf->wfd));
	return total ? total : err;
}

static int put_page(void *owner, uint64_t pos, const void *page, size_t len)
{
	struct hostfd *hf = owner;
	const char *p = page;

	while (len) {
		ssize_t n = write_host(atomic_load(&hf->wfd), p, len, (int64_t)pos, false);

		if (n < 0)
			return (int)n;
		p += n;
		pos += (uint64_t)n;
		len -= (size_t)n;
	}
	writeback_moved();
	return 0;
}

int bind_write_back_file(struct inode *i)
{
	struct host_inode *h = hi(i);
	int err;

	if (!atomic_load(&h->mapped_rw))
		return 0;
	/* Without the lock a write(2) could come between a page's copy and its way to the host. */
	pthread_mutex_lock(&h->i.data_lock);
	err = memobj_write_back(h->i.mf.obj, put_page);
	pthread_mutex_unlock(&h->i.data_lock);
	return err;
}

bool bind_has_changes(struct inode *i)
{
	return atomic_load(&hi(i)->mapped_rw) && memobj_has_changes(i->mf.obj);
}

static int bind_fsync(struct file *f)
{
	struct host_inode *h = hi(file_inode(f));
	int err = bind_write_back_file(&h->i), fd;

	if (err)
		return err;
	pthread_mutex_lock(&h->i.lock);
	fd = atomic_load(&h->hf->wfd);
	fd = fd < 0 ? h->hf->fd : fd;
	pthread_mutex_unlock(&h->i.lock);
	return fsync(fd) ? -errno : 0;
}

int bind_flush(struct inode *i)
{
	struct hostfd *hf;
	int fd, copy;

	pthread_mutex_lock(&i->lock);
	hf = hi(i)->hf;
	pthread_mutex_unlock(&i->lock);
	fd = hf ? atomic_load(&hf->wfd) : -1;
	if (fd < 0)
		return 0;
	/* The host's close(2) of any descriptor asks its file system to flush, and tells the
	 * result; ours stays for the next who opens the file. */
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return fdatasync(fd) ? -errno : 0;
	return close(copy) ? -errno : 0;
}

static void bind_release(struct file *f)
{
	/* Mappings refer to the file, too: the last of them is gone. */
	if ((f->flags & O_ACCMODE) == O_RDWR) {
		if (writeback_release(f))
			return;
		bind_write_back_file(file_inode(f));
	}
	vfs_file_free(f);
}

static const struct vfs_file_ops bind_file_ops = {
	.core = {.release = bind_release},
	.read = bind_read,
	.write = bind_write,
	.lseek = hostfile_lseek,
	.mmap = bind_mmap,
	.fsync = bind_fsync,
	.slow_fsync = true,
};

int bind_open(struct inode *i, struct vfs_file *f)
{
	unsigned mode = f->f.flags & O_ACCMODE;
	int err = mode == O_RDONLY ? 0 : need_writable(hi(i));

	if (!err && mode != O_WRONLY)
		err = hostfile_need(hi(i));

	/* Only a file that is open needs its release. */
	if (!err)
		f->f.ops = &bind_file_ops.core;
	return err;
}

/* [V] The first inode from bucket *b, place *n on, with a reference; NULL: none. */
static struct inode *table_at(struct hostfs *fs, size_t *b, size_t *n)
{
	for (; *b < HOSTFS_BUCKETS; (*b)++, *n = 0) {
		struct inode *i = LIST_FIRST(&fs->table[*b]);

		for (size_t skip = (*n)++; i && skip; skip--)
			i = LIST_NEXT(i, hash);
		if (i)
			return inode_get(i);
	}
	return NULL;
}

/* The next of all files, with a reference; those that come and go meanwhile need not be seen. */
static struct inode *next_file(struct super *sb, size_t *b, size_t *n)
{
	struct inode *i;

	vfs_lock(sb->v);
	i = table_at(hostfs_of(sb), b, n);
	vfs_unlock(sb->v);
	return i;
}

void bind_write_back(struct super *sb)
{
	size_t b = 0, n = 0;
	struct inode *i;

	while ((i = next_file(sb, &b, &n))) {
		if (atomic_load(&hi(i)->mapped_rw) && !writeback_inode(sb->v->k, i))
			bind_write_back_file(i);
		inode_put(i);
	}
}

int bind_sync(struct super *sb)
{
	struct hostfs *fs = hostfs_of(sb);
	int err = 0, one, fd;
	size_t b = 0, n = 0;
	struct inode *i;

	/* Closing one writes it back. */
	while ((i = next_file(sb, &b, &n))) {
		one = bind_write_back_file(i);
		err = err ? err : one;
		inode_put(i);
	}
	fd = openat(fs->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		if (syncfs(fd) && !err)
			err = -errno;
		close(fd);
	}
	return err;
}

/* ---- size and space ---- */

int bind_truncate(struct host_inode *h, int64_t size)
{
	int err = host_may_wait(h->pace, HOST_CHANGE);

	if (!err)
		err = need_writable(h);
	if (!err)
		err = host_lock(&h->i.data_lock, h->pace);
	if (err)
		return err;
	if (ftruncate(atomic_load(&h->hf->wfd), size))
		err = -errno;
	else if (h->i.mf.obj)
		err = memobj_set_size(h->i.mf.obj, (uint64_t)size);
	pthread_mutex_unlock(&h->i.data_lock);
	return err;
}

/* i->data_lock held: zeros in the pages that are there. */
static void zero_pages(struct inode *i, uint64_t pos, uint64_t len)
{
	static const uint8_t zeros[PAGE_SIZE];
	uint64_t size = memobj_size(i->mf.obj), ix = pos >> PAGE_SHIFT,
		 end = len > size || pos > size - len ? size : pos + len;

	for (; !memobj_next_resident(i->mf.obj, &ix) && ix << PAGE_SHIFT < end; ix++) {
		uint64_t a = ix << PAGE_SHIFT, b = a + PAGE_SIZE;

		a = a > pos ? a : pos;
		b = b < end ? b : end;
		if (a < b)
			update_pages(i, a, zeros, b - a);
	}
}

int bind_fallocate(struct inode *i, int mode, int64_t off, int64_t len)
{
	struct host_inode *h = hi(i);
	int err = host_may_wait(h->pace, HOST_CHANGE);

	if (!err)
		err = need_writable(h);
	if (!err)
		err = host_lock(&i->data_lock, h->pace);
	if (err)
		return err;
	if (fallocate(atomic_load(&h->hf->wfd), mode, off, len))
		err = -errno;
	if (!err && i->mf.obj && (mode & FALLOC_FL_PUNCH_HOLE))
		zero_pages(i, (uint64_t)off, (uint64_t)len);
	else if (!err && i->mf.obj)
		err = refresh_size(h);
	pthread_mutex_unlock(&i->data_lock);
	return err;
}
