/*
 * Extended attributes: xattr(7), setxattr(2), getxattr(2), listxattr(2), removexattr(2).
 *
 * Those of files in memory and of an overlay live in the inode, on its super's budget; i->lock
 * protects them. Those of a bind are the host's (inode_ops.xattr). Only user.* is there: trusted.*
 * is nobody's, and nothing here heeds security.* or system.*.
 */
#include "notify.h"
#include "sys_fs.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#define XATTR_NAME_MAX_K 255
#define XATTR_SIZE_MAX_K 65536

struct xattr {
	SLIST_ENTRY(xattr) link;
	size_t size;
	char *value;
	char name[];
};

static uint64_t cost(const char *name, size_t size)
{
	return sizeof(struct xattr) + strlen(name) + size;
}

static void xattr_free(struct super *sb, struct xattr *x)
{
	super_uncharge(sb, cost(x->name, x->size));
	free(x->value);
	free(x);
}

void inode_xattrs_free(struct inode *i)
{
	struct xattr *x;

	while ((x = SLIST_FIRST(&i->xattrs))) {
		SLIST_REMOVE_HEAD(&i->xattrs, link);
		xattr_free(i->sb, x);
	}
}

static struct xattr *find(struct inode *i, const char *name)
{
	struct xattr *x;

	SLIST_FOREACH (x, &i->xattrs, link)
		if (!strcmp(x->name, name))
			break;
	return x;
}

/* The names that this file may have. */
static long check_name(struct task *t, struct inode *i, const char *name, bool write)
{
	uint32_t type = inode_type(i);
	struct cred cred;

	if (!strncmp(name, "trusted.", 8))
		return write ? -EPERM : -ENODATA;
	if (strncmp(name, "user.", 5))
		return -EOPNOTSUPP;
	if (type != S_IFREG && type != S_IFDIR)
		return write ? -EPERM : -ENODATA;
	if (!i->ops->own && !i->ops->xattr)
		return -EOPNOTSUPP;
	if (!name[5])
		return -EINVAL;
	task_cred(t, &cred);
	return inode_permission(i, &cred, write ? MAY_WRITE : MAY_READ);
}

static long get_name(struct task *t, uint64_t addr, char name[XATTR_NAME_MAX_K + 1])
{
	ssize_t n = strncpy_from_guest(task_mm(t), name, gva(addr), XATTR_NAME_MAX_K + 1);

	if (n == -ENAMETOOLONG || n == 0)
		return -ERANGE;
	return n < 0 ? n : 0;
}

/* ---- the operations, on a path or a descriptor ---- */

struct arg {
	char name[XATTR_NAME_MAX_K + 1];
	char *value;
	uint64_t addr;
	size_t size;
	int flags;
};

/* i->lock held; takes a->value over. */
static long store(struct inode *i, struct arg *a)
{
	struct xattr *old = find(i, a->name), *x;

	if (old && (a->flags & XATTR_CREATE))
		return -EEXIST;
	if (!old && (a->flags & XATTR_REPLACE))
		return -ENODATA;
	if (super_charge(i->sb, cost(a->name, a->size)))
		return -ENOSPC;
	x = calloc(1, sizeof(*x) + strlen(a->name) + 1);
	if (!x) {
		super_uncharge(i->sb, cost(a->name, a->size));
		return -ENOMEM;
	}
	strcpy(x->name, a->name);
	x->value = a->value;
	x->size = a->size;
	a->value = NULL;
	if (old) {
		SLIST_REMOVE(&i->xattrs, old, xattr, link);
		xattr_free(i->sb, old);
	}
	SLIST_INSERT_HEAD(&i->xattrs, x, link);
	inode_now(&i->ctime);
	return 0;
}

static long drop(struct inode *i, const char *name)
{
	struct xattr *x = find(i, name);

	if (!x)
		return -ENODATA;
	SLIST_REMOVE(&i->xattrs, x, xattr, link);
	xattr_free(i->sb, x);
	inode_now(&i->ctime);
	return 0;
}

static long change(struct task *t, struct dentry *d, struct arg *a, bool set)
{
	struct inode *i = d->inode;
	long r = i->sb->flags & SB_RDONLY ? -EROFS : check_name(t, i, a->name, true);

	if (r)
		return r;
	if (i->ops->xattr) {
		r = i->ops->xattr->set(i, a->name, set ? a->value : NULL, a->size, a->flags);
	} else {
		r = i->ops->own(d);
		if (r)
			return r;
		pthread_mutex_lock(&i->lock);
		r = set ? store(i, a) : drop(i, a->name);
		pthread_mutex_unlock(&i->lock);
	}
	if (!r)
		notify(d, IN_ATTRIB);
	return r;
}

static long do_set(struct task *t, struct dentry *d, struct arg *a)
{
	return change(t, d, a, true);
}

static long do_remove(struct task *t, struct dentry *d, struct arg *a)
{
	return change(t, d, a, false);
}

/* r bytes of from, or an error, for the caller. */
static long give(struct task *t, const struct arg *a, const void *from, long r)
{
	if (r > 0 && a->size && copy_to_guest(task_mm(t), gva(a->addr), from, (size_t)r))
		return -EFAULT;
	return r;
}

static long get_elsewhere(struct task *t, struct inode *i, struct arg *a)
{
	size_t size = a->size < XATTR_SIZE_MAX_K ? a->size : XATTR_SIZE_MAX_K;
	char *buf = malloc(size ? size : 1);
	long r = buf ? i->ops->xattr->get(i, a->name, buf, size) : -ENOMEM;

	r = give(t, a, buf, r);
	free(buf);
	return r;
}

static long list_elsewhere(struct task *t, struct inode *i, struct arg *a)
{
	char *all = malloc(XATTR_SIZE_MAX_K);
	long n = all ? i->ops->xattr->list(i, all, XATTR_SIZE_MAX_K) : -ENOMEM, r = 0;

	for (long at = 0, len; at < n; at += len) {
		len = (long)strlen(all + at) + 1;
		if (strncmp(all + at, "user.", 5) != 0)
			continue;
		memmove(all + r, all + at, (size_t)len);
		r += len;
	}
	r = n < 0 ? n : a->size && (size_t)r > a->size ? -ERANGE : r;
	r = give(t, a, all, r);
	free(all);
	return r;
}

static long do_get(struct task *t, struct dentry *d, struct arg *a)
{
	struct inode *i = d->inode;
	long r = check_name(t, i, a->name, false);
	struct xattr *x;
	char *copy = NULL;

	if (r)
		return r;
	if (i->ops->xattr)
		return get_elsewhere(t, i, a);
	pthread_mutex_lock(&i->lock);
	x = find(i, a->name);
	r = !x ? -ENODATA : a->size && x->size > a->size ? -ERANGE : (long)x->size;
	if (r > 0 && a->size) {
		copy = malloc(x->size);
		if (copy)
			memcpy(copy, x->value, x->size);
		else
			r = -ENOMEM;
	}
	pthread_mutex_unlock(&i->lock);
	if (copy)
		r = give(t, a, copy, r);
	free(copy);
	return r;
}

static long do_list(struct task *t, struct dentry *d, struct arg *a)
{
	struct inode *i = d->inode;
	struct xattr *x;
	size_t len = 0;
	char *names;
	long r;

	if (i->ops->xattr)
		return list_elsewhere(t, i, a);
	pthread_mutex_lock(&i->lock);
	SLIST_FOREACH (x, &i->xattrs, link)
		len += strlen(x->name) + 1;
	names = malloc(len ? len : 1);
	len = 0;
	SLIST_FOREACH (x, &i->xattrs, link) {
		if (names)
			strcpy(names + len, x->name);
		len += strlen(x->name) + 1;
	}
	pthread_mutex_unlock(&i->lock);
	r = !names                     ? -ENOMEM
	    : len > XATTR_SIZE_MAX_K   ? -E2BIG
	    : a->size && len > a->size ? -ERANGE
				       : (long)len;
	r = give(t, a, names, r);
	free(names);
	return r;
}

typedef long xattr_fn(struct task *t, struct dentry *d, struct arg *a);

static long by_path(struct task *t, struct call *c, unsigned flags, struct arg *a, xattr_fn *fn)
{
	char path[VFS_PATH_MAX];
	struct path p;
	long r = get_path(t, c->args[0], path, false);

	if (!r)
		r = vfs_path_at(t, AT_FDCWD, path, flags, &p);
	if (r)
		return r;
	r = fn(t, p.d, a);
	path_put(&p);
	return r;
}

static long by_fd(struct task *t, struct call *c, struct arg *a, xattr_fn *fn)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);

	return f ? fn(t, vfs_file(f)->path.d, a) : -EBADF;
}

#define BY_FD (-1)

static long run(struct task *t, struct call *c, int how, struct arg *a, xattr_fn *fn)
{
	return how == BY_FD ? by_fd(t, c, a, fn) : by_path(t, c, (unsigned)how, a, fn);
}

static long set_call(struct task *t, struct call *c, int how)
{
	struct arg a = {.size = c->args[3], .flags = (int)c->args[4]};
	long r;

	if (a.flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	r = get_name(t, c->args[1], a.name);
	if (r)
		return r;
	if (a.size > XATTR_SIZE_MAX_K)
		return -E2BIG;
	a.value = malloc(a.size ? a.size : 1);
	if (!a.value)
		return -ENOMEM;
	r = copy_from_guest(task_mm(t), a.value, gva(c->args[2]), a.size)
		    ? -EFAULT
		    : run(t, c, how, &a, do_set);
	free(a.value);
	return r;
}

static long get_call(struct task *t, struct call *c, int how)
{
	struct arg a = {.addr = c->args[2], .size = c->args[3]};
	long r = get_name(t, c->args[1], a.name);

	return r ? r : run(t, c, how, &a, do_get);
}

static long list_call(struct task *t, struct call *c, int how)
{
	struct arg a = {.addr = c->args[1], .size = c->args[2]};

	return run(t, c, how, &a, do_list);
}

static long remove_call(struct task *t, struct call *c, int how)
{
	struct arg a = {.size = 0};
	long r = get_name(t, c->args[1], a.name);

	return r ? r : run(t, c, how, &a, do_remove);
}

long sys_setxattr(struct task *t, struct call *c)
{
	return set_call(t, c, WALK_FOLLOW);
}

long sys_lsetxattr(struct task *t, struct call *c)
{
	return set_call(t, c, 0);
}

long sys_fsetxattr(struct task *t, struct call *c)
{
	return set_call(t, c, BY_FD);
}

long sys_getxattr(struct task *t, struct call *c)
{
	return get_call(t, c, WALK_FOLLOW);
}

long sys_lgetxattr(struct task *t, struct call *c)
{
	return get_call(t, c, 0);
}

long sys_fgetxattr(struct task *t, struct call *c)
{
	return get_call(t, c, BY_FD);
}

long sys_listxattr(struct task *t, struct call *c)
{
	return list_call(t, c, WALK_FOLLOW);
}

long sys_llistxattr(struct task *t, struct call *c)
{
	return list_call(t, c, 0);
}

long sys_flistxattr(struct task *t, struct call *c)
{
	return list_call(t, c, BY_FD);
}

long sys_removexattr(struct task *t, struct call *c)
{
	return remove_call(t, c, WALK_FOLLOW);
}

long sys_lremovexattr(struct task *t, struct call *c)
{
	return remove_call(t, c, 0);
}

long sys_fremovexattr(struct task *t, struct call *c)
{
	return remove_call(t, c, BY_FD);
}
