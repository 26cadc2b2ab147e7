// chmod, chown, utimensat, truncate, fallocate, access, stat, statx, statfs, flock and umask: the
// errors of their man pages.
#include "err.h"
#include <sys/file.h>
#include <sys/statfs.h>

static int f, d, path_only, reader, pipes[2];

static void modes(void)
{
	TRY(chmod("none", 0600));
	TRY(chmod("none/x", 0600));
	TRY(chmod("f/x", 0600));
	TRY(chmod("f/", 0600));
	TRY(chmod("", 0600));
	TRY(chmod("loop", 0600));
	TRY(chmod("dangling", 0600));
	TRY(chmod(long_name(256), 0600));
	TRY(chmod(long_path(4096, "f"), 0600));
	TRY(chmod(BAD_POINTER, 0600));
	TRY(chmod("f", 01777));
	TRY(fchmod(999, 0600));
	TRY(fchmod(-1, 0600));
	TRY(fchmod(path_only, 0600));
	TRY(S(fchmodat, 999, "f", 0600));
	TRY(S(fchmodat, f, "f", 0600));
	TRY(S(fchmodat, AT_FDCWD, "", 0600));
	TRY(chown("none", 0, 0));
	TRY(chown("f/x", 0, 0));
	TRY(chown("", 0, 0));
	TRY(chown("loop", 0, 0));
	TRY(chown(long_name(256), 0, 0));
	TRY(chown(BAD_POINTER, 0, 0));
	TRY(chown("f", -1, -1));
	TRY(fchown(999, -1, -1));
	TRY(fchown(path_only, -1, -1));
	TRY(fchownat(AT_FDCWD, "f", -1, -1, 1));
	TRY(fchownat(999, "f", -1, -1, 0));
	TRY(fchownat(f, "f", -1, -1, 0));
	TRY(fchownat(f, "", -1, -1, 0));
	TRY(fchownat(f, "", -1, -1, AT_EMPTY_PATH));
	TRY(lchown("dangling", -1, -1));
	TRY(lchown("loop", -1, -1));
}

static void times(void)
{
	struct timespec bad = {0, 1000000000}, neg = {0, -1}, ok = {1, 1};
	struct timespec now = {5, UTIME_NOW}, omit = {5, UTIME_OMIT};

	TRY(S(utimensat, AT_FDCWD, "none", NULL, 0));
	TRY(S(utimensat, AT_FDCWD, "f/x", NULL, 0));
	TRY(S(utimensat, AT_FDCWD, "loop", NULL, 0));
	TRY(S(utimensat, AT_FDCWD, "", NULL, 0));
	TRY(S(utimensat, AT_FDCWD, "f", BAD_POINTER, 0));
	TRY(S(utimensat, AT_FDCWD, BAD_POINTER, NULL, 0));
	TRY(S(utimensat, AT_FDCWD, NULL, NULL, 0));
	TRY(S(utimensat, AT_FDCWD, "f", ((struct timespec[]){bad, ok}), 0));
	TRY(S(utimensat, AT_FDCWD, "f", ((struct timespec[]){ok, neg}), 0));
	TRY(S(utimensat, AT_FDCWD, "f", ((struct timespec[]){now, omit}), 0));
	TRY(S(utimensat, AT_FDCWD, "none", ((struct timespec[]){omit, omit}), 0));
	TRY(S(utimensat, 999, NULL, ((struct timespec[]){omit, omit}), 0));
	TRY(S(utimensat, AT_FDCWD, "f", NULL, 1));
	TRY(S(utimensat, AT_FDCWD, "dangling", NULL, AT_SYMLINK_NOFOLLOW));
	TRY(S(utimensat, 999, "f", NULL, 0));
	TRY(S(utimensat, 999, NULL, NULL, 0));
	TRY(S(utimensat, f, NULL, NULL, AT_SYMLINK_NOFOLLOW));
	TRY(S(utimensat, f, NULL, NULL, 0));
	TRY(S(utimensat, path_only, NULL, NULL, 0));
	TRY(S(utimensat, path_only, "", NULL, AT_EMPTY_PATH));
}

static void sizes(void)
{
	TRY(truncate("none", 0));
	TRY(truncate("f/x", 0));
	TRY(truncate("d", 0));
	TRY(truncate("loop", 0));
	TRY(truncate("f", -1));
	TRY(truncate("none", -1));
	TRY(truncate("", 0));
	TRY(truncate("fifo", 0));
	TRY(truncate("/dev/null", 0));
	TRY(truncate(BAD_POINTER, 0));
	TRY(truncate(long_name(256), 0));
	TRY(ftruncate(999, 0));
	TRY(ftruncate(f, -1));
	TRY(ftruncate(d, 0));
	TRY(ftruncate(reader, 0));
	TRY(ftruncate(path_only, 0));
	TRY(ftruncate(pipes[1], 0));
	TRY(fallocate(999, 0, 0, 1));
	TRY(fallocate(f, 0, -1, 1));
	TRY(fallocate(f, 0, 0, 0));
	TRY(fallocate(f, 0, 0, -1));
	TRY(fallocate(f, 0, INT64_MAX, 1));
	TRY(fallocate(f, 0, INT64_MAX, INT64_MAX));
	TRY(fallocate(reader, 0, 0, 1));
	TRY(fallocate(d, 0, 0, 1));
	TRY(fallocate(pipes[1], 0, 0, 1));
	TRY(fallocate(path_only, 0, 0, 1));
	TRY(fallocate(f, FALLOC_FL_PUNCH_HOLE, 0, 1));
	TRY(fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE, 0, 1));
	TRY(fallocate(f, 0x1000, 0, 1));
	TRY(fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1));
}

static void looks(void)
{
	struct statx stx;
	struct statfs sfs;
	struct stat st;

	TRY(S(faccessat, AT_FDCWD, "none", F_OK));
	TRY(S(faccessat, AT_FDCWD, "f", 8));
	TRY(S(faccessat, AT_FDCWD, "f/x", F_OK));
	TRY(S(faccessat, AT_FDCWD, "loop", F_OK));
	TRY(S(faccessat, AT_FDCWD, "dangling", F_OK));
	TRY(S(faccessat, AT_FDCWD, "", F_OK));
	TRY(S(faccessat, AT_FDCWD, "plain", X_OK));
	TRY(S(faccessat, 999, "f", F_OK));
	TRY(S(faccessat, f, "x", F_OK));
	TRY(S(faccessat, AT_FDCWD, BAD_POINTER, F_OK));
	TRY(S(faccessat, AT_FDCWD, long_name(256), F_OK));
	TRY(S(faccessat2, AT_FDCWD, "f", F_OK, 1));
	TRY(S(faccessat2, AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
	TRY(S(faccessat2, f, "", F_OK, AT_EMPTY_PATH));
	TRY(S(faccessat2, AT_FDCWD, "f", R_OK | W_OK, AT_EACCESS));
	TRY(stat("none", &st));
	TRY(stat("f/x", &st));
	TRY(stat("loop", &st));
	TRY(stat("", &st));
	TRY(stat("f", BAD_POINTER));
	TRY(stat(BAD_POINTER, &st));
	TRY(stat(long_name(256), &st));
	TRY(fstat(999, &st));
	TRY(fstat(-1, &st));
	TRY(fstat(path_only, &st));
	TRY(fstatat(999, "f", &st, 0));
	TRY(fstatat(999, "/", &st, 0));
	TRY(fstatat(f, "x", &st, 0));
	TRY(fstatat(AT_FDCWD, "f", &st, 1));
	TRY(fstatat(999, "", &st, AT_EMPTY_PATH));
	TRY(S(statx, AT_FDCWD, "f", 0, STATX__RESERVED, &stx));
	TRY(S(statx, AT_FDCWD, "f", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, 0, &stx));
	TRY(S(statx, AT_FDCWD, "f", 1, 0, &stx));
	TRY(S(statx, AT_FDCWD, "f", 0, 0, BAD_POINTER));
	TRY(S(statx, AT_FDCWD, "none", 0, 0, &stx));
	TRY(S(statx, 999, "f", 0, 0, &stx));
	TRY(S(statx, AT_FDCWD, "", 0, 0, &stx));
	TRY(statfs("none", &sfs));
	TRY(statfs("f/x", &sfs));
	TRY(statfs("loop", &sfs));
	TRY(statfs("f", BAD_POINTER));
	TRY(fstatfs(999, &sfs));
	TRY(fstatfs(f, &sfs));
	TRY(fstatfs(path_only, &sfs));
}

static void locks(void)
{
	TRY(flock(999, LOCK_SH));
	TRY(flock(f, 0));
	TRY(flock(f, LOCK_SH | LOCK_EX));
	TRY(flock(f, 128));
	TRY(flock(path_only, LOCK_SH));
	TRY(flock(f, LOCK_EX));
	TRY(flock(reader, LOCK_SH | LOCK_NB));
	TRY(flock(f, LOCK_UN));
	TRY(fsync(999));
	TRY(fsync(pipes[0]));
	TRY(fsync(path_only));
	TRY(fsync(f));
	TRY(fdatasync(pipes[0]));
	TRY(S(syncfs, 999));
	TRY(S(syncfs, path_only));
	TRY(S(sync_file_range, f, 0, 0, 8));
	TRY(S(sync_file_range, f, -1, 0, 0));
	TRY(S(sync_file_range, pipes[0], 0, 0, 0));
	TRY(S(sync_file_range, 999, 0, 0, 0));
	TRY(S(fadvise64, f, 0, 0, 99));
	TRY(S(fadvise64, pipes[0], 0, 0, 0));
	TRY(S(fadvise64, 999, 0, 0, 0));
	TRY(S(readahead, 999, 0, 1));
	TRY(S(readahead, pipes[0], 0, 1));
}

static void others(void)
{
	struct timespec ts[2] = {{1, 0}, {1, 0}};
	struct stat st;

	TRY(chmod("plain", 0600));
	TRY(chmod("private/f", 0600));
	TRY(fchmod(reader, 0600));
	TRY(chown("plain", ERR_UID, -1));
	TRY(chown("plain", -1, ERR_UID));
	TRY(chown("private/f", -1, -1));
	TRY(S(utimensat, AT_FDCWD, "plain", NULL, 0));
	TRY(S(utimensat, AT_FDCWD, "writable", NULL, 0));
	TRY(S(utimensat, AT_FDCWD, "writable", ts, 0));
	TRY(S(utimensat, AT_FDCWD, "private/f", NULL, 0));
	TRY(truncate("plain", 0));
	TRY(truncate("private/f", 0));
	TRY(access("plain", R_OK));
	TRY(access("plain", W_OK));
	TRY(access("plain", X_OK));
	TRY(access("mine", R_OK));
	TRY(access("private/f", F_OK));
	TRY(stat("private/f", &st));
	TRY(stat("private/none", &st));
	TRY(stat("private", &st));
}

int main(void)
{
	static const char *const files[] = {"f",    "plain",    "writable", "mine", "private/f",
					    "loop", "dangling", "fifo",     NULL};
	const char *base = temp_dir();

	umask(022);
	CHECK_EQ(chdir(base), 0);
	CHECK_EQ(chmod(".", 0755), 0);
	write_file("f", "x", 1, 0644);
	write_file("plain", "x", 1, 0644);
	write_file("writable", "x", 1, 0666);
	write_file("mine", "x", 1, 0600);
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_EQ(mkdir("private", 0700), 0);
	write_file("private/f", "x", 1, 0666);
	CHECK_EQ(symlink("loop", "loop"), 0);
	CHECK_EQ(symlink("nowhere", "dangling"), 0);
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	f = open("f", O_RDWR);
	d = open("d", O_RDONLY);
	reader = open("f", O_RDONLY);
	path_only = open("f", O_PATH);
	make_pipe(pipes);
	modes();
	times();
	sizes();
	looks();
	locks();
	if (geteuid() != 0)
		TRY(chown("f", 0, 0));
	as_other(others);
	for (const char *const *n = files; *n; n++)
		CHECK_EQ(unlink(*n), 0);
	CHECK_EQ(rmdir("d"), 0);
	CHECK_EQ(rmdir("private"), 0);
	CHECK_EQ(rmdir(base), 0);
	return 0;
}
