/*
 * Path walking.
 */
#include "vfs_walk.h"

#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>

#define RESOLVE_SCOPED (RESOLVE_BENEATH | RESOLVE_IN_ROOT)

static void set_at(struct walker *w, const struct path *p)
{
	struct path old = w->at;

	path_get(p);
	w->at = *p;
	path_put_locked(&old);
}

static bool exhausted(const struct walker *w)
{
	return !*w->stack[w->depth].rest;
}

static void skip_slashes(const char **s)
{
	while (**s == '/')
		(*s)++;
}

/* The next component into w->last; frames that are used up are left. */
static int next_component(struct walker *w)
{
	struct walk_frame *f = &w->stack[w->depth];
	size_t len = strcspn(f->rest, "/");
	bool slash = f->rest[len] == '/';

	if (len > VFS_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(w->last, f->rest, len);
	w->last[len] = 0;
	w->last_len = len;
	f->rest += len;
	skip_slashes(&f->rest);
	while (w->depth && exhausted(w))
		free(w->stack[w->depth--].body);
	w->is_last = exhausted(w);
	if (w->is_last && slash)
		w->slash = true;
	w->type = WALK_LAST_NAME;
	if (len == 1 && w->last[0] == '.')
		w->type = WALK_LAST_DOT;
	else if (len == 2 && w->last[0] == '.' && w->last[1] == '.')
		w->type = WALK_LAST_DOTDOT;
	return 0;
}

static int may_search(struct walker *w)
{
	struct inode *i = w->at.d->inode;

	if (!S_ISDIR(i->mode))
		return -ENOTDIR;
	return inode_permission(i, &w->cred, MAY_EXEC);
}

static bool path_is(const struct path *a, const struct path *b)
{
	return a->mnt == b->mnt && a->d == b->d;
}

/* ".." of w->at: stays at the root, leaves mounts. 0, -EXDEV. */
static int dotdot(struct walker *w, struct path *out)
{
	struct path p = w->at;

	if ((w->resolve & RESOLVE_BENEATH) && path_is(&p, &w->root))
		return -EXDEV;
	/* A directory that we have passed may have been moved out of the root: ".." would lead
	 * past it. */
	if ((w->resolve & RESOLVE_SCOPED) && w->nmoves != w->v->nmoves)
		return -EAGAIN;

	while (!path_is(&p, &w->root) && p.d == p.mnt->root && p.mnt->parent) {
		p.d = p.mnt->point;
		p.mnt = p.mnt->parent;
	}
	if (!path_is(&p, &w->root) && p.d != p.mnt->root)
		p.d = p.d->parent;
	path_get(&p);
	mount_follow(w->v, &p);
	if ((w->resolve & RESOLVE_NO_XDEV) && p.mnt != w->at.mnt) {
		path_put_locked(&p);
		return -EXDEV;
	}
	*out = p;
	return 0;
}

static int lookup_cached(struct walker *w, struct dentry **out)
{
	struct dentry *dir = w->at.d, *cached = dentry_find(dir, w->last, w->last_len);
	const struct inode_ops *ops = dir->inode->ops;
	int err = -ENOENT;

	if (cached && ((cached->flags & (D_PINNED | D_MOUNTED)) || !ops->lookup)) {
		*out = cached;
		return 0;
	}
	if (ops->lookup)
		err = ops->lookup(dir, cached, w->last, w->last_len, w->t, out);
	dentry_put_locked(cached);
	return err;
}

static int lookup_child(struct walker *w, struct path *out)
{
	struct dentry *dir = w->at.d, *d = NULL;
	const struct inode_ops *ops = dir->inode->ops;
	int err = 0;

	if (dir->sb->flags & SB_NOCACHE) {
		/* What /proc looks at has locks above ours; w->at keeps dir alive. */
		vfs_unlock(w->v);
		err = ops->lookup ? ops->lookup(dir, NULL, w->last, w->last_len, w->t, &d)
				  : -ENOENT;
		vfs_lock(w->v);
	} else {
		err = lookup_cached(w, &d);
		if (err == -ENFILE) {
			/* Host descriptors of what the cache gave up are closed with the lock
			 * dropped; the name may be in the cache by then. */
			dentry_shrink(w->v, 0);
			vfs_unlock(w->v);
			vfs_lock(w->v);
			err = lookup_cached(w, &d);
		}
	}
	if (err)
		return err;
	*out = (struct path){w->at.mnt, d};
	mount_follow(w->v, out);
	if ((w->resolve & RESOLVE_NO_XDEV) && out->mnt != w->at.mnt) {
		path_put_locked(out);
		return -EXDEV;
	}
	return 0;
}

static int push_link(struct walker *w, char *body)
{
	const char *rest = body;

	if (!*body) {
		free(body);
		return -ENOENT;
	}
	if (*body == '/' && ((w->resolve & RESOLVE_BENEATH) ||
			     ((w->resolve & RESOLVE_NO_XDEV) && w->at.mnt != w->root.mnt))) {
		free(body);
		return -EXDEV;
	}
	if (*body == '/') {
		set_at(w, &w->root);
		skip_slashes(&rest);
	}
	if (exhausted(w))
		free(w->stack[w->depth].body);
	else
		w->depth++;
	w->stack[w->depth] = (struct walk_frame){body, rest};
	while (w->depth && exhausted(w))
		free(w->stack[w->depth--].body);
	return 0;
}

/*
 * Follows `link`, a child of w->at. 0: the walk goes on with its text. 1: a magic link; *out is
 * where it leads (a reference).
 */
static int follow_link(struct walker *w, const struct path *link, struct path *out)
{
	struct inode *i = link->d->inode;
	char *body;
	ssize_t n;
	int err;

	if (++w->nlinks > VFS_LINKS_MAX)
		return -ELOOP;
	if (w->resolve & RESOLVE_NO_SYMLINKS)
		return -ELOOP;
	if (i->ops->follow) {
		if (w->resolve & RESOLVE_NO_MAGICLINKS)
			return -ELOOP;
		if (w->resolve & RESOLVE_SCOPED)
			return -EXDEV;
		vfs_unlock(w->v);
		err = i->ops->follow(i, w->t, out);
		vfs_lock(w->v);
		if (!err && (w->resolve & RESOLVE_NO_XDEV) && out->mnt != w->at.mnt) {
			path_put_locked(out);
			err = -EXDEV;
		}
		return err ? err : 1;
	}
	if (!i->ops->readlink)
		return -EINVAL;
	body = malloc(VFS_PATH_MAX);
	if (!body)
		return -ENOMEM;
	vfs_unlock(w->v);
	n = i->ops->readlink(i, link->d, w->t, body, VFS_PATH_MAX);
	vfs_lock(w->v);
	if (n < 0 || n >= VFS_PATH_MAX) {
		free(body);
		return n < 0 ? (int)n : -ENAMETOOLONG;
	}
	body[n] = 0;
	return push_link(w, body);
}

/* Walks until the last component of everything is in w->last. */
static int walk_to_last(struct walker *w)
{
	for (;;) {
		struct path next;
		int err;

		if (exhausted(w)) { /* "/", or a link to it */
			w->type = WALK_LAST_ROOT;
			return 0;
		}
		err = next_component(w);
		if (!err)
			err = may_search(w);
		if (err || w->is_last)
			return err;
		if (w->type == WALK_LAST_DOT)
			continue;
		if (w->type == WALK_LAST_DOTDOT) {
			err = dotdot(w, &next);
		} else {
			err = lookup_child(w, &next);
		}
		if (err)
			return err;
		if (S_ISLNK(next.d->inode->mode)) {
			struct path magic;

			err = follow_link(w, &next, &magic);
			path_put_locked(&next);
			if (err < 0)
				return err;
			if (!err)
				continue;
			next = magic;
		}
		if (!S_ISDIR(next.d->inode->mode)) {
			path_put_locked(&next);
			return -ENOTDIR;
		}
		set_at(w, &next);
		path_put_locked(&next);
	}
}

static int walk_start(struct walker *w, int dirfd, const char *path)
{
	struct fs_context *fs = task_fs(w->t);

	pthread_mutex_lock(&fs->lock);
	w->root = fs->root;
	path_get(&w->root);
	if (*path == '/' && !(w->resolve & RESOLVE_SCOPED)) {
		w->at = fs->root;
		path_get(&w->at);
	} else if (dirfd == AT_FDCWD) {
		w->at = fs->cwd;
		path_get(&w->at);
	}
	pthread_mutex_unlock(&fs->lock);
	if (*path == '/' && (w->resolve & RESOLVE_BENEATH))
		return -EXDEV;
	if (w->at.d)
		return 0;
	w->dirfile = fdtable_lookup(task_files(w->t), dirfd);
	if (!w->dirfile)
		return -EBADF;
	w->at = vfs_file(w->dirfile)->path;
	path_get(&w->at);
	return 0;
}

int walk_begin(struct walker *w, struct task *t, int dirfd, const char *path, unsigned flags)
{
	int err;

	memset(w, 0, offsetof(struct walker, stack));
	w->slash = w->is_last = w->missing = false;
	w->last_len = 0;
	w->t = t;
	w->v = t->k->vfs;
	task_cred(t, &w->cred);
	if (flags & WALK_REAL_IDS)
		cred_real_ids(&w->cred);
	w->resolve = flags >> 8;
	w->stack[0] = (struct walk_frame){NULL, path};
	err = *path ? walk_start(w, dirfd, path) : -ENOENT;
	if (!err && (w->resolve & RESOLVE_SCOPED)) {
		/* The directory is the root for this walk. */
		path_put(&w->root);
		w->root = w->at;
		path_get(&w->root);
	}
	w->nested = flags & WALK_NESTED;
	if (!w->nested)
		vfs_lock(w->v);
	w->nmoves = w->v->nmoves;
	if (err)
		return err;
	skip_slashes(&w->stack[0].rest);
	return walk_to_last(w);
}

int walk_begin_root(struct walker *w, struct vfs *v, const char *path)
{
	memset(w, 0, offsetof(struct walker, stack));
	w->slash = w->is_last = w->missing = false;
	w->last_len = 0;
	w->v = v;
	w->nested = true;
	w->stack[0] = (struct walk_frame){NULL, path};
	w->root = w->at = (struct path){v->root, v->root->root};
	path_get(&w->root);
	path_get(&w->at);
	skip_slashes(&w->stack[0].rest);
	return walk_to_last(w);
}

void walk_end_root(struct walker *w)
{
	path_put_locked(&w->at);
	path_put_locked(&w->root);
	for (unsigned i = 0; i <= w->depth; i++)
		free(w->stack[i].body);
}

int walk_hold_names(struct walker *w)
{
	struct super *sb = w->at.d->sb;
	struct host_pace *p = inode_pace(w->at.d->inode);
	int err;

	if (sb->ops->sync) {
		/* What changes there changes on the host. */
		err = host_may_wait(p, HOST_CHANGE);
		if (err)
			return err;
	}
	/* A directory in memory may have neighbours that the host has. */
	p = p ? p : SLIST_FIRST(&sb->paces);
	/* names_lock comes first. */
	vfs_unlock(w->v);
	err = host_lock(&sb->names_lock, p);
	vfs_lock(w->v);
	if (!err)
		w->names = sb;
	return err;
}

/* A link has led the walk elsewhere. */
static int rehold_names(struct walker *w)
{
	if (!w->names || w->names == w->at.d->sb)
		return 0;
	vfs_unlock(w->v);
	pthread_mutex_unlock(&w->names->names_lock);
	vfs_lock(w->v);
	w->names = NULL;
	return walk_hold_names(w);
}

int walk_last(struct walker *w, bool follow, struct path *out)
{
	for (;;) {
		struct path magic;
		int err;

		out->d = NULL;
		if (w->type == WALK_LAST_DOT || w->type == WALK_LAST_ROOT) {
			*out = w->at;
			path_get(out);
			return 0;
		}
		if (w->type == WALK_LAST_DOTDOT) {
			return dotdot(w, out);
		}
		err = lookup_child(w, out);
		w->missing = err == -ENOENT;
		if (err)
			return err;
		if (S_ISLNK(out->d->inode->mode) && (follow || w->slash)) {
			err = follow_link(w, out, &magic);
			path_put_locked(out);
			if (err < 0)
				return err;
			if (!err) {
				err = walk_to_last(w);
				if (!err)
					err = rehold_names(w);
				if (err)
					return err;
				continue;
			}
			*out = magic;
		}
		if (w->slash && !S_ISDIR(out->d->inode->mode)) {
			path_put_locked(out);
			return -ENOTDIR;
		}
		return 0;
	}
}

int walk_last_itself(struct walker *w, struct path *out)
{
	bool slash = w->slash;
	int err;

	w->slash = false;
	err = walk_last(w, false, out);
	w->slash = slash;
	return err;
}

static void release(struct walker *w)
{
	if (w->names)
		pthread_mutex_unlock(&w->names->names_lock);
	for (unsigned i = 0; i <= w->depth; i++)
		free(w->stack[i].body);
	file_close(w->dirfile);
}

void walk_end(struct walker *w)
{
	path_put_locked(&w->at);
	path_put_locked(&w->root);
	vfs_unlock(w->v);
	release(w);
}

void walk_end2(struct walker *outer, struct walker *inner)
{
	path_put_locked(&inner->at);
	path_put_locked(&inner->root);
	walk_end(outer);
	release(inner);
}

static int path_of_fd(struct task *t, int dirfd, struct path *out)
{
	struct fs_context *fs = task_fs(t);
	struct file *f;

	if (dirfd == AT_FDCWD) {
		pthread_mutex_lock(&fs->lock);
		*out = fs->cwd;
		path_get(out);
		pthread_mutex_unlock(&fs->lock);
		return 0;
	}
	f = fdtable_lookup(task_files(t), dirfd);
	if (!f)
		return -EBADF;
	*out = vfs_file(f)->path;
	path_get(out);
	file_close(f);
	return 0;
}

int vfs_path_at(struct task *t, int dirfd, const char *path, unsigned flags, struct path *out)
{
	struct walker w;
	int err;

	out->d = NULL;
	if (!*path && (flags & WALK_EMPTY)) {
		err = path_of_fd(t, dirfd, out);
		if (err)
			return err;
	} else {
		err = walk_begin(&w, t, dirfd, path, flags);
		if (!err)
			err = walk_last(&w, flags & WALK_FOLLOW, out);
		walk_end(&w);
		if (err)
			return err;
	}
	if ((flags & WALK_DIR) && !S_ISDIR(out->d->inode->mode)) {
		path_put(out);
		return -ENOTDIR;
	}
	return 0;
}

int get_path(struct task *t, uint64_t addr, char *buf, bool empty_ok)
{
	ssize_t n = strncpy_from_guest(task_mm(t), buf, gva(addr), VFS_PATH_MAX);

	if (n < 0)
		return (int)n;
	return n || empty_ok ? 0 : -ENOENT;
}
