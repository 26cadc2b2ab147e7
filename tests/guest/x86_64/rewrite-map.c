// vmbox-options: --rewrite=on
// timeout: 60
// cflags: -pthread
// Text whose mapping changes is what the program put there: made writable, moved, dropped, mapped
// over, inherited, with other threads running. What vmbox has mapped for itself is never in
// the way.
#include "rewrite.h"
#include <pthread.h>

#define SITES 6

SITE_PAGE(a, "mov $110, %eax");
SITE_PAGE(b, "mov $110, %eax");
SITE_PAGE(c, "xor %eax, %eax");
SITE_PAGE(d, "mov $110, %eax");
SITE_PAGE(e, "mov $110, %eax");
SITE_PAGE(f, "mov $110, %eax");

typedef long call_fn(long, long, long);

static const unsigned char ppid_code[] = {0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0xc3};
static const unsigned char pid_code[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};
static const unsigned char read_code[] = {0x31, 0xc0, 0x0f, 0x05, 0x48};

#define SITE_LEN 7 /* without the return */
static _Atomic int stop;

static void make_hot(call_fn *fn, long want)
{
	for (int i = 0; i < HOT; i++)
		CHECK_EQ(fn(-1, 0, 0), want);
}

static bool text_is(const void *at, const unsigned char *code, size_t n)
{
	unsigned char now[16];

	read_text(at, now, n);
	return memcmp(now, code, n) == 0;
}

static void *run_elsewhere(void *arg)
{
	(void)arg;
	make_hot(hot_f, getppid());
	while (!stop)
		CHECK_EQ(hot_f(0, 0, 0), getppid());
	return NULL;
}

static void writable(void)
{
	unsigned char *p = (unsigned char *)(uintptr_t)hot_a;

	make_hot(hot_a, getppid());
	CHECK_EQ(mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	CHECK(text_is(p, ppid_code, SITE_LEN));
	make_hot(hot_a, getppid());
	CHECK(text_is(p, ppid_code, SITE_LEN));
	p[1] = 39;
	CHECK_EQ(hot_a(0, 0, 0), getpid());
	CHECK_EQ(mprotect(p, 4096, PROT_READ | PROT_EXEC), 0);
	make_hot(hot_a, getpid());
	CHECK(text_is(p, pid_code, SITE_LEN));
}

/* Read and execute again after no access at all. */
static void forbidden(void)
{
	make_hot(hot_b, getppid());
	CHECK_EQ(mprotect((void *)hot_b, 4096, PROT_NONE), 0);
	CHECK_EQ(mprotect((void *)hot_b, 4096, PROT_READ | PROT_EXEC), 0);
	CHECK(text_is((void *)hot_b, ppid_code, SITE_LEN));
	make_hot(hot_b, getppid());
	/* Executable only: as good as any. */
	CHECK_EQ(mprotect((void *)hot_b, 4096, PROT_EXEC), 0);
	make_hot(hot_b, getppid());
	CHECK_EQ(mprotect((void *)hot_b, 4096, PROT_READ | PROT_EXEC), 0);
	CHECK(text_is((void *)hot_b, ppid_code, SITE_LEN));
}

/* The file's page is never changed. */
static void dropped(void)
{
	make_hot(hot_d, getppid());
	CHECK_EQ(madvise((void *)hot_d, 4096, MADV_DONTNEED), 0);
	CHECK(text_is((void *)hot_d, ppid_code, SITE_LEN));
	make_hot(hot_d, getppid());
}

static void file_page(void)
{
	unsigned char *p;
	int fd = open("/proc/self/exe", O_RDONLY);
	struct stat st;
	size_t n = 0;

	CHECK(fd >= 0);
	CHECK_EQ(fstat(fd, &st), 0);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	for (long at = 0; at < st.st_size; at += 4096)
		n += memcmp(p + at, ppid_code, SITE_LEN) == 0;
	CHECK_EQ(n, SITES - 1);
	CHECK_EQ(munmap(p, (size_t)st.st_size), 0);
	close(fd);
}

static void moved(void)
{
	unsigned char *to = map_pages(8192, PROT_NONE);
	call_fn *fn = (call_fn *)(uintptr_t)to;

	make_hot(hot_e, getppid());
	CHECK(mremap((void *)hot_e, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK(text_is(to, ppid_code, SITE_LEN));
	make_hot(fn, getppid());
	CHECK_EQ(munmap(to, 8192), 0);
}

/* Other code where hot code was. */
static void replaced(void)
{
	unsigned char *p = map_pages(4096, PROT_READ | PROT_WRITE);
	call_fn *fn = (call_fn *)(uintptr_t)p;

	for (int i = 0; i < 3; i++) {
		memcpy(p, i % 2 ? pid_code : ppid_code, sizeof(pid_code));
		CHECK_EQ(mprotect(p, 4096, PROT_READ | PROT_EXEC), 0);
		make_hot(fn, i % 2 ? getpid() : getppid());
		CHECK(mmap(p, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			   -1, 0) == p);
	}
	CHECK_EQ(munmap(p, 4096), 0);
}

static void child_changes(void *arg)
{
	(void)arg;
	make_hot(hot_b, getppid());
	CHECK_EQ(hot_c(-1, 0, 0), -EBADF);
	CHECK_EQ(mprotect((void *)hot_b, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	CHECK(text_is((void *)hot_b, ppid_code, SITE_LEN));
	CHECK_EQ(hot_b(0, 0, 0), getppid());
	/* A new site beside inherited ones. */
	make_hot(hot_d, getppid());
}

static void inherited(void)
{
	make_hot(hot_b, getppid());
	make_hot(hot_c, -EBADF);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(run_child(child_changes, NULL), 0);
		make_hot(hot_b, getppid());
	}
	/* What a child does not get it cannot need. */
	CHECK_EQ(madvise((void *)hot_b, 4096, MADV_DONTFORK), 0);
	make_hot(hot_b, getppid());
	CHECK_EQ(madvise((void *)hot_b, 4096, MADV_DOFORK), 0);
	CHECK_EQ(run_child(child_changes, NULL), 0);
}

/* Each mapping of vmbox's own is replaced by code of ours, which is executed there. */
static void over(void)
{
	uintptr_t at[64];
	int n;

	make_hot(hot_b, getppid());
	make_hot(hot_c, -EBADF);
	make_hot(hot_d, getppid());
	n = own_mappings(at, 64);
	CHECK(n <= 64);
	for (int i = 0; i < n; i++) {
		unsigned char *p = (unsigned char *)at[i];

		switch (i % 4) {
		case 0:
			CHECK(mmap(p, 4096, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
			break;
		case 1:
			CHECK(mmap(p, 4096, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == p);
			break;
		case 2:
			CHECK_EQ(munmap(p, 4096), 0);
			CHECK(mmap(p, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				   0) == p);
			break;
		default:
			CHECK_EQ(mprotect(p, 4096, PROT_READ | PROT_WRITE), 0);
		}
		for (int fill = 0; fill < 4096; fill += 8)
			memcpy(p + fill, pid_code, sizeof(pid_code));
		CHECK_EQ(mprotect(p, 4096, PROT_READ | PROT_EXEC), 0);
		for (int round = 0; round < HOT; round++)
			CHECK_EQ(((call_fn *)(uintptr_t)(p + round % 8 * 8))(0, 0, 0), getpid());
	}
	CHECK(text_is((void *)hot_b, ppid_code, SITE_LEN));
	CHECK(text_is((void *)hot_c, read_code, sizeof(read_code)));
	make_hot(hot_b, getppid());
	make_hot(hot_c, -EBADF);
	make_hot(hot_d, getppid());
	for (int i = 0; i < n; i++)
		CHECK_EQ(munmap((void *)at[i], 4096), 0);
}

/* The heap may grow to where it likes. */
static void heap(void)
{
	uintptr_t at[64], end = (uintptr_t)sbrk(0);
	int n;

	make_hot(hot_b, getppid());
	make_hot(hot_c, -EBADF);
	n = own_mappings(at, 64);
	for (int i = 0; i < n && i < 64; i++) {
		if (at[i] < end || at[i] - end > 1ul << 31)
			continue;
		CHECK_EQ(brk((void *)(at[i] + 8192)), 0);
		*(volatile char *)at[i] = 1;
		CHECK_EQ(brk((void *)end), 0);
	}
	make_hot(hot_b, getppid());
	make_hot(hot_c, -EBADF);
}

static void all(const char *how)
{
	inherited();
	replaced();
	dropped();
	file_page();
	heap();
	say("%s: the program's own text\n", how);
}

int main(void)
{
	pthread_t thread;

	all("alone");
	CHECK_EQ(pthread_create(&thread, NULL, run_elsewhere, NULL), 0);
	all("with a thread");
	writable();
	moved();
	forbidden();
	over();
	stop = 1;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	say("changed: what the program made of it\n");
	return 0;
}
