/* Time and plain-buffer transfers: see core.h. */
#include "core.h"

#include <string.h>
#include <time.h>

int64_t core_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static size_t xfer_buf_chunk(const struct xfer *x, size_t len)
{
	return len < x->left ? len : x->left;
}

static ssize_t xfer_buf_copy_out(struct xfer *x, void *buf, size_t len)
{
	struct xfer_buf *b = container_of(x, struct xfer_buf, x);
	size_t n = xfer_buf_chunk(x, len);

	if (n)
		memcpy(b->buf, buf, n);
	b->buf += n;
	x->left -= n;
	return (ssize_t)n;
}

static ssize_t xfer_buf_copy_in(struct xfer *x, void *buf, size_t len)
{
	struct xfer_buf *b = container_of(x, struct xfer_buf, x);
	size_t n = xfer_buf_chunk(x, len);

	if (n)
		memcpy(buf, b->buf, n);
	b->buf += n;
	x->left -= n;
	return (ssize_t)n;
}

void xfer_buf_init_read(struct xfer_buf *x, void *dst, size_t len)
{
	x->x.copy = xfer_buf_copy_out;
	x->x.left = len;
	x->x.at_pos = false;
	x->buf = dst;
}

void xfer_buf_init_write(struct xfer_buf *x, const void *src, size_t len)
{
	x->x.copy = xfer_buf_copy_in;
	x->x.left = len;
	x->x.at_pos = false;
	/* copy_in only reads it; one struct serves both directions. */
	x->buf = (uint8_t *)(uintptr_t)src;
}
