/*
 * The inside of the VFS: inodes, dentries, mounts, open files, and what a file system implements.
 *
 * A dentry is a name in a directory and refers to its inode; only positive ones exist. A super is
 * one instance of a file system; a mount puts a super's tree on a dentry of another, so that binds
 * and unions of trees need no other shape. Supers and mounts live until vfs_destroy().
 * Memory-backed file systems keep their names in the dentries themselves (D_PINNED: the link holds
 * a reference); host-backed ones look every name up anew, and dentries nobody refers to wait on an
 * LRU list of bounded length.
 *
 * vfs->lock protects the name space in memory: every dentry's links and name, the LRU, mounts, and
 * file systems' inode tables. inode->lock protects attributes. Neither is ever held while the host
 * is asked or guest memory is touched. What takes longer has locks above them: super->names_lock
 * is held over a change of names, inode->data_lock over a change of data; a mount that hangs hangs
 * those alone that change the same thing. Order: file->lock (held over a call that moves the
 * position, so above even k->tree_lock) > k->tree_lock > vfs->lock > inode->lock; names_lock >
 * vfs->lock; file->lock > data_lock > inode->lock, mm->lock > memobj->lock > leaf locks. Nothing
 * that takes k->tree_lock runs under vfs->lock.
 */
#ifndef VMBOX_LINUX_VFS_INODE_H
#define VMBOX_LINUX_VFS_INODE_H

#include "away.h"
#include "../core/async.h"
#include "file_owner.h"
#include "memfile.h"
#include "tty.h"
#include "vfs.h"
#include "task.h"
#include "../core/workpool.h"

#include <bsd/sys/tree.h>
#include <sys/stat.h>
#include <time.h>

#define VFS_NAME_MAX      255
#define VFS_PATH_MAX      4096 /* with the NUL */
#define VFS_LINKS_MAX     40
#define VFS_LINK_MAX      65000 /* hard links of one inode */
#define VFS_HASH_BITS_MIN 8
#define VFS_HASH_BITS_MAX 18
#define VFS_LRU_MAX       8192
#define VFS_FILES_MAX     1000000 /* open file descriptions of all processes, at most: ENFILE */
#define VFS_POLLED_MIN    65536
#define VFS_FILE_SIZE_MAX (1LL << 46)
#define VFS_READ_THREADS  4 /* of one super: workers that wait for its host alone */
#define VFS_SYNC_THREADS  2

struct vfs;
struct super;
struct mount;
struct inode;
struct dentry;
struct vfs_file;
struct epoll_item;
struct file_lock;
struct lock_wait;
struct xattr;
struct mark;
struct stdio;
struct pts_fs;
struct fifo;
struct pipe;

/* What stat(2) and statx(2) tell. */
struct vfs_attr {
	uint64_t dev, ino, rdev;
	uint32_t mode, nlink, uid, gid;
	uint64_t size, blocks; /* blocks: of 512 bytes */
	uint32_t blksize;
	struct timespec atime, mtime, ctime, btime; /* btime.tv_nsec < 0: unknown */
};

#define ATTR_MODE  0x01
#define ATTR_UID   0x02
#define ATTR_GID   0x04
#define ATTR_SIZE  0x08
#define ATTR_ATIME 0x10
#define ATTR_MTIME 0x20

struct vfs_setattr {
	unsigned valid; /* ATTR_* */
	uint32_t mode, uid, gid;
	int64_t size;
	struct timespec atime, mtime;
};

/* A new inode's description. */
struct inode_new {
	uint32_t mode; /* with the type */
	uint32_t uid, gid;
	const char *target; /* symlink */
};

/* Collects directory entries in the caller's buffer, in getdents' or getdents64's format. */
struct dir_emit {
	uint8_t *buf;
	size_t size, used;
	bool old;
	bool full; /* an entry did not fit */
};
/* next: the position after this entry. False: no room; stop. */
bool dir_emit(struct dir_emit *e, const char *name, size_t len, uint64_t ino, int64_t next,
	      unsigned dtype);

/* [no lock] user.* of files of the host. */
struct xattr_ops {
	/* As getxattr(2) and listxattr(2), size 0 included; list gives other names, too. */
	ssize_t (*get)(struct inode *i, const char *name, void *buf, size_t size);
	ssize_t (*list)(struct inode *i, char *buf, size_t size);
	/* value NULL: removes it. As setxattr(2), removexattr(2). */
	int (*set)(struct inode *i, const char *name, const void *value, size_t size, int flags);
};

/*
 * What a file system implements. Members may be NULL where a default is named. Those marked [V] are
 * called with vfs->lock held, the others without it; those marked [V, N] with the super's
 * names_lock, too. Those marked "let go of" may drop vfs->lock meanwhile, to ask the host: what the
 * caller has references to stays, other names may change, under N in other supers alone. Names are
 * not NUL-terminated, 1..255 bytes, never "." or "..".
 */
struct inode_ops {
	/* [V] The last reference is gone: leave look-up tables. NULL: nothing. */
	void (*evict)(struct inode *i);
	void (*free)(struct inode *i);
	/* Brings *a up to date: may ask the host. NULL: i's fields. 0, -EIO, ... */
	int (*getattr)(struct inode *i, struct vfs_attr *a);
	/* [no lock] d: a name of it. NULL: -EROFS. */
	int (*setattr)(struct dentry *d, const struct vfs_setattr *s);
	/*
	 * [V, let go of; no lock if SB_NOCACHE] The name in directory d: *out with a reference.
	 * cached: what the
	 * cache has, or NULL; it may be given back with another reference or replaced. NULL: the
	 * cache is the truth. -ENOENT, -EACCES, -EIO, -ENFILE, -ENOMEM. t: who asks, for /proc.
	 */
	int (*lookup)(struct dentry *d, struct dentry *cached, const char *name, size_t len,
		      struct task *t, struct dentry **out);
	/* [V, N, let go of; as are link, unlink and rename] NULL: -EROFS, or -EPERM for a writable
	 * super. Linked dentry with a reference in *out. -EEXIST: the host has the name. */
	int (*create)(struct dentry *d, const char *name, size_t len, const struct inode_new *n,
		      struct dentry **out);
	int (*link)(struct dentry *d, const char *name, size_t len, struct inode *i,
		    struct dentry **out);
	int (*unlink)(struct dentry *victim); /* rmdir too; -ENOTEMPTY */
	/* target: what newname is now, or NULL; exchange swaps the two. */
	int (*rename)(struct dentry *old, struct dentry *newdir, const char *newname, size_t len,
		      struct dentry *target, bool exchange);
	/* [no lock] NULL: -EOPNOTSUPP */
	int (*tmpfile)(struct dentry *d, const struct inode_new *n, struct inode **out);
	/* [no lock] The link's text, not NUL-terminated: its length (cut to size). */
	ssize_t (*readlink)(struct inode *i, struct dentry *d, struct task *t, char *buf,
			    size_t size);
	/* A magic link: where it leads, a reference in *out. NULL: an ordinary one. */
	int (*follow)(struct inode *i, struct task *t, struct path *out);
	/* Sets f's ops, priv, stream. t may be NULL (the VMM opens). NULL: -ENXIO. */
	int (*open)(struct inode *i, struct vfs_file *f, struct task *t);
	/* Emits entries from *pos on and advances it. 0 or a negative errno. NULL: -ENOTDIR. */
	int (*iterate)(struct vfs_file *f, struct dir_emit *e, int64_t *pos);
	/* [no lock] Attributes that the inode keeps in memory are about to change: extended ones.
	 * 0, -ENOSPC. NULL: it has none. */
	int (*own)(struct dentry *d);
	/* Extended attributes that are kept elsewhere. NULL: in memory, if own is there. */
	const struct xattr_ops *xattr;
	/* Whose answer about i's attributes and data may take long: see away.h. NULL, or its
	 * result: nobody's. */
	struct host_pace *(*pace)(struct inode *i);
	/* fallocate(2): mode is checked to be 0, KEEP_SIZE or PUNCH_HOLE|KEEP_SIZE. NULL:
	 * -EOPNOTSUPP */
	int (*fallocate)(struct inode *i, int mode, int64_t off, int64_t len);
	/* [no lock] What mappings have changed goes to where it lasts, and whether there is any:
	 * writeback.h. */
	int (*write_back)(struct inode *i);
	bool (*has_changes)(struct inode *i);
	/* [no lock] A descriptor to write has gone: what close(2) then does and says. May wait for
	 * ever. NULL: nothing. */
	int (*flush)(struct inode *i);
};

struct inode {
	/* immutable after init: */
	const struct inode_ops *ops;
	struct super *sb;
	uint64_t ino;
	uint64_t rdev;
	_Atomic unsigned refs;
	_Atomic int writers; /* files open to write; below 0: processes that run it */
	pthread_mutex_t lock;
	/* protected by lock: */
	_Atomic uint32_t mode; /* written under lock; the type bits never change */
	uint32_t uid, gid, nlink;
	struct timespec atime, mtime, ctime, btime;
	int64_t size; /* not of files whose memobj knows it */
	SLIST_HEAD(, xattr) xattrs;
	struct fifo *fifo; /* protected by lock: of a FIFO that is open */
	bool sealable;     /* immutable: made by memfd_create */
	bool linkable;     /* made by O_TMPFILE: may be linked though nlink is 0 */
	/* Held while a regular file's data change, and while they are moved from and to guest
	 * memory or the host, however long that takes. */
	pthread_mutex_t data_lock;
	/* protected by data_lock: */
	struct memfile mf; /* a regular file's pages */
	unsigned seals;    /* memfd_create(2) */
	/* protected by sb->v->locks_lock: */
	LIST_HEAD(, file_lock) locks;
	/* protected by sb->v->notify_lock: */
	LIST_HEAD(, mark) marks;
	/* vfs->lock: */
	LIST_ENTRY(inode) hash; /* the file system's */
	SLIST_ENTRY(inode) doomed;
};

static inline uint32_t inode_type(const struct inode *i)
{
	return i->mode & S_IFMT;
}

#define D_LINKED  0x01 /* in its parent's list and the hash */
#define D_PINNED  0x02 /* the link holds a reference */
#define D_LRU     0x04
#define D_DELETED 0x08 /* was unlinked */
#define D_ANON    0x10 /* no directory: its name is its whole path (pipe:[7]) */
#define D_MOUNTED 0x20 /* something is mounted on it */
#define D_CHARGED 0x40 /* the super's budget pays for it */

struct dentry {
	/* immutable after init: */
	struct super *sb;
	struct inode *inode; /* a reference */
	_Atomic unsigned refs;
	/* protected by vfs->lock: */
	struct dentry *parent; /* a reference; itself: a root, or anonymous */
	char *name;
	unsigned len;
	unsigned flags;
	unsigned npinned;                      /* of its children */
	uint64_t cookie;                       /* directory position */
	uint64_t last_cookie;                  /* of its children */
	RB_HEAD(dentry_tree, dentry) children; /* by cookie */
	RB_ENTRY(dentry) sibling;
	LIST_ENTRY(dentry) hash;
	TAILQ_ENTRY(dentry) lru;
};

#define SB_RDONLY  0x01
#define SB_NOCACHE 0x02 /* dentries are made anew by each walk; lookup runs without vfs->lock */
#define SB_NOSYNC  0x04 /* fsync(2) of a directory is EINVAL */

struct super_ops {
	const char *type;
	unsigned magic;   /* statfs f_type */
	unsigned blksize; /* stat's; 0: PAGE_SIZE */
	/* Total and free blocks of PAGE_SIZE, inodes. NULL: zeros. */
	void (*statfs)(struct super *sb, uint64_t *blocks, uint64_t *bfree, uint64_t *files,
		       uint64_t *ffree);
	/* After the last inode. NULL: free(). */
	void (*destroy)(struct super *sb);
	/* [no lock] Everything is on its way to where it lasts. 0 or a negative errno. NULL:
	 * nothing to do. */
	int (*sync)(struct super *sb);
	/* [no lock] Has workers write what mappings have changed, and does not wait. NULL: nothing
	 * to do. */
	void (*write_back)(struct super *sb);
	/* [V] At the end: gives up references that it holds itself. NULL: none. */
	void (*shutdown)(struct super *sb);
};

struct super {
	const struct super_ops *ops;
	struct vfs *v;
	uint64_t dev;
	unsigned flags;
	const char *source;
	_Atomic uint64_t next_ino;
	/* What the VMM spends on names and inodes in memory: see fs_names.c. 0: none may be. */
	uint64_t max_bytes, max_inodes;
	_Atomic uint64_t bytes, inodes;
	/* What files in memory may hold, in bytes (0: what there is), and the pages that they do.
	 */
	uint64_t max_data;
	_Atomic uint64_t data_pages;
	/* Host calls of this file system on workers: a mount that hangs fills its own lanes. */
	struct job_lane reads, syncs;
	SLIST_HEAD(, host_pace) paces; /* protected by vfs->lock: of the host's devices in it */
	/* Held while a name is made, moved or removed, however long the host takes for it: taken
	 * with no vfs->lock, which comes below it (walk_hold_names). */
	pthread_mutex_t names_lock;
	/* protected by vfs->lock: */
	uint64_t names_seq; /* a change of names that the host made is in the cache now */
	SLIST_ENTRY(super) all;
};

/* The kernel's own file systems, which nobody can mount or walk: what statfs(2) tells of files that
 * have no name. */
enum anon_kind {
	ANON_INODES,
	ANON_PIPES,
	ANON_SOCKETS,
	ANON_MEMORY,
	ANON_QUEUES,
	ANON_PIDS,
	ANON_KINDS
};

struct mount {
	struct super *sb;
	struct dentry *root;  /* a reference */
	struct mount *parent; /* NULL: the root mount */
	struct dentry *point; /* a reference */
	unsigned id;
	TAILQ_ENTRY(mount) all;
};

struct path {
	struct mount *mnt;
	struct dentry *d;
};

struct vfs_file {
	struct file f; /* first */
	/* immutable after open: */
	struct kernel *k;
	struct path path; /* references */
	bool stream;      /* no position: pipes, terminals */
	bool no_pwrite;   /* a position to read from alone */
	bool no_splice_in, no_splice_out;
	bool quiet; /* EPIPE without SIGPIPE: sockets of messages */
	bool opath;
	bool is_dir;
	bool opened; /* its end is an event */
	bool writer; /* counted in its inode's writers */
	/* the file system's: */
	void *priv;
	uint64_t priv2;
	struct file_owner *_Atomic owner; /* file_owner.h; NULL: nobody asked */
	/* protected by epoll.c's files_lock: */
	LIST_HEAD(, epoll_item) watchers;
};

static inline struct vfs_file *vfs_file(const struct file *f)
{
	return (struct vfs_file *)(uintptr_t)f;
}

/* pread(2), or with `write` pwrite(2), can be asked for: Linux's FMODE_PREAD and FMODE_PWRITE. */
static inline bool file_positional(const struct file *f, bool write)
{
	const struct vfs_file *v = vfs_file(f);

	return !v->stream && vfs_ops(f)->lseek && !(write && v->no_pwrite);
}

static inline struct host_pace *inode_pace(struct inode *i)
{
	return i->ops->pace ? i->ops->pace(i) : NULL;
}

/* vfs_file.c: whoever writes a file, or cuts it, counts while it does. 0, -ETXTBSY: it is run. */
int inode_write_get(struct inode *i);
void inode_write_put(struct inode *i);

static inline struct inode *file_inode(const struct file *f)
{
	return vfs_file(f)->path.d->inode;
}

struct fs_context {
	_Atomic unsigned refs;
	struct vfs *v;
	pthread_mutex_t lock;
	/* protected by lock: */
	struct path root, cwd;
	uint32_t umask;
};

struct chardev_k;

struct vfs {
	struct kernel *k; /* borrowed */
	pthread_mutex_t lock;
	/* protected by lock: */
	LIST_HEAD(dentry_head, dentry) * hash; /* 1 << hash_bits of them, for nhashed names */
	unsigned hash_bits;
	size_t nhashed;
	uint64_t seed;       /* immutable */
	uint64_t boot_id[2]; /* immutable: random, and shown to the guest, as the seed is not */
	TAILQ_HEAD(, dentry) lru;
	uint64_t nmoves; /* dentries that got another parent */
	unsigned nlru, lru_max;
	struct job_lane sync_all; /* sync(2) */
	TAILQ_HEAD(mount_list, mount) mounts;
	SLIST_HEAD(, inode) doomed;
	SLIST_HEAD(, super) supers;
	unsigned next_mount_id, next_minor;
	struct mount *root;
	struct super *anon[ANON_KINDS]; /* immutable: what has no name */
	struct mount *anon_mnt;
	struct super *dev;
	struct dentry *dev_root;
	/* file locks: vfs_lock.c; protected by locks_lock, but the queue */
	pthread_mutex_t locks_lock;
	LIST_HEAD(, lock_wait) lock_waits;
	unsigned nlocks;
	_Atomic unsigned nrecord_locks;
	struct waitq locks_wq;
	/* inotify: notify.h */
	pthread_mutex_t notify_lock;
	_Atomic unsigned nmarks, ninotify;
	unsigned nevents; /* queued by inotify; protected by notify_lock */
	_Atomic uint32_t notify_cookie;
	/* terminals: fs_stdio.c, pty.h */
	struct stdio *stdio[3];
	struct tty *host_tty; /* a reference; NULL: vmbox runs on none; immutable after the start */
	struct pts_fs *pts;   /* /dev/pts; immutable */
	_Atomic unsigned nfiles;
	unsigned max_files;          /* immutable: a share of the guest's memory */
	_Atomic unsigned nwatches;   /* files in epolls */
	unsigned max_watches;        /* immutable: as max_files */
	_Atomic unsigned npolled;    /* entries of unfinished poll and select calls */
	unsigned max_polled;         /* immutable */
	_Atomic uint64_t proc_bytes; /* texts of open /proc files */
	_Atomic uint64_t cold_bytes; /* buffers of reads that wait for the host */
	uint64_t max_cold;           /* immutable: a share of the guest's memory */
	_Atomic unsigned nhostfds;
	_Atomic bool remote;  /* there is a device with host_is_remote(); never again false */
	unsigned max_hostfds; /* immutable */
};

/* ---- vfs_dcache.c ---- */

void vfs_lock(struct vfs *v);
/* Unlocks, then frees the inodes whose last reference went meanwhile. */
void vfs_unlock(struct vfs *v);

/* One reference; nlink 1, times now. ino 0: the next of the super. i is embedded in the file
 * system's own. */
void inode_init(struct inode *i, struct super *sb, const struct inode_ops *ops, uint32_t mode,
		uint64_t ino);
struct inode *inode_get(struct inode *i);
void inode_put(struct inode *i); /* NULL allowed; vfs->lock not held */
void inode_put_locked(struct inode *i);
/* sys_xattr.c: for inode_fini(). */
void inode_xattrs_free(struct inode *i);
/* For ops->free: destroys the lock. */
void inode_fini(struct inode *i);
void inode_now(struct timespec *ts);

/*
 * A dentry with one reference, not linked. Takes a reference on parent (NULL: it is a root; flags
 * D_ANON) and takes over the caller's reference on inode, also on failure. [V] NULL: no memory.
 */
struct dentry *dentry_alloc(struct dentry *parent, const char *name, size_t len,
			    struct inode *inode);
struct dentry *dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);
void dentry_put_locked(struct dentry *d);
/* [V] Puts d in its parent's list. pinned: the link holds one more reference. */
void dentry_link(struct dentry *d, bool pinned);
/* The cache's table, empty; the caller frees v->hash. 0 or -ENOMEM. */
int dcache_init(struct vfs *v);
/* [V] The link of a linked dentry holds a reference from here on. */
void dentry_pin(struct dentry *d);
/* [V] Takes it out (and drops the link's reference); deleted: it is gone for good. */
void dentry_unlink(struct dentry *d, bool deleted);
/* [V] Gives a linked dentry another name and parent. name is malloc'd and taken over. */
void dentry_move(struct dentry *d, struct dentry *parent, char *name, size_t len);
/* [V] With a reference, or NULL. */
struct dentry *dentry_find(struct dentry *parent, const char *name, size_t len);
/* [V] Frees unreferenced dentries until at most `keep` are left. */
void dentry_shrink(struct vfs *v, unsigned keep);
/* [V] The first child, in the order of cookies, and the next one. NULL: none. */
struct dentry *dentry_first(const struct dentry *dir);
struct dentry *dentry_next(struct dentry *d);
/* iterate() of directories whose dentries are all linked. */
int dcache_iterate(struct vfs_file *f, struct dir_emit *e, int64_t *pos);

void path_get(const struct path *p);
void path_put(struct path *p);
void path_put_locked(struct path *p);
/* [V] p's absolute name below root (NULL: the whole tree) into the end of buf: its start, or NULL:
 * too long. Not reachable: "(unreachable)". */
char *path_name(struct vfs *v, const struct path *p, const struct path *root, char *buf,
		size_t size);

/* ---- vfs_mount.c ---- */

/* A new super of device number 0:N. */
void super_init(struct super *sb, struct vfs *v, const struct super_ops *ops, unsigned flags,
		const char *source);
/* [V] Mounts sb, whose root is `root` (reference taken over), on `on` (NULL: as the root). NULL: no
 * memory. */
struct mount *mount_add(struct vfs *v, struct super *sb, struct dentry *root,
			const struct path *on);
/* [V] Follows mounts on p: p moves down. */
void mount_follow(struct vfs *v, struct path *p);

/* ---- vfs_layout.c ---- */

/* [V] The tree at the start, from k->cfg. */
int vfs_layout(struct vfs *v);

/* ---- vfs_perm.c ---- */

#define MAY_EXEC  1
#define MAY_WRITE 2
#define MAY_READ  4

/* A copy of the task's process's credentials. */
void task_cred(struct task *t, struct cred *c);
bool cred_in_group(const struct cred *c, uint32_t gid);
/* 0, -EACCES, -EROFS (a write to a file or directory of a read-only file system). */
int inode_permission(struct inode *i, const struct cred *c, unsigned mask);
/* May c remove `victim` from dir (write, search, sticky)? 0, -EACCES, -EPERM, -EROFS. */
int may_delete(struct inode *dir, struct inode *victim, const struct cred *c);
/* The set-id bits of i that a change by c takes away. */
uint32_t inode_setid_to_drop(struct inode *i, const struct cred *c);
/* file_remove_privs(): before t changes the data of d. 0; what setattr returns. */
int vfs_drop_setid(struct task *t, struct dentry *d);
bool inode_owner_or_root(struct inode *i, const struct cred *c);
/* fs_hostfile.c: the host's attributes, over what *a has. */
void attr_from_stat(struct vfs_attr *a, const struct stat *st);
/* Attributes, with defaults for what the file system does not fill in. */
int inode_getattr(struct inode *i, struct vfs_attr *a);

/* ---- vfs_file.c ---- */

extern const struct vfs_file_ops dir_file_ops;

/*
 * An open file on p (references taken): calls the inode's open. 0 and *out; -ENFILE, -ENOMEM, what
 * open says.
 */
int vfs_open_path(struct kernel *k, const struct path *p, unsigned flags, struct task *t,
		  struct file **out);
/* A file on a new anonymous dentry `name` over i (reference taken over, also on failure). ops->open
 * is not called. */
int vfs_open_anon(struct kernel *k, struct inode *i, const char *name,
		  const struct vfs_file_ops *ops, unsigned flags, struct vfs_file **out);
/* ops->core.release of files without a state of their own, and the last step of the others. */
void vfs_file_free(struct file *f);
/* SEEK_SET, CUR, END, DATA, HOLE over a size. The new position, or -EINVAL, -ENXIO. f->lock held.
 */
int64_t lseek_size(struct file *f, int64_t off, int whence, int64_t size);

/* ---- names in memory: fs_names.c ---- */

/* Takes bytes, or an inode of that size, from the super's budget. 0, -ENOSPC. */
int super_charge(struct super *sb, uint64_t bytes);
void super_uncharge(struct super *sb, uint64_t bytes);
int super_charge_inode(struct super *sb, uint64_t bytes);
void super_uncharge_inode(struct super *sb, uint64_t bytes);
/* [V] A pinned name in dir, which has none such. The caller's reference on i is taken over. *out
 * (may be NULL): the dentry with a reference. -ENOSPC, -ENOMEM. */
int memname_add(struct dentry *dir, const char *name, size_t len, struct inode *i,
		struct dentry **out);
/* [V] Takes a pinned name away, for good. */
void memname_drop(struct dentry *d);
/* [V] i's link count changes by n, its ctime is now. */
void memname_nlink(struct inode *i, int n);
/* [V] As inode_ops' rename, of pinned names; target goes by its directory's unlink op. */
int memname_rename(struct dentry *old, struct dentry *newdir, const char *newname, size_t len,
		   struct dentry *target, bool exchange);
/* i->lock held: s's attributes but the size into i; ctime is now. */
void inode_set_attr_locked(struct inode *i, const struct vfs_setattr *s);
/* inode_ops' setattr of what has no size: a pipe, a socket. -EINVAL: the size is to change. */
int inode_setattr_sizeless(struct dentry *d, const struct vfs_setattr *s);

/* ---- the file systems ---- */

/* An inode of sb (which charges it) that behaves as tmpfs's, in no directory. 0 and *out; -ENOSPC,
 * -ENOMEM. */
int ramfs_inode(struct super *sb, const struct inode_new *n, struct inode **out);
/* A new in-memory file system; *root its root directory (mode, root-owned) with a reference. 0,
 * -ENOMEM. */
int ramfs_create(struct vfs *v, const char *type, uint32_t mode, struct super **out,
		 struct dentry **root);
/* [V] An entry made by the VMM (directories, links). -ENOMEM, -EEXIST, -ENOSPC. *out may be NULL.
 */
int ramfs_make(struct dentry *dir, const char *name, uint32_t mode, const char *target,
	       struct dentry **out);
/* [V] Links an inode of any file system into dir. The caller's reference is taken over. */
int ramfs_place(struct dentry *dir, const char *name, struct inode *i, struct dentry **out);

enum hostfs_kind {
	HOSTFS_RDONLY,
	HOSTFS_OVERLAY, /* changes stay in memory */
	HOSTFS_WRITE,   /* changes go to the host */
};
/* The host's directory (or, for a bind, regular file) fd (O_PATH, taken over, also on failure) as a
 * file system. -ENOTDIR, -EACCES (a kernel file system), -ENFILE, -ENOMEM. */
int hostfs_create(struct vfs *v, int fd, enum hostfs_kind kind, struct super **out,
		  struct dentry **root);
/* [V] A directory or (type S_IFREG) file in memory that the host does not have, for a mount.
 * Reference in *out. */
int hostfs_mountpoint(struct dentry *dir, const char *name, uint32_t type, struct dentry **out);
bool super_is_host(const struct super *sb);
int procfs_create(struct vfs *v, struct super **out, struct dentry **root);
int sysfs_create(struct vfs *v, struct super **out, struct dentry **root);
int devfs_create(struct vfs *v, struct super **out, struct dentry **root);
/* fs_hostfile.c: a regular file of the host as an inode of sb; fd (readable) taken over, also on
 * failure. */
int hostfile_create(struct super *sb, int fd, struct inode **out);

/*
 * fs_anon.c: a file on no name, which /proc/PID/fd shows as "anon_inode:NAME"; flags: O_RDWR, ....
 * priv and stream are set. 0 and *out, -ENFILE, -ENOMEM.
 */
int anon_file(struct kernel *k, const char *name, const struct vfs_file_ops *ops, unsigned flags,
	      void *priv, struct file **out);
/* Linux's noop_llseek: there is no position, and nobody is told. */
/* The same in another of the file systems without names. */
int anon_file_kind(struct kernel *k, enum anon_kind kind, const char *name,
		   const struct vfs_file_ops *ops, unsigned flags, void *priv, struct file **out);
int64_t anon_lseek(struct file *f, int64_t off, int whence);

/* fs_pipe.c: both ends; flags: O_NONBLOCK or 0. 0, -ENFILE, -ENOMEM. */
int pipe_files(struct task *t, unsigned flags, struct file *out[2]);
/*
 * fs_fifo.c: opens f on the FIFO i of any file system: -ENXIO, -ENOMEM. It may then have to wait
 * for the other end: 0 when it has come; -EBLOCKED: the task is queued; -EAGAIN without a task.
 */
int fifo_open(struct inode *i, struct vfs_file *f);
int fifo_wait(struct file *f, struct sched_task *task);
/* The pipe behind one of its ends, which the file keeps; NULL: something else. */
struct pipe *pipe_of_file(const struct file *f);
/* F_GETPIPE_SZ (set 0), F_SETPIPE_SZ: the size; -EBADF: not a pipe; else as pipe_set_size. */
long pipe_file_size(struct file *f, uint64_t set);

/*
 * fs_stdio.c: the host's descriptors 0..2. All files over one share its wait queue and its watch on
 * the reactor.
 */
struct stdio {
	struct kernel *k;
	int fd;        /* borrowed */
	int io_fd;     /* fd; or a terminal's own non-blocking description, opened by us */
	uint32_t type; /* S_IFMT of the host's file */
	bool tty;
	struct waitq wq;
	struct async_list async;
	struct watch *watch; /* NULL: always ready */
	struct watch *edge;  /* for lasting interest; NULL: none yet; protected by inode->lock */
	struct inode *inode; /* a reference */
};
/* Makes f, being opened on an inode of /dev, a file over the host's terminal. -ENXIO: none is open
 * in that mode. */
int stdio_attach_ctty(struct vfs_file *f);
void stdio_destroy(struct vfs *v);

/* vfs_lock.c: [no lock] drops f's flock. */
void flock_release(struct file *f);
void inode_locks_free(struct inode *i);
/* fcntl's F_*LK* commands. As fcntl(2), or -EBLOCKED. */
long fcntl_lock(struct task *t, struct call *c, struct file *f, int cmd, uint64_t arg);

#endif
