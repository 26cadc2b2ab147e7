/*
 * hung [-k] WHAT FILE: a child does something to FILE that the host never answers. On one vCPU,
 * too, its parent goes on, and with -k kills it and gets its status. It prints "on".
 *
 * WHAT: exec, write, sendfile, splice, copy_file_range, truncate; read: the child reads by a
 * descriptor by which another one writes; flags: by such a one F_SETFL and FIONBIO, which wait for
 * nothing, as /proc/self/fdinfo does (fdinfo). Of a mapping that the child has written to: munmap;
 * close: of the descriptor, after that; mapexec: an execve; exit: its end, with the mapping; stay:
 * none, it keeps it. connect, bind, sendto, sendmmsg: to a socket's name.
 */
#define _GNU_SOURCE
#include "../check.h"

#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>

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

/* It names a socket, and is not opened. */
static bool by_name(void)
{
	return strcmp(what, "connect") == 0 || strcmp(what, "bind") == 0 ||
	       strcmp(what, "sendto") == 0 || strcmp(what, "sendmmsg") == 0;
}

/* A datagram has gone already where many are sent. */
static void name_socket(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX}, here = a;
	struct iovec v = {&a, 1};
	struct mmsghdr m[2] = {{.msg_hdr = {&here, sizeof(here), &v, 1, NULL, 0, 0}},
			       {.msg_hdr = {&a, sizeof(a), &v, 1, NULL, 0, 0}}};
	int s = socket(AF_UNIX, SOCK_DGRAM, 0), to = socket(AF_UNIX, SOCK_DGRAM, 0);

	CHECK(strlen(path) < sizeof(a.sun_path));
	memcpy(a.sun_path, path, strlen(path));
	memcpy(here.sun_path + 1, "here", 4);
	CHECK_EQ(bind(to, (struct sockaddr *)&here, sizeof(here)), 0);
	now();
	if (strcmp(what, "connect") == 0)
		connect(s, (struct sockaddr *)&a, sizeof(a));
	else if (strcmp(what, "bind") == 0)
		bind(s, (struct sockaddr *)&a, sizeof(a));
	else if (strcmp(what, "sendto") == 0)
		sendto(s, "x", 1, 0, (struct sockaddr *)&a, sizeof(a));
	else
		sendmmsg(s, m, 2, 0);
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

	if (by_name()) {
		name_socket();
	} else if (strcmp(what, "exec") == 0) {
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
		/* The writer sleeps, but its worker may not have begun. */
		for (;;)
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
	} else if (strcmp(what, "close") == 0) {
		CHECK_EQ(munmap(map(), 4096), 0);
		now();
		close(fd);
	} else if (strcmp(what, "mapexec") == 0) {
		map();
		close(fd);
		now();
		execl("/proc/self/exe", "hung", (char *)NULL);
	} else if (strcmp(what, "exit") == 0) {
		map();
		now();
	} else if (strcmp(what, "stay") == 0) {
		map();
		now();
		pause();
	} else {
		_exit(98);
	}
}

int main(int argc, char **argv)
{
	bool kills = argc > 1 && strcmp(argv[1], "-k") == 0;
	int status;
	pid_t pid;

	argv += kills;
	if (argc != 3 + kills)
		return 97;
	what = argv[1];
	path = argv[2];
	make_pipe(go);
	pid = fork_ok();
	if (!pid) {
		/* Here: who closes it last may be the one that waits. */
		if (strcmp(what, "exec") != 0 && !by_name()) {
			fd = open(path, O_RDWR | O_CREAT, 0600);
			CHECK(fd >= 0);
		}
		hang();
		_exit(96);
	}
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
		status = reap(pid);
		/* By its own end it may have gone before. */
		CHECK(status == SIGKILL ||
		      (strcmp(what, "exit") == 0 && status == W_EXITCODE(96, 0)));
	}
	say("on\n");
	return 5;
}
