// /dev/null, /dev/zero, /dev/full: reads, writes, seeks, mappings, what stat says.
#include "check.h"
#include <sys/sysmacros.h>

static void show(const char *path)
{
	struct stat st;

	CHECK_EQ(stat(path, &st), 0);
	say("%s: type %o, %u:%u\n", path, st.st_mode & S_IFMT, major(st.st_rdev),
	    minor(st.st_rdev));
}

int main(void)
{
	char buf[100];
	int fd;
	char *p;

	show("/dev/null");
	show("/dev/zero");
	show("/dev/full");
	show("/dev/urandom");
	fd = open("/dev/null", O_RDWR);
	CHECK_EQ(write(fd, buf, 100), 100);
	CHECK_EQ(read(fd, buf, 100), 0);
	CHECK_EQ(lseek(fd, 10, SEEK_SET), 0);
	CHECK_ERR(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0), ENODEV);
	CHECK_EQ(write(fd, (void *)8, 100), 100); /* never looks at it */
	CHECK(!isatty(fd));
	close(fd);
	fd = open("/dev/zero", O_RDWR);
	memset(buf, 1, sizeof(buf));
	CHECK_EQ(read(fd, buf, 100), 100);
	CHECK_EQ(buf[0] | buf[99], 0);
	CHECK_EQ(write(fd, buf, 100), 100);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(p[5000], 0);
	p[5000] = 1;
	CHECK_EQ(p[5000], 1);
	CHECK_ERR(read(fd, (void *)8, 100), EFAULT);
	close(fd);
	fd = open("/dev/full", O_RDWR);
	CHECK_ERR(write(fd, buf, 1), ENOSPC);
	CHECK_EQ(read(fd, buf, 100), 100);
	close(fd);
	fd = open("/dev/null", O_WRONLY | O_TRUNC | O_CREAT | O_APPEND, 0666);
	CHECK(fd >= 0);
	CHECK_ERR(read(fd, buf, 1), EBADF);
	CHECK_ERR(open("/dev/none", O_RDWR), ENOENT);
	say("ok\n");
	return 0;
}
