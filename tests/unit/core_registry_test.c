/* The process registry against section 1 of the multi-process RFC, rule by rule. */
#include "core_test.h"

#include "../../vmm/core/registry.h"

static struct registry *with_init(uint32_t pid_max)
{
	struct registry *r = registry_create(pid_max);

	assert_non_null(r);
	assert_int_equal(registry_create_process(r, 0), PROCESS_ID_INIT);
	return r;
}

static uint32_t child_of(struct registry *r, uint32_t parent)
{
	int id = registry_create_process(r, parent);

	assert_true(id > 0);
	return (uint32_t)id;
}

static void end(struct registry *r, uint32_t id)
{
	assert_true(registry_exit_process(r, id, 0, NULL, NULL, NULL) >= 0);
	assert_int_equal(registry_remove_process(r, id), 0);
}

/* ---- creation ---- */

/* "parent=None creates the init process (PID 1)"; "None only for the init process". */
static void init_is_pid_1_without_a_parent(void **state)
{
	struct registry *r = with_init(100);

	assert_int_equal(registry_get_parent(r, 1), 0);
	assert_true(registry_is_alive(r, 1));
	registry_destroy(r);
}

/* InitAlreadyExists: "A root (init) process already exists; only one is allowed." */
static void a_second_init_is_refused(void **state)
{
	struct registry *r = with_init(100);

	assert_int_equal(registry_create_process(r, 0), -EEXIST);
	assert_int_equal(registry_process_count(r), 1);
	registry_destroy(r);
}

/* "INIT: the first process created in every LiteBox instance": there is no other after it. */
static void init_is_created_once_even_after_its_end(void **state)
{
	struct registry *r = with_init(100);

	end(r, 1);
	assert_int_equal(registry_create_process(r, 0), -EEXIST);
	registry_destroy(r);
}

/* NoSuchParent: "The specified parent PID does not exist in the registry." */
static void a_missing_parent_is_refused(void **state)
{
	struct registry *r = with_init(100);

	assert_int_equal(registry_create_process(r, 42), -ESRCH);
	assert_int_equal(registry_create_process(r, UINT32_MAX), -ESRCH);
	assert_int_equal(registry_process_count(r), 1);
	registry_destroy(r);
}

/* A process that has exited would never hand its new child to the orphan handler. */
static void an_exited_parent_is_refused(void **state)
{
	struct registry *r = with_init(100);
	uint32_t id = child_of(r, 1);

	registry_exit_process(r, id, 0, NULL, NULL, NULL);
	assert_int_equal(registry_create_process(r, id), -ESRCH);
	registry_destroy(r);
}

/* "Allocate a PID and register the parent-child relationship." */
static void a_child_knows_its_parent_and_is_known(void **state)
{
	struct registry *r = with_init(100);
	uint32_t id = child_of(r, 1), kids[4];

	assert_int_equal(registry_get_parent(r, id), 1);
	assert_int_equal(registry_get_children(r, 1, kids, 4), 1);
	assert_int_equal(kids[0], id);
	registry_destroy(r);
}

/* ---- ids ---- */

static void pids_go_upward(void **state)
{
	struct registry *r = with_init(100);

	assert_int_equal(child_of(r, 1), 2);
	assert_int_equal(child_of(r, 1), 3);
	end(r, 3);
	assert_int_equal(child_of(r, 1), 4);
	registry_destroy(r);
}

static void pids_wrap_past_live_and_reserved_ones(void **state)
{
	struct registry *r = with_init(6);

	assert_int_equal(child_of(r, 1), 2);
	assert_int_equal(child_of(r, 1), 3);
	assert_int_equal(registry_reserve_id(r), 4);
	assert_int_equal(child_of(r, 1), 5);
	end(r, 2);
	end(r, 5);
	assert_int_equal(child_of(r, 1), 2);
	assert_int_equal(child_of(r, 1), 5);
	assert_int_equal(registry_create_process(r, 1), -EAGAIN);
	assert_int_equal(registry_reserve_id(r), -EAGAIN);
	registry_release_id(r, 4);
	assert_int_equal(registry_reserve_id(r), 4);
	registry_destroy(r);
}

/* An exited process keeps its PID until it is removed. */
static void a_zombie_keeps_its_pid(void **state)
{
	struct registry *r = with_init(3);

	assert_int_equal(child_of(r, 1), 2);
	registry_exit_process(r, 2, 0, NULL, NULL, NULL);
	assert_int_equal(registry_create_process(r, 1), -EAGAIN);
	registry_remove_process(r, 2);
	assert_int_equal(child_of(r, 1), 2);
	registry_destroy(r);
}

/* A process group may outlive its leader: its number must not come back as a PID. */
static void a_pinned_id_is_not_given_out(void **state)
{
	struct registry *r = with_init(3);

	assert_int_equal(child_of(r, 1), 2);
	registry_pin_id(r, 2);
	registry_pin_id(r, 2);
	end(r, 2);
	registry_unpin_id(r, 2);
	assert_int_equal(registry_create_process(r, 1), -EAGAIN);
	registry_unpin_id(r, 2);
	assert_int_equal(child_of(r, 1), 2);
	registry_destroy(r);
}

static void ids_beyond_the_table_do_no_harm(void **state)
{
	struct registry *r = with_init(3);

	registry_pin_id(r, 3);
	registry_unpin_id(r, UINT32_MAX);
	registry_release_id(r, 2);
	assert_int_equal(registry_remove_process(r, 3), -ESRCH);
	assert_false(registry_is_alive(r, UINT32_MAX));
	assert_null(registry_create(1));
	registry_destroy(r);
}

/* ---- abort ---- */

/* "Remove a process that was never started (e.g., child-process setup failed)". */
static void abort_undoes_a_creation(void **state)
{
	struct registry *r = with_init(100);
	uint32_t id = child_of(r, 1);

	assert_int_equal(registry_abort_process(r, id), 0);
	assert_int_equal(registry_get_children(r, 1, NULL, 0), 0);
	assert_int_equal(registry_get_parent(r, id), -ESRCH);
	assert_int_equal(registry_process_count(r), 1);
	assert_int_equal(registry_abort_process(r, id), -ESRCH);
	registry_destroy(r);
}

/* "The process must have no children and must still be in Running state". */
static void abort_is_refused_with_children_or_after_exit(void **state)
{
	struct registry *r = with_init(100);
	uint32_t id = child_of(r, 1), grandchild = child_of(r, id);

	assert_int_equal(registry_abort_process(r, id), -EBUSY);
	registry_exit_process(r, grandchild, 0, NULL, NULL, NULL);
	assert_int_equal(registry_abort_process(r, grandchild), -EBUSY);
	assert_int_equal(registry_abort_process(r, id), -EBUSY);
	registry_destroy(r);
}

static void an_aborted_init_may_be_tried_again(void **state)
{
	struct registry *r = with_init(100);

	assert_int_equal(registry_abort_process(r, 1), 0);
	assert_int_equal(registry_create_process(r, 0), 1);
	registry_destroy(r);
}

/* ---- exit ---- */

/* "Returns Some(ExitNotification) if the parent is still alive"; the status is "opaque to the
 * core". */
static void exit_notifies_a_living_parent(void **state)
{
	struct registry *r = with_init(100);
	uint32_t id = child_of(r, 1);
	struct exit_notification n;

	assert_int_equal(registry_exit_process(r, id, 0xdeadbeef, NULL, NULL, &n), 1);
	assert_int_equal(n.parent, 1);
	assert_int_equal(n.child, id);
	assert_int_equal(n.exit_status, 0xdeadbeef);
	assert_false(registry_is_alive(r, id));
	registry_destroy(r);
}

/* "... None otherwise": the parent has exited, or there is none. */
static void exit_notifies_no_dead_parent(void **state)
{
	struct registry *r = with_init(100);
	uint32_t id = child_of(r, 1), grandchild = child_of(r, id);

	registry_exit_process(r, id, 0, NULL, NULL, NULL);
	assert_int_equal(registry_exit_process(r, grandchild, 0, NULL, NULL, NULL), 0);
	assert_int_equal(registry_exit_process(r, 1, 0, NULL, NULL, NULL), 0);
	registry_destroy(r);
}

static void exit_happens_once(void **state)
{
	struct registry *r = with_init(100);
	uint32_t id = child_of(r, 1);

	assert_int_equal(registry_exit_process(r, id, 1, NULL, NULL, NULL), 1);
	assert_int_equal(registry_exit_process(r, id, 2, NULL, NULL, NULL), -EALREADY);
	assert_int_equal(registry_exit_process(r, 99, 0, NULL, NULL, NULL), -ESRCH);
	registry_destroy(r);
}

struct orphans {
	struct registry *r;
	uint32_t exiting, new_parent;
	unsigned n;
	uint32_t id[200];
};

static void adopt(void *arg, uint32_t child)
{
	struct orphans *o = arg;

	o->id[o->n++] = child;
	assert_int_equal(registry_reparent(o->r, child, o->new_parent), 0);
}

/*
 * "For each orphaned child (children whose parent is the exiting process), calls orphan_handler":
 * running and dead ones; section 4.3: "POSIX shim: reparent orphans to PID 1".
 */
static void exit_hands_over_running_and_dead_children(void **state)
{
	struct registry *r = with_init(100);
	uint32_t id = child_of(r, 1);
	uint32_t a = child_of(r, id), b = child_of(r, id), c = child_of(r, id);
	struct orphans o = {.r = r, .new_parent = 1};

	registry_exit_process(r, b, 7, NULL, NULL, NULL);
	assert_int_equal(registry_exit_process(r, id, 0, adopt, &o, NULL), 1);
	assert_int_equal(o.n, 3);
	assert_int_equal(o.id[0], a);
	assert_int_equal(o.id[1], b);
	assert_int_equal(o.id[2], c);
	assert_int_equal(registry_get_parent(r, b), 1);
	assert_int_equal(registry_get_children(r, 1, NULL, 0), 4);
	assert_int_equal(registry_get_children(r, id, NULL, 0), 0);
	/* The adopted ones now notify their new parent. */
	assert_int_equal(registry_exit_process(r, a, 0, NULL, NULL, NULL), 1);
	registry_destroy(r);
}

static void orphans_come_in_pid_order_however_many(void **state)
{
	struct registry *r = with_init(1000);
	uint32_t id = child_of(r, 1);
	struct orphans o = {.r = r, .new_parent = 1};

	for (int i = 0; i < 150; i++) {
		child_of(r, 1);
		child_of(r, id);
	}
	registry_exit_process(r, id, 0, adopt, &o, NULL);
	assert_int_equal(o.n, 150);
	for (unsigned i = 1; i < o.n; i++)
		assert_true(o.id[i - 1] < o.id[i]);
	registry_destroy(r);
}

static void detach(void *arg, uint32_t child)
{
	assert_int_equal(registry_reparent(arg, child, 0), 0);
}

/* Section 4.3: "NT shim: detach orphans (no parent)". */
static void orphans_may_be_detached(void **state)
{
	struct registry *r = with_init(100);
	uint32_t id = child_of(r, 1), child = child_of(r, id);

	registry_exit_process(r, id, 0, detach, r, NULL);
	assert_int_equal(registry_get_parent(r, child), 0);
	assert_int_equal(registry_exit_process(r, child, 0, NULL, NULL, NULL), 0);
	registry_destroy(r);
}

/* While orphans are handed over the process can neither vanish nor get new children. */
static void meddle(void *arg, uint32_t child)
{
	struct orphans *o = arg;

	o->n++;
	assert_int_equal(registry_remove_process(o->r, o->exiting), -EBUSY);
	assert_int_equal(registry_abort_process(o->r, o->exiting), -EBUSY);
	assert_int_equal(registry_create_process(o->r, o->exiting), -ESRCH);
	assert_int_equal(registry_reparent(o->r, 1, o->exiting), -ESRCH);
	assert_int_equal(registry_exit_process(o->r, o->exiting, 0, NULL, NULL, NULL), -EALREADY);
}

static void a_process_that_exits_is_held_until_its_orphans_are_placed(void **state)
{
	struct registry *r = with_init(100);
	struct orphans o = {.r = r};

	o.exiting = child_of(r, 1);
	child_of(r, o.exiting);
	assert_int_equal(registry_exit_process(r, o.exiting, 0, meddle, &o, NULL), 1);
	assert_int_equal(o.n, 1);
	registry_destroy(r);
}

/* ---- removal ---- */

/* "Remove an exited process from the table." Running: refused, where the RFC panics. */
static void only_an_exited_process_is_removed(void **state)
{
	struct registry *r = with_init(100);
	uint32_t id = child_of(r, 1);

	assert_int_equal(registry_remove_process(r, id), -EBUSY);
	registry_exit_process(r, id, 0, NULL, NULL, NULL);
	assert_int_equal(registry_remove_process(r, id), 0);
	assert_int_equal(registry_remove_process(r, id), -ESRCH);
	registry_destroy(r);
}

static void removal_detaches_children_that_were_left(void **state)
{
	struct registry *r = with_init(100);
	uint32_t id = child_of(r, 1), child = child_of(r, id);

	end(r, id);
	assert_int_equal(registry_get_parent(r, child), 0);
	end(r, child);
	registry_destroy(r);
}

/* ---- queries ---- */

static void note_context(const struct process_context *ctx, void *arg)
{
	*(struct process_context *)arg = *ctx;
}

/* "Read process context through a closure ... Returns None if the process does not exist." */
static void with_context_shows_the_process(void **state)
{
	struct registry *r = with_init(100);
	uint32_t id = child_of(r, 1);
	struct process_context ctx;
	int owner;

	assert_int_equal(registry_set_owner(r, id, &owner), 0);
	assert_int_equal(registry_set_owner(r, 99, &owner), -ESRCH);
	assert_true(registry_with_context(r, id, note_context, &ctx));
	assert_int_equal(ctx.id, id);
	assert_int_equal(ctx.parent, 1);
	assert_int_equal(ctx.state, PROCESS_RUNNING);
	assert_ptr_equal(ctx.owner, &owner);
	registry_exit_process(r, id, 5, NULL, NULL, NULL);
	assert_true(registry_with_context(r, id, note_context, &ctx));
	assert_int_equal(ctx.state, PROCESS_EXITED);
	assert_int_equal(ctx.exit_status, 5);
	assert_false(registry_with_context(r, 99, note_context, &ctx));
	registry_destroy(r);
}

/* "process_count: Total running processes." */
static void the_count_is_of_running_processes(void **state)
{
	struct registry *r = with_init(100);
	uint32_t id = child_of(r, 1);

	assert_int_equal(registry_process_count(r), 2);
	registry_exit_process(r, id, 0, NULL, NULL, NULL);
	assert_int_equal(registry_process_count(r), 1);
	registry_remove_process(r, id);
	assert_int_equal(registry_process_count(r), 1);
	registry_destroy(r);
}

/* "get_children: Child PIDs", None for no process; ours come in ascending order. */
static void children_come_in_ascending_order(void **state)
{
	struct registry *r = with_init(6);
	uint32_t kids[8];

	for (int i = 2; i < 6; i++)
		child_of(r, 1);
	end(r, 3);
	child_of(r, 1); /* takes 3 again, as the last born */
	assert_int_equal(registry_get_children(r, 1, kids, 8), 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(kids[i], i + 2);
	assert_int_equal(registry_get_children(r, 1, kids, 2), 4);
	assert_int_equal(kids[1], 3);
	assert_int_equal(registry_get_children(r, 77, kids, 8), -ESRCH);
	registry_destroy(r);
}

struct walk {
	unsigned n;
	uint32_t last;
};

static void walk(const struct process_context *ctx, void *arg)
{
	struct walk *w = arg;

	assert_true(ctx->id > w->last);
	w->last = ctx->id;
	w->n++;
}

static void for_each_shows_processes_only_in_pid_order(void **state)
{
	struct registry *r = with_init(1000);
	struct walk w = {0};

	for (int i = 0; i < 300; i++)
		child_of(r, 1);
	assert_true(registry_reserve_id(r) > 0);
	registry_exit_process(r, 10, 0, NULL, NULL, NULL);
	registry_for_each(r, walk, &w);
	assert_int_equal(w.n, 301);
	registry_destroy(r);
}

static void reparent_needs_both(void **state)
{
	struct registry *r = with_init(100);
	uint32_t id = child_of(r, 1);

	assert_int_equal(registry_reparent(r, 50, 1), -ESRCH);
	assert_int_equal(registry_reparent(r, id, 50), -ESRCH);
	assert_int_equal(registry_get_parent(r, id), 1);
	registry_destroy(r);
}

static void thousands_of_processes(void **state)
{
	struct registry *r = with_init(REGISTRY_PID_MAX);
	uint32_t parent = child_of(r, 1);
	int n = 0;

	while (registry_create_process(r, parent) > 0)
		n++;
	assert_int_equal(n, REGISTRY_PID_MAX - 3);
	assert_int_equal(registry_exit_process(r, parent, 0, detach, r, NULL), 1);
	assert_int_equal(registry_get_children(r, parent, NULL, 0), 0);
	for (uint32_t id = 3; id < REGISTRY_PID_MAX; id++)
		end(r, id);
	assert_int_equal(registry_process_count(r), 1);
	registry_destroy(r);
}

/* ---- observers ---- */

/* "`exited` becomes `true` when the process exits. `subject` is notified". */
static void an_observer_is_told_and_woken(void **state)
{
	struct registry *r = with_init(100);
	uint32_t id = child_of(r, 1);
	struct exit_observer *o = registry_observe(r, id);
	struct sched_task t;
	struct world w;

	world_open(&w, 1);
	world_run(&w, &t);
	assert_int_equal(waitq_add(&o->wq, &t, false), 0);
	assert_true(sched_block(&t));
	assert_false(o->exited);
	registry_exit_process(r, id, 9, NULL, NULL, NULL);
	assert_true(o->exited);
	assert_int_equal(o->exit_status, 9);
	assert_ptr_equal(world_next(&w, 0), &t);
	world_end(&t);
	world_close(&w);
	exit_observer_put(o);
	assert_null(registry_observe(r, 99));
	registry_destroy(r);
}

/*
 * "If remove_process is called while an observer is held, the AtomicBool and Subject remain valid
 * (they are Arc-backed) but no further events will be delivered."
 */
static void an_observer_outlives_removal(void **state)
{
	struct registry *r = with_init(3);
	uint32_t id = child_of(r, 1);
	struct exit_observer *o = registry_observe(r, id), *o2;

	registry_exit_process(r, id, 3, NULL, NULL, NULL);
	registry_remove_process(r, id);
	assert_int_equal(child_of(r, 1), id); /* another process of the same id */
	o2 = registry_observe(r, id);
	assert_ptr_not_equal(o, o2);
	assert_true(o->exited);
	assert_int_equal(o->exit_status, 3);
	assert_false(o2->exited);
	registry_destroy(r);
	assert_true(waitq_empty(&o->wq));
	exit_observer_put(o);
	exit_observer_put(o2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_is_pid_1_without_a_parent),
		cmocka_unit_test(a_second_init_is_refused),
		cmocka_unit_test(init_is_created_once_even_after_its_end),
		cmocka_unit_test(a_missing_parent_is_refused),
		cmocka_unit_test(an_exited_parent_is_refused),
		cmocka_unit_test(a_child_knows_its_parent_and_is_known),
		cmocka_unit_test(pids_go_upward),
		cmocka_unit_test(pids_wrap_past_live_and_reserved_ones),
		cmocka_unit_test(a_zombie_keeps_its_pid),
		cmocka_unit_test(a_pinned_id_is_not_given_out),
		cmocka_unit_test(ids_beyond_the_table_do_no_harm),
		cmocka_unit_test(abort_undoes_a_creation),
		cmocka_unit_test(abort_is_refused_with_children_or_after_exit),
		cmocka_unit_test(an_aborted_init_may_be_tried_again),
		cmocka_unit_test(exit_notifies_a_living_parent),
		cmocka_unit_test(exit_notifies_no_dead_parent),
		cmocka_unit_test(exit_happens_once),
		cmocka_unit_test(exit_hands_over_running_and_dead_children),
		cmocka_unit_test(orphans_come_in_pid_order_however_many),
		cmocka_unit_test(orphans_may_be_detached),
		cmocka_unit_test(a_process_that_exits_is_held_until_its_orphans_are_placed),
		cmocka_unit_test(only_an_exited_process_is_removed),
		cmocka_unit_test(removal_detaches_children_that_were_left),
		cmocka_unit_test(with_context_shows_the_process),
		cmocka_unit_test(the_count_is_of_running_processes),
		cmocka_unit_test(children_come_in_ascending_order),
		cmocka_unit_test(for_each_shows_processes_only_in_pid_order),
		cmocka_unit_test(reparent_needs_both),
		cmocka_unit_test(thousands_of_processes),
		cmocka_unit_test(an_observer_is_told_and_woken),
		cmocka_unit_test(an_observer_outlives_removal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
