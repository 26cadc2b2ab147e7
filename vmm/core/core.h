/*
 * What every core module shares: the "blocked" result, time, and transfers.
 *
 * vmm/core holds OS-neutral objects. It includes nothing but libc: no KVM, no
 * guest memory, no POSIX policy. Results are negative errno; -EBLOCKED is the
 * one value beyond errno: "the caller's waiters are queued, run me again when
 * it wakes".
 */
#ifndef VMBOX_CORE_H
#define VMBOX_CORE_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

/* A handler queued its task and must be run again; never seen by a guest. */
#define EBLOCKED 600

#define TIME_NEVER INT64_MAX

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_SIZE(a)                   (sizeof(a) / sizeof((a)[0]))

/* Absolute CLOCK_MONOTONIC of the host, in ns. */
int64_t core_now(void);

/* at >= 0 and ns later: TIME_NEVER where that is no time any more, `at` if ns is negative. */
static inline int64_t time_add(int64_t at, int64_t ns)
{
	return ns < 0 ? at : at > TIME_NEVER - ns ? TIME_NEVER : at + ns;
}

/* The same for what comes in any case, however late: never TIME_NEVER. */
static inline int64_t time_add_ever(int64_t at, int64_t ns)
{
	int64_t t = time_add(at, ns);

	return t < TIME_NEVER ? t : TIME_NEVER - 1;
}

/*
 * A transfer: where a read's bytes go or a write's bytes come from, without
 * knowing what memory that is. Owned by the caller; one thread uses it.
 */
struct xfer {
	/*
	 * Moves up to len bytes between buf and the other side (direction is the
	 * owner's knowledge) and advances. Returns the bytes moved, which is
	 * short only where the other side cannot be accessed, or -EFAULT if that
	 * is the first byte. Never blocks.
	 */
	ssize_t (*copy)(struct xfer *x, void *buf, size_t len);
	size_t left; /* bytes that may still be moved; copy keeps it */
	bool at_pos; /* a write to a file opened to append goes to its position all the same */
};

/* A transfer from or to a plain buffer of the host. */
struct xfer_buf {
	struct xfer x;
	uint8_t *buf;
};
/* buf is the destination of an outgoing (read) transfer. */
void xfer_buf_init_read(struct xfer_buf *x, void *dst, size_t len);
/* buf is the source of an incoming (write) transfer. */
void xfer_buf_init_write(struct xfer_buf *x, const void *src, size_t len);

#endif
