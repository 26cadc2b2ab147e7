/* The end of a thread: see thread_end.h. */
#include "thread_end.h"

#include "task.h"

#include <stdlib.h>

struct thread_end *thread_end_create(uint32_t tid)
{
	struct thread_end *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	atomic_init(&e->refs, 1);
	e->tid = tid;
	waitq_init(&e->wq);
	return e;
}

struct thread_end *thread_end_get(struct thread_end *e)
{
	atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
	return e;
}

void thread_end_put(struct thread_end *e)
{
	if (!e || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1)
		return;
	waitq_destroy(&e->wq);
	free(e);
}

struct thread_end *thread_end_of_locked(struct task *t, struct thread_end **spare)
{
	if (!t->end) {
		t->end = *spare;
		*spare = NULL;
	}
	return thread_end_get(t->end);
}

struct thread_end *thread_end_take_locked(struct task *t)
{
	struct thread_end *e = t->end;

	t->end = NULL;
	return e;
}

void thread_end_signal(struct thread_end *e)
{
	if (!e)
		return;
	atomic_store(&e->done, true);
	waitq_wake_all(&e->wq);
	thread_end_put(e);
}
