// native: no
// vmbox-options: --abi robust-list2=473
// expect-stdout: robust lists: ok
// set_robust_list2(head, cmd, index, flags) and get_robust_list2(pid, head, index, flags), as
// proposed: a task has several lists, each of 64-bit or of 32-bit pointers, and all are walked when
// it ends.
#include "futex.h"

#define SET 473
#define GET 474

enum { CREATE_64, CREATE_32, MODIFY_64, MODIFY_32, LIST_LIMIT };

struct head64 {
	uint64_t next, offset, pending;
};

struct head32 {
	uint32_t next;
	int32_t offset;
	uint32_t pending;
};

struct mem {
	struct head64 head64[8];
	struct head32 head32[8];
	uint64_t node64[8];
	uint32_t node32[8];
	word_t word[16]; /* words 8..15 belong to the 32-bit lists */
};

static struct mem *m;

static long set2(const void *head, unsigned cmd, unsigned index, unsigned flags)
{
	return syscall(SET, head, cmd, index, flags);
}

static uint32_t low(const void *p)
{
	CHECK((uintptr_t)p <= UINT32_MAX);
	return (uint32_t)(uintptr_t)p;
}

/* "CREATE returns the index (0, 1, ... in order); MODIFY with NULL frees a slot; unknown flags
 * EINVAL; unused index ENOENT, full ENOSPC, wrong size EINVAL; misaligned head EINVAL; LIST_LIMIT
 * returns the number of lists" */
static void rules(void *arg)
{
	long limit = set2(NULL, LIST_LIMIT, 0, 0);
	uint64_t out = ~0ULL;

	(void)arg;
	CHECK(limit >= 8);
	for (long i = 0; i < limit; i++)
		CHECK_EQ(set2(&m->head64[i % 8], CREATE_64, 0, 0), i);
	CHECK_ERR(set2(m->head64, CREATE_64, 0, 0), ENOSPC);
	CHECK_EQ(set2(NULL, MODIFY_64, 3, 0), 0);
	CHECK_ERR(set2(m->head64, MODIFY_64, 3, 0), ENOENT);
	CHECK_ERR(set2(m->head64, MODIFY_32, 2, 0), EINVAL);
	CHECK_ERR(set2((char *)m->head64 + 4, MODIFY_64, 2, 0), EINVAL);
	CHECK_ERR(set2(m->head64, MODIFY_64, 2, 1), EINVAL);
	CHECK_ERR(set2(m->head64, 17, 2, 0), EINVAL);
	CHECK_EQ(set2(m->head32, CREATE_32, 0, 0), 3);
	CHECK_EQ(syscall(GET, 0, &out, 3, 0), 0);
	CHECK_EQ(out, 0xffffffff00000000 | low(m->head32));
	CHECK_EQ(syscall(GET, getpid(), &out, 2, 0), 0);
	CHECK_EQ(out, (uintptr_t)&m->head64[2]);
	CHECK_ERR(syscall(GET, 0, &out, limit, 0), EINVAL);
	CHECK_ERR(syscall(GET, 0, &out, 0, 1), EINVAL);
	CHECK_ERR(syscall(GET, 0x3ffffff0, &out, 0, 0), ESRCH);
	CHECK_ERR(syscall(GET, 0, KERNEL_HALF, 0, 0), EFAULT);
	/* None of these lists is a list: the walk ends at once. */
}

static void own(void)
{
	memset(m, 0, sizeof(*m));
	for (int i = 0; i < 4; i++) {
		m->head64[i] =
			(struct head64){(uintptr_t)&m->node64[i],
					(uintptr_t)&m->word[i] - (uintptr_t)&m->node64[i], 0};
		m->node64[i] = (uintptr_t)&m->head64[i];
		m->head32[i] =
			(struct head32){low(&m->node32[i]),
					(int32_t)(low(&m->word[8 + i]) - low(&m->node32[i])), 0};
		m->node32[i] = low(&m->head32[i]);
		m->word[i] = m->word[8 + i] = my_tid();
	}
}

static void several(void *arg)
{
	(void)arg;
	own();
	CHECK_EQ(syscall(SYS_set_robust_list, &m->head64[0], 24), 0);
	for (int i = 1; i < 4; i++)
		CHECK_EQ(set2(&m->head64[i], CREATE_64, 0, 0), i - 1);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(set2(&m->head32[i], CREATE_32, 0, 0), 3 + i);
	/* A freed one is not walked; one in mid-operation is. */
	CHECK_EQ(set2(NULL, MODIFY_64, 2, 0), 0);
	m->head32[2].next = low(&m->head32[2]);
	m->head32[2].pending = low(&m->node32[2]);
	raise(SIGKILL);
}

/* "Circular lists terminate" */
static void circular(void *arg)
{
	(void)arg;
	own();
	m->node32[0] = low(&m->node32[1]);
	m->node32[1] = low(&m->node32[0]);
	m->node64[0] = (uintptr_t)&m->node64[0];
	/* The second node's word, by the first head's offset. */
	CHECK_EQ(set2(&m->head32[0], CREATE_32, 0, 0), 0);
	CHECK_EQ(set2(&m->head64[0], CREATE_64, 0, 0), 1);
}

/* A child, a thread or another program starts without lists. */
static void inherits_none(void *arg)
{
	uint64_t out = 1;
	pid_t pid;

	(void)arg;
	CHECK_EQ(set2(m->head64, CREATE_64, 0, 0), 0);
	pid = fork_ok();
	if (!pid) {
		CHECK_EQ(syscall(GET, 0, &out, 0, 0), 0);
		_exit(out != 0);
	}
	reap_ok(pid);
	CHECK_EQ(set2(NULL, MODIFY_64, 0, 0), 0);
}

int main(void)
{
	m = mmap((void *)0x20000000, sizeof(*m), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(m != MAP_FAILED);
	CHECK_EQ(run_child(rules, NULL), 0);
	CHECK_EQ(run_child(several, NULL), SIGKILL);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(m->word[i], W_DIED);
		CHECK_EQ(m->word[8 + i], W_DIED);
	}
	CHECK(m->word[3] != W_DIED);
	CHECK(m->word[11] != W_DIED);
	CHECK_EQ(run_child(circular, NULL), 0);
	CHECK_EQ(m->word[8], W_DIED);
	CHECK_EQ(m->word[9], W_DIED);
	CHECK_EQ(m->word[0], W_DIED);
	CHECK_EQ(run_child(inherits_none, NULL), 0);
	say("robust lists: ok\n");
	return 0;
}
