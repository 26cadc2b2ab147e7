/*
 * Regular files in memory.
 */
#include "fs_hostio.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <unistd.h>

#define LOWER_CHUNK 32768 /* bytes read from the host at a time */

struct memobj *memfile_obj(struct inode *i)
{
	if (!i->mf.obj)
		i->mf.obj = memobj_create(i->sb->v->k->gm, NULL, NULL);
	return i->mf.obj;
}

/* The data changed. */
static void touch(struct inode *i)
{
	pthread_mutex_lock(&i->lock);
	inode_now(&i->mtime);
	i->ctime = i->mtime;
	pthread_mutex_unlock(&i->lock);
}

/* The super's count of pages follows i's. */
static void account(struct inode *i)
{
	uint64_t now = i->mf.obj ? memobj_resident(i->mf.obj) : 0;

	atomic_fetch_add(&i->sb->data_pages, now - i->mf.counted);
	i->mf.counted = now;
}

void memfile_fini(struct inode *i)
{
	atomic_fetch_sub(&i->sb->data_pages, i->mf.counted);
	if (i->mf.obj)
		memobj_put(i->mf.obj);
}

int64_t memfile_size(struct inode *i)
{
	return i->mf.obj ? (int64_t)memobj_size(i->mf.obj) : 0;
}

void memfile_getattr(struct inode *i, struct vfs_attr *a)
{
	uint64_t pages = i->mf.obj ? memobj_resident(i->mf.obj) : 0, below;

	a->size = (uint64_t)memfile_size(i);
	if (i->mf.lower) {
		below = atomic_load(&i->mf.lower->limit);
		below = (below < a->size ? below : a->size) >> PAGE_SHIFT;
		pages = pages > below ? pages : below;
	}
	a->blocks = pages * (PAGE_SIZE / 512);
}

struct host_pace *memfile_pace(struct inode *i)
{
	return i->mf.lower ? hi(i)->pace : inode_pace(i);
}

int memfile_resize(struct inode *i, int64_t size)
{
	int64_t old = memfile_size(i);
	struct memobj *o;
	int err;

	if (size > VFS_FILE_SIZE_MAX)
		return -EFBIG;
	if ((size < old && (i->seals & F_SEAL_SHRINK)) || (size > old && (i->seals & F_SEAL_GROW)))
		return -EPERM;
	if (!size && !i->mf.obj)
		return 0;
	o = memfile_obj(i);
	if (!o)
		return -ENOSPC;
	if (i->mf.lower)
		hostfd_limit(i->mf.lower, (uint64_t)size);
	err = memobj_set_size(o, (uint64_t)size);
	account(i);
	return err == -ENOMEM ? -ENOSPC : err;
}

/* ---- reading ---- */

/* As hostfd_preadv(), or -EHOSTWAIT. */
static ssize_t read_lower(struct inode *i, void *buf, size_t n, uint64_t pos)
{
	struct iovec iov = {buf, n};
	ssize_t got = hostfd_preadv(i->mf.lower, &iov, 1, pos, host_call_is_away());

	if (got != -EAGAIN)
		return got;
	got = host_must_wait(hi(i)->pace);
	return got ? got : hostfd_preadv(i->mf.lower, &iov, 1, pos, true);
}

/* A run of pages that are not in memory, of n bytes at most: from the host's file, or zeros. */
static ssize_t read_missing(struct inode *i, uint64_t pos, size_t n, struct xfer *x)
{
	static uint8_t zeros[PAGE_SIZE]; /* never written: only read transfers use it */
	uint64_t limit = i->mf.lower ? atomic_load(&i->mf.lower->limit) : 0;
	uint8_t buf[LOWER_CHUNK];
	ssize_t got;

	if (pos >= limit)
		return x->copy(x, zeros, n < sizeof(zeros) ? n : sizeof(zeros));
	if (n > sizeof(buf))
		n = sizeof(buf);
	if (n > limit - pos)
		n = limit - pos;
	got = read_lower(i, buf, n, pos);
	if (got < 0)
		return got == -EHOSTWAIT ? got : -EIO;
	if (!got) /* cut on the host, who should not have */
		memset(buf, 0, (size_t)(got = (ssize_t)n));
	return x->copy(x, buf, (size_t)got);
}

/* What lies in one page, or in a run of missing ones. Bytes moved or a negative errno. */
static ssize_t read_some(struct inode *i, uint64_t pos, size_t n, struct xfer *x)
{
	struct gmem *gm = i->sb->v->k->gm;
	size_t off = pos & (PAGE_SIZE - 1);
	uint64_t next = pos >> PAGE_SHIFT;
	ssize_t got;
	pfn_t pfn;

	/* Only what is there: reading a hole must not fill memory. */
	if (!memobj_peek_page(i->mf.obj, next, &pfn)) {
		if (n > PAGE_SIZE - off)
			n = PAGE_SIZE - off;
		got = x->copy(x, (uint8_t *)frame_hva(gm, pfn) + off, n);
		frame_put(gm, pfn);
		return got;
	}
	if (!memobj_next_resident(i->mf.obj, &next) && n > (next << PAGE_SHIFT) - pos &&
	    next > pos >> PAGE_SHIFT)
		n = (next << PAGE_SHIFT) - pos;
	return read_missing(i, pos, n, x);
}

/* Up to MEMFILE_HOLD bytes. i->data_lock held. True: there may be more. */
static bool read_part(struct inode *i, struct xfer *x, int64_t *pos, ssize_t *total)
{
	int64_t size = memfile_size(i), end = *pos + (int64_t)MEMFILE_HOLD;

	if (end > size)
		end = size;
	while (x->left && *pos < end) {
		size_t n = x->left < (size_t)(end - *pos) ? x->left : (size_t)(end - *pos);
		size_t left = x->left;
		ssize_t got = read_some(i, (uint64_t)*pos, n, x);

		if (got <= 0) {
			if (!*total || got == -EHOSTWAIT)
				*total = got;
			return false;
		}
		*pos += got;
		*total += got;
		if (x->left != left - (size_t)got)
			return false;
	}
	return x->left && *pos < size;
}

ssize_t memfile_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
		     struct call *c)
{
	struct inode *i = file_inode(f);
	int64_t start = *pos;
	ssize_t total = 0;
	bool more = true;

	while (more) {
		ssize_t before = total;

		total = host_lock(&i->data_lock, memfile_pace(i));
		if (total)
			break;
		total = before;
		more = read_part(i, x, pos, &total) && total > before;
		pthread_mutex_unlock(&i->data_lock);
	}
	if (total == -EHOSTWAIT) {
		xfer_back(x, (size_t)(*pos - start));
		*pos = start;
		return total;
	}
	if (!(f->flags & O_NOATIME)) {
		pthread_mutex_lock(&i->lock);
		inode_now(&i->atime);
		pthread_mutex_unlock(&i->lock);
	}
	return total;
}

/* ---- writing ---- */

static bool page_is_there(struct inode *i, int64_t pos)
{
	uint64_t ix = (uint64_t)pos >> PAGE_SHIFT, next = ix;

	return i->mf.obj && !memobj_next_resident(i->mf.obj, &next) && next == ix;
}

/* How many bytes may be written at pos: seals, the largest file. i->data_lock held. */
static ssize_t may_write(struct inode *i, int64_t pos, size_t n)
{
	int64_t size;

	if (i->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;
	if (pos >= VFS_FILE_SIZE_MAX)
		return -EFBIG;
	/* One page may be new. What mappings took is counted by the next write. */
	if (i->sb->max_data && atomic_load(&i->sb->data_pages) >= i->sb->max_data >> PAGE_SHIFT &&
	    !page_is_there(i, pos))
		return -ENOSPC;
	if ((int64_t)n > VFS_FILE_SIZE_MAX - pos)
		n = (size_t)(VFS_FILE_SIZE_MAX - pos);
	if (i->seals & F_SEAL_GROW) {
		size = memfile_size(i);
		if (pos >= size)
			return -EPERM;
		if ((int64_t)n > size - pos)
			n = (size_t)(size - pos);
	}
	return (ssize_t)n;
}

/* Up to MEMFILE_HOLD bytes. i->data_lock held. What ended it: 0: the lock's time. */
static ssize_t write_part(struct inode *i, struct xfer *x, int64_t *pos, ssize_t *total)
{
	struct memobj *o = memfile_obj(i);
	int64_t end = *pos + (int64_t)MEMFILE_HOLD;
	uint8_t buf[4 * PAGE_SIZE];

	if (!o)
		return -ENOSPC;
	while (x->left && *pos < end) {
		size_t max = i->sb->max_data ? PAGE_SIZE : sizeof(buf);
		size_t n = max - ((uint64_t)*pos & (PAGE_SIZE - 1));
		ssize_t got, put;

		got = may_write(i, *pos, n < x->left ? n : x->left);
		if (got < 0)
			return got;
		n = (size_t)got;
		/* Copied first, so that the size only covers bytes that arrived. */
		got = x->copy(x, buf, n);
		if (got <= 0)
			return got < 0 ? got : -EFAULT;
		put = memobj_write(o, (uint64_t)*pos, buf, (size_t)got);
		if (i->sb->max_data)
			account(i);
		if (put < got)
			xfer_back(x, (size_t)(put < 0 ? got : got - put));
		if (put < 0)
			return put == -ENOMEM ? -ENOSPC : put;
		*pos += put;
		*total += put;
		if (put < got)
			return -ENOSPC;
		if ((size_t)got < n)
			return -EFAULT;
	}
	return 0;
}

/* A write that begins or ends within a page below does not have to wait for that: 0; -EHOSTWAIT. */
static int lower_at_hand(struct inode *i, int64_t pos)
{
	struct hostfd *lower = i->mf.lower;
	uint64_t start = page_down((uint64_t)pos);
	uint8_t byte;

	if (!lower || !((uint64_t)pos & (PAGE_SIZE - 1)) || start >= atomic_load(&lower->limit) ||
	    page_is_there(i, pos))
		return 0;
	return read_lower(i, &byte, 1, start) == -EHOSTWAIT ? -EHOSTWAIT : 0;
}

ssize_t memfile_write(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
		      struct call *c)
{
	struct inode *i = file_inode(f);
	bool append = f->flags & O_APPEND && !x->at_pos;
	int64_t start = append ? memfile_size(i) : *pos;
	ssize_t total = 0, err = lower_at_hand(i, start);

	if (!err)
		err = lower_at_hand(i, start + (int64_t)x->left);
	while (!err && x->left) {
		/* What is written stays: no way back, and no short count either. */
		if (total)
			pthread_mutex_lock(&i->data_lock);
		else
			err = host_lock(&i->data_lock, memfile_pace(i));
		if (err)
			break;
		if (append)
			*pos = memfile_size(i);
		err = write_part(i, x, pos, &total);
		if (total)
			touch(i);
		pthread_mutex_unlock(&i->data_lock);
	}
	return total ? total : err;
}

/* ---- positions, mappings ---- */

/* SEEK_DATA and SEEK_HOLE by resident pages; all that may come from a lower file is data.
 * i->data_lock held. */
static int64_t seek_data(struct inode *i, int64_t off, bool want_data, int64_t size)
{
	uint64_t ix = (uint64_t)off >> PAGE_SHIFT, next, lower = 0;
	int64_t at;

	if (i->mf.lower)
		lower = (atomic_load(&i->mf.lower->limit) + PAGE_SIZE - 1) >> PAGE_SHIFT;
	for (;; ix++) {
		next = ix;
		if (ix >= lower && memobj_next_resident(i->mf.obj, &next))
			next = UINT64_MAX >> PAGE_SHIFT;
		if (want_data || next != ix)
			break;
	}
	ix = want_data ? next : ix;
	if (ix > (uint64_t)(size - 1) >> PAGE_SHIFT)
		return want_data ? -ENXIO : size;
	at = (int64_t)(ix << PAGE_SHIFT);
	return at > off ? at : off;
}

int64_t memfile_lseek(struct file *f, int64_t off, int whence)
{
	struct inode *i = file_inode(f);
	int64_t r = host_lock(&i->data_lock, memfile_pace(i)), size;

	if (r)
		return r;
	size = memfile_size(i);
	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		if (off < 0 || off >= size)
			r = -ENXIO;
		else
			r = seek_data(i, off, whence == SEEK_DATA, size);
		if (r >= 0)
			f->pos = r;
	} else {
		r = lseek_size(f, off, whence, size);
	}
	pthread_mutex_unlock(&i->data_lock);
	return r;
}

struct memobj *memfile_mmap(struct file *f, int *err)
{
	struct inode *i = file_inode(f);
	struct memobj *o;

	*err = host_lock(&i->data_lock, memfile_pace(i));
	if (*err)
		return NULL;
	o = memfile_obj(i);
	if (o)
		memobj_get(o);
	pthread_mutex_unlock(&i->data_lock);
	*err = o ? 0 : -ENOMEM;
	return o;
}

int memfile_fsync(struct file *f)
{
	return 0;
}

const struct vfs_file_ops memfile_ops = {
	.core = {.release = vfs_file_free},
	.read = memfile_read,
	.write = memfile_write,
	.lseek = memfile_lseek,
	.mmap = memfile_mmap,
	.fsync = memfile_fsync,
};

/* ---- fallocate ---- */

/* Zeros over [from, to), and no more memory than that takes: i->data_lock held. */
static int zero_range(struct inode *i, int64_t from, int64_t to)
{
	static const uint8_t zeros[PAGE_SIZE];
	uint64_t ix = (uint64_t)from >> PAGE_SHIFT, lower = 0;
	struct memobj *o = i->mf.obj;

	if (i->mf.lower)
		lower = (atomic_load(&i->mf.lower->limit) + PAGE_SIZE - 1) >> PAGE_SHIFT;
	/* Only pages that are there, or would come from below, are touched: a hole stays one, and
	 * its size costs nothing. */
	for (;; ix++) {
		int64_t a, b;
		ssize_t put;

		if (ix >= lower && memobj_next_resident(o, &ix))
			return 0;
		a = (int64_t)(ix << PAGE_SHIFT);
		if (a >= to)
			return 0;
		b = a + (int64_t)PAGE_SIZE < to ? a + (int64_t)PAGE_SIZE : to;
		a = a > from ? a : from;
		put = memobj_write(o, (uint64_t)a, zeros, (size_t)(b - a));
		if (put < 0)
			return put == -ENOMEM ? -ENOSPC : (int)put;
	}
}

int memfile_fallocate(struct inode *i, int mode, int64_t off, int64_t len)
{
	int64_t size = memfile_size(i);
	int err = 0;

	if (off + len > VFS_FILE_SIZE_MAX)
		return -EFBIG;
	if (mode & FALLOC_FL_PUNCH_HOLE) {
		if (i->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
			return -EPERM;
		if (off < size)
			err = zero_range(i, off, len > size - off ? size : off + len);
	} else if (!(mode & FALLOC_FL_KEEP_SIZE) && off + len > size) {
		/* Pages come when they are written: a reservation would be memory taken for
		 * nothing. */
		err = i->sb->max_data && (uint64_t)(off + len) > i->sb->max_data
			      ? -ENOSPC
			      : memfile_resize(i, off + len);
	}
	if (!err)
		touch(i);
	return err;
}
