// variants: static musl
// Huge pages on demand: MADV_COLLAPSE, PR_SET_THP_DISABLE, and what /proc says of them.
#include "check.h"
#include <sys/prctl.h>
#include <sys/uio.h>

#define MB   (1UL << 20)
#define SPAN (2 * MB)
#define PAGE 4096UL

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static unsigned char *base; /* four spans, aligned */

static void make(void)
{
	unsigned char *p =
		mmap(NULL, 7 * SPAN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	base = (unsigned char *)(((uintptr_t)p + 2 * SPAN) & ~(SPAN - 1));
	CHECK_EQ(madvise(p, 7 * SPAN, MADV_NOHUGEPAGE), 0);
	for (size_t i = 0; i < 4 * SPAN; i += PAGE)
		base[i] = (unsigned char)(i / PAGE % 251 + 1);
}

static void check(size_t from, size_t to)
{
	for (size_t i = from; i < to; i += PAGE)
		CHECK_EQ(base[i], i / PAGE % 251 + 1);
}

/* True: it did. No memory in one piece is no failure, nor is a kernel that cannot. */
static int collapse(void *p, size_t len)
{
	if (!madvise(p, len, MADV_COLLAPSE))
		return 1;
	CHECK(errno == ENOMEM || errno == EAGAIN || errno == EBUSY || errno == EINVAL);
	return 0;
}

/* The sum of a line of smaps over the mapping of p, in KiB. */
static long smaps(const void *p, const char *name)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long lo, hi;
	char line[512];
	int mine = 0;
	long kb = -1;

	CHECK(f != NULL);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &lo, &hi) == 2)
			mine = lo <= (uintptr_t)p && (uintptr_t)p < hi;
		else if (mine && !strncmp(line, name, strlen(name)))
			kb = atol(strchr(line, ':') + 1);
	}
	fclose(f);
	return kb;
}

/* Somebody may have them at all: what /proc says of it depends on that. */
static int thp_possible(void)
{
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
	char line[256] = "";

	if (f && !fgets(line, sizeof(line), f))
		line[0] = 0;
	if (f)
		fclose(f);
	return strstr(line, "[always]") != NULL || strstr(line, "[madvise]") != NULL;
}

static void test_errors(void)
{
	unsigned char *p;

	make();
	CHECK_ERR(madvise(base + 1, SPAN, MADV_COLLAPSE), EINVAL);
	/* Told not to. */
	CHECK_ERR(madvise(base, SPAN, MADV_COLLAPSE), EINVAL);
	CHECK_EQ(smaps(base, "THPeligible"), 0);
	/* Not one aligned piece in the mapping. */
	p = map_pages(4 * PAGE, PROT_READ | PROT_WRITE);
	p[0] = 1;
	CHECK_ERR(madvise(p, 4 * PAGE, MADV_COLLAPSE), EINVAL);
	CHECK_EQ(munmap(p, 4 * PAGE), 0);
}

static void test_contents(void)
{
	make();
	CHECK_EQ(madvise(base, 4 * SPAN, MADV_HUGEPAGE), 0);
	CHECK_EQ(madvise(base + PAGE, 3 * PAGE, MADV_DONTNEED), 0);
	/* Nothing is there at all in the third. */
	CHECK_EQ(madvise(base + 2 * SPAN, SPAN, MADV_DONTNEED), 0);
	CHECK_ERR(madvise(base + 2 * SPAN, SPAN, MADV_COLLAPSE), EINVAL);
	CHECK_EQ(smaps(base, "THPeligible"), thp_possible());
	if (collapse(base, 2 * SPAN)) {
		/* More, if the kernel has made one of the last piece by itself. */
		CHECK(smaps(base, "AnonHugePages") >= (long)(2 * SPAN / 1024));
		CHECK(collapse(base, 2 * SPAN));
	}
	CHECK_EQ(base[0], 1);
	for (size_t i = 1; i < 4; i++)
		CHECK_EQ(base[i * PAGE], 0);
	check(4 * PAGE, 2 * SPAN);
	/* One page of it is somebody else's. */
	CHECK_EQ(munmap(base + SPAN + 7 * PAGE, PAGE), 0);
	check(SPAN, SPAN + 7 * PAGE);
	check(SPAN + 8 * PAGE, 2 * SPAN);
	CHECK(smaps(base, "AnonHugePages") <= (long)(SPAN / 1024));
	CHECK_EQ(mprotect(base + 9 * PAGE, PAGE, PROT_READ), 0);
	base[10 * PAGE] = 77;
	CHECK_EQ(base[9 * PAGE], 10);
}

/* The child's stays as it was. */
static void test_shared(void)
{
	int go[2], done[2];
	pid_t pid;

	make();
	CHECK_EQ(madvise(base, 4 * SPAN, MADV_HUGEPAGE), 0);
	make_pipe(go);
	make_pipe(done);
	pid = fork_ok();
	if (pid == 0) {
		wait_byte(go[0]);
		check(0, SPAN);
		collapse(base, SPAN);
		check(0, SPAN);
		base[0] = 99;
		send_byte(done[1]);
		_exit(0);
	}
	collapse(base, SPAN);
	for (size_t i = 0; i < SPAN; i += PAGE)
		base[i]++;
	send_byte(go[1]);
	wait_byte(done[0]);
	for (size_t i = 0; i < SPAN; i += PAGE)
		CHECK_EQ(base[i], i / PAGE % 251 + 2);
	reap_ok(pid);
}

static int thp_enabled(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	int value = -1;

	CHECK(f != NULL);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "THP_enabled: %d", &value);
	fclose(f);
	return value;
}

static void test_disable(void)
{
	pid_t pid;

	CHECK_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 0);
	CHECK_ERR(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0), EINVAL);
	CHECK_ERR(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 1), EINVAL);
	CHECK_EQ(thp_enabled(), 1);
	CHECK_EQ(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	CHECK_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
	CHECK_EQ(thp_enabled(), 0);
	make();
	CHECK_EQ(madvise(base, 4 * SPAN, MADV_HUGEPAGE), 0);
	CHECK_EQ(smaps(base, "THPeligible"), 0);
	CHECK_ERR(madvise(base, SPAN, MADV_COLLAPSE), EINVAL);
	CHECK_EQ(madvise(base, SPAN, MADV_DONTNEED), 0);
	base[0] = 1;
	CHECK_EQ(smaps(base, "AnonHugePages"), 0);
	pid = fork_ok();
	if (pid == 0) {
		/* A child has it, and the program that it becomes. */
		CHECK_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
		execl("/proc/self/exe", "mm-collapse", "child", (char *)NULL);
		_exit(1);
	}
	reap_ok(pid);
	CHECK_EQ(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0), 0);
	CHECK_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 0);
	CHECK_EQ(smaps(base, "THPeligible"), thp_possible());
}

/* Another process's memory, by process_madvise(2): it did, or there was none in one piece. */
static void test_other_process(void)
{
	int ready[2], go[2], fd;
	struct iovec v;
	pid_t pid;
	long r;
	char did;

	make_pipe(ready);
	make_pipe(go);
	make();
	v = (struct iovec){base, SPAN};
	pid = fork_ok();
	if (pid == 0) {
		CHECK_EQ(madvise(base, SPAN, MADV_HUGEPAGE), 0);
		for (size_t i = 0; i < SPAN; i += PAGE)
			base[i + 1] = 9;
		send_byte(ready[1]);
		CHECK_EQ(read(go[0], &did, 1), 1);
		check(0, 4 * SPAN);
		for (size_t i = 0; i < SPAN; i += PAGE)
			CHECK_EQ(base[i + 1], 9);
		if (did == 'y')
			CHECK(smaps(base, "AnonHugePages:") >= (long)(SPAN >> 10));
		_exit(0);
	}
	wait_byte(ready[0]);
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	CHECK(fd >= 0);
	r = syscall(SYS_process_madvise, fd, &v, 1, MADV_COLLAPSE, 0);
	if (r < 0)
		CHECK(errno == ENOMEM || errno == EAGAIN || errno == EBUSY || errno == EINVAL ||
		      errno == EPERM);
	else
		CHECK_EQ(r, SPAN);
	CHECK_EQ(write(go[1], r < 0 ? "n" : "y", 1), 1);
	reap_ok(pid);
	check(0, 4 * SPAN);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) != 1;
	test_errors();
	test_contents();
	test_shared();
	test_disable();
	test_other_process();
	say("ok\n");
	return 0;
}
