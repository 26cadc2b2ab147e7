// open, openat, openat2 and creat: each error that their man pages name, and limits of names.
#include "err.h"
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static void others(void)
{
	TRY_FD(open("private/f", O_RDONLY));
	TRY_FD(open("private/none", O_RDONLY));
	TRY_FD(open("private", O_RDONLY | O_DIRECTORY));
	TRY_FD(open("private/f", O_PATH));
	TRY_FD(open("mine", O_RDONLY));
	TRY_FD(open("mine", O_WRONLY));
	TRY_FD(open("mine", O_RDONLY | O_TRUNC));
	TRY_FD(open("mine", O_PATH));
	TRY_FD(open("readable", O_RDONLY));
	TRY_FD(open("readable", O_RDWR));
	TRY_FD(open("readable", O_RDONLY | O_NOATIME));
	TRY_FD(open("new", O_RDONLY | O_CREAT, 0600));
	TRY_FD(open("readable", O_RDONLY | O_CREAT, 0600));
	TRY_FD(open(".", O_RDWR | O_TMPFILE, 0600));
	TRY_FD(open("/", O_WRONLY | O_CREAT, 0600));
	TRY_FD(open("sticky/f", O_WRONLY | O_CREAT, 0600));
}

static void plain(void)
{
	int f = open("f", O_RDONLY), none = 999;

	TRY_FD(open("", O_RDONLY));
	TRY_FD(open("none", O_RDONLY));
	TRY_FD(open("none/x", O_RDONLY | O_CREAT, 0600));
	TRY_FD(open("f/x", O_RDONLY));
	TRY_FD(open("f/", O_RDONLY));
	TRY_FD(open("f/.", O_RDONLY));
	TRY_FD(open("f/..", O_RDONLY));
	TRY_FD(open("f", O_RDONLY | O_DIRECTORY));
	TRY_FD(open("d", O_WRONLY));
	TRY_FD(open("d", O_RDWR));
	TRY_FD(open("d", O_RDONLY | O_CREAT, 0600));
	TRY_FD(open("d", O_RDONLY | O_CREAT | O_EXCL, 0600));
	TRY_FD(open("d", O_RDONLY | O_TRUNC));
	TRY_FD(open("d", O_RDONLY | O_CREAT | O_DIRECTORY, 0600));
	TRY_FD(open("new/", O_RDONLY | O_CREAT, 0600));
	TRY_FD(open("f", O_RDONLY | O_CREAT | O_EXCL, 0600));
	TRY_FD(open("link", O_RDONLY | O_CREAT | O_EXCL, 0600));
	TRY_FD(open("dangling", O_RDONLY | O_CREAT | O_EXCL, 0600));
	TRY_FD(open("dangling", O_RDONLY));
	TRY_FD(open("dangling/", O_RDONLY | O_CREAT, 0600));
	TRY_FD(open("link", O_RDONLY | O_NOFOLLOW));
	TRY_FD(open("link", O_RDONLY | O_NOFOLLOW | O_DIRECTORY));
	TRY_FD(open("link", O_PATH | O_NOFOLLOW));
	TRY_FD(open("link/", O_RDONLY));
	TRY_FD(open("loop", O_RDONLY));
	TRY_FD(open("loop/x", O_RDONLY));
	TRY_FD(open("loop", O_RDONLY | O_CREAT, 0600));
	TRY_FD(open("loop", O_PATH | O_NOFOLLOW));
	TRY_FD(open("loop2", O_RDONLY));
	TRY_FD(open("f", 3)); /* neither read nor write */
	TRY_FD(open("f", O_TMPFILE | O_RDWR, 0600));
	TRY_FD(open("d", O_TMPFILE | O_RDONLY, 0600));
	TRY_FD(open("d", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0600));
	TRY_FD(open("d", O_TMPFILE | O_RDWR | O_CREAT, 0600));
	TRY_FD(open("d", O_TMPFILE | O_RDWR | O_EXCL, 0600));
	TRY_FD(open("fifo", O_WRONLY | O_NONBLOCK));
	TRY_FD(open("fifo", O_RDONLY | O_NONBLOCK));
	TRY_FD(open("sock", O_RDWR));
	TRY_FD(open("sock", O_PATH));
	TRY_FD(open("/proc/self/exe", O_WRONLY));
	TRY_FD(open("/proc/self/exe", O_RDWR | O_TRUNC));
	TRY_FD(open("/proc/self/none", O_WRONLY | O_CREAT, 0600));
	TRY_FD(open("/proc/self/fd/999", O_RDONLY));
	TRY_FD(open("/dev/none", O_RDONLY));
	TRY_FD(open("f", O_RDONLY | O_PATH | O_CREAT | O_TRUNC | O_APPEND));
	TRY_FD(open("f", O_RDONLY | 0x40000000)); /* unknown to open: ignored */
	TRY_FD(open(BAD_POINTER, O_RDONLY));
	TRY_FD(open((char *)-4096L, O_RDONLY));
	TRY_FD(S(openat, none, "f", O_RDONLY));
	TRY_FD(S(openat, none, "/", O_RDONLY));
	TRY_FD(S(openat, -1, "f", O_RDONLY));
	TRY_FD(S(openat, f, "x", O_RDONLY));
	TRY_FD(S(openat, f, "", O_RDONLY));
	TRY_FD(creat("d", 0600));
	TRY_FD(creat("f/x", 0600));
	TRY_FD(creat("made", 0600));
	close(f);
}

static void lengths(void)
{
	TRY_FD(open(long_name(255), O_RDONLY));
	TRY_FD(open(long_name(256), O_RDONLY));
	TRY_FD(open(long_name(256), O_RDONLY | O_CREAT, 0600));
	TRY_FD(open(long_path(4095, "f"), O_RDONLY));
	TRY_FD(open(long_path(4096, "f"), O_RDONLY));
	TRY_FD(open(long_path(4095, "nn"), O_RDONLY));
	TRY_FD(open(long_path(5000, "nn"), O_RDONLY | O_CREAT, 0600));
	TRY_FD(open(long_name(5000), O_RDONLY));
}

static void limits(void)
{
	struct rlimit one = {20, 20}, small = {100, 100};
	int last = -1, fd;

	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &one), 0);
	while ((fd = open("f", O_RDONLY)) >= 0)
		last = fd;
	CHECK_EQ(last, 19);
	TRY_FD(open("f", O_RDONLY));
	TRY_FD(open("none", O_RDONLY));
	TRY_FD(open("not-made", O_RDONLY | O_CREAT, 0600));
	TRY(access("not-made", F_OK));
	close(last);
	signal(SIGXFSZ, SIG_IGN);
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
	fd = open("big", O_RDWR | O_CREAT, 0600);
	CHECK_EQ(pwrite(fd, "x", 1, 99), 1);
	CHECK_ERR(pwrite(fd, "x", 1, 100), EFBIG);
	CHECK_EQ(pwrite(fd, "xxxx", 4, 98), 2);
	CHECK_EQ(ftruncate(fd, 100), 0);
	CHECK_ERR(ftruncate(fd, 101), EFBIG);
	CHECK_ERR(fallocate(fd, 0, 0, 101), EFBIG);
}

static long open2(const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};

	return syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

static void how(void)
{
	TRY_FD(open2("f", O_RDONLY, 0, 0));
	TRY_FD(open2("f", O_RDONLY | 0x40000000, 0, 0));
	TRY_FD(open2("f", O_RDONLY, 0777, 0));
	TRY_FD(open2("d", O_TMPFILE | O_RDONLY, 0600, 0));
	TRY_FD(open2("d", O_PATH | O_CREAT, 0600, 0));
	TRY_FD(open2("d", O_DIRECTORY | O_CREAT, 0600, 0));
	TRY_FD(open2("d", O_RDONLY, 0, 0x1000));
	TRY_FD(open2("d", O_RDONLY, 0, RESOLVE_CACHED));
	TRY_FD(open2("loop", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
	TRY_FD(open2("../x", O_RDONLY, 0, RESOLVE_BENEATH));
	TRY_FD(open2("/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
}

int main(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "sock"};
	const char *base = temp_dir();
	int s;

	umask(022);
	CHECK_EQ(chdir(base), 0);
	CHECK_EQ(chmod(".", 0755), 0);
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_EQ(mkdir("private", 0700), 0);
	CHECK_EQ(mkdir("sticky", 0777), 0);
	CHECK_EQ(chmod("sticky", 01777), 0);
	write_file("f", "x", 1, 0644);
	write_file("private/f", "x", 1, 0666);
	write_file("mine", "x", 1, 0600);
	write_file("readable", "x", 1, 0644);
	CHECK_EQ(symlink("f", "link"), 0);
	CHECK_EQ(symlink("nowhere", "dangling"), 0);
	CHECK_EQ(symlink("loop", "loop"), 0);
	CHECK_EQ(symlink("loop3", "loop2"), 0);
	CHECK_EQ(symlink("loop2", "loop3"), 0);
	CHECK_EQ(mkfifo("fifo", 0644), 0);
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_EQ(bind(s, (struct sockaddr *)&name, sizeof(name)), 0);
	plain();
	lengths();
	how();
	as_other(others);
	CHECK_EQ(run_child((void (*)(void *))(void *)limits, NULL), 0);
	for (const char *const *n =
		     (const char *const[]){"f", "private/f", "mine", "readable", "link", "dangling",
					   "loop", "loop2", "loop3", "fifo", "sock", "made", "big",
					   "nowhere", "sticky/f", NULL};
	     *n; n++)
		unlink(*n);
	for (const char *const *n = (const char *const[]){"d", "private", "sticky", NULL}; *n; n++)
		CHECK_EQ(rmdir(*n), 0);
	CHECK_EQ(rmdir(base), 0);
	return 0;
}
