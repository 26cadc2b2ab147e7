/*
 * /dev: an in-memory file system with character devices in it, the terminal, and links to open
 * descriptors.
 */
#include "pty.h"

#include <fcntl.h>
#include <linux/random.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define DEV_CHUNK      16384
#define DEV_RANDOM_MAX 33554431

struct dev_inode {
	struct inode i;
	ssize_t (*read)(void *buf, size_t len);
	ssize_t (*write)(const void *buf, size_t len);
};

static struct dev_inode *di(struct inode *i)
{
	return container_of(i, struct dev_inode, i);
}

/* Of major 1: memory devices. */
static bool is_device(const struct inode *i, unsigned min)
{
	return i->rdev == makedev(1, min);
}

static ssize_t dev_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			struct call *c)
{
	struct dev_inode *d = di(file_inode(f));
	uint8_t buf[DEV_CHUNK];
	ssize_t total = 0;

	if (!d->read)
		return -EINVAL;
	/* Random bytes are slow to make: one call gives no more than Linux long did. */
	if ((is_device(&d->i, 8) || is_device(&d->i, 9)) && x->left > DEV_RANDOM_MAX)
		x->left = DEV_RANDOM_MAX;
	while (x->left) {
		size_t want = x->left < sizeof(buf) ? x->left : sizeof(buf);
		ssize_t n = d->read(buf, want), put;

		if (n <= 0)
			return total ? total : n;
		put = x->copy(x, buf, (size_t)n);
		if (put < 0)
			return total ? total : put;
		total += put;
		if (put < n || (size_t)n < want)
			break;
	}
	return total;
}

static ssize_t dev_write(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			 struct call *c)
{
	struct dev_inode *d = di(file_inode(f));
	uint8_t buf[DEV_CHUNK];
	ssize_t total = 0;

	if (!d->write)
		return -EINVAL;
	/* These do not look at what they are given, which may be no memory at all. */
	if (is_device(&d->i, 3) || is_device(&d->i, 5)) {
		total = (ssize_t)x->left;
		x->left = 0;
		return total;
	}
	if (is_device(&d->i, 7))
		return -ENOSPC;
	while (x->left) {
		ssize_t got = x->copy(x, buf, x->left < sizeof(buf) ? x->left : sizeof(buf)), n;

		if (got <= 0)
			return total ? total : got;
		n = d->write(buf, (size_t)got);
		if (n < got)
			xfer_back(x, (size_t)(n < 0 ? got : got - n));
		if (n <= 0)
			return total ? total : n;
		total += n;
	}
	return total;
}

static int64_t dev_lseek(struct file *f, int64_t off, int whence)
{
	return 0; /* as null and zero */
}

/* Of /dev/zero: anonymous memory, shared or not. */
static struct memobj *dev_mmap(struct file *f, int *err)
{
	struct memobj *o;

	*err = -ENODEV;
	if (!is_device(file_inode(f), 5))
		return NULL;
	*err = -ENOMEM;
	o = memobj_create(vfs_file(f)->k->gm, NULL, NULL);
	if (o && memobj_set_size(o, VFS_FILE_SIZE_MAX)) {
		memobj_put(o);
		o = NULL;
	}
	return o;
}

/* random(4): the pool is always full, and takes nothing from who is not privileged. */
static long dev_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	const int bits = 256;

	if (!is_device(file_inode(f), 8) && !is_device(file_inode(f), 9))
		return -ENOTTY;
	switch (cmd) {
	case RNDGETENTCNT:
		return copy_to_guest(task_mm(t), gva(arg), &bits, sizeof(bits));
	case RNDADDTOENTCNT:
	case RNDADDENTROPY:
	case RNDZAPENTCNT:
	case RNDCLEARPOOL:
	case RNDRESEEDCRNG:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

static const struct vfs_file_ops dev_ops = {
	.core = {.release = vfs_file_free},
	.read = dev_read,
	.write = dev_write,
	.lseek = dev_lseek,
	.ioctl = dev_ioctl,
	.mmap = dev_mmap,
};

static int dev_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	f->no_splice_in = is_device(i, 3);  /* null has nothing */
	f->no_splice_out = is_device(i, 7); /* full takes nothing */
	f->f.ops = &dev_ops.core;
	return 0;
}

static int tty_inode_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	struct tty *tty = t ? tty_of_process(t->p) : NULL;
	int err = tty ? tty_open(tty, f, t, false) : -ENXIO;

	tty_put(tty);
	return err;
}

static int ptmx_open(struct inode *i, struct vfs_file *f, struct task *t)
{
	return t ? pts_open_master(f, t) : -ENXIO;
}

static int dev_setattr(struct dentry *d, const struct vfs_setattr *s)
{
	pthread_mutex_lock(&d->inode->lock);
	inode_set_attr_locked(d->inode, s);
	pthread_mutex_unlock(&d->inode->lock);
	return 0;
}

static void dev_free(struct inode *i)
{
	inode_fini(i);
	free(di(i));
}

static const struct inode_ops dev_inode_ops = {
	.free = dev_free, .setattr = dev_setattr, .open = dev_open};
static const struct inode_ops tty_inode_ops = {
	.free = dev_free, .setattr = dev_setattr, .open = tty_inode_open};
static const struct inode_ops ptmx_inode_ops = {
	.free = dev_free, .setattr = dev_setattr, .open = ptmx_open};

/* [V] */
static int add_node(struct vfs *v, struct super *sb, struct dentry *root,
		    const struct inode_ops *ops, const char *name, uint64_t rdev, uint32_t mode,
		    struct dev_inode **out)
{
	struct dev_inode *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	inode_init(&d->i, sb, ops, S_IFCHR | (mode & 07777), 0);
	d->i.rdev = rdev;
	*out = d;
	return ramfs_place(root, name, &d->i, NULL);
}

int vfs_add_chardev(struct kernel *k, const char *name, unsigned major, unsigned minor,
		    uint32_t mode, ssize_t (*read)(void *buf, size_t len),
		    ssize_t (*write)(const void *buf, size_t len))
{
	struct vfs *v = k->vfs;
	struct dev_inode *d;
	int err;

	vfs_lock(v);
	err = add_node(v, v->dev, v->dev_root, &dev_inode_ops, name, makedev(major, minor), mode,
		       &d);
	if (!err) {
		d->read = read;
		d->write = write;
	}
	vfs_unlock(v);
	return err;
}

int devfs_create(struct vfs *v, struct super **out, struct dentry **root)
{
	static const char *const links[][2] = {
		{"fd", "/proc/self/fd"},
		{"stdin", "/proc/self/fd/0"},
		{"stdout", "/proc/self/fd/1"},
		{"stderr", "/proc/self/fd/2"},
	};
	struct dev_inode *d;
	int err = ramfs_create(v, "devtmpfs", 0755, out, root);

	for (size_t i = 0; i < ARRAY_SIZE(links) && !err; i++)
		err = ramfs_make(*root, links[i][0], S_IFLNK | 0777, links[i][1], NULL);
	if (!err)
		err = add_node(v, *out, *root, &tty_inode_ops, "tty", makedev(5, 0), 0666, &d);
	if (!err)
		err = add_node(v, *out, *root, &ptmx_inode_ops, "ptmx", makedev(5, 2), 0666, &d);
	return err;
}
