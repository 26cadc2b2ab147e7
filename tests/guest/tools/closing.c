/*
 * closing WHAT DIR: descriptors of files that slowfs(DIR) answers for go. It prints "on".
 *
 * close: by close(2), which another process waits for; dup2, range: by what has no result for it;
 * exit, exec: by those; broken: what close(2) says, and that the descriptor has gone; stuck: one
 * that is killed while it waits for ever; lost: look-ups that hang, 12 of them, and others.
 */
#define _GNU_SOURCE
#include "../check.h"

#include <sys/stat.h>

#define STUCK 6
#define LOST  12

static const char *what, *dir;

static const char *in_dir(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static bool is_there(const char *name)
{
	return access(in_dir(name), F_OK) == 0;
}

static void await_file(const char *name)
{
	const struct timespec pause = {0, 2000000};

	while (!is_there(name))
		nanosleep(&pause, NULL);
}

static int written(const char *name)
{
	int fd = open(in_dir(name), O_RDWR | O_CREAT, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "text", 4), 4);
	return fd;
}

static void make(const char *name)
{
	CHECK_EQ(close(written(name)), 0);
}

static void child(void)
{
	int fd = written("late");

	if (strcmp(what, "close") == 0) {
		CHECK_EQ(close(fd), 0);
	} else if (strcmp(what, "dup2") == 0) {
		CHECK_EQ(dup2(0, fd), fd);
	} else if (strcmp(what, "range") == 0) {
		CHECK_EQ(close_range((unsigned)fd, (unsigned)fd, 0), 0);
	} else if (strcmp(what, "exec") == 0) {
		CHECK_EQ(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
		execl("/proc/self/exe", "closing", "done", dir, (char *)NULL);
		_exit(96);
	} else {
		_exit(5);
	}
	make("done");
	_exit(5);
}

/* The child does not get on before the host has answered, and everybody else does. */
static void late(void)
{
	pid_t pid = fork_ok();
	int status;

	if (!pid)
		child();
	await_file("asked");
	for (int i = 0; i < 10; i++) {
		pid_t other = fork_ok();

		if (!other) {
			make("plain");
			_exit(0);
		}
		reap_ok(other);
	}
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	CHECK(!is_there("done"));
	make("gate");
	CHECK_EQ(reap(pid), W_EXITCODE(5, 0));
	CHECK(strcmp(what, "exit") == 0 || is_there("done"));
}

static void broken(void)
{
	int fd = written("broken"), copy = dup(fd);

	CHECK_ERR(close(fd), EIO);
	CHECK_ERR(fcntl(fd, F_GETFD), EBADF);
	CHECK_EQ(dup2(0, copy), copy);
	fd = open(in_dir("broken"), O_RDONLY);
	CHECK(fd >= 0);
	CHECK_EQ(close(fd), 0);
}

static void stuck(void)
{
	pid_t pid[STUCK];

	for (int i = 0; i < STUCK; i++) {
		pid[i] = fork_ok();
		if (!pid[i]) {
			close(written("stuck"));
			_exit(96);
		}
		await_asleep(pid[i]);
	}
	make("plain");
	for (int i = 0; i < STUCK; i++)
		CHECK_EQ(kill(pid[i], SIGKILL), 0);
	for (int i = 0; i < STUCK; i++)
		CHECK_EQ(reap(pid[i]), SIGKILL);
}

static void lost(void)
{
	pid_t pid[LOST];
	struct stat st;

	make("plain");
	for (int i = 0; i < LOST; i++) {
		pid[i] = fork_ok();
		if (!pid[i]) {
			stat(in_dir("lost"), &st);
			_exit(96);
		}
		await_asleep(pid[i]);
		CHECK_EQ(stat(in_dir("plain"), &st), 0);
	}
	for (int i = 0; i < LOST; i++) {
		CHECK_EQ(kill(pid[i], SIGKILL), 0);
		CHECK_EQ(reap(pid[i]), SIGKILL);
	}
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 97;
	what = argv[1];
	dir = argv[2];
	if (strcmp(what, "done") == 0) {
		make("done");
		return 5;
	}
	if (strcmp(what, "broken") == 0)
		broken();
	else if (strcmp(what, "stuck") == 0)
		stuck();
	else if (strcmp(what, "lost") == 0)
		lost();
	else
		late();
	say("on\n");
	return 5;
}
