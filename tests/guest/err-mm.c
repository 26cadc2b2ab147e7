// mmap, munmap, mremap, mprotect, madvise, msync, mlock, mincore and brk: the errors of their man
// pages.
#include "err-files.h"
#include <sys/resource.h>

#define PAGE 4096UL
#define HIGH 0xffffffffffff0000UL

#define MAP(addr, len, prot, flags, fd, off) S(mmap, addr, len, prot, flags, fd, off)
#define ANON                                 (MAP_PRIVATE | MAP_ANONYMOUS)

static void maps(void)
{
	char *p = (char *)map_pages(PAGE, PROT_READ);

	TRY(MAP(NULL, 0, PROT_READ, ANON, -1, 0));
	TRY(MAP(NULL, -1UL, PROT_READ, ANON, -1, 0));
	TRY(MAP(NULL, 1UL << 60, PROT_READ, ANON, -1, 0));
	TRY(MAP(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0));
	TRY(MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1));
	TRY(MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, f, 1));
	TRY(MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, f, -PAGE));
	TRY(MAP(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, f, INT64_MAX & ~(PAGE - 1)));
	TRY(MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, 999, 0));
	TRY(MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0));
	TRY(MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, path_only, 0));
	TRY(MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, writer, 0));
	TRY(MAP(NULL, PAGE, PROT_WRITE, MAP_SHARED, writer, 0));
	TRY(MAP(NULL, PAGE, PROT_WRITE, MAP_SHARED, reader, 0));
	TRY(MAP(NULL, PAGE, PROT_NONE, MAP_SHARED, writer, 0));
	TRY(MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, d, 0));
	TRY(MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, pipes[0], 0));
	TRY(MAP(NULL, PAGE, PROT_READ, MAP_SHARED, pipes[1], 0));
	TRY(MAP(NULL, PAGE, PROT_READ, 0, f, 0));
	TRY(MAP(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_PRIVATE, f, 0) > 0); /* _VALIDATE */
	TRY(MAP(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, f, 0));
	TRY(MAP(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | (1 << 30), f, 0));
	TRY(MAP(1, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0));
	TRY(MAP(HIGH, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0));
	TRY(MAP(HIGH, PAGE, PROT_READ, ANON, -1, 0));
	TRY(MAP(p, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	TRY(MAP(p + 1, PAGE, PROT_READ, ANON, -1, 0));
	TRY(S(munmap, p + 1, PAGE));
	TRY(S(munmap, p, 0));
	TRY(S(munmap, p, -1UL));
	TRY(S(munmap, HIGH, PAGE));
	TRY(S(munmap, 0, PAGE));
	TRY(S(munmap, 0, 1UL << 20));
	TRY(S(munmap, p, 1));
	TRY(S(munmap, p, PAGE));
}

static void protections(void)
{
	char *p = (char *)map_pages(3 * PAGE, PROT_READ | PROT_WRITE);
	char vec[16], *shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0);

	CHECK_EQ(munmap(p + PAGE, PAGE), 0);
	TRY(S(mprotect, p + 1, PAGE, PROT_READ));
	TRY(S(mprotect, p, 0, PROT_READ));
	TRY(S(mprotect, p, 3 * PAGE, PROT_READ));
	TRY(S(mprotect, p, -1UL, PROT_READ));
	TRY(S(mprotect, p, PAGE, 0x100));
	TRY(S(mprotect, p, PAGE, PROT_READ | PROT_GROWSUP | PROT_GROWSDOWN));
	TRY(S(mprotect, p, PAGE, PROT_READ | PROT_GROWSDOWN));
	TRY(S(mprotect, HIGH, PAGE, PROT_READ));
	TRY(S(mprotect, p + PAGE, PAGE, PROT_READ));
	TRY(S(mprotect, shared, PAGE, PROT_WRITE));
	TRY(S(mprotect, shared, PAGE, PROT_READ | PROT_EXEC));
	TRY(S(mprotect, shared, PAGE, PROT_NONE));
	CHECK_EQ(munmap(shared, PAGE), 0);
	TRY(S(madvise, p + 1, PAGE, MADV_NORMAL));
	TRY(S(madvise, p, -1UL, MADV_NORMAL));
	TRY(S(madvise, p, PAGE, 9999));
	TRY(S(madvise, p, 0, MADV_NORMAL));
	TRY(S(madvise, p, 0, 9999));
	TRY(S(madvise, p, 3 * PAGE, MADV_NORMAL));
	TRY(S(madvise, p, 3 * PAGE, MADV_DONTNEED));
	TRY(S(madvise, p, PAGE, MADV_REMOVE));
	TRY(S(madvise, p, PAGE, MADV_FREE));
	TRY(S(madvise, HIGH, PAGE, MADV_DONTNEED));
	TRY(S(msync, p + 1, PAGE, MS_SYNC));
	TRY(S(msync, p, PAGE, MS_SYNC | MS_ASYNC));
	TRY(S(msync, p, PAGE, 8));
	TRY(S(msync, p, 3 * PAGE, MS_SYNC));
	TRY(S(msync, p, 0, MS_SYNC));
	TRY(S(msync, p, PAGE, 0));
	TRY(S(mincore, p + 1, PAGE, vec));
	TRY(S(mincore, p, 3 * PAGE, vec));
	TRY(S(mincore, p, PAGE, BAD_POINTER));
	TRY(S(mincore, HIGH, PAGE, vec));
	TRY(S(mincore, p, 0, vec));
	TRY(S(mlock, p, 3 * PAGE));
	TRY(S(mlock, p, -1UL));
	TRY(S(mlock, p, 0));
	TRY(S(mlock, p + 1, 1));
	TRY(S(munlock, p, 3 * PAGE));
	TRY(S(munlock, p, PAGE));
	TRY(S(mlock2, p, PAGE, 2));
	TRY(S(mlockall, 0));
	TRY(S(mlockall, 8));
	TRY(S(mlockall, MCL_ONFAULT));
	TRY(S(munlockall));
	CHECK_EQ(munmap(p, 3 * PAGE), 0);
}

static void moves(void)
{
	char *p = (char *)map_pages(4 * PAGE, PROT_READ | PROT_WRITE);
	char *q = (char *)map_pages(4 * PAGE, PROT_READ | PROT_WRITE);

	CHECK_EQ(munmap(p + 2 * PAGE, PAGE), 0);
	TRY(S(mremap, p + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0));
	TRY(S(mremap, p, PAGE, 0, MREMAP_MAYMOVE, 0));
	TRY(S(mremap, p, 0, PAGE, MREMAP_MAYMOVE, 0));
	TRY(S(mremap, p, PAGE, 2 * PAGE, 8, 0));
	TRY(S(mremap, p, PAGE, 2 * PAGE, MREMAP_FIXED, q));
	TRY(S(mremap, p, PAGE, 2 * PAGE, MREMAP_DONTUNMAP, 0));
	TRY(S(mremap, p, PAGE, 2 * PAGE, MREMAP_DONTUNMAP | MREMAP_MAYMOVE, 0));
	TRY(S(mremap, p, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, q + 1));
	TRY(S(mremap, p, PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, p));
	TRY(S(mremap, p, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, HIGH));
	TRY(S(mremap, p, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, -PAGE));
	TRY(S(mremap, p, PAGE, 2 * PAGE, 0, 0));
	TRY(S(mremap, p, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE, 0));
	TRY(S(mremap, p + 2 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0));
	TRY(S(mremap, HIGH, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0));
	TRY(S(mremap, p, PAGE, -1UL, MREMAP_MAYMOVE, 0));
	TRY(S(mremap, q, 4 * PAGE, PAGE, 0, 0));
	TRY(S(mremap, q, PAGE, PAGE, 0, 0));
}

static void limits(void *arg)
{
	struct rlimit as = {1 << 30, 1 << 30}, lock = {PAGE, PAGE}, data = {1 << 20, 1 << 20};
	char *p = (char *)map_pages(4 * PAGE, PROT_READ | PROT_WRITE), *brk0;

	(void)arg;
	CHECK_EQ(setrlimit(RLIMIT_AS, &as), 0);
	TRY(MAP(NULL, 1UL << 31, PROT_READ, ANON, -1, 0));
	TRY(S(mremap, p, PAGE, 1UL << 31, MREMAP_MAYMOVE, 0));
	CHECK_EQ(setrlimit(RLIMIT_DATA, &data), 0);
	TRY(MAP(NULL, 1UL << 22, PROT_READ | PROT_WRITE, ANON, -1, 0));
	TRY(MAP(NULL, 1UL << 22, PROT_READ, ANON, -1, 0));
	brk0 = (char *)S(brk, 0);
	TRY((char *)S(brk, brk0 + (1 << 22)) == brk0);
	TRY((char *)S(brk, NULL) == brk0);
	if (geteuid() == 0) {
		CHECK_EQ(syscall(SYS_setresuid, ERR_UID, ERR_UID, ERR_UID), 0);
	}
	CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &lock), 0);
	TRY(S(mlock, p, 2 * PAGE));
	TRY(S(mlock, p, PAGE));
	TRY(S(mlock, p + PAGE, PAGE));
	TRY(S(mlockall, MCL_CURRENT));
	TRY(MAP(NULL, 2 * PAGE, PROT_READ, ANON | MAP_LOCKED, -1, 0));
	lock = (struct rlimit){0, 0};
	CHECK_EQ(munlockall(), 0);
	CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &lock), 0);
	TRY(S(mlock, p, PAGE));
	TRY(S(mlockall, MCL_FUTURE));
}

static void all(void)
{
	maps();
	protections();
	moves();
	CHECK_EQ(run_child(limits, NULL), 0);
}

int main(void)
{
	with_files(all);
	return 0;
}
