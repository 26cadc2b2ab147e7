// dup, dup2, dup3, F_DUPFD: lowest free number, shared offset and flags, onto itself, limits.
#include "check.h"
#include <sys/resource.h>

/* What was opened before the program began, unlike a pipe, has the flag that open gives files. */
static void inherited(void)
{
	int fd = open("/dev/null", O_RDONLY), flag = fcntl(fd, F_GETFL) & ~O_ACCMODE;
	struct stat st;

	CHECK_EQ(close(fd), 0);
	for (fd = 0; fd < 3; fd++) {
		CHECK_EQ(fstat(fd, &st), 0);
		if (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode))
			CHECK_EQ(fcntl(fd, F_GETFL) & flag, flag);
		else
			CHECK_EQ(fcntl(fd, F_GETFL) & flag, 0);
	}
}

int main(void)
{
	struct rlimit limit = {64, 64};
	const char *dir = temp_dir(), *path = temp_path(dir, "f");
	int fd, a, b, pipes[2];
	char c;

	inherited();
	write_file(path, "0123456789", 10, 0600);
	fd = open(path, O_RDWR);
	CHECK_EQ(fd, 3);
	a = dup(fd);
	CHECK_EQ(a, 4);
	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_EQ(read(a, &c, 1), 1);
	CHECK_EQ(c, '1');
	CHECK_EQ(lseek(a, 5, SEEK_SET), 5);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
	b = open(path, O_RDONLY);
	CHECK_EQ(lseek(b, 0, SEEK_CUR), 0);

	/* onto itself */
	CHECK_EQ(dup2(fd, fd), fd);
	CHECK_ERR(dup3(fd, fd, 0), EINVAL);
	CHECK_ERR(dup2(50, 50), EBADF);
	CHECK_ERR(dup3(fd, 9, O_APPEND), EINVAL);
	CHECK_ERR(dup2(50, 4), EBADF);
	CHECK_EQ(fcntl(4, F_GETFD), 0);
	CHECK_ERR(dup(-1), EBADF);
	CHECK_ERR(dup2(fd, -1), EBADF);

	/* dup2 closes what was there: the pipe's last writer goes, the reader sees EOF. */
	make_pipe(pipes);
	CHECK_EQ(dup2(fd, pipes[1]), pipes[1]);
	CHECK_EQ(read(pipes[0], &c, 1), 0);

	/* Lowest free; F_DUPFD from a minimum; close-on-exec is the number's, not shared. */
	close(4);
	CHECK_EQ(dup(fd), 4);
	CHECK_EQ(fcntl(fd, F_DUPFD, 30), 30);
	CHECK_EQ(fcntl(fd, F_DUPFD, 30), 31);
	CHECK_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 30), 32);
	CHECK_EQ(fcntl(32, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(31, F_GETFD), 0);
	CHECK_EQ(fcntl(31, F_SETFD, FD_CLOEXEC), 0);
	CHECK_EQ(fcntl(30, F_GETFD), 0);
	CHECK_EQ(dup2(31, 33), 33);
	CHECK_EQ(fcntl(33, F_GETFD), 0);
	CHECK_EQ(dup3(31, 33, O_CLOEXEC), 33);
	CHECK_EQ(fcntl(33, F_GETFD), FD_CLOEXEC);
	CHECK_ERR(fcntl(fd, F_DUPFD, -1), EINVAL);
	CHECK_ERR(fcntl(fd, 9999, 0), EINVAL);
	CHECK_ERR(fcntl(60, F_GETFD), EBADF);

	/* RLIMIT_NOFILE */
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	CHECK_ERR(dup2(fd, 64), EBADF);
	CHECK_EQ(dup2(fd, 63), 63);
	CHECK_ERR(fcntl(fd, F_DUPFD, 64), EINVAL);
	CHECK_ERR(fcntl(fd, F_DUPFD, 63), EMFILE);
	for (a = 0; dup(fd) >= 0; a++)
		CHECK(a < 64);
	CHECK_EQ(errno, EMFILE);
	CHECK_ERR(open(path, O_RDONLY), EMFILE);
	CHECK_ERR(pipe(pipes), EMFILE);
	close(63);
	CHECK_ERR(pipe(pipes), EMFILE);
	CHECK_EQ(open(path, O_RDONLY), 63);

	CHECK_EQ(close(63), 0);
	CHECK_ERR(close(63), EBADF);
	unlink(path);
	rmdir(dir);
	say("ok\n");
	return 0;
}
