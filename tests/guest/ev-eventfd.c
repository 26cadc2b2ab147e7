// variants: static musl
// eventfd: counting, the semaphore, overflow, bad sizes, poll, a blocked reader and a blocked
// writer in another process.
#include "check.h"
#include <poll.h>
#include <sys/eventfd.h>

static unsigned ready(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

	CHECK(poll(&p, 1, 0) >= 0);
	return (unsigned)p.revents;
}

static void write_later(void *arg)
{
	CHECK_EQ(eventfd_write(*(int *)arg, 5), 0);
}

static void read_later(void *arg)
{
	eventfd_t v;

	CHECK_EQ(eventfd_read(*(int *)arg, &v), 0);
	CHECK(v == UINT64_MAX - 1);
}

int main(void)
{
	uint64_t v = 0, two[2] = {1, 1};
	int fd = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC), sem, block;
	pid_t pid;

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK_EQ(ready(fd), POLLIN | POLLOUT);
	CHECK_EQ(read(fd, &v, 8), 8);
	CHECK_EQ(v, 3);
	CHECK_EQ(ready(fd), POLLOUT);
	CHECK_ERR(read(fd, &v, 8), EAGAIN);
	CHECK_ERR(read(fd, &v, 7), EINVAL);
	CHECK_ERR(write(fd, &v, 7), EINVAL);
	CHECK_EQ(write(fd, two, 8), 8);
	CHECK_EQ(read(fd, two, 16), 8);
	CHECK_EQ(two[0], 1);
	v = UINT64_MAX;
	CHECK_ERR(write(fd, &v, 8), EINVAL);
	v = UINT64_MAX - 1;
	CHECK_EQ(write(fd, &v, 8), 8);
	CHECK_EQ(ready(fd), POLLIN);
	v = 1;
	CHECK_ERR(write(fd, &v, 8), EAGAIN);
	v = 0;
	CHECK_EQ(write(fd, &v, 8), 8);
	CHECK_EQ(read(fd, &v, 8), 8);
	CHECK(v == UINT64_MAX - 1);
	CHECK_ERR(write(fd, (void *)8, 8), EFAULT);
	CHECK_EQ(lseek(fd, 5, SEEK_SET), 0);
	CHECK_ERR(eventfd(0, 0x10), EINVAL);

	sem = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	CHECK_EQ(read(sem, &v, 8), 8);
	CHECK_EQ(v, 1);
	CHECK_EQ(read(sem, &v, 8), 8);
	CHECK_EQ(v, 1);
	CHECK_ERR(read(sem, &v, 8), EAGAIN);

	block = eventfd(0, 0);
	pid = spawn(write_later, &block);
	CHECK_EQ(read(block, &v, 8), 8);
	CHECK_EQ(v, 5);
	reap_ok(pid);
	v = UINT64_MAX - 1;
	CHECK_EQ(write(block, &v, 8), 8);
	pid = spawn(read_later, &block);
	v = 7;
	CHECK_EQ(write(block, &v, 8), 8);
	reap_ok(pid);
	CHECK_EQ(read(block, &v, 8), 8);
	CHECK_EQ(v, 7);
	say("ok\n");
	return 0;
}
