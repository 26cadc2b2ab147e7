// Lengths of 2^63, negative ones, descriptors that are none, numbers out of range: an errno,
// and the same as the host's.
#include "check.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/uio.h>

static int null, zero, pipes[2], file;
static char buf[4096];

static void show(const char *name, long ret)
{
	if (ret < 0)
		say("%s: errno %d\n", name, errno);
	else
		say("%s: %s\n", name, ret > 0 ? "some" : "0");
}

#define TRY(nr, ...) show(#nr " " #__VA_ARGS__, syscall(SYS_##nr, __VA_ARGS__))

static void lengths(void)
{
	const unsigned long lens[] = {1ul << 63, (1ul << 63) - 1, ~0ul, 1ul << 62};

	struct timespec none = {0, 0};

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		unsigned long len = lens[i];
		struct iovec one = {buf, len}, two[2] = {{buf, 1}, {buf, len}};

		say("%lx\n", len);
		TRY(read, pipes[0], buf, len);
		TRY(write, pipes[1], buf, len);
		TRY(read, 99, buf, len);
		TRY(pread64, file, buf, len, 0);
		/* Kernels and file systems differ in what huge positive ones do here. */
		if ((long)len < 0) {
			TRY(pwrite64, file, buf, 1, len);
			TRY(ftruncate, file, len);
			TRY(lseek, file, len, SEEK_SET);
			TRY(lseek, file, len, SEEK_END);
			TRY(readv, pipes[0], &one, 1);
			TRY(readv, pipes[0], two, 2);
			TRY(writev, null, &one, 1);
			TRY(writev, null, two, 2);
		}
		TRY(getcwd, 8, len);
		TRY(mmap, 0, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		TRY(munmap, 0, len);
		TRY(mprotect, 0x10000, len, PROT_READ);
		TRY(readlinkat, AT_FDCWD, "/proc/self/exe", 8, len);
		TRY(rt_sigprocmask, SIG_BLOCK, 0, 0, len);
		TRY(rt_sigaction, SIGUSR1, 0, 0, len);
		TRY(ppoll, buf, len, &none, 0, 8);
		TRY(clone3, buf, len);
		TRY(getgroups, len, 8);
	}
}

static void descriptors(void)
{
	const int bad[] = {-1, 99, INT32_MAX, INT32_MIN};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = bad[i];

		say("fd %d\n", fd);
		TRY(read, fd, buf, 1);
		TRY(write, fd, buf, 1);
		TRY(close, fd);
		TRY(fstat, fd, buf);
		TRY(lseek, fd, 0, SEEK_CUR);
		TRY(dup, fd);
		TRY(dup3, fd, 10, 0);
		TRY(fcntl, fd, F_GETFD);
		TRY(ioctl, fd, FIONREAD, buf);
		TRY(getdents64, fd, buf, 100);
		TRY(openat, fd, "relative", O_RDONLY);
		TRY(newfstatat, fd, "", buf, AT_EMPTY_PATH);
		TRY(ftruncate, fd, 0);
		TRY(fchdir, fd);
		TRY(fsync, fd);
		TRY(readv, fd, 8, 1);
		TRY(mmap, 0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	TRY(dup3, 1, -1, 0);
	TRY(dup3, 1, INT32_MAX, 0);
	TRY(read, 1ul << 32 | 99, buf, 1);
	TRY(openat, -1, "/dev/null", O_RDONLY);
}

static void numbers(void)
{
	TRY(openat, AT_FDCWD, "/dev/null", 0xffffffff);
	TRY(fcntl, file, -1, 0);
	TRY(ioctl, null, 0xdeadbeef, 8);
	TRY(ioctl, file, 0x5401, buf);
	TRY(lseek, file, 0, -1);
	TRY(mmap, 0, 4096, 0xffffffff, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TRY(mmap, 0, 4096, PROT_READ, 0, -1, 0);
	TRY(mmap, 0, 4096, PROT_READ, MAP_PRIVATE, file, 0xfffffffffffff000);
	TRY(madvise, 0, 4096, -1);
	TRY(mremap, 0, 0, 0, 0);
	TRY(wait4, 0x80000000, 0, 0, 0);
	TRY(waitid, -1, 0, 0, WEXITED);
	TRY(kill, 0x7fffffff, 0);
	TRY(kill, 1, 1000);
	TRY(setpgid, -5, -5);
	TRY(clock_gettime, 0x7fffffff, buf);
	TRY(clock_gettime, -100, buf);
	TRY(prlimit64, 0, -1, 0, buf);
	TRY(getrusage, 5, buf);
	TRY(prctl, 0x7fffffff, 0, 0, 0, 0);
	TRY(pipe2, buf, -1);
	TRY(umask, -1);
	TRY(close_range, 10, 5, 0);
	TRY(getrandom, buf, 1, -1);
	TRY(rt_sigaction, 0, 0, 0, 8);
	TRY(rt_sigaction, 1000, 0, 0, 8);
	TRY(rt_sigprocmask, 7, buf, 0, 8);
	TRY(dup3, null, 20, 1);
	TRY(faccessat, AT_FDCWD, "/dev/null", 0x1000);
	TRY(readv, file, buf, 2000);
	TRY(tgkill, -1, -1, 0);
	TRY(execve, "", 0, 0);
	TRY(newfstatat, AT_FDCWD, "/", buf, 0x80000000);
	TRY(mkdirat, AT_FDCWD, "", 0);
	TRY(unlinkat, AT_FDCWD, "/none", 0x1);
	TRY(renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 0xff);
}

int main(void)
{
	const char *dir = temp_dir();

	CHECK_EQ(chdir(dir), 0);
	null = open("/dev/null", O_RDWR);
	zero = open("/dev/zero", O_RDWR);
	CHECK_EQ(pipe2(pipes, O_NONBLOCK), 0);
	file = open("f", O_RDWR | O_CREAT, 0600);
	CHECK(null >= 0 && zero >= 0 && file >= 0);
	lengths();
	descriptors();
	numbers();
	CHECK_EQ(unlink("f"), 0);
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
