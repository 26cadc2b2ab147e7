/*
 * epoll(7): lasting interest in files.
 *
 * An epoll watches files through items. An item has a watch on each wait queue that its file's poll
 * depends on; a wake puts the item on the ready list, and only items of that list are polled again:
 * the cost of a wait is what is ready, not what is watched.
 *
 * Locks: epoll->mtx protects the items; it is held while files are polled, so it is above every
 * lock that a poll takes (tree_lock and siglock included), and a nested epoll's mtx is below that
 * of the one that watches it. epoll->lock protects the ready list and what a wake reads of an item;
 * it is taken under a waitq's lock and is a leaf. files_lock, the module's, protects who watches
 * whom: each file's list of items, and the check that epolls watch epolls in no circle and in no
 * chain of more than EPOLL_NESTS steps. Order: mtx > what polls take > waitq->lock > epoll->lock;
 * mtx > files_lock.
 *
 * Items have no reference to their file: its last close removes them (file->forget), as late as the
 * last descriptor anywhere, so that a dup keeps an item alive, as on Linux. An epoll that another
 * one watches with EPOLLET gives an edge when it becomes ready, not for each event while it is.
 */
#ifndef VMBOX_LINUX_EPOLL_H
#define VMBOX_LINUX_EPOLL_H

#include "vfs_inode.h"

#define EPOLL_NESTS 4

struct epoll;

/* What epoll_ctl takes and epoll_wait gives, whatever the guest's layout is. */
struct epoll_event_k {
	uint32_t events;
	uint64_t data;
};

/* A new epoll: 0 and *out; -ENFILE, -ENOMEM. */
int epoll_file(struct kernel *k, struct file **out);
/* NULL: f is no epoll. */
struct epoll *epoll_of(const struct file *f);

/*
 * EPOLL_CTL_ADD, MOD, DEL of (f, fd) in the epoll that epf is; the caller holds references to both.
 * As epoll_ctl(2): -EEXIST, -ENOENT, -ELOOP, -ENOSPC, -ENOMEM, -EPERM (f cannot be watched),
 * -EINVAL (epf itself, a wrong EPOLLEXCLUSIVE).
 */
int epoll_add(struct file *epf, struct file *f, int fd, const struct epoll_event_k *ev);
int epoll_mod(struct file *epf, struct file *f, int fd, const struct epoll_event_k *ev);
int epoll_del(struct file *epf, struct file *f, int fd);

/*
 * Gives up to max ready events, each to put(arg, i, ev): a negative errno of put ends the
 * collection, and its event is not lost. How many were put, or put's error at the first.
 */
int epoll_collect(struct epoll *ep, int max,
		  int (*put)(void *arg, int i, const struct epoll_event_k *ev), void *arg);
/* Where epoll_wait waits: exclusively, and then collects. */
struct waitq *epoll_queue(struct epoll *ep);

/* ARCH/fs_arch.c: struct epoll_event. */
extern const unsigned arch_epoll_event_size, arch_epoll_data_offset;

#endif
