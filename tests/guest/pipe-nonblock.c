// O_NONBLOCK pipes: EAGAIN, partial writes above PIPE_BUF, all or nothing up to it; the flag
// belongs to the open file description, so a dup shares it; FIONREAD.
#include "check.h"
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static char big[1 << 20];

static size_t fill(int fd, size_t chunk)
{
	size_t total = 0;
	ssize_t n;

	while ((n = write(fd, big, chunk)) > 0)
		total += n;
	CHECK_EQ(errno, EAGAIN);
	return total;
}

static void drain(int fd, size_t len)
{
	while (len > 0) {
		ssize_t n = read(fd, big, len < sizeof(big) ? len : sizeof(big));

		CHECK(n > 0);
		len -= n;
	}
}

int main(void)
{
	int fd[2], copy, avail;
	char c;

	CHECK_EQ(pipe2(fd, O_NONBLOCK), 0);
	CHECK_ERR(read(fd[0], &c, 1), EAGAIN);
	say("capacity %zu\n", fill(fd[1], PIPE_BUF));
	CHECK_EQ(ioctl(fd[0], FIONREAD, &avail), 0);
	say("readable %d\n", avail);

	/* One page is free: a page fits, a byte more does not fit whole (PIPE_BUF is a page). */
	drain(fd[0], PIPE_BUF);
	say("two pages into one: %zd\n", write(fd[1], big, 2 * PIPE_BUF));
	CHECK_ERR(write(fd[1], big, 1), EAGAIN);
	drain(fd[0], 100);
	CHECK_ERR(write(fd[1], big, PIPE_BUF), EAGAIN);
	drain(fd[0], 65536 - 100);
	CHECK_ERR(read(fd[0], &c, 1), EAGAIN);
	say("a megabyte at once: %zd\n", write(fd[1], big, sizeof(big)));
	drain(fd[0], 65536);

	/* vectors */
	struct iovec iov[3] = {{big, 10}, {big, 0}, {big, 20}};

	CHECK_EQ(writev(fd[1], iov, 3), 30);
	CHECK_EQ(readv(fd[0], iov, 3), 30);

	/* The flag is the description's, and each end has its own. */
	copy = dup(fd[0]);
	CHECK_EQ(fcntl(copy, F_GETFL), O_RDONLY | O_NONBLOCK);
	CHECK_EQ(fcntl(fd[1], F_GETFL), O_WRONLY | O_NONBLOCK);
	CHECK_EQ(fcntl(copy, F_SETFL, 0), 0);
	CHECK_EQ(fcntl(fd[0], F_GETFL), O_RDONLY);
	CHECK_EQ(fcntl(fd[1], F_GETFL), O_WRONLY | O_NONBLOCK);
	CHECK_EQ(fcntl(copy, F_SETFL, O_NONBLOCK), 0);
	CHECK_ERR(read(fd[0], &c, 1), EAGAIN);
	close(fd[1]);
	CHECK_EQ(read(fd[0], &c, 1), 0);
	return 0;
}
