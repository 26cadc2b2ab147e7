// native: no
// expect-stdout: robust unlock: ok
// The robust unlock of Linux 7.2: futex(uaddr, cmd | FUTEX_ROBUST_UNLOCK, nr_wake, NULL,
// &head->list_op_pending, bitset): "unlock, clear the pending pointer and wake in one", which
// closes the window in which a task that dies marks memory that is a lock no more.
// FUTEX_ROBUST_LIST32: the pointer is of 4 bytes.
#include "futex.h"

#define UNLOCK 512U
#define LIST32 1024U

struct head {
	void *next;
	long offset;
	uint64_t pending;
};

static word_t *w; /* word 0: the lock; words 2, 3: a pending slot */
static struct head *head;

static void sleeper(void *arg)
{
	(void)arg;
	CHECK_EQ(futex(w, F_WAIT, 7, NULL, NULL, 0), 0);
}

/* "store-release 0 to uaddr; store 0 to the pending slot; wake. The TID is not checked." */
static void unlocks(unsigned op, bool slot32)
{
	uint64_t *slot = (uint64_t *)(void *)(w + 2);
	pid_t pid[2];

	*w = 7;
	for (int i = 0; i < 2; i++)
		pid[i] = spawn(sleeper, NULL);
	await_waiters(w, 2);
	*slot = 0x1111111122222222;
	CHECK_EQ(futex(w, op, 1, NULL, slot, 1), 1);
	CHECK_EQ(*w, 0);
	CHECK_EQ(*slot, slot32 ? 0x1111111100000000 : 0);
	CHECK_EQ(waiters(w, 0), 1);
	CHECK_EQ(futex(w, F_WAKE, 9, NULL, NULL, 0), 1);
	for (int i = 0; i < 2; i++)
		reap_ok(pid[i]);
}

/* "UNLOCK_PI: ordinary unlock; only on 0 clear the slot." */
static void unlocks_pi(void)
{
	uint64_t *slot = (uint64_t *)(void *)(w + 2);
	uint32_t tid = my_tid();
	pid_t pid;

	*slot = 5;
	*w = 99;
	CHECK_ERR(futex(w, F_UNLOCK_PI | UNLOCK, 0, NULL, slot, 0), EPERM);
	CHECK_EQ(*slot, 5);
	*w = tid;
	pid = fork_ok();
	if (!pid) {
		CHECK_EQ(futex(w, F_LOCK_PI, 0, NULL, NULL, 0), 0);
		CHECK_EQ(*w, W_WAITERS | my_tid());
		CHECK_EQ(futex(w, F_UNLOCK_PI, 0, NULL, NULL, 0), 0);
		_exit(0);
	}
	while (!(*w & W_WAITERS))
		sleep_ms(1);
	await_asleep(pid);
	CHECK_EQ(futex(w, F_UNLOCK_PI | UNLOCK | LIST32, 0, NULL, slot, 0), 0);
	CHECK_EQ(*slot, 0);
	reap_ok(pid);
	CHECK_EQ(*w, 0);
}

static void errors(void)
{
	uint64_t *slot = (uint64_t *)(void *)(w + 2);

	*w = 7;
	*slot = 5;
	CHECK_ERR(futex(w, F_WAKE_BITSET | UNLOCK, 1, NULL, slot, 0), EINVAL);
	CHECK_ERR(futex((char *)w + 1, F_WAKE | UNLOCK, 1, NULL, slot, 0), EINVAL);
	CHECK_ERR(futex(KERNEL_HALF, F_WAKE | UNLOCK, 1, NULL, slot, 0), EFAULT);
	CHECK_ERR(futex((void *)4096, F_WAKE | UNLOCK | F_PRIVATE, 1, NULL, slot, 0), EFAULT);
	for (unsigned cmd = 0; cmd < 14; cmd++)
		if (cmd != F_WAKE && cmd != F_WAKE_BITSET && cmd != F_UNLOCK_PI)
			CHECK_ERR(futex(w, cmd | UNLOCK, 1, NULL, slot, 1), ENOSYS);
	CHECK_EQ(*w, 7);
	CHECK_EQ(*slot, 5);
	CHECK_EQ(futex(w, F_WAKE | LIST32, 1, NULL, slot, 1), 0);
	CHECK_EQ(*w, 7);
}

/* "if the slot is the registered head's own, that registration is dropped; nobody is woken" */
static void drops_the_head(void *arg)
{
	struct head *gone = (void *)map_pages(4096, PROT_READ | PROT_WRITE);
	void *registered = NULL;
	size_t len;
	pid_t pid;

	(void)arg;
	*w = 7;
	pid = spawn(sleeper, NULL);
	await_waiters(w, 1);
	CHECK_EQ(syscall(SYS_set_robust_list, gone, 24), 0);
	CHECK_EQ(munmap(gone, 4096), 0);
	CHECK_ERR(futex(w, F_WAKE | UNLOCK, 1, NULL, &gone->pending, 0), EFAULT);
	CHECK_EQ(*w, 0);
	CHECK_EQ(waiters(w, 0), 1);
	CHECK_EQ(syscall(SYS_get_robust_list, 0, &registered, &len), 0);
	CHECK(registered == NULL);
	CHECK_EQ(futex(w, F_WAKE, 1, NULL, NULL, 0), 1);
	reap_ok(pid);
}

/* What it is for: after the call a death leaves the word, now somebody else's memory, alone. */
static void is_safe_to_die_after(void *arg)
{
	(void)arg;
	head->next = head;
	head->offset = 0;
	head->pending = (uintptr_t)w;
	CHECK_EQ(syscall(SYS_set_robust_list, head, 24), 0);
	*w = my_tid();
	CHECK_EQ(futex(w, F_WAKE | UNLOCK, 1, NULL, &head->pending, 0), 0);
	*w = my_tid(); /* the next user of this memory stores just this number */
	raise(SIGKILL);
}

int main(void)
{
	static const unsigned ops[] = {513, 1537, 522, 1546};
	char *p = shared_pages(2);
	uint32_t before;

	w = (word_t *)(void *)p;
	head = (struct head *)(void *)(p + 4096);
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		unlocks(ops[i], ops[i] & LIST32);
	unlocks_pi();
	errors();
	CHECK_EQ(run_child(drops_the_head, NULL), 0);
	CHECK_EQ(run_child(is_safe_to_die_after, NULL), SIGKILL);
	before = *w;
	CHECK(before && !(before & W_DIED));
	CHECK_EQ(head->pending, 0);
	say("robust unlock: ok\n");
	return 0;
}
