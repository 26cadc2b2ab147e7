/*
 * Moving bytes between files: splice, tee, vmsplice, copy_file_range. splice(2), tee(2),
 * vmsplice(2), copy_file_range(2).
 *
 * Bytes go through a buffer of the call. What was taken out of a pipe and could not be put where it
 * belongs goes back to the pipe's front, also when the call is interrupted or its task dies.
 */
#include "notify.h"
#include "sys_fs.h"

#include "../core/pipe.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK         65536
#define FILE_CHUNK    32768 /* one read of the host: a job that reads gives no less */
#define SPLICE_KNOWN  0xfU  /* MOVE, NONBLOCK, MORE, GIFT */
#define SPLICE_NOWAIT 2U

struct splice {
	struct xfer_buf x; /* what is in buf and not yet written */
	uint8_t *buf;
	struct file *in, *out;  /* references */
	struct pipe *from, *to; /* NULL: not a pipe */
	int64_t in_pos, out_pos;
	bool in_user, out_user; /* the positions are the caller's */
	size_t left, done;
};

static void splice_free(void *state)
{
	struct splice *s = state;

	if (s->from && s->x.x.left)
		pipe_unread(s->from, s->x.buf, s->x.x.left);
	file_close(s->in);
	file_close(s->out);
	free(s->buf);
}

/* A position that the caller gives, or the file's own. */
static long get_pos(struct task *t, struct file *f, uint64_t upos, int64_t *pos, bool *user)
{
	*user = upos;
	*pos = f->pos;
	if (*user && copy_from_guest(task_mm(t), pos, gva(upos), sizeof(*pos)))
		return -EFAULT;
	return *pos < 0 ? -EINVAL : 0;
}

static long put_pos(struct task *t, struct file *f, uint64_t upos, int64_t pos, bool user)
{
	long err;

	if (user)
		return copy_to_guest(task_mm(t), gva(upos), &pos, sizeof(pos));
	err = host_lock(&f->lock, memfile_pace(file_inode(f)));
	if (err)
		return err;
	f->pos = pos;
	pthread_mutex_unlock(&f->lock);
	return 0;
}

static bool seekable(const struct file *f)
{
	return !vfs_file(f)->stream && vfs_ops(f)->lseek;
}

static long splice_check(struct task *t, struct call *c, struct file *in, struct file *out,
			 struct splice *s)
{
	long err = 0;

	s->from = pipe_of_file(in);
	s->to = pipe_of_file(out);
	if (!s->from && !s->to)
		return -EINVAL;
	if ((c->args[1] && !seekable(in)) || (c->args[3] && !seekable(out)))
		return -EINVAL;
	if (vfs_file(in)->no_splice_in || vfs_file(out)->no_splice_out)
		return -EINVAL;
	if ((s->from && s->from == s->to) || (!s->to && (out->flags & O_APPEND)) ||
	    !vfs_ops(in)->read || !vfs_ops(out)->write || vfs_file(in)->is_dir)
		return -EINVAL;
	if (!s->from && seekable(in))
		err = get_pos(t, in, c->args[1], &s->in_pos, &s->in_user);
	if (!err && !s->to && seekable(out))
		err = get_pos(t, out, c->args[3], &s->out_pos, &s->out_user);
	return err;
}

static long splice_begin(struct task *t, struct call *c, struct splice **out)
{
	struct file *in, *to;
	struct splice *s;
	long err;

	if ((unsigned)c->args[5] & ~SPLICE_KNOWN)
		return -EINVAL;
	if (!c->args[4])
		return 0;
	in = call_io_file(t, c, 0, (int)c->args[0]);
	to = call_io_file(t, c, 1, (int)c->args[2]);
	if (!in || !to)
		return -EBADF;
	if ((c->args[1] && pipe_of_file(in)) || (c->args[3] && pipe_of_file(to)))
		return -ESPIPE;
	if (!file_readable(in) || !file_writable(to))
		return -EBADF;
	s = call_state(c, sizeof(*s));
	if (!s)
		return -ENOMEM;
	c->state_free = splice_free;
	err = splice_check(t, c, in, to, s);
	if (err)
		return err;
	s->buf = malloc(CHUNK);
	if (!s->buf)
		return -ENOMEM;
	s->in = file_dup(in);
	s->out = file_dup(to);
	s->left = c->args[4] < UIO_MAX_RW ? c->args[4] : UIO_MAX_RW;
	*out = s;
	return 1;
}

/* Fills the buffer. Bytes, 0 at the end, -EBLOCKED, -EHOSTWAIT, -EAGAIN, ... */
static ssize_t splice_in(struct task *t, struct call *c, struct splice *s, struct sched_task *task)
{
	size_t max = seekable(s->in) ? FILE_CHUNK : CHUNK, room;
	size_t want = s->left < max ? s->left : max;
	struct xfer_buf in;
	int64_t pos = s->in_pos;
	ssize_t n;

	/* No more than fits: what a pipe takes at once. */
	if (s->to) {
		room = pipe_size(s->to) - pipe_bytes(s->to);
		if (room > 0 && room < want)
			want = room;
	}
	xfer_buf_init_read(&in, s->buf, want);
	if (seekable(s->in))
		n = vfs_ops(s->in)->read(s->in, &in.x, &pos, &t->st, c);
	else
		n = vfs_ops(s->in)->read(s->in, &in.x, NULL, task, NULL);
	/* What came before it has to wait goes on first: this run's transfer is not kept. */
	if (n == -EBLOCKED && pos > s->in_pos)
		n = (ssize_t)(pos - s->in_pos);
	if (n > 0)
		xfer_buf_init_write(&s->x, s->buf, (size_t)n);
	return n;
}

/* RLIMIT_FSIZE for the next len bytes: as fsize_clip(). */
static ssize_t splice_clip(struct task *t, struct splice *s, size_t len)
{
	int64_t pos = s->out_pos;

	if (s->to || !S_ISREG(file_inode(s->out)->mode))
		return (ssize_t)len;
	/* An inherited one: others move its position, too. */
	if (!seekable(s->out) && vfs_ops(s->out)->lseek)
		pos = vfs_ops(s->out)->lseek(s->out, 0, SEEK_CUR);
	return pos < 0 ? (ssize_t)pos : (ssize_t)fsize_clip(t, pos, len);
}

static ssize_t splice_out(struct task *t, struct splice *s, struct sched_task *task)
{
	size_t before = s->x.x.left, beyond;
	ssize_t n = splice_clip(t, s, before);

	if (n < 0)
		return n;
	beyond = before - (size_t)n;
	s->x.x.left -= beyond;
	if (seekable(s->out))
		n = vfs_ops(s->out)->write(s->out, &s->x.x, &s->out_pos, NULL, NULL);
	else
		n = vfs_ops(s->out)->write(s->out, &s->x.x, NULL, task, NULL);
	host_call_part();
	/* The limit was reached, and is met: that ends it, with the signal. */
	if (beyond && !s->x.x.left)
		splice_clip(t, s, beyond);
	s->x.x.left += beyond;
	before -= s->x.x.left;
	s->done += before;
	s->left -= before;
	if (seekable(s->in))
		s->in_pos += (int64_t)before;
	return n < 0 && before && n != -EBLOCKED ? (ssize_t)before : n;
}

/* May be called again after -EHOSTWAIT. */
static long splice_end(struct task *t, struct call *c, struct splice *s, long r, bool nonblock)
{
	long err = 0;

	if (s->done && seekable(s->in))
		err = put_pos(t, s->in, c->args[1], s->in_pos, s->in_user);
	if (!err && s->done && seekable(s->out))
		err = put_pos(t, s->out, c->args[3], s->out_pos, s->out_user);
	if (err)
		return err;
	if (r == -EPIPE)
		send_own_signal(t, SIGPIPE);
	if (s->done) {
		notify_file(s->in, IN_ACCESS);
		notify_file(s->out, IN_MODIFY);
		return (long)s->done;
	}
	return r == -EAGAIN && c->interrupted && !nonblock ? -ERESTARTSYS : r;
}

static bool splice_nonblock(const struct call *c, const struct file *f)
{
	return (unsigned)c->args[5] & SPLICE_NOWAIT || f->flags & O_NONBLOCK;
}

long sys_splice(struct task *t, struct call *c)
{
	struct splice *s = c->state;
	bool in_nb, out_nb;
	long r = 0;

	if (!c->rerun) {
		r = splice_begin(t, c, &s);
		if (r <= 0)
			return r;
		host_call_keeps(c);
	}
	in_nb = splice_nonblock(c, s->in);
	out_nb = splice_nonblock(c, s->out);
	for (r = 0; s->left && !host_call_doomed(t);) {
		/* It waits for the first byte alone. */
		if (!s->x.x.left)
			r = splice_in(t, c, s, s->done ? NULL : call_waiter(t, c, in_nb));
		if (r == -EBLOCKED || r == -EHOSTWAIT)
			return r;
		if (!s->x.x.left)
			break;
		if (!s->done) {
			r = vfs_drop_setid(t, vfs_file(s->out)->path.d);
			if (r == -EHOSTWAIT)
				return r;
			if (r)
				break;
		}
		r = splice_out(t, s, s->done ? NULL : call_waiter(t, c, out_nb));
		if (r == -EHOSTWAIT || (r == -EBLOCKED && !s->done))
			return r;
		if (r < 0 || s->x.x.left)
			break;
	}
	if (r == -EBLOCKED) /* part of it went: enough */
		r = 0;
	return splice_end(t, c, s, r, in_nb || out_nb);
}

/* ---- tee ---- */

struct tee {
	uint8_t *buf;
};

static void tee_free(void *state)
{
	free(((struct tee *)state)->buf);
}

static long tee_run(struct task *t, struct call *c, struct tee *s, struct pipe *from,
		    struct pipe *to, bool nonblock)
{
	struct sched_task *task = call_waiter(t, c, nonblock);
	size_t want = c->args[2] < CHUNK ? c->args[2] : CHUNK, got;
	struct xfer_buf x;
	unsigned state;
	ssize_t r;

	state = pipe_poll(from, false, task);
	if (!(state & (POLLIN | POLLHUP)))
		return task ? -EBLOCKED : -EAGAIN;
	got = pipe_peek(from, s->buf, want);
	if (!got)
		return 0;
	xfer_buf_init_write(&x, s->buf, got);
	/* Without a task: part of it is enough; and if there is no room at all, poll waits for it.
	 */
	r = pipe_write(to, &x.x, PIPE_MAX_SIZE, NULL);
	if (r != -EAGAIN)
		return r;
	if (!task)
		return r;
	pipe_poll(to, true, task);
	xfer_buf_init_write(&x, s->buf, got);
	r = pipe_write(to, &x.x, PIPE_MAX_SIZE, NULL);
	return r == -EAGAIN ? -EBLOCKED : r;
}

long sys_tee(struct task *t, struct call *c)
{
	struct file *in = call_io_file(t, c, 0, (int)c->args[0]),
		    *out = call_io_file(t, c, 1, (int)c->args[1]);
	struct pipe *from, *to;
	struct tee *s;
	bool nonblock;
	long r;

	if ((unsigned)c->args[3] & ~SPLICE_KNOWN)
		return -EINVAL;
	if (!c->args[2])
		return 0;
	if (!in || !out || !file_readable(in) || !file_writable(out))
		return -EBADF;
	from = pipe_of_file(in);
	to = pipe_of_file(out);
	if (!from || !to || from == to)
		return -EINVAL;
	s = call_state(c, sizeof(*s));
	if (!s)
		return -ENOMEM;
	c->state_free = tee_free;
	if (!s->buf)
		s->buf = malloc(CHUNK);
	if (!s->buf)
		return -ENOMEM;
	nonblock = (unsigned)c->args[3] & SPLICE_NOWAIT || (in->flags | out->flags) & O_NONBLOCK;
	r = tee_run(t, c, s, from, to, nonblock);
	if (r == -EPIPE)
		send_own_signal(t, SIGPIPE);
	return r == -EAGAIN && c->interrupted && !nonblock ? -ERESTARTSYS : r;
}

long sys_vmsplice(struct task *t, struct call *c)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);
	unsigned flags = (unsigned)c->args[3];
	struct uio u = {.segs = NULL};
	size_t len;
	long err;

	if (flags & ~SPLICE_KNOWN)
		return -EINVAL;
	if (!f)
		return -EBADF;
	/* Nothing can be put anywhere. */
	if (!c->rerun && !pipe_of_file(f)) {
		err = uio_init_iov(&u, task_mm(t), !file_writable(f), gva(c->args[1]), c->args[2]);
		len = u.x.left;
		uio_fini(&u);
		return err ? err : len ? -EBADF : 0;
	}
	return rw_stream_call(t, c, file_writable(f), flags & SPLICE_NOWAIT);
}

/* ---- copy_file_range ---- */

static long copy_check(struct file *in, struct file *out, unsigned flags)
{
	uint32_t a, b;

	if (!in || !out)
		return -EBADF;
	a = inode_type(file_inode(in));
	b = inode_type(file_inode(out));
	if (flags)
		return -EINVAL;
	if (a == S_IFDIR || b == S_IFDIR)
		return -EISDIR;
	if (a != S_IFREG || b != S_IFREG)
		return -EINVAL;
	if (!file_readable(in) || !file_writable(out) || (out->flags & O_APPEND))
		return -EBADF;
	/* Between file systems of one type at most, as Linux allows it. */
	if (!vfs_ops(in)->read || !vfs_ops(out)->write || !seekable(in) || !seekable(out) ||
	    file_inode(in)->sb->ops != file_inode(out)->sb->ops)
		return -EXDEV;
	return 0;
}

struct copy {
	struct xfer_buf x; /* what is in buf and not yet written */
	uint8_t *buf;
	int64_t from, to; /* of the next bytes to be written */
	size_t left, done;
	bool in_user, out_user; /* the positions are the caller's */
};

static void copy_free(void *state)
{
	free(((struct copy *)state)->buf);
}

static long copy_begin(struct task *t, struct call *c, struct copy **out)
{
	struct file *in = call_io_file(t, c, 0, (int)c->args[0]),
		    *to = call_io_file(t, c, 1, (int)c->args[2]);
	size_t len = c->args[4] < UIO_MAX_RW ? c->args[4] : UIO_MAX_RW;
	long err = copy_check(in, to, (unsigned)c->args[5]);
	struct copy *s;
	int64_t a, b;

	if (err)
		return err;
	s = call_state(c, sizeof(*s));
	if (!s)
		return -ENOMEM;
	c->state_free = copy_free;
	err = get_pos(t, in, c->args[1], &s->from, &s->in_user);
	if (!err)
		err = get_pos(t, to, c->args[3], &s->to, &s->out_user);
	if (err)
		return err;
	if (__builtin_add_overflow(s->from, (int64_t)len, &a) ||
	    __builtin_add_overflow(s->to, (int64_t)len, &b))
		return -EOVERFLOW;
	if (file_inode(in) == file_inode(to) && a > s->to && b > s->from && len)
		return -EINVAL;
	s->left = len;
	s->buf = malloc(FILE_CHUNK);
	if (!s->buf)
		return -ENOMEM;
	host_call_keeps(c);
	*out = s;
	return 0;
}

/* Bytes written, 0 at the end, -EBLOCKED, -EHOSTWAIT, ... */
static long copy_step(struct task *t, struct call *c, struct copy *s)
{
	struct file *in = c->file[0], *out = c->file[1];
	struct xfer_buf x;
	int64_t pos = s->from, n;
	ssize_t r;

	if (!s->x.x.left) {
		xfer_buf_init_read(&x, s->buf, s->left < FILE_CHUNK ? s->left : FILE_CHUNK);
		r = vfs_ops(in)->read(in, &x.x, &pos, &t->st, c);
		if (r == -EBLOCKED && pos > s->from)
			r = (ssize_t)(pos - s->from);
		if (r <= 0)
			return r;
		n = fsize_clip(t, s->to, (size_t)r);
		if (n < 0)
			return (long)n;
		/* It ends at the limit; the signal is for who begins there. */
		if (n < r)
			s->left = (size_t)n;
		xfer_buf_init_write(&s->x, s->buf, (size_t)n);
	}
	r = vfs_drop_setid(t, vfs_file(out)->path.d);
	if (r)
		return r;
	r = vfs_ops(out)->write(out, &s->x.x, &s->to, NULL, NULL);
	host_call_part();
	if (r <= 0)
		return r;
	s->from += r;
	s->done += (size_t)r;
	s->left -= (size_t)r;
	return r;
}

long sys_copy_file_range(struct task *t, struct call *c)
{
	struct copy *s = c->state;
	long r = 0, err = 0;

	if (!c->rerun)
		r = copy_begin(t, c, &s);
	if (r)
		return r;
	while (s->left && !host_call_doomed(t)) {
		r = copy_step(t, c, s);
		if (r == -EBLOCKED || r == -EHOSTWAIT)
			return r;
		if (r <= 0)
			break;
	}
	if (!s->done)
		return r;
	err = put_pos(t, c->file[0], c->args[1], s->from, s->in_user);
	if (!err)
		err = put_pos(t, c->file[1], c->args[3], s->to, s->out_user);
	if (err)
		return err;
	notify_file(c->file[0], IN_ACCESS);
	notify_file(c->file[1], IN_MODIFY);
	return (long)s->done;
}
