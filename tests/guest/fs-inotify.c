// inotify: every event in Linux's order, masks, one-shot, queue reads, errors.
#include "check.h"
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

#ifndef IN_MASK_CREATE
#define IN_MASK_CREATE 0x10000000
#endif

static const char *bits(uint32_t mask)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{IN_ACCESS, "ACCESS"},
		{IN_MODIFY, "MODIFY"},
		{IN_ATTRIB, "ATTRIB"},
		{IN_CLOSE_WRITE, "CLOSE_WRITE"},
		{IN_CLOSE_NOWRITE, "CLOSE_NOWRITE"},
		{IN_OPEN, "OPEN"},
		{IN_MOVED_FROM, "MOVED_FROM"},
		{IN_MOVED_TO, "MOVED_TO"},
		{IN_CREATE, "CREATE"},
		{IN_DELETE, "DELETE"},
		{IN_DELETE_SELF, "DELETE_SELF"},
		{IN_MOVE_SELF, "MOVE_SELF"},
		{IN_IGNORED, "IGNORED"},
		{IN_ISDIR, "ISDIR"},
		{IN_Q_OVERFLOW, "Q_OVERFLOW"},
	};
	static char text[256];

	*text = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (mask & names[i].bit)
			strcat(strcat(text, *text ? "|" : ""), names[i].name);
	return text;
}

static uint32_t cookies[2];

/* What is in the queue, a line each; cookies as whether they are the one before. */
static void drain(int fd, const char *what)
{
	char buf[16384] __attribute__((aligned(8)));
	ssize_t n;

	say("%s:\n", what);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *e = (const void *)p;

			cookies[0] = cookies[1];
			cookies[1] = e->cookie;
			say("  %d %s%s%s%s len %u\n", e->wd, bits(e->mask), e->len ? " " : "",
			    e->len ? e->name : "",
			    !e->cookie                 ? ""
			    : cookies[0] == cookies[1] ? " same cookie"
						       : " cookie",
			    e->len);
			p += sizeof(*e) + e->len;
		}
	}
	CHECK(n == -1 && errno == EAGAIN);
}

static void touch(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0644);

	CHECK(fd >= 0);
	close(fd);
}

static void files(int in)
{
	char buf[8];
	int fd, wd;

	fd = open("f", O_CREAT | O_RDWR, 0644);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(write(fd, "y", 1), 1); /* merged with the one before */
	CHECK_EQ(pread(fd, buf, 2, 0), 2);
	CHECK_EQ(ftruncate(fd, 1), 0);
	close(fd);
	drain(in, "create, write, read, truncate, close");
	CHECK_EQ(chmod("f", 0600), 0);
	CHECK_EQ(utimensat(AT_FDCWD, "f", NULL, 0), 0);
	CHECK_EQ(truncate("f", 0), 0);
	drain(in, "chmod, utimes, truncate");
	CHECK_EQ(link("f", "g"), 0);
	CHECK_EQ(symlink("f", "s"), 0);
	CHECK_EQ(mkfifo("p", 0600), 0);
	drain(in, "link, symlink, mkfifo");
	CHECK_EQ(rename("f", "h"), 0);
	drain(in, "rename");
	CHECK_EQ(rename("s", "p"), 0);
	drain(in, "rename over");
	wd = inotify_add_watch(in, "h", IN_ALL_EVENTS);
	say("wd %d\n", wd);
	CHECK_EQ(rename("h", "h2"), 0);
	drain(in, "rename of a watched file");
	CHECK_EQ(unlink("g"), 0);
	drain(in, "unlink of one of two names");
	CHECK_EQ(unlink("h2"), 0);
	drain(in, "unlink of the last");
	CHECK_EQ(unlink("p"), 0);
	drain(in, "unlink of a link");
}

static void directories(int in)
{
	int fd;

	CHECK_EQ(mkdir("d", 0755), 0);
	fd = open("d", O_RDONLY | O_DIRECTORY);
	close(fd);
	drain(in, "mkdir, open, close");
	say("wd %d\n", inotify_add_watch(in, "d", IN_ALL_EVENTS));
	touch("d/x");
	CHECK_EQ(rename("d/x", "x"), 0);
	drain(in, "a file in it, out of it");
	CHECK_EQ(rename("d", "e"), 0);
	CHECK_EQ(rmdir("e"), 0);
	CHECK_EQ(unlink("x"), 0);
	drain(in, "rename, rmdir");
}

static void late(int in)
{
	int fd = open("l", O_CREAT | O_RDWR, 0600);

	say("wd %d\n", inotify_add_watch(in, "l", IN_DELETE_SELF | IN_ATTRIB | IN_MODIFY));
	CHECK_EQ(unlink("l"), 0);
	CHECK_EQ(write(fd, "x", 1), 1);
	close(fd);
	drain(in, "unlinked while open");
}

static void masks(int in)
{
	int wd = inotify_add_watch(in, ".", IN_CREATE), again;

	touch("m");
	again = inotify_add_watch(in, ".", IN_DELETE | IN_MASK_ADD);
	CHECK_EQ(again, wd);
	CHECK_EQ(unlink("m"), 0);
	drain(in, "IN_CREATE, then IN_DELETE added");
	CHECK_EQ(inotify_add_watch(in, ".", IN_CREATE | IN_ONESHOT), wd);
	touch("m");
	touch("m2");
	drain(in, "one shot");
	CHECK_ERR(inotify_rm_watch(in, wd), EINVAL);
	wd = inotify_add_watch(in, ".", IN_DELETE);
	CHECK_EQ(unlink("m2"), 0);
	CHECK_EQ(inotify_rm_watch(in, wd), 0);
	CHECK_EQ(unlink("m"), 0);
	drain(in, "removed");
}

static void reads(int in)
{
	char buf[64];
	struct pollfd p = {.fd = in, .events = POLLIN};
	int n, wd = inotify_add_watch(in, ".", IN_CREATE);

	CHECK_EQ(poll(&p, 1, 0), 0);
	touch("a-rather-long-name");
	touch("b");
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(ioctl(in, FIONREAD, &n), 0);
	say("FIONREAD %d\n", n);
	CHECK_ERR(read(in, buf, 20), EINVAL);
	say("read %d\n", (int)read(in, buf, sizeof(buf)));
	say("read %d\n", (int)read(in, buf, sizeof(buf)));
	unlink("a-rather-long-name");
	unlink("b");
	CHECK_EQ(inotify_rm_watch(in, wd), 0);
	drain(in, "the rest");
}

static void errors(int in)
{
	CHECK_ERR(inotify_init1(1), EINVAL);
	CHECK_ERR(inotify_add_watch(in, ".", 0), EINVAL);
	CHECK_ERR(inotify_add_watch(in, "none", IN_OPEN), ENOENT);
	CHECK_ERR(inotify_add_watch(99, ".", IN_OPEN), EBADF);
	CHECK_ERR(inotify_add_watch(1, ".", IN_OPEN), EINVAL);
	CHECK_ERR(inotify_add_watch(in, (void *)8, IN_OPEN), EFAULT);
	CHECK_ERR(inotify_add_watch(in, ".", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE), EINVAL);
	touch("f");
	CHECK_ERR(inotify_add_watch(in, "f", IN_OPEN | IN_ONLYDIR), ENOTDIR);
	CHECK(inotify_add_watch(in, "f", IN_DELETE) > 0);
	CHECK_ERR(inotify_add_watch(in, "f", IN_OPEN | IN_MASK_CREATE), EEXIST);
	CHECK_ERR(inotify_rm_watch(99, 1), EBADF);
	CHECK_ERR(inotify_rm_watch(1, 1), EINVAL);
	CHECK_ERR(inotify_rm_watch(in, 1000), EINVAL);
	CHECK_ERR(write(in, "x", 1), EBADF);
	unlink("f");
	drain(in, "errors");
}

/* A reader that waits is woken. */
static void waits(void)
{
	char buf[256];
	int in = inotify_init1(IN_CLOEXEC);
	pid_t pid;

	CHECK(in >= 0);
	CHECK(inotify_add_watch(in, ".", IN_CREATE) > 0);
	pid = fork_ok();
	if (!pid) {
		sleep_ms(30);
		touch("w");
		_exit(0);
	}
	CHECK(read(in, buf, sizeof(buf)) > 0);
	reap_ok(pid);
	unlink("w");
	close(in);
	say("waits ok\n");
}

int main(void)
{
	const char *dir = temp_dir();
	int in = inotify_init1(IN_NONBLOCK), wd;

	CHECK(in >= 0);
	CHECK_EQ(chdir(dir), 0);
	wd = inotify_add_watch(in, ".", IN_ALL_EVENTS);
	CHECK_EQ(wd, 1);
	files(in);
	directories(in);
	CHECK_EQ(inotify_rm_watch(in, wd), 0);
	drain(in, "removed");
	late(in);
	masks(in);
	reads(in);
	errors(in);
	waits();
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
