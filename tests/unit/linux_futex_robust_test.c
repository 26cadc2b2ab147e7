/*
 * What no kernel of today can compare: the robust unlock of Linux 7.2, several robust lists and
 * 32-bit ones. Each rule is quoted from the proposal or the merged text.
 */
#include "linux_test.h"

#include "../../vmm/linux/futex_user.h"

#define WORD  TEST_DATA
#define SLOT  (TEST_DATA + 0x80)
#define HEAD  (TEST_DATA + 0x200)
#define OUT   (TEST_DATA + 0x300)
#define NOMEM 0x7000000UL

#define LIST2 473UL

enum { CREATE_64, CREATE_32, MODIFY_64, MODIFY_32, LIST_LIMIT };

static int set_up(void **state)
{
	world_open_cpus(1);
	w.k->cfg.robust_list2_nr = LIST2;
	return 0;
}

static int tear_down(void **state)
{
	world_close();
	return 0;
}

static struct task *sharer(void)
{
	struct task *t;

	assert_true(CALL(w.init, SYS_clone, CLONE_VM | SIGCHLD) > 0);
	t = world_next(0);
	assert_int_equal(task_step(t), TASK_RUN);
	return t;
}

static void put32(uint64_t addr, uint32_t v)
{
	guest_put(w.init, addr, &v, sizeof(v));
}

static void put64(uint64_t addr, uint64_t v)
{
	guest_put(w.init, addr, &v, sizeof(v));
}

static uint64_t get64(uint64_t addr)
{
	uint64_t v = 0;

	assert_int_equal(copy_from_guest(w.init->p->mm, &v, gva(addr), sizeof(v)), 0);
	return v;
}

/* ---- the robust unlock ---- */

/* "WAKE 513/1537, WAKE_BITSET 522/1546 ... each also with PRIVATE": the word, then the slot, then
 * the wake. */
static void an_unlock_stores_clears_and_wakes(void **state)
{
	static const unsigned ops[] = {513,       1537,       522,       1546,
				       513 + 128, 1537 + 128, 522 + 128, 1546 + 128};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		struct task *t = sharer();
		bool slot32 = ops[i] & 1024;

		put32(WORD, 0x80000007);
		put64(SLOT, 0x1111111122222222);
		CALL_GONE(t, SYS_futex, WORD, ops[i] & 128, 0x80000007);
		assert_int_equal(CALL(w.init, SYS_futex, WORD, ops[i], 1, 0, SLOT, 1), 1);
		assert_int_equal(guest_word(w.init, WORD), 0);
		assert_int_equal(get64(SLOT), slot32 ? 0x1111111100000000 : 0);
		assert_int_equal(call_wakes(t, 0), 0);
		exit_task(t, 0);
		assert_true(CALL(w.init, SYS_wait4, (uint64_t)-1, 0, WNOHANG) > 0);
	}
}

static void an_unlock_checks_in_order(void **state)
{
	put32(WORD, 5);
	put64(SLOT, 6);
	/* "bitset 0 EINVAL; key EINVAL/EFAULT; store ... to uaddr (EFAULT); store 0 to the pending
	 * slot" */
	assert_int_equal(CALL(w.init, SYS_futex, WORD + 1, 522, 1, 0, SLOT, 0), -EINVAL);
	assert_int_equal(CALL(w.init, SYS_futex, WORD + 1, 513, 1, 0, SLOT, 0), -EINVAL);
	assert_int_equal(CALL(w.init, SYS_futex, NOMEM, 513, 1, 0, SLOT, 0), -EFAULT);
	assert_int_equal(CALL(w.init, SYS_futex, NOMEM, 513 + 128, 1, 0, SLOT, 0), -EFAULT);
	assert_int_equal(guest_word(w.init, WORD), 5);
	assert_int_equal(get64(SLOT), 6);
	/* With other commands ROBUST_UNLOCK is ENOSYS; ROBUST_LIST32 alone is ignored. */
	assert_int_equal(CALL(w.init, SYS_futex, WORD, FUTEX_WAIT | 512, 4, 0, SLOT, 1), -ENOSYS);
	assert_int_equal(CALL(w.init, SYS_futex, WORD, FUTEX_REQUEUE | 512, 1, 0, SLOT, 1),
			 -ENOSYS);
	assert_int_equal(CALL(w.init, SYS_futex, WORD, FUTEX_WAIT | 1024, 4, 0, SLOT, 1), -EAGAIN);
	assert_int_equal(CALL(w.init, SYS_futex, WORD, FUTEX_WAKE | 1024, 1, 0, SLOT, 1), 0);
	assert_int_equal(guest_word(w.init, WORD), 5);
}

/* "if the slot is the registered head's own, that registration is dropped; nobody is woken" */
static void an_unwritable_slot_drops_its_head(void **state)
{
	struct task *t = sharer();

	put32(WORD, 7);
	CALL_GONE(t, SYS_futex, WORD, FUTEX_WAIT, 7);
	assert_int_equal(CALL(w.init, SYS_set_robust_list, NOMEM, 24), 0);
	assert_int_equal(CALL(w.init, SYS_futex, WORD, 513, 1, 0, NOMEM + 8, 0), -EFAULT);
	assert_int_equal(w.init->robust_list, NOMEM);
	assert_int_equal(guest_word(w.init, WORD), 0);
	assert_int_equal(CALL(w.init, SYS_futex, WORD, 1537, 1, 0, NOMEM + 16, 0), -EFAULT);
	assert_int_equal(w.init->robust_list, NOMEM);
	assert_int_equal(CALL(w.init, SYS_futex, WORD, 513, 1, 0, NOMEM + 16, 0), -EFAULT);
	assert_int_equal(w.init->robust_list, 0);
	/* Still asleep. */
	assert_int_equal(CALL(w.init, SYS_futex, WORD, FUTEX_WAKE, 1), 1);
	assert_int_equal(call_wakes(t, 0), 0);
	exit_task(t, 0);
}

/* The later variant: "stores WAITERS instead of 0 when waiters remain" */
static void the_variant_keeps_the_waiters_bit(void **state)
{
	struct task *a = sharer(), *b = sharer();

	w.k->cfg.robust_unlock_keep_waiters = true;
	put32(WORD, 7);
	CALL_GONE(a, SYS_futex, WORD, FUTEX_WAIT, 7);
	CALL_GONE(b, SYS_futex, WORD, FUTEX_WAIT, 7);
	assert_int_equal(CALL(w.init, SYS_futex, WORD, 513, 1, 0, SLOT, 0), 1);
	assert_int_equal(guest_word(w.init, WORD), FUTEX_WORD_WAITERS);
	assert_int_equal(CALL(w.init, SYS_futex, WORD, 513, 1, 0, SLOT, 0), 1);
	assert_int_equal(guest_word(w.init, WORD), 0);
	assert_int_equal(call_wakes(a, 0), 0);
	assert_int_equal(call_wakes(b, 0), 0);
	exit_task(a, 0);
	exit_task(b, 0);
}

/* "UNLOCK_PI: ordinary unlock; only on 0 clear the slot." 519/1543 */
static void unlock_pi_clears_the_slot_on_success_only(void **state)
{
	put32(WORD, 99);
	put64(SLOT, 0x1111111122222222);
	assert_int_equal(CALL(w.init, SYS_futex, WORD, 519, 0, 0, SLOT, 0), -EPERM);
	assert_int_equal(get64(SLOT), 0x1111111122222222);
	put32(WORD, w.init->tid);
	assert_int_equal(CALL(w.init, SYS_futex, WORD, 1543, 0, 0, SLOT, 0), 0);
	assert_int_equal(get64(SLOT), 0x1111111100000000);
	assert_int_equal(guest_word(w.init, WORD), 0);
	put32(WORD, w.init->tid);
	assert_int_equal(CALL(w.init, SYS_futex, WORD, 519 + 128, 0, 0, SLOT, 0), 0);
	assert_int_equal(get64(SLOT), 0);
}

/* Robust lists, then clear_child_tid. */
static void a_death_clears_what_it_leaves(void **state)
{
	struct task *t = sharer();

	put64(HEAD, HEAD + 0x40);
	put64(HEAD + 8, WORD - (HEAD + 0x40));
	put64(HEAD + 16, 0);
	put64(HEAD + 0x40, HEAD);
	put32(WORD, t->tid);
	put32(WORD + 4, 1);
	assert_int_equal(CALL(t, SYS_set_robust_list, HEAD, 24), 0);
	CALL(t, SYS_set_tid_address, WORD + 4);
	exit_task(t, 0);
	assert_int_equal(guest_word(w.init, WORD), FUTEX_WORD_DIED);
	assert_int_equal(guest_word(w.init, WORD + 4), 0);
}

/* ---- several lists ---- */

static long set2(struct task *t, uint64_t head, uint64_t cmd, uint64_t index)
{
	return CALL(t, (long)LIST2, head, cmd, index, 0);
}

static void without_the_option_there_is_no_such_call(void **state)
{
	w.k->cfg.robust_list2_nr = 0;
	assert_int_equal(set2(w.init, 0, LIST_LIMIT, 0), -ENOSYS);
	assert_int_equal(CALL(w.init, (long)LIST2 + 1, 0, OUT, 0, 0), -ENOSYS);
}

/* "CREATE returns the index (0, 1, ... in order); MODIFY with NULL frees a slot; unknown flags
 * EINVAL; unused index ENOENT, full ENOSPC, wrong size EINVAL; misaligned head EINVAL" */
static void lists_are_made_and_changed(void **state)
{
	struct task *t = w.init;
	long limit = set2(t, 0, LIST_LIMIT, 0);

	assert_int_equal(limit, 8);
	for (long i = 0; i < limit; i++)
		assert_int_equal(set2(t, HEAD + 64 * (uint64_t)i, i % 2 ? CREATE_32 : CREATE_64, 0),
				 i);
	assert_int_equal(set2(t, HEAD, CREATE_64, 0), -ENOSPC);
	assert_int_equal(set2(t, 0, MODIFY_64, 2), 0);
	assert_int_equal(set2(t, HEAD, MODIFY_64, 2), -ENOENT);
	assert_int_equal(set2(t, HEAD + 4, CREATE_64, 0), -EINVAL);
	assert_int_equal(set2(t, HEAD + 2, CREATE_32, 0), -EINVAL);
	assert_int_equal(set2(t, 1ULL << 32, CREATE_32, 0), -EINVAL);
	assert_int_equal(set2(t, HEAD + 4, CREATE_32, 0), 2);
	assert_int_equal(set2(t, HEAD, MODIFY_64, 2), -EINVAL);
	assert_int_equal(set2(t, HEAD, MODIFY_32, 2), 0);
	assert_int_equal(set2(t, HEAD, MODIFY_64, 100), -ENOENT);
	assert_int_equal(set2(t, HEAD, 5, 0), -EINVAL);
	assert_int_equal(CALL(t, (long)LIST2, HEAD, CREATE_64, 0, 1), -EINVAL);
}

/* Before number 473 the index came before the command. */
static void the_older_order_of_arguments(void **state)
{
	w.k->cfg.robust_list2_nr = 470;
	assert_int_equal(CALL(w.init, 470, HEAD, 77, CREATE_64, 0), 0);
	assert_int_equal(CALL(w.init, 470, HEAD + 8, 0, MODIFY_64, 0), 0);
	assert_int_equal(CALL(w.init, 471, 0, OUT, 0, 0), 0);
	assert_int_equal(get64(OUT), HEAD + 8);
}

/* "writes 4 bytes for a 32-bit list; unset index NULL" */
static void lists_are_read(void **state)
{
	struct task *t = w.init;

	assert_int_equal(set2(t, HEAD, CREATE_32, 0), 0);
	assert_int_equal(set2(t, HEAD + 8, CREATE_64, 0), 1);
	put64(OUT, ~0ULL);
	assert_int_equal(CALL(t, (long)LIST2 + 1, 0, OUT, 0, 0), 0);
	assert_int_equal(get64(OUT), 0xffffffff00000000 | HEAD);
	assert_int_equal(CALL(t, (long)LIST2 + 1, t->tid, OUT, 1, 0), 0);
	assert_int_equal(get64(OUT), HEAD + 8);
	assert_int_equal(CALL(t, (long)LIST2 + 1, 0, OUT, 5, 0), 0);
	assert_int_equal(get64(OUT), 0);
	assert_int_equal(CALL(t, (long)LIST2 + 1, 0, OUT, 8, 0), -EINVAL);
	assert_int_equal(CALL(t, (long)LIST2 + 1, 0, OUT, 0, 1), -EINVAL);
	assert_int_equal(CALL(t, (long)LIST2 + 1, 4711, OUT, 0, 0), -ESRCH);
	assert_int_equal(CALL(t, (long)LIST2 + 1, 0, NOMEM, 0, 0), -EFAULT);
}

/* A head at `head` of nodes at node[], each 16 bytes before its word. */
static void make_list(uint64_t head, const uint64_t *node, unsigned n, bool is32, uint64_t pending)
{
	for (unsigned i = 0; i <= n; i++) {
		uint64_t at = i ? node[i - 1] : head, to = i < n ? node[i] : head;

		if (is32)
			put32(at, (uint32_t)to);
		else
			put64(at, to);
	}
	if (is32) {
		put32(head + 4, 16);
		put32(head + 8, (uint32_t)pending);
	} else {
		put64(head + 8, 16);
		put64(head + 16, pending);
	}
}

/* All lists of a task are walked, 32-bit ones with 4-byte pointers. */
static void all_lists_are_walked(void **state)
{
	struct task *t = sharer();
	uint64_t node[5];

	for (unsigned i = 0; i < 5; i++) {
		node[i] = TEST_DATA + 0x1000 + i * 0x40;
		put32(node[i] + 16, t->tid);
	}
	make_list(HEAD, node, 1, false, 0);
	make_list(HEAD + 0x40, node + 1, 1, false, 0);
	make_list(HEAD + 0x80, node + 2, 2, true, node[4]);
	assert_int_equal(CALL(t, SYS_set_robust_list, HEAD, 24), 0);
	assert_int_equal(set2(t, HEAD + 0x40, CREATE_64, 0), 0);
	assert_int_equal(set2(t, HEAD + 0x80, CREATE_32, 0), 1);
	exit_task(t, 0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(guest_word(w.init, node[i] + 16), FUTEX_WORD_DIED);
}

/* "the walk uses 32-bit arithmetic": a negative futex_offset wraps at 4 GiB; "Circular lists
 * terminate" */
static void a_list_of_32_bits_wraps_and_may_be_circular(void **state)
{
	struct task *t = sharer();
	uint64_t node[2] = {TEST_DATA + 0x1000, TEST_DATA + 0x1040};

	put32(node[0] - 8, t->tid);
	put32(node[1] - 8, t->tid | FUTEX_WORD_WAITERS);
	make_list(HEAD, node, 2, true, 0);
	put32(HEAD + 4, (uint32_t)-8);
	put32(node[1], (uint32_t)node[0]);
	assert_int_equal(set2(t, HEAD, CREATE_32, 0), 0);
	exit_task(t, 0);
	assert_int_equal(guest_word(w.init, node[0] - 8), FUTEX_WORD_DIED);
	assert_int_equal(guest_word(w.init, node[1] - 8), FUTEX_WORD_WAITERS | FUTEX_WORD_DIED);
}

/* The slot of any registered list, if it has that size. */
static void an_unwritable_slot_drops_its_list(void **state)
{
	struct task *t = w.init;

	assert_int_equal(set2(t, NOMEM, CREATE_32, 0), 0);
	assert_int_equal(set2(t, NOMEM, CREATE_64, 0), 1);
	assert_int_equal(CALL(t, SYS_futex, WORD, 1537, 1, 0, NOMEM + 8, 0), -EFAULT);
	assert_int_equal(t->robust_lists2[0], 0);
	assert_int_equal(t->robust_lists2[1], NOMEM);
	assert_int_equal(CALL(t, SYS_futex, WORD, 513, 1, 0, NOMEM + 16, 0), -EFAULT);
	assert_int_equal(t->robust_lists2[1], 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_unlock_stores_clears_and_wakes),
		T(an_unlock_checks_in_order),
		T(an_unwritable_slot_drops_its_head),
		T(the_variant_keeps_the_waiters_bit),
		T(unlock_pi_clears_the_slot_on_success_only),
		T(a_death_clears_what_it_leaves),
		T(without_the_option_there_is_no_such_call),
		T(lists_are_made_and_changed),
		T(the_older_order_of_arguments),
		T(lists_are_read),
		T(all_lists_are_walked),
		T(a_list_of_32_bits_wraps_and_may_be_circular),
		T(an_unwritable_slot_drops_its_list),
	};

	return cmocka_run_group_tests_name("robust futexes", tests, NULL, NULL);
}
