// What a program may learn about itself: /proc/self/exe in its many uses, /proc/self/fd, stat
// and statx, access, the standard streams.
#include "check.h"
#include <elf.h>
#include <sys/auxv.h>

int main(int argc, char **argv)
{
	char path[512], link[512], buf[512];
	struct stat st, st2;
	struct statx stx;
	unsigned char magic[4];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	int fd;
	pid_t pid;

	(void)argc;
	CHECK(n > 0);
	path[n] = 0;
	CHECK(strcmp(path, argv[0]) == 0);
	fd = open("/proc/self/exe", O_RDONLY);
	CHECK(fd >= 0);
	CHECK_EQ(read(fd, magic, 4), 4);
	CHECK(memcmp(magic, ELFMAG, 4) == 0);
	CHECK(lseek(fd, 0, SEEK_END) > 1000);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(stat(path, &st2), 0);
	CHECK(st.st_ino == st2.st_ino && st.st_size == st2.st_size && st.st_dev == st2.st_dev);
	CHECK(S_ISREG(st.st_mode) && (st.st_mode & 0111) && st.st_blksize > 0);
	CHECK_EQ(lstat("/proc/self/exe", &st2), 0);
	CHECK(S_ISLNK(st2.st_mode));
	CHECK_EQ(statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &stx), 0);
	CHECK(stx.stx_ino == st.st_ino && stx.stx_size == (unsigned long)st.st_size);
	CHECK_EQ(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &stx), 0);
	CHECK(stx.stx_size == (unsigned long)st.st_size);
	CHECK_ERR(open("/proc/self/exe", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK_ERR(open(path, O_WRONLY), ETXTBSY);
	CHECK_EQ(access("/proc/self/exe", X_OK), 0);
	CHECK_EQ(access(path, R_OK), 0);
	CHECK_ERR(access(path, 8), EINVAL);
	CHECK_ERR(access("/none", F_OK), ENOENT);
	snprintf(link, sizeof(link), "/proc/%d/exe", getpid());
	n = readlink(link, buf, sizeof(buf));
	CHECK(n == (ssize_t)strlen(path) && memcmp(buf, path, n) == 0);
	n = readlink("/proc/self", buf, sizeof(buf) - 1);
	CHECK(n > 0);
	buf[n] = 0;
	CHECK_EQ(atoi(buf), getpid());

	/* a descriptor by its name */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buf, sizeof(buf));
	CHECK(n == (ssize_t)strlen(path) && memcmp(buf, path, n) == 0);
	CHECK_EQ(lseek(fd, 2, SEEK_SET), 2);
	n = open(link, O_RDONLY);
	CHECK(n >= 0);
	CHECK_EQ(lseek((int)n, 0, SEEK_CUR), 0);

	/* a child sees itself */
	pid = fork_ok();
	if (pid == 0) {
		n = readlink("/proc/self", buf, sizeof(buf) - 1);
		CHECK(n > 0);
		buf[n] = 0;
		CHECK_EQ(atoi(buf), getpid());
		_exit(0);
	}
	reap_ok(pid);
	for (fd = 0; fd < 3; fd++)
		CHECK_EQ(fstat(fd, &st), 0);
	CHECK_ERR(fstat(77, &st), EBADF);
	CHECK_ERR(stat("", &st), ENOENT);
	CHECK_ERR(syscall(SYS_newfstatat, AT_FDCWD, path, 8, 0), EFAULT);
	CHECK_ERR(syscall(SYS_newfstatat, AT_FDCWD, 8, &st, 0), EFAULT);
	CHECK_EQ(stat("/", &st), 0);
	CHECK(S_ISDIR(st.st_mode));
	say("ok\n");
	return 0;
}
