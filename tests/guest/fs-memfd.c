// memfd_create and every seal; mappings of sealed files; /proc/self/fd names and opens them.
#include "check.h"

static int memfd(unsigned flags)
{
	int fd = memfd_create("seal me", flags);

	CHECK(fd >= 0);
	return fd;
}

static void errors(void)
{
	char name[300];
	int fds[2];

	CHECK_ERR(memfd_create("x", 0x100), EINVAL);
	CHECK_ERR(syscall(SYS_memfd_create, (void *)8, 0), EFAULT);
	memset(name, 'a', sizeof(name));
	name[250] = 0;
	CHECK_ERR(memfd_create(name, 0), EINVAL);
	name[249] = 0;
	close(memfd_create(name, 0));
	CHECK_EQ(pipe(fds), 0);
	CHECK_ERR(fcntl(fds[0], F_GET_SEALS), EINVAL);
	close(fds[0]);
	close(fds[1]);
}

static void file(void)
{
	int fd = memfd(MFD_CLOEXEC), again;
	char path[64], link[64] = "", buf[8];
	struct stat st;

	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(write(fd, "hello", 5), 5);
	CHECK_EQ(fstat(fd, &st), 0);
	say("mode %o nlink %d size %d\n", st.st_mode, (int)st.st_nlink, (int)st.st_size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(readlink(path, link, sizeof(link) - 1) > 0);
	say("%s\n", link);
	again = open(path, O_RDONLY);
	CHECK(again >= 0);
	CHECK_EQ(read(again, buf, sizeof(buf)), 5);
	CHECK(memcmp(buf, "hello", 5) == 0);
	CHECK_EQ(ftruncate(fd, 3), 0);
	CHECK_EQ(lseek(again, 0, SEEK_END), 3);
	CHECK_EQ(fallocate(fd, 0, 0, 10000), 0);
	CHECK_EQ(lseek(again, 0, SEEK_END), 10000);
	/* no seals without MFD_ALLOW_SEALING */
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	close(again);
	close(fd);
	say("file ok\n");
}

static void seals(void)
{
	int fd = memfd(MFD_ALLOW_SEALING), ro;
	char path[64];
	void *p;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY);
	CHECK_EQ(write(fd, "12345678", 8), 8);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, 0x1000), EINVAL);
	CHECK_ERR(fcntl(ro, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	CHECK_ERR(ftruncate(fd, 4), EPERM);
	CHECK_EQ(ftruncate(fd, 16), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	CHECK_ERR(ftruncate(fd, 17), EPERM);
	CHECK_ERR(pwrite(fd, "x", 1, 16), EPERM);
	CHECK_EQ(pwrite(fd, "x", 1, 15), 1);
	CHECK_ERR(fallocate(fd, 0, 0, 100), EPERM);
	/* a writable mapping is in the way */
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	CHECK_EQ(munmap(p, 4096), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	CHECK_ERR(pwrite(fd, "x", 1, 0), EPERM);
	CHECK_ERR(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8), EPERM);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK_EQ(errno, EPERM);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	((char *)p)[0] = '!';
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	say("seals %x\n", fcntl(fd, F_GET_SEALS));
	close(ro);
	close(fd);
}

/* Mappings made before go on; new ones may only read. */
static void future(void)
{
	int fd = memfd(MFD_ALLOW_SEALING);
	char *old, *new, c;

	CHECK_EQ(ftruncate(fd, 4096), 0);
	old = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(old != MAP_FAILED);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	old[0] = 'o';
	CHECK_EQ(pread(fd, &c, 1, 0), 1);
	CHECK_EQ(c, 'o');
	CHECK_ERR(pwrite(fd, "x", 1, 0), EPERM);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK_EQ(errno, EPERM);
	new = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(new != MAP_FAILED);
	CHECK_EQ(new[0], 'o');
	CHECK_ERR(mprotect(new, 4096, PROT_READ | PROT_WRITE), EACCES);
	close(fd);
	say("future ok\n");
}

int main(void)
{
	umask(0);
	errors();
	file();
	seals();
	future();
	return 0;
}
