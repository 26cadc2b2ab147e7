// openat2: its structure, its flags, and each RESOLVE_*, with errors.
#include "check.h"
#include <linux/openat2.h>

static long open2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
	long fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));

	if (fd >= 0)
		close((int)fd);
	return fd < 0 ? -1 : 0;
}

static void structure(void)
{
	struct {
		struct open_how how;
		uint64_t more;
	} big = {.how = {.flags = O_RDONLY}};
	char *page = (char *)map_pages(8192, PROT_READ | PROT_WRITE);
	long fd;

	CHECK_ERR(syscall(SYS_openat2, AT_FDCWD, "/", &big, 23), EINVAL);
	CHECK_ERR(syscall(SYS_openat2, AT_FDCWD, "/", &big, 0), EINVAL);
	CHECK_ERR(syscall(SYS_openat2, AT_FDCWD, "/", &big, 4097), E2BIG);
	CHECK_ERR(syscall(SYS_openat2, AT_FDCWD, "/", (void *)8, 24), EFAULT);
	CHECK_ERR(syscall(SYS_openat2, AT_FDCWD, (void *)8, &big, 24), EFAULT);
	CHECK_ERR(syscall(SYS_openat2, AT_FDCWD, "", &big, 24), ENOENT);
	fd = syscall(SYS_openat2, AT_FDCWD, "/", &big, sizeof(big));
	CHECK(fd >= 0);
	close((int)fd);
	big.more = 1;
	CHECK_ERR(syscall(SYS_openat2, AT_FDCWD, "/", &big, sizeof(big)), E2BIG);
	fd = syscall(SYS_openat2, AT_FDCWD, "/", page, 4096);
	CHECK(fd >= 0);
	close((int)fd);
	page[4095] = 1;
	CHECK_ERR(syscall(SYS_openat2, AT_FDCWD, "/", page, 4096), E2BIG);
	say("structure ok\n");
}

static void flags(int dir)
{
	CHECK_EQ(open2(dir, "f", O_RDWR, 0, 0), 0);
	CHECK_ERR(open2(dir, "f", 1ULL << 40, 0, 0), EINVAL);
	CHECK_ERR(open2(dir, "f", O_RDONLY, 0, 1ULL << 40), EINVAL);
	CHECK_ERR(open2(dir, "f", O_RDONLY, 0600, 0), EINVAL);
	CHECK_ERR(open2(dir, "n", O_CREAT | O_WRONLY, 010600, 0), EINVAL);
	CHECK_EQ(open2(dir, "n", O_CREAT | O_WRONLY, 0600, 0), 0);
	CHECK_EQ(unlinkat(dir, "n", 0), 0);
	CHECK_ERR(open2(dir, "f", O_PATH | O_RDWR, 0, 0), EINVAL);
	CHECK_EQ(open2(dir, "f", O_PATH | O_NOFOLLOW, 0, 0), 0);
	CHECK_ERR(open2(dir, "f", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT), EINVAL);
	CHECK_ERR(open2(99, "f", O_RDONLY, 0, 0), EBADF);
	CHECK_ERR(open2(dir, "f", O_RDONLY | O_TRUNC, 0, RESOLVE_CACHED), EAGAIN);
	say("flags ok\n");
}

static void resolve(int dir)
{
	/* below the directory */
	CHECK_EQ(open2(dir, "d/g", O_RDONLY, 0, RESOLVE_BENEATH), 0);
	CHECK_EQ(open2(dir, "d/../f", O_RDONLY, 0, RESOLVE_BENEATH), 0);
	CHECK_EQ(open2(dir, "rel", O_RDONLY, 0, RESOLVE_BENEATH), 0);
	CHECK_ERR(open2(dir, "..", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(open2(dir, "d/../../x", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(open2(dir, "/", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(open2(dir, "abs", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(open2(dir, "up", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(open2(dir, "magic", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	/* as if it were the root */
	CHECK_EQ(open2(dir, "/f", O_RDONLY, 0, RESOLVE_IN_ROOT), 0);
	CHECK_EQ(open2(dir, "../../../f", O_RDONLY, 0, RESOLVE_IN_ROOT), 0);
	CHECK_EQ(open2(dir, "abs", O_RDONLY, 0, RESOLVE_IN_ROOT), 0); /* /f */
	CHECK_EQ(open2(dir, "up", O_RDONLY, 0, RESOLVE_IN_ROOT), 0);  /* ../f */
	CHECK_ERR(open2(dir, "/proc/self", O_RDONLY, 0, RESOLVE_IN_ROOT), ENOENT);
	/* links */
	CHECK_ERR(open2(dir, "rel", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);
	CHECK_ERR(open2(dir, "ld/g", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);
	CHECK_EQ(open2(dir, "ld/g", O_RDONLY, 0, 0), 0);
	CHECK_EQ(open2(dir, "rel", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS), 0);
	CHECK_EQ(open2(dir, "rel", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS), 0);
	CHECK_ERR(open2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS), ELOOP);
	CHECK_EQ(open2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, 0), 0);
	/* mounts */
	CHECK_ERR(open2(AT_FDCWD, "/proc/self", O_RDONLY, 0, RESOLVE_NO_XDEV), EXDEV);
	CHECK_EQ(open2(dir, "d/../f", O_RDONLY, 0, RESOLVE_NO_XDEV), 0);
	say("resolve ok\n");
}

int main(void)
{
	const char *base = temp_dir();
	int dir = open(base, O_RDONLY | O_DIRECTORY);

	CHECK(dir >= 0);
	CHECK_EQ(mkdirat(dir, "d", 0755), 0);
	close(openat(dir, "f", O_CREAT | O_WRONLY, 0644));
	close(openat(dir, "d/g", O_CREAT | O_WRONLY, 0644));
	CHECK_EQ(symlinkat("d/g", dir, "rel"), 0);
	CHECK_EQ(symlinkat("d", dir, "ld"), 0);
	CHECK_EQ(symlinkat("/f", dir, "abs"), 0);
	CHECK_EQ(symlinkat("../f", dir, "up"), 0);
	CHECK_EQ(symlinkat("/proc/self/root", dir, "magic"), 0);
	structure();
	flags(dir);
	resolve(dir);
	for (const char *const *n =
		     (const char *const[]){"f", "d/g", "rel", "ld", "abs", "up", "magic", NULL};
	     *n; n++)
		CHECK_EQ(unlinkat(dir, *n, 0), 0);
	CHECK_EQ(unlinkat(dir, "d", AT_REMOVEDIR), 0);
	CHECK_EQ(rmdir(base), 0);
	return 0;
}
