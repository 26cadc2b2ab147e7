// variants: static musl
// Large anonymous memory that asked for huge pages (MADV_HUGEPAGE), and what cuts it up again.
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define MB   (1UL << 20)
#define SPAN (2 * MB)
#define PAGE 4096UL

static unsigned char *base; /* four spans, aligned */

static void check(size_t from, size_t to, unsigned char want)
{
	for (size_t i = from; i < to; i += PAGE)
		CHECK_EQ(base[i], want);
}

/* Aligned, with half a span on either side. */
static void make(void)
{
	unsigned char *p =
		mmap(NULL, 7 * SPAN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	base = (unsigned char *)(((uintptr_t)p + 2 * SPAN) & ~(SPAN - 1));
	CHECK_EQ(madvise(base - SPAN / 2, 5 * SPAN, MADV_HUGEPAGE), 0);
}

static void test_zero(void)
{
	make();
	base[SPAN + 5] = 1;
	CHECK_EQ(base[SPAN], 0);
	check(SPAN + PAGE, 4 * SPAN, 0);
	check(0, SPAN, 0);
	base[-1] = base[4 * SPAN] = 9;
	CHECK_EQ(base[-2], 0);
}

static void test_cut(void)
{
	make();
	memset(base, 7, 4 * SPAN);
	CHECK_EQ(munmap(base + 10 * PAGE, PAGE), 0);
	CHECK_EQ(mprotect(base + SPAN + 20 * PAGE, PAGE, PROT_READ), 0);
	CHECK_EQ(madvise(base + 2 * SPAN + PAGE, 2 * PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(base[9 * PAGE], 7);
	CHECK_EQ(base[11 * PAGE], 7);
	check(2 * SPAN + PAGE, 2 * SPAN + 3 * PAGE, 0);
	check(2 * SPAN + 3 * PAGE, 4 * SPAN, 7);
	base[2 * SPAN + PAGE] = 3;
	CHECK_EQ(base[2 * SPAN + 2 * PAGE], 0);
	/* A pipe's data into a page that may not be written. */
	int fd[2];

	make_pipe(fd);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_ERR(read(fd[0], base + SPAN + 20 * PAGE, 1), EFAULT);
	CHECK_ERR(read(fd[0], base + 10 * PAGE, 1), EFAULT);
	CHECK_EQ(read(fd[0], base + SPAN + 21 * PAGE, 1), 1);
	CHECK_EQ(base[SPAN + 21 * PAGE], 'x');
	unsigned char *q = mremap(base + 3 * SPAN, SPAN, SPAN + PAGE, MREMAP_MAYMOVE);

	CHECK(q != MAP_FAILED);
	CHECK_EQ(q[SPAN - 1], 7);
	CHECK_EQ(q[SPAN], 0);
	CHECK_EQ(madvise(base + SPAN, PAGE, MADV_NOHUGEPAGE), 0);
	CHECK_EQ(base[SPAN], 7);
}

static void test_fork(void)
{
	make();
	memset(base, 7, SPAN);
	pid_t pid = fork_ok();

	if (pid == 0) {
		memset(base, 8, SPAN / 2);
		check(SPAN / 2, SPAN, 7);
		base[2 * SPAN] = 8;
		CHECK_EQ(base[2 * SPAN + PAGE], 0);
		_exit(0);
	}
	base[SPAN - 1] = 9;
	reap_ok(pid);
	check(0, SPAN, 7);
	CHECK_EQ(base[SPAN - 1], 9);
	CHECK_EQ(base[2 * SPAN], 0);
}

/* All of it at once. */
static void test_whole(void)
{
	int fd[2];

	make();
	make_pipe(fd);
	memset(base, 7, 2 * SPAN);
	CHECK_EQ(mprotect(base, SPAN, PROT_READ), 0);
	CHECK_EQ(write(fd[1], "xy", 2), 2);
	CHECK_ERR(read(fd[0], base + 5 * PAGE, 1), EFAULT);
	CHECK_EQ(mprotect(base, SPAN, PROT_NONE), 0);
	CHECK_ERR(write(fd[1], base, 1), EFAULT);
	CHECK_EQ(mprotect(base, SPAN, PROT_READ | PROT_WRITE), 0);
	CHECK_EQ(read(fd[0], base + 5 * PAGE, 1), 1);
	CHECK_EQ(base[5 * PAGE], 'x');
	base[5 * PAGE] = 7;
	check(0, 2 * SPAN, 7);
	CHECK_EQ(madvise(base, SPAN, MADV_DONTNEED), 0);
	check(0, SPAN, 0);
	check(SPAN, 2 * SPAN, 7);
	CHECK_EQ(munmap(base + SPAN, SPAN), 0);
	CHECK_ERR(write(fd[1], base + SPAN, 1), EFAULT);
	CHECK(mmap(base + SPAN, SPAN, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == base + SPAN);
	check(SPAN, 2 * SPAN, 0);
}

static atomic_int stop;

/* Counts in a page at the one end and in one at the other. */
static void *count(void *arg)
{
	volatile long *a = (volatile long *)base, *b = (volatile long *)(base + SPAN - PAGE);

	(void)arg;
	while (!atomic_load(&stop)) {
		++*a;
		++*b;
		if (*a != *b)
			return (void *)1;
	}
	return NULL;
}

/* While a thread uses it, it is cut up and put together again, and copied by forks. */
static void test_thread(void)
{
	long *a, *b;
	pthread_t t;
	void *r;

	make();
	a = (long *)base;
	b = (long *)(base + SPAN - PAGE);
	memset(base, 0, SPAN);
	CHECK_EQ(pthread_create(&t, NULL, count, NULL), 0);
	for (int i = 0; i < 20; i++) {
		unsigned char *page = base + (1 + i) * PAGE;

		memset(page, i + 1, PAGE);
		CHECK_EQ(mprotect(page, PAGE, PROT_READ), 0);
		CHECK_EQ(page[9], i + 1);
		CHECK_EQ(mprotect(page, PAGE, PROT_READ | PROT_WRITE), 0);
		/* There may be none, or no such advice. */
		madvise(base, SPAN, MADV_COLLAPSE);
		page[9]++;
		CHECK_EQ(page[9], i + 2);
		CHECK_EQ(madvise(page, PAGE, MADV_DONTNEED), 0);
		CHECK_EQ(page[9], 0);
		madvise(base, SPAN, MADV_COLLAPSE);
		if (i % 4 == 0) {
			pid_t pid = fork_ok();

			if (pid == 0) {
				/* One moment of them. */
				CHECK(*a == *b || *a == *b + 1);
				*a = -1;
				_exit(0);
			}
			reap_ok(pid);
		}
	}
	atomic_store(&stop, 1);
	CHECK_EQ(pthread_join(t, &r), 0);
	CHECK(r == NULL);
	CHECK_EQ(*a, *b);
}

int main(void)
{
	unsigned char *p;

	test_zero();
	test_cut();
	test_fork();
	test_whole();
	test_thread();
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_ERR(madvise(p + 1, PAGE, MADV_HUGEPAGE), EINVAL);
	CHECK_EQ(munmap(p, PAGE), 0);
	CHECK_ERR(madvise(p, PAGE, MADV_HUGEPAGE), ENOMEM);
	say("ok\n");
	return 0;
}
