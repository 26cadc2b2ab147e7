// FUTEX_REQUEUE, CMP_REQUEUE, WAKE_OP and bitsets between processes.
#include "futex.h"

static void wait_on(void *arg)
{
	word_t *w = arg;

	CHECK_EQ(futex(w, F_WAIT, 0, NULL, NULL, 0), 0);
}

static void start(pid_t *pid, int n, word_t *w)
{
	for (int i = 0; i < n; i++) {
		pid[i] = spawn(wait_on, w);
		await_waiters(w, i + 1);
	}
}

static void finish(pid_t *pid, int n)
{
	for (int i = 0; i < n; i++)
		reap_ok(pid[i]);
}

static void requeue(word_t *w)
{
	pid_t pid[6];

	start(pid, 6, w);
	say("requeue 1+2: %ld\n", futex(w, F_REQUEUE, 1, COUNT(2), w + 1, 0));
	say("there: %ld, here: %ld\n", waiters(w + 1, 0), waiters(w, 0));
	/* first come, first served: the first was woken */
	reap_ok(pid[0]);
	CHECK_ERR(futex(w, F_CMP_REQUEUE, 1, COUNT(1), w + 1, 7), EAGAIN);
	say("cmp_requeue 0+9: %ld\n", futex(w, F_CMP_REQUEUE, 0, COUNT(9), w + 1, 0));
	say("there: %ld, here: %ld\n", waiters(w + 1, 0), waiters(w, 0));
	say("wake there: %ld\n", futex(w + 1, F_WAKE, 9, NULL, NULL, 0));
	finish(pid + 1, 5);
}

static void requeue_errors(word_t *w)
{
	CHECK_ERR(futex(w, F_REQUEUE, -1, COUNT(1), w + 1, 0), EINVAL);
	CHECK_ERR(futex(w, F_REQUEUE, 1, COUNT(-1), w + 1, 0), EINVAL);
	CHECK_ERR(futex((char *)w + 1, F_REQUEUE, -1, COUNT(1), w + 1, 0), EINVAL);
	CHECK_ERR(futex(w, F_CMP_REQUEUE, 1, COUNT(1), (char *)w + 1, 7), EINVAL);
	CHECK_ERR(futex(w, F_CMP_REQUEUE, 1, COUNT(1), KERNEL_HALF, 7), EFAULT);
	CHECK_ERR(futex(KERNEL_HALF, F_CMP_REQUEUE, 1, COUNT(1), (char *)w + 1, 7), EFAULT);
	CHECK_ERR(futex((void *)4096, F_CMP_REQUEUE | F_PRIVATE, 1, COUNT(1), w, 7), EFAULT);
	CHECK_EQ(futex((void *)4096, F_REQUEUE | F_PRIVATE, 1, COUNT(1), (void *)8192, 7), 0);
	say("requeue errors: ok\n");
}

#define OP(op, arg, cmp, cmparg)                                                                   \
	((uint32_t)(op) << 28 | (uint32_t)(cmp) << 24 | ((uint32_t)(arg)&0xfff) << 12 |            \
	 ((uint32_t)(cmparg)&0xfff))

static void wake_op(word_t *w)
{
	static const struct {
		const char *what;
		uint32_t before, op;
	} t[] = {
		{"set", 5, OP(0, 7, 0, 5)},
		{"add -1", 5, OP(1, -1, 1, 5)},
		{"or", 5, OP(2, 2, 2, 6)},
		{"andn", 7, OP(3, 2, 3, 6)},
		{"xor", 5, OP(4, 1, 4, 4)},
		{"or 1 << 4", 0, OP(10, 4, 5, 0)},
		{"set 1 << 33", 0, OP(8, 33, 0, 1)},
		{"set -2048, old < -1", 0xfffffffe, OP(0, -2048, 2, -1)},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		pid_t pid[2];
		long n, rest;

		w[1] = 0;
		pid[0] = spawn(wait_on, w);
		pid[1] = spawn(wait_on, w + 1);
		await_waiters(w, 1);
		await_waiters(w + 1, 1);
		w[1] = t[i].before;
		n = futex(w, F_WAKE_OP, 1, COUNT(1), w + 1, t[i].op);
		say("%s: %ld, %#x\n", t[i].what, n, w[1]);
		rest = futex(w + 1, F_WAKE, 1, NULL, NULL, 0);
		CHECK_EQ(n + rest, 2);
		finish(pid, 2);
	}
	w[1] = 3;
	CHECK_ERR(futex(w, F_WAKE_OP, 1, COUNT(1), w + 1, OP(5, 1, 0, 0)), ENOSYS);
	CHECK_EQ(w[1], 3);
	CHECK_ERR(futex(w, F_WAKE_OP, 1, COUNT(1), w + 1, OP(0, 9, 6, 0)), ENOSYS);
	say("bad comparison: the word is %u\n", w[1]);
	CHECK_ERR(futex(w, F_WAKE_OP, 1, COUNT(1), (char *)w + 1, 0), EINVAL);
	CHECK_ERR(futex(w, F_WAKE_OP, 1, COUNT(1), KERNEL_HALF, 0), EFAULT);
	CHECK_ERR(futex(w, F_WAKE_OP | F_PRIVATE, 1, COUNT(1), (void *)4096, 0), EFAULT);
	CHECK_ERR(futex(w, F_WAKE_OP | F_PRIVATE, 1, COUNT(1), (void *)4096, OP(5, 0, 0, 0)),
		  ENOSYS);
	w[1] = 0;
}

struct bits {
	word_t *w;
	uint32_t set;
};

static void wait_bits(void *arg)
{
	struct bits *b = arg;

	CHECK_EQ(futex(b->w, F_WAIT_BITSET, 0, NULL, NULL, b->set), 0);
}

static void bitset(word_t *w)
{
	pid_t pid[4];

	for (int i = 0; i < 4; i++) {
		struct bits b = {w, 1U << i};

		pid[i] = spawn(wait_bits, &b);
		await_waiters(w, i + 1);
	}
	CHECK_ERR(futex(w, F_WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex(w, F_WAKE_BITSET, 1, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex((char *)w + 1, F_WAKE_BITSET, 1, NULL, NULL, 0), EINVAL);
	say("bits 16: %ld\n", futex(w, F_WAKE_BITSET, 9, NULL, NULL, 16));
	say("bits 12: %ld\n", futex(w, F_WAKE_BITSET, 9, NULL, NULL, 12));
	reap_ok(pid[2]);
	reap_ok(pid[3]);
	say("any: %ld\n", futex(w, F_WAKE, 9, NULL, NULL, 0));
	finish(pid, 2);
}

int main(void)
{
	word_t *w = shared_pages(1);

	requeue(w);
	requeue_errors(w);
	wake_op(w);
	bitset(w);
	return 0;
}
