/*
 * The inside of the host-backed file systems: what fs_hostfs.c (names, inodes), fs_hostfile.c
 * (data), fs_hostdir.c (listings), fs_overlay.c (changes that stay in memory) and fs_bind.c
 * (changes that go to the host) share.
 *
 * A host inode stands for one file of the host, known by (st_dev, st_ino), as long as somebody
 * refers to it; in an overlay also for a file that exists in memory alone. An overlay's inode is
 * `upper` once its attributes are its own; its data follow when they are needed (`below` until
 * then). It stays the same inode, with the same numbers, for every open file and mapping.
 * inode->lock protects what a call may change, vfs->lock where the host has it. The host may take
 * long to answer: none of the two is held then, but a super's names_lock and an inode's data_lock
 * are, where what is asked is a change.
 */
#ifndef VMBOX_LINUX_FS_HOST_H
#define VMBOX_LINUX_FS_HOST_H

#include "vfs_inode.h"

#define HOSTFS_BUCKETS 8192

/* The host's descriptors of a regular file, shared by its inode and its page cache. */
struct hostfd {
	_Atomic unsigned refs;
	struct super *sb;
	struct host_pace *pace; /* NULL: nobody has to be spared */
	struct job close;       /* host_is_remote(): the descriptors' */
	/* Each set once: */
	_Atomic int fd;         /* readable; -1: not opened yet, or the host lets us only write */
	_Atomic int wfd;        /* writable, perhaps the same; -1: not opened yet */
	_Atomic uint64_t limit; /* bytes of the file that still count; UINT64_MAX: all */
	_Atomic int nowait;     /* enum hostfd_nowait */
};

/* Whether reads of a file can say what they would have to wait for (RWF_NOWAIT). */
enum hostfd_nowait { HOSTFD_ASK, HOSTFD_CANNOT_SAY, HOSTFD_IN_MEMORY };

struct white {
	RB_ENTRY(white) rb;
	unsigned len;
	char name[];
};
RB_HEAD(white_tree, white);

struct hostfs {
	struct super sb;
	enum hostfs_kind kind;
	int root_fd;
	LIST_HEAD(, inode) table[HOSTFS_BUCKETS]; /* protected by vfs->lock */
};

struct host_inode {
	struct inode i;
	/* immutable: */
	int fd; /* a directory's O_PATH descriptor; -1: no directory, or one that is not entered */
	int path_fd;            /* O_PATH, of a file that is the root of a mount; else -1 */
	bool made;              /* in memory alone: the host has none */
	struct host_pace *pace; /* of its device; NULL: made, or without memory */
	dev_t dev;              /* as the guest sees it */
	ino_t hostino;
	char *target; /* of a link made in memory */
	uint64_t charge;
	/* protected by i.lock: */
	struct stat st; /* the host's, as last seen */
	struct hostfd *hf;
	_Atomic bool upper;     /* i's attributes count, not st; never again false */
	bool below;             /* upper, but the data are still the host's file */
	_Atomic bool mapped_rw; /* fs_bind.c: mappings may have changed pages; never again false */
	/* protected by vfs->lock: */
	bool hashed, held;       /* held: a reference, because names of the host may lead here */
	struct host_inode *ldir; /* no directory: where the host has it; a reference */
	char *lname;
	struct white_tree whites; /* names of the host that are deleted */
};

static inline struct host_inode *hi(struct inode *i)
{
	return container_of(i, struct host_inode, i);
}

static inline struct hostfs *hostfs_of(struct super *sb)
{
	return (struct hostfs *)(void *)sb;
}

/* ---- fs_hostfs.c ---- */

extern const struct inode_ops hostfs_ops; /* read-only */
const struct inode_ops *hostfs_inode_ops(enum hostfs_kind kind);
int host_lookup(struct dentry *d, struct dentry *cached, const char *name, size_t len,
		struct task *t, struct dentry **out);
int host_getattr(struct inode *i, struct vfs_attr *a);
struct host_pace *host_pace(struct inode *i);
ssize_t host_readlink(struct inode *i, struct dentry *d, struct task *t, char *buf, size_t size);
int host_open(struct inode *i, struct vfs_file *f, struct task *t);
void host_evict(struct inode *i);
void host_free(struct inode *i);
/* st into the inode, unless it is upper. */
void host_set_stat(struct inode *i, const struct stat *st);
bool host_same_file(const struct stat *a, const struct stat *b);
/* st describes i. */
bool host_is_inode(struct inode *i, const struct stat *st);
/* An inode of no table yet; ino 0: of memory alone, with the next number of the super. */
struct host_inode *host_inode_alloc(struct super *sb, const struct stat *st);
/* [V] Into the table of the host's inodes. */
void host_insert_inode(struct host_inode *h);
/* [V, let go of] The inode that st, found as `name` in dir, describes. -ESTALE: it is gone. */
int host_get_inode(struct inode *dir, const char *name, const struct stat *st, struct inode **out);
/* [V] Notes that the host has h as `name` in dir. -ENOMEM. */
int host_set_place(struct host_inode *h, struct host_inode *dir, const char *name);
/*
 * [no lock] An O_PATH descriptor of the host's file of h (not a directory), reserved; -ESTALE if it
 * is not where it was.
 */
int host_open_path(struct host_inode *h);
/*
 * [no lock] A descriptor that is h's file: one that is open, else a new O_PATH one (*close_it),
 * which host_any_fd_done() closes. As host_open_path().
 */
int host_any_fd(struct host_inode *h, bool *close_it);
void host_any_fd_done(struct host_inode *h, int fd, bool close_it);
extern const struct xattr_ops host_xattr_ops; /* fs_hostxattr.c */
/* Opens again what an O_PATH descriptor stands for. A descriptor or a negative errno. */
int host_reopen(int path_fd, int flags);

/* ---- fs_hostfile.c ---- */

/* Counts a host descriptor. 0 or -ENFILE. */
int hostfd_reserve(struct vfs *v);
void hostfd_release(struct vfs *v);
/* [no lock] The same; gives up cached names for it if need be. */
int hostfd_reserve_shrink(struct vfs *v);
/* fd (readable) and wfd (-1, or writable, perhaps the same): reserved each, taken over, also on
 * failure. pace: of its device, or NULL. NULL: no memory. */
struct hostfd *hostfd_create(struct super *sb, struct host_pace *pace, int fd, int wfd);
struct hostfd *hostfd_get(struct hostfd *hf);
/* The last one closes; any lock may be held: where that may wait a worker does it. hf may be NULL.
 */
void hostfd_put(struct hostfd *hf);
/* Closes fd, which is reserved, in the same way. */
void hostfd_unused(struct super *sb, struct host_pace *pace, int fd);
/* Nothing past `size` counts from here on. */
void hostfd_limit(struct hostfd *hf, uint64_t size);
/* [no lock] h->hf is there, and readable. -ESTALE, -EACCES, -ENFILE, ... */
int hostfile_need(struct host_inode *h);
/* i->data_lock held: the page cache over h->hf. NULL: no memory. */
struct memobj *hostfile_obj(struct host_inode *h);
extern const struct vfs_file_ops hostfile_ops;
ssize_t hostfile_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
		      struct call *c);
int64_t hostfile_lseek(struct file *f, int64_t off, int whence);
struct memobj *hostfile_mmap(struct file *f, int *err);
/* The host object is procfs or one of its kind, which no guest may reach. kind (may be NULL): of
 * its file system. */
bool host_fs_forbidden(int fd, enum host_kind *kind);
/* [no lock] The same for h's file, about to be opened: h's pace is told of the kind. */
bool host_file_forbidden(struct host_inode *h, int path_fd);

/* ---- fs_hostdir.c ---- */

/* getdents64(2) with errno. */
long host_getdents(int fd, void *buf, size_t size);
int host_open_dir(struct inode *i, struct vfs_file *f);
int host_iterate(struct vfs_file *f, struct dir_emit *e, int64_t *pos);

/* ---- fs_overlay.c ---- */

extern const struct inode_ops overlay_ops;
int overlay_open(struct inode *i, struct vfs_file *f);
/* [V] The name is deleted in dir. */
bool overlay_is_white(struct host_inode *dir, const char *name, size_t len);
void overlay_free_whites(struct host_inode *h);
/* [V] A directory or file in memory, for a mount; whatever kind the super is. */
int overlay_make(struct dentry *dir, const char *name, uint32_t type, struct dentry **out);

/* ---- fs_bind.c ---- */

extern const struct inode_ops bind_ops;
int bind_open(struct inode *i, struct vfs_file *f);
/* As super_ops' sync. */
int bind_sync(struct super *sb);
void bind_write_back(struct super *sb);

#endif
