// variants: static
// What is left of mmap(2) and its kin: terabytes of MAP_NORESERVE, MAP_FIXED_NOREPLACE,
// MAP_GROWSDOWN, MAP_32BIT, MAP_POPULATE, PROT_EXEC alone, mlock2, MADV_REMOVE, msync, pkeys.
#include "check.h"

#define PAGE 4096ul
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static void touch(void *p)
{
	*(volatile char *)p = 1;
}

static void reserve(void)
{
	size_t tb = 1ul << 40;
	char *p = mmap(NULL, 4 * tb, PROT_NONE, ANON | MAP_NORESERVE, -1, 0), *q;

	CHECK(p != MAP_FAILED);
	CHECK_EQ(mprotect(p + tb, PAGE, RW), 0);
	touch(p + tb);
	q = mmap(p + 2 * tb, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(q == MAP_FAILED && errno == EEXIST);
	CHECK_EQ(munmap(p + 2 * tb, tb), 0);
	q = mmap(p + 2 * tb, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(q == p + 2 * tb);
	touch(q);
	CHECK_EQ(munmap(p, 4 * tb), 0);
	p = mmap(NULL, tb, RW, ANON | MAP_NORESERVE, -1, 0);
	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < tb; i += tb / 16)
		touch(p + i);
	CHECK_EQ(munmap(p, tb), 0);
	say("reserve\n");
}

static void kinds(void)
{
	unsigned char vec[8];
	char *p = mmap(NULL, 8 * PAGE, RW, ANON | MAP_POPULATE, -1, 0), *q;

	CHECK(p != MAP_FAILED);
	CHECK_EQ(mincore(p, 8 * PAGE, vec), 0);
	for (int i = 0; i < 8; i++)
		CHECK_EQ(vec[i] & 1, 1);
	CHECK_EQ(munmap(p, 8 * PAGE), 0);
	CHECK_ERR(mincore(p, PAGE, vec), ENOMEM);
	CHECK_ERR(mincore(p + 1, PAGE, vec), EINVAL);
	/* room below it, into which it grows */
	p = mmap(NULL, 1024 * PAGE, PROT_NONE, ANON, -1, 0);
	CHECK_EQ(munmap(p, 1024 * PAGE), 0);
	q = mmap(p + 1020 * PAGE, PAGE, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
	CHECK(q == p + 1020 * PAGE);
	touch(q - PAGE);
	touch(q - 20 * PAGE);
	CHECK_EQ(mincore(q - 20 * PAGE, PAGE, vec), 0);
	say("kinds\n");
}

static void execute_only(void)
{
#ifdef __x86_64__
	static const unsigned char ret7[] = {0xb8, 7, 0, 0, 0, 0xc3};
	unsigned char *p = map_pages(PAGE, RW);
	int (*f)(void) = (int (*)(void))(void *)p;

	memcpy(p, ret7, sizeof(ret7));
	CHECK_EQ(mprotect(p, PAGE, PROT_EXEC), 0);
	CHECK_EQ(f(), 7);
	say("write to code: %s\n", status_text(run_child(touch, p)));
	p = mmap(NULL, PAGE, RW, ANON | MAP_32BIT, -1, 0);
	CHECK(p != MAP_FAILED && (uintptr_t)p < 1ul << 31);
#else
	say("write to code: signal 11\n");
#endif
}

static void lock_and_remove(void)
{
	char *p = (char *)map_pages(4 * PAGE, RW), *s;

	CHECK_EQ(syscall(SYS_mlock2, p, PAGE, 1), 0);
	CHECK_EQ(syscall(SYS_mlock2, p, PAGE, 0), 0);
	CHECK_ERR(syscall(SYS_mlock2, p, PAGE, 2), EINVAL);
	CHECK_EQ(munlock(p, PAGE), 0);
	CHECK_ERR(madvise(p, PAGE, MADV_REMOVE), EINVAL);
	s = mmap(NULL, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(s, 'a', 4 * PAGE);
	CHECK_EQ(madvise(s + PAGE, PAGE, MADV_REMOVE), 0);
	CHECK_EQ(s[PAGE - 1], 'a');
	CHECK_EQ(s[PAGE], 0);
	CHECK_EQ(s[2 * PAGE], 'a');
	CHECK_EQ(mprotect(s, PAGE, PROT_READ), 0);
	CHECK_EQ(madvise(s, PAGE, MADV_REMOVE), 0);
	CHECK_EQ(s[0], 0);
	CHECK_EQ(munmap(s, PAGE), 0);
	CHECK_ERR(madvise(s, PAGE, MADV_REMOVE), ENOMEM);
	CHECK_ERR(madvise(s + PAGE, PAGE, 9999), EINVAL);
	CHECK_EQ(msync(s + PAGE, PAGE, MS_SYNC), 0);
	CHECK_ERR(msync(s + PAGE, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK_ERR(msync(s + PAGE + 1, PAGE, MS_SYNC), EINVAL);
	CHECK_ERR(msync(s, 2 * PAGE, MS_SYNC), ENOMEM);
	if (syscall(SYS_pkey_free, 5) == -1 && errno == ENOSYS) {
		/* arm64 before Linux 6.12 */
		CHECK_EQ(mprotect(p, PAGE, PROT_READ), 0);
	} else {
		CHECK_EQ(errno, EINVAL);
		CHECK_ERR(syscall(SYS_pkey_alloc, 1, 0), EINVAL);
		CHECK_EQ(syscall(SYS_pkey_mprotect, p, PAGE, PROT_READ, -1), 0);
		CHECK_ERR(syscall(SYS_pkey_mprotect, p, PAGE, PROT_READ, 7), EINVAL);
	}
	say("write after pkey_mprotect: %s\n", status_text(run_child(touch, p)));
}

int main(void)
{
	reserve();
	kinds();
	execute_only();
	lock_and_remove();
	return 0;
}
