/*
 * futex(2): decoding. The mechanism is core/futex.
 *
 * Checks come in Linux's order (kernel/futex/syscalls.c and what it calls), which a program can
 * see. On a later run of a call only its registers are decoded again; nothing of the guest's
 * memory.
 */
#include "futex_user.h"
#include "robust.h"
#include "sys.h"
#include "syscalls.h"

struct futex_args {
	uint64_t uaddr, uaddr2;
	unsigned cmd, flags, key_flags;
	uint32_t val, val2, val3;
	bool has_timeout;
	struct futex_timeout timeout;
};

/* WAIT's is relative; LOCK_PI's always CLOCK_REALTIME's. */
static int read_timeout(struct task *t, const struct call *c, struct futex_args *a)
{
	bool realtime = a->flags & FUTEX_CLOCK_REALTIME || a->cmd == FUTEX_LOCK_PI;
	int64_t ns;
	int r = timespec_from_guest(task_mm(t), gva(c->args[3]), &ns);

	if (r < 0)
		return r;
	a->timeout = (struct futex_timeout){.ns = ns};
	if (a->cmd == FUTEX_WAIT)
		a->timeout.ns = time_add(core_now(), ns);
	else if (realtime)
		a->timeout.realtime = true;
	else
		a->timeout.absolute = true;
	return 0;
}

static int decode(struct task *t, const struct call *c, struct futex_args *a)
{
	int r;

	*a = (struct futex_args){
		.uaddr = c->args[0],
		.uaddr2 = c->args[4],
		.cmd = (uint32_t)c->args[1] & ~FUTEX_FLAGS,
		.flags = (uint32_t)c->args[1] & FUTEX_FLAGS,
		.val = (uint32_t)c->args[2],
		.val2 = (uint32_t)c->args[3],
		.val3 = (uint32_t)c->args[5],
		.timeout = FUTEX_TIMEOUT_NONE,
	};
	a->key_flags = a->flags & FUTEX_PRIVATE_FLAG ? 0 : FUTEX_USER_SHARED;
	a->has_timeout = c->args[3] && futex_has_timeout(a->cmd);
	if (a->has_timeout && !c->rerun && !c->restarted) {
		r = read_timeout(t, c, a);
		if (r < 0)
			return r;
	}
	if (a->flags & FUTEX_CLOCK_REALTIME && a->cmd != FUTEX_WAIT_BITSET &&
	    a->cmd != FUTEX_WAIT_REQUEUE_PI && a->cmd != FUTEX_LOCK_PI2)
		return -ENOSYS;
	if (a->flags & FUTEX_ROBUST_UNLOCK && a->cmd != FUTEX_WAKE && a->cmd != FUTEX_WAKE_BITSET &&
	    a->cmd != FUTEX_UNLOCK_PI)
		return -ENOSYS;
	return 0;
}

static int key_of(struct task *t, const struct futex_args *a, uint64_t addr, bool write,
		  struct futex_key *key)
{
	return futex_user_key(task_mm(t), addr, a->key_flags, write, key);
}

/* The one waiter of a call that waits for uaddr. NULL: no memory. */
static struct futex_waiter *make_waiter(struct task *t, struct call *c, const struct futex_args *a,
					const struct futex_key *key)
{
	struct futex_call *f = futex_call_make(t, c, 1);

	if (!f)
		return NULL;
	f->w[0].key = *key;
	f->w[0].word = futex_user_word(task_mm(t), a->uaddr);
	f->w[0].value = a->val;
	f->w[0].bitset = a->val3;
	futex_timeout_begin(t, c, &a->timeout);
	return &f->w[0];
}

/* ---- WAIT, WAKE ---- */

static long do_wait(struct task *t, struct call *c, const struct futex_args *a)
{
	struct futex_key key;
	struct futex_waiter *w;
	long r;

	if (!a->val3)
		return -EINVAL;
	if (!c->rerun) {
		r = key_of(t, a, a->uaddr, false, &key);
		if (r < 0)
			return r;
		w = make_waiter(t, c, a, &key);
		if (!w)
			return -ENOMEM;
		r = futex_wait(t->k->futex, w, 1);
		if (r != -EBLOCKED)
			return r;
	}
	r = futex_call_end(t, c, -ERESTARTSYS);
	/* A relative wait must not begin anew. */
	return r == -ERESTARTSYS && a->has_timeout ? call_restart_block(t, c) : r;
}

static long do_wake(struct task *t, const struct futex_args *a)
{
	struct futex_key key;
	int r;

	if (!a->val3)
		return -EINVAL;
	r = key_of(t, a, a->uaddr, false, &key);
	if (r == 0 && a->flags & FUTEX_ROBUST_UNLOCK)
		r = robust_unlock(t, a->uaddr, &key, a->uaddr2,
				  (a->flags & FUTEX_ROBUST_LIST32) != 0, (int)a->val, a->val3);
	return r < 0 ? r : futex_wake(t->k->futex, &key, (int)a->val, a->val3);
}

/* linux/futex.h, FUTEX_OP(): four bits of operation, four of comparison, two arguments of 12. */
static struct futex_op decode_op(uint32_t v)
{
	struct futex_op op = {
		.op = v >> 28 & 7,
		.cmp = v >> 24 & 15,
		.oparg = (int32_t)(v << 8) >> 20,
		.cmparg = (int32_t)(v << 20) >> 20,
	};

	/* FUTEX_OP_OPARG_SHIFT */
	if (v >> 31)
		op.oparg = (int)(1U << (op.oparg & 31));
	return op;
}

static long do_wake_op(struct task *t, const struct futex_args *a)
{
	struct futex_op op = decode_op(a->val3);
	struct futex_word word2 = futex_user_word(task_mm(t), a->uaddr2);
	struct futex_key key1, key2;
	int r = key_of(t, a, a->uaddr, false, &key1);

	if (r == 0)
		r = key_of(t, a, a->uaddr2, true, &key2);
	if (r < 0)
		return r;
	return futex_wake_op(t->k->futex, &key1, &key2, &word2, (int)a->val, (int)a->val2, &op);
}

/* ---- REQUEUE ---- */

static long do_requeue(struct task *t, const struct futex_args *a, bool compare)
{
	struct futex_word word1 = futex_user_word(task_mm(t), a->uaddr);
	struct futex_key key1, key2;
	int r;

	if ((int)a->val < 0 || (int)a->val2 < 0)
		return -EINVAL;
	r = key_of(t, a, a->uaddr, false, &key1);
	if (r == 0)
		r = key_of(t, a, a->uaddr2, false, &key2);
	if (r < 0)
		return r;
	return futex_requeue(t->k->futex, &key1, compare ? &word1 : NULL, a->val3, &key2,
			     (int)a->val, (int)a->val2);
}

/* ---- PI ---- */

static long do_lock_pi(struct task *t, struct call *c, const struct futex_args *a)
{
	struct futex_call *f = c->state;
	struct futex_waiter *w = f ? f->w : NULL;
	struct futex_key key;
	long r;

	if (!c->rerun) {
		r = key_of(t, a, a->uaddr, true, &key);
		if (r < 0)
			return r;
		w = make_waiter(t, c, a, &key);
		if (!w)
			return -ENOMEM;
	}
	if (!futex_queued(w) && !w->woken) {
		r = futex_pi_lock(t->k->futex, w, a->cmd == FUTEX_TRYLOCK_PI);
		if (r != -EBLOCKED)
			return r;
	}
	return futex_call_end(t, c, -ERESTARTNOINTR);
}

static long do_unlock_pi(struct task *t, const struct futex_args *a)
{
	struct futex_word word = futex_user_word(task_mm(t), a->uaddr);
	struct futex_key key;
	uint32_t v;
	int r;

	/* Linux reads it before it looks at the address; a misaligned one is not read atomically.
	 */
	if (a->uaddr & 3)
		r = copy_from_guest(task_mm(t), &v, gva(a->uaddr), sizeof(v));
	else
		r = guest_load32(task_mm(t), gva(a->uaddr), &v);
	if (r < 0)
		return -EFAULT;
	if ((v & FUTEX_WORD_TID) != t->tid)
		return -EPERM;
	r = key_of(t, a, a->uaddr, true, &key);
	if (r == 0)
		r = futex_pi_unlock(t->k->futex, &key, &word, &t->futex);
	if (r == 0 && a->flags & FUTEX_ROBUST_UNLOCK)
		r = robust_clear_pending(t, a->uaddr2, (a->flags & FUTEX_ROBUST_LIST32) != 0);
	return r;
}

/* The first run of WAIT_REQUEUE_PI. */
static long begin_wait_requeue_pi(struct task *t, struct call *c, const struct futex_args *a)
{
	struct futex_key key, target;
	struct futex_waiter *w;
	uint32_t v;
	long r;

	if (a->uaddr == a->uaddr2)
		return -EINVAL;
	r = key_of(t, a, a->uaddr2, true, &target);
	if (r == 0)
		r = key_of(t, a, a->uaddr, false, &key);
	if (r < 0)
		return r;
	if (futex_key_equal(&key, &target)) {
		/* Two addresses of one word: found after the comparison. */
		r = guest_load32(task_mm(t), gva(a->uaddr), &v);
		if (r == 0)
			r = v == a->val ? -EINVAL : -EAGAIN;
		return r;
	}
	w = make_waiter(t, c, a, &key);
	if (!w)
		return -ENOMEM;
	w->requeue_pi = true;
	w->target = target;
	w->target_word = futex_user_word(task_mm(t), a->uaddr2);
	return futex_wait(t->k->futex, w, 1);
}

static long do_wait_requeue_pi(struct task *t, struct call *c, const struct futex_args *a)
{
	struct futex_call *f;
	long r;

	if (!c->rerun) {
		r = begin_wait_requeue_pi(t, c, a);
		if (r != -EBLOCKED)
			return r;
	}
	r = futex_call_end(t, c, -ERESTARTNOINTR);
	f = c->state;
	/* Once it has been moved the wait cannot begin again: the word has changed by now. */
	return r == -ERESTARTNOINTR && !f->w[0].requeue_pi ? -EAGAIN : r;
}

static long do_cmp_requeue_pi(struct task *t, struct call *c, const struct futex_args *a)
{
	struct futex_word word1 = futex_user_word(task_mm(t), a->uaddr);
	struct futex_word word2 = futex_user_word(task_mm(t), a->uaddr2);
	struct futex_key key1, key2;
	int r;

	if ((int)a->val < 0 || (int)a->val2 < 0)
		return -EINVAL;
	if (a->uaddr == a->uaddr2 || a->val != 1)
		return -EINVAL;
	r = key_of(t, a, a->uaddr, false, &key1);
	if (r == 0)
		r = key_of(t, a, a->uaddr2, true, &key2);
	if (r < 0)
		return r;
	if (futex_key_equal(&key1, &key2))
		return -EINVAL;
	r = futex_pi_requeue(t->k->futex, &key1, &word1, a->val3, &key2, &word2, (int)a->val2,
			     &t->st);
	/* Nothing has been done yet. */
	return r == -EBLOCKED && c->interrupted ? -ERESTARTNOINTR : r;
}

/* ---- the call ---- */

long sys_futex(struct task *t, struct call *c)
{
	struct futex_args a;
	int r = decode(t, c, &a);

	if (r < 0)
		return r;
	switch (a.cmd) {
	case FUTEX_WAIT:
		a.val3 = FUTEX_BITSET_ANY;
		return do_wait(t, c, &a);
	case FUTEX_WAIT_BITSET:
		return do_wait(t, c, &a);
	case FUTEX_WAKE:
		a.val3 = FUTEX_BITSET_ANY;
		return do_wake(t, &a);
	case FUTEX_WAKE_BITSET:
		return do_wake(t, &a);
	case FUTEX_WAKE_OP:
		return do_wake_op(t, &a);
	case FUTEX_REQUEUE:
		return do_requeue(t, &a, false);
	case FUTEX_CMP_REQUEUE:
		return do_requeue(t, &a, true);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_TRYLOCK_PI:
		return do_lock_pi(t, c, &a);
	case FUTEX_UNLOCK_PI:
		return do_unlock_pi(t, &a);
	case FUTEX_WAIT_REQUEUE_PI:
		a.val3 = FUTEX_BITSET_ANY;
		return do_wait_requeue_pi(t, c, &a);
	case FUTEX_CMP_REQUEUE_PI:
		return do_cmp_requeue_pi(t, c, &a);
	}
	return -ENOSYS;
}
