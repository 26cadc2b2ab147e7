/*
 * hung [-k] WHAT FILE: a child does something to FILE that the host never answers. On one vCPU,
 * too, its parent goes on, and with -k kills it and gets its status. It prints "on".
 *
 * WHAT: exec, write, sendfile, splice, copy_file_range, truncate; read: the child reads by a
 * descriptor by which another one writes; flags: by such a one F_SETFL and FIONBIO, which wait for
 * nothing, as /proc/self/fdinfo does (fdinfo); mapped: the child has written to a mapping, and
 * reads; munmap: it then gives it up; exit: it ends with it.
 */
#define _GNU_SOURCE
#include "../check.h"

#include <sys/ioctl.h>
#include <sys/sendfile.h>

static const char *what, *path;
static int fd = -1, go[2];

/* The next call is the one. */
static void now(void)
{
	send_byte(go[1]);
}

static int input(void)
{
	int in = memfd_create("in", 0);

	CHECK_EQ(write(in, "text", 4), 4);
	CHECK_EQ(lseek(in, 0, SEEK_SET), 0);
	return in;
}

static char *map(void)
{
	char *p;

	CHECK_EQ(ftruncate(fd, 4096), 0);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	*p = 1;
	return p;
}

/* Another writes by the same descriptor, and hangs. */
static void write_beside(void)
{
	pid_t pid = fork_ok();

	if (!pid) {
		CHECK_EQ(write(fd, "x", 1), 1);
		_exit(0);
	}
	await_asleep(pid);
}

static void hang(void)
{
	int p[2], in = input();
	loff_t from = 0, to = 4096;
	char buf[8];

	if (strcmp(what, "exec") == 0) {
		now();
		execl(path, path, (char *)NULL);
	} else if (strcmp(what, "write") == 0) {
		now();
		CHECK(write(fd, "x", 1) >= 0);
	} else if (strcmp(what, "sendfile") == 0) {
		now();
		CHECK(sendfile(fd, in, NULL, 4) >= 0);
	} else if (strcmp(what, "splice") == 0) {
		make_pipe(p);
		CHECK_EQ(write(p[1], "text", 4), 4);
		now();
		CHECK(splice(p[0], NULL, fd, NULL, 4, 0) >= 0);
	} else if (strcmp(what, "copy_file_range") == 0) {
		now();
		CHECK(copy_file_range(fd, &from, fd, &to, 4, 0) >= 0);
	} else if (strcmp(what, "truncate") == 0) {
		now();
		CHECK_EQ(ftruncate(fd, 1), 0);
	} else if (strcmp(what, "read") == 0) {
		write_beside();
		now();
		CHECK(read(fd, buf, 1) >= 0);
	} else if (strcmp(what, "fdinfo") == 0) {
		char name[40];

		write_beside();
		snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
		in = open(name, O_RDONLY);
		CHECK(in >= 0);
		CHECK(read(in, buf, sizeof(buf)) > 0);
		now();
		pause();
	} else if (strcmp(what, "flags") == 0) {
		int on = 0;

		write_beside();
		CHECK_EQ(fcntl(fd, F_SETFL, O_APPEND), 0);
		CHECK_EQ(ioctl(fd, FIONBIO, &on), 0);
		CHECK_EQ(fcntl(fd, F_GETFL) & O_APPEND, O_APPEND);
		now();
		pause();
	} else if (strcmp(what, "munmap") == 0) {
		char *m = map();

		close(fd);
		now();
		CHECK_EQ(munmap(m, 4096), 0);
	} else if (strcmp(what, "exit") == 0) {
		map();
		now();
	} else {
		_exit(98);
	}
}

int main(int argc, char **argv)
{
	bool kills = argc > 1 && strcmp(argv[1], "-k") == 0;
	pid_t pid;

	argv += kills;
	if (argc != 3 + kills)
		return 97;
	what = argv[1];
	path = argv[2];
	if (strcmp(what, "exec") != 0) {
		fd = open(path, O_RDWR | O_CREAT, 0600);
		CHECK(fd >= 0);
	}
	make_pipe(go);
	pid = fork_ok();
	if (!pid) {
		hang();
		_exit(96);
	}
	if (fd >= 0)
		close(fd);
	wait_byte(go[0]);
	/* Who goes on here is another process than the one that waits. */
	if (strcmp(what, "exit") != 0)
		await_asleep(pid);
	for (int i = 0; i < 10; i++) {
		pid_t other = fork_ok();

		if (!other)
			_exit(0);
		reap_ok(other);
	}
	if (kills) {
		CHECK_EQ(kill(pid, SIGKILL), 0);
		CHECK_EQ(reap(pid), SIGKILL);
	}
	say("on\n");
	return 5;
}
