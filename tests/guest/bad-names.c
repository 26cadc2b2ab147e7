// timeout: 40
// Names and links at their limits: 40 links in a row and one more, circles, names of 255 and 256
// bytes, paths of 4095 and 4096, directories deeper than any path.
#include "err.h"
#include <dirent.h>

#define LEVELS 60 /* of names of 200 bytes: three times what a path holds */

/* l1 -> l0, l2 -> l1, ...; l0 is a file, d0 a directory */
static void chains(void)
{
	char name[16], to[16];
	struct stat st;

	write_file("l0", "end", 3, 0644);
	CHECK_EQ(mkdir("d0", 0755), 0);
	for (int i = 1; i <= 41; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		snprintf(to, sizeof(to), "l%d", i - 1);
		CHECK_EQ(symlink(to, name), 0);
		snprintf(name, sizeof(name), "d%d", i);
		snprintf(to, sizeof(to), "d%d", i - 1);
		CHECK_EQ(symlink(to, name), 0);
	}
	TRY_FD(open("l40", O_RDONLY));
	TRY_FD(open("l41", O_RDONLY));
	TRY_FD(open("l41", O_RDONLY | O_NOFOLLOW));
	TRY(stat("d40", &st));
	TRY(stat("d41", &st));
	TRY(lstat("d41", &st));
	TRY(lstat("d41/", &st));
	TRY(stat("d40/.", &st));
	TRY(stat("d20/../d20", &st)); /* they count together */
	TRY(stat("d20/../d21", &st));
	TRY(chdir("d41"));
	TRY(mkdir("d40/x", 0755));
	TRY(mkdir("d41/y", 0755));
	TRY(rmdir("d40/x"));
	TRY(link("l41", "hard")); /* the link itself */
	TRY(unlink("hard"));
	TRY(linkat(AT_FDCWD, "l41", AT_FDCWD, "hard", AT_SYMLINK_FOLLOW));
	TRY(rename("d41/a", "b"));
	TRY(execve("l41", (char *[]){NULL}, NULL));
	TRY(access("l41", F_OK));
	TRY(truncate("l41", 0));
	TRY(chmod("l40", 0600));
	for (int i = 0; i <= 41; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		CHECK_EQ(unlink(name), 0);
		snprintf(name, sizeof(name), "d%d", i);
		CHECK_EQ(i ? unlink(name) : rmdir(name), 0);
	}
}

/* A link whose text leads through itself, and one that grows as it is followed. */
static void circles(void)
{
	CHECK_EQ(symlink("a/x", "a"), 0);
	CHECK_EQ(symlink("./b/../b", "b"), 0);
	CHECK_EQ(symlink("c2", "c1"), 0);
	CHECK_EQ(symlink("c1", "c2"), 0);
	CHECK_EQ(symlink(".", "here"), 0);
	TRY_FD(open("a", O_RDONLY));
	TRY_FD(open("b", O_RDONLY));
	TRY_FD(open("c1", O_RDONLY));
	TRY_FD(open("c1/x", O_RDONLY | O_CREAT, 0600));
	TRY_FD(open("here/here/here/here", O_RDONLY));
	TRY_FD(open("here/here/here/none", O_RDONLY));
	for (const char *const *n = (const char *const[]){"a", "b", "c1", "c2", "here", NULL}; *n;
	     n++)
		CHECK_EQ(unlink(*n), 0);
}

static void names(void)
{
	char found[512] = "";
	struct dirent *e;
	DIR *d;

	TRY(mkdir(long_name(255), 0755));
	TRY(mkdir(long_name(256), 0755));
	d = opendir(".");
	while ((e = readdir(d)))
		if (e->d_name[0] == 'n')
			snprintf(found, sizeof(found), "%s", e->d_name);
	closedir(d);
	CHECK(strcmp(found, long_name(255)) == 0);
	TRY(rename(long_name(255), "short"));
	TRY(rename("short", long_name(256)));
	TRY(rename("short", long_name(255)));
	TRY(rmdir(long_name(255)));
	TRY(symlink(long_name(4095), "link"));
	TRY(unlink("link"));
	TRY(symlink(long_name(4096), "link"));
	TRY(mkdir(long_path(4095, "d"), 0755));
	TRY(rmdir(long_path(4095, "d")));
	TRY(mkdir(long_path(4096, "d"), 0755));
	/* a path is what is given, not where it leads: the link's text has a limit of its own */
	TRY(symlink(long_path(4095, "."), "link"));
	TRY(access("link", F_OK));
	TRY(access(long_path(4095, "link"), F_OK));
	TRY(unlink("link"));
}

static void deep(void)
{
	static char cwd[32768];
	char level[201];
	long n;

	memset(level, 'd', 200);
	level[200] = 0;
	for (int i = 0; i < LEVELS; i++) {
		CHECK_EQ(mkdir(level, 0755), 0);
		CHECK_EQ(chdir(level), 0);
	}
	write_file("f", "deep", 4, 0600);
	TRY_FD(open("f", O_RDONLY));
	TRY_FD(open("../../f", O_RDONLY));
	TRY(S(getcwd, cwd, sizeof(cwd)));
	TRY(S(getcwd, cwd, 4096));
	n = readlink("/proc/self/cwd", cwd, sizeof(cwd));
	say("link %s\n", n < 0 ? strerrorname_np(errno) : "read");
	CHECK_EQ(unlink("f"), 0);
	for (int i = 0; i < LEVELS; i++) {
		CHECK_EQ(chdir(".."), 0);
		CHECK_EQ(rmdir(level), 0);
	}
}

int main(void)
{
	const char *base = temp_dir();

	CHECK_EQ(chdir(base), 0);
	chains();
	circles();
	names();
	deep();
	CHECK_EQ(rmdir(base), 0);
	return 0;
}
