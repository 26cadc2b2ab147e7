// MAP_SHARED anonymous memory: one memory for parent, children and grandchildren, whoever
// touched it first; private memory beside it stays private; it outlives any of them.
#include "check.h"
#include <stdatomic.h>

#define PAGE  4096
#define KIDS  8
#define TURNS 2000

static void add(void *arg)
{
	_Atomic long *sum = arg;

	for (int i = 0; i < TURNS; i++)
		atomic_fetch_add(sum, 1);
}

int main(void)
{
	unsigned char *s =
		mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned char *priv = map_pages(PAGE, PROT_READ | PROT_WRITE);
	pid_t pid, kid[KIDS];
	int go[2];

	CHECK(s != MAP_FAILED);
	s[0] = 1;
	priv[0] = 1;
	make_pipe(go);
	pid = fork_ok();
	if (pid == 0) {
		pid_t grandchild;

		CHECK_EQ(s[0], 1);
		s[0] = 2;
		s[PAGE] = 3; /* first touched by the child */
		priv[0] = 9;
		grandchild = fork_ok();
		if (grandchild == 0) {
			s[2 * PAGE] = s[PAGE] + 1;
			_exit(0);
		}
		reap_ok(grandchild);
		CHECK_EQ(s[2 * PAGE], 4);
		/* written by the kernel on the child's behalf */
		CHECK_EQ(write(go[1], "K", 1), 1);
		CHECK_EQ(read(go[0], s + 3 * PAGE, 1), 1);
		CHECK_EQ(munmap(s, 16 * PAGE), 0);
		_exit(0);
	}
	reap_ok(pid);
	CHECK_EQ(s[0], 2);
	CHECK_EQ(s[PAGE], 3);
	CHECK_EQ(s[2 * PAGE], 4);
	CHECK_EQ(s[3 * PAGE], 'K');
	CHECK_EQ(priv[0], 1);

	for (int i = 0; i < KIDS; i++)
		kid[i] = spawn(add, s + 8 * PAGE);
	for (int i = 0; i < KIDS; i++)
		reap_ok(kid[i]);
	say("sum %ld\n", (long)*(_Atomic long *)(void *)(s + 8 * PAGE));

	/* One side's protection is its own. */
	pid = fork_ok();
	if (pid == 0) {
		CHECK_EQ(mprotect(s, PAGE, PROT_READ), 0);
		s[0] = 7;
		_exit(0);
	}
	say("read-only side: %s\n", status_text(reap(pid)));
	s[0] = 8;
	CHECK_EQ(s[0], 8);
	/* DONTNEED drops a mapping, not the memory. */
	CHECK_EQ(madvise(s, 16 * PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(s[0], 8);
	return 0;
}
