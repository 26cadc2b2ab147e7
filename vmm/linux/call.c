/*
 * The life of a call.
 */
#include "away.h"
#include "task.h"
#include "trace.h"
#include "../core/workpool.h"

#include <stdlib.h>
#include <string.h>

void *call_state(struct call *c, size_t size)
{
	if (!c->state)
		c->state = calloc(1, size);
	return c->state;
}

struct file *call_file(struct task *t, struct call *c, unsigned slot, int fd)
{
	if (!c->file[slot] && !c->rerun)
		c->file[slot] = fdtable_lookup(task_files(t), fd);
	return c->file[slot];
}

struct sched_task *call_waiter(struct task *t, struct call *c, bool nonblock)
{
	return c->interrupted || nonblock ? NULL : &t->st;
}

static void wall_moved(struct wall_watch *w)
{
	sched_wake(&container_of(w, struct task, call.wall)->st);
}

static void wall_convert(struct task *t, struct call *c)
{
	c->wall_moves = atomic_load(&t->k->wall_moves);
	c->deadline = wall_deadline(t->k, c->wall_ns);
	sched_deadline(&t->st, c->deadline);
}

/* c->deadline or c->wall_ns is set. */
static void deadline_begin(struct task *t, struct call *c)
{
	if (!c->has_wall) {
		sched_deadline(&t->st, c->deadline);
		return;
	}
	/* On the list first: then no step is missed. */
	wall_watch_add(t->k, &c->wall, wall_moved);
	wall_convert(t, c);
}

void call_set_deadline(struct task *t, struct call *c, int64_t deadline)
{
	/* The first run may have waited for a file before it came to what has a time limit. */
	if (c->rerun && c->deadline != TIME_NEVER)
		return;
	/* A restarted call keeps the deadline of its first life. */
	if (!c->restarted)
		c->deadline = deadline;
	deadline_begin(t, c);
}

void call_set_wall_deadline(struct task *t, struct call *c, int64_t ns)
{
	if (c->rerun)
		return;
	if (!c->restarted) {
		c->has_wall = true;
		c->wall_ns = ns;
	}
	deadline_begin(t, c);
}

void call_refresh_deadline(struct task *t, struct call *c)
{
	if (c->has_wall && c->wall.on && c->wall_moves != atomic_load(&t->k->wall_moves))
		wall_convert(t, c);
}

bool call_timed_out(struct task *t, struct call *c)
{
	(void)t;
	return c->deadline != TIME_NEVER && core_now() >= c->deadline;
}

long call_restart_block(struct task *t, struct call *c)
{
	struct call *r = calloc(1, sizeof(*r));

	if (!r)
		return -EINTR;
	r->nr = c->nr;
	r->row = c->row;
	r->deadline = c->deadline;
	r->has_wall = c->has_wall;
	r->wall_ns = c->wall_ns;
	memcpy(r->args, c->args, sizeof(r->args));
	if (c->restarted)
		r->row = c->restart_row;
	free(t->restart_call);
	t->restart_call = r;
	return -ERESTART_RESTARTBLOCK;
}

void call_drop_op(struct call *c)
{
	if (c->op_state)
		c->op_free(c->op_state);
	c->op_state = NULL;
}

void call_finish(struct task *t, struct call *c)
{
	wall_watch_remove(t->k, &c->wall);
	if (c->deadline != TIME_NEVER && c->deadline != 0)
		sched_deadline(&t->st, TIME_NEVER);
	/* An exclusive waiter left behind would swallow somebody's wake. */
	waitq_remove_all(&t->st);
	job_cancel(c->job);
	away_drop(c);
	call_drop_op(c);
	for (size_t i = 0; i < ARRAY_SIZE(c->file); i++)
		file_close(c->file[i]);
	if (c->state) {
		if (c->state_free)
			c->state_free(c->state);
		free(c->state);
	}
	trace_call_drop(c);
	memset(c, 0, sizeof(*c));
	c->row = -1;
	c->deadline = TIME_NEVER;
}
