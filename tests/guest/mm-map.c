// mmap and munmap: zeroed memory, hints, MAP_FIXED over a mapping, NOREPLACE, holes, partial
// unmaps that split an area, NORESERVE far larger than memory, files, and what is refused.
#include "check.h"

#define PAGE 4096ul

static unsigned char *hole;

static void touch(void *p)
{
	*(volatile unsigned char *)p = 1;
}

static const char *poke(void *p)
{
	return status_text(run_child(touch, p));
}

static void *map(void *at, size_t len, int prot, int flags)
{
	return mmap(at, len, prot, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void splitting(void)
{
	unsigned char *p = map_pages(16 * PAGE, PROT_READ | PROT_WRITE);

	memset(p, 7, 16 * PAGE);
	CHECK_EQ(munmap(p + 4 * PAGE, PAGE), 0);
	CHECK_EQ(munmap(p + 8 * PAGE, 4 * PAGE), 0);
	CHECK_EQ(munmap(p + 8 * PAGE, 4 * PAGE), 0);
	for (int i = 0; i < 16; i++)
		if (i != 4 && (i < 8 || i > 11))
			CHECK_EQ(p[i * PAGE + 99], 7);
	say("hole: %s\n", poke(p + 4 * PAGE));
	say("hole end: %s\n", poke(p + 12 * PAGE - 1));
	say("beside it: %s\n", poke(p + 12 * PAGE));
	/* mapped anew: zeros, though the old page held sevens */
	CHECK(map(p + 4 * PAGE, PAGE, PROT_READ, MAP_FIXED) == p + 4 * PAGE);
	CHECK_EQ(p[4 * PAGE + 99], 0);
	CHECK(map(p, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_FIXED) == p);
	CHECK_EQ(p[99] + p[PAGE + 99], 0);
	CHECK_EQ(p[2 * PAGE + 99], 7);
	CHECK_EQ(munmap(p, 16 * PAGE), 0);
	say("all gone: %s\n", poke(p + 2 * PAGE));
	hole = p;
}

static void files(void)
{
	const char *dir = temp_dir(), *path = temp_path(dir, "f");
	static char text[PAGE + 100];
	int fd;
	char *p;

	memset(text, 'q', sizeof(text));
	write_file(path, text, sizeof(text), 0600);
	fd = open(path, O_RDWR);
	p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(p[PAGE + 99], 'q');
	CHECK_EQ(p[PAGE + 100], 0);
	p[0] = 'w';
	CHECK_EQ(pread(fd, text, 1, 0), 1);
	CHECK_EQ(text[0], 'q');
	say("past the file's end: %s\n", poke(p + 2 * PAGE));
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 77), EINVAL);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 99, 0), EBADF);
	close(fd);
	fd = open(path, O_WRONLY);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0), EACCES);
	close(fd);
	CHECK_EQ(p[PAGE + 99], 'q');
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	unsigned char *p, *q;

	splitting();
	/* a free hint is taken, rounded down; a used one is not */
	p = map(hole, PAGE, PROT_READ | PROT_WRITE, 0);
	CHECK(p == hole);
	q = map(p + 123, PAGE, PROT_READ | PROT_WRITE, 0);
	CHECK(q != MAP_FAILED && q != p && ((uintptr_t)q & (PAGE - 1)) == 0);
	CHECK_ERR(map(p, PAGE, PROT_READ, MAP_FIXED_NOREPLACE), EEXIST);
	CHECK(map(hole + PAGE, PAGE, PROT_READ, MAP_FIXED_NOREPLACE) == hole + PAGE);
	munmap(hole, 2 * PAGE);
	munmap(q, PAGE);

	/* a terabyte, touched here and there */
	p = map(NULL, 1ul << 40, PROT_READ | PROT_WRITE, MAP_NORESERVE);
	CHECK(p != MAP_FAILED);
	for (size_t at = 0; at < 1ul << 40; at += 1ul << 35) {
		CHECK_EQ(p[at], 0);
		p[at + 5] = 9;
	}
	CHECK_EQ(p[(1ul << 35) + 5], 9);
	CHECK_EQ(munmap(p, 1ul << 40), 0);

	CHECK_ERR(map(NULL, 0, PROT_READ, 0), EINVAL);
	CHECK_ERR(map((void *)123, PAGE, PROT_READ, MAP_FIXED), EINVAL);
	CHECK_ERR(map(NULL, 1ul << 48, PROT_READ, MAP_NORESERVE), ENOMEM);
	CHECK_ERR(map(NULL, -PAGE, PROT_READ, 0), ENOMEM);
	CHECK_ERR(map(NULL, ~0ul, PROT_READ, 0), ENOMEM);
	CHECK_ERR(map((void *)(1ul << 48), PAGE, PROT_READ, MAP_FIXED), ENOMEM);
#ifdef __x86_64__ /* a guard page */
	CHECK_ERR(map((void *)((1ul << 47) - PAGE), PAGE, PROT_READ, MAP_FIXED), ENOMEM);
#endif
	CHECK_ERR(map((void *)-PAGE, PAGE, PROT_READ, MAP_FIXED), ENOMEM);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
	CHECK_ERR(munmap((void *)123, PAGE), EINVAL);
	CHECK_ERR(munmap(p, 0), EINVAL);
	CHECK_ERR(munmap((void *)(1ul << 48), PAGE), EINVAL);
	CHECK_ERR(munmap(p, 1ul << 63), EINVAL);
	files();
	say("ok\n");
	return 0;
}
