// madvise: DONTNEED gives zeros (private anonymous) or the file again; advice that has no
// visible effect succeeds; bad ranges and bad advice are refused. msync and mincore too.
#include "check.h"

#define PAGE 4096

int main(void)
{
	unsigned char *p = map_pages(8 * PAGE, PROT_READ | PROT_WRITE), *f;
	const int harmless[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED};
	const char *dir = temp_dir(), *path = temp_path(dir, "f");
	static char text[2 * PAGE];
	unsigned char resident[8];
	int fd;
	pid_t pid;

	memset(p, 4, 8 * PAGE);
	CHECK_EQ(madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(p[0] + p[PAGE] + p[3 * PAGE - 1] + p[3 * PAGE], 8);
	p[PAGE] = 5;
	CHECK_EQ(p[PAGE], 5);
	/* In a child it does not touch the parent's. */
	pid = fork_ok();
	if (pid == 0) {
		CHECK_EQ(madvise(p, 8 * PAGE, MADV_DONTNEED), 0);
		for (int i = 0; i < 8 * PAGE; i += 512)
			CHECK_EQ(p[i], 0);
		_exit(0);
	}
	reap_ok(pid);
	CHECK_EQ(p[0], 4);
	CHECK_EQ(p[7 * PAGE], 4);
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		CHECK_EQ(madvise(p, 8 * PAGE, harmless[i]), 0);
	CHECK_EQ(p[0], 4);
	CHECK_ERR(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
	CHECK_ERR(madvise(p, PAGE, 7777), EINVAL);
	CHECK_EQ(madvise(p, 0, MADV_DONTNEED), 0);
	CHECK_EQ(munmap(p + 4 * PAGE, PAGE), 0);
	CHECK_ERR(madvise(p, 8 * PAGE, MADV_DONTNEED), ENOMEM);
	CHECK_EQ(p[0] + p[7 * PAGE], 0);

	memset(text, 'k', sizeof(text));
	write_file(path, text, sizeof(text), 0600);
	fd = open(path, O_RDWR);
	f = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(f != MAP_FAILED);
	f[0] = 'x';
	CHECK_EQ(madvise(f, 2 * PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(f[0], 'k');
	CHECK_EQ(msync(f, 2 * PAGE, MS_SYNC), 0);
	CHECK_ERR(msync(f + 1, PAGE, MS_SYNC), EINVAL);
	CHECK_ERR(msync(p + 4 * PAGE, PAGE, MS_SYNC), ENOMEM);
	CHECK_EQ(mincore(p, PAGE, resident), 0);
	CHECK_ERR(mincore(p + 4 * PAGE, PAGE, resident), ENOMEM);
	CHECK_ERR(mincore(p + 1, PAGE, resident), EINVAL);
	unlink(path);
	rmdir(dir);
	say("ok\n");
	return 0;
}
