/*
 * Robust futexes: see robust.h. Linux's kernel/futex/core.c, exit_robust_list() and what it calls.
 *
 * The lists lie in the program's memory and may be anything: circular, endless, unmapped. A walk
 * ends at its first fault without a word, and after ROBUST_LIST_LIMIT entries.
 */
#include "robust.h"
#include "futex_user.h"
#include "process.h"
#include "robust_unlock.h"
#include "sys.h"
#include "syscalls.h"

#define ROBUST_LIST_LIMIT 2048

/* struct robust_list_head: next, futex_offset, list_op_pending; each 8 bytes, or 4. */
#define HEAD_SIZE      24
#define HEAD_PENDING   16
#define HEAD32_PENDING 8

/* ---- one lock ---- */

static void wake_one(struct mm *mm, struct kernel *k, uint64_t addr)
{
	struct futex_key key;

	if (futex_user_key(mm, addr, FUTEX_USER_SHARED, false, &key) == 0)
		futex_wake(k->futex, &key, 1, FUTEX_BITSET_ANY);
}

/*
 * The task may own the lock at addr: marks it. False: the word cannot be reached, the walk ends.
 *
 * pending: between a lock's or unlock's store and the list's. A word without owner then may be one
 * that was just released with nobody woken yet.
 */
static bool handle_death(struct task *t, uint64_t addr, bool pi, bool pending)
{
	struct mm *mm = task_mm(t);
	uint32_t v, found;

	if (addr & 3 || guest_load32(mm, gva(addr), &found) < 0)
		return false;
	do {
		v = found;
		if (pending && !pi && !(v & FUTEX_WORD_TID)) {
			wake_one(mm, t->k, addr);
			return true;
		}
		if ((v & FUTEX_WORD_TID) != t->tid)
			return true;
		if (guest_cmpxchg32(mm, gva(addr), v, (v & FUTEX_WORD_WAITERS) | FUTEX_WORD_DIED,
				    &found) < 0)
			return false;
	} while (found != v);
	/* A PI lock is handed on by its state in the kernel. */
	if (!pi && v & FUTEX_WORD_WAITERS)
		wake_one(mm, t->k, addr);
	return true;
}

/* ---- a list ---- */

struct walk {
	struct mm *mm;
	bool is32; /* 4-byte pointers, and arithmetic that wraps at 4 GiB */
};

static uint64_t walk_add(const struct walk *k, uint64_t a, uint64_t b)
{
	return k->is32 ? (uint32_t)(a + b) : a + b;
}

/* The pointer at addr. */
static bool fetch(const struct walk *k, uint64_t addr, uint64_t *out)
{
	*out = 0;
	return copy_from_guest(k->mm, out, gva(addr), k->is32 ? 4 : 8) == 0;
}

struct entry {
	uint64_t addr;
	bool pi; /* bit 0 of the pointer to it */
};

static bool fetch_entry(const struct walk *k, uint64_t addr, struct entry *e)
{
	uint64_t v;

	if (!fetch(k, addr, &v))
		return false;
	e->addr = v & ~1ULL;
	e->pi = v & 1;
	return true;
}

static void walk_list(struct task *t, uint64_t head, bool is32)
{
	struct walk k = {task_mm(t), is32};
	unsigned word = is32 ? 4 : 8;
	struct entry e, next, pending;
	uint64_t offset;

	if (!fetch_entry(&k, head, &e) || !fetch(&k, walk_add(&k, head, word), &offset) ||
	    !fetch_entry(&k, walk_add(&k, head, 2UL * word), &pending))
		return;
	for (int left = ROBUST_LIST_LIMIT; left && e.addr != head; left--) {
		/* First: once the lock is free its memory may be, too. */
		bool more = fetch_entry(&k, e.addr, &next);

		if (e.addr != pending.addr &&
		    !handle_death(t, walk_add(&k, e.addr, offset), e.pi, false))
			return;
		if (!more)
			return;
		e = next;
	}
	if (pending.addr)
		handle_death(t, walk_add(&k, pending.addr, offset), pending.pi, true);
}

/* ---- several lists: set_robust_list2 ---- */

/* What a slot of robust_lists2 holds: a head, which is aligned, with this bit for a 32-bit list; 0:
 * none. */
#define LIST2_32 1UL

static void walk_all(struct task *t)
{
	uint64_t head = t->robust_list;

	t->robust_list = 0;
	if (head)
		walk_list(t, head, false);
	for (unsigned i = 0; i < ROBUST_LISTS2; i++) {
		head = t->robust_lists2[i];
		t->robust_lists2[i] = 0;
		if (head)
			walk_list(t, head & ~LIST2_32, head & LIST2_32);
	}
}

/* ---- the end ---- */

/* pthread_join waits for this word, or a CLONE_VM creator; nobody else sees memory that ends with
 * its process. */
static void clear_child_tid(struct task *t)
{
	struct process *p = t->p;
	uint64_t addr = t->clear_child_tid;
	static const uint32_t zero;
	bool shared;

	t->clear_child_tid = 0;
	if (!addr)
		return;
	pthread_mutex_lock(&p->siglock);
	shared = p->mm_shared || p->ntasks > 1;
	pthread_mutex_unlock(&p->siglock);
	if (!shared)
		return;
	if (addr & 3)
		copy_to_guest(p->mm, gva(addr), &zero, sizeof(zero));
	else
		guest_store32(p->mm, gva(addr), 0);
	wake_one(p->mm, t->k, addr);
}

static void release(struct task *t)
{
	struct futex_table *ft = t->k->futex;

	/* A task that ends inside the vDSO's unlock has released the lock, but its pending slot
	 * still names it. */
	robust_unlock_fixup(t);
	futex_owner_exit_begin(ft, &t->futex);
	if (t->p->mm)
		walk_all(t);
	futex_owner_exit_end(ft, &t->futex);
	if (t->p->mm)
		clear_child_tid(t);
}

void robust_exit(struct task *t)
{
	release(t);
}

void robust_exec(struct task *t)
{
	release(t);
	t->clear_child_tid = 0;
	futex_owner_revive(t->k->futex, &t->futex);
}

/* ---- unlocking ---- */

static bool drop_head_of(struct task *t, uint64_t slot, bool slot32)
{
	bool found = false;

	if (!slot32 && t->robust_list && t->robust_list + HEAD_PENDING == slot) {
		t->robust_list = 0;
		found = true;
	}
	for (unsigned i = 0; i < ROBUST_LISTS2; i++) {
		uint64_t head = t->robust_lists2[i];

		if (!head || (head & LIST2_32) != slot32)
			continue;
		if ((head & ~LIST2_32) + (slot32 ? HEAD32_PENDING : HEAD_PENDING) != slot)
			continue;
		t->robust_lists2[i] = 0;
		found = true;
	}
	return found;
}

int robust_clear_pending(struct task *t, uint64_t slot, bool slot32)
{
	static const uint64_t zero;

	if (copy_to_guest(task_mm(t), gva(slot), &zero, slot32 ? 4 : 8) == 0)
		return 0;
	drop_head_of(t, slot, slot32);
	return -EFAULT;
}

int robust_unlock(struct task *t, uint64_t uaddr, const struct futex_key *key, uint64_t slot,
		  bool slot32, int n, uint32_t bitset)
{
	struct futex_word word = futex_user_word(task_mm(t), uaddr);
	int r;

	if (t->k->cfg.robust_unlock_keep_waiters)
		r = futex_release(t->k->futex, key, &word, n, bitset);
	else
		r = guest_store32(task_mm(t), gva(uaddr), 0);
	return r < 0 ? -EFAULT : robust_clear_pending(t, slot, slot32);
}

/* ---- set_robust_list, get_robust_list ---- */

long sys_set_robust_list(struct task *t, struct call *c)
{
	if (c->args[1] != HEAD_SIZE)
		return -EINVAL;
	t->robust_list = c->args[0];
	return 0;
}

/* Linux: ptrace_may_access(PTRACE_MODE_READ_REALCREDS). */
static bool may_read(const struct cred *c, const struct cred *o)
{
	return c->euid == 0 || (c->uid == o->euid && c->uid == o->suid && c->uid == o->uid &&
				c->gid == o->egid && c->gid == o->sgid && c->gid == o->gid);
}

/* The list of task tid (0: t itself): the only one (index < 0), or one of several. 0, -ESRCH,
 * -EPERM. */
static int read_head(struct task *t, int tid, int index, uint64_t *head)
{
	struct kernel *k = t->k;
	struct cred mine, theirs;
	struct task *o;
	int r = -ESRCH;

	process_cred(t->p, &mine);
	pthread_mutex_lock(&k->tree_lock);
	o = tid ? task_find_locked(k, (uint32_t)tid) : t;
	if (o) {
		process_cred(o->p, &theirs);
		r = o->p == t->p || may_read(&mine, &theirs) ? 0 : -EPERM;
		*head = index < 0 ? o->robust_list : o->robust_lists2[index];
	}
	pthread_mutex_unlock(&k->tree_lock);
	return r;
}

long sys_get_robust_list(struct task *t, struct call *c)
{
	uint64_t head, size = HEAD_SIZE;
	int r = read_head(t, (int)c->args[0], -1, &head);

	if (r < 0)
		return r;
	if (copy_to_guest(t->p->mm, gva(c->args[2]), &size, sizeof(size)) < 0 ||
	    copy_to_guest(t->p->mm, gva(c->args[1]), &head, sizeof(head)) < 0)
		return -EFAULT;
	return 0;
}

/* ---- set_robust_list2, get_robust_list2: a proposal, off unless kernel_config says its number
 * ---- */

enum { CMD_CREATE_64, CMD_CREATE_32, CMD_MODIFY_64, CMD_MODIFY_32, CMD_LIST_LIMIT };

/* From this number on the command comes before the index; the proposal's older texts have them the
 * other way round. */
#define LIST2_NR_CMD_FIRST 473

static bool head_ok(uint64_t head, bool is32)
{
	return is32 ? !(head & 3) && head <= UINT32_MAX : !(head & 7);
}

static long list2_create(struct task *t, uint64_t head, bool is32)
{
	if (!head || !head_ok(head, is32))
		return -EINVAL;
	for (unsigned i = 0; i < ROBUST_LISTS2; i++) {
		if (t->robust_lists2[i])
			continue;
		t->robust_lists2[i] = head | (is32 ? LIST2_32 : 0);
		return i;
	}
	return -ENOSPC;
}

static long list2_modify(struct task *t, uint64_t head, uint64_t index, bool is32)
{
	uint64_t old;

	if (!head_ok(head, is32))
		return -EINVAL;
	old = index < ROBUST_LISTS2 ? (uint64_t)t->robust_lists2[index] : 0;
	if (!old)
		return -ENOENT;
	if ((old & LIST2_32) != is32)
		return -EINVAL;
	t->robust_lists2[index] = head ? head | (is32 ? LIST2_32 : 0) : 0;
	return 0;
}

long sys_set_robust_list2(struct task *t, struct call *c)
{
	bool cmd_first = t->k->cfg.robust_list2_nr >= LIST2_NR_CMD_FIRST;
	uint32_t cmd = (uint32_t)c->args[cmd_first ? 1 : 2];
	uint32_t index = (uint32_t)c->args[cmd_first ? 2 : 1];
	uint64_t head = c->args[0];

	if ((uint32_t)c->args[3])
		return -EINVAL;
	switch (cmd) {
	case CMD_CREATE_64:
	case CMD_CREATE_32:
		return list2_create(t, head, cmd == CMD_CREATE_32);
	case CMD_MODIFY_64:
	case CMD_MODIFY_32:
		return list2_modify(t, head, index, cmd == CMD_MODIFY_32);
	case CMD_LIST_LIMIT:
		return ROBUST_LISTS2;
	}
	return -EINVAL;
}

long sys_get_robust_list2(struct task *t, struct call *c)
{
	uint32_t index = (uint32_t)c->args[2];
	uint64_t head;
	bool is32;
	int r;

	if ((uint32_t)c->args[3] || index >= ROBUST_LISTS2)
		return -EINVAL;
	r = read_head(t, (int)c->args[0], (int)index, &head);
	if (r < 0)
		return r;
	is32 = head & LIST2_32;
	head &= ~LIST2_32;
	return copy_to_guest(t->p->mm, gva(c->args[1]), &head, is32 ? 4 : 8);
}
