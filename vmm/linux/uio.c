/*
 * Transfers from and to guest memory.
 */
#include "uio.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Linux's access_ok: the whole range is below the end of user addresses. */
static bool range_ok(uint64_t base, uint64_t len)
{
	return len <= ABI_USER_END && base <= ABI_USER_END - len;
}

static ssize_t uio_copy(struct xfer *x, void *buf, size_t len)
{
	struct uio *u = container_of(x, struct uio, x);
	ssize_t total = 0;

	if (len > x->left)
		len = x->left;
	while (len) {
		struct uio_seg *s = &u->segs[u->seg];
		size_t n = s->len - u->off < len ? s->len - u->off : len;
		gva_t at = gva(s->base + u->off);
		ssize_t got = 0;

		if (n) {
			got = u->to_guest ? copy_to_guest_partial(u->mm, at, buf, n)
					  : copy_from_guest_partial(u->mm, buf, at, n);
			if (got <= 0)
				return total ? total : -EFAULT;
		}
		u->off += (size_t)got;
		x->left -= (size_t)got;
		total += got;
		len -= (size_t)got;
		buf = (uint8_t *)buf + got;
		if ((size_t)got < n)
			return total;
		if (u->off == s->len && x->left) {
			u->seg++;
			u->off = 0;
		}
	}
	return total;
}

void xfer_back(struct xfer *x, size_t n)
{
	struct uio *u;

	x->left += n;
	if (x->copy != uio_copy) {
		container_of(x, struct xfer_buf, x)->buf -= n;
		return;
	}
	u = container_of(x, struct uio, x);
	while (n > u->off) {
		n -= u->off;
		u->seg--;
		u->off = u->segs[u->seg].len;
	}
	u->off -= n;
}

int uio_init(struct uio *u, struct mm *mm, bool to_guest, uint64_t base, uint64_t len)
{
	memset(u, 0, sizeof(*u));
	u->mm = mm;
	u->to_guest = to_guest;
	u->x.copy = uio_copy;
	u->segs = &u->one;
	u->nsegs = 1;
	if (!range_ok(base, len))
		return -EFAULT;
	if (len > UIO_MAX_RW)
		len = UIO_MAX_RW;
	u->one = (struct uio_seg){base, len};
	u->x.left = len;
	return 0;
}

int uio_init_iov(struct uio *u, struct mm *mm, bool to_guest, gva_t iov, uint64_t count)
{
	uint64_t total = 0;
	int err = 0;

	memset(u, 0, sizeof(*u));
	u->mm = mm;
	u->to_guest = to_guest;
	u->x.copy = uio_copy;
	u->segs = &u->one;
	if (count > UIO_MAXIOV)
		return -EINVAL;
	u->nsegs = (unsigned)count;
	if (!count)
		return 0;
	if (count > 1) {
		u->segs = malloc(count * sizeof(*u->segs));
		if (!u->segs) {
			u->segs = &u->one;
			return -ENOMEM;
		}
	}
	/* struct iovec is two 64-bit words, as uio_seg is. */
	if (copy_from_guest(mm, u->segs, iov, count * sizeof(*u->segs)))
		err = -EFAULT;
	for (uint64_t i = 0; i < count && !err; i++) {
		struct uio_seg *s = &u->segs[i];

		if (s->len > SSIZE_MAX)
			err = -EINVAL;
		else if (!range_ok(s->base,
				   count == 1 && s->len > UIO_MAX_RW ? UIO_MAX_RW : s->len))
			err = -EFAULT; /* a single buffer is cut before it is checked, as Linux does
					*/
		else if (s->len > UIO_MAX_RW - total)
			s->len = UIO_MAX_RW - total;
		total += s->len;
	}
	u->x.left = total;
	if (err)
		uio_fini(u);
	return err;
}

void uio_fini(struct uio *u)
{
	if (u->segs && u->segs != &u->one)
		free(u->segs);
	u->segs = &u->one;
	u->nsegs = 0;
	u->x.left = 0;
}
