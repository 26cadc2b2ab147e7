/*
 * The process registry: identity, parentage and life cycle of processes.
 *
 * registry->lock protects the table and every context in it. It knows nothing of POSIX: status is
 * an opaque 32-bit value and orphans are the caller's policy (sections 1.1-1.3 of the multi-process
 * RFC, as C).
 */
#ifndef VMBOX_CORE_REGISTRY_H
#define VMBOX_CORE_REGISTRY_H

#include "core.h"
#include "waitq.h"

#define PROCESS_ID_INIT  1
#define REGISTRY_PID_MAX 32768 /* Linux's default pid_max for small machines */

struct registry;

enum process_state { PROCESS_RUNNING, PROCESS_EXITED };

struct process_context {
	uint32_t id;
	uint32_t parent; /* 0: none (init, or a detached orphan) */
	enum process_state state;
	uint32_t exit_status;
	void *owner; /* what registry_set_owner stored */
};

struct exit_notification {
	uint32_t parent, child, exit_status;
};

/* Outlives the process and its removal; refcounted. */
struct exit_observer {
	_Atomic unsigned refs;
	_Atomic bool exited;
	_Atomic uint32_t exit_status;
	struct waitq wq; /* woken once, at exit */
};

/* pid_max: PIDs are 1..pid_max-1; at least 2. NULL: out of memory. Memory is touched as ids are
 * used. */
struct registry *registry_create(uint32_t pid_max);
/* Frees whatever is still in it. r may be NULL. */
void registry_destroy(struct registry *r);

/*
 * Registers a process: the new PID, or -ESRCH (NoSuchParent: parent is not
 * in the table, or exits), -EEXIST (InitAlreadyExists: parent == 0 while PID 1 exists or existed),
 * -EAGAIN (no free PID), -ENOMEM. parent == 0 makes PID 1. PIDs go upward and wrap without reusing
 * one that is in the table or reserved.
 */
int registry_create_process(struct registry *r, uint32_t parent);

/* Also used for thread ids: takes an id out of the same number space. >0, -EAGAIN, -ENOMEM. */
int registry_reserve_id(struct registry *r);
void registry_release_id(struct registry *r, uint32_t id);
/* Keeps id from being given out while something (a process group, a session) still bears that
 * number; counted. */
void registry_pin_id(struct registry *r, uint32_t id);
void registry_unpin_id(struct registry *r, uint32_t id);

/* Removes a process that never ran. 0; -ESRCH; -EBUSY: it has children, exits or has exited. */
int registry_abort_process(struct registry *r, uint32_t id);

/*
 * RUNNING -> EXITED(status). Calls orphan(arg, child) (may be NULL) for each child, running or
 * exited, in PID order, with the registry unlocked (so that it may reparent); until they have
 * returned the state stays RUNNING, so that nobody can remove the process, but it gets no more
 * children. Returns 1 and fills *out (may be NULL) if the parent is alive, 0 if not (it exits, has
 * exited or there is none), -ESRCH, -EALREADY if it exits or has exited already. Observers are told
 * last.
 */
int registry_exit_process(struct registry *r, uint32_t id, uint32_t status,
			  void (*orphan)(void *arg, uint32_t child), void *arg,
			  struct exit_notification *out);

/* child's parent becomes new_parent (0: none). 0; -ESRCH: one of them is not in the table, or
 * new_parent exits. */
int registry_reparent(struct registry *r, uint32_t child, uint32_t new_parent);

/* Removes an exited process; children that it still has get parent 0. 0; -ESRCH; -EBUSY: still
 * running. */
int registry_remove_process(struct registry *r, uint32_t id);

/* 0; -ESRCH. */
int registry_set_owner(struct registry *r, uint32_t id, void *owner);
/* Calls f under the registry's lock (f takes no lock above it). False: no such process. */
bool registry_with_context(struct registry *r, uint32_t id,
			   void (*f)(const struct process_context *ctx, void *arg), void *arg);
/* It is in the table and RUNNING. */
bool registry_is_alive(struct registry *r, uint32_t id);
/* The parent (0: none), or -ESRCH. */
int registry_get_parent(struct registry *r, uint32_t id);
/* Fills up to max child PIDs in ascending order; returns how many there are, or -ESRCH. */
int registry_get_children(struct registry *r, uint32_t id, uint32_t *out, size_t max);
/* Running processes. */
size_t registry_process_count(struct registry *r);
/* Calls f for each process, exited ones too, in PID order, under the lock. */
void registry_for_each(struct registry *r, void (*f)(const struct process_context *ctx, void *arg),
		       void *arg);

/* A reference to the process's observer, or NULL if there is no such process. */
struct exit_observer *registry_observe(struct registry *r, uint32_t id);
/* o may be NULL. */
void exit_observer_put(struct exit_observer *o);

#endif
