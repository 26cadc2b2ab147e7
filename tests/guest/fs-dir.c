// Directories and names: mkdir, rmdir, rename in all its cases, links, symbolic links and their
// loops, getdents, *at calls, faccessat.
#include "check.h"
#include <dirent.h>
#include <limits.h>

static void list(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort);

	CHECK(n >= 0);
	for (int i = 0; i < n; i++) {
		say(" %s%s", names[i]->d_name,
		    names[i]->d_type == DT_DIR   ? "/"
		    : names[i]->d_type == DT_LNK ? "@"
						 : "");
		free(names[i]);
	}
	free(names);
	say("\n");
}

static void touch(const char *path)
{
	write_file(path, path, strlen(path), 0644);
}

static void many(void)
{
	char name[32];
	DIR *d;
	int n = 0;

	CHECK_EQ(mkdir("many", 0755), 0);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "many/file-number-%d", i);
		touch(name);
	}
	d = opendir("many");
	while (readdir(d))
		n++;
	CHECK_EQ(n, 502);
	rewinddir(d);
	/* every name is seen once though others go meanwhile */
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.') {
			snprintf(name, sizeof(name), "many/%.20s", e->d_name);
			CHECK_EQ(unlink(name), 0);
		}
	closedir(d);
	CHECK_EQ(rmdir("many"), 0);
}

int main(void)
{
	const char *dir = temp_dir();
	char buf[PATH_MAX + 10], longname[300];
	struct stat a, b;
	int d;

	CHECK_EQ(chdir(dir), 0);
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_ERR(mkdir("d", 0755), EEXIST);
	CHECK_ERR(mkdir("none/d", 0755), ENOENT);
	CHECK_EQ(mkdir("d/e/", 0700), 0);
	CHECK_ERR(rmdir("d"), ENOTEMPTY);
	CHECK_ERR(rmdir("d/e/."), EINVAL);
	CHECK_ERR(rmdir("d/e/.."), ENOTEMPTY);
	touch("f");
	CHECK_ERR(rmdir("f"), ENOTDIR);
	CHECK_ERR(unlink("d"), EISDIR);
	CHECK_ERR(mkdir("f/x", 0755), ENOTDIR);
	CHECK_EQ(stat("d", &a), 0);
	say("d has %ld links\n", (long)a.st_nlink == 3 || a.st_nlink == 1 ? 3L : (long)a.st_nlink);

	/* links */
	CHECK_EQ(link("f", "g"), 0);
	CHECK_EQ(stat("f", &a), 0);
	CHECK_EQ(stat("g", &b), 0);
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev && a.st_nlink == 2);
	CHECK_ERR(link("f", "g"), EEXIST);
	CHECK_ERR(link("d", "d2"), EPERM);
	CHECK_EQ(symlink("f", "s"), 0);
	CHECK_EQ(symlink("nowhere", "dangling"), 0);
	CHECK_EQ(symlink("loop2", "loop1"), 0);
	CHECK_EQ(symlink("loop1", "loop2"), 0);
	CHECK_EQ(symlink("d", "ds"), 0);
	CHECK_EQ(readlink("s", buf, sizeof(buf)), 1);
	CHECK_EQ(readlink("dangling", buf, 3), 3);
	CHECK_ERR(readlink("f", buf, 10), EINVAL);
	CHECK_ERR(readlink("s", buf, 0), EINVAL);
	CHECK_ERR(open("loop1", O_RDONLY), ELOOP);
	CHECK_ERR(open("s", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK_ERR(stat("dangling", &a), ENOENT);
	CHECK_EQ(lstat("dangling", &a), 0);
	say("link size %ld mode %o\n", (long)a.st_size, a.st_mode);
	CHECK_EQ(stat("ds/e", &a), 0);
	CHECK_EQ(lstat("ds/", &a), 0);
	CHECK(S_ISDIR(a.st_mode));
	list(".");

	/* rename */
	CHECK_EQ(rename("f", "g"), 0); /* the same file: nothing happens */
	CHECK_EQ(stat("f", &a), 0);
	CHECK_EQ(unlink("g"), 0);
	CHECK_EQ(rename("f", "g"), 0);
	CHECK_ERR(stat("f", &a), ENOENT);
	CHECK_EQ(rename("g", "d/f"), 0);
	touch("h");
	CHECK_EQ(rename("h", "d/f"), 0);
	CHECK_ERR(rename("d", "d/e/d"), EINVAL);
	CHECK_ERR(rename("d/f", "d/e"), EISDIR);
	CHECK_ERR(rename("d/e", "d/f"), ENOTDIR);
	CHECK_EQ(mkdir("full", 0755), 0);
	touch("full/x");
	CHECK_ERR(rename("d/e", "full"), ENOTEMPTY);
	CHECK_EQ(rename("full", "d/e"), 0);
	CHECK_ERR(rename("none", "x"), ENOENT);
	touch("p");
	CHECK_ERR(syscall(SYS_renameat2, AT_FDCWD, "p", AT_FDCWD, "d", 1), EEXIST);
	list("d");
	list("d/e");

	/* *at */
	d = open("d", O_RDONLY | O_DIRECTORY);
	CHECK_EQ(faccessat(d, "f", R_OK, 0), 0);
	CHECK_ERR(faccessat(d, "none", F_OK, 0), ENOENT);
	CHECK_EQ(mkdirat(d, "at", 0755), 0);
	CHECK_EQ(fstatat(d, "at", &a, 0), 0);
	CHECK_EQ(fstatat(d, "", &b, AT_EMPTY_PATH), 0);
	CHECK(S_ISDIR(b.st_mode) && a.st_ino != b.st_ino);
	CHECK_ERR(fstatat(d, "", &b, 0), ENOENT);
	CHECK_ERR(openat(99, "f", O_RDONLY), EBADF);
	CHECK_EQ(unlinkat(d, "at", AT_REMOVEDIR), 0);
	CHECK_ERR(unlinkat(d, "f", AT_REMOVEDIR), ENOTDIR);
	CHECK_EQ(unlinkat(d, "f", 0), 0);
	close(d);
	memset(longname, 'n', sizeof(longname));
	longname[256] = 0;
	CHECK_ERR(mkdir(longname, 0755), ENAMETOOLONG);
	longname[255] = 0;
	CHECK_EQ(mkdir(longname, 0755), 0);
	CHECK_EQ(rmdir(longname), 0);
	memset(buf, '/', sizeof(buf));
	buf[PATH_MAX] = 0;
	CHECK_ERR(open(buf, O_RDONLY), ENAMETOOLONG);
	buf[PATH_MAX - 1] = 0;
	CHECK(open(buf, O_RDONLY) >= 0);
	many();

	const char *rest[] = {"d/e/x", "d/e", "d", "p", "s", "dangling", "loop1", "loop2", "ds"};

	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
		CHECK_EQ(remove(rest[i]), 0);
	list(".");
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
