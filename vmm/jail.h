/*
 * The confinement of vmbox itself: what it may ask of the host once the guest runs.
 *
 * Owns nothing. A filter of system calls (seccomp) that holds for all
 * threads and can never be taken off: only what the running machine needs, new threads but no
 * processes, no other program, no sockets, no tracing. What is not on the list is EPERM; what only
 * an attacker would try kills vmbox. A filter does not see paths: which files may be opened
 * landlock.h says, where the kernel has that.
 */
#ifndef VMBOX_JAIL_H
#define VMBOX_JAIL_H

#include "landlock.h"

/*
 * From here on, for this thread, which is the only one yet, and those that it makes; sets
 * no_new_privs. Files are opened beneath the n trees alone. 0; or a negative errno: -EINVAL,
 * -ENOSYS: this kernel has no such filters; or landlock_enter's. Builds with a sanitizer, whose
 * runtime does more, are not confined: 0.
 */
int jail_enter(const struct landlock_tree *trees, size_t n);

#endif
