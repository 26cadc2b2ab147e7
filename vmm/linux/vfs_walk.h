/*
 * Path walking, component by component.
 *
 * A walker stands in a directory with the last component not yet looked up, so that callers can
 * open, create or remove it; it holds vfs->lock from walk_begin() to walk_end(), but lets go of it
 * around what may take long: /proc's own look-ups, and questions to the host. So what it has passed
 * may be renamed or removed meanwhile, as on Linux; it has references. Who is to change a name
 * holds the names of that directory's super from walk_hold_names() on. Symbolic links are
 * interpreted here, in the guest's name space;
 * ".." never leaves the task's root. path_resolution(7).
 */
#ifndef VMBOX_LINUX_VFS_WALK_H
#define VMBOX_LINUX_VFS_WALK_H

#include "vfs_inode.h"

#include <fcntl.h>

#define WALK_FOLLOW   1 /* the last component too */
#define WALK_EMPTY    2 /* AT_EMPTY_PATH */
#define WALK_REAL_IDS 4 /* access(2) */
#define WALK_DIR      8 /* -ENOTDIR unless it is a directory */
#define WALK_NESTED                                                                                \
	16 /* a second walk: the caller's other walker holds the lock; end with walk_end2 */

/* openat2(2)'s RESOLVE_* in walk_begin's flags. */
#define WALK_RESOLVE(resolve) ((unsigned)(resolve) << 8)

enum walk_last { WALK_LAST_NAME, WALK_LAST_DOT, WALK_LAST_DOTDOT, WALK_LAST_ROOT };

struct walker {
	struct vfs *v;
	struct task *t;
	struct cred cred;
	struct path root;     /* a reference */
	struct path at;       /* a reference: the directory that `last` is in */
	struct file *dirfile; /* a reference or NULL */
	unsigned nlinks, depth;
	unsigned resolve;    /* RESOLVE_* */
	uint64_t nmoves;     /* vfs's, when the walk began */
	struct super *names; /* its names_lock is held; NULL: none's */
	struct walk_frame {
		char *body; /* owned, or NULL: the caller's string */
		const char *rest;
	} stack[VFS_LINKS_MAX + 1];
	char last[VFS_NAME_MAX + 1];
	size_t last_len;
	enum walk_last type;
	bool is_last;
	bool slash;   /* the path ends in '/' */
	bool missing; /* walk_last found no such name in `at`; all else exists */
	bool nested;  /* the lock is another walker's */
};

/*
 * Walks to the directory of path's last component. path must live until walk_end(), which is called
 * after a failure too. 0; -ENOENT (empty, or a component is missing), -ENOTDIR, -EACCES, -ELOOP,
 * -ENAMETOOLONG, -EBADF (dirfd), -ENOMEM, -EIO; -EXDEV, -ELOOP and -EAGAIN as openat2(2).
 */
int walk_begin(struct walker *w, struct task *t, int dirfd, const char *path, unsigned flags);
/*
 * Looks the last component up; *out gets a reference. With follow (or a trailing slash) a link is
 * followed, and then w->at and w->last are where it led. -ENOENT: nothing of that name in w->at;
 * else as walk_begin.
 */
int walk_last(struct walker *w, bool follow, struct path *out);
/* The same, but a link is never followed and need not be a directory: the caller looks at w->slash.
 */
int walk_last_itself(struct walker *w, struct path *out);
/*
 * [V, let go of] From here to walk_end() nobody else makes, moves or removes names in w->at's
 * super. Before walk_last(), by who will; not twice, and not in a nested walk. 0; -EHOSTWAIT:
 * somebody who holds them waits for the host.
 */
int walk_hold_names(struct walker *w);
/* walk_begin for the VMM, as root and with no process: path is absolute. [V] */
int walk_begin_root(struct walker *w, struct vfs *v, const char *path);
void walk_end_root(struct walker *w); /* the lock stays */
/* Unlocks and releases everything. */
void walk_end(struct walker *w);
/* Ends a nested walk and the one that it is nested in. */
void walk_end2(struct walker *outer, struct walker *inner);

/*
 * [V, let go of] Makes w->last in w->at, which walk_last did not find there: mode with the type
 * (the umask is applied), target for a link. Holds the names, if the caller does not yet. *out has
 * a reference. -EROFS, -EACCES, -ENOENT (the directory was removed), -EPERM, -EEXIST (it is there
 * by now), -ENOSPC, -ENOMEM.
 */
int vfs_create_at(struct walker *w, uint32_t mode, const char *target, struct dentry **out);

/* All of it, unlocked at return: *out has a reference. Also -EBADF, -ENOTDIR for WALK_EMPTY's
 * descriptor. */
int vfs_path_at(struct task *t, int dirfd, const char *path, unsigned flags, struct path *out);

/* A path from the guest into buf[VFS_PATH_MAX]. 0, -EFAULT, -ENAMETOOLONG; -ENOENT: empty and
 * !empty_ok. */
int get_path(struct task *t, uint64_t addr, char *buf, bool empty_ok);

#endif
