/*
 * read, write and their kin; lseek; sendfile. read(2), preadv2(2), lseek(2), sendfile(2).
 */
#include "notify.h"
#include "sys_fs.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define SENDFILE_CHUNK 32768 /* one read of the host: a job that reads gives no less */
#define RWF_NOAPPEND_K 0x20  /* Linux 6.9 */
#define RWF_KNOWN                                                                                  \
	((unsigned)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND) | RWF_NOAPPEND_K)

struct rw {
	struct uio u;
	size_t total;
	int64_t pos; /* if not positional: the file's after the last run */
	bool positional, write, nowait;
	bool moves; /* positional, and yet the file's position becomes pos: RWF_APPEND */
};

static void rw_free(void *state)
{
	uio_fini(&((struct rw *)state)->u);
}

struct file *call_io_file(struct task *t, struct call *c, unsigned slot, int fd)
{
	struct file *f = call_file(t, c, slot, fd);

	return f && !vfs_file(f)->opath ? f : NULL;
}

uint64_t task_rlimit(struct task *t, int resource)
{
	uint64_t v;

	pthread_mutex_lock(&t->p->lock);
	v = t->p->rlim[resource].rlim_cur;
	pthread_mutex_unlock(&t->p->lock);
	return v;
}

unsigned nofile_limit(struct task *t)
{
	uint64_t v = task_rlimit(t, RLIMIT_NOFILE);

	return v > INT32_MAX ? INT32_MAX : (unsigned)v;
}

void send_own_signal(struct task *t, int sig)
{
	struct siginfo_k info = {.si_signo = sig};

	info.u.rt.pid = (int32_t)t->p->pid;
	signal_send_task(t, sig, &info);
}

int64_t fsize_clip(struct task *t, int64_t start, size_t len)
{
	uint64_t limit = task_rlimit(t, RLIMIT_FSIZE);

	if (limit >= INT64_MAX || !len)
		return (int64_t)len;
	if (start >= (int64_t)limit) {
		send_own_signal(t, SIGXFSZ);
		return -EFBIG;
	}
	return (int64_t)len > (int64_t)limit - start ? (int64_t)limit - start : (int64_t)len;
}

/* A file with a position waits for its disk whatever O_NONBLOCK says, and no signal ends that. */
static struct sched_task *rw_waiter(struct task *t, struct call *c, const struct rw *rw,
				    bool nonblock, bool stream)
{
	return stream ? call_waiter(t, c, nonblock) : rw->nowait ? NULL : &t->st;
}

/* One run of a transfer that rw describes. */
static long rw_run(struct task *t, struct call *c, struct file *f, struct rw *rw)
{
	const struct vfs_file_ops *ops = vfs_ops(f);
	bool nonblock = rw->nowait || (f->flags & O_NONBLOCK), stream = vfs_file(f)->stream;
	struct sched_task *task = rw_waiter(t, c, rw, nonblock, stream);
	struct xfer *x = &rw->u.x;
	ssize_t r;
	size_t done;

	if (rw->write && x->left) {
		r = vfs_drop_setid(t, vfs_file(f)->path.d);
		if (r)
			return r;
	}
	c->progress = rw->total - x->left;
	if (stream) {
		r = rw->write ? ops->write(f, x, NULL, task, c) : ops->read(f, x, NULL, task, c);
	} else if (rw->positional) {
		r = rw->write ? ops->write(f, x, &rw->pos, task, c)
			      : ops->read(f, x, &rw->pos, task, c);
		if (rw->moves && x->left < rw->total) {
			pthread_mutex_lock(&f->lock);
			f->pos = rw->pos;
			pthread_mutex_unlock(&f->lock);
		}
	} else {
		r = host_lock(&f->lock, memfile_pace(file_inode(f)));
		if (r)
			return r;
		if (x->left < rw->total && f->pos != rw->pos)
			r = 0; /* somebody moved on meanwhile: what we have is in one piece */
		else
			r = rw->write ? ops->write(f, x, &f->pos, task, c)
				      : ops->read(f, x, &f->pos, task, c);
		rw->pos = f->pos;
		pthread_mutex_unlock(&f->lock);
	}
	if (r == -EBLOCKED || r == -EHOSTWAIT)
		return r;
	if (r == -EPIPE && rw->write && !vfs_file(f)->quiet)
		send_own_signal(t, SIGPIPE);
	done = rw->total - x->left;
	if (done) {
		notify_file(f, rw->write ? IN_MODIFY : IN_ACCESS);
		return (long)done;
	}
	if (r == -EAGAIN && c->interrupted && !nonblock)
		return -ERESTARTSYS;
	return r;
}

/* RLIMIT_FSIZE on the first run of a write to a regular file. */
static long rw_limit(struct task *t, struct file *f, struct rw *rw)
{
	struct vfs_attr a;
	int64_t start = rw->positional ? rw->pos : f->pos, n;
	int err;

	if (!rw->write || !S_ISREG(file_inode(f)->mode) ||
	    task_rlimit(t, RLIMIT_FSIZE) >= INT64_MAX)
		return 0;
	if (f->flags & O_APPEND && !rw->u.x.at_pos) {
		err = host_may_wait(inode_pace(file_inode(f)), HOST_LOOK);
		if (!err)
			err = inode_getattr(file_inode(f), &a);
		if (err)
			return err;
		start = (int64_t)a.size;
	} else if (vfs_file(f)->stream && vfs_ops(f)->lseek) {
		/* An inherited one: others move its position, too. */
		start = vfs_ops(f)->lseek(f, 0, SEEK_CUR);
		if (start < 0)
			return (long)start;
	}
	n = fsize_clip(t, start, rw->u.x.left);
	if (n < 0)
		return n;
	rw->u.x.left = (size_t)n;
	return 0;
}

static long rw_begin(struct task *t, struct call *c, bool write, bool vec, bool positional,
		     int64_t pos, unsigned flags, struct rw **out)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);
	struct rw *rw;
	long err;

	if (positional && pos < 0)
		return -EINVAL;
	if (!f)
		return -EBADF;
	if (positional && !file_positional(f, write))
		return -ESPIPE;
	if (!(write ? file_writable(f) : file_readable(f)))
		return -EBADF;
	if (!(write ? vfs_ops(f)->write : vfs_ops(f)->read))
		return -EINVAL;
	if (flags & ~RWF_KNOWN)
		return -EOPNOTSUPP;
	if (flags & RWF_APPEND && flags & RWF_NOAPPEND_K)
		return -EINVAL;
	rw = call_state(c, sizeof(*rw));
	if (!rw)
		return -ENOMEM;
	c->state_free = rw_free;
	rw->write = write;
	rw->positional = positional;
	rw->pos = pos;
	rw->nowait = flags & RWF_NOWAIT;
	if (write && (flags & RWF_APPEND) && !vfs_file(f)->stream) {
		struct vfs_attr a;

		err = host_may_wait(inode_pace(file_inode(f)), HOST_LOOK);
		if (!err)
			err = inode_getattr(file_inode(f), &a);
		if (err)
			return err;
		rw->moves = !positional;
		rw->positional = true;
		rw->pos = (int64_t)a.size;
	}
	err = vec ? uio_init_iov(&rw->u, task_mm(t), !write, gva(c->args[1]), c->args[2])
		  : uio_init(&rw->u, task_mm(t), !write, c->args[1], c->args[2]);
	rw->u.x.at_pos = flags & RWF_NOAPPEND_K;
	/* rw_verify_area(): the end must be a position, too. */
	if (!err && !vfs_file(f)->stream && vfs_ops(f)->lseek &&
	    (int64_t)rw->u.x.left > INT64_MAX - (rw->positional ? rw->pos : f->pos))
		err = -EINVAL;
	if (!err)
		err = rw_limit(t, f, rw);
	rw->total = rw->u.x.left;
	*out = rw;
	return err;
}

/* No byte is asked of a file for none, in the calls that take pieces; read(2) asks even then. */
static bool rw_nothing(const struct rw *rw, bool vec)
{
	return vec && !rw->total;
}

static long rw_call(struct task *t, struct call *c, bool write, bool vec, bool positional,
		    int64_t pos, unsigned flags)
{
	struct rw *rw = c->state;
	long err;

	if (!c->rerun) {
		err = rw_begin(t, c, write, vec, positional, pos, flags, &rw);
		if (err)
			return err;
		if (rw_nothing(rw, vec))
			return 0;
	}
	err = rw_run(t, c, c->file[0], rw);
	if (err != -EBLOCKED && err != -EHOSTWAIT)
		task_count_io(t, write, err);
	return err;
}

long sys_read(struct task *t, struct call *c)
{
	return rw_call(t, c, false, false, false, 0, 0);
}

long sys_write(struct task *t, struct call *c)
{
	return rw_call(t, c, true, false, false, 0, 0);
}

long sys_readv(struct task *t, struct call *c)
{
	return rw_call(t, c, false, true, false, 0, 0);
}

long sys_writev(struct task *t, struct call *c)
{
	return rw_call(t, c, true, true, false, 0, 0);
}

long sys_pread64(struct task *t, struct call *c)
{
	return rw_call(t, c, false, false, true, (int64_t)c->args[3], 0);
}

long sys_pwrite64(struct task *t, struct call *c)
{
	return rw_call(t, c, true, false, true, (int64_t)c->args[3], 0);
}

long rw_stream_call(struct task *t, struct call *c, bool write, bool nowait)
{
	return rw_call(t, c, write, true, false, 0, nowait ? RWF_NOWAIT : 0);
}

long sys_preadv(struct task *t, struct call *c)
{
	return rw_call(t, c, false, true, true, (int64_t)c->args[3], 0);
}

long sys_pwritev(struct task *t, struct call *c)
{
	return rw_call(t, c, true, true, true, (int64_t)c->args[3], 0);
}

/* Position -1: the file's own, as readv and writev. */
long sys_preadv2(struct task *t, struct call *c)
{
	int64_t pos = (int64_t)c->args[3];

	return rw_call(t, c, false, true, pos != -1, pos, (unsigned)c->args[5]);
}

long sys_pwritev2(struct task *t, struct call *c)
{
	int64_t pos = (int64_t)c->args[3];

	return rw_call(t, c, true, true, pos != -1, pos, (unsigned)c->args[5]);
}

long sys_lseek(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);
	int64_t r;

	if (!f)
		return -EBADF;
	if (c->args[2] > SEEK_HOLE)
		return -EINVAL;
	if (!vfs_ops(f)->lseek)
		return -ESPIPE;
	r = host_lock(&f->lock, memfile_pace(file_inode(f)));
	if (r)
		return r;
	r = vfs_ops(f)->lseek(f, (int64_t)c->args[1], (int)c->args[2]);
	pthread_mutex_unlock(&f->lock);
	return r;
}

/* ---- sendfile ---- */

struct sendfile {
	struct xfer_buf x; /* what is in buf and not yet written */
	uint8_t *buf;
	int64_t pos; /* of the next byte to read */
	size_t left, done;
	bool user_pos;
};

static void sendfile_free(void *state)
{
	free(((struct sendfile *)state)->buf);
}

static long sendfile_begin(struct task *t, struct call *c, struct sendfile **out)
{
	struct file *dst = call_io_file(t, c, 0, (int)c->args[0]),
		    *src = call_io_file(t, c, 1, (int)c->args[1]);
	struct sendfile *s;
	int64_t pos = 0;

	if (c->args[2] && copy_from_guest(task_mm(t), &pos, gva(c->args[2]), sizeof(pos)))
		return -EFAULT;
	if (!src || !file_readable(src))
		return -EBADF;
	if (c->args[2] && !file_positional(src, false))
		return -ESPIPE;
	if (pos < 0)
		return -EINVAL;
	if (!dst || !file_writable(dst))
		return -EBADF;
	if (!file_positional(src, false) || vfs_file(src)->is_dir || !vfs_ops(src)->read ||
	    !vfs_ops(dst)->write || (dst->flags & O_APPEND) || vfs_file(src)->no_splice_in ||
	    vfs_file(dst)->no_splice_out)
		return -EINVAL;
	s = call_state(c, sizeof(*s));
	if (!s)
		return -ENOMEM;
	c->state_free = sendfile_free;
	s->buf = malloc(SENDFILE_CHUNK);
	if (!s->buf)
		return -ENOMEM;
	s->user_pos = c->args[2];
	s->pos = s->user_pos ? pos : src->pos;
	s->left = c->args[3] < UIO_MAX_RW ? c->args[3] : UIO_MAX_RW;
	*out = s;
	return 0;
}

static long sendfile_step(struct task *t, struct call *c, struct sendfile *s)
{
	struct file *dst = c->file[0], *src = c->file[1];
	struct sched_task *task = call_waiter(t, c, dst->flags & O_NONBLOCK);
	size_t before;
	ssize_t r;

	if (!s->x.x.left) {
		struct xfer_buf in;
		int64_t pos = s->pos;

		xfer_buf_init_read(&in, s->buf,
				   s->left < SENDFILE_CHUNK ? s->left : SENDFILE_CHUNK);
		r = vfs_ops(src)->read(src, &in.x, &pos, &t->st, c);
		/* What came before it has to wait is written first: this run's buffer is not kept.
		 */
		if (r == -EBLOCKED && pos > s->pos)
			r = (long)(pos - s->pos);
		if (r > 0 && !vfs_file(dst)->stream)
			r = (ssize_t)fsize_clip(t, dst->pos, (size_t)r);
		if (r <= 0)
			return r;
		xfer_buf_init_write(&s->x, s->buf, (size_t)r);
	}
	r = vfs_drop_setid(t, vfs_file(dst)->path.d);
	if (r)
		return r;
	before = s->x.x.left;
	c->progress = 0;
	if (vfs_file(dst)->stream) {
		r = vfs_ops(dst)->write(dst, &s->x.x, NULL, task, c);
	} else {
		r = host_lock(&dst->lock, memfile_pace(file_inode(dst)));
		if (r)
			return r;
		r = vfs_ops(dst)->write(dst, &s->x.x, &dst->pos, task, c);
		pthread_mutex_unlock(&dst->lock);
	}
	host_call_part();
	before -= s->x.x.left;
	s->done += before;
	s->left -= before;
	s->pos += (int64_t)before;
	return r < 0 ? r : (long)before;
}

long sys_sendfile(struct task *t, struct call *c)
{
	struct sendfile *s = c->state;
	long r = 0, err;

	if (!c->rerun) {
		r = sendfile_begin(t, c, &s);
		if (r)
			return r;
		host_call_keeps(c);
	}
	while (s->left && !host_call_doomed(t)) {
		r = sendfile_step(t, c, s);
		if (r == -EBLOCKED || r == -EHOSTWAIT)
			return r;
		if (r <= 0)
			break;
	}
	if (s->done && !s->user_pos) {
		err = host_lock(&c->file[1]->lock, memfile_pace(file_inode(c->file[1])));
		if (err)
			return err;
		c->file[1]->pos = s->pos;
		pthread_mutex_unlock(&c->file[1]->lock);
	}
	if (r == -EPIPE)
		send_own_signal(t, SIGPIPE);
	if (s->done && s->user_pos &&
	    copy_to_guest(task_mm(t), gva(c->args[2]), &s->pos, sizeof(s->pos)))
		return -EFAULT;
	if (s->done) {
		notify_file(c->file[1], IN_ACCESS);
		notify_file(c->file[0], IN_MODIFY);
		return (long)s->done;
	}
	if (r == -EAGAIN && c->interrupted && !(c->file[0]->flags & O_NONBLOCK))
		return -ERESTARTSYS;
	return r;
}
