// F_GETPIPE_SZ and F_SETPIPE_SZ.
#include "check.h"

static char buf[1 << 17];

int main(void)
{
	int fd[2];

	CHECK_EQ(pipe2(fd, O_NONBLOCK), 0);
	say("default %d\n", fcntl(fd[0], F_GETPIPE_SZ));
	say("1 -> %d\n", fcntl(fd[0], F_SETPIPE_SZ, 1));
	CHECK_EQ(write(fd[1], buf, sizeof(buf)), 4096);
	CHECK_ERR(write(fd[1], buf, 1), EAGAIN);
	say("5000 -> %d\n", fcntl(fd[1], F_SETPIPE_SZ, 5000));
	say("then fits %zd\n", write(fd[1], buf, sizeof(buf)));
	say("131072 -> %d\n", fcntl(fd[1], F_SETPIPE_SZ, 131072));
	say("then fits %zd\n", write(fd[1], buf, sizeof(buf)));
	CHECK_EQ(fcntl(fd[0], F_GETPIPE_SZ), 131072);
	/* What is in it does not fit any more. */
	CHECK_ERR(fcntl(fd[1], F_SETPIPE_SZ, 4096), EBUSY);
	CHECK_EQ(read(fd[0], buf, sizeof(buf)), 131072);
	CHECK_EQ(fcntl(fd[1], F_SETPIPE_SZ, 4096), 4096);
	CHECK_ERR(fcntl(fd[1], F_SETPIPE_SZ, -1), EINVAL);
	CHECK_ERR(fcntl(open("/dev/null", O_RDONLY), F_GETPIPE_SZ), EBADF);
	return 0;
}
