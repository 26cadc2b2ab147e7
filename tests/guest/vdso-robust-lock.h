/*
 * A lock, the slot that names it, and the robust list that the slot belongs to, of 64 or of 32
 * bits: what the tests of the vDSO's unlock have in common, whatever the instructions are.
 */
#ifndef TESTS_GUEST_VDSO_ROBUST_LOCK_H
#define TESTS_GUEST_VDSO_ROBUST_LOCK_H

#include "futex.h"
#include "vdso-robust.h"

#define SYS_list2     473
#define SYS_get_list2 474
#define CREATE_32     1

struct head64 {
	uint64_t next, offset, pending;
};
struct head32 {
	uint32_t next, offset, pending;
};

/* One page, shared with the task that dies, below 2 GiB. */
struct shared {
	word_t lock;
	_Atomic unsigned steps; /* the test's own */
	struct head64 h64;
	struct head32 h32;
};

static struct shared *s;
static bool is32;
static uint32_t tid, has_list2; /* the task that has registered h32 */

/* ---- the slot and its head ---- */

HELPER uint64_t slot(void)
{
	return is32 ? s->h32.pending : s->h64.pending;
}

HELPER void set_slot(void *p)
{
	if (is32)
		s->h32.pending = (uint32_t)(uintptr_t)p;
	else
		s->h64.pending = (uintptr_t)p;
}

HELPER void *slot_address(void)
{
	return is32 ? (void *)&s->h32.pending : (void *)&s->h64.pending;
}

HELPER void take_lock(uint32_t value)
{
	tid = my_tid();
	s->h64 = (struct head64){.next = (uintptr_t)&s->h64};
	s->h32 = (struct head32){.next = (uint32_t)(uintptr_t)&s->h32};
	set_slot(&s->lock);
	if (is32 && has_list2 != tid)
		CHECK_EQ(syscall(SYS_list2, &s->h32, CREATE_32, 0, 0), 0);
	if (is32)
		has_list2 = tid;
	else
		CHECK_EQ(syscall(SYS_set_robust_list, &s->h64, sizeof(s->h64)), 0);
	/* Last: who sees it may kill us. */
	__atomic_store_n(&s->lock, value ? value : tid, __ATOMIC_RELEASE);
}

HELPER bool pair_ok(uint32_t held)
{
	return (s->lock == held && slot() == (uintptr_t)&s->lock) || (s->lock == 0 && slot() == 0);
}

/* The slot cannot be written: the registration is dropped, SIGSEGV. The lock is free, so its memory
 * may be another's: it is not touched, though the slot still names it. */
static word_t *other;

HELPER void on_segv(int sig, siginfo_t *si, void *uc)
{
	uint64_t head = 1, size;

	(void)sig;
	(void)si;
	(void)uc;
	CHECK_EQ(*other, 0);
	if (is32) {
		CHECK_EQ(syscall(SYS_get_list2, 0, &head, 0, 0), 0);
		CHECK_EQ(head, 0);
	} else {
		CHECK_EQ(syscall(SYS_get_robust_list, 0, &head, &size), 0);
		CHECK_EQ(head, 0);
	}
	*other = tid;
	_exit(0);
}

HELPER void read_only_slot_child(void *arg)
{
	struct sigaction sa = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO};
	try_unlock_t unlock = *(try_unlock_t *)arg;

	CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
	take_lock(0);
	*other = tid;
	set_slot((void *)other);
	CHECK_EQ(mprotect(s, 4096, PROT_READ), 0);
	unlock((void *)other, tid, slot_address());
}

HELPER void read_only_slot(try_unlock_t unlock)
{
	pid_t pid = spawn(read_only_slot_child, &unlock);

	reap_ok(pid);
	CHECK_EQ(*other, pid);
	CHECK_EQ(slot(), (uintptr_t)other);
}

#endif
