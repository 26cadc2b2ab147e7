/*
 * Open file descriptions and descriptor tables.
 *
 * A struct file is an open file description: shared, refcounted. Every
 * reference is a descriptor reference: a slot of some table, a call in
 * flight, or a message in transit. ops->on_dup and ops->on_close fire for
 * each reference made and dropped, whatever the reason (dup, fork, close-on-exec,
 * close, exit), so that a pipe knows its readers and writers across
 * all processes. ops->release follows the last on_close.
 *
 * file->lock protects pos. fdtable->lock protects the slots. on_dup runs
 * under fdtable->lock where a slot is duplicated: made later, the copy of the last
 * writer could be counted after that writer's close. So on_dup only counts, and takes
 * no lock above the objects'. on_close and release never run under it.
 */
#ifndef VMBOX_CORE_FILE_H
#define VMBOX_CORE_FILE_H

#include "core.h"

struct file;

/*
 * The core calls only the first three. The personality extends the structure by embedding it as the
 * first member of its own operations (struct vfs_file_ops).
 */
struct file_ops {
	void (*on_dup)(struct file *f);   /* may be NULL; never blocks, see above */
	void (*on_close)(struct file *f); /* may be NULL */
	void (*release)(struct file *f);  /* frees f's owner; may not be NULL */
};

struct file {
	/* immutable after init: */
	const struct file_ops *ops;
	_Atomic unsigned refs;
	pthread_mutex_t lock;
	/* protected by lock: */
	int64_t pos;
	/* O_* status flags and access mode; changed by F_SETFL only, without the lock */
	_Atomic unsigned flags;
	/*
	 * Set once by who keeps a pointer to f without a reference (epoll): called after the last
	 * on_close and before release; what release frees is there until it returns.
	 */
	void (*_Atomic forget)(struct file *f);
	/* The same for who is told of its events (O_ASYNC). */
	void (*_Atomic disown)(struct file *f);
};

/* One reference, for the caller. on_dup does not fire for it; on_close will. */
void file_init(struct file *f, const struct file_ops *ops, unsigned flags);
/* For release: destroys the lock. */
void file_fini(struct file *f);
/* Another reference; fires on_dup. Returns f. */
struct file *file_dup(struct file *f);
/* Drops a reference; fires on_close, and release at the last. f may be NULL. */
void file_close(struct file *f);

struct fdtable;

/* max: the largest number of descriptors that any table may grow to (RLIMIT_NOFILE's hard ceiling).
 * NULL: no memory. */
struct fdtable *fdtable_create(unsigned max);
struct fdtable *fdtable_get(struct fdtable *t); /* CLONE_FILES */
/* At the last reference closes everything. t may be NULL. */
void fdtable_put(struct fdtable *t);
/* How many processes share it. */
unsigned fdtable_refs(const struct fdtable *t);
/* fork: a new table whose slots share the descriptions. NULL: no memory. */
struct fdtable *fdtable_clone(struct fdtable *t);

/* The description of fd with a new reference, or NULL (EBADF). */
struct file *fdtable_lookup(struct fdtable *t, int fd);

/*
 * Installs f (the caller's reference moves into the table) at the lowest free number
 * >= min and < limit. fd; -EMFILE; -ENOMEM; -EINVAL: min < 0, or min > 0 and min >= limit
 * (F_DUPFD's rule; with min 0 no room is EMFILE). On error the caller keeps its reference.
 */
int fdtable_install(struct fdtable *t, struct file *f, int min, unsigned limit, bool cloexec);
/* Would fdtable_install(t, f, 0, limit, ...) fail with -EMFILE now? */
bool fdtable_full(struct fdtable *t, unsigned limit);
/*
 * A number that is told before it means anything: from here to fdtable_fill() or
 * fdtable_unreserve() it is taken, but not open, so that nobody else can close it and have it mean
 * something else. The lowest free number < limit; -EMFILE; -ENOMEM.
 */
int fdtable_reserve(struct fdtable *t, unsigned limit, bool cloexec);
/* It is f, whose reference moves into the table. */
void fdtable_fill(struct fdtable *t, int fd, struct file *f);
void fdtable_unreserve(struct fdtable *t, int fd);
/*
 * dup2/dup3: newfd becomes another descriptor of oldfd's description; what newfd was is closed.
 * newfd; -EBADF (oldfd not open, newfd out of range or >= limit); -EBUSY: newfd is reserved;
 * -ENOMEM. oldfd == newfd: newfd,
 * nothing changes.
 */
int fdtable_dup2(struct fdtable *t, int oldfd, int newfd, unsigned limit, bool cloexec);
/* The same, and what newfd was (or NULL) is the caller's to close: *replaced. */
int fdtable_dup2_take(struct fdtable *t, int oldfd, int newfd, unsigned limit, bool cloexec,
		      struct file **replaced);
/* 0 or -EBADF. */
int fdtable_close(struct fdtable *t, int fd);
/* The descriptor is free; the file is the caller's to close. NULL: not open. */
struct file *fdtable_take(struct fdtable *t, int fd);
/* The same with the first descriptor from *fd to last that is open (and close-on-exec); *fd becomes
 * the next. NULL: none. */
struct file *fdtable_take_next(struct fdtable *t, unsigned *fd, unsigned last, bool only_cloexec);
/* Closes (or with set_cloexec only marks) first..last inclusive. */
void fdtable_close_range(struct fdtable *t, unsigned first, unsigned last, bool set_cloexec);
/* exec: closes every close-on-exec descriptor. */
void fdtable_close_exec(struct fdtable *t);
/* 0/1, or -EBADF. */
int fdtable_get_cloexec(struct fdtable *t, int fd);
int fdtable_set_cloexec(struct fdtable *t, int fd, bool cloexec);
/* The lowest open fd >= from, or -1: for /proc/PID/fd. */
int fdtable_next(struct fdtable *t, int from);
/* How many descriptors it has room for before it must grow. */
unsigned fdtable_size(struct fdtable *t);

#endif
