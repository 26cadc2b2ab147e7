// rename, renameat2, link, linkat, symlink, readlink, mkdir, rmdir, unlink, unlinkat, mknod and
// chdir: the errors of their man pages.
#include "err.h"
#include <linux/fs.h>
#include <sys/sysmacros.h>

static void make(void)
{
	static const char *const dirs[] = {"d", "d/sub", "empty", "private", "readonly", "sticky"};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		CHECK_EQ(mkdir(dirs[i], 0755), 0);
	write_file("f", "x", 1, 0644);
	write_file("g", "y", 1, 0644);
	write_file("d/f", "x", 1, 0644);
	write_file("private/f", "x", 1, 0644);
	write_file("readonly/f", "x", 1, 0644);
	write_file("sticky/f", "x", 1, 0666);
	CHECK_EQ(mkdir("sticky/d", 0777), 0);
	CHECK_EQ(symlink("f", "link"), 0);
	CHECK_EQ(symlink("d", "dlink"), 0);
	CHECK_EQ(symlink("loop", "loop"), 0);
	CHECK_EQ(symlink("nowhere", "dangling"), 0);
	CHECK_EQ(chmod("private", 0700), 0);
	CHECK_EQ(chmod("sticky", 01777), 0);
}

static void renames(void)
{
	int f = open("f", O_RDONLY);

	TRY(rename("none", "x"));
	TRY(rename("none/a", "x"));
	TRY(rename("f", "none/x"));
	TRY(rename("f/x", "y"));
	TRY(rename("f", "g/x"));
	TRY(rename("f", "d"));
	TRY(rename("d", "f"));
	TRY(rename("empty", "d"));
	TRY(rename("d", "d/sub/x"));
	TRY(rename("d", "d/x"));
	TRY(rename("d/sub", "d"));
	TRY(rename("d", "d"));
	TRY(rename("f", "f"));
	TRY(rename(".", "x"));
	TRY(rename("..", "x"));
	TRY(rename("d/.", "x"));
	TRY(rename("f", "."));
	TRY(rename("f", "d/.."));
	TRY(rename("dlink/", "x"));
	TRY(rename("f", "dlink/"));
	TRY(rename("f/", "x"));
	TRY(rename("f", "x/"));
	TRY(rename("loop/x", "y"));
	TRY(rename("f", "loop/x"));
	TRY(rename("", "x"));
	TRY(rename("f", ""));
	TRY(rename(BAD_POINTER, "x"));
	TRY(rename("f", BAD_POINTER));
	TRY(rename(long_name(256), "x"));
	TRY(rename("f", long_name(256)));
	TRY(rename(long_path(4096, "f"), "x"));
	TRY(rename("f", "/proc/x"));
	TRY(rename("/proc/self/status", "/proc/x"));
	TRY(rename("f", "/dev/null/x"));
	TRY(renameat(999, "f", AT_FDCWD, "x"));
	TRY(renameat(AT_FDCWD, "f", 999, "x"));
	TRY(renameat(f, "f", AT_FDCWD, "x"));
	TRY(S(renameat2, AT_FDCWD, "f", AT_FDCWD, "g", RENAME_NOREPLACE));
	TRY(S(renameat2, AT_FDCWD, "f", AT_FDCWD, "f", RENAME_NOREPLACE));
	TRY(S(renameat2, AT_FDCWD, "f", AT_FDCWD, "x", RENAME_EXCHANGE));
	TRY(S(renameat2, AT_FDCWD, "d", AT_FDCWD, "d/sub", RENAME_EXCHANGE));
	TRY(S(renameat2, AT_FDCWD, "f", AT_FDCWD, "g", RENAME_NOREPLACE | RENAME_EXCHANGE));
	TRY(S(renameat2, AT_FDCWD, "f", AT_FDCWD, "g", RENAME_WHITEOUT | RENAME_EXCHANGE));
	TRY(S(renameat2, AT_FDCWD, "f", AT_FDCWD, "g", 64));
	TRY(S(renameat2, AT_FDCWD, "f", AT_FDCWD, "d", RENAME_EXCHANGE));
	TRY(S(renameat2, AT_FDCWD, "d", AT_FDCWD, "f", RENAME_EXCHANGE));
	close(f);
}

static void links(void)
{
	int f = open("f", O_RDONLY), p = open("f", O_PATH), d = open("d", O_PATH);

	TRY(link("none", "x"));
	TRY(link("f", "g"));
	TRY(link("f", "none/x"));
	TRY(link("f", "g/x"));
	TRY(link("f/x", "y"));
	TRY(link("d", "x"));
	TRY(link("f", "x/"));
	TRY(link("f", "d/"));
	TRY(link("f/", "x"));
	TRY(link("f", "."));
	TRY(link("f", ""));
	TRY(link("", "x"));
	TRY(link("loop/x", "y"));
	TRY(link("f", long_name(256)));
	TRY(link(BAD_POINTER, "x"));
	TRY(link("f", "/proc/x"));
	TRY(link("/proc/self/status", "x"));
	TRY(linkat(AT_FDCWD, "loop", AT_FDCWD, "x", AT_SYMLINK_FOLLOW));
	TRY(linkat(AT_FDCWD, "dangling", AT_FDCWD, "x", AT_SYMLINK_FOLLOW));
	TRY(linkat(AT_FDCWD, "dlink", AT_FDCWD, "x", AT_SYMLINK_FOLLOW));
	TRY(linkat(AT_FDCWD, "f", AT_FDCWD, "x", AT_SYMLINK_NOFOLLOW));
	TRY(linkat(999, "f", AT_FDCWD, "x", 0));
	TRY(linkat(AT_FDCWD, "f", 999, "x", 0));
	TRY(linkat(f, "f", AT_FDCWD, "x", 0));
	TRY(linkat(f, "", AT_FDCWD, "x", 0));
	TRY(linkat(d, "", AT_FDCWD, "x", AT_EMPTY_PATH));
	TRY(linkat(999, "", AT_FDCWD, "x", AT_EMPTY_PATH));
	TRY(linkat(AT_FDCWD, "dangling", AT_FDCWD, "x", 0));
	TRY(unlink("x"));
	TRY(symlink("", "x"));
	TRY(symlink("t", ""));
	TRY(symlink("t", "f"));
	TRY(symlink("t", "dangling"));
	TRY(symlink("t", "none/x"));
	TRY(symlink("t", "f/x"));
	TRY(symlink("t", "x/"));
	TRY(symlink("t", "d/"));
	TRY(symlink("t", "loop/x"));
	TRY(symlink(long_name(4096), "x"));
	TRY(symlink("t", long_name(256)));
	TRY(symlink(BAD_POINTER, "x"));
	TRY(symlinkat("t", 999, "x"));
	TRY(symlinkat("t", f, "x"));
	TRY(symlink("t", "/proc/x"));
	close(f);
	close(p);
	close(d);
}

static void readlinks(void)
{
	int link = open("link", O_PATH | O_NOFOLLOW), f = open("f", O_PATH);
	char buf[16];

	TRY(readlink("f", buf, 16));
	TRY(readlink("d", buf, 16));
	TRY(readlink("none", buf, 16));
	TRY(readlink("f/x", buf, 16));
	TRY(readlink("link/", buf, 16));
	TRY(readlink("dlink/", buf, 16));
	TRY(readlink("loop/x", buf, 16));
	TRY(readlink("", buf, 16));
	TRY(S(readlinkat, AT_FDCWD, "link", buf, 0));
	TRY(S(readlinkat, AT_FDCWD, "link", buf, -1));
	TRY(S(readlinkat, AT_FDCWD, "link", BAD_POINTER, 16));
	TRY(readlink(long_name(256), buf, 16));
	TRY(readlinkat(999, "link", buf, 16));
	TRY(readlinkat(f, "link", buf, 16));
	TRY(readlinkat(f, "", buf, 16));
	TRY(readlinkat(AT_FDCWD, "", buf, 16));
	CHECK_EQ(readlinkat(link, "", buf, 16), 1);
	CHECK_EQ(readlink("dangling", buf, 3), 3);
	close(link);
	close(f);
}

static void dirs(void)
{
	int f = open("f", O_RDONLY);

	TRY(mkdir("d", 0755));
	TRY(mkdir("f", 0755));
	TRY(mkdir("dangling", 0755));
	TRY(mkdir("dangling/", 0755));
	TRY(mkdir("dlink/", 0755));
	TRY(mkdir("none/x", 0755));
	TRY(mkdir("f/x", 0755));
	TRY(mkdir("loop/x", 0755));
	TRY(mkdir("", 0755));
	TRY(mkdir(".", 0755));
	TRY(mkdir("..", 0755));
	TRY(mkdir("/", 0755));
	TRY(mkdir("d/.", 0755));
	TRY(mkdir("none/.", 0755));
	TRY(mkdir(long_name(256), 0755));
	TRY(mkdir(BAD_POINTER, 0755));
	TRY(mkdir("/proc/x", 0755));
	TRY(mkdirat(999, "x", 0755));
	TRY(mkdirat(f, "x", 0755));
	TRY(mkdir("x/", 0755));
	TRY(rmdir("x/"));
	TRY(rmdir("none"));
	TRY(rmdir("f"));
	TRY(rmdir("f/x"));
	TRY(rmdir("d"));
	TRY(rmdir("d/."));
	TRY(rmdir("d/sub/.."));
	TRY(rmdir("."));
	TRY(rmdir(".."));
	TRY(rmdir("/"));
	TRY(rmdir("dlink"));
	TRY(rmdir("dlink/"));
	TRY(rmdir("loop"));
	TRY(rmdir("loop/x"));
	TRY(rmdir(""));
	TRY(rmdir("/proc"));
	TRY(rmdir("/proc/self"));
	TRY(rmdir(long_name(256)));
	TRY(rmdir(BAD_POINTER));
	TRY(unlink("none"));
	TRY(unlink("none/x"));
	TRY(unlink("f/x"));
	TRY(unlink("f/"));
	TRY(unlink("d"));
	TRY(unlink("d/"));
	TRY(unlink("dlink/"));
	TRY(unlink("link/"));
	TRY(unlink("."));
	TRY(unlink("/"));
	TRY(unlink("d/.."));
	TRY(unlink(""));
	TRY(unlink("loop/x"));
	TRY(unlink(long_name(256)));
	TRY(unlink(long_path(4096, "f")));
	TRY(unlink(BAD_POINTER));
	TRY(unlink("/proc/self/status"));
	TRY(unlinkat(999, "f", 0));
	TRY(unlinkat(f, "f", 0));
	TRY(unlinkat(AT_FDCWD, "f", 1));
	TRY(unlinkat(AT_FDCWD, "f", AT_REMOVEDIR));
	TRY(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR | 1));
	TRY(chdir("none"));
	TRY(chdir("f"));
	TRY(chdir("f/x"));
	TRY(chdir("loop"));
	TRY(chdir(""));
	TRY(chdir(BAD_POINTER));
	TRY(chdir(long_name(256)));
	TRY(fchdir(999));
	TRY(fchdir(f));
	TRY(S(getcwd, BAD_POINTER, 100));
	TRY(S(getcwd, NULL, 0));
	TRY(S(getcwd, (char[4]){0}, 4));
	close(f);
}

static void nodes(void)
{
	TRY(mknod("f", S_IFREG | 0600, 0));
	TRY(mknod("none/x", S_IFREG | 0600, 0));
	TRY(mknod("f/x", S_IFIFO | 0600, 0));
	TRY(mknod("x/", S_IFREG | 0600, 0));
	TRY(mknod("x", S_IFDIR | 0600, 0));
	TRY(mknod("x", S_IFLNK | 0600, 0));
	TRY(mknod("x", 0170000 | 0600, 0));
	TRY(mknod("", S_IFREG | 0600, 0));
	TRY(mknod("loop/x", S_IFREG | 0600, 0));
	TRY(mknod("dangling", S_IFREG | 0600, 0));
	TRY(mknod(long_name(256), S_IFREG | 0600, 0));
	TRY(mknod(BAD_POINTER, S_IFREG | 0600, 0));
	TRY(mknodat(999, "x", S_IFREG | 0600, 0));
	TRY(mknod("x", 0600, 0));
	TRY(unlink("x"));
}

static void removed(void)
{
	char buf[16];

	CHECK_EQ(mkdir("gone", 0755), 0);
	CHECK_EQ(chdir("gone"), 0);
	CHECK_EQ(rmdir("../gone"), 0);
	TRY(S(getcwd, buf, 16));
	TRY(mkdir("x", 0755));
	TRY(symlink("t", "x"));
	TRY(link("../f", "x"));
	TRY(rename("../f", "x"));
	TRY(mknod("x", S_IFREG | 0600, 0));
	TRY_FD(open("x", O_CREAT | O_RDWR, 0600));
	TRY_FD(open(".", O_RDONLY));
	TRY(access("x", F_OK));
	TRY(access("..", F_OK));
	TRY(rmdir("../gone"));
	CHECK_EQ(chdir(".."), 0);
}

static void others(void)
{
	char buf[16];

	TRY(rename("readonly/f", "readonly/x"));
	TRY(rename("private/f", "x"));
	TRY(rename("sticky/f", "sticky/x"));
	TRY(rename("sticky/d", "sticky/x"));
	TRY(link("private/f", "x"));
	TRY(symlink("t", "readonly/x"));
	TRY(symlink("t", "private/x"));
	TRY(readlink("private/f", buf, 16));
	TRY(mkdir("readonly/x", 0755));
	TRY(mkdir("readonly/f", 0755));
	TRY(mkdir("private/x", 0755));
	TRY(rmdir("sticky/d"));
	TRY(rmdir("empty"));
	TRY(rmdir("private/x"));
	TRY(unlink("readonly/f"));
	TRY(unlink("readonly/none"));
	TRY(unlink("sticky/f"));
	TRY(unlink("private/f"));
	TRY(chdir("private"));
	TRY(mknod("readonly/x", S_IFREG | 0600, 0));
	TRY(mknod("sticky/n", S_IFCHR | 0600, makedev(1, 3)));
	TRY(chroot("."));
}

int main(void)
{
	static const char *const files[] = {"f",          "g",        "d/f",  "private/f",
					    "readonly/f", "sticky/f", "link", "dlink",
					    "loop",       "dangling", NULL};
	static const char *const left[] = {"sticky/d", "sticky", "readonly", "private",
					   "empty",    "d/sub",  "d",        NULL};
	const char *base = temp_dir();

	umask(022);
	CHECK_EQ(chdir(base), 0);
	CHECK_EQ(chmod(".", 0755), 0);
	make();
	renames();
	links();
	readlinks();
	dirs();
	nodes();
	removed();
	as_other(others);
	for (const char *const *n = files; *n; n++)
		CHECK_EQ(unlink(*n), 0);
	for (const char *const *n = left; *n; n++)
		CHECK_EQ(rmdir(*n), 0);
	CHECK_EQ(rmdir(base), 0);
	return 0;
}
