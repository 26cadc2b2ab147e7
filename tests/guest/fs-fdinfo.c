// /proc/self/fdinfo, smaps and smaps_rollup: the fields that programs read.
#include "check.h"
#include <sys/ioctl.h>
#include <dirent.h>

/* The value of a line "NAME:  N" of a file, or -1. */
static long field(const char *path, const char *name)
{
	char line[256];
	FILE *f = fopen(path, "r");
	long v = -1;

	CHECK(f != NULL);
	while (v < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			v = strtol(line + strlen(name) + 1, NULL, 0);
	fclose(f);
	return v;
}

int main(void)
{
	const char *dir = temp_dir();
	struct stat st;
	char path[64];
	int fd, n = 0;
	unsigned index;
	DIR *d;

	fd = open(temp_path(dir, "f"), O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "hello", 5), 5);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	say("pos %ld flags %lo\n", field(path, "pos"), field(path, "flags"));
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(field(path, "ino"), (long)st.st_ino);
	CHECK(field(path, "mnt_id") > 0);
	CHECK_EQ(stat(path, &st), 0);
	CHECK(S_ISREG(st.st_mode));
	d = opendir("/proc/self/fdinfo");
	CHECK(d != NULL);
	while (readdir(d))
		n++;
	closedir(d);
	say("%d entries\n", n);
	close(fd);
	CHECK_ERR(open(path, O_RDONLY), ENOENT);
	fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	CHECK(fd >= 0);
	CHECK_EQ(ioctl(fd, TIOCGPTN, &index), 0);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	CHECK_EQ(field(path, "tty-index"), (long)index);
	close(fd);
	/* What is read may be what is told of. */
	fd = open("/dev/null", O_RDONLY);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	n = open(path, O_RDONLY);
	CHECK_EQ(dup2(n, fd), fd);
	CHECK(read(fd, path, sizeof(path)) > 0);
	close(n);
	close(fd);
	CHECK(field("/proc/self/smaps_rollup", "Rss") > 0);
	CHECK(field("/proc/self/smaps", "Size") > 0);
	CHECK_EQ(field("/proc/self/smaps", "KernelPageSize"), 4);
	CHECK(access("/proc/self/oom_score_adj", W_OK) == 0);
	unlink(temp_path(dir, "f"));
	rmdir(dir);
	return 0;
}
