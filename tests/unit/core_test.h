/*
 * What the tests of vmm/core share: a scheduler without threads, that the test drives by hand
 * (sched_next, sched_prepare, sched_block, timers_run), so that every race happens in the
 * order that the test writes down.
 */
#ifndef VMBOX_TESTS_CORE_TEST_H
#define VMBOX_TESTS_CORE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../vmm/core/file.h"
#include "../../vmm/core/pipe.h"
#include "../../vmm/core/sched.h"

struct world {
	struct timers *timers;
	struct sched *sched;
	_Atomic unsigned kicks;
	_Atomic int kicked_cpu; /* the last one; -1: none */
};

static inline void world_kick(void *arg, unsigned cpu)
{
	struct world *w = arg;

	w->kicks++;
	w->kicked_cpu = (int)cpu;
}

static inline void world_open(struct world *w, unsigned cpus)
{
	*w = (struct world){.kicked_cpu = -1};
	w->timers = timers_create(NULL, NULL);
	assert_non_null(w->timers);
	w->sched = sched_create(cpus, w->timers, world_kick, w);
	assert_non_null(w->sched);
}

static inline void world_close(struct world *w)
{
	sched_destroy(w->sched);
	timers_destroy(w->timers);
}

static inline struct sched_task *world_next(struct world *w, unsigned cpu)
{
	return sched_next(w->sched, cpu, false);
}

/* A started task, in the hands of the test, as if it ran on vCPU 0. */
static inline void world_run(struct world *w, struct sched_task *t)
{
	sched_task_init(t, w->sched);
	sched_start(t);
	assert_ptr_equal(world_next(w, 0), t);
	sched_prepare(t);
}

/* Ends a task that the test holds. */
static inline void world_end(struct sched_task *t)
{
	sched_exit(t);
	sched_task_fini(t);
}

/* ---- pipes ---- */

static inline ssize_t read_some(struct pipe *p, void *buf, size_t n, struct sched_task *t)
{
	struct xfer_buf x;

	xfer_buf_init_read(&x, buf, n);
	return pipe_read(p, &x.x, t);
}

static inline ssize_t write_some(struct pipe *p, const void *buf, size_t n, struct sched_task *t)
{
	struct xfer_buf x;

	xfer_buf_init_write(&x, buf, n);
	return pipe_write(p, &x.x, n, t);
}

/* A new task that is blocked in a read of one byte. */
static inline void block_reader(struct world *w, struct sched_task *t, struct pipe *p)
{
	char c;

	world_run(w, t);
	assert_int_equal(read_some(p, &c, 1, t), -EBLOCKED);
	assert_true(sched_block(t));
}

/* Fills the pipe; how many bytes it took. */
static inline size_t fill_pipe(struct pipe *p)
{
	static const char bytes[PIPE_ATOMIC];
	size_t total = 0;
	ssize_t n;

	while ((n = write_some(p, bytes, sizeof(bytes), NULL)) > 0)
		total += (size_t)n;
	assert_int_equal(n, -EAGAIN);
	return total;
}

/* ---- a pipe's ends as files, with the hooks that count them ---- */

struct pipe_end {
	struct file file;
	struct pipe *pipe;
	bool writer;
};

static inline void pipe_end_dup(struct file *f)
{
	struct pipe_end *e = container_of(f, struct pipe_end, file);

	(e->writer ? pipe_writer_get : pipe_reader_get)(e->pipe);
}

static inline void pipe_end_close(struct file *f)
{
	struct pipe_end *e = container_of(f, struct pipe_end, file);

	(e->writer ? pipe_writer_put : pipe_reader_put)(e->pipe);
}

static inline void pipe_end_release(struct file *f)
{
	file_fini(f);
	free(container_of(f, struct pipe_end, file));
}

static const struct file_ops pipe_end_ops = {
	.on_dup = pipe_end_dup,
	.on_close = pipe_end_close,
	.release = pipe_end_release,
};

static inline struct file *pipe_end_open(struct pipe *p, bool writer)
{
	struct pipe_end *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	file_init(&e->file, &pipe_end_ops, 0);
	e->pipe = p;
	e->writer = writer;
	return &e->file;
}

/* pipe(2) into a table: fd[0] reads, fd[1] writes. */
static inline struct pipe *pipe_open(struct fdtable *t, int fd[2])
{
	struct pipe *p = pipe_create();
	struct file *f[2];

	assert_non_null(p);
	f[0] = pipe_end_open(p, false);
	f[1] = pipe_end_open(p, true);
	for (int i = 0; i < 2; i++) {
		fd[i] = fdtable_install(t, f[i], 0, 1024, false);
		assert_true(fd[i] >= 0);
	}
	return p;
}

#endif
