/*
 * An overlay: a tree of the host whose changes stay in memory.
 *
 * An inode is made our own (`upper`) by its first change: from then on the attributes are in the
 * inode, and the name that led to it and all directories above are pinned, so that the host is
 * asked no more. The data of a file follow when it is opened: its pages are read from the host as
 * they are needed, into the very object that mappings made before already share; nothing is copied
 * at once. A directory's names are the pinned ones, then those of the host that are not `white`:
 * deleted. One that is moved takes its own descriptor along, so nothing below it is copied either.
 */
#include "fs_host.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INODE_OVERHEAD 64

/* ---- deleted names ---- */

static int white_cmp(const struct white *a, const struct white *b)
{
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->name, b->name, a->len);
}

RB_GENERATE_INTERNAL(white_tree, white, rb, white_cmp, __attribute__((unused)) static)

bool overlay_is_white(struct host_inode *dir, const char *name, size_t len)
{
	union {
		struct white w;
		char room[sizeof(struct white) + VFS_NAME_MAX];
	} key;

	if (RB_EMPTY(&dir->whites))
		return false;
	key.w.len = (unsigned)len;
	memcpy(key.w.name, name, len);
	return RB_FIND(white_tree, &dir->whites, &key.w);
}

void overlay_free_whites(struct host_inode *h)
{
	struct white *w;

	while ((w = RB_ROOT(&h->whites))) {
		RB_REMOVE(white_tree, &h->whites, w);
		super_uncharge(h->i.sb, sizeof(*w) + w->len);
		free(w);
	}
}

/* [V, let go of] The host has d's name, too. The names lock keeps d where it is. */
static bool host_has(struct dentry *d)
{
	struct vfs *v = d->sb->v;
	int fd = hi(d->parent->inode)->fd;
	struct stat st;
	bool yes;

	if (fd < 0)
		return false;
	vfs_unlock(v);
	yes = !fstatat(fd, d->name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);
	vfs_lock(v);
	return yes;
}

/* [V] The host's `name` in dir is deleted from here on. */
static int add_white(struct host_inode *dir, const char *name, size_t len)
{
	struct white *w;

	if (overlay_is_white(dir, name, len))
		return 0;
	if (super_charge(dir->i.sb, sizeof(*w) + len))
		return -ENOSPC;
	w = malloc(sizeof(*w) + len);
	if (!w) {
		super_uncharge(dir->i.sb, sizeof(*w) + len);
		return -ENOMEM;
	}
	w->len = (unsigned)len;
	memcpy(w->name, name, len);
	RB_INSERT(white_tree, &dir->whites, w);
	return 0;
}

/* ---- making inodes our own ---- */

/* [V] i's attributes are ours from here on. */
static int own_inode(struct inode *i)
{
	struct host_inode *h = hi(i);
	const struct stat *st = &h->st;
	uint64_t bytes = sizeof(*h) + INODE_OVERHEAD;

	if (atomic_load(&h->upper))
		return 0;
	if (super_charge_inode(i->sb, bytes))
		return -ENOSPC;
	h->charge = bytes;
	pthread_mutex_lock(&i->lock);
	i->nlink = (uint32_t)st->st_nlink;
	i->atime = st->st_atim;
	i->mtime = st->st_mtim;
	i->ctime = st->st_ctim;
	i->btime = (struct timespec){0, -1};
	i->size = st->st_size;
	h->below = S_ISREG(i->mode);
	atomic_store(&h->upper, true);
	pthread_mutex_unlock(&i->lock);
	return 0;
}

/* [V] Other names of the host may lead to i: it stays until its last link goes. */
static void hold_inode(struct inode *i)
{
	struct host_inode *h = hi(i);

	if (!h->hashed || h->held || S_ISDIR(i->mode))
		return;
	h->held = true;
	inode_get(i);
}

/* [V] */
static void unhold_inode(struct inode *i)
{
	if (!hi(i)->held || i->nlink)
		return;
	hi(i)->held = false;
	inode_put_locked(i);
}

static bool is_attached(const struct dentry *d)
{
	for (; d->parent != d; d = d->parent)
		if (!(d->flags & D_LINKED))
			return false;
	return true;
}

/*
 * [V] d's inode is ours from here on; and d, with all above it, pinned, unless it has been removed.
 */
static int own(struct dentry *d)
{
	bool attached = is_attached(d);
	int err = 0;

	for (; !err; d = d->parent) {
		err = own_inode(d->inode);
		if (err || !attached || d->parent == d)
			break;
		if (hi(d->inode)->st.st_nlink > 1)
			hold_inode(d->inode);
		dentry_pin(d);
	}
	return err;
}

/* [V] A directory in which names are to be made. */
static int own_dir(struct dentry *d)
{
	return is_attached(d) ? own(d) : -ENOENT;
}

static bool is_below(struct host_inode *h)
{
	bool below;

	pthread_mutex_lock(&h->i.lock);
	below = h->below;
	pthread_mutex_unlock(&h->i.lock);
	return below;
}

/* i->data_lock held. */
static void not_below(struct host_inode *h)
{
	pthread_mutex_lock(&h->i.lock);
	h->below = false;
	pthread_mutex_unlock(&h->i.lock);
}

/* [no lock] The data of i are ours from here on, still to be read from the host. */
static int own_data(struct inode *i)
{
	struct host_inode *h = hi(i);
	struct memobj *o = NULL;
	struct stat st;
	int err = 0;

	if (!is_below(h))
		return 0;
	err = hostfile_need(h);
	if (!err)
		err = host_lock(&i->data_lock, h->pace);
	if (err)
		return err;
	if (is_below(h)) {
		o = hostfile_obj(h);
		if (!o)
			err = -ENOMEM;
		else if (fstat(h->hf->fd, &st))
			err = -errno;
		else
			err = memobj_set_size(o, (uint64_t)st.st_size);
		if (!err) {
			hostfd_limit(h->hf, (uint64_t)st.st_size);
			i->mf.lower = h->hf;
			not_below(h);
		}
	}
	pthread_mutex_unlock(&i->data_lock);
	return err;
}

/* i->data_lock held: nothing of the host's file counts any more. */
static int drop_data(struct inode *i)
{
	struct host_inode *h = hi(i);
	int err = 0;

	if (i->mf.obj) {
		i->mf.lower = h->hf;
		hostfd_limit(h->hf, 0);
		err = memobj_set_size(i->mf.obj, 0);
	}
	not_below(h);
	return err;
}

/* ---- files ---- */

static bool in_memory(struct inode *i)
{
	return atomic_load(&hi(i)->upper) && !is_below(hi(i));
}

static ssize_t overlay_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			    struct call *c)
{
	return in_memory(file_inode(f)) ? memfile_read(f, x, pos, task, c)
					: hostfile_read(f, x, pos, task, c);
}

static int64_t overlay_lseek(struct file *f, int64_t off, int whence)
{
	return in_memory(file_inode(f)) ? memfile_lseek(f, off, whence)
					: hostfile_lseek(f, off, whence);
}

static struct memobj *overlay_mmap(struct file *f, int *err)
{
	return in_memory(file_inode(f)) ? memfile_mmap(f, err) : hostfile_mmap(f, err);
}

static const struct vfs_file_ops overlay_file_ops = {
	.core = {.release = vfs_file_free},
	.read = overlay_read,
	.write = memfile_write,
	.lseek = overlay_lseek,
	.mmap = overlay_mmap,
	.fsync = memfile_fsync,
};

int overlay_open(struct inode *i, struct vfs_file *f)
{
	bool write = (f->f.flags & O_ACCMODE) != O_RDONLY;
	struct vfs *v = i->sb->v;
	int err = 0;

	f->f.ops = &overlay_file_ops.core;
	if (write) {
		vfs_lock(v);
		err = own(f->path.d);
		vfs_unlock(v);
	}
	if (err)
		return err;
	if (!atomic_load(&hi(i)->upper))
		return hostfile_need(hi(i));
	err = own_data(i);
	if (!err && write) {
		/* Mappings will change pages that nobody tells us of. */
		if (i->mf.obj)
			memobj_keep(i->mf.obj);
	}
	return err;
}

static int overlay_setattr(struct dentry *d, const struct vfs_setattr *s)
{
	struct inode *i = d->inode;
	int err;

	vfs_lock(i->sb->v);
	err = own(d);
	vfs_unlock(i->sb->v);
	if (!err && (s->valid & ATTR_SIZE) && s->size)
		err = own_data(i);
	if (!err)
		err = host_lock(&i->data_lock, hi(i)->pace);
	if (err)
		return err;
	if (s->valid & ATTR_SIZE)
		err = is_below(hi(i)) ? drop_data(i) : memfile_resize(i, s->size);
	if (!err) {
		pthread_mutex_lock(&i->lock);
		inode_set_attr_locked(i, s);
		pthread_mutex_unlock(&i->lock);
	}
	pthread_mutex_unlock(&i->data_lock);
	return err;
}

static int overlay_own(struct dentry *d)
{
	struct vfs *v = d->sb->v;
	int err;

	vfs_lock(v);
	err = own(d);
	vfs_unlock(v);
	return err;
}

static int overlay_fallocate(struct inode *i, int mode, int64_t off, int64_t len)
{
	int err = host_lock(&i->data_lock, hi(i)->pace);

	if (err)
		return err;
	/* It is open for writing: the data are ours. */
	err = memfile_fallocate(i, mode, off, len);
	pthread_mutex_unlock(&i->data_lock);
	return err;
}

/* ---- names ---- */

static int new_inode(struct inode *dir, const struct inode_new *n, struct inode **out)
{
	uint64_t bytes = sizeof(struct host_inode) + INODE_OVERHEAD +
			 (n->target ? strlen(n->target) + 1 : 0);
	struct stat st = {.st_mode = n->mode, .st_dev = hi(dir)->dev};
	struct host_inode *h;
	int err = super_charge_inode(dir->sb, bytes);

	if (err)
		return err;
	h = host_inode_alloc(dir->sb, &st);
	if (!h) {
		super_uncharge_inode(dir->sb, bytes);
		return -ENOMEM;
	}
	h->charge = bytes;
	h->made = true;
	atomic_store(&h->upper, true);
	h->i.uid = n->uid;
	h->i.gid = n->gid;
	h->i.nlink = S_ISDIR(n->mode) ? 2 : 1;
	if (n->target) {
		h->i.size = (int64_t)strlen(n->target);
		h->target = strdup(n->target);
		if (!h->target) {
			host_free(&h->i);
			return -ENOMEM;
		}
	}
	*out = &h->i;
	return 0;
}

static int overlay_create(struct dentry *dir, const char *name, size_t len,
			  const struct inode_new *n, struct dentry **out)
{
	struct inode *i;
	int err = own_dir(dir);

	if (!err)
		err = new_inode(dir->inode, n, &i);
	return err ? err : memname_add(dir, name, len, i, out);
}

int overlay_make(struct dentry *dir, const char *name, uint32_t type, struct dentry **out)
{
	struct inode_new n = {.mode = type | (type == S_IFDIR ? 0755 : 0644)};
	struct inode *i;
	int err = new_inode(dir->inode, &n, &i);

	return err ? err : memname_add(dir, name, strlen(name), i, out);
}

static int overlay_tmpfile(struct dentry *dir, const struct inode_new *n, struct inode **out)
{
	struct vfs *v = dir->inode->sb->v;
	int err;

	vfs_lock(v);
	err = new_inode(dir->inode, n, out);
	vfs_unlock(v);
	if (!err)
		(*out)->nlink = 0;
	return err;
}

static int overlay_link(struct dentry *dir, const char *name, size_t len, struct inode *i,
			struct dentry **out)
{
	int err = own_dir(dir);

	if (!err)
		err = own_inode(i);
	if (err)
		return err;
	hold_inode(i);
	memname_nlink(i, 1);
	err = memname_add(dir, name, len, inode_get(i), out);
	if (err)
		memname_nlink(i, -1);
	return err;
}

/* [no lock] The host's names in dir are all deleted. 0, -ENOTEMPTY, ... */
static int host_names_white(struct host_inode *dir)
{
	char buf[16384] __attribute__((aligned(8)));
	struct vfs *v = dir->i.sb->v;
	int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	long n;

	if (fd < 0)
		return errno == EMFILE ? -ENFILE : -errno;
	while (!err && (n = host_getdents(fd, buf, sizeof(buf))) > 0) {
		vfs_lock(v);
		for (long at = 0; at < n && !err;) {
			const struct dirent64 *de = (const void *)(buf + at);
			size_t len = strlen(de->d_name);

			at += de->d_reclen;
			if (strcmp(de->d_name, ".") && strcmp(de->d_name, "..") &&
			    !overlay_is_white(dir, de->d_name, len))
				err = -ENOTEMPTY;
		}
		vfs_unlock(v);
	}
	close(fd);
	return err;
}

/* [V, let go of] 0, -ENOTEMPTY. The names lock keeps it so. */
static int is_empty(struct dentry *d)
{
	struct vfs *v = d->sb->v;
	int err;

	if (d->npinned)
		return -ENOTEMPTY;
	if (hi(d->inode)->fd < 0)
		return 0;
	vfs_unlock(v);
	err = host_names_white(hi(d->inode));
	vfs_lock(v);
	return err;
}

static int overlay_unlink(struct dentry *d)
{
	struct inode *i = d->inode;
	bool isdir = S_ISDIR(i->mode), below = host_has(d);
	int err = isdir ? is_empty(d) : 0;

	if (!err)
		err = own_dir(d->parent);
	if (!err)
		err = own(d);
	if (!err && below)
		err = add_white(hi(d->parent->inode), d->name, d->len);
	if (err)
		return err;
	memname_nlink(i, isdir ? -(int)i->nlink : -1);
	unhold_inode(i);
	memname_drop(d);
	return 0;
}

static int overlay_rename(struct dentry *old, struct dentry *newdir, const char *newname,
			  size_t len, struct dentry *target, bool exchange)
{
	bool below = !exchange && host_has(old);
	int err = own_dir(newdir);

	if (!err)
		err = own_dir(old->parent);
	if (!err)
		err = own(old);
	if (!err && exchange)
		err = own(target);
	if (!err && below)
		err = add_white(hi(old->parent->inode), old->name, old->len);
	return err ? err : memname_rename(old, newdir, newname, len, target, exchange);
}

const struct inode_ops overlay_ops = {
	.evict = host_evict,
	.free = host_free,
	.getattr = host_getattr,
	.setattr = overlay_setattr,
	.lookup = host_lookup,
	.pace = host_pace,
	.create = overlay_create,
	.link = overlay_link,
	.unlink = overlay_unlink,
	.rename = overlay_rename,
	.tmpfile = overlay_tmpfile,
	.readlink = host_readlink,
	.open = host_open,
	.iterate = host_iterate,
	.own = overlay_own,
	.fallocate = overlay_fallocate,
};
