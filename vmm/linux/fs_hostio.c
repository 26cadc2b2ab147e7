/*
 * Reading the host's regular files. preadv2(2), RWF_NOWAIT.
 */
#include "fs_hostio.h"

#include "../core/workpool.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define COLD_MAX   (128UL << 10) /* read by one job: what the host reads ahead anyway */
#define COLD_MIN   4096UL        /* the same when many wait: no more than a task costs anyway */
#define WARM_AHEAD (512UL << 10) /* around a page that was touched */

ssize_t (*host_preadv2)(int fd, const struct iovec *iov, int n, off_t pos, int flags) = preadv2;

/* ---- with or without waiting ---- */

/* Its file system lies in memory: no read waits for anything. */
static bool in_memory(int fd)
{
	struct statfs s;

	return !fstatfs(fd, &s) && (s.f_type == TMPFS_MAGIC || s.f_type == RAMFS_MAGIC);
}

ssize_t hostfd_preadv(struct hostfd *hf, const struct iovec *iov, unsigned n, uint64_t pos,
		      bool may_wait)
{
	for (;;) {
		int how = atomic_load_explicit(&hf->nowait, memory_order_relaxed);
		bool ask = !may_wait && how != HOSTFD_IN_MEMORY;
		ssize_t got;

		if (ask && how == HOSTFD_CANNOT_SAY)
			return -EAGAIN;
		got = host_preadv2(hf->fd, iov, (int)n, (off_t)pos, ask ? RWF_NOWAIT : 0);
		if (got >= 0)
			return got;
		if (errno == EINTR)
			continue;
		/* Not every file system knows what it has at hand. */
		if (!ask || (errno != EOPNOTSUPP && errno != ENOSYS))
			return -errno;
		atomic_store_explicit(&hf->nowait,
				      in_memory(hf->fd) ? HOSTFD_IN_MEMORY : HOSTFD_CANNOT_SAY,
				      memory_order_relaxed);
	}
}

/* ---- cold reads by a file's read operation ---- */

struct cold_read {
	struct job job;
	struct hostfd *hf; /* a reference */
	int64_t pos;
	size_t len;
	size_t charged; /* to the vfs's cold_bytes */
	ssize_t result;
	uint8_t buf[];
};

static void cold_run(struct job *j)
{
	struct cold_read *r = container_of(j, struct cold_read, job);
	struct iovec iov = {r->buf, r->len};

	r->result = hostfd_preadv(r->hf, &iov, 1, (uint64_t)r->pos, true);
}

static void cold_release(struct job *j)
{
	struct cold_read *r = container_of(j, struct cold_read, job);

	atomic_fetch_sub(&r->hf->sb->v->cold_bytes, r->charged);
	hostfd_put(r->hf);
	free(r);
}

/* How much of len a job may read: all buffers together stay below max_cold, but for one page each.
 */
static size_t cold_charge(struct vfs *v, size_t len, size_t *charged)
{
	*charged = 0;
	if (len > COLD_MAX)
		len = COLD_MAX;
	if (len <= COLD_MIN)
		return len;
	if (atomic_fetch_add(&v->cold_bytes, len) + len <= v->max_cold) {
		*charged = len;
		return len;
	}
	atomic_fetch_sub(&v->cold_bytes, len);
	return COLD_MIN;
}

static const struct job_ops cold_ops = {.run = cold_run, .release = cold_release};

/* c->job is under way for this read. NULL: no memory, or no worker. */
static struct job *cold_start(struct hostfd *hf, size_t len, int64_t pos, struct call *c)
{
	struct workpool *pool = hf->sb->v->k->pool;
	struct vfs *v = hf->sb->v;
	struct cold_read *r;
	size_t charged;

	if (!pool)
		return NULL;
	len = cold_charge(v, len, &charged);
	r = malloc(sizeof(*r) + len);
	if (!r) {
		atomic_fetch_sub(&v->cold_bytes, charged);
		return NULL;
	}
	r->charged = charged;
	job_init(&r->job, &cold_ops);
	r->hf = hostfd_get(hf);
	r->pos = pos;
	r->len = len;
	if (workpool_submit(pool, &hf->sb->reads, &r->job) < 0) {
		job_put(&r->job);
		return NULL;
	}
	c->job = &r->job;
	return c->job;
}

/* What the job has read from pos on; -EAGAIN: it was about another place. */
static ssize_t cold_take(struct cold_read *r, const struct hostfd *hf, void *buf, size_t len,
			 int64_t pos)
{
	size_t off = (size_t)(pos - r->pos);

	if (r->hf != hf || pos < r->pos ||
	    (pos != r->pos && (r->result < 0 || off >= (size_t)r->result)))
		return -EAGAIN;
	if (r->result < 0)
		return r->result;
	if (len > (size_t)r->result - off)
		len = (size_t)r->result - off;
	memcpy(buf, r->buf + off, len);
	return (ssize_t)len;
}

ssize_t hostfd_read(struct hostfd *hf, void *buf, size_t len, int64_t pos, struct sched_task *task,
		    struct call *c)
{
	struct iovec iov = {buf, len};
	ssize_t r;

	if (host_call_is_away())
		return hostfd_preadv(hf, &iov, 1, (uint64_t)pos, true);
	if (c && c->job && c->job->ops == &cold_ops) {
		if (!job_done(c->job)) {
			if (c->killed)
				return -EINTR;
			if (task && !job_wait(c->job, task))
				return -EBLOCKED;
		}
		r = -EAGAIN;
		if (job_done(c->job))
			r = cold_take(container_of(c->job, struct cold_read, job), hf, buf, len,
				      pos);
		if (r != -EAGAIN)
			return r;
		job_cancel(c->job);
		c->job = NULL;
	}
	r = hostfd_preadv(hf, &iov, 1, (uint64_t)pos, false);
	if (r != -EAGAIN || !task || !c)
		return r;
	if (!cold_start(hf, len, pos, c))
		return hostfd_preadv(hf, &iov, 1, (uint64_t)pos, true);
	if (!job_wait(c->job, task))
		return -EBLOCKED;
	return hostfd_read(hf, buf, len, pos, task, c);
}

ssize_t hostfd_wait(struct hostfd *hf, void *buf, size_t len, int64_t pos)
{
	struct iovec iov = {buf, len};

	return hostfd_preadv(hf, &iov, 1, (uint64_t)pos, true);
}

/* ---- pages ---- */

/* The pages of one preadv: how many, cut where the file does not count any more. */
static unsigned page_iov(struct iovec *iov, void *const pages[], unsigned n, uint64_t len)
{
	unsigned used = 0;

	for (; used < n && len; used++) {
		size_t part = len < PAGE_SIZE ? len : PAGE_SIZE;

		iov[used] = (struct iovec){pages[used], part};
		len -= part;
	}
	return used;
}

int hostfd_fill(void *owner, uint64_t pgoff, unsigned n, void *const pages[], bool may_wait)
{
	struct hostfd *hf = owner;
	uint64_t pos = pgoff << PAGE_SHIFT, limit = atomic_load(&hf->limit);
	struct iovec iov[MEMOBJ_READAHEAD], *v = iov;
	unsigned used;

	if (hf->fd < 0 || n > ARRAY_SIZE(iov))
		return -EIO;
	n = used = pos < limit ? page_iov(iov, pages, n, limit - pos) : 0;
	while (n) {
		ssize_t got = hostfd_preadv(hf, v, n, pos, may_wait);

		/* A page that marks where to read ahead says so once, though it is there. */
		if (got == -EAGAIN)
			got = hostfd_preadv(hf, v, n, pos, may_wait);
		if (got < 0)
			return got == -EAGAIN ? -EAGAIN : -EIO;
		/* The end: what follows in its page is zero already. Whole pages that should be
		 * there were cut off on the host: SIGBUS, as natively. */
		if (!got)
			return n > 1 || v->iov_base == pages[used - n] ? -EIO : 0;
		pos += (uint64_t)got;
		while (n && (size_t)got >= v->iov_len) {
			got -= (ssize_t)v->iov_len;
			v++;
			n--;
		}
		if (n) {
			v->iov_base = (uint8_t *)v->iov_base + got;
			v->iov_len -= (size_t)got;
		}
	}
	return 0;
}

void hostfd_warm(void *owner, uint64_t pgoff, unsigned n)
{
	size_t len = (size_t)n << PAGE_SHIFT;
	struct iovec iov = {malloc(len), len};

	/* A program that starts will want more of it: the host may read on by itself. */
	(void)posix_fadvise(((struct hostfd *)owner)->fd,
			    (off_t)((pgoff << PAGE_SHIFT) & ~(uint64_t)(WARM_AHEAD - 1)),
			    WARM_AHEAD, POSIX_FADV_WILLNEED);
	/* What is read counts for nothing: that the host has it at hand does. */
	if (iov.iov_base)
		(void)hostfd_preadv(owner, &iov, 1, pgoff << PAGE_SHIFT, true);
	free(iov.iov_base);
}
