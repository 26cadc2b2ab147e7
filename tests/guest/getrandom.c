// getrandom: fills, differs between calls and between processes, its flags; /dev/urandom too.
#include "check.h"
#include <sys/random.h>

int main(void)
{
	unsigned char a[300], b[300], c[300];
	int fd[2], dev, zeros = 0;
	pid_t pid;

	memset(a, 0, sizeof(a));
	CHECK_EQ(getrandom(a, sizeof(a), 0), sizeof(a));
	CHECK_EQ(getrandom(b, sizeof(b), GRND_NONBLOCK), sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	for (size_t i = 0; i < sizeof(a); i++)
		zeros += a[i] == 0;
	CHECK(zeros < 30);
	CHECK_EQ(getrandom(a, 0, 0), 0);
	CHECK_EQ(getrandom(a, 16, GRND_RANDOM), 16);
	CHECK_ERR(getrandom(a, 16, 0x80), EINVAL);
	CHECK_ERR(syscall(SYS_getrandom, 8, 16, 0), EFAULT);
	make_pipe(fd);
	pid = fork_ok();
	if (pid == 0) {
		CHECK_EQ(getrandom(a, sizeof(a), 0), sizeof(a));
		CHECK_EQ(write(fd[1], a, sizeof(a)), sizeof(a));
		_exit(0);
	}
	CHECK_EQ(getrandom(b, sizeof(b), 0), sizeof(b));
	CHECK_EQ(read(fd[0], c, sizeof(c)), sizeof(c));
	reap_ok(pid);
	CHECK(memcmp(b, c, sizeof(b)) != 0);
	dev = open("/dev/urandom", O_RDONLY);
	CHECK(dev >= 0);
	CHECK_EQ(read(dev, b, sizeof(b)), sizeof(b));
	CHECK(memcmp(b, c, sizeof(b)) != 0);
	say("ok\n");
	return 0;
}
