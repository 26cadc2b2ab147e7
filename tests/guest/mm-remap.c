// mremap: grow in place, by moving, shrink, MREMAP_FIXED, and what is refused.
#include "check.h"

#define PAGE   4096ul
#define SHARED (MAP_SHARED | MAP_ANONYMOUS)

static void touch(void *p)
{
	*(volatile unsigned char *)p = 1;
}

static void pattern(unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i += 64)
		p[i] = (unsigned char)(i / 64 * 7);
}

static void verify(const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i += 64)
		CHECK_EQ(p[i], (unsigned char)(i / 64 * 7));
}

int main(void)
{
	unsigned char *area = map_pages(64 * PAGE, PROT_NONE), *p, *q;

	/* room behind it: grows where it is */
	munmap(area, 64 * PAGE);
	p = mmap(area, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0);
	CHECK(p == area);
	pattern(p, 4 * PAGE);
	q = mremap(p, 4 * PAGE, 8 * PAGE, 0);
	CHECK(q == p);
	verify(p, 4 * PAGE);
	CHECK_EQ(p[5 * PAGE], 0);

	/* none: refused, or moved */
	CHECK(mmap(p + 8 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      p + 8 * PAGE);
	CHECK_ERR(mremap(p, 8 * PAGE, 9 * PAGE, 0), ENOMEM);
	pattern(p, 8 * PAGE);
	q = mremap(p, 8 * PAGE, 2000 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q != p);
	verify(q, 8 * PAGE);
	CHECK_EQ(q[1999 * PAGE], 0);
	say("old place: %s\n", status_text(run_child(touch, p)));

	/* shrunk: the tail is gone */
	CHECK(mremap(q, 2000 * PAGE, 3 * PAGE, 0) == q);
	verify(q, 3 * PAGE);
	say("kept: %s\n", status_text(run_child(touch, q + 3 * PAGE - 1)));
	say("tail: %s\n", status_text(run_child(touch, q + 3 * PAGE)));

	/* to a given place, over what is there */
	CHECK(mremap(q, 3 * PAGE, 5 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 6 * PAGE) ==
	      area + 6 * PAGE);
	q = area + 6 * PAGE;
	verify(q, 3 * PAGE);
	CHECK_EQ(q[4 * PAGE], 0);
	/* the middle of an area moves alone */
	p = mremap(q + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 20 * PAGE);
	CHECK(p == area + 20 * PAGE);
	CHECK_EQ(p[64], (unsigned char)(65 * 7));
	say("moved from: %s\n", status_text(run_child(touch, q + PAGE)));
	say("left of it: %s\n", status_text(run_child(touch, q)));

	/* after a fork, each side moves its own */
	pid_t pid = fork_ok();

	if (pid == 0) {
		p = mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
		CHECK_EQ(p[64], (unsigned char)(65 * 7));
		p[64] = 0;
		_exit(0);
	}
	reap_ok(pid);
	CHECK_EQ(p[64], (unsigned char)(65 * 7));

	CHECK_ERR(mremap(p + 1, PAGE, PAGE, 0), EINVAL);
	CHECK_ERR(mremap(p, PAGE, 0, 0), EINVAL);
	CHECK_ERR(mremap(p, PAGE, PAGE, 0x100), EINVAL);
	CHECK_ERR(mremap(p, PAGE, PAGE, MREMAP_FIXED, area), EINVAL);
	CHECK_ERR(mremap(p, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, p), EINVAL);
	CHECK_ERR(mremap(area + 40 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
	/* Nothing is moved away, and the source is unmapped as the target: at an ordinary place,
	 * and where nothing is mapped behind it. */
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, SHARED, -1, 0);
	CHECK_ERR(mremap(p, 0, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p), EFAULT);
	say("source gone: %s\n", status_text(run_child(touch, p)));
	p = (unsigned char *)(0x7ffffffff000ul - PAGE);
	if (mmap(p, PAGE, PROT_READ | PROT_WRITE, SHARED | MAP_FIXED_NOREPLACE, -1, 0) == p)
		CHECK_ERR(mremap(p, 0, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p), EFAULT);
	/* EINVAL or ENOMEM: kernels differ */
	CHECK(mremap(p, PAGE, 1ul << 47, MREMAP_MAYMOVE) == MAP_FAILED);
	say("ok\n");
	return 0;
}
