// Ordinary files: open flags, read and write, offsets, append, sparse files, truncation,
// vectors, deleted but open files, sharing of an offset over fork.
#include "check.h"
#include <sys/uio.h>

int main(void)
{
	const char *dir = temp_dir(), *path = temp_path(dir, "f");
	char buf[64] = {0}, x[4] = {0}, y[4] = {0};
	struct iovec iov[2] = {{x, 3}, {y, 3}};
	struct stat st;
	int fd, fd2;
	pid_t pid;

	CHECK_ERR(open(path, O_RDWR), ENOENT);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0640);
	CHECK(fd >= 0);
	CHECK_ERR(open(path, O_RDWR | O_CREAT | O_EXCL, 0640), EEXIST);
	CHECK_EQ(write(fd, "hello world", 11), 11);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 11);
	CHECK_EQ(read(fd, buf, 10), 0);
	CHECK_EQ(lseek(fd, -5, SEEK_END), 6);
	CHECK_EQ(read(fd, buf, 100), 5);
	CHECK(memcmp(buf, "world", 5) == 0);
	CHECK_EQ(pwrite(fd, "J", 1, 0), 1);
	CHECK_EQ(pread(fd, buf, 5, 0), 5);
	CHECK(memcmp(buf, "Jello", 5) == 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 11);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_EQ(readv(fd, iov, 2), 6);
	CHECK(strcmp(x, "Jel") == 0 && strcmp(y, "lo ") == 0);
	CHECK_EQ(writev(fd, iov, 2), 6);
	CHECK_EQ(preadv(fd, iov, 2, 6), 6);
	CHECK(strcmp(x, "Jel") == 0);
	CHECK_EQ(pwritev(fd, iov, 1, 20), 3);
	CHECK_EQ(fstat(fd, &st), 0);
	say("size %ld mode %o links %ld\n", (long)st.st_size, st.st_mode, (long)st.st_nlink);
	CHECK_EQ(pread(fd, buf, 20, 10), 13);
	CHECK_EQ(buf[5], 0);
	CHECK_ERR(lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERR(lseek(fd, 0, 99), EINVAL);
	CHECK_ERR(pread(fd, buf, 1, -1), EINVAL);
	CHECK_ERR(readv(fd, iov, -1), EINVAL);
	CHECK_ERR(readv(fd, iov, 1025), EINVAL);
	CHECK_EQ(readv(fd, iov, 0), 0);

	/* append: writes go to the end wherever the offset is */
	fd2 = open(path, O_WRONLY | O_APPEND);
	CHECK_EQ(lseek(fd2, 0, SEEK_SET), 0);
	CHECK_EQ(write(fd2, "tail", 4), 4);
	CHECK_EQ(lseek(fd2, 0, SEEK_CUR), 27);
	CHECK_ERR(read(fd2, buf, 1), EBADF);
	CHECK_EQ(fcntl(fd2, F_SETFL, 0), 0);
	CHECK_EQ(fcntl(fd2, F_GETFL) & (O_APPEND | O_ACCMODE), O_WRONLY);
	close(fd2);

	/* truncation, up and down, by handle and by name */
	CHECK_EQ(ftruncate(fd, 5), 0);
	CHECK_EQ(pread(fd, buf, 64, 0), 5);
	CHECK_EQ(ftruncate(fd, 10), 0);
	CHECK_EQ(pread(fd, buf, 64, 0), 10);
	CHECK(memcmp(buf, "Jello\0\0\0\0\0", 10) == 0);
	CHECK_EQ(truncate(path, 2), 0);
	CHECK_ERR(ftruncate(fd, -1), EINVAL);
	CHECK_ERR(truncate("/tmp", 0), EISDIR);
	fd2 = open(path, O_RDONLY | O_TRUNC);
	CHECK(fd2 >= 0);
	CHECK_ERR(ftruncate(fd2, 0), EINVAL);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_size, 0);
	close(fd2);

	/* far out, nothing between */
	CHECK_EQ(pwrite(fd, "end", 3, 5ll << 30), 3);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_size, (5ll << 30) + 3);
	CHECK(st.st_blocks < 1000);
	CHECK_EQ(pread(fd, buf, 8, 1 << 30), 8);
	CHECK_EQ(buf[0], 0);
	CHECK_EQ(ftruncate(fd, 0), 0);

	/* parent and child write through one offset */
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	pid = fork_ok();
	if (pid == 0) {
		CHECK_EQ(write(fd, "child", 5), 5);
		_exit(0);
	}
	reap_ok(pid);
	CHECK_EQ(write(fd, "parent", 6), 6);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(pread(fd, buf, 64, 0), 11);
	say("%.11s\n", buf);
	CHECK_ERR(open(path, O_RDONLY), ENOENT);
	CHECK_EQ(close(fd), 0);
	CHECK_ERR(open("/tmp", O_WRONLY), EISDIR);
	CHECK_ERR(open("/tmp", O_CREAT | O_RDONLY, 0600), EISDIR);
	CHECK_ERR(open("/dev/null/x", O_RDONLY), ENOTDIR);
	CHECK_ERR(open("/dev/null", O_RDONLY | O_DIRECTORY), ENOTDIR);
	fd = open("/tmp", O_RDONLY);
	CHECK_ERR(read(fd, buf, 1), EISDIR);
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
