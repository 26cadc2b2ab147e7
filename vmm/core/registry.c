/*
 * The process registry: see registry.h.
 *
 * A table indexed by id finds a process at once; a bitmap of the ids in use finds the
 * next free one, and the processes in PID order.
 */
#include "registry.h"

#include <stdlib.h>

#define WORD_BITS 64

struct registry_process {
	struct process_context ctx;
	bool exiting; /* no more children; see registry_exit_process */
	LIST_HEAD(, registry_process) children;
	unsigned nchildren;
	LIST_ENTRY(registry_process) sibling; /* valid while ctx.parent != 0 */
	struct exit_observer *observer;
};

struct registry_slot {
	struct registry_process *process;
	uint32_t pins; /* reservations, groups and sessions that bear the id */
};

struct registry {
	pthread_mutex_t lock;
	/* immutable after init: */
	uint32_t pid_max;
	/* protected by lock: */
	struct registry_slot *slots; /* pid_max of them */
	uint64_t *used;              /* bit set: the slot has a process or pins */
	uint32_t last;               /* the id given out last */
	bool init_existed;
	size_t running;
};

/* ---- ids ---- */

static struct registry_process *find_locked(const struct registry *r, uint32_t id)
{
	return id < r->pid_max ? r->slots[id].process : NULL;
}

static void id_mark_locked(struct registry *r, uint32_t id)
{
	const struct registry_slot *slot = &r->slots[id];
	uint64_t bit = 1ULL << id % WORD_BITS;

	if (slot->process || slot->pins)
		r->used[id / WORD_BITS] |= bit;
	else
		r->used[id / WORD_BITS] &= ~bit;
}

/* The first id in from..to-1 that is in use (or, not in use); `to` if none. */
static uint32_t id_scan_locked(const struct registry *r, uint32_t from, uint32_t to, bool used)
{
	while (from < to) {
		uint64_t word = r->used[from / WORD_BITS];

		word = (used ? word : ~word) >> from % WORD_BITS;
		if (word) {
			from += (uint32_t)__builtin_ctzll(word);
			return from < to ? from : to;
		}
		from = (from / WORD_BITS + 1) * WORD_BITS;
	}
	return to;
}

/* Upward from the last one, then from the start; never init's. 0: none is free. */
static uint32_t id_next_free_locked(struct registry *r)
{
	uint32_t first = PROCESS_ID_INIT + 1;
	uint32_t id = id_scan_locked(r, r->last + 1, r->pid_max, false);

	if (id == r->pid_max) {
		uint32_t end = r->last + 1 < r->pid_max ? r->last + 1 : r->pid_max;

		id = id_scan_locked(r, first, end, false);
		if (id >= end)
			return 0;
	}
	r->last = id;
	return id;
}

int registry_reserve_id(struct registry *r)
{
	uint32_t id;

	pthread_mutex_lock(&r->lock);
	id = id_next_free_locked(r);
	if (id) {
		r->slots[id].pins++;
		id_mark_locked(r, id);
	}
	pthread_mutex_unlock(&r->lock);
	return id ? (int)id : -EAGAIN;
}

void registry_release_id(struct registry *r, uint32_t id)
{
	registry_unpin_id(r, id);
}

void registry_pin_id(struct registry *r, uint32_t id)
{
	if (id >= r->pid_max)
		return;
	pthread_mutex_lock(&r->lock);
	r->slots[id].pins++;
	id_mark_locked(r, id);
	pthread_mutex_unlock(&r->lock);
}

void registry_unpin_id(struct registry *r, uint32_t id)
{
	if (id >= r->pid_max)
		return;
	pthread_mutex_lock(&r->lock);
	if (r->slots[id].pins) {
		r->slots[id].pins--;
		id_mark_locked(r, id);
	}
	pthread_mutex_unlock(&r->lock);
}

/* ---- observers ---- */

static struct exit_observer *exit_observer_create(void)
{
	struct exit_observer *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->refs = 1;
	waitq_init(&o->wq);
	return o;
}

void exit_observer_put(struct exit_observer *o)
{
	if (!o || --o->refs)
		return;
	waitq_destroy(&o->wq);
	free(o);
}

struct exit_observer *registry_observe(struct registry *r, uint32_t id)
{
	struct exit_observer *o = NULL;
	struct registry_process *p;

	pthread_mutex_lock(&r->lock);
	p = find_locked(r, id);
	if (p) {
		o = p->observer;
		o->refs++;
	}
	pthread_mutex_unlock(&r->lock);
	return o;
}

/* ---- creation and removal ---- */

static void process_free(struct registry_process *p)
{
	if (!p)
		return;
	exit_observer_put(p->observer);
	free(p);
}

static struct registry_process *process_alloc(void)
{
	struct registry_process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	LIST_INIT(&p->children);
	p->observer = exit_observer_create();
	if (!p->observer) {
		process_free(p);
		return NULL;
	}
	return p;
}

struct registry *registry_create(uint32_t pid_max)
{
	struct registry *r;

	if (pid_max < PROCESS_ID_INIT + 1 || pid_max > INT32_MAX)
		return NULL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	r->pid_max = pid_max;
	r->last = PROCESS_ID_INIT;
	/* Large ones come from mmap: untouched parts cost nothing. */
	r->slots = calloc(pid_max, sizeof(r->slots[0]));
	r->used = calloc(pid_max / WORD_BITS + 1, sizeof(r->used[0]));
	if (!r->slots || !r->used) {
		registry_destroy(r);
		return NULL;
	}
	return r;
}

void registry_destroy(struct registry *r)
{
	uint32_t id;

	if (!r)
		return;
	if (r->slots && r->used) {
		for (id = id_scan_locked(r, 1, r->pid_max, true); id < r->pid_max;
		     id = id_scan_locked(r, id + 1, r->pid_max, true))
			process_free(r->slots[id].process);
	}
	free(r->slots);
	free(r->used);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void child_link_locked(struct registry_process *parent, struct registry_process *child)
{
	child->ctx.parent = parent->ctx.id;
	LIST_INSERT_HEAD(&parent->children, child, sibling);
	parent->nchildren++;
}

static void child_unlink_locked(struct registry *r, struct registry_process *child)
{
	if (!child->ctx.parent)
		return;
	LIST_REMOVE(child, sibling);
	r->slots[child->ctx.parent].process->nchildren--;
	child->ctx.parent = 0;
}

/* Finds an id for p and enters it; the id or an error. */
static int process_insert_locked(struct registry *r, struct registry_process *p, uint32_t parent_id)
{
	struct registry_process *parent = NULL;
	uint32_t id = PROCESS_ID_INIT;

	if (parent_id) {
		parent = find_locked(r, parent_id);
		if (!parent || parent->exiting)
			return -ESRCH;
		id = id_next_free_locked(r);
		if (!id)
			return -EAGAIN;
		child_link_locked(parent, p);
	} else {
		if (r->init_existed)
			return -EEXIST;
		r->init_existed = true;
	}
	p->ctx.id = id;
	p->ctx.state = PROCESS_RUNNING;
	r->slots[id].process = p;
	id_mark_locked(r, id);
	r->running++;
	return (int)id;
}

int registry_create_process(struct registry *r, uint32_t parent)
{
	struct registry_process *p = process_alloc();
	int id;

	if (!p)
		return -ENOMEM;
	pthread_mutex_lock(&r->lock);
	id = process_insert_locked(r, p, parent);
	pthread_mutex_unlock(&r->lock);
	if (id < 0)
		process_free(p);
	return id;
}

/* Takes p out of the table; the caller frees it without the lock. */
static void process_take_locked(struct registry *r, struct registry_process *p)
{
	struct registry_process *child;

	while ((child = LIST_FIRST(&p->children)))
		child_unlink_locked(r, child);
	child_unlink_locked(r, p);
	r->slots[p->ctx.id].process = NULL;
	id_mark_locked(r, p->ctx.id);
}

int registry_abort_process(struct registry *r, uint32_t id)
{
	struct registry_process *p;
	int err = 0;

	pthread_mutex_lock(&r->lock);
	p = find_locked(r, id);
	if (!p)
		err = -ESRCH;
	else if (p->exiting || p->nchildren)
		err = -EBUSY;
	if (!err) {
		process_take_locked(r, p);
		r->running--;
		/* As if it had never been: an init that failed to start may be tried again. */
		if (id == PROCESS_ID_INIT)
			r->init_existed = false;
	}
	pthread_mutex_unlock(&r->lock);
	if (!err)
		process_free(p);
	return err;
}

int registry_remove_process(struct registry *r, uint32_t id)
{
	struct registry_process *p;
	int err = 0;

	pthread_mutex_lock(&r->lock);
	p = find_locked(r, id);
	if (!p)
		err = -ESRCH;
	else if (p->ctx.state != PROCESS_EXITED)
		err = -EBUSY;
	else
		process_take_locked(r, p);
	pthread_mutex_unlock(&r->lock);
	if (!err)
		process_free(p);
	return err;
}

/* ---- exit ---- */

/*
 * p's child with the smallest PID above `after`, 0 if none. A few children are searched; of many
 * the next one is found in the table, so that going through all of n costs n, not n squared.
 */
static uint32_t child_after_locked(const struct registry *r, const struct registry_process *p,
				   uint32_t after)
{
	const struct registry_process *child;
	uint32_t id, best = 0;

	if (p->nchildren > WORD_BITS) {
		for (id = id_scan_locked(r, after + 1, r->pid_max, true); id < r->pid_max;
		     id = id_scan_locked(r, id + 1, r->pid_max, true)) {
			child = r->slots[id].process;
			if (child && child->ctx.parent == p->ctx.id)
				return id;
		}
		return 0;
	}
	LIST_FOREACH (child, &p->children, sibling) {
		id = child->ctx.id;
		if (id > after && (!best || id < best))
			best = id;
	}
	return best;
}

static int exit_begin(struct registry *r, uint32_t id)
{
	struct registry_process *p;
	int err = 0;

	pthread_mutex_lock(&r->lock);
	p = find_locked(r, id);
	if (!p)
		err = -ESRCH;
	else if (p->exiting)
		err = -EALREADY;
	else
		p->exiting = true;
	pthread_mutex_unlock(&r->lock);
	return err;
}

/* p cannot go away: it is exiting, and only then EXITED. */
static void exit_orphans(struct registry *r, uint32_t id, void (*orphan)(void *arg, uint32_t child),
			 void *arg)
{
	uint32_t child = 0;

	for (;;) {
		pthread_mutex_lock(&r->lock);
		child = child_after_locked(r, r->slots[id].process, child);
		pthread_mutex_unlock(&r->lock);
		if (!child)
			return;
		orphan(arg, child);
	}
}

int registry_exit_process(struct registry *r, uint32_t id, uint32_t status,
			  void (*orphan)(void *arg, uint32_t child), void *arg,
			  struct exit_notification *out)
{
	struct registry_process *p, *parent;
	struct exit_observer *o;
	int alive = 0, err = exit_begin(r, id);

	if (err)
		return err;
	if (orphan)
		exit_orphans(r, id, orphan, arg);
	pthread_mutex_lock(&r->lock);
	p = r->slots[id].process;
	p->ctx.state = PROCESS_EXITED;
	p->ctx.exit_status = status;
	r->running--;
	o = p->observer;
	o->refs++;
	o->exit_status = status;
	o->exited = true;
	parent = find_locked(r, p->ctx.parent);
	if (parent && !parent->exiting) {
		alive = 1;
		if (out)
			*out = (struct exit_notification){
				.parent = parent->ctx.id,
				.child = id,
				.exit_status = status,
			};
	}
	pthread_mutex_unlock(&r->lock);
	waitq_wake_all(&o->wq);
	exit_observer_put(o);
	return alive;
}

int registry_reparent(struct registry *r, uint32_t child_id, uint32_t new_parent)
{
	struct registry_process *child, *parent = NULL;
	int err = 0;

	pthread_mutex_lock(&r->lock);
	child = find_locked(r, child_id);
	if (new_parent)
		parent = find_locked(r, new_parent);
	if (!child || (new_parent && (!parent || parent->exiting))) {
		err = -ESRCH;
	} else {
		child_unlink_locked(r, child);
		if (parent)
			child_link_locked(parent, child);
	}
	pthread_mutex_unlock(&r->lock);
	return err;
}

/* ---- queries ---- */

int registry_set_owner(struct registry *r, uint32_t id, void *owner)
{
	struct registry_process *p;

	pthread_mutex_lock(&r->lock);
	p = find_locked(r, id);
	if (p)
		p->ctx.owner = owner;
	pthread_mutex_unlock(&r->lock);
	return p ? 0 : -ESRCH;
}

bool registry_with_context(struct registry *r, uint32_t id,
			   void (*f)(const struct process_context *ctx, void *arg), void *arg)
{
	struct registry_process *p;

	pthread_mutex_lock(&r->lock);
	p = find_locked(r, id);
	if (p)
		f(&p->ctx, arg);
	pthread_mutex_unlock(&r->lock);
	return p;
}

bool registry_is_alive(struct registry *r, uint32_t id)
{
	struct registry_process *p;
	bool alive;

	pthread_mutex_lock(&r->lock);
	p = find_locked(r, id);
	alive = p && p->ctx.state == PROCESS_RUNNING;
	pthread_mutex_unlock(&r->lock);
	return alive;
}

int registry_get_parent(struct registry *r, uint32_t id)
{
	struct registry_process *p;
	int parent;

	pthread_mutex_lock(&r->lock);
	p = find_locked(r, id);
	parent = p ? (int)p->ctx.parent : -ESRCH;
	pthread_mutex_unlock(&r->lock);
	return parent;
}

int registry_get_children(struct registry *r, uint32_t id, uint32_t *out, size_t max)
{
	struct registry_process *p;
	uint32_t child = 0;
	int n = -ESRCH;

	pthread_mutex_lock(&r->lock);
	p = find_locked(r, id);
	if (p) {
		n = (int)p->nchildren;
		for (size_t i = 0; i < max; i++) {
			child = child_after_locked(r, p, child);
			if (!child)
				break;
			out[i] = child;
		}
	}
	pthread_mutex_unlock(&r->lock);
	return n;
}

size_t registry_process_count(struct registry *r)
{
	size_t n;

	pthread_mutex_lock(&r->lock);
	n = r->running;
	pthread_mutex_unlock(&r->lock);
	return n;
}

void registry_for_each(struct registry *r, void (*f)(const struct process_context *ctx, void *arg),
		       void *arg)
{
	uint32_t id;

	pthread_mutex_lock(&r->lock);
	for (id = id_scan_locked(r, 1, r->pid_max, true); id < r->pid_max;
	     id = id_scan_locked(r, id + 1, r->pid_max, true)) {
		if (r->slots[id].process)
			f(&r->slots[id].process->ctx, arg);
	}
	pthread_mutex_unlock(&r->lock);
}
