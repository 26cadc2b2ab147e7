/*
 * The character devices of /dev that need nobody's help: null, zero, full, random, urandom.
 *
 * A device is a pair of functions on host memory. They keep no state, never block and may
 * be called from any thread at once. Who shows them to the guest gives them their place
 * in its file system.
 */
#ifndef VMBOX_DEVICES_CHARDEV_H
#define VMBOX_DEVICES_CHARDEV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct chardev {
	const char *name;      /* in /dev */
	unsigned major, minor; /* Linux's, Documentation/admin-guide/devices.txt */
	uint32_t mode;         /* permissions */
	/* Bytes moved (0: end of file), or a negative errno. See null(4), full(4), random(4). */
	ssize_t (*read)(void *buf, size_t len);
	ssize_t (*write)(const void *buf, size_t len);
};

/* Calls add for each device until one does not return 0; returns what the last call did. */
int chardev_register_all(int (*add)(void *arg, const struct chardev *d), void *arg);

#endif
