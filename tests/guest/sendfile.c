// sendfile from a file to a pipe and to a file; copies by preadv2 and pwritev2.
#include "check.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

int main(void)
{
	const char *dir = temp_dir();
	char text[10000], got[10000] = {0};
	struct iovec iov = {got, 5};
	int in, out, fd[2];
	off_t at = 100;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7);
	write_file(temp_path(dir, "a"), text, sizeof(text), 0600);
	in = open(temp_path(dir, "a"), O_RDONLY);
	out = open(temp_path(dir, "b"), O_RDWR | O_CREAT, 0600);
	CHECK(in >= 0 && out >= 0);
	make_pipe(fd);
	CHECK_EQ(sendfile(fd[1], in, &at, 500), 500);
	CHECK_EQ(at, 600);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 0);
	CHECK_EQ(read(fd[0], got, sizeof(got)), 500);
	CHECK(memcmp(got, text + 100, 500) == 0);
	CHECK_EQ(sendfile(out, in, NULL, 1 << 20), sizeof(text));
	CHECK_EQ(lseek(in, 0, SEEK_CUR), sizeof(text));
	CHECK_EQ(sendfile(out, in, NULL, 100), 0);
	CHECK_EQ(pread(out, got, sizeof(got), 0), sizeof(text));
	CHECK(memcmp(got, text, sizeof(text)) == 0);
	CHECK_ERR(sendfile(out, fd[0], NULL, 10), EINVAL);
	CHECK_ERR(sendfile(out, 999, NULL, 10), EBADF);
	CHECK_ERR(syscall(SYS_sendfile, out, in, 8, 10), EFAULT);
	CHECK_EQ(preadv2(in, &iov, 1, 3, 0), 5);
	CHECK(memcmp(got, text + 3, 5) == 0);
	CHECK_EQ(pwritev2(out, &iov, 1, 0, 0), 5);
	CHECK_ERR(preadv2(in, &iov, 1, 3, 0x40000000), EOPNOTSUPP);
	unlink(temp_path(dir, "a"));
	unlink(temp_path(dir, "b"));
	rmdir(dir);
	say("ok\n");
	return 0;
}
