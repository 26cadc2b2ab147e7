/*
 * The guest's tree as it is at the start.
 *
 * With a root directory: an overlay of the host's tree at /, and over it in memory: /dev, /dev/pts,
 * /proc, /sys, /tmp, /var/tmp, /run and /dev/shm. A mount point that the host's tree lacks is made
 * up (but /run and /var/tmp are left out then). Without one: an empty in-memory root with the same.
 */
#include "pty.h"
#include "vfs_walk.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* [V] The directory `name` of dir, made if it is missing and `make`. */
static int mountpoint(struct vfs *v, const struct path *dir, const char *name, bool make,
		      struct path *out)
{
	size_t len = strlen(name);
	struct inode *i = dir->d->inode;
	struct dentry *d = dentry_find(dir->d, name, len), *cached = d;
	int err = 0;

	if (!d || !(d->flags & D_PINNED)) {
		d = NULL;
		err = i->ops->lookup ? i->ops->lookup(dir->d, cached, name, len, NULL, &d)
				     : -ENOENT;
		dentry_put_locked(cached);
	}
	if (!err && !S_ISDIR(d->inode->mode)) {
		/* A link, say, or a file: the mount hides it. */
		dentry_put_locked(d);
		dentry_unlink(d, false);
		err = -ENOENT;
		make = make && super_is_host(dir->d->sb);
	}
	if (err && make)
		err = super_is_host(dir->d->sb)
			      ? hostfs_mountpoint(dir->d, name, S_IFDIR, &d)
			      : ramfs_make(dir->d, name, S_IFDIR | 0755, NULL, &d);
	if (err)
		return err;
	*out = (struct path){dir->mnt, d};
	return 0;
}

/* Mounts a super at /a or /a/b, whose last directory is made if `make`. Not there and !make: 0, and
 * the super stays unused. */
static int mount_at(struct vfs *v, const char *a, const char *b, bool make, struct super *sb,
		    struct dentry *root)
{
	struct path at = {v->root, dentry_get(v->root->root)}, next;
	const char *names[2] = {a, b};
	int err = 0;

	for (int i = 0; i < 2 && names[i] && !err; i++) {
		err = mountpoint(v, &at, names[i], make, &next);
		if (err)
			break;
		mount_follow(v, &next);
		path_put_locked(&at);
		at = next;
	}
	if (!err)
		err = mount_add(v, sb, root, &at) ? 0 : -ENOMEM;
	else
		dentry_put_locked(root);
	path_put_locked(&at);
	return err && !make && err != -ENOMEM ? 0 : err;
}

static int mount_ramfs(struct vfs *v, const char *type, const char *a, const char *b, uint32_t mode,
		       bool make)
{
	struct dentry *root;
	struct super *sb;
	int err = ramfs_create(v, type, mode, &sb, &root);

	return err ? err : mount_at(v, a, b, make, sb, root);
}

static int mount_layout(struct vfs *v)
{
	struct dentry *root;
	struct super *sb;
	int err;

	err = devfs_create(v, &sb, &root);
	if (err)
		return err;
	v->dev = sb;
	v->dev_root = dentry_get(root);
	err = mount_at(v, "dev", NULL, true, sb, root);
	if (!err)
		err = mount_ramfs(v, "tmpfs", "dev", "shm", 01777, true);
	if (!err)
		err = pts_create(v, &sb, &root);
	if (!err)
		err = mount_at(v, "dev", "pts", true, sb, root);
	if (!err)
		pts_mounted(v);
	if (!err)
		err = procfs_create(v, &sb, &root);
	if (!err)
		err = mount_at(v, "proc", NULL, true, sb, root);
	if (!err)
		err = mount_ramfs(v, "tmpfs", "tmp", NULL, 01777, true);
	if (!err)
		err = sysfs_create(v, &sb, &root);
	if (!err)
		err = mount_at(v, "sys", NULL, true, sb, root);
	if (!err && super_is_host(v->root->sb))
		err = mount_ramfs(v, "tmpfs", "run", NULL, 01777, false);
	if (!err && super_is_host(v->root->sb))
		err = mount_ramfs(v, "tmpfs", "var", "tmp", 01777, false);
	return err;
}

static const struct super_ops anon_super_ops[ANON_KINDS] = {
	[ANON_INODES] = {.type = "anon_inodefs", .magic = ANON_INODE_FS_MAGIC},
	[ANON_PIPES] = {.type = "pipefs", .magic = PIPEFS_MAGIC},
	[ANON_SOCKETS] = {.type = "sockfs", .magic = SOCKFS_MAGIC},
	[ANON_MEMORY] = {.type = "tmpfs", .magic = TMPFS_MAGIC},
	[ANON_QUEUES] = {.type = "mqueue", .magic = 0x19800202},
	[ANON_PIDS] = {.type = "pidfs", .magic = 0x50494446},
};

static int make_anon(struct vfs *v)
{
	v->anon_mnt = calloc(1, sizeof(*v->anon_mnt));
	if (!v->anon_mnt)
		return -ENOMEM;
	for (unsigned i = 0; i < ANON_KINDS; i++) {
		v->anon[i] = calloc(1, sizeof(*v->anon[i]));
		if (!v->anon[i])
			return -ENOMEM;
		super_init(v->anon[i], v, &anon_super_ops[i], 0, "none");
	}
	v->anon_mnt->sb = v->anon[ANON_INODES];
	return 0;
}

static int mount_root(struct vfs *v)
{
	const char *dir = v->k->cfg.root;
	struct dentry *root;
	struct super *sb;
	int err, fd;

	if (dir) {
		fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		err = hostfs_create(v, fd, HOSTFS_OVERLAY, &sb, &root);
	} else {
		err = ramfs_create(v, "rootfs", 0755, &sb, &root);
	}
	if (err)
		return err;
	v->root = mount_add(v, sb, root, NULL);
	if (!v->root)
		return -ENOMEM;
	return make_anon(v);
}

int vfs_layout(struct vfs *v)
{
	int err = mount_root(v);

	return err ? err : mount_layout(v);
}

/* [V] The directories above the last name of an absolute path, made in the in-memory root. */
static int make_parents(struct vfs *v, const char *path, struct path *at, const char **last)
{
	*at = (struct path){v->root, dentry_get(v->root->root)};
	for (;;) {
		struct path next;
		size_t len;
		char name[VFS_NAME_MAX + 1];
		int err;

		while (*path == '/')
			path++;
		len = strcspn(path, "/");
		*last = path;
		if (!path[len])
			return len ? 0 : -EISDIR;
		if (len > VFS_NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path, len);
		name[len] = 0;
		if (!strcmp(name, ".") || !strcmp(name, ".."))
			return -EINVAL;
		err = mountpoint(v, at, name, true, &next);
		if (err)
			return err;
		mount_follow(v, &next);
		path_put_locked(at);
		*at = next;
		path += len;
	}
}

int vfs_place_file(struct kernel *k, const char *host_path, const char *guest_path)
{
	struct vfs *v = k->vfs;
	struct path at;
	struct stat st;
	struct super *sb;
	struct inode *i;
	const char *last;
	int err, fd;

	if (*guest_path != '/')
		return -EINVAL;
	/* O_NONBLOCK: a FIFO must not hold us up before its type is known. */
	fd = open(host_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		err = S_ISDIR(st.st_mode) ? -EISDIR : -EACCES;
		close(fd);
		return err;
	}
	vfs_lock(v);
	err = make_parents(v, guest_path, &at, &last);
	sb = at.d->sb;
	vfs_unlock(v);
	if (!err && strlen(last) > VFS_NAME_MAX)
		err = -ENAMETOOLONG;
	if (err) {
		close(fd);
		path_put(&at);
		return err;
	}
	err = hostfile_create(sb, fd, &i);
	if (!err) {
		vfs_lock(v);
		err = ramfs_place(at.d, last, i, NULL);
		vfs_unlock(v);
	}
	path_put(&at);
	return err;
}

/* ---- --bind and --tmpfs ---- */

/* [V] What a mount of this type can be put on, as `name` in dir, which has none. */
static int make_point(struct path *dir, const char *name, uint32_t type, struct dentry **out)
{
	if (super_is_host(dir->d->sb))
		return hostfs_mountpoint(dir->d, name, type, out);
	if (!dir->d->inode->ops->create)
		return -EROFS;
	return ramfs_make(dir->d, name, type | (type == S_IFDIR ? 0755 : 0644), NULL, out);
}

/*
 * [no lock] The mount point `path`, whose missing last names are made; links are followed as the
 * guest's. On success vfs->lock is held.
 */
static int find_point(struct vfs *v, const char *path, uint32_t type, struct path *out)
{
	char part[VFS_PATH_MAX];
	const char *at = path;
	struct walker w;
	int err = 0;

	if (*path != '/' || strlen(path) >= sizeof(part))
		return *path != '/' ? -EINVAL : -ENAMETOOLONG;
	out->d = NULL;
	vfs_lock(v);
	while (!err) {
		bool last;

		at += strspn(at, "/");
		at += strcspn(at, "/");
		last = !at[strspn(at, "/")];
		memcpy(part, path, (size_t)(at - path));
		part[at - path] = 0;
		path_put_locked(out);
		err = walk_begin_root(&w, v, *part ? part : "/");
		if (!err)
			err = walk_last(&w, true, out);
		if (err == -ENOENT && w.missing) {
			err = make_point(&w.at, w.last, last ? type : S_IFDIR, &out->d);
			out->mnt = w.at.mnt;
		}
		walk_end_root(&w);
		if (last)
			break;
	}
	if (!err && out->d == v->root->root)
		err = -EBUSY;
	if (!err && (inode_type(out->d->inode) == S_IFDIR) != (type == S_IFDIR))
		err = type == S_IFDIR ? -ENOTDIR : -EISDIR;
	if (err) {
		path_put_locked(out);
		vfs_unlock(v);
	}
	return err;
}

/* The super that a mount shows, and its root. */
static int make_super(struct vfs *v, const struct vfs_mount *m, struct super **sb,
		      struct dentry **root)
{
	enum hostfs_kind kind = m->kind == VFS_MOUNT_BIND_RW ? HOSTFS_WRITE : HOSTFS_RDONLY;
	int err, fd;

	if (m->kind == VFS_MOUNT_TMPFS) {
		err = ramfs_create(v, "tmpfs", 01777, sb, root);
		if (!err)
			(*sb)->max_data = m->size;
		return err;
	}
	fd = open(m->source, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return hostfs_create(v, fd, kind, sb, root);
}

int vfs_mount(struct kernel *k, const struct vfs_mount *m)
{
	struct vfs *v = k->vfs;
	struct dentry *root;
	struct super *sb;
	struct path on;
	uint32_t type;
	int err;

	vfs_lock(v);
	err = make_super(v, m, &sb, &root);
	type = err ? 0 : inode_type(root->inode);
	vfs_unlock(v);
	if (err)
		return err;
	err = find_point(v, m->target, type, &on);
	if (err) {
		dentry_put(root);
		return err;
	}
	err = mount_add(v, sb, root, &on) ? 0 : -ENOMEM;
	path_put_locked(&on);
	vfs_unlock(v);
	return err;
}
