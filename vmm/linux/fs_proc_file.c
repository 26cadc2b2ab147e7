/*
 * The text files of /proc and /sys: a text is made when it is read from its start, and kept with
 * the open file.
 */
#include "fs_proc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct proc_file {
	/* protected by inode->lock: */
	bool made;
	char *text; /* NULL: empty */
	size_t len, cap;
};

/* ---- texts ---- */

static bool grow(struct proc_buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 1024;
	char *s;

	while (cap < b->len + more + 1)
		cap *= 2;
	if (b->failed || cap > PROC_TEXT_MAX) {
		b->failed = true;
		return false;
	}
	if (cap == b->cap)
		return true;
	s = realloc(b->s, cap);
	if (!s) {
		b->failed = true;
		return false;
	}
	b->s = s;
	b->cap = cap;
	return true;
}

void proc_puts(struct proc_buf *b, const void *s, size_t len)
{
	if (!grow(b, len))
		return;
	memcpy(b->s + b->len, s, len);
	b->len += len;
	b->s[b->len] = 0;
}

void proc_printf(struct proc_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !grow(b, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(b->s + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

/* ---- files ---- */

static int make_text(struct file *f, struct proc_file *pf, struct task *reader)
{
	struct inode *i = file_inode(f);
	struct proc_buf b = {0};
	struct proc_ctx ctx;
	int err = proc_ctx_get(i, reader, &ctx);
	struct vfs *v = i->sb->v;
	size_t old_cap;
	char *old;

	if (err)
		return err;
	err = proc_inode_of(i)->e->show(&b, &ctx);
	proc_ctx_put(&ctx);
	if (!err && b.failed)
		err = -ENOMEM;
	/* Many long texts held open would be the VMM's memory. */
	if (!err && atomic_fetch_add(&v->proc_bytes, b.cap) + b.cap > PROC_ALL_MAX) {
		atomic_fetch_sub(&v->proc_bytes, b.cap);
		err = -ENOMEM;
	}
	if (err) {
		free(b.s);
		return err;
	}
	pthread_mutex_lock(&i->lock);
	old = pf->text;
	old_cap = pf->cap;
	pf->text = b.s;
	pf->len = b.len;
	pf->cap = b.cap;
	pf->made = true;
	pthread_mutex_unlock(&i->lock);
	atomic_fetch_sub(&v->proc_bytes, old_cap);
	free(old);
	return 0;
}

static ssize_t proc_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			 struct call *c)
{
	struct proc_file *pf = vfs_file(f)->priv;
	struct inode *i = file_inode(f);
	ssize_t n = 0;
	int err = 0;
	bool made;

	pthread_mutex_lock(&i->lock);
	made = pf->made;
	pthread_mutex_unlock(&i->lock);
	if (!*pos || !made)
		err = make_text(f, pf, task ? container_of(task, struct task, st) : NULL);
	if (err)
		return err;
	pthread_mutex_lock(&i->lock);
	if (pf->text && *pos < (int64_t)pf->len) {
		size_t left = pf->len - (size_t)*pos;

		n = x->copy(x, pf->text + *pos, x->left < left ? x->left : left);
	}
	pthread_mutex_unlock(&i->lock);
	if (n > 0)
		*pos += n;
	return n;
}

static ssize_t proc_write(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			  struct call *c)
{
	struct inode *i = file_inode(f);
	char text[256];
	struct proc_ctx ctx;
	ssize_t n, total;
	int err;

	if (!proc_inode_of(i)->e->store)
		return -EACCES;
	if (x->left >= sizeof(text))
		return -EINVAL;
	n = total = x->copy(x, text, x->left);
	if (n < 0)
		return n;
	if (n && text[n - 1] == '\n')
		n--;
	text[n] = 0;
	err = proc_ctx_get(i, NULL, &ctx);
	if (err)
		return err;
	err = proc_inode_of(i)->e->store(text, &ctx);
	proc_ctx_put(&ctx);
	if (err) {
		xfer_back(x, (size_t)total);
		return err;
	}
	*pos += total;
	return total;
}

static int64_t proc_lseek(struct file *f, int64_t off, int whence)
{
	return whence == SEEK_SET || whence == SEEK_CUR ? lseek_size(f, off, whence, 0) : -EINVAL;
}

static void proc_release(struct file *f)
{
	struct proc_file *pf = vfs_file(f)->priv;

	if (pf) {
		atomic_fetch_sub(&vfs_file(f)->k->vfs->proc_bytes, pf->cap);
		free(pf->text);
		free(pf);
	}
	vfs_file_free(f);
}

static const struct vfs_file_ops proc_ops = {
	.core = {.release = proc_release},
	.read = proc_read,
	.write = proc_write,
	.lseek = proc_lseek,
};

int proc_file_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	struct proc_file *pf;
	const struct proc_entry *e = proc_inode_of(i)->e;
	struct proc_ctx ctx;
	int err = proc_ctx_get(i, t, &ctx);
	bool of_process = ctx.p;

	if (err)
		return -ENOENT;
	if (proc_inode_of(i)->e->owner_only && !proc_may_look(&ctx))
		err = -EACCES;
	proc_ctx_put(&ctx);
	if (err)
		return err;
	if (file_writable(&f->f) && !proc_inode_of(i)->e->store)
		return -EACCES;
	pf = calloc(1, sizeof(*pf));
	if (!pf)
		return -ENOMEM;
	f->priv = pf;
	/* What is about a process is a seq_file on Linux, but for these. */
	f->no_splice_in = f->no_splice_out = of_process;
	f->no_pwrite = of_process && strncmp(e->name, "oom_", 4);
	f->f.ops = &proc_ops.core;
	return 0;
}

/* Opened with O_TRUNC, as a shell's > does: there is nothing to cut. Times and owners are made when
 * they are asked for. */
int proc_setattr(struct dentry *d, const struct vfs_setattr *s)
{
	return s->valid & ATTR_MODE ? -EPERM : 0;
}
