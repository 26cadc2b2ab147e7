/*
 * The confinement of vmbox itself: what it may ask of the host once the guest runs.
 *
 * Owns nothing. A filter of system calls (seccomp) that holds for all threads and can never be
 * taken off: only what the running machine needs, new threads but no processes, no other program,
 * no sockets, no tracing. What is not on the list is EPERM; what only an attacker would try kills
 * vmbox. A filter does not see paths: which files are opened is the file systems' affair.
 */
#ifndef VMBOX_JAIL_H
#define VMBOX_JAIL_H

/*
 * From here on, for this thread and all others, those not yet made included; sets no_new_privs. 0;
 * or a negative errno: -EINVAL, -ENOSYS: this kernel has no such filters. Builds with a sanitizer,
 * whose runtime does more, are not confined: 0.
 */
int jail_enter(void);

#endif
