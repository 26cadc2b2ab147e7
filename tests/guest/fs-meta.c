// What is kept about a file: mode, owner, times, and the calls that change and report them;
// statfs, fallocate, sync, flock, fadvise.
#include "check.h"
#include <sys/file.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <utime.h>

int main(void)
{
	struct timespec times[2] = {{1000, 5}, {2000, 7}};
	struct timeval tv[2] = {{3000, 1}, {4000, 2}};
	const char *dir = temp_dir();
	struct statfs sfs;
	struct stat st;
	time_t before = time(NULL);
	int fd, fd2;

	CHECK_EQ(chdir(dir), 0);
	fd = open("f", O_RDWR | O_CREAT, 0644);
	CHECK(fd >= 0);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK(st.st_mtime >= before - 1 && st.st_mtime <= time(NULL) + 1);
	CHECK(st.st_uid == geteuid() && st.st_gid == getegid() && st.st_nlink == 1);

	CHECK_EQ(chmod("f", 0400), 0);
	CHECK_EQ(stat("f", &st), 0);
	say("mode %o\n", st.st_mode);
	CHECK_EQ(fchmodat(AT_FDCWD, "f", 0751, 0), 0);
	CHECK_EQ(fstat(fd, &st), 0);
	say("mode %o\n", st.st_mode);
	CHECK_EQ(fchmod(fd, 01644), 0);
	CHECK_EQ(fstat(fd, &st), 0);
	say("mode %o\n", st.st_mode);
	CHECK_ERR(chmod("none", 0644), ENOENT);
	CHECK_EQ(chown("f", geteuid(), getegid()), 0);
	CHECK_EQ(fchown(fd, (uid_t)-1, (gid_t)-1), 0);
	CHECK_EQ(symlink("f", "s"), 0);
	CHECK_EQ(lchown("s", (uid_t)-1, getegid()), 0);
	CHECK_EQ(fchownat(AT_FDCWD, "s", (uid_t)-1, (gid_t)-1, AT_SYMLINK_NOFOLLOW), 0);

	CHECK_EQ(utimensat(AT_FDCWD, "f", times, 0), 0);
	CHECK_EQ(stat("f", &st), 0);
	CHECK(st.st_atim.tv_sec == 1000 && st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 7);
	CHECK(st.st_ctime >= before - 1);
	times[0].tv_nsec = UTIME_OMIT;
	times[1].tv_nsec = UTIME_NOW;
	CHECK_EQ(futimens(fd, times), 0);
	CHECK_EQ(stat("f", &st), 0);
	CHECK(st.st_atim.tv_sec == 1000 && st.st_mtim.tv_sec >= before - 1);
	CHECK_EQ(utimes("f", tv), 0);
	CHECK_EQ(stat("f", &st), 0);
	CHECK(st.st_atim.tv_sec == 3000 && st.st_mtim.tv_nsec == 2000);
	CHECK_EQ(utime("f", NULL), 0);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK(st.st_mtime >= before - 1);
	times[0].tv_nsec = 2000000000;
	CHECK_ERR(utimensat(AT_FDCWD, "f", times, 0), EINVAL);

	CHECK_EQ(statfs(".", &sfs), 0);
	CHECK(sfs.f_bsize > 0 && sfs.f_namelen == 255);
	CHECK_EQ(fstatfs(fd, &sfs), 0);
	CHECK_ERR(statfs("none", &sfs), ENOENT);
	CHECK_EQ(fallocate(fd, 0, 0, 10000), 0);
	CHECK_EQ(fstat(fd, &st), 0);
	say("size %ld\n", (long)st.st_size);
	CHECK_ERR(fallocate(fd, 0, -1, 10), EINVAL);
	CHECK_ERR(fallocate(fd, 0, 0, 0), EINVAL);
	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL), 0);
	CHECK_EQ(posix_fadvise(fd, 0, 0, 77), EINVAL);
	CHECK_EQ(fsync(fd), 0);
	CHECK_EQ(fdatasync(fd), 0);
	sync();

	/* flock belongs to the open file description */
	CHECK_EQ(flock(fd, LOCK_EX), 0);
	fd2 = open("f", O_RDONLY);
	CHECK_ERR(flock(fd2, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	CHECK_EQ(flock(dup(fd), LOCK_UN), 0);
	CHECK_EQ(flock(fd2, LOCK_SH | LOCK_NB), 0);
	CHECK_EQ(flock(fd, LOCK_SH | LOCK_NB), 0);
	CHECK_ERR(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CHECK_ERR(flock(fd, 77), EINVAL);
	CHECK_ERR(flock(999, LOCK_SH), EBADF);
	CHECK_EQ(unlink("f"), 0);
	CHECK_EQ(unlink("s"), 0);
	CHECK_EQ(rmdir(dir), 0);
	say("ok\n");
	return 0;
}
