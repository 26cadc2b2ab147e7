// variants: static static-pie
// brk: grows by any amount, gives zeroed memory (also memory it gave back before), shrinks,
// refuses what is below its start or too much by leaving it where it was.
#include "check.h"
#include <sys/resource.h>

static unsigned char *brk_to(unsigned long to)
{
	return (unsigned char *)syscall(SYS_brk, to);
}

static void touch(void *p)
{
	*(volatile unsigned char *)p = 1;
}

int main(void)
{
	unsigned char *start = brk_to(0), *p;
	unsigned long at = (unsigned long)start;
	struct rlimit limit;
	pid_t pid;

	CHECK(start != NULL);
	CHECK(brk_to(at + 100) == start + 100);
	CHECK(brk_to(at + 1000000) == start + 1000000);
	for (p = start; p < start + 1000000; p += 1000) {
		CHECK_EQ(*p, 0);
		*p = 3;
	}
	CHECK(brk_to(at + 5000) == start + 5000);
	say("given back: %s\n", status_text(run_child(touch, start + 500000)));
	CHECK(brk_to(at + 1000000) == start + 1000000);
	CHECK_EQ(start[4000], 3);
	for (p = start + 9000; p < start + 1000000; p += 1000)
		CHECK_EQ(*p, 0);
	/* impossible wishes change nothing */
	CHECK(brk_to(1) == start + 1000000);
	CHECK(brk_to(~0ul) == start + 1000000);
	CHECK(brk_to(1ul << 63) == start + 1000000);
	CHECK(brk_to(1ul << 46) == start + 1000000 || sizeof(void *) < 8);
	/* each process has its own */
	pid = fork_ok();
	if (pid == 0) {
		CHECK(brk_to(0) == start + 1000000);
		CHECK(brk_to(at + 3000000) == start + 3000000);
		start[2000000] = 1;
		start[4000] = 9;
		_exit(0);
	}
	reap_ok(pid);
	CHECK(brk_to(0) == start + 1000000);
	CHECK_EQ(start[4000], 3);
	say("not ours: %s\n", status_text(run_child(touch, start + 2000000)));
	CHECK_EQ(getrlimit(RLIMIT_DATA, &limit), 0);
	limit.rlim_cur = 2 << 20;
	CHECK_EQ(setrlimit(RLIMIT_DATA, &limit), 0);
	CHECK(brk_to(at + (8 << 20)) == start + 1000000);
	say("ok\n");
	return 0;
}
