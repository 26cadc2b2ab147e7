/*
 * Inodes' and dentries' references, the dentry cache, and path names.
 */
#include "notify.h"

#include <stdlib.h>
#include <string.h>

void vfs_lock(struct vfs *v)
{
	pthread_mutex_lock(&v->lock);
}

void vfs_unlock(struct vfs *v)
{
	struct inode *i = SLIST_FIRST(&v->doomed);

	SLIST_INIT(&v->doomed);
	pthread_mutex_unlock(&v->lock);
	while (i) {
		struct inode *next = SLIST_NEXT(i, doomed);

		i->ops->free(i);
		i = next;
	}
}

/* ---- inodes ---- */

void inode_now(struct timespec *ts)
{
	clock_gettime(CLOCK_REALTIME, ts);
}

void inode_init(struct inode *i, struct super *sb, const struct inode_ops *ops, uint32_t mode,
		uint64_t ino)
{
	memset(i, 0, sizeof(*i));
	i->ops = ops;
	i->sb = sb;
	i->mode = mode;
	i->nlink = 1;
	i->ino = ino ? ino : atomic_fetch_add(&sb->next_ino, 1);
	atomic_init(&i->refs, 1);
	pthread_mutex_init(&i->lock, NULL);
	pthread_mutex_init(&i->data_lock, NULL);
	LIST_INIT(&i->locks);
	LIST_INIT(&i->marks);
	inode_now(&i->mtime);
	i->atime = i->ctime = i->btime = i->mtime;
}

void inode_fini(struct inode *i)
{
	inode_locks_free(i);
	inode_xattrs_free(i);
	memfile_fini(i);
	pthread_mutex_destroy(&i->data_lock);
	pthread_mutex_destroy(&i->lock);
}

struct inode *inode_get(struct inode *i)
{
	atomic_fetch_add(&i->refs, 1);
	return i;
}

/* Drops a reference unless it is the last. */
static bool ref_drop_shared(_Atomic unsigned *refs)
{
	unsigned n = atomic_load(refs);

	while (n > 1)
		if (atomic_compare_exchange_weak(refs, &n, n - 1))
			return true;
	return false;
}

void inode_put_locked(struct inode *i)
{
	if (!i || atomic_fetch_sub(&i->refs, 1) > 1)
		return;
	if (i->ops->evict)
		i->ops->evict(i);
	SLIST_INSERT_HEAD(&i->sb->v->doomed, i, doomed);
}

void inode_put(struct inode *i)
{
	struct vfs *v;

	if (!i || ref_drop_shared(&i->refs))
		return;
	/* A table that vfs->lock protects may still give out references. */
	v = i->sb->v;
	vfs_lock(v);
	inode_put_locked(i);
	vfs_unlock(v);
}

/* ---- dentries ---- */

static int by_cookie(const struct dentry *a, const struct dentry *b)
{
	return a->cookie < b->cookie ? -1 : a->cookie > b->cookie;
}

RB_GENERATE_INTERNAL(dentry_tree, dentry, sibling, by_cookie, __attribute__((unused)) static)

struct dentry *dentry_first(const struct dentry *dir)
{
	struct dentry_tree t = {RB_ROOT(&dir->children)};

	return RB_MIN(dentry_tree, &t);
}

struct dentry *dentry_next(struct dentry *d)
{
	return RB_NEXT(dentry_tree, NULL, d);
}

/* Seeded: a guest that chooses names cannot aim at one bucket. */
static uint64_t name_hash(const struct vfs *v, const struct dentry *parent, const char *name,
			  size_t len)
{
	uint64_t h = v->seed ^ ((uint64_t)(uintptr_t)parent * 0x9e3779b97f4a7c15);

	while (len) {
		size_t n = len < 8 ? len : 8;
		uint64_t w = n;

		memcpy(&w, name, n);
		h = (h ^ w) * 0xff51afd7ed558ccd;
		h ^= (h >> 32) ^ (v->seed << 7);
		name += n;
		len -= n;
	}
	h *= 0xc4ceb9fe1a85ec53;
	return h >> (64 - v->hash_bits);
}

int dcache_init(struct vfs *v)
{
	v->hash_bits = VFS_HASH_BITS_MIN;
	v->hash = calloc(1UL << v->hash_bits, sizeof(*v->hash));
	return v->hash ? 0 : -ENOMEM;
}

/*
 * A table as large as the cache may grow would be touched all over by the first names: a page fault
 * for each, and half a megabyte. Without memory it stays as it is: slower, no worse.
 */
static void hash_grow(struct vfs *v)
{
	struct dentry_head *old = v->hash;
	const size_t n = 1UL << v->hash_bits;
	struct dentry *d;

	if (v->nhashed < n || v->hash_bits == VFS_HASH_BITS_MAX)
		return;
	v->hash = calloc(n * 4, sizeof(*v->hash));
	if (!v->hash) {
		v->hash = old;
		return;
	}
	v->hash_bits += 2;
	for (size_t i = 0; i < n; i++) {
		while ((d = LIST_FIRST(&old[i]))) {
			LIST_REMOVE(d, hash);
			LIST_INSERT_HEAD(&v->hash[name_hash(v, d->parent, d->name, d->len)], d,
					 hash);
		}
	}
	free(old);
}

struct dentry *dentry_alloc(struct dentry *parent, const char *name, size_t len,
			    struct inode *inode)
{
	struct dentry *d = calloc(1, sizeof(*d));
	char *copy = malloc(len + 1);

	if (!d || !copy) {
		free(d);
		free(copy);
		inode_put_locked(inode);
		return NULL;
	}
	memcpy(copy, name, len);
	copy[len] = 0;
	d->name = copy;
	d->len = (unsigned)len;
	d->sb = inode->sb;
	d->inode = inode;
	d->parent = parent ? dentry_get(parent) : d;
	d->last_cookie = 2;
	atomic_init(&d->refs, 1);
	RB_INIT(&d->children);
	return d;
}

struct dentry *dentry_get(struct dentry *d)
{
	atomic_fetch_add(&d->refs, 1);
	return d;
}

static void lru_remove(struct vfs *v, struct dentry *d)
{
	if (d->flags & D_LRU) {
		TAILQ_REMOVE(&v->lru, d, lru);
		d->flags &= ~D_LRU;
		v->nlru--;
	}
}

static void list_remove(struct dentry *d)
{
	if (d->flags & D_LINKED) {
		LIST_REMOVE(d, hash);
		d->sb->v->nhashed--;
		RB_REMOVE(dentry_tree, &d->parent->children, d);
		d->flags &= ~D_LINKED;
	}
}

/* Frees d, which nobody refers to, then its ancestors of which the same is now true. */
static void dentry_free_chain(struct vfs *v, struct dentry *d)
{
	while (d) {
		struct dentry *parent = d->parent != d ? d->parent : NULL;

		lru_remove(v, d);
		list_remove(d);
		if (d->flags & D_DELETED)
			notify_gone(d);
		inode_put_locked(d->inode);
		free(d->name);
		free(d);
		d = NULL;
		if (parent && atomic_fetch_sub(&parent->refs, 1) == 1) {
			if (parent->flags & D_LINKED) {
				TAILQ_INSERT_TAIL(&v->lru, parent, lru);
				parent->flags |= D_LRU;
				v->nlru++;
			} else {
				d = parent;
			}
		}
	}
}

void dentry_shrink(struct vfs *v, unsigned keep)
{
	while (v->nlru > keep)
		dentry_free_chain(v, TAILQ_FIRST(&v->lru));
}

void dentry_put_locked(struct dentry *d)
{
	struct vfs *v;

	if (!d || atomic_fetch_sub(&d->refs, 1) > 1)
		return;
	v = d->sb->v;
	if (d->flags & D_LINKED) {
		TAILQ_INSERT_TAIL(&v->lru, d, lru);
		d->flags |= D_LRU;
		v->nlru++;
		dentry_shrink(v, v->lru_max);
		return;
	}
	dentry_free_chain(v, d);
}

void dentry_put(struct dentry *d)
{
	struct vfs *v;

	if (!d || ref_drop_shared(&d->refs))
		return;
	v = d->sb->v;
	vfs_lock(v);
	dentry_put_locked(d);
	vfs_unlock(v);
}

void dentry_link(struct dentry *d, bool pinned)
{
	struct vfs *v = d->sb->v;

	d->cookie = ++d->parent->last_cookie;
	RB_INSERT(dentry_tree, &d->parent->children, d);
	hash_grow(v);
	LIST_INSERT_HEAD(&v->hash[name_hash(v, d->parent, d->name, d->len)], d, hash);
	v->nhashed++;
	d->flags |= D_LINKED;
	if (pinned)
		dentry_pin(d);
}

void dentry_pin(struct dentry *d)
{
	if (d->flags & D_PINNED)
		return;
	dentry_get(d);
	d->flags |= D_PINNED;
	d->parent->npinned++;
}

void dentry_unlink(struct dentry *d, bool deleted)
{
	lru_remove(d->sb->v, d);
	list_remove(d);
	if (deleted)
		d->flags |= D_DELETED;
	if (d->flags & D_PINNED) {
		d->flags &= ~D_PINNED;
		d->parent->npinned--;
		dentry_put_locked(d);
	} else if (!atomic_load(&d->refs)) {
		dentry_free_chain(d->sb->v, d);
	}
}

void dentry_move(struct dentry *d, struct dentry *parent, char *name, size_t len)
{
	struct dentry *old = d->parent;
	bool pinned = d->flags & D_PINNED;

	list_remove(d);
	if (pinned) {
		old->npinned--;
		parent->npinned++;
	}
	d->parent = dentry_get(parent);
	d->sb->v->nmoves++;
	free(d->name);
	d->name = name;
	d->len = (unsigned)len;
	dentry_link(d, false);
	dentry_put_locked(old);
}

struct dentry *dentry_find(struct dentry *parent, const char *name, size_t len)
{
	struct vfs *v = parent->sb->v;
	struct dentry *d;

	LIST_FOREACH (d, &v->hash[name_hash(v, parent, name, len)], hash) {
		if (d->parent != parent || d->len != len || memcmp(d->name, name, len))
			continue;
		lru_remove(v, d);
		return dentry_get(d);
	}
	return NULL;
}

/* ---- directory listing from the cache ---- */

bool dir_emit(struct dir_emit *e, const char *name, size_t len, uint64_t ino, int64_t next,
	      unsigned dtype)
{
	/* linux_dirent64: ino, off, reclen, type, name; linux_dirent has the type in its last byte.
	 */
	size_t head = e->old ? 18 : 19;
	size_t need = (head + len + (e->old ? 2 : 1) + 7) & ~(size_t)7;
	uint16_t reclen = (uint16_t)need;
	uint8_t *p = e->buf + e->used;

	if (e->size - e->used < need) {
		e->full = true;
		return false;
	}
	memset(p, 0, need);
	memcpy(p, &ino, 8);
	memcpy(p + 8, &next, 8);
	memcpy(p + 16, &reclen, 2);
	if (e->old)
		p[need - 1] = (uint8_t)dtype;
	else
		p[18] = (uint8_t)dtype;
	memcpy(p + head, name, len);
	e->used += need;
	return true;
}

/*
 * Positions: 0 ".", 1 "..", 2 and up: after the child with that cookie. Cookies only grow, so a
 * listing neither repeats nor misses what stays in place while others come and go.
 */
int dcache_iterate(struct vfs_file *f, struct dir_emit *e, int64_t *pos)
{
	struct dentry *dir = f->path.d, *d, after;
	struct vfs *v = dir->sb->v;

	vfs_lock(v);
	if (*pos == 0 && dir_emit(e, ".", 1, dir->inode->ino, 1, S_IFDIR >> 12))
		*pos = 1;
	if (*pos == 1 && dir_emit(e, "..", 2, dir->parent->inode->ino, 2, S_IFDIR >> 12))
		*pos = 2;
	after.cookie = (uint64_t)*pos + 1;
	d = e->full || *pos < 2 ? NULL : RB_NFIND(dentry_tree, &dir->children, &after);
	for (; d; d = dentry_next(d)) {
		if (!dir_emit(e, d->name, d->len, d->inode->ino, (int64_t)d->cookie,
			      inode_type(d->inode) >> 12))
			break;
		*pos = (int64_t)d->cookie;
	}
	vfs_unlock(v);
	return 0;
}

/* ---- paths ---- */

void path_get(const struct path *p)
{
	dentry_get(p->d);
}

void path_put(struct path *p)
{
	dentry_put(p->d);
	p->d = NULL;
}

void path_put_locked(struct path *p)
{
	dentry_put_locked(p->d);
	p->d = NULL;
}

static char *prepend(char *buf, char *at, const char *s, size_t len)
{
	if (!at || (size_t)(at - buf) < len)
		return NULL;
	memcpy(at - len, s, len);
	return at - len;
}

char *path_name(struct vfs *v, const struct path *p, const struct path *root, char *buf,
		size_t size)
{
	const struct mount *mnt = p->mnt;
	const struct dentry *d = p->d;
	bool deleted = d->flags & D_DELETED;
	char *at = buf + size - 1;
	bool any = false;

	(void)v;
	*at = 0;
	if (d->flags & D_ANON)
		return prepend(buf, at, d->name, d->len);
	if (deleted)
		at = prepend(buf, at, " (deleted)", 10);
	while (at && !(root && mnt == root->mnt && d == root->d)) {
		if (d == mnt->root) {
			if (!mnt->parent) {
				if (root && !(root->mnt == mnt && root->d == mnt->root))
					return prepend(buf, any ? at : prepend(buf, at, "/", 1),
						       "(unreachable)", 13);
				break;
			}
			d = mnt->point;
			mnt = mnt->parent;
			continue;
		}
		if (d->parent == d) /* a root that is mounted nowhere */
			break;
		at = prepend(buf, at, d->name, d->len);
		at = prepend(buf, at, "/", 1);
		any = true;
		d = d->parent;
	}
	return any || !at ? at : prepend(buf, at, "/", 1);
}
