// read, write and their kin, lseek, dup, fcntl, pipe2, poll, select, getdents64, sendfile and
// copy_file_range: the errors of their man pages.
#include "err-files.h"
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static char buf[64];

static void transfers(void)
{
	struct iovec iov[2] = {{buf, 4}, {buf, 4}}, bad[1] = {{BAD_POINTER, 4}};
	struct iovec huge[2] = {{buf, SIZE_MAX / 2}, {buf, SIZE_MAX / 2}}, neg[1] = {{buf, -1}};

	TRY(S(read, 999, buf, 1));
	TRY(S(read, -1, buf, 1));
	TRY(S(read, writer, buf, 1));
	TRY(S(read, d, buf, 1));
	TRY(S(read, path_only, buf, 1));
	TRY(S(read, pipes[1], buf, 1));
	TRY(S(read, f, BAD_POINTER, 1));
	TRY(S(read, f, BAD_POINTER, 0));
	TRY(S(read, f, (void *)-1L, 0));
	TRY(S(read, f, (void *)-4096L, 1));
	TRY(S(read, 999, BAD_POINTER, 0));
	TRY(S(write, 999, buf, 1));
	TRY(S(write, reader, buf, 1));
	TRY(S(write, d, buf, 1));
	TRY(S(write, path_only, buf, 1));
	TRY(S(write, pipes[0], buf, 1));
	TRY(S(write, f, BAD_POINTER, 1));
	TRY(S(write, f, BAD_POINTER, 0));
	TRY(S(write, reader, buf, 0));
	TRY(S(pread64, f, buf, 1, -1));
	TRY(S(pread64, 999, buf, 1, 0));
	TRY(S(pread64, writer, buf, 1, 0));
	TRY(S(pread64, pipes[0], buf, 1, 0));
	TRY(S(pread64, d, buf, 1, 0));
	TRY(S(pread64, f, BAD_POINTER, 1, 0));
	TRY(S(pread64, f, buf, 1, INT64_MAX));
	TRY(S(pwrite64, f, buf, 1, -1));
	TRY(S(pwrite64, 999, buf, 1, 0));
	TRY(S(pwrite64, reader, buf, 1, 0));
	TRY(S(pwrite64, pipes[1], buf, 1, 0));
	TRY(S(pwrite64, f, BAD_POINTER, 1, 0));
	TRY(S(pwrite64, f, buf, 1, INT64_MAX));
	TRY(S(readv, 999, iov, 2));
	TRY(S(readv, f, iov, -1));
	TRY(S(readv, f, iov, 1025));
	TRY(S(readv, f, BAD_POINTER, 1));
	TRY(S(readv, f, BAD_POINTER, 0));
	TRY(S(readv, f, neg, 1));
	TRY(S(readv, f, huge, 2));
	TRY(S(writev, 999, iov, 2));
	TRY(S(writev, f, iov, -1));
	TRY(S(writev, f, iov, 1025));
	TRY(S(writev, f, bad, 1));
	TRY(S(writev, f, neg, 1));
	TRY(S(writev, reader, iov, 2));
	TRY(S(preadv, f, iov, 2, -1, -1));
	TRY(S(preadv, pipes[0], iov, 2, 0, 0));
	TRY(S(pwritev, pipes[1], iov, 2, 0, 0));
	TRY(S(preadv2, f, iov, 2, 0, 0, 0x1000));
	TRY(S(preadv2, f, iov, 2, -2, -1, 0));
	TRY(S(pwritev2, f, iov, 2, 0, 0, 0x1000));
	TRY(sendfile(f, pipes[0], NULL, 1));
	TRY(sendfile(reader, f, NULL, 1));
	TRY(sendfile(f, writer, NULL, 1));
	TRY(sendfile(999, f, NULL, 1));
	TRY(sendfile(f, 999, NULL, 1));
	TRY(S(sendfile, pipes[1], reader, BAD_POINTER, 1));
	TRY(S(sendfile, pipes[1], reader, &(off_t){-1}, 1));
	TRY(S(copy_file_range, reader, NULL, 999, NULL, 1, 0));
	TRY(S(copy_file_range, reader, NULL, writer, NULL, 1, 1));
	TRY(S(copy_file_range, reader, NULL, reader, NULL, 1, 0));
	TRY(S(copy_file_range, writer, NULL, writer, NULL, 1, 0));
	TRY(S(copy_file_range, pipes[0], NULL, writer, NULL, 1, 0));
	TRY(S(copy_file_range, d, NULL, writer, NULL, 1, 0));
	TRY(S(copy_file_range, reader, &(off_t){0}, f, &(off_t){0}, 2, 0));
}

static void positions(void)
{
	TRY(lseek(999, 0, SEEK_SET));
	TRY(lseek(f, -1, SEEK_SET));
	TRY(lseek(f, -1000, SEEK_END));
	TRY(lseek(f, 0, SEEK_SET));
	TRY(lseek(f, 0, 5));
	TRY(lseek(f, 0, -1));
	TRY(lseek(f, 1000, SEEK_DATA));
	TRY(lseek(f, 1000, SEEK_HOLE));
	TRY(lseek(f, -1, SEEK_DATA));
	TRY(lseek(pipes[0], 0, SEEK_CUR));
	TRY(lseek(path_only, 0, SEEK_CUR));
	TRY(lseek(d, 0, SEEK_SET));
	TRY(lseek(d, -1, SEEK_SET));
	TRY(S(getdents64, 999, buf, sizeof(buf)));
	TRY(S(getdents64, f, buf, sizeof(buf)));
	TRY(S(getdents64, path_only, buf, sizeof(buf)));
	TRY(S(getdents64, d, buf, 8));
	TRY(S(getdents64, d, BAD_POINTER, 4096));
}

static void descriptors(void)
{
	struct flock lock = {.l_type = F_WRLCK}, odd = {.l_type = 77}, neg = {.l_start = -1};
	struct flock whence = {.l_type = F_RDLCK, .l_whence = 9}, rd = {.l_type = F_RDLCK};
	struct f_owner_ex owner = {99, 0};

	TRY(dup(999));
	TRY(dup(-1));
	TRY(dup2(999, 5));
	TRY(dup2(999, 999));
	TRY(dup2(f, -1));
	TRY(dup2(f, INT_MAX));
	TRY(dup2(f, f) == f);
	TRY(dup3(f, f, 0));
	TRY(dup3(f, 50, 1));
	TRY(dup3(999, 50, 0));
	TRY(dup3(f, -1, 0));
	TRY(close(999));
	TRY(close(-1));
	TRY(S(close_range, 60, 50, 0));
	TRY(S(close_range, 900, 999, 8));
	TRY(fcntl(999, F_GETFD));
	TRY(fcntl(f, 9999));
	TRY(fcntl(f, F_DUPFD, -1));
	TRY(fcntl(f, F_DUPFD, INT_MAX));
	TRY(fcntl(f, F_DUPFD_CLOEXEC, -1));
	TRY(fcntl(f, F_GETLK, BAD_POINTER));
	TRY(fcntl(f, F_GETLK, &odd));
	TRY(fcntl(f, F_SETLK, &odd));
	TRY(fcntl(f, F_SETLK, &whence));
	TRY(fcntl(f, F_SETLK, &neg));
	TRY(fcntl(reader, F_SETLK, &lock));
	TRY(fcntl(writer, F_SETLK, &rd));
	TRY(fcntl(pipes[0], F_SETLK, &rd));
	TRY(fcntl(path_only, F_SETLK, &rd));
	TRY(fcntl(f, F_OFD_SETLK, &((struct flock){.l_type = F_RDLCK, .l_pid = 1})));
	TRY(fcntl(path_only, F_GETFL) & O_PATH);
	TRY(fcntl(path_only, F_SETFL, 0));
	TRY(fcntl(path_only, F_GETFD));
	TRY(fcntl(f, F_SETOWN, 99999999));
	TRY(fcntl(f, F_SETOWN_EX, &owner));
	TRY(fcntl(f, F_SETSIG, 100));
	TRY(fcntl(f, F_GETPIPE_SZ));
	TRY(fcntl(f, F_SETPIPE_SZ, 4096));
	TRY(fcntl(pipes[0], F_SETPIPE_SZ, -1));
	TRY(fcntl(pipes[0], F_SETPIPE_SZ, 0));
	TRY(fcntl(f, F_SETLEASE, 99));
	TRY(ioctl(f, TIOCGWINSZ, buf));
	TRY(ioctl(999, FIONREAD, buf));
	TRY(ioctl(path_only, FIONREAD, buf));
	TRY(ioctl(pipes[0], FIONREAD, BAD_POINTER));
	TRY(ioctl(f, 0x1234, buf));
	TRY(S(pipe2, BAD_POINTER, 0));
	TRY(S(pipe2, buf, 1));
	TRY(S(pipe2, NULL, O_CLOEXEC));
}

static void waits(void)
{
	struct pollfd p[2] = {{999, POLLIN, 0}, {-1, POLLIN, 0}};
	struct timespec bad = {0, 1000000000}, neg = {-1, 0}, now = {0, 0};
	struct timeval badv = {0, -1};
	fd_set set;

	TRY(poll(BAD_POINTER, 1, 0));
	TRY(poll(NULL, 0, 0));
	TRY(S(ppoll, p, UINT_MAX, &now, NULL, 0));
	TRY(S(ppoll, p, 2, &bad, NULL, 8));
	TRY(S(ppoll, p, 2, &neg, NULL, 8));
	TRY(S(ppoll, p, 2, BAD_POINTER, NULL, 8));
	TRY(S(ppoll, p, 2, &now, BAD_POINTER, 8));
	TRY(S(ppoll, p, 2, &now, buf, 4));
	TRY(poll(p, 2, 0));
	say("revents %x %x\n", p[0].revents, p[1].revents);
	p[0].fd = path_only;
	TRY(poll(p, 1, 0));
	say("revents %x\n", p[0].revents);
	FD_ZERO(&set);
	FD_SET(60, &set);
	TRY(select(61, &set, NULL, NULL, &(struct timeval){0, 0}));
	TRY(select(-1, NULL, NULL, NULL, &(struct timeval){0, 0}));
	TRY(select(0, NULL, NULL, NULL, &badv));
	TRY(S(pselect6, 10, BAD_POINTER, NULL, NULL, &now, NULL));
	TRY(S(pselect6, 0, NULL, NULL, NULL, BAD_POINTER, NULL));
	TRY(S(pselect6, 0, NULL, NULL, NULL, &bad, NULL));
	TRY(S(pselect6, 0, NULL, NULL, NULL, &now, BAD_POINTER));
	FD_ZERO(&set);
	FD_SET(path_only, &set);
	TRY(select(path_only + 1, &set, NULL, NULL, &(struct timeval){0, 0}));
}

static void broken(void)
{
	struct rlimit lim = {3, 3};
	int p[2], more[2];

	signal(SIGPIPE, SIG_IGN);
	make_pipe(p);
	close(p[0]);
	TRY(S(write, p[1], buf, 1));
	TRY(S(write, p[1], buf, 0));
	close(p[1]);
	CHECK_EQ(pipe2(p, O_NONBLOCK), 0);
	TRY(S(read, p[0], buf, 1));
	while (write(p[1], buf, sizeof(buf)) > 0)
		;
	TRY(S(write, p[1], buf, 1));
	TRY(S(read, p[0], BAD_POINTER, 1));
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &lim), 0);
	TRY(pipe(more));
	TRY(dup(1));
	TRY(dup2(1, 3));
	TRY(dup2(1, 1) == 1);
	TRY(fcntl(1, F_DUPFD, 0));
	TRY(fcntl(1, F_DUPFD, 3));
	TRY(S(ppoll, NULL, 4, NULL, NULL, 8));
}

static void all(void)
{
	transfers();
	positions();
	descriptors();
	waits();
	broken();
}

int main(void)
{
	with_files(all);
	return 0;
}
