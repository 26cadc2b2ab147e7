/*
 * Users and groups of the host by name: options alone ask, before there are threads.
 *
 * From /etc/passwd and /etc/group. What else the C library might ask (nsswitch.conf(5)) it loads as
 * libraries, which a program that is linked statically has not.
 */
#ifndef VMBOX_HOST_USER_H
#define VMBOX_HOST_USER_H

#include <grp.h>
#include <pwd.h>

/* The user of that name, or with that ID if name is NULL; NULL: none. Lasts until the next call. */
const struct passwd *host_user(const char *name, uid_t uid);
const struct group *host_group(const char *name);

#endif
