// Locked memory and RLIMIT_MEMLOCK as mlock(2) says, RLIMIT_DATA, mincore's partial answers.
#include "check.h"

#include <grp.h>
#include <sys/resource.h>
#include <sys/shm.h>

#define PAGE 4096UL
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

/* The sum of a field of /proc/self/`file`, KiB. */
static unsigned long sum_of(const char *file, const char *field)
{
	unsigned long sum = 0, n;
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/%s", file);
	f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, field, strlen(field)) == 0 &&
		    sscanf(line + strlen(field), ": %lu kB", &n) == 1)
			sum += n;
	fclose(f);
	return sum;
}

static unsigned long vm_lck(void)
{
	return sum_of("status", "VmLck");
}

static void limit(int what, rlim_t cur, rlim_t max)
{
	const struct rlimit l = {cur, max};

	CHECK_EQ(setrlimit(what, &l), 0);
}

static void be_nobody(void)
{
	if (geteuid() != 0)
		return;
	CHECK_EQ(setgroups(0, NULL), 0);
	CHECK_EQ(setresgid(65534, 65534, 65534), 0);
	CHECK_EQ(setresuid(65534, 65534, 65534), 0);
}

static unsigned char *map(size_t pages, int flags)
{
	return mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags,
		    -1, 0);
}

static unsigned resident(void *p, size_t pages)
{
	unsigned char vec[64];
	unsigned n = 0;

	CHECK_EQ(mincore(p, pages * PAGE, vec), 0);
	for (size_t i = 0; i < pages; i++)
		n += vec[i] & 1;
	return n;
}

/* ---- what is counted ---- */

static void test_count(void *arg)
{
	unsigned char *p = map(16, 0), *q;

	(void)arg;
	CHECK_EQ(vm_lck(), 0);
	CHECK_EQ(mlock(p + 5, 4 * PAGE), 0); /* five pages */
	CHECK_EQ(vm_lck(), 20);
	CHECK_EQ(resident(p, 16), 5);
	CHECK_EQ(sum_of("smaps", "Locked"), 20);
	CHECK_EQ(mlock(p, 5 * PAGE), 0); /* once more */
	CHECK_EQ(vm_lck(), 20);
	CHECK_EQ(mlock2(p + 8 * PAGE, 4 * PAGE, MLOCK_ONFAULT), 0);
	CHECK_EQ(vm_lck(), 36);
	CHECK_EQ(resident(p, 16), 5);
	CHECK_ERR(mlock2(p, PAGE, 4), EINVAL);
	CHECK_EQ(munlock(p + PAGE, 1), 0);
	CHECK_EQ(vm_lck(), 32);
	CHECK_EQ(munmap(p + 2 * PAGE, PAGE), 0);
	CHECK_EQ(vm_lck(), 28);
	/* A hole: what precedes it is done. */
	CHECK_ERR(munlock(p, 4 * PAGE), ENOMEM);
	CHECK_EQ(vm_lck(), 24);
	CHECK_ERR(mlock(p, 4 * PAGE), ENOMEM);
	CHECK_EQ(vm_lck(), 32);
	/* It moves and grows with its mapping. */
	q = mremap(p + 8 * PAGE, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED);
	CHECK_EQ(vm_lck(), 48);
	CHECK_EQ(munmap(q, 8 * PAGE), 0);
	CHECK_EQ(vm_lck(), 16);
	/* Not by a child. */
	if (fork_ok() == 0)
		_exit(vm_lck() ? 1 : 0);
	int status;

	CHECK(wait(&status) > 0);
	CHECK_EQ(status, 0);
	CHECK_EQ(vm_lck(), 16);
	CHECK_EQ(munlockall(), 0);
	CHECK_EQ(vm_lck(), 0);
	CHECK_EQ(mlock(p, 0), 0);
	CHECK_EQ(munlock(p, 0), 0);
	CHECK_ERR(munlock(p, -(size_t)PAGE), EINVAL);
	/* Nobody may touch it: it is locked, though the call fails. */
	q = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_ERR(mlock(q, PAGE), ENOMEM);
	CHECK_EQ(vm_lck(), 4);
}

static void test_advice(void *arg)
{
	unsigned char *p = map(8, 0);
	int fd = memfd_create("locked", 0);

	(void)arg;
	memset(p, 1, 8 * PAGE);
	CHECK_EQ(mlock(p + 4 * PAGE, PAGE), 0);
	CHECK_ERR(madvise(p, 8 * PAGE, MADV_DONTNEED), EINVAL);
	CHECK(p[0] == 0 && p[3 * PAGE] == 0 && p[4 * PAGE] == 1 && p[5 * PAGE] == 1);
	CHECK_ERR(madvise(p + 4 * PAGE, PAGE, MADV_FREE), EINVAL);
	CHECK_EQ(madvise(p + 4 * PAGE, PAGE, MADV_DONTNEED_LOCKED), 0);
	CHECK_EQ(p[4 * PAGE], 0);
	CHECK_ERR(msync(p, 8 * PAGE, MS_INVALIDATE), EBUSY);
	CHECK_EQ(msync(p, 8 * PAGE, MS_ASYNC), 0);
	CHECK_EQ(ftruncate(fd, (off_t)PAGE), 0);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_LOCKED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(vm_lck(), 8);
	CHECK_ERR(madvise(p, PAGE, MADV_REMOVE), EINVAL);
	CHECK_EQ(munlock(p, PAGE), 0);
	CHECK_EQ(madvise(p, PAGE, MADV_REMOVE), 0);
}

static void test_all(void *arg)
{
	unsigned char *p, *q;
	unsigned long before;

	(void)arg;
	p = map(8, 0);
	CHECK_ERR(mlockall(0), EINVAL);
	CHECK_ERR(mlockall(MCL_ONFAULT), EINVAL);
	CHECK_ERR(mlockall(64), EINVAL);
	CHECK_EQ(mlockall(MCL_CURRENT | MCL_ONFAULT), 0);
	before = vm_lck();
	CHECK(before > 100);
	CHECK_EQ(resident(p, 8), 0);
	q = map(8, 0);
	CHECK_EQ(vm_lck(), before);
	CHECK_EQ(mlockall(MCL_FUTURE), 0);
	CHECK_EQ(vm_lck(), before);
	q = map(8, 0);
	CHECK_EQ(vm_lck(), before + 32);
	CHECK_EQ(resident(q, 8), 8);
	CHECK_EQ(mlockall(MCL_FUTURE | MCL_ONFAULT), 0);
	q = map(8, 0);
	CHECK_EQ(vm_lck(), before + 64);
	CHECK_EQ(resident(q, 8), 0);
	CHECK_EQ(munlockall(), 0);
	CHECK_EQ(vm_lck(), 0);
	q = map(8, 0);
	CHECK_EQ(vm_lck(), 0);
}

/* ---- the limit ---- */

static void test_limit(void *arg)
{
	unsigned char *p = map(32, 0);
	int id;

	(void)arg;
	limit(RLIMIT_MEMLOCK, 8 * PAGE + 100, 16 * PAGE);
	be_nobody();
	CHECK_EQ(mlock(p, 8 * PAGE), 0);
	CHECK_ERR(mlock(p + 8 * PAGE, 1), ENOMEM);
	CHECK_EQ(mlock(p + PAGE, 7 * PAGE), 0); /* they are counted already */
	CHECK_ERR(mlock(p + PAGE, 8 * PAGE), ENOMEM);
	CHECK_EQ(vm_lck(), 32);
	CHECK(map(1, MAP_LOCKED) == MAP_FAILED);
	CHECK_EQ(errno, EAGAIN);
	CHECK_ERR(mlockall(MCL_CURRENT), ENOMEM);
	CHECK(mremap(p, 8 * PAGE, 9 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(munlock(p, 2 * PAGE), 0);
	CHECK(map(2, MAP_LOCKED) != MAP_FAILED);
	CHECK(map(1, MAP_LOCKED) == MAP_FAILED);
	CHECK_EQ(mlockall(MCL_FUTURE), 0);
	CHECK(map(1, 0) == MAP_FAILED);
	CHECK_EQ(errno, EAGAIN);
	CHECK(sbrk(4 * (intptr_t)PAGE) == (void *)-1);
	CHECK_EQ(munlockall(), 0);
	/* Segments have a count of their own. */
	CHECK_EQ(mlock(p, 8 * PAGE), 0);
	id = shmget(IPC_PRIVATE, 6 * PAGE, 0600);
	CHECK(id >= 0);
	CHECK_EQ(shmctl(id, SHM_LOCK, NULL), 0);
	CHECK_EQ(shmctl(id, SHM_LOCK, NULL), 0);
	int second = shmget(IPC_PRIVATE, 3 * PAGE, 0600);

	CHECK_ERR(shmctl(second, SHM_LOCK, NULL), ENOMEM);
	CHECK_EQ(shmctl(id, SHM_UNLOCK, NULL), 0);
	CHECK_EQ(shmctl(second, SHM_LOCK, NULL), 0);
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
	CHECK_EQ(shmctl(second, IPC_RMID, NULL), 0);
}

static void test_none(void *arg)
{
	unsigned char *p = map(4, 0);
	int id = shmget(IPC_PRIVATE, PAGE, 0666);

	(void)arg;
	limit(RLIMIT_MEMLOCK, 0, 0);
	CHECK_EQ(shmctl(id, SHM_UNLOCK, NULL), 0);
	be_nobody();
	CHECK_ERR(mlock(p, PAGE), EPERM);
	CHECK_ERR(mlock2(p, PAGE, 0), EPERM);
	CHECK_ERR(mlockall(MCL_CURRENT), EPERM);
	CHECK(map(1, MAP_LOCKED) == MAP_FAILED);
	CHECK_EQ(errno, EPERM);
	CHECK_EQ(munlock(p, PAGE), 0);
	CHECK_EQ(munlockall(), 0);
	CHECK_ERR(shmctl(id, SHM_LOCK, NULL), EPERM);
	_exit(id >= 0 ? 0 : 1);
}

/* ---- RLIMIT_DATA ---- */

static void test_data(void *arg)
{
	const size_t mb = 1 << 20;
	unsigned char *p, *none;

	(void)arg;
	none = mmap(NULL, 64 * mb, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(none != MAP_FAILED);
	limit(RLIMIT_DATA, 16 * mb, RLIM_INFINITY);
	CHECK(mmap(NULL, 32 * mb, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	      MAP_FAILED);
	CHECK_EQ(errno, ENOMEM);
	/* Neither what is shared nor what nobody writes counts. */
	CHECK(mmap(NULL, 32 * mb, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) !=
	      MAP_FAILED);
	CHECK(mmap(NULL, 32 * mb, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	CHECK_ERR(mprotect(none, 32 * mb, PROT_READ | PROT_WRITE), ENOMEM);
	p = mmap(NULL, 8 * mb, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	CHECK_ERR(mprotect(none, 12 * mb, PROT_READ | PROT_WRITE), ENOMEM);
	CHECK_EQ(mprotect(none, 4 * mb, PROT_READ | PROT_WRITE), 0);
	CHECK(mremap(p, 8 * mb, 16 * mb, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK_EQ(errno, ENOMEM);
	CHECK(sbrk(16 * (intptr_t)mb) == (void *)-1);
	CHECK_EQ(mprotect(p, 8 * mb, PROT_READ), 0);
	CHECK_EQ(mprotect(none, 12 * mb, PROT_READ | PROT_WRITE), 0);
	/* 0 is for who sets it to have malloc use mmap. */
	limit(RLIMIT_DATA, 0, RLIM_INFINITY);
	CHECK(mmap(NULL, 32 * mb, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	      MAP_FAILED);
}

/* ---- mincore ---- */

static void test_mincore(void *arg)
{
	unsigned char *p = map(6, 0), vec[8];

	(void)arg;
	p[PAGE] = p[3 * PAGE] = 1;
	CHECK_EQ(munmap(p + 4 * PAGE, PAGE), 0);
	memset(vec, 7, sizeof(vec));
	CHECK_ERR(mincore(p, 6 * PAGE, vec), ENOMEM);
	CHECK(vec[0] == 0 && vec[1] == 1 && vec[2] == 0 && vec[3] == 1 && vec[4] == 7);
	CHECK_ERR(mincore(p + 1, PAGE, vec), EINVAL);
	CHECK_ERR(mincore(p + 4 * PAGE, PAGE, vec), ENOMEM);
	CHECK_ERR(mincore(p, PAGE, (unsigned char *)16), EFAULT);
	CHECK_EQ(mincore(p, 0, vec), 0);
	CHECK_EQ(mincore(p, 1, vec), 0);
	CHECK_EQ(vec[0], 0);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*f)(void *arg);
	} tests[] = {{"count", test_count},    {"advice", test_advice}, {"all", test_all},
		     {"limit", test_limit},    {"none", test_none},     {"data", test_data},
		     {"mincore", test_mincore}};

	struct rlimit l;

	CHECK_EQ(getrlimit(RLIMIT_MEMLOCK, &l), 0);
	CHECK(l.rlim_max >= 4 << 20);
	limit(RLIMIT_MEMLOCK, l.rlim_max, l.rlim_max);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		say("%s: %s\n", tests[i].name, status_text(run_child(tests[i].f, NULL)));
	return 0;
}
