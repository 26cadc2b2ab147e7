/*
 * Which files vmbox may open once the guest runs: those that it was given, and no other.
 *
 * Owns nothing. Landlock (landlock(7)) says for each file whether it lies beneath a directory
 * that was permitted, whatever descriptor or path leads there; what is open already stays
 * open. It knows opening, making, removing and moving; not stat, chmod, chown, utimes and extended
 * attributes, which the file systems alone keep within their trees. It also keeps vmbox from
 * connecting TCP sockets and from signalling and meeting other processes, where the kernel has
 * that.
 */
#ifndef VMBOX_LANDLOCK_H
#define VMBOX_LANDLOCK_H

#include <stdbool.h>
#include <stddef.h>

struct landlock_tree {
	int fd; /* a directory or a regular file, O_PATH is enough; borrowed */
	bool writable;
};

/* ABI 1 forbids every rename and link from one directory to another: no use. */
#define LANDLOCK_ABI_MIN 2

/* The kernel's version of Landlock, > 0; -ENOSYS: it has none; -EOPNOTSUPP: it was not enabled when
 * it booted. */
int landlock_abi(void);

/*
 * From here on this thread, and those that it makes, may open nothing but what lies in the n trees:
 * call it while there is one thread. Sets no_new_privs. 0, also where the kernel's Landlock is
 * missing or older than LANDLOCK_ABI_MIN: then nothing is restricted. -EBADFD: one of the
 * descriptors is of no file system that has names; -E2BIG: 16 times already; -ENOMEM.
 */
int landlock_enter(const struct landlock_tree *trees, size_t n);

#endif
