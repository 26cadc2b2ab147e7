// timeout: 120
// nested: no (half a million calls)
// A directory of 100,000 files: every one is listed, once, while others come and go; a position
// leads back to where it was.
#include "check.h"
#include <dirent.h>

#define FILES 100000

static unsigned char seen[FILES];

struct linux_dirent64 {
	uint64_t d_ino;
	int64_t d_off;
	unsigned short d_reclen;
	unsigned char d_type;
	char d_name[];
};

/* Makes and removes other names until the byte comes. */
static void stir(int stop)
{
	char name[32];
	char c;

	CHECK_EQ(fcntl(stop, F_SETFL, O_NONBLOCK), 0);
	for (unsigned i = 0; read(stop, &c, 1) < 0; i++) {
		snprintf(name, sizeof(name), "stir%u", i % 50);
		if (mknod(name, S_IFREG | 0600, 0) < 0)
			CHECK_EQ(unlink(name), 0);
	}
	for (unsigned i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "stir%u", i);
		unlink(name);
	}
}

/* Lists dir; every f is counted. How many names. */
static unsigned list(int dir, unsigned buffer)
{
	static char buf[65536];
	unsigned n = 0;
	long got;

	memset(seen, 0, sizeof(seen));
	CHECK_EQ(lseek(dir, 0, SEEK_SET), 0);
	while ((got = syscall(SYS_getdents64, dir, buf, buffer)) > 0) {
		for (long at = 0; at < got;) {
			struct linux_dirent64 *e = (struct linux_dirent64 *)(void *)(buf + at);

			if (e->d_name[0] == 'f') {
				unsigned i = (unsigned)atoi(e->d_name + 1);

				CHECK(i < FILES);
				CHECK_EQ(seen[i], 0);
				seen[i] = 1;
				n++;
			}
			at += e->d_reclen;
		}
	}
	CHECK_EQ(got, 0);
	return n;
}

/* From a position in the middle what followed it follows again. */
static void positions(int dir)
{
	DIR *d = fdopendir(dup(dir));
	char after[3][256];
	struct dirent *e;
	long at;

	CHECK(d != NULL);
	rewinddir(d);
	for (int i = 0; i < FILES / 2; i++)
		CHECK(readdir(d) != NULL);
	at = telldir(d);
	for (int i = 0; i < 3; i++) {
		e = readdir(d);
		CHECK(e != NULL);
		snprintf(after[i], sizeof(after[i]), "%s", e->d_name);
	}
	seekdir(d, at);
	for (int i = 0; i < 3; i++) {
		e = readdir(d);
		CHECK(e != NULL && strcmp(e->d_name, after[i]) == 0);
	}
	closedir(d);
}

int main(void)
{
	const char *base = temp_dir();
	int dir = open(base, O_RDONLY | O_DIRECTORY), stop[2];
	unsigned removed = 0;
	char name[32];
	pid_t pid;

	CHECK_EQ(chdir(base), 0);
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		CHECK_EQ(mknod(name, S_IFREG | 0600, 0), 0);
	}
	say("made\n");
	CHECK_EQ(list(dir, 65536), FILES);
	positions(dir);
	make_pipe(stop);
	pid = fork_ok();
	if (pid == 0) {
		stir(stop[0]);
		_exit(0);
	}
	CHECK_EQ(list(dir, 65536), FILES);
	CHECK_EQ(list(dir, 4096), FILES);
	say("listed\n");
	send_byte(stop[1]);
	reap_ok(pid);
	/* removed while it is read: nothing is left over */
	CHECK_EQ(lseek(dir, 0, SEEK_SET), 0);
	for (;;) {
		char buf[32768];
		long got = syscall(SYS_getdents64, dir, buf, sizeof(buf));

		CHECK(got >= 0);
		if (!got)
			break;
		for (long at = 0; at < got;) {
			struct linux_dirent64 *e = (struct linux_dirent64 *)(void *)(buf + at);

			if (e->d_name[0] == 'f') {
				CHECK_EQ(unlink(e->d_name), 0);
				removed++;
			}
			at += e->d_reclen;
		}
	}
	CHECK_EQ(removed, FILES);
	CHECK_EQ(list(dir, 4096), 0);
	CHECK_EQ(rmdir(base), 0);
	say("removed\n");
	return 0;
}
