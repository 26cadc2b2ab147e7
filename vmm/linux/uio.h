/*
 * Transfers from and to guest memory: an xfer over a list of guest buffers.
 *
 * A uio belongs to one call and is made on its first run, after the iovec was
 * copied and checked once.
 */
#ifndef VMBOX_LINUX_UIO_H
#define VMBOX_LINUX_UIO_H

#include "../core/core.h"
#include "../../paging/mm.h"

#define UIO_MAXIOV 1024
#define UIO_MAX_RW 0x7ffff000UL /* MAX_RW_COUNT: longer transfers are cut to it */

struct uio_seg {
	uint64_t base, len;
};

struct uio {
	struct xfer x; /* first */
	struct mm *mm; /* borrowed: the task's */
	bool to_guest;
	unsigned seg, nsegs;
	uint64_t off;         /* within the current segment */
	struct uio_seg *segs; /* &one, or allocated */
	struct uio_seg one;
};

/* One buffer. 0; -EFAULT: not a user range (as access_ok), which every length over SSIZE_MAX is. */
int uio_init(struct uio *u, struct mm *mm, bool to_guest, uint64_t base, uint64_t len);
/* readv/writev's list at iov (guest address): copied. 0, -EINVAL (count, total), -EFAULT, -ENOMEM.
 */
int uio_init_iov(struct uio *u, struct mm *mm, bool to_guest, gva_t iov, uint64_t count);
void uio_fini(struct uio *u);

/*
 * Takes back the last n bytes that x's copy moved, so that they move again: for what is read from
 * the guest and then not accepted. x is a uio's or an xfer_buf's.
 */
void xfer_back(struct xfer *x, size_t n);

#endif
