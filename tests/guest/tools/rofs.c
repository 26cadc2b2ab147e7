/*
 * rofs DIR OTHER: tries everything that writes on DIR, which is mounted read-only, and prints what
 * each call says; OTHER is a directory elsewhere. rofs -p DIR: makes what it wants to find there.
 */
#define _GNU_SOURCE
#include "../check.h"

#include <linux/falloc.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <utime.h>

static void tell(const char *what, long r)
{
	if (r < 0)
		say("%s: %s\n", what, strerrorname_np(errno));
	else
		say("%s: ok\n", what);
}

#define TRY(call) tell(#call, (long)(call))

/* The same for what gives a descriptor: it is closed again. */
static void tell_fd(const char *what, int fd)
{
	tell(what, fd);
	if (fd >= 0)
		close(fd);
}

#define OPEN(...) tell_fd("open(" #__VA_ARGS__ ")", open(__VA_ARGS__))

static int named_socket(const char *name, int (*fn)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM, 0), r;

	CHECK(s >= 0);
	strncpy(a.sun_path, name, sizeof(a.sun_path) - 1);
	r = fn(s, (struct sockaddr *)&a, sizeof(a));
	if (r)
		close(s);
	return r ? r : s;
}

static void prepare(void)
{
	int fd = open("f", O_WRONLY | O_CREAT | O_EXCL, 0644);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "host\n", 5), 5);
	close(fd);
	fd = open("run", O_WRONLY | O_CREAT | O_EXCL, 0755);
	CHECK(fd >= 0);
	close(fd);
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_EQ(mkdir("d/sub", 0755), 0);
	CHECK_EQ(mkdir("empty", 0755), 0);
	CHECK_EQ(symlink("f", "link"), 0);
	CHECK_EQ(symlink("none", "dangling"), 0);
	CHECK_EQ(mkfifo("fifo", 0644), 0);
	CHECK(named_socket("sock", bind) >= 0);
}

static void opens(void)
{
	OPEN("f", O_RDONLY);
	OPEN("f", O_WRONLY);
	OPEN("f", O_RDWR);
	OPEN("f", O_RDONLY | O_TRUNC);
	OPEN("f", O_RDONLY | O_CREAT, 0644);
	OPEN("f", O_RDWR | O_CREAT, 0644);
	OPEN("f", O_WRONLY | O_CREAT | O_EXCL, 0644);
	OPEN("f", O_RDONLY | O_APPEND);
	OPEN("f", O_PATH | O_RDWR);
	OPEN("link", O_WRONLY);
	OPEN("dangling", O_RDONLY | O_CREAT, 0644);
	OPEN("new", O_RDONLY | O_CREAT, 0644);
	OPEN("new", O_WRONLY | O_CREAT, 0644);
	OPEN("new", O_WRONLY);
	OPEN("none/new", O_WRONLY | O_CREAT, 0644);
	OPEN("f/new", O_WRONLY | O_CREAT, 0644);
	OPEN("d", O_WRONLY);
	OPEN("d", O_RDONLY | O_CREAT, 0644);
	OPEN(".", O_TMPFILE | O_RDWR, 0600);
	OPEN("fifo", O_RDWR);
	OPEN("fifo", O_RDONLY | O_NONBLOCK);
	OPEN("fifo", O_WRONLY | O_NONBLOCK);
	OPEN("fifo", O_RDWR | O_TRUNC);
	OPEN("sock", O_RDWR);
	TRY(creat("f", 0644));
	TRY(creat("new", 0644));
}

static void names(void)
{
	TRY(mkdir("new", 0755));
	TRY(mkdir("d", 0755));
	TRY(mkdir("none/new", 0755));
	TRY(rmdir("empty"));
	TRY(rmdir("d"));
	TRY(rmdir("none"));
	TRY(rmdir("f"));
	TRY(unlink("f"));
	TRY(unlink("link"));
	TRY(unlink("none"));
	TRY(unlink("d"));
	TRY(link("f", "new"));
	TRY(link("f", "run"));
	TRY(link("none", "new"));
	TRY(symlink("f", "new"));
	TRY(symlink("f", "link"));
	TRY(mknod("new", S_IFREG | 0644, 0));
	TRY(mknod("new", S_IFIFO | 0644, 0));
	TRY(mknod("f", S_IFIFO | 0644, 0));
	TRY(rename("f", "new"));
	TRY(rename("f", "run"));
	TRY(rename("f", "f"));
	TRY(rename("none", "new"));
	TRY(rename("d", "d/sub/x"));
	TRY(renameat2(AT_FDCWD, "f", AT_FDCWD, "run", RENAME_EXCHANGE));
	TRY(renameat2(AT_FDCWD, "f", AT_FDCWD, "none", RENAME_EXCHANGE));
	TRY(renameat2(AT_FDCWD, "f", AT_FDCWD, "run", RENAME_NOREPLACE));
	TRY(renameat2(AT_FDCWD, "f", AT_FDCWD, "new", RENAME_NOREPLACE));
	TRY(named_socket("new", bind));
	TRY(named_socket("f", bind));
	TRY(named_socket("sock", connect));
	TRY(named_socket("f", connect));
}

static void attributes(void)
{
	const struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
	const struct timespec omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};

	TRY(chmod("f", 0644));
	TRY(chmod("d", 0755));
	TRY(chmod("none", 0644));
	TRY(fchmodat(AT_FDCWD, "link", 0600, 0));
	TRY(chown("f", getuid(), getgid()));
	TRY(chown("f", (uid_t)-1, (gid_t)-1));
	TRY(lchown("link", getuid(), getgid()));
	TRY(utimensat(AT_FDCWD, "f", now, 0));
	TRY(utimensat(AT_FDCWD, "f", omit, 0));
	TRY(utimensat(AT_FDCWD, "f", NULL, 0));
	TRY(utimensat(AT_FDCWD, "link", now, AT_SYMLINK_NOFOLLOW));
	TRY(utimes("f", NULL));
	TRY(utime("f", NULL));
	TRY(truncate("f", 0));
	TRY(truncate("f", 5));
	TRY(truncate("d", 0));
	TRY(truncate("fifo", 0));
	TRY(setxattr("f", "user.a", "x", 1, 0));
	TRY(setxattr("d", "user.a", "x", 1, 0));
	TRY(lsetxattr("f", "user.a", "x", 1, XATTR_REPLACE));
	TRY(removexattr("f", "user.a"));
	TRY(access("f", R_OK));
	TRY(access("f", W_OK));
	TRY(access("f", R_OK | W_OK));
	TRY(access("link", W_OK));
	TRY(access("d", W_OK));
	TRY(access("fifo", W_OK));
	TRY(access("sock", W_OK));
	TRY(access("none", W_OK));
	TRY(access("run", X_OK));
	TRY(faccessat(AT_FDCWD, "f", W_OK, AT_EACCESS));
	TRY(faccessat(AT_FDCWD, "link", W_OK, AT_SYMLINK_NOFOLLOW));
}

static long map(int fd, int prot, int flags)
{
	void *p = mmap(NULL, 4096, prot, flags, fd, 0);

	return p == MAP_FAILED ? -1 : munmap(p, 4096);
}

static long protect(int fd, int flags)
{
	void *p = mmap(NULL, 4096, PROT_READ, flags, fd, 0);
	long r;

	CHECK(p != MAP_FAILED);
	r = mprotect(p, 4096, PROT_READ | PROT_WRITE);
	CHECK_EQ(munmap(p, 4096), 0);
	return r;
}

static void descriptors(void)
{
	const struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
	int fd = open("f", O_RDONLY), dir = open("d", O_RDONLY), in = memfd_create("in", 0);
	int path = open("f", O_PATH);
	char name[40];
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct statvfs vfs;

	CHECK(fd >= 0 && dir >= 0 && in >= 0 && path >= 0);
	CHECK_EQ(write(in, "text", 4), 4);
	TRY(write(fd, "x", 1));
	TRY(pwrite(fd, "x", 1, 0));
	TRY(ftruncate(fd, 0));
	TRY(ftruncate(path, 0));
	TRY(fallocate(fd, 0, 0, 10));
	TRY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1));
	TRY(sendfile(fd, in, NULL, 4));
	TRY(copy_file_range(in, NULL, fd, NULL, 4, 0));
	TRY(fchmod(fd, 0600));
	TRY(fchmod(path, 0600));
	TRY(fchmod(dir, 0700));
	TRY(fchown(fd, getuid(), getgid()));
	TRY(fchownat(path, "", getuid(), getgid(), AT_EMPTY_PATH));
	TRY(futimens(fd, now));
	TRY(futimens(dir, now));
	TRY(fsetxattr(fd, "user.a", "x", 1, 0));
	TRY(fremovexattr(fd, "user.a"));
	TRY(fsync(fd));
	TRY(fsync(dir));
	TRY(fdatasync(fd));
	TRY(syncfs(fd));
	TRY(sync_file_range(fd, 0, 0, 0));
	TRY(fcntl(fd, F_SETLK, &lock));
	lock.l_type = F_RDLCK;
	TRY(fcntl(fd, F_SETLK, &lock));
	TRY(fcntl(fd, F_SETFL, O_APPEND));
	TRY(map(fd, PROT_READ, MAP_SHARED));
	TRY(map(fd, PROT_READ | PROT_WRITE, MAP_SHARED));
	TRY(map(fd, PROT_WRITE, MAP_SHARED));
	TRY(map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	TRY(protect(fd, MAP_SHARED));
	TRY(protect(fd, MAP_PRIVATE));
	TRY(unlinkat(dir, "sub", AT_REMOVEDIR));
	TRY(mkdirat(dir, "new", 0755));
	TRY(linkat(fd, "", dir, "new", AT_EMPTY_PATH));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	OPEN(name, O_RDWR);
	OPEN(name, O_RDONLY | O_TRUNC);
	TRY(truncate(name, 0));
	TRY(chmod(name, 0600));
	TRY(linkat(AT_FDCWD, name, dir, "new", AT_SYMLINK_FOLLOW));
	TRY(fstatvfs(fd, &vfs));
	say("%s\n", vfs.f_flag & ST_RDONLY ? "read-only" : "writable");
}

/* Across the border: the target, or the source, is elsewhere. */
static void elsewhere(const char *other)
{
	char to[200];
	int fd;

	snprintf(to, sizeof(to), "%s/x", other);
	fd = open(to, O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0);
	TRY(rename("f", to));
	TRY(link("f", to));
	TRY(rename(to, "new"));
	TRY(link(to, "new"));
	TRY(linkat(fd, "", AT_FDCWD, "new", AT_EMPTY_PATH));
	CHECK_EQ(unlink(to), 0);
}

static void unchanged(void)
{
	char buf[16];
	struct stat st;
	int fd = open("f", O_RDONLY);

	CHECK_EQ(read(fd, buf, sizeof(buf)), 5);
	CHECK_EQ(fstat(fd, &st), 0);
	say("f: mode %o, size %ld, links %lu\n", st.st_mode, (long)st.st_size,
	    (unsigned long)st.st_nlink);
	CHECK_EQ(access("new", F_OK), -1);
	CHECK_EQ(access("empty", F_OK), 0);
}

int main(int argc, char **argv)
{
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(argv[1], "-p") == 0) {
		CHECK_EQ(chdir(argv[2]), 0);
		prepare();
		return 0;
	}
	CHECK(argc == 3);
	CHECK_EQ(chdir(argv[1]), 0);
	opens();
	names();
	attributes();
	descriptors();
	elsewhere(argv[2]);
	unchanged();
	return 0;
}
