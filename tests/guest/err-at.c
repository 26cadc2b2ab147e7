// The errors of the calls that take a directory, one by one, and of their elders: names too long,
// loops, pointers, no right to search or to write, what is in the way; then those of descriptors,
// sockets, queues and timers that the other tests leave out.
#include "err.h"
#include <ftw.h>
#include <linux/openat2.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

static int dir;

/* Each call on one name; what the name is decides the error. */
static void each_at(const char *p)
{
	struct timespec ts[2] = {{1, 0}, {2, 0}};
	struct open_how how = {.flags = O_RDONLY};
	struct statx stx;
	struct stat st;
	char buf[64];

	TRY_FD(S(openat, dir, p, O_RDONLY, 0));
	TRY_FD(S(openat, dir, p, O_WRONLY | O_CREAT | O_EXCL, 0600));
	TRY_FD(S(openat2, dir, p, &how, sizeof(how)));
	TRY(S(mkdirat, dir, p, 0700));
	TRY(S(mknodat, dir, p, S_IFIFO | 0600, 0));
	TRY(S(symlinkat, "to", dir, p));
	TRY(S(linkat, dir, p, dir, "new", 0));
	TRY(S(linkat, dir, "f", dir, p, 0));
	TRY(S(renameat2, dir, p, dir, "new", 0));
	TRY(S(renameat2, dir, "f", dir, p, 1));
	TRY(S(renameat2, dir, p, dir, "f", 2));
	TRY(S(unlinkat, dir, p, 0));
	TRY(S(unlinkat, dir, p, AT_REMOVEDIR));
	TRY(S(fchmodat, dir, p, 0700));
	TRY(S(fchownat, dir, p, -1, -1, 0));
	TRY(S(utimensat, dir, p, ts, 0));
	TRY(S(utimensat, dir, p, NULL, 0));
	TRY(fstatat(dir, p, &st, 0));
	TRY(S(statx, dir, p, 0, STATX_BASIC_STATS, &stx));
	TRY(S(faccessat, dir, p, R_OK));
	TRY(S(faccessat2, dir, p, W_OK, 0));
	TRY(S(readlinkat, dir, p, buf, sizeof(buf)));
	TRY(S(truncate, p, 0));
	TRY(S(statfs, p, &(struct statfs){0}));
	TRY(S(chdir, p));
	TRY(S(execveat, dir, p, (char *[]){NULL}, (char *[]){NULL}, 0));
	/* Where there is a file, its file system may have none. */
	if (!fstatat(dir, p, &st, 0))
		return;
	TRY(S(setxattr, p, "user.a", "b", 1, 0));
	TRY(S(getxattr, p, "user.a", buf, sizeof(buf)));
	TRY(S(listxattr, p, buf, sizeof(buf)));
	TRY(S(removexattr, p, "user.a"));
}

static void names(void)
{
	say("too long a name\n");
	each_at(long_name(256));
	say("too long a path\n");
	each_at(long_path(4096, "f"));
	say("a loop\n");
	each_at("loop/x");
	say("through a file\n");
	each_at("f/x");
	say("bad pointer\n");
	each_at(BAD_POINTER);
	say("empty\n");
	each_at("");
	say("dangling\n");
	each_at("dangling/x");
	say("not there, as a directory\n");
	each_at("none/");
	say("dot\n");
	each_at(".");
	say("dot dot\n");
	each_at("sub/..");
}

static void not_a_directory(void)
{
	int old = dir;

	say("a file for a directory\n");
	dir = open("f", O_RDONLY);
	each_at("x");
	close(dir);
	say("no descriptor\n");
	dir = 999;
	each_at("x");
	dir = old;
}

static void rights(void)
{
	int old = dir;

	umask(0);
	say("no right to search\n");
	each_at("closed/f");
	say("no right to write\n");
	each_at("readable/f");
	each_at("readable/none");
	say("a sticky directory's\n");
	each_at("sticky/f");
	dir = old;
}

static void prepare(void)
{
	CHECK_EQ(chmod(".", 0755), 0);
	CHECK_EQ(mkdir("sub", 0755), 0);
	close(open("f", O_RDWR | O_CREAT, 0644));
	CHECK_EQ(symlink("loop", "loop"), 0);
	CHECK_EQ(symlink("nowhere", "dangling"), 0);
	CHECK_EQ(mkdir("closed", 0755), 0);
	close(open("closed/f", O_RDWR | O_CREAT, 0644));
	CHECK_EQ(chmod("closed", 0), 0);
	CHECK_EQ(mkdir("readable", 0755), 0);
	close(open("readable/f", O_RDWR | O_CREAT, 0644));
	CHECK_EQ(mkdir("sticky", 0755), 0);
	close(open("sticky/f", O_RDWR | O_CREAT, 0666));
	CHECK_EQ(chmod("sticky", 01777), 0);
	CHECK_EQ(chmod("sticky/f", 0666), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	CHECK_EQ(remove(path), 0);
	return 0;
}

int main(void)
{
	const char *base = temp_dir();

	CHECK_EQ(chdir(base), 0);
	prepare();
	dir = open(".", O_RDONLY | O_DIRECTORY);
	names();
	not_a_directory();
	as_other(rights);
	CHECK_EQ(chmod("closed", 0700), 0);
	CHECK_EQ(nftw(base, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	return 0;
}
