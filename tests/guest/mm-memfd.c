// variants: static
// memfd_create: its flags and name, mappings, reading and writing, seals and each refusal that
// fcntl(2) names.
#include "check.h"
#include <linux/falloc.h>

#ifndef F_ADD_SEALS
#define F_ADD_SEALS   1033
#define F_GET_SEALS   1034
#define F_SEAL_SEAL   1
#define F_SEAL_SHRINK 2
#define F_SEAL_GROW   4
#define F_SEAL_WRITE  8
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 16
#endif

#define PAGE 4096
#define RW   (PROT_READ | PROT_WRITE)

int main(void)
{
	int fd = memfd_create("one", MFD_ALLOW_SEALING | MFD_CLOEXEC), plain, ro, fds[2];
	char name[300], buf[8], link[64];
	struct stat st;
	char *p, *q;

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	CHECK_EQ(readlink(link, name, sizeof(name)), 20);
	CHECK_EQ(memcmp(name, "/memfd:one (deleted)", 20), 0);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0777);
	CHECK_EQ(st.st_size, 0);
	CHECK_EQ(st.st_nlink, 0);
	memset(name, 'a', sizeof(name));
	name[250] = 0;
	CHECK_ERR(memfd_create(name, 0), EINVAL);
	name[249] = 0;
	plain = memfd_create(name, 0);
	CHECK(plain >= 0);
	CHECK_ERR(memfd_create("x", 0x8000), EINVAL);
	CHECK_ERR(memfd_create((char *)8, 0), EFAULT);

	CHECK_EQ(write(fd, "hello", 5), 5);
	CHECK_EQ(ftruncate(fd, 2 * PAGE), 0);
	p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(memcmp(p, "hello\0", 6), 0);
	p[PAGE] = 'z';
	CHECK_EQ(pread(fd, buf, 1, PAGE), 1);
	CHECK_EQ(buf[0], 'z');
	q = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0);
	q[0] = 'j';
	CHECK_EQ(p[0], 'h');
	CHECK_EQ(munmap(q, PAGE), 0);

	CHECK_EQ(fcntl(plain, F_GET_SEALS), F_SEAL_SEAL);
	CHECK_ERR(fcntl(plain, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	CHECK_EQ(pipe(fds), 0);
	CHECK_ERR(fcntl(fds[0], F_GET_SEALS), EINVAL);
	close(fds[0]);
	close(fds[1]);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, 0x1000), EINVAL);
	ro = open(link, O_RDONLY);
	CHECK(ro >= 0);
	CHECK_ERR(fcntl(ro, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	close(ro);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	CHECK_ERR(ftruncate(fd, PAGE), EPERM);
	CHECK_EQ(ftruncate(fd, 3 * PAGE), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	CHECK_ERR(ftruncate(fd, 4 * PAGE), EPERM);
	CHECK_ERR(pwrite(fd, "x", 1, 3 * PAGE), EPERM);
	CHECK_EQ(pwrite(fd, "x", 1, 3 * PAGE - 1), 1);
	CHECK_ERR(fallocate(fd, 0, 0, 4 * PAGE), EPERM);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	/* a mapping that exists stays writable */
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	p[1] = 'a';
	CHECK_ERR(write(fd, "x", 1), EPERM);
	CHECK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EPERM);
	q = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(q != MAP_FAILED);
	CHECK_EQ(q[1], 'a');
	CHECK_ERR(mprotect(q, PAGE, RW), EACCES);
	CHECK_EQ(munmap(p, 2 * PAGE), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL), 0);
	CHECK_ERR(pwrite(fd, "x", 1, 0), EPERM);
	CHECK_ERR(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE), EPERM);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	/* a private copy may still be written */
	p = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	p[0] = 'x';
	CHECK_EQ(q[0], 'h');
	say("ok\n");
	return 0;
}
