/* What the tests of pipes share: a pipe, and tasks at its ends that the test steps by hand. */
#ifndef VMBOX_TESTS_CORE_PIPE_H
#define VMBOX_TESTS_CORE_PIPE_H

#include "core_test.h"

struct scene {
	struct world w;
	struct pipe *p;
	struct sched_task t[4];
};

static inline int set_up(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	world_open(&s->w, 1);
	s->p = pipe_create();
	*state = s;
	return s->p ? 0 : -1;
}

/* The ends that a test has closed itself are closed through s->p = NULL. */
static inline int tear_down(void **state)
{
	struct scene *s = *state;

	if (s->p) {
		pipe_reader_put(s->p);
		pipe_writer_put(s->p);
	}
	world_close(&s->w);
	free(s);
	assert_int_equal(pipe_budget_used(), 0);
	pipe_set_budget(PIPE_BUDGET_PAGES);
	return 0;
}

static inline void take(struct scene *s, int i)
{
	assert_ptr_equal(world_next(&s->w, 0), &s->t[i]);
	sched_prepare(&s->t[i]);
}

static inline void take_none(struct scene *s)
{
	assert_null(world_next(&s->w, 0));
}

static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
static char big[300000], back[300000];

static inline void fill_big(void)
{
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 31 + i / 4096);
}

/* A task that is blocked in a write of n bytes of `big`; how many it has written. */
static inline size_t block_writer(struct scene *s, int i, struct xfer_buf *x, size_t n)
{
	world_run(&s->w, &s->t[i]);
	xfer_buf_init_write(x, big, n);
	assert_int_equal(pipe_write(s->p, &x->x, n, &s->t[i]), -EBLOCKED);
	assert_true(sched_block(&s->t[i]));
	return n - x->x.left;
}

/* A source whose memory ends after `good` bytes. */
struct bad_source {
	struct xfer x;
	size_t good;
};

static inline ssize_t bad_copy(struct xfer *x, void *buf, size_t len)
{
	struct bad_source *b = container_of(x, struct bad_source, x);

	if (len > b->good)
		len = b->good;
	if (!len)
		return -EFAULT;
	memset(buf, 'z', len);
	b->good -= len;
	x->left -= len;
	return (ssize_t)len;
}

#endif
