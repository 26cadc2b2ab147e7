/*
 * futex_waitv(2), futex_wake(2), futex_wait(2), futex_requeue(2): the calls with sizes in
 * their flags. Only 32-bit words exist, as on Linux.
 */
#include "futex_user.h"
#include "sys.h"
#include "syscalls.h"

#include <string.h>

struct futex_waitv_k {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};

/* 0 and the key's flags; -EINVAL. */
static int decode_flags(uint32_t flags, unsigned *key_flags)
{
	if (flags & ~FUTEX2_VALID || (flags & FUTEX2_SIZE_MASK) != FUTEX2_SIZE_U32)
		return -EINVAL;
	*key_flags = (flags & FUTEX2_PRIVATE ? 0 : FUTEX_USER_SHARED) |
		     (flags & FUTEX2_NUMA ? FUTEX_USER_NUMA : 0);
	return 0;
}

/* An absolute timeout, if there is one. 0; -EINVAL: clock or time; -EFAULT. */
static int decode_timeout(struct task *t, uint64_t addr, int clock, struct futex_timeout *to)
{
	int64_t ns;
	int r;

	*to = FUTEX_TIMEOUT_NONE;
	if (!addr)
		return 0;
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
		return -EINVAL;
	r = timespec_from_guest(task_mm(t), gva(addr), &ns);
	if (r == 0)
		*to = (struct futex_timeout){.ns = ns,
					     .absolute = clock == CLOCK_MONOTONIC,
					     .realtime = clock == CLOCK_REALTIME};
	return r;
}

/* One entry of futex_waitv's or futex_requeue's list. */
static int decode_entry(struct task *t, uint64_t addr, struct futex_waitv_k *e, unsigned *key_flags)
{
	if (copy_from_guest(task_mm(t), e, gva(addr), sizeof(*e)) < 0)
		return -EFAULT;
	if (e->reserved || decode_flags(e->flags, key_flags) < 0 || e->val > UINT32_MAX)
		return -EINVAL;
	return 0;
}

static int waiter_set(struct task *t, struct futex_waiter *w, uint64_t addr, unsigned key_flags,
		      uint32_t value, uint32_t bitset)
{
	w->word = futex_user_word(task_mm(t), addr);
	w->value = value;
	w->bitset = bitset;
	return futex_user_key(task_mm(t), addr, key_flags, false, &w->key);
}

static long begin_waitv(struct task *t, struct call *c)
{
	unsigned n = (uint32_t)c->args[1], key_flags[FUTEX_WAITV_MAX];
	struct futex_waitv_k e[FUTEX_WAITV_MAX];
	struct futex_call *f;
	struct futex_timeout timeout;
	int r;

	if ((uint32_t)c->args[2] || !n || n > FUTEX_WAITV_MAX || !c->args[0])
		return -EINVAL;
	r = decode_timeout(t, c->args[3], (int)c->args[4], &timeout);
	for (unsigned i = 0; r == 0 && i < n; i++)
		r = decode_entry(t, c->args[0] + i * sizeof(e[0]), &e[i], &key_flags[i]);
	if (r < 0)
		return r;
	f = futex_call_make(t, c, n);
	if (!f)
		return -ENOMEM;
	for (unsigned i = 0; r == 0 && i < n; i++)
		r = waiter_set(t, &f->w[i], e[i].uaddr, key_flags[i], (uint32_t)e[i].val,
			       FUTEX_BITSET_ANY);
	if (r < 0)
		return r;
	futex_timeout_begin(t, c, &timeout);
	return futex_wait(t->k->futex, f->w, n);
}

long sys_futex_waitv(struct task *t, struct call *c)
{
	if (!c->rerun) {
		long r = begin_waitv(t, c);

		if (r != -EBLOCKED)
			return r;
	}
	return futex_call_end(t, c, -ERESTARTSYS);
}

static long begin_wait(struct task *t, struct call *c)
{
	struct futex_call *f;
	unsigned key_flags;
	struct futex_timeout timeout;
	int r = decode_flags((uint32_t)c->args[3], &key_flags);

	if (r < 0)
		return r;
	if (c->args[1] > UINT32_MAX || c->args[2] > UINT32_MAX)
		return -EINVAL;
	r = decode_timeout(t, c->args[4], (int)c->args[5], &timeout);
	if (r < 0)
		return r;
	if (!c->args[2])
		return -EINVAL;
	f = futex_call_make(t, c, 1);
	if (!f)
		return -ENOMEM;
	r = waiter_set(t, f->w, c->args[0], key_flags, (uint32_t)c->args[1], (uint32_t)c->args[2]);
	if (r < 0)
		return r;
	futex_timeout_begin(t, c, &timeout);
	return futex_wait(t->k->futex, f->w, 1);
}

long sys_futex_wait(struct task *t, struct call *c)
{
	if (!c->rerun) {
		long r = begin_wait(t, c);

		if (r != -EBLOCKED)
			return r;
	}
	return futex_call_end(t, c, -ERESTARTSYS);
}

long sys_futex_wake(struct task *t, struct call *c)
{
	int nr = (int)c->args[2];
	struct futex_key key;
	unsigned key_flags;
	int r = decode_flags((uint32_t)c->args[3], &key_flags);

	if (r < 0)
		return r;
	if (c->args[1] > UINT32_MAX || !c->args[1])
		return -EINVAL;
	r = futex_user_key(task_mm(t), c->args[0], key_flags, false, &key);
	if (r < 0 || !nr)
		return r;
	return futex_wake(t->k->futex, &key, nr, (uint32_t)c->args[1]);
}

long sys_futex_requeue(struct task *t, struct call *c)
{
	int nwake = (int)c->args[2], nrequeue = (int)c->args[3], r = 0;
	struct futex_waitv_k e[2];
	struct futex_key key[2];
	struct futex_word word;
	unsigned key_flags[2];

	if ((uint32_t)c->args[1] || !c->args[0])
		return -EINVAL;
	for (unsigned i = 0; r == 0 && i < 2; i++)
		r = decode_entry(t, c->args[0] + i * sizeof(e[0]), &e[i], &key_flags[i]);
	if (r < 0)
		return r;
	if (nwake < 0 || nrequeue < 0)
		return -EINVAL;
	for (unsigned i = 0; r == 0 && i < 2; i++)
		r = futex_user_key(task_mm(t), e[i].uaddr, key_flags[i], false, &key[i]);
	if (r < 0)
		return r;
	word = futex_user_word(task_mm(t), e[0].uaddr);
	return futex_requeue(t->k->futex, &key[0], &word, (uint32_t)e[0].val, &key[1], nwake,
			     nrequeue);
}
